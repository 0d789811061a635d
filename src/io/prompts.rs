//! Prompts: WAV files, read and converted once at the start.

use crate::audio::wav;
use crate::io::config::{Config, Fault};
use crate::media::command::PromptId;
use crate::media::player::PromptTable;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A WAV file larger than this is no prompt.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The loaded prompts and where each file went.
#[derive(Debug, Default)]
pub struct Prompts {
    /// The audio.
    pub table: PromptTable,
    places: BTreeMap<PathBuf, PromptId>,
}

impl Prompts {
    /// Loads all prompts that the campaigns name, each file once. Every file that cannot be read is named with its line.
    pub fn load(config: &Config) -> Result<Prompts, Vec<Fault>> {
        let mut clips = Vec::new();
        let mut places = BTreeMap::new();
        let mut faults = Vec::new();
        for (i, campaign) in config.campaigns.iter().enumerate() {
            for (key, path) in campaign.treatment.prompts() {
                if places.contains_key(path) {
                    continue;
                }
                match read(path) {
                    Ok(clip) => {
                        places.insert(path.clone(), PromptId(clips.len() as u32));
                        clips.push(clip);
                    }
                    Err(text) => {
                        let line = config.line(&format!("campaign.{i}.{key}"));
                        faults.push(Fault { line, text });
                    }
                }
            }
        }
        if faults.is_empty() { Ok(Prompts { table: PromptTable::new(clips), places }) } else { Err(faults) }
    }

    /// Where a file went. It was named by a campaign, so it was loaded.
    pub fn place(&self, path: &PathBuf) -> PromptId {
        *self.places.get(path).expect("every prompt that a campaign names was loaded")
    }
}

fn read(path: &PathBuf) -> Result<wav::Clip, String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{shown} is too large for a prompt ({size} bytes, at most {FILE_BYTES_MAX})"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    wav::read(&bytes).map_err(|error| format!("{shown}: {error}"))
}
