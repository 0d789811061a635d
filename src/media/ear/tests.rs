//! The same is found, at once or at leisure.

use super::*;
use crate::amd::verdict::Finding;
use crate::audio::tone::Tone;
use crate::audio::{FRAME_SAMPLES, wav};
use std::time::Duration;

/// What is found, each with the number of the frame at which it was told. Every seventeenth frame is lost.
fn found(attention: impl Fn(usize) -> Attention) -> Vec<(usize, Finding)> {
    let greeting = wav::read(include_bytes!("../../../fixtures/audio/machine-karen-beep.wav")).unwrap();
    let silence = vec![0; 8 * 1_500];
    let beep = Tone::sine(1_000.0, -15.0).samples(Duration::from_millis(400));
    let samples = [&greeting.samples[..], &silence, &beep, &silence].concat();
    let mut ear = Ear::new();
    ear.prepare(&Options::default());
    ear.start(Instant::ZERO, Mode::Answer);
    let mut told = Vec::new();
    for (number, frame) in samples.chunks_exact(FRAME_SAMPLES).enumerate() {
        let frame: &Frame = frame.try_into().unwrap();
        ear.handle_frame((number % 17 > 0).then_some(frame), attention(number), &mut |kind| match kind {
            EventKind::Finding { finding, .. } => told.push((number, finding)),
            other => panic!("{other:?}"),
        });
    }
    told
}

#[test]
fn at_leisure_the_same_is_found_and_told_a_little_later_once_the_verdict_stands() {
    let at_once = found(|_| Attention::AtOnce);
    let at_leisure = found(|_| Attention::AtLeisure);
    let verdict = |(_, finding): &(usize, Finding)| matches!(finding, Finding::Verdict(_));
    let settled = at_once.iter().position(verdict).expect("a verdict");
    assert!(at_once.len() > settled + 3, "something is found behind it: {at_once:?}");
    assert_eq!(at_once[..=settled], at_leisure[..=settled], "up to the verdict nothing is late");
    assert_eq!(at_once.len(), at_leisure.len());
    for ((number, finding), (told, same)) in at_once.iter().zip(&at_leisure) {
        assert_eq!(finding, same);
        assert!((0..TOGETHER).contains(&(told - number)), "{same:?} at {told}, not {number}");
    }
    assert_ne!(at_once, at_leisure, "what came behind it waited");
}

#[test]
fn who_begins_to_wait_for_it_hears_all_that_has_gathered() {
    let at_once = found(|_| Attention::AtOnce);
    let turns = found(|number| if number % 3 == 2 { Attention::AtOnce } else { Attention::AtLeisure });
    let findings = |told: &[(usize, Finding)]| told.iter().map(|(_, finding)| *finding).collect::<Vec<_>>();
    assert_eq!(findings(&at_once), findings(&turns));
    let late = at_once.iter().zip(&turns).map(|((number, _), (told, _))| told - number).max();
    assert!(late <= Some(2), "{late:?}");
}

#[test]
fn an_ear_that_does_not_listen_tells_nothing_and_a_new_call_begins_with_nothing_gathered() {
    let mut ear = Ear::new();
    let mut tell = |kind| panic!("{kind:?}");
    ear.handle_frame(Some(&SILENT_FRAME), Attention::AtOnce, &mut tell);
    ear.prepare(&Options::default());
    ear.handle_frame(Some(&SILENT_FRAME), Attention::AtOnce, &mut tell);
    ear.start(Instant::ZERO, Mode::Answer);
    ear.count = 3;
    ear.start(Instant::ZERO, Mode::Answer);
    assert_eq!(ear.count, 0);
}
