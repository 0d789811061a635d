//! Two thousand calls over a network that loses every fifth packet each way, against a small answering peer.

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
const LOSS: f64 = 0.2;

#[test]
fn two_thousand_calls_complete_at_twenty_percent_loss_and_leave_nothing() {
    let mut world = World::new(11);
    world.run();
    assert_eq!(world.answered, CALLS);
    assert_eq!(world.ended, CALLS);
    assert_eq!(world.peer.calls.values().filter(|call| call.acknowledged).count(), CALLS);
    assert_eq!(world.peer.calls.values().filter(|call| call.over).count(), CALLS);
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
    fn new(seed: u64) -> Self {
        let Stage { endpoint, target, .. } = Stage::new(Transport::Udp);
        let rng = Rng::from_seed(seed);
        let (due, peer) = (BinaryHeap::new(), Peer::default());
        let mut world = World { endpoint, target, peer, rng, due, order: 0, answered: 0, ended: 0 };
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
            Due::ToPeer(bytes) => match Message::parse(&bytes).unwrap() {
                Message::Request(request) => self.answer(now, &request),
                Message::Response(_) => {}
            },
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
        let call_id = request.headers().call_id().unwrap().to_owned();
        let mut ok = Response::to_request(request, 200, "OK");
        match request.method() {
            Method::Invite if !self.peer.calls.contains_key(&call_id) => {
                let to = request.headers().to().unwrap().with_tag(&call_id).to_string();
                ok.headers_mut().set("To", &to);
                ok.headers_mut().push("Contact", "<sip:peer@192.0.2.1:5060>");
                let trying = Response::to_request(request, 100, "Trying").to_bytes();
                self.lose_or_carry(now, Due::ToEndpoint(trying));
                let call = Call { ok: ok.to_bytes(), acknowledged: false, over: false };
                self.peer.calls.insert(call_id.clone(), call);
                let (interval, until) = (Duration::from_millis(500), now + Duration::from_secs(34));
                self.after(now, Duration::from_secs(2), Due::PeerAgain { call_id, interval, until });
            }
            Method::Ack => self.peer.calls.get_mut(&call_id).unwrap().acknowledged = true,
            Method::Bye => {
                self.peer.calls.get_mut(&call_id).unwrap().over = true;
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
        if !self.rng.chance(LOSS) {
            let delay = Duration::from_millis(self.rng.between(10, 60));
            self.after(now, delay, due);
        }
    }

    fn after(&mut self, now: Instant, delay: Duration, due: Due) {
        self.order += 1;
        self.due.push(Reverse((now + delay, self.order, due)));
    }
}
