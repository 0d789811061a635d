//! From a recipe to the plan of every clip: who says what, when, over which line. One seed determines all of it.
//!
//! The distributions are those of genuine calls as far as they are known: people wait 0.1 to 2.2 s before they speak and
//! four in ten say it again; machines wait up to 3.1 s, half of them in digital silence, and pause 0.2 to 0.9 s between
//! sentences; beeps come at once, after a second, after five, or never.

use super::compose::Note;
use super::line::{Codec, Gate, Line, Loss, Noise};
use super::manifest::Label;
use super::recipe::{Catalogue, Fault, Make, Recipe, What, Words, chosen};
use crate::audio::{SAMPLE_RATE_HZ, samples_in};
use crate::rng::Rng;
use std::time::Duration;

/// Answers below this are short, in milliseconds.
const SHORT_MS: u32 = 800;
/// Answers below this are of medium length.
const MEDIUM_MS: u32 = 1_500;
/// Recordings beyond are no answers.
const ANSWER_MS_MAX: u32 = 3_200;
/// Shorter recordings are clicks.
const ANSWER_MS_MIN: u32 = 180;

/// Longer recordings are not strung together: they are whole announcements.
const STRUNG_MS_MAX: u32 = 6_000;
/// Recordings from here on are sentences.
const SENTENCE_MS: u32 = 900;
/// A greeting is strung together of no fewer different recordings.
const STRUNG_MIN: usize = 4;

/// A step of a clip.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// The voice says these words, or plays this recording.
    Say(String),
    /// The same, again after a wait.
    Again(String),
    /// So many samples of nothing.
    Pause(usize),
    /// The machine's beep.
    Beep(Note),
    /// A tone of a network or fax.
    Tone(Note),
    /// So many samples of one of the recipe's sounds, from a share of its length on.
    Sound(usize, f64, usize),
}

/// The plan of one clip.
#[derive(Clone, PartialEq, Debug)]
pub struct Take {
    /// The WAV file, relative to the corpus.
    pub file: String,
    /// Who answers.
    pub label: Label,
    /// What kind of it.
    pub subtype: String,
    /// The voice's place in the recipe.
    pub voice: Option<usize>,
    /// How fast it speaks: 1 is its own way, 1.2 slower.
    pub stretch: f64,
    /// Silence before the first act, in samples.
    pub lead: usize,
    /// What happens.
    pub acts: Vec<Act>,
    /// Silence after the last act.
    pub tail: usize,
    /// The way to us.
    pub line: Line,
    /// The room's sound, if the line has one.
    pub room: Option<usize>,
    /// Where the chance of the line itself comes from.
    pub seed: u64,
    /// What a person should know about it.
    pub note: String,
}

/// Plans every clip of a recipe.
pub fn plan(recipe: &Recipe, catalogue: &Catalogue, seed: u64) -> Result<Vec<Take>, Fault> {
    let mut rng = Rng::from_seed(seed);
    let mut takes: Vec<Take> = Vec::new();
    for make in &recipe.makes {
        let mut of = chosen(recipe, make);
        shuffle(&mut of, &mut rng);
        for index in 0..make.count {
            let mut rng = rng.fork();
            let place = if of.is_empty() { 0 } else { of[index % of.len()] };
            let mut take = Planner { recipe, catalogue, rng: &mut rng }.take(make, place)?;
            let same = takes.iter().filter(|other| other.subtype == take.subtype).count();
            take.file = format!("{}/{}_{:04}.wav", take.label.as_str(), take.subtype, same + 1);
            takes.push(take);
        }
    }
    Ok(takes)
}

struct Planner<'a> {
    recipe: &'a Recipe,
    catalogue: &'a Catalogue,
    rng: &'a mut Rng,
}

impl Planner<'_> {
    fn take(&mut self, make: &Make, place: usize) -> Result<Take, Fault> {
        let line = self.line(make.what);
        let room = self.room(line.noise);
        let mut take = Take {
            file: String::new(),
            label: make.what.label(),
            subtype: String::new(),
            voice: make.what.is_spoken().then_some(place),
            stretch: self.range(0.85, 1.18),
            lead: 0,
            acts: Vec::new(),
            tail: self.samples(2.0, 2.6),
            line: Line {
                noise: if line.noise == Noise::Ambient && room.is_none() { Noise::Hiss } else { line.noise },
                ..line
            },
            room,
            seed: self.rng.next_u64(),
            note: String::new(),
        };
        match make.what {
            What::Human => self.human(&mut take, place)?,
            What::Machine => self.machine(&mut take, place)?,
            What::Screening | What::Tree => self.speech(&mut take, place, make.what),
            What::Tone => self.tone(&mut take, place),
            What::Music => self.music(&mut take, place),
            What::Noise => self.noise(&mut take, place),
            What::Silence => {
                take.subtype = "silence".to_owned();
                take.acts = vec![Act::Pause(self.samples(5.6, 6.0))];
                take.line.codec = Codec::Ulaw;
                take.tail = 0;
            }
        }
        if take.note.is_empty() {
            take.note = said(&take.acts);
        }
        Ok(take)
    }

    fn human(&mut self, take: &mut Take, place: usize) -> Result<(), Fault> {
        let voice = &self.recipe.voices[place];
        let words = &self.recipe.words[&voice.words];
        let shares = self.recipe.line;
        let draw = self.rng.unit();
        let class = usize::from(draw >= shares.short) + usize::from(draw >= shares.short + shares.medium);
        let mut more = Vec::new();
        let answer = if voice.is_real() {
            let (from, to) =
                [(ANSWER_MS_MIN, SHORT_MS), (SHORT_MS, MEDIUM_MS), (MEDIUM_MS, ANSWER_MS_MAX)][class];
            // "Hello. This is Ann." has a gap in it: longer answers are often two or three recordings.
            if class > 0 && self.rng.chance(0.45) {
                for _ in 0..self.rng.between(1, class as u64) {
                    more.push(Act::Pause(self.samples(0.05, 0.45)));
                    more.extend(self.recording(place, ANSWER_MS_MIN, SHORT_MS).map(Act::Say));
                }
                self.recording(place, ANSWER_MS_MIN, SHORT_MS)
            } else {
                self.recording(place, from, to)
            }
        } else {
            let lists = [&words.short, &words.medium, &words.long];
            let list = std::iter::once(lists[class]).chain(lists).find(|list| !list.is_empty());
            list.and_then(|list| self.pick(list)).map(|text| self.filled(words, &text))
        };
        let Some(answer) = answer else {
            let text =
                "it has nothing to answer with; give its words `short`, or its folder recordings below 3.2 s";
            return Err(Fault(format!("voice `{}`: {text}", voice.name)));
        };
        take.subtype = match (voice.is_real(), class) {
            (true, 2) => "phrase",
            (true, _) => "word",
            (false, 2) => "tts_phrase",
            (false, _) => "tts_short",
        }
        .to_owned();
        take.lead = self.lead(0.5, 2.2);
        take.acts.push(Act::Say(answer.clone()));
        take.acts.extend(more);
        take.tail = self.samples(3.05, 3.4);
        if self.rng.chance(0.4) {
            let wait = self.samples(1.5, 3.0);
            take.acts.push(Act::Pause(wait));
            // Nobody recites the name of the firm twice.
            let whole = class == 0 || (class == 1 && self.rng.chance(0.5));
            let again = if voice.is_real() {
                let short = self.recording(place, ANSWER_MS_MIN, SHORT_MS);
                short.filter(|_| !whole).unwrap_or(answer)
            } else if whole || words.short.is_empty() {
                answer
            } else {
                let text = self.pick(&words.short).expect("there is one");
                self.filled(words, &text)
            };
            take.acts.push(Act::Again(again));
            take.tail = self.samples(1.4, 1.9);
        }
        Ok(())
    }

    fn machine(&mut self, take: &mut Take, place: usize) -> Result<(), Fault> {
        let voice = &self.recipe.voices[place];
        let words = &self.recipe.words[&voice.words];
        let strung = words.greetings.is_empty() || (words.strung && self.rng.chance(0.4));
        take.acts = if strung {
            self.strung(place)
        } else {
            self.sentences(words, &words.greetings, voice.is_real())
        };
        if take.acts.is_empty() {
            let text = "it has no greeting; give its words `greetings`, or its folder more recordings";
            return Err(Fault(format!("voice `{}`: {text}", voice.name)));
        }
        take.subtype = match (voice.is_real(), words.greetings.is_empty()) {
            (true, true) => "strung",
            (true, false) => "vm_system",
            (false, _) => "tts_greeting",
        }
        .to_owned();
        take.lead = self.lead(0.75, 3.1);
        take.note = said(&take.acts);
        if self.rng.chance(0.68) {
            let wait = match self.rng.below(10) {
                0..=2 => self.samples(0.05, 0.3),
                3..=7 => self.samples(0.3, 1.3),
                _ => self.samples(3.0, 5.4),
            };
            take.acts.push(Act::Pause(wait));
            let beep = self.beep();
            take.acts.push(Act::Beep(beep));
            take.tail = self.samples(1.1, 1.8);
        } else {
            take.note.push_str(" no beep");
        }
        Ok(())
    }

    fn speech(&mut self, take: &mut Take, place: usize, what: What) {
        let voice = &self.recipe.voices[place];
        let words = &self.recipe.words[&voice.words];
        let texts = if what == What::Tree { &words.trees } else { &words.screenings };
        take.acts = self.sentences(words, texts, voice.is_real());
        take.subtype = if what == What::Tree { "ivr" } else { "call_screening" }.to_owned();
        take.lead = self.lead(0.75, 3.1);
    }

    fn tone(&mut self, take: &mut Take, place: usize) {
        let tone = &self.recipe.tones[place];
        take.subtype = tone.subtype.clone();
        take.lead = self.samples(0.05, 0.8);
        let end = samples_in(Duration::from_millis(5_600));
        let dbfs = self.range(-27.0, -13.0);
        let (mut length, mut times) = (0, 0);
        while length < end && (tone.times == 0 || times < tone.times) {
            for step in &tone.steps {
                let duration = Duration::from_secs_f64(step.s.clamp(0.0, 60.0));
                length += samples_in(duration);
                take.acts.push(Act::Tone(Note {
                    hz: step.hz.clone(),
                    reversal: step.reversal_s.map(Duration::from_secs_f64),
                    swinging: step.swinging,
                    ..Note::sine(0.0, dbfs, duration)
                }));
            }
            times += 1;
        }
        // A tone that never ends is cut where the clip is long enough.
        if let Some(Act::Tone(last)) = take.acts.last_mut()
            && length > end + samples_in(Duration::from_secs(2))
            && tone.times == 0
        {
            let over = (length - end) as f64 / f64::from(SAMPLE_RATE_HZ);
            last.duration = Duration::from_secs_f64((last.duration.as_secs_f64() - over).max(0.02));
        }
        take.note = tone.name.clone();
        take.tail = if tone.times == 0 { 0 } else { self.samples(1.5, 2.5) };
        if tone.announced {
            let voices: Vec<usize> = (0..self.recipe.voices.len())
                .filter(|&voice| !self.words(voice).announcements.is_empty())
                .collect();
            if let Some(&voice) = voices.get(self.rng.below(voices.len() as u64) as usize) {
                let words = &self.recipe.words[&self.recipe.voices[voice].words];
                take.voice = Some(voice);
                take.acts.push(Act::Pause(self.samples(0.1, 0.9)));
                let real = self.recipe.voices[voice].is_real();
                take.acts.extend(self.sentences(words, &words.announcements, real));
                take.note = format!("{} {}", tone.name, said(&take.acts));
            }
        }
    }

    fn music(&mut self, take: &mut Take, place: usize) {
        take.subtype = "moh".to_owned();
        take.lead = self.samples(0.0, 0.8);
        take.acts = vec![Act::Sound(place, self.rng.unit(), self.samples(5.6, 6.0))];
        take.tail = 0;
        take.note = self.recipe.sounds[place].name.clone();
    }

    fn noise(&mut self, take: &mut Take, place: usize) {
        take.subtype = "noise".to_owned();
        take.acts = vec![Act::Sound(place, self.rng.unit(), self.samples(5.6, 6.0))];
        take.line.level_dbfs = self.range(-46.0, -28.0);
        take.line.noise = Noise::None;
        take.line.gate = Gate::Open;
        take.room = None;
        take.tail = 0;
        take.note = self.recipe.sounds[place].name.clone();
    }

    /// One of the texts, its sentences apart; no sentence is said by a pause.
    fn sentences(&mut self, words: &Words, texts: &[Vec<String>], real: bool) -> Vec<Act> {
        let Some(text) = texts.get(self.rng.below(texts.len() as u64) as usize) else { return Vec::new() };
        let mut acts: Vec<Act> = Vec::new();
        for piece in text {
            if let Some((low, high)) = pause_of(piece) {
                acts.push(Act::Pause(self.samples(low, high)));
                continue;
            }
            if matches!(acts.last(), Some(Act::Say(_))) {
                acts.push(Act::Pause(self.samples(0.2, 0.9)));
            }
            match (real, piece.as_str()) {
                (true, "{number}") => {
                    for digit in 0..self.rng.between(3, 7) {
                        if digit > 0 {
                            acts.push(Act::Pause(self.samples(0.02, 0.14)));
                        }
                        if let Some(word) = self.pick(&words.digits) {
                            acts.push(Act::Say(word));
                        }
                    }
                }
                (true, _) => acts.push(Act::Say(piece.clone())),
                (false, _) => acts.push(Act::Say(self.filled(words, piece))),
            }
        }
        acts
    }

    /// Recordings of one voice in a row, for as long as greetings last: whole sentences with a breath between them, or,
    /// of a voice that has none, words that follow at once and breathe after every few.
    fn strung(&mut self, place: usize) -> Vec<Act> {
        let all = self.catalogue.get(&place).map_or(&[][..], Vec::as_slice);
        let between = |from: u32, to: u32| -> Vec<&(String, u32)> {
            all.iter().filter(|(_, ms)| (from..to).contains(ms)).collect()
        };
        let sentences = between(SENTENCE_MS, STRUNG_MS_MAX);
        let whole = sentences.len() >= STRUNG_MIN;
        let drawn = if whole { sentences } else { between(ANSWER_MS_MIN, STRUNG_MS_MAX) };
        if drawn.len() < STRUNG_MIN {
            return Vec::new();
        }
        // Many are short: "Hi, it's Bob, leave a message" takes less than two seconds.
        let want = (1_300.0 * self.range(0.0, 1.9).exp()) as u32;
        let (mut acts, mut length) = (Vec::new(), 0);
        while length < want {
            let (name, ms) = drawn[self.rng.below(drawn.len() as u64) as usize];
            if !acts.is_empty() {
                let breath = whole || self.rng.chance(0.25);
                acts.push(Act::Pause(if breath { self.samples(0.2, 0.9) } else { self.samples(0.0, 0.1) }));
            }
            acts.push(Act::Say(name.clone()));
            length += ms;
        }
        acts
    }

    fn beep(&mut self) -> Note {
        let hz = match self.rng.below(4) {
            0 => 1000.0,
            1 => self.range(380.0, 700.0),
            2 => self.range(700.0, 1_300.0),
            _ => self.range(1_300.0, 2_300.0),
        };
        let duration = match self.rng.below(4) {
            0 => self.range(0.1, 0.25),
            1 | 2 => self.range(0.25, 0.6),
            _ => self.range(0.6, 1.5),
        };
        let mut note = Note::sine(hz, self.range(-28.0, -13.0), Duration::from_secs_f64(duration));
        note.edge = Duration::from_secs_f64(self.range(0.001, 0.008));
        match self.rng.below(10) {
            0..=4 => {}
            5 | 6 => {
                note.hz.extend([2.0 * hz, 3.0 * hz].iter().filter(|&&hz| hz < 3_300.0));
                note.relative_db = vec![0.0, self.range(-22.0, -6.0), self.range(-26.0, -8.0)];
            }
            7 | 8 => {
                note.hz.push((hz * self.range(1.15, 1.7)).min(2_600.0));
                note.relative_db = vec![0.0, self.range(-4.0, 0.0)];
            }
            _ => note.decay = Some(Duration::from_secs_f64(duration * self.range(0.35, 0.9))),
        }
        note
    }

    fn line(&mut self, what: What) -> Line {
        let shares = self.recipe.line;
        let mut line = Line::clean(self.range(-33.0, -16.0));
        line.band_hz = (self.range(180.0, 340.0), self.range(3_050.0, 3_600.0));
        let draw = self.rng.unit();
        line.codec = match draw {
            draw if draw < shares.gsm => Codec::Gsm,
            draw if draw < shares.gsm + shares.alaw => Codec::Alaw,
            _ => Codec::Ulaw,
        };
        let draw = self.rng.unit();
        line.noise = match draw {
            draw if draw < shares.hiss * 0.8 => Noise::Hiss,
            draw if draw < shares.hiss => Noise::Hum(if self.rng.chance(0.5) { 50 } else { 60 }),
            draw if draw < shares.hiss + shares.ambient => Noise::Ambient,
            _ => Noise::None,
        };
        let low = shares.snr_low_db;
        // Rooms are loud, lines are not: three of four lines are above the middle.
        line.snr_db = if line.noise == Noise::Ambient || self.rng.chance(0.25) {
            self.range(low, low + 20.0)
        } else {
            self.range(low + 16.0, shares.snr_high_db)
        };
        if self.rng.chance(shares.loss) {
            let share = [0.01, 0.02, 0.03, 0.05][self.rng.below(4) as usize];
            let burst = if self.rng.chance(0.5) { 1.0 } else { self.range(1.5, 4.0) };
            line.loss = Some(Loss { share, burst, concealed: self.rng.chance(0.3) });
        }
        if self.rng.chance(0.08) {
            line.dc = self.range(-300.0, 300.0);
        }
        if self.rng.chance(0.06) {
            line.overdrive_db = self.range(3.0, 9.0);
        }
        let draw = self.rng.unit();
        line.gate = match what {
            What::Human => match draw {
                draw if draw < 0.22 => Gate::Lead,
                draw if draw < 0.38 => Gate::Comfort,
                // The telephone of a person may send nothing at all between words.
                draw if draw < 0.46 => Gate::Platform,
                _ => Gate::Open,
            },
            _ => match draw {
                draw if draw < 0.36 => Gate::Platform,
                draw if draw < 0.54 => Gate::Lead,
                draw if draw < 0.64 => Gate::Comfort,
                _ => Gate::Open,
            },
        };
        line
    }

    fn room(&mut self, noise: Noise) -> Option<usize> {
        let rooms: Vec<usize> = (0..self.recipe.sounds.len())
            .filter(|&sound| self.recipe.sounds[sound].use_as == "room")
            .collect();
        let room = rooms.get(self.rng.below(rooms.len() as u64) as usize).copied();
        room.filter(|_| noise == Noise::Ambient)
    }

    /// A log-normal wait around its median, 0.1 s at least.
    fn lead(&mut self, median_s: f64, most_s: f64) -> usize {
        let bell: f64 = (0..12).map(|_| self.rng.unit()).sum::<f64>() - 6.0;
        let seconds = (median_s * (0.62 * bell).exp()).clamp(0.1, most_s);
        samples_in(Duration::from_secs_f64(seconds))
    }

    fn recording(&mut self, place: usize, from_ms: u32, to_ms: u32) -> Option<String> {
        let all = self.catalogue.get(&place)?;
        let fits = |from: u32, to: u32| {
            all.iter().filter(move |(_, ms)| (from..to).contains(ms)).map(|(name, _)| name.clone()).collect()
        };
        let mut names: Vec<String> = fits(from_ms, to_ms);
        if names.is_empty() {
            names = fits(ANSWER_MS_MIN, ANSWER_MS_MAX);
        }
        self.pick(&names)
    }

    fn filled(&mut self, words: &Words, text: &str) -> String {
        let mut text = text.to_owned();
        if text.contains("{number}") {
            let comma = if self.rng.chance(0.6) { ", " } else { " " };
            let digits: Vec<String> =
                (0..self.rng.between(3, 8)).filter_map(|_| self.pick(&words.digits)).collect();
            text = text.replace("{number}", &digits.join(comma));
        }
        for (mark, list) in [("{name}", &words.names), ("{company}", &words.companies)] {
            if text.contains(mark) {
                let word = self.pick(list).unwrap_or_default();
                text = text.replace(mark, &word);
            }
        }
        text
    }

    fn words(&self, voice: usize) -> &Words {
        &self.recipe.words[&self.recipe.voices[voice].words]
    }

    fn pick(&mut self, list: &[String]) -> Option<String> {
        list.get(self.rng.below(list.len() as u64) as usize).cloned()
    }

    fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.unit()
    }

    fn samples(&mut self, low_s: f64, high_s: f64) -> usize {
        (self.range(low_s, high_s) * f64::from(SAMPLE_RATE_HZ)) as usize
    }
}

/// `~0.7-1.8` is a pause between 0.7 and 1.8 s.
fn pause_of(piece: &str) -> Option<(f64, f64)> {
    let (low, high) = piece.strip_prefix('~')?.split_once('-')?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

/// The words of a plan, as the note has them.
fn said(acts: &[Act]) -> String {
    let words: Vec<&str> = acts
        .iter()
        .filter_map(|act| match act {
            Act::Say(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if words.is_empty() { String::new() } else { format!("text: {}", words.join(" | ")) }
}

fn shuffle(places: &mut [usize], rng: &mut Rng) {
    for last in (1..places.len()).rev() {
        places.swap(last, rng.below(last as u64 + 1) as usize);
    }
}
