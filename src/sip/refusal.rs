//! Answers to requests that nobody asked for: RFC 3261 section 8.2. Nothing is ever dialed, redirected or stored for
//! them, and the answer is the same whoever is asked for.

use super::header::Via;
use super::malformed::Malformed;
use super::message::{Request, Response};
use super::method::Method;
use super::stack::ALLOW;

/// What every response copies (section 8.2.6.2), with its compact names.
const ESSENTIALS: [(&str, &str); 5] =
    [("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("CSeq", "CSeq")];
/// How many lines of an unreadable request are looked at.
const LINES_MAX: usize = 64;

/// The answer to a request outside any dialog. `tag` becomes the To tag.
pub(crate) fn of_stranger(request: &Request, tag: &str) -> Response {
    let mut response = match request.method() {
        Method::Invite => Response::to_request(request, 403, "Forbidden"),
        Method::Options => of_extensions(request).unwrap_or_else(|| capabilities(request)),
        Method::Bye | Method::Cancel | Method::Info | Method::Update | Method::Prack => no_such_call(request),
        Method::Register
        | Method::Refer
        | Method::Notify
        | Method::Subscribe
        | Method::Message
        | Method::Publish
        | Method::Other(_)
        | Method::Ack => of_method(request),
    };
    add_tag(&mut response, tag);
    response
}

/// The answer to a request that lacks what every request must have (section 8.1.1), if it does.
pub(crate) fn of_broken(request: &Request) -> Option<Response> {
    let headers = request.headers();
    let fault = match (headers.call_id(), headers.from(), headers.to(), headers.cseq()) {
        (Err(fault), ..) | (_, Err(fault), ..) | (_, _, Err(fault), _) | (_, _, _, Err(fault)) => {
            format!("{} {}", fault.place, fault.fault)
        }
        (Ok(_), Ok(_), Ok(_), Ok(cseq)) if cseq.method != *request.method() => {
            "CSeq names another method".to_owned()
        }
        (Ok(_), Ok(_), Ok(_), Ok(_)) => return None,
    };
    Some(Response::to_request(request, 400, &fault))
}

/// The answer to a request that cannot be read (section 16.3 step 1), with its topmost Via: made of what lines of it
/// can be found. None for an ACK, and for what is no request at all.
pub(crate) fn of_unreadable(bytes: &[u8], fault: Malformed, tag: &str) -> Option<(Response, Via)> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.trim_start_matches(['\r', '\n']).split("\r\n\r\n").next()?;
    let mut lines = head.split("\r\n");
    let start = lines.next()?;
    if start.starts_with("ACK ") || !start.to_ascii_uppercase().ends_with(" SIP/2.0") {
        return None;
    }
    let mut response = Response::new(400, &format!("{} {}", fault.place, fault.fault));
    for line in lines.take(LINES_MAX) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let essential = ESSENTIALS.iter().find(|(long, compact)| {
            name.trim().eq_ignore_ascii_case(long) || name.trim().eq_ignore_ascii_case(compact)
        });
        if let Some((name, _)) = essential {
            response.headers_mut().push(name, value);
        }
    }
    add_tag(&mut response, tag);
    let via = response.headers().via_top().ok()?;
    Some((response, via))
}

/// The answer to a request that requires an extension (section 8.2.2.3): we have none.
pub(crate) fn of_extensions(request: &Request) -> Option<Response> {
    let required: Vec<_> = request.headers().all("Require").collect();
    if required.is_empty() {
        return None;
    }
    let mut response = Response::to_request(request, 420, "Bad Extension");
    response.headers_mut().push("Unsupported", &required.join(", "));
    Some(response)
}

/// The answer to a method that is known but not served, or not known.
pub(crate) fn of_method(request: &Request) -> Response {
    let mut response = match request.method() {
        Method::Other(_) => Response::to_request(request, 501, "Not Implemented"),
        _ => Response::to_request(request, 405, "Method Not Allowed"),
    };
    response.headers_mut().push("Allow", ALLOW);
    response
}

/// The answer to a request for a dialog or a transaction that is not there.
pub(crate) fn no_such_call(request: &Request) -> Response {
    Response::to_request(request, 481, "Call/Transaction Does Not Exist")
}

/// Every response but 100 has a To tag (section 8.2.6.2).
pub(crate) fn add_tag(response: &mut Response, tag: &str) {
    if let Ok(to) = response.headers().to()
        && to.tag().is_none()
    {
        let to = to.with_tag(tag).to_string();
        response.headers_mut().set("To", &to);
    }
}

/// The answer to OPTIONS (section 11.2).
fn capabilities(request: &Request) -> Response {
    let mut response = Response::to_request(request, 200, "OK");
    response.headers_mut().push("Allow", ALLOW);
    response.headers_mut().push("Accept", "application/sdp");
    response.headers_mut().push("Supported", "");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unsolicited_method_has_its_refusal() {
        let table = [
            (Method::Invite, 403),
            (Method::Options, 200),
            (Method::Bye, 481),
            (Method::Cancel, 481),
            (Method::Info, 481),
            (Method::Update, 481),
            (Method::Prack, 481),
            (Method::Register, 405),
            (Method::Subscribe, 405),
            (Method::Notify, 405),
            (Method::Refer, 405),
            (Method::Message, 405),
            (Method::Publish, 405),
            (Method::Other("HELLO".into()), 501),
        ];
        for (method, status) in table {
            let response = of_stranger(&request(method.clone(), &[]), "tag");
            assert_eq!(response.status(), status, "{method}");
            assert_eq!(response.headers().to().unwrap().tag(), Some("tag"), "{method}");
            assert!(response.body().is_empty());
        }
    }

    #[test]
    fn a_required_extension_is_named_back() {
        let request = request(Method::Options, &[("Require", "100rel, odd")]);
        let response = of_stranger(&request, "tag");
        assert_eq!(response.status(), 420);
        assert_eq!(response.headers().all("Unsupported").collect::<Vec<_>>(), ["100rel", "odd"]);
    }

    #[test]
    fn a_request_without_its_essentials_is_broken() {
        assert_eq!(of_broken(&request(Method::Bye, &[])), None);
        for missing in ["Call-ID", "From", "To", "CSeq"] {
            let mut request = request(Method::Bye, &[]);
            request.headers_mut().remove(missing);
            assert_eq!(of_broken(&request).map(|response| response.status()), Some(400), "{missing}");
        }
        let mut other = request(Method::Bye, &[]);
        other.headers_mut().set("CSeq", "1 INVITE");
        assert_eq!(of_broken(&other).map(|response| response.status()), Some(400));
    }

    #[test]
    fn what_cannot_be_read_is_answered_from_what_can_be_found() {
        let fault = Malformed::new("CSeq", "is missing");
        let text = b"BYE sip:us@h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=x\r\nFrom: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\n\r\n";
        let (response, via) = of_unreadable(text, fault, "tag").unwrap();
        assert_eq!((response.status(), response.phrase()), (400, "CSeq is missing"));
        assert_eq!(response.headers().get("To"), Some("<sip:b@h>;tag=tag"));
        assert_eq!(via.branch(), Some("x"));
        for text in [
            "",
            "ACK sip:us@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n",
            "BYE sip:us@h SIP/2.0\r\n\r\n",
            "GET / HTTP/1.1",
        ] {
            assert_eq!(of_unreadable(text.as_bytes(), fault, "tag"), None, "{text}");
        }
    }

    fn request(method: Method, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::new(method.clone(), "sip:us@192.0.2.5");
        let all = request.headers_mut();
        all.push("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx");
        all.push("From", "<sip:a@h>;tag=1");
        all.push("To", "<sip:us@h>");
        all.push("Call-ID", "c");
        all.push("CSeq", &format!("1 {method}"));
        headers.iter().for_each(|(name, value)| all.push(name, value));
        request
    }
}
