//! What is to be known of a call when we are not there any more.

use super::super::remains::Remains;
use super::super::stack::Stack;
use super::{Session, State};

impl Session {
    /// What was kept of this call before its INVITE left, with what has been heard since. `None` once it has ended.
    pub(crate) fn remains(&self, stack: &Stack, before: &Remains) -> Option<Remains> {
        let far_ends = self.dialogs.iter().map(|dialog| dialog.far_end()).collect();
        let (invite, is_answered) = match &self.state {
            State::Calling { invite, .. }
            | State::Leaving { invite, .. }
            | State::Proceeding { invite }
            | State::Cancelling { invite } => (Some(*invite), false),
            State::Confirmed => (None, true),
            State::Prepared | State::Ended => return None,
        };
        let transport =
            invite.and_then(|invite| stack.layer.target_of(invite)).map(|target| target.transport);
        Some(before.heard(self.tries, transport, far_ends, is_answered))
    }
}
