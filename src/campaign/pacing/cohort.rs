//! What share of dialed attempts comes to something, counted in dial order.
//!
//! Counting in the order in which attempts *finish* is the classic mistake: the people of a burst answer first, all its
//! unanswered calls end together a ring time-out later, the estimate collapses, and the dialer bursts again. Here each
//! attempt counts from its dial on, with the share of an answer's chances that its age has given it so far, whatever
//! has become of it: an attempt that failed at once and one that still rings weigh the same.

use super::durations::Durations;
use crate::time::Instant;
use std::collections::VecDeque;

/// The most attempts that are looked back upon.
pub const WINDOW_MAX: usize = 20_000;

/// The share of attempts that come to something, in dial order.
#[derive(Clone, Debug)]
pub struct Cohort {
    // In dial order: number of the attempt, when, and whether it came to something.
    attempts: VecDeque<(u64, Instant, bool)>,
    window: usize,
    guess: f64,
    guess_cases: f64,
}

impl Cohort {
    /// Begins with a guess that weighs as much as `guess_cases` attempts; looks back upon `window` attempts.
    pub fn new(guess: f64, guess_cases: f64, window: usize) -> Self {
        Cohort { attempts: VecDeque::new(), window: window.min(WINDOW_MAX), guess, guess_cases }
    }

    /// Another length of the window; a longer one fills with time.
    pub fn set_window(&mut self, window: usize) {
        self.window = window.min(WINDOW_MAX);
    }

    /// An attempt was dialed; `attempt` is greater than all before it.
    pub fn handle_dialed(&mut self, attempt: u64, now: Instant) {
        self.attempts.push_back((attempt, now, false));
        while self.attempts.len() > self.window {
            self.attempts.pop_front();
        }
    }

    /// It came to what is counted here.
    pub fn handle_hit(&mut self, attempt: u64) {
        if let Ok(at) = self.attempts.binary_search_by_key(&attempt, |entry| entry.0) {
            self.attempts[at].2 = true;
        }
    }

    /// It never was on the wire: as if it had not been dialed.
    pub fn handle_not_dialed(&mut self, attempt: u64) {
        if let Ok(at) = self.attempts.binary_search_by_key(&attempt, |entry| entry.0) {
            self.attempts.remove(at);
        }
    }

    /// The share, given how long a success takes from the dial on.
    pub fn share(&self, time_to_hit: &Durations, now: Instant) -> f64 {
        let (mut hits, mut exposure) = (self.guess * self.guess_cases, self.guess_cases);
        let certain_s = time_to_hit.quantile(0.9999);
        for (_, dialed_at, hit) in &self.attempts {
            let age_s = (now - *dialed_at).as_secs_f64();
            hits += f64::from(u8::from(*hit));
            exposure += if age_s >= certain_s { 1.0 } else { time_to_hit.by(age_s) };
        }
        (hits / exposure).clamp(0.001, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::durations::Bins;
    use super::*;
    use std::time::Duration;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    /// A burst of 300 attempts at once, of which every fifth answers after 5 to 15 s; the rest fails at 25 s.
    #[test]
    fn a_burst_moves_the_share_neither_while_it_rings_nor_when_its_failures_land() {
        let mut ring = Durations::guess(Bins::RINGING, 10.0, 0.3, 1e-9, 1e9);
        (0..60).for_each(|n| ring.add(5.0 + f64::from(n) / 6.0));
        let mut cohort = Cohort::new(0.2, 50.0, 400);
        for attempt in 0..300 {
            cohort.handle_dialed(attempt, at(0));
        }
        let mut answers: Vec<(u64, u64)> = (0..60).map(|n| (5_000 + n * 10_000 / 60, n * 5)).collect();
        answers.sort_unstable();
        let mut next = answers.iter().peekable();
        for second in 0..40 {
            while let Some((_, attempt)) = next.next_if(|(ms, _)| *ms <= second * 1_000) {
                cohort.handle_hit(*attempt);
            }
            let share = cohort.share(&ring, at(second * 1_000));
            assert!((0.15..=0.25).contains(&share), "{share} after {second} s");
        }
    }

    #[test]
    fn the_window_forgets_what_was_dialed_before_it() {
        let ring = Durations::guess(Bins::RINGING, 10.0, 0.3, 10.0, 100.0);
        let mut cohort = Cohort::new(0.5, 1.0, 100);
        for attempt in 0..300 {
            cohort.handle_dialed(attempt, at(attempt * 100));
            if attempt >= 200 {
                cohort.handle_hit(attempt);
            }
        }
        assert!(cohort.share(&ring, at(200_000)) > 0.98);
    }

    #[test]
    fn an_attempt_that_never_left_does_not_count() {
        let ring = Durations::guess(Bins::RINGING, 10.0, 0.3, 10.0, 100.0);
        let mut cohort = Cohort::new(0.5, 1.0, 100);
        (0..10).for_each(|attempt| cohort.handle_dialed(attempt, at(0)));
        (0..10).for_each(|attempt| cohort.handle_not_dialed(attempt));
        assert_eq!(cohort.share(&ring, at(100_000)), 0.5);
    }
}
