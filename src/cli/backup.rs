//! `outdial backup` and `outdial restore`: the database copied while the engine runs, and put back when it does not.

use crate::cli::import::now;
use crate::cli::{ConfigArg, Failure, output, run};
use crate::io::config::Config;
use crate::store::{Contents, Reader, StoreError, restore as put_back};
use chrono::{DateTime, SecondsFormat};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `outdial backup`.
#[derive(Args, Debug)]
#[command(
    after_help = "A running engine goes on. The copy is one file, readable by its owner only, and has been read through before it \
                  gets its name. A PostgreSQL database becomes such a file too, which can be restored to a server or to a \
                  file.\n\
                  Keep DATABASE.key too, or what `database_key_file` names: without it numbers that were erased are not known \
                  again. Recordings are files of their own and are not part of it.\n\n\
                  outdial backup /backup/outdial-2026-11-22.db --config outdial.toml"
)]
pub struct BackupArgs {
    /// The new file
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Arguments of `outdial restore`.
#[derive(Args, Debug)]
#[command(
    after_help = "The engine must not run. The copy is read through first; the database that was there stays beside it under another \
                  name, on a server in another schema. What was dialed after the copy was made is not in it and may be dialed \
                  again: the answer says since when.\n\n\
                  outdial restore /backup/outdial-2026-11-22.db --config outdial.toml"
)]
pub struct RestoreArgs {
    /// What `outdial backup` wrote
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    file: &'a Path,
    bytes: u64,
    contacts: u64,
    attempts: u64,
    calls: u64,
    suppressions: u64,
    last_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<&'a str>,
}

/// Makes a copy.
pub fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let contents = run::runtime()?
        .block_on(async { Reader::open(&config.engine.database).await?.back_up(&args.file).await });
    show(args.json, "backed up", &args.file, contents.map_err(failed)?, None);
    Ok(())
}

/// Puts a copy back.
pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let restored = run::runtime()?.block_on(put_back(&args.file, &config.engine.database, now()));
    let (contents, replaced) = restored.map_err(failed)?;
    let replaced = replaced.map(|location| location.to_string());
    show(args.json, "restored", &args.file, contents, replaced.as_deref());
    Ok(())
}

fn load(arg: &ConfigArg) -> Result<Config, Failure> {
    Config::load(&arg.config).map_err(|faults| Failure::faults(&arg.config, faults))
}

fn failed(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}

fn show(json: bool, done: &str, file: &Path, contents: Contents, replaced: Option<&str>) {
    let last = contents.last_attempt_at.and_then(|at| DateTime::from_timestamp_millis(at.unix_ms()));
    let last = last.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let Contents { size, contacts, attempts, calls, suppressions, .. } = contents;
    if json {
        let shown = Shown {
            file,
            bytes: size,
            contacts,
            attempts,
            calls,
            suppressions,
            last_attempt_at: last,
            replaced,
        };
        output::line(serde_json::to_string(&shown).expect("counts are plain data"));
        return;
    }
    output::line(format_args!(
        "{done} and checked: {}, {:.1} MB: {contacts} contacts, {attempts} attempts, {calls} call records, {suppressions} \
         do-not-call numbers",
        file.display(),
        size as f64 / 1e6
    ));
    if let Some(last) = last {
        output::line(format_args!("the last attempt in it: {last}; what was dialed after that is not in it"));
    }
    if let Some(replaced) = replaced {
        output::line(format_args!("the database that was there: {replaced}"));
    }
}
