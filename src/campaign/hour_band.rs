//! Parts of a day by the callee's clock. Who was not at home in the morning may well be in the evening.

use crate::time::WallTime;
use chrono::{DateTime, Days, NaiveDate, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// The hours at which the parts begin: morning, afternoon, evening.
const BEGIN: [u32; 3] = [0, 12, 17];

/// `due_at`, or the beginning of the next part of the day where `tried_at` was in the same part of a day.
pub(super) fn outside(zone: Tz, tried_at: WallTime, due_at: WallTime) -> WallTime {
    let local = |at: WallTime| {
        DateTime::<Utc>::from_timestamp_millis(at.unix_ms()).map(|utc| utc.with_timezone(&zone))
    };
    let (Some(tried), Some(due)) = (local(tried_at), local(due_at)) else { return due_at };
    let part = part_of(due.hour());
    if part != part_of(tried.hour()) {
        return due_at;
    }
    let (date, hour) = match BEGIN.get(part + 1) {
        Some(hour) => (Some(due.date_naive()), *hour),
        None => (due.date_naive().checked_add_days(Days::new(1)), BEGIN[0]),
    };
    date.and_then(|date| at_hour(zone, date, hour)).unwrap_or(due_at).max(due_at)
}

fn part_of(hour: u32) -> usize {
    BEGIN.iter().rposition(|begin| *begin <= hour).unwrap_or(0)
}

/// Where the clock skips the hour, the next one that it shows.
fn at_hour(zone: Tz, date: NaiveDate, hour: u32) -> Option<WallTime> {
    (hour..24)
        .find_map(|hour| zone.from_local_datetime(&date.and_hms_opt(hour, 0, 0)?).earliest())
        .map(|moment| WallTime::from_unix_ms(moment.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_part_begins_at_its_hour_in_the_zones_own_clock() {
        for (zone, tried, due, expected) in [
            ("Europe/Berlin", "2026-11-20T09:00:00Z", "2026-11-20T10:30:00Z", "2026-11-20T11:00:00Z"),
            ("Europe/Berlin", "2026-11-20T09:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
            ("Europe/Berlin", "2026-11-20T18:00:00Z", "2026-11-21T18:00:00Z", "2026-11-21T23:00:00Z"),
            // The clocks go back in New York on 1 November 2026.
            ("America/New_York", "2026-10-31T22:00:00Z", "2026-10-31T23:00:00Z", "2026-11-01T04:00:00Z"),
            ("America/New_York", "2026-11-01T15:00:00Z", "2026-11-01T16:00:00Z", "2026-11-01T17:00:00Z"),
        ] {
            let found = outside(zone.parse().unwrap(), at(tried), at(due));
            assert_eq!(found, at(expected), "{zone} {tried}");
        }
    }

    fn at(text: &str) -> WallTime {
        WallTime::from_unix_ms(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }
}
