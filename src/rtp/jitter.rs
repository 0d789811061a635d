//! The jitter buffer: packets in when they come, a frame out when it is due.
//!
//! It is a ring of samples with a flag each, indexed by the RTP timestamp. So reordering, copies, any packet length and
//! gaps need no code of their own: samples are laid where they belong, and a frame is taken whole or is missing. A packet
//! that is late by no more than the playout delay, fixed or adaptive ([`super::delay`]), is still heard.
//!
//! ```text
//!        taken          | due: 20 ms |  waiting                    | free
//!   --------------------+------------+------------------+----------+-------->  timestamp
//!                     playout                           newest
//! ```
//!
//! A sender that pauses (it suppresses silence, or has nothing to say) leaves the buffer dry, and its clock need not go on
//! as ours does meanwhile. So what comes after a pause waits out the delay anew, as the first packet did. What was held up
//! on its way and comes in a burst must not make all later sound late: of it is heard what is in time when playout begins, and
//! what is more by then or comes still is left out (`surplus`), as is what is more than the ring can hold.
//!
//! Two clocks never agree. Over windows of five seconds the greatest depth (that of the packets which were delayed
//! least) is compared with what it should be: a frame too deep, and one frame is skipped; a frame too shallow, and one
//! is inserted. That holds to 4,000 ppm, forty times what real crystals are off.

mod lag;
mod surplus;

use self::lag::Lag;
use self::surplus::Surplus;
use super::CLOCK_HZ;
use super::delay::{Delay, Step, Target};
use super::present::Present;
use super::sequence::Unrolled;
use crate::time::Instant;
use std::time::Duration;

/// Samples that fit in: 512 ms.
pub const CAPACITY: usize = 4_096;

/// Longer packets are none of sound: a quarter of the ring.
pub const SAMPLES_MAX: usize = CAPACITY / 4;

/// The longest playout delay; the rest of the ring is room for bursts.
pub const DELAY_MAX: Duration = Duration::from_millis(200);

/// What sound may wait beyond the delay before the correction of drift leaves some out.
pub const LAG_OVER_MAX: Duration = Duration::from_millis(60);

/// Samples of one frame of 20 ms.
pub const FRAME: usize = 160;

/// So many packets in a row too late, over at least this time, and the sender's clock has jumped back, or the way has become
/// longer. A burst that was held up comes at once, and what follows it is in time again.
const LATE_RUN: u32 = 4;
const LATE_FOR: Duration = Duration::from_millis(50);
/// So many slots in a row without anything newer, and the sender pauses: 100 ms, more than what comes late.
const PAUSE_SLOTS: u32 = 5;
/// A sender's line goes on where no more than this was lost: 128 ms.
const GAP_MAX: u64 = SAMPLES_MAX as u64;
/// What is held up by less is left to the correction of drift: 40 ms.
const BACKLOG_MIN: u64 = 2 * FRAME as u64;
/// Slots of one drift window: five seconds.
const WINDOW_SLOTS: u32 = 250;
/// Fewer packets in a window say nothing about drift.
const WINDOW_PACKETS: u32 = 50;

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It waits for its time.
    Queued,
    /// Its time is over.
    Late,
    /// All of it was there.
    Duplicate,
    /// Too far ahead for the sender's line; believed when the next packet says so too.
    Doubtful,
    /// The sender's clock has jumped: the buffer begins anew with this packet.
    Restarted,
    /// No sound in it, or more than a quarter of the ring.
    Unusable,
}

/// What is due in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Playout {
    /// Nothing has come yet, or the first packet still waits out its delay.
    Waiting,
    /// The frame is there.
    Frame,
    /// The sender is silent on purpose (comfort noise, RFC 3389).
    Quiet,
    /// Lost or late: unknown, which is not the same as silent.
    Missing,
}

/// The buffer of one stream.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    codes: Box<[u8]>,
    present: Present,
    delay: Target,
    timestamps: Unrolled,
    state: State,
    /// The sender went quiet here.
    quiet_from: Option<u64>,
    late_run: u32,
    /// When that run began.
    late_since: Instant,
    /// Slots in a row that found everything played.
    dry_slots: u32,
    doubtful: Option<u64>,
    window: Window,
    surplus: Surplus,
    lag: Lag,
    packet_units: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Empty,
    /// The first packet came at `since`; playout will begin with `first`.
    Filling {
        since: Instant,
        first: u64,
    },
    Playing {
        playout: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Window {
    slots: u32,
    packets: u32,
    depth_max: i64,
}

impl JitterBuffer {
    /// An empty buffer with its memory; `delay` is cut to [`DELAY_MAX`].
    pub fn new(delay: impl Into<Delay>) -> Self {
        JitterBuffer {
            codes: vec![0; CAPACITY].into_boxed_slice(),
            present: Present::new(CAPACITY),
            delay: Target::new(delay.into(), DELAY_MAX),
            timestamps: Unrolled::new(),
            state: State::Empty,
            quiet_from: None,
            late_run: 0,
            late_since: Instant::ZERO,
            dry_slots: 0,
            doubtful: None,
            window: Window::default(),
            surplus: Surplus::new(),
            lag: Lag::new(),
            packet_units: FRAME as u64,
        }
    }

    /// Empty again, with another delay.
    pub fn reset_with(&mut self, delay: Delay) {
        self.delay = Target::new(delay, DELAY_MAX);
        self.lag = Lag::new();
        self.reset();
    }

    /// Forgets all packets, keeps memory and delay.
    pub fn reset(&mut self) {
        self.present.clear();
        self.timestamps.reset();
        self.state = State::Empty;
        self.quiet_from = None;
        (self.late_run, self.dry_slots) = (0, 0);
        self.doubtful = None;
        self.window = Window::default();
        self.packet_units = FRAME as u64;
    }

    /// A packet of audio, one byte a sample.
    pub fn handle_payload(&mut self, now: Instant, timestamp: u32, payload: &[u8]) -> Taken {
        if payload.is_empty() || payload.len() > SAMPLES_MAX {
            return Taken::Unusable;
        }
        let begin = self.timestamps.peek32(timestamp);
        let end = begin + payload.len() as u64;
        let mut earliest = match self.state {
            State::Empty => {
                self.begin(now, begin, payload);
                return Taken::Queued;
            }
            State::Filling { first, since } => {
                if begin < first && first - begin <= self.delay.units() {
                    self.state = State::Filling { first: begin, since };
                }
                first.min(begin)
            }
            State::Playing { playout } if self.resumes(playout, begin) => {
                (self.late_run, self.dry_slots, self.doubtful) = (0, 0, None);
                (self.quiet_from, self.window) = (None, Window::default());
                self.begin(now, begin, payload);
                return Taken::Queued;
            }
            State::Playing { playout } => playout,
        };
        if end > earliest + CAPACITY as u64 {
            if !self.goes_on(begin) {
                return self.doubt(now, begin, payload);
            }
            earliest = self.make_room(earliest, end);
        }
        if matches!(self.state, State::Playing { .. }) {
            let margin = begin as i64 - earliest as i64;
            self.delay.handle_arrival(margin);
            self.surplus.handle_arrival(margin);
        }
        self.doubtful = None;
        if end <= earliest {
            return self.late(now, begin, payload);
        }
        // A packet whose begin is late is lost too, as a frame with a hole counts as missing.
        if begin >= earliest {
            self.late_run = 0;
        } else if self.is_late_for_good(now) {
            return self.restart(now, begin, payload);
        }
        let fresh = self.lay(begin.max(earliest), &payload[(earliest.max(begin) - begin) as usize..]);
        if self.timestamps.newest().is_none_or(|newest| end > newest) {
            self.lag.handle_newest(now);
        }
        self.timestamps.accept(end);
        self.window.packets += 1;
        self.packet_units = payload.len() as u64;
        if self.quiet_from.is_some_and(|quiet| begin >= quiet) {
            self.quiet_from = None;
        }
        if fresh { Taken::Queued } else { Taken::Duplicate }
    }

    /// A packet of a sender whose clock has jumped: the buffer begins anew with it.
    pub fn handle_jump(&mut self, now: Instant, timestamp: u32, payload: &[u8]) -> Taken {
        if payload.is_empty() || payload.len() > SAMPLES_MAX {
            return Taken::Unusable;
        }
        let begin = self.timestamps.peek32(timestamp);
        self.restart(now, begin, payload)
    }

    /// The sender says that it is silent from `timestamp` on (RFC 3389), until its next packet of audio.
    pub fn handle_comfort_noise(&mut self, timestamp: u32) {
        if self.state != State::Empty {
            self.quiet_from = Some(self.timestamps.peek32(timestamp));
        }
    }

    /// The next 20 ms; `frame` is written when they are there.
    pub fn handle_slot(&mut self, now: Instant, frame: &mut [u8; FRAME]) -> Playout {
        let playout = match self.state {
            State::Empty => return Playout::Waiting,
            State::Filling { since, .. } if units(now.saturating_since(since)) < self.delay.units() => {
                return Playout::Waiting;
            }
            State::Filling { first, since } => {
                self.surplus = Surplus::new();
                self.lag.begin(now.saturating_since(since), self.delay.units());
                self.without_backlog(first)
            }
            State::Playing { playout } => {
                let frames = self.surplus.handle_slot(self.delay.units());
                self.leave_out(playout, frames)
            }
        };
        let playout = match self.correct_drift(playout) {
            Some(playout) => playout,
            None => {
                self.state = State::Playing { playout };
                return Playout::Missing;
            }
        };
        let dry = self.timestamps.newest().is_none_or(|newest| newest <= playout);
        if let (false, Some(newest)) = (dry, self.timestamps.newest()) {
            let ahead = (newest - playout).saturating_sub(self.packet_units);
            self.lag.handle_slot(now, ahead, self.delay.units());
        }
        self.dry_slots = if dry { self.dry_slots.saturating_add(1) } else { 0 };
        let whole = self.take(playout, frame);
        self.state = State::Playing { playout: playout + FRAME as u64 };
        match whole {
            true => Playout::Frame,
            false if self.quiet_from.is_some_and(|quiet| playout >= quiet) => Playout::Quiet,
            false => Playout::Missing,
        }
    }

    /// So many slots have passed in which nobody asked for a frame. What waited for them has lost its time, and so has what
    /// came meanwhile and was not taken.
    pub fn handle_missed_slots(&mut self, slots: u32) {
        if let State::Playing { playout } = self.state {
            let playout = self.leave_out(playout, u64::from(slots));
            self.state = State::Playing { playout };
            if self.timestamps.newest().is_none_or(|newest| newest <= playout) {
                self.dry_slots = self.dry_slots.saturating_add(slots);
            }
        }
    }

    /// How much sound waits.
    pub fn depth(&self) -> Duration {
        let newest = self.timestamps.newest().unwrap_or(0);
        let playout = match self.state {
            State::Empty => newest,
            State::Filling { first, .. } => first,
            State::Playing { playout } => playout,
        };
        Duration::from_micros(newest.saturating_sub(playout) * 1_000_000 / u64::from(CLOCK_HZ))
    }

    /// How long ago what is heard now came.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.lag.units(self.delay.units()) * 1_000_000 / u64::from(CLOCK_HZ))
    }

    /// Whether a packet is the first after a pause: new, and about where it should be.
    fn resumes(&self, playout: u64, begin: u64) -> bool {
        let new = self.timestamps.newest().is_none_or(|newest| begin >= newest);
        self.dry_slots >= PAUSE_SLOTS && new && begin <= playout + CAPACITY as u64
    }

    fn begin(&mut self, now: Instant, begin: u64, payload: &[u8]) {
        self.timestamps.accept(begin + payload.len() as u64);
        self.lag.handle_newest(now);
        self.packet_units = payload.len() as u64;
        self.lay(begin, payload);
        self.state = State::Filling { since: now, first: begin };
    }

    /// Whether a packet follows on what is here.
    fn goes_on(&self, begin: u64) -> bool {
        self.timestamps.newest().is_some_and(|newest| begin <= newest + GAP_MAX)
    }

    /// More of the sender's line came than the ring holds: the oldest of it makes room. Tells where playout is now.
    fn make_room(&mut self, earliest: u64, end: u64) -> u64 {
        let over = end - earliest - CAPACITY as u64;
        let earliest = self.leave_out(earliest, over.div_ceil(FRAME as u64));
        match &mut self.state {
            State::Empty => {}
            State::Filling { first, .. } => *first = earliest,
            State::Playing { playout } => *playout = earliest,
        }
        earliest
    }

    /// Plays on so many frames later. What was measured before says nothing any more.
    fn leave_out(&mut self, playout: u64, frames: u64) -> u64 {
        if frames == 0 {
            return playout;
        }
        (self.surplus, self.window) = (Surplus::new(), Window::default());
        self.delay.handle_left_out();
        self.lag.begin_window();
        if frames >= (CAPACITY / FRAME) as u64 {
            self.present.clear();
            return playout + frames * FRAME as u64;
        }
        (0..frames).fold(playout, |playout, _| self.skip(playout))
    }

    /// Where to play on after packets have come: what came all at once had been held up, and its time is over.
    fn without_backlog(&mut self, first: u64) -> u64 {
        let held = self.timestamps.newest().map_or(0, |newest| newest.saturating_sub(first));
        let backlog = held.saturating_sub(self.delay.units() + self.packet_units);
        let frames = if backlog >= BACKLOG_MIN { (backlog + FRAME as u64 / 2) / FRAME as u64 } else { 0 };
        self.leave_out(first, frames)
    }

    /// Too far ahead. Noise comes once; a sender that has jumped goes on from there.
    fn doubt(&mut self, now: Instant, begin: u64, payload: &[u8]) -> Taken {
        match self.doubtful {
            Some(before) if begin.abs_diff(before) <= CAPACITY as u64 => self.restart(now, begin, payload),
            _ => {
                self.doubtful = Some(begin);
                Taken::Doubtful
            }
        }
    }

    fn late(&mut self, now: Instant, begin: u64, payload: &[u8]) -> Taken {
        if self.is_late_for_good(now) { self.restart(now, begin, payload) } else { Taken::Late }
    }

    /// Another packet is late: whether those after it would be too.
    fn is_late_for_good(&mut self, now: Instant) -> bool {
        if self.late_run == 0 {
            self.late_since = now;
        }
        self.late_run += 1;
        self.late_run >= LATE_RUN && now.saturating_since(self.late_since) >= LATE_FOR
    }

    fn restart(&mut self, now: Instant, begin: u64, payload: &[u8]) -> Taken {
        self.reset();
        // The low 32 bits are the wire's timestamp.
        let begin = self.timestamps.peek32(begin as u32);
        self.begin(now, begin, payload);
        Taken::Restarted
    }

    /// Lays samples where they belong; false when all of them were there.
    fn lay(&mut self, begin: u64, payload: &[u8]) -> bool {
        let place = begin as usize % CAPACITY;
        let (here, wrapped) = payload.split_at(payload.len().min(CAPACITY - place));
        self.codes[place..place + here.len()].copy_from_slice(here);
        self.codes[..wrapped.len()].copy_from_slice(wrapped);
        self.present.set(begin, payload.len())
    }

    /// Takes a frame out; a frame with a hole counts as missing.
    fn take(&mut self, playout: u64, frame: &mut [u8; FRAME]) -> bool {
        let place = playout as usize % CAPACITY;
        let (here, wrapped) = frame.split_at_mut(FRAME.min(CAPACITY - place));
        here.copy_from_slice(&self.codes[place..place + here.len()]);
        wrapped.copy_from_slice(&self.codes[..wrapped.len()]);
        self.present.take(playout, FRAME)
    }

    /// Where to play on; `None` to insert a frame.
    fn correct_drift(&mut self, playout: u64) -> Option<u64> {
        match self.delay.handle_slot() {
            Step::Insert => return None,
            Step::Skip => return Some(self.skip(playout)),
            Step::Keep if self.delay.is_adaptive() => return Some(playout),
            Step::Keep => {}
        }
        let newest = self.timestamps.newest().unwrap_or(playout);
        let depth = newest as i64 - playout as i64;
        let window = &mut self.window;
        window.depth_max = if window.slots == 0 { depth } else { window.depth_max.max(depth) };
        window.slots += 1;
        if window.slots < WINDOW_SLOTS {
            return Some(playout);
        }
        let ended = std::mem::take(window);
        if ended.packets < WINDOW_PACKETS {
            return Some(playout);
        }
        // Playout begins with this much waiting, and up to one frame more.
        let target = (self.delay.units() + self.packet_units) as i64;
        if ended.depth_max >= target + 2 * FRAME as i64 {
            self.lag.begin_window();
            return Some(self.skip(playout));
        }
        if ended.depth_max + FRAME as i64 <= target {
            return None;
        }
        Some(playout)
    }

    fn skip(&mut self, playout: u64) -> u64 {
        let mut skipped = [0; FRAME];
        self.take(playout, &mut skipped);
        playout + FRAME as u64
    }
}

/// A duration in units of the RTP clock.
pub(super) fn units(duration: Duration) -> u64 {
    (duration.as_micros() * u128::from(CLOCK_HZ) / 1_000_000) as u64
}

#[cfg(test)]
mod tests;
