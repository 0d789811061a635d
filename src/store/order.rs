//! In which order a campaign's contacts are claimed, as its configuration has it. Whoever makes the store hands it in; a
//! store that was told nothing dials the oldest first, wherever they are.

use crate::disposition::Disposition;
use crate::number::ZoneGroup;
use crate::time::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether phones of a group of zones may ring, and until when that stays so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneHours {
    /// They may.
    pub open: bool,
    /// Then it changes.
    pub until: WallTime,
}

/// Tells the hours of a group of zones at a moment.
pub type Hours = Arc<dyn Fn(ZoneGroup, WallTime) -> ZoneHours + Send + Sync>;

/// One list's part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListShare {
    /// Its file, as the store knows it.
    pub source: String,
    /// Its share among lists of the same priority.
    pub weight: u32,
    /// Lower ones are dialed first, as long as they have somebody who is due.
    pub priority: u32,
}

/// The order of one campaign.
#[derive(Clone, Default)]
pub struct Order {
    /// Of those never tried, the last that came in goes first.
    pub newest_first: bool,
    /// Those that wait for another attempt go before those never tried.
    pub retries_first: bool,
    /// Lists with a share of their own; others have weight 1 and priority 1.
    pub lists: Vec<ListShare>,
    /// After these outcomes the next attempt goes to the contact's next number.
    pub next_phone_after: BTreeSet<Disposition>,
    /// When phones may ring; the group that closes first is dialed first.
    pub hours: Option<Hours>,
}

/// An order at work: what claims have learned and given so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    pub(super) order: Order,
    // How far each list is behind its share.
    credits: BTreeMap<i64, i64>,
    known_hours: BTreeMap<ZoneGroup, (WallTime, ZoneHours)>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("newest_first", &self.newest_first)
            .field("retries_first", &self.retries_first)
            .field("lists", &self.lists)
            .finish_non_exhaustive()
    }
}

impl Turns {
    /// The hours of a group; asked anew only when they have changed, or the clock has gone back.
    pub(super) fn hours_of(&mut self, zone: ZoneGroup, at: WallTime) -> ZoneHours {
        let Some(hours) = &self.order.hours else {
            return ZoneHours { open: true, until: WallTime::from_unix_ms(i64::MAX) };
        };
        match self.known_hours.get(&zone) {
            Some((since, known)) if *since <= at && at < known.until => *known,
            _ => {
                let known = hours(zone, at);
                self.known_hours.insert(zone, (at, known));
                known
            }
        }
    }

    /// A list's weight and priority.
    pub(super) fn share_of(&self, source: &str) -> (u32, u32) {
        let share = self.order.lists.iter().find(|share| share.source == source);
        share.map_or((1, 1), |share| (share.weight, share.priority))
    }

    /// Which of these lists, each with its weight, comes next: over time each has its share, and no list has a long run.
    pub(super) fn next_list(&mut self, lists: &[(i64, u32)]) -> Option<i64> {
        let total: i64 = lists.iter().map(|(_, weight)| i64::from(*weight)).sum();
        for (list, weight) in lists {
            *self.credits.entry(*list).or_default() += i64::from(*weight);
        }
        let (list, _) = lists.iter().max_by_key(|(list, _)| (self.credits[list], -*list))?;
        *self.credits.entry(*list).or_default() -= total;
        Some(*list)
    }
}

/// The orders of all campaigns, shared by the store and whoever changes them.
#[derive(Clone, Debug, Default)]
pub struct Orders(Arc<Mutex<BTreeMap<String, Turns>>>);

impl Orders {
    /// From the next claim on.
    pub fn set(&self, campaign: &str, order: Order) {
        let turns = Turns { order, ..Turns::default() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(campaign.to_owned(), turns);
    }

    /// Takes a campaign's order out, to work with it for the length of one claim.
    pub(super) fn take(&self, campaign: &str) -> Turns {
        let orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.get(campaign).cloned().unwrap_or_default()
    }

    /// Keeps what the claim has learned, for the next one.
    pub(super) fn put_back(&self, campaign: &str, turns: Turns) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = orders.entry(campaign.to_owned()).or_default();
        (kept.credits, kept.known_hours) = (turns.credits, turns.known_hours);
    }

    /// Whether the next attempt after this outcome goes to another number.
    pub(super) fn goes_to_next_phone(&self, campaign: &str, disposition: Disposition) -> bool {
        let orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.get(campaign).is_some_and(|turns| turns.order.next_phone_after.contains(&disposition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_mixed_by_their_weights_without_long_runs() {
        let mut order = Turns::default();
        let picked: Vec<i64> = (0..12).filter_map(|_| order.next_list(&[(1, 3), (2, 1), (3, 2)])).collect();
        let count = |list| picked.iter().filter(|picked| **picked == list).count();
        assert_eq!((count(1), count(2), count(3)), (6, 2, 4), "{picked:?}");
        assert!(!picked.windows(3).any(|run| run.iter().all(|list| *list == run[0])), "{picked:?}");
        assert_eq!(order.next_list(&[]), None);
    }

    #[test]
    fn hours_are_asked_for_again_when_they_change() {
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let at = WallTime::from_unix_ms;
        let hours: Hours = Arc::new(move |_, now| {
            *count.lock().unwrap() += 1;
            let until = now.unix_ms() / 100 * 100 + 100;
            ZoneHours { open: now.unix_ms() >= 100, until: at(until) }
        });
        let order = Order { hours: Some(hours), ..Order::default() };
        let mut order = Turns { order, ..Turns::default() };
        let zone = ZoneGroup(7);
        let open: Vec<bool> =
            [10, 20, 99, 100, 150, 50].into_iter().map(|ms| order.hours_of(zone, at(ms)).open).collect();
        assert_eq!(open, [false, false, false, true, true, false]);
        assert_eq!(*asked.lock().unwrap(), 3);
    }
}
