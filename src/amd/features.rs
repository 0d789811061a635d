//! What the model is told: the timing of what was said so far, as numbers of comparable size.
//!
//! Timing only. Spectral and prosodic features were measured with sources kept apart and told nothing (see the README);
//! within one source they tell the microphone. Each number is a piecewise linear view of one duration, so that a linear
//! model can bend: the first second of speech means something else than the third.

use super::cadence::Cadence;

/// How many numbers.
pub const COUNT: usize = NAMES.len();
/// What each is called in the model's file and in explanations.
pub const NAMES: [&str; 16] = [
    "speaking",
    "speech to 1 s",
    "speech 1 to 2 s",
    "speech 2 to 4 s",
    "silence to 0.4 s",
    "silence 0.4 to 0.8 s",
    "silence 0.8 to 1.5 s",
    "speech times silence",
    "words",
    "words a second",
    "pauses",
    "longest pause",
    "first phrase",
    "newest phrase",
    "longest word",
    "silence before speech",
];

/// A moment of a call in the order of [`NAMES`]. Shares have no unit, durations are in seconds and capped.
pub type Features = [f32; COUNT];

/// The timing heard so far.
pub fn of(heard: &Cadence) -> Features {
    let speaking = heard.in_word();
    let speech = seconds(heard.span_ms());
    let silence = if speaking { 0.0 } else { seconds(heard.silence_ms) };
    let words = heard.words as f32;
    [
        if speaking { 1.0 } else { 0.0 },
        speech.min(1.0),
        (speech - 1.0).clamp(0.0, 1.0),
        (speech - 2.0).clamp(0.0, 2.0),
        silence.min(0.4),
        (silence - 0.4).clamp(0.0, 0.4),
        (silence - 0.8).clamp(0.0, 0.7),
        silence.min(1.0) * speech.min(2.5),
        words.min(12.0) / 4.0,
        (words / speech.max(0.3)).min(6.0) / 3.0,
        heard.phrases.saturating_sub(1).min(3) as f32,
        seconds(heard.gap_ms).min(1.0),
        seconds(heard.first_phrase_ms).min(2.5),
        seconds(heard.phrase_ms()).min(2.5),
        seconds(heard.word_ms).min(1.5),
        seconds(heard.speech_start_ms.unwrap_or(0)).min(3.0),
    ]
}

fn seconds(ms: u32) -> f32 {
    ms as f32 / 1000.0
}
