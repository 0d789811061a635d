//! The demo's table: what each callee really was, against what the engine made of it.

use super::Told;
use crate::disposition::Disposition;
use crate::sim::ledger::{Entry, Ledger, Role};
use crate::sim::scenario::Scenario;
use crate::store::Counts;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// A message that starts later than this after the beep is late.
const AFTER_BEEP_MS_MAX: i64 = 300;

/// A message of which less was heard is not whole: a block may be damaged by the jitter of a busy machine.
const WHOLE_SHARE: f64 = 0.97;

/// What the demo came to.
#[derive(Debug)]
pub struct Report {
    kinds: BTreeMap<&'static str, Kind>,
    checks: Vec<Check>,
    beep_delays_ms: Vec<i64>,
    took: Duration,
}

/// All callees of one kind.
#[derive(Debug, Default)]
struct Kind {
    contacts: usize,
    right: usize,
    outcomes: BTreeMap<String, usize>,
}

/// One promise and whether it was kept.
#[derive(Debug)]
struct Check {
    kept: bool,
    text: String,
}

impl Report {
    /// Compares.
    pub fn new(scenario: &Scenario, ledger: &Ledger, told: &Told, counts: &Counts, took: Duration) -> Report {
        let mut report =
            Report { kinds: BTreeMap::new(), checks: Vec::new(), beep_delays_ms: Vec::new(), took };
        for (number, subscriber) in &scenario.callees {
            let word = subscriber.callee.word();
            let kind = report.kinds.entry(word).or_default();
            kind.contacts += 1;
            let end = told.ends.get(number).copied();
            let verdict = told.verdicts.get(number).copied().unwrap_or("");
            let outcome = match (verdict, end) {
                (_, None) => "never dialed".to_owned(),
                ("", Some(end)) => end.to_string(),
                (verdict, Some(end)) if verdict == end.as_str() => verdict.to_owned(),
                (verdict, Some(end)) => format!("{verdict}, {end}"),
            };
            kind.right += usize::from(end.is_some_and(|end| is_right(word, verdict, end)));
            *kind.outcomes.entry(outcome).or_default() += 1;
        }
        report.check_contacts(scenario, told, counts);
        report.check_signalling(ledger);
        report.check_messages(ledger);
        report.check_bridges(ledger, told);
        report
    }

    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.kept)
    }

    fn check(&mut self, kept: bool, text: String) {
        self.checks.push(Check { kept, text });
    }

    fn check_contacts(&mut self, scenario: &Scenario, told: &Told, counts: &Counts) {
        let all = scenario.contacts.len();
        let done = counts.done as usize;
        self.check(
            done == all && counts.contacts() as usize == all,
            format!("{done} of {all} contacts are in exactly one final state"),
        );
        let records: u64 = counts.dispositions.values().sum();
        self.check(
            records as usize == told.ended && told.ended == all,
            format!("{records} call records for {} attempts", told.ended),
        );
    }

    fn check_signalling(&mut self, ledger: &Ledger) {
        let entries = ledger.entries();
        let answered = entries.iter().filter(|entry| entry.answered_at.is_some());
        let deaf = answered.clone().filter(|entry| entry.acknowledged_at.is_none()).count();
        self.check(deaf == 0, format!("{} answers, each acknowledged", answered.count()));
        let open = ledger.in_flight().count();
        self.check(open == 0, format!("{} calls, {open} left open", entries.len()));
        let bad: u64 = ledger.malformed + entries.iter().map(|entry| entry.reception.malformed).sum::<u64>();
        let packets: u64 = entries.iter().map(|entry| entry.reception.packets).sum();
        self.check(
            bad == 0,
            format!("{packets} RTP packets came from the engine, {bad} messages or packets malformed"),
        );
    }

    fn check_messages(&mut self, ledger: &Ledger) {
        let with_beep: Vec<&Entry> = ledger
            .entries()
            .iter()
            .filter(|entry| entry.role == Role::Callee("machine with beep") && entry.beep.is_some())
            .collect();
        let mut in_time = 0;
        for entry in &with_beep {
            let Some(message) = &entry.message else { continue };
            let Some(delay) = message.after_beep_ms else { continue };
            self.beep_delays_ms.push(delay);
            let whole = message.clip == 0 && message.share >= WHOLE_SHARE;
            in_time += usize::from(whole && (0..=AFTER_BEEP_MS_MAX).contains(&delay));
        }
        self.beep_delays_ms.sort_unstable();
        let range = match (self.beep_delays_ms.first(), self.beep_delays_ms.last()) {
            (Some(first), Some(last)) => format!(" ({first} to {last} ms after the beep)"),
            _ => String::new(),
        };
        self.check(
            in_time == with_beep.len() && in_time > 0,
            format!("{in_time} of {} machines that beeped have the whole message{range}", with_beep.len()),
        );
    }

    /// A person's marker is their own: the agent's call in which it was heard is the one that they were in.
    fn check_bridges(&mut self, ledger: &Ledger, told: &Told) {
        let bridged: Vec<&String> = told
            .ends
            .iter()
            .filter(|(_, end)| **end == Disposition::Bridged)
            .map(|(number, _)| number)
            .collect();
        let talked = |number: &&&String| {
            ledger.of_number(number).any(|person| {
                ledger.entries().iter().any(|agent| {
                    matches!(agent.role, Role::Agent(_))
                        && person.marker.is_some_and(|marker| agent.heard.contains(&marker))
                        && agent.marker.is_some_and(|marker| person.heard.contains(&marker))
                })
            })
        };
        let both = bridged.iter().filter(talked).count();
        self.check(
            both == bridged.len() && both > 0,
            format!("{both} of {} bridged people heard the agent and were heard", bridged.len()),
        );
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "\n{:24} {:>8} {:>7}   what the engine made of them",
            "who was called", "contacts", "right"
        );
        for (word, kind) in &self.kinds {
            let outcomes: Vec<String> =
                kind.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
            let right = format!("{}/{}", kind.right, kind.contacts);
            let _ = writeln!(text, "{word:24} {:>8} {right:>7}   {}", kind.contacts, outcomes.join("; "));
        }
        let _ = writeln!(text);
        for check in &self.checks {
            let _ = writeln!(text, "{}  {}", if check.kept { "ok   " } else { "FAULT" }, check.text);
        }
        let _ = writeln!(text, "\nDialed and judged in {:.1} s.", self.took.as_secs_f64());
        text
    }

    /// For programs.
    pub fn json(&self, folder: &Path) -> serde_json::Value {
        let kinds: BTreeMap<_, _> = self
            .kinds
            .iter()
            .map(|(word, kind)| {
                let value = serde_json::json!({
                    "contacts": kind.contacts, "right": kind.right, "outcomes": kind.outcomes
                });
                (*word, value)
            })
            .collect();
        let checks: Vec<_> = self
            .checks
            .iter()
            .map(|check| serde_json::json!({ "kept": check.kept, "text": check.text }))
            .collect();
        serde_json::json!({
            "ok": self.holds(),
            "kinds": kinds,
            "checks": checks,
            "after_beep_ms": self.beep_delays_ms,
            "seconds": self.took.as_secs_f64(),
            "folder": folder,
        })
    }
}

/// Whether the engine's judgement is right for what the callee really is.
fn is_right(word: &str, verdict: &str, end: Disposition) -> bool {
    match word {
        "person" => verdict == "human" || end == Disposition::HungUpEarly,
        "machine with beep" | "machine without beep" => verdict == "machine",
        "busy" => end == Disposition::Busy,
        "no answer" => end == Disposition::NoAnswer,
        "declined" => end == Disposition::Declined,
        "invalid number" => end == Disposition::InvalidNumber,
        "SIT before answer" => {
            matches!(end, Disposition::InvalidNumber | Disposition::Congestion | Disposition::Tone)
        }
        "SIT after answer" | "ring-back after answer" => verdict == "tone",
        "music" => verdict == "music",
        "fax" => verdict == "fax",
        "silence" => verdict == "silence",
        "call screening" => matches!(verdict, "screening" | "machine"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_taken_for_a_person_is_not_right() {
        assert!(is_right("machine with beep", "machine", Disposition::VoicemailLeft));
        assert!(!is_right("machine with beep", "human", Disposition::Bridged));
        assert!(!is_right("person", "machine", Disposition::Machine));
        assert!(is_right("SIT before answer", "", Disposition::InvalidNumber));
    }

    #[test]
    fn a_demo_without_calls_keeps_no_promise() {
        let scenario = crate::sim::scenario::demo();
        let report =
            Report::new(&scenario, &Ledger::default(), &Told::default(), &Counts::default(), Duration::ZERO);
        assert!(!report.holds());
    }
}
