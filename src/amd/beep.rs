//! Finds the beep of a voicemail: a steady tone with sharp edges, after speech, into quiet, that is no network tone.

use super::line::Tone;
use super::tones::length_ms;

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
/// What rings in a room after a knock is short and not steady.
const SHORT_MS: u64 = 200;
const SHORT_JITTER_HZ: f32 = 2.2;
/// Without speech before it, a beep must be followed by this much quiet, for it may be the network's.
const ALONE_HOPS: u32 = 60;
/// And where ring-back lies, more than the pause between two rings.
const RING_HZ: std::ops::RangeInclusive<f32> = 370.0..=510.0;
const RING_HOPS: u32 = 520;

/// Judges tones.
#[derive(Default)]
pub struct Beeps {
    probable: Option<u64>,
    alone: Option<(Tone, u32)>,
}

impl Beeps {
    /// A tone has started. `spoken`: speech was heard before it in this call.
    pub fn started(&mut self, tone: &Tone, spoken: bool) -> Option<Change> {
        self.alone = None;
        let fits = spoken && HZ.contains(&tone.lowest_hz) && !is_network(tone);
        self.probable = fits.then_some(tone.start);
        fits.then_some(Change::Probable(*tone))
    }

    /// A tone has ended. `rest`: what of its power is still heard. `named`: it turned out to be something else.
    pub fn ended(&mut self, tone: &Tone, rest: f32, spoken: bool, named: bool) -> Option<Change> {
        let fits = !named
            && HZ.contains(&tone.lowest_hz)
            && LENGTH_MS.contains(&length_ms(tone))
            && rest <= OFFSET
            && (length_ms(tone) >= SHORT_MS || tone.jitter_hz <= SHORT_JITTER_HZ)
            && !is_network(tone);
        if !fits {
            return None;
        }
        if spoken {
            return Some(Change::Certain(*tone));
        }
        self.alone = Some((*tone, 0));
        None
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

/// 480 + 620 Hz: busy and reorder of North America.
fn is_network(tone: &Tone) -> bool {
    let (low, high) = (tone.hz.min(tone.second_hz), tone.hz.max(tone.second_hz));
    (low - 480.0).abs() < 12.0 && (high - 620.0).abs() < 12.0
}
