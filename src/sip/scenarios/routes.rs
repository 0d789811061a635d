//! What the messages of a call say, and where they go.

use std::net::SocketAddr;

use super::{Stage, dial};
use crate::sip::endpoint::*;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::time::Instant;

const CONTACT: &str = "<sip:peer@192.0.2.1:5060>";

#[test]
fn an_invite_has_what_rfc_3261_8_1_1_wants_and_says_what_we_can() {
    let (_, invite) = invited(Transport::Udp);
    let headers = invite.headers();
    assert_eq!(invite.uri(), "sip:+12025550101@192.0.2.1");
    assert!(headers.get("Via").unwrap().starts_with("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK"));
    assert!(headers.via_top().unwrap().wants_rport());
    assert_eq!(headers.get("Max-Forwards"), Some("70"));
    assert!(headers.from().unwrap().tag().is_some());
    assert_eq!(headers.to().unwrap().tag(), None);
    assert_eq!(headers.call_id(), Ok("call-1"));
    assert_eq!(headers.get("Contact"), Some("<sip:+12025550100@127.0.0.1:5060>"));
    assert_eq!(headers.get("User-Agent"), Some("Outdial"));
    assert_eq!(headers.get("X-Campaign"), Some("spring"));
    assert!(headers.lists("Allow", "UPDATE") && headers.lists("Allow", "BYE"));
    let (_, over_tcp) = invited(Transport::Tcp);
    assert!(over_tcp.headers().get("Via").unwrap().starts_with("SIP/2.0/TCP "));
    assert!(over_tcp.headers().get("Contact").unwrap().contains(";transport=tcp"));
}

#[test]
fn requests_in_the_call_go_to_a_known_next_hop_and_else_to_the_trunk() {
    let trunk: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let table = [
        (CONTACT, None, trunk),
        ("<sip:peer@192.0.2.2:5070>", None, "192.0.2.2:5070".parse().unwrap()),
        ("<sip:peer@10.0.0.7:5060>", None, trunk),
        ("<sip:peer@203.0.113.9>", None, trunk),
        ("<sip:peer@pbx.example>", None, trunk),
        ("<sip:peer@10.0.0.7>", Some("<sip:192.0.2.2;lr>"), "192.0.2.2:5060".parse().unwrap()),
        ("<sip:peer@192.0.2.2>", Some("<sip:edge.example;lr>"), trunk),
    ];
    for (contact, record_route, expected) in table {
        let (mut stage, invite) = invited(Transport::Udp);
        stage.endpoint.allow_source("192.0.2.2".parse().unwrap());
        let mut ok = ok(&invite, contact);
        if let Some(route) = record_route {
            ok.headers_mut().push("Record-Route", route);
        }
        stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &ok.to_bytes());
        stage.endpoint.hang_up(Instant::ZERO, stage.session.unwrap(), None);
        let sent = transmitted(&mut stage);
        let methods: Vec<_> = sent.iter().map(|(_, request)| request.method().clone()).collect();
        assert_eq!(methods, [Method::Ack, Method::Bye], "{contact}");
        for (target, request) in sent {
            assert_eq!(target.address, expected, "{contact} {record_route:?}");
            assert_eq!(format!("<{}>", request.uri()), contact);
            assert_eq!(request.headers().get("Route"), record_route);
        }
    }
}

#[test]
fn ack_and_cancel_of_a_refusal_repeat_the_invites_branch_and_an_ack_of_a_2xx_has_its_own() {
    let branch = |request: &Request| request.headers().via_top().unwrap().branch().unwrap().to_owned();
    let (mut stage, invite) = invited(Transport::Udp);
    for status in [180, 486] {
        if status == 486 {
            stage.endpoint.hang_up(Instant::ZERO, stage.session.unwrap(), None);
        }
        let mut response = Response::to_request(&invite, status, "Phrase");
        response.headers_mut().set("To", "<sip:+12025550101@192.0.2.1>;tag=a");
        stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &response.to_bytes());
    }
    let sent = transmitted(&mut stage);
    let methods: Vec<_> = sent.iter().map(|(_, request)| request.method().clone()).collect();
    assert_eq!(methods, [Method::Cancel, Method::Ack]);
    for (_, request) in &sent {
        assert_eq!(branch(request), branch(&invite));
        assert_eq!(request.uri(), invite.uri());
        let (ours, its) = (request.headers().cseq().unwrap(), invite.headers().cseq().unwrap());
        assert_eq!(ours.number, its.number);
    }
    assert_eq!(sent[0].1.headers().to().unwrap().tag(), None);
    assert_eq!(sent[1].1.headers().to().unwrap().tag(), Some("a"));

    let (mut stage, invite) = invited(Transport::Udp);
    stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &ok(&invite, CONTACT).to_bytes());
    let sent = transmitted(&mut stage);
    assert_ne!(branch(&sent[0].1), branch(&invite));
}

#[test]
fn a_hang_up_tells_its_reason() {
    let (mut stage, invite) = invited(Transport::Udp);
    stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &ok(&invite, CONTACT).to_bytes());
    let reason = HangUpReason { q850: 16, text: "Normal \"call\" clearing".into() };
    stage.endpoint.hang_up(Instant::ZERO, stage.session.unwrap(), Some(reason));
    let bye = transmitted(&mut stage).pop().unwrap().1;
    assert_eq!(bye.headers().get("Reason"), Some("Q.850;cause=16;text=\"Normal \\\"call\\\" clearing\""));
}

#[test]
fn a_response_with_another_branch_method_or_a_second_via_is_not_ours() {
    let (mut stage, invite) = invited(Transport::Udp);
    let mut foreign = [ok(&invite, CONTACT), ok(&invite, CONTACT), ok(&invite, CONTACT)];
    foreign[0].headers_mut().set("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKother");
    foreign[1].headers_mut().set("CSeq", "1 BYE");
    foreign[2].headers_mut().push("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKother");
    for response in foreign {
        stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &response.to_bytes());
        assert_eq!(stage.endpoint.poll_output(), None);
    }
}

fn invited(transport: Transport) -> (Stage, Request) {
    let mut stage = Stage::new(transport);
    stage.session = Some(stage.endpoint.invite(Instant::ZERO, dial(stage.target)).unwrap());
    let invite = transmitted(&mut stage).pop().unwrap().1;
    (stage, invite)
}

fn ok(invite: &Request, contact: &str) -> Response {
    let mut ok = Response::to_request(invite, 200, "OK");
    ok.headers_mut().set("To", "<sip:+12025550101@192.0.2.1>;tag=a");
    ok.headers_mut().push("Contact", contact);
    ok
}

fn transmitted(stage: &mut Stage) -> Vec<(Target, Request)> {
    let outputs = std::iter::from_fn(|| stage.endpoint.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Transmit { target, bytes } => match Message::parse(&bytes).unwrap() {
                Message::Request(request) => Some((target, request)),
                Message::Response(_) => None,
            },
            Output::Event(_) => None,
        })
        .collect()
}
