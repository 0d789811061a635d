//! What the operator is told on asking: campaigns, trunks, and what is in use.

use crate::engine::measures::Detection;
use crate::engine::trunk::score::Quality;
use serde::{Deserialize, Serialize};

/// The engine at one moment.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Whether it is shutting down.
    pub draining: bool,
    /// Why the store cannot be written, empty when it can.
    pub store_fault: String,
    /// Attempts in flight.
    pub attempts: usize,
    /// Calls of a former run that are being ended: they count against every cap until they are.
    #[serde(default)]
    pub former_calls: usize,
    /// Every campaign.
    pub campaigns: Vec<CampaignStatus>,
    /// Every trunk.
    pub trunks: Vec<TrunkStatus>,
    /// Every agent.
    #[serde(default)]
    pub agents: Vec<AgentStatus>,
    /// The SIP user agent's tables; all zero when nothing is going on.
    pub sip: SipStatus,
    /// The media plane's streams in use.
    pub media: MediaStatus,
    /// How detection fares.
    #[serde(default)]
    pub detection: Detection,
    /// Caller ids that were refused as such; empty when none was.
    #[serde(default)]
    pub caller_ids: Vec<CallerIdStatus>,
}

/// What networks and callees say of a caller id of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CallerIdStatus {
    /// The number shown.
    pub caller_id: String,
    /// Callees that did not want its calls (607, RFC 8197).
    pub unwanted: u64,
    /// Calls that analytics rejected (608, RFC 8688).
    pub blocked: u64,
}

/// A campaign at one moment.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CampaignStatus {
    /// Its name.
    pub name: String,
    /// Its state's word.
    pub state: String,
    /// Attempts in flight.
    pub in_flight: usize,
    /// Contacts that wait for their first or their next attempt, when that is known: while the campaign dials.
    pub contacts_waiting: Option<u64>,
    /// Why it is not dialing, the most binding reason first; empty when it is.
    pub waiting_for: Vec<String>,
    /// Attempts ended since the start, by disposition.
    pub ended: std::collections::BTreeMap<String, u64>,
    /// The ledger of abandoned people over the law's days; none while nobody who answered has wanted an agent.
    #[serde(default)]
    pub abandonment: Option<AbandonmentStatus>,
}

/// A campaign's ledger of abandoned people.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AbandonmentStatus {
    /// People who answered and were to have an agent.
    pub people: u64,
    /// Of them: none was there in time.
    pub abandoned: u64,
    /// People expected among the calls judged machines.
    pub mistaken: f64,
    /// The share of abandoned people, those included.
    pub share: f64,
    /// The share that may not be exceeded.
    pub limit: f64,
    /// One line for each waiting agent is the most, because the next one would exceed it.
    pub guarded: bool,
}

/// An agent at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The name.
    pub name: String,
    /// `ready`, `reserved`, `ringing`, `talking`, `wrap_up`, `break`, `away` or `offline`.
    pub state: String,
    /// For so many seconds.
    pub for_s: u64,
    /// Away because the phone did not take calls.
    #[serde(default)]
    pub missed: bool,
    /// The campaign that counts on them; empty when none does.
    #[serde(default)]
    pub campaign: String,
    /// Calls taken since the start.
    #[serde(default)]
    pub calls: u64,
    /// What they can do.
    #[serde(default)]
    pub skills: Vec<String>,
    /// The contact that they are shown, before it is dialed.
    #[serde(default)]
    pub preview: Option<PreviewStatus>,
}

/// A contact that an agent is shown.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PreviewStatus {
    /// Of which campaign.
    pub campaign: String,
    /// E.164.
    pub number: String,
    /// The person's name, may be empty.
    pub name: String,
    /// Free text, may be empty.
    pub comment: String,
    /// The list's further columns.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// It has been accepted and is dialed as soon as a line is free.
    pub accepted: bool,
    /// After so many seconds it is decided without the agent; none: never.
    pub decided_in_s: Option<u64>,
}

/// A trunk at one moment.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// `available`, or why not.
    pub state: String,
    /// Channels in use.
    pub channels: u32,
    /// Where it is, in the order in which its addresses are tried.
    #[serde(default)]
    pub hops: Vec<HopStatus>,
    /// What the DNS does not answer; empty when it does, or is not needed.
    #[serde(default)]
    pub dns: String,
    /// The circuit breaker: `closed`, `open` or `half-open`.
    #[serde(default)]
    pub breaker: String,
    /// The status of the last answer to OPTIONS.
    #[serde(default)]
    pub options_status: Option<u16>,
    /// How long that answer took.
    #[serde(default)]
    pub options_round_trip_ms: Option<u64>,
    /// How well it carries calls.
    #[serde(default)]
    pub quality: Quality,
    /// Whether it seems to answer falsely.
    #[serde(default)]
    pub suspected: bool,
    /// Agents' INVITEs that left although the calls per second were used up: a person waits.
    #[serde(default)]
    pub agents_unpaced: u64,
}

/// One address of a trunk.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HopStatus {
    /// With its port.
    pub address: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// `alive`, `dead`, or `resting`.
    pub state: String,
    /// The next call goes there.
    pub next: bool,
    /// Which records have led there.
    pub why: String,
}

/// The SIP user agent's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SipStatus {
    /// INVITE sessions.
    pub sessions: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Server transactions.
    pub server_transactions: usize,
}

/// The media plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MediaStatus {
    /// Streams reserved by attempts.
    pub streams: usize,
}
