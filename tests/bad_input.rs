//! What people get wrong: each fault is one clear message that names the place, the exit status says so, and nothing is lost.

mod peers;

use peers::audio::tone;
use peers::outdial::Outdial;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Exit statuses of the command line.
const WENT_WRONG: i32 = 1;
const NOT_UNDERSTOOD: i32 = 2;
const CONFIGURATION_FAULTY: i32 = 3;

#[test]
fn a_command_line_that_is_not_understood_ends_with_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_outdial")).arg("dial-everybody").output().unwrap();
    says(&output, NOT_UNDERSTOOD, &["dial-everybody"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let outdial = Outdial::new();
    says(&outdial.command(&["check"]), CONFIGURATION_FAULTY, &["outdial.toml"]);
    says(&outdial.command(&["run"]), CONFIGURATION_FAULTY, &["outdial.toml"]);
}

#[test]
fn broken_toml_is_reported_with_its_line() {
    let outdial = Outdial::new();
    outdial.write("outdial.toml", "[engine]\nlines_max = 10\n\n[sip\nlisten = \"127.0.0.1:5060\"\n");
    for command in ["check", "run"] {
        says(&outdial.command(&[command]), CONFIGURATION_FAULTY, &["outdial.toml:4:"]);
    }
}

#[test]
fn a_misspelt_setting_and_a_value_out_of_its_range_are_reported_with_their_lines() {
    let outdial = Outdial::new();
    outdial.write("outdial.toml", "[engine]\nlines_maximum = 10\n");
    says(&outdial.command(&["check"]), CONFIGURATION_FAULTY, &["outdial.toml:2:", "lines_maximum"]);
    let faulty = configuration(&outdial, "127.0.0.1:9").replace("ring_timeout_s = 15", "ring_timeout_s = 5");
    outdial.write("outdial.toml", &faulty);
    let line = 1 + faulty.lines().position(|line| line == "ring_timeout_s = 5").unwrap();
    let place = format!("outdial.toml:{line}:");
    says(&outdial.command(&["check"]), CONFIGURATION_FAULTY, &[&place, "ring_timeout_s", "15"]);
}

#[test]
fn a_wav_file_that_is_none_is_named_with_the_line_that_asks_for_it() {
    let outdial = ready();
    outdial.write("message.wav", "RIFF of laughter");
    let line =
        1 + outdial.configuration().lines().position(|line| line == "message = \"message.wav\"").unwrap();
    let place = format!("outdial.toml:{line}:");
    says(&outdial.command(&["check", "--offline"]), WENT_WRONG, &[&place, "message.wav"]);
    says(&outdial.command(&["run"]), CONFIGURATION_FAULTY, &[&place, "message.wav"]);
}

#[test]
fn every_bad_row_of_a_list_is_reported_by_its_line_and_the_good_ones_are_kept() {
    let mut outdial = ready();
    let list = std::fs::read_to_string(peers::root().join("fixtures/contacts/bad.csv")).unwrap();
    outdial.write("contacts.csv", &list);

    let output = outdial.command(&["check", "--offline"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let bad: Vec<usize> = (3..=17).collect();
    for line in &bad {
        let named = |row: &str| row.contains("contacts.csv") && row.contains(&format!("line {line}"));
        assert!(report.lines().any(named), "no word on line {line} of the list:\n{report}");
    }
    assert!(report.contains(&format!("{} rows skipped", bad.len())), "{report}");

    outdial.start();
    let kept: Vec<String> =
        outdial.contacts().iter().map(|c| c["number"].as_str().unwrap().to_string()).collect();
    outdial.stop();
    assert_eq!(kept, ["+12025550110", "+12025550111"], "the first row and the last");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let outdial = ready();
    let config = outdial.path("outdial.toml");
    for form in [&[][..], &["--json"]] {
        let mut check = Command::new(env!("CARGO_BIN_EXE_outdial"));
        check.args(["check", "--offline", "--config", config.to_str().unwrap()]).args(form);
        let mut check = check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(check.stdout.take());
        let output = check.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_trunk_that_does_not_answer_is_named_by_the_check() {
    let outdial = ready();
    let output = outdial.command(&["check"]);
    says(&output, WENT_WRONG, &["trunk carrier does not answer OPTIONS", "outdial.toml:"]);
}

#[test]
fn a_used_port_is_named_and_nothing_is_started() {
    let outdial = ready();
    let udp = UdpSocket::bind((outdial.address(), 5060)).unwrap();
    for command in [&["check", "--offline"][..], &["run"]] {
        let output = outdial.command(command);
        assert!(!output.status.success());
        says(&output, output.status.code().unwrap(), &[&format!("{}:5060", outdial.address())]);
    }
    drop(udp);
    let _tcp = TcpListener::bind((outdial.address(), 5060)).unwrap();
    let output = outdial.command(&["run"]);
    assert!(!output.status.success());
    says(&output, output.status.code().unwrap(), &[&format!("{}:5060", outdial.address())]);
}

#[test]
fn a_database_that_cannot_be_written_is_named_and_nothing_is_dialed() {
    let outdial = ready();
    // A folder in its place cannot be opened whoever asks, root included.
    std::fs::create_dir(outdial.path("outdial.db")).unwrap();
    for command in [&["check", "--offline"][..], &["run"]] {
        let output = outdial.command(command);
        assert!(!output.status.success());
        says(&output, output.status.code().unwrap(), &["outdial.db"]);
    }
}

#[test]
fn a_database_without_its_write_bit_is_named_and_nothing_is_dialed() {
    let outdial = ready();
    says(&outdial.command(&["check", "--offline"]), 0, &[]);
    std::fs::set_permissions(outdial.path("outdial.db"), std::fs::Permissions::from_mode(0o400)).unwrap();
    says(&outdial.command(&["check", "--offline"]), WENT_WRONG, &["outdial.db is read-only", "chmod u+w"]);
    says(&outdial.command(&["run"]), CONFIGURATION_FAULTY, &["outdial.db is read-only", "chmod u+w"]);
}

#[test]
fn a_database_on_a_read_only_file_system_is_named_and_nothing_is_dialed() {
    let outdial = ready();
    says(&outdial.command(&["check", "--offline"]), 0, &[]);
    for (command, status) in [(&["check", "--offline"][..], WENT_WRONG), (&["run"], CONFIGURATION_FAULTY)] {
        let output = with_read_only(&outdial.path("outdial.db"), &outdial, command);
        if output.status.code() == Some(NO_MOUNTS) {
            eprintln!("not run: this machine lets us make no mounts of our own (unshare --mount)");
            return;
        }
        says(&output, status, &["outdial.db is read-only"]);
    }
}

/// Ends the shell below where a container forbids what it needs.
const NO_MOUNTS: i32 = 97;

/// Runs a command in a mount namespace of its own, in which one file lies on a read-only file system: not even root can
/// write it there, whatever its mode.
fn with_read_only(file: &Path, outdial: &Outdial, command: &[&str]) -> Output {
    const SCRIPT: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 97; exec "$@""#;
    let mut unshare = Command::new("unshare");
    // Whoever is not root becomes it inside a user namespace.
    unshare.args(["--user", "--map-root-user", "--mount"]);
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        unshare = Command::new("unshare");
        unshare.arg("--mount");
    }
    let output = unshare
        .args(["--", "sh", "-c", SCRIPT])
        .arg(file)
        .args(["timeout", "30", env!("CARGO_BIN_EXE_outdial")])
        .args(command)
        .arg("--config")
        .arg(outdial.path("outdial.toml"))
        .output();
    match output {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("unshare: ") => output,
        _ => Command::new("sh").args(["-c", &format!("exit {NO_MOUNTS}")]).output().unwrap(),
    }
}

#[test]
fn strangers_who_connect_by_tcp_are_closed_and_do_not_crowd_the_trunks_out() {
    let mut outdial = ready();
    outdial.start();
    // More than the connections that are held at once.
    for _ in 0..300 {
        let mut stranger = TcpStream::connect((outdial.address(), 5060)).unwrap();
        stranger.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        match stranger.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("a stranger's connection stays open: {other:?}"),
        }
    }
    outdial.stop();
}

#[test]
fn a_number_that_the_operator_names_does_not_reach_the_log() {
    let mut outdial = ready();
    outdial.start();
    says(&outdial.command(&["suppress", "+12025550147"]), 0, &[]);
    outdial.stop();
    let log = std::fs::read_to_string(outdial.path("run.log")).unwrap();
    assert!(log.contains("the operator asked: suppress") && !log.contains("2025550147"), "{log}");
}

#[test]
fn a_status_without_an_engine_says_how_to_start_one() {
    let outdial = ready();
    says(&outdial.command(&["status"]), WENT_WRONG, &["outdial run"]);
}

/// The exit status is `status`, every one of `words` is in what was printed, and it is no panic.
fn says(output: &Output, status: i32, words: &[&str]) {
    let printed = [&output.stdout[..], &output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert_eq!(output.status.code(), Some(status), "{printed}");
    assert!(!printed.contains("panicked"), "{printed}");
    for word in words {
        assert!(printed.contains(word), "no word of {word:?} in:\n{printed}");
    }
}

/// A folder in which all is well, but for a trunk that nobody answers at.
fn ready() -> Outdial {
    let outdial = Outdial::new();
    outdial.write_contacts("contacts.csv", ["+12025550110"]);
    outdial.write_audio("message.wav", &tone(850.0, 0.5));
    let nobody = format!("{}:5060", peers::own_address());
    outdial.write("outdial.toml", &configuration(&outdial, &nobody));
    outdial
}

fn configuration(outdial: &Outdial, trunk: &str) -> String {
    let address = outdial.address();
    format!(
        r#"[engine]
database = "outdial.db"

[sip]
listen = "{address}:5060"

[media]
listen = "{address}"

[[trunk]]
name = "carrier"
host = "{trunk}"

[[campaign]]
name = "spring"
trunks = ["carrier"]
contacts = "contacts.csv"
default_region = "US"
caller_id = "+12025550199"
autostart = false
ring_timeout_s = 15

[campaign.human]
action = "message"
message = "message.wav"
"#
    )
}
