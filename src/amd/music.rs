//! Music on hold: its strongest line stays on a note, then on another.
//!
//! A voice glides: in five seconds its strongest line rarely rests for a tenth of a second more than once or twice, and
//! then near the same pitch. Three different notes within three seconds are music, whatever else sounds with them.

use super::spectrum::Lines;

const HOP_MS: u32 = 10;
/// A line that rests for so many hops is a note.
const NOTE_HOPS: u32 = 9;
/// It rests while it stays within this share of its frequency.
const REST: f32 = 0.012;
/// Notes further apart than this share (half a semitone) are different.
const DIFFERENT: f32 = 0.03;
/// -55 dBFS.
const POWER_MIN: f32 = 3.2e-6;
/// Notes remembered.
const NOTES: usize = 8;
/// Notes count for so long ...
const WITHIN_MS: u32 = 3000;
/// ... and together must have rested for so long, in so many pitches.
const REST_MS: u32 = 420;
const PITCHES: usize = 3;

#[derive(Clone, Copy, Default)]
struct Note {
    hz: f32,
    start_ms: u32,
    rest_ms: u32,
}

/// Counts notes.
#[derive(Default)]
pub struct Music {
    now_ms: u32,
    hz: f32,
    hops: u32,
    /// The newest first.
    notes: [Note; NOTES],
    named: bool,
    barred: bool,
}

impl Music {
    /// Something else was named that has several pitches: no music for the rest of the call.
    pub fn bar(&mut self) {
        self.barred = true;
    }

    /// A beep was found: it was no note, and what came before it was speech.
    pub fn forget(&mut self) {
        self.notes = [Note::default(); NOTES];
    }

    /// Hears a hop; gives the start of the music in milliseconds once, when it is recognised. `tonal`: this may be one of
    /// several tones in a row that are about to be named.
    pub fn handle_hop(&mut self, power: f32, lines: Option<&Lines>, tonal: bool) -> Option<u32> {
        self.now_ms += HOP_MS;
        let lines = lines?;
        let rests = power >= POWER_MIN && (lines.lines[0].hz - self.hz).abs() <= (REST * self.hz).max(4.0);
        if !rests {
            (self.hz, self.hops) = (lines.lines[0].hz, 1);
        } else {
            self.hops += 1;
            self.rest();
        }
        if tonal || self.named || self.barred {
            return None;
        }
        let start_ms = self.start_ms()?;
        self.named = true;
        Some(start_ms)
    }

    fn rest(&mut self) {
        let rest_ms = self.hops * HOP_MS;
        if self.hops == NOTE_HOPS {
            self.notes.rotate_right(1);
            self.notes[0] = Note { hz: self.hz, start_ms: self.now_ms - rest_ms, rest_ms };
        } else if self.hops > NOTE_HOPS {
            self.notes[0].rest_ms = rest_ms;
        }
    }

    fn start_ms(&self) -> Option<u32> {
        let fresh = |note: &&Note| note.hz > 0.0 && self.now_ms - note.start_ms <= WITHIN_MS;
        // The newest come first: as many as must differ are there, or none need be compared.
        self.notes.get(PITCHES - 1).filter(fresh)?;
        let recent = || self.notes.iter().filter(fresh);
        let same = |a: &Note, b: &Note| (a.hz / b.hz - 1.0).abs() < DIFFERENT;
        let is_new = |i: usize, note: &Note| !recent().take(i).any(|other| same(note, other));
        let pitches = recent().enumerate().filter(|(i, note)| is_new(*i, note)).count();
        let rest_ms: u32 = recent().map(|note| note.rest_ms).sum();
        let first_ms = recent().map(|note| note.start_ms).min()?;
        (pitches >= PITCHES && rest_ms >= REST_MS).then_some(first_ms)
    }
}
