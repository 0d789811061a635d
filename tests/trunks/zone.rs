//! A DNS server on loopback whose records and manners a test changes while it runs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

const A: u16 = 1;
const SRV: u16 = 33;

/// How the server behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Manner {
    /// It answers.
    #[default]
    Good,
    /// It says SERVFAIL.
    Fails,
    /// It says nothing.
    Mute,
}

#[derive(Default)]
struct State {
    records: BTreeMap<(String, u16), Vec<Vec<u8>>>,
    manner: Manner,
}

/// The server; it ends with the test program.
pub struct Zone {
    /// As `[sip] dns` names it.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Zone {
    /// Starts it, without records.
    pub fn start() -> Zone {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let answer = shared.lock().unwrap().answer(&buffer[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Zone { address, state }
    }

    /// From now on it behaves so.
    pub fn be(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// Forgets all records and has these: servers of `gw.example` over UDP in their order, each with a name of its own.
    pub fn servers(&self, servers: &[SocketAddr]) {
        let mut state = self.state.lock().unwrap();
        state.records.clear();
        for (place, server) in servers.iter().enumerate() {
            let SocketAddr::V4(server) = server else { panic!("the test's servers have IPv4 addresses") };
            let name = format!("s{place}.gw.example");
            let mut data: Vec<u8> =
                [place as u16, 1, server.port()].iter().flat_map(|n| n.to_be_bytes()).collect();
            data.extend(on_the_wire(&name));
            state.records.entry(("_sip._udp.gw.example".to_owned(), SRV)).or_default().push(data);
            state.records.entry((name, A)).or_default().push(server.ip().octets().to_vec());
        }
    }
}

impl State {
    /// Every record has a TTL of 0.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, kind, end) = question(query)?;
        let found = self.records.get(&(name.clone(), kind)).cloned().unwrap_or_default();
        let known = self.records.keys().any(|(known, _)| *known == name);
        let (flags, data): (u16, _) = match self.manner {
            Manner::Mute => return None,
            Manner::Fails => (0x8182, Vec::new()),
            Manner::Good if known => (0x8180, found),
            Manner::Good => (0x8183, Vec::new()),
        };
        let mut answer = query[..2].to_vec();
        for number in [flags, 1, data.len() as u16, 0, 0] {
            answer.extend(number.to_be_bytes());
        }
        answer.extend(&query[12..end]);
        for one in data {
            for number in [0xc00c, kind, 1, 0, 0, one.len() as u16] {
                answer.extend(number.to_be_bytes());
            }
            answer.extend(one);
        }
        Some(answer)
    }
}

fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8(query.get(at..at + length)?.to_ascii_lowercase()).ok()?);
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

fn on_the_wire(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        name.split('.').flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes())).collect();
    bytes.push(0);
    bytes
}
