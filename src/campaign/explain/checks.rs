//! Every rule asked about one contact at one moment, and what each said: why it may be dialed, or why not and until when.
//!
//! The gate stops at the first refusal; whoever asks wants to see them all. A test holds the two against each other.

use super::super::options::Options;
use super::super::window::{Opening, Zone};
use super::lawful;
use super::moment::{Moment, span};
use super::rule_of;
use crate::disposition::Disposition;
use crate::number::{self, E164};
use crate::record::{Contact, ContactId, PastAttempt};
use crate::time::{Now, WallTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Zones that are listed by name; a toll-free number may ring in dozens.
const ZONES_SHOWN_MAX: usize = 3;

/// How long a number that is being dialed is left alone at least, as the gate has it.
const IN_FLIGHT_REST: Duration = Duration::from_secs(60);

/// A contact with what is known of its number, as the store has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The contact's row.
    pub id: i64,
    /// E.164.
    pub number: String,
    /// How often each outcome has been met.
    #[serde(default)]
    pub outcomes: BTreeMap<Disposition, u32>,
    /// Not to be dialed before this, milliseconds since the Unix epoch.
    pub next_attempt_at_ms: i64,
    /// Which do-not-call list has the number, and since when, in words.
    #[serde(default)]
    pub listed: Option<String>,
    /// When the last attempt on the number ended, on whichever list it stands.
    #[serde(default)]
    pub last_end_ms: Option<i64>,
    /// Who dials the number at this moment, in words.
    #[serde(default)]
    pub in_flight: Option<String>,
    /// Further cells of its row: its place, its consent.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Attempts on the number, as far as the law looks back.
    #[serde(default)]
    pub history: Vec<Tried>,
}

/// An attempt on the number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// When it was decided on, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// When it ended, if it has.
    #[serde(default)]
    pub ended_at_ms: Option<i64>,
    /// How it ended, if it has.
    #[serde(default)]
    pub disposition: Option<Disposition>,
}

impl Tried {
    /// As the records have it.
    pub fn of(past: &PastAttempt) -> Tried {
        Tried {
            at_ms: past.at.unix_ms(),
            ended_at_ms: past.ended_at.map(WallTime::unix_ms),
            disposition: past.disposition,
        }
    }

    fn past(&self) -> PastAttempt {
        PastAttempt {
            at: WallTime::from_unix_ms(self.at_ms),
            ended_at: self.ended_at_ms.map(WallTime::from_unix_ms),
            disposition: self.disposition,
        }
    }
}

impl Facts {
    /// The contact, as far as rules ask; none when the number is none.
    pub fn contact(&self) -> Option<Contact> {
        Some(Contact {
            id: ContactId(self.id),
            number: E164::from_e164(&self.number)?,
            name: String::new(),
            comment: String::new(),
            attributes: self.attributes.clone(),
            outcomes: self.outcomes.clone(),
            next_attempt_at: WallTime::from_unix_ms(self.next_attempt_at_ms),
            history: self.history.iter().map(Tried::past).collect(),
        })
    }
}

/// What a rule says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Dial.
    Allow,
    /// Not now.
    Skip,
    /// Never.
    Never,
}

impl Verdict {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Skip => "skip",
            Verdict::Never => "never",
        }
    }
}

/// One rule, and what it says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// The rule's word.
    pub rule: String,
    /// Where the rule stands.
    pub source: String,
    /// What it was held against.
    pub value: String,
    /// What it says.
    pub verdict: Verdict,
    /// When it says otherwise, milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// All rules about one contact.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Examined {
    /// Where the phone may ring.
    pub zones: Vec<String>,
    /// The time there, on the clock of the first.
    pub local_time: String,
    /// Every rule, in the order in which the gate asks them.
    pub checks: Vec<Check>,
}

impl Examined {
    /// The first rule that says no.
    pub fn binding(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.verdict != Verdict::Allow)
    }
}

/// Asks every rule of the campaign about the contact at `now`. None when its number is none.
pub fn examine(options: &Options, facts: &Facts, now: Now) -> Option<Examined> {
    let contact = facts.contact()?;
    let zones = match options.window.zone {
        Zone::Named(zone) => vec![zone],
        Zone::Contact => number::zones(&contact.number).to_vec(),
    };
    let zone = zones.first().copied();
    let examination = Examination { options, facts, contact: &contact, now, zones: &zones };
    let mut checks = vec![examination.do_not_call(), examination.attempts(), examination.window()];
    checks.extend(lawful::checks(options, &contact, now, zone));
    checks.extend([examination.due(zone), examination.in_flight(zone), examination.gap(zone)]);
    Some(Examined {
        zones: zones.iter().map(ToString::to_string).collect(),
        local_time: zone.map(|zone| Moment::in_zone(now.wall, Some(zone)).local()).unwrap_or_default(),
        checks,
    })
}

struct Examination<'a> {
    options: &'a Options,
    facts: &'a Facts,
    contact: &'a Contact,
    now: Now,
    zones: &'a [Tz],
}

impl Examination<'_> {
    fn do_not_call(&self) -> Check {
        match &self.facts.listed {
            None => allow("do_not_call", "do-not-call lists", "on none"),
            Some(list) => never("do_not_call", "do-not-call lists", list.clone()),
        }
    }

    fn attempts(&self) -> Check {
        let (made, max) = (self.contact.attempts(), self.options.max_attempts);
        let each: Vec<String> =
            self.contact.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        let each = if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) };
        let value = format!("{made} of {max} made{each}");
        if made >= max {
            never("attempts", "max_attempts", value)
        } else {
            allow("attempts", "max_attempts", value)
        }
    }

    fn window(&self) -> Check {
        let source = rule_of(&self.options.window);
        if self.zones.is_empty() {
            let value =
                "nobody knows in which time zone the phone rings, so no window can be kept: set window.zone";
            return never("no_zone", source, value);
        }
        let value = format!("it is {}", self.local_times());
        match self.options.window.open(self.zones, self.now.wall) {
            Opening::Open { until } => {
                let closes = Moment::in_zone(until, self.zones.first().copied()).local();
                allow("window", source, format!("{value}; open until {closes}"))
            }
            Opening::Closed { opens_at: Some(at) } => {
                self.skip("window", source, value, at, self.zones.first().copied())
            }
            Opening::Closed { opens_at: None } => never(
                "window_never_opens",
                source,
                format!("{value}; these zones have no hour of the window in common"),
            ),
        }
    }

    fn local_times(&self) -> String {
        let one = |zone: &Tz| format!("{} in {zone}", Moment::in_zone(self.now.wall, Some(*zone)).local());
        let mut text = self.zones.iter().take(ZONES_SHOWN_MAX).map(one).collect::<Vec<_>>().join(", ");
        if self.zones.len() > ZONES_SHOWN_MAX {
            text += &format!(" and in {} zones more", self.zones.len() - ZONES_SHOWN_MAX);
        }
        text
    }

    fn due(&self, zone: Option<Tz>) -> Check {
        let due_at = self.contact.next_attempt_at;
        if due_at.unix_ms() == 0 {
            return allow("due", "retry rules", "at once: never dialed");
        }
        if due_at <= self.now.wall {
            return allow("due", "retry rules", format!("since {}", Moment::in_zone(due_at, zone)));
        }
        self.skip("due", "retry rules", "the next attempt is later".to_owned(), due_at, zone)
    }

    fn in_flight(&self, zone: Option<Tz>) -> Check {
        let Some(who) = &self.facts.in_flight else {
            return allow("in_flight", "one call a number", "nobody dials the number");
        };
        let again = self.now.wall + self.options.attempt_gap().max(IN_FLIGHT_REST);
        self.skip("in_flight", "one call a number", who.clone(), again, zone)
    }

    fn gap(&self, zone: Option<Tz>) -> Check {
        let source = "attempt_gap_min";
        let asked = format!("{} are asked", span(self.options.attempt_gap().as_millis() as i64));
        let Some(ended) = self.facts.last_end_ms.map(WallTime::from_unix_ms) else {
            return allow("attempt_gap", source, format!("the number was not called before; {asked}"));
        };
        let ago = span(self.now.wall.unix_ms().saturating_sub(ended.unix_ms()));
        let value = format!("the last call of the number ended {ago} ago; {asked}");
        let free_at = ended + self.options.attempt_gap();
        if free_at <= self.now.wall {
            allow("attempt_gap", source, value)
        } else {
            self.skip("attempt_gap", source, value, free_at, zone)
        }
    }

    fn skip(
        &self,
        rule: &str,
        source: impl Into<String>,
        value: String,
        until: WallTime,
        zone: Option<Tz>,
    ) -> Check {
        skip(rule, source, value, until, self.now, zone)
    }
}

pub(super) fn skip(
    rule: &str,
    source: impl Into<String>,
    value: String,
    until: WallTime,
    now: Now,
    zone: Option<Tz>,
) -> Check {
    let ahead = span(until.unix_ms().saturating_sub(now.wall.unix_ms()));
    Check {
        verdict: Verdict::Skip,
        until_ms: Some(until.unix_ms()),
        until: Some(format!("{} (in {ahead})", Moment::in_zone(until, zone))),
        ..allow(rule, source, value)
    }
}

pub(super) fn allow(rule: &str, source: impl Into<String>, value: impl Into<String>) -> Check {
    let (rule, source, value) = (rule.to_owned(), source.into(), value.into());
    Check { rule, source, value, verdict: Verdict::Allow, until_ms: None, until: None }
}

pub(super) fn never(rule: &str, source: impl Into<String>, value: impl Into<String>) -> Check {
    Check { verdict: Verdict::Never, ..allow(rule, source, value) }
}

#[cfg(test)]
mod tests {
    use super::super::super::gate::tests::{FRIDAY_MS, e164, wall};
    use super::super::super::gate::{Decision, Gate};
    use super::super::super::ledger::Ledger;
    use super::super::super::options::tests::options;
    use super::*;
    use crate::time::Instant;

    fn facts(number: &str) -> Facts {
        Facts {
            id: 1,
            number: number.to_owned(),
            outcomes: BTreeMap::new(),
            next_attempt_at_ms: 0,
            listed: None,
            last_end_ms: None,
            in_flight: None,
            attributes: BTreeMap::new(),
            history: Vec::new(),
        }
    }

    fn now() -> Now {
        Now { instant: Instant::from_start(Duration::from_secs(4_000)), wall: wall(FRIDAY_MS) }
    }

    /// The rule that binds, and its words and end.
    fn binding(facts: &Facts) -> (String, String) {
        let examined = examine(&options(""), facts, now()).unwrap();
        let Some(check) = examined.binding() else { return ("allow".to_owned(), String::new()) };
        let until = check.until.clone().map(|until| format!(" until {until}")).unwrap_or_default();
        (format!("{} {}", check.verdict.as_str(), check.rule), format!("{}{until}", check.value))
    }

    #[test]
    fn each_rule_says_what_it_saw_and_when_it_will_say_otherwise() {
        let here = "+12025550101";
        let tried = Facts { outcomes: [(Disposition::Busy, 3)].into(), ..facts(here) };
        let later = Facts { next_attempt_at_ms: FRIDAY_MS + 900_000, ..facts(here) };
        let listed = Facts { listed: Some("on the operator's list since yesterday".into()), ..facts(here) };
        let ended = Facts { last_end_ms: Some(FRIDAY_MS - 600_000), ..facts(here) };
        let taken = Facts { in_flight: Some("campaign autumn is calling it".into()), ..facts(here) };
        for (facts, rule, value) in [
            (facts(here), "allow", ""),
            (listed, "never do_not_call", "on the operator's list since yesterday"),
            (tried, "never attempts", "3 of 3 made: busy 3"),
            (facts("+881612345678"), "never no_zone", "nobody knows in which time zone the phone rings"),
            (
                facts("+12135550101"),
                "skip window",
                "it is Fri 2026-11-20 07:00 PST in America/Los_Angeles until \
                 Fri 2026-11-20 09:00 PST (America/Los_Angeles), 17:00 UTC (in 2 h)",
            ),
            (
                later,
                "skip due",
                "the next attempt is later until Fri 2026-11-20 10:15 EST (America/New_York), 15:15 UTC (in 15 min)",
            ),
            (taken, "skip in_flight", "campaign autumn is calling it until Fri 2026-11-20 11:00 EST"),
            (
                ended,
                "skip attempt_gap",
                "the last call of the number ended 10 min ago; 1 h are asked until \
                 Fri 2026-11-20 10:50 EST (America/New_York), 15:50 UTC (in 50 min)",
            ),
        ] {
            let said = binding(&facts);
            assert_eq!(said.0, rule, "{facts:?}");
            assert!(said.1.starts_with(value), "{}", said.1);
        }
    }

    #[test]
    fn the_gate_and_the_examination_agree() {
        let gate = Gate::new(&options(""));
        for number in ["+12025550101", "+12135550101", "+18005550199", "+881612345678", "+12025550109"] {
            for (attempts, due_ms, ended_ms) in [
                (0, 0, None),
                (3, 0, None),
                (1, 60_000, None),
                (1, 0, Some(-600_000)),
                (2, 0, Some(-3_600_001)),
            ] {
                let mut ledger = Ledger::new();
                ledger.suppress(&e164("+12025550109")).unwrap();
                let mut facts = facts(number);
                facts.outcomes = [(Disposition::NoAnswer, attempts)].into();
                facts.next_attempt_at_ms = FRIDAY_MS + due_ms;
                facts.listed = (number == "+12025550109").then(|| "on a list".to_owned());
                facts.last_end_ms = ended_ms.map(|ms: i64| FRIDAY_MS + ms);
                if let Some(ms) = ended_ms {
                    ledger.remember(&e164(number), Duration::from_millis(-ms as u64), now().instant);
                }
                let contact = facts.contact().unwrap();
                let examined = examine(&options(""), &facts, now()).unwrap();
                let bound = examined.binding().map(|check| (check.verdict, check.until_ms));
                let gated = match gate.may_dial(&contact, now(), &ledger) {
                    Decision::Allow { .. } => None,
                    Decision::Skip { until, .. } => Some((Verdict::Skip, Some(until.unix_ms()))),
                    Decision::Never { .. } => Some((Verdict::Never, None)),
                };
                assert_eq!(bound, gated, "{facts:?}");
            }
        }
    }

    #[test]
    fn many_zones_are_counted_rather_than_listed() {
        let examined = examine(&options(""), &facts("+18005550199"), now()).unwrap();
        let window = examined.checks.iter().find(|check| check.rule == "window").unwrap();
        assert!(window.value.contains("zones more"), "{}", window.value);
        assert!(examined.zones.len() > ZONES_SHOWN_MAX);
    }
}
