//! The receiving half of a stream: from the datagram to a frame, with everything that is counted on the way.

use super::command::Session;
use super::latch::{Judgement, Latch};
use crate::audio::conceal::Concealer;
use crate::audio::{Frame, SILENT_FRAME, g711};
use crate::rtp::Ssrc;
use crate::rtp::jitter::{FRAME, JitterBuffer, Playout, Taken};
use crate::rtp::packet::{Malformed, Packet};
use crate::rtp::rtcp::{PeerReport, Told};
use crate::rtp::statistics::{Arrival, Reception};
use crate::rtp::telephone_event::EventReceiver;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Comfort noise (RFC 3389): allowed beside PCMU and PCMA without being negotiated, and often sent so.
const COMFORT_NOISE: u8 = 13;

/// A peer of whom nothing at all has come for 120 ms does not send: it suppresses silence (RFC 3551, 4.1), or is a PBX
/// between two prompts. What networks lose in a row is shorter, but for outages, during which nobody is heard either.
const SUPPRESSED_SLOTS: u16 = 6;

/// Receives one stream.
#[derive(Debug)]
pub struct Receiver {
    latch: Option<Latch>,
    source: Option<Ssrc>,
    /// Another source's next number: two packets in a row, and it takes over (RFC 3550, A.1).
    usurper: Option<(Ssrc, u16)>,
    reception: Reception,
    received_before: u64,
    lost_before: u64,
    refused: u64,
    jitter: JitterBuffer,
    concealer: Concealer,
    events: EventReceiver,
    /// Slots since the last packet of the peer.
    slots_without_packet: u16,
    /// It does not send, or what it sends again is still being delayed.
    suppressed: bool,
    peer_report: Option<PeerReport>,
    round_trip: Option<Duration>,
}

/// What a datagram was.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Received {
    /// Nothing of ours.
    Refused,
    /// RTCP on the port of RTP (RFC 5761).
    Rtcp,
    /// A packet of the peer.
    Taken {
        /// The peer is there, from now on.
        latched: Option<SocketAddr>,
        /// A key was pressed.
        digit: Option<char>,
    },
}

/// What a slot gives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Heard {
    /// What to hear: concealed where it is missing.
    pub sound: Frame,
    /// Whether it is what the peer sent; otherwise the peer's sound is unknown.
    pub known: bool,
}

impl Receiver {
    /// A receiver with its memory.
    pub fn new(delay: Duration) -> Self {
        Receiver {
            latch: None,
            source: None,
            usurper: None,
            reception: Reception::new(),
            received_before: 0,
            lost_before: 0,
            refused: 0,
            jitter: JitterBuffer::new(delay),
            concealer: Concealer::new(),
            events: EventReceiver::new(),
            slots_without_packet: 0,
            suppressed: false,
            peer_report: None,
            round_trip: None,
        }
    }

    /// A new call.
    pub fn reset(&mut self) {
        self.latch = None;
        self.source = None;
        self.usurper = None;
        self.reception = Reception::new();
        (self.received_before, self.lost_before, self.refused) = (0, 0, 0);
        self.jitter.reset();
        self.concealer.reset();
        self.events.reset();
        (self.slots_without_packet, self.suppressed) = (0, false);
        (self.peer_report, self.round_trip) = (None, None);
    }

    /// The peer takes and sends RTP there: the latch opens anew.
    pub fn aim(&mut self, remote: SocketAddr) {
        self.latch = Some(Latch::new(remote));
    }

    /// What waits is of another law.
    pub fn change_law(&mut self) {
        self.jitter.reset();
    }

    /// A datagram on the stream's port.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        session: &Session,
        source: SocketAddr,
        bytes: &[u8],
    ) -> Received {
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err(Malformed::Rtcp) => return Received::Rtcp,
            Err(_) => return self.refuse(),
        };
        let audio = packet.payload_type == session.payload_type;
        let event = Some(packet.payload_type) == session.telephone_event;
        if !(audio || event || packet.payload_type == COMFORT_NOISE) {
            return self.refuse();
        }
        let Some(latch) = &mut self.latch else { return self.refuse() };
        let latched = match latch.judge(source, packet.ssrc, packet.sequence) {
            Judgement::Refused => return self.refuse(),
            Judgement::Latched(source) => Some(source),
            Judgement::Taken => None,
        };
        if !self.known_source(&packet) {
            self.refuse();
            // The address is right even where the packet is not used.
            return latched.map_or(Received::Refused, |_| Received::Taken { latched, digit: None });
        }
        let measured = audio.then_some(packet.timestamp);
        if self.reception.handle_packet(now, packet.sequence, measured) == Arrival::Doubtful {
            return self.refuse();
        }
        self.slots_without_packet = 0;
        let digit = match (audio, event) {
            (true, _) => {
                self.handle_audio(now, session, &packet);
                None
            }
            (_, true) => self.events.handle_payload(packet.marker, packet.timestamp, packet.payload),
            _ => {
                self.jitter.handle_comfort_noise(packet.timestamp);
                None
            }
        };
        Received::Taken { latched, digit }
    }

    fn handle_audio(&mut self, now: Instant, session: &Session, packet: &Packet<'_>) {
        // On hold the peer should be silent; what it sends all the same is counted and not heard.
        if session.receive
            && self.jitter.handle_payload(now, packet.timestamp, packet.payload) == Taken::Restarted
        {
            self.events.reset();
        }
    }

    /// The next 20 ms of what the peer says.
    pub fn handle_slot(&mut self, now: Instant, session: &Session) -> Heard {
        let mut codes = [0; FRAME];
        self.slots_without_packet = self.slots_without_packet.saturating_add(1);
        self.suppressed |= self.slots_without_packet > SUPPRESSED_SLOTS;
        match self.jitter.handle_slot(now, &mut codes) {
            Playout::Frame => {
                self.suppressed = false;
                let mut sound = SILENT_FRAME;
                g711::decode_frame(session.law, &codes, &mut sound);
                self.concealer.handle_frame(&mut sound);
                Heard { sound, known: true }
            }
            Playout::Missing | Playout::Waiting if !self.suppressed => {
                Heard { sound: self.concealer.conceal(), known: false }
            }
            Playout::Quiet | Playout::Missing | Playout::Waiting => {
                let mut sound = SILENT_FRAME;
                self.concealer.handle_frame(&mut sound);
                Heard { sound, known: true }
            }
        }
    }

    /// A compound of RTCP was read.
    pub fn handle_report(&mut self, told: &Told) {
        self.peer_report = told.report.or(self.peer_report);
        self.round_trip = told.round_trip.or(self.round_trip);
    }

    /// What our report says about the peer.
    pub fn report(&mut self) -> (Option<(Ssrc, &mut Reception)>, Option<PeerReport>) {
        let reception = &mut self.reception;
        (self.source.map(|source| (source, reception)), self.peer_report)
    }

    /// Packets received, lost and refused.
    pub fn packets(&self) -> (u64, u64, u64) {
        let received = self.received_before + self.reception.received();
        (received, self.lost_before + self.reception.lost(), self.refused)
    }

    /// Interarrival jitter of the present source, and the round trip.
    pub fn timing(&self) -> (Duration, Option<Duration>) {
        (self.reception.jitter(), self.round_trip)
    }

    /// A datagram that is not used.
    pub fn refuse(&mut self) -> Received {
        self.refused += 1;
        Received::Refused
    }

    /// Whether the packet is of the source that we hear. Behind one address the source may change: when a PBX
    /// switches from its announcement to a person, for instance.
    fn known_source(&mut self, packet: &Packet<'_>) -> bool {
        match (self.source, self.usurper) {
            (Some(source), _) if source == packet.ssrc => self.usurper = None,
            (None, _) => self.source = Some(packet.ssrc),
            (Some(_), Some((ssrc, next))) if ssrc == packet.ssrc && next == packet.sequence => {
                self.received_before += self.reception.received();
                self.lost_before += self.reception.lost();
                self.reception = Reception::new();
                self.jitter.reset();
                self.events.reset();
                (self.source, self.usurper, self.peer_report) = (Some(packet.ssrc), None, None);
            }
            (Some(_), _) => {
                self.usurper = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
                return false;
            }
        }
        true
    }
}
