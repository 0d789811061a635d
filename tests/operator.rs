//! What an operator does with the engine: campaigns started, paused and stopped, restarts, signals, a number suppressed, a
//! test call, a check, exports; the binary against the simulated carrier on loopback.
//!
//! That something does not happen is shown by something else that does, at the same pace, in the same engine.

#[path = "operator/agents.rs"]
mod agents;
mod peers;
#[path = "operator/scene.rs"]
mod scene;

use outdial::sim::callee::{Callee, Temper};
use outdial::sim::ledger::EndedBy;
use peers::audio::tone;
use peers::eventually;
use scene::{SOON, Scene, busy, entry, number, numbers, person, refused, state_of, stdout, words};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

#[test]
fn a_campaign_dials_only_while_the_operator_lets_it() {
    let mut scene = Scene::new((100..140).map(|n| (n, Callee::NoAnswer)).chain(busy(200..210)));
    scene.outdial.write_contacts("spring.csv", numbers(100..140));
    scene.outdial.write_contacts("autumn.csv", numbers(200..205));
    scene.outdial.write_contacts("winter.csv", numbers(205..210));
    let rules = "autostart = false\ncalls_per_minute = 300.0\nring_timeout_s = 120\nlines_max = 100";
    let autumn = scene.campaign("autumn", "autostart = true\ncalls_per_minute = 300.0");
    let winter = scene.campaign("winter", "autostart = false\ncalls_per_minute = 300.0");
    scene.configure(&[scene.campaign("spring", rules), autumn, winter]);

    scene.outdial.start();
    scene.outdial.wait_until_completed("autumn", SOON);
    assert_eq!(scene.carrier().counts().calls, 5, "autumn's alone");
    let spring = scene.status_of("spring");
    assert_eq!((&spring["state"], &spring["in_flight"]), (&"draft".into(), &0.into()), "{spring}");
    assert!(spring["waiting_for"][0].as_str().unwrap().contains("not started"), "{spring}");
    scene.people_read(&["spring", "draft", "waiting: not started"]);

    let said = scene.does("campaign start spring");
    assert!(said.contains("spring"), "{said}");
    scene.until_calls(5 + 4);
    assert_eq!(scene.status_of("spring")["state"], "running");

    scene.does("campaign pause spring");
    let paused = scene.status_of("spring");
    assert_eq!(paused["state"], "paused");
    assert_eq!(paused["waiting_for"], Value::from(vec!["paused by the operator"]));
    scene.people_read(&["spring", "paused", "waiting: paused by the operator"]);
    let ringing = paused["in_flight"].as_u64().unwrap() as usize;
    assert_eq!(paused["contacts_waiting"], 40 - ringing, "{paused}");
    assert!((4..40).contains(&ringing), "{paused}");
    scene.does("campaign start winter");
    scene.outdial.wait_until_completed("winter", SOON);
    scene.until_calls(5 + 5 + ringing);
    assert_eq!(scene.status_of("spring")["in_flight"], ringing as u64, "calls in flight go on");
    assert_eq!(scene.carrier().counts().calls, 5 + 5 + ringing, "no call began while winter's five did");

    scene.does("campaign resume spring");
    scene.until_calls(5 + 5 + ringing + 4);
    scene.does("campaign stop spring");
    let stopped = scene.status_of("spring");
    assert_eq!(stopped["state"], "stopped");
    assert_eq!(stopped["waiting_for"], Value::from(vec!["stopped by the operator"]));
    assert!(stopped["in_flight"].as_u64().unwrap() as usize >= ringing + 4, "{stopped}");

    // What cannot be is said, with the remedy; what is so already is no fault.
    scene.refuses("campaign resume spring", &["spring", "stopped", "campaign start"]);
    scene.refuses("campaign pause spring", &["spring", "stopped"]);
    scene.does("campaign stop spring");
    scene.refuses("campaign start summer", &["summer", "spring", "autumn", "winter"]);
    scene.end();
}

#[test]
fn a_restart_goes_on_where_it_was_and_dials_nobody_twice() {
    let mut scene = Scene::new(busy(100..150).chain(busy(200..205)));
    scene.outdial.write_contacts("spring.csv", numbers(100..150));
    scene.outdial.write_contacts("autumn.csv", numbers(200..205));
    let autumn = scene.campaign("autumn", "autostart = false\ncalls_per_minute = 600.0");
    scene.configure(&[scene.campaign("spring", "calls_per_minute = 600.0\nmax_attempts = 1"), autumn]);

    scene.outdial.start();
    scene.until_calls(5);
    scene.does("campaign pause spring");
    let quiet = |scene: &Scene| scene.status_of("spring")["in_flight"] == 0;
    eventually(SOON, "what is busy ends", || quiet(&scene).then_some(()));
    scene.outdial.stop();
    let before = scene.carrier().counts().calls;
    assert!(before < 50, "all were dialed before the pause");

    scene.outdial.start();
    assert_eq!(scene.status_of("spring")["state"], "paused");
    scene.does("campaign start autumn");
    scene.outdial.wait_until_completed("autumn", SOON);
    assert_eq!(scene.carrier().counts().calls, before + 5, "spring is still paused");
    scene.does("campaign resume spring");
    scene.until_calls(before + 5 + 5);
    scene.outdial.stop();

    scene.outdial.start();
    scene.outdial.wait_until_completed("spring", SOON);
    let calls = scene.outdial.calls();
    let ledger = scene.end();
    let rung: Vec<&str> = ledger.entries().iter().map(|entry| entry.number.as_str()).collect();
    let distinct: BTreeSet<&str> = rung.iter().copied().collect();
    assert_eq!(rung.len(), distinct.len(), "somebody was dialed twice: {rung:?}");
    let attempts: BTreeSet<&str> = calls.iter().map(|call| call["attempt"].as_str().unwrap()).collect();
    let recorded: BTreeSet<&str> = calls.iter().map(|call| call["number"].as_str().unwrap()).collect();
    assert_eq!((calls.len(), attempts.len(), recorded.len()), (55, 55, 55));
    assert!(distinct.is_subset(&recorded));
}

#[test]
fn sigterm_cancels_what_rings_and_lets_the_answered_go_on() {
    let mut scene = Scene::new([
        (100, Callee::NoAnswer),
        (101, Callee::NoAnswer),
        (102, person(Temper::HangsUp(Duration::from_secs(7)))),
        (103, person(Temper::Talks)),
        (104, Callee::NoAnswer),
        (105, Callee::NoAnswer),
    ]);
    scene.outdial.write_contacts("spring.csv", numbers(100..106));
    // Four lines, all taken: the fifth and the sixth would be dialed as soon as one is free.
    scene.configure(&[scene.campaign("spring", "lines_max = 4\nring_timeout_s = 120\nmax_attempts = 1")]);
    scene.drain_for(12);
    scene.outdial.start();
    scene.until_ringing_and_answered(4, 2);

    scene.outdial.engine().signal("TERM");
    let canceled = |scene: &Scene| scene.carrier().counts().in_flight == 2;
    eventually(SOON, "what rings is canceled", || canceled(&scene).then_some(()));
    assert!(scene.outdial.engine().ended().is_none(), "the answered go on");
    scene.people_read(&["shutting down", "spring"]);
    scene.refuses("campaign start spring", &["shutting down"]);
    let status = scene.outdial.engine().wait(SOON);
    assert_eq!(status.code(), Some(0), "{}", scene.outdial.engine().last_words());

    let calls = scene.outdial.calls();
    assert_eq!(calls.len(), 4, "{calls:#?}");
    for number in numbers(100..102) {
        let call = scene.outdial.call_of(&number);
        assert_eq!((&call["disposition"], &call["ended_by"]), (&"canceled".into(), &"us".into()), "{call:#}");
    }
    let [hung_up, drained] = [102, 103].map(|n| scene.outdial.call_of(&number(n)));
    assert_eq!(hung_up["ended_by"], "callee", "{hung_up:#}");
    assert_eq!(drained["ended_by"], "us", "{drained:#}");
    let ledger = scene.take_ledger();
    assert_eq!(ledger.entries().len(), 4, "nobody new was dialed");
    for n in [100, 101] {
        let entry = entry(&ledger, n);
        assert!(entry.canceled_at.is_some() && entry.status == 487, "{entry:?}");
    }
    assert_eq!(entry(&ledger, 102).ended_by, Some(EndedBy::Carrier));
    let drained = entry(&ledger, 103);
    assert_eq!((drained.ended_by, drained.byes_received > 0), (Some(EndedBy::Caller), true));
    let lived = drained.bye_at.unwrap() - entry(&ledger, 100).canceled_at.unwrap();
    assert!(lived >= Duration::from_secs(10), "it had 12 s to drain and got {lived:?}");
}

#[test]
fn a_second_sigterm_ends_every_call_at_once() {
    let mut scene =
        Scene::new([(100, person(Temper::Talks)), (101, person(Temper::Talks)), (102, Callee::NoAnswer)]);
    scene.outdial.write_contacts("spring.csv", numbers(100..103));
    scene.configure(&[scene.campaign("spring", "ring_timeout_s = 120\nmax_attempts = 1")]);
    scene.drain_for(600);
    scene.outdial.start();
    scene.until_ringing_and_answered(3, 2);

    scene.outdial.engine().signal("TERM");
    let canceled = |scene: &Scene| scene.carrier().counts().in_flight == 2;
    eventually(SOON, "what rings is canceled", || canceled(&scene).then_some(()));
    scene.outdial.engine().signal("TERM");
    let status = scene.outdial.engine().wait(SOON);
    assert_eq!(status.code(), Some(0), "{}", scene.outdial.engine().last_words());
    let log = scene.outdial.engine().output();
    assert!(log.contains("told twice"), "{log}");

    let attempts: BTreeSet<String> =
        scene.outdial.calls().iter().map(|call| call["attempt"].to_string()).collect();
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    for n in 100..103 {
        assert_eq!(scene.outdial.call_of(&number(n))["ended_by"], "us");
    }
    let ledger = scene.take_ledger();
    for n in [100, 101] {
        let entry = entry(&ledger, n);
        assert_eq!((entry.ended_by, entry.byes_received > 0), (Some(EndedBy::Caller), true), "{entry:?}");
    }
}

#[test]
fn sighup_takes_the_new_rules_over_and_leaves_a_faulty_file_alone() {
    let mut scene = Scene::new((100..106).map(|n| (n, person(Temper::Talks))));
    scene.outdial.write_contacts("spring.csv", numbers(100..106));
    scene.outdial.write_audio("short.wav", &tone(850.0, 0.5));
    let slow = scene.campaign("spring", "calls_per_minute = 0.5\nmax_attempts = 1");
    let slow = slow.replace("message = \"long.wav\"", "message = \"short.wav\"");
    scene.configure(std::slice::from_ref(&slow));
    scene.outdial.start();
    let done = |scene: &Scene| scene.outdial.calls().len() == 1;
    eventually(SOON, "the first is called", || done(&scene).then_some(()));

    // At the old pace the next call is two minutes away, at the new one it is due at once.
    let quick = slow
        .replace("calls_per_minute = 0.5", "calls_per_minute = 600.0")
        .replace("action = \"message\"", "action = \"hang_up\"");
    let faulty = quick.replace("ring_timeout_s = 20", "ring_timeout_s = 5");
    assert_ne!(faulty, quick);
    scene.configure(&[faulty]);
    scene.hang_up_and_read(
        "not reloaded",
        &["ring_timeout_s", "outdial.toml:", "running configuration stays"],
    );
    // The engine is within reach although its file is faulty.
    assert_eq!(scene.status_of("spring")["state"], "running");
    scene.does("campaign pause spring");
    scene.does("campaign resume spring");

    scene.outdial.write("do-not-call.csv", &format!("# ours\n{}\nJohn\n", number(101)));
    let summer = scene.campaign("summer", "");
    scene.outdial.write_contacts("summer.csv", numbers(102..103));
    scene.configure(&[quick, summer]);
    scene.hang_up_and_read("reloaded:", &["1 new do-not-call number"]);
    scene.outdial.wait_until_completed("spring", SOON);
    let log = scene.outdial.engine().output();
    for words in [
        ["do-not-call.csv", "line 3"], // a row that may be a person who asked not to be called
        ["summer", "start"],           // a campaign that only a restart brings
    ] {
        let found = log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line has {words:?}:\n{log}");
    }

    let first = scene.outdial.call_of(&number(100));
    assert_eq!(first["disposition"], "message_played", "{first:#}");
    for n in 102..106 {
        let call = scene.outdial.call_of(&number(n));
        assert_eq!(call["disposition"], "hung_up_early", "{call:#}");
    }
    let kept: Vec<Value> = scene.outdial.contacts();
    let state = &kept.iter().find(|contact| contact["number"] == number(101)).unwrap()["state"];
    assert_eq!(state, "suppressed");
    let ledger = scene.end();
    assert_eq!(ledger.entries().len(), 5, "everybody but the one on the list");
    assert!(ledger.entries().iter().all(|entry| entry.number != number(101)));
}

#[test]
fn sighup_takes_over_a_long_do_not_call_list_without_a_word_of_a_failing_store() {
    let mut scene = Scene::new(busy(100..101));
    scene.outdial.write_contacts("spring.csv", numbers(100..101));
    scene.configure(&[scene.campaign("spring", "autostart = false")]);
    scene.outdial.start();
    let list: String = (0..10_000).map(|n| format!("+1202555{n:04}\n")).collect();
    scene.outdial.write("do-not-call.csv", &list);
    scene.hang_up_and_read("reloaded:", &["10000 new do-not-call numbers"]);
    let suppressed = |scene: &Scene| scene.outdial.contacts()[0]["state"] == "suppressed";
    eventually(SOON, "the contact is suppressed", || suppressed(&scene).then_some(()));
    assert_eq!(scene.outdial.status()["store_fault"], "");
    let log = scene.outdial.engine().output();
    assert!(!log.contains("store failed"), "{log}");
    scene.end();
}

#[test]
fn a_person_who_answers_after_a_reload_gets_the_agent_that_it_names() {
    let mut scene = Scene::new([(100, person(Temper::Talks)), (600, Callee::Busy)]);
    scene.outdial.write_contacts("spring.csv", numbers(100..101));
    let before = scene.campaign("spring", "autostart = false");
    scene.configure(std::slice::from_ref(&before));
    scene.outdial.start();
    let agent = format!(
        "action = \"agent\"\nagent_uri = \"sip:{}@{}\"\nagent_trunk = \"carrier\"",
        number(600),
        scene.carrier().address()
    );
    let after = before.replace("action = \"message\"\nmessage = \"long.wav\"", &agent);
    scene.configure(std::slice::from_ref(&after));
    scene.hang_up_and_read("reloaded:", &[]);
    scene.does("campaign start spring");
    scene.outdial.wait_until_completed("spring", SOON);
    // An agent whose trunk only a restart brings would leave everybody who answers without one.
    let elsewhere = after.replace("agent_trunk = \"carrier\"", "agent_trunk = \"pbx\"");
    let trunk = "[[trunk]]\nname = \"pbx\"\nhost = \"127.0.0.1\"\ntransport = \"tls\"\n";
    scene.configure(&[elsewhere.clone(), trunk.to_owned()]);
    scene.hang_up_and_read("not reloaded", &["agent_trunk", "pbx"]);
    // Any other trunk is there at once, and gone at once when it is not wanted any more.
    let trunk = trunk.replace("tls", "udp");
    scene.configure(&[elsewhere, trunk]);
    scene.hang_up_and_read("reloaded:", &["1 trunk added"]);
    scene.people_read(&["trunk    pbx"]);
    scene.configure(&[after]);
    scene.hang_up_and_read("reloaded:", &["1 trunk taken out"]);
    assert!(!scene.does("status").contains("trunk    pbx"));
    let ledger = scene.end();
    assert!(ledger.entries().iter().any(|entry| entry.number == number(600)), "the agent was never rung");
}

#[test]
fn a_suppressed_number_is_never_dialed() {
    let mut scene = Scene::new(busy(100..104));
    scene.outdial.write_contacts("spring.csv", numbers(100..104));
    scene.configure(&[scene.campaign("spring", "autostart = false\nmax_attempts = 1")]);
    scene.outdial.start();
    scene.does(&format!("suppress {}", number(101)));
    scene.refuses("suppress 5550102", &["5550102", "+12025550101"]);
    scene.does("campaign start spring");
    scene.outdial.wait_until_completed("spring", SOON);
    let contacts = scene.outdial.contacts();
    for contact in &contacts {
        let suppressed = contact["number"] == number(101);
        let (state, reason) =
            if suppressed { ("suppressed", "do_not_call".into()) } else { ("done", Value::Null) };
        assert_eq!((&contact["state"], &contact["last_reason"]), (&state.into(), &reason));
    }
    assert_eq!(scene.end().entries().len(), 3);
}

#[test]
fn a_phone_stops_ringing_when_its_number_is_suppressed() {
    let mut scene = Scene::new([(100, Callee::NoAnswer), (101, Callee::NoAnswer)]);
    scene.outdial.write_contacts("spring.csv", numbers(100..102));
    scene.configure(&[scene.campaign("spring", "ring_timeout_s = 120")]);
    scene.outdial.start();
    scene.until_calls(2);
    scene.does(&format!("suppress {}", number(100)));
    let suppressed = |scene: &Scene| state_of(scene, 100) == "suppressed";
    eventually(SOON, "the call is canceled", || suppressed(&scene).then_some(()));
    assert_eq!(scene.outdial.call_of(&number(100))["disposition"], "canceled");
    assert_eq!(state_of(&scene, 101), "in_flight", "the other one rings on");
    let ledger = scene.end();
    assert!(entry(&ledger, 100).canceled_at.unwrap() < entry(&ledger, 101).canceled_at.unwrap());
}

#[test]
fn a_number_that_the_engine_has_picked_already_is_suppressed_all_the_same() {
    let mut scene = Scene::new(busy(100..103));
    scene.outdial.write_contacts("spring.csv", numbers(100..103));
    // The second call is two minutes away, and its contact is in the engine's hands.
    scene.configure(&[scene.campaign("spring", "calls_per_minute = 0.5\nmax_attempts = 1")]);
    scene.outdial.start();
    scene.until_calls(1);
    let picked = |scene: &Scene| state_of(scene, 101) == "claimed";
    eventually(SOON, "the second is picked", || picked(&scene).then_some(()));
    scene.does(&format!("suppress {}", number(101)));
    let suppressed = |scene: &Scene| state_of(scene, 101) == "suppressed";
    eventually(SOON, "it is suppressed", || suppressed(&scene).then_some(()));
    assert!(!scene.end().entries().iter().any(|entry| entry.number == number(101)));
}

#[test]
fn a_test_call_shows_its_ladder_and_its_verdict() {
    let mut scene = Scene::new([(100, person(Temper::Talks)), (101, Callee::Busy)]);
    scene.outdial.write_audio("long.wav", &tone(850.0, 0.5));
    scene.configure(&[scene.campaign("spring", "autostart = false")]);

    let output = scene.outdial.command(&["call", &number(100)]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let text = stdout(&output);
    let mut rest = text.as_str();
    for step in ["INVITE", "180 Ringing", "200 OK", "ACK", "speech from", "human", "message played", "BYE"] {
        let at = rest.find(step).unwrap_or_else(|| panic!("no {step} where it belongs:\n{text}"));
        rest = &rest[at + step.len()..];
    }
    assert!(text.contains("ended by us: message_played"), "{text}");

    let output = scene.outdial.command(&["call", &number(101), "--json"]);
    assert_eq!(output.status.code(), Some(0), "it was dialed: {}", words(&output));
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert!(line["at_ms"].is_u64() && line["kind"].is_string() && line["text"].is_string(), "{line}");
    }
    let has = |kind: &str, word: &str| {
        lines.iter().any(|line| line["kind"] == kind && line["text"].as_str().unwrap().contains(word))
    };
    assert!(has("sip", "INVITE") && has("sip", "486") && has("call", "busy"), "{lines:#?}");
    let ledger = scene.take_ledger();
    assert_eq!(ledger.entries().len(), 2);
}

#[test]
fn a_test_call_is_refused_by_the_do_not_call_list_and_by_the_clock() {
    let mut scene = Scene::new(busy(100..105));
    scene.outdial.write("do-not-call.csv", &format!("reason,phone\nasked,{}\n", number(100)));
    scene.outdial.write_contacts("spring.csv", numbers(100..100));
    let open = scene.campaign("spring", "autostart = false");
    scene.configure(std::slice::from_ref(&open));
    // The database has gathered a number that the file does not have.
    scene.outdial.start();
    scene.does(&format!("suppress {}", number(101)));
    let listed = |scene: &Scene| scene.outdial.engine_log().contains("suppress");
    eventually(SOON, "it is logged", || listed(&scene).then_some(()));
    scene.outdial.stop();

    for number in [number(100), number(101)] {
        for options in [&[][..], &["--outside-hours"], &["--json"]] {
            let output = scene.outdial.command(&[&["call", number.as_str()], options].concat());
            refused(&output, &["not dialed", "do-not-call list"]);
        }
    }
    let output = scene.outdial.command(&["call", "12"]);
    refused(&output, &["too short"]);

    let never_now =
        open.replace("days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]", &{
            let days_since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
            // That was a Thursday; three days from now it is neither today nor about midnight.
            let day = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][(days_since_1970 as usize + 3) % 7];
            format!("days = [\"{day}\"]")
        });
    assert_ne!(never_now, open);
    scene.configure(&[never_now]);
    let output = scene.outdial.command(&["call", &number(102)]);
    refused(&output, &["not dialed", "calling window", "--outside-hours"]);
    let output = scene.outdial.command(&["call", &number(101), "--outside-hours"]);
    refused(&output, &["not dialed", "do-not-call list"]);
    assert_eq!(scene.carrier().counts().calls, 0);
    let output = scene.outdial.command(&["call", &number(102), "--outside-hours"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let ledger = scene.take_ledger();
    let rung: Vec<&str> = ledger.entries().iter().map(|entry| entry.number.as_str()).collect();
    assert_eq!(rung, [number(102)]);
}

#[test]
fn a_check_against_a_living_trunk_is_all_well() {
    let mut scene = Scene::new([]);
    scene.outdial.write_contacts("spring.csv", numbers(100..103));
    scene.configure(&[scene.campaign("spring", "")]);
    let output = scene.outdial.command(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let text = stdout(&output);
    for word in
        ["1 trunks, 1 campaigns", "3 contacts, 0 rows skipped", "trunk carrier answers OPTIONS with 200"]
    {
        assert!(text.contains(word), "no {word:?}:\n{text}");
    }
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");
    let output = scene.outdial.command(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(scene.take_ledger().entries().len(), 0, "nobody was dialed");
}

#[test]
fn everything_can_be_exported_while_the_engine_runs() {
    let mut scene = Scene::new(busy(100..103).chain([(103, Callee::NoAnswer)]));
    scene.outdial.write_contacts("spring.csv", numbers(100..104));
    scene.configure(&[scene.campaign("spring", "ring_timeout_s = 120\nmax_attempts = 1")]);
    scene.outdial.start();
    let ended = |scene: &Scene| scene.outdial.calls().len() == 3 && state_of(scene, 103) == "in_flight";
    eventually(SOON, "three have ended and one rings", || ended(&scene).then_some(()));
    for (table, rows) in [("contacts", 4), ("attempts", 4), ("calls", 3)] {
        let csv = scene.does(&format!("export {table} --format csv"));
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows, "{csv}");
        let jsonl = scene.does(&format!("export {table} --format jsonl"));
        let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), rows, "{jsonl}");
        let column = header.iter().position(|name| name == "number").unwrap();
        for (record, line) in records.iter().zip(&lines) {
            let fields: BTreeSet<&String> = line.as_object().unwrap().keys().collect();
            assert_eq!(fields, header.iter().collect(), "one set of columns in both forms");
            assert_eq!(record[column], *line["number"].as_str().unwrap());
        }
        let file = scene.outdial.path(&format!("{table}.csv"));
        scene.does(&format!("export {table} --output {}", file.display()));
        assert_eq!(std::fs::read_to_string(file).unwrap(), csv);
    }
    scene.refuses("export calls --campaign summer", &["summer", "spring"]);
    scene.end();
}

#[test]
fn a_label_is_kept_shown_and_exported_with_its_recording() {
    let hangs_up = || person(Temper::HangsUp(Duration::from_secs(4)));
    let mut scene = Scene::new([(100, hangs_up()), (101, hangs_up())]);
    scene.outdial.write_contacts("spring.csv", numbers(100..102));
    let recorded = "[campaign.recording]\nenabled = true\n";
    scene.configure(&[scene.campaign("spring", "max_attempts = 1") + recorded]);
    scene.outdial.start();
    let ended = |scene: &Scene| (scene.outdial.calls().len() == 2).then_some(());
    eventually(SOON, "both have hung up", || ended(&scene));
    let calls = scene.outdial.calls();
    let word = |n: usize, field: &str| calls[n][field].as_str().unwrap().to_owned();
    assert_eq!((word(0, "verdict"), word(1, "verdict")), ("human".to_owned(), "human".to_owned()));

    // While the engine runs, by the attempt's id.
    scene.does(&format!("label {} human --by ann", word(0, "attempt")));
    scene.refuses("label nobody@host human", &["no such call", "outdial export calls"]);
    let robot = scene.outdial.command(&["label", &word(0, "attempt"), "robot"]);
    assert_eq!(robot.status.code(), Some(2), "{}", words(&robot));
    scene.people_read(&["human", "after the greeting", "spring           1 calls labelled"]);
    let status = scene.outdial.status();
    let human = &status["detection"]["verdicts"][0];
    assert_eq!(
        (&human["verdict"], &human["after_answer"]["count"]),
        (&"human".into(), &2.into()),
        "{status:#}"
    );
    assert_eq!(human["after_greeting"]["count"], 2, "{status:#}");
    assert!(human["after_answer"]["median_ms"].as_u64().unwrap() < 5_000, "{status:#}");
    assert_eq!(status["labels"][0]["labelled"], 1, "{status:#}");

    // And without an engine, by the Call-ID.
    scene.outdial.stop();
    scene.does(&format!("label {} machine", word(1, "call_id")));
    scene.refuses("label nobody@host human", &["no such call"]);
    let labels: Vec<Value> = scene.outdial.calls().iter().map(|call| call["label"].clone()).collect();
    assert_eq!(labels, ["human", "machine"]);
    assert_eq!(scene.outdial.calls()[0]["labelled_by"], "ann");

    // A corpus of one's own, which is measured like any other.
    scene.refuses("export labels", &["--output"]);
    let folder = scene.outdial.path("own");
    let said = scene.does(&format!("export labels --output {}", folder.display()));
    assert!(said.contains("2 clips") && said.contains("machines found") && said.contains("0 of 1"), "{said}");
    let manifest = folder.join("manifest.csv");
    let evaluated = scene.does(&format!("evaluate {} --json", manifest.display()));
    let evaluated: Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["unread"], 0, "{evaluated:#}");
    scene.take_ledger();
}
