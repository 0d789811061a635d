//! `outdial evaluate`: labelled recordings through the detector, and its verdicts held against the labels.
//!
//! Tables for people, one JSON object for programs, a page with the picture of every decision. A recording that cannot be
//! read is named with its row of the manifest on the standard error stream, the others are judged all the same, and the
//! exit status is 1 at the end.

use super::Failure;
use super::classify::{progress, read};
use super::detection::{DetectionArgs, Settings, values};
use crate::amd::detector::Detector;
use crate::amd::replay::replay;
use crate::corpus::manifest::{self, Clip};
use crate::evaluation::chart::Setting;
use crate::evaluation::judged::{Judged, judge};
use crate::evaluation::page::{Head, page};
use crate::evaluation::report::Report;
use crate::evaluation::shown::Shown;
use crate::evaluation::tally::Tally;
use crate::evaluation::text::{text, trade_off};
use crate::evaluation::trace::watch;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The command's arguments.
#[derive(Args, Clone, PartialEq, Debug)]
#[command(after_help = "Examples:\n  \
    outdial evaluate calls/manifest.csv\n  \
    outdial evaluate calls/manifest.csv --html report.html\n  \
    outdial evaluate calls/manifest.csv --json --set cost_human_as_machine=25 | jq .figures\n  \
    outdial evaluate calls/manifest.csv --sweep cost_human_as_machine=3,6,12,25 --against engine=asterisk\n  \
    outdial evaluate calls/manifest.csv --engine asterisk --arguments '2000|2000|1000|5000|120|50|4|256'\n\n\
    The smallest manifest:\n  \
    file,label\n  one.wav,human\n  two.wav,machine\n\
    Columns that make it tell more: subtype, greeting_start_s, greeting_end_s, beep_start_s, beep_end_s, codec,\n\
    loss, level_db, noise, snr_db, source, kind, note.")]
pub struct EvaluateArgs {
    /// The corpus: a CSV file with one row a clip, `file` (relative to it) and `label` (human, machine, other) at least
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    /// One JSON object with every figure
    #[arg(long)]
    pub json: bool,
    /// Write a page with all figures and a picture of every decision; it opens without a network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Measure several values of one setting too, and show what each gains and costs; may be given several times
    #[arg(long, value_name = "KEY=VALUE,VALUE...")]
    pub sweep: Vec<String>,
    /// Measure other settings beside these, such as engine=asterisk; may be given several times
    #[arg(long, value_name = "KEY=VALUE;KEY=VALUE...")]
    pub against: Vec<String>,
    #[command(flatten)]
    detection: DetectionArgs,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Written<'a> {
    /// The manifest.
    manifest: String,
    /// The detector's settings.
    settings: &'a Settings,
    /// Clips that could not be read.
    unread: usize,
    #[serde(flatten)]
    report: &'a Report,
    /// What each value of `--sweep` and each `--against` reached.
    trade_off: &'a [Setting],
}

/// Judges every clip; fails when one could not be read.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let settings = args.detection.settings(&[])?;
    let others = args.others()?;
    let corpus = Corpus::open(&args.manifest, 1 + others.len())?;
    let mut shown = Vec::new();
    let (judged, unread) = match &args.html {
        Some(_) => corpus.watch(&settings, &mut shown),
        None => corpus.listen(&settings, true),
    };
    let report = Report::of(&judged, settings.options.verdict_by_ms());
    let reached = |other: &Other| {
        let figures = Tally::of(&corpus.listen(&other.settings, false).0);
        Setting::of(&other.name, &other.curve, &figures)
    };
    let reached: Vec<Setting> = others.iter().map(reached).collect();
    corpus.bar.finish_and_clear();
    if let Some(file) = &args.html {
        let title = format!("Evaluation of {}", short(&args.manifest));
        let head = Head { title, about: format!("outdial {}, {settings}", env!("CARGO_PKG_VERSION")) };
        fs::write(file, page(&head, &report, &reached, &shown))
            .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    }
    tell(&match args.json {
        true => {
            let manifest = args.manifest.display().to_string();
            let written =
                Written { manifest, settings: &settings, unread, report: &report, trade_off: &reached };
            serde_json::to_string_pretty(&written).expect("plain strings and numbers can be written as JSON")
        }
        false if reached.is_empty() => text(&report),
        false => format!("{}\n{}", text(&report), trade_off(&reached)),
    })?;
    if unread > 0 { Err(Failure::Said) } else { Ok(()) }
}

/// Other settings, measured beside the ones that the report is about.
struct Other {
    name: String,
    /// The setting that is swept, or nothing.
    curve: String,
    settings: Settings,
}

impl EvaluateArgs {
    fn others(&self) -> Result<Vec<Other>, Failure> {
        let mut others = Vec::new();
        for sweep in &self.sweep {
            let curve = sweep.split('=').next().unwrap_or_default().trim().to_owned();
            for name in values(sweep)? {
                let settings = self.detection.settings(std::slice::from_ref(&name))?;
                others.push(Other { name, curve: curve.clone(), settings });
            }
        }
        for against in &self.against {
            let sets: Vec<String> = against.split(';').map(|set| set.trim().to_owned()).collect();
            let settings = self.detection.settings(&sets)?;
            others.push(Other { name: sets.join("; "), curve: String::new(), settings });
        }
        Ok(others)
    }
}

/// The file and its folder: where that lies concerns nobody whom the page is shown to.
fn short(manifest: &Path) -> String {
    let parts: Vec<_> = manifest.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

fn tell(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        // Who reads us has seen enough: `outdial evaluate ... | head`.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A manifest, and how far it is heard.
struct Corpus<'a> {
    manifest: &'a Path,
    clips: Vec<Clip>,
    bar: ProgressBar,
}

impl<'a> Corpus<'a> {
    /// Reads the manifest, whose clips will be heard so many times.
    fn open(manifest: &'a Path, times: usize) -> Result<Self, Failure> {
        let name = manifest.display();
        if manifest.is_dir() {
            return Err(Failure::Failed(format!(
                "{name} is a folder; name the manifest in it: {name}/manifest.csv"
            )));
        }
        let text = fs::read(manifest).map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
        let clips = manifest::read(&text).map_err(|fault| Failure::Failed(format!("{name}: {fault}")))?;
        if clips.is_empty() {
            return Err(Failure::Failed(format!(
                "{name}: no clip; write one row a recording below the header"
            )));
        }
        let bar = progress(clips.len() * times);
        Ok(Corpus { manifest, clips, bar })
    }

    /// The clips that could be read, judged, and how many could not. `aloud`: each fault is told.
    fn listen(&self, settings: &Settings, aloud: bool) -> (Vec<Judged>, usize) {
        let mut detector = Detector::new(&settings.options);
        let mut unread = 0;
        let judged = judge(self.recordings(aloud, &mut unread), |_, samples| replay(&mut detector, samples));
        (judged, unread)
    }

    /// The same, with a picture of each.
    fn watch(&self, settings: &Settings, shown: &mut Vec<Shown>) -> (Vec<Judged>, usize) {
        let mut detector = Detector::new(&settings.options);
        let mut unread = 0;
        let judged = judge(self.recordings(true, &mut unread), |clip, samples| {
            let (summary, trace) = watch(&mut detector, samples);
            shown.push(Shown::labelled(clip, &summary, &trace, settings.options.verdict_by_ms()));
            summary
        });
        (judged, unread)
    }

    fn recordings(&self, aloud: bool, unread: &mut usize) -> impl Iterator<Item = (Clip, Vec<i16>)> {
        let folder = self.manifest.parent().unwrap_or(Path::new(""));
        self.clips.iter().enumerate().filter_map(move |(place, clip)| {
            self.bar.inc(1);
            match read(&folder.join(&clip.file)) {
                Ok(samples) => Some((clip.clone(), samples)),
                Err(fault) => {
                    *unread += 1;
                    if aloud {
                        // The header is row 1.
                        let (name, row, file) = (self.manifest.display(), place + 2, &clip.file);
                        let remedy = "mend the file, or take the row out";
                        self.bar.suspend(|| eprintln!("error: {name}: row {row}: {file}: {fault}; {remedy}"));
                    }
                    None
                }
            }
        })
    }
}
