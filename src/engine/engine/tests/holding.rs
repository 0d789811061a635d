//! Agents' legs and the store: no phone rings of which a next engine would not know, and one that a former engine has left
//! in a call is not rung for another.

use super::agents::{Floor, user_of};
use super::*;
use crate::agent;
use crate::engine::engine::holding::HELD_MAX;

#[test]
fn an_agents_phone_does_not_ring_before_the_store_knows_of_its_call() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann"]);
    floor.wants_agent(true);
    floor.stage.pass(500);
    assert_eq!((floor.invites(), floor.states()), (0, vec!["ann ringing".to_owned()]));
    let kept: Vec<String> = floor.stage.kept_calls();
    floor.stage.keep_held();
    let ann = floor.stage.sent(Method::Invite);
    assert_eq!(user_of(&ann), "ann");
    assert!(kept.contains(&ann.headers().call_id().unwrap().to_owned()), "{kept:?}");
    floor.stage.answers(&ann, 200);
    assert_eq!(floor.states(), ["ann talking"]);
}

#[test]
fn a_slow_store_is_waited_for_no_longer_than_a_person_may_wait_and_a_failing_one_not_at_all() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann"]);
    floor.wants_agent(true);
    floor.stage.pass(HELD_MAX.as_millis() as u64 - 10);
    assert_eq!(floor.invites(), 0);
    floor.stage.pass(20);
    assert_eq!(user_of(&floor.stage.sent(Method::Invite)), "ann");
    assert!(floor.stage.journal.iter().any(|line| line.contains("is slow")), "{:?}", floor.stage.journal);

    let mut floor = Floor::new("mode = \"progressive\"", &["ann"]);
    floor.wants_agent(true);
    let is_keep = |request: &Request| matches!(request, Request::KeepDialogs { .. });
    let place = floor.stage.of_store.iter().rposition(is_keep).expect("it was asked to keep the call");
    let request = Box::new(floor.stage.of_store.remove(place));
    floor.stage.engine.handle_answer(floor.stage.now, Answer::Failed { request, error: "no space".into() });
    floor.stage.settle();
    assert_eq!(user_of(&floor.stage.sent(Method::Invite)), "ann", "nothing is gained by waiting");
}

#[test]
fn a_caller_who_hangs_up_before_the_agents_phone_rings_leaves_nothing_behind() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann"]);
    let callee = floor.wants_agent(true);
    assert_eq!(floor.stage.channels(), [2], "the agent's is taken already");
    floor.stage.says_bye(&callee);
    assert_eq!((floor.stage.channels(), floor.states()), (vec![0], vec!["ann ready".to_owned()]));
    floor.stage.keep_held();
    floor.stage.pass(2_000);
    assert_eq!(floor.invites(), 0, "the phone does not ring for nobody");
    let told = floor.stage.kept_calls();
    let gone = floor.stage.forgotten_calls();
    assert!(told.iter().all(|call_id| gone.contains(call_id)), "{told:?} {gone:?}");
}

#[test]
fn an_agent_whom_a_dead_engine_has_left_in_a_call_is_not_rung_until_it_has_ended() {
    for (answered, afterwards) in [(true, "ann wrap_up"), (false, "ann ready")] {
        let mut first = Floor::new("mode = \"progressive\"", &["ann"]);
        first.wants_agent(false);
        let ann = first.stage.sent(Method::Invite);
        first.stage.answers(&ann, if answered { 200 } else { 180 });
        let call_id = ann.headers().call_id().unwrap().to_owned();
        let dialog = first.stage.kept(&call_id).expect("the store knows of it");

        let mut next = Floor::new("mode = \"progressive\"", &["ann", "bob"]);
        let former = FormerRun { attempts: Vec::new(), dialogs: vec![dialog], dialed_lately: true };
        next.stage.engine.handle_former_run(next.stage.now, former);
        next.stage.settle();
        let busy = if answered { "ann talking" } else { "ann ringing" };
        assert_eq!(next.states(), [busy, "bob ready"]);
        assert_eq!(next.stage.channels(), [1]);
        let method = if answered { Method::Bye } else { Method::Cancel };
        let request = next.stage.sent(method);
        assert_eq!(request.headers().call_id(), Ok(call_id.as_str()));
        next.stage.agrees(&request);
        if !answered {
            next.stage.answers(&ann, 487);
        }
        assert_eq!(
            (next.states(), next.stage.channels()),
            (vec![afterwards.into(), "bob ready".into()], vec![0])
        );
    }
}

#[test]
fn an_agent_who_is_signed_out_is_so_again_when_a_former_runs_call_has_ended() {
    let mut roster = agent::Roster::new(
        Instant::ZERO,
        vec![toml::from_str("name = \"ann\"\nuri = \"sip:601@pbx\"\ntrunk = \"pbx\"").unwrap()],
    );
    let ann = roster.find("ann").unwrap();
    roster.handle_adopted(Instant::ZERO, ann, false);
    assert!(roster.agent(ann).state.is_busy());
    roster.handle_released(Instant::ZERO, ann);
    assert_eq!(roster.agent(ann).state, agent::State::Offline);
}

impl Floor {
    /// Somebody has answered, and an agent's phone is to ring; the store may take its time over that.
    fn wants_agent(&mut self, held: bool) -> SipRequest {
        self.stage.contacts(&["+12125550101"]);
        let [callee] = self.callees();
        self.stage.answers(&callee, 200);
        self.stage.hold_keeps = held;
        self.stage.pass(1_001);
        callee
    }
}

impl Stage {
    /// The far end does as it is told.
    fn agrees(&mut self, request: &SipRequest) {
        let response = Response::to_request(request, 200, "OK");
        self.engine.handle_datagram(self.now, address(0), &response.to_bytes());
        self.settle();
    }

    fn kept_calls(&self) -> Vec<String> {
        let open = |request: &Request| match request {
            Request::KeepDialogs { open, .. } => open.iter().map(|kept| kept.call_id.clone()).collect(),
            _ => Vec::new(),
        };
        self.of_store.iter().flat_map(open).collect()
    }

    pub(super) fn forgotten_calls(&self) -> Vec<String> {
        let gone = |request: &Request| match request {
            Request::KeepDialogs { gone, .. } => gone.clone(),
            _ => Vec::new(),
        };
        self.of_store.iter().flat_map(gone).collect()
    }

    /// What the store has of a call.
    fn kept(&self, call_id: &str) -> Option<crate::record::DialogRecord> {
        let mut kept = self.of_store.iter().rev().filter_map(|request| match request {
            Request::KeepDialogs { open, .. } => open.iter().find(|kept| kept.call_id == call_id),
            _ => None,
        });
        kept.next().cloned()
    }
}
