//! The unit file in `config/`: shut in, and in step with what the engine does.

#[path = "peers/mod.rs"]
mod peers;

use std::path::Path;
use std::process::Command;

/// The highest exposure that the unit may have; systemd's scale goes from 0 (none) to 10.
const EXPOSURE_MAX: f64 = 1.5;

#[test]
fn the_unit_is_hardened_by_systemds_own_measure() {
    if !peers::installed() {
        return;
    }
    let exposure = exposure(&unit_path()).unwrap();
    assert!(exposure <= EXPOSURE_MAX, "exposure {exposure}, at most {EXPOSURE_MAX} is allowed");
}

#[test]
fn the_measure_tells_an_open_unit_from_a_shut_one() {
    if !peers::installed() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let open = scratch.path().join("open.service");
    std::fs::write(&open, "[Service]\nExecStart=/bin/true\n").unwrap();
    assert!(exposure(&open).unwrap() > 9.0);
}

#[test]
fn the_unit_starts_reloads_and_drains_the_engine_as_its_commands_do() {
    let unit = std::fs::read_to_string(unit_path()).unwrap();
    let value = |key: &str| {
        unit.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("the unit has no {key}"))
    };
    assert_eq!(value("Type="), "notify");
    assert_eq!(value("ExecStart="), "/usr/bin/outdial run --config /etc/outdial/outdial.toml");
    assert_eq!(value("ExecReload="), "/bin/kill -HUP $MAINPID");
    assert!(value("WatchdogSec=").parse::<u32>().unwrap() >= 10);

    let config: toml::Table =
        std::fs::read_to_string(root().join("config/outdial.toml")).unwrap().parse().unwrap();
    let drain_s = config["engine"]["drain_s"].as_integer().unwrap();
    let stop_s: i64 = value("TimeoutStopSec=").parse().unwrap();
    // After the time to drain a BYE is repeated for 32 s.
    assert!(stop_s >= drain_s + 40, "systemd kills after {stop_s} s what drains for {drain_s} s");
}

/// The exposure that `systemd-analyze security` gives the unit, without systemd having to run.
fn exposure(unit: &Path) -> Result<f64, String> {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .output()
        .map_err(|e| format!("systemd-analyze: {e}"))?;
    let report = String::from_utf8_lossy(&output.stdout);
    report
        .lines()
        .find_map(|line| {
            line.split_once("Overall exposure level for ")?.1.split_whitespace().nth(1)?.parse().ok()
        })
        .ok_or(format!("no exposure in the report: {report}{}", String::from_utf8_lossy(&output.stderr)))
}

fn unit_path() -> std::path::PathBuf {
    root().join("config/outdial.service")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
