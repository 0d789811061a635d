//! What several nodes on one database say to each other through it: who is alive, and how the caps are shared.

use super::{CampaignState, Contact, DialogRecord, InviteRecord};
use crate::number::E164;
use std::time::Duration;

/// A node that has not been heard of for so long is dead, by the database's clock: what it held goes to the others.
pub const LEASE: Duration = Duration::from_secs(3);

/// How often a node is heard of.
pub const BEAT: Duration = Duration::from_millis(500);

/// A node dials no more so long before its lease ends: its last call and the first one that another makes in its stead are
/// never in one window of a second.
pub const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// Calls at once and per second.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Allowance {
    /// Calls at once.
    pub lines: u32,
    /// Calls in a thousand seconds.
    pub calls_per_1000_s: u32,
}

/// How a node stands towards one cap: the engine's, a trunk's or a campaign's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Which: `engine`, `trunk carrier`, `campaign spring`.
    pub scope: String,
    /// What all nodes together may use, as this one is configured.
    pub cap: Allowance,
    /// What this node holds: its share, and what it uses beyond a share that has become smaller.
    pub held: Allowance,
}

/// A node's share of one cap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Of which.
    pub scope: String,
    /// So much.
    pub allowance: Allowance,
    /// Whether this node is the one that divides it.
    pub leads: bool,
}

/// How the database sees the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Its lease was renewed.
    Alive,
    /// It was taken for dead: the calls and contacts that it held belong to others. It begins anew.
    Buried,
    /// Another node has its name: it must not dial.
    Replaced,
}

/// What nodes have left that died.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Inherited {
    /// Attempts in flight: whom each may have rung, and its INVITEs, the first first.
    pub attempts: Vec<(Contact, Vec<InviteRecord>)>,
    /// Calls that may be up.
    pub dialogs: Vec<DialogRecord>,
}

impl Inherited {
    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.dialogs.is_empty()
    }

    /// Both.
    pub fn extend(&mut self, more: Inherited) {
        self.attempts.extend(more.attempts);
        self.dialogs.extend(more.dialogs);
    }
}

/// What a node is told when it is heard of.
#[derive(Clone, PartialEq, Debug)]
pub struct Beat {
    /// How it stands.
    pub standing: Standing,
    /// Its shares of all caps.
    pub shares: Vec<Share>,
    /// Numbers that have come on the do-not-call list; some were told before.
    pub suppressed: Vec<E164>,
    /// What the operator last asked of each campaign, on whichever node.
    pub campaigns: Vec<(String, CampaignState)>,
    /// What is this node's to end and to close.
    pub inherited: Inherited,
    /// Nodes that are alive, this one included.
    pub nodes: u32,
}
