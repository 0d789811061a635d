//! What arrives for calls that have gone: challenges of their BYEs, forks that lost, answers to abandoned INVITEs.

use super::authentication::{Authentication, Shown, shown_in};
use super::dialog::Dialog;
use super::event::{Event, SessionKey};
use super::message::Response;
use super::options::HangUpReason;
use super::stack::Stack;
use super::target::Target;
use super::transaction::owner::Owner;
use crate::slab::Key;
use crate::time::Instant;

/// A BYE under way.
#[derive(Debug)]
pub(crate) struct Farewell {
    /// What a challenge of it is answered with.
    pub(crate) authentication: Authentication,
    /// Whose it is, where it ends a session and not a fork.
    pub(crate) session: Option<SessionKey>,
}

/// What is still to be known of an INVITE that its session waits for no more, for as long as its transaction lasts: 64*T1
/// after the first 2xx, or after the CANCEL.
#[derive(Debug)]
pub(crate) struct Late {
    trunk: Target,
    /// What the challenge of a BYE is answered with.
    authentication: Authentication,
    /// What the INVITE has shown of us, and its ACKs do.
    shown: Shown,
    /// The early dialogs, whose PRACKs have used up numbers; of a re-INVITE its dialog.
    dialogs: Vec<Dialog>,
    /// Tags of forks that have sent their BYE.
    left: Vec<String>,
    /// Its dialog has ended.
    is_reinvite: bool,
    /// It has neither a final response nor a CANCEL yet.
    may_cancel: bool,
}

impl Late {
    /// The INVITE of a call, with its early dialogs but for the one that became the call, and the tags of those that have left.
    pub(crate) fn of_call(
        trunk: Target,
        authentication: Authentication,
        dialogs: Vec<Dialog>,
        left: Vec<String>,
    ) -> Late {
        let shown = Shown::new();
        Late { trunk, authentication, shown, dialogs, left, is_reinvite: false, may_cancel: false }
    }

    /// A re-INVITE of a dialog that has ended before it.
    pub(crate) fn of_reinvite(trunk: Target, dialog: Dialog) -> Late {
        let authentication = Authentication::new(None);
        let (shown, dialogs, left) = (Shown::new(), vec![dialog], Vec::new());
        Late { trunk, authentication, shown, dialogs, left, is_reinvite: true, may_cancel: false }
    }

    /// Whether it is a re-INVITE, of a dialog that has ended.
    pub(crate) fn is_reinvite(&self) -> bool {
        self.is_reinvite
    }

    fn is_empty(&self) -> bool {
        let knows_nobody = self.dialogs.is_empty() && self.left.is_empty();
        knows_nobody && self.shown.is_empty() && !self.authentication.has_credentials() && !self.may_cancel
    }

    /// Of the INVITE that left so.
    pub(crate) fn of_sent(self, sent: &[u8]) -> Late {
        Late { shown: shown_in(sent), ..self }
    }

    /// A 2xx that nobody waits for: a fork that answered second, or a callee that answered a call we gave up. It must be
    /// acknowledged, and its dialog then ended at once (RFC 3261 section 13.2.2.4), unless it has ended already. `session` is
    /// whose answer it is, where it is not a fork's.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        response: &Response,
        session: Option<SessionKey>,
    ) {
        if self.is_reinvite {
            let Some(dialog) = self.dialogs.first_mut() else { return };
            dialog.refresh_target(response.headers().contacts());
            return stack.acknowledge(now, dialog, self.trunk, response, &self.shown);
        }
        // Without tags and numbers there is nothing to acknowledge: the peer gives up by itself.
        let Ok(callee) = response.headers().to().map(|to| to.uri) else { return };
        let Ok(dialog) = Dialog::of_answer(response, &mut self.dialogs, &callee) else { return };
        if self.left.iter().any(|tag| tag == dialog.remote_tag()) {
            return stack.acknowledge(now, &dialog, self.trunk, response, &self.shown);
        }
        let farewell = Farewell { authentication: self.authentication.sibling(), session };
        part(now, stack, response, dialog, self.trunk, (farewell, &self.shown));
    }
}

/// Keeps what is to be known of `invite`, which has been answered or cancelled, until its transaction has gone.
pub(crate) fn keep(stack: &mut Stack, invite: Key, late: Late) {
    if !stack.layer.is_invite(invite) {
        return;
    }
    // Of most calls there is nothing to know, and a fork that answers all the same is dismissed as anybody's.
    let owner = match late.is_empty() {
        true => Owner::Nobody,
        false => stack.late.insert(late).map_or(Owner::Nobody, Owner::Late),
    };
    stack.layer.set_owner(invite, owner);
}

/// Gives up `invite`, which may be answered yet: it is cancelled as soon as it may be (RFC 3261 section 9.1).
pub(crate) fn abandon(now: Instant, stack: &mut Stack, invite: Key, late: Late) {
    let may_cancel = !stack.layer.abandon(now, invite);
    keep(stack, invite, Late { may_cancel, ..late });
}

/// The transaction has gone, and with it the last answer.
pub(crate) fn forget(stack: &mut Stack, owner: Owner) {
    if let Owner::Late(key) = owner {
        stack.late.remove(key);
    }
}

/// A response to an INVITE that its session waits for no more; none is a copy of a 2xx that was acknowledged.
pub(crate) fn handle_response(
    now: Instant,
    stack: &mut Stack,
    key: Key,
    transaction: Key,
    response: &Response,
    sent: &[u8],
) {
    let Some(late) = stack.late.get_mut(key) else { return };
    if response.is_provisional() {
        if std::mem::take(&mut late.may_cancel) {
            stack.layer.cancel(now, transaction, &[]);
        }
        return;
    }
    late.may_cancel = false;
    if !response.is_success() {
        return;
    }
    let nothing = Late::of_call(late.trunk, Authentication::new(None), Vec::new(), Vec::new());
    let taken = std::mem::replace(late, nothing);
    let mut taken = if sent.is_empty() { taken } else { taken.of_sent(sent) };
    taken.acknowledge(now, stack, response, None);
    if let Some(late) = stack.late.get_mut(key) {
        *late = taken;
    }
}

/// A final response to a BYE of ours, or silence. A proxy may challenge a BYE too.
pub(crate) fn handle_farewell(
    now: Instant,
    stack: &mut Stack,
    key: Key,
    answer: Option<(Target, &Response, &[u8])>,
) {
    if let Some((trunk, response, sent)) = answer {
        if response.is_provisional() {
            return;
        }
        let farewell = stack.farewells.get_mut(key);
        let again = farewell.and_then(|known| known.authentication.retry(&mut stack.rng, sent, response));
        if let Some(bye) = again
            && stack.send(now, trunk, bye, Owner::Farewell(key)).is_ok()
        {
            return;
        }
    }
    let parted = stack.farewells.remove(key).and_then(|farewell| farewell.session);
    if let Some(key) = parted {
        stack.emit(Event::Parted { key });
    }
}

/// A 2xx of which nothing is known any more; its dialog may have used up any number.
pub(crate) fn dismiss_unknown(now: Instant, stack: &mut Stack, response: &Response, trunk: Target) {
    let Ok(callee) = response.headers().to().map(|to| to.uri) else { return };
    let Ok(mut dialog) = Dialog::of_response(response, &callee) else { return };
    dialog.resume_numbers();
    let farewell = Farewell { authentication: Authentication::new(None), session: None };
    part(now, stack, response, dialog, trunk, (farewell, &Shown::new()));
}

fn part(
    now: Instant,
    stack: &mut Stack,
    response: &Response,
    mut dialog: Dialog,
    trunk: Target,
    (farewell, shown): (Farewell, &Shown),
) {
    stack.acknowledge(now, &dialog, trunk, response, shown);
    let reason = HangUpReason { q850: 16, text: "Call abandoned".to_owned() };
    stack.bye(now, &mut dialog, trunk, farewell, Some(&reason));
}
