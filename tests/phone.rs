//! baresip as the agent's phone, and the calls that it holds, resumes and hands on: alone, and as an extension of Asterisk.

mod peers;

use peers::asterisk::{Asterisk, MD5_USER};
use peers::audio::{seconds_of, stretches};
use peers::baresip::Baresip;
use peers::eventually;
use peers::outdial::{ALWAYS_OPEN, Outdial};
use peers::wire::{ENGINE, PBX, PHONE, captured};
use std::ops::Range;
use std::time::{Duration, Instant};

/// What the person says, the phone, and the phone's other line.
const PERSON_HZ: f64 = 620.0;
const PHONE_HZ: f64 = 1_300.0;
const COLLEAGUE_HZ: f64 = 1_500.0;
/// What Asterisk's extension says that asks another first, as in `tests/asterisk/extensions.conf`.
const CONSULTING_HZ: f64 = 1_100.0;

/// Talks for long enough.
const PERSON: &str = "+12025550114";

#[test]
fn an_agents_phone_holds_and_resumes_and_hands_the_call_to_a_colleague() {
    if !captured("an_agents_phone_holds_and_resumes_and_hands_the_call_to_a_colleague") {
        return;
    }
    let asterisk = Asterisk::start();
    let colleague = format!("colleague@{PHONE};regint=0;audio_source=ausine,1500");
    let phone = Baresip::start(&[&format!("agent@{PHONE}"), &colleague]);
    let mut outdial = Outdial::at(ENGINE);
    outdial.write_contacts("contacts.csv", [PERSON]);
    outdial.configure(10.0, &configuration(&asterisk, &format!("sip:agent@{PHONE}"), "phone"));

    outdial.start();
    eventually(Duration::from_secs(30), "the phone is in the call", || {
        phone.output().contains("Call established").then_some(())
    });
    std::thread::sleep(Duration::from_secs(6));
    let hold = hold_for_three_seconds(&phone);
    std::thread::sleep(Duration::from_secs(3));
    phone.press("transfer", &format!("sip:colleague@{PHONE}"));
    outdial.wait_until_completed("spring", Duration::from_secs(60));

    let call = outdial.call_of(PERSON);
    assert_eq!(call["disposition"], "bridged", "{call:#}");
    let agents = call["agent"].as_str().unwrap_or_default();
    assert!(agents.contains("sip:agent@") && agents.contains("sip:colleague@"), "{call:#}");
    let heard = asterisk.heard(PERSON);
    let (first, second) = (stretches(&heard, PHONE_HZ), stretches(&heard, COLLEAGUE_HZ));
    let [(_, held), (resumed, handed_on)] = first[..] else {
        panic!("the person heard the agent at {first:?}, not before and after a hold");
    };
    assert!(hold.contains(&(resumed - held)), "held from {held} to {resumed} s");
    let [(taken_over, end)] = second[..] else { panic!("the person heard the colleague at {second:?}") };
    // Whom the person hears changes within half a second, on a machine that does nothing else.
    let most = if std::env::var_os("OUTDIAL_LONG").is_some() { 0.5 } else { 3.0 };
    assert!(
        (0.0..most).contains(&(taken_over - handed_on)) && end - taken_over > 3.0,
        "{first:?} {second:?}"
    );
    let lines = phone.heard();
    let seconds: Vec<f64> = lines.iter().map(|heard| seconds_of(heard, PERSON_HZ)).collect();
    assert!(seconds.len() == 2 && seconds[0] > 1.0 && seconds[1] > 3.0, "the lines heard {seconds:?} s");
    outdial.stop();
}

#[test]
fn a_phone_behind_the_pbx_holds_and_the_pbx_says_so_by_re_invite() {
    if !captured("a_phone_behind_the_pbx_holds_and_the_pbx_says_so_by_re_invite") {
        return;
    }
    let asterisk = Asterisk::start_at(PBX);
    let phone = Baresip::start(&[&format!("agent@{PHONE}")]);
    let mut outdial = Outdial::at(ENGINE);
    outdial.write_contacts("contacts.csv", [PERSON]);
    let tables = configuration(&asterisk, &format!("sip:620@{}", asterisk.sip()), "pbx");
    outdial.configure(10.0, &format!("[trace]\nenabled = true\nfolder = \"traces\"\n\n{tables}"));

    outdial.start();
    eventually(Duration::from_secs(30), "the phone is in the call", || {
        phone.output().contains("Call established").then_some(())
    });
    std::thread::sleep(Duration::from_secs(6));
    let hold = hold_for_three_seconds(&phone);
    outdial.wait_until_completed("spring", Duration::from_secs(60));

    let call = outdial.call_of(PERSON);
    assert_eq!(call["disposition"], "bridged", "{call:#}");
    let heard = stretches(&asterisk.heard(PERSON), PHONE_HZ);
    let [(_, held), (resumed, end)] = heard[..] else {
        panic!("the person heard the agent at {heard:?}, not before and after a hold");
    };
    assert!(hold.contains(&(resumed - held)) && end - resumed > 3.0, "{heard:?}");
    let seconds: Vec<f64> = phone.heard().iter().map(|heard| seconds_of(heard, PERSON_HZ)).collect();
    assert!(seconds.len() == 1 && seconds[0] > 1.0, "the phone heard the person for {seconds:?} s");
    outdial.stop();
    let captures = std::fs::read_dir(outdial.path("traces")).unwrap();
    let captures: Vec<u8> = captures.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    let captured = String::from_utf8_lossy(&captures);
    assert!(captured.contains("a=sendonly") && captured.contains("a=recvonly"), "the PBX held nobody");
}

#[test]
fn an_agent_asks_a_colleague_first_and_the_person_takes_the_place_of_that_call() {
    if !captured("an_agent_asks_a_colleague_first_and_the_person_takes_the_place_of_that_call") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", [PERSON]);
    let tables = configuration(&asterisk, &format!("sip:606@{}", asterisk.sip()), "pbx");
    outdial.configure(10.0, &format!("[trace]\nenabled = true\nfolder = \"traces\"\n\n{tables}"));

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(60));
    asterisk.wait_until_idle(Duration::from_secs(25));

    let call = outdial.call_of(PERSON);
    assert_eq!(call["disposition"], "bridged", "{call:#}");
    let agents = call["agent"].as_str().unwrap_or_default();
    assert!(agents.contains("sip:606@") && agents.contains("sip:600@"), "{call:#}");
    let heard = asterisk.heard(PERSON);
    let (first, second) = (seconds_of(&heard, CONSULTING_HZ), seconds_of(&heard, PHONE_HZ));
    assert!(first > 0.8 && second > 3.0, "the person heard {first} s of the agent, {second} s of the other");
    // The colleague has one call: it was the agent's, and became the person's.
    let calls = asterisk.heard_by_agent("600");
    assert_eq!(calls.len(), 1, "the colleague was called again");
    let seconds = seconds_of(&calls[0], PERSON_HZ);
    assert!(seconds > 3.0, "the colleague heard the person for {seconds} s");
    outdial.stop();
    let captures = std::fs::read_dir(outdial.path("traces")).unwrap();
    let captures: Vec<u8> = captures.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(String::from_utf8_lossy(&captures).contains("\r\nReplaces: "), "nothing was replaced");
}

/// Has the phone hold its call for three seconds; gives how many the person may have heard nothing. What was
/// asked of the phone takes its time on a busy machine, at either end.
fn hold_for_three_seconds(phone: &Baresip) -> Range<f64> {
    let begun = Instant::now();
    phone.press("hold", "");
    std::thread::sleep(Duration::from_secs(3));
    phone.press("resume", "");
    1.5..begun.elapsed().as_secs_f64() + 3.0
}

fn configuration(asterisk: &Asterisk, agent_uri: &str, agent_trunk: &str) -> String {
    let sip = asterisk.sip();
    let (name, password) = (MD5_USER.name, MD5_USER.password);
    format!(
        r#"
[[trunk]]
name = "pbx"
host = "{sip}"
username = "{name}"
password = "{password}"

[[trunk]]
name = "phone"
host = "{PHONE}:5060"
options_interval_s = 0

[[campaign]]
name = "spring"
trunks = ["pbx"]
contacts = "contacts.csv"
default_region = "US"
caller_id = "+12025550199"
lines_max = 20
calls_per_minute = 600.0
ring_timeout_s = 15
max_attempts = 1

{ALWAYS_OPEN}

[campaign.human]
action = "agent"
agent_uri = "{agent_uri}"
agent_trunk = "{agent_trunk}"
agent_timeout_ms = 15000
transfer = "attended"
"#
    )
}
