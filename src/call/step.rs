//! The journal's words for one attempt: a step is one thing that happened, and prints in one line.

use crate::amd::verdict::Verdict;
use crate::call::transfer::Declined;
use crate::disposition::Disposition;
use crate::record::{CallLabel, EndedBy};
use std::fmt;
use std::time::Duration;

/// One thing that happened to an attempt.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// The INVITE left.
    Dialing {
        /// Through which trunk.
        trunk: String,
    },
    /// The first 100.
    Trying,
    /// A provisional response.
    Ringing {
        /// 180, 182, 183 ...
        status: u16,
    },
    /// Audio before the answer.
    EarlyMedia,
    /// A network tone was recognised before or after the answer.
    Tone(&'static str),
    /// The trunk failed; another one is asked for.
    TrunkFailed {
        /// Which.
        trunk: String,
        /// With which status; 0 when nothing was heard.
        status: u16,
    },
    /// The trunk came to a rest before the INVITE could leave; another one is asked for.
    TrunkRests {
        /// Which.
        trunk: String,
    },
    /// The 200.
    Answered,
    /// The first packet of the callee's audio.
    Heard,
    /// The greeting ended.
    GreetingEnded,
    /// A beep ended.
    Beep {
        /// Its strongest line.
        frequency_hz: f32,
        /// From its start to its first report.
        reported_after: Duration,
    },
    /// Who answered.
    Judged(Verdict),
    /// The verdict was turned over.
    Revised(Verdict),
    /// From now on nothing of the call is recorded.
    RecordingPaused,
    /// So much of the recording is silent, because it was paused.
    RecordingGap {
        /// From the pause to its end.
        lasted: Duration,
    },
    /// A message began.
    MessageStarted,
    /// A message was played to its end.
    MessagePlayed,
    /// The callee pressed a key.
    Digit(char),
    /// The callee opted out.
    OptedOut,
    /// The agent said who answered.
    Labelled(CallLabel),
    /// A person is on the line, and is to have an agent.
    WantsAgent,
    /// An agent is being rung.
    AgentDialing,
    /// The agent's leg failed.
    AgentFailed {
        /// With which status; 0 for a time-out.
        status: u16,
    },
    /// There is no port for the agent's leg.
    NoAgentPort {
        /// Why.
        reason: String,
    },
    /// No agent came in time: the person is told so, or the call ends.
    NoAgent,
    /// The agent answered.
    AgentAnswered,
    /// The agent hears the whisper.
    Whispering,
    /// Both legs are joined.
    Bridged,
    /// The agent's wish to transfer the call was declined.
    TransferDeclined(Declined),
    /// The new party is being called, by us or by the callee's trunk.
    Transferring,
    /// The new party did not come.
    TransferFailed {
        /// With which status.
        status: u16,
    },
    /// The new party is on the line in the agent's place.
    Transferred,
    /// The attempt is over.
    Ended {
        /// How.
        disposition: Disposition,
        /// By whom.
        by: EndedBy,
        /// The final SIP status.
        status: u16,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Dialing { trunk } => write!(f, "dialing through {trunk}"),
            Step::Trying => f.write_str("trying"),
            Step::Ringing { status } => write!(f, "ringing ({status})"),
            Step::EarlyMedia => f.write_str("early media"),
            Step::Tone(kind) => write!(f, "tone {kind}"),
            Step::TrunkFailed { trunk, status: 0 } => write!(f, "trunk {trunk} gave no answer"),
            Step::TrunkFailed { trunk, status } => write!(f, "trunk {trunk} failed ({status})"),
            Step::TrunkRests { trunk } => write!(f, "trunk {trunk} rests; the INVITE stays"),
            Step::Answered => f.write_str("answered"),
            Step::Heard => f.write_str("first audio"),
            Step::GreetingEnded => f.write_str("greeting ended"),
            Step::Beep { frequency_hz, .. } => write!(f, "beep at {frequency_hz:.0} Hz"),
            Step::Judged(verdict) => write!(f, "{} ({})", verdict.class, verdict.cause),
            Step::Revised(verdict) => write!(f, "revised: {} ({})", verdict.class, verdict.cause),
            Step::RecordingPaused => f.write_str("the recording is paused"),
            Step::RecordingGap { lasted } => {
                write!(f, "the recording is silent for {:.1} s", lasted.as_secs_f64())
            }
            Step::MessageStarted => f.write_str("message starts"),
            Step::MessagePlayed => f.write_str("message played"),
            Step::Digit(digit) => write!(f, "key {digit}"),
            Step::OptedOut => f.write_str("opted out"),
            Step::Labelled(label) => write!(f, "the agent says: {}", label.as_str()),
            Step::WantsAgent => f.write_str("wants an agent"),
            Step::NoAgent => f.write_str("no agent came in time"),
            Step::AgentDialing => f.write_str("ringing the agent"),
            Step::NoAgentPort { reason } => write!(f, "no port for the agent's leg: {reason}"),
            Step::AgentFailed { status: 0 } => f.write_str("the agent did not answer"),
            Step::AgentFailed { status } => write!(f, "agent's leg failed ({status})"),
            Step::AgentAnswered => f.write_str("agent answered"),
            Step::Whispering => f.write_str("whispering to the agent"),
            Step::Bridged => f.write_str("bridged"),
            Step::TransferDeclined(declined) => write!(f, "transfer declined: {declined}"),
            Step::Transferring => f.write_str("transferring"),
            Step::TransferFailed { status } => write!(f, "transfer failed ({status})"),
            Step::Transferred => f.write_str("transferred"),
            Step::Ended { disposition, by, status: 0 } => {
                write!(f, "ended by {}: {disposition}", by.as_str())
            }
            Step::Ended { disposition, by, status } => {
                write!(f, "ended by {}: {disposition} ({status})", by.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_one_line() {
        let steps = [
            Step::Dialing { trunk: "carrier".into() },
            Step::TrunkFailed { trunk: "carrier".into(), status: 503 },
            Step::Ended { disposition: Disposition::Busy, by: EndedBy::Callee, status: 486 },
        ];
        let lines: Vec<_> = steps.iter().map(Step::to_string).collect();
        assert_eq!(
            lines,
            ["dialing through carrier", "trunk carrier failed (503)", "ended by callee: busy (486)"]
        );
    }
}
