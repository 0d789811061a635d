//! What is said on the simulated lines: clips, tones, speech made from nothing, and markers that prove who was heard.
//!
//! A [`Script`] is a list of parts that a [`Reader`] turns into 20 ms frames. A [`Marker`] is a pair of tones on a
//! 50 Hz grid that no telephone network uses: over 160 samples such tones are orthogonal at any phase, so that one
//! frame is enough to name the pair, and everybody who speaks in the simulation can have a pair of their own.

use crate::audio::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ, samples_in};
use crate::rng::Rng;
use std::f32::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

/// A clip, shared by all who say it.
pub type Samples = Arc<[i16]>;

const RATE: f32 = SAMPLE_RATE_HZ as f32;

/// Tones together, each at `level_dbfs` (0 is the peak of a full-scale sine), with 4 ms of fade at both ends.
pub fn tones(frequencies_hz: &[f32], duration: Duration, level_dbfs: f32) -> Vec<i16> {
    let length = samples_in(duration);
    let amplitude = 32767.0 * 10f32.powf(level_dbfs / 20.0);
    (0..length)
        .map(|n| {
            let fade = (n.min(length - 1 - n) as f32 / 32.0).min(1.0);
            let sum: f32 = frequencies_hz.iter().map(|hz| (TAU * hz * n as f32 / RATE).sin()).sum();
            (amplitude * fade * sum).clamp(-32768.0, 32767.0) as i16
        })
        .collect()
}

/// Silence.
pub fn silence(duration: Duration) -> Vec<i16> {
    vec![0; samples_in(duration)]
}

/// Speech-like sound: syllables of a buzzing source through three formants, with hissing onsets, at about -20 dBFS.
/// A voice-activity detector takes it for speech; nobody takes it for words.
pub fn speech(seed: u64, duration: Duration, pitch_hz: f32) -> Vec<i16> {
    // First three formants in Hz of a, e, i, o, u (Peterson and Barney, 1952, rounded).
    const VOWELS: [[f32; 3]; 5] = [
        [730.0, 1090.0, 2440.0],
        [530.0, 1840.0, 2480.0],
        [270.0, 2290.0, 3010.0],
        [570.0, 840.0, 2410.0],
        [300.0, 870.0, 2240.0],
    ];
    let mut rng = Rng::from_seed(seed);
    let length = samples_in(duration);
    let mut sound: Vec<f32> = Vec::with_capacity(length + 4000);
    while sound.len() < length {
        let vowel = VOWELS[rng.below(VOWELS.len() as u64) as usize];
        let onset = samples_in(Duration::from_millis(rng.between(15, 50)));
        sound.extend((0..onset).map(|_| (rng.unit() as f32 - 0.5) * 0.06));
        let pitch = pitch_hz * (0.9 + 0.2 * rng.unit() as f32);
        let syllable = samples_in(Duration::from_millis(rng.between(110, 200)));
        sound.extend(vowel_sound(&mut rng, vowel, pitch, syllable));
        sound.extend(std::iter::repeat_n(0.0, samples_in(Duration::from_millis(rng.between(5, 40)))));
    }
    sound.truncate(length);
    at_level(&sound, -20.0)
}

fn vowel_sound(rng: &mut Rng, formants: [f32; 3], pitch_hz: f32, length: usize) -> Vec<f32> {
    let mut resonators = formants.map(|hz| Resonator::new(hz, 60.0 + hz * 0.03));
    let mut phase = 0.0f32;
    (0..length)
        .map(|n| {
            let position = n as f32 / length as f32;
            phase += pitch_hz * (1.05 - 0.1 * position) / RATE;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let breath = (rng.unit() as f32 - 0.5) * 0.02;
            let weights = [1.0, 0.6, 0.3];
            let voice: f32 =
                resonators.iter_mut().zip(weights).map(|(r, weight)| weight * r.next(pulse + breath)).sum();
            voice * (std::f32::consts::PI * position).sin().sqrt()
        })
        .collect()
}

/// A two-pole resonator.
struct Resonator {
    a: f32,
    b: f32,
    gain: f32,
    y: [f32; 2],
}

impl Resonator {
    fn new(hz: f32, bandwidth_hz: f32) -> Resonator {
        let radius = (-std::f32::consts::PI * bandwidth_hz / RATE).exp();
        Resonator {
            a: 2.0 * radius * (TAU * hz / RATE).cos(),
            b: -radius * radius,
            gain: 1.0 - radius,
            y: [0.0; 2],
        }
    }

    fn next(&mut self, x: f32) -> f32 {
        let y = self.gain * x + self.a * self.y[0] + self.b * self.y[1];
        self.y = [y, self.y[0]];
        y
    }
}

fn at_level(sound: &[f32], rms_dbfs: f32) -> Vec<i16> {
    let power = sound.iter().map(|s| s * s).sum::<f32>() / sound.len().max(1) as f32;
    let gain = 32768.0 * 10f32.powf(rms_dbfs / 20.0) / power.sqrt().max(1e-9);
    sound.iter().map(|s| (s * gain).clamp(-32000.0, 32000.0) as i16).collect()
}

/// Special information tones (ITU-T E.180 Supplement 2; the frequencies and lengths of North America).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sit {
    /// Vacant code: the number does not exist.
    Vacant,
    /// Intercept: the number was changed or is out of service.
    Intercept,
    /// Reorder: congestion.
    Reorder,
    /// No circuit: congestion of long-distance lines.
    NoCircuit,
}

/// The three tones of a SIT.
pub fn sit(kind: Sit) -> Vec<i16> {
    const SHORT: u64 = 276;
    const LONG: u64 = 380;
    let plan = match kind {
        Sit::Vacant => [(985.2, LONG), (1370.6, SHORT), (1776.7, LONG)],
        Sit::Intercept => [(913.8, SHORT), (1370.6, SHORT), (1776.7, LONG)],
        Sit::Reorder => [(913.8, SHORT), (1428.5, LONG), (1776.7, LONG)],
        Sit::NoCircuit => [(985.2, LONG), (1428.5, LONG), (1776.7, LONG)],
    };
    plan.iter().flat_map(|(hz, ms)| tones(&[*hz], Duration::from_millis(*ms), -15.0)).collect()
}

/// How long the three tones of a SIT last.
pub fn duration_of_sit(kind: Sit) -> Duration {
    crate::audio::duration_of(sit(kind).len())
}

/// A called fax machine: CED for three seconds, then the V.21 flags that follow it (ITU-T T.30, 4 and 5).
pub fn fax_answer() -> Vec<i16> {
    let mut sound = tones(&[2100.0], Duration::from_millis(3000), -12.0);
    sound.extend(silence(Duration::from_millis(75)));
    // Flags are 01111110: at 300 bit/s one space of 1850 Hz, six marks of 1650 Hz, one space.
    for _ in 0..40 {
        sound.extend(tones(&[1850.0], Duration::from_micros(3_333), -12.0));
        sound.extend(tones(&[1650.0], Duration::from_micros(20_000), -12.0));
        sound.extend(tones(&[1850.0], Duration::from_micros(3_333), -12.0));
    }
    sound.extend(silence(Duration::from_millis(3000)));
    sound
}

/// A calling fax machine: CNG, 1100 Hz for 0.5 s every 3.5 s (ITU-T T.30, 4.2).
pub fn fax_calling() -> Vec<i16> {
    let mut sound = tones(&[1100.0], Duration::from_millis(500), -12.0);
    sound.extend(silence(Duration::from_millis(3000)));
    sound
}

/// One period of ring-back, North America: 440 and 480 Hz, two seconds on, four off.
pub fn ring_back() -> Vec<i16> {
    let mut sound = tones(&[440.0, 480.0], Duration::from_millis(2000), -19.0);
    sound.extend(silence(Duration::from_millis(4000)));
    sound
}

/// Eight seconds of a plain tune with chords, to be repeated.
pub fn music() -> Vec<i16> {
    const CHORDS: [[f32; 3]; 4] =
        [[261.6, 329.6, 392.0], [220.0, 261.6, 329.6], [349.2, 440.0, 523.3], [392.0, 493.9, 587.3]];
    let mut sound = Vec::new();
    for (bar, chord) in CHORDS.iter().enumerate() {
        for beat in 0..8 {
            let melody = chord[(beat * 5 + bar) % 3] * 2.0;
            let lines = [chord[0], chord[1], chord[2], melody];
            sound.extend(tones(&lines, Duration::from_millis(250), -24.0));
        }
    }
    sound
}

/// The lines that markers are made of: on the 50 Hz grid, and away from SIT, fax, DTMF, beeps and call progress.
const LINES_HZ: [f32; 16] = [
    550.0, 650.0, 750.0, 850.0, 1050.0, 1150.0, 1250.0, 1350.0, 1550.0, 1650.0, 1750.0, 1950.0, 2250.0,
    2350.0, 2450.0, 2550.0,
];

/// Who is speaking: a pair of lines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Marker(u8);

impl Marker {
    /// How many different markers there are.
    pub const COUNT: usize = LINES_HZ.len() * (LINES_HZ.len() - 1) / 2;

    /// The `number`th marker, of [`Marker::COUNT`]; beyond, they come again.
    pub fn new(number: usize) -> Marker {
        Marker((number % Marker::COUNT) as u8)
    }

    /// Which one it is.
    pub fn number(self) -> u8 {
        self.0
    }

    /// 300 ms of it.
    pub fn sound(self) -> Vec<i16> {
        let (low, high) = self.lines();
        tones(&[LINES_HZ[low], LINES_HZ[high]], Duration::from_millis(300), -18.0)
    }

    fn lines(self) -> (usize, usize) {
        let pairs =
            (0..LINES_HZ.len()).flat_map(|low| (low + 1..LINES_HZ.len()).map(move |high| (low, high)));
        pairs.clone().nth(usize::from(self.0)).expect("a marker's number is below the count of pairs")
    }

    fn of_lines(low: usize, high: usize) -> Marker {
        let before: usize = (0..low).map(|line| LINES_HZ.len() - 1 - line).sum();
        Marker((before + high - low - 1) as u8)
    }

    /// The marker that this frame carries, if one fills it.
    pub fn of_frame(frame: &Frame) -> Option<Marker> {
        let energy: f32 = frame.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
        // Below -50 dBFS there is nothing to name.
        if energy < FRAME_SAMPLES as f32 * 1.0e4 {
            return None;
        }
        let mut shares = LINES_HZ.map(|hz| 2.0 * line_power(frame, hz) / (FRAME_SAMPLES as f32 * energy));
        let mut strongest = || {
            let (line, share) =
                shares.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).expect("sixteen lines");
            shares[line] = 0.0;
            (line, share)
        };
        let (first, second, third) = (strongest(), strongest(), strongest());
        let pure = first.1 + second.1 > 0.8 && second.1 > 0.2 && third.1 < 0.05;
        pure.then(|| Marker::of_lines(first.0.min(second.0), first.0.max(second.0)))
    }
}

/// Goertzel: the squared magnitude of one line of the spectrum.
fn line_power(frame: &Frame, hz: f32) -> f32 {
    let coefficient = 2.0 * (TAU * hz / RATE).cos();
    let (mut s1, mut s2) = (0.0f32, 0.0f32);
    for sample in frame {
        let s0 = f32::from(*sample) + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    s1 * s1 + s2 * s2 - coefficient * s1 * s2
}

/// A piece of what a line says.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    /// So many samples of silence.
    Silence(usize),
    /// A clip.
    Say(Samples),
    /// A voicemail beep: the reader tells when it begins and ends.
    Beep(Samples),
}

impl Part {
    /// A pause.
    pub fn pause(duration: Duration) -> Part {
        Part::Silence(samples_in(duration))
    }

    fn len(&self) -> usize {
        match self {
            Part::Silence(samples) => *samples,
            Part::Say(clip) | Part::Beep(clip) => clip.len(),
        }
    }
}

/// What a line says, from beginning to end, or again and again from some part on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Script {
    /// The parts in order.
    pub parts: Vec<Part>,
    /// Goes on with this part after the last.
    pub again_from: Option<usize>,
}

/// What happened within a frame, as offsets in samples from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// A beep began.
    pub beep_start: Option<usize>,
    /// A beep ended: the first sample after it.
    pub beep_end: Option<usize>,
}

/// Where a line is in its script.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    script: Script,
    part: usize,
    offset: usize,
}

impl Reader {
    /// At the beginning of a script.
    pub fn new(script: Script) -> Reader {
        Reader { script, part: 0, offset: 0 }
    }

    /// The next 20 ms; silence when the script is over.
    pub fn next_frame(&mut self, frame: &mut Frame) -> Marks {
        frame.fill(0);
        let mut marks = Marks::default();
        let mut filled = 0;
        // A repeated script without a sample would never fill the frame.
        let mut empty_parts = 0;
        while filled < FRAME_SAMPLES && empty_parts <= self.script.parts.len() {
            let Some(part) = self.script.parts.get(self.part) else { break };
            let count = (part.len() - self.offset).min(FRAME_SAMPLES - filled);
            let is_beep = matches!(part, Part::Beep(_));
            if is_beep && self.offset == 0 {
                marks.beep_start = Some(filled);
            }
            if let Part::Say(clip) | Part::Beep(clip) = part {
                frame[filled..filled + count].copy_from_slice(&clip[self.offset..self.offset + count]);
            }
            filled += count;
            self.offset += count;
            empty_parts = if count == 0 { empty_parts + 1 } else { 0 };
            if self.offset == part.len() {
                marks.beep_end = if is_beep { Some(filled) } else { marks.beep_end };
                self.go_on();
            }
        }
        marks
    }

    fn go_on(&mut self) {
        self.offset = 0;
        self.part += 1;
        if let (true, Some(again)) = (self.part == self.script.parts.len(), self.script.again_from) {
            self.part = again;
        }
    }

    /// Whether everything is said.
    pub fn finished(&self) -> bool {
        self.part >= self.script.parts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_marker_is_named_by_one_frame_at_any_offset() {
        for number in 0..Marker::COUNT {
            let marker = Marker::new(number);
            let sound = marker.sound();
            for offset in [160, 200, 999, 1234] {
                let frame: Frame = sound[offset..offset + FRAME_SAMPLES].try_into().unwrap();
                assert_eq!(Marker::of_frame(&frame), Some(marker), "{number} at {offset}");
            }
        }
    }

    #[test]
    fn speech_tones_and_music_carry_no_marker() {
        let sounds = [
            speech(1, Duration::from_secs(5), 120.0),
            speech(2, Duration::from_secs(5), 210.0),
            sit(Sit::Vacant),
            fax_answer(),
            fax_calling(),
            ring_back(),
            music(),
            silence(Duration::from_secs(1)),
            tones(&[1000.0], Duration::from_secs(1), -10.0),
        ];
        for (which, sound) in sounds.iter().enumerate() {
            let named =
                sound.chunks_exact(FRAME_SAMPLES).filter_map(|f| Marker::of_frame(f.try_into().unwrap()));
            assert!(named.count() <= 1, "sound {which}");
        }
    }

    #[test]
    fn speech_stands_near_its_level_and_does_not_clip() {
        let sound = speech(7, Duration::from_secs(4), 140.0);
        let power = sound.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / sound.len() as f64;
        let dbfs = 10.0 * (power / 32768f64.powi(2)).log10();
        assert!((-22.0..-18.0).contains(&dbfs), "{dbfs}");
        assert!(sound.iter().filter(|s| s.unsigned_abs() >= 32000).count() < 40);
    }

    #[test]
    fn a_reader_tells_where_the_beep_began_and_ended() {
        let beep: Samples = tones(&[1000.0], Duration::from_millis(30), -10.0).into();
        let mut reader =
            Reader::new(Script { parts: vec![Part::Silence(200), Part::Beep(beep)], again_from: None });
        let mut frame = [0; FRAME_SAMPLES];
        assert_eq!(reader.next_frame(&mut frame), Marks::default());
        assert_eq!(reader.next_frame(&mut frame), Marks { beep_start: Some(40), beep_end: None });
        assert_eq!(reader.next_frame(&mut frame), Marks { beep_start: None, beep_end: Some(120) });
        assert!(reader.finished());
        reader.next_frame(&mut frame);
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }

    #[test]
    fn a_script_that_repeats_never_finishes_and_an_empty_one_does_not_hang() {
        let clip: Samples = vec![5i16; 100].into();
        let script = Script { parts: vec![Part::Silence(100), Part::Say(clip)], again_from: Some(1) };
        let mut reader = Reader::new(script);
        let mut frame = [0; FRAME_SAMPLES];
        reader.next_frame(&mut frame);
        reader.next_frame(&mut frame);
        assert_eq!(frame, [5; FRAME_SAMPLES]);
        assert!(!reader.finished());
        let mut empty = Reader::new(Script { parts: vec![Part::Silence(0)], again_from: Some(0) });
        empty.next_frame(&mut frame);
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }
}
