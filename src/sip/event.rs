//! What the endpoint says: messages to transmit, and what became of sessions, registrations and pings.

use std::time::Duration;

use super::target::Target;
use crate::slab::Key;

/// Names a session until its [`SessionEvent::Ended`].
pub type SessionKey = Key;
/// Names a registration until it is unregistered.
pub type RegistrationKey = Key;
/// Names a call of a former run until it has ended.
pub type OrphanKey = Key;
/// Names a ping until its outcome.
pub type PingKey = Key;

/// One thing for the layer above to do or to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// Where they go.
        target: Target,
        /// One whole message.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// To a session.
    Session {
        /// Which one.
        key: SessionKey,
        /// What.
        event: SessionEvent,
    },
    /// To a registration.
    Registration {
        /// Which one.
        key: RegistrationKey,
        /// What.
        event: RegistrationEvent,
    },
    /// A session that has ended is parted from its peer: there was nothing to hang up, or the BYE is answered, or nobody
    /// will answer it any more. Told once, after [`SessionEvent::Ended`].
    Parted {
        /// Which one it was.
        key: SessionKey,
    },
    /// A call of a former run has ended, or may be taken for ended; nothing follows, the key is void.
    Orphan {
        /// Which one.
        key: OrphanKey,
        /// How.
        end: OrphanEnd,
    },
    /// To a ping; nothing follows, the key is void.
    Ping {
        /// Which one.
        key: PingKey,
        /// What became of it.
        outcome: PingOutcome,
    },
}

/// What happens to a session, in this order: `Trying` and `Provisional` any number of times, then one of `Answered`,
/// `Rejected` and `NoResponse`, after `Answered` what happens in a call, and `Ended` last, always and once. `Offered`
/// and `Info` may come before `Answered` too, once early media is agreed upon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// The next hop has the INVITE (100).
    Trying,
    /// The callee's side makes progress (101 to 199).
    Provisional {
        /// 180 rings, 183 progresses.
        status: u16,
        /// An answer to our offer: early media may come from where it says.
        sdp: Option<Vec<u8>>,
    },
    /// 2xx; it is acknowledged already. Also when it crossed our CANCEL: then the call is hung up already and `Ended`
    /// follows.
    Answered {
        /// The answer to our offer: the 2xx's own, or what the peer has described in this dialog before it.
        sdp: Option<Vec<u8>>,
    },
    /// A final response of 300 or more, 487 after our CANCEL included.
    Rejected {
        /// The status.
        status: u16,
        /// The words beside it.
        phrase: String,
        /// The cause of a Reason header of protocol Q.850.
        q850: Option<u16>,
        /// The Reason header's text, or empty.
        reason: String,
        /// How long the peer wants to be left alone.
        retry_after: Option<Duration>,
        /// Where a 3xx would send us; never followed here.
        contacts: Vec<String>,
    },
    /// No final response: nothing at all was heard in time, or the transport failed.
    NoResponse,
    /// The peer sent a re-INVITE or an UPDATE: `answer_offer` is waited for.
    Offered {
        /// Its offer; without one, ours is wanted.
        sdp: Option<Vec<u8>>,
    },
    /// What became of our own offer: of our re-INVITE, or of the offer that we gave in answer to an empty re-INVITE.
    OfferAnswered {
        /// 200, or why the session stays as it was.
        status: u16,
        /// The answer.
        sdp: Option<Vec<u8>>,
    },
    /// The peer wants us to call somebody in its place (REFER): `answer_refer` is waited for.
    Referred {
        /// Whom: a URI without headers.
        to: String,
        /// The call that ours is to take the place of, as a Replaces header says it: the transfer is an attended one.
        replaces: Option<String>,
    },
    /// How our own REFER goes on.
    ReferProgress {
        /// 1xx: under way; 2xx: the other call is up; else it came to nothing, or the REFER was refused.
        status: u16,
    },
    /// INFO, answered with 200 already.
    Info {
        /// `application/dtmf-relay`, say.
        content_type: String,
        /// Its body.
        body: Vec<u8>,
    },
    /// The peer hung up, or it is gone.
    HungUp {
        /// The cause of a Reason header of protocol Q.850.
        q850: Option<u16>,
        /// The Reason header's text, or empty.
        reason: String,
        /// It was we who hung up, since nothing was heard of it: no refresh, no answer, no ACK.
        vanished: bool,
    },
    /// The last event: the key is void. What transactions of it linger need nothing more.
    Ended,
}

/// How a call of a former run has ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OrphanEnd {
    /// Its INVITE was taken back, or refused.
    Cancelled,
    /// It was up, and was hung up.
    HungUp,
    /// The peer knows no such call, or has ended it itself.
    Unknown,
    /// Nothing was answered within 64*T1.
    Unanswered,
}

/// What happens to a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegistrationEvent {
    /// The registrar has us; it is refreshed in time.
    Registered {
        /// For how long.
        expires: Duration,
    },
    /// It does not have us.
    Failed {
        /// Why; 408 when it said nothing.
        status: u16,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// What it had of us has run out by now, and the refresh is still unanswered; it is waited for on.
    Lapsed,
    /// We are registered no longer, as was asked; the key is void.
    Unregistered {
        /// As far as is known.
        leave: Leave,
    },
}

/// How a registration was taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// The registrar has let us go.
    Confirmed,
    /// It had nothing of us.
    Needless,
    /// It did not say that it has: what it has of us runs out by itself.
    Unconfirmed,
}

/// What became of an OPTIONS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PingOutcome {
    /// Any final response at all: the peer is alive.
    Answered {
        /// Its status.
        status: u16,
        /// From the first copy to the response.
        round_trip: Duration,
        /// How long the peer wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Silence for 64*T1, or the transport failed.
    NoAnswer,
}
