//! All transactions of an endpoint: matching (RFC 3261 sections 17.1.3 and 17.2.3), the bytes that are sent again,
//! the timers in order of time, and the bound on all of it.
//!
//! A record keeps one message at most: a client's request, later its ACK, later nothing; a server's last response.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::client_record::{ClientInput, ClientRecord, HEARD_WITHIN};
use super::owner::Owner;
use super::server_record::{ServerInput, ServerRecord};
use super::timer::Timers;
use crate::sip::event::Output;
use crate::sip::header::BRANCH_COOKIE;
use crate::sip::message::{MESSAGE_BYTES_MAX, Request, Response};
use crate::sip::method::Method;
use crate::sip::schedule::Schedule;
use crate::sip::target::{Target, Transport};
use crate::slab::{Key, Slab};
use crate::time::Instant;

/// What a transaction tells its user.
#[derive(Debug)]
pub enum Up {
    /// A response came.
    Response {
        /// Who asked.
        owner: Owner,
        /// The client transaction.
        transaction: Key,
        /// Where the request went.
        target: Target,
        /// The response.
        response: Response,
        /// The request it answers, when this is the first final response; else empty.
        request: Vec<u8>,
    },
    /// No final response came, or the transport failed.
    Silence {
        /// Who asked.
        owner: Owner,
        /// The client transaction; it is gone.
        transaction: Key,
    },
    /// A request that went over TCP, and may go over UDP, does now.
    FellBack {
        /// Who asked.
        owner: Owner,
        /// The client transaction.
        transaction: Key,
        /// Where TCP led to nobody; `None` where it was only silent for once.
        refused: Option<Target>,
    },
    /// The connection that an INVITE with a provisional response went over is gone. Its final response may come over another.
    Lost {
        /// Who asked.
        owner: Owner,
        /// The client transaction; it goes on.
        transaction: Key,
        /// Where the request went.
        target: Target,
        /// No new connection could be made either.
        is_refused: bool,
    },
    /// A new request came.
    Request {
        /// The server transaction, waiting for an answer.
        transaction: Key,
        /// The request.
        request: Request,
    },
    /// An ACK came that belongs to no refusal.
    Ack(Request),
    /// A transaction has gone whose owner keeps something for it, and nothing else.
    Gone {
        /// Who keeps it.
        owner: Owner,
    },
}

/// There are too many transactions already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Alarm {
    Client(Key),
    Server(Key),
}

/// The most bytes that server transactions keep of what peers sent, all together: a peer that fills its requests to the
/// brim gets no more of our memory than one that sends many.
pub const SERVER_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Peers of whose TCP we know whether it speaks. Trunks are fewer, but peers name further ones in their Contacts: beyond this
/// all are forgotten, and one that is not known has refused nothing.
const WAYS_MAX: usize = 1_024;

/// A response has its topmost Via within so many bytes, or whoever sent it is known by its address.
const BRANCH_WITHIN: usize = 1_024;

/// What is known of the TCP of a peer that may be reached over UDP instead.
#[derive(Debug)]
struct Way {
    /// When something last came from there, unless there was a silence since.
    heard: Option<Instant>,
    /// Since when it is known, or silent: a request that began before tells nothing new.
    since: Instant,
}

/// The transactions.
#[derive(Debug)]
pub struct Layer {
    timers: Timers,
    limit: usize,
    clients: Slab<ClientRecord>,
    client_index: BTreeMap<String, Key>,
    servers: Slab<ServerRecord>,
    server_index: BTreeMap<String, Key>,
    /// What the server transactions keep.
    server_bytes: usize,
    schedule: Schedule<Alarm>,
    /// Where requests go over TCP that may go over UDP.
    ways: BTreeMap<Target, Way>,
    /// What is to be transmitted and told, in order.
    pub outbox: VecDeque<Output>,
}

impl Layer {
    /// For at most `limit` transactions of each side. Requests that end something (BYE, CANCEL) may go beyond it, up
    /// to twice as many: a full table must not keep calls up.
    pub fn new(timers: Timers, limit: usize) -> Self {
        Layer {
            timers,
            limit,
            clients: Slab::with_limit(limit.saturating_mul(2)),
            client_index: BTreeMap::new(),
            servers: Slab::with_limit(limit),
            server_index: BTreeMap::new(),
            server_bytes: 0,
            schedule: Schedule::new(),
            ways: BTreeMap::new(),
            outbox: VecDeque::new(),
        }
    }

    /// How many client and server transactions there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len())
    }

    /// Sends bytes that belong to no transaction.
    pub fn transmit(&mut self, target: Target, bytes: Vec<u8>) {
        self.outbox.push_back(Output::Transmit { target, bytes });
    }

    /// Starts a client transaction for `request`, which has its Via with `branch`.
    pub fn start(
        &mut self,
        now: Instant,
        target: Target,
        request: &Request,
        branch: &str,
        owner: Owner,
    ) -> Result<Key, Full> {
        let ends_something = matches!(request.method(), Method::Bye | Method::Cancel);
        if !ends_something && self.clients.len() >= self.limit {
            return Err(Full);
        }
        let index = client_index(branch, request.method());
        let mut actions = Vec::new();
        let record = ClientRecord::new(now, self.timers, target, request, index.clone(), owner, &mut actions);
        let key = self.clients.insert(record).map_err(|_| Full)?;
        self.client_index.insert(index, key);
        self.finish_client(key, actions, None, &mut Vec::new());
        Ok(key)
    }

    /// Cancels an INVITE of which a provisional response was heard (RFC 3261 section 9.1).
    pub fn cancel(&mut self, now: Instant, invite: Key, headers: &[(String, String)]) {
        self.cancel_as(now, invite, headers, Owner::Nobody);
    }

    /// As [`Layer::cancel`], for somebody who wants to know what is answered to the CANCEL itself; gives its transaction.
    pub fn cancel_as(
        &mut self,
        now: Instant,
        invite: Key,
        headers: &[(String, String)],
        owner: Owner,
    ) -> Option<Key> {
        let record = self.clients.get(invite)?;
        let (target, has_other_way) = (record.target, record.has_other_way);
        let branch = record.index.split(' ').next().unwrap_or_default().to_owned();
        let cancel = record.cancel(headers);
        // Where even this table is full, the wait of 64*T1 ends the call on our side.
        let sent = cancel.and_then(|cancel| self.start(now, target, &cancel, &branch, owner).ok());
        if let Some(cancel) = sent.filter(|_| has_other_way) {
            self.allow_fallback(now, cancel);
        }
        self.run_client(now, invite, ClientInput::Cancelled, None, &mut Vec::new());
        sent
    }

    /// Takes up an INVITE that a former run has sent, Via and all: nothing is sent, and what still comes for it within
    /// 64*T1 is delivered to `owner`.
    pub fn resume(
        &mut self,
        now: Instant,
        target: Target,
        invite: &Request,
        branch: &str,
        owner: Owner,
    ) -> Result<Key, Full> {
        let index = client_index(branch, invite.method());
        let record = ClientRecord::resumed(self.timers, target, invite, index.clone(), owner);
        let key = self.clients.insert(record).map_err(|_| Full)?;
        self.client_index.insert(index, key);
        self.run_client(now, key, ClientInput::Cancelled, None, &mut Vec::new());
        Ok(key)
    }

    /// Where a client transaction's request goes.
    pub fn target_of(&self, transaction: Key) -> Option<Target> {
        self.clients.get(transaction).map(|record| record.target)
    }

    /// Gives up an INVITE that its user no longer wants. Before anything was heard of it its copies stop; later it is
    /// cancelled, and true says so.
    pub fn abandon(&mut self, now: Instant, invite: Key) -> bool {
        let is_proceeding = self.clients.get(invite).is_some_and(ClientRecord::is_proceeding);
        match is_proceeding {
            true => self.cancel(now, invite, &[]),
            false => self.run_client(now, invite, ClientInput::Abandon, None, &mut Vec::new()),
        }
        is_proceeding
    }

    /// Whether a client transaction is there, and is that of an INVITE.
    pub fn is_invite(&self, transaction: Key) -> bool {
        self.clients.get(transaction).is_some_and(ClientRecord::is_invite)
    }

    /// The users of requests that are to end a call and have not done so: BYEs that are not answered, and INVITEs that were
    /// cancelled and have no final response.
    pub fn ends(&self) -> impl Iterator<Item = Owner> {
        self.clients.iter().filter(|(_, record)| record.is_to_end_a_call()).map(|(_, record)| record.owner)
    }

    /// Names another user for a client transaction.
    pub fn set_owner(&mut self, transaction: Key, owner: Owner) {
        if let Some(record) = self.clients.get_mut(transaction) {
            record.owner = owner;
        }
    }

    /// Whether a request of ours has the branch that these bytes begin with, a response's. Nothing is parsed for it: they may
    /// be anybody's.
    pub fn is_awaited(&self, bytes: &[u8]) -> bool {
        let head = &bytes[..bytes.len().min(BRANCH_WITHIN)];
        let cookie = BRANCH_COOKIE.as_bytes();
        let Some(at) = head.windows(cookie.len()).position(|window| window == cookie) else { return false };
        let is_of_branch = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
        let length = head[at..].iter().take_while(is_of_branch).count();
        let Ok(branch) = std::str::from_utf8(&head[at..at + length]) else { return false };
        let index = [branch, " "].concat();
        self.client_index.range(index.clone()..).next().is_some_and(|(known, _)| known.starts_with(&index))
    }

    /// A response came; `Err` gives it back when no transaction waits for it.
    pub fn handle_response(
        &mut self,
        now: Instant,
        response: Response,
        ups: &mut Vec<Up>,
    ) -> Result<(), Response> {
        let Some((via, cseq)) = response.headers().via_top().ok().zip(response.headers().cseq().ok()) else {
            return Err(response);
        };
        let index = via.branch().map(|branch| client_index(branch, &cseq.method));
        match index.and_then(|index| self.client_index.get(&index).copied()) {
            Some(key) if !self.clients.get(key).is_some_and(|record| record.is_answered_by(&response)) => {
                Ok(())
            }
            Some(key) => {
                let status = response.status();
                self.run_client(now, key, ClientInput::Response(status), Some(response), ups);
                Ok(())
            }
            None => Err(response),
        }
    }

    /// A request came from `source`. Its topmost Via is given what RFC 3261 section 18.2.1 and RFC 3581 want.
    pub fn handle_request(&mut self, now: Instant, source: Target, mut request: Request, ups: &mut Vec<Up>) {
        let Some((index, target)) = super::server_record::identify(&mut request, source) else {
            return;
        };
        let known = self.server_index.get(&index).copied();
        match (known, request.method()) {
            (Some(key), Method::Ack) => self.run_server(now, key, ServerInput::Ack, Some(request), ups),
            (Some(key), _) => {
                if let Some(record) = self.servers.get_mut(key) {
                    record.follow(target);
                }
                self.run_server(now, key, ServerInput::Copy, None, ups);
            }
            (None, Method::Ack) => ups.push(Up::Ack(request)),
            (None, _) => {
                let mut actions = Vec::new();
                let record =
                    ServerRecord::new(now, self.timers, target, &request, index.clone(), &mut actions);
                let weight = record.weight();
                // There must be room for its answer too.
                if self.server_bytes + weight + MESSAGE_BYTES_MAX > SERVER_BYTES_MAX {
                    return;
                }
                // A full table drops the request: the peer sends it again.
                if let Ok(key) = self.servers.insert(record) {
                    self.server_bytes += weight;
                    self.server_index.insert(index, key);
                    self.finish_server(key, actions, Some(request), ups);
                }
            }
        }
    }

    /// Whether a request is a copy, or the ACK, of one that has a transaction, or a CANCEL that means one.
    pub fn concerns(&self, request: &Request) -> bool {
        let index = super::server_record::index(request, request.method());
        index.is_some_and(|index| self.server_index.contains_key(&index))
            || (*request.method() == Method::Cancel && self.cancelled_by(request).is_some())
    }

    /// The INVITE's server transaction that `cancel` means (RFC 3261 section 9.2).
    pub fn cancelled_by(&self, cancel: &Request) -> Option<Key> {
        let index = super::server_record::index(cancel, &Method::Invite)?;
        self.server_index.get(&index).copied()
    }

    /// Answers a request; a second final answer is not sent.
    pub fn respond(&mut self, now: Instant, transaction: Key, response: &Response) {
        let Some(record) = self.servers.get_mut(transaction).filter(|record| record.is_open()) else {
            return;
        };
        self.server_bytes -= record.weight();
        record.bytes = response.to_bytes();
        self.server_bytes += record.weight();
        self.run_server(now, transaction, ServerInput::Respond(response.status()), None, &mut Vec::new());
    }

    /// Sends the 2xx of an INVITE once more; only its user may (RFC 3261 section 13.3.1.4).
    pub fn repeat_2xx(&mut self, now: Instant, transaction: Key) {
        self.run_server(now, transaction, ServerInput::Respond(200), None, &mut Vec::new());
    }

    /// Nothing can be delivered to `target`. What ends a call begins once more where that leads over another connection:
    /// the peer need not have read it.
    pub fn handle_transport_error(&mut self, now: Instant, target: Target, ups: &mut Vec<Up>) {
        let broken = |record: &ClientRecord| record.target == target && self.may_begin_again(record);
        let again: BTreeSet<_> = self.clients.iter().filter(|(_, r)| broken(r)).map(|(key, _)| key).collect();
        self.fail(now, target, &again, ups);
        self.tell_lost(target, false, ups);
        for key in again {
            let Some(record) = self.clients.get_mut(key) else { continue };
            let mut actions = Vec::new();
            record.begin_again(now, self.timers, &mut actions);
            self.finish_client(key, actions, None, ups);
        }
    }

    /// A BYE, or a CANCEL of an INVITE that still waits; once, and not as a datagram, which is repeated anyway.
    fn may_begin_again(&self, record: &ClientRecord) -> bool {
        let Some((branch, method)) = record.index.split_once(' ') else { return false };
        let ends_something = match method {
            "BYE" => true,
            "CANCEL" => {
                let invite = self.client_index.get(&client_index(branch, &Method::Invite));
                invite.and_then(|key| self.clients.get(*key)).is_some_and(ClientRecord::is_proceeding)
            }
            _ => false,
        };
        ends_something && record.target.transport.is_reliable() && !record.is_second
    }

    /// Tells all transactions with `target`, but for those of `but`, that nothing can be delivered.
    fn fail(&mut self, now: Instant, target: Target, but: &BTreeSet<Key>, ups: &mut Vec<Up>) {
        let clients: Vec<_> =
            self.clients.iter().filter(|(_, r)| r.target == target).map(|(key, _)| key).collect();
        let servers: Vec<_> =
            self.servers.iter().filter(|(_, r)| r.target == target).map(|(key, _)| key).collect();
        for key in clients.into_iter().filter(|key| !but.contains(key)) {
            self.run_client(now, key, ClientInput::TransportError, None, ups);
        }
        for key in servers {
            if self.servers.get_mut(key).is_some_and(ServerRecord::reroute) {
                continue;
            }
            self.run_server(now, key, ServerInput::TransportError, None, ups);
        }
    }

    /// Datagrams cannot be brought to `address`: of what begins something there, nobody has heard.
    pub fn handle_unreachable(&mut self, now: Instant, address: SocketAddr, ups: &mut Vec<Up>) {
        let begins = |owner| matches!(owner, Owner::Dial(_) | Owner::Ping(_) | Owner::Registration(_));
        let goes_there = |to: Target| to.transport == Transport::Udp && to.address == address;
        let unheard = |r: &ClientRecord| goes_there(r.target) && r.is_unanswered() && begins(r.owner);
        let clients: Vec<_> = self.clients.iter().filter(|(_, r)| unheard(r)).map(|(key, _)| key).collect();
        for key in clients {
            self.run_client(now, key, ClientInput::TransportError, None, ups);
        }
    }

    /// Has a request go over UDP should its TCP connection be refused, or nothing come back from there: it is there for its
    /// length alone (RFC 3261 section 18.1.1), or its URI names no transport (RFC 3263 section 4.1).
    pub fn allow_fallback(&mut self, now: Instant, transaction: Key) {
        let Some(record) = self.clients.get_mut(transaction) else { return };
        record.allow_fallback(now);
        let wanted = record.poll_timeout();
        self.schedule.rearm(Alarm::Client(transaction), &mut record.armed, wanted);
        if self.ways.len() >= WAYS_MAX && !self.ways.contains_key(&record.target) {
            self.ways.clear();
        }
        self.ways.entry(record.target).or_insert(Way { heard: None, since: now });
    }

    /// Has a request go no other way than it went: its user does not want it any more. Its CANCEL may.
    pub fn forbid_fallback(&mut self, transaction: Key) {
        if let Some(record) = self.clients.get_mut(transaction) {
            record.forbid_fallback();
        }
    }

    /// Something came from `source`.
    pub fn note_heard(&mut self, now: Instant, source: Target) {
        if let Some(way) = self.ways.get_mut(&source) {
            way.heard = Some(now);
        }
    }

    /// No connection to `target` could be made: nothing that was to go over it has left.
    pub fn handle_refused(&mut self, now: Instant, target: Target, ups: &mut Vec<Up>) {
        self.fall_back_all(now, target, ups);
        // A second connection would be refused like the first.
        self.fail(now, target, &BTreeSet::new(), ups);
        self.tell_lost(target, true, ups);
    }

    /// Tells of INVITEs whose final responses are waited for: once that their connection is gone, and each time that none can
    /// be made.
    fn tell_lost(&mut self, target: Target, is_refused: bool, ups: &mut Vec<Up>) {
        let waits = |r: &ClientRecord| r.target == target && r.is_proceeding() && !r.has_other_way;
        for (transaction, record) in self.clients.iter_mut().filter(|(_, r)| waits(r)) {
            let owner = record.owner;
            let is_new = is_refused || !std::mem::replace(&mut record.is_second, true);
            if is_new && target.transport.is_reliable() && matches!(owner, Owner::Dial(_)) {
                ups.push(Up::Lost { owner, transaction, target, is_refused });
            }
        }
    }

    /// A connection to `target` was made and is gone, and nothing ever came over it: to what went there and may go over UDP that
    /// is a refusal (RFC 3261 section 18.1.1 has a TCP reset for one).
    pub fn handle_unheard(&mut self, now: Instant, target: Target, ups: &mut Vec<Up>) {
        self.fall_back_all(now, target, ups);
        self.handle_transport_error(now, target, ups);
    }

    fn fall_back_all(&mut self, now: Instant, target: Target, ups: &mut Vec<Up>) {
        let falls_back = |r: &ClientRecord| r.target == target && r.may_fall_back && r.is_unanswered();
        let clients: Vec<_> =
            self.clients.iter().filter(|(_, r)| falls_back(r)).map(|(key, _)| key).collect();
        for key in clients {
            self.fall_back(now, key, Some(target), ups);
        }
    }

    fn fall_back(&mut self, now: Instant, key: Key, refused: Option<Target>, ups: &mut Vec<Up>) {
        let Some(record) = self.clients.get_mut(key) else { return };
        let (owner, mut actions) = (record.owner, Vec::new());
        record.fall_back(now, self.timers, &mut actions);
        self.finish_client(key, actions, None, ups);
        ups.push(Up::FellBack { owner, transaction: key, refused });
    }

    /// Sends what went over TCP and may go over UDP there too, when nothing has come from there since. A peer that spoke there
    /// before may only be slow: it is taken for one that refuses TCP when a request that begins after that silence gets no
    /// answer either.
    fn leave_silence(&mut self, now: Instant, key: Key, ups: &mut Vec<Up>) {
        let Some(record) = self.clients.get_mut(key).filter(|record| record.is_unanswered()) else { return };
        let (Some(by), target) = (record.heard_by.take_if(|by| *by <= now), record.target) else { return };
        let refuses = match self.ways.get_mut(&target) {
            None => false,
            Some(Way { heard: None, since }) => *since + HEARD_WITHIN <= by,
            Some(Way { heard: Some(at), .. }) if *at + HEARD_WITHIN >= by => return,
            Some(way) => {
                *way = Way { heard: None, since: now };
                false
            }
        };
        self.fall_back(now, key, refuses.then_some(target), ups);
    }

    /// The deadline it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant, ups: &mut Vec<Up>) {
        while let Some(alarm) = self.schedule.due(now) {
            match alarm {
                Alarm::Client(key) => {
                    self.leave_silence(now, key, ups);
                    self.run_client(now, key, ClientInput::Timeout, None, ups);
                }
                Alarm::Server(key) => self.run_server(now, key, ServerInput::Timeout, None, ups),
            }
        }
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.next()
    }

    fn run_client(
        &mut self,
        now: Instant,
        key: Key,
        input: ClientInput,
        response: Option<Response>,
        ups: &mut Vec<Up>,
    ) {
        let Some(record) = self.clients.get_mut(key) else { return };
        let mut actions = Vec::new();
        record.handle_input(now, input, &mut actions);
        self.finish_client(key, actions, response, ups);
    }

    fn finish_client(
        &mut self,
        key: Key,
        actions: Vec<super::Action>,
        response: Option<Response>,
        ups: &mut Vec<Up>,
    ) {
        let Some(record) = self.clients.get_mut(key) else { return };
        let gone = record.perform(key, actions, response, &mut self.outbox, ups);
        let wanted = if gone { None } else { record.poll_timeout() };
        self.schedule.rearm(Alarm::Client(key), &mut record.armed, wanted);
        if gone && let Some(record) = self.clients.remove(key) {
            self.client_index.remove(&record.index);
            if matches!(record.owner, Owner::Late(_)) {
                ups.push(Up::Gone { owner: record.owner });
            }
        }
    }

    fn run_server(
        &mut self,
        now: Instant,
        key: Key,
        input: ServerInput,
        ack: Option<Request>,
        ups: &mut Vec<Up>,
    ) {
        let Some(record) = self.servers.get_mut(key) else { return };
        let mut actions = Vec::new();
        record.handle_input(now, input, &mut actions);
        self.finish_server(key, actions, ack, ups);
    }

    fn finish_server(
        &mut self,
        key: Key,
        actions: Vec<super::Action>,
        request: Option<Request>,
        ups: &mut Vec<Up>,
    ) {
        let Some(record) = self.servers.get_mut(key) else { return };
        let gone = record.perform(key, actions, request, &mut self.outbox, ups);
        let wanted = if gone { None } else { record.poll_timeout() };
        self.schedule.rearm(Alarm::Server(key), &mut record.armed, wanted);
        if gone && let Some(record) = self.servers.remove(key) {
            self.server_bytes -= record.weight();
            self.server_index.remove(&record.index);
        }
    }
}

/// A response belongs to the request of its branch and its method: a CANCEL shares the INVITE's branch.
fn client_index(branch: &str, method: &Method) -> String {
    [branch, " ", method.as_str()].concat()
}
