//! Enrolled prompts are recognised through everything that a line does to them, at any offset, and nothing else is.

#[path = "prompts/babble.rs"]
mod babble;

use babble::babble;
use outdial::amd::detector::{Detector, Mode, Options};
use outdial::amd::prompts::{CLIP_MAX, Enrolment, Kind, Name, Prompts};
use outdial::amd::replay::{Summary, replay};
use outdial::amd::verdict::{Cause, Class, Finding};
use outdial::audio::g711::{Law, decode, encode};
use outdial::audio::{FRAME_SAMPLES, Frame, wav};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A prompt is recognised after so much of it, in the median.
const MEDIAN: Duration = Duration::from_millis(1_500);

/// Recorded greetings of the fixtures that are long enough, by name.
fn greetings() -> Vec<(String, Vec<i16>)> {
    let mut clips = recordings(|name| name.starts_with("machine") || name == "screening");
    clips.retain(|(_, samples)| samples.len() >= 16_000);
    assert!(clips.len() >= 10, "only {} greetings", clips.len());
    clips
}

fn recordings(wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<i16>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let waves = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "wav"));
    let named = waves.map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), file));
    let read = |file| wav::read(&fs::read(file).unwrap()).unwrap().samples;
    named.filter(|(name, _)| wanted(name)).map(|(name, file)| (name, read(file))).collect()
}

fn enrol<'c>(clips: impl IntoIterator<Item = (Kind, &'c str, &'c [i16])>) -> Options {
    let mut enrolment = Enrolment::new();
    for (kind, name, samples) in clips {
        enrolment
            .add(kind, Name::new(name).unwrap(), samples)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
    Options { prompts: Arc::new(enrolment.finish()), ..Options::default() }
}

fn enrol_all(clips: &[(String, Vec<i16>)]) -> Options {
    enrol(clips.iter().map(|(name, samples)| (Kind::Machine, name.as_str(), samples.as_slice())))
}

/// Numbers that are the same each time.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    fn noise(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

fn through(law: Law, samples: &mut [i16]) {
    samples.iter_mut().for_each(|sample| *sample = decode(law, encode(law, *sample)));
}

fn amplify(samples: &mut [i16], decibels: f32) {
    let factor = 10f32.powf(decibels / 20.0);
    samples.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * factor) as i16);
}

/// Noise below the level of the louder half.
fn soil(samples: &mut [i16], snr_db: f32, chance: &mut Chance) {
    let power = |piece: &[i16]| piece.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / piece.len() as f32;
    let mut powers: Vec<f32> = samples.chunks(FRAME_SAMPLES).map(power).collect();
    powers.sort_by(f32::total_cmp);
    let loud = &powers[powers.len() / 2..];
    let level = (loud.iter().sum::<f32>() / loud.len() as f32).sqrt() / 10f32.powf(snr_db / 20.0);
    samples.iter_mut().for_each(|sample| *sample = (f32::from(*sample) + chance.noise() * level) as i16);
}

/// Two of the fixtures hold the same greeting with another beep.
fn same(one: &str, other: &str) -> bool {
    let greeting = |name: &str| name.trim_end_matches("-700").to_owned();
    greeting(one) == greeting(other)
}

/// Plays a call and tells the first prompt, and how much of the prompt had been heard by then.
fn first_prompt(
    detector: &mut Detector,
    call: &[i16],
    mut lost: impl FnMut() -> bool,
) -> Option<(String, Duration)> {
    detector.reset(Mode::Answer);
    let mut found = None;
    for piece in call.chunks_exact(FRAME_SAMPLES) {
        let frame: Frame = piece.try_into().unwrap();
        let frame = if lost() { None } else { Some(&frame) };
        detector.handle_frame(frame, &mut |finding| {
            if let Finding::Prompt { heard, .. } = finding {
                found = Some((heard.name.to_string(), Duration::from_millis(heard.into_ms.into())));
            }
        });
        if found.is_some() {
            break;
        }
    }
    found
}

type Line = fn(&mut Vec<i16>, &mut Chance);

#[test]
fn a_prompt_is_recognised_through_any_line_from_any_offset() {
    let clips = greetings();
    let mut detector = Detector::new(&enrol_all(&clips));
    // The line, the share of packets lost, the share of prompts that must be recognised.
    let table: [(&str, Line, f32, f32); 9] = [
        ("clean", |_, _| {}, 0.0, 1.0),
        ("mu-law", |s, _| through(Law::Mu, s), 0.0, 1.0),
        (
            "A-law, then mu-law",
            |s, _| [Law::A, Law::Mu].into_iter().for_each(|law| through(law, s)),
            0.0,
            1.0,
        ),
        ("20 dB fainter", |s, _| (amplify(s, -20.0), through(Law::Mu, s)).1, 0.0, 0.95),
        ("12 dB louder, clipped", |s, _| (amplify(s, 12.0), through(Law::Mu, s)).1, 0.0, 0.95),
        ("noise at 20 dB", |s, c| (soil(s, 20.0, c), through(Law::Mu, s)).1, 0.0, 0.95),
        ("noise at 10 dB", |s, c| (soil(s, 10.0, c), through(Law::Mu, s)).1, 0.0, 0.8),
        ("1 % lost", |_, _| {}, 0.01, 1.0),
        ("5 % lost", |_, _| {}, 0.05, 0.95),
    ];
    let mut report = String::new();
    let mut chance = Chance(4_711);
    let mut good = true;
    for (line, change, lost, least) in table {
        let (mut heard, mut right, mut delays) = (0, 0, Vec::new());
        for (name, samples) in &clips {
            for offset in [0, 37, 80, 111, 159] {
                // Silence before it, of a length that no frame divides.
                let lead = 4_000 + offset;
                let mut call = vec![0; lead];
                call.extend(samples);
                change(&mut call, &mut chance);
                let found = first_prompt(&mut detector, &call, || chance.unit() < lost);
                heard += 1;
                if let Some((found, into)) = found {
                    right += u32::from(same(&found, name));
                    delays.push(into);
                }
            }
        }
        delays.sort();
        let median = delays.get(delays.len() / 2).copied().unwrap_or_default();
        report +=
            &format!("{line:24} {right:3} of {heard}, median {} ms into the prompt\n", median.as_millis());
        good &= right as f32 >= least * heard as f32;
    }
    println!("{report}");
    assert!(good, "\n{report}");
}

#[test]
fn a_prompt_is_recognised_from_its_middle_on_too_within_a_second_and_a_half() {
    let clips = greetings();
    let mut detector = Detector::new(&enrol_all(&clips));
    let mut delays = Vec::new();
    let mut missed = Vec::new();
    for (name, samples) in clips.iter().filter(|(_, samples)| samples.len() >= 40_000) {
        let from = samples.len() / 3 + 23;
        match first_prompt(&mut detector, &samples[from..], || false) {
            Some((found, into)) if same(&found, name) => {
                delays.push(into.saturating_sub(Duration::from_micros(125 * from as u64)));
            }
            _ => missed.push(name),
        }
    }
    delays.sort();
    assert!(missed.len() <= 1, "{missed:?}");
    assert!(delays[delays.len() / 2] <= MEDIAN, "{delays:?}");
}

#[test]
fn nobody_else_is_taken_for_a_prompt() {
    let clips = recordings(|_| true);
    for (name, samples) in &clips {
        let mut enrolment = Enrolment::new();
        for (other, samples) in clips.iter().filter(|(other, _)| !same(other, name)) {
            // What is too short, or a mere tone, is refused.
            let _ = enrolment.add(Kind::Machine, Name::new(other).unwrap(), samples);
        }
        let options = Options { prompts: Arc::new(enrolment.finish()), ..Options::default() };
        let found = first_prompt(&mut Detector::new(&options), samples, || false);
        assert_eq!(found, None, "{name}");
    }
}

#[test]
fn minutes_of_babble_are_none_of_two_hundred_prompts() {
    let babbled: Vec<_> = (0..200).map(|seed| (format!("babble {seed}"), babble(seed + 1, 6))).collect();
    let options = enrol_all(&babbled);
    let mut detector = Detector::new(&options);
    for seed in 1_000..1_010 {
        assert_eq!(first_prompt(&mut detector, &babble(seed, 60), || false), None, "{seed}");
    }
    for (name, samples) in babbled.iter().step_by(20) {
        let found = first_prompt(&mut detector, samples, || false);
        assert_eq!(found.map(|(found, _)| found).as_ref(), Some(name));
    }
}

#[test]
fn five_hundred_prompts_of_ten_seconds_stay_in_a_few_megabytes() {
    let mut enrolment = Enrolment::new();
    for seed in 0..500 {
        let name = Name::new(&format!("babble {seed}")).unwrap();
        enrolment.add(Kind::Machine, name, &babble(seed, 10)).unwrap();
    }
    let prompts: Prompts = enrolment.finish();
    println!("{} KiB", prompts.memory() / 1_024);
    assert!(prompts.memory() < 16 << 20, "{}", prompts.memory());
    assert!(CLIP_MAX >= Duration::from_secs(10));
}

fn judge(options: &Options, call: &[i16]) -> Summary {
    replay(&mut Detector::new(options), call)
}

#[test]
fn the_kind_of_the_prompt_is_the_verdict() {
    let greeting = wav::read(include_bytes!("../fixtures/audio/machine-karen-beep.wav")).unwrap().samples;
    for (kind, class) in
        [(Kind::Machine, Class::Machine), (Kind::Screening, Class::Screening), (Kind::Ivr, Class::Ivr)]
    {
        let summary = judge(&enrol([(kind, "karen", greeting.as_slice())]), &greeting);
        assert_eq!(summary.class(), Some(class), "{summary:?}");
        let (heard, _) = summary.prompt.expect("it is recognised");
        assert_eq!((heard.kind, heard.name.as_str()), (kind, "karen"));
    }
    assert_eq!(judge(&Options::default(), &greeting).prompt, None, "nothing is enrolled from the outset");
}

#[test]
fn a_prompt_turns_a_verdict_of_machine_and_one_of_human_over() {
    // The verdict is given by the deadline, and the prompt comes afterwards.
    let greeting = wav::read(include_bytes!("../fixtures/audio/machine-karen-beep.wav")).unwrap().samples;
    let prompt = babble(77, 4);
    let options = enrol([(Kind::Screening, "assistant", prompt.as_slice())]);
    let call = [greeting.clone(), vec![0; 8_000], prompt.clone()].concat();
    let summary = judge(&options, &call);
    assert_eq!(summary.verdict.map(|verdict| verdict.class), Some(Class::Machine), "{summary:?}");
    let revised = summary.revised.expect("a revision");
    assert_eq!(revised.class, Class::Screening);
    assert_eq!(revised.cause, Cause::Prompt(Name::new("assistant").unwrap()));
    assert_eq!(revised.cause.to_string(), "prompt assistant");

    let hello = wav::read(include_bytes!("../fixtures/audio/human-yeah.wav")).unwrap().samples;
    let call = [hello, vec![0; 12_000], prompt].concat();
    let summary = judge(&options, &call);
    assert_eq!(summary.verdict.map(|verdict| verdict.class), Some(Class::Human), "{summary:?}");
    assert_eq!(summary.class(), Some(Class::Screening), "{summary:?}");
}
