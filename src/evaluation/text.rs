//! An evaluation as tables for people: plain text, 110 columns at most.

use super::chart::Setting;
use super::condition::DIMENSIONS;
use super::confusion::{Row, columns};
use super::distribution::Distribution;
use super::report::{Report, Said, Wrong};
use super::share::Share;
use std::fmt::Write;

/// Columns of a histogram's longest bar.
const BAR: u64 = 40;
/// Rows of one list; the JSON form and the page have them all.
const ROWS_MAX: usize = 60;

/// Strings take whatever is written to them.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("a string takes every line") };
}

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    figures(report, &mut out);
    confusion("FIRST VERDICT", &report.first_verdicts, &mut out);
    confusion("LAST VERDICT", &report.last_verdicts, &mut out);
    conditions(report, &mut out);
    times(report, &mut out);
    beeps(report, &mut out);
    tones(report, &mut out);
    wrong(&report.wrong, &mut out);
    out
}

/// `2.0 % [0.8-5.1]`, or a dash of nothing.
pub fn percent(share: &Share) -> String {
    match (share.value(), share.interval()) {
        (Some(value), Some((low, high))) => {
            format!("{} % [{}-{}]", hundredths(value), hundredths(low), hundredths(high))
        }
        _ => "-".to_owned(),
    }
}

/// One decimal, which 100 does not need.
fn hundredths(share: f64) -> String {
    if share >= 0.9995 { "100".to_owned() } else { format!("{:.1}", share * 100.0) }
}

/// `1.43 s`, or a dash.
pub fn seconds(ms: Option<i64>) -> String {
    ms.map_or("-".to_owned(), |ms| format!("{:.2} s", ms as f64 / 1000.0))
}

fn count(share: &Share) -> String {
    if share.of == 0 { "-".to_owned() } else { format!("{}/{}", share.hits, share.of) }
}

/// What a sweep of one setting reached.
pub fn trade_off(settings: &[Setting]) -> String {
    let mut out = String::new();
    line!(
        out,
        "{:<34} {:<18} {:<18} {:<18} {:>8} {:>8}",
        "TRADE-OFF",
        "PERSONS LOST",
        "MACHINES FOUND",
        "WITH REVISION",
        "HUMAN",
        "MACHINE"
    );
    for setting in settings {
        let shares =
            [&setting.human_lost, &setting.machine_found, &setting.machine_found_finally].map(percent);
        let times = [setting.human_after_speech_ms, setting.machine_decided_ms].map(seconds);
        let [lost, first, last] = shares;
        line!(
            out,
            "{:<34} {lost:<18} {first:<18} {last:<18} {:>8} {:>8}",
            clipped(&setting.name, 34),
            times[0],
            times[1]
        );
    }
    line!(out, "HUMAN: median from the end of speech; MACHINE: median from the answer.");
    out
}

fn figures(report: &Report, out: &mut String) {
    let f = &report.figures;
    let (times, beeps) = (&report.times, &report.beeps);
    let (humans, machines) = (f.human_called_machine.of, f.machine_found.of);
    line!(out, "{} clips: {humans} human, {machines} machine, {} other", report.clips, f.other_right.of);
    line!(out);
    line!(out, "{:<46} {:>9}  SHARE [95 % INTERVAL]", "", "CLIPS");
    for (name, share) in [
        ("Persons called machine by the first verdict", &f.human_called_machine),
        ("Persons revised to machine", &f.human_revised),
        ("Persons lost: either of these", &f.human_lost),
        ("Persons not recognised (silence, unsure)", &f.human_undecided),
        ("Machines found by the first verdict", &f.machine_found),
        ("Machines found, with revision", &f.machine_found_finally),
        ("Machines called human by the first verdict", &f.machine_called_human),
        ("Machines called human in the end", &f.machine_called_human_finally),
        ("Others rightly named in the end", &f.other_right),
        ("Others ever called human", &f.other_called_human),
        ("Beeps found", &beeps.found),
        ("Calls with a false beep before the beep", &beeps.false_before),
        ("Verdicts after the deadline", &times.after_deadline),
    ] {
        line!(out, "{name:<46} {:>9}  {}", count(share), percent(share));
    }
    line!(out);
    line!(
        out,
        "{:<46} {:>8} {:>8} {:>8} {:>8}",
        "DECISION TIMES (first verdicts)",
        "P5",
        "MEDIAN",
        "P95",
        "LATEST"
    );
    for (name, times) in [
        ("Human, from the answer", &times.human_from_answer),
        ("Human, from the end of the person's speech", &times.human_after_speech),
        ("Machine, from the answer", &times.machine_from_answer),
        ("Machine, from the start of its greeting", &times.machine_from_speech),
        ("Others, from the answer", &times.other_from_answer),
        ("Revision, from the first verdict", &times.revision_after_verdict),
        ("Beep, from its start to the report", &beeps.delay),
    ] {
        let [p5, median, p95, max] = [times.p5_ms, times.median_ms, times.p95_ms, times.max_ms].map(seconds);
        line!(out, "{name:<46} {p5:>8} {median:>8} {p95:>8} {max:>8}");
    }
    let [latest, deadline] = [times.latest_verdict_ms, Some(times.deadline_ms)].map(seconds);
    line!(out, "{:<46} latest {latest}, deadline {deadline}", "All first verdicts");
}

fn confusion(title: &str, rows: &[Row], out: &mut String) {
    line!(out);
    write!(out, "{:<18} {:>6} ", title, "CLIPS").expect("a string");
    // A class that nobody was called takes no room, save the ones that everybody looks for.
    let shown: Vec<usize> =
        (0..columns().len()).filter(|n| *n < 2 || rows.iter().any(|row| row.called[*n] > 0)).collect();
    for column in &shown {
        write!(out, " {:>9}", columns()[*column]).expect("a string");
    }
    line!(out);
    for row in rows {
        write!(out, "{:<18} {:>6} ", clipped(&row.label, 18), row.clips).expect("a string");
        for column in &shown {
            let called = row.called[*column];
            write!(out, " {:>9}", if called == 0 { "·".to_owned() } else { called.to_string() })
                .expect("a string");
        }
        line!(out);
    }
}

fn conditions(report: &Report, out: &mut String) {
    for dimension in DIMENSIONS {
        // What is neither person nor machine stands in the tables above.
        let rows: Vec<_> = report.of_people_and_machines(dimension).collect();
        if rows.len() < 2 {
            continue;
        }
        line!(out);
        line!(
            out,
            "{:<24} {:<27} {:>7} {:>7}  {:<27} {:>5} {:>6}",
            format!("BY {}", dimension.to_uppercase()),
            " PERSONS CALLED MACHINE",
            "REVISED",
            "AFTER",
            "MACHINES FOUND",
            "FINAL",
            "AFTER"
        );
        for row in rows.iter().take(ROWS_MAX) {
            let f = &row.figures;
            let revised =
                if f.human_revised.of == 0 { "-".to_owned() } else { f.human_revised.hits.to_string() };
            let finally = f.machine_found_finally.value();
            line!(
                out,
                "{:<24} {:>8} {:<18} {revised:>7} {:>7}  {:>8} {:<18} {:>5} {:>6}",
                clipped(&row.value, 24),
                count(&f.human_called_machine),
                percent(&f.human_called_machine),
                seconds(f.human_after_speech_ms),
                count(&f.machine_found),
                percent(&f.machine_found),
                finally.map_or("-".to_owned(), hundredths),
                seconds(f.machine_decided_ms),
            );
        }
        if rows.len() > ROWS_MAX {
            line!(out, "... and {} more", rows.len() - ROWS_MAX);
        }
    }
    line!(out);
    line!(out, "AFTER: median from the end of the person's speech; of machines, median from the answer.");
}

fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars().take(width - 1).chain(['…']).collect()
    }
}

fn times(report: &Report, out: &mut String) {
    histogram(
        "Persons called human: verdict from the end of their speech",
        &report.times.human_after_speech,
        out,
    );
    histogram("Machines called machine: verdict from the answer", &report.times.machine_from_answer, out);
}

fn histogram(title: &str, times: &Distribution, out: &mut String) {
    if times.count == 0 {
        return;
    }
    line!(out);
    line!(out, "{title}");
    let most = times.histogram.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    for bin in &times.histogram {
        let bar = "█".repeat((bin.count * BAR).div_ceil(most) as usize);
        let (from, to) = (bin.from_ms as f64 / 1000.0, bin.to_ms as f64 / 1000.0);
        line!(out, "{from:>7.2} to {to:>5.2} s {:>5} {bar}", bin.count);
    }
}

fn beeps(report: &Report, out: &mut String) {
    let beeps = &report.beeps;
    line!(out);
    line!(out, "BEEPS");
    line!(
        out,
        "{:<46} {:>9}  {}",
        "Found within 150 ms of their start",
        count(&beeps.found),
        percent(&beeps.found)
    );
    let known = &beeps.end_known;
    line!(out, "{:<46} {:>9}  {}", "End known within 40 ms", count(known), percent(known));
    for (name, times) in [
        ("Reported after their start", &beeps.delay),
        ("Error of the start", &beeps.start_error),
        ("Error of the end", &beeps.end_error),
    ] {
        let [p5, median, p95] = [times.p5_ms, times.median_ms, times.p95_ms]
            .map(|ms| ms.map_or("-".to_owned(), |ms| ms.to_string()));
        line!(out, "{name:<46} {:>9}  p5 {p5} ms, median {median} ms, p95 {p95} ms", times.count);
    }
    for kind in &beeps.elsewhere {
        let name = clipped(&format!("Calls with a beep where none is: {}", kind.on), 46);
        line!(out, "{name:<46} {:>9}  {}", count(&kind.calls), percent(&kind.calls));
    }
    for wrong in beeps.wrong.iter().take(ROWS_MAX) {
        let reported: Vec<String> = wrong.reported_ms.iter().map(|ms| seconds(Some(*ms))).collect();
        let labelled = seconds(wrong.labelled_ms);
        line!(out, "  {}: {}; labelled {labelled}, reported {}", wrong.file, wrong.what, list(&reported));
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn tones(report: &Report, out: &mut String) {
    if report.tones.is_empty() && report.tones_in_speech.is_empty() {
        return;
    }
    line!(out);
    line!(out, "{:<18} {:>13}  {:>12}  NAMED", "TONES", "NAMED RIGHTLY", "CALLED HUMAN");
    for row in &report.tones {
        let names: Vec<String> = row.names.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let (named, human) = (count(&row.named), row.called_human.hits);
        line!(out, "{:<18} {named:>13}  {human:>12}  {}", clipped(&row.subtype, 18), names.join(", "));
    }
    for (file, names) in report.tones_in_speech.iter().take(ROWS_MAX) {
        line!(out, "  {file}: {} named where the label asks for no tone", names.join(", "));
    }
}

fn wrong(wrong: &[Wrong], out: &mut String) {
    line!(out);
    if wrong.is_empty() {
        line!(out, "Every clip was judged rightly and in time.");
        return;
    }
    line!(out, "WRONG DECISIONS: {}", wrong.len());
    let mut what = "";
    for one in wrong.iter().take(ROWS_MAX) {
        if one.what != what {
            what = one.what;
            line!(out, "  {what}: {}", wrong.iter().filter(|other| other.what == what).count());
        }
        let said = |said: &Option<Said>| {
            said.as_ref()
                .map(|said| format!("{} at {} ({})", said.verdict, seconds(Some(said.at_ms)), said.cause))
        };
        let first = said(&one.first).unwrap_or_else(|| "no verdict".to_owned());
        let revised = said(&one.revised).map_or(String::new(), |revised| format!(", then {revised}"));
        line!(out, "    {}  {first}{revised}", one.file);
    }
    if wrong.len() > ROWS_MAX {
        line!(out, "    ... and {} more; --json and --html tell them all", wrong.len() - ROWS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::judged::Judged;
    use super::super::tally::tests::judged;
    use super::*;
    use crate::amd::verdict::Class;
    use crate::corpus::manifest::Label;

    #[test]
    fn shares_and_times_are_written_for_people() {
        assert_eq!(percent(&Share { hits: 15, of: 148 }), "10.1 % [6.2-16.0]");
        assert_eq!((percent(&Share::default()), seconds(Some(1430))), ("-".to_owned(), "1.43 s".to_owned()));
    }

    #[test]
    fn the_tables_fit_and_tell_what_went_wrong() {
        let mut clips = vec![
            judged(Label::Human, (Class::Machine, 2310), None),
            judged(Label::Human, (Class::Human, 1500), Some((Class::Machine, 3000))),
            judged(Label::Machine, (Class::Machine, 2100), None),
        ];
        let other = |subtype: &str, class| {
            let mut one = judged(Label::Other, (class, 1000), None);
            one.clip.subtype = subtype.to_owned();
            one
        };
        clips.extend([
            other("busy", Class::Tone),
            other("a_very_long_subtype_that_somebody_wrote", Class::Music),
        ]);
        let told = text(&Report::of(&clips, 5000));
        let widest = told.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 110, "{widest} columns:\n{told}");
        for want in [
            "Persons called machine by the first verdict          1/2  50.0 % [9.5-90.5]",
            "Persons lost: either of these                        2/2  100 % [34.2-100]",
            "a person called a machine: 1",
            "    clip.wav  machine at 2.31 s (long greeting 900 ms)",
            "human at 1.50 s (long greeting 900 ms), then machine at 3.00 s",
        ] {
            assert!(told.contains(want), "no «{want}» in\n{told}");
        }
    }

    #[test]
    fn nothing_judged_is_told_without_a_panic() {
        let none: [Judged; 0] = [];
        assert!(text(&Report::of(&none, 5000)).starts_with("0 clips"));
    }
}
