//! `outdial corpus`: makes labelled telephone audio from a recipe.
//!
//! The recipe names synthesisers' commands and folders of recordings; they are run and read here, everything else is
//! [`crate::corpus`]. GSM 06.10 is coded by `sox`, which also reads what is not WAV. One recipe and one seed give the
//! same files, byte for byte, as long as the synthesisers do.

use crate::audio::wav::WavError;
use crate::audio::{duration_of, wav};
use crate::corpus::compose::{Part, Scene, compose, trim};
use crate::corpus::line::{Codec, far, near};
use crate::corpus::manifest::{self, Clip};
use crate::corpus::plan::{Act, Take, plan};
use crate::corpus::recipe::{self, Catalogue, Recipe};
use crate::corpus::storage;
use crate::rng::Rng;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Folders within a voice's folder are searched to this depth.
const DEPTH_MAX: usize = 8;
/// A voice's folder with more recordings is refused.
const RECORDINGS_MAX: usize = 20_000;
/// Music and rooms are read so far, in samples: three minutes.
const SOUND_SAMPLES_MAX: usize = 180 * 8_000;

/// The command's arguments.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct CorpusArgs {
    /// The recipe (TOML).
    #[arg(value_name = "RECIPE")]
    pub recipe: PathBuf,
    /// The folder that gets the WAV files and manifest.csv; what else is in it stays.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Another seed than the recipe's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Store mu-law instead of 16-bit PCM: half the size, and nothing is lost.
    #[arg(long)]
    pub mulaw: bool,
    /// Only what may be published.
    #[arg(long)]
    pub publishable: bool,
    /// A manifest of clips that lie in the output folder already: its rows are written before the new ones.
    #[arg(long, value_name = "MANIFEST")]
    pub beside: Option<PathBuf>,
}

/// Makes the corpus.
pub fn run(args: &CorpusArgs) -> ExitCode {
    match make(args) {
        Ok(count) => {
            println!("{count} clips in {}", args.output.display());
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn make(args: &CorpusArgs) -> Result<usize, String> {
    let named = |fault: &dyn std::fmt::Display| format!("{}: {fault}", args.recipe.display());
    let text = fs::read_to_string(&args.recipe).map_err(|error| named(&error))?;
    let recipe = recipe::read(&text).map_err(|fault| named(&fault))?;
    let work = args.output.join(".making");
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let done = Maker::new(&recipe, &work).and_then(|maker| {
        let seed = args.seed.unwrap_or(recipe.seed);
        let takes = plan(&recipe, &maker.catalogue, seed).map_err(|fault| named(&fault))?;
        maker.make(&takes, args)
    });
    // The folder holds half-made sounds only.
    let _ = fs::remove_dir_all(&work);
    done
}

struct Maker<'a> {
    recipe: &'a Recipe,
    work: &'a Path,
    catalogue: Catalogue,
    recordings: Mutex<HashMap<PathBuf, Vec<i16>>>,
    sounds: Vec<Vec<i16>>,
}

impl<'a> Maker<'a> {
    /// Reads the folders and has the sounds made.
    fn new(recipe: &'a Recipe, work: &'a Path) -> Result<Self, String> {
        let mut maker = Maker {
            recipe,
            work,
            catalogue: Catalogue::new(),
            recordings: Mutex::new(HashMap::new()),
            sounds: Vec::new(),
        };
        for (place, sound) in recipe.sounds.iter().enumerate() {
            let out = work.join(format!("sound-{place}.wav"));
            let mut samples = maker
                .run(&sound.command, &[], &out)
                .map_err(|why| format!("sound `{}`: {why}", sound.name))?;
            samples.truncate(SOUND_SAMPLES_MAX);
            maker.sounds.push(samples);
        }
        let folders: Vec<usize> =
            (0..recipe.voices.len()).filter(|&place| recipe.voices[place].is_real()).collect();
        let found = each(folders.len(), "folders", |index| maker.listed(folders[index]))?;
        maker.catalogue = folders.into_iter().zip(found).collect();
        Ok(maker)
    }

    /// The recordings of one voice with their lengths.
    fn listed(&self, place: usize) -> Result<Vec<(String, u32)>, String> {
        let voice = &self.recipe.voices[place];
        let folder = Path::new(&voice.folder);
        let mut files = Vec::new();
        search(folder, folder, DEPTH_MAX, &mut files).map_err(|why| {
            format!("voice `{}`: {}: {why}; install the package that holds it", voice.name, folder.display())
        })?;
        files.retain(|name| {
            let fits =
                voice.endings.is_empty() || voice.endings.iter().any(|end| name.ends_with(end.as_str()));
            fits && !voice.except.iter().any(|start| name.starts_with(start.as_str()))
        });
        files.sort();
        if files.is_empty() {
            return Err(format!(
                "voice `{}`: no recording in {} fits; correct `folder`, `endings` or `except`",
                voice.name, voice.folder
            ));
        }
        if voice.limit > 0 && files.len() > voice.limit {
            let mut rng = Rng::from_seed(self.recipe.seed ^ place as u64);
            while files.len() > voice.limit {
                files.swap_remove(rng.below(files.len() as u64) as usize);
            }
            files.sort();
        }
        let mut listed = Vec::new();
        for name in files {
            let samples = self.recording(folder, &name)?;
            let ms = (samples.len() / 8) as u32;
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
            if ms > 0 && listed.last().is_none_or(|(last, _): &(String, u32)| *last != stem) {
                listed.push((stem, ms));
            }
        }
        Ok(listed)
    }

    /// A recording, cut to its sound; what is not WAV goes through sox.
    fn recording(&self, folder: &Path, name: &str) -> Result<Vec<i16>, String> {
        let file = folder.join(name);
        if let Some(samples) = self.recordings.lock().expect("no thread panics with it").get(&file) {
            return Ok(samples.clone());
        }
        let samples = if file.extension().is_some_and(|extension| extension == "wav") {
            read(&file)?
        } else {
            let out = self.scratch("wav");
            let input = file.to_string_lossy().into_owned();
            let words = ["sox", "-D", "-V1", input.as_str(), "-r", "8000", "-c", "1", "-b", "16", "{out}"];
            self.run(&words.map(str::to_owned), &[], &out)?
        };
        let samples = trim(&samples).to_vec();
        self.recordings.lock().expect("no thread panics with it").insert(file, samples.clone());
        Ok(samples)
    }

    /// What a voice says, cut to its sound.
    fn spoken(&self, take: &Take, place: usize, words: &str) -> Result<Vec<i16>, String> {
        let voice = &self.recipe.voices[place];
        if voice.is_real() {
            let folder = Path::new(&voice.folder);
            let ending =
                ["wav", "gsm", "ogg"].into_iter().find(|end| folder.join(format!("{words}.{end}")).is_file());
            let Some(ending) = ending else {
                return Err(format!(
                    "voice `{}`: no recording `{words}` in {}; correct [words.{}]",
                    voice.name, voice.folder, voice.words
                ));
            };
            return self.recording(folder, &format!("{words}.{ending}"));
        }
        let wpm = format!("{:.0}", 170.0 / take.stretch);
        let stretch = format!("{:.2}", take.stretch);
        let marks = [("{text}", words), ("{wpm}", &wpm), ("{stretch}", &stretch)];
        let samples = self
            .run(&voice.say, &marks, &self.scratch("wav"))
            .map_err(|why| format!("voice `{}`: {why}", voice.name))?;
        let samples = trim(&samples).to_vec();
        if samples.is_empty() {
            return Err(format!(
                "voice `{}` says nothing for `{words}`; try its command by hand",
                voice.name
            ));
        }
        Ok(samples)
    }

    /// Runs a command that writes a WAV file.
    fn run(&self, command: &[String], marks: &[(&str, &str)], out: &Path) -> Result<Vec<i16>, String> {
        let out_text = out.to_string_lossy();
        let words: Vec<String> = command
            .iter()
            .map(|word| {
                marks
                    .iter()
                    .fold(word.replace("{out}", &out_text), |word, (mark, value)| word.replace(mark, value))
            })
            .collect();
        let (program, arguments) = words.split_first().ok_or("an empty command")?;
        let output = Command::new(program)
            .args(arguments)
            .output()
            .map_err(|error| format!("cannot run `{program}`: {error}; install it first"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{}` failed: {}", words.join(" "), said.trim()));
        }
        let samples = read(out)?;
        let _ = fs::remove_file(out);
        Ok(samples)
    }

    fn scratch(&self, ending: &str) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        self.work.join(format!("{}.{ending}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    fn make(&self, takes: &[Take], args: &CorpusArgs) -> Result<usize, String> {
        let takes: Vec<&Take> =
            takes.iter().filter(|take| !args.publishable || self.publishable(take)).collect();
        for folder in ["human", "machine", "other"] {
            let folder = args.output.join(folder);
            fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let rows = each(takes.len(), "clips", |index| {
            let take = takes[index];
            let (samples, row) = self.clip(take).map_err(|why| format!("{}: {why}", take.file))?;
            let bytes = if args.mulaw { storage::smallest(&samples) } else { wav::write(&samples) };
            let file = args.output.join(&take.file);
            fs::write(&file, bytes).map_err(|error| format!("{}: {error}", file.display()))?;
            Ok(row)
        })?;
        let made = rows.len();
        let rows = [beside(args.beside.as_deref())?, rows].concat();
        let file = args.output.join("manifest.csv");
        fs::write(&file, manifest::write(&rows)).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(made)
    }

    fn clip(&self, take: &Take) -> Result<(Vec<i16>, Clip), String> {
        let speaker = || take.voice.ok_or_else(|| "nobody is there to speak".to_owned());
        let mut parts = Vec::new();
        for act in &take.acts {
            parts.push(match act {
                Act::Say(words) => Part::Speech(self.spoken(take, speaker()?, words)?),
                Act::Again(words) => Part::Again(self.spoken(take, speaker()?, words)?),
                Act::Pause(samples) => Part::Pause(*samples),
                Act::Beep(note) => Part::Beep(note.clone()),
                Act::Tone(note) => Part::Tone(note.clone()),
                Act::Sound(place, from, length) => {
                    let all = &self.sounds[*place];
                    let from = (from * all.len().saturating_sub(*length) as f64) as usize;
                    Part::Sound(all[from..(from + length).min(all.len())].to_vec())
                }
            });
        }
        let scene = compose(take.lead, &parts, take.tail);
        let mut rng = Rng::from_seed(take.seed);
        let room = take.room.map_or(&[][..], |room| &self.sounds[room]);
        let mut samples = near(&take.line, &scene, room, &mut rng);
        if take.line.codec == Codec::Gsm {
            samples = self.gsm(&samples)?;
        }
        let samples = far(&take.line, &scene, samples, &mut rng);
        let row = self.row(take, &scene, samples.len());
        Ok((samples, row))
    }

    /// There and back through GSM 06.10.
    fn gsm(&self, samples: &[i16]) -> Result<Vec<i16>, String> {
        let (plain, coded, out) = (self.scratch("wav"), self.scratch("gsm"), self.scratch("wav"));
        fs::write(&plain, wav::write(samples)).map_err(|error| format!("{}: {error}", plain.display()))?;
        let (from, to) = (plain.to_string_lossy(), coded.to_string_lossy());
        let script = "sox -D -V1 \"$0\" \"$1\" && sox -D -V1 \"$1\" -b 16 -e signed-integer {out}";
        let words = ["sh", "-c", script, &from, &to].map(str::to_owned);
        let decoded = self.run(&words, &[], &out);
        for file in [&plain, &coded] {
            let _ = fs::remove_file(file);
        }
        decoded
    }

    fn row(&self, take: &Take, scene: &Scene, samples: usize) -> Clip {
        let line = &take.line;
        let sound = take.acts.iter().find_map(|act| match act {
            Act::Sound(place, ..) => Some(&self.recipe.sounds[*place]),
            _ => None,
        });
        let voice = take.voice.map(|voice| &self.recipe.voices[voice]);
        let room = take.room.map(|room| &self.recipe.sounds[room]);
        let (source, mut licence, kind) = match (voice, sound) {
            (Some(voice), _) => {
                (voice.source.clone(), voice.licence.clone(), if voice.is_real() { "real" } else { "tts" })
            }
            (_, Some(sound)) => (sound.source.clone(), sound.licence.clone(), "real"),
            _ => ("synthesised".to_owned(), "own".to_owned(), "synth"),
        };
        let mut note = take.note.replace(['\n', '\r'], " ");
        if let Some(room) = room {
            licence = if room.licence == licence || room.licence == "own" {
                licence
            } else {
                format!("{licence}; noise: {}", room.licence)
            };
            note.push_str(&format!(" [room: {}]", room.name));
        }
        if let Some(again) = scene.again {
            note.push_str(&format!(" again_at={:.2}", duration_of(again).as_secs_f64()));
        }
        if line.overdrive_db > 0.0 {
            note.push_str(" [clipped]");
        }
        let beep = take.acts.iter().find_map(|act| match act {
            Act::Beep(note) => note.hz.first().copied(),
            _ => None,
        });
        Clip {
            subtype: take.subtype.clone(),
            source,
            voice: voice.map_or(String::new(), |voice| voice.name.clone()),
            licence,
            kind: kind.to_owned(),
            greeting_start: scene.greeting.as_ref().map(|range| duration_of(range.start)),
            greeting_end: scene.greeting.as_ref().map(|range| duration_of(range.end)),
            beep_start: scene.beep.as_ref().map(|range| duration_of(range.start)),
            beep_end: scene.beep.as_ref().map(|range| duration_of(range.end)),
            beep_hz: beep,
            duration: Some(duration_of(samples)),
            codec: line.codec.as_str().to_owned(),
            loss: line.loss.map_or(0.0, |loss| loss.share),
            level_db: Some(line.level_dbfs),
            noise: line.noise.as_str().to_owned(),
            snr_db: (line.noise.as_str() != "none").then_some(line.snr_db),
            note,
            may_be_published: self.publishable(take),
            ..Clip::new(take.file.clone(), take.label)
        }
    }

    fn publishable(&self, take: &Take) -> bool {
        let sounds = take.acts.iter().filter_map(|act| match act {
            Act::Sound(place, ..) => Some(*place),
            _ => None,
        });
        take.voice.is_none_or(|voice| self.recipe.voices[voice].publish)
            && sounds.chain(take.room).all(|sound| self.recipe.sounds[sound].publish)
    }
}

fn beside(file: Option<&Path>) -> Result<Vec<Clip>, String> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    manifest::read(&bytes).map_err(|fault| format!("{}: {fault}", file.display()))
}

fn read(file: &Path) -> Result<Vec<i16>, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match wav::read(&bytes) {
        Ok(clip) => Ok(clip.samples),
        // Sets of prompts have empty files for words that a language does without.
        Err(WavError::Empty) => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// All WAV, GSM and Ogg files under a folder, by their path in it.
fn search(root: &Path, folder: &Path, depth: usize, files: &mut Vec<String>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            if depth > 0 {
                search(root, &path, depth - 1, files)?;
            }
        } else if path.extension().is_some_and(|end| ["wav", "gsm", "ogg"].iter().any(|known| end == *known))
        {
            if files.len() == RECORDINGS_MAX {
                return Err(format!("more than {RECORDINGS_MAX} recordings"));
            }
            let name = path.strip_prefix(root).expect("it was found under the root");
            files.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Does `count` things on all cores, in any order, and gives the results in order, or the first fault.
fn each<T: Send>(
    count: usize,
    what: &str,
    work: impl Fn(usize) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {what}, {{eta}} left"));
    bar.set_style(style.expect("the template is valid"));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<T, String>>>> = Mutex::new((0..count).map(|_| None).collect());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let result = work(index);
                    if result.is_err() {
                        next.store(count, Ordering::Relaxed);
                    }
                    results.lock().expect("no thread panics with it")[index] = Some(result);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    // Work that a fault cut off has no result; the fault itself stands somewhere before the end.
    let results = results.into_inner().expect("no thread panics with it");
    let (mut done, mut fault) = (Vec::with_capacity(count), None);
    for result in results.into_iter().flatten() {
        match result {
            Ok(value) => done.push(value),
            Err(why) => fault = fault.or(Some(why)),
        }
    }
    fault.map_or(Ok(done), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Needs no synthesiser: a voice that copies a file, and tones.
    const RECIPE: &str = r#"
        seed = 7
        line = { gsm = 0.0, ambient = 0.0 }
        voice = [{ name = "v", source = "s", licence = "own", words = "w", publish = true, say = ["cp", "SPEECH", "{out}", "{text}"] }]
        words.w = { short = ["TEXT"] }
        tone = [{ name = "busy", subtype = "busy", steps = [{ hz = [425], s = 0.5 }, { s = 0.5 }] }]
        make = [{ what = "tone", count = 2 }, { what = "silence", count = 1 }]
    "#;

    fn made(recipe: &str, seed: Option<u64>) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let file = folder.path().join("recipe.toml");
        fs::write(&file, recipe).unwrap();
        let output = folder.path().join("out");
        make(&CorpusArgs {
            recipe: file,
            output: output.clone(),
            seed,
            mulaw: true,
            publishable: true,
            beside: None,
        })?;
        let mut files = Vec::new();
        search(&output, &output, 2, &mut files).unwrap();
        files.push("manifest.csv".to_owned());
        Ok(files.into_iter().map(|name| (name.clone(), fs::read(output.join(name)).unwrap())).collect())
    }

    #[test]
    fn one_seed_gives_the_same_files_and_a_manifest_that_lists_them() {
        let first = made(RECIPE, None).unwrap();
        assert_eq!(first, made(RECIPE, None).unwrap());
        assert_ne!(first, made(RECIPE, Some(8)).unwrap());
        let rows = manifest::read(&first["manifest.csv"]).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.file.as_str()).collect();
        assert_eq!(names, ["other/busy_0001.wav", "other/busy_0002.wav", "other/silence_0001.wav"]);
        for row in &rows {
            let clip = wav::read(&first[&row.file]).unwrap();
            let written = row.duration.expect("every clip has its length");
            assert!(written.abs_diff(clip.duration()).as_millis() <= 1, "{row:?}");
            assert!(row.may_be_published && !row.licence.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn a_fault_names_the_recipe_the_voice_and_the_remedy() {
        let human = RECIPE.replace("what = \"tone\", count = 2", "what = \"human\", count = 1");
        let fault = made(&human.replace("\"cp\"", "\"no-such-engine\""), None).unwrap_err();
        assert!(fault.contains("voice `v`: cannot run `no-such-engine`"), "{fault}");
        assert!(fault.contains("install it first"), "{fault}");
        let fault = made(&human, None).unwrap_err();
        assert!(fault.contains("voice `v`: `cp SPEECH"), "the command line is shown: {fault}");
        let fault = made(&RECIPE.replace("seed = 7", "seed = \"x\""), None).unwrap_err();
        assert!(fault.contains("recipe.toml") && fault.contains("line 2"), "{fault}");
    }
}
