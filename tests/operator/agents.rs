//! Agents by their commands: who is rung for whom, and what an agent is shown before a call.

use super::*;
use outdial::sim::agents::Agent;
use outdial::sim::voice::Marker;

/// Phones that ring for a moment and talk for a second.
fn phones(extensions: [&str; 2]) -> Vec<Agent> {
    let phone = |(n, extension): (usize, &str)| Agent {
        extension: extension.to_owned(),
        ring: Duration::from_millis(200),
        talk: Duration::from_millis(1_000),
        marker: Marker::new(10 + n),
    };
    extensions.into_iter().enumerate().map(phone).collect()
}

/// A campaign that dials for ann (601) and bob (602) by this law.
fn campaign(scene: &Scene, rules: &str, dialing: &str) -> Vec<String> {
    let host = scene.carrier().address();
    let agent = |name: &str, extension: &str| {
        format!(
            "[[agent]]\nname = \"{name}\"\nuri = \"sip:{extension}@{host}\"\ntrunk = \"carrier\"\nwrap_up_s = 1\n\
             ring_timeout_ms = 4000\n\n"
        )
    };
    let spring = scene
        .campaign("spring", rules)
        .replace("action = \"message\"\nmessage = \"long.wav\"", "action = \"agent\"\nagents = true");
    vec![agent("ann", "601"), agent("bob", "602"), spring, format!("\n[campaign.dialing]\n{dialing}\n")]
}

fn agents(scene: &Scene) -> Vec<Value> {
    scene.does("agent list --json").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn calls_wait_for_agents_who_are_ready_and_each_has_one_at_a_time() {
    let people = (100..104).map(|n| (n, person(Temper::Talks)));
    let mut scene = Scene::with_agents(people, phones(["601", "602"]));
    scene.outdial.write_contacts("spring.csv", numbers(100..104));
    scene.configure(&campaign(&scene, "max_attempts = 1", "mode = \"progressive\""));
    scene.outdial.start();
    let states = |scene: &Scene| -> Vec<Value> { agents(scene).iter().map(|a| a["state"].clone()).collect() };
    assert_eq!(states(&scene), ["offline", "offline"]);
    eventually(SOON, "it says why it does not dial", || {
        let spring = scene.status_of("spring");
        spring["waiting_for"]
            .as_array()
            .unwrap()
            .iter()
            .any(|why| why.as_str().is_some_and(|why| why.starts_with("no agent is signed in")))
            .then_some(())
    });
    scene.people_read(&["agent    ann", "offline", "0 calls"]);
    scene.refuses("agent ready cem", &["\"cem\"", "there are: ann, bob"]);
    scene.refuses("agent accept ann", &["is shown no contact"]);
    assert_eq!(scene.carrier().counts().calls, 0, "nobody was dialed for nobody");

    let said = scene.does("agent ready ann");
    assert!(said.contains("ann takes calls"), "{said}");
    eventually(SOON, "ann has had a call", || (agents(&scene)[0]["calls"] == 1).then_some(()));
    scene.does("agent ready bob");
    scene.does("agent offline ann");
    scene.outdial.wait_until_completed("spring", SOON * 2);
    let calls = scene.outdial.calls();
    let ends: Vec<&Value> = calls.iter().map(|call| &call["disposition"]).collect();
    assert_eq!(ends, ["bridged"; 4]);
    let host = scene.carrier().address();
    let taken_by = |extension: &str| {
        calls.iter().filter(|call| call["agent"] == format!("sip:{extension}@{host}")).count()
    };
    assert!(
        taken_by("601") >= 1 && taken_by("602") >= 1 && taken_by("601") + taken_by("602") == 4,
        "{calls:#?}"
    );
    let spring = scene.status_of("spring");
    assert_eq!(spring["abandonment"]["people"], 4, "{spring:#}");

    // Another engine goes on with the same ledger.
    scene.outdial.stop();
    scene.outdial.start();
    let again = scene.status_of("spring");
    for field in ["people", "abandoned", "share"] {
        assert_eq!(again["abandonment"][field], spring["abandonment"][field], "{field}: {again:#}");
    }
    let ledger = scene.end();
    for extension in ["601", "602"] {
        let mut talks: Vec<_> = ledger
            .entries()
            .iter()
            .filter(|entry| entry.number == extension)
            .map(|entry| (entry.invited_at, entry.ended_at.unwrap()))
            .collect();
        talks.sort();
        assert!(talks.windows(2).all(|two| two[0].1 <= two[1].0), "{extension}: {talks:?}");
    }
}

#[test]
fn an_agent_is_shown_each_contact_and_has_it_dialed_or_not() {
    let people = (100..103).map(|n| (n, person(Temper::Talks)));
    let mut scene = Scene::with_agents(people, phones(["601", "602"]));
    scene.outdial.write_contacts("spring.csv", numbers(100..103));
    scene.configure(&campaign(&scene, "max_attempts = 1", "mode = \"preview\"\npreview_s = 0"));
    scene.outdial.start();
    scene.does("agent ready ann");
    let shown = |scene: &Scene, n: u32| {
        let what = format!("ann is shown {n}");
        eventually(SOON, &what, || (agents(scene)[0]["preview"]["number"] == number(n)).then_some(()));
    };
    shown(&scene, 100);
    scene.people_read(&["reserved", "shown: +12025550100, Someone (accept or skip)"]);
    scene.does("agent skip ann");
    shown(&scene, 101);
    assert_eq!(scene.carrier().counts().calls, 0);
    scene.does("agent accept ann");
    eventually(SOON, "ann has had her call", || (agents(&scene)[0]["calls"] == 1).then_some(()));
    shown(&scene, 102);
    scene.does("campaign pause spring");
    eventually(SOON, "she is shown nothing", || agents(&scene)[0]["preview"].is_null().then_some(()));
    let ledger = scene.end();
    let rung: BTreeSet<&str> = ledger.entries().iter().map(|entry| entry.number.as_str()).collect();
    assert_eq!(rung, BTreeSet::from(["601", &number(101)]));
}
