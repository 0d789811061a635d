//! The far end's telephones: a user agent server that answers every INVITE at once, and hangs up when it is told to.
//!
//! It is as small as a far end may be: one thread, one UDP socket, responses by the rules of RFC 3261, 8.2.6, its 200 sent
//! again until the ACK comes (13.3.1.4), its BYE until an answer does (17.1.2).

use super::sound::Sounds;
use crate::io::priority;
use crate::rng::Rng;
use socket2::SockRef;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// RFC 3261's T1 and T2, and how long a 200 or a BYE is sent again.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);

/// The socket's buffers: bursts of hundreds of calls overflow the system's default.
const BUFFER: usize = 4 << 20;

/// How long the thread waits for a datagram before it looks for other work.
const WAIT: Duration = Duration::from_millis(2);

/// BYEs a second when all calls are to end.
const HANG_UPS_A_SECOND: u32 = 400;

/// How the far end behaves.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Manner {
    /// Hang up this long after the ACK; never by itself without.
    pub hang_up_after: Option<Duration>,
    /// The share of datagrams that are lost, each way.
    pub lose: f64,
}

impl Manner {
    /// Hangs up at once, and loses so many percent.
    pub fn signalling(lose: u32) -> Manner {
        Manner { hang_up_after: Some(Duration::ZERO), lose: f64::from(lose) / 100.0 }
    }
}

/// What the telephones have seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Calls that came in.
    pub calls: AtomicU32,
    /// Calls whose 200 was acknowledged.
    pub answered: AtomicU32,
    /// Calls that ended with a BYE that was answered, theirs or ours.
    pub ended: AtomicU32,
    /// Calls whose 200 or BYE was never answered.
    pub given_up: AtomicU32,
    /// Messages in and out.
    pub messages: AtomicU64,
    stop: AtomicBool,
    hang_up: AtomicBool,
}

/// The telephones, running.
#[derive(Debug)]
pub struct Callee {
    address: SocketAddr,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl Callee {
    /// Starts them; with `sounds` each call gets a line there.
    ///
    /// # Errors
    /// When the system gives no socket or no thread.
    pub fn start(sounds: Option<Arc<Sounds>>, manner: Manner) -> io::Result<Callee> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let deaf = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(WAIT))?;
        let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER);
        let address = socket.local_addr()?;
        let seen = Arc::new(Seen::default());
        let phones = Phones {
            socket,
            address,
            sounds,
            deaf,
            manner,
            seen: Arc::clone(&seen),
            rng: Rng::from_seed(1),
            calls: HashMap::new(),
            due: BTreeMap::new(),
            entries: 0,
            lines: 0,
        };
        let thread = std::thread::Builder::new().name("far-sip".into()).spawn(move || {
            priority::raise(priority::CONTROL);
            phones.run();
        })?;
        Ok(Callee { address, seen, thread: Some(thread) })
    }

    /// Where they are called.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What they have seen so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// All calls end, a few hundred a second.
    pub fn hang_up(&self) {
        self.seen.hang_up.store(true, Ordering::Relaxed);
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is sent again until something comes back.
struct Call {
    line: u32,
    peer: SocketAddr,
    /// Header lines of the INVITE, as a request of ours needs them: the peer's From is our To.
    from: String,
    to: String,
    contact: String,
    awaiting: Awaiting,
    /// The 200, or the BYE.
    pending: String,
    since: Instant,
    interval: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Awaiting {
    Ack,
    /// Nothing: the call is up.
    Nothing,
    /// The answer to our BYE.
    ByeOk,
}

/// What is due later.
enum Due {
    Again(String),
    HangUp(String),
}

struct Phones {
    socket: UdpSocket,
    address: SocketAddr,
    sounds: Option<Arc<Sounds>>,
    /// Where sound goes that nobody listens to; a port where nobody is would answer each packet with an error.
    deaf: UdpSocket,
    manner: Manner,
    seen: Arc<Seen>,
    rng: Rng,
    calls: HashMap<String, Call>,
    due: BTreeMap<(Instant, u64), Due>,
    entries: u64,
    lines: u32,
}

impl Phones {
    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        while !self.seen.stop.load(Ordering::Relaxed) {
            if let Ok((length, peer)) = self.socket.recv_from(&mut buffer)
                && !self.rng.chance(self.manner.lose)
                && let Ok(message) = std::str::from_utf8(&buffer[..length])
            {
                self.seen.messages.fetch_add(1, Ordering::Relaxed);
                self.take(peer, message);
            }
            if self.seen.hang_up.swap(false, Ordering::Relaxed) {
                let ids: Vec<String> = self.calls.keys().cloned().collect();
                for (place, id) in ids.into_iter().enumerate() {
                    let at = Instant::now() + Duration::from_secs(1) * place as u32 / HANG_UPS_A_SECOND;
                    self.later(at, Due::HangUp(id));
                }
            }
            self.do_due();
        }
    }

    fn take(&mut self, peer: SocketAddr, message: &str) {
        let Some(id) = header(message, "Call-ID") else { return };
        let id = id.to_owned();
        match message.split(' ').next().unwrap_or_default() {
            "INVITE" => self.invited(peer, id, message),
            "ACK" => self.acknowledged(&id),
            "BYE" => {
                self.say(peer, &response(message, "200 OK", "", ""));
                self.over(&id);
            }
            "SIP/2.0" => {
                let of_bye = header(message, "CSeq").is_some_and(|cseq| cseq.ends_with(" BYE"));
                if of_bye && self.calls.get(&id).is_some_and(|call| call.awaiting == Awaiting::ByeOk) {
                    self.over(&id);
                }
            }
            "CANCEL" | "OPTIONS" => self.say(peer, &response(message, "200 OK", "", "")),
            _ => self.say(peer, &response(message, "405 Method Not Allowed", "", "")),
        }
    }

    fn invited(&mut self, peer: SocketAddr, id: String, message: &str) {
        if let Some(call) = self.calls.get(&id) {
            // A copy, or a new offer in the call: the same answer serves.
            let answer = call.pending.clone();
            let answer =
                if call.awaiting == Awaiting::Ack { answer } else { self.answer(message, call.line) };
            return self.say(peer, &answer);
        }
        let line = self.lines;
        self.lines += 1;
        let answer = self.answer(message, line);
        self.say(peer, &response(message, "180 Ringing", "", ""));
        self.say(peer, &answer);
        let now = Instant::now();
        if let (Some(sounds), Some(remote)) = (&self.sounds, media_of(message)) {
            sounds.connect(line, remote, now);
        }
        let of = |name: &str| header(message, name).unwrap_or_default().to_owned();
        let contact = of("Contact");
        let call = Call {
            line,
            peer,
            from: format!("{};tag={TAG}", of("To")),
            to: of("From"),
            contact: contact.split(['<', '>']).nth(1).unwrap_or(&contact).to_owned(),
            awaiting: Awaiting::Ack,
            pending: answer,
            since: now,
            interval: T1,
        };
        self.calls.insert(id.clone(), call);
        self.later(now + T1, Due::Again(id));
        self.seen.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn answer(&self, invite: &str, line: u32) -> String {
        let deaf = || self.deaf.local_addr().map_or(9, |address| address.port());
        let port = self.sounds.as_ref().map_or_else(deaf, |sounds| sounds.address(line).port());
        let sdp = format!(
            "v=0\r\no=- {line} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let more = format!("Contact: <sip:phone@{}>\r\nContent-Type: application/sdp\r\n", self.address);
        response(invite, "200 OK", &more, &sdp)
    }

    fn acknowledged(&mut self, id: &str) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.awaiting == Awaiting::Ack {
            call.awaiting = Awaiting::Nothing;
            self.seen.answered.fetch_add(1, Ordering::Relaxed);
            if let Some(after) = self.manner.hang_up_after {
                self.later(Instant::now() + after, Due::HangUp(id.to_owned()));
            }
        }
    }

    fn over(&mut self, id: &str) {
        if let Some(call) = self.calls.remove(id) {
            self.seen.ended.fetch_add(1, Ordering::Relaxed);
            self.silence(&call);
        }
    }

    fn silence(&self, call: &Call) {
        if let Some(sounds) = &self.sounds {
            sounds.disconnect(call.line);
        }
    }

    fn later(&mut self, at: Instant, due: Due) {
        self.entries += 1;
        self.due.insert((at, self.entries), due);
    }

    fn do_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Due::HangUp(id) => self.bye(&id),
                Due::Again(id) => self.again(id),
            }
        }
    }

    fn bye(&mut self, id: &str) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.awaiting != Awaiting::Nothing {
            return;
        }
        call.pending = format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-bye-{}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            call.contact, self.address, call.line, call.from, call.to
        );
        (call.awaiting, call.since, call.interval) = (Awaiting::ByeOk, Instant::now(), T1);
        let (peer, bye) = (call.peer, call.pending.clone());
        self.say(peer, &bye);
        self.later(Instant::now() + T1, Due::Again(id.to_owned()));
    }

    fn again(&mut self, id: String) {
        let now = Instant::now();
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.awaiting == Awaiting::Nothing {
            return;
        }
        if now - call.since >= GIVE_UP {
            self.seen.given_up.fetch_add(1, Ordering::Relaxed);
            if let Some(call) = self.calls.remove(&id) {
                self.silence(&call);
            }
            return;
        }
        call.interval = (2 * call.interval).min(T2);
        let (peer, message, next) = (call.peer, call.pending.clone(), now + call.interval);
        self.say(peer, &message);
        self.later(next, Due::Again(id));
    }

    fn say(&mut self, peer: SocketAddr, message: &str) {
        self.seen.messages.fetch_add(1, Ordering::Relaxed);
        if !self.rng.chance(self.manner.lose) {
            let _ = self.socket.send_to(message.as_bytes(), peer);
        }
    }
}

/// Our tag in every dialog: Call-IDs keep them apart.
const TAG: &str = "far-end";

/// A header's value; only the long names that our engine and Asterisk write.
fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = message.split("\r\n").take_while(|line| !line.is_empty());
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim);
    lines.find_map(value)
}

/// RFC 3261, 8.2.6: Via, From, To with a tag, Call-ID and CSeq of the request.
fn response(request: &str, status: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"].contains(&name) {
            text.push_str(line);
            if name == "To" && !line.contains(";tag=") {
                text.push_str(";tag=");
                text.push_str(TAG);
            }
            text.push_str("\r\n");
        }
    }
    text.push_str(more);
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

/// Where the offer wants its packets.
fn media_of(message: &str) -> Option<SocketAddr> {
    let line = |prefix: &str| message.split("\r\n").find_map(|line| line.strip_prefix(prefix));
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(line("c=IN IP4 ")?.trim().parse().ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:+12025550100@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:5070>\r\n\r\n\
        c=IN IP4 127.0.0.1\r\nm=audio 16384 RTP/AVP 0\r\n";

    #[test]
    fn a_response_mirrors_its_request_and_the_offer_is_read() {
        let said = response(INVITE, "180 Ringing", "", "");
        assert!(
            said.starts_with("SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9\r\n"),
            "{said}"
        );
        assert!(said.contains("To: <sip:c@d>;tag=far-end\r\n"), "{said}");
        assert_eq!(media_of(INVITE), Some("127.0.0.1:16384".parse().unwrap()));
        assert_eq!(header(INVITE, "Call-ID"), Some("x"));
    }

    #[test]
    fn a_call_is_answered_acknowledged_and_hung_up() {
        let manner = Manner { hang_up_after: Some(Duration::ZERO), lose: 0.0 };
        let callee = Callee::start(None, manner).unwrap();
        let caller = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        caller.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        caller.connect(callee.address()).unwrap();
        let mut buffer = [0; 2_048];
        let mut hear = || {
            let length = caller.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        caller.send(INVITE.as_bytes()).unwrap();
        assert!(hear().starts_with("SIP/2.0 180 "));
        assert!(hear().starts_with("SIP/2.0 200 "));
        caller.send(INVITE.replace("INVITE", "ACK").as_bytes()).unwrap();
        let bye = hear();
        assert!(bye.starts_with("BYE sip:a@127.0.0.1:5070 SIP/2.0\r\n"), "{bye}");
        caller.send(response(&bye, "200 OK", "", "").as_bytes()).unwrap();
        while callee.seen().ended.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(callee.seen().answered.load(Ordering::Relaxed), 1);
    }
}
