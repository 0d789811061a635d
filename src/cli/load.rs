//! `outdial load`: how much this machine carries, measured by anyone.
//!
//! The engine runs as it does in production, as a process of its own from a configuration file, and dials a far end on this
//! machine that answers every call, speaks on it, and times every packet that it gets. Beside it, in the same run, the
//! same sound may be carried by a bare loop of sockets that does nothing else, and by an Asterisk. All figures are of CPU
//! time, so that other work on the machine disturbs them little.

mod asterisk;
mod bare;
mod callee;
mod engine;
mod flood;
mod meter;
mod report;
mod signalling;
mod sound;
mod times;
mod user_agent;

use crate::cli::{Failure, output};
use crate::io::{limits, priority};
use callee::{Callee, Manner};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use meter::Spent;
use report::Report;
use sound::{Heard, Sounds};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between the last answer and the measurement: every detector is past its first verdict by then. A measurement that is
/// shorter is a trial, and need not wait for it.
const SETTLE: Duration = Duration::from_secs(7);

/// How long calls may take to come up beyond what their pace says.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asterisk breaks up from 600 to 700 calls on two cores; what it spends on a call is the same with fewer.
const ASTERISK_CALLS_MAX: u32 = 300;

/// Arguments of `outdial load`.
#[derive(Args, Debug)]
#[command(
    after_help = "Nothing leaves this machine. CPU is the processor time of each side's own process or thread: seconds for \
                  1,000 seconds of calls. \nThe far end shares the machine, so it needs about a third of a core for 1,000 \
                  calls.\nExit status: 0 when every call came up and no packet was lost, else 1."
)]
pub struct LoadArgs {
    /// Calls at once
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: u32,
    /// How long is measured once they are all up
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// New calls a second while they come up; with --signalling all the time
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Media threads of the engine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Bridge every callee to an agent: so many pairs instead of calls with a message
    #[arg(long, conflicts_with_all = ["signalling"])]
    bridge: bool,
    /// Measure beside it, in the same run; may be given more than once
    #[arg(long, value_enum, value_name = "WHAT")]
    against: Vec<Rival>,
    /// Where Asterisk was unpacked: a folder with the program `asterisk` and `root/`, as tests/install makes it
    #[arg(long, value_name = "DIR", default_value = "target/asterisk")]
    asterisk: PathBuf,
    /// So many packets a second from strangers and from the peer's own address at one call's port, meanwhile
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "signalling")]
    flood: u32,
    /// Calls that are hung up as soon as they are answered: what is measured is SIP, the engine and its store
    #[arg(long)]
    signalling: bool,
    /// With --signalling: so many percent of all SIP datagrams are lost, each way
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=90))]
    lose: u32,
    /// Where configuration, list, log and database go [default: a new folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
    /// The child that `--against user-agent` measures
    #[arg(long, hide = true)]
    user_agent_towards: Option<SocketAddr>,
}

/// What may be measured beside the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Rival {
    /// Connected sockets that receive and send, in one thread
    Bare,
    /// Asterisk: originate, AMD(), Playback()
    Asterisk,
    /// With --signalling: the SIP user agent by itself, no campaign, store or media
    UserAgent,
}

impl Rival {
    /// Whether it carries sound.
    fn sounds(self) -> bool {
        self != Rival::UserAgent
    }
}

/// Runs the load test.
pub fn run(args: &LoadArgs) -> Result<(), Failure> {
    if let Some(callee) = args.user_agent_towards {
        return user_agent::serve(args, callee);
    }
    if let Some(rival) = args.against.iter().find(|rival| rival.sounds() == args.signalling) {
        return Err(Failure::Failed(match rival {
            Rival::UserAgent => {
                "--against user-agent measures calls without sound: add --signalling".to_owned()
            }
            _ => "--signalling has no sound to compare: take --against user-agent, or leave --signalling out"
                .to_owned(),
        }));
    }
    limits::raise_descriptors();
    priority::raise_session(priority::MEDIA);
    priority::raise(priority::MEDIA);
    let folder = Folder::make(args)?;
    if args.signalling {
        return signalling::run(args, &folder);
    }
    let sounds = Arc::new(Sounds::start()?);
    let mut report = Report::new(args);
    report.carried.push(engine::carry(args, &folder, &sounds)?);
    if args.against.contains(&Rival::Bare) {
        report.carried.push(bare::carry(args, &sounds)?);
    }
    if args.against.contains(&Rival::Asterisk) {
        report.carried.push(asterisk::carry(args, &folder, &sounds)?);
    }
    if args.json {
        output::line(report.json());
    } else {
        output::text(report.table());
    }
    if report.holds() { Ok(()) } else { Err(Failure::Said) }
}

/// What is measured while all calls are up, the same for everyone.
struct Measured {
    spent: Spent,
    over: Duration,
    heard: Heard,
    resident_bytes: u64,
}

/// Waits for `lines` to sound, lets them settle, and measures for as long as was asked. `meter` tells what was spent so far
/// and how much memory is resident.
fn measure(
    args: &LoadArgs,
    sounds: &Sounds,
    lines: u32,
    what: &str,
    mut meter: impl FnMut() -> Result<(Spent, u64), Failure>,
) -> Result<Measured, Failure> {
    let bar = bar(args, u64::from(lines), what);
    let until = Instant::now() + PATIENCE + Duration::from_secs(u64::from(lines / args.rate.min(100)));
    loop {
        let sounding = sounds.sounding();
        bar.set_position(u64::from(sounding));
        if sounding >= lines {
            break;
        }
        if Instant::now() > until {
            bar.finish_and_clear();
            return Err(Failure::Failed(format!("{what}: only {sounding} of {lines} calls came up")));
        }
        meter()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(SETTLE.min(Duration::from_secs(args.seconds)));
    sounds.begin();
    let (began, (before, _)) = (Instant::now(), meter()?);
    bar.set_length(args.seconds);
    let mut resident_bytes = 0;
    while began.elapsed() < Duration::from_secs(args.seconds) {
        bar.set_position(began.elapsed().as_secs());
        std::thread::sleep(Duration::from_millis(200));
        resident_bytes = resident_bytes.max(meter()?.1);
    }
    let (after, _) = meter()?;
    let over = began.elapsed();
    let heard = sounds.end();
    bar.finish_and_clear();
    Ok(Measured { spent: after - before, over, heard, resident_bytes })
}

/// The far end's telephones for one measurement.
fn callee(sounds: &Arc<Sounds>) -> Result<Callee, Failure> {
    Ok(Callee::start(Some(Arc::clone(sounds)), Manner::default())?)
}

fn bar(args: &LoadArgs, length: u64, what: &str) -> ProgressBar {
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(length) };
    let style = ProgressStyle::with_template("{elapsed_precise} {msg:12} [{bar:40}] {pos}/{len}");
    bar.set_style(style.expect("a fixed template").progress_chars("=> "));
    bar.set_message(what.to_owned());
    bar
}

/// Where the files of a run lie; a folder of our own goes at the end.
struct Folder {
    path: PathBuf,
    ours: bool,
}

impl Folder {
    fn make(args: &LoadArgs) -> Result<Self, Failure> {
        let path = args.folder.clone();
        let path =
            path.unwrap_or_else(|| std::env::temp_dir().join(format!("outdial-load-{}", std::process::id())));
        if path.join("outdial.db").exists() {
            let text = format!("{} holds an earlier run: choose another --folder", path.display());
            return Err(Failure::Failed(text));
        }
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::Failed(format!("cannot make {}: {error}", path.display())))?;
        let path = path.canonicalize()?;
        Ok(Folder { path, ours: args.folder.is_none() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
