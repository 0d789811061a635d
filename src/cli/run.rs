//! `outdial run`: the engine, until stopped.

use crate::cli::dry_run::{self, DryRunArgs};
use crate::cli::log::{self, LogFormat};
use crate::cli::{ConfigArg, Failure};
use crate::io::config::Config;
use crate::io::control::{Onlooker, Seen};
use crate::io::launch::{self, Launch};
use crate::io::limits;
use crate::io::priority;
use clap::Args;

/// Arguments of `outdial run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Contacts and do-not-call lists are imported at the start; rows that are known already are kept as they \
                  are, so a restart goes on where it was.\nSIGTERM or SIGINT: no new calls, unanswered ones are ended, \
                  answered ones may go on for drain_s; a second signal ends them at once.\nSIGHUP: reloads prompts, \
                  do-not-call lists and the campaigns' rules; calls in flight are not touched."
)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// End by itself when every contact of every campaign is in its final state
    #[arg(long)]
    until_completed: bool,
    /// How the log on standard error looks
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// Runs the engine.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let _logging = log::start(args.log_format, if args.dry_run.dry_run { "warn" } else { "info" });
    let path = &args.config.config;
    let config = Config::load(path).map_err(|faults| Failure::faults(path, faults))?;
    if args.dry_run.dry_run {
        return dry_run::rehearse(path, config, &args.dry_run);
    }
    let (lines_max, families) = (config.engine.lines_max, config.media.listen.len());
    if let Some(warning) = limits::too_few(limits::raise_descriptors(), lines_max, families) {
        tracing::warn!("{warning}");
    }
    priority::raise_session(priority::MEDIA);
    runtime()?.block_on(async {
        let launch = Launch { until_completed: args.until_completed, open_door: true, watch: false };
        let onlooker: Onlooker = Box::new(|_: Seen<'_>| ());
        let mut launched = launch::launch(config, &launch, onlooker)
            .await
            .map_err(|faults| Failure::faults(path, faults))?;
        for line in &launched.notes {
            tracing::info!("{line}");
        }
        for line in &launched.warnings {
            tracing::warn!("{line}");
        }
        for line in launched.introduction() {
            tracing::info!("{line}");
        }
        launched.control.run().await?;
        launched.finish().await.map_err(Failure::Failed)?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// The control plane's runtime: one thread, since one task owns the engine.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
