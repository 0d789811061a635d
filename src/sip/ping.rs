//! OPTIONS as a sign of life: RFC 3261 section 11. Whatever is answered, the peer is alive.

use super::event::{Event, PingKey, PingOutcome};
use super::header::{NameAddr, retry_after};
use super::malformed::Malformed;
use super::message::{Request, Response};
use super::method::Method;
use super::options::Refused;
use super::stack::Stack;
use super::uri::Uri;
use crate::time::Instant;

/// A ping under way.
#[derive(Debug)]
pub(crate) struct Ping {
    sent: Instant,
}

impl Ping {
    pub(crate) fn new(now: Instant) -> Self {
        Ping { sent: now }
    }

    /// What a response says, if it says anything.
    pub(crate) fn outcome(&self, now: Instant, response: &Response) -> Option<PingOutcome> {
        (!response.is_provisional()).then(|| PingOutcome::Answered {
            status: response.status(),
            round_trip: now - self.sent,
            retry_after: response.headers().get("Retry-After").and_then(retry_after),
        })
    }
}

/// The request, without Via.
pub(crate) fn request(stack: &mut Stack, uri: &str, from: &str) -> Result<Request, Refused> {
    let unusable = |part| move |fault: Malformed| Refused::Unusable { part, fault: fault.to_string() };
    let uri = Uri::parse(uri).map_err(unusable("the Request-URI"))?;
    let from = NameAddr::parse(from).map_err(unusable("From"))?.with_tag(&stack.rng.token(12));
    let mut request = Request::new(Method::Options, uri.without_headers());
    let headers = request.headers_mut();
    headers.push("Max-Forwards", "70");
    headers.push("From", &from.to_string());
    headers.push("To", &format!("<{}>", uri.without_headers()));
    headers.push("Call-ID", &stack.rng.token(24));
    headers.push("CSeq", "1 OPTIONS");
    headers.push("Accept", "application/sdp");
    stack.add_user_agent(&mut request);
    Ok(request)
}

/// Tells what became of a ping.
pub(crate) fn tell(stack: &mut Stack, key: PingKey, outcome: PingOutcome) {
    stack.emit(Event::Ping { key, outcome });
}
