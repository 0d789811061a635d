//! G.711 companding (ITU-T G.711, tables 1a to 2b): mu-law on 14 bits, A-law on 13, both here on 16-bit samples.
//!
//! Negative samples are folded by one's complement, so each code covers one run of neighbouring samples and a table
//! needs an entry for every fourth (mu-law) or sixteenth (A-law) sample only.

use super::{FRAME_SAMPLES, Frame};

/// Which of the two companding laws (ITU-T G.711).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// mu-law, PCMU, payload type 0.
    Mu,
    /// A-law, PCMA, payload type 8.
    A,
}

impl Law {
    /// The code of a silent sample.
    pub fn silence(self) -> u8 {
        encode(self, 0)
    }
}

/// A frame as it travels.
pub type CodedFrame = [u8; FRAME_SAMPLES];

/// The code of one sample.
pub fn encode(law: Law, sample: i16) -> u8 {
    match law {
        Law::Mu => MU_ENCODE[usize::from(sample as u16 >> 2)],
        Law::A => A_ENCODE[usize::from(sample as u16 >> 4)],
    }
}

/// The sample of one code.
pub fn decode(law: Law, code: u8) -> i16 {
    match law {
        Law::Mu => MU_DECODE[usize::from(code)],
        Law::A => A_DECODE[usize::from(code)],
    }
}

/// Encodes as many samples as both slices hold.
pub fn encode_frame(law: Law, samples: &[i16], codes: &mut [u8]) {
    match law {
        Law::Mu => {
            for (code, sample) in codes.iter_mut().zip(samples) {
                *code = MU_ENCODE[usize::from(*sample as u16 >> 2)];
            }
        }
        Law::A => {
            for (code, sample) in codes.iter_mut().zip(samples) {
                *code = A_ENCODE[usize::from(*sample as u16 >> 4)];
            }
        }
    }
}

/// Decodes as many codes as both slices hold.
pub fn decode_frame(law: Law, codes: &[u8], samples: &mut [i16]) {
    let table = match law {
        Law::Mu => &MU_DECODE,
        Law::A => &A_DECODE,
    };
    for (sample, code) in samples.iter_mut().zip(codes) {
        *sample = table[usize::from(*code)];
    }
}

/// A whole frame encoded.
pub fn coded(law: Law, frame: &Frame) -> CodedFrame {
    let mut codes = [0; FRAME_SAMPLES];
    encode_frame(law, frame, &mut codes);
    codes
}

static MU_ENCODE: [u8; 1 << 14] = mu_encode_table();
static A_ENCODE: [u8; 1 << 12] = a_encode_table();
static MU_DECODE: [i16; 256] = decode_table(Law::Mu);
static A_DECODE: [i16; 256] = decode_table(Law::A);

const fn mu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = mu_code(((index as u16) << 2) as i16);
        index += 1;
    }
    table
}

const fn a_encode_table() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        table[index] = a_code(((index as u16) << 4) as i16);
        index += 1;
    }
    table
}

const fn decode_table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match law {
            Law::Mu => mu_sample(code as u8),
            Law::A => a_sample(code as u8),
        };
        code += 1;
    }
    table
}

/// The bias of 33 makes every segment of the 14-bit magnitude begin at a power of two; above 8158 the law clips.
const MU_BIAS: u32 = 33;
const MU_MAX: u32 = 8158;

const fn mu_code(sample: i16) -> u8 {
    let folded = (if sample < 0 { !sample } else { sample }) as u32 >> 2;
    let magnitude = if folded > MU_MAX { MU_MAX } else { folded } + MU_BIAS;
    let segment = magnitude.ilog2() - 5;
    let step = (magnitude >> (segment + 1)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    // All bits travel inverted, so that silence is rich in ones.
    !(sign | (segment << 4) as u8 | step as u8)
}

const fn mu_sample(code: u8) -> i16 {
    let plain = !code as i32;
    let (segment, step) = ((plain >> 4) & 0x07, plain & 0x0f);
    // The middle of the step, the bias taken off again, scaled from 14 bits to 16.
    let magnitude = ((((2 * step + 33) << segment) - MU_BIAS as i32) << 2) as i16;
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Every other bit of an A-law code travels inverted.
const A_TOGGLE: u8 = 0x55;

const fn a_code(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample }) as u32 >> 4;
    // Segments 0 and 1 share the smallest step.
    let segment = if magnitude < 32 { magnitude >> 4 } else { magnitude.ilog2() - 3 };
    let shift = if segment < 2 { 0 } else { segment - 1 };
    let step = (magnitude >> shift) & 0x0f;
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | (segment << 4) as u8 | step as u8) ^ A_TOGGLE
}

const fn a_sample(code: u8) -> i16 {
    let plain = (code ^ A_TOGGLE) as i32;
    let (segment, step) = ((plain >> 4) & 0x07, plain & 0x0f);
    let magnitude =
        if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (segment - 1) } as i16;
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_recommendation() {
        // Decision and reconstruction values of ITU-T G.711 tables 1a and 2a, scaled to 16 bits.
        for (law, code, sample) in [
            (Law::Mu, 0xff, 0),
            (Law::Mu, 0xfe, 8),
            (Law::Mu, 0x7e, -8),
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0x00, -32_124),
            (Law::Mu, 0xef, 132),
            (Law::A, 0xd5, 8),
            (Law::A, 0x55, -8),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x2a, -32_256),
        ] {
            assert_eq!(decode(law, code), sample, "{law:?} {code:#04x}");
            assert_eq!(encode(law, sample), code, "{law:?} {sample}");
        }
        assert_eq!((Law::Mu.silence(), Law::A.silence()), (0xff, 0xd5));
    }

    #[test]
    fn every_code_survives_the_round_trip() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=255u8 {
                // Negative zero of the mu-law is the one code that comes back as another.
                let expected = if law == Law::Mu && code == 0x7f { 0xff } else { code };
                assert_eq!(encode(law, decode(law, code)), expected, "{law:?} {code:#04x}");
            }
        }
    }

    #[test]
    fn a_sample_comes_back_within_its_step() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let back = i32::from(decode(law, encode(law, sample)));
                let wrong = (back - i32::from(sample)).abs();
                // A sixteenth of the segment, half of that to either side, and the clipped ends.
                let allowed =
                    (i32::from(sample).abs() / 32 + 12).max(16).max(i32::from(sample).abs() - 32_124 + 12);
                assert!(wrong <= allowed, "{law:?} {sample} came back as {back}");
            }
        }
    }

    #[test]
    fn louder_samples_never_decode_quieter() {
        for law in [Law::Mu, Law::A] {
            let decoded = (i16::MIN..=i16::MAX).map(|sample| decode(law, encode(law, sample)));
            assert!(decoded.clone().zip(decoded.skip(1)).all(|(quiet, loud)| quiet <= loud));
        }
    }

    #[test]
    fn frames_are_the_sum_of_their_samples() {
        let frame: Frame = std::array::from_fn(|index| (index as i16 - 80) * 400);
        for law in [Law::Mu, Law::A] {
            let codes = coded(law, &frame);
            let mut back = [0; FRAME_SAMPLES];
            decode_frame(law, &codes, &mut back);
            for index in 0..FRAME_SAMPLES {
                assert_eq!(codes[index], encode(law, frame[index]));
                assert_eq!(back[index], decode(law, codes[index]));
            }
        }
    }
}
