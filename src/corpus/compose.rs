//! One side of a call put together from utterances, pauses, tones and a beep, with the exact place of each.
//!
//! Utterances are cut to their sound ([`trim`]) before they are laid one after the other, so that a label is right to
//! the frame of 10 ms in which the sound begins and ends, and the beep's to the sample.

use crate::audio::level::{dbfs, dbfs_of_energy, energy, rms_of_dbfs};
use crate::audio::{SAMPLE_RATE_HZ, samples_in};
use std::f64::consts::{SQRT_2, TAU};
use std::ops::Range;
use std::time::Duration;

/// What speech is levelled to before the line sets its own level, in dBFS over the loud frames.
pub const SPEECH_DBFS: f32 = -20.0;
/// A clip is not made longer than this.
pub const CLIP_SAMPLES_MAX: usize = 120 * SAMPLE_RATE_HZ as usize;
/// The frames in which sound is looked for: 10 ms.
const HOP: usize = 80;
/// Frames this far below the loudest are not part of an utterance...
const TRIM_BELOW_DB: f32 = 38.0;
/// ... and never are frames below this level.
const TRIM_FLOOR_DBFS: f32 = -62.0;
/// Frames within so much of the loudest make up the level of speech.
const ACTIVE_BELOW_DB: f32 = 26.0;

/// Sines that begin and end together.
#[derive(Clone, PartialEq, Debug)]
pub struct Note {
    /// Their frequencies in Hz, the strongest first; none is a pause.
    pub hz: Vec<f64>,
    /// The level of each line against the first, in dB; missing ones are equally strong.
    pub relative_db: Vec<f64>,
    /// The level of the first line in dBFS.
    pub dbfs: f64,
    /// How long they sound.
    pub duration: Duration,
    /// The time in which a struck bell loses 8.7 dB; without it the level is steady.
    pub decay: Option<Duration>,
    /// How long the edges take; a switch has none.
    pub edge: Duration,
    /// The phase turns over so often, as in an answering fax of ITU-T V.25 (450 ms).
    pub reversal: Option<Duration>,
    /// The level swings with 15 Hz by a fifth, as ANSam of ITU-T V.8 does.
    pub swinging: bool,
}

impl Note {
    /// One steady sine with edges of 2 ms.
    pub fn sine(hz: f64, dbfs: f64, duration: Duration) -> Self {
        Note {
            hz: vec![hz],
            relative_db: Vec::new(),
            dbfs,
            duration,
            decay: None,
            edge: Duration::from_millis(2),
            reversal: None,
            swinging: false,
        }
    }

    /// A pause.
    pub fn pause(duration: Duration) -> Self {
        Note { hz: Vec::new(), ..Note::sine(0.0, -96.0, duration) }
    }

    /// Its samples, in the scale of 16 bits.
    pub fn samples(&self) -> Vec<f32> {
        let count = samples_in(self.duration);
        let edge = samples_in(self.edge).max(1) as f64;
        let rate = f64::from(SAMPLE_RATE_HZ);
        (0..count)
            .map(|index| {
                let seconds = index as f64 / rate;
                let sum: f64 = self
                    .hz
                    .iter()
                    .enumerate()
                    .map(|(line, hz)| {
                        let db = self.dbfs + self.relative_db.get(line).copied().unwrap_or(0.0);
                        rms_of_dbfs(db as f32) * SQRT_2 * (TAU * hz * seconds).sin()
                    })
                    .sum();
                let decay = self.decay.map_or(1.0, |decay| (-seconds / decay.as_secs_f64()).exp());
                let rise = ((index as f64 + 1.0) / edge).min(1.0).min((count - index) as f64 / edge);
                let turned =
                    self.reversal.is_some_and(|period| (seconds / period.as_secs_f64()) as u64 % 2 == 1);
                let swing = if self.swinging { 1.0 + 0.2 * (TAU * 15.0 * seconds).sin() } else { 1.0 };
                (sum * decay * rise * swing * if turned { -1.0 } else { 1.0 }) as f32
            })
            .collect()
    }
}

/// What comes next in a clip.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    /// Words of the greeting or answer.
    Speech(Vec<i16>),
    /// Words said again after a wait: heard, but no part of the answer that is labelled.
    Again(Vec<i16>),
    /// Nothing, for so many samples.
    Pause(usize),
    /// The beep after which a message is recorded.
    Beep(Note),
    /// A tone of the network or of a fax.
    Tone(Note),
    /// A piece of music or of a room, at the level of speech.
    Sound(Vec<i16>),
}

/// A clip before the line, with the places of what is in it, in samples.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scene {
    /// The sound, in the scale of 16 bits, speech at [`SPEECH_DBFS`].
    pub samples: Vec<f32>,
    /// From the first word of the greeting to the last.
    pub greeting: Option<Range<usize>>,
    /// The beep.
    pub beep: Option<Range<usize>>,
    /// Where something is said again.
    pub again: Option<usize>,
    /// Everything that sounds, in order.
    pub sounding: Vec<Range<usize>>,
}

/// Lays the parts one after the other, between a lead and a tail of silence.
///
/// One gain brings all speech to [`SPEECH_DBFS`], so that parts of one voice keep their levels among themselves.
pub fn compose(lead: usize, parts: &[Part], tail: usize) -> Scene {
    let speech: Vec<&[i16]> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Speech(samples) | Part::Again(samples) => Some(samples.as_slice()),
            _ => None,
        })
        .collect();
    let gain = gain_to(SPEECH_DBFS, active_dbfs(&speech));
    let mut scene = Scene { samples: vec![0.0; lead], ..Scene::default() };
    for part in parts {
        let start = scene.samples.len();
        match part {
            Part::Pause(samples) => {
                scene.samples.resize(start + samples, 0.0);
                continue;
            }
            Part::Speech(samples) | Part::Again(samples) => {
                scene.samples.extend(samples.iter().map(|&sample| f32::from(sample) * gain));
            }
            Part::Sound(samples) => {
                let gain = gain_to(SPEECH_DBFS, active_dbfs(&[samples]));
                scene.samples.extend(samples.iter().map(|&sample| f32::from(sample) * gain));
            }
            Part::Beep(note) | Part::Tone(note) => scene.samples.extend(note.samples()),
        }
        let place = start..scene.samples.len();
        match part {
            Part::Speech(_) => {
                let from = scene.greeting.as_ref().map_or(place.start, |greeting| greeting.start);
                scene.greeting = Some(from..place.end);
            }
            Part::Again(_) => scene.again = scene.again.or(Some(place.start)),
            Part::Beep(_) => scene.beep = scene.beep.or(Some(place.clone())),
            _ => {}
        }
        if !matches!(part, Part::Tone(note) if note.hz.is_empty()) {
            scene.sounding.push(place);
        }
    }
    let end = scene.samples.len() + tail;
    scene.samples.resize(end, 0.0);
    scene.samples.truncate(CLIP_SAMPLES_MAX);
    scene
}

/// An utterance without the silence before and after it; empty when there is no sound in it.
pub fn trim(samples: &[i16]) -> &[i16] {
    let loudest = samples.chunks(HOP).map(dbfs).fold(f32::MIN, f32::max);
    let enough = (loudest - TRIM_BELOW_DB).max(TRIM_FLOOR_DBFS);
    let sounds = |hop: &[i16]| dbfs(hop) > enough;
    let Some(first) = samples.chunks(HOP).position(sounds) else { return &[] };
    let last = samples.chunks(HOP).rposition(sounds).expect("there is a first one");
    &samples[first * HOP..((last + 1) * HOP).min(samples.len())]
}

/// The level of the loud frames of all pieces together: what a person would call the level of the speech.
pub fn active_dbfs(pieces: &[&[i16]]) -> f32 {
    let hops = || pieces.iter().flat_map(|piece| piece.chunks(HOP));
    let loudest = hops().map(dbfs).fold(f32::MIN, f32::max);
    let (mut sum, mut count) = (0u64, 0usize);
    for hop in hops().filter(|hop| dbfs(hop) > loudest - ACTIVE_BELOW_DB) {
        sum += energy(hop);
        count += hop.len();
    }
    dbfs_of_energy(sum, count)
}

fn gain_to(want_dbfs: f32, have_dbfs: f32) -> f32 {
    10f32.powf((want_dbfs - have_dbfs) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Tone;

    fn word(ms: u64, level: f32) -> Vec<i16> {
        Tone::sine(300.0, level).samples(Duration::from_millis(ms))
    }

    #[test]
    fn an_utterance_is_cut_to_its_sound() {
        let mut samples = vec![0i16; 800];
        samples.extend(word(200, -20.0));
        samples.extend(vec![3i16; 1600]);
        assert_eq!(trim(&samples).len(), 1600);
        assert_eq!(trim(&samples), &samples[800..2400]);
        assert!(trim(&[0; 500]).is_empty());
        assert!(trim(&[]).is_empty());
    }

    #[test]
    fn the_labels_are_where_the_sound_is() {
        let beep = Note::sine(1000.0, -18.0, Duration::from_millis(400));
        let parts = [
            Part::Speech(word(300, -30.0)),
            Part::Pause(4000),
            Part::Speech(word(500, -30.0)),
            Part::Pause(2400),
            Part::Beep(beep),
            Part::Pause(800),
            Part::Again(word(100, -30.0)),
        ];
        let scene = compose(4000, &parts, 8000);
        assert_eq!(scene.greeting, Some(4000..4000 + 2400 + 4000 + 4000));
        assert_eq!(scene.beep, Some(16_800..20_000));
        assert_eq!(scene.again, Some(20_800));
        assert_eq!(scene.samples.len(), 20_800 + 800 + 8000);
        let loud = |range: Range<usize>| scene.samples[range].iter().map(|s| s * s).sum::<f32>() > 0.0;
        assert!(!loud(0..4000) && !loud(14_400..16_800) && !loud(20_000..20_800));
        assert!(loud(4000..4080) && loud(14_320..14_400) && loud(16_800..16_880) && loud(19_920..20_000));
        assert_eq!(scene.sounding.len(), 4);
    }

    #[test]
    fn all_speech_gets_one_gain_and_the_level_it_should_have() {
        let scene = compose(0, &[Part::Speech(word(500, -40.0)), Part::Speech(word(500, -50.0))], 0);
        let level = |range: Range<usize>| {
            let part: Vec<i16> = scene.samples[range].iter().map(|&s| s as i16).collect();
            dbfs(&part)
        };
        let (first, second) = (level(0..4000), level(4000..8000));
        assert!((first - second - 10.0).abs() < 0.3, "{first} {second}");
        assert!((dbfs_of_energy(1, 1) < -80.0) && (level(0..8000) - SPEECH_DBFS).abs() < 0.3);
    }

    #[test]
    fn a_bell_decays_and_a_fax_turns_its_phase() {
        let bell = Note {
            decay: Some(Duration::from_millis(100)),
            ..Note::sine(800.0, -10.0, Duration::from_millis(500))
        };
        let samples: Vec<i16> = bell.samples().iter().map(|&s| s as i16).collect();
        let fall = dbfs(&samples[400..800]) - dbfs(&samples[2000..2400]);
        assert!((fall - 8.686 * 2.0).abs() < 0.5, "{fall}");
        let fax = Note {
            reversal: Some(Duration::from_millis(450)),
            ..Note::sine(2000.0, -10.0, Duration::from_millis(900))
        };
        let samples = fax.samples();
        // 2000 Hz has four samples a period: the same place in the next period is the same but for the turn.
        assert!((samples[801] - samples[805]).abs() < 1.0);
        assert!((samples[3601] + samples[3597]).abs() < 1.0);
    }
}
