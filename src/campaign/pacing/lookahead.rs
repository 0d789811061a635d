//! Risk-bounded lookahead: one more line is dialed if, were a person to answer it, the chance that no agent is there is
//! at most a threshold.
//!
//! The moment of that answer is taken at five quantiles. At each, the calls that by then want an agent and the agents that
//! by then are free are sums of independent chances (Poisson-binomial); small ones are convolved exactly, large ones
//! are taken as normal. Means and variances add, so that each further line costs the same five additions.

use super::durations::normal_cdf;
use super::floor::{Floor, Phase};
use super::forecast::{Forecast, seconds};
use crate::time::Instant;

/// At which quantiles of the time to a request the risk is taken.
const QUANTILES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// Up to so many lines and so many agents the sums are convolved exactly.
const EXACT_LINES: usize = 80;
const EXACT_AGENTS: usize = 20;

/// The number of calls for agents less the number of free agents, at one moment ahead.
#[derive(Clone, Debug)]
struct Balance {
    ahead_s: f64,
    // Of the calls less the agents that will have become free.
    mean: f64,
    variance: f64,
    // The chances of 0, 1, 2 ... calls, and of 0, 1, 2 ... agents, where these are few.
    exact: Option<(Vec<f64>, Vec<f64>)>,
}

impl Balance {
    fn add_call(&mut self, chance: f64) {
        self.mean += chance;
        self.variance += chance * (1.0 - chance);
        match &mut self.exact {
            Some((calls, _)) if calls.len() <= EXACT_LINES => add(calls, chance),
            exact => *exact = None,
        }
    }

    fn add_agent(&mut self, chance: f64) {
        self.mean -= chance;
        self.variance += chance * (1.0 - chance);
        match &mut self.exact {
            Some((_, agents)) if agents.len() <= EXACT_AGENTS => add(agents, chance),
            exact => *exact = None,
        }
    }

    /// The chance that calls less newly free agents are `ready` or more: that one more call finds nobody.
    fn short(&self, ready: i64) -> f64 {
        if let Some((calls, agents)) = &self.exact {
            return short_exactly(calls, agents, ready);
        }
        let spread = self.variance.sqrt().max(1e-6);
        normal_cdf((self.mean - ready as f64 + 0.5) / spread)
    }
}

/// One more independent chance joins a count.
fn add(counts: &mut Vec<f64>, chance: f64) {
    counts.push(0.0);
    for n in (1..counts.len()).rev() {
        counts[n] = counts[n] * (1.0 - chance) + counts[n - 1] * chance;
    }
    counts[0] *= 1.0 - chance;
}

fn short_exactly(calls: &[f64], agents: &[f64], ready: i64) -> f64 {
    let mut risk = 0.0;
    for (free, chance) in agents.iter().enumerate() {
        let from = (ready + free as i64).max(0) as usize;
        risk += chance * calls.iter().skip(from).sum::<f64>();
    }
    risk.min(1.0)
}

/// The moments ahead, filled with what is in flight.
#[derive(Clone, Debug)]
pub struct Lookahead {
    balances: Vec<Balance>,
    // What one more line adds to each.
    new_line: Vec<f64>,
    ready: i64,
}

impl Lookahead {
    /// As things stand. An agent that is free `grace_s` after the request is still in time.
    pub fn new(now: Instant, floor: &Floor, forecast: &Forecast, grace_s: f64) -> Self {
        let exact = floor.lines().len() <= EXACT_LINES && floor.staffed() <= EXACT_AGENTS;
        let aheads = QUANTILES.map(|p| forecast.request_quantile_s(p));
        let balances =
            aheads.iter().map(|ahead_s| balance(now, floor, forecast, *ahead_s, grace_s, exact)).collect();
        Lookahead {
            balances,
            new_line: aheads.iter().map(|s| forecast.request_within(Phase::Dialing, 0.0, *s)).collect(),
            ready: floor.ready() as i64 - floor.waiting() as i64,
        }
    }

    /// The risk that a person on one more line finds no agent.
    pub fn risk(&self) -> f64 {
        let sum: f64 = self.balances.iter().map(|balance| balance.short(self.ready)).sum();
        sum / self.balances.len() as f64
    }

    /// One more line is dialed.
    pub fn add_line(&mut self) {
        for (balance, chance) in self.balances.iter_mut().zip(&self.new_line) {
            balance.add_call(*chance);
        }
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

fn balance(
    now: Instant,
    floor: &Floor,
    forecast: &Forecast,
    ahead_s: f64,
    grace_s: f64,
    exact: bool,
) -> Balance {
    let mut balance =
        Balance { ahead_s, mean: 0.0, variance: 0.0, exact: exact.then(|| (vec![1.0], vec![1.0])) };
    for line in floor.lines() {
        balance.add_call(forecast.request_within(line.phase, seconds(now, line.since), balance.ahead_s));
    }
    for (_, presence, since) in floor.agents() {
        if presence != super::floor::Presence::Ready {
            balance.add_agent(forecast.free_within(presence, seconds(now, since), ahead_s + grace_s));
        }
    }
    balance
}
