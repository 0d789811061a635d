//! The books of calls: what the SIP messages at the engine's edge say about channels, rates, windows and persons.

use super::{CampaignRules, Rule, Rules, Violation};
use crate::disposition::Disposition;
use crate::record::{AttemptId, CallRecord, ContactId, InviteRecord};
use crate::sim::ledger::digits;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::sip::uri::Uri;
use crate::time::{Instant, Now, WallTime};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// 64 * T1: for so long the copies of a 2xx are acknowledged (RFC 3261, 13.3.1.4).
const ACKNOWLEDGED_FOR: Duration = Duration::from_secs(32);

/// Statuses after which another trunk may be tried.
const FAILURES_OF_THE_TRUNK: [u16; 8] = [401, 403, 407, 408, 500, 502, 503, 504];

/// One INVITE's call.
#[derive(Clone, Debug)]
struct Call {
    trunk: usize,
    invited_at: Instant,
    /// Any response came.
    heard: bool,
    /// The phone rang, as far as the engine can know.
    rang: bool,
    status: u16,
    /// The tag of the first 2xx.
    tag: Option<String>,
    over: bool,
}

/// One attempt.
#[derive(Clone, Debug)]
struct Attempt {
    contact: ContactId,
    number: String,
    campaign: String,
    call_ids: Vec<String>,
    over: bool,
}

/// What is known of a 2xx: Call-ID, sequence number, To tag.
type Answer = (String, u32, String);

/// All calls.
#[derive(Debug)]
pub(super) struct Calls {
    rules: Rules,
    committed: BTreeMap<String, InviteRecord>,
    suppressed: BTreeSet<String>,
    calls: BTreeMap<String, Call>,
    active: BTreeSet<String>,
    attempts: BTreeMap<AttemptId, Attempt>,
    /// By number: when the last attempt ended.
    ended: BTreeMap<String, WallTime>,
    /// By contact: when and how its last attempt ended.
    outcomes: BTreeMap<ContactId, (WallTime, Disposition)>,
    begins: Vec<VecDeque<Instant>>,
    begins_of_all: VecDeque<Instant>,
    answers: BTreeMap<Answer, Instant>,
    unacknowledged: Vec<Answer>,
    repeated_answers: u64,
}

impl Calls {
    pub(super) fn new(rules: Rules) -> Calls {
        Calls {
            begins: vec![VecDeque::new(); rules.trunks.len()],
            rules,
            committed: BTreeMap::new(),
            suppressed: BTreeSet::new(),
            calls: BTreeMap::new(),
            active: BTreeSet::new(),
            attempts: BTreeMap::new(),
            ended: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            begins_of_all: VecDeque::new(),
            answers: BTreeMap::new(),
            unacknowledged: Vec::new(),
            repeated_answers: 0,
        }
    }

    pub(super) fn handle_committed(&mut self, invite: &InviteRecord) {
        self.committed.insert(invite.call_id.clone(), invite.clone());
    }

    pub(super) fn handle_suppressed(&mut self, number: &str) {
        self.suppressed.insert(digits(number));
    }

    pub(super) fn handle_finished(&mut self, now: Now, record: &CallRecord) {
        let Some(attempt) = self.attempts.get_mut(&record.attempt) else { return };
        attempt.over = true;
        for call_id in &attempt.call_ids {
            self.active.remove(call_id);
            self.calls.entry(call_id.clone()).and_modify(|call| call.over = true);
        }
        self.ended.insert(attempt.number.clone(), now.wall);
        self.outcomes.insert(attempt.contact, (now.wall, record.disposition));
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
        match request.method() {
            Method::Invite if !self.calls.contains_key(call_id) => {
                let found_now = self.begin(now, trunk, call_id, request);
                let with_call = |(rule, what)| Violation { rule, call_id: Some(call_id.to_owned()), what };
                found.extend(found_now.into_iter().map(with_call));
            }
            Method::Ack => {
                let answer = answer_of(request.headers());
                self.unacknowledged.retain(|waiting| *waiting != answer);
            }
            Method::Bye => self.end_dialog(call_id, &tag_of_to(request)),
            _ => {}
        }
    }

    pub(super) fn handle_received(&mut self, now: Now, _trunk: usize, message: &Message) {
        match message {
            Message::Request(request) if *request.method() == Method::Bye => {
                let tag = request.headers().from().ok().and_then(|from| from.tag().map(str::to_owned));
                if let Ok(call_id) = request.headers().call_id() {
                    self.end_dialog(call_id, &tag.unwrap_or_default());
                }
            }
            Message::Request(_) => {}
            Message::Response(response) => self.handle_response(now, response),
        }
    }

    fn handle_response(&mut self, now: Now, response: &Response) {
        let headers = response.headers();
        let of_invite = headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        let Some(call) = headers.call_id().ok().and_then(|id| self.calls.get_mut(id)) else { return };
        if !of_invite {
            return;
        }
        let status = response.status();
        call.heard = true;
        call.rang |= (101..200).contains(&status);
        if status >= 200 && status != 401 && status != 407 && call.tag.is_none() {
            call.status = status;
        }
        if status >= 300 && status != 401 && status != 407 && call.tag.is_none() {
            call.over = true;
            self.active.remove(headers.call_id().unwrap_or_default());
        } else if (200..300).contains(&status) {
            let answer = answer_of(headers);
            call.tag.get_or_insert_with(|| answer.2.clone());
            if let Some(first) = self.answers.get(&answer) {
                self.repeated_answers += 1;
                if now.instant - *first >= ACKNOWLEDGED_FOR {
                    return;
                }
            } else {
                self.answers.insert(answer.clone(), now.instant);
            }
            self.unacknowledged.push(answer);
        }
    }

    pub(super) fn handle_step_end(&mut self, _now: Now, found: &mut Vec<Violation>) {
        for (call_id, cseq, tag) in self.unacknowledged.drain(..) {
            let what = format!("no ACK for the 2xx to INVITE {cseq} with the tag {tag}");
            let rule = Rule::EveryAnswerIsAcknowledged;
            found.push(Violation { rule, call_id: Some(call_id), what });
        }
    }

    fn end_dialog(&mut self, call_id: &str, tag: &str) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        if call.tag.as_deref() == Some(tag) {
            call.over = true;
            self.active.remove(call_id);
        }
    }

    /// An INVITE of a new call leaves.
    fn begin(&mut self, now: Now, trunk: usize, call_id: &str, request: &Request) -> Vec<(Rule, String)> {
        let mut found = Vec::new();
        let user =
            Uri::parse(request.uri()).ok().and_then(|uri| uri.user().map(str::to_owned)).unwrap_or_default();
        let committed = self.committed.get(call_id).cloned();
        if committed.is_none() && !self.rules.agents.contains(&user) {
            found.push((Rule::CommitComesFirst, format!("the INVITE to {user} is not committed")));
        }
        if let Some(invite) = &committed {
            self.begin_callee(now, trunk, invite, &mut found);
        }
        let call = Call {
            trunk,
            invited_at: now.instant,
            heard: false,
            rang: false,
            status: 0,
            tag: None,
            over: false,
        };
        self.calls.insert(call_id.to_owned(), call);
        self.active.insert(call_id.to_owned());
        let used =
            self.active.iter().filter(|id| self.calls[*id].trunk == trunk && self.holds(now, id)).count();
        if used > self.rules.trunks[trunk].channels_max {
            found.push((Rule::ChannelsAreKept, format!("{used} calls on trunk {trunk}")));
        }
        found
    }

    /// Whether a call takes a channel: not when nothing was heard for so long that it was given up.
    fn holds(&self, now: Now, call_id: &str) -> bool {
        let call = &self.calls[call_id];
        let given_up =
            !call.heard && now.instant - call.invited_at >= self.rules.trunks[call.trunk].answer_timeout;
        !call.over && !given_up
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
        let offset = self.rules.offsets.iter().find(|(prefix, _)| number.starts_with(prefix.as_str()));
        let Some((_, offset)) = offset else {
            return found.push((Rule::WindowIsKept, format!("nobody knows what time it is at {number}")));
        };
        let minute = (now.wall.unix_ms().div_euclid(60_000) + offset).rem_euclid(24 * 60);
        if !(rules.window.0..rules.window.1).contains(&minute) {
            let what = format!("it is {:02}:{:02} at {number}", minute / 60, minute % 60);
            found.push((Rule::WindowIsKept, what));
        }
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
        let of_campaign = |attempt: &&Attempt| attempt.campaign == invite.campaign && !attempt.over;
        let lines = self.attempts.values().filter(of_campaign).count() + 1;
        if lines > rules.lines_max {
            found.push((Rule::LinesAreKept, format!("{lines} attempts of {}", invite.campaign)));
        }
        if self.attempts.values().any(|attempt| attempt.number == number && !attempt.over) {
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

    fn check_other_trunks(&mut self, _now: Now, invite: &InviteRecord, found: &mut Vec<(Rule, String)>) {
        let Some(attempt) = self.attempts.get(&invite.attempt) else { return };
        for call_id in &attempt.call_ids {
            let Some(call) = self.calls.get_mut(call_id) else { continue };
            let failed = call.status == 0 || FAILURES_OF_THE_TRUNK.contains(&call.status);
            if call.rang || !failed {
                let what = format!("{} again through another trunk after {}", attempt.number, call.status);
                found.push((Rule::NobodyIsRungTwice, what));
            }
            call.over = true;
            self.active.remove(call_id);
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
        self.repeated_answers
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

fn answer_of(headers: &crate::sip::message::Headers) -> Answer {
    let call_id = headers.call_id().unwrap_or_default().to_owned();
    let tag = headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
    (call_id, headers.cseq().map_or(0, |cseq| cseq.number), tag)
}

fn tag_of_to(request: &Request) -> String {
    request.headers().to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default()
}
