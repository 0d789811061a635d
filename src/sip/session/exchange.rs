//! Offers and answers once a call is up: RFC 3261 section 14, RFC 3311, RFC 6141, RFC 6337.
//!
//! One exchange at a time. The peer's offer waits for `answer_offer`; our own offer goes out when nothing else is under
//! way, and again a while after the peer's crossed it (491), or when the peer says that it may come again (500).

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::authentication::shown_in;
use super::super::content;
use super::super::event::SessionEvent;
use super::super::header::retry_after;
use super::super::late::{self, Late};
use super::super::message::{Request, Response};
use super::super::method::Method;
use super::super::stack::Stack;
use super::super::transaction::owner::Owner;
use super::timer::INTERVAL_MIN;
use super::{Session, State, sdp_of};
use crate::slab::Key;
use crate::time::Instant;

/// How long the layer above may think about an offer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How often an offer of ours may cross one of the peer's, or be put off by it.
const GLARES_MAX: u8 = 4;
/// A peer that is not done with the offer before ours says so with a Retry-After of up to ten seconds (RFC 3261 section 14.2).
const PUT_OFF: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);

/// What is under way.
#[derive(Debug)]
pub(super) enum Exchange {
    Idle,
    /// The peer's re-INVITE or UPDATE waits for the layer above.
    Theirs {
        transaction: Key,
        request: Box<Request>,
        due: Instant,
    },
    /// Our 2xx to a re-INVITE waits for its ACK and is repeated until then (section 13.3.1.4).
    Unacknowledged {
        transaction: Key,
        number: u32,
        ours: bool,
        resend: Instant,
        interval: Duration,
        end: Instant,
    },
    /// Our re-INVITE, UPDATE or PRACK with an offer waits for its response.
    Ours {
        transaction: Key,
        offer: NextOffer,
        due: Instant,
    },
}

/// An offer of ours.
#[derive(Clone, Debug)]
pub(super) struct NextOffer {
    /// None: it is a refresh only (RFC 4028), and the session stays as it is.
    pub(super) sdp: Option<Vec<u8>>,
    /// Not sooner than this.
    pub(super) at: Instant,
    /// How often it crossed one of the peer's, or was put off.
    glares: u8,
}

impl Session {
    /// Offers `sdp` as soon as nothing else is under way; a newer offer replaces one that waits.
    pub(crate) fn reinvite(&mut self, now: Instant, stack: &mut Stack, sdp: Vec<u8>) {
        if matches!(self.state, State::Proceeding { .. } | State::Confirmed) {
            // One that the peer has put off is put off still, whatever it says now.
            let waits = self.next_offer.as_ref();
            let (at, glares) = waits.map_or((now, 0), |offer| (offer.at.max(now), offer.glares));
            self.next_offer = Some(NextOffer { sdp: Some(sdp), at, glares });
            self.send_next_offer(now, stack);
        }
    }

    /// Keeps the session alive (RFC 4028 section 7.4); any offer that waits does so too.
    pub(super) fn refresh(&mut self, now: Instant, stack: &mut Stack) {
        self.next_offer.get_or_insert(NextOffer { sdp: None, at: now, glares: 0 });
        self.send_next_offer(now, stack);
    }

    /// The layer above has made up its mind about the peer's offer.
    pub(crate) fn answer_offer(&mut self, now: Instant, stack: &mut Stack, answer: Result<Vec<u8>, u16>) {
        if !matches!(self.exchange, Exchange::Theirs { .. }) {
            return;
        }
        let taken = std::mem::replace(&mut self.exchange, Exchange::Idle);
        let Exchange::Theirs { transaction, request, .. } = taken else { return };
        match answer {
            Ok(sdp) => {
                self.description.clone_from(&sdp);
                self.accept(now, stack, transaction, &request, Some(sdp));
            }
            Err(status) => refuse(now, stack, transaction, &request, status.clamp(300, 699)),
        }
        self.send_next_offer(now, stack);
    }

    /// A re-INVITE or an UPDATE of the peer.
    pub(super) fn handle_offer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        request: Request,
    ) {
        let offers = sdp_of(request.headers(), request.body());
        if matches!(self.state, State::Leaving { .. } | State::Cancelling { .. }) {
            return refuse(now, stack, transaction, &request, 487);
        }
        if let Some(refusal) = content::refuse(&request) {
            return stack.respond(now, transaction, &refusal);
        }
        if self.timer.is_too_small(&request) {
            return refuse(now, stack, transaction, &request, 422);
        }
        let is_update = |pending: &Exchange| matches!(pending, Exchange::Theirs { request, .. } if *request.method() == Method::Update);
        if *request.method() == Method::Update && is_update(&self.exchange) {
            // One UPDATE after the other, with or without an offer (RFC 3311 section 5.2).
            return self.overlap(now, stack, transaction, &request);
        }
        if *request.method() == Method::Update && offers.is_none() {
            // It keeps the session alive (RFC 4028) or moves the target: nothing to decide.
            return self.accept(now, stack, transaction, &request, None);
        }
        match &self.exchange {
            Exchange::Theirs { .. } => return self.overlap(now, stack, transaction, &request),
            // Glare: whoever made the call waits longer than its peer (section 14.1).
            Exchange::Ours { .. } => return refuse(now, stack, transaction, &request, 491),
            Exchange::Unacknowledged { ours: true, .. } if offers.is_some() => {
                return refuse(now, stack, transaction, &request, 491);
            }
            // Its ACK was lost, but a new request shows that our 2xx was not.
            Exchange::Unacknowledged { .. } => self.exchange = Exchange::Idle,
            Exchange::Idle => {}
        }
        let in_call = matches!(self.state, State::Confirmed);
        let has_answer = self.dialog_of(&request).is_some_and(|dialog| dialog.description.is_some());
        if !in_call && (*request.method() == Method::Invite || !has_answer) {
            // Before our own offer has its answer, no other may cross it (RFC 3311 section 5.2).
            return refuse(now, stack, transaction, &request, 491);
        }
        self.exchange = Exchange::Theirs { transaction, request: Box::new(request), due: now + ANSWER_WAIT };
        self.emit(stack, SessionEvent::Offered { sdp: offers });
    }

    /// The peer takes a re-INVITE back (section 9.2).
    pub(crate) fn handle_cancel(&mut self, now: Instant, stack: &mut Stack, invite: Key) {
        if matches!(self.exchange, Exchange::Theirs { transaction, .. } if transaction == invite) {
            self.refuse_pending_offer(now, stack);
            self.send_next_offer(now, stack);
        }
    }

    /// An ACK within the dialog.
    pub(crate) fn handle_ack(&mut self, now: Instant, stack: &mut Stack, ack: &Request) {
        let acknowledged = ack.headers().cseq().map(|cseq| cseq.number);
        let Exchange::Unacknowledged { number, ours, .. } = self.exchange else { return };
        if acknowledged != Ok(number) {
            return;
        }
        self.exchange = Exchange::Idle;
        if ours {
            let sdp = sdp_of(ack.headers(), ack.body());
            self.emit(stack, SessionEvent::OfferAnswered { status: 200, sdp });
        }
        self.send_next_offer(now, stack);
    }

    /// A response to our re-INVITE.
    pub(crate) fn handle_reinvite_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        response: &Response,
        sent: &[u8],
    ) {
        let Exchange::Ours { offer, .. } = &self.exchange else { return };
        let offer = offer.clone();
        match response.status() {
            100..=199 => {}
            200..=299 => {
                let of_invite = response.headers().cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
                if let Some(dialog) = self.dialogs.first_mut() {
                    dialog.refresh_target(response.headers().contacts());
                    dialog.note_allow(response.headers());
                    if of_invite {
                        stack.acknowledge(now, dialog, self.trunk, response, &shown_in(sent));
                    }
                }
                self.timer.settle(now, response.headers());
                self.finish_ours(now, stack, 200, sdp_of(response.headers(), response.body()));
            }
            491 if offer.glares < GLARES_MAX => {
                // We made the Call-ID: 2.1 to 4 seconds in steps of 10 ms (section 14.1).
                let wait = Duration::from_millis(10 * stack.rng.between(210, 400));
                self.offer_later(now + wait, offer);
            }
            500 if offer.sdp.is_some() && offer.glares < GLARES_MAX && put_off(response).is_some() => {
                let wait = put_off(response).unwrap_or_default();
                self.offer_later(now + wait, offer);
            }
            401 | 407 => match self.authentication.retry(&mut stack.rng, sent, response) {
                Some(mut request) => {
                    if let Some(dialog) = self.dialogs.first_mut() {
                        dialog.renumber(&mut request);
                    }
                    self.send_offer(now, stack, request, offer);
                }
                None => self.finish_ours(now, stack, response.status(), None),
            },
            422 if self.timer.raise(response) => self.offer_again(now, stack, offer),
            405 | 501 if self.dialogs.first().is_some_and(|dialog| dialog.allows_update) => {
                // It does not take UPDATE after all.
                self.dialogs.iter_mut().for_each(|dialog| dialog.allows_update = false);
                self.offer_again(now, stack, offer);
            }
            // The peer knows no such call any more (section 12.2.1.2).
            status @ (408 | 481) if matches!(self.state, State::Confirmed) => self.lose(now, stack, status),
            status => self.finish_ours(now, stack, status, None),
        }
    }

    /// Nothing came to our re-INVITE: the peer is gone (section 14.1).
    pub(crate) fn handle_reinvite_silence(&mut self, now: Instant, stack: &mut Stack) {
        if matches!((&self.state, &self.exchange), (State::Confirmed, Exchange::Ours { .. })) {
            self.lose(now, stack, 408);
        } else {
            self.finish_ours(now, stack, 408, None);
        }
    }

    /// Refuses the offer that the layer above has not answered: the call is over, or the peer took it back.
    pub(super) fn refuse_pending_offer(&mut self, now: Instant, stack: &mut Stack) {
        if let Exchange::Theirs { transaction, request, .. } = &self.exchange {
            refuse(now, stack, *transaction, request, 487);
            self.exchange = Exchange::Idle;
        }
    }

    /// Nobody waits for the answer to our offer any more.
    pub(super) fn abandon_own_offer(&mut self, now: Instant, stack: &mut Stack) {
        if let Exchange::Ours { transaction, .. } = self.exchange
            && stack.layer.is_invite(transaction)
            && let Some(dialog) = self.dialogs.first()
        {
            late::abandon(now, stack, transaction, Late::of_reinvite(self.trunk, dialog.clone()));
        }
    }

    pub(super) fn handle_exchange_timeout(&mut self, now: Instant, stack: &mut Stack) {
        match &mut self.exchange {
            Exchange::Theirs { due, .. } if *due <= now => self.answer_offer(now, stack, Err(500)),
            Exchange::Unacknowledged { end, .. } if *end <= now => {
                // The session may not go on without its ACK (section 13.3.1.4).
                let reason = "no ACK to our 200".to_owned();
                self.emit(stack, SessionEvent::HungUp { q850: None, reason, vanished: true });
                self.leave(now, stack, None);
            }
            Exchange::Unacknowledged { transaction, resend, interval, .. } if *resend <= now => {
                *interval = stack.timers.doubled(*interval);
                *resend = now + *interval;
                stack.layer.repeat_2xx(now, *transaction);
            }
            Exchange::Ours { due, .. } if *due <= now => self.handle_reinvite_silence(now, stack),
            Exchange::Theirs { .. } | Exchange::Unacknowledged { .. } | Exchange::Ours { .. } => {}
            Exchange::Idle => self.send_next_offer(now, stack),
        }
    }

    pub(super) fn poll_exchange_timeout(&self) -> Option<Instant> {
        match &self.exchange {
            Exchange::Idle if self.next_method().is_none() => None,
            Exchange::Idle => self.next_offer.as_ref().map(|offer| offer.at),
            Exchange::Theirs { due, .. } | Exchange::Ours { due, .. } => Some(*due),
            Exchange::Unacknowledged { resend, end, .. } => Some(*resend.min(end)),
        }
    }

    fn accept(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        request: &Request,
        sdp: Option<Vec<u8>>,
    ) {
        // A request that is refused changes nothing (section 12.2.2).
        if let Some(dialog) = self.dialog_of(request) {
            dialog.refresh_target(request.headers().contacts());
            dialog.note_allow(request.headers());
        }
        let mut response = Response::to_request(request, 200, "OK");
        response.headers_mut().push("Contact", &self.contact(stack));
        response.headers_mut().push("Allow", &self.allow());
        response.headers_mut().push("Supported", &self.supported());
        self.timer.answer(now, request, response.headers_mut());
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp);
        }
        stack.respond(now, transaction, &response);
        if let (Some(theirs), Some(dialog)) =
            (sdp_of(request.headers(), request.body()), self.dialog_of(request))
        {
            dialog.description = Some(theirs);
        }
        if *request.method() == Method::Invite {
            let interval = stack.timers.t1;
            self.exchange = Exchange::Unacknowledged {
                transaction,
                number: request.headers().cseq().map_or(0, |cseq| cseq.number),
                ours: sdp_of(request.headers(), request.body()).is_none(),
                resend: now + interval,
                interval,
                end: now + stack.timers.give_up(),
            };
        }
    }

    /// Section 14.2: one offer at a time, and a hint when to come back.
    fn overlap(&mut self, now: Instant, stack: &mut Stack, transaction: Key, request: &Request) {
        let mut response = Response::to_request(request, 500, phrase(500));
        response.headers_mut().push("Retry-After", &stack.rng.between(0, 10).to_string());
        stack.respond(now, transaction, &response);
    }

    fn send_next_offer(&mut self, now: Instant, stack: &mut Stack) {
        let due = self.next_offer.as_ref().is_some_and(|offer| offer.at <= now);
        let Some(method) = self.next_method().filter(|_| due && matches!(self.exchange, Exchange::Idle))
        else {
            return;
        };
        let (allow, supported) = (self.allow(), self.supported());
        let (Some(offer), Some(dialog)) = (self.next_offer.take(), self.dialogs.first_mut()) else { return };
        self.authentication.begin();
        let is_update = method == Method::Update;
        let mut request = dialog.request(method);
        request.headers_mut().push("Contact", &self.contact(stack));
        request.headers_mut().push("Allow", &allow);
        if self.timer.is_on() {
            request.headers_mut().push("Supported", &supported);
            self.timer.ask(request.headers_mut());
        }
        stack.add_user_agent(&mut request);
        // A re-INVITE without an offer would ask the peer for one: a refresh repeats what is agreed upon.
        match &offer.sdp {
            Some(sdp) => request.set_body("application/sdp", sdp.clone()),
            None if is_update => {}
            None => request.set_body("application/sdp", self.description.clone()),
        }
        self.send_offer(now, stack, request, offer);
    }

    /// By which method the offer that waits could leave now, were it due.
    fn next_method(&self) -> Option<Method> {
        let offer = self.next_offer.as_ref()?;
        let dialog = self.dialogs.first()?;
        match (&self.state, &offer.sdp) {
            (State::Confirmed, None) if dialog.allows_update => Some(Method::Update),
            (State::Confirmed, Some(_) | None) => Some(Method::Invite),
            // Before the call is up only a reliable answer ends the exchange of the INVITE (RFC 3311 section 5.1).
            (State::Proceeding { .. }, Some(_))
                if self.dialogs.len() == 1 && dialog.allows_update && dialog.reliability.has_answer =>
            {
                Some(Method::Update)
            }
            _ => None,
        }
    }

    fn offer_later(&mut self, at: Instant, offer: NextOffer) {
        self.take_back(NextOffer { at, glares: offer.glares + 1, ..offer });
    }

    fn offer_again(&mut self, now: Instant, stack: &mut Stack, offer: NextOffer) {
        self.take_back(offer);
        self.send_next_offer(now, stack);
    }

    /// An offer that was not taken waits again. A newer one goes in its place, as late as it would have gone; a refresh has
    /// nothing to say that it does not say, too.
    fn take_back(&mut self, offer: NextOffer) {
        self.exchange = Exchange::Idle;
        self.next_offer = Some(match self.next_offer.take() {
            None => offer,
            Some(newer) => NextOffer {
                sdp: newer.sdp.or(offer.sdp),
                at: newer.at.max(offer.at),
                glares: newer.glares.max(offer.glares),
            },
        });
    }

    fn send_offer(&mut self, now: Instant, stack: &mut Stack, request: Request, offer: NextOffer) {
        let Some(dialog) = self.dialogs.first() else { return };
        match stack.send_within(now, dialog, self.trunk, request, Owner::Reinvite(self.key)) {
            Ok(transaction) => {
                // The transaction itself would wait for ever once a 100 came.
                let due = now + stack.timers.give_up();
                self.exchange = Exchange::Ours { transaction, offer, due };
            }
            Err(_) => self.finish_ours(now, stack, 503, None),
        }
    }

    /// What carries our offer goes over UDP now: its response is waited for anew.
    pub(crate) fn handle_offer_fallback(&mut self, now: Instant, stack: &Stack, fallen: Key) {
        if let Exchange::Ours { transaction, due, .. } = &mut self.exchange
            && *transaction == fallen
        {
            *due = now + stack.timers.give_up();
        }
    }

    /// Whether `transaction` is the re-INVITE that is waited for.
    pub(crate) fn awaits(&self, reinvite: Key) -> bool {
        matches!(self.exchange, Exchange::Ours { transaction, .. } if transaction == reinvite)
    }

    pub(super) fn finish_ours(&mut self, now: Instant, stack: &mut Stack, status: u16, sdp: Option<Vec<u8>>) {
        let taken = std::mem::replace(&mut self.exchange, Exchange::Idle);
        let ours = if let Exchange::Ours { offer, .. } = taken { offer.sdp } else { None };
        let is_refresh = ours.is_none();
        if status != 200 {
            self.timer.retry(now);
        }
        let known = self.dialogs.first().and_then(|dialog| dialog.description.clone());
        if let (200, Some(dialog)) = (status, self.dialogs.first_mut()) {
            self.description = ours.unwrap_or(std::mem::take(&mut self.description));
            dialog.description = sdp.clone().or(dialog.description.take());
        }
        // What a refresh changes nothing of needs no decision.
        if !is_refresh || (status == 200 && sdp.is_some() && sdp != known) {
            self.emit(stack, SessionEvent::OfferAnswered { status, sdp });
        }
        self.send_next_offer(now, stack);
    }

    fn lose(&mut self, now: Instant, stack: &mut Stack, status: u16) {
        if matches!(&self.exchange, Exchange::Ours { offer, .. } if offer.sdp.is_some()) {
            self.emit(stack, SessionEvent::OfferAnswered { status, sdp: None });
        }
        let reason = format!("the peer answered our re-INVITE or UPDATE with {status}");
        self.emit(stack, SessionEvent::HungUp { q850: None, reason, vanished: status == 408 });
        self.leave(now, stack, None);
    }
}

/// How long the peer wants an offer to wait, where that is no refusal.
fn put_off(response: &Response) -> Option<Duration> {
    let asked = response.headers().get("Retry-After").and_then(retry_after)?;
    (asked <= *PUT_OFF.end()).then(|| asked.max(*PUT_OFF.start()))
}

fn refuse(now: Instant, stack: &mut Stack, transaction: Key, request: &Request, status: u16) {
    let mut response = Response::to_request(request, status, phrase(status));
    if status == 422 {
        response.headers_mut().push("Min-SE", &INTERVAL_MIN.as_secs().to_string());
    }
    stack.respond(now, transaction, &response);
}

fn phrase(status: u16) -> &'static str {
    match status {
        403 => "Forbidden",
        480 => "Temporarily Unavailable",
        422 => "Session Interval Too Small",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        603 => "Decline",
        606 => "Not Acceptable",
        _ => "Refused",
    }
}
