//! What is kept: contacts, attempts and call records, and the requests that the engine makes of its store.
//!
//! These are plain words: the engine speaks them, the store writes them down, exports print them.

mod label;
mod node;

pub use label::{CallLabel, LabelRecord};
pub use node::{Allowance, BEAT, Beat, Inherited, LEASE, LEASE_MARGIN, Share, Standing, Usage};

use crate::disposition::Disposition;
use crate::number::{E164, ZoneGroup};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A contact's row in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ContactId(pub i64);

/// An attempt's permanent id, a UUID of version 7 (RFC 9562, 5.7): in order of time, unique across restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptId(pub u128);

impl AttemptId {
    /// Made of the civil time and 74 random bits.
    pub fn new(at: WallTime, random: u128) -> AttemptId {
        let ms = (at.unix_ms().max(0) as u128) & 0xffff_ffff_ffff;
        let rand_a = (random >> 64) & 0x0fff;
        let rand_b = random & 0x3fff_ffff_ffff_ffff;
        AttemptId(ms << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
    }

    /// The civil time of which it was made.
    pub fn at(self) -> WallTime {
        WallTime::from_unix_ms((self.0 >> 80) as i64)
    }

    /// Reads the hyphenated form back.
    pub fn parse(text: &str) -> Option<AttemptId> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        (hex.len() == 32 && text.len() == 36).then(|| u128::from_str_radix(&hex, 16).ok().map(AttemptId))?
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A dozen times a call: without a string that is made only to be taken apart.
        let mut text = [b'-'; 36];
        let places = (0..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
        for (digit, place) in places.enumerate() {
            text[place] = b"0123456789abcdef"[(self.0 >> (124 - 4 * digit)) as usize & 0xf];
        }
        f.write_str(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

/// Where a contact stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// Waits for its (next) attempt.
    Pending,
    /// Handed to the engine, not dialed yet. Becomes pending again at a restart.
    Claimed,
    /// An attempt is in flight.
    InFlight,
    /// Reached, or its attempts are used up: final.
    Done,
    /// On the do-not-call list, or otherwise never to be dialed: final.
    Suppressed,
}

impl ContactState {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            ContactState::Pending => "pending",
            ContactState::Claimed => "claimed",
            ContactState::InFlight => "in_flight",
            ContactState::Done => "done",
            ContactState::Suppressed => "suppressed",
        }
    }
}

/// One person on a campaign's list, as the engine gets it from the store.
#[derive(Clone, PartialEq, Debug)]
pub struct Contact {
    /// The row.
    pub id: ContactId,
    /// The number to dial.
    pub number: E164,
    /// The person's name, may be empty.
    pub name: String,
    /// Free text, may be empty.
    pub comment: String,
    /// The list's further columns by their header (or `column4`, `column5` ...).
    pub attributes: BTreeMap<String, String>,
    /// How often each outcome has been met so far, for retry rules. The sum is the attempts made.
    pub outcomes: BTreeMap<Disposition, u32>,
    /// Not to be dialed before this.
    pub next_attempt_at: WallTime,
    /// What the number has been through of late, on all lists and in all campaigns.
    pub history: Vec<PastAttempt>,
}

/// What a call that was promised to come from a certain agent has among its contact's columns: the agent's name.
pub const CALLBACK_AGENT: &str = "callback_agent";

impl Contact {
    /// From whom the call was promised to come, if from somebody.
    pub fn callback_agent(&self) -> Option<&str> {
        self.attributes.get(CALLBACK_AGENT).map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// An attempt on a number, as caps and rests look at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PastAttempt {
    /// When it was decided on: the moment in its [`AttemptId`].
    pub at: WallTime,
    /// When it ended, if it has.
    pub ended_at: Option<WallTime>,
    /// How it ended, if it has.
    pub disposition: Option<Disposition>,
}

impl Contact {
    /// The attempts made so far.
    pub fn attempts(&self) -> u32 {
        self.outcomes.values().sum()
    }
}

/// A contact that a list import brings, before it has a row.
#[derive(Clone, PartialEq, Debug)]
pub struct NewContact {
    /// The number to dial.
    pub number: E164,
    /// The person's name, may be empty.
    pub name: String,
    /// Free text, may be empty.
    pub comment: String,
    /// The list's further columns.
    pub attributes: BTreeMap<String, String>,
    /// Numbers to try after that one, at most three.
    pub further: Vec<E164>,
    /// Its place in the order of dialing within its list: lower is dialed first.
    pub priority: i32,
    /// Where the number's phone may ring.
    pub zone: ZoneGroup,
    /// What became of it before it came to us.
    pub past: Past,
}

/// What another dialer leaves behind with a contact; nothing of it for a contact of a plain list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Past {
    /// Final already: reached, or never to be dialed.
    pub ended: Option<ContactState>,
    /// Not to be dialed before this.
    pub next_attempt_at: WallTime,
    /// The attempts made, by outcome: they count against the caps.
    pub outcomes: BTreeMap<Disposition, u32>,
    /// A call was promised, and by whom (empty: by anybody).
    pub callback: Option<(WallTime, String)>,
}

impl NewContact {
    /// With nothing known but the number.
    pub fn new(number: E164) -> NewContact {
        NewContact {
            zone: ZoneGroup::of(&number),
            number,
            name: String::new(),
            comment: String::new(),
            attributes: BTreeMap::new(),
            further: Vec::new(),
            priority: 0,
            past: Past::default(),
        }
    }
}

/// What the operator last asked of a campaign; kept, so that a restart goes on where it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Never started.
    Draft,
    /// Dials when the rules allow it.
    Running,
    /// Does not dial; calls in flight go on.
    Paused,
    /// Stopped by the operator; only an explicit start runs it again.
    Stopped,
    /// Every contact is in a final state.
    Completed,
}

impl CampaignState {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            CampaignState::Draft => "draft",
            CampaignState::Running => "running",
            CampaignState::Paused => "paused",
            CampaignState::Stopped => "stopped",
            CampaignState::Completed => "completed",
        }
    }

    /// The state of a word, if there is one.
    pub fn from_word(word: &str) -> Option<CampaignState> {
        use CampaignState::*;
        [Draft, Running, Paused, Stopped, Completed].into_iter().find(|s| s.as_str() == word)
    }
}

/// An INVITE to a callee that is about to leave: committed before it does.
#[derive(Clone, PartialEq, Debug)]
pub struct InviteRecord {
    /// The attempt it belongs to. A second trunk's INVITE belongs to the same attempt.
    pub attempt: AttemptId,
    /// Whom it rings.
    pub contact: ContactId,
    /// The campaign's name.
    pub campaign: String,
    /// The number dialed.
    pub number: E164,
    /// The caller's number shown.
    pub caller_id: String,
    /// The trunk's name.
    pub trunk: String,
    /// The Call-ID of the INVITE.
    pub call_id: String,
    /// What ends the call when the engine that made it has died, as a [`DialogRecord`] has it; empty when not known.
    pub dialog: String,
    /// When.
    pub at: WallTime,
}

/// A call that may be up: what ends it when the engine that made it has died.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialogRecord {
    /// Its Call-ID.
    pub call_id: String,
    /// The attempt that it belongs to, as the callee's leg or the agent's.
    pub attempt: AttemptId,
    /// The trunk's name.
    pub trunk: String,
    /// The dialog, in a text form that only the SIP layer reads.
    pub dialog: String,
}

/// The call record: one for each attempt, complete when it ends. Absent times never happened.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CallRecord {
    /// The attempt's id.
    #[serde(serialize_with = "print_attempt")]
    pub attempt: AttemptId,
    /// Whom it rang.
    pub contact: ContactId,
    /// The campaign's name.
    pub campaign: String,
    /// The number dialed.
    #[serde(serialize_with = "print_number")]
    pub number: E164,
    /// The caller's number shown.
    pub caller_id: String,
    /// The last trunk tried.
    pub trunk: String,
    /// The Call-ID of the last INVITE.
    pub call_id: String,
    /// How it ended.
    pub disposition: Disposition,
    /// Milliseconds since the Unix epoch, as are all times below: the first INVITE.
    pub dialed_at: WallTime,
    /// The first 100.
    pub trying_at: Option<WallTime>,
    /// The first 18x.
    pub ringing_at: Option<WallTime>,
    /// The first early media.
    pub early_media_at: Option<WallTime>,
    /// The 200.
    pub answered_at: Option<WallTime>,
    /// The first packet that we sent to the callee after the answer.
    pub first_media_at: Option<WallTime>,
    /// The end of the callee's greeting.
    pub greeting_end_at: Option<WallTime>,
    /// The verdict on who answered.
    pub verdict_at: Option<WallTime>,
    /// The end of the beep.
    pub beep_at: Option<WallTime>,
    /// The (last) start of the voicemail message.
    pub drop_started_at: Option<WallTime>,
    /// The end of the voicemail message.
    pub drop_ended_at: Option<WallTime>,
    /// The INVITE to the agent.
    pub agent_dialed_at: Option<WallTime>,
    /// The agent's answer.
    pub agent_answered_at: Option<WallTime>,
    /// Both legs joined.
    pub bridged_at: Option<WallTime>,
    /// The end of the call.
    pub ended_at: WallTime,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// The final SIP status of the INVITE; 0 when none came.
    pub sip_status: u16,
    /// The cause of the Reason header (Q.850), from the final response or the BYE.
    pub q850_cause: Option<u16>,
    /// The reason phrase or the Reason header's text.
    pub reason: String,
    /// The verdict's word (`human`, `machine` ...), empty without one.
    pub verdict: String,
    /// The verdict's cause.
    pub verdict_cause: String,
    /// The revised verdict's word, empty when it was not revised.
    pub revised_verdict: String,
    /// The codec's name, empty before an answer.
    pub codec: String,
    /// Packets sent to the callee.
    pub packets_sent: u64,
    /// Packets received from the callee.
    pub packets_received: u64,
    /// Packets lost on the way to us (RFC 3550, A.3).
    pub packets_lost: u64,
    /// Interarrival jitter (RFC 3550, 6.4.1) in milliseconds.
    pub jitter_ms: f64,
    /// Round trip by RTCP in milliseconds, when the peer reported.
    pub round_trip_ms: Option<f64>,
    /// The recording's file, empty without one.
    pub recording: String,
    /// The agent's URI, empty without one; behind it, after a blank each, those whom the call was transferred to: URIs of
    /// extensions, and numbers as `tel:` (RFC 3966).
    pub agent: String,
    /// Digits that the callee pressed.
    pub digits: String,
    /// When the verdict was revised.
    pub revised_at: Option<WallTime>,
    /// The cause of the revision, empty without one.
    pub revised_cause: String,
    /// The start of the beep.
    pub beep_started_at: Option<WallTime>,
}

/// Who ended a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// We did.
    Us,
    /// The callee did, or the callee's network.
    Callee,
    /// The agent did.
    Agent,
    /// Nobody knows: the engine died.
    Unknown,
}

impl EndedBy {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            EndedBy::Us => "us",
            EndedBy::Callee => "callee",
            EndedBy::Agent => "agent",
            EndedBy::Unknown => "unknown",
        }
    }
}

fn print_attempt<S: serde::Serializer>(id: &AttemptId, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(id)
}

fn print_number<S: serde::Serializer>(number: &E164, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(number)
}

impl Serialize for WallTime {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(self.unix_ms())
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<WallTime, D::Error> {
        i64::deserialize(d).map(WallTime::from_unix_ms)
    }
}

/// What the campaign decided about a contact after an attempt, or instead of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContactUpdate {
    /// Who.
    pub id: ContactId,
    /// Pending, done or suppressed.
    pub state: ContactState,
    /// Not to be dialed before this, when pending.
    pub next_attempt_at: WallTime,
}

/// What the engine asks of the store, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// Claim up to `limit` contacts that are due, the longest due first.
    Refill {
        /// Whose.
        campaign: String,
        /// The contact is due when its next attempt is not after this.
        due_at: WallTime,
        /// At most so many.
        limit: u32,
    },
    /// Commit the INVITE and the contact's state in one transaction, then answer [`Answer::InviteCommitted`].
    CommitInvite(InviteRecord),
    /// Write the call record and the contact's new state in one transaction.
    FinishAttempt {
        /// The complete record.
        record: Box<CallRecord>,
        /// The contact's new state.
        contact: ContactUpdate,
    },
    /// What is known by now of calls that are up, and which have ended; answered with [`Answer::DialogsKept`] where any is up.
    KeepDialogs {
        /// As they are now; one that is known is replaced.
        open: Vec<DialogRecord>,
        /// Call-IDs of calls that are over.
        gone: Vec<String>,
    },
    /// A claimed contact is not dialed now (window, do-not-call ...): give it back with its new state.
    ReleaseContact {
        /// The contact's new state.
        contact: ContactUpdate,
        /// Why it was not dialed, one word, kept with the contact.
        reason: String,
    },
    /// Put numbers on the do-not-call list; pending contacts with them become suppressed.
    Suppress {
        /// Which.
        numbers: Vec<E164>,
        /// Where it came from: `key_press`, `file`, `operator`.
        source: String,
        /// When.
        at: WallTime,
    },
    /// Put a number on the do-not-call list for one campaign or one purpose.
    SuppressFor {
        /// Which.
        number: E164,
        /// `campaign:NAME` or `purpose:WORD`.
        reach: String,
        /// Where it came from.
        source: String,
        /// When.
        at: WallTime,
    },
    /// Keep a person's word on a call; answered with [`Answer::Labelled`].
    Label {
        /// Whose wish it is; comes back in the answer.
        ticket: u64,
        /// The word.
        record: LabelRecord,
    },
    /// Keep what the decision to make an attempt rested on; asked before its first INVITE is committed.
    KeepDecision {
        /// Which attempt.
        attempt: AttemptId,
        /// On what, as JSON.
        decision: String,
        /// Caps on attempts on the number: so many from that moment on. The store counts once more as it commits.
        caps: Vec<(u32, WallTime)>,
    },
    /// This node is alive, and stands so towards the caps that are shared; answered with [`Answer::Beat`].
    Beat(Vec<Usage>),
    /// Keep a campaign's state.
    SaveCampaign {
        /// Its name.
        campaign: String,
        /// Its state.
        state: CampaignState,
    },
}

/// What the store answers, in the order of the requests.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// The contacts claimed by a refill, and what remains.
    Refilled {
        /// Whose.
        campaign: String,
        /// The claimed ones.
        contacts: Vec<Contact>,
        /// Contacts that still wait in the store (pending), due or not.
        pending: u64,
        /// The earliest `next_attempt_at` among those.
        next_due_at: Option<WallTime>,
    },
    /// The INVITE may leave.
    InviteCommitted {
        /// The attempt it belongs to.
        attempt: AttemptId,
    },
    /// The store's own gate says no (do-not-call list, a contact that is not ours): the INVITE must not leave, and asking
    /// again would not help.
    InviteForbidden {
        /// The attempt it belongs to.
        attempt: AttemptId,
        /// Why.
        reason: String,
    },
    /// The store failed: the INVITE could not be committed and must not leave.
    InviteRefused {
        /// The attempt it belongs to.
        attempt: AttemptId,
        /// Why.
        error: String,
    },
    /// These calls are known to whoever comes after a crash, as far as they have come.
    DialogsKept {
        /// Their Call-IDs.
        call_ids: Vec<String>,
    },
    /// A label is kept, or there is no such call.
    Labelled {
        /// Of the request.
        ticket: u64,
        /// The attempt, if there is one.
        attempt: Option<String>,
    },
    /// The database has heard of this node.
    Beat(Box<Beat>),
    /// Any other request failed after the store's own retries; the engine stops dialing and keeps it to try again.
    Failed {
        /// What was asked.
        request: Box<Request>,
        /// Why.
        error: String,
    },
}

impl Answer {
    /// What is answered when these are kept.
    pub fn of_kept(open: &[DialogRecord]) -> Option<Answer> {
        let call_ids: Vec<String> = open.iter().map(|record| record.call_id.clone()).collect();
        (!call_ids.is_empty()).then_some(Answer::DialogsKept { call_ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_id_is_a_uuid_of_version_7_and_reads_back() {
        let id = AttemptId::new(WallTime::from_unix_ms(0x0192_8f5a_1b2c), u128::MAX);
        assert_eq!(id.to_string(), "01928f5a-1b2c-7fff-bfff-ffffffffffff");
        assert_eq!(AttemptId::parse(&id.to_string()), Some(id));
        assert_eq!(AttemptId::parse("01928f5a"), None);
        assert_eq!(id.at(), WallTime::from_unix_ms(0x0192_8f5a_1b2c));
    }

    #[test]
    fn ids_sort_in_the_order_of_time() {
        let early = AttemptId::new(WallTime::from_unix_ms(1_000), u128::MAX);
        let late = AttemptId::new(WallTime::from_unix_ms(1_001), 0);
        assert!(early < late);
    }
}
