//! What the detector saw in one recording, frame by frame, as far as a picture can show it.

use crate::amd::detector::Detector;
use crate::amd::glimpse::Glimpse;
use crate::amd::replay::{Summary, replay_watched};
use crate::audio::FRAME_SAMPLES;

/// Frames kept: the first minute.
pub const FRAMES_MAX: usize = 3000;

/// One recording as the detector saw it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trace {
    /// The detector after each frame of 20 ms, [`FRAMES_MAX`] at most.
    pub glimpses: Vec<Glimpse>,
    /// The least and the greatest sample of each of these frames, full scale is 1; past the recording's end 0.
    pub extremes: Vec<(f32, f32)>,
    /// Frames of the whole recording.
    pub frames: usize,
}

/// Replays a recording and keeps what was seen.
pub fn watch(detector: &mut Detector, samples: &[i16]) -> (Summary, Trace) {
    let mut trace = Trace { frames: samples.len().div_ceil(FRAME_SAMPLES), ..Trace::default() };
    let summary = replay_watched(detector, samples, |detector| {
        if trace.glimpses.len() < FRAMES_MAX {
            trace.glimpses.push(detector.glimpse());
        }
    });
    let extremes = |frame: &[i16]| {
        let full = |sample: Option<&i16>| f32::from(sample.copied().unwrap_or(0)) / 32768.0;
        (full(frame.iter().min()), full(frame.iter().max()))
    };
    trace.extremes = samples.chunks(FRAME_SAMPLES).take(trace.glimpses.len()).map(extremes).collect();
    trace.extremes.resize(trace.glimpses.len(), (0.0, 0.0));
    (summary, trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::detector::Options;
    use crate::amd::replay::replay;
    use crate::audio::tone::Tone;
    use std::time::Duration;

    #[test]
    fn watching_changes_nothing_and_sees_every_frame() {
        let samples = Tone::sine(425.0, -16.0).samples(Duration::from_secs(6));
        let mut detector = Detector::new(&Options::default());
        let (summary, trace) = watch(&mut detector, &samples);
        assert_eq!(summary, replay(&mut detector, &samples));
        assert_eq!((trace.frames, trace.extremes.len()), (300, trace.glimpses.len()));
        assert!(
            trace.glimpses.len() >= 300 && trace.glimpses[299].now_ms == 6000,
            "{}",
            trace.glimpses.len()
        );
        assert!(trace.extremes[100].1 > 0.1 && trace.extremes[100].0 < -0.1, "{:?}", trace.extremes[100]);
    }

    #[test]
    fn of_a_long_recording_the_first_minute_is_kept() {
        let (_, trace) = watch(&mut Detector::new(&Options::default()), &vec![0; 8000 * 65]);
        assert_eq!((trace.glimpses.len(), trace.frames), (FRAMES_MAX, 3250));
    }
}
