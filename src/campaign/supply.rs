//! The supply of contacts: those claimed from the store ahead of need, and what is known of those that remain there.
//!
//! Claims are few, so that a pause or a crash leaves little to give back, and asked for early enough that the pace
//! never waits for the disk.

use crate::record::Contact;
use crate::time::{Instant, Now, WallTime};
use std::collections::VecDeque;
use std::time::Duration;

/// The most contacts that are claimed and not dialed yet.
pub const CLAIMED_MAX: usize = 200;

/// The fewest that are claimed at once, however slow the pace.
pub const CLAIMED_MIN: usize = 10;

/// How much dialing the claimed contacts are to last for.
pub const CLAIMED_FOR: Duration = Duration::from_secs(10);

/// The least time between two refills.
pub const REFILL_GAP: Duration = Duration::from_secs(1);

/// The same while what comes cannot be dialed (closed windows): the search for the first that can is quicker.
pub const REFILL_GAP_BARREN: Duration = Duration::from_millis(100);

/// How long a refill rests that the store could not serve.
pub const REFILL_RETRY: Duration = Duration::from_secs(5);

/// Civil time may be set; what waits for it looks again this often.
pub const CIVIL_RECHECK: Duration = Duration::from_secs(60);

/// What the store still has, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stock {
    Unknown,
    Known { pending: u64, next_due_at: Option<WallTime> },
}

/// The claimed contacts and the knowledge of the rest.
#[derive(Debug)]
pub(super) struct Supply {
    claimed: VecDeque<Contact>,
    target: usize,
    stock: Stock,
    asked: bool,
    asked_at: Instant,
    not_before: Instant,
    // What was given back after the question and is not in the answer.
    returned_since: u64,
    returned_due_at: Option<WallTime>,
    barren: bool,
}

impl Supply {
    pub fn new(calls_per_minute: f64, now: Instant) -> Self {
        Supply {
            claimed: VecDeque::new(),
            target: target(calls_per_minute),
            stock: Stock::Unknown,
            asked: false,
            asked_at: now,
            not_before: now,
            returned_since: 0,
            returned_due_at: None,
            barren: false,
        }
    }

    /// Another pace from now on.
    pub fn set_pace(&mut self, calls_per_minute: f64) {
        self.target = target(calls_per_minute);
    }

    pub fn claimed(&self) -> usize {
        self.claimed.len()
    }

    pub fn pop(&mut self) -> Option<Contact> {
        self.claimed.pop_front()
    }

    /// Makes the contact the next one; gives back the last one when there is no room for it.
    pub fn put_back(&mut self, contact: Contact) -> Option<Contact> {
        self.claimed.push_front(contact);
        if self.claimed.len() > CLAIMED_MAX { self.claimed.pop_back() } else { None }
    }

    /// Takes claimed contacts in; gives back those beyond the bound.
    pub fn put(&mut self, contacts: Vec<Contact>) -> Vec<Contact> {
        let mut beyond = Vec::new();
        for contact in contacts {
            if self.claimed.len() < CLAIMED_MAX {
                self.claimed.push_back(contact)
            } else {
                beyond.push(contact)
            }
        }
        beyond
    }

    /// Takes out all claimed contacts for which `which` holds.
    pub fn take_out(&mut self, which: impl Fn(&Contact) -> bool) -> Vec<Contact> {
        let (out, kept) = self.claimed.drain(..).partition(which);
        self.claimed = kept;
        Vec::from(out)
    }

    /// How many contacts to ask for now; the question counts as asked.
    pub fn refill(&mut self, now: Now) -> Option<u32> {
        let low = self.claimed.len() * 2 <= self.target;
        let due = match self.stock {
            Stock::Unknown => true,
            Stock::Known { pending, next_due_at } => {
                pending > 0 && next_due_at.is_none_or(|at| at <= now.wall)
            }
        };
        if self.asked || !low || !due || now.instant < self.not_before {
            return None;
        }
        let target = if self.barren { CLAIMED_MAX } else { self.target };
        self.asked = true;
        self.asked_at = now.instant;
        self.not_before = now.instant + REFILL_GAP;
        (self.returned_since, self.returned_due_at) = (0, None);
        self.barren = false;
        Some((target - self.claimed.len()) as u32)
    }

    pub fn handle_answer(&mut self, pending: u64, next_due_at: Option<WallTime>) {
        self.asked = false;
        self.stock = Stock::Known {
            pending: pending.saturating_add(self.returned_since),
            next_due_at: earlier(next_due_at, self.returned_due_at),
        };
    }

    pub fn handle_failure(&mut self, now: Instant) {
        self.asked = false;
        self.stock = Stock::Unknown;
        self.not_before = now + REFILL_RETRY;
    }

    /// A contact goes back to the store to be dialed at `due_at`.
    pub fn handle_return(&mut self, due_at: WallTime) {
        self.returned_since += 1;
        self.returned_due_at = earlier(self.returned_due_at, Some(due_at));
        if let Stock::Known { pending, next_due_at } = &mut self.stock {
            // Pending contacts without a known time are due now.
            let due_now = *pending > 0 && next_due_at.is_none();
            *next_due_at = if due_now { None } else { earlier(*next_due_at, Some(due_at)) };
            *pending += 1;
        }
    }

    /// A claimed contact turned out not to be dialable now.
    pub fn handle_barren(&mut self) {
        self.barren = true;
        self.not_before = self.not_before.min(self.asked_at + REFILL_GAP_BARREN);
    }

    /// What the store holds may have changed.
    pub fn forget(&mut self) {
        self.stock = Stock::Unknown;
    }

    /// Nothing claimed, nothing in the store, and no question open.
    pub fn is_exhausted(&self) -> bool {
        self.claimed.is_empty() && !self.asked && matches!(self.stock, Stock::Known { pending: 0, .. })
    }

    /// Contacts that wait in the store, when that is known.
    pub fn pending(&self) -> Option<u64> {
        match self.stock {
            Stock::Unknown => None,
            Stock::Known { pending, .. } => Some(pending),
        }
    }

    /// The earliest of them.
    pub fn next_due_at(&self) -> Option<WallTime> {
        match self.stock {
            Stock::Known { pending: 1.., next_due_at } => next_due_at,
            _ => None,
        }
    }

    /// When [`Supply::refill`] is to be asked again.
    pub fn wants_at(&self, now: Now) -> Option<Instant> {
        if self.asked || self.claimed.len() * 2 > self.target {
            return None;
        }
        match self.stock {
            Stock::Known { pending: 0, .. } => None,
            Stock::Known { next_due_at: Some(at), .. } => Some(self.not_before.max(instant_of(at, now))),
            _ => Some(self.not_before),
        }
    }
}

/// How many contacts the pace wants to have claimed.
fn target(calls_per_minute: f64) -> usize {
    let lasting = (calls_per_minute / 60.0 * CLAIMED_FOR.as_secs_f64()).ceil() as usize;
    lasting.clamp(CLAIMED_MIN, CLAIMED_MAX)
}

/// When to look at the clock for `at`: then, or at the next recheck.
pub(super) fn instant_of(at: WallTime, now: Now) -> Instant {
    let ahead = at.unix_ms().saturating_sub(now.wall.unix_ms()).max(0) as u64;
    now.instant + Duration::from_millis(ahead).min(CIVIL_RECHECK)
}

fn earlier(a: Option<WallTime>, b: Option<WallTime>) -> Option<WallTime> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::super::gate::tests::contact;
    use super::*;

    #[test]
    fn no_more_is_claimed_than_the_bound() {
        let mut supply = Supply::new(6_000.0, Instant::ZERO);
        assert_eq!(supply.refill(Now::default()), Some(CLAIMED_MAX as u32));
        let many = (0..CLAIMED_MAX as i64 + 3).map(|id| contact(id, "+12025550101")).collect();
        assert_eq!(supply.put(many).len(), 3);
        let last = supply.put_back(contact(999, "+12025550102"));
        assert_eq!(last.map(|contact| contact.id.0), Some(CLAIMED_MAX as i64 - 1));
        assert_eq!((supply.claimed(), supply.pop().map(|contact| contact.id.0)), (CLAIMED_MAX, Some(999)));
    }

    #[test]
    fn a_quicker_pace_has_more_claimed_at_once() {
        let mut supply = Supply::new(0.5, Instant::ZERO);
        supply.set_pace(600.0);
        assert_eq!(supply.refill(Now::default()), Some(100));
    }

    #[test]
    fn the_search_behind_closed_windows_is_quicker_and_wider() {
        let mut supply = Supply::new(30.0, Instant::ZERO);
        let at = |ms| Now { instant: Instant::from_start(Duration::from_millis(ms)), ..Now::default() };
        assert_eq!(supply.refill(at(0)), Some(CLAIMED_MIN as u32));
        supply.handle_answer(50, None);
        assert_eq!((supply.refill(at(100)), supply.wants_at(at(100))), (None, Some(at(1_000).instant)));
        supply.handle_barren();
        assert_eq!(
            (supply.wants_at(at(0)), supply.refill(at(100))),
            (Some(at(100).instant), Some(CLAIMED_MAX as u32))
        );
        supply.handle_failure(at(150).instant);
        assert_eq!((supply.pending(), supply.wants_at(at(150))), (None, Some(at(5_150).instant)));
    }
}
