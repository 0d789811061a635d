//! The loop of a dry run: whatever is due first happens first, and nothing waits.

use super::Model;
use super::far::{Far, Sent, Who};
use super::tally::{Report, Tally};
use crate::amd::verdict::{Beep, Cause, Class, Finding, Verdict};
use crate::centre::chance::duration;
use crate::engine::engine::{Engine, Output};
use crate::io::rehearse::Rehearsal;
use crate::media::command::{Command, Event as MediaEvent, EventKind, Statistics, StreamKey};
use crate::record::{Answer, Request};
use crate::rng::Rng;
use crate::sip::endpoint::Target;
use crate::sip::message::Message;
use crate::time::{Instant, Now};
use indicatif::{ProgressBar, ProgressStyle};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// Steps at one moment after which something does not come to an end.
const STEPS_AT_ONCE_MAX: u32 = 1_000_000;

/// From a machine's answer to its beep.
const GREETING_S: f64 = 8.0;

/// What comes in at a later moment.
enum Coming {
    Sip(Target, Sent),
    Media(MediaEvent),
    /// The agent on this call hangs up.
    TalkEnds(Target, String),
}

/// A dry run.
pub struct Stage {
    rehearsal: Rehearsal,
    runtime: tokio::runtime::Runtime,
    begin: Now,
    now: Now,
    model: Model,
    far: Far,
    rng: Rng,
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    coming: HashMap<u64, Coming>,
    sequence: u64,
    /// Who is heard on each stream.
    streams: HashMap<StreamKey, Who>,
    tally: Tally,
}

impl Stage {
    /// Before the first step.
    pub fn new(
        rehearsal: Rehearsal,
        runtime: tokio::runtime::Runtime,
        now: Now,
        model: Model,
        agents: Vec<String>,
        seed: u64,
    ) -> Stage {
        Stage {
            rehearsal,
            runtime,
            begin: now,
            now,
            model,
            far: Far::new(agents),
            rng: Rng::from_seed(seed).fork(),
            due: BinaryHeap::new(),
            coming: HashMap::new(),
            sequence: 0,
            streams: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Plays until every campaign is completed, or for `horizon`.
    pub fn play(mut self, horizon: Duration) -> Result<Report, String> {
        let bar = ProgressBar::new_spinner()
            .with_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template can be read"));
        let end = self.begin.instant + horizon;
        let (mut steps, mut at_once) = (0u64, 0u32);
        self.flush();
        while !self.is_over() {
            let next = [self.engine().poll_timeout(), self.due.peek().map(|Reverse((at, _))| *at)];
            let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else { break };
            at_once = if at > self.now.instant { 0 } else { at_once + 1 };
            if at_once > STEPS_AT_ONCE_MAX {
                return Err(
                    "the dry run does not come on: please report this with your configuration".to_owned()
                );
            }
            self.step(at);
            steps += 1;
            if steps.is_multiple_of(2_000) {
                bar.set_message(self.tally.progress(self.now.wall));
                bar.tick();
            }
        }
        bar.finish_and_clear();
        self.report()
    }

    fn engine(&mut self) -> &mut Engine {
        &mut self.rehearsal.engine
    }

    fn is_over(&self) -> bool {
        self.rehearsal.engine.is_completed() && self.rehearsal.engine.is_quiet()
    }

    fn step(&mut self, at: Instant) {
        let at = at.max(self.now.instant);
        self.now = Now { instant: at, wall: self.begin.wall + (at - self.begin.instant) };
        let now = self.now;
        while let Some(Reverse((due, number))) =
            self.due.peek().copied().filter(|Reverse((due, _))| *due <= at)
        {
            let _ = due;
            self.due.pop();
            if let Some(coming) = self.coming.remove(&number) {
                self.arrive(coming);
            }
            self.flush();
        }
        if self.engine().poll_timeout().is_some_and(|deadline| deadline <= now.instant) {
            self.engine().handle_timeout(now);
            self.flush();
        }
    }

    fn arrive(&mut self, coming: Coming) {
        let now = self.now;
        match coming {
            Coming::Sip(target, sent) => {
                if sent.is_final && !self.far.takes_final(&sent.call_id) {
                    return;
                }
                let status = match Message::parse(&sent.bytes) {
                    Ok(Message::Response(response)) => response.status(),
                    _ => 0,
                };
                self.engine().handle_message(now, target, &sent.bytes);
                if sent.is_final {
                    self.far.handle_ended(&sent.call_id, status);
                    if status == 200 && self.far.who(&sent.call_id) == Some(Who::Agent) {
                        let talk = self.far.talk(&self.model, &mut self.rng);
                        self.schedule(now.instant + talk, Coming::TalkEnds(target, sent.call_id));
                    }
                }
            }
            Coming::Media(event) => self.engine().handle_media(now, &event),
            Coming::TalkEnds(target, call_id) => {
                if let Some(bye) = self.far.hang_up(&call_id) {
                    self.engine().handle_message(now, target, &bye);
                }
            }
        }
    }

    fn schedule(&mut self, at: Instant, coming: Coming) {
        self.sequence += 1;
        self.due.push(Reverse((at, self.sequence)));
        self.coming.insert(self.sequence, coming);
    }

    /// Does what the engine wants, at once.
    fn flush(&mut self) {
        while let Some(output) = self.engine().poll_output() {
            match output {
                Output::Sip { target, bytes } => {
                    for sent in self.far.handle(&bytes, &self.model, &mut self.rng) {
                        self.schedule(super::far::at(self.now.instant, &sent), Coming::Sip(target, sent));
                    }
                }
                Output::Media(command) => self.obey(command),
                Output::Store(request) => self.store(request),
                Output::Dns(_) | Output::Journal(_) => {}
            }
        }
    }

    fn store(&mut self, request: Request) {
        self.tally.handle_request(self.now.wall, &request);
        let answer: Option<Answer> = self.runtime.block_on(self.rehearsal.store.handle(request));
        if let Some(answer) = answer {
            if let Answer::Refilled { campaign, contacts, .. } = &answer {
                self.tally.handle_claimed(campaign, contacts.iter().map(|contact| contact.id));
            }
            let now = self.now;
            self.engine().handle_answer(now, answer);
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now.instant;
        match command {
            Command::Open { stream, .. } => {
                let local = SocketAddr::from(([198, 18, 255, 2], 4_000));
                self.media(now, stream, EventKind::Opened { local });
            }
            Command::Connect { stream, session } => {
                if let Some(who) = self.far.who_at(session.remote) {
                    self.streams.insert(stream, who);
                    self.media(now, stream, EventKind::FirstSent);
                    self.media(now, stream, EventKind::FirstReceived);
                }
            }
            Command::Detect { stream } => self.detect(stream),
            Command::Play { stream, prompt, repeat: false } => {
                let plays =
                    self.rehearsal.prompts.get(prompt).map_or(Duration::ZERO, |prompt| prompt.duration());
                self.media(now + plays, stream, EventKind::Played(prompt));
            }
            Command::Close { stream } => {
                self.streams.remove(&stream);
                let heard = Statistics { packets_sent: 1, packets_received: 1, ..Statistics::default() };
                self.media(now, stream, EventKind::Closed(heard));
            }
            _ => {}
        }
    }

    fn media(&mut self, at: Instant, stream: StreamKey, kind: EventKind) {
        self.schedule(at, Coming::Media(MediaEvent { stream, at, kind }));
    }

    /// The detector says who it is, as quickly and with the mistakes of the model; a machine beeps in the end.
    fn detect(&mut self, stream: StreamKey) {
        let Some(who) = self.streams.get(&stream).copied() else { return };
        let detection = &self.model.scenario.detection;
        let person = who != Who::Machine;
        let takes = if person { detection.human } else { detection.machine };
        let at = duration(takes.draw(&mut self.rng));
        let mistaken = self.rng.chance(if person { detection.human_lost } else { detection.machine_passed });
        let class = if person != mistaken { Class::Human } else { Class::Machine };
        let cause = match class {
            Class::Human => Cause::SilenceAfterGreeting(at),
            _ => Cause::LongGreeting(at),
        };
        let started = self.now.instant;
        let found = |finding| EventKind::Finding { detect_started: started, finding };
        let verdict = Verdict { class, cause, at };
        let greeting_end = Finding::GreetingEnd { at };
        self.media(started + at, stream, found(greeting_end));
        self.media(started + at, stream, found(Finding::Verdict(verdict)));
        if !person {
            let end = at + duration(GREETING_S);
            let start = end.saturating_sub(Duration::from_millis(400));
            let beep = Beep { start, reported_at: end, end, frequency_hz: 1_000.0 };
            self.media(started + end, stream, found(Finding::Beep(beep)));
        }
    }

    fn report(mut self) -> Result<Report, String> {
        let status = self.rehearsal.engine.status(self.now);
        let Rehearsal { store, .. } = &mut self.rehearsal;
        let mut report = self.tally.report(self.begin.wall, self.now.wall, self.model.callees.live);
        for campaign in status.campaigns {
            let counts =
                self.runtime.block_on(store.counts(&campaign.name)).map_err(|error| error.to_string())?;
            report.put(campaign, &counts);
        }
        Ok(report)
    }
}
