//! Which pairs of a range are held, and which were until lately: the far end of a call that has ended may go on sending for a
//! while, and is neither heard in the next call nor spoken to.
//!
//! A pair that was given back rests for [`REST`] while another is free; where none is, the one that has rested longest is
//! taken. Who takes it is told where the peer of the call before was.

use crate::media::latch::{Former, NOBODY};
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// So long a pair rests, and the peer of its call is remembered.
pub const REST: Duration = Duration::from_secs(60);

/// The pairs of a range, by number.
#[derive(Debug)]
pub struct Pairs {
    states: Vec<State>,
    /// In the order in which they were given back; at most one of each.
    resting: VecDeque<Resting>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Free,
    Held,
    Resting,
}

#[derive(Debug)]
struct Resting {
    pair: u16,
    since: Instant,
    former: Former,
}

impl Pairs {
    /// So many, all free.
    pub fn new(count: u16) -> Self {
        Pairs { states: vec![State::Free; usize::from(count)], resting: VecDeque::new() }
    }

    /// Takes the first free one from `begin` on, or else the one that has rested longest; tells whose packets may still come
    /// there.
    pub fn take(&mut self, now: Instant, begin: u16) -> Option<(u16, Former)> {
        while let Some(rested) = self.resting.pop_front_if(|resting| now - resting.since >= REST) {
            self.states[usize::from(rested.pair)] = State::Free;
        }
        let count = self.states.len();
        let mut places = (0..count).map(|step| (usize::from(begin) + step) % count);
        let free = places.find(|place| self.states[*place] == State::Free);
        let (pair, former) = match free {
            Some(place) => (place as u16, NOBODY),
            None => self.resting.pop_front().map(|resting| (resting.pair, resting.former))?,
        };
        self.states[usize::from(pair)] = State::Held;
        Some((pair, former))
    }

    /// A pair that was taken is given back by a call whose peer was there.
    pub fn give_back(&mut self, now: Instant, pair: u16, former: Former) {
        self.states[usize::from(pair)] = State::Resting;
        self.resting.push_back(Resting { pair, since: now, former });
    }

    /// A pair that was taken is not to be had: another program holds it for now.
    pub fn refuse(&mut self, pair: u16) {
        self.states[usize::from(pair)] = State::Free;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Ssrc;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn former(port: u16) -> Former {
        let mut former = NOBODY;
        former[0] = Some((([192, 0, 2, 1], port).into(), Ssrc(7)));
        former
    }

    #[test]
    fn a_pair_rests_while_another_is_free_and_then_the_one_that_has_rested_longest_is_taken() {
        let mut pairs = Pairs::new(3);
        assert_eq!(pairs.take(at(0), 1), Some((1, NOBODY)));
        pairs.give_back(at(1), 1, former(4_001));
        assert_eq!(pairs.take(at(2), 1), Some((2, NOBODY)));
        assert_eq!(pairs.take(at(2), 1), Some((0, NOBODY)));
        pairs.give_back(at(3), 2, former(4_002));
        assert_eq!(pairs.take(at(4), 2), Some((1, former(4_001))));
        assert_eq!(pairs.take(at(4), 2), Some((2, former(4_002))));
        assert_eq!(pairs.take(at(4), 2), None, "all are held");
        pairs.give_back(at(5), 0, former(4_000));
        assert_eq!(pairs.take(at(65), 2), Some((0, NOBODY)), "who was there is forgotten");
    }

    #[test]
    fn a_pair_that_another_program_holds_may_be_asked_for_again() {
        let mut pairs = Pairs::new(1);
        assert_eq!(pairs.take(at(0), 0), Some((0, NOBODY)));
        pairs.refuse(0);
        assert_eq!(pairs.take(at(0), 0), Some((0, NOBODY)));
        assert_eq!(Pairs::new(0).take(at(0), 0), None);
    }
}
