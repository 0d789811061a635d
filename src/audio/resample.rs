//! Changing the sample rate of a whole clip, by rubato's synchronous FFT resampler.
//!
//! Prompts and fixtures are converted once, on loading: here quality counts and speed does not, so the blocks are long
//! and the filter is steep.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};
use std::fmt;

/// Rates outside of this are refused: below there is no speech, above it is no recording.
pub const RATE_HZ_MIN: u32 = 2_000;
/// See [`RATE_HZ_MIN`].
pub const RATE_HZ_MAX: u32 = 384_000;

/// Samples of one FFT block at least, on the input's side.
const BLOCK: usize = 2_048;

/// The block holds an even multiple of the shortest common period of both rates: the filter's delay is half a block,
/// and only then is it a whole number of samples on both sides, so that nothing is shifted.
fn block(from_hz: u32, to_hz: u32) -> usize {
    let (mut common, mut rest) = (from_hz, to_hz);
    while rest != 0 {
        (common, rest) = (rest, common % rest);
    }
    BLOCK.next_multiple_of(2 * (from_hz / common) as usize)
}

/// The rates that were asked for cannot be converted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnusableRate {
    /// The one that is out of bounds.
    pub rate_hz: u32,
    /// What the resampler says.
    pub reason: String,
}

impl fmt::Display for UnusableRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sample rate of {} Hz cannot be converted: {}", self.rate_hz, self.reason)
    }
}

impl std::error::Error for UnusableRate {}

/// The same sound at another rate, without delay; one channel, samples in -1.0..=1.0.
pub fn convert(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, UnusableRate> {
    for rate_hz in [from_hz, to_hz] {
        if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
            let reason = format!("it must be in {RATE_HZ_MIN}..={RATE_HZ_MAX}");
            return Err(UnusableRate { rate_hz, reason });
        }
    }
    if from_hz == to_hz || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    run(samples, from_hz, to_hz).map_err(|reason| UnusableRate { rate_hz: from_hz, reason })
}

fn run(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, String> {
    let (from, to) = (from_hz as usize, to_hz as usize);
    let mut resampler = Fft::<f32>::new_custom(
        from,
        to,
        block(from_hz, to_hz),
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Input,
    )
    .map_err(|error| error.to_string())?;
    let room = resampler.process_all_needed_output_len(samples.len());
    let mut output = vec![0.0; room];
    let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let mut sink = InterleavedSlice::new_mut(&mut output, 1, room).map_err(|error| error.to_string())?;
    let (_, made) = resampler
        .process_all_into_buffer(&input, &mut sink, samples.len(), None)
        .map_err(|error| error.to_string())?;
    output.truncate(made);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn sine(frequency_hz: f64, rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|index| (0.5 * (TAU * frequency_hz * index as f64 / f64::from(rate_hz)).sin()) as f32)
            .collect()
    }

    fn rms(samples: &[f32]) -> f64 {
        (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_place_its_level_and_its_length() {
        for from_hz in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 7_919] {
            let one_second = sine(440.0, from_hz, from_hz as usize);
            let out = convert(&one_second, from_hz, 8_000).unwrap();
            assert_eq!(out.len(), 8_000, "{from_hz}");
            let expected = sine(440.0, 8_000, 8_000);
            let wrong: Vec<f32> = out.iter().zip(&expected).map(|(a, b)| a - b).collect();
            let inner = &wrong[400..7_600];
            assert!(rms(inner) < 0.003, "{from_hz}: error {}", rms(inner));
        }
    }

    #[test]
    fn what_8_khz_cannot_carry_is_filtered_and_not_folded() {
        let out = convert(&sine(5_000.0, 48_000, 48_000), 48_000, 8_000).unwrap();
        assert!(rms(&out[400..7_600]) < 0.001, "{}", rms(&out[400..7_600]));
    }

    #[test]
    fn short_and_empty_clips_keep_their_length() {
        assert_eq!(convert(&[], 48_000, 8_000).unwrap(), Vec::<f32>::new());
        assert_eq!(convert(&[0.5; 6], 48_000, 8_000).unwrap().len(), 1);
        assert_eq!(convert(&[0.5; 7], 48_000, 8_000).unwrap().len(), 2);
    }

    #[test]
    fn impossible_rates_are_refused_by_name() {
        for rate_hz in [0, 1, 1_999, 384_001, u32::MAX] {
            let error = convert(&[0.0; 100], rate_hz, 8_000).unwrap_err();
            assert!(error.to_string().contains(&rate_hz.to_string()));
        }
    }
}
