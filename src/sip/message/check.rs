//! What a whole message must have to be matched to anything and to be answered (RFC 3261 sections 8.1.1, 8.2 and 7.3.1).
//!
//! A request is held to all of it, for its sender can be told. A response is held to what decides which call it belongs
//! to: whoever is called may be careless with the rest, and a dropped answer is a lost call. So is what ends a call, or
//! completes its beginning: of the rest nothing is needed (section 8.2.2), and a refused BYE is a line that stays up.

use super::{CONTACTS_MAX, Headers, ROUTES_MAX, Request, Response, VIAS_MAX};
use crate::sip::header::{NameAddr, Via};
use crate::sip::malformed::Malformed;
use crate::sip::method::Method;

/// The highest Max-Forwards (section 20.22).
const FORWARDS_MAX: u32 = 255;

/// Headers that make no sense twice: nobody could tell which is meant (sections 7.3.1 and 20; RFC 3515 section 2.4.2,
/// RFC 3891 section 3).
const SINGLE: [&str; 9] = [
    "Max-Forwards",
    "Content-Type",
    "Content-Disposition",
    "Expires",
    "Event",
    "Refer-To",
    "Replaces",
    "Session-Expires",
    "Subscription-State",
];

/// Whether nothing but its essentials is needed of a request.
pub(super) fn is_plain(method: &Method) -> bool {
    matches!(method, Method::Ack | Method::Bye | Method::Cancel)
}

/// Refuses a request that lacks something or contradicts itself.
pub(super) fn request(request: &Request) -> Result<(), Malformed> {
    let headers = &request.headers;
    // Section 8.2.1 looks at the method first, so an unknown one is told so even where its CSeq names another.
    essentials(headers).and_then(|()| numbered(request))?;
    if is_plain(&request.method) {
        return Ok(());
    }
    if let Some(name) = SINGLE.iter().find(|name| headers.count(name) > 1) {
        return Err(Malformed::new(name, "is given more than once"));
    }
    hops(headers)?;
    headers.all("Via").try_for_each(|value| Via::parse(value).map(|_| ()))?;
    routes(headers, "Route")?;
    routes(headers, "Record-Route")?;
    contacts(headers, &request.method)
}

/// Refuses a response that belongs nowhere.
pub(super) fn response(response: &Response) -> Result<(), Malformed> {
    essentials(&response.headers)
}

fn essentials(headers: &Headers) -> Result<(), Malformed> {
    for place in ["From", "To", "Call-ID", "CSeq"] {
        match headers.count(place) {
            0 => return Err(Malformed::new(place, "is missing")),
            1 => {}
            _ => return Err(Malformed::new(place, "is given more than once")),
        }
    }
    if headers.call_id()?.contains(char::is_whitespace) {
        return Err(Malformed::new("Call-ID", "holds a blank"));
    }
    headers.from()?.check_tag().map_err(|error| error.in_place("From"))?;
    headers.to()?.check_tag().map_err(|error| error.in_place("To"))?;
    bounded(headers, "Via", VIAS_MAX)?;
    bounded(headers, "Route", ROUTES_MAX)?;
    bounded(headers, "Record-Route", ROUTES_MAX)?;
    bounded(headers, "Contact", CONTACTS_MAX)?;
    headers.via_top()?;
    headers.cseq().map(|_| ())
}

fn bounded(headers: &Headers, name: &'static str, limit: usize) -> Result<(), Malformed> {
    match headers.count(name) <= limit {
        true => Ok(()),
        false => Err(Malformed::new(name, "has more values than are read")),
    }
}

fn numbered(request: &Request) -> Result<(), Malformed> {
    if request.headers.cseq()?.method == request.method {
        return Ok(());
    }
    let error = Malformed::new("CSeq", "names another method than the request");
    Err(if matches!(request.method, Method::Other(_)) { error.answered(501) } else { error })
}

fn hops(headers: &Headers) -> Result<(), Malformed> {
    let Some(text) = headers.get("Max-Forwards") else { return Ok(()) };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(hops) if is_number && hops <= FORWARDS_MAX => Ok(()),
        _ => Err(Malformed::new("Max-Forwards", "is no number up to 255")),
    }
}

fn routes(headers: &Headers, name: &'static str) -> Result<(), Malformed> {
    headers.all(name).try_for_each(|value| {
        let route = NameAddr::parse(value).map_err(|error| error.in_place(name))?;
        match route.uri.is_sip() {
            true => Ok(()),
            false => Err(Malformed::new(name, "leads to no SIP address")),
        }
    })
}

/// `*` means all bindings of a registration and nothing else (section 10.2.2); a dialog has one place where the peer is
/// (section 8.1.1.8).
fn contacts(headers: &Headers, method: &Method) -> Result<(), Malformed> {
    for value in headers.all("Contact") {
        if value != "*" {
            NameAddr::parse(value).map_err(|error| error.in_place("Contact"))?;
        } else if *method != Method::Register || headers.count("Contact") > 1 {
            return Err(Malformed::new("Contact", "is an asterisk where an address belongs"));
        }
    }
    let makes_a_dialog = matches!(
        method,
        Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify
    );
    match makes_a_dialog && headers.count("Contact") > 1 {
        true => Err(Malformed::new("Contact", "is given more than once")),
        false => Ok(()),
    }
}
