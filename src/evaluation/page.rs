//! An evaluation as one page of HTML: no script, nothing fetched, readable by day and by night.

use super::chart::{self, Setting, histogram, trade_off};
use super::condition::DIMENSIONS;
use super::confusion::{COLUMNS, Row, columns};
use super::distribution::Distribution;
use super::expectation::{CLASSES, right_classes};
use super::markup::{escaped, table};
use super::report::Report;
use super::share::Share;
use super::shown::{Shown, anchor};
use super::text::{percent, seconds};
use crate::corpus::manifest::{Clip, Label};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const LEGEND: &str = include_str!("legend.html");

/// What stands at the head of a page.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Head {
    /// The title.
    pub title: String,
    /// One line: which corpus, which settings.
    pub about: String,
}

/// The page of recordings without labels: their pictures, open when they are few.
pub fn explained(head: &Head, shown: &[Shown]) -> String {
    let mut out = opened(head);
    out.push_str("</header>\n");
    out.push_str(LEGEND);
    let open = shown.len() <= 20;
    shown.iter().for_each(|one| one.detail(open, &mut out));
    closed(out)
}

/// The page of an evaluation.
pub fn page(head: &Head, report: &Report, settings: &[Setting], shown: &[Shown]) -> String {
    let mut out = opened(head);
    out.push_str(
        "<nav><a href=\"#verdicts\">Verdicts</a><a href=\"#times\">Times</a><a href=\"#tones\">Beeps and tones</a>\
         <a href=\"#conditions\">Conditions</a><a href=\"#wrong\">Wrong decisions</a><a href=\"#rest\">All others</a></nav>\
         </header>\n",
    );
    cards(report, &mut out);
    if !settings.is_empty() {
        trade(settings, &mut out);
    }
    out.push_str("<h2 id=\"verdicts\">Who was called what</h2>\n<h3>First verdict</h3>\n");
    confusion(&report.first_verdicts, &mut out);
    out.push_str("<h3>Last verdict, after revision</h3>\n");
    confusion(&report.last_verdicts, &mut out);
    times(report, &mut out);
    beeps_and_tones(report, &mut out);
    conditions(report, &mut out);
    recordings(report, shown, &mut out);
    closed(out)
}

/// Strings take whatever is written to them.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("a string takes every line") };
}

fn opened(head: &Head) -> String {
    let (title, about) = (escaped(&head.title), escaped(&head.about));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\n\
         <style>\n{STYLE}</style></head>\n<body>\n<header><h1>{title}</h1><p class=\"soft\">{about}</p>\n"
    )
}

fn closed(mut out: String) -> String {
    out.push_str("</body></html>\n");
    out
}

fn cards(report: &Report, out: &mut String) {
    let (f, times, beeps) = (&report.figures, &report.times, &report.beeps);
    let share =
        |share: &Share| share.value().map_or("-".to_owned(), |value| format!("{:.1} %", value * 100.0));
    let under = |words: &str, share: &Share| {
        let interval = percent(share);
        let interval = interval.split_once('[').map_or(String::new(), |(_, rest)| format!(" [{rest}"));
        format!("{words}<br/>{} of {}{interval}", share.hits, share.of)
    };
    let shares = [
        ("persons called or revised to machine", &f.human_lost),
        ("machines found by the first verdict", &f.machine_found),
        ("machines found, with revision", &f.machine_found_finally),
        ("others ever called human", &f.other_called_human),
        ("beeps found", &beeps.found),
        ("calls with a false beep before the beep", &beeps.false_before),
    ];
    let middles = [
        ("human: verdict after the end of speech, median", &times.human_after_speech),
        ("human: verdict after the answer, median", &times.human_from_answer),
        ("machine: verdict after the answer, median", &times.machine_from_answer),
        ("beep: reported after its start, median", &beeps.delay),
    ];
    out.push_str("<div class=\"cards\">\n");
    for (words, value) in shares {
        put!(out, "<div class=\"card\"><b>{}</b><span>{}</span></div>", share(value), under(words, value));
    }
    for (words, value) in middles {
        let tails = format!("5 % below {}, 95 % below {}", seconds(value.p5_ms), seconds(value.p95_ms));
        put!(
            out,
            "<div class=\"card\"><b>{}</b><span>{words}<br/>{tails}</span></div>",
            seconds(value.median_ms)
        );
    }
    let latest = seconds(times.latest_verdict_ms);
    let deadline = seconds(Some(times.deadline_ms));
    put!(
        out,
        "<div class=\"card\"><b>{latest}</b><span>latest first verdict<br/>deadline {deadline}</span></div>"
    );
    let (humans, machines) = (f.human_lost.of, f.machine_found.of);
    let others = f.other_right.of;
    put!(
        out,
        "<div class=\"card\"><b>{}</b><span>clips<br/>{humans} human, {machines} machine, {others} other</span></div>",
        report.clips
    );
    out.push_str("</div>\n<p class=\"soft\">Brackets hold 95 % Wilson intervals in percent.</p>\n");
}

fn trade(settings: &[Setting], out: &mut String) {
    out.push_str("<h2 id=\"trade\">Trade-off</h2>\n<figure class=\"lone\"><figcaption>Persons lost against machines found: by the first verdict (blue), with revision (orange)</figcaption>\n");
    out.push_str(&trade_off(settings));
    out.push_str("</figure>\n");
    let head = [
        "setting",
        "persons lost",
        "machines found",
        "with revision",
        "human after speech",
        "machine after answer",
    ];
    out.push_str(&table(&head, chart::rows(settings)));
}

fn confusion(rows: &[Row], out: &mut String) {
    let mut head = vec!["", "clips"];
    head.extend(columns());
    let cells = |row: &Row| {
        let right = right_columns(&row.label);
        let cell = |(place, count): (usize, &u64)| match count {
            0 => "<span class=\"zero\">0</span>".to_owned(),
            count if right[place] => format!("<span class=\"right\">{count}</span>"),
            // No column is the human's, or it is another's: the costly errors stand out.
            count if place == 0 || row.label == "human" && place < COLUMNS - 3 => {
                format!("<span class=\"wrong\">{count}</span>")
            }
            count => count.to_string(),
        };
        let mut cells = vec![escaped(&row.label), row.clips.to_string()];
        cells.extend(row.called.iter().enumerate().map(cell));
        cells
    };
    out.push_str(&table(&head, rows.iter().map(cells)));
}

/// Which columns are right for a row of that name.
fn right_columns(label: &str) -> [bool; COLUMNS] {
    let clip = match label {
        "human" => Clip::new("", Label::Human),
        "machine" => Clip::new("", Label::Machine),
        subtype => Clip { subtype: subtype.to_owned(), ..Clip::new("", Label::Other) },
    };
    let right = right_classes(&clip);
    std::array::from_fn(|n| CLASSES.get(n).is_some_and(|class| right.contains(class)))
}

fn times(report: &Report, out: &mut String) {
    let times = &report.times;
    out.push_str("<h2 id=\"times\">When decisions fell</h2>\n<div class=\"charts\">\n");
    let charts: [(&str, &Distribution, &str); 4] = [
        ("Persons called human: from the end of their speech", &times.human_after_speech, "human"),
        ("Persons called human: from the answer", &times.human_from_answer, "human"),
        ("Machines called machine: from the answer", &times.machine_from_answer, "machine"),
        (
            "Machines called machine: from the first sound of the greeting",
            &times.machine_from_speech,
            "machine",
        ),
    ];
    for (caption, distribution, class) in charts {
        put!(out, "<figure><figcaption>{caption} ({})</figcaption>", distribution.count);
        out.push_str(&histogram(distribution, class));
        out.push_str("</figure>\n");
    }
    out.push_str("</div>\n");
    let rows = charts.iter().map(|(caption, distribution, _)| (*caption, *distribution));
    let rows = rows.chain([
        ("Others, rightly named: from the answer", &times.other_from_answer),
        ("Revisions: from the first verdict", &times.revision_after_verdict),
    ]);
    let cells = |(caption, d): (&str, &Distribution)| {
        let [min, p5, median, p95, max] = [d.min_ms, d.p5_ms, d.median_ms, d.p95_ms, d.max_ms].map(seconds);
        vec![caption.to_owned(), d.count.to_string(), min, p5, median, p95, max]
    };
    out.push_str(&table(&["", "clips", "least", "5 %", "median", "95 %", "most"], rows.map(cells)));
}

fn beeps_and_tones(report: &Report, out: &mut String) {
    let beeps = &report.beeps;
    out.push_str("<h2 id=\"tones\">Beeps and tones</h2>\n<div class=\"charts\">\n");
    for (caption, distribution) in [
        ("Beeps: report after the labelled start", &beeps.delay),
        ("Beeps: error of the end", &beeps.end_error),
    ] {
        put!(out, "<figure><figcaption>{caption} ({})</figcaption>", distribution.count);
        out.push_str(&histogram(distribution, "tone"));
        out.push_str("</figure>\n");
    }
    out.push_str("</div>\n");
    let mut rows = vec![
        ("Found within 150 ms of their start".to_owned(), beeps.found),
        ("Calls with a false beep before the beep".to_owned(), beeps.false_before),
        ("End known within 40 ms".to_owned(), beeps.end_known),
    ];
    rows.extend(
        beeps.elsewhere.iter().map(|kind| (format!("A beep where none is: {}", kind.on), kind.calls)),
    );
    let cells = |(name, share): (String, Share)| {
        vec![escaped(&name), format!("{}/{}", share.hits, share.of), percent(&share)]
    };
    out.push_str(&table(&["beeps", "calls", "share"], rows.into_iter().map(cells)));
    if !beeps.wrong.is_empty() {
        let cells = |wrong: &super::beeps::WrongBeep| {
            let reported: Vec<String> = wrong.reported_ms.iter().map(|ms| seconds(Some(*ms))).collect();
            let what = wrong.what.to_owned();
            vec![linked(&wrong.file), what, seconds(wrong.labelled_ms), reported.join(", ")]
        };
        out.push_str(&table(&["wrong beeps", "", "labelled", "reported"], beeps.wrong.iter().map(cells)));
    }
    if !report.tones.is_empty() {
        let cells = |row: &super::tones::ToneRow| {
            let names: Vec<String> =
                row.names.iter().map(|(name, count)| format!("{count} {name}")).collect();
            let named = format!("{}/{}", row.named.hits, row.named.of);
            vec![escaped(&row.subtype), named, row.called_human.hits.to_string(), names.join(", ")]
        };
        let head = ["tones", "named rightly", "called human", "named"];
        out.push_str(&table(&head, report.tones.iter().map(cells)));
    }
}

fn conditions(report: &Report, out: &mut String) {
    out.push_str("<h2 id=\"conditions\">By condition</h2>\n");
    for dimension in DIMENSIONS {
        let rows: Vec<_> = report.of_people_and_machines(dimension).collect();
        if rows.len() < 2 {
            continue;
        }
        let head = [
            dimension,
            "persons",
            "called machine",
            "revised",
            "median after speech",
            "machines",
            "found",
            "with revision",
            "median after answer",
        ];
        let cells = |row: &&super::condition::Condition| {
            let f = &row.figures;
            let revised =
                if f.human_revised.of == 0 { "-".to_owned() } else { f.human_revised.hits.to_string() };
            vec![
                escaped(&row.value),
                f.human_called_machine.of.to_string(),
                percent(&f.human_called_machine),
                revised,
                seconds(f.human_after_speech_ms),
                f.machine_found.of.to_string(),
                percent(&f.machine_found),
                percent(&f.machine_found_finally),
                seconds(f.machine_decided_ms),
            ]
        };
        out.push_str(&table(&head, rows.iter().map(cells)));
    }
}

fn recordings(report: &Report, shown: &[Shown], out: &mut String) {
    put!(out, "<h2 id=\"wrong\">Wrong decisions ({})</h2>", report.wrong.len());
    out.push_str(LEGEND);
    for wrong in &report.wrong {
        if let Some(one) = shown.iter().find(|one| one.title() == wrong.file) {
            one.detail(true, out);
        }
    }
    let rest: Vec<&Shown> = shown.iter().filter(|one| !one.is_wrong()).collect();
    put!(
        out,
        "<h2 id=\"rest\">All others ({})</h2>\n<p class=\"soft\">Click on a recording to see it.</p>",
        rest.len()
    );
    rest.into_iter().for_each(|one| one.detail(false, out));
}

fn linked(file: &str) -> String {
    format!("<a href=\"#{}\">{}</a>", anchor(file), escaped(file))
}

#[cfg(test)]
mod tests {
    use super::super::markup::tests::assert_well_formed;
    use super::super::tally::tests::judged;
    use super::super::trace::watch;
    use super::*;
    use crate::amd::detector::{Detector, Options};
    use crate::amd::verdict::Class;

    fn written() -> String {
        let trace = watch(&mut Detector::new(&Options::default()), &[0; 16_000]).1;
        let mut clips = vec![
            judged(Label::Human, (Class::Machine, 1500), None),
            judged(Label::Human, (Class::Human, 1500), None),
            judged(Label::Machine, (Class::Human, 1500), Some((Class::Machine, 1900))),
        ];
        for (place, clip) in clips.iter_mut().enumerate() {
            clip.clip.file = format!("<{place}>&.wav");
            clip.clip.note = "said \"hello\"".into();
        }
        let shown: Vec<Shown> =
            clips.iter().map(|one| Shown::labelled(&one.clip, &one.summary, &trace, 5000)).collect();
        let head = Head { title: "A <title>".into(), about: "settings".into() };
        page(&head, &Report::of(&clips, 5000), &[], &shown)
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        let page = written();
        for outside in ["http:", "https:", "src=", "url(", "@import", "<link", "<script", "//"] {
            assert!(!page.contains(outside), "{outside} in the page");
        }
    }

    #[test]
    fn the_page_is_well_formed_and_shows_the_wrong_ones_first_and_open() {
        let page = written();
        let body = &page[page.find("<body>").unwrap()..].replace("</html>", "");
        assert_well_formed(body);
        assert_eq!(page.matches("<details class=\"fault\" open=\"\"").count(), 2);
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no «{text}» in the page"));
        assert!(place("a person called a machine · human") < place("called human at first · machine"));
        assert!(place("<summary>&lt;1&gt;&amp;.wav") > place("id=\"rest\""));
        assert!(page.contains("said &quot;hello&quot;") && page.contains("called machine at 1.50 s"));
    }

    #[test]
    fn a_recording_without_labels_is_explained() {
        let (summary, trace) = watch(&mut Detector::new(&Options::default()), &[0; 48_000]);
        let shown = [Shown::unlabelled("call.wav", &summary, &trace)];
        let page = explained(&Head { title: "call.wav".into(), about: String::new() }, &shown);
        assert!(page.contains("called silence at 4.00 s: nothing had been heard for 4.00 s"), "{page}");
        assert!(page.contains("<details open=\"\""), "{page}");
    }
}
