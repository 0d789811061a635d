//! Peers that say anything at any time: whatever comes, each session ends once and nothing is left.

use std::time::Duration;

use super::{Stage, dial};
use crate::rng::Rng;
use crate::sip::endpoint::*;
use crate::sip::transaction::transcript::Machine;
use crate::time::Instant;

const WORDS: [&str; 61] = [
    "< 100",
    "< 180 tag=a",
    "< 183 tag=b sdp=x",
    "< 199 tag=c",
    "< 200 tag=a sdp=x",
    "< 200 tag=b",
    "< 200 tag=c",
    "< 200",
    "< 302 tag=a",
    "< 401 tag=a",
    "< 407 tag=a",
    "< 408 tag=a",
    "< 481 tag=a",
    "< 486 tag=a",
    "< 487 tag=a",
    "< 491 tag=a",
    "< 503 tag=a",
    "< 200 BYE",
    "< 481 BYE",
    "< 407 BYE",
    "< 200 CANCEL",
    "< 481 CANCEL",
    "< BYE tag=a",
    "< BYE tag=b",
    "< INVITE tag=a sdp=y",
    "< INVITE tag=a",
    "< INVITE tag=b sdp=y",
    "< UPDATE tag=a sdp=y",
    "< UPDATE tag=b",
    "< CANCEL tag=a cseq=101",
    "< ACK tag=a cseq=101",
    "< ACK tag=a cseq=102 sdp=z",
    "< INFO tag=a",
    "< OPTIONS tag=b",
    "* hangup",
    "* reinvite z",
    "* answer z",
    "* refuse 488",
    "* unreachable",
    "* icmp",
    "< NOTIFY tag=a",
    "< REFER tag=a | Refer-To: <sip:700@pbx>",
    "< REFER tag=a",
    "< NOTIFY tag=a sdp=SIP/2.0%200 | Event: refer | Subscription-State: terminated",
    "< 202 REFER",
    "< 603 REFER",
    "< 481 NOTIFY",
    "* accept",
    "* decline",
    "* report 200",
    "* refer sip:700@pbx",
    "< 183 tag=a sdp=x | Require: 100rel | RSeq: 1 | Allow: UPDATE",
    "< 180 tag=a | Require: 100rel | RSeq: 2",
    "< 180 tag=b | Require: 100rel | RSeq: 9",
    "< 200 PRACK sdp=x",
    "< 481 PRACK",
    "< 422 tag=a | Min-SE: 300",
    "< 200 tag=a sdp=x | Session-Expires: 90;refresher=uac | Allow: UPDATE",
    "< 200 UPDATE | Session-Expires: 90;refresher=uas",
    "< 501 UPDATE",
    "< UPDATE tag=a | Supported: timer | Session-Expires: 90",
];

#[test]
fn whatever_a_peer_says_each_session_ends_once_and_nothing_is_left() {
    for seed in 0..3_000 {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut rng = Rng::from_seed(seed);
    let mut stage = Stage::new(if rng.chance(0.3) { Transport::Tcp } else { Transport::Udp });
    let mut now = Instant::ZERO;
    let mut lines = Vec::new();
    let extensions =
        super::extensions(if rng.chance(0.5) { &["timer=90", "transfer"] } else { &["100rel=off"] });
    let key = stage.endpoint.invite(now, Dial { extensions, ..dial(stage.target) }).unwrap();
    stage.session = Some(key);
    stage.collect(&mut lines);
    for _ in 0..rng.between(1, 30) {
        let pause_ms_max = if rng.chance(0.1) { 40_000 } else { 700 };
        let until = now + Duration::from_millis(rng.below(pause_ms_max));
        now = run_until(&mut stage, now, until, &mut lines, seed);
        let word = WORDS[rng.below(WORDS.len() as u64) as usize];
        let method = word.split(' ').nth(2).unwrap_or("INVITE");
        let is_response = word.starts_with("< ") && word.as_bytes()[2].is_ascii_digit();
        let asked = if matches!(method, "BYE" | "CANCEL" | "PRACK" | "UPDATE" | "REFER" | "NOTIFY") {
            method
        } else {
            "INVITE"
        };
        if !is_response || stage.sent.contains_key(asked) {
            lines.push(format!("{now:?} {word}"));
            let digest = "Digest realm=\"trunk\", nonce=\"n\"";
            let challenge = match word.as_bytes()[2..].first_chunk::<3>() {
                Some(b"401") => format!(" | WWW-Authenticate: {digest}"),
                Some(b"407") => format!(" | Proxy-Authenticate: {digest}"),
                _ => String::new(),
            };
            stage.play(now, &format!("{}{challenge}", &word[2..]), &mut lines);
        }
    }
    stage.endpoint.hang_up(now, key, None);
    stage.collect(&mut lines);
    run_until(&mut stage, now, now + Duration::from_secs(400), &mut lines, seed);
    assert_eq!(stage.endpoint.counts(), Counts::default(), "seed {seed}: {lines:#?}");
    assert!(stage.parting.is_empty(), "seed {seed}: {lines:#?}");
    let ended = lines.iter().filter(|line| *line == "! ended").count();
    assert_eq!(ended, 1, "seed {seed}: {lines:#?}");
}

fn run_until(
    stage: &mut Stage,
    mut now: Instant,
    until: Instant,
    lines: &mut Vec<String>,
    seed: u64,
) -> Instant {
    let mut rounds = 0;
    while let Some(due) = stage.endpoint.poll_timeout().filter(|due| *due <= until) {
        now = now.max(due);
        stage.handle_timeout(now, lines);
        rounds += 1;
        assert!(rounds < 10_000, "seed {seed} never comes to rest: {lines:#?}");
    }
    until
}

#[test]
fn damaged_messages_do_no_harm() {
    let mut rng = Rng::from_seed(5);
    let mut stage = Stage::new(Transport::Udp);
    let mut lines = Vec::new();
    stage.session = Some(stage.endpoint.invite(Instant::ZERO, dial(stage.target)).unwrap());
    stage.collect(&mut lines);
    let good = [
        stage.response(200, "INVITE", &["tag=a", "sdp=x"]).to_bytes(),
        stage.response(183, "INVITE", &["tag=b"]).to_bytes(),
        stage.request("INVITE", &["tag=a", "sdp=y"]).to_bytes(),
        stage.request("BYE", &["tag=b"]).to_bytes(),
        stage.request("OPTIONS", &["tag=a"]).to_bytes(),
    ];
    for round in 0..20_000u64 {
        let mut bytes = good[rng.below(good.len() as u64) as usize].clone();
        for _ in 0..rng.between(1, 8) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[at] = rng.below(256) as u8,
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let now = Instant::from_start(Duration::from_millis(round));
        stage.endpoint.handle_timeout(now);
        stage.endpoint.handle_datagram(now, stage.target.address, &bytes);
        while stage.endpoint.poll_output().is_some() {}
    }
}

#[test]
fn whatever_a_registrar_says_unregistering_ends_it() {
    let answers = [
        "",
        "100 REGISTER",
        "200 REGISTER",
        "200 REGISTER | Expires: 0",
        "200 REGISTER | Expires: 4294967295000",
        "200 REGISTER | Contact: <sip:outdial@127.0.0.1:5060>;expires=20",
        "401 REGISTER | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\"",
        "407 REGISTER | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n\", stale=true",
        "423 REGISTER | Min-Expires: 900",
        "423 REGISTER",
        "503 REGISTER | Retry-After: 99999999",
        "200 REGISTER | Authentication-Info: nextnonce=\"m\"",
        "unreachable",
        "icmp",
        "password other",
        "move 0",
        "move 40",
    ];
    for seed in 0..1_000 {
        let mut rng = Rng::from_seed(seed);
        let mut stage = Stage::new(Transport::Udp);
        let (mut now, mut lines) = (Instant::ZERO, Vec::new());
        stage.play(now, "register", &mut lines);
        for _ in 0..rng.between(0, 12) {
            let pause_ms_max = if rng.chance(0.3) { 600_000 } else { 700 };
            let until = now + Duration::from_millis(rng.below(pause_ms_max));
            now = run_until(&mut stage, now, until, &mut lines, seed);
            let answer = answers[rng.below(answers.len() as u64) as usize];
            if !answer.is_empty() {
                stage.play(now, answer, &mut lines);
            }
        }
        stage.play(now, "unregister", &mut lines);
        run_until(&mut stage, now, now + Duration::from_secs(100), &mut lines, seed);
        assert_eq!(stage.endpoint.counts(), Counts::default(), "seed {seed}: {lines:#?}");
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("! unregistered")).count(),
            1,
            "seed {seed}: {lines:#?}"
        );
    }
}
