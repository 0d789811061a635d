//! The carrier's directory: which callee stands behind which number, by a table or by a seeded mix.

use crate::rng::Rng;
use crate::sim::callee::Callee;
use crate::sim::carrier::Fault;
use crate::sim::ledger::digits;
use std::collections::BTreeMap;
use std::time::Duration;

/// One number's line.
#[derive(Clone, PartialEq, Debug)]
pub struct Subscriber {
    /// Who answers.
    pub callee: Callee,
    /// How long it rings before that.
    pub ring: Duration,
    /// A fault of this number alone, in place of one of the carrier's habits.
    pub fault: Option<Fault>,
}

/// Callees for numbers that are in no table: which one is decided by seed and number, so that a number that is dialed
/// again is the same one.
#[derive(Clone, PartialEq, Debug)]
pub struct Mix {
    /// The seed.
    pub seed: u64,
    /// Subscribers with their weights.
    pub weights: Vec<(u32, Subscriber)>,
}

/// The directory.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Subscribers {
    table: BTreeMap<String, Subscriber>,
    mix: Option<Mix>,
}

impl Subscribers {
    /// Nobody but those of the mix.
    pub fn new(mix: Option<Mix>) -> Subscribers {
        Subscribers { table: BTreeMap::new(), mix }
    }

    /// Gives a number to a subscriber. Spellings do not matter, only digits do.
    pub fn insert(&mut self, number: &str, subscriber: Subscriber) {
        self.table.insert(digits(number), subscriber);
    }

    /// Who has this number.
    pub fn get(&self, number: &str) -> Option<&Subscriber> {
        let number = digits(number);
        self.table.get(&number).or_else(|| self.mix.as_ref()?.pick(&number))
    }
}

impl Mix {
    fn pick(&self, number: &str) -> Option<&Subscriber> {
        // FNV-1a turns the number into a seed of its own.
        let hash = number.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let total: u64 = self.weights.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut point = Rng::from_seed(self.seed ^ hash).below(total);
        self.weights.iter().find_map(|(weight, subscriber)| {
            let weight = u64::from(*weight);
            if point < weight {
                return Some(subscriber);
            }
            point -= weight;
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_any_spelling() {
        let mut subscribers = Subscribers::new(None);
        subscribers.insert("+12025550101", subscriber(Callee::Busy));
        assert!(subscribers.get("1-202-555-0101").is_some());
        assert!(subscribers.get("+12025550102").is_none());
    }

    #[test]
    fn the_mix_keeps_its_shares_and_gives_one_number_one_callee() {
        let weights = vec![(3, subscriber(Callee::Busy)), (1, subscriber(Callee::Silent))];
        let subscribers = Subscribers::new(Some(Mix { seed: 5, weights }));
        let busy = |n: u32| subscribers.get(&format!("+1202{n:07}")).unwrap().callee == Callee::Busy;
        let count = (0..4000).filter(|n| busy(*n)).count();
        assert!((2850..3150).contains(&count), "{count}");
        assert!((0..100).all(|n| busy(n) == busy(n)));
    }

    fn subscriber(callee: Callee) -> Subscriber {
        Subscriber { callee, ring: Duration::from_secs(1), fault: None }
    }
}
