//! The figures that matter, counted over any set of clips: all of them, or those of one condition.

use super::distribution::Times;
use super::expectation::{Grade, denies_a_person, grade};
use super::judged::{Judged, ms};
use super::share::Share;
use crate::amd::verdict::Class;
use crate::corpus::manifest::Label;
use serde::Serialize;

/// Right and wrong of a set of clips.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tally {
    /// Persons whose first verdict says that no person is there.
    pub human_called_machine: Share,
    /// Persons whose first verdict was `human` and was revised.
    pub human_revised: Share,
    /// Either of the two: persons lost.
    pub human_lost: Share,
    /// Persons whose first verdict is `silence` or `unsure`, or who got none.
    pub human_undecided: Share,
    /// From the end of a person's speech to the verdict `human`, the median in milliseconds.
    pub human_after_speech_ms: Option<i64>,
    /// Machines whose first verdict is right.
    pub machine_found: Share,
    /// Machines whose last verdict is right.
    pub machine_found_finally: Share,
    /// Machines whose first verdict is `human`.
    pub machine_called_human: Share,
    /// Machines whose last verdict is `human`.
    pub machine_called_human_finally: Share,
    /// From the answer to the verdict `machine` of machines, the median in milliseconds.
    pub machine_decided_ms: Option<i64>,
    /// Neither person nor machine, and the last verdict is right.
    pub other_right: Share,
    /// Neither person nor machine, and a verdict, first or last, is `human`.
    pub other_called_human: Share,
}

impl Tally {
    /// Counts.
    pub fn of<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Tally {
        let mut tally = Tally::default();
        let (mut after_speech, mut decided) = (Vec::new(), Vec::new());
        for one in judged {
            match one.clip.label {
                Label::Human => {
                    tally.human(one);
                    after_speech.extend(human_after_speech(one));
                }
                Label::Machine => {
                    tally.machine(one);
                    decided.extend(machine_decided(one));
                }
                Label::Other => tally.other(one),
            }
        }
        tally.human_after_speech_ms = after_speech.into_iter().collect::<Times>().quantile(0.5);
        tally.machine_decided_ms = decided.into_iter().collect::<Times>().quantile(0.5);
        tally
    }

    fn human(&mut self, one: &Judged) {
        let called = one.first().is_some_and(denies_a_person);
        let revised = !called && one.last().is_some_and(denies_a_person);
        self.human_called_machine.count(called);
        self.human_revised.count(revised);
        self.human_lost.count(called || revised);
        self.human_undecided.count(grade(&one.clip, one.first()) == Grade::Undecided);
    }

    fn machine(&mut self, one: &Judged) {
        self.machine_found.count(grade(&one.clip, one.first()) == Grade::Right);
        self.machine_found_finally.count(grade(&one.clip, one.last()) == Grade::Right);
        self.machine_called_human.count(one.first() == Some(Class::Human));
        self.machine_called_human_finally.count(one.last() == Some(Class::Human));
    }

    fn other(&mut self, one: &Judged) {
        self.other_right.count(grade(&one.clip, one.last()) == Grade::Right);
        self.other_called_human.count(one.verdicts().any(|verdict| verdict.class == Class::Human));
    }
}

/// From the end of a person's speech to the first verdict, where that is `human`; negative if it came before.
pub fn human_after_speech(one: &Judged) -> Option<i64> {
    let verdict = one.summary.verdict.filter(|verdict| verdict.class == Class::Human)?;
    (one.clip.label == Label::Human).then_some(())?;
    Some(ms(verdict.at) - ms(one.clip.greeting_end?))
}

/// From the answer to the first verdict of a machine, where that is right.
pub fn machine_decided(one: &Judged) -> Option<i64> {
    let right = one.clip.label == Label::Machine && grade(&one.clip, one.first()) == Grade::Right;
    one.summary.verdict.filter(|_| right).map(|verdict| ms(verdict.at))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::amd::replay::Summary;
    use crate::amd::verdict::{Cause, Verdict};
    use crate::corpus::manifest::Clip;
    use std::time::Duration;

    /// A clip whose greeting lies at 0.5 to 1 s, a first verdict and perhaps a second one.
    pub fn judged(label: Label, first: (Class, u64), revised: Option<(Class, u64)>) -> Judged {
        let verdict = |(class, at): (Class, u64)| Verdict {
            class,
            cause: Cause::LongGreeting(Duration::from_millis(900)),
            at: Duration::from_millis(at),
        };
        let clip = Clip {
            greeting_start: Some(Duration::from_millis(500)),
            greeting_end: Some(Duration::from_millis(1000)),
            ..Clip::new("clip.wav", label)
        };
        let summary =
            Summary { verdict: Some(verdict(first)), revised: revised.map(verdict), ..Summary::default() };
        Judged { clip, summary }
    }

    #[test]
    fn persons_are_lost_by_the_first_verdict_or_by_a_revision() {
        let clips = [
            judged(Label::Human, (Class::Human, 1400), None),
            judged(Label::Human, (Class::Human, 1600), None),
            judged(Label::Human, (Class::Machine, 2000), None),
            judged(Label::Human, (Class::Ivr, 2000), None),
            judged(Label::Human, (Class::Human, 1500), Some((Class::Machine, 3000))),
            judged(Label::Human, (Class::Unsure, 5000), None),
        ];
        let tally = Tally::of(&clips);
        assert_eq!(tally.human_called_machine, Share { hits: 2, of: 6 });
        assert_eq!(tally.human_revised, Share { hits: 1, of: 6 });
        assert_eq!(tally.human_lost, Share { hits: 3, of: 6 });
        assert_eq!(tally.human_undecided, Share { hits: 1, of: 6 });
        // 400, 500 and 600 ms after the end of speech; the revised one's first verdict counts.
        assert_eq!(tally.human_after_speech_ms, Some(500));
        assert_eq!(tally.machine_found, Share::default());
    }

    #[test]
    fn machines_are_found_at_once_or_by_a_revision() {
        let clips = [
            judged(Label::Machine, (Class::Machine, 2000), None),
            judged(Label::Machine, (Class::Machine, 2200), None),
            judged(Label::Machine, (Class::Human, 1500), Some((Class::Machine, 3000))),
            judged(Label::Machine, (Class::Human, 1500), None),
            judged(Label::Machine, (Class::Silence, 4000), None),
        ];
        let tally = Tally::of(&clips);
        assert_eq!(tally.machine_found, Share { hits: 2, of: 5 });
        assert_eq!(tally.machine_found_finally, Share { hits: 3, of: 5 });
        assert_eq!(tally.machine_called_human, Share { hits: 2, of: 5 });
        assert_eq!(tally.machine_called_human_finally, Share { hits: 1, of: 5 });
        assert_eq!(tally.machine_decided_ms, Some(2100));
    }

    #[test]
    fn what_is_neither_must_never_be_called_human() {
        let clips = [
            judged(Label::Other, (Class::Music, 2000), None),
            judged(Label::Other, (Class::Human, 2000), Some((Class::Music, 3000))),
            judged(Label::Other, (Class::Human, 2000), None),
        ];
        let tally = Tally::of(&clips);
        assert_eq!(tally.other_right, Share { hits: 2, of: 3 });
        assert_eq!(tally.other_called_human, Share { hits: 2, of: 3 });
    }
}
