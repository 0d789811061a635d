//! The receiving half of a stream: from the datagram to a frame, with everything that is counted on the way.

use super::command::{Coding, Session};
use super::latch::{Former, Judgement, Latch, NOBODY};
use super::sender_clock::{SenderClock, Step};
use crate::audio::comfort_noise::ComfortNoise;
use crate::audio::conceal::Concealer;
use crate::audio::dtmf::KeyListener;
use crate::audio::g711::{self, CodedFrame};
use crate::audio::g722;
use crate::audio::{Frame, SILENT_FRAME};
use crate::rtp::Ssrc;
use crate::rtp::delay::Delay;
use crate::rtp::jitter::{FRAME, JitterBuffer, Playout, SAMPLES_MAX, Taken};
use crate::rtp::packet::{Malformed, Packet};
use crate::rtp::rtcp::{PeerReport, Told};
use crate::rtp::statistics::{Arrival, Reception};
use crate::rtp::telephone_event::EventReceiver;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Comfort noise (RFC 3389): allowed beside PCMU and PCMA without being negotiated, and often sent so.
const COMFORT_NOISE: u8 = 13;

/// The longest packet that is recoded from the other law than the one agreed on first.
const RECODED_MAX: usize = 480;

/// A peer of whom nothing at all has come for 120 ms does not send: it suppresses silence (RFC 3551, 4.1), or is a PBX
/// between two prompts. What networks lose in a row is shorter, but for outages, during which nobody is heard either.
const SUPPRESSED_SLOTS: u16 = 6;

/// Receives one stream.
#[derive(Debug)]
pub struct Receiver {
    latch: Option<Latch>,
    /// Where the peer of the call before on the same port was.
    former: Former,
    source: Option<Ssrc>,
    /// Another source's next number: two packets in a row, and it takes over (RFC 3550, A.1).
    usurper: Option<(Ssrc, u16)>,
    reception: Reception,
    received_before: u64,
    lost_before: u64,
    refused: u64,
    jitter: JitterBuffer,
    /// Of a peer that speaks G.722, may, or has: a change to it by a packet takes no memory.
    g722: Option<Box<g722::Decoder>>,
    is_g722: bool,
    concealer: Concealer,
    /// The last slot had what the peer sent: what comes now follows on it as it is.
    was_known: bool,
    noise: ComfortNoise,
    /// The sender's clock, as its packets show it.
    sender_clock: SenderClock,
    events: EventReceiver,
    /// Keys in the sound, where no events were agreed on.
    keys: KeyListener,
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
    /// Nothing to hear, but of the peer, which is there.
    Kept,
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
    /// The sound as it came, where it follows on what came before and so can be handed on without decoding.
    pub codes: Option<(Coding, CodedFrame)>,
    /// A key was pressed in it.
    pub digit: Option<char>,
    /// It is the sound of a key, and of nothing else.
    pub is_key: bool,
}

impl Receiver {
    /// A receiver with its memory.
    pub fn new(delay: impl Into<Delay>) -> Self {
        Receiver {
            latch: None,
            former: NOBODY,
            source: None,
            usurper: None,
            reception: Reception::new(),
            received_before: 0,
            lost_before: 0,
            refused: 0,
            jitter: JitterBuffer::new(delay),
            g722: None,
            is_g722: false,
            concealer: Concealer::new(),
            was_known: false,
            noise: ComfortNoise::new(),
            sender_clock: SenderClock::new(),
            events: EventReceiver::new(),
            keys: KeyListener::new(),
            slots_without_packet: 0,
            suppressed: false,
            peer_report: None,
            round_trip: None,
        }
    }

    /// A new call, how long its sound is to wait, and where the peer of the call before was.
    pub fn reset(&mut self, delay: Delay, former: Former) {
        (self.latch, self.former) = (None, former);
        self.source = None;
        self.usurper = None;
        self.reception = Reception::new();
        (self.received_before, self.lost_before, self.refused) = (0, 0, 0);
        self.jitter.reset_with(delay);
        (self.g722, self.is_g722, self.was_known) = (None, false, false);
        self.concealer.reset();
        self.noise = ComfortNoise::new();
        self.sender_clock.reset();
        self.events.reset();
        self.keys.reset();
        (self.slots_without_packet, self.suppressed) = (0, false);
        (self.peer_report, self.round_trip) = (None, None);
    }

    /// An offer and its answer are settled: the peer takes and sends RTP there. At a new address the latch opens anew.
    pub fn aim(&mut self, now: Instant, session: &Session, changed: bool) {
        let mut latch = match self.latch {
            Some(latch) if latch.negotiated() == session.remote => latch.renewed(now, changed),
            Some(latch) => latch.moved(now, session.remote),
            None => Latch::new(now, session.remote).after(self.former),
        };
        latch.hold(session.may_be_silent());
        self.latch = Some(latch);
        if session.g722_beside {
            self.g722.get_or_insert_default();
        }
    }

    /// Where the peer was, or else that of the call before.
    pub fn left(&self) -> Former {
        self.latch.as_ref().map_or(self.former, Latch::left)
    }

    /// Where packets go, once something is settled.
    pub fn target(&self) -> Option<SocketAddr> {
        self.latch.as_ref().map(Latch::target)
    }

    /// Whether the peer is where it says, and nobody else need be heard.
    pub fn is_at_negotiated(&self) -> bool {
        self.latch.as_ref().is_some_and(Latch::is_at_negotiated)
    }

    /// The peer has fallen silent, and its stream may go on from elsewhere: tells once where packets go meanwhile.
    pub fn loosen(&mut self, now: Instant) -> Option<SocketAddr> {
        let latch = self.latch.as_mut()?;
        latch.loosen(now).then(|| latch.target())
    }

    /// What waits is coded otherwise than what comes now.
    pub fn change_coding(&mut self, coding: Coding) {
        self.is_g722 = coding == Coding::G722;
        if self.is_g722 {
            *self.g722.get_or_insert_default().as_mut() = g722::Decoder::default();
        }
        self.was_known = false;
        self.jitter.reset();
        self.sender_clock.reset();
    }

    fn would_change(&self, coding: Coding) -> bool {
        (coding == Coding::G722) != self.is_g722
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
        let coding = session.coding_of(packet.payload_type);
        let audio = coding.is_some();
        let event = session.is_telephone_event(packet.payload_type);
        let quiet = packet.payload_type == COMFORT_NOISE;
        let Some(latch) = &mut self.latch else { return self.refuse() };
        if !(audio || event || quiet) {
            // What the peer sends besides (RFC 6263 keeps ports open so) is not heard (RFC 3550, 5.1), but has come (6.4.1).
            let kept = latch.keep(now, source, packet.ssrc, packet.sequence);
            if kept && self.source == Some(packet.ssrc) {
                self.reception.handle_packet(now, packet.sequence, None);
            }
            self.refuse();
            return if kept { Received::Kept } else { Received::Refused };
        }
        let latched = match latch.judge(now, source, packet.ssrc, packet.sequence, quiet) {
            Judgement::Refused => return self.refuse(),
            Judgement::Latched(source) => Some(source),
            Judgement::Taken => None,
        };
        let measured = audio.then_some(packet.timestamp);
        let arrival = match self.known_source(&packet) {
            true => self.reception.handle_packet(now, packet.sequence, measured),
            false => Arrival::Doubtful,
        };
        if arrival == Arrival::Doubtful {
            self.refuse();
            // The address is right even where the packet is not used.
            return latched.map_or(Received::Refused, |_| Received::Taken { latched, digit: None });
        }
        self.slots_without_packet = 0;
        let mut digit = None;
        match coding {
            // What was overtaken by another coding has nobody to follow it.
            Some(coding) if arrival == Arrival::Behind && self.would_change(coding) => {}
            Some(coding) => self.handle_audio(now, session, coding, &packet),
            None if event => {
                if arrival != Arrival::Behind {
                    self.events.handle_newest(packet.marker, packet.timestamp);
                }
                digit = self.events.handle_payload(packet.marker, packet.timestamp, packet.payload);
            }
            None => {
                self.noise.handle_payload(packet.payload);
                self.sender_clock.handle_quiet(now, packet.sequence, packet.timestamp);
                self.jitter.handle_comfort_noise(packet.timestamp);
            }
        }
        Received::Taken { latched, digit }
    }

    fn handle_audio(&mut self, now: Instant, session: &Session, coding: Coding, packet: &Packet<'_>) {
        // On hold the peer should be silent; what it sends all the same is counted and not heard.
        if !session.receive {
            return;
        }
        // A peer may change its coding without a word; what waits is let go then.
        if self.would_change(coding) {
            self.change_coding(coding);
        }
        if coding == Coding::G722 || coding == Coding::G711(session.coding.law()) {
            return self.lay(now, packet, packet.payload);
        }
        let mut recoded = [0; RECODED_MAX];
        if let Some(codes) = recoded.get_mut(..packet.payload.len()) {
            codes.iter_mut().zip(packet.payload).for_each(|(code, from)| {
                *code = g711::encode(session.coding.law(), g711::decode(coding.law(), *from));
            });
            self.lay(now, packet, codes);
        }
    }

    fn lay(&mut self, now: Instant, packet: &Packet<'_>, payload: &[u8]) {
        // What cannot be sound says nothing about its sender's clock either.
        if payload.is_empty() || payload.len() > SAMPLES_MAX {
            return;
        }
        let taken = match self.sender_clock.handle_audio(now, packet) {
            Step::Goes => self.jitter.handle_payload(now, packet.timestamp, payload),
            Step::Doubtful => Taken::Doubtful,
            Step::Jumped => self.jitter.handle_jump(now, packet.timestamp, payload),
        };
        if taken == Taken::Restarted {
            self.events.reset();
        }
    }

    /// The next 20 ms of what the peer says.
    pub fn handle_slot(&mut self, now: Instant, session: &Session) -> Heard {
        let mut codes = [0; FRAME];
        self.slots_without_packet = self.slots_without_packet.saturating_add(1);
        self.suppressed |= self.slots_without_packet > SUPPRESSED_SLOTS;
        let playout = self.jitter.handle_slot(now, &mut codes);
        let is_frame = playout == Playout::Frame;
        let mut heard = match playout {
            Playout::Frame => {
                self.suppressed = false;
                let mut sound = SILENT_FRAME;
                let coding = match self.g722.as_mut().filter(|_| self.is_g722) {
                    None => {
                        g711::decode_frame(session.coding.law(), &codes, &mut sound);
                        Coding::G711(session.coding.law())
                    }
                    Some(g722) => {
                        g722.decode(&codes, &mut sound);
                        Coding::G722
                    }
                };
                self.concealer.handle_frame(&mut sound);
                let codes = self.was_known.then_some((coding, codes));
                Heard { sound, known: true, codes, digit: None, is_key: false }
            }
            Playout::Missing | Playout::Waiting if !self.suppressed => Heard {
                sound: self.concealer.conceal(),
                known: false,
                codes: None,
                digit: None,
                is_key: false,
            },
            Playout::Quiet | Playout::Missing | Playout::Waiting => {
                let mut sound = self.noise.frame();
                self.concealer.handle_frame(&mut sound);
                Heard { sound, known: true, codes: None, digit: None, is_key: false }
            }
        };
        self.was_known = is_frame;
        if session.audible_keys {
            heard.digit = self.keys.handle_frame(heard.known.then_some(&heard.sound));
            heard.is_key = self.keys.is_pressed();
        }
        heard
    }

    /// So many slots have passed in which nothing was heard.
    pub fn miss_slots(&mut self, slots: u32) {
        self.jitter.handle_missed_slots(slots);
        self.was_known = false;
    }

    /// How long ago what is heard now came.
    pub fn lag(&self) -> Duration {
        self.jitter.lag()
    }

    /// A compound of RTCP was read.
    pub fn handle_report(&mut self, told: &Told) {
        self.peer_report = told.report.or(self.peer_report);
        self.round_trip = told.round_trip.or(self.round_trip);
    }

    /// The source that is heard.
    pub fn source(&self) -> Option<Ssrc> {
        self.source
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
                self.sender_clock.reset();
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
