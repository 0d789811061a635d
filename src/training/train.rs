//! From examples to the model's file: folds, fits, calibration, probe.

use super::calibrate;
use super::examples::Example;
use super::fit::{Line, Table, logistic};
use super::folds;
use super::probe::{self, RIDGE, Sample};
use crate::amd::features::NAMES;
use crate::amd::model::{Calibration, Corpus, FORMAT, Model, ModelFile, Term};
use crate::corpus::manifest::{Clip, Label};
use crate::rng::Rng;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A class with fewer clips than this teaches nothing.
pub const CLIPS_MIN: usize = 10;
/// The moment after the first word at which the probe looks, in seconds of speech and silence.
const PROBE_MOMENT_S: f32 = 1.0;
/// Decimals in the file: a different rounding in the last bits of a processor must not show.
const DIGITS: i32 = 9;

/// Why nothing can be learned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TooLittle(String);

impl fmt::Display for TooLittle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the fold that did not hear a clip would say of it, and the model of all.
pub struct Trained {
    /// The file; its scores are those of the fit, decisions are added by who replays the clips.
    pub file: ModelFile,
    /// The model of each fold.
    pub folds: Vec<Arc<Model>>,
    /// The fold that each clip is judged by.
    pub fold_of: Vec<usize>,
}

/// Trains on all clips and cross-validates with voices and sources apart.
///
/// # Errors
///
/// [`TooLittle`] when a class has fewer than [`CLIPS_MIN`] clips or all of it comes from one source.
pub fn train(
    clips: &[Clip],
    examples: &[Example],
    corpora: Vec<Corpus>,
    commit: &str,
    seed: u64,
    count: usize,
) -> Result<Trained, TooLittle> {
    check(clips, count)?;
    let mut rng = Rng::from_seed(seed);
    let fold_of = folds::deal(clips, count, &mut rng);
    let apart = Held::new(examples, &fold_of, count);
    let by_lot: Vec<usize> = clips.iter().map(|_| rng.below(count as u64) as usize).collect();
    let mixed = Held::new(examples, &by_lot, count);
    let calibration = rounded_line(calibrate::line(&apart.odds, &apart.positive, &apart.weights));
    let line = logistic(&table(examples, |_| true), RIDGE);
    let mut scores = apart.scores(calibration);
    scores.insert("sources_mixed_loss".into(), mixed.loss());
    scores.insert("leaning_on_sources".into(), apart.loss() - mixed.loss());
    for (name, label) in [("human", Label::Human), ("machine", Label::Machine)] {
        let samples = moments(clips, examples, label);
        if let Some(area) = probe::sources_told_apart(&samples, &mut rng) {
            scores.insert(format!("sources_told_apart_{name}"), area);
        }
    }
    let scores = scores.into_iter().map(|(name, value)| (name, rounded(value, 4))).collect();
    let file = |line: &Line, scores| ModelFile {
        format: FORMAT,
        corpora: corpora.clone(),
        without: Vec::new(),
        commit: commit.to_owned(),
        seed,
        folds: count as u32,
        scores,
        bias: rounded(line.bias, DIGITS),
        terms: terms(line),
        calibration,
    };
    let model = |line: &Line| Model::new(&file(line, BTreeMap::new())).expect("a fit gives sane numbers");
    let folds = apart.lines.iter().map(|line| Arc::new(model(line))).collect();
    Ok(Trained { file: file(&line, scores), folds, fold_of })
}

fn check(clips: &[Clip], folds: usize) -> Result<(), TooLittle> {
    for label in [Label::Human, Label::Machine] {
        let of_class: Vec<&Clip> = clips.iter().filter(|clip| clip.label == label).collect();
        let word = label.as_str();
        if of_class.len() < CLIPS_MIN {
            let text = format!("{} clips are labelled `{word}`; {CLIPS_MIN} are the least", of_class.len());
            return Err(TooLittle(text));
        }
        let groups = folds::groups(&of_class.into_iter().cloned().collect::<Vec<_>>());
        let distinct = groups.iter().enumerate().filter(|(place, group)| place == *group).count();
        if distinct < folds {
            return Err(TooLittle(format!(
                "the clips labelled `{word}` come from {distinct} sources or voices, too few for {folds} folds that keep \
                 them apart; fill the columns `source` and `voice`, or ask for fewer with --folds"
            )));
        }
    }
    Ok(())
}

/// The examples of the folds that `take` accepts.
fn table(examples: &[Example], take: impl Fn(&Example) -> bool) -> Table {
    let mut table = Table::default();
    for example in examples.iter().filter(|example| take(example)) {
        table.rows.push(example.features.iter().map(|value| f64::from(*value)).collect());
        table.positive.push(example.machine);
    }
    table.balance();
    table
}

/// Every example judged by a fold that did not have its clip.
struct Held {
    lines: Vec<Line>,
    odds: Vec<f64>,
    positive: Vec<bool>,
    weights: Vec<f64>,
}

impl Held {
    fn new(examples: &[Example], fold_of: &[usize], count: usize) -> Held {
        let lines: Vec<Line> = (0..count)
            .map(|fold| logistic(&table(examples, |example| fold_of[example.clip] != fold), RIDGE))
            .collect();
        let all = table(examples, |_| true);
        let odds = |(example, row): (&Example, &Vec<f64>)| lines[fold_of[example.clip]].odds(row);
        let odds = examples.iter().zip(&all.rows).map(odds).collect();
        Held { odds, positive: all.positive, weights: all.weights, lines }
    }

    /// After its own calibration: what is compared is the order, not the confidence.
    fn loss(&self) -> f64 {
        let line = calibrate::line(&self.odds, &self.positive, &self.weights);
        calibrate::loss(&self.odds, &self.positive, &self.weights, line)
    }

    fn scores(&self, calibration: Calibration) -> BTreeMap<String, f64> {
        BTreeMap::from([
            ("moments".into(), self.odds.len() as f64),
            ("moments_area_under_curve".into(), probe::area(&self.odds, &self.positive)),
            ("sources_apart_loss".into(), self.loss()),
            (
                "calibration_error".into(),
                calibrate::error(&self.odds, &self.positive, &self.weights, calibration),
            ),
        ])
    }
}

/// One moment of each clip of a class: the first that is [`PROBE_MOMENT_S`] after the first word, or the last before.
fn moments(clips: &[Clip], examples: &[Example], label: Label) -> Vec<Sample> {
    let groups = folds::groups(clips);
    let mut of_clip: BTreeMap<usize, &Example> = BTreeMap::new();
    for example in examples.iter().filter(|example| clips[example.clip].label == label) {
        let earlier = of_clip.get(&example.clip).is_none_or(|last| age_s(last) < PROBE_MOMENT_S);
        if earlier {
            of_clip.insert(example.clip, example);
        }
    }
    let sample = |(clip, example): (&usize, &&Example)| Sample {
        group: groups[*clip],
        row: example.features.iter().map(|value| f64::from(*value)).collect(),
    };
    of_clip.iter().map(sample).collect()
}

/// Seconds since the first word: speech and silence of the features added up.
fn age_s(example: &Example) -> f32 {
    example.features[1..7].iter().chain(&example.features[13..23]).sum()
}

fn terms(line: &Line) -> Vec<Term> {
    let one = |(i, name): (usize, &&str)| Term {
        name: (*name).to_owned(),
        weight: rounded(line.weights[i], DIGITS),
        mean: rounded(line.means[i], DIGITS),
    };
    NAMES.iter().enumerate().map(one).collect()
}

fn rounded_line(line: Calibration) -> Calibration {
    Calibration { slope: rounded(line.slope, DIGITS), intercept: rounded(line.intercept, DIGITS) }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    // Adding 0 turns a negative zero into a plain one.
    (value * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::features::COUNT;

    /// Machines speak on, people fall silent; four sources of each.
    fn corpus() -> (Vec<Clip>, Vec<Example>) {
        let mut rng = Rng::from_seed(4);
        let mut clips = Vec::new();
        let mut examples = Vec::new();
        for clip in 0..160 {
            let machine = clip % 2 == 0;
            let label = if machine { Label::Machine } else { Label::Human };
            let source = format!("voice {}", clip % 8);
            clips.push(Clip { source, ..Clip::new(format!("{clip}.wav"), label) });
            for moment in 0..10 {
                let mut features = [0.0; COUNT];
                let noise = rng.below(1000) as f32 / 1000.0;
                features[1] = if machine { 0.1 * moment as f32 } else { 0.4 } + 0.3 * noise;
                features[19] = if machine { 0.0 } else { 0.04 * moment as f32 };
                examples.push(Example { clip, machine, features });
            }
        }
        (clips, examples)
    }

    fn run(seed: u64) -> Trained {
        let (clips, examples) = corpus();
        train(&clips, &examples, Vec::new(), "abc", seed, 4).unwrap()
    }

    #[test]
    fn one_seed_gives_one_file_byte_for_byte_and_it_can_be_used() {
        let text = |seed| serde_json::to_string_pretty(&run(seed).file).unwrap();
        assert_eq!(text(1), text(1));
        let model = Model::read(&text(1)).unwrap();
        let (_, examples) = corpus();
        let mean = |machine: bool| {
            let of: Vec<f32> = examples
                .iter()
                .filter(|example| example.machine == machine)
                .map(|example| model.probability(&example.features))
                .collect();
            of.iter().sum::<f32>() / of.len() as f32
        };
        assert!(mean(true) > 0.6 && mean(false) < 0.4, "{} and {}", mean(true), mean(false));
    }

    #[test]
    fn the_file_says_how_it_fared_with_sources_apart() {
        let scores = run(1).file.scores;
        assert!(scores["moments_area_under_curve"] > 0.8, "{scores:?}");
        assert!(scores["calibration_error"] < 0.1, "{scores:?}");
        assert!(scores["sources_told_apart_human"] < 0.6, "all sources are alike: {scores:?}");
        assert!(scores["leaning_on_sources"].abs() < 0.05, "{scores:?}");
    }

    #[test]
    fn too_few_clips_or_sources_are_refused_with_a_remedy() {
        let (mut clips, examples) = corpus();
        let fault = |clips: &[Clip]| {
            train(clips, &examples, Vec::new(), "abc", 1, 4).err().expect("too little").to_string()
        };
        assert!(fault(&clips[..12]).contains("10 are the least"), "{}", fault(&clips[..12]));
        clips.iter_mut().for_each(|clip| clip.source = "one".into());
        assert!(fault(&clips).contains("from 1 sources"), "{}", fault(&clips));
    }
}
