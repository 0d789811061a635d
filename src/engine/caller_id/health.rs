//! How a caller id fares: how many of its calls are answered, and how many of those are ended at once.
//!
//! A number is held against the others of its pool by a control chart for shares (p chart, Shewhart): with the pool's share p
//! and n calls of its own, a share beyond `p ± 3 sqrt(p (1 - p) / n)` is no accident. What the pool as a whole suffers
//! (a bad list, a bad hour) moves p, not one number.

use std::collections::VecDeque;

/// The last calls that count.
pub const CALLS_MAX: usize = 300;

/// Fewer calls say nothing.
pub const CALLS_MIN: u32 = 50;

/// Fewer answers say nothing about how they end.
pub const ANSWERS_MIN: u32 = 30;

/// Control limits are so many standard deviations away.
const SIGMAS: f64 = 3.0;

/// How one call ended, as far as the caller id may be the cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nobody answered, or refused.
    Unanswered,
    /// Somebody or something answered.
    Answered,
    /// The callee answered and ended it at once.
    Short,
}

/// Calls, answers and short calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Calls.
    pub calls: u32,
    /// Of them answered.
    pub answers: u32,
    /// Of those ended at once.
    pub short: u32,
}

impl Sums {
    /// The share of calls that are answered; none without calls.
    pub fn answer_share(self) -> Option<f64> {
        share(self.answers, self.calls)
    }

    /// The share of answered calls that are ended at once; none without answers.
    pub fn short_share(self) -> Option<f64> {
        share(self.short, self.answers)
    }

    /// With another number's.
    pub fn plus(self, other: Sums) -> Sums {
        Sums {
            calls: self.calls + other.calls,
            answers: self.answers + other.answers,
            short: self.short + other.short,
        }
    }
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// What the chart says of a number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Finding {
    /// Fewer of its calls are answered than chance allows.
    FewAnswers {
        /// Its share.
        share: f64,
        /// The lower control limit.
        limit: f64,
        /// Its calls.
        calls: u32,
    },
    /// More of its answered calls are ended at once than chance allows.
    ManyShort {
        /// Its share.
        share: f64,
        /// The upper control limit.
        limit: f64,
        /// Its answers.
        answers: u32,
    },
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Finding::FewAnswers { share, limit, calls } => write!(
                f,
                "{:.1} % of its last {calls} calls were answered, below the pool's control limit of {:.1} %",
                100.0 * share,
                100.0 * limit
            ),
            Finding::ManyShort { share, limit, answers } => write!(
                f,
                "{:.1} % of its last {answers} answered calls were ended at once, above the pool's control limit of {:.1} %",
                100.0 * share,
                100.0 * limit
            ),
        }
    }
}

/// The last calls of one number.
#[derive(Clone, Debug, Default)]
pub struct Health {
    // Bounded by CALLS_MAX.
    calls: VecDeque<Fate>,
    sums: Sums,
}

impl Health {
    /// A call is over.
    pub fn handle_call(&mut self, fate: Fate) {
        if self.calls.len() == CALLS_MAX
            && let Some(oldest) = self.calls.pop_front()
        {
            self.sums.calls -= 1;
            self.sums.answers -= u32::from(oldest != Fate::Unanswered);
            self.sums.short -= u32::from(oldest == Fate::Short);
        }
        self.calls.push_back(fate);
        self.sums.calls += 1;
        self.sums.answers += u32::from(fate != Fate::Unanswered);
        self.sums.short += u32::from(fate == Fate::Short);
    }

    /// After a rest it is judged anew.
    pub fn clear(&mut self) {
        *self = Health::default();
    }

    /// Its sums.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Holds it against the others of its pool; nothing when it fares as they do, or there is too little to say.
    pub fn judge(&self, others: Sums) -> Option<Finding> {
        let (own, all) = (self.sums, self.sums.plus(others));
        if others.calls < CALLS_MIN || own.calls < CALLS_MIN {
            return None;
        }
        let (answered, expected) = (own.answer_share()?, all.answer_share()?);
        let limit = expected - SIGMAS * deviation(expected, own.calls);
        if answered < limit {
            return Some(Finding::FewAnswers { share: answered, limit, calls: own.calls });
        }
        if own.answers < ANSWERS_MIN {
            return None;
        }
        let (short, expected) = (own.short_share()?, all.short_share()?);
        let limit = expected + SIGMAS * deviation(expected, own.answers);
        (short > limit).then_some(Finding::ManyShort { share: short, limit, answers: own.answers })
    }
}

/// The standard deviation of a share over `n` calls.
fn deviation(share: f64, n: u32) -> f64 {
    (share * (1.0 - share) / f64::from(n)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn of(unanswered: u32, answered: u32, short: u32) -> Health {
        let mut health = Health::default();
        (0..unanswered).for_each(|_| health.handle_call(Fate::Unanswered));
        (0..answered).for_each(|_| health.handle_call(Fate::Answered));
        (0..short).for_each(|_| health.handle_call(Fate::Short));
        health
    }

    #[test]
    fn a_number_that_is_answered_less_than_chance_allows_is_found() {
        let others = of(70, 30, 0).sums();
        // Together 35 of 200 were answered: for 100 calls the limit lies at 6.1 %.
        assert_eq!(of(80, 20, 0).judge(others), None);
        let found = of(95, 5, 0).judge(others).expect("5 of 100 is no accident");
        let Finding::FewAnswers { share, limit, calls } = found else { panic!("{found:?}") };
        assert_eq!((share, calls), (0.05, 100));
        assert!((0.060..0.062).contains(&limit), "{limit}");
        assert!(found.to_string().contains("5.0 % of its last 100 calls were answered"), "{found}");
    }

    #[test]
    fn a_number_whose_calls_are_ended_at_once_is_found() {
        let others = of(50, 95, 5).sums();
        assert_eq!(of(50, 92, 8).judge(others), None);
        let found = of(50, 60, 40).judge(others);
        assert!(matches!(found, Some(Finding::ManyShort { answers: 100, .. })), "{found:?}");
    }

    #[test]
    fn too_few_calls_say_nothing() {
        let others = of(50, 50, 0).sums();
        assert_eq!(of(49, 0, 0).judge(others), None);
        assert_eq!(of(200, 0, 0).judge(of(10, 10, 0).sums()), None, "a number alone is held against nobody");
    }

    #[test]
    fn chance_alone_rests_hardly_anybody() {
        let mut rng = Rng::from_seed(5);
        let mut found = 0;
        for _ in 0..500 {
            let mut draw = |calls: u32| {
                let mut health = Health::default();
                (0..calls).for_each(|_| {
                    let fate = if rng.chance(0.25) { Fate::Answered } else { Fate::Unanswered };
                    health.handle_call(fate);
                });
                health
            };
            let (own, others) = (draw(200), draw(300));
            found += u32::from(own.judge(others.sums()).is_some());
        }
        assert!(found <= 3, "{found} of 500");
    }

    #[test]
    fn only_the_last_calls_count() {
        let mut health = of(CALLS_MAX as u32, 0, 0);
        (0..CALLS_MAX).for_each(|_| health.handle_call(Fate::Short));
        let all = CALLS_MAX as u32;
        assert_eq!(health.sums(), Sums { calls: all, answers: all, short: all });
    }
}
