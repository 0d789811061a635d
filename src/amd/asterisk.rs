//! The judgement of Asterisk's AMD application, for those who switch and want to compare on their own calls.
//!
//! Written from its documented behaviour (the application's help, `amd.conf`, the variables AMDSTATUS and AMDCAUSE): a
//! frame of 20 ms is silence when its mean magnitude stays below a fixed threshold, and what decides is how long silence,
//! voice and words last. There is no noise floor, no ear for tones, and no second thought: a verdict is never revised.

use super::parameters::Parameters;
use super::verdict::{AmdCause, Cause, Class, Finding, Verdict};
use crate::audio::{FRAME_SAMPLES, Frame};
use std::time::Duration;

/// A frame.
const FRAME_MS: u32 = 20;

/// Judges one call as AMD would.
#[derive(Clone, Debug)]
pub struct Asterisk {
    parameters: Parameters,
    given: bool,
    /// A frame was heard.
    begun: bool,
    /// Before the first word.
    waiting: bool,
    /// A word has been said, so that silence is the end of a greeting.
    greeting: bool,
    /// The voice belongs to a word that is counted already. It is so at the start: who speaks at once says a first word
    /// that does not count.
    in_word: bool,
    words: u32,
    total_ms: u32,
    silence_ms: u32,
    /// Voice in all.
    voice_ms: u32,
    /// Voice since the newest pause between words.
    word_ms: u32,
}

impl Asterisk {
    /// Nothing heard yet.
    pub fn new(parameters: &Parameters) -> Self {
        Asterisk {
            parameters: parameters.clone(),
            given: false,
            begun: false,
            waiting: true,
            greeting: false,
            in_word: true,
            words: 0,
            total_ms: 0,
            silence_ms: 0,
            voice_ms: 0,
            word_ms: 0,
        }
    }

    /// Forgets the call.
    pub fn reset(&mut self) {
        *self = Asterisk::new(&self.parameters);
    }

    /// Hears the next frame. One that is lost counts as silence, as one of comfort noise does; before the first one only
    /// the time passes.
    pub fn handle_frame(&mut self, frame: Option<&Frame>, out: &mut impl FnMut(Finding)) {
        if self.given {
            return;
        }
        self.total_ms += FRAME_MS;
        self.begun |= frame.is_some();
        let judged = match frame {
            _ if self.total_ms >= self.parameters.total_analysis_time => {
                let cause = if self.begun { AmdCause::TooLong } else { AmdCause::NoAudioData };
                Some((Class::Unsure, cause(self.total_ms)))
            }
            None if !self.begun => None,
            Some(frame) if magnitude(frame) >= self.parameters.silence_threshold => self.voice(),
            _ => self.silence(),
        };
        if let Some((class, cause)) = judged {
            self.given = true;
            let at = Duration::from_millis(self.total_ms.into());
            out(Finding::Verdict(Verdict { class, cause: Cause::Asterisk(cause), at }));
        }
    }

    fn silence(&mut self) -> Option<(Class, AmdCause)> {
        let p = &self.parameters;
        self.silence_ms += FRAME_MS;
        if self.silence_ms >= p.between_words_silence {
            (self.in_word, self.word_ms) = (false, 0);
        }
        if self.waiting && self.silence_ms >= p.initial_silence {
            return Some((Class::Machine, AmdCause::InitialSilence(self.silence_ms, p.initial_silence)));
        }
        (self.greeting && self.silence_ms >= p.after_greeting_silence)
            .then_some((Class::Human, AmdCause::Human(self.silence_ms, p.after_greeting_silence)))
    }

    fn voice(&mut self) -> Option<(Class, AmdCause)> {
        let p = &self.parameters;
        self.silence_ms = 0;
        self.word_ms += FRAME_MS;
        self.voice_ms += FRAME_MS;
        let word = self.word_ms >= p.min_word_length;
        if word && !self.in_word {
            self.in_word = true;
            self.words += 1;
        }
        let cause = if self.word_ms >= p.maximum_word_length {
            Some(AmdCause::MaxWordLength(self.word_ms))
        } else if self.words > p.maximum_number_of_words {
            Some(AmdCause::MaxWords(self.words, p.maximum_number_of_words))
        } else if self.greeting && self.voice_ms >= p.greeting {
            Some(AmdCause::LongGreeting(self.voice_ms, p.greeting))
        } else {
            None
        };
        if word {
            (self.waiting, self.greeting) = (false, true);
        }
        cause.map(|cause| (Class::Machine, cause))
    }
}

/// The mean magnitude, cut to a whole number.
fn magnitude(frame: &Frame) -> u32 {
    frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() / FRAME_SAMPLES as u32
}

#[cfg(test)]
mod tests;
