//! A run of `outdial` inside a network namespace of its own, captured whole, and tshark's judgement on the packets.

use super::process::Process;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A capture file and what tshark reads in it.
pub struct Capture {
    file: PathBuf,
}

impl Capture {
    /// Runs `program` in a namespace whose only interface is the loopback, and captures all that goes over it: nobody
    /// else's packets are in it, and none of its packets can leave. Where namespaces are forbidden (some containers), on
    /// the machine's own loopback.
    pub fn of(program: &str, arguments: &[&str], folder: &Path, limit: Duration) -> Capture {
        let file = folder.join("capture.pcapng");
        let script =
            "[ -z \"$ISOLATED\" ] || ip link set lo up; dumpcap -q -i lo -w \"$1\" 2>dumpcap.log & capture=$!
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
        Capture { file }
    }

    /// The packets that match a display filter, one line each.
    pub fn matching(&self, filter: &str) -> Vec<String> {
        let output = Command::new("tshark")
            .args(["-n", "-2", "-r", self.file.to_str().unwrap()])
            // SIP on any port is found by its look, RTP and RTCP by the SDP that announced them.
            .args(["--enable-heuristic", "sip_udp", "-o", "sip.delay_sdp_changes:FALSE"])
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
