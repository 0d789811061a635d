//! `outdial label`: a person's word on who answered a call. A running engine takes it through its control socket; without
//! one it goes straight into the database.

use crate::cli::{ConfigArg, Failure, output, run};
use crate::evaluation::share::Share;
use crate::evaluation::text::percent;
use crate::io::config::{self, Config};
use crate::io::labels::unknown_call;
use crate::io::operator::{self, Reply, Wish};
use crate::record::{Answer, CallLabel, LabelRecord, Request};
use crate::store::{Location, Store, StoreError, Tally};
use crate::time::WallTime;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::SystemTime;

/// Arguments of `outdial label`.
#[derive(Args, Debug)]
pub struct LabelArgs {
    /// The attempt's id or a Call-ID, as `outdial export calls` shows them
    call: String,
    /// Who answered: human, machine, fax, tone, screening, ivr, music, silence, other
    #[arg(value_name = "LABEL")]
    label: CallLabel,
    /// Who says so
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// Keeps the label.
pub fn run(args: &LabelArgs) -> Result<(), Failure> {
    let path = &args.config.config;
    let label = args.label.as_str();
    let record = LabelRecord::new(&args.call, label, &args.by, now()).map_err(Failure::Failed)?;
    let socket = config::control_socket(path).map_err(|faults| Failure::faults(path, faults))?;
    let wish = Wish::Label { call: record.call.clone(), label: label.to_owned(), by: record.by.clone() };
    match operator::ask(&socket, &wish) {
        Ok(Reply::Error(text)) => return Err(Failure::Failed(text)),
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            let config = Config::load(path).map_err(|faults| Failure::faults(path, faults))?;
            run::runtime()?.block_on(keep(&config.engine.database, record))?;
        }
        Err(error) => return Err(error.into()),
    }
    output::line(format_args!("{} was answered by: {label}", args.call));
    Ok(())
}

/// Straight into the database of an engine that does not run.
async fn keep(database: &Location, record: LabelRecord) -> Result<(), Failure> {
    let failed = |error: StoreError| Failure::Failed(error.to_string());
    if let Some(file) = database.file()
        && !file.exists()
    {
        return Err(failed(StoreError::Missing(file.to_owned())));
    }
    let mut store = Store::open(database).await.map_err(failed)?;
    let answer = store.handle(Request::Label { ticket: 0, record }).await;
    store.close().await.map_err(failed)?;
    match answer {
        Some(Answer::Labelled { attempt: Some(_), .. }) => Ok(()),
        Some(Answer::Failed { error, .. }) => Err(Failure::Failed(error)),
        _ => Err(Failure::Failed(unknown_call())),
    }
}

fn now() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What labels say about a campaign's verdicts.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Review {
    /// The campaign's name.
    pub campaign: String,
    /// Labelled calls.
    pub labelled: u64,
    /// Of the people among them, those whose last verdict was a machine.
    pub people_called_machine: Share,
    /// Of the machines among them, those whose last verdict was a machine.
    pub machines_found: Share,
    /// Of the labelled calls that were judged a machine, those that were people.
    pub machine_verdicts_wrong: Share,
    /// All calls that were judged a machine, labelled or not.
    pub machine_verdicts: u64,
    /// People who were called a machine among all those, if the labelled ones are a fair sample of them.
    pub people_lost_estimate: Option<f64>,
}

/// By campaign; campaigns without any label are left out.
pub fn review(tallies: &[Tally]) -> Vec<Review> {
    let mut campaigns: BTreeMap<&str, Vec<&Tally>> = BTreeMap::new();
    for tally in tallies {
        campaigns.entry(&tally.campaign).or_default().push(tally);
    }
    let reviews = campaigns.into_iter().map(|(campaign, tallies)| {
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(|tally| of(tally)).sum::<u64>();
        let machine = tallies.iter().find(|tally| tally.verdict == "machine");
        let judged = |of: fn(&Tally) -> u64| machine.map_or(0, |tally| of(tally));
        let wrong = Share { hits: judged(|t| t.humans), of: judged(|t| t.labelled) };
        let machine_verdicts = judged(|t| t.calls);
        Review {
            campaign: campaign.to_owned(),
            labelled: sum(|t| t.labelled),
            people_called_machine: Share { hits: judged(|t| t.humans), of: sum(|t| t.humans) },
            machines_found: Share { hits: judged(|t| t.machines), of: sum(|t| t.machines) },
            machine_verdicts_wrong: wrong,
            machine_verdicts,
            people_lost_estimate: wrong.value().map(|share| share * machine_verdicts as f64),
        }
    });
    reviews.filter(|review| review.labelled > 0).collect()
}

/// For people.
pub fn describe(reviews: &[Review]) -> String {
    let mut text = String::new();
    for review in reviews {
        text += &format!("labels   {:16} {} calls labelled\n", review.campaign, review.labelled);
        for (name, share) in [
            ("people called a machine", review.people_called_machine),
            ("machines found", review.machines_found),
            ("wrong among the verdicts of machine", review.machine_verdicts_wrong),
        ] {
            if share.of > 0 {
                text += &format!("  {name:36} {} of {}: {}\n", share.hits, share.of, percent(&share));
            }
        }
        if let Some(people) = review.people_lost_estimate {
            text += &format!(
                "  if these are a fair sample, about {people:.1} people are among all {} verdicts of machine\n",
                review.machine_verdicts
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(campaign: &str, verdict: &str, calls: u64, humans: u64, machines: u64) -> Tally {
        let (campaign, verdict) = (campaign.to_owned(), verdict.to_owned());
        Tally { campaign, verdict, calls, labelled: humans + machines, humans, machines }
    }

    #[test]
    fn labels_are_held_against_the_last_verdict() {
        let reviews = review(&[
            tally("autumn", "machine", 10, 0, 0),
            tally("spring", "human", 300, 48, 2),
            tally("spring", "machine", 500, 2, 98),
            tally("spring", "unsure", 7, 0, 0),
        ]);
        assert_eq!(reviews.len(), 1, "{reviews:?}");
        let spring = &reviews[0];
        assert_eq!((spring.labelled, spring.machine_verdicts), (150, 500));
        assert_eq!(spring.people_called_machine, Share { hits: 2, of: 50 });
        assert_eq!(spring.machines_found, Share { hits: 98, of: 100 });
        assert_eq!(spring.machine_verdicts_wrong, Share { hits: 2, of: 100 });
        assert_eq!(spring.people_lost_estimate, Some(10.0));
        let text = describe(&reviews);
        assert!(text.contains("about 10.0 people are among all 500"), "{text}");
        assert!(text.contains("2 of 50"), "{text}");
    }

    #[test]
    fn without_labels_there_is_nothing_to_say() {
        assert_eq!(describe(&review(&[tally("spring", "human", 3, 0, 0)])), "");
    }

    #[tokio::test]
    async fn a_missing_database_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("outdial.db");
        let record = LabelRecord::new("x", "human", "ann", now()).unwrap();
        assert!(keep(&Location::from(&database), record).await.is_err());
        assert!(!database.exists());
    }
}
