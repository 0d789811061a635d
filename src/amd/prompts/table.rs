//! The enrolled prompts and the index that finds a place in them.
//!
//! Places are found by locality-sensitive hashing (Indyk and Motwani, STOC 1998, by sampling bits): two words 80 ms apart
//! are 32 bits, and a handful of fixed samples of them are looked up, each in a table of its own. A few wrong bits leave some
//! sample untouched every now and then, which is enough: a prompt need be met once a second only.

use super::print::{Printer, Word};
use super::{CLIP_MAX, CLIP_MIN, Fault, Kind, Name, PROMPTS_MAX};
use crate::amd::line::HOP;
use crate::amd::transform::{self, Power, WINDOW};
use crate::audio::duration_of;

/// Samples of bits, and so tables.
const SAMPLES: usize = 4;
/// Bits in a sample.
const SAMPLE_BITS: u32 = 16;
/// The second word of a place lies so many hops before it.
const APART: usize = 8;
/// So many bits of a sample must be sure in the original, else the place is not indexed under it.
const SURE_MIN: u32 = 9;
/// A place that so many others look like is no help to find.
const BUCKET_MAX: usize = 16;
/// Of the original only what lies within this of its loud parts counts: 25 dB.
const DEPTH: f32 = 316.0;
/// Digital silence, and a hum below any speech: the power in a band.
const HUSH: f32 = 8e-8;
/// A prompt with fewer sure bits is hum or silence.
const SURE_BITS_MIN: usize = 400;
/// Which of the 32 bits a sample takes: the lower 16 of now, the upper of before.
const MASKS: [u32; SAMPLES] = masks();

/// An enrolled prompt.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Prompt {
    /// Its name.
    pub name: Name,
    /// Who speaks it.
    pub kind: Kind,
    /// Its first place in the words.
    pub(super) first: u32,
    /// The place after its last.
    pub(super) end: u32,
}

/// All that is enrolled; made once, then only read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Prompts {
    prompts: Vec<Prompt>,
    pub(super) bits: Vec<u16>,
    pub(super) sure: Vec<u16>,
    index: Vec<Index>,
}

/// Places by the hash of a sample.
#[derive(Clone, PartialEq, Debug)]
struct Index {
    shift: u32,
    starts: Vec<u32>,
    places: Vec<u32>,
}

/// Enrols one recording after the other.
pub struct Enrolment {
    prompts: Prompts,
}

impl Enrolment {
    /// Nothing enrolled yet.
    pub fn new() -> Self {
        Enrolment { prompts: Prompts::default() }
    }

    /// Enrols a recording at 8 kHz.
    ///
    /// # Errors
    /// When it is too short, too long or silent, or there are too many; the others stay enrolled.
    pub fn add(&mut self, kind: Kind, name: Name, samples: &[i16]) -> Result<(), Fault> {
        self.prompts.enrol(kind, name, samples)
    }

    /// The prompts, ready to be recognised.
    pub fn finish(mut self) -> Prompts {
        self.prompts.index = MASKS.iter().map(|mask| Index::new(&self.prompts, *mask)).collect();
        self.prompts
    }
}

impl Default for Enrolment {
    fn default() -> Self {
        Enrolment::new()
    }
}

impl Prompts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// All of them, in the order of enrolment.
    pub fn iter(&self) -> impl Iterator<Item = &Prompt> {
        self.prompts.iter()
    }

    /// The memory that it holds, in bytes.
    pub fn memory(&self) -> usize {
        let words = 2 * (self.bits.len() + self.sure.len());
        let index: usize = self.index.iter().map(|index| 4 * (index.starts.len() + index.places.len())).sum();
        words + index + self.prompts.len() * size_of::<Prompt>()
    }

    fn enrol(&mut self, kind: Kind, name: Name, samples: &[i16]) -> Result<(), Fault> {
        if self.prompts.len() == PROMPTS_MAX {
            return Err(Fault::TooMany);
        }
        let length = duration_of(samples.len());
        if length > CLIP_MAX {
            return Err(Fault::TooLong(length));
        }
        let powers = powers(samples);
        let mut loudness: Vec<f32> = powers.iter().map(Printer::loudest).collect();
        loudness.sort_by(f32::total_cmp);
        let loud = loudness.get(loudness.len() * 9 / 10).copied().unwrap_or(0.0);
        if loud <= HUSH {
            return Err(Fault::Silent);
        }
        // Silence at both ends is no part of a prompt: a pause before it may last as long as it likes.
        let heard = |power: &Power| Printer::loudest(power) > (loud / DEPTH).max(HUSH / 4.0);
        let first = powers.iter().position(heard).unwrap_or(0);
        let last = powers.iter().rposition(heard).unwrap_or(0);
        let spoken = duration_of((last - first + 1) * HOP as usize);
        if spoken < CLIP_MIN {
            return Err(Fault::TooShort(spoken));
        }
        let place = self.bits.len() as u32;
        let mut printer = Printer::with_floor(loud / DEPTH);
        for (hop, power) in powers.iter().enumerate().take(last + 1) {
            let word = printer.handle_hop(Some(power));
            if hop >= first {
                self.bits.push(word.bits);
                self.sure.push(word.sure);
            }
        }
        let sure: u32 = self.sure[place as usize..].iter().map(|sure| sure.count_ones()).sum();
        if (sure as usize) < SURE_BITS_MIN {
            self.bits.truncate(place as usize);
            self.sure.truncate(place as usize);
            return Err(Fault::Silent);
        }
        self.prompts.push(Prompt { name, kind, first: place, end: self.bits.len() as u32 });
        Ok(())
    }

    /// The prompt that a place lies in.
    pub(super) fn at(&self, place: u32) -> usize {
        self.prompts.partition_point(|prompt| prompt.end <= place)
    }

    pub(super) fn prompt(&self, number: usize) -> &Prompt {
        &self.prompts[number]
    }

    /// Places that look like the newest of `bits`, sample by sample.
    pub(super) fn look_up(&self, now: Word, before: Word) -> impl Iterator<Item = &[u32]> {
        let key = u32::from(now.bits) | u32::from(before.bits) << 16;
        self.index.iter().zip(MASKS).map(move |(index, mask)| index.look_up(key & mask))
    }
}

/// How far back [`Prompts::look_up`] wants its second word.
pub(super) const BEFORE: usize = APART;

fn powers(samples: &[i16]) -> Vec<Power> {
    let padding = WINDOW - HOP as usize;
    let mut wave = vec![0.0; padding];
    wave.extend(samples.iter().map(|sample| f32::from(*sample) / 32768.0));
    wave.windows(WINDOW).step_by(HOP as usize).map(transform::power).collect()
}

impl Index {
    fn new(prompts: &Prompts, mask: u32) -> Index {
        let mut entries: Vec<(u32, u32)> = Vec::new();
        for prompt in &prompts.prompts {
            for place in prompt.first as usize + APART..prompt.end as usize {
                let both = |words: &[u16]| u32::from(words[place]) | u32::from(words[place - APART]) << 16;
                if (both(&prompts.sure) & mask).count_ones() >= SURE_MIN {
                    entries.push((both(&prompts.bits) & mask, place as u32));
                }
            }
        }
        let buckets = entries.len().next_power_of_two().clamp(2, 1 << SAMPLE_BITS);
        let shift = 32 - buckets.trailing_zeros();
        entries.iter_mut().for_each(|entry| entry.0 = hash(entry.0, shift));
        entries.sort_unstable();
        let mut index = Index { shift, starts: Vec::with_capacity(buckets + 1), places: Vec::new() };
        for bucket in entries.chunk_by(|a, b| a.0 == b.0) {
            index.starts.resize(bucket[0].0 as usize + 1, index.places.len() as u32);
            if bucket.len() <= BUCKET_MAX {
                index.places.extend(bucket.iter().map(|entry| entry.1));
            }
        }
        index.starts.resize(buckets + 1, index.places.len() as u32);
        index
    }

    fn look_up(&self, key: u32) -> &[u32] {
        let bucket = hash(key, self.shift) as usize;
        &self.places[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
}

/// Multiplicative hashing (Knuth, 6.4): the highest bits of the product with 2^32 over the golden ratio.
fn hash(key: u32, shift: u32) -> u32 {
    key.wrapping_mul(0x9e37_79b1) >> shift
}

/// Fixed samples, drawn by a generator of its own so that they never change.
const fn masks() -> [u32; SAMPLES] {
    let mut masks = [0u32; SAMPLES];
    let mut state: u32 = 0x2545_f491;
    let mut sample = 0;
    while sample < SAMPLES {
        while masks[sample].count_ones() < SAMPLE_BITS {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            masks[sample] |= 1 << (state >> 27);
        }
        sample += 1;
    }
    masks
}
