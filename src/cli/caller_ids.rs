//! `outdial caller-ids`: the pools of caller ids, their caps and how each number fares.

use crate::cli::{ConfigArg, Failure, output, run};
use crate::engine::status::{CallerIdNumber, CallerIdPoolStatus};
use crate::io::caller_ids;
use crate::io::clock::Clock;
use crate::io::config::{self, Config};
use crate::io::operator::{self, Reply, Wish};
use crate::store::{CallerIdUses, Reader};
use clap::Args;
use std::io::ErrorKind;

/// Arguments of `outdial caller-ids`.
#[derive(Args, Debug)]
#[command(
    after_help = "A number rests when callees or networks did not want its calls (607, 608) complaints_max times within \
                        24 hours, or when fewer of its calls are answered, or more of them ended at once, than the control \
                        chart of its pool allows; the cause is shown. Nothing changes numbers to dodge a label."
)]
pub struct CallerIdsArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON array for programs
    #[arg(long)]
    json: bool,
}

/// Shows the pools: as the running engine has them, else as the database does.
pub fn run(args: &CallerIdsArgs) -> Result<(), Failure> {
    let path = &args.config.config;
    let socket = config::control_socket(path).map_err(|faults| Failure::faults(path, faults))?;
    let pools = match operator::ask(&socket, &Wish::Status) {
        Ok(Reply::Status(report)) => report.engine.caller_id_pools,
        Ok(_) => return Err(Failure::Failed("the engine gave no status".to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            let config = Config::load(path).map_err(|faults| Failure::faults(path, faults))?;
            run::runtime()?.block_on(kept(&config))?
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        output::line(serde_json::to_string(&pools).expect("pools are plain data"));
    } else {
        output::text(describe(&pools));
    }
    Ok(())
}

async fn kept(config: &Config) -> Result<Vec<CallerIdPoolStatus>, Failure> {
    let uses = if config.engine.database.file().is_none_or(std::path::Path::exists) {
        let failed = |error: crate::store::StoreError| Failure::Failed(error.to_string());
        let mut reader = Reader::open(&config.engine.database).await.map_err(failed)?;
        reader.caller_id_uses(caller_ids::CALLS_MAX).await.map_err(failed)?
    } else {
        CallerIdUses::default()
    };
    let now = Clock::start().now().wall;
    Ok(caller_ids::pools(config, &uses).iter().map(|pool| pool.status(now)).collect())
}

fn describe(pools: &[CallerIdPoolStatus]) -> String {
    if pools.is_empty() {
        return "no pool of caller ids: each campaign shows its own (see [[caller_id_pool]])\n".to_owned();
    }
    let mut text = String::new();
    for pool in pools {
        text += &format!("pool {} ({}): {} numbers\n", pool.name, pool.strategy, pool.numbers.len());
        text += &format!(
            "  {:16} {:9} {:>11} {:>4} {:>6} {:>8} {:>6} {:>10}  {}\n",
            "number", "state", "today", "day", "calls", "answered", "short", "complaints", "region, proof"
        );
        pool.numbers.iter().for_each(|number| text += &number_lines(number));
    }
    text
}

fn number_lines(number: &CallerIdNumber) -> String {
    let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.1} %"));
    let max = number.calls_today_max.map_or(String::new(), |max| format!(" of {max}"));
    let proof = if number.proof.is_empty() { "no proof" } else { &number.proof };
    let place =
        [number.region.as_str(), proof].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let mut text = format!(
        "  {:16} {:9} {:>11} {:>4} {:>6} {:>8} {:>6} {:>10}  {}\n",
        number.number,
        number.state,
        format!("{}{max}", number.calls_today),
        number.day_of_use.map_or("-".to_owned(), |day| day.to_string()),
        number.calls,
        share(number.answered_percent),
        share(number.short_percent),
        number.complaints,
        place.join(", ")
    );
    if let Some(until) = &number.until {
        text += &format!("    until {until}: {}\n", number.cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_rests_shows_until_when_and_why() {
        let number = CallerIdNumber {
            number: "+12025550100".into(),
            region: "Washington".into(),
            proof: "LOA 17".into(),
            state: "resting".into(),
            cause: "3 callees did not want its calls".into(),
            until: Some("Mon 2026-11-23 14:00 UTC".into()),
            calls_today: 12,
            calls_today_max: Some(50),
            day_of_use: Some(2),
            calls: 100,
            answered_percent: Some(12.5),
            ..CallerIdNumber::default()
        };
        let pool = CallerIdPoolStatus { name: "us".into(), strategy: "local".into(), numbers: vec![number] };
        let text = describe(&[pool]);
        for words in [
            "pool us (local): 1 numbers",
            "12 of 50",
            "12.5 %",
            "Washington, LOA 17",
            "until Mon 2026-11-23 14:00 UTC: 3 callees did not want its calls",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }
}
