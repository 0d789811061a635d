//! What a call costs the SIP user agent: INVITE, 100, 180, 200, ACK, ten seconds of call, BYE, 200, over UDP, all timers
//! of RFC 3261 included, against a callee in memory; once without and once with a digest challenge.

mod signalling;

use outdial::rng::Rng;
use outdial::sdp;
use outdial::sip::digest::{Credentials, Secret};
use outdial::sip::endpoint::{
    Counts, Dial, Endpoint, Event, Extensions, Options, Output, SessionEvent, SessionKey, Target, Transport,
};
use outdial::time::Instant;
use signalling::{CALLEE, Callee, Later, Measured, RATE, calls_wanted, cpu_time, resident};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a call lasts.
const TALK: Duration = Duration::from_secs(10);

/// How long a call is remembered: three seconds of ringing and 64*T1 from its answer, for copies of the 200 (RFC 6026, 7.2).
const REMEMBERED: Duration = Duration::from_secs(3 + 32);

/// Virtual time until as many calls begin as are forgotten: a call and its timers are over by then.
const WARM_UP: Duration = Duration::from_secs(100);

fn main() {
    measure("sip", Callee { challenges: false });
    measure("sip with digest", Callee { challenges: true });
}

fn measure(what: &str, callee: Callee) {
    let mut bench = Bench::new(callee);
    let empty = resident();
    let warm_calls = RATE * WARM_UP.as_secs() as u32;
    bench.dial(warm_calls);
    let warm = resident();
    if !callee.challenges {
        // Later rounds live in what this one has freed.
        let remembered = i64::from(RATE) * REMEMBERED.as_secs() as i64;
        println!("{what}: {} bytes a call until its timers have run out", (warm - empty) / remembered);
    }
    let (sent, ended, begun) = (bench.sent, bench.ended, cpu_time());
    let calls = calls_wanted();
    bench.dial(calls);
    let cpu = cpu_time() - begun;
    let grown = resident() - warm;
    let requests_a_call = (bench.sent - sent) as f64 / f64::from(bench.ended - ended);
    let measured = Measured { calls, cpu, requests_a_call, grown, sample: std::mem::take(&mut bench.sample) };
    measured.print(what, callee);
    bench.drain();
    assert_eq!(bench.ended, warm_calls + calls, "every call was answered and ended");
    assert_eq!(bench.endpoint.counts(), Counts::default(), "nothing is left");
}

struct Bench {
    endpoint: Endpoint,
    callee: Callee,
    wire: Later<Vec<u8>>,
    talks: Later<SessionKey>,
    now: Instant,
    dialed: u64,
    ended: u32,
    sent: u64,
    sample: Vec<Vec<u8>>,
}

impl Bench {
    fn new(callee: Callee) -> Self {
        let mut endpoint = Endpoint::new(Options::default(), Rng::from_seed(1));
        endpoint.allow_source(callee_address().ip());
        Bench {
            endpoint,
            callee,
            wire: Later::new(),
            talks: Later::new(),
            now: Instant::ZERO,
            dialed: 0,
            ended: 0,
            sent: 0,
            sample: Vec::new(),
        }
    }

    fn dial(&mut self, calls: u32) {
        for _ in 0..calls {
            let at = Instant::from_start(Duration::from_secs(self.dialed) / RATE);
            self.run_until(at);
            self.invite();
        }
    }

    fn drain(&mut self) {
        while let Some(next) = self.next_at() {
            self.run_until(next);
        }
    }

    fn invite(&mut self) {
        let number = format!("+1202555{:04}", self.dialed % 10_000);
        let offer = sdp::Offer {
            before: &[],
            after: &[],
            session_id: self.dialed,
            version: 1,
            address: "192.0.2.7".parse().expect("an address"),
            port: 20_000,
            codecs: &[sdp::Codec::Pcmu, sdp::Codec::Pcma],
            telephone_event: Some(101),
            comfort_noise: false,
            ptime_ms: 20,
            direction: sdp::Direction::BOTH,
            rtcp_mux: true,
            security: sdp::Security::Plain,
        };
        let credentials =
            Credentials { username: "outdial".into(), password: Secret::new("secret"), realm: None };
        let dial = Dial {
            target: Target::new(Transport::Udp, callee_address()),
            request_uri: format!("sip:{number}@{CALLEE}"),
            from: "<sip:+12025550100@carrier.example>".into(),
            to: format!("<sip:{number}@{CALLEE}>"),
            call_id: format!("call-{}", self.dialed),
            credentials: Some(credentials),
            headers: Vec::new(),
            sdp: sdp::offer(&offer),
            response_timeout: Duration::from_secs(4),
            extensions: Extensions::default(),
            names: None,
        };
        self.endpoint.invite(self.now, dial).expect("there is room for the call");
        self.dialed += 1;
        self.flush();
    }

    fn next_at(&self) -> Option<Instant> {
        [self.wire.next_at(), self.talks.next_at(), self.endpoint.poll_timeout()].into_iter().flatten().min()
    }

    fn run_until(&mut self, end: Instant) {
        while let Some(next) = self.next_at().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            while let Some(bytes) = self.wire.pop_due(self.now) {
                self.endpoint.handle_datagram(self.now, callee_address(), &bytes);
                self.flush();
            }
            while let Some(key) = self.talks.pop_due(self.now) {
                self.endpoint.hang_up(self.now, key, None);
                self.flush();
            }
            if self.endpoint.poll_timeout().is_some_and(|due| due <= self.now) {
                self.endpoint.handle_timeout(self.now);
                self.flush();
            }
        }
        self.now = self.now.max(end);
    }

    fn flush(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    self.callee.handle(self.now, &bytes, &mut self.wire);
                    self.sent += 1;
                    if self.sample.len() < 5_000 {
                        self.sample.push(bytes);
                    }
                }
                Output::Event(Event::Session { key, event: SessionEvent::Answered { .. } }) => {
                    self.talks.push(self.now + TALK, key);
                }
                Output::Event(Event::Session { event: SessionEvent::Ended, .. }) => self.ended += 1,
                Output::Event(_) => {}
            }
        }
    }
}

fn callee_address() -> SocketAddr {
    CALLEE.parse().expect("an address")
}
