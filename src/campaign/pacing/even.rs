//! The pace: calls per minute spread evenly, without a burst after a pause.
//!
//! Each dial reserves the next slot, one interval later. A slot that was missed is lost; only what a late timer cost is
//! made up for, so that the pace does not sink below what was asked: n dials always take at least n - 1 intervals,
//! less [`LATENESS_MAX`].

use crate::time::Instant;
use std::time::Duration;

/// How much lateness of a dial is made up for by the next one.
pub const LATENESS_MAX: Duration = Duration::from_millis(20);

/// How long a dial rests that the trunks had no room for.
pub const NOT_DIALED_REST: Duration = Duration::from_secs(1);

/// The pacer of one campaign.
#[derive(Clone, Debug)]
pub struct Pacing {
    interval: Duration,
    next_at: Instant,
    // What the slot was before the last dial, should that one come back.
    before_last: Instant,
}

impl Pacing {
    /// With the first slot at `now`. `calls_per_minute` is above zero.
    pub fn new(calls_per_minute: f64, now: Instant) -> Self {
        let interval = Duration::from_secs_f64(60.0 / calls_per_minute);
        Pacing { interval, next_at: now, before_last: now }
    }

    /// Another pace from now on: the next dial is not waited for longer than the new pace asks.
    pub fn set_pace(&mut self, calls_per_minute: f64, now: Instant) {
        let changed = Pacing::new(calls_per_minute, now);
        self.next_at = self.next_at.max(now).min(now + changed.interval);
        self.before_last = self.before_last.min(self.next_at);
        self.interval = changed.interval;
    }

    /// When the next dial may leave.
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// A dial leaves.
    pub fn handle_dial(&mut self, now: Instant) {
        let lateness = (now - self.next_at).min(LATENESS_MAX.min(self.interval / 4));
        self.before_last = self.next_at;
        self.next_at = now + (self.interval - lateness);
    }

    /// The last dial did not leave after all: its slot is free again, after a rest.
    pub fn handle_not_dialed(&mut self, now: Instant) {
        self.next_at = self.next_at.min(self.before_last.max(now + NOT_DIALED_REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_spread_evenly_over_the_minute() {
        assert_eq!(dials(30.0, 0, 60_000, 10), (0..=29).map(|n| n * 2_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_late_timer_does_not_lower_the_pace() {
        // Asked every 7 ms only, 600 a minute are nevertheless 600 a minute.
        let made = dials(600.0, 0, 60_000, 7).len();
        assert!((599..=601).contains(&made), "{made}");
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut pacing = Pacing::new(60.0, at(0));
        pacing.handle_dial(at(0));
        pacing.handle_dial(at(100_000));
        assert_eq!(pacing.next_at(), at(100_980));
    }

    #[test]
    fn a_dial_that_did_not_leave_gives_its_slot_back_after_a_rest() {
        let mut pacing = Pacing::new(1.0, at(0));
        pacing.handle_dial(at(0));
        pacing.handle_not_dialed(at(5));
        assert_eq!(pacing.next_at(), at(1_005));
        let mut pacing = Pacing::new(600.0, at(0));
        pacing.handle_dial(at(0));
        pacing.handle_not_dialed(at(5));
        assert_eq!(pacing.next_at(), at(100), "never later than the next slot");
    }

    #[test]
    fn another_pace_counts_from_the_next_dial_on() {
        for (before, after, next_ms) in [(1.0, 60.0, 1_500), (60.0, 1.0, 1_000), (60.0, 60.0, 1_000)] {
            let mut pacing = Pacing::new(before, at(0));
            pacing.handle_dial(at(0));
            pacing.set_pace(after, at(500));
            assert_eq!(pacing.next_at(), at(next_ms), "from {before} to {after} a minute");
        }
        let mut idle = Pacing::new(60.0, at(0));
        idle.set_pace(1.0, at(5_000));
        assert_eq!(idle.next_at(), at(5_000), "a slot that was missed is no debt");
    }

    fn dials(calls_per_minute: f64, from_ms: u64, to_ms: u64, step_ms: usize) -> Vec<u64> {
        let mut pacing = Pacing::new(calls_per_minute, at(from_ms));
        let mut made = Vec::new();
        for now in (from_ms..to_ms).step_by(step_ms) {
            if at(now) >= pacing.next_at() {
                pacing.handle_dial(at(now));
                made.push(now);
            }
        }
        made
    }

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }
}
