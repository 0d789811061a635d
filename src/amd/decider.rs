//! Who gives the verdict: Outdial's own judge, or Asterisk's rules. Tones, beeps and greeting ends are heard alike.

use super::asterisk::Asterisk;
use super::cadence::Cadence;
use super::judge::Judge;
use super::options::{Engine, Options};
use super::prompts::Heard;
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

    /// The model's probability of a machine; 0 without a model.
    pub fn machine(&self, heard: &Cadence) -> f32 {
        match self {
            Decider::Outdial(judge) => judge.machine(heard),
            Decider::Asterisk(_) => 0.0,
        }
    }

    /// Nothing that is spoken from now on changes the verdict.
    pub fn is_settled(&self, heard: &Cadence) -> bool {
        match self {
            Decider::Outdial(judge) => judge.is_settled(heard),
            Decider::Asterisk(_) => false,
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
    pub fn handle_hop(&mut self, heard: &Cadence, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_hop(heard, out);
        }
    }

    /// A tone was named.
    pub fn handle_tone(&mut self, heard: &Cadence, tone: &ToneEvent, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_tone(heard, tone, out);
        }
    }

    /// An enrolled prompt was recognised.
    pub fn handle_prompt(&mut self, prompt: &Heard, at: Duration, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_prompt(prompt, at, out);
        }
    }

    /// A beep has ended.
    pub fn handle_beep(&mut self, heard: &Cadence, at: Duration, out: &mut impl FnMut(Finding)) {
        if let Decider::Outdial(judge) = self {
            judge.handle_beep(heard, at, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::amd::detector::{Detector, Mode, Options};
    use crate::amd::options::Engine;
    use crate::amd::replay::{Summary, replay};
    use crate::amd::verdict::{Class, ToneKind};
    use crate::audio::tone::{Tone, cadence};
    use crate::audio::{FRAME_SAMPLES, SILENT_FRAME};
    use std::time::Duration;

    const LEVEL: f32 = -16.0;

    fn options(engine: Engine) -> Options {
        Options { engine, ..Options::default() }
    }

    fn judge(engine: Engine, samples: &[i16]) -> Summary {
        replay(&mut Detector::new(&options(engine)), samples)
    }

    #[test]
    fn with_the_rules_of_asterisk_tones_and_beeps_are_heard_and_do_not_judge() {
        let half = Duration::from_millis(500);
        let busy = cadence(&[(Tone::sine(425.0, LEVEL), half), (Tone::silence(), half)]).repeat(6);
        let outdial = judge(Engine::Outdial, &busy);
        let asterisk = judge(Engine::Asterisk, &busy);
        assert_eq!(outdial.class(), Some(Class::Tone));
        assert_eq!(
            asterisk.verdict.map(|verdict| verdict.cause.to_string()).unwrap(),
            "LONGGREETING-1500-1500"
        );
        assert_eq!((asterisk.class(), asterisk.revised), (Some(Class::Machine), None));
        assert_eq!(asterisk.tones.first().map(|tone| tone.kind), Some(ToneKind::Busy));
        assert_eq!(asterisk.tones, outdial.tones);
    }

    #[test]
    fn a_verdict_of_asterisk_is_never_revised() {
        // A word, a pause that makes it a person's, then a sentence.
        let voice = Tone::sine(130.0, LEVEL).with(390.0, LEVEL);
        let silence = |ms: u64| vec![0; ms as usize * 8];
        let hello = voice.samples(Duration::from_millis(400));
        let sentence = voice.samples(Duration::from_secs(4));
        let call = [silence(500), hello, silence(1_000), sentence].concat();
        let summary = judge(Engine::Asterisk, &call);
        assert_eq!(summary.verdict.map(|verdict| verdict.cause.to_string()).unwrap(), "HUMAN-800-800");
        assert_eq!(summary.verdict.unwrap().at, Duration::from_millis(1_700));
        assert_eq!(summary.revised, None);
    }

    #[test]
    fn before_the_answer_nobody_is_judged() {
        let mut detector = Detector::new(&options(Engine::Asterisk));
        detector.reset(Mode::EarlyMedia);
        for i in 0..400 {
            let frame = if i % 30 < 15 { [3_000; FRAME_SAMPLES] } else { SILENT_FRAME };
            detector.handle_frame(Some(&frame), &mut |finding| panic!("{finding:?}"));
        }
    }
}
