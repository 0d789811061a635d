//! WAV files: any PCM or float file is read by hound, G.711 files (format tags 6 and 7) by ourselves, because hound
//! refuses them and telephony prompts are often stored so.
//!
//! The chunks are found here in either case: real files have odd chunks, wrong byte rates and, when they were written
//! into a pipe, no length. hound then gets a clean header. What comes out is one channel at 8 kHz.

use super::g711::{Law, decode};
use super::resample::{UnusableRate, convert};
use super::{SAMPLE_RATE_HZ, duration_of};
use std::fmt;
use std::io::{Cursor, Read};
use std::time::Duration;

/// The longest clip that is taken: two hours.
pub const CLIP_SAMPLES_MAX: usize = 2 * 3_600 * SAMPLE_RATE_HZ as usize;

/// The most channels that are mixed down.
pub const CHANNELS_MAX: u16 = 16;

/// Sound of one channel at [`SAMPLE_RATE_HZ`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Clip {
    /// Its samples.
    pub samples: Vec<i16>,
}

impl Clip {
    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        duration_of(self.samples.len())
    }
}

/// Why a file is of no use. The text names what is wrong and what would help; the caller adds the file's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WavError {
    /// It does not begin with `RIFF` and `WAVE`.
    NotRiff,
    /// A chunk says that it is longer than what is left of the file.
    Truncated {
        /// The chunk's name.
        chunk: String,
        /// The bytes that it should have.
        promised: usize,
        /// The bytes that are there.
        present: usize,
    },
    /// There is no such chunk.
    MissingChunk(&'static str),
    /// A format tag that is neither PCM, float, A-law nor mu-law.
    UnknownEncoding(u16),
    /// The format chunk contradicts itself.
    BadFormat(String),
    /// The sample rate cannot be converted.
    Rate(UnusableRate),
    /// There is no sound in it.
    Empty,
    /// Longer than [`CLIP_SAMPLES_MAX`].
    TooLong,
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WavError::NotRiff => {
                f.write_str("not a WAV file: it does not begin with RIFF and WAVE; convert it to WAV first")
            }
            WavError::Truncated { chunk, promised, present } => write!(
                f,
                "truncated WAV file: chunk `{chunk}` should have {promised} bytes and has {present}; copy the file again"
            ),
            WavError::MissingChunk(chunk) => write!(f, "WAV file without a `{chunk}` chunk; export it again"),
            WavError::UnknownEncoding(tag) => write!(
                f,
                "unknown WAV encoding, format tag {tag:#06x}{}; save it as 16-bit PCM, float, A-law or mu-law",
                name_of(*tag)
            ),
            WavError::BadFormat(why) => write!(f, "bad `fmt ` chunk in the WAV file: {why}; export it again"),
            WavError::Rate(error) => write!(f, "{error}"),
            WavError::Empty => f.write_str("WAV file without any sample"),
            WavError::TooLong => {
                write!(f, "WAV file longer than {} minutes", duration_of(CLIP_SAMPLES_MAX).as_secs() / 60)
            }
        }
    }
}

impl std::error::Error for WavError {}

/// Names of encodings that people do have (mmreg.h).
fn name_of(tag: u16) -> &'static str {
    match tag {
        0x0002 => " (ADPCM)",
        0x0011 => " (IMA ADPCM)",
        0x0031 => " (GSM 06.10)",
        0x0050 | 0x0055 => " (MPEG)",
        0x00ff | 0x1600 => " (AAC)",
        _ => "",
    }
}

/// Reads a whole file: any rate and number of channels become one channel at 8 kHz.
pub fn read(bytes: &[u8]) -> Result<Clip, WavError> {
    read_mixed(bytes, |frame| frame.iter().sum::<f32>() / frame.len() as f32)
}

/// As [`read`], of the first channel alone: the left one of two.
pub fn read_first_channel(bytes: &[u8]) -> Result<Clip, WavError> {
    read_mixed(bytes, |frame| frame[0])
}

fn read_mixed(bytes: &[u8], mix: impl Fn(&[f32]) -> f32) -> Result<Clip, WavError> {
    let file = Chunks::find(bytes)?;
    let interleaved = match file.format.tag {
        tag::ALAW | tag::MULAW => file.companded()?,
        tag::PCM | tag::FLOAT => file.linear()?,
        other => return Err(WavError::UnknownEncoding(other)),
    };
    let channels = usize::from(file.format.channels);
    if interleaved.len() < channels {
        return Err(WavError::Empty);
    }
    let mono: Vec<f32> = interleaved.chunks_exact(channels).map(mix).collect();
    let long = mono.len() as u64 * u64::from(SAMPLE_RATE_HZ) / u64::from(file.format.rate_hz.max(1));
    if long > CLIP_SAMPLES_MAX as u64 {
        return Err(WavError::TooLong);
    }
    let converted = convert(&mono, file.format.rate_hz, SAMPLE_RATE_HZ).map_err(WavError::Rate)?;
    Ok(Clip { samples: converted.into_iter().map(to_i16).collect() })
}

/// A file of 16-bit PCM, one channel, 8 kHz.
pub fn write(samples: &[i16]) -> Vec<u8> {
    let mut cursor = Cursor::new(Vec::with_capacity(44 + 2 * samples.len()));
    let mut writer = hound::WavWriter::new(&mut cursor, spec(1)).expect("a vector takes every byte");
    for &sample in samples {
        writer.write_sample(sample).expect("a vector takes every byte");
    }
    writer.finalize().expect("a vector takes every byte");
    cursor.into_inner()
}

/// The only format that Outdial writes: 16-bit PCM at 8 kHz.
pub fn spec(channels: u16) -> hound::WavSpec {
    hound::WavSpec {
        channels,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    }
}

/// Float to 16 bits; what is no number becomes silence.
fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// The largest number that is taken for a sample, 48 dB above full scale: the resampler's sums of larger ones leave the range
/// of numbers.
const FLOAT_MAX: f32 = 256.0;

/// Format tags (mmreg.h).
mod tag {
    pub const PCM: u16 = 1;
    pub const FLOAT: u16 = 3;
    pub const ALAW: u16 = 6;
    pub const MULAW: u16 = 7;
    pub const EXTENSIBLE: u16 = 0xfffe;
}

#[derive(Clone, Copy, Debug)]
struct Format {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    block_align: u16,
    bits: u16,
}

struct Chunks<'a> {
    format: Format,
    data: &'a [u8],
}

impl<'a> Chunks<'a> {
    fn find(bytes: &'a [u8]) -> Result<Self, WavError> {
        if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
            return Err(WavError::NotRiff);
        }
        let mut rest = &bytes[12..];
        let mut format = None;
        while let Some((head, body)) = rest.split_at_checked(8) {
            let promised = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            // Whoever writes into a pipe cannot go back to fill in the length: all that follows is sound.
            let streamed = &head[..4] == b"data" && (promised == u32::MAX as usize || promised == 0);
            let length = if streamed { body.len() } else { promised };
            if length > body.len() {
                let chunk = head[..4].escape_ascii().to_string();
                return Err(WavError::Truncated { chunk, promised, present: body.len() });
            }
            match &head[..4] {
                b"fmt " => format = Some(Format::parse(&body[..length])?),
                b"data" => {
                    let format = format.ok_or(WavError::MissingChunk("fmt "))?;
                    return Ok(Chunks { format, data: &body[..length] });
                }
                _ => {}
            }
            // Chunks begin at even places.
            rest = body.get(length + length % 2..).unwrap_or(&[]);
        }
        Err(WavError::MissingChunk(if format.is_some() { "data" } else { "fmt " }))
    }

    /// A-law or mu-law: one byte a sample.
    fn companded(&self) -> Result<Vec<f32>, WavError> {
        if self.format.bits != 8 {
            let why = format!("G.711 with {} bits a sample instead of 8", self.format.bits);
            return Err(WavError::BadFormat(why));
        }
        let law = if self.format.tag == tag::ALAW { Law::A } else { Law::Mu };
        Ok(self.data.iter().map(|&code| f32::from(decode(law, code)) / 32_768.0).collect())
    }

    /// PCM or float, by hound.
    fn linear(&self) -> Result<Vec<f32>, WavError> {
        let header = self.format.clean_header(self.data.len());
        let bad = |error: hound::Error| match error {
            hound::Error::Unsupported | hound::Error::TooWide => WavError::BadFormat(format!(
                "{} bits a sample of this encoding cannot be read",
                self.format.bits
            )),
            other => WavError::BadFormat(other.to_string()),
        };
        let reader = hound::WavReader::new(header.as_slice().chain(self.data)).map_err(bad)?;
        match reader.spec().sample_format {
            hound::SampleFormat::Float => {
                let sound = |s: f32| if s.is_finite() { s.clamp(-FLOAT_MAX, FLOAT_MAX) } else { 0.0 };
                reader.into_samples::<f32>().map(|s| s.map(sound).map_err(bad)).collect()
            }
            hound::SampleFormat::Int => {
                let full_scale = (1u64 << (self.format.bits - 1)) as f32;
                reader.into_samples::<i32>().map(|s| s.map(|s| s as f32 / full_scale).map_err(bad)).collect()
            }
        }
    }
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, WavError> {
        if chunk.len() < 16 {
            return Err(WavError::Truncated { chunk: "fmt ".into(), promised: 16, present: chunk.len() });
        }
        let u16_at = |place: usize| u16::from_le_bytes([chunk[place], chunk[place + 1]]);
        let mut format = Format {
            tag: u16_at(0),
            channels: u16_at(2),
            rate_hz: u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]),
            block_align: u16_at(12),
            bits: u16_at(14),
        };
        if format.tag == tag::EXTENSIBLE {
            // The real tag is the begin of the sub-format's GUID (WAVEFORMATEXTENSIBLE, ksmedia.h).
            if chunk.len() < 40 {
                return Err(WavError::Truncated { chunk: "fmt ".into(), promised: 40, present: chunk.len() });
            }
            format.tag = u16_at(24);
        }
        let sample_bytes = format.bits.div_ceil(8);
        if format.channels == 0 || format.channels > CHANNELS_MAX {
            return Err(WavError::BadFormat(format!(
                "{} channels, 1 to {CHANNELS_MAX} can be read",
                format.channels
            )));
        }
        if matches!(format.tag, tag::PCM | tag::FLOAT) {
            if !(8..=32).contains(&format.bits) {
                return Err(WavError::BadFormat(format!(
                    "{} bits a sample, 8 to 32 can be read",
                    format.bits
                )));
            }
            if !format.block_align.is_multiple_of(format.channels)
                || format.block_align / format.channels < sample_bytes
            {
                let why = format!("{} bytes for {} channels", format.block_align, format.channels);
                return Err(WavError::BadFormat(why));
            }
        }
        Ok(format)
    }

    /// A plain header for the same data, with the byte rate that belongs to it.
    fn clean_header(&self, data_length: usize) -> Vec<u8> {
        // Half a frame at the end is cut off by the length that is promised here.
        let data_length = (data_length - data_length % usize::from(self.block_align.max(1))) as u32;
        let mut header = Vec::with_capacity(44);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&data_length.saturating_add(36).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16u32.to_le_bytes());
        header.extend_from_slice(&self.tag.to_le_bytes());
        header.extend_from_slice(&self.channels.to_le_bytes());
        header.extend_from_slice(&self.rate_hz.to_le_bytes());
        header.extend_from_slice(&self.rate_hz.wrapping_mul(u32::from(self.block_align)).to_le_bytes());
        header.extend_from_slice(&self.block_align.to_le_bytes());
        header.extend_from_slice(&self.bits.to_le_bytes());
        header.extend_from_slice(b"data");
        header.extend_from_slice(&data_length.to_le_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::super::g711::encode;
    use super::super::tone::Tone;
    use super::*;

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut chunk = name.to_vec();
        chunk.extend_from_slice(&(body.len() as u32).to_le_bytes());
        chunk.extend_from_slice(body);
        chunk.resize(chunk.len() + body.len() % 2, 0);
        chunk
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        let mut file = b"RIFF".to_vec();
        file.extend_from_slice(&(body.len() as u32 + 4).to_le_bytes());
        file.extend_from_slice(b"WAVE");
        file.extend_from_slice(&body);
        file
    }

    fn format(tag: u16, channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut body = tag.to_le_bytes().to_vec();
        body.extend_from_slice(&channels.to_le_bytes());
        body.extend_from_slice(&rate_hz.to_le_bytes());
        body.extend_from_slice(&(rate_hz.wrapping_mul(u32::from(block))).to_le_bytes());
        body.extend_from_slice(&block.to_le_bytes());
        body.extend_from_slice(&bits.to_le_bytes());
        body
    }

    fn extensible(tag: u16, channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
        let mut body = format(0xfffe, channels, rate_hz, bits);
        body.extend_from_slice(&22u16.to_le_bytes());
        body.extend_from_slice(&bits.to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&tag.to_le_bytes());
        body.extend_from_slice(&[0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        body
    }

    fn tone() -> Vec<i16> {
        Tone::sine(440.0, -12.0).samples(Duration::from_millis(100))
    }

    #[test]
    fn what_was_written_is_read_again_sample_by_sample() {
        let samples = tone();
        assert_eq!(read(&write(&samples)).unwrap().samples, samples);
    }

    #[test]
    fn every_linear_width_gives_the_same_sound() {
        let samples = tone();
        let eight: Vec<u8> = samples.iter().map(|s| ((s >> 8) + 128) as u8).collect();
        let twenty_four: Vec<u8> =
            samples.iter().flat_map(|s| (i32::from(*s) << 8).to_le_bytes().into_iter().take(3)).collect();
        let thirty_two: Vec<u8> = samples.iter().flat_map(|s| (i32::from(*s) << 16).to_le_bytes()).collect();
        let float: Vec<u8> = samples.iter().flat_map(|s| (f32::from(*s) / 32_768.0).to_le_bytes()).collect();
        for (name, fmt, data, step) in [
            ("8 bits", format(1, 1, 8_000, 8), &eight, 256),
            ("24 bits", format(1, 1, 8_000, 24), &twenty_four, 0),
            ("32 bits", format(1, 1, 8_000, 32), &thirty_two, 0),
            ("float", format(3, 1, 8_000, 32), &float, 0),
            ("extensible 24 bits", extensible(1, 1, 8_000, 24), &twenty_four, 0),
            ("extensible float", extensible(3, 1, 8_000, 32), &float, 0),
        ] {
            let clip = read(&riff(&[chunk(b"fmt ", &fmt), chunk(b"data", data)])).expect(name);
            assert_eq!(clip.samples.len(), samples.len(), "{name}");
            for (read, written) in clip.samples.iter().zip(&samples) {
                assert!(
                    (i32::from(*read) - i32::from(*written)).abs() <= step,
                    "{name}: {read} for {written}"
                );
            }
        }
    }

    #[test]
    fn both_laws_are_read_plain_and_extensible() {
        for (tag, law) in [(6, Law::A), (7, Law::Mu)] {
            let codes: Vec<u8> = tone().iter().map(|s| encode(law, *s)).collect();
            let expected: Vec<i16> = codes.iter().map(|c| decode(law, *c)).collect();
            for fmt in [format(tag, 1, 8_000, 8), extensible(tag, 1, 8_000, 8)] {
                let fact = chunk(b"fact", &(codes.len() as u32).to_le_bytes());
                let file = riff(&[chunk(b"fmt ", &fmt), fact, chunk(b"data", &codes)]);
                assert_eq!(read(&file).unwrap().samples, expected, "{law:?}");
            }
        }
    }

    #[test]
    fn stereo_is_mixed_and_other_rates_are_converted() {
        let left = Tone::sine(440.0, -12.0).samples(Duration::from_secs(2));
        let data: Vec<u8> = left.iter().flat_map(|s| [s.to_le_bytes(), [0, 0]].concat()).collect();
        // Two seconds' samples declared as 16 kHz last one second.
        let clip = read(&riff(&[chunk(b"fmt ", &format(1, 2, 16_000, 16)), chunk(b"data", &data)])).unwrap();
        assert_eq!(clip.duration(), Duration::from_secs(1));
        let level = super::super::level::dbfs(&clip.samples);
        assert!((level + 18.0).abs() < 0.2, "half the amplitude: {level}");
    }

    #[test]
    fn odd_chunks_wrong_byte_rates_and_files_from_pipes_are_read() {
        let samples = tone();
        let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut wrong_rate = format(1, 1, 8_000, 16);
        wrong_rate[8] ^= 0xff;
        wrong_rate.extend_from_slice(&[0; 5]);
        let list = chunk(b"LIST", b"odd");
        let file = riff(&[list, chunk(b"fmt ", &wrong_rate), chunk(b"bext", &[1; 7]), chunk(b"data", &data)]);
        assert_eq!(read(&file).unwrap().samples, samples);
        for unknown in [0, u32::MAX] {
            let mut file = riff(&[chunk(b"fmt ", &format(1, 1, 8_000, 16)), chunk(b"data", &data)]);
            file[40..44].copy_from_slice(&unknown.to_le_bytes());
            assert_eq!(read(&file).unwrap().samples, samples);
        }
    }

    #[test]
    fn each_fault_has_its_own_words() {
        let good = chunk(b"fmt ", &format(1, 1, 8_000, 16));
        let data = chunk(b"data", &[0; 320]);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![], "not a WAV file"),
            (b"ID3\x04 this is an MP3".to_vec(), "not a WAV file"),
            (riff(&[]), "without a `fmt ` chunk"),
            (riff(std::slice::from_ref(&good)), "without a `data` chunk"),
            (riff(std::slice::from_ref(&data)), "without a `fmt ` chunk"),
            (
                riff(&[good.clone(), data.clone()])[..200].to_vec(),
                "chunk `data` should have 320 bytes and has 156",
            ),
            (riff(&[chunk(b"fmt ", &[1; 8]), data.clone()]), "chunk `fmt ` should have 16 bytes and has 8"),
            (riff(&[chunk(b"fmt ", &format(0x31, 1, 8_000, 8)), data.clone()]), "0x0031 (GSM 06.10)"),
            (riff(&[chunk(b"fmt ", &format(2, 1, 8_000, 4)), data.clone()]), "(ADPCM)"),
            (riff(&[chunk(b"fmt ", &format(1, 0, 8_000, 16)), data.clone()]), "0 channels"),
            (riff(&[chunk(b"fmt ", &format(1, 1, 8_000, 0)), data.clone()]), "0 bits a sample"),
            (riff(&[chunk(b"fmt ", &format(1, 1, 8_000, 12)), data.clone()]), "1 bytes for 1 channels"),
            (riff(&[chunk(b"fmt ", &format(3, 1, 8_000, 16)), data.clone()]), "bits per sample is not 32"),
            (riff(&[chunk(b"fmt ", &format(7, 1, 8_000, 16)), data.clone()]), "G.711 with 16 bits"),
            (riff(&[chunk(b"fmt ", &format(1, 1, 0, 16)), data.clone()]), "sample rate of 0 Hz"),
            (riff(&[good.clone(), chunk(b"data", &[])]), "without any sample"),
            (riff(&[good, chunk(b"data", &[0])]), "without any sample"),
        ];
        for (bytes, expected) in cases {
            let error = read(&bytes).expect_err(expected).to_string();
            assert!(error.contains(expected), "`{error}` lacks `{expected}`");
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_of_a_good_file_panics() {
        let data: Vec<u8> = tone().iter().take(100).flat_map(|s| s.to_le_bytes()).collect();
        let file = riff(&[chunk(b"fmt ", &extensible(1, 2, 16_000, 16)), chunk(b"data", &data)]);
        for end in 0..file.len() {
            let _ = read(&file[..end]);
        }
        for place in 0..80 {
            for value in [0x00, 0x7f, 0xff] {
                let mut broken = file.clone();
                broken[place] = value;
                let _ = read(&broken);
            }
        }
    }

    #[test]
    fn numbers_that_are_no_sound_do_no_harm() {
        let rows = [f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, -1.2e17, 3.0].map(|number| [number, 0.25]);
        for rate_hz in [8_000, 11_025, 48_000] {
            for row in rows {
                let data: Vec<u8> =
                    row.iter().cycle().take(9_000).flat_map(|sample| sample.to_le_bytes()).collect();
                for channels in [1, 2] {
                    let file =
                        riff(&[chunk(b"fmt ", &format(3, channels, rate_hz, 32)), chunk(b"data", &data)]);
                    let clip = read(&file).unwrap();
                    assert!(!clip.samples.is_empty(), "{row:?} at {rate_hz} Hz");
                }
            }
        }
    }
}
