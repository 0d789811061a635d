//! Whom a campaign has met and could not dial: how many for which reason, and until when.

use super::super::gate::Refusal;
use crate::number;
use crate::record::Contact;
use crate::time::WallTime;
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// Contacts that went back to the store for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// How many.
    pub contacts: u64,
    /// The first of them may be dialed then ...
    pub first_until: WallTime,
    /// ... on the clock of this zone,
    pub zone: Option<Tz>,
    /// and the last of them then.
    pub last_until: WallTime,
}

/// The groups by their reason. A group is forgotten when the last of it may be dialed.
#[derive(Clone, Debug, Default)]
pub struct Met {
    // Bounded by the reasons.
    groups: BTreeMap<&'static str, Group>,
}

impl Met {
    /// A contact goes back until then.
    pub fn handle_skip(&mut self, now: WallTime, contact: &Contact, reason: Refusal, until: WallTime) {
        self.groups.retain(|_, group| group.last_until > now);
        let zone = number::zones(&contact.number).first().copied();
        let new = Group { contacts: 0, first_until: until, zone, last_until: until };
        let group = self.groups.entry(reason.as_str()).or_insert(new);
        group.contacts += 1;
        if until < group.first_until || group.first_until <= now {
            (group.first_until, group.zone) = (until, zone);
        }
        group.last_until = group.last_until.max(until);
    }

    /// Those who still wait for this reason.
    pub fn group(&self, now: WallTime, reason: Refusal) -> Option<Group> {
        self.groups.get(reason.as_str()).copied().filter(|group| group.last_until > now)
    }

    /// Other rules: what was met says nothing any more.
    pub fn clear(&mut self) {
        self.groups.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::gate::tests::{FRIDAY_MS, contact, wall};
    use super::*;

    #[test]
    fn groups_have_the_zone_of_whom_is_free_first_and_are_forgotten_with_the_last() {
        let mut met = Met::default();
        let (now, later) = (wall(FRIDAY_MS), |s: i64| wall(FRIDAY_MS + s * 1_000));
        met.handle_skip(now, &contact(1, "+12135550101"), Refusal::WindowClosed, later(7_200));
        met.handle_skip(now, &contact(2, "+12125550101"), Refusal::WindowClosed, later(3_600));
        met.handle_skip(now, &contact(3, "+12125550102"), Refusal::AttemptGap, later(60));
        let group = met.group(now, Refusal::WindowClosed).unwrap();
        assert_eq!((group.contacts, group.first_until, group.last_until), (2, later(3_600), later(7_200)));
        assert_eq!(group.zone, Some(Tz::America__New_York));
        assert_eq!(met.group(now, Refusal::AttemptGap).map(|group| group.contacts), Some(1));
        assert_eq!(met.group(later(60), Refusal::AttemptGap), None);
        assert_eq!(met.group(later(7_200), Refusal::WindowClosed), None);
    }
}
