//! What must hold after any number of crashes: the carrier's ledger against the engine's books.

use super::bridges::{self, Bridges};
use super::ledger::{Call, Ledger};
use super::rig::{ATTEMPTS_MAX, Life, Load, Rig};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A call that outlived its engine is ended within this time of an engine's life.
pub const ORPHANS_END_WITHIN: Duration = Duration::from_secs(5);

/// The engine's second and the carrier's begin apart by what a busy machine needs to hand a datagram over.
const RATE_WINDOW: Duration = Duration::from_millis(950);

/// An engine that does nothing for so long has not merely been slow to start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// Of more than these it is said only how many there are.
const FAULTS_TOLD: usize = 12;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    pub calls: usize,
    pub interrupted: usize,
    /// Calls that were up when their engine died, and those of them that only another engine has ended.
    pub orphans: usize,
    pub ended_by_engine: usize,
    pub slowest_orphan: Duration,
    pub most_at_once: usize,
    pub bridges: Bridges,
    /// What must not be.
    pub faults: Vec<String>,
}

impl Findings {
    /// The first faults, and how many more there are.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.faults.iter().take(FAULTS_TOLD).cloned().collect();
        if self.faults.len() > FAULTS_TOLD {
            told.push(format!("... and {} more", self.faults.len() - FAULTS_TOLD));
        }
        told
    }
}

/// All that there is to judge by.
#[derive(Clone)]
pub struct Case {
    pub ledger: Ledger,
    /// When engines lived.
    pub lives: Vec<Life>,
    pub records: Vec<Value>,
    pub contacts: Vec<Value>,
    pub load: Load,
}

/// Compares everything.
pub fn judge(rig: &Rig) -> Findings {
    let (ledger, lives, load) = (rig.ledger(), rig.lives.clone(), rig.load);
    Case { ledger, lives, records: rig.export("calls"), contacts: rig.export("contacts"), load }.judge()
}

impl Case {
    pub fn judge(&self) -> Findings {
        let Case { ledger, lives, records, contacts, load } = self;
        // What each engine did first is looked for once: a long run has thousands of calls in hundreds of lives.
        let at_work: Vec<Life> = lives.iter().filter_map(|life| working(ledger, life)).collect();
        let mut found =
            Findings { calls: ledger.calls.len(), most_at_once: ledger.most_at_once, ..Findings::default() };
        found.interrupted = records.iter().filter(|record| record["disposition"] == "interrupted").count();
        caps(ledger, load, &mut found);
        numbers(ledger, &mut found);
        rate(ledger, load.calls_per_second, &mut found);
        orphans(ledger, lives, &at_work, &mut found);
        books(ledger, records, &mut found);
        people(contacts, records, load.contacts as usize, &mut found);
        bridges::judge(ledger, lives, &at_work, &mut found);
        found
    }
}

fn caps(ledger: &Ledger, load: &Load, found: &mut Findings) {
    // Agents' legs take channels of the trunk, and no lines.
    for (most, cap, whose) in [
        (ledger.most_at_once, load.channels_max, "calls"),
        (ledger.most_callees_at_once, load.most_callees_at_once(), "callees"),
    ] {
        if most > cap {
            found.faults.push(format!("{most} {whose} at once, the cap is {cap}"));
        }
    }
}

/// For so long of this time an engine lived that could have done something.
fn lived(at_work: &[Life], from: Instant, to: Instant) -> Duration {
    let within = |life: &Life| life.to.min(to).saturating_duration_since(life.from.max(from));
    at_work.iter().map(within).sum()
}

/// For so long of this time an engine could have ended this call.
///
/// Of an answer that nobody has heard an engine hears at its next copy, 4 s later at most, or it says BYE after a second: one
/// that is killed before has had no chance, so that each has to do it within its own time.
pub fn had(at_work: &[Life], call: &Call, from: Instant, to: Instant) -> Duration {
    match call.was_unheard_at(from) {
        true => at_work.iter().map(|life| lived(&[*life], from, to)).max().unwrap_or_default(),
        false => lived(at_work, from, to),
    }
}

/// From its first sign of life on the wire; of none, an engine that was killed as it started.
fn working(ledger: &Ledger, life: &Life) -> Option<Life> {
    // A callee who leaves by itself is no sign of an engine.
    let signs = ledger.calls.values().flat_map(|call| {
        let ended_at = call.ended_at.filter(|_| call.by_engine);
        [Some(call.invited_at), call.acknowledged_at, call.cancelled_at, ended_at]
    });
    let within = |at: &Instant| life.from <= *at && *at <= life.to;
    let began = signs.flatten().filter(within).min();
    let silent = (life.to - life.from > STARTS_WITHIN).then_some(life.from);
    began.or(silent).map(|from| Life { from, to: life.to })
}

fn numbers(ledger: &Ledger, found: &mut Findings) {
    let mut of_number: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for (_, call) in ledger.callees() {
        of_number.entry(&call.number).or_default().push(call);
    }
    for (number, mut calls) in of_number {
        calls.sort_by_key(|call| call.invited_at);
        if calls.len() > ATTEMPTS_MAX {
            found.faults.push(format!("{number} was dialed {} times", calls.len()));
        }
        for pair in calls.windows(2) {
            if pair[0].ended_at.is_none_or(|end| end > pair[1].invited_at) {
                found.faults.push(format!("{number} was dialed while it was in a call"));
            }
        }
    }
}

/// An agent's INVITE does not wait for the rate, for a person does; but a callee's waits for all that have left.
fn rate(ledger: &Ledger, per_second: f64, found: &mut Findings) {
    let mut calls: Vec<&Call> = ledger.calls.values().collect();
    calls.sort_by_key(|call| call.invited_at);
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| !call.is_agents()) {
        // Whatever lay there unread while this carrier had no processor may have come long before it was read.
        let within = |before: &&&Call| before.arrived_after + RATE_WINDOW > call.invited_at;
        let most = calls[..=at].iter().rev().take_while(within).count();
        if most as f64 > per_second {
            let cap = format!("the cap is {per_second} a second");
            return found.faults.push(format!("{most} INVITEs in {RATE_WINDOW:?}, {cap}"));
        }
    }
}

fn orphans(ledger: &Ledger, lives: &[Life], at_work: &[Life], found: &mut Findings) {
    for (id, call) in &ledger.calls {
        let Some(end) = call.ended_at else {
            found.faults.push(format!("the call {id} ({}) was never ended: {call:?}", call.number));
            continue;
        };
        let born = lives.iter().find(|life| life.from <= call.invited_at && call.invited_at <= life.to);
        let Some(born) = born.filter(|life| life.to < end) else { continue };
        found.orphans += 1;
        found.ended_by_engine += usize::from(call.by_engine);
        // Only while an engine lives can it end anything.
        let lived = had(at_work, call, born.to, end);
        found.slowest_orphan = found.slowest_orphan.max(lived);
        if lived > ORPHANS_END_WITHIN {
            found.faults.push(format!("the orphan {id} ({}) was up for {lived:?}: {call:?}", call.number));
        }
    }
}

fn books(ledger: &Ledger, records: &[Value], found: &mut Findings) {
    let mut of_call: BTreeMap<&str, &str> = BTreeMap::new();
    let mut attempts = BTreeSet::new();
    for record in records {
        let text = |key: &str| record[key].as_str().unwrap_or_default();
        if of_call.insert(text("call_id"), text("number")).is_some() {
            found.faults.push(format!("two records of the call {}", text("call_id")));
        }
        if !attempts.insert(text("attempt")) {
            found.faults.push(format!("two records of the attempt {}", text("attempt")));
        }
        let is_unseen = !ledger.calls.contains_key(text("call_id"));
        if is_unseen && !["interrupted", "canceled", "congestion"].contains(&text("disposition")) {
            found.faults.push(format!("a record of a call that nobody saw: {record}"));
        }
    }
    for (id, call) in ledger.callees() {
        if of_call.get(id.as_str()) != Some(&call.number.as_str()) {
            found.faults.push(format!("the call {id} of {} has no record", call.number));
        }
    }
}

fn people(contacts: &[Value], records: &[Value], expected: usize, found: &mut Findings) {
    let dialed: BTreeSet<&str> = records.iter().filter_map(|record| record["number"].as_str()).collect();
    if contacts.len() != expected {
        found.faults.push(format!("{} contacts of {expected}", contacts.len()));
    }
    for contact in contacts {
        if contact["state"] != "done"
            || !contact["number"].as_str().is_some_and(|number| dialed.contains(number))
        {
            found.faults.push(format!("a contact was forgotten: {contact}"));
        }
    }
}
