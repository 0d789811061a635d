//! Calls that somebody was promised from a certain agent.
//!
//! At its time such a call waits a while for that agent to be free, who is then kept for it before it is dialed. The time was
//! promised as well: when the agent does not come free, or is not at work, anybody may take the call.

use super::*;
use crate::agent::State;
use crate::record::ContactId;

/// How long a promised call waits for its agent.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Contacts that wait so at once; those beyond are called by anybody.
const WAITING_MAX: usize = 1_000;

/// Contacts that wait for their agents, since when.
#[derive(Default)]
pub(super) struct Promises(BTreeMap<ContactId, Instant>);

/// Who is to be kept for a contact.
pub(super) enum Promised {
    /// Nobody in particular.
    ByAnybody,
    /// This agent, who is free.
    From(AgentKey),
    /// An agent who is not free yet.
    Later,
}

impl Engine {
    /// Whose call it is.
    pub(super) fn promised(&mut self, now: Now, turn: usize, contact: &Contact) -> Promised {
        let promised = self.promised_from(turn, contact);
        let waiting = &mut self.staff.promises.0;
        if !matches!(promised, Promised::Later) {
            waiting.remove(&contact.id);
            return promised;
        }
        waiting.retain(|_, since| now.instant < *since + WAIT_MAX * 2);
        if waiting.len() >= WAITING_MAX {
            return Promised::ByAnybody;
        }
        let since = *waiting.entry(contact.id).or_insert(now.instant);
        if now.instant < since + WAIT_MAX { Promised::Later } else { Promised::ByAnybody }
    }

    fn promised_from(&self, turn: usize, contact: &Contact) -> Promised {
        let Some(key) = contact.callback_agent().and_then(|name| self.staff.roster.find(name).ok()) else {
            return Promised::ByAnybody;
        };
        let agent = self.staff.roster.agent(key);
        match agent.state {
            _ if !self.campaigns[turn].may_have(agent) => Promised::ByAnybody,
            State::Ready => Promised::From(key),
            state if state.is_staffed() => Promised::Later,
            _ => Promised::ByAnybody,
        }
    }
}
