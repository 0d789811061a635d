//! `"Name" <uri>;parameters`: From, To, Contact, Route, Record-Route and their like (RFC 3261 section 20.10).

use super::list::{find_outside_quotes, quote_into, unquote};
use super::parameters::Parameters;
use crate::sip::malformed::Malformed;
use crate::sip::uri::Uri;
use std::fmt;

/// An address with its display name and its header parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameAddr {
    /// The display name without quotes and escapes; empty when there is none.
    pub display: String,
    /// The address.
    pub uri: Uri,
    /// What follows it, such as `tag`, `expires` and `q`.
    pub parameters: Parameters,
}

impl NameAddr {
    /// An address alone.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr { display: String::new(), uri, parameters: Parameters::default() }
    }

    /// Reads one value, with or without angle brackets. Without them, whatever follows a semicolon belongs to the
    /// header and not to the URI (RFC 3261 section 20).
    pub fn parse(text: &str) -> Result<NameAddr, Malformed> {
        let text = text.trim();
        let Some(open) = find_outside_quotes(text, b'<') else { return NameAddr::parse_bare(text) };
        let inside = &text[open + 1..];
        let Some(close) = inside.find('>') else {
            return Err(Malformed::new("address", "has no closing bracket"));
        };
        let tail = inside[close + 1..].trim_start();
        if !tail.is_empty() && !tail.starts_with(';') {
            return Err(Malformed::new("address", "is followed by something that is no parameter"));
        }
        Ok(NameAddr {
            display: read_display(&text[..open])?,
            uri: Uri::parse(inside[..close].trim())?,
            parameters: Parameters::parse(tail)?,
        })
    }

    /// Refuses a tag that could not be told from another: two of them, an empty one, or one with blanks or separators
    /// in it (RFC 3261 section 19.3).
    pub(crate) fn check_tag(&self) -> Result<(), Malformed> {
        let usable = |tag: &str| {
            !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;<>".contains(&byte))
        };
        match (self.parameters.count("tag"), self.parameters.get("tag")) {
            (0, _) => Ok(()),
            (1, Some(tag)) if usable(tag) => Ok(()),
            (1, _) => Err(Malformed::new("address", "has a tag that is no token")),
            _ => Err(Malformed::new("address", "has two tags")),
        }
    }

    /// The dialog's tag, when there is one.
    pub fn tag(&self) -> Option<&str> {
        self.parameters.get("tag").filter(|tag| !tag.is_empty())
    }

    /// The same address with this tag.
    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.parameters.set("tag", Some(tag));
        self
    }

    fn parse_bare(text: &str) -> Result<NameAddr, Malformed> {
        let end = text.find(';').unwrap_or(text.len());
        // Whose headers, whose list: without brackets there is no telling (RFC 3261 section 20).
        if text[..end].bytes().any(|byte| matches!(byte, b'?' | b',')) {
            return Err(Malformed::new("address", "has a question mark or comma and no brackets"));
        }
        Ok(NameAddr {
            display: String::new(),
            uri: Uri::parse(text[..end].trim_end())?,
            parameters: Parameters::parse(&text[end..])?,
        })
    }
}

/// A quoted string, or words as they are; careless senders put more than tokens into the latter.
fn read_display(text: &str) -> Result<String, Malformed> {
    let text = text.trim();
    if text.starts_with('"') && (text.len() < 2 || !text.ends_with('"')) {
        return Err(Malformed::new("address", "has text between its quoted name and its bracket"));
    }
    Ok(unquote(text))
}

impl fmt::Display for NameAddr {
    /// Always with angle brackets: a bare URI's parameters would become the header's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            let mut quoted = String::new();
            quote_into(&mut quoted, &self.display);
            write!(f, "{quoted} ")?;
        }
        write!(f, "<{}>{}", self.uri, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_forms_of_an_address_are_read() {
        // text, display, uri, tag
        let table = [
            ("<sip:a@h>", "", "sip:a@h", None),
            ("<sip:a@h> ; tag=1", "", "sip:a@h", Some("1")),
            ("\"A. Doe\" <sip:a@h;lr>;tag=x-y", "A. Doe", "sip:a@h;lr", Some("x-y")),
            ("Anonymous Caller<sip:a@h>;tag=", "Anonymous Caller", "sip:a@h", None),
            ("sip:a@h;tag=2", "", "sip:a@h", Some("2")),
            ("tel:+15550100;tag=3", "", "tel:+15550100", Some("3")),
            (r#""say \"<hi>\"" <sip:a@h>"#, "say \"<hi>\"", "sip:a@h", None),
            ("\"\" <sip:a@h>", "", "sip:a@h", None),
            ("Zoë <sip:a@h>", "Zoë", "sip:a@h", None),
            ("< sip:a@h >;x=\"<y>\";TAG=4", "", "sip:a@h", Some("4")),
        ];
        for (text, display, uri, tag) in table {
            let address = NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((address.display.as_str(), address.uri.as_str()), (display, uri), "{text}");
            assert_eq!(address.tag(), tag, "{text}");
            assert_eq!(NameAddr::parse(&address.to_string()).unwrap(), address, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "<>",
            "<sip:a@h",
            "\"open <sip:a@h>",
            "\"a\" b <sip:a@h>",
            "<sip:a@h> x",
            "*",
            "sip:a@h?Subject=x",
            "<<sip:a@h>>",
            "<sip:a@h>>",
            "sip:a@h>",
            "<sip:a@h>;;",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
        }
    }
}
