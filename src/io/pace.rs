//! The pace of the control plane's turns.
//!
//! At hundreds of calls a second something comes every few hundred microseconds, and to wake for each of it would cost more
//! than it does. What comes while a turn is young waits for the next one; what comes alone is taken at once.

use std::time::{Duration, Instant};

/// From the beginning of one turn to that of the next at least. It adds to the time from an answer to our first packet, and
/// is shorter than a media slot.
const TURN: Duration = Duration::from_millis(4);

/// When the last turn began.
#[derive(Debug, Default)]
pub struct Pace {
    begun: Option<Instant>,
}

impl Pace {
    /// Waits until the next turn may begin. The thread sleeps: its runtime would wake for each datagram all the same.
    pub async fn rest(&self) {
        let wait = self.wait(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
            // The other tasks' turn, and that of the sockets, whose readiness only the runtime sees.
            tokio::task::yield_now().await;
        }
    }

    /// A turn begins. When one has left something behind, the next may follow at once.
    pub fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// This turn leaves something behind.
    pub fn hurry(&mut self) {
        self.begun = None;
    }

    fn wait(&self, now: Instant) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| TURN.saturating_sub(now.saturating_duration_since(begun)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_alone_waits_for_nothing_and_what_comes_close_behind_for_the_next_turn() {
        let begun = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.wait(begun), Duration::ZERO);
        pace.begin(begun);
        assert_eq!(pace.wait(begun + TURN / 4), TURN * 3 / 4);
        assert_eq!(pace.wait(begun + TURN), Duration::ZERO);
        pace.hurry();
        assert_eq!(pace.wait(begun + TURN / 4), Duration::ZERO);
    }
}
