//! Plays a machine's transcript and compares what it does, times included.
//!
//! Lines are `time mark words`. `<` comes from the wire and `*` from the user: both are played. `>` goes to the wire and
//! `!` to the user: both are compared. Timers that are due by a played line's time fire before it.

use std::time::Duration;

use super::Action;
use crate::time::Instant;

/// A machine under test; it writes its actions as lines without their time.
pub(crate) trait Machine {
    fn play(&mut self, now: Instant, word: &str, out: &mut Vec<String>);
    fn handle_timeout(&mut self, now: Instant, out: &mut Vec<String>);
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Starts a machine at time zero, plays `script` through it and then waits for all its timers.
pub(crate) fn check<M: Machine>(script: &str, start: impl FnOnce(Instant, &mut Vec<String>) -> M) -> M {
    let mut seen = Vec::new();
    let mut out = Vec::new();
    let mut machine = start(Instant::ZERO, &mut out);
    note(&mut seen, Instant::ZERO, &mut out);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, event) = line.split_once(' ').expect("a time before the event");
        let Some(word) = event.strip_prefix("< ").or(event.strip_prefix("* ")) else { continue };
        let at = Instant::from_start(Duration::from_secs_f64(time.parse().expect("seconds")));
        wake(&mut machine, &mut seen, Some(at));
        seen.push(format!("{} {event}", show(at)));
        machine.play(at, word, &mut out);
        note(&mut seen, at, &mut out);
    }
    wake(&mut machine, &mut seen, None);
    let expected: Vec<_> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(expected.join("\n"), seen.join("\n"), "left: the script, right: what happened");
    machine
}

/// How `action` reads, for a machine that keeps the message `kept` and was given `word`.
pub(crate) fn line(action: Action, kept: &str, word: &str) -> String {
    match action {
        Action::Transmit => format!("> {kept}"),
        Action::Acknowledge => "> ACK".to_string(),
        Action::Deliver => format!("! {word}"),
        Action::TimedOut => "! timed out".to_string(),
        Action::TransportFailed => "! transport failed".to_string(),
        Action::Terminated => "! terminated".to_string(),
    }
}

fn wake<M: Machine>(machine: &mut M, seen: &mut Vec<String>, until: Option<Instant>) {
    let mut out = Vec::new();
    while let Some(due) = machine.poll_timeout().filter(|due| until.is_none_or(|until| *due <= until)) {
        machine.handle_timeout(due, &mut out);
        note(seen, due, &mut out);
        assert!(seen.len() < 1_000, "the machine never comes to rest: {seen:?}");
    }
}

fn note(seen: &mut Vec<String>, at: Instant, out: &mut Vec<String>) {
    seen.extend(out.drain(..).map(|line| format!("{} {line}", show(at))));
}

fn show(at: Instant) -> String {
    format!("{:.3}", at.since_start().as_secs_f64())
}
