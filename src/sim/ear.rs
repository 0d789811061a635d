//! What a simulated line hears: RTP (RFC 3550) and telephone-event (RFC 4733), read without the engine's own code.
//!
//! The ear keeps the whole audio with the time of each packet, so that afterwards it can be said to the millisecond
//! when a message began on the carrier's side of the wire, and it counts what a strict peer would complain about.

use crate::audio::g711::{self, Law};
use crate::audio::level;
use crate::audio::{FRAME, FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
use crate::sim::voice::Marker;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest audio that an ear keeps, in samples: ten minutes.
pub const RECORDING_SAMPLES_MAX: usize = 600 * SAMPLE_RATE_HZ as usize;

/// A frame above this level is somebody or something, below it is silence.
pub const LOUD_DBFS: f32 = -45.0;

/// The most digits that are kept.
const DIGITS_MAX: usize = 64;

/// A timestamp that leaps further than this from its predecessor is a new beginning, not a pause.
const LEAP_SAMPLES_MAX: i64 = 10 * SAMPLE_RATE_HZ as i64;

/// What the stream from the far end was like.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reception {
    /// Valid RTP packets.
    pub packets: u64,
    /// Arrival of the first and the last of them.
    pub first_at: Option<Instant>,
    /// Arrival of the last.
    pub last_at: Option<Instant>,
    /// The longest time between two arrivals.
    pub longest_gap: Duration,
    /// The most packets that came within one 20 ms period.
    pub burst_max: u32,
    /// Sequence numbers that never came, as far as the last packet tells.
    pub missing: u64,
    /// Packets that came a second time or after a later one.
    pub late_or_double: u64,
    /// Datagrams that are no RTP of version 2 with an agreed payload type.
    pub malformed: u64,
    /// Packets whose timestamp does not go with their sequence number (20 ms each).
    pub timestamp_faults: u64,
    /// Changes of the SSRC.
    pub source_changes: u32,
    /// RTCP sender and receiver reports.
    pub reports: u64,
    /// Packets from another address than the caller's description names.
    pub foreign: u64,
}

/// The audio that was heard: samples by RTP timestamp, and when each packet came.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Recording {
    /// From the first packet on; what was lost is silent.
    pub samples: Vec<i16>,
    /// Arrival of a packet and the place of its first sample.
    pub arrivals: Vec<(Instant, usize)>,
}

impl Recording {
    /// When the sample at `place` was heard: in its packet's arrival, after the samples before it in the packet.
    pub fn instant_of(&self, place: usize) -> Option<Instant> {
        let (at, start) = self.arrivals.iter().rev().find(|(_, start)| *start <= place)?;
        Some(*at + crate::audio::duration_of(place - start))
    }

    /// The place of the first sample that was heard at `at` or later.
    pub fn place_of(&self, at: Instant) -> usize {
        match self.arrivals.iter().find(|(arrival, _)| *arrival + FRAME > at) {
            Some((arrival, start)) => start + crate::audio::samples_in(at.saturating_since(*arrival)),
            None => self.samples.len(),
        }
    }
}

/// The ear of one line.
#[derive(Debug)]
pub struct Ear {
    law: Law,
    payload_type: u8,
    telephone_event: Option<u8>,
    previous: Option<Previous>,
    burst: (Instant, u32),
    reception: Reception,
    recording: Recording,
    markers: BTreeMap<Marker, u32>,
    loud: Duration,
    plain: Duration,
    last_loud_at: Option<Instant>,
    digits: String,
    event_timestamp: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Previous {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Where the sample of `timestamp` is in the recording.
    place: usize,
}

impl Ear {
    /// An ear for what was negotiated.
    pub fn new(law: Law, payload_type: u8, telephone_event: Option<u8>) -> Ear {
        Ear {
            law,
            payload_type,
            telephone_event,
            previous: None,
            burst: (Instant::ZERO, 0),
            reception: Reception::default(),
            recording: Recording::default(),
            markers: BTreeMap::new(),
            loud: Duration::ZERO,
            plain: Duration::ZERO,
            last_loud_at: None,
            digits: String::new(),
            event_timestamp: None,
        }
    }

    /// A re-INVITE may change what is sent.
    pub fn renegotiate(&mut self, law: Law, payload_type: u8, telephone_event: Option<u8>) {
        (self.law, self.payload_type, self.telephone_event) = (law, payload_type, telephone_event);
    }

    /// A datagram on the RTP port.
    pub fn handle_packet(&mut self, now: Instant, bytes: &[u8]) {
        let Some(packet) = Packet::read(bytes) else {
            self.reception.malformed += 1;
            return;
        };
        let is_event = Some(packet.payload_type) == self.telephone_event;
        if !is_event && packet.payload_type != self.payload_type {
            self.reception.malformed += 1;
            return;
        }
        self.count(now);
        let Some(place) = self.place(now, &packet, is_event) else { return };
        if is_event {
            self.handle_event(&packet);
        } else {
            self.hear(now, place, packet.payload);
        }
    }

    /// A datagram on the RTCP port: a compound packet begins with a sender or a receiver report (RFC 3550, 6.1).
    pub fn handle_report(&mut self, bytes: &[u8]) {
        match bytes {
            [first, 200 | 201, ..] if first >> 6 == 2 && bytes.len().is_multiple_of(4) => {
                self.reception.reports += 1
            }
            _ => self.reception.malformed += 1,
        }
    }

    /// A packet from a stranger.
    pub fn handle_foreign(&mut self) {
        self.reception.foreign += 1;
    }

    fn count(&mut self, now: Instant) {
        let reception = &mut self.reception;
        reception.packets += 1;
        reception.first_at.get_or_insert(now);
        if let Some(last) = reception.last_at {
            reception.longest_gap = reception.longest_gap.max(now - last);
        }
        reception.last_at = Some(now);
        if now - self.burst.0 >= FRAME {
            self.burst = (now, 0);
        }
        self.burst.1 += 1;
        reception.burst_max = reception.burst_max.max(self.burst.1);
    }

    /// Where the packet belongs in the recording; nothing when it is an old one that came again.
    fn place(&mut self, now: Instant, packet: &Packet<'_>, is_event: bool) -> Option<usize> {
        let fresh = Previous {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            place: self.place_by_clock(now),
        };
        let Some(previous) = self.previous else {
            self.previous = Some(fresh);
            return Some(fresh.place);
        };
        if previous.ssrc != packet.ssrc {
            self.reception.source_changes += 1;
            self.previous = Some(fresh);
            return Some(fresh.place);
        }
        let steps = packet.sequence.wrapping_sub(previous.sequence) as i16;
        let samples = i64::from(packet.timestamp.wrapping_sub(previous.timestamp) as i32);
        if steps <= 0 {
            self.reception.late_or_double += 1;
            // A late packet fills its hole; a double writes the same again.
            self.reception.missing = self.reception.missing.saturating_sub(u64::from(steps < 0));
            return usize::try_from(previous.place as i64 + samples).ok();
        }
        self.reception.missing += steps as u64 - 1;
        let steady = samples == i64::from(steps) * FRAME_SAMPLES as i64;
        // The packets of one event share its first timestamp (RFC 4733, 2.5.1.2), so only audio after audio is judged.
        let event_near = is_event || self.event_timestamp == Some(previous.timestamp);
        self.reception.timestamp_faults += u64::from(!steady && !event_near);
        let place = match usize::try_from(previous.place as i64 + samples) {
            Ok(place) if samples.abs() < LEAP_SAMPLES_MAX => place,
            _ => fresh.place,
        };
        self.previous = Some(Previous { place, ..fresh });
        Some(place)
    }

    fn place_by_clock(&self, now: Instant) -> usize {
        let since_first = now - self.reception.first_at.unwrap_or(now);
        crate::audio::samples_in(since_first)
    }

    fn hear(&mut self, now: Instant, place: usize, payload: &[u8]) {
        let mut frame: Frame = [0; FRAME_SAMPLES];
        let count = payload.len().min(FRAME_SAMPLES);
        for (sample, code) in frame.iter_mut().zip(payload) {
            *sample = g711::decode(self.law, *code);
        }
        if level::dbfs(&frame[..count]) > LOUD_DBFS {
            self.loud += FRAME;
            self.last_loud_at = Some(now);
            match Marker::of_frame(&frame) {
                Some(marker) => *self.markers.entry(marker).or_default() += 1,
                None => self.plain += FRAME,
            }
        }
        let end = place + count;
        if end > RECORDING_SAMPLES_MAX {
            return;
        }
        if self.recording.samples.len() < end {
            self.recording.samples.resize(end, 0);
        }
        self.recording.samples[place..end].copy_from_slice(&frame[..count]);
        self.recording.arrivals.push((now, place));
    }

    fn handle_event(&mut self, packet: &Packet<'_>) {
        const DIGITS: &[u8; 16] = b"0123456789*#ABCD";
        let (Some(event), true) = (packet.payload.first(), packet.payload.len() >= 4) else {
            self.reception.malformed += 1;
            return;
        };
        if self.event_timestamp == Some(packet.timestamp) {
            return;
        }
        self.event_timestamp = Some(packet.timestamp);
        if let (Some(digit), true) = (DIGITS.get(usize::from(*event)), self.digits.len() < DIGITS_MAX) {
            self.digits.push(char::from(*digit));
        }
    }

    /// How long something was to be heard in all.
    pub fn loud(&self) -> Duration {
        self.loud
    }

    /// How much of [`Ear::loud`] was no marker: a message, music, an unmarked voice.
    pub fn plain(&self) -> Duration {
        self.plain
    }

    /// When something was last heard.
    pub fn last_loud_at(&self) -> Option<Instant> {
        self.last_loud_at
    }

    /// The markers that were heard, and in how many frames.
    pub fn markers(&self) -> &BTreeMap<Marker, u32> {
        &self.markers
    }

    /// The digits that were pressed at the far end.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The far end's SSRC and its last sequence number.
    pub fn remote_ssrc(&self) -> Option<(u32, u16)> {
        self.previous.map(|previous| (previous.ssrc, previous.sequence))
    }

    /// The far end's stream.
    pub fn reception(&self) -> &Reception {
        &self.reception
    }

    /// The audio.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Gives the audio away.
    pub fn take_recording(&mut self) -> Recording {
        std::mem::take(&mut self.recording)
    }
}

/// The parts of an RTP packet that matter here.
struct Packet<'a> {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &'a [u8],
}

impl Packet<'_> {
    /// RFC 3550, 5.1. Neither CSRC list, extension nor padding is understood: the far end has no cause for them.
    fn read(bytes: &[u8]) -> Option<Packet<'_>> {
        let (header, payload) = bytes.split_at_checked(12)?;
        let word =
            |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes of twelve"));
        (header[0] == 0x80 && !payload.is_empty()).then(|| Packet {
            payload_type: header[1] & 0x7f,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: word(4),
            ssrc: word(8),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_packets_are_heard_without_complaint() {
        let mut ear = Ear::new(Law::Mu, 0, Some(101));
        for n in 0..50u16 {
            ear.handle_packet(at(20 * u64::from(n)), &packet(0, n, 160 * u32::from(n), &[0x10; 160]));
        }
        let reception = ear.reception();
        assert_eq!((reception.packets, reception.missing, reception.late_or_double), (50, 0, 0));
        assert_eq!((reception.longest_gap, reception.burst_max), (Duration::from_millis(20), 1));
        assert_eq!((reception.malformed, reception.timestamp_faults), (0, 0));
        assert_eq!(ear.loud(), Duration::from_secs(1));
        assert_eq!(ear.recording().samples.len(), 8000);
    }

    #[test]
    fn a_lost_packet_leaves_a_hole_and_a_late_one_fills_it() {
        let mut ear = Ear::new(Law::A, 8, None);
        for n in [0u16, 1, 3, 2, 6] {
            ear.handle_packet(at(20 * u64::from(n)), &packet(8, n, 160 * u32::from(n), &[0x10; 160]));
        }
        assert_eq!((ear.reception().missing, ear.reception().late_or_double), (2, 1));
        let silent = ear.recording().samples.iter().filter(|s| **s == 0).count();
        assert_eq!(silent, 320);
    }

    #[test]
    fn a_place_and_its_instant_are_one() {
        let mut ear = Ear::new(Law::Mu, 0, None);
        for n in 0..10u16 {
            ear.handle_packet(at(1000 + 20 * u64::from(n)), &packet(0, n, 160 * u32::from(n), &[0x10; 160]));
        }
        let recording = ear.recording();
        assert_eq!(recording.instant_of(168), Some(at(1021)));
        assert_eq!(recording.place_of(at(1021)), 168);
        assert_eq!(recording.place_of(at(9999)), 1600);
    }

    #[test]
    fn one_event_is_one_digit_however_often_it_is_sent() {
        let mut ear = Ear::new(Law::Mu, 0, Some(101));
        ear.handle_packet(at(0), &packet(0, 0, 0, &[0xff; 160]));
        for n in 1..7u16 {
            ear.handle_packet(at(20 * u64::from(n)), &packet(101, n, 160, &[9, 10, 0, 160]));
        }
        ear.handle_packet(at(140), &packet(0, 7, 7 * 160, &[0xff; 160]));
        assert_eq!(ear.digits(), "9");
        assert_eq!(ear.reception().timestamp_faults, 0);
    }

    #[test]
    fn what_is_no_packet_of_ours_is_counted_as_malformed() {
        let mut ear = Ear::new(Law::Mu, 0, None);
        ear.handle_packet(at(0), b"short");
        ear.handle_packet(at(0), &packet(8, 0, 0, &[0; 160]));
        ear.handle_packet(at(0), &[0x40; 172]);
        assert_eq!((ear.reception().malformed, ear.reception().packets), (3, 0));
        ear.handle_report(&[0x80, 201, 0, 1, 0, 0, 0, 1]);
        ear.handle_report(&[0x80, 99, 0, 1]);
        assert_eq!((ear.reception().malformed, ear.reception().reports), (4, 1));
    }

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(7u32.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
}
