//! A call of a former run, which died with it on the wire: it is ended, and until it is, somebody counts it.
//!
//! ```text
//!   unanswered                            answered
//!       |                                     |
//!       | CANCEL of each INVITE               | BYE
//!       v                                     v
//!  +---------+  2xx: ACK, BYE            +---------+
//!  | Waiting |-------------------------->| Leaving |
//!  +---------+  481 to CANCEL, or silence+---------+
//!       |       for a second: BYE to          |
//!       |       each far end that is known    | any answer to BYE
//!       | 3xx-6xx: ACK; 481 to CANCEL,        |
//!       | and no 2xx repeated within T2       |
//!       v                                     v
//!  +-----------------------------------------------+
//!  |        Ended, after 64*T1 at the latest       |
//!  +-----------------------------------------------+
//! ```
//!
//! A CANCEL should follow a provisional response (RFC 3261 section 9.1), but whether one came died with the engine. The CANCEL
//! of an INVITE that never arrived is answered with 481. So may be that of a call which was answered in the moment of the
//! crash, and which nobody has acknowledged: its callee repeats the 2xx every T2 at least (section 13.3.1.4), so for that long
//! it is listened for. And where the callee has answered, a CANCEL has no effect, but a BYE in the dialog that the ringing
//! made has (section 15).

use std::time::Duration;

use super::authentication::{Authentication, Shown};
use super::dialog::Dialog;
use super::event::{Event, OrphanEnd, OrphanKey};
use super::message::Response;
use super::method::Method;
use super::options::HangUpReason;
use super::remains::Remains;
use super::stack::Stack;
use super::target::Target;
use super::transaction::owner::Owner;
use crate::slab::Key;
use crate::time::Instant;

/// After a CANCEL that was taken: so long the final response of its INVITE may take before the callee is taken to have
/// answered already.
const BYE_AFTER: Duration = Duration::from_secs(1);

/// One INVITE of the call.
#[derive(Debug)]
struct Try {
    invite: Key,
    /// Its CANCEL, until that is answered.
    cancel: Option<Key>,
    /// It has no final response yet, as far as is known.
    is_open: bool,
}

/// A call that is being ended.
#[derive(Debug)]
pub(crate) struct Orphan {
    key: OrphanKey,
    trunk: Target,
    remains: Remains,
    authentication: Authentication,
    tries: Vec<Try>,
    /// BYEs that wait for their answer.
    byes: Vec<Key>,
    /// Far ends that were sent a BYE.
    left: Vec<Left>,
    bye_at: Option<Instant>,
    /// Until then a 2xx may come that nobody has acknowledged.
    listens_until: Option<Instant>,
    give_up: Instant,
    /// A request was lost for good: the far end may know nothing of it before the time is over.
    is_unsure: bool,
    end: OrphanEnd,
    is_ended: bool,
    /// The alarm that is set for it.
    pub(crate) armed: Option<Instant>,
}

/// A far end that had its BYE.
#[derive(Debug)]
struct Left {
    tag: String,
    /// After its 2xx.
    answered: bool,
}

impl Orphan {
    pub(crate) fn new(
        now: Instant,
        stack: &Stack,
        trunk: Target,
        remains: Remains,
        authentication: Authentication,
    ) -> Self {
        Orphan {
            key: Key::from_u64(0),
            trunk,
            remains,
            authentication,
            tries: Vec::new(),
            byes: Vec::new(),
            left: Vec::new(),
            bye_at: None,
            listens_until: None,
            give_up: now + stack.timers.give_up(),
            is_unsure: false,
            end: OrphanEnd::Unknown,
            is_ended: false,
            armed: None,
        }
    }

    /// Ends the call under the key that it was given.
    pub(crate) fn begin(&mut self, now: Instant, stack: &mut Stack, key: OrphanKey) {
        self.key = key;
        let is_answered = self.remains.is_answered;
        for (branch, invite) in self.remains.invites(self.trunk).collect::<Vec<_>>() {
            // Also for a call that was answered: its 2xx may come again.
            let Ok(invite) = stack.layer.resume(now, self.trunk, &invite, &branch, Owner::Orphan(key)) else {
                self.is_unsure = true;
                continue;
            };
            let mut cancel = None;
            if !is_answered {
                let headers = [reason().header()];
                cancel = stack.layer.cancel_as(now, invite, &headers, Owner::Orphan(key));
                self.is_unsure |= cancel.is_none();
            }
            self.tries.push(Try { invite, cancel, is_open: !is_answered });
        }
        if is_answered {
            self.leave_all(now, stack);
        } else if !self.remains.far_ends.is_empty() {
            self.bye_at = Some(now + BYE_AFTER);
        }
        self.settle(now, stack);
    }

    /// A response to one of its requests.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        target: Target,
        response: &Response,
        sent: &[u8],
    ) {
        if response.is_provisional() {
            return;
        }
        if self.byes.contains(&transaction) {
            self.handle_bye_response(now, stack, transaction, target, response, sent);
        } else if let Some(at) = self.tries.iter().position(|known| known.cancel == Some(transaction)) {
            self.tries[at].cancel = None;
            // Taken, it leads to the INVITE's own final response; not taken, there is no such INVITE any more, or it is
            // answered.
            if !response.is_success() {
                self.tries[at].is_open = false;
                self.listens_until = Some(now + stack.timers.t2);
            }
        } else if let Some(at) = self.tries.iter().position(|known| known.invite == transaction) {
            self.tries[at].is_open = false;
            if response.is_success() {
                self.dismiss(now, stack, response);
            } else {
                self.end = OrphanEnd::Cancelled;
            }
        }
        self.settle(now, stack);
    }

    /// One of its requests stays without an answer.
    pub(crate) fn handle_silence(&mut self, now: Instant, stack: &mut Stack, transaction: Key) {
        self.is_unsure = true;
        self.byes.retain(|bye| *bye != transaction);
        for known in &mut self.tries {
            known.is_open &= known.invite != transaction;
            if known.cancel == Some(transaction) {
                known.cancel = None;
            }
        }
        self.settle(now, stack);
    }

    /// The deadline it asked for has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        if self.bye_at.is_some_and(|at| at <= now) {
            self.leave_all(now, stack);
        }
        self.settle(now, stack);
    }

    /// When it wants to be woken.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.bye_at, self.listens_until, Some(self.give_up)];
        own.into_iter().flatten().min().filter(|_| !self.is_ended)
    }

    /// Whether it can be forgotten.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn handle_bye_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        target: Target,
        response: &Response,
        sent: &[u8],
    ) {
        self.byes.retain(|bye| *bye != transaction);
        if let Some(again) = self.authentication.retry(&mut stack.rng, sent, response)
            && let Ok(bye) = stack.send(now, target, again, Owner::Orphan(self.key))
        {
            return self.byes.push(bye);
        }
        if response.is_success() {
            self.end = OrphanEnd::HungUp;
            // With its dialog the INVITE has ended, answered or not.
            self.tries.iter_mut().for_each(|known| known.is_open = false);
        }
    }

    /// The callee has answered, now or while nobody was there: it must not hear silence.
    fn dismiss(&mut self, now: Instant, stack: &mut Stack, response: &Response) {
        let callee = self.remains.callee();
        let Some(Ok(mut dialog)) = callee.map(|callee| Dialog::of_response(response, &callee)) else {
            return;
        };
        stack.acknowledge(now, &dialog, self.trunk, response, &Shown::new());
        let before = self.left.iter().rfind(|left| left.tag == dialog.remote_tag());
        if before.is_some_and(|left| left.answered) {
            return;
        }
        dialog.resume_numbers();
        if before.is_some() {
            // A BYE before the answer need not have been taken, and its number is used.
            dialog.request(Method::Bye);
        }
        self.leave(now, stack, dialog, true);
    }

    fn leave_all(&mut self, now: Instant, stack: &mut Stack) {
        self.bye_at = None;
        for dialog in self.remains.dialogs() {
            if !self.left.iter().any(|left| left.tag == dialog.remote_tag()) {
                self.leave(now, stack, dialog, self.remains.is_answered);
            }
        }
    }

    fn leave(&mut self, now: Instant, stack: &mut Stack, mut dialog: Dialog, answered: bool) {
        self.left.push(Left { tag: dialog.remote_tag().to_owned(), answered });
        let mut bye = dialog.request(Method::Bye);
        stack.add_user_agent(&mut bye);
        let (name, value) = reason().header();
        bye.headers_mut().push(&name, &value);
        self.authentication.begin();
        match stack.send_within(now, &dialog, self.trunk, bye, Owner::Orphan(self.key)) {
            Ok(bye) => self.byes.push(bye),
            Err(_) => self.is_unsure = true,
        }
    }

    /// Whether all is answered; and where nothing is known of the INVITEs, whether somebody may have answered them.
    fn settle(&mut self, now: Instant, stack: &mut Stack) {
        let is_waiting = self.tries.iter().any(|known| known.is_open || known.cancel.is_some());
        if !is_waiting && self.bye_at.is_some() && self.end == OrphanEnd::Unknown {
            self.leave_all(now, stack);
        }
        self.listens_until =
            self.listens_until.filter(|until| now < *until && self.end == OrphanEnd::Unknown);
        let is_listening = self.listens_until.is_some();
        let is_over = !is_waiting && !is_listening && self.byes.is_empty() && !self.is_unsure;
        if self.is_ended || !(is_over || self.give_up <= now) {
            return;
        }
        self.is_ended = true;
        if !is_over {
            self.end = OrphanEnd::Unanswered;
        }
        stack.emit(Event::Orphan { key: self.key, end: self.end });
    }
}

fn reason() -> HangUpReason {
    HangUpReason { q850: 41, text: "The caller was interrupted".to_owned() }
}
