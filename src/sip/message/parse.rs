//! The tolerant tokenizer: bytes to rsip's types (RFC 3261 sections 7 and 25, with the robustness of section 8.2).
//!
//! Generous: line ends before the message, a bare LF for a line end, folded lines, blanks before the colon, several
//! blanks in the start line, compact names, bytes that are not UTF-8 (read as Latin-1), any case of `SIP/2.0`, no reason
//! phrase, a head that ends without its blank line when there is no body. Strict: what ends where, and which dialog and
//! transaction it belongs to. One pass over the bytes; what the whole must have is checked in [`super::check`].

use super::names;
use super::{HEADER_BYTES_MAX, HEADERS_MAX, Headers, MESSAGE_BYTES_MAX, Message, Request, Response, check};
use crate::sip::header::list;
use crate::sip::malformed::Malformed;
use crate::sip::method::Method;
use crate::sip::method::is_token;
use crate::sip::uri::Uri;
use std::borrow::Cow;

pub(super) fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::new("message", "is longer than 65536 bytes").answered(513));
    }
    let mut lines = Lines::new(bytes);
    let start = lines.start_line()?;
    let mut message = read_start_line(&decode(start)).map_err(|error| error.at_line(lines.number))?;
    let overlook = match &message {
        Message::Request(request) => check::is_plain(&request.method),
        Message::Response(_) => true,
    };
    let (headers, announced) = read_headers(&mut lines, overlook)?;
    let body = cut_body(&lines, announced)?.to_vec();
    match &mut message {
        Message::Request(request) => {
            request.headers = headers;
            request.body = body;
            check::request(request)?;
        }
        Message::Response(response) => {
            response.headers = headers;
            response.body = body;
            check::response(response)?;
        }
    }
    Ok(message)
}

/// What can be found of a request that cannot be read, to answer it with: its method and version as they stand there,
/// and its headers as far as they are headers. `None` for what is no request of SIP.
pub(crate) fn salvage(bytes: &[u8]) -> Option<(String, String, Headers)> {
    let mut lines = Lines::new(bytes.get(..MESSAGE_BYTES_MAX).unwrap_or(bytes));
    let start = decode(lines.start_line().ok()?).into_owned();
    let (method, rest) = start.trim().split_once([' ', '\t'])?;
    let (_, version) = rest.rsplit_once([' ', '\t'])?;
    if !is_token(method) || !is_version(version) {
        return None;
    }
    let mut headers = Headers::default();
    let mut unused = None;
    while let Ok(Some(line)) = lines.next_line() {
        if line.is_empty() || headers.len() >= HEADERS_MAX {
            break;
        }
        let Ok(line) = unfold(line, &mut lines) else { break };
        // What is no header is what the request is refused for.
        let _ = read_header(&decode(&line), &mut headers, &mut unused);
    }
    Some((method.to_owned(), version.to_owned(), headers))
}

/// Lines one after the other; what is behind the last one taken is the rest.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    /// Whether every line so far ended in a bare LF.
    bare: bool,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Lines { rest: bytes, number: 0, bare: true }
    }

    /// The first line that is not empty (RFC 3261 section 7.5).
    fn start_line(&mut self) -> Result<&'a [u8], Malformed> {
        while let Some(line) = self.next_line()? {
            if !line.is_empty() {
                return Ok(line);
            }
        }
        Err(Malformed::new("message", "is empty"))
    }

    /// The next line without its end; `None` behind the last.
    fn next_line(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') else {
            return Err(Malformed::new("message", "ends within a line of its head").at_line(self.number));
        };
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        let whole = line.strip_suffix(b"\r");
        self.bare &= whole.is_none();
        Ok(Some(whole.unwrap_or(line)))
    }

    /// Whether the next line continues the one before (RFC 3261 section 7.3.1).
    fn is_folded_next(&self) -> bool {
        matches!(self.rest.first(), Some(b' ' | b'\t'))
    }
}

fn read_start_line(line: &str) -> Result<Message, Malformed> {
    let malformed = |fault| Malformed::new("start line", fault);
    let line = line.trim();
    let (first, rest) = line.split_once([' ', '\t']).ok_or(malformed("is one word only"))?;
    if first.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/")) {
        check_version(first)?;
        return read_status_line(rest.trim_start());
    }
    let (uri, version) = rest.rsplit_once([' ', '\t']).ok_or(malformed("has no version"))?;
    let method = Method::parse(first)?;
    check_version(version)?;
    Ok(Request::new(method, read_request_uri(uri.trim())?).into())
}

/// A Request-URI without blanks, brackets and headers (sections 7.1 and 19.1.1).
fn read_request_uri(text: &str) -> Result<&str, Malformed> {
    let uri = Uri::parse(text).map_err(|error| error.in_place("Request-URI"))?;
    match uri.is_sip() && !uri.headers().is_empty() {
        true => Err(Malformed::new("Request-URI", "has headers in it")),
        false => Ok(text),
    }
}

fn check_version(text: &str) -> Result<(), Malformed> {
    if text.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let error = Malformed::new("start line", "is not of SIP/2.0");
    Err(if is_version(text) { error.answered(505) } else { error })
}

/// `SIP/` and two numbers.
fn is_version(text: &str) -> bool {
    let is_sip = text.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_sip && text[4..].split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

fn read_status_line(rest: &str) -> Result<Message, Malformed> {
    let (digits, phrase) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
    let status = match digits.parse() {
        Ok(status @ 100..=699) if digits.len() == 3 => status,
        _ => return Err(Malformed::new("start line", "has no status between 100 and 699")),
    };
    if !phrase.is_empty() && !phrase.starts_with([' ', '\t']) {
        return Err(Malformed::new("start line", "has no blank behind its status"));
    }
    Ok(Response::new(status, phrase.trim()).into())
}

/// The headers up to the blank line, and the length that they announce for the body; `overlook` lines that are none and
/// parts that are empty, where nobody needs them.
fn read_headers(lines: &mut Lines<'_>, overlook: bool) -> Result<(Headers, Option<usize>), Malformed> {
    let mut headers = Headers::with_room();
    let mut announced = None;
    if lines.is_folded_next() {
        return Err(Malformed::new("headers", "begin with a folded line").at_line(lines.number + 1));
    }
    while let Some(line) = lines.next_line()? {
        if line.is_empty() {
            return Ok((headers, announced));
        }
        let number = lines.number;
        let line = unfold(line, lines)?;
        if line.len() > HEADER_BYTES_MAX {
            return Err(Malformed::new("header", "is longer than 16384 bytes").at_line(number));
        }
        match read_header(&decode(&line), &mut headers, &mut announced) {
            Err(Unread::Spare(_)) if overlook => {}
            Err(Unread::Spare(error) | Unread::Needed(error)) => return Err(error.at_line(number)),
            Ok(()) => {}
        }
    }
    match announced {
        None | Some(0) => Ok((headers, announced)),
        Some(_) => Err(Malformed::new("message", "ends before the blank line that begins its body")),
    }
}

/// The Content-Length of a complete head that begins with its start line, read as [`parse`] reads it: were the
/// two to differ, one peer's body could be the other's next message.
pub(crate) fn announced_length(head: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut lines = Lines::new(head);
    lines.start_line()?;
    let mut announced = None;
    while let Some(line) = lines.next_line()? {
        let number = lines.number;
        let line = unfold(line, &mut lines)?;
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            announce(decode(value).trim(), &mut announced).map_err(|error| error.at_line(number))?;
        }
    }
    Ok(announced)
}

/// Joins a line with those that continue it, one blank between them.
fn unfold<'a>(line: &'a [u8], lines: &mut Lines<'a>) -> Result<Cow<'a, [u8]>, Malformed> {
    let mut whole = Cow::Borrowed(line);
    while lines.is_folded_next() {
        let Some(continuation) = lines.next_line()? else { break };
        let text = whole.to_mut();
        text.push(b' ');
        text.extend_from_slice(continuation.trim_ascii());
    }
    Ok(whole)
}

/// Why a line is not read as a header.
enum Unread {
    /// Whoever can do without the header can do without the line.
    Spare(Malformed),
    /// It decides what the message is, or how long.
    Needed(Malformed),
}

/// Of a list that is not all there, what is there is read.
fn read_header(line: &str, headers: &mut Headers, announced: &mut Option<usize>) -> Result<(), Unread> {
    let spare = |fault| Unread::Spare(Malformed::new("header", fault));
    let (name, value) = line.split_once(':').ok_or(spare("has no colon"))?;
    let name = names::long_name(name.trim_end());
    if !is_token(name) {
        return Err(spare("has a name that is no token"));
    }
    if name.eq_ignore_ascii_case("Content-Length") {
        return announce(value.trim(), announced).map_err(Unread::Needed);
    }
    if !names::is_split_on_reading(name) {
        return push_bounded(headers, name, value).map_err(Unread::Needed);
    }
    let mut lacks = false;
    for part in list::split_with_empty(value, b',') {
        // A control character is kept as a blank.
        match part.chars().all(|c| c.is_control() || c.is_whitespace()) {
            true => lacks = true,
            false => push_bounded(headers, name, part).map_err(Unread::Needed)?,
        }
    }
    match (lacks, name.eq_ignore_ascii_case("Via")) {
        (false, _) => Ok(()),
        (true, false) => Err(spare("has nothing between two commas")),
        (true, true) => Err(Unread::Needed(Malformed::new("Via", "has nothing between two commas"))),
    }
}

fn push_bounded(headers: &mut Headers, name: &str, value: &str) -> Result<(), Malformed> {
    if headers.len() == HEADERS_MAX {
        return Err(Malformed::new("headers", "are more than 256"));
    }
    headers.push(name, value);
    Ok(())
}

/// Two lengths that disagree would let two readers see two messages.
fn announce(value: &str, announced: &mut Option<usize>) -> Result<(), Malformed> {
    let malformed = |fault| Err(Malformed::new("Content-Length", fault));
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return malformed("is not a number");
    }
    let Ok(length) = value.parse() else { return malformed("is beyond all measure") };
    match *announced {
        Some(earlier) if earlier != length => malformed("is given twice and differs"),
        _ => {
            *announced = Some(length);
            Ok(())
        }
    }
}

/// The body that was announced, or all there is; less than announced means that the message was cut off
/// (RFC 3261 section 18.3).
fn cut_body<'a>(lines: &Lines<'a>, announced: Option<usize>) -> Result<&'a [u8], Malformed> {
    let rest = lines.rest;
    match announced {
        None => Ok(rest),
        Some(length) if length <= rest.len() => Ok(&rest[..length]),
        Some(length) if lines.bare && length == length_with_returns(rest) => Ok(rest),
        Some(length) if length > MESSAGE_BYTES_MAX => {
            Err(Malformed::new("Content-Length", "is more than 65536 bytes").answered(413))
        }
        Some(_) => Err(Malformed::new("body", "is shorter than its Content-Length")),
    }
}

/// How long a text body was before something on its way took the carriage returns out of the whole message.
fn length_with_returns(rest: &[u8]) -> usize {
    match rest.contains(&b'\r') {
        true => rest.len(),
        false => rest.len() + rest.iter().filter(|&&byte| byte == b'\n').count(),
    }
}

/// UTF-8, or else Latin-1, in which every byte is a character.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}
