//! The command line: one file a command.
//!
//! What people read goes to standard output, logs and progress go to standard error, and `--json` makes standard output one
//! for programs. The exit status is 0 for success, 1 when the thing asked for went wrong, 2 for a command line that is not
//! understood, 3 for a configuration that is faulty.

mod agent;
mod backup;
mod call;
mod caller_ids;
mod campaign;
mod check;
pub mod classify;
pub mod corpus;
mod demo;
pub mod demo_carrier;
mod detection;
mod dry_run;
pub mod engine;
mod erase;
pub mod evaluate;
mod explain;
pub mod export;
mod failure;
mod import;
mod label;
mod load;
mod log;
mod measures;
mod output;
pub mod parse;
mod preflight;
mod recording;
mod recycle;
mod rules;
mod run;
mod simulate;
mod trace;
pub mod train;
mod vicidial;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

pub use failure::Failure;

/// Outdial: a native outbound dialer engine.
#[derive(Parser, Debug)]
#[command(
    name = "outdial",
    version,
    about = "Outdial dials lists of numbers over SIP, hears who picked up, and acts on it",
    long_about = "Outdial dials lists of numbers over SIP, hears who picked up (answering-machine detection), leaves \
                  voicemails after the beep and bridges people to agents.\n\n\
                  See it work first, with nothing else installed:   outdial demo\n\
                  Then with your own trunk:                         outdial check --config outdial.toml\n\
                  \u{20}                                                 outdial call +12025550101 --config outdial.toml\n\
                  \u{20}                                                 outdial run --config outdial.toml",
    after_help = "Exit status: 0 success, 1 it went wrong, 2 the command line is not understood, 3 the configuration is \
                  faulty.\nLogging: OUTDIAL_LOG=debug (error, warn, info, debug, or per module as in outdial::sip=debug)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the engine until stopped: SIGTERM drains, SIGHUP reloads
    Run(run::RunArgs),
    /// Validate configuration, files, ports and trunks without dialing anyone
    Check(check::CheckArgs),
    /// Place one test call and show it live
    Call(call::CallArgs),
    /// Judge recorded audio with the live detector
    Classify(classify::ClassifyArgs),
    /// Measure the detector on labelled recordings
    Evaluate(evaluate::EvaluateArgs),
    /// Make a model for the detector from labelled recordings
    Train(train::TrainArgs),
    /// Make labelled telephone audio from a recipe, to measure and train the detector with
    Corpus(corpus::CorpusArgs),
    /// Say who really answered a call, for accuracy on one's own calls
    Label(label::LabelArgs),
    /// Play days of a call centre in numbers: laws of dialing and group sizes beside each other
    Simulate(simulate::SimulateArgs),
    /// Write contacts, attempts or call records as CSV or JSON lines, or labelled calls as a corpus
    Export(export::Args),
    /// Bring contact lists into a campaign: CSV, TSV, JSON lines, packed or not
    Import(import::ImportArgs),
    /// Bring leads, statuses, do-not-call numbers and recycle rules over from VICIdial
    ImportVicidial(vicidial::VicidialArgs),
    /// Show how far each list has been dialed
    Lists(recycle::ListsArgs),
    /// Have a contact called at a promised time, by a certain agent if asked
    Callback(recycle::CallbackArgs),
    /// Dial contacts again that ended with certain outcomes
    Recycle(recycle::RecycleArgs),
    /// Copy the database while the engine runs
    Backup(backup::BackupArgs),
    /// Put a copy of the database back
    Restore(backup::RestoreArgs),
    /// Forget a person: what names them goes, and no list brings them back
    Erase(erase::EraseArgs),
    /// Forget call records and contacts that are older than the configuration allows
    Retention(erase::RetentionArgs),
    /// Show what a running engine is doing
    Status(campaign::StatusArgs),
    /// Say why a campaign or a contact is not dialed, or why a number was called
    Explain(explain::ExplainArgs),
    /// Show the pools of caller ids: caps, rests, and how each number fares
    CallerIds(caller_ids::CallerIdsArgs),
    /// Start, pause, resume or stop a campaign of a running engine
    Campaign(campaign::CampaignArgs),
    /// Show the agents of a running engine, and say for one of them: ready, break, away, offline, accept, skip
    Agent(agent::AgentArgs),
    /// Show calls of a running engine as they look on the wire: ladder, capture files, Homer
    Trace(trace::TraceArgs),
    /// Pause the recording of a call in a running engine, or go on with it
    Recording(recording::RecordingArgs),
    /// Switch all dialing of a running engine off, or on again
    Dialing(campaign::DialingArgs),
    /// Tell how many of a list would be skipped now, and why
    Preflight(preflight::PreflightArgs),
    /// Show the rule packs, and which rules apply to a number at a time
    Rules(rules::RulesArgs),
    /// Put a number on a running engine's do-not-call list
    Suppress(campaign::SuppressArgs),
    /// Show how SIP messages in files are judged: accepted or refused, why, and what is answered
    Parse(parse::ParseArgs),
    /// Watch a whole campaign against a simulated carrier on this machine
    Demo(demo::DemoArgs),
    /// Measure how many calls this machine carries, and what each costs
    Load(load::LoadArgs),
}

/// The configuration file, as every command takes it.
#[derive(clap::Args, Clone, Debug)]
pub struct ConfigArg {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "outdial.toml")]
    pub config: PathBuf,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Call(args) => call::run(args),
        Command::Classify(args) => return classify::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Train(args) => train::run(args),
        Command::Label(args) => label::run(args),
        Command::Corpus(args) => return corpus::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Export(args) => export(args),
        Command::Import(args) => import::run(args),
        Command::ImportVicidial(args) => vicidial::run(args),
        Command::Lists(args) => recycle::lists(args),
        Command::Callback(args) => recycle::callback(args),
        Command::Recycle(args) => recycle::recycle(args),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Erase(args) => erase::erase(args),
        Command::Retention(args) => erase::retention(args),
        Command::Status(args) => campaign::status(args),
        Command::Explain(args) => explain::run(args),
        Command::CallerIds(args) => caller_ids::run(args),
        Command::Campaign(args) => campaign::command(args),
        Command::Agent(args) => agent::run(args),
        Command::Trace(args) => trace::run(args),
        Command::Recording(args) => recording::run(args),
        Command::Suppress(args) => campaign::suppress(args),
        Command::Dialing(args) => campaign::dialing(args),
        Command::Preflight(args) => preflight::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Parse(args) => parse::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Load(args) => load::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn export(args: &export::Args) -> Result<(), Failure> {
    run::runtime()?
        .block_on(export::run(args))
        .map(|_rows| ())
        .map_err(|error| Failure::Failed(error.to_string()))
}
