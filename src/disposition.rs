//! How an attempt ended: the one list of outcomes that campaign, call, store and reports share.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Without an agent by then after the greeting's end, a person is abandoned (47 CFR 64.1200(a)(7), 16 CFR 310.4(b)(4)(i)).
pub const ABANDONED_AFTER: Duration = Duration::from_secs(2);

/// The final outcome of one attempt, one word each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// A person answered and talked with an agent.
    Bridged,
    /// A person answered and heard the campaign's message.
    MessagePlayed,
    /// A person answered and no agent was on the line in time (47 CFR 64.1200(a)(7)).
    Abandoned,
    /// A person answered and hung up before anything could be done for them.
    HungUpEarly,
    /// A person pressed the opt-out key; the number is on the do-not-call list.
    OptedOut,
    /// A machine answered and the voicemail message was left in full.
    VoicemailLeft,
    /// A machine answered; we hung up, or the message could not be left in full.
    Machine,
    /// A call-screening assistant answered.
    Screening,
    /// A fax machine or modem answered.
    Fax,
    /// Network tones after the answer: SIT, busy, ring-back, music.
    Tone,
    /// Answered, and nothing was heard.
    Silence,
    /// Answered, undecided at the deadline, and nobody to take it.
    Unsure,
    /// Nobody answered: our ring time-out, 480, 408 after ringing.
    NoAnswer,
    /// 486 or 600, or a busy tone in early media.
    Busy,
    /// 603, 607 or 608: the callee, or software on the callee's behalf, said no.
    Declined,
    /// The number does not exist: 404, 410, 484, 604, SIT vacant or intercept.
    InvalidNumber,
    /// The subscriber is absent (480 with cause 20).
    Unreachable,
    /// The network is congested or a trunk failed: 500, 502, 503, 504, SIT no circuit.
    Congestion,
    /// The trunk refused us: 401, 403, 407 after credentials.
    TrunkRejected,
    /// No codec or no usable media description: 488, 606, a bad answer.
    MediaMismatch,
    /// Answered, and no packet of media ever came.
    NoMedia,
    /// Ended by the operator or by shutdown before an answer.
    Canceled,
    /// The engine died while the attempt was in flight; what happened is not known.
    Interrupted,
}

impl Disposition {
    /// All of them, in the order above.
    pub const ALL: [Disposition; 23] = [
        Disposition::Bridged,
        Disposition::MessagePlayed,
        Disposition::Abandoned,
        Disposition::HungUpEarly,
        Disposition::OptedOut,
        Disposition::VoicemailLeft,
        Disposition::Machine,
        Disposition::Screening,
        Disposition::Fax,
        Disposition::Tone,
        Disposition::Silence,
        Disposition::Unsure,
        Disposition::NoAnswer,
        Disposition::Busy,
        Disposition::Declined,
        Disposition::InvalidNumber,
        Disposition::Unreachable,
        Disposition::Congestion,
        Disposition::TrunkRejected,
        Disposition::MediaMismatch,
        Disposition::NoMedia,
        Disposition::Canceled,
        Disposition::Interrupted,
    ];

    /// The word in records, configuration and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Disposition::Bridged => "bridged",
            Disposition::MessagePlayed => "message_played",
            Disposition::Abandoned => "abandoned",
            Disposition::HungUpEarly => "hung_up_early",
            Disposition::OptedOut => "opted_out",
            Disposition::VoicemailLeft => "voicemail_left",
            Disposition::Machine => "machine",
            Disposition::Screening => "screening",
            Disposition::Fax => "fax",
            Disposition::Tone => "tone",
            Disposition::Silence => "silence",
            Disposition::Unsure => "unsure",
            Disposition::NoAnswer => "no_answer",
            Disposition::Busy => "busy",
            Disposition::Declined => "declined",
            Disposition::InvalidNumber => "invalid_number",
            Disposition::Unreachable => "unreachable",
            Disposition::Congestion => "congestion",
            Disposition::TrunkRejected => "trunk_rejected",
            Disposition::MediaMismatch => "media_mismatch",
            Disposition::NoMedia => "no_media",
            Disposition::Canceled => "canceled",
            Disposition::Interrupted => "interrupted",
        }
    }

    /// The disposition of a word, if there is one.
    pub fn from_word(word: &str) -> Option<Disposition> {
        Disposition::ALL.into_iter().find(|d| d.as_str() == word)
    }

    /// Whether a living person answered the call.
    pub fn is_live_answer(self) -> bool {
        matches!(
            self,
            Disposition::Bridged
                | Disposition::MessagePlayed
                | Disposition::Abandoned
                | Disposition::HungUpEarly
                | Disposition::OptedOut
        )
    }

    /// Whether no network carried the call: of the people called it tells nothing.
    pub fn is_of_network(self) -> bool {
        matches!(self, Disposition::Congestion | Disposition::TrunkRejected)
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_disposition() {
        for disposition in Disposition::ALL {
            assert_eq!(Disposition::from_word(disposition.as_str()), Some(disposition));
            let json = serde_json::to_string(&disposition).unwrap();
            assert_eq!(json, format!("\"{}\"", disposition.as_str()));
        }
    }
}
