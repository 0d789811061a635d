//! `outdial explain`: why is it not dialing, and why was this number called?
//!
//! A running engine is asked through its control socket; what is past, and what the list holds, the database knows. Without an
//! engine the same rules are asked of the configuration and the database.

mod attempt;
mod campaign;
mod contact;

use crate::campaign::explain::hold::Hold;
use crate::campaign::explain::moment::Moment;
use crate::cli::{ConfigArg, Failure, output};
use crate::io::config::{self, CampaignSection, Config};
use crate::io::operator::{self, Reply, Wish};
use crate::store::{Reader, StoreError, Suppression};
use crate::time::WallTime;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::ErrorKind;

/// Arguments of `outdial explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    outdial explain campaign spring                   what holds it back, in order, with numbers and ends; its list\n  \
    outdial explain contact spring +12025550101       every rule about one contact, and its calls\n  \
    outdial explain contact spring 17                 the same, by the contact's row\n  \
    outdial explain attempt 0199c1a4-...              why a number was called: by attempt or Call-ID\n\n\
    Times are shown on the callee's or the campaign's clock and in UTC. --json gives the same as data.")]
pub struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Why a campaign is not dialing
    Campaign {
        /// The campaign's name
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Why a contact is dialed, or not, at this moment
    Contact {
        /// The campaign's name
        campaign: String,
        /// The contact's number or its row
        contact: String,
        #[command(flatten)]
        common: Common,
    },
    /// Why a number was called
    Attempt {
        /// The attempt's id or a Call-ID, as `outdial export calls` shows them
        call: String,
        #[command(flatten)]
        common: Common,
    },
}

/// What every explanation takes.
#[derive(Args, Clone, Debug)]
struct Common {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Explains.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    match &args.what {
        What::Campaign { name, common } => campaign::explain(name, common),
        What::Contact { campaign, contact, common } => contact::explain(campaign, contact, common),
        What::Attempt { call, common } => attempt::explain(call, common),
    }
}

impl Common {
    fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config.config).map_err(|faults| Failure::faults(&self.config.config, faults))
    }

    /// Asks the engine; nothing when none runs.
    fn ask(&self, wish: &Wish) -> Result<Option<Reply>, Failure> {
        let path = &self.config.config;
        let socket = config::control_socket(path).map_err(|faults| Failure::faults(path, faults))?;
        match operator::ask(&socket, wish) {
            Ok(Reply::Error(text)) => Err(Failure::Failed(text)),
            Ok(reply) => Ok(Some(reply)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Prints it, for programs or for people.
    fn print(&self, explained: &impl Serialize, text: String) {
        if self.json {
            output::line(serde_json::to_string(explained).expect("an explanation is plain data"));
        } else {
            output::text(text);
        }
    }
}

async fn open(config: &Config) -> Result<Reader, Failure> {
    Reader::open(&config.engine.database).await.map_err(of_store)
}

fn of_store(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}

fn section<'c>(config: &'c Config, name: &str) -> Option<&'c CampaignSection> {
    config.campaigns.iter().find(|section| section.rules.name == name)
}

/// The campaign must be configured for its rules to be asked.
fn section_or_fail<'c>(config: &'c Config, name: &str) -> Result<&'c CampaignSection, Failure> {
    section(config, name).ok_or_else(|| {
        let names: Vec<&str> = config.campaigns.iter().map(|section| section.rules.name.as_str()).collect();
        Failure::Failed(format!("no campaign is called {name:?}; there are: {}", names.join(", ")))
    })
}

fn no_engine() -> Hold {
    Hold::new("no_engine", "no engine runs: `outdial run` starts it")
}

/// The holds as lines, the first of them foremost.
fn hold_lines(holds: &[Hold], indent: &str) -> String {
    let word = |place: usize| if place == 0 { "not dialing:" } else { "and:" };
    holds.iter().enumerate().map(|(place, hold)| format!("{indent}{} {}\n", word(place), hold.text)).collect()
}

/// Which list, and since when.
fn listed_words(listed: &Suppression) -> String {
    format!("on the do-not-call list since {} (source: {})", Moment::utc(listed.at), listed.source)
}

fn utc(at: WallTime) -> String {
    Moment::utc(at).to_string()
}
