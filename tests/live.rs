//! One detector, two ways in: every clip of `fixtures/audio` is played down a telephone line to `outdial run`, and the call
//! record must name the verdict that `outdial classify` gives the file. And the form of what `classify --json` prints.

mod peers;

use outdial::audio::{g711::Law, wav};
use outdial::cli::demo_carrier::Runner;
use outdial::rng::Rng;
use outdial::sim::agents::Agent;
use outdial::sim::callee::{Callee, Person, Temper};
use outdial::sim::carrier;
use outdial::sim::subscribers::Subscriber;
use outdial::sim::voice::{Marker, Samples};
use peers::audio::tone;
use peers::outdial::{ALWAYS_OPEN, Outdial};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a message to people lasts: longer than a verdict of human may be revised.
const MESSAGE_S: f64 = 4.0;

/// The playout delay on the live side, the longest there is: so long may this machine stand still and no frame is missing.
const JITTER_MS: u64 = 200;

/// A machine that stood still for longer has taken audio away, and the clips that suffered are played again.
const STANDSTILL_MS: u64 = 150;

/// How often they are, at most.
const ROUNDS_MAX: usize = 4;

/// One clip on one trunk.
#[derive(Clone, Debug)]
struct Line {
    number: String,
    clip: PathBuf,
    law: Law,
    /// What `classify` says of it.
    said: Value,
}

#[test]
fn every_clip_gets_the_same_verdict_on_a_live_call_as_from_its_file() {
    let mut lines = lines();
    assert!(lines.len() >= 80, "{} lines", lines.len());
    for round in 1..=ROUNDS_MAX {
        let watch = Watch::start();
        let (differing, held_up) = dial(&lines);
        let stood_still_ms = watch.stop();
        if differing.is_empty() {
            return;
        }
        let report: Vec<&String> = differing.iter().map(|(_, words)| words).collect();
        let excused = held_up || stood_still_ms > STANDSTILL_MS;
        assert!(excused && round < ROUNDS_MAX, "after {stood_still_ms} ms of standstill: {report:#?}");
        eprintln!("the machine stood still for {stood_still_ms} ms; played again: {report:#?}");
        lines = differing.into_iter().map(|(line, _)| line).collect();
    }
}

#[test]
fn a_line_of_json_has_the_documented_fields_and_no_other() {
    let output = classify(&[&peers::root().join("fixtures/audio")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> = clips();
    assert_eq!(text.lines().count(), files.len(), "one line a file");
    let (mut revised, mut greetings, mut beeps, mut tones) = ([0, 0], [0, 0], [0, 0], [0, 0]);
    for (line, file) in text.lines().zip(&files) {
        // The order of the fields is the documented one too, for people who read it.
        let mut rest = line;
        for field in
            ["file", "verdict", "cause", "decided_at_ms", "revised", "greeting_end_ms", "beeps", "tones"]
        {
            let at = rest.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("no {field} in {line}"));
            rest = &rest[at..];
        }
        let report: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(report.as_object().unwrap().len(), 8, "{line}");
        assert_eq!(report["file"], file.to_str().unwrap());
        verdict(&report, "decided_at_ms");
        // Verdicts come within the deadline, revisions within their time after the verdict.
        assert!(ms(&report["decided_at_ms"]) <= 5_000, "{line}");
        if !report["revised"].is_null() {
            assert_eq!(report["revised"].as_object().unwrap().len(), 3, "{line}");
            verdict(&report["revised"], "at_ms");
            assert!(ms(&report["revised"]["at_ms"]) > ms(&report["decided_at_ms"]), "{line}");
        }
        if !report["greeting_end_ms"].is_null() {
            ms(&report["greeting_end_ms"]);
        }
        for beep in report["beeps"].as_array().unwrap() {
            assert_eq!(beep.as_object().unwrap().len(), 4, "{line}");
            let [start, told, end] = ["start_ms", "reported_at_ms", "end_ms"].map(|field| ms(&beep[field]));
            assert!(start < told && start < end, "{line}");
            assert!((300.0..3_400.0).contains(&beep["frequency_hz"].as_f64().unwrap()), "{line}");
        }
        for tone in report["tones"].as_array().unwrap() {
            assert!(tone["kind"].is_string() && ms(&tone["start_ms"]) < ms(&tone["at_ms"]), "{line}");
        }
        let seen = |list: &str| usize::from(!report[list].as_array().unwrap().is_empty());
        revised[usize::from(!report["revised"].is_null())] += 1;
        greetings[usize::from(!report["greeting_end_ms"].is_null())] += 1;
        beeps[seen("beeps")] += 1;
        tones[seen("tones")] += 1;
    }
    for both in [greetings, beeps, tones] {
        assert!(both[0] > 0 && both[1] > 0, "files with and without: {greetings:?} {beeps:?} {tones:?}");
    }
    assert!(revised[0] > 0);
}

#[test]
fn times_are_counted_from_the_start_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    // A beep from 2,000 to 2,400 ms behind a second of speech, and a hello that is followed by a long sentence.
    let read = |name: &str| wav::read(&std::fs::read(clip(name)).unwrap()).unwrap().samples;
    let speech = &read("machine-karen-beep.wav")[..8_000];
    let silence = |ms: usize| vec![0i16; ms * 8];
    let beep = tone(1_000.0, 0.4);
    let machine = [speech, &silence(1_000), &beep, &silence(1_000)].concat();
    let hello_then_sentence =
        [&read("human-yeah.wav")[..18_000], &read("machine-karen-beep.wav")[..40_000]].concat();
    for (name, samples) in [("a.wav", &machine), ("b.wav", &hello_then_sentence)] {
        std::fs::write(folder.path().join(name), wav::write(samples)).unwrap();
    }
    let output = classify(&[folder.path()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let reports = reports(&output);
    let [start, end] = ["start_ms", "end_ms"].map(|field| ms(&reports[0]["beeps"][0][field]));
    assert!(start.abs_diff(2_000) <= 20 && end.abs_diff(2_400) <= 20, "{}", reports[0]);
    assert_eq!(reports[1]["verdict"], "human", "{}", reports[1]);
    assert_eq!(reports[1]["revised"]["verdict"], "machine", "{}", reports[1]);
    let [decided, revised] = [&reports[1]["decided_at_ms"], &reports[1]["revised"]["at_ms"]].map(ms);
    assert!(decided < 2_250 && (2_250..decided + 3_000).contains(&revised), "{}", reports[1]);
}

#[test]
fn the_exit_status_tells_whether_every_file_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.wav");
    std::fs::write(&bad, "RIFF of laughter").unwrap();
    let good = clip("human-yeah.wav");
    let missing = folder.path().join("missing.wav");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (paths, status, lines, named) in [
        (vec![&good], 0, 1, None),
        (vec![&good, &good], 0, 2, None),
        (vec![&bad], 1, 0, Some(&bad)),
        (vec![&bad, &good], 1, 1, Some(&bad)),
        (vec![&missing, &good], 1, 1, Some(&missing)),
        (vec![&empty], 1, 0, Some(&empty)),
        (vec![], 2, 0, None),
    ] {
        let output = classify(&paths.iter().map(|path| path.as_path()).collect::<Vec<_>>());
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{paths:?}: {words}");
        assert_eq!(reports(&output).len(), lines, "{paths:?}");
        if let Some(path) = named {
            assert!(words.contains(path.to_str().unwrap()), "{path:?} is not named: {words}");
        }
    }
}

#[test]
fn a_person_who_says_hello_again_on_hold_and_then_talks_is_a_person_to_the_end() {
    let number = "+12025550101";
    let hello = wav::read(&std::fs::read(clip("human-word-bed.wav")).unwrap()).unwrap().samples;
    // The first hello ends at 1.1 s and is judged at 1.7 s; the second begins at 3.2 s, before the agent's first word.
    let twice: Samples = [&hello[..20_000], &hello].concat().into();
    let agent = Agent {
        extension: "600".to_owned(),
        ring: Duration::from_millis(1_900),
        talk: Duration::from_secs(5),
        marker: Marker::new(2),
    };
    let carrier = Runner::start(Instant::now(), 4, Rng::from_seed(7), |address, ports| {
        let mut options = carrier::Options::new(address, ports);
        let ring = Duration::from_millis(100);
        options.subscribers.insert(number, Subscriber { callee: speaker(twice), ring, fault: None });
        options.agents.push(agent);
        options
    });
    let carrier = carrier.expect("loopback has free ports");
    let mut outdial = Outdial::new();
    outdial.write_contacts("mu.csv", [number]);
    let tables = trunk_and_campaign("mu", carrier.address());
    let to_agent =
        format!("action = \"agent\"\nagent_uri = \"sip:600@{}\"\nagent_trunk = \"mu\"\n", carrier.address());
    outdial.configure(20.0, &tables.replace("action = \"message\"\nmessage = \"message.wav\"\n", &to_agent));
    outdial.start();
    outdial.wait_until_completed("mu", Duration::from_secs(40));
    let call = outdial.call_of(number);
    outdial.stop();
    let ledger = carrier.finish();
    assert_eq!(
        (&call["verdict"], &call["disposition"]),
        (&Value::from("human"), &Value::from("bridged")),
        "{call:#}"
    );
    assert!(call["revised_verdict"].as_str().unwrap_or_default().is_empty(), "{call:#}");
    // It was the agent who ended it, after the conversation.
    assert_eq!(call["ended_by"], "agent", "{call:#}");
    assert_eq!(ledger.entries().len(), 2, "one call to the callee, one to the agent");
}

/// Dials all lines in one run, each law a campaign of its own. Gives those whose record differs from the file's verdict, and
/// whether the engine itself says that it was held up.
fn dial(lines: &[Line]) -> (Vec<(Line, String)>, bool) {
    let carrier = Runner::start(Instant::now(), lines.len() + 4, Rng::from_seed(7), |address, ports| {
        let mut options = carrier::Options::new(address, ports);
        for line in lines {
            let samples = wav::read(&std::fs::read(&line.clip).unwrap()).unwrap().samples;
            let callee = speaker(samples.into());
            let subscriber = Subscriber { callee, ring: Duration::from_millis(100), fault: None };
            options.subscribers.insert(&line.number, subscriber);
        }
        options
    });
    let carrier = carrier.expect("loopback has free ports");
    let mut outdial = Outdial::new();
    outdial.write_audio("message.wav", &tone(850.0, MESSAGE_S));
    let campaigns: Vec<&str> = [(Law::Mu, "mu"), (Law::A, "a")]
        .into_iter()
        .filter_map(|(law, name)| {
            let numbers: Vec<&String> =
                lines.iter().filter(|line| line.law == law).map(|line| &line.number).collect();
            outdial.write_contacts(&format!("{name}.csv"), &numbers);
            (!numbers.is_empty()).then_some(name)
        })
        .collect();
    let tables: String = campaigns.iter().map(|name| trunk_and_campaign(name, carrier.address())).collect();
    outdial.configure(20.0, &tables);
    let configuration = outdial.configuration();
    outdial.write(
        "outdial.toml",
        &configuration.replace("[media]\n", &format!("[media]\njitter_ms = {JITTER_MS}\n")),
    );
    outdial.start();
    for campaign in &campaigns {
        outdial.wait_until_completed(campaign, Duration::from_secs(50));
    }
    let calls = outdial.calls();
    outdial.stop();
    carrier.finish();
    let log = std::fs::read_to_string(outdial.path("run.log")).unwrap();
    (differing(lines, &calls), log.contains("was held up"))
}

fn differing(lines: &[Line], calls: &[Value]) -> Vec<(Line, String)> {
    let mut differing = Vec::new();
    for line in lines {
        let of_line: Vec<&Value> =
            calls.iter().filter(|call| call["number"] == line.number.as_str()).collect();
        assert_eq!(of_line.len(), 1, "one attempt, one record: {line:?} {of_line:#?}");
        let call = of_line[0];
        let codec = if line.law == Law::Mu { "PCMU" } else { "PCMA" };
        assert_eq!(call["codec"], codec, "{call:#}");
        let live = [&call["verdict"], &call["revised_verdict"]].map(|word| word.as_str().unwrap_or_default());
        let file = [&line.said["verdict"], &line.said["revised"]["verdict"]]
            .map(|word| word.as_str().unwrap_or_default());
        if live != file {
            let (heard, cause) = (&call["packets_received"], &call["verdict_cause"]);
            let clip = line.clip.display();
            let words = format!(
                "{clip} by {codec}: live {live:?} ({cause}, {heard} packets), from the file {file:?} ({})",
                line.said["cause"]
            );
            differing.push((line.clone(), words));
        }
    }
    differing
}

fn trunk_and_campaign(name: &str, carrier: SocketAddr) -> String {
    let codec = if name == "mu" { "PCMU" } else { "PCMA" };
    format!(
        r#"[[trunk]]
name = "{name}"
host = "{carrier}"
channels_max = 100
calls_per_second_max = 10.0
codecs = ["{codec}"]

[[campaign]]
name = "{name}"
trunks = ["{name}"]
contacts = "{name}.csv"
caller_id = "+12025550199"
lines_max = 100
calls_per_minute = 6000.0
max_attempts = 1

{ALWAYS_OPEN}

[campaign.human]
action = "message"
message = "message.wav"

[campaign.unsure]
action = "hang_up"

"#
    )
}

/// Somebody who picks up, plays the clip once, and stays on the line.
fn speaker(clip: Samples) -> Callee {
    Callee::Person(Person {
        pause: Duration::ZERO,
        hello: clip,
        marker: Marker::new(1),
        patience: Duration::from_secs(60),
        temper: Temper::Talks,
    })
}

/// Every clip through either law, with a number of its own.
fn lines() -> Vec<Line> {
    let clips = clips();
    let reports = reports(&classify(&[&peers::root().join("fixtures/audio")]));
    assert_eq!(reports.len(), clips.len());
    let laws = [(Law::Mu, 100), (Law::A, 200)];
    laws.into_iter()
        .flat_map(|(law, first)| {
            clips.iter().zip(&reports).enumerate().map(move |(place, (clip, said))| Line {
                number: format!("+1202555{:04}", first + place),
                clip: clip.clone(),
                law,
                said: said.clone(),
            })
        })
        .collect()
}

fn classify(paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outdial"));
    command.args(["classify", "--json"]).args(paths).output().unwrap()
}

fn reports(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A verdict of the documented words, with a cause and a whole number of milliseconds.
fn verdict(report: &Value, time: &str) {
    const WORDS: [&str; 8] = ["human", "machine", "fax", "tone", "screening", "music", "silence", "unsure"];
    assert!(WORDS.contains(&report["verdict"].as_str().unwrap()), "{report}");
    assert!(!report["cause"].as_str().unwrap().is_empty(), "{report}");
    ms(&report[time]);
}

fn ms(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number of milliseconds"))
}

/// All clips, in the order of their names.
fn clips() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(peers::root().join("fixtures/audio")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    files
}

fn clip(name: &str) -> PathBuf {
    peers::root().join("fixtures/audio").join(name)
}

/// Watches how long this machine leaves a thread without the processor.
struct Watch {
    stop: Arc<AtomicBool>,
    longest_ms: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start() -> Watch {
        let (stop, longest_ms) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, longest) = (Arc::clone(&stop), Arc::clone(&longest_ms));
        let thread = std::thread::spawn(move || {
            let mut woke = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
                longest.fetch_max(woke.elapsed().as_millis() as u64, Ordering::Relaxed);
                woke = Instant::now();
            }
        });
        Watch { stop, longest_ms, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.longest_ms.load(Ordering::Relaxed)
    }
}
