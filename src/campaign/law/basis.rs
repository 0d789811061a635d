//! What a decision to dial rested on, small enough to be kept with every attempt: packs, place, clock, counts.

use super::consent::ConsentGiven;
use super::rule::Purpose;
use crate::time::WallTime;
use serde::Serialize;

/// Why a number was called when it was.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Basis {
    /// When it was decided, in milliseconds since the Unix epoch, as are all times below.
    pub at: WallTime,
    /// The packs that held, each with its edition.
    pub packs: Vec<String>,
    /// What the campaign called for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Where the callee might be.
    pub countries: Vec<String>,
    /// And in which states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// Date and time on the clock of each zone where the phone might ring.
    pub local: Vec<String>,
    /// Until when the hours of the law were open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<WallTime>,
    /// The caps that held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// The do-not-call lists that were asked, each with its edition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// The consent that the list carried; this makes the attempts a log of its use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentGiven>,
    /// Whether an agent had to be there before the call was made.
    pub guaranteed_agent: bool,
}

/// A cap, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Cap {
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
