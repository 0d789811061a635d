//! The open test set through the detector: the table in the README is what it gives, and it does not get worse unseen.

use outdial::amd::Options;
use outdial::amd::detector::Detector;
use outdial::amd::replay::replay;
use outdial::audio::wav;
use outdial::corpus::manifest;
use outdial::evaluation::judged::{Judged, judge};
use outdial::evaluation::report::Report;
use outdial::evaluation::text::text;
use std::path::PathBuf;
use std::sync::OnceLock;

#[test]
fn the_readme_has_the_table_that_the_open_set_gives() {
    let told = text(report());
    let table = told.split("\nFIRST VERDICT").next().expect("the report begins with the figures");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        assert!(
            readme.contains(line.trim_end()),
            "the README's table lacks this line; put the new table in if it is better:\n{line}\n\nthe whole:\n{table}"
        );
    }
}

#[test]
fn no_figure_of_the_open_set_is_worse_than_it_was() {
    let Report { figures, beeps, .. } = report();
    let at_most = [
        ("persons called machine", figures.human_called_machine.hits, 7),
        ("persons lost", figures.human_lost.hits, 7),
        ("persons not recognised", figures.human_undecided.hits, 2),
        ("others called human", figures.other_called_human.hits, 1),
        ("false beeps before the beep", beeps.false_before.hits, 0),
        ("verdicts after the deadline", report().times.after_deadline.hits, 0),
    ];
    for (what, got, most) in at_most {
        assert!(got <= most, "{what}: {got}, and it was {most}");
    }
    let at_least = [
        ("machines found first", figures.machine_found.hits, 65),
        ("machines found finally", figures.machine_found_finally.hits, 71),
        ("others rightly named", figures.other_right.hits, 44),
        ("beeps found", beeps.found.hits, 58),
    ];
    for (what, got, least) in at_least {
        assert!(got >= least, "{what}: {got}, and it was {least}");
    }
    assert!(figures.human_after_speech_ms <= Some(520), "{figures:?}");
}

#[test]
fn tones_are_named_and_never_a_person() {
    for row in &report().tones {
        let music = row.subtype == "moh";
        assert!(music || row.named.hits == row.named.of, "{row:?}");
        assert_eq!(row.called_human.hits, 0, "{row:?}");
    }
}

fn report() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| {
        let folder = root().join("fixtures/amd");
        let clips = manifest::read(&std::fs::read(folder.join("manifest.csv")).unwrap()).unwrap();
        let options = Options::default();
        let mut detector = Detector::new(&options);
        let recordings = clips.into_iter().map(|clip| {
            let bytes = std::fs::read(folder.join(&clip.file)).unwrap();
            (clip, wav::read(&bytes).unwrap().samples)
        });
        let judged: Vec<Judged> = judge(recordings, |_, samples| replay(&mut detector, samples));
        Report::of(&judged, options.deadline_ms)
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
