//! Whether somebody speaks, hop by hop: webrtc-vad's evidence against an adaptive noise floor.
//!
//! The floor is the least smoothed level of the last 1.5 s. Digital silence, which a codec or a voicemail platform sends
//! in place of noise, says nothing about the line's noise and leaves the floor alone.

use webrtc_vad::{SampleRate, Vad, VadMode};

/// What a hop is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Somebody speaks, or something sounds.
    Sound,
    /// Nothing but noise, or nothing at all.
    Quiet,
    /// The frame was lost.
    Unknown,
}

/// The floor's range in dBFS. Nobody who wants to be heard speaks as softly as the room behind a good line sounds.
const FLOOR_MIN_DB: f32 = -58.0;
const FLOOR_MAX_DB: f32 = -26.0;
/// The floor before anything was heard.
const FLOOR_START_DB: f32 = -54.0;
/// The minimum of a noise's smoothed level lies below its mean.
const FLOOR_BIAS_DB: f32 = 2.0;
/// The floor stays below the level of speech by this.
const FLOOR_BELOW_SPEECH_DB: f32 = 14.0;
/// The level of speech before any was heard; no speech is as faint.
const SPEECH_START_DB: f32 = -60.0;
/// What is fainter than the speech by this is another voice in the room, or an echo.
const DISTANT_DB: f32 = 26.0;
/// -72 dBFS: a hop below this is digital silence, G.711 codes of the least magnitude only.
pub const SILENCE: f32 = 6.3e-8;
/// The same of samples: none of them is larger.
const DIGITAL_SILENCE: std::ops::RangeInclusive<i16> = -8..=8;
/// So many silent frames bring webrtc-vad to rest: its filters have rung out, its hang-over is spent.
const REST_FRAMES: u32 = 16;
/// Sound begins above the floor by this ...
const ENTER_DB: f32 = 8.0;
/// ... and ends below this.
const LEAVE_DB: f32 = 5.0;
/// What webrtc-vad said of one loud frame stands for so many more.
const VOUCHED_MAX: u8 = 3;
/// Five minima of 300 ms.
const MINIMA: usize = 5;
const MINIMUM_HOPS: u32 = 30;

/// Tells sound from quiet.
pub struct Listener {
    vad: Vad,
    vad_mode: u8,
    voiced: bool,
    /// Loud frames that it was not asked about since it was last.
    vouched: u8,
    silent_frames: u32,
    smooth: f32,
    minima: [f32; MINIMA],
    minimum_hops: u32,
    speech_db: f32,
    sounding: bool,
}

impl Listener {
    /// Nothing heard yet; `vad_mode` 0 to 3, higher values count as 3.
    pub fn new(vad_mode: u8) -> Self {
        let mut listener = Listener {
            vad: Vad::new(),
            vad_mode,
            voiced: false,
            vouched: 0,
            silent_frames: 0,
            smooth: 0.0,
            minima: [0.0; MINIMA],
            minimum_hops: 0,
            speech_db: 0.0,
            sounding: false,
        };
        listener.reset();
        listener
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        self.vad.reset();
        self.vad.set_sample_rate(SampleRate::Rate8kHz);
        self.vad.set_mode(match self.vad_mode {
            0 => VadMode::Quality,
            1 => VadMode::LowBitrate,
            2 => VadMode::Aggressive,
            _ => VadMode::VeryAggressive,
        });
        (self.voiced, self.vouched, self.silent_frames) = (false, 0, 0);
        self.smooth = 0.0;
        self.minima = [FLOOR_START_DB; MINIMA];
        self.minimum_hops = 0;
        self.speech_db = SPEECH_START_DB;
        self.sounding = false;
    }

    /// Hears a frame of 20 ms, before its two hops.
    pub fn handle_frame(&mut self, frame: &[i16; 160]) {
        let silent = frame.iter().all(|sample| DIGITAL_SILENCE.contains(sample));
        self.silent_frames = if silent { self.silent_frames.saturating_add(1) } else { 0 };
        self.voiced = self.silent_frames <= REST_FRAMES && self.vad.is_voice_segment(frame).unwrap_or(false);
    }

    /// The same once the verdict is settled, when webrtc-vad needs to learn no more: it is asked only about a frame that is
    /// loud enough to be speech, and not again while a tone sounds; while somebody speaks it is asked about every fourth
    /// frame. It hangs over for three frames and more, counted in those that it is asked about: it may call what follows speech
    /// speech for 200 ms longer, as long as that is loud.
    pub fn handle_late_frame(&mut self, frame: &[i16; 160], tone: bool) {
        let threshold_db = self.floor_db() + LEAVE_DB;
        let is_loud = |hop: &[i16]| {
            // Whole numbers, which a processor adds in any order: many at once.
            let sum: u64 = hop.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
            decibels(sum as f32 / hop.len() as f32 / (32768.0 * 32768.0)) >= threshold_db
        };
        if !frame.chunks_exact(80).any(is_loud) {
            (self.voiced, self.vouched) = (false, 0);
        } else if tone {
            // What it said before a tone says nothing of what comes behind it.
            self.vouched = VOUCHED_MAX;
        } else if self.voiced && self.vouched < VOUCHED_MAX {
            self.vouched += 1;
        } else {
            self.vouched = 0;
            self.handle_frame(frame);
        }
    }

    /// A frame was lost: it is asked about the next.
    pub fn handle_lost(&mut self) {
        self.vouched = VOUCHED_MAX;
    }

    /// Judges a hop of the frame by its mean square (full scale is 1).
    pub fn handle_hop(&mut self, power: f32) -> Activity {
        if power < SILENCE {
            self.sounding = false;
            self.smooth = 0.0;
            return Activity::Quiet;
        }
        let level_db = decibels(power);
        self.smooth = if self.smooth == 0.0 { power } else { 0.7 * self.smooth + 0.3 * power };
        self.remember(decibels(self.smooth));
        let above_db = level_db - self.floor_db();
        let distant = level_db < self.speech_db - DISTANT_DB;
        self.sounding =
            self.voiced && !distant && above_db >= if self.sounding { LEAVE_DB } else { ENTER_DB };
        if self.sounding { Activity::Sound } else { Activity::Quiet }
    }

    /// The hop that was judged sounds and repeats at a voice's pitch, and so tells how loud the speech is; noise must not
    /// pass for faint speech.
    pub fn handle_vowel(&mut self, power: f32) {
        let level_db = decibels(power);
        let pace = if level_db > self.speech_db { 0.2 } else { 0.01 };
        self.speech_db = self.speech_db * (1.0 - pace) + level_db * pace;
    }

    /// The noise floor in dBFS.
    pub fn floor_db(&self) -> f32 {
        let least = self.minima.iter().copied().fold(f32::MAX, f32::min) + FLOOR_BIAS_DB;
        let highest =
            if self.speech_db > SPEECH_START_DB { self.speech_db - FLOOR_BELOW_SPEECH_DB } else { 0.0 };
        least.min(highest).clamp(FLOOR_MIN_DB, FLOOR_MAX_DB)
    }

    /// The level of speech in dBFS; before any was heard, that of the faintest.
    pub fn speech_db(&self) -> f32 {
        self.speech_db
    }

    fn remember(&mut self, level_db: f32) {
        if self.minimum_hops == MINIMUM_HOPS {
            self.minima.rotate_left(1);
            self.minima[MINIMA - 1] = f32::MAX;
            self.minimum_hops = 0;
        }
        self.minimum_hops += 1;
        let newest = &mut self.minima[MINIMA - 1];
        *newest = newest.min(level_db);
    }
}

/// A mean square in decibels against full scale.
pub fn decibels(power: f32) -> f32 {
    10.0 * (power + 1e-12).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_the_line_and_survives_digital_silence() {
        let mut listener = Listener::new(2);
        for _ in 0..200 {
            listener.handle_hop(power(-50.0));
        }
        let floor_db = listener.floor_db();
        assert!((floor_db + 50.0).abs() < 3.0, "{floor_db}");
        for _ in 0..1000 {
            assert_eq!(listener.handle_hop(0.0), Activity::Quiet);
        }
        assert_eq!(listener.floor_db(), floor_db);
    }

    #[test]
    fn the_floor_forgets_a_quiet_that_is_gone() {
        let mut listener = Listener::new(2);
        for level_db in [-57.0, -45.0] {
            for _ in 0..200 {
                listener.handle_hop(power(level_db));
            }
        }
        assert!((listener.floor_db() + 45.0).abs() < 3.0, "{}", listener.floor_db());
    }

    #[test]
    fn what_was_said_of_one_frame_stands_for_three_at_most_and_not_across_a_tone_or_a_gap() {
        let loud: [i16; 160] = std::array::from_fn(|i| if i % 2 == 0 { 9_000 } else { -9_000 });
        let mut listener = Listener::new(2);
        let asked = |listener: &mut Listener| {
            listener.voiced = true;
            listener.handle_late_frame(&loud, false);
            listener.vouched == 0
        };
        let every_fourth = [false, false, false, true, false, false, false, true];
        assert_eq!([(); 8].map(|()| asked(&mut listener)), every_fourth);
        listener.handle_late_frame(&loud, true);
        assert!(asked(&mut listener), "behind a tone");
        listener.handle_lost();
        assert!(asked(&mut listener), "behind a gap");
        listener.handle_late_frame(&[0; 160], false);
        listener.handle_late_frame(&loud, false);
        assert_eq!(listener.vouched, 0, "behind silence");
    }

    #[test]
    fn no_frame_makes_it_panic() {
        let mut listener = Listener::new(9);
        for frame in [[0; 160], [i16::MAX; 160], [i16::MIN; 160]] {
            listener.handle_frame(&frame);
            listener.handle_hop(1.0);
            listener.handle_vowel(1.0);
        }
    }

    fn power(db: f32) -> f32 {
        10f32.powf(db / 10.0)
    }
}
