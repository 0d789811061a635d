//! `;name=value;flag` behind a header's value (RFC 3261 section 7.3.1).

use super::list::{is_quoted_string, quote_into, split_with_empty, unquote};
use crate::sip::malformed::Malformed;
use crate::sip::method::is_token_byte;
use std::fmt::{self, Write};

/// The most parameters that one value may carry.
pub const PARAMETERS_MAX: usize = 64;

/// Header parameters in their order. Values are held without quotes and escapes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameters {
    entries: Vec<(String, Option<String>)>,
}

impl Parameters {
    /// Reads what follows the value: `;tag=x ; lr`, blanks allowed everywhere. One semicolon too many at the end is a
    /// known slip of some senders; more than one in a row is no parameter.
    pub fn parse(text: &str) -> Result<Parameters, Malformed> {
        let mut entries = Vec::new();
        let text = text.trim();
        let Some(text) = text.strip_prefix(';') else {
            let nothing = text.is_empty();
            let fault = Malformed::new("parameters", "do not begin with a semicolon");
            return if nothing { Ok(Parameters { entries }) } else { Err(fault) };
        };
        let mut parts = split_with_empty(text, b';').peekable();
        while let Some(part) = parts.next() {
            if entries.len() == PARAMETERS_MAX {
                return Err(Malformed::new("parameters", "are more than 64"));
            }
            if part.is_empty() && parts.peek().is_none() && !entries.is_empty() {
                break;
            }
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(read_value(value.trim())?)),
                None => (part, None),
            };
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return Err(Malformed::new("parameters", "hold a name that is not a token"));
            }
            entries.push((name.to_owned(), value));
        }
        Ok(Parameters { entries })
    }

    /// The value of a parameter, `Some("")` when it stands without one. Names are compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().unwrap_or(""))
    }

    /// How often a parameter stands there; more than once is a fault (section 7.3.1).
    pub fn count(&self, name: &str) -> usize {
        self.entries.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count()
    }

    /// Sets a parameter in place, or appends it.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.entries.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// All parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, ";{name}")?;
            match value {
                None => {}
                Some(value) if is_bare(value) => write!(f, "={value}")?,
                Some(value) => {
                    let mut quoted = String::new();
                    quote_into(&mut quoted, value);
                    f.write_char('=')?;
                    f.write_str(&quoted)?;
                }
            }
        }
        Ok(())
    }
}

/// A value without its quotes; those that were opened must be closed, and nothing may stand behind them.
fn read_value(text: &str) -> Result<String, Malformed> {
    if text.starts_with('"') && !is_quoted_string(text) {
        return Err(Malformed::new("parameters", "hold a quote that is not closed"));
    }
    Ok(unquote(text))
}

/// Whether a value may stand without quotes: a token or a host.
fn is_bare(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| is_token_byte(b) || b"[]:".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_quotes_and_flags_are_read() {
        let parameters = Parameters::parse(" ; Tag = a1 ;lr; +sip.instance=\"<urn:uuid:1;2>\";e=").unwrap();
        assert_eq!(parameters.get("tag"), Some("a1"));
        assert_eq!(parameters.get("lr"), Some(""));
        assert_eq!(parameters.get("+SIP.instance"), Some("<urn:uuid:1;2>"));
        assert_eq!(parameters.get("e"), Some(""));
        assert_eq!(parameters.get("none"), None);
        assert_eq!(parameters.to_string(), ";Tag=a1;lr;+sip.instance=\"<urn:uuid:1;2>\";e=\"\"");
    }

    #[test]
    fn setting_replaces_in_place_and_removing_forgets() {
        let mut parameters = Parameters::parse(";rport;branch=z9hG4bK1").unwrap();
        parameters.set("rport", Some("5060"));
        parameters.set("received", Some("2001:db8::1"));
        assert_eq!(parameters.to_string(), ";rport=5060;branch=z9hG4bK1;received=2001:db8::1");
        parameters.remove("BRANCH");
        assert_eq!(parameters.get("branch"), None);
    }

    #[test]
    fn too_many_parameters_are_refused() {
        assert!(Parameters::parse(&";a=1".repeat(PARAMETERS_MAX)).is_ok());
        assert!(Parameters::parse(&";a=1".repeat(PARAMETERS_MAX + 1)).is_err());
        for text in [";=x", ";a b=x", "a=1", ";", ";;", ";a;;", ";;a", ";a=\"x", ";a=\"x\"y", ";a=\"x\\\""] {
            assert!(Parameters::parse(text).is_err(), "{text}");
        }
        assert_eq!(Parameters::parse(";a=1 ; ").unwrap().to_string(), ";a=1");
    }
}
