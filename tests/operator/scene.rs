//! Where the operator's tests play: the binary, the carrier beside it, and the words for what is done and expected.

use crate::peers::audio::tone;
use crate::peers::outdial::{ALWAYS_OPEN, Outdial};
use crate::peers::{eventually, root};
use outdial::audio::wav;
use outdial::cli::demo_carrier::Runner;
use outdial::rng::Rng;
use outdial::sim::callee::{Callee, Person, Temper};
use outdial::sim::carrier;
use outdial::sim::ledger::{Entry, Ledger};
use outdial::sim::subscribers::Subscriber;
use outdial::sim::voice::Marker;
use serde_json::Value;
use std::process::Output;
use std::time::{Duration, Instant};

/// For whatever should come at once and need not hurry on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// The binary in a folder of its own, and the carrier beside it.
pub struct Scene {
    /// The engine and its folder.
    pub outdial: Outdial,
    carrier: Option<Runner>,
}

impl Scene {
    /// Subscribers by the last digits of their numbers; each rings for a moment.
    pub fn new(subscribers: impl IntoIterator<Item = (u32, Callee)>) -> Scene {
        Scene::with_agents(subscribers, Vec::new())
    }

    /// The same, with agents' phones beside them.
    pub fn with_agents(
        subscribers: impl IntoIterator<Item = (u32, Callee)>,
        agents: Vec<outdial::sim::agents::Agent>,
    ) -> Scene {
        let carrier = Runner::start(Instant::now(), 64, Rng::from_seed(7), |address, ports| {
            let mut options = carrier::Options { agents, ..carrier::Options::new(address, ports) };
            for (n, callee) in subscribers {
                let ring = Duration::from_millis(100);
                options.subscribers.insert(&number(n), Subscriber { callee, ring, fault: None });
            }
            options
        });
        let outdial = Outdial::new();
        outdial.write_audio("long.wav", &tone(850.0, 60.0));
        outdial.write("do-not-call.csv", "");
        Scene { outdial, carrier: Some(carrier.expect("loopback has free ports")) }
    }

    /// The carrier, while it runs.
    pub fn carrier(&self) -> &Runner {
        self.carrier.as_ref().expect("the carrier runs until its ledger is taken")
    }

    /// A `[[campaign]]` with some rules of its own; it says a long message to whoever answers.
    pub fn campaign(&self, name: &str, rules: &str) -> String {
        let ring = if rules.contains("ring_timeout_s") { "" } else { "ring_timeout_s = 20" };
        let pace = if rules.contains("calls_per_minute") { "" } else { "calls_per_minute = 600.0" };
        format!(
            r#"[[campaign]]
name = "{name}"
trunks = ["carrier"]
contacts = "{name}.csv"
do_not_call = "do-not-call.csv"
default_region = "US"
caller_id = "+12025550199"
{pace}
{ring}
{rules}

{ALWAYS_OPEN}

[campaign.human]
action = "message"
message = "long.wav"
"#
        )
    }

    /// Writes the configuration: the carrier as the trunk, and what is given.
    pub fn configure(&self, campaigns: &[String]) {
        let trunk = format!(
            "[[trunk]]\nname = \"carrier\"\nhost = \"{}\"\nchannels_max = 100\ncalls_per_second_max = 50.0\n\n",
            self.carrier().address()
        );
        self.outdial.configure(50.0, &(trunk + &campaigns.join("\n")));
    }

    /// How long answered calls may go on after SIGTERM; after [`Scene::configure`].
    pub fn drain_for(&self, seconds: u32) {
        let text = self.outdial.configuration();
        self.outdial.write("outdial.toml", &text.replace("drain_s = 5", &format!("drain_s = {seconds}")));
    }

    /// Runs a command that must succeed, and gives what it says.
    pub fn does(&self, command: &str) -> String {
        let output = self.outdial.command(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(0), "{command}: {}", words(&output));
        stdout(&output)
    }

    /// Runs a command that must fail with status 1, saying these words.
    pub fn refuses(&self, command: &str, named: &[&str]) {
        refused(&self.outdial.command(&command.split(' ').collect::<Vec<_>>()), named);
    }

    /// A campaign's part of the status.
    pub fn status_of(&self, campaign: &str) -> Value {
        let status = self.outdial.status();
        let campaigns = status["campaigns"].as_array().unwrap();
        campaigns.iter().find(|c| c["name"] == campaign).unwrap_or_else(|| panic!("{status:#}")).clone()
    }

    /// The people's form of the status has all these words.
    pub fn people_read(&self, named: &[&str]) {
        let text = self.does("status");
        for word in named {
            assert!(text.contains(word), "no {word:?} in the status:\n{text}");
        }
    }

    /// Waits until the carrier has seen so many calls at least.
    pub fn until_calls(&self, calls: usize) {
        eventually(SOON, &format!("{calls} calls"), || {
            (self.carrier().counts().calls >= calls).then_some(())
        });
    }

    /// Waits until so many calls are up, of which so many are answered, on both sides.
    pub fn until_ringing_and_answered(&self, calls: usize, answered: usize) {
        eventually(SOON, &format!("{calls} calls are up"), || {
            let counts = self.carrier().counts();
            let up = (counts.in_flight, counts.answered) == (calls, answered);
            let known = self.outdial.engine_log().matches(" answered").count() == answered;
            (up && known).then_some(())
        });
    }

    /// Sends SIGHUP and waits for its line in the log, which has these words.
    pub fn hang_up_and_read(&mut self, begin: &str, named: &[&str]) {
        let count = |log: &str| log.lines().filter(|line| line.contains(begin)).count();
        let before = count(&self.outdial.engine().output());
        self.outdial.engine().signal("HUP");
        let line = eventually(SOON, begin, || {
            let log = self.outdial.engine().output();
            (count(&log) > before).then(|| log.lines().rfind(|line| line.contains(begin)).unwrap().to_owned())
        });
        for word in named {
            assert!(line.contains(word), "no {word:?} in {line}");
        }
    }

    /// Stops the engine, then the carrier; the log has shown nobody's number.
    pub fn end(&mut self) -> Ledger {
        self.outdial.stop();
        let log = self.outdial.engine().output();
        assert!(!log.contains("2025550"), "a number stands in the log:\n{log}");
        self.take_ledger()
    }

    /// Stops the carrier and takes its book.
    pub fn take_ledger(&mut self) -> Ledger {
        self.carrier.take().expect("the ledger is taken once").finish()
    }
}

/// A person who says hello and then does as told.
pub fn person(temper: Temper) -> Callee {
    let clip = std::fs::read(root().join("fixtures/audio/human-yeah.wav")).unwrap();
    Callee::Person(Person {
        pause: Duration::from_millis(300),
        hello: wav::read(&clip).unwrap().samples.into(),
        marker: Marker::new(1),
        patience: Duration::from_secs(600),
        temper,
    })
}

/// Numbers whose calls end at once.
pub fn busy(numbers: std::ops::Range<u32>) -> impl Iterator<Item = (u32, Callee)> {
    numbers.map(|n| (n, Callee::Busy))
}

/// The number with these last digits.
pub fn number(n: u32) -> String {
    format!("+1202555{n:04}")
}

/// Numbers in a row.
pub fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(number).collect()
}

/// The carrier's entry of a number.
pub fn entry(ledger: &Ledger, n: u32) -> &Entry {
    let entry = ledger.entries().iter().find(|entry| entry.number == number(n));
    entry.unwrap_or_else(|| panic!("{n} was never called"))
}

/// The state of a number's contact.
pub fn state_of(scene: &Scene, n: u32) -> String {
    let contacts = scene.outdial.contacts();
    let contact = contacts.iter().find(|contact| contact["number"] == number(n));
    contact.map_or(String::new(), |contact| contact["state"].as_str().unwrap().to_owned())
}

/// The command has failed with status 1, saying these words.
pub fn refused(output: &Output, named: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{}", words(output));
    let said = String::from_utf8_lossy(&output.stderr);
    for word in named {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

/// What a command printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// All that a command said.
pub fn words(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
