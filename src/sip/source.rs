//! From where messages are taken: the addresses of peers that we know.
//!
//! Each trunk asks for its addresses and each call for the one that it goes to. When a call ends, its last messages are on
//! their way yet: the answer to our BYE, a copy of a 2xx that wants its ACK again, the peer's own BYE. So the address that a
//! call leaves is taken for 64*T1 more, whatever becomes of its trunk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::time::Instant;

/// The most addresses that calls have left and nobody else asks for; beyond it the one whose time is over first goes.
const LEFT_MAX: usize = 1_024;

/// The addresses.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// How many ask for each.
    asked: BTreeMap<IpAddr, usize>,
    /// Left by calls, each with its end.
    left: BTreeMap<IpAddr, Instant>,
}

impl Sources {
    /// One more asks for `source`.
    pub(crate) fn allow(&mut self, source: IpAddr) {
        *self.asked.entry(source).or_default() += 1;
    }

    /// One fewer does.
    pub(crate) fn disallow(&mut self, source: IpAddr) {
        if let Some(count) = self.asked.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.asked.remove(&source);
            }
        }
    }

    /// One fewer does: a call, whose last messages come until `end`.
    pub(crate) fn leave(&mut self, source: IpAddr, end: Instant) {
        self.disallow(source);
        self.left.insert(source, end);
        if self.left.len() > LEFT_MAX
            && let Some(first) = self.left.iter().min_by_key(|(_, end)| **end).map(|(source, _)| *source)
        {
            self.left.remove(&first);
        }
    }

    /// Whether messages from there are taken.
    pub(crate) fn allows(&self, source: IpAddr) -> bool {
        self.asked.contains_key(&source) || self.left.contains_key(&source)
    }

    /// Addresses that were left go when their time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.left.retain(|_, end| *end > now);
    }

    /// When it wants to be woken.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.left.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_address_that_a_call_has_left_is_taken_until_its_end_whoever_else_gives_it_up() {
        let mut sources = Sources::default();
        let source = IpAddr::from([192, 0, 2, 1]);
        sources.allow(source);
        sources.allow(source);
        sources.leave(source, at(32));
        sources.disallow(source);
        sources.handle_timeout(at(31));
        assert!(sources.allows(source));
        assert_eq!(sources.poll_timeout(), Some(at(32)));
        sources.handle_timeout(at(32));
        assert_eq!((sources.allows(source), sources.poll_timeout()), (false, None));
    }

    #[test]
    fn the_last_call_to_leave_says_until_when() {
        let mut sources = Sources::default();
        let source = IpAddr::from([192, 0, 2, 1]);
        sources.allow(source);
        sources.leave(source, at(32));
        sources.allow(source);
        sources.leave(source, at(40));
        sources.handle_timeout(at(39));
        assert!(sources.allows(source));
    }

    #[test]
    fn addresses_that_were_left_are_bounded_and_those_that_are_asked_for_stay() {
        let mut sources = Sources::default();
        let known = IpAddr::from([192, 0, 2, 1]);
        sources.allow(known);
        for n in 0..2 * LEFT_MAX {
            let source = IpAddr::from([10, 0, (n / 256) as u8, (n % 256) as u8]);
            sources.allow(source);
            sources.leave(source, at(n as u64));
        }
        assert_eq!((sources.left.len(), sources.asked.len()), (LEFT_MAX, 1));
        assert!(!sources.allows([10, 0, 0, 0].into()) && sources.allows(known));
    }

    fn at(s: u64) -> Instant {
        Instant::from_start(Duration::from_secs(s))
    }
}
