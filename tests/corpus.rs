//! The clips of `fixtures/audio` and synthetic calls through the detector, as `outdial classify` replays them.

use outdial::amd::detector::{Detector, Mode, Options};
use outdial::amd::replay::{Summary, replay};
use outdial::amd::verdict::{Cause, Class, Finding, ToneKind};
use outdial::audio::g711::{Law, decode, encode};
use outdial::audio::{FRAME_SAMPLES, wav};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

struct Label {
    file: String,
    class: String,
    subtype: String,
    greeting_end: Option<Duration>,
    beep: Option<(Duration, Duration, f32)>,
}

#[test]
fn every_clip_is_judged_as_it_is_labelled() {
    let wrong: Vec<String> = labels()
        .iter()
        .filter_map(|label| {
            let got = judge(&clip(&label.file)).class().expect("a verdict comes by the deadline");
            // A screening assistant speaks like a voicemail: machine is right enough, human is not.
            let right = got.as_str() == label.class || (label.class == "screening" && got == Class::Machine);
            (!right).then(|| format!("{}: {} called {got}", label.file, label.class))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_verdict_comes_after_the_deadline_and_each_has_a_cause() {
    for label in labels() {
        let verdict = judge(&clip(&label.file)).verdict.expect("a verdict comes by the deadline");
        assert!(verdict.at <= Duration::from_millis(5000), "{}: {verdict:?}", label.file);
        assert!(!verdict.cause.to_string().is_empty());
    }
}

#[test]
fn every_beep_is_found_where_it_is_and_none_before_it() {
    for label in labels().iter().filter(|label| label.class == "machine") {
        let beeps = judge(&clip(&label.file)).beeps;
        let Some((start, end, hz)) = label.beep else {
            assert!(beeps.is_empty(), "{} has no beep: {beeps:?}", label.file);
            continue;
        };
        let first = beeps.first().unwrap_or_else(|| panic!("{}: the beep was missed", label.file));
        assert!(apart(first.start, start) <= 30, "{}: starts at {start:?}, {first:?}", label.file);
        assert!(apart(first.end, end) <= 120, "{}: ends at {end:?}, {first:?}", label.file);
        assert!((first.frequency_hz - hz).abs() < 12.0, "{}: {hz} Hz, {first:?}", label.file);
        assert!(apart(first.reported_at, first.start) <= 110, "{}: reported late, {first:?}", label.file);
    }
}

#[test]
fn a_greeting_ends_where_its_label_says() {
    for label in labels() {
        let Some(end) = label.greeting_end else { continue };
        let got = judge(&clip(&label.file)).greeting_end;
        let got = got.unwrap_or_else(|| panic!("{}: no end of the greeting", label.file));
        // Speech fades out, and where it ends is a matter of the level one asks for.
        assert!(apart(got, end) <= 300, "{}: {got:?} for {end:?}", label.file);
    }
}

#[test]
fn tones_are_named() {
    for label in labels() {
        let summary = judge(&clip(&label.file));
        let kinds: Vec<&str> = summary.tones.iter().map(|tone| tone.kind.as_str()).collect();
        match label.class.as_str() {
            "tone" | "fax" | "music" => {
                assert!(kinds.contains(&label.subtype.as_str()), "{}: {kinds:?}", label.file)
            }
            _ => assert!(kinds.is_empty(), "{}: {kinds:?}", label.file),
        }
    }
}

#[test]
fn no_early_media_gets_a_verdict_but_its_tones_are_named() {
    let mut detector = Detector::new(&Options::default());
    for (file, kind) in [
        ("sit-number-invalid.wav", ToneKind::SitInvalid),
        ("ring-back-north-america.wav", ToneKind::RingBack),
    ] {
        let mut findings = Vec::new();
        detector.reset(Mode::EarlyMedia);
        for frame in clip(file).chunks_exact(FRAME_SAMPLES) {
            detector.handle_frame(Some(frame.try_into().expect("a whole frame")), &mut |f| findings.push(f));
        }
        assert!(findings.iter().all(|finding| matches!(finding, Finding::Tone(_))), "{file}: {findings:?}");
        assert!(
            findings.iter().any(|finding| matches!(finding, Finding::Tone(tone) if tone.kind == kind)),
            "{file}: {findings:?}"
        );
    }
}

#[test]
fn a_machine_that_says_hello_and_pauses_is_revised() {
    let mut call = clip("human-yeah.wav")[..18_000].to_vec();
    call.extend(clip("machine-karen-beep.wav"));
    let summary = judge(&call);
    assert_eq!(summary.verdict.map(|verdict| verdict.class), Some(Class::Human), "{summary:?}");
    let revised = summary.revised.expect("the second sentence is long");
    assert_eq!(revised.class, Class::Machine);
    assert!(matches!(revised.cause, Cause::SecondSentence(_)), "{revised:?}");
    assert_eq!(summary.beeps.len(), 1, "the beep is found after the verdict too");
}

#[test]
fn a_second_hello_is_still_a_human() {
    let hello = clip("human-word-bed.wav");
    let mut call = hello[..20_000].to_vec();
    call.extend(&hello);
    let summary = judge(&call);
    assert_eq!(summary.class(), Some(Class::Human), "{summary:?}");
    assert_eq!(summary.revised, None);
}

#[test]
fn lost_frames_are_neither_silence_nor_speech() {
    let mut detector = Detector::new(&Options::default());
    let mut verdict = None;
    for _ in 0..250 {
        detector.handle_frame(None, &mut |finding| {
            if let Finding::Verdict(given) = finding {
                verdict = Some(given);
            }
        });
    }
    let verdict = verdict.expect("the deadline holds without any audio");
    assert_eq!(verdict.class, Class::Unsure, "{verdict:?}");
}

#[test]
fn the_wait_for_the_first_packet_changes_no_verdict_and_hides_no_tone() {
    let mut detector = Detector::new(&Options::default());
    for label in labels() {
        let samples = clip(&label.file);
        let want = judge(&samples);
        // The playout delay of a live call: no frame is there yet, and none was lost.
        for waiting in [2, 3, 7, 12] {
            detector.reset(Mode::Answer);
            let mut summary = Summary::default();
            for _ in 0..waiting {
                detector.handle_frame(None, &mut |finding| summary.handle_finding(finding));
            }
            for piece in samples.chunks(FRAME_SAMPLES) {
                let mut frame = [0; FRAME_SAMPLES];
                frame[..piece.len()].copy_from_slice(piece);
                detector.handle_frame(Some(&frame), &mut |finding| summary.handle_finding(finding));
            }
            for _ in 0..250 {
                let silence = [0; FRAME_SAMPLES];
                detector.handle_frame(Some(&silence), &mut |finding| summary.handle_finding(finding));
            }
            let words = |summary: &Summary| {
                let tones: Vec<ToneKind> = summary.tones.iter().map(|tone| tone.kind).collect();
                (
                    summary.verdict.map(|v| v.class),
                    summary.revised.map(|v| v.class),
                    tones,
                    summary.beeps.len(),
                )
            };
            assert_eq!(words(&summary), words(&want), "{} after {waiting} frames of waiting", label.file);
        }
    }
}

#[test]
fn one_frame_in_twenty_lost_changes_no_verdict() {
    let mut detector = Detector::new(&Options::default());
    for label in labels().iter().filter(|label| ["human", "machine"].contains(&label.class.as_str())) {
        detector.reset(Mode::Answer);
        let mut summary = Summary::default();
        let samples = clip(&label.file);
        for (at, frame) in samples.chunks_exact(FRAME_SAMPLES).enumerate() {
            let frame: &[i16; FRAME_SAMPLES] = frame.try_into().expect("a whole frame");
            let heard = (at % 20 != 13).then_some(frame);
            detector.handle_frame(heard, &mut |finding| summary.handle_finding(finding));
        }
        let class = summary.class().expect("a verdict comes by the deadline");
        assert_eq!(class.as_str(), label.class, "{}", label.file);
        assert_eq!(summary.beeps.is_empty(), label.beep.is_none(), "{}: {:?}", label.file, summary.beeps);
    }
}

#[test]
fn a_verdict_is_the_same_through_either_companding_law() {
    for label in labels() {
        let samples = clip(&label.file);
        let want = judge(&samples).class();
        for law in [Law::Mu, Law::A] {
            let coded: Vec<i16> = samples.iter().map(|sample| decode(law, encode(law, *sample))).collect();
            assert_eq!(judge(&coded).class(), want, "{} through {law:?}", label.file);
        }
    }
}

#[test]
fn a_detector_that_was_used_before_judges_as_a_new_one() {
    let options = Options::default();
    let mut used = Detector::new(&options);
    for label in labels() {
        let samples = clip(&label.file);
        assert_eq!(
            replay(&mut used, &samples),
            replay(&mut Detector::new(&options), &samples),
            "{}",
            label.file
        );
    }
}

#[test]
fn every_clip_is_labelled_and_its_licence_given() {
    let folder = folder();
    let licences = std::fs::read_to_string(folder.join("LICENSES.md")).expect("LICENSES.md is there");
    let clips: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("fixtures/audio is there")
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("plain names"))
        .filter(|name| name.ends_with(".wav"))
        .collect();
    let labelled: BTreeSet<String> = labels().into_iter().map(|label| label.file).collect();
    assert_eq!(clips, labelled);
    for clip in clips {
        assert!(licences.contains(&format!("| {clip} |")), "{clip} has no line in LICENSES.md");
    }
}

fn judge(samples: &[i16]) -> Summary {
    replay(&mut Detector::new(&Options::default()), samples)
}

fn apart(a: Duration, b: Duration) -> u128 {
    a.abs_diff(b).as_millis()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio")
}

fn clip(file: &str) -> Vec<i16> {
    let bytes = std::fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    wav::read(&bytes).unwrap_or_else(|error| panic!("{file}: {error}")).samples
}

fn labels() -> Vec<Label> {
    let mut reader = csv::Reader::from_path(folder().join("labels.csv")).expect("labels.csv is there");
    let seconds = |text: &str| text.parse().ok().map(Duration::from_secs_f64);
    let label = |row: csv::StringRecord| Label {
        file: row[0].to_owned(),
        class: row[1].to_owned(),
        subtype: row[2].to_owned(),
        greeting_end: seconds(&row[4]),
        beep: Some((seconds(&row[5]), seconds(&row[6]), row[7].parse().ok()))
            .and_then(|(start, end, hz)| Some((start?, end?, hz?))),
    };
    reader.records().map(|row| label(row.expect("labels.csv is well formed"))).collect()
}
