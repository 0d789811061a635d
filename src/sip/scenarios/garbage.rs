//! Fault 24: what scanners, broken middleboxes and line noise make of SIP, over datagrams and over streams, while a call is up.

use super::{Machine, Stage};
use crate::rng::Rng;
use crate::sip::endpoint::*;
use crate::sip::framing::Framer;
use crate::sip::message::Message;
use crate::time::Instant;
use std::time::Duration;

/// Pieces of garbage in each of both ways.
const PIECES: u32 = 3_000;

/// Then a probe.
const PROBE_EVERY: u32 = 50;

/// None of them is answered with a 2xx, however it is broken.
const METHODS: [&str; 9] =
    ["INVITE", "REGISTER", "BYE", "CANCEL", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "ACK"];

/// What is put in where it hurts.
const CRUELTIES: [&str; 14] = [
    "\r\n",
    "\r\n\r\n",
    "\n ",
    ":",
    ";",
    "\"",
    "<",
    ">",
    ",",
    "%",
    "\0",
    "Content-Length: 99999\r\n",
    "SIP/2.0 200 OK\r\n",
    "\u{ff}\u{fe}",
];

#[test]
fn fault_24_garbage_misses_no_probe_gets_no_2xx_and_leaves_nothing_behind() {
    let mut stage = Stage::new(Transport::Udp);
    let mut said = Vec::new();
    for word in ["invite", "200 tag=them sdp=answer"] {
        stage.play(Instant::ZERO, word, &mut said);
    }
    assert!(said.contains(&"! answered sdp=answer".to_owned()), "{said:?}");
    let mut now = Instant::ZERO;
    let mut rng = Rng::from_seed(24);
    let mut stream = Framer::new();
    let mut answered = 0;
    for n in 0..2 * PIECES {
        now += Duration::from_millis(1);
        stage.endpoint.handle_timeout(now);
        let piece = garbage(&mut rng, n);
        if n % 2 == 0 {
            deliver(&mut stage, now, Transport::Udp, &piece);
        } else {
            stream.push(&piece);
            loop {
                match stream.next() {
                    Ok(Some(message)) => deliver(&mut stage, now, Transport::Tcp, &message),
                    Ok(None) => break,
                    // Another connection, as the peer would make one.
                    Err(_) => {
                        deliver(&mut stage, now, Transport::Tcp, &stream.take_rejected());
                        stream = Framer::new();
                    }
                }
            }
            assert!(stream.waiting() <= crate::sip::framing::BUFFER_BYTES_MAX);
        }
        answered += said_to_garbage(&mut stage);
        if n % PROBE_EVERY == 0 {
            for transport in [Transport::Udp, Transport::Tcp] {
                deliver(&mut stage, now, transport, request("OPTIONS", &format!("probe{n}")).as_bytes());
                let Some(Output::Transmit { target, bytes }) = stage.endpoint.poll_output() else {
                    panic!("probe {n} over {transport:?} was missed")
                };
                assert!(bytes.starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&bytes));
                assert_eq!(target.transport, transport);
                assert_eq!(stage.endpoint.poll_output(), None);
            }
        }
        let counts = stage.endpoint.counts();
        assert_eq!((counts.sessions, counts.server_transactions), (1, 0), "after {n}");
    }
    assert!(
        answered > PIECES / 4,
        "only {answered} were read at all: the garbage is too coarse to prove anything"
    );
    // The call has noticed nothing.
    said.clear();
    stage.play(now, "BYE", &mut said);
    assert_eq!(said, ["> 200 BYE", "! hung up", "! ended"]);
    stage.handle_timeout(now + Duration::from_secs(33), &mut said);
    assert_eq!(stage.endpoint.counts(), Counts::default());
}

fn deliver(stage: &mut Stage, now: Instant, transport: Transport, bytes: &[u8]) {
    stage.endpoint.handle_message(now, transport, stage.target.address, bytes);
}

/// How many answers there are, all of them refusals.
fn said_to_garbage(stage: &mut Stage) -> u32 {
    let mut answers = 0;
    while let Some(output) = stage.endpoint.poll_output() {
        let Output::Transmit { bytes, .. } = output else { panic!("garbage caused {output:?}") };
        let text = String::from_utf8_lossy(&bytes);
        let status: u16 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        assert!(text.starts_with("SIP/2.0 ") && (400..700).contains(&status), "{text}");
        // One that lacks a header is answered without it, and cannot be read back.
        if let Ok(Message::Request(request)) = Message::parse(&bytes) {
            panic!("garbage was answered with a {}", request.method());
        }
        answers += 1;
    }
    answers
}

/// A request, broken in up to six places, or noise.
fn garbage(rng: &mut Rng, number: u32) -> Vec<u8> {
    if rng.chance(0.1) {
        return (0..rng.below(1_400)).map(|_| rng.below(256) as u8).collect();
    }
    let method = METHODS[rng.below(METHODS.len() as u64) as usize];
    let mut bytes = request(method, &format!("garbage{number}")).into_bytes();
    for _ in 0..rng.below(7) {
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(5) {
            0 => bytes[at] = rng.below(256) as u8,
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.remove(at)),
            3 => {
                let piece: Vec<u8> = bytes[at..].iter().take(60).copied().collect();
                drop(bytes.splice(at..at, piece));
            }
            _ => {
                let cruelty = CRUELTIES[rng.below(CRUELTIES.len() as u64) as usize];
                drop(bytes.splice(at..at, cruelty.repeat(1 + rng.below(40) as usize).into_bytes()));
            }
        }
        if bytes.is_empty() {
            return b"\0".to_vec();
        }
    }
    bytes
}

fn request(method: &str, name: &str) -> String {
    format!(
        "{method} sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{name}\r\n\
         Max-Forwards: 70\r\nFrom: \"a caller\" <sip:peer@h;x=%20>;tag={name}\r\nTo: <sip:us@127.0.0.1>\r\n\
         Call-ID: {name}\r\nCSeq: 1 {method}\r\nContact: <sip:peer@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    )
}
