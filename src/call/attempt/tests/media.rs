//! What the media, or the lack of it, does to an attempt: keys by every way, and silence of the wire.

use super::stage::{answered, awaiting_agent, bridged, to_agent, with_message};

#[test]
fn a_key_in_info_stands_for_one_in_the_media_and_both_count_once() {
    let mut stage = bridged();
    stage.plays_on(
        "
         8.000 < info 5
         8.000 > SendDigits agent 5
         9.000 < key 9
         9.040 < info 9
        10.000 < info 9
        10.000 > SendDigits agent 9
        11.000 < agent info 1
        11.000 > SendDigits callee 1
        12.000 < agent info *
        12.000 > label machine by sip:600@pbx
        12.000 > SendDigits callee *
        12.030 < agent key *
    ",
    );
    assert_eq!(stage.attempt.record.digits, "599");
}

#[test]
fn whoever_opts_out_by_info_has_opted_out() {
    let mut stage = awaiting_agent();
    stage.plays_on(
        "
         6.500 < info x
         7.000 < info 9
         7.000 > opt out
         7.000 > BYE callee
         7.000 > CANCEL agent
         7.000 > close agent
         7.000 > close callee
    ",
    );
}

#[test]
fn fault_26_a_call_whose_media_never_comes_is_no_person_and_one_whose_media_stops_is_ended() {
    answered(to_agent()).plays_on(
        "
         8.000 < media timeout
         8.000 > BYE callee
         8.000 > close callee
         8.010 < closed
         8.010 ! no_media by us
    ",
    );
    answered(with_message()).plays_on(
        "
         5.100 < heard
         5.900 < human
         5.900 > play 3
        36.000 < media timeout
        36.000 > BYE callee
        36.000 > close callee
        36.010 < closed
        36.010 ! hung_up_early by us
    ",
    );
    let mut stage = bridged();
    stage.plays_on(
        "
        37.000 < media timeout
        37.000 > BYE callee
        37.000 > BYE agent
        37.000 > close agent
        37.000 > close callee
        37.010 < agent closed
        37.010 < closed
        37.010 ! bridged by us
    ",
    );
    assert_eq!(stage.attempt.record.reason, "no media");
}
