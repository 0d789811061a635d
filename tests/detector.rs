//! The detector on synthetic signals: every tone of the network and of fax machines, beeps of every kind, voices.

use outdial::amd::detector::{Detector, Mode, Options};
use outdial::amd::replay::{Summary, replay};
use outdial::amd::verdict::{Cause, Class, Finding, ToneKind};
use outdial::audio::dtmf::KeyListener;
use outdial::audio::tone::{Tone, cadence};
use outdial::audio::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ, wav};
use outdial::rng::Rng;
use std::f64::consts::TAU;
use std::time::Duration;

const LEVEL: f32 = -16.0;

/// Voices, tones and mailboxes of the fixtures: none of them presses a key.
#[test]
fn speech_and_tones_press_no_key() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio");
    let mut seconds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wav") {
            continue;
        }
        let clip = wav::read(&std::fs::read(&path).unwrap()).unwrap();
        seconds += clip.samples.len() / 8_000;
        for gain in [1, 3] {
            let mut listener = KeyListener::new();
            let louder: Vec<i16> = clip.samples.iter().map(|sample| sample.saturating_mul(gain)).collect();
            let frames = louder.chunks_exact(FRAME_SAMPLES).map(|frame| frame.try_into().unwrap());
            let pressed: String =
                frames.filter_map(|frame: Frame| listener.handle_frame(Some(&frame))).collect();
            assert_eq!(pressed, "", "{} at {gain}", path.display());
        }
    }
    assert!(seconds > 60, "{seconds} s of sound");
}

#[test]
fn every_network_tone_is_named_and_none_is_a_human() {
    use ToneKind::{Busy, DialTone, Reorder, RingBack};
    let cases = [
        ("ring-back, North America", pair(440.0, 480.0), &[2000, 4000][..], RingBack),
        ("ring-back, Europe", one(425.0), &[1000, 4000], RingBack),
        ("ring-back, United Kingdom", pair(400.0, 450.0), &[400, 200, 400, 2000], RingBack),
        ("ring-back, Japan", one(400.0), &[1000, 2000], RingBack),
        ("busy, North America", pair(480.0, 620.0), &[500, 500], Busy),
        ("busy, Europe", one(425.0), &[500, 500], Busy),
        ("busy, United Kingdom", one(400.0), &[375, 375], Busy),
        ("reorder, North America", pair(480.0, 620.0), &[250, 250], Reorder),
        ("reorder, Europe", one(425.0), &[250, 250], Reorder),
        ("dial tone, North America", pair(350.0, 440.0), &[8000], DialTone),
        ("dial tone, Europe", one(425.0), &[8000], DialTone),
    ];
    for (name, tone, rhythm, kind) in cases {
        for level in [0.0, -20.0] {
            let summary = judge(&repeated(&louder(&tone, level), rhythm, 8000));
            let kinds: Vec<ToneKind> = summary.tones.iter().map(|tone| tone.kind).collect();
            assert_eq!(kinds, [kind], "{name} at {level} dB");
            assert_eq!(summary.class(), Some(Class::Tone), "{name}");
            assert!(summary.beeps.is_empty(), "{name}: {:?}", summary.beeps);
        }
    }
}

#[test]
fn special_information_tones_say_why() {
    let (short, long) = (274, 380);
    let cases = [
        ("intercept", [(913.8, short), (1370.6, short), (1776.7, long)], ToneKind::SitInvalid),
        ("vacant code", [(985.2, long), (1370.6, short), (1776.7, long)], ToneKind::SitInvalid),
        ("reorder", [(913.8, short), (1428.5, long), (1776.7, long)], ToneKind::SitCongestion),
        ("no circuit", [(985.2, long), (1428.5, long), (1776.7, long)], ToneKind::SitCongestion),
        ("ITU-T E.180", [(950.0, 330), (1400.0, 330), (1800.0, 330)], ToneKind::Sit),
    ];
    for (name, segments, kind) in cases {
        let mut call = silence(300);
        segments.iter().for_each(|(hz, length)| call.extend(one(*hz).samples(ms(*length))));
        call.extend(voice(2000));
        let summary = judge(&call);
        assert_eq!(summary.tones.first().map(|tone| tone.kind), Some(kind), "{name}: {summary:?}");
        assert!(summary.tones[0].start.abs_diff(ms(300)) < ms(20), "{name}: {summary:?}");
        assert_eq!(summary.class(), Some(Class::Tone), "{name}");
        assert!(summary.beeps.is_empty(), "{name}: {summary:?}");
    }
}

#[test]
fn fax_machines_are_known_by_their_calling_and_their_answering_tone() {
    let calling = repeated(&one(1100.0), &[500, 3000], 8000);
    let summary = judge(&calling);
    assert_eq!(summary.verdict.map(|verdict| verdict.cause), Some(Cause::Tone(ToneKind::FaxCng)));
    assert_eq!(summary.class(), Some(Class::Fax));
    assert!(summary.beeps.is_empty(), "{:?}", summary.beeps);

    let answering = one(2100.0).samples(ms(3000));
    // V.8: the answer tone turns its phase every 450 ms.
    let turned: Vec<i16> =
        answering.iter().enumerate().map(|(i, s)| if (i / 3600) % 2 == 0 { *s } else { -*s }).collect();
    for call in [answering, turned] {
        let summary = judge(&[silence(400), call].concat());
        assert_eq!(
            summary.verdict.map(|verdict| verdict.cause),
            Some(Cause::Tone(ToneKind::FaxCed)),
            "{summary:?}"
        );
    }
}

#[test]
fn a_beep_after_speech_is_found_whatever_its_pitch_and_length() {
    for hz in [440.0, 620.0, 800.0, 1000.0, 1400.0, 2000.0] {
        for length in [200, 350, 1000] {
            let beep = one(hz).samples(ms(length));
            let call = [silence(200), voice(4000), silence(400), beep, silence(1000)].concat();
            let summary = judge(&call);
            let [beep] = summary.beeps[..] else { panic!("{hz} Hz for {length} ms: {summary:?}") };
            assert!(beep.start.abs_diff(ms(4600)) <= ms(6), "{hz} Hz for {length} ms: {beep:?}");
            assert!(beep.end.abs_diff(ms(4600 + length)) <= ms(6), "{hz} Hz for {length} ms: {beep:?}");
            assert!(beep.reported_at <= ms(4600 + 110), "{hz} Hz for {length} ms: {beep:?}");
            assert!((f64::from(beep.frequency_hz) - hz).abs() < 3.0, "{hz} Hz for {length} ms: {beep:?}");
            assert_eq!(summary.class(), Some(Class::Machine));
        }
    }
}

#[test]
fn a_beep_is_found_though_it_is_joined_to_speech_or_rich_or_deep_in_noise() {
    let rich = one(700.0).with(1400.0, LEVEL - 4.0).with(2100.0, LEVEL - 2.0);
    let cases = [
        ("joined to the greeting", one(1000.0), 0, 0.0),
        ("rich in harmonics", rich, 300, 0.0),
        ("two tones", one(900.0).with(1500.0, LEVEL), 300, 0.0),
        ("10 dB above the noise", one(1000.0), 300, 1400.0),
    ];
    for (name, tone, gap, hiss) in cases {
        let beep = tone.samples(ms(400));
        let mut call = [silence(500), voice(3000), silence(gap), beep, silence(1000)].concat();
        let noise = noise(call.len() as u64 / 8, hiss);
        call.iter_mut().zip(&noise).for_each(|(sample, noise)| *sample = sample.saturating_add(*noise));
        let summary = judge(&call);
        let [beep] = summary.beeps[..] else { panic!("{name}: {summary:?}") };
        assert!(beep.start.abs_diff(ms(3500 + gap)) <= ms(30), "{name}: {beep:?}");
        assert!(beep.end.abs_diff(ms(3900 + gap)) <= ms(30), "{name}: {beep:?}");
    }
}

#[test]
fn a_short_beep_of_an_eighth_of_a_second_is_found() {
    let call =
        [silence(200), voice(4000), silence(400), one(1000.0).samples(ms(120)), silence(1000)].concat();
    assert_eq!(judge(&call).beeps.len(), 1);
}

#[test]
fn a_beep_that_is_half_lost_is_one_beep() {
    let call =
        [silence(200), voice(4000), silence(400), one(1000.0).samples(ms(400)), silence(1000)].concat();
    for lost in 225..250 {
        let summary = hear(&call, |frame| frame != lost);
        let [beep] = summary.beeps[..] else { panic!("frame {lost}: {summary:?}") };
        assert!(beep.start.abs_diff(ms(4600)) <= ms(30), "frame {lost}: {beep:?}");
        assert!(beep.end.abs_diff(ms(5000)) <= ms(30), "frame {lost}: {beep:?}");
    }
}

#[test]
fn a_beep_that_rings_on_ends_when_it_has_rung_out() {
    for (name, fainter, length, hiss) in
        [("a tail", -26.0, 45, 0.0), ("a tail on a noisy line", -22.0, 60, 30.0)]
    {
        // One wave, of which the end is fainter: a recording's fade, or a loudspeaker's.
        let mut beep = one(1000.0).samples(ms(500 + length));
        let factor = 10f32.powf(fainter / 20.0);
        beep[4000..].iter_mut().for_each(|sample| *sample = (f32::from(*sample) * factor) as i16);
        let mut call = [silence(200), voice(4000), silence(400), beep, silence(1000)].concat();
        let noise = noise(call.len() as u64 / 8, hiss);
        call.iter_mut().zip(&noise).for_each(|(sample, noise)| *sample = sample.saturating_add(*noise));
        let summary = judge(&call);
        let [beep] = summary.beeps[..] else { panic!("{name}: {summary:?}") };
        assert!(beep.end.abs_diff(ms(5100 + length)) <= ms(20), "{name}: {beep:?}");
    }
}

#[test]
fn a_beep_that_sounds_twice_is_one_whose_end_is_that_of_the_last() {
    for pause in [40, 60, 80, 100] {
        let beep = one(1000.0).samples(ms(120));
        let twice = [beep.clone(), silence(pause), beep].concat();
        let call = [silence(200), voice(4000), silence(400), twice, silence(1000)].concat();
        let summary = judge(&call);
        let [beep] = summary.beeps[..] else { panic!("{pause} ms apart: {summary:?}") };
        assert!(beep.start.abs_diff(ms(4600)) <= ms(10), "{pause} ms apart: {beep:?}");
        assert!(beep.end.abs_diff(ms(4840 + pause)) <= ms(20), "{pause} ms apart: {beep:?}");
    }
}

#[test]
fn the_end_of_a_beep_is_told_within_150_ms_of_it() {
    for (length, within) in [(120, 150), (200, 150), (300, 100), (1000, 100)] {
        let call = [silence(200), voice(4000), silence(400), one(1000.0).samples(ms(length)), silence(1000)];
        let (mut frames, mut told) = (0, None);
        let mut detector = Detector::new(&Options::default());
        for frame in call.concat().chunks_exact(FRAME_SAMPLES) {
            frames += 1;
            let frame = frame.try_into().expect("a whole frame");
            detector.handle_frame(Some(frame), &mut |finding| {
                if let Finding::Beep(_) = finding {
                    told = Some(ms(frames * 20));
                }
            });
        }
        let after = told.expect("a beep").saturating_sub(ms(4600 + length));
        assert!(after <= ms(within), "{length} ms long, told {after:?} after its end");
    }
}

#[test]
fn a_steady_tone_is_no_beep_where_no_machine_would_beep() {
    let tone = |dbfs| Tone::sine(700.0, dbfs).samples(ms(300));
    let far = [silence(200), voice(3000), silence(400), tone(LEVEL - 26.0), silence(1000)];
    let spoken_after = [silence(200), voice(3000), silence(400), tone(LEVEL), voice(2000)];
    let cases = [
        ("faint, as a telephone that rings in the room", far.concat()),
        ("with a voice that goes on at its end", spoken_after.concat()),
    ];
    for (name, call) in cases {
        let summary = judge(&call);
        assert!(summary.beeps.is_empty(), "{name}: {:?}", summary.beeps);
    }
}

#[test]
fn a_beep_goes_on_being_found_long_after_the_verdict() {
    let mut call = voice(4000);
    call.extend(silence(60_000));
    call.extend(one(900.0).samples(ms(300)));
    call.extend(silence(1000));
    let summary = judge(&call);
    assert_eq!(summary.beeps.len(), 1, "{summary:?}");
    assert!(summary.verdict.is_some_and(|verdict| verdict.at <= ms(5000)));
}

#[test]
fn the_report_of_a_probable_beep_comes_before_the_beep_is_over() {
    let call = [silence(200), voice(3000), silence(300), one(1000.0).samples(ms(500)), silence(500)].concat();
    let mut order = Vec::new();
    listen(&call, |_| true, &mut |finding| match finding {
        Finding::BeepProbable { at, .. } => order.push(("probable", at)),
        Finding::Beep(beep) => order.push(("end", beep.end)),
        _ => {}
    });
    assert!(matches!(order[..], [("probable", at), ("end", end)] if at < end), "{order:?}");
}

#[test]
fn digits_are_neither_beeps_nor_speech() {
    let mut call = silence(500);
    for digit in "147*".chars() {
        call.extend(Tone::dtmf(digit, LEVEL).expect("a key").samples(ms(100)));
        call.extend(silence(100));
    }
    let summary = judge(&call);
    assert!(summary.tones.iter().all(|tone| tone.kind == ToneKind::Dtmf), "{summary:?}");
    assert_eq!(summary.tones.len(), 4, "{summary:?}");
    assert!(summary.beeps.is_empty(), "{summary:?}");
    assert_eq!(summary.class(), Some(Class::Silence), "{summary:?}");
}

#[test]
fn a_short_answer_is_a_human_half_a_second_after_its_end() {
    // People answer sooner: after a long silence it takes longer to be sure.
    for (before, length, within) in [(0, 300, 640), (300, 600, 640), (2500, 900, 1240)] {
        let summary = judge(&[silence(before), voice(length), silence(3000)].concat());
        let verdict = summary.verdict.expect("a verdict");
        assert_eq!(verdict.class, Class::Human, "{length} ms after {before} ms: {summary:?}");
        let end = ms(before + length);
        assert!(
            verdict.at > end && verdict.at <= end + ms(within),
            "{length} ms after {before} ms: {verdict:?}"
        );
    }
}

#[test]
fn a_greeting_that_goes_on_is_a_machine_before_the_deadline() {
    let summary = judge(&[silence(300), voice(9000)].concat());
    let verdict = summary.verdict.expect("a verdict");
    assert_eq!(verdict.class, Class::Machine, "{summary:?}");
    assert!(verdict.at <= ms(4500), "{verdict:?}");
}

#[test]
fn what_passed_for_a_word_and_was_a_tone_is_taken_back_even_after_the_verdict() {
    let burst = || one(425.0).samples(ms(260));
    let rhythm: Vec<i16> = (0..8).flat_map(|_| [burst(), silence(250)].concat()).collect();
    let summary = judge(&[silence(300), burst(), silence(1500), rhythm].concat());
    assert_eq!(summary.tones.first().map(|tone| tone.kind), Some(ToneKind::Reorder), "{summary:?}");
    assert_eq!(summary.revised, None, "a tone is no second sentence: {summary:?}");
}

#[test]
fn no_mix_of_sounds_and_losses_makes_it_panic_or_judge_late() {
    let mut rng = Rng::from_seed(11);
    let mut detector = Detector::new(&Options::default());
    for call in 0..250 {
        detector.reset(Mode::Answer);
        let (mut frames, mut verdict) = (0, None);
        while frames < 450 {
            let length = 20 * (1 + rng.below(40));
            let hz = [350.0, 425.0, 440.0, 480.0, 950.0, 1000.0, 1100.0, 1400.0, 1800.0, 2100.0]
                [rng.below(10) as usize];
            let sound = match rng.below(6) {
                0 => silence(length),
                1 => noise(length, 2000.0),
                2 => pair(hz, 620.0).samples(ms(length)),
                3 | 4 => voice(length),
                _ => one(hz).samples(ms(length)),
            };
            let lost = rng.below(12) == 0;
            for frame in sound.chunks_exact(FRAME_SAMPLES) {
                let frame = frame.try_into().expect("a whole frame");
                detector.handle_frame((!lost).then_some(frame), &mut |finding| {
                    if let Finding::Verdict(given) = finding {
                        assert!(verdict.replace(given).is_none(), "call {call}: two first verdicts");
                    }
                });
                frames += 1;
            }
        }
        let at = verdict.expect("a verdict comes by the deadline").at;
        assert!(at <= ms(5000), "call {call}: {verdict:?}");
    }
}

#[test]
fn nobody_is_silence_however_the_line_is_silent() {
    let hiss: Vec<i16> = noise(6000, 30.0);
    for (name, call) in [("digital silence", silence(6000)), ("comfort noise", hiss)] {
        let summary = judge(&call);
        assert_eq!(summary.class(), Some(Class::Silence), "{name}: {summary:?}");
        assert_eq!(summary.verdict.map(|verdict| verdict.at), Some(ms(4000)), "{name}");
    }
}

#[test]
fn digital_silence_before_a_noisy_line_does_not_make_noise_of_speech() {
    let call = [silence(1500), noise(4500, 300.0)].concat();
    assert_ne!(judge(&call).class(), Some(Class::Human));
    let mut answered = call.clone();
    let word = voice(500);
    answered[20_000..20_000 + word.len()].iter_mut().zip(&word).for_each(|(a, b)| *a = a.saturating_add(*b));
    assert_eq!(judge(&answered).class(), Some(Class::Human));
}

#[test]
fn someone_may_answer_after_ring_back() {
    let call = [one(425.0).samples(ms(1000)), silence(1500), voice(500), silence(3000)].concat();
    let summary = judge(&call);
    assert_eq!(summary.tones.first().map(|tone| tone.kind), Some(ToneKind::RingBack), "{summary:?}");
    assert_eq!(summary.class(), Some(Class::Human), "{summary:?}");
}

#[test]
fn the_deadline_is_kept_for_any_setting() {
    for deadline_ms in [500, 2000, 5000, 8000] {
        let options = Options { deadline_ms, ..Options::default() };
        for call in
            [silence(9000), voice(9000), noise(9000, 2000.0), repeated(&one(425.0), &[1000, 4000], 9000)]
        {
            let verdict = replay(&mut Detector::new(&options), &call).verdict.expect("a verdict");
            assert!(verdict.at <= ms(deadline_ms.into()), "{verdict:?} for {deadline_ms} ms");
        }
    }
}

#[test]
fn early_media_is_heard_without_a_verdict() {
    let mut detector = Detector::new(&Options::default());
    detector.reset(Mode::EarlyMedia);
    let mut findings = Vec::new();
    for frame in [voice(6000), silence(3000)].concat().chunks_exact(FRAME_SAMPLES) {
        detector.handle_frame(Some(frame.try_into().expect("whole")), &mut |finding| findings.push(finding));
    }
    assert_eq!(findings, []);
}

fn judge(call: &[i16]) -> Summary {
    replay(&mut Detector::new(&Options::default()), call)
}

fn hear(call: &[i16], arrives: impl Fn(usize) -> bool) -> Summary {
    let mut summary = Summary::default();
    listen(call, arrives, &mut |finding| summary.handle_finding(finding));
    summary
}

fn listen(call: &[i16], arrives: impl Fn(usize) -> bool, out: &mut impl FnMut(Finding)) {
    let mut detector = Detector::new(&Options::default());
    for (at, frame) in call.chunks_exact(FRAME_SAMPLES).enumerate() {
        let frame = frame.try_into().expect("a whole frame");
        detector.handle_frame(arrives(at).then_some(frame), out);
    }
}

fn one(hz: f64) -> Tone {
    Tone::sine(hz, LEVEL)
}

fn pair(low: f64, high: f64) -> Tone {
    Tone::sine(low, LEVEL - 3.0).with(high, LEVEL - 3.0)
}

fn louder(tone: &Tone, by: f32) -> Tone {
    tone.lines().iter().fold(Tone::silence(), |sum, line| sum.with(line.frequency_hz, line.dbfs + by))
}

/// The tone on and off, in milliseconds, again and again, for so long.
fn repeated(tone: &Tone, rhythm: &[u64], length: u64) -> Vec<i16> {
    let steps: Vec<(Tone, Duration)> = rhythm
        .iter()
        .enumerate()
        .map(|(i, step)| (if i % 2 == 0 { *tone } else { Tone::silence() }, ms(*step)))
        .collect();
    let period = cadence(&steps);
    period.iter().copied().cycle().take(samples(length)).collect()
}

fn silence(length: u64) -> Vec<i16> {
    vec![0; samples(length)]
}

/// A gliding buzz through two moving formants, in syllables of 200 ms: enough of a voice for any detector of speech.
fn voice(length: u64) -> Vec<i16> {
    let mut phase = 0.0;
    let sample = |i: usize| {
        let t = i as f64 / f64::from(SAMPLE_RATE_HZ);
        let pitch = 125.0 + 25.0 * (TAU * 0.9 * t).sin() + 12.0 * (TAU * 2.3 * t).sin();
        phase += pitch / f64::from(SAMPLE_RATE_HZ);
        let formants = [520.0 + 180.0 * (TAU * 1.7 * t).sin(), 1500.0 + 500.0 * (TAU * 1.1 * t).sin()];
        let buzz: f64 = (1..=24)
            .map(|n| {
                let hz = pitch * f64::from(n);
                let gain: f64 = formants.iter().map(|f| 1.0 / (1.0 + ((hz - f) / 90.0).powi(2))).sum();
                (gain + 0.02) * (TAU * phase * f64::from(n)).sin()
            })
            .sum();
        let syllable = 0.15 + 0.85 * (TAU * 2.5 * t).sin().abs();
        (buzz * syllable * 4000.0) as i16
    };
    (0..samples(length)).map(sample).collect()
}

/// White noise of this mean amplitude, always the same.
fn noise(length: u64, amplitude: f64) -> Vec<i16> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    };
    (0..samples(length)).map(|_| (next() * 2.0 * amplitude) as i16).collect()
}

fn samples(length: u64) -> usize {
    length as usize * SAMPLE_RATE_HZ as usize / 1000
}

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}
