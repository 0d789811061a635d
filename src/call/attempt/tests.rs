//! Transcripts of attempts: `<` is played to the attempt, everything else is what it asked for, with times.

mod media;
mod stage;
mod transfers;
mod whispers;

use stage::{answered, awaiting_agent, bridged, calling, to_agent, with_message};

#[test]
fn a_person_is_bridged_to_an_agent() {
    to_agent().plays(
        "
         0.000 > open callee
         0.000 < opened
         0.000 > commit carrier
         0.010 < committed
         0.010 > INVITE callee
         0.050 < 100
         1.000 < 180
         5.000 < 200
         5.000 > connect callee
         5.000 > detect callee
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
        60.000 < bye
        60.000 > BYE agent
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by callee
    ",
    );
}

#[test]
fn who_has_vanished_did_not_hang_up() {
    bridged().plays_on(
        "
        60.000 < vanishes
        60.000 > BYE agent
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by us
    ",
    );
    bridged().plays_on(
        "
        60.000 < agent vanishes
        60.000 > BYE callee
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by us
    ",
    );
}

#[test]
fn a_revision_while_two_are_joined_is_written_down_and_parts_nobody() {
    let mut stage = bridged();
    stage.plays_on(
        "
         7.010 < revised machine
        60.000 < agent bye
        60.000 > BYE callee
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by agent
    ",
    );
    assert_eq!(stage.attempt.record.revised_verdict, "machine");
}

#[test]
fn an_agent_says_by_a_key_that_it_was_a_machine() {
    bridged().plays_on(
        "
         8.000 < agent key *
         8.000 > label machine by sip:600@pbx
         9.000 < key *
         9.500 < agent key 9
        60.000 < agent bye
        60.000 > BYE callee
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by agent
    ",
    );
}

#[test]
fn an_agent_who_hangs_up_ends_the_call_for_both() {
    bridged().plays_on(
        "
        60.000 < agent bye
        60.000 > BYE callee
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by agent
    ",
    );
}

#[test]
fn without_an_agent_in_time_the_safe_harbour_message_is_heard_and_the_call_is_abandoned() {
    awaiting_agent().plays_on(
        "
        20.900 > CANCEL agent
        20.900 > close agent
        20.900 > play 1
        20.910 < agent closed
        28.000 < played 1
        28.000 > BYE callee
        28.000 > close callee
        28.010 < closed
        28.010 ! abandoned by us
    ",
    );
}

#[test]
fn a_busy_agent_is_known_at_once() {
    awaiting_agent().plays_on(
        "
         7.000 < agent 486
         7.000 > close agent
         7.000 > play 1
         7.010 < agent closed
         9.000 < bye
         9.000 > close callee
         9.010 < closed
         9.010 ! abandoned by callee
    ",
    );
}

#[test]
fn the_message_starts_after_the_beep_and_again_after_a_later_one() {
    answered(to_agent()).plays_on(
        "
         8.000 < machine
         9.000 < quiet 8.800
        10.800 > play 2
        12.000 < beep
        12.000 > play 2
        20.000 < played 2
        20.000 > BYE callee
        20.000 > close callee
        20.010 < closed
        20.010 ! voicemail_left by us
    ",
    );
}

#[test]
fn a_machine_that_hangs_up_during_the_message_did_not_get_it_in_full() {
    answered(to_agent()).plays_on(
        "
         8.000 < machine
         9.000 < beep
         9.000 > play 2
        11.000 < bye
        11.000 > close callee
        11.010 < closed
        11.010 ! machine by callee
    ",
    );
}

#[test]
fn a_verdict_of_human_turned_over_releases_the_agent_and_waits_for_the_beep() {
    awaiting_agent().plays_on(
        "
         7.000 < speech
         7.500 < revised machine
         7.500 > CANCEL agent
         7.500 > close agent
         7.500 > stop playing
         7.510 < agent closed
         9.000 < beep
         9.000 > play 2
        15.000 < played 2
        15.000 > BYE callee
        15.000 > close callee
        15.010 < closed
        15.010 ! voicemail_left by us
    ",
    );
}

#[test]
fn a_screening_assistant_that_was_taken_for_a_machine_gets_no_message() {
    let mut stage = answered(to_agent());
    stage.plays_on(
        "
         6.000 < machine
         7.000 < revised screening
         7.000 > stop playing
         7.000 > BYE callee
         7.000 > close callee
         7.010 < closed
         7.010 ! screening by us
    ",
    );
    assert_eq!(
        (&*stage.attempt.record.verdict, &*stage.attempt.record.revised_verdict),
        ("machine", "screening")
    );
}

#[test]
fn a_message_that_runs_stops_when_its_machine_turns_out_to_be_a_phone_tree() {
    answered(to_agent()).plays_on(
        "
         6.000 < machine
         6.500 < quiet 6.300
         8.300 > play 2
         9.000 < revised ivr
         9.000 > stop playing
         9.000 > BYE callee
         9.000 > close callee
         9.010 < closed
         9.010 ! machine by us
    ",
    );
}

#[test]
fn an_assistant_that_was_taken_for_a_person_releases_the_agent() {
    awaiting_agent().plays_on(
        "
         7.000 < revised screening
         7.000 > CANCEL agent
         7.000 > close agent
         7.000 > stop playing
         7.000 > BYE callee
         7.000 > close callee
         7.010 < agent closed
         7.010 < closed
         7.010 ! screening by us
    ",
    );
}

#[test]
fn the_end_of_a_message_to_a_person_is_no_voicemail_left() {
    answered(with_message()).plays_on(
        "
         5.900 < human
         5.900 > play 3
         7.500 < revised machine
         7.500 > stop playing
         7.501 < played 3
         9.000 < beep
         9.000 > play 2
        15.000 < played 2
        15.000 > BYE callee
        15.000 > close callee
        15.010 < closed
        15.010 ! voicemail_left by us
    ",
    );
}

#[test]
fn the_opt_out_key_works_at_once() {
    answered(with_message()).plays_on(
        "
         5.900 < human
         5.900 > play 3
         7.000 < key 9
         7.000 > opt out
         7.000 > BYE callee
         7.000 > close callee
         7.010 < closed
         7.010 ! opted_out by us
    ",
    );
}

#[test]
fn fax_tone_silence_and_no_media_have_their_own_ends() {
    for (word, end) in [("fax", "fax"), ("busy tone", "busy"), ("vacant tone", "invalid_number")] {
        answered(to_agent()).plays_on(&format!(
            "
             6.000 < {word}
             6.000 > BYE callee
             6.000 > close callee
             6.010 < closed
             6.010 ! {end} by us
        "
        ));
    }
    let without_a_packet = [("", "silence", "no_media"), ("", "unsure", "no_media")];
    for (heard, word, end) in [("heard", "silence", "silence")].into_iter().chain(without_a_packet) {
        let line = if heard.is_empty() { String::new() } else { format!(" 6.000 < {heard}\n") };
        let why = if end == "no_media" { " 102" } else { "" };
        answered(to_agent()).plays_on(&format!(
            "{line}
             9.000 < {word}
             9.000 > BYE callee{why}
             9.000 > close callee
             9.010 < closed
             9.010 ! {end} by us
        "
        ));
    }
}

#[test]
fn an_answer_without_a_single_packet_is_no_person() {
    answered(to_agent()).plays_on(
        "
        10.900 < unsure
        10.900 > BYE callee 102
        10.900 > close callee
        10.910 < closed
        10.910 ! no_media by us
    ",
    );
    // Whoever was heard, however little, may be one.
    answered(with_message()).plays_on(
        "
         6.000 < heard
        10.900 < unsure
        10.900 > play 3
        12.000 < bye
        12.000 > close callee
        12.010 < closed
        12.010 ! hung_up_early by callee
    ",
    );
}

#[test]
fn a_detector_that_never_speaks_leaves_nobody_in_silence() {
    answered(with_message()).plays_on(
        "
        11.500 > play 3
        12.000 < bye
        12.000 > close callee
        12.010 < closed
        12.010 ! hung_up_early by callee
    ",
    );
}

#[test]
fn a_phone_that_rings_out_is_cancelled_and_waits_for_the_last_word() {
    calling().plays_on(
        "
         1.000 < 180
        25.010 > CANCEL callee
        25.010 > close callee
        25.020 < closed
        25.050 < 487
        25.050 ! no_answer by us
    ",
    );
}

#[test]
fn an_answer_that_crosses_the_cancel_counts_as_abandoned() {
    calling().plays_on(
        "
         1.000 < 180
        25.010 > CANCEL callee
        25.010 > close callee
        25.020 < closed
        25.030 < 200
        25.030 ! abandoned by us
    ",
    );
}

#[test]
fn a_trunk_that_fails_before_ringing_is_followed_by_the_next_and_its_invite_is_committed_too() {
    calling().plays_on(
        "
         0.200 < 503
         0.200 > next trunk
         0.200 > commit second
         0.210 < committed
         0.210 > INVITE callee
         1.000 < 486
         1.000 > close callee
         1.010 < closed
         1.010 ! busy by callee
    ",
    );
}

#[test]
fn whoever_was_rung_is_not_rung_through_another_trunk() {
    calling().plays_on(
        "
         1.000 < 180
         2.000 < 503
         2.000 > close callee
         2.010 < closed
         2.010 ! congestion by callee
    ",
    );
}

#[test]
fn tones_in_early_media_end_the_wait() {
    calling().plays_on(
        "
         1.000 < 183 with media
         1.000 > connect callee
         1.000 > detect tones
         2.000 < vacant tone heard
         2.000 > CANCEL callee
         2.000 > close callee
         2.010 < closed
         2.050 < 487
         2.050 ! invalid_number by callee
    ",
    );
}

#[test]
fn what_the_store_refuses_is_not_dialed() {
    to_agent().plays(
        "
         0.000 > open callee
         0.000 < opened
         0.000 > commit carrier
         0.010 < refused
         0.010 > close callee
         0.020 < closed
         0.020 ! not dialed: disk full
    ",
    );
}

#[test]
fn an_invite_that_was_committed_while_the_operator_stopped_gets_its_record() {
    to_agent().plays(
        "
         0.000 > open callee
         0.000 < opened
         0.000 > commit carrier
         0.005 < cancel
         0.005 > close callee
         0.006 < closed
         0.010 < committed
         0.010 ! canceled by us
    ",
    );
}

#[test]
fn fault_18_an_answer_without_or_with_unusable_media_is_ended_at_once_and_nothing_is_sent_to_it() {
    let unusable = [
        "200 without sdp",
        "200 with broken sdp",
        "200 with no audio",
        "200 with port 0",
        "200 with broadcast",
        "200 with multicast",
        "200 with a name",
        "200 with G.729",
    ];
    for answer in unusable {
        calling().plays_on(&format!(
            "
         5.000 < {answer}
         5.000 > BYE callee
         5.000 > close callee
         5.010 < closed
         5.010 ! media_mismatch by us
    "
        ));
    }
}

#[test]
fn a_peer_that_holds_hears_nothing_and_is_not_missed_until_it_resumes() {
    let mut stage = bridged();
    for (offer, answer, connected) in [
        ("sendonly", "recvonly", "send=false receive=true"),
        ("inactive", "inactive", "send=false receive=false"),
        ("nowhere", "recvonly", "send=false receive=false"),
        ("recvonly", "sendonly", "send=true receive=false"),
    ] {
        stage.plays_on(&format!(
            "
         8.000 < offers {offer}
         8.000 > connect callee {connected}
         8.000 > answer callee {answer}
        "
        ));
    }
    stage.plays_on(
        "
         9.000 < agent offers sendrecv
         9.000 > connect agent
         9.000 > answer agent sendrecv
         9.100 < offers video only
         9.100 > answer callee 488
    ",
    );
}

#[test]
fn a_reinvite_without_an_offer_gets_ours_and_media_follow_the_answer_in_the_ack() {
    bridged().plays_on(
        "
         8.000 < offers nothing
         8.000 > answer callee sendrecv
         8.050 < answers inactive
         8.050 > connect callee send=false receive=false
         8.100 < answers sendrecv
         8.100 > connect callee
    ",
    );
}

#[test]
fn our_hold_is_offered_and_taken_back_and_a_refused_one_changes_nothing() {
    bridged().plays_on(
        "
         8.000 < agent hold
         8.000 > reoffer agent sendonly
         8.100 < agent answers recvonly
         8.100 > connect agent send=true receive=false
         9.000 < agent resume
         9.000 > reoffer agent sendrecv
         9.100 < agent answers sendrecv
         9.100 > connect agent
        10.000 < hold
        10.000 > reoffer callee sendonly
        10.100 < refuses 488
        10.200 < offers sendrecv
        10.200 > connect callee
        10.200 > answer callee sendrecv
    ",
    );
}

#[test]
fn an_offer_that_still_waits_is_made_anew_behind_one_of_the_peer() {
    bridged().plays_on(
        "
         8.000 < agent hold
         8.000 > reoffer agent sendonly
         8.100 < agent offers sendrecv
         8.100 > connect agent send=true receive=false
         8.100 > reoffer agent sendonly
         8.100 > answer agent sendonly
         9.000 < agent answers recvonly
         9.000 > connect agent send=true receive=false
         9.500 < agent offers sendrecv
         9.500 > connect agent send=true receive=false
         9.500 > answer agent sendonly
    ",
    );
}
