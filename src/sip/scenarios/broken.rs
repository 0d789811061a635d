//! Connections that break before what ends a call was answered.

use super::{Stage, check_tcp, dial};
use crate::sip::endpoint::*;
use crate::time::Instant;

#[test]
fn a_bye_whose_connection_breaks_is_sent_once_more_over_another() {
    check_tcp(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer
         1.000 * hangup
         1.000 > BYE tag=a
         1.000 ! ended
         1.100 * unreachable
         1.100 > BYE tag=a
         1.200 < 407 BYE | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         1.200 > BYE tag=a authorized
         1.300 * unreachable
         1.300 > BYE tag=a authorized
         1.400 * unreachable
        ",
    );
}

#[test]
fn a_cancel_whose_connection_breaks_is_sent_once_more_while_its_invite_waits() {
    let ringing = "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 180 tag=a
         0.200 ! 180
         1.000 * hangup
         1.000 > CANCEL
         ";
    check_tcp(&format!(
        "{ringing}
         1.100 * unreachable
         1.100 > CANCEL
         1.200 < 200 CANCEL
         1.210 < 487 tag=a
         1.210 > ACK tag=a
         1.210 ! rejected 487
         1.210 ! ended"
    ));
    check_tcp(&format!(
        "{ringing}
         1.100 * unreachable
         1.100 > CANCEL
         1.200 * unreachable
        33.000 ! no response
        33.000 ! ended"
    ));
    check_tcp(&format!(
        "{ringing}
         1.100 < 487 tag=a
         1.100 > ACK tag=a
         1.100 ! rejected 487
         1.100 ! ended
         1.200 * unreachable"
    ));
}

#[test]
fn a_cancel_that_cannot_be_brought_to_its_server_ends_the_call_and_a_late_answer_is_ended_too() {
    check_tcp(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 180 tag=a
         0.200 ! 180
         1.000 * unreachable
         5.000 * hangup
         5.000 > CANCEL
         5.100 * refused
         5.100 ! no response
         5.100 ! ended
         6.000 < 200 tag=a
         6.000 > ACK tag=a
         6.000 > BYE tag=a
         6.100 < 200 BYE",
    );
}

#[test]
fn an_invite_that_only_a_100_was_heard_of_fails_where_its_server_cannot_be_reached_any_more() {
    let trying = "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 100
         0.200 ! trying
         1.000 * unreachable
         1.000 > keep-alive
         ";
    check_tcp(&format!(
        "{trying}
         1.100 * refused
         1.100 > CANCEL
         1.100 ! no response
         1.100 ! ended
         1.200 * refused"
    ));
    // Once is enough, and a server that has only closed the connection opens another.
    check_tcp(&format!(
        "{trying}
         2.000 * unreachable
         3.000 < 180 tag=a
         3.000 ! 180
         3.100 * refused
         4.000 < 486 tag=a
         4.000 > ACK tag=a
         4.000 ! rejected 486
         4.000 ! ended"
    ));
}

/// A call over TCP whose peer has made an offer, the bytes of it, over a connection of its own that is gone.
fn offered() -> (Stage, SessionKey, Vec<u8>) {
    let mut stage = Stage::new(Transport::Tcp);
    let (now, mut out) = (Instant::ZERO, Vec::new());
    let key = stage.endpoint.invite(now, dial(stage.target)).unwrap();
    stage.session = Some(key);
    stage.collect(&mut out);
    let answer = stage.response(200, "INVITE", &["tag=a", "sdp=answer"]);
    stage.endpoint.handle_from(now, stage.target, &answer.to_bytes());
    let offer = stage.request("INVITE", &["tag=a", "sdp=other"]).to_bytes();
    let gone = connection(&stage, 40_000);
    stage.endpoint.handle_from(now, gone, &offer);
    stage.collect(&mut out);
    stage.endpoint.handle_transport_error(now, gone);
    (stage, key, offer)
}

/// A connection that the peer has made.
fn connection(stage: &Stage, port: u16) -> Target {
    Target { address: ([192, 0, 2, 1], port).into(), ..stage.target }
}

#[test]
fn a_response_whose_connection_has_gone_is_sent_to_where_the_request_says() {
    let (mut stage, key, _) = offered();
    stage.endpoint.answer_offer(Instant::ZERO, key, Ok(b"ours".to_vec()));
    // It is checked where it goes: to the address that the request came from, and the port of its Via.
    let mut out = Vec::new();
    stage.collect(&mut out);
    assert_eq!(out.last().unwrap(), "> 200 INVITE sdp=ours");
}

#[test]
fn a_request_that_comes_again_over_a_new_connection_is_answered_there() {
    let (mut stage, key, offer) = offered();
    let new = connection(&stage, 40_001);
    stage.endpoint.handle_from(Instant::ZERO, new, &offer);
    stage.endpoint.answer_offer(Instant::ZERO, key, Ok(b"ours".to_vec()));
    let outputs = std::iter::from_fn(|| stage.endpoint.poll_output());
    let ways = outputs.filter_map(|output| match output {
        Output::Transmit { target, .. } => Some(target),
        Output::Event(_) => None,
    });
    assert_eq!(ways.collect::<Vec<_>>(), [new]);
}

#[test]
fn a_connection_that_is_refused_is_not_tried_again() {
    let mut stage = Stage::new(Transport::Tcp);
    let now = Instant::ZERO;
    let key = stage.endpoint.invite(now, dial(stage.target)).unwrap();
    stage.session = Some(key);
    let mut out = Vec::new();
    stage.collect(&mut out);
    let answer = stage.response(200, "INVITE", &["tag=a"]);
    stage.endpoint.handle_from(now, stage.target, &answer.to_bytes());
    stage.endpoint.hang_up(now, key, None);
    stage.collect(&mut out);
    assert!(out.contains(&"> BYE tag=a".to_owned()), "{out:?}");
    stage.endpoint.handle_refused(now, stage.target);
    out.clear();
    stage.collect(&mut out);
    assert!(out.is_empty(), "{out:?}");
}
