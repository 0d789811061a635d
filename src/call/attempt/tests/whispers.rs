//! What the agent alone hears before the bridge.

use super::stage::{Stage, Whom, awaiting_agent_of, with_whisper};

fn one_uri() -> Whom {
    Whom::Uri("sip:600@pbx".into())
}

/// An agent whose phone answered at 7.000, 1.6 s after the greeting's end.
fn whispering(whom: Whom) -> Stage {
    let mut stage = awaiting_agent_of(with_whisper(whom));
    stage.plays_on("7.000 < agent 200\n 7.000 > connect agent\n 7.000 > play 4 to the agent");
    stage
}

#[test]
fn an_agent_hears_the_whisper_and_is_joined_with_its_last_frame() {
    let mut stage = whispering(one_uri());
    stage.plays_on(
        "
         7.300 < agent played 4
         7.300 > stop detecting
         7.300 > bridge
        60.000 < bye
        60.000 > BYE agent
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by callee
    ",
    );
    assert!(stage.attempt.record.bridged_at.is_some());
}

#[test]
fn a_whisper_is_cut_short_before_a_person_has_waited_for_two_seconds() {
    whispering(one_uri()).plays_on(
        "
         7.400 > stop detecting
         7.400 > bridge
         8.000 < agent played 4
    ",
    );
}

#[test]
fn whoever_has_waited_for_longer_already_waits_for_the_whole_whisper_but_not_past_the_agents_time() {
    let late = || {
        let mut stage = awaiting_agent_of(with_whisper(one_uri()));
        stage.plays_on("8.000 < agent 200\n 8.000 > connect agent\n 8.000 > play 4 to the agent");
        stage
    };
    late().plays_on("11.000 < agent played 4\n 11.000 > stop detecting\n 11.000 > bridge");
    late().plays_on("20.900 > stop detecting\n 20.900 > bridge\n 21.000 < agent played 4");
}

#[test]
fn a_callee_who_leaves_during_the_whisper_has_not_spoken_with_the_agent() {
    whispering(one_uri()).plays_on(
        "
         7.100 < bye
         7.100 > BYE agent
         7.100 > close agent
         7.100 > close callee
         7.110 < agent closed
         7.110 < closed
         7.110 ! hung_up_early by callee
    ",
    );
}

#[test]
fn an_agent_who_leaves_during_the_whisper_leaves_the_callee_to_the_next_one() {
    whispering(Whom::Agents { skills: Vec::new() }).plays_on(
        "
         7.100 < agent bye
         7.100 > stop playing
         7.100 > connect agent send=false receive=false
         7.100 > place agent
         7.100 > INVITE agent
         9.000 < agent 200
         9.000 > connect agent
         9.000 > play 4 to the agent
        10.000 < agent played 4
        10.000 > stop detecting
        10.000 > bridge
    ",
    );
    whispering(one_uri()).plays_on(
        "
         7.100 < agent bye
         7.100 > close agent
         7.100 > play 1
    ",
    );
}

#[test]
fn what_turns_out_to_be_a_machine_during_the_whisper_goes_to_no_agent() {
    whispering(one_uri()).plays_on(
        "
         7.100 < revised machine
         7.100 > BYE agent
         7.100 > close agent
         7.100 > stop playing
    ",
    );
}
