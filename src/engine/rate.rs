//! A cap on calls per second that holds in every window, not only on average.

use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// The most calls that one window remembers.
const WINDOW_CALLS_MAX: usize = 10_000;

/// For 5 calls a second, at most five in any second; for 2.5, two in any second, since the third would be too many; for
/// one call in two seconds, one in any two seconds.
#[derive(Clone, Debug)]
pub struct RateLimit {
    calls_max: usize,
    window: Duration,
    recent: VecDeque<Instant>,
}

impl RateLimit {
    /// A cap of `per_second` calls; anything that is not a positive number allows none.
    pub fn new(per_second: f64) -> Self {
        if !(per_second.is_finite() && per_second > 0.0) {
            return RateLimit { calls_max: 0, window: Duration::from_secs(1), recent: VecDeque::new() };
        }
        let calls_max = (per_second.floor() as usize).clamp(1, WINDOW_CALLS_MAX);
        let window = Duration::from_secs_f64((calls_max as f64 / per_second).clamp(1.0, 86_400.0));
        RateLimit { calls_max, window, recent: VecDeque::with_capacity(calls_max) }
    }

    /// Another cap from now on; what was called within its window counts.
    pub fn set(&mut self, per_second: f64) {
        let recent = std::mem::take(&mut self.recent);
        *self = RateLimit { recent, ..RateLimit::new(per_second) };
    }

    /// Whether a call may be made now.
    pub fn allows(&self, now: Instant) -> bool {
        self.free_at(now).is_some_and(|at| at <= now)
    }

    /// When the next call may be made; none when no call is ever allowed.
    pub fn free_at(&self, now: Instant) -> Option<Instant> {
        if self.calls_max == 0 {
            return None;
        }
        if self.recent.len() < self.calls_max {
            return Some(now);
        }
        let oldest = self.recent[self.recent.len() - self.calls_max];
        Some((oldest + self.window).max(now))
    }

    /// Calls that nobody has counted may have used it up by now: the next may be made when a whole window has passed.
    pub fn use_up(&mut self, now: Instant) {
        (0..self.calls_max).for_each(|_| self.record(now));
    }

    /// The calls made since `since` were on the wire at `until` only, or shortly before: their windows begin there.
    pub fn postpone(&mut self, since: Instant, until: Instant) {
        self.recent
            .iter_mut()
            .rev()
            .take_while(|made| **made >= since)
            .for_each(|made| *made = until.max(*made));
    }

    /// A call is made now, allowed or not.
    pub fn record(&mut self, now: Instant) {
        while self.recent.len() >= self.calls_max.max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn no_window_of_a_second_holds_more_than_the_cap() {
        for per_second in [0.5, 1.0, 2.5, 5.0, 10.0] {
            let mut limit = RateLimit::new(per_second);
            let mut calls = Vec::new();
            for ms in (0..20_000).step_by(7) {
                if limit.allows(at(ms)) {
                    limit.record(at(ms));
                    calls.push(ms);
                }
            }
            for (i, &start) in calls.iter().enumerate() {
                let within = calls[i..].iter().take_while(|&&ms| ms < start + 1_000).count();
                assert!(within as f64 <= per_second.max(1.0), "{within} calls in a second at {per_second}");
            }
            let fair = 18.0 * if per_second < 1.0 { per_second } else { per_second.floor() };
            assert!(calls.len() as f64 >= fair, "{} calls of {fair} at {per_second}", calls.len());
        }
    }

    #[test]
    fn another_cap_counts_what_was_called_before() {
        let mut limit = RateLimit::new(3.0);
        for ms in [0, 100, 200] {
            limit.record(at(ms));
        }
        limit.set(2.0);
        assert_eq!(limit.free_at(at(300)), Some(at(1_100)));
        limit.set(5.0);
        assert_eq!(limit.free_at(at(300)), Some(at(300)));
    }

    #[test]
    fn a_window_begins_when_the_call_has_left_and_not_when_it_was_decided() {
        let mut limit = RateLimit::new(2.0);
        limit.record(at(0));
        limit.record(at(500));
        limit.postpone(at(400), at(650));
        assert_eq!(limit.free_at(at(700)), Some(at(1_000)));
        limit.record(at(1_000));
        assert_eq!(limit.free_at(at(1_000)), Some(at(1_650)));
    }

    #[test]
    fn a_cap_of_nothing_allows_nothing() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(!RateLimit::new(per_second).allows(at(0)));
            assert_eq!(RateLimit::new(per_second).free_at(at(0)), None);
        }
    }
}
