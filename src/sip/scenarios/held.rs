//! The ACK of a 2xx that waits until somebody has written the call down.

use super::check_held;

#[test]
fn the_ack_leaves_when_the_call_is_written_down_and_for_each_copy_of_the_2xx_after_that() {
    check_held(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 ! answered sdp=answer
         0.700 < 200 tag=a sdp=answer
         0.800 * acknowledge
         0.800 > ACK tag=a
         0.900 < 200 tag=a sdp=answer
         0.900 > ACK tag=a
         1.000 * acknowledge
         9.000 * hangup
         9.000 > BYE tag=a
         9.000 ! ended
         9.100 < 200 BYE
        ",
    );
}

#[test]
fn whatever_is_sent_in_the_dialog_comes_after_the_ack() {
    check_held(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 ! answered sdp=answer
         0.300 * hangup
         0.300 > ACK tag=a
         0.300 > BYE tag=a
         0.300 ! ended
         0.400 < 200 BYE
        ",
    );
    check_held(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 ! answered sdp=answer
         0.300 < BYE tag=a
         0.300 > ACK tag=a
         0.300 > 200 BYE
         0.300 ! hung up
         0.300 ! ended
        ",
    );
}

#[test]
fn nobody_is_left_without_an_ack_for_ever() {
    check_held(
        "
         0.000 * invite
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=a sdp=answer
         0.200 ! answered sdp=answer
         1.200 > ACK tag=a
         9.000 * hangup
         9.000 > BYE tag=a
         9.000 ! ended
         9.100 < 200 BYE
        ",
    );
}
