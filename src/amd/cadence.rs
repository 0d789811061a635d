//! The rhythm of what is heard: initial silence, words, phrases, pauses.
//!
//! Hops that may turn out to be a tone are held back until that is certain: a beep is no word.

use super::activity::Activity;

/// A run of sound shorter than this is a click.
const WORD_MS: u32 = 80;
/// Every word has a vowel, and a vowel has a pitch.
const VOWEL_MS: u32 = 30;
/// Consonants before the vowel belong to the word, noise that has gone on for longer does not.
const ONSET_MS: u32 = 150;
/// And so do those after it: what goes on for longer without a pitch is the room, the line, or a breath.
const CODA_MS: u32 = 200;
/// A lull shorter than this, such as a plosive's, does not part a run of sound.
const LULL_MS: u32 = 40;
/// What is lost for longer may have been anything.
const LOST_MS: u32 = 60;
/// A pause shorter than this is part of a word.
const WORD_GAP_MS: u32 = 100;
/// A pause of this length parts two phrases.
const PHRASE_GAP_MS: u32 = 280;
const HOP_MS: u32 = 10;

/// How much like a machine's tone a hop is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tonal {
    /// Not at all.
    No,
    /// Its line rests; this may become a tone, and most vowels come this far.
    Maybe,
    /// A steady tone sounds that has no name yet; a monotonous vowel comes this far.
    Sounds,
    /// It is one, and so is all that was held back.
    Certain,
}

/// What was heard so far, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cadence {
    /// Audio heard, lost frames included.
    pub now_ms: u32,
    /// Where the first word began, once there is one.
    pub speech_start_ms: Option<u32>,
    /// Where the newest sound of a word ended.
    pub speech_end_ms: u32,
    /// Sound in words.
    pub voiced_ms: u32,
    /// Sound in words that was held back as a tone and then let pass, for it had no name and was short.
    pub doubtful_ms: u32,
    /// Words so far.
    pub words: u32,
    /// Runs of words with pauses of at least 280 ms between them.
    pub phrases: u32,
    /// Where the newest run of words began.
    pub phrase_start_ms: u32,
    /// The longest pause between words.
    pub gap_ms: u32,
    /// The longest word.
    pub word_ms: u32,
    /// Quiet since the newest sound of a word; lost frames are not counted.
    pub silence_ms: u32,
    /// True quiet since the newest sound of a word or of a tone.
    pub quiet_ms: u32,
    /// Sound that was no tone, words or not.
    pub sound_ms: u32,
    word_start_ms: u32,
    run_ms: u32,
    run_periodic_ms: u32,
    /// Sound since the newest vowel of the run, or since the run began without one.
    unvoiced_ms: u32,
    lull_ms: u32,
    pause_ms: u32,
    pending_ms: u32,
    pending_sound_ms: u32,
    pending_periodic_ms: u32,
    pending_sounded: bool,
    lost_ms: u32,
}

impl Cadence {
    /// From the first word's start to the newest word's end.
    pub fn span_ms(&self) -> u32 {
        self.speech_start_ms.map_or(0, |start| self.speech_end_ms - start)
    }

    /// The newest run of words, from its start to its end.
    pub fn phrase_ms(&self) -> u32 {
        self.speech_end_ms.saturating_sub(self.phrase_start_ms)
    }

    /// Where the newest word began.
    pub fn word_start_ms(&self) -> u32 {
        self.word_start_ms
    }

    /// A word sounds now, or has ended too recently to be sure.
    pub fn in_word(&self) -> bool {
        self.words > 0 && self.silence_ms < WORD_GAP_MS
    }

    /// A vowel sounds now, of a word or of what may become one.
    pub fn in_vowel(&self) -> bool {
        self.run_periodic_ms + self.pending_periodic_ms > 0 && self.unvoiced_ms == 0
    }

    /// Sound that is held back until it is certain what it is.
    pub fn held_ms(&self) -> u32 {
        self.pending_ms
    }

    /// Nothing but what may have been tones was heard.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful_ms == self.voiced_ms
    }

    /// A tone was named: what sounded like it and passed for a word was none.
    pub fn withdraw_doubtful(&mut self) {
        if self.words > 0 && self.is_doubtful() {
            let (now_ms, silence_ms) = (self.now_ms, self.silence_ms);
            *self = Cadence { now_ms, silence_ms, ..Cadence::default() };
        }
    }

    /// Hears a hop. `periodic`: it repeats at a voice's pitch.
    pub fn handle_hop(&mut self, activity: Activity, periodic: bool, tonal: Tonal) {
        self.now_ms += HOP_MS;
        if tonal == Tonal::Certain {
            self.silence_ms += HOP_MS + self.pending_ms;
            self.pause_ms += HOP_MS + self.pending_ms;
            self.quiet_ms = 0;
            self.let_go();
            self.close_run();
            return;
        }
        if tonal != Tonal::No {
            self.pending_ms += HOP_MS;
            self.pending_sound_ms += if activity == Activity::Sound { HOP_MS } else { 0 };
            self.pending_periodic_ms += if activity == Activity::Sound && periodic { HOP_MS } else { 0 };
            self.pending_sounded |= tonal == Tonal::Sounds;
            return;
        }
        self.release();
        match activity {
            Activity::Sound => self.sound(HOP_MS, if periodic { HOP_MS } else { 0 }, self.now_ms),
            Activity::Quiet => self.quiet(HOP_MS),
            Activity::Unknown => self.lost(),
        }
        self.lost_ms = if activity == Activity::Unknown { self.lost_ms + HOP_MS } else { 0 };
    }

    /// A frame or two that are lost in the middle of silence were silence.
    fn lost(&mut self) {
        if self.lull_ms >= LULL_MS && self.lost_ms < LOST_MS {
            self.quiet(HOP_MS);
        }
    }

    /// What was held back was speech, or silence.
    fn release(&mut self) {
        let held = *self;
        self.let_go();
        if held.pending_sound_ms > 0 {
            self.sound(held.pending_sound_ms, held.pending_periodic_ms, self.now_ms - HOP_MS);
            self.quiet(held.pending_ms - held.pending_sound_ms);
        } else {
            self.quiet(held.pending_ms);
        }
        if held.pending_sounded {
            self.doubtful_ms += self.voiced_ms - held.voiced_ms;
        }
    }

    fn let_go(&mut self) {
        (self.pending_ms, self.pending_sound_ms, self.pending_periodic_ms) = (0, 0, 0);
        self.pending_sounded = false;
    }

    /// `ms` of sound up to `end_ms`.
    fn sound(&mut self, ms: u32, periodic_ms: u32, end_ms: u32) {
        self.sound_ms += ms;
        self.unvoiced_ms = if periodic_ms > 0 { 0 } else { self.unvoiced_ms + ms };
        if self.run_periodic_ms > 0 && self.unvoiced_ms > CODA_MS {
            return self.quiet(ms);
        }
        let fresh = !self.run_is_word();
        self.run_ms += ms;
        if self.run_periodic_ms + periodic_ms == 0 && self.run_ms > ONSET_MS {
            self.silence_ms += self.run_ms - ONSET_MS;
            self.quiet_ms += self.run_ms - ONSET_MS;
            self.pause_ms += self.run_ms - ONSET_MS;
            self.run_ms = ONSET_MS;
        }
        self.run_periodic_ms += periodic_ms;
        self.lull_ms = 0;
        if !self.run_is_word() {
            return;
        }
        let grown_ms = if fresh { self.run_ms } else { ms };
        if fresh {
            let start_ms = end_ms - self.run_ms.min(end_ms);
            self.speech_start_ms.get_or_insert(start_ms);
            self.word_start_ms = start_ms;
            if self.words == 0 || self.pause_ms >= WORD_GAP_MS {
                self.words += 1;
            }
            if self.words == 1 && self.phrases == 0 || self.pause_ms >= PHRASE_GAP_MS {
                self.phrases += 1;
                self.phrase_start_ms = start_ms;
            }
            if self.words > 1 {
                self.gap_ms = self.gap_ms.max(self.pause_ms);
            }
        }
        self.voiced_ms += grown_ms;
        self.word_ms = self.word_ms.max(self.run_ms);
        self.speech_end_ms = end_ms;
        (self.silence_ms, self.pause_ms, self.quiet_ms) = (0, 0, 0);
    }

    /// A word is long enough and has a vowel.
    fn run_is_word(&self) -> bool {
        self.run_ms >= WORD_MS && self.run_periodic_ms >= VOWEL_MS
    }

    fn quiet(&mut self, ms: u32) {
        if ms == 0 {
            return;
        }
        self.silence_ms += ms;
        self.quiet_ms += ms;
        self.pause_ms += ms;
        self.lull_ms += ms;
        if self.lull_ms >= LULL_MS {
            self.close_run();
        }
    }

    fn close_run(&mut self) {
        (self.run_ms, self.run_periodic_ms, self.unvoiced_ms) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_phrases_and_pauses_are_counted() {
        let heard = after(&[
            (Say::Voice, 300),
            (Say::Quiet, 150),
            (Say::Voice, 200),
            (Say::Quiet, 400),
            (Say::Voice, 500),
        ]);
        assert_eq!((heard.words, heard.phrases), (3, 2));
        assert_eq!((heard.voiced_ms, heard.span_ms(), heard.gap_ms), (1000, 1550, 400));
        assert_eq!(heard.speech_start_ms, Some(0));
    }

    #[test]
    fn a_click_and_a_hiss_are_no_words() {
        let heard = after(&[(Say::Voice, 60), (Say::Quiet, 500), (Say::Hiss, 800), (Say::Quiet, 500)]);
        assert_eq!((heard.words, heard.voiced_ms, heard.speech_start_ms), (0, 0, None));
    }

    #[test]
    fn noise_that_sounds_on_after_a_word_is_silence() {
        let heard = after(&[(Say::Voice, 300), (Say::Hiss, 1500)]);
        assert_eq!(
            (heard.words, heard.span_ms()),
            (1, 500),
            "a consonant may end the word, a noise does not: {heard:?}"
        );
        assert_eq!(heard.silence_ms, 1150, "all but the noise that may begin a word: {heard:?}");
    }

    #[test]
    fn noise_before_a_word_is_no_part_of_it() {
        let heard = after(&[(Say::Hiss, 900), (Say::Voice, 300)]);
        assert_eq!((heard.words, heard.speech_start_ms, heard.span_ms()), (1, Some(750), 450));
    }

    #[test]
    fn a_plosive_does_not_part_a_word() {
        let heard = after(&[(Say::Voice, 200), (Say::Quiet, 30), (Say::Voice, 200)]);
        assert_eq!((heard.words, heard.speech_end_ms), (1, 430));
    }

    #[test]
    fn a_gap_neither_ends_a_word_nor_counts_as_silence_beyond_a_few_frames() {
        let heard = after(&[(Say::Voice, 300), (Say::Quiet, 200), (Say::Lost, 1000)]);
        assert_eq!((heard.silence_ms, heard.now_ms), (260, 1500));
        let spoken = after(&[(Say::Voice, 300), (Say::Lost, 1000)]);
        assert_eq!(spoken.silence_ms, 0, "it may have gone on");
        let mut thinned = after(&[(Say::Voice, 300), (Say::Quiet, 100)]);
        for _ in 0..5 {
            say(&mut thinned, Say::Lost, 20);
            say(&mut thinned, Say::Quiet, 80);
        }
        assert_eq!(thinned.silence_ms, 600, "single losses in silence are silence");
    }

    #[test]
    fn what_was_held_back_is_speech_unless_it_turns_out_to_be_a_tone() {
        let mut speech = after(&[(Say::Held, 200)]);
        say(&mut speech, Say::Quiet, 100);
        assert_eq!((speech.words, speech.voiced_ms), (1, 200));
        let mut tone = after(&[(Say::Held, 200)]);
        say(&mut tone, Say::Tone, 100);
        say(&mut tone, Say::Quiet, 100);
        assert_eq!((tone.words, tone.silence_ms), (0, 400));
    }

    #[test]
    fn a_word_that_sounded_like_a_tone_is_doubtful_and_withdrawn_when_a_tone_is_named() {
        let mut heard = after(&[(Say::Quiet, 300), (Say::Held, 200), (Say::Quiet, 300)]);
        assert!(heard.is_doubtful() && heard.words == 1, "{heard:?}");
        heard.withdraw_doubtful();
        assert_eq!((heard.words, heard.speech_start_ms, heard.now_ms), (0, None, 800));
        let mut spoken = after(&[(Say::Voice, 200), (Say::Quiet, 300), (Say::Held, 200), (Say::Quiet, 300)]);
        spoken.withdraw_doubtful();
        assert_eq!(spoken.words, 2, "what was spoken stays: {spoken:?}");
    }

    #[derive(Clone, Copy)]
    enum Say {
        Voice,
        Hiss,
        Held,
        Tone,
        Quiet,
        Lost,
    }

    fn after(steps: &[(Say, u32)]) -> Cadence {
        let mut heard = Cadence::default();
        steps.iter().for_each(|(what, ms)| say(&mut heard, *what, *ms));
        heard
    }

    fn say(heard: &mut Cadence, what: Say, ms: u32) {
        for _ in 0..ms / HOP_MS {
            match what {
                Say::Voice => heard.handle_hop(Activity::Sound, true, Tonal::No),
                Say::Hiss => heard.handle_hop(Activity::Sound, false, Tonal::No),
                Say::Held => heard.handle_hop(Activity::Sound, true, Tonal::Sounds),
                Say::Tone => heard.handle_hop(Activity::Sound, true, Tonal::Certain),
                Say::Quiet => heard.handle_hop(Activity::Quiet, false, Tonal::No),
                Say::Lost => heard.handle_hop(Activity::Unknown, true, Tonal::No),
            }
        }
    }
}
