//! What sessions, registrations and pings stand on: transactions, the ACK memory, our identity, the outbox.

use super::access::{Local, Towards};
use super::ack::{Ack, AckId, AckMemory};
use super::authentication::Shown;
use super::dialog::Dialog;
use super::event::{Event, Output, SessionKey};
use super::header::{BRANCH_COOKIE, NameAddr};
use super::late::{Farewell, Late};
use super::message::{Request, Response};
use super::method::Method;
use super::options::{HangUpReason, Options};
use super::reach::Reach;
use super::source::Sources;
use super::stateless::Stateless;
use super::target::{Target, Transport};
use super::transaction::layer::{Full, Layer};
use super::transaction::owner::Owner;
use super::transaction::timer::Timers;
use super::uri::Uri;
use crate::rng::Rng;
use crate::slab::{Key, Slab};
use crate::time::Instant;

/// What we understand, for the Allow header.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE";

/// Peers whose routes are kept in mind beside those whose requests are taken.
const ROUTES_MAX: usize = 1_024;

/// The shared ground.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) options: Options,
    pub(crate) timers: Timers,
    pub(crate) rng: Rng,
    pub(crate) layer: Layer,
    pub(crate) acks: AckMemory,
    /// BYEs under way.
    pub(crate) farewells: Slab<Farewell>,
    /// INVITEs that may yet be answered, though their sessions wait for them no more.
    pub(crate) late: Slab<Late>,
    pub(crate) reach: Reach,
    pub(crate) stateless: Stateless,
    /// From where requests are taken.
    pub(crate) sources: Sources,
}

impl Stack {
    pub(crate) fn new(options: Options, rng: Rng) -> Self {
        let timers = Timers::with_t1(options.t1);
        let stateless = Stateless::new(rng.clone());
        Stack {
            timers,
            stateless,
            rng,
            layer: Layer::new(timers, options.transactions_max),
            acks: AckMemory::new(options.transactions_max),
            farewells: Slab::with_limit(options.transactions_max),
            late: Slab::with_limit(options.transactions_max),
            reach: Reach::default(),
            sources: Sources::default(),
            options,
        }
    }

    /// What the routing table says of these peers. Beyond the bound, what it said of those whose requests are not taken is
    /// forgotten: a name of the DNS may have other addresses every minute.
    pub(crate) fn handle_towards(&mut self, towards: &[Towards]) {
        let table = &mut self.options.access;
        if table.peers().len() >= ROUTES_MAX {
            table.retain_peers(|peer| self.sources.allows(peer));
        }
        table.handle_towards(towards);
    }

    pub(crate) fn locals(&self) -> &[Local] {
        self.options.access.locals()
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.layer.outbox.push_back(Output::Event(event));
    }

    /// The value of our Contact, as `target` is to see it.
    pub(crate) fn contact(&self, target: Target, user: &str) -> String {
        let table = &self.options.access;
        let host = self.reach.seen_by(target).unwrap_or(table.sent_by(target));
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
        request: Request,
        owner: Owner,
    ) -> Result<Key, Full> {
        let branch = self.branch();
        self.send_as(now, target, request, branch, owner)
    }

    /// As [`Stack::send`], under a branch that is known before.
    pub(crate) fn send_as(
        &mut self,
        now: Instant,
        target: Target,
        mut request: Request,
        branch: String,
        owner: Owner,
    ) -> Result<Key, Full> {
        self.add_route(target, &mut request);
        let via = self.via(target, &branch);
        request.headers_mut().push_front("Via", &via);
        if !self.is_too_long(now, target, &request) {
            return self.layer.start(now, target, &request, &branch, owner);
        }
        // RFC 3261 section 18.1.1: over a transport that knows congestion, and back where that is refused.
        let over_tcp = Target { transport: Transport::Tcp, ..target };
        let via = self.via(over_tcp, &branch);
        request.headers_mut().set_first("Via", &via);
        let key = self.layer.start(now, over_tcp, &request, &branch, owner)?;
        self.layer.allow_fallback(now, key);
        Ok(key)
    }

    fn is_too_long(&self, now: Instant, target: Target, request: &Request) -> bool {
        let limit = self.options.tcp_above_bytes;
        target.transport == Transport::Udp
            && limit > 0
            && !self.reach.refuses_tcp(now, target.address)
            && request.to_bytes().len() > limit
    }

    /// A connection to `target` could not be made, or led to nobody.
    pub(crate) fn note_refusal(&mut self, now: Instant, target: Target) {
        if target.transport == Transport::Tcp {
            self.reach.note_refusal(now, target.address);
        }
        self.send_acks_over_udp(target);
    }

    /// ACKs that went over TCP to `target` and may go over UDP do, as no transaction cares for them.
    pub(crate) fn send_acks_over_udp(&mut self, target: Target) {
        for (target, bytes) in self.acks.handle_refused(target) {
            self.layer.transmit(target, bytes);
        }
    }

    /// A response to a request of ours came from `target`: its Via tells where it saw us (RFC 3581 section 4).
    pub(crate) fn learn(&mut self, target: Target, response: &Response) {
        let table = &self.options.access;
        let local = &table.locals()[table.local_of(target)];
        if self.options.learn_address
            && !local.is_advertised
            && let Ok(via) = response.headers().via_top()
        {
            self.reach.note_via(target, &via, local.sent_by(target.transport).port());
        }
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, now: Instant, transaction: Key, response: &Response) {
        self.layer.respond(now, transaction, response);
    }

    /// Sends a request within `dialog` as a transaction of `owner`.
    pub(crate) fn send_within(
        &mut self,
        now: Instant,
        dialog: &Dialog,
        trunk: Target,
        request: Request,
        owner: Owner,
    ) -> Result<Key, Full> {
        let target = self.target_of(dialog, trunk);
        let key = self.send(now, target, request, owner)?;
        if may_fall_back(dialog, trunk, target) {
            self.layer.allow_fallback(now, key);
        }
        Ok(key)
    }

    /// Where requests of `dialog` go: to the next hop where that is an address of a peer we know, or a name of the one that
    /// the call went to, else to that one. A Contact behind NAT, or one that leads to a stranger, leads nowhere.
    fn target_of(&self, dialog: &Dialog, trunk: Target) -> Target {
        // The name that the next hop was found by (RFC 3261 section 8.1.2): the outbound proxy's, or the callee's.
        let by_name = match &self.options.access.get(trunk.access).route {
            Some(route) => NameAddr::parse(route).ok().map(|route| route.uri),
            None => dialog.callee(),
        };
        trunk
            .of_uri(dialog.next_hop(), by_name.as_ref().map_or("", Uri::host))
            .filter(|target| self.sources.allows(target.address.ip()))
            .unwrap_or(trunk)
    }

    /// Acknowledges the 2xx `response`, which made `dialog`, and keeps the ACK for its copies.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        dialog: &Dialog,
        trunk: Target,
        response: &Response,
        shown: &Shown,
    ) {
        let Some(ack) = self.ack(now, dialog, trunk, response, shown) else { return };
        self.layer.transmit(ack.target, ack.bytes.clone());
        if let Some(id) = AckId::of(response) {
            self.acks.remember(now + self.timers.give_up(), id, ack);
        }
    }

    /// The same, but the ACK stays here until [`Stack::release_ack`].
    pub(crate) fn hold_ack(
        &mut self,
        now: Instant,
        dialog: &Dialog,
        trunk: Target,
        response: &Response,
        shown: &Shown,
    ) -> Option<AckId> {
        let ack = self.ack(now, dialog, trunk, response, shown)?;
        let id = AckId::of(response)?;
        self.acks.hold(now + self.timers.give_up(), id.clone(), ack);
        Some(id)
    }

    /// Sends an ACK that was held.
    pub(crate) fn release_ack(&mut self, id: &AckId) {
        if let Some((target, bytes)) = self.acks.release(id) {
            self.layer.transmit(target, bytes);
        }
    }

    /// With the credentials that the INVITE has shown; over TCP where it is too long for UDP, as any request.
    fn ack(
        &mut self,
        now: Instant,
        dialog: &Dialog,
        trunk: Target,
        response: &Response,
        shown: &Shown,
    ) -> Option<Ack> {
        let cseq = response.headers().cseq().ok()?;
        let target = self.target_of(dialog, trunk);
        let mut ack = dialog.ack(cseq.number);
        let branch = self.branch();
        let via = self.via(target, &branch);
        ack.headers_mut().push_front("Via", &via);
        shown.iter().for_each(|(name, value)| ack.headers_mut().push(name, value));
        let is_too_long = self.is_too_long(now, target, &ack);
        let target = if is_too_long { Target { transport: Transport::Tcp, ..target } } else { target };
        let mut bytes_over = |transport| {
            let via = self.via(Target { transport, ..target }, &branch);
            ack.headers_mut().set_first("Via", &via);
            ack.to_bytes()
        };
        let over_udp = is_too_long || may_fall_back(dialog, trunk, target);
        let over_udp = over_udp.then(|| bytes_over(Transport::Udp));
        Some(Ack { target, bytes: bytes_over(target.transport), over_udp })
    }

    /// Sends the ACK of a 2xx again, when it is a copy of one that was acknowledged; where the ACK is held, the copy is known
    /// and waits like the first.
    pub(crate) fn acknowledge_again(&mut self, response: &Response) -> bool {
        let Some(known) = AckId::of(response).and_then(|id| self.acks.recall(&id)) else { return false };
        if let Some((target, bytes)) = known {
            self.layer.transmit(target, bytes);
        }
        true
    }

    /// Ends a dialog, that of a session or that of a fork which nobody waits for.
    pub(crate) fn bye(
        &mut self,
        now: Instant,
        dialog: &mut Dialog,
        trunk: Target,
        mut farewell: Farewell,
        reason: Option<&HangUpReason>,
    ) {
        let mut bye = dialog.request(Method::Bye);
        self.add_user_agent(&mut bye);
        if let Some((name, value)) = reason.map(HangUpReason::header) {
            bye.headers_mut().push(&name, &value);
        }
        farewell.authentication.begin();
        let owner = self.farewells.insert(farewell).map_or(Owner::Nobody, Owner::Farewell);
        if self.send_within(now, dialog, trunk, bye, owner).is_err()
            && let Owner::Farewell(key) = owner
        {
            self.farewells.remove(key);
        }
    }

    /// Whether a BYE of this session is under way.
    pub(crate) fn takes_leave(&self, session: SessionKey) -> bool {
        self.farewells.iter().any(|(_, farewell)| farewell.session == Some(session))
    }

    /// Whether a far end may still be in a call with us: a BYE of ours is not answered, or an INVITE that was cancelled. One
    /// that a former run has sent is its orphan's to wait for, and a re-INVITE ends with its dialog's BYE.
    pub(crate) fn is_parting(&self) -> bool {
        self.layer.ends().any(|owner| match owner {
            Owner::Orphan(_) => false,
            Owner::Late(key) => self.late.get(key).is_none_or(|late| !late.is_reinvite()),
            _ => true,
        })
    }

    pub(crate) fn add_user_agent(&self, request: &mut Request) {
        if !self.options.user_agent.is_empty() {
            request.headers_mut().push("User-Agent", &self.options.user_agent);
        }
    }

    /// The outbound proxy of a request that has no route of its own: a dialog's requests have theirs from the
    /// Record-Route, those that are tried again from the first try, a registered one from its Service-Route.
    pub(crate) fn add_route(&self, target: Target, request: &mut Request) {
        let Some(route) = &self.options.access.get(target.access).route else { return };
        let is_in_dialog = request.headers().to().is_ok_and(|to| to.tag().is_some());
        if !is_in_dialog && request.headers().get("Route").is_none() {
            request.headers_mut().push("Route", route);
        }
    }

    /// A new branch.
    pub(crate) fn branch(&mut self) -> String {
        [BRANCH_COOKIE, &self.rng.token(16)].concat()
    }

    /// A Via that asks for responses to where the request comes from (RFC 3581).
    pub(crate) fn via(&self, target: Target, branch: &str) -> String {
        let sent_by = self.options.access.sent_by(target);
        format!("SIP/2.0/{} {sent_by};branch={branch};rport", target.transport.as_str())
    }
}

/// Whether a request of `dialog` to `target` may go over UDP should TCP be refused: TCP is but that of the trunk, and a URI
/// without a transport stands for UDP (RFC 3263 section 4.1). The trunk itself is spoken to as it is configured.
fn may_fall_back(dialog: &Dialog, trunk: Target, target: Target) -> bool {
    let names_none = dialog.next_hop().parameter("transport").is_none();
    target.transport == Transport::Tcp && target.address != trunk.address && names_none
}
