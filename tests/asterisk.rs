//! Whole campaigns through a real Asterisk 22: digest and registration over UDP and TCP, every kind of answer, voicemail
//! left after the beep, people bridged to an agent and to a queue, and the audio of all of them as the far end heard it. What the
//! engine sends meanwhile is judged by tshark.

mod peers;

use peers::asterisk::{Asterisk, MD5_USER, SDES_USER, SHA256_USER, User};
use peers::audio::{last_sound, seconds_of, span_of, tone};
use peers::eventually;
use peers::kamailio::Kamailio;
use peers::outdial::{ALWAYS_OPEN, Outdial};
use peers::wire::captured;
use serde_json::Value;
use std::time::Duration;

/// The tones that the far end plays (`tests/asterisk/extensions.conf`) and those of our prompts: no two alike.
const PERSON_HZ: f64 = 620.0;
const AGENT_HZ: f64 = 1_300.0;
const TRANSFERRING_HZ: f64 = 1_100.0;
const MEMBERS_HZ: [f64; 2] = [1_500.0, 1_700.0];
const MESSAGE_HZ: [f64; 3] = [700.0, 850.0, 1_150.0];
const SORRY_HZ: f64 = 780.0;

/// A transport and the user that registers over it.
struct Trunk {
    transport: &'static str,
    user: User,
    srtp: &'static str,
}

const UDP: Trunk = Trunk { transport: "udp", user: MD5_USER, srtp: "never" };
const TCP: Trunk = Trunk { transport: "tcp", user: SHA256_USER, srtp: "never" };
/// Its tables are for [`secured`].
const SRTP: Trunk = Trunk { transport: "udp", user: SDES_USER, srtp: "required" };

#[test]
fn every_kind_of_answer_over_udp_ends_as_it_should_and_people_reach_the_agent() {
    if !captured("every_kind_of_answer_over_udp_ends_as_it_should_and_people_reach_the_agent") {
        return;
    }
    every_kind_of_answer_ends_as_it_should(UDP);
}

#[test]
fn every_kind_of_answer_over_tcp_ends_as_it_should_and_people_reach_the_agent() {
    if !captured("every_kind_of_answer_over_tcp_ends_as_it_should_and_people_reach_the_agent") {
        return;
    }
    every_kind_of_answer_ends_as_it_should(TCP);
}

fn every_kind_of_answer_ends_as_it_should(trunk: Trunk) {
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    let expected = [
        ("+12025550100", "voicemail_left"),
        ("+12025550101", "voicemail_left"),
        ("+12025550110", "bridged"),
        ("+12025550120", "busy"),
        ("+12025550130", "no_answer"),
        ("+12025550140", "invalid_number"),
        ("+12025550150", "congestion"),
        ("+12025550160", "declined"),
        ("+12025550170", "fax"),
        ("+12025550180", "invalid_number"),
        ("+12025550190", "hung_up_early"),
    ];
    outdial.write_contacts("contacts.csv", expected.map(|(number, _)| number));
    prompts(&outdial);
    outdial.configure(10.0, &configuration(&asterisk, &trunk, "agent", "600", 15_000));

    outdial.start();
    eventually(Duration::from_secs(30), "the trunk is registered", || {
        asterisk.is_registered(trunk.user).then_some(())
    });
    outdial.wait_until_completed("spring", Duration::from_secs(90));
    asterisk.wait_until_idle(Duration::from_secs(30));

    for (number, disposition) in expected {
        let call = outdial.call_of(number);
        assert_eq!(call["disposition"], disposition, "{number}: {call:#}");
    }
    for mailbox in ["+12025550100", "+12025550101"] {
        the_whole_message_was_left_after_the_beep(&asterisk, &outdial, mailbox);
    }
    person_and_agent_heard_each_other(&asterisk, "+12025550110", "600", AGENT_HZ);
    assert!(
        !asterisk.has_recording("+12025550130", "heard"),
        "nobody answered at the number that only rings"
    );

    outdial.wait_until_nothing_is_held(Duration::from_secs(40));
    outdial.stop();
    eventually(Duration::from_secs(30), "the registration is taken back", || {
        (!asterisk.is_registered(trunk.user)).then_some(())
    });
    assert_eq!(asterisk.channels(), 0);
}

#[test]
fn two_people_at_once_are_bridged_to_the_two_members_of_a_queue() {
    if !captured("two_people_at_once_are_bridged_to_the_two_members_of_a_queue") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    let people = ["+12025550110", "+12025550111"];
    outdial.write_contacts("contacts.csv", people);
    prompts(&outdial);
    outdial.configure(10.0, &configuration(&asterisk, &UDP, "agent", "700", 15_000));

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(60));
    asterisk.wait_until_idle(Duration::from_secs(30));

    for person in people {
        let call = outdial.call_of(person);
        assert_eq!(call["disposition"], "bridged", "{call:#}");
        let heard = asterisk.heard(person);
        let seconds = MEMBERS_HZ.map(|hertz| seconds_of(&heard, hertz));
        assert!(seconds.iter().sum::<f64>() > 1.5, "{person} heard the queue's members for {seconds:?} s");
    }
    for member in ["610", "611"] {
        let calls = asterisk.heard_by_agent(member);
        assert_eq!(calls.len(), 1, "each member takes one of the two calls");
        let seconds = seconds_of(&calls[0], PERSON_HZ);
        assert!(seconds > 2.0, "member {member} heard the person for {seconds} s");
    }
    assert_eq!(asterisk.queue("sales"), (0, 2), "nobody waits, two calls were completed");
    outdial.wait_until_nothing_is_held(Duration::from_secs(40));
    outdial.stop();
    assert_eq!(asterisk.channels(), 0);
}

#[test]
fn person_and_agent_hear_each_other_over_srtp_and_a_message_is_left() {
    if !captured("person_and_agent_hear_each_other_over_srtp_and_a_message_is_left") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    let (person, mailbox) = ("+12025550110", "+12025550100");
    outdial.write_contacts("contacts.csv", [person, mailbox]);
    prompts(&outdial);
    let tables = configuration(&asterisk, &SRTP, "agent", "600", 15_000);
    outdial.configure(10.0, &secured(&asterisk, &tables, "pbx.example"));
    listen_by_tls(&asterisk, &outdial);

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(60));
    asterisk.wait_until_idle(Duration::from_secs(30));

    let call = outdial.call_of(person);
    assert_eq!(call["disposition"], "bridged", "{call:#}");
    person_and_agent_heard_each_other(&asterisk, person, "600", AGENT_HZ);
    the_whole_message_was_left_after_the_beep(&asterisk, &outdial, mailbox);
    outdial.stop();
}

#[test]
fn an_agent_of_the_pbx_transfers_the_person_by_refer_and_timers_are_agreed_upon() {
    if !captured("an_agent_of_the_pbx_transfers_the_person_by_refer_and_timers_are_agreed_upon") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    let person = "+12025550110";
    outdial.write_contacts("contacts.csv", [person]);
    prompts(&outdial);
    let tables = configuration(&asterisk, &UDP, "agent", "605", 15_000);
    let tables = tables.replace("hold = ", "transfer = \"blind\"\nhold = ");
    outdial.configure(10.0, &format!("[trace]\nenabled = true\nfolder = \"traces\"\n\n{tables}"));

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(60));
    asterisk.wait_until_idle(Duration::from_secs(30));

    let call = outdial.call_of(person);
    assert_eq!(call["disposition"], "bridged", "{call:#}");
    let heard = asterisk.heard(person);
    let (first, second) = (seconds_of(&heard, TRANSFERRING_HZ), seconds_of(&heard, AGENT_HZ));
    assert!(
        first > 0.8 && second > 1.5,
        "{person} heard {first} s of the first agent, {second} s of the other"
    );
    let agents = call["agent"].as_str().unwrap_or_default();
    assert!(agents.contains("sip:605@") && agents.contains("sip:600@"), "{call:#}");
    outdial.stop();
    // What was agreed on the wire: the PBX's 200 names who refreshes the session, and how often (RFC 4028).
    let captures = std::fs::read_dir(outdial.path("traces")).unwrap();
    let captures: Vec<u8> = captures.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    let captured = String::from_utf8_lossy(&captures);
    assert!(captured.contains("REFER sip:") && captured.contains("Event: refer"), "no REFER, or no NOTIFY");
    assert!(captured.contains("Session-Expires: 1800;refresher="), "no session timer was agreed upon");
}

#[test]
fn through_a_proxy_that_record_routes_every_request_takes_the_same_way() {
    if !captured("through_a_proxy_that_record_routes_every_request_takes_the_same_way") {
        return;
    }
    let asterisk = Asterisk::start();
    let proxy = Kamailio::start();
    let mut outdial = Outdial::new();
    let (person, leaves) = ("+12025550110", "+12025550190");
    outdial.write_contacts("contacts.csv", [person, leaves]);
    prompts(&outdial);
    let tables = configuration(&asterisk, &UDP, "agent", "600", 15_000);
    let way = format!("register = false\noutbound_proxy = \"sip:{};lr\"", proxy.sip());
    outdial.configure(10.0, &tables.replace("register = true", &way));

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(60));
    asterisk.wait_until_idle(Duration::from_secs(30));

    let call = outdial.call_of(person);
    assert_eq!(call["disposition"], "bridged", "{call:#}");
    person_and_agent_heard_each_other(&asterisk, person, "600", AGENT_HZ);
    // The callee's BYE comes through the proxy, too: it is the only address that we take requests from.
    assert_eq!(outdial.call_of(leaves)["disposition"], "hung_up_early");
    let relayed = proxy.relayed();
    for method in ["INVITE", "ACK", "BYE"] {
        assert!(relayed.contains(method), "no {method} went by the proxy: {relayed}");
    }
    outdial.wait_until_nothing_is_held(Duration::from_secs(40));
    outdial.stop();
}

#[test]
fn a_person_whom_no_agent_takes_in_time_hears_the_safe_harbour_message() {
    if !captured("a_person_whom_no_agent_takes_in_time_hears_the_safe_harbour_message") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", ["+12025550110"]);
    prompts(&outdial);
    outdial.configure(10.0, &configuration(&asterisk, &UDP, "agent", "601", 1_500));

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(40));
    asterisk.wait_until_idle(Duration::from_secs(30));

    let call = outdial.call_of("+12025550110");
    assert_eq!(call["disposition"], "abandoned", "{call:#}");
    let seconds = seconds_of(&asterisk.heard("+12025550110"), SORRY_HZ);
    assert!(seconds > 1.8, "the person heard {seconds} s of the message of 2 s");
    outdial.stop();
}

#[test]
fn a_key_pressed_during_the_message_ends_it_and_puts_the_number_on_the_do_not_call_list() {
    if !captured("a_key_pressed_during_the_message_ends_it_and_puts_the_number_on_the_do_not_call_list") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    let (presses, listens) = ("+12025550115", "+12025550112");
    outdial.write_contacts("contacts.csv", [presses, listens]);
    prompts(&outdial);
    outdial.configure(10.0, &configuration(&asterisk, &UDP, "message", "600", 15_000));

    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(40));
    asterisk.wait_until_idle(Duration::from_secs(30));

    let call = outdial.call_of(presses);
    assert_eq!(call["disposition"], "opted_out", "{call:#}");
    assert_eq!(call["digits"], "9", "{call:#}");
    let contacts = outdial.contacts();
    let suppressed = |contact: &&Value| contact["number"] == presses && contact["state"] == "suppressed";
    assert!(contacts.iter().any(|contact| suppressed(&contact)), "{contacts:#?}");
    let call = outdial.call_of(listens);
    assert_eq!(call["disposition"], "message_played", "{call:#}");
    assert!(seconds_of(&asterisk.heard(listens), MESSAGE_HZ[2]) > 0.2, "the message was heard to its end");
    outdial.stop();
}

#[test]
fn over_tls_the_pbx_must_be_its_domain_and_a_reload_leaves_the_call_alone() {
    if !captured("over_tls_the_pbx_must_be_its_domain_and_a_reload_leaves_the_call_alone") {
        return;
    }
    let asterisk = Asterisk::start();
    let mut outdial = Outdial::new();
    // The second one hangs up by itself: its BYE comes over a connection that the PBX makes.
    let (listens, leaves) = ("+12025550112", "+12025550190");
    outdial.write_contacts("contacts.csv", [listens, leaves]);
    prompts(&outdial);
    let tables = configuration(&asterisk, &UDP, "message", "600", 15_000);
    let secured = |domain: &str| secured(&asterisk, &tables, domain);
    outdial.configure(10.0, &secured("sip.pbx.example"));
    let refused = outdial.command(&["check"]);
    assert_eq!(refused.status.code(), Some(1), "another domain's certificate is no proof of this one");

    outdial.configure(10.0, &secured("pbx.example"));
    listen_by_tls(&asterisk, &outdial);
    outdial.start();
    eventually(Duration::from_secs(30), "the trunk is registered", || {
        asterisk.is_registered(UDP.user).then_some(())
    });
    let contact = asterisk.ask(&format!("pjsip show aor {}", UDP.user.name));
    assert!(contact.contains("transport=tls"), "{contact}");
    eventually(Duration::from_secs(15), "the call is up", || (asterisk.channels() > 0).then_some(()));
    outdial.engine().signal("HUP");
    eventually(Duration::from_secs(30), "the files are read again", || {
        outdial.engine_log().contains("reloaded").then_some(())
    });
    outdial.wait_until_completed("spring", Duration::from_secs(40));
    let call = outdial.call_of(listens);
    assert_eq!(call["disposition"], "message_played", "{call:#}");
    assert!(seconds_of(&asterisk.heard(listens), MESSAGE_HZ[2]) > 0.2, "the message was heard to its end");
    let call = outdial.call_of(leaves);
    assert_eq!(call["disposition"], "hung_up_early", "{call:#}");
    outdial.stop();
}

/// The same tables with the trunk over TLS.
fn secured(asterisk: &Asterisk, tables: &str, domain: &str) -> String {
    let file = |name: &str| asterisk.tls_file(name).display().to_string();
    let tls = format!(
        "transport = \"tls\"\ndomain = \"{domain}\"\nca_file = \"{}\"\ncertificate_file = \"{}\"\nkey_file = \"{}\"",
        file("ca.pem"),
        file("client.pem"),
        file("client.key"),
    );
    let host = format!("host = \"{}\"", asterisk.sip());
    let tables = tables.replace(&host, &format!("host = \"{}\"", asterisk.sip_tls()));
    tables.replace("transport = \"udp\"", &tls)
}

/// The PBX reaches us by TLS too, and shows its certificate.
fn listen_by_tls(asterisk: &Asterisk, outdial: &Outdial) {
    let own = format!(
        "[sip]\ntls_port = 5061\nca_file = {:?}\ncertificate_file = {:?}\nkey_file = {:?}\nrequire_client_certificate = true\n",
        asterisk.tls_file("ca.pem"),
        asterisk.tls_file("client.pem"),
        asterisk.tls_file("client.key"),
    );
    outdial.write("outdial.toml", &outdial.configuration().replace("[sip]\n", &own));
}

/// The mailbox's own recording holds all three tones of the message, and on the callee's time line the message began
/// after the beep's end and, with `OUTDIAL_LONG=1`, within 300 ms of it.
fn the_whole_message_was_left_after_the_beep(asterisk: &Asterisk, outdial: &Outdial, mailbox: &str) {
    let taken = asterisk.message(mailbox);
    let seconds = MESSAGE_HZ.map(|hertz| seconds_of(&taken, hertz));
    let whole = [0.3, 2.4, 0.3];
    for (heard, sent) in seconds.iter().zip(whole) {
        assert!((heard - sent).abs() < 0.11, "{mailbox} took {seconds:?} s of a message of {whole:?} s");
    }
    let beep_end = last_sound(&asterisk.said(mailbox)).expect("the mailbox spoke");
    let (start, _) = span_of(&asterisk.heard(mailbox), MESSAGE_HZ[0]).expect("the mailbox heard the message");
    let after = start - beep_end;
    // To the millisecond only a machine that does nothing else can be held: three programs hand the sound on.
    let most = if std::env::var_os("OUTDIAL_LONG").is_some() { 0.36 } else { 1.5 };
    assert!((0.0..most).contains(&after), "{mailbox}: the message came {after:.3} s after the beep's end");
    let call = outdial.call_of(mailbox);
    assert_eq!(call["verdict"], "machine", "{call:#}");
    assert!(call["beep_at"].is_string() && call["drop_ended_at"].is_string(), "{call:#}");
}

fn person_and_agent_heard_each_other(asterisk: &Asterisk, person: &str, agent: &str, agent_hz: f64) {
    let seconds = seconds_of(&asterisk.heard(person), agent_hz);
    assert!(seconds > 1.5, "{person} heard the agent for {seconds} s");
    let calls = asterisk.heard_by_agent(agent);
    let seconds = calls.iter().map(|heard| seconds_of(heard, PERSON_HZ)).fold(0.0, f64::max);
    assert!(seconds > 2.0, "the agent heard the person for {seconds} s, in {} calls", calls.len());
}

fn prompts(outdial: &Outdial) {
    let [first, middle, last] = MESSAGE_HZ;
    outdial.write_audio("message.wav", &[tone(first, 0.3), tone(middle, 2.4), tone(last, 0.3)].concat());
    outdial.write_audio("sorry.wav", &tone(SORRY_HZ, 2.0));
    outdial.write_audio("hold.wav", &tone(440.0, 1.0));
}

fn configuration(
    asterisk: &Asterisk,
    trunk: &Trunk,
    action: &str,
    agent: &str,
    agent_timeout_ms: u32,
) -> String {
    let (sip, Trunk { transport, user, srtp }) = (asterisk.sip(), trunk);
    let User { name, password } = user;
    format!(
        r#"
[[trunk]]
name = "pbx"
host = "{sip}"
transport = "{transport}"
srtp = "{srtp}"
username = "{name}"
password = "{password}"
register = true
options_interval_s = 12

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
action = "{action}"
agent_uri = "sip:{agent}@{sip}"
agent_trunk = "pbx"
agent_timeout_ms = {agent_timeout_ms}
hold = "hold.wav"
safe_harbour = "sorry.wav"
message = "message.wav"

[campaign.machine]
action = "voicemail"
message = "message.wav"

[campaign.opt_out]
digit = "9"
"#
    )
}
