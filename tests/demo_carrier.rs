//! The simulated carrier on real sockets: a call over loopback, from INVITE to BYE, and the book of it.

use outdial::cli::demo_carrier::Runner;
use outdial::rng::Rng;
use outdial::sim::callee::Callee;
use outdial::sim::carrier::Options;
use outdial::sim::ledger::EndedBy;
use outdial::sim::subscribers::Subscriber;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

#[test]
fn a_call_over_loopback_is_answered_heard_and_written_down() {
    let runner = start();
    let (sip, rtp) = (socket(), socket());
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
        rtp.local_addr().unwrap().port()
    );
    send(&sip, runner.address(), "INVITE", 1, "", &sdp);
    assert_eq!(status(&receive(&sip)), 100);
    assert_eq!(status(&receive(&sip)), 180);
    let answer = receive(&sip);
    assert_eq!(status(&answer), 200);
    let tag = answer.split("To: ").nth(1).unwrap().split("tag=").nth(1).unwrap();
    let tag = format!(";tag={}", tag.split("\r\n").next().unwrap());
    send(&sip, runner.address(), "ACK", 1, &tag, "");

    // The ring-back tone comes in packets of 20 ms; one of ours goes back to where they come from.
    let mut packet = [0; 2048];
    let mut from = None;
    for _ in 0..10 {
        let (length, source) = rtp.recv_from(&mut packet).unwrap();
        assert_eq!((length, packet[0], packet[1] & 0x7f), (172, 0x80, 0));
        from = Some(source);
    }
    rtp.send_to(&packet[..172], from.unwrap()).unwrap();
    for _ in 0..5 {
        rtp.recv_from(&mut packet).unwrap();
    }

    send(&sip, runner.address(), "BYE", 2, &tag, "");
    assert_eq!(status(&receive(&sip)), 200);
    let ledger = runner.finish();
    let entry = &ledger.entries()[0];
    assert_eq!(
        (entry.number.as_str(), entry.status, entry.ended_by),
        ("+12025550101", 200, Some(EndedBy::Caller))
    );
    assert!(entry.acknowledged_at.is_some());
    assert_eq!(entry.reception.packets, 1);
}

#[test]
fn ports_come_in_pairs_and_the_thread_stops_when_told() {
    let begun = Instant::now();
    let mut seen = Vec::new();
    let runner = Runner::start(begun, 20, Rng::from_seed(1), |address, ports| {
        seen.clone_from(&ports);
        Options::new(address, ports)
    });
    let runner = runner.unwrap();
    assert_eq!((seen.len(), seen.iter().filter(|port| **port % 2 == 0).count()), (20, 20));
    assert_eq!(runner.counts().calls, 0);
    assert_eq!(runner.finish().entries().len(), 0);
}

fn start() -> Runner {
    let runner = Runner::start(Instant::now(), 2, Rng::from_seed(1), |address, ports| {
        let mut options = Options::new(address, ports);
        let ring = Duration::from_millis(50);
        let subscriber = Subscriber { callee: Callee::RingBackAfterAnswer, ring, fault: None };
        options.subscribers.insert("+12025550101", subscriber);
        options
    });
    runner.expect("loopback has free ports")
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn send(sip: &UdpSocket, carrier: SocketAddr, method: &str, cseq: u32, to_tag: &str, body: &str) {
    let local = sip.local_addr().unwrap();
    let text = format!(
        "{method} sip:+12025550101@{carrier} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{method}\r\n\
         From: <sip:out@{local}>;tag=mine\r\nTo: <sip:+12025550101@{carrier}>{to_tag}\r\nCall-ID: demo\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:out@{local}>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    sip.send_to(text.as_bytes(), carrier).unwrap();
}

fn receive(sip: &UdpSocket) -> String {
    let mut bytes = [0; 65_536];
    let length = sip.recv(&mut bytes).expect("the carrier answers within ten seconds");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a response with a status")
}
