//! A run of `outdial`, or of a whole test, inside a network namespace of its own, captured whole, and tshark's judgement on
//! the packets.

use super::process::Process;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where a phone that is started in there lives: behind a wire of its own, as another machine.
pub const PHONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The engine's address on that wire.
pub const ENGINE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A PBX's address on it.
pub const PBX: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

/// What leaves the engine ([`super::own_engine_address`]).
const OURS: &str = "(ip.src == 127.128.0.0/9 || ip.src == 192.0.2.1)";

/// A capture file and what tshark reads in it.
pub struct Capture {
    file: PathBuf,
    said: String,
}

/// Whether the peers are there and the test goes on here, in a capture of its own ([`alone`]).
pub fn captured(test: &str) -> bool {
    super::installed() && alone(test)
}

/// Runs the calling test once more inside a network namespace of its own, captured whole. There this is true and the test
/// goes on; outside, it waits for the end of that, holds what the engine has sent against tshark's expert knowledge, and is
/// false. `test` is the test's own name.
fn alone(test: &str) -> bool {
    if std::env::var_os("ISOLATED").is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", test, "--nocapture"];
    let capture = Capture::of(program.to_str().unwrap(), &arguments, folder.path(), Duration::from_secs(300));
    assert!(capture.said.contains("1 passed"), "no test is called {test}\n{}", capture.said);
    let faulty = "_ws.malformed || ((sip || sdp || rtp || rtcp) && _ws.expert.severity >= warning)";
    // What it cannot name it cannot judge; but what was agreed upon inside TLS it cannot know.
    let unnamed = if capture.matching("tls").is_empty() {
        "udp && !icmp && !(sip || rtp || rtcp)"
    } else {
        "frame.len == 0"
    };
    let found = capture.matching(&format!("{OURS} && (({unnamed}) || {faulty})"));
    assert!(
        found.is_empty(),
        "{} packets, such as\n{}",
        found.len(),
        found[..found.len().min(10)].join("\n")
    );
    assert!(!capture.matching(&format!("{OURS} && udp")).is_empty(), "a judgement on nothing would be none");
    false
}

impl Capture {
    /// Runs `program` in a namespace whose only interface is the loopback, and captures all that goes over it: nobody
    /// else's packets are in it, and none of its packets can leave. Where namespaces are forbidden (some containers), on
    /// the machine's own loopback.
    pub fn of(program: &str, arguments: &[&str], folder: &Path, limit: Duration) -> Capture {
        let file = folder.join("capture.pcapng");
        let script =
            "[ -z \"$ISOLATED\" ] || { ip link set lo up; ip link add out type veth peer name far; ip link set out up
            ip addr add 192.0.2.1/24 dev out; ip addr add 192.0.2.3/24 dev out; more=\"-i out\"; } 2>links.log
            dumpcap -q -i lo $more -w \"$1\" 2>dumpcap.log & capture=$!
            until [ -s \"$1\" ]; do sleep 0.1; kill -0 $capture 2>/dev/null || exit 99; done
            shift; \"$@\"; outcome=$?; sleep 1; kill -INT $capture; wait $capture; exit $outcome";
        let mut all = isolation();
        all.extend(["sh", "-c", script, "sh", file.to_str().unwrap(), program]);
        all.extend(arguments);
        let (first, all) = all.split_first().unwrap();
        let mut process = Process::start(Path::new(first), all, folder, &folder.join("program.log"));
        let status = process.wait(limit);
        let said = std::fs::read_to_string(folder.join("dumpcap.log")).unwrap_or_default();
        assert!(status.success(), "{program} ended with {status}\n{}\n{said}", process.last_words());
        Capture { file, said: process.output() }
    }

    /// The packets that match a display filter, one line each.
    pub fn matching(&self, filter: &str) -> Vec<String> {
        let output = Command::new("tshark")
            .args(["-n", "-2", "-r", self.file.to_str().unwrap()])
            // SIP on any port is found by its look; RTP and RTCP by the SDP that announced them or, where ports are taken
            // again so soon that tshark has let go of them, by their look too.
            .args(["--enable-heuristic", "sip_udp", "-o", "sip.delay_sdp_changes:FALSE"])
            .args(["--enable-heuristic", "rtp_udp", "--enable-heuristic", "rtcp_udp"])
            // A media port may be the registered one of a protocol of no concern here, which would claim its packets.
            .args(claimants().iter().flat_map(|protocol| ["--disable-protocol", protocol]))
            .args(["-R", filter])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark {filter}: {said}");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
    }
}

/// The protocols with a registered UDP port where media may flow.
fn claimants() -> Vec<String> {
    let output = Command::new("tshark").args(["-G", "decodes"]).output().unwrap();
    let claimant = |line: &str| {
        let [table, port, protocol] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        let media = port.parse::<u16>().is_ok_and(|port| port >= 1_024);
        (table == "udp.port" && media && protocol != "sip").then(|| protocol.to_string())
    };
    let mut found: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(claimant).collect();
    found.sort();
    found.dedup();
    found
}

/// The command that puts the rest of the line into a network namespace, by whichever right this machine gives.
fn isolation() -> Vec<&'static str> {
    for way in [&["unshare", "--net"][..], &["unshare", "--net", "--map-root-user"]] {
        let works =
            Command::new(way[0]).args(&way[1..]).arg("true").output().is_ok_and(|o| o.status.success());
        if works {
            return [way, &["env", "ISOLATED=yes"]].concat();
        }
    }
    vec!["env", "ISOLATED="]
}
