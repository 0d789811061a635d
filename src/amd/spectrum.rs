//! The spectrum of the last 32 ms at each hop of 10 ms: its strongest lines and how much of the power they hold.
//!
//! A Hann window of 256 samples puts a steady sine into five bins of 31.25 Hz; a parabola through the logarithms of the
//! three highest finds its frequency to a fraction of a hertz, which is what tells a machine's tone from a voice.

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Samples in the window.
pub const WINDOW: usize = 256;
const BIN_HZ: f32 = 8000.0 / WINDOW as f32;
/// The telephone band, as bins: 250 to 3500 Hz.
const BAND: std::ops::RangeInclusive<usize> = 8..=112;
/// Where network tones live, as bins: 312 to 656 Hz.
const NETWORK: std::ops::RangeInclusive<usize> = 10..=21;
/// Where a voice's harmonics are looked for, as bins: 125 to 2000 Hz.
const VOICE: std::ops::RangeInclusive<usize> = 4..=64;
/// 400 and 70 Hz, as lags in samples.
const LAG_MIN: usize = 20;
const LAG_MAX: usize = 114;
/// A line's main lobe reaches so many bins to each side.
const LOBE: usize = 2;

/// What one window shows.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Lines {
    /// Frequency of the strongest line in Hz.
    pub first_hz: f32,
    /// Frequency of the second line in Hz.
    pub second_hz: f32,
    /// Share of the band's power in the strongest line.
    pub first_share: f32,
    /// Share in the second line.
    pub second_share: f32,
    /// Share in the second and third harmonic of the strongest line.
    pub harmonic_share: f32,
    /// Share of the range of network tones.
    pub network_share: f32,
    /// How much of the power repeats at a voice's pitch, 0 to 1: the highest autocorrelation between 70 and 400 Hz.
    pub periodicity: f32,
    /// The centre of gravity of the range of network tones in Hz.
    pub network_hz: f32,
}

/// Computes [`Lines`]; planned once, without memory taken afterwards.
pub struct Spectrum {
    plan: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    window: [f32; WINDOW],
    input: Vec<f32>,
    output: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    correlation: Vec<f32>,
    inverse_scratch: Vec<Complex<f32>>,
    power: [f32; WINDOW / 2 + 1],
    /// The window's own autocorrelation, which that of any signal under it is divided by.
    taper: [f32; LAG_MAX + 1],
}

impl Default for Spectrum {
    fn default() -> Self {
        Self::new()
    }
}

impl Spectrum {
    /// Plans the transform.
    pub fn new() -> Self {
        let mut planner = RealFftPlanner::<f32>::new();
        let (plan, inverse) = (planner.plan_fft_forward(WINDOW), planner.plan_fft_inverse(WINDOW));
        let window: [f32; WINDOW] = std::array::from_fn(|i| {
            0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / WINDOW as f32).cos()
        });
        let overlap = |lag: usize| (0..WINDOW).map(|i| window[i] * window[(i + lag) % WINDOW]).sum::<f32>();
        Spectrum {
            taper: std::array::from_fn(|lag| overlap(lag) / overlap(0)),
            correlation: inverse.make_output_vec(),
            inverse_scratch: inverse.make_scratch_vec(),
            inverse,
            input: plan.make_input_vec(),
            output: plan.make_output_vec(),
            scratch: plan.make_scratch_vec(),
            power: [0.0; WINDOW / 2 + 1],
            window,
            plan,
        }
    }

    /// The lines of the window whose older and newer part are given, oldest sample first.
    pub fn lines(&mut self, older: &[f32], newer: &[f32]) -> Lines {
        let samples = older.iter().chain(newer);
        for ((input, sample), weight) in self.input.iter_mut().zip(samples).zip(&self.window) {
            *input = sample * weight;
        }
        self.plan
            .process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch)
            .expect("the buffers were made by the plan");
        for (power, value) in self.power.iter_mut().zip(&self.output) {
            *power = value.norm_sqr();
        }
        self.read()
    }

    /// The power in each bin of the last window that was given; a full-scale sine's lies near 4096.
    pub fn power(&self) -> &[f32; WINDOW / 2 + 1] {
        &self.power
    }

    /// Wiener and Khinchin: the autocorrelation is the transform of the power.
    fn periodicity(&mut self) -> f32 {
        for (bin, value) in self.output.iter_mut().enumerate() {
            let power = if VOICE.contains(&bin) { self.power[bin] } else { 0.0 };
            *value = Complex::new(power, 0.0);
        }
        self.inverse
            .process_with_scratch(&mut self.output, &mut self.correlation, &mut self.inverse_scratch)
            .expect("the buffers were made by the plan");
        let whole = self.correlation[0] + f32::MIN_POSITIVE;
        (LAG_MIN..=LAG_MAX)
            .map(|lag| self.correlation[lag] / self.taper[lag] / whole)
            .fold(0.0, f32::max)
            .min(1.0)
    }

    fn read(&mut self) -> Lines {
        let periodicity = self.periodicity();
        let total = self.sum(BAND) + f32::MIN_POSITIVE;
        let first = self.peak(|_| true);
        let second = self.peak(|bin| bin.abs_diff(first) > 2 * LOBE);
        let first_hz = self.frequency(first);
        let network = self.sum(NETWORK) + f32::MIN_POSITIVE;
        let moment: f32 = NETWORK.map(|bin| bin as f32 * self.power[bin]).sum();
        Lines {
            first_hz,
            second_hz: self.frequency(second),
            first_share: self.lobe(first) / total,
            second_share: self.lobe(second) / total,
            harmonic_share: (2..=3).map(|n| self.harmonic(first_hz, n)).sum::<f32>() / total,
            periodicity,
            network_share: network / total,
            network_hz: moment / network * BIN_HZ,
        }
    }

    fn sum(&self, bins: std::ops::RangeInclusive<usize>) -> f32 {
        self.power[bins].iter().sum()
    }

    fn peak(&self, allowed: impl Fn(usize) -> bool) -> usize {
        BAND.filter(|bin| allowed(*bin)).max_by(|a, b| self.power[*a].total_cmp(&self.power[*b])).unwrap_or(8)
    }

    fn lobe(&self, bin: usize) -> f32 {
        self.sum(bin - LOBE..=bin + LOBE)
    }

    fn harmonic(&self, hz: f32, times: usize) -> f32 {
        let bin = (hz * times as f32 / BIN_HZ).round() as usize;
        if BAND.contains(&bin) { self.lobe(bin) } else { 0.0 }
    }

    /// The top of the parabola through a peak and its neighbours.
    fn frequency(&self, bin: usize) -> f32 {
        let [below, at, above] = [bin - 1, bin, bin + 1].map(|b| (self.power[b] + f32::MIN_POSITIVE).ln());
        let bend = below - 2.0 * at + above;
        let offset = if bend < 0.0 { (0.5 * (below - above) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        (bin as f32 + offset) * BIN_HZ
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sines(parts: &[(f32, f32)]) -> Vec<f32> {
        let sample =
            |i: usize, (hz, peak): &(f32, f32)| peak * (std::f32::consts::TAU * hz * i as f32 / 8000.0).sin();
        (0..WINDOW).map(|i| parts.iter().map(|part| sample(i, part)).sum()).collect()
    }

    #[test]
    fn a_sine_is_found_to_a_hertz_wherever_it_lies_between_bins() {
        let mut spectrum = Spectrum::new();
        for tenth in 0..100 {
            let hz = 900.0 + tenth as f32;
            let lines = spectrum.lines(&sines(&[(hz, 0.1)]), &[]);
            assert!((lines.first_hz - hz).abs() < 1.5, "{hz} read as {}", lines.first_hz);
            assert!(lines.first_share > 0.99, "{hz}: {}", lines.first_share);
        }
    }

    #[test]
    fn two_lines_share_the_power() {
        let lines = Spectrum::new().lines(&sines(&[(697.0, 0.2), (1209.0, 0.1)]), &[]);
        assert!((lines.first_hz - 697.0).abs() < 2.0 && (lines.second_hz - 1209.0).abs() < 2.0, "{lines:?}");
        assert!(lines.first_share + lines.second_share > 0.98, "{lines:?}");
    }

    #[test]
    fn digital_silence_has_no_line() {
        let lines = Spectrum::new().lines(&[0.0; WINDOW], &[]);
        assert!(lines.first_share < 0.01 && lines.first_hz.is_finite(), "{lines:?}");
    }
}
