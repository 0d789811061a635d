//! An agent's REFER: who is called for it, by the rules for numbers, and who is not.

use super::*;
use crate::call::transfer::{Allowed, Rules};

#[test]
fn fault_22_a_refer_reaches_no_number_that_the_rules_for_numbers_forbid() {
    let rules = || Rules { allowed: Allowed::Blind, prefixes: vec!["+1".into()] };
    let table = [
        ("sip:+12025550123@pbx", "202 REFER"),
        ("sip:+12025550199@pbx", "603 REFER"),  // on the do-not-call list
        ("sip:+12125550101@pbx", "486 REFER"),  // in a call already
        ("sip:+19005550123@pbx", "603 REFER"),  // premium
        ("sip:+88216123456@pbx", "603 REFER"),  // satellite
        ("sip:+442079460123@pbx", "603 REFER"), // no prefix
        ("sip:700@evil.example", "603 REFER"),  // another domain
    ];
    for (to, reply) in table {
        let (mut stage, agent) = Stage::bridged("priority = 1", rules());
        let listed = E164::from_e164("+12025550199").unwrap();
        stage.engine.handle_suppressed(stage.now, &[listed], "file");
        stage.refers(&agent, to);
        assert_eq!(stage.replies, [reply], "{to}");
        let dialed = stage.sent.iter().filter(|request| *request.method() == Method::Invite);
        let dialed: Vec<_> = dialed.filter(|invite| invite.headers().to().unwrap().tag().is_none()).collect();
        assert_eq!(dialed.len(), usize::from(reply == "202 REFER"), "{to}");
    }
}

#[test]
fn fault_22_without_leave_of_the_campaign_a_refer_is_declined() {
    let (mut stage, agent) = Stage::bridged("priority = 1", Rules::default());
    stage.refers(&agent, "sip:700@pbx");
    assert_eq!(stage.replies, ["405 REFER"]);
    assert!(stage.sent.is_empty());
}

#[test]
fn the_new_party_takes_the_agents_place_and_its_channel_is_counted_until_the_end() {
    let rules = Rules { allowed: Allowed::Attended, prefixes: Vec::new() };
    let (mut stage, agent) = Stage::bridged("priority = 1", rules);
    assert_eq!(stage.channels(), [2]);
    stage.refers(&agent, "sip:700@pbx?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2");
    let new = loop {
        let invite = stage.sent(Method::Invite);
        if invite.uri() == "sip:700@pbx" {
            break invite;
        }
    };
    assert_eq!(new.headers().get("Replaces"), Some("x@y;to-tag=1;from-tag=2"));
    assert_eq!(stage.channels(), [3]);
    let traced = stage.engine.call_of(new.headers().call_id().unwrap());
    assert!(traced.is_some(), "whoever looks on sees the new party's leg from its INVITE on");
    stage.answers(&new, 200);
    let bye = stage.sent(Method::Bye);
    assert_eq!(bye.headers().call_id().unwrap(), agent.headers().call_id().unwrap(), "the agent is released");
    assert_eq!(stage.channels(), [2]);
    stage.asks(&new, Method::Bye, "", 500);
    assert_eq!(stage.channels(), [0], "the new party ends the call as an agent does");
}

#[test]
fn a_trunk_that_takes_refer_is_asked_to_call_the_new_party_itself() {
    let rules = Rules { allowed: Allowed::Blind, prefixes: vec!["+1202".into()] };
    let (mut stage, agent) = Stage::bridged("refer = true", rules);
    stage.refers(&agent, "sip:+12025550123@pbx");
    let number = E164::from_e164("+12025550123").unwrap();
    assert!(stage.engine.ledger.is_in_flight(&number));
    let refer = stage.sent(Method::Refer);
    assert_eq!(refer.headers().get("Refer-To"), Some("<sip:+12025550123@198.51.100.1>"));
    assert_eq!(stage.channels(), [2]);
}

#[test]
fn a_number_that_a_transfer_rings_or_talks_with_is_in_a_call_like_any_other_and_rests_afterwards() {
    let (mut stage, agent) =
        Stage::bridged("priority = 1", Rules { allowed: Allowed::Blind, prefixes: vec!["+1".into()] });
    let number = E164::from_e164("+12025550123").unwrap();
    stage.refers(&agent, "sip:+12025550123@pbx");
    assert!(stage.engine.ledger.is_in_flight(&number), "it rings");
    let target = stage.sent_to("sip:+12025550123@");
    stage.answers(&target, 200);
    assert!(stage.engine.ledger.is_in_flight(&number), "it talks");
    stage.asks(&target, Method::Bye, "", 500);
    let hour = Duration::from_secs(3600);
    assert!(!stage.engine.ledger.is_in_flight(&number));
    assert!(stage.engine.ledger.rest(&number, hour, stage.now.instant) > Duration::ZERO);
}

#[test]
fn a_number_that_may_not_be_dialed_any_more_is_not_rung_for_a_transfer_either_but_an_extension_is() {
    let words = [
        ("suppressed", Operator::Suppress(E164::from_e164("+12025550123").unwrap())),
        ("dialing off", Operator::Dialing(false)),
        ("drain", Operator::Drain),
    ];
    let rules = || Rules { allowed: Allowed::Blind, prefixes: vec!["+1".into()] };
    for (what, word) in words {
        // What rings already.
        let (mut stage, agent) = Stage::bridged("priority = 1", rules());
        stage.refers(&agent, "sip:+12025550123@pbx");
        let target = stage.sent_to("sip:+12025550123@");
        stage.answers(&target, 180);
        stage.sent.clear();
        stage.engine.handle_operator(stage.now, &word).unwrap();
        stage.settle();
        let canceled = stage.sent.iter().filter(|sent| *sent.method() == Method::Cancel).count();
        assert_eq!(canceled, 1, "{what}");
        // What is asked for afterwards.
        let (mut stage, agent) = Stage::bridged("priority = 1", rules());
        stage.engine.handle_operator(stage.now, &word).unwrap();
        stage.settle();
        stage.refers(&agent, "sip:+12025550123@pbx");
        let refused = if what == "suppressed" { "603 REFER" } else { "503 REFER" };
        assert_eq!(stage.replies, [refused], "{what}");
        stage.asks(&agent, Method::Refer, "sip:700@pbx", 200);
        assert_eq!(stage.replies.last().unwrap(), "202 REFER", "{what}: the agents' own PBX");
    }
}

impl Stage {
    /// The INVITE that goes there.
    fn sent_to(&mut self, uri: &str) -> SipRequest {
        loop {
            let invite = self.sent(Method::Invite);
            if invite.uri().starts_with(uri) {
                return invite;
            }
        }
    }

    /// A call whose agent, whose INVITE is given back, may transfer it by these rules.
    fn bridged(trunk: &str, transfer: Rules) -> (Stage, SipRequest) {
        let agent = AgentDial {
            whom: Whom::Uri("sip:600@pbx".into()),
            timeout: Duration::from_secs(15),
            machine_key: None,
            transfer,
            hold: None,
            whisper: None,
        };
        let mut stage = Stage::new(&[trunk], Human::Agent(agent));
        stage.contacts(&["+12125550101"]);
        let callee = stage.sent(Method::Invite);
        stage.answers(&callee, 200);
        // The detector is silent: after its deadline the engine takes whoever answered for a person.
        stage.pass(2_000);
        let agent = stage.sent(Method::Invite);
        stage.answers(&agent, 200);
        stage.sent.clear();
        (stage, agent)
    }

    fn refers(&mut self, invite: &SipRequest, to: &str) {
        self.asks(invite, Method::Refer, to, 100);
    }

    /// Whom `invite` was sent to asks for something in its dialog.
    pub(super) fn asks(&mut self, invite: &SipRequest, method: Method, to: &str, number: u32) {
        let mut request = SipRequest::new(method.clone(), "sip:us@127.0.0.1:5060");
        let (from, headers) = (invite.headers(), request.headers_mut());
        headers.push("Via", &format!("SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK{number}"));
        headers.push("From", &format!("{};tag=far", from.get("To").unwrap()));
        headers.push("To", from.get("From").unwrap());
        headers.push("Call-ID", from.call_id().unwrap());
        headers.push("CSeq", &format!("{number} {method}"));
        if !to.is_empty() {
            headers.push("Refer-To", &format!("<{to}>"));
        }
        self.engine.handle_datagram(self.now, address(0), &request.to_bytes());
        self.settle();
    }
}
