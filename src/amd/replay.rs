//! A recording through the detector, and what it said gathered into one summary; the live path gathers with the same.

use super::detector::{Detector, Mode};
use super::prompts::Heard;
use super::verdict::{Beep, Cause, Class, Finding, ToneEvent, Verdict};
use crate::audio::{FRAME_SAMPLES, Frame, SILENT_FRAME};
use std::time::Duration;

/// After the last sample the line stays silent for this long at least, so that a beep or a greeting may end.
const TAIL_FRAMES: usize = 35;
/// And at most for this long, should the configured deadline be even further away: a minute.
const TAIL_FRAMES_MAX: usize = 3000;
/// Speech is heard a little beyond its end, over into the beep.
const EDGE: Duration = Duration::from_millis(60);
/// Beeps and tones kept of one call; a line that beeps for hours is not kept whole.
pub const EVENTS_MAX: usize = 256;

/// What the detector said about one call.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Summary {
    /// The first verdict.
    pub verdict: Option<Verdict>,
    /// Its revision.
    pub revised: Option<Verdict>,
    /// The enrolled prompt that was recognised, and when.
    pub prompt: Option<(Heard, Duration)>,
    /// Where the greeting ended: the answer of a human, or the last speech before a machine's beep.
    pub greeting_end: Option<Duration>,
    /// Beeps in order, [`EVENTS_MAX`] at most.
    pub beeps: Vec<Beep>,
    /// Named tones in order, [`EVENTS_MAX`] at most.
    pub tones: Vec<ToneEvent>,
}

impl Summary {
    /// Takes in what the detector says next.
    pub fn handle_finding(&mut self, finding: Finding) {
        match finding {
            Finding::SpeechStart { .. } | Finding::BeepProbable { .. } => {}
            Finding::GreetingEnd { at } => {
                // A greeting that runs up to its beep is certain to have ended only afterwards.
                let before_beep = self.beeps.first().is_none_or(|beep| at <= beep.start + EDGE);
                if before_beep && self.class() != Some(Class::Human) {
                    self.greeting_end = Some(at);
                }
            }
            Finding::Tone(tone) => keep(&mut self.tones, tone),
            Finding::Beep(beep) => keep(&mut self.beeps, beep),
            Finding::Prompt { heard, at } => self.prompt = Some((heard, at)),
            Finding::Verdict(verdict) => {
                if let Cause::SilenceAfterGreeting(silence) = verdict.cause {
                    self.greeting_end = Some(verdict.at.saturating_sub(silence));
                }
                self.verdict = Some(verdict);
            }
            Finding::Revised(verdict) => self.revised = Some(verdict),
        }
    }

    /// The last word on who answered.
    pub fn class(&self) -> Option<Class> {
        self.revised.or(self.verdict).map(|verdict| verdict.class)
    }
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() < EVENTS_MAX {
        list.push(item);
    }
}

/// Plays samples at 8 kHz into a detector that has been reset, then silence until the verdict has come.
pub fn replay(detector: &mut Detector, samples: &[i16]) -> Summary {
    replay_watched(detector, samples, |_| {})
}

/// The same, and `watch` sees the detector after each frame.
pub fn replay_watched(detector: &mut Detector, samples: &[i16], mut watch: impl FnMut(&Detector)) -> Summary {
    detector.reset(Mode::Answer);
    let mut summary = Summary::default();
    for piece in samples.chunks(FRAME_SAMPLES) {
        let mut frame: Frame = SILENT_FRAME;
        frame[..piece.len()].copy_from_slice(piece);
        detector.handle_frame(Some(&frame), &mut |finding| summary.handle_finding(finding));
        watch(detector);
    }
    for tail in 0..TAIL_FRAMES_MAX {
        if tail >= TAIL_FRAMES && summary.verdict.is_some() {
            break;
        }
        detector.handle_frame(Some(&SILENT_FRAME), &mut |finding| summary.handle_finding(finding));
        watch(detector);
    }
    summary
}
