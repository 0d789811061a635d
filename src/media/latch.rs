//! From whom packets are taken: the negotiated address, and nobody else.
//!
//! The rule. A packet from exactly the negotiated address is taken, and from then on only such packets are. Many peers
//! sit behind address translation and send from another port than they announced, but take RTP where they send it from
//! (symmetric RTP, RFC 4961). So, as long as nothing has come from the negotiated port, another port *of the negotiated
//! IP address* is taken once [`PROOF`] packets of one source have come from it in sequence, and we then send there as
//! well. Another IP address is never taken. When packets from the negotiated port do come later, they win the stream
//! back.

use crate::rtp::Ssrc;
use std::net::SocketAddr;

/// Packets in sequence that prove another port: 100 ms.
pub const PROOF: u8 = 5;

/// The rule for one stream.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Latch {
    negotiated: SocketAddr,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// Nothing was taken yet; a candidate may be proving itself.
    Open(Option<Candidate>),
    Closed(SocketAddr),
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: Ssrc,
    next_sequence: u16,
    packets: u8,
}

/// What to do with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// It is the peer's.
    Taken,
    /// It is the peer's, and from now on the peer is there.
    Latched(SocketAddr),
    /// It is not.
    Refused,
}

impl Latch {
    /// An open latch.
    pub fn new(negotiated: SocketAddr) -> Self {
        Latch { negotiated, state: State::Open(None) }
    }

    /// Whose packet is it?
    pub fn judge(&mut self, source: SocketAddr, ssrc: Ssrc, sequence: u16) -> Judgement {
        match self.state {
            State::Closed(latched) if source == latched => Judgement::Taken,
            _ if source == self.negotiated => {
                self.state = State::Closed(source);
                Judgement::Latched(source)
            }
            State::Closed(_) => Judgement::Refused,
            State::Open(_) if source.ip() != self.negotiated.ip() => Judgement::Refused,
            State::Open(candidate) => self.prove(candidate, source, ssrc, sequence),
        }
    }

    fn prove(
        &mut self,
        candidate: Option<Candidate>,
        source: SocketAddr,
        ssrc: Ssrc,
        sequence: u16,
    ) -> Judgement {
        let packets = match candidate {
            Some(before)
                if before.source == source && before.ssrc == ssrc && before.next_sequence == sequence =>
            {
                before.packets + 1
            }
            _ => 1,
        };
        if packets >= PROOF {
            self.state = State::Closed(source);
            return Judgement::Latched(source);
        }
        let next_sequence = sequence.wrapping_add(1);
        self.state = State::Open(Some(Candidate { source, ssrc, next_sequence, packets }));
        Judgement::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each packet is a source and a sequence number; the answer is `t`aken, `l`atched or `.` refused.
    fn judge(packets: &[(&str, u16)]) -> String {
        let mut latch = Latch::new("192.0.2.1:4000".parse().unwrap());
        packets
            .iter()
            .map(|(source, sequence)| match latch.judge(source.parse().unwrap(), Ssrc(1), *sequence) {
                Judgement::Taken => 't',
                Judgement::Latched(_) => 'l',
                Judgement::Refused => '.',
            })
            .collect()
    }

    const NEGOTIATED: &str = "192.0.2.1:4000";
    const OTHER_PORT: &str = "192.0.2.1:5000";
    const THIRD_PORT: &str = "192.0.2.1:6000";
    const STRANGER: &str = "198.51.100.9:4000";

    #[test]
    fn the_negotiated_address_is_taken_at_once_and_alone() {
        assert_eq!(
            judge(&[(STRANGER, 1), (NEGOTIATED, 1), (OTHER_PORT, 2), (NEGOTIATED, 2), (STRANGER, 3)]),
            ".l.t."
        );
    }

    #[test]
    fn another_port_of_the_same_host_has_to_prove_itself() {
        let mut packets: Vec<(&str, u16)> =
            (65_533..=65_535).chain(0..4).map(|number| (OTHER_PORT, number)).collect();
        assert_eq!(judge(&packets), "....ltt");
        packets[2].1 = 9;
        assert_eq!(judge(&packets), ".......");
        let mixed = [(OTHER_PORT, 1), (THIRD_PORT, 7), (OTHER_PORT, 2), (OTHER_PORT, 3)];
        assert_eq!(judge(&mixed), "....");
    }

    #[test]
    fn another_host_never_proves_anything() {
        let packets: Vec<(&str, u16)> = (0..50).map(|number| (STRANGER, number)).collect();
        assert_eq!(judge(&packets), ".".repeat(50));
    }

    #[test]
    fn the_negotiated_port_wins_the_stream_back() {
        let mut packets: Vec<(&str, u16)> = (0..5).map(|number| (OTHER_PORT, number)).collect();
        packets.extend([(NEGOTIATED, 70), (OTHER_PORT, 5), (NEGOTIATED, 71)]);
        assert_eq!(judge(&packets), "....ll.t");
    }
}
