//! The carrier's own book of what came and went on the wire, of callees' legs and of agents'.

use super::manner::AGENT;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An answer and our CANCEL may cross, and then it is acknowledged and ended at once.
const CROSSING: Duration = Duration::from_millis(20);

/// A call as the wire had it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whom it was made to: a number, or an agent's extension.
    pub number: String,
    /// Who was said to call: for an agent's leg the callee who is on the line.
    pub shown: String,
    pub invited_at: Instant,
    /// It cannot have come before: nothing lay there unread.
    pub arrived_after: Instant,
    pub rang_at: Option<Instant>,
    pub answered_at: Option<Instant>,
    pub acknowledged_at: Option<Instant>,
    pub cancelled_at: Option<Instant>,
    /// By whatever: a refusal, a CANCEL, a BYE of either side.
    pub ended_at: Option<Instant>,
    /// The engine's BYE cannot have come before: nothing lay there unread.
    pub ended_after: Option<Instant>,
    /// By the engine's CANCEL or BYE.
    pub by_engine: bool,
}

impl Call {
    pub fn new(number: &str, shown: &str, invited_at: Instant) -> Call {
        Call {
            number: number.to_owned(),
            shown: shown.to_owned(),
            invited_at,
            arrived_after: invited_at,
            rang_at: None,
            answered_at: None,
            acknowledged_at: None,
            cancelled_at: None,
            ended_at: None,
            ended_after: None,
            by_engine: false,
        }
    }

    /// Whether it is an agent's leg; all others are callees'.
    pub fn is_agents(&self) -> bool {
        self.number.starts_with(AGENT)
    }

    /// Since when they spoke with each other, if the answer did not cross our CANCEL or BYE.
    pub fn talk_began(&self) -> Option<Instant> {
        let began = self.answered_at.and(self.acknowledged_at)?;
        if self.cancelled_at.is_some_and(|cancelled| cancelled <= began) {
            return None;
        }
        self.ended_at.is_none_or(|end| end > began + CROSSING).then_some(began)
    }

    /// Whether an answer was on its way by then, or was to come, that nobody had acknowledged.
    pub fn was_unheard_at(&self, at: Instant) -> bool {
        self.answered_at.is_some() && self.acknowledged_at.is_none_or(|acknowledged| acknowledged > at)
    }

    /// Whether it was not over at this moment.
    pub fn is_open_at(&self, at: Instant) -> bool {
        self.invited_at <= at && self.ended_at.is_none_or(|end| end > at)
    }
}

/// All calls by Call-ID.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub calls: BTreeMap<String, Call>,
    /// Of callees and agents together ...
    pub most_at_once: usize,
    /// ... and of callees alone.
    pub most_callees_at_once: usize,
}

impl Ledger {
    pub fn begin(&mut self, call_id: &str, call: Call) {
        self.calls.insert(call_id.to_owned(), call);
        let open = || self.calls.values().filter(|call| call.ended_at.is_none());
        let (all, callees) = (open().count(), open().filter(|call| !call.is_agents()).count());
        self.most_at_once = self.most_at_once.max(all);
        self.most_callees_at_once = self.most_callees_at_once.max(callees);
    }

    pub fn callees(&self) -> impl Iterator<Item = (&String, &Call)> {
        self.calls.iter().filter(|(_, call)| !call.is_agents())
    }

    pub fn agents(&self) -> impl Iterator<Item = (&String, &Call)> {
        self.calls.iter().filter(|(_, call)| call.is_agents())
    }
}
