//! The forecast as tables: the chance of each line and each agent at the five moments ahead, by how long it has lasted.
//!
//! Worked out when the distributions are, whatever the number of lines; a decision only looks up.

use super::durations::Bins;
use super::floor::{Phase, Presence};
use super::forecast::Forecast;

/// At which quantiles of the time to a request the risk is taken.
pub const QUANTILES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// One chance for each moment ahead.
pub type Chances = [f64; QUANTILES.len()];

/// For agents: finer than the histograms, since the chances bend within one of their bins.
const AGENTS: Bins = Bins { first_s: 0.5, growth: 1.03, count: 184 };

/// Chances at the edges of bins; between them they lie on a line.
#[derive(Clone, Debug)]
struct Table {
    bins: Bins,
    edges: Vec<Chances>,
}

impl Table {
    fn new(bins: Bins, chances: impl Fn(f64) -> Chances) -> Self {
        Table { bins, edges: (0..=bins.count).map(|edge| chances(bins.begin(edge))).collect() }
    }

    fn at(&self, elapsed_s: f64) -> Chances {
        let (bin, within) = self.bins.place(elapsed_s);
        let (before, after) = (&self.edges[bin], &self.edges[bin + 1]);
        std::array::from_fn(|n| before[n] + (after[n] - before[n]) * within)
    }
}

/// The tables.
#[derive(Clone, Debug)]
pub struct Outlook {
    dialing: Table,
    judging: Table,
    talking: Table,
    wrapping_up: Table,
}

impl Outlook {
    /// Of what is forecast now. An agent who is free `grace_s` after the request is still in time.
    pub fn new(forecast: &Forecast, grace_s: f64) -> Self {
        let aheads = QUANTILES.map(|p| forecast.request_quantile_s(p));
        let line = |bins, phase| {
            Table::new(bins, |elapsed_s| aheads.map(|s| forecast.request_within(phase, elapsed_s, s)))
        };
        let agent = |presence| {
            Table::new(AGENTS, |elapsed_s| {
                aheads.map(|s| forecast.free_within(presence, elapsed_s, s + grace_s))
            })
        };
        Outlook {
            dialing: line(Bins::RINGING, Phase::Dialing),
            judging: line(Bins::VERDICT, Phase::Judging),
            talking: agent(Presence::Talking),
            wrapping_up: agent(Presence::WrapUp),
        }
    }

    /// The chances that a line in this phase for `elapsed_s` asks for an agent, for each unit of
    /// [`Forecast::wanting_share`].
    pub fn requests(&self, phase: Phase, elapsed_s: f64) -> Chances {
        match phase {
            Phase::Dialing => self.dialing.at(elapsed_s),
            Phase::Judging => self.judging.at(elapsed_s),
        }
    }

    /// The chances that an agent is free.
    pub fn frees(&self, presence: Presence, elapsed_s: f64) -> Chances {
        match presence {
            Presence::Ready => [1.0; QUANTILES.len()],
            Presence::Away => [0.0; QUANTILES.len()],
            Presence::Talking => self.talking.at(elapsed_s),
            Presence::WrapUp => self.wrapping_up.at(elapsed_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::forecast::Guess;
    use super::*;

    #[test]
    fn the_tables_say_what_the_forecast_says() {
        let forecast = Forecast::new(Guess::default());
        let outlook = Outlook::new(&forecast, 1.8);
        let aheads = QUANTILES.map(|p| forecast.request_quantile_s(p));
        for elapsed_s in [0.0, 0.3, 4.0, 11.2, 19.9] {
            for phase in [Phase::Dialing, Phase::Judging] {
                let exact = aheads.map(|s| forecast.request_within(phase, elapsed_s, s));
                assert_near(outlook.requests(phase, elapsed_s), exact, 0.1);
            }
        }
        for elapsed_s in [0.0, 7.0, 60.0, 200.0, 900.0] {
            for presence in [Presence::Ready, Presence::Talking, Presence::WrapUp, Presence::Away] {
                let exact = aheads.map(|s| forecast.free_within(presence, elapsed_s, s + 1.8));
                assert_near(outlook.frees(presence, elapsed_s), exact, 0.03);
            }
        }
    }

    fn assert_near(table: Chances, exact: Chances, tolerance: f64) {
        for (a, b) in table.iter().zip(exact) {
            assert!((a - b).abs() <= tolerance, "{table:?} and {exact:?}");
        }
    }
}
