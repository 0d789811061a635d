//! Breaks of agents whom lines in flight count on: they begin after one more call, or as soon as nobody would miss them.
//!
//! Whoever leaves at once leaves a person without an agent, and pacing could not have known. Who signs out, or is not at
//! the phone, is gone at once all the same.

use super::*;
use crate::agent::{State, Word};

/// No wish waits longer.
const WITHIN: Duration = Duration::from_secs(60);

/// Agents who wait for their break, each until when at the latest. Bounded by the agents.
#[derive(Default)]
pub(super) struct Breaks(BTreeMap<AgentKey, Instant>);

impl Breaks {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }
}

impl Engine {
    /// An agent says what they do from now on.
    pub(super) fn handle_agent_state(&mut self, now: Now, agent: AgentKey, word: Word) {
        self.staff.breaks.0.remove(&agent);
        if word == Word::Break && self.is_needed(agent) {
            self.staff.breaks.0.insert(agent, now.instant + WITHIN);
            self.note_agent(now, agent, "has a break as soon as no line counts on them");
        } else {
            self.staff.roster.say(now.instant, agent, word);
        }
    }

    /// Breaks that may begin: nobody counts on the agent any more, or a call has come, behind which it will be.
    pub(super) fn begin_breaks(&mut self, now: Now) {
        let waiting: Vec<(AgentKey, Instant)> = self.staff.breaks.0.iter().map(|(k, v)| (*k, *v)).collect();
        for (agent, until) in waiting {
            if now.instant >= until || !self.is_needed(agent) {
                self.staff.breaks.0.remove(&agent);
                self.staff.roster.say(now.instant, agent, Word::Break);
            }
        }
    }

    fn is_needed(&self, agent: AgentKey) -> bool {
        let counts = |running: &Running| running.campaign.pacer().needs_every_ready_agent();
        self.staff.roster.agent(agent).state == State::Ready
            && self.staff.post_of(agent).is_some_and(|turn| counts(&self.campaigns[turn]))
    }
}
