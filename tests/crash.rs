//! `kill -9` in mid-campaign, twenty times, judged by the carrier's own ledger: nobody is dialed beyond the policy, nobody is
//! forgotten, and every attempt has its one call record.

mod peers;

use peers::asterisk::prompt;
use peers::audio::tone;
use peers::outdial::{ALWAYS_OPEN, Outdial};
use peers::sipp::Sipp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const KILLS: u64 = 20;
const CONTACTS: u32 = 400;

#[test]
fn twenty_kills_in_mid_campaign_dial_nobody_twice_and_lose_nobody() {
    if !peers::installed() {
        return;
    }
    let speech = [("hello.ul", prompt("hello")), ("greeting.ul", prompt("vm-intro"))];
    // More calls than there are: SIPp stays until it is dropped, with those calls whose caller died.
    let carrier = Sipp::start("answers", 10 * CONTACTS, Duration::from_secs(240), &speech);
    let mut outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", (0..CONTACTS).map(number));
    outdial.write_audio("message.wav", &tone(850.0, 0.5));
    outdial.configure(20.0, &configuration(&carrier.sip()));

    for kill in 0..KILLS {
        outdial.start();
        // Spread over all moments of a call: before its INVITE, while it rings, is judged, is hung up.
        std::thread::sleep(Duration::from_millis(250 + kill * 137 % 700));
        outdial.engine().kill();
    }
    outdial.start();
    outdial.wait_until_completed("spring", Duration::from_secs(90));
    outdial.stop();

    let ledger = carrier.calls_asked_for();
    let calls = outdial.calls();
    let interrupted = calls.iter().filter(|call| call["disposition"] == "interrupted").count();
    assert!(interrupted >= 10, "the kills met {interrupted} calls only: they have proved nothing");
    nobody_was_dialed_twice(&ledger);
    every_call_of_the_ledger_has_its_one_record(&ledger, &calls);
    every_contact_is_in_a_final_state(&outdial.contacts(), &calls);
}

fn nobody_was_dialed_twice(ledger: &BTreeMap<String, String>) {
    let numbers: BTreeSet<&String> = ledger.values().collect();
    assert!(numbers.len() > CONTACTS as usize * 3 / 4, "the carrier saw only {} numbers", numbers.len());
    assert_eq!(numbers.len(), ledger.len(), "max_attempts is 1, so each number has one Call-ID");
}

fn every_call_of_the_ledger_has_its_one_record(ledger: &BTreeMap<String, String>, calls: &[Value]) {
    let mut records: BTreeMap<&str, &str> = BTreeMap::new();
    for call in calls {
        let (id, number) = (call["call_id"].as_str().unwrap(), call["number"].as_str().unwrap());
        assert!(records.insert(id, number).is_none(), "two records of the call {id}");
    }
    let attempts: BTreeSet<&str> = calls.iter().map(|call| call["attempt"].as_str().unwrap()).collect();
    assert_eq!(attempts.len(), calls.len(), "one record of each attempt");
    for (id, number) in ledger {
        assert_eq!(records.get(id.as_str()), Some(&number.as_str()), "the record of the call {id}");
    }
}

fn every_contact_is_in_a_final_state(contacts: &[Value], calls: &[Value]) {
    assert_eq!(contacts.len(), CONTACTS as usize);
    let dialed: BTreeSet<&str> = calls.iter().map(|call| call["number"].as_str().unwrap()).collect();
    for contact in contacts {
        assert_eq!(contact["state"], "done", "{contact:#}");
        assert!(dialed.contains(contact["number"].as_str().unwrap()), "done without an attempt: {contact:#}");
    }
}

fn number(index: u32) -> String {
    format!("+1202557{index:04}")
}

fn configuration(carrier: &str) -> String {
    format!(
        r#"
[[trunk]]
name = "carrier"
host = "{carrier}"
channels_max = 1000
calls_per_second_max = 20.0
options_interval_s = 0

[[campaign]]
name = "spring"
trunks = ["carrier"]
contacts = "contacts.csv"
default_region = "US"
caller_id = "+12025550199"
lines_max = 200
calls_per_minute = 1200.0
ring_timeout_s = 15
max_attempts = 1

{ALWAYS_OPEN}

[campaign.human]
action = "message"
message = "message.wav"

[campaign.machine]
action = "hang_up"
"#
    )
}
