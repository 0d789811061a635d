//! A person's word on who answered.

use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Who really answered a call, in a person's word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallLabel {
    /// A living person.
    Human,
    /// An answering machine or voicemail.
    Machine,
    /// A fax machine or modem.
    Fax,
    /// A tone of the network.
    Tone,
    /// A call-screening assistant.
    Screening,
    /// A phone tree.
    Ivr,
    /// Music.
    Music,
    /// Nobody was heard.
    Silence,
    /// Anything else.
    Other,
}

impl CallLabel {
    /// All of them.
    pub const ALL: [CallLabel; 9] = [
        CallLabel::Human,
        CallLabel::Machine,
        CallLabel::Fax,
        CallLabel::Tone,
        CallLabel::Screening,
        CallLabel::Ivr,
        CallLabel::Music,
        CallLabel::Silence,
        CallLabel::Other,
    ];

    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            CallLabel::Human => "human",
            CallLabel::Machine => "machine",
            CallLabel::Fax => "fax",
            CallLabel::Tone => "tone",
            CallLabel::Screening => "screening",
            CallLabel::Ivr => "ivr",
            CallLabel::Music => "music",
            CallLabel::Silence => "silence",
            CallLabel::Other => "other",
        }
    }
}

impl FromStr for CallLabel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = CallLabel::ALL.into_iter().find(|label| label.as_str() == word);
        known.ok_or_else(|| {
            let words: Vec<&str> = CallLabel::ALL.into_iter().map(CallLabel::as_str).collect();
            format!("{word:?} is no label: there are {}", words.join(", "))
        })
    }
}

/// A person's word on a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelRecord {
    /// The attempt's id or a Call-ID of one of its INVITEs.
    pub call: String,
    /// Who answered.
    pub label: CallLabel,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: WallTime,
}

/// The longest name of somebody who labels, in characters.
const NAME_MAX: usize = 64;

/// No Call-ID of ours is longer.
const CALL_ID_MAX: usize = 256;

impl LabelRecord {
    /// As somebody typed it; the error says what is wrong.
    pub fn new(call: &str, label: &str, by: &str, at: WallTime) -> Result<LabelRecord, String> {
        let (call, by) = (call.trim(), by.trim());
        if call.is_empty() || call.len() > CALL_ID_MAX {
            return Err(
                "which call? give an attempt's id or a Call-ID, as `outdial export calls` shows".to_owned()
            );
        }
        if by.is_empty() || by.chars().count() > NAME_MAX || by.contains(char::is_control) {
            return Err(format!("{by:?} is no name: give one of at most {NAME_MAX} characters"));
        }
        Ok(LabelRecord { call: call.to_owned(), label: label.parse()?, by: by.to_owned(), at })
    }
}
