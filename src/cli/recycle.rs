//! `outdial callback`, `outdial recycle` and `outdial lists`: contacts between their calls.

use crate::campaign;
use crate::cli::import::{now, tell_engine};
use crate::cli::{ConfigArg, Failure, output, run};
use crate::disposition::Disposition;
use crate::io::config::Config;
use crate::number::{E164, zones};
use crate::store::{Penetration, Promised, Reader, Store, StoreError};
use crate::time::WallTime;
use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeZone};
use clap::Args;
use serde_json::{Value, json};

/// Arguments of `outdial callback`.
#[derive(Args, Debug)]
#[command(
    after_help = "TIME is a time with its zone (2026-11-23T15:00:00Z, 2026-11-23T10:00:00-05:00), a time of the callee's own clock \
                  (2026-11-23T10:00), or a time from now (30m, 4h, 2d). At that time the contact goes before all others, within the \
                  calling window. With --agent the call waits up to five minutes for that agent to be free, who is then kept \
                  for it; an agent who is not at work is not waited for.\n\n\
                  outdial callback spring +12025550101 --at 2026-11-23T10:00 --agent ann"
)]
pub struct CallbackArgs {
    /// The campaign's name
    campaign: String,
    /// The contact's number, E.164: +12025550101
    number: String,
    /// When
    #[arg(long, value_name = "TIME")]
    at: String,
    /// Who promised it
    #[arg(long, value_name = "NAME", default_value = "")]
    agent: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// Arguments of `outdial recycle`.
#[derive(Args, Debug)]
#[command(
    after_help = "Only contacts whose last attempt ended so, and only while they have had fewer than max_attempts: caps stay, and the \
                  list is not reset.\n\n\
                  outdial recycle spring --disposition no_answer,busy"
)]
pub struct RecycleArgs {
    /// The campaign's name
    campaign: String,
    /// The outcomes, as `outdial export calls` shows them
    #[arg(long, value_name = "WORD,...", required = true, value_delimiter = ',')]
    disposition: Vec<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Arguments of `outdial lists`.
#[derive(Args, Debug)]
pub struct ListsArgs {
    /// Only this campaign's
    campaign: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON array for programs
    #[arg(long)]
    json: bool,
}

/// The longest name of an agent, in characters.
const NAME_MAX: usize = 64;

/// Promises a call.
pub fn callback(args: &CallbackArgs) -> Result<(), Failure> {
    let number = E164::from_e164(&args.number).ok_or_else(|| {
        Failure::Failed(format!("{:?} is no E.164 number: write it as +12025550101", args.number))
    })?;
    if args.agent.chars().count() > NAME_MAX || args.agent.contains(char::is_control) {
        return Err(Failure::Failed(format!("--agent takes a name of at most {NAME_MAX} characters")));
    }
    let at = time_of(&args.at, &number, now()).ok_or_else(|| {
        let text = format!("{:?} is no time: write 2026-11-23T15:00:00Z, 2026-11-23T10:00 or 4h", args.at);
        Failure::Failed(text)
    })?;
    let config = load(&args.config)?;
    let rules = rules_of(&config, &args.campaign)?;
    let promised = run::runtime()?.block_on(async {
        let (mut store, beside) = Store::open_or_beside(&config.engine.database).await?;
        let promised = store.promise(&args.campaign, &number, at, &args.agent).await?;
        store.close().await?;
        Ok((promised, beside))
    });
    let (promised, beside) = promised.map_err(failed)?;
    let attempts = match promised {
        Promised::Kept { attempts } => attempts,
        Promised::Unknown => {
            let text =
                format!("campaign {} has no contact {}: import it first", args.campaign, number.masked());
            return Err(Failure::Failed(text));
        }
        Promised::Refused { state } => {
            let why = if state == "suppressed" {
                "is never to be dialed"
            } else {
                "is being called: ask again after that"
            };
            return Err(Failure::Failed(format!("the contact is {state}: it {why}")));
        }
    };
    if beside {
        tell_engine(&args.config, &args.campaign)?;
    }
    output::line(format_args!("{} is called at {}", number, shown(at)));
    if attempts >= rules.max_attempts {
        output::line(format_args!(
            "but its {attempts} attempts are used up: it is not dialed before max_attempts is raised"
        ));
    }
    Ok(())
}

/// With a zone of its own, by the callee's clock, or from now on.
fn time_of(text: &str, number: &E164, now: WallTime) -> Option<WallTime> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(WallTime::from_unix_ms(time.timestamp_millis()));
    }
    let civil = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    if let Some(civil) = civil.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
        let zone = zones(number).first()?;
        return Some(WallTime::from_unix_ms(zone.from_local_datetime(&civil).latest()?.timestamp_millis()));
    }
    let unit = match text.chars().last()? {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    Some(WallTime::from_unix_ms(now.unix_ms() + i64::from(count) * unit))
}

/// Has contacts dialed again.
pub fn recycle(args: &RecycleArgs) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let rules = rules_of(&config, &args.campaign)?;
    let mut dispositions = Vec::new();
    for word in &args.disposition {
        let known = Disposition::from_word(word).ok_or_else(|| {
            let all: Vec<&str> = Disposition::ALL.iter().map(|disposition| disposition.as_str()).collect();
            Failure::Failed(format!("{word:?} is no outcome: there are {}", all.join(", ")))
        })?;
        if campaign::retry::FINAL.contains(&known) {
            return Err(Failure::Failed(format!("{word} is final: nobody is rung again after it")));
        }
        dispositions.push(known);
    }
    let done = run::runtime()?.block_on(async {
        let (mut store, beside) = Store::open_or_beside(&config.engine.database).await?;
        let done = store.recycle(&args.campaign, &dispositions, rules.max_attempts, now()).await?;
        store.close().await?;
        Ok((done, beside))
    });
    let (done, beside) = done.map_err(failed)?;
    if beside {
        tell_engine(&args.config, &args.campaign)?;
    }
    if args.json {
        output::line(json!({ "contacts": done.contacts, "attempts_used": done.used_up }));
    } else {
        output::line(format_args!(
            "{} contacts wait again; {} more ended so and have had their {} attempts",
            done.contacts, done.used_up, rules.max_attempts
        ));
    }
    Ok(())
}

/// Shows how far each list has been dialed.
pub fn lists(args: &ListsArgs) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let lists = run::runtime()?.block_on(async {
        Reader::open(&config.engine.database).await?.penetration(args.campaign.as_deref()).await
    });
    let lists = lists.map_err(failed)?;
    if args.json {
        output::line(Value::Array(lists.iter().map(to_json).collect()));
        return Ok(());
    }
    for list in &lists {
        let source = if list.source.is_empty() { "(no list)" } else { &list.source };
        output::line(format_args!("campaign {:16} {source}", list.campaign));
        output::line(format_args!(
            "  {} contacts, {} dialed: {:.1} %; {} waiting, {} done, {} suppressed",
            list.contacts,
            list.dialed,
            100.0 * share(list),
            list.waiting,
            list.done,
            list.suppressed
        ));
        if let Some(at) = list.imported_at {
            output::line(format_args!(
                "  imported {}, {} rows, {} refused",
                shown(at),
                list.rows.0,
                list.rows.1
            ));
        }
    }
    Ok(())
}

fn share(list: &Penetration) -> f64 {
    list.dialed as f64 / list.contacts.max(1) as f64
}

fn to_json(list: &Penetration) -> Value {
    json!({
        "campaign": list.campaign,
        "source": list.source,
        "rows": list.rows.0,
        "refused": list.rows.1,
        "imported_at": list.imported_at.map(shown),
        "contacts": list.contacts,
        "dialed": list.dialed,
        "penetration": share(list),
        "waiting": list.waiting,
        "done": list.done,
        "suppressed": list.suppressed,
    })
}

fn shown(at: WallTime) -> String {
    match DateTime::from_timestamp_millis(at.unix_ms()) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => at.unix_ms().to_string(),
    }
}

pub(super) fn rules_of<'c>(config: &'c Config, name: &str) -> Result<&'c campaign::Options, Failure> {
    config.campaigns.iter().map(|section| &section.rules).find(|rules| rules.name == name).ok_or_else(|| {
        let known: Vec<&str> = config.campaigns.iter().map(|section| section.rules.name.as_str()).collect();
        Failure::Failed(format!("there is no [[campaign]] {name:?}: there are {}", known.join(", ")))
    })
}

fn load(arg: &ConfigArg) -> Result<Config, Failure> {
    Config::load(&arg.config).map_err(|faults| Failure::faults(&arg.config, faults))
}

fn failed(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_said_in_three_ways() {
        let number = E164::from_e164("+12025550101").unwrap();
        let now = WallTime::from_unix_ms(1_795_132_800_000);
        for (text, expected) in [
            ("2026-11-23T15:00:00Z", Some("2026-11-23T15:00:00Z")),
            ("2026-11-23T10:00:00-05:00", Some("2026-11-23T15:00:00Z")),
            // Ten o'clock in Washington.
            ("2026-11-23T10:00", Some("2026-11-23T15:00:00Z")),
            ("2026-11-23 10:00", Some("2026-11-23T15:00:00Z")),
            ("90m", Some("2026-11-20T01:30:00Z")),
            ("2d", Some("2026-11-22T00:00:00Z")),
            ("tomorrow", None),
            ("-4h", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(time_of(text, &number, now).map(shown).as_deref(), expected, "{text}");
        }
    }
}
