//! The engine under load: a process of its own, run from a configuration file as in production.

use super::flood::Flood;
use super::meter::{self, Spent};
use super::report::Carried;
use super::sound::Sounds;
use super::{Folder, LoadArgs, PATIENCE, SETTLE, callee, measure};
use crate::audio::wav;
use crate::cli::Failure;
use crate::io::operator::{self, Reply, Report, Wish};
use crate::sim::recordings::Recordings;
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls a second of one campaign at most: the configuration's own limit.
const CAMPAIGN_RATE_MAX: u32 = 100;

/// Until the engine answers on its socket.
const START_WITHIN: Duration = Duration::from_secs(30);

/// Until nothing is left of calls that were hung up.
const QUIET_WITHIN: Duration = Duration::from_secs(15);

/// The ports that RTP takes from; no system gives these out by itself.
const RTP_PORTS: std::ops::RangeInclusive<u16> = 10_000..=32_767;

/// What a run of the engine is to do.
pub struct Plan {
    /// Where the trunk leads.
    pub trunk: SocketAddr,
    /// Contacts in all, each called once.
    pub contacts: u32,
    /// Calls at once.
    pub lines: u32,
    /// New calls a second.
    pub rate: u32,
    /// Media threads.
    pub threads: u32,
    /// `[campaign.human]` and its neighbours.
    pub treatment: String,
    /// An INVITE without any response for this long has failed.
    pub answer_timeout_s: u32,
}

/// A running engine.
pub struct Engine {
    child: Child,
    control: PathBuf,
    log: PathBuf,
    campaigns: u32,
    /// Resident memory before the first call.
    pub resident_idle: u64,
}

/// The engine's calls: with a message from us and recorded speech from the callee, or bridged to an agent.
pub fn carry(args: &LoadArgs, folder: &Folder, sounds: &Arc<Sounds>) -> Result<Carried, Failure> {
    let far = callee(sounds)?;
    let legs = if args.bridge { 2 } else { 1 };
    let treatment = if args.bridge {
        format!(
            "[campaign.human]\naction = \"agent\"\nagent_uri = \"sip:agent@{}\"\nagent_trunk = \"far\"\n",
            far.address()
        )
    } else {
        write_message(args, folder)?;
        "[campaign.human]\naction = \"message\"\nmessage = \"message.wav\"\n".to_owned()
    };
    let treatment = treatment
        + if args.bridge {
            ""
        } else {
            "[campaign.machine]\naction = \"voicemail\"\nmessage = \"message.wav\"\nwait_max_s = 1\n"
        };
    let plan = Plan {
        trunk: far.address(),
        contacts: args.calls,
        lines: args.calls,
        rate: args.rate,
        threads: args.threads,
        treatment,
        answer_timeout_s: 4,
    };
    let mut engine = Engine::start(folder, &plan)?;
    let begun = Instant::now();
    engine.dial()?;
    let flood = (args.flood > 0).then(|| Flood::start(Arc::clone(sounds), 0, args.flood)).transpose()?;
    let dropped_before = meter::drops(RTP_PORTS);
    let what = if args.bridge { "bridged" } else { "outdial" };
    let mut up_after = None;
    let measured = measure(args, sounds, legs * args.calls, what, || {
        if sounds.sounding() >= legs * args.calls {
            up_after.get_or_insert(begun.elapsed());
        }
        engine.spent()
    });
    let measured = measured.map_err(|failure| engine.explain(failure))?;
    let dropped = meter::drops(RTP_PORTS).saturating_sub(dropped_before);
    let flooded = flood.map(Flood::stop);
    far.hang_up();
    let left = engine.wait_until_quiet(QUIET_WITHIN, false)?;
    engine.stop()?;
    Ok(Carried {
        what,
        lines: legs * args.calls,
        calls: args.calls,
        over: measured.over,
        spent: measured.spent,
        heard: measured.heard,
        resident: Some((engine.resident_idle, measured.resident_bytes)),
        dropped: if flooded.is_some() { 0 } else { dropped },
        up_after,
        left,
    })
}

/// A message that outlasts the measurement.
fn write_message(args: &LoadArgs, folder: &Folder) -> Result<(), Failure> {
    let lasts = Duration::from_secs(args.seconds + u64::from(args.calls / args.rate)) + SETTLE + PATIENCE;
    let samples = 8 * lasts.as_millis() as usize;
    let recordings = Recordings::load();
    let said: Vec<i16> =
        recordings.greetings.iter().cycle().flat_map(|said| said.iter().copied()).take(samples).collect();
    Ok(std::fs::write(folder.path.join("message.wav"), wav::write(&said))?)
}

impl Engine {
    /// Writes the configuration, starts the engine, and waits until it answers.
    pub fn start(folder: &Folder, plan: &Plan) -> Result<Engine, Failure> {
        let campaigns = plan.rate.div_ceil(CAMPAIGN_RATE_MAX).max(1);
        let configuration = folder.path.join("outdial.toml");
        write_contacts(folder, plan, campaigns)?;
        std::fs::write(&configuration, configure(plan, campaigns))?;
        let log = folder.path.join("outdial.log");
        let child = Command::new(std::env::current_exe()?)
            .args(["run", "--config"])
            .arg(&configuration)
            .current_dir(&folder.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let control = folder.path.join("outdial.sock");
        let mut engine = Engine { child, control, log, campaigns, resident_idle: 0 };
        let until = Instant::now() + START_WITHIN;
        while operator::ask(&engine.control, &Wish::Status).is_err() {
            if engine.child.try_wait()?.is_some() || Instant::now() > until {
                return Err(engine.explain(Failure::Failed("the engine did not start".to_owned())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // The threads take their memory on their own time.
        std::thread::sleep(Duration::from_secs(1));
        engine.resident_idle = meter::resident(engine.child.id())?;
        Ok(engine)
    }

    /// All campaigns begin.
    pub fn dial(&self) -> Result<(), Failure> {
        for number in 0..self.campaigns {
            let wish = Wish::Start { campaign: name(number) };
            if let Reply::Error(error) = operator::ask(&self.control, &wish)? {
                return Err(Failure::Failed(error));
            }
        }
        Ok(())
    }

    /// What its process has spent, and its resident memory.
    pub fn spent(&self) -> Result<(Spent, u64), Failure> {
        let id = self.child.id();
        Ok((meter::of_process(id)?, meter::resident(id)?))
    }

    /// What it says of itself.
    pub fn status(&self) -> Result<Report, Failure> {
        match operator::ask(&self.control, &Wish::Status)? {
            Reply::Status(report) => Ok(*report),
            _ => Err(Failure::Failed("the engine gave no status".to_owned())),
        }
    }

    /// Waits until no call and no port is left; with `remembered` also until SIP has forgotten all it must remember for
    /// 64*T1. Tells what is left after all.
    pub fn wait_until_quiet(&self, within: Duration, remembered: bool) -> Result<u64, Failure> {
        let until = Instant::now() + within;
        loop {
            let report = self.status()?;
            let sip = report.engine.sip;
            let memory = sip.sessions + sip.dialogs + sip.client_transactions + sip.server_transactions;
            let left = report.engine.attempts + report.ports + if remembered { memory } else { 0 };
            if left == 0 || Instant::now() > until {
                return Ok(left as u64);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Ends it as systemd would.
    pub fn stop(&mut self) -> Result<(), Failure> {
        if let Some(id) = Pid::from_raw(self.child.id() as i32) {
            kill_process(id, Signal::TERM).map_err(std::io::Error::from)?;
        }
        let until = Instant::now() + START_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                return Err(Failure::Failed("the engine does not stop".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The failure, with the end of the engine's log.
    pub fn explain(&self, failure: Failure) -> Failure {
        let Failure::Failed(text) = failure else { return failure };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n");
        Failure::Failed(format!("{text}; the engine's last words:\n{last}"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn name(number: u32) -> String {
    format!("load-{number}")
}

fn write_contacts(folder: &Folder, plan: &Plan, campaigns: u32) -> Result<(), Failure> {
    for number in 0..campaigns {
        let mut csv = "number\n".to_owned();
        for contact in (number..plan.contacts).step_by(campaigns as usize) {
            // Writing into a String cannot fail. Washington's numbers, of which none is ever rung.
            let _ = writeln!(csv, "+1202{:07}", 2_000_000 + contact);
        }
        std::fs::write(folder.path.join(format!("{}.csv", name(number))), csv)?;
    }
    Ok(())
}

fn configure(plan: &Plan, campaigns: u32) -> String {
    let (rate, trunk_rate) = (plan.rate, 4 * plan.rate);
    let mut text = format!(
        r#"# Written by `outdial load`.

[engine]
lines_max = {lines}
calls_per_second_max = {rate}.0
drain_s = 1

[sip]
listen = "127.0.0.1:0"

[media]
listen = "127.0.0.1"
port_min = {port_min}
port_max = {port_max}
threads = {threads}

[[trunk]]
name = "far"
host = "{trunk}"
channels_max = {channels}
calls_per_second_max = {trunk_rate}.0
answer_timeout_s = {answer_timeout}
options_interval_s = 0
"#,
        lines = plan.lines,
        port_min = RTP_PORTS.start(),
        port_max = RTP_PORTS.end(),
        threads = plan.threads,
        trunk = plan.trunk,
        channels = 2 * plan.lines + 10,
        answer_timeout = plan.answer_timeout_s,
    );
    for number in 0..campaigns {
        let _ = write!(
            text,
            r#"
[[campaign]]
name = "{name}"
trunks = ["far"]
contacts = "{name}.csv"
caller_id = "+12025550100"
autostart = false
lines_max = {lines}
calls_per_minute = {per_minute}.0
max_attempts = 1

[campaign.window]       # the callees are simulated and never sleep
zone = "UTC"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
start = "00:00"
end = "24:00"

[campaign.law]
packs = []              # nor does a law protect them

{treatment}"#,
            name = name(number),
            lines = plan.lines.div_ceil(campaigns),
            per_minute = 60 * plan.rate.div_ceil(campaigns),
            treatment = plan.treatment,
        );
    }
    text
}
