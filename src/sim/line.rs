//! One simulated line's media: a mouth that sends a frame every 20 ms, and an [`Ear`].
//!
//! RTP as in RFC 3550, digits as in RFC 4733, and an RTCP report every five seconds.

use crate::audio::g711;
use crate::audio::{FRAME, FRAME_SAMPLES, Frame, duration_of};
use crate::rng::Rng;
use crate::sim::description::Description;
use crate::sim::ear::Ear;
use crate::sim::voice::{Reader, Script};
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// How often a line sends a report: the shortest interval of RFC 3550, 6.2.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Packets of a pressed digit before its last one: 100 ms in all.
const DIGIT_FRAMES: u16 = 5;

/// Copies of a digit's last packet (RFC 4733, 2.5.1.4).
const DIGIT_ENDS: u16 = 3;

/// What a line wants sent from its RTP port, or from the RTCP port above.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// Sent from the port above the line's own.
    pub is_report: bool,
    /// The receiver.
    pub to: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// A line.
#[derive(Debug)]
pub struct Line {
    port: u16,
    remote: Description,
    /// The law of both directions and its payload type: the first of the other side's that the carrier takes.
    law: (g711::Law, u8),
    /// The other side is ready to hear us.
    sends: bool,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    next_frame_at: Instant,
    next_report_at: Instant,
    sent: u32,
    mouth: Reader,
    digit: Option<Digit>,
    ear: Ear,
    last_report: Option<(Instant, u32)>,
    /// When the last beep began and ended, on the carrier's side of the wire.
    beep: (Option<Instant>, Option<Instant>),
}

#[derive(Debug, Clone, Copy)]
struct Digit {
    event: u8,
    timestamp: u32,
    packets: u16,
}

impl Line {
    /// A line that begins to speak now.
    pub fn new(now: Instant, port: u16, remote: Description, law: (g711::Law, u8), rng: &mut Rng) -> Line {
        let ear = Ear::new(law.0, law.1, remote.telephone_event);
        Line {
            port,
            sends: hears(&remote),
            law,
            ssrc: rng.next_u32(),
            sequence: rng.next_u32() as u16,
            timestamp: rng.next_u32(),
            next_frame_at: now,
            next_report_at: now + REPORT_INTERVAL,
            sent: 0,
            mouth: Reader::default(),
            digit: None,
            ear,
            last_report: None,
            beep: (None, None),
            remote,
        }
    }

    /// The local RTP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is heard.
    pub fn ear(&self) -> &Ear {
        &self.ear
    }

    /// What is heard, to take the recording away.
    pub fn ear_mut(&mut self) -> &mut Ear {
        &mut self.ear
    }

    /// When the last beep began and when it ended.
    pub fn beep(&self) -> (Option<Instant>, Option<Instant>) {
        self.beep
    }

    /// A new offer or answer of the other side.
    pub fn renegotiate(&mut self, remote: Description, law: (g711::Law, u8)) {
        self.ear.renegotiate(law.0, law.1, remote.telephone_event);
        self.sends = hears(&remote);
        (self.remote, self.law) = (remote, law);
    }

    /// Says this from now on.
    pub fn say(&mut self, script: Script) {
        self.mouth = Reader::new(script);
    }

    /// Presses a digit; nothing happens when the other side did not agree to telephone-event.
    pub fn press(&mut self, digit: char) {
        let events = "0123456789*#ABCD";
        if let (Some(event), Some(_)) = (events.find(digit), self.remote.telephone_event) {
            self.digit = Some(Digit { event: event as u8, timestamp: self.timestamp, packets: 0 });
        }
    }

    /// A datagram came in on the RTP port, or on the one above.
    pub fn handle_packet(&mut self, now: Instant, source: SocketAddr, is_report: bool, bytes: &[u8]) {
        if source != if is_report { self.remote.rtcp } else { self.remote.address } {
            return self.ear.handle_foreign();
        }
        if !is_report {
            return self.ear.handle_packet(now, bytes);
        }
        self.ear.handle_report(bytes);
        // The middle of a sender report's NTP time is what our report gives back (RFC 3550, 6.4.1).
        if let (Some([_, 200, ..]), Some(middle)) = (bytes.get(..8), bytes.get(10..14)) {
            self.last_report = Some((now, u32::from_be_bytes(middle.try_into().expect("four bytes"))));
        }
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next_frame_at
    }

    /// The frame that is due, and sometimes a report.
    pub fn handle_timeout(&mut self, now: Instant) -> impl Iterator<Item = Packet> + use<> {
        let at = self.next_frame_at;
        self.next_frame_at += FRAME;
        let mut frame: Frame = [0; FRAME_SAMPLES];
        let marks = self.mouth.next_frame(&mut frame);
        if let Some(offset) = marks.beep_start {
            self.beep = (Some(now + duration_of(offset)), None);
        }
        if let Some(offset) = marks.beep_end {
            self.beep.1 = Some(now + duration_of(offset));
        }
        let packet = self.sends.then(|| self.packet(&frame));
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        let report = (at >= self.next_report_at).then(|| {
            self.next_report_at += REPORT_INTERVAL;
            Packet { is_report: true, to: self.remote.rtcp, bytes: self.report(now) }
        });
        packet.into_iter().chain(report)
    }

    fn packet(&mut self, frame: &Frame) -> Packet {
        let mut bytes = Vec::with_capacity(12 + FRAME_SAMPLES);
        match self.digit_payload() {
            Some((payload_type, timestamp, payload)) => {
                self.header(&mut bytes, payload_type, timestamp);
                bytes.extend(payload);
            }
            None => {
                self.header(&mut bytes, self.law.1, self.timestamp);
                bytes.extend(frame.iter().map(|sample| g711::encode(self.law.0, *sample)));
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.sent = self.sent.wrapping_add(1);
        Packet { is_report: false, to: self.remote.address, bytes }
    }

    fn header(&self, bytes: &mut Vec<u8>, payload_type: u8, timestamp: u32) {
        bytes.extend([0x80, payload_type]);
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
    }

    /// While a digit is pressed its packets take the place of the audio.
    fn digit_payload(&mut self) -> Option<(u8, u32, [u8; 4])> {
        let payload_type = self.remote.telephone_event?;
        let digit = self.digit.as_mut()?;
        digit.packets += 1;
        let ends = digit.packets > DIGIT_FRAMES;
        let length = (digit.packets.min(DIGIT_FRAMES) * FRAME_SAMPLES as u16).to_be_bytes();
        let payload = [digit.event, if ends { 0x8a } else { 0x0a }, length[0], length[1]];
        let timestamp = digit.timestamp;
        if digit.packets == DIGIT_FRAMES + DIGIT_ENDS {
            self.digit = None;
        }
        Some((payload_type, timestamp, payload))
    }

    /// A sender report with a block about the last sender report that came, and a CNAME (RFC 3550, 6.4.1 and 6.5).
    fn report(&self, now: Instant) -> Vec<u8> {
        // The simulation has no civil time: its own seconds serve as NTP seconds.
        let since_start = now.since_start();
        let fraction = (u64::from(since_start.subsec_nanos()) << 32) / 1_000_000_000;
        let mut words = vec![
            0x80c8_0006,
            self.ssrc,
            since_start.as_secs() as u32,
            fraction as u32,
            self.timestamp,
            self.sent,
            self.sent.wrapping_mul(FRAME_SAMPLES as u32),
        ];
        if let (Some((at, middle)), Some(remote)) = (self.last_report, self.ear.remote_ssrc()) {
            words[0] = 0x81c8_000c;
            let delay = ((now - at).as_micros() * 65_536 / 1_000_000) as u32;
            let received = self.ear.reception();
            let lost = received.missing.min(0x7f_ffff) as u32;
            words.extend([remote.0, lost, u32::from(remote.1), 0, middle, delay]);
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        // One chunk: the SSRC, CNAME of seven bytes, and zeros up to the word.
        bytes.extend([0x81, 202, 0, 4]);
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend([1, 7]);
        bytes.extend(b"carrier");
        bytes.extend([0; 3]);
        bytes
    }
}

/// Whether the other side is ready to hear us. 0.0.0.0 is how RFC 2543 wrote hold.
fn hears(remote: &Description) -> bool {
    remote.direction.reversed().writer_sends() && !remote.address.ip().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::Law;
    use crate::sim::description::Direction;
    use crate::sim::voice::{Part, tones};

    #[test]
    fn a_line_speaks_every_20_ms_and_is_understood_by_an_ear() {
        let mut line = line(Direction::SendRecv);
        let beep = tones(&[1000.0], Duration::from_millis(100), -10.0);
        line.say(Script { parts: vec![Part::Silence(240), Part::Beep(beep.into())], again_from: None });
        let mut ear = Ear::new(Law::A, 8, Some(101));
        for n in 0..20 {
            assert_eq!(line.poll_timeout(), at(20 * n));
            for packet in line.handle_timeout(at(20 * n)) {
                assert_eq!(packet.to, "192.0.2.1:4000".parse().unwrap());
                ear.handle_packet(at(20 * n), &packet.bytes);
            }
        }
        assert_eq!((ear.reception().packets, ear.reception().malformed), (20, 0));
        assert_eq!(line.beep(), (Some(at(30)), Some(at(130))));
    }

    #[test]
    fn a_pressed_digit_is_heard_once() {
        let mut line = line(Direction::SendRecv);
        let mut ear = Ear::new(Law::A, 8, Some(101));
        for n in 0..20 {
            if n == 3 {
                line.press('9');
            }
            line.handle_timeout(at(20 * n)).for_each(|packet| ear.handle_packet(at(20 * n), &packet.bytes));
        }
        assert_eq!(ear.digits(), "9");
        assert_eq!((ear.reception().packets, ear.reception().missing), (20, 0));
    }

    #[test]
    fn a_line_on_hold_sends_nothing() {
        for direction in [Direction::SendOnly, Direction::Inactive] {
            assert_eq!(line(direction).handle_timeout(at(0)).count(), 0, "{direction:?}");
        }
        assert_eq!(line(Direction::RecvOnly).handle_timeout(at(0)).count(), 1);
    }

    #[test]
    fn a_report_comes_every_five_seconds_and_answers_the_other_side() {
        let mut line = line(Direction::SendRecv);
        let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 9, 0, 0, 0x12, 0x34, 0x56, 0x78];
        report.resize(28, 0);
        line.handle_packet(at(4000), "192.0.2.1:4001".parse().unwrap(), true, &report);
        line.handle_packet(
            at(4000),
            "192.0.2.1:4000".parse().unwrap(),
            false,
            &[&[0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 160]].concat(),
        );
        let mut reports = Vec::new();
        for n in 0..600 {
            reports.extend(line.handle_timeout(at(20 * n)).filter(|packet| packet.is_report));
        }
        assert_eq!(reports.len(), 2);
        assert_eq!(reports[0].to.port(), 4001);
        let bytes = &reports[0].bytes;
        assert_eq!((bytes.len(), &bytes[..4]), (52 + 20, &[0x81, 200, 0, 12][..]));
        assert_eq!(bytes[44..48], [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(bytes[48..52], 65_536u32.to_be_bytes());
    }

    fn line(direction: Direction) -> Line {
        let remote = Description {
            address: "192.0.2.1:4000".parse().unwrap(),
            rtcp: "192.0.2.1:4001".parse().unwrap(),
            laws: vec![(Law::A, 8)],
            telephone_event: Some(101),
            direction,
        };
        Line::new(at(0), 9000, remote, (Law::A, 8), &mut Rng::from_seed(1))
    }

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }
}
