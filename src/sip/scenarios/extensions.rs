//! What a call may use beyond RFC 3261: reliable provisional responses (3262), UPDATE (3311), session timers (4028).

use super::{check, check_tcp};

#[test]
fn a_reliable_183_is_acknowledged_once_and_its_answer_holds_for_the_200() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=a sdp=early | Require: 100rel | RSeq: 7001
         0.100 > PRACK tag=a rack=7001
         0.100 ! 183 sdp=early
         0.150 < 200 PRACK
         0.600 < 183 tag=a sdp=early | Require: 100rel | RSeq: 7001
         1.000 < 180 tag=a | Require: 100rel | RSeq: 7002
         1.000 > PRACK tag=a rack=7002
         1.000 ! 180
         1.050 < 200 PRACK
         2.000 < 200 tag=a sdp=other
         2.000 > ACK tag=a
         2.000 ! answered sdp=early
         3.000 * hangup
         3.000 > BYE tag=a
         3.000 ! ended
         3.100 < 200 BYE
        ",
    );
}

#[test]
fn a_reliable_response_that_has_overtaken_another_waits_for_its_turn_and_each_fork_counts_its_own() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 180
         0.110 < 200 PRACK
         0.200 < 183 tag=a sdp=late | Require: 100rel | RSeq: 3
         0.300 < 183 tag=b sdp=b | Require: 100rel | RSeq: 3
         0.300 > PRACK tag=b rack=3
         0.300 ! 183 sdp=b
         0.310 < 200 PRACK
         0.400 < 180 tag=a | Require: 100rel | RSeq: 2
         0.400 > PRACK tag=a rack=2
         0.400 ! 180
         0.410 < 200 PRACK
         0.700 < 183 tag=a sdp=late | Require: 100rel | RSeq: 3
         0.700 > PRACK tag=a rack=3
         0.700 ! 183 sdp=late
         0.710 < 200 PRACK
         0.800 < 183 | Require: 100rel | RSeq: 1
         0.900 < 183 tag=c | Require: 100rel
         1.000 < 486 tag=a
         1.000 > ACK tag=a
         1.000 ! rejected 486
         1.000 ! ended
        ",
    );
}

#[test]
fn a_prack_is_repeated_and_its_silence_does_not_end_a_call_that_is_answered() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 180
         0.600 > PRACK tag=a rack=1
         1.000 < 200 tag=a sdp=answer
         1.000 > ACK tag=a
         1.000 ! answered sdp=answer
         1.200 < 481 PRACK
         2.000 * hangup
         2.000 > BYE tag=a
         2.000 ! ended
         2.100 < 200 BYE
        ",
    );
}

#[test]
fn a_trunk_may_have_it_required_or_not_offered_and_a_challenged_prack_is_sent_again() {
    check(
        "
         0.000 * invite 100rel=required
         0.000 > INVITE require=100rel sdp=offer
         0.100 < 420 tag=a | Unsupported: 100rel
         0.100 > ACK tag=a
         0.100 ! rejected 420
         0.100 ! ended
        ",
    );
    check(
        "
         0.000 * invite 100rel=off
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 180
         0.200 < 407 PRACK | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
         0.200 > PRACK tag=a authorized rack=1
         0.300 < 200 PRACK
         1.000 < 486 tag=a
         1.000 > ACK tag=a
         1.000 ! rejected 486
         1.000 ! ended
        ",
    );
}

#[test]
fn an_offer_of_ours_travels_in_the_prack_and_later_by_update() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         0.200 * reinvite hold
         0.300 < 183 tag=a sdp=early | Require: 100rel | RSeq: 5 | Allow: INVITE, UPDATE
         0.300 > PRACK tag=a rack=5 sdp=hold
         0.300 ! 183 sdp=early
         0.350 < UPDATE tag=a sdp=crossing
         0.350 > 491 UPDATE
         0.400 < 200 PRACK sdp=held
         0.400 ! offer answered 200 sdp=held
         0.500 * reinvite resume
         0.500 > UPDATE tag=a sdp=resume
         0.600 < 200 UPDATE sdp=resumed
         0.600 ! offer answered 200 sdp=resumed
         2.000 < 200 tag=a
         2.000 > ACK tag=a
         2.000 ! answered sdp=resumed
         3.000 * hangup
         3.000 > BYE tag=a
         3.000 ! ended
         3.100 < 200 BYE
        ",
    );
}

#[test]
fn a_challenged_prack_comes_again_above_the_numbers_of_those_after_it() {
    check_tcp(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=a | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 183
         0.110 < 183 tag=a | Require: 100rel | RSeq: 2
         0.110 > PRACK tag=a rack=2
         0.110 ! 183
         0.120 < 407 PRACK | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         0.120 > PRACK tag=a authorized rack=2
         0.130 < 200 PRACK
         0.200 < 183 tag=a | Require: 100rel | RSeq: 3
         0.200 > PRACK tag=a rack=3
         0.200 ! 183
         0.210 < 200 PRACK
         0.300 < 486 tag=a
         0.300 > ACK tag=a
         0.300 ! rejected 486
         0.300 ! ended
        ",
    );
}

#[test]
fn after_a_reliable_answer_no_other_description_counts() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.050 < 183 tag=a sdp=preview
         0.050 ! 183 sdp=preview
         0.100 < 183 tag=a sdp=answer | Require: 100rel | RSeq: 1
         0.100 > PRACK tag=a rack=1
         0.100 ! 183 sdp=answer
         0.110 < 200 PRACK
         0.200 < 183 tag=a sdp=second | Require: 100rel | RSeq: 2
         0.200 > PRACK tag=a rack=2
         0.200 ! 183
         0.210 < 200 PRACK
         0.300 < 183 tag=a sdp=third
         0.300 ! 183
         0.400 < 200 tag=a sdp=fourth
         0.400 > ACK tag=a
         0.400 ! answered sdp=answer
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        ",
    );
}

#[test]
fn a_provisional_response_without_a_tag_is_no_more_than_a_100() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180
         0.100 ! trying
         0.200 < 183 sdp=nobodys | Require: 100rel | RSeq: 1
         0.300 < 200 tag=a sdp=answer
         0.300 > ACK tag=a
         0.300 ! answered sdp=answer
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        ",
    );
}

#[test]
fn a_call_that_is_hung_up_still_acknowledges_what_the_callee_waits_for() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 100
         0.100 ! trying
         0.200 * hangup
         0.200 > CANCEL
         0.210 < 183 tag=a sdp=early | Require: 100rel | RSeq: 9
         0.210 > PRACK tag=a rack=9
         0.250 < 200 CANCEL
         0.260 < 200 PRACK
         0.300 < 487 tag=a
         0.300 > ACK tag=a
         0.300 ! rejected 487
         0.300 ! ended
        ",
    );
}

#[test]
fn a_call_that_is_hung_up_comes_to_rest_whatever_became_of_an_offer_of_ours() {
    // The offer's own time is up before that of the PRACK that was challenged, and before that of the CANCEL.
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         0.200 * reinvite hold
         0.300 < 183 tag=a sdp=early | Require: 100rel | RSeq: 5 | Allow: INVITE, UPDATE
         0.300 > PRACK tag=a rack=5 sdp=hold
         0.300 ! 183 sdp=early
         0.400 < 407 PRACK | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
         0.400 > PRACK tag=a authorized rack=5 sdp=hold
         0.500 < 100 PRACK
         0.900 > PRACK tag=a authorized rack=5 sdp=hold
         1.000 * hangup
         1.000 > CANCEL
         1.100 < 200 CANCEL
         4.900 > PRACK tag=a authorized rack=5 sdp=hold
         8.900 > PRACK tag=a authorized rack=5 sdp=hold
        12.900 > PRACK tag=a authorized rack=5 sdp=hold
        16.900 > PRACK tag=a authorized rack=5 sdp=hold
        20.900 > PRACK tag=a authorized rack=5 sdp=hold
        24.900 > PRACK tag=a authorized rack=5 sdp=hold
        28.900 > PRACK tag=a authorized rack=5 sdp=hold
        32.400 ! offer answered 408
        33.000 ! no response
        33.000 ! ended
        ",
    );
}

/// A call with session timers that is answered after `0.200`, with this in the 200.
fn check_with_timer(settled: &str, script: &str) {
    check(&format!(
        "
         0.000 * invite timer=1800
         0.000 > INVITE interval=1800 sdp=offer
         0.200 < 200 tag=them sdp=answer{settled}
         0.200 > ACK tag=them
         0.200 ! answered sdp=answer
         {script}"
    ));
}

#[test]
fn a_422_is_answered_with_a_longer_interval_and_a_higher_number() {
    check(
        "
         0.000 * invite timer=90
         0.000 > INVITE interval=90 sdp=offer
         0.100 < 422 tag=a | Min-SE: 600
         0.100 > ACK tag=a
         0.100 > INVITE interval=600 least=600 sdp=offer
         0.200 < 422 tag=b | Min-SE: 900
         0.200 > ACK tag=b
         0.200 > INVITE interval=900 least=900 sdp=offer
         0.300 < 422 tag=c | Min-SE: 300
         0.300 > ACK tag=c
         0.300 ! rejected 422
         0.300 ! ended
        ",
    );
}

#[test]
fn we_refresh_by_update_where_the_peer_takes_it_at_half_of_the_interval() {
    check_with_timer(
        " | Session-Expires: 600;refresher=uac | Allow: INVITE, ACK, UPDATE",
        "
       300.200 > UPDATE tag=them interval=600;refresher=uac
       300.300 < 200 UPDATE | Session-Expires: 600;refresher=uac
       600.300 > UPDATE tag=them interval=600;refresher=uac
       600.400 < 422 UPDATE | Min-SE: 1200
       600.400 > UPDATE tag=them interval=1200;refresher=uac least=1200
       600.500 < 200 UPDATE | Session-Expires: 1200;refresher=uas
      1768.500 ! vanished cause=102
      1768.500 > BYE tag=them
      1768.500 ! ended
      1768.600 < 200 BYE
        ",
    );
}

#[test]
fn an_offer_that_is_put_off_is_not_lost_to_a_refresh_that_became_due_meanwhile() {
    check_with_timer(
        " | Session-Expires: 600;refresher=uac | Allow: INVITE, ACK",
        "
       300.100 * reinvite hold
       300.100 > INVITE tag=them interval=600;refresher=uac sdp=hold
       300.300 < 491
       300.300 > ACK tag=them
       303.510 > INVITE tag=them interval=600;refresher=uac sdp=hold
       303.600 < 200 sdp=held | Session-Expires: 600;refresher=uac
       303.600 > ACK tag=them
       303.600 ! offer answered 200 sdp=held
       310.000 < BYE
       310.000 > 200 BYE
       310.000 ! hung up
       310.000 ! ended
        ",
    );
}

#[test]
fn an_offer_waits_as_long_as_the_refresh_that_was_put_off_before_it() {
    check_with_timer(
        " | Session-Expires: 600;refresher=uac | Allow: INVITE, ACK",
        "
       300.200 > INVITE tag=them interval=600;refresher=uac sdp=offer
       300.300 < 491
       300.300 > ACK tag=them
       300.400 * reinvite hold
       303.510 > INVITE tag=them interval=600;refresher=uac sdp=hold
       303.600 < 200 sdp=held | Session-Expires: 600;refresher=uac
       303.600 > ACK tag=them
       303.600 ! offer answered 200 sdp=held
       310.000 < BYE
       310.000 > 200 BYE
       310.000 ! hung up
       310.000 ! ended
        ",
    );
}

#[test]
fn we_refresh_by_reinvite_with_what_is_agreed_upon_where_update_is_not_taken() {
    check_with_timer(
        " | Session-Expires: 600 | Allow: INVITE, ACK, UPDATE",
        "
       300.200 > UPDATE tag=them interval=600;refresher=uac
       300.300 < 501 UPDATE
       300.300 > INVITE tag=them interval=600;refresher=uac sdp=offer
       300.400 < 200 sdp=answer | Session-Expires: 600;refresher=uac
       300.400 > ACK tag=them
       600.400 > INVITE tag=them interval=600;refresher=uac sdp=offer
       600.500 < 200 sdp=moved
       600.500 > ACK tag=them
       600.500 ! offer answered 200 sdp=moved
      5000.000 < BYE
      5000.000 > 200 BYE
      5000.000 ! hung up
      5000.000 ! ended
        ",
    );
}

#[test]
fn a_refresh_that_nobody_answers_or_knows_of_ends_the_call() {
    check_with_timer(
        " | Session-Expires: 90;refresher=uac | Allow: UPDATE",
        "
        45.200 > UPDATE tag=them interval=90;refresher=uac
        45.300 < 481 UPDATE
        45.300 ! hung up
        45.300 > BYE tag=them
        45.300 ! ended
        45.400 < 481 BYE
        ",
    );
    check_with_timer(
        " | Session-Expires: 90;refresher=uac | Allow: UPDATE",
        "
        45.200 > UPDATE tag=them interval=90;refresher=uac
        45.300 < 500 UPDATE
        52.750 > UPDATE tag=them interval=90;refresher=uac
        52.800 < 500 UPDATE
        56.500 > UPDATE tag=them interval=90;refresher=uac
        56.600 < 500 UPDATE
        58.600 > UPDATE tag=them interval=90;refresher=uac
        58.700 < 500 UPDATE
        60.200 ! vanished cause=102
        60.200 > BYE tag=them
        60.200 ! ended
        60.300 < 200 BYE
        ",
    );
}

#[test]
fn the_peers_refresh_keeps_the_call_and_its_absence_ends_it_a_third_or_32_s_before_the_end() {
    check_with_timer(
        " | Session-Expires: 90;refresher=uas",
        "
        40.000 < UPDATE | Supported: timer | Session-Expires: 90;refresher=uac
        40.000 > 200 UPDATE require=timer interval=90;refresher=uac
        90.000 < INVITE sdp=same | Supported: timer | Session-Expires: 300
        90.000 ! offered sdp=same
        90.010 * answer ours
        90.010 > 200 INVITE require=timer interval=300;refresher=uac sdp=ours
        90.100 < ACK cseq=102
       100.000 < UPDATE | Require: timer | Supported: timer | Session-Expires: 60;refresher=uac
       100.000 > 422 UPDATE least=90
       358.010 ! vanished cause=102
       358.010 > BYE tag=them
       358.010 ! ended
       358.100 < 200 BYE
        ",
    );
}

#[test]
fn a_peer_may_make_us_the_refresher_and_without_an_interval_nothing_expires() {
    check_with_timer(
        "",
        "
       100.000 < UPDATE | Session-Expires: 200;refresher=uas
       100.000 > 200 UPDATE interval=200;refresher=uas
       200.000 > INVITE tag=them interval=200;refresher=uac sdp=offer
       200.100 < 200 sdp=answer
       200.100 > ACK tag=them
      9000.000 < BYE
      9000.000 > 200 BYE
      9000.000 ! hung up
      9000.000 ! ended
        ",
    );
}

#[test]
fn without_session_timers_of_ours_a_peer_that_requires_them_is_told_so() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them sdp=answer | Session-Expires: 90;refresher=uas
         0.200 > ACK tag=them
         0.200 ! answered sdp=answer
         1.000 < UPDATE | Require: timer | Session-Expires: 90;refresher=uac
         1.000 > 420 UPDATE
         2.000 < UPDATE | Session-Expires: 90;refresher=uac
         2.000 > 200 UPDATE
       500.000 < BYE
       500.000 > 200 BYE
       500.000 ! hung up
       500.000 ! ended
        ",
    );
}
