//! The power in each bin of the window that ends with a hop, and how far a window repeats at a voice's pitch.
//!
//! Both are transforms of real signals, and one complex transform serves two of them: one lies in its real part, the other
//! in its imaginary part. A frame of 20 ms has just two hops. The loops about the transform run on the widest vectors that
//! the processor has, which is asked once, as the transform's own do. Powers are mean squares, full scale is 1.

use pulp::{Arch, NullaryFnOnce};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

/// Samples in the window.
pub const WINDOW: usize = 256;
/// Where a voice's harmonics are looked for, as bins: 125 to 2000 Hz.
const VOICE: RangeInclusive<usize> = 4..=64;
/// 400 and 70 Hz, as lags in samples.
const LAG_MIN: usize = 20;
const LAG_MAX: usize = 114;
/// What a transform may need beside its values.
const SCRATCH: usize = WINDOW;
/// A sine of mean square 1 has this power in all its bins together: the sum of the window's squares, twice the length.
const SCALE: f32 = 1.0 / (WINDOW as f32 * 0.375 * WINDOW as f32 / 2.0);

/// What of one of two signals lies below this share of both is rounding.
const ROUNDING: f32 = 1e-6;

/// The power in each bin; a full-scale sine's lies near a third.
pub type Power = [f32; WINDOW / 2 + 1];

/// No power in any bin.
pub const SILENT: Power = [0.0; WINDOW / 2 + 1];

/// What is transformed.
type Values = [Complex<f32>; WINDOW];

/// What all calls have in common. What a transform needs besides lies on the stack: with a thousand calls nothing of a
/// call's own is still in the processor's cache when its next frame comes, so the less there is, the faster.
struct Plan {
    transform: Arc<dyn Fft<f32>>,
    /// The widest vectors of this processor.
    arch: Arch,
    window: [f32; WINDOW],
    /// One over the window's own autocorrelation, which that of any signal under it is divided by.
    untaper: [f32; LAG_MAX + 1],
}

impl Plan {
    fn get() -> &'static Plan {
        static PLAN: OnceLock<Plan> = OnceLock::new();
        PLAN.get_or_init(Plan::make)
    }

    fn make() -> Plan {
        let transform = FftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        assert!(transform.get_inplace_scratch_len() <= SCRATCH, "the stack has room");
        let window: [f32; WINDOW] = std::array::from_fn(|i| {
            0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / WINDOW as f32).cos()
        });
        let overlap = |lag: usize| (0..WINDOW).map(|i| window[i] * window[(i + lag) % WINDOW]).sum::<f32>();
        let untaper = std::array::from_fn(|lag| overlap(0) / overlap(lag));
        Plan { transform, arch: Arch::new(), window, untaper }
    }

    fn transform(&self, values: &mut Values) {
        let mut scratch = [Complex::ZERO; SCRATCH];
        let length = self.transform.get_inplace_scratch_len();
        self.transform.process_with_scratch(values, &mut scratch[..length]);
    }
}

/// Does `work` with the widest vectors of this processor. What it calls must be inlined to have them.
pub fn widely<W: NullaryFnOnce>(work: W) -> W::Output {
    Plan::get().arch.dispatch(work)
}

/// Two windows under a Hann window.
pub struct Pair {
    windows: [[f32; WINDOW]; 2],
}

impl Pair {
    /// Two windows of silence.
    pub fn new() -> Self {
        Pair { windows: [[0.0; WINDOW]; 2] }
    }

    /// Puts a window in the place of the first (0) or the second (1); its older and newer part are given, oldest sample
    /// first.
    pub fn put(&mut self, place: usize, older: &[f32], newer: &[f32]) {
        widely(Weigh(&mut self.windows[place], older, newer));
    }

    /// The power in each bin of either.
    pub fn powers(&self) -> [Power; 2] {
        let mut values = [Complex::ZERO; WINDOW];
        widely(Join(&mut values, &self.windows));
        Plan::get().transform(&mut values);
        widely(Part(&values))
    }
}

impl Default for Pair {
    fn default() -> Self {
        Pair::new()
    }
}

/// The power in each bin of one window, oldest sample first.
pub fn power(window: &[f32]) -> Power {
    let mut pair = Pair::new();
    pair.put(0, window, &[]);
    let [power, _] = pair.powers();
    power
}

/// How much of the power of either window repeats at a voice's pitch, 0 to 1: the highest autocorrelation between 70 and
/// 400 Hz, which is the transform of the power (Wiener and Khinchin).
pub fn periodicities(powers: [&Power; 2]) -> [f32; 2] {
    let [first, second] = powers;
    let mut values = [Complex::ZERO; WINDOW];
    for bin in VOICE {
        let value = Complex::new(first[bin], second[bin]);
        (values[bin], values[WINDOW - bin]) = (value, value);
    }
    Plan::get().transform(&mut values);
    widely(Highest(&values, &Plan::get().untaper))
}

struct Weigh<'a>(&'a mut [f32; WINDOW], &'a [f32], &'a [f32]);

impl NullaryFnOnce for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Weigh(into, older, newer) = self;
        let (early, late) = into.split_at_mut(older.len());
        let (early_weights, late_weights) = Plan::get().window.split_at(older.len());
        weigh(early, older, early_weights);
        weigh(late, newer, late_weights);
    }
}

#[inline(always)]
fn weigh(into: &mut [f32], samples: &[f32], weights: &[f32]) {
    for ((into, sample), weight) in into.iter_mut().zip(samples).zip(weights) {
        *into = sample * weight;
    }
}

/// One window is the real part, the other the imaginary.
struct Join<'a>(&'a mut Values, &'a [[f32; WINDOW]; 2]);

impl NullaryFnOnce for Join<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Join(values, [first, second]) = self;
        for (value, (re, im)) in values.iter_mut().zip(first.iter().zip(second)) {
            *value = Complex::new(*re, *im);
        }
    }
}

/// What belongs to the real part is alike at a frequency and its negative, but for a conjugation; what belongs to the
/// imaginary part is its opposite there.
struct Part<'a>(&'a Values);

impl NullaryFnOnce for Part<'_> {
    type Output = [Power; 2];

    #[inline(always)]
    fn call(self) -> [Power; 2] {
        let (mut re, mut im) = ([0.0; WINDOW], [0.0; WINDOW]);
        for ((re, im), value) in re.iter_mut().zip(&mut im).zip(self.0) {
            (*re, *im) = (value.re, value.im);
        }
        let mut powers = [SILENT; 2];
        let [first, second] = &mut powers;
        (first[0], second[0]) = (re[0] * re[0] * SCALE, im[0] * im[0] * SCALE);
        let above = re[1..=WINDOW / 2].iter().zip(&im[1..=WINDOW / 2]);
        let below = re[WINDOW / 2..].iter().rev().zip(im[WINDOW / 2..].iter().rev());
        let powers_at = first[1..].iter_mut().zip(&mut second[1..]);
        for (((first, second), (re, im)), (mirror_re, mirror_im)) in powers_at.zip(above).zip(below) {
            let (plus_re, plus_im) = (re + mirror_re, im + mirror_im);
            let (minus_re, minus_im) = (re - mirror_re, im - mirror_im);
            *first = (plus_re * plus_re + minus_im * minus_im) * (SCALE / 4.0);
            *second = (plus_im * plus_im + minus_re * minus_re) * (SCALE / 4.0);
        }
        powers
    }
}

struct Highest<'a>(&'a Values, &'a [f32; LAG_MAX + 1]);

impl NullaryFnOnce for Highest<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn call(self) -> [f32; 2] {
        let Highest(values, untaper) = self;
        let mut lanes = [Complex::<f32>::ZERO; 8];
        let lags = values[LAG_MIN..=LAG_MAX].chunks(8).zip(untaper[LAG_MIN..=LAG_MAX].chunks(8));
        for (values, untaper) in lags {
            for ((highest, value), untaper) in lanes.iter_mut().zip(values).zip(untaper) {
                let Complex { re, im } = value * untaper;
                highest.re = if re > highest.re { re } else { highest.re };
                highest.im = if im > highest.im { im } else { highest.im };
            }
        }
        // What rounding leaves of a loud one in a silent one repeats by chance.
        let rounding = ROUNDING * (values[0].re + values[0].im) + f32::MIN_POSITIVE;
        let [re, im] = [|lane: &Complex<f32>| lane.re, |lane: &Complex<f32>| lane.im]
            .map(|part| lanes.iter().map(part).fold(0.0, f32::max) / (part(&values[0]) + rounding));
        [re.min(1.0), im.min(1.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f32, peak: f32) -> Vec<f32> {
        (0..WINDOW).map(|i| peak * (std::f32::consts::TAU * hz * i as f32 / 8000.0).sin()).collect()
    }

    /// By the definition of the transform.
    fn power_at(samples: &[f32], bin: usize) -> f32 {
        let turn = std::f64::consts::TAU * bin as f64 / WINDOW as f64;
        let weighed = |i: usize| f64::from(samples[i] * Plan::get().window[i]);
        let [re, im]: [f64; 2] =
            [f64::cos, f64::sin].map(|wave| (0..WINDOW).map(|i| weighed(i) * wave(turn * i as f64)).sum());
        (re * re + im * im) as f32 * SCALE
    }

    #[test]
    fn of_two_windows_each_has_its_own_power_in_every_bin() {
        let (first, mut second) = (sine(1000.0, 0.5), sine(431.0, 0.01));
        second.iter_mut().zip(sine(2900.0, 0.02)).for_each(|(sample, other)| *sample += other + 0.001);
        let (older, newer) = second.split_at(97);
        let mut pair = Pair::new();
        pair.put(0, &first, &[]);
        pair.put(1, older, newer);
        let told = pair.powers();
        for bin in 0..=WINDOW / 2 {
            for (told, samples) in told.iter().zip([&first, &second]) {
                let expected = power_at(samples, bin);
                assert!(
                    (told[bin] - expected).abs() < 1e-4 * expected + 1e-11,
                    "{bin}: {} {expected}",
                    told[bin]
                );
            }
        }
    }

    #[test]
    fn of_two_windows_each_repeats_as_it_does_alone() {
        // A voice's harmonics of 150 Hz repeat; noise does not.
        let harmonics: Vec<Vec<f32>> = (1..=5).map(|number| sine(150.0 * number as f32, 0.1)).collect();
        let samples: Vec<f32> = (0..WINDOW).map(|i| harmonics.iter().map(|wave| wave[i]).sum()).collect();
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let noise: Vec<f32> = (0..WINDOW).map(|_| random()).collect();
        let (voice, noise) = (power(&samples), power(&noise));
        let [voiced, unvoiced] = periodicities([&voice, &noise]);
        assert!(voiced > 0.9 && unvoiced < 0.6, "{voiced} {unvoiced}");
        for (power, both) in [(&voice, voiced), (&noise, unvoiced)] {
            assert!((periodicities([power, &SILENT])[0] - both).abs() < 1e-4);
            assert!((periodicities([&SILENT, power])[1] - both).abs() < 1e-4);
            assert!(periodicities([&SILENT, power])[0] < 0.2 && periodicities([power, &SILENT])[1] < 0.2);
        }
        assert_eq!(periodicities([&SILENT, &SILENT]), [0.0, 0.0]);
    }
}
