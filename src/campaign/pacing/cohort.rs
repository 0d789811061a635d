//! What share of dialed attempts comes to something, counted in dial order.
//!
//! Counting in the order in which attempts *finish* is the classic mistake: the people of a burst answer first, all its
//! unanswered calls end together a ring time-out later, the estimate collapses, and the dialer bursts again. Here each
//! attempt counts from its dial on, with the share of an answer's chances that its age has given it so far, whatever
//! has become of it: an attempt that failed at once and one that still rings weigh the same.

use super::durations::Durations;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// The most attempts that are looked back upon.
pub const WINDOW_MAX: usize = 20_000;

/// How far back they lie at most, where there are more than the least number.
const WINDOW: Duration = Duration::from_secs(3_600);

/// So many standard errors between the newest attempts and those before are no chance: another list, another hour. The
/// test is made thousands of times a day, mostly upon the same attempts.
const JUMP: f64 = 4.0;

/// One dialed attempt.
#[derive(Clone, Copy, Debug)]
struct Dialed {
    attempt: u64,
    at: Instant,
    hit: bool,
}

/// Attempts added up.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    hits: f64,
    exposure: f64,
}

impl Sum {
    fn share(self) -> f64 {
        self.hits / self.exposure.max(1e-9)
    }
}

/// The share of attempts that come to something, in dial order.
///
/// It looks back upon an hour, because a wrong share costs more than all else that is estimated: four hundred attempts know
/// 20 % to a tenth of it only. When the newest attempts differ from those before by more than chance, the latter are
/// forgotten at once.
#[derive(Clone, Debug)]
pub struct Cohort {
    // In dial order; at most `WINDOW_MAX`.
    attempts: VecDeque<Dialed>,
    // How many of them came to something.
    hits: usize,
    // The newest, which are never too old and which tell whether something has changed.
    newest: usize,
    attempts_max: usize,
    guess: f64,
    guess_cases: f64,
}

impl Cohort {
    /// Begins with a guess that weighs as much as `guess_cases` attempts; looks back upon `newest` attempts at least.
    pub fn new(guess: f64, guess_cases: f64, newest: usize) -> Self {
        let newest = newest.min(WINDOW_MAX);
        let attempts = VecDeque::new();
        Cohort { attempts, hits: 0, newest, attempts_max: WINDOW_MAX, guess, guess_cases }
    }

    /// Looks back upon no more than so many.
    #[cfg(test)]
    pub fn keep_only(&mut self, attempts: usize) {
        self.attempts_max = attempts;
    }

    /// Another least number of attempts; a greater one fills with time.
    pub fn set_newest(&mut self, newest: usize) {
        self.newest = newest.min(WINDOW_MAX);
    }

    /// An attempt was dialed; `attempt` is greater than all before it.
    pub fn handle_dialed(&mut self, attempt: u64, now: Instant) {
        self.attempts.push_back(Dialed { attempt, at: now, hit: false });
        let is_old = |oldest: &Dialed| now - oldest.at > WINDOW;
        while self.attempts.len() > self.attempts_max
            || self.attempts.len() > self.newest && self.attempts.front().is_some_and(is_old)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if self.attempts.pop_front().is_some_and(|oldest| oldest.hit) {
            self.hits -= 1;
        }
    }

    /// The classic mistake, to be held beside what is right: an attempt counts when it is over, and in full.
    #[cfg(test)]
    pub fn handle_completed(&mut self, now: Instant, hit: bool) {
        // As if dialed so long ago that its age is no question any more.
        let at = Instant::from_start((now - Instant::ZERO).saturating_sub(Duration::from_secs(600)));
        let number = self.attempts.back().map_or(0, |last| last.attempt + 1);
        self.handle_dialed(number, now);
        let newest = self.attempts.back_mut().expect("it was just put there");
        (newest.at, newest.hit) = (at, hit);
        self.hits += usize::from(hit);
    }

    /// It came to what is counted here.
    pub fn handle_hit(&mut self, attempt: u64) {
        if let Ok(at) = self.attempts.binary_search_by_key(&attempt, |dialed| dialed.attempt) {
            self.hits += usize::from(!self.attempts[at].hit);
            self.attempts[at].hit = true;
        }
    }

    /// It never was on the wire: as if it had not been dialed.
    pub fn handle_not_dialed(&mut self, attempt: u64) {
        if let Ok(at) = self.attempts.binary_search_by_key(&attempt, |dialed| dialed.attempt)
            && self.attempts.remove(at).is_some_and(|dialed| dialed.hit)
        {
            self.hits -= 1;
        }
    }

    /// The share, given how long a success takes from the dial on.
    pub fn share(&mut self, time_to_hit: &Durations, now: Instant) -> f64 {
        let newest = self.newest_sum(time_to_hit, now);
        let older = self.attempts.len().saturating_sub(self.newest);
        let before = Sum { hits: self.hits as f64 - newest.hits, exposure: older as f64 };
        if is_jump(newest, before) {
            (0..older).for_each(|_| self.forget_oldest());
            return self.with_guess(newest);
        }
        self.with_guess(Sum { hits: newest.hits + before.hits, exposure: newest.exposure + before.exposure })
    }

    fn with_guess(&self, sum: Sum) -> f64 {
        let hits = self.guess * self.guess_cases + sum.hits;
        (hits / (self.guess_cases + sum.exposure)).clamp(0.001, 1.0)
    }

    /// Each of the newest with the share of a success's chances that its age has given it; those before had them all.
    fn newest_sum(&self, time_to_hit: &Durations, now: Instant) -> Sum {
        let certain_s = time_to_hit.quantile(0.9999);
        let mut sum = Sum::default();
        for dialed in self.attempts.iter().rev().take(self.newest) {
            let age_s = (now - dialed.at).as_secs_f64();
            sum.hits += f64::from(u8::from(dialed.hit));
            sum.exposure += if age_s >= certain_s { 1.0 } else { time_to_hit.by(age_s) };
        }
        sum
    }
}

/// Whether two shares differ by more than chance.
fn is_jump(newest: Sum, before: Sum) -> bool {
    if newest.exposure < 50.0 || before.exposure < 50.0 {
        return false;
    }
    let share = (newest.hits + before.hits) / (newest.exposure + before.exposure);
    let variance = share * (1.0 - share) * (1.0 / newest.exposure + 1.0 / before.exposure);
    (newest.share() - before.share()).abs() > JUMP * variance.sqrt()
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
        ring.refresh();
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
    fn what_is_older_than_an_hour_is_forgotten_but_for_the_newest() {
        let mut cohort = Cohort::new(0.5, 1.0, 100);
        (0..1_000).for_each(|attempt| cohort.handle_dialed(attempt, at(attempt * 10_000)));
        assert_eq!(cohort.attempts.len(), 361, "one each ten seconds");
        (1_000..1_050).for_each(|attempt| cohort.handle_dialed(attempt, at(attempt * 100_000)));
        assert_eq!(cohort.attempts.len(), 100);
    }

    #[test]
    fn a_jump_of_the_share_forgets_what_was_dialed_before_it() {
        let ring = Durations::guess(Bins::RINGING, 10.0, 0.3, 10.0, 100.0);
        let mut cohort = Cohort::new(0.5, 1.0, 100);
        for attempt in 0..300 {
            cohort.handle_dialed(attempt, at(attempt * 100));
            if attempt >= 200 || attempt % 5 == 0 {
                cohort.handle_hit(attempt);
            }
        }
        assert!(cohort.share(&ring, at(200_000)) > 0.98);
        assert_eq!((cohort.attempts.len(), cohort.hits), (100, 100));
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
