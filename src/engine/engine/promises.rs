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

impl Promises {
    /// Whether the contact is to wait, or to wait on.
    fn may_wait(&mut self, now: Instant, contact: ContactId) -> bool {
        self.0.retain(|_, since| now < *since + WAIT_MAX * 2);
        if self.0.len() >= WAITING_MAX && !self.0.contains_key(&contact) {
            return false;
        }
        now < *self.0.entry(contact).or_insert(now) + WAIT_MAX
    }
}

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
        let waiting = &mut self.staff.promises;
        if !matches!(promised, Promised::Later) {
            waiting.0.remove(&contact.id);
            return promised;
        }
        if waiting.may_wait(now.instant, contact.id) { Promised::Later } else { Promised::ByAnybody }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_list_is_full_those_who_wait_wait_on_and_others_go_to_anybody() {
        let mut waiting = Promises::default();
        let start = Instant::ZERO;
        let contacts: Vec<ContactId> = (0..=WAITING_MAX as i64).map(ContactId).collect();
        let (late, early) = contacts.split_last().expect("there is more than one");
        assert!(early.iter().all(|contact| waiting.may_wait(start, *contact)));
        assert!(!waiting.may_wait(start, *late), "the list is full");
        let soon = start + Duration::from_secs(1);
        assert!(early.iter().all(|contact| waiting.may_wait(soon, *contact)), "they wait already");
        let over = start + WAIT_MAX;
        assert!(!waiting.may_wait(over, early[0]), "its agent did not come free");
    }
}
