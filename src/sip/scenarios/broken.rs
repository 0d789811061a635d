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
