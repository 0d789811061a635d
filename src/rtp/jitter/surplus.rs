//! What waits in the buffer and need not: a backlog that was held up and came at once, and all later sound behind it.
//!
//! A packet's margin is the time from its arrival to when it is due. What the network needs shows in the least margin of a
//! while: some packet came with no more than the delay to spare. Where each came with more, what is more than the delay
//! serves nobody, and is left out at once. Right after a start a short while tells; later it takes longer, and what is less
//! than three frames is left to the correction of drift.

use super::FRAME;

/// Slots of a look, and the frames that are too many then: after a start, and later.
const SOON: (u32, u64) = (10, 2);
const LATER: (u32, u64) = (50, 3);
/// Looks that come soon after a start: one second.
const LOOKS_SOON: u32 = 5;
/// A look with fewer packets than one in so many slots says nothing: 80 ms are longer than any usual packet.
const SLOTS_A_PACKET: u32 = 4;

/// The least margin of a while.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Surplus {
    looks_soon: u32,
    slots: u32,
    packets: u32,
    margin_min: i64,
}

impl Surplus {
    /// Playout begins, or begins anew.
    pub fn new() -> Self {
        Surplus { looks_soon: LOOKS_SOON, slots: 0, packets: 0, margin_min: i64::MAX }
    }

    /// A packet came so long before it is due, in units of the RTP clock; less than zero is too late.
    pub fn handle_arrival(&mut self, margin: i64) {
        self.packets += 1;
        self.margin_min = self.margin_min.min(margin);
    }

    /// Another 20 ms of playout: so many frames are to be left out.
    pub fn handle_slot(&mut self, delay: u64) -> u64 {
        self.slots += 1;
        let (slots, frames_min) = if self.looks_soon > 0 { SOON } else { LATER };
        if self.slots < slots {
            return 0;
        }
        let (packets, spare) = (self.packets, self.margin_min.saturating_sub_unsigned(delay));
        *self = Surplus { looks_soon: self.looks_soon.saturating_sub(1), ..Surplus::new() };
        let frames = spare.max(0) as u64 / FRAME as u64;
        if packets >= slots / SLOTS_A_PACKET && frames >= frames_min { frames } else { 0 }
    }
}
