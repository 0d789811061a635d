//! Rule packs: what one jurisdiction asks, as a file with dates and sources; those shipped are part of the program.
//!
//! Nothing here is legal advice: a pack is data that somebody read somewhere on some day, and every cell says where and when.

use super::holiday::{Holiday, Observed, When};
use super::place::Place;
use super::rule::{Confidence, NaiveDateText, Row, Rule};
use chrono::NaiveDate;
use serde::Deserialize;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The most rules and holidays of one pack.
const CELLS_MAX: usize = 256;

/// The most packs that a configuration may add.
pub const OWN_PACKS_MAX: usize = 64;

/// A pack.
#[derive(Clone, PartialEq, Debug)]
pub struct Pack {
    /// Its name in the configuration, such as `us-florida`.
    pub id: String,
    /// Which edition of it: a date.
    pub version: NaiveDate,
    /// What it is, for people.
    pub name: String,
    /// ISO 3166: whose numbers and addresses it is for.
    pub country: String,
    /// ISO 3166-2, where it is for one state.
    pub state: Option<String>,
    /// In force from this day on.
    pub from: NaiveDate,
    /// In force until this day, included.
    pub to: Option<NaiveDate>,
    /// Its cells.
    pub rules: Vec<Rule>,
    /// Its holidays.
    pub holidays: Vec<Holiday>,
    /// Who says which days are holidays, when somebody read it, how sure that is.
    pub holidays_by: Option<(String, NaiveDate, Confidence)>,
}

/// A pack that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    version: NaiveDateText,
    name: String,
    country: String,
    state: Option<String>,
    effective_from: NaiveDateText,
    effective_to: Option<NaiveDateText>,
    #[serde(default)]
    rule: Vec<Row>,
    holidays: Option<HolidaysRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidaysRow {
    source: String,
    read: NaiveDateText,
    confidence: Confidence,
    days: Vec<HolidayRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayRow {
    name: String,
    on: String,
    #[serde(default)]
    observed: ObservedRow,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ObservedRow {
    #[default]
    AsItFalls,
    Nearest,
    NextMonday,
}

impl Pack {
    /// Reads a pack; the error names the cell and what to write instead.
    pub fn parse(text: &str) -> Result<Pack, Broken> {
        let file: File = toml::from_str(text).map_err(|error| Broken(error.to_string().trim().to_owned()))?;
        if file.rule.len() + file.holidays.as_ref().map_or(0, |holidays| holidays.days.len()) > CELLS_MAX {
            return Err(Broken(format!("more than {CELLS_MAX} rules and holidays")));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if file.id.is_empty() || !file.id.chars().all(plain) {
            return Err(Broken(format!("id {:?}: write small letters, digits and '-'", file.id)));
        }
        let mut rules = Vec::new();
        for (i, row) in file.rule.into_iter().enumerate() {
            rules.push(row.into_rule().map_err(|text| Broken(format!("rule {}: {text}", i + 1)))?);
        }
        let holidays_by = file.holidays.as_ref().map(|row| (row.source.clone(), row.read.0, row.confidence));
        let rows = file.holidays.map(|holidays| holidays.days).unwrap_or_default();
        Ok(Pack {
            id: file.id,
            version: file.version.0,
            name: file.name,
            country: file.country,
            state: file.state,
            from: file.effective_from.0,
            to: file.effective_to.map(|date| date.0),
            rules,
            holidays: rows.into_iter().map(holiday).collect::<Result<_, _>>()?,
            holidays_by,
        })
    }

    /// Whether it is for callees who may be there.
    pub fn is_for(&self, place: &Place) -> bool {
        place.countries.contains(&self.country)
            && self.state.as_ref().is_none_or(|state| place.states.contains(state))
    }

    /// Whether it is in force on a day.
    pub fn holds_on(&self, date: NaiveDate) -> bool {
        self.from <= date && self.to.is_none_or(|to| date <= to)
    }

    /// The holiday of a day, if it is one.
    pub fn holiday(&self, date: NaiveDate) -> Option<&Holiday> {
        self.holidays.iter().find(|holiday| holiday.falls_on(date))
    }

    /// `us-florida 2026-11-22`.
    pub fn edition(&self) -> String {
        format!("{} {}", self.id, self.version)
    }
}

fn holiday(row: HolidayRow) -> Result<Holiday, Broken> {
    let when = When::parse(&row.on).ok_or_else(|| {
        Broken(format!(
            "holiday {:?}: {:?} is no day: write \"12-25\", \"3rd mon 01\", \"last mon 05\", \"mon before 05-25\" or \
             \"easter-2\"",
            row.name, row.on
        ))
    })?;
    let observed = match row.observed {
        ObservedRow::AsItFalls => Observed::AsItFalls,
        ObservedRow::Nearest => Observed::Nearest,
        ObservedRow::NextMonday => Observed::NextMonday,
    };
    Ok(Holiday { name: row.name, when, observed })
}

/// The packs that are part of the program, by their files.
const SHIPPED: &[&str] = &[
    include_str!("../../../config/rules/au-acma.toml"),
    include_str!("../../../config/rules/ca-crtc.toml"),
    include_str!("../../../config/rules/de-uwg.toml"),
    include_str!("../../../config/rules/fr-consommation.toml"),
    include_str!("../../../config/rules/uk-ofcom.toml"),
    include_str!("../../../config/rules/us-alabama.toml"),
    include_str!("../../../config/rules/us-connecticut.toml"),
    include_str!("../../../config/rules/us-federal.toml"),
    include_str!("../../../config/rules/us-florida.toml"),
    include_str!("../../../config/rules/us-kentucky.toml"),
    include_str!("../../../config/rules/us-louisiana.toml"),
    include_str!("../../../config/rules/us-maine.toml"),
    include_str!("../../../config/rules/us-maryland.toml"),
    include_str!("../../../config/rules/us-massachusetts.toml"),
    include_str!("../../../config/rules/us-michigan.toml"),
    include_str!("../../../config/rules/us-minnesota.toml"),
    include_str!("../../../config/rules/us-mississippi.toml"),
    include_str!("../../../config/rules/us-nevada.toml"),
    include_str!("../../../config/rules/us-new-mexico.toml"),
    include_str!("../../../config/rules/us-oklahoma.toml"),
    include_str!("../../../config/rules/us-pennsylvania.toml"),
    include_str!("../../../config/rules/us-rhode-island.toml"),
    include_str!("../../../config/rules/us-texas.toml"),
    include_str!("../../../config/rules/us-utah.toml"),
    include_str!("../../../config/rules/us-washington.toml"),
];

static PACKS: LazyLock<Vec<Arc<Pack>>> = LazyLock::new(|| {
    let read =
        |text: &&str| Arc::new(Pack::parse(text).expect("the packs of the program are read by its tests"));
    SHIPPED.iter().map(read).collect()
});

/// The packs that are part of the program.
pub fn shipped() -> &'static [Arc<Pack>] {
    &PACKS
}
