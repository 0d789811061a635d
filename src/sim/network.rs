//! Virtual wires between the parts of a simulated network: delay, jitter, loss, duplicates, reordering, outages.
//!
//! A [`Link`] decides the fate of one packet; a [`Network`] keeps the packets that are under way and hands them out
//! when they are due, in the order of time. Every decision is drawn from the link's own generator, so that one seed
//! gives one fate.

use crate::rng::Rng;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// How good a link is.
#[derive(Clone, PartialEq, Debug)]
pub struct Quality {
    /// What every packet takes.
    pub delay: Duration,
    /// What a packet may take beyond `delay`, evenly distributed. The order of packets is kept as on a queue.
    pub jitter: Duration,
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a packet comes twice.
    pub duplicate: f64,
    /// Probability that a packet is held back and overtaken.
    pub reorder: f64,
    /// How long an overtaken packet is held back.
    pub held_back: Duration,
    /// Times in which nothing passes: from the first instant until before the second.
    pub outages: Vec<(Instant, Instant)>,
}

impl Quality {
    /// A wire without fault and with a millisecond of delay.
    pub fn perfect() -> Quality {
        Quality {
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            held_back: Duration::from_millis(30),
            outages: Vec::new(),
        }
    }

    /// An ordinary bad day: 20 ms of delay, 15 ms of jitter, and each fault at `share`.
    pub fn faulty(share: f64) -> Quality {
        Quality {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(15),
            loss: share,
            duplicate: share,
            reorder: share,
            ..Quality::perfect()
        }
    }
}

/// What a link did, for the checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Passed {
    /// Packets that were given to the link.
    pub sent: u64,
    /// Packets that it lost, outages included.
    pub lost: u64,
    /// Packets that it doubled.
    pub duplicated: u64,
    /// Packets that it let others overtake.
    pub reordered: u64,
}

/// One direction of a wire.
#[derive(Debug)]
pub struct Link {
    quality: Quality,
    rng: Rng,
    /// Before this no packet in order may arrive: jitter delays, it does not reorder.
    in_order_from: Instant,
    passed: Passed,
}

impl Link {
    /// A link of this quality with its own generator.
    pub fn new(quality: Quality, rng: Rng) -> Link {
        Link { quality, rng, in_order_from: Instant::ZERO, passed: Passed::default() }
    }

    /// When the packet that is sent `now` arrives, and when its duplicate does: neither, one or both.
    pub fn handle_packet(&mut self, now: Instant) -> [Option<Instant>; 2] {
        self.passed.sent += 1;
        let out = self.quality.outages.iter().any(|(from, to)| *from <= now && now < *to);
        if self.rng.chance(self.quality.loss) || out {
            self.passed.lost += 1;
            return [None, None];
        }
        let arrival = self.arrival(now);
        if !self.rng.chance(self.quality.duplicate) {
            return [Some(arrival), None];
        }
        self.passed.duplicated += 1;
        [Some(arrival), Some(self.arrival(now))]
    }

    fn arrival(&mut self, now: Instant) -> Instant {
        let jitter = Duration::from_micros(self.rng.below(self.quality.jitter.as_micros() as u64 + 1));
        let due = now + self.quality.delay + jitter;
        if self.rng.chance(self.quality.reorder) {
            self.passed.reordered += 1;
            return due + self.quality.held_back;
        }
        self.in_order_from = due.max(self.in_order_from);
        self.in_order_from
    }

    /// What it did so far.
    pub fn passed(&self) -> Passed {
        self.passed
    }
}

/// The packets under way. `T` is whatever a packet is to the one who sends it.
#[derive(Debug)]
pub struct Network<T> {
    under_way: BTreeMap<(Instant, u64), T>,
    next: u64,
    packets_max: usize,
    overflowed: u64,
}

impl<T: Clone> Network<T> {
    /// An empty network for at most `packets_max` packets at once.
    pub fn new(packets_max: usize) -> Network<T> {
        Network { under_way: BTreeMap::new(), next: 0, packets_max, overflowed: 0 }
    }

    /// Sends a packet over a link.
    pub fn handle_packet(&mut self, now: Instant, link: &mut Link, packet: T) {
        for arrival in link.handle_packet(now).into_iter().flatten() {
            if self.under_way.len() >= self.packets_max {
                self.overflowed += 1;
                return;
            }
            // The number keeps packets of one instant in the order in which they were sent.
            self.under_way.insert((arrival, self.next), packet.clone());
            self.next += 1;
        }
    }

    /// When the next packet arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// The next packet that has arrived by `now`.
    pub fn poll_output(&mut self, now: Instant) -> Option<T> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// How many packets are under way.
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many packets were dropped because too many were under way.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn arrivals(quality: Quality, seed: u64) -> Vec<(Instant, u64)> {
        let mut link = Link::new(quality, Rng::from_seed(seed));
        let mut network = Network::new(10_000);
        for n in 0..500u64 {
            network.handle_packet(at(20 * n), &mut link, n);
        }
        let mut seen = Vec::new();
        while let Some(due) = network.poll_timeout() {
            while let Some(packet) = network.poll_output(due) {
                seen.push((due, packet));
            }
        }
        seen
    }

    #[test]
    fn a_perfect_wire_delays_and_does_nothing_else() {
        let seen = arrivals(Quality::perfect(), 1);
        let expected: Vec<_> = (0..500).map(|n| (at(20 * n + 1), n)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn one_seed_gives_one_fate() {
        let quality = Quality::faulty(0.1);
        assert_eq!(arrivals(quality.clone(), 3), arrivals(quality.clone(), 3));
        assert_ne!(arrivals(quality.clone(), 3), arrivals(quality, 4));
    }

    #[test]
    fn faults_come_about_as_often_as_asked_for() {
        let mut link = Link::new(Quality::faulty(0.1), Rng::from_seed(5));
        for n in 0..10_000 {
            link.handle_packet(at(n));
        }
        let passed = link.passed();
        for (name, count) in
            [("lost", passed.lost), ("duplicated", passed.duplicated), ("reordered", passed.reordered)]
        {
            assert!((800..1200).contains(&count), "{name}: {count}");
        }
    }

    #[test]
    fn jitter_alone_never_reorders() {
        let quality = Quality { jitter: Duration::from_millis(90), ..Quality::perfect() };
        let order: Vec<_> = arrivals(quality, 6).into_iter().map(|(_, n)| n).collect();
        assert!(order.is_sorted());
        let reordering = Quality { reorder: 0.2, ..Quality::perfect() };
        let order: Vec<_> = arrivals(reordering, 6).into_iter().map(|(_, n)| n).collect();
        assert!(!order.is_sorted());
    }

    #[test]
    fn nothing_passes_an_outage() {
        let quality = Quality { outages: vec![(at(1000), at(2000))], ..Quality::perfect() };
        let seen = arrivals(quality, 7);
        assert_eq!(seen.len(), 450);
        assert!(seen.iter().all(|(_, n)| !(50..100).contains(n)));
    }

    #[test]
    fn a_full_network_drops_and_counts() {
        let mut link = Link::new(Quality::perfect(), Rng::from_seed(8));
        let mut network = Network::new(2);
        for n in 0..5 {
            network.handle_packet(at(0), &mut link, n);
        }
        assert_eq!((network.len(), network.overflowed()), (2, 3));
    }
}
