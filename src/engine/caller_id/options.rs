//! `[[caller_id_pool]]`, as configured.

use crate::campaign::window::Day;
use crate::number::E164;
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

/// The most numbers of one pool.
pub const NUMBERS_MAX: usize = 10_000;

/// The most days of a warm-up.
const WARM_UP_DAYS_MAX: usize = 365;

/// By which rule a number of the pool is chosen, where none is tied to the callee.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first that is free, in the order of the file.
    Fixed,
    /// Each in its turn.
    #[default]
    RoundRobin,
    /// The one whose prefix fits the callee's number longest: local presence.
    Local,
}

impl Strategy {
    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Fixed => "fixed",
            Strategy::RoundRobin => "round_robin",
            Strategy::Local => "local",
        }
    }
}

/// `[[caller_id_pool]]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What campaigns call it.
    pub name: String,
    /// By which rule a number is chosen.
    #[serde(default)]
    pub strategy: Strategy,
    /// Whether a callee sees the same number on the next attempt.
    #[serde(default = "yes")]
    pub sticky: bool,
    /// Calls of one number in a day; 0: no cap.
    #[serde(default)]
    pub daily_max: u32,
    /// The cap of a new number on its first day, its second and so on; `daily_max` holds from then on.
    #[serde(default)]
    pub warm_up: Vec<u32>,
    /// Days of the week on which the numbers rest.
    #[serde(default)]
    pub rest_days: Vec<Day>,
    /// Whose midnight begins a day.
    #[serde(default = "utc", deserialize_with = "zone")]
    pub zone: Tz,
    /// So many callees that do not want a number's calls (607, RFC 8197) or networks that reject them (608, RFC 8688) within
    /// 24 hours: it rests; 0: it never does.
    #[serde(default = "default_complaints_max")]
    pub complaints_max: u32,
    /// How long a number rests, in hours, whatever made it.
    #[serde(default = "default_rest_h")]
    pub rest_h: u32,
    /// A call that the callee ended within so many seconds of the answer is a short one.
    #[serde(default = "default_short_call_s")]
    pub short_call_s: u32,
    /// Refuse to start with a number whose right of use is not documented.
    #[serde(default)]
    pub require_proof: bool,
    /// The numbers.
    pub number: Vec<NumberOptions>,
}

/// `[[caller_id_pool.number]]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberOptions {
    /// The number that callees see and can ring back.
    pub number: String,
    /// Callees whose numbers begin so are near it; without any, those who share its own first digits.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Where it is, for people.
    #[serde(default)]
    pub region: String,
    /// Where the document lies that proves the right to use it (16 CFR 310.5).
    #[serde(default)]
    pub proof: String,
    /// Instead of the pool's.
    pub daily_max: Option<u32>,
    /// Instead of the pool's.
    pub rest_days: Option<Vec<Day>>,
}

fn yes() -> bool {
    true
}
fn utc() -> Tz {
    Tz::UTC
}
fn default_complaints_max() -> u32 {
    3
}
fn default_rest_h() -> u32 {
    24
}
fn default_short_call_s() -> u32 {
    6
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{name:?} is no time zone: write an IANA name such as \"America/New_York\""
        ))
    })
}

impl Options {
    /// What cannot stand: the key within the pool's table, and what to do about it.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, text: String| faults.push((key.to_owned(), text));
        if self.name.trim().is_empty() {
            fault("name", "write a name by which campaigns call the pool".to_owned());
        }
        if self.number.is_empty() || self.number.len() > NUMBERS_MAX {
            fault("number", format!("a pool has 1 to {NUMBERS_MAX} [[caller_id_pool.number]] tables"));
        }
        if self.warm_up.len() > WARM_UP_DAYS_MAX || self.warm_up.contains(&0) {
            fault(
                "warm_up",
                format!("write calls a day, at least 1 each, for {WARM_UP_DAYS_MAX} days at most"),
            );
        }
        if !(1..=24 * 90).contains(&self.rest_h) {
            fault("rest_h", "1 to 2160 hours".to_owned());
        }
        if !(1..=600).contains(&self.short_call_s) {
            fault("short_call_s", "1 to 600 seconds".to_owned());
        }
        if self.rest_days.len() >= 7 {
            fault("rest_days", "a pool that rests on every day never calls".to_owned());
        }
        for (i, number) in self.number.iter().enumerate() {
            let twice = self.number[..i].iter().any(|other| other.number == number.number);
            self.number_faults(number, twice, &mut |key, text| fault(&format!("number.{i}.{key}"), text));
        }
        faults
    }

    fn number_faults(&self, number: &NumberOptions, twice: bool, fault: &mut dyn FnMut(&str, String)) {
        let text = &number.number;
        if E164::from_e164(text).is_none() {
            fault(
                "number",
                format!("{text:?} is no number that can be rung back: write it as \"+12025550100\""),
            );
        }
        if twice {
            fault("number", format!("{text} stands in the pool twice"));
        }
        for prefix in &number.prefixes {
            let digits = prefix.strip_prefix('+').unwrap_or("");
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                fault(
                    "prefixes",
                    format!("{prefix:?} is no prefix: write + and the first digits, as \"+1212\""),
                );
            }
        }
        if self.require_proof && number.proof.trim().is_empty() {
            fault(
                "number",
                format!("{text} has no proof: say where the document of the right to use it lies"),
            );
        }
        if number.rest_days.as_ref().is_some_and(|days| days.len() >= 7) {
            fault("rest_days", format!("{text} rests on every day: take it out instead"));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn options(more: &str, numbers: &[&str]) -> Options {
        let tables: String = numbers.iter().map(|lines| format!("[[number]]\n{lines}\n")).collect();
        toml::from_str(&format!("name = \"us\"\n{more}\n{tables}")).unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = options("", &["number = \"+12025550100\""]);
        assert_eq!(options.faults(), []);
        assert_eq!((options.strategy, options.sticky, options.daily_max), (Strategy::RoundRobin, true, 0));
        assert_eq!((options.complaints_max, options.rest_h, options.short_call_s), (3, 24, 6));
        assert_eq!((options.zone, options.require_proof), (Tz::UTC, false));
    }

    #[test]
    fn every_fault_has_its_key_and_its_remedy() {
        let good = "number = \"+12025550100\"";
        for (more, numbers, key, word) in [
            ("", &[][..], "number", "a pool has 1 to"),
            ("", &["number = \"2025550100\""], "number.0.number", "+12025550100"),
            ("", &[good, good], "number.1.number", "twice"),
            ("", &["number = \"+12025550100\"\nprefixes = [\"1212\"]"], "number.0.prefixes", "+1212"),
            ("require_proof = true", &[good], "number.0.number", "no proof"),
            ("warm_up = [10, 0]", &[good], "warm_up", "at least 1"),
            ("rest_h = 0", &[good], "rest_h", "hours"),
            ("short_call_s = 0", &[good], "short_call_s", "seconds"),
            (
                "rest_days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]",
                &[good],
                "rest_days",
                "never calls",
            ),
        ] {
            let faults = match numbers {
                [] => Options { number: Vec::new(), ..options(more, &[good]) }.faults(),
                _ => options(more, numbers).faults(),
            };
            assert!(faults.iter().any(|(at, text)| at == key && text.contains(word)), "{more}: {faults:?}");
        }
    }
}
