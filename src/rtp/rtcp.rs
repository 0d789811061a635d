//! RTCP (RFC 3550, 6): sender and receiver reports with SDES, BYE, and the round trip; bytes by rtcp-types.
//!
//! The core knows no civil time, so reports carry the time since the engine's start in place of NTP time; 6.4.1 allows
//! that, and the round trip needs no more.

use super::Ssrc;
use super::statistics::Reception;
use crate::time::Instant;
use rtcp_types::{
    Bye, Compound, CompoundBuilder, Packet, ReceiverReport, ReportBlock, ReportBlockBuilder, Sdes, SdesChunk,
    SdesItem, SenderReport, prelude::*,
};
use std::fmt;
use std::time::Duration;

/// The mean time between reports (6.2: five seconds at least).
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The most bytes of a compound that we write.
pub const COMPOUND_MAX: usize = 256;

/// The 24 bits of the cumulative loss are signed.
const LOST_MAX: u64 = 0x007f_ffff;

/// The time to the next report (6.3.1): the mean interval, a half to one and a half times as `draw` in 0.0..1.0 says,
/// divided by e - 3/2; the first report of a stream comes in half the time.
pub fn interval(mean: Duration, first: bool, draw: f64) -> Duration {
    let mean = if first { mean / 2 } else { mean };
    mean.mul_f64((0.5 + draw) / (std::f64::consts::E - 1.5))
}

/// What we have sent, as a sender report tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload.
    pub octets: u64,
    /// The RTP timestamp that belongs to the moment of the report.
    pub timestamp: u32,
}

/// The last sender report of the peer, for the answer in ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerReport {
    middle_ntp: u32,
    at: Instant,
}

/// What a compound told us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// A sender report, to be remembered.
    pub report: Option<PeerReport>,
    /// The round trip, when the peer has answered a report of ours.
    pub round_trip: Option<Duration>,
    /// Packets of ours that the peer missed.
    pub peer_lost: Option<u64>,
    /// The peer's source says goodbye.
    pub bye: bool,
}

/// The bytes are no compound of RTCP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed RTCP: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// One of our reports.
#[derive(Debug)]
pub struct Report<'a> {
    /// Us.
    pub ssrc: Ssrc,
    /// Our name in SDES; it must not tell anybody's address (RFC 7022).
    pub cname: &'a str,
    /// What we sent; without it the report is a receiver's.
    pub sent: Option<Sent>,
    /// What we received, from whom.
    pub heard: Option<(Ssrc, &'a mut Reception)>,
    /// The peer's last sender report.
    pub peer_report: Option<PeerReport>,
    /// The last report of the stream: with BYE.
    pub bye: bool,
}

impl Report<'_> {
    /// Writes the compound and tells its length.
    pub fn write(self, now: Instant, buffer: &mut [u8; COMPOUND_MAX]) -> usize {
        self.compound(now).write_into(buffer).expect("a report with one block fits into the buffer")
    }

    fn compound(self, now: Instant) -> CompoundBuilder<'static> {
        let ssrc = self.ssrc.0;
        let block = self.heard.map(|(source, reception)| block_of(now, source, reception, self.peer_report));
        let compound = match self.sent {
            Some(sent) => {
                let mut report = SenderReport::builder(ssrc)
                    .ntp_timestamp(ntp(now))
                    .rtp_timestamp(sent.timestamp)
                    .packet_count(sent.packets as u32)
                    .octet_count(sent.octets as u32);
                if let Some(block) = block {
                    report = report.add_report_block(block);
                }
                CompoundBuilder::default().add_packet(report)
            }
            None => {
                let mut report = ReceiverReport::builder(ssrc);
                if let Some(block) = block {
                    report = report.add_report_block(block);
                }
                CompoundBuilder::default().add_packet(report)
            }
        };
        let name = SdesItem::builder(SdesItem::CNAME, self.cname);
        let chunk = SdesChunk::builder(ssrc).add_item_owned(name);
        let compound = compound.add_packet(Sdes::builder().add_chunk(chunk));
        if self.bye { compound.add_packet(Bye::builder().add_source(ssrc)) } else { compound }
    }
}

fn block_of(
    now: Instant,
    source: Ssrc,
    reception: &mut Reception,
    peer_report: Option<PeerReport>,
) -> ReportBlockBuilder {
    let block = ReportBlock::builder(source.0)
        .fraction_lost(reception.report_fraction())
        .cumulative_lost(reception.lost().min(LOST_MAX) as u32)
        .extended_sequence_number(reception.highest_extended())
        .interarrival_jitter(reception.jitter_units());
    match peer_report {
        None => block,
        Some(report) => block
            .last_sender_report_timestamp(report.middle_ntp)
            .delay_since_last_sender_report_timestamp(short_ntp(now - report.at)),
    }
}

/// Reads a compound of the peer whose audio is `peer`'s; blocks about `us` are what concerns us.
pub fn read(now: Instant, bytes: &[u8], us: Ssrc) -> Result<Told, Malformed> {
    let mut told = Told::default();
    for packet in Compound::parse(bytes).map_err(|error| Malformed(error.to_string()))? {
        match packet.map_err(|error| Malformed(error.to_string()))? {
            Packet::Sr(report) => {
                let middle_ntp = (report.ntp_timestamp() >> 16) as u32;
                told.report = Some(PeerReport { middle_ntp, at: now });
                report.report_blocks().for_each(|block| told.hear(now, &block, us));
            }
            Packet::Rr(report) => report.report_blocks().for_each(|block| told.hear(now, &block, us)),
            Packet::Bye(_) => told.bye = true,
            _ => {}
        }
    }
    Ok(told)
}

impl Told {
    fn hear(&mut self, now: Instant, block: &ReportBlock<'_>, us: Ssrc) {
        if block.ssrc() != us.0 {
            return;
        }
        let lost = block.cumulative_lost();
        self.peer_lost = Some(if u64::from(lost) > LOST_MAX { 0 } else { u64::from(lost) });
        let sent_at = block.last_sender_report_timestamp();
        if sent_at != 0 {
            // A - LSR - DLSR, modulo the 32 bits of short NTP time (6.4.1).
            let held = block.delay_since_last_sender_report_timestamp();
            let trip = (ntp(now) >> 16) as u32;
            let trip = trip.wrapping_sub(sent_at).wrapping_sub(held) as i32;
            self.round_trip = Some(Duration::from_micros((trip.max(0) as u64 * 1_000_000) >> 16));
        }
    }
}

/// 64 bits of NTP: seconds above, fraction below. One second on, so that the start is not the forbidden zero.
fn ntp(now: Instant) -> u64 {
    let since = now.since_start() + Duration::from_secs(1);
    (since.as_secs() << 32) | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
}

/// The middle 32 bits of NTP: 16 bits of seconds, 16 of fraction.
fn short_ntp(duration: Duration) -> u32 {
    ((duration.as_micros() << 16) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Ssrc = Ssrc(0x1111_1111);
    const PEER: Ssrc = Ssrc(0x2222_2222);

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn write(now: Instant, report: Report<'_>) -> Vec<u8> {
        let mut buffer = [0; COMPOUND_MAX];
        let length = report.write(now, &mut buffer);
        buffer[..length].to_vec()
    }

    fn reception() -> Reception {
        let mut reception = Reception::new();
        for index in (0..100u16).filter(|index| index % 10 != 5) {
            reception.handle_packet(at(u64::from(index) * 20), index, Some(u32::from(index) * 160));
        }
        reception
    }

    #[test]
    fn a_sender_report_says_what_was_sent_and_heard() {
        let mut heard = reception();
        let sent = Some(Sent { packets: 100, octets: 16_000, timestamp: 16_000 });
        let bytes = write(
            at(2_000),
            Report {
                ssrc: US,
                cname: "abc",
                sent,
                heard: Some((PEER, &mut heard)),
                peer_report: None,
                bye: false,
            },
        );
        let mut packets = Compound::parse(&bytes).unwrap().map(Result::unwrap);
        let Some(Packet::Sr(report)) = packets.next() else { panic!("the first packet is a sender report") };
        assert_eq!((report.ssrc(), report.packet_count(), report.octet_count()), (US.0, 100, 16_000));
        assert_eq!((report.ntp_timestamp() >> 32, report.rtp_timestamp()), (3, 16_000));
        let block = report.report_blocks().next().unwrap();
        assert_eq!((block.ssrc(), block.fraction_lost(), block.cumulative_lost()), (PEER.0, 25, 10));
        assert_eq!((block.extended_sequence_number(), block.interarrival_jitter()), (99, 0));
        let Some(Packet::Sdes(sdes)) = packets.next() else { panic!("the second packet is SDES") };
        let chunk = sdes.chunks().next().unwrap();
        assert_eq!((chunk.ssrc(), chunk.items().next().unwrap().value()), (US.0, b"abc".as_slice()));
        assert!(packets.next().is_none());
    }

    #[test]
    fn who_has_sent_nothing_writes_a_receiver_report() {
        let mut heard = reception();
        let bytes = write(
            at(0),
            Report {
                ssrc: US,
                cname: "abc",
                sent: None,
                heard: Some((PEER, &mut heard)),
                peer_report: None,
                bye: true,
            },
        );
        assert_eq!(bytes[1], 201);
        let told = read(at(1), &bytes, PEER).unwrap();
        assert_eq!((told.bye, told.peer_lost, told.report), (true, Some(10), None));
    }

    #[test]
    fn the_round_trip_is_what_the_peer_did_not_hold() {
        let ours = |now, sent, peer_report| {
            let mut heard = reception();
            let heard = Some((PEER, &mut heard));
            write(now, Report { ssrc: US, cname: "a", sent, heard, peer_report, bye: false })
        };
        let first = ours(at(10_000), Some(Sent::default()), None);
        // It travels for 30 ms, is held for 500 ms, and the answer travels for 50 ms.
        let told = read(at(10_030), &first, Ssrc(0)).unwrap();
        let mut heard = reception();
        let answer = write(
            at(10_530),
            Report {
                ssrc: PEER,
                cname: "b",
                sent: None,
                heard: Some((US, &mut heard)),
                peer_report: told.report,
                bye: false,
            },
        );
        let trip = read(at(10_580), &answer, US).unwrap().round_trip.unwrap();
        assert!(trip.abs_diff(Duration::from_millis(80)) < Duration::from_micros(100), "{trip:?}");
        assert_eq!(read(at(10_580), &answer, Ssrc(7)).unwrap().round_trip, None);
    }

    #[test]
    fn intervals_lie_where_the_rfc_puts_them() {
        for (first, draw, ms) in
            [(false, 0.0, 2_052), (false, 0.5, 4_104), (false, 1.0, 6_156), (true, 1.0, 3_078)]
        {
            let drawn = interval(INTERVAL, first, draw);
            assert!(drawn.abs_diff(Duration::from_millis(ms)) < Duration::from_millis(1), "{drawn:?}");
        }
    }

    #[test]
    fn no_bytes_panic() {
        let mut heard = reception();
        let sent = Some(Sent::default());
        let heard = Some((PEER, &mut heard));
        let bytes =
            write(at(0), Report { ssrc: US, cname: "abc", sent, heard, peer_report: None, bye: true });
        for end in 0..bytes.len() {
            let _ = read(at(0), &bytes[..end], PEER);
        }
        for place in 0..bytes.len() {
            for value in [0x00, 0x1f, 0x7f, 0x81, 0xff] {
                let mut broken = bytes.clone();
                broken[place] = value;
                let _ = read(at(0), &broken, PEER);
            }
        }
        assert!(read(at(0), b"", US).unwrap_err().to_string().contains("malformed RTCP"));
    }
}
