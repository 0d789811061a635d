//! `outdial erase` and `outdial retention`: forgetting one person at once, and everybody after their time.

use crate::cli::import::now;
use crate::cli::{ConfigArg, Failure, output, run};
use crate::io::config::{self, Config};
use crate::io::entropy;
use crate::io::operator::{self, Reply, Wish};
use crate::number::E164;
use crate::store::{Erased, Expired, Store, StoreError};
use crate::time::WallTime;
use clap::Args;
use serde_json::json;
use std::io::ErrorKind;
use std::path::Path;

/// Arguments of `outdial erase`.
#[derive(Args, Debug)]
#[command(
    after_help = "Name, numbers, comment, columns, pressed keys and recordings of everybody with this number go, in all campaigns. \
                  What stays: that there were calls and how they ended, for caps and rates are reckoned from it, and a hash of the \
                  number under a key in DATABASE.key (on PostgreSQL in `database_key_file`, the same on every node), so that no list \
                  brings it back. Backups that were made before keep what they have.\n\n\
                  outdial erase +12025550101 --config outdial.toml"
)]
pub struct EraseArgs {
    /// The number, E.164: +12025550101
    number: String,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Arguments of `outdial retention`.
#[derive(Args, Debug)]
#[command(
    after_help = "By [retention] of the configuration: call records and contacts older than that lose what says whom they are of, and \
                  recordings are deleted. Counts stay. To be run once a day, beside the engine or without it; the answer counts \
                  what was there, what went and what is left.\n\n\
                  outdial retention --dry-run --config outdial.toml"
)]
pub struct RetentionArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Forgets a person.
pub fn erase(args: &EraseArgs) -> Result<(), Failure> {
    let number = E164::from_e164(&args.number).ok_or_else(|| {
        Failure::Failed(format!("{:?} is no E.164 number: write it as +12025550101", args.number))
    })?;
    let config = load(&args.config)?;
    stop_dialing(&args.config, &number)?;
    let fresh = entropy::bits_256()?;
    let erased = run::runtime()?.block_on(async {
        let (mut store, _) = Store::open_or_beside(&config.engine.database).await?;
        let erased = store.erase(&number, fresh, now()).await?;
        store.close().await?;
        Ok(erased)
    });
    let erased: Erased = erased.map_err(failed)?;
    if erased.in_flight > 0 {
        let text = "the number is being called at this moment, and is on the do-not-call list now: erase it when the call is over";
        return Err(Failure::Failed(text.to_owned()));
    }
    let deleted = delete(&erased.recordings)?;
    let Erased { contacts, calls, attempts, left, .. } = erased;
    if args.json {
        output::line(json!({
            "contacts": contacts, "calls": calls, "attempts": attempts, "recordings_deleted": deleted, "left": left,
        }));
    } else {
        output::line(format_args!(
            "erased: {contacts} contacts; {calls} call records and {attempts} attempts say no number any more; {deleted} recordings \
             deleted; {left} rows left with it; no list brings it back"
        ));
    }
    if left == 0 { Ok(()) } else { Err(Failure::Failed(format!("{left} rows still hold the number"))) }
}

/// A running engine learns it first: nobody is dialed between the answer and the erasure.
fn stop_dialing(arg: &ConfigArg, number: &E164) -> Result<(), Failure> {
    let socket =
        config::control_socket(&arg.config).map_err(|faults| Failure::faults(&arg.config, faults))?;
    match operator::ask(&socket, &Wish::Suppress { number: number.to_string() }) {
        Ok(Reply::Error(text)) => Err(Failure::Failed(text)),
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Forgets everybody whose time is over.
pub fn retention(args: &RetentionArgs) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let limit = |days: Option<u32>| {
        days.map(|days| WallTime::from_unix_ms(now().unix_ms() - i64::from(days) * 86_400_000))
    };
    let calls = limit(config.retention.calls_days);
    let contacts = limit(config.retention.contacts_days);
    if calls.is_none() && contacts.is_none() {
        let text = "nothing is to be forgotten: write calls_days or contacts_days into [retention]";
        return Err(Failure::Failed(text.to_owned()));
    }
    let expired = run::runtime()?.block_on(async {
        let (mut store, _) = Store::open_or_beside(&config.engine.database).await?;
        let before = store.overdue(calls, contacts).await?;
        let done = if args.dry_run { Expired::default() } else { store.expire(calls, contacts).await? };
        store.close().await?;
        Ok((before, done))
    });
    let (before, done) = expired.map_err(failed)?;
    let deleted = delete(&done.recordings)?;
    if args.json {
        output::line(json!({
            "overdue": { "calls": before.calls, "contacts": before.contacts },
            "forgotten": { "calls": done.calls, "contacts": done.contacts, "recordings_deleted": deleted },
            "left": if args.dry_run { before.calls + before.contacts } else { done.left },
        }));
    } else {
        output::line(format_args!(
            "past their time: {} call records, {} contacts",
            before.calls, before.contacts
        ));
        if !args.dry_run {
            output::line(format_args!(
                "forgotten: {} call records, {} contacts, {deleted} recordings; left: {}",
                done.calls, done.contacts, done.left
            ));
        }
    }
    if done.left == 0 { Ok(()) } else { Err(Failure::Failed(format!("{} rows are left", done.left))) }
}

/// Deletes recordings; one that is gone already is as good.
fn delete(recordings: &[String]) -> Result<u64, Failure> {
    let mut deleted = 0;
    for file in recordings {
        match std::fs::remove_file(Path::new(file)) {
            Ok(()) => deleted += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::Failed(format!("cannot delete the recording {file}: {error}")));
            }
        }
    }
    Ok(deleted)
}

fn load(arg: &ConfigArg) -> Result<Config, Failure> {
    Config::load(&arg.config).map_err(|faults| Failure::faults(&arg.config, faults))
}

fn failed(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}
