//! The books of attempts: what the INVITEs at the engine's edge say about rates, windows, lines and persons.

use super::law::Law;
use super::phones::Phones;
use super::wire::{Invite, Wire};
use super::{CampaignRules, Rule, Rules, Violation};
use crate::agent::Word;
use crate::disposition::Disposition;
use crate::record::{AttemptId, CallRecord, ContactId, DialogRecord, InviteRecord};
use crate::sim::ledger::digits;
use crate::sip::message::{Message, Request};
use crate::sip::method::Method;
use crate::sip::uri::Uri;
use crate::time::{Instant, Now, WallTime};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Statuses after which another trunk may be tried.
const FAILURES_OF_THE_TRUNK: [u16; 8] = [401, 403, 407, 408, 500, 502, 503, 504];

/// One attempt.
#[derive(Clone, Debug)]
struct Attempt {
    contact: ContactId,
    number: String,
    campaign: String,
    call_ids: Vec<String>,
    over: bool,
}

/// All attempts.
#[derive(Debug)]
pub(super) struct Calls {
    rules: Rules,
    wire: Wire,
    phones: Phones,
    committed: BTreeMap<String, InviteRecord>,
    suppressed: BTreeSet<String>,
    attempts: BTreeMap<AttemptId, Attempt>,
    /// By number: when the last attempt ended.
    ended: BTreeMap<String, WallTime>,
    /// By contact: when and how its last attempt ended.
    outcomes: BTreeMap<ContactId, (WallTime, Disposition)>,
    law: Law,
    begins: Vec<VecDeque<Instant>>,
    begins_of_all: VecDeque<Instant>,
}

impl Calls {
    pub(super) fn new(rules: Rules) -> Calls {
        Calls {
            begins: vec![VecDeque::new(); rules.trunks.len()],
            wire: Wire::new(rules.trunks.clone()),
            phones: Phones::new(&rules.phones),
            rules,
            committed: BTreeMap::new(),
            suppressed: BTreeSet::new(),
            attempts: BTreeMap::new(),
            ended: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            law: Law::default(),
            begins_of_all: VecDeque::new(),
        }
    }

    pub(super) fn handle_committed(&mut self, invite: &InviteRecord) {
        self.committed.insert(invite.call_id.clone(), invite.clone());
    }

    pub(super) fn handle_suppressed(&mut self, number: &str) {
        self.suppressed.insert(digits(number));
    }

    pub(super) fn handle_finished(&mut self, record: &CallRecord, found: &mut Vec<Violation>) {
        let Some(attempt) = self.attempts.get_mut(&record.attempt) else { return };
        attempt.over = true;
        self.ended.insert(attempt.number.clone(), record.ended_at);
        self.law.handle_finished(&attempt.number, record.ended_at, record.disposition);
        self.outcomes.insert(attempt.contact, (record.ended_at, record.disposition));
        let answered = attempt.call_ids.iter().any(|call_id| self.wire.was_answered(call_id));
        let fault = if attempt.call_ids.last() != Some(&record.call_id) {
            Some("another Call-ID than its last INVITE".to_owned())
        } else if record.disposition != Disposition::Interrupted && record.answered_at.is_some() != answered {
            Some(format!("answered at {:?}, on the wire: {answered}", record.answered_at))
        } else {
            None
        };
        if let Some(fault) = fault {
            let what = format!("the record of attempt {} says {fault}", record.attempt);
            let rule = Rule::RecordsAreTrue;
            found.push(Violation { rule, call_id: Some(record.call_id.clone()), what });
        }
    }

    /// The engine is gone, and with it whatever the store does not have.
    pub(super) fn handle_crash(
        &mut self,
        now: Instant,
        suppressed: impl Iterator<Item = String>,
        dialogs: &BTreeMap<String, DialogRecord>,
    ) -> u64 {
        self.phones.handle_crash();
        self.suppressed = suppressed.collect();
        self.wire.handle_crash(now, dialogs)
    }

    pub(super) fn handle_sent(
        &mut self,
        now: Now,
        trunk: usize,
        message: &Message,
        found: &mut Vec<Violation>,
    ) {
        let Message::Request(request) = message else { return };
        let Ok(call_id) = request.headers().call_id() else { return };
        if *request.method() == Method::Bye {
            self.phones.handle_bye(now.instant, call_id);
        }
        if *request.method() != Method::Invite {
            return self.wire.handle_sent(now.instant, call_id, request, found);
        }
        let number = request.headers().cseq().map_or(0, |cseq| cseq.number);
        let mut found_now = Vec::new();
        let invite = self.wire.handle_invite(now.instant, trunk, call_id, number);
        if invite == Invite::New {
            self.begin(now, trunk, call_id, request, &mut found_now);
        }
        let used = self.wire.channels(now.instant, trunk);
        if invite != Invite::Known && used > self.rules.trunks[trunk].channels_max {
            found_now.push((Rule::ChannelsAreKept, format!("{used} calls on trunk {trunk}")));
        }
        let with_call = |(rule, what)| Violation { rule, call_id: Some(call_id.to_owned()), what };
        found.extend(found_now.into_iter().map(with_call));
    }

    pub(super) fn handle_agent(&mut self, now: Instant, extension: &str, word: Word) {
        let somebody_is_called = self.wire.open(now).next().is_some();
        self.phones.handle_word(now, extension, word, somebody_is_called);
    }

    pub(super) fn handle_received(&mut self, now: Now, message: &Message) {
        if let Message::Request(request) = message
            && *request.method() == Method::Bye
            && let Ok(call_id) = request.headers().call_id()
        {
            self.phones.handle_bye(now.instant, call_id);
        }
        self.wire.handle_received(now.instant, message);
    }

    pub(super) fn handle_step_end(&mut self, now: Instant, found: &mut Vec<Violation>) {
        self.wire.handle_step_end(now, found);
    }

    /// After draining no call is left on the wire.
    pub(super) fn handle_end(&self, now: Now, found: &mut Vec<Violation>) {
        for call_id in self.wire.open(now.instant) {
            let what = "a call was never ended".to_owned();
            found.push(Violation { rule: Rule::NothingIsLeft, call_id: Some(call_id.clone()), what });
        }
    }

    /// The INVITE of a new call leaves.
    fn begin(
        &mut self,
        now: Now,
        trunk: usize,
        call_id: &str,
        request: &Request,
        found: &mut Vec<(Rule, String)>,
    ) {
        let user =
            Uri::parse(request.uri()).ok().and_then(|uri| uri.user().map(str::to_owned)).unwrap_or_default();
        match self.committed.get(call_id).cloned() {
            Some(invite) if digits(invite.number.as_str()) != digits(&user) => {
                found.push((
                    Rule::CommitComesFirst,
                    format!("{} is committed, {user} is rung", invite.number),
                ));
            }
            Some(invite) => self.begin_callee(now, trunk, &invite, found),
            None if self.rules.agents.contains(&user) => {}
            None if self.phones.handle_ring(now.instant, &user, call_id, &self.wire, found).is_some() => {}
            None => found.push((Rule::CommitComesFirst, format!("the INVITE to {user} is not committed"))),
        }
    }

    fn begin_callee(
        &mut self,
        now: Now,
        trunk: usize,
        invite: &InviteRecord,
        found: &mut Vec<(Rule, String)>,
    ) {
        let number = digits(invite.number.as_str());
        if self.suppressed.contains(&number) {
            found.push((Rule::DoNotCallIsKept, format!("{number} is on the do-not-call list")));
        }
        if let Some(rules) = self.rules.campaigns.get(&invite.campaign).cloned() {
            self.check_window(now, &number, &rules, found);
            self.check_attempts(now, invite, &number, &rules, found);
            if !self.attempts.contains_key(&invite.attempt) {
                let minute = self.minute_at(now, &number);
                self.law.handle_begun(now.wall, &number, minute, &rules.law, found);
            }
        }
        self.check_rate(now, trunk, found);
        self.check_other_trunks(now, invite, found);
        let attempt = self.attempts.entry(invite.attempt).or_insert_with(|| Attempt {
            contact: invite.contact,
            number,
            campaign: invite.campaign.clone(),
            call_ids: Vec::new(),
            over: false,
        });
        attempt.call_ids.push(invite.call_id.clone());
    }

    fn check_window(&self, now: Now, number: &str, rules: &CampaignRules, found: &mut Vec<(Rule, String)>) {
        let Some(minute) = self.minute_at(now, number) else {
            return found.push((Rule::WindowIsKept, format!("nobody knows what time it is at {number}")));
        };
        if !(rules.window.0..rules.window.1).contains(&minute) {
            let what = format!("it is {:02}:{:02} at {number}", minute / 60, minute % 60);
            found.push((Rule::WindowIsKept, what));
        }
    }

    /// The minute of the callee's day.
    fn minute_at(&self, now: Now, number: &str) -> Option<i64> {
        let offset = self.rules.offsets.iter().find(|(prefix, _)| number.starts_with(prefix.as_str()));
        offset.map(|(_, offset)| (now.wall.unix_ms().div_euclid(60_000) + offset).rem_euclid(24 * 60))
    }

    fn check_attempts(
        &self,
        now: Now,
        invite: &InviteRecord,
        number: &str,
        rules: &CampaignRules,
        found: &mut Vec<(Rule, String)>,
    ) {
        if self.attempts.contains_key(&invite.attempt) {
            return;
        }
        let made = self.attempts_on(invite.contact) + 1;
        if made > rules.max_attempts {
            found.push((Rule::AttemptsAreCapped, format!("attempt {made} on {number}")));
        }
        let lines = self.attempts.values().filter(|attempt| !attempt.over).count() + 1;
        if lines > self.rules.lines_max {
            found.push((Rule::LinesAreKept, format!("{lines} attempts at once")));
        }
        let of_campaign = |attempt: &&Attempt| attempt.campaign == invite.campaign && !attempt.over;
        let lines = self.attempts.values().filter(of_campaign).count() + 1;
        if lines > rules.lines_max {
            found.push((Rule::LinesAreKept, format!("{lines} attempts of {}", invite.campaign)));
        }
        let rings = |call_id: &String| self.wire.holds(now.instant, call_id);
        let busy = |attempt: &Attempt| !attempt.over || attempt.call_ids.iter().any(rings);
        if self.attempts.values().any(|attempt| attempt.number == number && busy(attempt)) {
            found.push((Rule::OneCallANumber, format!("{number} is in a call already")));
        }
        let mut waits = |ended: WallTime, rest: Duration, why: String| {
            if now.wall < ended + rest {
                let since = now.wall.unix_ms() - ended.unix_ms();
                found.push((Rule::GapsAreKept, format!("{number} again {since} ms after {why}")));
            }
        };
        if let Some(ended) = self.ended.get(number) {
            waits(*ended, rules.attempt_gap, "its last attempt".into());
        }
        if let Some((ended, disposition)) = self.outcomes.get(&invite.contact) {
            waits(
                *ended,
                rules.delays.get(disposition).copied().unwrap_or_default(),
                disposition.to_string(),
            );
        }
    }

    fn check_rate(&mut self, now: Now, trunk: usize, found: &mut Vec<(Rule, String)>) {
        let of_trunk = self.rules.trunks[trunk].calls_per_second_max;
        if exceeds(&mut self.begins[trunk], now.instant, of_trunk) {
            found.push((Rule::RateIsKept, format!("more than {of_trunk} INVITEs a second on trunk {trunk}")));
        }
        let of_all = self.rules.calls_per_second_max;
        if exceeds(&mut self.begins_of_all, now.instant, of_all) {
            found.push((Rule::RateIsKept, format!("more than {of_all} INVITEs a second on all trunks")));
        }
    }

    fn check_other_trunks(&self, now: Now, invite: &InviteRecord, found: &mut Vec<(Rule, String)>) {
        let Some(attempt) = self.attempts.get(&invite.attempt) else { return };
        for call_id in &attempt.call_ids {
            let Some(call) = self.wire.call(call_id) else { continue };
            let failed = call.status == 0 || FAILURES_OF_THE_TRUNK.contains(&call.status);
            if call.rang || !failed || self.wire.holds(now.instant, call_id) {
                let what = format!("{} again through another trunk after {}", attempt.number, call.status);
                found.push((Rule::NobodyIsRungTwice, what));
            }
        }
    }

    pub(super) fn attempts(&self) -> Vec<(AttemptId, String)> {
        let last = |attempt: &Attempt| attempt.call_ids.last().cloned().unwrap_or_default();
        self.attempts.iter().map(|(id, attempt)| (*id, last(attempt))).collect()
    }

    pub(super) fn attempts_on(&self, contact: ContactId) -> usize {
        self.attempts.values().filter(|attempt| attempt.contact == contact).count()
    }

    pub(super) fn failovers(&self) -> u64 {
        self.attempts.values().filter(|attempt| attempt.call_ids.len() > 1).count() as u64
    }

    pub(super) fn repeated_answers(&self) -> u64 {
        self.wire.repeated_answers()
    }
}

/// Counts one more; true when a window of a second, or of one call where it is less than one a second, holds too many.
fn exceeds(begins: &mut VecDeque<Instant>, now: Instant, per_second: f64) -> bool {
    let window = Duration::from_secs_f64(1.0 / per_second.clamp(0.001, 1.0));
    while begins.front().is_some_and(|first| *first + window <= now) {
        begins.pop_front();
    }
    begins.push_back(now);
    begins.len() as f64 > per_second.max(1.0)
}
