//! `outdial status`, `outdial campaign`, `outdial suppress`: a running engine, asked from another process.

use crate::cli::label::Review;
use crate::cli::{ConfigArg, Failure, agent, label, measures, output, run};
use crate::engine::status::{AbandonmentStatus, CallerIdStatus, Status, TrunkStatus};
use crate::io::config::{self, Config};
use crate::io::operator::{self, Reply, Report, Wish};
use crate::store::Reader;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// Arguments of `outdial status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Arguments of `outdial campaign`.
#[derive(Args, Debug)]
pub struct CampaignArgs {
    /// What to do
    #[arg(value_enum)]
    verb: Verb,
    /// The campaign's name
    name: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// What can be done with a campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Verb {
    /// Dial, from whatever state
    Start,
    /// Dial no more for now; calls in flight go on
    Pause,
    /// Dial again
    Resume,
    /// Dial no more until started again
    Stop,
}

/// Arguments of `outdial suppress`.
#[derive(Args, Debug)]
pub struct SuppressArgs {
    /// The number, E.164: +12025550101
    number: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// Arguments of `outdial dialing`.
#[derive(Args, Debug)]
#[command(
    after_help = "Off: nothing is dialed, by no campaign, and what rings is ended; who has answered is served. It                         holds until it is switched on or the engine starts again, when [engine] dialing counts."
)]
pub struct DialingArgs {
    /// What to do
    #[arg(value_enum)]
    switch: Switch,
    #[command(flatten)]
    config: ConfigArg,
}

/// On or off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Switch {
    /// Dial as the campaigns ask
    On,
    /// Dial nobody
    Off,
}

/// Switches all dialing.
pub fn dialing(args: &DialingArgs) -> Result<(), Failure> {
    let on = args.switch == Switch::On;
    ask(&args.config, &Wish::Dialing { on })?;
    output::line(if on { "dialing is on" } else { "dialing is off: nobody is dialed by any campaign" });
    Ok(())
}

/// Shows what the engine is doing.
pub fn status(args: &StatusArgs) -> Result<(), Failure> {
    let Reply::Status(status) = ask(&args.config, &Wish::Status)? else {
        return Err(Failure::Failed("the engine gave no status".to_owned()));
    };
    let reviews = reviews(&args.config);
    if args.json {
        let shown = Shown { status: &status, labels: &reviews };
        output::line(serde_json::to_string(&shown).expect("a status is plain data"));
    } else {
        output::text(describe(&status.engine) + &measures::describe(&status.engine.detection));
        output::text(label::describe(&reviews));
    }
    Ok(())
}

/// What `--json` prints: the engine's words, and what the database says of labels.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Report,
    labels: &'a [Review],
}

/// Read beside the engine. A status is given whatever is wrong with the configuration, so without labels if need be.
fn reviews(arg: &ConfigArg) -> Vec<Review> {
    let Ok(config) = Config::load(&arg.config) else { return Vec::new() };
    let tallies = run::runtime().map(|runtime| {
        runtime.block_on(async { Reader::open(&config.engine.database).await?.tallies(None).await })
    });
    match tallies {
        Ok(Ok(tallies)) => label::review(&tallies),
        _ => Vec::new(),
    }
}

/// Commands a campaign.
pub fn command(args: &CampaignArgs) -> Result<(), Failure> {
    let campaign = args.name.clone();
    let wish = match args.verb {
        Verb::Start => Wish::Start { campaign },
        Verb::Pause => Wish::Pause { campaign },
        Verb::Resume => Wish::Resume { campaign },
        Verb::Stop => Wish::Stop { campaign },
    };
    ask(&args.config, &wish)?;
    let (done, meanwhile) = match args.verb {
        Verb::Start => ("started", ""),
        Verb::Pause => ("paused", "; calls in flight go on"),
        Verb::Resume => ("resumed", ""),
        Verb::Stop => ("stopped", "; calls in flight go on"),
    };
    output::line(format_args!("campaign {} {done}{meanwhile}", args.name));
    Ok(())
}

/// Puts a number on the do-not-call list.
pub fn suppress(args: &SuppressArgs) -> Result<(), Failure> {
    ask(&args.config, &Wish::Suppress { number: args.number.clone() })?;
    output::line(format_args!("{} is on the do-not-call list", args.number));
    Ok(())
}

/// Asks the running engine.
pub(super) fn ask(arg: &ConfigArg, wish: &Wish) -> Result<Reply, Failure> {
    let faulty = |faults| Failure::faults(&arg.config, faults);
    let socket = config::control_socket(&arg.config).map_err(faulty)?;
    match operator::ask(&socket, wish) {
        Ok(Reply::Error(text)) => Err(Failure::Failed(text)),
        Ok(reply) => Ok(reply),
        // Nobody there: a fault in the file may be why.
        Err(error) => match Config::load(&arg.config) {
            Err(faults) => Err(faulty(faults)),
            Ok(_) => Err(error.into()),
        },
    }
}

fn describe(status: &Status) -> String {
    let mut text = String::new();
    if status.draining {
        text += "shutting down\n";
    }
    if !status.store_fault.is_empty() {
        text += &format!("not dialing: the store fails: {}\n", status.store_fault);
    }
    for campaign in &status.campaigns {
        let waiting = campaign.contacts_waiting.map(|count| format!(", {count:6} waiting"));
        text += &format!(
            "campaign {:16} {:10} {:4} in flight{}\n",
            campaign.name,
            campaign.state,
            campaign.in_flight,
            waiting.unwrap_or_default()
        );
        for reason in &campaign.waiting_for {
            text += &format!("  waiting: {reason}\n");
        }
        for (disposition, count) in &campaign.ended {
            text += &format!("  {disposition:20} {count:8}\n");
        }
        text.extend(campaign.abandonment.iter().map(describe_abandonment));
    }
    text.extend(status.agents.iter().map(agent::describe));
    for trunk in &status.trunks {
        text += &describe_trunk(trunk);
    }
    for CallerIdStatus { caller_id, unwanted, blocked } in &status.caller_ids {
        text += &format!(
            "caller id {caller_id}: unwanted by {unwanted} callees (607), rejected by analytics {blocked} times (608)\n"
        );
    }
    text
}

fn describe_abandonment(ledger: &AbandonmentStatus) -> String {
    let AbandonmentStatus { people, abandoned, share, limit, guarded, .. } = ledger;
    let mistaken = if ledger.mistaken < 0.05 {
        String::new()
    } else {
        format!(" and {:.1} expected among machines", ledger.mistaken)
    };
    let guard = if *guarded { "; the guard holds it at one line for each ready agent" } else { "" };
    format!(
        "  abandoned: {abandoned} of {people} people{mistaken}, {:.1} % of at most {:.1} %{guard}\n",
        100.0 * share,
        100.0 * limit
    )
}

/// A trunk: its state, and below it only what somebody should know.
fn describe_trunk(trunk: &TrunkStatus) -> String {
    let mut text = format!("trunk    {:16} {:4} channels  {}\n", trunk.name, trunk.channels, trunk.state);
    if !trunk.dns.is_empty() {
        text += &format!("  DNS: {}\n", trunk.dns);
    }
    for hop in trunk.hops.iter().filter(|hop| trunk.hops.len() > 1 || hop.state != "alive") {
        let next = if hop.next { ", next" } else { "" };
        text += &format!("  {} ({}) is {}{next}\n", hop.address, hop.transport, hop.state);
    }
    if let Some(status) = trunk.options_status.filter(|status| *status >= 300) {
        text += &format!("  answers OPTIONS with {status}\n");
    }
    if !matches!(trunk.breaker.as_str(), "" | "closed") {
        text += &format!("  circuit breaker {}\n", trunk.breaker);
    }
    if let Some(ratio) = trunk.quality.answer_seizure_ratio {
        let (answers, calls) = (trunk.quality.answers, trunk.quality.calls);
        text += &format!("  answer-seizure ratio {:.0} % ({answers} of the last {calls})", 100.0 * ratio);
        let score = trunk.quality.false_answer_score.filter(|score| *score > 0.0);
        text += &score.map_or("\n".to_owned(), |score| format!(", false-answer score {score:.2}\n"));
    }
    if trunk.suspected {
        text += &format!("  seems to answer falsely: {}\n", trunk.quality.evidence());
    }
    if trunk.agents_unpaced > 0 {
        text += &format!("  {} agents' INVITEs left above calls_per_second_max\n", trunk.agents_unpaced);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::CampaignStatus;

    #[test]
    fn a_status_reads_from_the_most_urgent_down() {
        let status = Status {
            store_fault: "disk full".into(),
            campaigns: vec![CampaignStatus {
                name: "spring".into(),
                state: "running".into(),
                in_flight: 3,
                contacts_waiting: Some(17),
                waiting_for: vec!["window opens in 2 h".into()],
                ended: [("busy".to_owned(), 4)].into(),
                abandonment: Some(AbandonmentStatus { people: 100, abandoned: 2, ..Default::default() }),
            }],
            trunks: vec![TrunkStatus {
                name: "carrier".into(),
                state: "available".into(),
                channels: 3,
                dns: "the DNS server gave no answer in time".into(),
                ..TrunkStatus::default()
            }],
            ..Status::default()
        };
        let text = describe(&status);
        let first_words: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(first_words, ["not", "campaign", "waiting:", "busy", "abandoned:", "trunk", "DNS:"]);
    }
}
