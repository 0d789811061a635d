//! What the detector says: verdicts with their cause and time, beeps, tones.
//!
//! All times are counted in audio since the detector's start: the answer on a live call, the first sample of a file.

pub use super::prompts::{Heard, Name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Who or what answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A living person.
    Human,
    /// An answering machine or voicemail.
    Machine,
    /// A fax machine or modem.
    Fax,
    /// A network tone: SIT, busy, ring-back.
    Tone,
    /// A call-screening assistant.
    Screening,
    /// A phone tree: a menu that wants keys or words (IVR).
    Ivr,
    /// Music on hold.
    Music,
    /// Nothing was heard.
    Silence,
    /// Heard something and could not tell by the deadline.
    Unsure,
}

impl Class {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Human => "human",
            Class::Machine => "machine",
            Class::Fax => "fax",
            Class::Tone => "tone",
            Class::Screening => "screening",
            Class::Ivr => "ivr",
            Class::Music => "music",
            Class::Silence => "silence",
            Class::Unsure => "unsure",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why. Durations are what was measured when the rule fired.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Cause {
    /// A short greeting, then silence for this long.
    SilenceAfterGreeting(Duration),
    /// The greeting went on for this long.
    LongGreeting(Duration),
    /// So many words in the greeting.
    ManyWords(u32),
    /// The statistical model's probability of a machine.
    Model(f32),
    /// A beep.
    Beep,
    /// A named tone.
    Tone(ToneKind),
    /// Nothing was heard for this long.
    InitialSilence(Duration),
    /// More speech came after a verdict of human.
    SecondSentence(Duration),
    /// An enrolled prompt was recognised.
    Prompt(Name),
    /// A call-screening assistant's cadence.
    Assistant,
    /// The analysis time is used up.
    Deadline(Duration),
    /// The engine `asterisk`, in the words of its AMDCAUSE.
    Asterisk(AmdCause),
}

/// What AMD of Asterisk puts into the variable AMDCAUSE: what was measured in ms or words, and where it matters the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AmdCause {
    /// The analysis time is used up.
    TooLong(u32),
    /// Not one frame came.
    NoAudioData(u32),
    /// Silence before the first word, and its limit.
    InitialSilence(u32, u32),
    /// Silence after a word, and its limit.
    Human(u32, u32),
    /// Words, and their limit.
    MaxWords(u32, u32),
    /// Voice in all, and its limit.
    LongGreeting(u32, u32),
    /// The length of one word.
    MaxWordLength(u32),
}

impl fmt::Display for AmdCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AmdCause::TooLong(ms) => write!(f, "TOOLONG-{ms}"),
            AmdCause::NoAudioData(ms) => write!(f, "NOAUDIODATA-{ms}"),
            AmdCause::InitialSilence(ms, limit) => write!(f, "INITIALSILENCE-{ms}-{limit}"),
            AmdCause::Human(ms, limit) => write!(f, "HUMAN-{ms}-{limit}"),
            AmdCause::MaxWords(words, limit) => write!(f, "MAXWORDS-{words}-{limit}"),
            AmdCause::LongGreeting(ms, limit) => write!(f, "LONGGREETING-{ms}-{limit}"),
            AmdCause::MaxWordLength(ms) => write!(f, "MAXWORDLENGTH-{ms}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::SilenceAfterGreeting(d) => write!(f, "silence after greeting {} ms", d.as_millis()),
            Cause::LongGreeting(d) => write!(f, "long greeting {} ms", d.as_millis()),
            Cause::ManyWords(n) => write!(f, "{n} words"),
            Cause::Model(p) => write!(f, "model {p:.3}"),
            Cause::Beep => f.write_str("beep"),
            Cause::Tone(kind) => write!(f, "{kind}"),
            Cause::InitialSilence(d) => write!(f, "initial silence {} ms", d.as_millis()),
            Cause::SecondSentence(d) => write!(f, "second sentence {} ms", d.as_millis()),
            Cause::Prompt(name) => write!(f, "prompt {name}"),
            Cause::Assistant => f.write_str("screening assistant"),
            Cause::Deadline(d) => write!(f, "deadline {} ms", d.as_millis()),
            Cause::Asterisk(cause) => write!(f, "{cause}"),
        }
    }
}

/// Tones that name themselves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToneKind {
    /// Special information tones, vacant code or intercept (ITU-T E.180): the number is invalid.
    SitInvalid,
    /// Special information tones, no circuit or reorder: congestion.
    SitCongestion,
    /// Special information tones of an unknown kind.
    Sit,
    /// Fax calling tone, 1100 Hz (ITU-T T.30).
    FaxCng,
    /// Called station tone, 2100 Hz (ITU-T T.30, V.25), ANSam included.
    FaxCed,
    /// Ring-back: the far end still rings.
    RingBack,
    /// Busy.
    Busy,
    /// Reorder, congestion: busy at double speed.
    Reorder,
    /// Dial tone, or any other unbroken network tone.
    DialTone,
    /// A DTMF digit in the audio.
    Dtmf,
    /// Music.
    Music,
}

impl ToneKind {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            ToneKind::SitInvalid => "sit_invalid",
            ToneKind::SitCongestion => "sit_congestion",
            ToneKind::Sit => "sit",
            ToneKind::FaxCng => "fax_cng",
            ToneKind::FaxCed => "fax_ced",
            ToneKind::RingBack => "ring_back",
            ToneKind::Busy => "busy",
            ToneKind::Reorder => "reorder",
            ToneKind::DialTone => "dial_tone",
            ToneKind::Dtmf => "dtmf",
            ToneKind::Music => "music",
        }
    }
}

impl fmt::Display for ToneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The judgement, at most one first one a call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Verdict {
    /// Who or what.
    pub class: Class,
    /// Why.
    pub cause: Cause,
    /// When it was decided.
    pub at: Duration,
}

/// A voicemail beep.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Beep {
    /// Its first sample.
    pub start: Duration,
    /// When it was first reported, as probable.
    pub reported_at: Duration,
    /// Its last sample.
    pub end: Duration,
    /// The strongest line.
    pub frequency_hz: f32,
}

/// A network or fax tone that was recognised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ToneEvent {
    /// Which.
    pub kind: ToneKind,
    /// Its first sample.
    pub start: Duration,
    /// When it was recognised.
    pub at: Duration,
}

/// Everything that the detector says, in order of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Finding {
    /// Speech begins: the first of the call, or again after a greeting's end.
    SpeechStart {
        /// When it began.
        at: Duration,
    },
    /// The greeting is over: speech has ended and stayed away. May come again when speech resumes and ends later.
    GreetingEnd {
        /// When the last speech ended (not when that became certain).
        at: Duration,
    },
    /// A named tone.
    Tone(ToneEvent),
    /// A beep seems to have begun: arm the drop.
    BeepProbable {
        /// Its first sample.
        start: Duration,
        /// Now.
        at: Duration,
    },
    /// A beep has ended: start the drop.
    Beep(Beep),
    /// An enrolled prompt was recognised, at most one a call.
    Prompt {
        /// Which, and where in it the call is.
        heard: Heard,
        /// Now.
        at: Duration,
    },
    /// The first verdict.
    Verdict(Verdict),
    /// The verdict was wrong after all: a human who is a machine, or, by an enrolled prompt, anybody who is another.
    Revised(Verdict),
}
