//! What came of a day.

use super::list::Breaches;
use super::wire::Excess;
use crate::campaign::pacing::budget;
use serde::Serialize;

/// One slice of the day, for the picture.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Slice {
    /// Agent-seconds of talk and wrap-up.
    pub busy_s: f64,
    /// Agent-seconds on duty.
    pub staffed_s: f64,
    /// People who reached the point where an agent was wanted.
    pub people: u64,
    /// Of them: nobody was there in time.
    pub abandoned: u64,
    /// The most lines in flight.
    pub lines: usize,
    /// Seconds that connected people waited after the verdict.
    pub waited_s: f64,
    /// The risk that a line could carry, as last seen.
    pub threshold: f64,
}

/// Slices of a day are this long, in seconds.
pub const SLICE_S: f64 = 900.0;

/// What came of one day, or of several together.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Tally {
    /// Attempts dialed.
    pub dialed: u64,
    /// People who reached the point where an agent was wanted.
    pub people: u64,
    /// Of them: nobody was there in time.
    pub abandoned: u64,
    /// People hung up on as machines.
    pub lost: u64,
    /// What the campaign's ledger has to know of the day, counted here: machines taken for people are people to it.
    #[serde(skip)]
    pub ledger: budget::Day,
    /// Whether the campaign was held at one line for each waiting agent when the day ended.
    pub ends_guarded: bool,
    /// Machines that agents got.
    pub machines_passed: u64,
    /// Agent-seconds on duty.
    pub staffed_s: f64,
    /// Agent-seconds of talk and wrap-up.
    pub busy_s: f64,
    /// Agent-seconds of talk with people.
    pub talk_s: f64,
    /// Seconds that connected people waited after the verdict.
    pub waited_s: f64,
    /// The most lines in flight.
    pub lines_peak: usize,
    /// The most calls dialed in any second.
    pub calls_per_second_peak: u64,
    /// What was in use beyond what the trunks allow.
    pub excess: Excess,
    /// Dials that should not have been.
    pub breaches: Breaches,
    /// The highest share of abandoned people of any day.
    pub worst_day: f64,
    /// Days, and those of them above 3 %.
    pub days: u32,
    /// Days with more than 3 % abandoned.
    pub days_over: u32,
    /// Over the day.
    pub slices: Vec<Slice>,
}

impl Tally {
    /// Percent of the agents' time spent in talk and wrap-up.
    pub fn occupancy_percent(&self) -> f64 {
        percent(self.busy_s, self.staffed_s)
    }

    /// Percent of people abandoned.
    pub fn abandoned_percent(&self) -> f64 {
        percent(self.abandoned as f64, self.people as f64)
    }

    /// Minutes of talk with people, of each hour of an agent.
    pub fn talk_minutes_per_hour(&self) -> f64 {
        percent(self.talk_s, self.staffed_s) * 0.6
    }

    /// Conversations of each hour of an agent.
    pub fn conversations_per_hour(&self) -> f64 {
        let hours = self.staffed_s / 3_600.0;
        if hours > 0.0 { (self.people - self.abandoned) as f64 / hours } else { 0.0 }
    }

    /// Mean seconds that a connected person waited after the verdict.
    pub fn mean_wait_s(&self) -> f64 {
        let connected = self.people - self.abandoned;
        if connected > 0 { self.waited_s / connected as f64 } else { 0.0 }
    }

    /// The slice of this second.
    pub fn slice(&mut self, second: f64) -> &mut Slice {
        let at = (second / SLICE_S) as usize;
        if self.slices.len() <= at {
            self.slices.resize(at + 1, Slice::default());
        }
        &mut self.slices[at]
    }

    /// A call begins, with so many at once, and in the last second.
    pub fn count_dial(&mut self, second: f64, lines: usize, in_second: usize) {
        self.dialed += 1;
        self.lines_peak = self.lines_peak.max(lines);
        self.calls_per_second_peak = self.calls_per_second_peak.max(in_second as u64);
        let slice = self.slice(second);
        slice.lines = slice.lines.max(lines);
    }

    /// Ends a day: its own share becomes that of a worst day.
    pub fn close_day(&mut self) {
        (self.days, self.worst_day) = (1, self.abandoned_percent() / 100.0);
        self.days_over = u32::from(self.worst_day > 0.03);
    }

    /// Takes another day in.
    pub fn add(&mut self, day: &Tally) {
        self.dialed += day.dialed;
        self.people += day.people;
        self.abandoned += day.abandoned;
        self.lost += day.lost;
        self.excess.lines += day.excess.lines;
        self.excess.calls_per_second += day.excess.calls_per_second;
        self.breaches.add(&day.breaches);
        self.machines_passed += day.machines_passed;
        self.staffed_s += day.staffed_s;
        self.busy_s += day.busy_s;
        self.talk_s += day.talk_s;
        self.waited_s += day.waited_s;
        self.lines_peak = self.lines_peak.max(day.lines_peak);
        self.calls_per_second_peak = self.calls_per_second_peak.max(day.calls_per_second_peak);
        self.worst_day = self.worst_day.max(day.worst_day);
        self.days += day.days;
        self.days_over += day.days_over;
        for (at, slice) in day.slices.iter().enumerate() {
            let sum = self.slice(at as f64 * SLICE_S);
            sum.busy_s += slice.busy_s;
            sum.staffed_s += slice.staffed_s;
            sum.people += slice.people;
            sum.abandoned += slice.abandoned;
            sum.lines = sum.lines.max(slice.lines);
            sum.waited_s += slice.waited_s;
            sum.threshold = slice.threshold;
        }
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_add_up_and_the_worst_is_kept() {
        let day = |people, abandoned| {
            let mut day =
                Tally { people, abandoned, staffed_s: 3_600.0, busy_s: 1_800.0, ..Tally::default() };
            day.slice(1_000.0).people = people;
            day.close_day();
            day
        };
        let mut sum = Tally::default();
        sum.add(&day(100, 1));
        sum.add(&day(100, 5));
        assert_eq!((sum.days, sum.days_over, sum.worst_day), (2, 1, 0.05));
        assert!((sum.abandoned_percent() - 3.0).abs() < 1e-9);
        assert!((sum.occupancy_percent() - 50.0).abs() < 1e-9);
        assert!((sum.conversations_per_hour() - 97.0).abs() < 1e-9);
        assert_eq!((sum.slices.len(), sum.slices[1].people), (2, 200));
    }
}
