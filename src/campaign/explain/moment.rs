//! A moment as an operator reads it: on the clock of the place that it is about, and in UTC.

use crate::time::WallTime;
use chrono::{DateTime, Offset, Timelike, Utc};
use chrono_tz::Tz;
use std::fmt;

/// A moment, and the zone whose clock counts; none where no place is meant.
///
/// `Mon 2026-11-23 09:00 EST (America/New_York), 14:00 UTC`; seconds are shown where there are any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// When.
    pub at: WallTime,
    /// Where.
    pub zone: Option<Tz>,
}

impl Moment {
    /// In UTC alone.
    pub fn utc(at: WallTime) -> Self {
        Moment { at, zone: None }
    }

    /// On the clock of `zone` too.
    pub fn in_zone(at: WallTime, zone: Option<Tz>) -> Self {
        Moment { at, zone }
    }

    /// The local part alone, `Mon 2026-11-23 09:00 EST`, in UTC where there is no zone.
    pub fn local(self) -> String {
        let Some(utc) = self.to_utc() else { return BEYOND.to_owned() };
        let zone = self.zone.unwrap_or(Tz::UTC);
        let there = utc.with_timezone(&zone);
        // Zones without an abbreviation have their offset for one: "-03".
        there.format(&format!("%a %Y-%m-%d {} %Z", clock(&utc))).to_string()
    }

    /// To the second, rounded up: what begins then has not begun before.
    fn to_utc(self) -> Option<DateTime<Utc>> {
        let seconds = self.at.unix_ms().div_euclid(1_000) + i64::from(self.at.unix_ms() % 1_000 != 0);
        DateTime::from_timestamp(seconds, 0)
    }
}

const BEYOND: &str = "a time beyond the calendar";

fn clock(utc: &DateTime<Utc>) -> &'static str {
    if utc.second() == 0 { "%H:%M" } else { "%H:%M:%S" }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(utc) = self.to_utc() else { return f.write_str(BEYOND) };
        let Some(zone) = self.zone.filter(|zone| *zone != Tz::UTC) else { return f.write_str(&self.local()) };
        let there = utc.with_timezone(&zone);
        write!(f, "{} ({zone})", self.local())?;
        if there.offset().fix() == Utc.fix() {
            return Ok(());
        }
        let date = if there.date_naive() == utc.date_naive() { "" } else { "%a %Y-%m-%d " };
        write!(f, ", {} UTC", utc.format(&format!("{date}{}", clock(&utc))))
    }
}

/// How long something takes, as people say it: `27 s`, `12 min`, `3 h 20 min`, `2 d 4 h`.
pub fn span(ms: i64) -> String {
    let seconds = (ms.max(0) + 999) / 1_000;
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3_600 => format!("{} min", (seconds + 59) / 60),
        3_600..172_800 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_its_place_and_in_utc() {
        // 2026-11-23T14:00:00Z.
        let at = WallTime::from_unix_ms(1_795_442_400_000);
        for (zone, more_ms, said) in [
            (None, 0, "Mon 2026-11-23 14:00 UTC"),
            (Some(Tz::UTC), 0, "Mon 2026-11-23 14:00 UTC"),
            (Some(Tz::America__New_York), 0, "Mon 2026-11-23 09:00 EST (America/New_York), 14:00 UTC"),
            (Some(Tz::Asia__Tokyo), 0, "Mon 2026-11-23 23:00 JST (Asia/Tokyo), 14:00 UTC"),
            (
                Some(Tz::Pacific__Auckland),
                0,
                "Tue 2026-11-24 03:00 NZDT (Pacific/Auckland), Mon 2026-11-23 14:00 UTC",
            ),
            (Some(Tz::Europe__London), 0, "Mon 2026-11-23 14:00 GMT (Europe/London)"),
            (None, 26_400, "Mon 2026-11-23 14:00:27 UTC"),
        ] {
            let at = WallTime::from_unix_ms(at.unix_ms() + more_ms);
            assert_eq!(Moment::in_zone(at, zone).to_string(), said);
        }
    }

    #[test]
    fn a_span_has_two_units_at_most() {
        let table = [
            (0, "0 s"),
            (400, "1 s"),
            (119_000, "119 s"),
            (121_000, "3 min"),
            (7_200_000, "2 h"),
            (12_000_000, "3 h 20 min"),
            (187_200_000, "2 d 4 h"),
        ];
        for (ms, said) in table {
            assert_eq!(span(ms), said);
        }
    }
}
