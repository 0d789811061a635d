//! A hold: one thing that keeps a campaign from dialing, with its numbers and its end.

use super::moment::{Moment, span};
use crate::time::{Now, WallTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// One thing that keeps a campaign from dialing, for people and for programs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Hold {
    /// The word for programs.
    pub reason: String,
    /// The whole of it in words.
    pub text: String,
    /// The numbers that it rests upon, by name.
    #[serde(default)]
    pub numbers: Numbers,
    /// When it ends by itself, milliseconds since the Unix epoch; none when only somebody's act ends it, or nobody knows.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// The same on the clock of the callee or of the campaign, and in UTC.
    #[serde(default)]
    pub until: Option<String>,
}

/// Numbers by name; whole ones are written without a fraction.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Numbers(pub BTreeMap<String, f64>);

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Number {
            Whole(i64),
            Real(f64),
        }
        let number = |value: &f64| match value.fract() == 0.0 && value.abs() < 1e15 {
            true => Number::Whole(*value as i64),
            false => Number::Real(*value),
        };
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, number(value))))
    }
}

impl Hold {
    /// Without numbers and end.
    pub fn new(reason: &str, text: impl Into<String>) -> Self {
        Hold { reason: reason.to_owned(), text: text.into(), ..Hold::default() }
    }

    /// With a number more.
    pub fn with(mut self, name: &str, value: impl Into<f64>) -> Self {
        self.numbers.0.insert(name.to_owned(), value.into());
        self
    }

    /// With a count more.
    pub fn with_count(self, name: &str, count: u64) -> Self {
        self.with(name, count as f64)
    }

    /// With its end, which is put behind the words too: `...; until Mon 2026-11-23 14:00 UTC (in 2 h)`.
    pub fn until(mut self, now: Now, at: WallTime, zone: Option<Tz>) -> Self {
        let moment = Moment::in_zone(at, zone).to_string();
        let ahead = span(at.unix_ms().saturating_sub(now.wall.unix_ms()));
        self.text += &format!(", until {moment} (in {ahead})");
        self.until_ms = Some(at.unix_ms());
        self.until = Some(moment);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_has_its_numbers_and_its_end_in_words_and_as_data() {
        let now = Now { wall: WallTime::from_unix_ms(1_795_435_200_000), ..Now::default() };
        let hold = Hold::new("rests", "trunk a rests").with_count("failures", 5).with("share", 0.5).until(
            now,
            WallTime::from_unix_ms(1_795_442_400_000),
            Some(Tz::America__New_York),
        );
        let moment = "Mon 2026-11-23 09:00 EST (America/New_York), 14:00 UTC";
        assert_eq!(hold.text, format!("trunk a rests, until {moment} (in 2 h)"));
        let written = serde_json::to_value(&hold).unwrap();
        assert_eq!(written["numbers"], serde_json::json!({ "failures": 5, "share": 0.5 }));
        assert_eq!(
            (written["until_ms"].as_i64(), written["until"].as_str()),
            (Some(1_795_442_400_000), Some(moment))
        );
        assert_eq!(serde_json::from_value::<Hold>(written).unwrap(), hold);
    }
}
