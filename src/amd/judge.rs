//! Turns the cadence, tones and beeps into one verdict, and revises a verdict of human while that is allowed.

use super::cadence::Cadence;
use super::options::Options;
use super::prompts::Heard;
use super::verdict::{Cause, Class, Finding, ToneEvent, ToneKind, Verdict};
use std::time::Duration;

/// Less sound than this is a click or a gust, not a greeting.
const GREETING_MS_MIN: u32 = 140;
/// "Hello?", or a name; what is longer may be a sentence of several.
const SHORT_GREETING_MS: u32 = 1100;
/// At the deadline, a greeting that has gone on for so long and does not stop is a machine's.
const LATE_GREETING_MS: u32 = 1500;
/// And so is one of this length that pauses just then.
const LATE_SENTENCES_MS: u32 = 2400;
/// A human says hello again, or repeats what was said, and is done sooner; a machine's sentence goes on: twice as long
/// as the answer, within these bounds.
const FURTHER_SPEECH_MS: (u32, u32) = (1300, 2000);

/// Judges one call.
pub struct Judge {
    options: Options,
    verdict: Option<Verdict>,
    revised: bool,
    /// Sound in words when the verdict of human was given.
    voiced_ms: u32,
    ring_back: bool,
}

impl Judge {
    /// Nothing judged yet.
    pub fn new(options: &Options) -> Self {
        Judge { options: options.clone(), verdict: None, revised: false, voiced_ms: 0, ring_back: false }
    }

    /// Forgets the call.
    pub fn reset(&mut self) {
        (self.verdict, self.revised, self.voiced_ms, self.ring_back) = (None, false, 0, false);
    }

    /// After each hop of 10 ms.
    pub fn handle_hop(&mut self, heard: &Cadence, tone: bool, out: &mut impl FnMut(Finding)) {
        match self.verdict {
            None => {
                if let Some((class, cause)) = self.first(heard, tone) {
                    self.give(class, cause, heard, out);
                }
            }
            Some(verdict) if verdict.class == Class::Human && !self.revised => {
                self.again(heard, &verdict, out)
            }
            Some(_) => {}
        }
    }

    /// A tone was named.
    pub fn handle_tone(&mut self, heard: &Cadence, tone: &ToneEvent, out: &mut impl FnMut(Finding)) {
        if let Some(verdict) = self.verdict {
            let wrong = verdict.class == Class::Human && tone.kind == ToneKind::Music;
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
            Some(verdict)
                if verdict.class == Class::Human && !self.revised && self.may_revise(&verdict, heard) =>
            {
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

    fn first(&self, heard: &Cadence, _tone: bool) -> Option<(Class, Cause)> {
        let o = &self.options;
        let spoken = heard.speech_start_ms.is_some();
        if heard.words > o.words_max && heard.in_word() {
            return Some((Class::Machine, Cause::ManyWords(heard.words)));
        }
        if heard.span_ms() >= o.greeting_ms && heard.in_word() {
            return Some((Class::Machine, Cause::LongGreeting(ms(heard.span_ms()))));
        }
        if heard.voiced_ms >= GREETING_MS_MIN && heard.silence_ms >= self.patience_ms(heard) {
            return Some((Class::Human, Cause::SilenceAfterGreeting(ms(heard.silence_ms))));
        }
        if !spoken && !self.ring_back && heard.silence_ms >= o.initial_silence_ms {
            return Some((Class::Silence, Cause::InitialSilence(ms(heard.silence_ms))));
        }
        let goes_on = heard.span_ms() >= LATE_GREETING_MS && heard.silence_ms < 400;
        if heard.now_ms >= o.deadline_ms && (goes_on || heard.span_ms() >= LATE_SENTENCES_MS) {
            return Some((Class::Machine, Cause::LongGreeting(ms(heard.span_ms()))));
        }
        (heard.now_ms >= o.deadline_ms).then(|| match self.ring_back {
            true if !spoken => (Class::Tone, Cause::Tone(ToneKind::RingBack)),
            _ => (Class::Unsure, Cause::Deadline(ms(heard.now_ms))),
        })
    }

    /// A longer greeting pauses between its sentences, so it is given more time to go on.
    fn patience_ms(&self, heard: &Cadence) -> u32 {
        let short = self.options.silence_after_greeting_ms;
        if heard.span_ms() < SHORT_GREETING_MS { short } else { short * 9 / 5 }
    }

    fn give(&mut self, class: Class, cause: Cause, heard: &Cadence, out: &mut impl FnMut(Finding)) {
        let verdict = Verdict { class, cause, at: ms(heard.now_ms) };
        self.verdict = Some(verdict);
        self.voiced_ms = heard.voiced_ms;
        out(Finding::Verdict(verdict));
    }

    /// A human says hello again and waits; a machine goes on to talk.
    fn again(&mut self, heard: &Cadence, verdict: &Verdict, out: &mut impl FnMut(Finding)) {
        let further_ms = heard.voiced_ms - self.voiced_ms;
        let (least, most) = FURTHER_SPEECH_MS;
        if further_ms >= (self.voiced_ms * 2).clamp(least, most) && self.may_revise(verdict, heard) {
            self.revised = true;
            let cause = Cause::SecondSentence(ms(further_ms));
            out(Finding::Revised(Verdict { class: Class::Machine, cause, at: ms(heard.now_ms) }));
        }
    }

    fn may_revise(&self, verdict: &Verdict, heard: &Cadence) -> bool {
        ms(heard.now_ms) <= verdict.at + ms(self.options.revise_ms)
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(value.into())
}
