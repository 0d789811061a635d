//! The conditions that figures are split by: how long the answer is, what the line did to it, where it comes from.

use super::judged::Judged;
use super::tally::Tally;
use crate::corpus::manifest::Label;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a corpus can be split by, in the order of tables.
pub const DIMENSIONS: [&str; 9] =
    ["answer length", "subtype", "noise level", "noise", "speech level", "codec", "loss", "kind", "source"];

/// The figures of one condition.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Condition {
    /// One of [`DIMENSIONS`].
    pub dimension: &'static str,
    /// Its value, such as `gsm` of `codec`.
    pub value: String,
    /// Clips.
    pub clips: u64,
    /// Their figures.
    pub figures: Tally,
}

/// Splits by every dimension; bands in order of size, words in order of the alphabet.
pub fn conditions(judged: &[Judged]) -> Vec<Condition> {
    let mut groups: BTreeMap<(usize, u8, String), Vec<&Judged>> = BTreeMap::new();
    for one in judged {
        for (dimension, (rank, value)) in values(one).into_iter().enumerate() {
            if !value.is_empty() {
                groups.entry((dimension, rank, value)).or_default().push(one);
            }
        }
    }
    let condition = |((dimension, _, value), judged): ((usize, u8, String), Vec<&Judged>)| Condition {
        dimension: DIMENSIONS[dimension],
        value,
        clips: judged.len() as u64,
        figures: Tally::of(judged),
    };
    groups.into_iter().map(condition).collect()
}

/// The clip's value in each of [`DIMENSIONS`], with its rank; empty where it has none.
fn values(one: &Judged) -> [(u8, String); DIMENSIONS.len()] {
    let clip = &one.clip;
    let word = |text: &str| (0, text.to_owned());
    let subtype = if clip.subtype.is_empty() { "unknown" } else { &clip.subtype };
    [
        length(one),
        (clip.label as u8, format!("{}: {subtype}", clip.label.as_str())),
        snr(clip.snr_db),
        word(&clip.noise),
        level(clip.level_db),
        word(&clip.codec),
        loss(clip.loss),
        word(&clip.kind),
        word(&source(&clip.source)),
    ]
}

fn band(rank: u8, text: &str) -> (u8, String) {
    (rank, text.to_owned())
}

/// Of persons: a machine's greeting is no answer to speak of.
fn length(one: &Judged) -> (u8, String) {
    let length = one.greeting().filter(|_| one.clip.label == Label::Human);
    match length.map(|length| length.as_secs_f64()) {
        None => band(0, ""),
        Some(s) if s < 0.8 => band(0, "below 0.8 s"),
        Some(s) if s <= 1.5 => band(1, "0.8 to 1.5 s"),
        Some(_) => band(2, "above 1.5 s"),
    }
}

fn snr(db: Option<f64>) -> (u8, String) {
    match db {
        Some(db) if db < 15.0 => band(0, "below 15 dB SNR"),
        Some(db) if db <= 26.0 => band(1, "15 to 26 dB SNR"),
        Some(_) => band(2, "above 26 dB SNR"),
        None => band(3, "no noise added"),
    }
}

fn level(db: Option<f64>) -> (u8, String) {
    match db {
        Some(db) if db < -28.0 => band(0, "below -28 dBFS"),
        Some(db) if db < -22.0 => band(1, "-28 to -22 dBFS"),
        Some(_) => band(2, "above -22 dBFS"),
        None => band(3, ""),
    }
}

fn loss(share: f64) -> (u8, String) {
    match share {
        s if s <= 0.0 => band(0, "none"),
        s if s <= 0.02 => band(1, "to 2 %"),
        _ => band(2, "above 2 %"),
    }
}

/// The corpus or package or voice that a source names: its first word, or two where the first alone is only a genre
/// such as `TTS` or `synthesised`. What follows names single files.
pub fn source(text: &str) -> String {
    let mut words = text.split([' ', ',', '(']).filter(|word| word.chars().any(char::is_alphanumeric));
    let Some(first) = words.next() else { return String::new() };
    let names_itself = first.contains(['/', '-', ':', '_', '.']);
    match words.next() {
        Some(second) if !names_itself => format!("{first} {second}"),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::judged;
    use super::*;
    use crate::amd::verdict::Class;
    use std::time::Duration;

    #[test]
    fn every_clip_falls_into_the_band_of_each_dimension() {
        let mut one = judged(Label::Human, (Class::Machine, 2000), None);
        one.clip.greeting_end = Some(Duration::from_millis(1300));
        one.clip.snr_db = Some(14.9);
        one.clip.level_db = Some(-22.0);
        one.clip.loss = 0.02;
        one.clip.codec = "gsm".into();
        one.clip.source = "TTS flite:rms".into();
        let found: Vec<(&str, String)> =
            conditions(&[one]).into_iter().map(|condition| (condition.dimension, condition.value)).collect();
        let want = [
            ("answer length", "0.8 to 1.5 s"),
            ("subtype", "human: unknown"),
            ("noise level", "below 15 dB SNR"),
            ("speech level", "above -22 dBFS"),
            ("codec", "gsm"),
            ("loss", "to 2 %"),
            ("source", "TTS flite:rms"),
        ];
        assert_eq!(found, want.map(|(dimension, value)| (dimension, value.to_owned())));
    }

    #[test]
    fn bands_stand_in_order_of_size_and_count_their_own_clips_only() {
        let mut long = judged(Label::Human, (Class::Machine, 2000), None);
        long.clip.greeting_end = Some(Duration::from_millis(2100));
        let short = judged(Label::Human, (Class::Human, 2000), None);
        let machine = judged(Label::Machine, (Class::Machine, 2000), None);
        let all = conditions(&[long, machine, short]);
        let lengths: Vec<_> = all
            .iter()
            .filter(|condition| condition.dimension == "answer length")
            .map(|condition| (condition.value.as_str(), condition.clips, condition.figures.human_lost.hits))
            .collect();
        assert_eq!(lengths, [("below 0.8 s", 1, 0), ("above 1.5 s", 1, 1)]);
    }

    #[test]
    fn a_source_is_named_by_its_corpus_or_voice() {
        for (text, want) in [
            ("klchang/SpeakerRecognition klchang+x/female/F_1/2.wav", "klchang/SpeakerRecognition"),
            ("asterisk-core-sounds-en-wav (Allison Smith)", "asterisk-core-sounds-en-wav"),
            ("TTS esp:en-us+m3", "TTS esp:en-us+m3"),
            ("SIT + TTS", "SIT TTS"),
            ("synthesised, ITU-T E.180 / national tone (us)", "synthesised ITU-T"),
            ("silence", "silence"),
            ("", ""),
        ] {
            assert_eq!(source(text), want);
        }
    }
}
