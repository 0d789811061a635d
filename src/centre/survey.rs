//! What many campaigns came to, and whether all of them kept within their caps and limits.

use super::tally::Tally;
use super::variety::{Course, Windows};
use serde::Serialize;
use std::fmt;

/// The campaigns together.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Survey {
    /// How many campaigns.
    pub campaigns: usize,
    /// Of so many agents at least, and at most.
    pub agents: (u32, u32),
    /// The days together; the worst of them is no matter where the law counts over thirty.
    pub total: Tally,
    /// The windows over which the law counts.
    pub windows: Windows,
}

impl Survey {
    /// Of these campaigns.
    pub fn new(courses: &[Course]) -> Self {
        let (mut total, mut windows) = (Tally::default(), Windows::default());
        for course in courses {
            total.add(course.tally());
            windows.add(course.windows());
        }
        total.slices.clear();
        let agents = || courses.iter().map(Course::agents);
        Survey {
            campaigns: courses.len(),
            agents: (agents().min().unwrap_or(0), agents().max().unwrap_or(0)),
            total,
            windows,
        }
    }

    /// Whether nothing was exceeded.
    pub fn holds(&self) -> bool {
        let excess = self.total.excess;
        excess.lines == 0
            && excess.calls_per_second == 0
            && self.total.breaches.is_none()
            && self.windows.over == 0
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, windows) = (&self.total, &self.windows);
        writeln!(
            f,
            "{} days of {} campaigns with {} to {} agents",
            total.days, self.campaigns, self.agents.0, self.agents.1
        )?;
        writeln!(f, "  calls                     {}", total.dialed)?;
        writeln!(f, "  people for agents         {}, of them abandoned {}", total.people, total.abandoned)?;
        writeln!(f, "  people taken for machines {}", total.lost)?;
        writeln!(f, "  occupancy                 {:.1} %", total.occupancy_percent())?;
        writeln!(
            f,
            "  above the cap on lines    {}, of calls per second {}",
            total.excess.lines, total.excess.calls_per_second
        )?;
        let breaches = &total.breaches;
        writeln!(
            f,
            "  dialed outside hours      {}, on the do-not-call list {}, twice at once {}, too soon {}, beyond the attempts {}",
            breaches.outside_hours,
            breaches.do_not_call,
            breaches.twice_at_once,
            breaches.too_soon,
            breaches.beyond_attempts
        )?;
        write!(
            f,
            "  ledger windows            {}, of them above their limit {}; the worst at {:.1} % of it, {} days ended guarded",
            windows.checked,
            windows.over,
            100.0 * windows.worst_of_limit,
            windows.guarded
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_window_above_its_limit_or_one_call_above_a_cap_is_told() {
        let sound = Survey::new(&[]);
        assert!(sound.holds());
        let mut over = sound.clone();
        over.windows.over = 1;
        assert!(!over.holds());
        let mut beyond = sound;
        beyond.total.excess.calls_per_second = 1;
        assert!(!beyond.holds() && beyond.to_string().contains("calls per second 1"), "{beyond}");
    }
}
