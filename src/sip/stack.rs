//! What sessions, registrations and pings stand on: transactions, the ACK memory, our identity, the outbox.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::access::Local;
use super::ack::{AckId, AckMemory};
use super::authentication::Authentication;
use super::dialog::Dialog;
use super::event::{Event, Output};
use super::header::BRANCH_COOKIE;
use super::message::{Request, Response};
use super::method::Method;
use super::options::{HangUpReason, Options};
use super::target::{Target, Transport};
use super::transaction::layer::{Full, Layer};
use super::transaction::owner::Owner;
use super::transaction::timer::Timers;
use crate::rng::Rng;
use crate::slab::{Key, Slab};
use crate::time::Instant;

/// What we understand, for the Allow header.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE";

/// The shared ground.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) options: Options,
    pub(crate) timers: Timers,
    pub(crate) rng: Rng,
    pub(crate) layer: Layer,
    pub(crate) acks: AckMemory,
    /// BYEs under way, with what a challenge of theirs is answered with.
    pub(crate) farewells: Slab<Authentication>,
    /// From where requests are taken, and how many asked for it.
    allowed: BTreeMap<IpAddr, usize>,
}

impl Stack {
    pub(crate) fn new(options: Options, rng: Rng) -> Self {
        let timers = Timers::with_t1(options.t1);
        Stack {
            timers,
            rng,
            layer: Layer::new(timers, options.transactions_max),
            acks: AckMemory::new(options.transactions_max),
            farewells: Slab::with_limit(options.transactions_max),
            allowed: BTreeMap::new(),
            options,
        }
    }

    pub(crate) fn allow(&mut self, source: IpAddr) {
        *self.allowed.entry(source).or_default() += 1;
    }

    pub(crate) fn disallow(&mut self, source: IpAddr) {
        if let Some(count) = self.allowed.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.allowed.remove(&source);
            }
        }
    }

    pub(crate) fn locals(&self) -> &[Local] {
        self.options.access.locals()
    }

    pub(crate) fn allows(&self, source: IpAddr) -> bool {
        self.allowed.contains_key(&source)
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.layer.outbox.push_back(Output::Event(event));
    }

    /// The value of our Contact, as `target` is to see it.
    pub(crate) fn contact(&self, target: Target, user: &str) -> String {
        let table = &self.options.access;
        let host = table.sent_by(target);
        match target.transport {
            Transport::Tls if table.get(target.access).is_sips => format!("<sips:{user}@{host}>"),
            Transport::Udp => format!("<sip:{user}@{host}>"),
            stream => format!("<sip:{user}@{host};transport={}>", stream.parameter()),
        }
    }

    /// Sends a request that has all but its Via as a transaction of `owner`.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        target: Target,
        mut request: Request,
        owner: Owner,
    ) -> Result<Key, Full> {
        self.add_route(target, &mut request);
        let branch = self.add_via(target, &mut request);
        self.layer.start(now, target, &request, &branch, owner)
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, now: Instant, transaction: Key, response: &Response) {
        self.layer.respond(now, transaction, response);
    }

    /// Where requests of `dialog` go: to the next hop where that is an address of a peer we know, else to the trunk
    /// that the call went through. A Contact behind NAT, or one that leads to a stranger, leads nowhere.
    pub(crate) fn target_of(&self, dialog: &Dialog, trunk: Target) -> Target {
        trunk.of_uri(dialog.next_hop()).filter(|target| self.allows(target.address.ip())).unwrap_or(trunk)
    }

    /// Acknowledges the 2xx `response`, which made `dialog`, and keeps the ACK for its copies.
    pub(crate) fn acknowledge(&mut self, now: Instant, dialog: &Dialog, trunk: Target, response: &Response) {
        let Ok(cseq) = response.headers().cseq() else { return };
        let target = self.target_of(dialog, trunk);
        let mut ack = dialog.ack(cseq.number);
        self.add_via(target, &mut ack);
        let bytes = ack.to_bytes();
        if let Some(id) = AckId::of(response) {
            self.acks.remember(now + self.timers.give_up(), id, target, bytes.clone());
        }
        self.layer.transmit(target, bytes);
    }

    /// Sends the ACK of a 2xx again, when it is a copy of one that was acknowledged.
    pub(crate) fn acknowledge_again(&mut self, response: &Response) -> bool {
        match AckId::of(response).and_then(|id| self.acks.recall(&id)) {
            Some((target, bytes)) => {
                self.layer.transmit(target, bytes);
                true
            }
            None => false,
        }
    }

    /// Ends a dialog; nobody waits for it.
    pub(crate) fn bye(
        &mut self,
        now: Instant,
        dialog: &mut Dialog,
        trunk: Target,
        mut authentication: Authentication,
        reason: Option<&HangUpReason>,
    ) {
        let target = self.target_of(dialog, trunk);
        let mut bye = dialog.request(Method::Bye);
        self.add_user_agent(&mut bye);
        if let Some((name, value)) = reason.map(HangUpReason::header) {
            bye.headers_mut().push(&name, &value);
        }
        authentication.begin();
        let owner = self.farewells.insert(authentication).map_or(Owner::Nobody, Owner::Farewell);
        if self.send(now, target, bye, owner).is_err()
            && let Owner::Farewell(key) = owner
        {
            self.farewells.remove(key);
        }
    }

    pub(crate) fn add_user_agent(&self, request: &mut Request) {
        if !self.options.user_agent.is_empty() {
            request.headers_mut().push("User-Agent", &self.options.user_agent);
        }
    }

    /// The outbound proxy of a request that has no route of its own: a dialog's requests have theirs from the
    /// Record-Route, those that are tried again from the first try, a registered one from its Service-Route.
    fn add_route(&self, target: Target, request: &mut Request) {
        let Some(route) = &self.options.access.get(target.access).route else { return };
        let is_in_dialog = request.headers().to().is_ok_and(|to| to.tag().is_some());
        if !is_in_dialog && request.headers().get("Route").is_none() {
            request.headers_mut().push("Route", route);
        }
    }

    /// A Via with a new branch, asking for responses to where the request comes from (RFC 3581).
    fn add_via(&mut self, target: Target, request: &mut Request) -> String {
        let sent_by = self.options.access.sent_by(target);
        let branch = format!("{BRANCH_COOKIE}{}", self.rng.token(16));
        let via = format!("SIP/2.0/{} {sent_by};branch={branch};rport", target.transport.as_str());
        request.headers_mut().push_front("Via", &via);
        branch
    }
}
