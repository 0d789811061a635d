//! Filling the gap of lost frames, in the manner of ITU-T G.711 Appendix I: the last pitch period is heard again and
//! again, fading, and gives way to silence after 60 ms; the next good frame is faded in.
//!
//! This is for people's ears and for recordings. Detectors must be told that the frame is missing instead.

use super::{FRAME_SAMPLES, Frame, SILENT_FRAME};

/// What is kept of the past: enough for two of the longest pitch periods.
const HISTORY: usize = 2 * FRAME_SAMPLES;
/// The pitch of voices, 66 to 200 Hz, in samples.
const LAG_MIN: usize = 40;
const LAG_MAX: usize = 120;
/// What is compared to find the pitch, and how long the fade into the next good frame is.
const COMPARED: usize = 160;
const FADE_IN: usize = 32;
/// Gaps of more frames are silent from here on.
const FRAMES_MAX: u32 = 3;

/// One direction of one stream.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// The last two frames, by turns.
    history: [Frame; 2],
    /// Which of them is the older one: the next to give way.
    older: usize,
    gap: Gap,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Gap {
    None,
    /// So many frames are missing, the last `lag` good samples are being repeated from `position` on.
    Open {
        frames: u32,
        lag: usize,
        position: usize,
    },
}

impl Concealer {
    /// A stream of which nothing was heard.
    pub fn new() -> Self {
        Concealer { history: [SILENT_FRAME; 2], older: 0, gap: Gap::None }
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        *self = Concealer::new();
    }

    /// A good frame; its begin is blended with the replacement when a gap ends here.
    pub fn handle_frame(&mut self, frame: &mut Frame) {
        if let Gap::Open { .. } = self.gap {
            let replaced = self.conceal();
            for (index, sample) in frame.iter_mut().take(FADE_IN).enumerate() {
                let (new, old) = (i32::from(*sample), i32::from(replaced[index]));
                *sample = (old + (new - old) * index as i32 / FADE_IN as i32) as i16;
            }
            self.gap = Gap::None;
        }
        self.history[self.older] = *frame;
        self.older = 1 - self.older;
    }

    /// What to hear in place of a frame that is missing.
    pub fn conceal(&mut self) -> Frame {
        let mut history = [0; HISTORY];
        let (begin, end) = history.split_at_mut(FRAME_SAMPLES);
        begin.copy_from_slice(&self.history[self.older]);
        end.copy_from_slice(&self.history[1 - self.older]);
        let (frames, lag, mut position) = match self.gap {
            // Nothing is repeated of silence: a call's first slots have heard nothing yet.
            Gap::None if history == [0; HISTORY] => (FRAMES_MAX, LAG_MAX, 0),
            Gap::None => (0, pitch_lag(&history), 0),
            Gap::Open { frames, lag, position } => (frames, lag, position),
        };
        let mut frame = SILENT_FRAME;
        if frames < FRAMES_MAX {
            let fade_total = (FRAMES_MAX as usize * FRAME_SAMPLES) as i32;
            let faded = frames as usize * FRAME_SAMPLES;
            for (index, sample) in frame.iter_mut().enumerate() {
                let gain = fade_total - (faded + index) as i32;
                *sample = (i32::from(history[HISTORY - lag + position]) * gain / fade_total) as i16;
                position = (position + 1) % lag;
            }
        }
        self.gap = Gap::Open { frames: frames.saturating_add(1), lag, position };
        frame
    }
}

impl Default for Concealer {
    fn default() -> Self {
        Concealer::new()
    }
}

/// The lag at which the newest samples look most like those before them.
fn pitch_lag(history: &[i16; HISTORY]) -> usize {
    let newest = &history[HISTORY - COMPARED..];
    let mut best = (LAG_MAX, 0.0);
    for lag in LAG_MIN..=LAG_MAX {
        let older = &history[HISTORY - COMPARED - lag..HISTORY - lag];
        let (mut product, mut power) = (0i64, 0i64);
        for (new, old) in newest.iter().zip(older) {
            product += i64::from(*new) * i64::from(*old);
            power += i64::from(*old) * i64::from(*old);
        }
        if product > 0 && power > 0 {
            let likeness = product as f64 * product as f64 / power as f64;
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::super::level::dbfs;
    use super::super::tone::Tone;
    use super::*;
    use std::time::Duration;

    fn frames_of(samples: &[i16]) -> Vec<Frame> {
        samples.chunks_exact(FRAME_SAMPLES).map(|chunk| chunk.try_into().unwrap()).collect()
    }

    #[test]
    fn a_steady_tone_goes_on_through_a_lost_frame_without_a_click() {
        let tone = Tone::sine(125.0, -15.0).samples(Duration::from_millis(60));
        let frames = frames_of(&tone);
        let mut concealer = Concealer::new();
        for frame in &frames[..2] {
            concealer.handle_frame(&mut frame.clone());
        }
        let replaced = concealer.conceal();
        let wrong: Vec<i16> = replaced.iter().zip(&frames[2]).map(|(a, b)| a - b).collect();
        assert!(dbfs(&wrong) < dbfs(&frames[2]) - 9.0, "{} against {}", dbfs(&wrong), dbfs(&frames[2]));
        let step = (i32::from(replaced[0]) - i32::from(frames[1][FRAME_SAMPLES - 1])).abs();
        assert!(step < 1_500, "a click of {step}");
    }

    #[test]
    fn a_long_gap_fades_into_silence() {
        let mut concealer = Concealer::new();
        for frame in frames_of(&Tone::sine(150.0, -15.0).samples(Duration::from_millis(60))) {
            concealer.handle_frame(&mut frame.clone());
        }
        let levels: Vec<f32> = (0..5).map(|_| dbfs(&concealer.conceal())).collect();
        assert!(levels[0] > levels[1] && levels[1] > levels[2], "{levels:?}");
        assert_eq!(levels[3..], [-96.0, -96.0]);
    }

    #[test]
    fn the_first_good_frame_is_faded_in() {
        let mut concealer = Concealer::new();
        concealer.conceal();
        let mut frame = [8_000; FRAME_SAMPLES];
        concealer.handle_frame(&mut frame);
        assert_eq!(frame[0], 0);
        assert!(frame[..FADE_IN].windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(frame[FADE_IN..], [8_000; FRAME_SAMPLES - FADE_IN]);
        let mut next = [8_000; FRAME_SAMPLES];
        concealer.handle_frame(&mut next);
        assert_eq!(next, [8_000; FRAME_SAMPLES]);
    }

    #[test]
    fn nothing_heard_before_is_concealed_by_silence() {
        assert_eq!(Concealer::new().conceal(), SILENT_FRAME);
    }
}
