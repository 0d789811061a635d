//! Tones named rightly, wrongly, not at all.

use super::expectation::tone_words;
use super::judged::Judged;
use super::share::Share;
use crate::amd::verdict::Class;
use serde::Serialize;
use std::collections::BTreeMap;

/// One subtype of tone, or of what shall never be named one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ToneRow {
    /// The manifest's subtype.
    pub subtype: String,
    /// Clips whose tone was named as labelled.
    pub named: Share,
    /// Clips that were called human, by the first or the last verdict.
    pub called_human: Share,
    /// All names given, with the number of clips; `nothing` where no tone was named.
    pub names: BTreeMap<&'static str, u64>,
}

/// One row for each subtype whose label asks for a tone.
pub fn tones(judged: &[Judged]) -> Vec<ToneRow> {
    let mut rows: BTreeMap<&str, ToneRow> = BTreeMap::new();
    for one in judged {
        let Some(words) = tone_words(&one.clip) else { continue };
        let subtype = one.clip.subtype.as_str();
        let row = rows.entry(subtype).or_insert_with(|| ToneRow {
            subtype: subtype.to_owned(),
            named: Share::default(),
            called_human: Share::default(),
            names: BTreeMap::new(),
        });
        let mut names: Vec<&'static str> = one.summary.tones.iter().map(|tone| tone.kind.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        row.named.count(names.iter().any(|name| words.contains(name)));
        row.called_human.count(one.verdicts().any(|verdict| verdict.class == Class::Human));
        if names.is_empty() {
            names.push("nothing");
        }
        for name in names {
            *row.names.entry(name).or_default() += 1;
        }
    }
    rows.into_values().collect()
}

/// Speech in which a tone was named all the same: clips of persons and machines, and the names.
pub fn tones_in_speech(judged: &[Judged]) -> Vec<(String, Vec<&'static str>)> {
    let speech = judged.iter().filter(|one| tone_words(&one.clip).is_none() && !one.summary.tones.is_empty());
    let names = |one: &Judged| {
        let mut names: Vec<&'static str> = one.summary.tones.iter().map(|tone| tone.kind.as_str()).collect();
        names.dedup();
        (one.clip.file.clone(), names)
    };
    speech.map(names).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::judged;
    use super::*;
    use crate::amd::verdict::{ToneEvent, ToneKind};
    use crate::corpus::manifest::Label;
    use std::time::Duration;

    #[test]
    fn names_are_counted_by_subtype() {
        let tone = |class: Class, names: &[ToneKind]| {
            let mut one = judged(Label::Other, (class, 2000), None);
            one.clip.subtype = "ringback".into();
            let event =
                |kind: &ToneKind| ToneEvent { kind: *kind, start: Duration::ZERO, at: Duration::ZERO };
            one.summary.tones = names.iter().map(event).collect();
            one
        };
        let mut human = tone(Class::Human, &[ToneKind::Dtmf]);
        human.clip.label = Label::Human;
        let all = [
            tone(Class::Tone, &[ToneKind::RingBack, ToneKind::RingBack]),
            tone(Class::Tone, &[ToneKind::Busy]),
            tone(Class::Human, &[]),
            human,
        ];
        let rows = tones(&all);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].named, rows[0].called_human),
            (Share { hits: 1, of: 3 }, Share { hits: 1, of: 3 })
        );
        assert_eq!(rows[0].names, BTreeMap::from([("busy", 1), ("nothing", 1), ("ring_back", 1)]));
        assert_eq!(tones_in_speech(&all), [("clip.wav".to_owned(), vec!["dtmf"])]);
    }
}
