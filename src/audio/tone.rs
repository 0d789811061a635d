//! Tones: sums of sines, and cadences made of them (ITU-T E.180, Q.23, Q.35, T.30).

use super::level::rms_of_dbfs;
use super::{SAMPLE_RATE_HZ, samples_in};
use std::f64::consts::{SQRT_2, TAU};
use std::time::Duration;

/// The most sines in one tone.
pub const LINES_MAX: usize = 4;

/// One sine.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Line {
    /// Its frequency.
    pub frequency_hz: f64,
    /// Its level as [`super::level::dbfs`] measures it, -3.01 at most.
    pub dbfs: f32,
}

/// Up to [`LINES_MAX`] sines that sound together; none is silence.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tone {
    lines: [Line; LINES_MAX],
    count: usize,
}

impl Tone {
    /// No sound.
    pub fn silence() -> Self {
        Tone::default()
    }

    /// One sine.
    pub fn sine(frequency_hz: f64, dbfs: f32) -> Self {
        Tone::silence().with(frequency_hz, dbfs)
    }

    /// The same tone and one more sine.
    ///
    /// # Panics
    /// When it already has [`LINES_MAX`].
    pub fn with(mut self, frequency_hz: f64, dbfs: f32) -> Self {
        assert!(self.count < LINES_MAX, "a tone has at most {LINES_MAX} lines");
        self.lines[self.count] = Line { frequency_hz, dbfs };
        self.count += 1;
        self
    }

    /// The pair of a key (ITU-T Q.23), each line at `dbfs`; `None` when `digit` is no key.
    pub fn dtmf(digit: char, dbfs: f32) -> Option<Self> {
        const KEYS: [[char; 4]; 4] =
            [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
        const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
        const COLUMNS_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
        let digit = digit.to_ascii_uppercase();
        KEYS.iter().enumerate().find_map(|(row, keys)| {
            let column = keys.iter().position(|&key| key == digit)?;
            Some(Tone::sine(ROWS_HZ[row], dbfs).with(COLUMNS_HZ[column], dbfs))
        })
    }

    /// Its sines.
    pub fn lines(&self) -> &[Line] {
        &self.lines[..self.count]
    }

    /// The sample at `index` when the tone began at index zero with phase zero. Clips at full scale.
    pub fn sample(&self, index: usize) -> i16 {
        let seconds = index as f64 / f64::from(SAMPLE_RATE_HZ);
        let sum: f64 = self
            .lines()
            .iter()
            .map(|line| rms_of_dbfs(line.dbfs) * SQRT_2 * (TAU * line.frequency_hz * seconds).sin())
            .sum();
        sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    }

    /// The tone for so long.
    pub fn samples(&self, duration: Duration) -> Vec<i16> {
        (0..samples_in(duration)).map(|index| self.sample(index)).collect()
    }
}

/// Tones one after the other, each from phase zero.
pub fn cadence(steps: &[(Tone, Duration)]) -> Vec<i16> {
    steps.iter().flat_map(|(tone, duration)| tone.samples(*duration)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::level;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_sine_has_the_level_and_the_frequency_it_was_asked_for() {
        for (frequency_hz, dbfs) in [(400.0, -10.0), (1_100.0, -20.0), (2_100.0, -3.5)] {
            let samples = Tone::sine(frequency_hz, dbfs).samples(SECOND);
            assert!((level::dbfs(&samples) - dbfs).abs() < 0.05);
            let rising = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!((rising as f64 - frequency_hz).abs() <= 1.0, "{rising} periods of {frequency_hz} Hz");
        }
    }

    #[test]
    fn two_lines_add_up_in_power() {
        let pair = Tone::dtmf('5', -13.0).unwrap();
        assert_eq!(pair.lines().map_frequencies(), [770.0, 1_336.0]);
        assert!((level::dbfs(&pair.samples(SECOND)) + 10.0).abs() < 0.1);
        assert_eq!(Tone::dtmf('x', -13.0), None);
        assert_eq!(Tone::dtmf('d', -13.0), Tone::dtmf('D', -13.0));
    }

    #[test]
    fn a_cadence_keeps_its_durations() {
        let busy = cadence(&[
            (Tone::sine(480.0, -20.0).with(620.0, -20.0), Duration::from_millis(500)),
            (Tone::silence(), Duration::from_millis(500)),
        ]);
        assert_eq!(busy.len(), 8_000);
        assert!(level::dbfs(&busy[..4_000]) > -18.0);
        assert_eq!(level::dbfs(&busy[4_000..]), level::SILENCE_DBFS);
    }

    #[test]
    fn too_loud_a_tone_clips_and_does_not_wrap() {
        let tone = Tone::sine(440.0, -3.1).with(440.0, -3.1);
        assert!(
            tone.samples(SECOND)
                .windows(2)
                .all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 30_000)
        );
    }

    trait Frequencies {
        fn map_frequencies(&self) -> Vec<f64>;
    }

    impl Frequencies for [Line] {
        fn map_frequencies(&self) -> Vec<f64> {
            self.iter().map(|line| line.frequency_hz).collect()
        }
    }
}
