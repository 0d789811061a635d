//! What the model is told: the timing of what was said so far, as numbers of comparable size.
//!
//! Timing only. Spectral and prosodic features were measured with sources kept apart and told nothing (see the README);
//! within one source they tell the microphone. Each number is a piecewise linear view of one duration, so that a linear
//! model can bend: the first second of speech means something else than the third.

use super::cadence::Cadence;

/// How many numbers.
pub const COUNT: usize = NAMES.len();
/// What each is called in the model's file and in explanations.
pub const NAMES: [&str; 28] = [
    "speaking",
    "speaking: speech to 0.5 s",
    "speaking: speech 0.5 to 1 s",
    "speaking: speech 1 to 1.5 s",
    "speaking: speech 1.5 to 2 s",
    "speaking: speech 2 to 3 s",
    "speaking: speech 3 to 4.5 s",
    "speaking: words a second",
    "speaking: pauses",
    "speaking: longest pause",
    "speaking: newest phrase",
    "speaking: voiced share",
    "speaking: silence before speech",
    "silent: speech to 0.5 s",
    "silent: speech 0.5 to 1 s",
    "silent: speech 1 to 1.5 s",
    "silent: speech 1.5 to 2 s",
    "silent: speech 2 to 3 s",
    "silent: speech 3 to 4.5 s",
    "silent: silence to 0.3 s",
    "silent: silence 0.3 to 0.6 s",
    "silent: silence 0.6 to 0.9 s",
    "silent: silence 0.9 to 1.5 s",
    "silent: speech times silence",
    "silent: pauses",
    "silent: longest pause",
    "silent: newest phrase",
    "silent: silence before speech",
];

/// A moment of a call in the order of [`NAMES`]. Shares have no unit, durations are in seconds and capped.
pub type Features = [f32; COUNT];

/// The timing heard so far. What a pause means depends on whether it goes on, so each state has its own numbers; those of
/// the other are 0.
pub fn of(heard: &Cadence) -> Features {
    in_state(heard, heard.in_word())
}

/// The same as if a word sounded now, though it is too short yet to be one.
pub fn as_if_speaking(heard: &Cadence) -> Features {
    in_state(heard, true)
}

fn in_state(heard: &Cadence, speaking: bool) -> Features {
    let mut features = [0.0; COUNT];
    let speech = seconds(heard.span_ms());
    let lead = seconds(heard.speech_start_ms.unwrap_or(0)).min(3.0);
    let pauses = heard.phrases.saturating_sub(1).min(3) as f32;
    let longest = seconds(heard.gap_ms).min(1.0);
    let newest = seconds(heard.phrase_ms()).min(2.5);
    if speaking {
        let words = (heard.words as f32 / speech.max(0.3)).min(6.0) / 3.0;
        let voiced = (heard.voiced_ms as f32 / heard.span_ms().max(100) as f32).min(1.0);
        features[0] = 1.0;
        bend(speech, &SPEECH_S, &mut features[1..7]);
        features[7..13].copy_from_slice(&[words, pauses, longest, newest, voiced, lead]);
    } else {
        let silence = seconds(heard.silence_ms);
        bend(speech, &SPEECH_S, &mut features[13..19]);
        bend(silence, &SILENCE_S, &mut features[19..23]);
        let both = silence.min(1.0) * speech.min(2.5);
        features[23..28].copy_from_slice(&[both, pauses, longest, newest, lead]);
    }
    features
}

/// Where the views of speech and of silence bend, in seconds.
const SPEECH_S: [f32; 7] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5];
const SILENCE_S: [f32; 5] = [0.0, 0.3, 0.6, 0.9, 1.5];

/// How much of a duration lies in each part.
fn bend(value: f32, bends: &[f32], into: &mut [f32]) {
    for (part, ends) in into.iter_mut().zip(bends.windows(2)) {
        *part = (value - ends[0]).clamp(0.0, ends[1] - ends[0]);
    }
}

fn seconds(ms: u32) -> f32 {
    ms as f32 / 1000.0
}
