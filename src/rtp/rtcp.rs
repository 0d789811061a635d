//! RTCP (RFC 3550, 6): sender and receiver reports with SDES, BYE, and the round trip, without taking memory.
//!
//! What a peer says about lengths and counts is believed only as far as its datagram reaches.
//!
//! The core knows no civil time, so reports carry the time since the engine's start in place of NTP time; 6.4.1 allows
//! that, and the round trip needs no more.

use super::Ssrc;
use super::statistics::Reception;
use crate::time::Instant;
use std::fmt;
use std::time::Duration;

/// Packet types (12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// The SDES item of the canonical name (6.5.1).
const CNAME: u8 = 1;

/// The header of each packet: version, count, type, length.
const HEADER: usize = 4;
/// What a sender says of itself: NTP time, RTP time, packets, octets.
const SENDER_INFO: usize = 20;
/// What a report says of one source.
const BLOCK: usize = 24;

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// A packet is shorter than its header, or than what its header says.
    Truncated,
    /// Another version than 2.
    Version(u8),
    /// A compound begins with a report (6.1); this is another type.
    Begin(u8),
    /// More padding than packet.
    Padding,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed RTCP: ")?;
        match self {
            Malformed::Truncated => f.write_str("a packet is shorter than it says"),
            Malformed::Version(version) => write!(f, "version {version} instead of 2"),
            Malformed::Begin(kind) => write!(f, "it begins with type {kind}, which is no report"),
            Malformed::Padding => f.write_str("more padding than packet"),
        }
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
    ///
    /// # Panics
    /// When the name is longer than a compound of [`COMPOUND_MAX`] bytes has room for: it is ours.
    pub fn write(self, now: Instant, buffer: &mut [u8; COMPOUND_MAX]) -> usize {
        let mut out = Writer { buffer, length: 0 };
        let blocks = u8::from(self.heard.is_some());
        let kind = if self.sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        out.packet(kind, blocks, |out| {
            out.word(self.ssrc.0);
            if let Some(sent) = self.sent {
                let ntp = ntp(now);
                out.word((ntp >> 32) as u32);
                out.word(ntp as u32);
                out.word(sent.timestamp);
                out.word(sent.packets as u32);
                out.word(sent.octets as u32);
            }
            if let Some((source, reception)) = self.heard {
                out.block(now, source, reception, self.peer_report);
            }
        });
        out.packet(SOURCE_DESCRIPTION, 1, |out| {
            out.word(self.ssrc.0);
            out.bytes(&[CNAME, self.cname.len() as u8]);
            out.bytes(self.cname.as_bytes());
            // A chunk ends with at least one zero, at a word's end (6.5).
            out.bytes(&[0; 4][..4 - out.length % 4]);
        });
        if self.bye {
            out.packet(GOODBYE, 1, |out| out.word(self.ssrc.0));
        }
        out.length
    }
}

struct Writer<'a> {
    buffer: &'a mut [u8; COMPOUND_MAX],
    length: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    /// A packet with its header, whose length is known behind it.
    fn packet(&mut self, kind: u8, count: u8, body: impl FnOnce(&mut Self)) {
        let begin = self.length;
        self.bytes(&[0x80 | count, kind, 0, 0]);
        body(self);
        let words = (self.length - begin) / 4 - 1;
        self.buffer[begin + 2..begin + HEADER].copy_from_slice(&(words as u16).to_be_bytes());
    }

    fn block(&mut self, now: Instant, source: Ssrc, reception: &mut Reception, report: Option<PeerReport>) {
        self.word(source.0);
        let fraction = u32::from(reception.report_fraction());
        self.word(fraction << 24 | reception.lost().min(LOST_MAX) as u32);
        self.word(reception.highest_extended());
        self.word(reception.jitter_units());
        self.word(report.map_or(0, |report| report.middle_ntp));
        self.word(report.map_or(0, |report| short_ntp(now.saturating_since(report.at))));
    }
}

/// Reads a compound of the peer; blocks about `us` are what concerns us. Where it is known from its RTP which source the
/// `peer` is, only that one's reports count. Packets of types that are not known, and whatever follows what was counted
/// (profile-specific extensions, 6.4.3), are passed over.
pub fn read(now: Instant, bytes: &[u8], us: Ssrc, peer: Option<Ssrc>) -> Result<Told, Malformed> {
    let mut told = Told::default();
    let mut rest = bytes;
    // An empty datagram is none either.
    loop {
        let First { kind, count, body, behind } = split(rest)?;
        let first = rest.len() == bytes.len();
        if first && !matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
            return Err(Malformed::Begin(kind));
        }
        let mut counts = true;
        let blocks = match kind {
            SENDER_REPORT | RECEIVER_REPORT => {
                let (reporter, body) = body.split_at_checked(4).ok_or(Malformed::Truncated)?;
                counts = peer.is_none_or(|peer| peer.0 == word(reporter, 0));
                let info = if kind == SENDER_REPORT { SENDER_INFO } else { 0 };
                let (info, blocks) = body.split_at_checked(info).ok_or(Malformed::Truncated)?;
                if kind == SENDER_REPORT && counts {
                    told.report = Some(PeerReport { middle_ntp: (ntp_of(info) >> 16) as u32, at: now });
                }
                blocks
            }
            GOODBYE => {
                told.bye = true;
                &[]
            }
            _ => &[],
        };
        if matches!(kind, SENDER_REPORT | RECEIVER_REPORT) && blocks.len() < count * BLOCK {
            return Err(Malformed::Truncated);
        }
        for block in blocks.chunks_exact(BLOCK).take(count).filter(|_| counts) {
            told.hear(now, block, us);
        }
        if behind.is_empty() {
            return Ok(told);
        }
        rest = behind;
    }
}

/// The first packet of a compound.
struct First<'a> {
    kind: u8,
    count: usize,
    /// Without padding.
    body: &'a [u8],
    /// What follows it.
    behind: &'a [u8],
}

fn split(bytes: &[u8]) -> Result<First<'_>, Malformed> {
    let &[first, kind, high, low, ..] = bytes else { return Err(Malformed::Truncated) };
    if first >> 6 != 2 {
        return Err(Malformed::Version(first >> 6));
    }
    let length = HEADER + 4 * usize::from(u16::from_be_bytes([high, low]));
    let (packet, behind) = bytes.split_at_checked(length).ok_or(Malformed::Truncated)?;
    let mut body = &packet[HEADER..];
    if first & 0x20 != 0 {
        let padding = body.last().map_or(0, |last| usize::from(*last));
        let end = body.len().checked_sub(padding).filter(|_| padding > 0).ok_or(Malformed::Padding)?;
        body = &body[..end];
    }
    Ok(First { kind, count: usize::from(first & 0x1f), body, behind })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The NTP time that a sender's information begins with.
fn ntp_of(info: &[u8]) -> u64 {
    u64::from(word(info, 0)) << 32 | u64::from(word(info, 4))
}

impl Told {
    fn hear(&mut self, now: Instant, block: &[u8], us: Ssrc) {
        if word(block, 0) != us.0 {
            return;
        }
        // 24 bits with a sign: copies that the network made can make it negative.
        let lost = u64::from(word(block, 4) & 0x00ff_ffff);
        self.peer_lost = Some(if lost > LOST_MAX { 0 } else { lost });
        let sent_at = word(block, 16);
        if sent_at != 0 {
            // A - LSR - DLSR, modulo the 32 bits of short NTP time (6.4.1). A peer that lies says less than nothing, or
            // more than we run.
            let trip = ((ntp(now) >> 16) as u32).wrapping_sub(sent_at).wrapping_sub(word(block, 20)) as i32;
            let trip = Duration::from_micros((trip.max(0) as u64 * 1_000_000) >> 16);
            self.round_trip = Some(trip).filter(|trip| *trip <= now.since_start());
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
    // Another implementation reads what is written here.
    use rtcp_types::{Compound, Packet};

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
        let told = read(at(1), &bytes, PEER, None).unwrap();
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
        let told = read(at(10_030), &first, Ssrc(0), None).unwrap();
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
        let trip = read(at(10_580), &answer, US, None).unwrap().round_trip.unwrap();
        assert!(trip.abs_diff(Duration::from_millis(80)) < Duration::from_micros(100), "{trip:?}");
        assert_eq!(read(at(10_580), &answer, Ssrc(7), None).unwrap().round_trip, None);
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
            let _ = read(at(0), &bytes[..end], PEER, None);
        }
        for place in 0..bytes.len() {
            for value in [0x00, 0x1f, 0x7f, 0x81, 0xff] {
                let mut broken = bytes.clone();
                broken[place] = value;
                let _ = read(at(0), &broken, PEER, None);
            }
        }
        assert!(read(at(0), b"", US, None).unwrap_err().to_string().contains("malformed RTCP"));
    }

    #[test]
    fn what_a_peer_says_about_lengths_and_counts_is_believed_as_far_as_its_datagram_reaches() {
        let mut heard = reception();
        let report = |heard| Report {
            ssrc: PEER,
            cname: "abc",
            sent: Some(Sent::default()),
            heard: Some((US, heard)),
            peer_report: None,
            bye: false,
        };
        let good = write(at(0), report(&mut heard));
        assert_eq!(read(at(1), &good, US, None).unwrap().peer_lost, Some(10));
        let with = |place: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[place] = value;
            read(at(1), &bytes, US, None)
        };
        assert_eq!(with(0, 0x9f), Err(Malformed::Truncated), "31 blocks and one there");
        assert_eq!(with(0, 0x80).unwrap().peer_lost, None, "a block that is not counted is an extension");
        assert_eq!(with(3, 0xff), Err(Malformed::Truncated), "longer than the datagram");
        assert_eq!(with(3, 0), Err(Malformed::Truncated), "a report without a sender");
        assert_eq!(with(0, 0x41), Err(Malformed::Version(1)));
        assert_eq!(with(1, 202), Err(Malformed::Begin(202)));
        assert_eq!(with(0, 0xa1), Err(Malformed::Padding), "padding of no length");
        assert_eq!(read(at(1), &[0x80, 201, 0, 0], US, None), Err(Malformed::Truncated));
        assert_eq!(read(at(1), &[0x81, 203, 0, 1, 0, 0, 0, 1], US, None), Err(Malformed::Begin(203)));
        // A trip that took longer than we run is a lie.
        let mut lie = good.clone();
        lie[28 + 16..28 + 24].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(read(at(90_000), &lie, US, None).unwrap().round_trip, None);
    }
}
