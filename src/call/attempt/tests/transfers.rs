//! Transfers of a bridged call, told by what the attempt hears and asks for.

use super::stage::{Stage, awaiting_agent, bridged};

/// A bridged call whose agent has asked for a transfer that is being dialed.
fn transferring() -> Stage {
    let mut stage = bridged();
    stage.plays_on(
        "
         9.000 < agent refers to sip:700@pbx
         9.000 > 202 REFER of agent
         9.000 > unbridge
         9.000 > play 0 for ever
         9.000 > reoffer agent sendonly
         9.000 > INVITE target
         9.100 < agent answers recvonly
         9.100 > connect agent send=true receive=false
        10.000 < target 180
        10.000 > NOTIFY agent 180
    ",
    );
    stage
}

#[test]
fn a_blind_transfer_rings_the_new_party_and_joins_it_with_the_callee_in_the_agents_place() {
    let mut stage = transferring();
    stage.plays_on(
        "
        12.000 < target 200
        12.000 > NOTIFY agent 200
        12.000 > BYE agent
        12.000 > the target is the agent
        12.000 > stop playing
        12.000 > connect agent
        12.000 > bridge
    ",
    );
    assert_eq!(stage.attempt.transfer_uri(), None);
    // The new party is the agent: it may end the call, or transfer it on.
    stage.plays_on(
        "
        20.000 < agent refers to sip:700@pbx
        20.000 > 202 REFER of agent
        20.000 > unbridge
        20.000 > play 0 for ever
        20.000 > reoffer agent sendonly
        20.000 > INVITE target
        21.000 < target 486
        21.000 > NOTIFY agent 486
        21.000 > reoffer agent sendrecv
        21.000 > stop playing
        21.000 > bridge
        30.000 < agent bye
        30.000 > BYE callee
        30.000 > close agent
        30.000 > close callee
        30.010 < closed
        30.010 < agent closed
        30.010 ! bridged by agent
    ",
    );
}

#[test]
fn an_agent_who_hangs_up_after_its_refer_leaves_the_callee_to_the_new_party() {
    let mut stage = transferring();
    stage.plays_on(
        "
        11.000 < agent bye
        12.000 < target 200
        12.000 > NOTIFY agent 200
        12.000 > the target is the agent
        12.000 > stop playing
        12.000 > connect agent
        12.000 > bridge
    ",
    );
}

#[test]
fn without_the_new_party_and_the_agent_there_is_nobody_to_speak_with() {
    transferring().plays_on(
        "
        11.000 < agent bye
        12.000 < target 603
        12.000 > NOTIFY agent 603
        12.000 > BYE callee
        12.000 > close agent
        12.000 > close callee
        12.010 < closed
        12.010 < agent closed
        12.010 ! bridged by agent
    ",
    );
}

#[test]
fn a_new_party_that_does_not_answer_in_time_or_without_media_gives_the_callee_back() {
    transferring().plays_on(
        "
        39.000 > CANCEL target
        39.000 > NOTIFY agent 408
        39.000 > reoffer agent sendrecv
        39.000 > stop playing
        39.000 > bridge
        40.000 < target 487
    ",
    );
    transferring().plays_on(
        "
        12.000 < target 200 with port 0
        12.000 > CANCEL target
        12.000 > NOTIFY agent 488
        12.000 > reoffer agent sendrecv
        12.000 > stop playing
        12.000 > bridge
    ",
    );
}

#[test]
fn a_new_party_that_offers_anew_while_it_rings_is_answered_and_heard_once_it_has_answered() {
    transferring().plays_on(
        "
        11.000 < target offers sendrecv
        11.000 > answer target sendrecv
        12.000 < target 200
        12.000 > NOTIFY agent 200
        12.000 > BYE agent
        12.000 > the target is the agent
        12.000 > stop playing
        12.000 > connect agent
        12.000 > bridge
    ",
    );
}

#[test]
fn a_callee_who_hangs_up_during_a_transfer_ends_all_three() {
    transferring().plays_on(
        "
        11.000 < bye
        11.000 > CANCEL target
        11.000 > BYE agent
        11.000 > close agent
        11.000 > close callee
        11.010 < closed
        11.010 < agent closed
        11.010 ! bridged by callee
    ",
    );
}

#[test]
fn a_call_is_handed_over_to_the_callees_trunk_which_then_needs_us_no_more() {
    bridged().plays_on(
        "
         9.000 < agent refers to sip:800@pbx in place of a;to-tag=b;from-tag=c
         9.000 > 202 REFER of agent
         9.000 > REFER callee to sip:800@pbx
         9.100 < refer 100
         9.100 > NOTIFY agent 100
        12.000 < refer 200
        12.000 > NOTIFY agent 200
        12.000 > BYE callee
        12.000 > BYE agent
        12.000 > close agent
        12.000 > close callee
        12.010 < closed
        12.010 < agent closed
        12.010 ! bridged by us
    ",
    );
    bridged().plays_on(
        "
         9.000 < agent refers to sip:800@pbx
         9.000 > 202 REFER of agent
         9.000 > REFER callee to sip:800@pbx
         9.100 < refer 603
         9.100 > NOTIFY agent 603
    ",
    );
}

#[test]
fn fault_22_what_may_not_be_reached_is_declined_and_so_is_whatever_a_callee_asks_for() {
    bridged().plays_on(
        "
         9.000 < agent refers to sip:+19005550123@pbx
         9.000 > 603 REFER of agent
         9.100 < refers to sip:700@pbx
         9.100 > 603 REFER of callee
    ",
    );
    awaiting_agent().plays_on(
        "
         6.000 < refers to sip:700@pbx
         6.000 > 603 REFER of callee
    ",
    );
}
