//! What the carrier does of its own accord: ring, answer, refuse, repeat, speak, hang up.

use super::call::{Awaited, Called, GIVE_UP, Party, Phase, Repeat, T1, T2};
use super::habits::Fault;
use super::{Carrier, Output};
use crate::audio::g711::Law;
use crate::sim::agents::{self, Agent};
use crate::sim::callee::{self, Act, Callee, Plan};
use crate::sim::description::{self, Description, Direction};
use crate::sim::judgement;
use crate::sim::ledger::{EndedBy, Message, Role};
use crate::sim::line::Line;
use crate::slab::Key;
use crate::time::Instant;
use std::time::Duration;

/// Frames of a marker that count as heard: one by chance is none.
const HEARD_FRAMES: u32 = 3;

/// With less than this beyond markers, no message is looked for.
const MESSAGE_LOUD_MIN: Duration = Duration::from_millis(300);

/// A message may begin this much before the beep's end and still be looked for.
const BEFORE_BEEP: Duration = Duration::from_secs(1);

impl Carrier {
    /// Does whatever of this call is due.
    pub(super) fn go_on(&mut self, now: Instant, key: Key) {
        self.go_on_ringing(now, key);
        self.go_on_repeating(now, key);
        self.go_on_asking(now, key);
        if let Some((at, direction)) = self.call(key).reinvite_at
            && at <= now
        {
            self.call(key).reinvite_at = None;
            self.reinvite(now, key, direction);
        }
        self.go_on_speaking(now, key);
        if self.call(key).is_settled(now) {
            self.forget(key);
        } else if let Phase::Gone { until } | Phase::Mute { until } = &mut self.call(key).phase {
            // Something is still awaited: look again then.
            *until = if *until <= now { now + T1 } else { *until };
        }
    }

    fn go_on_ringing(&mut self, now: Instant, key: Key) {
        let call = self.call(key);
        let plan = match &call.called {
            Called::Callee(callee, _) => callee.plan(),
            Called::Agent(_) => Plan::Answer,
        };
        let ring = match &call.called {
            Called::Callee(_, ring) => *ring,
            Called::Agent(agent) => agent.as_ref().map_or(Duration::ZERO, |agent| agent.ring),
        };
        match (call.phase, plan) {
            (Phase::Trying { until }, Plan::Reject { status, q850, rings: false }) if until <= now => {
                self.refuse(now, key, status, q850);
            }
            (Phase::Trying { until }, Plan::EarlyMedia { length, .. }) if until <= now => {
                self.play_early(now, key, length);
            }
            (Phase::Trying { until }, _) if until <= now => {
                let until = (plan != Plan::Ring).then_some(now + ring);
                call.phase = Phase::Ringing { until };
                self.page(key).ringing_at = Some(now);
                self.respond_invite(key, (180, "Ringing"), &[], None);
            }
            (Phase::Ringing { until: Some(until) }, Plan::Reject { status, q850, .. }) if until <= now => {
                self.refuse(now, key, status, q850);
            }
            (Phase::Ringing { until: Some(until) }, _) if until <= now => self.answer(now, key),
            (Phase::Early { until }, Plan::EarlyMedia { status, .. }) if until <= now => {
                self.refuse(now, key, status, if status == 404 { 1 } else { 34 });
            }
            _ => {}
        }
    }

    fn refuse(&mut self, now: Instant, key: Key, status: u16, q850: u16) {
        let phrase = match status {
            404 => "Not Found",
            480 => "Temporarily Unavailable",
            486 => "Busy Here",
            603 => "Decline",
            _ => "Refused",
        };
        self.reject(now, key, (status, phrase), &[("Reason", format!("Q.850;cause={q850}"))]);
    }

    /// A final response other than 2xx, repeated until its ACK.
    pub(super) fn reject(&mut self, now: Instant, key: Key, status: (u16, &str), extra: &[(&str, String)]) {
        self.close_line(key);
        self.respond_invite(key, status, extra, None);
        let call = self.call(key);
        call.phase = Phase::Rejected;
        call.repeats.push(Repeat {
            awaited: Awaited::Rejection,
            cseq: call.cseq,
            bytes: call.response.clone(),
            next: now + T1,
            interval: T1,
            give_up: now + GIVE_UP,
        });
        self.agents.handle_end(key.to_u64());
        let entry = self.page(key);
        entry.status = status.0;
        entry.end(now, EndedBy::Carrier);
    }

    fn play_early(&mut self, now: Instant, key: Key, length: Duration) {
        let Some(sdp) = self.open_line(now, key) else { return };
        let call = self.call(key);
        call.phase = Phase::Early { until: now + length };
        if let (Called::Callee(callee, _), Some(line)) = (&call.called, call.line.as_mut()) {
            line.say(callee.opening());
        }
        self.page(key).ringing_at = Some(now);
        self.respond_invite(key, (183, "Session Progress"), &[], Some(sdp));
    }

    /// 200, repeated until its ACK.
    pub(super) fn answer(&mut self, now: Instant, key: Key) {
        let Some(sdp) = self.open_line(now, key) else { return };
        let call = self.call(key);
        call.phase = Phase::Up;
        let (opening, marker) = match &call.called {
            Called::Callee(callee, _) => {
                call.party = Party::Callee(callee::Conduct::new(callee.clone(), now));
                let marker = if let Callee::Person(person) = callee { Some(person.marker) } else { None };
                (callee.opening(), marker)
            }
            Called::Agent(Some(agent)) => {
                call.party = Party::Agent(agents::Conduct::new(agent.clone(), now));
                (agent.opening(), Some(agent.marker))
            }
            Called::Agent(None) => (Default::default(), None),
        };
        if let Some(line) = call.line.as_mut() {
            line.say(opening);
        }
        let entry = self.page(key);
        (entry.answered_at, entry.status, entry.marker) = (Some(now), 200, marker);
        self.respond_invite(key, (200, "OK"), &[], Some(sdp));
        self.repeat_answer(now, key, Awaited::Answer);
        self.page(key).answers += 1;
        if self.call(key).fault == Some(Fault::ForkedAnswer) {
            self.fork(now, key);
        }
    }

    fn repeat_answer(&mut self, now: Instant, key: Key, awaited: Awaited) {
        let call = self.call(key);
        call.repeats.push(Repeat {
            awaited,
            cseq: call.cseq,
            bytes: call.response.clone(),
            next: now + T1,
            interval: T1,
            give_up: now + GIVE_UP,
        });
    }

    /// The same 200 once more with another tag, as if a second phone had answered.
    fn fork(&mut self, now: Instant, key: Key) {
        let tag = self.rng.token(10);
        self.page(key).fork = Some(Default::default());
        let call = self.call(key);
        let first = call.response.clone();
        // Both tags are of our making, so the text occurs once: behind `tag=` in To.
        let text = String::from_utf8_lossy(&first).replace(&call.tag, &tag);
        call.fork_tag = Some(tag);
        call.response = text.into_bytes();
        let (bytes, source) = (call.response.clone(), call.source);
        self.send(source, bytes);
        self.repeat_answer(now, key, Awaited::ForkedAnswer);
        self.call(key).response = first;
    }

    fn go_on_repeating(&mut self, now: Instant, key: Key) {
        let call = self.call(key);
        let source = call.source;
        let mut due = Vec::new();
        let mut abandoned = Vec::new();
        call.repeats.retain_mut(|repeat| {
            if repeat.next > now {
                return true;
            }
            if now >= repeat.give_up {
                abandoned.push(repeat.awaited);
                return false;
            }
            let grows = repeat.awaited != Awaited::Needless;
            repeat.interval = if grows { (repeat.interval * 2).min(T2) } else { repeat.interval };
            repeat.next = (now + repeat.interval).min(repeat.give_up);
            due.push((repeat.awaited, repeat.bytes.clone()));
            true
        });
        for (awaited, bytes) in due {
            self.send(source, bytes);
            self.page(key).answers += u32::from(matches!(awaited, Awaited::Answer | Awaited::Needless));
        }
        for awaited in abandoned {
            self.give_up(now, key, awaited);
        }
    }

    /// Nobody acknowledged (RFC 3261, 13.3.1.4 and Timer H).
    fn give_up(&mut self, now: Instant, key: Key, awaited: Awaited) {
        match awaited {
            Awaited::Answer => {
                self.page(key).unacknowledged = true;
                if self.call(key).phase == Phase::Up {
                    self.hang_up(now, key);
                }
            }
            Awaited::Rejection => self.call(key).phase = Phase::Gone { until: now },
            Awaited::ForkedAnswer | Awaited::SecondAnswer | Awaited::Needless => {}
        }
    }

    fn go_on_asking(&mut self, now: Instant, key: Key) {
        let call = self.call(key);
        let source = call.source;
        let Some(asked) = call.asked.as_mut().filter(|asked| asked.next <= now) else { return };
        if now < asked.give_up {
            let ceiling = if asked.direction.is_none() { T2 } else { GIVE_UP };
            asked.interval = (asked.interval * 2).min(ceiling);
            asked.next = (now + asked.interval).min(asked.give_up);
            let bytes = asked.bytes.clone();
            return self.send(source, bytes);
        }
        let is_bye = asked.direction.is_none();
        call.asked = None;
        if is_bye {
            self.page(key).bye_unanswered = true;
        } else {
            self.page(key).reinvites.push(408);
        }
    }

    fn reinvite(&mut self, now: Instant, key: Key, direction: Direction) {
        let call = self.call(key);
        if call.phase != Phase::Up || call.asked.is_some() {
            return;
        }
        let Some(remote) = description::read(call.invite.body()) else { return };
        let sdp = self.describe(key, &remote, direction);
        self.ask(now, key, Some((direction, sdp)));
    }

    fn go_on_speaking(&mut self, now: Instant, key: Key) {
        while let Some(line) = self.call(key).line.as_mut().filter(|line| line.poll_timeout() <= now) {
            let port = line.port();
            let packets: Vec<_> = line.handle_timeout(now).collect();
            let call = self.call(key);
            let act = match (&mut call.party, &call.line) {
                (Party::Callee(conduct), Some(line)) => conduct.handle_frame(now, line.ear()),
                (Party::Agent(conduct), Some(line)) => conduct.handle_frame(now, line.ear()),
                _ => None,
            };
            for packet in packets {
                let from_port = if packet.is_report { port + 1 } else { port };
                self.outputs.push_back(Output::Rtp { from_port, to: packet.to, bytes: packet.bytes });
            }
            act.into_iter().for_each(|act| self.act(now, key, act));
        }
    }

    fn act(&mut self, now: Instant, key: Key, act: Act) {
        let call = self.call(key);
        match act {
            Act::Say(script) => call.line.iter_mut().for_each(|line| line.say(script.clone())),
            Act::Press(digit) => {
                call.line.iter_mut().for_each(|line| line.press(digit));
                self.page(key).pressed = Some(digit);
            }
            // The callee's side must not send BYE before its answer is acknowledged (RFC 3261, 15).
            Act::HangUp if call.phase == Phase::Up && !call.awaits_ack() => self.hang_up(now, key),
            Act::HangUp => {}
        }
    }

    fn hang_up(&mut self, now: Instant, key: Key) {
        self.ask(now, key, None);
        self.page(key).bye_at.get_or_insert(now);
        self.leave(now, key, EndedBy::Carrier);
    }

    /// The call is over; it is remembered for what may still come.
    pub(super) fn leave(&mut self, now: Instant, key: Key, by: EndedBy) {
        self.close_line(key);
        let call = self.call(key);
        call.reinvite_at = None;
        if !matches!(call.phase, Phase::Gone { .. }) {
            call.phase = Phase::Gone { until: now + GIVE_UP };
        }
        self.page(key).end(now, by);
        self.agents.handle_end(key.to_u64());
    }

    /// An agent was found for this call.
    pub(super) fn take_agent(&mut self, key: Key, agent: Agent) {
        self.page(key).role = Role::Agent(Some(agent.extension.clone()));
        self.call(key).called = Called::Agent(Some(agent));
    }

    /// Gives agents that have become free to those who wait longest.
    pub(super) fn serve_queues(&mut self, now: Instant) {
        while let Some((call, agent)) = self.agents.next_waiting() {
            let key = Key::from_u64(call);
            self.take_agent(key, agent);
            self.call(key).phase = Phase::Trying { until: now };
            self.reschedule(key);
        }
    }

    /// The first of the caller's laws that the carrier takes.
    pub(super) fn law(&self, offer: &Description) -> Option<(Law, u8)> {
        offer.laws.iter().find(|(law, _)| self.options.laws.contains(law)).copied()
    }

    /// Opens a line for what the INVITE offered, and gives the description that answers it. Without a free port the
    /// call is refused.
    fn open_line(&mut self, now: Instant, key: Key) -> Option<Vec<u8>> {
        let offer = description::read(self.call(key).invite.body())?;
        let law = self.law(&offer)?;
        if self.options.media && self.call(key).line.is_none() {
            let Some(port) = self.free_ports.pop_front() else {
                self.reject(now, key, (503, "No Circuit"), &[]);
                return None;
            };
            let line = Line::new(now, port, offer.clone(), law, &mut self.rng);
            self.call(key).line = Some(line);
            self.by_port.insert(port, key);
            self.outputs.push_back(Output::OpenPort(port));
        }
        Some(self.describe(key, &offer, offer.direction.reversed()))
    }

    /// The other side changed its mind about where and what.
    pub(super) fn renegotiate(&mut self, key: Key, remote: Description) {
        let law = self.law(&remote);
        if let (Some(line), Some(law)) = (self.call(key).line.as_mut(), law) {
            line.renegotiate(remote, law);
        }
    }

    /// Closes the line and writes down what was heard.
    pub(super) fn close_line(&mut self, key: Key) {
        let Some(mut line) = self.calls.get_mut(key).and_then(|call| call.line.take()) else { return };
        self.by_port.remove(&line.port());
        self.free_ports.push_back(line.port());
        self.outputs.push_back(Output::ClosePort(line.port()));
        let message = self.judge(&line);
        let recording = line.ear_mut().take_recording();
        let keep = self.options.keep_recordings;
        let entry = self.page(key);
        let ear = line.ear();
        entry.reception = ear.reception().clone();
        entry.loud = ear.loud();
        entry.digits = ear.digits().to_owned();
        entry.beep = line.beep().0.zip(line.beep().1);
        let heard = ear.markers().iter().filter(|(_, frames)| **frames >= HEARD_FRAMES);
        entry.heard = heard.map(|(marker, _)| *marker).collect();
        entry.message = message;
        entry.recording = keep.then_some(recording);
    }

    /// The message that was heard best, if any was.
    fn judge(&self, line: &Line) -> Option<Message> {
        let recording = line.ear().recording();
        if line.ear().plain() < MESSAGE_LOUD_MIN {
            return None;
        }
        let beep_end = line.beep().1;
        let not_before = beep_end.map_or(0, |end| {
            let since_start = end.since_start().saturating_sub(BEFORE_BEEP);
            recording.place_of(Instant::from_start(since_start))
        });
        let best = self.options.messages.iter().enumerate().filter_map(|(clip, samples)| {
            judgement::find(&recording.samples, samples, not_before).map(|found| (clip, found))
        });
        let (clip, found) = best.max_by(|a, b| a.1.share().total_cmp(&b.1.share()))?;
        let from = recording.instant_of(usize::try_from(found.place).unwrap_or(0))?;
        let to = recording.instant_of(found.to)?;
        let ms = |at: Instant| at.since_start().as_micros() as i64 / 1000;
        let after_beep_ms = beep_end.map(|end| ms(from) - ms(end));
        Some(Message { clip, from, to, share: found.share(), after_beep_ms })
    }
}
