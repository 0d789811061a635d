//! What is said in the simulated hours: short clips, so that an hour costs little, made once for all seeds.

use crate::audio::wav::Clip;
use crate::media::command::PromptId;
use crate::media::player::PromptTable;
use crate::sim::recordings::Recordings;
use crate::sim::voice::{self, Samples};
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds of a greeting that are kept: more than any person says.
const GREETING_MS: usize = 4_300;

/// The engine's prompts by their place in the table.
#[derive(Debug)]
pub struct Prompts;

impl Prompts {
    /// For machines, and for people with the campaign's own message.
    pub const MESSAGE: PromptId = PromptId(0);
    /// For people whom no agent takes in time.
    pub const SAFE_HARBOUR: PromptId = PromptId(1);
    /// While an agent is rung.
    pub const HOLD: PromptId = PromptId(2);
    /// For an agent, before the bridge.
    pub const WHISPER: PromptId = PromptId(3);
}

/// The clips.
#[derive(Clone, Debug)]
pub struct Voices {
    /// What people say.
    pub hellos: Vec<Samples>,
    /// What machines say.
    pub greetings: Vec<Samples>,
    /// A tune.
    pub music: Samples,
    /// A call-screening assistant.
    pub screening: Samples,
    /// What the carrier listens for: the message and the safe-harbour message.
    pub messages: Vec<Samples>,
    /// What the engine plays.
    pub prompts: Arc<PromptTable>,
}

impl Voices {
    /// All of them, read and made.
    pub fn load() -> Voices {
        let recordings = Recordings::load();
        let cut = |clip: &Samples| -> Samples { clip[..clip.len().min(GREETING_MS * 8)].into() };
        let message = voice::speech(71, Duration::from_millis(1_500), 115.0);
        let safe_harbour = voice::speech(72, Duration::from_millis(1_200), 190.0);
        let hold = voice::tones(&[350.0], Duration::from_millis(400), -25.0);
        let messages = vec![message.as_slice().into(), safe_harbour.as_slice().into()];
        let whisper = voice::tones(&[600.0], Duration::from_millis(300), -20.0);
        let clips = [message, safe_harbour, hold, whisper].map(|samples| Clip { samples });
        Voices {
            hellos: recordings.hellos.clone(),
            greetings: recordings.greetings.iter().map(cut).collect(),
            music: cut(&recordings.music),
            screening: cut(&recordings.screening),
            messages,
            prompts: Arc::new(PromptTable::new(clips.into())),
        }
    }
}
