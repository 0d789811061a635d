//! Calls from the INVITE to the BYE, and the races between them.

use super::{check, check_tcp};

#[test]
fn a_call_rings_is_answered_and_hung_up() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.120 < 100
         0.120 ! trying
         1.000 < 183 tag=a sdp=early
         1.000 ! 183 sdp=early
         2.000 < 180 tag=a
         2.000 ! 180
         5.000 < 200 tag=a sdp=answer
         5.000 > ACK tag=a
         5.000 ! answered sdp=answer
        60.000 * hangup
        60.000 > BYE tag=a
        60.000 ! ended
        60.500 > BYE tag=a
        60.600 < 200 BYE
        ",
    );
}

#[test]
fn the_peer_hangs_up_and_its_bye_is_answered_each_time() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer
         9.000 < BYE tag=a | Reason: Q.850;cause=16
         9.000 > 200 BYE
         9.000 ! hung up cause=16
         9.000 ! ended
         9.500 < BYE tag=a cseq=101
         9.500 > 200 BYE
         9.600 < BYE tag=a cseq=102
         9.600 > 481 BYE
        ",
    );
}

#[test]
fn a_rejection_tells_cause_and_retry_after() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 100
         0.100 ! trying
         0.300 < 503 tag=a | Retry-After: 7 (busy) | Reason: Q.850;cause=34
         0.300 > ACK tag=a
         0.300 ! rejected 503 cause=34 retry=7
         0.300 ! ended
         0.800 < 503 tag=a
         0.800 > ACK tag=a
        ",
    );
}

#[test]
fn silence_is_given_up_after_the_response_timeout_without_further_copies() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.500 > INVITE sdp=offer
         1.500 > INVITE sdp=offer
         3.500 > INVITE sdp=offer
         4.000 ! no response
         4.000 ! ended
        ",
    );
}

#[test]
fn what_still_comes_for_a_call_given_up_is_cancelled_or_ended() {
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
         5.020 < 487 tag=a
         5.020 > ACK tag=a
        ",
    );
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.500 > INVITE sdp=offer
         1.500 > INVITE sdp=offer
         3.500 > INVITE sdp=offer
         4.000 ! no response
         4.000 ! ended
         5.000 < 200 tag=a
         5.000 > ACK tag=a
         5.000 > BYE tag=a
         5.100 < 200 BYE
        ",
    );
}

#[test]
fn a_transport_that_fails_is_no_response() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.010 * unreachable
         0.010 ! no response
         0.010 ! ended
        ",
    );
}

#[test]
fn a_ringing_call_is_cancelled() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
        25.000 * hangup
        25.000 > CANCEL
        25.050 < 200 CANCEL tag=a
        25.060 < 487 tag=a
        25.060 > ACK tag=a
        25.060 ! rejected 487
        25.060 ! ended
        ",
    );
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 * hangup
         0.500 > INVITE sdp=offer
         0.700 < 100
         0.700 > CANCEL
         0.750 < 200 CANCEL
         0.760 < 180 tag=a
         0.800 < 487 tag=a
         0.800 > ACK tag=a
         0.800 ! rejected 487
         0.800 ! ended
        ",
    );
}

#[test]
fn a_hang_up_that_nothing_is_heard_of_ends_with_the_response_timeout() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 * hangup
         0.500 > INVITE sdp=offer
         1.500 > INVITE sdp=offer
         3.500 > INVITE sdp=offer
         4.000 ! no response
         4.000 ! ended
        ",
    );
}

#[test]
fn copies_of_a_200_are_acknowledged_even_when_the_call_has_ended() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a
         0.200 > ACK tag=a
         0.200 ! answered
         0.700 < 200 tag=a
         0.700 > ACK tag=a
         1.000 * hangup
         1.000 > BYE tag=a
         1.000 ! ended
         1.100 < 200 BYE
         1.700 < 200 tag=a
         1.700 > ACK tag=a
        31.000 < 200 tag=a
        31.000 > ACK tag=a
        ",
    );
}

#[test]
fn the_second_fork_that_answers_is_acknowledged_and_ended() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         0.200 < 183 tag=b sdp=early
         0.200 ! 183 sdp=early
         3.000 < 200 tag=b sdp=answer
         3.000 > ACK tag=b
         3.000 ! answered sdp=answer
         3.100 < 200 tag=a sdp=other
         3.100 > ACK tag=a
         3.100 > BYE tag=a
         3.150 < 200 BYE
         3.600 < 200 tag=a
         3.600 > ACK tag=a
         4.000 * hangup
         4.000 > BYE tag=b
         4.000 ! ended
         4.100 < 200 BYE
         5.000 < 200 tag=c
         5.000 > ACK tag=c
         5.000 > BYE tag=c
         5.100 < 200 BYE
        ",
    );
}

#[test]
fn a_challenge_is_answered_with_a_new_invite_once() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.050 < 100
         0.050 ! trying
         0.100 < 407 tag=x | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
         0.100 > ACK tag=x
         0.100 > INVITE authorized sdp=offer
         0.200 < 180 tag=a
         0.200 ! 180
         1.000 < 200 tag=a
         1.000 > ACK tag=a authorized
         1.000 ! answered
         2.000 < BYE tag=a
         2.000 > 200 BYE
         2.000 ! hung up
         2.000 ! ended
        ",
    );
}

#[test]
fn a_trunk_that_challenges_for_ever_is_a_rejection() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 401 tag=x | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         0.100 > ACK tag=x
         0.100 > INVITE authorized sdp=offer
         0.200 < 401 tag=x | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n2\", stale=true
         0.200 > ACK tag=x
         0.200 > INVITE authorized sdp=offer
         0.300 < 401 tag=x | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n3\", stale=true
         0.300 > ACK tag=x
         0.300 ! rejected 401
         0.300 ! ended
        ",
    );
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 401 tag=x | WWW-Authenticate: Digest realm=\"stranger\", nonce=\"n1\"
         0.100 > ACK tag=x
         0.100 ! rejected 401
         0.100 ! ended
        ",
    );
}

#[test]
fn a_challenged_bye_is_sent_again_with_credentials() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a
         0.200 > ACK tag=a
         0.200 ! answered
         1.000 * hangup
         1.000 > BYE tag=a
         1.000 ! ended
         1.100 < 407 BYE | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         1.100 > BYE tag=a authorized
         1.200 < 200 BYE
        ",
    );
}

#[test]
fn nothing_is_sent_twice_over_tcp_but_a_repeated_200_is_acknowledged() {
    check_tcp(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         3.000 < 100
         3.000 ! trying
         5.000 < 200 tag=a
         5.000 > ACK tag=a
         5.000 ! answered
         5.500 < 200 tag=a
         5.500 > ACK tag=a
         6.000 * hangup
         6.000 > BYE tag=a
         6.000 ! ended
        20.000 < 200 BYE
        ",
    );
}

#[test]
fn a_stream_that_closes_before_the_first_response_is_no_response() {
    check_tcp(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.500 * unreachable
         0.500 ! no response
         0.500 ! ended
        ",
    );
}

#[test]
fn a_fork_that_leaves_early_does_not_end_the_call() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         0.200 < BYE tag=a
         0.200 > 200 BYE
         0.300 < 200 tag=b
         0.300 > ACK tag=b
         0.300 ! answered
         0.400 < BYE tag=b
         0.400 > 200 BYE
         0.400 ! hung up
         0.400 ! ended
        ",
    );
}

#[test]
fn a_challenged_invite_whose_ack_cannot_be_delivered_does_not_end_the_call() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 407 tag=x | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         0.100 > ACK tag=x
         0.100 > INVITE authorized sdp=offer
         0.200 < 180 tag=a
         0.200 ! 180
         0.300 * unreachable
         0.400 < 486 tag=a
         0.400 > ACK tag=a
         0.400 ! rejected 486
         0.400 ! ended
        ",
    );
}
