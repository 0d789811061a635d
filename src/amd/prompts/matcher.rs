//! Hears a call and recognises an enrolled prompt.

use super::Heard;
use super::print::{Printer, Word};
use super::table::{BEFORE, Prompts};
use crate::amd::transform::Power;
use std::sync::Arc;

/// Words remembered: 2.56 s.
const MEMORY: usize = 256;
/// Places that are looked at in one hop; those beyond have their turn at another hop of the same prompt.
const LOOKS_MAX: usize = 24;
/// The first look is at the last hops only, and throws nearly all places away.
const GLANCE: usize = 16;
/// Of the sure bits that a glance sees, no more than this share may be wrong.
const GLANCE_WRONG: f32 = 0.36;
/// Lengths, in hops, over which a place is judged.
const SPANS: [usize; 4] = [96, 128, 192, 256];
/// The surplus of right bits over wrong ones, in roots of their number, that proves a prompt. In 26.7 hours of other speech
/// against 942 prompts the strongest was 12.7, each further unit was four to six times as rare; true ones reach 18 to 27.
pub const PROOF: f32 = 17.0;
/// No match has more wrong bits than this.
const WRONG_MAX: f32 = 0.33;
/// A span with fewer sure bits proves nothing.
const SURE_MIN: u32 = 300;
/// Quiet hops have no print: so many bits must stand out.
const LOUD_BITS: u32 = 6;

/// Listens to one call.
#[derive(Debug)]
pub struct Matcher {
    prompts: Arc<Prompts>,
    printer: Printer,
    /// The last words twice over, so that any stretch of them lies in one piece.
    bits: [u16; 2 * MEMORY],
    known: [u16; 2 * MEMORY],
    hops: usize,
    told: bool,
}

impl Matcher {
    /// Nothing heard yet.
    pub fn new(prompts: Arc<Prompts>) -> Self {
        Matcher {
            prompts,
            printer: Printer::new(),
            bits: [0; 2 * MEMORY],
            known: [0; 2 * MEMORY],
            hops: 0,
            told: false,
        }
    }

    /// Other prompts are enrolled. What was heard is remembered; nothing else of the call hangs on the old ones.
    pub fn enrol(&mut self, prompts: Arc<Prompts>) {
        self.prompts = prompts;
    }

    /// Begins a new call; no memory is taken.
    pub fn reset(&mut self) {
        self.printer = Printer::new();
        (self.bits, self.known) = ([0; 2 * MEMORY], [0; 2 * MEMORY]);
        (self.hops, self.told) = (0, false);
    }

    /// Hears the power spectrum of the window that ends with the next hop, `None` where frames were lost; tells the first
    /// prompt that it recognises, and with the strongest proof if there are several.
    pub fn handle_hop(&mut self, power: Option<&Power>) -> Option<Heard> {
        if self.told || self.prompts.is_empty() {
            return None;
        }
        let word = self.printer.handle_hop(power);
        self.remember(word);
        if self.hops < SPANS[0] || word.sure.count_ones() < LOUD_BITS {
            return None;
        }
        let best = self.search(word)?;
        self.told = true;
        Some(best)
    }

    fn remember(&mut self, word: Word) {
        let at = self.hops % MEMORY;
        let known = if word.known { u16::MAX } else { 0 };
        for place in [at, at + MEMORY] {
            (self.bits[place], self.known[place]) = (word.bits, known);
        }
        self.hops += 1;
    }

    fn search(&self, word: Word) -> Option<Heard> {
        let newest = (self.hops - 1) % MEMORY + MEMORY;
        let before = Word { bits: self.bits[newest - BEFORE], ..Word::default() };
        let mut looks = 0;
        let mut best: Option<(f32, u32)> = None;
        for places in self.prompts.look_up(word, before) {
            for &place in places {
                looks += 1;
                if looks > LOOKS_MAX {
                    break;
                }
                if !self.glance(newest, place as usize) {
                    continue;
                }
                if let Some(proof) = self.proof(newest, place)
                    && best.is_none_or(|(strongest, _)| proof > strongest)
                {
                    best = Some((proof, place));
                }
            }
        }
        let (proof, place) = best?;
        let prompt = self.prompts.prompt(self.prompts.at(place));
        let into = place - prompt.first;
        Some(Heard { kind: prompt.kind, name: prompt.name, into_ms: into * 10, proof })
    }

    fn glance(&self, newest: usize, place: usize) -> bool {
        let end = place + 1;
        if end < GLANCE {
            return false;
        }
        let (sure, wrong) = self.compare(newest + 1 - GLANCE, end - GLANCE, GLANCE);
        wrong as f32 <= sure as f32 * GLANCE_WRONG
    }

    /// The strongest proof that the call is at this place of a prompt.
    fn proof(&self, newest: usize, place: u32) -> Option<f32> {
        let prompt = self.prompts.prompt(self.prompts.at(place));
        let hops = ((place - prompt.first) as usize + 1).min(self.hops).min(MEMORY);
        let (mut sure, mut wrong, mut done) = (0, 0, 0);
        let mut best: Option<f32> = None;
        for span in SPANS.into_iter().filter(|span| *span <= hops) {
            let length = span - done;
            let more = self.compare(newest + 1 - span, place as usize + 1 - span, length);
            (sure, wrong, done) = (sure + more.0, wrong + more.1, span);
            let proof = (sure as f32 - 2.0 * wrong as f32) / (sure.max(1) as f32).sqrt();
            if sure >= SURE_MIN && wrong as f32 <= WRONG_MAX * sure as f32 && proof >= PROOF {
                best = Some(best.map_or(proof, |best| best.max(proof)));
            }
        }
        best
    }

    /// Sure bits of the original that were heard, and how many of them wrong.
    fn compare(&self, heard: usize, place: usize, hops: usize) -> (u32, u32) {
        let heard_bits = &self.bits[heard..heard + hops];
        let known = &self.known[heard..heard + hops];
        let bits = &self.prompts.bits[place..place + hops];
        let sure = &self.prompts.sure[place..place + hops];
        let mut counted = (0, 0);
        let four = |words: &[u16]| words.iter().fold(0u64, |all, word| all << 16 | u64::from(*word));
        for at in (0..hops).step_by(4) {
            let here = at..(at + 4).min(hops);
            let mask = four(&sure[here.clone()]) & four(&known[here.clone()]);
            counted.0 += mask.count_ones();
            counted.1 += ((four(&bits[here.clone()]) ^ four(&heard_bits[here])) & mask).count_ones();
        }
        counted
    }
}
