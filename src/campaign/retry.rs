//! What becomes of a contact after an attempt: done, or once more and when.
//!
//! The rule of the outcome decides; above it stand the cap of all attempts and the gap between any two. Without a
//! rule an outcome is final, with one exception: where the network or we ended the attempt before the phone could be
//! answered ([`NOT_THE_CALLEE`]), the contact has had no chance and is tried again after the gap. An attempt that
//! the engine did not live to see ([`Disposition::Interrupted`]) may have reached the person, so it is final too,
//! unless a rule says otherwise.

use super::hour_band;
use crate::disposition::Disposition;
use crate::number;
use crate::record::{Contact, ContactId, ContactState, ContactUpdate};
use crate::time::WallTime;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Outcomes after which no rule may ring the person again: they were reached, said no for good, or do not exist.
pub const FINAL: [Disposition; 4] =
    [Disposition::Bridged, Disposition::MessagePlayed, Disposition::OptedOut, Disposition::InvalidNumber];

/// Outcomes for which the callee is not to blame.
pub const NOT_THE_CALLEE: [Disposition; 3] =
    [Disposition::Congestion, Disposition::TrunkRejected, Disposition::Canceled];

/// One `[campaign.retry.<outcome>]` table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The next attempt is at least so many minutes later.
    pub delay_min: u32,
    /// How many attempts may end this way; the last of them is final.
    pub max: u32,
    /// Up to so many minutes more, different for each contact: whoever was dialed in one minute is not dialed again in one.
    #[serde(default)]
    pub spread_min: u32,
    /// Not in the same part of the day again, by the callee's clock: morning, afternoon, evening.
    #[serde(default)]
    pub other_hour_band: bool,
    /// On the contact's next number, where there is one.
    #[serde(default)]
    pub next_phone: bool,
}

/// The rules as configured: one a disposition.
pub type Rules = BTreeMap<Disposition, Rule>;

/// `[campaign.retry]` when the configuration has none.
pub fn default_rules() -> Rules {
    Rules::from([(Disposition::NoAnswer, Rule { delay_min: 120, max: 3, ..Rule::default() })])
}

/// The rules with the caps above them.
#[derive(Clone, PartialEq, Debug)]
pub struct Retry {
    /// One rule a disposition.
    pub rules: Rules,
    /// The most attempts on one contact.
    pub max_attempts: u32,
    /// The least time between two attempts.
    pub attempt_gap: Duration,
}

impl Retry {
    /// The contact's new state after an attempt that ended as `disposition` at `now`. `contact` is as it was dialed,
    /// without this outcome.
    pub fn after(&self, contact: &Contact, disposition: Disposition, now: WallTime) -> ContactUpdate {
        let met = contact.outcomes.get(&disposition).copied().unwrap_or(0).saturating_add(1);
        let attempts = contact.attempts().saturating_add(1);
        let (state, next_attempt_at) = match self.rule(disposition) {
            _ if disposition == Disposition::OptedOut => (ContactState::Suppressed, now),
            Some(rule) if met < rule.max && attempts < self.max_attempts => {
                let delay = Duration::from_secs(u64::from(rule.delay_min) * 60);
                let due_at =
                    now + delay.max(self.attempt_gap) + spread(rule.spread_min, contact.id, attempts);
                // Asked for only where it counts: a number's zones are looked up in its whole numbering plan.
                let zone = rule.other_hour_band.then(|| number::zones(&contact.number).first()).flatten();
                let due_at = zone.map_or(due_at, |zone| hour_band::outside(*zone, now, due_at));
                (ContactState::Pending, due_at)
            }
            _ => (ContactState::Done, now),
        };
        ContactUpdate { id: contact.id, state, next_attempt_at }
    }

    fn rule(&self, disposition: Disposition) -> Option<Rule> {
        if FINAL.contains(&disposition) {
            return None;
        }
        let blameless = NOT_THE_CALLEE.contains(&disposition);
        let fallback = blameless.then_some(Rule { max: self.max_attempts, ..Rule::default() });
        self.rules.get(&disposition).copied().or(fallback)
    }
}

/// The same for the same contact and attempt, so that a decision can be made again; even over many contacts.
fn spread(minutes: u32, contact: ContactId, attempts: u32) -> Duration {
    let mixed = (contact.0 as u64 ^ u64::from(attempts).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Duration::from_millis((mixed >> 32) % (u64::from(minutes) * 60_000 + 1))
}

#[cfg(test)]
mod tests {
    use super::super::gate::tests::contact;
    use super::*;

    #[test]
    fn the_rule_of_the_outcome_decides_under_both_caps() {
        use Disposition::*;
        for (before, outcome, expected) in [
            (&[][..], NoAnswer, Some(120)),
            (&[(NoAnswer, 2)], NoAnswer, None),
            (&[(NoAnswer, 1), (Busy, 2)], NoAnswer, Some(120)),
            // The gap of an hour stands above the rule of ten minutes.
            (&[], Busy, Some(60)),
            (&[(Busy, 3)], Busy, Some(60)),
            (&[(Busy, 4)], Busy, None),
            (&[(Busy, 2), (NoAnswer, 2)], Busy, None),
            // No rule: final.
            (&[], Machine, None),
            (&[], Declined, None),
            (&[], Interrupted, None),
            // Reached: final whatever the rule.
            (&[], Bridged, None),
            (&[], InvalidNumber, None),
            // The callee had no chance.
            (&[], Congestion, Some(60)),
            (&[], TrunkRejected, Some(60)),
            (&[], Canceled, Some(60)),
            (&[(Congestion, 4)], Congestion, None),
        ] {
            let update = retry().after(&with(before), outcome, WallTime::from_unix_ms(1_000));
            let waits = (update.state == ContactState::Pending)
                .then(|| (update.next_attempt_at.unix_ms() - 1_000) / 60_000);
            assert_eq!(waits, expected, "{before:?} {outcome}");
        }
    }

    #[test]
    fn an_interrupted_attempt_follows_its_own_rule_when_there_is_one() {
        let mut retry = retry();
        retry.rules.insert(Disposition::Interrupted, Rule { delay_min: 240, max: 2, ..Rule::default() });
        let update = retry.after(&with(&[]), Disposition::Interrupted, WallTime::from_unix_ms(0));
        assert_eq!((update.state, update.next_attempt_at.unix_ms()), (ContactState::Pending, 240 * 60_000));
        let update = retry.after(
            &with(&[(Disposition::Interrupted, 1)]),
            Disposition::Interrupted,
            update.next_attempt_at,
        );
        assert_eq!(update.state, ContactState::Done);
    }

    #[test]
    fn contacts_of_one_minute_are_spread_over_the_next_ones() {
        let mut retry = retry();
        retry.rules.insert(
            Disposition::NoAnswer,
            Rule { delay_min: 120, max: 3, spread_min: 30, ..Rule::default() },
        );
        let waits: Vec<i64> = (0..1_000)
            .map(|id| {
                let contact = contact(id, "+12025550101");
                let update = retry.after(&contact, Disposition::NoAnswer, WallTime::from_unix_ms(0));
                assert_eq!(update, retry.after(&contact, Disposition::NoAnswer, WallTime::from_unix_ms(0)));
                update.next_attempt_at.unix_ms() / 60_000
            })
            .collect();
        assert!(waits.iter().all(|wait| (120..=150).contains(wait)), "{waits:?}");
        for minute in 120..150 {
            let here = waits.iter().filter(|wait| **wait == minute).count();
            assert!((15..=55).contains(&here), "{here} of 1000 in minute {minute}");
        }
    }

    #[test]
    fn the_next_attempt_is_in_another_part_of_the_day() {
        let mut retry = retry();
        let rule = Rule { delay_min: 120, max: 3, other_hour_band: true, ..Rule::default() };
        retry.rules.insert(Disposition::NoAnswer, rule);
        // 2026-11-20T15:00Z is 10:00 in Washington: two hours later is noon, another part; one minute earlier is not.
        for (at, expected) in
            [(15 * 60, 17 * 60), (14 * 60 + 30, 17 * 60), (17 * 60, 22 * 60), (23 * 60, 29 * 60)]
        {
            let midnight = 1_795_132_800_000;
            let now = WallTime::from_unix_ms(midnight + at * 60_000);
            let update = retry.after(&with(&[]), Disposition::NoAnswer, now);
            assert_eq!((update.next_attempt_at.unix_ms() - midnight) / 60_000, expected, "{at}");
        }
    }

    #[test]
    fn who_opted_out_is_suppressed() {
        let update = retry().after(&with(&[]), Disposition::OptedOut, WallTime::from_unix_ms(5));
        assert_eq!(update.state, ContactState::Suppressed);
    }

    fn retry() -> Retry {
        let mut rules = default_rules();
        rules.insert(Disposition::Busy, Rule { delay_min: 10, max: 5, ..Rule::default() });
        rules.insert(Disposition::Bridged, Rule { delay_min: 10, max: 5, ..Rule::default() });
        Retry { rules, max_attempts: 5, attempt_gap: Duration::from_secs(3_600) }
    }

    fn with(outcomes: &[(Disposition, u32)]) -> Contact {
        Contact { outcomes: outcomes.iter().copied().collect(), ..contact(1, "+12025550101") }
    }
}
