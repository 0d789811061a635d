//! A whole world under one seed and one virtual clock: the real engine and the real media worker, with carriers, wires,
//! a store and an operator around them.
//!
//! [`World::step`] takes whatever is due first, so that nothing waits and an hour passes in about a second. What the
//! engine does is told to the [`Checks`] at its own edge, before any delay of the wires. The same seed gives the same
//! journal, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `world` | the clock, the steps, and what goes from whom to whom |
//! | `plan` | what an hour is made of, from a seed |
//! | `staff` | agents whose states the engine knows |
//! | `setup` | the engine and the carriers of a plan |
//! | `voices` | what is said |
//! | `ports` | the engine's media sockets |
//! | `judge` | what must hold when all is drained, and the counts |
//! | `account` | the ladder, the counts, the failure |
//! | `tests` | sabotaged worlds: what the world must find itself |

mod account;
mod judge;
pub mod plan;
mod ports;
mod setup;
mod staff;
pub mod voices;

pub use account::{Coverage, Failure};

use super::carrier::{self, Carrier};
use super::checks::{Checks, Fact, Rule};
use super::network::{Link, Network};
use super::records::Records;
use crate::engine::engine::{AgentWord, Engine, Operator, Output};
use crate::engine::journal::Event;
use crate::media::command::{Command, StreamKey};
use crate::media::player::PromptTable;
use crate::media::worker::Worker;
use crate::media::{SLOT, SLOTS};
use crate::record::{Answer, Request};
use crate::rng::Rng;
use crate::sip::endpoint::Target;
use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::time::{Instant, Now};
use account::Ladder;
use plan::Plan;
use ports::{Ports, Sent};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use voices::{Prompts, Voices};

/// Steps at one instant after which a deadline counts as not dealt with.
const STEPS_AT_ONCE_MAX: u32 = 10_000;

/// How long after the hour everything must be quiet: a call of full length, 64 * T1 for its BYE, and as long again for
/// what the carriers remember.
pub const DRAIN: Duration = Duration::from_secs(200);

/// A packet on a wire.
#[derive(Clone, Debug)]
enum Packet {
    /// SIP, to the carrier of this place.
    SipToCarrier(usize, Vec<u8>),
    /// SIP, from the carrier of this place.
    SipToEngine(usize, Vec<u8>),
    /// RTP or RTCP, to this port of the carrier of this place.
    MediaToCarrier(usize, u16, SocketAddr, Vec<u8>),
    /// RTP or RTCP, to this port of the engine.
    MediaToEngine(u16, SocketAddr, Vec<u8>),
}

/// A carrier and the four one-way wires to it.
#[derive(Debug)]
struct Far {
    carrier: Carrier,
    address: SocketAddr,
    sip_there: Link,
    sip_back: Link,
    media_there: Link,
    media_back: Link,
}

/// What may be due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Crash,
    Restart,
    Operator,
    Store,
    Packet,
    Carrier(usize),
    Engine,
    Slot,
}

/// What an hour came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every step that the engine told of, a line each, and the fingerprint of every packet that it sent.
    pub journal: String,
    /// What really happened.
    pub coverage: Coverage,
}

/// The world.
pub struct World {
    plan: Plan,
    now: Instant,
    engine: Engine,
    worker: Worker,
    ports: Ports,
    far: Vec<Far>,
    network: Network<Packet>,
    records: Records,
    acts: VecDeque<(Instant, Operator)>,
    crashes: VecDeque<(Instant, Duration)>,
    /// The engine is dead; another one starts then.
    gone_until: Option<Instant>,
    prompts: Arc<PromptTable>,
    rng: Rng,
    last_slot: u64,
    steps_at_once: u32,
    checks: Checks,
    ladder: Ladder,
    journal: String,
    /// FNV-1a over all that the engine sent.
    fingerprint: u64,
    seen: BTreeSet<u64>,
    coverage: Coverage,
}

impl World {
    /// Lives the hour of a seed through, and drains it.
    pub fn run(seed: u64, voices: &Voices) -> Result<Report, Box<Failure>> {
        World::new(Plan::from_seed(seed, voices), voices).live()
    }

    fn live(mut self) -> Result<Report, Box<Failure>> {
        let end = Instant::ZERO + plan::HOUR + DRAIN;
        self.settle();
        self.end_step()?;
        while self.step(end) {
            self.end_step()?;
        }
        self.now = end;
        self.judge_the_end();
        self.end_step()?;
        self.count();
        writeln!(self.journal, "fingerprint {:016x}", self.fingerprint).expect("a string takes everything");
        Ok(Report { journal: self.journal, coverage: self.coverage })
    }

    /// Takes what is due first, if it is due before `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        let Some((at, due)) = self.next_due().filter(|(at, _)| *at < end) else { return false };
        self.steps_at_once = if at > self.now { 0 } else { self.steps_at_once + 1 };
        self.now = self.now.max(at);
        match due {
            Due::Crash => {
                if let Some((_, gone)) = self.crashes.pop_front() {
                    self.crash(gone);
                }
            }
            Due::Restart => self.restart(),
            Due::Operator => self.operate(),
            Due::Store => self.store(),
            Due::Packet => self.deliver(),
            Due::Carrier(place) => self.far[place].carrier.handle_timeout(self.now),
            Due::Engine => self.engine.handle_timeout(self.now()),
            Due::Slot => self.slot(),
        }
        self.settle();
        if self.steps_at_once > STEPS_AT_ONCE_MAX {
            let what = format!("{due:?} is due again and again at {:?}", self.now);
            self.checks.handle_violation(Rule::TimeGoesOn, None, what);
        }
        true
    }

    fn now(&self) -> Now {
        Now { instant: self.now, wall: self.plan.start + self.now.since_start() }
    }

    fn end_step(&mut self) -> Result<(), Box<Failure>> {
        self.checks.handle_step_end(self.now);
        match self.checks.poll_output() {
            Some(violation) => {
                let (seed, at) = (self.plan.seed, self.now);
                Err(Box::new(Failure::new(seed, at, violation, &self.journal, &self.ladder)))
            }
            None => Ok(()),
        }
    }

    /// At one instant the order is that of this list.
    fn next_due(&self) -> Option<(Instant, Due)> {
        let carriers = self
            .far
            .iter()
            .enumerate()
            .filter_map(|(place, far)| far.carrier.poll_timeout().map(|at| (at, Due::Carrier(place))));
        let packet = self.network.poll_timeout().map(|at| (at, Due::Packet));
        if let Some(at) = self.gone_until {
            return [(at, Due::Restart)].into_iter().chain(packet).chain(carriers).min_by_key(|(at, _)| *at);
        }
        let crash = self.crashes.front().map(|(at, _)| (*at, Due::Crash));
        let operator = self.acts.front().map(|(at, _)| (*at, Due::Operator));
        let store = self.records.poll_timeout().map(|at| (at, Due::Store));
        let engine = self.engine.poll_timeout().map(|at| (at, Due::Engine));
        let slot = (!self.worker.is_empty()).then(|| (self.slot_at(self.next_slot()), Due::Slot));
        let others = [crash, operator, store, packet, engine, slot].into_iter().flatten();
        others.chain(carriers).min_by_key(|(at, _)| *at)
    }

    /// While there are streams the slots follow each other; when there were none, the count goes on with the clock.
    fn next_slot(&self) -> u64 {
        let slot = SLOT.as_nanos() as u64;
        let since_start = self.now.since_start().as_nanos() as u64;
        since_start.div_ceil(slot).max(self.last_slot + 1)
    }

    fn slot_at(&self, slot: u64) -> Instant {
        Instant::from_start(SLOT * slot as u32)
    }

    fn slot(&mut self) {
        self.last_slot = self.next_slot();
        let slot = (self.last_slot % u64::from(SLOTS)) as u8;
        self.worker.handle_slot(self.now, slot, &mut self.ports);
    }

    fn operate(&mut self) {
        let Some((_, wish)) = self.acts.pop_front() else { return };
        let name = match &wish {
            Operator::Start(_) => "operator starts",
            Operator::Pause(_) => "operator pauses",
            Operator::Resume(_) => "operator resumes",
            Operator::Stop(_) => "operator stops",
            Operator::Suppress(_) => "operator suppresses",
            Operator::Imported(_) => "operator imports",
            Operator::Dialing(_) => "operator switches dialing",
            Operator::PauseRecording(..) => "operator pauses a recording",
            Operator::Agent { .. } => "agent says something",
            Operator::Drain => "operator drains",
            Operator::Kill => "operator kills",
        };
        self.coverage.add(name, 1);
        match &wish {
            Operator::Suppress(number) => {
                self.checks.handle_fact(self.now(), Fact::Suppressed(number.as_str()));
            }
            Operator::Agent { name, word: AgentWord::State(word) } => {
                self.checks.handle_fact(self.now(), Fact::AgentSays(name, *word));
            }
            _ => {}
        }
        // Operators ask for what cannot be, such as a pause of what does not run, and are told so.
        let _ = self.engine.handle_operator(self.now(), &wish);
    }

    fn store(&mut self) {
        let Some(done) = self.records.poll_output(self.now) else { return };
        let now = self.now();
        let Some(answer) = done.answer else { return };
        match (&answer, &done.request) {
            (Answer::InviteCommitted { .. }, Request::CommitInvite(invite)) => {
                self.checks.handle_fact(now, Fact::Committed(invite));
            }
            (Answer::InviteRefused { error, .. }, _) => {
                self.coverage.add(format!("store refuses: {error}"), 1)
            }
            (Answer::InviteForbidden { .. }, _) => self.coverage.add("store forbids", 1),
            (Answer::Failed { .. }, _) => self.coverage.add("store fails", 1),
            _ => {}
        }
        self.engine.handle_answer(now, answer);
    }

    fn deliver(&mut self) {
        let Some(packet) = self.network.poll_output(self.now) else { return };
        let engine_sip = setup::engine_address();
        match packet {
            Packet::SipToCarrier(place, bytes) => {
                self.far[place].carrier.handle_sip(self.now, engine_sip, &bytes);
            }
            Packet::SipToEngine(..) if self.gone_until.is_some() => {}
            Packet::SipToEngine(place, bytes) => {
                let now = self.now();
                if let Ok(message) = Message::parse(&bytes) {
                    self.ladder.push(self.now, false, place, &message);
                    self.checks.handle_fact(now, Fact::Received(place, &message));
                }
                self.engine.handle_datagram(now, self.far[place].address, &bytes);
            }
            Packet::MediaToCarrier(place, port, source, bytes) => {
                self.far[place].carrier.handle_rtp(self.now, port, source, &bytes);
            }
            Packet::MediaToEngine(port, source, bytes) => match self.ports.stream(port) {
                Some((stream, false)) => {
                    self.worker.handle_packet(self.now, stream, source, &bytes, &mut self.ports);
                }
                Some((stream, true)) => self.worker.handle_rtcp(self.now, stream, source, &bytes),
                None => {}
            },
        }
    }

    /// Carries everything that is to be done at this instant, until nothing is left.
    fn settle(&mut self) {
        loop {
            while let Some(sent) = self.ports.sent.pop_front() {
                self.send_media(sent);
            }
            for place in 0..self.far.len() {
                while let Some(output) = self.far[place].carrier.poll_output() {
                    self.carry_from(place, output);
                }
            }
            if self.gone_until.is_some() {
                return;
            }
            if let Some(output) = self.engine.poll_output() {
                self.carry_out(output);
            } else if let Some(event) = self.ports.events.pop_front() {
                self.engine.handle_media(self.now(), &event);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Sip { target, bytes } => self.send_sip(target, bytes),
            Output::Media(command) => self.command(command),
            Output::Store(request) => self.ask_store(request),
            Output::Dns(question) => unreachable!("the plan's trunks are numbers, and {question} is none"),
            Output::Journal(entry) => {
                match &entry.event {
                    Event::Agent { note, .. } => self.coverage.add(format!("agent {note}"), 1),
                    Event::Guard { on, .. } => self.coverage.add(format!("guard: {on}"), 1),
                    _ => {}
                }
                writeln!(self.journal, "{entry}").expect("a string takes everything");
            }
        }
    }

    fn ask_store(&mut self, request: Request) {
        let now = self.now();
        match &request {
            Request::Suppress { numbers, .. } => {
                for number in numbers {
                    self.checks.handle_fact(now, Fact::Suppressed(number.as_str()));
                }
            }
            Request::FinishAttempt { record, .. } => self.checks.handle_fact(now, Fact::Finished(record)),
            _ => {}
        }
        self.records.handle_request(self.now, request);
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        let stream = match &command {
            Command::Connect { stream, session } => Some((*stream, Some(session.send))),
            Command::Close { stream } => Some((*stream, None)),
            Command::Bridge { .. } => {
                self.coverage.add("bridges", 1);
                None
            }
            Command::Play { prompt: Prompts::WHISPER, .. } => {
                self.coverage.add("whispers", 1);
                None
            }
            _ => None,
        };
        if let Some((stream, sends)) = stream {
            self.tell_stream(now, stream, sends);
        }
        self.worker.handle_command(self.now, command, &mut self.ports);
    }

    fn tell_stream(&mut self, now: Now, stream: StreamKey, sends: Option<bool>) {
        self.coverage.add("holds", u64::from(sends == Some(false)));
        let fact = sends.map_or(Fact::Closed(stream), |sends| Fact::Connected(stream, sends));
        self.checks.handle_fact(now, fact);
    }

    fn send_sip(&mut self, target: Target, bytes: Vec<u8>) {
        let Some(place) = self.far.iter().position(|far| far.address == target.address) else {
            let what = format!("a message goes to {:?}, where nobody is", target.address);
            return self.checks.handle_violation(Rule::NothingIsMalformed, None, what);
        };
        let now = self.now();
        let print = fingerprint(FNV, &bytes);
        self.coverage.add("retransmissions", u64::from(!self.seen.insert(print)));
        self.fingerprint = fingerprint(self.fingerprint, &bytes);
        match Message::parse(&bytes) {
            Ok(message) => {
                self.ladder.push(self.now, true, place, &message);
                self.check_known(&message);
                self.checks.handle_fact(now, Fact::Sent(place, &message));
            }
            Err(error) => self.checks.handle_violation(Rule::NothingIsMalformed, None, error.to_string()),
        }
        let far = &mut self.far[place];
        self.network.handle_packet(self.now, &mut far.sip_there, Packet::SipToCarrier(place, bytes));
    }

    /// Whatever rings is in the store, so that another engine can end it; a person does not wait for one that is not prompt.
    fn check_known(&mut self, message: &Message) {
        let Message::Request(request) = message else { return };
        let is_first =
            *request.method() == Method::Invite && request.headers().to().is_ok_and(|to| to.tag().is_none());
        let call_id = request.headers().call_id().unwrap_or_default();
        if is_first && self.plan.disk.is_prompt(self.now) && !self.records.dialogs().contains_key(call_id) {
            let what = "an INVITE leaves of which the store knows nothing".to_owned();
            self.checks.handle_violation(Rule::CommitComesFirst, Some(call_id.to_owned()), what);
        }
    }

    fn send_media(&mut self, sent: Sent) {
        if !sent.is_report {
            self.checks.handle_fact(self.now(), Fact::Packet(sent.stream));
        }
        self.fingerprint = fingerprint(self.fingerprint, &sent.bytes);
        let Some(place) = self.far.iter().position(|far| far.address.ip() == sent.to.ip()) else { return };
        let packet = Packet::MediaToCarrier(place, sent.to.port(), sent.from, sent.bytes);
        self.network.handle_packet(self.now, &mut self.far[place].media_there, packet);
    }

    fn carry_from(&mut self, place: usize, output: carrier::Output) {
        let far = &mut self.far[place];
        match output {
            carrier::Output::Sip { bytes, .. } => {
                self.network.handle_packet(self.now, &mut far.sip_back, Packet::SipToEngine(place, bytes));
            }
            carrier::Output::Rtp { from_port, to, bytes } => {
                let source = SocketAddr::new(far.address.ip(), from_port);
                let packet = Packet::MediaToEngine(to.port(), source, bytes);
                self.network.handle_packet(self.now, &mut far.media_back, packet);
            }
            carrier::Output::OpenPort(_) | carrier::Output::ClosePort(_) => {}
        }
    }
}

/// The offset basis of FNV-1a.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn fingerprint(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests;
