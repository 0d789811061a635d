//! Whether a trunk's hops live: OPTIONS that are out to each of them, and what came back.

use crate::sip::endpoint::{PingKey, PingOutcome, Target};
use crate::sip::locate::Hops;
use crate::sip::locate::hops::Place;
use crate::time::Instant;
use std::time::Duration;

/// The answer to the last OPTIONS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    /// Its status.
    pub status: u16,
    /// How long it took.
    pub round_trip: Duration,
}

/// The OPTIONS that are out.
#[derive(Clone, Debug, Default)]
pub struct Health {
    out: Vec<(PingKey, Place)>,
    echo: Option<Echo>,
}

impl Health {
    /// Whether this OPTIONS is ours.
    pub fn awaits(&self, key: PingKey) -> bool {
        self.out.iter().any(|(known, _)| *known == key)
    }

    /// An OPTIONS has left.
    pub fn handle_sent(&mut self, key: PingKey, at: Place) {
        self.out.push((key, at));
    }

    /// An OPTIONS was answered, or not. True when a hop's life has changed by it. Any answer is a sign of life: a 503
    /// says that the trunk is full, not that it is dead.
    pub fn handle_outcome(
        &mut self,
        now: Instant,
        key: PingKey,
        outcome: &PingOutcome,
        hops: &mut Hops,
    ) -> (Option<Place>, bool) {
        let Some(known) = self.out.iter().position(|(known, _)| *known == key) else { return (None, false) };
        let (_, at) = self.out.swap_remove(known);
        let answered = match outcome {
            PingOutcome::Answered { status, round_trip, .. } => {
                self.echo = Some(Echo { status: *status, round_trip: *round_trip });
                true
            }
            PingOutcome::NoAnswer => false,
        };
        (Some(at), hops.handle_ping(now, at, answered))
    }

    /// OPTIONS that have gone without answer for too long count as unanswered. True when a hop has died of it.
    pub fn handle_timeout(&mut self, now: Instant, hops: &mut Hops) -> bool {
        let mut changed = false;
        while let Some(at) = hops.ping_overdue(now) {
            self.out.retain(|(_, known)| *known != at);
            changed |= hops.handle_ping(now, at, false);
        }
        changed
    }

    /// The answer to the last OPTIONS that had one.
    pub fn echo(&self) -> Option<Echo> {
        self.echo
    }
}

/// A hop by what tells it from others.
pub fn place_of(target: Target) -> Place {
    (target.transport, target.address)
}
