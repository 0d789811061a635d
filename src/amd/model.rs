//! The learned model: how probable it is that a machine speaks, from the timing of what was said so far.
//!
//! Logistic regression over [`features`], calibrated after Platt ("Probabilistic outputs for support vector
//! machines", 1999), so that 0.9 means nine in ten when persons and machines answer equally often. `outdial train` writes
//! the file; the one in the repository is built in.

use super::features::{self, COUNT, Features, NAMES};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The model that is built in.
const BUILT_IN: &str = include_str!("../../config/amd-model.json");
/// The form of the file; another one is refused.
pub const FORMAT: u32 = 1;
/// No weight of a fit is as large; a file that has one is broken.
const WEIGHT_MAX: f64 = 1e4;

/// The file, as `outdial train` writes it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// [`FORMAT`].
    pub format: u32,
    /// What it was trained on.
    pub corpora: Vec<Corpus>,
    /// What was left out: clips whose subtype or note holds one of these.
    #[serde(default)]
    pub without: Vec<String>,
    /// The commit of the program that trained it.
    pub commit: String,
    /// The seed of its folds.
    pub seed: u64,
    /// How many folds it was cross-validated with, voices and sources apart.
    pub folds: u32,
    /// What the cross-validation gave, by name; shares are 0 to 1, times in milliseconds.
    pub scores: BTreeMap<String, f64>,
    /// Log-odds when every feature is 0.
    pub bias: f64,
    /// One for each of [`NAMES`], in that order.
    pub terms: Vec<Term>,
    /// Platt's line through the log-odds.
    pub calibration: Calibration,
}

/// A corpus that a model was trained on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// The manifest's folder.
    pub name: String,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// Clips of people.
    pub humans: u32,
    /// Clips of machines.
    pub machines: u32,
}

/// One feature's part.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// One of [`NAMES`].
    pub name: String,
    /// Log-odds for each unit of it.
    pub weight: f64,
    /// Its mean in training: what an explanation compares with.
    pub mean: f64,
}

/// `slope` times the log-odds plus `intercept`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// 1 when the fit was neither too sure nor too timid.
    pub slope: f64,
    /// 0 when neither class was favoured.
    pub intercept: f64,
}

/// Why a model file is of no use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write it anew with `outdial train`", self.0)
    }
}

/// The model as the detector uses it.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    bias: f32,
    weights: Features,
    means: Features,
}

impl Model {
    /// The one in the repository, read once.
    pub fn built_in() -> Arc<Model> {
        static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
        let read = || Arc::new(Model::read(BUILT_IN).expect("the model in the repository can be read"));
        Arc::clone(MODEL.get_or_init(read))
    }

    /// Reads a file's text.
    pub fn read(text: &str) -> Result<Model, Unusable> {
        let file = serde_json::from_str(text).map_err(|error| Unusable(format!("no model: {error}")))?;
        Model::new(&file)
    }

    /// Takes a file's content.
    pub fn new(file: &ModelFile) -> Result<Model, Unusable> {
        if file.format != FORMAT {
            return Err(Unusable(format!(
                "the model has format {}, this program reads {FORMAT}",
                file.format
            )));
        }
        let names = file.terms.iter().map(|term| term.name.as_str());
        if !names.eq(NAMES) {
            return Err(Unusable("the model's features are not those of this program".into()));
        }
        let Calibration { slope, intercept } = file.calibration;
        let mut numbers = file.terms.iter().flat_map(|term| [term.weight, term.mean]);
        let sane = |value: f64| value.is_finite() && value.abs() <= WEIGHT_MAX;
        if !numbers.all(sane) || ![file.bias, slope, intercept].into_iter().all(sane) {
            return Err(Unusable("the model holds a number that no training gives".into()));
        }
        Ok(Model {
            bias: (slope * file.bias + intercept) as f32,
            weights: std::array::from_fn(|i| (slope * file.terms[i].weight) as f32),
            means: std::array::from_fn(|i| file.terms[i].mean as f32),
        })
    }

    /// The probability that a machine speaks, if either was as likely before anything was heard.
    pub fn probability(&self, features: &Features) -> f32 {
        let odds = self.bias + self.weights.iter().zip(features).map(|(w, x)| w * x).sum::<f32>();
        1.0 / (1.0 + (-odds).exp())
    }

    /// What a feature adds to the log-odds beyond its mean; positive speaks for a machine.
    pub fn contributions(&self, features: &Features) -> [(&'static str, f32); COUNT] {
        std::array::from_fn(|i| (features::NAMES[i], self.weights[i] * (features[i] - self.means[i])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_can_be_read_and_says_what_it_was_made_of() {
        let file: ModelFile = serde_json::from_str(BUILT_IN).unwrap();
        assert!(!file.corpora.is_empty() && !file.scores.is_empty() && !file.commit.is_empty(), "{file:?}");
        Model::new(&file).unwrap();
    }

    #[test]
    fn calibration_is_a_line_through_the_log_odds() {
        let mut file = empty();
        file.bias = 1.0;
        file.terms[1].weight = 2.0;
        let mut features = [0.0; COUNT];
        features[1] = 1.0;
        let plain = Model::new(&file).unwrap().probability(&features);
        assert!((plain - 0.952_574).abs() < 1e-5, "the logistic function of 3: {plain}");
        file.calibration = Calibration { slope: 0.5, intercept: -1.5 };
        let timid = Model::new(&file).unwrap().probability(&features);
        assert!((timid - 0.5).abs() < 1e-6, "{timid}");
    }

    #[test]
    fn a_file_of_another_kind_is_refused_with_a_remedy() {
        let mut other = empty();
        other.format = 7;
        let mut renamed = empty();
        renamed.terms[3].name = "shoe size".into();
        let mut short = empty();
        short.terms.pop();
        let mut huge = empty();
        huge.bias = 1e9;
        for (file, want) in
            [(other, "format 7"), (renamed, "features"), (short, "features"), (huge, "no training")]
        {
            let fault = Model::new(&file).unwrap_err().to_string();
            assert!(fault.contains(want) && fault.contains("outdial train"), "{fault}");
        }
        assert!(Model::read("{").unwrap_err().to_string().contains("no model"));
    }

    fn empty() -> ModelFile {
        let term = |name: &str| Term { name: name.to_owned(), weight: 0.0, mean: 0.0 };
        ModelFile {
            format: FORMAT,
            corpora: Vec::new(),
            without: Vec::new(),
            commit: String::new(),
            seed: 1,
            folds: 5,
            scores: BTreeMap::new(),
            bias: 0.0,
            terms: NAMES.iter().map(|name| term(name)).collect(),
            calibration: Calibration { slope: 1.0, intercept: 0.0 },
        }
    }
}
