//! Where a 3xx may send a call (RFC 3261, 8.1.3.4): nowhere, unless the trunk's table allows it, and then only to numbers.
//!
//! A redirection is somebody else's word about whom we ring and pay for. So only the number of a Contact is taken, never
//! its host: the new INVITE goes through the same trunk, after the number has passed the same rules as any other.

use std::fmt;

use crate::campaign::gate::Refusal;
use crate::engine::trunk::NumberFormat;
use crate::number::E164;
use crate::sip::uri::Uri;

/// The most that a trunk may allow: what leads farther leads in circles.
pub const REDIRECTS_MAX: u32 = 3;

/// No global number has fewer digits.
const DIGITS_MIN: usize = 7;

/// Contacts of one response that are looked at.
const CONTACTS_MAX: usize = 8;

/// Ranges that are nobody's home and dear to ring: satellites, international networks, shared-cost and premium numbers of
/// the ITU, premium numbers of the North American plan.
const DEAR: [&str; 9] = ["+870", "+878", "+881", "+882", "+883", "+888", "+979", "+1900", "+1976"];

/// Why a redirection is not followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The trunk allows none, or no more of them.
    NotAllowed,
    /// No Contact has an E.164 number.
    NoNumber,
    /// None of the trunk's prefixes begins this number, or it is of a range that is never followed to.
    Prefix(E164),
    /// The number is on the do-not-call list.
    Suppressed(E164),
    /// The number is being rung, or talks, already.
    InFlight(E164),
    /// It leads back to a number that was rung already.
    Circle(E164),
    /// A rule for numbers forbids it now: hours, a cap of the law, the rest between two attempts.
    Rule(E164, Refusal),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotAllowed => f.write_str("the trunk's redirects_max allows none"),
            Refused::NoNumber => f.write_str("it names no number"),
            Refused::Prefix(number) => write!(f, "redirect_prefixes do not allow {}", number.masked()),
            Refused::Suppressed(number) => write!(f, "{} is on the do-not-call list", number.masked()),
            Refused::InFlight(number) => write!(f, "{} is in a call already", number.masked()),
            Refused::Circle(number) => write!(f, "{} has been rung already", number.masked()),
            Refused::Rule(number, reason) => {
                write!(f, "{} may not be dialed now ({reason})", number.masked())
            }
        }
    }
}

/// What a trunk allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'t> {
    /// So many redirections more.
    pub left: u32,
    /// A number begins with one of them.
    pub prefixes: &'t [String],
    /// How numbers are written there: where it is without a plus, they are read so ...
    pub format: NumberFormat,
    /// ... and without what is put before them there.
    pub number_prefix: &'t str,
}

/// The number to ring instead: the first that a Contact names and the prefixes allow, `contacts` being in the order in which
/// they are to be tried. `rung` are those that this attempt has rung; those that are in flight belong to any.
pub fn follow(
    contacts: &[String],
    allowed: Allowed<'_>,
    rung: &[E164],
    is_suppressed: impl Fn(&E164) -> bool,
    is_in_flight: impl Fn(&E164) -> bool,
) -> Result<E164, Refused> {
    if allowed.left == 0 {
        return Err(Refused::NotAllowed);
    }
    let named = || contacts.iter().take(CONTACTS_MAX).filter_map(|contact| number_of(contact, allowed));
    let begins = |number: &E164, prefix: &str| !prefix.is_empty() && number.as_str().starts_with(prefix);
    let is_allowed = |number: &E164| {
        allowed.prefixes.iter().any(|prefix| begins(number, prefix))
            && !DEAR.iter().any(|dear| begins(number, dear))
    };
    let first = named().next().ok_or(Refused::NoNumber)?;
    let number = named().find(is_allowed).ok_or(Refused::Prefix(first))?;
    if is_suppressed(&number) {
        return Err(Refused::Suppressed(number));
    }
    if rung.contains(&number) {
        return Err(Refused::Circle(number));
    }
    if is_in_flight(&number) {
        return Err(Refused::InFlight(number));
    }
    Ok(number)
}

/// The global number of a `sip`, `sips` or `tel` URI; visual separators are left out (RFC 3966, 5.1.1). Short numbers, among
/// them those of emergency services, are none.
fn number_of(contact: &str, allowed: Allowed<'_>) -> Option<E164> {
    let uri = Uri::parse(contact).ok()?;
    let user = uri.user()?.split(';').next()?;
    let user = user
        .strip_prefix("%2B")
        .or(user.strip_prefix("%2b"))
        .map_or(user.to_owned(), |rest| format!("+{rest}"));
    let plain: String = user.chars().filter(|c| !"-.()".contains(*c)).collect();
    let is_bare = allowed.format == NumberFormat::Digits && !plain.starts_with('+');
    let plain = if is_bare {
        format!("+{}", plain.strip_prefix(allowed.number_prefix).unwrap_or(&plain))
    } else {
        plain
    };
    E164::from_e164(&plain).filter(|number| number.digits().len() >= DIGITS_MIN)
}

/// What is wrong with a trunk's settings.
pub fn faults(redirects_max: u32, prefixes: &[String]) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if redirects_max > REDIRECTS_MAX {
        faults.push(("redirects_max", format!("redirects_max must be at most {REDIRECTS_MAX}")));
    }
    if redirects_max > 0 && prefixes.is_empty() {
        let text = "redirects_max needs redirect_prefixes, such as [\"+1\"]: where may a redirection lead?";
        faults.push(("redirects_max", text.to_owned()));
    }
    let is_prefix = |prefix: &String| {
        prefix
            .strip_prefix('+')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(odd) = prefixes.iter().find(|prefix| !is_prefix(prefix)) {
        faults.push((
            "redirect_prefixes",
            format!("{odd:?} is no beginning of an E.164 number: write it as \"+1\""),
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> E164 {
        E164::from_e164(text).unwrap()
    }

    #[test]
    fn a_redirection_is_followed_only_as_far_as_the_rules_reach() {
        let prefixes = ["+1".to_owned(), "+88".to_owned()];
        let format = NumberFormat::Plus;
        let rung = [number("+12025550101")];
        let table: [(&[&str], u32, Result<&str, &str>); 15] = [
            (&["sip:+12025550102@evil.example"], 1, Ok("+12025550102")),
            (&["sip:alice@h", "tel:+1-202-555-0102"], 1, Ok("+12025550102")),
            (&["sip:%2B12025550102;npdi=yes@h"], 1, Ok("+12025550102")),
            (&["sip:+12025550102@h"], 0, Err("allows none")),
            (&["sip:alice@h", "mailto:x", "sip:2025550102@h"], 1, Err("no number")),
            (&[], 1, Err("no number")),
            (&["sip:+4915112345678@h"], 1, Err("prefixes")),
            (&["sip:+88213123456@h"], 1, Err("prefixes")),
            (&["sip:+19005550102@h"], 1, Err("prefixes")),
            (&["sip:+12025550199@h"], 1, Err("do-not-call")),
            (&["sip:+12025550101@h"], 1, Err("rung already")),
            (&["sip:+12025550155@h"], 1, Err("in a call already")),
            // What is dear or abroad is passed over ...
            (&["sip:+4915112345678@h", "sip:+12025550102@h"], 1, Ok("+12025550102")),
            (&["sip:+4915112345678@h", "sip:+12025550199@h"], 1, Err("do-not-call")),
            // ... but one that may not be rung for its own sake is no invitation to try the next.
            (&["sip:+12025550199@h", "sip:+12025550102@h"], 1, Err("do-not-call")),
        ];
        for (contacts, left, expected) in table {
            let contacts: Vec<String> = contacts.iter().map(|contact| (*contact).to_owned()).collect();
            let suppressed = |n: &E164| n.as_str() == "+12025550199";
            let in_flight = |n: &E164| ["+12025550101", "+12025550155"].contains(&n.as_str());
            let allowed = Allowed { left, prefixes: &prefixes, format, number_prefix: "" };
            let found = follow(&contacts, allowed, &rung, suppressed, in_flight);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_str(), expected),
                (Err(refused), Err(word)) => {
                    let said = refused.to_string();
                    assert!(said.contains(word) && !said.contains("555"), "{contacts:?}: {said}");
                }
                (found, expected) => panic!("{contacts:?}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn a_number_without_a_plus_is_one_where_the_trunk_writes_them_so() {
        for (contact, format, number_prefix, expected) in [
            ("sip:12025550102@h", NumberFormat::Digits, "", Some("+12025550102")),
            ("sip:+12025550102@h", NumberFormat::Digits, "", Some("+12025550102")),
            ("sip:9912025550102@h", NumberFormat::Digits, "99", Some("+12025550102")),
            ("sip:12025550102@h", NumberFormat::Digits, "99", Some("+12025550102")),
            ("sip:alice@h", NumberFormat::Digits, "", None),
            ("sip:112@h", NumberFormat::Digits, "", None),
            ("sip:+911@h", NumberFormat::Plus, "", None),
            ("sip:12025550102@h", NumberFormat::Plus, "", None),
            ("sip:2025550102@h", NumberFormat::National, "", None),
        ] {
            let read = number_of(contact, Allowed { left: 1, prefixes: &[], format, number_prefix });
            assert_eq!(read.as_ref().map(E164::as_str), expected, "{contact} {format:?}");
        }
    }

    #[test]
    fn settings_that_lead_anywhere_are_faults() {
        let keys = |max, prefixes: &[&str]| {
            let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            faults(max, &prefixes).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys(0, &[]), Vec::<&str>::new());
        assert_eq!(keys(1, &["+1", "+49"]), Vec::<&str>::new());
        assert_eq!(keys(1, &[]), ["redirects_max"]);
        assert_eq!(keys(4, &["1"]), ["redirects_max", "redirect_prefixes"]);
    }
}
