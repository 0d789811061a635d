//! The line is measured: levels, distances to the noise, the band, gates, losses, and that one seed gives one sound.

use super::super::compose::{Note, Part, active_dbfs, compose};
use super::*;
use crate::audio::level::dbfs;
use crate::audio::tone::Tone;

fn speech(ms: u64) -> Part {
    Part::Speech(Tone::sine(900.0, -20.0).with(1700.0, -24.0).samples(Duration::from_millis(ms)))
}

fn carry(line: &Line, scene: &Scene) -> Vec<i16> {
    let mut rng = Rng::from_seed(3);
    let samples = near(line, scene, &[], &mut rng);
    far(line, scene, samples, &mut rng)
}

#[test]
fn the_level_and_the_distance_to_the_noise_are_those_asked_for() {
    let scene = compose(8000, &[speech(2000)], 8000);
    for (level, snr, noise) in [
        (-18.0, 30.0, Noise::Hiss),
        (-25.0, 15.0, Noise::Hum(50)),
        (-32.0, 8.0, Noise::Hiss),
        (-20.0, 12.0, Noise::Ambient),
    ] {
        let line = Line { noise, snr_db: snr, ..Line::clean(level) };
        let mut rng = Rng::from_seed(9);
        let room = Tone::sine(500.0, -30.0).samples(Duration::from_millis(700));
        let near = near(&line, &scene, &room, &mut rng);
        let quiet = f64::from(dbfs(&near[..7000]));
        assert!((level - snr - quiet).abs() < 0.7, "{noise:?}: noise at {quiet} for {}", level - snr);
        let clean = super::near(&Line::clean(level), &scene, &[], &mut rng);
        let loud = f64::from(active_dbfs(&[&clean[8000..24_000]]));
        assert!((loud - level).abs() < 0.5, "{loud} for {level}");
    }
}

#[test]
fn the_band_is_that_of_a_telephone_and_the_delay_is_taken_off() {
    for (hz, loss_db) in [(60.0, 40.0), (1000.0, 0.0), (3900.0, 30.0)] {
        let tone = Part::Tone(Note::sine(hz, -20.0, Duration::from_secs(1)));
        let scene = compose(1600, &[tone], 1600);
        let out = near(&Line::clean(-20.0), &scene, &[], &mut Rng::from_seed(1));
        let fell = -20.0 - dbfs(&out[4000..8000]);
        assert!(if loss_db == 0.0 { fell.abs() < 0.5 } else { fell > loss_db }, "{hz} Hz fell by {fell}");
    }
    let scene = compose(4000, &[speech(500)], 4000);
    let out = near(&Line::clean(-20.0), &scene, &[], &mut Rng::from_seed(1));
    // The windowed filter rings a few milliseconds at most, and as long before as after.
    assert!(dbfs(&out[..3920]) < -60.0 && dbfs(&out[8080..]) < -60.0);
    assert!(dbfs(&out[4000..4080]) > -30.0 && dbfs(&out[7920..8000]) > -30.0);
}

#[test]
fn a_gate_is_digital_silence_and_leaves_every_sound_whole() {
    let parts = [speech(400), Part::Pause(8000), speech(400)];
    let scene = compose(8000, &parts, 8000);
    let noisy = Line { noise: Noise::Hiss, snr_db: 20.0, ..Line::clean(-20.0) };
    let zeros = |gate| {
        let out = carry(&Line { gate, ..noisy.clone() }, &scene);
        [0..7500, 12_000..18_500, 23_000..30_000]
            .map(|range: Range<usize>| out[range].iter().all(|&sample| sample == 0))
    };
    assert_eq!(zeros(Gate::Open), [false, false, false]);
    assert_eq!(zeros(Gate::Lead), [true, false, false]);
    assert_eq!(zeros(Gate::Platform), [true, true, true]);
    let open = carry(&noisy, &scene);
    let gated = carry(&Line { gate: Gate::Platform, ..noisy.clone() }, &scene);
    assert_eq!(open[8000..11_200], gated[8000..11_200]);
    let comfort = carry(&Line { gate: Gate::Comfort, ..noisy.clone() }, &scene);
    let soft = dbfs(&comfort[..7500]);
    assert!((-75.0..-50.0).contains(&soft), "{soft}");
}

#[test]
fn as_many_packets_are_lost_as_asked_for_and_in_bursts() {
    let scene = compose(0, &[speech(60_000)], 0);
    let loss = Loss { share: 0.05, burst: 3.0, concealed: false };
    let line = Line { loss: Some(loss), ..Line::clean(-20.0) };
    let sound = near(&line, &scene, &[], &mut Rng::from_seed(1));
    let lost: Vec<bool> = (0..8)
        .flat_map(|seed| {
            let out = far(&line, &scene, sound.clone(), &mut Rng::from_seed(seed));
            let frames = out.chunks_exact(FRAME_SAMPLES);
            frames.map(|frame| frame.iter().all(|&sample| sample == 0)).collect::<Vec<_>>()
        })
        .collect();
    let count = lost.iter().filter(|&&lost| lost).count() as f64;
    let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
    assert!((count / lost.len() as f64 - 0.05).abs() < 0.012, "{count} of {}", lost.len());
    assert!((count / bursts - 3.0).abs() < 0.6, "{count} in {bursts} bursts");
}

#[test]
fn a_concealed_gap_still_sounds() {
    let scene = compose(0, &[speech(10_000)], 0);
    let loss = Loss { share: 0.1, burst: 1.0, concealed: true };
    let out = carry(&Line { loss: Some(loss), ..Line::clean(-20.0) }, &scene);
    assert!(out.chunks_exact(FRAME_SAMPLES).skip(5).all(|frame| dbfs(frame) > -60.0));
    assert_ne!(out, carry(&Line::clean(-20.0), &scene));
}

#[test]
fn what_comes_out_went_through_mu_law_and_is_the_same_for_one_seed() {
    let scene = compose(800, &[speech(500)], 800);
    for codec in [Codec::Ulaw, Codec::Alaw, Codec::Gsm] {
        let line = Line {
            codec,
            noise: Noise::Hiss,
            snr_db: 25.0,
            dc: 90.0,
            overdrive_db: 6.0,
            ..Line::clean(-18.0)
        };
        let out = carry(&line, &scene);
        assert!(out.iter().all(|&sample| decode(Law::Mu, encode(Law::Mu, sample)) == sample));
        assert_eq!(out, carry(&line, &scene));
        assert_eq!(out.len(), scene.samples.len());
    }
}
