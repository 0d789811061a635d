//! What a campaign with agents is told: what they do, and how far each call has come.

use super::super::pacing::{AgentId, Attempt, Mode, Pacer, Presence};
use super::{Campaign, Output, Refusal, TICK};
use crate::campaign::Ledger;
use crate::record::{CampaignState, Contact, ContactId};
use crate::time::Now;
use std::time::Duration;

/// A contact that an agent has passed over rests for this long at least.
const PASSED_OVER_REST: Duration = Duration::from_secs(60);

/// A contact waits so long until it is looked again whether the agent who is to call it is free.
const PROMISED_REST: Duration = Duration::from_secs(10);

/// An attempt in flight, as pacing knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flight {
    /// The pacer's number.
    pub attempt: Attempt,
    /// An agent is to be kept for it before it is dialed.
    pub guaranteed: bool,
    /// The person on it is in the ledger of abandoned people: connected, or abandoned.
    pub counted: bool,
}

impl Campaign {
    /// The pacer: what it sees, expects and remembers.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// The pacer, to put a former run's abandonment ledger in.
    pub fn pacer_mut(&mut self) -> &mut Pacer {
        self.wanted = None;
        &mut self.pacer
    }

    /// Whether agents are of use to it: it runs, and there is somebody to call.
    pub fn is_dialing(&self) -> bool {
        self.state == CampaignState::Running && (self.supply.claimed() > 0 || !self.in_flight.is_empty())
    }

    /// Whether agents look at each contact before it is dialed for them.
    pub fn is_previewed(&self) -> bool {
        self.options.dialing.mode == Mode::Preview
    }

    /// Whether the contact that [`Campaign::next_dial`] gave may be dialed only with an agent kept for it.
    pub fn demands_agent(&self, contact: ContactId) -> bool {
        self.in_flight.get(&contact).is_some_and(|flight| flight.guaranteed)
    }

    pub(super) fn wants_agent_kept(&self, contact: &Contact) -> bool {
        self.is_previewed()
            || self.options.guaranteed_agent_after.iter().any(|word| contact.outcomes.contains_key(word))
    }

    /// An agent is kept for this contact: agent and line stand outside of pacing until the call is over.
    pub fn handle_guaranteed(&mut self, now: Now, contact: ContactId) {
        if let Some(flight) = self.in_flight.get(&contact) {
            self.pacer.handle_not_dialed(flight.attempt);
            self.touched(now);
        }
    }

    /// The agent who looked at the contact does not want it dialed, or no agent was there to look: it comes again after
    /// the gap between two attempts.
    pub fn handle_passed_over(&mut self, now: Now, contact: Contact, reason: Refusal, ledger: &mut Ledger) {
        self.forget_flight(&contact, ledger);
        let gap = self.options.attempt_gap().max(PASSED_OVER_REST);
        self.release(contact, reason, Some(now.wall + gap));
        self.settle(now);
    }

    /// The agent from whom this call was promised to come has another one now: it is looked again soon.
    pub fn handle_agent_awaited(&mut self, now: Now, contact: Contact, ledger: &mut Ledger) {
        self.forget_flight(&contact, ledger);
        self.release(contact, Refusal::AgentDemanded, Some(now.wall + PROMISED_REST));
        self.settle(now);
    }

    /// An agent's state, as far as this campaign may count on them.
    pub fn handle_agent(&mut self, now: Now, agent: AgentId, presence: Presence) {
        self.pacer.handle_agent(now.instant, agent, presence);
        self.touched(now);
    }

    /// Somebody or something answered.
    pub fn handle_answered(&mut self, now: Now, contact: ContactId) {
        if let Some(flight) = self.in_flight.get(&contact) {
            self.pacer.handle_answered(now.instant, flight.attempt);
            self.touched(now);
        }
    }

    /// A person, or what may be one, waits for an agent.
    pub fn handle_waiting(&mut self, now: Now, contact: ContactId) {
        if let Some(flight) = self.in_flight.get(&contact) {
            self.pacer.handle_waiting(now.instant, flight.attempt);
            self.touched(now);
        }
    }

    /// No agent will be wanted on it, although the line is up: somebody listens to a message, or a machine takes one.
    pub fn handle_served(&mut self, now: Now, contact: ContactId) {
        if let Some(flight) = self.in_flight.get(&contact) {
            self.pacer.handle_ended(now.instant, flight.attempt);
            self.touched(now);
        }
    }

    /// An agent took the call in time.
    pub fn handle_connected(&mut self, now: Now, contact: ContactId) {
        self.count_person(now, contact, false);
    }

    /// No agent took it in time: none at all, or one who came too late.
    pub fn handle_abandoned(&mut self, now: Now, contact: ContactId) {
        self.count_person(now, contact, true);
    }

    /// Each person is counted once, whoever was or was not expected to want an agent.
    fn count_person(&mut self, now: Now, contact: ContactId, abandoned: bool) {
        let Some(flight) = self.in_flight.get_mut(&contact) else { return };
        let attempt = flight.attempt;
        if std::mem::replace(&mut flight.counted, true) {
            self.pacer.handle_ended(now.instant, attempt);
        } else {
            self.pacer.handle_waiting(now.instant, attempt);
            if abandoned {
                self.pacer.handle_abandoned(now, attempt);
            } else {
                self.pacer.handle_connected(now, attempt);
            }
        }
        self.touched(now);
    }

    /// It was hung up on as a machine.
    pub fn handle_machine(&mut self, now: Now, contact: ContactId) {
        if let Some(flight) = self.in_flight.get(&contact) {
            self.pacer.handle_machine(now, flight.attempt);
            self.touched(now);
        }
    }

    fn touched(&mut self, now: Now) {
        self.wanted = None;
        self.settle(now);
    }

    /// How many more lines the pacer wants; it is asked anew when something has happened, and twice a second.
    pub(super) fn lines_wanted(&mut self, now: Now) -> u32 {
        if let Some((_, lines)) = self.wanted.filter(|(asked_at, _)| now.instant - *asked_at < TICK) {
            return lines;
        }
        let lines = self.pacer.lines_wanted(now);
        self.wanted = Some((now.instant, lines));
        let sums = self.pacer.budget().sums(now.wall);
        // That a new campaign begins with one line for each agent, because one of one would be too many, is no news.
        let guarded = self.pacer.is_guarded() && sums.share() > 0.0;
        if std::mem::replace(&mut self.guarded, guarded) != guarded {
            self.outputs.push_back(Output::Guarded { on: guarded, sums });
        }
        lines
    }
}
