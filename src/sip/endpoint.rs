//! The SIP user agent as the rest of the house sees it, without any I/O.
//!
//! It hands each message to the transaction, session, registration or ping that it belongs to, owns their bounds and
//! their alarms, and collects what they want transmitted and told. Requests are taken from allowed sources only, and
//! others are dropped before they are parsed; a response needs the branch of a request that we sent.

mod delivery;
mod peers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::authentication::Authentication;
use super::digest::Credentials;
use super::header::Via;
use super::malformed::Malformed;
use super::message::{Message, Request, Response, is_keep_alive, is_response};
use super::method::Method;
use super::orphan::Orphan;
use super::ping::{self, Ping};
use super::registration::Registrar;
use super::schedule::Schedule;
use super::session::{self, Session};
use super::stack::Stack;
use super::transaction::layer::Up;
use super::transaction::owner::Owner;
use super::transaction::server_record::{identify, route_back};
use super::{late, refusal};
use crate::rng::Rng;
use crate::slab::{Key, Slab};
use crate::time::Instant;

pub use super::access::{Access, AccessId, AccessTable, Local, Towards};
pub use super::event::{
    Event, Leave, OrphanEnd, OrphanKey, Output, PingKey, PingOutcome, RegistrationEvent, RegistrationKey,
    SessionEvent, SessionKey,
};
pub use super::options::{
    Counts, Dial, Extensions, HangUpReason, Names, Options, Refused, Registration, ReliableProvisionals,
};
pub use super::remains::Remains;
pub use super::target::{Loss, Target, Transport};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Alarm {
    Session(Key),
    Registration(Key),
    Orphan(Key),
}

/// Alarms that one deadline serves. Those beyond are due at the next; and should one ever come again and again, which is our
/// mistake, calls go on beside it.
const ALARMS_A_TURN: usize = 100_000;

/// The user agent.
#[derive(Debug)]
pub struct Endpoint {
    stack: Stack,
    sessions: Slab<Session>,
    /// By Call-ID and our tag.
    session_index: BTreeMap<(String, String), SessionKey>,
    registrations: Slab<Registrar>,
    pings: Slab<Ping>,
    orphans: Slab<Orphan>,
    schedule: Schedule<Alarm>,
}

impl Endpoint {
    /// An endpoint that knows nobody yet. `rng` makes its tags and branches: seed it with real randomness.
    pub fn new(options: Options, rng: Rng) -> Self {
        Endpoint {
            sessions: Slab::with_limit(options.sessions_max),
            session_index: BTreeMap::new(),
            registrations: Slab::with_limit(options.registrations_max),
            pings: Slab::with_limit(options.registrations_max),
            orphans: Slab::with_limit(options.sessions_max),
            schedule: Schedule::new(),
            stack: Stack::new(options, rng),
        }
    }

    /// Calls somebody.
    pub fn invite(&mut self, now: Instant, dial: Dial) -> Result<SessionKey, Refused> {
        let (session, invite) = session::prepare(&mut self.stack, dial)?;
        let index = session.index();
        let key = self.sessions.insert(session).map_err(|_| Refused::TooManySessions)?;
        let session = self.sessions.get_mut(key).expect("the session was just put in");
        if session.begin(now, &mut self.stack, key, invite).is_err() {
            self.sessions.remove(key);
            return Err(Refused::TooManyTransactions);
        }
        self.session_index.insert(index, key);
        self.settle_session(key);
        Ok(key)
    }

    /// What the next INVITE is to be known by, for [`Dial::names`].
    pub fn draw_names(&mut self) -> Names {
        session::draw_names(&mut self.stack)
    }

    /// What is to be kept of a call before its INVITE leaves: with it a later run can end it. `dial` has its names.
    pub fn remains_of(&self, dial: &Dial, names: &Names) -> Result<Remains, Refused> {
        Remains::of_dial(&self.stack, dial, names)
    }

    /// What was kept of a session, with what has been heard since; `None` once it has ended.
    pub fn remains(&self, key: SessionKey, before: &Remains) -> Option<Remains> {
        self.sessions.get(key)?.remains(&self.stack, before)
    }

    /// Takes up a call of a former run and ends it, by whatever is known of it; [`Event::Orphan`] tells when it has.
    /// `target` is where its INVITE went.
    pub fn adopt(
        &mut self,
        now: Instant,
        target: Target,
        remains: Remains,
        credentials: Option<Credentials>,
    ) -> Result<OrphanKey, Refused> {
        let authentication = Authentication::new(credentials);
        let orphan = Orphan::new(now, &self.stack, target, remains, authentication);
        let key = self.orphans.insert(orphan).map_err(|_| Refused::TooManySessions)?;
        self.with_orphan(key, |orphan, stack| orphan.begin(now, stack, key));
        Ok(key)
    }

    /// The ACK of a call's 2xx may leave, where [`Options::ack_held_max`] has it held.
    pub fn acknowledge(&mut self, key: SessionKey) {
        self.with_session(key, Session::acknowledge);
    }

    /// Ends a call by whatever its state calls for: CANCEL once a provisional response is there (RFC 3261 section 9.1),
    /// BYE, or ACK and BYE of a 2xx that crosses the CANCEL. After a BYE `Ended` follows at once, and [`Event::Parted`] when
    /// that is answered.
    pub fn hang_up(&mut self, now: Instant, key: SessionKey, reason: Option<HangUpReason>) {
        self.with_session(key, |session, stack| session.hang_up(now, stack, reason));
    }

    /// Answers [`SessionEvent::Offered`] with a description of ours or with a refusing status. Without an answer within
    /// 10 seconds the offer is refused with 500.
    pub fn answer_offer(&mut self, now: Instant, key: SessionKey, answer: Result<Vec<u8>, u16>) {
        self.with_session(key, |session, stack| session.answer_offer(now, stack, answer));
    }

    /// Offers a new description as soon as no other offer is under way: by re-INVITE in a call that is up, before that in
    /// a PRACK or by UPDATE where the peer's answer came reliably. A newer one replaces one that still waits; [`SessionEvent::OfferAnswered`] tells the outcome of each that was sent.
    pub fn reinvite(&mut self, now: Instant, key: SessionKey, sdp: Vec<u8>) {
        self.with_session(key, |session, stack| {
            session.acknowledge(stack);
            session.reinvite(now, stack, sdp);
        });
    }

    /// Answers [`SessionEvent::Referred`]: accepted with 202, or refused with a status.
    pub fn answer_refer(&mut self, now: Instant, key: SessionKey, answer: Result<(), u16>) {
        self.with_session(key, |session, stack| session.answer_refer(now, stack, answer));
    }

    /// Tells a peer whose REFER was accepted how the call that it asked for goes on; a final status is the last.
    pub fn report_refer(&mut self, now: Instant, key: SessionKey, status: u16) {
        self.with_session(key, |session, stack| session.report_refer(now, stack, status));
    }

    /// Tells a peer something within the call by INFO, after those that wait. It is lost before the call is answered.
    pub fn info(&mut self, now: Instant, key: SessionKey, content_type: &str, body: Vec<u8>) {
        self.with_session(key, |session, stack| {
            session.acknowledge(stack);
            session.info(now, stack, content_type, body);
        });
    }

    /// Asks a peer to call `to`, a URI, in our place; [`SessionEvent::ReferProgress`] tells what comes of it.
    pub fn refer(&mut self, now: Instant, key: SessionKey, to: &str) {
        self.with_session(key, |session, stack| {
            session.acknowledge(stack);
            session.refer(now, stack, to);
        });
    }

    /// Registers, and keeps it so.
    pub fn register(&mut self, now: Instant, registration: Registration) -> Result<RegistrationKey, Refused> {
        let registrar = Registrar::prepare(&mut self.stack, registration)?;
        let key = self.registrations.insert(registrar).map_err(|_| Refused::TooManyRegistrations)?;
        self.with_registration(key, |registrar, stack| registrar.begin(now, stack, key));
        Ok(key)
    }

    /// The Route headers of a new request while a registration holds (RFC 3608), an outbound proxy's before them; none when
    /// the registrar gave none.
    pub fn service_route(&self, key: RegistrationKey) -> Vec<(String, String)> {
        self.registrations.get(key).map_or(Vec::new(), |registrar| registrar.service_route(&self.stack))
    }

    /// Goes on with a registration under these credentials and for this long each time, at once.
    pub fn renew_registration(
        &mut self,
        now: Instant,
        key: RegistrationKey,
        target: Target,
        credentials: Option<Credentials>,
        expires: Duration,
    ) {
        let renew = |registrar: &mut Registrar, stack: &mut Stack| {
            registrar.renew(now, stack, target, credentials, expires);
        };
        self.with_registration(key, renew);
    }

    /// Goes on with a registration at another address of its registrar, from `due` on; nothing is taken back at the first.
    pub fn move_registration(&mut self, now: Instant, key: RegistrationKey, target: Target, due: Instant) {
        self.with_registration(key, |registrar, stack| registrar.move_to(now, stack, target, due));
    }

    /// Takes a registration back; [`RegistrationEvent::Unregistered`] follows.
    pub fn unregister(&mut self, now: Instant, key: RegistrationKey) {
        self.with_registration(key, |registrar, stack| registrar.unregister(now, stack));
    }

    /// Asks whether a peer is alive.
    pub fn ping(&mut self, now: Instant, target: Target, uri: &str, from: &str) -> Result<PingKey, Refused> {
        let request = ping::request(&mut self.stack, uri, from)?;
        let key = self.pings.insert(Ping::new(now)).map_err(|_| Refused::TooManyRegistrations)?;
        if self.stack.send(now, target, request, Owner::Ping(key)).is_err() {
            self.pings.remove(key);
            return Err(Refused::TooManyTransactions);
        }
        Ok(key)
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        self.handle_message(now, Transport::Udp, source, bytes);
    }

    /// One message came to the first listener: a datagram, or what was cut from a stream.
    pub fn handle_message(&mut self, now: Instant, transport: Transport, source: SocketAddr, bytes: &[u8]) {
        self.handle_from(now, Target::new(transport, source), bytes);
    }

    /// One message came from a peer, by the way that `source` tells; what is answered leaves by the same way.
    pub fn handle_from(&mut self, now: Instant, source: Target, bytes: &[u8]) {
        let is_response = is_response(bytes);
        if is_keep_alive(bytes) || (!is_response && !self.takes_from(source.address.ip())) {
            return;
        }
        self.stack.layer.note_heard(now, source);
        let mut ups = Vec::new();
        match Message::parse(bytes) {
            Ok(Message::Response(response)) => self.handle_response(now, response, &mut ups),
            // What only looked like a response is not let in by the back door.
            Ok(Message::Request(_)) if is_response => {}
            Ok(Message::Request(request)) => {
                if self.is_of_a_call(&request) {
                    self.stack.layer.handle_request(now, source, request, &mut ups);
                } else {
                    self.refuse_stateless(now, source, request);
                }
            }
            Err(_) if is_response => {}
            Err(fault) => self.refuse_unreadable(source, bytes, fault),
        }
        self.handle_ups(now, ups);
    }

    /// Nothing can be delivered to `target`: refused, unreachable, or its stream has closed.
    pub fn handle_transport_error(&mut self, now: Instant, target: Target) {
        let mut ups = Vec::new();
        self.stack.layer.handle_transport_error(now, target, &mut ups);
        self.handle_ups(now, ups);
    }

    /// No connection to `target` could be made, and nothing has left: what goes over TCP for its length alone (RFC 3261 section
    /// 18.1.1), or to a Contact that names no transport (RFC 3263 section 4.1), goes over UDP.
    pub fn handle_refused(&mut self, now: Instant, target: Target) {
        self.stack.note_refusal(now, target);
        let mut ups = Vec::new();
        self.stack.layer.handle_refused(now, target, &mut ups);
        self.handle_ups(now, ups);
    }

    /// A connection to `target` that we had made is gone, and nothing ever came over it: what went there and may go over UDP
    /// does (RFC 3261 section 18.1.1), other requests fare as with any connection that breaks. Where only an ACK went there, to
    /// which nothing is answered, that is no refusal.
    pub fn handle_unheard(&mut self, now: Instant, target: Target) {
        self.stack.send_acks_over_udp(target);
        let mut ups = Vec::new();
        self.stack.layer.handle_unheard(now, target, &mut ups);
        self.handle_ups(now, ups);
    }

    /// ICMP says that datagrams cannot be brought to `address` (RFC 3261 section 18.4). Of what was sent there and has had no
    /// response, that is told which begins something: calls, OPTIONS and registrations, which may go elsewhere. What belongs
    /// to a call is sent again for as long as its timers say: a peer that starts anew is soon there again.
    pub fn handle_unreachable(&mut self, now: Instant, address: SocketAddr) {
        let mut ups = Vec::new();
        self.stack.layer.handle_unreachable(now, address, &mut ups);
        self.handle_ups(now, ups);
    }

    /// The deadline it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut ups = Vec::new();
        self.stack.layer.handle_timeout(now, &mut ups);
        self.handle_ups(now, ups);
        for _ in 0..ALARMS_A_TURN {
            let Some(alarm) = self.schedule.due(now) else { break };
            match alarm {
                Alarm::Session(key) => {
                    self.with_session(key, |session, stack| session.handle_timeout(now, stack))
                }
                Alarm::Orphan(key) => {
                    self.with_orphan(key, |orphan, stack| orphan.handle_timeout(now, stack));
                }
                Alarm::Registration(key) => {
                    self.with_registration(key, |registrar, stack| registrar.handle_timeout(now, stack));
                }
            }
        }
        debug_assert!(self.schedule.next().is_none_or(|due| due > now), "an alarm comes again and again");
        self.stack.acks.handle_timeout(now);
        self.stack.sources.handle_timeout(now);
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Stack { layer, acks, sources, .. } = &self.stack;
        let all = [layer.poll_timeout(), self.schedule.next(), acks.poll_timeout(), sources.poll_timeout()];
        all.into_iter().flatten().min()
    }

    /// The next thing to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.stack.layer.outbox.pop_front()
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        let (client_transactions, server_transactions) = self.stack.layer.counts();
        Counts {
            sessions: self.sessions.len(),
            dialogs: self.sessions.iter().map(|(_, session)| session.dialogs()).sum(),
            client_transactions,
            server_transactions,
            registrations: self.registrations.len(),
            pings: self.pings.len(),
            acks: self.stack.acks.len(),
            farewells: self.stack.farewells.len(),
            late: self.stack.late.len(),
            orphans: self.orphans.len(),
        }
    }

    /// Whether a far end may still be in a call with us though its session has ended: what ends it is not answered yet.
    pub fn is_parting(&self) -> bool {
        self.stack.is_parting()
    }

    /// Whether a request has, or deserves, a transaction: one within a call, a copy, a CANCEL, an ACK.
    fn is_of_a_call(&self, request: &Request) -> bool {
        let is_ack = *request.method() == Method::Ack;
        is_ack || self.session_of(request).is_some() || self.stack.layer.concerns(request)
    }

    fn refuse_stateless(&mut self, now: Instant, source: Target, mut request: Request) {
        if let Some((index, target)) = identify(&mut request, source) {
            let response = self.stack.stateless.answer(now, &request, &index);
            self.stack.layer.transmit(target, response.to_bytes());
        }
    }

    /// Without a transaction: there is nothing that names one.
    fn refuse_unreadable(&mut self, source: Target, bytes: &[u8], fault: Malformed) {
        let tag = self.stack.stateless.tag(bytes);
        if let Some(mut response) = refusal::of_unreadable(bytes, fault, &tag)
            && let Some(text) = response.headers().get("Via")
            && let Ok(via) = Via::parse_any_version(text)
        {
            let (via, target) = route_back(&via, text, source);
            response.headers_mut().set_first("Via", &via);
            self.stack.layer.transmit(target, response.to_bytes());
        }
    }

    fn handle_response(&mut self, now: Instant, response: Response, ups: &mut Vec<Up>) {
        // A second Via means that it is another's (RFC 3261 section 8.1.3.3).
        if response.headers().count("Via") != 1 {
            return;
        }
        if let Err(stray) = self.stack.layer.handle_response(now, response, ups)
            && stray.is_success()
        {
            // A copy of a 2xx may come when its transaction has gone, but its ACK is still remembered.
            self.stack.acknowledge_again(&stray);
        }
    }

    /// The session of a request of the peer: its To tag is ours.
    fn session_of(&self, request: &Request) -> Option<SessionKey> {
        let call_id = request.headers().call_id().ok()?.to_owned();
        let tag = request.headers().to().ok()?.tag()?.to_owned();
        self.session_index.get(&(call_id, tag)).copied()
    }

    fn with_session(&mut self, key: SessionKey, act: impl FnOnce(&mut Session, &mut Stack)) {
        if let Some(session) = self.sessions.get_mut(key) {
            act(session, &mut self.stack);
            self.settle_session(key);
        }
    }

    fn settle_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let wanted = session.poll_timeout();
        self.schedule.rearm(Alarm::Session(key), &mut session.armed, wanted);
        if session.is_ended() {
            self.session_index.remove(&session.index());
            self.sessions.remove(key);
        }
    }

    fn with_registration(&mut self, key: RegistrationKey, act: impl FnOnce(&mut Registrar, &mut Stack)) {
        let Some(registrar) = self.registrations.get_mut(key) else { return };
        act(registrar, &mut self.stack);
        let wanted = registrar.poll_timeout();
        self.schedule.rearm(Alarm::Registration(key), &mut registrar.armed, wanted);
        if registrar.is_gone() {
            self.registrations.remove(key);
        }
    }

    fn with_orphan(&mut self, key: OrphanKey, act: impl FnOnce(&mut Orphan, &mut Stack)) {
        let Some(orphan) = self.orphans.get_mut(key) else { return };
        act(orphan, &mut self.stack);
        let wanted = orphan.poll_timeout();
        self.schedule.rearm(Alarm::Orphan(key), &mut orphan.armed, wanted);
        if orphan.is_ended() {
            self.orphans.remove(key);
        }
    }

    fn finish_ping(&mut self, key: PingKey, outcome: PingOutcome) {
        if self.pings.remove(key).is_some() {
            ping::tell(&mut self.stack, key, outcome);
        }
    }
}
