//! INVITEs to agents' phones, and to those that a transfer leads to, from the request to keep their calls until the store
//! has done it.
//!
//! A phone that rings for a dead engine rings for nobody, and the next engine can only end what the store has told it of.
//! But a person waits for this phone: a store that is slow is waited for a little while, one that fails not at all.

use super::carry::Draft;
use super::*;
use crate::call::attempt::Side;

/// So long an agent's phone waits for the store: half of what a person may wait in silence (16 CFR 310.4(b)(4)(i)).
pub const HELD_MAX: Duration = Duration::from_secs(1);

/// INVITEs that wait, in the order in which they came. Bounded by the lines: each has one agent's and one target's.
#[derive(Debug, Default)]
pub(super) struct Holding(VecDeque<Held>);

#[derive(Debug)]
struct Held {
    until: Instant,
    line: Key,
    side: Side,
    draft: Draft,
    sdp: Vec<u8>,
}

impl Holding {
    /// When [`Engine::release_overdue`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.0.front().map(|held| held.until)
    }

    fn take(&mut self, which: impl Fn(&Held) -> bool) -> Option<Held> {
        let place = self.0.iter().position(which)?;
        self.0.remove(place)
    }
}

impl Engine {
    /// The INVITE of an agent's leg is ready but for what the store has to say.
    pub(super) fn hold_invite(
        &mut self,
        now: Now,
        key: Key,
        side: Side,
        call_id: String,
        sdp: Vec<u8>,
        more: &mut Vec<Action>,
    ) {
        let draft = self.draft(now, key, side, call_id);
        let told = draft.as_ref().is_some_and(|draft| self.tell_of(now, key, side, draft));
        match draft {
            Some(draft) if told && self.store_retry_at.is_none() => {
                let until = now.instant + HELD_MAX;
                self.holding.0.push_back(Held { until, line: key, side, draft, sdp });
            }
            draft => self.invite(now, key, side, draft, sdp, more),
        }
    }

    fn tell_of(&mut self, now: Now, key: Key, side: Side, draft: &Draft) -> bool {
        let (Some(remains), Some(line)) = (&draft.remains, self.lines.get(key)) else { return false };
        let Some(place) = line.reserved[side as usize] else { return false };
        let trunk = &self.trunks[place].options.name;
        self.keeping.announce(now.instant, line.attempt.id(), trunk, remains);
        true
    }

    /// The store knows this call, or has said that it will not: the phone may ring.
    pub(super) fn release_held(&mut self, now: Now, call_id: &str) {
        let is_it = |held: &Held| held.draft.remains.as_ref().is_some_and(|kept| kept.call_id == call_id);
        if let Some(held) = self.holding.take(is_it) {
            self.let_go(now, held);
        }
    }

    /// Those that have waited for long enough.
    pub(super) fn release_overdue(&mut self, now: Now) {
        while let Some(held) = self.holding.take(|held| held.until <= now.instant) {
            let note = format!("is slow, an agent's phone has waited {} ms for it", HELD_MAX.as_millis());
            self.journal(now, Event::Store { note });
            self.let_go(now, held);
        }
    }

    fn let_go(&mut self, now: Now, held: Held) {
        let Held { line, side, draft, sdp, .. } = held;
        let mut actions = Vec::new();
        self.invite(now, line, side, Some(draft), sdp, &mut actions);
        self.with_attempt(now, line, |_, out| out.append(&mut actions));
    }

    /// The phone is not to ring any more. Tells whether its INVITE was still here.
    pub(super) fn drop_held(&mut self, now: Now, key: Key, side: Side) -> bool {
        let Some(held) = self.holding.take(|held| held.line == key && held.side == side) else {
            return false;
        };
        self.keeping.forget_unsent(now.instant, held.draft.remains.as_ref());
        let Some(line) = self.lines.get_mut(key) else { return true };
        if let Some(place) = line.reserved[side as usize].take() {
            self.trunks[place].release_unused();
        }
        // Nobody has heard it ring: nobody has missed it.
        if let Some(agent) = line.agent.take_if(|_| side == Side::Agent) {
            self.staff.roster.handle_released(now.instant, agent);
        }
        true
    }
}
