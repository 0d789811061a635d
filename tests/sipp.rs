//! The engine against SIPp: a thousand calls without a loss or a leak, and the faults that carriers and callees have. What
//! the engine sends to those is judged by tshark.

mod peers;

use chrono::{DateTime, Utc};
use peers::asterisk::prompt;
use peers::audio::tone;
use peers::outdial::{ALWAYS_OPEN, Outdial};
use peers::sipp::Sipp;
use peers::wire;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// RFC 3261's longest timers, 64*T1, and some time for a busy machine.
const TIMERS_OVER: Duration = Duration::from_secs(40);

const CALLS: u32 = 1_000;
const CALLS_PER_SECOND: f64 = 50.0;

/// The thousand calls are measured on a machine that does nothing else: calls of the other tests are placed before or
/// after them. Waiting until nothing is held disturbs nobody, and needs no turn.
static TURN: RwLock<()> = RwLock::new(());

fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

fn beside_others() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the peers are there and the test goes on here, in a capture of its own ([`wire::alone`]).
fn captured(test: &str) -> bool {
    let _turn = beside_others();
    wire::captured(test)
}

#[test]
fn a_thousand_calls_at_fifty_a_second_are_answered_judged_and_ended_and_leave_nothing_behind() {
    if !peers::installed() {
        return;
    }
    let turn = alone();
    let speech = speech();
    let mut callees = Sipp::start("answers", CALLS, Duration::from_secs(150), &speech);
    let mut outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", (0..CALLS).map(number));
    outdial.write_audio("message.wav", &tone(850.0, 0.5));
    outdial.configure(CALLS_PER_SECOND, &[trunk("carrier", &callees.sip(), 1), campaign("carrier")].concat());

    outdial.start();
    let tasks_when_idle = outdial.tasks();
    callees.finish(Duration::from_secs(150));
    outdial.wait_until_completed("spring", Duration::from_secs(20));
    drop(turn);

    assert_eq!((callees.count("SuccessfulCall(C)"), callees.count("FailedCall(C)")), (u64::from(CALLS), 0));
    let calls = outdial.calls();
    assert_eq!(calls.len(), CALLS as usize, "one call record of each attempt");
    let numbers: BTreeSet<String> = calls.iter().map(|call| text(call, "number")).collect();
    assert_eq!(numbers.len(), CALLS as usize, "each number was called once");
    let wrong: Vec<&Value> = calls.iter().filter(|call| !is_judged_rightly(call)).collect();
    assert!(wrong.is_empty(), "{} judged wrong, the first: {:#}", wrong.len(), wrong[0]);
    for call in &calls {
        assert!(call["sip_status"] == 200 && call["ended_by"] == "us", "{call:#}");
        let moments = ["dialed_at", "ringing_at", "answered_at", "first_media_at", "verdict_at", "ended_at"];
        let moments: Vec<String> = moments.iter().map(|moment| text(call, moment)).collect();
        assert!(moments.is_sorted(), "what happened is in its order: {call:#}");
    }
    let rate = rate_of(&calls);
    // A machine that is not ours alone may stall by the second.
    let room = if std::env::var_os("OUTDIAL_LONG").is_some() { 0.1 } else { 0.3 };
    let pace = (1.0 - room) * CALLS_PER_SECOND..=(1.0 + room) * CALLS_PER_SECOND;
    assert!(pace.contains(&rate), "{rate:.1} calls a second");
    println!("{CALLS} calls at {rate:.1} a second, each answered, judged rightly and ended; none failed");

    nothing_is_left(&mut outdial, tasks_when_idle);
    outdial.stop();
}

/// How many calls a second were dialed, from the first to the last. The pace is that of the decisions to dial; each call's
/// moment is its commit, so a machine that stalls at the first or the last one shifts the figure by some percent.
fn rate_of(calls: &[Value]) -> f64 {
    let moments = || calls.iter().map(|call| text(call, "dialed_at").parse::<DateTime<Utc>>().unwrap());
    let (first, last) = (moments().min().unwrap(), moments().max().unwrap());
    (calls.len() - 1) as f64 / (last - first).as_seconds_f64()
}

/// RFC 3261's timers let go of all that calls have held: dialogs, transactions, ports, tasks, and, as the kernel sees it,
/// every UDP socket but SIP's own.
fn nothing_is_left(outdial: &mut Outdial, tasks_when_idle: u64) {
    outdial.wait_until_nothing_is_held(TIMERS_OVER);
    // The operator who asked before had perhaps not quite gone when those were counted.
    peers::eventually(Duration::from_secs(30), "no more tasks than before the calls", || {
        (outdial.tasks() <= tasks_when_idle).then_some(())
    });
    assert_eq!(outdial.udp_sockets(), 1, "every port of a call is given back");
    println!("nothing is left: {:?}, {tasks_when_idle} tasks as when idle, 1 UDP socket", outdial.held());
}

/// The scenario's callees are mailboxes at even numbers and people at odd ones.
fn is_judged_rightly(call: &Value) -> bool {
    let number = call["number"].as_str().unwrap();
    let is_mailbox = number.ends_with(['0', '2', '4', '6', '8']);
    let (verdict, disposition) =
        if is_mailbox { ("machine", "machine") } else { ("human", "message_played") };
    call["verdict"] == verdict && call["revised_verdict"].is_null() && call["disposition"] == disposition
}

#[test]
fn a_trunk_that_challenges_for_ever_gets_three_invites_at_most() {
    if !captured("a_trunk_that_challenges_for_ever_gets_three_invites_at_most") {
        return;
    }
    std::thread::scope(|both| {
        both.spawn(|| is_challenged_for_ever("challenges-401", 401));
        both.spawn(|| is_challenged_for_ever("challenges-407", 407));
    });
}

fn is_challenged_for_ever(scenario: &str, status: u64) {
    let mut trunk_peer = Sipp::start(scenario, 1, Duration::from_secs(90), &[]);
    let call = one_call_through(&trunk_peer, &[]);
    trunk_peer.finish(Duration::from_secs(20));
    let invites = trunk_peer.received("INVITE");
    assert!((2..=3).contains(&invites), "{scenario}: {invites} INVITEs");
    assert_eq!(trunk_peer.received("ACK"), invites, "{scenario}: every 4xx is acknowledged");
    assert_eq!(
        (&call["disposition"], &call["sip_status"]),
        (&"trunk_rejected".into(), &status.into()),
        "{call:#}"
    );
}

#[test]
fn a_trunk_that_is_full_rests_as_long_as_it_asked_and_the_next_one_carries_the_calls() {
    if !captured("a_trunk_that_is_full_rests_as_long_as_it_asked_and_the_next_one_carries_the_calls") {
        return;
    }
    let turn = beside_others();
    let mut full = Sipp::start("unavailable", 1, Duration::from_secs(60), &[]);
    let speech = speech();
    let mut carrier = Sipp::start("answers", 6, Duration::from_secs(60), &speech);
    let mut outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", (0..6).map(number));
    outdial.write_audio("message.wav", &tone(850.0, 0.5));
    let trunks = [trunk("full", &full.sip(), 1), trunk("carrier", &carrier.sip(), 2)].concat();
    outdial.configure(1.0, &(trunks + &campaign("full\", \"carrier")));

    outdial.start();
    let tasks_when_idle = outdial.tasks();
    full.finish(Duration::from_secs(20));
    carrier.finish(Duration::from_secs(60));
    outdial.wait_until_completed("spring", Duration::from_secs(20));
    drop(turn);

    assert_eq!(full.received("INVITE"), 1, "after its 503 the trunk is left alone for 600 s");
    assert_eq!(
        carrier.count("SuccessfulCall(C)"),
        6,
        "the contact that met the 503 is called through the next trunk"
    );
    let through: BTreeMap<String, String> =
        outdial.calls().iter().map(|c| (text(c, "number"), text(c, "trunk"))).collect();
    assert!(through.len() == 6 && through.values().all(|trunk| trunk == "carrier"), "{through:?}");
    nothing_is_left(&mut outdial, tasks_when_idle);
    outdial.stop();
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    if !captured("a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up") {
        return;
    }
    let mut callee = Sipp::start("crossing", 1, Duration::from_secs(60), &[]);
    let call = one_call_through(&callee, &[]);
    callee.finish(Duration::from_secs(20));
    let received = |method| callee.received(method);
    assert_eq!((received("CANCEL"), received("ACK"), received("BYE")), (1, 1, 1));
    assert!(call["answered_at"].is_string() && call["ended_by"] == "us", "{call:#}");
    assert_eq!(call["disposition"], "abandoned", "somebody picked up and heard nobody: {call:#}");
}

#[test]
fn every_copy_of_a_200_is_acknowledged() {
    if !captured("every_copy_of_a_200_is_acknowledged") {
        return;
    }
    let mut callee = Sipp::start("repeated-200", 1, Duration::from_secs(60), &[]);
    let call = one_call_through(&callee, &[]);
    callee.finish(Duration::from_secs(20));
    assert_eq!((callee.received("INVITE"), callee.received("ACK"), callee.received("BYE")), (1, 4, 1));
    assert_eq!(call["disposition"], "no_media", "no packet came: {call:#}");
}

#[test]
fn a_bye_that_is_never_answered_frees_the_line_at_once_and_its_transaction_after_64_t1() {
    if !captured("a_bye_that_is_never_answered_frees_the_line_at_once_and_its_transaction_after_64_t1") {
        return;
    }
    let mut callee = Sipp::start("lost-bye", 1, Duration::from_secs(90), &[]);
    // The contact is final and the line free while the BYE is still being repeated (Timer F), and while the INVITE's
    // transaction stays in Accepted for copies of the 200 (Timer M, RFC 6026).
    let call = one_call_through(&callee, &[("/sip/client_transactions", 2)]);
    callee.finish(Duration::from_secs(60));
    let copies = callee.received("BYE");
    // The last is due at 31.5 s: an engine that just then had no processor for half a second has no time left
    // for it.
    assert!(
        (10..=11).contains(&copies),
        "Timer E doubles from 0.5 s to 4 s until 32 s have passed: {copies}"
    );
    assert_eq!(call["disposition"], "no_media", "no packet came: {call:#}");
}

#[test]
fn a_carrier_that_wants_prack_longer_intervals_update_and_holds_gets_exact_answers() {
    if !captured("a_carrier_that_wants_prack_longer_intervals_update_and_holds_gets_exact_answers") {
        return;
    }
    let _turn = beside_others();
    let mut callee = Sipp::start("extensions", 1, Duration::from_secs(60), &[]);
    let trunk = trunk("carrier", &callee.sip(), 1) + "session_expires_s = 90\n";
    let mut outdial = dialing(&[trunk, campaign("carrier")].concat());
    callee.finish(Duration::from_secs(30));
    outdial.wait_until_completed("spring", Duration::from_secs(20));
    let received = |method| callee.received(method);
    assert_eq!((received("INVITE"), received("PRACK"), received("ACK")), (2, 1, 2));
    let call = outdial.call_of(&number(1));
    assert_eq!(
        (&call["disposition"], &call["ended_by"]),
        (&"hung_up_early".into(), &"callee".into()),
        "{call:#}"
    );
    outdial.stop();
}

#[test]
fn an_agents_refer_joins_the_callee_with_the_new_party_where_the_campaign_allows_it() {
    if !captured("an_agents_refer_joins_the_callee_with_the_new_party_where_the_campaign_allows_it") {
        return;
    }
    let _turn = beside_others();
    let mut callee = Sipp::start("answers", 1, Duration::from_secs(60), &speech());
    let mut pbx = Sipp::start("agent-refers", 2, Duration::from_secs(60), &[]);
    let message = "action = \"message\"\nmessage = \"message.wav\"";
    let agent = format!(
        "action = \"agent\"\nagent_uri = \"sip:600@{}\"\nagent_trunk = \"pbx\"\ntransfer = \"blind\"",
        pbx.sip()
    );
    let campaign = campaign("carrier");
    assert!(campaign.contains(message));
    let trunks = trunk("carrier", &callee.sip(), 1) + &trunk("pbx", &pbx.sip(), 1);
    let mut outdial = dialing(&(trunks + &campaign.replace(message, &agent)));
    pbx.finish(Duration::from_secs(30));
    callee.finish(Duration::from_secs(20));
    outdial.wait_until_completed("spring", Duration::from_secs(20));
    let call = outdial.call_of(&number(1));
    let parties = format!("sip:600@{0} sip:700@{0}", pbx.sip());
    assert_eq!((&call["disposition"], &call["agent"]), (&"bridged".into(), &parties.into()), "{call:#}");
    assert_eq!(call["ended_by"], "agent", "the new party hung up: {call:#}");
    outdial.stop();
}

/// The engine, which dials one number through these trunks.
fn dialing(trunks_and_campaign: &str) -> Outdial {
    let mut outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", [number(1)]);
    outdial.write_audio("message.wav", &tone(850.0, 0.5));
    outdial.configure(10.0, trunks_and_campaign);
    outdial.start();
    outdial
}

/// Dials one number through `peer` and waits until the contact is in its final state, when no more than `lingers` may be
/// held, then until nothing is.
fn one_call_through(peer: &Sipp, lingers: &[(&str, u64)]) -> Value {
    let turn = beside_others();
    let mut outdial = dialing(&[trunk("carrier", &peer.sip(), 1), campaign("carrier")].concat());
    let tasks_when_idle = outdial.tasks();
    outdial.wait_until_completed("spring", Duration::from_secs(40));
    if !lingers.is_empty() {
        let mut held = outdial.held();
        held.retain(|(_, count)| *count > 0);
        assert_eq!(held, lingers);
    }
    drop(turn);
    let call = outdial.call_of(&number(1));
    nothing_is_left(&mut outdial, tasks_when_idle);
    outdial.stop();
    call
}

/// What the callees of `answers.xml` say. At the end of its file SIPp sends nothing any more, as a phone does that
/// suppresses silence.
fn speech() -> [(&'static str, Vec<i16>); 2] {
    [("hello.ul", prompt("hello")), ("greeting.ul", prompt("vm-intro"))]
}

fn number(index: u32) -> String {
    format!("+1202556{index:04}")
}

fn text(call: &Value, field: &str) -> String {
    call[field].as_str().unwrap_or_else(|| panic!("no text in {field}: {call:#}")).to_string()
}

fn trunk(name: &str, sip: &str, priority: u32) -> String {
    format!(
        r#"
[[trunk]]
name = "{name}"
host = "{sip}"
username = "outdial"
password = "s3cret"
priority = {priority}
channels_max = 1000
calls_per_second_max = {CALLS_PER_SECOND:.1}
options_interval_s = 0
"#
    )
}

fn campaign(trunks: &str) -> String {
    let calls_per_minute = 60.0 * CALLS_PER_SECOND;
    format!(
        r#"
[[campaign]]
name = "spring"
trunks = ["{trunks}"]
contacts = "contacts.csv"
default_region = "US"
caller_id = "+12025550199"
lines_max = 1000
calls_per_minute = {calls_per_minute:.1}
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
