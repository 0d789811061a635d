//! Whether a message was heard whole, and from when to when: a recording against the clip that should be in it.
//!
//! The energy envelope finds roughly where the clip lies, the waveform finds it to the sample, and then every block of
//! 100 ms is compared on its own, so that a lost packet or a cut-off end shows as blocks that were not heard.

use crate::sim::voice::Samples;

/// Samples of an envelope point: 10 ms.
const POINT: usize = 80;

/// Samples of a block: 100 ms.
const BLOCK: usize = 800;

/// A block below this mean square (about -50 dBFS) says nothing and is not compared.
const BLOCK_POWER_MIN: f64 = 1.0e4;

/// Correlation from which on a block counts as heard: G.711 stays above 0.98, another sound below 0.5.
const BLOCK_HEARD: f64 = 0.8;

/// A clip that was found in a recording.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    /// The sample of the recording where the clip begins; negative when its beginning was cut off.
    pub place: i64,
    /// Blocks of the clip that say something.
    pub blocks: u32,
    /// Those that were heard.
    pub heard: u32,
    /// Where the first heard block begins and the last one ends, in samples of the recording.
    pub from: usize,
    /// See `from`.
    pub to: usize,
}

impl Found {
    /// The share of the clip that was heard.
    pub fn share(&self) -> f64 {
        f64::from(self.heard) / f64::from(self.blocks.max(1))
    }
}

/// Finds the best copy of `clip` that begins not before `not_before` (less the slack of a cut beginning); nothing when
/// not even a tenth of it can be found.
pub fn find(recording: &[i16], clip: &Samples, not_before: usize) -> Option<Found> {
    let heard = recording.get(not_before..)?;
    let rough = rough_place(heard, clip)?;
    let exact = exact_place(heard, clip, rough)?;
    let found = compare(heard, clip, exact);
    (found.share() > 0.1).then(|| Found {
        place: found.place + not_before as i64,
        from: found.from + not_before,
        to: found.to + not_before,
        ..found
    })
}

/// By the envelope, to about 10 ms: the lag at which clip and recording go up and down together.
fn rough_place(heard: &[i16], clip: &[i16]) -> Option<i64> {
    let (heard, clip) = (envelope(heard), envelope(clip));
    if clip.is_empty() || heard.is_empty() {
        return None;
    }
    let clip_norm = norm(clip.iter().copied());
    let score = |lag: i64| -> f64 {
        let pairs = clip.iter().enumerate().filter_map(|(n, c)| {
            let place = usize::try_from(lag + n as i64).ok()?;
            heard.get(place).map(|h| (h, c))
        });
        let (dot, power) = pairs.fold((0.0, 0.0), |(dot, power), (h, c)| (dot + h * c, power + h * h));
        // The clip's whole norm, not that of the overlap: a small overlap must not win by chance.
        dot / (power.sqrt() * clip_norm).max(1e-9)
    };
    let first = -(clip.len() as i64) / 2;
    let best = (first..heard.len() as i64).map(|lag| (lag, score(lag))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > 0.2).then_some(best.0 * POINT as i64)
}

fn envelope(samples: &[i16]) -> Vec<f64> {
    samples.chunks_exact(POINT).map(|point| norm(point.iter().map(|s| f64::from(*s)))).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// By the waveform of some strong blocks, within 20 ms of the rough place.
fn exact_place(heard: &[i16], clip: &[i16], rough: i64) -> Option<i64> {
    const REACH: i64 = 2 * POINT as i64;
    let mut blocks: Vec<(usize, f64)> = clip
        .chunks_exact(BLOCK)
        .enumerate()
        .map(|(n, block)| (n * BLOCK, power(block)))
        .filter(|(_, power)| *power > BLOCK_POWER_MIN)
        .collect();
    blocks.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best = blocks.iter().take(6).filter_map(|(start, _)| {
        let lags = rough - REACH..=rough + REACH;
        let scored = lags.filter_map(|lag| {
            let there = window(heard, lag + *start as i64)?;
            Some((lag, correlation(there, &clip[*start..*start + BLOCK])))
        });
        scored.max_by(|a, b| a.1.total_cmp(&b.1))
    });
    best.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, score)| *score > BLOCK_HEARD).map(|(lag, _)| lag)
}

fn compare(heard: &[i16], clip: &[i16], place: i64) -> Found {
    let mut found = Found { place, blocks: 0, heard: 0, from: usize::MAX, to: 0 };
    for (n, block) in clip.chunks_exact(BLOCK).enumerate() {
        if power(block) <= BLOCK_POWER_MIN {
            continue;
        }
        found.blocks += 1;
        let start = place + (n * BLOCK) as i64;
        let Some(there) = window(heard, start) else { continue };
        if correlation(there, block) >= BLOCK_HEARD {
            found.heard += 1;
            found.from = found.from.min(start as usize);
            found.to = start as usize + BLOCK;
        }
    }
    found
}

fn window(heard: &[i16], start: i64) -> Option<&[i16]> {
    let start = usize::try_from(start).ok()?;
    heard.get(start..start + BLOCK)
}

fn power(block: &[i16]) -> f64 {
    block.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>() / block.len().max(1) as f64
}

fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    dot / (power(a) * power(b)).sqrt().max(1e-9) / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::voice::{silence, speech};
    use std::time::Duration;

    #[test]
    fn a_whole_message_is_found_to_the_sample() {
        let clip = message();
        let mut recording = silence(Duration::from_millis(3217));
        recording.extend(coded(&clip));
        recording.extend(silence(Duration::from_secs(2)));
        let found = find(&recording, &clip, 0).unwrap();
        assert_eq!(found.place, 3217 * 8);
        assert_eq!(found.heard, found.blocks);
    }

    #[test]
    fn a_message_that_starts_again_is_found_where_it_is_whole() {
        let clip = message();
        let mut recording = coded(&clip[..12_000]);
        recording.extend(coded(&clip));
        let found = find(&recording, &clip, 0).unwrap();
        assert_eq!((found.place, found.share()), (12_000, 1.0));
    }

    #[test]
    fn lost_packets_and_a_cut_end_are_missed() {
        let clip = message();
        let mut recording = coded(&clip);
        recording[8000..9600].fill(0);
        recording.truncate(24_000);
        let found = find(&recording, &clip, 0).unwrap();
        assert_eq!(found.place, 0);
        assert!((0.6..0.75).contains(&found.share()), "{}", found.share());
    }

    #[test]
    fn a_message_whose_beginning_was_cut_off_is_placed_before_the_recording() {
        let clip = message();
        let found = find(&coded(&clip[8000..]), &clip, 0).unwrap();
        assert_eq!((found.place, found.from), (-8000, 0));
    }

    #[test]
    fn another_voice_and_silence_are_not_the_message() {
        let clip = message();
        assert_eq!(find(&speech(99, Duration::from_secs(8), 160.0), &clip, 0), None);
        assert_eq!(find(&silence(Duration::from_secs(8)), &clip, 0), None);
        assert_eq!(find(&[], &clip, 0), None);
    }

    fn message() -> Samples {
        speech(4, Duration::from_secs(4), 110.0).into()
    }

    fn coded(samples: &[i16]) -> Vec<i16> {
        use crate::audio::g711::{Law, decode, encode};
        samples.iter().map(|s| decode(Law::Mu, encode(Law::Mu, *s))).collect()
    }
}
