//! Bodies: which ones we understand, and the session description among their parts (RFC 3261 section 8.2.3, RFC 5621).
//!
//! A multipart body is opened to a fixed depth and number of parts; each line of it is looked at once a level.

use super::header::list::{split, unquote};
use super::message::{Headers, Request, Response};
use std::borrow::Cow;

/// The longest body of a request that is looked at, in bytes; a longer one is answered 413.
pub const BODY_BYTES_MAX: usize = 32_768;

/// The most parts of a body, those of inner multiparts counted too.
pub const PARTS_MAX: usize = 16;

/// How deep a multipart may stand in others.
pub const PARTS_DEPTH_MAX: usize = 3;

/// What is understood, as the Accept header names it.
pub(crate) const ACCEPT: &str = "application/sdp";

/// Keys in an INFO.
const KEYS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// One part, or the whole of a body that has none.
#[derive(Debug)]
struct Part<'a> {
    content_type: Cow<'a, str>,
    handling: Handling,
    body: &'a [u8],
}

/// What its Content-Disposition says of a part that is not understood (RFC 3204, RFC 5621 section 8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Handling {
    Unsaid,
    Optional,
    Required,
}

/// The session description of a message, alone or as a part of several: carriers put ISUP beside it.
pub(crate) fn description(headers: &Headers, body: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(headers, body);
    let sdp = parts.iter().find(|part| is_sdp(&part.content_type))?;
    // The line end before a delimiter is the delimiter's, and the description's last line needs one.
    let is_part = sdp.body.len() < body.len() && !sdp.body.ends_with(b"\n");
    let end: &[u8] = if is_part { b"\r\n" } else { b"" };
    Some([sdp.body, end].concat())
}

/// The answer to a request whose body we cannot take, or that would take nothing we can send, if so.
pub(crate) fn refuse(request: &Request) -> Option<Response> {
    let headers = request.headers();
    if request.body().len() > BODY_BYTES_MAX {
        return Some(Response::to_request(request, 413, "Request Entity Too Large"));
    }
    let handling = handling(headers.get("Content-Disposition").unwrap_or_default());
    if request.body().is_empty() || handling == Handling::Optional {
        return None;
    }
    if headers.get("Content-Type").is_none() {
        return Some(Response::to_request(request, 400, "Content-Type is missing"));
    }
    if let Some(refusal) = refuse_encoded(request) {
        return Some(refusal);
    }
    let parts = parts(headers, request.body());
    let has_sdp = parts.iter().any(|part| is_sdp(&part.content_type));
    let has_more =
        parts.iter().any(|part| part.handling == Handling::Required && !is_sdp(&part.content_type));
    // Beside a description, what else stands there is not ours to judge unless it must be understood.
    let understood = (has_sdp && !has_more)
        || (parts.len() > 1 && parts.iter().all(|part| part.handling == Handling::Optional));
    let disposed = headers.get("Content-Disposition").is_none_or(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("session") || kind.eq_ignore_ascii_case("render")
    });
    (!understood || !disposed).then(|| unsupported(request, "Accept", ACCEPT))
}

/// The answer to a request whose body is packed in a way that we cannot undo, if so.
pub(crate) fn refuse_encoded(request: &Request) -> Option<Response> {
    let is_encoded = |encoding: &str| !encoding.eq_ignore_ascii_case("identity");
    let encoded = !request.body().is_empty() && request.headers().all("Content-Encoding").any(is_encoded);
    encoded.then(|| unsupported(request, "Accept-Encoding", "identity"))
}

/// The answer to an INFO that carries what we do not read (RFC 6086 section 4.2.2), if so.
pub(crate) fn refuse_info(request: &Request) -> Option<Response> {
    let headers = request.headers();
    if headers.count("Info-Package") > 0 {
        let mut response = Response::to_request(request, 469, "Bad Info Package");
        response.headers_mut().push("Recv-Info", "");
        return Some(response);
    }
    let handling = handling(headers.get("Content-Disposition").unwrap_or_default());
    let kind = media_type(headers.get("Content-Type").unwrap_or_default());
    if request.body().is_empty() || handling == Handling::Optional || kind.is_empty() {
        return None;
    }
    let unread = (!KEYS.contains(&kind.as_str())).then(|| unsupported(request, "Accept", &KEYS.join(", ")));
    refuse_encoded(request).or(unread)
}

/// The answer to an INVITE whose sender would not take a session description back (section 21.4.7), if so.
pub(crate) fn refuse_unacceptable(request: &Request) -> Option<Response> {
    let headers = request.headers();
    let takes_sdp = headers.count("Accept") == 0
        || headers.all("Accept").any(|range| {
            let ours = ["application/sdp", "application/*", "*/*"];
            let never = parameter(range, "q").is_some_and(|q| q.parse() == Ok(0.0));
            ours.contains(&media_type(range).as_str()) && !never
        });
    (!takes_sdp).then(|| Response::to_request(request, 406, "Not Acceptable"))
}

fn unsupported(request: &Request, name: &str, value: &str) -> Response {
    let mut response = Response::to_request(request, 415, "Unsupported Media Type");
    response.headers_mut().push(name, value);
    response
}

/// A media type or range in small letters, without its parameters and the blanks that may stand about its slash (RFC 3261
/// section 25.1).
pub(crate) fn media_type(value: &str) -> String {
    let name = value.split(';').next().unwrap_or_default();
    let name = match name.split_once('/') {
        Some((kind, subtype)) => format!("{}/{}", kind.trim(), subtype.trim()),
        None => name.trim().to_owned(),
    };
    name.to_ascii_lowercase()
}

fn is_sdp(content_type: &str) -> bool {
    media_type(content_type) == ACCEPT
}

fn handling(disposition: &str) -> Handling {
    match parameter(disposition, "handling") {
        Some(handling) if handling.eq_ignore_ascii_case("optional") => Handling::Optional,
        Some(handling) if handling.eq_ignore_ascii_case("required") => Handling::Required,
        _ => Handling::Unsaid,
    }
}

fn parameter(value: &str, wanted: &str) -> Option<String> {
    split(value, b';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| unquote(value.trim()))
    })
}

fn parts<'a>(headers: &'a Headers, body: &'a [u8]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    if let (Some(content_type), false) = (headers.get("Content-Type"), body.is_empty()) {
        open(Part { content_type: content_type.into(), handling: Handling::Unsaid, body }, 0, &mut parts);
    }
    parts
}

/// Puts `part` to the others, or, if it is a multipart, what is in it.
fn open<'a>(part: Part<'a>, depth: usize, parts: &mut Vec<Part<'a>>) {
    if parts.len() == PARTS_MAX {
        return;
    }
    let is_multipart = media_type(&part.content_type).starts_with("multipart/");
    let boundary = parameter(&part.content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let (true, true, Some(boundary)) = (is_multipart, depth < PARTS_DEPTH_MAX, boundary) else {
        return parts.push(part);
    };
    for inner in cut(part.body, boundary.as_bytes()) {
        open(read_part(inner), depth + 1, parts);
    }
}

/// What stands between the delimiter lines (RFC 2046 section 5.1.1); the line end before one belongs to it.
fn cut<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let (mut found, mut begin, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let delimiter = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary));
        if let Some(rest) = delimiter.map(<[u8]>::trim_ascii_end)
            && (rest.is_empty() || rest == b"--")
        {
            found.extend(begin.map(|begin| without_line_end(&body[begin..at])));
            begin = rest.is_empty().then_some(at + line.len());
            if begin.is_none() || found.len() == PARTS_MAX {
                return found;
            }
        }
        at += line.len();
    }
    // The last delimiter is missing: what came of the part is there.
    found.extend(begin.map(|begin| &body[begin.min(body.len())..]));
    found
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// A part's own headers, folded ones joined (RFC 5322 section 2.2.3), and what is behind them. Without a type it is plain
/// text.
fn read_part(bytes: &[u8]) -> Part<'_> {
    let mut headers: Vec<Cow<'_, str>> = Vec::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() {
            break;
        }
        let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
        match headers.last_mut() {
            Some(header) if text.starts_with([' ', '\t']) => header.to_mut().push_str(text),
            _ => headers.push(text.into()),
        }
    }
    let mut part = Part { content_type: "text/plain".into(), handling: Handling::Unsaid, body: &bytes[at..] };
    for header in headers {
        let Some((name, value)) = header.split_once(':') else { continue };
        match name.trim() {
            name if name.eq_ignore_ascii_case("Content-Type") => {
                part.content_type = value.trim().to_owned().into()
            }
            name if name.eq_ignore_ascii_case("Content-Disposition") => part.handling = handling(value),
            _ => {}
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::method::Method;

    /// Headers with their names.
    type Given = &'static [(&'static str, &'static str)];
    /// A status, and a header that says more.
    type Refusal = Option<(u16, Option<&'static str>)>;

    fn headers(content_type: &str) -> Headers {
        let mut headers = Headers::default();
        headers.push("Content-Type", content_type);
        headers
    }

    #[test]
    fn a_description_is_found_alone_beside_isup_and_inside_another_multipart() {
        let found = |content_type: &str, body: &[u8]| {
            description(&headers(content_type), body).map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(found("application/SDP; charset=utf-8", b"v=0\r\n").as_deref(), Some("v=0\r\n"));
        assert_eq!(found("application/sdp", b""), None);
        assert_eq!(found("text/plain", b"v=0\r\n"), None);
        let body = b"--xx\r\nContent-Type: application/ISUP\r\n\r\n\x01\xff\n--x\r\n--xx\r\n\
                     Content-Type: application/sdp\r\n\r\nv=0\r\no=-\r\n--xx--\r\n";
        assert_eq!(found("multipart/mixed;boundary=\"xx\"", body).as_deref(), Some("v=0\r\no=-\r\n"));
        assert_eq!(found("application/sdp", b"v=0").as_deref(), Some("v=0"));
        let inner = "--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\nhello\r\n--i\r\n\
                     content-type : application/sdp\r\n\r\nv=0\r\n\r\n--i--\r\n--o--";
        assert_eq!(found("Multipart/Mixed; boundary=o", inner.as_bytes()).as_deref(), Some("v=0\r\n"));
        let open = "--o\nContent-Type: application/sdp\n\nv=0\n";
        assert_eq!(found("multipart/mixed;boundary=o", open.as_bytes()).as_deref(), Some("v=0\n"));
        let folded = "--o\r\nContent-Type:\r\n application/\r\n\tsdp\r\n\r\nv=0\r\n--o--";
        assert_eq!(found("multipart / mixed;boundary=o", folded.as_bytes()).as_deref(), Some("v=0\r\n"));
        assert_eq!(found("application / sdp ; a=b", b"v=0\r\n").as_deref(), Some("v=0\r\n"));
        assert_eq!(found("multipart/mixed", body), None);
        assert_eq!(found("multipart/mixed;boundary=\"\"", body), None);
    }

    #[test]
    fn parts_and_their_depth_are_bounded() {
        let many = "--b\r\nContent-Type: a/b\r\n\r\nx\r\n".repeat(5_000);
        assert_eq!(parts(&headers("multipart/mixed;boundary=b"), many.as_bytes()).len(), PARTS_MAX);
        let mut nested = "Content-Type: application/sdp\r\n\r\nv=0\r\n".to_owned();
        for _ in 0..PARTS_DEPTH_MAX {
            nested = format!(
                "Content-Type: multipart/mixed;boundary=b{}\r\n\r\n--b{}\r\n{nested}",
                nested.len(),
                nested.len()
            );
        }
        let (head, body) = nested.split_once("\r\n\r\n").unwrap();
        let content_type = head.split_once(": ").unwrap().1;
        assert!(description(&headers(content_type), body.as_bytes()).is_some());
        let deeper = format!("--o\r\n{nested}");
        assert!(description(&headers("multipart/mixed;boundary=o"), deeper.as_bytes()).is_none());
    }

    #[test]
    fn a_body_is_taken_ignored_or_refused_as_its_headers_say() {
        // headers, body, the status of the refusal and a header of it
        let table: [(Given, &str, Refusal); 13] = [
            (&[], "", None),
            (&[("Content-Type", "application/sdp")], "v=0\r\n", None),
            (&[], "v=0\r\n", Some((400, None))),
            (&[("c", "application/x-made-up")], "x", Some((415, Some("Accept")))),
            (&[("c", "application/x-made-up"), ("Content-Disposition", "icon;handling=optional")], "x", None),
            (&[("c", "application/sdp"), ("e", "gzip")], "x", Some((415, Some("Accept-Encoding")))),
            (&[("c", "application/sdp"), ("e", "Identity")], "v=0\r\n", None),
            (&[("c", "application/sdp"), ("Content-Disposition", "session")], "v=0\r\n", None),
            (
                &[("c", "application/sdp"), ("Content-Disposition", "frobnicate")],
                "x",
                Some((415, Some("Accept"))),
            ),
            (
                &[("c", "multipart/mixed;boundary=b")],
                "--b\r\n\r\nhi\r\n--b--\r\n",
                Some((415, Some("Accept"))),
            ),
            (
                &[("c", "multipart/mixed;boundary=b")],
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n\r\nhi\r\n--b--\r\n",
                None,
            ),
            (
                &[("c", "multipart/mixed;boundary=b")],
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Disposition: signal;\r\n \
                 handling=required\r\n\r\nhi\r\n--b--\r\n",
                Some((415, Some("Accept"))),
            ),
            (&[("c", "application / sdp")], "v=0\r\n", None),
        ];
        for (list, body, expected) in table {
            let mut request = Request::new(Method::Invite, "sip:us@h");
            request.set_body("x/y", body.into());
            request.headers_mut().remove("Content-Type");
            list.iter().for_each(|(name, value)| request.headers_mut().push(name, value));
            let refusal = refuse(&request);
            let told = expected.and_then(|(_, name)| name);
            assert_eq!(
                refusal.as_ref().map(Response::status),
                expected.map(|(status, _)| status),
                "{list:?}"
            );
            assert!(told.is_none_or(|name| refusal.unwrap().headers().get(name).is_some()), "{list:?}");
        }
        let mut request = Request::new(Method::Invite, "sip:us@h");
        request.set_body("application/sdp", vec![b'x'; BODY_BYTES_MAX + 1]);
        assert_eq!(refuse(&request).unwrap().status(), 413);
    }

    #[test]
    fn an_info_is_read_for_its_keys_and_refused_for_what_else_it_carries() {
        // headers, the status of the refusal and a header of it
        let table: [(Given, Refusal); 7] = [
            (&[("Content-Type", "application/dtmf-relay")], None),
            (&[("Content-Type", "Application / DTMF ; a=b")], None),
            (&[], None),
            (&[("c", "application/media_control+xml")], Some((415, Some("Accept")))),
            (&[("c", "text/plain"), ("Content-Disposition", "render;handling=optional")], None),
            (&[("c", "application/dtmf"), ("e", "gzip")], Some((415, Some("Accept-Encoding")))),
            (&[("c", "application/dtmf"), ("Info-Package", "foo")], Some((469, Some("Recv-Info")))),
        ];
        for (list, expected) in table {
            let mut request = Request::new(Method::Info, "sip:us@h");
            request.set_body("x/y", b"1".to_vec());
            request.headers_mut().remove("Content-Type");
            list.iter().for_each(|(name, value)| request.headers_mut().push(name, value));
            let refusal = refuse_info(&request);
            assert_eq!(
                refusal.as_ref().map(Response::status),
                expected.map(|(status, _)| status),
                "{list:?}"
            );
            let told = expected.and_then(|(_, name)| name);
            assert!(told.is_none_or(|name| refusal.unwrap().headers().get(name).is_some()), "{list:?}");
        }
    }

    #[test]
    fn whoever_takes_no_description_back_is_told_so() {
        let table = [
            (None, false),
            (Some("application/sdp;level=1, text/html"), false),
            (Some("text/html, application/*"), false),
            (Some("*/*"), false),
            (Some("application / sdp ; q=0.5"), false),
            (Some("application/sdp;q=0.0, text/html"), true),
            (Some("text/x-nobody-knows"), true),
            (Some(""), true),
        ];
        for (accept, refused) in table {
            let mut request = Request::new(Method::Invite, "sip:us@h");
            if let Some(accept) = accept {
                request.headers_mut().push("Accept", accept);
            }
            assert_eq!(refuse_unacceptable(&request).is_some(), refused, "{accept:?}");
        }
    }
}
