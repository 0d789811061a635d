//! Re-INVITE, UPDATE, INFO and OPTIONS within a call.

use super::check;

/// A call that is up after `0.200`, and the end of it at `99.000`.
fn check_in_call(script: &str) {
    let up = "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them sdp=answer
         0.200 > ACK tag=them
         0.200 ! answered sdp=answer
        ";
    let down = "
        99.000 < BYE
        99.000 > 200 BYE
        99.000 ! hung up
        99.000 ! ended
        ";
    check(&format!("{up}{script}{down}"));
}

#[test]
fn a_hold_is_offered_answered_and_acknowledged() {
    check_in_call(
        "
         1.000 < INVITE sdp=hold
         1.000 ! offered sdp=hold
         1.050 * answer held
         1.050 > 200 INVITE sdp=held
         1.100 < ACK cseq=101
        ",
    );
}

#[test]
fn our_200_to_a_reinvite_is_repeated_until_its_ack() {
    check_in_call(
        "
         1.000 < INVITE sdp=hold
         1.000 ! offered sdp=hold
         1.300 > 100 INVITE
         1.300 * answer held
         1.300 > 200 INVITE sdp=held
         1.800 > 200 INVITE sdp=held
         2.800 > 200 INVITE sdp=held
         3.000 < INVITE sdp=hold cseq=101
         4.800 > 200 INVITE sdp=held
         5.000 < ACK cseq=101
        "
        .replace("1.300 > 100", "1.200 > 100")
        .as_str(),
    );
}

#[test]
fn a_reinvite_whose_ack_never_comes_ends_the_call() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them
         0.200 > ACK tag=them
         0.200 ! answered
         1.000 < INVITE sdp=hold
         1.000 ! offered sdp=hold
         1.000 * answer held
         1.000 > 200 INVITE sdp=held
         1.500 > 200 INVITE sdp=held
         2.500 > 200 INVITE sdp=held
         4.500 > 200 INVITE sdp=held
         8.500 > 200 INVITE sdp=held
        12.500 > 200 INVITE sdp=held
        16.500 > 200 INVITE sdp=held
        20.500 > 200 INVITE sdp=held
        24.500 > 200 INVITE sdp=held
        28.500 > 200 INVITE sdp=held
        32.500 > 200 INVITE sdp=held
        33.000 ! vanished
        33.000 > BYE tag=them
        33.000 ! ended
        33.100 < 481 BYE
        ",
    );
}

#[test]
fn an_empty_reinvite_gets_our_offer_and_the_ack_has_the_answer() {
    check_in_call(
        "
         1.000 < INVITE
         1.000 ! offered
         1.010 * answer ours
         1.010 > 200 INVITE sdp=ours
         1.050 < INVITE sdp=theirs
         1.050 > 491 INVITE
         1.060 < ACK cseq=102
         1.100 < ACK cseq=101 sdp=theirs
         1.100 ! offer answered 200 sdp=theirs
        "
        .replace("1.060 < ACK cseq=102", "1.060 < ACK cseq=102 branch=pINVITE102")
        .as_str(),
    );
}

#[test]
fn an_update_is_answered_and_an_empty_one_needs_no_decision() {
    check_in_call(
        "
         1.000 < UPDATE sdp=new
         1.000 ! offered sdp=new
         1.010 * answer ours
         1.010 > 200 UPDATE sdp=ours
         2.000 < UPDATE
         2.000 > 200 UPDATE
        ",
    );
}

#[test]
fn an_offer_may_be_refused_and_the_call_goes_on() {
    check_in_call(
        "
         1.000 < INVITE sdp=video
         1.000 ! offered sdp=video
         1.010 * refuse 488
         1.010 > 488 INVITE
         1.050 < ACK cseq=101 branch=pINVITE101
        ",
    );
}

#[test]
fn a_refused_offer_moves_no_target() {
    // The stage holds all that leaves to the place where the peer was.
    check_in_call(
        "
         1.000 < INVITE sdp=video | Contact: <sip:moved@192.0.2.99:5070>
         1.000 ! offered sdp=video
         1.010 * refuse 488
         1.010 > 488 INVITE
         1.050 < ACK cseq=101 branch=pINVITE101
         1.100 < UPDATE sdp=x | Contact: <sip:moved@192.0.2.99:5070> | Content-Encoding: gzip
         1.100 > 415 UPDATE
         2.000 * info 1
         2.000 > INFO tag=them sdp=1
         2.100 < 200 INFO
        ",
    );
}

#[test]
fn an_offer_that_nobody_answers_is_refused_after_ten_seconds() {
    check_in_call(
        "
         1.000 < UPDATE sdp=new
         1.000 ! offered sdp=new
        11.000 > 500 UPDATE
        11.500 * answer late
        ",
    );
}

#[test]
fn what_we_have_said_that_we_know_may_be_required() {
    check_in_call(
        "
         1.000 < UPDATE | Require: 100rel
         1.000 > 200 UPDATE
         1.100 < UPDATE | Require: timer
         1.100 > 420 UPDATE
        ",
    );
}

#[test]
fn a_second_offer_before_the_answer_to_the_first_is_told_to_come_later() {
    check_in_call(
        "
         1.000 < INVITE sdp=one
         1.000 ! offered sdp=one
         1.010 < UPDATE sdp=two
         1.010 > 500 UPDATE retry-after
         1.020 * answer ours
         1.020 > 200 INVITE sdp=ours
         1.050 < ACK cseq=101
        ",
    );
}

#[test]
fn a_reinvite_that_is_taken_back_is_terminated() {
    check_in_call(
        "
         1.000 < INVITE sdp=hold
         1.000 ! offered sdp=hold
         1.100 < CANCEL cseq=101 branch=pINVITE101
         1.100 > 200 CANCEL
         1.100 > 487 INVITE
         1.150 < ACK cseq=101 branch=pINVITE101
         1.200 * answer late
        ",
    );
}

#[test]
fn a_bye_during_an_open_offer_refuses_it_and_ends_the_call() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them
         0.200 > ACK tag=them
         0.200 ! answered
         1.000 < INVITE sdp=hold
         1.000 ! offered sdp=hold
         1.100 < BYE
         1.100 > 200 BYE
         1.100 ! hung up
         1.100 > 487 INVITE
         1.100 ! ended
         1.150 < ACK cseq=101 branch=pINVITE101
        ",
    );
}

#[test]
fn our_reinvite_is_answered_and_acknowledged() {
    check_in_call(
        "
         1.000 * reinvite hold
         1.000 > INVITE tag=them sdp=hold
         1.100 < 200 sdp=held
         1.100 > ACK tag=them
         1.100 ! offer answered 200 sdp=held
         1.600 < 200 sdp=held
         1.600 > ACK tag=them
         2.000 * reinvite video
         2.000 > INVITE tag=them sdp=video
         2.100 < 488
         2.100 > ACK tag=them
         2.100 ! offer answered 488
        ",
    );
}

#[test]
fn our_challenged_reinvite_comes_again_above_the_number_of_what_left_meanwhile() {
    check_in_call(
        "
         1.000 * reinvite hold
         1.000 > INVITE tag=them sdp=hold
         1.050 * info 1
         1.050 > INFO tag=them sdp=1
         1.100 < 407 INVITE | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         1.100 > ACK tag=them
         1.100 > INVITE tag=them authorized sdp=hold
         1.150 < 200 INFO
         1.200 < 200 INVITE sdp=held
         1.200 > ACK tag=them authorized
         1.200 ! offer answered 200 sdp=held
        ",
    );
}

#[test]
fn glare_is_refused_with_491_and_ours_goes_out_again_later() {
    check_in_call(
        "
         1.000 * reinvite hold
         1.000 > INVITE tag=them sdp=hold
         1.010 < INVITE sdp=theirs
         1.010 > 491 INVITE
         1.020 < 491
         1.020 > ACK tag=them
         1.030 < ACK cseq=101 branch=pINVITE101
         1.500 < UPDATE sdp=theirs
         1.500 ! offered sdp=theirs
         1.510 * answer ours
         1.510 > 200 UPDATE sdp=ours
         3.800 > INVITE tag=them sdp=hold
         3.900 < 200 sdp=held
         3.900 > ACK tag=them
         3.900 ! offer answered 200 sdp=held
        ",
    );
}

#[test]
fn our_offer_waits_for_theirs_to_be_done() {
    check_in_call(
        "
         1.000 < INVITE sdp=hold
         1.000 ! offered sdp=hold
         1.010 * reinvite old
         1.020 * reinvite new
         1.030 * answer held
         1.030 > 200 INVITE sdp=held
         1.050 < ACK cseq=101
         1.050 > INVITE tag=them sdp=new
         1.100 < 200 sdp=fine
         1.100 > ACK tag=them
         1.100 ! offer answered 200 sdp=fine
        ",
    );
}

#[test]
fn a_peer_that_knows_no_such_call_ends_it() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them
         0.200 > ACK tag=them
         0.200 ! answered
         1.000 * reinvite hold
         1.000 > INVITE tag=them sdp=hold
         1.100 < 481
         1.100 > ACK tag=them
         1.100 ! offer answered 481
         1.100 ! hung up
         1.100 > BYE tag=them
         1.100 ! ended
         1.200 < 481 BYE
        ",
    );
}

#[test]
fn info_and_options_are_answered_and_others_are_refused() {
    check_in_call(
        "
         1.000 < INFO sdp=5 | Content-Type: application/dtmf-relay
         1.000 > 200 INFO
         1.000 ! info application/dtmf-relay
         1.100 < OPTIONS
         1.100 > 200 OPTIONS
         1.200 < REFER | Refer-To: <sip:+88212345@h>
         1.200 > 405 REFER
         1.300 < PRACK
         1.300 > 481 PRACK
         1.400 < HELLO
         1.400 > 501 HELLO
         1.450 < HELLO | Require: odd
         1.450 > 501 HELLO
         1.500 < INFO | Require: odd
         1.500 > 420 INFO
         1.550 < INFO sdp=x | Content-Type: text/plain
         1.550 > 415 INFO
         1.560 < INFO | Info-Package: odd
         1.560 > 469 INFO
         1.600 < INFO cseq=50
         1.600 > 500 INFO
         1.700 < INFO tag=stranger
         1.700 > 481 INFO
        ",
    );
}

#[test]
fn an_update_in_early_media_is_answered_and_one_before_our_answer_is_not() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=them
         0.100 ! 180
         0.200 < UPDATE sdp=too-early
         0.200 > 491 UPDATE
         0.300 < 183 tag=them sdp=early
         0.300 ! 183 sdp=early
         0.400 < UPDATE sdp=new
         0.400 ! offered sdp=new
         0.410 * answer ours
         0.410 > 200 UPDATE sdp=ours
         0.500 < UPDATE sdp=newer
         0.500 ! offered sdp=newer
         0.600 < 486 tag=them
         0.600 > ACK tag=them
         0.600 ! rejected 486
         0.600 > 487 UPDATE
         0.600 ! ended
        ",
    );
}

#[test]
fn offers_after_a_cancel_are_terminated() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=them sdp=early
         0.100 ! 183 sdp=early
         0.200 < UPDATE sdp=one
         0.200 ! offered sdp=one
         0.300 * hangup
         0.300 > CANCEL
         0.300 > 487 UPDATE
         0.400 < UPDATE sdp=two
         0.400 > 487 UPDATE
         0.500 < 200 CANCEL
        32.300 ! no response
        32.300 ! ended
        ",
    );
}

#[test]
fn a_body_that_is_no_sdp_is_not_taken_for_an_offer() {
    check_in_call(
        "
         1.000 < UPDATE sdp=text | Content-Type: text/plain
         1.000 > 415 UPDATE
         1.100 < UPDATE sdp=text | Content-Type: text/plain | Content-Disposition: render;handling=optional
         1.100 > 200 UPDATE
         1.200 < UPDATE sdp=new | Content-Type: application / sdp
         1.200 ! offered sdp=new
         1.210 * answer ours
         1.210 > 200 UPDATE sdp=ours
        ",
    );
}

#[test]
fn a_reinvite_that_is_never_finished_ends_the_call_and_is_cancelled() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them
         0.200 > ACK tag=them
         0.200 ! answered
         1.000 * reinvite hold
         1.000 > INVITE tag=them sdp=hold
         1.100 < 100
        33.000 ! offer answered 408
        33.000 ! vanished
        33.000 > BYE tag=them
        33.000 > CANCEL tag=them
        33.000 ! ended
        33.100 < 200 BYE
        33.100 < 200 CANCEL
        33.200 < 487
        33.200 > ACK tag=them
        ",
    );
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    check_in_call(
        "
         1.000 * reinvite hold
         1.000 > INVITE tag=them sdp=hold
         1.050 * answer stray
         1.100 < 200 sdp=held
         1.100 > ACK tag=them
         1.100 ! offer answered 200 sdp=held
        ",
    );
}
