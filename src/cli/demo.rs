//! `outdial demo`: a whole campaign against a simulated carrier on this machine.
//!
//! The carrier runs on a thread of its own and is reached over real UDP sockets on loopback, as any carrier would be;
//! the engine does not know that it is simulated. The configuration, the list and the prompts are written to a folder
//! first, so that what is seen here is what `outdial run` does with them.

mod report;
mod setup;

use crate::call::step::Step;
use crate::cli::Failure;
use crate::cli::demo_carrier::Runner;
use crate::cli::log::{self, LogFormat};
use crate::cli::output;
use crate::cli::run::runtime;
use crate::engine::journal::Event;
use crate::io::config::Config;
use crate::io::control::{Onlooker, Seen};
use crate::io::entropy;
use crate::io::launch::{self, Launch};
use crate::sim::ledger::Ledger;
use crate::sim::scenario::{self, Scenario};
use crate::store::Reader;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use report::Report;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// RTP lines of the carrier: every callee and both agents at once would still fit.
const CARRIER_LINES: usize = 48;

/// How long the carrier goes on after the last call, to hear the last words.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Arguments of `outdial demo`.
#[derive(Args, Debug)]
#[command(
    after_help = "Nothing leaves this machine: the carrier, its sixty callees and its two agents are simulated, the SIP and RTP \
                  between are real and can be captured on the loopback interface.\nExit status: 0 when every contact \
                  came to its end and every check of the table held, else 1."
)]
pub struct DemoArgs {
    /// Where configuration, list, prompts, database and recordings go [default: a new folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
}

/// Runs the demo.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let _logging = log::start(LogFormat::Text, "error");
    let scenario = scenario::demo();
    let folder = setup::folder(args.folder.as_deref())?;
    let started = std::time::Instant::now();
    let carrier = Runner::start(started, CARRIER_LINES, entropy::rng()?, |address, ports| {
        scenario.carrier(address, ports)
    })?;
    let path = setup::write(&folder, &scenario, carrier.address())?;
    if !args.json {
        eprintln!(
            "A simulated carrier answers on {}. Dialing {} contacts.",
            carrier.address(),
            scenario.contacts.len()
        );
    }
    let config = Config::load(&path).map_err(|faults| Failure::faults(&path, faults))?;
    let database = config.engine.database.clone();
    let told = Rc::new(RefCell::new(Told::default()));
    let display = Display::new(args, &scenario, Rc::clone(&told));
    let counts = runtime()?.block_on(dial(config, &path, display, &database))?;
    std::thread::sleep(LAST_WORDS);
    let ledger: Ledger = carrier.finish();
    let report = Report::new(&scenario, &ledger, &told.borrow(), &counts, started.elapsed());
    if args.json {
        output::line(report.json(&folder));
    } else {
        output::text(report.table());
        output::text(setup::what_next(&folder, &path));
    }
    if report.holds() { Ok(()) } else { Err(Failure::Said) }
}

async fn dial(
    config: Config,
    path: &std::path::Path,
    display: Display,
    database: &crate::store::Location,
) -> Result<crate::store::Counts, Failure> {
    let launch = Launch { until_completed: true, open_door: true, watch: false };
    let bar = display.bar.clone();
    let mut launched = launch::launch(config, &launch, display.onlooker())
        .await
        .map_err(|faults| Failure::faults(path, faults))?;
    launched.control.run().await?;
    launched.finish().await.map_err(Failure::Failed)?;
    bar.finish_and_clear();
    let counts = async { Reader::open(database).await?.counts(setup::CAMPAIGN).await };
    counts.await.map_err(|error| Failure::Failed(error.to_string()))
}

/// What the engine said of each number.
#[derive(Default, Debug)]
struct Told {
    /// The verdict's word by number.
    verdicts: BTreeMap<String, &'static str>,
    /// How the attempt ended.
    ends: BTreeMap<String, crate::disposition::Disposition>,
    /// Attempts that ended, to notice a second one on a number.
    ended: usize,
}

/// The progress display.
struct Display {
    bar: ProgressBar,
    told: Rc<RefCell<Told>>,
}

impl Display {
    fn new(args: &DemoArgs, scenario: &Scenario, told: Rc<RefCell<Told>>) -> Self {
        let bar =
            if args.json { ProgressBar::hidden() } else { ProgressBar::new(scenario.contacts.len() as u64) };
        let template = "{elapsed_precise} [{bar:40}] {pos}/{len} {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).expect("a fixed template").progress_chars("=> "),
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        Display { bar, told }
    }

    fn onlooker(self) -> Onlooker {
        Box::new(move |seen| {
            let Seen::Journal(entry) = seen else { return };
            let Event::Attempt { number, step, .. } = &entry.event else { return };
            let mut told = self.told.borrow_mut();
            match step {
                Step::Judged(verdict) => {
                    told.verdicts.insert(number.to_string(), verdict.class.as_str());
                }
                Step::Revised(verdict) => {
                    told.verdicts.insert(number.to_string(), verdict.class.as_str());
                }
                Step::Ended { disposition, .. } => {
                    told.ends.insert(number.to_string(), *disposition);
                    told.ended += 1;
                    self.bar.set_position(told.ended as u64);
                }
                _ => {}
            }
            self.bar.set_message(format!("{} {step}", number.masked()));
        })
    }
}
