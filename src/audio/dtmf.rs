//! Keys heard as sound (ITU-T Q.23 and Q.24), by Goertzel's algorithm.
//!
//! Blocks of 12.75 ms are looked at one by one. A block has a key when one line of each group carries nearly all of its
//! power and the two are about equally loud; a key is told when two blocks in a row have it, which a press of 40 ms
//! always gives and speech does not. It has ended when two blocks in a row do not have it.

use super::{Frame, SAMPLE_RATE_HZ};
use std::f32::consts::TAU;

/// Samples of a block: the lines of both groups are about one bin or more apart.
const BLOCK: usize = 102;

/// The lines of the rows, then of the columns.
const LINES_HZ: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0];

const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The least mean square of a block with a key: some -40 dBFS.
const POWER_MIN: f32 = 100_000.0;

/// How much louder a column may be than its row (6 dB), and a row than its column (9 dB): ITU-T Q.24 asks for 4 and 8.
const COLUMN_LOUDER: f32 = 4.0;
const ROW_LOUDER: f32 = 8.0;

/// How much louder a line must be than the others of its group: 8 dB.
const PEAK: f32 = 6.3;

/// The share of a block's power that the two lines must carry.
const SHARE: f32 = 0.8;

/// Listens to one stream.
#[derive(Clone, Debug)]
pub struct KeyListener {
    block: [f32; BLOCK],
    filled: usize,
    /// What the last block had.
    last: Option<char>,
    /// The key that was told and sounds still.
    pressed: Option<char>,
}

impl KeyListener {
    /// Nothing heard yet.
    pub fn new() -> Self {
        KeyListener { block: [0.0; BLOCK], filled: 0, last: None, pressed: None }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = KeyListener::new();
    }

    /// Twenty milliseconds, or none when they are lost; tells a key when it is pressed. What is lost ends no key.
    pub fn handle_frame(&mut self, frame: Option<&Frame>) -> Option<char> {
        let Some(frame) = frame else {
            self.filled = 0;
            return None;
        };
        let mut told = None;
        for &sample in frame {
            self.block[self.filled] = f32::from(sample);
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                told = told.or(self.handle_block());
            }
        }
        told
    }

    /// Whether a key sounds.
    pub fn is_pressed(&self) -> bool {
        self.pressed.is_some() || self.last.is_some()
    }

    fn handle_block(&mut self) -> Option<char> {
        let key = key_of(&self.block);
        let twice = self.last == key;
        self.last = key;
        if !twice || self.pressed == key {
            return None;
        }
        self.pressed = key;
        key
    }
}

impl Default for KeyListener {
    fn default() -> Self {
        KeyListener::new()
    }
}

fn key_of(block: &[f32; BLOCK]) -> Option<char> {
    let power = block.iter().map(|sample| sample * sample).sum::<f32>() / BLOCK as f32;
    if power < POWER_MIN {
        return None;
    }
    let lines = line_powers(block);
    let (rows, columns) = lines.split_at(4);
    let (row, row_power) = loudest(rows)?;
    let (column, column_power) = loudest(columns)?;
    let balanced = column_power <= row_power * COLUMN_LOUDER && row_power <= column_power * ROW_LOUDER;
    (balanced && row_power + column_power >= SHARE * power).then_some(KEYS[row][column])
}

/// The loudest line of a group, if it stands out.
fn loudest(group: &[f32]) -> Option<(usize, f32)> {
    let (place, &power) = group.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let others = group.iter().enumerate().filter(|(other, _)| *other != place);
    let stands_out = others.into_iter().all(|(_, other)| other * PEAK <= power);
    stands_out.then_some((place, power))
}

/// The mean square that each line has.
fn line_powers(block: &[f32; BLOCK]) -> [f32; 8] {
    let step = |hz: f32| 2.0 * (TAU * hz / SAMPLE_RATE_HZ as f32).cos();
    let steps = LINES_HZ.map(step);
    let (mut last, mut before) = ([0.0f32; 8], [0.0f32; 8]);
    for &sample in block {
        for line in 0..8 {
            let next = sample + steps[line] * last[line] - before[line];
            before[line] = last[line];
            last[line] = next;
        }
    }
    std::array::from_fn(|line| {
        let (last, before) = (last[line], before[line]);
        let square = last * last + before * before - steps[line] * last * before;
        2.0 * square / (BLOCK * BLOCK) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;
    use crate::audio::g711::{self, Law};
    use crate::audio::tone::Tone;
    use std::time::Duration;

    const ALL: &str = "123A456B789C*0#D";

    fn heard(samples: &[i16]) -> String {
        let mut listener = KeyListener::new();
        let frames = samples.chunks_exact(FRAME_SAMPLES).map(|frame| frame.try_into().unwrap());
        frames.filter_map(|frame: Frame| listener.handle_frame(Some(&frame))).collect()
    }

    fn through(law: Law, samples: &[i16]) -> Vec<i16> {
        samples.iter().map(|sample| g711::decode(law, g711::encode(law, *sample))).collect()
    }

    fn press(tone: &Tone, on_ms: u64, off_ms: u64) -> Vec<i16> {
        let mut samples = tone.samples(Duration::from_millis(on_ms));
        samples.extend(Tone::silence().samples(Duration::from_millis(off_ms)));
        samples
    }

    #[test]
    fn every_key_is_heard_once_at_any_phase_level_and_law() {
        for (offset, dbfs, law) in [
            (0, -10.0, Law::Mu),
            (7, -20.0, Law::A),
            (50, -30.0, Law::Mu),
            (97, -36.0, Law::A),
            (130, -6.5, Law::A),
        ] {
            let mut samples = vec![0; offset];
            for key in ALL.chars() {
                samples.extend(press(&Tone::dtmf(key, dbfs).unwrap(), 50, 50));
            }
            samples.extend([0; 320]);
            assert_eq!(heard(&through(law, &samples)), ALL, "{offset} {dbfs}");
        }
    }

    #[test]
    fn forty_milliseconds_are_a_key_and_a_long_press_is_one() {
        for offset in 0..BLOCK {
            let mut samples = vec![0; offset];
            samples.extend(press(&Tone::dtmf('5', -12.0).unwrap(), 40, 45));
            samples.extend(press(&Tone::dtmf('5', -12.0).unwrap(), 40, 45));
            samples.extend(press(&Tone::dtmf('5', -12.0).unwrap(), 2_000, 60));
            assert_eq!(heard(&samples), "555", "{offset}");
            let short = [vec![0; offset], press(&Tone::dtmf('5', -12.0).unwrap(), 20, 100)].concat();
            assert_eq!(heard(&short), "", "{offset}: too short");
        }
    }

    #[test]
    fn lines_that_differ_in_level_and_frequency_are_a_key_within_reason() {
        let press = |row_hz: f64, column_hz: f64, row_dbfs: f32, column_dbfs: f32| {
            heard(&press(&Tone::sine(row_hz, row_dbfs).with(column_hz, column_dbfs), 60, 60))
        };
        assert_eq!(press(852.0, 1_336.0, -12.0, -20.0), "8", "the row 8 dB louder");
        assert_eq!(press(852.0, 1_336.0, -16.0, -12.0), "8", "the column 4 dB louder");
        assert_eq!(press(852.0 * 1.015, 1_336.0 * 0.985, -12.0, -12.0), "8", "1.5 % off");
        assert_eq!(press(852.0, 1_336.0, -12.0, -26.0), "");
        assert_eq!(press(852.0, 1_336.0, -26.0, -12.0), "");
        assert_eq!(press(810.0, 1_336.0, -12.0, -12.0), "", "between two rows");
    }

    #[test]
    fn noise_beside_and_frames_that_are_lost_leave_a_key_as_it_is() {
        let mut noise = crate::audio::comfort_noise::ComfortNoise::new();
        noise.handle_payload(&[35]);
        let mut samples = press(&Tone::dtmf('3', -13.0).unwrap(), 100, 100);
        samples.chunks_exact_mut(160).for_each(|frame| {
            frame.iter_mut().zip(noise.frame()).for_each(|(sample, noise)| *sample += noise);
        });
        assert_eq!(heard(&samples), "3");
        let mut listener = KeyListener::new();
        let frames = press(&Tone::dtmf('7', -13.0).unwrap(), 400, 100);
        let frames = frames.chunks_exact(160).map(|frame| -> Frame { frame.try_into().unwrap() });
        let told: String = frames
            .enumerate()
            .filter_map(|(index, frame)| listener.handle_frame((index % 5 != 3).then_some(&frame)))
            .collect();
        assert_eq!(told, "7");
        assert!(!listener.is_pressed());
    }
}
