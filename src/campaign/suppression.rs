//! The do-not-call set: numbers that nobody here dials, from the moment they are put in.

use crate::number::E164;
use std::collections::HashSet;

/// The most numbers that the set holds: a national list with room to grow (250 million would need another store).
pub const SUPPRESSED_MAX: usize = 20_000_000;

/// The set, in eight bytes a number.
#[derive(Debug)]
pub struct Suppression {
    numbers: HashSet<u64>,
    limit: usize,
}

/// The set is full; the number was not put in and dialing must stop until there is room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the do-not-call set is full: split the list over several engines")
    }
}

impl std::error::Error for Full {}

impl Suppression {
    /// An empty set for at most `limit` numbers.
    pub fn with_limit(limit: usize) -> Self {
        Suppression { numbers: HashSet::new(), limit }
    }

    /// Puts a number in, effective at once. `Ok(true)` when it was not in.
    pub fn insert(&mut self, number: &E164) -> Result<bool, Full> {
        let key = key(number);
        if self.numbers.len() >= self.limit && !self.numbers.contains(&key) {
            return Err(Full);
        }
        Ok(self.numbers.insert(key))
    }

    /// Whether the number is in.
    pub fn contains(&self, number: &E164) -> bool {
        self.numbers.contains(&key(number))
    }

    /// How many numbers are in.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

impl Default for Suppression {
    fn default() -> Self {
        Suppression::with_limit(SUPPRESSED_MAX)
    }
}

/// The digits as one number: they begin with no zero and are at most 15, so it is unique and fits.
pub(super) fn key(number: &E164) -> u64 {
    number.digits().bytes().fold(0, |key, digit| key * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_suppressed_from_the_moment_it_is_in() {
        let mut set = Suppression::with_limit(2);
        let [a, b, c] =
            ["+12025550101", "+2025550101", "+999999999999999"].map(|n| E164::from_e164(n).unwrap());
        assert!(!set.contains(&a));
        assert_eq!(set.insert(&a), Ok(true));
        assert_eq!(set.insert(&a), Ok(false));
        assert!(set.contains(&a) && !set.contains(&b));
        assert_eq!(set.insert(&c), Ok(true));
        assert_eq!((set.insert(&b), set.insert(&c), set.len()), (Err(Full), Ok(false), 2));
    }
}
