//! The end of a run, and that of a call: nobody leaves before the far end has heard of it.

use super::*;
use crate::sip::digest::{Credentials, Secret};
use std::net::IpAddr;

/// How long a BYE waits for its answer (RFC 3261, Timer F).
const TIMER_F_MS: u64 = 32_000;

#[test]
fn a_run_is_not_over_before_its_last_bye_is_answered() {
    let (mut stage, _) = killed();
    let bye = stage.sent(Method::Bye);
    assert!(!stage.engine.is_quiet(), "the BYE may be lost");
    stage.pass(1_000);
    assert_eq!(stage.sent(Method::Bye).to_bytes(), bye.to_bytes(), "and is sent again");
    stage.lets_go(&bye, 200, "");
    assert!(stage.engine.is_quiet(), "nothing is waited for any more");
}

#[test]
fn a_bye_that_nobody_answers_keeps_a_run_for_as_long_as_it_is_repeated() {
    let (mut stage, _) = killed();
    stage.pass(TIMER_F_MS - 100);
    assert_eq!(stage.sent.iter().filter(|request| *request.method() == Method::Bye).count(), 11);
    assert!(!stage.engine.is_quiet());
    stage.pass(200);
    assert!(stage.engine.is_quiet());
}

#[test]
fn a_200_that_crosses_the_cancel_keeps_a_run_until_its_bye_is_answered() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 180);
    stage.engine.handle_operator(stage.now, &Operator::Drain).unwrap();
    stage.settle();
    stage.sent(Method::Cancel);
    stage.answers(&invite, 200);
    stage.sent(Method::Ack);
    let bye = stage.sent(Method::Bye);
    assert!(!stage.engine.is_quiet());
    stage.answers(&invite, 200);
    stage.sent(Method::Ack);
    stage.lets_go(&bye, 200, "");
    assert!(stage.engine.is_quiet());
}

#[test]
fn a_call_is_kept_in_the_store_until_its_bye_is_answered_or_given_up() {
    for answered in [true, false] {
        let (mut stage, call_id) = killed();
        let bye = stage.sent(Method::Bye);
        stage.pass(TIMER_F_MS - 100);
        assert!(!stage.forgotten_calls().contains(&call_id), "the next run has to end it");
        if answered {
            stage.lets_go(&bye, 200, "");
        } else {
            stage.pass(200);
        }
        assert!(stage.forgotten_calls().contains(&call_id), "{answered}");
    }
}

#[test]
fn a_call_that_nobody_has_to_end_is_forgotten_at_once() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 486);
    stage.pass(300);
    assert!(stage.forgotten_calls().contains(&invite.headers().call_id().unwrap().to_owned()));
}

#[test]
fn a_trunk_that_was_taken_out_is_heard_until_its_last_call_is_over_and_has_its_challenge_answered() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    let credentials =
        Credentials { username: "u".into(), password: Secret::new("p"), realm: Some("carrier".into()) };
    let setup = TrunkSetup { credentials: Some(credentials), ..trunk_setup(0, "") };
    stage.engine.handle_trunks(stage.now, vec![setup]);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 200);
    stage.engine.handle_trunks(stage.now, vec![trunk_setup(1, "")]);
    stage.settle();
    // The detector is silent: after its deadline whoever answered is hung up on.
    stage.pass(2_000);
    let trunk = address(0).ip();
    let bye = stage.sent(Method::Bye);
    assert!(stage.engine.takes_from(trunk), "it has the BYE to answer");
    stage.sent.clear();
    stage.lets_go(&bye, 407, "Digest realm=\"carrier\", nonce=\"n\"");
    let again = stage.sent(Method::Bye);
    assert!(again.headers().get("Proxy-Authorization").is_some());
    stage.answers(&invite, 200);
    stage.sent(Method::Ack);
    stage.lets_go(&again, 200, "");
    stage.pass(TIMER_F_MS - 2_000);
    assert!(stage.engine.takes_from(trunk), "copies come until then");
    stage.pass(2_000);
    assert!(!stage.engine.takes_from(trunk));
}

#[test]
fn an_answer_to_our_request_is_taken_wherever_it_comes_from_and_nothing_else_of_a_stranger() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    let stranger = IpAddr::from([203, 0, 113, 9]);
    let takes = |stage: &Stage, text: &[u8]| stage.engine.takes(stranger, text);
    let answer = Response::to_request(&invite, 180, "Ringing").to_bytes();
    assert!(takes(&stage, &answer));
    let text = String::from_utf8(answer).unwrap();
    let branch = invite.headers().via_top().unwrap().branch().unwrap().to_owned();
    for other in [&branch[..branch.len() - 1], &format!("{branch}1"), "z9hG4bK", "", "z9hG4bK~", "z9hG4bK.0"]
    {
        assert!(!takes(&stage, text.replace(&branch, other).as_bytes()), "{other:?}");
    }
    assert!(!takes(&stage, &invite.to_bytes()), "a request with our branch");
    assert!(!takes(&stage, format!("SIP/2.0 200 OK\r\n{}{text}", "X: y\r\n".repeat(1_000)).as_bytes()));
    stage.answers(&invite, 486);
    stage.pass(33_000);
    assert!(!takes(&stage, text.as_bytes()), "its transaction has gone");
}

impl Stage {
    /// A final response within the call, with the value of its challenge.
    fn lets_go(&mut self, request: &SipRequest, status: u16, challenge: &str) {
        let mut response = Response::to_request(request, status, "Word");
        if !challenge.is_empty() {
            response.headers_mut().push("Proxy-Authenticate", challenge);
        }
        self.engine.handle_datagram(self.now, address(0), &response.to_bytes());
        self.settle();
    }
}

/// A call that was answered as the run is told to end all; with its Call-ID.
fn killed() -> (Stage, String) {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 200);
    stage.engine.handle_operator(stage.now, &Operator::Kill).unwrap();
    stage.settle();
    (stage, invite.headers().call_id().unwrap().to_owned())
}
