//! Each rule as a transcript: `~300` is voice and `.300` silence of so many milliseconds, `?40` is lost.

use super::*;
use crate::audio::SILENT_FRAME;

/// What the default parameters make of a transcript, as `AMDSTATUS AMDCAUSE at`.
fn judge(transcript: &str) -> String {
    judge_with("", transcript)
}

fn judge_with(arguments: &str, transcript: &str) -> String {
    let mut asterisk = Asterisk::new(&arguments.parse().unwrap());
    let mut verdicts = Vec::new();
    for piece in transcript.split_whitespace() {
        let (kind, length) = piece.split_at(1);
        let frame = match kind {
            "~" => Some([2_000; FRAME_SAMPLES]),
            "." => Some(SILENT_FRAME),
            "?" => None,
            _ => panic!("{piece}"),
        };
        for _ in 0..length.parse::<u32>().unwrap() / FRAME_MS {
            asterisk.handle_frame(frame.as_ref(), &mut |finding| {
                let Finding::Verdict(verdict) = finding else { panic!("{finding:?}") };
                verdicts.push(format!("{} {} {}", verdict.class, verdict.cause, verdict.at.as_millis()));
            });
        }
    }
    assert!(verdicts.len() < 2, "{transcript}: {verdicts:?}");
    verdicts.pop().unwrap_or_default()
}

#[test]
fn silence_after_a_greeting_is_a_human() {
    assert_eq!(judge(".500 ~400 .900"), "human HUMAN-800-800 1700");
    assert_eq!(judge(".500 ~400 .780"), "");
    assert_eq!(judge_with("||1000", ".500 ~400 .1200"), "human HUMAN-1000-1000 1900");
}

#[test]
fn silence_before_the_first_word_is_a_machine() {
    assert_eq!(judge(".2500"), "machine INITIALSILENCE-2500-2500 2500");
    // A click is no word: the wait goes on, and begins anew.
    assert_eq!(judge(".2400 ~80 .2400"), "");
    assert_eq!(judge(".1000 ~80 .2500"), "machine INITIALSILENCE-2500-2500 3580");
}

#[test]
fn much_voice_is_a_machine_and_gaps_do_not_count() {
    assert_eq!(judge(".200 ~1600"), "machine LONGGREETING-1500-1500 1700");
    assert_eq!(judge(".200 ~800 .400 ~800"), "machine LONGGREETING-1500-1500 2100");
    assert_eq!(judge_with("|2000", ".200 ~1600 .800"), "human HUMAN-800-800 2600");
}

#[test]
fn more_words_than_allowed_are_a_machine() {
    assert_eq!(judge(".200 ~200 .100 ~200 .100 ~200"), "machine MAXWORDS-3-2 900");
    assert_eq!(judge_with("||||||4", ".200 ~200 .100 ~200 .100 ~200 .800"), "human HUMAN-800-800 1800");
}

#[test]
fn who_speaks_at_once_has_a_word_more() {
    assert_eq!(judge("~200 .100 ~200 .100 ~200 .800"), "human HUMAN-800-800 1600");
}

#[test]
fn a_gap_that_is_too_short_does_not_part_words() {
    assert_eq!(judge(".200 ~200 .40 ~200 .40 ~200 .40 ~200 .800"), "human HUMAN-800-800 1920");
    assert_eq!(judge_with("|||||40", ".200 ~200 .40 ~200 .40 ~200"), "machine MAXWORDS-3-2 780");
}

#[test]
fn voice_that_is_too_short_is_no_word() {
    assert_eq!(judge(".200 ~200 .100 ~80 .100 ~80 .100 ~80 .800"), "human HUMAN-800-800 1740");
}

#[test]
fn one_endless_word_is_a_machine() {
    let limits = "|9000||9000||||| 3000";
    assert_eq!(judge_with(limits, ".200 ~4000"), "machine MAXWORDLENGTH-3000 3200");
    assert_eq!(judge_with(limits, ".200 ~2000 .60 ~2000"), "");
}

#[test]
fn when_the_time_is_up_it_is_not_sure() {
    assert_eq!(judge(".2000 ~80 .2000 ~80 .2000"), "unsure TOOLONG-5000 5000");
    assert_eq!(judge_with("|||3000||", ".2400 ~400 .400"), "unsure TOOLONG-3000 3000");
}

#[test]
fn a_lost_frame_counts_as_silence() {
    assert_eq!(judge(".500 ~400 ?900"), "human HUMAN-800-800 1700");
    assert_eq!(judge(".100 ?2400"), "machine INITIALSILENCE-2500-2500 2500");
}

#[test]
fn before_the_first_frame_only_the_time_passes() {
    assert_eq!(judge("?2600 ~400 .800"), "human HUMAN-800-800 3800");
    assert_eq!(judge("?6000"), "unsure NOAUDIODATA-5000 5000");
}

#[test]
fn the_threshold_is_the_mean_magnitude_of_a_frame() {
    let with = |sample: i16| {
        let mut asterisk = Asterisk::new(&Parameters::default());
        let mut class = None;
        for _ in 0..130 {
            asterisk.handle_frame(Some(&[sample; FRAME_SAMPLES]), &mut |finding| {
                let Finding::Verdict(verdict) = finding else { panic!("{finding:?}") };
                class = Some(verdict.cause.to_string());
            });
        }
        class.unwrap()
    };
    assert_eq!(with(255), "INITIALSILENCE-2500-2500");
    assert_eq!(with(-256), "LONGGREETING-1500-1500");
    assert_eq!(with(i16::MIN), "LONGGREETING-1500-1500");
}

#[test]
fn a_new_call_begins_with_nothing() {
    let mut asterisk = Asterisk::new(&Parameters::default());
    for _ in 0..2 {
        let mut verdicts = 0;
        for _ in 0..300 {
            asterisk.handle_frame(Some(&SILENT_FRAME), &mut |_| verdicts += 1);
        }
        assert_eq!(verdicts, 1);
        asterisk.reset();
    }
}
