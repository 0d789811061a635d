//! INFO within a call, as we send it.

use super::check;

/// A call that is up after `0.200`, and its end at `99.000`.
fn check_in_call(script: &str) {
    check(&format!(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.100 * info 9
         0.200 < 200 tag=them sdp=answer
         0.200 > ACK tag=them
         0.200 ! answered sdp=answer
         {script}
        99.000 < BYE
        99.000 > 200 BYE
        99.000 ! hung up
        99.000 ! ended"
    ));
}

#[test]
fn infos_leave_one_after_the_other_in_their_order_and_none_before_the_answer() {
    check_in_call(
        "
         1.000 * info 1
         1.000 > INFO tag=them sdp=1
         1.100 * info 2
         1.200 * info 3
         1.300 < 100 INFO
         1.500 > INFO tag=them sdp=1
         1.600 < 200 INFO
         1.600 > INFO tag=them sdp=2
         1.700 < 415 INFO
         1.700 > INFO tag=them sdp=3
         1.800 < 200 INFO
         2.000 * info 4
         2.000 > INFO tag=them sdp=4
         2.100 < 200 INFO",
    );
}

#[test]
fn a_challenged_info_is_sent_again_and_one_without_answer_keeps_none_back_for_ever() {
    check_in_call(
        "
         1.000 * info 1
         1.000 > INFO tag=them sdp=1
         1.100 < 407 INFO | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         1.100 > INFO tag=them authorized sdp=1
         1.200 * info 2
         1.300 < 200 INFO
         1.300 > INFO tag=them sdp=2
         1.800 > INFO tag=them sdp=2
         2.800 > INFO tag=them sdp=2
         4.800 > INFO tag=them sdp=2
         8.800 > INFO tag=them sdp=2
         9.000 * info 3
        12.800 > INFO tag=them sdp=2
        16.800 > INFO tag=them sdp=2
        20.800 > INFO tag=them sdp=2
        24.800 > INFO tag=them sdp=2
        28.800 > INFO tag=them sdp=2
        32.800 > INFO tag=them sdp=2
        33.300 > INFO tag=them sdp=3
        33.400 < 200 INFO",
    );
}

#[test]
fn an_info_that_finds_no_call_ends_it() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them sdp=answer
         0.200 > ACK tag=them
         0.200 ! answered sdp=answer
         1.000 * info 1
         1.000 > INFO tag=them sdp=1
         1.010 * info 2
         1.100 < 481 INFO
         1.100 ! hung up
         1.100 > BYE tag=them
         1.100 ! ended
         1.200 < 481 BYE
        ",
    );
}
