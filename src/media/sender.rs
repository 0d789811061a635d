//! The sending half of a stream: our own SSRC, sequence and media time; a packet a slot, or as long ones as the peer
//! likes.

use super::command::{Coding, Session};
use super::conflict::Position;
use crate::audio::g711::{self, CodedFrame};
use crate::audio::g722;
use crate::audio::tone::Tone;
use crate::audio::{FRAME_SAMPLES, SILENT_FRAME};
use crate::rng::Rng;
use crate::rtp::Ssrc;
use crate::rtp::packet::{HEADER, Packet};
use crate::rtp::rtcp::Sent;
use crate::rtp::srtp::RTP_GROWTH;
use crate::rtp::telephone_event::{EventSender, Outgoing, digit_of};

/// The most audio in a packet, in milliseconds: what a peer may ask for.
pub const PTIME_MS_MAX: u8 = 60;

/// Samples of the longest packet.
const PACKET_SAMPLES: usize = PTIME_MS_MAX as usize * 8;

/// Room for the longest packet, and for what protects it.
pub const PACKET_MAX: usize = HEADER + PACKET_SAMPLES + RTP_GROWTH;

/// The payload type of comfort noise (RFC 3551, 6).
const COMFORT_NOISE: u8 = 13;

/// The level of our comfort noise in -dBov (RFC 3389, 3.1): a room so quiet that it is not heard as noise.
const NOISE_LEVEL: u8 = 70;

/// Silence is said again after so many slots, 200 ms: who counts packets to see whether we are there still counts some.
const NOISE_SLOTS: u8 = 10;

/// The level of each line of a key that is sent as sound, in dBFS: some -9 dBm0 together.
const KEY_DBFS: f32 = -15.0;

/// What is to be said in a slot.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// In the session's law ([`Coding::law`]).
    InLaw(&'a CodedFrame),
    /// Coded as the session is, by somebody else.
    AsItCame(&'a CodedFrame),
    /// Nothing: silence in the session's law, or its level where the peer makes comfort noise of it.
    Nothing(&'a CodedFrame),
}

/// Sends one stream.
#[derive(Debug)]
pub struct Sender {
    ssrc: Ssrc,
    sequence: u16,
    timestamp: u32,
    marker_due: bool,
    /// Nothing was sent yet, or not for a while: the first packet is short, so that it leaves at once.
    begins: bool,
    packets: u64,
    octets: u64,
    packets_at_report: u64,
    /// Packets and octets of the SSRCs before this one.
    before: (u64, u64),
    events: EventSender,
    /// Slots since the peer was last told that nothing is said, while nothing is.
    quiet_slots: Option<u8>,
    /// For a peer that speaks G.722.
    g722: Option<Box<g722::Encoder>>,
    /// Audio that is less than a packet, and how much of it there is.
    pending: [u8; PACKET_SAMPLES + FRAME_SAMPLES],
    pending_samples: usize,
}

impl Sender {
    /// A sender with its memory; [`Sender::reset`] makes it one of a call.
    pub fn new() -> Self {
        Sender {
            ssrc: Ssrc(0),
            sequence: 0,
            timestamp: 0,
            marker_due: true,
            begins: true,
            packets: 0,
            octets: 0,
            packets_at_report: 0,
            before: (0, 0),
            events: EventSender::new(),
            quiet_slots: None,
            g722: None,
            pending: [0; PACKET_SAMPLES + FRAME_SAMPLES],
            pending_samples: 0,
        }
    }

    /// A new call: RFC 3550, 5.1 wants source, sequence and media time to begin at random.
    pub fn reset(&mut self, rng: &mut Rng) {
        self.ssrc = Ssrc(rng.next_u32());
        // In the lower half: a receiver that misses the first packets of a protected stream cannot mistake the number of
        // its rollovers then (RFC 4568, 6.4).
        self.sequence = rng.next_u32() as u16 >> 1;
        self.timestamp = rng.next_u32();
        (self.marker_due, self.begins) = (true, true);
        (self.packets, self.octets, self.packets_at_report) = (0, 0, 0);
        self.before = (0, 0);
        self.events.reset();
        (self.g722, self.quiet_slots) = (None, None);
        self.pending_samples = 0;
    }

    /// The session is coded so from now on, no longer as `before`. What is less than a packet goes on in the other law; what
    /// cannot leaves as it is.
    pub fn change_coding(
        &mut self,
        before: Option<&Session>,
        coding: Coding,
        emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize),
    ) {
        match (before.map(|before| before.coding), coding) {
            (Some(Coding::G711(from)), Coding::G711(to)) => {
                let pending = &mut self.pending[..self.pending_samples];
                pending.iter_mut().for_each(|code| *code = g711::encode(to, g711::decode(from, *code)));
            }
            (Some(_) | None, _) => {
                if let Some(before) = before.filter(|before| before.send) {
                    self.finish(before, emit);
                }
                self.pending_samples = 0;
            }
        }
        self.g722 = (coding == Coding::G722).then(Default::default);
    }

    /// Another has our SSRC: we take a new one, whose packets and octets count from nothing (RFC 3550, 6.4.1 and 8.2).
    pub fn change_source(&mut self, rng: &mut Rng) {
        self.ssrc = Ssrc(rng.next_u32());
        self.before = (self.packets, self.octets);
        self.marker_due = true;
    }

    /// Where our packets are.
    pub fn position(&self) -> Position {
        Position { ssrc: self.ssrc, sequence: self.sequence, timestamp: self.timestamp }
    }

    /// Our source.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Packets sent.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Digits to send after those that wait.
    pub fn handle_digits(&mut self, digits: &str) {
        self.events.handle_digits(digits);
    }

    /// A slot on hold: no key is kept for the resume, and one that was being sent is over.
    pub fn hold_slot(&mut self) {
        self.events.reset();
        self.skip_slot();
    }

    /// A slot on hold, or a missed one: media time goes on, and sound that comes later begins a talkspurt (RFC 3551, 4.1).
    pub fn skip_slot(&mut self) {
        (self.pending_samples, self.quiet_slots) = (0, None);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        (self.marker_due, self.begins) = (true, true);
    }

    /// The packets of a slot, none to two: a waiting key before `said`. Each is handed to `emit` with its length, in a
    /// buffer with room for protection. Tells what was put in place of `said`, in the session's law.
    pub fn write_slot(
        &mut self,
        session: &Session,
        said: Said<'_>,
        emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize),
    ) -> Option<CodedFrame> {
        let event = self.events.handle_slot(self.timestamp, FRAME_SAMPLES as u16);
        let in_place = match (event, session.telephone_event) {
            (Some(event), Some(payload_type)) => {
                self.finish(session, emit);
                self.write(event.marker, payload_type, event.timestamp, &event.payload, emit);
                Some([session.coding.law().silence(); FRAME_SAMPLES])
            }
            (Some(event), None) => {
                // Without telephone-event in the answer the key is sent as sound.
                let codes = key_codes(session, &event);
                self.write_said(session, Said::InLaw(&codes), emit);
                Some(codes)
            }
            (None, _) => {
                self.write_said(session, said, emit);
                None
            }
        };
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        in_place
    }

    /// Sends what is less than a packet now, in place of waiting for the rest of one.
    pub fn finish(&mut self, session: &Session, emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize)) {
        self.flush(session, self.pending_samples, emit);
    }

    /// What a report tells: nothing when nothing was sent since the last one.
    pub fn report(&mut self) -> Option<Sent> {
        let fresh = self.packets > self.packets_at_report;
        self.packets_at_report = self.packets;
        let (packets, octets) = (self.packets - self.before.0, self.octets - self.before.1);
        fresh.then_some(Sent { packets, octets, timestamp: self.timestamp })
    }

    fn write_said(
        &mut self,
        session: &Session,
        said: Said<'_>,
        emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize),
    ) {
        if session.comfort_noise && matches!(said, Said::Nothing(_)) {
            return self.write_noise(session, emit);
        }
        self.quiet_slots = None;
        match (said, &mut self.g722) {
            (Said::AsItCame(codes), _) | (Said::InLaw(codes) | Said::Nothing(codes), None) => {
                self.write_audio(session, codes, emit);
            }
            (Said::InLaw(codes) | Said::Nothing(codes), Some(g722)) => {
                let mut sound = SILENT_FRAME;
                g711::decode_frame(session.coding.law(), codes, &mut sound);
                let codes = g722.encode(&sound);
                self.write_audio(session, &codes, emit);
            }
        }
    }

    /// Tells that nothing is said, at first and from time to time; sound that comes later begins a talkspurt.
    fn write_noise(&mut self, session: &Session, emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize)) {
        self.finish(session, emit);
        let slots = self.quiet_slots.map_or(0, |slots| (slots + 1) % NOISE_SLOTS);
        self.quiet_slots = Some(slots);
        if slots == 0 {
            self.write(false, COMFORT_NOISE, self.timestamp, &[NOISE_LEVEL], emit);
        }
        self.marker_due = true;
    }

    fn write_audio(
        &mut self,
        session: &Session,
        codes: &CodedFrame,
        emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize),
    ) {
        let whole = usize::from(session.ptime_ms.clamp(10, PTIME_MS_MAX)) * 8;
        let samples = if self.begins { whole.min(FRAME_SAMPLES) } else { whole };
        if samples == FRAME_SAMPLES && self.pending_samples == 0 {
            let marker = std::mem::take(&mut self.marker_due);
            return self.write(marker, session.payload_type, self.timestamp, codes, emit);
        }
        self.pending[self.pending_samples..][..FRAME_SAMPLES].copy_from_slice(codes);
        self.pending_samples += FRAME_SAMPLES;
        // What is pending ends where the slot ends.
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        while self.pending_samples >= samples {
            self.flush(session, samples, emit);
        }
        self.timestamp = self.timestamp.wrapping_sub(FRAME_SAMPLES as u32);
    }

    /// Sends so many of the samples that are pending; the last of them ends at the present media time.
    fn flush(
        &mut self,
        session: &Session,
        samples: usize,
        emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize),
    ) {
        if samples == 0 {
            return;
        }
        let timestamp = self.timestamp.wrapping_sub(self.pending_samples as u32);
        let marker = std::mem::take(&mut self.marker_due);
        let pending = self.pending;
        self.write(marker, session.payload_type, timestamp, &pending[..samples], emit);
        self.pending.copy_within(samples..self.pending_samples, 0);
        self.pending_samples -= samples;
    }

    fn write(
        &mut self,
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        payload: &[u8],
        emit: &mut impl FnMut(&mut [u8; PACKET_MAX], usize),
    ) {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        self.begins = false;
        self.packets += 1;
        self.octets += payload.len() as u64;
        let mut buffer = [0; PACKET_MAX];
        let length = Packet { marker, payload_type, sequence, timestamp, ssrc, payload }.write(&mut buffer);
        emit(&mut buffer, length);
    }
}

impl Default for Sender {
    fn default() -> Self {
        Sender::new()
    }
}

/// The frame of a key that is sent as sound; silence once it is released.
fn key_codes(session: &Session, event: &Outgoing) -> CodedFrame {
    let [code, _, high, low] = event.payload;
    let end = usize::from(u16::from_be_bytes([high, low]));
    let tone = digit_of(code).and_then(|digit| Tone::dtmf(digit, KEY_DBFS)).filter(|_| !event.repeated);
    let begin = end.saturating_sub(FRAME_SAMPLES);
    std::array::from_fn(|index| {
        g711::encode(session.coding.law(), tone.map_or(0, |tone| tone.sample(begin + index)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::Law;
    use crate::audio::level;

    fn session(telephone_event: Option<u8>) -> Session {
        Session { telephone_event, ..Session::plain("192.0.2.1:4000".parse().unwrap(), Law::Mu) }
    }

    fn slots(sender: &mut Sender, session: &Session, count: usize) -> Vec<Vec<u8>> {
        slots_of(sender, session, count, |_| [0xff; FRAME_SAMPLES])
    }

    /// Codes by which each sample is known.
    fn counted(slot: usize) -> CodedFrame {
        std::array::from_fn(|index| (slot * FRAME_SAMPLES + index) as u8)
    }

    fn slots_of(
        sender: &mut Sender,
        session: &Session,
        count: usize,
        codes: impl Fn(usize) -> CodedFrame,
    ) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for slot in 0..count {
            let codes = codes(slot);
            sender.write_slot(session, Said::InLaw(&codes), &mut |buffer, length| {
                packets.push(buffer[..length].to_vec())
            });
        }
        packets
    }

    #[test]
    fn packets_are_as_long_as_the_peer_likes_and_hold_every_sample_once() {
        for ptime_ms in [0u8, 10, 20, 30, 40, 50, 60, 200] {
            let samples = usize::from(ptime_ms.clamp(10, 60)) * 8;
            let mut sender = Sender::new();
            sender.reset(&mut Rng::from_seed(3));
            let session = Session { ptime_ms, ..session(Some(101)) };
            let packets = slots_of(&mut sender, &session, 30, counted);
            let packets: Vec<Packet<'_>> =
                packets.iter().map(|bytes| Packet::parse(bytes).unwrap()).collect();
            // The first leaves in the first slot.
            let first = samples.min(FRAME_SAMPLES);
            assert_eq!(packets.len(), 1 + (4_800 - first) / samples, "{ptime_ms}");
            let mut at = 0;
            for (index, packet) in packets.iter().enumerate() {
                assert_eq!(packet.payload.len(), if index == 0 { first } else { samples });
                assert_eq!(packet.timestamp, packets[0].timestamp.wrapping_add(at as u32));
                assert_eq!(packet.sequence, packets[0].sequence + index as u16);
                assert!(packet.payload.iter().zip(at..).all(|(code, at)| *code == at as u8));
                at += packet.payload.len();
            }
        }
    }

    #[test]
    fn a_key_cuts_a_long_packet_short_and_no_sample_is_lost() {
        let mut sender = Sender::new();
        sender.reset(&mut Rng::from_seed(3));
        let session = Session { ptime_ms: 60, ..session(Some(101)) };
        let mut packets = slots(&mut sender, &session, 5);
        sender.handle_digits("1");
        packets.extend(slots(&mut sender, &session, 11));
        let seen: Vec<(u8, u32, usize)> = packets
            .iter()
            .map(|bytes| Packet::parse(bytes).unwrap())
            .map(|packet| (packet.payload_type, packet.timestamp, packet.payload.len()))
            .collect();
        let begin = seen[0].1;
        let seen: Vec<(u8, u32, usize)> =
            seen.iter().map(|(kind, at, length)| (*kind, at.wrapping_sub(begin), *length)).collect();
        assert_eq!(seen[..4], [(0, 0, 160), (0, 160, 480), (0, 640, 160), (101, 800, 4)]);
        assert_eq!(seen[seen.len() - 1], (0, 800 + 7 * 160, 480));
    }

    #[test]
    fn sequence_and_media_time_go_on_through_keys_and_hold() {
        let mut sender = Sender::new();
        sender.reset(&mut Rng::from_seed(3));
        let session = session(Some(101));
        let first = slots(&mut sender, &session, 2);
        sender.handle_digits("1");
        let rest = slots(&mut sender, &session, 8);
        sender.skip_slot();
        let last = slots(&mut sender, &session, 2);
        let all: Vec<Packet<'_>> =
            [&first, &rest, &last].into_iter().flatten().map(|bytes| Packet::parse(bytes).unwrap()).collect();
        let base = all[0];
        let seen: Vec<(u8, bool, u16, u32)> = all
            .iter()
            .map(|packet| {
                let sequence = packet.sequence.wrapping_sub(base.sequence);
                let slot = packet.timestamp.wrapping_sub(base.timestamp) / 160;
                (packet.payload_type, packet.marker, sequence, slot)
            })
            .collect();
        assert_eq!(seen[..4], [(0, true, 0, 0), (0, false, 1, 1), (101, true, 2, 2), (101, false, 3, 2)]);
        assert_eq!(seen[8..], [(101, false, 8, 2), (0, false, 9, 9), (0, true, 10, 11), (0, false, 11, 12)]);
    }

    #[test]
    fn silence_is_told_to_who_makes_comfort_noise_and_the_next_sound_begins_a_talkspurt() {
        let session = Session { comfort_noise: true, ptime_ms: 30, ..session(Some(101)) };
        let mut sender = Sender::new();
        sender.reset(&mut Rng::from_seed(3));
        let mut packets = Vec::new();
        let codes = [0xff; FRAME_SAMPLES];
        let mut say = |sender: &mut Sender, said: Said<'_>, slots: usize| {
            for _ in 0..slots {
                sender.write_slot(&session, said, &mut |buffer, length| {
                    packets.push(buffer[..length].to_vec());
                });
            }
        };
        say(&mut sender, Said::InLaw(&codes), 2);
        say(&mut sender, Said::Nothing(&codes), 25);
        sender.handle_digits("1");
        say(&mut sender, Said::Nothing(&codes), 8);
        say(&mut sender, Said::InLaw(&codes), 3);
        let packets: Vec<Packet<'_>> = packets.iter().map(|bytes| Packet::parse(bytes).unwrap()).collect();
        let begin = packets[0].timestamp;
        let told = |packet: &Packet<'_>| {
            let at = packet.timestamp.wrapping_sub(begin) / 80;
            (packet.payload_type, packet.marker, at, packet.payload.len())
        };
        let told: Vec<_> = packets.iter().filter(|packet| packet.payload_type != 101).map(told).collect();
        let noise = |at| (13, false, at, 1);
        let expected = [(0, true, 0, 160), (0, false, 2, 160), noise(4), noise(24), noise(44)];
        assert_eq!(told[..5], expected);
        assert_eq!(told[5..], [(0, true, 70, 240), (0, false, 73, 240)]);
        assert_eq!(packets.iter().filter(|packet| packet.payload_type == 101).count(), 7);
        assert!(packets.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    }

    #[test]
    fn without_telephone_event_a_key_is_sound() {
        let mut sender = Sender::new();
        sender.reset(&mut Rng::from_seed(3));
        sender.handle_digits("5");
        let levels: Vec<bool> = slots(&mut sender, &session(None), 8)
            .iter()
            .map(|bytes| {
                let mut frame = [0; FRAME_SAMPLES];
                g711::decode_frame(Law::Mu, Packet::parse(bytes).unwrap().payload, &mut frame);
                level::dbfs(&frame) > -15.0
            })
            .collect();
        assert_eq!(levels, [true, true, true, true, true, false, false, false]);
    }

    #[test]
    fn a_report_is_a_senders_only_when_something_was_sent() {
        let mut sender = Sender::new();
        sender.reset(&mut Rng::from_seed(3));
        assert_eq!(sender.report(), None);
        slots(&mut sender, &session(None), 3);
        let sent = sender.report().unwrap();
        assert_eq!((sent.packets, sent.octets), (3, 480));
        assert_eq!(sender.report(), None);
    }
}
