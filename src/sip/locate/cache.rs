//! Answers of the DNS, for as long as they may be kept, and longer while there are no newer ones (RFC 8767).
//!
//! A TTL is kept to between [`TTL_MIN`] and [`TTL_MAX`]: one of 0 would have every call ask. Before it has passed the
//! question is due again; when that fails, what is known serves on for [`STALE_MAX`] and the question is repeated with
//! growing pauses. Only "there is no such name" and "nothing of this kind" take the place of what was known.

use super::record::{Answer, Failure, Question, Record};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// However short an answer may live by its TTL, it is kept for so long.
pub const TTL_MIN: Duration = Duration::from_secs(5);

/// However long, it is asked for again by then.
pub const TTL_MAX: Duration = Duration::from_secs(3_600);

/// "There is none" is kept for so long where the zone does not say.
const NEGATIVE_TTL: Duration = Duration::from_secs(60);

/// And no longer than this.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(900);

/// What is known serves for so long after its TTL while the DNS is down.
pub const STALE_MAX: Duration = Duration::from_secs(3 * 86_400);

/// After a failure: the first pause, doubled each time.
const RETRY_MIN: Duration = Duration::from_secs(2);

/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A question without answer for this long has failed; a later answer is taken all the same.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// A server that comes first is waited for so long before the lower ones are taken alone. A call's own fail-over is the same
/// or longer, and what is asked of a DNS that works has long been answered.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that are remembered.
pub const ENTRIES_MAX: usize = 2_048;

/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 32;

/// What is known about a question.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Known {
    /// Not yet asked with success.
    Unknown,
    /// These.
    Records(Vec<Record>),
    /// That there is none.
    Nothing(Failure),
}

#[derive(Clone, Debug)]
struct Entry {
    known: Known,
    fresh_until: Instant,
    /// When it is to be asked (again).
    ask_at: Instant,
    /// Asked then, and not answered.
    asked_at: Option<Instant>,
    failures: u32,
    failure: Option<Failure>,
    /// When somebody first needed it.
    since: Instant,
    used_at: Instant,
}

/// What the cache says to a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup<'c> {
    /// These records; `stale` when their TTL has passed.
    Records {
        /// The records.
        records: &'c [Record],
        /// They are older than they should be: the DNS is down.
        stale: bool,
        /// How long they are fresh.
        left: Duration,
    },
    /// There is none.
    Nothing,
    /// It was asked and not answered, and nothing is known from before.
    Failed(Failure),
    /// It has to be asked, or has been just now.
    Pending,
}

/// The answers.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    entries: BTreeMap<Question, Entry>,
}

impl Cache {
    /// What is known.
    pub fn get(&self, now: Instant, question: &Question) -> Lookup<'_> {
        let Some(entry) = self.entries.get(question) else { return Lookup::Pending };
        match (&entry.known, entry.failure) {
            (Known::Records(records), _) if now < entry.fresh_until + STALE_MAX => {
                let left = entry.fresh_until - now;
                Lookup::Records { records, stale: now >= entry.fresh_until, left }
            }
            (Known::Nothing(_), _) if now < entry.fresh_until + STALE_MAX => Lookup::Nothing,
            (_, Some(failure)) => Lookup::Failed(failure),
            (_, None) => Lookup::Pending,
        }
    }

    /// Why the last time it was asked brought no answer; `None` when it did.
    pub fn failure(&self, question: &Question) -> Option<Failure> {
        self.entries.get(question)?.failure
    }

    /// Until when others wait for the answer to a question that is on its way. One that there is no room for is not.
    pub fn patience(&self, now: Instant, question: &Question) -> Option<Instant> {
        let since = match self.entries.get(question) {
            Some(entry) => entry.since,
            None if self.entries.len() < ENTRIES_MAX => now,
            None => return None,
        };
        Some(since + PATIENCE).filter(|until| now < *until)
    }

    /// Somebody needs it: it is remembered, and asked when due. False when there is no room for another question.
    pub fn want(&mut self, now: Instant, question: &Question) -> bool {
        if let Some(entry) = self.entries.get_mut(question) {
            entry.used_at = now;
            return true;
        }
        if self.entries.len() >= ENTRIES_MAX && !self.make_room(now) {
            return false;
        }
        let entry = Entry {
            known: Known::Unknown,
            fresh_until: now,
            ask_at: now,
            asked_at: None,
            failures: 0,
            failure: None,
            since: now,
            used_at: now,
        };
        self.entries.insert(question.clone(), entry);
        true
    }

    /// Forgets what was not used for longest; what is in use at this moment stays.
    fn make_room(&mut self, now: Instant) -> bool {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used_at);
        let Some((question, _)) = oldest.filter(|(_, entry)| entry.used_at < now) else { return false };
        let question = question.clone();
        self.entries.remove(&question).is_some()
    }

    /// Whether it is to be asked now; if so, it counts as asked.
    pub fn ask(&mut self, now: Instant, question: &Question) -> bool {
        let Some(entry) = self.entries.get_mut(question) else { return false };
        if entry.asked_at.is_some() || entry.ask_at > now {
            return false;
        }
        entry.asked_at = Some(now);
        true
    }

    /// Counts a question that nobody has answered as failed. True when something has changed by it.
    pub fn give_up(&mut self, now: Instant, question: &Question) -> bool {
        let overdue = |entry: &Entry| entry.asked_at.is_some_and(|asked| asked + ANSWER_WITHIN <= now);
        match self.entries.get_mut(question) {
            Some(entry) if overdue(entry) => {
                entry.fail(now, Failure::TimedOut);
                true
            }
            _ => false,
        }
    }

    /// When something is to be done about a question: asked, or given up.
    pub fn due(&self, question: &Question) -> Option<Instant> {
        let entry = self.entries.get(question)?;
        Some(entry.asked_at.map_or(entry.ask_at, |asked| asked + ANSWER_WITHIN))
    }

    /// An answer; one to a question that was not asked is ignored.
    pub fn handle_answer(&mut self, now: Instant, question: &Question, answer: Answer) {
        let Some(entry) = self.entries.get_mut(question) else { return };
        let kept = |ttl: Option<Duration>| ttl.unwrap_or(NEGATIVE_TTL).clamp(TTL_MIN, NEGATIVE_TTL_MAX);
        match answer {
            Ok(records) => {
                let fits = |record: &Record| record.data.kind() == question.kind;
                let records: Vec<Record> = records.into_iter().filter(fits).take(RECORDS_MAX).collect();
                let ttl = records.iter().map(|record| record.ttl).min();
                match ttl {
                    Some(ttl) => entry.learn(now, Known::Records(records), ttl.clamp(TTL_MIN, TTL_MAX)),
                    None => entry.learn(now, Known::Nothing(Failure::NoData(None)), kept(None)),
                }
            }
            Err(failure @ (Failure::NoSuchName(ttl) | Failure::NoData(ttl))) => {
                entry.learn(now, Known::Nothing(failure), kept(ttl));
            }
            Err(failure) => entry.fail(now, failure),
        }
    }

    /// How many questions are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    fn learn(&mut self, now: Instant, known: Known, ttl: Duration) {
        self.known = known;
        self.fresh_until = now + ttl;
        // Ahead of its end, so that the next answer is there before this one is too old.
        self.ask_at = now + ttl.mul_f64(0.8);
        (self.asked_at, self.failures, self.failure) = (None, 0, None);
    }

    fn fail(&mut self, now: Instant, failure: Failure) {
        let pause = RETRY_MIN.saturating_mul(1 << self.failures.min(8)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(failure);
        self.asked_at = None;
        self.ask_at = now + pause;
    }
}
