//! The faults of carriers that a call must survive, each by its number: 9 to 17 of the list that this project tests by.
//! What must hold each time: every 2xx is acknowledged, one leg is up, the line is free at the first BYE, and 64*T1 later
//! nothing is left. (18, unusable media, is in `call/attempt/tests.rs`; 22, premium numbers, in `engine`.)

use super::check;

/// A call that is answered after `0.200` by the fork `a`.
const UP: &str = "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer";

#[test]
fn fault_9_a_bye_without_an_answer_frees_the_line_at_once_and_its_transaction_at_timer_f() {
    check(&format!(
        "{UP}
         1.000 * hangup
         1.000 > BYE tag=a
         1.000 ! ended
         1.500 > BYE tag=a
         2.500 > BYE tag=a
         4.500 > BYE tag=a
         8.500 > BYE tag=a
        12.500 > BYE tag=a
        16.500 > BYE tag=a
        20.500 > BYE tag=a
        24.500 > BYE tag=a
        28.500 > BYE tag=a
        32.500 > BYE tag=a
        "
    ));
}

#[test]
fn fault_10_every_copy_of_a_200_is_acknowledged_and_one_leg_is_up() {
    check(&format!(
        "{UP}
         0.700 < 200 tag=a sdp=answer
         0.700 > ACK tag=a
         1.700 < 200 tag=a sdp=answer
         1.700 > ACK tag=a
         2.000 * hangup
         2.000 > BYE tag=a
         2.000 ! ended
         2.100 < 200 BYE
         3.700 < 200 tag=a sdp=answer
         3.700 > ACK tag=a
        "
    ));
}

#[test]
fn fault_11_of_forked_200s_the_first_is_the_call_and_the_others_are_acknowledged_and_ended() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=a sdp=early-a
         0.100 ! 183 sdp=early-a
         0.150 < 183 tag=b sdp=early-b
         0.150 ! 183 sdp=early-b
         3.000 < 200 tag=b sdp=answer
         3.000 > ACK tag=b
         3.000 ! answered sdp=answer
         3.010 < 200 tag=a sdp=other
         3.010 > ACK tag=a
         3.010 > BYE tag=a
         3.020 < 200 BYE
         3.030 < 200 tag=c sdp=third
         3.030 > ACK tag=c
         3.030 > BYE tag=c
         3.040 < 200 BYE
         3.510 < 200 tag=a sdp=other
         3.510 > ACK tag=a
         4.000 < BYE tag=b
         4.000 > 200 BYE
         4.000 ! hung up
         4.000 ! ended
        ",
    );
}

#[test]
fn fault_11_each_early_dialog_has_its_own_media_and_an_update_needs_the_answer_of_its_own() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 183 tag=a sdp=early-a
         0.100 ! 183 sdp=early-a
         0.200 < 183 tag=b sdp=early-b
         0.200 ! 183 sdp=early-b
         0.300 < 180 tag=c
         0.300 ! 180
         0.400 < UPDATE tag=c sdp=too-early
         0.400 > 491 UPDATE
         3.000 < 200 tag=a
         3.000 > ACK tag=a
         3.000 ! answered sdp=early-a
         4.000 < BYE tag=a
         4.000 > 200 BYE
         4.000 ! hung up
         4.000 ! ended
        ",
    );
}

#[test]
fn fault_12_a_200_that_crosses_the_cancel_is_told_acknowledged_and_ended_at_once() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         8.000 * hangup
         8.000 > CANCEL
         8.010 < 200 tag=a sdp=answer
         8.010 > ACK tag=a
         8.010 > BYE tag=a
         8.010 ! answered sdp=answer
         8.010 ! ended
         8.020 < 481 CANCEL tag=a
         8.050 < 200 BYE
         8.510 < 200 tag=a sdp=answer
         8.510 > ACK tag=a
        ",
    );
}

#[test]
fn fault_12_a_200_that_comes_before_the_cancel_could_leave_is_ended_too() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 * hangup
         0.300 < 200 tag=a sdp=answer
         0.300 > ACK tag=a
         0.300 > BYE tag=a
         0.300 ! answered sdp=answer
         0.300 ! ended
         0.400 < 200 BYE
        ",
    );
}

#[test]
fn fault_13_no_cancel_leaves_before_a_provisional_response() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.010 * hangup
         0.500 > INVITE sdp=offer
         1.400 < 183 tag=a sdp=early
         1.400 > CANCEL
         1.450 < 200 CANCEL
         1.460 < 487 tag=a
         1.460 > ACK tag=a
         1.460 ! rejected 487
         1.460 ! ended
        ",
    );
}

#[test]
fn fault_14_a_487_that_never_comes_is_waited_for_no_longer_than_64_t1() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         8.000 * hangup
         8.000 > CANCEL
         8.050 < 200 CANCEL
        20.000 < 180 tag=a
        40.000 ! no response
        40.000 ! ended
        ",
    );
}

#[test]
fn fault_15_glare_is_answered_with_491_and_ours_comes_again_after_2_1_to_4_s() {
    check(&format!(
        "{UP}
         1.000 * reinvite hold
         1.000 > INVITE tag=a sdp=hold
         1.010 < INVITE tag=a sdp=theirs
         1.010 > 491 INVITE
         1.020 < 491
         1.020 > ACK tag=a
         1.030 < ACK tag=a cseq=101 branch=pINVITE101
         3.800 > INVITE tag=a sdp=hold
         3.900 < 200 sdp=held
         3.900 > ACK tag=a
         3.900 ! offer answered 200 sdp=held
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        "
    ));
}

#[test]
fn fault_15_a_newer_offer_waits_as_long_as_the_one_that_was_put_off() {
    for (refusal, due, answered) in [("491", "4.230", "4.300"), ("500 retry-after=5", "6.020", "6.100")] {
        check(&format!(
            "{UP}
         1.000 * reinvite hold
         1.000 > INVITE tag=a sdp=hold
         1.010 * reinvite resume
         1.020 < {refusal}
         1.020 > ACK tag=a
         {due} > INVITE tag=a sdp=resume
         {answered} < 200 sdp=resumed
         {answered} > ACK tag=a
         {answered} ! offer answered 200 sdp=resumed
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        "
        ));
    }
}

#[test]
fn fault_15_an_offer_that_is_put_off_comes_again_when_the_peer_says_and_one_that_is_refused_does_not() {
    check(&format!(
        "{UP}
         1.000 * reinvite hold
         1.000 > INVITE tag=a sdp=hold
         1.010 < 500 retry-after=1
         1.010 > ACK tag=a
         2.010 > INVITE tag=a sdp=hold
         2.100 < 500 retry-after=60
         2.100 > ACK tag=a
         2.100 ! offer answered 500
         3.000 * reinvite resume
         3.000 > INVITE tag=a sdp=resume
         3.010 < 500
         3.010 > ACK tag=a
         3.010 ! offer answered 500
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        "
    ));
}

#[test]
fn fault_15_an_update_before_the_answer_to_the_last_one_is_told_to_come_later() {
    check(&format!(
        "{UP}
         1.000 < UPDATE tag=a sdp=one
         1.000 ! offered sdp=one
         1.010 < UPDATE tag=a
         1.010 > 500 UPDATE retry-after
         1.020 * answer ours
         1.020 > 200 UPDATE sdp=ours
         1.030 < UPDATE tag=a
         1.030 > 200 UPDATE
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        "
    ));
}

#[test]
fn fault_16_a_bye_that_comes_before_the_ack_of_a_reinvite_ends_the_call_and_later_requests_find_nothing() {
    check(&format!(
        "{UP}
         1.000 < INVITE tag=a sdp=hold
         1.000 ! offered sdp=hold
         1.010 * answer held
         1.010 > 200 INVITE sdp=held
         1.020 < BYE tag=a
         1.020 > 200 BYE
         1.020 ! hung up
         1.020 ! ended
         1.030 < BYE tag=a cseq=102
         1.030 > 200 BYE
         1.040 < BYE tag=a cseq=103
         1.040 > 481 BYE
         1.050 < ACK tag=a cseq=101
         1.060 < INVITE tag=a sdp=again
         1.060 > 481 INVITE
         1.070 < ACK tag=a cseq=105 branch=pINVITE105
         1.080 < INFO tag=a
         1.080 > 481 INFO
        "
    ));
}

#[test]
fn fault_16_a_bye_that_overtakes_its_200_leaves_no_call_that_nobody_ends() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         2.000 < BYE tag=a
         2.000 > 200 BYE
         2.010 < 200 tag=a sdp=answer
         2.010 > ACK tag=a
         2.010 ! answered sdp=answer
         2.010 ! hung up
         2.010 ! ended
        ",
    );
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         2.000 < BYE tag=a
         2.000 > 481 BYE
         2.010 < 200 tag=a sdp=answer
         2.010 > ACK tag=a
         2.010 ! answered sdp=answer
         2.010 ! hung up
         2.010 ! ended
        "
        .replace(
            "         2.000 < BYE",
            "         0.500 > INVITE sdp=offer
         1.500 > INVITE sdp=offer
         2.000 < BYE",
        )
        .as_str(),
    );
}

#[test]
fn fault_17_late_overtaken_and_foreign_responses_change_nothing() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 < 180 tag=a
         0.100 ! 180
         0.200 < 100
         0.300 < 183 sdp=untagged
         0.400 < 200 tag=a | Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKforeign
         0.500 < 486 tag=a | Via: SIP/2.0/UDP 192.0.2.66:5060;branch=OURS
         0.600 < 486 tag=a | Via: SIP/2.0/UDP 127.0.0.1:5060;branch=OURS, SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKy
         1.000 < 200 tag=a sdp=answer
         1.000 > ACK tag=a
         1.000 ! answered sdp=answer
         1.100 < 180 tag=a
         1.200 < 183 tag=b sdp=late
         1.300 < 486 tag=b
         2.000 < BYE tag=a
         2.000 > 200 BYE
         2.000 ! hung up
         2.000 ! ended
        ",
    );
}
