//! How a clip is stored: 16-bit PCM, or mu-law in half the room, which loses nothing of what came over a mu-law line.

use crate::audio::g711::{Law, encode};
use crate::audio::{SAMPLE_RATE_HZ, wav};

/// A WAV file of mu-law (format tag 7) if that gives every sample back, of 16-bit PCM otherwise.
pub fn smallest(samples: &[i16]) -> Vec<u8> {
    let lossless = samples.iter().all(|&s| crate::audio::g711::decode(Law::Mu, encode(Law::Mu, s)) == s);
    if lossless { mulaw(samples) } else { wav::write(samples) }
}

/// A WAV file with format tag 7, one channel, 8 kHz: `fmt `, `fact` and `data`, padded to an even length.
pub fn mulaw(samples: &[i16]) -> Vec<u8> {
    let count = samples.len() as u32;
    let padding = count % 2;
    let mut bytes = Vec::with_capacity(59 + samples.len());
    let mut put = |part: &[u8]| bytes.extend_from_slice(part);
    put(b"RIFF");
    put(&(4 + 26 + 12 + 8 + count + padding).to_le_bytes());
    put(b"WAVEfmt ");
    put(&18u32.to_le_bytes());
    put(&7u16.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&SAMPLE_RATE_HZ.to_le_bytes());
    put(&SAMPLE_RATE_HZ.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&8u16.to_le_bytes());
    put(&0u16.to_le_bytes());
    put(b"fact");
    put(&4u32.to_le_bytes());
    put(&count.to_le_bytes());
    put(b"data");
    put(&count.to_le_bytes());
    bytes.extend(samples.iter().map(|&sample| encode(Law::Mu, sample)));
    bytes.resize(bytes.len() + padding as usize, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::decode;

    #[test]
    fn what_came_over_a_mu_law_line_is_stored_in_half_the_room_and_read_back_alike() {
        for length in [1usize, 2, 799, 800] {
            let samples: Vec<i16> = (0..length).map(|index| decode(Law::Mu, (index * 7) as u8)).collect();
            let bytes = smallest(&samples);
            assert_eq!(bytes.len(), 58 + length + length % 2);
            assert_eq!(wav::read(&bytes).unwrap().samples, samples);
            assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);
        }
    }

    #[test]
    fn other_samples_are_stored_as_they_are() {
        let samples = [1i16, 2, 3];
        assert_eq!(wav::read(&smallest(&samples)).unwrap().samples, samples);
    }
}
