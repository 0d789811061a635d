//! Live measures of detection: how often and how soon each verdict came, what was turned over, what beeps cost.
//!
//! A histogram is a fixed row of counters, so that a call costs no memory. Everything counts from the engine's start.

use crate::amd::verdict::Class;
use crate::call::step::Step;
use crate::record::CallRecord;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Upper bounds of the counters in milliseconds; what is above the last falls into one more. A limit that matters to
/// somebody is a bound: 500 ms after the greeting, two seconds until an agent is there, a deadline of five.
pub const BOUNDS_MS: [u32; 19] = [
    50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 1_000, 1_250, 1_500, 1_750, 2_000, 2_500, 3_000, 4_000,
    5_000,
];

/// Every verdict that there is.
const CLASSES: [Class; 9] = [
    Class::Human,
    Class::Machine,
    Class::Fax,
    Class::Tone,
    Class::Screening,
    Class::Ivr,
    Class::Music,
    Class::Silence,
    Class::Unsure,
];

/// How long something took, in counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS_MS.len() + 1],
    sum_ms: u64,
    max_ms: u64,
}

impl Histogram {
    /// It took so long once more.
    pub fn record(&mut self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let place = BOUNDS_MS.partition_point(|bound| u64::from(*bound) < ms);
        self.counts[place] += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.max_ms = self.max_ms.max(ms);
    }

    /// How often it happened.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time within which this share of all was done, estimated within its counter.
    fn quantile_ms(&self, share: f64) -> Option<u64> {
        let wanted = self.count() as f64 * share;
        let mut below = 0.0;
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let reached = below + *count as f64;
            if reached >= wanted {
                let low = if place == 0 { 0.0 } else { f64::from(BOUNDS_MS[place - 1]) };
                let high = BOUNDS_MS.get(place).map_or(self.max_ms as f64, |bound| f64::from(*bound));
                let high = high.min(self.max_ms as f64);
                let ms = low + (high - low).max(0.0) * (wanted - below) / *count as f64;
                return Some(ms.round() as u64);
            }
            below = reached;
        }
        None
    }

    /// As the operator is told.
    pub fn status(&self) -> Times {
        let count = self.count();
        Times {
            count,
            mean_ms: self.sum_ms.checked_div(count),
            median_ms: self.quantile_ms(0.5),
            p95_ms: self.quantile_ms(0.95),
            max_ms: (count > 0).then_some(self.max_ms),
            counts: self.counts.to_vec(),
        }
    }
}

/// How long something took, for people and programs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Times {
    /// How often it happened.
    pub count: u64,
    /// The mean.
    pub mean_ms: Option<u64>,
    /// Half took no longer, estimated from the counters.
    pub median_ms: Option<u64>,
    /// Nineteen of twenty took no longer, estimated likewise.
    pub p95_ms: Option<u64>,
    /// The longest.
    pub max_ms: Option<u64>,
    /// How many took up to each bound of [`Detection::bounds_ms`] but longer than the one before; the last is beyond all.
    pub counts: Vec<u64>,
}

/// The measures of one engine.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    decided: [Histogram; CLASSES.len()],
    after_greeting: [Histogram; CLASSES.len()],
    /// From the first verdict's row to the revised one's column.
    revised: [[u64; CLASSES.len()]; CLASSES.len()],
    beep_reported: Histogram,
    drop_after_beep: Histogram,
    agent_after_greeting: Histogram,
}

impl Measures {
    /// Something happened to an attempt whose first verdict, if there was one, is this word.
    pub fn handle_step(&mut self, step: &Step, first: &str) {
        match step {
            Step::Judged(verdict) => self.decided[place_of(verdict.class)].record(verdict.at),
            Step::Revised(verdict) => {
                if let Some(from) = CLASSES.iter().position(|class| class.as_str() == first) {
                    self.revised[from][place_of(verdict.class)] += 1;
                }
            }
            Step::Beep { reported_after, .. } => self.beep_reported.record(*reported_after),
            _ => {}
        }
    }

    /// An attempt is over: what only its whole record tells.
    pub fn handle_record(&mut self, record: &CallRecord) {
        let verdict = CLASSES.iter().position(|class| class.as_str() == record.verdict);
        if let (Some(place), Some(took)) = (verdict, between(record.greeting_end_at, record.verdict_at)) {
            self.after_greeting[place].record(took);
        }
        if let Some(took) = between(record.beep_at, record.drop_started_at) {
            self.drop_after_beep.record(took);
        }
        if let Some(took) = between(record.greeting_end_at, record.bridged_at) {
            self.agent_after_greeting.record(took);
        }
    }

    /// As the operator is told.
    pub fn status(&self) -> Detection {
        let verdicts = CLASSES.iter().enumerate().filter(|(place, _)| self.decided[*place].count() > 0);
        let revision = |from: usize, to: usize| Revision {
            from: CLASSES[from].as_str().to_owned(),
            to: CLASSES[to].as_str().to_owned(),
            count: self.revised[from][to],
        };
        let pairs = (0..CLASSES.len()).flat_map(|from| (0..CLASSES.len()).map(move |to| (from, to)));
        Detection {
            bounds_ms: BOUNDS_MS.to_vec(),
            verdicts: verdicts
                .map(|(place, class)| Verdicts {
                    verdict: class.as_str().to_owned(),
                    after_answer: self.decided[place].status(),
                    after_greeting: self.after_greeting[place].status(),
                })
                .collect(),
            revisions: pairs.map(|(from, to)| revision(from, to)).filter(|r| r.count > 0).collect(),
            beep_reported: self.beep_reported.status(),
            drop_after_beep: self.drop_after_beep.status(),
            agent_after_greeting: self.agent_after_greeting.status(),
        }
    }
}

/// What the operator is told about detection, since the engine's start.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Detection {
    /// The upper bounds of all counters, in milliseconds.
    pub bounds_ms: Vec<u32>,
    /// First verdicts; those that never came are left out.
    pub verdicts: Vec<Verdicts>,
    /// Verdicts that were turned over.
    pub revisions: Vec<Revision>,
    /// From the start of each beep to its first report.
    pub beep_reported: Times,
    /// From the end of a beep to the start of the message after it.
    pub drop_after_beep: Times,
    /// From the end of a person's greeting to the agent on the line, of which the law says two seconds
    /// (47 CFR 64.1200(a)(7)).
    pub agent_after_greeting: Times,
}

/// One kind of first verdict.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Verdicts {
    /// Its word.
    pub verdict: String,
    /// From the answer.
    pub after_answer: Times,
    /// From the end of the greeting, where the verdict came after it; of calls that have ended.
    pub after_greeting: Times,
}

/// One kind of revision.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Revision {
    /// The first verdict.
    pub from: String,
    /// What it became.
    pub to: String,
    /// How often.
    pub count: u64,
}

fn place_of(class: Class) -> usize {
    CLASSES.iter().position(|known| *known == class).expect("every class is in the list")
}

fn between(from: Option<WallTime>, to: Option<WallTime>) -> Option<Duration> {
    let ms = to?.unix_ms().checked_sub(from?.unix_ms())?;
    u64::try_from(ms).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::verdict::{Cause, Verdict};

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn of(times: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        times.into_iter().for_each(|time| histogram.record(ms(time)));
        histogram
    }

    #[test]
    fn a_bound_belongs_to_the_counter_below_it() {
        let times = of([0, 50, 51, 2_000, 2_001, 5_001, 70_000]).status();
        let counted: Vec<(usize, u64)> =
            times.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0, 2), (1, 1), (14, 1), (15, 1), (19, 2)]);
        assert_eq!((times.count, times.max_ms), (7, Some(70_000)));
    }

    #[test]
    fn quantiles_lie_within_a_counter_of_the_truth() {
        let times = of(1..=1_000).status();
        assert!(times.median_ms.unwrap().abs_diff(500) < 10, "{times:?}");
        assert!(times.p95_ms.unwrap().abs_diff(950) < 10, "{times:?}");
        assert_eq!(times.mean_ms, Some(500));
        let alone = of([1_610]).status();
        assert_eq!(alone.max_ms, Some(1_610));
        assert!(alone.median_ms.unwrap() <= 1_610);
        assert_eq!(Histogram::default().status().median_ms, None);
        // Far beyond the last bound, and the sum of all is more than a counter holds.
        assert_eq!(of([u64::MAX, u64::MAX]).status().count, 2);
    }

    #[test]
    fn every_class_has_its_place() {
        let mut measures = Measures::default();
        for class in CLASSES {
            let verdict = Verdict { class, cause: Cause::Beep, at: ms(1_000) };
            measures.handle_step(&Step::Judged(verdict), "");
        }
        let status = measures.status();
        let words: Vec<&str> = status.verdicts.iter().map(|verdicts| verdicts.verdict.as_str()).collect();
        assert_eq!(words, CLASSES.map(Class::as_str));
    }

    #[test]
    fn steps_and_records_are_measured() {
        let mut measures = Measures::default();
        let verdict = |class, at| Verdict { class, cause: Cause::Beep, at: ms(at) };
        measures.handle_step(&Step::Judged(verdict(Class::Human, 1_200)), "human");
        measures.handle_step(&Step::Revised(verdict(Class::Machine, 3_000)), "human");
        measures.handle_step(&Step::Beep { frequency_hz: 1_000.0, reported_after: ms(90) }, "human");
        measures.handle_step(&Step::Answered, "");
        let status = measures.status();
        assert_eq!(status.verdicts.len(), 1);
        assert_eq!(status.verdicts[0].after_answer.count, 1);
        assert_eq!(status.revisions, [Revision { from: "human".into(), to: "machine".into(), count: 1 }]);
        assert_eq!(status.beep_reported.max_ms, Some(90));
    }
}
