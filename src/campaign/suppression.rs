//! The do-not-call set: numbers that nobody here dials, from the moment they are put in.

use super::law::Purpose;
use crate::number::E164;
use crate::time::WallTime;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashSet;

/// The most numbers that the set holds: a national list with room to grow (250 million would need another store).
pub const SUPPRESSED_MAX: usize = 20_000_000;

/// A number that was erased and must not be called all the same: the first half of HMAC-SHA-256 over its digits.
pub type NumberHash = [u8; 16];

/// The set, in eight bytes a number.
pub struct Suppression {
    numbers: HashSet<u64>,
    hashes: HashSet<NumberHash>,
    key: [u8; 32],
    limit: usize,
}

/// The key stays out of logs.
impl std::fmt::Debug for Suppression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Suppression {{ {} numbers, {} hashes }}", self.numbers.len(), self.hashes.len())
    }
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
        Suppression { numbers: HashSet::new(), hashes: HashSet::new(), key: [0; 32], limit }
    }

    /// Puts in numbers of which only the hashes under this key are left. `Err` when the set is full.
    pub fn insert_hashes(
        &mut self,
        key: [u8; 32],
        hashes: impl IntoIterator<Item = NumberHash>,
    ) -> Result<(), Full> {
        self.key = key;
        self.hashes.extend(hashes);
        if self.len() > self.limit { Err(Full) } else { Ok(()) }
    }

    /// Puts a number in, effective at once. `Ok(true)` when it was not in.
    pub fn insert(&mut self, number: &E164) -> Result<bool, Full> {
        let key = key(number);
        if self.len() >= self.limit && !self.numbers.contains(&key) {
            return Err(Full);
        }
        Ok(self.numbers.insert(key))
    }

    /// Whether the number is in.
    pub fn contains(&self, number: &E164) -> bool {
        self.numbers.contains(&key(number))
            || (!self.hashes.is_empty() && self.hashes.contains(&hash(&self.key, number)))
    }

    /// How many numbers are in.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.hashes.len()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The hash of a number under a key: who has no key cannot try all numbers.
pub fn hash(key: &[u8; 32], number: &E164) -> NumberHash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(number.digits().as_bytes());
    let full = mac.finalize().into_bytes();
    std::array::from_fn(|i| full[i])
}

/// Whose calls an entry forbids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// Everybody's.
    All,
    /// One campaign's.
    Campaign(String),
    /// Those of all campaigns with this purpose.
    Purpose(Purpose),
}

impl Reach {
    /// `all`, `campaign:spring`, `purpose:sales`: as it is kept.
    pub fn to_word(&self) -> String {
        match self {
            Reach::All => "all".to_owned(),
            Reach::Campaign(name) => format!("campaign:{name}"),
            Reach::Purpose(purpose) => format!("purpose:{}", purpose.as_str()),
        }
    }

    /// Reads it back. What is not understood reaches everybody: no entry is lost.
    pub fn from_word(word: &str) -> Reach {
        match word.split_once(':') {
            Some(("campaign", name)) => Reach::Campaign(name.to_owned()),
            Some(("purpose", word)) => word.parse().map_or(Reach::All, Reach::Purpose),
            _ => Reach::All,
        }
    }

    /// Whether it forbids calls of this campaign. One that does not say what it calls for may call for anything.
    pub fn covers(&self, campaign: &str, purpose: Option<Purpose>) -> bool {
        match self {
            Reach::All => true,
            Reach::Campaign(name) => name == campaign,
            Reach::Purpose(word) => purpose.is_none_or(|purpose| purpose == *word),
        }
    }
}

/// A do-not-call list as somebody publishes it.
#[derive(Debug)]
pub struct List {
    /// What it is, as rules ask for it: `us-national`, `uk-tps`.
    pub kind: String,
    /// The state of the list: when whoever publishes it made it.
    pub as_of: WallTime,
    /// Which edition, for people.
    pub version: String,
    /// Whose calls it forbids.
    pub reach: Reach,
    /// Who stands on it.
    pub numbers: Suppression,
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
    fn a_number_of_which_only_the_hash_is_left_is_still_suppressed() {
        let [a, b] = ["+12025550101", "+12025550102"].map(|n| E164::from_e164(n).unwrap());
        let mut set = Suppression::with_limit(2);
        set.insert_hashes([7; 32], [hash(&[7; 32], &a)]).unwrap();
        assert!(set.contains(&a) && !set.contains(&b) && set.len() == 1);
        assert_ne!(hash(&[7; 32], &a), hash(&[8; 32], &a));
        assert!(!format!("{set:?}").contains('7'));
    }

    #[test]
    fn an_entry_forbids_the_calls_in_its_reach() {
        let (all, spring) = (Reach::All, Reach::Campaign("spring".into()));
        let sales = Reach::Purpose(Purpose::Sales);
        for (reach, campaign, purpose, covers) in [
            (&all, "spring", None, true),
            (&spring, "spring", None, true),
            (&spring, "autumn", None, false),
            (&sales, "spring", Some(Purpose::Sales), true),
            (&sales, "spring", Some(Purpose::Debt), false),
            (&sales, "spring", None, true),
        ] {
            assert_eq!(reach.covers(campaign, purpose), covers, "{reach:?} {campaign} {purpose:?}");
            assert_eq!(Reach::from_word(&reach.to_word()), *reach);
        }
    }

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
