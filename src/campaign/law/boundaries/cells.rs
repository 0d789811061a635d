//! The walk over all cells: each alone in a pack, just within it and just beyond.

use super::super::options::Packs;
use super::super::pack::{Pack, shipped};
use super::super::rule::{After, Consent, Kind, Rule, Voice};
use super::super::span::Span;
use super::super::timetable;
use super::*;
use crate::campaign::window::TimeOfDay;
use crate::disposition::Disposition;
use crate::record::PastAttempt;
use chrono::{Datelike, Days, NaiveDate};
use std::collections::BTreeMap;
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// A number of each place, and its only zone.
const CALLEES: &[(&str, &str, &str)] = &[
    ("US", "+12025550101", "America/New_York"),
    ("GB", "+442079460018", "Europe/London"),
    ("CA", "+14165550101", "America/Toronto"),
    ("DE", "+493012345678", "Europe/Berlin"),
    ("FR", "+33123456789", "Europe/Paris"),
    ("AU", "+61212345678", "Australia/Sydney"),
];

#[test]
fn every_cell_has_its_source_and_the_day_it_was_read() {
    let mut cells = 0;
    for pack in shipped() {
        let by = pack.holidays_by.iter().map(|(source, read, _)| (source, read));
        let rules = pack.rules.iter().map(|rule| (&rule.source, &rule.read));
        for (source, read) in rules.chain(by) {
            assert!(source.len() >= 10, "{}: {source:?} is no source", pack.id);
            let years = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap()..=pack.version;
            assert!(years.contains(read), "{}: {source} was read on {read}", pack.id);
            cells += 1;
        }
        assert_eq!(
            pack.holidays.is_empty(),
            pack.holidays_by.is_none(),
            "{}: holidays and their source",
            pack.id
        );
        assert!(!pack.rules.is_empty(), "{}", pack.id);
    }
    assert!(cells > 80, "{cells}");
}

#[test]
fn every_cell_is_kept_to_the_second_at_its_boundary() {
    let mut tried: BTreeMap<&str, u32> = BTreeMap::new();
    for pack in shipped() {
        for rule in &pack.rules {
            let alone = Alone::new(pack, rule);
            let before: u32 = tried.values().sum();
            *tried.entry(rule.kind.as_str()).or_default() += alone.walk();
            assert!(tried.values().sum::<u32>() > before, "{}: {} has no boundary", pack.id, rule.kind);
        }
    }
    let kinds: Vec<&str> = tried.keys().copied().collect();
    assert_eq!(
        kinds,
        ["abandonment", "cap", "consent", "do_not_call", "duty", "hours", "rest", "ring"],
        "each kind of rule is in some pack"
    );
    assert!(tried["hours"] > 1_000, "{tried:?}");
}

/// One rule alone, as a pack of one's own that takes the place of the shipped one.
struct Alone<'a> {
    pack: &'a Pack,
    rule: &'a Rule,
    options: Options,
    number: &'static str,
    zone: &'static str,
}

impl<'a> Alone<'a> {
    fn new(pack: &'a Pack, rule: &'a Rule) -> Alone<'a> {
        let (_, number, zone) =
            *CALLEES.iter().find(|(country, ..)| *country == pack.country).expect("a callee");
        let mut options = open_options("");
        options.law.purpose = rule.purposes.first().copied().or(Some(super::super::Purpose::Sales));
        options.law.prerecorded = Some(rule.voice == Some(Voice::Prerecorded));
        options.law.packs = Packs::Named(vec![pack.id.clone()]);
        options.law.own = Arc::new(vec![Arc::new(Pack { rules: vec![rule.clone()], ..pack.clone() })]);
        Alone { pack, rule, options, number, zone }
    }

    /// A Wednesday noon within the time in force.
    fn noon(&self) -> WallTime {
        local(self.zone, "2026-11-18 12:00")
    }

    fn expect(&self, contact: &Contact, at: WallTime, ledger: &Ledger, expected: &str) -> u32 {
        let said = ask(&self.options, contact, at, ledger);
        assert_eq!(said, expected, "{}: {} at {}", self.pack.id, self.rule.kind, at.unix_ms());
        1
    }

    fn walk(&self) -> u32 {
        let in_force = self.walk_dates();
        in_force
            + match &self.rule.kind {
                Kind::Hours { open, holidays, .. } => self.walk_hours(open, *holidays),
                Kind::Cap { most, per } => self.walk_cap(*most, *per),
                Kind::Rest { after, span, unless_guaranteed_agent } => {
                    self.walk_rest(*after, *span, *unless_guaranteed_agent)
                }
                Kind::Ring { seconds_min } => self.walk_ring(*seconds_min),
                Kind::Abandonment { limit, .. } => self.walk_abandonment(*limit),
                Kind::Consent { needs } => self.walk_consent(*needs),
                Kind::DoNotCall { list, age_days_max } => self.walk_list(list, *age_days_max),
                Kind::Duty { text } => {
                    let gate = Gate::new(&self.options);
                    let called = contact(1, self.number);
                    let ledger = Ledger::new();
                    let judgement = gate.judge(&called, self.noon(), &ledger);
                    assert!(judgement.findings.iter().any(|finding| finding.rule.kind.to_string() == *text));
                    self.expect(&called, self.noon(), &ledger, "allow")
                }
            }
    }

    /// A second before the first day of the rule nothing is asked.
    fn walk_dates(&self) -> u32 {
        let first = self.rule.from.unwrap_or(self.pack.from).max(self.pack.from);
        let begins = local(self.zone, &format!("{first} 00:00"));
        let gate = Gate::new(&self.options);
        let ledger = Ledger::new();
        let findings = |at| gate.judge(&contact(1, self.number), at, &ledger).findings.len();
        assert_eq!(findings(earlier(begins, SECOND)), 0, "{}: {}", self.pack.id, self.rule.kind);
        let hours = matches!(self.rule.kind, Kind::Hours { .. });
        assert!(hours || findings(begins) == 1, "{}: {}", self.pack.id, self.rule.kind);
        0
    }

    /// Every day of a year, the days on which clocks change among them.
    fn walk_hours(&self, open: &[(TimeOfDay, TimeOfDay)], holidays: bool) -> u32 {
        let (called, ledger) = (contact(1, self.number), Ledger::new());
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let mut tried = 0;
        let mut on_holidays = 0;
        for date in (0..365).filter_map(|days| first.checked_add_days(Days::new(days))) {
            if !timetable::covers(self.pack, self.rule, date) {
                continue;
            }
            // All days of a week, all holidays, and the Sundays of the changes.
            let holiday = self.pack.holiday(date).is_some();
            let is_change =
                [(3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1)].contains(&(date.month(), date.day()));
            if (date.month(), date.day() <= 7) != (6, true) && !holiday && !is_change {
                continue;
            }
            on_holidays += u32::from(holiday);
            for (from, to) in open {
                let at = |time: &TimeOfDay| match time.to_string().as_str() {
                    "24:00" => local(self.zone, &format!("{} 00:00", date.succ_opt().unwrap())),
                    time => local(self.zone, &format!("{date} {time}")),
                };
                tried += self.expect(&called, earlier(at(from), 60 * SECOND), &ledger, "law_hours");
                tried += self.expect(&called, at(from), &ledger, "allow");
                tried += self.expect(&called, earlier(at(to), SECOND), &ledger, "allow");
                tried += self.expect(&called, at(to), &ledger, "law_hours");
            }
            if open.is_empty() {
                for time in ["00:00", "12:00", "23:59"] {
                    tried += self.expect(
                        &called,
                        local(self.zone, &format!("{date} {time}")),
                        &ledger,
                        "law_hours",
                    );
                }
            }
        }
        assert!(!holidays || on_holidays >= 8, "{}: {on_holidays} holidays", self.pack.id);
        tried
    }

    fn walk_cap(&self, most: u32, per: Span) -> u32 {
        let Span::Rolling(span) = per else { panic!("write the boundary of a cap per {per}") };
        let now = self.noon();
        let with = |oldest: WallTime, count: u32| {
            let attempts = (0..count).map(|n| past(oldest + 2 * SECOND * n, Disposition::NoAnswer));
            Contact { history: attempts.collect(), ..contact(1, self.number) }
        };
        let ledger = Ledger::new();
        let just_within = earlier(now, span - SECOND);
        self.expect(&with(just_within, most - 1), now, &ledger, "allow")
            + self.expect(&with(just_within, most), now, &ledger, "law_cap")
            + self.expect(&with(just_within, most + 1), now, &ledger, "law_cap")
            + self.expect(&with(earlier(now, span), most), now, &ledger, "allow")
    }

    fn walk_rest(&self, after: After, span: Span, unless_guaranteed_agent: bool) -> u32 {
        let called = |ended: WallTime, disposition| Contact {
            history: vec![past(ended, disposition)],
            ..contact(1, self.number)
        };
        let ended = local(self.zone, "2026-11-10 10:00");
        let over = match span {
            Span::Rolling(duration) => ended + duration,
            Span::CalendarDay => local(self.zone, "2026-11-11 00:00"),
            Span::CalendarMonth => local(self.zone, "2026-12-01 00:00"),
        };
        let ledger = Ledger::new();
        let last = earlier(over, SECOND);
        let mut tried = 0;
        for disposition in Disposition::ALL {
            let fits = after.fits(Some(disposition));
            let expected = if fits { "law_rest" } else { "allow" };
            tried += self.expect(&called(ended, disposition), last, &ledger, expected);
            tried += self.expect(&called(ended, disposition), over, &ledger, "allow");
            if fits && unless_guaranteed_agent {
                let mut options = self.options.clone();
                options.dialing.mode = crate::campaign::pacing::Mode::Progressive;
                let said = ask(&options, &called(ended, disposition), last, &ledger);
                assert_eq!(said, "allow with a guaranteed agent", "{}: {}", self.pack.id, self.rule.kind);
            }
        }
        tried
    }

    fn walk_ring(&self, seconds_min: u32) -> u32 {
        let (called, ledger) = (contact(1, self.number), Ledger::new());
        let mut options = self.options.clone();
        for (seconds, expected) in [(seconds_min - 1, "ring_too_short"), (seconds_min, "allow")] {
            options.ring_timeout_s = seconds;
            assert_eq!(ask(&options, &called, self.noon(), &ledger), expected, "{}", self.pack.id);
        }
        2
    }

    fn walk_abandonment(&self, limit: f64) -> u32 {
        use crate::campaign::pacing::Mode::{Predictive, Progressive};
        let (called, ledger) = (contact(1, self.number), Ledger::new());
        let mut options = self.options.clone();
        for (mode, share, expected) in [
            (Predictive, limit, "allow"),
            (Predictive, limit + 0.0001, "abandonment_limit"),
            // Never more lines than agents who wait: nobody is abandoned.
            (Progressive, 1.0, "allow"),
        ] {
            (options.dialing.mode, options.dialing.abandonment_limit) = (mode, share);
            assert_eq!(ask(&options, &called, self.noon(), &ledger), expected, "{} {share}", self.pack.id);
        }
        3
    }

    fn walk_consent(&self, needs: Consent) -> u32 {
        let ledger = Ledger::new();
        let given = |cells: &[(&str, &str)]| consenting(self.number, cells);
        let enough = ("consent", needs.as_str());
        let at = ("consent_at", "2026-01-02");
        let mut tried = self.expect(&given(&[]), self.noon(), &ledger, "never no_consent")
            + self.expect(&given(&[enough]), self.noon(), &ledger, "never no_consent")
            + self.expect(&given(&[enough, at]), self.noon(), &ledger, "allow")
            + self.expect(
                &given(&[enough, at, ("consent_scope", "others")]),
                self.noon(),
                &ledger,
                "never no_consent",
            );
        if needs > Consent::Express {
            tried +=
                self.expect(&given(&[("consent", "express"), at]), self.noon(), &ledger, "never no_consent");
        }
        tried
    }

    fn walk_list(&self, kind: &str, age_days_max: u32) -> u32 {
        let (called, now) = (contact(1, self.number), self.noon());
        let aged = |age: Duration, listed: &[&str]| {
            let mut ledger = Ledger::new();
            ledger.put_list(list(kind, earlier(now, age), listed));
            ledger
        };
        let oldest = DAY * age_days_max;
        let mut none_asked = self.options.clone();
        none_asked.law.purpose = None;
        assert_eq!(ask(&none_asked, &called, now, &Ledger::new()), "allow", "{}", self.pack.id);
        self.expect(&called, now, &Ledger::new(), "list_stale")
            + self.expect(&called, now, &aged(oldest, &[]), "allow")
            + self.expect(&called, now, &aged(oldest + SECOND, &[]), "list_stale")
            + self.expect(&called, now, &aged(oldest, &[self.number]), "never do_not_call")
    }
}

fn past(at: WallTime, disposition: Disposition) -> PastAttempt {
    PastAttempt { at, ended_at: Some(at), disposition: Some(disposition) }
}
