//! One leg's RTP session: both halves, and what hangs on them.

mod reports;

use super::Options;
use super::alignment::{self, Alignment};
use super::bridge::{Bridge, Laid};
use super::command::{Coding, Event, EventKind, Keys, Means, Presses, Session, Statistics, StreamKey};
use super::conflict::Conflict;
use super::ear::{Attention, Ear};
use super::latch::Former;
use super::player::Player;
use super::protection::{DATAGRAM_MAX, Protection};
use super::receiver::{Heard, Received, Receiver};
use super::rest::Rest;
use super::sender::{PACKET_MAX, Said, Sender};
use super::tap::Tap;
use super::waiting::Waiting;
use super::worker::Sink;
use crate::amd::Prompts;
use crate::amd::detector::{self, Mode};
use crate::audio::g711::{self, CodedFrame};
use crate::audio::{FRAME_SAMPLES, Frame, SILENT_FRAME};
use crate::rng::Rng;
use crate::rtp::delay::Delay;
use crate::rtp::packet::Packet;
use crate::rtp::rtcp;
use crate::time::Instant;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Characters of our name in SDES: 96 bits of chance, as RFC 7022, 4.2 wants it.
const CNAME: usize = 19;

/// A place for a stream; its memory is taken once and serves one call after the other. In this order what a stream at rest
/// needs in each slot lies together: with a thousand streams each line of it is fetched from memory every time.
#[repr(C)]
pub struct Stream {
    /// With whom it is joined.
    pub bridge: Bridge,
    /// Whose it is; void while the place is free.
    pub key: StreamKey,
    /// In which of the slots it gets its frame.
    pub slot: u8,
    /// In which of the turns of that slot it is heard while it rests.
    pub turn: u8,
    first_sent: bool,
    first_received: bool,
    /// Who listens.
    pub tap: Tap,
    /// What plays.
    pub player: Player,
    rest: Rest,
    protection: Option<Box<Protection>>,
    /// The same while the peer is spoken to plainly.
    laid_by: Option<Box<Protection>>,
    phase: Phase,
    ear: Ear,
    sender: Sender,
    /// What the partner pressed, by each means by which it was told.
    presses: Presses,
    receiver: Receiver,
    conflict: Conflict,
    cname: String,
    media_timeout: Duration,
    rtcp_interval: Duration,
    /// The playout delay of a callee's leg, and of an agent's.
    delays: [Delay; 2],
}

/// Whose leg a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// A detector listens to it.
    Callee,
    /// It will be bridged with a callee's.
    Agent,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Phase {
    /// It has a port and no peer.
    Open,
    Connected {
        session: Session,
        /// When the peer was last heard, or the time began to count.
        heard_at: Instant,
        timed_out: bool,
        report_at: Instant,
    },
}

impl Stream {
    /// A place with its memory; a detector's is taken with the first callee.
    pub fn new(options: &Options, key: StreamKey) -> Self {
        Stream {
            key,
            slot: 0,
            turn: 0,
            player: Player::default(),
            bridge: Bridge::default(),
            tap: Tap::default(),
            phase: Phase::Open,
            rest: Rest::default(),
            sender: Sender::new(),
            presses: Presses::new(),
            receiver: Receiver::new(options.jitter),
            conflict: Conflict::default(),
            ear: Ear::new(),
            cname: String::with_capacity(CNAME),
            first_sent: false,
            first_received: false,
            media_timeout: options.media_timeout,
            rtcp_interval: options.rtcp_interval,
            delays: [options.jitter.into(), options.jitter_agents],
            protection: None,
            laid_by: None,
        }
    }

    /// From now on the detector recognises these prompts.
    pub fn enrol(&mut self, prompts: &Arc<Prompts>) {
        self.ear.enrol(prompts);
    }

    /// A new call takes the place, on a port whose `former` call had its peer there.
    pub fn open(
        &mut self,
        key: StreamKey,
        (slot, turn): (u8, u8),
        party: Party,
        former: Former,
        amd: &detector::Options,
        rng: &mut Rng,
    ) {
        (self.key, self.slot, self.turn) = (key, slot, turn);
        self.player.stop();
        self.bridge.part();
        self.tap = Tap::default();
        (self.phase, self.rest) = (Phase::Open, Rest::default());
        self.sender.reset(rng);
        self.presses.reset();
        let [callees, agents] = self.delays;
        self.receiver.reset(if party == Party::Agent { agents } else { callees }, former);
        (self.protection, self.laid_by) = (None, None);
        self.ear.stop();
        if party == Party::Callee {
            self.ear.prepare(amd);
        }
        self.cname = rng.token(CNAME);
        (self.first_sent, self.first_received) = (false, false);
        self.conflict = Conflict::default();
    }

    /// The offer and the answer are settled, for the first time or anew.
    pub fn connect(&mut self, now: Instant, session: Session, rng: &mut Rng, sink: &mut impl Sink) {
        let before = self.session().copied();
        if before.is_none_or(|before| before.coding != session.coding) {
            self.receiver.change_coding(session.coding);
            // While it still goes to where it was meant for.
            let mut emit = emitter(&mut self.protection, self.key, sink);
            self.sender.change_coding(before.as_ref(), session.coding, &mut emit);
        }
        let target = self.receiver.target();
        self.receiver.aim(now, &session, before != Some(session));
        let addresses = |session: &Session| (session.remote, session.remote_rtcp);
        let moved = before.is_none_or(|before| addresses(&before) != addresses(&session));
        if let Some(local) = session.local {
            sink.name(self.key, local);
        }
        if moved || self.receiver.target() != target {
            // Where the peer was found to be it still is, if only its reports go elsewhere from now on.
            sink.aim(self.key, self.receiver.target().unwrap_or(session.remote), session.remote_rtcp);
            if self.receiver.is_at_negotiated() {
                sink.latch(self.key, session.remote);
            }
        }
        let has_moved = before.is_some_and(|before| before.remote != session.remote);
        self.protect(now, session.srtp, has_moved);
        let report_at = match self.phase {
            Phase::Connected { report_at, .. } => report_at,
            Phase::Open => now + rtcp::interval(self.rtcp_interval, true, rng.unit()),
        };
        self.phase = Phase::Connected { session, heard_at: now, timed_out: false, report_at };
    }

    /// From now on by these keys, or plainly. What was protected once stays known: its keys may come back, and must not count
    /// from the beginning then.
    fn protect(&mut self, now: Instant, keys: Option<Keys>, has_moved: bool) {
        let Some(keys) = keys else {
            self.laid_by = self.protection.take().or(self.laid_by.take());
            return;
        };
        if self.protection.is_none() {
            self.protection = self.laid_by.take();
        }
        match &mut self.protection {
            Some(protection) if protection.keys() != keys => protection.change(now, keys, has_moved),
            Some(_) => {}
            None => self.protection = Some(Box::new(Protection::new(keys))),
        }
    }

    /// What was agreed, once it was.
    pub fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Open => None,
            Phase::Connected { session, .. } => Some(session),
        }
    }

    /// Starts the detector: its time zero is now.
    pub fn detect(&mut self, now: Instant, mode: Mode) {
        self.ear.start(now, mode);
    }

    /// Stops the detector.
    pub fn stop_detecting(&mut self) {
        self.ear.stop();
    }

    /// Whether keys for the peer go by signalling.
    pub fn has_keys_by_info(&self) -> bool {
        self.session().is_some_and(|session| session.keys_by_info)
    }

    /// Joins it with the stream at `partner` in the worker's table.
    pub fn join(&mut self, partner: usize) {
        self.bridge.join(partner);
        self.presses.reset();
    }

    /// A key to send. A press of the partner may be told in the media and in SIP INFO, and is sent once.
    pub fn press(&mut self, now: Instant, digit: char, means: Means) {
        if self.bridge.partner().is_none() || self.presses.is_new(now, digit, means) {
            self.sender.handle_digits(digit.encode_utf8(&mut [0; 4]));
        }
    }

    /// A datagram on the port of RTP. Tells the key that was pressed, for the partner.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        source: SocketAddr,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Option<char> {
        // RTCP that shares the port is told by its type (RFC 5761, 4).
        if bytes.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
            self.handle_rtcp(now, source, bytes);
            return None;
        }
        let Some(protection) = &mut self.protection else {
            return self.handle_plain(now, source, bytes, sink);
        };
        let mut plain = [0; DATAGRAM_MAX];
        match protection.open(now, bytes, &mut plain) {
            Some(bytes) => self.handle_plain(now, source, bytes, sink),
            None => {
                self.receiver.refuse();
                None
            }
        }
    }

    /// A packet as it is without protection.
    fn handle_plain(
        &mut self,
        now: Instant,
        source: SocketAddr,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Option<char> {
        let Phase::Connected { session, heard_at, timed_out, .. } = &mut self.phase else {
            self.receiver.refuse();
            return None;
        };
        let (latched, digit) = match self.receiver.handle_packet(now, session, source, bytes) {
            Received::Taken { latched, digit } => (latched, digit),
            // Who keeps its port open so (RFC 6263, 4.6) is there; but whom nothing was ever heard of has no media.
            Received::Kept if self.first_received => {
                (*heard_at, *timed_out) = (now, false);
                return None;
            }
            Received::Kept | Received::Refused | Received::Rtcp => return None,
        };
        (*heard_at, *timed_out) = (now, false);
        if self.receiver.source() == Some(self.sender.ssrc())
            && let Ok(packet) = Packet::parse(bytes)
        {
            self.conflict.handle_packet(source, &packet, &self.sender.position());
        }
        let negotiated = (session.remote, session.remote_rtcp);
        match latched {
            Some(remote) if remote == negotiated.0 => sink.latch(self.key, remote),
            // The negotiated address may still come and win the stream back: it must not be kept away.
            Some(remote) => sink.aim(self.key, self.receiver.target().unwrap_or(remote), negotiated.1),
            None => {}
        }
        if !std::mem::replace(&mut self.first_received, true) {
            self.tell(now, EventKind::FirstReceived, sink);
        }
        if let Some(digit) = digit {
            self.tell(now, EventKind::Digit(digit), sink);
        }
        digit
    }

    /// The stream's 20 ms: a frame in, a packet out. `from_partner` is what the partner heard. Tells the key that was
    /// pressed in the sound, for the partner.
    pub fn handle_slot(
        &mut self,
        now: Instant,
        from_partner: Option<Laid>,
        rng: &mut Rng,
        sink: &mut impl Sink,
    ) -> Option<char> {
        let Phase::Connected { session, .. } = self.phase else { return None };
        let heard = self.hear(now, &session, self.attention(), sink);
        // A key is carried as a key; its sound beside it would be a second press.
        self.bridge.lay_down(|| match heard.is_key {
            true => Laid { sound: SILENT_FRAME, codes: None },
            false => Laid { sound: heard.sound, codes: heard.codes },
        });
        let law = session.coding.law();
        let mut said = self.tap.recording.is_some().then_some([law.silence(); FRAME_SAMPLES]);
        self.send(now, from_partner.as_ref(), said.as_mut(), sink);
        if let Some(level) = self.tap.handle_frame(&heard.sound) {
            self.tell(now, EventKind::Level(level), sink);
        }
        if let Some(said) = said {
            let mut said_sound = SILENT_FRAME;
            g711::decode_frame(law, &said, &mut said_sound);
            self.record(&heard.sound, &said_sound, sink);
        }
        self.watch_clock(now, rng, sink);
        heard.digit
    }

    /// Slots in which it could not be served. Nothing is sent for them, but they have passed: in media time (RFC 3550, 5.1), in
    /// the recording, for the detector, and for what comes from the peer.
    pub fn miss_slots(&mut self, now: Instant, slots: u32, sink: &mut impl Sink) {
        if self.session().is_none() {
            return;
        }
        self.receiver.miss_slots(slots);
        let stream = self.key;
        for _ in 0..slots {
            self.sender.skip_slot();
            self.ear.handle_frame(None, Attention::AtOnce, &mut |kind| {
                sink.event(Event { stream, at: now, kind });
            });
        }
        if self.tap.recording.is_some() {
            // What was said before is still to be written.
            let soon = slots.min(alignment::FRAMES_MAX as u32);
            (0..soon).for_each(|_| self.record(&SILENT_FRAME, &SILENT_FRAME, sink));
            sink.record_gap(stream, slots - soon);
        }
    }

    /// From now on the stream is recorded.
    pub fn start_recording(&mut self) {
        self.tap.recording = Some(Box::new(Alignment::new(self.receiver.lag())));
    }

    /// And no longer; what was said last is still to be written.
    pub fn end_recording(&mut self, sink: &mut impl Sink) {
        let Some(mut line) = self.tap.recording.take() else { return };
        while let Some(said) = line.pop() {
            sink.record(self.key, &SILENT_FRAME, &said);
        }
    }

    /// Records what is heard and said now; nothing of what is said in a pause is ever written.
    fn record(&mut self, heard: &Frame, said: &Frame, sink: &mut impl Sink) {
        let Some(line) = &mut self.tap.recording else { return };
        let withheld = self.tap.withheld;
        let said = line.handle_frame(if withheld { &SILENT_FRAME } else { said }, self.receiver.lag());
        match withheld {
            true => sink.record(self.key, &SILENT_FRAME, &SILENT_FRAME),
            false => sink.record(self.key, heard, &said),
        }
    }

    /// How soon what is heard must be known.
    fn attention(&self) -> Attention {
        let said_to = self.player.is_playing() || self.bridge.partner().is_some();
        if said_to { Attention::AtLeisure } else { Attention::AtOnce }
    }

    /// Whether nobody waits for what the peer says: a prompt is played to it, and it need not be heard in each slot. In the slot in
    /// which the prompt ends it must: a key that was pressed before the end is told before it.
    pub fn is_at_leisure(&self) -> bool {
        let heard_by_another = self.bridge.partner().is_some() || self.tap.is_open();
        let goes_on = self.player.is_playing() && !self.player.is_ending();
        goes_on && self.ear.is_at_leisure() && !heard_by_another
    }

    /// Reads some of what the next packet is made of: who has many to send brings it to hand for all of them at once, in
    /// place of waiting for the memory for each.
    pub fn bring_to_hand(&self) {
        if let Phase::Connected { session, .. } = &self.phase {
            let frame = self.player.at_hand(session.coding.law());
            std::hint::black_box((frame, self.sender.packets(), session.comfort_noise));
        }
    }

    /// The stream's 20 ms of which nothing is heard for now: only a packet goes out.
    pub fn rest(&mut self, now: Instant, sink: &mut impl Sink) {
        if self.session().is_some() {
            self.rest.pass(now);
            self.send(now, None, None, sink);
        }
    }

    /// Whether slots have passed unheard.
    pub fn is_behind(&self) -> bool {
        self.rest.is_behind()
    }

    /// Hears them now, each with what had come by then, and takes what has come since.
    pub fn catch_up(&mut self, waiting: &mut Waiting, sink: &mut impl Sink) {
        for at in self.rest.end() {
            self.take(at, waiting, sink);
            if let Phase::Connected { session, .. } = self.phase {
                self.hear(at, &session, Attention::AtOnce, sink);
            }
        }
        // A slot's work takes a while: what was read with it may have come after it began.
        self.take(Instant::LAST, waiting, sink);
    }

    /// Takes what came no later than `until`. A key has no partner to be carried to.
    fn take(&mut self, until: Instant, waiting: &mut Waiting, sink: &mut impl Sink) {
        while let Some((head, bytes)) = waiting.next_until(until) {
            self.handle_packet(head.at, head.source, bytes, sink);
        }
    }

    /// The next frame of the peer, heard by the detector.
    fn hear(&mut self, now: Instant, session: &Session, attention: Attention, sink: &mut impl Sink) -> Heard {
        let heard = self.receiver.handle_slot(now, session);
        let (stream, frame) = (self.key, heard.known.then_some(&heard.sound));
        self.ear.handle_frame(frame, attention, &mut |kind| sink.event(Event { stream, at: now, kind }));
        if let Some(digit) = heard.digit {
            self.tell(now, EventKind::Digit(digit), sink);
        }
        heard
    }

    /// Sends a key, or the prompt, or the partner, or silence, in this order; puts it into `told` for whoever wants to know.
    /// Nobody is there to send to before the stream is connected.
    fn send(
        &mut self,
        now: Instant,
        from_partner: Option<&Laid>,
        told: Option<&mut CodedFrame>,
        sink: &mut impl Sink,
    ) {
        let Phase::Connected { session, .. } = &self.phase else { return };
        if !session.send {
            return self.sender.hold_slot();
        }
        let law = session.coding.law();
        let (played, ended) = self.player.next_frame(law);
        // Where both legs are coded alike, what one said is handed on as it came.
        let as_it_came = from_partner.and_then(|laid| laid.codes.as_ref()).filter(|_| played.is_none());
        let as_it_came = as_it_came.filter(|(coding, _)| *coding == session.coding).map(|(_, codes)| codes);
        let nothing = played.is_none() && self.bridge.partner().is_none();
        let made;
        let codes = match (played, as_it_came, from_partner) {
            (Some(codes), ..) => codes,
            (None, Some(codes), _) if session.coding == Coding::G711(law) => codes,
            (None, _, Some(laid)) => {
                made = g711::coded(law, &laid.sound);
                &made
            }
            (None, _, None) => {
                made = [law.silence(); FRAME_SAMPLES];
                &made
            }
        };
        let said = match as_it_came {
            Some(codes) => Said::AsItCame(codes),
            None if nothing => Said::Nothing(codes),
            None => Said::InLaw(codes),
        };
        let packets = self.sender.packets();
        {
            let mut emit = emitter(&mut self.protection, self.key, sink);
            let in_place = self.sender.write_slot(session, said, &mut emit);
            if ended.is_some() {
                // Who hangs up when the end is told has sent all of the prompt, though its last packet be a short one.
                self.sender.finish(session, &mut emit);
            }
            if let Some(told) = told {
                *told = in_place.unwrap_or(*codes);
            }
        }
        let sent = self.sender.packets() > packets;
        if sent && !std::mem::replace(&mut self.first_sent, true) {
            self.tell(now, EventKind::FirstSent, sink);
        }
        if let Some(prompt) = ended {
            self.tell(now, EventKind::Played(prompt), sink);
        }
    }

    /// The things that are due by the clock alone.
    pub fn watch_clock(&mut self, now: Instant, rng: &mut Rng, sink: &mut impl Sink) {
        let Phase::Connected { session, heard_at, timed_out, report_at } = &mut self.phase else { return };
        let remote_rtcp = session.remote_rtcp;
        // On hold nobody has to be heard. Who was never heard does not hold, but may only listen.
        let may_be_silent = match self.first_received {
            true => session.may_be_silent(),
            false => !session.receive && session.send,
        };
        if may_be_silent {
            *heard_at = now;
        }
        if let Some(remote) = self.receiver.loosen(now) {
            sink.aim(self.key, remote, remote_rtcp);
        }
        let fell_silent = !*timed_out && now - *heard_at >= self.media_timeout;
        *timed_out |= fell_silent;
        let report_due = now >= *report_at;
        if report_due {
            *report_at = now + rtcp::interval(self.rtcp_interval, false, rng.unit());
            self.report(now, false, sink);
        }
        if fell_silent {
            self.tell(now, EventKind::MediaTimeout, sink);
        }
        // Protected, both may have one SSRC, as each direction has its key; and our count of rollovers belongs to ours.
        if self.conflict.take() && self.protection.is_none() && self.laid_by.is_none() {
            self.say_goodbye(now, sink);
            self.sender.change_source(rng);
        }
    }

    /// Where the peer was: its packets may come for a while yet, to whoever has the port then.
    pub fn left(&self) -> Former {
        self.receiver.left()
    }

    /// The last words, and the statistics.
    pub fn close(&mut self, now: Instant, sink: &mut impl Sink) -> Statistics {
        self.say_goodbye(now, sink);
        self.player.stop();
        self.end_recording(sink);
        self.phase = Phase::Open;
        let (packets_received, packets_lost, packets_refused) = self.receiver.packets();
        let (jitter, round_trip) = self.receiver.timing();
        let packets_sent = self.sender.packets();
        Statistics { packets_sent, packets_received, packets_lost, packets_refused, jitter, round_trip }
    }

    fn tell(&self, now: Instant, kind: EventKind, sink: &mut impl Sink) {
        sink.event(Event { stream: self.key, at: now, kind });
    }
}

/// Protects what leaves a stream, where it is protected, and sends it.
fn emitter<'a>(
    protection: &'a mut Option<Box<Protection>>,
    key: StreamKey,
    sink: &'a mut impl Sink,
) -> impl FnMut(&mut [u8; PACKET_MAX], usize) {
    move |buffer, length| {
        let length = match protection {
            None => length,
            Some(protection) => protection.protect(buffer, length),
        };
        sink.send(key, &buffer[..length]);
    }
}
