//! Prompts, converted once on loading, and the player that hands out their frames.

use super::command::PromptId;
use crate::audio::FRAME_SAMPLES;
use crate::audio::g711::{self, CodedFrame, Law};
use crate::audio::wav::Clip;
use std::sync::Arc;
use std::time::Duration;

/// One prompt as it travels, in both laws.
#[derive(Clone, PartialEq, Debug)]
pub struct Prompt {
    mu: Box<[CodedFrame]>,
    a: Box<[CodedFrame]>,
}

impl Prompt {
    /// Codes a clip; its last frame is filled up with silence.
    pub fn new(clip: &Clip) -> Self {
        let coded = |law: Law| {
            let code = |samples: &[i16]| {
                let mut frame = [law.silence(); FRAME_SAMPLES];
                g711::encode_frame(law, samples, &mut frame);
                frame
            };
            clip.samples.chunks(FRAME_SAMPLES).map(code).collect()
        };
        Prompt { mu: coded(Law::Mu), a: coded(Law::A) }
    }

    /// Its frames in one law.
    pub fn frames(&self, law: Law) -> &[CodedFrame] {
        match law {
            Law::Mu => &self.mu,
            Law::A => &self.a,
        }
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        crate::audio::FRAME * self.mu.len() as u32
    }
}

/// All prompts, converted once on loading. A [`PromptId`] is a place in it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PromptTable {
    prompts: Vec<Arc<Prompt>>,
}

impl PromptTable {
    /// The table of these clips, in their order.
    pub fn new(clips: Vec<Clip>) -> Self {
        PromptTable { prompts: clips.iter().map(|clip| Arc::new(Prompt::new(clip))).collect() }
    }

    /// Puts a clip in the place of a prompt, or behind the last one; gives its place.
    pub fn put(&mut self, place: Option<PromptId>, clip: &Clip) -> PromptId {
        let prompt = Arc::new(Prompt::new(clip));
        match place.and_then(|place| self.prompts.get_mut(place.0 as usize).map(|old| (place, old))) {
            Some((place, old)) => {
                *old = prompt;
                place
            }
            None => {
                self.prompts.push(prompt);
                PromptId(self.prompts.len() as u32 - 1)
            }
        }
    }

    /// A prompt.
    pub fn get(&self, id: PromptId) -> Option<&Arc<Prompt>> {
        self.prompts.get(id.0 as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }
}

/// Plays one prompt at a time.
#[derive(Clone, Debug, Default)]
pub struct Player {
    playing: Option<Playing>,
}

#[derive(Clone, Debug)]
struct Playing {
    id: PromptId,
    prompt: Arc<Prompt>,
    position: usize,
    repeat: bool,
    /// Its last frame was handed out.
    over: bool,
}

impl Player {
    /// Plays from the beginning, in place of what played before.
    pub fn play(&mut self, id: PromptId, prompt: Arc<Prompt>, repeat: bool) {
        self.playing = Some(Playing { id, prompt, position: 0, repeat, over: false });
    }

    /// Stops.
    pub fn stop(&mut self) {
        self.playing = None;
    }

    /// Whether a prompt plays.
    pub fn is_playing(&self) -> bool {
        self.playing().is_some()
    }

    /// Whether the next frame is the last.
    pub fn is_ending(&self) -> bool {
        // It is as long in either law.
        let at_its_end = |it: &Playing| !it.repeat && it.position + 1 >= it.prompt.frames(Law::Mu).len();
        self.playing().is_some_and(at_its_end)
    }

    /// The first and the last code of the next frame: reading them brings it to hand.
    pub fn at_hand(&self, law: Law) -> Option<[u8; 2]> {
        let playing = self.playing()?;
        let frame = playing.prompt.frames(law).get(playing.position)?;
        Some([frame[0], frame[FRAME_SAMPLES - 1]])
    }

    /// The next frame, and the prompt's id with its last one. A prompt without sound ends at once.
    pub fn next_frame(&mut self, law: Law) -> (Option<&CodedFrame>, Option<PromptId>) {
        let Some(playing) = self.playing.as_mut().filter(|playing| !playing.over) else {
            return (None, None);
        };
        let frames = playing.prompt.frames(law);
        let frame = frames.get(playing.position);
        playing.position += 1;
        if playing.position < frames.len() {
            return (frame, None);
        }
        playing.position = 0;
        playing.over = !playing.repeat;
        (frame, playing.over.then_some(playing.id))
    }

    fn playing(&self) -> Option<&Playing> {
        self.playing.as_ref().filter(|playing| !playing.over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(samples: usize) -> Arc<Prompt> {
        Arc::new(Prompt::new(&Clip {
            samples: (0..samples).map(|index| (index / 160) as i16 * 500 + 500).collect(),
        }))
    }

    fn heard(player: &mut Player, slots: usize) -> String {
        (0..slots)
            .map(|_| match player.next_frame(Law::A) {
                (None, None) => "-".to_owned(),
                (None, Some(id)) => format!("!{}", id.0),
                (Some(frame), ended) => {
                    let sample = g711::decode(Law::A, frame[0]) / 490;
                    format!("{sample}{}", ended.map_or(String::new(), |id| format!("!{}", id.0)))
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_prompt_ends_with_its_last_frame_and_a_repeated_one_does_not() {
        let mut player = Player::default();
        player.play(PromptId(7), prompt(400), false);
        assert!(!player.is_ending());
        assert_eq!(heard(&mut player, 2), "1 2");
        assert!(player.is_ending());
        assert_eq!(heard(&mut player, 3), "3!7 - -");
        assert!(!player.is_ending());
        player.play(PromptId(7), prompt(320), true);
        assert_eq!(heard(&mut player, 5), "1 2 1 2 1");
        assert!(!player.is_ending(), "it goes on");
        player.stop();
        assert_eq!(heard(&mut player, 1), "-");
        player.play(PromptId(3), prompt(0), false);
        assert!(player.is_ending());
        assert_eq!(heard(&mut player, 2), "!3 -");
    }

    #[test]
    fn a_started_prompt_begins_anew_when_it_is_played_again() {
        let mut player = Player::default();
        player.play(PromptId(0), prompt(480), false);
        assert_eq!(heard(&mut player, 2), "1 2");
        player.play(PromptId(0), prompt(480), false);
        assert_eq!(heard(&mut player, 3), "1 2 3!0");
    }

    #[test]
    fn the_last_frame_is_filled_with_silence() {
        let table = PromptTable::new(vec![Clip { samples: vec![9_000; 161] }]);
        let prompt = table.get(PromptId(0)).unwrap();
        assert_eq!((prompt.duration(), table.len()), (Duration::from_millis(40), 1));
        for law in [Law::Mu, Law::A] {
            assert_eq!(prompt.frames(law)[1][1..], [law.silence(); 159]);
        }
        assert_eq!(table.get(PromptId(1)), None);
    }
}
