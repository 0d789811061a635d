//! What the other side asks of the carrier, and what it answers to the carrier's own requests.

use super::Carrier;
use super::call::{Awaited, Call, Called, GIVE_UP, Party, Phase, Repeat, T1};
use super::habits::Fault;
use super::writing::answer_key;
use crate::sim::agents::Routed;
use crate::sim::callee::Callee;
use crate::sim::description::{self, Direction};
use crate::sim::guard::Admission;
use crate::sim::ledger::{EndedBy, Entry, Role};
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::uri::Uri;
use crate::slab::Key;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a hold lasts.
const HOLD: Duration = Duration::from_secs(1);

impl Carrier {
    pub(super) fn handle_request(&mut self, now: Instant, source: SocketAddr, request: Request) {
        if let Some(bytes) = answer_key(&request).and_then(|key| self.answers.get(&key).cloned()) {
            return self.send(source, bytes);
        }
        match request.method() {
            Method::Invite => self.handle_invite(now, source, request),
            Method::Ack => self.handle_ack(now, &request),
            Method::Cancel => self.handle_cancel(now, source, &request),
            Method::Bye => self.handle_bye(now, source, &request),
            Method::Register => self.handle_register(now, source, &request),
            Method::Options => {
                self.ledger.pings += 1;
                let status = self.options.options_status;
                self.answer_plainly(now, source, &request, (status, "Pong"));
            }
            Method::Info => self.answer_plainly(now, source, &request, (200, "OK")),
            Method::Update => self.handle_update(now, source, &request),
            _ => self.answer_plainly(now, source, &request, (405, "Method Not Allowed")),
        }
    }

    fn answer_plainly(&mut self, now: Instant, source: SocketAddr, request: &Request, status: (u16, &str)) {
        let tag = self.rng.token(8);
        let response = self.respond(request, source, status, &tag);
        self.answer_once(now, source, request, &response);
    }

    fn find(&self, request: &Request) -> Option<Key> {
        self.by_call_id.get(request.headers().call_id().ok()?).copied()
    }

    fn handle_invite(&mut self, now: Instant, source: SocketAddr, request: Request) {
        let headers = request.headers();
        let branch =
            headers.via_top().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
        let known = self.find(&request);
        if let Some(call) = known.and_then(|key| self.calls.get(key))
            && call.branch == branch
        {
            if !call.response.is_empty() {
                let response = call.response.clone();
                self.send(source, response);
            }
            return;
        }
        if headers.to().is_ok_and(|to| to.tag().is_some()) {
            return self.handle_reinvite(now, source, known, request, branch);
        }
        if self.admits(now, source, &request, "Proxy-Authorization", 407) {
            self.handle_call(now, source, request, branch);
        }
    }

    /// Lets a request in, or answers it with a challenge or 403. The answer is not kept: a copy of the request is
    /// challenged anew.
    fn admits(
        &mut self,
        now: Instant,
        source: SocketAddr,
        request: &Request,
        header: &str,
        status: u16,
    ) -> bool {
        let Some(guard) = self.guard.as_mut() else { return true };
        let admission = guard.admit(now, request.method().as_str(), request.headers().get(header));
        let challenges = match admission {
            Admission::Granted => return true,
            Admission::Challenge => guard.challenges(now, false),
            Admission::Stale => guard.challenges(now, true),
            Admission::Refused => Vec::new(),
        };
        let (status, phrase) = match (admission, status) {
            (Admission::Refused, _) => (403, "Forbidden"),
            (_, 407) => (407, "Proxy Authentication Required"),
            (_, _) => (401, "Unauthorized"),
        };
        let counter = if status == 403 { &mut self.ledger.refused } else { &mut self.ledger.challenged };
        *counter += 1;
        let tag = self.rng.token(8);
        let mut response = self.respond(request, source, (status, phrase), &tag);
        let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        challenges.iter().for_each(|challenge| response.headers_mut().push(name, challenge));
        self.send(source, response.to_bytes());
        false
    }

    fn handle_call(&mut self, now: Instant, source: SocketAddr, request: Request, branch: String) {
        let number =
            Uri::parse(request.uri()).ok().and_then(|uri| uri.user().map(str::to_owned)).unwrap_or_default();
        let call_id = request.headers().call_id().unwrap_or_default().to_owned();
        let agent = self.agents.knows(&number);
        let subscriber = self.options.subscribers.get(&number).cloned();
        let role = match &subscriber {
            _ if agent => Role::Agent(None),
            Some(subscriber) => Role::Callee(subscriber.callee.word()),
            None => Role::Nobody,
        };
        let drawn = self.options.habits.draw(&mut self.rng);
        let fault = if agent { None } else { subscriber.as_ref().and_then(|s| s.fault).or(drawn) };
        let mut entry = Entry::new(&number, role, &call_id, now);
        entry.fault = fault.map_or("", Fault::word);
        let page = self.ledger.open(entry);
        let called = match subscriber {
            _ if agent => Called::Agent(None),
            Some(subscriber) => Called::Callee(subscriber.callee, subscriber.ring),
            None => Called::Callee(Callee::Invalid, Duration::ZERO),
        };
        let call = Call {
            page: page.unwrap_or_default(),
            source,
            branch,
            cseq: request.headers().cseq().map_or(0, |cseq| cseq.number),
            response: Vec::new(),
            tag: self.rng.token(10),
            fork_tag: None,
            target: request.headers().contacts().first().map(|c| c.uri.to_string()).unwrap_or_default(),
            local_cseq: self.rng.below(1000) as u32,
            called,
            party: Party::Nobody,
            fault,
            phase: Phase::Trying { until: now + self.options.post_dial_delay },
            repeats: Vec::new(),
            asked: None,
            last_ack: None,
            reinvite_at: None,
            line: None,
            session: self.rng.below(1 << 40),
            version: 0,
            scheduled: None,
            invite: request.clone(),
        };
        let inserted = page.and_then(|_| self.calls.insert(call).ok());
        let Some(key) = inserted else {
            if let Some(page) = page {
                self.ledger.entry_mut(page).end(now, EndedBy::Carrier);
            }
            let response = self.respond(&request, source, (503, "Full"), "full");
            return self.send(source, response.to_bytes());
        };
        self.by_call_id.insert(call_id, key);
        self.begin(now, key, &number);
        self.reschedule(key);
    }

    fn begin(&mut self, now: Instant, key: Key, number: &str) {
        match self.call(key).fault {
            Some(Fault::Silence) => {
                self.call(key).phase = Phase::Mute { until: now + GIVE_UP };
                return self.page(key).end(now, EndedBy::Carrier);
            }
            Some(Fault::Unavailable { retry_after }) => {
                let seconds = retry_after.as_secs().to_string();
                return self.reject(now, key, (503, "Service Unavailable"), &[("Retry-After", seconds)]);
            }
            Some(Fault::Redirect) => {
                let contact = format!("<sip:{number}@{}>", self.options.address);
                return self.reject(now, key, (302, "Moved Temporarily"), &[("Contact", contact)]);
            }
            _ => {}
        }
        self.respond_invite(key, (100, "Trying"), &[], None);
        let offer = description::read(self.call(key).invite.body());
        let law = offer.as_ref().and_then(|offer| self.law(offer));
        if law.is_none() {
            return self.reject(now, key, (488, "Not Acceptable Here"), &[]);
        }
        self.page(key).law = law.map(|(law, _)| law);
        if matches!(self.call(key).called, Called::Agent(_)) {
            self.route_to_agent(now, key, number);
        }
    }

    fn route_to_agent(&mut self, now: Instant, key: Key, number: &str) {
        match self.agents.handle_call(number, key.to_u64()) {
            Routed::Agent(agent) => self.take_agent(key, agent),
            Routed::Waits => {
                self.respond_invite(key, (182, "Queued"), &[], None);
                self.call(key).phase = Phase::Waiting;
            }
            Routed::Busy => self.reject(now, key, (486, "Busy Here"), &[]),
            Routed::Full => self.reject(now, key, (480, "Temporarily Unavailable"), &[]),
            Routed::Unknown => self.reject(now, key, (404, "Not Found"), &[]),
        }
    }

    fn handle_ack(&mut self, now: Instant, request: &Request) {
        let Some(key) = self.find(request) else { return };
        let headers = request.headers();
        let cseq = headers.cseq().map_or(0, |cseq| cseq.number);
        let to = headers.to().ok();
        let tag = to.as_ref().and_then(|to| to.tag()).unwrap_or_default();
        let call = self.call(key);
        let forked = call.fork_tag.as_deref() == Some(tag);
        if !forked && call.tag != tag {
            return;
        }
        let initial = call.invite.headers().cseq().map_or(0, |cseq| cseq.number) == cseq;
        let answered = |repeat: &Repeat| match repeat.awaited {
            Awaited::ForkedAnswer => forked,
            Awaited::Answer | Awaited::SecondAnswer | Awaited::Rejection => !forked && repeat.cseq == cseq,
            Awaited::Needless => false,
        };
        call.repeats.retain(|repeat| !answered(repeat));
        if call.phase == Phase::Rejected {
            call.phase = Phase::Gone { until: now + GIVE_UP };
        } else if forked {
            self.page(key).fork.get_or_insert_default().acknowledged_at.get_or_insert(now);
        } else if initial && !matches!(call.phase, Phase::Mute { .. }) {
            self.handle_answer_ack(now, key);
        }
        self.reschedule(key);
    }

    fn handle_answer_ack(&mut self, now: Instant, key: Key) {
        let entry = self.page(key);
        if entry.answered_at.is_none() {
            return;
        }
        entry.acknowledgements += 1;
        if entry.acknowledged_at.is_some() {
            return;
        }
        entry.acknowledged_at = Some(now);
        let call = self.call(key);
        match call.fault {
            Some(Fault::RepeatedAnswer) => {
                let second = Duration::from_secs(1);
                call.repeats.push(Repeat {
                    awaited: Awaited::Needless,
                    cseq: call.cseq,
                    bytes: call.response.clone(),
                    next: now + second,
                    interval: second,
                    give_up: now + second * 4,
                });
            }
            Some(Fault::Hold) => call.reinvite_at = Some((now + HOLD * 2, Direction::SendOnly)),
            _ => {}
        }
    }

    fn handle_cancel(&mut self, now: Instant, source: SocketAddr, request: &Request) {
        let branch = request.headers().via_top().ok().and_then(|via| via.branch().map(str::to_owned));
        let found = self.find(request).filter(|key| Some(&self.call(*key).branch) == branch.as_ref());
        let Some(key) = found else {
            return self.answer_plainly(now, source, request, (481, "Call/Transaction Does Not Exist"));
        };
        if matches!(self.call(key).phase, Phase::Mute { .. }) {
            return;
        }
        self.page(key).canceled_at.get_or_insert(now);
        let pending = self.call(key).is_pending();
        let crosses = self.call(key).fault == Some(Fault::AnswerCrossesCancel);
        if pending && crosses {
            self.answer(now, key);
        }
        let tag = self.call(key).tag.clone();
        let response = self.respond(request, source, (200, "OK"), &tag);
        self.answer_once(now, source, request, &response);
        if pending && !crosses {
            self.page(key).end(now, EndedBy::Caller);
            self.reject(now, key, (487, "Request Terminated"), &[]);
        }
        self.reschedule(key);
    }

    fn handle_bye(&mut self, now: Instant, source: SocketAddr, request: &Request) {
        let to = request.headers().to().ok();
        let tag = to.as_ref().and_then(|to| to.tag()).unwrap_or_default().to_owned();
        let Some(key) = self.find(request) else {
            return self.answer_plainly(now, source, request, (481, "Call/Transaction Does Not Exist"));
        };
        if self.call(key).fork_tag.as_ref() == Some(&tag) {
            self.page(key).fork.get_or_insert_default().ended_at.get_or_insert(now);
            return self.answer_plainly(now, source, request, (200, "OK"));
        }
        if self.call(key).tag != tag {
            return self.answer_plainly(now, source, request, (481, "Call/Transaction Does Not Exist"));
        }
        let fault = self.call(key).fault;
        let entry = self.page(key);
        entry.byes_received += 1;
        entry.bye_at.get_or_insert(now);
        if let Some(Fault::LostByeAnswer { copies }) = fault
            && entry.byes_received <= copies
        {
            return;
        }
        if fault == Some(Fault::ByeCrossesBye) && self.call(key).phase == Phase::Up {
            self.ask(now, key, None);
        }
        self.answer_plainly(now, source, request, (200, "OK"));
        self.leave(now, key, EndedBy::Caller);
        self.reschedule(key);
    }

    fn handle_register(&mut self, now: Instant, source: SocketAddr, request: &Request) {
        if !self.admits(now, source, request, "Authorization", 401) {
            return;
        }
        self.ledger.registrations += 1;
        let headers = request.headers();
        let asked = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
        let contacts = headers.contacts();
        let own = contacts.first().and_then(|contact| asked(contact.parameters.get("expires")));
        let most = self.options.register_expires.as_secs();
        let expires = own.or(asked(headers.get("Expires"))).unwrap_or(most).min(most);
        let tag = self.rng.token(8);
        let mut response = self.respond(request, source, (200, "OK"), &tag);
        if let (Some(contact), true) = (contacts.first(), expires > 0) {
            response.headers_mut().push("Contact", &format!("<{}>;expires={expires}", contact.uri));
        }
        self.answer_once(now, source, request, &response);
    }

    fn handle_update(&mut self, now: Instant, source: SocketAddr, request: &Request) {
        let tag = self.rng.token(8);
        let mut response = self.respond(request, source, (200, "OK"), &tag);
        if let (Some(key), Some(sdp)) = (self.find(request), description::read(request.body())) {
            let answer = self.describe(key, &sdp, sdp.direction.reversed());
            response.set_body("application/sdp", answer);
            self.renegotiate(key, sdp);
            self.reschedule(key);
        }
        self.answer_once(now, source, request, &response);
    }

    fn handle_reinvite(
        &mut self,
        now: Instant,
        source: SocketAddr,
        known: Option<Key>,
        request: Request,
        branch: String,
    ) {
        let up = known.filter(|key| self.call(*key).phase == Phase::Up);
        let offer = description::read(request.body()).filter(|offer| self.law(offer).is_some());
        let (Some(key), Some(offer)) = (up, offer) else {
            let status = if up.is_some() {
                (488, "Not Acceptable Here")
            } else {
                (481, "Call/Transaction Does Not Exist")
            };
            let response = self.respond(&request, source, status, "none");
            return self.send(source, response.to_bytes());
        };
        let sdp = self.describe(key, &offer, offer.direction.reversed());
        let tag = self.call(key).tag.clone();
        let mut response = self.respond(&request, source, (200, "OK"), &tag);
        response.set_body("application/sdp", sdp);
        let bytes = response.to_bytes();
        let cseq = request.headers().cseq().map_or(0, |cseq| cseq.number);
        let call = self.call(key);
        (call.branch, call.cseq, call.response) = (branch, cseq, bytes.clone());
        call.repeats.push(Repeat {
            awaited: Awaited::SecondAnswer,
            cseq,
            bytes: bytes.clone(),
            next: now + T1,
            interval: T1,
            give_up: now + GIVE_UP,
        });
        self.send(source, bytes);
        self.renegotiate(key, offer);
        self.reschedule(key);
    }

    pub(super) fn handle_response(&mut self, now: Instant, response: &Response) {
        let headers = response.headers();
        let branch =
            headers.via_top().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
        let key = headers.call_id().ok().and_then(|call_id| self.by_call_id.get(call_id).copied());
        let Some(key) = key else { return };
        let cseq = headers.cseq().map_or(0, |cseq| cseq.number);
        let (status, call) = (response.status(), self.call(key));
        let source = call.source;
        if let (Some((acked, ack)), true) = (&call.last_ack, status >= 200)
            && *acked == cseq
        {
            let ack = ack.clone();
            return self.send(source, ack);
        }
        let Some(asked) = call.asked.clone().filter(|asked| asked.branch == branch) else { return };
        match (asked.direction, status) {
            // A provisional response ends the copies of an INVITE (17.1.1.2); the wait stays bounded.
            (Some(_), ..200) => call.asked = Some(super::call::Asked { next: asked.give_up, ..asked }),
            (None, ..200) => {}
            (None, _) => call.asked = None,
            (Some(direction), _) => {
                call.asked = None;
                if direction == Direction::SendOnly {
                    call.reinvite_at = Some((now + HOLD, Direction::SendRecv));
                }
                self.acknowledge(key, &asked, status);
                self.page(key).reinvites.push(status);
                if let (200..300, Some(answer)) = (status, description::read(response.body())) {
                    self.renegotiate(key, answer);
                }
            }
        }
        self.reschedule(key);
    }
}
