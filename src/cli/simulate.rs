//! `outdial simulate`: the campaign's own code through whole days, in numbers.

use super::Failure;
use super::output;
use crate::campaign::pacing::Mode;
use crate::centre::day::play;
use crate::centre::page::page;
use crate::centre::report::{Cell, text};
use crate::centre::scenario::Scenario;
use crate::centre::tally::Tally;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

/// Play whole days of a call centre in numbers, with the campaign's own code on a virtual clock.
///
/// No SIP, no audio: callees answer, agents talk and wrap up as the scenario's distributions say. Without a scenario file
/// its defaults are played: 8 hours, 20 % people, 30 % machines, two minutes of talk, groups of 3 to 100 agents.
/// Times are drawn from the seeds 1, 2, 3 ...: the same scenario gives the same figures.
#[derive(Args, Debug)]
#[command(after_help = "Example of a scenario file; what is left out stands at its default:\n\n\
    name = \"Two groups, a bad noon\"\nagents = [10, 50]\nhours = 8.0\nseeds = 10\n\
    modes = [\"progressive\", \"power\", \"predictive\"]\n\n\
    [dialing]                       # as [campaign.dialing]\nratio = 2.0\nabandonment_target = 0.02\n\n\
    [[callees]]                     # the rest does not answer\nlive = 0.2\nmachine = 0.3\nfailed = 0.05\n\n\
    [[callees]]\nfrom_h = 4.0\nlive = 0.3\nmachine = 0.3\n\n\
    [work]\ntalk = { mean_s = 90.0, variation = 1.0 }\nbreak_every_min = 120.0\nbreak_min = 10.0\n\n\
    [[outages]]                     # every call fails\nfrom_h = 2.0\nto_h = 2.2")]
pub struct SimulateArgs {
    /// The scenario, TOML
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    /// Hold these laws beside each other, instead of those of the scenario
    #[arg(long, value_name = "LAW,...", value_delimiter = ',', value_parser = law)]
    compare: Vec<Mode>,
    /// Group sizes, instead of those of the scenario
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    agents: Vec<u32>,
    /// How many days, each from a seed of its own
    #[arg(long, value_name = "N")]
    seeds: Option<u32>,
    /// The share of abandoned people to aim at, such as 0.02
    #[arg(long, value_name = "SHARE")]
    target: Option<f64>,
    /// Draw the days into this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
}

fn law(word: &str) -> Result<Mode, String> {
    let dialing = Mode::ALL.into_iter().filter(|mode| mode.needs_agents());
    let words: Vec<&str> = dialing.clone().map(Mode::as_str).collect();
    dialing
        .into_iter()
        .find(|mode| mode.as_str() == word)
        .ok_or_else(|| format!("write one of {}", words.join(", ")))
}

#[derive(Serialize)]
struct Written<'a> {
    scenario: &'a str,
    hours: f64,
    results: &'a [Cell],
}

/// Plays the days and tells what came of them.
pub fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let scenario = scenario(args)?;
    let cells = cells(&scenario);
    if let Some(file) = &args.html {
        fs::write(file, page(&scenario.name, &cells))
            .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    }
    if std::env::var("DBG").is_ok() {
        for c in &cells {
            let v: Vec<String> =
                c.tally.slices.iter().step_by(2).map(|s| format!("{:.3}", s.threshold)).collect();
            eprintln!("{} {}", c.agents, v.join(" "));
        }
    }
    output::line(if args.json {
        let written = Written { scenario: &scenario.name, hours: scenario.hours, results: &cells };
        serde_json::to_string_pretty(&written).expect("plain strings and numbers can be written as JSON")
    } else {
        text(&scenario.name, &cells).trim_end().to_owned()
    });
    Ok(())
}

fn scenario(args: &SimulateArgs) -> Result<Scenario, Failure> {
    let place = args.scenario.as_ref().map_or("the command line".into(), |file| file.display().to_string());
    let unsound = |error: &dyn std::fmt::Display| Failure::Failed(format!("{place}: {error}"));
    let mut scenario = match &args.scenario {
        Some(file) => {
            let text = fs::read_to_string(file).map_err(|error| unsound(&error))?;
            Scenario::parse(&text).map_err(|error| unsound(&error))?
        }
        None => Scenario::default(),
    };
    if !args.compare.is_empty() {
        scenario.modes.clone_from(&args.compare);
    }
    if !args.agents.is_empty() {
        scenario.agents.clone_from(&args.agents);
    }
    scenario.seeds = args.seeds.unwrap_or(scenario.seeds);
    scenario.dialing.abandonment_target = args.target.unwrap_or(scenario.dialing.abandonment_target);
    scenario.checked().map_err(|error| unsound(&error))
}

/// Plays every law with every group size, the days shared out among as many threads as there are cores.
fn cells(scenario: &Scenario) -> Vec<Cell> {
    let cells: Vec<(Mode, u32)> = scenario
        .laws()
        .into_iter()
        .flat_map(|mode| scenario.agents.iter().map(move |agents| (mode, *agents)))
        .collect();
    let days: Vec<(usize, u64)> = (0..cells.len())
        .flat_map(|cell| (1..=u64::from(scenario.seeds)).map(move |seed| (cell, seed)))
        .collect();
    let bar = ProgressBar::new(days.len() as u64).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} days, {eta} left")
            .expect("the template can be read"),
    );
    let played: Mutex<Vec<Option<Tally>>> = Mutex::new(vec![None; days.len()]);
    let next = Mutex::new(0usize);
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let turn = {
                        let mut next = next.lock().expect("no worker panics");
                        *next += 1;
                        *next - 1
                    };
                    let Some((cell, seed)) = days.get(turn).copied() else { return };
                    let day = play(scenario, cells[cell].0, cells[cell].1, seed);
                    played.lock().expect("no worker panics")[turn] = Some(day);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    // Added up in the order of the seeds, so that the figures do not depend on which thread was faster.
    let mut sums = vec![Tally::default(); cells.len()];
    for ((cell, _), day) in days.iter().zip(played.into_inner().expect("no worker panics")) {
        sums[*cell].add(&day.expect("every day was played"));
    }
    cells.into_iter().zip(sums).map(|((mode, agents), tally)| Cell::new(mode, agents, tally)).collect()
}
