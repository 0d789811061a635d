//! How many streams a core carries: the media plane with detectors on, over real UDP sockets on loopback.
//!
//! `cargo bench --bench media [-- STREAMS...]`. A thread of this process plays all peers: each sends speech-like sound
//! every 20 ms and swallows what it gets. Only the CPU time of the media thread counts (from `/proc`), so the peers cost
//! the measured figure nothing but contention. Streams per core is the streams divided by that thread's share of a core.
//! The figure includes a stream's sockets, jitter buffer, detector, and a prompt that plays; a bridge is two streams.

use outdial::amd::detector;
use outdial::audio::FRAME;
use outdial::audio::g711::{Law, encode};
use outdial::audio::tone::Tone;
use outdial::audio::wav::Clip;
use outdial::engine::engine::MediaAddress;
use outdial::io::media::{MediaPlane, Options};
use outdial::media::command::{Command, Event, EventKind, PromptId, Session, StreamKey};
use outdial::media::player::PromptTable;
use outdial::rtp::Ssrc;
use outdial::rtp::packet::Packet;
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECONDS: u64 = 10;
/// Ticks of `/proc` a second: fixed at 100 for programs on Linux.
const TICKS: f64 = 100.0;

fn main() {
    let mut counts: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![250, 500, 1_000];
    }
    println!("streams  detectors  core share  streams per core  sent of due  heard of sent");
    for count in counts {
        for detectors in [true, false] {
            measure(count, detectors);
        }
    }
}

fn measure(count: usize, detectors: bool) {
    let options = Options {
        addresses: vec![MediaAddress::at(LOCALHOST)],
        port_min: 20_000,
        port_max: 32_000,
        threads: 1,
        streams_max: count,
        jitter: Duration::from_millis(40),
        jitter_agents: Duration::from_millis(40).into(),
        media_timeout: Duration::from_secs(30),
        amd: detector::Options::default(),
    };
    let prompt = Clip { samples: Tone::sine(440.0, -20.0).samples(Duration::from_secs(2)) };
    let prompts = Arc::new(PromptTable::new(vec![prompt]));
    let (plane, mut events) = MediaPlane::start(options, prompts, Instant::now()).expect("the plane starts");
    let streams: Vec<StreamKey> = (0..count as u64).map(StreamKey::from_u64).collect();
    let peers: Vec<UdpSocket> =
        streams.iter().map(|stream| connect(&plane, &mut events, *stream, detectors)).collect();

    let running = Arc::new(AtomicBool::new(true));
    let watching = Arc::clone(&running);
    let peers =
        std::thread::Builder::new().name("peers".into()).spawn(move || run(&peers, &watching)).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let (before, began) = (cpu_seconds(), Instant::now());
    while began.elapsed() < Duration::from_secs(SECONDS) {
        while events.try_recv().is_ok() {}
        std::thread::sleep(Duration::from_millis(10));
    }
    let share = (cpu_seconds() - before) / began.elapsed().as_secs_f64();
    let lived = began.elapsed() + Duration::from_secs(2);
    let totals = close(&plane, &mut events, &streams);
    running.store(false, Ordering::Relaxed);
    let peers_sent = peers.join().expect("the peers ran");
    plane.stop();

    let due = count as f64 * lived.as_secs_f64() / FRAME.as_secs_f64();
    println!(
        "{count:>7}  {:>9}  {:>9.1}%  {:>16.0}  {:>10.1}%  {:>12.1}%",
        if detectors { "on" } else { "off" },
        100.0 * share,
        count as f64 / share,
        100.0 * totals.0 as f64 / due,
        100.0 * totals.1 as f64 / peers_sent as f64,
    );
}

fn connect(
    plane: &MediaPlane,
    events: &mut mpsc::Receiver<Event>,
    stream: StreamKey,
    detectors: bool,
) -> UdpSocket {
    plane.send(Command::Open { stream, partner: None });
    let local = loop {
        match events.blocking_recv().expect("the plane runs").kind {
            EventKind::Opened { local } => break local,
            EventKind::OpenFailed { reason } => panic!("{reason}"),
            _ => {}
        }
    };
    let socket = UdpSocket::bind(SocketAddr::new(LOCALHOST, 0)).expect("a port for the peer");
    socket.set_nonblocking(true).expect("a socket can be made so");
    socket.connect(local).expect("loopback is there");
    let remote = socket.local_addr().expect("it is bound");
    let remote_rtcp = SocketAddr::new(LOCALHOST, 9);
    let session = Session { remote_rtcp, ..Session::plain(remote, Law::Mu) };
    plane.send(Command::Connect { stream, session });
    plane.send(Command::Play { stream, prompt: PromptId(0), repeat: true });
    if detectors {
        plane.send(Command::Detect { stream });
    }
    socket
}

/// All peers: words of half a second with pauses of a quarter, spread over the 20 ms. Tells how many packets were sent.
fn run(peers: &[UdpSocket], running: &AtomicBool) -> u64 {
    let voice = Tone::sine(180.0, -18.0).with(720.0, -22.0).with(1_900.0, -30.0);
    let sound: Vec<u8> = (0..8_000 * 3 / 4)
        .map(|index| if index < 4_000 { encode(Law::Mu, voice.sample(index)) } else { Law::Mu.silence() })
        .collect();
    let mut buffer = [0; 2_048];
    let (began, mut sent, mut slot) = (Instant::now(), 0u64, 0u32);
    while running.load(Ordering::Relaxed) {
        let due = began + Duration::from_millis(5) * slot;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let frame = slot / 4;
        for peer in peers.iter().skip(slot as usize % 4).step_by(4) {
            while peer.recv(&mut buffer).is_ok() {}
            let place = frame as usize * 160 % sound.len();
            let packet = Packet {
                marker: false,
                payload_type: 0,
                sequence: frame as u16,
                timestamp: frame * 160,
                ssrc: Ssrc(1),
                payload: &sound[place..(place + 160).min(sound.len())],
            };
            let length = packet.write(&mut buffer);
            sent += u64::from(peer.send(&buffer[..length]).is_ok());
        }
        slot += 1;
    }
    sent
}

/// Closes all; tells the packets sent and received.
fn close(plane: &MediaPlane, events: &mut mpsc::Receiver<Event>, streams: &[StreamKey]) -> (u64, u64) {
    streams.iter().for_each(|stream| plane.send(Command::Close { stream: *stream }));
    let mut closed = BTreeMap::new();
    while closed.len() < streams.len() {
        let event = events.blocking_recv().expect("the plane runs");
        if let EventKind::Closed(statistics) = event.kind {
            closed.insert(event.stream, statistics);
        }
    }
    closed.values().fold((0, 0), |(sent, received), statistics| {
        (sent + statistics.packets_sent, received + statistics.packets_received)
    })
}

/// The CPU time of the media threads: user and system time of the tasks that bear their name.
fn cpu_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("this bench needs Linux");
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let ticks: u64 = stats
        .filter(|stat| stat.contains("(media-"))
        .filter_map(|stat| {
            // Behind the name in brackets: state is field 3, user and system time are 14 and 15 (proc(5)).
            let rest = stat.rsplit_once(')')?.1;
            let mut fields = rest.split_whitespace().skip(11);
            Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
        })
        .sum();
    ticks as f64 / TICKS
}
