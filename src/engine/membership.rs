//! One node among several on a database: its lease, and its shares of the caps.
//!
//! It is heard of every [`BEAT`]. What it may do follows from the last answer alone, counted by its own monotonic clock from
//! the moment it asked: a node that was frozen, or that cannot reach the database, finds its time over without asking
//! anyone, and dials no more.

use crate::engine::rate::RateLimit;
use crate::record::{Allowance, BEAT, LEASE, LEASE_MARGIN, Share, Standing, Usage};
use crate::time::Instant;
use std::time::Duration;

/// A question that is not answered in this time is asked again: whoever had it to answer is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A cap, and this node's share of it.
struct Scope {
    name: String,
    cap: Allowance,
    share: Allowance,
    leads: bool,
    /// Calls that were begun.
    begun: RateLimit,
    /// INVITEs that left.
    left: RateLimit,
    /// A share of calls per second that was larger until a moment ago: what was dialed on it lies in the same second as
    /// what another would dial on it now.
    former: Option<(Instant, u32)>,
}

/// The node's membership.
pub struct Membership {
    scopes: Vec<Scope>,
    beat_at: Instant,
    asked_at: Option<Instant>,
    good_until: Option<Instant>,
    nodes: u32,
}

impl Membership {
    /// Of a node that is to be heard of at once. `caps` are those that it shares with the others, by name.
    pub fn new(now: Instant, caps: Vec<(String, Allowance)>) -> Self {
        let scope = |(name, cap)| Scope {
            name,
            cap,
            share: Allowance::default(),
            leads: false,
            begun: RateLimit::new(0.0),
            left: RateLimit::new(0.0),
            former: None,
        };
        let scopes = caps.into_iter().map(scope).collect();
        Membership { scopes, beat_at: now, asked_at: None, good_until: None, nodes: 0 }
    }

    /// A cap as it is configured now.
    pub fn set_cap(&mut self, name: &str, cap: Allowance) {
        if let Some(scope) = self.scopes.iter_mut().find(|scope| scope.name == name) {
            scope.cap = cap;
        }
    }

    /// When a beat is due.
    pub fn poll_timeout(&self) -> Instant {
        self.asked_at.map_or(self.beat_at, |asked_at| asked_at + ANSWER_WITHIN)
    }

    /// The beat that is due, if one is. `lines` says how many lines a scope has in use.
    pub fn beat(&mut self, now: Instant, lines: impl Fn(&str) -> u32) -> Option<Vec<Usage>> {
        if self.poll_timeout() > now {
            return None;
        }
        self.asked_at = Some(now);
        let usage = |scope: &mut Scope| {
            let former = scope.former.filter(|(until, _)| *until > now);
            scope.former = former;
            let calls = former.map_or(0, |(_, calls)| calls).max(scope.share.calls_per_1000_s);
            let held =
                Allowance { lines: scope.share.lines.max(lines(&scope.name)), calls_per_1000_s: calls };
            Usage { scope: scope.name.clone(), cap: scope.cap, held }
        };
        Some(self.scopes.iter_mut().map(usage).collect())
    }

    /// The database has heard of it.
    pub fn handle_beat(&mut self, now: Instant, standing: Standing, shares: &[Share], nodes: u32) {
        let asked_at = self.asked_at.take().unwrap_or(now);
        self.beat_at = (asked_at + BEAT).max(now);
        self.nodes = nodes;
        // The lease counts from the question: the database renewed it later than that.
        self.good_until = (standing != Standing::Replaced).then(|| asked_at + (LEASE - LEASE_MARGIN));
        for scope in &mut self.scopes {
            let share = shares.iter().find(|share| share.scope == scope.name);
            scope.leads = share.is_some_and(|share| share.leads);
            scope.take(now, share.map(|share| share.allowance).unwrap_or_default());
        }
    }

    /// The database has not.
    pub fn handle_failed(&mut self, now: Instant) {
        self.asked_at = None;
        self.beat_at = now + BEAT;
    }

    /// Whether a call may be begun, or its INVITE leave.
    pub fn is_good(&self, now: Instant) -> bool {
        self.good_until.is_some_and(|until| now < until)
    }

    /// Nodes that were alive at the last beat.
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// Whether this node divides a cap among all.
    pub fn leads(&self, name: &str) -> bool {
        self.scope(name).is_some_and(|scope| scope.leads)
    }

    /// Lines of a scope that this node may have in use at once.
    pub fn lines(&self, name: &str) -> u32 {
        self.scope(name).map_or(0, |scope| scope.share.lines)
    }

    /// When the next call of a scope may be begun; none while it has no share of calls per second.
    pub fn free_at(&self, name: &str, now: Instant) -> Option<Instant> {
        self.scope(name)?.begun.free_at(now)
    }

    /// When the next INVITE of a scope may leave.
    pub fn leaves_at(&self, name: &str, now: Instant) -> Option<Instant> {
        self.scope(name)?.left.free_at(now)
    }

    /// A call is begun in these scopes.
    pub fn record_begun(&mut self, names: &[String], now: Instant) {
        self.of(names).for_each(|scope| scope.begun.record(now));
    }

    /// An INVITE leaves in these scopes.
    pub fn record_left(&mut self, names: &[String], now: Instant) {
        self.of(names).for_each(|scope| scope.left.record(now));
    }

    /// The INVITEs that have left since `since` were on the wire at `until` only.
    pub fn postpone_left(&mut self, since: Instant, until: Instant) {
        self.scopes.iter_mut().for_each(|scope| scope.left.postpone(since, until));
    }

    fn scope(&self, name: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.name == name)
    }

    fn of<'s>(&'s mut self, names: &'s [String]) -> impl Iterator<Item = &'s mut Scope> {
        self.scopes.iter_mut().filter(|scope| names.contains(&scope.name))
    }
}

impl Scope {
    fn take(&mut self, now: Instant, share: Allowance) {
        let before = self.share.calls_per_1000_s;
        if share.calls_per_1000_s != before {
            let per_second = f64::from(share.calls_per_1000_s) / 1_000.0;
            self.begun.set(per_second);
            self.left.set(per_second);
        }
        if share.calls_per_1000_s < before {
            // A rate below one a second looks back further than a second.
            let window = Duration::from_secs_f64((1_000.0 / f64::from(before)).max(1.0)) + LEASE_MARGIN;
            self.former = Some((now + window, before));
        }
        self.share = share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn allowance(lines: u32, per_second: u32) -> Allowance {
        Allowance { lines, calls_per_1000_s: per_second * 1_000 }
    }

    fn share(lines: u32, per_second: u32) -> Vec<Share> {
        vec![Share { scope: "engine".into(), allowance: allowance(lines, per_second), leads: true }]
    }

    fn member() -> Membership {
        Membership::new(at(0), vec![("engine".into(), allowance(10, 10))])
    }

    fn held(usage: &[Usage]) -> (u32, u32) {
        (usage[0].held.lines, usage[0].held.calls_per_1000_s / 1_000)
    }

    #[test]
    fn a_node_that_was_frozen_finds_its_time_over_by_its_own_clock() {
        let mut node = member();
        assert!(!node.is_good(at(0)), "nobody has heard of it");
        assert!(node.beat(at(0), |_| 0).is_some());
        node.handle_beat(at(900), Standing::Alive, &share(10, 10), 1);
        assert!(
            node.is_good(at(1_999)) && !node.is_good(at(2_000)),
            "counted from the question, not the answer"
        );
        assert!(node.beat(at(60_000), |_| 0).is_some());
        assert!(!node.is_good(at(60_000)), "and asking alone is no answer");
        node.handle_beat(at(60_010), Standing::Replaced, &[], 1);
        assert!(!node.is_good(at(60_010)), "another has its name");
    }

    #[test]
    fn one_question_waits_for_its_answer_before_the_next_is_asked() {
        let mut node = member();
        assert!(node.beat(at(0), |_| 0).is_some());
        assert!(node.beat(at(10_000), |_| 0).is_none());
        node.handle_failed(at(10_000));
        assert!(node.beat(at(10_499), |_| 0).is_none());
        assert!(node.beat(at(10_500), |_| 0).is_some());
    }

    #[test]
    fn a_smaller_share_is_let_go_only_when_it_is_not_used_any_more() {
        let mut node = member();
        assert_eq!(held(&node.beat(at(0), |_| 0).unwrap()), (0, 0));
        node.handle_beat(at(0), Standing::Alive, &share(10, 10), 1);
        for _ in 0..10 {
            node.record_begun(&["engine".into()], at(400));
        }
        assert_eq!(held(&node.beat(at(500), |_| 7).unwrap()), (10, 10));
        node.handle_beat(at(500), Standing::Alive, &share(5, 5), 2);
        assert_eq!((node.lines("engine"), node.free_at("engine", at(500))), (5, Some(at(1_400))));
        // Seven calls are up, and what was dialed in the last second counts for the larger share.
        assert_eq!(held(&node.beat(at(1_000), |_| 7).unwrap()), (7, 10));
        node.handle_beat(at(1_000), Standing::Alive, &share(5, 5), 2);
        assert_eq!(held(&node.beat(at(2_500), |_| 4).unwrap()), (5, 5));
    }

    #[test]
    fn without_a_share_nothing_is_dialed() {
        let mut node = member();
        node.beat(at(0), |_| 0);
        node.handle_beat(at(0), Standing::Alive, &[], 3);
        assert_eq!((node.lines("engine"), node.free_at("engine", at(0)), node.nodes()), (0, None, 3));
    }
}
