//! Campaigns of many days, each day another, held against their limits.
//!
//! From one seed: the law, the number of agents, the caps, the detector's errors; then for each day the hours, answer rates
//! and ring times that change from hour to hour, breaks, shifts, and outages. The ledger of abandoned people goes from day
//! to day, as a restart of the engine would take it over.

use super::chance::Spread;
use super::day::{Plan, play_after};
use super::scenario::{Callees, Detection, ListTable, Outage, Scenario, Shift, Trunks, Work};
use super::tally::Tally;
use crate::campaign::pacing::{Dialing, Mode, budget};
use crate::rng::Rng;
use serde::Serialize;

/// The days of one campaign: more than the law looks back upon.
pub const DAYS_EACH: u32 = 40;

/// Group sizes.
const AGENTS_MIN: f64 = 3.0;
const AGENTS_MAX: f64 = 100.0;

/// The windows of the ledger that ended, one each day.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Windows {
    /// How many.
    pub checked: u64,
    /// Those with more people abandoned than the law allows.
    pub over: u64,
    /// The highest share of abandoned people of any, of what the law allows.
    pub worst_of_limit: f64,
    /// Days on which the guard had to hold the campaign back at their end.
    pub guarded: u64,
}

impl Windows {
    /// Takes another campaign's in.
    pub fn add(&mut self, other: &Windows) {
        self.checked += other.checked;
        self.over += other.over;
        self.worst_of_limit = self.worst_of_limit.max(other.worst_of_limit);
        self.guarded += other.guarded;
    }
}

/// One campaign on its way.
#[derive(Clone, Debug)]
pub struct Course {
    rng: Rng,
    mode: Mode,
    agents: u32,
    base: Scenario,
    past: Vec<budget::Day>,
    windows: Windows,
    tally: Tally,
}

impl Course {
    /// The campaign of this seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let mode = match rng.below(10) {
            0 => Mode::Progressive,
            1 => Mode::Power,
            2 => Mode::Boost,
            3 => Mode::PowerAuto,
            _ => Mode::Predictive,
        };
        let agents = (AGENTS_MIN * (AGENTS_MAX / AGENTS_MIN).powf(rng.unit())).round();
        let callees = Callees {
            from_h: 0.0,
            live: within(&mut rng, 0.08, 0.35),
            machine: within(&mut rng, 0.15, 0.45),
            failed: within(&mut rng, 0.0, 0.1),
            ring: 1.0,
        };
        let detection = detection(&mut rng, &callees);
        let base = Scenario {
            dialing: dialing(&mut rng),
            detection,
            callees: vec![callees],
            trunks: Trunks {
                lines_max: (agents * within(&mut rng, 1.5, 8.0)).ceil() as u32,
                calls_per_second_max: within(&mut rng, 0.5, 20.0),
            },
            work: Work {
                talk: Spread::new(within(&mut rng, 30.0, 240.0), within(&mut rng, 0.5, 1.3)),
                wrap_up: Spread::new(within(&mut rng, 4.0, 30.0), 0.5),
                break_every_min: within(&mut rng, 40.0, 120.0),
                break_min: within(&mut rng, 5.0, 15.0),
                ..Work::default()
            },
            ..Scenario::default()
        };
        let (past, windows, tally) = Default::default();
        Course { rng, mode, agents: agents as u32, base, past, windows, tally }
    }

    /// Its law.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How many agents it has.
    pub fn agents(&self) -> u32 {
        self.agents
    }

    /// Its days together.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What its ledger came to.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Its next day.
    pub fn play_day(&mut self) {
        let scenario = self.next_scenario();
        let day = self.past.len() as i64;
        let plan =
            Plan { mode: self.mode, agents: self.agents, seed: self.rng.next_u64(), day, past: &self.past };
        let tally = play_after(&scenario, plan);
        self.past.push(tally.ledger);
        self.windows.guarded += u64::from(tally.ends_guarded);
        self.check_window();
        self.tally.add(&tally);
    }

    /// Adds up anew, from the counts of the days, what the campaign's own ledger should have kept within its limit.
    fn check_window(&mut self) {
        let dialing = &self.base.dialing;
        let days = self.past.iter().rev().take(dialing.abandonment_window_days as usize);
        let (mut people, mut abandoned) = (0.0, 0.0);
        for day in days {
            let mistaken = day.machines as f64 * self.base.detection.mistaken_share;
            people += day.people as f64 + mistaken;
            abandoned += day.abandoned as f64 + mistaken;
        }
        let of_limit = if people > 0.0 { abandoned / people / dialing.abandonment_limit } else { 0.0 };
        self.windows.checked += 1;
        self.windows.over += u64::from(of_limit > 1.0);
        self.windows.worst_of_limit = self.windows.worst_of_limit.max(of_limit);
    }

    fn next_scenario(&mut self) -> Scenario {
        let rng = &mut self.rng;
        let hours = within(rng, 2.0, 5.0);
        let usual = self.base.callees[0];
        let callees = (0..hours.ceil() as u32)
            .map(|hour| Callees {
                from_h: f64::from(hour),
                live: usual.live * within(rng, 0.6, 1.5),
                machine: usual.machine * within(rng, 0.8, 0.95),
                failed: usual.failed,
                ring: within(rng, 0.7, 1.4),
            })
            .collect();
        let outages = (0..rng.below(3))
            .map(|_| {
                let from_h = within(rng, 0.0, hours);
                Outage { from_h, to_h: from_h + within(rng, 0.03, 0.3), takes_none: rng.chance(0.5) }
            })
            .collect();
        let change_h = within(rng, hours * 0.3, hours * 0.7);
        let shifts = vec![
            Shift { share: within(rng, 0.2, 0.5), from_h: 0.0, to_h: change_h },
            Shift { share: within(rng, 0.1, 0.4), from_h: change_h * 0.9, to_h: hours },
            Shift { share: 1.0, from_h: 0.0, to_h: hours - 0.02 },
        ];
        // The last quarter of an hour is beyond the hours, and so is the beginning.
        let closes_min = Some((hours * 60.0) as u32 - 15);
        let list = ListTable {
            opted_out: 0.02,
            doubled: 0.02,
            tries_again: true,
            opens_min: rng.below(10) as u32,
            closes_min,
        };
        Scenario { hours, callees, outages, shifts, list, ..self.base.clone() }
    }
}

fn within(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.unit()
}

/// The law of the United States (3 % of 30 days), or that of the United Kingdom (3 % of a day).
fn dialing(rng: &mut Rng) -> Dialing {
    Dialing {
        ratio: within(rng, 1.5, 3.0),
        boost_factor: within(rng, 1.0, 2.0),
        abandonment_target: within(rng, 0.014, 0.022),
        abandonment_limit: 0.03,
        abandonment_window_days: if rng.chance(0.5) { 30 } else { 1 },
        lines_per_agent_max: within(rng, 4.0, 12.0),
        waiting_max: 1 + rng.below(5) as u32,
        ..Dialing::default()
    }
}

/// A detector whose errors are known as labels tell them: a little too well, or not well enough.
fn detection(rng: &mut Rng, callees: &Callees) -> Detection {
    let (human_lost, machine_passed) = (within(rng, 0.0, 0.008), within(rng, 0.02, 0.15));
    let lost = callees.live * human_lost;
    let share = lost / (lost + callees.machine * (1.0 - machine_passed));
    Detection {
        human: Spread::new(within(rng, 0.6, 1.3), 0.4),
        machine: Spread::new(within(rng, 1.2, 3.0), 0.4),
        human_lost,
        machine_passed,
        mistaken_share: share * within(rng, 0.8, 1.3),
        ..Detection::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::Breaches;
    use super::super::wire::Excess;
    use super::*;

    #[test]
    fn a_window_is_added_up_over_the_days_that_the_law_looks_back_upon() {
        let mut course = Course::new(1);
        course.base.dialing.abandonment_window_days = 2;
        course.base.detection.mistaken_share = 0.0;
        for (people, abandoned) in [(100, 9), (100, 2), (100, 4)] {
            course.past.push(budget::Day { day: 0, people, abandoned, machines: 50 });
        }
        course.check_window();
        assert_eq!((course.windows.checked, course.windows.over), (1, 0), "6 of 200 is the limit itself");
        course.past[2].abandoned = 5;
        course.check_window();
        assert_eq!((course.windows.checked, course.windows.over), (2, 1));
    }

    #[test]
    fn days_of_every_kind_stay_within_their_limits() {
        let mut modes = Vec::new();
        for seed in 0..5 {
            let mut course = Course::new(seed);
            course.agents = course.agents.min(12);
            (0..3).for_each(|_| course.play_day());
            assert_eq!(course.tally.excess, Excess::default(), "seed {seed}");
            assert_eq!(course.windows.over, 0, "seed {seed}: {:?}", course.windows);
            assert_eq!(course.tally.breaches, Breaches::default(), "seed {seed}");
            assert!(course.tally.people > 0, "seed {seed}");
            modes.push(course.mode);
        }
        modes.dedup();
        assert!(modes.len() > 1, "{modes:?}");
    }
}
