//! One attempt: from the port that it takes to the record that it leaves.
//!
//! [`attempt::Attempt`] is the machine. It is told what its two legs' SIP sessions and media streams do, and asks, through
//! its outbox of [`attempt::Action`]s, for an INVITE, a prompt, an agent, a hang-up. It knows no campaign: what to do
//! with whoever answers comes as a [`treatment::Treatment`], and where to ring as a [`attempt::Placement`].
//!
//! * [`outcome`]: SIP status and cause to disposition, and which failures another trunk may mend;
//! * [`voicemail`]: when the message starts on a machine;
//! * [`leg`]: one side of the call, its stream and its session description;
//! * [`keys`]: keys that the other side presses, however they come;
//! * [`step`]: the journal's words.

pub mod attempt;
pub mod keys;
pub mod leg;
pub mod outcome;
pub mod step;
pub mod treatment;
pub mod voicemail;
