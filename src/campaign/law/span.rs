//! Stretches of time over which a law counts or a number rests: rolling hours and days, calendar days and months.
//!
//! Calendar days are the callee's. Where a phone may be in several zones, a call counts for as long as it does in any.

use super::super::window::instants_of;
use crate::time::WallTime;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use std::fmt;
use std::time::Duration;

/// A stretch of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// From any moment on: what happened at `t` counts until `t` plus this, exclusive.
    Rolling(Duration),
    /// From midnight to midnight.
    CalendarDay,
    /// From the first of a month to the first of the next.
    CalendarMonth,
}

impl Span {
    /// `24h`, `30d`, `calendar_day`, `calendar_month`.
    pub fn parse(text: &str) -> Option<Span> {
        match text {
            "calendar_day" => return Some(Span::CalendarDay),
            "calendar_month" => return Some(Span::CalendarMonth),
            _ => {}
        }
        let unit = text.chars().last()?;
        let count: u64 =
            text[..text.len() - unit.len_utf8()].parse().ok().filter(|count| (1..=400).contains(count))?;
        match unit {
            'h' => Some(Span::Rolling(Duration::from_secs(count * 3_600))),
            'd' => Some(Span::Rolling(Duration::from_secs(count * 86_400))),
            _ => None,
        }
    }

    /// Until when something that happened at `at` counts: the last of the ends in all `zones`; `None` where a calendar
    /// counts and no zone is known.
    pub fn end(self, at: WallTime, zones: &[Tz]) -> Option<WallTime> {
        match self {
            Span::Rolling(duration) => Some(at + duration),
            Span::CalendarDay | Span::CalendarMonth => {
                zones.iter().filter_map(|zone| self.end_in(at, *zone)).max()
            }
        }
    }

    fn end_in(self, at: WallTime, zone: Tz) -> Option<WallTime> {
        let date = local_date(at, zone)?;
        let next = match self {
            Span::CalendarMonth => date.with_day(1)?.checked_add_months(Months::new(1))?,
            _ => date.checked_add_days(Days::new(1))?,
        };
        instants_of(zone, next.and_time(NaiveTime::MIN)).map(|(_, last)| last)
    }
}

/// The date that the calendars of a zone show.
pub fn local_date(at: WallTime, zone: Tz) -> Option<NaiveDate> {
    Some(DateTime::<Utc>::from_timestamp_millis(at.unix_ms())?.with_timezone(&zone).date_naive())
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Rolling(duration) => match duration.as_secs() / 3_600 {
                hours if hours % 24 == 0 && hours > 72 => write!(f, "{} days", hours / 24),
                hours => write!(f, "{hours} h"),
            },
            Span::CalendarDay => f.write_str("a calendar day"),
            Span::CalendarMonth => f.write_str("a calendar month"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_on_the_callees_clock() {
        for (span, zones, at, expected) in [
            ("24h", "", "2026-11-01T04:30:00Z", "2026-11-02T04:30:00Z"),
            ("30d", "", "2026-11-01T04:30:00Z", "2026-12-01T04:30:00Z"),
            // New York is an hour longer on 1 November 2026, and an hour shorter on 8 March.
            ("calendar_day", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            ("calendar_day", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
            // 03:59Z is still the day before there, so it ends as this one begins.
            ("calendar_day", "America/New_York", "2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z"),
            (
                "calendar_day",
                "America/New_York America/Los_Angeles",
                "2026-11-10T12:00:00Z",
                "2026-11-11T08:00:00Z",
            ),
            ("calendar_month", "Europe/London", "2026-10-31T23:59:59Z", "2026-11-01T00:00:00Z"),
            ("calendar_month", "Europe/London", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ] {
            let zones: Vec<Tz> = zones.split_ascii_whitespace().map(|zone| zone.parse().unwrap()).collect();
            let wall = |text: &str| {
                WallTime::from_unix_ms(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
            };
            assert_eq!(Span::parse(span).unwrap().end(wall(at), &zones), Some(wall(expected)), "{span} {at}");
        }
        assert_eq!(Span::CalendarDay.end(WallTime::from_unix_ms(0), &[]), None);
        for bad in ["", "h", "0h", "24", "24m", "-1d", "999d", "day"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }
}
