//! Follows a steady line from hop to hop: where a machine's tone begins, how it sounds, where it ends.
//!
//! A voice almost never holds its strongest line within a few hertz, and at one level, for 70 ms; a tone generator does
//! nothing else. Bounds of a tone come from the level, not from the window: the hop in which it starts or ends holds a
//! part of its power, and that part says how far into the hop the edge lies.

use super::spectrum::Lines;

/// Samples in a hop of 10 ms.
pub const HOP: u64 = 80;
/// So many hops of steady line make a tone; the first two or three windows of a tone are not yet full.
const STEADY_HOPS: usize = 7;
/// A steady line strays no further than this within [`STEADY_HOPS`].
const STRAY_HZ: f32 = 5.0;
/// A tone that is silent for so many hops has ended; a lost frame is shorter.
const SILENT_HOPS: u64 = 6;
/// A line may be blurred (a lost frame in the window, a phase reversal) for so many hops and still be the same tone.
const BLURRED_HOPS: u64 = 10;
/// Another line for so many hops has replaced it.
const REPLACED_HOPS: u64 = 3;
/// The level is searched no further back for the edge that a tone began with: the hops that the window lags behind.
const LAG_HOPS: u64 = 3;
/// And the hops that a lost frame blinds it for, its own included, with as many before.
const LOST_HOPS: u64 = 8;
/// Levels remembered to find the edges.
const MEMORY: usize = 32;

/// What the tracker hears in a hop.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hop {
    /// Mean square of the hop's own 80 samples, full scale is 1; not a number where the frame was lost.
    pub power: f32,
    /// The spectrum of the window that ends with the hop; `None` while lost frames lie in it.
    pub lines: Option<Lines>,
}

/// A steady tone. Places are samples since the detector's start.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tone {
    /// First sample.
    pub start: u64,
    /// Last sample so far.
    pub end: u64,
    /// The strongest line in Hz.
    pub hz: f32,
    /// A second line in Hz that holds at least a tenth of the power, or 0.
    pub second_hz: f32,
    /// Mean square of the steady part.
    pub power: f32,
    /// Mean square of the last hops; a fading beep falls below its steady part.
    pub power_now: f32,
    /// Mean square of the 50 ms before it.
    pub power_before: f32,
}

/// The tracker's news.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    /// A tone is certain; it began a little earlier.
    Started(Tone),
    /// The tone is over.
    Ended(Tone),
}

/// Follows one line.
pub struct Tracker {
    recent: [(f32, f32, f32); STEADY_HOPS],
    steady: usize,
    current: Option<Tone>,
    missing: u64,
    silent: u64,
    powers: [f32; MEMORY],
    hops: u64,
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new()
    }
}

impl Tracker {
    /// Nothing heard yet.
    pub fn new() -> Self {
        Tracker {
            recent: [(0.0, 0.0, 0.0); STEADY_HOPS],
            steady: 0,
            current: None,
            missing: 0,
            silent: 0,
            powers: [0.0; MEMORY],
            hops: 0,
        }
    }

    /// The tone that sounds now, if one does.
    pub fn current(&self) -> Option<&Tone> {
        self.current.as_ref()
    }

    /// A line has held for two hops or more: this may become a tone and should not be counted as speech yet.
    pub fn pending(&self) -> bool {
        self.steady >= 2
    }

    /// The mean square of the hops that followed a tone which has just ended, its last partial hop left out.
    pub fn power_since(&self, tone: &Tone) -> f32 {
        let hops = (self.hops - tone.end.div_ceil(HOP).min(self.hops)).clamp(1, MEMORY as u64);
        mean((0..hops).map(|back| self.power_back(back)))
    }

    /// Hears the next hop.
    pub fn handle_hop(&mut self, hop: &Hop) -> Option<Change> {
        self.powers[self.hops as usize % MEMORY] = hop.power;
        self.hops += 1;
        match self.current {
            None => self.listen(hop),
            Some(tone) => self.follow(tone, hop),
        }
    }

    fn listen(&mut self, hop: &Hop) -> Option<Change> {
        let lines = hop.lines?;
        if !is_tonal(&lines) || hop.power < POWER_MIN {
            self.steady = 0;
            return None;
        }
        if self.steady == STEADY_HOPS {
            self.recent.rotate_left(1);
            self.steady -= 1;
        }
        // Of two lines as loud as each other, now one and now the other is the strongest: stay with the one begun.
        let (mut hz, mut second) = (lines.first_hz, second_hz(&lines));
        if self.steady > 0 && (self.recent[self.steady - 1].0 - second).abs() <= STRAY_HZ {
            (hz, second) = (second, hz);
        }
        self.recent[self.steady] = (hz, hop.power, second);
        self.steady += 1;
        // The run begins anew where the line strays: keep the newest hops that agree with this one.
        let agrees = |r: &(f32, f32, f32)| (r.0 - hz).abs() <= STRAY_HZ;
        let keep = self.recent[..self.steady].iter().rev().take_while(|r| agrees(r)).count();
        self.recent.copy_within(self.steady - keep..self.steady, 0);
        self.steady = keep;
        if self.steady < STEADY_HOPS || !self.level_is_steady() {
            return None;
        }
        let tone = self.begin();
        self.current = Some(tone);
        (self.missing, self.silent) = (0, 0);
        Some(Change::Started(tone))
    }

    fn follow(&mut self, mut tone: Tone, hop: &Hop) -> Option<Change> {
        // The window lags: the line may still fill it when the hop itself is silent already.
        let sounds = hop.power >= tone.power_now * EDGE;
        let near = |hz: f32| (hz - tone.hz).abs() <= 2.0 * STRAY_HZ;
        let (same, tonal) = match hop.lines {
            Some(lines) => {
                let tonal = is_tonal(&lines);
                (tonal && (near(lines.first_hz) || near(second_hz(&lines))), tonal)
            }
            // Half a window is lost: as long as the level holds, so does the tone.
            None => {
                tone.end = if sounds { self.hops * HOP } else { tone.end };
                self.current = Some(tone);
                return None;
            }
        };
        if same && sounds {
            (self.missing, self.silent) = (0, 0);
            tone.end = self.hops * HOP;
            tone.power_now = 0.7 * tone.power_now + 0.3 * hop.power;
            self.current = Some(tone);
            return None;
        }
        self.missing += 1;
        self.silent = if sounds { 0 } else { self.silent + 1 };
        let replaced = tonal && !same && sounds;
        let patience = if replaced { REPLACED_HOPS } else { BLURRED_HOPS };
        if self.silent < SILENT_HOPS && self.missing < patience {
            return None;
        }
        tone.end = self.end_of(&tone);
        self.current = None;
        self.steady = 0;
        Some(Change::Ended(tone))
    }

    /// The loudest and the faintest of the run are near; a fading beep passes, a syllable does not.
    fn level_is_steady(&self) -> bool {
        let later = &self.recent[2..];
        let (low, high) = later.iter().fold((f32::MAX, 0f32), |(l, h), r| (l.min(r.1), h.max(r.1)));
        high <= low * LEVEL_RANGE
    }

    fn begin(&mut self) -> Tone {
        let half = STEADY_HOPS / 2;
        let late = |f: fn(&(f32, f32, f32)) -> f32| {
            self.recent[half..].iter().map(f).sum::<f32>() / (STEADY_HOPS - half) as f32
        };
        let (hz, power) = (late(|r| r.0), late(|r| r.1));
        let second_hz = self.recent[STEADY_HOPS - 1].2;
        // Backwards to the first hop that is as loud as the tone, then into the hop before it by its share of power.
        let mut back = STEADY_HOPS as u64 - 1;
        let lost = (0..back + LOST_HOPS).any(|back| self.power_back(back).is_nan());
        let furthest = (back + LAG_HOPS + if lost { LOST_HOPS } else { 0 }).min(self.hops);
        let belongs = |level: f32| level.is_nan() || level >= power * EDGE;
        while back < furthest && belongs(self.power_back(back)) {
            back += 1;
        }
        let rest = self.power_back(back);
        let before = mean((back + 1..back + 6).map(|back| self.power_back(back)));
        // Where another sound goes straight over into the tone, the level shows no edge.
        let share = if rest < power * EDGE { ((rest - before) / power).clamp(0.0, 1.0) } else { 0.0 };
        let start = (self.hops - back) * HOP - (share * HOP as f32) as u64;
        Tone { start, end: self.hops * HOP, hz, second_hz, power, power_now: power, power_before: before }
    }

    /// Forward from the last hop that was as loud as the tone, into the next by its share of power.
    fn end_of(&self, tone: &Tone) -> u64 {
        let last = tone.end / HOP;
        let next = self.powers[last as usize % MEMORY];
        if self.hops <= last || self.hops - last >= MEMORY as u64 {
            return tone.end;
        }
        tone.end + ((next / tone.power_now).clamp(0.0, 1.0) * HOP as f32) as u64
    }

    /// The power of a hop, 0 being the newest.
    fn power_back(&self, back: u64) -> f32 {
        if back >= self.hops { 0.0 } else { self.powers[(self.hops - 1 - back) as usize % MEMORY] }
    }
}

/// The mean of what is known.
fn mean(powers: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = powers
        .filter(|power| !power.is_nan())
        .fold((0.0, 0u32), |(sum, count), power| (sum + power, count + 1));
    sum / count.max(1) as f32
}

/// -58 dBFS: below, nothing is called a tone.
const POWER_MIN: f32 = 1.6e-6;
/// A hop belongs to the tone while it has a quarter of its power (6 dB).
const EDGE: f32 = 0.25;
/// 4 dB within the steady part.
const LEVEL_RANGE: f32 = 2.5;
const ONE_LINE: f32 = 0.86;
const TWO_LINES: f32 = 0.93;
/// The second line counts from a tenth of the power on.
const SECOND_MIN: f32 = 0.1;

/// Lower lines are a voice's.
const HZ_MIN: f32 = 330.0;

fn is_tonal(lines: &Lines) -> bool {
    if lines.first_hz < HZ_MIN {
        return false;
    }
    lines.first_share >= ONE_LINE
        || lines.first_share + lines.harmonic_share >= TWO_LINES
        || lines.first_share + lines.second_share >= TWO_LINES
}

fn second_hz(lines: &Lines) -> f32 {
    if lines.second_share >= SECOND_MIN { lines.second_hz } else { 0.0 }
}
