//! The worker: all streams of one thread.
//!
//! It is told of commands, packets and slots of the clock, and asks the shell for everything else through [`Sink`].

use super::command::{Command, Event, EventKind, Means, Session, StreamKey};
use super::latch::{Former, NOBODY};
use super::player::PromptTable;
use super::rest::{TOGETHER, Turns};
use super::stream::{Party, Stream};
use super::waiting::{DATAGRAM_MAX, Head, Waiting};
use super::{Options, SLOTS};
use crate::amd::detector::Mode;
use crate::audio::{Frame, SILENT_FRAME};
use crate::rng::Rng;
use crate::time::Instant;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// What a worker wants done. On the packets' way (`send`, `record`) it must not wait.
pub trait Sink {
    /// Take a port, an even one, and the odd one above for RTCP; tell the address to offer, or why there is none.
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String>;
    /// Where the peer of the call before on the stream's port was: what still comes from there is not this one's.
    fn former(&self, _stream: StreamKey) -> Former {
        NOBODY
    }
    /// The peer sends to this address of ours, as SDP says.
    fn name(&mut self, _stream: StreamKey, _local: IpAddr) {}
    /// From now on send there.
    fn aim(&mut self, stream: StreamKey, remote: SocketAddr, remote_rtcp: SocketAddr);
    /// The peer has proved to be at `remote`: send there, and take packets from there only where that can be arranged.
    fn latch(&mut self, stream: StreamKey, remote: SocketAddr);
    /// Right before a stream's slot, until it says `None`: the next datagram on its port of RTP, put into `datagram`, with
    /// the moment at which it came, its source and its length. A shell that tells of packets when they come has none to give
    /// here.
    fn receive(&mut self, _stream: StreamKey, _datagram: &mut [u8]) -> Option<Head> {
        None
    }
    /// Whether packets may wait on the stream's port, to be asked for by [`Sink::receive_waiting`] in a later slot.
    fn keeps(&self, _stream: StreamKey) -> bool {
        false
    }
    /// All that waits on the stream's port of RTP, each datagram with the moment at which it came.
    fn receive_waiting(&mut self, _stream: StreamKey, _waiting: &mut Waiting) {}
    /// Send a packet to the stream's peer.
    fn send(&mut self, stream: StreamKey, bytes: &[u8]);
    /// Send a compound of RTCP to the stream's peer.
    fn send_rtcp(&mut self, stream: StreamKey, bytes: &[u8]);
    /// Tell the engine.
    fn event(&mut self, event: Event);
    /// Begin a recording.
    fn start_recording(&mut self, stream: StreamKey, path: PathBuf);
    /// Twenty milliseconds of a stream that is recorded: what the peer said, what we sent when that came.
    fn record(&mut self, stream: StreamKey, heard: &Frame, said: &Frame);
    /// So many of them passed unheard and unsaid.
    fn record_gap(&mut self, stream: StreamKey, frames: u32) {
        (0..frames).for_each(|_| self.record(stream, &SILENT_FRAME, &SILENT_FRAME));
    }
    /// Copy every packet of a stream for whoever traces it, or no longer; who traces nothing has nothing to do.
    fn trace(&mut self, _stream: StreamKey, _on: bool) {}
    /// Copy none of them for now, traced or not; or again.
    fn withhold(&mut self, _stream: StreamKey, _on: bool) {}
    /// Right before the port is given back: where the stream's peer was, for the next call there.
    fn leave(&mut self, _stream: StreamKey, _former: Former) {}
    /// Give the port back, end the recording.
    fn close(&mut self, stream: StreamKey);
}

/// Streams that are looked at before the first of them is served: what they need comes from memory meanwhile, for all of
/// them at once.
const AHEAD: usize = 16;

/// No stream has this place.
const NOWHERE: u32 = u32::MAX;

/// All streams of one thread. It is not `Send`, because a voice activity detector is not: make it where it runs.
pub struct Worker {
    options: Options,
    rng: Rng,
    /// As many as there have ever been at once: a place is taken over by the next call and never given back.
    streams: Vec<Box<Stream>>,
    free: Vec<u32>,
    /// The place of each key's index; grows with the engine's table and only when a stream is opened.
    places: Vec<u32>,
    slots: [Vec<u32>; SLOTS as usize],
    /// The turns of each slot's streams.
    turns: [Turns; SLOTS as usize],
    /// Of the present slot, the places of those that are heard at once, and of those that are heard after them.
    live: Vec<u32>,
    late: Vec<u32>,
    prompts: Arc<PromptTable>,
    waiting: Waiting,
    /// Counts the 20 ms. When it wraps, once in three years, some are heard a few turns sooner or later.
    turn: u32,
}

impl Worker {
    /// A worker without streams. A stream's memory is taken when it is opened, if no earlier call has left a place: an
    /// engine that may have thousands of lines need not hold memory for all of them from the start.
    pub fn new(options: &Options, prompts: Arc<PromptTable>, rng: Rng) -> Self {
        let count = options.streams_max;
        Worker {
            options: options.clone(),
            rng,
            streams: Vec::with_capacity(count),
            free: Vec::with_capacity(count),
            places: vec![NOWHERE; count],
            slots: std::array::from_fn(|_| Vec::with_capacity(count)),
            turns: [Turns::default(); SLOTS as usize],
            live: Vec::with_capacity(count),
            late: Vec::with_capacity(count),
            prompts,
            waiting: Waiting::new(),
            turn: 0,
        }
    }

    /// The engine asks. A command for a stream that is not here is void.
    pub fn handle_command(&mut self, now: Instant, command: Command, sink: &mut impl Sink) {
        // Whatever changes for a stream, changes behind what has come before.
        let second = if let Command::Bridge { b, .. } = &command { Some(*b) } else { None };
        for key in [command.stream(), second].into_iter().flatten() {
            if let Some(place) = self.place(key) {
                self.catch_up(place, sink);
            }
        }
        match command {
            Command::Open { stream, partner } => {
                let party = if partner.is_some() { Party::Agent } else { Party::Callee };
                self.open(now, stream, party, sink);
            }
            Command::Connect { stream, session } => self.connect(now, stream, session, sink),
            Command::DetectTones { stream } => self.detect(now, stream, Mode::EarlyMedia),
            Command::Detect { stream } => self.detect(now, stream, Mode::Answer),
            Command::StopDetecting { stream } => self.with(stream, Stream::stop_detecting),
            Command::Play { stream, prompt, repeat } => {
                let frames = self.prompts.get(prompt).cloned();
                self.with(stream, |stream| match frames {
                    Some(frames) => stream.player.play(prompt, frames, repeat),
                    None => stream.player.stop(),
                });
            }
            Command::StopPlaying { stream } => self.with(stream, |stream| stream.player.stop()),
            Command::SendDigits { stream, digits } => self.with(stream, |stream| {
                digits.chars().for_each(|digit| stream.press(now, digit, Means::Info));
            }),
            Command::Bridge { a, b } => self.bridge(a, b),
            Command::Unbridge { stream } => {
                if let Some(place) = self.place(stream) {
                    self.part(place);
                }
            }
            Command::Record { stream, path } => {
                if let Some(place) = self.place(stream) {
                    self.streams[place].end_recording(sink);
                    sink.start_recording(stream, path);
                    self.streams[place].start_recording();
                }
            }
            Command::Trace { stream, on } => sink.trace(stream, on),
            Command::Withhold { stream, on } => {
                self.with(stream, |stream| stream.tap.withheld = on);
                sink.withhold(stream, on);
            }
            Command::Watch { stream } => self.with(stream, |stream| stream.tap.watch()),
            Command::Close { stream } => self.close(now, stream, sink),
            Command::LoadPrompts(prompts) => self.prompts = prompts,
            Command::Enrol(prompts) => {
                self.streams.iter_mut().for_each(|stream| stream.enrol(&prompts));
                self.options.amd.prompts = prompts;
            }
        }
    }

    /// A datagram came on a stream's port of RTP.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        stream: StreamKey,
        source: SocketAddr,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) {
        let Some(place) = self.place(stream) else { return };
        let digit = self.streams[place].handle_packet(now, source, bytes, sink);
        self.carry(now, place, digit);
    }

    /// A key that one leg presses is pressed for the other.
    fn carry(&mut self, now: Instant, place: usize, digit: Option<char>) {
        if let (Some(digit), Some(partner)) = (digit, self.streams[place].bridge.partner())
            && !self.streams[partner].has_keys_by_info()
        {
            self.streams[partner].press(now, digit, Means::Media);
        }
    }

    /// A datagram came on a stream's port of RTCP.
    pub fn handle_rtcp(&mut self, now: Instant, stream: StreamKey, source: SocketAddr, bytes: &[u8]) {
        if let Some(place) = self.place(stream) {
            self.streams[place].handle_rtcp(now, source, bytes);
        }
    }

    /// Another 5 ms: each stream that belongs to `slot` (0 to 3, in turn) gets its frame. First go the packets of the streams
    /// that nobody waits for, which are ready; then come those that are heard and answered now; the first are heard last.
    pub fn handle_slot(&mut self, now: Instant, slot: u8, sink: &mut impl Sink) {
        let slot = usize::from(slot % SLOTS);
        self.turn = self.turn.wrapping_add(u32::from(slot == 0));
        let (mut live, mut late) = (std::mem::take(&mut self.live), std::mem::take(&mut self.late));
        for places in self.slots[slot].chunks(AHEAD) {
            let mut rests = [false; AHEAD];
            for (rests, place) in rests.iter_mut().zip(places) {
                let stream = &self.streams[*place as usize];
                *rests = stream.is_at_leisure() && sink.keeps(stream.key);
                stream.bring_to_hand();
            }
            for (place, rests) in places.iter().zip(rests) {
                if !rests {
                    live.push(*place);
                    continue;
                }
                let stream = &mut self.streams[*place as usize];
                stream.rest(now, sink);
                if self.turn % TOGETHER == u32::from(stream.turn) {
                    late.push(*place);
                }
            }
        }
        let mut datagram = [0; DATAGRAM_MAX];
        live.drain(..).for_each(|place| self.handle_live(now, place as usize, &mut datagram, sink));
        late.drain(..).for_each(|place| self.handle_late(now, place as usize, sink));
        (self.live, self.late) = (live, late);
    }

    /// So many times the 20 ms have passed in which no stream got its frame.
    pub fn miss_turns(&mut self, now: Instant, turns: u32, sink: &mut impl Sink) {
        for slot in 0..self.slots.len() {
            for index in 0..self.slots[slot].len() {
                let place = self.slots[slot][index] as usize;
                self.catch_up(place, sink);
                self.streams[place].miss_slots(now, turns, sink);
            }
        }
    }

    /// The 20 ms of a stream that somebody waits for.
    fn handle_live(&mut self, now: Instant, place: usize, datagram: &mut [u8], sink: &mut impl Sink) {
        let key = self.streams[place].key;
        self.catch_up(place, sink);
        // What one stream needs is at hand in the processor only while that stream is served.
        while let Some(Head { at, source, length }) = sink.receive(key, datagram) {
            // It is measured by when it came, which may be a while ago (RFC 3550, A.8). What came after the slot had begun
            // is heard in it all the same.
            self.handle_packet(at.min(now), key, source, &datagram[..length], sink);
        }
        let partner = self.streams[place].bridge.partner();
        let from_partner = partner.and_then(|partner| self.streams[partner].bridge.take());
        let digit = self.streams[place].handle_slot(now, from_partner, &mut self.rng, sink);
        self.carry(now, place, digit);
    }

    /// A stream that nobody waits for is heard.
    fn handle_late(&mut self, now: Instant, place: usize, sink: &mut impl Sink) {
        self.catch_up(place, sink);
        self.streams[place].watch_clock(now, &mut self.rng, sink);
    }

    /// Hears the slots of a stream that have passed unheard.
    fn catch_up(&mut self, place: usize, sink: &mut impl Sink) {
        let stream = &mut self.streams[place];
        if stream.is_behind() {
            sink.receive_waiting(stream.key, &mut self.waiting);
            stream.catch_up(&mut self.waiting, sink);
        }
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.streams.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn open(&mut self, now: Instant, key: StreamKey, party: Party, sink: &mut impl Sink) {
        let kind = match self.try_open(key, party, sink) {
            Ok(local) => EventKind::Opened { local },
            Err(reason) => EventKind::OpenFailed { reason },
        };
        sink.event(Event { stream: key, at: now, kind });
    }

    fn try_open(&mut self, key: StreamKey, party: Party, sink: &mut impl Sink) -> Result<SocketAddr, String> {
        if self.places.get(key.index()).is_some_and(|place| *place != NOWHERE) {
            return Err("the stream is open already".into());
        }
        if self.free.is_empty() && self.streams.len() >= self.options.streams_max {
            return Err(format!("all {} streams of the media thread are in use", self.streams.len()));
        }
        let local = sink.open(key)?;
        let place = self.free.pop().unwrap_or_else(|| {
            self.streams.push(Box::new(Stream::new(&self.options, key)));
            self.streams.len() as u32 - 1
        });
        let slot =
            (0..SLOTS).min_by_key(|slot| self.slots[usize::from(*slot)].len()).expect("there are slots");
        self.slots[usize::from(slot)].push(place);
        let turn = self.turns[usize::from(slot)].take();
        let stream = &mut self.streams[place as usize];
        stream.open(key, (slot, turn), party, sink.former(key), &self.options.amd, &mut self.rng);
        if self.places.len() <= key.index() {
            self.places.resize(key.index() + 1, NOWHERE);
        }
        self.places[key.index()] = place;
        Ok(local)
    }

    fn connect(&mut self, now: Instant, key: StreamKey, session: Session, sink: &mut impl Sink) {
        if let Some(place) = self.place(key) {
            self.streams[place].connect(now, session, &mut self.rng, sink);
        }
    }

    fn detect(&mut self, now: Instant, key: StreamKey, mode: Mode) {
        self.with(key, |stream| stream.detect(now, mode));
    }

    fn bridge(&mut self, a: StreamKey, b: StreamKey) {
        let (Some(a), Some(b)) = (self.place(a), self.place(b)) else { return };
        if a == b {
            return;
        }
        for (leg, partner) in [(a, b), (b, a)] {
            self.part(leg);
            self.streams[leg].player.stop();
            self.streams[leg].join(partner);
        }
    }

    /// Parts a leg from its partner, both ways.
    fn part(&mut self, place: usize) {
        if let Some(partner) = self.streams[place].bridge.part() {
            self.streams[partner].bridge.part();
        }
    }

    fn close(&mut self, now: Instant, key: StreamKey, sink: &mut impl Sink) {
        let Some(place) = self.place(key) else { return };
        self.part(place);
        let statistics = self.streams[place].close(now, sink);
        let Stream { slot, turn, .. } = *self.streams[place];
        self.slots[usize::from(slot)].retain(|other| *other as usize != place);
        self.turns[usize::from(slot)].give_back(turn);
        self.places[key.index()] = NOWHERE;
        self.free.push(place as u32);
        sink.leave(key, self.streams[place].left());
        sink.close(key);
        sink.event(Event { stream: key, at: now, kind: EventKind::Closed(statistics) });
    }

    fn with(&mut self, key: StreamKey, change: impl FnOnce(&mut Stream)) {
        if let Some(place) = self.place(key) {
            change(&mut self.streams[place]);
        }
    }

    fn place(&self, key: StreamKey) -> Option<usize> {
        let place = *self.places.get(key.index())?;
        let stream = self.streams.get(place as usize)?;
        (stream.key == key).then_some(place as usize)
    }
}

#[cfg(test)]
mod tests;
