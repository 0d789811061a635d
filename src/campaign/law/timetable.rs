//! The hours that packs leave open on a civil date: what every rule of that date allows, holidays included.

use super::pack::Pack;
use super::rule::{Kind, Rule};
use crate::campaign::window::{Day, TimeOfDay};
use chrono::NaiveDate;

/// Hours of one date, in order and apart.
pub type Hours = Vec<(TimeOfDay, TimeOfDay)>;

/// What all rules of a date leave open, the whole day where none says anything.
pub fn hours_on<'a>(rules: impl Iterator<Item = (&'a Pack, &'a Rule)>, date: NaiveDate) -> Hours {
    rules.filter(|(pack, rule)| covers(pack, rule, date)).fold(whole_day(), |left, (_, rule)| {
        match &rule.kind {
            Kind::Hours { open, .. } => intersect(&left, open),
            _ => left,
        }
    })
}

/// Whether it is a rule about the hours of that date.
pub fn covers(pack: &Pack, rule: &Rule, date: NaiveDate) -> bool {
    let Kind::Hours { days, holidays, .. } = &rule.kind else { return false };
    pack.holds_on(date)
        && rule.holds_on(date)
        && (days.contains(&Day::of(date)) || (*holidays && pack.holiday(date).is_some()))
}

fn whole_day() -> Hours {
    let time = |text| TimeOfDay::parse(text).expect("a time of day");
    vec![(time("00:00"), time("24:00"))]
}

fn intersect(a: &[(TimeOfDay, TimeOfDay)], b: &[(TimeOfDay, TimeOfDay)]) -> Hours {
    let mut both: Hours = a
        .iter()
        .flat_map(|(from, to)| b.iter().map(move |(b_from, b_to)| ((*from).max(*b_from), (*to).min(*b_to))))
        .filter(|(from, to)| from < to)
        .collect();
    both.sort();
    both
}
