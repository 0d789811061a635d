//! The timer values of RFC 3261 section 17 (table 4) and RFC 6026 section 7.
//!
//! | timer | value | what for |
//! |---|---|---|
//! | A | T1, doubling | INVITE again, unreliable transport only |
//! | B | 64*T1 | INVITE given up |
//! | D | 32 s, reliable 0 | copies of a final response to an INVITE |
//! | E | T1, doubling to T2 | request again, unreliable transport only |
//! | F | 64*T1 | request given up |
//! | G | T1, doubling to T2 | final response to an INVITE again |
//! | H | 64*T1 | waiting for the ACK given up |
//! | I | T4, reliable 0 | copies of the ACK |
//! | J | 64*T1, reliable 0 | copies of a request |
//! | K | T4, reliable 0 | copies of a response |
//! | L | 64*T1 | copies of an INVITE that was accepted |
//! | M | 64*T1 | copies of a 2xx, and those of other branches |

use std::time::Duration;

/// How long a server may think before it says 100 (RFC 3261 section 17.2.1).
pub const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The least of Timer D over an unreliable transport (RFC 3261 section 17.1.1.2).
const TIMER_D_MIN: Duration = Duration::from_secs(32);

/// The three base values from which all timers follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// The estimate of a round trip.
    pub t1: Duration,
    /// The longest pause between two copies.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Timers::with_t1(Duration::from_millis(500))
    }
}

impl Timers {
    /// The RFC's values, but for T1, which is a millisecond at least: without any pause copies would never end.
    pub fn with_t1(t1: Duration) -> Self {
        let t1 = t1.max(Duration::from_millis(1));
        Timers { t1, t2: Duration::from_secs(4).max(t1), t4: Duration::from_secs(5) }
    }

    /// 64*T1: timers B, F, H, L and M, and every wait for a peer that may be dead.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// The pause after one of `interval`, for timers E and G.
    pub fn doubled(&self, interval: Duration) -> Duration {
        (interval * 2).min(self.t2)
    }

    /// Timer D. A reliable transport cannot repeat the response, so there it is zero, as are I, J and K.
    pub fn d(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.give_up().max(TIMER_D_MIN) }
    }

    /// Timers I and K.
    pub fn i_and_k(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }

    /// Timer J.
    pub fn j(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.give_up() }
    }
}
