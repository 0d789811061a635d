//! SIPp as the carrier or the callee: a scenario of `tests/sipp/`, an address of its own, and its own account of how the
//! calls went.

use super::audio;
use super::own_address;
use super::process::Process;
use super::test_file;
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Scenarios that are there to provoke copies: without `-nr` SIPp takes these for retransmissions, and a scenario does
/// not get to see them.
const WITH_COPIES: [&str; 2] = ["lost-bye", "repeated-200"];

/// SIPp with one scenario.
pub struct Sipp {
    process: Process,
    scratch: TempDir,
    address: Ipv4Addr,
}

impl Sipp {
    /// Starts the scenario `tests/sipp/NAME.xml` for so many calls; it ends by itself after them or after `limit`.
    /// `speech` are files of audio that the scenario plays.
    pub fn start(name: &str, calls: u32, limit: Duration, speech: &[(&str, Vec<i16>)]) -> Sipp {
        let scratch = tempfile::Builder::new().prefix("outdial-sipp-").tempdir().unwrap();
        for (file, samples) in speech {
            fs::write(scratch.path().join(file), audio::mu_law(samples)).unwrap();
        }
        let (address, scenario) = (own_address(), test_file(&format!("sipp/{name}.xml")));
        let (address_text, calls, limit) =
            (address.to_string(), calls.to_string(), limit.as_secs().to_string());
        let arguments = [
            ["-sf", scenario.to_str().unwrap()],
            ["-i", &address_text],
            ["-mi", &address_text],
            ["-p", "5060"],
            ["-m", &calls],
            ["-timeout", &limit],
            ["-error_file", "errors"],
            ["-message_file", "messages"],
            ["-stf", "statistics"],
            ["-fd", "1"],
        ];
        let switches =
            ["-bind_local", "-nostdin", "-timeout_error", "-trace_err", "-trace_msg", "-trace_stat"];
        let as_they_come = WITH_COPIES.contains(&name).then_some("-nr");
        let arguments: Vec<&str> =
            arguments.into_iter().flatten().chain(switches).chain(as_they_come).collect();
        let process =
            Process::start(Path::new("sipp"), &arguments, scratch.path(), &scratch.path().join("console"));
        let mut sipp = Sipp { process, scratch, address };
        sipp.wait_until_it_listens();
        sipp
    }

    fn wait_until_it_listens(&mut self) {
        let octets = self.address.octets();
        let local = format!("{:08X}:{:04X}", u32::from_le_bytes(octets), 5060);
        super::eventually(Duration::from_secs(30), "SIPp listens", || {
            assert!(
                self.process.ended().is_none(),
                "SIPp ended: {}{}",
                self.process.last_words(),
                self.errors()
            );
            fs::read_to_string("/proc/net/udp").unwrap().contains(&local).then_some(())
        });
    }

    /// Where its SIP is.
    pub fn sip(&self) -> String {
        format!("{}:5060", self.address)
    }

    /// Waits for its end and expects every call to have gone by the scenario.
    pub fn finish(&mut self, limit: Duration) {
        let status = self.process.wait(limit);
        assert!(
            status.success(),
            "SIPp ended with {status}: {:?}\n{}{}",
            self.statistics(),
            self.errors(),
            self.process.last_words()
        );
    }

    /// Its final count under a heading, such as `FailedCall(C)` (C: over the whole run).
    pub fn count(&self, heading: &str) -> u64 {
        let statistics = self.statistics();
        let count = statistics.get(heading).and_then(|value| value.parse().ok());
        count.unwrap_or_else(|| panic!("no {heading} in SIPp's statistics {statistics:?}"))
    }

    fn statistics(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.scratch.path().join("statistics")).unwrap_or_default();
        let (Some(head), Some(last)) = (text.lines().next(), text.lines().last()) else {
            return BTreeMap::new();
        };
        head.split(';').map(str::to_string).zip(last.split(';').map(str::to_string)).collect()
    }

    /// How many requests of a method it got, copies included.
    pub fn received(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.starts_with(&format!("{method} sip:"))).count()
    }

    /// The carrier's own ledger: each call that an INVITE asked for, by Call-ID, with the number called.
    pub fn calls_asked_for(&self) -> BTreeMap<String, String> {
        let field = |request: &str, start: &str, end: &[char]| {
            let rest = request.split_once(start)?.1.trim_start();
            Some(rest.split(end).next()?.to_string())
        };
        self.requests()
            .iter()
            .filter(|request| request.starts_with("INVITE sip:"))
            .map(|request| {
                (field(request, "\nCall-ID:", &['\r', '\n']), field(request, "INVITE sip:", &['@', ' ']))
            })
            .map(|(call, number)| {
                (call.expect("an INVITE has a Call-ID"), number.expect("an INVITE has a URI"))
            })
            .collect()
    }

    fn requests(&self) -> Vec<String> {
        let trace = fs::read(self.scratch.path().join("messages")).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace).into_owned();
        let blocks = trace.split("-----------------------------------------------");
        let received = blocks.filter_map(|block| block.split_once("message received")?.1.split_once("\n\n"));
        received.map(|(_, message)| message.trim_start().to_string()).collect()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.scratch.path().join("errors")).unwrap_or_default()
    }
}
