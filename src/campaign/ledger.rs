//! What all campaigns share: which numbers must not be dialed now. The engine owns one.
//!
//! Limits belong to a number, not to a row: the same person may stand on two lists. So the numbers in flight and the
//! ends of recent attempts are kept here, beside the do-not-call set.

use super::law::{Purpose, local_date};
use super::suppression::{Full, List, NumberHash, Reach, Suppression, key};
use crate::disposition::Disposition;
use crate::number::E164;
use crate::record::{Contact, PastAttempt};
use crate::time::{Instant, Now, WallTime};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// The most ends of attempts that are remembered; the oldest is forgotten first. A day at two calls a second.
pub const RECENT_MAX: usize = 200_000;

/// The most attempts of this run that are remembered, for caps over days; the oldest is forgotten first, and by then the
/// store tells of it with the contact.
pub const ATTEMPTS_MAX: usize = 400_000;

/// The do-not-call sets, the numbers in flight, when each number was last tried, and what became of it.
#[derive(Debug, Default)]
pub struct Ledger {
    suppression: Suppression,
    // Opt-outs that reach one campaign or one purpose; bounded by SUPPRESSED_MAX like the others, for each is a key press.
    scoped: HashMap<u64, BTreeSet<Reach>>,
    // Bounded by the configuration.
    lists: Vec<List>,
    // Bounded by ATTEMPTS_MAX.
    attempts: BTreeMap<u64, Vec<PastAttempt>>,
    attempts_order: VecDeque<u64>,
    // Bounded by the campaigns' lines.
    in_flight: HashSet<u64>,
    // The moments are kept in order, so that the oldest can be forgotten.
    recent: HashMap<u64, Ended>,
    recent_order: VecDeque<(u64, Ended)>,
}

/// When an attempt ended: so long before that moment. The clock of this run does not reach back into a former one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ended {
    ago: Duration,
    before: Instant,
}

impl Ledger {
    /// With an empty do-not-call set.
    pub fn new() -> Self {
        Ledger::default()
    }

    /// Puts a number on the do-not-call list, effective at once for all campaigns. `Ok(true)` when it was new; then
    /// each campaign is told with [`super::Campaign::handle_suppressed`].
    pub fn suppress(&mut self, number: &E164) -> Result<bool, Full> {
        self.suppression.insert(number)
    }

    /// Whether the number is on the do-not-call list.
    pub fn is_suppressed(&self, number: &E164) -> bool {
        self.suppression.contains(number)
    }

    /// Puts a number on the do-not-call list for some calls only, effective at once. True when that was new.
    pub fn suppress_for(&mut self, number: &E164, reach: Reach) -> Result<bool, Full> {
        match reach {
            Reach::All => self.suppress(number),
            reach => Ok(self.scoped.entry(key(number)).or_default().insert(reach)),
        }
    }

    /// Numbers of which only the hashes are left.
    pub fn suppress_hashes(
        &mut self,
        key: [u8; 32],
        hashes: impl IntoIterator<Item = NumberHash>,
    ) -> Result<(), Full> {
        self.suppression.insert_hashes(key, hashes)
    }

    /// A list as somebody publishes it; it takes the place of an older one of its kind and reach.
    pub fn put_list(&mut self, list: List) {
        self.lists.retain(|known| (&known.kind, &known.reach) != (&list.kind, &list.reach));
        self.lists.push(list);
    }

    /// When the list of a kind was made; of several the oldest.
    pub fn list_as_of(&self, kind: &str) -> Option<WallTime> {
        self.lists.iter().filter(|list| list.kind == kind).map(|list| list.as_of).min()
    }

    /// Which lists there are, each with its edition.
    pub fn editions(&self) -> Vec<String> {
        let edition = |list: &List| {
            let day = local_date(list.as_of, Tz::UTC).map(|day| day.to_string()).unwrap_or_default();
            format!("{} {}", list.kind, if list.version.is_empty() { &day } else { &list.version })
        };
        self.lists.iter().map(edition).collect()
    }

    /// The list that forbids a call of this campaign to the number: ours, an opt-out, or one of the published ones.
    pub fn listed(&self, number: &E164, campaign: &str, purpose: Option<Purpose>) -> Option<&str> {
        if self.is_suppressed(number) {
            return Some("internal");
        }
        let covers = |reach: &Reach| reach.covers(campaign, purpose);
        if self.scoped.get(&key(number)).is_some_and(|reaches| reaches.iter().any(covers)) {
            return Some("opt_out");
        }
        let mut lists = self.lists.iter().filter(|list| covers(&list.reach));
        lists.find(|list| list.numbers.contains(number)).map(|list| list.kind.as_str())
    }

    /// What the contact's number has been through: as the store told with the contact, and since then in this run.
    pub fn past(&self, contact: &Contact) -> Vec<PastAttempt> {
        let ours = self.attempts.get(&key(&contact.number)).map_or(&[][..], Vec::as_slice);
        // An attempt is known by the moment of its decision: a number has but one at a time.
        let told = contact.history.iter().filter(|told| !ours.iter().any(|known| known.at == told.at));
        let mut past: Vec<PastAttempt> = told.chain(ours).copied().collect();
        past.sort();
        past
    }

    /// How many numbers are on the do-not-call list.
    pub fn suppressed(&self) -> usize {
        self.suppression.len()
    }

    /// Whether some campaign is dialing the number.
    pub fn is_in_flight(&self, number: &E164) -> bool {
        self.in_flight.contains(&key(number))
    }

    /// How many numbers are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How long the number must still rest, when attempts on it are to be `gap` apart.
    pub fn rest(&self, number: &E164, gap: Duration, now: Instant) -> Duration {
        let Some(ended) = self.recent.get(&key(number)) else { return Duration::ZERO };
        (ended.before + gap.saturating_sub(ended.ago)) - now
    }

    /// An attempt of a former run on this number ended `ago`: the number rests after it as after any other.
    pub fn remember(&mut self, number: &E164, ago: Duration, now: Instant) {
        self.remember_end(key(number), Ended { ago, before: now });
    }

    /// Takes the number for an attempt; false when it is taken already.
    pub fn take(&mut self, number: &E164, at: WallTime) -> bool {
        let key = key(number);
        let free = self.in_flight.insert(key);
        if free {
            self.attempts.entry(key).or_default().push(PastAttempt { at, ended_at: None, disposition: None });
            self.attempts_order.push_back(key);
            self.forget_attempts();
        }
        free
    }

    /// The call of a former run on this number has not ended; the store tells of its attempt.
    pub(super) fn adopt(&mut self, number: &E164) {
        self.in_flight.insert(key(number));
    }

    /// The attempt that the number is taken for is made at this moment: an agent may have looked at it first.
    pub fn handle_dialed(&mut self, number: &E164, at: WallTime) {
        let open = self.attempts.get_mut(&key(number)).and_then(|attempts| attempts.last_mut());
        if let Some(attempt) = open.filter(|attempt| attempt.ended_at.is_none()) {
            attempt.at = at;
        }
    }

    /// The attempt was not made after all.
    pub fn give_back(&mut self, number: &E164) {
        let key = key(number);
        self.in_flight.remove(&key);
        if let Some(attempts) = self.attempts.get_mut(&key) {
            attempts.pop_if(|attempt| attempt.ended_at.is_none());
        }
    }

    /// The attempt is over.
    pub fn finish(&mut self, number: &E164, now: Now, disposition: Disposition) {
        let key = key(number);
        self.in_flight.remove(&key);
        let open = self.attempts.get_mut(&key).and_then(|attempts| attempts.last_mut());
        if let Some(attempt) = open.filter(|attempt| attempt.ended_at.is_none()) {
            (attempt.ended_at, attempt.disposition) = (Some(now.wall), Some(disposition));
        }
        self.remember_end(key, Ended { ago: Duration::ZERO, before: now.instant });
    }

    fn forget_attempts(&mut self) {
        while self.attempts_order.len() > ATTEMPTS_MAX {
            let Some(oldest) = self.attempts_order.pop_front() else { break };
            let Some(attempts) = self.attempts.get_mut(&oldest) else { continue };
            if !attempts.is_empty() {
                attempts.remove(0);
            }
            if attempts.is_empty() {
                self.attempts.remove(&oldest);
            }
        }
    }

    fn remember_end(&mut self, key: u64, ended: Ended) {
        self.recent.insert(key, ended);
        self.recent_order.push_back((key, ended));
        while self.recent_order.len() > RECENT_MAX {
            let Some((oldest, ended)) = self.recent_order.pop_front() else { break };
            if self.recent.get(&oldest) == Some(&ended) {
                self.recent.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::tests::contact;
    use super::*;

    #[test]
    fn a_number_is_in_flight_once_only_and_rests_afterwards() {
        let number = E164::from_e164("+12025550101").unwrap();
        let mut ledger = Ledger::new();
        let at = |s| Instant::from_start(Duration::from_secs(s));
        let gap = Duration::from_secs(60);
        let wall = WallTime::from_unix_ms(0);
        assert!(ledger.take(&number, wall) && !ledger.take(&number, wall) && ledger.is_in_flight(&number));
        ledger.give_back(&number);
        assert_eq!(ledger.rest(&number, gap, at(1)), Duration::ZERO);
        assert!(ledger.take(&number, wall));
        ledger.finish(&number, Now { instant: at(10), wall }, Disposition::NoAnswer);
        assert_eq!((ledger.in_flight(), ledger.is_in_flight(&number)), (0, false));
        assert_eq!(ledger.rest(&number, gap, at(30)), Duration::from_secs(40));
        assert_eq!(ledger.rest(&number, gap, at(70)), Duration::ZERO);
    }

    #[test]
    fn a_number_rests_after_an_attempt_of_a_former_run_too() {
        let number = E164::from_e164("+12025550101").unwrap();
        let mut ledger = Ledger::new();
        let at = |s| Instant::from_start(Duration::from_secs(s));
        let gap = Duration::from_secs(60);
        ledger.remember(&number, Duration::from_secs(25), at(0));
        assert_eq!(ledger.rest(&number, gap, at(0)), Duration::from_secs(35));
        assert_eq!(ledger.rest(&number, gap, at(30)), Duration::from_secs(5));
        ledger.remember(&number, Duration::from_secs(90), at(0));
        assert_eq!(ledger.rest(&number, gap, at(0)), Duration::ZERO);
    }

    #[test]
    fn the_memory_of_recent_attempts_is_bounded() {
        let mut ledger = Ledger::new();
        for n in 0..RECENT_MAX + 10 {
            let number = E164::from_e164(&format!("+{}", 1_000_000 + n)).unwrap();
            ledger.take(&number, WallTime::from_unix_ms(0));
            ledger.finish(&number, Now::default(), Disposition::NoAnswer);
        }
        assert_eq!((ledger.recent.len(), ledger.recent_order.len()), (RECENT_MAX, RECENT_MAX));
    }

    #[test]
    fn what_the_store_tells_and_what_this_run_did_are_each_counted_once() {
        let wall = WallTime::from_unix_ms;
        let told = |at| PastAttempt { at: wall(at), ended_at: Some(wall(at)), disposition: None };
        let contact = Contact { history: vec![told(5), told(20)], ..contact(1, "+12025550101") };
        let mut ledger = Ledger::new();
        ledger.take(&contact.number, wall(20));
        ledger.finish(&contact.number, Now { wall: wall(25), ..Now::default() }, Disposition::Busy);
        ledger.take(&contact.number, wall(30));
        let at =
            |ledger: &Ledger| ledger.past(&contact).iter().map(|past| past.at.unix_ms()).collect::<Vec<_>>();
        assert_eq!(at(&ledger), [5, 20, 30]);
        assert_eq!(ledger.past(&contact)[1].disposition, Some(Disposition::Busy));
        ledger.give_back(&contact.number);
        assert_eq!(at(&ledger), [5, 20]);
    }

    #[test]
    fn a_published_list_forbids_and_is_replaced_by_its_next_edition() {
        let number = E164::from_e164("+12025550101").unwrap();
        let list = |numbers: &[&E164], day: i64| {
            let mut set = Suppression::with_limit(9);
            for number in numbers {
                set.insert(number).unwrap();
            }
            let as_of = WallTime::from_unix_ms(day * 86_400_000);
            let (kind, version) = ("us-national".to_owned(), String::new());
            List { kind, as_of, version, reach: Reach::Purpose(Purpose::Sales), numbers: set }
        };
        let mut ledger = Ledger::new();
        ledger.put_list(list(&[&number], 20_000));
        assert_eq!(ledger.listed(&number, "spring", Some(Purpose::Sales)), Some("us-national"));
        assert_eq!(ledger.listed(&number, "spring", Some(Purpose::Debt)), None);
        assert_eq!(ledger.editions(), ["us-national 2024-10-04"]);
        ledger.put_list(list(&[], 20_001));
        assert_eq!(ledger.listed(&number, "spring", Some(Purpose::Sales)), None);
        ledger.suppress_for(&number, Reach::Campaign("spring".into())).unwrap();
        assert_eq!(ledger.listed(&number, "spring", None), Some("opt_out"));
        assert_eq!(ledger.listed(&number, "autumn", None), None);
    }
}
