//! The clock: the only place that asks what time it is.

use crate::time::{Instant, Now, WallTime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Both clocks, counted from the engine's start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    /// The engine starts now.
    pub fn start() -> Self {
        Clock { epoch: std::time::Instant::now() }
    }

    /// The std instant of the engine's start, for threads that keep time by themselves.
    pub fn epoch(&self) -> std::time::Instant {
        self.epoch
    }

    /// This moment on both clocks.
    pub fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            instant: Instant::from_start(self.epoch.elapsed()),
            wall: WallTime::from_unix_ms(since_1970.as_millis() as i64),
        }
    }

    /// The std instant of one of ours, for timers.
    pub fn to_std(&self, instant: Instant) -> std::time::Instant {
        self.epoch + instant.since_start()
    }
}
