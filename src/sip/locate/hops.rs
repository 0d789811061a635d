//! The hops of one trunk at work: which lives, which is dead, which wants to be left alone, and which comes next.
//!
//! A hop that has answered an INVITE is stuck to, as long as none of a better rank lives. One that let an INVITE go
//! without any response, refused the connection or was unreachable is dead at once, so that the next call does not wait
//! for it too; two OPTIONS in a row that it answers bring it back. Where no OPTIONS are sent it rests, longer each time,
//! and is tried again then. The last hop that lives is never declared dead by a call: where there is nothing else, the
//! trunk's breaker decides.

use super::super::target::Transport;
use super::search::Hop;
use crate::time::Instant;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Unanswered (answered) OPTIONS in a row that turn a hop dead (alive again).
pub const PINGS_TO_TURN: u32 = 2;

/// An OPTIONS without answer for this long has none: copies have left at 0, 0.5, 1.5 and 3.5 s (RFC 3261, Timer E).
const PING_WITHIN: Duration = Duration::from_secs(4);

/// In doubt the next OPTIONS leaves as soon as this.
const PING_AGAIN: Duration = Duration::from_secs(3);

/// A dead hop without OPTIONS rests for this long, twice as long each time.
const REST_MIN: Duration = Duration::from_secs(30);

/// And no longer than this.
const REST_MAX: Duration = Duration::from_secs(300);

/// A hop by what tells it from others.
pub type Place = (Transport, SocketAddr);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Alive,
    /// Tried again at that time where no OPTIONS are sent.
    Dead {
        rests_until: Instant,
    },
}

#[derive(Clone, Debug)]
struct Member {
    hop: Hop,
    life: Life,
    /// It has asked to be left alone until then.
    asked_rest: Option<Instant>,
    /// OPTIONS in a row that speak against what it is taken for.
    pings_against: u32,
    deaths: u32,
    ping_at: Instant,
    /// An OPTIONS is out and has failed by then.
    ping_until: Option<Instant>,
}

/// One hop as the operator is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HopState<'h> {
    /// The hop.
    pub hop: &'h Hop,
    /// `alive`, `dead`, or `resting`.
    pub word: &'static str,
    /// The next call goes there.
    pub is_next: bool,
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct Hops {
    members: Vec<Member>,
    current: Option<Place>,
    /// Between two OPTIONS; none are sent without.
    interval: Option<Duration>,
}

impl Hops {
    /// No hop yet. OPTIONS leave at this interval, or not at all.
    pub fn new(interval: Option<Duration>) -> Self {
        Hops { members: Vec::new(), current: None, interval }
    }

    /// Changes the interval of OPTIONS.
    pub fn set_interval(&mut self, now: Instant, interval: Option<Duration>) {
        self.interval = interval;
        let due = now + interval.unwrap_or_default();
        self.members.iter_mut().for_each(|member| member.ping_at = member.ping_at.min(due));
    }

    /// Other hops; those that stay keep their state. Gives the addresses before and after.
    pub fn replace(&mut self, now: Instant, hops: Vec<Hop>) -> (Vec<IpAddr>, Vec<IpAddr>) {
        let before = self.addresses();
        let mut old = std::mem::take(&mut self.members);
        self.members = hops
            .into_iter()
            .map(|hop| match old.iter().position(|member| place(&member.hop) == place(&hop)) {
                Some(known) => Member { hop, ..old.swap_remove(known) },
                None => Member {
                    hop,
                    life: Life::Alive,
                    asked_rest: None,
                    pings_against: 0,
                    deaths: 0,
                    ping_at: now,
                    ping_until: None,
                },
            })
            .collect();
        (before, self.addresses())
    }

    /// The hops' addresses, each as often as there are hops at it.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.members.iter().map(|member| member.hop.address.ip()).collect()
    }

    /// Whether there is no hop at all.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Where the next request goes that has `tried` some already.
    pub fn choose(&self, now: Instant, tried: &[Place]) -> Option<Place> {
        let free = |member: &&Member| {
            member.is_usable(now, self.interval.is_some()) && !tried.contains(&place(&member.hop))
        };
        let best = self.members.iter().filter(free).min_by_key(|member| {
            // The first of equals wins: the list is in order.
            (member.hop.rank, Some(place(&member.hop)) != self.current)
        })?;
        Some(place(&best.hop))
    }

    /// Whether any hop lives, its wish to be left alone aside.
    pub fn is_up(&self, now: Instant) -> bool {
        self.members.iter().any(|member| member.lives(now, self.interval.is_some()))
    }

    /// When the first of those that live may be asked again, when all of them want to be left alone.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        let living = self.members.iter().filter(|member| member.lives(now, self.interval.is_some()));
        let mut first = None;
        for member in living {
            let until = member.asked_rest.filter(|until| *until > now)?;
            first = Some(first.map_or(until, |first: Instant| first.min(until)));
        }
        first
    }

    /// A hop has responded to an INVITE.
    pub fn handle_response(&mut self, at: Place) {
        if let Some(member) = self.member(at) {
            (member.life, member.deaths, member.pings_against) = (Life::Alive, 0, 0);
            self.current = Some(at);
        }
    }

    /// A hop let an INVITE go without any response, or could not be reached. True when it is given up for another.
    pub fn handle_failure(&mut self, now: Instant, at: Place) -> bool {
        let pings = self.interval.is_some();
        let others = |member: &&Member| place(&member.hop) != at && member.lives(now, pings);
        let is_last = self.members.iter().filter(others).count() == 0;
        let Some(member) = self.member(at).filter(|_| !is_last) else { return false };
        let lived = member.life == Life::Alive;
        member.die(now);
        self.current = self.current.filter(|current| *current != at);
        lived
    }

    /// A hop wants to be left alone (Retry-After). Of calls that were on their way together each may be told another time:
    /// the latest holds.
    pub fn rest(&mut self, at: Place, until: Instant) {
        if let Some(member) = self.member(at) {
            member.asked_rest = member.asked_rest.max(Some(until));
        }
    }

    /// A hop that is to be asked with OPTIONS now.
    pub fn ping_due(&self, now: Instant) -> Option<Place> {
        self.interval?;
        let due = |member: &&Member| member.ping_until.is_none() && member.ping_at <= now;
        self.members.iter().find(due).map(|member| place(&member.hop))
    }

    /// An OPTIONS has left, or could not.
    pub fn handle_ping_sent(&mut self, now: Instant, at: Place, sent: bool) {
        let interval = self.interval.unwrap_or_default();
        if let Some(member) = self.member(at) {
            member.ping_at = now + interval;
            member.ping_until = sent.then(|| now + PING_WITHIN);
        }
    }

    /// An OPTIONS was answered, or not. True when the hop's life has changed by it.
    pub fn handle_ping(&mut self, now: Instant, at: Place, answered: bool) -> bool {
        let Some(member) = self.member(at) else { return false };
        member.ping_until = None;
        let alive = member.life == Life::Alive;
        member.pings_against = if answered == alive { 0 } else { member.pings_against + 1 };
        if member.pings_against > 0 || !alive {
            member.ping_at = member.ping_at.min(now + PING_AGAIN);
        }
        if member.pings_against < PINGS_TO_TURN {
            return false;
        }
        match answered {
            true => (member.life, member.pings_against) = (Life::Alive, 0),
            false => member.die(now),
        }
        true
    }

    /// A hop whose OPTIONS has gone without answer for too long: [`Hops::handle_ping`] is to be told.
    pub fn ping_overdue(&self, now: Instant) -> Option<Place> {
        let overdue = |member: &&Member| member.ping_until.is_some_and(|until| until <= now);
        self.members.iter().find(overdue).map(|member| place(&member.hop))
    }

    /// When [`Hops::ping_due`] or [`Hops::ping_overdue`] has something.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.interval?;
        self.members.iter().map(|member| member.ping_until.unwrap_or(member.ping_at)).min()
    }

    /// Each hop, in the order of the list.
    pub fn states(&self, now: Instant) -> impl Iterator<Item = HopState<'_>> {
        let next = self.choose(now, &[]);
        let pings = self.interval.is_some();
        self.members.iter().map(move |member| HopState {
            hop: &member.hop,
            word: match member.lives(now, pings) {
                false => "dead",
                true if member.asked_rest.is_some_and(|until| until > now) => "resting",
                true => "alive",
            },
            is_next: Some(place(&member.hop)) == next,
        })
    }

    fn member(&mut self, at: Place) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| place(&member.hop) == at)
    }
}

impl Member {
    fn lives(&self, now: Instant, pings: bool) -> bool {
        match self.life {
            Life::Alive => true,
            Life::Dead { rests_until } => !pings && rests_until <= now,
        }
    }

    fn is_usable(&self, now: Instant, pings: bool) -> bool {
        self.lives(now, pings) && self.asked_rest.is_none_or(|until| until <= now)
    }

    fn die(&mut self, now: Instant) {
        let rest = REST_MIN.saturating_mul(1 << self.deaths.min(8)).min(REST_MAX);
        self.life = Life::Dead { rests_until: now + rest };
        self.deaths = self.deaths.saturating_add(1);
        self.pings_against = 0;
        self.ping_at = self.ping_at.min(now + PING_AGAIN);
    }
}

/// How and where it is reached.
pub fn place(hop: &Hop) -> Place {
    (hop.transport, hop.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn hop(n: u8, rank: u16) -> Hop {
        let address = SocketAddr::from(([192, 0, 2, n], 5060));
        Hop { transport: Transport::Udp, address, rank, why: String::new() }
    }

    fn three(interval: Option<u64>) -> Hops {
        let mut hops = Hops::new(interval.map(Duration::from_secs));
        hops.replace(at(0), vec![hop(1, 0), hop(2, 0), hop(3, 1)]);
        hops
    }

    fn next(hops: &Hops, seconds: u64) -> u8 {
        match hops.choose(at(seconds), &[]).map(|(_, address)| address.ip()) {
            Some(IpAddr::V4(ip)) => ip.octets()[3],
            _ => 0,
        }
    }

    fn of(n: u8) -> Place {
        place(&hop(n, 0))
    }

    #[test]
    fn the_first_is_taken_and_the_one_that_answers_is_stuck_to() {
        let mut hops = three(None);
        assert_eq!(next(&hops, 0), 1);
        assert!(hops.handle_failure(at(0), of(1)));
        assert_eq!(next(&hops, 1), 2);
        hops.handle_response(of(2));
        assert_eq!(next(&hops, 60), 2, "the first has rested, but the second lives");
        assert!(hops.handle_failure(at(60), of(2)));
        assert_eq!(next(&hops, 61), 1);
    }

    #[test]
    fn a_better_rank_is_gone_back_to_once_it_lives_again() {
        let mut hops = three(Some(30));
        hops.handle_failure(at(0), of(1));
        hops.handle_failure(at(0), of(2));
        assert_eq!(next(&hops, 0), 3);
        hops.handle_response(of(3));
        assert!(!hops.handle_ping(at(4), of(2), true), "one answer is not enough");
        assert_eq!(next(&hops, 5), 3);
        assert!(hops.handle_ping(at(7), of(2), true));
        assert_eq!(next(&hops, 7), 2);
    }

    #[test]
    fn the_last_that_lives_is_not_declared_dead_by_a_call_but_by_two_pings() {
        let mut hops = Hops::new(Some(Duration::from_secs(30)));
        hops.replace(at(0), vec![hop(1, 0)]);
        assert!(!hops.handle_failure(at(0), of(1)));
        assert_eq!(next(&hops, 0), 1);
        assert!(!hops.handle_ping(at(4), of(1), false));
        assert!(hops.is_up(at(4)));
        assert!(hops.handle_ping(at(8), of(1), false));
        assert!(!hops.is_up(at(8)) && hops.choose(at(8), &[]).is_none());
    }

    #[test]
    fn a_dead_hop_without_pings_rests_longer_each_time() {
        let mut hops = three(None);
        hops.handle_response(of(2));
        for (death, rest) in [(0, 30), (100, 60), (200, 120), (400, 240), (700, 300), (1_100, 300)] {
            hops.handle_failure(at(death), of(1));
            let lives = |seconds| hops.members[0].lives(at(seconds), false);
            assert!(!lives(death + rest - 1) && lives(death + rest), "after the death at {death} s");
        }
    }

    #[test]
    fn retry_after_of_one_leads_to_another_and_of_all_to_a_rest() {
        let mut hops = three(None);
        hops.rest(of(1), at(10));
        assert_eq!((next(&hops, 0), hops.rests_until(at(0))), (2, None));
        hops.rest(of(2), at(8));
        hops.rest(of(3), at(9));
        assert_eq!((next(&hops, 0), hops.rests_until(at(0))), (0, Some(at(8))));
        assert_eq!((next(&hops, 8), hops.rests_until(at(8))), (2, None));
    }

    #[test]
    fn hops_that_stay_keep_their_state_when_the_list_changes() {
        let mut hops = three(None);
        hops.handle_failure(at(0), of(1));
        let (before, after) = hops.replace(at(1), vec![hop(1, 0), hop(4, 0)]);
        assert_eq!((before.len(), after.len()), (3, 2));
        assert_eq!(next(&hops, 2), 4);
    }

    #[test]
    fn in_doubt_the_next_ping_leaves_soon() {
        let mut hops = Hops::new(Some(Duration::from_secs(30)));
        hops.replace(at(0), vec![hop(1, 0)]);
        assert_eq!(hops.ping_due(at(0)), Some(of(1)));
        hops.handle_ping_sent(at(0), of(1), true);
        assert_eq!((hops.ping_due(at(2)), hops.poll_timeout()), (None, Some(at(4))));
        assert_eq!(hops.ping_overdue(at(4)), Some(of(1)));
        hops.handle_ping(at(4), of(1), false);
        assert_eq!(hops.poll_timeout(), Some(at(7)));
    }
}
