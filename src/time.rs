//! Time as the core knows it: handed in by the shell, never asked for.
//!
//! [`Instant`] is monotonic and counts from the start of the engine; every timer is made of it.
//! [`WallTime`] is civil time (UTC) and serves calling windows and records only. Neither has a `now()`,
//! so the core *cannot* read the clock and a simulated day is as good as a real one.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point of monotonic time, in nanoseconds since the engine's start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The engine's start.
    pub const ZERO: Instant = Instant(0);

    /// No instant is later.
    pub const LAST: Instant = Instant(u64::MAX);

    /// The instant `since_start` after the engine's start.
    pub fn from_start(since_start: Duration) -> Self {
        Instant(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long after the engine's start this is.
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time since `earlier`, zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, rhs: Duration) -> Instant {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    /// Saturates at zero: a clock that is read on two threads may seem to run backwards by a little.
    fn sub(self, rhs: Instant) -> Duration {
        self.saturating_since(rhs)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since_start();
        write!(f, "{}.{:06}", since.as_secs(), since.subsec_micros())
    }
}

/// Civil time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct WallTime(i64);

impl WallTime {
    /// From milliseconds since the Unix epoch.
    pub fn from_unix_ms(ms: i64) -> Self {
        WallTime(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }
}

impl Add<Duration> for WallTime {
    type Output = WallTime;

    fn add(self, rhs: Duration) -> WallTime {
        let ms = i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX);
        WallTime(self.0.saturating_add(ms))
    }
}

/// What the shell tells the core with each input: the same moment on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// The monotonic moment: timers, rates, durations.
    pub instant: Instant,
    /// The civil moment: calling windows, records.
    pub wall: WallTime,
}

impl Now {
    /// The civil time that belongs to `instant`, near this moment.
    pub fn wall_at(self, instant: Instant) -> WallTime {
        let base = self.wall.unix_ms();
        let ahead = instant.saturating_since(self.instant).as_millis() as i64;
        let behind = self.instant.saturating_since(instant).as_millis() as i64;
        WallTime(base.saturating_add(ahead).saturating_sub(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtraction_saturates_where_clocks_of_two_threads_cross() {
        let early = Instant::from_start(Duration::from_millis(5));
        let late = Instant::from_start(Duration::from_millis(8));
        assert_eq!(late - early, Duration::from_millis(3));
        assert_eq!(early - late, Duration::ZERO);
    }

    #[test]
    fn civil_time_of_an_instant_reaches_both_ways() {
        let now = Now {
            instant: Instant::from_start(Duration::from_secs(10)),
            wall: WallTime::from_unix_ms(1_000_000),
        };
        let before = Instant::from_start(Duration::from_secs(9));
        let after = Instant::from_start(Duration::from_secs(12));
        assert_eq!(now.wall_at(before).unix_ms(), 999_000);
        assert_eq!(now.wall_at(after).unix_ms(), 1_002_000);
    }
}
