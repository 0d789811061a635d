//! A carrier that keeps its own ledger: who was called when, and by whom. Every callee rings for a moment and is busy. It shares
//! no code with the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a callee rings: 100 ms and as much again by the number, so that calls overlap in ever new ways.
const RINGS_MS: u64 = 100;

/// Who has to wait for a datagram for so long has found none.
const WAITED: Duration = Duration::from_micros(300);

/// Room for what comes while the thread sleeps.
const SOCKET_BYTES: usize = 4 << 20;

/// A call as the wire had it.
#[derive(Clone, Debug)]
pub struct Call {
    pub number: String,
    pub from: IpAddr,
    pub invited_at: Instant,
    /// It cannot have come before: nothing lay there unread.
    pub arrived_after: Instant,
    pub ended_at: Option<Instant>,
}

/// All calls by Call-ID.
pub type Ledger = BTreeMap<String, Call>;

/// A carrier at work.
pub struct Carrier {
    pub address: Ipv4Addr,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A final response that is due.
struct Due {
    at: Instant,
    call_id: String,
    response: String,
    to: SocketAddr,
}

impl Carrier {
    pub fn start(address: Ipv4Addr) -> Carrier {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_recv_buffer_size(SOCKET_BYTES).unwrap();
        socket.bind(&SocketAddr::from((address, 5060)).into()).expect("an address of its own");
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let (ledger, stop) = (Arc::<Mutex<Ledger>>::default(), Arc::<AtomicBool>::default());
        let (kept, stopped) = (ledger.clone(), stop.clone());
        let thread = std::thread::spawn(move || run(&socket.into(), &kept, &stopped));
        Carrier { address, ledger, stop, thread: Some(thread) }
    }

    /// The calls so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap().clone()
    }

    /// How many calls there were so far.
    pub fn count(&self) -> usize {
        self.ledger.lock().unwrap().len()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn run(socket: &UdpSocket, ledger: &Mutex<Ledger>, stop: &AtomicBool) {
    let mut due: BTreeMap<(Instant, String), Due> = BTreeMap::new();
    let mut buffer = vec![0u8; 65_536];
    let mut empty_at = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let asked_at = Instant::now();
        let received = socket.recv_from(&mut buffer);
        if received.is_err() || asked_at.elapsed() > WAITED {
            empty_at = asked_at;
        }
        if let Ok((length, source)) = received {
            let times = (empty_at, Instant::now());
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(due_now) = take(socket, ledger, times, source, &text) {
                due.insert((due_now.at, due_now.call_id.clone()), due_now);
            }
        }
        let now = Instant::now();
        while let Some(entry) = due.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = entry.remove();
            end(ledger, now, &due.call_id);
            let _ = socket.send_to(due.response.as_bytes(), due.to);
        }
    }
}

fn end(ledger: &Mutex<Ledger>, now: Instant, call_id: &str) {
    if let Some(call) = ledger.lock().unwrap().get_mut(call_id) {
        call.ended_at.get_or_insert(now);
    }
}

fn take(
    socket: &UdpSocket,
    ledger: &Mutex<Ledger>,
    (empty_at, now): (Instant, Instant),
    source: SocketAddr,
    text: &str,
) -> Option<Due> {
    let (method, rest) = text.split_once(' ')?;
    let call_id = header(text, "Call-ID")?.to_owned();
    let send = |response: &str| drop(socket.send_to(response.as_bytes(), source));
    match method {
        "INVITE" => {
            let number = rest.strip_prefix("sip:")?.split(['@', ';']).next()?.to_owned();
            let rings = RINGS_MS + number.bytes().map(u64::from).sum::<u64>() * 37 % RINGS_MS;
            let from = source.ip();
            let call = Call { number, from, invited_at: now, arrived_after: empty_at, ended_at: None };
            let mut ledger = ledger.lock().unwrap();
            if ledger.contains_key(&call_id) {
                return None;
            }
            ledger.insert(call_id.clone(), call);
            drop(ledger);
            send(&respond(text, "180 Ringing"));
            let at = now + Duration::from_millis(rings);
            Some(Due { at, call_id, response: respond(text, "486 Busy Here"), to: source })
        }
        "CANCEL" => {
            send(&respond(text, "200 OK"));
            None
        }
        "OPTIONS" | "BYE" => {
            send(&respond(text, "200 OK"));
            None
        }
        _ => None,
    }
}

fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

fn respond(request: &str, status: &str) -> String {
    let mut response = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or("");
        match name {
            "Via" | "From" | "Call-ID" | "CSeq" => response += &format!("{line}\r\n"),
            "To" if line.contains(";tag=") => response += &format!("{line}\r\n"),
            "To" => response += &format!("{line};tag=carrier\r\n"),
            _ => {}
        }
    }
    response + "Content-Length: 0\r\n\r\n"
}

/// The most calls that were up at one moment.
pub fn most_at_once(ledger: &Ledger) -> usize {
    let mut turns: Vec<(Instant, i32)> = Vec::new();
    for call in ledger.values() {
        turns.push((call.invited_at, 1));
        turns.extend(call.ended_at.map(|at| (at, -1)));
    }
    // Of two at the same moment the end comes first.
    turns.sort();
    let mut up = 0;
    let most = turns.into_iter().map(|(_, turn)| {
        up += turn;
        up
    });
    most.max().unwrap_or(0).max(0) as usize
}

/// The most calls that came within one window for sure: what lay there unread while this carrier had no
/// processor may have come long before it was read.
pub fn most_within(ledger: &Ledger, window: Duration) -> usize {
    let mut times: Vec<(Instant, Instant)> =
        ledger.values().map(|call| (call.invited_at, call.arrived_after)).collect();
    times.sort();
    let mut recent = VecDeque::new();
    let mut most = 0;
    for (at, after) in times {
        recent.push_back(after);
        while recent.front().is_some_and(|first| at - *first >= window) {
            recent.pop_front();
        }
        most = most.max(recent.len());
    }
    most
}

/// Numbers that were called more than once.
pub fn called_twice(ledger: &Ledger) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    ledger.values().map(|call| call.number.as_str()).filter(|number| !seen.insert(*number)).collect()
}
