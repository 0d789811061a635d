//! The carrier's own book of every call: what a judge needs to say whether the engine kept its word.
//!
//! An [`Entry`] is opened by an initial INVITE that passes the door and is never removed. Times are the carrier's.

use crate::audio::g711::Law;
use crate::sim::ear::{Reception, Recording};
use crate::sim::voice::Marker;
use crate::time::Instant;
use std::time::Duration;

/// The most entries that the book takes; what comes after is only counted.
pub const ENTRIES_MAX: usize = 200_000;

/// Who was called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// A number of the telephone network, and what it really is ([`crate::sim::callee::Callee::word`]).
    Callee(&'static str),
    /// An agent's extension or a queue, and the agent who took it.
    Agent(Option<String>),
    /// Nobody has this number.
    Nobody,
}

/// Who ended a call that was answered or still rang.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// The engine, by CANCEL or BYE.
    Caller,
    /// The carrier's side, by a final response other than 2xx, or by BYE.
    Carrier,
}

/// A message that was left, or heard by a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Its place in the list of messages that the carrier was told to listen for.
    pub clip: usize,
    /// When its first sample came in.
    pub from: Instant,
    /// When its last block of 100 ms that was heard ended.
    pub to: Instant,
    /// The share of its blocks that was heard, 1.0 for the whole message.
    pub share: f64,
    /// From the beep's end to its begin; negative when it began before. Nothing without a beep.
    pub after_beep_ms: Option<i64>,
}

/// A second 2xx with another tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fork {
    /// When it was acknowledged.
    pub acknowledged_at: Option<Instant>,
    /// When the caller ended it.
    pub ended_at: Option<Instant>,
}

/// One call.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The user part of the Request-URI.
    pub number: String,
    /// Who that is.
    pub role: Role,
    /// The Call-ID.
    pub call_id: String,
    /// The name of the fault that the carrier played, empty for none.
    pub fault: &'static str,
    /// The INVITE that passed the door.
    pub invited_at: Instant,
    /// 180 or 183.
    pub ringing_at: Option<Instant>,
    /// The first 2xx.
    pub answered_at: Option<Instant>,
    /// The first ACK of it.
    pub acknowledged_at: Option<Instant>,
    /// How often the 2xx was sent.
    pub answers: u32,
    /// How many ACKs of it came.
    pub acknowledgements: u32,
    /// The 2xx was never acknowledged, and the carrier gave up.
    pub unacknowledged: bool,
    /// CANCEL.
    pub canceled_at: Option<Instant>,
    /// The first BYE of either side.
    pub bye_at: Option<Instant>,
    /// BYE requests of the caller, copies included.
    pub byes_received: u32,
    /// The carrier's BYE was never answered.
    pub bye_unanswered: bool,
    /// The final response, or the BYE.
    pub ended_at: Option<Instant>,
    /// By whom.
    pub ended_by: Option<EndedBy>,
    /// The final response to the INVITE, 0 while there is none.
    pub status: u16,
    /// The second answer, when the carrier forked.
    pub fork: Option<Fork>,
    /// Final responses to the carrier's re-INVITEs, in order.
    pub reinvites: Vec<u16>,
    /// The agreed law.
    pub law: Option<Law>,
    /// The caller's stream.
    pub reception: Reception,
    /// How long something was to be heard.
    pub loud: Duration,
    /// Begin and end of the last beep that was sent.
    pub beep: Option<(Instant, Instant)>,
    /// The message that was heard best.
    pub message: Option<Message>,
    /// The marker of whoever was at the carrier's end.
    pub marker: Option<Marker>,
    /// Markers heard from the other end.
    pub heard: Vec<Marker>,
    /// Digits heard from the other end.
    pub digits: String,
    /// The digit that was pressed here.
    pub pressed: Option<char>,
    /// What was heard, if the carrier was told to keep it.
    pub recording: Option<Recording>,
}

impl Entry {
    /// A new page.
    pub fn new(number: &str, role: Role, call_id: &str, invited_at: Instant) -> Entry {
        Entry {
            number: number.to_owned(),
            role,
            call_id: call_id.to_owned(),
            fault: "",
            invited_at,
            ringing_at: None,
            answered_at: None,
            acknowledged_at: None,
            answers: 0,
            acknowledgements: 0,
            unacknowledged: false,
            canceled_at: None,
            bye_at: None,
            byes_received: 0,
            bye_unanswered: false,
            ended_at: None,
            ended_by: None,
            status: 0,
            fork: None,
            reinvites: Vec::new(),
            law: None,
            reception: Reception::default(),
            loud: Duration::ZERO,
            beep: None,
            message: None,
            marker: None,
            heard: Vec::new(),
            digits: String::new(),
            pressed: None,
            recording: None,
        }
    }

    /// Whether the number is a callee's, not an agent's.
    pub fn is_callee(&self) -> bool {
        !matches!(self.role, Role::Agent(_))
    }

    /// Ends the call, the first time.
    pub fn end(&mut self, now: Instant, by: EndedBy) {
        if self.ended_at.is_none() {
            (self.ended_at, self.ended_by) = (Some(now), Some(by));
        }
    }
}

/// A callee and an agent that were in calls at the same time, and whether they heard each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bridge {
    /// The callee's entry.
    pub callee: usize,
    /// The agent's entry.
    pub agent: usize,
    /// The callee heard the agent's marker.
    pub callee_heard_agent: bool,
    /// The agent heard the callee's.
    pub agent_heard_callee: bool,
}

/// The book.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// Initial INVITEs for which there was no page left.
    pub overflowed: u64,
    /// Requests and responses that could not be read.
    pub malformed: u64,
    /// INVITEs that were answered with a challenge.
    pub challenged: u64,
    /// Requests with wrong credentials.
    pub refused: u64,
    /// REGISTERs that were accepted.
    pub registrations: u64,
    /// OPTIONS that were answered.
    pub pings: u64,
}

impl Ledger {
    /// Opens a page; nothing when the book is full.
    pub fn open(&mut self, entry: Entry) -> Option<usize> {
        if self.entries.len() >= ENTRIES_MAX {
            self.overflowed += 1;
            return None;
        }
        self.entries.push(entry);
        Some(self.entries.len() - 1)
    }

    /// All pages in the order of their INVITEs.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A page, to write on.
    pub fn entry_mut(&mut self, page: usize) -> &mut Entry {
        &mut self.entries[page]
    }

    /// The calls to a number, compared by its digits.
    pub fn of_number<'a>(&'a self, number: &str) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let wanted = digits(number);
        self.entries.iter().filter(move |entry| digits(&entry.number) == wanted)
    }

    /// Calls that have not ended.
    pub fn in_flight(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.ended_at.is_none())
    }

    /// The most calls to callees at once.
    pub fn concurrency_max(&self) -> usize {
        let mut changes: Vec<(Instant, i32)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.is_callee()) {
            changes.push((entry.invited_at, 1));
            changes.extend(entry.ended_at.map(|at| (at, -1)));
        }
        // At one instant, ends come before beginnings.
        changes.sort();
        let levels = changes.iter().scan(0, |level, (_, change)| {
            *level += change;
            Some(*level)
        });
        levels.max().unwrap_or(0).max(0) as usize
    }

    /// The most calls to callees that began within any `window`.
    pub fn invites_within_max(&self, window: Duration) -> usize {
        let callees = self.entries.iter().filter(|entry| entry.is_callee());
        let mut begins: Vec<Instant> = callees.map(|entry| entry.invited_at).collect();
        begins.sort();
        let mut first = 0;
        let counts = begins.iter().enumerate().map(|(last, at)| {
            while begins[first] + window <= *at {
                first += 1;
            }
            last + 1 - first
        });
        counts.max().unwrap_or(0)
    }

    /// Whether two calls to one number were ever in flight together; the number, if so.
    pub fn dialed_twice_at_once(&self) -> Option<&str> {
        let mut pages: Vec<(String, &Entry)> =
            self.entries.iter().filter(|e| e.is_callee()).map(|e| (digits(&e.number), e)).collect();
        pages.sort_by(|a, b| (&a.0, a.1.invited_at).cmp(&(&b.0, b.1.invited_at)));
        let overlap = |pair: &&[(String, &Entry)]| {
            pair[0].0 == pair[1].0 && pair[0].1.ended_at.is_none_or(|end| end > pair[1].1.invited_at)
        };
        pages.windows(2).find(overlap).map(|pair| pair[1].1.number.as_str())
    }

    /// Every pair of callee and agent of whom at least one heard the other.
    pub fn bridges(&self) -> Vec<Bridge> {
        let marked = |is_callee: bool| {
            let pages = self.entries.iter().enumerate();
            pages.filter(move |(_, e)| {
                e.is_callee() == is_callee && e.marker.is_some() && e.answered_at.is_some()
            })
        };
        let mut bridges = Vec::new();
        for (callee, person) in marked(true) {
            for (agent, other) in marked(false) {
                let callee_heard_agent = other.marker.is_some_and(|marker| person.heard.contains(&marker));
                let agent_heard_callee = person.marker.is_some_and(|marker| other.heard.contains(&marker));
                if overlap(person, other) && (callee_heard_agent || agent_heard_callee) {
                    bridges.push(Bridge { callee, agent, callee_heard_agent, agent_heard_callee });
                }
            }
        }
        bridges
    }
}

fn overlap(a: &Entry, b: &Entry) -> bool {
    let before = |first: &Entry, second: &Entry| first.ended_at.is_some_and(|end| end <= second.invited_at);
    !before(a, b) && !before(b, a)
}

/// The digits of a number, by which two spellings of it are one.
pub fn digits(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { number.to_owned() } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_and_rate_are_those_of_the_callees() {
        let mut ledger = Ledger::default();
        for (from, to) in [(0, 500), (100, 600), (500, 900), (1200, 1300)] {
            open(&mut ledger, "1", Role::Callee("person"), from, Some(to));
        }
        open(&mut ledger, "600", Role::Agent(None), 200, None);
        assert_eq!(ledger.concurrency_max(), 2);
        assert_eq!(ledger.invites_within_max(Duration::from_millis(1000)), 3);
        assert_eq!(ledger.in_flight().count(), 1);
    }

    #[test]
    fn a_number_in_two_calls_at_once_is_noticed_in_any_spelling() {
        let mut ledger = Ledger::default();
        open(&mut ledger, "+12025550101", Role::Callee("person"), 0, Some(100));
        open(&mut ledger, "12025550101", Role::Callee("person"), 100, Some(200));
        assert_eq!(ledger.dialed_twice_at_once(), None);
        open(&mut ledger, "1 202 5550101", Role::Callee("person"), 199, None);
        assert_eq!(ledger.dialed_twice_at_once(), Some("1 202 5550101"));
        assert_eq!(ledger.of_number("+1-202-555-0101").count(), 3);
    }

    #[test]
    fn a_bridge_says_who_heard_whom() {
        let mut ledger = Ledger::default();
        let person = open(&mut ledger, "1", Role::Callee("person"), 0, Some(900));
        let agent = open(&mut ledger, "600", Role::Agent(Some("601".into())), 100, Some(900));
        let later = open(&mut ledger, "600", Role::Agent(Some("601".into())), 900, None);
        for (page, marker, heard) in [(person, 5, vec![1]), (agent, 1, vec![]), (later, 1, vec![5])] {
            let entry = ledger.entry_mut(page);
            entry.marker = Some(Marker::new(marker));
            entry.heard = heard.into_iter().map(Marker::new).collect();
        }
        let expected = Bridge { callee: person, agent, callee_heard_agent: true, agent_heard_callee: false };
        assert_eq!(ledger.bridges(), [expected]);
    }

    fn open(ledger: &mut Ledger, number: &str, role: Role, from: u64, to: Option<u64>) -> usize {
        let mut entry = Entry::new(number, role, "call", at(from));
        entry.answered_at = Some(at(from));
        entry.ended_at = to.map(at);
        ledger.open(entry).unwrap()
    }

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }
}
