//! A carrier that keeps its own ledger: what came and went on the wire, when, and how many calls were up at once. It shares
//! no code with the engine. Callees and agents' phones are behind it alike.
//!
//! What each does is in its last digit; see [`Manner`]. Callees are heard for a while after they have answered: silence, by
//! which no detector can know who it is.

use super::ledger::{Call, Ledger};
use super::manner::{Manner, manner};
use super::peers::eventually;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So long packets come from a callee who has answered.
const HEARD_FOR: Duration = Duration::from_millis(600);

/// Who has to wait for a datagram for so long has found none.
const WAITED: Duration = Duration::from_micros(300);

/// 64*T1: whose answer nobody has acknowledged for so long hangs up (RFC 3261 section 13.3.1.4).
const UNACKNOWLEDGED_FOR: Duration = Duration::from_secs(32);

/// RTP over UDP, with PCMU, at this port.
const MEDIA_PORT: u16 = 40_000;

/// A packet's time, and its bytes.
const PACKET: (Duration, usize) = (Duration::from_millis(20), 160);

/// A port of an address of its own. The far end before it may have had the same one, and a program that another thread starts
/// has what that one has closed until its exec.
fn bound(address: Ipv4Addr, port: u16) -> UdpSocket {
    eventually(Duration::from_secs(5), "its port is free", || match UdpSocket::bind((address, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        outcome => Some(outcome.expect("an address of its own")),
    })
}

/// One that is at work.
pub struct FarEnd {
    address: Ipv4Addr,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FarEnd {
    pub fn start(address: Ipv4Addr) -> FarEnd {
        let socket = bound(address, 5060);
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let (ledger, stop) = (Arc::<Mutex<Ledger>>::default(), Arc::<AtomicBool>::default());
        let media = bound(address, MEDIA_PORT);
        let empty_at = Instant::now();
        let worker = Worker {
            socket,
            empty_at,
            media,
            ledger: ledger.clone(),
            dialogs: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || worker.run(&stopped));
        FarEnd { address, ledger, stop, thread: Some(thread) }
    }

    pub fn sip(&self) -> String {
        format!("{}:5060", self.address)
    }

    pub fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap().clone()
    }

    /// How many calls it has seen.
    pub fn calls(&self) -> usize {
        self.ledger.lock().unwrap().calls.len()
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// What it knows of a call to answer for it.
struct Dialog {
    peer: SocketAddr,
    /// The INVITE's headers that a response repeats.
    repeated: String,
    contact: String,
    from: String,
    to: String,
    manner: Manner,
    rang: bool,
    /// The final response, and when its next copy leaves.
    last: Option<(u16, Instant, Duration)>,
    is_acknowledged: bool,
    /// Where its offer wants to hear it, and the packets that went there.
    media: Option<SocketAddr>,
    packets: u16,
}

struct Worker {
    socket: UdpSocket,
    /// Nothing lay in it unread then.
    empty_at: Instant,
    media: UdpSocket,
    ledger: Arc<Mutex<Ledger>>,
    dialogs: BTreeMap<String, Dialog>,
    /// Calls that may still do something by themselves.
    open: BTreeSet<String>,
}

/// One message, as far as it matters.
struct Message<'a> {
    head: &'a str,
    lines: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

impl<'a> Message<'a> {
    fn read(text: &'a str) -> Option<Message<'a>> {
        let (top, body) = text.split_once("\r\n\r\n")?;
        let mut lines = top.split("\r\n");
        let head = lines.next()?;
        Some(Message { head, lines: lines.filter_map(|line| line.split_once(": ")).collect(), body })
    }

    /// Where the offer in it wants to hear us.
    fn media(&self) -> Option<SocketAddr> {
        let after = |key: &str| self.body.lines().find_map(|line| line.strip_prefix(key));
        let port = after("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(after("c=IN IP4 ")?.parse().ok()?, port))
    }

    fn get(&self, name: &str) -> &'a str {
        self.lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) {
        let mut bytes = vec![0; 65_536];
        while !stop.load(Ordering::Relaxed) {
            let asked_at = Instant::now();
            let received = self.socket.recv_from(&mut bytes);
            if received.is_err() || asked_at.elapsed() > WAITED {
                self.empty_at = asked_at;
            }
            if let Ok((length, peer)) = received {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                if let Some(message) = Message::read(&text) {
                    self.take(peer, &message);
                }
            }
            self.go_on();
        }
    }

    fn take(&mut self, peer: SocketAddr, message: &Message<'_>) {
        let call_id = message.get("Call-ID").to_owned();
        match message.head.split(' ').next().unwrap_or_default() {
            "INVITE" => self.take_invite(peer, message, &call_id),
            "ACK" => {
                if let Some(dialog) = self.dialogs.get_mut(&call_id) {
                    dialog.is_acknowledged = true;
                    self.note(&call_id, |call, now| call.acknowledged_at = Some(now));
                }
            }
            "CANCEL" => self.take_cancel(peer, message, &call_id),
            "BYE" => self.take_bye(peer, message, &call_id),
            "OPTIONS" => self.respond(peer, message, 200),
            _ => {}
        }
    }

    fn take_invite(&mut self, peer: SocketAddr, message: &Message<'_>, call_id: &str) {
        if self.dialogs.contains_key(call_id) {
            return;
        }
        let number =
            message.head.split("sip:").nth(1).and_then(|rest| rest.split('@').next()).unwrap_or_default();
        let repeated: String = ["Via", "From", "Call-ID", "CSeq"]
            .iter()
            .map(|name| format!("{name}: {}\r\n", message.get(name)))
            .collect();
        let dialog = Dialog {
            peer,
            repeated,
            contact: message.get("Contact").trim_matches(['<', '>']).to_owned(),
            from: message.get("From").to_owned(),
            to: format!("{};tag=far", message.get("To")),
            manner: manner(number),
            rang: false,
            last: None,
            is_acknowledged: false,
            media: message.media(),
            packets: 0,
        };
        self.dialogs.insert(call_id.to_owned(), dialog);
        let shown = message.get("From").split("sip:").nth(1).and_then(|rest| rest.split('@').next());
        let call = Call {
            arrived_after: self.empty_at,
            ..Call::new(number, shown.unwrap_or_default(), Instant::now())
        };
        self.ledger.lock().unwrap().begin(call_id, call);
        self.open.insert(call_id.to_owned());
    }

    /// RFC 3261 section 9.2: one that comes after the final response has no effect.
    fn take_cancel(&mut self, peer: SocketAddr, message: &Message<'_>, call_id: &str) {
        let number = |value: &str| value.split(' ').next().unwrap_or_default().to_owned();
        let known = self.dialogs.get(call_id).filter(|dialog| {
            let cseq = dialog.repeated.split("CSeq: ").nth(1).unwrap_or_default();
            number(cseq) == number(message.get("CSeq"))
        });
        let (is_open, is_gone) = match known {
            None => (false, true),
            // Half of the world has forgotten an INVITE whose response was acknowledged.
            Some(dialog) => {
                (dialog.last.is_none(), dialog.is_acknowledged && call_id.len().is_multiple_of(2))
            }
        };
        self.respond(peer, message, if is_gone { 481 } else { 200 });
        if is_open {
            self.finish(call_id, 487);
            self.note(call_id, |call, _| call.by_engine = true);
        }
        self.note(call_id, |call, now| call.cancelled_at = Some(now));
    }

    fn take_bye(&mut self, peer: SocketAddr, message: &Message<'_>, call_id: &str) {
        let is_ours = message.get("To").contains("tag=far");
        let is_up = self.dialogs.contains_key(call_id)
            && self.ledger.lock().unwrap().calls[call_id].ended_at.is_none();
        self.respond(peer, message, if is_ours && is_up { 200 } else { 481 });
        if is_ours && is_up {
            let empty_at = self.empty_at;
            self.note(call_id, |call, now| {
                (call.ended_at, call.ended_after, call.by_engine) = (Some(now), Some(empty_at), true);
            });
        }
    }

    /// What is due by the callees' manners.
    fn go_on(&mut self) {
        let now = Instant::now();
        let ledger = self.ledger.lock().unwrap();
        let dialogs = &self.dialogs;
        let goes_on = |id: &String| {
            let unacknowledged = dialogs.get(id).is_some_and(|dialog| !dialog.is_acknowledged);
            unacknowledged || ledger.calls[id].ended_at.is_none()
        };
        self.open.retain(goes_on);
        let due: Vec<(String, Call)> =
            self.open.iter().map(|id| (id.clone(), ledger.calls[id].clone())).collect();
        drop(ledger);
        for (id, call) in due {
            self.go_on_with(now, &id, &call);
        }
    }

    fn go_on_with(&mut self, now: Instant, id: &str, call: &Call) {
        self.speak(now, id, call);
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        let after = |ms: u64| now >= call.invited_at + Duration::from_millis(ms);
        if let (Some((ms, status)), false, None) = (dialog.manner.rings, dialog.rang, dialog.last)
            && after(ms)
        {
            dialog.rang = true;
            let (response, peer) = (dialog.response(status), dialog.peer);
            self.note(id, |call, now| call.rang_at = Some(now).filter(|_| status > 100));
            let _ = self.socket.send_to(response.as_bytes(), peer);
        }
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        match dialog.last {
            None => {
                if let Some((ms, status)) = dialog.manner.answers
                    && after(ms)
                {
                    self.finish(id, status);
                }
            }
            Some((200, ..))
                if !dialog.is_acknowledged
                    && call.ended_at.is_none()
                    && call.answered_at.is_some_and(|answered| now >= answered + UNACKNOWLEDGED_FOR) =>
            {
                let bye = dialog.bye(id);
                let _ = self.socket.send_to(bye.as_bytes(), dialog.peer);
                self.note(id, |call, now| call.ended_at = Some(now));
            }
            Some((status, at, interval))
                if !dialog.is_acknowledged && now >= at && after(0) && !after(40_000) =>
            {
                dialog.last = Some((status, now + interval, (2 * interval).min(Duration::from_secs(4))));
                let response = dialog.response(status);
                let _ = self.socket.send_to(response.as_bytes(), dialog.peer);
            }
            Some(_) => {
                let leaves = dialog.manner.leaves_ms.is_some_and(after);
                if leaves && call.ended_at.is_none() && dialog.is_acknowledged {
                    let bye = dialog.bye(id);
                    let _ = self.socket.send_to(bye.as_bytes(), dialog.peer);
                    self.note(id, |call, now| call.ended_at = Some(now));
                }
            }
        }
    }

    /// A callee who has answered is heard: silence, in packets that are due by now.
    fn speak(&mut self, now: Instant, id: &str, call: &Call) {
        let Some((answered, dialog)) = call.answered_at.zip(self.dialogs.get_mut(id)) else { return };
        let Some(media) = dialog.media.filter(|_| !call.is_agents() && call.ended_at.is_none()) else {
            return;
        };
        let (ptime, bytes) = PACKET;
        let due = (now - answered).min(HEARD_FOR).as_millis() / ptime.as_millis();
        while u128::from(dialog.packets) < due {
            let mut packet = vec![0xff; 12 + bytes];
            packet[..4].copy_from_slice(&[0x80, 0, (dialog.packets >> 8) as u8, dialog.packets as u8]);
            packet[4..8].copy_from_slice(&(u32::from(dialog.packets) * bytes as u32).to_be_bytes());
            packet[8..12].copy_from_slice(&(call.number.len() as u32).to_be_bytes());
            let _ = self.media.send_to(&packet, media);
            dialog.packets += 1;
        }
    }

    fn finish(&mut self, id: &str, status: u16) {
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        let half = Duration::from_millis(500);
        dialog.last = Some((status, Instant::now() + half, 2 * half));
        let response = dialog.response(status);
        let peer = dialog.peer;
        // The book is closed before the peer can know of it: what it does then comes after.
        self.note(id, |call, now| match status {
            200 => call.answered_at = Some(now),
            _ => call.ended_at = Some(now),
        });
        let _ = self.socket.send_to(response.as_bytes(), peer);
    }

    fn respond(&self, peer: SocketAddr, request: &Message<'_>, status: u16) {
        let mut text = format!("SIP/2.0 {status} Noted\r\n");
        for (name, value) in &request.lines {
            if ["Via", "From", "Call-ID", "CSeq"].contains(name) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        let to = request.get("To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=far" };
        text += &format!("To: {to}{tag}\r\nContent-Length: 0\r\n\r\n");
        let _ = self.socket.send_to(text.as_bytes(), peer);
    }

    fn note(&self, id: &str, write: impl FnOnce(&mut Call, Instant)) {
        if let Some(call) = self.ledger.lock().unwrap().calls.get_mut(id) {
            write(call, Instant::now());
        }
    }
}

impl Dialog {
    fn response(&self, status: u16) -> String {
        let ip = self.here().split(':').next().unwrap_or_default();
        let sdp = match status {
            200 => format!(
                "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {MEDIA_PORT} RTP/AVP 0\r\n"
            ),
            _ => String::new(),
        };
        let to = if status == 100 { self.to.replace(";tag=far", "") } else { self.to.clone() };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let repeated = &self.repeated;
        format!(
            "SIP/2.0 {status} Noted\r\n{repeated}To: {to}\r\nContact: <sip:far@{}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            self.here(),
            sdp.len()
        )
    }

    /// Where the INVITE came to: the To header's host.
    fn here(&self) -> &str {
        let host = self.to.split('@').nth(1).unwrap_or_default();
        host.split(['>', ';']).next().unwrap_or_default()
    }

    fn bye(&self, call_id: &str) -> String {
        let (uri, from, to, here) = (&self.contact, &self.to, &self.from, self.here());
        format!(
            "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKbye{call_id};rport\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        )
    }
}
