//! Campaigns against a store and an engine of chance: ten thousand steps from a seed, rules checked after each.
//!
//! The rules are checked from outside, on what was dialed, and not by asking the parts that should keep them.

use super::gate::tests::{FRIDAY_MS, contact};
use super::options::tests::options;
use super::pacing::even::LATENESS_MAX;
use super::*;
use crate::disposition::Disposition;
use crate::number::{self, E164};
use crate::record::{CampaignState, Contact, ContactId, ContactState, ContactUpdate};
use crate::rng::Rng;
use crate::time::{Instant, Now, WallTime};
use chrono::{Datelike, Timelike};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

const LINES: u32 = 4;
const ATTEMPTS: u32 = 3;
const GAP_MIN: u64 = 30;
const INTERVAL: Duration = Duration::from_millis(1_500);

#[test]
fn ten_thousand_steps_keep_every_rule() {
    let mut dials = 0;
    for seed in 0..12 {
        let mut world = World::new(seed);
        for _ in 0..10_000 {
            world.step();
        }
        dials += world.dials.len();
    }
    // A check on nothing checks nothing.
    assert!(dials > 2_000, "{dials}");
}

#[test]
fn what_is_left_alone_completes_and_every_contact_is_final() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        world.meddling = false;
        for _ in 0..60_000 {
            if world.campaign.state() == CampaignState::Completed {
                break;
            }
            world.step();
        }
        let now = world.now;
        assert_eq!(
            world.campaign.state(),
            CampaignState::Completed,
            "seed {seed}: {:?}",
            world.campaign.explain(now)
        );
        for row in world.rows.values() {
            assert!(matches!(row.state, ContactState::Done | ContactState::Suppressed), "{seed} {row:?}");
        }
        assert!(
            world.dials.iter().any(|dial| dial.number.as_str().starts_with("+1808")),
            "Hawaii had its turn"
        );
    }
}

#[test]
fn one_seed_twice_dials_the_same() {
    let run = |seed| {
        let mut world = World::new(seed);
        (0..5_000).for_each(|_| world.step());
        world.dials.iter().map(|dial| (dial.at, dial.number.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(run(3), run(3));
}

#[derive(Debug)]
struct Row {
    contact: Contact,
    state: ContactState,
}

struct Answer {
    contacts: Vec<Contact>,
    pending: u64,
    next_due_at: Option<WallTime>,
}

struct Dial {
    at: Instant,
    number: E164,
}

/// A store with rows, an engine with calls, an operator, and a clock.
struct World {
    rng: Rng,
    now: Now,
    campaign: Campaign,
    ledger: Ledger,
    rows: BTreeMap<ContactId, Row>,
    calls: Vec<(Instant, Contact)>,
    /// Answers of the store under way; the store has worked them out when it was asked.
    answers: VecDeque<(Instant, Option<Answer>)>,
    dials: Vec<Dial>,
    last_end: BTreeMap<E164, WallTime>,
    suppressed: HashSet<E164>,
    meddling: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::from_seed(seed);
        let now = Now {
            instant: Instant::from_start(Duration::from_secs(5)),
            wall: WallTime::from_unix_ms(FRIDAY_MS),
        };
        let text = format!(
            "lines_max = {LINES}\ncalls_per_minute = 40.0\nmax_attempts = {ATTEMPTS}\nattempt_gap_min = {GAP_MIN}\n\
             [retry.no_answer]\ndelay_min = 45\nmax = 3\n[retry.busy]\ndelay_min = 5\nmax = 9"
        );
        let prefixes =
            ["+1202555", "+1312555", "+1213555", "+1808555", "+4930123", "+6121234", "+9197100", "+6141234"];
        let mut rows = BTreeMap::new();
        for id in 0..150 {
            let prefix = prefixes[rng.below(prefixes.len() as u64) as usize];
            let number = format!("{prefix}{:04}", 100 + id);
            rows.insert(ContactId(id), Row { contact: contact(id, &number), state: ContactState::Pending });
        }
        // One of no zone, and one that is dialed by another campaign for a while.
        rows.insert(
            ContactId(900),
            Row { contact: contact(900, "+881612345678"), state: ContactState::Pending },
        );
        let campaign = Campaign::new(options(&text), CampaignState::Draft, now);
        World {
            rng,
            now,
            campaign,
            ledger: Ledger::new(),
            rows,
            calls: Vec::new(),
            answers: VecDeque::new(),
            dials: Vec::new(),
            last_end: BTreeMap::new(),
            suppressed: HashSet::new(),
            meddling: true,
        }
    }

    fn step(&mut self) {
        self.pass_time();
        self.campaign.handle_timeout(self.now);
        self.deliver_answers();
        self.end_calls();
        if self.meddling && self.rng.chance(0.02) {
            self.meddle();
        }
        self.dial();
        self.take_outputs();
        self.check();
    }

    /// To the next thing that is due, sometimes late, sometimes (a machine asleep) very late.
    fn pass_time(&mut self) {
        let calls = self.calls.iter().map(|(end, _)| *end);
        let answers = self.answers.iter().map(|(at, _)| *at);
        let due = calls.chain(answers).chain(self.campaign.poll_timeout()).min();
        let ahead = due.map_or(Duration::from_secs(60), |due| due - self.now.instant);
        let late = match self.rng.below(50) {
            0 => Duration::from_secs(self.rng.below(600)),
            _ => Duration::from_millis(self.rng.below(12)),
        };
        self.now.instant += ahead + late;
        self.now.wall = self.now.wall + (ahead + late);
        // Civil time is set now and then, by at most two minutes, so that windows are still known to the test.
        if self.meddling && self.rng.chance(0.001) {
            self.now.wall = self.now.wall + Duration::from_secs(self.rng.below(120));
        }
    }

    fn deliver_answers(&mut self) {
        while self.answers.front().is_some_and(|(at, _)| *at <= self.now.instant) {
            match self.answers.pop_front().unwrap().1 {
                None => self.campaign.handle_refill_failed(self.now),
                Some(Answer { contacts, pending, next_due_at }) => {
                    self.campaign.handle_contacts(self.now, contacts, pending, next_due_at);
                }
            }
            self.take_outputs();
        }
    }

    fn claim(&mut self, limit: u32, due_at: WallTime) -> Answer {
        let pending = |row: &&mut Row| row.state == ContactState::Pending;
        let mut due: Vec<&mut Row> = self.rows.values_mut().filter(pending).collect();
        due.retain(|row| row.contact.next_attempt_at <= due_at);
        due.sort_by_key(|row| (row.contact.next_attempt_at, row.contact.id));
        due.truncate(limit as usize);
        let claim = |row: &mut Row| {
            row.state = ContactState::Claimed;
            row.contact.clone()
        };
        let contacts = due.into_iter().map(claim).collect();
        let left = self.rows.values().filter(|row| row.state == ContactState::Pending);
        let next_due_at = left.clone().map(|row| row.contact.next_attempt_at).min();
        Answer { contacts, pending: left.count() as u64, next_due_at }
    }

    fn end_calls(&mut self) {
        let now = self.now;
        let (over, on): (Vec<_>, Vec<_>) = self.calls.drain(..).partition(|(end, _)| *end <= now.instant);
        self.calls = on;
        for (_, contact) in over {
            let outcomes = [
                Disposition::NoAnswer,
                Disposition::Busy,
                Disposition::Bridged,
                Disposition::Machine,
                Disposition::Congestion,
                Disposition::OptedOut,
            ];
            let outcome = outcomes[self.rng.below(6) as usize];
            if outcome == Disposition::OptedOut {
                self.suppress(contact.number.clone());
            }
            let update = self.campaign.handle_outcome(now, &contact, outcome, &mut self.ledger);
            *self.rows.get_mut(&contact.id).unwrap().contact.outcomes.entry(outcome).or_default() += 1;
            self.last_end.insert(contact.number, now.wall);
            self.apply(update, ContactState::InFlight);
            self.take_outputs();
        }
    }

    fn meddle(&mut self) {
        match self.rng.below(6) {
            0 => drop(self.campaign.pause(self.now)),
            1 => drop(self.campaign.stop(self.now)),
            2 | 3 => drop(self.campaign.resume(self.now) || self.campaign.start(self.now)),
            4 => {
                let ids: Vec<_> = self.rows.keys().copied().collect();
                let id = ids[self.rng.below(ids.len() as u64) as usize];
                self.suppress(self.rows[&id].contact.number.clone());
            }
            _ => self.campaign.handle_list_changed(self.now),
        }
    }

    fn suppress(&mut self, number: E164) {
        self.ledger.suppress(&number).unwrap();
        self.campaign.handle_suppressed(self.now, &self.ledger);
        self.take_outputs();
        for row in self.rows.values_mut().filter(|row| row.contact.number == number) {
            if row.state == ContactState::Pending {
                row.state = ContactState::Suppressed;
            }
        }
        self.suppressed.insert(number);
    }

    fn dial(&mut self) {
        let lines = if self.meddling { self.rng.below(7) as u32 } else { 100 };
        while let Some(contact) = self.campaign.next_dial(self.now, lines, &mut self.ledger) {
            self.take_outputs();
            assert!(lines > 0);
            if self.rng.chance(0.1) {
                self.campaign.handle_not_dialed(self.now, contact, &mut self.ledger);
                self.take_outputs();
                continue;
            }
            self.check_dial(&contact);
            let row = self.rows.get_mut(&contact.id).unwrap();
            assert_eq!(row.state, ContactState::Claimed);
            row.state = ContactState::InFlight;
            self.dials.push(Dial { at: self.now.instant, number: contact.number.clone() });
            let lasts = Duration::from_secs(self.rng.between(1, 40));
            self.calls.push((self.now.instant + lasts, contact));
        }
        self.take_outputs();
    }

    fn check_dial(&self, contact: &Contact) {
        let number = &contact.number;
        assert_eq!(self.campaign.state(), CampaignState::Running);
        assert!(!self.suppressed.contains(number), "on the do-not-call list");
        assert!(self.calls.iter().all(|(_, call)| call.number != *number), "twice at once");
        assert!((self.calls.len() as u32) < LINES, "above the lines");
        assert!(contact.attempts() < ATTEMPTS, "above the attempts");
        assert_eq!(contact.outcomes, self.rows[&contact.id].contact.outcomes);
        if let Some(end) = self.last_end.get(number) {
            let rested = self.now.wall.unix_ms() - end.unix_ms();
            assert!(rested >= GAP_MIN as i64 * 60_000, "{rested} ms after the last attempt");
        }
        for (n, dial) in self.dials.iter().rev().take(50).enumerate() {
            let least = INTERVAL * (n as u32 + 1) - LATENESS_MAX;
            assert!(self.now.instant - dial.at >= least, "above the pace");
        }
        let zones = number::zones(number);
        assert!(!zones.is_empty());
        for zone in zones {
            let utc = chrono::DateTime::from_timestamp_millis(self.now.wall.unix_ms()).unwrap();
            let local = utc.with_timezone(zone);
            assert!((9..20).contains(&local.hour()), "{number} at {local}");
            assert!(local.weekday().num_days_from_monday() < 5, "{number} at {local}");
        }
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.campaign.poll_output() {
            match output {
                Output::Refill { limit, due_at } => {
                    assert!((1..=supply::CLAIMED_MAX as u32).contains(&limit));
                    let fails = self.meddling && self.rng.chance(0.05);
                    let answer = (!fails).then(|| self.claim(limit, due_at));
                    // Mostly at once, sometimes a slow disk.
                    let slow = if self.rng.chance(0.3) { 3_000 } else { 30 };
                    let delay = Duration::from_millis(self.rng.below(slow));
                    self.answers.push_back((self.now.instant + delay, answer));
                    assert_eq!(self.answers.len(), 1, "one question at a time");
                }
                Output::Release { update, .. } => self.apply(update, ContactState::Claimed),
                Output::StateChanged(state) => assert_eq!(state, self.campaign.state()),
                Output::Guarded { .. } => panic!("it dials for no agents"),
            }
        }
    }

    fn apply(&mut self, update: ContactUpdate, from: ContactState) {
        let row = self.rows.get_mut(&update.id).unwrap();
        assert_eq!(row.state, from, "{row:?}");
        row.state = update.state;
        row.contact.next_attempt_at = update.next_attempt_at;
    }

    /// No contact is lost: what the store thinks claimed or in flight is with the campaign or on a call.
    fn check(&self) {
        let count = |state| self.rows.values().filter(|row| row.state == state).count();
        let counts = self.campaign.counts();
        let answers = self.answers.iter().filter_map(|(_, answer)| answer.as_ref());
        let under_way: usize = answers.map(|answer| answer.contacts.len()).sum();
        assert_eq!(count(ContactState::Claimed), counts.claimed + under_way);
        assert_eq!(count(ContactState::InFlight), counts.in_flight);
        assert_eq!((self.calls.len(), self.ledger.in_flight()), (counts.in_flight, counts.in_flight));
        assert!(counts.claimed <= supply::CLAIMED_MAX);
        if self.campaign.state() == CampaignState::Completed {
            assert_eq!((counts.claimed, counts.in_flight, under_way), (0, 0, 0));
            assert!(self.meddling || count(ContactState::Pending) == 0, "completed, and some are pending");
        }
        // An engine without lines tells the campaign when it has some; anything else must have its timer.
        let quiet =
            self.campaign.poll_timeout().is_none() && self.calls.is_empty() && self.answers.is_empty();
        let reasons = self.campaign.explain(self.now);
        let running = self.campaign.state() == CampaignState::Running;
        assert!(
            !running || !quiet || reasons.contains(&Reason::EngineBusy),
            "it waits for nothing: {reasons:?}"
        );
    }
}
