//! What all campaigns share: which numbers must not be dialed now. The engine owns one.
//!
//! Limits belong to a number, not to a row: the same person may stand on two lists. So the numbers in flight and the
//! ends of recent attempts are kept here, beside the do-not-call set.

use super::suppression::{Full, Suppression, key};
use crate::number::E164;
use crate::time::Instant;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// The most ends of attempts that are remembered; the oldest is forgotten first. A day at two calls a second.
pub const RECENT_MAX: usize = 200_000;

/// The do-not-call set, the numbers in flight, and when each number was last tried.
#[derive(Debug, Default)]
pub struct Ledger {
    suppression: Suppression,
    // Bounded by the campaigns' lines.
    in_flight: HashSet<u64>,
    // The moments are kept in order, so that the oldest can be forgotten.
    recent: HashMap<u64, Ended>,
    recent_order: VecDeque<(u64, Ended)>,
}

/// When an attempt ended: so long before that moment. The clock of this run does not reach back into a former one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ended {
    ago: Duration,
    before: Instant,
}

impl Ledger {
    /// With an empty do-not-call set.
    pub fn new() -> Self {
        Ledger::default()
    }

    /// Puts a number on the do-not-call list, effective at once for all campaigns. `Ok(true)` when it was new; then
    /// each campaign is told with [`super::Campaign::handle_suppressed`].
    pub fn suppress(&mut self, number: &E164) -> Result<bool, Full> {
        self.suppression.insert(number)
    }

    /// Whether the number is on the do-not-call list.
    pub fn is_suppressed(&self, number: &E164) -> bool {
        self.suppression.contains(number)
    }

    /// How many numbers are on the do-not-call list.
    pub fn suppressed(&self) -> usize {
        self.suppression.len()
    }

    /// Whether some campaign is dialing the number.
    pub fn is_in_flight(&self, number: &E164) -> bool {
        self.in_flight.contains(&key(number))
    }

    /// How many numbers are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How long the number must still rest, when attempts on it are to be `gap` apart.
    pub fn rest(&self, number: &E164, gap: Duration, now: Instant) -> Duration {
        let Some(ended) = self.recent.get(&key(number)) else { return Duration::ZERO };
        (ended.before + gap.saturating_sub(ended.ago)) - now
    }

    /// An attempt of a former run on this number ended `ago`: the number rests after it as after any other.
    pub fn remember(&mut self, number: &E164, ago: Duration, now: Instant) {
        self.remember_end(key(number), Ended { ago, before: now });
    }

    /// Takes the number for an attempt; false when it is taken already.
    pub(super) fn take(&mut self, number: &E164) -> bool {
        self.in_flight.insert(key(number))
    }

    /// The attempt was not made after all.
    pub(super) fn give_back(&mut self, number: &E164) {
        self.in_flight.remove(&key(number));
    }

    /// The attempt is over.
    pub(super) fn finish(&mut self, number: &E164, now: Instant) {
        let key = key(number);
        self.in_flight.remove(&key);
        self.remember_end(key, Ended { ago: Duration::ZERO, before: now });
    }

    fn remember_end(&mut self, key: u64, ended: Ended) {
        self.recent.insert(key, ended);
        self.recent_order.push_back((key, ended));
        while self.recent_order.len() > RECENT_MAX {
            let Some((oldest, ended)) = self.recent_order.pop_front() else { break };
            if self.recent.get(&oldest) == Some(&ended) {
                self.recent.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_flight_once_only_and_rests_afterwards() {
        let number = E164::from_e164("+12025550101").unwrap();
        let mut ledger = Ledger::new();
        let at = |s| Instant::from_start(Duration::from_secs(s));
        let gap = Duration::from_secs(60);
        assert!(ledger.take(&number) && !ledger.take(&number) && ledger.is_in_flight(&number));
        ledger.give_back(&number);
        assert_eq!(ledger.rest(&number, gap, at(1)), Duration::ZERO);
        assert!(ledger.take(&number));
        ledger.finish(&number, at(10));
        assert_eq!((ledger.in_flight(), ledger.is_in_flight(&number)), (0, false));
        assert_eq!(ledger.rest(&number, gap, at(30)), Duration::from_secs(40));
        assert_eq!(ledger.rest(&number, gap, at(70)), Duration::ZERO);
    }

    #[test]
    fn a_number_rests_after_an_attempt_of_a_former_run_too() {
        let number = E164::from_e164("+12025550101").unwrap();
        let mut ledger = Ledger::new();
        let at = |s| Instant::from_start(Duration::from_secs(s));
        let gap = Duration::from_secs(60);
        ledger.remember(&number, Duration::from_secs(25), at(0));
        assert_eq!(ledger.rest(&number, gap, at(0)), Duration::from_secs(35));
        assert_eq!(ledger.rest(&number, gap, at(30)), Duration::from_secs(5));
        ledger.remember(&number, Duration::from_secs(90), at(0));
        assert_eq!(ledger.rest(&number, gap, at(0)), Duration::ZERO);
    }

    #[test]
    fn the_memory_of_recent_attempts_is_bounded() {
        let mut ledger = Ledger::new();
        for n in 0..RECENT_MAX + 10 {
            let number = E164::from_e164(&format!("+{}", 1_000_000 + n)).unwrap();
            ledger.finish(&number, Instant::ZERO);
        }
        assert_eq!((ledger.recent.len(), ledger.recent_order.len()), (RECENT_MAX, RECENT_MAX));
    }
}
