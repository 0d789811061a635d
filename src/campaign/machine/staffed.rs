//! What a campaign with agents is told: what they do, and how far each call has come.

use super::super::pacing::{AgentId, Pacer, Presence};
use super::Campaign;
use super::TICK;
use crate::record::ContactId;
use crate::time::Now;

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

    /// An agent's state, as far as this campaign may count on them.
    pub fn handle_agent(&mut self, now: Now, agent: AgentId, presence: Presence) {
        self.pacer.handle_agent(now.instant, agent, presence);
        self.touched(now);
    }

    /// Somebody or something answered.
    pub fn handle_answered(&mut self, now: Now, contact: ContactId) {
        if let Some(attempt) = self.in_flight.get(&contact) {
            self.pacer.handle_answered(now.instant, *attempt);
            self.touched(now);
        }
    }

    /// A person, or what may be one, waits for an agent.
    pub fn handle_waiting(&mut self, now: Now, contact: ContactId) {
        if let Some(attempt) = self.in_flight.get(&contact) {
            self.pacer.handle_waiting(now.instant, *attempt);
            self.touched(now);
        }
    }

    /// An agent took the call in time.
    pub fn handle_connected(&mut self, now: Now, contact: ContactId) {
        if let Some(attempt) = self.in_flight.get(&contact) {
            self.pacer.handle_connected(now, *attempt);
            self.touched(now);
        }
    }

    /// No agent took it in time.
    pub fn handle_abandoned(&mut self, now: Now, contact: ContactId) {
        if let Some(attempt) = self.in_flight.get(&contact) {
            self.pacer.handle_abandoned(now, *attempt);
            self.touched(now);
        }
    }

    /// It is hung up on as a machine.
    pub fn handle_machine(&mut self, now: Now, contact: ContactId) {
        if let Some(attempt) = self.in_flight.get(&contact) {
            self.pacer.handle_machine(now, *attempt);
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
        lines
    }
}
