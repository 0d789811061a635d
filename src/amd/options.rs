//! What can be set about detection.

use super::model::Model;
use super::parameters::Parameters;
use super::prompts::Prompts;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Settings of the detector; the configuration's `[amd]` table. Durations in milliseconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Who gives the verdict.
    pub engine: Engine,
    /// Aggressiveness of webrtc-vad against noise, 0 to 3.
    pub vad_mode: u8,
    /// Nothing heard for this long is `silence`, never a machine.
    pub initial_silence_ms: u32,
    /// What it costs to hang up on a person as a machine, in a unit of your choice. With the next it says how sure the
    /// model must be: 25 to 1 asks for 0.962.
    pub cost_human_as_machine: f64,
    /// What it costs to hand a machine to an agent, in the same unit.
    pub cost_machine_as_human: f64,
    /// What it costs to let a person wait for one more second, in the same unit.
    pub cost_second_of_waiting: f64,
    /// No person is called one before this much silence after the last word.
    pub silence_after_greeting_ms: u32,
    /// After this much silence the more probable one is said: nobody is let wait for longer.
    pub patience_ms: u32,
    /// A verdict is given by now, `unsure` if need be.
    pub deadline_ms: u32,
    /// A verdict of human may be revised for this long.
    pub revise_ms: u32,
    /// Recordings of prompts in folders named `machine`, `screening` and `ivr`, read at the start.
    pub prompts_dir: Option<PathBuf>,
    /// The prompts themselves.
    #[serde(skip)]
    pub prompts: Arc<Prompts>,
    /// What the engine `asterisk` goes by; it heeds none of the settings above.
    pub asterisk: Parameters,
    /// A model of your own (`outdial train`), read at the start; none: the built-in one.
    pub model_file: Option<PathBuf>,
    /// The model itself.
    #[serde(skip, default = "Model::built_in")]
    pub model: Arc<Model>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            engine: Engine::Outdial,
            vad_mode: 2,
            initial_silence_ms: 4000,
            cost_human_as_machine: 25.0,
            cost_machine_as_human: 1.0,
            cost_second_of_waiting: 0.2,
            silence_after_greeting_ms: 450,
            patience_ms: 1200,
            deadline_ms: 5000,
            revise_ms: 3000,
            prompts_dir: None,
            prompts: Arc::default(),
            asterisk: Parameters::default(),
            model_file: None,
            model: Model::built_in(),
        }
    }
}

impl Options {
    /// The probability from which on a machine is said: below, the risk to a person costs more.
    pub fn machine_from(&self) -> f32 {
        (self.cost_human_as_machine / (self.cost_human_as_machine + self.cost_machine_as_human)) as f32
    }

    /// A verdict is given by now, whichever engine gives it.
    pub fn verdict_by_ms(&self) -> u32 {
        match self.engine {
            Engine::Outdial => self.deadline_ms,
            Engine::Asterisk => self.asterisk.total_analysis_time,
        }
    }
}

/// Who gives the verdict.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Our own judge.
    #[default]
    Outdial,
    /// The documented rules of Asterisk's AMD application, to compare with.
    Asterisk,
}

impl Engine {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Outdial => "outdial",
            Engine::Asterisk => "asterisk",
        }
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = [Engine::Outdial, Engine::Asterisk].into_iter().find(|engine| engine.as_str() == word);
        known.ok_or_else(|| format!("{word:?} is neither \"outdial\" nor \"asterisk\""))
    }
}

/// What to listen for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The call was answered: everything, with a verdict.
    Answer,
    /// Before the answer: named tones only, no verdict.
    EarlyMedia,
}
