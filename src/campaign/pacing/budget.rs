//! The abandonment budget: who was abandoned among those who answered, over the days that the law looks back upon.
//!
//! 16 CFR 310.4(b)(4) and 47 CFR 64.1200(a)(7): at most 3 % of the calls answered by a person, per campaign and 30 days.
//! The guard is strict on the ledger and knows no estimate but one: people hung up on as machines are abandoned too,
//! and as nobody counts them when it happens, their expected number is added.

use crate::time::WallTime;
use std::collections::VecDeque;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// Before there are labels, this share of the calls judged machines is taken to be people, with the weight of so many
/// labelled calls.
const MISTAKEN_PRIOR: f64 = 0.005;
const MISTAKEN_PRIOR_CALLS: f64 = 200.0;

/// The people of one day (UTC).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Day {
    /// Days since 1970.
    pub day: i64,
    /// People who answered, those abandoned among them.
    pub people: u64,
    /// Of them: nobody was there in time.
    pub abandoned: u64,
    /// Calls hung up on as machines.
    pub machines: u64,
}

/// The ledger's sums over one window.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sums {
    /// People who answered.
    pub people: u64,
    /// Of them abandoned.
    pub abandoned: u64,
    /// People expected among those hung up on as machines.
    pub mistaken: f64,
}

impl Sums {
    /// The share of abandoned people, mistaken ones included; 0 when nobody answered.
    pub fn share(&self) -> f64 {
        let people = self.people as f64 + self.mistaken;
        if people > 0.0 { (self.abandoned as f64 + self.mistaken) / people } else { 0.0 }
    }
}

/// The ledger of one campaign.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: f64,
    window_days: i64,
    // Of the calls hung up on as machines, the share that are people.
    mistaken_share: f64,
    // Oldest first; bounded by the window.
    days: VecDeque<Day>,
}

impl Budget {
    /// At most `limit` over `window_days` days; nothing has happened yet.
    pub fn new(limit: f64, window_days: u32) -> Self {
        Budget { limit, window_days: i64::from(window_days), mistaken_share: 0.0, days: VecDeque::new() }
    }

    /// Another law; what happened counts on, as far as it is remembered.
    pub fn set_law(&mut self, limit: f64, window_days: u32) {
        (self.limit, self.window_days) = (limit, i64::from(window_days));
    }

    /// Of the calls hung up on as machines, so many are people: measured on labelled calls, or estimated.
    pub fn set_mistaken_share(&mut self, share: f64) {
        self.mistaken_share = share.clamp(0.0, 1.0);
    }

    /// Of the calls hung up on as machines, the share that are people.
    pub fn mistaken_share(&self) -> f64 {
        self.mistaken_share
    }

    /// Of `labelled` calls judged machines, labels say that so many were `people`. While there are few labels, what was
    /// measured on recordings counts beside them.
    pub fn handle_labels(&mut self, labelled: u64, people: u64) {
        let expected = MISTAKEN_PRIOR * MISTAKEN_PRIOR_CALLS;
        self.set_mistaken_share((people as f64 + expected) / (labelled as f64 + MISTAKEN_PRIOR_CALLS));
    }

    /// Takes a day of a former run over.
    pub fn remember(&mut self, day: Day) {
        let at = self.days.partition_point(|known| known.day < day.day);
        match self.days.get_mut(at).filter(|known| known.day == day.day) {
            Some(known) => {
                known.people += day.people;
                known.abandoned += day.abandoned;
                known.machines += day.machines;
            }
            None => self.days.insert(at, day),
        }
    }

    /// A person was connected to an agent in time, or was abandoned.
    pub fn handle_person(&mut self, now: WallTime, abandoned: bool) {
        let abandoned = u64::from(abandoned);
        self.remember(Day { day: day_of(now), people: 1, abandoned, machines: 0 });
        self.forget(now);
    }

    /// A call was hung up on as a machine.
    pub fn handle_machine(&mut self, now: WallTime) {
        self.remember(Day { day: day_of(now), machines: 1, ..Day::default() });
        self.forget(now);
    }

    fn forget(&mut self, now: WallTime) {
        let first = self.first_day(now);
        while self.days.front().is_some_and(|day| day.day < first) {
            self.days.pop_front();
        }
    }

    /// The sums over the window that ends now.
    pub fn sums(&self, now: WallTime) -> Sums {
        self.sums_from(self.first_day(now))
    }

    fn sums_from(&self, first: i64) -> Sums {
        let mut sums = Sums::default();
        for day in self.days.iter().filter(|day| day.day >= first) {
            sums.people += day.people;
            sums.abandoned += day.abandoned;
            sums.mistaken += day.machines as f64 * self.mistaken_share;
        }
        sums
    }

    /// Whether one more abandoned person, with everybody in `in_flight` abandoned too, would break the limit, now or when a
    /// longer window loses its oldest day at midnight: the people of that day leave it, and the abandoned stay.
    pub fn would_break(&self, now: WallTime, in_flight: u64) -> bool {
        let tomorrow = self.window_days > 1 && self.would_break_from(self.first_day(now) + 1, in_flight);
        tomorrow || self.would_break_now(now, in_flight)
    }

    /// The same, of the window that ends now.
    pub fn would_break_now(&self, now: WallTime, in_flight: u64) -> bool {
        self.would_break_from(self.first_day(now), in_flight)
    }

    fn would_break_from(&self, first: i64, in_flight: u64) -> bool {
        let (sums, more) = (self.sums_from(first), 1 + in_flight);
        let worst = Sums { people: sums.people + more, abandoned: sums.abandoned + more, ..sums };
        worst.share() > self.limit
    }

    fn first_day(&self, now: WallTime) -> i64 {
        day_of(now) - self.window_days + 1
    }
}

fn day_of(now: WallTime) -> i64 {
    now.unix_ms().div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> WallTime {
        WallTime::from_unix_ms(n * DAY_MS + 12 * 3_600_000)
    }

    #[test]
    fn the_next_abandoned_person_may_not_break_the_limit() {
        let mut budget = Budget::new(0.03, 30);
        assert!(budget.would_break(day(0), 0), "one of one is 100 %");
        (0..33).for_each(|_| budget.handle_person(day(0), false));
        assert!(!budget.would_break(day(0), 0), "one of 34 is 2.9 %");
        assert!(budget.would_break(day(0), 1), "two of 35 are not");
        budget.handle_person(day(0), true);
        assert!(budget.would_break(day(0), 0));
    }

    #[test]
    fn days_leave_the_window() {
        let mut budget = Budget::new(0.03, 30);
        budget.handle_person(day(0), true);
        (0..50).for_each(|_| budget.handle_person(day(10), false));
        assert_eq!(budget.sums(day(29)), Sums { people: 51, abandoned: 1, mistaken: 0.0 });
        assert_eq!(budget.sums(day(30)), Sums { people: 50, abandoned: 0, mistaken: 0.0 });
        budget.handle_person(day(41), false);
        assert_eq!(budget.days.len(), 1);
    }

    #[test]
    fn a_day_that_leaves_the_window_tonight_pays_for_nobody_any_more() {
        let mut budget = Budget::new(0.03, 30);
        (0..100).for_each(|_| budget.handle_person(day(0), false));
        (0..40).for_each(|_| budget.handle_person(day(20), false));
        budget.handle_person(day(20), true);
        assert!(!budget.would_break(day(28), 0), "two of 142");
        assert!(budget.would_break(day(29), 0), "two of 42 from tomorrow on");
        let mut of_a_day = Budget::new(0.03, 1);
        (0..40).for_each(|_| of_a_day.handle_person(day(3), false));
        assert!(!of_a_day.would_break(day(3), 0), "tomorrow begins with nobody abandoned");
    }

    #[test]
    fn people_taken_for_machines_are_abandoned_people() {
        let mut budget = Budget::new(0.03, 30);
        budget.set_mistaken_share(0.01);
        (0..300).for_each(|_| budget.handle_machine(day(3)));
        (0..97).for_each(|_| budget.handle_person(day(3), false));
        assert!((budget.sums(day(3)).share() - 0.03).abs() < 1e-9);
        assert!(budget.would_break(day(3), 0));
    }

    #[test]
    fn labels_outweigh_what_was_expected_the_more_of_them_there_are() {
        let mut budget = Budget::new(0.03, 30);
        for (labelled, people, share) in [(0, 0, 0.005), (200, 5, 0.015), (1_800, 0, 0.0005)] {
            budget.handle_labels(labelled, people);
            assert!((budget.mistaken_share - share).abs() < 1e-9, "{labelled}: {}", budget.mistaken_share);
        }
    }

    #[test]
    fn a_former_run_is_taken_over() {
        let mut budget = Budget::new(0.03, 30);
        budget.handle_person(day(5), false);
        budget.remember(Day { day: 4, people: 10, abandoned: 1, machines: 0 });
        budget.remember(Day { day: 5, people: 10, abandoned: 0, machines: 2 });
        assert_eq!(budget.sums(day(5)), Sums { people: 21, abandoned: 1, mistaken: 0.0 });
    }
}
