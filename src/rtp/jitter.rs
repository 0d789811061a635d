//! The jitter buffer: packets in when they come, a frame out when it is due.
//!
//! It is a ring of samples with a flag each, indexed by the RTP timestamp. So reordering, copies, any packet length and
//! gaps need no code of their own: samples are laid where they belong, and a frame is taken whole or is missing. The
//! playout delay is fixed; a packet that is late by no more than the delay is still heard.
//!
//! ```text
//!        taken          | due: 20 ms |  waiting                    | free
//!   --------------------+------------+------------------+----------+-------->  timestamp
//!                     playout                           newest
//! ```
//!
//! A sender that pauses (it suppresses silence, or has nothing to say) leaves the buffer dry, and its clock need not go on
//! as ours does meanwhile. So what comes after a pause waits out the delay anew, as the first packet did.
//!
//! Two clocks never agree. Over windows of five seconds the greatest depth (that of the packets which were delayed
//! least) is compared with what it should be: a frame too deep, and one frame is skipped; a frame too shallow, and one
//! is inserted. That holds to 4,000 ppm, forty times what real crystals are off.

use super::CLOCK_HZ;
use super::sequence::Unrolled;
use crate::time::Instant;
use std::time::Duration;

/// Samples that fit in: 512 ms.
pub const CAPACITY: usize = 4_096;

/// The longest playout delay; the rest of the ring is room for bursts.
pub const DELAY_MAX: Duration = Duration::from_millis(200);

/// Samples of one frame of 20 ms.
pub const FRAME: usize = 160;

/// So many packets in a row too late, and the sender's clock has jumped back.
const LATE_RUN: u32 = 4;
/// So many slots in a row without anything newer, and the sender pauses: 100 ms, more than what comes late.
const PAUSE_SLOTS: u32 = 5;
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
    /// Too far ahead; believed when the next packet says so too.
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
    present: Box<[bool]>,
    delay: Duration,
    timestamps: Unrolled,
    state: State,
    /// The sender went quiet here.
    quiet_from: Option<u64>,
    late_run: u32,
    /// Slots in a row that found everything played.
    dry_slots: u32,
    doubtful: Option<u64>,
    window: Window,
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
    pub fn new(delay: Duration) -> Self {
        JitterBuffer {
            codes: vec![0; CAPACITY].into_boxed_slice(),
            present: vec![false; CAPACITY].into_boxed_slice(),
            delay: delay.min(DELAY_MAX),
            timestamps: Unrolled::new(),
            state: State::Empty,
            quiet_from: None,
            late_run: 0,
            dry_slots: 0,
            doubtful: None,
            window: Window::default(),
            packet_units: FRAME as u64,
        }
    }

    /// Forgets all packets, keeps memory and delay.
    pub fn reset(&mut self) {
        self.present.fill(false);
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
        if payload.is_empty() || payload.len() > CAPACITY / 4 {
            return Taken::Unusable;
        }
        let begin = self.timestamps.peek32(timestamp);
        let end = begin + payload.len() as u64;
        let earliest = match self.state {
            State::Empty => {
                self.begin(now, begin, payload);
                return Taken::Queued;
            }
            State::Filling { first, since } => {
                if begin < first && first - begin <= units(self.delay) {
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
            return self.doubt(now, begin, payload);
        }
        self.doubtful = None;
        if end <= earliest {
            return self.late(now, begin, payload);
        }
        // A packet whose begin is late is lost too, as a frame with a hole counts as missing.
        self.late_run = if begin < earliest { self.late_run + 1 } else { 0 };
        if self.late_run >= LATE_RUN {
            return self.restart(now, begin, payload);
        }
        let fresh = self.lay(begin.max(earliest), &payload[(earliest.max(begin) - begin) as usize..]);
        self.timestamps.accept(end);
        self.window.packets += 1;
        self.packet_units = payload.len() as u64;
        if self.quiet_from.is_some_and(|quiet| begin >= quiet) {
            self.quiet_from = None;
        }
        if fresh { Taken::Queued } else { Taken::Duplicate }
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
            State::Filling { since, .. } if now.saturating_since(since) < self.delay => {
                return Playout::Waiting;
            }
            State::Filling { first, .. } => first,
            State::Playing { playout } => playout,
        };
        let playout = match self.correct_drift(playout) {
            Some(playout) => playout,
            None => {
                self.state = State::Playing { playout };
                return Playout::Missing;
            }
        };
        let dry = self.timestamps.newest().is_none_or(|newest| newest <= playout);
        self.dry_slots = if dry { self.dry_slots.saturating_add(1) } else { 0 };
        let whole = self.take(playout, frame);
        self.state = State::Playing { playout: playout + FRAME as u64 };
        match whole {
            true => Playout::Frame,
            false if self.quiet_from.is_some_and(|quiet| playout >= quiet) => Playout::Quiet,
            false => Playout::Missing,
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

    /// Whether a packet is the first after a pause: new, and about where it should be.
    fn resumes(&self, playout: u64, begin: u64) -> bool {
        let new = self.timestamps.newest().is_none_or(|newest| begin >= newest);
        self.dry_slots >= PAUSE_SLOTS && new && begin <= playout + CAPACITY as u64
    }

    fn begin(&mut self, now: Instant, begin: u64, payload: &[u8]) {
        self.timestamps.accept(begin + payload.len() as u64);
        self.packet_units = payload.len() as u64;
        self.lay(begin, payload);
        self.state = State::Filling { since: now, first: begin };
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
        self.late_run += 1;
        if self.late_run < LATE_RUN {
            return Taken::Late;
        }
        self.restart(now, begin, payload)
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
        let mut fresh = false;
        for (offset, &code) in payload.iter().enumerate() {
            let place = (begin as usize + offset) % CAPACITY;
            fresh |= !self.present[place];
            self.present[place] = true;
            self.codes[place] = code;
        }
        fresh
    }

    /// Takes a frame out; a frame with a hole counts as missing.
    fn take(&mut self, playout: u64, frame: &mut [u8; FRAME]) -> bool {
        let mut whole = true;
        for (offset, code) in frame.iter_mut().enumerate() {
            let place = (playout as usize + offset) % CAPACITY;
            whole &= std::mem::take(&mut self.present[place]);
            *code = self.codes[place];
        }
        whole
    }

    /// Where to play on; `None` to insert a frame.
    fn correct_drift(&mut self, playout: u64) -> Option<u64> {
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
        let target = (units(self.delay) + self.packet_units) as i64;
        if ended.depth_max >= target + 2 * FRAME as i64 {
            let mut skipped = [0; FRAME];
            self.take(playout, &mut skipped);
            return Some(playout + FRAME as u64);
        }
        if ended.depth_max + FRAME as i64 <= target {
            return None;
        }
        Some(playout)
    }
}

/// A duration in units of the RTP clock.
fn units(duration: Duration) -> u64 {
    (duration.as_micros() * u128::from(CLOCK_HZ) / 1_000_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: f64) -> Instant {
        Instant::from_start(Duration::from_micros((ms * 1_000.0) as u64))
    }

    /// Each packet is (arrival in ms, index of the frame it carries); each frame is filled with its index. Slots come
    /// at 10, 30, 50 ms... What is heard: the index, `-` waiting, `_` missing, `.` quiet.
    fn play(delay_ms: u64, packets: &[(f64, u32)], slots: u32) -> String {
        play_from(0, delay_ms, packets, slots)
    }

    fn play_from(first_timestamp: u32, delay_ms: u64, packets: &[(f64, u32)], slots: u32) -> String {
        let mut buffer = JitterBuffer::new(Duration::from_millis(delay_ms));
        let mut packets = packets.to_vec();
        packets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut packets = packets.into_iter().peekable();
        let mut heard = Vec::new();
        for slot in 0..slots {
            let due = 10.0 + 20.0 * f64::from(slot);
            while let Some((ms, index)) = packets.next_if(|packet| packet.0 <= due) {
                let timestamp = first_timestamp.wrapping_add(index * FRAME as u32);
                buffer.handle_payload(at(ms), timestamp, &[index as u8; FRAME]);
            }
            heard.push(slot_word(&mut buffer, at(due)));
        }
        heard.join(" ")
    }

    fn slot_word(buffer: &mut JitterBuffer, now: Instant) -> String {
        let mut frame = [0; FRAME];
        match buffer.handle_slot(now, &mut frame) {
            Playout::Waiting => "-".into(),
            Playout::Missing => "_".into(),
            Playout::Quiet => ".".into(),
            Playout::Frame => {
                assert!(frame.iter().all(|code| *code == frame[0]), "frames are not torn");
                frame[0].to_string()
            }
        }
    }

    fn steady(count: u32) -> Vec<(f64, u32)> {
        (0..count).map(|index| (f64::from(index) * 20.0, index)).collect()
    }

    #[test]
    fn the_first_packet_waits_out_the_delay() {
        assert_eq!(play(40, &steady(5), 6), "- - 0 1 2 3");
        assert_eq!(play(0, &steady(5), 6), "0 1 2 3 4 _");
        assert_eq!(play(60, &steady(5), 6), "- - - 0 1 2");
    }

    #[test]
    fn late_by_the_delay_is_heard_and_later_is_not() {
        let mut packets = steady(6);
        packets[2].0 = 40.0 + 49.0;
        assert_eq!(play(40, &packets, 7), "- - 0 1 2 3 4");
        packets[2].0 = 40.0 + 51.0;
        assert_eq!(play(40, &packets, 7), "- - 0 1 _ 3 4");
    }

    #[test]
    fn order_copies_and_loss() {
        let (mut swapped, mut doubled, mut lost) = (steady(6), steady(6), steady(6));
        swapped[1].0 = 45.0;
        doubled.push((41.0, 1));
        lost.remove(2);
        assert_eq!(play(40, &swapped, 7), "- - 0 1 2 3 4");
        assert_eq!(play(40, &doubled, 7), "- - 0 1 2 3 4");
        assert_eq!(play(40, &lost, 7), "- - 0 1 _ 3 4");
    }

    #[test]
    fn a_first_packet_that_was_overtaken_is_heard() {
        assert_eq!(play(40, &[(0.0, 1), (1.0, 0), (20.0, 2)], 6), "- - 0 1 2 _");
    }

    #[test]
    fn timestamps_wrap() {
        assert_eq!(play_from(u32::MAX - 200, 40, &steady(6), 7), "- - 0 1 2 3 4");
    }

    #[test]
    fn packets_of_any_length_give_frames_of_twenty_milliseconds() {
        for samples in [80usize, 240, 320, 480] {
            let mut buffer = JitterBuffer::new(Duration::from_millis(40));
            let mut frame = [0; FRAME];
            let sound: Vec<u8> = (0..9_600).map(|index| (index / 160) as u8).collect();
            let mut packets = sound.chunks(samples).enumerate();
            let mut fed = 0;
            for slot in 0..55usize {
                while fed * samples * 1_000 / 8_000 <= slot * 20 {
                    let Some((index, payload)) = packets.next() else { break };
                    let ms = (index * samples) as f64 / 8.0;
                    let taken = buffer.handle_payload(at(ms), (index * samples) as u32, payload);
                    assert_eq!(taken, Taken::Queued);
                    fed += 1;
                }
                let playout = buffer.handle_slot(at(slot as f64 * 20.0), &mut frame);
                if slot >= 2 {
                    assert_eq!(
                        (playout, frame[0]),
                        (Playout::Frame, (slot - 2) as u8),
                        "{samples} samples a packet"
                    );
                }
            }
        }
    }

    #[test]
    fn a_stray_timestamp_is_not_believed_and_a_jump_is() {
        let mut buffer = JitterBuffer::new(Duration::ZERO);
        let mut feed = |ms: f64, timestamp: u32| buffer.handle_payload(at(ms), timestamp, &[7; FRAME]);
        assert_eq!(feed(0.0, 0), Taken::Queued);
        assert_eq!(feed(20.0, 900_000), Taken::Doubtful);
        assert_eq!(feed(21.0, 160), Taken::Queued);
        assert_eq!(feed(21.0, 160), Taken::Duplicate);
        assert_eq!(feed(40.0, 1_900_000), Taken::Doubtful);
        assert_eq!(feed(60.0, 1_900_160), Taken::Restarted);
        assert_eq!(feed(80.0, 1_900_320), Taken::Queued);
        assert_eq!(slot_word(&mut buffer, at(80.0)), "7");
    }

    #[test]
    fn a_sender_whose_clock_stood_still_is_heard_again_at_once() {
        let mut buffer = JitterBuffer::new(Duration::ZERO);
        buffer.handle_payload(at(0.0), 0, &[1; FRAME]);
        for slot in 0..500 {
            slot_word(&mut buffer, at(f64::from(slot) * 20.0));
        }
        for index in 1..7 {
            let now = at(10_000.0 + f64::from(index) * 20.0);
            assert_eq!(buffer.handle_payload(now, index * 160, &[2; FRAME]), Taken::Queued);
            assert_eq!(slot_word(&mut buffer, now), "2");
        }
    }

    #[test]
    fn a_sender_that_falls_behind_by_half_a_frame_is_followed_after_four_packets() {
        for shift in [-560i64, -400, -360, -240, 80] {
            let mut buffer = JitterBuffer::new(Duration::from_millis(40));
            let mut heard = Vec::new();
            for slot in 0..110u32 {
                let (now, index) = (f64::from(slot) * 20.0, 1_000 + i64::from(slot) * 160);
                let shift = if slot < 50 { 0 } else { shift };
                buffer.handle_payload(at(now), (index + shift) as u32, &[7; FRAME]);
                heard.push(slot_word(&mut buffer, at(now + 10.0)));
            }
            let missing = heard[2..].iter().filter(|word| *word != "7").count();
            assert!(missing <= 7, "{shift}: {missing} frames are missing: {heard:?}");
        }
    }

    #[test]
    fn a_sender_whose_clock_jumps_back_is_heard_again_after_four_packets() {
        let mut buffer = JitterBuffer::new(Duration::ZERO);
        for index in 0..50 {
            buffer.handle_payload(at(f64::from(index) * 20.0), 80_000 + index * 160, &[1; FRAME]);
            slot_word(&mut buffer, at(f64::from(index) * 20.0));
        }
        let taken: Vec<Taken> = (50..55)
            .map(|index| buffer.handle_payload(at(f64::from(index) * 20.0), index * 160, &[2; FRAME]))
            .collect();
        assert_eq!(taken, [Taken::Late, Taken::Late, Taken::Late, Taken::Restarted, Taken::Queued]);
        assert_eq!(slot_word(&mut buffer, at(1_101.0)), "2");
    }

    #[test]
    fn after_a_pause_the_delay_is_waited_out_anew() {
        // The sender's clock and ours are never quite one: after a pause its packets come up to two frames before or after
        // their slots. All of them must be heard, and at once.
        for shift in [-480i64, -240, -80, 0, 80, 240] {
            let mut buffer = JitterBuffer::new(Duration::from_millis(40));
            let mut heard = Vec::new();
            for slot in 0..200u32 {
                let (now, index) = (f64::from(slot) * 20.0, i64::from(slot) * 160);
                match slot {
                    0..10 => drop(buffer.handle_payload(at(now), index as u32, &[1; FRAME])),
                    100..150 => drop(buffer.handle_payload(at(now), (index + shift) as u32, &[2; FRAME])),
                    _ => {}
                }
                heard.push(slot_word(&mut buffer, at(now + 10.0)));
            }
            assert_eq!(heard.iter().filter(|word| *word == "1").count(), 10, "{shift}: {heard:?}");
            assert_eq!(heard[102..152], ["2"; 50], "{shift}: {heard:?}");
        }
    }

    #[test]
    fn comfort_noise_is_quiet_and_not_missing() {
        let mut buffer = JitterBuffer::new(Duration::ZERO);
        buffer.handle_payload(at(0.0), 0, &[1; FRAME]);
        buffer.handle_comfort_noise(160);
        let heard: Vec<String> =
            (0..3).map(|slot| slot_word(&mut buffer, at(f64::from(slot) * 20.0))).collect();
        assert_eq!(heard, ["1", ".", "."]);
        buffer.handle_payload(at(60.0), 640, &[2; FRAME]);
        let heard: Vec<String> =
            (3..6).map(|slot| slot_word(&mut buffer, at(f64::from(slot) * 20.0))).collect();
        assert_eq!(heard, ["_", "2", "_"]);
    }

    #[test]
    fn a_drifting_sender_is_followed_for_an_hour() {
        for ppm in [-300.0, -100.0, 0.0, 100.0, 300.0] {
            let mut buffer = JitterBuffer::new(Duration::from_millis(40));
            let slots = 180_000u32;
            let (mut sent, mut missing, mut deepest) = (0u32, 0u32, Duration::ZERO);
            for slot in 0..slots {
                let now = f64::from(slot) * 20.0 + 10.0;
                while f64::from(sent) * 20.0 * (1.0 - ppm / 1e6) <= now {
                    let ms = f64::from(sent) * 20.0 * (1.0 - ppm / 1e6);
                    buffer.handle_payload(at(ms), sent.wrapping_mul(160), &[0; FRAME]);
                    sent += 1;
                }
                missing += u32::from(slot_word(&mut buffer, at(now)) == "_");
                deepest = deepest.max(buffer.depth());
            }
            // A slow sender owes one frame for every 20 ms it falls behind, and no more.
            let owed = (-ppm / 1e6 * 180_000.0).max(0.0) as u32;
            assert!(missing <= owed + 1, "{ppm} ppm: {missing} missing, {owed} owed");
            assert!(deepest <= Duration::from_millis(120), "{ppm} ppm: {deepest:?}");
        }
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        let mut buffer = JitterBuffer::new(Duration::ZERO);
        assert_eq!(buffer.handle_payload(at(0.0), 0, &[]), Taken::Unusable);
        assert_eq!(buffer.handle_payload(at(0.0), 0, &[0; CAPACITY / 4 + 1]), Taken::Unusable);
    }
}
