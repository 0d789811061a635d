//! Where a callee may be: countries, states and time zones, by the number and by the address on the list.
//!
//! Nobody knows where a phone is, so a place is a *set*: the number says one thing, the address may say another, and a
//! law that may apply does apply. A number bound to a place keeps its zones and gets those of the address beside them; one
//! that may ring anywhere in its country (most mobiles, freephone) is narrowed to the address where that lies among them.

use crate::number::{self, E164};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Columns of a list that say where somebody lives, by the titles that a list may have.
const STATE: [&str; 5] = ["state", "province", "region", "st", "state_code"];
const POSTCODE: [&str; 7] = ["zip", "zip_code", "zipcode", "postal_code", "postcode", "plz", "postal"];
const COUNTRY: [&str; 3] = ["country", "country_code", "iso_country"];
const ZONE: [&str; 4] = ["time_zone", "timezone", "tz", "zone"];

/// Where a callee may be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// ISO 3166 codes, United States territories as `US`.
    pub countries: BTreeSet<String>,
    /// ISO 3166-2 codes such as `US-FL`; empty where nothing tells.
    pub states: BTreeSet<String>,
    /// Every zone in which the phone may ring; a window must be open in all of them.
    pub zones: Vec<Tz>,
}

impl Place {
    /// By the number, and by the list's columns for state, postal code, country and time zone.
    pub fn of(number: &E164, attributes: &BTreeMap<String, String>) -> Place {
        let mut place = Place { zones: number::zones(number).to_vec(), ..Place::default() };
        if let Some(country) = number::country(number) {
            if ["PR", "VI", "GU", "AS", "MP"].contains(&country.as_str()) {
                place.states.insert(format!("US-{country}"));
                place.countries.insert("US".to_owned());
            } else {
                place.countries.insert(country);
            }
        }
        if let Some(area) = number.as_str().strip_prefix("+1").and_then(|rest| rest.get(..3)) {
            place.states.extend(states_with(|state| state.areas.contains(&area)));
        }
        place.add_address(number, attributes);
        place
    }

    fn add_address(&mut self, number: &E164, attributes: &BTreeMap<String, String>) {
        let cell = |titles: &[&str]| {
            let found = titles.iter().find_map(|title| attributes.get(*title));
            found.map(|cell| cell.trim().to_uppercase()).filter(|cell| !cell.is_empty())
        };
        if let Some(country) = cell(&COUNTRY).as_deref().and_then(country_code) {
            self.countries.insert(country.to_owned());
        }
        let mut states = BTreeSet::new();
        let countries = self.countries.clone();
        let here = |state: &State| countries.contains(&state.code[..2]);
        if let Some(named) = cell(&STATE) {
            states.extend(states_with(|state| here(state) && state.is_called(&named)));
        }
        if let Some(code) = cell(&POSTCODE) {
            states.extend(states_with(|state| here(state) && state.has_postcode(&code)));
        }
        let mut zones: Vec<Tz> =
            states.iter().filter_map(|code| find(code)).flat_map(|s| s.zones.clone()).collect();
        // A state of the number's own country, or a zone among those of the number, says where in them the phone is.
        let within = |zones: &[Tz]| !states.is_empty() || zones.iter().all(|zone| self.zones.contains(zone));
        zones.extend(cell(&ZONE).and_then(|name| zone(&name)));
        let narrows = !number::is_bound_to_a_place(number) && within(&zones);
        self.states.extend(states);
        self.add_zones(zones, narrows);
    }

    fn add_zones(&mut self, zones: Vec<Tz>, narrows: bool) {
        if zones.is_empty() {
            return;
        }
        if narrows {
            self.zones = zones;
        } else {
            self.zones.extend(zones);
        }
        self.zones.sort_by_key(|zone| zone.name());
        self.zones.dedup();
    }
}

/// IANA names have their own spelling, whatever a list has made of it.
fn zone(name: &str) -> Option<Tz> {
    chrono_tz::TZ_VARIANTS.iter().copied().find(|zone| zone.name().eq_ignore_ascii_case(name))
}

/// What lists write for the countries that have rules by state, and any ISO code as it is.
fn country_code(text: &str) -> Option<&str> {
    match text {
        "USA" | "UNITED STATES" | "UNITED STATES OF AMERICA" => Some("US"),
        "UK" | "UNITED KINGDOM" | "GREAT BRITAIN" => Some("GB"),
        "CANADA" => Some("CA"),
        "AUSTRALIA" => Some("AU"),
        "GERMANY" | "DEUTSCHLAND" => Some("DE"),
        "FRANCE" => Some("FR"),
        code if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => Some(code),
        _ => None,
    }
}

/// One line of the map.
struct State {
    code: &'static str,
    name: String,
    zones: Vec<Tz>,
    areas: Vec<&'static str>,
    postcodes: Vec<(&'static str, &'static str)>,
}

impl State {
    /// By its two letters or its name, in capitals.
    fn is_called(&self, text: &str) -> bool {
        self.code == text || &self.code[3..] == text || self.name == text
    }

    fn has_postcode(&self, code: &str) -> bool {
        self.postcodes.iter().any(|(from, to)| {
            code.get(..from.len()).is_some_and(|beginning| (*from..=*to).contains(&beginning))
        })
    }
}

/// The map as text, part of the program.
const TEXT: &str = include_str!("../../../config/rules/states.txt");

/// The same, read once; it never changes.
static STATES: LazyLock<Vec<State>> = LazyLock::new(|| {
    let lines = TEXT.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| read(line).expect("the map of states is well formed")).collect()
});

fn read(line: &'static str) -> Option<State> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [code, name, zones, areas, postcodes] = cells[..] else { return None };
    Some(State {
        code,
        name: name.to_uppercase(),
        zones: zones.split_ascii_whitespace().map(|zone| zone.parse().ok()).collect::<Option<_>>()?,
        areas: areas.split_ascii_whitespace().collect(),
        postcodes: postcodes
            .split_ascii_whitespace()
            .map(|range| range.split_once('-').unwrap_or((range, range)))
            .collect(),
    })
}

fn find(code: &str) -> Option<&'static State> {
    STATES.iter().find(|state| state.code == code)
}

fn states_with(fits: impl Fn(&State) -> bool) -> Vec<String> {
    STATES.iter().filter(|state| fits(state)).map(|state| state.code.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_address_tell_where_somebody_may_be() {
        for (number, address, expected) in [
            ("+13055550101", "", "US | US-FL | America/New_York"),
            ("+12025550101", "", "US | US-DC | America/New_York"),
            ("+17875550101", "", "US | US-PR | America/Puerto_Rico"),
            // A number of New York, an address in California: both laws, both clocks.
            ("+12125550101", "state=CA", "US | US-CA US-NY | America/Los_Angeles America/New_York"),
            ("+12125550101", "state=california", "US | US-CA US-NY | America/Los_Angeles America/New_York"),
            ("+12125550101", "zip=90210", "US | US-CA US-NY | America/Los_Angeles America/New_York"),
            (
                "+12125550101",
                "zip_code=90210-1234",
                "US | US-CA US-NY | America/Los_Angeles America/New_York",
            ),
            // Of Texas two zones.
            (
                "+12125550101",
                "state=TX",
                "US | US-NY US-TX | America/Chicago America/Denver America/New_York",
            ),
            ("+12125550101", "state=Bavaria", "US | US-NY | America/New_York"),
            ("+12125550101", "tz=america/denver", "US | US-NY | America/Denver America/New_York"),
            ("+14165550101", "", "CA | CA-ON | America/Toronto"),
            ("+14165550101", "postal_code=V5K 0A1", "CA | CA-BC CA-ON | "),
            ("+442079460018", "", "GB |  | Europe/London"),
            ("+442079460018", "country=Germany", "DE GB |  | Europe/London"),
            // A mobile of Australia may ring in Perth and in Sydney, unless somebody says where.
            ("+61412345678", "state=NSW", "AU | AU-NSW | Australia/Broken_Hill Australia/Sydney"),
            ("+61412345678", "tz=Australia/Perth", "AU |  | Australia/Perth"),
            ("+881612345678", "", " |  | "),
        ] {
            let attributes = address.split_once('=').map(|(key, cell)| (key.to_owned(), cell.to_owned()));
            let place = Place::of(&E164::from_e164(number).unwrap(), &attributes.into_iter().collect());
            let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
            let zones: Vec<&str> = place.zones.iter().map(|zone| zone.name()).collect();
            let said =
                format!("{} | {} | {}", words(&place.countries), words(&place.states), zones.join(" "));
            assert!(said.starts_with(expected), "{number} {address}: {said}");
        }
    }

    #[test]
    fn every_area_code_has_a_state_and_the_states_of_the_union_are_all_there() {
        let of = |country: &str| STATES.iter().filter(|state| state.code.starts_with(country)).count();
        assert_eq!((of("US-"), of("CA-"), of("AU-")), (56, 13, 8));
        let areas: usize = STATES.iter().map(|state| state.areas.len()).sum();
        assert!(areas > 410, "{areas}");
        assert!(STATES.iter().all(|state| !state.zones.is_empty()));
    }
}
