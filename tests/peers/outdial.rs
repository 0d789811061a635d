//! The `outdial` binary itself, driven as an operator would: a configuration file, `run`, `status`, `export`, signals.

use super::process::Process;
use super::{audio, eventually, own_engine_address};
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

/// The table of a campaign that may call at any hour: the tests' carriers have no owner who sleeps.
pub const ALWAYS_OPEN: &str = r#"[campaign.window]
zone = "UTC"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
start = "00:00"
end = "24:00"
[campaign.law]
packs = []"#;

/// A folder with a configuration, and the engine when it runs.
pub struct Outdial {
    folder: TempDir,
    address: Ipv4Addr,
    engine: Option<Process>,
}

impl Outdial {
    /// A fresh folder; the engine's sockets will be on an address of its own.
    pub fn new() -> Outdial {
        Outdial::at(own_engine_address())
    }

    /// The same with its sockets on a given address.
    pub fn at(address: Ipv4Addr) -> Outdial {
        let folder = tempfile::Builder::new().prefix("outdial-test-").tempdir().unwrap();
        Outdial { folder, address, engine: None }
    }

    /// The address of its SIP and RTP.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into its folder, readable by the owner only, as a file with a password must be.
    pub fn write(&self, name: &str, contents: &str) {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes a WAV file into its folder.
    pub fn write_audio(&self, name: &str, samples: &[i16]) {
        audio::write(&self.path(name), samples);
    }

    /// Writes a contact list of numbers.
    pub fn write_contacts(&self, name: &str, numbers: impl IntoIterator<Item = impl AsRef<str>>) {
        let rows: String =
            numbers.into_iter().map(|number| format!("{},Someone,\n", number.as_ref())).collect();
        self.write(name, &format!("number,name,comment\n{rows}"));
    }

    /// Writes `outdial.toml`: the engine's own part, then what the test adds (trunks and campaigns).
    pub fn configure(&self, calls_per_second_max: f64, trunks_and_campaigns: &str) {
        let address = self.address;
        self.write(
            "outdial.toml",
            &format!(
                "[engine]\nlines_max = 1000\ncalls_per_second_max = {calls_per_second_max:.1}\ndrain_s = 5\n\n\
                 [sip]\nlisten = \"{address}:5060\"\n\n[media]\nlisten = \"{address}\"\n\n{trunks_and_campaigns}"
            ),
        );
    }

    /// Its configuration as it stands.
    pub fn configuration(&self) -> String {
        fs::read_to_string(self.path("outdial.toml")).unwrap()
    }

    /// Starts `outdial run` and waits until its control socket answers.
    pub fn start(&mut self) {
        let config = self.path("outdial.toml");
        let arguments = ["run", "--config", config.to_str().unwrap()];
        let engine =
            Process::start(Path::new(PROGRAM), &arguments, self.folder.path(), &self.path("run.log"));
        self.engine = Some(engine);
        eventually(Duration::from_secs(60), "`outdial status` answers", || {
            let engine = self.engine.as_mut().expect("it has just been started");
            if let Some(status) = engine.ended() {
                panic!("`outdial run` ended with {status}\n{}", engine.last_words());
            }
            self.try_status()
        });
    }

    /// The running engine.
    pub fn engine(&mut self) -> &mut Process {
        self.engine.as_mut().expect("the test has started the engine")
    }

    /// What the engine has logged so far.
    pub fn engine_log(&self) -> String {
        self.engine.as_ref().expect("the test has started the engine").output()
    }

    /// Runs one command to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let (name, rest) = arguments.split_first().unwrap();
        let words: Vec<&str> = name.split(' ').collect();
        Command::new(PROGRAM)
            .args(words)
            .args(rest)
            .arg("--config")
            .arg(self.path("outdial.toml"))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// What `outdial status --json` says.
    pub fn status(&self) -> Value {
        self.try_status().expect("`outdial status --json` answers while the engine runs")
    }

    fn try_status(&self) -> Option<Value> {
        let output = self.command(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("the status is JSON"))
    }

    /// The call records, one of each attempt.
    pub fn calls(&self) -> Vec<Value> {
        self.export("calls")
    }

    /// The contacts with their states.
    pub fn contacts(&self) -> Vec<Value> {
        self.export("contacts")
    }

    fn export(&self, what: &str) -> Vec<Value> {
        let output = self.command(&["export", what, "--format", "jsonl"]);
        assert!(output.status.success(), "export {what}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The only call record of a number.
    pub fn call_of(&self, number: &str) -> Value {
        let mut calls: Vec<Value> =
            self.calls().into_iter().filter(|call| call["number"] == number).collect();
        assert_eq!(calls.len(), 1, "call records of {number}: {calls:#?}");
        calls.remove(0)
    }

    /// Waits until every contact of a campaign is in a final state.
    pub fn wait_until_completed(&mut self, campaign: &str, limit: Duration) {
        let mut last = Value::Null;
        let completed = |status: &Value| {
            let campaigns = status["campaigns"].as_array().expect("the status lists its campaigns");
            let found = campaigns.iter().find(|c| c["name"] == campaign);
            found.expect("the status lists the campaign")["state"] == "completed"
        };
        let deadline = std::time::Instant::now() + limit;
        loop {
            if let Some(status) = self.engine().ended() {
                panic!("`outdial run` ended with {status}\n{}", self.engine().last_words());
            }
            if let Some(status) = self.try_status() {
                if completed(&status) {
                    return;
                }
                last = status;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{campaign} is not completed after {limit:?}: {last:#}"
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// What the engine still holds of calls: all of it must be zero when no call is up and 64*T1 have passed.
    pub fn held(&self) -> Vec<(&'static str, u64)> {
        let status = self.status();
        let count = |path: &str| {
            status
                .pointer(path)
                .and_then(Value::as_u64)
                .unwrap_or_else(|| panic!("no {path} in the status {status:#}"))
        };
        HELD.iter().map(|path| (*path, count(path))).collect()
    }

    /// Waits until nothing of any call is held any more: RFC 3261's timers let go after 32 s at the latest.
    pub fn wait_until_nothing_is_held(&self, limit: Duration) {
        let mut last = Vec::new();
        let deadline = std::time::Instant::now() + limit;
        while std::time::Instant::now() < deadline {
            last = self.held();
            if last.iter().all(|(_, count)| *count == 0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        panic!("still held after {limit:?}: {last:?}\n{:#}", self.status());
    }

    /// How many tasks are alive in the engine's runtime.
    pub fn tasks(&self) -> u64 {
        let status = self.status();
        status["tasks"].as_u64().unwrap_or_else(|| panic!("no tasks in the status {status:#}"))
    }

    /// The UDP sockets of the engine's process, from the kernel's point of view.
    pub fn udp_sockets(&mut self) -> usize {
        let id = self.engine().id();
        let links = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        let inodes: Vec<String> = links
            .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
            .filter_map(|target| {
                Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_string())
            })
            .collect();
        let table = fs::read_to_string(format!("/proc/{id}/net/udp")).unwrap();
        let ours = |line: &str| {
            line.split_whitespace().nth(9).is_some_and(|inode| inodes.iter().any(|i| i == inode))
        };
        table.lines().skip(1).filter(|line| ours(line)).count()
    }

    /// Stops the engine as systemd does, and expects it to drain and say that all is well.
    pub fn stop(&mut self) {
        self.engine().signal("TERM");
        let status = self.engine().wait(Duration::from_secs(60));
        assert!(status.success(), "after SIGTERM: {status}\n{}", self.engine().last_words());
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_outdial");

/// The counts of `outdial status --json` that are zero when no call is up.
const HELD: [&str; 7] = [
    "/attempts",
    "/sip/sessions",
    "/sip/dialogs",
    "/sip/client_transactions",
    "/sip/server_transactions",
    "/media/streams",
    "/ports",
];
