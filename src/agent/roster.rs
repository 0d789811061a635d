//! All agents: who is doing what, since when, and who is next.
//!
//! ```text
//!               chosen        answered          hung up
//!   Ready ----> Ringing ----> Talking ----> WrapUp ---- time is over, or "ready" ----> Ready
//!     | ^        |    |
//!     | +--------+    +--- too many in a row ---> Away
//!     |  not answered, or the caller has gone
//!     +--> Reserved --> Ringing
//! ```
//!
//! Whatever agents say of themselves while a call is with them counts from the end of that call on.

use super::options::Options;
use super::state::{State, Word};
use crate::time::Instant;
use std::collections::VecDeque;
use std::fmt;

/// The most agents of one engine.
pub const AGENTS_MAX: usize = 5_000;

/// An agent, as the engine tells them apart; valid for the engine's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AgentKey(pub u32);

/// One agent.
#[derive(Clone, PartialEq, Debug)]
pub struct Agent {
    /// As configured.
    pub options: Options,
    /// What they are doing ...
    pub state: State,
    /// ... and since when.
    pub since: Instant,
    /// Without a call since then: who has waited longest is next.
    pub idle_since: Instant,
    /// Calls in a row that the phone did not take.
    pub misses: u32,
    /// Calls taken since the start.
    pub calls: u64,
    // Said while a call was with them.
    afterwards: Option<Word>,
    // Not in the configuration any more: signed out, and out of every list.
    retired: bool,
}

/// An agent's state has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Whose.
    pub agent: AgentKey,
    /// To what.
    pub state: State,
}

/// There is no agent of that name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    name: String,
    known: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known.is_empty() {
            true => write!(f, "no agent is called {:?}: the configuration has no [[agent]]", self.name),
            false => write!(f, "no agent is called {:?}; there are: {}", self.name, self.known.join(", ")),
        }
    }
}

/// All agents.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    // At most `AGENTS_MAX` that are not retired; a key is a place in it.
    agents: Vec<Agent>,
    // Bounded by the changes of one input: a few, or one for each agent.
    changes: VecDeque<Change>,
}

impl Roster {
    /// These agents, each in its initial state.
    pub fn new(now: Instant, agents: Vec<Options>) -> Roster {
        let mut roster = Roster::default();
        roster.handle_options(now, agents);
        roster
    }

    /// The agents are these from now on. Known ones keep their state; one that is not among them takes no further call.
    pub fn handle_options(&mut self, now: Instant, agents: Vec<Options>) {
        for place in 0..self.agents.len() {
            let gone = !agents.iter().any(|options| options.name == self.agents[place].options.name);
            if gone && !self.agents[place].retired {
                self.agents[place].retired = true;
                self.say(now, AgentKey(place as u32), Word::Offline);
            }
        }
        for options in agents.into_iter().take(AGENTS_MAX) {
            match self.agents.iter_mut().find(|agent| agent.options.name == options.name) {
                Some(agent) => {
                    agent.options = options;
                    agent.retired = false;
                }
                None => self.add(now, options),
            }
        }
    }

    fn add(&mut self, now: Instant, options: Options) {
        let state = State::from(options.initial);
        let agent = Agent {
            options,
            state,
            since: now,
            idle_since: now,
            misses: 0,
            calls: 0,
            afterwards: None,
            retired: false,
        };
        let key = AgentKey(self.agents.len() as u32);
        self.agents.push(agent);
        self.changes.push_back(Change { agent: key, state });
    }

    /// The agent of a name.
    pub fn find(&self, name: &str) -> Result<AgentKey, Unknown> {
        self.iter().find(|(_, agent)| agent.options.name == name).map(|(key, _)| key).ok_or_else(|| Unknown {
            name: name.to_owned(),
            known: self.iter().map(|(_, agent)| agent.options.name.clone()).collect(),
        })
    }

    /// One agent.
    pub fn agent(&self, key: AgentKey) -> &Agent {
        &self.agents[key.0 as usize]
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (AgentKey, &Agent)> {
        let present = |(_, agent): &(usize, &Agent)| !agent.retired;
        self.agents.iter().enumerate().filter(present).map(|(place, agent)| (AgentKey(place as u32), agent))
    }

    /// An agent says something of themselves; with a call on the line it counts from its end on.
    pub fn say(&mut self, now: Instant, key: AgentKey, word: Word) {
        let agent = &mut self.agents[key.0 as usize];
        agent.misses = 0;
        if agent.state.is_busy() {
            agent.afterwards = (word != Word::Ready).then_some(word);
        } else if agent.state != State::from(word) {
            agent.idle_since = now;
            self.enter(now, key, word.into());
        }
    }

    /// Who has waited longest of those who are ready and for whom `fits` holds.
    pub fn longest_idle(&self, fits: impl Fn(AgentKey, &Agent) -> bool) -> Option<AgentKey> {
        let ready = self.iter().filter(|(key, agent)| agent.state == State::Ready && fits(*key, agent));
        ready.min_by_key(|(key, agent)| (agent.idle_since, *key)).map(|(key, _)| key)
    }

    /// A contact is kept for this agent, who was ready.
    pub fn handle_reserved(&mut self, now: Instant, key: AgentKey) {
        self.enter(now, key, State::Reserved);
    }

    /// The phone rings for a call.
    pub fn handle_ringing(&mut self, now: Instant, key: AgentKey) {
        self.enter(now, key, State::Ringing);
    }

    /// A former run has left a call with this agent's phone: until that is over no other may come.
    pub fn handle_adopted(&mut self, now: Instant, key: AgentKey, is_answered: bool) {
        let agent = &mut self.agents[key.0 as usize];
        let state = if is_answered { State::Talking } else { State::Ringing };
        if agent.state == State::Talking {
            return;
        }
        agent.afterwards = match agent.state {
            State::Offline => Some(Word::Offline),
            State::Break => Some(Word::Break),
            State::Away { .. } => Some(Word::Away),
            State::Ready | State::WrapUp { .. } => None,
            State::Reserved | State::Ringing | State::Talking => agent.afterwards,
        };
        self.enter(now, key, state);
    }

    /// The agent has taken the call.
    pub fn handle_answered(&mut self, now: Instant, key: AgentKey) {
        let agent = &mut self.agents[key.0 as usize];
        agent.misses = 0;
        agent.calls += 1;
        self.enter(now, key, State::Talking);
    }

    /// The phone did not take the call, or could not be reached.
    pub fn handle_missed(&mut self, now: Instant, key: AgentKey) {
        let agent = &mut self.agents[key.0 as usize];
        agent.misses += 1;
        // Whoever does not come to the phone is not asked first again.
        agent.idle_since = now;
        let gives_up = agent.misses >= agent.options.misses_max;
        match agent.afterwards.take() {
            Some(word) => self.enter(now, key, word.into()),
            None if gives_up => self.enter(now, key, State::Away { missed: true }),
            None => self.enter(now, key, State::Ready),
        }
    }

    /// The call is over, or the contact that was kept is gone. A talk is written up; a phone that only rang is as idle as
    /// it was.
    pub fn handle_released(&mut self, now: Instant, key: AgentKey) {
        let agent = &mut self.agents[key.0 as usize];
        let wrap_up = agent.options.wrap_up();
        match agent.state {
            State::Talking if !wrap_up.is_zero() => {
                self.enter(now, key, State::WrapUp { until: now + wrap_up });
            }
            State::Talking => {
                agent.idle_since = now;
                self.go_on(now, key);
            }
            State::Reserved | State::Ringing => self.go_on(now, key),
            State::Offline | State::Ready | State::WrapUp { .. } | State::Break | State::Away { .. } => {}
        }
    }

    /// Wrap-ups whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        for place in 0..self.agents.len() {
            if let State::WrapUp { until } = self.agents[place].state
                && until <= now
            {
                self.agents[place].idle_since = now;
                self.go_on(now, AgentKey(place as u32));
            }
        }
    }

    /// When to call [`Roster::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let until = |agent: &Agent| match agent.state {
            State::WrapUp { until } => Some(until),
            _ => None,
        };
        self.agents.iter().filter_map(until).min()
    }

    /// The next change of anybody's state.
    pub fn poll_output(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// As said during the call, or ready for the next one.
    fn go_on(&mut self, now: Instant, key: AgentKey) {
        let said = self.agents[key.0 as usize].afterwards.take();
        self.enter(now, key, said.unwrap_or(Word::Ready).into());
    }

    fn enter(&mut self, now: Instant, key: AgentKey, state: State) {
        let agent = &mut self.agents[key.0 as usize];
        (agent.state, agent.since) = (state, now);
        self.changes.push_back(Change { agent: key, state });
    }
}

#[cfg(test)]
mod tests;
