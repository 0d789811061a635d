//! `outdial import-vicidial`: leads, statuses, do-not-call numbers and recycle rules of VICIdial, from CSV exports of its
//! tables, into a campaign. Trying us should cost an afternoon, not a migration.

use crate::campaign::list::vicidial::{Export, Mapping};
use crate::campaign::list::{Options, Row, RowFault, Rows, Seen};
use crate::cli::import::{now, tell_engine};
use crate::cli::recycle::rules_of;
use crate::cli::{ConfigArg, Failure, output, run};
use crate::io::config::Config;
use crate::io::lists::{self, ListFile};
use crate::number::E164;
use crate::record::{ContactState, NewContact};
use crate::store::{ImportCounts, ListId, ROWS_MAX, Store, StoreError};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `outdial import-vicidial`.
#[derive(Args, Debug)]
#[command(after_help = "The exports have a header with the tables' own column names, for instance from\n\
                  mysql --batch -e 'SELECT * FROM vicidial_list WHERE list_id = 101' asterisk > leads.tsv\n\
                  (comma or tab, packed or not). Attempts come along and count against max_attempts; statuses that mean nothing to us \
                  are kept as reached, so that nobody is called by mistake, and are counted. Recycle rules are printed as \
                  [campaign.retry] tables for outdial.toml.\n\n\
                  outdial import-vicidial spring --leads leads.tsv --statuses statuses.tsv --dnc dnc.tsv --recycle recycle.tsv")]
pub struct VicidialArgs {
    /// The campaign's name
    campaign: String,
    /// Export of vicidial_list
    #[arg(long, value_name = "FILE")]
    leads: PathBuf,
    /// Export of vicidial_statuses or vicidial_campaign_statuses
    #[arg(long, value_name = "FILE")]
    statuses: Option<PathBuf>,
    /// Export of vicidial_dnc or vicidial_campaign_dnc: a column phone_number
    #[arg(long, value_name = "FILE")]
    dnc: Option<PathBuf>,
    /// Export of vicidial_lead_recycle
    #[arg(long, value_name = "FILE")]
    recycle: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Refused rows that are named.
const LINES_SHOWN_MAX: usize = 10;

/// What came of it.
#[derive(Default)]
struct Done {
    leads: u64,
    counts: ImportCounts,
    refused: u64,
    named: Vec<RowFault>,
    listed: u64,
    unreadable: Vec<String>,
}

/// Imports it all.
pub fn run(args: &VicidialArgs) -> Result<(), Failure> {
    let path = &args.config.config;
    let config = Config::load(path).map_err(|faults| Failure::faults(path, faults))?;
    let rules = rules_of(&config, &args.campaign)?;
    let mut mapping = Mapping::default();
    if let Some(file) = &args.statuses {
        each(file, &["status"], |export, row| mapping.handle_status(export, row))?;
    }
    if let Some(file) = &args.recycle {
        each(file, &["status", "attempt_delay", "attempt_maximum"], |export, row| {
            mapping.handle_recycle(export, row);
        })?;
    }
    let options = Options { default_region: rules.default_region };
    let (done, beside) = run::runtime()?.block_on(async {
        let opened = Store::open_or_beside(&config.engine.database).await.map_err(failed);
        let (mut store, beside) = opened?;
        let mut done = Done::default();
        if let Some(file) = &args.dnc {
            let numbers = lists::do_not_call(file, rules.default_region).map_err(Failure::Failed)?;
            done.unreadable = numbers.faults;
            done.listed = store.suppress_many(numbers.numbers, "vicidial", now()).await.map_err(failed)?;
        }
        leads(&mut store, args, &mut mapping, options, rules.attempt_gap(), &mut done).await?;
        store.close().await.map_err(failed)?;
        Ok::<_, Failure>((done, beside))
    })?;
    if beside {
        tell_engine(&args.config, &args.campaign)?;
    }
    report(args, &mapping, &done);
    Ok(())
}

/// A few thousand at a time. Their do-not-call leads go on the do-not-call list, which holds for all campaigns.
async fn leads(
    store: &mut Store,
    args: &VicidialArgs,
    mapping: &mut Mapping,
    options: Options,
    gap: Duration,
    done: &mut Done,
) -> Result<(), Failure> {
    let (mut rows, export) = open(&args.leads, &["phone_number", "status"])?;
    let mut seen = Seen::default();
    loop {
        let mut waiting: Vec<NewContact> = Vec::new();
        for row in rows.by_ref().take(ROWS_MAX) {
            done.leads += 1;
            let read = row.and_then(|row| {
                let lead = mapping.lead(&export, &row, options, gap)?;
                seen.check(&lead.number, row.line).map_err(|reason| RowFault {
                    line: row.line,
                    column: 0,
                    reason,
                })?;
                Ok(lead)
            });
            match read {
                Ok(lead) => waiting.push(lead),
                Err(fault) => {
                    done.refused += 1;
                    if done.named.len() < LINES_SHOWN_MAX {
                        done.named.push(fault);
                    }
                }
            }
        }
        let last = waiting.is_empty();
        let listed: Vec<E164> = waiting
            .iter()
            .filter(|lead| lead.past.ended == Some(ContactState::Suppressed))
            .map(|lead| lead.number.clone())
            .collect();
        done.listed += store.suppress_many(listed, "vicidial", now()).await.map_err(failed)?;
        done.counts += store.import_rows(&args.campaign, ListId(0), waiting).await.map_err(failed)?;
        if last {
            return Ok(());
        }
    }
}

fn open(path: &Path, columns: &[&str]) -> Result<(Rows<Box<dyn std::io::Read + Send>>, Export), Failure> {
    let mut rows = Rows::new(ListFile::open(path).map_err(Failure::Failed)?.read);
    let header = match rows.next() {
        Some(Ok(header)) => header,
        Some(Err(fault)) => return Err(Failure::Failed(format!("{}: {fault}", path.display()))),
        None => return Err(Failure::Failed(format!("{} is empty", path.display()))),
    };
    let export = Export::of_header(&header);
    let lacking = export.lacks(columns);
    if lacking.is_empty() {
        return Ok((rows, export));
    }
    let text = format!(
        "{} has no column {}: export the table with its column names in the first row",
        path.display(),
        lacking.join(", ")
    );
    Err(Failure::Failed(text))
}

fn each(path: &Path, columns: &[&str], mut handle: impl FnMut(&Export, &Row)) -> Result<(), Failure> {
    let (rows, export) = open(path, columns)?;
    for row in rows {
        handle(&export, &row.map_err(|fault| Failure::Failed(format!("{}: {fault}", path.display())))?);
    }
    Ok(())
}

fn report(args: &VicidialArgs, mapping: &Mapping, done: &Done) {
    let Done { leads, counts, refused, named, listed, unreadable } = done;
    if args.json {
        output::line(json!({
            "leads": leads,
            "added": counts.added,
            "already_there": counts.already_there,
            "suppressed": counts.suppressed,
            "refused": refused,
            "do_not_call": listed,
            "do_not_call_unreadable": unreadable.len(),
            "statuses_unknown": mapping.unknown,
            "recycle_unknown": mapping.rules_unknown,
            "promised_without_time": mapping.promised,
        }));
        return;
    }
    output::line(format_args!(
        "{leads} leads: {} added, {} known already, {} rows refused; {listed} numbers new on the do-not-call list",
        counts.added, counts.already_there, refused
    ));
    for fault in named {
        output::line(format_args!("  {}: {fault}", args.leads.display()));
    }
    for line in unreadable.iter().take(LINES_SHOWN_MAX) {
        output::line(format_args!("  {line}"));
    }
    for (status, leads) in &mapping.unknown {
        output::line(format_args!(
            "  status {status} is not known here: its {leads} leads are kept as reached"
        ));
    }
    if mapping.promised > 0 {
        output::line(format_args!(
            "  {} leads were promised a call: its time is in vicidial_callbacks; tell us with `outdial callback`",
            mapping.promised
        ));
    }
    for status in &mapping.rules_unknown {
        output::line(format_args!("  the recycle rule of {status} has no outcome here and is left out"));
    }
    if !mapping.rules().is_empty() {
        output::line("\n# their recycle rules, for the [[campaign]] in outdial.toml:");
    }
    for (disposition, rule) in mapping.rules() {
        output::line(format_args!(
            "[campaign.retry.{disposition}]\ndelay_min = {}\nmax = {}\n",
            rule.delay_min, rule.max
        ));
    }
}

fn failed(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}
