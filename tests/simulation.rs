//! Simulated hours: the real engine against a phone network in memory, two hundred seeds, all checks after every step.
//!
//! To live one hour again and see its journal: `SIMULATION_SEEDS=17 cargo test --test simulation -- --nocapture`; a range is
//! written `0..1000`.

use outdial::sim::world::{Coverage, Failure, World, voices::Voices};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The hours of an ordinary test run.
const SEEDS: Range<u64> = 0..200;

/// The most failures that are printed.
const PRINTED_MAX: usize = 3;

/// What must really have happened, somewhere in the two hundred hours: a check that was never tried proves nothing.
const MUST_HAPPEN: &[&str] = &[
    "sip packets lost",
    "sip packets doubled",
    "sip packets overtaken",
    "media packets lost",
    "media packets doubled",
    "media packets overtaken",
    "outages of a wire",
    "crashes",
    "attempts that a crash cut off",
    "calls that a crash left",
    "retransmissions",
    "answers",
    "answers repeated",
    "bridges",
    "bridges heard both ways",
    "whispers",
    "messages heard",
    "failovers",
    "holds",
    "re-INVITEs answered",
    "challenges",
    "registrations",
    "pings",
    "frames recorded",
    "stalls of the store",
    "store fails",
    "store refuses: the disk is full",
    "operator pauses",
    "operator resumes",
    "operator stops",
    "operator starts",
    "operator suppresses",
    "contact: done",
    "contact: pending",
    "contact: suppressed",
    "outcome: bridged",
    "outcome: message_played",
    "outcome: abandoned",
    "outcome: hung_up_early",
    "outcome: opted_out",
    "outcome: voicemail_left",
    "outcome: machine",
    "outcome: fax",
    "outcome: silence",
    "outcome: no_answer",
    "outcome: busy",
    "outcome: declined",
    "outcome: invalid_number",
    "outcome: congestion",
    "outcome: canceled",
    "outcome: interrupted",
    "fault: 503 with Retry-After",
    "fault: redirect",
    "fault: silence",
    "fault: forked answer",
    "fault: repeated 2xx",
    "fault: 200 crossing CANCEL",
    "fault: BYE crossing BYE",
    "fault: lost BYE answers",
    "fault: hold and resume",
];

#[test]
fn two_hundred_hours_keep_every_rule() {
    let chosen = chosen_seeds();
    if let Some(range) = chosen.clone().filter(|range| range.end == range.start + 1) {
        match World::run(range.start, &Voices::load()) {
            Ok(report) => println!("{}", report.journal),
            Err(failure) => println!("{failure}"),
        }
    }
    let (coverage, failures) = live(chosen.clone().unwrap_or(SEEDS));
    println!("{coverage}");
    let printed: String = failures.iter().take(PRINTED_MAX).map(|failure| format!("\n{failure}")).collect();
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    assert!(failures.is_empty(), "{} hours broke a rule, of the seeds {seeds:?}{printed}", failures.len());
    if chosen.is_none() {
        let missing: Vec<_> = MUST_HAPPEN.iter().filter(|name| coverage.count(name) == 0).collect();
        assert!(missing.is_empty(), "these never happened: {missing:?}");
    }
}

#[test]
fn one_seed_gives_one_journal_byte_for_byte() {
    let voices = Voices::load();
    for seed in [3, 4] {
        let journals = [(); 2].map(|()| match World::run(seed, &voices) {
            Ok(report) => report.journal,
            Err(failure) => panic!("{failure}"),
        });
        assert!(journals[0].lines().count() > 20, "seed {seed} tells nothing");
        assert_eq!(journals[0], journals[1], "seed {seed}");
    }
}

fn chosen_seeds() -> Option<Range<u64>> {
    let text = std::env::var("SIMULATION_SEEDS").ok()?;
    let number = |text: &str| {
        text.trim().parse::<u64>().expect("SIMULATION_SEEDS is a number or a range such as 0..9")
    };
    Some(match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    })
}

/// Lives the hours on two cores.
fn live(seeds: Range<u64>) -> (Coverage, Vec<Failure>) {
    let voices = Voices::load();
    let next = AtomicU64::new(seeds.start);
    let results = Mutex::new((Coverage::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = World::run(seed, &voices);
                    let mut results = results.lock().expect("no thread panics while it holds the results");
                    match outcome {
                        Ok(report) => results.0.merge(&report.coverage),
                        Err(failure) => results.1.push(*failure),
                    }
                }
            });
        }
    });
    let (coverage, mut failures) = results.into_inner().expect("no thread panics while it holds the results");
    failures.sort_by_key(|failure| failure.seed);
    (coverage, failures)
}
