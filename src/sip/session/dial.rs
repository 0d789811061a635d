//! The INVITE of a session and what is answered to it: RFC 3261 sections 13.2 and 9.1.

use super::super::authentication::{Authentication, shown_in};
use super::super::dialog::Dialog;
use super::super::event::SessionEvent;
use super::super::header::{EarlyMedia, NameAddr, retry_after};
use super::super::late;
use super::super::malformed::Malformed;
use super::super::message::{KEEP_ALIVE, Message, Request, Response};
use super::super::method::Method;
use super::super::options::{Dial, HangUpReason, Names, Refused};
use super::super::stack::Stack;
use super::super::target::Target;
use super::super::transaction::layer::Full;
use super::super::transaction::owner::Owner;
use super::super::uri::Uri;
use super::exchange::Exchange;
use super::info::Infos;
use super::refer::Referrals;
use super::timer::SessionTimer;
use super::{EARLY_DIALOGS_MAX, Session, State, contact_uris, reason_of, sdp_of};
use crate::slab::Key;
use crate::time::Instant;

/// How often one call answers a challenge of its INVITE.
const CHALLENGES_MAX: u8 = 2;

/// Makes a session and its INVITE of what is to be dialed, or says which part of it is no SIP.
pub(crate) fn prepare(stack: &mut Stack, dial: Dial) -> Result<(Session, Request), Refused> {
    let unusable = |part| move |fault: Malformed| Refused::Unusable { part, fault: fault.to_string() };
    let callee = Uri::parse(&dial.request_uri).map_err(unusable("the Request-URI"))?;
    let from = NameAddr::parse(&dial.from).map_err(unusable("From"))?;
    let to = NameAddr::parse(&dial.to).map_err(unusable("To"))?;
    let names = dial.names.clone().unwrap_or_else(|| draw_names(stack));
    let local_tag = names.local_tag;
    let from = from.with_tag(&local_tag);
    let session = Session {
        key: Key::from_u64(0),
        trunk: dial.target,
        callee,
        call_id: dial.call_id.clone(),
        contact_user: from.uri.user().unwrap_or("outdial").to_owned(),
        authentication: Authentication::new(dial.credentials.clone()),
        response_timeout: dial.response_timeout,
        state: State::Prepared,
        dialogs: Vec::new(),
        left: Vec::new(),
        exchange: Exchange::Idle,
        description: dial.sdp.clone(),
        timer: SessionTimer::new(dial.extensions.session_interval),
        extensions: dial.extensions,
        referrals: Referrals::default(),
        infos: Infos::default(),
        held_ack: None,
        next_offer: None,
        armed: None,
        local_tag,
        parties: (from.to_string(), to.to_string()),
        first: (names.branch, names.number),
        tries: 0,
        challenges: 0,
    };
    let invite = invite(stack, &session, dial);
    // What cannot be read here could neither be acknowledged nor cancelled later.
    let mut probe = invite.clone();
    probe.headers_mut().push_front("Via", "SIP/2.0/UDP localhost;branch=z9hG4bK");
    match Message::parse(&probe.to_bytes()).and_then(|read| read.headers().call_id().map(|_| ())) {
        Ok(()) => Ok((session, invite)),
        Err(fault) => Err(unusable("the INVITE")(fault)),
    }
}

/// What an INVITE is to be known by.
pub(crate) fn draw_names(stack: &mut Stack) -> Names {
    let local_tag = stack.rng.token(12);
    let number = stack.rng.between(1, 10_000) as u32;
    Names { local_tag, branch: stack.branch(), number }
}

/// From, as the INVITE has it.
pub(crate) fn from_with_tag(from: &str, tag: &str) -> Result<String, Malformed> {
    Ok(NameAddr::parse(from)?.with_tag(tag).to_string())
}

fn invite(stack: &mut Stack, session: &Session, dial: Dial) -> Request {
    let mut invite = Request::new(Method::Invite, session.callee.without_headers());
    let contact = session.contact(stack);
    let headers = invite.headers_mut();
    headers.push("Max-Forwards", "70");
    headers.push("From", &session.parties.0);
    headers.push("To", &session.parties.1);
    headers.push("Call-ID", &dial.call_id);
    headers.push("CSeq", &format!("{} INVITE", session.first.1));
    headers.push("Contact", &contact);
    headers.push("Allow", &session.allow());
    dial.extensions.announce(headers);
    session.timer.ask(headers);
    stack.add_user_agent(&mut invite);
    dial.headers.iter().for_each(|(name, value)| invite.headers_mut().push(name, value));
    if !dial.sdp.is_empty() {
        invite.set_body("application/sdp", dial.sdp);
    }
    invite
}

/// The status that a response to the INVITE has for us. A provisional one without a To tag makes no dialog (section 12.1): it
/// says no more than a 100, and its description is nobody's.
fn heard(response: &Response) -> u16 {
    let is_tagged = response.headers().to().is_ok_and(|to| to.tag().is_some_and(|tag| !tag.is_empty()));
    if response.is_provisional() && !is_tagged { 100 } else { response.status() }
}

impl Session {
    /// Sends the INVITE under the key that the session was given.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        key: Key,
        invite: Request,
    ) -> Result<(), Full> {
        self.key = key;
        let invite = stack.send_as(now, self.trunk, invite, self.branch(), Owner::Dial(key))?;
        self.state = State::Calling { invite, give_up: now + self.response_timeout };
        Ok(())
    }

    /// A response to the INVITE.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        response: Response,
        sent: &[u8],
    ) {
        match (self.state.clone(), heard(&response)) {
            (State::Calling { invite, .. }, 100..=199) => {
                self.state = State::Proceeding { invite };
                self.progress(now, stack, &response);
            }
            // A 100 that was overtaken says nothing new.
            (State::Proceeding { .. }, 100) => {}
            (State::Proceeding { .. }, 101..=199) => self.progress(now, stack, &response),
            (State::Leaving { invite, reason, .. }, 100..=199) => self.cancel(now, stack, invite, reason),
            (State::Calling { invite, .. } | State::Proceeding { invite }, 200..=299) => {
                self.answer(now, stack, invite, &response, sent)
            }
            (State::Leaving { invite, .. } | State::Cancelling { invite }, 200..=299) => {
                // It crossed our CANCEL: the callee did answer, and must not hear silence.
                let mut late = self.late().of_sent(sent);
                late.acknowledge(now, stack, &response, Some(self.key));
                late::keep(stack, invite, late);
                let sdp = sdp_of(response.headers(), response.body());
                self.emit(stack, SessionEvent::Answered { sdp });
                self.end(now, stack);
            }
            (State::Calling { .. } | State::Proceeding { .. }, 401 | 407) => {
                if !self.try_again(now, stack, &response, sent) {
                    self.refuse(now, stack, &response);
                }
            }
            (State::Calling { .. } | State::Proceeding { .. }, 422) => {
                if !self.try_longer(now, stack, &response, sent) {
                    self.refuse(now, stack, &response);
                }
            }
            // The CANCEL and this response passed each other; the peer may want its PRACK before it ends the call.
            (State::Cancelling { .. }, 100..=199) => {
                self.take_provisional(now, stack, &response);
            }
            (
                State::Calling { .. }
                | State::Proceeding { .. }
                | State::Leaving { .. }
                | State::Cancelling { .. },
                _,
            ) => {
                self.refuse(now, stack, &response);
            }
            (State::Confirmed | State::Prepared | State::Ended, _) => {}
        }
    }

    /// The INVITE begins anew by another way: what was waited for on the first one does not count.
    pub(crate) fn handle_fallback(&mut self, now: Instant, transaction: Key) {
        if let State::Calling { invite, give_up } = &mut self.state
            && *invite == transaction
        {
            *give_up = now + self.response_timeout;
        }
    }

    /// Timer B, the transport's failure, or 64*T1 after the CANCEL.
    pub(crate) fn handle_silence(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            State::Calling { .. }
            | State::Leaving { .. }
            | State::Proceeding { .. }
            | State::Cancelling { .. } => {
                self.emit(stack, SessionEvent::NoResponse);
                self.end(now, stack);
            }
            State::Prepared | State::Confirmed | State::Ended => {}
        }
    }

    /// The connection of the INVITE is gone, after a provisional response. The peer may open another to us (RFC 3261 section
    /// 18.2.2) and so the call goes on, unless none can be made to the peer either: a CANCEL leads to nothing then, and where no
    /// phone has rung yet the call may go elsewhere (section 8.1.3.1 takes it for a 503).
    pub(crate) fn handle_loss(&mut self, now: Instant, stack: &mut Stack, target: Target, is_refused: bool) {
        let has_rung = !self.dialogs.is_empty() || !self.left.is_empty();
        match self.state {
            State::Cancelling { invite } if is_refused => {
                let late = self.late();
                late::keep(stack, invite, late);
                self.handle_silence(now, stack);
            }
            State::Proceeding { invite } if is_refused && !has_rung => {
                let late = self.late();
                late::abandon(now, stack, invite, late);
                self.handle_silence(now, stack);
            }
            // Only a new connection tells whether the peer is there.
            State::Proceeding { .. } if !has_rung => stack.layer.transmit(target, KEEP_ALIVE.to_vec()),
            State::Proceeding { .. } | State::Cancelling { .. } => {}
            State::Prepared | State::Calling { .. } | State::Leaving { .. } => {}
            State::Confirmed | State::Ended => {}
        }
    }

    pub(super) fn cancel(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: Key,
        reason: Option<HangUpReason>,
    ) {
        let headers: Vec<_> = reason.iter().map(HangUpReason::header).collect();
        stack.layer.cancel(now, invite, &headers);
        self.refuse_pending_offer(now, stack);
        self.state = State::Cancelling { invite };
    }

    fn progress(&mut self, now: Instant, stack: &mut Stack, response: &Response) {
        let status = heard(response);
        if status == 100 {
            return self.emit(stack, SessionEvent::Trying);
        }
        let is_settled = self.early_dialog(response).is_some_and(|dialog| dialog.reliability.has_answer);
        if !self.take_provisional(now, stack, response) {
            return;
        }
        // The first reliable description is the answer, and what follows in responses to this INVITE is none (section 13.2.1).
        let sdp = sdp_of(response.headers(), response.body()).filter(|_| !is_settled);
        if let Some(dialog) = self.early_dialog(response)
            && sdp.is_some()
        {
            dialog.description.clone_from(&sdp);
        }
        // What the network does not authorise is not the callee's sound (RFC 5009): it is neither heard nor judged. A later
        // response may authorise it, without saying the description again.
        let sdp = match EarlyMedia::of(response.headers()) {
            None => sdp,
            Some(EarlyMedia::Withheld) => None,
            Some(EarlyMedia::Authorised) => {
                let kept = self.early_dialog(response).and_then(|dialog| dialog.description.clone());
                sdp.or(kept)
            }
        };
        self.emit(stack, SessionEvent::Provisional { status, sdp });
    }

    /// The early dialog of a provisional response, made by it if need be (section 12.1). There is none without a To
    /// tag, and none beyond the bound.
    pub(super) fn early_dialog(&mut self, response: &Response) -> Option<&mut Dialog> {
        let dialog = Dialog::of_response(response, &self.callee).ok()?;
        let known = self.dialogs.iter().position(|known| known.remote_tag() == dialog.remote_tag());
        match known {
            Some(at) => {
                self.dialogs[at].refresh_target(response.headers().contacts());
                self.dialogs[at].note_allow(response.headers());
                Some(&mut self.dialogs[at])
            }
            None if dialog.remote_tag().is_empty() || self.dialogs.len() >= EARLY_DIALOGS_MAX => None,
            // It has sent its BYE.
            None if self.left.iter().any(|tag| tag == dialog.remote_tag()) => None,
            None => {
                self.dialogs.push(dialog);
                self.dialogs.last_mut()
            }
        }
    }

    /// The first 2xx: its dialog is the call, all others go, though they may yet answer.
    fn answer(&mut self, now: Instant, stack: &mut Stack, invite: Key, response: &Response, sent: &[u8]) {
        let Ok(mut dialog) = Dialog::of_answer(response, &mut self.dialogs, &self.callee) else {
            // It cannot even be acknowledged: to us it is no answer, and the peer ends it after 64*T1.
            return self.refuse(now, stack, &Response::new(500, "Unusable 2xx"));
        };
        late::keep(stack, invite, self.late().of_sent(sent));
        let shown = shown_in(sent);
        match stack.options.ack_held_max {
            Some(longest) => {
                let held = stack.hold_ack(now, &dialog, self.trunk, response, &shown);
                self.held_ack = held.map(|id| (id, now + longest));
            }
            None => stack.acknowledge(now, &dialog, self.trunk, response, &shown),
        }
        // A reliable response has answered our offer: nothing that follows may (RFC 3262 section 5).
        if !dialog.reliability.has_answer {
            dialog.description = sdp_of(response.headers(), response.body()).or(dialog.description);
        }
        self.timer.settle(now, response.headers());
        let sdp = dialog.description.clone();
        let has_left = self.left.iter().any(|tag| tag == dialog.remote_tag());
        self.dialogs.push(dialog);
        self.authentication.begin();
        self.state = State::Confirmed;
        self.emit(stack, SessionEvent::Answered { sdp });
        if has_left {
            // Its BYE has overtaken its 2xx and is answered already: there is nothing left to end.
            let told = SessionEvent::HungUp { q850: None, reason: String::new(), vanished: false };
            self.emit(stack, told);
            self.end(now, stack);
        }
    }

    /// Answers a challenge with a new INVITE. The PRACKs and the 422s between two challenges begin the tries of
    /// [`Authentication`] anew, so those of the call are counted here.
    fn try_again(&mut self, now: Instant, stack: &mut Stack, response: &Response, sent: &[u8]) -> bool {
        if self.challenges >= CHALLENGES_MAX {
            return false;
        }
        self.challenges += 1;
        let Some(invite) = self.authentication.retry(&mut stack.rng, sent, response) else { return false };
        self.dial_again(now, stack, invite)
    }

    /// Answers a 422 with a new INVITE that asks for a longer session interval (RFC 4028 section 7.3).
    fn try_longer(&mut self, now: Instant, stack: &mut Stack, response: &Response, sent: &[u8]) -> bool {
        let Ok(Message::Request(mut invite)) = Message::parse(sent) else { return false };
        let (Ok(cseq), true) = (invite.headers().cseq(), self.timer.raise(response)) else { return false };
        invite.headers_mut().remove("Via");
        invite.headers_mut().set("CSeq", &format!("{} INVITE", cseq.number.wrapping_add(1)));
        self.timer.ask(invite.headers_mut());
        self.authentication.begin();
        self.authentication.apply(&mut stack.rng, &mut invite);
        self.dial_again(now, stack, invite)
    }

    fn dial_again(&mut self, now: Instant, stack: &mut Stack, invite: Request) -> bool {
        self.dialogs.clear();
        self.left.clear();
        let owner = Owner::Dial(self.key);
        self.tries += 1;
        let Ok(invite) = stack.send_as(now, self.trunk, invite, self.branch(), owner) else { return false };
        self.state = State::Calling { invite, give_up: now + self.response_timeout };
        true
    }

    fn refuse(&mut self, now: Instant, stack: &mut Stack, response: &Response) {
        let (q850, reason) = reason_of(response.headers());
        let rejected = SessionEvent::Rejected {
            status: response.status(),
            phrase: response.phrase().to_owned(),
            q850,
            reason,
            retry_after: response.headers().get("Retry-After").and_then(retry_after),
            contacts: contact_uris(response.headers()),
        };
        self.emit(stack, rejected);
        self.end(now, stack);
    }
}
