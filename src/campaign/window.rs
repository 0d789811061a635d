//! The calling window: the days and hours in which a phone may be rung (47 CFR 64.1200(c)(1) and its like).
//!
//! Hours are civil hours of the callee, so the window is reckoned in each zone's own clock, daylight saving included:
//! where the clock skips the opening hour, the window opens as the skip ends; where an hour comes twice, the window
//! opens with the second and closes with the first, so that every reading of the clock lies inside. A number that may
//! ring in several zones may be dialed only when the window is open in all of them.

use crate::time::WallTime;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// How far ahead an opening is looked for. Two weeks hold every weekday and any change of the clocks.
const DAYS_AHEAD_MAX: u64 = 14;

/// The longest skip of a clock: a whole day (Samoa, 2011-12-30).
const SKIP_MINUTES_MAX: i64 = 25 * 60;

/// How often the search for a moment that suits all zones may move on before it gives up.
const SEARCH_STEPS_MAX: usize = 64;

/// `[campaign.window]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Whose clock counts.
    pub zone: Zone,
    /// The days of the week on which the window opens.
    pub days: Vec<Day>,
    /// It opens at this time of day.
    pub start: TimeOfDay,
    /// It is closed from this time of day on; `24:00` is the day's end.
    pub end: TimeOfDay,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            zone: Zone::Contact,
            days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri],
            start: TimeOfDay { minutes: 9 * 60 },
            end: TimeOfDay { minutes: 20 * 60 },
        }
    }
}

/// Whose clock counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    /// The callee's, by the number: `"contact"`.
    Contact,
    /// One for all: an IANA name.
    Named(Tz),
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == "contact" {
            return Ok(Zone::Contact);
        }
        name.parse().map(Zone::Named).map_err(|_| {
            serde::de::Error::custom(format!(
                "{name:?} is no time zone: write \"contact\" or an IANA name such as \"America/New_York\""
            ))
        })
    }
}

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The seven names say it.
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All of them, from Monday on.
    pub const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Day::Mon => "mon",
            Day::Tue => "tue",
            Day::Wed => "wed",
            Day::Thu => "thu",
            Day::Fri => "fri",
            Day::Sat => "sat",
            Day::Sun => "sun",
        }
    }

    /// The day of a word.
    pub fn from_word(word: &str) -> Option<Day> {
        Day::ALL.into_iter().find(|day| day.as_str() == word)
    }

    /// The day of a date.
    pub fn of(date: NaiveDate) -> Day {
        Day::ALL[date.weekday().num_days_from_monday() as usize]
    }
}

/// A time of day to the minute, `00:00` to `24:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// From `HH:MM`.
    pub fn parse(text: &str) -> Option<TimeOfDay> {
        let (hours, minutes) = text.split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(hours) || !digits(minutes) {
            return None;
        }
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let of_day = hours * 60 + minutes;
        (minutes < 60 && of_day <= 24 * 60).then_some(TimeOfDay { minutes: of_day })
    }

    fn on(self, date: NaiveDate) -> Option<NaiveDateTime> {
        date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::minutes(i64::from(self.minutes)))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeOfDay, D::Error> {
        let text = String::deserialize(deserializer)?;
        TimeOfDay::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is no time of day: write it as \"09:00\", up to \"24:00\""
            ))
        })
    }
}

/// Whether the window is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// Open.
    Open {
        /// Closed from then on.
        until: WallTime,
    },
    /// Closed.
    Closed {
        /// When it opens next; `None` when it does not within two weeks, because the zones' windows never meet.
        opens_at: Option<WallTime>,
    },
}

impl Window {
    /// Open all day and all week, wherever the phone may be: for a call to oneself.
    pub fn always() -> Window {
        use Day::*;
        Window {
            zone: Zone::Named(Tz::UTC),
            days: vec![Mon, Tue, Wed, Thu, Fri, Sat, Sun],
            start: TimeOfDay { minutes: 0 },
            end: TimeOfDay { minutes: 24 * 60 },
        }
    }

    /// Whether the window is open at `at` in all of `zones`, which are the contact's. A named zone counts alone.
    pub fn open(&self, zones: &[Tz], at: WallTime) -> Opening {
        let named = match self.zone {
            Zone::Contact => None,
            Zone::Named(zone) => Some(zone),
        };
        let zones = named.as_slice().iter().chain(if named.is_some() { &[] } else { zones });
        meet(at, |moment| zones.clone().map(|zone| open_in(*zone, moment, |date| self.on(date))).reduce(both))
    }

    /// The hours of one civil date, if it opens on it.
    fn on(&self, date: NaiveDate) -> Vec<(TimeOfDay, TimeOfDay)> {
        if self.days.contains(&Day::of(date)) { vec![(self.start, self.end)] } else { Vec::new() }
    }
}

/// The first moment from `at` on at which `opening` says open; it is asked again at each moment that it names.
pub(super) fn meet(at: WallTime, opening: impl Fn(WallTime) -> Option<Opening>) -> Opening {
    let mut moment = at;
    let horizon = at.unix_ms().saturating_add(DAYS_AHEAD_MAX as i64 * 86_400_000);
    for _ in 0..SEARCH_STEPS_MAX {
        match opening(moment) {
            Some(Opening::Open { until }) if moment == at => return Opening::Open { until },
            Some(Opening::Open { .. }) => return Opening::Closed { opens_at: Some(moment) },
            Some(Opening::Closed { opens_at: Some(opens_at) }) if opens_at.unix_ms() <= horizon => {
                moment = opens_at;
            }
            _ => break,
        }
    }
    Opening::Closed { opens_at: None }
}

/// Open until the first of two closes, or closed until the last of them opens.
pub(super) fn both(a: Opening, b: Opening) -> Opening {
    match (a, b) {
        (Opening::Open { until: a }, Opening::Open { until: b }) => Opening::Open { until: a.min(b) },
        (Opening::Closed { opens_at: Some(a) }, Opening::Closed { opens_at: Some(b) }) => {
            Opening::Closed { opens_at: Some(a.max(b)) }
        }
        (Opening::Closed { opens_at: None }, _) | (_, Opening::Closed { opens_at: None }) => {
            Opening::Closed { opens_at: None }
        }
        (closed @ Opening::Closed { .. }, Opening::Open { .. })
        | (Opening::Open { .. }, closed @ Opening::Closed { .. }) => closed,
    }
}

/// Whether hours that `on` gives for each civil date, in order and apart, are open on the clock of one zone.
pub(super) fn open_in(
    zone: Tz,
    at: WallTime,
    on: impl Fn(NaiveDate) -> Vec<(TimeOfDay, TimeOfDay)>,
) -> Opening {
    let Some(utc) = DateTime::<Utc>::from_timestamp_millis(at.unix_ms()) else {
        return Opening::Closed { opens_at: None };
    };
    let today = utc.with_timezone(&zone).date_naive();
    for date in (0..=DAYS_AHEAD_MAX).filter_map(|ahead| today.checked_add_days(Days::new(ahead))) {
        for (opens, closes) in on(date).into_iter().filter_map(|hours| stretch(zone, date, hours)) {
            if at < opens {
                return Opening::Closed { opens_at: Some(opens) };
            }
            if at < closes {
                return Opening::Open { until: closes };
            }
        }
    }
    Opening::Closed { opens_at: None }
}

/// Hours of a civil date as moments, if the clock shows them.
fn stretch(zone: Tz, date: NaiveDate, (start, end): (TimeOfDay, TimeOfDay)) -> Option<(WallTime, WallTime)> {
    let opens = instants_of(zone, start.on(date)?)?.1;
    let closes = instants_of(zone, end.on(date)?)?.0;
    (opens < closes).then_some((opens, closes))
}

/// The first and the last moment at which the clock of `zone` shows `civil`; the end of the skip when it never does.
pub(super) fn instants_of(zone: Tz, civil: NaiveDateTime) -> Option<(WallTime, WallTime)> {
    let wall = |moment: DateTime<Tz>| WallTime::from_unix_ms(moment.timestamp_millis());
    (0..SKIP_MINUTES_MAX).find_map(|minutes| {
        let shown = zone.from_local_datetime(&civil.checked_add_signed(TimeDelta::minutes(minutes))?);
        Some((wall(shown.earliest()?), wall(shown.latest()?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_open_on_its_days_and_hours_in_the_named_zone() {
        for (at, expected) in [
            ("2026-11-20T13:59:59Z", "opens 2026-11-20T14:00:00Z"),
            ("2026-11-20T14:00:00Z", "open until 2026-11-21T01:00:00Z"),
            ("2026-11-21T00:59:59Z", "open until 2026-11-21T01:00:00Z"),
            ("2026-11-21T01:00:00Z", "opens 2026-11-23T14:00:00Z"),
            ("2026-11-22T18:00:00Z", "opens 2026-11-23T14:00:00Z"),
        ] {
            assert_eq!(opening(&named("America/New_York"), &[], at), expected, "{at}");
        }
    }

    #[test]
    fn opening_hours_follow_the_clocks_of_each_zone() {
        // Each zone on the two weekdays around a change of its clocks.
        for (zone, at, expected) in [
            // United States: forward on 8 March, back on 1 November 2026.
            ("America/New_York", "2026-03-07T01:00:00Z", "opens 2026-03-09T13:00:00Z"),
            ("America/New_York", "2026-10-31T00:00:00Z", "opens 2026-11-02T14:00:00Z"),
            // European Union: forward on 29 March, back on 25 October 2026.
            ("Europe/Berlin", "2026-03-27T19:00:00Z", "opens 2026-03-30T07:00:00Z"),
            ("Europe/Berlin", "2026-10-23T18:00:00Z", "opens 2026-10-26T08:00:00Z"),
            // Southern hemisphere: Sydney back on 5 April, forward on 4 October 2026.
            ("Australia/Sydney", "2026-04-03T09:00:00Z", "opens 2026-04-05T23:00:00Z"),
            ("Australia/Sydney", "2026-10-02T10:00:00Z", "opens 2026-10-04T22:00:00Z"),
            // Santiago back on 5 April 2026.
            ("America/Santiago", "2026-04-04T00:00:00Z", "opens 2026-04-06T13:00:00Z"),
            // Zones off the hour, one with a change of half an hour (Lord Howe, back on 5 April 2026).
            ("Asia/Kolkata", "2026-11-20T00:00:00Z", "opens 2026-11-20T03:30:00Z"),
            ("Asia/Kathmandu", "2026-11-20T00:00:00Z", "opens 2026-11-20T03:15:00Z"),
            ("America/St_Johns", "2026-11-20T10:00:00Z", "opens 2026-11-20T12:30:00Z"),
            ("Australia/Lord_Howe", "2026-04-03T09:30:00Z", "opens 2026-04-05T22:30:00Z"),
            ("Pacific/Chatham", "2026-11-19T18:00:00Z", "opens 2026-11-19T19:15:00Z"),
        ] {
            assert_eq!(opening(&named(zone), &[], at), expected, "{zone} {at}");
        }
    }

    #[test]
    fn a_skipped_opening_hour_opens_as_the_skip_ends() {
        // 02:30 does not exist in Berlin on 29 March 2026; 03:00 summer time is 01:00Z.
        let window = every_day("Europe/Berlin", "02:30", "04:00");
        assert_eq!(opening(&window, &[], "2026-03-29T00:30:00Z"), "opens 2026-03-29T01:00:00Z");
        assert_eq!(opening(&window, &[], "2026-03-29T01:00:00Z"), "open until 2026-03-29T02:00:00Z");
        let window = every_day("Europe/Berlin", "01:00", "02:30");
        assert_eq!(opening(&window, &[], "2026-03-29T00:30:00Z"), "open until 2026-03-29T01:00:00Z");
    }

    #[test]
    fn an_hour_that_comes_twice_opens_with_its_second_and_closes_with_its_first() {
        // 01:00 to 02:00 comes twice in New York on 1 November 2026: from 05:00Z and from 06:00Z.
        let window = every_day("America/New_York", "01:30", "04:00");
        assert_eq!(opening(&window, &[], "2026-11-01T05:45:00Z"), "opens 2026-11-01T06:30:00Z");
        let window = every_day("America/New_York", "00:30", "01:30");
        assert_eq!(opening(&window, &[], "2026-11-01T05:29:00Z"), "open until 2026-11-01T05:30:00Z");
        assert_eq!(opening(&window, &[], "2026-11-01T06:10:00Z"), "opens 2026-11-02T05:30:00Z");
    }

    #[test]
    fn midnight_may_be_skipped_and_a_whole_day_may_be_missing() {
        // Beirut skipped 00:00 to 01:00 on 29 March 2026.
        let window = every_day("Asia/Beirut", "00:00", "24:00");
        assert_eq!(opening(&window, &[], "2026-03-28T21:00:00Z"), "open until 2026-03-28T22:00:00Z");
        assert_eq!(opening(&window, &[], "2026-03-28T22:00:00Z"), "open until 2026-03-29T21:00:00Z");
        // Samoa had no 30 December 2011.
        let window = every_day("Pacific/Apia", "09:00", "20:00");
        assert_eq!(opening(&window, &[], "2011-12-30T06:00:00Z"), "opens 2011-12-30T19:00:00Z");
    }

    #[test]
    fn several_zones_must_all_be_open() {
        let zones: Vec<Tz> =
            vec!["America/New_York".parse().unwrap(), "America/Los_Angeles".parse().unwrap()];
        let window = Window::default();
        assert_eq!(opening(&window, &zones, "2026-11-20T15:00:00Z"), "opens 2026-11-20T17:00:00Z");
        assert_eq!(opening(&window, &zones, "2026-11-20T17:00:00Z"), "open until 2026-11-21T01:00:00Z");
        assert_eq!(opening(&window, &zones, "2026-11-21T01:00:00Z"), "opens 2026-11-23T17:00:00Z");
    }

    #[test]
    fn windows_that_never_meet_and_no_zone_at_all_never_open() {
        let apart: Vec<Tz> = vec!["Europe/London".parse().unwrap(), "Pacific/Auckland".parse().unwrap()];
        assert_eq!(opening(&Window::default(), &apart, "2026-11-20T15:00:00Z"), "never");
        assert_eq!(opening(&Window::default(), &[], "2026-11-20T15:00:00Z"), "never");
        let window = Window { days: vec![], ..named("Europe/Paris") };
        assert_eq!(opening(&window, &[], "2026-11-20T15:00:00Z"), "never");
    }

    #[test]
    fn while_it_says_open_the_clock_on_the_wall_is_always_inside() {
        let mut rng = crate::rng::Rng::from_seed(11);
        for _ in 0..20_000 {
            let zone = chrono_tz::TZ_VARIANTS[rng.below(chrono_tz::TZ_VARIANTS.len() as u64) as usize];
            let window = Window { zone: Zone::Named(zone), ..every_day("UTC", "01:30", "22:30") };
            let at = WallTime::from_unix_ms(1_700_000_000_000 + rng.below(200_000_000_000) as i64);
            let local = DateTime::<Utc>::from_timestamp_millis(at.unix_ms()).unwrap().with_timezone(&zone);
            let shown = local.format("%H:%M").to_string();
            let inside = ("01:30".."22:30").contains(&shown.as_str());
            match window.open(&[], at) {
                Opening::Open { until } => {
                    assert!(inside, "{zone} {local}");
                    assert!(until > at && until.unix_ms() - at.unix_ms() <= 22 * 3_600_000, "{zone} {local}");
                }
                // The first of two equal hours may be inside by its face and is kept closed nevertheless.
                Opening::Closed { opens_at } => assert!(opens_at.unwrap() > at, "{zone} {local}"),
            }
        }
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        assert_eq!(TimeOfDay::parse("24:00"), Some(TimeOfDay { minutes: 1440 }));
        for bad in ["9:00", "24:01", "12:60", "0900", "", "-1:00", "12:0a", "+1:00"] {
            assert_eq!(TimeOfDay::parse(bad), None, "{bad}");
        }
    }

    fn named(zone: &str) -> Window {
        Window { zone: Zone::Named(zone.parse().unwrap()), ..Window::default() }
    }

    fn every_day(zone: &str, start: &str, end: &str) -> Window {
        use Day::*;
        Window {
            days: vec![Mon, Tue, Wed, Thu, Fri, Sat, Sun],
            start: TimeOfDay::parse(start).unwrap(),
            end: TimeOfDay::parse(end).unwrap(),
            ..named(zone)
        }
    }

    fn opening(window: &Window, zones: &[Tz], at: &str) -> String {
        let at = DateTime::parse_from_rfc3339(at).unwrap().timestamp_millis();
        let print = |at: WallTime| {
            DateTime::<Utc>::from_timestamp_millis(at.unix_ms())
                .unwrap()
                .format("%Y-%m-%dT%H:%M:%SZ")
                .to_string()
        };
        match window.open(zones, WallTime::from_unix_ms(at)) {
            Opening::Open { until } => format!("open until {}", print(until)),
            Opening::Closed { opens_at: Some(opens_at) } => format!("opens {}", print(opens_at)),
            Opening::Closed { opens_at: None } => "never".to_owned(),
        }
    }
}
