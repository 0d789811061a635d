//! Comfort noise (RFC 3389): what is heard while the peer says that it is silent, at the level that it says.
//!
//! The noise is white; spectral parameters, which may follow the level, are not needed to hear that the line is alive.

use super::{Frame, SILENT_FRAME};

/// The loudest noise that is believed, in -dBov: nobody's silence is louder, and a lie must not drown a call.
const LOUDEST: u8 = 25;

/// Full scale, as the root of the mean square of the loudest square wave: 0 dBov (RFC 3389, 3.1).
const FULL_SCALE: f64 = 32_767.0;

/// The noise of one stream.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    /// The greatest sample; none before the peer has named a level.
    amplitude: Option<i32>,
    state: u32,
}

impl ComfortNoise {
    /// Nothing was said about noise: silence.
    pub fn new() -> Self {
        ComfortNoise { amplitude: None, state: 0x2545_f491 }
    }

    /// The payload of a comfort noise packet: its first byte is the level in -dBov.
    pub fn handle_payload(&mut self, payload: &[u8]) {
        let Some(level) = payload.first().map(|byte| (byte & 0x7f).max(LOUDEST)) else { return };
        let rms = FULL_SCALE * 10f64.powf(-f64::from(level) / 20.0);
        // Evenly spread samples have the root of a third of their greatest as their mean.
        self.amplitude = Some((rms * 3f64.sqrt()).round() as i32);
    }

    /// Twenty milliseconds of it.
    pub fn frame(&mut self) -> Frame {
        let mut frame = SILENT_FRAME;
        let Some(amplitude) = self.amplitude.filter(|amplitude| *amplitude > 0) else { return frame };
        for sample in &mut frame {
            // Marsaglia's xorshift: good enough for ears, and cheap.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let even = i64::from(self.state as i32);
            *sample = ((even * i64::from(amplitude)) >> 31) as i16;
        }
        frame
    }
}

impl Default for ComfortNoise {
    fn default() -> Self {
        ComfortNoise::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(noise: &mut ComfortNoise) -> f64 {
        let squares: f64 = (0..50).flat_map(|_| noise.frame()).map(|sample| f64::from(sample).powi(2)).sum();
        (squares / (50.0 * 160.0)).sqrt()
    }

    #[test]
    fn noise_has_the_level_that_was_named() {
        let mut noise = ComfortNoise::new();
        assert_eq!(rms(&mut noise), 0.0);
        for level in [30u8, 40, 50, 60, 70] {
            noise.handle_payload(&[level, 1, 2, 3]);
            let dbov = 20.0 * (rms(&mut noise) / FULL_SCALE).log10();
            assert!((dbov + f64::from(level)).abs() < 0.7, "{dbov} instead of -{level}");
        }
        noise.handle_payload(&[127]);
        assert_eq!(rms(&mut noise), 0.0);
        noise.handle_payload(&[]);
        noise.handle_payload(&[0]);
        let dbov = 20.0 * (rms(&mut noise) / FULL_SCALE).log10();
        assert!((dbov + f64::from(LOUDEST)).abs() < 0.7, "a level that cannot be meant: {dbov}");
    }
}
