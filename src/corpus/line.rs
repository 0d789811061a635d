//! A simulated telephone line: what a network, a microphone and a platform do to a sound on its way to us.
//!
//! The way has two legs, so that a codec that is not ours can sit between them: [`near`] is the telephone or platform
//! (band, level, noise, clipping), [`far`] the network (A-law, gates of digital silence, lost packets, mu-law at last).

use super::compose::Scene;
use crate::audio::conceal::Concealer;
use crate::audio::g711::{Law, decode, encode};
use crate::audio::level::rms_of_dbfs;
use crate::audio::{FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENT_FRAME, samples_in};
use crate::rng::Rng;
use std::f64::consts::TAU;
use std::ops::Range;
use std::time::Duration;

/// The length of the band filter; odd, so that its delay is whole and can be taken off.
const TAPS: usize = 201;
/// How far before and after a sound a gate is open.
const GATE_OPENS_EARLY: Duration = Duration::from_millis(30);
/// The same after its end.
const GATE_CLOSES_LATE: Duration = Duration::from_millis(60);
/// A telephone that sends only speech keeps sending so long after it (the hang-over of GSM's DTX is 160 ms and more).
const DTX_HANG_OVER: Duration = Duration::from_millis(180);

/// The codec between the two legs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// Mu-law from end to end.
    Ulaw,
    /// A-law first, as across a European network.
    Alaw,
    /// GSM 06.10 first, as from a mobile; the shell does it.
    Gsm,
}

impl Codec {
    /// The word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Codec::Ulaw => "ulaw",
            Codec::Alaw => "alaw",
            Codec::Gsm => "gsm",
        }
    }
}

/// What is heard beside the speaker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noise {
    /// Nothing.
    None,
    /// The hiss of a line, a little louder at the low end.
    Hiss,
    /// The hiss, and mains with its harmonics.
    Hum(u8),
    /// A room or a street: samples that are handed in.
    Ambient,
}

impl Noise {
    /// The word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Noise::None => "none",
            Noise::Hiss | Noise::Hum(_) => "line",
            Noise::Ambient => "ambient",
        }
    }
}

/// Where the line carries no sound at all, not even noise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// Nowhere.
    Open,
    /// Before the first sound: the audio path is not through yet.
    Lead,
    /// Around every recording, as voicemail platforms do.
    Platform,
    /// Outside of speech a mobile sends nothing, and the network makes a soft noise of its own.
    Comfort,
}

/// Lost packets: how many, and how they come together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loss {
    /// The share of frames that is lost, 0 to 0.5.
    pub share: f64,
    /// How many are lost in a row on average, 1 or more.
    pub burst: f64,
    /// The gap is filled as people hear it; otherwise it is digital silence.
    pub concealed: bool,
}

/// The whole way.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Where the band begins and ends, in Hz.
    pub band_hz: (f64, f64),
    /// The level of speech at our end, in dBFS.
    pub level_dbfs: f64,
    /// An offset in sample steps.
    pub dc: f64,
    /// The sound is driven so far into the limit, in dB; 0 leaves it as it is.
    pub overdrive_db: f64,
    /// What is heard beside the speaker.
    pub noise: Noise,
    /// How far the speech is above the noise, in dB.
    pub snr_db: f64,
    /// Where the line is dead.
    pub gate: Gate,
    /// The codec before our mu-law.
    pub codec: Codec,
    /// Lost packets.
    pub loss: Option<Loss>,
}

impl Line {
    /// A line that changes nothing but the band and the level.
    pub fn clean(level_dbfs: f64) -> Self {
        Line {
            band_hz: (300.0, 3400.0),
            level_dbfs,
            dc: 0.0,
            overdrive_db: 0.0,
            noise: Noise::None,
            snr_db: 99.0,
            gate: Gate::Open,
            codec: Codec::Ulaw,
            loss: None,
        }
    }
}

/// The leg of the telephone. `ambient` is heard when the line says so, over and over if it is short.
pub fn near(line: &Line, scene: &Scene, ambient: &[i16], rng: &mut Rng) -> Vec<i16> {
    let mut sound = band(&scene.samples, line.band_hz);
    let level = rms_of_dbfs(line.level_dbfs as f32);
    let gain = level / rms_of_dbfs(super::compose::SPEECH_DBFS);
    let noise = noise_of(line, sound.len(), ambient, rng);
    let noise_gain = level / 10f64.powf(line.snr_db / 20.0) / rms(&noise).max(1e-9);
    let limit = if line.overdrive_db > 0.0 {
        f64::from(peak(&sound)) * gain / 10f64.powf(line.overdrive_db / 20.0)
    } else {
        f64::from(i16::MAX)
    };
    for (index, sample) in sound.iter_mut().enumerate() {
        let mut value = f64::from(*sample) * gain;
        if let Some(noise) = noise.get(index) {
            value += f64::from(*noise) * noise_gain;
        }
        *sample = (value.clamp(-limit, limit) + line.dc) as f32;
    }
    sound.into_iter().map(|sample| sample.round().clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// The leg of the network.
pub fn far(line: &Line, scene: &Scene, mut samples: Vec<i16>, rng: &mut Rng) -> Vec<i16> {
    samples.resize(scene.samples.len(), 0);
    if line.codec == Codec::Alaw {
        pass(Law::A, &mut samples);
    }
    gate(line, scene, &mut samples, rng);
    if let Some(loss) = line.loss {
        lose(loss, &mut samples, rng);
    }
    pass(Law::Mu, &mut samples);
    samples
}

fn pass(law: Law, samples: &mut [i16]) {
    for sample in samples {
        *sample = decode(law, encode(law, *sample));
    }
}

/// A linear-phase filter (windowed sinc) whose delay is taken off again, so that labels stay where they are.
fn band(samples: &[f32], (low_hz, high_hz): (f64, f64)) -> Vec<f32> {
    let middle = (TAPS / 2) as f64;
    let cut = |hz: f64, at: f64| {
        let share = 2.0 * hz / f64::from(SAMPLE_RATE_HZ);
        if at == 0.0 {
            share
        } else {
            (std::f64::consts::PI * share * at).sin() / (std::f64::consts::PI * at)
        }
    };
    let taps: Vec<f32> = (0..TAPS)
        .map(|tap| {
            let at = tap as f64 - middle;
            let window = 0.54 - 0.46 * (TAU * tap as f64 / (TAPS - 1) as f64).cos();
            ((cut(high_hz, at) - cut(low_hz, at)) * window) as f32
        })
        .collect();
    let half = TAPS / 2;
    let mut padded = vec![0.0f32; half];
    padded.extend_from_slice(samples);
    padded.resize(samples.len() + 2 * half, 0.0);
    padded.windows(TAPS).map(|window| window.iter().zip(&taps).map(|(a, b)| a * b).sum()).collect()
}

fn noise_of(line: &Line, count: usize, ambient: &[i16], rng: &mut Rng) -> Vec<f32> {
    let raw: Vec<f32> = match line.noise {
        Noise::None => return Vec::new(),
        Noise::Ambient if ambient.is_empty() => return Vec::new(),
        Noise::Ambient => {
            let from = rng.below(ambient.len() as u64) as usize;
            ambient.iter().cycle().skip(from).take(count).map(|&sample| f32::from(sample)).collect()
        }
        Noise::Hiss => hiss(count, rng),
        Noise::Hum(mains_hz) => {
            let mut noise = hiss(count, rng);
            let strength = 0.5 + rng.unit();
            for (index, sample) in noise.iter_mut().enumerate() {
                let turn = TAU * f64::from(mains_hz) * index as f64 / f64::from(SAMPLE_RATE_HZ);
                // A telephone's band lets the harmonics through rather than the mains itself.
                let hum = (2.0 * turn).sin() + 0.6 * (6.0 * turn).sin() + 0.4 * (7.0 * turn).sin();
                *sample += (hum * strength) as f32;
            }
            noise
        }
    };
    band(&raw, line.band_hz)
}

/// White noise and a slow part of it, each with a spread of about one.
fn hiss(count: usize, rng: &mut Rng) -> Vec<f32> {
    let mut slow = 0.0;
    (0..count)
        .map(|_| {
            let white = rng.unit() + rng.unit() + rng.unit() - 1.5;
            slow = 0.9 * slow + 0.3 * white;
            (2.0 * white + slow) as f32
        })
        .collect()
}

/// Where the line carries sound, in order and apart.
fn carried(gate: Gate, scene: &Scene) -> Vec<Range<usize>> {
    let end = scene.samples.len();
    let early = samples_in(GATE_OPENS_EARLY);
    let late = samples_in(if gate == Gate::Comfort { DTX_HANG_OVER } else { GATE_CLOSES_LATE });
    let first = scene.sounding.first().map_or(end, |range| range.start.saturating_sub(early));
    match gate {
        Gate::Open => std::iter::once(0..end).collect(),
        Gate::Lead => std::iter::once(first..end).collect(),
        Gate::Platform | Gate::Comfort => {
            let mut open: Vec<Range<usize>> = Vec::new();
            for range in &scene.sounding {
                let range = range.start.saturating_sub(early)..(range.end + late).min(end);
                match open.last_mut() {
                    Some(last) if last.end >= range.start => last.end = range.end.max(last.end),
                    _ => open.push(range),
                }
            }
            open
        }
    }
}

fn gate(line: &Line, scene: &Scene, samples: &mut [i16], rng: &mut Rng) {
    let open = carried(line.gate, scene);
    // Comfort noise is soft whatever the room was like.
    let comfort = if line.gate == Gate::Comfort { rms_of_dbfs(-66.0 + 8.0 * rng.unit() as f32) } else { 0.0 };
    let mut ranges = open.iter().peekable();
    for (index, sample) in samples.iter_mut().enumerate() {
        while ranges.peek().is_some_and(|range| range.end <= index) {
            ranges.next();
        }
        if ranges.peek().is_none_or(|range| index < range.start) {
            let white = (rng.unit() - 0.5) * 12f64.sqrt();
            *sample = (white * comfort).round() as i16;
        }
    }
}

/// A chain of two states (Gilbert): bursts of the mean length asked for, the share of all frames asked for.
fn lose(loss: Loss, samples: &mut [i16], rng: &mut Rng) {
    let leave = 1.0 / loss.burst.max(1.0);
    let enter = leave * loss.share / (1.0 - loss.share).max(0.01);
    let mut concealer = Concealer::new();
    let mut lost = false;
    for frame in samples.chunks_exact_mut(FRAME_SAMPLES) {
        lost = if lost { !rng.chance(leave) } else { rng.chance(enter) };
        let frame: &mut [i16; FRAME_SAMPLES] = frame.try_into().expect("chunks of one frame");
        match (lost, loss.concealed) {
            (true, true) => *frame = concealer.conceal(),
            (true, false) => *frame = SILENT_FRAME,
            (false, true) => concealer.handle_frame(frame),
            (false, false) => {}
        }
    }
}

fn rms(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    (power / samples.len().max(1) as f64).sqrt()
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
}

#[cfg(test)]
mod tests;
