//! Why is it not dialing, and why was this number called? The binary against the simulated carrier on loopback, brought into
//! one situation after the other; what `outdial explain` prints is held against what was staged, numbers and ends included.
//!
//! Situations that no carrier on loopback can bring about (a disk that is full, a guard that has tripped, agents) are staged
//! in `engine::engine::tests::explaining` and `campaign::machine::reasons`.

mod peers;
#[allow(dead_code, reason = "the operator's tests use the rest of it")]
#[path = "operator/scene.rs"]
mod scene;

use chrono::{DateTime, Days, Utc};
use chrono_tz::America::New_York;
use chrono_tz::Tz;
use outdial::sim::callee::{Callee, Temper};
use peers::outdial::ALWAYS_OPEN;
use peers::{eventually, let_midnight_pass};
use scene::{SOON, Scene, busy, number, numbers, person};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::time::{Duration, SystemTime};

/// A campaign on the trunk of this name.
fn campaign(scene: &Scene, name: &str, trunk: &str, rules: &str) -> String {
    let table = scene.campaign(name, rules).replace("\"carrier\"", &format!("\"{trunk}\""));
    match rules.contains("[campaign.window]") {
        true => table.replace(ALWAYS_OPEN, ""),
        false => table,
    }
}

fn trunk(name: &str, host: &str, more: &str) -> String {
    format!("[[trunk]]\nname = \"{name}\"\nhost = \"{host}\"\ncalls_per_second_max = 50.0\n{more}\n\n")
}

/// What is said to people about a campaign.
fn explained(scene: &Scene, name: &str) -> String {
    scene.does(&format!("explain campaign {name}"))
}

/// Waits until the first reason is this one, and gives it as data; what people read has its words. The clock that some of them
/// name, and the time that is left, run on between the two questions: then they are asked once more.
fn held_by(scene: &Scene, name: &str, reason: &str) -> Value {
    eventually(SOON, &format!("{name} is held by {reason}, in data and in words"), || {
        let said: Value =
            serde_json::from_str(&scene.does(&format!("explain campaign {name} --json"))).unwrap();
        let first = said["holds"][0].clone();
        if first["reason"] != reason {
            return None;
        }
        let lasting = text(&first).split(" (in ").next()?;
        let people = explained(scene, name);
        let same = people.contains(&format!("not dialing: {lasting}"));
        if !same {
            println!("{people}\nhas no {lasting}");
        }
        same.then_some(first)
    })
}

fn text(hold: &Value) -> &str {
    hold["text"].as_str().unwrap()
}

/// A weekday's word and its nine o'clock there, two days from now.
fn in_two_days(zone: Tz) -> (String, DateTime<Tz>) {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = DateTime::from_timestamp(since_1970.as_secs() as i64, 0).unwrap();
    let day = now.with_timezone(&zone).date_naive().checked_add_days(Days::new(2)).unwrap();
    let opens = day.and_hms_opt(9, 0, 0).unwrap().and_local_timezone(zone).unwrap();
    (day.format("%a").to_string().to_lowercase(), opens)
}

/// As `Mon 2026-11-23 09:00 EST (America/New_York), 14:00 UTC`.
fn told(at: DateTime<Tz>) -> String {
    let there = at.format("%a %Y-%m-%d %H:%M %Z").to_string();
    format!("{there} ({}), {} UTC", at.timezone(), at.with_timezone(&Utc).format("%H:%M"))
}

#[test]
fn whatever_binds_is_named_with_its_numbers_and_its_end() {
    // Caller ids have their calls of the day.
    let_midnight_pass(Duration::from_secs(120));
    let rings = (100..120).map(|n| (n, Callee::NoAnswer));
    let mut scene = Scene::new(rings.chain(busy(200..230)));
    // Nobody answers there, nor is anybody else given the port while this holds it.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dead = mute.local_addr().unwrap().to_string();
    let carrier = scene.carrier().address().to_string();
    let trunks = trunk("carrier", &carrier, "channels_max = 100")
        + &trunk("narrow", &carrier, "channels_max = 1")
        + &trunk("dead", &dead, "options_interval_s = 1")
        + &trunk(
            "stranger",
            &dead,
            "options_interval_s = 0\nregister = true\nusername = \"u\"\npassword = \"p\"",
        );
    let (day, opens) = in_two_days(New_York);
    let window = |zone: &str| {
        format!(
            "[campaign.window]\nzone = \"{zone}\"\ndays = [\"{day}\"]\nstart = \"09:00\"\nend = \"20:00\""
        )
    };
    let pool = "[[caller_id_pool]]\nname = \"us\"\ndaily_max = 1\n[[caller_id_pool.number]]\nnumber = \"+12025550191\"\n\
                proof = \"LOA 7\"\n[[caller_id_pool.number]]\nnumber = \"+12025550192\"\n\n";
    let tables = [
        campaign(&scene, "draft", "carrier", "autostart = false"),
        campaign(&scene, "paused", "carrier", "calls_per_minute = 0.5"),
        campaign(&scene, "stopped", "carrier", "calls_per_minute = 0.5"),
        campaign(&scene, "closed", "carrier", &window("America/New_York")),
        campaign(&scene, "there", "carrier", &window("contact")),
        campaign(&scene, "lines", "carrier", "lines_max = 2\nring_timeout_s = 120"),
        campaign(&scene, "narrow", "narrow", "ring_timeout_s = 120"),
        campaign(&scene, "dead", "dead", "autostart = false"),
        campaign(&scene, "stranger", "stranger", ""),
        campaign(&scene, "done", "carrier", "max_attempts = 1"),
        campaign(
            &scene,
            "retry",
            "carrier",
            "attempt_gap_min = 0\n[campaign.retry.busy]\ndelay_min = 30\nmax = 3",
        ),
        campaign(&scene, "pace", "carrier", "calls_per_minute = 0.5"),
        campaign(&scene, "pooled", "carrier", "")
            .replace("caller_id = \"+12025550199\"", "caller_id_pool = \"us\""),
    ];
    for (name, range) in [
        ("draft", 100..101),
        ("paused", 101..103),
        ("stopped", 103..105),
        ("closed", 200..202),
        ("there", 202..204),
        ("lines", 105..110),
        ("narrow", 110..113),
        ("dead", 204..205),
        ("stranger", 205..206),
        ("done", 206..209),
        ("retry", 209..212),
        ("pace", 212..215),
        ("pooled", 215..219),
    ] {
        scene.outdial.write_contacts(&format!("{name}.csv"), numbers(range));
    }
    scene.outdial.configure(50.0, &(trunks + pool + &tables.join("\n")));
    scene.outdial.start();

    // Known from the first moment on.
    assert_eq!(text(&held_by(&scene, "draft", "not_started")), "not started");
    let closed = held_by(&scene, "closed", "window_closed");
    let until =
        format!("it is open {day} 09:00-20:00 in America/New_York (campaign.window), until {}", told(opens));
    assert!(text(&closed).starts_with("the calling window is closed for all: it is "), "{closed}");
    assert!(text(&closed).contains(&until), "{closed}\nhas no {until}");
    assert_eq!(closed["until_ms"], opens.timestamp_millis());
    let there = held_by(&scene, "there", "window_closed");
    let said = format!(
        "the calling window is closed where the contacts due are; it is open {day} 09:00-20:00 in the callee's own zone \
         (campaign.window), until {}",
        told(opens)
    );
    assert!(text(&there).starts_with(&said), "{there}\nis not {said}");
    assert_eq!(
        text(&held_by(&scene, "stranger", "trunk_not_registered")),
        "trunk stranger is not registered: the registrar has not answered yet"
    );

    // The operator's word.
    scene.does("campaign pause paused");
    scene.does("campaign stop stopped");
    assert_eq!(text(&held_by(&scene, "paused", "paused")), "paused by the operator");
    assert_eq!(text(&held_by(&scene, "stopped", "stopped")), "stopped by the operator");

    // Caps.
    let lines = held_by(&scene, "lines", "lines_busy");
    assert_eq!(text(&lines), "all 2 lines of the campaign are busy (lines_max)");
    assert_eq!((&lines["numbers"]["lines_max"], &lines["numbers"]["in_flight"]), (&2.into(), &2.into()));
    let narrow = held_by(&scene, "narrow", "trunk_channels");
    assert_eq!(text(&narrow), "trunk narrow has all its 1 channels in use (channels_max)");
    let pooled = held_by(&scene, "pooled", "caller_ids");
    let said = "no caller id of the pool \"us\" is free: of 2, 2 made their calls of the day (daily_max, warm_up), until ";
    assert!(text(&pooled).starts_with(said) && text(&pooled).contains(" 00:00 UTC"), "{pooled}");

    // The list.
    let done = held_by(&scene, "done", "completed");
    assert_eq!(text(&done), "completed: every contact is in a final state");
    assert!(explained(&scene, "done").contains("3 are done"), "{}", explained(&scene, "done"));
    let said = "all 3 contacts that are left wait for a later attempt; none is due, until ";
    // The last of its calls may still be up.
    let retry = eventually(SOON, said, || {
        Some(held_by(&scene, "retry", "nothing_due")).filter(|hold| text(hold).starts_with(said))
    });
    assert!(text(&retry).contains(" UTC (in "), "{retry}");
    assert_eq!(retry["numbers"]["pending"], 3);
    let people = explained(&scene, "retry");
    assert!(people.contains("3 are in retry delay, the first until "), "{people}");

    // The pace is no fault: it dials.
    let pace = eventually(SOON, "the first call of the pace", || {
        let said = explained(&scene, "pace");
        said.contains("dialing at its pace: the pace of 0.5 calls a minute (calls_per_minute) holds")
            .then_some(said)
    });
    assert!(pace.contains("next call back, until "), "{pace}");

    // Two unanswered OPTIONS later.
    eventually(SOON, "the dead trunk is down", || {
        scene.does("status").contains("down: OPTIONS goes unanswered").then_some(())
    });
    scene.does("campaign start dead");
    let down = held_by(&scene, "dead", "trunk_down");
    assert_eq!(
        text(&down),
        format!("trunk dead is down: OPTIONS goes unanswered at {dead}; asked every 1 s")
    );

    // The caller ids themselves, as the engine has them, and as the database does.
    let shown = scene.does("caller-ids");
    assert!(shown.contains("pool us (round_robin): 2 numbers") && shown.contains("LOA 7"), "{shown}");
    assert!(shown.contains("it has made its 1 calls of the day"), "{shown}");
    scene.outdial.stop();
    let kept: Value = serde_json::from_str(&scene.does("caller-ids --json")).unwrap();
    let first = &kept[0]["numbers"][0];
    assert_eq!((&first["state"], &first["calls_today"]), (&"at_cap".into(), &1.into()), "{kept:#}");
    assert_eq!(first["day_of_use"], 1);

    // Without an engine the same is said of the configuration and the database.
    let gone = scene.does("explain campaign closed");
    for words in ["not dialing: no engine runs", "and: the calling window is closed for all"] {
        assert!(gone.contains(words), "{gone}");
    }
    scene.take_ledger();
}

#[test]
fn a_contact_and_an_attempt_are_explained_by_every_rule() {
    let talks = (120..121).map(|n| (n, person(Temper::Talks)));
    let mut scene = Scene::new(busy(200..203).chain(talks).chain([(130, Callee::NoAnswer)]));
    scene.outdial.write_contacts("spring.csv", numbers(200..203));
    scene.outdial.write_contacts("same.csv", [number(200), number(130), "+18005550199".to_owned()]);
    scene.outdial.write_contacts("ringing.csv", numbers(130..131));
    scene.outdial.write_contacts("talks.csv", numbers(120..121));
    let retry = "max_attempts = 2\n[campaign.retry.busy]\ndelay_min = 90\nmax = 2";
    scene.configure(&[
        scene.campaign("spring", retry),
        campaign(&scene, "same", "carrier", "autostart = false\n[campaign.window]\nzone = \"contact\""),
        scene.campaign("ringing", "ring_timeout_s = 120"),
        scene.campaign("talks", ""),
    ]);
    scene.drain_for(60);
    scene.outdial.start();
    let called = |scene: &Scene| (scene.outdial.calls().len() == 3).then_some(());
    eventually(SOON, "three are busy", || called(&scene));
    // Those who ring and talk for other campaigns have been called too.
    scene.until_calls(5);

    // In retry delay, by the rule of its outcome.
    let said = scene.does(&format!("explain contact spring {}", number(200)));
    for words in [
        "not dialed now: due: the next attempt is later, until ",
        "(in 1 h ",
        "allow do_not_call  on none",
        "allow attempts     1 of 2 made: busy 1",
        "busy",
    ] {
        assert!(said.contains(words), "no {words:?} in\n{said}");
    }
    // Another list's contact with the same number: the gap between any two calls of a number.
    let data: Value =
        serde_json::from_str(&scene.does(&format!("explain contact same {} --json", number(200)))).unwrap();
    let gap = data["checks"].as_array().unwrap().iter().find(|check| check["rule"] == "attempt_gap").unwrap();
    assert_eq!(gap["verdict"], "skip", "{data:#}");
    assert!(gap["value"].as_str().unwrap().starts_with("the last call of the number ended "), "{gap}");
    // The number rings for another campaign at this moment.
    let said = scene.does(&format!("explain contact same {}", number(130)));
    assert!(said.contains("campaign ringing is calling the number"), "{said}");
    // A number that may ring all over the country, by its row.
    let contacts = scene.outdial.contacts();
    let row = contacts.iter().find(|contact| contact["number"] == "+18005550199").unwrap()["contact"]
        .as_i64()
        .unwrap();
    let said = scene.does(&format!("explain contact same {row}"));
    assert!(said.contains("+18005550199") && said.contains(" zones more"), "{said}");
    // On the do-not-call list from now on.
    scene.does(&format!("suppress {}", number(201)));
    let listed = eventually(SOON, "the number is suppressed", || {
        let said = scene.does(&format!("explain contact spring {}", number(201)));
        said.contains("never dialed: do_not_call: on the do-not-call list since ").then_some(said)
    });
    assert!(listed.contains("(source: operator)"), "{listed}");
    scene.refuses("explain contact spring +12025559999", &["has no contact", "outdial export contacts"]);
    scene.refuses("explain campaign summer", &["no campaign is called", "spring"]);

    // Why was this number called?
    let call = scene.outdial.call_of(&number(200));
    let (attempt, call_id) = (call["attempt"].as_str().unwrap(), call["call_id"].as_str().unwrap());
    let by_id = scene.does(&format!("explain attempt {attempt}"));
    assert_eq!(by_id, scene.does(&format!("explain attempt {call_id}")));
    for words in [
        format!("attempt {attempt} of campaign spring: {}", number(200)),
        "the first attempt on this contact".to_owned(),
        "paced: 600 calls a minute; ".to_owned(),
        "of 10 lines were in flight (lines_max)".to_owned(),
        "carrier (priority 1, weight 10) at ".to_owned(),
        "+12025550199: the campaign's only one (caller_id)".to_owned(),
        "busy (486)".to_owned(),
        "allow window".to_owned(),
        "allow attempts     0 of 2 made".to_owned(),
        "the number was not called before".to_owned(),
        // What was kept when it was decided, whatever the configuration says by now.
        "what the decision rested on, as it was kept with the attempt:".to_owned(),
        "purpose    none named: hours, caps and rests of every purpose held; a recording speaks".to_owned(),
        "attempts   0 of 2 made on the contact (max_attempts)".to_owned(),
        "lists      not on our own do-not-call list; no published one was loaded".to_owned(),
        "consent    none with the contact".to_owned(),
    ] {
        assert!(by_id.contains(&words), "no {words:?} in\n{by_id}");
    }
    let data: Value =
        serde_json::from_str(&scene.does(&format!("explain attempt {attempt} --json"))).unwrap();
    let decision = &data["decision"];
    assert_eq!((&decision["caller_id"], &decision["attempts"]), (&json!("+12025550199"), &json!([0, 2])));
    assert!(decision["at"].as_i64().is_some() && decision["rules"].is_array(), "{decision:#}");
    let listed = scene.outdial.call_of(&number(201));
    let said = scene.does(&format!("explain attempt {}", listed["attempt"].as_str().unwrap()));
    assert!(said.contains("allow do_not_call") && said.contains(", after this call"), "{said}");
    scene.refuses("explain attempt nobody", &["no attempt has the id", "outdial export attempts"]);

    // Shutting down, while somebody still talks.
    scene.until_ringing_and_answered(2, 1);
    scene.outdial.engine().signal("TERM");
    let draining = held_by(&scene, "spring", "draining");
    assert_eq!(text(&draining), "the engine is shutting down");
}

#[test]
fn a_dry_run_dials_nobody_writes_nothing_and_says_when_it_would() {
    let mut scene = Scene::new(busy(200..260));
    let everybody = numbers(200..260);
    scene.outdial.write_contacts("spring.csv", &everybody);
    scene.outdial.write("do-not-call.csv", &format!("{}\n{}\n", number(200), number(201)));
    let rules = "calls_per_minute = 60.0\nlines_max = 20\nmax_attempts = 2\n[campaign.window]\nzone = \"America/New_York\"";
    scene.outdial.configure(
        50.0,
        &(trunk("carrier", &scene.carrier().address().to_string(), "")
            + &campaign(&scene, "spring", "carrier", rules)),
    );
    // Saturday: the window opens on Monday at nine in New York, 14:00 UTC.
    let command = "run --dry-run --from 2026-11-21T12:00:00Z --answer-rate 0.3";
    let said = scene.does(command);
    for words in [
        "nothing was dialed, nothing was written",
        "first call  Mon 2026-11-23 14:00 UTC",
        "of 60 contacts",
        "2 contacts are never dialed",
        "completed   Mon 2026-11-23 ",
        "Mon 2026-11-23 14:00 UTC      5",
    ] {
        assert!(said.contains(words), "no {words:?} in\n{said}");
    }
    let data: Value = serde_json::from_str(&scene.does(&format!("{command} --json"))).unwrap();
    let spring = &data["campaigns"][0];
    assert_eq!((&spring["contacts_called"], &spring["suppressed"]), (&58.into(), &2.into()), "{spring:#}");
    let calls = spring["calls"].as_u64().unwrap();
    assert!((58..=116).contains(&calls), "{spring:#}");
    let answered: u64 = spring["outcomes"]["message_played"].as_u64().unwrap();
    assert!((8..=45).contains(&answered), "{spring:#}");
    // A call a second: the first 58 take a minute.
    assert_eq!(spring["hours"][0]["calls"].as_u64().unwrap().min(58), 58, "{spring:#}");
    assert!(!scene.outdial.path("outdial.db").exists(), "a dry run makes no database");
    assert!(!scene.outdial.path("recordings").exists());
    assert_eq!(
        data,
        serde_json::from_str::<Value>(&scene.does(&format!("{command} --json"))).unwrap(),
        "one seed, one story"
    );
    assert_eq!(scene.take_ledger().entries().len(), 0, "nobody was rung");
}
