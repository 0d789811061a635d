//! The trunks of a simulated day: the engine's own cap on calls per second, and a second count that trusts nobody.

use super::scenario::Trunks;
use crate::engine::rate::RateLimit;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Trunks in use.
#[derive(Clone, Debug)]
pub struct Wire {
    trunks: Trunks,
    rate: RateLimit,
    lines: usize,
    // The calls begun within the last second; bounded by what the rate lets through.
    begun: VecDeque<Instant>,
    excess: Excess,
}

/// How often more was in use than allowed. There is no such moment, or somebody is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Excess {
    /// Calls begun with all lines taken.
    pub lines: u64,
    /// Calls begun while as many had begun within the last second as may.
    pub calls_per_second: u64,
}

impl Wire {
    /// Unused.
    pub fn new(trunks: Trunks) -> Self {
        Wire {
            trunks,
            rate: RateLimit::new(trunks.calls_per_second_max),
            lines: 0,
            begun: VecDeque::new(),
            excess: Excess::default(),
        }
    }

    /// How many more calls may begin now.
    pub fn lines_free(&self, now: Instant) -> u32 {
        if self.rate.allows(now) { self.trunks.lines_max.saturating_sub(self.lines as u32) } else { 0 }
    }

    /// When the next call may begin, where only the calls of the last second stand in its way.
    pub fn free_at(&self, now: Instant) -> Option<Instant> {
        self.rate.free_at(now).filter(|at| *at > now && self.lines < self.trunks.lines_max as usize)
    }

    /// A call begins. Returns how many there are at once, and in the last second.
    pub fn begin(&mut self, now: Instant) -> (usize, usize) {
        self.rate.record(now);
        self.lines += 1;
        self.begun.push_back(now);
        while self.begun.front().is_some_and(|at| now - *at >= Duration::from_secs(1)) {
            self.begun.pop_front();
        }
        let in_second = self.begun.len();
        self.excess.lines += u64::from(self.lines > self.trunks.lines_max as usize);
        self.excess.calls_per_second +=
            u64::from(in_second as f64 > self.trunks.calls_per_second_max.max(1.0));
        (self.lines, in_second)
    }

    /// A call is over.
    pub fn end(&mut self) {
        self.lines -= 1;
    }

    /// What was in use beyond what is allowed.
    pub fn excess(&self) -> Excess {
        self.excess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn the_count_sees_what_the_caps_should_have_kept_back() {
        let mut wire = Wire::new(Trunks { lines_max: 3, calls_per_second_max: 2.0 });
        assert_eq!(wire.lines_free(at(0)), 3);
        wire.begin(at(0));
        wire.begin(at(600));
        assert_eq!((wire.lines_free(at(999)), wire.free_at(at(999))), (0, Some(at(1_000))));
        assert_eq!(wire.lines_free(at(1_000)), 1);
        assert_eq!(wire.begin(at(1_000)), (3, 2));
        assert_eq!(wire.excess(), Excess::default());
        wire.begin(at(1_100));
        assert_eq!(wire.excess(), Excess { lines: 1, calls_per_second: 1 });
        wire.end();
        wire.end();
        assert_eq!(wire.lines_free(at(3_000)), 1);
    }
}
