//! Who answers a number, or does not: the people and the machines at the far end.
//!
//! A [`Callee`] is a profile: plain data, made by hand or from a seed. Once it has answered, a [`Conduct`] lives it
//! out: every 20 ms it is told the time and what its ear has heard, and says what it does next.

use crate::audio::FRAME;
use crate::sim::ear::Ear;
use crate::sim::voice::{self, Marker, Part, Samples, Script, Sit};
use crate::time::Instant;
use std::time::Duration;

/// A living person.
#[derive(Clone, PartialEq, Debug)]
pub struct Person {
    /// From the answer to the first word.
    pub pause: Duration,
    /// What they say.
    pub hello: Samples,
    /// By what the far end knows that it heard this person: said in reply to an agent's marker.
    pub marker: Marker,
    /// Hangs up when nothing at all was heard for this long.
    pub patience: Duration,
    /// What else they do.
    pub temper: Temper,
}

/// What a person does after the hello.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Temper {
    /// Listens, and replies to an agent until the other side hangs up.
    Talks,
    /// The same, and hangs up this long after the agent's first word.
    TalksAndHangsUp(Duration),
    /// Hangs up this long after the answer, whatever happens.
    HangsUp(Duration),
    /// Presses a digit when a message was heard for so long, then listens on.
    Presses(char, Duration),
}

/// An answering machine or voicemail.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// From the answer to the greeting.
    pub pause: Duration,
    /// The greeting.
    pub greeting: Samples,
    /// From the greeting's end to the beep, or to the begin of recording.
    pub gap: Duration,
    /// The beep, if it has one.
    pub beep: Option<Tone>,
    /// Hangs up after recording for this long.
    pub recording_max: Duration,
}

/// A single tone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tone {
    /// Its frequency.
    pub frequency_hz: f32,
    /// Its length.
    pub length: Duration,
}

/// Which end of a fax call has answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fax {
    /// A called machine: CED and flags.
    Called,
    /// A calling machine: CNG.
    Calling,
}

/// Who or what stands behind a number.
#[derive(Clone, PartialEq, Debug)]
pub enum Callee {
    /// A person.
    Person(Person),
    /// An answering machine.
    Machine(Machine),
    /// 486.
    Busy,
    /// Rings for ever.
    NoAnswer,
    /// 603 after the ringing time.
    Declined,
    /// 404 at once.
    Invalid,
    /// 183 with special information tones, then this status.
    SitEarlyMedia(Sit, u16),
    /// The same tones on an answered call.
    SitAfterAnswer(Sit),
    /// A fax machine.
    Fax(Fax),
    /// Answers and says nothing.
    Silent,
    /// Answers and still sounds as if it rang.
    RingBackAfterAnswer,
    /// Answers with music, again and again.
    Music(Samples),
    /// A call-screening assistant that asks who calls, and then waits.
    Screening(Samples),
}

impl Callee {
    /// What it really is, one word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Callee::Person(_) => "person",
            Callee::Machine(Machine { beep: Some(_), .. }) => "machine with beep",
            Callee::Machine(Machine { beep: None, .. }) => "machine without beep",
            Callee::Busy => "busy",
            Callee::NoAnswer => "no answer",
            Callee::Declined => "declined",
            Callee::Invalid => "invalid number",
            Callee::SitEarlyMedia(..) => "SIT before answer",
            Callee::SitAfterAnswer(_) => "SIT after answer",
            Callee::Fax(_) => "fax",
            Callee::Silent => "silence",
            Callee::RingBackAfterAnswer => "ring-back after answer",
            Callee::Music(_) => "music",
            Callee::Screening(_) => "call screening",
        }
    }

    /// What the signalling does once it has rung.
    pub fn plan(&self) -> Plan {
        match self {
            Callee::Person(_)
            | Callee::Machine(_)
            | Callee::SitAfterAnswer(_)
            | Callee::Fax(_)
            | Callee::Silent
            | Callee::RingBackAfterAnswer
            | Callee::Music(_)
            | Callee::Screening(_) => Plan::Answer,
            Callee::NoAnswer => Plan::Ring,
            Callee::Busy => Plan::Reject { status: 486, q850: 17, rings: false },
            Callee::Invalid => Plan::Reject { status: 404, q850: 1, rings: false },
            Callee::Declined => Plan::Reject { status: 603, q850: 21, rings: true },
            Callee::SitEarlyMedia(sit, status) => Plan::EarlyMedia {
                length: voice::duration_of_sit(*sit) + Duration::from_secs(1),
                status: *status,
            },
        }
    }

    /// What is said from the beginning: on the answer, or in early media.
    pub fn opening(&self) -> Script {
        let once = |parts: Vec<Part>| Script { parts, again_from: None };
        let again = |sound: Vec<i16>, pause_ms: u64| Script {
            parts: vec![Part::pause(Duration::from_millis(pause_ms)), Part::Say(sound.into())],
            again_from: Some(1),
        };
        match self {
            Callee::Person(person) => once(vec![Part::pause(person.pause), Part::Say(person.hello.clone())]),
            Callee::Machine(machine) => once(machine.parts()),
            Callee::SitEarlyMedia(sit, _) | Callee::SitAfterAnswer(sit) => once(vec![
                Part::pause(Duration::from_millis(200)),
                Part::Say(voice::sit(*sit).into()),
                Part::pause(Duration::from_millis(300)),
                Part::Say(voice::speech(404, Duration::from_secs(3), 190.0).into()),
            ]),
            Callee::Fax(Fax::Called) => again(voice::fax_answer(), 1000),
            Callee::Fax(Fax::Calling) => again(voice::fax_calling(), 500),
            Callee::RingBackAfterAnswer => again(voice::ring_back(), 100),
            Callee::Music(music) => again(music.to_vec(), 200),
            Callee::Screening(question) => {
                once(vec![Part::pause(Duration::from_millis(300)), Part::Say(question.clone())])
            }
            Callee::Busy | Callee::NoAnswer | Callee::Declined | Callee::Invalid | Callee::Silent => {
                Script::default()
            }
        }
    }
}

impl Machine {
    fn parts(&self) -> Vec<Part> {
        let mut parts =
            vec![Part::pause(self.pause), Part::Say(self.greeting.clone()), Part::pause(self.gap)];
        if let Some(beep) = self.beep {
            parts.push(Part::Beep(voice::tones(&[beep.frequency_hz], beep.length, -10.0).into()));
        }
        parts
    }

    /// From the answer until it records.
    fn records_after(&self) -> Duration {
        let beep = self.beep.map_or(Duration::ZERO, |beep| beep.length);
        self.pause + crate::audio::duration_of(self.greeting.len()) + self.gap + beep
    }
}

/// What the signalling does with a call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Plan {
    /// Rings, then 200.
    Answer,
    /// Rings for ever.
    Ring,
    /// A final response, at once or after ringing.
    Reject {
        /// The status code.
        status: u16,
        /// The cause in the Reason header.
        q850: u16,
        /// Whether it rings before.
        rings: bool,
    },
    /// 183 and audio for so long, then a final response.
    EarlyMedia {
        /// The length of the audio.
        length: Duration,
        /// The status code.
        status: u16,
    },
}

/// What somebody on a line does of their own accord.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// Says this, in place of what was said before.
    Say(Script),
    /// Presses a digit.
    Press(char),
    /// Hangs up.
    HangUp,
}

/// How many frames of an agent's marker a person must hear to understand it.
const UNDERSTOOD_FRAMES: u32 = 5;

/// Everybody who has no reason of their own to hang up does so after this long.
const TIRED: Duration = Duration::from_secs(120);

/// A callee, living.
#[derive(Clone, Debug)]
pub struct Conduct {
    callee: Callee,
    answered_at: Instant,
    /// When a person understood an agent.
    understood_at: Option<Instant>,
    pressed: bool,
}

impl Conduct {
    /// The call was answered; [`Callee::opening`] is being said.
    pub fn new(callee: Callee, now: Instant) -> Conduct {
        Conduct { callee, answered_at: now, understood_at: None, pressed: false }
    }

    /// Another 20 ms have passed.
    pub fn handle_frame(&mut self, now: Instant, ear: &Ear) -> Option<Act> {
        let since_answer = now - self.answered_at;
        match &self.callee {
            Callee::Person(person) => {
                let person = person.clone();
                self.live(now, &person, ear)
            }
            Callee::Machine(machine) => {
                (since_answer >= machine.records_after() + machine.recording_max).then_some(Act::HangUp)
            }
            _ => (since_answer >= TIRED).then_some(Act::HangUp),
        }
    }

    fn live(&mut self, now: Instant, person: &Person, ear: &Ear) -> Option<Act> {
        let since_answer = now - self.answered_at;
        let said = person.pause + crate::audio::duration_of(person.hello.len());
        let nothing_since = ear.last_loud_at().unwrap_or(self.answered_at + said);
        if now - nothing_since >= person.patience {
            return Some(Act::HangUp);
        }
        match person.temper {
            Temper::HangsUp(after) if since_answer >= after => return Some(Act::HangUp),
            Temper::TalksAndHangsUp(after) if self.understood_at.is_some_and(|at| now - at >= after) => {
                return Some(Act::HangUp);
            }
            Temper::Presses(digit, after) if !self.pressed && ear.plain() >= after => {
                self.pressed = true;
                return Some(Act::Press(digit));
            }
            _ => {}
        }
        let understood = ear.markers().iter().any(|(m, n)| *m != person.marker && *n >= UNDERSTOOD_FRAMES);
        if understood && self.understood_at.is_none() {
            self.understood_at = Some(now);
            return Some(Act::Say(talk(person.marker, Duration::from_millis(400))));
        }
        None
    }
}

/// What identifies a speaker, again and again: a marker, a sentence, a pause.
pub fn talk(marker: Marker, pause: Duration) -> Script {
    let pitch_hz = 100.0 + 4.0 * f32::from(marker.number() % 32);
    let sentence = voice::speech(u64::from(marker.number()), Duration::from_millis(900), pitch_hz);
    Script {
        parts: vec![
            Part::pause(pause),
            Part::Say(marker.sound().into()),
            Part::pause(FRAME * 5),
            Part::Say(sentence.into()),
            Part::pause(Duration::from_millis(700)),
        ],
        again_from: Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::{Law, encode};

    #[test]
    fn a_person_replies_to_an_agent_and_to_nobody_else() {
        let mut conduct = Conduct::new(Callee::Person(person(Temper::Talks)), at(0));
        let mut ear = Ear::new(Law::Mu, 0, None);
        assert_eq!(hear(&mut conduct, &mut ear, 0, &voice::speech(1, Duration::from_secs(1), 120.0)), []);
        let acts = hear(&mut conduct, &mut ear, 50, &Marker::new(3).sound());
        assert_eq!(acts, [Act::Say(talk(Marker::new(7), Duration::from_millis(400)))]);
    }

    #[test]
    fn a_person_who_hears_nothing_hangs_up_when_patience_ends() {
        let mut conduct = Conduct::new(Callee::Person(person(Temper::Talks)), at(0));
        let ear = Ear::new(Law::Mu, 0, None);
        assert_eq!(conduct.handle_frame(at(11_490), &ear), None);
        assert_eq!(conduct.handle_frame(at(11_500), &ear), Some(Act::HangUp));
    }

    #[test]
    fn a_person_presses_the_digit_once_after_hearing_enough() {
        let temper = Temper::Presses('9', Duration::from_millis(500));
        let mut conduct = Conduct::new(Callee::Person(person(temper)), at(0));
        let mut ear = Ear::new(Law::Mu, 0, None);
        let acts = hear(&mut conduct, &mut ear, 0, &voice::music());
        assert_eq!(acts, [Act::Press('9')]);
    }

    #[test]
    fn a_machine_hangs_up_after_its_recording_time() {
        let machine = Machine {
            pause: Duration::from_millis(500),
            greeting: vec![0i16; 8000].into(),
            gap: Duration::from_millis(300),
            beep: Some(Tone { frequency_hz: 1000.0, length: Duration::from_millis(200) }),
            recording_max: Duration::from_secs(10),
        };
        let mut conduct = Conduct::new(Callee::Machine(machine), at(0));
        let ear = Ear::new(Law::Mu, 0, None);
        assert_eq!(conduct.handle_frame(at(11_999), &ear), None);
        assert_eq!(conduct.handle_frame(at(12_000), &ear), Some(Act::HangUp));
    }

    #[test]
    fn an_impatient_person_hangs_up_whatever_happens() {
        let temper = Temper::HangsUp(Duration::from_secs(2));
        let mut conduct = Conduct::new(Callee::Person(person(temper)), at(0));
        let mut ear = Ear::new(Law::Mu, 0, None);
        let acts =
            hear(&mut conduct, &mut ear, 0, &voice::tones(&[500.0], Duration::from_millis(2040), -20.0));
        assert_eq!(acts.first(), Some(&Act::HangUp));
    }

    fn person(temper: Temper) -> Person {
        Person {
            pause: Duration::from_millis(500),
            hello: vec![0i16; 8000].into(),
            marker: Marker::new(7),
            patience: Duration::from_secs(10),
            temper,
        }
    }

    fn hear(conduct: &mut Conduct, ear: &mut Ear, first: u16, sound: &[i16]) -> Vec<Act> {
        let mut acts = Vec::new();
        for (n, frame) in sound.chunks_exact(160).enumerate() {
            let sequence = first + n as u16;
            let mut bytes = vec![0x80, 0];
            bytes.extend(sequence.to_be_bytes());
            bytes.extend((u32::from(sequence) * 160).to_be_bytes());
            bytes.extend([0, 0, 0, 1]);
            bytes.extend(frame.iter().map(|s| encode(Law::Mu, *s)));
            let now = at(20 * u64::from(sequence));
            ear.handle_packet(now, &bytes);
            acts.extend(conduct.handle_frame(now, ear));
        }
        acts
    }

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }
}
