//! What the engine says when it is asked why it does not dial: one situation a test, in words, numbers and ends.

use super::*;
use crate::campaign::explain::checks::{Facts, Verdict};
use crate::campaign::explain::hold::Hold;
use crate::engine::caller_id::{self, Pool};

fn holds(stage: &Stage) -> Vec<Hold> {
    stage.engine.status(stage.now).campaigns.remove(0).holds
}

/// The only reason, but for the pace.
fn binding(stage: &Stage) -> Hold {
    let mut holds = holds(stage);
    holds.retain(|hold| hold.reason != "pace");
    assert_eq!(holds.len(), 1, "{holds:?}");
    holds.remove(0)
}

fn two_contacts(stage: &mut Stage) {
    stage.contacts(&["+12125550101", "+12125550102"]);
}

#[test]
fn a_trunk_that_asked_for_a_rest_is_named_with_its_end() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    two_contacts(&mut stage);
    let invite = stage.sent(Method::Invite);
    stage.responds(&invite, 503, &[("Retry-After", "120")]);
    stage.pass(2_500);
    let hold = binding(&stage);
    assert_eq!(
        hold.text,
        "trunk trunk-0 rests: it asked to be left alone (Retry-After), until Fri 2026-11-20 15:02 UTC (in 118 s)"
    );
    assert_eq!((hold.reason.as_str(), hold.until_ms), ("trunk_resting", Some(1_795_186_800_000 + 120_000)));
}

#[test]
fn an_open_circuit_breaker_is_named_with_its_limits_and_its_end() {
    let rules = "breaker_failures = 1\nbreaker_window_s = 30\nbreaker_rest_s = 90";
    let mut stage = Stage::new(&[rules], Human::HangUp);
    two_contacts(&mut stage);
    let invite = stage.sent(Method::Invite);
    stage.responds(&invite, 503, &[]);
    stage.pass(2_500);
    let hold = binding(&stage);
    assert!(
        hold.text.starts_with(
            "trunk trunk-0 rests: it failed too often (circuit breaker: breaker_failures = 1 within 30 s), until Fri \
             2026-11-20 15:01:30 UTC"
        ),
        "{}",
        hold.text
    );
    assert_eq!((hold.numbers.0["breaker_failures"], hold.numbers.0["breaker_window_s"]), (1.0, 30.0));
}

#[test]
fn a_trunk_that_is_down_unregistered_or_nowhere_is_named() {
    let mut down = Stage::new(&["options_interval_s = 10"], Human::HangUp);
    down.contacts(&[]);
    down.pass(40_000);
    assert_eq!(
        holds(&down)[0].text,
        "trunk trunk-0 is down: OPTIONS goes unanswered at 198.51.100.1:5060; asked every 10 s"
    );
    let mut waits = Stage::new(&["register = true\nusername = \"u\"\npassword = \"p\""], Human::HangUp);
    waits.contacts(&["+12125550101"]);
    let of_trunk = |stage: &Stage| {
        let of_trunk = |hold: &Hold| hold.reason.starts_with("trunk_");
        holds(stage).into_iter().find(of_trunk).expect("the trunk takes no call")
    };
    assert_eq!(of_trunk(&waits).text, "trunk trunk-0 is not registered: the registrar has not answered yet");
    let register = waits.sent(Method::Register);
    waits.responds(&register, 403, &[]);
    let hold = of_trunk(&waits);
    assert!(
        hold.text.starts_with(
            "trunk trunk-0 is not registered: the registrar answered 403; it is asked again, until "
        ),
        "{}",
        hold.text
    );
    assert_eq!(hold.numbers.0["status"], 403.0);
    let mut nowhere = Stage::new(&["host = \"trunk.example\""], Human::HangUp);
    nowhere.contacts(&["+12125550101"]);
    assert_eq!(of_trunk(&nowhere).text, "trunk trunk-0 has no address: the DNS is being asked");
}

#[test]
fn the_rate_and_the_lines_of_the_engine_are_named_with_their_numbers() {
    let rules = "calls_per_minute = 6000.0\nlines_max = 100";
    let mut stage =
        Stage::with_rules(&["channels_max = 100\ncalls_per_second_max = 100.0"], Human::HangUp, rules);
    let numbers: Vec<String> = (0..30).map(|n| format!("+121255501{n:02}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    stage.contacts(&numbers);
    stage.pass(500);
    // Ten lines and ten calls in a second: both are used up in the first half of it.
    let (lines, rate) = (&holds(&stage)[0], &holds(&stage)[1]);
    assert_eq!(lines.text, "all 10 lines of the engine are busy ([engine] lines_max)");
    assert_eq!((lines.numbers.0["lines"], lines.numbers.0["lines_max"]), (10.0, 10.0));
    assert!(
        rate.text.starts_with(
            "the engine has made its 10 calls of this second ([engine] calls_per_second_max), until Fri 2026-11-20 \
             15:00:01 UTC"
        ),
        "{}",
        rate.text
    );
    stage.pass(2_000);
    assert_eq!(holds(&stage).iter().filter(|hold| hold.reason == "engine_rate").count(), 0);
}

#[test]
fn the_rate_of_a_trunk_is_named_with_its_end() {
    let rules = "calls_per_minute = 6000.0";
    let mut stage = Stage::with_rules(&["calls_per_second_max = 0.5"], Human::HangUp, rules);
    two_contacts(&mut stage);
    stage.pass(500);
    let hold = binding(&stage);
    assert_eq!(
        hold.text,
        "trunk trunk-0 has made its 0.5 calls of this second (calls_per_second_max), until Fri 2026-11-20 15:00:02 UTC \
         (in 2 s)"
    );
}

#[test]
fn a_database_that_cannot_be_written_comes_first() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    two_contacts(&mut stage);
    let request =
        Box::new(Request::SaveCampaign { campaign: "spring".into(), state: CampaignState::Running });
    stage.engine.handle_answer(stage.now, Answer::Failed { request, error: "the disk is full".into() });
    let hold = holds(&stage).remove(0);
    assert_eq!(
        hold.text,
        "the database cannot be written, and no INVITE leaves without it: the disk is full; it is tried again, until Fri \
         2026-11-20 15:00:02 UTC (in 2 s)"
    );
    assert_eq!(hold.reason, "store_fault");
}

#[test]
fn an_engine_that_shuts_down_says_nothing_else() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    two_contacts(&mut stage);
    stage.engine.handle_operator(stage.now, &Operator::Drain).unwrap();
    assert_eq!(stage.waiting_for(), ["the engine is shutting down"]);
}

fn pool(more: &str) -> Pool {
    let text = format!(
        "name = \"us\"\n{more}\n[[number]]\nnumber = \"+12025550100\"\n[[number]]\nnumber = \"+13105550100\"\n"
    );
    let options: caller_id::Options = toml::from_str(&text).unwrap();
    assert_eq!(options.faults(), []);
    Pool::new(options)
}

fn pooled(more: &str) -> Stage {
    let rules = "calls_per_minute = 6000.0\nattempt_gap_min = 0";
    let mut stage = Stage::new(&["calls_per_second_max = 50.0"], Human::HangUp);
    let rules = format!(
        "name = \"spring\"\ntrunks = [\"trunk-0\"]\ncontacts = \"c.csv\"\ncaller_id = \"pool:us\"\n{rules}\n[window]\n\
         zone = \"UTC\"\ndays = [\"fri\", \"sat\"]\nstart = \"00:00\"\nend = \"24:00\"\n[law]\npacks = []"
    );
    let rules: campaign::Options = toml::from_str(&rules).unwrap();
    assert_eq!(rules.faults(), []);
    let treatment = Treatment {
        human: Human::HangUp,
        safe_harbour: None,
        machine: Machine::HangUp,
        unsure_is_human: true,
        opt_out: None,
        record: false,
        pause_key: None,
    };
    stage.engine.set_caller_id_pools(vec![pool(more)]);
    assert!(stage.engine.handle_rules(stage.now, rules, treatment, None));
    stage
}

#[test]
fn the_callee_sees_the_number_of_the_pool_that_is_near() {
    let mut stage = pooled("strategy = \"local\"");
    two_contacts(&mut stage);
    stage.contacts(&["+13105550103"]);
    stage.pass(200);
    let shown: Vec<&str> = stage.commits.iter().map(|invite| invite.caller_id.as_str()).collect();
    assert_eq!(shown, ["+12025550100", "+12025550100", "+13105550100"]);
    let from = stage.sent(Method::Invite).headers().get("From").unwrap().to_owned();
    assert!(from.contains("+12025550100"), "{from}");
    let last = stage.commits[2].call_id.clone();
    let explained = stage.engine.explain_attempt(&last).unwrap();
    assert_eq!(explained.caller_id_why, "its prefix +1310555010 fits the callee longest (local)");
    assert_eq!((explained.caller_id.as_str(), explained.trunk.as_str()), ("+13105550100", "trunk-0"));
    assert_eq!(stage.engine.explain_attempt("nobody's"), None);
}

#[test]
fn caller_ids_at_their_caps_hold_the_campaign_until_midnight() {
    let mut stage = pooled("daily_max = 1");
    stage.contacts(&["+12125550101", "+12125550102", "+12125550103"]);
    stage.pass(5_000);
    assert_eq!(stage.commits.len(), 2, "one call for each number");
    let hold = binding(&stage);
    assert_eq!(
        hold.text,
        "no caller id of the pool \"us\" is free: of 2, 2 made their calls of the day (daily_max, warm_up), until Sat \
         2026-11-21 00:00 UTC (in 8 h 59 min)"
    );
    assert_eq!((hold.reason.as_str(), hold.numbers.0["at_cap"]), ("caller_ids", 2.0));
    stage.pass(9 * 3_600_000);
    assert_eq!(stage.commits.len(), 3, "the day is over");
}

#[test]
fn a_number_that_callees_do_not_want_rests_and_the_journal_says_why() {
    let mut stage = pooled("complaints_max = 1\nstrategy = \"fixed\"");
    two_contacts(&mut stage);
    let invite = stage.sent(Method::Invite);
    stage.responds(&invite, 607, &[]);
    stage.pass(1_000);
    let shown: Vec<&str> = stage.commits.iter().map(|invite| invite.caller_id.as_str()).collect();
    assert!(shown.starts_with(&["+12025550100"]), "{shown:?}");
    let number = stage.engine.status(stage.now).caller_id_pools.remove(0).numbers.remove(0);
    assert_eq!((number.state.as_str(), number.complaints), ("resting", 1));
    assert!(stage.notes.iter().any(|note| note.contains("rests (rest_h): 1 callees")), "{:?}", stage.notes);
    stage.contacts(&["+12125550109"]);
    stage.pass(1_000);
    assert_eq!(stage.commits.last().unwrap().caller_id, "+13105550100");
}

#[test]
fn a_contact_is_explained_with_what_the_engine_alone_knows() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    two_contacts(&mut stage);
    stage.sent(Method::Invite);
    let facts = |number: &str| Facts {
        id: 101,
        number: number.to_owned(),
        outcomes: BTreeMap::new(),
        next_attempt_at_ms: 0,
        listed: None,
        last_end_ms: None,
        in_flight: None,
        attributes: BTreeMap::new(),
        history: Vec::new(),
    };
    let explained = stage.engine.explain_contact(stage.now, "spring", &facts("+12125550101")).unwrap();
    let binding = explained.examined.binding().unwrap();
    assert_eq!((binding.rule.as_str(), binding.verdict), ("in_flight", Verdict::Skip));
    assert_eq!(binding.value, "campaign spring is calling the number at this moment");
    let listed = E164::from_e164("+12125550109").unwrap();
    stage.engine.handle_operator(stage.now, &Operator::Suppress(listed)).unwrap();
    let explained = stage.engine.explain_contact(stage.now, "spring", &facts("+12125550109")).unwrap();
    assert_eq!(explained.examined.binding().unwrap().rule, "do_not_call");
    let nobody = stage.engine.explain_contact(stage.now, "summer", &facts("+12125550109"));
    assert_eq!(nobody, Err("no campaign is called \"summer\"; there are: spring".to_owned()));
}

#[test]
fn while_there_is_no_port_it_is_tried_once_a_second_and_told_once() {
    let mut stage = Stage::with_rules(&[""], Human::HangUp, "calls_per_minute = 600\nlines_max = 4");
    stage.no_port = true;
    let numbers = ["+12125550101", "+12125550102", "+12125550103", "+12125550104"];
    stage.contacts(&numbers);
    stage.pass(5_500);
    let told = |stage: &Stage| {
        stage.journal.iter().filter(|line| line.ends_with("not dialed: all ports are in use")).count()
    };
    assert_eq!(told(&stage), 1);
    assert_eq!(stage.commits.len(), 0);
    stage.no_port = false;
    // Less than the pace of 600 a minute lets two go in.
    while stage.commits.is_empty() {
        stage.pass(50);
    }
    // One that was dialed ends the spell.
    stage.no_port = true;
    stage.pass(3_000);
    assert_eq!(told(&stage), 2);
}

#[test]
fn each_number_that_the_store_forbids_is_told_of() {
    let mut stage = Stage::with_rules(&[""], Human::HangUp, "calls_per_minute = 6000\nlines_max = 4");
    stage.hold_commits = true;
    stage.contacts(&["+12125550101", "+12125550102"]);
    stage.pass(100);
    assert_eq!(stage.commits.len(), 2);
    for attempt in stage.commits.iter().map(|invite| invite.attempt).collect::<Vec<_>>() {
        let reason = "the number is on the do-not-call list".to_owned();
        stage.engine.handle_answer(stage.now, Answer::InviteForbidden { attempt, reason });
    }
    stage.settle();
    let told = stage.journal.iter().filter(|line| line.contains("do-not-call list")).count();
    assert_eq!(told, 2, "{:?}", stage.journal);
}
