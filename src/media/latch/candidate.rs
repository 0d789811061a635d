//! A source that proves itself to be the peer: by different numbers that lie close together.

use super::NEAR;
use crate::rtp::Ssrc;
use crate::time::Instant;
use std::net::SocketAddr;

/// A source that may be the peer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Candidate {
    pub(super) source: SocketAddr,
    pub(super) ssrc: Ssrc,
    /// The newest number, and which of those behind it have come: a bit each, its own the lowest.
    pub(super) newest: u16,
    pub(super) came: u16,
    pub(super) heard_at: Instant,
}

impl Candidate {
    /// Its next packet; one that is far from those before begins anew.
    pub(super) fn handle_packet(&mut self, now: Instant, sequence: u16) {
        let (ahead, behind) = (sequence.wrapping_sub(self.newest), self.newest.wrapping_sub(sequence));
        self.heard_at = now;
        match (ahead < NEAR, behind < NEAR) {
            (true, _) => (self.newest, self.came) = (sequence, self.came << ahead | 1),
            (false, true) => self.came |= 1 << behind,
            (false, false) => (self.newest, self.came) = (sequence, 1),
        }
    }

    /// How many different numbers have come close together.
    pub(super) fn packets(&self) -> u32 {
        self.came.count_ones()
    }
}
