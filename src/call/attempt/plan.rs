//! What an attempt is made of, and where its INVITE goes: all that it is told before it begins.

use crate::call::keys::Dtmf;
use crate::call::treatment::Treatment;
use crate::media::command::StreamKey;
use crate::number::E164;
use crate::record::{AttemptId, ContactId, InviteRecord};
use crate::sdp::{Codec, Security};
use crate::time::WallTime;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What an attempt is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its permanent id.
    pub id: AttemptId,
    /// Whom.
    pub contact: ContactId,
    /// The number.
    pub number: E164,
    /// The campaign's name.
    pub campaign: String,
    /// The caller's number shown.
    pub caller_id: String,
    /// What is done with whoever answers.
    pub treatment: Arc<Treatment>,
    /// How long it rings, from the INVITE.
    pub ring_timeout: Duration,
    /// A shutdown lets it ring for so long at least.
    pub ring_min: Duration,
    /// An agent is kept for this call: whoever answers is given to them at once, and no detector is asked.
    pub guaranteed: bool,
    /// How long the call may last, from the answer.
    pub duration_max: Duration,
    /// When a verdict must be there, from the answer: the detector's deadline and a margin.
    pub verdict_within: Duration,
    /// Where the recording goes, when it is wanted.
    pub recording: Option<PathBuf>,
    /// Have the level of what the callee says reported.
    pub watch: bool,
    /// The callee's stream.
    pub callee_stream: StreamKey,
    /// The agent's stream, reserved and used only when needed.
    pub agent_stream: StreamKey,
    /// For the o= lines.
    pub session_id: u64,
}

/// Where the INVITE goes.
#[derive(Clone, PartialEq, Debug)]
pub struct Placement {
    /// The trunk's name.
    pub trunk: String,
    /// The Call-ID of this INVITE.
    pub call_id: String,
    /// The codecs that the trunk takes, in order of preference.
    pub codecs: Vec<Codec>,
    /// Statuses before any ringing after which another trunk is tried.
    pub failover_on: Vec<u16>,
    /// Whether media is protected on it, and our key for this call.
    pub security: Security,
    /// How keys are sent on it.
    pub dtmf: Dtmf,
    /// Comfort noise is sent in place of silence, where its peer knows it.
    pub comfort_noise: bool,
    /// The address of ours that its SDP names; `None`: that of the port.
    pub media_address: Option<IpAddr>,
}

/// Who is to be rung for a person that waits.
#[derive(Clone, PartialEq, Debug)]
pub enum Seat {
    /// Nobody can be.
    Nobody,
    /// Nobody is free: the seat comes as soon as somebody is, or not at all.
    Later,
    /// This one.
    Agent {
        /// Their phone.
        uri: String,
        /// Where its INVITE goes.
        placement: Placement,
        /// After this long another one is asked for; without it there is no other.
        ring_timeout: Option<Duration>,
    },
}

impl Plan {
    /// What the store commits before an INVITE to this placement leaves.
    pub(super) fn invite(&self, placement: &Placement, at: WallTime) -> InviteRecord {
        InviteRecord {
            attempt: self.id,
            contact: self.contact,
            campaign: self.campaign.clone(),
            number: self.number.clone(),
            caller_id: self.caller_id.clone(),
            trunk: placement.trunk.clone(),
            call_id: placement.call_id.clone(),
            dialog: String::new(),
            at,
        }
    }
}
