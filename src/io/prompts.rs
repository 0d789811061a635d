//! Prompts: WAV files, read and converted once at the start.

use crate::audio::wav;
use crate::io::config::{Config, Fault};
use crate::media::command::PromptId;
use crate::media::player::PromptTable;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A WAV file larger than this is no prompt.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The loaded prompts and where each file went.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    /// The audio.
    pub table: PromptTable,
    places: BTreeMap<PathBuf, PromptId>,
}

impl Prompts {
    /// Loads all prompts that the campaigns name, each file once. Every file that cannot be read is named with its line.
    pub fn load(config: &Config) -> Result<Prompts, Vec<Fault>> {
        Prompts::default().reload(config)
    }

    /// Loads them anew. A file keeps its place, and one that is named no more keeps its sound: calls in flight play by the
    /// places that they were given.
    pub fn reload(&self, config: &Config) -> Result<Prompts, Vec<Fault>> {
        let mut prompts = self.clone();
        let mut read_already = BTreeSet::new();
        let mut faults = Vec::new();
        for (i, campaign) in config.campaigns.iter().enumerate() {
            for (key, path) in campaign.treatment.prompts() {
                if !read_already.insert(path) {
                    continue;
                }
                match read(path) {
                    Ok(clip) => {
                        let place = prompts.table.put(self.places.get(path).copied(), &clip);
                        prompts.places.insert(path.clone(), place);
                    }
                    Err(text) => {
                        let line = config.line(&format!("campaign.{i}.{key}"));
                        faults.push(Fault { line, text });
                    }
                }
            }
        }
        if faults.is_empty() { Ok(prompts) } else { Err(faults) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_reload_gives_calls_in_flight_no_other_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let clip = |ms: usize| wav::write(&vec![500i16; 8 * ms]);
        for (name, ms) in [("a.wav", 20), ("b.wav", 40), ("c.wav", 60)] {
            fs::write(folder.path().join(name), clip(ms)).unwrap();
        }
        let config = |message: &str, voicemail: &str| {
            let text = format!(
                "[[trunk]]\nname = \"t\"\nhost = \"192.0.2.1\"\n\n[[campaign]]\nname = \"spring\"\ntrunks = [\"t\"]\n\
                 contacts = \"c.csv\"\ncaller_id = \"+12025550100\"\n\n[campaign.human]\naction = \"message\"\n\
                 message = \"{message}\"\n\n[campaign.machine]\naction = \"voicemail\"\nmessage = \"{voicemail}\"\n"
            );
            let path = folder.path().join("outdial.toml");
            fs::write(&path, text).unwrap();
            Config::load(&path).unwrap()
        };
        let place = |prompts: &Prompts, name: &str| prompts.place(&folder.path().join(name));
        let ms = |prompts: &Prompts, id| prompts.table.get(id).unwrap().duration().as_millis();

        let before = Prompts::load(&config("a.wav", "b.wav")).unwrap();
        let (a, b) = (place(&before, "a.wav"), place(&before, "b.wav"));
        fs::write(folder.path().join("b.wav"), clip(100)).unwrap();
        let after = before.reload(&config("b.wav", "c.wav")).unwrap();
        assert_eq!((ms(&after, a), ms(&after, b)), (20, 100), "a is kept, b is read anew in its place");
        assert_eq!(ms(&after, place(&after, "c.wav")), 60);
        let again = after.reload(&config("b.wav", "c.wav")).unwrap();
        assert_eq!(again.table.len(), 3, "a file takes one place, however often it is read");
    }
}
