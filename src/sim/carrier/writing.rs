//! Responses and requests of the carrier as they go out (RFC 3261, 8.2.6, 12.2.1, 18.2.1).

use super::call::{Asked, Call, GIVE_UP, T1};
use super::{Carrier, Output};
use crate::rng::Rng;
use crate::sim::description::{self, Description, Direction};
use crate::sip::header::Via;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::slab::Key;
use crate::time::Instant;
use std::net::SocketAddr;

const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER";

impl Carrier {
    /// A response with the caller's address in its Via (RFC 3581, 4), a To tag and, where it makes sense, a Contact.
    pub(super) fn respond(
        &self,
        request: &Request,
        source: SocketAddr,
        (status, phrase): (u16, &str),
        tag: &str,
    ) -> Response {
        let mut response = Response::to_request(request, status, phrase);
        let headers = response.headers_mut();
        if let Ok(mut via) = headers.via_top() {
            mark_source(&mut via, source);
            headers.set_first("Via", &via.to_string());
        }
        if let (true, Ok(to)) = (status > 100, headers.to())
            && to.tag().is_none()
        {
            headers.set("To", &to.with_tag(tag).to_string());
        }
        if (101..300).contains(&status) && *request.method() == Method::Invite {
            headers.push("Contact", &self.contact());
            headers.push("Allow", ALLOW);
        }
        response
    }

    pub(super) fn contact(&self) -> String {
        format!("<sip:carrier@{}>", self.options.address)
    }

    pub(super) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Sip { to, bytes });
    }

    /// Answers a request other than INVITE, and remembers the answer for copies of the request.
    pub(super) fn answer_once(
        &mut self,
        now: Instant,
        source: SocketAddr,
        request: &Request,
        response: &Response,
    ) {
        let bytes = response.to_bytes();
        if let Some(key) = answer_key(request) {
            self.answers.insert(key.clone(), bytes.clone());
            self.answers_order.push_back((now, key));
        }
        self.send(source, bytes);
    }

    /// A response to the call's last INVITE; it is what copies of the INVITE get from now on.
    pub(super) fn respond_invite(
        &mut self,
        key: Key,
        status: (u16, &str),
        extra: &[(&str, String)],
        sdp: Option<Vec<u8>>,
    ) {
        let call = self.calls.get(key).expect("a key is used only while its call is known");
        let mut response = self.respond(&call.invite, call.source, status, &call.tag);
        extra.iter().for_each(|(name, value)| response.headers_mut().push(name, value));
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp);
        }
        let (bytes, source) = (response.to_bytes(), call.source);
        self.call(key).response = bytes.clone();
        self.send(source, bytes);
    }

    /// Our side's description for a call, as the answer to `remote` or as an offer of `direction`.
    pub(super) fn describe(&mut self, key: Key, remote: &Description, direction: Direction) -> Vec<u8> {
        let call = self.calls.get_mut(key).expect("a key is used only while its call is known");
        let port = call.line.as_ref().map_or(9, |line| line.port());
        call.version += 1;
        let laws = remote.laws.iter().filter(|(law, _)| self.options.laws.contains(law));
        let ours = Description {
            address: SocketAddr::new(self.options.media_address, port),
            rtcp: SocketAddr::new(self.options.media_address, port.saturating_add(1)),
            laws: laws.take(1).copied().collect(),
            telephone_event: remote.telephone_event,
            direction,
        };
        description::write(&ours, call.session, call.version)
    }

    /// Sends BYE, or a re-INVITE with an offer of `direction`, and repeats it until it is answered.
    pub(super) fn ask(&mut self, now: Instant, key: Key, offer: Option<(Direction, Vec<u8>)>) {
        let method = if offer.is_some() { Method::Invite } else { Method::Bye };
        let contact = self.contact();
        let call = self.calls.get_mut(key).expect("a key is used only while its call is known");
        call.local_cseq += 1;
        let (branch, cseq, source) = (new_branch(&mut self.rng), call.local_cseq, call.source);
        let mut request = within_dialog(call, &method, cseq, &branch, self.options.address);
        let direction = offer.as_ref().map(|(direction, _)| *direction);
        match offer {
            Some((_, sdp)) => {
                request.headers_mut().push("Contact", &contact);
                request.set_body("application/sdp", sdp);
            }
            None => request.headers_mut().push("Reason", "Q.850;cause=16;text=\"Normal call clearing\""),
        }
        let bytes = request.to_bytes();
        let give_up = now + GIVE_UP;
        call.asked = Some(Asked {
            branch,
            cseq,
            bytes: bytes.clone(),
            direction,
            next: now + T1,
            interval: T1,
            give_up,
        });
        self.send(source, bytes);
    }

    /// The ACK of a final response to our re-INVITE: of a 2xx with a branch of its own (RFC 3261, 13.2.2.4), of others
    /// with the INVITE's (17.1.1.3).
    pub(super) fn acknowledge(&mut self, key: Key, asked: &Asked, status: u16) {
        let branch = if status < 300 { new_branch(&mut self.rng) } else { asked.branch.clone() };
        let call = self.calls.get_mut(key).expect("a key is used only while its call is known");
        let ack = within_dialog(call, &Method::Ack, asked.cseq, &branch, self.options.address).to_bytes();
        call.last_ack = Some((asked.cseq, ack.clone()));
        let source = call.source;
        self.send(source, ack);
    }
}

/// A request from our side of the dialog: From is the INVITE's To, with our tag.
fn within_dialog(call: &Call, method: &Method, cseq: u32, branch: &str, address: SocketAddr) -> Request {
    let mut request = Request::new(method.clone(), &call.target);
    let invite = call.invite.headers();
    let to = invite.to().map(|to| to.with_tag(&call.tag).to_string()).unwrap_or_default();
    let headers = request.headers_mut();
    headers.push("Via", &format!("SIP/2.0/UDP {address};branch={branch};rport"));
    invite.all("Record-Route").for_each(|route| headers.push("Route", route));
    headers.push("Max-Forwards", "70");
    headers.push("From", &to);
    headers.push("To", invite.get("From").unwrap_or_default());
    headers.push("Call-ID", invite.get("Call-ID").unwrap_or_default());
    headers.push("CSeq", &format!("{cseq} {method}"));
    request
}

fn new_branch(rng: &mut Rng) -> String {
    format!("z9hG4bK{}", rng.token(16))
}

/// What makes two copies one request (RFC 3261, 17.2.3).
pub(super) fn answer_key(request: &Request) -> Option<(String, String)> {
    let via = request.headers().via_top().ok()?;
    Some((format!("{}{}", via.sent_by(), via.branch()?), request.method().to_string()))
}

fn mark_source(via: &mut Via, source: SocketAddr) {
    if via.wants_rport() {
        via.parameters.set("rport", Some(&source.port().to_string()));
        via.parameters.set("received", Some(&source.ip().to_string()));
    }
}
