//! Answers to INVITEs that nobody waits for any more: of forks that lost, after a CANCEL, after the call.

use super::{Instant, Machine, Stage, check};
use crate::sip::endpoint::*;
use crate::sip::transaction::transcript;

#[test]
fn a_fork_that_lost_goes_on_from_the_numbers_of_its_pracks() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=a sdp=early | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 183 sdp=early
         0.110 < 200 PRACK
         0.200 < 183 tag=b sdp=other | Require: 100rel | RSeq: 1
         0.200 > PRACK tag=b rack=1
         0.200 ! 183 sdp=other
         0.210 < 200 PRACK
         1.000 < 200 tag=a
         1.000 > ACK tag=a
         1.000 ! answered sdp=early
         1.010 < 200 tag=b
         1.010 > ACK tag=b
         1.010 > BYE tag=b
         1.020 < 200 BYE
         2.000 * hangup
         2.000 > BYE tag=a
         2.000 ! ended
         2.100 < 200 BYE
        ",
    );
}

#[test]
fn a_fork_that_answers_after_the_call_goes_on_from_its_numbers_too_and_has_its_challenge_answered() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 183 tag=b sdp=other | Require: 100rel | RSeq: 1
         0.200 > PRACK tag=b rack=1
         0.200 ! 183 sdp=other
         0.210 < 200 PRACK
         1.000 < 200 tag=a sdp=answer
         1.000 > ACK tag=a
         1.000 ! answered sdp=answer
         2.000 * hangup
         2.000 > BYE tag=a
         2.000 ! ended
         2.100 < 200 BYE
         3.000 < 200 tag=b
         3.000 > ACK tag=b
         3.000 > BYE tag=b
         3.100 < 407 BYE | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         3.100 > BYE tag=b authorized
         3.200 < 200 BYE
         3.500 < 200 tag=b
         3.500 > ACK tag=b
        ",
    );
}

#[test]
fn answers_that_cross_the_cancel_go_on_from_their_numbers_and_have_their_challenges_answered() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=a sdp=early | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 183 sdp=early
         0.110 < 200 PRACK
         0.200 < 183 tag=b | Require: 100rel | RSeq: 1
         0.200 > PRACK tag=b rack=1
         0.200 ! 183
         0.210 < 200 PRACK
         8.000 * hangup
         8.000 > CANCEL
         8.010 < 200 tag=a
         8.010 > ACK tag=a
         8.010 > BYE tag=a
         8.010 ! answered
         8.010 ! ended
         8.020 < 200 CANCEL
         8.050 < 200 BYE
         8.060 < 200 tag=b sdp=answer
         8.060 > ACK tag=b
         8.060 > BYE tag=b
         8.070 < 407 BYE | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         8.070 > BYE tag=b authorized
         8.080 < 200 BYE
        ",
    );
}

#[test]
fn an_answer_to_a_call_given_up_has_the_challenge_of_its_bye_answered() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.500 > INVITE sdp=offer
         1.500 > INVITE sdp=offer
         3.500 > INVITE sdp=offer
         4.000 ! no response
         4.000 ! ended
         5.000 < 180 tag=a
         5.000 > CANCEL
         5.010 < 200 CANCEL tag=a
         5.015 < 180 tag=a
         5.020 < 200 tag=a
         5.020 > ACK tag=a
         5.020 > BYE tag=a
         5.030 < 407 BYE | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         5.030 > BYE tag=a authorized
         5.040 < 200 BYE
        ",
    );
}

#[test]
fn a_reinvite_that_is_answered_after_the_call_is_acknowledged_along_its_route_and_no_more() {
    let by_peer = "
         1.200 < BYE tag=a
         1.200 > 200 BYE
         1.200 ! hung up
         1.200 ! ended";
    let by_us = "
         1.200 * hangup
         1.200 > BYE tag=a
         1.200 ! ended
         1.210 < 200 BYE";
    for end in [by_peer, by_us] {
        let script = format!(
            "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer | Record-Route: <sip:192.0.2.1;lr;at=edge>
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer
         1.000 * reinvite hold
         1.000 > INVITE tag=a sdp=hold
         {end}
         1.300 < 200 sdp=held | Contact: <sip:moved@192.0.2.1>
         1.300 > ACK tag=a
         1.800 < 200 sdp=held | Contact: <sip:moved@192.0.2.1>
         1.800 > ACK tag=a"
        );
        let stage = transcript::check(&script, |_, _| Stage::new(Transport::Udp));
        assert_eq!(stage.sent["ACK"].uri(), "sip:moved@192.0.2.1");
        assert_eq!(stage.sent["ACK"].headers().get("Route"), Some("<sip:192.0.2.1;lr;at=edge>"));
        assert_eq!(stage.endpoint.counts(), Counts::default());
    }
}

#[test]
fn a_call_is_parted_with_the_answer_to_its_bye_whatever_becomes_of_its_reinvite() {
    let mut stage = Stage::new(Transport::Udp);
    let (now, mut said) = (Instant::ZERO, Vec::new());
    for words in ["invite", "200 tag=a sdp=answer", "reinvite hold", "100", "hangup"] {
        stage.play(now, words, &mut said);
    }
    assert!(said.contains(&"> CANCEL tag=a".to_owned()), "{said:?}");
    assert!(stage.endpoint.is_parting() && stage.parting.len() == 1);
    stage.play(now, "200 BYE", &mut said);
    assert!(!stage.endpoint.is_parting() && stage.parting.is_empty());
}

#[test]
fn an_update_that_nobody_waits_for_is_not_cancelled() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer | Session-Expires: 600;refresher=uac | Allow: UPDATE
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer
       300.200 > UPDATE tag=a interval=600;refresher=uac
       300.300 < BYE tag=a
       300.300 > 200 BYE
       300.300 ! hung up
       300.300 ! ended
       300.400 < 100 UPDATE
       300.500 < 200 UPDATE
        "
        .replace("* invite", "* invite timer=600")
        .replace("> INVITE sdp", "> INVITE interval=600 sdp")
        .as_str(),
    );
}

#[test]
fn an_answer_without_contact_keeps_the_target_of_its_ringing() {
    let script = "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a | Contact: <sip:rung@192.0.2.1:5060>
         0.100 ! 180
         0.200 < 200 tag=a sdp=answer | Contact: *
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer
         9.000 * hangup
         9.000 > BYE tag=a
         9.000 ! ended
         9.100 < 200 BYE";
    let stage = transcript::check(script, |_, _| Stage::new(Transport::Udp));
    assert_eq!(stage.sent["ACK"].uri(), "sip:rung@192.0.2.1:5060");
    assert_eq!(stage.sent["BYE"].uri(), "sip:rung@192.0.2.1:5060");
}
