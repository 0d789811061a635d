//! Public holidays as data: fixed dates, the n-th weekday of a month, days before and after Easter.
//!
//! A holiday that falls on a weekend may be kept on a weekday beside it as well. Which of the two a law means is seldom
//! said, so both are holidays.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use std::fmt;

/// When a holiday is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// `12-25`: month and day.
    Fixed {
        /// 1 to 12.
        month: u32,
        /// 1 to 31.
        day: u32,
    },
    /// `3rd mon 01`, `last mon 05`: a weekday of a month, counted from its beginning or its end.
    Weekday {
        /// 1 to 5; 0 is the last.
        nth: u8,
        /// Which weekday.
        weekday: Weekday,
        /// 1 to 12.
        month: u32,
    },
    /// `mon before 05-25`: the last such weekday before a date.
    Before {
        /// Which weekday.
        weekday: Weekday,
        /// 1 to 12.
        month: u32,
        /// 1 to 31.
        day: u32,
    },
    /// `easter-2`, `easter+39`: so many days from Easter Sunday (Gregorian).
    Easter {
        /// Days after it, negative before.
        days: i32,
    },
}

/// On which weekday a holiday is kept too that falls on a weekend.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Observed {
    /// On none.
    #[default]
    AsItFalls,
    /// Saturday's on Friday, Sunday's on Monday (5 U.S.C. 6103).
    Nearest,
    /// On the Monday after it; a second one on Tuesday.
    NextMonday,
}

/// A holiday.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holiday {
    /// Its name.
    pub name: String,
    /// When it is.
    pub when: When,
    /// When it is kept too.
    pub observed: Observed,
}

impl When {
    /// Reads one of the forms above.
    pub fn parse(text: &str) -> Option<When> {
        if let Some(rest) = text.strip_prefix("easter") {
            let days = if rest.is_empty() { 0 } else { rest.parse().ok()? };
            return (-60..=70).contains(&days).then_some(When::Easter { days });
        }
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            [date] => month_and_day(date).map(|(month, day)| When::Fixed { month, day }),
            [day, "before", date] => {
                let (month, day_of_month) = month_and_day(date)?;
                Some(When::Before { weekday: day.parse().ok()?, month, day: day_of_month })
            }
            [nth, day, month] => {
                let nth = match nth {
                    "1st" => 1,
                    "2nd" => 2,
                    "3rd" => 3,
                    "4th" => 4,
                    "5th" => 5,
                    "last" => 0,
                    _ => return None,
                };
                let month = month.parse().ok().filter(|month| (1..=12).contains(month))?;
                Some(When::Weekday { nth, weekday: day.parse().ok()?, month })
            }
            _ => None,
        }
    }

    /// The date in a year, if the year has it.
    pub fn in_year(self, year: i32) -> Option<NaiveDate> {
        match self {
            When::Fixed { month, day } => NaiveDate::from_ymd_opt(year, month, day),
            When::Weekday { nth: 0, weekday, month } => {
                (1..=5).rev().find_map(|nth| NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth))
            }
            When::Weekday { nth, weekday, month } => {
                NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth)
            }
            When::Before { weekday, month, day } => {
                let date = NaiveDate::from_ymd_opt(year, month, day)?;
                (1..=7)
                    .filter_map(|days| date.checked_sub_days(Days::new(days)))
                    .find(|d| d.weekday() == weekday)
            }
            When::Easter { days } => {
                easter(year)?.checked_add_signed(chrono::TimeDelta::days(i64::from(days)))
            }
        }
    }
}

fn month_and_day(text: &str) -> Option<(u32, u32)> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // 2024 was a leap year, so 29 February passes.
    NaiveDate::from_ymd_opt(2024, month, day).map(|_| (month, day))
}

impl Holiday {
    /// Whether the date is this holiday, or the day on which it is kept too.
    pub fn falls_on(&self, date: NaiveDate) -> bool {
        // New Year's Day of the next year may be kept on the last of this one.
        (date.year() - 1..=date.year() + 1)
            .filter_map(|year| self.when.in_year(year))
            .any(|day| day == date || self.kept_too(day).is_some_and(|kept| kept.contains(&date)))
    }

    fn kept_too(&self, day: NaiveDate) -> Option<Vec<NaiveDate>> {
        let later = |days| day.checked_add_days(Days::new(days));
        Some(match (self.observed, day.weekday()) {
            (Observed::Nearest, Weekday::Sat) => vec![day.pred_opt()?],
            (Observed::Nearest, Weekday::Sun) => vec![day.succ_opt()?],
            // Two holidays of one weekend (Christmas, Boxing Day) take Monday and Tuesday.
            (Observed::NextMonday, Weekday::Sat) => vec![later(2)?, later(3)?],
            (Observed::NextMonday, Weekday::Sun) => vec![later(1)?, later(2)?],
            _ => return None,
        })
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Easter Sunday of the Gregorian calendar, by Gauss's rule in the form of Butcher's almanac (1876).
pub fn easter(year: i32) -> Option<NaiveDate> {
    let (a, b, c) = (year.rem_euclid(19), year.div_euclid(100), year.rem_euclid(100));
    let (d, e) = (b.div_euclid(4), b.rem_euclid(4));
    let g = (8 * b + 13).div_euclid(25);
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c.div_euclid(4), c.rem_euclid(4));
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 19 * l).div_euclid(433);
    let month = (h + l - 7 * m + 90).div_euclid(25);
    let day = (h + l - 7 * m + 33 * month + 19).rem_euclid(32);
    NaiveDate::from_ymd_opt(year, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_where_the_calendars_have_it() {
        for (year, expected) in [
            (1818, "1818-03-22"),
            (1943, "1943-04-25"),
            (2000, "2000-04-23"),
            (2008, "2008-03-23"),
            (2024, "2024-03-31"),
            (2025, "2025-04-20"),
            (2026, "2026-04-05"),
            (2027, "2027-03-28"),
            (2038, "2038-04-25"),
        ] {
            assert_eq!(easter(year).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn each_form_of_a_date_is_read_and_found() {
        for (text, year, expected) in [
            ("12-25", 2026, "2026-12-25"),
            ("3rd mon 01", 2026, "2026-01-19"),
            ("last mon 05", 2026, "2026-05-25"),
            ("4th thu 11", 2026, "2026-11-26"),
            ("mon before 05-25", 2026, "2026-05-18"),
            ("easter-2", 2026, "2026-04-03"),
            ("easter+39", 2026, "2026-05-14"),
            ("easter", 2026, "2026-04-05"),
        ] {
            let when = When::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(when.in_year(year).unwrap().to_string(), expected, "{text}");
        }
        for bad in [
            "",
            "13-01",
            "02-30",
            "6th mon 01",
            "1st mon 13",
            "easter+x",
            "easter+99",
            "monday",
            "1st moon 01",
        ] {
            assert_eq!(When::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_holiday_on_a_weekend_is_kept_beside_it_too() {
        let holiday =
            |text, observed| Holiday { name: String::new(), when: When::parse(text).unwrap(), observed };
        let on = |text: &str| text.parse::<NaiveDate>().unwrap();
        // 4 July 2026 is a Saturday, 1 January 2028 too.
        let fourth = holiday("07-04", Observed::Nearest);
        assert!(fourth.falls_on(on("2026-07-03")) && fourth.falls_on(on("2026-07-04")));
        assert!(!fourth.falls_on(on("2026-07-06")) && !fourth.falls_on(on("2027-07-03")));
        assert!(holiday("01-01", Observed::Nearest).falls_on(on("2027-12-31")));
        // Boxing Day 2026 is a Saturday.
        let boxing = holiday("12-26", Observed::NextMonday);
        assert!(boxing.falls_on(on("2026-12-28")) && !boxing.falls_on(on("2026-12-25")));
        assert!(!holiday("07-04", Observed::AsItFalls).falls_on(on("2026-07-03")));
    }
}
