//! From whom packets are taken: the negotiated address, and nobody else.
//!
//! The rule. A packet from exactly the negotiated address is taken, and from then on only such packets are: the latch is
//! locked. Many peers sit behind address translation and send from elsewhere than they announced, but take RTP where
//! they send it from (symmetric RTP, RFC 4961). So, for [`WINDOW`] after an offer and its answer, and as long as nothing
//! has come from the negotiated address, one other source may prove itself with [`PROOF`] packets whose numbers lie
//! close together ([`NEAR`]), in whatever order and however often they come; the first of a few ([`CANDIDATES_MAX`]) that
//! has is locked then, and we send there as well. It must be another port *of the negotiated IP address*; another IP
//! address only when the negotiated one is private, so that it cannot be where the peer is seen from, and the other is
//! public.
//! It must not be one that the peer has left: media go to the address of the last offer and answer, though the peer's old
//! port goes on for a while (RFC 3264, 8.3.1). Only where nobody has come from the new one for [`SILENCE`] is the old one
//! where the peer still sends from, whatever it says. It is heard there again, and sent to where it says: it may listen there
//! already. Only a private address, where it cannot be reached, is not sent to then.
//!
//! Nor may it be the very stream of the peer of the call before on the same port ([`Former`]): who has not heard that this has
//! ended sends on, and proves nothing about the peer of this call, come who may. Only an offer or an answer that names exactly
//! its address makes it the peer's.
//!
//! A locked latch moves in three cases only: a new offer and answer name another address; packets come from the
//! negotiated address after all; or the locked source was silent for [`SILENCE`] and the very same stream, its source
//! identifier and its numbers going on, proves itself from where the rule above allows. Silence that was announced is none
//! of that kind: on hold it does not count at all, and behind comfort noise it is [`QUIET`] that counts. A move in silence
//! holds until the next offer and answer that change anything, which take the stream back to where it was: an address
//! translation that has changed is found again after [`SILENCE`]. A source that was found before, as that of a gateway which
//! sends from elsewhere than it says, stays where it was found.

mod candidate;

use crate::rtp::Ssrc;
use crate::time::Instant;
use candidate::Candidate;
use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Packets of different numbers that prove another source: 100 ms.
pub const PROOF: u32 = 5;

/// Their numbers lie less than this apart: networks lose, swap and double packets.
pub const NEAR: u16 = 16;

/// So many sources prove themselves beside each other: a stranger does not undo what the peer has proved.
pub const CANDIDATES_MAX: usize = 4;

/// A candidate that was not heard for so long makes room for another.
const CANDIDATE_LASTS: Duration = Duration::from_secs(1);

/// For so long after an offer and its answer another source than the negotiated one may prove itself.
pub const WINDOW: Duration = Duration::from_secs(5);

/// After so much silence of the locked source its stream may go on from elsewhere.
pub const SILENCE: Duration = Duration::from_secs(2);

/// The same after comfort noise (RFC 3389), which announces silence. Not for ever: a peer that has moved all the same is heard
/// again before the time for media is out.
pub const QUIET: Duration = Duration::from_secs(15);

/// A stream that moved has gone on by no more packets than this while nothing came: a minute.
const MOVED_PACKETS_MAX: u16 = 3_000;

/// So many addresses that a peer has left are remembered: one or two of each move.
pub const FORMER_MAX: usize = 4;

/// Where the peer of a call that has ended was and by which SSRC it sent, as it may yet; the last ones first. Who begins another
/// stream there may be the peer of the next call, as telephones and gateways have one port for all of theirs.
pub type Former = [Option<(SocketAddr, Ssrc)>; FORMER_MAX];

/// No address of anybody.
pub const NOBODY: Former = [None; FORMER_MAX];

/// What the peer of this call has left; the last ones first.
type Left = [Option<SocketAddr>; FORMER_MAX];

/// The rule for one stream.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Latch {
    negotiated: SocketAddr,
    /// By what was agreed the peer may be silent.
    held: bool,
    state: State,
    /// Where the peer was, or said it was, before it named another address.
    former: Left,
    /// Where that of the call before on this port was.
    predecessor: Former,
    /// Sources that are proving themselves.
    candidates: [Option<Candidate>; CANDIDATES_MAX],
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// Nothing was taken yet; others than the negotiated source may prove themselves until then.
    Open {
        until: Instant,
    },
    Locked(Locked),
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Locked {
    source: SocketAddr,
    ssrc: Ssrc,
    sequence: u16,
    heard_at: Instant,
    /// The last that came of it was comfort noise.
    quiet: bool,
    /// Where the stream was before it moved in silence.
    moved_from: Option<SocketAddr>,
    /// It fell silent, and was told so: others may be heard.
    loose: bool,
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
    pub fn new(now: Instant, negotiated: SocketAddr) -> Self {
        let state = State::Open { until: now + WINDOW };
        Latch {
            negotiated,
            held: false,
            state,
            former: [None; FORMER_MAX],
            predecessor: NOBODY,
            candidates: [None; CANDIDATES_MAX],
        }
    }

    /// The same on a port where the peer of the call before was there.
    pub fn after(self, predecessor: Former) -> Self {
        Latch { predecessor, ..self }
    }

    /// An open latch in this one's place, as the peer has named another address. One that it returns to is right again, and
    /// so is where it was found to be then.
    pub fn moved(&self, now: Instant, negotiated: SocketAddr) -> Self {
        let returns = self.former.contains(&Some(negotiated));
        let former = self.and_before(if returns { [None; FORMER_MAX] } else { self.former });
        Latch { former, ..Latch::new(now, negotiated).after(self.predecessor) }
    }

    /// Where the peer was that this latch leaves behind, if it was heard, and where it or the one before it was earlier.
    pub fn left(&self) -> Former {
        let ssrc = match &self.state {
            State::Locked(locked) => Some(locked.ssrc),
            State::Open { .. } => None,
        };
        let own =
            ssrc.map(|ssrc| self.and_before(self.former).map(|place| place.map(|address| (address, ssrc))));
        let mut left = own.unwrap_or(NOBODY);
        for before in self.predecessor.into_iter().flatten() {
            if let Some(place) = left.iter_mut().find(|place| place.is_none()) {
                *place = Some(before);
            }
        }
        left
    }

    fn and_before(&self, before: Left) -> Left {
        let mut left = [None; FORMER_MAX];
        for address in [self.target(), self.negotiated].into_iter().chain(before.into_iter().flatten()) {
            if left.contains(&Some(address)) {
                continue;
            }
            let Some(place) = left.iter_mut().find(|place| place.is_none()) else { break };
            *place = Some(address);
        }
        left
    }

    /// This latch after an offer and its answer have settled the same address again: who has not been heard may still come.
    /// Where they have `changed` something, as at the end of a hold, who has moved in silence proves anew that it is not where it
    /// was; a refresh of the session changes nothing.
    pub fn renewed(mut self, now: Instant, changed: bool) -> Self {
        match &mut self.state {
            State::Open { until } => *until = now + WINDOW,
            State::Locked(locked) => {
                (locked.heard_at, locked.quiet) = (now, false);
                if let Some(home) = locked.moved_from.take_if(|_| changed) {
                    (locked.source, locked.loose) = (home, false);
                }
            }
        }
        self.candidates = [None; CANDIDATES_MAX];
        self
    }

    /// Whether the peer is on hold by what was agreed, or holds us: nobody takes its stream meanwhile.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Where the offer and the answer say that the peer is.
    pub fn negotiated(&self) -> SocketAddr {
        self.negotiated
    }

    /// Where packets go: to the source that is locked, or else to the negotiated address. There, too, where the source is a port
    /// that the peer has left: media go to the address of the last offer and answer (RFC 3264, 8.3.1).
    pub fn target(&self) -> SocketAddr {
        let ip = self.negotiated.ip();
        match &self.state {
            State::Open { .. } => self.negotiated,
            State::Locked(locked) if locked.source.ip() == ip && self.has_left(locked.source) => {
                self.negotiated
            }
            State::Locked(locked) => locked.source,
        }
    }

    /// Whether the peer is at the negotiated address, and has not fallen silent there: all others may be kept away.
    pub fn is_at_negotiated(&self) -> bool {
        matches!(&self.state, State::Locked(locked) if locked.source == self.negotiated && !locked.loose)
    }

    /// Whose packet is it? `quiet` says of it that it is comfort noise.
    pub fn judge(
        &mut self,
        now: Instant,
        source: SocketAddr,
        ssrc: Ssrc,
        sequence: u16,
        quiet: bool,
    ) -> Judgement {
        let judgement = self.judge_source(now, source, ssrc, sequence);
        if let (State::Locked(locked), true) = (&mut self.state, judgement != Judgement::Refused) {
            locked.quiet = quiet;
        }
        judgement
    }

    fn judge_source(&mut self, now: Instant, source: SocketAddr, ssrc: Ssrc, sequence: u16) -> Judgement {
        let silent = self.is_silent(now);
        match &mut self.state {
            State::Locked(locked) if locked.source == source => {
                (locked.ssrc, locked.sequence, locked.heard_at) = (ssrc, sequence, now);
                match std::mem::take(&mut locked.loose) {
                    true => Judgement::Latched(source),
                    false => Judgement::Taken,
                }
            }
            _ if source == self.negotiated => self.lock(now, source, ssrc, sequence),
            State::Locked(locked) => {
                let moved = sequence.wrapping_sub(locked.sequence);
                let goes_on = ssrc == locked.ssrc && (1..=MOVED_PACKETS_MAX).contains(&moved);
                match silent && goes_on && self.may_be(source, ssrc) && !self.has_left(source) {
                    true => self.prove(now, source, ssrc, sequence),
                    false => Judgement::Refused,
                }
            }
            State::Open { until } => {
                let (until, nobody_came) = (*until, now + WINDOW >= *until + SILENCE);
                match now < until && self.may_be(source, ssrc) && (nobody_came || !self.has_left(source)) {
                    true => self.prove(now, source, ssrc, sequence),
                    false => Judgement::Refused,
                }
            }
        }
    }

    /// A packet that is not for hearing came; whether it is the locked source's, which is there still, or comes from where the
    /// peer says it is.
    pub fn keep(&mut self, now: Instant, source: SocketAddr, ssrc: Ssrc, sequence: u16) -> bool {
        match &mut self.state {
            State::Locked(locked) if (locked.source, locked.ssrc) == (source, ssrc) => {
                (locked.sequence, locked.heard_at) = (sequence, now);
                true
            }
            State::Locked(_) => false,
            State::Open { .. } => source == self.negotiated,
        }
    }

    /// Tells once that the locked source has fallen silent: whoever keeps other sources away is to let them through.
    pub fn loosen(&mut self, now: Instant) -> bool {
        let silent = self.is_silent(now);
        match &mut self.state {
            State::Locked(locked) if !locked.loose && silent => {
                locked.loose = true;
                true
            }
            State::Locked(_) | State::Open { .. } => false,
        }
    }

    /// Whether the locked source has been silent for so long that its stream may go on from elsewhere.
    fn is_silent(&self, now: Instant) -> bool {
        match &self.state {
            State::Locked(locked) if !self.held => {
                now.saturating_since(locked.heard_at) >= if locked.quiet { QUIET } else { SILENCE }
            }
            State::Locked(_) | State::Open { .. } => false,
        }
    }

    /// Whether the peer may be seen as `source`, sending by `ssrc`.
    fn may_be(&self, source: SocketAddr, ssrc: Ssrc) -> bool {
        may_be(self.negotiated, source) && !self.predecessor.contains(&Some((source, ssrc)))
    }

    fn has_left(&self, source: SocketAddr) -> bool {
        self.former.contains(&Some(source))
    }

    fn lock(&mut self, now: Instant, source: SocketAddr, ssrc: Ssrc, sequence: u16) -> Judgement {
        let moved_from = match &self.state {
            State::Locked(locked) if source != self.negotiated => {
                Some(locked.moved_from.unwrap_or(locked.source)).filter(|home| *home != source)
            }
            State::Locked(_) | State::Open { .. } => None,
        };
        let (heard_at, quiet, loose) = (now, false, false);
        self.state = State::Locked(Locked { source, ssrc, sequence, heard_at, quiet, moved_from, loose });
        self.candidates = [None; CANDIDATES_MAX];
        Judgement::Latched(source)
    }

    fn prove(&mut self, now: Instant, source: SocketAddr, ssrc: Ssrc, sequence: u16) -> Judgement {
        let is_its = |candidate: &Candidate| (candidate.source, candidate.ssrc) == (source, ssrc);
        // A newcomer takes a free place, or that of one who has gone, or of who has proved least and came last: sources that
        // come by turns must not drive each other out.
        let worth = |place: &Option<Candidate>| {
            let there = place.filter(|candidate| now - candidate.heard_at < CANDIDATE_LASTS);
            there.map(|candidate| (candidate.packets(), Reverse(candidate.heard_at)))
        };
        let known = self.candidates.iter().position(|place| place.as_ref().is_some_and(is_its));
        let place = known
            .or_else(|| (0..CANDIDATES_MAX).min_by_key(|place| worth(&self.candidates[*place])))
            .expect("there are places");
        let mut candidate = self.candidates[place].filter(is_its).unwrap_or(Candidate {
            source,
            ssrc,
            newest: sequence,
            came: 0,
            heard_at: now,
        });
        candidate.handle_packet(now, sequence);
        if candidate.packets() >= PROOF {
            return self.lock(now, source, ssrc, candidate.newest);
        }
        self.candidates[place] = Some(candidate);
        Judgement::Refused
    }
}

/// Whether address translation can make a peer that says `negotiated` be seen as `source`.
fn may_be(negotiated: SocketAddr, source: SocketAddr) -> bool {
    source.ip() == negotiated.ip()
        || (is_private(negotiated.ip()) && !is_private(source.ip()) && !source.ip().is_loopback())
}

/// Addresses that are valid within one network only (RFC 1918, 3927, 6598, 4193, 4291).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGOTIATED: &str = "192.0.2.1:4000";
    const OTHER_PORT: &str = "192.0.2.1:5000";
    const THIRD_PORT: &str = "192.0.2.1:6000";
    const STRANGER: &str = "198.51.100.9:4000";
    const PRIVATE: &str = "10.1.2.3:4000";

    /// What came when, in milliseconds, from where and with which number.
    type Came<'a> = (u64, &'a str, u16);

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn judged(latch: &mut Latch, packets: &[Came<'_>]) -> String {
        let judge = |&(ms, source, sequence): &Came<'_>| match latch.judge(
            at(ms),
            source.parse().unwrap(),
            Ssrc(1),
            sequence,
            false,
        ) {
            Judgement::Taken => 't',
            Judgement::Latched(_) => 'l',
            Judgement::Refused => '.',
        };
        packets.iter().map(judge).collect()
    }

    /// The answer to each packet is `t`aken, `l`atched or `.` refused.
    fn judge(negotiated: &str, packets: &[Came<'_>]) -> String {
        judged(&mut Latch::new(at(0), negotiated.parse().unwrap()), packets)
    }

    fn run(from_ms: u64, source: &str, first: u16, count: u16) -> Vec<Came<'_>> {
        (0..count).map(|index| (from_ms + 20 * u64::from(index), source, first.wrapping_add(index))).collect()
    }

    #[test]
    fn the_negotiated_address_is_taken_at_once_and_alone() {
        let packets =
            [(0, STRANGER, 1), (1, NEGOTIATED, 1), (2, OTHER_PORT, 2), (3, NEGOTIATED, 2), (4, STRANGER, 3)];
        assert_eq!(judge(NEGOTIATED, &packets), ".l.t.");
    }

    #[test]
    fn another_port_of_the_same_host_has_to_prove_itself_in_time() {
        let mut packets = run(0, OTHER_PORT, 65_533, 7);
        assert_eq!(judge(NEGOTIATED, &packets), "....ltt");
        packets[2].2 = 900;
        assert_eq!(judge(NEGOTIATED, &packets), ".......");
        let mixed = [(0, OTHER_PORT, 1), (1, THIRD_PORT, 7), (2, OTHER_PORT, 2), (3, OTHER_PORT, 3)];
        assert_eq!(judge(NEGOTIATED, &mixed), "....");
        assert_eq!(judge(NEGOTIATED, &run(4_940, OTHER_PORT, 0, 20)), ".".repeat(20), "the window is over");
        let latch = Latch::new(at(0), NEGOTIATED.parse().unwrap());
        let mut latch = latch.renewed(at(20_000), false);
        assert_eq!(judged(&mut latch, &run(20_100, OTHER_PORT, 0, 5)), "....l");
    }

    #[test]
    fn packets_that_come_twice_swapped_or_late_prove_their_source_and_one_again_and_again_does_not() {
        for (numbers, judgements) in [
            (&[1, 1, 2, 2, 3, 3, 4, 4, 5, 5][..], "........lt"),
            (&[2, 1, 4, 3, 6, 5], "....lt"),
            (&[65_533, 65_534, 65_535, 1, 0, 2], "....lt"),
            (&[1, 2, 5, 9, 10, 11], "....lt"),
            (&[7; 20], "...................."),
            (&[1, 2, 1, 2, 1, 2, 1, 2, 1, 2], ".........."),
            (&[1, 17, 33, 49, 65, 81, 97], "......."),
            (&[97, 81, 65, 49, 33, 17, 1], "......."),
        ] {
            let packets = numbers.iter().zip(0..).map(|(number, place)| (20 * place, OTHER_PORT, *number));
            let packets: Vec<Came<'_>> = packets.collect();
            assert_eq!(judge(NEGOTIATED, &packets), judgements, "{numbers:?}");
        }
    }

    #[test]
    fn sources_prove_themselves_beside_each_other_and_the_first_that_has_is_locked() {
        for others in 1..6 {
            let ports: Vec<String> =
                (0..=others).map(|other| format!("192.0.2.1:{}", 5_000 + other)).collect();
            let mut latch = Latch::new(at(0), NEGOTIATED.parse().unwrap());
            let came = |number: u16| {
                let packet = move |(place, port)| (20 * u64::from(number) + place, port, number);
                (0..).zip(ports.iter().map(String::as_str)).map(packet).collect::<Vec<_>>()
            };
            let judgements: Vec<String> = (0..6).map(|number| judged(&mut latch, &came(number))).collect();
            assert_eq!(judgements.concat().matches('l').count(), 1, "{others}: {judgements:?}");
            assert_eq!(judgements[5].find('t'), judgements[4].find('l'), "{others}: {judgements:?}");
        }
    }

    #[test]
    fn another_host_never_proves_anything() {
        assert_eq!(judge(NEGOTIATED, &run(0, STRANGER, 0, 50)), ".".repeat(50));
        assert_eq!(judge("127.0.0.1:4000", &run(0, "127.0.0.2:4000", 0, 50)), ".".repeat(50));
        assert_eq!(judge(PRIVATE, &run(0, "10.1.2.4:4000", 0, 50)), ".".repeat(50), "both are private");
        assert_eq!(judge(PRIVATE, &run(0, "127.0.0.2:4000", 0, 50)), ".".repeat(50));
    }

    #[test]
    fn a_peer_that_names_its_private_address_is_found_at_its_public_one() {
        assert_eq!(judge(PRIVATE, &run(0, STRANGER, 0, 6)), "....lt");
        for inside in ["100.64.0.1:4000", "169.254.1.1:4000", "[fd00::1]:4000"] {
            assert_eq!(judge(inside, &run(0, "[2001:db8::5]:4000", 0, 5)), "....l", "{inside}");
        }
        let packets = [run(0, STRANGER, 0, 5), run(200, "198.51.100.10:4000", 5, 5)].concat();
        assert_eq!(judge(PRIVATE, &packets), "....l.....", "the first one is locked");
    }

    #[test]
    fn the_negotiated_port_wins_the_stream_back() {
        let mut packets = run(0, OTHER_PORT, 0, 5);
        packets.extend([(100, NEGOTIATED, 70), (101, OTHER_PORT, 5), (102, NEGOTIATED, 71)]);
        assert_eq!(judge(NEGOTIATED, &packets), "....ll.t");
    }

    #[test]
    fn what_the_peer_has_left_proves_nothing_until_it_is_named_again() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let mut found = Latch::new(at(0), address(NEGOTIATED));
        judged(&mut found, &run(0, OTHER_PORT, 0, 5));
        let mut moved = found.moved(at(1_000), address(THIRD_PORT));
        assert_eq!(moved.target(), address(THIRD_PORT));
        for left in [NEGOTIATED, OTHER_PORT] {
            assert_eq!(judged(&mut moved, &run(1_000, left, 0, 50)), ".".repeat(50), "{left}");
        }
        assert_eq!(judged(&mut moved.clone(), &run(2_000, "192.0.2.1:7000", 9_000, 6)), "....lt");
        // Nor does it after the new one has fallen silent.
        assert_eq!(judged(&mut moved, &run(2_000, THIRD_PORT, 50, 50)), format!("l{}", "t".repeat(49)));
        assert_eq!(judged(&mut moved, &run(9_000, OTHER_PORT, 100, 50)), ".".repeat(50));
        // Back where it was it may be found where it was found then, too.
        let mut back = moved.moved(at(20_000), address(NEGOTIATED));
        assert_eq!(judged(&mut back.clone(), &run(20_000, THIRD_PORT, 100, 50)), ".".repeat(50));
        assert_eq!(judged(&mut back.clone(), &run(20_000, OTHER_PORT, 1, 6)), "....lt");
        assert_eq!(judged(&mut back, &[(20_000, OTHER_PORT, 1), (20_001, NEGOTIATED, 1)]), ".l");
        // Behind address translation the public address is left, too.
        let mut seen = Latch::new(at(0), address(PRIVATE));
        judged(&mut seen, &run(0, STRANGER, 0, 5));
        let mut moved = seen.moved(at(1_000), address("10.1.2.3:6000"));
        assert_eq!(judged(&mut moved, &run(1_000, STRANGER, 5, 50)), ".".repeat(50));
        assert_eq!(judged(&mut moved.clone(), &run(2_000, "198.51.100.9:6000", 55, 5)), "....l");
        // Nobody comes from anywhere else: that is where the peer sends from, whatever it says.
        assert_eq!(judged(&mut moved, &run(3_000, STRANGER, 105, 6)), "....lt");
    }

    #[test]
    fn where_the_peer_of_the_call_before_was_proves_nothing_unless_it_is_named() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let mut before = Latch::new(at(0), address(NEGOTIATED)).after([
            Some((address(PRIVATE), Ssrc(2))),
            None,
            None,
            None,
        ]);
        judged(&mut before, &run(0, OTHER_PORT, 0, 5));
        let left = [(OTHER_PORT, 1), (NEGOTIATED, 1), (PRIVATE, 2)];
        let left = left.map(|(left, ssrc)| Some((address(left), Ssrc(ssrc))));
        assert_eq!(before.left(), [left[0], left[1], left[2], None]);
        let mut latch = Latch::new(at(0), address(THIRD_PORT)).after(before.left());
        // Not even where nobody else comes.
        for former in [OTHER_PORT, NEGOTIATED] {
            assert_eq!(judged(&mut latch, &run(0, former, 5, 240)), ".".repeat(240), "{former}");
        }
        assert_eq!(judged(&mut latch.clone(), &run(4_000, "192.0.2.1:7000", 0, 6)), "....lt");
        // Another stream from there is another call's: many telephones have one port for all of theirs.
        let mut anew = latch;
        let last =
            (0..5).map(|number| anew.judge(at(4_000), address(OTHER_PORT), Ssrc(9), number, false)).last();
        assert_eq!(last, Some(Judgement::Latched(address(OTHER_PORT))));
        let mut moved = latch.moved(at(4_000), address("192.0.2.1:7000"));
        assert_eq!(judged(&mut moved, &run(4_000, OTHER_PORT, 250, 200)), ".".repeat(200));
        assert_eq!(
            judged(&mut moved.moved(at(8_000), address(OTHER_PORT)), &[(8_000, OTHER_PORT, 450)]),
            "l"
        );
        assert_eq!(judged(&mut latch, &[(5_000, THIRD_PORT, 1)]), "l");
        // Nor after the peer of this call has fallen silent.
        assert_eq!(judged(&mut latch, &run(9_000, OTHER_PORT, 2, 50)), ".".repeat(50));
    }

    #[test]
    fn a_locked_stream_moves_only_after_silence_and_only_as_itself() {
        let locked = || {
            let mut latch = Latch::new(at(0), NEGOTIATED.parse().unwrap());
            assert_eq!(judged(&mut latch, &run(0, NEGOTIATED, 100, 50)), format!("l{}", "t".repeat(49)));
            latch
        };
        assert_eq!(judged(&mut locked(), &run(1_000, OTHER_PORT, 150, 90)), ".".repeat(90), "no silence yet");
        assert_eq!(judged(&mut locked(), &run(3_000, OTHER_PORT, 150, 6)), "....lt");
        assert_eq!(judged(&mut locked(), &run(3_000, STRANGER, 150, 90)), ".".repeat(90), "another host");
        assert_eq!(
            judged(&mut locked(), &run(3_000, OTHER_PORT, 9_000, 90)),
            ".".repeat(90),
            "other numbers"
        );
        let mut latch = locked();
        for number in 150..240 {
            let source = OTHER_PORT.parse().unwrap();
            assert_eq!(
                latch.judge(at(3_000), source, Ssrc(2), number, false),
                Judgement::Refused,
                "another SSRC"
            );
        }
        assert!(!locked().loosen(at(2_900)));
        let mut latch = locked();
        assert!(latch.loosen(at(2_980)) && !latch.loosen(at(9_000)), "told once");
        assert_eq!(judged(&mut latch, &[(9_100, NEGOTIATED, 150), (9_120, NEGOTIATED, 151)]), "lt");
    }
}
