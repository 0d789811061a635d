//! What the media, or the lack of it, does to an attempt: keys by every way, and silence of the wire.

use super::stage::{Stage, answered, awaiting_agent, bridged, recorded, to_agent, with_message};

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
         8.000 > BYE callee 102
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
        36.000 > BYE callee 102
        36.000 > close callee
        36.010 < closed
        36.010 ! hung_up_early by us
    ",
    );
    let mut stage = bridged();
    stage.plays_on(
        "
        37.000 < media timeout
        37.000 > BYE agent 102
        37.000 > BYE callee 102
        37.000 > close agent
        37.000 > close callee
        37.010 < agent closed
        37.010 < closed
        37.010 ! bridged by us
    ",
    );
    assert_eq!(stage.attempt.record.reason, "no media");
}

#[test]
fn an_agents_leg_without_a_port_is_told_of_and_is_the_reason_of_the_abandonment() {
    let mut stage = answered(to_agent());
    stage.plays_on(
        "
         5.900 < quiet 5.400
         5.900 < human
         5.900 > play 0 for ever
         5.900 > open agent
         5.905 < agent no port
         5.905 ! no port for the agent's leg: all are in use
         5.905 > play 1
         9.000 < played 1
         9.000 > BYE callee
         9.000 > close callee
         9.010 < closed
         9.010 ! abandoned by us
    ",
    );
    assert_eq!(stage.attempt.record.reason, "no port for the agent's leg: all are in use");
}

#[test]
fn keys_go_by_info_to_a_party_without_telephone_events_and_however_they_came() {
    awaiting_agent().plays_on(
        "
         7.000 < agent 200 without events
         7.000 > connect agent
         7.000 > stop detecting
         7.000 > bridge
         8.000 < key 9
         8.000 > INFO agent 9
         8.030 < info 9
         9.000 < info 5
         9.000 > INFO agent 5
        10.000 < agent info 7
        10.000 > SendDigits callee 7
        11.000 < agent key 9
    ",
    );
}

/// A recorded call that is up.
fn recorded_call() -> Stage {
    let mut stage = Stage::new(recorded());
    stage.plays_on(
        "
         0.000 > open callee
         0.000 < pause
         0.000 ! not paused: nobody is on the line
         0.000 < opened
         0.000 > commit carrier
         0.010 < committed
         0.010 > INVITE callee
         5.000 < 200
         5.000 > connect callee
         5.000 > detect callee
         5.000 > record callee
         5.900 < quiet 5.400
         5.900 < human
         5.900 > play 0 for ever
         5.900 > open agent
         5.905 < agent opened
         5.905 > place agent
         5.905 > INVITE agent
         7.000 < agent 200
         7.000 > connect agent
         7.000 > stop detecting
         7.000 > bridge
    ",
    );
    stage
}

#[test]
fn what_is_said_and_pressed_while_a_recording_is_paused_is_kept_nowhere() {
    let mut stage = recorded_call();
    stage.plays_on(
        "
         8.000 < key 9
         9.000 < pause
         9.000 > withhold callee
         9.000 > withhold agent
         9.000 ! the recording is paused
         9.100 < pause
        10.000 < key *
        11.000 < info 7
        11.000 > SendDigits agent 7
        12.000 < agent key #
        12.000 > keep callee
        12.000 > keep agent
        12.000 ! the recording is silent for 3.0 s
        13.000 < key 9
        14.000 < agent key #
        14.000 > withhold callee
        14.000 > withhold agent
        14.000 ! the recording is paused
        16.500 < bye
        16.500 ! the recording is silent for 2.5 s
        16.500 > BYE agent
        16.500 > close agent
        16.500 > close callee
        16.600 < pause
        16.600 ! not paused: nobody is on the line
    ",
    );
    assert_eq!(stage.attempt.record.digits, "99");
}

#[test]
fn what_is_not_recorded_cannot_be_paused() {
    bridged().plays_on(
        "
         8.000 < pause
         8.000 ! not paused: the call is not recorded ([campaign.recording] enabled)
         9.000 < agent key #
    ",
    );
}
