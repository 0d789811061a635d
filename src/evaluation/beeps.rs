//! Beeps found, missed and imagined.

use super::distribution::{Distribution, Times};
use super::judged::{Judged, ms};
use super::share::Share;
use crate::amd::verdict::Beep;
use crate::corpus::manifest::Label;
use serde::Serialize;
use std::collections::BTreeMap;

/// A beep is the labelled one if its start is no further away than this.
pub const NEAR_MS: i64 = 150;
/// The end of a beep shall be known this closely.
pub const END_MS: i64 = 40;

/// What became of the beeps.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Beeps {
    /// Labelled beeps of which one was reported within [`NEAR_MS`] of the labelled start.
    pub found: Share,
    /// Calls with a labelled beep and another one reported before it.
    pub false_before: Share,
    /// From the labelled start to the report, of those found.
    pub delay: Distribution,
    /// The reported start less the labelled one.
    pub start_error: Distribution,
    /// The reported end less the labelled one, where that is known.
    pub end_error: Distribution,
    /// Ends known within [`END_MS`].
    pub end_known: Share,
    /// Where no beep is labelled: calls with one all the same, by label and subtype.
    pub elsewhere: Vec<Elsewhere>,
    /// Each labelled beep that was not found, and each call with a false one.
    pub wrong: Vec<WrongBeep>,
}

/// Calls of one kind without a labelled beep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Elsewhere {
    /// The label, and the subtype of what is neither person nor machine.
    pub on: String,
    /// Calls with a beep.
    pub calls: Share,
}

/// A beep missed or imagined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WrongBeep {
    /// The clip.
    pub file: String,
    /// What went wrong.
    pub what: &'static str,
    /// Where the labelled beep starts.
    pub labelled_ms: Option<i64>,
    /// Where the reported ones start.
    pub reported_ms: Vec<i64>,
}

impl Beeps {
    /// Counts.
    pub fn of(judged: &[Judged]) -> Beeps {
        let (mut found, mut false_before, mut end_known) = <(Share, Share, Share)>::default();
        let (mut delay, mut start_error, mut end_error) = (Vec::new(), Vec::new(), Vec::new());
        let mut elsewhere: BTreeMap<(Label, &str), Share> = BTreeMap::new();
        let mut wrong = Vec::new();
        for one in judged {
            let Some(start) = one.clip.beep_start.map(ms) else {
                let subtype = if one.clip.label == Label::Other { one.clip.subtype.as_str() } else { "" };
                let imagined = !one.summary.beeps.is_empty();
                elsewhere.entry((one.clip.label, subtype)).or_default().count(imagined);
                wrong.extend(imagined.then(|| WrongBeep::of(one, "a beep where there is none")));
                continue;
            };
            let hit = the_beep(one);
            let early = one.summary.beeps.iter().any(|beep| ms(beep.start) < start - NEAR_MS);
            found.count(hit.is_some());
            false_before.count(early);
            wrong.extend(hit.is_none().then(|| WrongBeep::of(one, "missed")));
            wrong.extend(early.then(|| WrongBeep::of(one, "a beep before the beep")));
            let Some(beep) = hit else { continue };
            delay.push(ms(beep.reported_at) - start);
            start_error.push(ms(beep.start) - start);
            if let Some(end) = one.clip.beep_end.map(ms) {
                let error = ms(beep.end) - end;
                end_error.push(error);
                end_known.count(error.abs() <= END_MS);
            }
        }
        let told = |times: Vec<i64>| times.into_iter().collect::<Times>().distribution();
        let kind = |((label, subtype), calls): ((Label, &str), Share)| Elsewhere {
            on: if subtype.is_empty() { label.as_str() } else { subtype }.to_owned(),
            calls,
        };
        Beeps {
            found,
            false_before,
            delay: told(delay),
            start_error: told(start_error),
            end_error: told(end_error),
            end_known,
            elsewhere: elsewhere.into_iter().map(kind).collect(),
            wrong,
        }
    }
}

/// The report of the labelled beep: of those near its start, the nearest.
pub fn the_beep(one: &Judged) -> Option<&Beep> {
    let start = ms(one.clip.beep_start?);
    let distance = |beep: &&Beep| (ms(beep.start) - start).abs();
    one.summary.beeps.iter().filter(|beep| distance(beep) <= NEAR_MS).min_by_key(distance)
}

impl WrongBeep {
    fn of(one: &Judged, what: &'static str) -> Self {
        WrongBeep {
            file: one.clip.file.clone(),
            what,
            labelled_ms: one.clip.beep_start.map(ms),
            reported_ms: one.summary.beeps.iter().map(|beep| ms(beep.start)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::judged;
    use super::*;
    use crate::amd::verdict::Class;
    use std::time::Duration;

    /// A machine whose beep lies at `labelled`, and reported ones: start, report, end.
    fn machine(labelled: Option<(u64, u64)>, reported: &[(u64, u64, u64)]) -> Judged {
        let at = Duration::from_millis;
        let mut one = judged(Label::Machine, (Class::Machine, 2000), None);
        one.clip.beep_start = labelled.map(|(start, _)| at(start));
        one.clip.beep_end = labelled.map(|(_, end)| at(end));
        let beep = |(start, reported_at, end): &(u64, u64, u64)| Beep {
            start: at(*start),
            reported_at: at(*reported_at),
            end: at(*end),
            frequency_hz: 1000.0,
        };
        one.summary.beeps = reported.iter().map(beep).collect();
        one
    }

    #[test]
    fn beeps_are_found_missed_imagined_and_timed() {
        let mut busy = machine(None, &[(100, 180, 600)]);
        (busy.clip.label, busy.clip.subtype) = (Label::Other, "busy".into());
        let beeps = Beeps::of(&[
            machine(Some((3000, 3400)), &[(3010, 3090, 3390)]),
            machine(Some((3000, 3400)), &[(1000, 1080, 1200), (2900, 3070, 3450)]),
            machine(Some((3000, 3400)), &[(3151, 3230, 3400)]),
            machine(Some((3000, 3400)), &[]),
            machine(None, &[]),
            busy,
        ]);
        assert_eq!(beeps.found, Share { hits: 2, of: 4 });
        assert_eq!(beeps.false_before, Share { hits: 1, of: 4 });
        assert_eq!(
            (beeps.delay.min_ms, beeps.delay.median_ms, beeps.delay.max_ms),
            (Some(70), Some(80), Some(90))
        );
        assert_eq!((beeps.start_error.min_ms, beeps.start_error.max_ms), (Some(-100), Some(10)));
        assert_eq!((beeps.end_error.min_ms, beeps.end_error.max_ms), (Some(-10), Some(50)));
        assert_eq!(beeps.end_known, Share { hits: 1, of: 2 });
        let elsewhere: Vec<_> =
            beeps.elsewhere.iter().map(|e| (e.on.as_str(), e.calls.hits, e.calls.of)).collect();
        assert_eq!(elsewhere, [("machine", 0, 1), ("busy", 1, 1)]);
        let wrong: Vec<&str> = beeps.wrong.iter().map(|wrong| wrong.what).collect();
        assert_eq!(wrong, ["a beep before the beep", "missed", "missed", "a beep where there is none"]);
    }
}
