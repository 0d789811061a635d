//! The other side of a benchmark of signalling: a callee in memory, what comes later in virtual time, and the meters.
//!
//! Everything happens on one thread and in virtual time, so that the CPU time of the thread is the cost of the calls and
//! of the callee alone; what the callee costs is measured by itself and taken off.

use outdial::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// Calls a second of virtual time.
pub const RATE: u32 = 100;

/// The callee's address.
pub const CALLEE: &str = "192.0.2.1:5060";

/// How long the callee's phone rings.
const RINGS: Duration = Duration::from_secs(3);

/// From one side to the other.
const ON_THE_WAY: Duration = Duration::from_millis(10);

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=ptime:20\r\na=sendrecv\r\n";

const CHALLENGE: &str =
    "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"5f2b1c\", qop=\"auth\", algorithm=MD5\r\n";

/// What comes later, the soonest first; of one moment, in the order in which it was put in.
pub struct Later<T> {
    things: BTreeMap<(Instant, u64), T>,
    next: u64,
}

impl<T> Later<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Later { things: BTreeMap::new(), next: 0 }
    }

    /// `thing` comes at `at`.
    pub fn push(&mut self, at: Instant, thing: T) {
        self.things.insert((at, self.next), thing);
        self.next += 1;
    }

    /// When the next comes.
    pub fn next_at(&self) -> Option<Instant> {
        self.things.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next, if it has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let next = self.things.first_entry()?;
        if next.key().0 > now { None } else { Some(next.remove()) }
    }
}

/// A callee that rings, answers, and lets the caller hang up. It keeps no state.
#[derive(Clone, Copy)]
pub struct Callee {
    /// Whether an INVITE must carry credentials.
    pub challenges: bool,
}

impl Callee {
    /// What it says to a request, and when that arrives.
    pub fn handle(self, now: Instant, request: &[u8], wire: &mut Later<Vec<u8>>) {
        let request = std::str::from_utf8(request).expect("our requests are text");
        let mut say = |after: Duration, status: &str, more: &str, body: &str| {
            wire.push(now + after + ON_THE_WAY, response(request, status, more, body).into_bytes());
        };
        if request.starts_with("INVITE ") {
            if self.challenges && !request.contains("\r\nProxy-Authorization:") {
                return say(Duration::ZERO, "407 Proxy Authentication Required", CHALLENGE, "");
            }
            let contact = "Contact: <sip:callee@192.0.2.1:5060>\r\n";
            say(Duration::ZERO, "100 Trying", "", "");
            say(ON_THE_WAY, "180 Ringing", contact, "");
            let described = format!("{contact}Content-Type: application/sdp\r\n");
            say(RINGS, "200 OK", &described, ANSWER);
        } else if request.starts_with("BYE ") {
            say(Duration::ZERO, "200 OK", "", "");
        }
    }
}

/// RFC 3261, 8.2.6: Via, From, To with a tag, Call-ID and CSeq of the request.
fn response(request: &str, status: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name) {
            text.push_str(line);
            if name == "To" && !line.contains(";tag=") {
                text.push_str(";tag=callee");
            }
            text.push_str("\r\n");
        }
    }
    text.push_str(more);
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

/// Calls to measure: few when the benchmark is only tried, as `cargo test --benches` does.
pub fn calls_wanted() -> u32 {
    if std::env::args().any(|arg| arg == "--bench") { 100_000 } else { 1_000 }
}

/// CPU time of this thread so far. The scheduler counts it in nanoseconds; where it does not tell, in ticks of 10 ms.
pub fn cpu_time() -> Duration {
    if let Ok(text) = std::fs::read_to_string("/proc/thread-self/schedstat") {
        let ns = text.split_whitespace().next().and_then(|field| field.parse().ok());
        return Duration::from_nanos(ns.expect("the first field is the time on the processor"));
    }
    let text = std::fs::read_to_string("/proc/thread-self/stat").expect("a benchmark runs on Linux");
    // Behind the name, which may hold anything: utime and stime are the 12th and 13th.
    let (_, fields) = text.rsplit_once(')').expect("the name is in brackets");
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Resident memory of the process in bytes.
pub fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("a benchmark runs on Linux");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("the resident set is told");
    let kib: i64 =
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number of KiB");
    kib * 1024
}

/// What the callee and the wire cost for one of these requests, in microseconds.
pub fn callee_cost_us(callee: Callee, requests: &[Vec<u8>]) -> f64 {
    const ROUNDS: u32 = 20;
    let mut wire = Later::new();
    let begun = cpu_time();
    for _ in 0..ROUNDS {
        for request in requests {
            callee.handle(Instant::ZERO, request, &mut wire);
            while let Some(bytes) = wire.pop_due(Instant::ZERO + RINGS + RINGS) {
                std::hint::black_box(bytes);
            }
        }
    }
    let cost = (cpu_time() - begun).as_secs_f64() * 1e6;
    cost / f64::from(ROUNDS) / requests.len().max(1) as f64
}

/// What was measured between two moments.
pub struct Measured {
    /// Calls that ended.
    pub calls: u32,
    /// CPU time of both sides.
    pub cpu: Duration,
    /// Requests of ours for each call.
    pub requests_a_call: f64,
    /// Growth of resident memory over all calls, in bytes.
    pub grown: i64,
    /// Some of the requests.
    pub sample: Vec<Vec<u8>>,
}

impl Measured {
    /// Prints the figures, one a line.
    pub fn print(&self, what: &str, callee: Callee) {
        let both = self.cpu.as_secs_f64() * 1e6 / f64::from(self.calls);
        let callee = callee_cost_us(callee, &self.sample) * self.requests_a_call;
        println!("{what}: {:.1} us of CPU a call ({:.1} with the callee in memory)", both - callee, both);
        println!("{what}: {:.0} calls a second fill one core", 1e6 / (both - callee));
        println!(
            "{what}: {} bytes kept of a call that is over (resident memory {:+} KiB over {} calls)",
            (self.grown / i64::from(self.calls)).max(0),
            self.grown / 1024,
            self.calls
        );
    }
}
