//! A recipe: which voices say what, over which lines, and how many clips of each kind (TOML).
//!
//! The recipe names commands and folders but runs and reads none: the shell does, hands in a [`Catalogue`] of what the
//! folders hold, and gets a [`plan`](super::plan::plan) that one seed determines to the last bit.

use super::manifest::Label;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A recipe with more clips is refused.
pub const CLIPS_MAX: usize = 100_000;

/// The whole file.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where all chance comes from.
    pub seed: u64,
    /// The shares of line conditions.
    #[serde(default)]
    pub line: Shares,
    /// Who speaks.
    #[serde(default, rename = "voice")]
    pub voices: Vec<Voice>,
    /// What is said, by the name of a language or of a set of prompts.
    #[serde(default)]
    pub words: BTreeMap<String, Words>,
    /// Music and rooms.
    #[serde(default, rename = "sound")]
    pub sounds: Vec<Sound>,
    /// Tones of networks and faxes.
    #[serde(default, rename = "tone")]
    pub tones: Vec<Tone>,
    /// How many of what.
    #[serde(rename = "make")]
    pub makes: Vec<Make>,
}

/// One speaker: a synthesiser's command, or a folder of recordings.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// Its name in the manifest.
    pub name: String,
    /// Where it comes from, for the manifest.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// The [`Words`] it speaks.
    pub words: String,
    /// What it says may be published.
    #[serde(default)]
    pub publish: bool,
    /// A command that writes a WAV file to `{out}`, of the words `{text}`.
    #[serde(default)]
    pub say: Vec<String>,
    /// A folder of recordings by this voice, if no command speaks.
    #[serde(default)]
    pub folder: String,
    /// Recordings whose path ends so are taken: `.wav`, `/word.ogg` ...
    #[serde(default)]
    pub endings: Vec<String>,
    /// Recordings whose path in the folder begins with one of these are left out.
    #[serde(default)]
    pub except: Vec<String>,
    /// At most so many recordings are taken as answers, drawn by chance; 0 is all.
    #[serde(default)]
    pub limit: usize,
}

impl Voice {
    /// It is recorded, not synthesised.
    pub fn is_real(&self) -> bool {
        self.say.is_empty()
    }
}

/// What can be said. In every text `{number}` stands for digits, `{name}` and `{company}` for one of the lists.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// Answers of one or two syllables. A folder of recordings needs no lists of answers: length decides.
    pub short: Vec<String>,
    /// Answers of about a second.
    pub medium: Vec<String>,
    /// Answers of a business.
    pub long: Vec<String>,
    /// Greetings of machines: sentences, and pauses such as `~0.7-1.8` in seconds.
    pub greetings: Vec<Vec<String>>,
    /// What assistants say who screen calls.
    pub screenings: Vec<Vec<String>>,
    /// Phone trees.
    pub trees: Vec<Vec<String>>,
    /// What announcements say after a SIT or instead of it.
    pub announcements: Vec<Vec<String>>,
    /// The digits from 0, as words or as files.
    pub digits: Vec<String>,
    /// First names.
    pub names: Vec<String>,
    /// Companies.
    pub companies: Vec<String>,
    /// Greetings may also be strung together from any recordings of the folder.
    pub strung: bool,
}

/// Music or the noise of a room, from a command that writes a WAV file to `{out}`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// Its name.
    pub name: String,
    /// `music` or `room`.
    pub use_as: String,
    /// The command.
    pub command: Vec<String>,
    /// Where it comes from.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// It may be published.
    #[serde(default)]
    pub publish: bool,
}

/// A tone: steps that are repeated until the clip is full.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Tone {
    /// Its name, in the note.
    pub name: String,
    /// The subtype in the manifest: `busy`, `ringback` ...
    pub subtype: String,
    /// What sounds one after the other.
    pub steps: Vec<Step>,
    /// So many times; 0 until the clip ends.
    #[serde(default)]
    pub times: u32,
    /// After it an announcement is read.
    #[serde(default)]
    pub announced: bool,
}

/// Sines, or a pause when there are none.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Their frequencies.
    #[serde(default)]
    pub hz: Vec<f64>,
    /// How long.
    pub s: f64,
    /// The phase turns over so often.
    #[serde(default)]
    pub reversal_s: Option<f64>,
    /// The level swings at 15 Hz.
    #[serde(default)]
    pub swinging: bool,
}

/// So many clips of one kind.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// The kind.
    pub what: What,
    /// How many.
    pub count: usize,
    /// Names of voices; `espeak*` is all whose name begins so. For tones and sounds the names of those.
    #[serde(default = "all")]
    pub of: Vec<String>,
}

/// Kinds of clips.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A person answers.
    Human,
    /// A machine answers.
    Machine,
    /// An assistant asks who is calling.
    Screening,
    /// A phone tree.
    Tree,
    /// Network and fax tones.
    Tone,
    /// Music on hold.
    Music,
    /// Noise and nobody.
    Noise,
    /// Nothing.
    Silence,
}

impl What {
    /// The label in the manifest.
    pub fn label(self) -> Label {
        match self {
            What::Human => Label::Human,
            What::Machine => Label::Machine,
            _ => Label::Other,
        }
    }

    /// Somebody speaks.
    pub fn is_spoken(self) -> bool {
        matches!(self, What::Human | What::Machine | What::Screening | What::Tree)
    }
}

/// How often a line is of which kind, 0 to 1.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct Shares {
    /// Through GSM.
    pub gsm: f64,
    /// Through A-law.
    pub alaw: f64,
    /// With packets lost.
    pub loss: f64,
    /// With a line's own noise.
    pub hiss: f64,
    /// With a room's noise.
    pub ambient: f64,
    /// The least distance of speech to noise, in dB.
    pub snr_low_db: f64,
    /// The greatest.
    pub snr_high_db: f64,
    /// Answers below 0.8 s.
    pub short: f64,
    /// Answers of 0.8 to 1.5 s.
    pub medium: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Shares {
            gsm: 0.22,
            alaw: 0.13,
            loss: 0.12,
            hiss: 0.45,
            ambient: 0.25,
            snr_low_db: 8.0,
            snr_high_db: 44.0,
            short: 0.53,
            medium: 0.27,
        }
    }
}

/// What the folders of a recipe hold: for each voice by its place, the recordings and their lengths in milliseconds,
/// sorted by name.
pub type Catalogue = BTreeMap<usize, Vec<(String, u32)>>;

/// What is wrong with a recipe, where, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a recipe and checks what can be checked without its files.
pub fn read(text: &str) -> Result<Recipe, Fault> {
    let recipe: Recipe =
        toml::from_str(text).map_err(|error| Fault(error.to_string().trim_end().to_owned()))?;
    check(&recipe)?;
    Ok(recipe)
}

fn check(recipe: &Recipe) -> Result<(), Fault> {
    let fault = |text: String| Err(Fault(text));
    for (place, voice) in recipe.voices.iter().enumerate() {
        let name = &voice.name;
        if recipe.voices[..place].iter().any(|other| other.name == *name) {
            return fault(format!("voice `{name}` stands twice; give the second another name"));
        }
        if !recipe.words.contains_key(&voice.words) {
            return fault(format!(
                "voice `{name}`: no [words.{}]; write that table or name another",
                voice.words
            ));
        }
        if voice.say.is_empty() == voice.folder.is_empty() {
            return fault(format!(
                "voice `{name}`: give either `say`, a command, or `folder`, not both or none"
            ));
        }
        let joined = voice.say.join(" ");
        let complete = joined.contains("{out}") && joined.contains("{text}");
        if !(voice.is_real() || complete) {
            return fault(format!("voice `{name}`: `say` needs {{text}} and {{out}} among its arguments"));
        }
    }
    for sound in &recipe.sounds {
        if !["music", "room"].contains(&sound.use_as.as_str()) {
            return fault(format!(
                "sound `{}`: use_as is `music` or `room`, not `{}`",
                sound.name, sound.use_as
            ));
        }
        if !sound.command.join(" ").contains("{out}") {
            return fault(format!("sound `{}`: `command` needs {{out}} among its arguments", sound.name));
        }
    }
    for tone in &recipe.tones {
        if tone.steps.iter().map(|step| step.s.clamp(0.0, 60.0)).sum::<f64>() < 0.02 {
            return fault(format!(
                "tone `{}`: its steps last no time; give each an `s` in seconds",
                tone.name
            ));
        }
    }
    let shares = &recipe.line;
    for (name, sum) in [
        ("gsm + alaw", shares.gsm + shares.alaw),
        ("hiss + ambient", shares.hiss + shares.ambient),
        ("short + medium", shares.short + shares.medium),
    ] {
        if !(0.0..=1.0).contains(&sum) {
            return fault(format!("[line]: {name} is {sum}; shares add up to 1 at most"));
        }
    }
    let count: usize = recipe.makes.iter().map(|make| make.count).fold(0, usize::saturating_add);
    if count > CLIPS_MAX {
        return fault(format!("{count} clips are more than {CLIPS_MAX}; lower the counts in [[make]]"));
    }
    for (place, make) in recipe.makes.iter().enumerate() {
        if make.what != What::Silence && chosen(recipe, make).is_empty() {
            return fault(format!(
                "make number {} ({:?}): no {} is named {:?}; correct `of`",
                place + 1,
                make.what,
                if make.what.is_spoken() { "voice" } else { "tone or sound" },
                make.of
            ));
        }
    }
    Ok(())
}

/// The places of the voices, tones or sounds that a make names, in the recipe's order.
pub(super) fn chosen(recipe: &Recipe, make: &Make) -> Vec<usize> {
    let named = |name: &str| {
        make.of.iter().any(|want| match want.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => want == name,
        })
    };
    let places = |names: Vec<(&str, bool)>| {
        let found = names.into_iter().enumerate().filter(|(_, (name, fits))| *fits && named(name));
        found.map(|(place, _)| place).collect()
    };
    let sounds = |kind: &str| {
        places(recipe.sounds.iter().map(|sound| (sound.name.as_str(), sound.use_as == kind)).collect())
    };
    match make.what {
        What::Tone => places(recipe.tones.iter().map(|tone| (tone.name.as_str(), true)).collect()),
        What::Music => sounds("music"),
        What::Noise => sounds("room"),
        What::Silence => Vec::new(),
        _ => places(
            recipe
                .voices
                .iter()
                .map(|voice| {
                    (voice.name.as_str(), can(&recipe.words[&voice.words], voice.is_real(), make.what))
                })
                .collect(),
        ),
    }
}

fn can(words: &Words, real: bool, what: What) -> bool {
    match what {
        What::Human => real || !words.short.is_empty(),
        What::Machine => !words.greetings.is_empty() || (real && words.strung),
        What::Screening => !words.screenings.is_empty(),
        What::Tree => !words.trees.is_empty(),
        _ => false,
    }
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

#[cfg(test)]
mod tests;
