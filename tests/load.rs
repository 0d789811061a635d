//! `outdial load`, small: every call comes up and ends, nothing is left, and what is measured beside the engine does the same
//! work. What it costs is for quiet machines and is not looked at here.

use serde_json::Value;
use std::process::{Command, Output};

#[test]
fn signalling_is_measured_of_the_engine_and_of_the_user_agent_by_itself() {
    let said = measured(&["--signalling", "--rate", "20", "--calls", "60", "--against", "user-agent"]);
    assert_eq!((&said["lost"], &said["left_after_64_t1"]), (&0.into(), &0.into()), "{said}");
    let alone = &said["user_agent"];
    assert_eq!((&alone["lost"], &alone["left_after_64_t1"]), (&0.into(), &0.into()), "{said}");
    // A tick of the kernel's clock is 10 ms: of 60 calls something is seen.
    let cost = |of: &Value| of["cpu_ms_per_call"].as_f64().unwrap();
    assert!(0.0 < cost(alone) && cost(alone) < cost(&said), "{said}");
}

#[test]
fn the_user_agent_by_itself_overcomes_loss() {
    let lossy = ["--signalling", "--rate", "50", "--calls", "50", "--lose", "20", "--against", "user-agent"];
    let said = measured(&lossy);
    assert_eq!((&said["lost"], &said["user_agent"]["lost"]), (&0.into(), &0.into()), "{said}");
}

#[test]
fn calls_with_sound_are_measured_beside_bare_sockets() {
    let said = measured(&["--calls", "10", "--rate", "50", "--seconds", "2", "--against", "bare"]);
    let carried = said["carried"].as_array().unwrap();
    let who: Vec<&str> = carried.iter().map(|carried| carried["what"].as_str().unwrap()).collect();
    assert_eq!(who, ["outdial", "bare sockets"], "{said}");
    for carried in carried {
        assert!(carried["packets_heard"].as_u64() > Some(10 * 2 * 40), "{carried}");
        assert_eq!(carried["left"], 0, "{carried}");
    }
    assert!(said["ratios"]["outdial / bare sockets"].as_f64() > Some(1.0), "{said}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_can() {
    for (arguments, remedy) in [
        (&["--against", "user-agent"][..], "add --signalling"),
        (&["--signalling", "--against", "bare"], "take --against user-agent"),
        (&["--signalling", "--against", "user-agent", "--against", "asterisk"], "take --against user-agent"),
    ] {
        let output = load(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(remedy), "{arguments:?}: {said}");
    }
}

fn measured(arguments: &[&str]) -> Value {
    let output = load(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outdial")).arg("load").args(arguments).output().unwrap()
}
