//! One time line for both sides of a recording: what we said waits as long as what we hear has waited for its playout.
//!
//! The peer's sound is heard, and recorded, a playout delay after it came; ours is recorded when it is sent. An answer would
//! stand later in the file than it was given, by that delay. So what is said passes through a line of frames that is as long
//! as the delay is. Where that changes, the line follows in a frame that is silent, if one comes within a second.
//!
//! ```text
//!   said --> | newest |  ...  | oldest | --> right side        held = lag / 20 ms
//! ```

use crate::audio::level::dbfs;
use crate::audio::{FRAME, Frame, SILENT_FRAME};
use crate::rtp::jitter::{DELAY_MAX, LAG_OVER_MAX};
use std::time::Duration;

/// The most frames that wait: what a playout may delay, and the one that has just come.
pub const FRAMES_MAX: usize =
    ((DELAY_MAX.as_millis() + LAG_OVER_MAX.as_millis()) / FRAME.as_millis()) as usize + 1;

/// The line keeps its length until it is off by more: three quarters of a frame.
const OFF_MAX: i64 = 15_000;

/// So many frames may be off before speech is cut or parted: a second.
const PATIENCE: u32 = 50;

/// In a frame of this level in dBFS or less nothing is lost, and nothing is heard twice.
const SILENT_DBFS: f32 = -50.0;

/// The line of what was said and is not recorded yet.
#[derive(Debug)]
pub struct Alignment {
    frames: [Frame; FRAMES_MAX],
    oldest: usize,
    held: usize,
    /// Frames in a row for which the line was too long or too short.
    off_for: u32,
}

impl Alignment {
    /// The line of a recording that begins, where what is heard came `lag` ago.
    pub fn new(lag: Duration) -> Self {
        let held = (lag + FRAME / 2).as_micros() / FRAME.as_micros();
        let held = usize::try_from(held).unwrap_or(usize::MAX).min(FRAMES_MAX - 1);
        Alignment { frames: [SILENT_FRAME; FRAMES_MAX], oldest: 0, held, off_for: 0 }
    }

    /// A frame is said while one is heard that came `lag` ago. Tells what was said when that came.
    pub fn handle_frame(&mut self, said: &Frame, lag: Duration) -> Frame {
        let off = lag.as_micros() as i64 - (FRAME * self.held as u32).as_micros() as i64;
        self.off_for = if off.abs() <= OFF_MAX { 0 } else { self.off_for.saturating_add(1) };
        self.frames[(self.oldest + self.held) % FRAMES_MAX] = *said;
        self.held += 1;
        if off > OFF_MAX && self.held < FRAMES_MAX && self.may_change() {
            return SILENT_FRAME;
        }
        let mut too_long = -off;
        while too_long > OFF_MAX && self.held > 1 && self.may_change() {
            self.pop();
            too_long -= FRAME.as_micros() as i64;
        }
        self.pop().unwrap_or(SILENT_FRAME)
    }

    /// Whether silence may be put before the oldest frame, or that frame be left out.
    fn may_change(&self) -> bool {
        self.off_for > PATIENCE || dbfs(&self.frames[self.oldest]) <= SILENT_DBFS
    }

    /// The oldest of what is left.
    pub fn pop(&mut self) -> Option<Frame> {
        self.held = self.held.checked_sub(1)?;
        let frame = self.frames[self.oldest];
        self.oldest = (self.oldest + 1) % FRAMES_MAX;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Says frames of these levels, each beside one that came so many ms ago; tells the levels that are recorded.
    fn recorded(line: &mut Alignment, said: impl IntoIterator<Item = (i16, u64)>) -> Vec<i16> {
        said.into_iter().map(|(level, lag)| line.handle_frame(&[level; FRAME_SAMPLES], ms(lag))[0]).collect()
    }

    #[test]
    fn what_is_said_waits_for_as_long_as_what_is_heard_has_waited() {
        for (lag, expected) in
            [(0, 0), (9, 0), (11, 1), (40, 2), (49, 2), (51, 3), (59, 3), (220, 11), (900, 13)]
        {
            let mut line = Alignment::new(ms(lag));
            let levels = recorded(&mut line, (1..=20).map(|level| (1_000 * level, lag)));
            assert_eq!(levels.iter().filter(|level| **level == 0).count(), expected, "{lag} ms");
            assert_eq!(
                levels[expected..],
                (1..=20 - expected as i16).map(|level| 1_000 * level).collect::<Vec<_>>()
            );
            let left: Vec<i16> = std::iter::from_fn(|| line.pop()).map(|frame| frame[0]).collect();
            assert_eq!(left, (21 - expected as i16..=20).map(|level| 1_000 * level).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_delay_that_changes_takes_and_gives_silence() {
        let mut line = Alignment::new(ms(20));
        // Longer by two frames: both are put where nothing is said.
        let said = [(1_000, 20), (2_000, 60), (0, 60), (3_000, 60), (4_000, 60), (5_000, 60), (6_000, 60)];
        assert_eq!(recorded(&mut line, said), [0, 1_000, 2_000, 0, 0, 0, 3_000]);
        // Shorter again: of three silent frames two are left out.
        let said = [(0, 60), (0, 60), (0, 60), (7_000, 60), (8_000, 20), (9_000, 20), (1_000, 20)];
        assert_eq!(recorded(&mut line, said), [4_000, 5_000, 6_000, 0, 7_000, 8_000, 9_000]);
    }

    #[test]
    fn a_little_more_or_less_changes_nothing_and_speech_waits_for_a_second() {
        let mut line = Alignment::new(ms(40));
        let levels = recorded(&mut line, (0..200u64).map(|index| (5_000, [40, 54, 26][index as usize % 3])));
        assert!(levels[2..].iter().all(|level| *level == 5_000));
        let levels = recorded(&mut line, (0..100).map(|_| (5_000, 60)));
        assert_eq!(levels.iter().position(|level| *level == 0), Some(50));
        assert_eq!(levels.iter().filter(|level| **level == 0).count(), 1);
        assert_eq!(std::iter::from_fn(|| line.pop()).count(), 3);
    }
}
