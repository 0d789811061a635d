//! ICMP says that the peer cannot be reached: what begins something is told at once, what belongs to a call goes on.

use super::check;

#[test]
fn a_call_of_which_nothing_was_heard_may_go_elsewhere_at_once() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.001 * icmp
         0.001 ! no response
         0.001 ! ended
        ",
    );
}

#[test]
fn a_call_of_which_something_was_heard_goes_on_whatever_a_copy_of_it_has_met() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.500 > INVITE sdp=offer
         0.510 < 180 tag=a
         0.510 ! 180
         0.511 * icmp
         3.000 < 200 tag=a sdp=answer
         3.000 > ACK tag=a
         3.000 ! answered sdp=answer
         9.000 < BYE tag=a
         9.000 > 200 BYE
         9.000 ! hung up
         9.000 ! ended
        ",
    );
}

#[test]
fn a_bye_to_a_peer_that_starts_anew_is_repeated_until_it_is_there_again() {
    check(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 > ACK tag=a
         0.200 ! answered sdp=answer
         5.000 * hangup
         5.000 > BYE tag=a
         5.000 ! ended
         5.001 * icmp
         5.500 > BYE tag=a
         5.501 * icmp
         6.500 > BYE tag=a
         6.510 < 200 BYE
        ",
    );
}

#[test]
fn a_ping_is_not_answered_and_a_registration_has_failed() {
    check(
        "
           0.000 * ping
           0.000 > OPTIONS
           0.001 * icmp
           0.001 ! no answer
        ",
    );
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.001 * icmp
           0.001 ! registration failed 408
           1.000 * unregister
           1.000 ! unregistered needless
        ",
    );
}
