//! What holds a campaign back that dials for agents, in numbers.

use std::fmt;

/// What holds a campaign back that dials for agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// No agent is signed in.
    NoAgents,
    /// Every agent is taken, and none is expected to be free in time.
    AgentsBusy {
        /// How many there are.
        staffed: usize,
    },
    /// As many lines are in flight as the waiting agents, or the risk, allow.
    LinesSuffice {
        /// How many.
        lines: usize,
        /// For so many waiting agents.
        ready: usize,
    },
    /// People wait for an agent.
    PeopleWaiting {
        /// How many.
        waiting: usize,
    },
    /// Never more lines than this for each agent.
    LinesPerAgent {
        /// The cap.
        lines: usize,
    },
}

impl Held {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Held::NoAgents => "no_agents",
            Held::AgentsBusy { .. } => "agents_busy",
            Held::LinesSuffice { .. } => "lines_suffice",
            Held::PeopleWaiting { .. } => "people_waiting",
            Held::LinesPerAgent { .. } => "lines_per_agent",
        }
    }

    /// Its numbers by name.
    pub fn numbers(self) -> Vec<(&'static str, usize)> {
        match self {
            Held::NoAgents => vec![("staffed", 0)],
            Held::AgentsBusy { staffed } => vec![("staffed", staffed), ("ready", 0)],
            Held::LinesSuffice { lines, ready } => vec![("lines", lines), ("ready", ready)],
            Held::PeopleWaiting { waiting } => vec![("waiting", waiting)],
            Held::LinesPerAgent { lines } => vec![("lines", lines)],
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::NoAgents => f.write_str("no agent is signed in"),
            Held::AgentsBusy { staffed: 1 } => f.write_str("the only agent is on a call or writes it up"),
            Held::AgentsBusy { staffed } => write!(f, "all {staffed} agents are on calls or write them up"),
            Held::LinesSuffice { lines, ready } => {
                write!(f, "{lines} lines in flight for {ready} waiting agents are as many as may be")
            }
            Held::PeopleWaiting { waiting } => write!(f, "{waiting} people wait for an agent (waiting_max)"),
            Held::LinesPerAgent { lines } => {
                write!(
                    f,
                    "{lines} lines in flight are the most for the agents there are (lines_per_agent_max)"
                )
            }
        }
    }
}
