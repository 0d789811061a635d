//! What the world is told: one entry a step, in order, each printable in one line.
//!
//! The journal feeds the log, the live displays and the simulation's comparison; numbers are masked in it.

use crate::call::step::Step;
use crate::number::{E164, Masked};
use crate::record::{AttemptId, CampaignState};
use crate::time::Now;
use std::fmt;

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// When.
    pub at: Now,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// To an attempt.
    Attempt {
        /// Which.
        id: AttemptId,
        /// Of which campaign.
        campaign: String,
        /// Whom it rings; masked when printed.
        number: E164,
        /// What.
        step: Step,
    },
    /// An attempt ended before its INVITE left. The same reason is told once, until a contact of the campaign is dialed again.
    NotDialed {
        /// Of which campaign.
        campaign: String,
        /// Whom it was for.
        number: E164,
        /// Why.
        reason: String,
    },
    /// A contact was passed over by the gate.
    Skipped {
        /// Of which campaign.
        campaign: String,
        /// Why, one word.
        reason: String,
    },
    /// A campaign's state changed.
    Campaign {
        /// Which.
        name: String,
        /// To what.
        state: CampaignState,
    },
    /// A campaign's abandonment guard came into force, or is over.
    Guard {
        /// Of which campaign.
        campaign: String,
        /// It came into force.
        on: bool,
        /// People who answered within the law's days.
        people: u64,
        /// Of them abandoned.
        abandoned: u64,
    },
    /// An agent's state changed, or a contact was shown to them.
    Agent {
        /// Who.
        name: String,
        /// What about them.
        note: String,
    },
    /// A trunk's health changed.
    Trunk {
        /// Which.
        name: String,
        /// What about it.
        note: String,
    },
    /// Somebody has refused a caller id as such.
    CallerId {
        /// Of which campaign.
        campaign: String,
        /// Which; masked when printed.
        caller_id: String,
        /// What about it.
        note: String,
    },
    /// Calls that a former run has left.
    Former {
        /// What about them.
        note: String,
    },
    /// The store failed, or works again.
    Store {
        /// What about it.
        note: String,
    },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.at.instant.since_start();
        write!(f, "{:6}.{:03} {}", since.as_secs(), since.subsec_millis(), self.event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Attempt { id, campaign, number, step } => {
                let id = id.to_string();
                write!(f, "{campaign} {} {} {step}", &id[id.len() - 6..], number.masked())
            }
            Event::NotDialed { campaign, number, reason } => {
                write!(f, "{campaign} {} not dialed: {reason}", number.masked())
            }
            Event::Skipped { campaign, reason } => write!(f, "{campaign} skipped: {reason}"),
            Event::Campaign { name, state } => write!(f, "{name} is {}", state.as_str()),
            Event::Guard { campaign, on: true, people, abandoned } => write!(
                f,
                "{campaign} goes on with one line for each waiting agent: {abandoned} of {people} people were abandoned"
            ),
            Event::Guard { campaign, on: false, people, abandoned } => {
                write!(f, "{campaign} may overdial again: {abandoned} of {people} people were abandoned")
            }
            Event::Agent { name, note } => write!(f, "agent {name} {note}"),
            Event::Trunk { name, note } => write!(f, "trunk {name} {note}"),
            Event::CallerId { campaign, caller_id, note } => {
                write!(f, "{campaign} caller id {} {note}", Masked(caller_id))
            }
            Event::Former { note } => f.write_str(note),
            Event::Store { note } => write!(f, "store {note}"),
        }
    }
}
