//! SIP, SIPS and `tel` URIs (RFC 3261 section 19.1, RFC 3966), kept byte for byte and read where they stand.
//!
//! Of other schemes (`urn:`, `http:`) only the scheme is read. The text is never rewritten: a target URI that a
//! peer gave must come back to it exactly as it was, or its ACK and BYE go astray.

use super::malformed::Malformed;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

/// The longest URI that is read, in bytes.
pub const URI_BYTES_MAX: usize = 4096;

/// A URI. Equality is that of the text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Uri {
    text: String,
    scheme_end: usize,
    user: Option<Range<usize>>,
    host: Range<usize>,
    port: Option<u16>,
    parameters: Range<usize>,
    headers: Range<usize>,
}

impl Uri {
    /// Reads a URI. For `sip` and `sips` the host is checked, for `tel` the number is what [`Uri::user`] gives.
    pub fn parse(text: &str) -> Result<Uri, Malformed> {
        let malformed = |fault| Err(Malformed::new("URI", fault));
        if text.len() > URI_BYTES_MAX {
            return Err(Malformed::new("URI", "is longer than 4096 bytes").answered(414));
        }
        if text.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control() || b"<>\"".contains(&b)) {
            return malformed("holds a blank, a bracket or a quote");
        }
        let Some(scheme_end) = text.find(':') else { return malformed("has no scheme") };
        if !is_scheme(&text[..scheme_end]) {
            return malformed("has no valid scheme");
        }
        let end = text.len();
        let mut uri = Uri {
            text: text.to_owned(),
            scheme_end,
            user: None,
            host: end..end,
            port: None,
            parameters: end..end,
            headers: end..end,
        };
        if uri.is_sip() {
            uri.read_sip()?;
        } else if uri.is_tel() {
            uri.read_tel()?;
        }
        Ok(uri)
    }

    /// The whole URI as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme as it came; compare it without regard to case.
    pub fn scheme(&self) -> &str {
        &self.text[..self.scheme_end]
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        self.scheme_is("sip") || self.is_sips()
    }

    /// Whether the scheme is `sips`.
    pub fn is_sips(&self) -> bool {
        self.scheme_is("sips")
    }

    /// Whether the scheme is `tel`.
    pub fn is_tel(&self) -> bool {
        self.scheme_is("tel")
    }

    /// The user part (escapes left as they are) without a password; the number of a `tel` URI.
    pub fn user(&self) -> Option<&str> {
        let user = &self.text[self.user.clone()?];
        Some(user.split_once(':').map_or(user, |(name, _password)| name))
    }

    /// The host, an IPv6 address without its brackets; empty when the scheme has none.
    pub fn host(&self) -> &str {
        let host = &self.text[self.host.clone()];
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// The host where it is an address.
    pub fn address(&self) -> Option<IpAddr> {
        address(self.host())
    }

    /// Who is meant, without the way there, as it stands in To and From (section 19.1.1, table 1). Of its parameters only what
    /// says how the user is to be read is kept.
    pub fn bare(&self) -> String {
        let host = &self.text[self.host.clone()];
        let kind = self.parameter("user").map_or(String::new(), |kind| format!(";user={kind}"));
        match (self.is_sip(), self.user()) {
            (true, Some(user)) => format!("{}:{user}@{host}{kind}", self.scheme()),
            (true, None) => format!("{}:{host}", self.scheme()),
            (false, _) => self.as_str().to_owned(),
        }
    }

    /// The port, when one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The value of a URI parameter, compared without case: `Some("")` when it stands without a value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.text[self.parameters.clone()].split(';').find_map(|entry| {
            let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Whether a URI parameter is there, with or without a value (`lr`, RFC 3261 section 16.4).
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }

    /// What follows the question mark: headers that a request to this URI should carry. Empty when there are none.
    pub fn headers(&self) -> &str {
        &self.text[self.headers.clone()]
    }

    /// This URI without its headers, which may not stand in a Request-URI (RFC 3261 section 19.1.1, table 1).
    pub fn without_headers(&self) -> &str {
        match self.headers.start {
            start if start < self.text.len() => &self.text[..start - 1],
            _ => self.text.strip_suffix('?').unwrap_or(&self.text),
        }
    }

    fn scheme_is(&self, scheme: &str) -> bool {
        self.scheme().eq_ignore_ascii_case(scheme)
    }

    /// `user:password@host:port;parameters?headers`. The user part may itself hold `;` and `?`, so the `@` comes
    /// first; a literal `@` cannot stand anywhere behind it.
    fn read_sip(&mut self) -> Result<(), Malformed> {
        let start = self.scheme_end + 1;
        let mut host_start = start;
        if let Some(at) = self.text[start..].find('@') {
            if at > 0 {
                self.user = Some(start..start + at);
            }
            host_start = start + at + 1;
        }
        let rest = &self.text[host_start..];
        let host_end = host_start + rest.find([';', '?']).unwrap_or(rest.len());
        self.read_tail(host_end);
        self.read_host(host_start..host_end)
    }

    /// `+1-555-0100;phone-context=...`.
    fn read_tel(&mut self) -> Result<(), Malformed> {
        let start = self.scheme_end + 1;
        let rest = &self.text[start..];
        let end = start + rest.find([';', '?']).unwrap_or(rest.len());
        if end == start {
            return Err(Malformed::new("URI", "has no number"));
        }
        self.user = Some(start..end);
        self.read_tail(end);
        Ok(())
    }

    /// Parameters and headers behind the host or number.
    fn read_tail(&mut self, end: usize) {
        let tail = &self.text[end..];
        let question = end + tail.find('?').unwrap_or(tail.len());
        self.parameters = (end + 1).min(question)..question;
        self.headers = (question + 1).min(self.text.len())..self.text.len();
    }

    fn read_host(&mut self, place: Range<usize>) -> Result<(), Malformed> {
        let (host, port) = split_host_port(&self.text[place.clone()])?;
        self.host = place.start..place.start + host.len();
        self.port = port;
        Ok(())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Cuts `host[:port]`; the host keeps the brackets of an IPv6 address.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), Malformed> {
    let malformed = |fault| Err(Malformed::new("host", fault));
    let host_end = if text.starts_with('[') {
        match text.find(']') {
            Some(bracket) => bracket + 1,
            None => return malformed("has an IPv6 address without its closing bracket"),
        }
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_end);
    if !is_host(host) {
        return malformed("is neither a name nor an address");
    }
    match rest.strip_prefix(':').map(str::trim) {
        None if rest.trim().is_empty() => Ok((host, None)),
        None => malformed("is followed by something that is no port"),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
            Ok(port) => Ok((host, Some(port))),
            Err(_) => malformed("has a port that is no port number"),
        },
        Some(_) => malformed("has a port that is no port number"),
    }
}

/// A host name, an IPv4 address or a bracketed IPv6 address. The underscore is no letter of a host name, but some
/// carriers' names have one.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|address| ipv6(address).is_some());
    }
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A host as it is written, without its port; an IPv6 address keeps its brackets.
pub fn without_port(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// A name as the user part of a URI: what may not stand there is escaped, byte by byte (RFC 3261 section 25.1). A percent sign
/// is one that was meant.
pub fn escape_user(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// An address as it stands in a URI or a Via: IPv6 with or without its brackets (RFC 5118 section 4.5).
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    ipv6(inner).map(IpAddr::V6).or_else(|| text.parse().ok())
}

/// The grammar of RFC 3261 allows three colons before an embedded IPv4 address where two are meant, and both must be
/// understood (RFC 5118 section 4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let as_meant = || text.contains('.').then(|| text.replacen(":::", "::", 1));
    text.parse().ok().or_else(|| as_meant()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_and_from_say_who_is_meant_and_not_the_way_there() {
        for (uri, expected) in [
            ("sip:+12025550101@pbx:5070;transport=tcp", "sip:+12025550101@pbx"),
            ("sips:%2331%231@[2001:db8::1]:5061?a=b", "sips:%2331%231@[2001:db8::1]"),
            ("sip:pbx:5070", "sip:pbx"),
            ("sip:100@pbx:5080;user=phone;lr", "sip:100@pbx;user=phone"),
            ("tel:+12025550101", "tel:+12025550101"),
        ] {
            assert_eq!(Uri::parse(uri).unwrap().bare(), expected);
        }
    }

    #[test]
    fn a_port_is_cut_off_and_nothing_else_is() {
        for (host, expected) in [
            ("sip.example:5061", "sip.example"),
            ("sip.example", "sip.example"),
            ("[::1]:5061", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("192.0.2.1:5060", "192.0.2.1"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }

    #[test]
    fn the_parts_of_a_uri_are_found_where_they_stand() {
        // text, user, host, port, parameter "transport", headers
        let table = [
            ("sip:carrier.example", None, "carrier.example", None, None, ""),
            ("sip:+15550100@10.0.0.1:5080", Some("+15550100"), "10.0.0.1", Some(5080), None, ""),
            ("SIP:a:secret@h;Transport=TCP", Some("a"), "h", None, Some("TCP"), ""),
            ("sips:a@[2001:db8::1]:5061;lr", Some("a"), "2001:db8::1", Some(5061), None, ""),
            (
                "sip:a;isub=1?x@h;transport=udp?Subject=hi",
                Some("a;isub=1?x"),
                "h",
                None,
                Some("udp"),
                "Subject=hi",
            ),
            ("sip:h?Route=x", None, "h", None, None, "Route=x"),
            ("sip:@h", None, "h", None, None, ""),
            ("tel:+1-555-0100;phone-context=example", Some("+1-555-0100"), "", None, None, ""),
            ("urn:service:sos", None, "", None, None, ""),
            ("sip:a@h;gr=urn:uuid:f81d4fae-7dec", Some("a"), "h", None, None, ""),
            ("sip:[2001:db8::10:5070]", None, "2001:db8::10:5070", None, None, ""),
            ("sip:a@[2001:db8:::192.0.2.1]", Some("a"), "2001:db8:::192.0.2.1", None, None, ""),
        ];
        for (text, user, host, port, transport, headers) in table {
            let uri = Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(uri.as_str(), text);
            assert_eq!(uri.user(), user, "{text}");
            assert_eq!(uri.host(), host, "{text}");
            assert_eq!(uri.port(), port, "{text}");
            assert_eq!(uri.parameter("transport"), transport, "{text}");
            assert_eq!(uri.headers(), headers, "{text}");
        }
    }

    #[test]
    fn a_parameter_value_may_hold_colons() {
        let uri = Uri::parse("sip:a@h;gr=urn:uuid:f81d4fae-7dec;ob").unwrap();
        assert_eq!(uri.parameter("gr"), Some("urn:uuid:f81d4fae-7dec"));
        assert!(uri.has_parameter("OB"));
        assert!(!uri.has_parameter("lr"));
    }

    #[test]
    fn an_address_is_known_with_and_without_brackets_and_with_the_third_colon() {
        let table = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[::ffff:192.0.2.1]", Some("::ffff:192.0.2.1")),
            ("2001:db8:::192.0.2.1", Some("2001:db8::192.0.2.1")),
            ("2001:db8:::1", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[[2001:db8::1]]", None),
            ("pbx.example", None),
        ];
        for (text, expected) in table {
            assert_eq!(address(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
        let uri = Uri::parse("sip:a@[2001:db8:::192.0.2.1]:5070").unwrap();
        assert_eq!(uri.address(), Some("2001:db8::c000:201".parse().unwrap()));
    }

    #[test]
    fn any_name_can_be_the_user_of_a_uri() {
        let table = [
            ("outdial", "outdial"),
            ("+12025550100", "+12025550100"),
            ("a;b=1?c/d,(e)", "a;b=1?c/d,(e)"),
            ("trunk@pbx.example", "trunk%40pbx.example"),
            ("a b\"#<>:%[]", "a%20b%22%23%3C%3E%3A%25%5B%5D"),
            ("Jürgen", "J%C3%BCrgen"),
            ("a\r\n", "a%0D%0A"),
        ];
        for (name, expected) in table {
            assert_eq!(escape_user(name), expected);
            let uri = Uri::parse(&format!("sip:{expected}@h")).unwrap();
            assert_eq!((uri.user(), uri.host()), (Some(expected), "h"), "{name}");
        }
    }

    #[test]
    fn headers_are_cut_off_for_a_request_uri() {
        assert_eq!(Uri::parse("sip:a@h;lr?Subject=x").unwrap().without_headers(), "sip:a@h;lr");
        assert_eq!(Uri::parse("sip:a@h?").unwrap().without_headers(), "sip:a@h");
        assert_eq!(Uri::parse("sip:a@h").unwrap().without_headers(), "sip:a@h");
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            ":",
            "sip",
            "sip:",
            "sip:a@",
            "sip:a@h:port",
            "sip:a@h:70000",
            "sip:a@[::1",
            "sip:a@[x]",
            "<sip:a@h>",
            "sip:a b@h",
            "1sip:a@h",
            "tel:",
            "sip:a@h@i",
            "sip:a@2001:db8::1",
            "sip:[[2001:db8::1]]",
            "sip:[2001:db8::1]]",
            "sip:[2001:db8::1]5060",
            "sip:[2001:db8::1::2]",
            "sip:[192.0.2.1]",
            "sip:a@h:",
            "sip:a@h:5060x",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
        assert!(Uri::parse(&format!("sip:{}@h", "a".repeat(URI_BYTES_MAX))).is_err());
    }
}
