//! `outdial rules`: the packs, what is in them, and what they say of one number at one time.

use crate::campaign::gate::{Decision, Gate};
use crate::campaign::law::options::Packs;
use crate::campaign::law::pack::{Pack, shipped};
use crate::campaign::law::rule::Rule;
use crate::campaign::law::{Judgement, Purpose, Ruling};
use crate::campaign::{Ledger, Options};
use crate::cli::{ConfigArg, Failure, output, run};
use crate::io::config::Config;
use crate::io::config::law::read_lists;
use crate::number;
use crate::record::{Contact, ContactId};
use crate::store::Reader;
use crate::time::{Instant, Now, WallTime};
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Show the rule packs, and which rules apply to a number at a time.
///
/// Packs are data with sources and dates, read by people who may have erred. Nothing here is legal advice.
#[derive(Args, Debug)]
pub struct RulesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// All packs, one a line
    List(ShowArgs),
    /// One pack: every rule with its source, the day it was read there, and how sure that is
    Show(PackArgs),
    /// Every rule that applies to a number at a time, what it says, and the verdict
    Why(WhyArgs),
}

#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct PackArgs {
    /// The pack's id, as `outdial rules list` shows it
    pack: String,
    #[command(flatten)]
    shown: ShowArgs,
}

#[derive(Args, Debug)]
#[command(after_help = "Without a configuration file the shipped packs of the number's place are asked.\n\n\
    Examples:\n  outdial rules why +13055550101 --purpose sales\n  \
    outdial rules why +33123456789 --at \"2026-12-24 18:59 Europe/Paris\" --purpose sales\n  \
    outdial rules why +12125550101 --set state=FL --set consent=written --set consent_at=2026-05-01")]
struct WhyArgs {
    /// The number, E.164
    number: String,
    /// RFC 3339, or a date, a time and a zone: "2026-12-24 18:59 Europe/Paris"; now when left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// sales, research, service, debt or political; the campaign's when left out
    #[arg(long)]
    purpose: Option<Purpose>,
    /// By the rules of this campaign; the first when left out
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// A column of the contact's row, such as state=FL or zip=33101
    #[arg(long = "set", value_name = "COLUMN=CELL")]
    cells: Vec<String>,
    #[command(flatten)]
    shown: ShowArgs,
}

/// Shows.
pub fn run(args: &RulesArgs) -> Result<(), Failure> {
    match &args.what {
        What::List(args) => list(args),
        What::Show(args) => show(args),
        What::Why(args) => why(args),
    }
}

/// The shipped packs and those of one's own; a configuration that is not there is none.
fn packs(arg: &ConfigArg) -> Result<Vec<Arc<Pack>>, Failure> {
    let Some(config) = config(arg)? else { return Ok(shipped().to_vec()) };
    Ok(config.campaigns.first().map_or_else(|| shipped().to_vec(), |campaign| campaign.rules.law.known()))
}

fn config(arg: &ConfigArg) -> Result<Option<Config>, Failure> {
    if !arg.config.exists() && arg.config == Path::new("outdial.toml") {
        return Ok(None);
    }
    Config::load(&arg.config).map(Some).map_err(|faults| Failure::faults(&arg.config, faults))
}

fn list(args: &ShowArgs) -> Result<(), Failure> {
    let packs = packs(&args.config)?;
    if args.json {
        output::line(
            serde_json::to_string(&packs.iter().map(|pack| head(pack)).collect::<Vec<_>>()).expect("JSON"),
        );
        return Ok(());
    }
    for pack in packs {
        let (id, place) = (&pack.id, pack.state.as_ref().unwrap_or(&pack.country));
        let rules = pack.rules.len();
        output::line(format_args!("{id:20} {place:6} since {}  {rules:2} rules  {}", pack.from, pack.name));
    }
    Ok(())
}

fn head(pack: &Pack) -> serde_json::Value {
    json!({ "id": pack.id, "version": pack.version.to_string(), "name": pack.name, "country": pack.country,
            "state": pack.state, "from": pack.from.to_string(), "to": pack.to.map(|to| to.to_string()),
            "rules": pack.rules.len() })
}

fn cell(rule: &Rule) -> serde_json::Value {
    json!({ "kind": rule.kind.as_str(), "text": rule.kind.to_string(), "purposes": rule.purposes,
            "source": rule.source, "read": rule.read.to_string(), "confidence": rule.confidence,
            "from": rule.from.map(|from| from.to_string()), "to": rule.to.map(|to| to.to_string()) })
}

fn show(args: &PackArgs) -> Result<(), Failure> {
    let packs = packs(&args.shown.config)?;
    let pack = packs.iter().find(|pack| pack.id == args.pack).ok_or_else(|| {
        Failure::Failed(format!("no pack is called {:?}: `outdial rules list` shows them", args.pack))
    })?;
    if args.shown.json {
        let mut shown = head(pack);
        shown["rules"] = pack.rules.iter().map(cell).collect();
        shown["holidays"] = pack.holidays.iter().map(|holiday| holiday.name.clone()).collect();
        output::line(shown);
        return Ok(());
    }
    let to = pack.to.map_or_else(|| "open end".to_owned(), |to| to.to_string());
    output::line(format_args!(
        "{} ({}), edition {}, in force {} to {to}",
        pack.name, pack.id, pack.version, pack.from
    ));
    for rule in &pack.rules {
        output::line(format_args!("\n{:12} {}{}", rule.kind.as_str(), rule.kind, whom(rule)));
        let since = rule.from.map(|from| format!(", in force since {from}")).unwrap_or_default();
        output::line(format_args!("             {}{since}", cited(rule)));
    }
    if let Some((source, read, confidence)) = &pack.holidays_by {
        let names: Vec<&str> = pack.holidays.iter().map(|holiday| holiday.name.as_str()).collect();
        output::line(format_args!("\nholidays     {}", names.join(", ")));
        output::line(format_args!("             {source}; read {read}, confidence {}", confidence.as_str()));
    }
    Ok(())
}

fn whom(rule: &Rule) -> String {
    let purposes: Vec<&str> = rule.purposes.iter().map(|purpose| purpose.as_str()).collect();
    if purposes.is_empty() { String::new() } else { format!(" ({})", purposes.join(", ")) }
}

fn cited(rule: &Rule) -> String {
    format!("{}; read {}, confidence {}", rule.source, rule.read, rule.confidence.as_str())
}

fn why(args: &WhyArgs) -> Result<(), Failure> {
    let config = config(&args.shown.config)?;
    let mut options = options(config.as_ref(), args)?;
    if args.purpose.is_some() {
        options.law.purpose = args.purpose;
    }
    let number = number::parse(&args.number, options.default_region)
        .map_err(|fault| Failure::Failed(format!("{:?}: {fault}", args.number)))?;
    let at = moment(args.at.as_deref())?;
    let mut contact = Contact {
        id: ContactId(0),
        number,
        name: String::new(),
        comment: String::new(),
        attributes: args.cells.iter().filter_map(|cell| cell.split_once('=')).map(owned).collect(),
        outcomes: Default::default(),
        next_attempt_at: WallTime::from_unix_ms(0),
        history: Vec::new(),
    };
    let mut ledger = Ledger::new();
    if let Some(config) = &config {
        fill(config, &mut ledger, &mut contact, at)?;
    }
    let gate = Gate::new(&options);
    let now = Now { instant: Instant::ZERO, wall: at };
    let judgement = gate.judge(&contact, at, &ledger);
    let decision = gate.may_dial(&contact, now, &ledger);
    if args.shown.json {
        output::line(as_json(&judgement, decision, at));
    } else {
        output::text(describe(&judgement, decision, at, &options));
    }
    Ok(())
}

fn owned((key, cell): (&str, &str)) -> (String, String) {
    (key.to_owned(), cell.to_owned())
}

/// The campaign's rules, or those of none: always open, no caps of its own.
fn options(config: Option<&Config>, args: &WhyArgs) -> Result<Options, Failure> {
    let campaigns = config.map_or(&[][..], |config| config.campaigns.as_slice());
    let found = campaigns.iter().find(|campaign| match &args.campaign {
        Some(name) => campaign.rules.name == *name,
        None => true,
    });
    match (found, &args.campaign) {
        (Some(campaign), _) => Ok(campaign.rules.clone()),
        (None, Some(name)) => Err(Failure::Failed(format!("no campaign is called {name:?}"))),
        (None, None) => Ok(toml::from_str(
            "name = \"none\"\ntrunks = []\ncontacts = \"\"\ncaller_id = \"\"\n[window]\n\
             days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\nstart = \"00:00\"\nend = \"24:00\"",
        )
        .expect("the options of no campaign can be read")),
    }
}

/// What the database and the lists know of the number.
fn fill(config: &Config, ledger: &mut Ledger, contact: &mut Contact, at: WallTime) -> Result<(), Failure> {
    let (lists, _) = read_lists(config).map_err(|faults| Failure::faults(&config.path, faults))?;
    lists.into_iter().for_each(|list| ledger.put_list(list));
    if config.engine.database.file().is_some_and(|file| !file.exists()) {
        return Ok(());
    }
    let read = run::runtime()?.block_on(async {
        let mut reader = Reader::open(&config.engine.database).await?;
        let numbers: BTreeSet<&str> = [contact.number.as_str()].into();
        let mut histories = reader.history(&numbers, at).await?;
        Ok((histories.remove(&contact.number).unwrap_or_default(), reader.suppressions().await?))
    });
    let (history, suppressions) =
        read.map_err(|error: crate::store::StoreError| Failure::Failed(error.to_string()))?;
    contact.history = history.into_iter().filter(|past| past.at <= at).collect();
    for suppression in suppressions {
        ledger.suppress(&suppression.number).map_err(|full| Failure::Failed(full.to_string()))?;
    }
    Ok(())
}

/// RFC 3339, or a clock and its zone.
fn moment(text: Option<&str>) -> Result<WallTime, Failure> {
    let Some(text) = text else {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(WallTime::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
    };
    let unix_ms = DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis()).ok().or_else(|| {
        let (clock, zone) = text.rsplit_once(' ')?;
        let zone: chrono_tz::Tz = zone.parse().ok()?;
        let civil = NaiveDateTime::parse_from_str(clock, "%Y-%m-%d %H:%M").ok()?;
        Some(zone.from_local_datetime(&civil).earliest()?.timestamp_millis())
    });
    unix_ms.map(WallTime::from_unix_ms).ok_or_else(|| {
        Failure::Failed(format!(
            "{text:?} is no time: write 2026-12-24T17:59:00Z, or \"2026-12-24 18:59 Europe/Paris\""
        ))
    })
}

fn utc(at: WallTime) -> String {
    DateTime::<Utc>::from_timestamp_millis(at.unix_ms())
        .map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn verdict(decision: Decision) -> String {
    match decision {
        Decision::Allow { guaranteed_agent: false } => "may be dialed".to_owned(),
        Decision::Allow { guaranteed_agent: true } => {
            "may be dialed if an agent is there before the call is made".to_owned()
        }
        Decision::Skip { reason, until } => format!("not now: {reason}, until {}", utc(until)),
        Decision::Never { reason } => format!("never: {reason}"),
    }
}

fn word(ruling: Ruling) -> (&'static str, Option<WallTime>) {
    match ruling {
        Ruling::Kept => ("kept", None),
        Ruling::Until(until) => ("broken_until", Some(until)),
        Ruling::WithGuaranteedAgent => ("needs_guaranteed_agent", None),
        Ruling::Unmet => ("unmet", None),
        Ruling::Never => ("never", None),
        Ruling::Unseen => ("unseen", None),
    }
}

fn as_json(judgement: &Judgement, decision: Decision, at: WallTime) -> serde_json::Value {
    let findings = judgement.findings.iter().map(|finding| {
        let mut shown = cell(finding.rule);
        let (word, until) = word(finding.ruling);
        shown["pack"] = json!(finding.pack.edition());
        shown["ruling"] = json!(word);
        shown["until"] = json!(until);
        shown["note"] = json!(finding.note);
        shown
    });
    let findings: Vec<_> = findings.collect();
    let zones: Vec<&str> = judgement.place.zones.iter().map(|zone| zone.name()).collect();
    let (word, reason, until) = match decision {
        Decision::Allow { .. } => ("allow", None, None),
        Decision::Skip { reason, until } => ("skip", Some(reason.as_str()), Some(until)),
        Decision::Never { reason } => ("never", Some(reason.as_str()), None),
    };
    json!({ "at": at, "verdict": word, "reason": reason, "until": until,
            "guaranteed_agent": judgement.guaranteed_agent(), "countries": judgement.place.countries,
            "states": judgement.place.states, "zones": zones, "rules": findings })
}

fn describe(judgement: &Judgement, decision: Decision, at: WallTime, options: &Options) -> String {
    let place = &judgement.place;
    let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    let mut text = format!("at {}: {}\n", utc(at), verdict(decision));
    let clock = |zone: &chrono_tz::Tz| {
        let utc = DateTime::<Utc>::from_timestamp_millis(at.unix_ms())?;
        Some(format!("{} in {}", utc.with_timezone(zone).format("%a %H:%M"), zone.name()))
    };
    let clocks: Vec<String> = place.zones.iter().filter_map(clock).collect();
    text += &format!("place: {} {}; {}\n", words(&place.countries), words(&place.states), clocks.join(", "));
    match options.law.purpose {
        Some(purpose) => text += &format!("purpose: {}\n", purpose.as_str()),
        None => {
            text +=
                "purpose: not stated, so consent and lists are not asked for; see [campaign.law] purpose\n"
        }
    }
    if judgement.findings.is_empty() {
        let why =
            if options.law.packs == Packs::Auto { "no pack is for this place" } else { "no pack holds" };
        text += &format!("no rule applies: {why}; [campaign.window] counts alone\n");
    }
    for finding in &judgement.findings {
        let (mark, until) = match word(finding.ruling) {
            ("kept", _) => ("ok   ", String::new()),
            ("unseen", _) => ("duty ", String::new()),
            ("needs_guaranteed_agent", _) => ("agent", String::new()),
            (_, Some(until)) => ("NO   ", format!(" until {}", utc(until))),
            (_, None) => ("NO   ", String::new()),
        };
        let note = if finding.note.is_empty() { String::new() } else { format!(" [{}]", finding.note) };
        text += &format!("{mark} {}: {}{until}{note}\n", finding.pack.id, finding.rule.kind);
        text += &format!("      {}\n", cited(finding.rule));
    }
    text + "Not legal advice: check each rule at its source.\n"
}
