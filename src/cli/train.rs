//! `outdial train`: a model from labelled recordings, cross-validated with voices and sources apart.
//!
//! One corpus, seed and commit give one file, byte for byte. The tables that are printed judge each clip by a model that
//! has heard neither its voice nor its source.

use super::Failure;
use super::classify::{progress, read};
use crate::amd::Options;
use crate::amd::detector::Detector;
use crate::amd::model::Corpus;
use crate::amd::replay::replay;
use crate::corpus::manifest::{self, Clip, Label};
use crate::evaluation::judged::Judged;
use crate::evaluation::report::Report;
use crate::evaluation::share::Share;
use crate::evaluation::text::text;
use crate::training::examples::{self, Example};
use crate::training::train::{Trained, train};
use clap::Args;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The command's arguments.
#[derive(Args, Clone, PartialEq, Debug)]
#[command(after_help = "Train on your own calls:\n  \
    outdial export labels --output calls     recordings that agents have labelled, with a manifest\n  \
    outdial train calls/manifest.csv --output my-model.json\n  \
    outdial evaluate calls/manifest.csv --set model_file=my-model.json\n\
    Then in the configuration:  [amd] model_file = \"my-model.json\"\n\n\
    Fill the manifest's columns `source` and `voice`: clips that share one are never trained on and judged at once.")]
pub struct TrainArgs {
    /// Corpora: CSV files with one row a clip; `file` and `label`, and `source` and `voice` to keep them apart
    #[arg(required = true, value_name = "MANIFEST")]
    pub manifests: Vec<PathBuf>,
    /// Where the model is written
    #[arg(short, long, value_name = "FILE", default_value = "amd-model.json")]
    pub output: PathBuf,
    /// Leave out clips whose subtype or note holds this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub without: Vec<String>,
    /// What the folds are dealt by; the same gives the same file
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Parts of the corpus, each judged by a model of the others
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=20))]
    pub folds: u32,
    /// One JSON object with every cross-validated figure
    #[arg(long)]
    pub json: bool,
}

/// Where clips lie.
struct Shelf {
    name: String,
    folder: PathBuf,
    sha256: String,
    clips: Vec<Clip>,
}

/// Trains and writes the file; fails when a clip cannot be read, for a model of half a corpus is another model.
pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let shelves: Vec<Shelf> =
        args.manifests.iter().map(|path| shelf(path, &args.without)).collect::<Result<_, _>>()?;
    let clips: Vec<Clip> = shelves.iter().flat_map(|shelf| shelf.clips.iter().cloned()).collect();
    let places: Vec<PathBuf> = shelves
        .iter()
        .flat_map(|shelf| shelf.clips.iter().map(|clip| shelf.folder.join(&clip.file)))
        .collect();
    let examples = examples_of(&clips, &places)?;
    let corpora = shelves.iter().map(Shelf::note).collect();
    let mut trained = train(&clips, &examples, corpora, &commit(), args.seed, args.folds as usize)
        .map_err(|fault| Failure::Failed(fault.to_string()))?;
    trained.file.without.clone_from(&args.without);
    let judged = held_out(&clips, &places, &trained)?;
    let reports = reports(&shelves, judged);
    for (name, report) in &reports {
        add_scores(&mut trained, name, report);
    }
    let mut file = serde_json::to_string_pretty(&trained.file).expect("numbers and names can be written");
    file.push('\n');
    write(&args.output, &file)?;
    tell(args, &trained, &reports);
    Ok(())
}

fn shelf(path: &Path, without: &[String]) -> Result<Shelf, Failure> {
    let name = path.display();
    let fail = |text: String| Failure::Failed(format!("{name}: {text}"));
    let bytes = fs::read(path).map_err(|error| fail(error.to_string()))?;
    let mut clips = manifest::read(&bytes).map_err(|fault| fail(fault.to_string()))?;
    let left_out =
        |clip: &Clip| without.iter().any(|text| clip.subtype.contains(text) || clip.note.contains(text));
    clips.retain(|clip| !left_out(clip));
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let full = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let name = full.file_name().map_or("corpus".into(), |name| name.to_string_lossy().into_owned());
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Shelf { name, folder, sha256, clips })
}

impl Shelf {
    fn note(&self) -> Corpus {
        let count = |label| self.clips.iter().filter(|clip| clip.label == label).count() as u32;
        Corpus {
            name: self.name.clone(),
            manifest_sha256: self.sha256.clone(),
            humans: count(Label::Human),
            machines: count(Label::Machine),
        }
    }
}

fn examples_of(clips: &[Clip], places: &[PathBuf]) -> Result<Vec<Example>, Failure> {
    let bar = progress(clips.len());
    let mut detector = Detector::new(&Options::default());
    let mut all = Vec::new();
    for (number, (clip, place)) in clips.iter().zip(places).enumerate() {
        all.extend(examples::of(number, clip, &sound(place)?, &mut detector));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// Each clip as the model of the other folds judges it.
fn held_out(clips: &[Clip], places: &[PathBuf], trained: &Trained) -> Result<Vec<Judged>, Failure> {
    let of_fold = |model| Detector::new(&Options { model: Arc::clone(model), ..Options::default() });
    let mut detectors: Vec<Detector> = trained.folds.iter().map(of_fold).collect();
    let bar = progress(clips.len());
    let mut judged = Vec::new();
    for ((clip, place), fold) in clips.iter().zip(places).zip(&trained.fold_of) {
        let summary = replay(&mut detectors[*fold], &sound(place)?);
        judged.push(Judged { clip: clip.clone(), summary });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(judged)
}

fn sound(place: &Path) -> Result<Vec<i16>, Failure> {
    let remedy = "mend the file, or take its row out of the manifest";
    read(place).map_err(|fault| Failure::Failed(format!("{}: {fault}; {remedy}", place.display())))
}

fn reports(shelves: &[Shelf], judged: Vec<Judged>) -> Vec<(String, Report)> {
    let mut judged = judged.into_iter();
    let report = |shelf: &Shelf| {
        let part: Vec<Judged> = judged.by_ref().take(shelf.clips.len()).collect();
        (shelf.name.clone(), Report::of(&part, Options::default().deadline_ms))
    };
    shelves.iter().map(report).collect()
}

/// The decisions of the cross-validation, by the corpus's name.
fn add_scores(trained: &mut Trained, name: &str, report: &Report) {
    let figures = &report.figures;
    let mut put = |what: &str, value: Option<f64>| {
        if let Some(value) = value {
            trained.file.scores.insert(format!("{name}: {what}"), (value * 1e4).round() / 1e4);
        }
    };
    let share = |share: &Share| share.value();
    put("human called machine", share(&figures.human_called_machine));
    put("human called machine, first or revised", share(&figures.human_lost));
    put("machine found first", share(&figures.machine_found));
    put("machine found finally", share(&figures.machine_found_finally));
    put("human verdict after speech, median ms", figures.human_after_speech_ms.map(|ms| ms as f64));
    put("machine verdict after answer, median ms", figures.machine_decided_ms.map(|ms| ms as f64));
}

/// The commit of the program, where it is run from its repository.
fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let known = asked.ok().filter(|output| output.status.success());
    known.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    let mut file = fs::File::create(path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)
}

fn tell(args: &TrainArgs, trained: &Trained, reports: &[(String, Report)]) {
    let file = args.output.display();
    if args.json {
        let reports: serde_json::Map<String, serde_json::Value> = reports
            .iter()
            .map(|(name, report)| (name.clone(), serde_json::to_value(report).expect("plain numbers")))
            .collect();
        let told = serde_json::json!({ "model": trained.file, "cross_validation": reports });
        super::output::line(told.to_string());
        return;
    }
    for (name, report) in reports {
        super::output::line(format!(
            "== {name}: each clip judged by a model that heard neither its voice nor its source\n"
        ));
        super::output::line(text(report));
    }
    super::output::line("== the fit, on moments of held-out clips");
    for (name, value) in trained.file.scores.iter().filter(|(name, _)| !name.contains(':')) {
        super::output::line(format!("{name:<32} {value:>10}"));
    }
    super::output::line(format!("\nwritten to {file}; use it with   [amd] model_file = \"{file}\""));
}
