//! Follows a steady line from hop to hop: where a machine's tone begins, how it sounds, where it ends.
//!
//! A voice almost never holds its strongest line within a few hertz, and at one level, for 70 ms; a tone generator does
//! nothing else. Nor has a tone for a machine's user the closely spaced harmonics of a voice. Its bounds come from the
//! power near the line, so that neither noise nor speech that runs up to it hides them: under a Hann window a line has a
//! quarter of its power when its edge lies in the window's middle.

use super::spectrum::{Line, Lines, Spectrum};
use super::transform::WINDOW;

/// Samples in a hop of 10 ms.
pub const HOP: u64 = 80;
/// Hops that are looked back at.
const RUN: usize = 16;
/// So many hops of steady line make a tone; the first two or three windows of a tone are not yet full.
const STEADY_HOPS: usize = 7;
/// What a voice might be must hold for longer.
const DOUBTFUL_HOPS: usize = 9;
/// And so must what was not 6 dB fainter there before.
const GRADUAL_HOPS: usize = 13;
const ONSET: f32 = 4.0;
/// Hops that may disagree within the run: a lost frame that was filled with silence, or with what came before it.
const GAP_HOPS: u64 = 4;
/// From one hop to the next a line strays no further than this, in Hz or as a share of its frequency ...
const STRAY_HZ: f32 = 3.5;
const STRAY: f32 = 0.003;
/// ... and in the run it lies about a straight line, in Hz or as a share: a GSM codec shakes it ...
const CROOKED_HZ: f32 = 1.6;
const CROOKED: f32 = 0.002;
/// ... that rises or falls by no more than this share in a hop: a little chirp.
const CHIRP: f32 = 0.001;
/// What a voice might be has this part of both only.
const DOUBTFUL: f32 = 0.55;
/// In decibels a hop a tone fades no faster than this and hardly rises; about that slope it keeps its level.
const FADE_DB: std::ops::RangeInclusive<f32> = -2.5..=0.8;
const UNEVEN_DB: f32 = 1.4;
/// Hops that the level is judged by, the newest.
const LEVEL_HOPS: usize = 5;

/// A tone that is silent for so many hops has ended; a lost frame is shorter.
const SILENT_HOPS: u64 = 6;
/// A line may be blurred (a lost frame in the window, a phase reversal) for so many hops and still be the same tone.
const BLURRED_HOPS: u64 = 10;
/// Another line for so many hops has replaced it.
const REPLACED_HOPS: u64 = 3;
/// Nothing but lost frames for so many hops: the tone is given up.
const BLIND_HOPS: u64 = 25;
/// The bounds are searched no further than this through lost frames.
const LOST_HOPS: u64 = 8;
/// How far back a tone's start is looked for quiet.
const LULL: u64 = 1200;
/// What rings on at the tone's own pitch belongs to it down to 34 dB below it ...
const TAIL: f32 = 0.0004;
/// ... while it holds at least this share of what is heard about that pitch.
const TAIL_SHARE: f32 = 0.5;
/// And so much of a window may lie before the tail: less than 3 ms of a tone 34 dB louder leak through its edge.
const TAIL_EDGE: u64 = 20;
/// Levels remembered to find the edges.
const MEMORY: usize = super::spectrum::MEMORY;
const HALF: u64 = WINDOW as u64 / 2;

/// -58 dBFS: below, nothing is called a tone.
const POWER_MIN: f32 = 1.6e-6;
/// A hop belongs to the tone while it has a quarter of its power (6 dB).
const EDGE: f32 = 0.25;
/// The lines of a tone hold this share of the power that is not noise.
const SHARE: f32 = 0.86;
/// One line alone that holds so much.
const PURE: f32 = 0.93;
/// Lower lines are a voice's.
const HZ_MIN: f32 = 340.0;
/// A line counts from this share of the strongest on.
const COUNTS: f32 = 0.02;
/// Three and more lines that lie closer to each other are a voice's harmonics.
const SPACING_HZ: f32 = 335.0;
/// And two that do may be.
const DUAL_HZ: f32 = 500.0;
/// Where the lines of a voice's first formant and of women's and children's pitch are.
const VOICE_HZ: f32 = 550.0;
/// The second line counts from this share of the strongest on where tones are named by their pair.
const PAIR: f32 = 0.1;

/// What the tracker hears in a hop.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hop<'a> {
    /// Mean square of the hop's own 80 samples, full scale is 1; not a number where the frame was lost.
    pub power: f32,
    /// The spectrum of the window that ends with the hop; `None` while lost frames lie in it.
    pub lines: Option<&'a Lines>,
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
    /// The lowest line in Hz.
    pub lowest_hz: f32,
    /// Mean square near the strongest line in the steady part.
    pub power: f32,
    /// The same of the last hops; a fading beep falls below its steady part.
    pub power_now: f32,
    /// The same of the 50 ms before it.
    pub power_before: f32,
    /// The least power of the whole band within the 150 ms before it.
    pub lull: f32,
    /// The power of all its lines.
    pub whole: f32,
    /// How much the line moves from hop to hop, in Hz: next to nothing, unless a codec or noise shakes it.
    pub jitter_hz: f32,
}

/// The tracker's news.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    /// A tone is certain; it began a little earlier.
    Started(Tone),
    /// The tone is over.
    Ended(Tone),
}

/// The line of a hop that was tonal.
#[derive(Clone, Copy, Default)]
struct Seen {
    hop: u64,
    hz: f32,
    power: f32,
    second_hz: f32,
    /// Hops that it must hold for.
    needs: usize,
}

/// Follows one line.
pub struct Tracker {
    /// A ring of what was tonal in the last hops.
    seen: [Seen; RUN],
    count: usize,
    agreeing: usize,
    current: Option<Tone>,
    last_hz: f32,
    missing: u64,
    silent: u64,
    blind: u64,
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
            seen: [Seen::default(); RUN],
            count: 0,
            agreeing: 0,
            current: None,
            last_hz: 0.0,
            missing: 0,
            silent: 0,
            blind: 0,
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
        self.agreeing >= 2
    }

    /// What of the tone's power is still heard after its end, noise taken off: 0 to 1 and more.
    pub fn rest_after(&self, tone: &Tone, spectrum: &Spectrum) -> f32 {
        let gone = (tone.end + WINDOW as u64).div_ceil(HOP);
        let hops = (self.hops - gone.min(self.hops)).clamp(1, MEMORY as u64) as usize;
        mean((0..hops).map(|back| spectrum.power_back(back))) / tone.whole
    }

    /// Its pitch is heard now, as loud as the tone was.
    pub fn again(&self, tone: &Tone, spectrum: &Spectrum) -> bool {
        let power = spectrum.power_near(tone.hz, 0);
        power >= EDGE * tone.power && power >= TAIL_SHARE * spectrum.power_about(tone.hz, 0)
    }

    /// Where a tone that has ended falls silent. A loudspeaker, a room or a recording's fade lets it ring on at its own
    /// pitch, much fainter: that is followed through the windows that begin after the tone, level by level.
    pub fn silent_after(&self, tone: &Tone, spectrum: &Spectrum) -> u64 {
        let first = (tone.end + WINDOW as u64 - TAIL_EDGE).div_ceil(HOP);
        let (mut end, mut level) = (tone.end, 0.0);
        for hop in first..=self.hops {
            let back = (self.hops - hop) as usize;
            let power = spectrum.power_near(tone.hz, back);
            if power < EDGE * level {
                let rang = (hop - 1) * HOP;
                return 2 * rang + HOP - crossing(rang, power, level, level) - HALF;
            }
            let rings =
                power >= TAIL * tone.power && power >= TAIL_SHARE * spectrum.power_about(tone.hz, back);
            if !rings {
                break;
            }
            (end, level) = (hop * HOP - HALF, power);
        }
        end
    }

    /// Hears the next hop; the spectrum has heard it.
    pub fn handle_hop(&mut self, hop: &Hop<'_>, spectrum: &Spectrum) -> Option<Change> {
        self.powers[self.hops as usize % MEMORY] = hop.power;
        self.hops += 1;
        match self.current {
            None => self.listen(hop, spectrum),
            Some(tone) => self.follow(tone, hop, spectrum),
        }
    }

    fn listen(&mut self, hop: &Hop<'_>, spectrum: &Spectrum) -> Option<Change> {
        let lines = hop.lines?;
        self.agreeing = 0;
        let needs = needs(lines).filter(|_| lines.power >= POWER_MIN)?;
        // Of lines nearly as loud as each other, now one and now the other is the strongest: stay with the one begun.
        let last = self.seen[(self.count + RUN - 1) % RUN];
        let loud = lines.present().iter().filter(|line| line.power >= EDGE * lines.lines[0].power);
        let line = match self.count {
            0 => lines.lines[0],
            _ => *loud
                .clone()
                .find(|line| near(line.hz, last.hz, self.hops - last.hop))
                .unwrap_or(&lines.lines[0]),
        };
        let pair = |other: &&Line| other.hz != line.hz && other.power >= PAIR * line.power;
        let second_hz = lines.present().iter().find(pair).map_or(0.0, |line| line.hz);
        self.seen[self.count % RUN] =
            Seen { hop: self.hops, hz: line.hz, power: line.power, second_hz, needs };
        self.count += 1;
        let mut run = [Seen::default(); RUN];
        let run = self.run(&mut run);
        self.agreeing = run.len();
        let needs = run.iter().map(|seen| seen.needs).sum::<usize>() / run.len();
        if run.len() < needs || !is_straight(run, needs) || !is_even(run) {
            return None;
        }
        let tone = self.begin(run, lines, spectrum);
        if tone.power < ONSET * tone.power_before && run.len() < GRADUAL_HOPS {
            return None;
        }
        self.last_hz = run[0].hz;
        self.current = Some(tone);
        (self.missing, self.silent, self.blind) = (0, 0, 0);
        (self.count, self.agreeing) = (0, 0);
        Some(Change::Started(tone))
    }

    /// The hops that agree with the newest, the newest first, with few gaps between them.
    fn run<'a>(&self, run: &'a mut [Seen; RUN]) -> &'a [Seen] {
        let (mut length, mut gaps) = (0, 0);
        for back in 1..=self.count.min(RUN) {
            let seen = self.seen[(self.count - back) % RUN];
            let Some(last) = run[..length].last() else {
                run[0] = seen;
                length = 1;
                continue;
            };
            let apart = last.hop - seen.hop;
            if gaps + apart - 1 > GAP_HOPS {
                break;
            }
            if near(seen.hz, last.hz, apart) {
                gaps += apart - 1;
                run[length] = seen;
                length += 1;
            }
        }
        &run[..length]
    }

    fn follow(&mut self, mut tone: Tone, hop: &Hop<'_>, spectrum: &Spectrum) -> Option<Change> {
        let Some(lines) = hop.lines else {
            self.blind += 1;
            return if self.blind > BLIND_HOPS { self.end(tone, spectrum) } else { None };
        };
        self.blind = 0;
        let power = spectrum.power_near(tone.hz, 0);
        let sounds = power >= tone.power_now * EDGE;
        let line = lines.present().iter().find(|line| near(line.hz, tone.hz, 4));
        let tonal = lines.share >= SHARE;
        if let Some(line) = line.filter(|_| sounds && tonal) {
            (self.missing, self.silent) = (0, 0);
            tone.end = self.hops * HOP;
            tone.power_now = 0.7 * tone.power_now + 0.3 * power;
            tone.hz += 0.2 * (line.hz - tone.hz);
            tone.jitter_hz += 0.1 * ((line.hz - self.last_hz).abs() - tone.jitter_hz);
            self.last_hz = line.hz;
            self.current = Some(tone);
            return None;
        }
        self.missing += 1;
        self.silent = if sounds { 0 } else { self.silent + 1 };
        let replaced = tonal && line.is_none() && lines.power >= POWER_MIN;
        let patience = if replaced { REPLACED_HOPS } else { BLURRED_HOPS };
        if self.silent < SILENT_HOPS && self.missing < patience {
            return None;
        }
        self.end(tone, spectrum)
    }

    fn end(&mut self, mut tone: Tone, spectrum: &Spectrum) -> Option<Change> {
        tone.end = self.end_of(&tone, spectrum).max(tone.start);
        self.current = None;
        Some(Change::Ended(tone))
    }

    fn begin(&self, run: &[Seen], lines: &Lines, spectrum: &Spectrum) -> Tone {
        let half = run.len() / 2;
        let late = |f: fn(&Seen) -> f32| run[..=half].iter().map(f).sum::<f32>() / (half + 1) as f32;
        let (hz, power_now) = (late(|seen| seen.hz), late(|seen| seen.power));
        let power = run.iter().map(|seen| seen.power).fold(0.0, f32::max);
        let first = (self.hops - run[run.len() - 1].hop) as usize;
        let start = self.start_of(run[run.len() - 1].hz, power, first, spectrum);
        let before = (self.hops * HOP + HALF - start.min(self.hops * HOP)).div_ceil(HOP) as usize + 2;
        let power_before = mean((before..before + 5).map(|back| spectrum.power_near(hz, back)));
        let calm = (self.hops * HOP - start.min(self.hops * HOP)).div_ceil(HOP);
        let remembered = calm..(calm + LULL / HOP).min(MEMORY as u64);
        let lull = remembered.map(|back| spectrum.power_back(back as usize)).fold(f32::MAX, f32::min);
        let whole = lines.power * power / lines.lines.iter().map(|line| line.power).fold(power_now, f32::max);
        let lowest_hz = counting(lines).map(|line| line.hz).fold(hz, f32::min);
        let (end, second_hz) = (self.hops * HOP, run[0].second_hz);
        let jitter_hz =
            run.windows(2).map(|pair| (pair[0].hz - pair[1].hz).abs()).sum::<f32>() / (run.len() - 1) as f32;
        Tone { start, end, hz, second_hz, lowest_hz, power, power_now, power_before, lull, whole, jitter_hz }
    }

    /// Backwards from a hop of the tone, over lost ones, to the hop that has less than a quarter of its power.
    fn start_of(&self, hz: f32, power: f32, first: usize, spectrum: &Spectrum) -> u64 {
        let level = |back: usize| spectrum.power_near(hz, back);
        let mut inside = first;
        let mut back = first + 1;
        let mut lost = 0;
        while (back as u64) < self.hops && back + 1 < MEMORY && lost <= LOST_HOPS {
            let (seen, own) = (level(back), self.power_back(back));
            if seen >= power * EDGE || seen.is_nan() && own >= power * EDGE {
                (inside, lost) = (back, 0);
            } else if own.is_nan() || seen.is_nan() && lost > 0 {
                lost += 1;
            } else {
                break;
            }
            back += 1;
        }
        let end = |back: usize| (self.hops - back as u64) * HOP;
        if lost > 0 || level(inside).is_nan() {
            // Known by its own power only, or in the middle of what was lost.
            return end(inside).saturating_sub(HOP + HOP * lost.min(LOST_HOPS) / 2);
        }
        let outside = if back as u64 >= self.hops { 0.0 } else { level(back) };
        if outside.is_nan() {
            return end(inside).saturating_sub(HALF);
        }
        crossing(end(back), outside, level(inside), power).saturating_sub(HALF)
    }

    /// Forward from the last hop of the tone to the one that has less than a quarter of its power.
    fn end_of(&self, tone: &Tone, spectrum: &Spectrum) -> u64 {
        let last = (self.hops - tone.end / HOP) as usize;
        if last == 0 || last >= MEMORY {
            return tone.end;
        }
        let floor = tone.power_now * EDGE;
        let mut inside = last;
        for back in (0..last).rev() {
            let (seen, own) = (spectrum.power_near(tone.hz, back), self.power_back(back));
            if seen >= floor {
                inside = back;
            } else if !seen.is_nan() {
                let before = spectrum.power_near(tone.hz, inside);
                let end = (self.hops - inside as u64) * HOP;
                return if before.is_nan() || inside != back + 1 {
                    end
                } else {
                    2 * end + HOP - crossing(end, seen, before, tone.power_now) - HALF
                };
            } else if own >= floor {
                inside = back;
            }
        }
        (self.hops - inside as u64) * HOP
    }

    /// The power of a hop, 0 being the newest.
    fn power_back(&self, back: usize) -> f32 {
        if back as u64 >= self.hops { 0.0 } else { self.powers[(self.hops as usize - 1 - back) % MEMORY] }
    }
}

/// Where between the hop that ends here and the next the amplitude passes the half of the tone's.
fn crossing(at: u64, below: f32, above: f32, power: f32) -> u64 {
    let [below, above, half] = [below, above, power * EDGE].map(f32::sqrt);
    let share = ((half - below) / (above - below).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    at + (share * HOP as f32) as u64
}

/// The mean of what is known.
fn mean(powers: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = powers
        .filter(|power| !power.is_nan())
        .fold((0.0, 0u32), |(sum, count), power| (sum + power, count + 1));
    sum / count.max(1) as f32
}

/// The same line so many hops apart.
fn near(a: f32, b: f32, hops: u64) -> bool {
    (a - b).abs() <= (STRAY_HZ).max(STRAY * b) * (1.0 + 0.25 * hops.min(8) as f32)
}

/// How many hops these lines must hold for to be a tone; `None` when they are no tone's.
fn needs(lines: &Lines) -> Option<usize> {
    if lines.share < SHARE {
        return None;
    }
    let strongest = lines.lines[0];
    let mut hz = [0.0; super::spectrum::LINES];
    let mut count = 0;
    for line in counting(lines) {
        hz[count] = line.hz;
        count += 1;
    }
    let hz = &mut hz[..count];
    hz.sort_unstable_by(f32::total_cmp);
    let spacing = hz.windows(2).map(|pair| pair[1] - pair[0]).fold(f32::MAX, f32::min);
    let lowest = *hz.first()?;
    if lowest < HZ_MIN || count > 2 && spacing < SPACING_HZ {
        return None;
    }
    let pure = strongest.power >= PURE * lines.power || count == 2 && spacing >= DUAL_HZ;
    Some(if lowest >= VOICE_HZ && (pure || spacing >= DUAL_HZ) { STEADY_HOPS } else { DOUBTFUL_HOPS })
}

fn counting(lines: &Lines) -> impl Iterator<Item = &Line> {
    lines.present().iter().filter(|line| line.power >= COUNTS * lines.lines[0].power)
}

/// The frequency stays, or rises or falls evenly and slowly.
fn is_straight(run: &[Seen], needs: usize) -> bool {
    let (slope, stray) = fit(run.iter().map(|seen| (seen.hop, seen.hz)), run[0].hop);
    let strict = if needs > STEADY_HOPS { DOUBTFUL } else { 1.0 };
    stray <= CROOKED_HZ.max(CROOKED * run[0].hz) * strict && slope.abs() <= CHIRP * strict * run[0].hz
}

/// The level stays or fades evenly; a syllable's does not.
fn is_even(run: &[Seen]) -> bool {
    let run = &run[..LEVEL_HOPS.min(run.len())];
    let (slope, stray) = fit(run.iter().map(|seen| (seen.hop, 10.0 * seen.power.log10())), run[0].hop);
    stray <= UNEVEN_DB && FADE_DB.contains(&slope)
}

/// The slope of the straight line through the points, a hop, and the root mean square about it.
fn fit(points: impl Iterator<Item = (u64, f32)> + Clone, newest: u64) -> (f32, f32) {
    let points = points.map(|(hop, y)| (hop as f32 - newest as f32, y));
    let count = points.clone().count() as f32;
    let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (xy, xx) = points.clone().fold((0.0, 0.0), |(xy, xx), (x, y)| {
        (xy + (x - mean_x) * (y - mean_y), xx + (x - mean_x) * (x - mean_x))
    });
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    let rest = points.map(|(x, y)| y - mean_y - slope * (x - mean_x)).map(|rest| rest * rest).sum::<f32>();
    (slope, (rest / count).sqrt())
}
