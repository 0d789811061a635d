//! What we tell a peer within a call by INFO (RFC 6086): one at a time, so that keys come in the order in which they were
//! pressed.

use std::collections::VecDeque;

use super::super::event::SessionEvent;
use super::super::message::Response;
use super::super::method::Method;
use super::super::stack::Stack;
use super::super::transaction::owner::Owner;
use super::{Session, State};
use crate::slab::Key;
use crate::time::Instant;

/// INFOs that wait for the answer to the one before; later ones are lost.
const WAITING_MAX: usize = 64;

/// The INFOs of a session.
#[derive(Debug, Default)]
pub(super) struct Infos {
    in_flight: Option<Key>,
    /// Media type and body.
    waiting: VecDeque<(String, Vec<u8>)>,
}

impl Session {
    /// Sends an INFO as soon as the one before is answered; void while nobody has answered the call.
    pub(crate) fn info(&mut self, now: Instant, stack: &mut Stack, content_type: &str, body: Vec<u8>) {
        if matches!(self.state, State::Confirmed) && self.infos.waiting.len() < WAITING_MAX {
            self.infos.waiting.push_back((content_type.to_owned(), body));
            self.send_info(now, stack);
        }
    }

    fn send_info(&mut self, now: Instant, stack: &mut Stack) {
        while self.infos.in_flight.is_none()
            && let Some(dialog) = self.dialogs.first_mut()
            && let Some((content_type, body)) = self.infos.waiting.pop_front()
        {
            let mut info = dialog.request(Method::Info);
            stack.add_user_agent(&mut info);
            info.set_body(&content_type, body);
            self.authentication.begin();
            self.infos.in_flight = self.send_within(now, stack, info, Owner::Info(self.key));
        }
    }

    /// A response to our INFO, or none. The next one follows, unless the peer knows no such call any more (RFC 3261 section
    /// 12.2.1.2, RFC 5057 section 5.1).
    pub(crate) fn handle_info_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        answer: Option<(&Response, &[u8])>,
    ) {
        let status = answer.map_or(408, |(response, _)| response.status());
        if self.infos.in_flight != Some(transaction) || status < 200 {
            return;
        }
        if status == 481 {
            let reason = "the peer answered our INFO with 481".to_owned();
            self.emit(stack, SessionEvent::HungUp { q850: None, reason, vanished: false });
            return self.leave(now, stack, None);
        }
        self.infos.in_flight = self.send_again(now, stack, answer, Owner::Info(self.key));
        self.send_info(now, stack);
    }
}
