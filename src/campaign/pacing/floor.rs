//! What pacing knows of this moment: the agents and what each is doing, the lines in flight, and who waits.

use crate::time::Instant;
use std::collections::BTreeMap;

/// An agent, as pacing tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AgentId(pub u32);

/// What an agent is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// Waits for a call.
    Ready,
    /// Is on a call, or being connected to one.
    Talking,
    /// Writes up the last one.
    WrapUp,
    /// On a break, away or gone: pacing does not count on them.
    Away,
}

/// A dialed attempt, numbered in dial order.
pub type Attempt = u64;

/// Where a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// From the INVITE to the answer.
    Dialing,
    /// Answered, and being judged.
    Judging,
}

/// One line in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// When it was dialed.
    pub dialed_at: Instant,
    /// Where it is ...
    pub phase: Phase,
    /// ... and since when.
    pub since: Instant,
}

/// Agents, lines and waiting people.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    // Bounded by the agents configured, by the campaign's lines, and by the latter again.
    agents: BTreeMap<AgentId, (Presence, Instant)>,
    // How many of them wait for a call.
    ready: usize,
    lines: BTreeMap<Attempt, Line>,
    waiting: BTreeMap<Attempt, Instant>,
}

impl Floor {
    /// An agent's state changes. Returns what it was, and since when.
    pub fn set_agent(
        &mut self,
        now: Instant,
        agent: AgentId,
        presence: Presence,
    ) -> Option<(Presence, Instant)> {
        let before = if presence == Presence::Away {
            self.agents.remove(&agent)
        } else {
            self.agents.insert(agent, (presence, now))
        };
        self.ready -= usize::from(before.is_some_and(|(before, _)| before == Presence::Ready));
        self.ready += usize::from(presence == Presence::Ready);
        before
    }

    /// What an agent is doing; `None` when pacing does not count on them.
    pub fn presence(&self, agent: AgentId) -> Option<Presence> {
        self.agents.get(&agent).map(|(presence, _)| *presence)
    }

    /// A line begins.
    pub fn dialed(&mut self, now: Instant, attempt: Attempt) {
        self.lines.insert(attempt, Line { dialed_at: now, phase: Phase::Dialing, since: now });
    }

    /// It was answered. Returns the line as it was.
    pub fn answered(&mut self, now: Instant, attempt: Attempt) -> Option<Line> {
        let line = self.lines.get_mut(&attempt)?;
        let before = *line;
        (line.phase, line.since) = (Phase::Judging, now);
        Some(before)
    }

    /// A person on it wants an agent. Returns the line as it was; none when it was not counted on any more, as that of a
    /// machine which turns out to be a person.
    pub fn waits(&mut self, now: Instant, attempt: Attempt) -> Option<Line> {
        self.waiting.insert(attempt, now);
        self.lines.remove(&attempt)
    }

    /// The wait is over, for good or bad; false when nobody waited there.
    pub fn waits_no_more(&mut self, attempt: Attempt) -> bool {
        self.waiting.remove(&attempt).is_some()
    }

    /// The line is gone. Returns it as it was.
    pub fn ended(&mut self, attempt: Attempt) -> Option<Line> {
        self.waiting.remove(&attempt);
        self.lines.remove(&attempt)
    }

    /// The lines in flight, those of waiting people not among them.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.lines.values()
    }

    /// The agents that pacing counts on.
    pub fn agents(&self) -> impl ExactSizeIterator<Item = (AgentId, Presence, Instant)> {
        self.agents.iter().map(|(agent, (presence, since))| (*agent, *presence, *since))
    }

    /// How many agents wait for a call.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// How many agents there are.
    pub fn staffed(&self) -> usize {
        self.agents.len()
    }

    /// How many people wait for an agent.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
