//! Moments of a greeting, as the model will meet them live.

use crate::amd::detector::{Detector, Mode};
use crate::amd::features::{self, Features};
use crate::amd::verdict::Finding;
use crate::audio::{FRAME_SAMPLES, Frame, SILENT_FRAME};
use crate::corpus::manifest::{Clip, Label};

/// A moment is taken every so many frames: 40 ms.
const EVERY_FRAMES: usize = 2;
/// The greeting is followed for this long; a verdict is due before.
const UNTIL_MS: u32 = 5000;
/// And until it has been quiet for this long; a verdict is given before, so that a second "hello?" is never met undecided.
const SILENCE_MS: u32 = 1500;

/// One moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Example {
    /// Which clip of the corpus.
    pub clip: usize,
    /// A machine answered.
    pub machine: bool,
    /// What the model is told.
    pub features: Features,
}

/// All moments of a clip; none for a clip that is neither a person's nor a machine's.
pub fn of(clip: usize, row: &Clip, samples: &[i16], detector: &mut Detector) -> Vec<Example> {
    let machine = match row.label {
        Label::Human => false,
        Label::Machine => true,
        Label::Other => return Vec::new(),
    };
    detector.reset(Mode::Answer);
    let mut found = Vec::new();
    let mut named = false;
    let silence = std::iter::repeat_n(SILENT_FRAME, SILENCE_MS as usize / 20);
    for (place, frame) in samples.chunks(FRAME_SAMPLES).map(whole).chain(silence).enumerate() {
        // A beep or a tone judges by itself.
        detector.handle_frame(Some(&frame), &mut |finding| {
            named |= matches!(finding, Finding::Beep(_) | Finding::Tone(_));
        });
        let heard = detector.cadence();
        if named || heard.now_ms > UNTIL_MS {
            break;
        }
        let spoken = heard.speech_start_ms.is_some();
        if spoken && heard.silence_ms > SILENCE_MS {
            break;
        }
        if spoken && place % EVERY_FRAMES == 0 {
            found.push(Example { clip, machine, features: features::of(heard) });
        }
    }
    found
}

fn whole(piece: &[i16]) -> Frame {
    let mut frame = SILENT_FRAME;
    frame[..piece.len()].copy_from_slice(piece);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::Options;

    #[test]
    fn moments_begin_with_the_first_word_and_end_with_the_silence_after_the_last() {
        let call = [vec![0; 4000], voice(400), vec![0; 40_000]].concat();
        let mut detector = Detector::new(&Options::default());
        let examples = of(7, &Clip::new("a.wav", Label::Human), &call, &mut detector);
        assert!(examples.iter().all(|example| example.clip == 7 && !example.machine));
        let count = (400 + 1500) / 40;
        assert!(examples.len().abs_diff(count) <= 5, "{} for about {count}", examples.len());
        assert!(of(7, &Clip::new("a.wav", Label::Other), &call, &mut detector).is_empty());
    }

    /// A vowel that glides from 120 Hz up, with its harmonics.
    fn voice(ms: usize) -> Vec<i16> {
        let mut phase = 0.0f64;
        let sample = |i: usize| {
            phase += (120.0 + i as f64 * 0.01) / 8000.0;
            let harmonic = |n: i32| (std::f64::consts::TAU * phase * f64::from(n)).sin() / f64::from(n);
            ((1..=12).map(harmonic).sum::<f64>() * 4000.0) as i16
        };
        (0..ms * 8).map(sample).collect()
    }
}
