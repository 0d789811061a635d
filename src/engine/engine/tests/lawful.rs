//! The law in the engine: decisions kept, opt-outs that reach as far as they should, the switch over all dialing.

use super::*;
use crate::call::treatment::Human;

#[test]
fn what_a_dial_rested_on_is_kept_before_its_invite_is_committed() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+13055550101"]);
    stage.sent(Method::Invite);
    let kept = stage.of_store.iter().find_map(|request| match request {
        Request::KeepDecision { attempt, decision, caps } => Some((*attempt, decision.clone(), caps.clone())),
        _ => None,
    });
    let (attempt, decision, caps) = kept.expect("a decision");
    assert_eq!(attempt, stage.commits[0].attempt);
    assert_eq!(attempt.at(), stage.now.wall, "the store knows an attempt of this run by that moment");
    for part in [
        "us-federal 2026-11-22",
        "us-florida 2026-11-22",
        "US-FL",
        "Fri 2026-11-20 10:00:00 America/New_York",
    ] {
        assert!(decision.contains(part), "{part} is not in {decision}");
    }
    let day = Duration::from_secs(86_400).as_millis() as i64;
    let florida = (3, WallTime::from_unix_ms(stage.now.wall.unix_ms() - day + 1));
    assert!(caps.contains(&florida), "{caps:?}");
}

#[test]
fn dialing_that_is_switched_off_rings_nobody_until_it_is_on_again() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101", "+12125550102"]);
    let ringing = stage.sent(Method::Invite);
    stage.answers(&ringing, 180);
    stage.engine.handle_operator(stage.now, &Operator::Dialing(false)).unwrap();
    stage.settle();
    stage.sent(Method::Cancel);
    stage.answers(&ringing, 487);
    stage.sent.clear();
    stage.pass(60_000);
    assert!(stage.sent.iter().all(|request| *request.method() != Method::Invite));
    assert_eq!(stage.waiting_for(), ["dialing is switched off: `outdial dialing on` switches it on"]);
    stage.engine.handle_operator(stage.now, &Operator::Dialing(true)).unwrap();
    stage.settle();
    stage.pass(5_000);
    stage.sent(Method::Invite);
}

#[test]
fn an_invite_that_was_committed_before_the_switch_does_not_leave_after_it() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.hold_commits = true;
    stage.contacts(&["+12125550101"]);
    stage.engine.set_dialing(false);
    stage.commit_held();
    assert!(stage.sent.iter().all(|request| *request.method() != Method::Invite));
}

#[test]
fn a_list_that_is_read_anew_ends_what_rings_and_keeps_the_rest_from_ringing() {
    use crate::campaign::suppression::{List, Reach, Suppression};
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101", "+12125550102"]);
    let ringing = stage.sent(Method::Invite);
    stage.answers(&ringing, 180);
    let mut numbers = Suppression::default();
    for number in ["+12125550101", "+12125550102"] {
        numbers.insert(&E164::from_e164(number).unwrap()).unwrap();
    }
    let (kind, version) = ("us-national".to_owned(), String::new());
    let list = List { kind, as_of: stage.now.wall, version, reach: Reach::All, numbers };
    stage.engine.handle_lists(stage.now, vec![list]);
    stage.settle();
    stage.sent(Method::Cancel);
    stage.pass(10_000);
    assert_eq!(stage.commits.len(), 1, "the second is rung no more");
}
