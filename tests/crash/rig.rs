//! An engine that is killed again and again, the carrier that it dials, and the disk under it.

use super::far_end::FarEnd;
use super::ledger::Ledger;
use super::manner::{AGENT, SOON};
use super::peers::{eventually, outdial::ALWAYS_OPEN, own_address};
use super::power::Disk;
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_outdial");

/// Attempts on one number, however they end.
pub const ATTEMPTS_MAX: usize = 2;

/// What is dialed, and the caps.
#[derive(Clone, Copy)]
pub struct Load {
    pub contacts: u32,
    pub calls_per_second: f64,
    pub channels_max: usize,
    pub campaign_lines: usize,
    pub engine_lines: usize,
    /// Agents whom whoever answers is bridged to; without any the engine hangs up. Their legs take the same channels.
    pub agents: usize,
}

impl Load {
    /// Callees' calls at once that no cap forbids.
    pub fn most_callees_at_once(&self) -> usize {
        self.channels_max.min(self.campaign_lines).min(self.engine_lines)
    }
}

/// How long an agent writes a call up.
pub const WRAP_UP: Duration = Duration::from_secs(1);

/// When an engine lived.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub from: Instant,
    pub to: Instant,
}

/// All of it, in a folder of its own.
pub struct Rig {
    folder: TempDir,
    address: Ipv4Addr,
    pub far_end: FarEnd,
    pub load: Load,
    disk: Option<Disk>,
    engine: Option<Child>,
    began: Instant,
    pub lives: Vec<Life>,
}

impl Rig {
    pub fn new(load: Load, disk: Option<Disk>) -> Rig {
        Rig::at([own_address(), own_address()], load, disk)
    }

    /// The engine and its far end at these addresses, for one rig after the other.
    pub fn at([address, far_end]: [Ipv4Addr; 2], load: Load, disk: Option<Disk>) -> Rig {
        let folder = tempfile::Builder::new().prefix("outdial-crash-").tempdir().unwrap();
        let far_end = FarEnd::start(far_end);
        let mut rig = Rig {
            folder,
            address,
            far_end,
            load,
            disk,
            engine: None,
            began: Instant::now(),
            lives: Vec::new(),
        };
        fs::create_dir(rig.path("data")).unwrap();
        let prefix = if load.agents > 0 { SOON } else { "+1202557" };
        let numbers: String = (0..load.contacts).map(|n| format!("{prefix}{n:04},Someone,\n")).collect();
        fs::write(rig.path("contacts.csv"), format!("number,name,comment\n{numbers}")).unwrap();
        rig.configure();
        if let Some(disk) = &mut rig.disk {
            disk.mount(rig.folder.path());
        }
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) {
        let (address, carrier, load) = (self.address, self.far_end.sip(), self.load);
        let text = format!(
            r#"
[engine]
database = "data/outdial.db"
lines_max = {engine_lines}
calls_per_second_max = 500.0
drain_s = 5

[sip]
listen = "{address}:5060"

[media]
listen = "{address}"

[[trunk]]
name = "carrier"
host = "{carrier}"
channels_max = {channels}
calls_per_second_max = {rate:.1}
options_interval_s = 0
breaker_failures = 0
answer_timeout_s = 20

[[campaign]]
name = "spring"
trunks = ["carrier"]
contacts = "contacts.csv"
default_region = "US"
caller_id = "+12025550199"
lines_max = {lines}
calls_per_minute = 6000.0
ring_timeout_s = 15
max_attempts = {ATTEMPTS_MAX}
attempt_gap_min = 0

{ALWAYS_OPEN}

[campaign.retry.interrupted]
delay_min = 0
max = 2

[campaign.retry.busy]
delay_min = 0
max = 2

[campaign.machine]
action = "hang_up"

{people}
"#,
            people = self.people(),
            engine_lines = load.engine_lines,
            channels = load.channels_max,
            rate = load.calls_per_second,
            lines = load.campaign_lines,
        );
        fs::write(self.path("outdial.toml"), text).unwrap();
    }

    /// What is done with whoever answers, and by whom.
    fn people(&self) -> String {
        if self.load.agents == 0 {
            return "[campaign.human]\naction = \"hang_up\"\n".to_owned();
        }
        let carrier = self.far_end.sip();
        let agent = |n: usize| {
            format!(
                "[[agent]]\nname = \"{AGENT}{n}\"\nuri = \"sip:{AGENT}{n}@{carrier}\"\ntrunk = \"carrier\"\nwrap_up_s = {}\n\
                 ring_timeout_ms = 600\nmisses_max = 100\ninitial = \"ready\"\n",
                WRAP_UP.as_secs()
            )
        };
        // All that anybody says is silence, so whoever answers is taken for a person soon.
        let rules = "[campaign.dialing]\nmode = \"power\"\nratio = 2.0\n\
                     [campaign.human]\naction = \"agent\"\nagents = true\nagent_timeout_ms = 1500\n\
                     [campaign.unsure]\naction = \"agent\"\n[amd]\ndeadline_ms = 200\n";
        rules.to_owned() + &(0..self.load.agents).map(agent).collect::<String>()
    }

    /// Starts the engine; what it says goes to `run.log`.
    pub fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("run.log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", PROGRAM, "run", "--config", "outdial.toml"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if let Some(disk) = &self.disk {
            disk.put_under(&mut command);
        }
        self.began = Instant::now();
        self.engine = Some(command.spawn().expect("setpriv is a part of every Linux"));
    }

    /// Waits until this engine has dialed, or the limit has passed.
    pub fn wait_for_calls(&mut self, more: usize, limit: Duration) {
        let (before, deadline) = (self.far_end.calls(), Instant::now() + limit);
        while self.far_end.calls() < before + more && Instant::now() < deadline {
            self.expect_alive();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn expect_alive(&mut self) {
        let engine = self.engine.as_mut().expect("it was started");
        if let Some(status) = engine.try_wait().unwrap() {
            if self.disk.as_ref().is_some_and(Disk::fails) && status.code() == Some(3) {
                // It could not write as it began, and said so: whoever runs it starts it again.
                self.lives.push(Life { from: self.began, to: Instant::now() });
                return self.start();
            }
            panic!("the engine ended with {status}\n{}", self.log());
        }
    }

    /// Kills it, and cuts the power of its disk.
    pub fn kill(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            engine.kill().ok();
            engine.wait().ok();
            self.lives.push(Life { from: self.began, to: Instant::now() });
        }
        if let Some(disk) = &mut self.disk {
            disk.cut_power();
        }
    }

    /// Lets the campaign come to its end, and the engine too.
    pub fn finish(&mut self, limit: Duration) {
        self.start();
        eventually(limit, "the campaign is completed", || {
            self.expect_alive();
            let output = self.command(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&output).ok()?;
            (status["campaigns"][0]["state"] == "completed" && status["former_calls"] == 0).then_some(())
        });
        let mut engine = self.engine.take().expect("it was started");
        let id = engine.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        assert!(engine.wait().unwrap().success(), "{}", self.log());
        self.lives.push(Life { from: self.began, to: Instant::now() });
    }

    /// The disk under it; there is one.
    pub fn disk(&mut self) -> &mut Disk {
        self.disk.as_mut().expect("the rig has a disk of its own")
    }

    pub fn ledger(&self) -> Ledger {
        self.far_end.ledger()
    }

    pub fn export(&self, what: &str) -> Vec<Value> {
        let text = String::from_utf8(self.command(&["export", what, "--format", "jsonl"])).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The end of what the engines said.
    pub fn log(&self) -> String {
        let text = String::from_utf8_lossy(&fs::read(self.path("run.log")).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Whether the engines have said this.
    pub fn has_logged(&self, words: &str) -> bool {
        String::from_utf8_lossy(&fs::read(self.path("run.log")).unwrap_or_default()).contains(words)
    }

    fn command(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).args(["--config", "outdial.toml"]).current_dir(self.folder.path());
        command.output().unwrap().stdout
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            engine.kill().ok();
            engine.wait().ok();
        }
    }
}
