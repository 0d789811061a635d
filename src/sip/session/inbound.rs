//! Requests of the peer within a session's dialog: RFC 3261 section 12.2.2.

use super::super::content;
use super::super::event::SessionEvent;
use super::super::message::{Request, Response};
use super::super::method::Method;
use super::super::refusal;
use super::super::stack::Stack;
use super::{EARLY_DIALOGS_MAX, Session, State, reason_of};
use crate::slab::Key;
use crate::time::Instant;

impl Session {
    /// A request whose Call-ID and To tag are this session's, with everything it must have.
    pub(crate) fn handle_request(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        request: Request,
    ) {
        let refusal = self.check(&request);
        if let Some(response) = refusal {
            return stack.respond(now, transaction, &response);
        }
        match request.method() {
            Method::Bye => self.handle_bye(now, stack, transaction, &request),
            Method::Invite | Method::Update => self.handle_offer(now, stack, transaction, request),
            Method::Info => self.handle_info(now, stack, transaction, &request),
            Method::Options => {
                let mut response = refusal::capabilities(&request, &self.allow(), &self.supported());
                response.headers_mut().push("Accept-Encoding", "identity");
                response.headers_mut().push("Accept-Language", "en");
                stack.respond(now, transaction, &response);
            }
            // We send no reliable provisional responses, so there is nothing that a PRACK could mean.
            Method::Prack => stack.respond(now, transaction, &refusal::no_such_call(&request)),
            Method::Ack | Method::Cancel => {}
            Method::Refer => self.handle_refer(now, stack, transaction, request),
            Method::Notify => self.handle_notify(now, stack, transaction, &request),
            Method::Subscribe => self.handle_subscribe(now, stack, transaction, &request),
            // Refused above.
            Method::Register | Method::Message | Method::Publish | Method::Other(_) => {}
        }
    }

    /// Why the request must not be acted upon, if so.
    fn check(&mut self, request: &Request) -> Option<Response> {
        let number = request.headers().cseq().ok()?.number;
        let Some(dialog) = self.dialog_of(request) else {
            self.note_early_bye(request);
            return Some(refusal::no_such_call(request));
        };
        if !dialog.accept_number(number) {
            return Some(Response::to_request(request, 500, "CSeq Out Of Order"));
        }
        // The method is looked at before what else is asked for (section 8.2).
        match request.method() {
            Method::Subscribe if self.extensions.transfer => self.beyond(request),
            Method::Register | Method::Subscribe | Method::Message | Method::Publish | Method::Other(_) => {
                Some(refusal::of_method(request))
            }
            _ => self.beyond(request),
        }
    }

    /// The answer to a request that requires an extension which we do not know (section 8.2.2.3). That provisional responses
    /// be reliable asks nothing of us, who send none but 100 (RFC 3262 section 3).
    fn beyond(&self, request: &Request) -> Option<Response> {
        let known = self.supported();
        let knows = |tag: &str| known.split(", ").any(|known| tag.eq_ignore_ascii_case(known));
        let beyond: Vec<_> = request.headers().all("Require").filter(|tag| !knows(tag)).collect();
        if beyond.is_empty() {
            return None;
        }
        let mut response = Response::to_request(request, 420, "Bad Extension");
        response.headers_mut().push("Unsupported", &beyond.join(", "));
        Some(response)
    }

    /// Keys are all that we read in an INFO. What else it may carry is refused, so that its sender knows (section 8.2.3, RFC
    /// 6086 section 4.2.2).
    fn handle_info(&mut self, now: Instant, stack: &mut Stack, transaction: Key, request: &Request) {
        if let Some(response) = content::refuse_info(request) {
            return stack.respond(now, transaction, &response);
        }
        stack.respond(now, transaction, &Response::to_request(request, 200, "OK"));
        let content_type = request.headers().get("Content-Type").unwrap_or_default().to_owned();
        self.emit(stack, SessionEvent::Info { content_type, body: request.body().to_vec() });
    }

    pub(super) fn dialog_of(&mut self, request: &Request) -> Option<&mut super::Dialog> {
        let from = request.headers().from().ok()?;
        let tag = from.tag().unwrap_or_default();
        self.dialogs.iter_mut().find(|dialog| dialog.remote_tag() == tag)
    }

    fn handle_bye(&mut self, now: Instant, stack: &mut Stack, transaction: Key, request: &Request) {
        stack.respond(now, transaction, &Response::to_request(request, 200, "OK"));
        match self.state {
            State::Confirmed => {
                let (q850, reason) = reason_of(request.headers());
                self.emit(stack, SessionEvent::HungUp { q850, reason, vanished: false });
                self.end(now, stack);
            }
            // A fork that leaves before it answered; the INVITE itself still waits for its final response.
            State::Prepared
            | State::Calling { .. }
            | State::Leaving { .. }
            | State::Proceeding { .. }
            | State::Cancelling { .. }
            | State::Ended => {
                self.note_early_bye(request);
                let from = request.headers().from().ok();
                let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
                self.dialogs.retain(|dialog| dialog.remote_tag() != tag);
            }
        }
    }

    /// A BYE may overtake the 2xx of its dialog, or the fork be gone before it answers: in both cases this tag will
    /// make no call.
    fn note_early_bye(&mut self, request: &Request) {
        let is_early = !matches!(self.state, State::Confirmed | State::Ended);
        if *request.method() == Method::Bye && is_early && self.left.len() < EARLY_DIALOGS_MAX {
            let from = request.headers().from().ok();
            self.left.extend(from.as_ref().and_then(|from| from.tag()).map(str::to_owned));
        }
    }
}
