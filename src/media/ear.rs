//! The detector of a stream, and how closely it listens.
//!
//! While a verdict or a beep is waited for it hears every frame at once. Once the verdict stands and something is being said
//! to the callee, nobody waits for what it hears: then it hears five frames at a time. What it finds is the same to the
//! sample, and told up to 80 ms later; but what a detector remembers has left the processor's caches by the time of the
//! next call's frame, and is fetched once for five frames instead of five times.

use super::command::EventKind;
use crate::amd::Prompts;
use crate::amd::detector::{Detector, Mode, Options};
use crate::audio::{Frame, SILENT_FRAME};
use crate::time::Instant;
use std::sync::Arc;

/// Frames that are heard together: 100 ms. More would be cheaper still, but they are most of an ear's own memory.
const TOGETHER: usize = 5;

/// How soon what is heard must be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attention {
    /// Somebody waits for it.
    AtOnce,
    /// Nobody does, once the verdict stands.
    AtLeisure,
}

/// Hears one stream. What is asked in each slot comes first.
#[repr(C)]
pub struct Ear {
    /// The detector's time zero, while it runs.
    started: Option<Instant>,
    /// The verdict stands, and nothing that is spoken changes it; then that does not change either.
    settled: bool,
    /// Which of those that wait were heard; the others were lost.
    known: [bool; TOGETHER],
    count: usize,
    /// None where nobody ever had to be heard: an agent's leg needs none, and it is most of a leg's memory.
    detector: Option<Box<Detector>>,
    waiting: [Frame; TOGETHER],
}

impl Ear {
    /// An ear without memory, not listening.
    pub fn new() -> Self {
        let (waiting, known) = ([SILENT_FRAME; TOGETHER], [false; TOGETHER]);
        Ear { detector: None, started: None, waiting, known, count: 0, settled: false }
    }

    /// Takes the memory that it needs for listening, if it has none yet.
    pub fn prepare(&mut self, options: &Options) {
        self.detector.get_or_insert_with(|| Box::new(Detector::new(options)));
    }

    /// From now on these prompts are recognised.
    pub fn enrol(&mut self, prompts: &Arc<Prompts>) {
        if let Some(detector) = &mut self.detector {
            detector.enrol(Arc::clone(prompts));
        }
    }

    /// Begins to listen: the detector's time zero is now. Whoever was not prepared cannot.
    pub fn start(&mut self, now: Instant, mode: Mode) {
        if let Some(detector) = &mut self.detector {
            detector.reset(mode);
            (self.started, self.count, self.settled) = (Some(now), 0, false);
        }
    }

    /// Whether nobody waits for what is heard now: the verdict stands, or none is asked for.
    pub fn is_at_leisure(&self) -> bool {
        self.started.is_none() || self.settled
    }

    /// Listens no longer.
    pub fn stop(&mut self) {
        (self.started, self.count) = (None, 0);
    }

    /// The next 20 ms; `None` is lost or late.
    pub fn handle_frame(
        &mut self,
        frame: Option<&Frame>,
        attention: Attention,
        tell: &mut impl FnMut(EventKind),
    ) {
        let (Some(detect_started), Some(detector)) = (self.started, &mut self.detector) else { return };
        let mut out = |finding| tell(EventKind::Finding { detect_started, finding });
        let waits = attention == Attention::AtLeisure && self.settled;
        if waits {
            self.known[self.count] = frame.is_some();
            self.waiting[self.count] = frame.copied().unwrap_or(SILENT_FRAME);
            self.count += 1;
        }
        if !waits || self.count == TOGETHER {
            for (frame, known) in self.waiting[..self.count].iter().zip(&self.known) {
                detector.handle_frame(known.then_some(frame), &mut out);
            }
            self.count = 0;
        }
        if !waits {
            detector.handle_frame(frame, &mut out);
            self.settled = detector.is_settled();
        }
    }
}

impl Default for Ear {
    fn default() -> Self {
        Ear::new()
    }
}

#[cfg(test)]
mod tests;
