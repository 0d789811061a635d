//! The last look at an INVITE that the store has committed, before it leaves.
//!
//! Between the decision to dial and the commit lie a port and the store, and both may take their time: several INVITEs may
//! come out of one slow commit together, the window may have closed, the number may be on the do-not-call list by now.

use super::*;

impl Engine {
    /// The store has committed an INVITE.
    pub(super) fn handle_committed(&mut self, now: Now, attempt: AttemptId) {
        if let Some(&key) = self.attempts.get(&attempt) {
            self.committed.push_back(key);
        }
        self.release_committed(now);
    }

    /// Lets go whatever the rates allow, in the order of the commits; the rest waits.
    pub(super) fn release_committed(&mut self, now: Now) {
        self.leave_at = None;
        for key in std::mem::take(&mut self.committed) {
            let Some(line) = self.lines.get(key) else { continue };
            if !line.attempt.awaits_commit() {
                self.with_attempt(now, key, |attempt, out| attempt.handle_committed(now, out));
                continue;
            }
            if !self.belongs(now) || !self.may_ring(now, line) {
                self.with_attempt(now, key, |attempt, out| {
                    attempt.handle_cancel(now, out);
                    attempt.handle_committed(now, out);
                });
                continue;
            }
            if !self.trunks[line.trunk].may_leave(now.instant) {
                self.with_attempt(now, key, |attempt, out| attempt.handle_trunk_rests(now, out));
                continue;
            }
            let (turn, place) = (line.campaign, line.trunk);
            let shares_at = self.shares_leave_at(now, turn, place);
            let trunk = &mut self.trunks[place];
            let free_at =
                trunk.leaving.free_at(now.instant).max(self.leaving.free_at(now.instant)).max(shares_at);
            match free_at.filter(|at| *at > now.instant) {
                Some(at) => {
                    self.leave_at = Some(self.leave_at.map_or(at, |earlier| earlier.min(at)));
                    self.committed.push_back(key);
                }
                None => {
                    trunk.leaving.record(now.instant);
                    self.leaving.record(now.instant);
                    self.record_share_left(now, turn, place);
                    self.left_since = self.left_since.or(Some(now.instant));
                    self.with_attempt(now, key, |attempt, out| attempt.handle_committed(now, out));
                }
            }
        }
    }

    /// All that was to be sent is on the wire. A process that was not scheduled sends what it has decided late, and the caps
    /// hold in windows of the wire.
    pub fn handle_sent(&mut self, now: Instant) {
        let Some(since) = self.left_since.take() else { return };
        let of_trunks = self.trunks.iter_mut().map(|trunk| &mut trunk.leaving);
        of_trunks.chain([&mut self.leaving]).for_each(|rate| rate.postpone(since, now));
        self.membership.iter_mut().for_each(|member| member.postpone_left(since, now));
    }

    fn may_ring(&self, now: Now, line: &Line) -> bool {
        let campaign = &self.campaigns[line.campaign].campaign;
        let gate = campaign.gate();
        let listed = |number: &E164| gate.is_listed(number, &self.ledger);
        let sent_on = line.redirects.last();
        // A number that a redirection names has hours of its own, and no address on the list.
        let closed_there = sent_on.is_some_and(|number| !gate.number_may_ring(number, now.wall));
        self.dialing
            && !listed(&line.contact.number)
            && !sent_on.is_some_and(listed)
            && !closed_there
            && campaign.window_is_open(now, &line.contact)
    }
}
