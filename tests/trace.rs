//! `outdial trace` against the binary: a call watched over the control socket, its capture file judged by tshark, its
//! messages parsed from what a Homer server would get.

mod peers;
#[path = "operator/scene.rs"]
#[allow(dead_code, reason = "the operator's tests play the whole of it")]
mod scene;

use outdial::sim::callee::{Callee, Temper};
use peers::eventually;
use scene::{SOON, Scene, numbers, person};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const NUMBER: &str = "+12025550100";

#[test]
fn a_traced_call_is_drawn_captured_and_sent_to_homer_without_its_number() {
    let homer = UdpSocket::bind("127.0.0.1:0").unwrap();
    homer.set_nonblocking(true).unwrap();
    let mut scene = Scene::new([
        (100, person(Temper::HangsUp(Duration::from_secs(4)))),
        (101, Callee::Busy),
        (102, Callee::Busy),
    ]);
    scene.outdial.write_contacts("spring.csv", numbers(100..101));
    scene.outdial.write_contacts("autumn.csv", numbers(101..102));
    scene.outdial.write_contacts("winter.csv", numbers(102..103));
    let late = "autostart = false";
    scene.configure(&["spring", "autumn", "winter"].map(|name| scene.campaign(name, late)));
    let trace = format!("[trace]\nfolder = \"traces\"\nhep = \"{}\"\n\n", homer.local_addr().unwrap());
    let configuration = trace + &scene.outdial.configuration();
    scene.outdial.write("outdial.toml", &configuration);
    scene.outdial.start();
    assert!(scene.does("trace list").starts_with("nothing is traced"));

    scene.does(&format!("trace on {NUMBER} --rtp --for-min 5"));
    scene.refuses("trace on summer", &["summer", "no campaign"]);
    assert!(!scene.does("trace list").contains("5550100"), "the number is masked here too");
    for campaign in ["spring", "autumn"] {
        scene.does(&format!("campaign start {campaign}"));
        scene.outdial.wait_until_completed(campaign, SOON);
    }
    let list: Value = serde_json::from_str(&scene.does("trace list --json")).unwrap();
    assert_eq!(list["calls"].as_array().unwrap().len(), 1, "autumn's call is nobody's business: {list:#}");
    let id = list["calls"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&list["calls"][0]["ended"], &list["dropped"]), (&true.into(), &0.into()), "{list:#}");

    let ladder = scene.does(&format!("trace show {}", &id[id.len() - 6..]));
    for word in [
        " INVITE ",
        " 180 Ringing ",
        " 200 OK ",
        " ACK ",
        " BYE ",
        "200 OK (BYE)",
        "PCMU",
        "-- human",
        "+*********00",
    ] {
        assert!(ladder.contains(word), "no {word:?} in\n{ladder}");
    }
    assert!(!ladder.contains("20255501"), "{ladder}");
    let shown: Value = serde_json::from_str(&scene.does(&format!("trace show {id} --json"))).unwrap();
    assert!(shown["rows"].to_string().contains("INVITE sip:+000******00@"), "{shown:#}");

    // From now on nobody is traced.
    scene.does(&format!("trace off {NUMBER}"));
    scene.refuses(&format!("trace off {NUMBER}"), &["not being traced"]);
    scene.does("campaign start winter");
    scene.outdial.wait_until_completed("winter", SOON);
    let messages: usize =
        shown["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == "message").count();
    let mut packets = Vec::new();
    eventually(SOON, "Homer has it all", || {
        let mut buffer = [0; 65_536];
        while let Ok(length) = homer.recv(&mut buffer) {
            packets.push(hep(&buffer[..length]));
        }
        (packets.len() >= messages).then_some(())
    });
    assert_eq!(packets.len(), messages);
    assert!(packets.iter().all(|(correlation, _)| *correlation == id));
    let methods: BTreeSet<&str> = packets.iter().filter_map(|(_, text)| text.split(' ').next()).collect();
    assert!(methods.is_superset(&["INVITE", "ACK", "BYE", "SIP/2.0"].into()), "{methods:?}");
    assert!(!packets.iter().any(|(_, text)| text.contains("20255501")));

    scene.end();
    judge(&scene.outdial.path(&format!("traces/{id}.pcap")), messages);
}

#[test]
fn a_trace_of_everything_shows_numbers_to_whoever_asked_for_them() {
    let mut scene = Scene::new([(100, Callee::Busy)]);
    scene.outdial.write_contacts("spring.csv", numbers(100..101));
    scene.configure(&[scene.campaign("spring", "autostart = true")]);
    let configuration =
        "[trace]\nenabled = true\nunmasked = true\n\n".to_owned() + &scene.outdial.configuration();
    scene.outdial.write("outdial.toml", &configuration);
    scene.outdial.start();
    scene.outdial.wait_until_completed("spring", SOON);
    scene.refuses("trace on spring --rtp", &["folder", "[trace]"]);
    let list: Value = serde_json::from_str(&scene.does("trace list --json")).unwrap();
    let ladder = scene.does(&format!("trace show {}", list["calls"][0]["id"].as_str().unwrap()));
    assert!(ladder.contains(&format!("to {NUMBER}")) && ladder.contains("486"), "{ladder}");
    scene.does("trace off all");
    assert!(scene.does("trace list").starts_with("nothing is traced"));
    scene.end();
}

/// The correlation and the payload of a HEP3 packet.
fn hep(bytes: &[u8]) -> (String, String) {
    let short = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    assert_eq!((&bytes[..4], short(4)), (&b"HEP3"[..], bytes.len()));
    let (mut at, mut correlation, mut payload) = (6, String::new(), String::new());
    while at < bytes.len() {
        let value = String::from_utf8_lossy(&bytes[at + 6..at + short(at + 4)]).into_owned();
        match short(at + 2) {
            17 => correlation = value,
            15 => payload = value,
            _ => {}
        }
        at += short(at + 4);
    }
    (correlation, payload)
}

/// tshark opens the file, names every packet, and has nothing to say against any.
fn judge(file: &Path, messages: usize) {
    if !peers::installed() {
        return;
    }
    let matching = |filter: &str| {
        let output = Command::new("tshark")
            .args(["-n", "-2", "-r", file.to_str().unwrap(), "--enable-heuristic", "sip_udp"])
            .args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-R", filter])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark {filter}: {said}");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect::<Vec<String>>()
    };
    assert_eq!(matching("sip").len(), messages);
    let rtp = matching("rtp").len();
    assert!(rtp > 150, "{rtp} packets of RTP in four seconds of both ways");
    for fault in ["!(sip || rtp)", "_ws.malformed", "_ws.expert.severity >= warning"] {
        let found = matching(fault);
        assert!(
            found.is_empty(),
            "{fault}: {} packets, such as\n{}",
            found.len(),
            found[..found.len().min(10)].join("\n")
        );
    }
    let bytes = std::fs::read(file).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"20255501"));
}
