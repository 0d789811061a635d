//! Habits of carriers, as faults that can be asked for: one of them a call.

use crate::rng::Rng;
use std::time::Duration;

/// What goes wrong, or unusually, with one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// 503 with Retry-After.
    Unavailable {
        /// The value of Retry-After.
        retry_after: Duration,
    },
    /// 302 to the same number again.
    Redirect,
    /// No response to the INVITE at all.
    Silence,
    /// Two 2xx with different tags: two phones answered.
    ForkedAnswer,
    /// The 2xx comes again three times although it was acknowledged.
    RepeatedAnswer,
    /// A CANCEL is answered, but so is the INVITE, with 200.
    AnswerCrossesCancel,
    /// The caller's BYE meets one of ours.
    ByeCrossesBye,
    /// The caller's BYE is answered only when it has come this many times more.
    LostByeAnswer {
        /// Copies that get no answer.
        copies: u32,
    },
    /// Two seconds after the ACK a re-INVITE puts the caller on hold, and a second later another one takes it back.
    Hold,
}

impl Fault {
    /// One of each kind.
    pub const ALL: [Fault; 9] = [
        Fault::Unavailable { retry_after: Duration::from_secs(5) },
        Fault::Redirect,
        Fault::Silence,
        Fault::ForkedAnswer,
        Fault::RepeatedAnswer,
        Fault::AnswerCrossesCancel,
        Fault::ByeCrossesBye,
        Fault::LostByeAnswer { copies: 2 },
        Fault::Hold,
    ];

    /// Its name, for the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Fault::Unavailable { .. } => "503 with Retry-After",
            Fault::Redirect => "redirect",
            Fault::Silence => "silence",
            Fault::ForkedAnswer => "forked answer",
            Fault::RepeatedAnswer => "repeated 2xx",
            Fault::AnswerCrossesCancel => "200 crossing CANCEL",
            Fault::ByeCrossesBye => "BYE crossing BYE",
            Fault::LostByeAnswer { .. } => "lost BYE answers",
            Fault::Hold => "hold and resume",
        }
    }
}

/// How often each fault comes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Habits {
    /// Faults with their probabilities, which must not add up to more than 1.
    pub shares: Vec<(Fault, f64)>,
}

impl Habits {
    /// No fault ever.
    pub fn good() -> Habits {
        Habits::default()
    }

    /// Every fault equally often, some fault in `share` of the calls.
    pub fn bad(share: f64) -> Habits {
        Habits { shares: Fault::ALL.iter().map(|fault| (*fault, share / Fault::ALL.len() as f64)).collect() }
    }

    /// The fault of the next call.
    pub fn draw(&self, rng: &mut Rng) -> Option<Fault> {
        let mut point = rng.unit();
        for (fault, share) in &self.shares {
            if point < *share {
                return Some(*fault);
            }
            point -= share;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_asked_for() {
        let mut rng = Rng::from_seed(1);
        let habits = Habits::bad(0.45);
        let drawn: Vec<_> = (0..10_000).filter_map(|_| habits.draw(&mut rng)).collect();
        for fault in Fault::ALL {
            let count = drawn.iter().filter(|other| **other == fault).count();
            assert!((400..600).contains(&count), "{}: {count}", fault.word());
        }
        assert_eq!(Habits::good().draw(&mut rng), None);
    }
}
