//! The spectrum of the last 32 ms at each hop of 10 ms: its strongest lines and how much of the power they hold.
//!
//! A Hann window of 256 samples puts a steady sine into five bins of 31.25 Hz; a parabola through the logarithms of the
//! three highest finds its frequency to a fraction of a hertz, which is what tells a machine's tone from a voice. What
//! the line's noise puts into each bin is followed through the pauses and taken off, so that a tone in noise shows as
//! the lines it is made of. Powers are mean squares, full scale is 1.

use super::transform::{Power, SILENT, WINDOW, widely};
use pulp::NullaryFnOnce;
use std::ops::RangeInclusive;

/// Lines that are told apart.
pub const LINES: usize = 5;
/// Hops remembered.
pub const MEMORY: usize = 32;
const BIN_HZ: f32 = 8000.0 / WINDOW as f32;
/// The telephone band, as bins: 250 to 3500 Hz.
const BAND: RangeInclusive<usize> = 8..=112;
/// The same as a set of bits.
const IN_BAND: u128 = (1 << (*BAND.end() + 1)) - (1 << *BAND.start());
/// Where network tones live, as bins: 312 to 656 Hz.
const NETWORK: RangeInclusive<usize> = 10..=21;
/// A line's main lobe reaches so many bins to each side.
const LOBE: usize = 2;
/// The surroundings of a line, in bins to each side.
const ABOUT: usize = 8;
/// A line holds at least this share of the power (-18 dB): a window's own side lobes and a codec's noise hold less.
const LINE_MIN: f32 = 0.015;
/// Of a line's power its highest bin holds at least this share; the ripples beside a stronger line do not.
const SUMMIT: f32 = 0.3;

/// The noise's power in a bin is the least smoothed power; it may rise by 8 dB in a second ...
const NOISE_RISE: f32 = 1.019;
const NOISE_PACE: f32 = 0.12;
/// ... after so many hops, lest the beginning of a tone be taken for it ...
const NOISE_HOPS: u32 = 10;
/// ... and is taken off three times, for it fluctuates, and the least lies below the mean.
const NOISE_OFF: f32 = 3.0;
/// The lines of a tone, or the range of network tones, hold this much: no noise is learnt from it.
const TONE_SHARE: f32 = 0.75;
/// -72 dBFS: digital silence says nothing of the line's noise.
const SILENCE: f32 = 6e-8;

/// Bins that are remembered: the band and what lies about its lines.
const KEPT: usize = 128;
const _: () = assert!(*BAND.end() + ABOUT < KEPT, "the surroundings of every line are remembered");

/// The power of a hop that is gone, to a two-hundredth: the upper half of each number. A call's memory of its past is most
/// of what it holds, and levels that differ by so little are the same.
type Kept = [u16; KEPT];

fn kept(power: f32) -> u16 {
    (power.to_bits() >> 16) as u16
}

/// The middle of what was cut off is put back; nothing stays nothing.
fn known(kept: u16) -> f32 {
    let middle = if kept == 0 { 0 } else { 1 << 15 };
    f32::from_bits(u32::from(kept) << 16 | middle)
}

/// One line of a window.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Line {
    /// Its frequency in Hz.
    pub hz: f32,
    /// Its power.
    pub power: f32,
}

/// What one window shows, the line's noise taken off.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Lines {
    /// The lines, the strongest first; those that are not there have no power.
    pub lines: [Line; LINES],
    /// The band's power.
    pub power: f32,
    /// The share of the lines, as long as there are few.
    pub share: f32,
    /// Share of the range of network tones.
    pub network_share: f32,
    /// The centre of gravity of the range of network tones in Hz.
    pub network_hz: f32,
}

impl Lines {
    /// The lines that are there.
    pub fn present(&self) -> &[Line] {
        let count = self.lines.iter().take_while(|line| line.power > 0.0).count();
        &self.lines[..count]
    }
}

/// Computes [`Lines`]; no memory is taken afterwards.
pub struct Spectrum {
    power: Box<Power>,
    /// That of the window before.
    before: Box<Power>,
    smooth: Power,
    noise: Power,
    /// The power of the last hops without noise, not a number where frames were lost; a ring.
    history: Box<[Kept; MEMORY]>,
    hops: usize,
    learnt: u32,
}

impl Default for Spectrum {
    fn default() -> Self {
        Self::new()
    }
}

impl Spectrum {
    /// Nothing heard yet.
    pub fn new() -> Self {
        Spectrum {
            power: Box::new(SILENT),
            before: Box::new(SILENT),
            smooth: SILENT,
            noise: SILENT,
            history: Box::new([[0; KEPT]; MEMORY]),
            hops: 0,
            learnt: 0,
        }
    }

    /// Forgets the call.
    pub fn reset(&mut self) {
        (self.smooth, self.noise) = (SILENT, SILENT);
        self.history.fill([0; KEPT]);
        self.power.fill(0.0);
        self.before.fill(0.0);
        (self.hops, self.learnt) = (0, 0);
    }

    /// The lines of the next window, which has this power.
    pub fn lines(&mut self, power: &Power) -> Lines {
        std::mem::swap(&mut self.power, &mut self.before);
        *self.power = *power;
        widely(Read(self))
    }

    /// The line is digitally silent throughout the window.
    pub fn silence(&mut self) -> Lines {
        std::mem::swap(&mut self.power, &mut self.before);
        self.power.fill(0.0);
        self.history[self.hops % MEMORY].fill(0);
        self.hops += 1;
        Lines::default()
    }

    /// Lost frames lie in the window of this hop.
    pub fn skip(&mut self) {
        self.history[self.hops % MEMORY].fill(kept(f32::NAN));
        self.hops += 1;
    }

    /// The power near a frequency so many hops ago, 0 being the newest; not a number where it is unknown.
    pub fn power_near(&self, hz: f32, back: usize) -> f32 {
        self.power_within(hz, back, LOBE)
    }

    /// The same with its surroundings, 250 Hz to each side.
    pub fn power_about(&self, hz: f32, back: usize) -> f32 {
        self.power_within(hz, back, ABOUT)
    }

    fn power_within(&self, hz: f32, back: usize, reach: usize) -> f32 {
        let bin = ((hz / BIN_HZ).round() as usize).clamp(*BAND.start(), *BAND.end());
        self.sum_of(back, bin - reach..=bin + reach)
    }

    /// The band's power so many hops ago; not a number where it is unknown.
    pub fn power_back(&self, back: usize) -> f32 {
        self.sum_of(back, BAND)
    }

    fn sum_of(&self, back: usize, bins: RangeInclusive<usize>) -> f32 {
        if back >= self.hops.min(MEMORY) {
            return 0.0;
        }
        let power = &self.history[(self.hops - 1 - back) % MEMORY];
        power[bins].iter().map(|power| known(*power)).sum()
    }

    /// The power in each bin of the last window that was given.
    pub fn power(&self) -> &Power {
        &self.power
    }

    /// The same of the window before it.
    pub fn power_before(&self) -> &Power {
        &self.before
    }

    #[inline(always)]
    fn read(&mut self) -> Lines {
        let whole = sum(&self.power, BAND);
        let mut clean = SILENT;
        for ((clean, power), noise) in clean.iter_mut().zip(&*self.power).zip(&self.noise) {
            *clean = (power - NOISE_OFF * noise).max(0.0);
        }
        let clean = &clean;
        for (kept, clean) in self.history[self.hops % MEMORY].iter_mut().zip(clean) {
            *kept = self::kept(*clean);
        }
        self.hops += 1;
        let power = sum(clean, BAND);
        let network = sum(clean, NETWORK);
        let moment: f32 = NETWORK.map(|bin| bin as f32 * clean[bin]).sum();
        let (lines, share) = self.strongest(clean, power);
        let lump = sum(&self.power, NETWORK) >= TONE_SHARE * whole;
        if share < TONE_SHARE && !lump && whole >= SILENCE {
            self.learn_noise();
        }
        Lines {
            lines,
            power,
            share,
            network_share: network / (power + f32::MIN_POSITIVE),
            network_hz: moment / (network + f32::MIN_POSITIVE) * BIN_HZ,
        }
    }

    #[inline(always)]
    fn learn_noise(&mut self) {
        self.learnt += 1;
        let pace = NOISE_PACE.max(1.0 / self.learnt as f32);
        for (smooth, power) in self.smooth.iter_mut().zip(&*self.power) {
            *smooth += (power - *smooth) * pace;
        }
        match self.learnt {
            ..NOISE_HOPS => {}
            NOISE_HOPS => self.noise = self.smooth,
            _ => {
                for (noise, smooth) in self.noise.iter_mut().zip(&self.smooth) {
                    *noise = smooth.min(*noise * NOISE_RISE + f32::MIN_POSITIVE);
                }
            }
        }
    }

    /// The strongest peaks and the share of their lobes.
    #[inline(always)]
    fn strongest(&self, clean: &Power, whole: f32) -> ([Line; LINES], f32) {
        let mut bins = [(0, 0.0f32); LINES];
        // What follows from the conditions below, a little less; most bins of a voice are fainter, and told so at once.
        let mut peaks = peaks(clean, 0.99 * SUMMIT * LINE_MIN * whole);
        while peaks > 0 {
            let bin = peaks.trailing_zeros() as usize;
            peaks &= peaks - 1;
            let at = clean[bin];
            let lobe: f32 = clean[bin - LOBE..=bin + LOBE].iter().sum();
            if lobe > bins[LINES - 1].1 && lobe >= LINE_MIN * whole && at >= SUMMIT * lobe {
                let place = bins.iter().position(|(_, power)| lobe > *power).unwrap_or(LINES - 1);
                bins[place..].rotate_right(1);
                bins[place] = (bin, lobe);
            }
        }
        let mut covered = 0u128;
        let mut lines = [Line::default(); LINES];
        for (line, (bin, power)) in lines.iter_mut().zip(&bins).filter(|(_, (bin, _))| *bin > 0) {
            covered |= 0b11111 << (bin - LOBE);
            *line = Line { hz: *bin as f32 * BIN_HZ, power: *power };
        }
        covered &= IN_BAND;
        let mut held = 0.0;
        while covered > 0 {
            held += clean[covered.trailing_zeros() as usize];
            covered &= covered - 1;
        }
        let share = held / (whole + f32::MIN_POSITIVE);
        // Where there is no tone, nobody asks for the fainter lines to the hertz.
        let exact = if share >= TONE_SHARE { LINES } else { 1 };
        for (line, (bin, _)) in lines.iter_mut().zip(&bins).take(exact).filter(|(_, (bin, _))| *bin > 0) {
            line.hz = self.frequency(*bin);
        }
        (lines, share)
    }

    /// The top of the parabola through a peak and its neighbours.
    fn frequency(&self, bin: usize) -> f32 {
        let [below, at, above] = [bin - 1, bin, bin + 1].map(|b| (self.power[b] + f32::MIN_POSITIVE).ln());
        let bend = below - 2.0 * at + above;
        let offset = if bend < 0.0 { (0.5 * (below - above) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        (bin as f32 + offset) * BIN_HZ
    }
}

/// [`Spectrum::read`], with wide vectors.
struct Read<'a>(&'a mut Spectrum);

impl NullaryFnOnce for Read<'_> {
    type Output = Lines;

    #[inline(always)]
    fn call(self) -> Lines {
        self.0.read()
    }
}

/// The bins of the band that hold at least so much and more than their neighbours, as a set of bits.
#[inline(always)]
fn peaks(clean: &Power, least: f32) -> u128 {
    const FIRST: usize = *BAND.start();
    const WIDTH: usize = (*BAND.end() + 1 - FIRST).next_multiple_of(8);
    let mut is_peak = [0u8; WIDTH];
    let (below, at, above) =
        (&clean[FIRST - 1..][..WIDTH], &clean[FIRST..][..WIDTH], &clean[FIRST + 1..][..WIDTH]);
    for i in 0..WIDTH {
        is_peak[i] = u8::from((at[i] >= least) & (at[i] > below[i]) & (at[i] >= above[i]));
    }
    let mut peaks = 0;
    for (place, eight) in is_peak.chunks_exact(8).enumerate() {
        let eight = u64::from_le_bytes(eight.try_into().expect("eight"));
        // Gathers the lowest bits of the eight bytes in the highest byte.
        let bits = eight.wrapping_mul(0x0102_0408_1020_4080) >> 56;
        peaks |= u128::from(bits) << (FIRST + 8 * place);
    }
    peaks & IN_BAND
}

/// In eight lanes, which a processor adds at once.
#[inline(always)]
fn sum(power: &Power, bins: RangeInclusive<usize>) -> f32 {
    let bins = &power[bins];
    let mut lanes = [0.0; 8];
    let chunks = bins.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, power)| *lane += power);
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::transform::power;

    fn sines(parts: &[(f32, f32)]) -> Vec<f32> {
        let sample =
            |i: usize, (hz, peak): &(f32, f32)| peak * (std::f32::consts::TAU * hz * i as f32 / 8000.0).sin();
        (0..WINDOW).map(|i| parts.iter().map(|part| sample(i, part)).sum()).collect()
    }

    fn seen(spectrum: &mut Spectrum, samples: &[f32]) -> Lines {
        spectrum.lines(&power(samples))
    }

    #[test]
    fn a_sine_is_found_to_a_hertz_wherever_it_lies_between_bins() {
        let mut spectrum = Spectrum::new();
        for tenth in 0..100 {
            let hz = 900.0 + tenth as f32;
            let lines = seen(&mut spectrum, &sines(&[(hz, 0.1)]));
            let [line] = lines.present() else { panic!("{hz}: {lines:?}") };
            assert!((line.hz - hz).abs() < 1.5, "{hz} read as {}", line.hz);
            assert!(lines.share > 0.99, "{hz}: {}", lines.share);
            assert!((line.power - 0.005).abs() < 0.0002, "{hz}: {}", line.power);
        }
    }

    #[test]
    fn two_lines_share_the_power() {
        let lines = seen(&mut Spectrum::new(), &sines(&[(697.0, 0.2), (1209.0, 0.1)]));
        let [first, second] = lines.present() else { panic!("{lines:?}") };
        assert!((first.hz - 697.0).abs() < 2.0 && (second.hz - 1209.0).abs() < 2.0, "{lines:?}");
        assert!(lines.share > 0.98, "{lines:?}");
    }

    #[test]
    fn digital_silence_has_no_line() {
        let lines = seen(&mut Spectrum::new(), &[0.0; WINDOW]);
        assert!(lines.present().is_empty() && lines.share.is_finite(), "{lines:?}");
    }

    #[test]
    fn a_tone_in_a_noise_that_was_heard_before_shows_as_one_line() {
        let mut spectrum = Spectrum::new();
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        // 8 dB: 0.1 is the sine's peak, 0.0281 the noise's root mean square.
        let mut heard = |peak: f32| {
            let samples: Vec<f32> =
                sines(&[(1000.0, peak)]).iter().map(|sample| sample + 0.0975 * noise()).collect();
            seen(&mut spectrum, &samples)
        };
        for _ in 0..100 {
            heard(0.0);
        }
        for _ in 0..20 {
            let lines = heard(0.1);
            assert!((lines.lines[0].hz - 1000.0).abs() < 6.0, "{lines:?}");
            assert!(lines.lines[0].power > 0.9 * lines.power, "{lines:?}");
        }
    }
}
