//! The whole plane over real sockets on loopback.

use super::*;
use crate::audio::g711::Law;
use crate::audio::wav::Clip;
use crate::media::command::{EventKind, PromptId, Session};
use crate::rtp::Ssrc;
use crate::rtp::packet::Packet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

mod flood;
mod injection;

/// An address of this process's own: other programs of the machine may hold any port of 127.0.0.1.
fn own() -> Ipv4Addr {
    let process = std::process::id();
    Ipv4Addr::new(127, 128 + (process >> 8 & 0x3f) as u8, process as u8, 1)
}

/// Ports below those that systems give out by themselves.
fn options(threads: usize, port_min: u16) -> Options {
    Options {
        addresses: vec![MediaAddress::at(own().into())],
        port_min,
        port_max: port_min + 39,
        threads,
        streams_max: 8,
        jitter: Duration::from_millis(40),
        jitter_agents: Duration::from_millis(40).into(),
        media_timeout: Duration::from_secs(30),
        amd: detector::Options::default(),
    }
}

/// The next event that `wanted` finds something in; others are passed over.
fn wait<T>(events: &mut mpsc::Receiver<Event>, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = events.blocking_recv().expect("the plane runs");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

fn open(
    plane: &MediaPlane,
    events: &mut mpsc::Receiver<Event>,
    number: u64,
    partner: Option<StreamKey>,
) -> (StreamKey, SocketAddr) {
    let stream = StreamKey::from_u64(number);
    plane.send(Command::Open { stream, partner });
    let local = wait(events, |event| match &event.kind {
        EventKind::Opened { local } if event.stream == stream => Some(*local),
        EventKind::OpenFailed { reason } => panic!("{reason}"),
        _ => None,
    });
    (stream, local)
}

fn session(remote: SocketAddr) -> Session {
    Session { telephone_event: None, ..Session::plain(remote, Law::Mu) }
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind((own(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

#[test]
fn a_prompt_reaches_the_peer_and_the_peer_is_heard() {
    let clip = Clip { samples: vec![9_000; 1_600] };
    let epoch = std::time::Instant::now();
    let (plane, mut events) =
        MediaPlane::start(options(2, 22_100), Arc::new(PromptTable::new(vec![clip])), epoch).unwrap();
    let (stream, local) = open(&plane, &mut events, 0, None);
    assert_eq!((local.ip(), local.port() % 2), (IpAddr::V4(own()), 0));
    let peer = peer();
    plane.send(Command::Play { stream, prompt: PromptId(0), repeat: false });
    plane.send(Command::Connect { stream, session: session(peer.local_addr().unwrap()) });
    let mut buffer = [0; 2_048];
    let mut loud = 0;
    while loud < 10 {
        let (length, source) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(source, local);
        let packet = Packet::parse(&buffer[..length]).unwrap();
        loud += usize::from(packet.payload[80] != Law::Mu.silence());
        let payload = [0x10; 160];
        let timestamp = packet.timestamp;
        let answer = Packet { payload: &payload, timestamp, ssrc: Ssrc(5), ..packet };
        let length = answer.write(&mut buffer);
        peer.send_to(&buffer[..length], local).unwrap();
    }
    wait(&mut events, |event| (event.kind == EventKind::Played(PromptId(0))).then_some(()));
    plane.send(Command::Close { stream });
    let statistics = wait(&mut events, |event| match event.kind {
        EventKind::Closed(statistics) => Some(statistics),
        _ => None,
    });
    assert!(statistics.packets_sent >= 10 && statistics.packets_received >= 1, "{statistics:?}");
    assert_eq!(statistics.packets_refused, 0);
    plane.stop();
    UdpSocket::bind(local).expect("the port was given back");
}

#[test]
fn partners_share_a_thread_and_strangers_spread() {
    let (plane, mut events) =
        MediaPlane::start(options(2, 22_200), Arc::default(), std::time::Instant::now()).unwrap();
    let (first, _) = open(&plane, &mut events, 0, None);
    let (partner, _) = open(&plane, &mut events, 1, Some(first));
    let (stranger, _) = open(&plane, &mut events, 2, None);
    assert_eq!(plane.thread_of(first), plane.thread_of(partner));
    assert_ne!(plane.thread_of(first), plane.thread_of(stranger));
    assert_eq!(plane.thread_of(StreamKey::from_u64(1 << 32)), None);
    plane.stop();
}

#[test]
fn used_ports_are_passed_over_and_a_full_range_is_told() {
    let options = Options { port_max: 22_305, ..options(1, 22_301) };
    let _taken = UdpSocket::bind((own(), 22_303)).unwrap();
    let (plane, mut events) = MediaPlane::start(options, Arc::default(), std::time::Instant::now()).unwrap();
    let (_, local) = open(&plane, &mut events, 0, None);
    assert_eq!(local.port(), 22_304);
    let stream = StreamKey::from_u64(1);
    plane.send(Command::Open { stream, partner: None });
    let reason = wait(&mut events, |event| match &event.kind {
        EventKind::OpenFailed { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains(&format!("every pair of {} ports 22302 to 22305 is in use", own())), "{reason}");
    plane.stop();
}

#[test]
fn a_range_without_a_pair_and_a_foreign_address_are_told_at_the_start() {
    let start = |options| {
        MediaPlane::start(options, Arc::default(), std::time::Instant::now())
            .expect_err("it cannot start")
            .to_string()
    };
    let narrow = start(Options { port_max: 22_401, ..options(1, 22_401) });
    assert!(narrow.contains("no pair of ports"), "{narrow}");
    let addresses = vec![MediaAddress::at("203.0.113.77".parse().unwrap())];
    let foreign = start(Options { addresses, ..options(1, 22_400) });
    assert!(foreign.contains("203.0.113.77"), "{foreign}");
}

#[test]
fn a_stream_with_ports_of_both_families_uses_those_of_its_peer() {
    let Ok(v6) = UdpSocket::bind("[::1]:0") else {
        eprintln!("not run: this machine has no IPv6");
        return;
    };
    v6.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let addresses = ["0.0.0.0", "::"].map(|listen| {
        let listen: IpAddr = listen.parse().unwrap();
        let offered = if listen.is_ipv4() { own().into() } else { Ipv6Addr::LOCALHOST.into() };
        MediaAddress { listen, offered, is_wildcard: true }
    });
    let options = Options { addresses: addresses.into(), ..options(1, 22_960) };
    let (plane, mut events) = MediaPlane::start(options, Arc::default(), std::time::Instant::now()).unwrap();
    let (stream, local) = open(&plane, &mut events, 0, None);
    assert_eq!(local.ip(), IpAddr::V4(own()), "the first");
    // An INVITE that failed at one hop goes on to one of the other family, and comes back.
    for peer in [v6.try_clone().unwrap(), peer(), v6] {
        plane.send(Command::Connect { stream, session: session(peer.local_addr().unwrap()) });
        let (length, source) = peer.recv_from(&mut [0; 2_048]).unwrap();
        assert!(length > 12 && source.port() == local.port(), "{source}");
    }
    plane.send(Command::Close { stream });
    wait(&mut events, |event| matches!(event.kind, EventKind::Closed(_)).then_some(()));
    plane.stop();
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, local.port())).expect("both ports were given back");
}

#[test]
fn a_peer_that_another_address_of_ours_leads_to_is_heard_at_the_one_that_sdp_has_named() {
    let wildcard = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let addresses = vec![MediaAddress { listen: wildcard, offered: own().into(), is_wildcard: true }];
    let options = Options { addresses, ..options(1, 22_920) };
    let (plane, mut events) = MediaPlane::start(options, Arc::default(), std::time::Instant::now()).unwrap();
    let (stream, local) = open(&plane, &mut events, 0, None);
    let peer = peer();
    let session = Session { local: Some(local.ip()), ..session(peer.local_addr().unwrap()) };
    plane.send(Command::Connect { stream, session });
    let mut buffer = [0; 2_048];
    // The first proves the peer, after which the socket would be connected; we send to it in each of our turns.
    for number in 0..20 {
        let (_, source) = peer.recv_from(&mut buffer).unwrap();
        assert_ne!(source.ip(), local.ip(), "the routing table leads there from another address");
        let (payload, timestamp) = ([0x10; 160], u32::from(number) * 160);
        let packet = Packet {
            marker: false,
            payload_type: 0,
            sequence: number,
            timestamp,
            ssrc: Ssrc(5),
            payload: &payload,
        };
        let length = packet.write(&mut buffer);
        peer.send_to(&buffer[..length], local).unwrap();
    }
    for _ in 0..3 {
        peer.recv_from(&mut buffer).unwrap();
    }
    plane.send(Command::Close { stream });
    let statistics = wait(&mut events, |event| match event.kind {
        EventKind::Closed(statistics) => Some(statistics),
        _ => None,
    });
    assert_eq!(statistics.packets_received, 20, "{statistics:?}");
    plane.stop();
}
