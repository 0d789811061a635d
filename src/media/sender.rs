//! The sending half of a stream: our own SSRC, sequence and media time; one packet a slot.

use super::command::Session;
use crate::audio::FRAME_SAMPLES;
use crate::audio::g711::{self, CodedFrame};
use crate::audio::tone::Tone;
use crate::rng::Rng;
use crate::rtp::Ssrc;
use crate::rtp::packet::{HEADER, Packet};
use crate::rtp::rtcp::Sent;
use crate::rtp::telephone_event::{EventSender, Outgoing, digit_of};

/// The longest packet we send.
pub const PACKET_MAX: usize = HEADER + FRAME_SAMPLES;

/// The level of each line of a key that is sent as sound, in dBFS: some -9 dBm0 together.
const KEY_DBFS: f32 = -15.0;

/// Sends one stream.
#[derive(Debug)]
pub struct Sender {
    ssrc: Ssrc,
    sequence: u16,
    timestamp: u32,
    marker_due: bool,
    packets: u64,
    octets: u64,
    packets_at_report: u64,
    events: EventSender,
}

impl Sender {
    /// A sender with its memory; [`Sender::reset`] makes it one of a call.
    pub fn new() -> Self {
        Sender {
            ssrc: Ssrc(0),
            sequence: 0,
            timestamp: 0,
            marker_due: true,
            packets: 0,
            octets: 0,
            packets_at_report: 0,
            events: EventSender::new(),
        }
    }

    /// A new call: RFC 3550, 5.1 wants source, sequence and media time to begin at random.
    pub fn reset(&mut self, rng: &mut Rng) {
        self.ssrc = Ssrc(rng.next_u32());
        self.sequence = rng.next_u32() as u16;
        self.timestamp = rng.next_u32();
        self.marker_due = true;
        (self.packets, self.octets, self.packets_at_report) = (0, 0, 0);
        self.events.reset();
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

    /// A slot on hold: media time goes on, and sound that comes later begins a talkspurt (RFC 3551, 4.1).
    pub fn skip_slot(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.marker_due = true;
    }

    /// The packet of a slot: a waiting key before `codes`. Tells its length, and what was put in place of `codes`.
    pub fn write_slot(
        &mut self,
        session: &Session,
        codes: &CodedFrame,
        buffer: &mut [u8; PACKET_MAX],
    ) -> (usize, Option<CodedFrame>) {
        let event = self.events.handle_slot(self.timestamp, FRAME_SAMPLES as u16);
        let written = match (event, session.telephone_event) {
            (Some(event), Some(payload_type)) => {
                let length = self.write(event.marker, payload_type, event.timestamp, &event.payload, buffer);
                (length, Some([session.law.silence(); FRAME_SAMPLES]))
            }
            (Some(event), None) => {
                // Without telephone-event in the answer the key is sent as sound.
                let codes = key_codes(session, &event);
                (self.write_audio(session, &codes, buffer), Some(codes))
            }
            (None, _) => (self.write_audio(session, codes, buffer), None),
        };
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        written
    }

    /// What a report tells: nothing when nothing was sent since the last one.
    pub fn report(&mut self) -> Option<Sent> {
        let fresh = self.packets > self.packets_at_report;
        self.packets_at_report = self.packets;
        fresh.then_some(Sent { packets: self.packets, octets: self.octets, timestamp: self.timestamp })
    }

    fn write_audio(&mut self, session: &Session, codes: &CodedFrame, buffer: &mut [u8; PACKET_MAX]) -> usize {
        let marker = std::mem::take(&mut self.marker_due);
        self.write(marker, session.payload_type, self.timestamp, codes, buffer)
    }

    fn write(
        &mut self,
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        payload: &[u8],
        buffer: &mut [u8; PACKET_MAX],
    ) -> usize {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += payload.len() as u64;
        Packet { marker, payload_type, sequence, timestamp, ssrc, payload }.write(buffer)
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
    std::array::from_fn(|index| g711::encode(session.law, tone.map_or(0, |tone| tone.sample(begin + index))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::Law;
    use crate::audio::level;

    fn session(telephone_event: Option<u8>) -> Session {
        let remote = "192.0.2.1:4000".parse().unwrap();
        Session {
            remote,
            remote_rtcp: remote,
            law: Law::Mu,
            payload_type: 0,
            telephone_event,
            send: true,
            receive: true,
        }
    }

    fn slots(sender: &mut Sender, session: &Session, count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| {
                let mut buffer = [0; PACKET_MAX];
                let (length, _) = sender.write_slot(session, &[0xff; FRAME_SAMPLES], &mut buffer);
                buffer[..length].to_vec()
            })
            .collect()
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
