//! The headers of a message, in their order (RFC 3261 section 7.3).

use super::names;
use crate::sip::header::{CSeq, NameAddr, Via, list};
use crate::sip::malformed::Malformed;
use std::fmt;

/// As many as most messages have.
const USUAL: usize = 16;

/// Headers over rsip's. Names are compared without case, and a compact name finds its long form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headers {
    list: Vec<rsip::Header>,
}

impl Headers {
    /// None yet, with room for as many as a message usually has.
    pub(super) fn with_room() -> Self {
        Headers { list: Vec::with_capacity(USUAL) }
    }

    /// All headers with their names (long forms) and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|header| (names::name(header), names::value(header)))
    }

    /// The first value of a header, the whole of it where it is a comma list (but Via, Route, Record-Route and
    /// Contact are one by one in a message that was read).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines(name).next()
    }

    /// All values of a header, comma lists taken apart where the header allows them.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let is_list = names::is_list(names::long_name(name));
        self.lines(name).flat_map(move |value| {
            let (parts, whole) =
                if is_list { (Some(list::split(value, b',')), None) } else { (None, Some(value)) };
            parts.into_iter().flatten().chain(whole)
        })
    }

    /// How often a header stands there.
    pub fn count(&self, name: &str) -> usize {
        self.lines(name).count()
    }

    /// Whether a list header (`Supported`, `Require`, `Allow`) names `token`, compared without case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Appends a header. Line ends and other control characters in the value become blanks, so no value can
    /// smuggle in a header of its own.
    pub fn push(&mut self, name: &str, value: &str) {
        self.list.push(names::header(name, clean(value)));
    }

    /// Puts a header before all others of its name; before everything when there is none.
    pub fn push_front(&mut self, name: &str, value: &str) {
        let at = self.position(name).unwrap_or(0);
        self.list.insert(at, names::header(name, clean(value)));
    }

    /// Makes this the only header of its name, in the place of the first one if there was one.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.position(name) {
            None => self.push(name, value),
            Some(first) => {
                self.remove(name);
                self.list.insert(first, names::header(name, clean(value)));
            }
        }
    }

    /// Replaces the first header of its name and leaves the others: the topmost Via, say.
    pub fn set_first(&mut self, name: &str, value: &str) {
        match self.position(name) {
            None => self.push(name, value),
            Some(first) => self.list[first] = names::header(name, clean(value)),
        }
    }

    /// Takes out every header of this name.
    pub fn remove(&mut self, name: &str) {
        let name = names::long_name(name);
        self.list.retain(|header| !names::name(header).eq_ignore_ascii_case(name));
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, Malformed> {
        match self.get("Call-ID") {
            Some(call_id) if !call_id.is_empty() => Ok(call_id),
            _ => Err(Malformed::new("Call-ID", "is missing")),
        }
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, Malformed> {
        self.read("CSeq", CSeq::parse)
    }

    /// The topmost Via.
    pub fn via_top(&self) -> Result<Via, Malformed> {
        self.read("Via", Via::parse)
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, Malformed> {
        self.read("From", NameAddr::parse)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, Malformed> {
        self.read("To", NameAddr::parse)
    }

    /// The Contacts that can be read; the others, and `*`, are left out.
    pub fn contacts(&self) -> Vec<NameAddr> {
        self.all("Contact").filter_map(|value| NameAddr::parse(value).ok()).collect()
    }

    /// The Record-Routes from top to bottom. One that cannot be read spoils them all: a route with a gap leads
    /// elsewhere.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, Malformed> {
        self.all("Record-Route").map(NameAddr::parse).collect()
    }

    /// The Routes from top to bottom.
    pub fn routes(&self) -> Result<Vec<NameAddr>, Malformed> {
        self.all("Route").map(NameAddr::parse).collect()
    }

    /// Reads the first value of a header that must be there; a fault in it is the header's.
    fn read<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let value = self.all(name).next().ok_or(Malformed::new(name, "is missing"))?;
        parse(value).map_err(|error| error.in_place(name))
    }

    fn lines<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let name = names::long_name(name);
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn position(&self, name: &str) -> Option<usize> {
        let name = names::long_name(name);
        self.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|header| write!(f, "{header}\r\n"))
    }
}

/// A value on one line: control characters become blanks, and none stands at either end.
pub(super) fn clean(value: &str) -> String {
    let value = value.trim();
    let is_clean = match value.is_ascii() {
        true => !value.bytes().any(|byte| byte.is_ascii_control()),
        false => !value.chars().any(char::is_control),
    };
    if is_clean {
        return value.to_owned();
    }
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::default();
        list.iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }

    #[test]
    fn names_are_compared_without_case_and_compact_ones_are_known() {
        let headers = headers(&[("i", "abc"), ("X-Odd", "1")]);
        assert_eq!(headers.call_id(), Ok("abc"));
        assert_eq!(headers.get("CALL-id"), Some("abc"));
        assert_eq!(headers.get("I"), Some("abc"));
        assert_eq!(headers.get("x-odd"), Some("1"));
        assert_eq!(headers.get("y-odd"), None);
    }

    #[test]
    fn comma_lists_are_taken_apart_only_where_the_header_allows_them() {
        let headers = headers(&[
            ("Supported", "100rel, timer"),
            ("k", "replaces"),
            ("Date", "Sat, 21 Nov 2026 11:30:00 GMT"),
        ]);
        assert_eq!(headers.all("Supported").collect::<Vec<_>>(), ["100rel", "timer", "replaces"]);
        assert_eq!(headers.all("Date").count(), 1);
        assert!(headers.lists("Supported", "TIMER"));
        assert!(!headers.lists("Supported", "path"));
    }

    #[test]
    fn a_value_with_line_ends_stays_one_header() {
        let headers = headers(&[("Subject", "hi\r\nBcc: all\0")]);
        assert_eq!(headers.to_string(), "Subject: hi  Bcc: all\r\n");
    }

    #[test]
    fn headers_are_put_where_they_belong() {
        let mut headers = headers(&[("Via", "a"), ("Via", "b"), ("To", "c")]);
        headers.push_front("Via", "z");
        headers.set_first("v", "y");
        headers.set("To", "d");
        headers.push_front("Route", "r");
        assert_eq!(headers.to_string(), "Route: r\r\nVia: y\r\nVia: a\r\nVia: b\r\nTo: d\r\n");
        headers.set("Via", "only");
        headers.remove("route");
        assert_eq!(headers.to_string(), "Via: only\r\nTo: d\r\n");
    }
}
