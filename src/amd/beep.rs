//! Finds the beep of a voicemail: a steady tone that is switched on after speech and off into quiet, in the same channel
//! as the greeting, and is no network tone.
//!
//! What tells it from a note of music, a ring in the room and a vowel is its surroundings. A generator starts from
//! nothing, a note grows out of others; the greeting makes a pause for the beep, a melody none; the beep is about as loud
//! as the greeting, a telephone in the same room is not; and after it the machine is silent, for it listens. So a tone
//! that has ended is held for a tenth of a second, which also shows whether it was the first of a quick pair.

use super::activity::decibels;
use super::line::{Tone, Tracker};
use super::spectrum::Spectrum;
use super::tones::length_ms;
use super::transform::WINDOW;

/// What became of a tone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    /// It looks like a beep.
    Probable(Tone),
    /// It was one.
    Certain(Tone),
}

const HZ: std::ops::RangeInclusive<f32> = 370.0..=2300.0;
const LENGTH_MS: std::ops::RangeInclusive<u64> = 70..=2500;
/// 7 dB: the edge that it ends with; on a noisy line no more is left.
const OFFSET: f32 = 0.2;
/// 14 dB: at its own pitch a beep begins out of nothing.
const ONSET: f32 = 25.0;
/// 12 dB: so much fainter is the lull before it ...
const LULL: f32 = 0.063;
/// ... unless it is joined to the greeting; then silence must follow: 20 dB.
const SILENT: f32 = 0.01;
/// 17 dB: no beep is so much fainter than the greeting.
const FAINT_DB: f32 = 17.0;
/// 6 dB of quiet in the tenth of a second after it, unless it has sounded for longer than a note or a vowel does.
const REST: f32 = 0.25;
const LONG_MS: u64 = 600;
/// A tone is held for so long after its end, in samples, unless that is silence already ...
const HELD: u64 = 800;
/// ... and a short one for longer, lest it be the first of a pair: a tenth of a second apart, and the time to hear it.
const HELD_SHORT: u64 = 960;
const PAIRED_MS: u64 = 250;
/// The second begins no later than this after the first, and sounds for so many hops at least. Between them it is quiet
/// by 15 dB, as it is not between two notes.
const PARTED: f32 = 0.032;
const PAIR: u64 = 1040;
const PAIR_HOPS: u32 = 4;
const HALF: u64 = WINDOW as u64 / 2;
/// What rings in a room after a knock is short and not steady.
const SHORT_MS: u64 = 200;
const SHORT_JITTER_HZ: f32 = 2.2;
/// Half a semitone.
const SAME: f32 = 0.03;
/// Without speech before it, a beep must be followed by this much quiet, for it may be the network's.
const ALONE_HOPS: u32 = 60;
/// And where ring-back lies, more than the pause between two rings.
const RING_HZ: std::ops::RangeInclusive<f32> = 370.0..=510.0;
const RING_HOPS: u32 = 520;

/// A tone that has ended and is a beep if what follows it is quiet.
#[derive(Clone, Copy)]
struct Held {
    tone: Tone,
    /// The same up to the end of the last of a pair.
    newest: Tone,
    /// The tone was followed by quiet: another one may be the second of a pair.
    parted: bool,
    /// Hops for which the pitch has sounded again.
    again: u32,
    /// The next one of the pair is followed as a tone of its own.
    joined: bool,
}

/// Judges tones.
#[derive(Default)]
pub struct Beeps {
    held: Option<Held>,
    alone: Option<(Tone, u32)>,
}

impl Beeps {
    /// A tone has started. `spoken`: speech was heard before it in this call, of the level `speech_db`.
    pub fn started(&mut self, tone: &Tone, spoken: bool, speech_db: f32) -> Option<Change> {
        self.alone = None;
        if let Some(held) = self.held.as_mut().filter(|held| held.parted && is_next(&held.newest, tone)) {
            held.joined = true;
            return None;
        }
        let fits =
            spoken && is_generated(tone, speech_db) && HZ.contains(&tone.lowest_hz) && !is_network(tone);
        fits.then_some(Change::Probable(*tone))
    }

    /// A tone has ended. `rest`: what of its power is still heard. `named`: it turned out to be something else.
    pub fn ended(&mut self, tone: &Tone, rest: f32, spoken: bool, speech_db: f32, named: bool) {
        let ends = !named && rest <= OFFSET && !is_network(tone);
        if let Some(held) = self.held.as_mut().filter(|held| held.joined) {
            (held.joined, held.again, held.newest.end) = (false, 0, tone.end);
            self.held = self.held.filter(|_| ends);
            return;
        }
        let fits = ends
            && is_generated(tone, speech_db)
            && HZ.contains(&tone.lowest_hz)
            && LENGTH_MS.contains(&length_ms(tone))
            && (length_ms(tone) >= SHORT_MS || tone.jitter_hz <= SHORT_JITTER_HZ);
        match (fits, spoken) {
            (true, true) => {
                let parted = rest <= PARTED;
                self.held = Some(Held { tone: *tone, newest: *tone, parted, again: 0, joined: false });
            }
            (true, false) => self.alone = Some((*tone, 0)),
            (false, _) => {}
        }
    }

    /// Each hop, `now` samples after the detector's start: what was held is a beep, or is dropped.
    pub fn settle(&mut self, now: u64, tracker: &Tracker, spectrum: &Spectrum) -> Option<Change> {
        let held = self.held.as_mut()?;
        held.again = if held.parted && tracker.again(&held.newest, spectrum) { held.again + 1 } else { 0 };
        if held.again >= PAIR_HOPS {
            held.newest.end = now - HALF;
        }
        let Held { tone, newest, again, joined, .. } = *held;
        let rest = tracker.rest_after(&newest, spectrum);
        let until = match length_ms(&newest) {
            ..PAIRED_MS => newest.end + HELD_SHORT,
            _ if rest <= SILENT => newest.end,
            _ => newest.end + HELD,
        };
        if joined || now < until || again > 0 {
            return None;
        }
        self.held = None;
        let parted = tone.lull <= LULL * tone.power || rest <= SILENT;
        let quiet = rest <= REST || length_ms(&newest) >= LONG_MS;
        let end = tracker.silent_after(&newest, spectrum);
        (parted && quiet && length_ms(&newest) <= *LENGTH_MS.end())
            .then_some(Change::Certain(Tone { end, ..tone }))
    }

    /// A beep has ended, if what follows now is quiet.
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Each hop in which no tone sounds. `sound`: something else does; `named`: the network spoke.
    pub fn between(&mut self, sound: bool, named: bool) -> Option<Change> {
        let (tone, hops) = self.alone.take()?;
        if sound || named {
            return None;
        }
        if hops >= if RING_HZ.contains(&tone.hz) { RING_HOPS } else { ALONE_HOPS } {
            return Some(Change::Certain(tone));
        }
        self.alone = Some((tone, hops + 1));
        None
    }
}

/// Switched on, and in the channel that the greeting came through.
fn is_generated(tone: &Tone, speech_db: f32) -> bool {
    tone.power >= ONSET * tone.power_before && decibels(tone.power) >= speech_db - FAINT_DB
}

/// The next of a pair.
fn is_next(tone: &Tone, next: &Tone) -> bool {
    (next.hz / tone.hz - 1.0).abs() < SAME && next.start <= tone.end + PAIR
}

/// 480 + 620 Hz: busy and reorder of North America.
fn is_network(tone: &Tone) -> bool {
    let (low, high) = (tone.hz.min(tone.second_hz), tone.hz.max(tone.second_hz));
    (low - 480.0).abs() < 12.0 && (high - 620.0).abs() < 12.0
}
