//! The resolver and the locator against a small DNS server on loopback that does what its test says.

use super::*;
use crate::sip::endpoint::Transport;
use crate::sip::locate::record::normal;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// So long we would wait ...
const PATIENCE: Duration = Duration::from_secs(60);

/// ... but a server is given up after a few seconds: more of them are a busy machine's.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn naptr_srv_and_addresses_come_over_the_wire_in_their_order() {
    let server = Server::start(Habit::Good).await;
    server.naptr("sip.example", 10, "SIP+D2U", "_sip._udp.sip.example");
    server.naptr("sip.example", 20, "SIP+D2T", "_sip._tcp.sip.example");
    server.srv("_sip._udp.sip.example", 2, 5072, "b.sip.example");
    server.srv("_sip._udp.sip.example", 1, 5071, "a.sip.example");
    server.srv("_sip._tcp.sip.example", 1, 5073, "a.sip.example");
    server.a("a.sip.example", [127, 0, 0, 1]);
    server.a("b.sip.example", [127, 0, 0, 2]);
    let located = server.locate("sip.example").await;
    assert_eq!(words(&located), ["UDP 127.0.0.1:5071", "UDP 127.0.0.2:5072", "TCP 127.0.0.1:5073"]);
    assert_eq!(located.trouble, None);
    assert!(
        located.hops[0].why.starts_with("NAPTR 10 1 _sip._udp.sip.example; SRV 1 1"),
        "{}",
        located.hops[0].why
    );
}

#[tokio::test]
async fn fault_31_servfail_is_a_failure_and_no_answer() {
    let server = Server::start(Habit::Servfail).await;
    server.a("sip.example", [127, 0, 0, 1]);
    for host in ["sip.example:5060", "sip.example"] {
        let located = server.locate(host).await;
        assert!(located.hops.is_empty());
        assert!(located.trouble.unwrap().contains("SERVFAIL"));
        assert_eq!(located.lack, Some(Lack::Unanswered));
    }
}

#[tokio::test]
async fn fault_31_a_slow_server_is_waited_for_and_a_mute_one_is_not() {
    let server = Server::start(Habit::Slow(Duration::from_millis(700))).await;
    server.a("sip.example", [127, 0, 0, 1]);
    assert_eq!(words(&server.locate("sip.example:5060").await), ["UDP 127.0.0.1:5060"]);

    let server = Server::start(Habit::Mute).await;
    let begun = Instant::now();
    let located = server.locate("sip.example:5060").await;
    assert!(located.hops.is_empty());
    assert!(begun.elapsed() < GIVEN_UP_WITHIN, "{:?}", begun.elapsed());
    assert!(located.trouble.unwrap().contains("no answer in time"));
}

#[tokio::test]
async fn fault_31_a_name_that_points_at_itself_inside_the_answer_is_a_failure() {
    let server = Server::start(Habit::PointerLoop).await;
    let begun = Instant::now();
    let located = server.locate("sip.example:5060").await;
    assert!(located.hops.is_empty() && located.trouble.is_some(), "{located:?}");
    assert!(begun.elapsed() < GIVEN_UP_WITHIN, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn fault_31_a_chain_of_aliases_that_leads_in_a_circle_ends() {
    let server = Server::start(Habit::Good).await;
    server.alias("sip.example", "also.sip.example");
    server.alias("also.sip.example", "sip.example");
    let begun = Instant::now();
    let located = server.locate("sip.example:5060").await;
    assert!(located.hops.is_empty(), "{located:?}");
    assert!(begun.elapsed() < GIVEN_UP_WITHIN, "{:?}", begun.elapsed());
    assert!(server.asked() < 100, "{} questions", server.asked());
}

#[tokio::test]
async fn fault_31_an_answer_that_was_cut_short_comes_again_over_tcp() {
    let server = Server::start(Habit::Truncated).await;
    for n in 1..=8 {
        server.a("sip.example", [127, 0, 0, n]);
    }
    let located = server.locate("sip.example:5060").await;
    assert_eq!(located.hops.len(), 8, "{located:?}");
    assert!(server.book.lock().unwrap().over_tcp >= 1);
}

#[tokio::test]
async fn fault_31_a_ttl_of_zero_and_a_change_of_records_are_followed() {
    let server = Server::start(Habit::Good).await;
    server.book.lock().unwrap().ttl = 0;
    server.a("sip.example", [127, 0, 0, 1]);
    assert_eq!(words(&server.locate("sip.example:5060").await), ["UDP 127.0.0.1:5060"]);
    server.book.lock().unwrap().records.clear();
    server.a("sip.example", [127, 0, 0, 2]);
    assert_eq!(
        words(&server.locate("sip.example:5060").await),
        ["UDP 127.0.0.2:5060"],
        "nothing is kept here"
    );
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told_from_a_server_that_fails() {
    let server = Server::start(Habit::Good).await;
    let located = server.locate("nowhere.example").await;
    assert!(located.hops.is_empty() && located.trouble.is_none(), "{located:?}");
    assert_eq!(located.lack, Some(Lack::NoRecord));
}

#[test]
fn a_name_of_the_file_of_hosts_needs_no_dns_and_leads_nowhere_else() {
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf("127.0.0.2 Asterisk pbx # ours\n::1 asterisk\n".as_bytes()).unwrap();
    let said = |name: &str, kind| local(&hosts, &Question::new(name, kind).unwrap());
    for (name, kind) in [
        ("asterisk", Kind::Naptr),
        ("_sip._udp.asterisk", Kind::Srv),
        ("_sips._tcp.pbx", Kind::Srv),
        ("pbx", Kind::Aaaa),
    ] {
        assert_eq!(said(name, kind), Some(Err(Failure::NoData(None))), "{name}");
    }
    let data = |answer: Option<Answer>| answer.unwrap().unwrap().remove(0).data;
    for name in ["asterisk", "ASTERISK", "pbx"] {
        assert_eq!(data(said(name, Kind::A)), Data::A(Ipv4Addr::new(127, 0, 0, 2)), "{name}");
    }
    assert_eq!(data(said("asterisk", Kind::Aaaa)), Data::Aaaa(std::net::Ipv6Addr::LOCALHOST));
    for (name, kind) in [
        ("sip.example", Kind::Naptr),
        ("_sip._udp.sip.example", Kind::Srv),
        ("a.asterisk", Kind::A),
        ("_sip", Kind::Srv),
    ] {
        assert_eq!(said(name, kind), None, "{name} is for the DNS");
    }
}

#[test]
fn servers_are_addresses_with_or_without_a_port() {
    for (text, expected) in [
        ("127.0.0.1", Some("127.0.0.1:53")),
        ("127.0.0.1:5353", Some("127.0.0.1:5353")),
        ("::1", Some("[::1]:53")),
        ("[::1]:5353", Some("[::1]:5353")),
        ("dns.example", None),
    ] {
        assert_eq!(server(text), expected.map(|expected| expected.parse().unwrap()), "{text}");
    }
}

fn words(located: &Located) -> Vec<String> {
    located.hops.iter().map(|hop| format!("{} {}", hop.transport.as_str(), hop.address)).collect()
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Habit {
    Good,
    Servfail,
    Slow(Duration),
    Mute,
    /// The answer's name is a pointer to itself (RFC 1035 section 4.1.4 forbids it).
    PointerLoop,
    /// Over UDP, nothing but the bit that says so.
    Truncated,
}

#[derive(Default)]
struct Book {
    /// Name and type to data as it stands on the wire.
    records: BTreeMap<(String, u16), Vec<Vec<u8>>>,
    ttl: u32,
    asked: usize,
    over_tcp: usize,
}

struct Server {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

impl Server {
    async fn start(habit: Habit) -> Server {
        // The port that is free for UDP may be taken for TCP.
        let (udp, tcp, address) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = udp.local_addr().unwrap();
            if let Ok(tcp) = TcpListener::bind(address).await {
                break (udp, tcp, address);
            }
        };
        let book = Arc::new(Mutex::new(Book { ttl: 60, ..Book::default() }));
        let books = [Arc::clone(&book), Arc::clone(&book)];
        let [for_udp, for_tcp] = books;
        tokio::spawn(async move {
            let mut buffer = [0; 4_096];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
                let answer = for_udp.lock().unwrap().answer(&buffer[..length], habit, false);
                if let Habit::Slow(delay) = habit {
                    tokio::time::sleep(delay).await;
                }
                if let Some(answer) = answer {
                    let _ = udp.send_to(&answer, peer).await;
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let book = Arc::clone(&for_tcp);
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut query = vec![0; usize::from(length)];
                        if stream.read_exact(&mut query).await.is_err() {
                            return;
                        }
                        let answer = book.lock().unwrap().answer(&query, habit, true);
                        let Some(answer) = answer else { continue };
                        let mut framed = (answer.len() as u16).to_be_bytes().to_vec();
                        framed.extend(answer);
                        let _ = stream.write_all(&framed).await;
                    }
                });
            }
        });
        Server { address, book }
    }

    async fn locate(&self, host: &str) -> Located {
        let abilities = Abilities { transports: vec![Transport::Udp, Transport::Tcp], v4: true, v6: false };
        let destinations = [Destination::parse(host, None).unwrap()];
        let servers = [self.address.to_string()];
        let mut all = locate_all(&servers, abilities, &destinations, PATIENCE).await;
        all.remove(0)
    }

    fn asked(&self) -> usize {
        self.book.lock().unwrap().asked
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        self.book.lock().unwrap().records.entry((name.to_owned(), kind)).or_default().push(data);
    }

    fn a(&self, name: &str, ip: [u8; 4]) {
        self.add(name, A, ip.to_vec());
    }

    fn alias(&self, name: &str, target: &str) {
        self.add(name, CNAME, on_the_wire(target));
    }

    fn srv(&self, name: &str, priority: u16, port: u16, target: &str) {
        let mut data: Vec<u8> = [priority, 1, port].iter().flat_map(|number| number.to_be_bytes()).collect();
        data.extend(on_the_wire(target));
        self.add(name, SRV, data);
    }

    fn naptr(&self, name: &str, order: u16, services: &str, replacement: &str) {
        let mut data: Vec<u8> = [order, 1].iter().flat_map(|number| number.to_be_bytes()).collect();
        for text in ["s", services, ""] {
            data.push(text.len() as u8);
            data.extend(text.as_bytes());
        }
        data.extend(on_the_wire(replacement));
        self.add(name, NAPTR, data);
    }
}

impl Book {
    fn answer(&mut self, query: &[u8], habit: Habit, over_tcp: bool) -> Option<Vec<u8>> {
        self.asked += 1;
        self.over_tcp += usize::from(over_tcp);
        let (name, kind, end) = question(query)?;
        let known = self.records.get(&(name.clone(), kind));
        let found = known.cloned().map(|all| (kind, all));
        let alias = self.records.get(&(name.clone(), CNAME)).cloned().map(|all| (CNAME, all));
        let (kind, data) = found.or(alias).unwrap_or_default();
        let truncated = habit == Habit::Truncated && !over_tcp;
        let (flags, data): (u16, _) = match habit {
            Habit::Mute => return None,
            Habit::Servfail => (0x8182, Vec::new()),
            _ if truncated => (0x8380, Vec::new()),
            Habit::PointerLoop => (0x8180, vec![vec![127, 0, 0, 1]]),
            _ if data.is_empty() && !self.records.keys().any(|(known, _)| *known == name) => (0x8183, data),
            _ => (0x8180, data),
        };
        let mut answer = query[..2].to_vec();
        for number in [flags, 1, data.len() as u16, 0, 0] {
            answer.extend(number.to_be_bytes());
        }
        answer.extend(&query[12..end]);
        for one in data {
            let pointer = if habit == Habit::PointerLoop { answer.len() as u16 } else { 12 };
            answer.extend((0xc000 | pointer).to_be_bytes());
            answer.extend(if habit == Habit::PointerLoop { A } else { kind }.to_be_bytes());
            answer.extend(1u16.to_be_bytes());
            answer.extend(self.ttl.to_be_bytes());
            answer.extend((one.len() as u16).to_be_bytes());
            answer.extend(one);
        }
        Some(answer)
    }
}

/// The question of a query, and where it ends.
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8(query.get(at..at + length)?.to_vec()).ok()?);
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    Some((normal(&labels.join("."))?, kind, at + 4))
}

fn on_the_wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
