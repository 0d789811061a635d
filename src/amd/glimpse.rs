//! What the detector sees at a moment: the curves under the picture of a decision.

/// A view of the detector after a hop of 10 ms or a frame of 20 ms; times in milliseconds of audio.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Glimpse {
    /// Audio heard so far.
    pub now_ms: u32,
    /// The level of the newest hop in dBFS; `None` where the frame was lost.
    pub level_db: Option<f32>,
    /// The noise floor in dBFS.
    pub floor_db: f32,
    /// Speech or another sound above the floor.
    pub sound: bool,
    /// How much of the power repeats at a voice's pitch, 0 to 1; 0 where nothing sounds.
    pub periodicity: f32,
    /// The steady line that sounds, in Hz.
    pub tone_hz: Option<f32>,
    /// A network tone's burst sounds.
    pub network: bool,
    /// Words so far.
    pub words: u32,
    /// Sound in words.
    pub voiced_ms: u32,
    /// From the first word's start to the newest word's end.
    pub span_ms: u32,
    /// Quiet since the newest word.
    pub silence_ms: u32,
    /// The model's probability that a machine speaks, 0 to 1.
    pub machine: f32,
}
