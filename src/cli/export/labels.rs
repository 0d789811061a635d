//! `outdial export labels`: the callee's side of labelled calls with a manifest, a corpus of one's own for
//! `outdial evaluate` and `outdial train`.
//!
//! A recording begins at the answer and has the callee on its left; a clip is the first half minute of that side.

use super::{Args, ExportError};
use crate::amd::detector::{Detector, Mode, Options};
use crate::amd::verdict::Finding;
use crate::audio::{FRAME_SAMPLES, Frame, wav};
use crate::cli::{label, output};
use crate::corpus::manifest::{self, Clip, Label};
use crate::store::{Labelled, Location, Reader};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

/// No verdict takes longer, and no more of a conversation than needed should leave its folder.
const CLIP_SAMPLES_MAX: usize = 30 * 8_000;

/// Writes clips and manifest, tells what labels say about the verdicts, and gives the number of clips.
pub async fn run(args: &Args, database: &Location, reader: &mut Reader) -> Result<u64, ExportError> {
    let Some(folder) = &args.output else { return Err(ExportError::NoFolder) };
    let failed = |path: &Path, error: io::Error| ExportError::Output(path.to_owned(), error);
    create_folder(folder).map_err(|error| failed(folder, error))?;
    let mut clips = Vec::new();
    let (mut unrecorded, mut position) = (0, 0);
    loop {
        let page = reader.labelled(args.campaign.as_deref(), position).await?;
        let Some(last) = page.last() else { break };
        position = last.sequence;
        for call in &page {
            if call.recording.is_empty() {
                unrecorded += 1;
                continue;
            }
            match read(&recording_of(call, database)) {
                Ok(samples) => {
                    let clip = describe(call, &samples);
                    let path = folder.join(&clip.file);
                    write(&path, &wav::write(&samples)).map_err(|error| failed(&path, error))?;
                    clips.push(clip);
                }
                Err(fault) => eprintln!("left out: {}: {fault}", call.recording),
            }
        }
    }
    let path = folder.join("manifest.csv");
    write(&path, &manifest::write(&clips)).map_err(|error| failed(&path, error))?;
    output::line(format_args!("{} clips and their manifest in {}", clips.len(), path.display()));
    if unrecorded > 0 {
        output::line(format_args!("{unrecorded} labelled calls have no recording: see [campaign.recording]"));
    }
    output::text(label::describe(&label::review(&reader.tallies(args.campaign.as_deref()).await?)));
    Ok(clips.len() as u64)
}

/// The path as the engine wrote it, which may have run in another folder.
fn recording_of(call: &Labelled, database: &Location) -> PathBuf {
    let path = PathBuf::from(&call.recording);
    let beside = database.file().and_then(Path::parent).unwrap_or(Path::new("")).join(&path);
    if !path.exists() && beside.exists() { beside } else { path }
}

fn read(path: &Path) -> Result<Vec<i16>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let mut samples = wav::read_first_channel(&bytes).map_err(|error| error.to_string())?.samples;
    samples.truncate(CLIP_SAMPLES_MAX);
    Ok(samples)
}

fn describe(call: &Labelled, samples: &[i16]) -> Clip {
    let (label, subtype) = match call.label.as_str() {
        "human" => (Label::Human, ""),
        "machine" => (Label::Machine, ""),
        // The words of the corpora.
        "screening" => (Label::Other, "call_screening"),
        "music" => (Label::Other, "moh"),
        other => (Label::Other, other),
    };
    let since_answer = |at: Option<i64>| {
        let ms = u64::try_from(at?.checked_sub(call.answered_at?)?).ok()?;
        let at = Duration::from_millis(ms);
        (at <= crate::audio::duration_of(samples.len())).then_some(at)
    };
    let (speech_start, speech_end) = speech(samples);
    let packets = call.packets_received.max(0) + call.packets_lost.max(0);
    let revised = match call.revised_verdict.as_str() {
        "" => String::new(),
        word => format!(", then {word}"),
    };
    Clip {
        subtype: subtype.to_owned(),
        source: format!("campaign {}", call.campaign),
        // One contact is one voice, whether a person's or a greeting's; the number itself stays here.
        voice: format!("contact {}", call.contact),
        licence: "own calls".to_owned(),
        kind: "real".to_owned(),
        greeting_start: speech_start,
        greeting_end: since_answer(call.greeting_end_at).or(speech_end),
        beep_start: since_answer(call.beep_started_at),
        beep_end: since_answer(call.beep_at),
        duration: Some(crate::audio::duration_of(samples.len())),
        codec: match call.codec.as_str() {
            "PCMU" => "ulaw".to_owned(),
            "PCMA" => "alaw".to_owned(),
            other => other.to_owned(),
        },
        loss: if packets > 0 { call.packets_lost.max(0) as f64 / packets as f64 } else { 0.0 },
        note: format!(
            "judged {}{revised} ({}); labelled {} by {}; times are the detector's",
            call.verdict, call.verdict_cause, call.label, call.labelled_by
        ),
        ..Clip::new(format!("{}.wav", call.attempt), label)
    }
}

/// Where speech first begins and ends, as far as the detector hears it.
fn speech(samples: &[i16]) -> (Option<Duration>, Option<Duration>) {
    let mut detector = Detector::new(&Options::default());
    detector.reset(Mode::Answer);
    let (mut start, mut end) = (None, None);
    for samples in samples.chunks_exact(FRAME_SAMPLES) {
        let frame: &Frame = samples.try_into().expect("a chunk is a frame");
        detector.handle_frame(Some(frame), &mut |finding| match finding {
            Finding::SpeechStart { at } => start = start.or(Some(at)),
            Finding::GreetingEnd { at } => end = end.or(Some(at)),
            _ => {}
        });
    }
    (start, end)
}

/// What people say is for the owner's ears only.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests;
