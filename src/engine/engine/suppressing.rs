//! Numbers that come on the do-not-call list while the engine runs.

use super::*;

/// Numbers that come on the do-not-call list in one request to the store: a list of any length must not fill its queue.
const SUPPRESSED_AT_ONCE: usize = 10_000;

impl Engine {
    /// Puts numbers on the do-not-call list, in memory at once and in the store; says how many were new.
    pub(super) fn suppress(&mut self, now: Now, numbers: &[E164], source: &str) -> usize {
        let mut full = None;
        let mut is_new = |number: &&E164| {
            self.ledger.suppress(number).unwrap_or_else(|fault| {
                full = Some(fault);
                true
            })
        };
        let new: Vec<E164> = numbers.iter().filter(|number| is_new(number)).cloned().collect();
        if let Some(full) = full {
            // What cannot be remembered must not be dialed by accident: nothing is dialed any more.
            self.draining = true;
            self.journal(now, Event::Store { note: format!("dialing stops: {full}") });
        }
        if !new.is_empty() {
            for running in &mut self.campaigns {
                running.campaign.handle_suppressed(now, &self.ledger);
            }
            self.cancel_suppressed(now);
        }
        for numbers in new.chunks(SUPPRESSED_AT_ONCE) {
            let (numbers, source) = (numbers.to_vec(), source.to_owned());
            self.outputs.push_back(Output::Store(Request::Suppress { numbers, source, at: now.wall }));
        }
        new.len()
    }

    /// A phone that rings although its owner is on the list by now must not go on ringing; who has answered is served.
    pub(super) fn cancel_suppressed(&mut self, now: Now) {
        let listed = |line: &Line| {
            let gate = self.campaigns[line.campaign].campaign.gate();
            let forbids = |number: &E164| gate.is_listed(number, &self.ledger);
            forbids(line.attempt.number()) || line.redirects.last().is_some_and(forbids)
        };
        let keys: Vec<Key> = self.lines.iter().filter(|(_, line)| listed(line)).map(|(key, _)| key).collect();
        for key in keys {
            self.with_attempt(now, key, |attempt, out| attempt.handle_cancel(now, out));
        }
        self.cancel_transfers(now, |engine, line, number| {
            engine.campaigns[line.campaign].campaign.gate().is_listed(number, &engine.ledger)
        });
    }

    /// Numbers of a do-not-call file that was read anew; says how many were new.
    pub fn handle_suppressed(&mut self, now: Now, numbers: &[E164], source: &str) -> usize {
        let new = self.suppress(now, numbers, source);
        self.settle(now);
        new
    }
}
