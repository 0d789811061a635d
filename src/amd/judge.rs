//! Turns the cadence, tones and beeps into one verdict, and revises a verdict of human while that is allowed.
//!
//! A sequential test (Wald, 1947): at each hop the model says how probable a machine is, and the configured costs say
//! whether that is enough. A machine is said while it speaks, a person once silence has followed.

use super::cadence::Cadence;
use super::features;
use super::options::Options;
use super::prompts::Heard;
use super::verdict::{Cause, Class, Finding, ToneEvent, ToneKind, Verdict};
use std::time::Duration;

/// Less sound than this is a click or a gust, not a greeting.
const GREETING_MS_MIN: u32 = 140;
/// Who was heard for so long was there, though no word was understood: an `h`, a whisper, a bad line.
const SOUND_MS_MIN: u32 = 150;
/// At the deadline this is sure enough: few people have spoken for so long.
const LATE: f32 = 0.8;
/// A person who hears nothing waits, then says hello again, or what was said before, and is done: what follows so late must
/// be twice as long as the answer, within these bounds, to be a machine's.
const LATE_SPEECH_MS: (u32, u32) = (1300, 2000);
/// A machine goes on after a breath: what follows sooner than this ...
const BREATH_MS: u32 = 1200;
/// ... needs to be half as long again, within these.
const NEXT_SPEECH_MS: (u32, u32) = (800, 1600);

/// Judges one call.
pub struct Judge {
    options: Options,
    verdict: Option<Verdict>,
    revised: bool,
    /// Sound in words when the verdict of human was given.
    voiced_ms: u32,
    /// Where it had ended then.
    speech_end_ms: u32,
    /// The pause after it, once more was said.
    breath_ms: Option<u32>,
    ring_back: bool,
    /// The newest word of the model while nothing is decided.
    machine: f32,
}

impl Judge {
    /// Nothing judged yet.
    pub fn new(options: &Options) -> Self {
        Judge {
            options: options.clone(),
            verdict: None,
            revised: false,
            voiced_ms: 0,
            speech_end_ms: 0,
            breath_ms: None,
            ring_back: false,
            machine: 0.0,
        }
    }

    /// Forgets the call.
    pub fn reset(&mut self) {
        (self.verdict, self.revised, self.voiced_ms, self.ring_back) = (None, false, 0, false);
        (self.speech_end_ms, self.breath_ms, self.machine) = (0, None, 0.0);
    }

    /// After each hop of 10 ms.
    pub fn handle_hop(&mut self, heard: &Cadence, out: &mut impl FnMut(Finding)) {
        match self.verdict {
            None => {
                self.machine = self.machine(heard);
                if let Some((class, cause)) = self.first(heard) {
                    self.give(class, cause, heard, out);
                }
            }
            Some(verdict) if is_open(verdict.class) && !self.revised => self.again(heard, &verdict, out),
            Some(_) => {}
        }
    }

    /// A tone was named.
    pub fn handle_tone(&mut self, heard: &Cadence, tone: &ToneEvent, out: &mut impl FnMut(Finding)) {
        if let Some(verdict) = self.verdict {
            let wrong = is_open(verdict.class) && tone.kind == ToneKind::Music;
            if wrong && !self.revised && self.may_revise(&verdict, heard) {
                self.revised = true;
                let cause = Cause::Tone(tone.kind);
                out(Finding::Revised(Verdict { class: Class::Music, cause, at: tone.at }));
            }
            return;
        }
        let class = match tone.kind {
            ToneKind::FaxCng | ToneKind::FaxCed => Class::Fax,
            ToneKind::SitInvalid
            | ToneKind::SitCongestion
            | ToneKind::Sit
            | ToneKind::Busy
            | ToneKind::Reorder
            | ToneKind::DialTone => Class::Tone,
            // Somebody may still answer: wait, at most to the deadline.
            ToneKind::RingBack => {
                self.ring_back = true;
                return;
            }
            ToneKind::Music => Class::Music,
            ToneKind::Dtmf => return,
        };
        let verdict = Verdict { class, cause: Cause::Tone(tone.kind), at: tone.at };
        self.verdict = Some(verdict);
        out(Finding::Verdict(verdict));
    }

    /// A beep has ended.
    pub fn handle_beep(&mut self, heard: &Cadence, at: Duration, out: &mut impl FnMut(Finding)) {
        let machine = Verdict { class: Class::Machine, cause: Cause::Beep, at };
        match self.verdict {
            None => {
                self.verdict = Some(machine);
                out(Finding::Verdict(machine));
            }
            Some(verdict) if is_open(verdict.class) && !self.revised && self.may_revise(&verdict, heard) => {
                self.revised = true;
                out(Finding::Revised(machine));
            }
            Some(_) => {}
        }
    }

    /// An enrolled prompt was recognised, at most once a call. That is no matter of likelihood: it overrules whatever was
    /// said before, at any time, a machine that turns out to be a screening assistant included.
    pub fn handle_prompt(&mut self, prompt: &Heard, at: Duration, out: &mut impl FnMut(Finding)) {
        let told = Verdict { class: prompt.kind.class(), cause: Cause::Prompt(prompt.name), at };
        match self.verdict {
            None => {
                self.verdict = Some(told);
                out(Finding::Verdict(told));
            }
            Some(first) => {
                let last = if self.revised { Class::Machine } else { first.class };
                self.revised = true;
                if last != told.class {
                    out(Finding::Revised(told));
                }
            }
        }
    }

    fn first(&self, heard: &Cadence) -> Option<(Class, Cause)> {
        self.of_speech(heard).or_else(|| self.of_time(heard))
    }

    /// A sequential test: stop where going on to listen costs more than it may save.
    fn of_speech(&self, heard: &Cadence) -> Option<(Class, Cause)> {
        if heard.voiced_ms < GREETING_MS_MIN {
            return None;
        }
        let o = &self.options;
        let sure = self.machine >= o.machine_from();
        if heard.in_word() {
            return sure.then_some((Class::Machine, Cause::Model(self.machine)));
        }
        // While a tone sounds nobody waits for an answer.
        let human = (Class::Human, Cause::SilenceAfterGreeting(ms(heard.silence_ms)));
        if heard.quiet_ms >= o.patience_ms {
            return Some(if sure { (Class::Machine, Cause::Model(self.machine)) } else { human });
        }
        if heard.is_doubtful() {
            return None;
        }
        let machine = f64::from(self.machine);
        let waiting = (1.0 - machine) * o.cost_second_of_waiting;
        let mistake = machine * o.cost_machine_as_human;
        (heard.quiet_ms >= o.silence_after_greeting_ms && mistake <= waiting).then_some(human)
    }

    fn of_time(&self, heard: &Cadence) -> Option<(Class, Cause)> {
        let o = &self.options;
        let spoken = heard.speech_start_ms.is_some();
        let still = heard.sound_ms < SOUND_MS_MIN;
        if !spoken && still && !self.ring_back && heard.silence_ms >= o.initial_silence_ms {
            return Some((Class::Silence, Cause::InitialSilence(ms(heard.silence_ms))));
        }
        if heard.now_ms < o.deadline_ms {
            return None;
        }
        // Who begins to speak again just then is speaking.
        let machine = match heard.in_vowel() {
            true => o.model.probability(&features::as_if_speaking(heard)),
            false => self.machine,
        };
        if spoken && machine >= o.machine_from().min(LATE) {
            return Some((Class::Machine, Cause::Model(machine)));
        }
        // Silence has not lasted long enough to be sure, but it has begun.
        if spoken
            && !heard.is_doubtful()
            && heard.quiet_ms >= o.silence_after_greeting_ms
            && self.machine < 0.5
        {
            return Some((Class::Human, Cause::SilenceAfterGreeting(ms(heard.silence_ms))));
        }
        Some(match self.ring_back {
            true if !spoken => (Class::Tone, Cause::Tone(ToneKind::RingBack)),
            _ => (Class::Unsure, Cause::Deadline(ms(heard.now_ms))),
        })
    }

    /// The model's probability of a machine, 0 before the first word.
    pub fn machine(&self, heard: &Cadence) -> f32 {
        let spoken = heard.speech_start_ms.is_some();
        if spoken { self.options.model.probability(&features::of(heard)) } else { 0.0 }
    }

    fn give(&mut self, class: Class, cause: Cause, heard: &Cadence, out: &mut impl FnMut(Finding)) {
        let verdict = Verdict { class, cause, at: ms(heard.now_ms) };
        self.verdict = Some(verdict);
        (self.voiced_ms, self.speech_end_ms) = (heard.voiced_ms, heard.speech_end_ms);
        out(Finding::Verdict(verdict));
    }

    /// A human says hello again and waits; a machine goes on to talk.
    fn again(&mut self, heard: &Cadence, verdict: &Verdict, out: &mut impl FnMut(Finding)) {
        // What passed for a word may have been taken back since.
        let further_ms = heard.voiced_ms.saturating_sub(self.voiced_ms);
        if further_ms == 0 {
            return;
        }
        let breath_ms = heard.word_start_ms().saturating_sub(self.speech_end_ms);
        let soon = *self.breath_ms.get_or_insert(breath_ms) < BREATH_MS;
        let much = further_ms
            >= match (verdict.class, soon) {
                // It had gone on to the deadline already.
                (Class::Unsure, true) => NEXT_SPEECH_MS.0,
                (_, true) => (self.voiced_ms * 3 / 2).clamp(NEXT_SPEECH_MS.0, NEXT_SPEECH_MS.1),
                (_, false) => (self.voiced_ms * 2).clamp(LATE_SPEECH_MS.0, LATE_SPEECH_MS.1),
            };
        if much && self.may_revise(verdict, heard) {
            self.revised = true;
            let cause = Cause::SecondSentence(ms(further_ms));
            out(Finding::Revised(Verdict { class: Class::Machine, cause, at: ms(heard.now_ms) }));
        }
    }

    /// The verdict has been given and cannot be revised by speech any more.
    pub fn is_settled(&self, heard: &Cadence) -> bool {
        let settled =
            |verdict: Verdict| self.revised || !is_open(verdict.class) || !self.may_revise(&verdict, heard);
        self.verdict.is_some_and(settled)
    }

    fn may_revise(&self, verdict: &Verdict, heard: &Cadence) -> bool {
        ms(heard.now_ms) <= verdict.at + ms(self.options.revise_ms)
    }
}

/// Whoever was called a person, or might be one, may turn out to be a machine.
fn is_open(class: Class) -> bool {
    matches!(class, Class::Human | Class::Unsure)
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(value.into())
}
