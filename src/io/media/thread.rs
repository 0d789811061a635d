//! One media thread: the clock of 5 ms slots, the sockets of its streams, and the worker between them.
//!
//! The clock is absolute: a slot that comes late does not shift those behind it. Behind a slot's work the thread carries
//! out the commands that have gathered, then it sleeps. A stream's RTP socket is read right before its slot, mostly by one
//! system call for the one packet that is due ([`super::pace`]), or, where nobody waits for what it hears, by one for the
//! packets of 200 ms ([`super::reader`]); all sockets of RTCP are watched by one question a slot
//! ([`super::ready`]).

use super::pace::Pace;
use super::port::{self, Pair, Ports};
use super::reader::{Clocks, Reader};
use super::ready::Ready;
use crate::audio::{FRAME, Frame};
use crate::io::recorder::{self, Recording};
use crate::io::trace::Copies;
use crate::media::command::{Command, Event, EventKind, StreamKey};
use crate::media::latch::{Former, NOBODY};
use crate::media::player::PromptTable;
use crate::media::waiting::{Head, Waiting};
use crate::media::worker::{Sink, Worker};
use crate::media::{self, SLOT, SLOTS};
use crate::rng::Rng;
use crate::rtp::rtcp;
use crate::time::Instant;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Longer compounds are no RTCP of ours; they are cut.
const REPORT_MAX: usize = 2_048;

/// A clock that is further behind (a thread that was held up, a machine that slept) passes over what it has missed instead of
/// catching up.
const BEHIND_MAX: Duration = Duration::from_millis(200);

/// Turns of 20 ms that are passed over at most, a minute: behind more than that the clock begins anew.
const MISSED_MAX: u32 = 3_000;

/// Datagrams of strangers that one turn reads beside the peer's: a socket's whole backlog is gone in a few turns.
const STRANGERS_MAX: u8 = 64;

/// Datagrams that one slot reads of a socket of RTCP, strangers' among them: 3,200 a second.
const REPORTS_MAX: usize = 16;

/// Events that a slow control plane may leave with the thread.
const BACKLOG_MAX: usize = 65_536;

/// What a thread is given.
pub struct Start {
    pub options: super::Options,
    pub prompts: Arc<PromptTable>,
    pub epoch: std::time::Instant,
    pub rng: Rng,
    pub ports: Ports,
    pub inbox: Receiver<Command>,
    pub events: mpsc::Sender<Event>,
    pub streams: Arc<AtomicUsize>,
    pub recorder: recorder::Handle,
    pub copies: Option<Copies>,
}

/// The thread.
pub struct Loop {
    epoch: std::time::Instant,
    inbox: Receiver<Command>,
    worker: Worker,
    shell: Shell,
}

/// Whether the control plane is still there.
#[derive(Clone, Copy, PartialEq)]
enum Plane {
    Here,
    Gone,
}

impl Loop {
    /// Called on the thread itself: detectors must not change theirs.
    pub fn new(start: Start, ready: OwnedFd) -> Self {
        let options = media::Options {
            streams_max: start.options.streams_max,
            jitter: start.options.jitter,
            jitter_agents: start.options.jitter_agents,
            media_timeout: start.options.media_timeout,
            rtcp_interval: rtcp::INTERVAL,
            amd: start.options.amd.clone(),
        };
        Loop {
            epoch: start.epoch,
            inbox: start.inbox,
            worker: Worker::new(&options, start.prompts, start.rng),
            shell: Shell {
                ports: start.ports,
                ready: Ready::new(ready),
                reader: Reader::new(),
                clocks: Clocks::new(Instant::ZERO),
                legs: Vec::new(),
                events: start.events,
                backlog: VecDeque::new(),
                streams: start.streams,
                recorder: start.recorder,
                copies: start.copies,
                epoch: start.epoch,
            },
        }
    }

    /// Runs until the control plane lets go of its end.
    pub fn run(mut self) {
        let mut due = std::time::Instant::now();
        let mut slot = 0u8;
        loop {
            if self.worker.is_empty() && self.shell.backlog.is_empty() {
                // A quiet thread does not wake two hundred times a second; the first command wakes it.
                if self.wait_for_command() == Plane::Gone {
                    return;
                }
                due = std::time::Instant::now();
            }
            std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
            due = self.in_time(due);
            self.shell.tell_backlog();
            let now = self.now();
            self.shell.clocks = Clocks::new(now);
            self.read_reports(now);
            self.worker.handle_slot(now, slot, &mut self.shell);
            slot = (slot + 1) % SLOTS;
            due += SLOT;
            if self.take_commands(due) == Plane::Gone {
                return;
            }
        }
    }

    fn wait_for_command(&mut self) -> Plane {
        match self.inbox.recv() {
            Ok(command) => {
                self.worker.handle_command(self.now(), command, &mut self.shell);
                Plane::Here
            }
            Err(_) => Plane::Gone,
        }
    }

    /// Carries out the commands that have gathered, until the next slot is due: a packet does not wait for them, and to
    /// be woken for each of them would cost more than most of them do.
    fn take_commands(&mut self, due: std::time::Instant) -> Plane {
        loop {
            match self.inbox.try_recv() {
                Ok(command) => {
                    let now = self.now();
                    self.worker.handle_command(now, command, &mut self.shell);
                }
                Err(TryRecvError::Empty) => return Plane::Here,
                Err(TryRecvError::Disconnected) => return Plane::Gone,
            }
            if std::time::Instant::now() >= due {
                return Plane::Here;
            }
        }
    }

    /// The moment that the slots count from: `due`, unless the clock has been left too far behind. The worker is told of what
    /// it has missed: time has passed for its peers and in its recordings.
    fn in_time(&mut self, due: std::time::Instant) -> std::time::Instant {
        let now = std::time::Instant::now();
        let behind = now.saturating_duration_since(due);
        if behind <= BEHIND_MAX {
            return due;
        }
        if !self.worker.is_empty() {
            tracing::warn!(behind_ms = behind.as_millis() as u64, "a media thread was held up");
        }
        let (missed, left) = missed(behind);
        self.worker.miss_turns(self.now(), missed, &mut self.shell);
        self.shell.legs.iter_mut().flatten().for_each(|leg| leg.pace.handle_missed(missed));
        now - left
    }

    /// Some datagrams of each RTCP socket that holds any; what is left there is told of again at the next slot. The worker passes
    /// over those of strangers before it looks into them: the peer's does not grow old behind them, which would be taken for
    /// the way of our packets.
    fn read_reports(&mut self, now: Instant) {
        if self.worker.is_empty() {
            return;
        }
        let mut datagram = [0; REPORT_MAX];
        for place in 0..self.shell.ready.ask() {
            let index = self.shell.ready.get(place);
            let Some(Some(leg)) = self.shell.legs.get(index) else { continue };
            for _ in 0..REPORTS_MAX {
                match leg.pair.rtcp.recv_from(&mut datagram) {
                    Ok((length, source)) => {
                        self.worker.handle_rtcp(now, leg.key, source, &datagram[..length]);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    // An ICMP error of a report that we sent.
                    Err(_) => {}
                }
            }
            if let Some(spare) = &leg.spare {
                // Nobody has been told of it; what a stranger sends there must not be told of again and again.
                (0..REPORTS_MAX).take_while(|_| spare.rtcp.recv_from(&mut datagram).is_ok()).for_each(drop);
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::from_start(self.epoch.elapsed())
    }
}

/// How many turns a clock has missed that is so far behind, and how far it is behind after them.
fn missed(behind: Duration) -> (u32, Duration) {
    let turns = u32::try_from(behind.as_nanos() / FRAME.as_nanos()).unwrap_or(u32::MAX);
    match turns <= MISSED_MAX {
        true => (turns, behind - FRAME * turns),
        false => (MISSED_MAX, Duration::ZERO),
    }
}

/// What the worker's wishes are done with.
struct Shell {
    ports: Ports,
    ready: Ready,
    reader: Reader,
    /// When the present slot began.
    clocks: Clocks,
    /// By the index of the stream's key.
    legs: Vec<Option<Leg>>,
    events: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    streams: Arc<AtomicUsize>,
    recorder: recorder::Handle,
    /// Where copies of traced streams' packets go.
    copies: Option<Copies>,
    epoch: std::time::Instant,
}

/// In this order what each packet needs lies together.
#[repr(C)]
struct Leg {
    key: StreamKey,
    /// The socket is connected to `remote`: the kernel drops strangers, and sending is cheaper.
    connected: bool,
    /// Since it is, nothing was left in it: what comes is the peer's.
    drained: bool,
    /// Its packets are copied for whoever traces the call.
    traced: bool,
    /// For now they are not, traced or not.
    withheld: bool,
    /// Datagrams of others that were read in this turn beside the peer's.
    strangers: u8,
    remote: Option<SocketAddr>,
    pair: Pair,
    pace: Pace,
    remote_rtcp: Option<SocketAddr>,
    recording: Option<Recording>,
    /// The pair of the other family, where there is one.
    spare: Option<Pair>,
    /// The address of ours that SDP has named.
    named: Option<IpAddr>,
}

/// A packet of a traced leg, from one of the two addresses to the other.
fn copy(
    copies: &Option<Copies>,
    epoch: std::time::Instant,
    leg: &Leg,
    way: (SocketAddr, SocketAddr),
    bytes: &[u8],
) {
    if let Some(copies) = copies.as_ref().filter(|_| leg.traced && !leg.withheld) {
        copies.copy(leg.key, Instant::from_start(epoch.elapsed()), way.0, way.1, bytes);
    }
}

fn leg_of(legs: &mut [Option<Leg>], stream: StreamKey) -> Option<&mut Leg> {
    legs.get_mut(stream.index())?.as_mut().filter(|leg| leg.key == stream)
}

impl Shell {
    fn leg(&mut self, stream: StreamKey) -> Option<&mut Leg> {
        leg_of(&mut self.legs, stream)
    }

    fn tell_backlog(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }
}

impl Sink for Shell {
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String> {
        let now = Instant::from_start(self.epoch.elapsed());
        let (pair, spare) = self.ports.open(now).map_err(|error| error.to_string())?;
        let pairs = [Some(&pair), spare.as_ref()].into_iter().flatten();
        let watched = pairs.map(|pair| self.ready.watch(&pair.rtcp, stream.index())).find(Result::is_err);
        if let Some(Err(error)) = watched {
            self.ports.close(now, pair, spare);
            return Err(format!("cannot watch a socket: {error}"));
        }
        let offered = pair.offered;
        if self.legs.len() <= stream.index() {
            self.legs.resize_with(stream.index() + 1, || None);
        }
        self.legs[stream.index()] = Some(Leg {
            key: stream,
            pair,
            pace: Pace::new(stream.index()),
            strangers: 0,
            remote: None,
            remote_rtcp: None,
            connected: false,
            drained: false,
            recording: None,
            traced: false,
            withheld: false,
            spare,
            named: None,
        });
        Ok(offered)
    }

    fn former(&self, stream: StreamKey) -> Former {
        let leg = self.legs.get(stream.index()).and_then(Option::as_ref);
        leg.map_or(NOBODY, |leg| leg.pair.former)
    }

    fn name(&mut self, stream: StreamKey, local: IpAddr) {
        if let Some(leg) = self.leg(stream) {
            leg.named = Some(local);
        }
    }

    fn aim(&mut self, stream: StreamKey, remote: SocketAddr, remote_rtcp: SocketAddr) {
        let Some(leg) = self.leg(stream) else { return };
        if leg.connected {
            // The peer may come from elsewhere now, which the worker judges.
            leg.connected = !port::disconnect(&leg.pair.rtp);
        }
        let is_of_spare = leg.pair.offered.is_ipv4() != remote.is_ipv4();
        if let Some(spare) = leg.spare.as_mut().filter(|_| is_of_spare) {
            std::mem::swap(&mut leg.pair, spare);
            (leg.connected, leg.drained) = (false, false);
        }
        (leg.remote, leg.remote_rtcp) = (Some(remote), Some(remote_rtcp));
    }

    fn latch(&mut self, stream: StreamKey, remote: SocketAddr) {
        let Some(leg) = self.leg(stream) else { return };
        leg.connected = leg.pair.rtp.connect(remote).is_ok();
        // Connected, a socket of all addresses takes only what comes to the one that the routing table leads to the peer from.
        let local = leg.pair.rtp.local_addr().map(|local| local.ip()).ok();
        if leg.connected && leg.pair.is_wildcard && leg.named.is_some_and(|named| local != Some(named)) {
            leg.connected = !port::disconnect(&leg.pair.rtp);
        }
        leg.drained = false;
        leg.remote = Some(remote);
    }

    fn receive(&mut self, stream: StreamKey, datagram: &mut [u8]) -> Option<Head> {
        let leg = leg_of(&mut self.legs, stream)?;
        while leg.pace.may_read() {
            match self.reader.read_one(&leg.pair.rtp, &self.clocks, datagram) {
                Ok(received) => {
                    // What waits here from before the socket was connected, or comes from another port of the host of a peer
                    // that was found elsewhere than it says, must not hold the peer's packets up.
                    let is_peer = leg.remote.is_none_or(|remote| remote == received.source);
                    if is_peer || leg.strangers >= STRANGERS_MAX {
                        leg.pace.handle_datagram();
                    } else {
                        leg.strangers += 1;
                    }
                    let way = (received.source, leg.pair.offered);
                    copy(&self.copies, self.epoch, leg, way, &datagram[..received.length]);
                    return Some(received);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    leg.drained = true;
                    leg.pace.handle_empty();
                }
                // An ICMP error of a packet that we sent; the media time-out judges the peer.
                Err(_) => leg.pace.handle_datagram(),
            }
        }
        leg.strangers = 0;
        None
    }

    fn keeps(&self, stream: StreamKey) -> bool {
        let leg = self.legs.get(stream.index()).and_then(Option::as_ref);
        // A stranger's packets would fill the socket of one that anybody may send to, and some may be there from before.
        leg.is_some_and(|leg| leg.connected && leg.drained && leg.pair.stamped && !leg.traced)
    }

    fn receive_waiting(&mut self, stream: StreamKey, waiting: &mut Waiting) {
        let now = Instant::from_start(self.epoch.elapsed());
        if let Some(leg) = leg_of(&mut self.legs, stream) {
            leg.drained = self.reader.read(&leg.pair.rtp, now, waiting);
            leg.pace.handle_all(leg.drained);
        }
    }

    fn send(&mut self, stream: StreamKey, bytes: &[u8]) {
        let Some(leg) = leg_of(&mut self.legs, stream) else { return };
        let Some(remote) = leg.remote else { return };
        copy(&self.copies, self.epoch, leg, (leg.pair.offered, remote), bytes);
        // A packet that cannot be sent now is lost, as on any network.
        let _ = if leg.connected { leg.pair.rtp.send(bytes) } else { leg.pair.rtp.send_to(bytes, remote) };
    }

    fn send_rtcp(&mut self, stream: StreamKey, bytes: &[u8]) {
        let Some(leg) = self.leg(stream) else { return };
        if let Some(remote) = leg.remote_rtcp {
            let _ = leg.pair.rtcp.send_to(bytes, remote);
        }
    }

    fn event(&mut self, event: Event) {
        if matches!(event.kind, EventKind::Closed(_) | EventKind::OpenFailed { .. }) {
            self.streams.fetch_sub(1, Ordering::Relaxed);
        }
        let event = match self.backlog.is_empty() {
            true => match self.events.try_send(event) {
                Err(TrySendError::Full(event)) => event,
                Ok(()) | Err(TrySendError::Closed(_)) => return,
            },
            false => event,
        };
        if self.backlog.len() < BACKLOG_MAX {
            self.backlog.push_back(event);
        } else {
            tracing::error!(?event, "the control plane does not take the media plane's events");
        }
    }

    fn start_recording(&mut self, stream: StreamKey, path: PathBuf) {
        let recording = self.recorder.record(stream, path);
        if let Some(leg) = self.leg(stream) {
            leg.recording = Some(recording);
        }
    }

    fn record(&mut self, stream: StreamKey, heard: &Frame, said: &Frame) {
        if let Some(recording) = self.leg(stream).and_then(|leg| leg.recording.as_mut()) {
            recording.write(heard, said);
        }
    }

    fn record_gap(&mut self, stream: StreamKey, frames: u32) {
        if let Some(recording) = self.leg(stream).and_then(|leg| leg.recording.as_mut()) {
            recording.pass(frames);
        }
    }

    fn trace(&mut self, stream: StreamKey, on: bool) {
        if let Some(leg) = self.leg(stream) {
            leg.traced = on;
        }
    }

    fn withhold(&mut self, stream: StreamKey, on: bool) {
        if let Some(leg) = self.leg(stream) {
            leg.withheld = on;
        }
    }

    fn leave(&mut self, stream: StreamKey, former: Former) {
        if let Some(leg) = self.leg(stream) {
            leg.pair.former = former;
        }
    }

    fn close(&mut self, stream: StreamKey) {
        if self.leg(stream).is_none() {
            return;
        }
        let Some(leg) = self.legs[stream.index()].take() else { return };
        self.ports.close(Instant::from_start(self.epoch.elapsed()), leg.pair, leg.spare);
        if let Some(dropped) =
            leg.recording.map(|recording| recording.dropped()).filter(|dropped| *dropped > 0)
        {
            let text =
                format!("the disk was too slow: {dropped} frames of 20 ms are silent in the recording");
            let at = Instant::from_start(self.epoch.elapsed());
            self.event(Event { stream, at, kind: EventKind::RecordingFault(text) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_turns_are_missed_and_no_more_of_them_than_a_minute() {
        let ms = Duration::from_millis;
        assert_eq!(missed(ms(215)), (10, ms(15)));
        assert_eq!(missed(ms(1_000)), (50, ms(0)));
        assert_eq!(missed(ms(60_019)), (3_000, ms(19)));
        assert_eq!(missed(ms(60_020)), (3_000, ms(0)));
        assert_eq!(missed(Duration::MAX), (3_000, ms(0)));
    }
}
