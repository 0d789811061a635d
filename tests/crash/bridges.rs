//! What must hold for callees who are given to agents: nobody is left alone on the line, no phone is in two calls, no call is
//! left without its wrap-up, whatever was killed in between.

use super::judge::{Findings, ORPHANS_END_WITHIN, had};
use super::ledger::{Call, Ledger};
use super::rig::{Life, WRAP_UP};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Both sides may hang up in the same moment, and an agent be rung for somebody who has just gone: the INVITE
/// waits for the disk, and the engine for its processor.
const CROSSING: Duration = Duration::from_millis(2_000);

/// The engine's clock and the carrier's part by what a busy machine needs to hand a datagram over.
const WRAP_UP_AT_LEAST: Duration = WRAP_UP.saturating_sub(Duration::from_millis(100));

/// What the kills have met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bridges {
    /// Agents' legs in all, and those that were joined with a callee.
    pub legs: usize,
    pub joined: usize,
    /// Killed with the INVITE out and nothing heard, while the phone rang, when it was answered and not yet acknowledged, in the
    /// talk, and within the wrap-up.
    pub killed_inviting: usize,
    pub killed_ringing: usize,
    pub killed_answering: usize,
    pub killed_talking: usize,
    pub killed_wrapping_up: usize,
}

impl Bridges {
    pub fn add(&mut self, other: &Bridges) {
        self.legs += other.legs;
        self.joined += other.joined;
        self.killed_inviting += other.killed_inviting;
        self.killed_ringing += other.killed_ringing;
        self.killed_answering += other.killed_answering;
        self.killed_talking += other.killed_talking;
        self.killed_wrapping_up += other.killed_wrapping_up;
    }
}

pub fn judge(ledger: &Ledger, lives: &[Life], at_work: &[Life], found: &mut Findings) {
    found.bridges.legs = ledger.agents().count();
    found.bridges.joined = ledger.agents().filter(|(_, leg)| leg.talk_began().is_some()).count();
    for (id, leg) in ledger.agents() {
        for life in lives {
            count(leg, life.to, &mut found.bridges);
        }
        partners(ledger, at_work, id, leg, found);
    }
    phones(ledger, lives, found);
}

/// In which moment of this leg an engine ended.
fn count(leg: &Call, died: Instant, bridges: &mut Bridges) {
    let by_then = |at: Option<Instant>| at.is_some_and(|at| at <= died);
    if leg.is_open_at(died) {
        let met = match () {
            () if by_then(leg.talk_began()) => &mut bridges.killed_talking,
            () if by_then(leg.answered_at) => &mut bridges.killed_answering,
            () if by_then(leg.rang_at) => &mut bridges.killed_ringing,
            () => &mut bridges.killed_inviting,
        };
        *met += 1;
    } else if by_then(leg.talk_began()) && leg.ended_at.is_some_and(|end| end + WRAP_UP > died) {
        bridges.killed_wrapping_up += 1;
    }
}

/// The agent is rung for somebody, and neither of both is left alone with a dead line.
fn partners(ledger: &Ledger, at_work: &[Life], id: &str, leg: &Call, found: &mut Findings) {
    let was_there = |call: &Call| {
        call.answered_at.is_some_and(|answered| answered <= leg.invited_at)
            && call.ended_at.is_none_or(|end| end + CROSSING > leg.invited_at)
    };
    let callee =
        ledger.callees().map(|(_, call)| call).find(|call| call.number == leg.shown && was_there(call));
    let Some(callee) = callee else {
        return found.faults.push(format!("{} was rung for nobody ({id}): {leg:?}", leg.number));
    };
    // A leg that is never ended is a fault of its own.
    let (Some(left), Some(gone)) = (callee.ended_at, leg.ended_at) else { return };
    let last = if gone > left { leg } else { callee };
    let alone = had(at_work, last, gone.min(left), gone.max(left));
    let was_joined = leg.talk_began().is_some();
    if was_joined && left > gone && alone > ORPHANS_END_WITHIN {
        let (callee, agent) = (&callee.number, &leg.number);
        found.faults.push(format!("{callee} was left alone for {alone:?} by {agent} ({id})"));
    }
    if gone > left && alone > ORPHANS_END_WITHIN {
        found.faults.push(format!("{} was up for {alone:?} without its callee ({id})", leg.number));
    }
}

fn phones(ledger: &Ledger, lives: &[Life], found: &mut Findings) {
    let mut of_phone: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for (_, leg) in ledger.agents() {
        of_phone.entry(&leg.number).or_default().push(leg);
    }
    for (agent, mut legs) in of_phone {
        legs.sort_by_key(|leg| leg.invited_at);
        for pair in legs.windows(2) {
            let (before, next) = (pair[0], pair[1].invited_at);
            if before.is_open_at(next) {
                found.faults.push(format!("{agent} had two calls at once: {before:?} and {:?}", pair[1]));
            }
            // The state of an agent dies with the engine, but not within its life.
            let ended = before.ended_after.or(before.ended_at).filter(|end| {
                before.talk_began().is_some()
                    && lives
                        .iter()
                        .any(|life| life.from <= before.invited_at && next <= life.to && *end <= life.to)
            });
            if ended.is_some_and(|end| next.saturating_duration_since(end) < WRAP_UP_AT_LEAST) {
                found
                    .faults
                    .push(format!("{agent} had no time to write a call up: {before:?}, then {next:?}"));
            }
        }
    }
}
