//! The transaction layer: each pair of bytes is a request, a response, an answer, a failure or the passing of time. At the
//! end, when everything has had its time, nothing may be left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::sip::endpoint::{Output, Target, Transport};
use outdial::sip::message::{Message, Request, Response};
use outdial::sip::method::Method;
use outdial::sip::transaction::layer::{Layer, Up};
use outdial::sip::transaction::owner::Owner;
use outdial::sip::transaction::timer::Timers;
use outdial::slab::Key;
use outdial::time::Instant;
use std::time::Duration;

const STATUSES: [u16; 8] = [100, 180, 183, 200, 202, 302, 486, 503];
const LIMIT: usize = 8;

struct Stage {
    layer: Layer,
    now: Instant,
    /// Our requests as they went out.
    sent: Vec<Request>,
    /// Server transactions with their requests.
    asked: Vec<(Key, Request)>,
    clients: Vec<Key>,
    branches: usize,
}

fuzz_target!(|bytes: &[u8]| {
    let mut stage = Stage {
        layer: Layer::new(Timers::with_t1(Duration::from_millis(500)), LIMIT),
        now: Instant::ZERO,
        sent: Vec::new(),
        asked: Vec::new(),
        clients: Vec::new(),
        branches: 0,
    };
    for pair in bytes.chunks_exact(2) {
        stage.act(pair[0], usize::from(pair[1]));
        stage.settle();
        let (clients, servers) = stage.layer.counts();
        assert!(clients <= 2 * LIMIT && servers <= LIMIT);
    }
    // A server transaction waits for its user's answer however long that takes.
    for (key, request) in std::mem::take(&mut stage.asked) {
        stage.layer.respond(stage.now, key, &Response::to_request(&request, 500, "Server Internal Error"));
    }
    for key in std::mem::take(&mut stage.clients) {
        stage.layer.abandon(stage.now, key);
    }
    for _ in 0..10_000 {
        let Some(due) = stage.layer.poll_timeout() else { break };
        stage.now = stage.now.max(due);
        stage.layer.handle_timeout(stage.now, &mut Vec::new());
    }
    assert_eq!(stage.layer.counts(), (0, 0));
});

impl Stage {
    fn act(&mut self, verb: u8, choice: usize) {
        let mut ups = Vec::new();
        let target = target(verb);
        match verb % 8 {
            0 => self.start(target, choice),
            1 | 2 => self.hear(choice, &mut ups),
            3 => {
                let request = self.request(choice);
                self.layer.handle_request(self.now, target, request, &mut ups);
            }
            4 if !self.asked.is_empty() => {
                let (key, request) = self.asked[choice % self.asked.len()].clone();
                let status = STATUSES[choice % STATUSES.len()];
                self.layer.respond(self.now, key, &Response::to_request(&request, status, "Word"));
            }
            5 => {
                self.now += Duration::from_millis(1 << (choice % 16));
                self.layer.handle_timeout(self.now, &mut ups);
            }
            6 if choice & 1 == 0 => self.layer.handle_transport_error(self.now, target, &mut ups),
            6 => self.layer.handle_refused(self.now, target, &mut ups),
            7 if !self.clients.is_empty() => {
                let key = self.clients[choice % self.clients.len()];
                match choice % 2 {
                    0 => self.layer.cancel(self.now, key, &[]),
                    _ => drop(self.layer.abandon(self.now, key)),
                }
            }
            _ => {}
        }
        for up in ups {
            if let Up::Request { transaction, request, .. } = up {
                self.asked.push((transaction, request));
            }
        }
    }

    fn start(&mut self, target: Target, choice: usize) {
        self.branches += 1;
        let branch = format!("z9hG4bK{}", self.branches);
        let mut request = whole(choice, self.branches);
        request.headers_mut().push_front("Via", &format!("SIP/2.0/UDP us;branch={branch}"));
        if let Ok(key) = self.layer.start(self.now, target, &request, &branch, Owner::Nobody) {
            self.clients.push(key);
            if choice & 64 == 0 {
                self.layer.allow_fallback(self.now, key);
            }
        }
    }

    /// A response to one of our requests.
    fn hear(&mut self, choice: usize, ups: &mut Vec<Up>) {
        let Some(request) = self.sent.get(choice / STATUSES.len() % self.sent.len().max(1)) else { return };
        let response = Response::to_request(request, STATUSES[choice % STATUSES.len()], "Word");
        let _ = self.layer.handle_response(self.now, response, ups);
    }

    /// A request of the peer, one of few, so that copies, CANCELs and ACKs meet their INVITE.
    fn request(&self, choice: usize) -> Request {
        let mut request = whole(choice, choice / 8);
        request.headers_mut().push("Via", &format!("SIP/2.0/UDP peer;branch=z9hG4bKp{}", choice / 8 % 8));
        request
    }

    fn settle(&mut self) {
        while let Some(output) = self.layer.outbox.pop_front() {
            if let Output::Transmit { bytes, .. } = output
                && let Message::Request(request) = Message::parse(&bytes).expect("we write what can be read")
                && self.sent.len() < 64
            {
                self.sent.push(request);
            }
        }
    }
}

fn whole(choice: usize, number: usize) -> Request {
    const METHODS: [Method; 6] =
        [Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options, Method::Register];
    let method = METHODS[choice % METHODS.len()].clone();
    let mut request = Request::new(method.clone(), "sip:h");
    let headers = request.headers_mut();
    headers.push("From", "<sip:a@h>;tag=1");
    headers.push("To", "<sip:b@h>");
    headers.push("Call-ID", "c");
    headers.push("CSeq", &format!("{} {method}", number + 1));
    request
}

fn target(choice: u8) -> Target {
    let address = format!("192.0.2.{}:5060", choice / 64).parse().expect("an address");
    let transport = if choice & 32 == 0 { Transport::Udp } else { Transport::Tcp };
    Target::new(transport, address)
}
