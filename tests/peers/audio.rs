//! What the tests hear and say: WAV files read and written, tones measured, independent of the code under test.

use std::f64::consts::TAU;
use std::path::Path;

/// Samples a second, everywhere here.
pub const RATE: usize = 8_000;

/// Reads one channel of a PCM WAV at 8 kHz.
pub fn read(path: &Path, channel: usize) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let spec = reader.spec();
    assert_eq!((spec.sample_rate, spec.bits_per_sample), (RATE as u32, 16), "{}", path.display());
    let channels = usize::from(spec.channels);
    // A program that was killed leaves the length of its file open; what is there counts.
    reader.samples::<i16>().map_while(Result::ok).skip(channel).step_by(channels).collect()
}

/// Writes mono PCM at 8 kHz.
pub fn write(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE as u32,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer =
        hound::WavWriter::create(path, spec).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    samples.iter().for_each(|s| writer.write_sample(*s).unwrap());
    writer.finalize().unwrap();
}

/// A sine of `hertz` at -12 dBFS.
pub fn tone(hertz: f64, seconds: f64) -> Vec<i16> {
    let samples = (seconds * RATE as f64) as usize;
    (0..samples).map(|n| (8_192.0 * (TAU * hertz * n as f64 / RATE as f64).sin()) as i16).collect()
}

/// Silence.
pub fn silence(seconds: f64) -> Vec<i16> {
    vec![0; (seconds * RATE as f64) as usize]
}

/// The mu-law bytes of samples (ITU-T G.711), for SIPp, which sends files as they are.
pub fn mu_law(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|s| mu_law_byte(*s)).collect()
}

fn mu_law_byte(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs().min(32_635) + 132) as u32;
    let exponent = (31 - magnitude.leading_zeros()) - 7;
    let mantissa = magnitude >> (exponent + 3) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// The seconds during which `hertz` carries at least half of the energy of 50 ms of audible signal.
pub fn seconds_of(samples: &[i16], hertz: f64) -> f64 {
    const BLOCK: usize = RATE / 20;
    let heard =
        samples.chunks_exact(BLOCK).filter(|block| level(block) > 100.0 && share(block, hertz) > 0.5).count();
    heard as f64 * BLOCK as f64 / RATE as f64
}

/// The first and the last moment, in seconds, at which `hertz` dominates 20 ms of audible signal.
pub fn span_of(samples: &[i16], hertz: f64) -> Option<(f64, f64)> {
    const BLOCK: usize = RATE / 50;
    let heard = |block: &&[i16]| level(block) > 100.0 && share(block, hertz) > 0.5;
    let blocks: Vec<&[i16]> = samples.chunks_exact(BLOCK).collect();
    let first = blocks.iter().position(heard)?;
    let last = blocks.iter().rposition(heard)?;
    let seconds = |block: usize| (block * BLOCK) as f64 / RATE as f64;
    Some((seconds(first), seconds(last + 1)))
}

/// The stretches of time, in seconds, in which `hertz` dominates, without gaps of more than 200 ms.
pub fn stretches(samples: &[i16], hertz: f64) -> Vec<(f64, f64)> {
    const BLOCK: usize = RATE / 50;
    let mut found: Vec<(f64, f64)> = Vec::new();
    for (n, block) in samples.chunks_exact(BLOCK).enumerate() {
        if level(block) <= 100.0 || share(block, hertz) <= 0.5 {
            continue;
        }
        let (from, to) = ((n * BLOCK) as f64 / RATE as f64, ((n + 1) * BLOCK) as f64 / RATE as f64);
        match found.last_mut() {
            Some((_, end)) if from - *end <= 0.2 => *end = to,
            _ => found.push((from, to)),
        }
    }
    found
}

/// The last moment, in seconds, at which anything audible was there.
pub fn last_sound(samples: &[i16]) -> Option<f64> {
    const BLOCK: usize = RATE / 50;
    let last =
        samples.chunks_exact(BLOCK).collect::<Vec<_>>().iter().rposition(|block| level(block) > 100.0)?;
    Some(((last + 1) * BLOCK) as f64 / RATE as f64)
}

/// The root of the mean square.
fn level(block: &[i16]) -> f64 {
    (block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / block.len() as f64).sqrt()
}

/// The share of a block's energy at one frequency: 1 for a pure tone, near 0 for all else.
fn share(block: &[i16], hertz: f64) -> f64 {
    let (mut real, mut imaginary, mut energy) = (0.0, 0.0, f64::EPSILON);
    for (n, sample) in block.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), TAU * hertz * n as f64 / RATE as f64);
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        energy += sample * sample;
    }
    2.0 * (real * real + imaginary * imaginary) / (energy * block.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_at_its_frequency_and_at_no_other() {
        let samples = [silence(0.5), tone(1_300.0, 1.0), silence(0.5)].concat();
        assert!((seconds_of(&samples, 1_300.0) - 1.0).abs() < 0.06);
        assert_eq!(seconds_of(&samples, 620.0), 0.0);
        let (start, end) = span_of(&samples, 1_300.0).unwrap();
        assert!((start - 0.5).abs() < 0.03 && (end - 1.5).abs() < 0.03, "{start} {end}");
    }

    #[test]
    fn mu_law_bytes_are_those_of_the_recommendation() {
        assert_eq!(mu_law(&[0, 32_635, -32_635, 132, -3, -8]), [0xff, 0x80, 0x00, 0xef, 0x7f, 0x7e]);
    }
}
