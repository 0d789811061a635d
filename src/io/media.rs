//! The media plane's shell: plain threads with a [`crate::media::worker::Worker`] each, and the way to them.
//!
//! Nothing is shared between the threads but the list of ports that are taken (`pairs`). A stream lives on one of them, next to
//! its partner if it has one, else where the fewest are; commands go there through a bounded queue, events come back through one
//! for all.

mod pace;
mod pairs;
mod port;
mod reader;
mod ready;
mod thread;

use super::recorder::Recorder;
use super::trace::Copies;
use super::{entropy, priority};
use crate::amd::detector;
use crate::engine::engine::MediaAddress;
use crate::media::command::{Command, Event, StreamKey};
use crate::media::player::PromptTable;
use crate::rtp::delay::Delay;
use crate::time::Instant;
use port::Ports;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Commands that may wait for a thread. A full queue holds the control plane up until the end of a slot, 5 ms at most.
const COMMANDS_MAX: usize = 4_096;

/// Events that may wait for the control plane; a thread keeps later ones back and tells them in their order.
const EVENTS_MAX: usize = 16_384;

/// What the media plane is told at its start.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// Where RTP sockets are bound and what is offered of them: one address, or one of each family. A stream then has ports
    /// of the same numbers at both, and uses those of its peer's family.
    pub addresses: Vec<MediaAddress>,
    /// The first port that may be taken.
    pub port_min: u16,
    /// The last port that may be taken.
    pub port_max: u16,
    /// How many threads.
    pub threads: usize,
    /// The most streams at once, over all threads.
    pub streams_max: usize,
    /// Playout delay of the jitter buffers.
    pub jitter: Duration,
    /// That of agents' legs.
    pub jitter_agents: Delay,
    /// A connected stream without any packet for this long is reported.
    pub media_timeout: Duration,
    /// What the detectors are told.
    pub amd: detector::Options,
}

/// The running threads, as the control plane sees them.
#[derive(Debug)]
pub struct MediaPlane {
    threads: Vec<Thread>,
    /// On which thread the stream of an index is. The lock is the control plane's own; no media thread takes it.
    placed: Mutex<Vec<(StreamKey, usize)>>,
    recorder: Recorder,
}

#[derive(Debug)]
struct Thread {
    commands: SyncSender<Command>,
    /// Streams that were sent there and have not ended; the thread counts down.
    streams: Arc<AtomicUsize>,
    join: JoinHandle<()>,
}

impl MediaPlane {
    /// Starts the threads. `epoch` is the engine's start: instants count from there.
    ///
    /// # Errors
    /// When no pair of ports can be taken, or the system gives no thread or no randomness: sources and ports must not be
    /// foreseen.
    pub fn start(
        options: Options,
        prompts: Arc<PromptTable>,
        epoch: std::time::Instant,
    ) -> io::Result<(MediaPlane, mpsc::Receiver<Event>)> {
        MediaPlane::start_traced(options, prompts, epoch, None)
    }

    /// As [`MediaPlane::start`]; packets of traced streams are copied to `copies`.
    ///
    /// # Errors
    /// As there.
    pub fn start_traced(
        options: Options,
        prompts: Arc<PromptTable>,
        epoch: std::time::Instant,
        copies: Option<Copies>,
    ) -> io::Result<(MediaPlane, mpsc::Receiver<Event>)> {
        let mut rng = entropy::rng()?;
        Ports::new(&options, rng.fork()).open(Instant::ZERO)?;
        let ports = Ports::new(&options, rng.fork());
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let recorder = Recorder::start(events.clone(), epoch)?;
        let mut threads = Vec::with_capacity(options.threads);
        for number in 0..options.threads.max(1) {
            let (commands, inbox) = sync_channel(COMMANDS_MAX);
            let streams = Arc::new(AtomicUsize::new(0));
            let start = thread::Start {
                options: options.clone(),
                prompts: Arc::clone(&prompts),
                epoch,
                rng: rng.fork(),
                ports: ports.shared(rng.fork()),
                inbox,
                events: events.clone(),
                streams: Arc::clone(&streams),
                recorder: recorder.handle(),
                copies: copies.clone(),
            };
            let ready = ready::descriptor()?;
            let join = std::thread::Builder::new().name(format!("media-{number}")).spawn(move || {
                priority::raise(priority::MEDIA);
                thread::Loop::new(start, ready).run();
            })?;
            threads.push(Thread { commands, streams, join });
        }
        Ok((MediaPlane { threads, placed: Mutex::default(), recorder }, receiver))
    }

    /// Hands a command to the thread of its stream.
    pub fn send(&self, command: Command) {
        let Some(stream) = command.stream() else {
            self.threads.iter().for_each(|thread| deliver(thread, command.clone()));
            return;
        };
        match &command {
            Command::Open { partner, .. } => {
                let place = self.choose(*partner);
                self.place(stream, place);
                self.threads[place].streams.fetch_add(1, Ordering::Relaxed);
            }
            Command::Bridge { a, b } if self.thread_of(*a) != self.thread_of(*b) => {
                // The engine's mistake: the second leg was opened without naming its partner.
                tracing::error!(?a, ?b, "streams of two media threads cannot be bridged");
            }
            _ => {}
        }
        if let Some(place) = self.thread_of(stream) {
            deliver(&self.threads[place], command);
        }
    }

    /// Pairs of ports that the threads hold, those of commands on their way included.
    pub fn ports_held(&self) -> usize {
        self.threads.iter().map(|thread| thread.streams.load(Ordering::Relaxed)).sum()
    }

    /// Ends all threads: ports are given back, recordings are closed.
    pub fn stop(self) {
        for thread in self.threads {
            drop(thread.commands);
            if thread.join.join().is_err() {
                tracing::error!("a media thread has panicked");
            }
        }
        self.recorder.stop();
    }

    fn choose(&self, partner: Option<StreamKey>) -> usize {
        let beside = partner.and_then(|partner| self.thread_of(partner));
        beside.unwrap_or_else(|| {
            let loads = self.threads.iter().map(|thread| thread.streams.load(Ordering::Relaxed));
            loads.enumerate().min_by_key(|(_, load)| *load).map_or(0, |(place, _)| place)
        })
    }

    fn place(&self, stream: StreamKey, place: usize) {
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if placed.len() <= stream.index() {
            placed.resize(stream.index() + 1, (stream, 0));
        }
        placed[stream.index()] = (stream, place);
    }

    fn thread_of(&self, stream: StreamKey) -> Option<usize> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        placed.get(stream.index()).filter(|(key, _)| *key == stream).map(|(_, place)| *place)
    }
}

fn deliver(thread: &Thread, command: Command) {
    if thread.commands.send(command).is_err() {
        tracing::error!("a media thread has died: its calls have no sound");
    }
}

#[cfg(test)]
mod tests;
