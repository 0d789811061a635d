//! From a number to the time zones where its phone may ring.
//!
//! `zones.txt` is libphonenumber's map; its header names source and licence. The longest prefix counts, but only
//! for numbers that are bound to a place: a mobile or toll-free number may ring anywhere in its country, so it gets
//! all zones of its country code.

use super::{DIGITS_MAX, E164};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The zones where the phone of `number` may ring; none when the map does not know the country code (satellite
/// and other global services).
///
/// A window must be open in all of them before the number is dialed.
pub fn zones(number: &E164) -> &'static [Tz] {
    TABLE.longest_prefix(number.digits(), telling_digits(number))
}

/// A set of zones that numbers share, as one number that the store can keep: the same in every version of the program, as
/// long as the zones have their names. Zero stands for no zone at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ZoneGroup(pub u32);

impl ZoneGroup {
    /// The group of a number.
    pub fn of(number: &E164) -> ZoneGroup {
        ZoneGroup::of_zones(zones(number))
    }

    /// Every group that a number may be of, with its zones; the one without zones is not among them.
    pub fn all() -> impl Iterator<Item = (ZoneGroup, &'static [Tz])> {
        TABLE.sets.iter().map(|zones| (ZoneGroup::of_zones(zones), zones.as_slice()))
    }

    /// FNV-1a over the names: made to tell short texts apart, and written down here rather than in a library that may
    /// change its mind.
    fn of_zones(zones: &[Tz]) -> ZoneGroup {
        if zones.is_empty() {
            return ZoneGroup::default();
        }
        let bytes = zones.iter().flat_map(|zone| zone.name().bytes().chain([b' ']));
        let hash =
            bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        ZoneGroup(hash.max(1))
    }
}

/// The country or territory whose numbering plan has the number, as an ISO 3166 code; none for numbers of no country.
pub fn country(number: &E164) -> Option<String> {
    let parsed = rlibphonenumber::PhoneNumber::parse(number.as_str(), None).ok()?;
    let code = parsed.country_code;
    let main = || rlibphonenumber::PHONE_NUMBER_UTIL.get_region_for_country_code(code);
    // A number that its plan does not have (yet) is still of the country whose code it begins with.
    let region = parsed.get_region_code().or_else(main)?.as_region_str();
    region.bytes().all(|byte| byte.is_ascii_uppercase()).then(|| region.to_string())
}

/// Whether the number says where its phone is: a fixed line, or a mobile where mobiles have area codes.
pub fn is_bound_to_a_place(number: &E164) -> bool {
    telling_digits(number) == DIGITS_MAX
}

/// How many digits tell where the phone is: all of a fixed line's (and of a mobile's where mobiles have area codes),
/// else the country code.
fn telling_digits(number: &E164) -> usize {
    match rlibphonenumber::PhoneNumber::parse(number.as_str(), None) {
        Ok(parsed) if parsed.is_geographical() => DIGITS_MAX,
        Ok(parsed) => parsed.country_code.to_string().len(),
        Err(_) => 0,
    }
}

/// The map as text, part of the program.
const TEXT: &str = include_str!("zones.txt");

/// The same, read once; it never changes.
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT).expect("the map of zones is well formed"));

struct Table {
    sets: Vec<Vec<Tz>>,
    by_prefix: BTreeMap<&'static str, usize>,
}

impl Table {
    /// An unindented line opens a set of zones, the indented lines under it list its prefixes.
    fn read(text: &'static str) -> Result<Table, String> {
        let mut table = Table { sets: Vec::new(), by_prefix: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with(' ') {
                let set = table.sets.len().checked_sub(1).ok_or("prefixes before any zone")?;
                table.by_prefix.extend(line.split_ascii_whitespace().map(|prefix| (prefix, set)));
            } else {
                let zones = line.split_ascii_whitespace().map(|name| name.parse::<Tz>());
                let zones: Result<Vec<Tz>, _> = zones.collect();
                table.sets.push(zones.map_err(|_| format!("an unknown zone in: {line}"))?);
            }
        }
        Ok(table)
    }

    fn longest_prefix(&self, digits: &str, longest: usize) -> &[Tz] {
        (1..=longest.min(digits.len()))
            .rev()
            .find_map(|length| self.by_prefix.get(&digits[..length]))
            .map_or(&[], |set| &self.sets[*set])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_map_is_read_and_every_zone_is_known() {
        let table = Table::read(TEXT).unwrap();
        assert!(table.by_prefix.len() > 3_000, "{}", table.by_prefix.len());
        assert!(table.sets.iter().all(|set| !set.is_empty()));
        assert!(table.by_prefix.keys().all(|prefix| prefix.bytes().all(|b| b.is_ascii_digit())));
    }

    #[test]
    fn a_number_bound_to_a_place_has_the_zones_of_its_longest_prefix() {
        for (number, expected) in [
            ("+12025550101", "America/New_York"),
            ("+13125550101", "America/Chicago"),
            ("+18085550101", "Pacific/Honolulu"),
            ("+442079460018", "Europe/London"),
            ("+493012345678", "Europe/Berlin"),
            ("+551123456789", "America/Sao_Paulo"),
            ("+5511961234567", "America/Sao_Paulo"),
            ("+919810012345", "Asia/Calcutta"),
            ("+61212345678", "Australia/Sydney"),
        ] {
            assert_eq!(names(number), expected, "{number}");
        }
    }

    #[test]
    fn a_mobile_may_ring_anywhere_in_its_country() {
        assert!(names("+61412345678").contains("Australia/Perth"));
        assert!(names("+61412345678").contains("Australia/Sydney"));
        assert_eq!(names("+34612345678"), "Atlantic/Canary Europe/Madrid");
        assert_eq!(names("+4915123456789"), "Europe/Berlin");
    }

    #[test]
    fn a_number_of_no_country_has_no_zone() {
        assert_eq!(names("+881612345678"), "");
        assert_eq!(names("+999123456"), "");
    }

    #[test]
    fn every_set_of_zones_is_a_group_of_its_own() {
        let groups: std::collections::BTreeMap<_, _> = ZoneGroup::all().collect();
        let sets: std::collections::BTreeSet<String> =
            ZoneGroup::all().map(|(_, zones)| format!("{zones:?}")).collect();
        assert_eq!(groups.len(), sets.len(), "two sets of zones in one group");
        let number = E164::from_e164("+12025550101").unwrap();
        assert_eq!(groups[&ZoneGroup::of(&number)], zones(&number));
        // Kept in databases: it must not change.
        assert_eq!(ZoneGroup::of(&number), ZoneGroup(1_837_597_492));
        assert_eq!(ZoneGroup::of(&E164::from_e164("+999123456").unwrap()), ZoneGroup(0));
    }

    #[test]
    fn a_number_is_of_the_country_of_its_plan() {
        for (number, expected) in [
            ("+12025550101", Some("US")),
            ("+14165550101", Some("CA")),
            ("+17875550101", Some("PR")),
            ("+442079460018", Some("GB")),
            ("+33123456789", Some("FR")),
            ("+4915123456789", Some("DE")),
            ("+61412345678", Some("AU")),
            ("+881612345678", None),
        ] {
            assert_eq!(country(&E164::from_e164(number).unwrap()).as_deref(), expected, "{number}");
        }
    }

    fn names(number: &str) -> String {
        let number = E164::from_e164(number).unwrap();
        zones(&number).iter().map(|zone| zone.name()).collect::<Vec<_>>().join(" ")
    }
}
