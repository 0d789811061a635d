//! Reliable provisional responses as a caller meets them: RFC 3262 sections 4 and 5.
//!
//! Each early dialog numbers its own. A response is acted upon and acknowledged by a PRACK when it is the next of its
//! dialog; a copy, and one that has overtaken another, is dropped, for its sender repeats it until its PRACK has come.
//! What such a response answers to our offer is final: the 2xx says nothing more of media. An offer of ours that waits
//! travels in the PRACK.

use super::super::dialog::Dialog;
use super::super::message::{Request, Response};
use super::super::method::Method;
use super::super::stack::Stack;
use super::super::transaction::owner::Owner;
use super::exchange::Exchange;
use super::{Session, State, sdp_of};
use crate::slab::Key;
use crate::time::Instant;

/// What a dialog knows of its reliable provisional responses.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Reliability {
    /// The last RSeq that was acknowledged.
    last: Option<u32>,
    /// Whether one of them answered our offer.
    pub(crate) has_answer: bool,
}

impl Reliability {
    /// Whether the response with this RSeq is the next one; then it is the last one now. Any number may begin.
    fn accept(&mut self, number: u32) -> bool {
        let is_next = self.last.is_none_or(|last| Some(number) == last.checked_add(1));
        if is_next {
            self.last = Some(number);
        }
        is_next
    }
}

impl Session {
    /// Whether a provisional response is to be acted upon; if it wants a PRACK, that is sent.
    pub(super) fn take_provisional(&mut self, now: Instant, stack: &mut Stack, response: &Response) -> bool {
        let headers = response.headers();
        if response.status() == 100 || !headers.lists("Require", "100rel") {
            return true;
        }
        let number = headers.get("RSeq").and_then(|value| value.trim().parse::<u32>().ok());
        let (Some(number), Ok(cseq)) = (number, headers.cseq()) else { return false };
        let answer = sdp_of(headers, response.body());
        // Without a tag there is no dialog that a PRACK could be sent in.
        let Some(dialog) = self.early_dialog(response) else { return false };
        if !dialog.reliability.accept(number) {
            return false;
        }
        dialog.reliability.has_answer |= answer.is_some();
        let mut prack = dialog.request(Method::Prack);
        prack.headers_mut().push("RAck", &format!("{number} {} INVITE", cseq.number));
        stack.add_user_agent(&mut prack);
        self.authentication.begin();
        let offer = self.take_offer_for_prack(now, answer.is_some());
        if let Some(sdp) = offer.as_ref().and_then(|offer| offer.sdp.clone()) {
            prack.set_body("application/sdp", sdp);
        }
        let sent = self.send_within(now, stack, prack, Owner::Prack(self.key));
        if let (Some(transaction), Some(offer)) = (sent, offer) {
            self.exchange = Exchange::Ours { transaction, offer, due: now + stack.timers.give_up() };
        }
        true
    }

    /// A response to a PRACK of ours.
    pub(crate) fn handle_prack_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        response: &Response,
        sent: &[u8],
    ) {
        let carries_offer = self.awaits(transaction);
        match response.status() {
            100..=199 => {}
            401 | 407 => {
                let again = self.send_again(now, stack, Some((response, sent)), Owner::Prack(self.key));
                match (again, &mut self.exchange) {
                    (Some(again), Exchange::Ours { transaction, .. }) if carries_offer => {
                        *transaction = again
                    }
                    (None, _) if carries_offer => self.finish_ours(now, stack, response.status(), None),
                    (Some(_) | None, _) => {}
                }
            }
            status if carries_offer => {
                let sdp = sdp_of(response.headers(), response.body()).filter(|_| response.is_success());
                self.finish_ours(now, stack, if response.is_success() { 200 } else { status }, sdp);
            }
            // Whatever the peer makes of it, the INVITE's own final response decides about the call.
            _ => {}
        }
    }

    /// No answer came to a PRACK.
    pub(crate) fn handle_prack_silence(&mut self, now: Instant, stack: &mut Stack, transaction: Key) {
        if self.awaits(transaction) {
            self.finish_ours(now, stack, 408, None);
        }
    }

    fn take_offer_for_prack(&mut self, now: Instant, answered: bool) -> Option<super::exchange::NextOffer> {
        let may = answered
            && matches!((&self.state, &self.exchange), (State::Proceeding { .. }, Exchange::Idle))
            && self.next_offer.as_ref().is_some_and(|offer| offer.at <= now && offer.sdp.is_some());
        if may { self.next_offer.take() } else { None }
    }

    /// Sends a request in the dialog that its To names.
    pub(super) fn send_within(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        request: Request,
        owner: Owner,
    ) -> Option<Key> {
        let trunk = self.trunk;
        let dialog = self.dialog_named_by(&request)?;
        stack.send_within(now, dialog, trunk, request, owner).ok()
    }

    fn dialog_named_by(&mut self, request: &Request) -> Option<&mut Dialog> {
        let to = request.headers().to().ok()?;
        let tag = to.tag().unwrap_or_default();
        self.dialogs.iter_mut().find(|dialog| dialog.remote_tag() == tag)
    }

    /// Sends the request again, with credentials and a new number, if that is what the answer to it asks for; it comes with
    /// what was sent.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        answer: Option<(&Response, &[u8])>,
        owner: Owner,
    ) -> Option<Key> {
        let (response, sent) = answer?;
        let mut request = self.authentication.retry(&mut stack.rng, sent, response)?;
        self.dialog_named_by(&request)?.renumber(&mut request);
        self.send_within(now, stack, request, owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_anywhere_and_then_rise_one_by_one() {
        let mut reliability = Reliability::default();
        let taken: Vec<u32> = [7_000, 7_000, 7_002, 7_001, 6_999, 7_002, 1]
            .into_iter()
            .filter(|n| reliability.accept(*n))
            .collect();
        assert_eq!(taken, [7_000, 7_001, 7_002]);
        let mut last = Reliability { last: Some(u32::MAX), has_answer: false };
        assert!(!last.accept(0));
    }
}
