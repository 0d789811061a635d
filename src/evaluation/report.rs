//! Everything that an evaluation tells, as one structure; its JSON form is what `outdial evaluate --json` writes.

use super::beeps::Beeps;
use super::condition::{Condition, conditions};
use super::confusion::{Row, matrix};
use super::distribution::{Distribution, Times};
use super::expectation::{Grade, denies_a_person, grade};
use super::judged::{Judged, ms};
use super::share::Share;
use super::tally::{Tally, human_after_speech, machine_decided};
use super::tones::{ToneRow, tones, tones_in_speech};
use crate::amd::verdict::{Class, Verdict};
use crate::corpus::manifest::Label;
use serde::Serialize;

/// The whole.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Clips judged.
    pub clips: u64,
    /// The figures over all clips.
    pub figures: Tally,
    /// Labels against first verdicts.
    pub first_verdicts: Vec<Row>,
    /// Labels against the verdicts that stand in the end.
    pub last_verdicts: Vec<Row>,
    /// The figures by condition.
    pub conditions: Vec<Condition>,
    /// When decisions fell.
    pub times: TimesTold,
    /// Beeps.
    pub beeps: Beeps,
    /// Tones.
    pub tones: Vec<ToneRow>,
    /// Clips in which a tone was named though the label asks for none: the file and the names.
    pub tones_in_speech: Vec<(String, Vec<&'static str>)>,
    /// Each clip that was judged wrongly, not at all, or late; the worst first.
    pub wrong: Vec<Wrong>,
}

/// When decisions fell. All by first verdicts, and those of persons and machines by right ones only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TimesTold {
    /// Persons called human, from the answer.
    pub human_from_answer: Distribution,
    /// Persons called human, from the end of their speech.
    pub human_after_speech: Distribution,
    /// Machines called machine, from the answer.
    pub machine_from_answer: Distribution,
    /// Machines called machine, from the first sound of their greeting.
    pub machine_from_speech: Distribution,
    /// What is neither, rightly named, from the answer.
    pub other_from_answer: Distribution,
    /// Revisions, from the first verdict.
    pub revision_after_verdict: Distribution,
    /// The latest first verdict of all.
    pub latest_verdict_ms: Option<i64>,
    /// The deadline that was set.
    pub deadline_ms: i64,
    /// First verdicts after the deadline.
    pub after_deadline: Share,
}

/// One clip judged wrongly.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Wrong {
    /// The clip.
    pub file: String,
    /// Who answered.
    pub label: &'static str,
    /// What kind of it.
    pub subtype: String,
    /// In words.
    pub what: &'static str,
    /// The first verdict.
    pub first: Option<Said>,
    /// Its revision.
    pub revised: Option<Said>,
    /// Where the labelled greeting begins and ends.
    pub greeting_ms: Option<(i64, Option<i64>)>,
    #[serde(skip)]
    severity: u8,
}

/// A verdict as it is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Said {
    /// The class.
    pub verdict: &'static str,
    /// Why.
    pub cause: String,
    /// When, from the answer.
    pub at_ms: i64,
}

impl From<Verdict> for Said {
    fn from(verdict: Verdict) -> Self {
        Said { verdict: verdict.class.as_str(), cause: verdict.cause.to_string(), at_ms: ms(verdict.at) }
    }
}

impl Report {
    /// Counts. `deadline_ms` is the one that the judge was given.
    pub fn of(judged: &[Judged], deadline_ms: u32) -> Report {
        let mut wrong: Vec<Wrong> = judged.iter().filter_map(|one| Wrong::of(one, deadline_ms)).collect();
        wrong.sort_by(|a, b| (a.severity, &a.file).cmp(&(b.severity, &b.file)));
        Report {
            clips: judged.len() as u64,
            figures: Tally::of(judged),
            first_verdicts: matrix(judged, Judged::first),
            last_verdicts: matrix(judged, Judged::last),
            conditions: conditions(judged),
            times: TimesTold::of(judged, deadline_ms),
            beeps: Beeps::of(judged),
            tones: tones(judged),
            tones_in_speech: tones_in_speech(judged),
            wrong,
        }
    }
}

impl Report {
    /// The conditions of a dimension under which there is a person or a machine.
    pub fn of_people_and_machines(&self, dimension: &str) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(move |condition| {
            let figures = &condition.figures;
            condition.dimension == dimension && figures.human_called_machine.of + figures.machine_found.of > 0
        })
    }
}

impl TimesTold {
    fn of(judged: &[Judged], deadline_ms: u32) -> Self {
        let told = |value: &dyn Fn(&Judged) -> Option<i64>| {
            judged.iter().filter_map(value).collect::<Times>().distribution()
        };
        let mut after_deadline = Share::default();
        judged.iter().filter_map(decided).for_each(|at| after_deadline.count(at > i64::from(deadline_ms)));
        let right = |one: &&Judged| grade(&one.clip, one.first()) == Grade::Right;
        TimesTold {
            human_from_answer: told(&|one| {
                Some(one).filter(|one| one.clip.label == Label::Human).filter(right).and_then(decided)
            }),
            human_after_speech: told(&human_after_speech),
            machine_from_answer: told(&machine_decided),
            machine_from_speech: told(&|one| Some(machine_decided(one)? - ms(one.clip.greeting_start?))),
            other_from_answer: told(&|one| {
                Some(one).filter(|one| one.clip.label == Label::Other).filter(right).and_then(decided)
            }),
            revision_after_verdict: told(&|one| Some(ms(one.summary.revised?.at) - decided(one)?)),
            latest_verdict_ms: judged.iter().filter_map(decided).max(),
            deadline_ms: deadline_ms.into(),
            after_deadline,
        }
    }
}

fn decided(one: &Judged) -> Option<i64> {
    one.summary.verdict.map(|verdict| ms(verdict.at))
}

impl Wrong {
    /// `None` for a clip that was judged rightly and in time.
    pub fn of(one: &Judged, deadline_ms: u32) -> Option<Wrong> {
        let (severity, what) = fault(one, deadline_ms)?;
        let clip = &one.clip;
        Some(Wrong {
            file: clip.file.clone(),
            label: clip.label.as_str(),
            subtype: clip.subtype.clone(),
            what,
            first: one.summary.verdict.map(Said::from),
            revised: one.summary.revised.map(Said::from),
            greeting_ms: clip.greeting_start.map(|start| (ms(start), clip.greeting_end.map(ms))),
            severity,
        })
    }
}

/// What is wrong with the verdicts on a clip, and how bad that is: 0 the worst.
fn fault(one: &Judged, deadline_ms: u32) -> Option<(u8, &'static str)> {
    let first = grade(&one.clip, one.first());
    let last = grade(&one.clip, one.last());
    let human = |class: Option<Class>| class == Some(Class::Human);
    let fault = match one.clip.label {
        Label::Human if one.first().is_some_and(denies_a_person) => (0, "a person called a machine"),
        Label::Human if one.last().is_some_and(denies_a_person) => (1, "a person revised to a machine"),
        Label::Human if first == Grade::Undecided => (5, "a person not recognised"),
        Label::Human => (9, ""),
        _ if human(one.last()) => (2, "called human"),
        _ if human(one.first()) => (4, "called human at first"),
        _ if last == Grade::Wrong => (3, "called something else"),
        _ if last == Grade::Undecided => (6, "not recognised"),
        _ if last == Grade::Near => (8, "called a machine, kind not told"),
        _ => (9, ""),
    };
    if fault.0 < 9 {
        return Some(fault);
    }
    decided(one).is_some_and(|at| at > i64::from(deadline_ms)).then_some((7, "judged after the deadline"))
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::judged;
    use super::*;

    #[test]
    fn times_are_of_right_first_verdicts() {
        let clips = [
            judged(Label::Human, (Class::Human, 1400), None),
            judged(Label::Human, (Class::Human, 1700), Some((Class::Machine, 3200))),
            judged(Label::Human, (Class::Machine, 2500), None),
            judged(Label::Machine, (Class::Machine, 2100), None),
            judged(Label::Machine, (Class::Human, 1500), Some((Class::Machine, 3500))),
            judged(Label::Machine, (Class::Unsure, 5020), None),
        ];
        let times = Report::of(&clips, 5000).times;
        assert_eq!(
            (times.human_from_answer.min_ms, times.human_from_answer.max_ms),
            (Some(1400), Some(1700))
        );
        assert_eq!(
            (times.human_after_speech.min_ms, times.human_after_speech.max_ms),
            (Some(400), Some(700))
        );
        assert_eq!((times.machine_from_answer.count, times.machine_from_answer.median_ms), (1, Some(2100)));
        assert_eq!(times.machine_from_speech.median_ms, Some(1600));
        assert_eq!(times.revision_after_verdict.median_ms, Some(1750));
        assert_eq!((times.latest_verdict_ms, times.after_deadline), (Some(5020), Share { hits: 1, of: 6 }));
    }

    #[test]
    fn wrong_decisions_are_listed_the_worst_first() {
        let mut late = judged(Label::Human, (Class::Human, 5001), None);
        late.clip.file = "late.wav".into();
        let clips = [
            late,
            judged(Label::Human, (Class::Human, 1400), None),
            judged(Label::Human, (Class::Unsure, 5000), None),
            judged(Label::Machine, (Class::Human, 1500), Some((Class::Machine, 3500))),
            judged(Label::Machine, (Class::Human, 1500), None),
            judged(Label::Human, (Class::Human, 1400), Some((Class::Machine, 3200))),
            judged(Label::Human, (Class::Ivr, 2500), None),
        ];
        let report = Report::of(&clips, 5000);
        let what: Vec<&str> = report.wrong.iter().map(|wrong| wrong.what).collect();
        let want = [
            "a person called a machine",
            "a person revised to a machine",
            "called human",
            "called human at first",
            "a person not recognised",
            "judged after the deadline",
        ];
        assert_eq!(what, want);
        let first = report.wrong[0].first.as_ref().unwrap();
        assert_eq!((first.verdict, first.cause.as_str(), first.at_ms), ("ivr", "long greeting 900 ms", 2500));
        assert_eq!(report.wrong[0].greeting_ms, Some((500, Some(1000))));
    }
}
