//! How long what is heard has waited since it came: the delay, and up to a frame more, as a packet comes at any time between
//! two slots; and what the clocks have run apart since, until that is corrected.

use super::{FRAME, LAG_OVER_MAX, WINDOW_SLOTS, units};
use crate::time::Instant;
use std::time::Duration;

/// What sound waits beyond the delay.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Lag {
    /// In units of the RTP clock.
    over: i64,
    newest_at: Instant,
    /// The most of the present window; of the packets that the network delayed least.
    over_max: Option<i64>,
    slots: u32,
}

impl Lag {
    /// Nothing has come: in the mean it will be half a frame.
    pub fn new() -> Self {
        Lag { over: FRAME as i64 / 2, newest_at: Instant::ZERO, over_max: None, slots: 0 }
    }

    /// Playout begins with what came `waited` ago.
    pub fn begin(&mut self, waited: Duration, delay: u64) {
        self.over = (units(waited) as i64 - delay as i64).clamp(0, FRAME as i64);
        self.begin_window();
    }

    /// What was measured before says nothing any more.
    pub fn begin_window(&mut self) {
        (self.over_max, self.slots) = (None, 0);
    }

    /// The newest packet came.
    pub fn handle_newest(&mut self, now: Instant) {
        self.newest_at = now;
    }

    /// A slot; what the newest packet holds will be heard in so long.
    pub fn handle_slot(&mut self, now: Instant, ahead: u64, delay: u64) {
        let over = (ahead + units(now.saturating_since(self.newest_at))) as i64 - delay as i64;
        self.over_max = self.over_max.max(Some(over));
        self.slots += 1;
        if self.slots >= WINDOW_SLOTS {
            self.over = self.over_max.unwrap_or(self.over);
            self.begin_window();
        }
    }

    /// The whole of it, with the delay.
    pub fn units(&self, delay: u64) -> u64 {
        let over = self.over.clamp(-(FRAME as i64), units(LAG_OVER_MAX) as i64);
        delay.saturating_add_signed(over)
    }
}
