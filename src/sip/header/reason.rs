//! Reason: why a call ended, in another protocol's words (RFC 3326); and Retry-After (RFC 3261 section 20.33).

use super::list::split;
use super::parameters::Parameters;
use crate::sip::malformed::Malformed;
use std::time::Duration;

/// One Reason value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// `Q.850`, `SIP` and so on.
    pub protocol: String,
    /// The cause in that protocol's numbers.
    pub cause: Option<u16>,
    /// The words beside it; empty when there are none.
    pub text: String,
}

impl Reason {
    /// Reads one value: `Q.850 ;cause=16 ;text="Normal call clearing"`.
    pub fn parse(text: &str) -> Result<Reason, Malformed> {
        let end = text.find(';').unwrap_or(text.len());
        let protocol = text[..end].trim();
        if protocol.is_empty() {
            return Err(Malformed::new("Reason", "names no protocol"));
        }
        let parameters = Parameters::parse(&text[end..])?;
        Ok(Reason {
            protocol: protocol.to_owned(),
            cause: parameters.get("cause").and_then(|cause| cause.parse().ok()),
            text: parameters.get("text").unwrap_or("").to_owned(),
        })
    }

    /// The cause, when it is one of Q.850.
    pub fn q850(&self) -> Option<u16> {
        let name = self.protocol.as_str();
        let is_q850 = name.eq_ignore_ascii_case("Q.850") || name.eq_ignore_ascii_case("Q850");
        self.cause.filter(|_| is_q850)
    }
}

/// What a Q.850 cause that we give means, in its own words (ITU-T Q.850, table 1).
pub fn words_of(q850: u16) -> &'static str {
    match q850 {
        16 => "Normal call clearing",
        17 => "User busy",
        18 => "No user responding",
        19 => "No answer from user",
        21 => "Call rejected",
        31 => "Normal, unspecified",
        41 => "Temporary failure",
        88 => "Incompatible destination",
        102 => "Recovery on timer expiry",
        _ => "",
    }
}

/// Reads `5;duration=3600 (maintenance)` as five seconds. The grammar knows no highest number: what is above 2^32-1 s, the most
/// of any `delta-seconds` that has a bound, is as long.
pub fn retry_after(text: &str) -> Option<Duration> {
    let digits = split(text, b';').next()?.split(|c: char| !c.is_ascii_digit()).next()?;
    let seconds = || digits.parse().unwrap_or(u32::MAX);
    (!digits.is_empty()).then(|| Duration::from_secs(seconds().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_read_with_its_protocol() {
        let reason = Reason::parse("Q.850 ;cause=17 ;text=\"User busy\"").unwrap();
        assert_eq!((reason.q850(), reason.text.as_str()), (Some(17), "User busy"));
        let reason = Reason::parse("SIP;cause=200;text=\"Call completed elsewhere\"").unwrap();
        assert_eq!((reason.q850(), reason.cause), (None, Some(200)));
        assert!(Reason::parse(";cause=1").is_err());
        assert_eq!(Reason::parse("q.850;cause=many").unwrap().q850(), None);
    }

    #[test]
    fn the_seconds_of_retry_after_are_read() {
        let table = [
            ("18000;duration=3600", Some(18_000)),
            (" 120 (I'm in a meeting)", Some(120)),
            ("5", Some(5)),
            ("", None),
            ("soon", None),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
        ];
        for (text, seconds) in table {
            assert_eq!(retry_after(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
