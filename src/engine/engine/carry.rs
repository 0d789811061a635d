//! Carrying out what an attempt asks for.

use super::*;
use crate::call::keys;
use crate::call::transfer::Allowed;
use crate::disposition::{ABANDONED_AFTER, Disposition};
use crate::engine::headers::{self, Variables};
use crate::engine::placement::dialed_form;
use crate::engine::trunk::health::place_of;
use crate::record::{CallRecord, LabelRecord};
use crate::sip::endpoint::{Dial, Extensions, HangUpReason, Remains, SessionEvent};
use crate::sip::header::words_of;
use crate::sip::uri::Uri;

/// An INVITE that has all but its offer, and what is kept of it before it leaves.
#[derive(Debug)]
pub(super) struct Draft {
    dial: Dial,
    hop: Place,
    pub(super) remains: Option<Remains>,
}

impl Engine {
    /// Lets an attempt act, carries out what it asks for, and keeps its timer true.
    pub(super) fn with_attempt(
        &mut self,
        now: Now,
        key: Key,
        act: impl FnOnce(&mut Attempt, &mut Vec<Action>),
    ) {
        let mut actions = Vec::new();
        let Some(line) = self.lines.get_mut(key) else { return };
        act(&mut line.attempt, &mut actions);
        let mut pending = VecDeque::from(actions);
        while let Some(action) = pending.pop_front() {
            pending.extend(self.carry_out(now, key, action));
        }
        self.keep_timer(key);
    }

    fn keep_timer(&mut self, key: Key) {
        let Some(line) = self.lines.get_mut(key) else { return };
        let due = line.attempt.poll_timeout();
        if line.timer == due {
            return;
        }
        if let Some(old) = line.timer.take() {
            self.timers.remove(&(old, key));
        }
        if let Some(due) = due {
            self.timers.insert((due, key));
        }
        line.timer = due;
    }

    /// Carries out one action; what the attempt asks for in consequence is returned.
    fn carry_out(&mut self, now: Now, key: Key, action: Action) -> Vec<Action> {
        let mut more = Vec::new();
        match action {
            Action::Media(command) => self.outputs.push_back(Output::Media(command)),
            Action::Commit(mut invite) => {
                let draft = self.draft(now, key, Side::Callee, invite.call_id.clone());
                let remains = draft.as_ref().and_then(|draft| draft.remains.as_ref());
                invite.dialog = remains.map(Remains::to_text).unwrap_or_default();
                let unsent = self
                    .lines
                    .get_mut(key)
                    .and_then(|line| std::mem::replace(&mut line.draft, draft.map(Box::new)));
                self.keeping.forget_unsent(now.instant, unsent.and_then(|draft| draft.remains).as_ref());
                self.outputs.push_back(Output::Store(Request::CommitInvite(invite)));
            }
            Action::Invite { side: Side::Callee, sdp, .. } => {
                let draft = self.lines.get_mut(key).and_then(|line| line.draft.take());
                self.invite(now, key, Side::Callee, draft.map(|draft| *draft), sdp, &mut more);
            }
            Action::Invite { side: side @ (Side::Agent | Side::Target), call_id, sdp } => {
                self.hold_invite(now, key, side, call_id, sdp, &mut more);
            }
            Action::PlaceAgent => {
                let seat = self.seat(now, key);
                if let Some(line) = self.lines.get_mut(key) {
                    line.attempt.handle_seat(now, seat, &mut more);
                }
            }
            Action::HangUp { side, q850 } => {
                if self.drop_held(now, key, side) {
                    return more;
                }
                if let Some(session) = self.session(key, side) {
                    self.watch_agent_left(session, side, q850);
                    let text = words_of(q850).to_owned();
                    let reason = Some(HangUpReason { q850, text });
                    self.endpoint.hang_up(now.instant, session, reason);
                }
            }
            Action::AnswerOffer { side, answer } => {
                if let Some(session) = self.session(key, side) {
                    self.endpoint.answer_offer(now.instant, session, answer);
                }
            }
            Action::Reoffer { side, sdp } => {
                if let Some(session) = self.session(key, side) {
                    self.endpoint.reinvite(now.instant, session, sdp);
                }
            }
            Action::PlaceTransfer { to, replaces } => {
                let transfer = self.transfer(now, key, &to, replaces);
                if let Some(line) = self.lines.get_mut(key) {
                    line.attempt.handle_transfer(now, transfer, &mut more);
                }
            }
            Action::AnswerRefer { side, answer } => {
                if let Some(session) = self.session(key, side) {
                    self.endpoint.answer_refer(now.instant, session, answer);
                }
            }
            Action::ReportRefer { side, status } => {
                if let Some(session) = self.session(key, side) {
                    self.endpoint.report_refer(now.instant, session, status);
                }
            }
            Action::Refer { side, to } => {
                if let Some(session) = self.session(key, side) {
                    self.endpoint.refer(now.instant, session, &to);
                }
            }
            Action::SendInfo { side, digit } => {
                if let Some(session) = self.session(key, side) {
                    let body = keys::info_body(digit);
                    self.endpoint.info(now.instant, session, keys::INFO_TYPE, body);
                }
            }
            Action::PromoteTarget => self.promote_target(now, key),
            Action::NextTrunk => {
                let placement = self.next_trunk(now, key);
                if let Some(line) = self.lines.get_mut(key) {
                    line.attempt.handle_placement(now, placement, &mut more);
                }
            }
            Action::OptOut => self.opt_out(now, key),
            Action::Label { label, by } => {
                if let Some(line) = self.lines.get(key) {
                    let call = line.attempt.id().to_string();
                    let record = LabelRecord { call, label, by, at: now.wall };
                    // Nobody waits for the answer.
                    self.outputs.push_back(Output::Store(Request::Label { ticket: 0, record }));
                }
            }
            Action::Journal(step) => {
                self.watch_pacing(now, key, &step);
                self.watch_transfer(now, key, &step);
                if let Some(line) = self.lines.get(key) {
                    if matches!(step, crate::call::step::Step::Dialing { .. }) {
                        self.campaigns[line.campaign].not_dialed = None;
                    }
                    self.measures.handle_step(&step, line.attempt.verdict());
                    let event = Event::Attempt {
                        id: line.attempt.id(),
                        campaign: line.attempt.campaign().to_owned(),
                        number: line.attempt.number().clone(),
                        step,
                    };
                    self.journal(now, event);
                }
            }
            Action::NotDialed { reason } => self.close_not_dialed(now, key, reason),
            Action::Finished(record) => self.close_finished(now, key, record),
        }
        more
    }

    /// All of an INVITE but its offer. `None` when its trunk has no address that works.
    pub(super) fn draft(&mut self, now: Now, key: Key, side: Side, call_id: String) -> Option<Draft> {
        let names = self.endpoint.draw_names();
        let line = self.lines.get_mut(key)?;
        let trunk = &self.trunks[line.reserved[side as usize]?];
        let caller_id = line.attempt.caller_id();
        let domain = trunk.options.domain();
        let mut own = Vec::new();
        let (request_uri, shown) = match side {
            Side::Callee => {
                let number = line.redirects.last().unwrap_or(line.attempt.number());
                let user = dialed_form(number, &trunk.options);
                let scheme = trunk.options.scheme();
                (format!("{scheme}:{user}@{}", trunk.options.host), caller_id.to_owned())
            }
            Side::Agent => {
                let uri = line.attempt.agent_uri().unwrap_or_default().to_owned();
                (uri, line.attempt.number().to_string())
            }
            Side::Target => {
                let (uri, replaces) = line.attempt.transfer_uri().unwrap_or_default();
                if let Some(replaces) = replaces {
                    own.push(("Replaces".to_owned(), replaces.to_owned()));
                    own.push(("Require".to_owned(), "replaces".to_owned()));
                }
                (uri.to_owned(), line.attempt.number().to_string())
            }
        };
        let tried: &[_] = if side == Side::Callee { &line.tried_hops } else { &[] };
        let hop = trunk.target(now.instant, tried)?;
        // Where the Service-Route leads has failed by the second try, which goes by another hop of the trunk.
        let target = if tried.is_empty() { trunk.service_route.from(hop) } else { hop };
        let scheme = trunk.options.scheme();
        let identity = trunk.options.identity.of(scheme, &shown, domain, trunk.options.username.as_deref());
        let attempt = line.attempt.id().to_string();
        let variables = Variables {
            campaign: line.attempt.campaign(),
            trunk: &trunk.options.name,
            attempt: &attempt,
            call_id: &call_id,
            caller_id,
            contact: &line.contact,
        };
        let rules = self.campaigns[line.campaign].campaign.options();
        let registration = trunk.registration.as_ref();
        let mut headers = registration.map_or(Vec::new(), |(key, _)| self.endpoint.service_route(*key));
        headers.extend(own);
        headers.extend(identity.headers);
        headers.extend(headers::expand(&trunk.options.headers, &rules.headers, &variables));
        if let (Some(signer), Side::Callee) = (&trunk.signer, side) {
            let number = line.redirects.last().unwrap_or(line.attempt.number());
            let value = signer.identity(caller_id, number, now.wall, &mut self.rng);
            headers.extend(value.map(|value| ("Identity".to_owned(), value)));
        }
        let agent_may_refer =
            line.attempt.transfer_rules().is_some_and(|rules| rules.allowed > Allowed::Never);
        let may_refer = if side == Side::Callee { trunk.options.refer } else { agent_may_refer };
        let dial = Dial {
            target,
            to: Uri::parse(&request_uri)
                .map_or(format!("<{request_uri}>"), |uri| format!("<{}>", uri.bare())),
            request_uri,
            from: identity.from,
            call_id,
            credentials: trunk.credentials.clone(),
            headers,
            sdp: Vec::new(),
            response_timeout: trunk.options.response_timeout(),
            extensions: Extensions { transfer: may_refer, ..trunk.options.extensions() },
            names: Some(names.clone()),
        };
        // What cannot be written as SIP is refused when it is to leave.
        let remains = self.endpoint.remains_of(&dial, &names).ok();
        Some(Draft { dial, hop: place_of(hop), remains })
    }

    /// The INVITE leaves: the store knows all that it has to know of it.
    pub(super) fn invite(
        &mut self,
        now: Now,
        key: Key,
        side: Side,
        draft: Option<Draft>,
        sdp: Vec<u8>,
        more: &mut Vec<Action>,
    ) {
        let Some(line) = self.lines.get_mut(key) else {
            let remains = draft.and_then(|draft| draft.remains);
            return self.keeping.forget_unsent(now.instant, remains.as_ref());
        };
        let place = line.reserved[side as usize].take().expect("an INVITE follows its placement");
        let tried: &[_] = if side == Side::Callee { &line.tried_hops } else { &[] };
        let alive = self.trunks[place].target(now.instant, tried);
        let Draft { dial, hop, remains } = match draft {
            Some(draft) if alive.is_some() => draft,
            unsent => {
                // The last hop has died since the INVITE was decided on.
                self.trunks[place].release_unused();
                line.attempt.handle_session(now, side, SessionEvent::NoResponse, more);
                return self
                    .keeping
                    .forget_unsent(now.instant, unsent.and_then(|draft| draft.remains).as_ref());
            }
        };
        let (target, dial) = (dial.target, Dial { sdp, ..dial });
        match side {
            Side::Callee => line.tried_hops.push(hop),
            Side::Agent | Side::Target => self.trunks[place].leaving.record(now.instant),
        }
        match self.endpoint.invite(now.instant, dial) {
            Ok(session) => {
                line.sessions[side as usize] = Some(session);
                // Requests of this call are taken even when the trunk has moved on to other addresses.
                self.endpoint.allow_source(target.address.ip());
                let (since, responded, rang) = (now.instant, false, false);
                let agent = if side == Side::Agent { line.agent.take() } else { None };
                let attempt = line.attempt.id();
                let (line, trunk, missed) = (key, place, false);
                let channel =
                    Channel { line, side, trunk, target, hop, since, responded, rang, agent, missed };
                self.sessions.insert(session, channel);
                if let Some(remains) = remains {
                    self.keep_invited(session, attempt, place, remains);
                }
            }
            Err(refused) => {
                self.trunks[place].release_unused();
                let event = SessionEvent::Rejected {
                    status: 500,
                    phrase: refused.to_string(),
                    q850: None,
                    reason: String::new(),
                    retry_after: None,
                    contacts: Vec::new(),
                };
                line.attempt.handle_session(now, side, event, more);
                self.keeping.forget_unsent(now.instant, remains.as_ref());
            }
        }
    }

    /// Takes a line out of all tables.
    fn close(&mut self, now: Now, key: Key, came_to: Option<Disposition>) -> Option<Line> {
        let mut line = self.lines.remove(key)?;
        let unsent = line.draft.as_ref().and_then(|draft| draft.remains.as_ref());
        self.keeping.forget_unsent(now.instant, unsent);
        for place in line.reserved.into_iter().flatten() {
            self.trunks[place].release_unused();
        }
        if let Some(due) = line.timer {
            self.timers.remove(&(due, key));
        }
        for stream in line.streams {
            self.streams.remove(stream);
        }
        if let Some(agent) = line.agent {
            self.staff.roster.handle_released(now.instant, agent);
        }
        self.attempts.remove(&line.attempt.id());
        // Each was rung, and rests as any number does; the last is the one that the call has come to.
        let came_to = came_to.unwrap_or(Disposition::NoAnswer);
        let last = line.redirects.len().saturating_sub(1);
        for (place, number) in line.redirects.iter().enumerate() {
            self.ledger.finish(number, now, if place == last { came_to } else { Disposition::NoAnswer });
        }
        line.transferred.close(now, &mut self.ledger);
        self.campaigns[line.campaign].in_flight -= 1;
        Some(line)
    }

    fn close_not_dialed(&mut self, now: Now, key: Key, reason: String) {
        let Some(line) = self.close(now, key, None) else { return };
        let running = &mut self.campaigns[line.campaign];
        if let Some(pool) = running.pool {
            self.pools[pool].handle_not_dialed(line.attempt.caller_id());
        }
        let campaign = running.campaign.options().name.clone();
        let number = line.contact.number.clone();
        let is_told = if line.forbidden {
            running.campaign.handle_forbidden(now, line.contact, &mut self.ledger);
            false
        } else {
            running.campaign.handle_not_dialed(now, line.contact, &mut self.ledger);
            // The next try meets the same: it is told once.
            running.not_dialed.replace(reason.clone()).as_ref() == Some(&reason)
        };
        if !is_told {
            self.journal(now, Event::NotDialed { campaign, number, reason });
        }
    }

    fn close_finished(&mut self, now: Now, key: Key, record: Box<CallRecord>) {
        let Some(line) = self.close(now, key, Some(record.disposition)) else { return };
        self.score_trunk(now, &line, &record);
        self.judge_caller_id(now, line.campaign, &record);
        self.finish(now, line.campaign, &line.contact, record);
    }

    /// Books an attempt's end: with the campaign, which decides about the contact, and with the store.
    pub(super) fn finish(&mut self, now: Now, campaign: usize, contact: &Contact, record: Box<CallRecord>) {
        self.measures.handle_record(&record);
        let running = &mut self.campaigns[campaign];
        let disposition: Disposition = record.disposition;
        match disposition {
            Disposition::Abandoned => running.campaign.handle_abandoned(now, contact.id),
            // Who is off the list by their own key, but had waited for too long, had no agent either.
            Disposition::OptedOut if waited_too_long(&record) => {
                running.campaign.handle_abandoned(now, contact.id);
            }
            Disposition::Machine | Disposition::VoicemailLeft | Disposition::Screening => {
                running.campaign.handle_machine(now, contact.id);
            }
            _ => {}
        }
        *running.ended.entry(disposition.as_str().to_owned()).or_default() += 1;
        let contact = running.campaign.handle_outcome(now, contact, disposition, &mut self.ledger);
        self.outputs.push_back(Output::Store(Request::FinishAttempt { record, contact }));
    }
}

/// Whether an agent was being rung for this person, and none was there in time after the greeting.
fn waited_too_long(record: &CallRecord) -> bool {
    let greeted_at = record.greeting_end_at.or(record.verdict_at).or(record.answered_at);
    let waited_ms = greeted_at.map_or(0, |at| record.ended_at.unix_ms() - at.unix_ms());
    record.agent_dialed_at.is_some() && waited_ms > ABANDONED_AFTER.as_millis() as i64
}
