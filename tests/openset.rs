//! The open test set in `fixtures/amd`: its manifest tells the truth about its files, and its recipes keep their promises.

use outdial::audio::{duration_of, level, samples_in, wav};
use outdial::corpus::manifest::{self, Clip, Label};
use outdial::corpus::recipe::{self, Recipe};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The whole folder stays small enough to be cloned without a thought.
const BYTES_MAX: u64 = 17_000_000;

#[test]
fn every_clip_is_there_and_every_file_is_listed() {
    let listed: Vec<String> = clips().into_iter().map(|clip| clip.file).collect();
    let names: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(names.len(), listed.len(), "a file is listed twice");
    let mut found = BTreeSet::new();
    let mut bytes = 0;
    search(&folder(), &mut |file| {
        bytes += fs::metadata(file).unwrap().len();
        if file.extension().is_some_and(|extension| extension == "wav") {
            found.insert(file.strip_prefix(folder()).unwrap().to_str().unwrap().replace('\\', "/"));
        }
    });
    assert_eq!(names, found, "the manifest (left) and the folder (right) differ");
    assert!(bytes < BYTES_MAX, "{bytes} bytes are more than {BYTES_MAX}");
}

#[test]
fn labels_lie_within_the_clip_in_their_order() {
    for clip in clips() {
        let file = &clip.file;
        let samples = read(&clip);
        let duration = clip.duration.unwrap_or_else(|| panic!("{file} has no duration"));
        let real = duration_of(samples.len());
        assert!(
            real.abs_diff(duration) <= Duration::from_millis(6),
            "{file} lasts {real:?}, not {duration:?}"
        );
        let times = [clip.greeting_start, clip.greeting_end, clip.beep_start, clip.beep_end];
        let times: Vec<Duration> = times.into_iter().flatten().collect();
        assert!(times.is_sorted(), "{file}: {times:?}");
        assert!(times.iter().all(|time| *time <= real), "{file}: {times:?} in {real:?}");
        assert_eq!(clip.greeting_start.is_some(), clip.greeting_end.is_some(), "{file}");
        assert_eq!(clip.beep_start.is_some(), clip.beep_end.is_some(), "{file}");
        if clip.label == Label::Human {
            assert!(clip.greeting_end.is_some() && clip.beep_start.is_none(), "{file}");
        }
    }
}

#[test]
fn every_clip_may_be_published_on_terms_that_are_written_down() {
    let licences = fs::read_to_string(folder().join("LICENSES.md")).unwrap();
    for clip in clips() {
        assert!(clip.may_be_published, "{}", clip.file);
        assert!(!clip.source.is_empty(), "{}", clip.file);
        for licence in clip.licence.split("; noise: ") {
            assert!(
                licences.contains(&format!("`{licence}`")),
                "{}: `{licence}` is not explained",
                clip.file
            );
        }
    }
}

#[test]
fn a_made_clip_leaves_the_time_that_a_verdict_needs() {
    for clip in made() {
        let (file, end) = (&clip.file, clip.duration.unwrap());
        if clip.label == Label::Human {
            let rest = end - clip.greeting_end.unwrap();
            assert!(rest >= Duration::from_secs(3), "{file}: {rest:?} after the answer");
        }
        if let Some(beep) = clip.beep_end {
            assert!(end - beep >= Duration::from_secs(1), "{file}: too little after the beep");
        }
    }
}

#[test]
fn a_made_clip_sounds_where_its_labels_say() {
    let around = samples_in(Duration::from_millis(80));
    // Recorded prompts may begin and end in a rumble that the telephone's band then takes away.
    let quiet = |clip: &&Clip| clip.noise == "none" && clip.loss == 0.0 && clip.kind != "real";
    for clip in made().iter().filter(quiet) {
        let samples = read(clip);
        for (start, end) in [(clip.greeting_start, clip.greeting_end), (clip.beep_start, clip.beep_end)] {
            let (Some(start), Some(end)) = (start, end) else { continue };
            let (start, end) = (samples_in(start), samples_in(end));
            let loud = level::dbfs(&samples[start..end]);
            let edges = [&samples[start..start + around], &samples[end - around..end]].map(level::dbfs);
            assert!(edges.iter().all(|&edge| edge > loud - 38.0), "{}: {edges:?} of {loud}", clip.file);
            if start > 3 * around {
                let before = level::dbfs(&samples[start - 3 * around..start - around]);
                assert!(before < loud - 10.0, "{}: {before} before {loud}", clip.file);
            }
        }
    }
}

#[test]
fn answers_are_as_long_and_as_short_as_they_should_be() {
    let answers: Vec<Duration> = made()
        .iter()
        .filter(|clip| clip.label == Label::Human)
        .map(|clip| clip.greeting_end.unwrap() - clip.greeting_start.unwrap())
        .collect();
    let share = |from: u64, to: u64| {
        let within = Duration::from_millis(from)..Duration::from_millis(to);
        answers.iter().filter(|answer| within.contains(*answer)).count() as f64 / answers.len() as f64
    };
    assert!((0.4..0.7).contains(&share(0, 800)), "{}", share(0, 800));
    assert!((0.1..0.4).contains(&share(800, 1_500)), "{}", share(800, 1_500));
    assert!((0.1..0.35).contains(&share(1_500, 60_000)), "{}", share(1_500, 60_000));
}

#[test]
fn the_recipes_are_sound_and_share_no_voice() {
    let [open, training] = ["open.toml", "training.toml"].map(recipe);
    let voices = |recipe: &Recipe| -> BTreeSet<String> {
        recipe.voices.iter().flat_map(|voice| [voice.name.clone(), voice.source.clone()]).collect()
    };
    let shared: Vec<String> = voices(&open).intersection(&voices(&training)).cloned().collect();
    assert!(shared.is_empty(), "trained on and tested with: {shared:?}");
    assert!(open.voices.iter().all(|voice| voice.publish), "the open set holds what may be published only");
    assert!(open.sounds.iter().all(|sound| sound.publish), "the open set holds what may be published only");
    for name in made().iter().filter(|clip| !clip.voice.is_empty()).map(|clip| &clip.voice) {
        assert!(open.voices.iter().any(|voice| voice.name == *name), "{name} is not in open.toml");
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/amd")
}

fn clips() -> Vec<Clip> {
    let text = fs::read(folder().join("manifest.csv")).unwrap();
    manifest::read(&text).unwrap_or_else(|fault| panic!("manifest.csv: {fault}"))
}

/// Those that the recipe makes.
fn made() -> Vec<Clip> {
    clips().into_iter().filter(|clip| !clip.file.starts_with("given/")).collect()
}

fn read(clip: &Clip) -> Vec<i16> {
    let bytes = fs::read(folder().join(&clip.file)).unwrap();
    wav::read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", clip.file)).samples
}

fn recipe(name: &str) -> Recipe {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    recipe::read(&text).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn search(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { search(&path, see) } else { see(&path) }
    }
}
