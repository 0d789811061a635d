//! One call at the carrier: what belongs to it, and when it wants to be looked at next.

use super::habits::Fault;
use crate::sim::agents;
use crate::sim::callee::{self, Callee};
use crate::sim::description::Direction;
use crate::sim::line::Line;
use crate::sip::message::Request;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 3261, 17.1.1.1: an estimate of the round trip.
pub const T1: Duration = Duration::from_millis(500);

/// The longest interval between copies of a final response or a request other than INVITE.
pub const T2: Duration = Duration::from_secs(4);

/// 64 * T1: after this nobody waits for an answer any more.
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Phase {
    /// The fault of silence: the INVITE was heard and is never answered.
    Mute {
        /// When it is forgotten.
        until: Instant,
    },
    /// 100 was sent; the network looks for the callee.
    Trying {
        /// When it is found.
        until: Instant,
    },
    /// 182 was sent; the caller waits in a queue.
    Waiting,
    /// 180 was sent.
    Ringing {
        /// When the plan goes on; never for those who do not answer.
        until: Option<Instant>,
    },
    /// 183 was sent and audio is played.
    Early {
        /// When the final response comes.
        until: Instant,
    },
    /// A final response other than 2xx was sent.
    Rejected,
    /// 2xx was sent.
    Up,
    /// Over; kept to answer what still comes.
    Gone {
        /// When it is forgotten.
        until: Instant,
    },
}

/// Which response is sent again until its ACK comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    /// The first 2xx.
    Answer,
    /// The 2xx of the other branch of a fork.
    ForkedAnswer,
    /// The 2xx to a re-INVITE of the caller.
    SecondAnswer,
    /// A final response other than 2xx (Timer G and H).
    Rejection,
    /// Nothing is awaited: these copies are a fault.
    Needless,
}

/// A final response under way again and again.
#[derive(Clone, Debug)]
pub struct Repeat {
    pub awaited: Awaited,
    /// The INVITE's sequence number.
    pub cseq: u32,
    pub bytes: Vec<u8>,
    pub next: Instant,
    pub interval: Duration,
    pub give_up: Instant,
}

/// A request of the carrier within the call.
#[derive(Clone, Debug)]
pub struct Asked {
    pub branch: String,
    pub cseq: u32,
    pub bytes: Vec<u8>,
    /// `Some` for a re-INVITE with this direction, `None` for BYE.
    pub direction: Option<Direction>,
    pub next: Instant,
    pub interval: Duration,
    pub give_up: Instant,
}

/// Who is at the carrier's end once it is answered.
#[derive(Clone, Debug)]
pub enum Party {
    /// Nobody yet, or nobody at all.
    Nobody,
    Callee(callee::Conduct),
    Agent(agents::Conduct),
}

/// Who was called.
#[derive(Clone, Debug)]
pub enum Called {
    Callee(Callee, Duration),
    /// An agent, once one is found.
    Agent(Option<agents::Agent>),
}

/// A call.
#[derive(Debug)]
pub struct Call {
    /// Its page in the ledger.
    pub page: usize,
    /// Where the INVITE came from and everything goes to.
    pub source: SocketAddr,
    /// The initial INVITE.
    pub invite: Request,
    /// The branch and the sequence number of the last INVITE.
    pub branch: String,
    pub cseq: u32,
    /// The last response to it; empty while there is none.
    pub response: Vec<u8>,
    pub tag: String,
    /// The tag of the fork's other branch.
    pub fork_tag: Option<String>,
    /// The caller's Contact.
    pub target: String,
    pub local_cseq: u32,
    pub called: Called,
    pub party: Party,
    pub fault: Option<Fault>,
    pub phase: Phase,
    pub repeats: Vec<Repeat>,
    pub asked: Option<Asked>,
    /// The ACK of our last re-INVITE, sent again when its 2xx comes again.
    pub last_ack: Option<(u32, Vec<u8>)>,
    pub reinvite_at: Option<(Instant, Direction)>,
    pub line: Option<Line>,
    /// Session id and version of our descriptions (RFC 3264, 8).
    pub session: u64,
    pub version: u64,
    /// Where the carrier's timer queue has this call.
    pub scheduled: Option<Instant>,
}

impl Call {
    /// When it wants to be looked at next.
    pub fn due(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Mute { until }
            | Phase::Trying { until }
            | Phase::Early { until }
            | Phase::Gone { until } => Some(until),
            Phase::Ringing { until } => until,
            Phase::Waiting | Phase::Rejected | Phase::Up => None,
        };
        let repeats = self.repeats.iter().map(|repeat| repeat.next);
        let asked = self.asked.as_ref().map(|asked| asked.next);
        let line = self.line.as_ref().map(Line::poll_timeout);
        let reinvite = self.reinvite_at.map(|(at, _)| at);
        repeats.chain(phase).chain(asked).chain(line).chain(reinvite).min()
    }

    /// Whether the call can be forgotten: nothing is awaited of either side.
    pub fn is_settled(&self, now: Instant) -> bool {
        let over = match self.phase {
            Phase::Mute { until } | Phase::Gone { until } => until <= now,
            _ => false,
        };
        over && self.repeats.is_empty() && self.asked.is_none()
    }

    /// Whether the answer still waits for its ACK.
    pub fn awaits_ack(&self) -> bool {
        self.repeats.iter().any(|repeat| repeat.awaited == Awaited::Answer)
    }

    /// Whether the caller may still cancel it.
    pub fn is_pending(&self) -> bool {
        matches!(
            self.phase,
            Phase::Trying { .. } | Phase::Waiting | Phase::Ringing { .. } | Phase::Early { .. }
        )
    }
}
