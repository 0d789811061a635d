//! One client transaction: its machine, its message and its user.

use std::collections::VecDeque;
use std::time::Duration;

use super::Action;
use super::client::{self, Client};
use super::invite_client::{self, InviteClient};
use super::layer::Up;
use super::owner::Owner;
use super::timer::Timers;
use crate::sip::event::Output;
use crate::sip::message::{Headers, Message, Request, Response};
use crate::sip::method::Method;
use crate::sip::target::{Target, Transport};
use crate::sip::uri::address;
use crate::slab::Key;
use crate::time::Instant;

/// What went over TCP and may go over UDP does when nothing has come back from there for so long.
pub(super) const HEARD_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(Client),
}

impl Machine {
    fn new(now: Instant, timers: Timers, target: Target, is_invite: bool, out: &mut Vec<Action>) -> Machine {
        let reliable = target.transport.is_reliable();
        match is_invite {
            true => Machine::Invite(InviteClient::new(now, timers, reliable, out)),
            false => Machine::Other(Client::new(now, timers, reliable, out)),
        }
    }
}

/// What can happen to either machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum ClientInput {
    Response(u16),
    TransportError,
    Abandon,
    Cancelled,
    Timeout,
}

/// The record.
#[derive(Debug)]
pub(super) struct ClientRecord {
    machine: Machine,
    /// The request, then the ACK of its refusal, then nothing.
    bytes: Vec<u8>,
    pub(super) target: Target,
    pub(super) owner: Owner,
    /// Its name in the layer's index.
    pub(super) index: String,
    /// Whether it is sent over TCP, and may go over UDP.
    pub(super) may_fall_back: bool,
    /// Whether it went over TCP where UDP would do, so that its CANCEL may go over UDP, though it may not any more.
    pub(super) has_other_way: bool,
    /// Until when something must have come back over TCP.
    pub(super) heard_by: Option<Instant>,
    /// Whether it was begun once more; of an INVITE that waits, whether the loss of its connection was told.
    pub(super) is_second: bool,
    /// What its responses repeat beside the branch.
    repeated: Option<Repeated>,
    /// The alarm that is set for it.
    pub(super) armed: Option<Instant>,
}

impl ClientRecord {
    pub(super) fn new(
        now: Instant,
        timers: Timers,
        target: Target,
        request: &Request,
        index: String,
        owner: Owner,
        out: &mut Vec<Action>,
    ) -> Self {
        let machine = Machine::new(now, timers, target, *request.method() == Method::Invite, out);
        ClientRecord::of(machine, target, request, index, owner)
    }

    /// The record of an INVITE that a former run has sent.
    pub(super) fn resumed(
        timers: Timers,
        target: Target,
        invite: &Request,
        index: String,
        owner: Owner,
    ) -> Self {
        let machine = Machine::Invite(InviteClient::resumed(timers, target.transport.is_reliable()));
        ClientRecord::of(machine, target, invite, index, owner)
    }

    fn of(machine: Machine, target: Target, request: &Request, index: String, owner: Owner) -> Self {
        ClientRecord {
            machine,
            bytes: request.to_bytes(),
            target,
            owner,
            index,
            may_fall_back: false,
            has_other_way: false,
            heard_by: None,
            is_second: false,
            repeated: Repeated::of(request.headers()),
            armed: None,
        }
    }

    /// It is sent over TCP where UDP would do.
    pub(super) fn allow_fallback(&mut self, now: Instant) {
        self.may_fall_back = true;
        self.has_other_way = true;
        self.heard_by = Some(now + HEARD_WITHIN);
    }

    /// It goes no other way than it went.
    pub(super) fn forbid_fallback(&mut self) {
        self.may_fall_back = false;
        self.heard_by = None;
    }

    /// Begins anew over UDP: a server that has seen it all the same knows it by its branch.
    pub(super) fn fall_back(&mut self, now: Instant, timers: Timers, out: &mut Vec<Action>) {
        self.forbid_fallback();
        self.has_other_way = false;
        self.target.transport = Transport::Udp;
        if let Ok(Message::Request(mut request)) = Message::parse(&self.bytes)
            && let Ok(mut via) = request.headers().via_top()
        {
            // UDP and TCP share a port, so the transport is all that changes.
            via.transport = Transport::Udp.as_str().to_owned();
            request.headers_mut().set_first("Via", &via.to_string());
            self.bytes = request.to_bytes();
        }
        self.machine = Machine::new(now, timers, self.target, self.is_invite(), out);
    }

    /// Begins once more, over another connection: a server that has seen it knows it by its branch.
    pub(super) fn begin_again(&mut self, now: Instant, timers: Timers, out: &mut Vec<Action>) {
        self.is_second = true;
        self.machine = Machine::new(now, timers, self.target, self.is_invite(), out);
    }

    pub(super) fn handle_input(&mut self, now: Instant, input: ClientInput, out: &mut Vec<Action>) {
        use ClientInput::*;
        match (&mut self.machine, input) {
            (Machine::Invite(m), Response(status)) => {
                m.handle_input(now, invite_client::Input::Response(status), out);
            }
            (Machine::Invite(m), TransportError) => {
                m.handle_input(now, invite_client::Input::TransportError, out)
            }
            (Machine::Invite(m), Abandon) => {
                m.handle_input(now, invite_client::Input::Abandon, out);
                self.forbid_fallback();
            }
            (Machine::Invite(m), Cancelled) => m.handle_input(now, invite_client::Input::Cancelled, out),
            (Machine::Invite(m), Timeout) => m.handle_timeout(now, out),
            (Machine::Other(m), Response(status)) => {
                m.handle_input(now, client::Input::Response(status), out)
            }
            (Machine::Other(m), TransportError) => m.handle_input(now, client::Input::TransportError, out),
            (Machine::Other(m), Timeout) => m.handle_timeout(now, out),
            // Only an INVITE can be taken back.
            (Machine::Other(_), Abandon | Cancelled) => {}
        }
    }

    /// Whether a response answers this request: a branch alone may have been to somebody else, and a dialog is made of the
    /// request's Call-ID, tag and number (RFC 3261 sections 8.2.6.2, 12.1.2 and 18.1.2).
    pub(super) fn is_answered_by(&self, response: &Response) -> bool {
        self.repeated == Repeated::of(response.headers())
    }

    /// Whether it is an INVITE's.
    pub(super) fn is_invite(&self) -> bool {
        matches!(self.machine, Machine::Invite(_))
    }

    /// Whether an INVITE waits for its final response after a provisional one.
    pub(super) fn is_proceeding(&self) -> bool {
        matches!(&self.machine, Machine::Invite(machine) if machine.is_proceeding())
    }

    /// Whether no response was heard.
    pub(super) fn is_unanswered(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_calling(),
            Machine::Other(machine) => machine.is_trying(),
        }
    }

    /// Whether it is to end a call and has not: a BYE without an answer, an INVITE that was cancelled.
    pub(super) fn is_to_end_a_call(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_cancelled(),
            Machine::Other(machine) => machine.is_open() && self.index.ends_with(" BYE"),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.machine {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::Other(machine) => machine.poll_timeout(),
        };
        let heard_by = self.heard_by.filter(|_| self.is_unanswered());
        [own, heard_by].into_iter().flatten().min()
    }

    /// Does what the machine asked for; true when the record is to be forgotten.
    pub(super) fn perform(
        &mut self,
        key: Key,
        actions: Vec<Action>,
        mut response: Option<Response>,
        outbox: &mut VecDeque<Output>,
        ups: &mut Vec<Up>,
    ) -> bool {
        let mut answered = Vec::new();
        let mut gone = false;
        for action in actions {
            match action {
                Action::Transmit => self.transmit(outbox),
                Action::Acknowledge => {
                    let ack = response.as_ref().and_then(|response| self.ack(response));
                    answered = std::mem::replace(&mut self.bytes, ack.unwrap_or_default());
                    self.transmit(outbox);
                }
                Action::Deliver => {
                    let Some(response) = response.take() else { continue };
                    if response.is_success()
                        || (matches!(self.machine, Machine::Other(_)) && !response.is_provisional())
                    {
                        answered = std::mem::take(&mut self.bytes);
                    }
                    let request = std::mem::take(&mut answered);
                    let (owner, target) = (self.owner, self.target);
                    ups.push(Up::Response { owner, transaction: key, target, response, request });
                }
                Action::TimedOut | Action::TransportFailed => {
                    ups.push(Up::Silence { owner: self.owner, transaction: key });
                }
                Action::Terminated => gone = true,
            }
        }
        gone
    }

    fn transmit(&self, outbox: &mut VecDeque<Output>) {
        if !self.bytes.is_empty() {
            outbox.push_back(Output::Transmit { target: self.target, bytes: self.bytes.clone() });
        }
    }

    /// The CANCEL of this INVITE: RFC 3261 section 9.1.
    pub(super) fn cancel(&self, headers: &[(String, String)]) -> Option<Request> {
        let mut cancel = self.follower(Method::Cancel, None)?;
        headers.iter().for_each(|(name, value)| cancel.headers_mut().push(name, value));
        Some(cancel)
    }

    /// The ACK of a refusal: RFC 3261 section 17.1.1.3.
    fn ack(&self, response: &Response) -> Option<Vec<u8>> {
        let ack = self.follower(Method::Ack, response.headers().get("To"))?;
        Some(ack.to_bytes())
    }

    /// ACK and CANCEL go where the INVITE went, with its topmost Via, its Route and its number.
    fn follower(&self, method: Method, to: Option<&str>) -> Option<Request> {
        let Ok(Message::Request(invite)) = Message::parse(&self.bytes) else { return None };
        let from = invite.headers();
        let mut request = Request::new(method.clone(), invite.uri());
        let headers = request.headers_mut();
        headers.push("Via", from.get("Via")?);
        headers.push("Max-Forwards", "70");
        headers.push("From", from.get("From")?);
        headers.push("To", to.or(from.get("To"))?);
        headers.push("Call-ID", from.get("Call-ID")?);
        headers.push("CSeq", &format!("{} {method}", from.cseq().ok()?.number));
        from.all("Route").for_each(|route| headers.push("Route", route));
        Some(request)
    }
}

/// What a response has of its request, beside the branch and the method that it is found by.
#[derive(PartialEq, Eq, Debug)]
struct Repeated {
    /// Host and port of the Via, as they compare: a port that is not given is 5060 (RFC 3261 section 18.2.2), and an IPv6
    /// address may be written in many ways (RFC 5118 section 4.5).
    sent_by: (String, u16),
    call_id: String,
    from_tag: Option<String>,
    number: u32,
}

impl Repeated {
    fn of(headers: &Headers) -> Option<Repeated> {
        let via = headers.via_top().ok()?;
        let host = address(&via.host).map_or(via.host.to_ascii_lowercase(), |ip| ip.to_string());
        Some(Repeated {
            sent_by: (host, via.port.unwrap_or(5060)),
            call_id: headers.call_id().ok()?.to_owned(),
            from_tag: headers.from().ok()?.tag().map(str::to_owned),
            number: headers.cseq().ok()?.number,
        })
    }
}
