//! Requests that nobody asked for, from whom we know and from whom we do not.

use std::net::SocketAddr;

use super::{Machine, Stage, describe};
use crate::rng::Rng;
use crate::sip::endpoint::*;
use crate::sip::message::Message;
use crate::time::Instant;

const KNOWN: &str = "192.0.2.1:5060";

#[test]
fn an_unsolicited_invite_dials_nothing_and_its_refusal_is_no_longer_than_it() {
    let (answers, target) = send(KNOWN, &invite(""));
    assert_eq!(answers, ["403 INVITE"]);
    assert_eq!(target, Some(KNOWN.parse().unwrap()));
}

#[test]
fn nothing_is_answered_to_strangers() {
    assert_eq!(send("203.0.113.66:5060", &invite("")).0, Vec::<String>::new());
    assert_eq!(send("203.0.113.66:5060", "SIP/3.0 what").0, Vec::<String>::new());
}

#[test]
fn copies_of_what_cannot_be_read_are_answered_alike_and_by_the_letter() {
    let broken =
        invite("").replace("Forwards: 70", "Forwards: x").replace("branch=", "odd=\"a\\b;c\";branch=");
    let mut stage = Stage::new(Transport::Udp);
    let source = KNOWN.parse().unwrap();
    let answers: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            stage.endpoint.handle_message(Instant::ZERO, Transport::Udp, source, broken.as_bytes());
            match stage.endpoint.poll_output() {
                Some(Output::Transmit { bytes, .. }) => bytes,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    let text = String::from_utf8_lossy(&answers[0]);
    assert!(text.starts_with("SIP/2.0 400") && text.contains("odd=\"a\\b;c\";branch="), "{text}");
}

#[test]
fn an_ack_and_garbage_are_dropped() {
    let ack = invite("").replace("INVITE", "ACK");
    for text in [
        ack.as_str(),
        "",
        "\r\n\r\n",
        "INVITE",
        "SIP/2.0 200 OK\r\n\r\n",
        "\0\0\0\0",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(send(KNOWN, text).0, Vec::<String>::new(), "{text:?}");
    }
}

#[test]
fn a_response_that_nobody_waits_for_is_dropped() {
    let stray = invite("").replace("INVITE sip:us@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(send(KNOWN, &stray).0, Vec::<String>::new());
}

#[test]
fn requests_for_calls_that_are_not_there_get_481() {
    for method in ["BYE", "CANCEL", "INFO", "UPDATE", "PRACK"] {
        let request = invite("").replace("INVITE", method);
        assert_eq!(send(KNOWN, &request).0, [format!("481 {method}")]);
    }
    let reinvite = invite("").replace("To: <sip:us@127.0.0.1>", "To: <sip:us@127.0.0.1>;tag=gone");
    assert_eq!(send(KNOWN, &reinvite).0, ["481 INVITE"]);
}

#[test]
fn a_request_without_its_essentials_gets_400() {
    let broken = invite("").replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    assert_eq!(send(KNOWN, &broken).0, ["400 BYE"]);
    let broken = invite("").replace("Call-ID: stranger\r\n", "");
    assert_eq!(send(KNOWN, &broken).0, ["SIP/2.0 400 Call-ID is missing"]);
    let broken = invite("").replace("Content-Length: 0", "Content-Length: 10");
    assert_eq!(send(KNOWN, &broken).0, ["400 INVITE"]);
    assert_eq!(send("203.0.113.66:5060", &broken).0, Vec::<String>::new());
}

#[test]
fn a_request_that_came_by_two_ways_is_answered_once_and_refused_once() {
    let mut stage = Stage::new(Transport::Udp);
    let source: SocketAddr = KNOWN.parse().unwrap();
    let mut answers = Vec::new();
    for (branch, method) in
        [("1", "OPTIONS"), ("2", "OPTIONS"), ("1", "OPTIONS"), ("3", "CANCEL"), ("4", "CANCEL")]
    {
        let text = invite(branch).replace("INVITE", method);
        stage.endpoint.handle_datagram(Instant::ZERO, source, text.as_bytes());
        stage.collect(&mut answers);
    }
    let statuses: Vec<&str> = answers.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(statuses, ["200", "482", "200", "481", "481"], "{answers:?}");
    // Once the first has gone, its number may come again.
    let later = Instant::ZERO + std::time::Duration::from_secs(33);
    stage.endpoint.handle_timeout(later);
    let text = invite("5").replace("INVITE", "OPTIONS");
    stage.endpoint.handle_datagram(later, source, text.as_bytes());
    answers.clear();
    stage.collect(&mut answers);
    assert!(answers[0].contains("200"), "{answers:?}");
}

#[test]
fn requests_with_a_cookie_and_no_branch_are_told_apart() {
    let mut stage = Stage::new(Transport::Udp);
    let source: SocketAddr = KNOWN.parse().unwrap();
    let mut answers = Vec::new();
    for number in ["1", "2"] {
        let text =
            invite("").replace("z9hG4bKs", "z9hG4bK").replace("1 INVITE", &format!("{number} OPTIONS"));
        let text = text.replace("INVITE", "OPTIONS");
        stage.endpoint.handle_datagram(Instant::ZERO, source, text.as_bytes());
        stage.collect(&mut answers);
    }
    assert_eq!(answers, ["> 200 OPTIONS", "> 200 OPTIONS"]);
}

#[test]
fn the_answer_goes_to_where_rfc_3581_and_3261_18_2_2_send_it() {
    let table = [
        ("SIP/2.0/UDP 10.0.0.1:5080;rport", "192.0.2.1:33333", "192.0.2.1:33333"),
        ("SIP/2.0/UDP 10.0.0.1:5080", "192.0.2.1:33333", "192.0.2.1:5080"),
        ("SIP/2.0/UDP pbx.example", "192.0.2.1:33333", "192.0.2.1:5060"),
        ("SIP/2.0/TCP 10.0.0.1:5080", "192.0.2.1:33333", "192.0.2.1:33333"),
    ];
    for (via, source, expected) in table {
        let options = invite("").replace("INVITE", "OPTIONS").replace("SIP/2.0/UDP 192.0.2.1", via);
        let (answers, target) = send(source, &options);
        assert_eq!(answers, ["200 OPTIONS"], "{via}");
        assert_eq!(target, Some(expected.parse().unwrap()), "{via}");
    }
}

#[test]
fn a_source_asked_for_twice_is_taken_until_it_is_given_up_twice() {
    let mut stage = Stage::new(Transport::Udp);
    let source: SocketAddr = KNOWN.parse().unwrap();
    stage.endpoint.allow_source(source.ip());
    stage.endpoint.disallow_source(source.ip());
    stage.endpoint.handle_datagram(Instant::ZERO, source, invite("1").as_bytes());
    assert!(stage.endpoint.poll_output().is_some());
    stage.endpoint.disallow_source(source.ip());
    stage.endpoint.handle_datagram(Instant::ZERO, source, invite("2").as_bytes());
    assert_eq!(stage.endpoint.poll_output(), None);
}

#[test]
fn fault_25_a_flood_of_junk_makes_no_transaction_and_each_copy_gets_the_answer_of_the_first() {
    let mut endpoint = Endpoint::new(Options::default(), Rng::from_seed(1));
    let source: SocketAddr = KNOWN.parse().unwrap();
    endpoint.allow_source(source.ip());
    let answer = |endpoint: &mut Endpoint, text: &str| -> Vec<u8> {
        endpoint.handle_datagram(Instant::ZERO, source, text.as_bytes());
        let Some(Output::Transmit { bytes, .. }) = endpoint.poll_output() else { panic!("no answer") };
        assert_eq!(endpoint.poll_output(), None, "no 100 either: nothing would stop its INVITE's copies");
        bytes
    };
    for method in ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "MESSAGE"] {
        for n in 0..1_000 {
            let text = invite(&n.to_string()).replace("stranger", &format!("{method}{n}"));
            let text = text.replace("INVITE", method);
            let first = answer(&mut endpoint, &text);
            assert_eq!(answer(&mut endpoint, &text), first);
        }
    }
    assert_eq!(endpoint.counts(), Counts::default());
    assert_eq!(endpoint.poll_timeout(), None);
    let tag = |bytes: Vec<u8>| {
        let message = Message::parse(&bytes).unwrap();
        message.headers().to().unwrap().tag().unwrap().to_owned()
    };
    let [one, other] = ["1", "2"].map(|n| invite(n).replace("stranger", n));
    assert_ne!(tag(answer(&mut endpoint, &one)), tag(answer(&mut endpoint, &other)));
}

#[test]
fn the_ack_of_a_refusal_ends_nothing_and_asks_for_nothing() {
    let mut stage = Stage::new(Transport::Udp);
    let source: SocketAddr = KNOWN.parse().unwrap();
    stage.endpoint.handle_datagram(Instant::ZERO, source, invite("1").as_bytes());
    let Some(Output::Transmit { bytes, .. }) = stage.endpoint.poll_output() else { panic!("no answer") };
    let refusal = Message::parse(&bytes).unwrap();
    let to = refusal.headers().get("To").unwrap();
    let ack = invite("1").replace("INVITE", "ACK").replace("To: <sip:us@127.0.0.1>", &format!("To: {to}"));
    stage.endpoint.handle_datagram(Instant::ZERO, source, ack.as_bytes());
    assert_eq!((stage.endpoint.poll_output(), stage.endpoint.poll_timeout()), (None, None));
}

#[test]
fn fault_25_a_flood_of_long_requests_within_a_call_gets_no_more_memory_than_is_set_aside() {
    use crate::sip::transaction::layer::SERVER_BYTES_MAX;
    let mut stage = Stage::new(Transport::Udp);
    let source: SocketAddr = KNOWN.parse().unwrap();
    let mut said = Vec::new();
    for word in ["invite", "200 tag=them sdp=answer"] {
        stage.play(Instant::ZERO, word, &mut said);
    }
    let info = String::from_utf8(stage.request("INFO", &["branch=sN"]).to_bytes()).unwrap();
    let endpoint = &mut stage.endpoint;
    let number = |n: u32| {
        let text = info
            .replace("CSeq: 101", &format!("CSeq: {}", 101 + n))
            .replace("branch=z9hG4bKsN", &format!("branch=z9hG4bKs{n}"));
        assert!(text.contains(&format!("{} INFO", 101 + n)), "{text}");
        text
    };
    let vias =
        format!("Via: SIP/2.0/UDP h;x={}\r\nMax", "x".repeat(15_000)).repeat(4).replace("MaxVia", "Via");
    let mut kept = 0;
    for n in 0..2_000 {
        let text = number(n).replacen("From", &vias.replace("Max", "From"), 1);
        endpoint.handle_datagram(Instant::ZERO, source, text.as_bytes());
        while let Some(output) = endpoint.poll_output() {
            if let Output::Transmit { bytes, .. } = output {
                kept += bytes.len();
            }
        }
    }
    assert!(kept > SERVER_BYTES_MAX / 2 && kept <= SERVER_BYTES_MAX, "{kept} bytes are kept");
    // Others are heard again as soon as these have gone.
    endpoint.handle_timeout(Instant::ZERO + std::time::Duration::from_secs(33));
    endpoint.handle_timeout(Instant::ZERO + std::time::Duration::from_secs(66));
    assert_eq!(endpoint.counts().server_transactions, 0);
    while endpoint.poll_output().is_some() {}
    endpoint.handle_datagram(Instant::ZERO, source, number(2_000).as_bytes());
    assert!(endpoint.poll_output().is_some());
}

#[test]
fn what_cannot_be_dialed_is_refused_with_its_part_named() {
    let mut stage = Stage::new(Transport::Udp);
    let good = super::dial(stage.target);
    let table = [
        (Dial { request_uri: "nobody".into(), ..good.clone() }, "the Request-URI"),
        (Dial { from: "\"x <sip:a@h>".into(), ..good.clone() }, "From"),
        (Dial { to: "<sip:>".into(), ..good.clone() }, "To"),
    ];
    for (dial, wrong) in table {
        let refused = stage.endpoint.invite(Instant::ZERO, dial);
        assert!(matches!(&refused, Err(Refused::Unusable { part, .. }) if *part == wrong), "{refused:?}");
    }
    assert_eq!(stage.endpoint.counts(), Counts::default());
}

#[test]
fn no_more_calls_are_made_than_the_options_allow() {
    let options = Options { sessions_max: 1, ..Options::default() };
    let mut endpoint = Endpoint::new(options, Rng::from_seed(1));
    let target = Target::new(Transport::Udp, KNOWN.parse().unwrap());
    assert!(endpoint.invite(Instant::ZERO, super::dial(target)).is_ok());
    assert_eq!(endpoint.invite(Instant::ZERO, super::dial(target)), Err(Refused::TooManySessions));
}

fn send(source: &str, text: &str) -> (Vec<String>, Option<SocketAddr>) {
    let mut stage = Stage::new(Transport::Udp);
    let source: SocketAddr = source.parse().unwrap();
    let transport = if text.contains("/TCP") { Transport::Tcp } else { Transport::Udp };
    stage.endpoint.handle_message(Instant::ZERO, transport, source, text.as_bytes());
    let (mut answers, mut to) = (Vec::new(), None);
    while let Some(output) = stage.endpoint.poll_output() {
        let Output::Transmit { target, bytes } = output else { panic!("a stranger caused {output:?}") };
        assert!(bytes.len() <= text.len() + 200, "{}", String::from_utf8_lossy(&bytes));
        // A request without Call-ID makes a response without one.
        let line = Message::parse(&bytes).map_or_else(|_| first_line(&bytes), |message| describe(&message));
        answers.push(line);
        to = Some(target.address);
    }
    assert_eq!(stage.endpoint.counts().sessions, 0);
    (answers, to)
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

fn invite(branch: &str) -> String {
    format!(
        "INVITE sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:peer@h>;tag=x\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: stranger\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:peer@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    )
}
