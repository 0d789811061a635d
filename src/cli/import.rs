//! `outdial import`: contact lists into a campaign, whether its engine runs or not.

use crate::cli::recycle::rules_of;
use crate::cli::{ConfigArg, Failure, output, run};
use crate::io::config::{self, Config};
use crate::io::lists::import::{self, Import, ImportError, Imported, Progress};
use crate::io::operator::{self, Reply, Wish};
use crate::number::Region;
use crate::store::Store;
use crate::time::WallTime;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Arguments of `outdial import`.
#[derive(Args, Debug)]
#[command(
    after_help = "CSV, TSV and lists with semicolons, JSON lines, each also packed with gzip; UTF-8, UTF-16 or Windows-1252; with a \
                  header or without (then number, name, comment): all of that is found out.\n\
                  Columns: number (phone, mobile ...), number2 to number4 or phone1 to phone4, name (or first and last name), \
                  comment, priority (lower is dialed first); others are kept and go where {contact.COLUMN} is written.\n\
                  A contact that the campaign has already stays as it is. Refused rows go to FILE.rejected.csv with line, reason \
                  and remedy; corrected, that file is imported like any other.\n\
                  A running engine goes on dialing meanwhile and dials the new contacts at once.\n\n\
                  outdial import spring leads.csv more-leads.jsonl.gz --config outdial.toml"
)]
pub struct ImportArgs {
    /// The campaign's name
    campaign: String,
    /// The lists
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
    /// For numbers without a +, an ISO 3166 code such as US; the campaign's default_region when left out
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Keep refused rows here (of several lists, the last one's stay)
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Read a list again that has not changed since it was imported
    #[arg(long)]
    again: bool,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of each file.
#[derive(Serialize)]
struct Shown<'a> {
    file: &'a Path,
    unchanged: bool,
    rows: u64,
    added: u64,
    already_there: u64,
    suppressed: u64,
    refused: u64,
    duplicates: u64,
    rejects: Option<&'a Path>,
}

/// Imports the lists.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let path = &args.config.config;
    let config = Config::load(path).map_err(|faults| Failure::faults(path, faults))?;
    let region = region_of(args, &config)?;
    if args.rejects.is_some() && args.files.len() > 1 {
        let text =
            "--rejects names one file and there are several lists: import them one by one, or leave it out";
        return Err(Failure::Failed(text.to_owned()));
    }
    let (done, beside) = run::runtime()?.block_on(import_all(args, &config, region))?;
    if beside {
        tell_engine(&args.config, &args.campaign)?;
    }
    if args.json {
        let shown: Vec<Shown> = args.files.iter().zip(&done).map(|(file, done)| show(file, done)).collect();
        output::line(serde_json::to_string(&shown).expect("counts are plain data"));
        return Ok(());
    }
    for (file, done) in args.files.iter().zip(&done) {
        output::line(import::describe(&args.campaign, file, done));
        for line in done.skipped.lines.iter().take(LINES_SHOWN_MAX) {
            output::line(format_args!("  {line}"));
        }
        if let Some(rejects) = &done.rejects {
            output::line(format_args!("  refused rows, with reason and remedy: {}", rejects.display()));
        }
    }
    Ok(())
}

/// Refused rows that are shown; all are in the file.
const LINES_SHOWN_MAX: usize = 10;

fn region_of(args: &ImportArgs, config: &Config) -> Result<Option<Region>, Failure> {
    let rules = rules_of(config, &args.campaign)?;
    match &args.region {
        None => Ok(rules.default_region),
        Some(code) => Region::from_code(code).map(Some).ok_or_else(|| {
            Failure::Failed(format!("{code:?} is no region: write an ISO 3166 code such as US"))
        }),
    }
}

/// The files one after another; true when an engine runs meanwhile.
async fn import_all(
    args: &ImportArgs,
    config: &Config,
    region: Option<Region>,
) -> Result<(Vec<Imported>, bool), Failure> {
    let failed = |error: ImportError| Failure::Failed(error.to_string());
    let opened = Store::open_or_beside(&config.engine.database).await;
    let (mut store, beside) = opened.map_err(|error| failed(error.into()))?;
    let mut all = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let import = Import {
            campaign: &args.campaign,
            region,
            rejects: Some(args.rejects.clone().unwrap_or_else(|| rejects_of(file))),
            beside,
            anew: args.again,
            now: now(),
        };
        let bar = bar(file);
        let progress = |progress: Progress| {
            bar.set_length(progress.size);
            bar.set_position(progress.read);
            bar.set_message(format!("{} rows", progress.rows));
        };
        let done = import::contacts(&mut store, file, &import, progress).await;
        bar.finish_and_clear();
        all.push(done.map_err(failed)?);
    }
    store.close().await.map_err(|error| failed(error.into()))?;
    Ok((all, beside))
}

fn bar(file: &Path) -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} % {msg}, {eta} left");
    bar.set_style(style.expect("the template is well formed"));
    bar.set_prefix(file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned());
    bar
}

fn rejects_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".rejected.csv");
    PathBuf::from(name)
}

/// The engine that holds the database looks at its contacts again. One that serves another socket finds them by itself.
pub(super) fn tell_engine(arg: &ConfigArg, campaign: &str) -> Result<(), Failure> {
    let socket =
        config::control_socket(&arg.config).map_err(|faults| Failure::faults(&arg.config, faults))?;
    match operator::ask(&socket, &Wish::Imported { campaign: campaign.to_owned() }) {
        Ok(Reply::Error(text)) => Err(Failure::Failed(format!("imported, but the engine says: {text}"))),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn show<'a>(file: &'a Path, done: &'a Imported) -> Shown<'a> {
    Shown {
        file,
        unchanged: done.unchanged,
        rows: done.rows,
        added: done.counts.added,
        already_there: done.counts.already_there,
        suppressed: done.counts.suppressed,
        refused: done.skipped.skipped,
        duplicates: done.skipped.duplicates,
        rejects: done.rejects.as_deref(),
    }
}

/// Civil time, for what is kept in the database.
pub(super) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
