//! One server transaction: its machine, its last response, and where that goes.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Action;
use super::invite_server::{self, InviteServer};
use super::layer::Up;
use super::server::{self, Server};
use super::timer::Timers;
use crate::sip::event::Output;
use crate::sip::header::{BRANCH_COOKIE, Via};
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::target::{Target, Transport};
use crate::slab::Key;
use crate::time::Instant;

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
}

/// What can happen to either machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum ServerInput {
    Copy,
    Ack,
    Respond(u16),
    TransportError,
    Timeout,
}

/// The record.
#[derive(Debug)]
pub(super) struct ServerRecord {
    machine: Machine,
    /// The last response; a 100 before there is one to an INVITE.
    pub(super) bytes: Vec<u8>,
    pub(super) target: Target,
    /// The port of its Via.
    sent_by_port: u16,
    /// Its name in the layer's index.
    pub(super) index: String,
    /// The alarm that is set for it.
    pub(super) armed: Option<Instant>,
}

impl ServerRecord {
    pub(super) fn new(
        now: Instant,
        timers: Timers,
        target: Target,
        request: &Request,
        index: String,
        out: &mut Vec<Action>,
    ) -> Self {
        let reliable = target.transport.is_reliable();
        let (machine, bytes) = match request.method() {
            Method::Invite => (
                Machine::Invite(InviteServer::new(now, timers, reliable, out)),
                Response::to_request(request, 100, "Trying").to_bytes(),
            ),
            _ => (Machine::Other(Server::new(timers, reliable, out)), Vec::new()),
        };
        let port = request.headers().via_top().ok().and_then(|via| via.port);
        let sent_by_port = port.unwrap_or(target.transport.port());
        ServerRecord { machine, bytes, target, sent_by_port, index, armed: None }
    }

    /// Its connection is gone: what is still to be answered goes over a new one, to the address that the request came from and
    /// the port of its Via (RFC 3261 section 18.2.2). False when that is where it went.
    pub(super) fn reroute(&mut self) -> bool {
        let Target { transport, address, .. } = &mut self.target;
        if !transport.is_reliable() || address.port() == self.sent_by_port {
            return false;
        }
        address.set_port(self.sent_by_port);
        true
    }

    /// A copy came whose answer belongs to `target`: over another connection of a stream, all answers go there from now on
    /// (RFC 3261 section 18.2.2).
    pub(super) fn follow(&mut self, target: Target) {
        if target.transport.is_reliable() && target.transport == self.target.transport {
            self.target = target;
        }
    }

    /// How many bytes of the peer's it keeps.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.index.len()
    }

    pub(super) fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        }
    }

    pub(super) fn handle_input(&mut self, now: Instant, input: ServerInput, out: &mut Vec<Action>) {
        use ServerInput::*;
        match (&mut self.machine, input) {
            (Machine::Invite(m), Copy) => m.handle_input(now, invite_server::Input::Invite, out),
            (Machine::Invite(m), Ack) => m.handle_input(now, invite_server::Input::Ack, out),
            (Machine::Invite(m), Respond(status)) => {
                m.handle_input(now, invite_server::Input::Respond(status), out);
            }
            (Machine::Invite(m), TransportError) => {
                m.handle_input(now, invite_server::Input::TransportError, out)
            }
            (Machine::Invite(m), Timeout) => m.handle_timeout(now, out),
            (Machine::Other(m), Copy) => m.handle_input(now, server::Input::Request, out),
            (Machine::Other(m), Respond(status)) => m.handle_input(now, server::Input::Respond(status), out),
            (Machine::Other(m), TransportError) => m.handle_input(now, server::Input::TransportError, out),
            (Machine::Other(m), Timeout) => m.handle_timeout(now, out),
            // An ACK's index is that of an INVITE.
            (Machine::Other(_), Ack) => {}
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::Other(machine) => machine.poll_timeout(),
        }
    }

    /// Does what the machine asked for; true when the record is to be forgotten.
    pub(super) fn perform(
        &mut self,
        key: Key,
        actions: Vec<Action>,
        mut request: Option<Request>,
        outbox: &mut VecDeque<Output>,
        ups: &mut Vec<Up>,
    ) -> bool {
        let mut gone = false;
        for action in actions {
            match action {
                Action::Transmit => {
                    outbox.push_back(Output::Transmit { target: self.target, bytes: self.bytes.clone() });
                }
                Action::Deliver => match request.take() {
                    // Some peers give the ACK of a 2xx the INVITE's branch.
                    Some(ack) if *ack.method() == Method::Ack => ups.push(Up::Ack(ack)),
                    Some(request) => ups.push(Up::Request { transaction: key, request }),
                    None => {}
                },
                Action::Terminated => gone = true,
                // A refusal that was never acknowledged, or cannot be sent, changes nothing for its user.
                Action::TimedOut | Action::TransportFailed | Action::Acknowledge => {}
            }
        }
        gone
    }
}

/// Completes the topmost Via and tells the request's transaction and where its responses go (RFC 3261 sections
/// 18.2.1 and 18.2.2, RFC 3581 section 4). `None` when it has no Via to answer to.
pub(crate) fn identify(request: &mut Request, source: Target) -> Option<(String, Target)> {
    let index = index(request, request.method())?;
    let headers = request.headers();
    let (via, target) = route_back(&headers.via_top().ok()?, headers.get("Via")?, source);
    request.headers_mut().set_first("Via", &via);
    Some((index, target))
}

/// The Via, as it came in `text`, with what its sender could not know, and where a response to it goes.
pub(crate) fn route_back(via: &Via, text: &str, source: Target) -> (String, Target) {
    let seen = source.address;
    let said = crate::sip::uri::address(&via.host);
    let rport = via.wants_rport().then_some(seen.port());
    let port = rport.or(via.port).unwrap_or(5060);
    let received = (rport.is_some() || said != Some(seen.ip())).then_some(seen.ip());
    let via = Via::repeated(text, received, rport);
    // A response goes back over the connection that the request came by (RFC 3261 section 18.2.2).
    let address = match source.transport {
        Transport::Udp => SocketAddr::new(seen.ip(), port),
        Transport::Tcp | Transport::Tls => seen,
    };
    (via, Target { address, ..source })
}

/// The name of the server transaction of `method` that `request` belongs to. An ACK belongs to its INVITE.
pub(super) fn index(request: &Request, method: &Method) -> Option<String> {
    let headers = request.headers();
    let via = headers.via_top().ok()?;
    let method = if *method == Method::Ack { &Method::Invite } else { method };
    // A cookie with nothing behind it would make one transaction of all (RFC 4475 section 3.2.1).
    match via.branch().filter(|branch| branch.starts_with(BRANCH_COOKIE) && *branch != BRANCH_COOKIE) {
        Some(branch) => Some(format!("{branch} {} {method}", via.sent_by().to_ascii_lowercase())),
        None => {
            // RFC 2543 has no branch to rely on (RFC 3261 section 17.2.3).
            let from = headers.from().ok();
            let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
            let (call_id, cseq) = (headers.call_id().ok()?, headers.cseq().ok()?);
            Some(format!("{call_id} {tag} {} {} {method}", cseq.number, without_received(&via)))
        }
    }
}

/// What a copy of the request that went another way through forking proxies shares with it (RFC 3261 section 8.2.2.2).
/// None within a dialog, and for a CANCEL, which goes the way of its INVITE.
pub(crate) fn origin(request: &Request) -> Option<String> {
    let headers = request.headers();
    if *request.method() == Method::Cancel || headers.to().ok()?.tag().is_some() {
        return None;
    }
    let from = headers.from().ok()?;
    Some(format!("{} {} {}", headers.call_id().ok()?, from.tag()?, headers.cseq().ok()?))
}

fn without_received(via: &Via) -> String {
    format!("{} {}", via.sent_by(), via.branch().unwrap_or_default())
}
