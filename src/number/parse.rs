//! From what people write into lists to E.164, or a fault that says what to do.
//!
//! The numbering plans are libphonenumber's. On top of them stands what a dialer must refuse: numbers that bill the
//! caller, numbers of no country, short and emergency numbers, and cells in which the number was already lost.

use super::E164;
use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberType};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The longest text that is looked at as a number; anything longer is no number.
pub const TEXT_BYTES_MAX: usize = 64;

/// A country whose way of writing numbers is assumed where a number has no `+`: an ISO 3166 code such as `US`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region(rlibphonenumber::Region);

impl Region {
    /// The region of a two-letter code, if it has a numbering plan.
    pub fn from_code(code: &str) -> Option<Region> {
        let region: rlibphonenumber::Region = code.parse().ok()?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Region(region))
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
        let code = String::deserialize(deserializer)?;
        Region::from_code(&code).ok_or_else(|| {
            serde::de::Error::custom(format!("{code:?} is no region: write an ISO 3166 code such as \"US\""))
        })
    }
}

/// Why a text is not a number that may be dialed. `Display` says what to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NumberFault {
    /// Nothing is written.
    Empty,
    /// It has letters or signs that no number has.
    NotANumber,
    /// A spreadsheet has turned the number into `1.2E+10` and lost its last digits.
    Rounded,
    /// It carries an extension, which a dialer cannot dial.
    Extension,
    /// There is no `+` and no default region.
    NoCountry,
    /// The country code does not exist.
    UnknownCountry,
    /// Too few digits.
    TooShort,
    /// Too many digits.
    TooLong,
    /// The numbering plan has no such number.
    Unassigned,
    /// Calling it costs more than a call: premium rate or shared cost.
    Premium,
    /// A pager, a voicemail access number: nobody to talk with.
    NoTelephone,
    /// A satellite or other service of no country.
    Global,
}

impl NumberFault {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            NumberFault::Empty => "empty",
            NumberFault::NotANumber => "not_a_number",
            NumberFault::Rounded => "rounded",
            NumberFault::Extension => "extension",
            NumberFault::NoCountry => "no_country",
            NumberFault::UnknownCountry => "unknown_country",
            NumberFault::TooShort => "too_short",
            NumberFault::TooLong => "too_long",
            NumberFault::Unassigned => "unassigned",
            NumberFault::Premium => "premium",
            NumberFault::NoTelephone => "no_telephone",
            NumberFault::Global => "global",
        }
    }
}

impl fmt::Display for NumberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NumberFault::Empty => "the number is missing: fill it in or delete the row",
            NumberFault::NotANumber => "not a telephone number: write digits, one number in the cell",
            NumberFault::Rounded => {
                "a spreadsheet has rounded the number and its last digits are lost: format the column as text and \
                 export the list again"
            }
            NumberFault::Extension => "the number has an extension, which cannot be dialed: remove it",
            NumberFault::NoCountry => {
                "the number has no country code: write it with + or set default_region for the campaign"
            }
            NumberFault::UnknownCountry => "no country has this code: correct the digits after the +",
            NumberFault::TooShort => {
                "too short for a subscriber's number (emergency and short numbers are never dialed): complete it"
            }
            NumberFault::TooLong => "too long for a telephone number: correct it, one number in the cell",
            NumberFault::Unassigned => {
                "the country's numbering plan has no such number: correct it, or the default_region"
            }
            NumberFault::Premium => "a premium-rate or shared-cost number, which bills the caller: remove it",
            NumberFault::NoTelephone => "a pager or voicemail access number: remove it",
            NumberFault::Global => "a satellite or global service of no country, which is never dialed: remove it",
        })
    }
}

/// Reads a number as people write it. `default_region` serves numbers without a `+`.
pub fn parse(text: &str, default_region: Option<Region>) -> Result<E164, NumberFault> {
    let text = bare(text);
    check_characters(text)?;
    let parsed = PhoneNumber::parse(text, default_region.map(|region| region.0))
        .map_err(|error| fault_of(error, text, default_region))?;
    if parsed.extension.is_some() {
        return Err(NumberFault::Extension);
    }
    if text.chars().any(char::is_alphabetic) {
        return Err(NumberFault::NotANumber);
    }
    check_plan(&parsed)?;
    E164::from_e164(&parsed.to_string()).ok_or(NumberFault::Unassigned)
}

/// The number as its own country dials it, without the country code: the national significant number.
pub fn national(number: &E164) -> String {
    match PhoneNumber::parse(number.as_str(), None) {
        Ok(parsed) => parsed.get_national_significant_number(),
        // A number of no known plan has no national form; whole, it at least reaches whom it names.
        Err(_) => number.digits().to_owned(),
    }
}

/// Without what wraps a number in lists: blanks, the apostrophe of spreadsheets, the scheme of a `tel:` URI.
fn bare(text: &str) -> &str {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let text = text.strip_prefix('\'').unwrap_or(text);
    text.strip_prefix("tel:").unwrap_or(text).trim()
}

fn check_characters(text: &str) -> Result<(), NumberFault> {
    if text.is_empty() {
        return Err(NumberFault::Empty);
    }
    if is_rounded(text) {
        return Err(NumberFault::Rounded);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(NumberFault::TooLong);
    }
    // libphonenumber takes the first of several numbers and drops the rest: `a / b`, `a; b`, `a, b`, `a or b`.
    let several = text.chars().any(|c| matches!(c, ';' | ',' | '|' | '\\' | '&' | '=' | '@' | '*' | '#'));
    // Nor may a slash stand between two whole numbers; within one it parts the area code, as in 030/123456.
    let halves = text.split('/').filter(|half| digits(half) >= 7).count();
    // A sign before the first digit other than + and ( is a formula or worse.
    if several || halves > 1 || text.matches('+').count() > 1 {
        return Err(NumberFault::NotANumber);
    }
    Ok(())
}

fn digits(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

/// `1.20256E+10`, `4,91512E+12`: a floating-point number.
fn is_rounded(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let exponent = exponent.trim_start_matches(['+', '-']);
    let numeric = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    numeric(mantissa)
        && mantissa.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',')
        && numeric(exponent)
        && exponent.bytes().all(|b| b.is_ascii_digit())
}

fn fault_of(error: ParseError, text: &str, default_region: Option<Region>) -> NumberFault {
    match error {
        // Also reported when there is neither a + nor a region.
        ParseError::InvalidCountryCode
            if default_region.is_none() && !text.starts_with(['+', '\u{ff0b}']) =>
        {
            NumberFault::NoCountry
        }
        ParseError::InvalidCountryCode => NumberFault::UnknownCountry,
        ParseError::NotANumber(_) if digits(text) < 3 && digits(text) == text.chars().count() => {
            NumberFault::TooShort
        }
        ParseError::NotANumber(_) => NumberFault::NotANumber,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => NumberFault::TooShort,
        ParseError::TooLongNsn => NumberFault::TooLong,
    }
}

fn check_plan(parsed: &PhoneNumber) -> Result<(), NumberFault> {
    use rlibphonenumber::ValidationError;
    if is_of_no_country(parsed.country_code) {
        return Err(NumberFault::Global);
    }
    match parsed.is_possible_with_reason() {
        Err(ValidationError::TooShort) => return Err(NumberFault::TooShort),
        Err(ValidationError::TooLong) => return Err(NumberFault::TooLong),
        Err(ValidationError::InvalidCountryCode) => return Err(NumberFault::UnknownCountry),
        // The local part alone, without its area code, can be dialed by neighbours only.
        Ok(rlibphonenumber::NumberLengthType::IsPossibleLocalOnly) => return Err(NumberFault::TooShort),
        _ => {}
    }
    match parsed.get_type() {
        PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost => Err(NumberFault::Premium),
        PhoneNumberType::Pager | PhoneNumberType::VoiceMail => Err(NumberFault::NoTelephone),
        PhoneNumberType::Unknown => Err(NumberFault::Unassigned),
        _ if !parsed.is_valid() => Err(NumberFault::Unassigned),
        _ => Ok(()),
    }
}

/// Freephone, shared cost, satellite, personal and premium services that the ITU gave codes of their own.
fn is_of_no_country(country_code: i32) -> bool {
    matches!(country_code, 800 | 808 | 870 | 878 | 881 | 882 | 883 | 888 | 979)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, region, expected) in [
            ("12025550101", "US", "+12025550101"),
            ("(202) 555-0101", "US", "+12025550101"),
            ("202.555.0101", "US", "+12025550101"),
            (" +1 202 555 0101 ", "DE", "+12025550101"),
            ("'+12025550101", "US", "+12025550101"),
            ("tel:+1-202-555-0101", "US", "+12025550101"),
            ("011 49 1512 3456789", "US", "+4915123456789"),
            ("+4915123456789", "US", "+4915123456789"),
            ("030/12345678", "DE", "+493012345678"),
            ("0049 30 12345678", "FR", "+493012345678"),
            ("020 7946 0018", "GB", "+442079460018"),
            ("+44 (0)20 7946 0018", "US", "+442079460018"),
            ("06 12345678", "NL", "+31612345678"),
            ("02 1234 5678", "IT", "+390212345678"),
            ("+1 800 555 0199", "US", "+18005550199"),
            ("\u{ff0b}\u{ff11}2025550101", "US", "+12025550101"),
        ] {
            let read = parse(text, Region::from_code(region));
            assert_eq!(read.map(|n| n.to_string()), Ok(expected.to_owned()), "{text} in {region}");
        }
    }

    #[test]
    fn what_cannot_or_must_not_be_dialed_is_refused_with_its_reason() {
        for (text, region, expected) in [
            ("", Some("US"), NumberFault::Empty),
            ("  ", Some("US"), NumberFault::Empty),
            ("hello", Some("US"), NumberFault::NotANumber),
            ("1-800-FLOWERS", Some("US"), NumberFault::NotANumber),
            ("2025550101 / 2025550102", Some("US"), NumberFault::NotANumber),
            ("2025550101,2025550102", Some("US"), NumberFault::NotANumber),
            ("=2025550101", Some("US"), NumberFault::NotANumber),
            ("sip:2025550101@evil.example", Some("US"), NumberFault::NotANumber),
            ("1.20256E+10", Some("US"), NumberFault::Rounded),
            ("4,91512E+12", Some("DE"), NumberFault::Rounded),
            ("202-555-0101 ext. 12", Some("US"), NumberFault::Extension),
            ("2025550101x5", Some("US"), NumberFault::Extension),
            ("2025550101", None, NumberFault::NoCountry),
            ("+999 123 4567", Some("US"), NumberFault::UnknownCountry),
            ("911", Some("US"), NumberFault::TooShort),
            ("112", Some("DE"), NumberFault::TooShort),
            ("5550101", Some("US"), NumberFault::TooShort),
            ("7", Some("US"), NumberFault::TooShort),
            ("+1 202 555 01011", Some("US"), NumberFault::TooLong),
            ("123456789012345678901234567890", Some("US"), NumberFault::TooLong),
            ("000-000-0000", Some("US"), NumberFault::Unassigned),
            ("+1 123 456 7890", Some("US"), NumberFault::Unassigned),
            ("+1 900 555 0199", Some("US"), NumberFault::Premium),
            ("0900 1234567", Some("DE"), NumberFault::Premium),
            ("+44 909 879 0000", Some("US"), NumberFault::Premium),
            ("+881 612345678", Some("US"), NumberFault::Global),
            ("+800 12345678", Some("US"), NumberFault::Global),
            ("+979 123456789", Some("US"), NumberFault::Global),
        ] {
            let read = parse(text, region.and_then(Region::from_code));
            assert_eq!(read.map(|n| n.to_string()), Err(expected), "{text}");
        }
    }

    #[test]
    fn hostile_text_never_panics() {
        let mut rng = crate::rng::Rng::from_seed(4);
        let alphabet: Vec<char> = "0123456789+-() ./xe\u{ff11}\u{0661}\u{0}\u{feff}é;ext".chars().collect();
        for _ in 0..20_000 {
            let length = rng.below(40);
            let text: String =
                (0..length).map(|_| alphabet[rng.below(alphabet.len() as u64) as usize]).collect();
            if let Ok(number) = parse(&text, Region::from_code("US")) {
                assert_eq!(parse(number.as_str(), None), Ok(number.clone()), "{text:?}");
            }
        }
    }

    #[test]
    fn only_codes_with_a_numbering_plan_are_regions() {
        assert!(Region::from_code("US").is_some());
        assert!(Region::from_code("DE").is_some());
        for bad in ["XX", "usa", "", "1", "AQ"] {
            assert!(Region::from_code(bad).is_none(), "{bad}");
        }
    }
}
