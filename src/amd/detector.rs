//! The detector of one call.

use super::verdict::{Cause, Class, Finding, Verdict};
use std::time::Duration;

pub use super::options::{Mode, Options};

const FRAME_MS: u64 = 20;

/// Hears one call, frame by frame.
pub struct Detector {
    options: Options,
    mode: Mode,
    frames: u64,
    speech_ms: u64,
    silence_ms: u64,
    ended: bool,
    judged: bool,
}

impl Detector {
    /// A detector that listens to an answered call; all its memory is taken here.
    pub fn new(options: &Options) -> Self {
        Detector {
            options: options.clone(),
            mode: Mode::Answer,
            frames: 0,
            speech_ms: 0,
            silence_ms: 0,
            ended: true,
            judged: false,
        }
    }

    /// Begins a new call; no memory is taken.
    pub fn reset(&mut self, mode: Mode) {
        self.mode = mode;
        (self.frames, self.speech_ms, self.silence_ms) = (0, 0, 0);
        (self.ended, self.judged) = (true, false);
    }

    /// Hears the next 20 ms; `None` is a lost or late frame, unknown rather than silent.
    pub fn handle_frame(&mut self, frame: Option<&[i16; 160]>, out: &mut impl FnMut(Finding)) {
        self.frames += 1;
        let at = Duration::from_millis(self.frames * FRAME_MS);
        let Some(frame) = frame else { return };
        if self.mode == Mode::EarlyMedia {
            return;
        }
        let mean = frame.iter().map(|s| u64::from(s.unsigned_abs())).sum::<u64>() / 160;
        if mean >= 256 {
            if self.speech_ms == 0 {
                out(Finding::SpeechStart { at: at - Duration::from_millis(FRAME_MS) });
            }
            self.speech_ms += FRAME_MS;
            (self.silence_ms, self.ended) = (0, false);
        } else {
            self.silence_ms += FRAME_MS;
        }
        let silence = Duration::from_millis(self.silence_ms);
        if !self.ended && self.silence_ms >= 500 {
            self.ended = true;
            out(Finding::GreetingEnd { at: at - silence });
        }
        if self.judged {
            return;
        }
        let verdict = if self.speech_ms > u64::from(self.options.greeting_ms) {
            Some((Class::Machine, Cause::LongGreeting(Duration::from_millis(self.speech_ms))))
        } else if self.speech_ms > 0 && self.silence_ms >= u64::from(self.options.silence_after_greeting_ms) {
            Some((Class::Human, Cause::SilenceAfterGreeting(silence)))
        } else if self.speech_ms == 0 && at >= Duration::from_millis(self.options.initial_silence_ms.into()) {
            Some((Class::Silence, Cause::InitialSilence(at)))
        } else if at >= Duration::from_millis(self.options.deadline_ms.into()) {
            Some((Class::Unsure, Cause::Deadline(at)))
        } else {
            None
        };
        if let Some((class, cause)) = verdict {
            self.judged = true;
            out(Finding::Verdict(Verdict { class, cause, at }));
        }
    }
}
