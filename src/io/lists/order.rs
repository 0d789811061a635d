//! The order of dialing, as the store wants it told: lists with their shares, and when phones may ring.

use super::import::source_of;
use crate::campaign::options::{Fresh, Options, Retries};
use crate::campaign::window::{Opening, Window, Zone};
use crate::number::ZoneGroup;
use crate::store::{ListShare, Order, ZoneHours};
use crate::time::WallTime;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The zones of every group.
static ZONES: LazyLock<BTreeMap<ZoneGroup, &'static [Tz]>> = LazyLock::new(|| ZoneGroup::all().collect());

/// What does not change is looked at again after this, in milliseconds.
const NEVER_MS: i64 = i64::MAX;

/// A campaign's order by its rules.
pub fn of(rules: &Options) -> Order {
    let window = rules.window.clone();
    let share = |list: crate::campaign::options::List| ListShare {
        source: source_of(&list.file),
        weight: list.weight,
        priority: list.priority,
    };
    Order {
        newest_first: rules.order.fresh == Fresh::NewestFirst,
        retries_first: rules.order.retries == Retries::First,
        lists: rules.lists().into_iter().map(share).collect(),
        next_phone_after: rules.retry.iter().filter(|(_, rule)| rule.next_phone).map(|(d, _)| *d).collect(),
        hours: Some(Arc::new(move |zone, at| hours(&window, zone, at))),
    }
}

/// Whether the window is open for a group. The gate looks at each contact again; what it would refuse for good (no zone, no
/// common hour) is left to it, so that the contact comes to its end.
fn hours(window: &Window, zone: ZoneGroup, at: WallTime) -> ZoneHours {
    let always = ZoneHours { open: true, until: WallTime::from_unix_ms(NEVER_MS) };
    let zones = ZONES.get(&zone).copied().unwrap_or_default();
    if zones.is_empty() && window.zone == Zone::Contact {
        return always;
    }
    match window.open(zones, at) {
        Opening::Open { until } => ZoneHours { open: true, until },
        Opening::Closed { opens_at: Some(until) } => ZoneHours { open: false, until },
        Opening::Closed { opens_at: None } => always,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::E164;

    #[test]
    fn a_group_has_the_hours_of_its_zones() {
        let window = Window::default();
        let at = |minutes: i64| WallTime::from_unix_ms(1_795_132_800_000 + minutes * 60_000);
        let group = |number: &str| ZoneGroup::of(&E164::from_e164(number).unwrap());
        // 2026-11-20, a Friday, 15:00Z: 10:00 in Washington, 07:00 in Los Angeles.
        for (number, expected) in [
            ("+12025550101", ZoneHours { open: true, until: at(25 * 60) }),
            ("+12135550101", ZoneHours { open: false, until: at(17 * 60) }),
            ("+881612345678", ZoneHours { open: true, until: WallTime::from_unix_ms(NEVER_MS) }),
        ] {
            assert_eq!(hours(&window, group(number), at(15 * 60)), expected, "{number}");
        }
    }
}
