//! What an agent is doing.

use crate::time::Instant;
use serde::Deserialize;
use std::fmt;

/// What agents say of themselves, and what the configuration may begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Takes calls.
    Ready,
    /// On a break.
    Break,
    /// Not at the phone.
    Away,
    /// Signed out.
    Offline,
}

/// What an agent is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Signed out.
    Offline,
    /// Waits for a call.
    Ready,
    /// A contact is kept for this agent alone: it is being looked at, or dialed.
    Reserved,
    /// The phone rings.
    Ringing,
    /// In a call.
    Talking,
    /// Writes up the last call.
    WrapUp {
        /// Until then.
        until: Instant,
    },
    /// On a break.
    Break,
    /// Not at the phone.
    Away {
        /// By calls that the phone did not take, not by the agent's own word.
        missed: bool,
    },
}

impl State {
    /// The word in commands and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Offline => "offline",
            State::Ready => "ready",
            State::Reserved => "reserved",
            State::Ringing => "ringing",
            State::Talking => "talking",
            State::WrapUp { .. } => "wrap_up",
            State::Break => "break",
            State::Away { .. } => "away",
        }
    }

    /// Whether a call, or a contact, is with the agent.
    pub fn is_busy(self) -> bool {
        matches!(self, State::Reserved | State::Ringing | State::Talking)
    }

    /// Whether the agent will take a call sooner or later without having said anything.
    pub fn is_staffed(self) -> bool {
        self.is_busy() || matches!(self, State::Ready | State::WrapUp { .. })
    }
}

impl From<Word> for State {
    fn from(word: Word) -> State {
        match word {
            Word::Ready => State::Ready,
            Word::Break => State::Break,
            Word::Away => State::Away { missed: false },
            Word::Offline => State::Offline,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Away { missed: true } => f.pad("away, missed calls"),
            state => f.pad(state.as_str()),
        }
    }
}
