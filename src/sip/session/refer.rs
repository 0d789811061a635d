//! REFER within a call, both ways: RFC 3515, its implicit subscription (RFC 6665 section 8, RFC 4488), Replaces (RFC 3891).
//!
//! What a peer asks for is only told to the layer above, which decides; nothing is followed here. Whoever accepts a REFER
//! reports its progress by NOTIFYs, one at a time so that they arrive in order, until a final status or the end of the
//! call ends the subscription.

use std::collections::VecDeque;

use super::super::event::SessionEvent;
use super::super::header::NameAddr;
use super::super::message::{Request, Response};
use super::super::method::Method;
use super::super::refusal;
use super::super::stack::Stack;
use super::super::transaction::owner::Owner;
use super::super::uri::Uri;
use super::{Session, State};
use crate::slab::Key;
use crate::time::Instant;

/// Reports that wait for the answer to the one before; a newer provisional one replaces the last beyond it.
const REPORTS_MAX: usize = 4;
/// How long the peer's subscription lasts at the most, in seconds.
const SUBSCRIPTION_S: u32 = 180;

/// The referrals of a session: one of each direction at a time.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    theirs: Theirs,
    ours: Ours,
    /// How many the peer has sent: from the second on, NOTIFYs name theirs (RFC 3515 section 2.4.6).
    received: u32,
}

#[derive(Debug, Default)]
enum Theirs {
    #[default]
    None,
    /// The layer above has not answered yet.
    Asked { transaction: Key, request: Box<Request> },
    /// It was accepted; the peer hears of its progress.
    Subscribed {
        number: Option<u32>,
        id: Option<u32>,
        in_flight: Option<Key>,
        waiting: VecDeque<u16>,
        last: u16,
    },
}

#[derive(Debug, Default)]
enum Ours {
    #[default]
    None,
    /// Our REFER waits for its answer.
    Asked { transaction: Key },
    /// The peer reports by NOTIFY.
    Subscribed,
}

impl Session {
    /// A REFER of the peer.
    pub(super) fn handle_refer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        request: Request,
    ) {
        if !self.extensions.transfer {
            return stack.respond(now, transaction, &refusal::of_method(&request));
        }
        let refuse = |stack: &mut Stack, status, phrase| {
            stack.respond(now, transaction, &Response::to_request(&request, status, phrase));
        };
        if !matches!(self.referrals.theirs, Theirs::None) {
            return refuse(stack, 491, "Request Pending");
        }
        if !matches!(self.state, State::Confirmed) {
            return refuse(stack, 603, "Decline");
        }
        let headers = request.headers();
        let target = headers.get("Refer-To").filter(|_| headers.count("Refer-To") == 1);
        let Some(target) = target.and_then(|value| NameAddr::parse(value).ok()).map(|target| target.uri)
        else {
            return refuse(stack, 400, "One Refer-To Is Needed");
        };
        if target.parameter("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return refuse(stack, 603, "Decline");
        }
        let (to, replaces) = (target.without_headers().to_owned(), replaces_of(&target));
        self.referrals.received += 1;
        self.referrals.theirs = Theirs::Asked { transaction, request: Box::new(request) };
        self.emit(stack, SessionEvent::Referred { to, replaces });
    }

    /// The layer above has made up its mind about the peer's REFER.
    pub(crate) fn answer_refer(&mut self, now: Instant, stack: &mut Stack, answer: Result<(), u16>) {
        let Theirs::Asked { transaction, request } = std::mem::take(&mut self.referrals.theirs) else {
            return;
        };
        if let Err(status) = answer {
            let phrase = if status == 603 { "Decline" } else { "Refused" };
            let response = Response::to_request(&request, status.clamp(300, 699), phrase);
            return stack.respond(now, transaction, &response);
        }
        let mut response = Response::to_request(&request, 202, "Accepted");
        response.headers_mut().push("Contact", &self.contact(stack));
        let unsubscribed = request.headers().get("Refer-Sub").is_some_and(|value| {
            value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false")
        });
        if unsubscribed {
            response.headers_mut().push("Refer-Sub", "false");
        }
        stack.respond(now, transaction, &response);
        if unsubscribed {
            return;
        }
        let number = request.headers().cseq().ok().map(|cseq| cseq.number);
        let id = number.filter(|_| self.referrals.received > 1);
        self.referrals.theirs =
            Theirs::Subscribed { number, id, in_flight: None, waiting: VecDeque::new(), last: 100 };
        self.report_refer(now, stack, 100);
    }

    /// Tells the peer how its REFER goes on: the status of the call that it asked for. A final one is the last.
    pub(crate) fn report_refer(&mut self, now: Instant, stack: &mut Stack, status: u16) {
        let Theirs::Subscribed { waiting, last, .. } = &mut self.referrals.theirs else { return };
        if waiting.len() >= REPORTS_MAX {
            waiting.pop_back();
        }
        waiting.push_back(status);
        *last = status;
        self.send_report(now, stack);
    }

    fn send_report(&mut self, now: Instant, stack: &mut Stack) {
        let Theirs::Subscribed { id, in_flight: None, waiting, .. } = &mut self.referrals.theirs else {
            return;
        };
        let (Some(status), id) = (waiting.pop_front(), *id) else { return };
        let notify = self.notify(stack, id, status, if status < 200 { None } else { Some("noresource") });
        let sent = notify.and_then(|notify| self.send_within(now, stack, notify, Owner::Notify(self.key)));
        match (&mut self.referrals.theirs, sent) {
            (Theirs::Subscribed { in_flight, .. }, Some(_)) if status < 200 => *in_flight = sent,
            (theirs, _) => *theirs = Theirs::None,
        }
    }

    fn notify(
        &mut self,
        stack: &Stack,
        id: Option<u32>,
        status: u16,
        ended: Option<&str>,
    ) -> Option<Request> {
        let contact = self.contact(stack);
        let dialog = self.dialogs.first_mut()?;
        let mut notify = dialog.request(Method::Notify);
        let headers = notify.headers_mut();
        headers.push("Contact", &contact);
        headers.push("Event", &id.map_or("refer".to_owned(), |id| format!("refer;id={id}")));
        let state = match ended {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={SUBSCRIPTION_S}"),
        };
        headers.push("Subscription-State", &state);
        stack.add_user_agent(&mut notify);
        let line = format!("SIP/2.0 {status} {}\r\n", phrase(status));
        notify.set_body("message/sipfrag;version=2.0", line.into_bytes());
        Some(notify)
    }

    /// The peer asks anew for the reports on its REFER, or wants no more of them (RFC 3515 section 2.4.4): it is told at once
    /// where things stand (RFC 6665 section 4.2.1.2).
    pub(super) fn handle_subscribe(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        request: &Request,
    ) {
        let mut event = request.headers().get("Event").unwrap_or_default().split(';').map(str::trim);
        if !event.next().unwrap_or_default().eq_ignore_ascii_case("refer") {
            return stack.respond(now, transaction, &Response::to_request(request, 489, "Bad Event"));
        }
        // The number of the REFER names it; from the second on it must be there (RFC 3515 section 2.4.6).
        let named = event.find_map(|parameter| parameter.strip_prefix("id="));
        let is_named = |number: Option<u32>| named == number.map(|number| number.to_string()).as_deref();
        let (id, last) = match &self.referrals.theirs {
            Theirs::Subscribed { number, id, last, .. } if is_named(*number) || is_named(*id) => (*id, *last),
            _ => return stack.respond(now, transaction, &refusal::no_such_call(request)),
        };
        let asked = request.headers().get("Expires").and_then(|seconds| seconds.trim().parse().ok());
        let expires = asked.unwrap_or(SUBSCRIPTION_S).min(SUBSCRIPTION_S);
        let mut response = Response::to_request(request, 200, "OK");
        response.headers_mut().push("Contact", &self.contact(stack));
        response.headers_mut().push("Expires", &expires.to_string());
        stack.respond(now, transaction, &response);
        if expires > 0 {
            return self.report_refer(now, stack, last);
        }
        self.referrals.theirs = Theirs::None;
        if let Some(notify) = self.notify(stack, id, last, Some("timeout")) {
            self.send_within(now, stack, notify, Owner::Nobody);
        }
    }

    /// A response to a NOTIFY of ours, or none.
    pub(crate) fn handle_notify_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        answer: Option<(&Response, &[u8])>,
    ) {
        let status = answer.map_or(408, |(response, _)| response.status());
        if status < 200 {
            return;
        }
        let again = self.send_again(now, stack, answer, Owner::Notify(self.key));
        let Theirs::Subscribed { in_flight, .. } = &mut self.referrals.theirs else { return };
        if *in_flight != Some(transaction) {
            return;
        }
        *in_flight = again;
        if (200..300).contains(&status) {
            self.send_report(now, stack);
        } else if again.is_none() {
            // Nobody listens any more (RFC 6665 section 4.2.2).
            self.referrals.theirs = Theirs::None;
        }
    }

    /// Asks the peer to call somebody else in our place.
    pub(crate) fn refer(&mut self, now: Instant, stack: &mut Stack, to: &str) {
        let contact = self.contact(stack);
        let idle = matches!((&self.state, &self.referrals.ours), (State::Confirmed, Ours::None));
        let Some(dialog) = self.dialogs.first_mut().filter(|_| idle) else {
            return self.emit(stack, SessionEvent::ReferProgress { status: 491 });
        };
        let mut refer = dialog.request(Method::Refer);
        let headers = refer.headers_mut();
        headers.push("Contact", &contact);
        headers.push("Refer-To", &format!("<{to}>"));
        headers.push("Referred-By", &contact);
        stack.add_user_agent(&mut refer);
        self.authentication.begin();
        match self.send_within(now, stack, refer, Owner::Refer(self.key)) {
            Some(transaction) => self.referrals.ours = Ours::Asked { transaction },
            None => self.emit(stack, SessionEvent::ReferProgress { status: 503 }),
        }
    }

    /// A response to our REFER, or none.
    pub(crate) fn handle_refer_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        answer: Option<(&Response, &[u8])>,
    ) {
        if !matches!(self.referrals.ours, Ours::Asked { transaction: asked } if asked == transaction) {
            return;
        }
        let status = answer.map_or(408, |(response, _)| response.status());
        let again = self.send_again(now, stack, answer, Owner::Refer(self.key));
        match (status, again) {
            (..200, _) => {}
            (200..300, _) => self.referrals.ours = Ours::Subscribed,
            (_, Some(transaction)) => self.referrals.ours = Ours::Asked { transaction },
            (_, None) => {
                self.referrals.ours = Ours::None;
                self.emit(stack, SessionEvent::ReferProgress { status });
            }
        }
    }

    /// A NOTIFY of the peer; it may come before the answer to the REFER that it is about (RFC 3515 section 2.4.4).
    pub(super) fn handle_notify(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        request: &Request,
    ) {
        if matches!(self.referrals.ours, Ours::None) {
            let known = self.extensions.transfer;
            let response = if known { refusal::no_such_call(request) } else { refusal::of_method(request) };
            return stack.respond(now, transaction, &response);
        }
        let headers = request.headers();
        let event = headers.get("Event").and_then(|value| value.split(';').next()).unwrap_or_default();
        if !event.trim().eq_ignore_ascii_case("refer") {
            return stack.respond(now, transaction, &Response::to_request(request, 489, "Bad Event"));
        }
        let state = headers.get("Subscription-State").unwrap_or_default().trim().to_ascii_lowercase();
        stack.respond(now, transaction, &Response::to_request(request, 200, "OK"));
        let status = sipfrag_status(request.body());
        let ends = state.starts_with("terminated") || status.is_some_and(|status| status >= 200);
        if ends {
            self.referrals.ours = Ours::None;
        }
        match status {
            // An end without a final status says that nobody knows.
            Some(..200) | None if ends => self.emit(stack, SessionEvent::ReferProgress { status: 408 }),
            Some(status) => self.emit(stack, SessionEvent::ReferProgress { status }),
            None => {}
        }
    }

    /// The call is over, and with it what was asked for in it.
    pub(super) fn end_referrals(&mut self, now: Instant, stack: &mut Stack) {
        match std::mem::take(&mut self.referrals.theirs) {
            Theirs::Asked { transaction, request } => {
                let response = Response::to_request(&request, 487, "Request Terminated");
                stack.respond(now, transaction, &response);
            }
            Theirs::Subscribed { id, last, .. } => {
                // The usage of the subscription is another one than the call's, and is ended by itself (RFC 5057).
                if let Some(notify) = self.notify(stack, id, last, Some("noresource")) {
                    self.send_within(now, stack, notify, Owner::Nobody);
                }
            }
            Theirs::None => {}
        }
        self.referrals.ours = Ours::None;
    }
}

/// What the headers of a Refer-To URI want replaced, as a Replaces header says it.
fn replaces_of(target: &Uri) -> Option<String> {
    let headers = target.headers().trim_start_matches('?');
    headers.split('&').find_map(|header| {
        let (name, value) = header.split_once('=')?;
        name.eq_ignore_ascii_case("Replaces").then(|| unescape(value))
    })
}

/// Resolves `%HH`; what would break a header's line is left out.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect()
}

/// The status of a `message/sipfrag` (RFC 3420).
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty())?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let version = words.next()?;
    let status = words.next()?.parse().ok()?;
    (version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&status)).then_some(status)
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200..=299 => "OK",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_replaced_is_read_out_of_the_uri() {
        let uri = |text| Uri::parse(text).unwrap();
        let attended = uri("sip:700@pbx?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy%0d%0a&Require=replaces");
        assert_eq!(replaces_of(&attended).as_deref(), Some("a@b;to-tag=x;from-tag=y"));
        assert_eq!(replaces_of(&uri("sip:700@pbx")), None);
        assert_eq!(replaces_of(&uri("sip:700@pbx?replaces=%")).as_deref(), Some("%"));
    }

    #[test]
    fn a_fragment_tells_its_status() {
        assert_eq!(sipfrag_status(b"SIP/2.0 486 Busy Here\r\nTo: x\r\n"), Some(486));
        assert_eq!(sipfrag_status(b"\r\nSIP/2.0 100"), Some(100));
        for wrong in [&b""[..], b"INVITE sip:a SIP/2.0", b"SIP/2.0 99 x", b"SIP/2.0 \xff", b"SIP/2.0"] {
            assert_eq!(sipfrag_status(wrong), None);
        }
    }
}
