//! Packets of strangers at real sockets: nothing of theirs is heard, and nothing is sent to them.

use super::*;
use crate::audio::g711;
use crate::audio::wav;
use crate::media::command::Statistics;
use std::time::Instant;

/// Stays in the recording: what the peer says is this loud, and what strangers say is louder.
const PEER: i16 = 4_000;
const FOREIGN: i16 = 20_000;

fn stranger() -> UdpSocket {
    let [first, second, third, _] = own().octets();
    let socket = UdpSocket::bind((Ipv4Addr::new(first, second, third, 9), 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// A sender of one stream, wherever it sends from.
struct Voice {
    ssrc: Ssrc,
    number: u16,
    level: i16,
}

impl Voice {
    fn say(&mut self, from: &UdpSocket, to: SocketAddr) {
        let payload = [g711::encode(Law::Mu, self.level); 160];
        let (sequence, timestamp) = (self.number, u32::from(self.number) * 160);
        self.number = self.number.wrapping_add(1);
        let packet = Packet {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp,
            ssrc: self.ssrc,
            payload: &payload,
        };
        let mut buffer = [0; 200];
        let length = packet.write(&mut buffer);
        from.send_to(&buffer[..length], to).unwrap();
    }
}

/// Packets that have come to a socket since it was last asked.
fn received(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 2_048];
    socket.set_nonblocking(true).unwrap();
    std::iter::from_fn(|| socket.recv_from(&mut buffer).ok()).count()
}

/// Waits until so many packets more have come to a socket: our side sends one in each of its turns, and reads
/// what lies there.
fn receives(socket: &UdpSocket, at_least: usize) {
    let (deadline, mut count) = (Instant::now() + Duration::from_secs(30), 0);
    while count < at_least {
        assert!(Instant::now() < deadline, "{count} packets came, not {at_least}");
        count += received(socket);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn fault_27_strangers_are_neither_heard_nor_sent_to_at_any_time_of_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    let (plane, mut events) = MediaPlane::start(options(1, 22_600), Arc::default(), Instant::now()).unwrap();
    let (stream, local) = open(&plane, &mut events, 0, None);
    let (peer, moved, injector) = (peer(), peer(), stranger());
    let mut voice = Voice { ssrc: Ssrc(5), number: 1_000, level: PEER };
    let mut foreign = Voice { ssrc: Ssrc(5), number: 1_000, level: FOREIGN };
    // Before there is a session: what waits in the socket then must not be heard either.
    (0..20).for_each(|_| foreign.say(&injector, local));
    plane.send(Command::Connect { stream, session: session(peer.local_addr().unwrap()) });
    plane.send(Command::Record { stream, path: path.clone() });
    let at = |frames: u32, mut what: Box<dyn FnMut() + '_>| {
        for _ in 0..frames {
            what();
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // Before the peer speaks, with everything that it could be known by but its address.
    at(10, Box::new(|| foreign.say(&injector, local)));
    // While it speaks, numbers ahead of its own.
    at(
        20,
        Box::new(|| {
            voice.say(&peer, local);
            foreign.number = voice.number;
            foreign.say(&injector, local);
        }),
    );
    wait(&mut events, |event| (event.kind == EventKind::FirstReceived).then_some(()));
    // We send to the peer.
    receives(&peer, 25);
    // While it is silent, for longer than it takes until its own stream may go on from elsewhere.
    at(115, Box::new(|| foreign.say(&injector, local)));
    receives(&peer, 100);
    // And it does, from another port of its host.
    at(
        15,
        Box::new(|| {
            voice.say(&moved, local);
            foreign.number = voice.number;
            foreign.say(&injector, local);
        }),
    );
    // The stream that moved is followed; and so many turns later all that it said has been read.
    receives(&moved, 25);
    assert_eq!(received(&injector), 0, "nothing was ever sent to the stranger");
    plane.send(Command::Close { stream });
    let statistics = wait(&mut events, |event| match event.kind {
        EventKind::Closed(statistics) => Some(statistics),
        _ => None,
    });
    plane.stop();
    assert!((30..=35).contains(&statistics.packets_received), "{statistics:?}");
    let clip = wav::read(&std::fs::read(&path).unwrap()).unwrap();
    let loudest = clip.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    // Both channels are mixed to one here; ours is silent.
    assert!(loudest > 1_000 && loudest < 6_000, "the loudest recorded sample is {loudest}");
}

#[test]
fn fault_27_strangers_at_the_port_of_reports_do_not_hold_the_peers_up() {
    const STRANGERS: u64 = 150;
    let (plane, mut events) =
        MediaPlane::start(options(1, 22_700), Arc::default(), std::time::Instant::now()).unwrap();
    let (stream, local) = open(&plane, &mut events, 0, None);
    let peer = peer();
    plane.send(Command::Connect { stream, session: session(peer.local_addr().unwrap()) });
    let stranger = stranger();
    for _ in 0..STRANGERS {
        stranger.send_to(b"no report", (local.ip(), local.port() + 1)).unwrap();
    }
    // The slots of so many packets would not do to read them one by one.
    for _ in 0..25 {
        peer.recv_from(&mut [0; 2_048]).unwrap();
    }
    plane.send(Command::Close { stream });
    let statistics = wait(&mut events, |event| match event.kind {
        EventKind::Closed(statistics) => Some(statistics),
        _ => None,
    });
    assert_eq!(statistics.packets_refused, STRANGERS);
    plane.stop();
}

/// Streams that were closed, with what was told of them last.
fn closed(plane: &MediaPlane, events: &mut mpsc::Receiver<Event>, stream: StreamKey) -> Statistics {
    plane.send(Command::Close { stream });
    wait(events, |event| match event.kind {
        EventKind::Closed(statistics) if event.stream == stream => Some(statistics),
        _ => None,
    })
}

#[test]
fn fault_27_whom_the_port_was_of_before_is_neither_heard_in_the_next_call_nor_sent_to() {
    // A range of one pair, on whichever thread.
    let options = Options { port_max: 22_801, ..options(2, 22_800) };
    let (plane, mut events) = MediaPlane::start(options, Arc::default(), Instant::now()).unwrap();
    let (former, peer) = (peer(), peer());
    let mut before = Voice { ssrc: Ssrc(5), number: 0, level: FOREIGN };
    let mut voice = Voice { ssrc: Ssrc(6), number: 0, level: PEER };
    for number in 0..2 {
        let (stream, local) = open(&plane, &mut events, number, None);
        assert_eq!(local.port(), 22_800);
        // The second call's names another address of the same host, and speaks only after a while.
        let named = if number == 0 { &former } else { &peer };
        plane.send(Command::Connect { stream, session: session(named.local_addr().unwrap()) });
        for _ in 0..25 {
            // What comes before the session is nobody's.
            receives(named, 1);
            before.say(&former, local);
        }
        (number == 1).then(|| voice.say(&peer, local));
        wait(&mut events, |event| (event.kind == EventKind::FirstReceived).then_some(()));
        received(&former);
        receives(named, 25);
        assert_eq!(received(&former), 0);
        let statistics = closed(&plane, &mut events, stream);
        assert_eq!(statistics.packets_received, if number == 0 { 25 } else { 1 }, "{statistics:?}");
    }
    plane.stop();
}

#[test]
fn a_flood_of_another_port_of_the_peers_host_does_not_hold_up_a_peer_that_was_found_elsewhere() {
    let (plane, mut events) = MediaPlane::start(options(1, 22_820), Arc::default(), Instant::now()).unwrap();
    let (stream, local) = open(&plane, &mut events, 0, None);
    let (named, found, other) = (peer(), peer(), peer());
    plane.send(Command::Connect { stream, session: session(named.local_addr().unwrap()) });
    let mut voice = Voice { ssrc: Ssrc(5), number: 0, level: PEER };
    // What comes before the session is nobody's; it has proved itself with the fifth.
    receives(&named, 1);
    for number in 0..5 {
        voice.say(&found, local);
        receives(if number < 4 { &named } else { &found }, 1);
    }
    wait(&mut events, |event| (event.kind == EventKind::FirstReceived).then_some(()));
    let mut foreign = Voice { ssrc: Ssrc(6), number: 0, level: FOREIGN };
    receives(&found, 1);
    // In each turn a thousandth of a second's flood, and the peer's packet behind it.
    for _ in 0..100 {
        (0..20).for_each(|_| foreign.say(&other, local));
        voice.say(&found, local);
        receives(&found, 1);
    }
    receives(&found, 25);
    let statistics = closed(&plane, &mut events, stream);
    assert_eq!((statistics.packets_received, statistics.packets_lost), (101, 0), "{statistics:?}");
    plane.stop();
}
