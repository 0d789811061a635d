//! The tolerant tokenizer: bytes to rsip's types (RFC 3261 sections 7 and 25, with the robustness of section 8.2).
//!
//! Generous: line ends before the message, a bare LF for a line end, folded lines, blanks before the colon, compact
//! names, bytes that are not UTF-8 (read as Latin-1), any case of `SIP/2.0`, no reason phrase, a head that ends
//! without its blank line when there is no body. Strict: what ends where, and which dialog and transaction it
//! belongs to. One pass over the bytes.

use super::names;
use super::{HEADERS_MAX, Headers, MESSAGE_BYTES_MAX, Message, Request, Response};
use crate::sip::header::list;
use crate::sip::malformed::Malformed;
use crate::sip::method::{Method, is_token};
use std::borrow::Cow;

pub(super) fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::new("message", "is longer than 65536 bytes"));
    }
    let mut lines = Lines::new(bytes);
    let start = lines.start_line()?;
    let mut message = read_start_line(&decode(start)).map_err(|error| error.at_line(lines.number))?;
    let (headers, announced) = read_headers(&mut lines)?;
    let body = cut_body(lines.rest, announced)?.to_vec();
    match &mut message {
        Message::Request(request) => {
            request.headers = headers;
            request.body = body;
            check_essentials(&request.headers, Some(&request.method))?;
        }
        Message::Response(response) => {
            response.headers = headers;
            response.body = body;
            check_essentials(&response.headers, None)?;
        }
    }
    Ok(message)
}

/// Lines one after the other; what is behind the last one taken is the rest.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Lines { rest: bytes, number: 0 }
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
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
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
    check_version(version)?;
    let uri = uri.trim();
    if uri.is_empty()
        || uri.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control() || b"<>\"".contains(&b))
    {
        return Err(malformed("has a Request-URI with blanks, brackets or quotes"));
    }
    Ok(Request::new(Method::parse(first)?, uri).into())
}

fn check_version(text: &str) -> Result<(), Malformed> {
    if text.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    Err(Malformed::new("start line", "is not of SIP/2.0"))
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

/// The headers up to the blank line, and the length that they announce for the body.
fn read_headers(lines: &mut Lines<'_>) -> Result<(Headers, Option<usize>), Malformed> {
    let mut headers = Headers::default();
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
        read_header(&decode(&line), &mut headers, &mut announced).map_err(|error| error.at_line(number))?;
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

fn read_header(line: &str, headers: &mut Headers, announced: &mut Option<usize>) -> Result<(), Malformed> {
    let (name, value) = line.split_once(':').ok_or(Malformed::new("header", "has no colon"))?;
    let name = names::long_name(name.trim_end());
    if !is_token(name) {
        return Err(Malformed::new("header", "has a name that is no token"));
    }
    if name.eq_ignore_ascii_case("Content-Length") {
        return announce(value.trim(), announced);
    }
    if names::is_split_on_reading(name) && value.contains(',') {
        list::split(value, b',').try_for_each(|part| push_bounded(headers, name, part))
    } else {
        push_bounded(headers, name, value)
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
fn cut_body(rest: &[u8], announced: Option<usize>) -> Result<&[u8], Malformed> {
    match announced {
        None => Ok(rest),
        Some(length) => {
            rest.get(..length).ok_or(Malformed::new("body", "is shorter than its Content-Length"))
        }
    }
}

/// What every message must have to be matched to anything (RFC 3261 section 8.1.1).
fn check_essentials(headers: &Headers, method: Option<&Method>) -> Result<(), Malformed> {
    for place in ["From", "To", "Call-ID", "CSeq"] {
        match headers.count(place) {
            0 => return Err(Malformed::new(place, "is missing")),
            1 => {}
            _ => return Err(Malformed::new(place, "is given more than once")),
        }
    }
    headers.call_id()?;
    headers.from()?;
    headers.to()?;
    headers.via_top()?;
    let cseq = headers.cseq()?;
    match method {
        Some(method) if *method != cseq.method => {
            Err(Malformed::new("CSeq", "names another method than the request"))
        }
        _ => Ok(()),
    }
}

/// UTF-8, or else Latin-1, in which every byte is a character.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}
