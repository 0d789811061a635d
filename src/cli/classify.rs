//! `outdial classify`: recorded calls through the detector that listens to live ones.
//!
//! A table for people, one line of JSON a file for programs. What cannot be read is named on the standard error stream,
//! the rest is classified all the same, and the exit status is 1 at the end.

use super::engine::EngineArgs;
use crate::amd::detector::{Detector, Options};
use crate::amd::replay::{Summary, replay};
use crate::amd::verdict::{Beep, ToneEvent, Verdict};
use crate::audio::wav;
use crate::evaluation::page::{Head, explained};
use crate::evaluation::shown::Shown;
use crate::evaluation::trace::watch;
use crate::io::enrolled;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Larger files are refused: two hours in the widest format that telephony recorders write stay below.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// Folders within folders are searched to this depth.
const DEPTH_MAX: usize = 32;

/// The command's arguments.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct ClassifyArgs {
    /// WAV files, or folders that are searched for them, subfolders included.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// One line of JSON a file, times in milliseconds from the start of the file.
    #[arg(long)]
    pub json: bool,
    /// Recognise the prompts in this folder too: WAV files in its folders machine/, screening/ and ivr/.
    #[arg(long, value_name = "FOLDER")]
    pub prompts: Option<PathBuf>,
    /// Who judges.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Write a page that shows, for each file, what was heard and why it was judged so; it opens without a network
    #[arg(long, value_name = "FILE")]
    pub explain: Option<PathBuf>,
}

/// Files of which a page shows the picture.
const PICTURES_MAX: usize = 1000;

/// Classifies every file; fails when one could not be read or none was found.
pub fn run(args: &ClassifyArgs) -> ExitCode {
    let prompts = match args.prompts.as_deref().map_or_else(|| Ok(Arc::default()), enrolled::load) {
        Ok(prompts) => prompts,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("error: {fault}"));
            return ExitCode::from(2);
        }
    };
    let options = match args.engine.apply(Options { prompts, ..Options::default() }) {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("error: {fault}");
            return ExitCode::from(2);
        }
    };
    let mut faults = Vec::new();
    let files = find(&args.paths, &mut faults);
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    let mut shown = args.explain.as_ref().map(|_| Vec::new());
    let mut done = classify(&files, &options, args.json, shown.as_mut(), &mut io::stdout().lock());
    if let (Some(page), Some(shown)) = (&args.explain, shown) {
        done = done.and_then(|unread| explain(page, &shown, files.len()).map(|()| unread));
    }
    match done {
        Ok(0) if faults.is_empty() => ExitCode::SUCCESS,
        // Who reads us has seen enough: `outdial classify ... | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write the results: {error}");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::FAILURE,
    }
}

/// Writes the results; returns how many files could not be read.
fn classify(
    files: &[PathBuf],
    options: &Options,
    json: bool,
    mut shown: Option<&mut Vec<Shown>>,
    out: &mut impl Write,
) -> io::Result<usize> {
    let bar = progress(files.len());
    let mut detector = Detector::new(options);
    let mut counts = BTreeMap::new();
    let mut unread = 0;
    let width = files.iter().map(|file| file.display().to_string().chars().count()).max().unwrap_or(4).max(4);
    if !json && !files.is_empty() {
        writeln!(
            out,
            "{:width$}  {:<16} {:>7}  {:<28} {:>8}  BEEPS, TONES",
            "FILE", "VERDICT", "AT", "CAUSE", "GREETING"
        )?;
    }
    for file in files {
        match read(file) {
            Ok(samples) => {
                let summary = match shown.as_deref_mut().filter(|shown| shown.len() < PICTURES_MAX) {
                    Some(shown) => {
                        let (summary, trace) = watch(&mut detector, &samples);
                        shown.push(Shown::unlabelled(&file.display().to_string(), &summary, &trace));
                        summary
                    }
                    None => replay(&mut detector, &samples),
                };
                let line = if json { json_line(file, &summary) } else { row(file, &summary, width) };
                bar.suspend(|| writeln!(out, "{line}"))?;
                *counts.entry(summary.class().map_or("none", |class| class.as_str())).or_insert(0) += 1;
            }
            Err(fault) => {
                unread += 1;
                bar.suspend(|| eprintln!("error: {}: {fault}", file.display()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !json && files.len() > 1 {
        let counts: Vec<String> = counts.iter().map(|(class, count)| format!("{count} {class}")).collect();
        writeln!(out, "{} files: {}", files.len() - unread, counts.join(", "))?;
    }
    out.flush()?;
    Ok(unread)
}

fn explain(page: &Path, shown: &[Shown], files: usize) -> io::Result<()> {
    let title = match shown {
        [one] => format!("Why: {}", one.title()),
        _ => format!("Why: {} recordings", shown.len()),
    };
    let about = match files > PICTURES_MAX {
        true => format!("outdial {}, the first {PICTURES_MAX} of {files} files", env!("CARGO_PKG_VERSION")),
        false => format!("outdial {}", env!("CARGO_PKG_VERSION")),
    };
    fs::write(page, explained(&Head { title, about }, shown))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", page.display())))
}

/// A bar for so many files. Shown on the standard error stream, and only if that is a terminal.
pub(super) fn progress(files: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left");
    bar.set_style(style.expect("the template is valid"));
    bar
}

/// A recording at 8 kHz, or what is wrong with it.
pub(super) fn read(file: &Path) -> Result<Vec<i16>, String> {
    let length = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("{length} bytes are more than {FILE_BYTES_MAX}; split the recording"));
    }
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    wav::read(&bytes).map(|clip| clip.samples).map_err(|error| error.to_string())
}

/// All files, in the order of the arguments, those of a folder sorted by name.
fn find(paths: &[PathBuf], faults: &mut Vec<String>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            search(path, DEPTH_MAX, &mut files, faults);
            if files.len() == before {
                faults.push(format!("{}: no WAV file in this folder", path.display()));
            }
        } else {
            files.push(path.clone());
        }
    }
    files
}

fn search(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, faults: &mut Vec<String>) {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return faults.push(format!("{}: {error}", folder.display())),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a folder is not followed, for it may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth == 0 {
                faults.push(format!("{}: folders are nested too deeply", path.display()));
            } else {
                search(&path, depth - 1, files, faults);
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            files.push(path);
        }
    }
}

/// One file's result as programs read it.
#[derive(Serialize)]
struct Report<'a> {
    file: std::borrow::Cow<'a, str>,
    verdict: &'static str,
    cause: String,
    decided_at_ms: u64,
    revised: Option<Revision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<PromptReport>,
    greeting_end_ms: Option<u64>,
    beeps: Vec<BeepReport>,
    tones: Vec<ToneReport>,
}

#[derive(Serialize)]
struct Revision {
    verdict: &'static str,
    cause: String,
    at_ms: u64,
}

/// An enrolled prompt that was recognised.
#[derive(Serialize)]
struct PromptReport {
    kind: &'static str,
    name: String,
    at_ms: u64,
}

#[derive(Serialize)]
struct BeepReport {
    start_ms: u64,
    reported_at_ms: u64,
    end_ms: u64,
    frequency_hz: f64,
}

#[derive(Serialize)]
struct ToneReport {
    kind: &'static str,
    start_ms: u64,
    at_ms: u64,
}

impl From<&Beep> for BeepReport {
    fn from(beep: &Beep) -> Self {
        BeepReport {
            start_ms: ms(beep.start),
            reported_at_ms: ms(beep.reported_at),
            end_ms: ms(beep.end),
            frequency_hz: (f64::from(beep.frequency_hz) * 10.0).round() / 10.0,
        }
    }
}

impl From<&ToneEvent> for ToneReport {
    fn from(tone: &ToneEvent) -> Self {
        ToneReport { kind: tone.kind.as_str(), start_ms: ms(tone.start), at_ms: ms(tone.at) }
    }
}

impl From<Verdict> for Revision {
    fn from(verdict: Verdict) -> Self {
        Revision { verdict: verdict.class.as_str(), cause: verdict.cause.to_string(), at_ms: ms(verdict.at) }
    }
}

fn json_line(file: &Path, summary: &Summary) -> String {
    let first = summary.verdict.map(Revision::from);
    let first = first.expect("the replay goes on until the deadline has brought a verdict");
    let report = Report {
        file: file.to_string_lossy(),
        verdict: first.verdict,
        cause: first.cause,
        decided_at_ms: first.at_ms,
        revised: summary.revised.map(Revision::from),
        prompt: summary.prompt.map(|(heard, at)| PromptReport {
            kind: heard.kind.as_str(),
            name: heard.name.to_string(),
            at_ms: ms(at),
        }),
        greeting_end_ms: summary.greeting_end.map(ms),
        beeps: summary.beeps.iter().map(BeepReport::from).collect(),
        tones: summary.tones.iter().map(ToneReport::from).collect(),
    };
    serde_json::to_string(&report).expect("plain strings and numbers can be written as JSON")
}

fn row(file: &Path, summary: &Summary, width: usize) -> String {
    let word = |verdict: Option<Verdict>| verdict.map_or("none", |verdict| verdict.class.as_str());
    let verdict = match summary.revised {
        Some(_) => format!("{}, {}", word(summary.verdict), word(summary.revised)),
        None => word(summary.verdict).to_owned(),
    };
    let last = summary.revised.or(summary.verdict);
    let at = last.map_or(String::new(), |verdict| seconds(verdict.at));
    let cause = last.map_or(String::new(), |verdict| verdict.cause.to_string());
    let greeting = summary.greeting_end.map_or("-".to_owned(), seconds);
    let beeps = summary.beeps.iter().map(|beep| {
        format!("beep {:.0} Hz {} to {}", beep.frequency_hz, seconds(beep.start), seconds(beep.end))
    });
    let tones = summary.tones.iter().map(|tone| format!("{} {}", tone.kind, seconds(tone.start)));
    let prompt = summary.prompt.map(|(heard, at)| format!("{} prompt {}", heard.name, seconds(at)));
    let heard: Vec<String> = beeps.chain(tones).chain(prompt).collect();
    let heard = heard.join(", ");
    format!(
        "{:width$}  {verdict:<16} {at:>7}  {cause:<28} {greeting:>8}  {heard}",
        file.display().to_string()
    )
    .trim_end()
    .to_owned()
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn ms(time: Duration) -> u64 {
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::verdict::{Cause, Class, ToneKind};
    use crate::audio::tone::Tone;

    #[test]
    fn a_json_line_has_the_documented_form() {
        let at = Duration::from_millis;
        let summary = Summary {
            verdict: Some(Verdict {
                class: Class::Human,
                cause: Cause::SilenceAfterGreeting(at(500)),
                at: at(1234),
            }),
            revised: Some(Verdict { class: Class::Machine, cause: Cause::Beep, at: at(2345) }),
            prompt: None,
            greeting_end: Some(at(734)),
            beeps: vec![Beep { start: at(1900), reported_at: at(1990), end: at(2200), frequency_hz: 999.96 }],
            tones: vec![ToneEvent { kind: ToneKind::RingBack, start: at(10), at: at(20) }],
        };
        let want = concat!(
            r#"{"file":"a.wav","verdict":"human","cause":"silence after greeting 500 ms","decided_at_ms":1234,"#,
            r#""revised":{"verdict":"machine","cause":"beep","at_ms":2345},"greeting_end_ms":734,"#,
            r#""beeps":[{"start_ms":1900,"reported_at_ms":1990,"end_ms":2200,"frequency_hz":1000.0}],"#,
            r#""tones":[{"kind":"ring_back","start_ms":10,"at_ms":20}]}"#
        );
        assert_eq!(json_line(Path::new("a.wav"), &summary), want);
    }

    #[test]
    fn folders_are_searched_in_order_and_what_is_unreadable_is_counted() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let inner = folder.path().join("b");
        fs::create_dir(&inner).unwrap();
        let busy = wav::write(&Tone::sine(425.0, -16.0).samples(Duration::from_secs(6)));
        for (place, bytes) in
            [("c.wav", &busy[..]), ("a.WAV", &busy), ("b/z.wav", b"no sound"), ("notes.txt", b"")]
        {
            fs::write(folder.path().join(place), bytes).unwrap();
        }
        let mut faults = Vec::new();
        let files = find(&[folder.path().to_owned()], &mut faults);
        let names: Vec<_> =
            files.iter().map(|file| file.strip_prefix(folder.path()).unwrap().to_owned()).collect();
        assert_eq!(names, [PathBuf::from("a.WAV"), PathBuf::from("b/z.wav"), PathBuf::from("c.wav")]);
        assert!(faults.is_empty(), "{faults:?}");
        let mut out = Vec::new();
        assert_eq!(classify(&files, &Options::default(), true, None, &mut out).unwrap(), 1);
        let lines = String::from_utf8(out).unwrap();
        assert_eq!(lines.lines().count(), 2, "the others are still classified: {lines}");
        assert!(
            lines.lines().all(|line| line.contains(r#""verdict":"tone","cause":"dial_tone""#)),
            "{lines}"
        );
    }

    #[test]
    fn a_folder_without_recordings_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut faults = Vec::new();
        assert!(find(&[folder.path().to_owned()], &mut faults).is_empty());
        assert!(faults[0].ends_with("no WAV file in this folder"), "{faults:?}");
    }
}
