//! Samples: everything that is known about sound and nothing about the network.
//!
//! The whole engine thinks in one format, 16-bit linear samples of one channel at 8 kHz, in frames of 20 ms. Other
//! formats exist at the rim only: G.711 and G.722 on the wire ([`g711`], [`g722`]), WAV files of any kind on the disk ([`wav`], which leans
//! on [`resample`]). [`level`] measures, [`tone`] synthesises, [`conceal`] fills the gap of a lost frame,
//! [`comfort_noise`] that of a silent peer; [`dtmf`] hears keys.

pub mod comfort_noise;
pub mod conceal;
pub mod dtmf;
pub mod g711;
pub mod g722;
pub mod level;
pub mod resample;
pub mod tone;
pub mod wav;

use std::time::Duration;

/// Samples a second, everywhere inside the engine.
pub const SAMPLE_RATE_HZ: u32 = 8_000;

/// Samples of a frame.
pub const FRAME_SAMPLES: usize = 160;

/// How long a frame lasts.
pub const FRAME: Duration = Duration::from_millis(20);

/// Twenty milliseconds of sound.
pub type Frame = [i16; FRAME_SAMPLES];

/// A frame in which nothing is heard.
pub const SILENT_FRAME: Frame = [0; FRAME_SAMPLES];

/// How many samples last for `duration`, the broken one left out.
pub fn samples_in(duration: Duration) -> usize {
    (duration.as_micros() * u128::from(SAMPLE_RATE_HZ) / 1_000_000) as usize
}

/// How long so many samples last.
pub fn duration_of(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE_HZ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_twenty_milliseconds_of_samples() {
        assert_eq!(samples_in(FRAME), FRAME_SAMPLES);
        assert_eq!(duration_of(FRAME_SAMPLES), FRAME);
    }
}
