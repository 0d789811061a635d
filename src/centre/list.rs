//! The contacts of a simulated day, and a second look at each dial that trusts nobody.
//!
//! Without further wishes contacts never run out and are tried once. A scenario's `[list]` makes it a real list: numbers that
//! come twice, people who opt out before their call or while they wait for it, tries that are made again by the campaign's own
//! rules, and hours outside which nobody may be called.

use super::scenario::ListTable;
use crate::disposition::Disposition;
use crate::number::E164;
use crate::record::{Contact, ContactId, ContactState, ContactUpdate};
use crate::rng::Rng;
use crate::time::WallTime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Numbers that may come a second time.
const RECENT_MAX: usize = 64;

/// Tries of one contact, and the minutes between two calls of one number, of a list with `tries_again`.
pub const ATTEMPTS_MAX: u32 = 3;
/// See [`ATTEMPTS_MAX`].
pub const GAP_MIN: u32 = 30;

/// Dials that should not have been. There is none, or somebody is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Breaches {
    /// Outside the hours.
    pub outside_hours: u64,
    /// To numbers on the do-not-call list.
    pub do_not_call: u64,
    /// To numbers in a call.
    pub twice_at_once: u64,
    /// To numbers whose last call had ended too short a while ago.
    pub too_soon: u64,
    /// To contacts that had been tried as often as may be.
    pub beyond_attempts: u64,
}

impl Breaches {
    /// Takes another day's in.
    pub fn add(&mut self, other: &Breaches) {
        self.outside_hours += other.outside_hours;
        self.do_not_call += other.do_not_call;
        self.twice_at_once += other.twice_at_once;
        self.too_soon += other.too_soon;
        self.beyond_attempts += other.beyond_attempts;
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Breaches::default()
    }
}

/// The list.
#[derive(Clone, Debug)]
pub struct List {
    table: ListTable,
    begins_at: WallTime,
    rng: Rng,
    next: i64,
    // Those with the campaign, or on a call; bounded by what it claims and its lines.
    given: BTreeMap<ContactId, Contact>,
    // Those that may be dialed again, by when.
    waiting: BTreeMap<(WallTime, ContactId), Contact>,
    recent: VecDeque<E164>,
    opted_out: BTreeSet<E164>,
    in_call: BTreeSet<E164>,
    last_end: BTreeMap<E164, WallTime>,
    tries: BTreeMap<ContactId, u32>,
    breaches: Breaches,
}

impl List {
    /// Of a day that begins then.
    pub fn new(table: ListTable, begins_at: WallTime, seed: u64) -> Self {
        List {
            table,
            begins_at,
            rng: Rng::from_seed(seed),
            next: 1,
            given: BTreeMap::new(),
            waiting: BTreeMap::new(),
            recent: VecDeque::new(),
            opted_out: BTreeSet::new(),
            in_call: BTreeSet::new(),
            last_end: BTreeMap::new(),
            tries: BTreeMap::new(),
            breaches: Breaches::default(),
        }
    }

    /// So many contacts, those that wait for another try first. The numbers among them whose owners have opted out.
    pub fn take(&mut self, limit: u32, due_at: WallTime) -> (Vec<Contact>, Vec<E164>) {
        let (mut contacts, mut opted_out) = (Vec::new(), Vec::new());
        while contacts.len() < limit as usize {
            let is_due = self.waiting.first_key_value().is_some_and(|((at, _), _)| *at <= due_at);
            let contact = match is_due.then(|| self.waiting.pop_first()).flatten() {
                Some((_, contact)) => contact,
                None => self.fresh(),
            };
            if self.chance(self.table.opted_out) && self.opted_out.insert(contact.number.clone()) {
                opted_out.push(contact.number.clone());
            }
            self.given.insert(contact.id, contact.clone());
            contacts.push(contact);
        }
        (contacts, opted_out)
    }

    fn fresh(&mut self) -> Contact {
        let id = self.next;
        self.next += 1;
        let doubled = if self.chance(self.table.doubled) { self.recent.front().cloned() } else { None };
        let number = doubled.unwrap_or_else(|| {
            E164::from_e164(&format!("+1{:010}", 2_020_000_000 + id)).expect("eleven digits")
        });
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(number.clone());
        Contact {
            id: ContactId(id),
            number,
            name: String::new(),
            comment: String::new(),
            attributes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_attempt_at: WallTime::from_unix_ms(0),
            history: Vec::new(),
        }
    }

    /// No chance is asked for where there is none: the day of a plain list is drawn as it always was.
    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.chance(share)
    }

    /// A contact is dialed. Somebody who waits for a call may opt out at this moment: the number, if so.
    pub fn dialed(&mut self, contact: &Contact, now: WallTime) -> Option<E164> {
        let number = &contact.number;
        let minutes = (now.unix_ms() - self.begins_at.unix_ms()).div_euclid(60_000);
        let is_open = minutes >= i64::from(self.table.opens_min)
            && self.table.closes_min.is_none_or(|closes| minutes < i64::from(closes));
        let gap_ms = if self.table.tries_again { i64::from(GAP_MIN) * 60_000 } else { 0 };
        let is_rested = self.last_end.get(number).is_none_or(|end| now.unix_ms() - end.unix_ms() >= gap_ms);
        let tries = self.tries.entry(contact.id).or_default();
        *tries += 1;
        self.breaches.beyond_attempts += u64::from(*tries > ATTEMPTS_MAX);
        self.breaches.outside_hours += u64::from(!is_open);
        self.breaches.do_not_call += u64::from(self.opted_out.contains(number));
        self.breaches.too_soon += u64::from(!is_rested);
        self.breaches.twice_at_once += u64::from(!self.in_call.insert(number.clone()));
        if !self.chance(self.table.opted_out) {
            return None;
        }
        let waits = self.given.values().rev().find(|waits| !self.in_call.contains(&waits.number))?;
        let number = waits.number.clone();
        self.opted_out.insert(number.clone()).then_some(number)
    }

    /// Its call has ended.
    pub fn ended(
        &mut self,
        contact: &Contact,
        disposition: Disposition,
        now: WallTime,
        update: &ContactUpdate,
    ) {
        self.in_call.remove(&contact.number);
        if self.table.is_plain() {
            self.given.remove(&contact.id);
            self.tries.remove(&contact.id);
            return;
        }
        self.last_end.insert(contact.number.clone(), now);
        if let Some(kept) = self.given.get_mut(&contact.id) {
            *kept.outcomes.entry(disposition).or_default() += 1;
        }
        self.returned(update);
    }

    /// It comes back, to be dialed later or never.
    pub fn returned(&mut self, update: &ContactUpdate) {
        let Some(mut contact) = self.given.remove(&update.id) else { return };
        if self.table.tries_again && update.state == ContactState::Pending {
            contact.next_attempt_at = update.next_attempt_at;
            self.waiting.insert((update.next_attempt_at, update.id), contact);
        }
    }

    /// What was found.
    pub fn breaches(&self) -> Breaches {
        self.breaches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> WallTime {
        WallTime::from_unix_ms(minute * 60_000)
    }

    #[test]
    fn every_dial_that_should_not_have_been_is_counted() {
        let table =
            ListTable { tries_again: true, opens_min: 5, closes_min: Some(60), ..ListTable::default() };
        let mut list = List::new(table, at(0), 1);
        let (contacts, _) = list.take(2, at(0));
        let [first, second] = &contacts[..] else { panic!("two contacts") };
        let again = |id| ContactUpdate { id, state: ContactState::Pending, next_attempt_at: at(40) };
        list.dialed(first, at(4));
        list.dialed(first, at(5));
        list.ended(first, Disposition::Busy, at(6), &again(first.id));
        list.dialed(first, at(35));
        list.ended(first, Disposition::Busy, at(36), &again(first.id));
        list.opted_out.insert(second.number.clone());
        list.dialed(second, at(59));
        list.dialed(first, at(66));
        let expected =
            Breaches { outside_hours: 2, do_not_call: 1, twice_at_once: 1, too_soon: 1, beyond_attempts: 1 };
        assert_eq!(list.breaches(), expected);
    }

    #[test]
    fn who_is_to_be_tried_again_is_given_when_that_is_due() {
        let table = ListTable { tries_again: true, ..ListTable::default() };
        let mut list = List::new(table, at(0), 1);
        let first = list.take(1, at(0)).0.remove(0);
        let update = ContactUpdate { id: first.id, state: ContactState::Pending, next_attempt_at: at(40) };
        list.ended(&first, Disposition::Busy, at(5), &update);
        assert_ne!(list.take(1, at(39)).0[0].id, first.id);
        let again = list.take(1, at(40)).0.remove(0);
        assert_eq!((again.id, again.outcomes[&Disposition::Busy]), (first.id, 1));
    }
}
