//! Answers to requests that nobody asked for: RFC 3261 section 8.2. Nothing is ever dialed, redirected or stored for
//! them, and the answer is the same whoever is asked for.

use super::content;
use super::header::Via;
use super::malformed::Malformed;
use super::message::{Request, Response, salvage};
use super::method::Method;
use super::stack::ALLOW;
use super::uri::Uri;

/// The answer to a request outside any dialog, in the order in which section 8.2 looks at it. `tag` becomes the To tag.
pub(crate) fn of_stranger(request: &Request, tag: &str) -> Response {
    let mut response = match request.method() {
        Method::Invite => of_contents(request)
            .or_else(|| content::refuse_unacceptable(request))
            .unwrap_or_else(|| Response::to_request(request, 403, "Forbidden")),
        Method::Options => of_contents(request).unwrap_or_else(|| capabilities(request, ALLOW, "")),
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

/// The answer to a request that cannot be read (section 16.3 step 1): made of what can be found of it, its topmost Via among
/// it. None for an ACK, and for what is no request at all.
pub(crate) fn of_unreadable(bytes: &[u8], fault: Malformed, tag: &str) -> Option<Response> {
    let (method, _, found) = salvage(bytes)?;
    if method == "ACK" {
        return None;
    }
    let _answered_to = found.get("Via").and_then(readable_via)?;
    let mut response = Response::new(fault.status, &fault.phrase());
    for via in found.all("Via").filter_map(readable_via) {
        response.headers_mut().push("Via", via);
    }
    for name in ["From", "To", "Call-ID"] {
        if let Some(value) = found.get(name) {
            response.headers_mut().push(name, value);
        }
    }
    if let Some(cseq) = found.get("CSeq").and_then(read_cseq) {
        response.headers_mut().push("CSeq", &cseq);
    }
    if fault.status == 501 {
        response.headers_mut().push("Allow", ALLOW);
    }
    add_tag(&mut response, tag);
    Some(response)
}

/// A Via as far as it is needed to go back to its sender: parameters that cannot be read are left out.
fn readable_via(text: &str) -> Option<&str> {
    let end = text.find(';').unwrap_or(text.len());
    [text, &text[..end]].into_iter().find(|text| Via::parse_any_version(text).is_ok())
}

/// A CSeq as far as its sender can know it again: its number and its method. What stands behind them, such as a header whose
/// line end was lost, would make the answer as unreadable as the request.
fn read_cseq(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (number, method) = (words.next()?, words.next()?);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && Method::parse(method).is_ok()).then(|| format!("{number} {method}"))
}

/// The answer to a request that came twice by different ways (section 8.2.2.2).
pub(crate) fn of_merged(request: &Request, tag: &str) -> Response {
    let mut response = Response::to_request(request, 482, "Loop Detected");
    add_tag(&mut response, tag);
    response
}

/// The answer to a request that asks for what we cannot do, by its URI, its extensions or its body, if so.
fn of_contents(request: &Request) -> Option<Response> {
    of_scheme(request).or_else(|| of_extensions(request)).or_else(|| content::refuse(request))
}

/// The answer to a Request-URI of a scheme that we cannot serve (section 8.2.2.1), if so.
fn of_scheme(request: &Request) -> Option<Response> {
    let is_known = Uri::parse(request.uri()).is_ok_and(|uri| uri.is_sip() || uri.is_tel());
    (!is_known).then(|| Response::to_request(request, 416, "Unsupported URI Scheme"))
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

/// The answer to OPTIONS (section 11.2): the methods and the extensions that are served there. It is short, lest it be longer
/// than what asked for it.
pub(crate) fn capabilities(request: &Request, methods: &str, extensions: &str) -> Response {
    let mut response = Response::to_request(request, 200, "OK");
    let told = [("Allow", methods), ("Accept", content::ACCEPT), ("Supported", extensions)];
    told.into_iter().for_each(|(name, value)| response.headers_mut().push(name, value));
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
    fn what_a_request_asks_for_is_judged_in_the_order_of_the_rfc() {
        let odd = [("Require", "odd"), ("Content-Type", "text/x-odd"), ("Accept", "text/x-odd")];
        let of = |method: Method, uri: &str, headers: &[(&str, &str)]| {
            let mut odd = Request::new(method.clone(), uri);
            request(method, headers)
                .headers()
                .iter()
                .for_each(|(name, value)| odd.headers_mut().push(name, value));
            if let Some(kind) = odd.headers().get("Content-Type").map(str::to_owned) {
                odd.set_body(&kind, b"odd".to_vec());
            }
            of_stranger(&odd, "tag").status()
        };
        assert_eq!(of(Method::Other("ODD".into()), "odd:us", &odd), 501);
        assert_eq!(of(Method::Message, "odd:us", &odd), 405);
        assert_eq!(of(Method::Invite, "odd:us", &odd), 416);
        assert_eq!(of(Method::Invite, "tel:+12025550100", &odd), 420);
        assert_eq!(of(Method::Invite, "sips:us@h", &odd[1..]), 415);
        assert_eq!(of(Method::Options, "sip:us@h", &odd[1..]), 415);
        assert_eq!(of(Method::Invite, "sip:us@h", &odd[2..]), 406);
        assert_eq!(of(Method::Options, "sip:us@h", &odd[2..]), 200);
        assert_eq!(of(Method::Invite, "sip:us@h", &[]), 403);
        assert_eq!(of(Method::Options, "sip:us@h", &[("Max-Forwards", "0"), ("Proxy-Require", "odd")]), 200);
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
        let response = of_unreadable(text, fault, "tag").unwrap();
        let told = |text: &str, fault: Malformed| {
            of_unreadable(text.as_bytes(), fault, "tag")
                .map(|response| (response.status(), response.headers().get("Via").unwrap().to_owned()))
        };
        let bare = "NEW sip:us@h SIP/7.0\nVia: SIP/7.0/UDP h;;\n ;,\nFrom: <sip:a@h>\n";
        assert_eq!(told(bare, fault.answered(505)), Some((505, "SIP/7.0/UDP h".to_owned())));
        let of_ack = "BYE sip:us@h SIP/2.0\r\nVia: SIP/2.0/UDP h;a=\"b\"\r\nCSeq: 1 ACK\r\n\r\n";
        assert_eq!(told(of_ack, fault), Some((400, "SIP/2.0/UDP h;a=\"b\"".to_owned())));
        assert_eq!((response.status(), response.phrase()), (400, "CSeq is missing"));
        assert_eq!(response.headers().get("To"), Some("<sip:b@h>;tag=tag"));
        assert_eq!(response.headers().via_top().unwrap().branch(), Some("x"));
        let cseq = |value: &str| {
            let text = format!("BYE sip:us@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCSeq: {value}\r\n\r\n");
            let response = of_unreadable(text.as_bytes(), fault, "tag").unwrap();
            response.headers().get("CSeq").map(str::to_owned)
        };
        assert_eq!(cseq("1 INVITE  Contact: <sip:us@h>").as_deref(), Some("1 INVITE"));
        assert_eq!(cseq("36893488147419103232 BYE").as_deref(), Some("36893488147419103232 BYE"));
        assert_eq!((cseq("one BYE"), cseq("1"), cseq("1 <BYE>")), (None, None, None));
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
