//! Holding a target: the risk that a line may carry is steered by what share of people was really abandoned.
//!
//! The lookahead's risk is close to the truth by itself, so the threshold begins at the target and is steered slowly:
//! quick steering makes it swing, and a swinging threshold costs occupancy at the same share of abandoned people.

use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// How often the threshold is steered.
const STEP: Duration = Duration::from_secs(10);

/// The recent past that counts beside the whole shift.
const RECENT: Duration = Duration::from_secs(30 * 60);

/// The most people remembered of it.
const RECENT_MAX: usize = 50_000;

/// People at the target that the shift, and the recent past, are taken to begin with.
const SHIFT_PRIOR: f64 = 100.0;
const RECENT_PRIOR: f64 = 40.0;

/// What the shift and the recent past weigh in the error.
const SHIFT_WEIGHT: f64 = 0.75;
const RECENT_WEIGHT: f64 = 0.25;

/// How much of the error one step takes away, and how large an error is taken seriously.
const GAIN: f64 = 0.01;
const ERROR_MAX: f64 = 2.0;

/// Between these the threshold stays.
const THRESHOLD_MIN: f64 = 1e-4;
const THRESHOLD_MAX: f64 = 0.9;

/// The steered threshold.
#[derive(Clone, Debug)]
pub struct Target {
    share: f64,
    threshold: f64,
    stepped_at: Instant,
    people: u64,
    abandoned: u64,
    recent: VecDeque<(Instant, bool)>,
    recent_abandoned: u64,
}

impl Target {
    /// Aims at this share of abandoned people, above zero.
    pub fn new(share: f64, now: Instant) -> Self {
        Target {
            share,
            threshold: share,
            stepped_at: now,
            people: 0,
            abandoned: 0,
            recent: VecDeque::new(),
            recent_abandoned: 0,
        }
    }

    /// The share that it aims at.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Another aim; what happened counts on.
    pub fn set_share(&mut self, share: f64) {
        self.threshold = (self.threshold * share / self.share).clamp(THRESHOLD_MIN, THRESHOLD_MAX);
        self.share = share;
    }

    /// The risk that one more line may carry.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// A person was connected, or abandoned.
    pub fn handle_person(&mut self, now: Instant, abandoned: bool) {
        self.people += 1;
        self.abandoned += u64::from(abandoned);
        self.recent.push_back((now, abandoned));
        self.recent_abandoned += u64::from(abandoned);
        while self.recent.len() > RECENT_MAX {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        if let Some((_, true)) = self.recent.pop_front() {
            self.recent_abandoned -= 1;
        }
    }

    /// Steers as many steps as are due.
    pub fn handle_time(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now - *at > RECENT) {
            self.forget_one();
        }
        while now - self.stepped_at >= STEP {
            self.stepped_at += STEP;
            let error = ((self.share - self.seen()) / self.share).clamp(-ERROR_MAX, ERROR_MAX);
            self.threshold = (self.threshold * (1.0 + GAIN * error)).clamp(THRESHOLD_MIN, THRESHOLD_MAX);
        }
    }

    /// The share of abandoned people as the steering sees it.
    fn seen(&self) -> f64 {
        let rate = |abandoned: u64, people: u64, prior: f64| {
            (abandoned as f64 + prior * self.share) / (people as f64 + prior)
        };
        SHIFT_WEIGHT * rate(self.abandoned, self.people, SHIFT_PRIOR)
            + RECENT_WEIGHT * rate(self.recent_abandoned, self.recent.len() as u64, RECENT_PRIOR)
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
                target.handle_person(at(second), second % every == 0);
                target.handle_time(at(second));
            }
            assert_eq!(target.threshold() < 0.03, sinks, "{} with one in {every}", target.threshold());
        }
    }

    #[test]
    fn nobody_answering_leaves_it_where_it_was() {
        let mut target = Target::new(0.02, at(0));
        target.handle_time(at(8 * 3_600));
        assert!((target.threshold() - 0.02).abs() < 1e-9);
    }

    #[test]
    fn another_aim_moves_the_threshold_along() {
        let mut target = Target::new(0.02, at(0));
        target.set_share(0.01);
        assert!((target.threshold() - 0.01).abs() < 1e-9);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut target = Target::new(0.02, at(0));
        (0..RECENT_MAX as u64 + 10).for_each(|_| target.handle_person(at(1), true));
        assert_eq!((target.recent.len(), target.recent_abandoned), (RECENT_MAX, RECENT_MAX as u64));
        target.handle_time(at(3_600));
        assert_eq!((target.recent.len(), target.recent_abandoned), (0, 0));
    }
}
