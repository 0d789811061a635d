//! The demo's folder: configuration, list and prompts, as a user would write them.

use crate::audio::wav;
use crate::cli::Failure;
use crate::sim::scenario::Scenario;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The campaign's name.
pub const CAMPAIGN: &str = "demo";

/// The folder, made when it is missing; it must not hold an earlier demo.
pub fn folder(wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match wanted {
        Some(folder) => folder.to_owned(),
        None => std::env::temp_dir().join(format!("outdial-demo-{}", std::process::id())),
    };
    if folder.join("outdial.db").exists() {
        let text = format!("{} holds an earlier demo: choose another --folder", folder.display());
        return Err(Failure::Failed(text));
    }
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::Failed(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder)
}

/// Writes everything and gives the configuration's path.
pub fn write(folder: &Path, scenario: &Scenario, carrier: SocketAddr) -> Result<PathBuf, Failure> {
    std::fs::write(folder.join("contacts.csv"), scenario.csv())?;
    for (name, samples) in [
        ("voicemail.wav", &scenario.message),
        ("sorry.wav", &scenario.safe_harbour),
        ("hold.wav", &scenario.hold),
    ] {
        std::fs::write(folder.join(name), wav::write(samples))?;
    }
    let path = folder.join("outdial.toml");
    std::fs::write(&path, configuration(carrier, &scenario.queue.name))?;
    Ok(path)
}

fn configuration(carrier: SocketAddr, queue: &str) -> String {
    format!(
        r#"# Written by `outdial demo`. The carrier was simulated and is gone; the rest is an ordinary configuration.

[engine]
calls_per_second_max = 5.0

[sip]
listen = "127.0.0.1:0"

[media]
listen = "127.0.0.1"

[[trunk]]
name = "carrier"
host = "{carrier}"
channels_max = 40
calls_per_second_max = 5.0

[[campaign]]
name = "{CAMPAIGN}"
trunks = ["carrier"]
contacts = "contacts.csv"
caller_id = "+12025550100"
lines_max = 16
calls_per_minute = 150.0
ring_timeout_s = 15
max_attempts = 1

[campaign.window]       # the callees are simulated and never sleep
zone = "UTC"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
start = "00:00"
end = "24:00"

[campaign.law]
packs = []              # nor does a law protect them

[campaign.human]
action = "agent"
agent_uri = "sip:{queue}@{carrier}"
agent_trunk = "carrier"
hold = "hold.wav"
safe_harbour = "sorry.wav"

[campaign.machine]
action = "voicemail"
message = "voicemail.wav"

[campaign.recording]
enabled = true
"#
    )
}

/// What to do after the demo.
pub fn what_next(folder: &Path, config: &Path) -> String {
    let mut text = String::new();
    let (folder, config) = (folder.display(), config.display());
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "
Everything is in {folder}
  configuration   {config}
  database        {folder}/outdial.db
  recordings      {folder}/recordings (left the callee, right us)

Next
  outdial export calls --config {config} --format csv
  outdial classify {folder}/recordings
  cp config/outdial.toml my.toml, fill in your trunk, then: outdial check --config my.toml
"
    );
    text
}
