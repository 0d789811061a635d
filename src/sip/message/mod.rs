//! SIP messages: requests and responses, read tolerantly and written exactly (RFC 3261 section 7).
//!
//! The message model and its serializer are rsip's types: header, URI, status, version. rsip is named in this folder
//! only. Its parser is not used: it refuses folded lines, compact names, IPv6, `tel:` and one byte that is not
//! UTF-8, so [`Message::parse`] has a tokenizer of its own that fills rsip's types. Methods are ours, for rsip's set
//! is closed, and an extension method must live long enough to be refused politely.
//!
//! A message that was read has its essential headers: From, To, Call-ID and CSeq once each, and a Via, all of them
//! readable. Content-Length is no header here: the body knows its length, and [`Message::to_bytes`] says it.

mod check;
mod headers;
mod names;
mod parse;

pub use headers::Headers;
pub(super) use parse::{announced_length, salvage};

use super::malformed::Malformed;
use super::method::Method;

/// The longest message that is read, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// The most header values that a message may have, those of a comma list of Via, Route, Record-Route or Contact
/// counted one by one.
pub const HEADERS_MAX: usize = 256;

/// The longest header that is read, its folded lines together, in bytes.
pub const HEADER_BYTES_MAX: usize = 16_384;

/// The most Vias: what the usual Max-Forwards lets a request collect on its way (RFC 3261 section 8.1.1.6).
pub const VIAS_MAX: usize = 71;

/// The most values of Route, and of Record-Route.
pub const ROUTES_MAX: usize = 64;

/// The most Contacts.
pub const CONTACTS_MAX: usize = 64;

/// What says nothing over a stream and has the peer say as little (RFC 5626 section 4.4.1).
pub const KEEP_ALIVE: &[u8] = b"\r\n\r\n";

/// Whether a datagram is a keep-alive rather than a message (RFC 5626 section 3.5.1 and what phones send in its
/// place): line ends or zeros only.
pub fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Whether a message claims to be a response; line ends may stand before it (RFC 3261 section 7.5).
pub fn is_response(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    bytes[start..].get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads one message: a datagram, or what [`crate::sip::framing`] cut from a stream. Bytes behind the body
    /// that Content-Length announces are dropped (RFC 3261 section 18.3).
    pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
        parse::parse(bytes)
    }

    /// The message as it goes on the wire, with the Content-Length of its body.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }

    /// Its headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    method: Method,
    uri: rsip::Uri,
    headers: Headers,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers. The URI is written as it is given, but for blanks and line ends, which go.
    pub fn new(method: Method, uri: &str) -> Request {
        let uri: String = uri.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        Request { method, uri: verbatim(uri), headers: Headers::default(), body: Vec::new() }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI, byte for byte.
    pub fn uri(&self) -> &str {
        match &self.uri.host_with_port.host {
            rsip::Host::Domain(text) => text.value(),
            rsip::Host::IpAddr(_) => "",
        }
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set("Content-Type", content_type);
        self.body = body;
    }

    /// The request as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let start = format!("{} {} {}\r\n", self.method, self.uri, rsip::Version::V2);
        write_message(start, &self.headers, &self.body)
    }
}

/// A response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    status: rsip::StatusCode,
    headers: Headers,
    body: Vec<u8>,
}

impl Response {
    /// A response without headers. Line ends in the phrase become blanks.
    pub fn new(status: u16, phrase: &str) -> Response {
        // rsip writes its own words for the statuses it knows; as `Other` it keeps ours.
        Response {
            status: rsip::StatusCode::Other(status, headers::clean(phrase)),
            headers: Headers::default(),
            body: Vec::new(),
        }
    }

    /// The response to `request`, with what RFC 3261 section 8.2.6.2 wants copied: From, To, Call-ID, CSeq and every
    /// Via in order; the Timestamp too when it is a 100 (section 8.2.6.1). The To tag is the caller's to add.
    pub fn to_request(request: &Request, status: u16, phrase: &str) -> Response {
        let mut response = Response::new(status, phrase);
        for (name, value) in request.headers.iter() {
            let essential = ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name);
            if essential || (status == 100 && name == "Timestamp") {
                response.headers.push(name, value);
            }
        }
        response
    }

    /// The status code, 100 to 699.
    pub fn status(&self) -> u16 {
        self.status.code()
    }

    /// The reason phrase as it came; empty when there was none.
    pub fn phrase(&self) -> &str {
        match &self.status {
            rsip::StatusCode::Other(_, phrase) => phrase,
            _ => "",
        }
    }

    /// Whether it is a 1xx.
    pub fn is_provisional(&self) -> bool {
        self.status() < 200
    }

    /// Whether it is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set("Content-Type", content_type);
        self.body = body;
    }

    /// The response as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let start = format!("{} {}\r\n", rsip::Version::V2, self.status);
        write_message(start, &self.headers, &self.body)
    }
}

/// rsip has no verbatim URI, but a URI of nothing but a host prints that host as it is.
fn verbatim(text: String) -> rsip::Uri {
    rsip::Uri {
        host_with_port: rsip::HostWithPort { host: rsip::Host::Domain(text.into()), port: None },
        ..rsip::Uri::default()
    }
}

fn write_message(start: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    // A colon, a blank and a line's end for each.
    let room: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut bytes = start.into_bytes();
    bytes.reserve_exact(room + "Content-Length: \r\n\r\n".len() + length.len() + body.len());
    for (name, value) in headers.iter().chain([("Content-Length", length.as_str())]) {
        for part in [name, ": ", value, "\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests;
