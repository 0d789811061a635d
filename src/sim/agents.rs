//! Agents on the carrier's side, as a PBX would have them: extensions that ring, and a queue before them.
//!
//! An agent takes one call at a time, says who they are by a marker, and hangs up when the talk time is over. A call to
//! the queue rings the first member that is free; while none is, the caller waits and hears nothing but ringing.

use crate::sim::callee;
use crate::sim::ear::Ear;
use crate::sim::voice::{Marker, Script};
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// An agent's extension.
#[derive(Clone, PartialEq, Debug)]
pub struct Agent {
    /// The user part of the agent's URI.
    pub extension: String,
    /// How long the phone rings before the agent takes it.
    pub ring: Duration,
    /// Hangs up this long after hearing a callee's first word, or after answering when none is heard.
    pub talk: Duration,
    /// By what a callee knows that it heard this agent.
    pub marker: Marker,
}

/// A queue with members.
#[derive(Clone, PartialEq, Debug)]
pub struct Queue {
    /// The user part of the queue's URI.
    pub name: String,
    /// The members' extensions, in the order in which they are asked.
    pub members: Vec<String>,
    /// The most calls that wait; further ones are answered with 480.
    pub waiting_max: usize,
}

impl Agent {
    /// What the agent says as soon as the call is answered, until it ends.
    pub fn opening(&self) -> Script {
        callee::talk(self.marker, Duration::from_millis(200))
    }
}

/// An agent in a call.
#[derive(Clone, Debug)]
pub struct Conduct {
    agent: Agent,
    answered_at: Instant,
    heard_at: Option<Instant>,
}

impl Conduct {
    /// The agent has answered; [`Agent::opening`] is being said.
    pub fn new(agent: Agent, now: Instant) -> Conduct {
        Conduct { agent, answered_at: now, heard_at: None }
    }

    /// Another 20 ms have passed.
    pub fn handle_frame(&mut self, now: Instant, ear: &Ear) -> Option<callee::Act> {
        let other = ear.markers().keys().any(|marker| *marker != self.agent.marker);
        if other && self.heard_at.is_none() {
            self.heard_at = Some(now);
        }
        let since = now - self.heard_at.unwrap_or(self.answered_at + HEARD_WITHIN);
        (since >= self.agent.talk).then_some(callee::Act::HangUp)
    }
}

/// An agent who hears no callee within this time counts the talk time from then on.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// Where a call to a URI goes.
#[derive(Clone, PartialEq, Debug)]
pub enum Routed {
    /// To this agent, who is taken from now on.
    Agent(Agent),
    /// The agent is in a call: 486.
    Busy,
    /// Into the queue, to wait for [`Agents::next_waiting`].
    Waits,
    /// The queue is full: 480.
    Full,
    /// Neither an agent nor a queue has this name.
    Unknown,
}

/// All agents, who of them is in a call, and who waits for one. A call is named by a number of the caller's choice.
#[derive(Debug, Default)]
pub struct Agents {
    agents: Vec<(Agent, Option<u64>)>,
    queues: Vec<(Queue, VecDeque<u64>)>,
}

impl Agents {
    /// These agents and queues, all free.
    pub fn new(agents: Vec<Agent>, queues: Vec<Queue>) -> Agents {
        Agents {
            agents: agents.into_iter().map(|agent| (agent, None)).collect(),
            queues: queues.into_iter().map(|queue| (queue, VecDeque::new())).collect(),
        }
    }

    /// Whether the name is an agent's or a queue's.
    pub fn knows(&self, name: &str) -> bool {
        self.agents.iter().any(|(a, _)| a.extension == name)
            || self.queues.iter().any(|(q, _)| q.name == name)
    }

    /// A call to `name` comes in.
    pub fn handle_call(&mut self, name: &str, call: u64) -> Routed {
        if let Some((agent, taken)) = self.agents.iter_mut().find(|(a, _)| a.extension == name) {
            if taken.is_some() {
                return Routed::Busy;
            }
            *taken = Some(call);
            return Routed::Agent(agent.clone());
        }
        let Some(queue) = self.queues.iter().position(|(q, _)| q.name == name) else {
            return Routed::Unknown;
        };
        if let Some(agent) = self.free_member(queue, call) {
            return Routed::Agent(agent);
        }
        let (queue, waiting) = &mut self.queues[queue];
        if waiting.len() >= queue.waiting_max {
            return Routed::Full;
        }
        waiting.push_back(call);
        Routed::Waits
    }

    fn free_member(&mut self, queue: usize, call: u64) -> Option<Agent> {
        let members = &self.queues[queue].0.members;
        let free = |(agent, taken): &&mut (Agent, Option<u64>)| {
            taken.is_none() && members.contains(&agent.extension)
        };
        let (agent, taken) = self.agents.iter_mut().find(free)?;
        *taken = Some(call);
        Some(agent.clone())
    }

    /// A call is over, whether it had an agent or still waited.
    pub fn handle_end(&mut self, call: u64) {
        for (_, taken) in &mut self.agents {
            if *taken == Some(call) {
                *taken = None;
            }
        }
        for (_, waiting) in &mut self.queues {
            waiting.retain(|other| *other != call);
        }
    }

    /// The call that has waited longest and now has an agent.
    pub fn next_waiting(&mut self) -> Option<(u64, Agent)> {
        for queue in 0..self.queues.len() {
            let Some(call) = self.queues[queue].1.front().copied() else { continue };
            if let Some(agent) = self.free_member(queue, call) {
                self.queues[queue].1.pop_front();
                return Some((call, agent));
            }
        }
        None
    }

    /// How many agents are in a call.
    pub fn busy(&self) -> usize {
        self.agents.iter().filter(|(_, taken)| taken.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_takes_one_call_at_a_time() {
        let mut agents = two();
        assert!(matches!(agents.handle_call("601", 1), Routed::Agent(agent) if agent.extension == "601"));
        assert_eq!(agents.handle_call("601", 2), Routed::Busy);
        agents.handle_end(1);
        assert!(matches!(agents.handle_call("601", 3), Routed::Agent(_)));
        assert_eq!(agents.handle_call("699", 4), Routed::Unknown);
    }

    #[test]
    fn a_queue_serves_in_order_and_forgets_who_hung_up() {
        let mut agents = two();
        assert!(matches!(agents.handle_call("queue", 1), Routed::Agent(agent) if agent.extension == "601"));
        assert!(matches!(agents.handle_call("queue", 2), Routed::Agent(agent) if agent.extension == "602"));
        assert_eq!(agents.handle_call("queue", 3), Routed::Waits);
        assert_eq!(agents.handle_call("queue", 4), Routed::Waits);
        assert_eq!(agents.handle_call("queue", 5), Routed::Full);
        assert_eq!(agents.next_waiting(), None);
        agents.handle_end(3);
        agents.handle_end(2);
        assert!(matches!(agents.next_waiting(), Some((4, agent)) if agent.extension == "602"));
        assert_eq!(agents.busy(), 2);
    }

    fn two() -> Agents {
        let agent = |n: usize| Agent {
            extension: format!("60{n}"),
            ring: Duration::from_millis(500),
            talk: Duration::from_secs(3),
            marker: Marker::new(n),
        };
        let queue = Queue { name: "queue".into(), members: vec!["601".into(), "602".into()], waiting_max: 2 };
        Agents::new(vec![agent(1), agent(2)], vec![queue])
    }
}
