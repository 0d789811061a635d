//! `outdial evaluate`: labelled recordings through the detector, and its verdicts held against the labels.
//!
//! Tables for people, one JSON object for programs. A recording that cannot be read is named with its row of the manifest on
//! the standard error stream, the others are judged all the same, and the exit status is 1 at the end.

use super::Failure;
use super::classify::{progress, read};
use super::detection::{DetectionArgs, Settings};
use crate::amd::detector::Detector;
use crate::amd::replay::replay;
use crate::corpus::manifest::{self, Clip};
use crate::evaluation::judged::{Judged, judge};
use crate::evaluation::report::Report;
use crate::evaluation::text::text;
use clap::Args;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The command's arguments.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct EvaluateArgs {
    /// The corpus: a CSV file with one row a clip, `file` (relative to it) and `label` (human, machine, other) at least
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    /// One JSON object with every figure
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    detection: DetectionArgs,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Written<'a> {
    manifest: String,
    settings: &'a Settings,
    unread: usize,
    #[serde(flatten)]
    report: &'a Report,
}

/// Judges every clip; fails when one could not be read.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let settings = args.detection.settings()?;
    let clips = clips(&args.manifest)?;
    let (judged, unread) = listen(&args.manifest, clips, &settings);
    let report = Report::of(&judged, settings.options.deadline_ms);
    let told = if args.json {
        let manifest = args.manifest.display().to_string();
        let written = Written { manifest, settings: &settings, unread, report: &report };
        serde_json::to_string_pretty(&written).expect("plain strings and numbers can be written as JSON")
    } else {
        text(&report)
    };
    match writeln!(io::stdout().lock(), "{}", told.trim_end()) {
        // Who reads us has seen enough: `outdial evaluate ... | head`.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if unread > 0 { Err(Failure::Said) } else { Ok(()) }
}

fn clips(manifest: &Path) -> Result<Vec<Clip>, Failure> {
    let name = manifest.display();
    if manifest.is_dir() {
        return Err(Failure::Failed(format!(
            "{name} is a folder; name the manifest in it: {name}/manifest.csv"
        )));
    }
    let text = fs::read(manifest).map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
    let clips = manifest::read(&text).map_err(|fault| Failure::Failed(format!("{name}: {fault}")))?;
    if clips.is_empty() {
        return Err(Failure::Failed(format!("{name}: no clip; write one row a recording below the header")));
    }
    Ok(clips)
}

/// The clips that could be read, judged, and how many could not.
fn listen(manifest: &Path, clips: Vec<Clip>, settings: &Settings) -> (Vec<Judged>, usize) {
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let bar = progress(clips.len());
    let mut detector = Detector::new(&settings.options);
    let mut unread = 0;
    let recordings = clips.into_iter().enumerate().filter_map(|(place, clip)| {
        let samples = read(&folder.join(&clip.file));
        bar.inc(1);
        match samples {
            Ok(samples) => Some((clip, samples)),
            Err(fault) => {
                unread += 1;
                // The header is row 1.
                let (name, row, file) = (manifest.display(), place + 2, &clip.file);
                let remedy = "mend the file, or take the row out";
                bar.suspend(|| eprintln!("error: {name}: row {row}: {file}: {fault}; {remedy}"));
                None
            }
        }
    });
    let judged = judge(recordings, |_, samples| replay(&mut detector, samples));
    bar.finish_and_clear();
    (judged, unread)
}
