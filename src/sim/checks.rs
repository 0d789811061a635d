//! The rules that must hold after every step of a simulated hour, each with a name.
//!
//! The world tells [`Checks`] what happens at the engine's own edge, before any network delay, as [`Fact`]s; what breaks a
//! rule comes back as a [`Violation`]. The checks keep their own small books and use none of the engine's code to decide,
//! so that a fault of the engine cannot hide itself.

mod calls;
mod law;
mod phones;
mod streams;
mod wire;

#[cfg(test)]
mod tests;

use crate::agent::Word;
use crate::disposition::Disposition;
use crate::media::command::StreamKey;
use crate::number::E164;
use crate::record::{AttemptId, CallRecord, ContactId, DialogRecord, InviteRecord};
use crate::sim::ledger::digits;
use crate::sip::message::Message;
use crate::time::{Instant, Now};
use calls::Calls;
pub use law::Lawful;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use streams::Streams;

/// A rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// Every 2xx to an INVITE is acknowledged at once, each copy of it too.
    EveryAnswerIsAcknowledged,
    /// A 2xx that nobody waits for any more, of a fork or after a CANCEL, gets its BYE at once.
    UnwantedAnswersAreEnded,
    /// A CANCEL leaves only after a response (RFC 3261, 9.1).
    CancelFollowsAResponse,
    /// At most one packet per stream and 20 ms.
    OnePacketEach20Ms,
    /// No packet is missing while a stream is connected.
    NoPacketIsMissing,
    /// Nothing is sent before a stream is connected, or on hold.
    NothingIsSentOnHold,
    /// Calls of a trunk never exceed its channels.
    ChannelsAreKept,
    /// Attempts of a campaign never exceed its lines, and those of all campaigns never the engine's.
    LinesAreKept,
    /// INVITEs to callees never exceed the rate, of the trunk and of the engine, in any window.
    RateIsKept,
    /// Nobody is rung outside the calling window.
    WindowIsKept,
    /// Nobody on the do-not-call list is rung.
    DoNotCallIsKept,
    /// No number is in two calls at once.
    OneCallANumber,
    /// No contact has more attempts than allowed.
    AttemptsAreCapped,
    /// Attempts on a number keep their distance.
    GapsAreKept,
    /// No call breaks the law: its hours, caps and rests.
    LawIsKept,
    /// No INVITE leaves before its commit, an agent's neither.
    CommitComesFirst,
    /// Who was rung, answered or said no is not rung through another trunk.
    NobodyIsRungTwice,
    /// Each attempt leaves exactly one call record.
    OneRecordAnAttempt,
    /// A record tells what was on the wire.
    RecordsAreTrue,
    /// Each contact ends in one state that its records explain.
    OneStateAContact,
    /// An agent is rung who is ready: in no other call, with the last one written up, and not on a break.
    AgentsAreReady,
    /// A campaign's ledger of abandoned people is what its records say.
    LedgersAreTrue,
    /// After draining nothing is left: transactions, dialogs, sessions, streams, lines, timers.
    NothingIsLeft,
    /// A deadline that has come is dealt with.
    TimeGoesOn,
    /// What the engine sends can be read.
    NothingIsMalformed,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 25] = [
        Rule::EveryAnswerIsAcknowledged,
        Rule::UnwantedAnswersAreEnded,
        Rule::CancelFollowsAResponse,
        Rule::OnePacketEach20Ms,
        Rule::NoPacketIsMissing,
        Rule::NothingIsSentOnHold,
        Rule::ChannelsAreKept,
        Rule::LinesAreKept,
        Rule::RateIsKept,
        Rule::WindowIsKept,
        Rule::DoNotCallIsKept,
        Rule::OneCallANumber,
        Rule::AttemptsAreCapped,
        Rule::GapsAreKept,
        Rule::LawIsKept,
        Rule::CommitComesFirst,
        Rule::NobodyIsRungTwice,
        Rule::OneRecordAnAttempt,
        Rule::RecordsAreTrue,
        Rule::OneStateAContact,
        Rule::AgentsAreReady,
        Rule::LedgersAreTrue,
        Rule::NothingIsLeft,
        Rule::TimeGoesOn,
        Rule::NothingIsMalformed,
    ];
}

/// A rule was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// By which call, for its ladder.
    pub call_id: Option<String>,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// What happens at the engine's edge.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// A SIP message leaves, for the trunk of this place.
    Sent(usize, &'a Message),
    /// A SIP message comes in, from the trunk of this place.
    Received(usize, &'a Message),
    /// The engine hears that the INVITE is committed.
    Committed(&'a InviteRecord),
    /// The operator or a callee puts a number on the do-not-call list, given by its digits.
    Suppressed(&'a str),
    /// An agent, by their extension, says that they are ready (true), or not.
    AgentSays(&'a str, Word),
    /// The engine asks the store to keep a record; the same again after a failure of the store.
    Finished(&'a CallRecord),
    /// A stream is told to speak (true) or to be silent.
    Connected(StreamKey, bool),
    /// A stream sends a packet.
    Packet(StreamKey),
    /// A stream is closed.
    Closed(StreamKey),
}

/// What a trunk may be burdened with.
#[derive(Clone, PartialEq, Debug)]
pub struct TrunkRules {
    /// Calls at once.
    pub channels_max: usize,
    /// INVITEs to callees per second.
    pub calls_per_second_max: f64,
    /// After this long without any response a call counts as given up.
    pub answer_timeout: Duration,
}

/// What a campaign may do.
#[derive(Clone, PartialEq, Debug)]
pub struct CampaignRules {
    /// Attempts at once.
    pub lines_max: usize,
    /// Attempts on one contact.
    pub max_attempts: usize,
    /// Between any two attempts on a number.
    pub attempt_gap: Duration,
    /// After these outcomes it waits this long.
    pub delays: BTreeMap<Disposition, Duration>,
    /// Open from and until, in minutes of the callee's day.
    pub window: (i64, i64),
    /// What the law asks.
    pub law: Vec<Lawful>,
}

/// When an agent's phone may ring.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PhoneRules {
    /// So long after a talk, unless the agent is ready before.
    pub wrap_up: Duration,
    /// The agent begins as ready.
    pub is_ready: bool,
}

/// What must be kept.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rules {
    /// By the trunk's place.
    pub trunks: Vec<TrunkRules>,
    /// By the campaign's name.
    pub campaigns: BTreeMap<String, CampaignRules>,
    /// Attempts at once, of all campaigns.
    pub lines_max: usize,
    /// INVITEs to callees per second, of all trunks.
    pub calls_per_second_max: f64,
    /// User parts of the URIs of queues and of agents whose states nobody knows.
    pub agents: BTreeSet<String>,
    /// Agents whose states are known, by the user part of their URIs.
    pub phones: BTreeMap<String, PhoneRules>,
    /// Minutes that the callee's clock is ahead of UTC, by the first digits of the number.
    pub offsets: BTreeMap<String, i64>,
}

/// The checks and their books.
#[derive(Debug)]
pub struct Checks {
    calls: Calls,
    streams: Streams,
    /// Records that were asked for, to know a repetition from a second one.
    records: BTreeMap<AttemptId, CallRecord>,
    violations: Vec<Violation>,
}

impl Checks {
    /// Checks of these rules.
    pub fn new(rules: Rules) -> Checks {
        Checks {
            calls: Calls::new(rules),
            streams: Streams::default(),
            records: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// Something happened.
    pub fn handle_fact(&mut self, now: Now, fact: Fact<'_>) {
        let found = &mut self.violations;
        match fact {
            Fact::Sent(trunk, message) => self.calls.handle_sent(now, trunk, message, found),
            Fact::Received(_, message) => self.calls.handle_received(now, message),
            Fact::Committed(invite) => self.calls.handle_committed(invite),
            Fact::Suppressed(number) => self.calls.handle_suppressed(number),
            Fact::AgentSays(extension, word) => self.calls.handle_agent(now.instant, extension, word),
            Fact::Finished(record) => self.handle_finished(record),
            Fact::Connected(stream, sends) => {
                self.streams.handle_connected(now.instant, stream, sends, found)
            }
            Fact::Packet(stream) => self.streams.handle_packet(now.instant, stream, found),
            Fact::Closed(stream) => self.streams.handle_closed(now.instant, stream, found),
        }
    }

    fn handle_finished(&mut self, record: &CallRecord) {
        match self.records.get(&record.attempt) {
            Some(first) if first == record => {}
            Some(_) => self.violations.push(Violation {
                rule: Rule::OneRecordAnAttempt,
                call_id: Some(record.call_id.clone()),
                what: format!("a second record of attempt {}", record.attempt),
            }),
            None => {
                self.calls.handle_finished(record, &mut self.violations);
                self.records.insert(record.attempt, record.clone());
            }
        }
    }

    /// A step is over: everything that had to follow at once has followed.
    pub fn handle_step_end(&mut self, now: Instant) {
        self.calls.handle_step_end(now, &mut self.violations);
    }

    /// The engine is gone at once, and with it what the store does not have: records that were asked for in vain, numbers
    /// that were to be suppressed. Gives how many calls the store knows too little of to end them.
    pub fn handle_crash(
        &mut self,
        now: Now,
        kept: &BTreeMap<AttemptId, CallRecord>,
        suppressed: &BTreeSet<E164>,
        dialogs: &BTreeMap<String, DialogRecord>,
    ) -> u64 {
        self.records.retain(|attempt, _| kept.contains_key(attempt));
        self.streams = Streams::default();
        let suppressed = suppressed.iter().map(|number| digits(number.as_str()));
        self.calls.handle_crash(now.instant, suppressed, dialogs)
    }

    /// A rule that the world itself found broken.
    pub fn handle_violation(&mut self, rule: Rule, call_id: Option<String>, what: String) {
        self.violations.push(Violation { rule, call_id, what });
    }

    /// After draining: attempts against the store's records, each exactly once.
    pub fn handle_end(&mut self, now: Now, kept: &BTreeMap<AttemptId, CallRecord>) {
        self.calls.handle_end(now, &mut self.violations);
        for (attempt, call_id) in self.calls.attempts() {
            if !kept.contains_key(&attempt) {
                let what = format!("attempt {attempt} left no record");
                self.handle_violation(Rule::OneRecordAnAttempt, Some(call_id), what);
            }
        }
    }

    /// The next violation.
    pub fn poll_output(&mut self) -> Option<Violation> {
        if self.violations.is_empty() { None } else { Some(self.violations.remove(0)) }
    }

    /// Attempts that went through more than one trunk.
    pub fn failovers(&self) -> u64 {
        self.calls.failovers()
    }

    /// Copies of 2xx that were acknowledged again.
    pub fn repeated_answers(&self) -> u64 {
        self.calls.repeated_answers()
    }

    /// Attempts on each contact.
    pub fn attempts_on(&self, contact: ContactId) -> usize {
        self.calls.attempts_on(contact)
    }
}
