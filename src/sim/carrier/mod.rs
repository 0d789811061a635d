//! The simulated carrier: a SIP user agent server with callees and agents behind it, without sockets and clock.
//!
//! It is the far end for `outdial demo`, for the simulation under a virtual clock, and for load tests, and it is the
//! judge in all three: what it saw stands in its [`Ledger`]. Its SIP state is its own and small (a call knows which
//! response it repeats until when), not the engine's transaction layer seen in a mirror.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | options, the verbs, the timer queue |
//! | `call` | one call |
//! | `requests` | what the other side asks |
//! | `progress` | what the carrier does of its own accord |
//! | `writing` | responses and requests as they go out |
//! | `habits` | the faults |

mod call;
mod habits;
mod progress;
mod requests;
mod writing;

#[cfg(test)]
mod tests;

pub use habits::{Fault, Habits};

use crate::audio::g711::Law;
use crate::rng::Rng;
use crate::sim::agents::{Agent, Agents, Queue};
use crate::sim::guard::{Account, Guard};
use crate::sim::ledger::Ledger;
use crate::sim::subscribers::Subscribers;
use crate::sim::voice::Samples;
use crate::sip::message::{self, Message};
use crate::slab::{Key, Slab};
use crate::time::Instant;
use call::{Call, GIVE_UP};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most responses to requests other than INVITE that are kept to answer copies; the oldest go first.
const ANSWERS_MAX: usize = 16_384;

/// What a carrier is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its SIP socket is: Via and Contact.
    pub address: SocketAddr,
    /// Where its RTP sockets are.
    pub media_address: IpAddr,
    /// The even ports that it may use for RTP. RTCP is one above.
    pub rtp_ports: Vec<u16>,
    /// The laws that it takes; the caller's order decides.
    pub laws: Vec<Law>,
    /// Credentials that INVITE and REGISTER need.
    pub account: Option<Account>,
    /// The longest registration that it grants.
    pub register_expires: Duration,
    /// The status of its answer to OPTIONS.
    pub options_status: u16,
    /// From the INVITE to the first ringing, or to a refusal.
    pub post_dial_delay: Duration,
    /// The most calls at once, those that linger included; further ones are answered with 503.
    pub calls_max: usize,
    /// Faults.
    pub habits: Habits,
    /// Who has which number.
    pub subscribers: Subscribers,
    /// Agents' extensions.
    pub agents: Vec<Agent>,
    /// Queues of agents.
    pub queues: Vec<Queue>,
    /// Messages to listen for.
    pub messages: Vec<Samples>,
    /// Keeps what each call heard in the ledger.
    pub keep_recordings: bool,
    /// Without media no RTP is sent or expected, and callees neither speak nor hang up: for load tests of the
    /// signalling. The port in the descriptions is then 9, discard.
    pub media: bool,
}

impl Options {
    /// A well-behaved carrier without callees.
    pub fn new(address: SocketAddr, rtp_ports: Vec<u16>) -> Options {
        Options {
            address,
            media_address: address.ip(),
            rtp_ports,
            laws: vec![Law::Mu, Law::A],
            account: None,
            register_expires: Duration::from_secs(300),
            options_status: 200,
            post_dial_delay: Duration::from_millis(150),
            calls_max: 100_000,
            habits: Habits::good(),
            subscribers: Subscribers::default(),
            agents: Vec::new(),
            queues: Vec::new(),
            messages: Vec::new(),
            keep_recordings: false,
            media: true,
        }
    }
}

/// What the carrier wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send this from the SIP socket.
    Sip {
        /// The receiver.
        to: SocketAddr,
        /// One message.
        bytes: Vec<u8>,
    },
    /// Send this from an RTP socket, or from the RTCP socket above it.
    Rtp {
        /// The local port.
        from_port: u16,
        /// The receiver.
        to: SocketAddr,
        /// One packet.
        bytes: Vec<u8>,
    },
    /// From now on packets may come to this port and the one above.
    OpenPort(u16),
    /// No longer.
    ClosePort(u16),
}

/// The carrier.
#[derive(Debug)]
pub struct Carrier {
    options: Options,
    rng: Rng,
    guard: Option<Guard>,
    agents: Agents,
    calls: Slab<Call>,
    by_call_id: BTreeMap<String, Key>,
    by_port: BTreeMap<u16, Key>,
    free_ports: VecDeque<u16>,
    /// Calls by the time at which they want to be looked at.
    due: BTreeSet<(Instant, Key)>,
    /// Responses by branch and method, in `answers_order` from old to new.
    answers: BTreeMap<(String, String), Vec<u8>>,
    answers_order: VecDeque<(Instant, (String, String))>,
    outputs: VecDeque<Output>,
    ledger: Ledger,
}

impl Carrier {
    /// A carrier without calls.
    pub fn new(options: Options, mut rng: Rng) -> Carrier {
        let guard = options.account.clone().map(|account| Guard::new(account, rng.fork()));
        Carrier {
            agents: Agents::new(options.agents.clone(), options.queues.clone()),
            calls: Slab::with_limit(options.calls_max),
            by_call_id: BTreeMap::new(),
            by_port: BTreeMap::new(),
            free_ports: options.rtp_ports.iter().copied().collect(),
            due: BTreeSet::new(),
            answers: BTreeMap::new(),
            answers_order: VecDeque::new(),
            outputs: VecDeque::new(),
            ledger: Ledger::default(),
            guard,
            rng,
            options,
        }
    }

    /// A datagram came to the SIP socket.
    pub fn handle_sip(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        if message::is_keep_alive(bytes) {
            return;
        }
        match Message::parse(bytes) {
            Ok(Message::Request(request)) => self.handle_request(now, source, request),
            Ok(Message::Response(response)) => self.handle_response(now, &response),
            Err(_) => self.ledger.malformed += 1,
        }
        self.serve_queues(now);
    }

    /// A datagram came to an RTP port, or to the port above one.
    pub fn handle_rtp(&mut self, now: Instant, local_port: u16, source: SocketAddr, bytes: &[u8]) {
        let Some(key) = self.by_port.get(&(local_port & !1)) else { return };
        let Some(line) = self.calls.get_mut(*key).and_then(|call| call.line.as_mut()) else { return };
        line.handle_packet(now, source, local_port & 1 == 1, bytes);
    }

    /// The time of [`Carrier::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, key)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.go_on(now, key);
            self.reschedule(key);
        }
        self.forget_answers(now);
        self.serve_queues(now);
    }

    /// When the carrier wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The book.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The book, for good: calls that are still up are judged as they stand.
    pub fn into_ledger(mut self) -> Ledger {
        let keys: Vec<Key> = self.calls.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.close_line(key));
        self.ledger
    }

    /// Calls that the carrier still knows of, for 32 s after their end.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Lines that are open.
    pub fn lines(&self) -> usize {
        self.by_port.len()
    }

    fn call(&mut self, key: Key) -> &mut Call {
        self.calls.get_mut(key).expect("a key is used only while its call is known")
    }

    fn page(&mut self, key: Key) -> &mut crate::sim::ledger::Entry {
        let page = self.call(key).page;
        self.ledger.entry_mut(page)
    }

    fn reschedule(&mut self, key: Key) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let due = call.due();
        if call.scheduled != due {
            call.scheduled.map(|at| self.due.remove(&(at, key)));
            due.map(|at| self.due.insert((at, key)));
            call.scheduled = due;
        }
    }

    fn forget(&mut self, key: Key) {
        self.close_line(key);
        let Some(call) = self.calls.remove(key) else { return };
        call.scheduled.map(|at| self.due.remove(&(at, key)));
        if let Ok(call_id) = call.invite.headers().call_id()
            && self.by_call_id.get(call_id) == Some(&key)
        {
            self.by_call_id.remove(call_id);
        }
    }

    fn forget_answers(&mut self, now: Instant) {
        while let Some((at, _)) = self.answers_order.front() {
            if *at + GIVE_UP > now && self.answers_order.len() <= ANSWERS_MAX {
                break;
            }
            if let Some((_, key)) = self.answers_order.pop_front() {
                self.answers.remove(&key);
            }
        }
    }
}
