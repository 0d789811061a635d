//! What the endpoint is told: its options, calls to dial, registrations, and why it refuses them.

use std::fmt;
use std::time::Duration;

use super::access::AccessTable;
use super::digest::Credentials;
use super::target::Target;

/// How the endpoint is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The User-Agent header.
    pub user_agent: String,
    /// Our listeners, for Via and Contact, and what else is special about the way to a trunk.
    pub access: AccessTable,
    /// The most sessions at once.
    pub sessions_max: usize,
    /// The most client transactions, server transactions and remembered ACKs at once, each.
    pub transactions_max: usize,
    /// The most registrations and, apart from them, pings at once.
    pub registrations_max: usize,
    /// The estimate of a round trip, from which all timers follow.
    pub t1: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            user_agent: "Outdial".to_owned(),
            access: AccessTable::default(),
            sessions_max: 4_000,
            transactions_max: 40_000,
            registrations_max: 256,
            t1: Duration::from_millis(500),
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
}
