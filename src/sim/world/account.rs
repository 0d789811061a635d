//! What is left to read after a simulated hour: the SIP ladder, the counts of what really happened, and the report of a
//! failure.

use super::super::checks::Violation;
use crate::sip::message::Message;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::fmt;

/// The most messages that a ladder keeps; the oldest go first when one comes.
const RUNGS_MAX: usize = 20_000;

/// Lines of the journal that a failure prints.
const JOURNAL_LINES: usize = 40;

/// The most messages of a call that a failure prints.
const LADDER_LINES: usize = 80;

/// One SIP message at the engine's edge.
#[derive(Clone, Debug)]
struct Rung {
    at: Instant,
    sent: bool,
    trunk: usize,
    call_id: String,
    text: String,
}

/// All SIP messages at the engine's edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    rungs: std::collections::VecDeque<Rung>,
}

impl Ladder {
    pub fn push(&mut self, at: Instant, sent: bool, trunk: usize, message: &Message) {
        if self.rungs.len() == RUNGS_MAX {
            self.rungs.pop_front();
        }
        let headers = message.headers();
        let cseq = headers.cseq().map(|cseq| format!("{} {}", cseq.number, cseq.method)).unwrap_or_default();
        let text = match message {
            Message::Request(request) => format!("{} {} (CSeq {cseq})", request.method(), request.uri()),
            Message::Response(response) => {
                format!("{} {} (CSeq {cseq})", response.status(), response.phrase())
            }
        };
        let call_id = headers.call_id().unwrap_or_default().to_owned();
        self.rungs.push_back(Rung { at, sent, trunk, call_id, text });
    }

    /// The ladder of one call; the last messages of all when no call is named.
    pub fn of_call(&self, call_id: Option<&str>) -> String {
        let of_call = |rung: &&Rung| call_id.is_none_or(|id| rung.call_id == id);
        let rungs: Vec<&Rung> = self.rungs.iter().filter(of_call).collect();
        let first = rungs.len().saturating_sub(LADDER_LINES);
        let line = |rung: &&Rung| {
            let arrow = if rung.sent { "-->" } else { "<--" };
            format!("{:?} {arrow} trunk {} {}\n", rung.at, rung.trunk, rung.text)
        };
        rungs[first..].iter().map(line).collect()
    }
}

/// How often each thing really happened, by its name; without them a check may hold because nothing was ever tried.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    /// It happened `count` times more.
    pub fn add(&mut self, name: impl Into<String>, count: u64) {
        *self.0.entry(name.into()).or_default() += count;
    }

    /// How often it happened.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// What another hour had.
    pub fn merge(&mut self, other: &Coverage) {
        other.0.iter().for_each(|(name, count)| self.add(name.clone(), *count));
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9} {name}"))
    }
}

/// A rule was broken: all that is needed to see how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that breaks it again.
    pub seed: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub violation: Violation,
    /// The journal's last lines.
    pub journal: String,
    /// The SIP messages of the call concerned.
    pub ladder: String,
}

impl Failure {
    pub(super) fn new(
        seed: u64,
        at: Instant,
        violation: Violation,
        journal: &str,
        ladder: &Ladder,
    ) -> Failure {
        let lines: Vec<&str> = journal.lines().collect();
        let first = lines.len().saturating_sub(JOURNAL_LINES);
        let ladder = ladder.of_call(violation.call_id.as_deref());
        Failure { seed, at, journal: lines[first..].join("\n"), ladder, violation }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks a rule at {:?}: {}", self.seed, self.at, self.violation)?;
        writeln!(f, "-- the journal's last lines\n{}", self.journal)?;
        writeln!(
            f,
            "-- the ladder of {}\n{}",
            self.violation.call_id.as_deref().unwrap_or("all calls"),
            self.ladder
        )
    }
}
