//! `outdial simulate`: the campaign's own code through whole days, in numbers.

use super::Failure;
use super::output;
use crate::campaign::pacing::Mode;
use crate::centre::day::{Plan, play, play_traced};
use crate::centre::moment::Moment;
use crate::centre::page::page;
use crate::centre::report::{Cell, compare, text};
use crate::centre::scenario::Scenario;
use crate::centre::survey::Survey;
use crate::centre::tally::Tally;
use crate::centre::variety::{Course, DAYS_EACH};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    [[callees]]\nfrom_h = 4.0\nlive = 0.3\nmachine = 0.3\nring = 1.2                      # phones ring so much longer\n\n\
    [work]\ntalk = { mean_s = 90.0, variation = 1.0 }\nbreak_every_min = 120.0\nbreak_min = 10.0\n\n\
    [[outages]]                     # every call fails; with takes_none = true none can leave\nfrom_h = 2.0\nto_h = 2.2\n\n\
    [trunks]\nlines_max = 200                 # those with agents among them\ncalls_per_second_max = 10.0\n\n\
    [[shifts]]                      # agents on duty; the last shift has those who are left\nshare = 0.6\nfrom_h = 0.0\n\
    to_h = 6.0\n\n\
    [list]                          # else it never ends, and everybody is tried once\nopted_out = 0.02                # before their \
    call, and as many while they wait for it\ndoubled = 0.01                  # numbers that come twice\n\
    tries_again = true\nopens_min = 10                  # no call before 9:10 ...\ncloses_min = 420                # ... nor from \
    16:00 on")]
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
    /// Instead of a scenario: so many days of campaigns that differ in everything (law, 3 to 100 agents, answer rates by the
    /// hour, breaks, shifts, outages, errors of the detector, opt-outs, numbers that come twice), held against their caps, their hours, the
    /// do-not-call list and their abandonment limits
    #[arg(long, value_name = "N", conflicts_with_all = ["scenario", "compare", "agents", "seeds", "target", "html", "trace"],
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    days: Option<u32>,
    /// The share of abandoned people to aim at, such as 0.02
    #[arg(long, value_name = "SHARE")]
    target: Option<f64>,
    /// Draw the days into this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write what the pacer saw and decided into this file (CSV, a line each half second); of the first law and the first
    /// group size, on the day of --seed
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The day of --trace
    #[arg(long, value_name = "N", default_value_t = 1, requires = "trace")]
    seed: u64,
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
    if let Some(days) = args.days {
        return run_variety(days, args.json);
    }
    let scenario = scenario(args)?;
    if let Some(file) = &args.trace {
        return write(file, &trace(&scenario, args.seed));
    }
    let cells = cells(&scenario);
    if let Some(file) = &args.html {
        write(file, &page(&scenario.name, &cells))?;
    }
    output::line(if args.json {
        let written = Written { scenario: &scenario.name, hours: scenario.hours, results: &cells };
        serde_json::to_string_pretty(&written).expect("plain strings and numbers can be written as JSON")
    } else {
        text(&scenario.name, &cells).trim_end().to_owned()
    });
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}

/// One day, told moment by moment. The same seed is the same day.
fn trace(scenario: &Scenario, seed: u64) -> String {
    let (mode, agents) = (scenario.laws()[0], scenario.agents[0]);
    let (_, moments) = play_traced(scenario, Plan { mode, agents, seed, day: 0, past: &[] });
    let mut text = format!("{}\n", Moment::HEAD);
    moments.iter().for_each(|moment| text.push_str(&format!("{moment}\n")));
    text
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

/// Plays campaigns that differ in everything; what exceeds a cap or a limit is a failure.
fn run_variety(days: u32, as_json: bool) -> Result<(), Failure> {
    let courses = days.div_ceil(DAYS_EACH);
    let bar = bar(u64::from(days));
    let played = in_parallel(courses as usize, |turn| {
        let mut course = Course::new(turn as u64 + 1);
        for _ in 0..DAYS_EACH.min(days - turn as u32 * DAYS_EACH) {
            course.play_day();
            bar.inc(1);
        }
        course
    });
    bar.finish_and_clear();
    let survey = Survey::new(&played);
    output::line(if as_json {
        serde_json::to_string_pretty(&survey).expect("plain strings and numbers can be written as JSON")
    } else {
        survey.to_string()
    });
    if survey.holds() { Ok(()) } else { Err(Failure::Failed("a cap or a limit was exceeded".into())) }
}

fn bar(days: u64) -> ProgressBar {
    ProgressBar::new(days).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} days, {eta} left")
            .expect("the template can be read"),
    )
}

/// What `play` makes of 0, 1, 2 ..., in that order, by as many threads as there are cores.
fn in_parallel<T: Send>(turns: usize, play: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let played: Mutex<Vec<Option<T>>> = Mutex::new((0..turns).map(|_| None).collect());
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= turns {
                        return;
                    }
                    let result = play(turn);
                    played.lock().expect("no worker panics")[turn] = Some(result);
                }
            });
        }
    });
    let played = played.into_inner().expect("no worker panics");
    played.into_iter().map(|result| result.expect("every turn was played")).collect()
}

/// Plays every law with every group size.
fn cells(scenario: &Scenario) -> Vec<Cell> {
    let cells: Vec<(Mode, u32)> = scenario
        .laws()
        .into_iter()
        .flat_map(|mode| scenario.agents.iter().map(move |agents| (mode, *agents)))
        .collect();
    let days: Vec<(usize, u64)> = (0..cells.len())
        .flat_map(|cell| (1..=u64::from(scenario.seeds)).map(move |seed| (cell, seed)))
        .collect();
    let bar = bar(days.len() as u64);
    let played = in_parallel(days.len(), |turn| {
        let (cell, seed) = days[turn];
        let day = play(scenario, cells[cell].0, cells[cell].1, seed);
        bar.inc(1);
        day
    });
    bar.finish_and_clear();
    // Added up in the order of the seeds, so that the figures do not depend on which thread was faster.
    let mut sums = vec![Tally::default(); cells.len()];
    for ((cell, _), day) in days.iter().zip(played) {
        sums[*cell].add(&day);
    }
    let mut cells: Vec<Cell> =
        cells.into_iter().zip(sums).map(|((mode, agents), tally)| Cell::new(mode, agents, tally)).collect();
    compare(&mut cells);
    cells
}
