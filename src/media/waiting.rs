//! What has waited on a port while nobody read it, each datagram with the moment at which it came.

use crate::time::Instant;
use std::net::{Ipv4Addr, SocketAddr};

/// Longer datagrams are no RTP of ours; they are cut.
pub const DATAGRAM_MAX: usize = 2_048;

/// Datagrams that are read together: what a peer sends in 200 ms in packets of 5 ms, and a few of a stranger.
pub const WAITING_MAX: usize = 44;

/// The room that datagrams are read into.
pub type Room = [[u8; DATAGRAM_MAX]; WAITING_MAX];

/// Datagrams of one port, in the order in which they came.
pub struct Waiting {
    room: Box<Room>,
    heads: [Head; WAITING_MAX],
    count: usize,
    taken: usize,
}

/// What is known of a datagram beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// When it came.
    pub at: Instant,
    /// From where.
    pub source: SocketAddr,
    /// Its bytes.
    pub length: usize,
}

impl Waiting {
    /// With its memory, and nothing in it.
    pub fn new() -> Self {
        let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let room = vec![[0; DATAGRAM_MAX]; WAITING_MAX].into_boxed_slice();
        Waiting {
            room: room.try_into().unwrap_or_else(|_| unreachable!("it has just this length")),
            heads: [Head { at: Instant::ZERO, source: nowhere, length: 0 }; WAITING_MAX],
            count: 0,
            taken: 0,
        }
    }

    /// Puts others in place of what is here: `read` fills the room from its beginning and tells of each, in order.
    pub fn fill(&mut self, read: impl FnOnce(&mut Room, &mut dyn FnMut(Head))) {
        let Waiting { room, heads, count, taken } = self;
        (*count, *taken) = (0, 0);
        read(room, &mut |head| {
            if let Some(place) = heads.get_mut(*count) {
                *place = head;
                *count += 1;
            }
        });
        // What lies before another came before it, whatever clock was asked.
        for place in (1..*count).rev() {
            heads[place - 1].at = heads[place - 1].at.min(heads[place].at);
        }
    }

    /// The next one, if it came no later than `until`.
    pub fn next_until(&mut self, until: Instant) -> Option<(Head, &[u8])> {
        let place = self.taken;
        let head = *self.heads[..self.count].get(place).filter(|head| head.at <= until)?;
        self.taken += 1;
        Some((head, &self.room[place][..head.length.min(DATAGRAM_MAX)]))
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting::new()
    }
}
