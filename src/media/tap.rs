//! What listens to a stream without changing it: the recording, and the level meter of a watched call.

use super::alignment::Alignment;
use crate::audio::Frame;
use crate::audio::level::{dbfs_of_energy, energy};

/// Frames of one level report: 100 ms.
const METER_FRAMES: u8 = 5;

/// The listeners of one stream.
#[derive(Debug, Default)]
pub struct Tap {
    /// Frames are handed to the recorder, what we say through this line. Its memory is taken when a recording starts.
    pub recording: Option<Box<Alignment>>,
    /// They are silent, whatever is said.
    pub withheld: bool,
    meter: Option<Meter>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    energy: u64,
    frames: u8,
}

impl Tap {
    /// Whether somebody listens now.
    pub fn is_open(&self) -> bool {
        self.recording.is_some() || self.meter.is_some()
    }

    /// Starts the level meter; it goes on as it is when it runs already.
    pub fn watch(&mut self) {
        self.meter.get_or_insert_default();
    }

    /// A frame was heard; every fifth gives the level of the last 100 ms in dBFS.
    pub fn handle_frame(&mut self, heard: &Frame) -> Option<f32> {
        let meter = self.meter.as_mut()?;
        meter.energy += energy(heard);
        meter.frames += 1;
        if meter.frames < METER_FRAMES {
            return None;
        }
        let ended = std::mem::take(meter);
        Some(dbfs_of_energy(ended.energy, usize::from(METER_FRAMES) * heard.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FRAME_SAMPLES, SILENT_FRAME};

    #[test]
    fn a_watched_stream_tells_its_level_every_fifth_frame() {
        let mut tap = Tap::default();
        assert_eq!(tap.handle_frame(&[1_000; FRAME_SAMPLES]), None);
        tap.watch();
        let levels: Vec<Option<f32>> = (0..10)
            .map(|index| tap.handle_frame(if index < 5 { &[32_767; FRAME_SAMPLES] } else { &SILENT_FRAME }))
            .collect();
        assert_eq!(levels.iter().flatten().count(), 2);
        assert!(levels[4].unwrap().abs() < 0.01);
        assert_eq!(levels[9], Some(-96.0));
    }
}
