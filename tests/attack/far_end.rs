//! A trunk that answers every call at once, on sockets of its own: it says silence, notes when each packet of the other side
//! arrives, and speaks just enough SIP.

use outdial::io::priority;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When the packets of each call came.
type Arrivals = Arc<Mutex<Vec<Vec<Instant>>>>;

pub struct FarEnd {
    address: SocketAddr,
    arrivals: Arrivals,
    invites: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FarEnd {
    pub fn start(ip: IpAddr) -> FarEnd {
        // Of IPv6's loopback there is one address only, and others may have its usual port.
        let socket = UdpSocket::bind((ip, if ip.is_ipv6() { 0 } else { 5060 })).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let (arrivals, invites) = (Arrivals::default(), Arc::default());
        let stop = Arc::new(AtomicBool::new(false));
        let state = (Arc::clone(&arrivals), Arc::clone(&invites), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&socket, &state.0, &state.1, &state.2));
        FarEnd { address, arrivals, invites, stop, thread: Some(thread) }
    }

    /// Where its SIP is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The INVITEs that came, without copies.
    pub fn invites(&self) -> Vec<String> {
        self.invites.lock().unwrap().clone()
    }

    /// How many calls are heard.
    pub fn calls_with_sound(&self) -> usize {
        self.arrivals.lock().unwrap().iter().filter(|times| times.len() > 10).count()
    }

    /// The gaps between packets within a span of time, over all calls, in order of their length.
    pub fn gaps(&self, from: Instant, to: Instant) -> Vec<Duration> {
        let arrivals = self.arrivals.lock().unwrap();
        let mut gaps = Vec::new();
        for times in arrivals.iter() {
            let within: Vec<_> = times.iter().filter(|at| (from..to).contains(*at)).collect();
            gaps.extend(within.windows(2).map(|pair| *pair[1] - *pair[0]));
        }
        gaps.sort();
        gaps
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The value of a header, as it stands.
pub fn header<'m>(message: &'m str, name: &str) -> &'m str {
    let found = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name} in {message}")).trim()
}

fn serve(socket: &UdpSocket, arrivals: &Arrivals, invites: &Arc<Mutex<Vec<String>>>, stop: &Arc<AtomicBool>) {
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let method = text.split(' ').next().unwrap_or_default();
        if method == "ACK" || !text.contains(" SIP/2.0") {
            continue;
        }
        let mut body = String::new();
        if method == "INVITE" {
            let copy = invites
                .lock()
                .unwrap()
                .iter()
                .any(|known| header(known, "Call-ID") == header(&text, "Call-ID"));
            if copy {
                continue;
            }
            body = answer(socket.local_addr().unwrap().ip(), &text, arrivals, stop);
            invites.lock().unwrap().push(text.clone());
        }
        let copied = |name: &str| format!("{name}: {}\r\n", header(&text, name));
        let to = header(&text, "To");
        let tag = if to.contains("tag=") { "" } else { ";tag=far" };
        let response = format!(
            "SIP/2.0 200 OK\r\n{}{}To: {to}{tag}\r\n{}{}Contact: <sip:far@{}>\r\n{}Content-Length: {}\r\n\r\n{body}",
            copied("Via"),
            copied("From"),
            copied("Call-ID"),
            copied("CSeq"),
            socket.local_addr().unwrap(),
            if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" },
            body.len(),
        );
        let _ = socket.send_to(response.as_bytes(), source);
    }
}

/// Opens a stream of sound and describes it.
fn answer(ip: IpAddr, invite: &str, arrivals: &Arrivals, stop: &Arc<AtomicBool>) -> String {
    let media = UdpSocket::bind((ip, 0)).unwrap();
    let local = media.local_addr().unwrap();
    let value = |prefix: &str| {
        invite
            .lines()
            .find_map(|line| line.strip_prefix(prefix))
            .unwrap_or_else(|| panic!("no {prefix} in {invite}"))
    };
    let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
    let host = value(&format!("c=IN {family} "));
    let port = value("m=audio ").split(' ').next().unwrap();
    let peer = SocketAddr::new(host.trim().parse().unwrap(), port.parse().unwrap());
    let place = {
        let mut arrivals = arrivals.lock().unwrap();
        arrivals.push(Vec::new());
        arrivals.len() - 1
    };
    let sender = media.try_clone().unwrap();
    let ended = Arc::clone(stop);
    std::thread::spawn(move || say_silence(&sender, peer, &ended));
    let (arrivals, ended) = (Arc::clone(arrivals), Arc::clone(stop));
    std::thread::spawn(move || {
        // What is measured is the other side, not how long this thread waits for its turn.
        priority::raise(priority::MEDIA);
        media.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut buffer = [0; 2_048];
        while !ended.load(Ordering::Relaxed) {
            if media.recv_from(&mut buffer).is_ok() {
                let at = Instant::now();
                arrivals.lock().unwrap()[place].push(at);
            }
        }
    });
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n",
        local.port()
    )
}

fn say_silence(socket: &UdpSocket, peer: SocketAddr, stop: &AtomicBool) {
    let mut packet = [0xff; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[8..12].copy_from_slice(&u32::from(socket.local_addr().unwrap().port()).to_be_bytes());
    let start = Instant::now();
    for number in 0u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(number * 160).to_be_bytes());
        let _ = socket.send_to(&packet, peer);
        let next = start + Duration::from_millis(20) * (number + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
