//! Where a call may be transferred to (REFER, RFC 3515). Nobody's REFER is followed unless the campaign allows it, and no
//! number is reached by one that could not be dialed by the rules for numbers: toll fraud comes by this door.

use crate::number::{self, E164, NumberFault, Region};
use serde::Deserialize;
use std::fmt;

/// Digits of the longest extension; more than these are a telephone number.
const EXTENSION_DIGITS_MAX: usize = 6;

/// What an agent may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allowed {
    /// Every REFER is declined.
    #[default]
    Never,
    /// To somebody whom we then call.
    Blind,
    /// Also into a call that the agent has made already (Replaces, RFC 3891).
    Attended,
}

/// The rules of one campaign.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// What an agent may do.
    pub allowed: Allowed,
    /// Telephone numbers that may be reached begin with one of these; extensions of the agents' PBX always may.
    pub prefixes: Vec<String>,
}

/// Whom a transfer is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Somebody of the agents' own PBX.
    Extension(String),
    /// A telephone number; the engine still holds it against the do-not-call list.
    Number(E164),
}

/// Why a transfer is declined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Declined {
    /// The campaign allows none, or none of this kind.
    NotAllowed,
    /// It leads to another domain than the agents' PBX.
    ForeignDomain,
    /// It names nobody.
    Nobody,
    /// It is no number that may ever be dialed: premium, satellite, unassigned.
    Number(NumberFault),
    /// No prefix allows it.
    Prefix,
    /// The number is on the do-not-call list.
    DoNotCall,
    /// The number is being dialed already.
    InFlight,
    /// Nobody is dialed any more: by the operator's switch, or because the engine is on its way out.
    NoDialing,
    /// No trunk carries it now.
    NoTrunk,
}

impl Declined {
    /// The status that says so.
    pub fn status(self) -> u16 {
        match self {
            Declined::NoTrunk | Declined::NoDialing => 503,
            Declined::InFlight => 486,
            _ => 603,
        }
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Declined::NotAllowed => f.write_str("the campaign does not allow it"),
            Declined::ForeignDomain => f.write_str("it leads out of the agents' PBX"),
            Declined::Nobody => f.write_str("it names nobody"),
            Declined::Number(fault) => write!(f, "the number may not be dialed ({})", fault.as_str()),
            Declined::Prefix => f.write_str("no prefix of transfer_prefixes allows the number"),
            Declined::DoNotCall => f.write_str("the number is on the do-not-call list"),
            Declined::InFlight => f.write_str("the number is being dialed already"),
            Declined::NoDialing => f.write_str("no number is dialed now"),
            Declined::NoTrunk => f.write_str("no trunk carries it now"),
        }
    }
}

/// What a Refer-To URI means, by the campaign's rules. `domains` are those of the agents' PBX.
pub fn destination(
    uri: &str,
    replaces: bool,
    rules: &Rules,
    domains: &[&str],
    region: Option<Region>,
) -> Result<Destination, Declined> {
    let least = if replaces { Allowed::Attended } else { Allowed::Blind };
    if rules.allowed < least {
        return Err(Declined::NotAllowed);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(Declined::Nobody)?;
    let user = match scheme.to_ascii_lowercase().as_str() {
        "tel" => rest.split(';').next().unwrap_or_default(),
        "sip" | "sips" => {
            let (user, host) = rest.split_once('@').ok_or(Declined::Nobody)?;
            let host = host.split([';', '?']).next().unwrap_or_default();
            let is_ours = |domain: &&str| bare(domain).eq_ignore_ascii_case(bare(host));
            if !domains.iter().any(is_ours) {
                return Err(Declined::ForeignDomain);
            }
            user.split([';', ':']).next().unwrap_or_default()
        }
        _ => return Err(Declined::Nobody),
    };
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | '*' | '#' | '(' | ')');
    if user.is_empty() || !user.chars().all(is_plain) {
        return Err(Declined::Nobody);
    }
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let has_letters = user.chars().any(|c| c.is_ascii_alphabetic());
    if scheme.eq_ignore_ascii_case("tel")
        || user.starts_with('+')
        || (digits > EXTENSION_DIGITS_MAX && !has_letters)
    {
        let number = number::parse(user, region).map_err(Declined::Number)?;
        let allowed = rules.prefixes.iter().any(|prefix| number.as_str().starts_with(prefix.as_str()));
        return if allowed { Ok(Destination::Number(number)) } else { Err(Declined::Prefix) };
    }
    // A word that hides a number from these rules is for no PBX.
    if digits > EXTENSION_DIGITS_MAX {
        Err(Declined::Nobody)
    } else {
        Ok(Destination::Extension(user.to_owned()))
    }
}

/// A host without its port.
fn bare(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_22_a_refer_reaches_extensions_and_allowed_prefixes_and_never_a_premium_number() {
        let region = Region::from_code("US");
        let rules =
            Rules { allowed: Allowed::Blind, prefixes: vec!["+1202".into(), "+1900".into(), "+88".into()] };
        let number = |text| Ok(Destination::Number(E164::from_e164(text).unwrap()));
        let extension = |text: &str| Ok(Destination::Extension(text.to_owned()));
        let table = [
            ("sip:700@pbx.example", extension("700")),
            ("sip:700@PBX.example:5060;transport=tcp", extension("700")),
            ("sips:support@pbx.example", extension("support")),
            ("sip:+12025550123@pbx.example", number("+12025550123")),
            ("sip:2025550123@pbx.example;user=phone", number("+12025550123")),
            ("tel:+1-202-555-0123", number("+12025550123")),
            ("sip:+12125550123@pbx.example", Err(Declined::Prefix)),
            // Even where a prefix would let them through.
            ("sip:+19005550123@pbx.example", Err(Declined::Number(NumberFault::Premium))),
            ("sip:+88216123456@pbx.example", Err(Declined::Number(NumberFault::Global))),
            ("tel:+88216123456", Err(Declined::Number(NumberFault::Global))),
            ("sip:+12025550123@evil.example", Err(Declined::ForeignDomain)),
            ("sip:700@pbx.example.evil", Err(Declined::ForeignDomain)),
            ("sip:pbx.example", Err(Declined::Nobody)),
            ("sip:0900123456x@pbx.example", Err(Declined::Nobody)),
            ("sip:7%30@pbx.example", Err(Declined::Nobody)),
            ("http://pbx.example/700", Err(Declined::Nobody)),
        ];
        for (uri, expected) in table {
            let found = destination(uri, false, &rules, &["pbx.example:5060"], region);
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn fault_22_what_is_not_allowed_is_declined_before_anything_is_looked_at() {
        let to = |allowed, replaces| {
            destination("sip:700@pbx", replaces, &Rules { allowed, prefixes: Vec::new() }, &["pbx"], None)
                .is_ok()
        };
        assert!(!to(Allowed::Never, false) && !to(Allowed::Never, true));
        assert!(to(Allowed::Blind, false) && !to(Allowed::Blind, true));
        assert!(to(Allowed::Attended, false) && to(Allowed::Attended, true));
        let nowhere = destination(
            "sip:+12025550123@pbx",
            false,
            &Rules { allowed: Allowed::Blind, prefixes: vec![] },
            &["pbx"],
            None,
        );
        assert_eq!(nowhere, Err(Declined::Prefix), "without prefixes no number is reached");
    }
}
