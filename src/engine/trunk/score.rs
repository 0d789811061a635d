//! How well a trunk carries calls: answer-seizure ratio, and how many of its answers look false.
//!
//! False answer supervision: a trunk, or somebody behind it, answers in the callee's place and charges for it. Three
//! things betray it: an answer sooner than a telephone can ring, ring-back that goes on after the answer, and an answer
//! behind which nothing is ever heard. Each is harmless once; a trunk that does it often is not.

use crate::disposition::Disposition;
use crate::record::CallRecord;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// The figures are those of so many calls, the last ones.
const CALLS_MAX: usize = 200;

/// An answer sooner than this after the INVITE is not a telephone's.
pub const FAST_ANSWER: Duration = Duration::from_millis(500);

/// Fewer answers say nothing.
const ANSWERS_MIN: usize = 20;

/// From this score on a trunk is suspected, below the other one no longer.
const SUSPECTED_FROM: f64 = 0.25;
const CLEARED_BELOW: f64 = 0.15;

#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Call {
    answered: bool,
    fast: bool,
    ring_back: bool,
    dead_air: bool,
}

impl Call {
    /// How sure it is that the answer was false: looping ring-back leaves no doubt, the others some.
    fn suspicion(self) -> f64 {
        let half = |so: bool| if so { 0.5 } else { 0.0 };
        let all = half(self.fast) + half(self.dead_air) + if self.ring_back { 1.0 } else { 0.0 };
        f64::min(all, 1.0)
    }
}

/// The figures, as the operator is told.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Quality {
    /// Of so many calls, the last ones.
    pub calls: usize,
    /// So many were answered.
    pub answers: usize,
    /// Answers per call; none without a call.
    pub answer_seizure_ratio: Option<f64>,
    /// Answers within half a second of the INVITE.
    pub fast_answers: usize,
    /// Answers with ring-back behind them.
    pub ring_back_answers: usize,
    /// Answers with nothing behind them.
    pub dead_air_answers: usize,
    /// 0 when all answers look true, 1 when all look false; none without an answer.
    pub false_answer_score: Option<f64>,
}

/// What has become of a trunk's reputation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It is suspected from now on.
    Suspected,
    /// No longer.
    Cleared,
}

/// The calls of one trunk that its figures are made of.
#[derive(Clone, Debug, Default)]
pub struct Score {
    calls: VecDeque<Call>,
    suspected: bool,
}

impl Score {
    /// A call came to nothing on this trunk.
    pub fn handle_failed(&mut self) {
        self.push(Call::default());
    }

    /// A call that this trunk carried last is over. `answered_after` is the time from its INVITE to the answer.
    pub fn handle_record(&mut self, record: &CallRecord, answered_after: Option<Duration>) -> Option<Turn> {
        if record.answered_at.is_none() {
            // Whoever is hung up on by us before an answer says nothing about the trunk.
            if !matches!(record.disposition, Disposition::Canceled | Disposition::Interrupted) {
                self.handle_failed();
            }
            return None;
        }
        self.push(Call {
            answered: true,
            fast: answered_after.is_some_and(|after| after < FAST_ANSWER),
            ring_back: record.disposition == Disposition::Tone && record.verdict_cause == "ring_back",
            dead_air: matches!(record.disposition, Disposition::Silence | Disposition::NoMedia),
        });
        self.turn()
    }

    /// The figures.
    pub fn quality(&self) -> Quality {
        let count = |so: fn(&Call) -> bool| self.calls.iter().filter(|call| so(call)).count();
        let (calls, answers) = (self.calls.len(), count(|call| call.answered));
        let suspicion: f64 = self.calls.iter().map(|call| call.suspicion()).sum();
        Quality {
            calls,
            answers,
            answer_seizure_ratio: (calls > 0).then(|| answers as f64 / calls as f64),
            fast_answers: count(|call| call.fast),
            ring_back_answers: count(|call| call.ring_back),
            dead_air_answers: count(|call| call.dead_air),
            false_answer_score: (answers > 0).then(|| suspicion / answers as f64),
        }
    }

    /// Whether the trunk is suspected of false answers.
    pub fn is_suspected(&self) -> bool {
        self.suspected
    }

    fn push(&mut self, call: Call) {
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    fn turn(&mut self) -> Option<Turn> {
        let quality = self.quality();
        let score = quality.false_answer_score.unwrap_or(0.0);
        let suspected = match self.suspected {
            false => quality.answers >= ANSWERS_MIN && score >= SUSPECTED_FROM,
            true => score >= CLEARED_BELOW,
        };
        let turned = std::mem::replace(&mut self.suspected, suspected) != suspected;
        turned.then_some(if suspected { Turn::Suspected } else { Turn::Cleared })
    }
}

impl Quality {
    /// The evidence of false answers in a few words.
    pub fn evidence(&self) -> String {
        format!(
            "of {} answers {} came within 0.5 s, {} had ring-back behind them and {} nothing",
            self.answers, self.fast_answers, self.ring_back_answers, self.dead_air_answers
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{AttemptId, ContactId, InviteRecord};
    use crate::time::WallTime;

    fn record(disposition: Disposition, answered: bool, cause: &str) -> CallRecord {
        let invite = InviteRecord {
            attempt: AttemptId(1),
            contact: ContactId(1),
            campaign: "spring".into(),
            number: crate::number::E164::from_e164("+12025550101").expect("a number"),
            caller_id: String::new(),
            trunk: "carrier".into(),
            call_id: String::new(),
            dialog: String::new(),
            at: WallTime::from_unix_ms(0),
        };
        let blank = crate::call::attempt::ending::interrupted(&invite, &invite, WallTime::from_unix_ms(0));
        let answered_at = answered.then(|| WallTime::from_unix_ms(0));
        CallRecord { disposition, answered_at, verdict_cause: cause.into(), ..blank }
    }

    const LATER: Option<Duration> = Some(Duration::from_secs(4));

    #[test]
    fn the_answer_seizure_ratio_counts_what_the_trunk_had_to_carry() {
        let mut score = Score::default();
        assert_eq!(score.quality().answer_seizure_ratio, None);
        score.handle_record(&record(Disposition::Bridged, true, ""), LATER);
        score.handle_record(&record(Disposition::Busy, false, ""), None);
        score.handle_record(&record(Disposition::Canceled, false, ""), None);
        score.handle_failed();
        let quality = score.quality();
        assert_eq!((quality.calls, quality.answers), (3, 1));
        assert!((quality.answer_seizure_ratio.unwrap() - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_trunk_that_answers_falsely_is_suspected_and_cleared_when_it_has_stopped() {
        let mut score = Score::default();
        for n in 0..19 {
            assert_eq!(
                score.handle_record(&record(Disposition::Tone, true, "ring_back"), LATER),
                None,
                "{n}"
            );
        }
        let turn = score.handle_record(&record(Disposition::Bridged, true, ""), LATER);
        assert_eq!(turn, Some(Turn::Suspected), "{}", score.quality().evidence());
        let turns: Vec<Turn> = (0..300)
            .filter_map(|_| score.handle_record(&record(Disposition::Bridged, true, ""), LATER))
            .collect();
        assert_eq!(turns, [Turn::Cleared]);
        assert_eq!(score.quality().calls, CALLS_MAX, "only the last calls count");
    }

    #[test]
    fn a_fast_answer_and_dead_air_are_half_a_suspicion_each_and_a_busy_tone_none() {
        for (disposition, cause, after, expected) in [
            (Disposition::Bridged, "", 100, 0.5),
            (Disposition::Silence, "", 4_000, 0.5),
            (Disposition::NoMedia, "", 100, 1.0),
            (Disposition::Tone, "ring_back", 4_000, 1.0),
            (Disposition::Tone, "busy", 4_000, 0.0),
            (Disposition::Machine, "", 4_000, 0.0),
        ] {
            let mut score = Score::default();
            score.handle_record(&record(disposition, true, cause), Some(Duration::from_millis(after)));
            assert_eq!(score.quality().false_answer_score, Some(expected), "{disposition} {cause} {after}");
        }
    }
}
