//! Risk-bounded lookahead: one more line is dialed if, were a person to answer it, the chance that no agent is there is
//! at most a threshold.
//!
//! The moment of that answer is taken at five quantiles. At each, the calls that by then want an agent and the agents that
//! by then are free are sums of independent chances (Poisson-binomial); small ones are convolved exactly, large ones
//! are taken as normal. Means and variances add, so that each further line costs the same five additions.

use super::durations::normal_cdf;
use super::floor::{Floor, Phase, Presence};
use super::forecast::{Forecast, seconds};
use super::outlook::{Chances, Outlook, QUANTILES};
use crate::time::Instant;

/// Up to so many agents the sums are convolved exactly.
const EXACT_AGENTS: usize = 20;

/// The number of calls for agents less the number of free agents, at one moment ahead.
#[derive(Clone, Debug)]
struct Balance {
    // Of the calls less the agents that will have become free.
    mean: f64,
    variance: f64,
    exact: Option<Exact>,
}

/// The chances of 0, 1, 2 ... calls and of 0, 1, 2 ... agents. More calls than there are agents need no telling apart.
#[derive(Clone, Debug)]
struct Exact {
    calls: Vec<f64>,
    agents: Vec<f64>,
    calls_told_apart: usize,
}

impl Balance {
    fn add_call(&mut self, chance: f64) {
        self.mean += chance;
        self.variance += chance * (1.0 - chance);
        if let Some(exact) = &mut self.exact {
            add(&mut exact.calls, chance, exact.calls_told_apart);
        }
    }

    fn add_agent(&mut self, chance: f64) {
        self.mean -= chance;
        self.variance += chance * (1.0 - chance);
        if let Some(exact) = &mut self.exact {
            add(&mut exact.agents, chance, EXACT_AGENTS + 1);
        }
    }

    /// The chance that calls less newly free agents are `ready` or more: that one more call finds nobody.
    fn short(&self, ready: i64) -> f64 {
        match &self.exact {
            Some(exact) => exact.short(ready),
            None => {
                let spread = self.variance.sqrt().max(1e-6);
                normal_cdf((self.mean - ready as f64 + 0.5) / spread)
            }
        }
    }
}

impl Exact {
    fn new(calls_told_apart: usize) -> Self {
        let certainly_none = || {
            let mut counts = Vec::with_capacity(EXACT_AGENTS + 1);
            counts.push(1.0);
            counts
        };
        Exact { calls: certainly_none(), agents: certainly_none(), calls_told_apart }
    }

    fn short(&self, ready: i64) -> f64 {
        let (mut risk, mut fewer, mut counted) = (0.0, 0.0, 0);
        for (free, chance) in self.agents.iter().enumerate() {
            let enough = (ready + free as i64).max(0) as usize;
            while counted < enough.min(self.calls.len()) {
                fewer += self.calls[counted];
                counted += 1;
            }
            risk += chance * (1.0 - fewer);
        }
        risk.clamp(0.0, 1.0)
    }
}

/// One more independent chance joins a count of which the first `told_apart` numbers are kept.
fn add(counts: &mut Vec<f64>, chance: f64, told_apart: usize) {
    if counts.len() < told_apart {
        counts.push(0.0);
    }
    for n in (1..counts.len()).rev() {
        counts[n] = counts[n] * (1.0 - chance) + counts[n - 1] * chance;
    }
    counts[0] *= 1.0 - chance;
}

/// The moments ahead, filled with what is in flight.
#[derive(Clone, Debug)]
pub struct Lookahead {
    balances: [Balance; QUANTILES.len()],
    // What one more line adds to each.
    new_line: Chances,
    ready: i64,
}

impl Lookahead {
    /// As things stand.
    pub fn new(now: Instant, floor: &Floor, forecast: &Forecast, outlook: &Outlook) -> Self {
        let staffed = floor.staffed();
        let exact = || Exact::new(staffed + 1);
        let empty = Balance { mean: 0.0, variance: 0.0, exact: (staffed <= EXACT_AGENTS).then(exact) };
        let wanting = |phase| forecast.wanting_share(phase);
        let (dialing, judging) = (wanting(Phase::Dialing), wanting(Phase::Judging));
        let mut ahead = Lookahead {
            balances: std::array::from_fn(|_| empty.clone()),
            new_line: outlook.requests(Phase::Dialing, 0.0).map(|chance| (dialing * chance).min(1.0)),
            ready: floor.ready() as i64 - floor.waiting() as i64,
        };
        for line in floor.lines() {
            let wanting = if line.phase == Phase::Dialing { dialing } else { judging };
            let chances = outlook.requests(line.phase, seconds(now, line.since));
            ahead.add_call(&chances.map(|chance| (wanting * chance).min(1.0)));
        }
        for (_, presence, since) in floor.agents().filter(|agent| agent.1 != Presence::Ready) {
            ahead.add_agent(&outlook.frees(presence, seconds(now, since)));
        }
        ahead
    }

    fn add_call(&mut self, chances: &Chances) {
        self.balances.iter_mut().zip(chances).for_each(|(balance, chance)| balance.add_call(*chance));
    }

    fn add_agent(&mut self, chances: &Chances) {
        self.balances.iter_mut().zip(chances).for_each(|(balance, chance)| balance.add_agent(*chance));
    }

    /// The risk that a person on one more line finds no agent.
    pub fn risk(&self) -> f64 {
        let sum: f64 = self.balances.iter().map(|balance| balance.short(self.ready)).sum();
        sum / self.balances.len() as f64
    }

    /// One more line is dialed.
    pub fn add_line(&mut self) {
        let new_line = self.new_line;
        self.add_call(&new_line);
    }

    /// How many more lines keep the risk at or below `threshold`, at most `lines_max`.
    pub fn lines_within(&mut self, threshold: f64, lines_max: u32) -> u32 {
        let mut lines = 0;
        while lines < lines_max && self.risk() <= threshold {
            self.add_line();
            lines += 1;
        }
        lines
    }
}
