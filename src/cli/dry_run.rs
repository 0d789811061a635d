//! `outdial run --dry-run`: whole campaigns with gates and pacing, and no INVITE on any wire.
//!
//! The real engine over a copy of the database, on a virtual clock that jumps from one deadline to the next. Whoever would
//! have been rung is played by `far` after the shares and times of `outdial simulate`; what the engine decided is counted by
//! `tally`. Nothing leaves the process, and nothing of the real database, recordings or lists is written.

mod far;
mod stage;
mod tally;

use crate::centre::scenario::{Callees, Scenario};
use crate::cli::{Failure, output, run};
use crate::io::clock::Clock;
use crate::io::config::Config;
use crate::io::rehearse;
use crate::time::{Instant, Now, WallTime};
use clap::Args;
use std::path::Path;
use std::time::Duration;

/// The longest dry run, in days.
const DAYS_MAX: u32 = 366;

/// What only a dry run takes.
#[derive(Args, Clone, Debug)]
pub struct DryRunArgs {
    /// Rehearse: every gate, rule, cap and pace of the real engine on a virtual clock, and no INVITE; writes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: the share of calls that a person answers, such as 0.2; machines answer as `outdial simulate` has it
    #[arg(long, value_name = "SHARE", requires = "dry_run")]
    pub answer_rate: Option<f64>,
    /// With --dry-run: begin then, such as 2026-11-23T09:00:00-05:00, instead of now
    #[arg(long, value_name = "TIME", requires = "dry_run")]
    pub from: Option<chrono::DateTime<chrono::FixedOffset>>,
    /// With --dry-run: end after so many days at the latest
    #[arg(long, value_name = "N", requires = "dry_run", default_value_t = 14,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    pub days: u32,
    /// With --dry-run: another seed, another luck
    #[arg(long, value_name = "N", requires = "dry_run", default_value_t = 1)]
    pub seed: u64,
    /// With --dry-run: one JSON object for programs
    #[arg(long, requires = "dry_run")]
    pub json: bool,
}

/// Who is called, and how long things take.
struct Model {
    callees: Callees,
    scenario: Scenario,
}

/// Rehearses.
pub fn rehearse(path: &Path, config: Config, args: &DryRunArgs) -> Result<(), Failure> {
    let model = model(args)?;
    let queues = config.campaigns.iter().filter_map(|campaign| campaign.treatment.human.agent_uri.clone());
    let agents: Vec<String> = queues.chain(config.agents.iter().map(|agent| agent.uri.clone())).collect();
    let wall = match args.from {
        Some(from) => WallTime::from_unix_ms(from.timestamp_millis()),
        None => Clock::start().now().wall,
    };
    let now = Now { instant: Instant::ZERO, wall };
    let runtime = run::runtime()?;
    let rehearsal = runtime
        .block_on(rehearse::prepare(config, now, args.seed))
        .map_err(|faults| Failure::faults(path, faults))?;
    for note in &rehearsal.notes {
        tracing::info!("{note}");
    }
    let horizon = Duration::from_secs(u64::from(args.days) * 86_400);
    let played = stage::Stage::new(rehearsal, runtime, now, model, agents, args.seed).play(horizon);
    let report = played.map_err(Failure::Failed)?;
    if args.json {
        output::line(serde_json::to_string(&report).expect("a report is plain data"));
    } else {
        output::text(report.describe());
    }
    Ok(())
}

fn model(args: &DryRunArgs) -> Result<Model, Failure> {
    let scenario = Scenario::default();
    let mut callees = scenario.callees_at(0.0);
    if let Some(live) = args.answer_rate {
        if !(0.0..=1.0).contains(&live) {
            return Err(Failure::Failed(format!(
                "--answer-rate {live}: a share between 0 and 1, such as 0.2"
            )));
        }
        // What is left is shared out as before.
        let scale = (1.0 - live) / (1.0 - callees.live);
        callees =
            Callees { live, machine: callees.machine * scale, failed: callees.failed * scale, ..callees };
    }
    Ok(Model { callees, scenario })
}
