//! Holding a target: the risk that a line may carry is steered by what share of people was really abandoned.
//!
//! Kept as an account: each person who answers pays in what the target grants, each abandoned one draws one person. The
//! threshold is the target times what is learnt of the forecast's bias, and a little more or less to spend the balance over
//! the next hours. All of it is slow: a threshold that swings costs occupancy at the same share of abandoned people.

use crate::time::Instant;
use std::time::Duration;

/// How often the threshold is steered.
const STEP: Duration = Duration::from_secs(10);

/// A balance is spent over the people of so many hours, and over so many people at least.
const HORIZON_H: f64 = 2.0;
const HORIZON_MIN: f64 = 150.0;

/// The rate of people is taken over about this long.
const RATE_MEMORY_H: f64 = 0.5;

/// By how much of a full balance the bias is moved at each step.
const GAIN: f64 = 0.003;

/// What the bias begins with, and between what it stays. The lookahead counts each line's own risk; that a person who is
/// abandoned takes nobody's agent makes the truth a little kinder.
const BIAS_BEGIN: f64 = 0.6;
const BIAS_MIN: f64 = 0.02;
const BIAS_MAX: f64 = 8.0;

/// The most that the threshold comes to.
const THRESHOLD_MAX: f64 = 0.9;

/// The steered threshold.
#[derive(Clone, Debug)]
pub struct Target {
    share: f64,
    bias: f64,
    // People that may still be abandoned; below zero when there were too many.
    balance: f64,
    stepped_at: Instant,
    // People of about the last half hour, the older the less they count, and how long that is by now.
    people: f64,
    hours: f64,
}

impl Target {
    /// Aims at this share of abandoned people, above zero.
    pub fn new(share: f64, now: Instant) -> Self {
        Target { share, bias: BIAS_BEGIN, balance: 0.0, stepped_at: now, people: 0.0, hours: 0.0 }
    }

    /// The share that it aims at.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Another aim; what happened counts on.
    pub fn set_share(&mut self, share: f64) {
        self.balance *= share / self.share;
        self.share = share;
    }

    /// The risk that one more line may carry.
    pub fn threshold(&self) -> f64 {
        (self.share * self.bias * (1.0 + self.balance_share())).min(THRESHOLD_MAX)
    }

    /// A person was connected, or abandoned.
    pub fn handle_person(&mut self, abandoned: bool) {
        self.handle_people(1.0, f64::from(u8::from(abandoned)));
    }

    /// So many people, expected among calls hung up on as machines: abandoned, all of them.
    pub fn handle_mistaken(&mut self, people: f64) {
        self.handle_people(people, people);
    }

    fn handle_people(&mut self, people: f64, abandoned: f64) {
        self.people += people;
        // What is beyond a full balance is no reserve: the law knows none from yesterday.
        let full = self.share * self.horizon();
        self.balance = (self.balance + self.share * people - abandoned).clamp(-full, full);
    }

    /// Over how many people a balance is spent.
    fn horizon(&self) -> f64 {
        let per_hour = self.people / self.hours.max(0.1);
        (HORIZON_H * per_hour).max(HORIZON_MIN)
    }

    /// The balance as a part of a full one, -1 to 1.
    fn balance_share(&self) -> f64 {
        (self.balance / (self.share * self.horizon())).clamp(-1.0, 1.0)
    }

    /// Steers as many steps as are due.
    pub fn handle_time(&mut self, now: Instant) {
        while now - self.stepped_at >= STEP {
            self.stepped_at += STEP;
            let step_h = STEP.as_secs_f64() / 3_600.0;
            let kept = 1.0 - step_h / RATE_MEMORY_H;
            self.people *= kept;
            self.hours = self.hours * kept + step_h;
            self.bias = (self.bias * (1.0 + GAIN * self.balance_share())).clamp(BIAS_MIN, BIAS_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_start(Duration::from_secs(s))
    }

    #[test]
    fn the_threshold_sinks_while_too_many_are_abandoned_and_rises_while_too_few_are() {
        for (every, sinks) in [(10, true), (200, false)] {
            let mut target = Target::new(0.03, at(0));
            for second in 1..=3_600 {
                target.handle_person(second % every == 0);
                target.handle_time(at(second));
            }
            let begin = 0.03 * BIAS_BEGIN;
            assert_eq!(target.threshold() < begin, sinks, "{} with one in {every}", target.threshold());
        }
    }

    #[test]
    fn nobody_answering_leaves_it_where_it_was() {
        let mut target = Target::new(0.02, at(0));
        let begin = target.threshold();
        target.handle_time(at(8 * 3_600));
        assert!((target.threshold() - begin).abs() < 1e-9);
    }

    #[test]
    fn another_aim_moves_the_threshold_along() {
        let mut target = Target::new(0.02, at(0));
        let begin = target.threshold();
        target.set_share(0.01);
        assert!((target.threshold() - begin / 2.0).abs() < 1e-9);
    }

    #[test]
    fn people_taken_for_machines_are_drawn_from_the_same_account() {
        let mut target = Target::new(0.03, at(0));
        (0..200).for_each(|_| target.handle_person(false));
        let before = target.threshold();
        target.handle_mistaken(6.0);
        assert!(target.threshold() < before);
    }

    #[test]
    fn a_quiet_day_saves_up_no_more_than_the_next_hours_may_spend() {
        let mut target = Target::new(0.03, at(0));
        (0..100_000).for_each(|_| target.handle_person(false));
        assert!(target.threshold() <= 2.0 * 0.03 * BIAS_BEGIN + 1e-9);
    }
}
