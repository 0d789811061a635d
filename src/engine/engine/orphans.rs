//! Calls that a former run has left on the wire: they are ended, and until they are, they count.
//!
//! A process that dies hangs up nobody. Its calls take the trunk's channels, and the people rung by them are being rung,
//! whatever the new process believes; so each is adopted by the endpoint, which ends it, and until its peer has answered
//! or 64*T1 has passed it takes a channel of its trunk, a line of its campaign and of the engine, and its number is in
//! flight. Only then its attempt is closed, and an agent whose phone was in it has another call.

use super::*;
use crate::call::attempt::ending;
use crate::engine::trunk::health::place_of;
use crate::record::{CallRecord, DialogRecord};
use crate::sip::endpoint::{OrphanEnd, OrphanKey, Remains};
use std::net::IpAddr;

/// What a former run has left.
#[derive(Debug, Default)]
pub struct FormerRun {
    /// Attempts without a record: whom each was for, with the outcomes before it, and its INVITEs, at least one.
    pub attempts: Vec<(Contact, Vec<InviteRecord>)>,
    /// Calls that may be up; those of an attempt that has its record too.
    pub dialogs: Vec<DialogRecord>,
    /// It may have sent INVITEs within the windows of the rates.
    pub dialed_lately: bool,
}

/// Calls of a former run, and what hangs on them.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    calls: BTreeMap<OrphanKey, OrphanCall>,
    attempts: BTreeMap<AttemptId, OrphanAttempt>,
    ends: BTreeMap<OrphanEnd, usize>,
    since: Option<Instant>,
}

#[derive(Debug)]
struct OrphanCall {
    attempt: AttemptId,
    call_id: String,
    /// Where a channel is taken.
    trunk: Option<usize>,
    source: IpAddr,
    /// Whose phone it is.
    agent: Option<AgentKey>,
}

#[derive(Debug, Default)]
struct OrphanAttempt {
    /// Calls of it that have not ended.
    calls: usize,
    /// How the last of them ended.
    end: Option<OrphanEnd>,
    /// What is to be written at its end; none where a record was there already.
    closing: Option<(Contact, Box<CallRecord>)>,
}

impl Orphans {
    /// Lines of the engine that are taken.
    pub fn lines(&self) -> usize {
        self.attempts.len()
    }

    /// Of them, lines of a campaign.
    pub fn lines_of(&self, running: &Running) -> usize {
        let name = &running.campaign.options().name;
        let of_it = |attempt: &&OrphanAttempt| {
            attempt.closing.as_ref().is_some_and(|(_, record)| record.campaign == *name)
        };
        self.attempts.values().filter(of_it).count()
    }

    /// Calls that have not ended.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }
}

impl Engine {
    /// A former run ended without closing its books: to be told once, before anything is dialed. `now` is not before that
    /// run's end. Its calls are ended, and its attempts closed as interrupted.
    pub fn handle_former_run(&mut self, now: Now, former: FormerRun) {
        if former.dialed_lately || !former.dialogs.is_empty() {
            // Nobody knows when its last INVITEs left, and the caps hold in windows that a crash lies in too.
            let of_trunks = self.trunks.iter_mut().flat_map(|trunk| [&mut trunk.rate, &mut trunk.leaving]);
            of_trunks.chain([&mut self.rate, &mut self.leaving]).for_each(|rate| rate.use_up(now.instant));
        }
        self.orphans.since = Some(now.instant);
        for (contact, invites) in former.attempts {
            let (Some(first), Some(last)) = (invites.first(), invites.last()) else { continue };
            let record = Box::new(ending::interrupted(first, last, now.wall));
            if let Some(turn) = self.campaign_at(&last.campaign) {
                self.campaigns[turn].campaign.handle_adopted(&contact, &mut self.ledger);
            } else {
                self.ledger.remember(&contact.number, Duration::ZERO, now.instant);
            }
            let attempt = OrphanAttempt { calls: 0, end: None, closing: Some((contact, record)) };
            self.orphans.attempts.insert(last.attempt, attempt);
        }
        for dialog in former.dialogs {
            self.adopt(now, dialog);
        }
        self.note_orphans(now);
        let without_calls = |(id, attempt): (&AttemptId, &OrphanAttempt)| (attempt.calls == 0).then_some(*id);
        for id in self.orphans.attempts.iter().filter_map(without_calls).collect::<Vec<_>>() {
            self.close_orphan(now, id);
        }
        self.settle(now);
    }

    fn campaign_at(&self, name: &str) -> Option<usize> {
        self.campaigns.iter().position(|running| running.campaign.options().name == name)
    }

    fn adopt(&mut self, now: Now, kept: DialogRecord) {
        let place = self.trunks.iter().position(|trunk| trunk.options.name == kept.trunk);
        let mut agent = None;
        let begun = Remains::parse(&kept.dialog).and_then(|remains| {
            agent = self.agent_called(&kept.trunk, &remains);
            let is_answered = remains.is_answered;
            let at = (remains.transport()?, remains.address);
            // A trunk that is configured no more is reached as best we can.
            let target = place.map_or(Target::new(at.0, at.1), |place| self.trunks[place].target_at(at));
            let credentials = place.and_then(|place| self.trunks[place].credentials.clone());
            self.endpoint.allow_source(target.address.ip());
            let adopted = self.endpoint.adopt(now.instant, target, remains, credentials);
            adopted.map(|key| (key, place_of(target), is_answered)).map_err(|refused| {
                self.endpoint.disallow_source(target.address.ip());
                refused.to_string()
            })
        });
        match begun {
            Ok((key, (_, address), is_answered)) => {
                if let Some(place) = place {
                    self.trunks[place].seize_adopted();
                }
                self.orphans.attempts.entry(kept.attempt).or_default().calls += 1;
                let (attempt, call_id, trunk) = (kept.attempt, kept.call_id, place);
                let call = OrphanCall { attempt, call_id, trunk, source: address.ip(), agent };
                self.orphans.calls.insert(key, call);
                if let Some(agent) = agent {
                    self.staff.roster.handle_adopted(now.instant, agent, is_answered);
                }
            }
            Err(why) => {
                let note = format!("a call of the former run, {}, cannot be ended: {why}", kept.call_id);
                self.journal(now, Event::Trunk { name: kept.trunk, note });
                self.keeping.forget(now.instant, kept.call_id);
            }
        }
    }

    /// Whose phone a call was made to, if it was an agent's.
    fn agent_called(&self, trunk: &str, remains: &Remains) -> Option<AgentKey> {
        let mut agents = self.staff.roster.iter();
        let is_called = |agent: &agent::Options| agent.trunk == trunk && remains.is_to(&agent.uri);
        agents.find(|(_, agent)| is_called(&agent.options)).map(|(key, _)| key)
    }

    /// One of them has ended, or may be taken for ended.
    pub(super) fn handle_orphan_end(&mut self, now: Now, key: OrphanKey, end: OrphanEnd) {
        let Some(call) = self.orphans.calls.remove(&key) else { return };
        self.endpoint.leave_source(now.instant, call.source);
        if let Some(place) = call.trunk {
            self.trunks[place].release();
        }
        let phone = call.agent.filter(|agent| !self.orphans.calls.values().any(|c| c.agent == Some(*agent)));
        if let Some(agent) = phone {
            self.staff.roster.handle_released(now.instant, agent);
        }
        self.keeping.forget(now.instant, call.call_id);
        *self.orphans.ends.entry(end).or_default() += 1;
        if let Some(attempt) = self.orphans.attempts.get_mut(&call.attempt) {
            attempt.calls -= 1;
            // The record tells of the callee.
            attempt.end = if call.agent.is_none() { Some(end) } else { attempt.end };
            if attempt.calls == 0 {
                self.close_orphan(now, call.attempt);
            }
        }
        if self.orphans.calls.is_empty() {
            self.note_orphans_ended(now);
        }
    }

    fn close_orphan(&mut self, now: Now, id: AttemptId) {
        let Some(attempt) = self.orphans.attempts.remove(&id) else { return };
        let Some((contact, mut record)) = attempt.closing else { return };
        record.ended_at = now.wall;
        if let Some(end) = attempt.end {
            record.reason = format!("{}; {}", record.reason, words_of(end));
        }
        match self.campaign_at(&record.campaign) {
            Some(turn) => self.finish(now, turn, &contact, record),
            None => {
                // Its campaign is configured no more: the contact rests where it is.
                let contact =
                    ContactUpdate { id: contact.id, state: ContactState::Done, next_attempt_at: now.wall };
                self.outputs.push_back(Output::Store(Request::FinishAttempt { record, contact }));
            }
        }
    }

    fn note_orphans(&mut self, now: Now) {
        for place in 0..self.trunks.len() {
            let calls = self.orphans.calls.values().filter(|call| call.trunk == Some(place)).count();
            if calls > 0 {
                let note =
                    format!("has {calls} calls of the former run: they are ended, and count until then");
                self.note_trunk(now, place, note);
            }
        }
    }

    fn note_orphans_ended(&mut self, now: Now) {
        let ends = std::mem::take(&mut self.orphans.ends);
        let after = self.orphans.since.map_or(Duration::ZERO, |since| now.instant - since);
        let ends: Vec<String> =
            ends.iter().map(|(end, calls)| format!("{calls}: {}", words_of(*end))).collect();
        let note = format!(
            "calls of the former run have ended after {:.3} s ({})",
            after.as_secs_f64(),
            ends.join("; ")
        );
        self.journal(now, Event::Former { note });
    }
}

/// For records and the journal.
fn words_of(end: OrphanEnd) -> &'static str {
    match end {
        OrphanEnd::Cancelled => "its call was cancelled afterwards",
        OrphanEnd::HungUp => "its call was hung up afterwards",
        OrphanEnd::Unknown => "the trunk knew no such call afterwards",
        OrphanEnd::Unanswered => "its call could not be ended afterwards: the trunk gave no answer",
    }
}
