//! Recorded prompts that sound the same each time: a carrier's mailbox, a phone's screening assistant, a phone tree.
//!
//! Their cadence tells none of them from another machine, nor always from a person; their sound does. The operator enrols
//! recordings, [`table`] keeps their prints ([`mod@print`]), and a [`matcher`] of each call recognises a prompt one to one and a
//! half seconds into it, or into any later part of it. Nothing is enrolled from the outset.

pub mod matcher;
pub mod print;
pub mod table;

pub use matcher::Matcher;
pub use table::{Enrolment, Prompt, Prompts};

use super::verdict::Class;
use std::fmt;
use std::time::Duration;

/// The most prompts.
pub const PROMPTS_MAX: usize = 1_000;
/// The longest recording of one.
pub const CLIP_MAX: Duration = Duration::from_secs(60);
/// The shortest, silence at both ends left out.
pub const CLIP_MIN: Duration = Duration::from_millis(1_200);
/// The longest name in bytes.
pub const NAME_MAX: usize = 47;

/// Who speaks a prompt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A mailbox or answering machine.
    Machine,
    /// A call-screening assistant.
    Screening,
    /// A phone tree.
    Ivr,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Machine, Kind::Screening, Kind::Ivr];

    /// The verdict that a prompt of this kind brings.
    pub fn class(self) -> Class {
        match self {
            Kind::Machine => Class::Machine,
            Kind::Screening => Class::Screening,
            Kind::Ivr => Class::Ivr,
        }
    }

    /// The word for it, and the name of its folder.
    pub fn as_str(self) -> &'static str {
        self.class().as_str()
    }
}

/// The name of a prompt, which is copied into findings: [`NAME_MAX`] bytes at most.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name {
    length: u8,
    bytes: [u8; NAME_MAX],
}

impl Name {
    /// The name, or `None` when it is empty or too long.
    pub fn new(text: &str) -> Option<Name> {
        let mut bytes = [0; NAME_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty()).then_some(Name { length: text.len() as u8, bytes })
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or("")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// A prompt was recognised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Heard {
    /// Who speaks it.
    pub kind: Kind,
    /// Which it is.
    pub name: Name,
    /// How far into the prompt the call is, in milliseconds.
    pub into_ms: u32,
    /// How far the agreement lies beyond chance, in roots of the number of bits compared.
    pub proof: f32,
}

/// Why a recording cannot be enrolled. The text names what would help; the caller adds the file's name.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// More than [`PROMPTS_MAX`].
    TooMany,
    /// Longer than [`CLIP_MAX`]: so long.
    TooLong(Duration),
    /// What is heard in it is shorter than [`CLIP_MIN`]: so long.
    TooShort(Duration),
    /// Nothing is heard in it, or nothing that changes.
    Silent,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |time: &Duration| time.as_secs_f64();
        match self {
            Fault::TooMany => {
                write!(f, "more than {PROMPTS_MAX} prompts; take out those that are never heard")
            }
            Fault::TooLong(length) => write!(
                f,
                "{:.1} s are too long for a prompt; cut {:.0} s at most out of it, best its first ten",
                s(length),
                s(&CLIP_MAX)
            ),
            Fault::TooShort(length) => write!(
                f,
                "{:.2} s of sound are too short to be told from chance; a prompt has {:.1} s at least",
                s(length),
                s(&CLIP_MIN)
            ),
            Fault::Silent => {
                f.write_str("no speech is heard in it; cut out the part in which the prompt is spoken")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Tone;

    #[test]
    fn what_cannot_be_told_from_chance_is_not_enrolled() {
        let name = Name::new("x").unwrap();
        let tone = Tone::sine(440.0, -20.0);
        for (samples, want) in [
            (tone.samples(Duration::from_millis(900)), "too short"),
            (tone.samples(Duration::from_secs(61)), "too long"),
            (tone.samples(Duration::from_secs(5)), "no speech"),
            (vec![0; 80_000], "no speech"),
        ] {
            let mut enrolment = Enrolment::new();
            let fault = enrolment.add(Kind::Machine, name, &samples).unwrap_err().to_string();
            assert!(fault.contains(want), "{fault}");
            assert!(enrolment.finish().is_empty());
        }
    }

    #[test]
    fn a_name_has_a_bound() {
        assert_eq!(Name::new(&"x".repeat(NAME_MAX)).unwrap().as_str().len(), NAME_MAX);
        assert_eq!(Name::new(&"x".repeat(NAME_MAX + 1)), None);
        assert_eq!(Name::new(""), None);
    }
}
