//! What a decision to dial rested on, small enough to be kept with every attempt: packs, place, clock, counts.

use super::consent::ConsentGiven;
use super::rule::Purpose;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};

/// Why a number was called when it was.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Basis {
    /// When it was decided, in milliseconds since the Unix epoch, as are all times below.
    pub at: WallTime,
    /// The packs that held, each with its edition.
    pub packs: Vec<String>,
    /// What the campaign called for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Whether a recording was to speak to the callee.
    #[serde(default)]
    pub prerecorded: bool,
    /// Where the callee might be.
    pub countries: Vec<String>,
    /// And in which states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// Date and time on the clock of each zone where the phone might ring.
    pub local: Vec<String>,
    /// Until when the hours of the law were open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<WallTime>,
    /// The campaign's own hours, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub window: String,
    /// The attempts on the contact before this one, and how many the campaign allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<(u32, u32)>,
    /// The caps of the law that held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// The do-not-call lists that were asked, each with its edition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// The consent that the list carried; this makes the attempts a log of its use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentGiven>,
    /// Whether an agent had to be there before the call was made.
    pub guaranteed_agent: bool,
    /// Which of our numbers the callee was to see, and why that one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caller_id: String,
    /// See there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caller_id_why: String,
}

/// A cap, counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cap {
    /// The pack that asks for it.
    #[serde(default)]
    pub pack: String,
    /// Within which time, in words.
    #[serde(default)]
    pub per: String,
    /// So many attempts at most ...
    pub most: u32,
    /// ... of which so many had been made ...
    pub made: u32,
    /// ... from this moment on.
    pub since: WallTime,
}

impl Basis {
    /// As it is kept.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a basis is plain data")
    }
}
