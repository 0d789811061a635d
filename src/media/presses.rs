//! Presses that are told in two ways, and count once.
//!
//! Some gateways tell one press of a key in the media and in SIP INFO, the one before the other or behind it: what one way
//! tells pairs off with what another has told within `PAIRED`. The control plane counts presses so for what they mean, the
//! media plane for what crosses a bridge: neither could wait to hear of a press from the other.

use crate::time::Instant;
use std::time::Duration;

/// A press that is told in two ways is told within this time.
const PAIRED: Duration = Duration::from_millis(1_500);

/// Presses that may wait for their pair; older ones are forgotten.
const WAITING_MAX: usize = 16;

/// How a press was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Means {
    /// In the media: RFC 4733 or sound, which the media plane tells apart.
    Media,
    /// In SIP INFO.
    Info,
}

/// The presses of one leg. By default it takes memory with the first press.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    unpaired: Vec<(char, Means, Instant)>,
}

impl Presses {
    /// No presses yet, and memory for all that may wait.
    pub fn new() -> Self {
        Presses { unpaired: Vec::with_capacity(WAITING_MAX) }
    }

    /// Forgets them, keeps the memory.
    pub fn reset(&mut self) {
        self.unpaired.clear();
    }

    /// A press was told; whether it is a new one.
    pub fn is_new(&mut self, now: Instant, key: char, means: Means) -> bool {
        self.unpaired.retain(|(_, _, at)| now.saturating_since(*at) <= PAIRED);
        let pair = self.unpaired.iter().position(|(other, by, _)| *other == key && *by != means);
        if let Some(place) = pair {
            self.unpaired.remove(place);
            return false;
        }
        if self.unpaired.len() == WAITING_MAX {
            self.unpaired.remove(0);
        }
        self.unpaired.push((key, means, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn a_press_that_is_told_twice_counts_once_and_two_presses_count_twice() {
        let mut presses = Presses::default();
        let told = [
            (0, '5', Means::Media, true),
            (40, '5', Means::Info, false),
            (300, '5', Means::Info, true),
            (310, '5', Means::Media, false),
            (600, '7', Means::Media, true),
            (700, '7', Means::Media, true),
            (710, '7', Means::Info, false),
            (720, '7', Means::Info, false),
            (3_000, '1', Means::Media, true),
            (5_000, '1', Means::Info, true),
        ];
        for (ms, key, means, new) in told {
            assert_eq!(presses.is_new(at(ms), key, means), new, "{ms} {key}");
        }
        for index in 0..100 {
            assert!(presses.is_new(at(9_000 + index), '9', Means::Info));
        }
        assert_eq!(presses.unpaired.len(), WAITING_MAX);
    }
}
