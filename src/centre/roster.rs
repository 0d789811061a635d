//! The agents of a simulated day: what each does, since when, and what it will do next.

use super::tally::{SLICE_S, Tally};
use crate::campaign::pacing::{AgentId, Presence};

/// What an agent does once the present call is written up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Take the next call.
    Stay,
    /// Have a break.
    Break,
    /// Go home.
    Home,
}

#[derive(Clone, Copy, Debug)]
struct Agent {
    presence: Presence,
    since: f64,
    wish: Wish,
}

/// The agents.
#[derive(Clone, Debug)]
pub struct Roster {
    agents: Vec<Agent>,
}

impl Roster {
    /// So many, not there yet.
    pub fn new(agents: usize) -> Self {
        Roster { agents: vec![Agent { presence: Presence::Away, since: 0.0, wish: Wish::Stay }; agents] }
    }

    /// As pacing tells them apart.
    pub fn id(agent: usize) -> AgentId {
        AgentId(agent as u32)
    }

    /// What an agent does.
    pub fn presence(&self, agent: usize) -> Presence {
        self.agents[agent].presence
    }

    /// An agent wants something else; who goes home wants no break any more.
    pub fn wish(&mut self, agent: usize, wish: Wish) {
        if self.agents[agent].wish != Wish::Home {
            self.agents[agent].wish = wish;
        }
    }

    /// What an agent wanted, and wants no more.
    pub fn take_wish(&mut self, agent: usize) -> Wish {
        std::mem::replace(&mut self.agents[agent].wish, Wish::Stay)
    }

    /// Who has waited for a call for longest.
    pub fn idle_longest(&self) -> Option<usize> {
        let ready = |agent: &(usize, &Agent)| agent.1.presence == Presence::Ready;
        let idle = self.agents.iter().enumerate().filter(ready);
        idle.min_by(|a, b| a.1.since.total_cmp(&b.1.since)).map(|(agent, _)| agent)
    }

    /// An agent does something else from now on; what it did until now is booked.
    pub fn set(&mut self, now_s: f64, agent: usize, presence: Presence, tally: &mut Tally) {
        book(self.agents[agent], now_s, tally);
        self.agents[agent].presence = presence;
        self.agents[agent].since = now_s;
    }

    /// The day is over.
    pub fn close(&mut self, now_s: f64, tally: &mut Tally) {
        self.agents.iter().for_each(|agent| book(*agent, now_s, tally));
    }
}

/// Books what an agent did until now, slice by slice.
fn book(agent: Agent, now_s: f64, tally: &mut Tally) {
    let busy = matches!(agent.presence, Presence::Talking | Presence::WrapUp);
    let mut from = agent.since;
    while from < now_s && agent.presence != Presence::Away {
        let to = ((from / SLICE_S).floor() * SLICE_S + SLICE_S).min(now_s);
        let spent = to - from;
        let slice = tally.slice(from);
        slice.staffed_s += spent;
        slice.busy_s += if busy { spent } else { 0.0 };
        tally.staffed_s += spent;
        tally.busy_s += if busy { spent } else { 0.0 };
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_home_is_not_kept_by_a_break() {
        let mut roster = Roster::new(1);
        roster.wish(0, Wish::Home);
        roster.wish(0, Wish::Break);
        assert_eq!((roster.take_wish(0), roster.take_wish(0)), (Wish::Home, Wish::Stay));
    }

    #[test]
    fn time_is_booked_to_the_slices_that_it_fell_in() {
        let (mut roster, mut tally) = (Roster::new(1), Tally::default());
        roster.set(SLICE_S - 100.0, 0, Presence::Ready, &mut tally);
        roster.set(SLICE_S + 50.0, 0, Presence::Talking, &mut tally);
        roster.set(SLICE_S + 90.0, 0, Presence::Away, &mut tally);
        roster.close(SLICE_S * 3.0, &mut tally);
        let slices: Vec<(f64, f64)> = tally.slices.iter().map(|s| (s.staffed_s, s.busy_s)).collect();
        assert_eq!(slices, [(100.0, 0.0), (90.0, 40.0)]);
    }
}
