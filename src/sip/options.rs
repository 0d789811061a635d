//! What the endpoint is told: its options, calls to dial, registrations, and why it refuses them.

use std::fmt;
use std::time::Duration;

use super::access::AccessTable;
use serde::Deserialize;

use super::digest::Credentials;
use super::message::Headers;
use super::target::Target;

/// How the endpoint is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The User-Agent header.
    pub user_agent: String,
    /// Our listeners, for Via and Contact, and what else is special about the way to a trunk.
    pub access: AccessTable,
    /// A request over UDP that is longer goes over TCP (RFC 3261 section 18.1.1); 0 turns that off.
    pub tcp_above_bytes: usize,
    /// Whether Contact gives the address that a peer says it sees us at (RFC 3581), where none is advertised.
    pub learn_address: bool,
    /// The most sessions at once.
    pub sessions_max: usize,
    /// The most client transactions, server transactions and remembered ACKs at once, each.
    pub transactions_max: usize,
    /// The most registrations and, apart from them, pings at once.
    pub registrations_max: usize,
    /// The estimate of a round trip, from which all timers follow.
    pub t1: Duration,
    /// With a duration, the ACK of a call's 2xx is held until [`acknowledge`](super::endpoint::Endpoint::acknowledge), for so
    /// long at most: a callee who was not acknowledged repeats the 2xx, and so whoever comes after a crash hears of the call
    /// (RFC 3261 section 13.3.1.4). Whatever else is to be sent in the dialog lets the ACK go first.
    pub ack_held_max: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            user_agent: "Outdial".to_owned(),
            access: AccessTable::default(),
            tcp_above_bytes: 1_300,
            learn_address: false,
            sessions_max: 4_000,
            transactions_max: 40_000,
            registrations_max: 256,
            t1: Duration::from_millis(500),
            ack_held_max: None,
        }
    }
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where its requests go.
    pub target: Target,
    /// Whom to call.
    pub request_uri: String,
    /// Who calls: a name-addr without tag.
    pub from: String,
    /// Who is called: a name-addr.
    pub to: String,
    /// The Call-ID, unique for ever.
    pub call_id: String,
    /// What to answer challenges with.
    pub credentials: Option<Credentials>,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// The offer.
    pub sdp: Vec<u8>,
    /// Without any response at all for this long, the call is given up as `NoResponse`.
    pub response_timeout: Duration,
    /// What the call may use beyond RFC 3261.
    pub extensions: Extensions,
    /// What its INVITE is known by, where that was to be written down before it left; else it is drawn now.
    pub names: Option<Names>,
}

/// What an INVITE of ours is known by, beside its Call-ID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// Our tag in From.
    pub local_tag: String,
    /// The branch in Via; one that is sent again after a challenge has a suffix.
    pub branch: String,
    /// The number in CSeq; one that is sent again after a challenge has the next.
    pub number: u32,
}

/// Extensions of SIP that a call may use.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extensions {
    /// Reliable provisional responses.
    pub reliable_provisionals: ReliableProvisionals,
    /// The session interval that is asked for (RFC 4028), 90 s or more; without it session timers are unknown to us.
    pub session_interval: Option<Duration>,
    /// Whether a peer's REFER is told of, as [`super::endpoint::SessionEvent::Referred`]; else it is answered with 405.
    pub transfer: bool,
}

/// Reliable provisional responses (RFC 3262).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReliableProvisionals {
    /// Not offered; one that comes all the same is acknowledged.
    Off,
    /// Offered: the callee decides.
    #[default]
    Supported,
    /// Wanted: a callee that cannot rejects the call with 420.
    Required,
}

impl Extensions {
    /// The option tags of what is known, as `Supported` names them (RFC 3262, RFC 4028, RFC 4488).
    pub(crate) fn supported(&self) -> String {
        let known = [
            ("100rel", self.reliable_provisionals != ReliableProvisionals::Off),
            ("timer", self.session_interval.is_some()),
            ("norefersub", self.transfer),
        ];
        known.into_iter().filter(|(_, is_known)| *is_known).map(|(tag, _)| tag).collect::<Vec<_>>().join(", ")
    }

    /// What an INVITE says of them.
    pub(crate) fn announce(&self, headers: &mut Headers) {
        let supported = self.supported();
        if !supported.is_empty() {
            headers.push("Supported", &supported);
        }
        if self.reliable_provisionals == ReliableProvisionals::Required {
            headers.push("Require", "100rel");
        }
    }
}

/// A registration to keep.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Where its requests go.
    pub target: Target,
    /// The registrar's domain as a URI: `sip:pbx.example`.
    pub registrar_uri: String,
    /// The address of record: `sip:user@pbx.example`.
    pub aor: String,
    /// The user part of our Contact.
    pub contact_user: String,
    /// What to answer challenges with.
    pub credentials: Option<Credentials>,
    /// How long each registration should last.
    pub expires: Duration,
}

/// Why we hang up, for the Reason header (RFC 3326).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HangUpReason {
    /// The cause in Q.850's numbers.
    pub q850: u16,
    /// The words beside it.
    pub text: String,
}

impl HangUpReason {
    /// As a header.
    pub(crate) fn header(&self) -> (String, String) {
        let mut value = format!("Q.850;cause={}", self.q850);
        if !self.text.is_empty() {
            value.push_str(";text=");
            super::header::list::quote_into(&mut value, &self.text);
        }
        ("Reason".to_owned(), value)
    }
}

/// Why the endpoint does not even try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// `sessions_max` calls are up.
    TooManySessions,
    /// `transactions_max` requests are under way.
    TooManyTransactions,
    /// `registrations_max` registrations or pings are there.
    TooManyRegistrations,
    /// A part of the request cannot be written as SIP.
    Unusable {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        fault: String,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooManySessions => f.write_str("as many calls are up as sessions_max allows"),
            Refused::TooManyTransactions => {
                f.write_str("as many SIP requests are under way as transactions_max allows; dial more slowly")
            }
            Refused::TooManyRegistrations => {
                f.write_str("as many registrations or pings are there as registrations_max allows")
            }
            Refused::Unusable { part, fault } => write!(f, "{part} cannot be sent: {fault}; correct it"),
        }
    }
}

impl std::error::Error for Refused {}

/// How much there is of everything; all zero once all has ended and 64*T1 has passed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Calls from `invite` to `Ended`.
    pub sessions: usize,
    /// Dialogs of these calls, early ones included.
    pub dialogs: usize,
    /// Requests of ours, lingering ones included.
    pub client_transactions: usize,
    /// Requests of peers, lingering ones included.
    pub server_transactions: usize,
    /// Registrations that are not yet unregistered.
    pub registrations: usize,
    /// Pings without outcome.
    pub pings: usize,
    /// ACKs that may have to be repeated.
    pub acks: usize,
    /// BYEs that may yet be challenged.
    pub farewells: usize,
    /// INVITEs that may yet be answered, though nobody waits for them.
    pub late: usize,
    /// Calls of a former run that are being ended.
    pub orphans: usize,
}
