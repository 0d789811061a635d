//! The detector of one call.

use super::activity::{self, Activity, Listener, decibels};
use super::beep::{self, Beeps};
use super::cadence::{Cadence, Tonal};
use super::decider::Decider;
use super::glimpse::Glimpse;
use super::line::{self, HOP, Hop, Tone, Tracker};
use super::music::Music;
use super::network::Network;
use super::prompts::{Matcher, Prompts};
use super::spectrum::Spectrum;
use super::tones::Names;
use super::transform::{Pair, Power, SILENT, WINDOW, periodicities, widely};
use super::verdict::{Beep, Finding, ToneEvent, ToneKind};
use crate::audio::{FRAME_SAMPLES, Frame};
use pulp::NullaryFnOnce;
use std::sync::Arc;
use std::time::Duration;

pub use super::options::{Mode, Options};

/// A vowel's periodicity.
const PERIODIC: f32 = 0.6;
/// A vowel's strongest line lies below.
const VOWEL_HZ: f32 = 700.0;
/// A vowel does not rest on it for longer.
const VOWEL_MS: u32 = 400;
/// So much speech makes a later tone a beep rather than the network's.
const SPOKEN_MS: u32 = 200;
/// So many silent hops fill the window.
const SILENT_HOPS: u32 = (WINDOW as u64).div_ceil(HOP) as u32;
/// Speech that has stayed away for this long has ended.
const GREETING_END_MS: u32 = 500;

/// Hears one call, frame by frame.
pub struct Detector {
    mode: Mode,
    listener: Listener,
    spectrum: Spectrum,
    tracker: Tracker,
    network: Network,
    names: Names,
    music: Music,
    beeps: Beeps,
    cadence: Cadence,
    matcher: Matcher,
    judge: Decider,
    /// The last [`WINDOW`] samples in a ring, full scale is 1.
    recent: [f32; WINDOW],
    samples: u64,
    /// Samples since the last lost frame.
    whole: u64,
    /// A frame was heard.
    begun: bool,
    probable_at: Option<(u64, Duration)>,
    tone_named: bool,
    /// The tone that sounds is probably a beep.
    beeping: bool,
    /// The tone that sounds is too long for a vowel.
    lasting: bool,
    /// The newest hop was a tone's.
    certain: bool,
    greeting_open: bool,
    /// Of the newest hop, for [`Detector::glimpse`].
    power: f32,
    activity: Activity,
    periodicity: f32,
    /// Whether the hop before this one repeated at a voice's pitch; not known where nobody had to know.
    repeated: Option<bool>,
    /// The periodicity of the hop after it, where it was worked out with its own.
    foreseen: Option<f32>,
    /// Hops of digital silence.
    silent_hops: u32,
}

/// The window that ends with a hop.
struct Window<'a> {
    /// Its power; that of silence where all of it is silent.
    power: &'a Power,
    /// That of the next, where it is known.
    next: Option<&'a Power>,
}

impl Detector {
    /// A detector that listens to an answered call; all its memory is taken here.
    pub fn new(options: &Options) -> Self {
        Detector {
            mode: Mode::Answer,
            listener: Listener::new(options.vad_mode),
            spectrum: Spectrum::new(),
            tracker: Tracker::new(),
            network: Network::default(),
            names: Names::default(),
            music: Music::default(),
            beeps: Beeps::default(),
            cadence: Cadence::default(),
            matcher: Matcher::new(Arc::clone(&options.prompts)),
            judge: Decider::new(options),
            recent: [0.0; WINDOW],
            samples: 0,
            whole: WINDOW as u64,
            begun: false,
            probable_at: None,
            tone_named: false,
            beeping: false,
            lasting: false,
            certain: false,
            greeting_open: false,
            power: 0.0,
            activity: Activity::Quiet,
            periodicity: 0.0,
            repeated: Some(false),
            foreseen: None,
            silent_hops: 0,
        }
    }

    /// From now on these prompts are the enrolled ones, in a call that runs too.
    pub fn enrol(&mut self, prompts: Arc<Prompts>) {
        self.matcher.enrol(prompts);
    }

    /// Begins a new call; no memory is taken.
    pub fn reset(&mut self, mode: Mode) {
        self.mode = mode;
        self.listener.reset();
        self.spectrum.reset();
        self.tracker = Tracker::new();
        self.network = Network::default();
        self.names = Names::default();
        self.music = Music::default();
        self.beeps = Beeps::default();
        self.cadence = Cadence::default();
        self.matcher.reset();
        self.judge.reset();
        self.recent = [0.0; WINDOW];
        (self.samples, self.whole, self.begun) = (0, WINDOW as u64, false);
        (self.probable_at, self.tone_named, self.greeting_open) = (None, false, false);
        (self.power, self.activity, self.periodicity) = (0.0, Activity::Quiet, 0.0);
        (self.repeated, self.foreseen, self.silent_hops) = (Some(false), None, 0);
        (self.beeping, self.lasting, self.certain) = (false, false, false);
    }

    /// Hears the next 20 ms; `None` is a lost or late frame, unknown rather than silent.
    pub fn handle_frame(&mut self, frame: Option<&Frame>, out: &mut impl FnMut(Finding)) {
        match frame {
            Some(frame) => self.handle_heard(frame, out),
            None => self.handle_lost(out),
        }
        if self.mode == Mode::Answer {
            self.judge.handle_frame(frame, out);
        }
    }

    fn handle_heard(&mut self, frame: &Frame, out: &mut impl FnMut(Finding)) {
        self.begun = true;
        match self.judge.is_settled(&self.cadence) {
            true => self.listener.handle_late_frame(frame, self.certain),
            false => self.listener.handle_frame(frame),
        }
        let mut pair = Pair::new();
        let (mut levels, mut silent_hops, mut asked) = ([0.0; 2], self.silent_hops, false);
        for (place, samples) in frame.chunks_exact(HOP as usize).enumerate() {
            let passed = HOP * place as u64;
            let level = self.remember(samples, self.samples + passed);
            silent_hops = if level < activity::SILENCE { silent_hops + 1 } else { 0 };
            if self.whole + passed + HOP >= WINDOW as u64 && silent_hops < SILENT_HOPS {
                let (newer, older) = self.recent.split_at((self.samples + passed + HOP) as usize % WINDOW);
                pair.put(place, older, newer);
                asked = true;
            }
            levels[place] = level;
        }
        let [first, second] = if asked { pair.powers() } else { [SILENT; 2] };
        for (level, power, next) in [(levels[0], &first, Some(&second)), (levels[1], &second, None)] {
            self.samples += HOP;
            self.whole += HOP;
            let window = (self.whole >= WINDOW as u64).then_some(Window { power, next });
            self.handle_hop(level, true, window, out);
        }
    }

    fn handle_lost(&mut self, out: &mut impl FnMut(Finding)) {
        self.listener.handle_lost();
        // Before the first packet nothing is lost: the call begins out of silence, as a file does. It only must not
        // count as the callee's silence.
        let level = if self.begun { f32::NAN } else { 0.0 };
        self.whole = if self.begun { 0 } else { self.whole };
        for _ in 0..FRAME_SAMPLES as u64 / HOP {
            self.samples += HOP;
            let window = (!self.begun).then_some(Window { power: &SILENT, next: None });
            self.handle_hop(level, false, window, out);
        }
    }

    /// The verdict on an answered call is given, and nothing that is spoken from now on changes it.
    pub fn is_settled(&self) -> bool {
        self.mode == Mode::Answer && self.judge.is_settled(&self.cadence)
    }

    /// The rhythm heard so far: what the model judges by.
    pub fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    /// What it sees now.
    pub fn glimpse(&self) -> Glimpse {
        Glimpse {
            now_ms: self.cadence.now_ms,
            level_db: (!self.power.is_nan()).then(|| decibels(self.power)),
            floor_db: self.listener.floor_db(),
            sound: self.activity == Activity::Sound,
            periodicity: self.periodicity,
            tone_hz: self.tracker.current().map(|tone| tone.hz),
            network: self.network.sounding(),
            words: self.cadence.words,
            voiced_ms: self.cadence.voiced_ms,
            span_ms: self.cadence.span_ms(),
            silence_ms: self.cadence.silence_ms,
            machine: self.judge.machine(&self.cadence),
        }
    }

    /// Keeps the samples that begin there, and tells their mean square.
    fn remember(&mut self, samples: &[i16], begin: u64) -> f32 {
        let at = begin as usize % WINDOW;
        let (end, start) = samples.split_at(samples.len().min(WINDOW - at));
        let power = widely(Keep(&mut self.recent[at..], end)) + widely(Keep(&mut self.recent, start));
        power / HOP as f32
    }

    /// `heard`: the hop itself has come; `window` ends with it, unless something of it was lost.
    fn handle_hop(
        &mut self,
        power: f32,
        heard: bool,
        window: Option<Window<'_>>,
        out: &mut impl FnMut(Finding),
    ) {
        self.silent_hops = if power < activity::SILENCE { self.silent_hops + 1 } else { 0 };
        let known = window.is_some();
        let lines = match &window {
            Some(_) if self.silent_hops >= SILENT_HOPS => Some(self.spectrum.silence()),
            Some(window) => Some(self.spectrum.lines(window.power)),
            None => {
                self.spectrum.skip();
                None
            }
        };
        let activity = if heard { self.listener.handle_hop(power) } else { Activity::Unknown };
        let periodic = self.is_periodic(activity, window.as_ref());
        if periodic {
            self.listener.handle_vowel(power);
        }
        let spoken = self.cadence.voiced_ms - self.cadence.doubtful_ms >= SPOKEN_MS;
        self.tone_named = false;
        (self.power, self.activity) = (power, activity);
        if let Some(named) = self.network.handle_hop(power, lines.as_ref(), spoken) {
            self.name(named.kind, u64::from(named.start_ms) * 8, out);
        }
        let change = self.tracker.handle_hop(&Hop { power, lines: lines.as_ref() }, &self.spectrum);
        let ended = match change {
            Some(line::Change::Ended(tone)) => Some(tone),
            _ => None,
        };
        self.handle_tone(change, spoken, activity, out);
        let sounds = self.tracker.current().is_some() || self.tracker.pending();
        let tonal = sounds || self.beeps.holds() || self.names.rising(self.samples);
        if let Some(start_ms) = self.music.handle_hop(power, lines.as_ref(), tonal) {
            self.name(ToneKind::Music, u64::from(start_ms) * 8, out);
        }
        let tonal = self.tonal(ended);
        self.certain = tonal == Tonal::Certain;
        self.cadence.handle_hop(activity, periodic, tonal);
        if self.mode == Mode::EarlyMedia {
            return;
        }
        self.tell_prompt(known, out);
        self.tell_speech(out);
        self.judge.handle_hop(&self.cadence, out);
    }

    /// Noise repeats by chance now and then; a vowel does so for as long as it lasts, two hops at least. Only of a hop that
    /// sounds does anybody want to know.
    fn is_periodic(&mut self, activity: Activity, window: Option<&Window<'_>>) -> bool {
        self.periodicity = 0.0;
        let (repeated, foreseen) = (self.repeated.take(), self.foreseen.take());
        let Some(window) = window else {
            self.repeated = Some(true);
            return activity == Activity::Sound && repeated.unwrap_or_else(|| self.was_periodic());
        };
        if activity != Activity::Sound {
            return false;
        }
        // Two cost no more than one: the hop before where it is not known, or the next, which is likely to sound too.
        let now = self.spectrum.power();
        let (periodicity, repeated) = match (repeated, foreseen, window.next) {
            (Some(repeated), Some(foreseen), _) => (foreseen, repeated),
            (Some(repeated), None, next) => {
                let [periodicity, following] = periodicities([now, next.unwrap_or(&SILENT)]);
                self.foreseen = next.map(|_| following);
                (periodicity, repeated)
            }
            (None, ..) => {
                let [periodicity, before] = periodicities([now, self.spectrum.power_before()]);
                (periodicity, before >= PERIODIC)
            }
        };
        self.periodicity = periodicity;
        let repeats = periodicity >= PERIODIC;
        self.repeated = Some(repeats);
        repeats && repeated
    }

    fn was_periodic(&self) -> bool {
        periodicities([self.spectrum.power_before(), &SILENT])[0] >= PERIODIC
    }

    /// How much like a tone the newest hop is. A vowel may rest on its line for as long as a short beep does: it is let
    /// pass if it has no name when it ends, is no beep, and lies where a vowel's strongest line does.
    fn tonal(&mut self, ended: Option<Tone>) -> Tonal {
        let sounds = self.tracker.current().is_some() || self.network.sounding();
        let owned = self.tracker.current().is_some_and(|tone| self.owned(tone) || tone.hz >= VOWEL_HZ);
        let high = ended.is_some_and(|tone| tone.hz >= VOWEL_HZ);
        // What has sounded for too long to be a vowel stays a tone to its end.
        self.lasting = sounds && (self.lasting || self.cadence.held_ms() >= VOWEL_MS);
        if self.tone_named || self.beeping || owned || high || self.lasting {
            return Tonal::Certain;
        }
        match (sounds, self.tracker.pending() || self.network.pending()) {
            (true, _) => Tonal::Sounds,
            (false, true) => Tonal::Maybe,
            (false, false) => Tonal::No,
        }
    }

    fn handle_tone(
        &mut self,
        change: Option<line::Change>,
        spoken: bool,
        activity: Activity,
        out: &mut impl FnMut(Finding),
    ) {
        self.beeping = match (&change, self.beeping) {
            (Some(line::Change::Ended(_)), beeping) => beeping,
            (_, beeping) => beeping && self.tracker.current().is_some(),
        };
        let beep = match change {
            Some(line::Change::Started(tone)) => {
                let speech_db = self.listener.speech_db();
                self.beeps.started(&tone, spoken && !self.owned(&tone), speech_db)
            }
            Some(line::Change::Ended(tone)) => {
                let named = self.names.after(&tone, spoken);
                if let Some(named) = named {
                    self.name(named.kind, named.start, out);
                }
                let rest = self.tracker.rest_after(&tone, &self.spectrum);
                let named = named.is_some() || self.owned(&tone);
                self.beeps.ended(&tone, rest, spoken, self.listener.speech_db(), named);
                None
            }
            None => match self.tracker.current() {
                Some(tone) => {
                    if let Some(named) = self.names.during(tone) {
                        self.name(named.kind, named.start, out);
                    }
                    None
                }
                None => self.beeps.between(activity == Activity::Sound, self.tone_named),
            },
        };
        let settled = self.beeps.settle(self.samples, &self.tracker, &self.spectrum);
        if self.mode == Mode::Answer {
            self.tell_beep(settled, out);
            self.tell_beep(beep, out);
        }
    }

    /// The tone belongs to what was named.
    fn owned(&self, tone: &Tone) -> bool {
        self.network.owns(tone.hz) || self.names.own() || self.names.is_note(tone)
    }

    fn name(&mut self, kind: ToneKind, start: u64, out: &mut impl FnMut(Finding)) {
        self.tone_named = true;
        self.cadence.withdraw_doubtful();
        if matches!(kind, ToneKind::SitInvalid | ToneKind::SitCongestion | ToneKind::Sit) {
            self.music.bar();
        }
        let event = ToneEvent { kind, start: at(start), at: at(self.samples) };
        out(Finding::Tone(event));
        if self.mode == Mode::Answer {
            self.judge.handle_tone(&self.cadence, &event, out);
        }
    }

    fn tell_beep(&mut self, change: Option<beep::Change>, out: &mut impl FnMut(Finding)) {
        let now = at(self.samples);
        match change {
            None => {}
            Some(beep::Change::Probable(tone)) => {
                self.beeping = true;
                self.probable_at = Some((tone.start, now));
                out(Finding::BeepProbable { start: at(tone.start), at: now });
            }
            Some(beep::Change::Certain(Tone { start, end, hz, .. })) => {
                let reported_at = self.probable_at.filter(|(s, _)| *s == start).map_or(now, |(_, at)| at);
                let beep = Beep { start: at(start), reported_at, end: at(end), frequency_hz: hz };
                self.music.forget();
                out(Finding::Beep(beep));
                self.judge.handle_beep(&self.cadence, now, out);
            }
        }
    }

    fn tell_prompt(&mut self, known: bool, out: &mut impl FnMut(Finding)) {
        if let Some(heard) = self.matcher.handle_hop(known.then(|| self.spectrum.power())) {
            let at = at(self.samples);
            out(Finding::Prompt { heard, at });
            self.judge.handle_prompt(&heard, at, out);
        }
    }

    fn tell_speech(&mut self, out: &mut impl FnMut(Finding)) {
        if self.cadence.in_word() && !self.greeting_open {
            self.greeting_open = true;
            out(Finding::SpeechStart { at: ms(self.cadence.word_start_ms()) });
        }
        if self.greeting_open && self.cadence.silence_ms >= GREETING_END_MS {
            self.greeting_open = false;
            out(Finding::GreetingEnd { at: ms(self.cadence.speech_end_ms) });
        }
    }
}

/// Keeps samples, full scale is 1, and gives the sum of their squares.
struct Keep<'a>(&'a mut [f32], &'a [i16]);

impl NullaryFnOnce for Keep<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let Keep(into, samples) = self;
        let mut lanes = [0.0; 8];
        for (into, samples) in into.chunks_mut(8).zip(samples.chunks(8)) {
            for ((into, sample), lane) in into.iter_mut().zip(samples).zip(&mut lanes) {
                *into = f32::from(*sample) / 32768.0;
                *lane += *into * *into;
            }
        }
        lanes.iter().sum()
    }
}

/// The time of a sample: 125 microseconds each.
fn at(sample: u64) -> Duration {
    Duration::from_micros(sample * 125)
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(value.into())
}
