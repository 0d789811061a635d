//! Names steady tones: special information tones, fax, DTMF.
//!
//! Special information tones: ITU-T E.180 clause 3.7 (950, 1400, 1800 Hz, 330 ms each) and Telcordia SR-3275, whose
//! shifted first and second tone say why the call failed. Fax: ITU-T T.30 and V.8.

use super::line::Tone;
use super::verdict::ToneKind;

/// Tones remembered.
const MEMORY: usize = 8;
const SAMPLES_PER_MS: u64 = 8;
/// Half a semitone.
const DIFFERENT: f32 = 0.03;
/// A melody's notes follow each other within this.
const MELODY_MS: u64 = 3000;

/// Hears each tone as it starts and ends, and names the ones that are known.
#[derive(Default)]
pub struct Names {
    past: [Option<Tone>; MEMORY],
    answer_tone_samples: u64,
    answer_tone_end: u64,
    answer_tone_named: bool,
    calling_tone_named: bool,
    information_named: bool,
}

/// A named tone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Named {
    /// Which.
    pub kind: ToneKind,
    /// Its first sample.
    pub start: u64,
}

impl Names {
    /// While a tone sounds, at each hop.
    pub fn during(&mut self, tone: &Tone) -> Option<Named> {
        self.information(tone).or_else(|| self.answer_tone(tone))
    }

    /// The third of three rising tones ends the sequence: its start is enough.
    fn information(&mut self, third: &Tone) -> Option<Named> {
        if !near(third.hz, 1776.7, 50.0) {
            return None;
        }
        let [Some(second), Some(first)] = [self.past[0], self.past[1]] else { return None };
        let in_order = near(first.hz, 950.0, 60.0) && near(second.hz, 1400.0, 60.0);
        let joined = gap_ms(&first, &second) <= 130 && gap_ms(&second, third) <= 130;
        let lasting = [first, second].iter().all(|tone| (150..=460).contains(&length_ms(tone)));
        if !in_order || !joined || !lasting {
            return None;
        }
        let kind = match (first.hz, second.hz) {
            (hz, _) if near(hz, 950.0, 15.0) => ToneKind::Sit,
            (_, hz) if hz < 1400.0 => ToneKind::SitInvalid,
            _ => ToneKind::SitCongestion,
        };
        self.past = [None; MEMORY];
        self.information_named = true;
        Some(Named { kind, start: first.start })
    }

    /// The first two of three rising tones have sounded and the third is due: this is no music.
    pub fn rising(&self, now: u64) -> bool {
        let [Some(second), Some(first)] = [self.past[0], self.past[1]] else { return false };
        let in_order = near(first.hz, 950.0, 60.0) && near(second.hz, 1400.0, 60.0);
        in_order && now <= second.end + 500 * SAMPLES_PER_MS
    }

    /// 2100 Hz for half a second, phase reversals (ANSam) or not.
    fn answer_tone(&mut self, tone: &Tone) -> Option<Named> {
        if self.answer_tone_named || !near(tone.hz, 2100.0, 18.0) {
            return None;
        }
        let joined = tone.start <= self.answer_tone_end + 100 * SAMPLES_PER_MS;
        let before = if joined { self.answer_tone_samples } else { 0 };
        let samples = before + (tone.end - tone.start);
        (samples >= 500 * SAMPLES_PER_MS).then(|| {
            self.answer_tone_named = true;
            Named { kind: ToneKind::FaxCed, start: tone.start.saturating_sub(before) }
        })
    }

    /// A tone has ended. `spoken`: speech was heard before it.
    pub fn after(&mut self, tone: &Tone, spoken: bool) -> Option<Named> {
        let ms = length_ms(tone);
        if near(tone.hz, 2100.0, 18.0) {
            let joined = tone.start <= self.answer_tone_end + 100 * SAMPLES_PER_MS;
            let before = if joined { self.answer_tone_samples } else { 0 };
            self.answer_tone_samples = before + (tone.end - tone.start);
            self.answer_tone_end = tone.end;
        }
        let named = self.dtmf(tone).or_else(|| self.calling_tone(tone, ms, spoken));
        self.past.rotate_right(1);
        self.past[0] = Some(*tone);
        named
    }

    /// The network or a fax machine was named, which goes on with its own tones: none of them is a voicemail's.
    pub fn own(&self) -> bool {
        self.calling_tone_named || self.answer_tone_named || self.information_named
    }

    /// Another pitch sounded shortly before: this is one note of a melody, not a beep.
    pub fn is_note(&self, tone: &Tone) -> bool {
        let other = |past: &&Tone| {
            (past.hz / tone.hz - 1.0).abs() >= DIFFERENT
                && past.start != tone.start
                && tone.start <= past.end + MELODY_MS * SAMPLES_PER_MS
        };
        self.past.iter().flatten().any(|past| other(&past))
    }

    fn dtmf(&self, tone: &Tone) -> Option<Named> {
        let (low, high) = (tone.hz.min(tone.second_hz), tone.hz.max(tone.second_hz));
        let hit = |hz: f32, table: &[f32]| table.iter().any(|want| near(hz, *want, 0.02 * want));
        let digit = hit(low, &[697.0, 770.0, 852.0, 941.0]) && hit(high, &[1209.0, 1336.0, 1477.0, 1633.0]);
        digit.then_some(Named { kind: ToneKind::Dtmf, start: tone.start })
    }

    /// 1100 Hz for half a second, every 3.5 s. After speech a single one is a beep.
    fn calling_tone(&mut self, tone: &Tone, ms: u64, spoken: bool) -> Option<Named> {
        let is_one = |tone: &Tone| near(tone.hz, 1100.0, 38.0) && (400..=620).contains(&length_ms(tone));
        if self.calling_tone_named || !near(tone.hz, 1100.0, 38.0) || !(400..=620).contains(&ms) {
            return None;
        }
        let repeated =
            self.past[0].filter(|past| is_one(past) && (2400..=3600).contains(&gap_ms(past, tone)));
        (!spoken || repeated.is_some()).then(|| {
            self.calling_tone_named = true;
            Named { kind: ToneKind::FaxCng, start: repeated.map_or(tone.start, |past| past.start) }
        })
    }
}

/// How long a tone has sounded.
pub fn length_ms(tone: &Tone) -> u64 {
    (tone.end - tone.start) / SAMPLES_PER_MS
}

fn gap_ms(a: &Tone, b: &Tone) -> u64 {
    b.start.saturating_sub(a.end) / SAMPLES_PER_MS
}

fn near(hz: f32, want: f32, by: f32) -> bool {
    (hz - want).abs() <= by
}
