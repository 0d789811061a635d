//! A flood at the port of one call (`OUTDIAL_FLOOD_S=20` makes it as long as an attacker's, and holds the clock to it too).

use super::*;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Calls that are not flooded.
const OTHERS: u64 = 8;

/// Packets a second at the one that is.
const FLOOD: u64 = 20_000;

/// Without being asked for more.
const SECONDS: u64 = 1;

/// So many turns read all that a call's socket can hold: one packet each, and eight every eighth.
const TURNS: u32 = 60;

/// In the environment of the process that the flood has for itself.
const ALONE: &str = "OUTDIAL_FLOOD_ALONE";

/// Runs the test once more in a process of its own: it looks at the memory of the whole process, and other
/// tests beside it take some too.
fn run_alone() {
    const NAME: &str = "io::media::tests::flood::fault_30_a_flood_at_one_media_port_touches_no_other_call";
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    let output = test.args(["--exact", NAME, "--nocapture"]).env(ALONE, "yes").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Resident memory in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A packet of a source of its own.
fn packet(sequence: u16, ssrc: u32) -> [u8; 172] {
    let mut bytes = [0; 172];
    let payload = &[0xff; 160];
    let timestamp = u32::from(sequence) * 160;
    Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc: Ssrc(ssrc), payload }
        .write(&mut bytes);
    bytes
}

/// Strangers and the peer's own address by turns, until told to stop.
fn flood(local: SocketAddr, peer: UdpSocket, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    let stranger = UdpSocket::bind((own(), 0)).unwrap();
    std::thread::spawn(move || {
        let (began, mut sent) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            let due = began.elapsed().as_millis() as u64 * FLOOD / 1_000;
            for number in sent..due {
                let socket = if number % 2 == 0 { &stranger } else { &peer };
                let _ = socket.send_to(&packet(number as u16, 99), local);
            }
            sent = due;
            std::thread::sleep(Duration::from_millis(1));
        }
        sent
    })
}

#[test]
fn fault_30_a_flood_at_one_media_port_touches_no_other_call() {
    if std::env::var_os(ALONE).is_none() {
        return run_alone();
    }
    let asked = std::env::var("OUTDIAL_FLOOD_S").ok().and_then(|text| text.parse().ok());
    let seconds = asked.unwrap_or(SECONDS);
    let options = Options { streams_max: 16, ..options(1, 22_500) };
    let (plane, mut events) = MediaPlane::start(options, Arc::default(), Instant::now()).unwrap();
    let legs: Vec<(StreamKey, SocketAddr, UdpSocket)> = (0..=OTHERS)
        .map(|number| {
            let (stream, local) = open(&plane, &mut events, number, None);
            let peer = peer();
            peer.set_nonblocking(true).unwrap();
            plane.send(Command::Connect { stream, session: session(peer.local_addr().unwrap()) });
            (stream, local, peer)
        })
        .collect();
    let before = resident();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = flood(legs[0].1, legs[0].2.try_clone().unwrap(), Arc::clone(&stop));

    let mut between = Vec::new();
    let mut last = vec![None; legs.len()];
    let mut sent = 0u16;
    let (began, mut buffer) = (Instant::now(), [0; 2_048]);
    while began.elapsed() < Duration::from_secs(seconds) {
        if began.elapsed() >= Duration::from_millis(20) * u32::from(sent) {
            for (_, local, peer) in &legs {
                peer.send_to(&packet(sent, 1), local).unwrap();
            }
            sent += 1;
        }
        for (place, (_, _, peer)) in legs.iter().enumerate() {
            while peer.recv(&mut buffer).is_ok() {
                let now = Instant::now();
                if let Some(before) = last[place].replace(now).filter(|_| place > 0) {
                    between.push(now - before);
                }
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    stop.store(true, Ordering::Relaxed);
    let flooded_with = flooding.join().unwrap();
    let grown = resident() - before;

    // What was sent last is read within so many turns, whenever the thread comes to them: each of them sends
    // a packet, too.
    legs.iter().for_each(|(_, _, peer)| while peer.recv(&mut buffer).is_ok() {});
    let (deadline, mut turns) = (Instant::now() + Duration::from_secs(30), vec![0; legs.len()]);
    while turns.iter().any(|turns| *turns < TURNS) {
        assert!(Instant::now() < deadline, "the plane has stopped: {turns:?}");
        for (turns, (_, _, peer)) in turns.iter_mut().zip(&legs) {
            while peer.recv(&mut buffer).is_ok() {
                *turns += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let lasted = began.elapsed() + Duration::from_secs(1);
    legs.iter().for_each(|(stream, ..)| plane.send(Command::Close { stream: *stream }));
    for _ in &legs {
        let (stream, statistics) = wait(&mut events, |event| match event.kind {
            EventKind::Closed(statistics) => Some((event.stream, statistics)),
            _ => None,
        });
        let taken = statistics.packets_received + statistics.packets_refused;
        if stream == legs[0].0 {
            // Four and a half datagrams in 20 ms, whatever comes.
            let most = lasted.as_millis() as u64 / 20 * 5;
            assert!(taken <= most, "{taken} of {flooded_with} were read in {lasted:?}");
        } else {
            assert_eq!((taken, statistics.packets_lost), (u64::from(sent), 0));
        }
    }
    plane.stop();
    assert!(flooded_with >= FLOOD * seconds / 4, "only {flooded_with} packets came");
    assert!(grown <= 50 * 1_024, "memory grew by {grown} KiB");
    between.sort();
    let [p99, longest] = [between[between.len() * 99 / 100], between[between.len() - 1]];
    println!(
        "{flooded_with} packets; between two of the others p99 {p99:?}, at most {longest:?}; {grown} KiB"
    );
    // On a machine that does other work the clock proves nothing about us, unless that is what was asked for.
    assert!(asked.is_none() || p99 < Duration::from_millis(25), "p99 {p99:?}");
}
