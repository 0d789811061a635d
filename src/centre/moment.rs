//! What the pacer saw and decided at one moment of a simulated day: a line of the trace.

use super::tally::Tally;
use crate::campaign::Campaign;
use crate::campaign::pacing::Presence;
use crate::time::Now;
use std::fmt;

/// One moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Moment {
    second: f64,
    ready: usize,
    talking: usize,
    wrapping_up: usize,
    lines: usize,
    waiting: usize,
    live_share: f64,
    threshold: f64,
    guarded: bool,
    dialed: u64,
    people: u64,
    abandoned: u64,
    held: String,
}

impl Moment {
    /// The names of the columns.
    pub const HEAD: &str = "second,ready,talking,wrapping_up,lines,waiting,live_share,threshold,guarded,dialed,people,\
                            abandoned,held";

    /// As a campaign sees it.
    pub fn of(campaign: &Campaign, now: Now, tally: &Tally) -> Self {
        let pacer = campaign.pacer();
        let agents = |doing| pacer.floor().agents().filter(|agent| agent.1 == doing).count();
        Moment {
            second: (now.instant - crate::time::Instant::ZERO).as_secs_f64(),
            ready: agents(Presence::Ready),
            talking: agents(Presence::Talking),
            wrapping_up: agents(Presence::WrapUp),
            lines: pacer.floor().lines().len(),
            waiting: pacer.floor().waiting(),
            live_share: pacer.forecast().live_share(),
            threshold: pacer.threshold(),
            guarded: pacer.is_guarded(),
            dialed: tally.dialed,
            people: tally.people,
            abandoned: tally.abandoned,
            held: pacer.clone().held(now).map_or(String::new(), |held| held.to_string()),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1},{},{},{},{},{},{:.4},{:.4},{},{},{},{},{}",
            self.second,
            self.ready,
            self.talking,
            self.wrapping_up,
            self.lines,
            self.waiting,
            self.live_share,
            self.threshold,
            self.guarded,
            self.dialed,
            self.people,
            self.abandoned,
            self.held
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::day::{Plan, play_traced};
    use super::super::scenario::Scenario;
    use super::*;
    use crate::campaign::pacing::Mode;

    #[test]
    fn a_trace_tells_each_half_second_and_adds_up_to_the_day() {
        let scenario = Scenario { hours: 0.1, ..Scenario::default() };
        let plan = Plan { mode: Mode::Predictive, agents: 4, seed: 2, day: 0, past: &[] };
        let (tally, trace) = play_traced(&scenario, plan);
        assert_eq!(trace.len(), 721);
        assert_eq!(trace.last().map(|moment| moment.dialed), Some(tally.dialed));
        for moment in &trace {
            assert_eq!(moment.ready + moment.talking + moment.wrapping_up, 4);
            let columns = moment.to_string().split(',').count();
            assert_eq!(columns, Moment::HEAD.split(',').count());
        }
        assert!(trace.iter().any(|moment| moment.held.contains("lines in flight")));
    }
}
