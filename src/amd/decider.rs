//! Who gives the verdict: Outdial's own judge, or Asterisk's rules. Tones, beeps and greeting ends are heard alike.

use super::asterisk::Asterisk;
use super::cadence::Cadence;
use super::judge::Judge;
use super::options::{Engine, Options};
use super::verdict::{Finding, ToneEvent};
use crate::audio::Frame;
use std::time::Duration;

/// Gives the verdict on one call.
pub enum Decider {
    /// From everything that is heard, hop by hop.
    Outdial(Judge),
    /// From the level of each frame alone.
    Asterisk(Asterisk),
}

impl Decider {
    /// Of the engine that is set.
    pub fn new(options: &Options) -> Self {
        match options.engine {
            Engine::Outdial => Decider::Outdial(Judge::new(options)),
            Engine::Asterisk => Decider::Asterisk(Asterisk::new(&options.asterisk)),
        }
    }

    /// Forgets the call.
    pub fn reset(&mut self) {
        match self {
            Decider::Outdial(judge) => judge.reset(),
            Decider::Asterisk(asterisk) => asterisk.reset(),
        }
    }

    /// After each frame of an answered call, its hops included; `None` was lost.
    pub fn handle_frame(&mut self, frame: Option<&Frame>, out: &mut impl FnMut(Finding)) {
        if let Decider::Asterisk(asterisk) = self {
            asterisk.handle_frame(frame, out);
        }
    }

    /// After each hop of 10 ms.
    pub fn handle_hop(&mut self, heard: &Cadence, tone: bool, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_hop(heard, tone, out);
        }
    }

    /// A tone was named.
    pub fn handle_tone(&mut self, heard: &Cadence, tone: &ToneEvent, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_tone(heard, tone, out);
        }
    }

    /// A beep has ended.
    pub fn handle_beep(&mut self, heard: &Cadence, at: Duration, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_beep(heard, at, out);
        }
    }
}
