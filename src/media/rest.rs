//! When a stream is listened to: in each of its slots, or at leisure in every tenth.
//!
//! A packet that is read when it comes costs more than it need, for by then all that belongs to its stream, in the kernel as
//! well as here, has left the processor's caches for a thousand other streams. While somebody waits for what a
//! stream hears (a verdict, a partner, a recording, a meter) it is read in each slot. While the callee listens to a prompt
//! and the verdict stands, nobody does: the packets wait in their socket, and every tenth slot hears ten slots' worth, each
//! with what had come by then. What is found is what would have been found, and is told up to 180 ms later; so is a key that
//! the callee presses, but never behind the end of the prompt that it was pressed in.

use crate::audio::FRAME;
use crate::time::Instant;

/// Slots that are heard together: 200 ms.
pub const TOGETHER: u32 = 10;

/// In which of every [`TOGETHER`] turns each stream of a slot is heard, should it rest: in each as many as in any other, so
/// that no slot is full while the next has nothing to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turns([u32; TOGETHER as usize]);

impl Turns {
    /// The turn of another stream.
    pub fn take(&mut self) -> u8 {
        let turn = (0..self.0.len()).min_by_key(|turn| self.0[*turn]).unwrap_or_default();
        self.0[turn] += 1;
        turn as u8
    }

    /// A stream that had this one is gone.
    pub fn give_back(&mut self, turn: u8) {
        self.0[usize::from(turn)] -= 1;
    }
}

/// The slots of a stream that have passed unheard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rest {
    since: Instant,
    slots: u32,
}

impl Rest {
    /// A slot passes unheard.
    pub fn pass(&mut self, now: Instant) {
        if self.slots == 0 {
            self.since = now;
        }
        self.slots += 1;
    }

    /// Whether any has.
    pub fn is_behind(&self) -> bool {
        self.slots > 0
    }

    /// The moments of all that have, the first first; none has from now on.
    pub fn end(&mut self) -> impl Iterator<Item = Instant> + use<> {
        let Rest { since, slots } = std::mem::take(self);
        (0..slots).map(move |slot| since + FRAME * slot)
    }
}
