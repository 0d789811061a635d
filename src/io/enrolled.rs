//! The recordings that the detector is to recognise: a folder of WAV files, by who speaks them.

use crate::amd::Prompts;
use crate::amd::prompts::{Enrolment, Kind, NAME_MAX, Name};
use crate::audio::wav;
use crate::io::config::{Config, Fault};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A larger file is no prompt: a minute in the widest format stays below.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What `[amd] prompts_dir` names; nothing, if it names nothing. Every file that cannot be enrolled is a fault.
pub fn load_for(config: &Config) -> Result<Arc<Prompts>, Vec<Fault>> {
    let Some(folder) = &config.amd.prompts_dir else { return Ok(Arc::default()) };
    let line = config.line("amd.prompts_dir");
    load(folder).map_err(|faults| faults.into_iter().map(|text| Fault { line, text }).collect())
}

/// Enrols every WAV file of the folder's `machine`, `screening` and `ivr`, in the order of their names.
pub fn load(folder: &Path) -> Result<Arc<Prompts>, Vec<String>> {
    let mut enrolment = Enrolment::new();
    let mut faults = Vec::new();
    for entry in entries(folder).map_err(|fault| vec![fault])? {
        let kind =
            Kind::ALL.into_iter().find(|kind| entry.file_name().is_some_and(|name| name == kind.as_str()));
        match kind {
            Some(kind) if entry.is_dir() => enrol(&mut enrolment, kind, &entry, &mut faults),
            _ if entry.is_dir() || is_wav(&entry) => faults.push(format!(
                "{}: prompts lie in the folders machine, screening and ivr of {}, which say who speaks them",
                entry.display(),
                folder.display()
            )),
            _ => {}
        }
    }
    if faults.is_empty() { Ok(Arc::new(enrolment.finish())) } else { Err(faults) }
}

fn enrol(enrolment: &mut Enrolment, kind: Kind, folder: &Path, faults: &mut Vec<String>) {
    let files = match entries(folder) {
        Ok(files) => files,
        Err(fault) => return faults.push(fault),
    };
    for file in files.iter().filter(|file| is_wav(file)) {
        let enrolled = read(file).and_then(|(name, clip)| {
            enrolment.add(kind, name, &clip.samples).map_err(|fault| fault.to_string())
        });
        if let Err(text) = enrolled {
            faults.push(format!("{}: {text}", file.display()));
        }
    }
}

fn read(file: &Path) -> Result<(Name, wav::Clip), String> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).ok_or("its name is not UTF-8; rename it")?;
    let name =
        Name::new(stem).ok_or_else(|| format!("its name is longer than {NAME_MAX} bytes; rename it"))?;
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{size} bytes are too large for a prompt, at most {FILE_BYTES_MAX}"));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    Ok((name, wav::read(&bytes).map_err(|error| error.to_string())?))
}

fn is_wav(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let told =
        |error: std::io::Error| format!("cannot read the folder of prompts {}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(told)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(told)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A recorded greeting of some seconds.
    const GREETING: &[u8] = include_bytes!("../../fixtures/audio/machine-karen-beep.wav");

    #[test]
    fn the_folder_says_who_speaks_and_the_file_what_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        for kind in ["machine", "screening"] {
            fs::create_dir(folder.path().join(kind)).unwrap();
        }
        fs::write(folder.path().join("screening/assistant.WAV"), GREETING).unwrap();
        fs::write(folder.path().join("screening/notes.txt"), "where it was heard").unwrap();
        let prompts = load(folder.path()).unwrap();
        let enrolled: Vec<_> = prompts.iter().map(|prompt| (prompt.kind, prompt.name.as_str())).collect();
        assert_eq!(enrolled, [(Kind::Screening, "assistant")]);
    }

    #[test]
    fn every_file_that_cannot_be_enrolled_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        for kind in ["machine", "voicemail"] {
            fs::create_dir(folder.path().join(kind)).unwrap();
        }
        let long = format!("machine/{}.wav", "x".repeat(NAME_MAX + 1));
        let silence = wav::write(&[0; 80_000]);
        for (place, bytes) in [
            ("machine/a.wav", &b"RIFF"[..]),
            ("machine/b.wav", &silence),
            (&long, GREETING),
            ("c.wav", GREETING),
        ] {
            fs::write(folder.path().join(place), bytes).unwrap();
        }
        let faults = load(folder.path()).unwrap_err();
        let wanted = [
            ("c.wav", "machine, screening and ivr"),
            ("a.wav", "WAV file"),
            ("b.wav", "no speech"),
            ("xxx.wav", "rename it"),
            ("voicemail", "machine, screening and ivr"),
        ];
        assert_eq!(faults.len(), wanted.len(), "{faults:#?}");
        for (fault, (file, remedy)) in faults.iter().zip(wanted) {
            assert!(fault.contains(file) && fault.contains(remedy), "{fault}");
        }
        let missing = load(&folder.path().join("nowhere")).unwrap_err();
        assert!(missing[0].contains("nowhere"), "{missing:?}");
    }
}
