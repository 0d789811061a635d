//! How long sound waits in the jitter buffer: always the same, or as long as the network needs.
//!
//! The adaptive delay looks at the margin of each packet, the time from its arrival to when it is due. A packet that
//! comes too late makes the delay longer at once, two frames at most; when all packets of two seconds came with a frame
//! and a half to spare it is made a frame shorter, since on a line between people every wait is heard in the answer.

use super::jitter::{FRAME, units};
use std::time::Duration;

/// What the buffer is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// This long, whatever happens.
    Fixed(Duration),
    /// As long as needed, within bounds.
    Adaptive {
        /// It begins with this.
        min: Duration,
        /// It never grows beyond this.
        max: Duration,
    },
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Delay {
        Delay::Fixed(delay)
    }
}

/// The least that a packet may make the delay grow by is a frame, the most two.
const GROWTH_FRAMES_MAX: u64 = 2;
/// Slots of one look back: two seconds.
const WINDOW_SLOTS: u32 = 100;
/// Fewer packets in a window say nothing.
const WINDOW_PACKETS: u32 = 20;
/// What has to be left of the margin when a frame is taken away, in units of the RTP clock: half a frame.
const RESERVE: i64 = FRAME as i64 / 2;

/// What the playout does in a slot to come to its delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Wait for a frame's time.
    Insert,
    /// Leave a frame out.
    Skip,
}

/// The delay of one stream, in units of the RTP clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Target {
    min: u64,
    max: u64,
    now: u64,
    frames_owed: u64,
    slots: u32,
    packets: u32,
    margin_min: i64,
}

impl Target {
    /// At its shortest; bounds are cut to `longest`.
    pub fn new(delay: Delay, longest: Duration) -> Self {
        let (min, max) = match delay {
            Delay::Fixed(delay) => (delay, delay),
            Delay::Adaptive { min, max } => (min, max.max(min)),
        };
        let (min, max) = (units(min.min(longest)), units(max.min(longest)));
        Target { min, max, now: min, frames_owed: 0, slots: 0, packets: 0, margin_min: i64::MAX }
    }

    /// Back to the shortest.
    pub fn reset(&mut self) {
        self.now = self.min;
        self.frames_owed = 0;
        self.begin_window();
    }

    /// Whether it follows the network.
    pub fn is_adaptive(&self) -> bool {
        self.max > self.min
    }

    /// The delay of now.
    pub fn units(&self) -> u64 {
        self.now
    }

    /// A packet came so long before it is due; less than zero is too late.
    pub fn handle_arrival(&mut self, margin: i64) {
        if !self.is_adaptive() {
            return;
        }
        self.packets += 1;
        self.margin_min = self.margin_min.min(margin);
        if margin >= 0 || self.frames_owed > 0 {
            return;
        }
        let needed = margin.unsigned_abs().div_ceil(FRAME as u64).min(GROWTH_FRAMES_MAX);
        let frames = needed.min((self.max - self.now) / FRAME as u64);
        self.now += frames * FRAME as u64;
        self.frames_owed = frames;
        self.begin_window();
    }

    /// Frames were left out: the margins so far were longer than those to come.
    pub fn handle_left_out(&mut self) {
        self.begin_window();
    }

    /// Another 20 ms of playout.
    pub fn handle_slot(&mut self) -> Step {
        if self.frames_owed > 0 {
            self.frames_owed -= 1;
            return Step::Insert;
        }
        self.slots += 1;
        if self.slots < WINDOW_SLOTS {
            return Step::Keep;
        }
        let (packets, spare) = (self.packets, self.margin_min);
        self.begin_window();
        if packets < WINDOW_PACKETS || spare < FRAME as i64 + RESERVE {
            return Step::Keep;
        }
        if self.now >= self.min + FRAME as u64 {
            self.now -= FRAME as u64;
            return Step::Skip;
        }
        // Deeper than it should be: the peer's clock is faster than ours.
        if spare >= self.now as i64 + FRAME as i64 { Step::Skip } else { Step::Keep }
    }

    fn begin_window(&mut self) {
        (self.slots, self.packets, self.margin_min) = (0, 0, i64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_late_packet_makes_it_longer_and_calm_makes_it_shorter_within_bounds() {
        let mut target = Target::new(Delay::Adaptive { min: ms(20), max: ms(100) }, ms(200));
        assert_eq!(target.units(), 160);
        target.handle_arrival(-200);
        assert_eq!(target.units(), 480);
        assert_eq!(
            [target.handle_slot(), target.handle_slot(), target.handle_slot()],
            [Step::Insert, Step::Insert, Step::Keep]
        );
        for _ in 0..9 {
            target.handle_arrival(-1_000);
            while target.handle_slot() == Step::Insert {}
        }
        assert_eq!(target.units(), 800, "no longer than its bound");
        let (mut skipped, mut slots) = (0, 0);
        while target.units() > 160 {
            target.handle_arrival(target.units() as i64);
            skipped += u32::from(target.handle_slot() == Step::Skip);
            slots += 1;
            assert!(slots < 500, "it comes down in ten seconds");
        }
        assert_eq!(skipped, 4);
        for _ in 0..300 {
            target.handle_arrival(160);
            assert_eq!(target.handle_slot(), Step::Keep);
        }
        for _ in 0..100 {
            target.handle_arrival(330);
            skipped += u32::from(target.handle_slot() == Step::Skip);
        }
        assert_eq!((skipped, target.units()), (5, 160), "drift is corrected");
    }

    #[test]
    fn a_fixed_delay_stays() {
        let mut target = Target::new(ms(40).into(), ms(200));
        target.handle_arrival(-1_000);
        assert_eq!((target.units(), target.handle_slot()), (320, Step::Keep));
        assert_eq!(Target::new(ms(900).into(), ms(200)).units(), 1_600);
    }
}
