//! Ready-made far ends: who has which number, which agents there are, and what the engine is to say.

use crate::rng::Rng;
use crate::sim::agents::{Agent, Queue};
use crate::sim::callee::{Callee, Fax, Machine, Person, Temper, Tone};
use crate::sim::carrier;
use crate::sim::recordings::Recordings;
use crate::sim::subscribers::{Subscriber, Subscribers};
use crate::sim::voice::{self, Marker, Samples, Sit};
use std::net::SocketAddr;
use std::time::Duration;

/// A contact of the campaign's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// E.164.
    pub number: String,
    /// A name to show.
    pub name: String,
    /// What the number really is.
    pub comment: String,
}

/// A far end, and what it takes to dial it.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The list.
    pub contacts: Vec<Contact>,
    /// Who has these numbers, in the list's order.
    pub callees: Vec<(String, Subscriber)>,
    /// Agents' extensions.
    pub agents: Vec<Agent>,
    /// The queue before them.
    pub queue: Queue,
    /// The message for machines.
    pub message: Samples,
    /// The message for people whom no agent takes in time.
    pub safe_harbour: Samples,
    /// What people hear while an agent is rung.
    pub hold: Samples,
}

impl Scenario {
    /// The carrier that plays it.
    pub fn carrier(&self, address: SocketAddr, rtp_ports: Vec<u16>) -> carrier::Options {
        let mut subscribers = Subscribers::default();
        self.callees.iter().for_each(|(number, subscriber)| subscribers.insert(number, subscriber.clone()));
        carrier::Options {
            subscribers,
            agents: self.agents.clone(),
            queues: vec![self.queue.clone()],
            messages: vec![self.message.clone(), self.safe_harbour.clone()],
            ..carrier::Options::new(address, rtp_ports)
        }
    }

    /// The list as a CSV file with a header.
    pub fn csv(&self) -> String {
        let rows = self.contacts.iter().map(|c| format!("{},{},{}\n", c.number, c.name, c.comment));
        format!("number,name,comment\n{}", rows.collect::<String>())
    }
}

/// The seed of the demo: always the same sixty callees in the same order.
const DEMO_SEED: u64 = 2026;

/// The demo: sixty fictitious numbers (+1 202 555 0101 to 0160, set aside for fiction) with callees of every kind, and two
/// agents behind a queue.
pub fn demo() -> Scenario {
    let mut rng = Rng::from_seed(DEMO_SEED);
    let recordings = Recordings::load();
    let mut callees = people(&mut rng, &recordings);
    callees.extend(machines(&mut rng, &recordings));
    callees.extend(others(&recordings));
    shuffle(&mut rng, &mut callees);
    let (mut contacts, mut numbers) = (Vec::new(), Vec::new());
    for (place, callee) in callees.into_iter().enumerate() {
        let number = format!("+1202555{:04}", 101 + place);
        let comment = callee.word().to_owned();
        contacts.push(Contact { number: number.clone(), name: name(place), comment });
        let ring = Duration::from_millis(rng.between(800, 2500));
        numbers.push((number, Subscriber { callee, ring, fault: None }));
    }
    let agents = vec![agent("601", 0), agent("602", 1)];
    let members = agents.iter().map(|agent| agent.extension.clone()).collect();
    Scenario {
        contacts,
        callees: numbers,
        agents,
        queue: Queue { name: "queue".into(), members, waiting_max: 20 },
        message: voice::speech(71, Duration::from_millis(3500), 115.0).into(),
        safe_harbour: voice::speech(72, Duration::from_millis(2500), 190.0).into(),
        hold: quiet_music().into(),
    }
}

fn agent(extension: &str, marker: usize) -> Agent {
    Agent {
        extension: extension.into(),
        ring: Duration::from_millis(400),
        talk: Duration::from_millis(2200),
        marker: Marker::new(marker),
    }
}

/// Sixteen people: most talk until the agent hangs up, some hang up first, two never wait for anybody.
fn people(rng: &mut Rng, recordings: &Recordings) -> Vec<Callee> {
    let tempers = [
        (12, Temper::Talks),
        (2, Temper::TalksAndHangsUp(Duration::from_millis(1500))),
        (2, Temper::HangsUp(Duration::from_millis(1800))),
    ];
    let tempers = tempers.iter().flat_map(|(count, temper)| std::iter::repeat_n(*temper, *count));
    tempers
        .enumerate()
        .map(|(place, temper)| {
            Callee::Person(Person {
                pause: Duration::from_millis(rng.between(250, 700)),
                hello: recordings.hellos[place % recordings.hellos.len()].clone(),
                // The first two markers are the agents'.
                marker: Marker::new(2 + place),
                patience: Duration::from_secs(20),
                temper,
            })
        })
        .collect()
}

/// Sixteen machines, twelve of them with a beep.
fn machines(rng: &mut Rng, recordings: &Recordings) -> Vec<Callee> {
    const BEEPS_HZ: [f32; 6] = [1000.0, 700.0, 1330.0, 440.0, 825.0, 1500.0];
    (0..16usize)
        .map(|place| {
            let length = Duration::from_millis(rng.between(200, 600));
            let beep = Tone { frequency_hz: BEEPS_HZ[place % BEEPS_HZ.len()], length };
            Callee::Machine(Machine {
                pause: Duration::from_millis(rng.between(300, 900)),
                greeting: recordings.greetings[place % recordings.greetings.len()].clone(),
                gap: Duration::from_millis(rng.between(200, 1200)),
                beep: (place < 12).then_some(beep),
                recording_max: Duration::from_secs(30),
            })
        })
        .collect()
}

fn others(recordings: &Recordings) -> Vec<Callee> {
    let kinds = [
        (5, Callee::Busy),
        (3, Callee::NoAnswer),
        (3, Callee::Declined),
        (3, Callee::Invalid),
        (2, Callee::SitEarlyMedia(Sit::Vacant, 404)),
        (1, Callee::SitEarlyMedia(Sit::NoCircuit, 480)),
        (2, Callee::SitAfterAnswer(Sit::Intercept)),
        (2, Callee::Fax(Fax::Called)),
        (1, Callee::Fax(Fax::Calling)),
        (2, Callee::Silent),
        (1, Callee::RingBackAfterAnswer),
        (2, Callee::Music(recordings.music.clone())),
        (1, Callee::Screening(recordings.screening.clone())),
    ];
    kinds.into_iter().flat_map(|(count, callee)| std::iter::repeat_n(callee, count)).collect()
}

/// Fisher and Yates.
fn shuffle<T>(rng: &mut Rng, list: &mut [T]) {
    for last in (1..list.len()).rev() {
        list.swap(last, rng.below(last as u64 + 1) as usize);
    }
}

fn name(place: usize) -> String {
    const FIRST: [&str; 10] =
        ["Ada", "Boris", "Chen", "Dina", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas"];
    const LAST: [&str; 6] = ["Alder", "Birch", "Cedar", "Elm", "Hazel", "Rowan"];
    format!("{} {}", FIRST[place % FIRST.len()], LAST[place / FIRST.len() % LAST.len()])
}

fn quiet_music() -> Vec<i16> {
    voice::music().into_iter().map(|sample| sample / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::detector::Detector;
    use crate::amd::options::{Mode, Options};
    use crate::amd::verdict::{Class, Finding};
    use crate::audio::g711::{Law, decode, encode};
    use crate::audio::{FRAME_SAMPLES, Frame};
    use std::collections::BTreeSet;

    #[test]
    fn the_demo_has_sixty_numbers_of_every_kind_and_is_always_the_same() {
        let demo = demo();
        assert_eq!(demo, super::demo());
        let numbers: BTreeSet<_> = demo.contacts.iter().map(|contact| &contact.number).collect();
        assert_eq!((demo.contacts.len(), numbers.len()), (60, 60));
        assert!(numbers.iter().all(|number| number.starts_with("+120255501")));
        let words: BTreeSet<_> = demo.contacts.iter().map(|contact| contact.comment.as_str()).collect();
        assert_eq!(words.len(), 14);
        assert_eq!(demo.csv().lines().count(), 61);
    }

    #[test]
    fn the_detector_knows_the_demos_callees_for_what_they_are() {
        let mut wrong = Vec::new();
        for (number, subscriber) in &demo().callees {
            let expected = match &subscriber.callee {
                Callee::Person(_) => Class::Human,
                Callee::Machine(_) => Class::Machine,
                Callee::SitAfterAnswer(_) | Callee::RingBackAfterAnswer => Class::Tone,
                Callee::Fax(_) => Class::Fax,
                Callee::Silent => Class::Silence,
                Callee::Music(_) => Class::Music,
                Callee::Screening(_) => Class::Screening,
                Callee::Busy
                | Callee::NoAnswer
                | Callee::Declined
                | Callee::Invalid
                | Callee::SitEarlyMedia(..) => continue,
            };
            let judged = judge(&subscriber.callee);
            // An assistant's question has a greeting's cadence: to take it for a machine's is no mistake of treatment.
            let close = expected == Class::Screening && judged == Some(Class::Machine);
            if judged != Some(expected) && !close {
                wrong.push(format!("{number} {}: {judged:?}", subscriber.callee.word()));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    /// The detector's last word after eight seconds of what the callee says, through mu-law.
    fn judge(callee: &Callee) -> Option<Class> {
        let mut reader = voice::Reader::new(callee.opening());
        let mut detector = Detector::new(&Options::default());
        detector.reset(Mode::Answer);
        let mut word = None;
        for _ in 0..400 {
            let mut frame: Frame = [0; FRAME_SAMPLES];
            reader.next_frame(&mut frame);
            frame.iter_mut().for_each(|sample| *sample = decode(Law::Mu, encode(Law::Mu, *sample)));
            detector.handle_frame(Some(&frame), &mut |finding| {
                if let Finding::Verdict(verdict) | Finding::Revised(verdict) = finding {
                    word = Some(verdict.class);
                }
            });
        }
        word
    }
}
