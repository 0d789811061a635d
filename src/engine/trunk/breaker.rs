//! A circuit breaker: a trunk that fails too often gets no calls for a while, then one to try, then all again.
//!
//! ```text
//!              n failures in t seconds, half of all calls at least
//!   Closed ------------------------------------------------------------> Open (rests, twice as long each time)
//!     ^                                                                    |
//!     +------------ the call got through ------- HalfOpen <----- rested ---+
//!                                                    +---------- it failed -> Open
//! ```
//!
//! A trunk that has asked to be left alone (Retry-After, RFC 3261 section 20.33) is opened until then, so that after its
//! rest one call goes first and the others follow when that one got through: no storm.

use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Outcomes that are remembered at once.
const OUTCOMES_MAX: usize = 1_000;

/// The longest rest, unless the trunk itself has asked for a longer one.
const REST_MAX: Duration = Duration::from_secs(300);

/// A call that tries the trunk and has said nothing for this long tries it no longer.
const PROBE_WITHIN: Duration = Duration::from_secs(40);

/// When it opens, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// So many failures; 0: never.
    pub failures: u32,
    /// Within this time.
    pub window: Duration,
    /// The first rest.
    pub rest: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant },
}

/// Why no call may be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It rests.
    Open {
        /// Until then.
        until: Instant,
    },
    /// One call tries whether it works again.
    Probing,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: Limits,
    state: State,
    /// Newest last; true for a failure.
    outcomes: VecDeque<(Instant, bool)>,
    openings: u32,
}

impl Breaker {
    /// Closed.
    pub fn new(limits: Limits) -> Self {
        Breaker { limits, state: State::Closed, outcomes: VecDeque::new(), openings: 0 }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a call may be placed now.
    pub fn allows(&self, now: Instant) -> Result<(), Refusal> {
        match self.state {
            State::Closed => Ok(()),
            State::Open { until } if until > now => Err(Refusal::Open { until }),
            State::Open { .. } => Ok(()),
            State::HalfOpen { since } if since + PROBE_WITHIN <= now => Ok(()),
            State::HalfOpen { .. } => Err(Refusal::Probing),
        }
    }

    /// A call is placed: after a rest it is the one that tries.
    pub fn handle_call(&mut self, now: Instant) {
        match self.state {
            State::Open { until } if until <= now => self.state = State::HalfOpen { since: now },
            State::HalfOpen { since } if since + PROBE_WITHIN <= now => {
                self.state = State::HalfOpen { since: now };
            }
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    /// The call that was to try was never sent: the next one may.
    pub fn handle_not_sent(&mut self) {
        if let State::HalfOpen { since } = self.state {
            self.state = State::Open { until: since };
        }
    }

    /// A call got through to the far side. True when the breaker closes by it.
    pub fn handle_success(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed => {
                self.remember(now, false);
                false
            }
            // The trunk has named the time itself; a call from before says nothing about it.
            State::Open { until } if until > now => false,
            State::Open { .. } | State::HalfOpen { .. } => {
                (self.state, self.openings) = (State::Closed, 0);
                self.outcomes.clear();
                true
            }
        }
    }

    /// A call failed through the trunk's fault. Gives the rest when the breaker opens by it.
    pub fn handle_failure(&mut self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed => {
                self.remember(now, true);
                self.is_too_often().then(|| self.open(now))
            }
            // Where it is off, only what the trunk itself asks for holds calls back.
            State::HalfOpen { .. } if self.limits.failures == 0 => {
                self.state = State::Closed;
                None
            }
            State::HalfOpen { .. } => Some(self.open(now)),
            State::Open { .. } => None,
        }
    }

    /// The trunk wants to be left alone until then, unless it has asked for longer already.
    pub fn rest(&mut self, until: Instant) {
        let asked = if let State::Open { until } = self.state { until } else { until };
        self.state = State::Open { until: until.max(asked) };
        self.outcomes.clear();
    }

    /// A word for it.
    pub fn word(&self, now: Instant) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { until } if until > now => "open",
            State::Open { .. } | State::HalfOpen { .. } => "half-open",
        }
    }

    fn open(&mut self, now: Instant) -> Duration {
        let longest = REST_MAX.max(self.limits.rest);
        let rest = self.limits.rest.saturating_mul(1 << self.openings.min(8)).min(longest);
        self.openings = self.openings.saturating_add(1);
        self.rest(now + rest);
        rest
    }

    fn remember(&mut self, now: Instant, failed: bool) {
        let window = self.limits.window;
        while self.outcomes.front().is_some_and(|(at, _)| *at + window <= now) {
            self.outcomes.pop_front();
        }
        if self.outcomes.len() == OUTCOMES_MAX {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, failed));
    }

    /// A trunk that carries most of its calls goes on, however many it carries.
    fn is_too_often(&self) -> bool {
        let failures = self.outcomes.iter().filter(|(_, failed)| *failed).count();
        let limit = self.limits.failures as usize;
        limit > 0 && failures >= limit && 2 * failures >= self.outcomes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn breaker() -> Breaker {
        let (window, rest) = (Duration::from_secs(30), Duration::from_secs(30));
        Breaker::new(Limits { failures: 3, window, rest })
    }

    #[test]
    fn three_failures_in_thirty_seconds_open_it_and_three_in_sixty_do_not() {
        let mut slow = breaker();
        for second in [0, 25, 31, 60] {
            assert_eq!(slow.handle_failure(at(second)), None, "at {second} s");
        }
        assert!(slow.allows(at(61)).is_ok());
        let mut fast = breaker();
        assert_eq!((fast.handle_failure(at(0)), fast.handle_failure(at(10))), (None, None));
        assert_eq!(fast.handle_failure(at(20)), Some(Duration::from_secs(30)));
        assert_eq!(fast.allows(at(49)), Err(Refusal::Open { until: at(50) }));
        assert_eq!(fast.word(at(49)), "open");
    }

    #[test]
    fn a_trunk_that_carries_most_of_its_calls_is_left_alone() {
        let mut breaker = breaker();
        for second in 0..20 {
            breaker.handle_success(at(second));
            breaker.handle_success(at(second));
            assert_eq!(breaker.handle_failure(at(second)), None);
        }
    }

    #[test]
    fn after_its_rest_one_call_tries_and_the_others_wait_for_it() {
        let mut breaker = breaker();
        (0..3).for_each(|second| assert_eq!(breaker.handle_failure(at(second)).is_some(), second == 2));
        assert!(breaker.allows(at(32)).is_ok());
        breaker.handle_call(at(32));
        assert_eq!(breaker.allows(at(33)), Err(Refusal::Probing));
        assert_eq!(breaker.handle_failure(at(34)), Some(Duration::from_secs(60)), "twice as long");
        breaker.handle_call(at(94));
        assert!(breaker.handle_success(at(95)));
        assert_eq!((breaker.allows(at(95)), breaker.word(at(95))), (Ok(()), "closed"));
        assert_eq!(breaker.handle_failure(at(96)), None, "what was before is forgotten");
    }

    #[test]
    fn a_try_that_is_never_heard_of_again_does_not_keep_it_shut() {
        let mut breaker = breaker();
        breaker.rest(at(10));
        breaker.handle_call(at(10));
        assert_eq!(breaker.allows(at(49)), Err(Refusal::Probing));
        assert!(breaker.allows(at(50)).is_ok());
        breaker.handle_call(at(50));
        assert_eq!(breaker.allows(at(51)), Err(Refusal::Probing));
        breaker.handle_not_sent();
        assert!(breaker.allows(at(51)).is_ok());
    }

    #[test]
    fn the_longer_of_two_rests_holds() {
        let mut breaker = breaker();
        breaker.rest(at(8));
        breaker.rest(at(2));
        assert_eq!(breaker.allows(at(7)), Err(Refusal::Open { until: at(8) }));
        assert!(breaker.allows(at(8)).is_ok());
        breaker.rest(at(20));
        assert_eq!(breaker.allows(at(19)), Err(Refusal::Open { until: at(20) }));
    }

    #[test]
    fn where_it_is_off_a_rest_that_was_asked_for_opens_nothing_of_its_own() {
        let mut breaker = breaker();
        breaker.set_limits(Limits { failures: 0, ..breaker.limits });
        breaker.rest(at(2));
        breaker.handle_call(at(2));
        assert_eq!(breaker.allows(at(2)), Err(Refusal::Probing));
        assert_eq!(breaker.handle_failure(at(3)), None);
        assert!(breaker.allows(at(3)).is_ok());
    }

    #[test]
    fn calls_from_before_do_not_end_a_rest_that_the_trunk_asked_for() {
        let mut breaker = breaker();
        breaker.rest(at(100));
        assert!(!breaker.handle_success(at(1)));
        assert_eq!(breaker.handle_failure(at(2)), None);
        assert_eq!(breaker.allows(at(99)), Err(Refusal::Open { until: at(100) }));
        assert!(breaker.allows(at(100)).is_ok());
    }
}
