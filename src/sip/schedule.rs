//! Alarms in the order of their time: the next one is found at once, however many there are.

use std::collections::BTreeSet;

use crate::time::Instant;

/// The alarms of entries named by `K`, one each at most.
#[derive(Debug)]
pub(crate) struct Schedule<K> {
    alarms: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Schedule<K> {
    pub(crate) fn new() -> Self {
        Schedule { alarms: BTreeSet::new() }
    }

    /// Moves the alarm of `entry` from `armed`, which its owner remembers, to `wanted`.
    pub(crate) fn rearm(&mut self, entry: K, armed: &mut Option<Instant>, wanted: Option<Instant>) {
        if *armed == wanted {
            return;
        }
        if let Some(at) = *armed {
            self.alarms.remove(&(at, entry));
        }
        if let Some(at) = wanted {
            self.alarms.insert((at, entry));
        }
        *armed = wanted;
    }

    /// The entry whose alarm is due.
    pub(crate) fn due(&self, now: Instant) -> Option<K> {
        self.alarms.first().filter(|(at, _)| *at <= now).map(|(_, entry)| *entry)
    }

    /// When the next alarm is.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_entry_has_one_alarm_and_the_earliest_comes_first() {
        let at = |s| Instant::from_start(Duration::from_secs(s));
        let mut schedule = Schedule::new();
        let (mut one, mut two) = (None, None);
        schedule.rearm(1, &mut one, Some(at(5)));
        schedule.rearm(2, &mut two, Some(at(3)));
        assert_eq!(schedule.next(), Some(at(3)));
        assert_eq!((schedule.due(at(2)), schedule.due(at(3))), (None, Some(2)));
        schedule.rearm(2, &mut two, Some(at(9)));
        assert_eq!(schedule.due(at(5)), Some(1));
        schedule.rearm(1, &mut one, None);
        schedule.rearm(2, &mut two, None);
        assert_eq!(schedule.next(), None);
    }
}
