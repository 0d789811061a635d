//! G.722 at 64 kbit/s (ITU-T G.722; RFC 3551, 4.5.2) for an engine that hears 8000 samples a second: what comes is
//! decoded in its lower band, what goes is brought to 16000 samples first. Its RTP clock counts 8000 though it samples
//! twice as often, an old mistake that RFC 3551 keeps, so a frame of 20 ms is 160 octets as with G.711.
//!
//! Two legs that both speak it are joined without decoding and keep the whole band ([`crate::media`]).

use super::g711::CodedFrame;
use super::{FRAME_SAMPLES, Frame};
use ezk_g722::libg722::Bitrate;
use ezk_g722::libg722::{decoder, encoder};
use std::f32::consts::PI;
use std::fmt;

/// Samples on either side of the one that is put between.
const REACH: usize = 8;

/// One direction's decoder: it remembers what came before. The library makes a vector of each frame.
pub struct Decoder {
    inner: decoder::Decoder,
}

impl Decoder {
    /// At the beginning of a stream.
    pub fn new() -> Self {
        Decoder { inner: decoder::Decoder::new(Bitrate::Mode1_64000, false, true) }
    }

    /// The next frame.
    pub fn decode(&mut self, codes: &CodedFrame, sound: &mut Frame) {
        let samples = self.inner.decode(codes);
        sound.iter_mut().zip(samples).for_each(|(sample, decoded)| *sample = decoded);
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// The other direction's encoder. As the decoder it makes vectors.
pub struct Encoder {
    inner: encoder::Encoder,
    between: [f32; 2 * REACH],
    /// The last samples of the frame before.
    before: [i16; 2 * REACH],
}

impl Encoder {
    /// At the beginning of a stream.
    pub fn new() -> Self {
        Encoder {
            // In its mode for 8000 samples the library's encoder packs its codes wrongly.
            inner: encoder::Encoder::new(Bitrate::Mode1_64000, false, false),
            between: half_way(),
            before: [0; 2 * REACH],
        }
    }

    /// The next frame.
    pub fn encode(&mut self, sound: &Frame) -> CodedFrame {
        let mut narrow = [0i16; 2 * REACH + FRAME_SAMPLES];
        narrow[..2 * REACH].copy_from_slice(&self.before);
        narrow[2 * REACH..].copy_from_slice(sound);
        self.before.copy_from_slice(&narrow[FRAME_SAMPLES..]);
        let mut wide = [0i16; 2 * FRAME_SAMPLES];
        for (pair, window) in wide.chunks_exact_mut(2).zip(narrow.windows(2 * REACH)) {
            let between: f32 =
                window.iter().zip(self.between).map(|(sample, weight)| f32::from(*sample) * weight).sum();
            pair[0] = window[REACH - 1];
            pair[1] = between.clamp(-32_768.0, 32_767.0) as i16;
        }
        let mut codes = [0; FRAME_SAMPLES];
        codes.iter_mut().zip(self.inner.encode(&wide)).for_each(|(code, encoded)| *code = encoded);
        codes
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

/// The weights of the samples around for the one half-way between the middle two: a windowed sinc.
fn half_way() -> [f32; 2 * REACH] {
    let weights: [f32; 2 * REACH] = std::array::from_fn(|index| {
        let away = index as f32 - (REACH as f32 - 0.5);
        let window = 0.54 + 0.46 * (PI * away / (REACH as f32 + 0.5)).cos();
        (PI * away).sin() / (PI * away) * window
    });
    let sum: f32 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    fn tone(hz: f32, frame: usize) -> Frame {
        std::array::from_fn(|index| {
            let at = (frame * FRAME_SAMPLES + index) as f32 / 8_000.0;
            ((2.0 * PI * hz * at).sin() * 8_000.0) as i16
        })
    }

    /// What comes back of a tone, the settling at its begin left out.
    fn through(hz: f32) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let frames = (0..25).flat_map(|frame| {
            let mut sound = [0; FRAME_SAMPLES];
            decoder.decode(&encoder.encode(&tone(hz, frame)), &mut sound);
            sound
        });
        frames.skip(5 * FRAME_SAMPLES).collect()
    }

    #[test]
    fn tones_of_the_telephone_band_come_back_as_loud_as_they_were() {
        for hz in [350.0, 1_000.0, 2_000.0, 3_000.0] {
            let heard = through(hz);
            let frame: Frame = heard[..FRAME_SAMPLES].try_into().unwrap();
            let change = level::dbfs(&frame) - level::dbfs(&tone(hz, 5));
            assert!(change.abs() < 1.0, "{hz} Hz: {change} dB");
            // At its own pitch: the best fit of a sine leaves little over.
            let (mut sine, mut cosine, mut power) = (0.0f32, 0.0f32, 0.0f32);
            for (index, sample) in heard.iter().enumerate() {
                let angle = 2.0 * PI * hz * index as f32 / 8_000.0;
                sine += f32::from(*sample) * angle.sin();
                cosine += f32::from(*sample) * angle.cos();
                power += f32::from(*sample).powi(2);
            }
            let fitted = 2.0 * (sine.powi(2) + cosine.powi(2)) / heard.len() as f32;
            let noise_db = 10.0 * ((power - fitted).max(1.0) / power).log10();
            assert!(noise_db < -20.0, "{hz} Hz: {noise_db} dB of noise");
        }
    }

    #[test]
    fn silence_stays_silent() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for _ in 0..50 {
            let mut sound = [1_000; FRAME_SAMPLES];
            decoder.decode(&encoder.encode(&[0; FRAME_SAMPLES]), &mut sound);
            assert!(sound.iter().all(|sample| sample.abs() <= 64), "{sound:?}");
        }
    }
}
