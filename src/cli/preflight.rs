//! `outdial preflight`: before the start, how many of a list would be skipped, and why.

use crate::campaign::gate::{Decision, Gate, Refusal};
use crate::campaign::{Ledger, Options};
use crate::cli::{ConfigArg, Failure, output, run};
use crate::io::config::law::read_lists;
use crate::io::config::{CampaignSection, Config};
use crate::io::lists;
use crate::record::{Contact, ContactId, NewContact};
use crate::store::{Reader, StoreError};
use crate::time::{Instant, Now, WallTime};
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// Arguments of `outdial preflight`.
#[derive(Args, Debug)]
#[command(
    about = "Tell how many of a list would be skipped now, and why, without dialing anyone",
    after_help = "Every row of the campaign's list goes through the gate as it would at the moment of dialing: do-not-call lists, \
                  consent, hours, caps, rests. A database that is there is asked for attempts and opt-outs, and nothing \
                  is written.\nExit status: 0 when anybody could be dialed, 1 when nobody could ever."
)]
pub struct PreflightArgs {
    /// The campaign; all of them when left out
    campaign: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object a campaign, a line each
    #[arg(long)]
    json: bool,
}

/// What became of the rows of one list.
#[derive(Serialize, Debug, Default)]
struct Report {
    campaign: String,
    contacts: u64,
    /// Rows of the file that hold no number that may be dialed.
    unreadable: u64,
    dialable_now: u64,
    dialable_later: u64,
    never: u64,
    reasons: BTreeMap<&'static str, Share>,
}

/// Those of one reason.
#[derive(Serialize, Debug, Default)]
struct Share {
    contacts: u64,
    /// When the first of them may be dialed, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_at: Option<WallTime>,
}

/// Judges.
pub fn run(args: &PreflightArgs) -> Result<(), Failure> {
    let config =
        Config::load(&args.config.config).map_err(|faults| Failure::faults(&args.config.config, faults))?;
    let wanted =
        |section: &&CampaignSection| args.campaign.as_ref().is_none_or(|name| section.rules.name == *name);
    let sections: Vec<&CampaignSection> = config.campaigns.iter().filter(wanted).collect();
    if let (Some(name), []) = (&args.campaign, &sections[..]) {
        return Err(Failure::Failed(format!("no campaign is called {name:?}")));
    }
    let runtime = run::runtime()?;
    let (mut ledger, mut reader) = runtime.block_on(gather(&config))?;
    for section in &config.campaigns {
        add_file(&config, section, &mut ledger)?;
    }
    let mut hopeless = false;
    for section in sections {
        let report = runtime.block_on(judge(section, &ledger, reader.as_mut()))?;
        hopeless |= report.contacts > 0 && report.dialable_now + report.dialable_later == 0;
        if args.json {
            output::line(serde_json::to_string(&report).expect("a report is plain data"));
        } else {
            output::text(describe(&report, &section.rules));
        }
    }
    if hopeless { Err(Failure::Said) } else { Ok(()) }
}

/// What the lists and the database say; without a database, what the lists say.
async fn gather(config: &Config) -> Result<(Ledger, Option<Reader>), Failure> {
    let mut ledger = Ledger::new();
    let (lists, _) = read_lists(config).map_err(|faults| Failure::faults(&config.path, faults))?;
    lists.into_iter().for_each(|list| ledger.put_list(list));
    if config.engine.database.file().is_some_and(|file| !file.exists()) {
        return Ok((ledger, None));
    }
    let failed = |error: StoreError| Failure::Failed(error.to_string());
    let mut reader = Reader::open(&config.engine.database).await.map_err(failed)?;
    for suppression in reader.suppressions().await.map_err(failed)? {
        ledger.suppress(&suppression.number).map_err(|full| Failure::Failed(full.to_string()))?;
    }
    for (number, reach) in reader.scoped_suppressions().await.map_err(failed)? {
        let reach = crate::campaign::suppression::Reach::from_word(&reach);
        ledger.suppress_for(&number, reach).map_err(|full| Failure::Failed(full.to_string()))?;
    }
    Ok((ledger, Some(reader)))
}

/// A campaign's own do-not-call file holds for all.
fn add_file(config: &Config, section: &CampaignSection, ledger: &mut Ledger) -> Result<(), Failure> {
    let Some(file) = &section.rules.do_not_call else { return Ok(()) };
    let read = lists::do_not_call(file, section.rules.default_region)
        .map_err(|text| Failure::Failed(format!("{}: {text}", config.path.display())))?;
    for number in &read.numbers {
        ledger.suppress(number).map_err(|full| Failure::Failed(full.to_string()))?;
    }
    Ok(())
}

async fn judge(
    section: &CampaignSection,
    ledger: &Ledger,
    mut reader: Option<&mut Reader>,
) -> Result<Report, Failure> {
    let rules = &section.rules;
    let gate = Gate::new(rules);
    let mut report = Report { campaign: rules.name.clone(), ..Report::default() };
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{spinner} {prefix}: {human_pos} contacts, {per_sec}")
            .expect("a template of ours"),
    );
    bar.set_prefix(rules.name.clone());
    bar.enable_steady_tick(Duration::from_millis(200));
    let now = Now { instant: Instant::ZERO, wall: wall() };
    // Rows that come together are judged together: their history is read with one query.
    let sources = rules.lists();
    let files: Result<Vec<_>, _> =
        sources.iter().map(|list| lists::contacts(&list.file, rules.default_region)).collect();
    for (batch, refused) in files.map_err(Failure::Failed)?.into_iter().flatten() {
        report.unreadable += refused;
        let numbers: BTreeSet<&str> = batch.iter().map(|row| row.number.as_str()).collect();
        let mut histories = match reader.as_deref_mut() {
            Some(reader) => {
                reader.history(&numbers, now.wall).await.map_err(|e| Failure::Failed(e.to_string()))?
            }
            None => BTreeMap::new(),
        };
        let read = batch.len() as u64;
        for row in batch {
            let history = histories.remove(&row.number).unwrap_or_default();
            report.add(gate.may_dial(&contact(row, history), now, ledger));
        }
        bar.inc(read);
    }
    bar.finish_and_clear();
    Ok(report)
}

fn contact(row: NewContact, history: Vec<crate::record::PastAttempt>) -> Contact {
    Contact {
        id: ContactId(0),
        number: row.number,
        name: row.name,
        comment: row.comment,
        attributes: row.attributes,
        outcomes: BTreeMap::new(),
        next_attempt_at: WallTime::from_unix_ms(0),
        history,
    }
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Report {
    fn add(&mut self, decision: Decision) {
        self.contacts += 1;
        let (reason, until) = match decision {
            Decision::Allow { .. } => {
                self.dialable_now += 1;
                return;
            }
            Decision::Skip { reason, until } => {
                self.dialable_later += 1;
                (reason, Some(until))
            }
            Decision::Never { reason } => {
                self.never += 1;
                (reason, None)
            }
        };
        let share = self.reasons.entry(reason.as_str()).or_default();
        share.contacts += 1;
        share.first_at = share.first_at.into_iter().chain(until).min();
    }
}

/// The reasons in words, by their word.
fn words(reason: &str) -> String {
    let known = [
        (Refusal::DoNotCall, "on a do-not-call list"),
        (Refusal::NoZone, "of no time zone"),
        (Refusal::WindowNeverOpens, "in zones without a common hour"),
        (Refusal::WindowClosed, "outside the campaign's hours now"),
        (Refusal::LawHours, "outside the law's hours now"),
        (Refusal::LawCap, "at the law's cap of attempts"),
        (Refusal::LawRest, "resting by law"),
        (Refusal::RingTooShort, "held back: ring_timeout_s is too short for their law"),
        (Refusal::AbandonmentLimit, "held back: dialing.abandonment_limit is above their law's"),
        (Refusal::NoConsent, "without the consent that their law asks for"),
        (Refusal::ListStale, "held back: a do-not-call list that their law asks for is missing or too old"),
    ];
    let found = known.into_iter().find(|(refusal, _)| refusal.as_str() == reason);
    found.map_or_else(|| reason.to_owned(), |(_, words)| words.to_owned())
}

fn describe(report: &Report, rules: &Options) -> String {
    let mut text = format!(
        "campaign {}: of {} contacts {} may be dialed now, {} later, {} never\n",
        report.campaign, report.contacts, report.dialable_now, report.dialable_later, report.never
    );
    let mut reasons: Vec<_> = report.reasons.iter().collect();
    reasons.sort_by_key(|(_, share)| std::cmp::Reverse(share.contacts));
    for (reason, share) in reasons {
        let first = share.first_at.and_then(|at| DateTime::<Utc>::from_timestamp_millis(at.unix_ms()));
        let first = first.map(|at| format!("; the first at {}", at.format("%Y-%m-%d %H:%M UTC")));
        text += &format!("{:9} {}{}\n", share.contacts, words(reason), first.unwrap_or_default());
    }
    if report.unreadable > 0 {
        text +=
            &format!("{:9} rows hold no number that may be dialed: see `outdial check`\n", report.unreadable);
    }
    if rules.law.purpose.is_none() {
        text += "          the campaign states no purpose, so consent and lists were not asked for: set \
                 [campaign.law] purpose\n";
    }
    text
}
