//! Fault 1: two thousand calls over a network that loses, delays, doubles, reorders and spoils packets each way, against a
//! small answering peer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::{Stage, dial};
use crate::rng::Rng;
use crate::sip::endpoint::*;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::slab::Key;
use crate::time::Instant;

const CALLS: usize = 2_000;

/// What the network does to a packet, each with its probability, and how long it takes, in milliseconds.
#[derive(Clone, Copy)]
struct Network {
    lose: f64,
    double: f64,
    spoil: f64,
    delay_ms: (u64, u64),
}

#[test]
fn fault_1_every_call_completes_at_twenty_percent_loss_and_nothing_is_left() {
    all_calls_complete(11, Network { lose: 0.2, double: 0.0, spoil: 0.0, delay_ms: (10, 60) });
}

#[test]
fn fault_1_every_call_completes_among_packets_that_are_lost_late_doubled_and_overtaken() {
    all_calls_complete(12, Network { lose: 0.05, double: 0.2, spoil: 0.0, delay_ms: (0, 2_500) });
}

fn all_calls_complete(seed: u64, network: Network) {
    let mut world = World::new(seed, network);
    world.run();
    assert_eq!(world.answered, CALLS);
    assert_eq!(world.ended, CALLS);
    assert_eq!(world.peer.calls.len(), CALLS, "nobody was called twice");
    assert_eq!(world.peer.calls.values().filter(|call| call.acknowledged).count(), CALLS);
    assert_eq!(world.peer.calls.values().filter(|call| call.over).count(), CALLS);
    assert_eq!(world.endpoint.counts(), Counts::default());
}

#[test]
fn fault_1_packets_with_wrong_bytes_cost_a_call_in_a_hundred_at_most_and_leave_nothing() {
    let mut world = World::new(13, Network { lose: 0.02, double: 0.05, spoil: 0.05, delay_ms: (10, 60) });
    world.run();
    assert_eq!(world.ended, CALLS);
    assert!(world.answered >= CALLS * 99 / 100, "{} of {CALLS} were answered", world.answered);
    assert_eq!(world.endpoint.counts(), Counts::default());
}

/// What is due, and when.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Dial(usize),
    HangUp(Key),
    ToPeer(Vec<u8>),
    ToEndpoint(Vec<u8>),
    /// The peer repeats what it said of a call until it is confirmed.
    PeerAgain {
        call_id: String,
        interval: Duration,
        until: Instant,
    },
}

struct World {
    endpoint: Endpoint,
    target: Target,
    peer: Peer,
    rng: Rng,
    network: Network,
    due: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    order: u64,
    answered: usize,
    ended: usize,
}

#[derive(Default)]
struct Peer {
    calls: BTreeMap<String, Call>,
}

struct Call {
    ok: Vec<u8>,
    acknowledged: bool,
    over: bool,
}

impl World {
    fn new(seed: u64, network: Network) -> Self {
        let Stage { endpoint, target, .. } = Stage::new(Transport::Udp);
        let rng = Rng::from_seed(seed);
        let (due, peer) = (BinaryHeap::new(), Peer::default());
        let mut world = World { endpoint, target, peer, rng, network, due, order: 0, answered: 0, ended: 0 };
        for n in 0..CALLS {
            world.after(Instant::ZERO, Duration::from_millis(20 * n as u64), Due::Dial(n));
        }
        world
    }

    fn run(&mut self) {
        loop {
            let next = self.due.peek().map(|Reverse((at, ..))| *at);
            let timer = self.endpoint.poll_timeout();
            let Some(now) = next.into_iter().chain(timer).min() else { return };
            if timer == Some(now) {
                self.endpoint.handle_timeout(now);
            } else if let Some(Reverse((_, _, due))) = self.due.pop() {
                self.handle(now, due);
            }
            self.collect(now);
        }
    }

    fn handle(&mut self, now: Instant, due: Due) {
        match due {
            Due::Dial(n) => {
                let response_timeout = Duration::from_secs(32);
                let dial = Dial { call_id: format!("call-{n}"), response_timeout, ..dial(self.target) };
                self.endpoint.invite(now, dial).unwrap();
            }
            Due::HangUp(key) => self.endpoint.hang_up(now, key, None),
            Due::ToEndpoint(bytes) => self.endpoint.handle_datagram(now, self.target.address, &bytes),
            Due::ToPeer(bytes) => {
                if let Ok(Message::Request(request)) = Message::parse(&bytes) {
                    self.answer(now, &request);
                }
            }
            Due::PeerAgain { call_id, interval, until } => {
                let call = &self.peer.calls[&call_id];
                if !call.acknowledged && !call.over && now < until {
                    let ok = call.ok.clone();
                    self.lose_or_carry(now, Due::ToEndpoint(ok));
                    let doubled = (interval * 2).min(Duration::from_secs(4));
                    self.after(now, interval, Due::PeerAgain { call_id, interval: doubled, until });
                }
            }
        }
    }

    fn answer(&mut self, now: Instant, request: &Request) {
        let headers = request.headers();
        let (Ok(call_id), Ok(to)) = (headers.call_id(), headers.to()) else { return };
        let call_id = call_id.to_owned();
        let mut ok = Response::to_request(request, 200, "OK");
        match request.method() {
            Method::Invite if !self.peer.calls.contains_key(&call_id) => {
                let to = to.with_tag(&call_id).to_string();
                ok.headers_mut().set("To", &to);
                ok.headers_mut().push("Contact", "<sip:peer@192.0.2.1:5060>");
                let trying = Response::to_request(request, 100, "Trying").to_bytes();
                self.lose_or_carry(now, Due::ToEndpoint(trying));
                let call = Call { ok: ok.to_bytes(), acknowledged: false, over: false };
                self.peer.calls.insert(call_id.clone(), call);
                let (interval, until) = (Duration::from_millis(500), now + Duration::from_secs(34));
                self.after(now, Duration::from_secs(2), Due::PeerAgain { call_id, interval, until });
            }
            Method::Ack => {
                self.peer.calls.entry(call_id).and_modify(|call| call.acknowledged = true);
            }
            Method::Bye => {
                self.peer.calls.entry(call_id).and_modify(|call| call.over = true);
                self.lose_or_carry(now, Due::ToEndpoint(ok.to_bytes()));
            }
            _ => {}
        }
    }

    fn collect(&mut self, now: Instant) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => self.lose_or_carry(now, Due::ToPeer(bytes)),
                Output::Event(Event::Session { key, event: SessionEvent::Answered { .. } }) => {
                    self.answered += 1;
                    // Long enough for a lost ACK to be repeated before the BYE makes it needless.
                    self.after(now, Duration::from_secs(20), Due::HangUp(key));
                }
                Output::Event(Event::Session { event: SessionEvent::Ended, .. }) => self.ended += 1,
                Output::Event(_) => {}
            }
        }
    }

    fn lose_or_carry(&mut self, now: Instant, due: Due) {
        if self.rng.chance(self.network.lose) {
            return;
        }
        let copies = 1 + u32::from(self.rng.chance(self.network.double));
        for _ in 0..copies {
            let mut due = due.clone();
            if let Due::ToPeer(bytes) | Due::ToEndpoint(bytes) = &mut due
                && self.rng.chance(self.network.spoil)
            {
                let at = self.rng.below(bytes.len() as u64) as usize;
                bytes[at] = self.rng.below(256) as u8;
            }
            let (least, most) = self.network.delay_ms;
            let delay = Duration::from_millis(self.rng.between(least, most));
            self.after(now, delay, due);
        }
    }

    fn after(&mut self, now: Instant, delay: Duration, due: Due) {
        self.order += 1;
        self.due.push(Reverse((now + delay, self.order, due)));
    }
}
