//! Which detector a command measures, and with which settings.

use super::Failure;
use crate::amd::detector::Options;
use clap::Args;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The arguments that say so.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct DetectionArgs {
    /// Take the detector's settings from the [amd] table of this configuration
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one setting of [amd]; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The settings in force.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Settings {
    /// As the detector takes them.
    pub options: Options,
}

impl DetectionArgs {
    /// The defaults, then the configuration, then each `--set`.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let mut table = match &self.config {
            Some(file) => amd_table(file)?,
            None => Table::new(),
        };
        for set in &self.set {
            let (key, value) = pair(set)?;
            table.insert(key, value);
        }
        let options = table.try_into().map_err(|error: toml::de::Error| {
            Failure::Failed(format!("the detector's settings: {}", error.message()))
        })?;
        Ok(Settings { options })
    }
}

/// The rest of the configuration names trunks and files, which need not exist where recordings are judged.
fn amd_table(file: &Path) -> Result<Table, Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
    let mut config: Table =
        text.parse().map_err(|error: toml::de::Error| Failure::Failed(format!("{name}: {error}")))?;
    match config.remove("amd") {
        Some(Value::Table(table)) => Ok(table),
        Some(_) => Err(Failure::Failed(format!("{name}: `amd` is no table; write [amd]"))),
        None => Ok(Table::new()),
    }
}

/// `greeting_ms=2500`; a value that is no number, boolean or quoted text is taken as text.
fn pair(set: &str) -> Result<(String, Value), Failure> {
    let Some((key, value)) = set.split_once('=') else {
        return Err(Failure::Failed(format!("--set {set}: write KEY=VALUE, as in --set greeting_ms=2500")));
    };
    let (key, value) = (key.trim(), value.trim());
    let read = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    Ok((key.to_owned(), read.unwrap_or_else(|| Value::String(value.to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_the_configuration_and_the_command_line_wins() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let file = folder.path().join("outdial.toml");
        fs::write(&file, "[engine]\nwhatever = 1\n[amd]\ngreeting_ms = 1000\nwords_max = 4\n").unwrap();
        let args = DetectionArgs { config: Some(file), set: vec!["greeting_ms = 2500".into()] };
        let want = Options { greeting_ms: 2500, words_max: 4, ..Options::default() };
        assert_eq!(args.settings().unwrap().options, want);
        assert_eq!(DetectionArgs::default().settings().unwrap().options, Options::default());
    }

    #[test]
    fn what_is_no_setting_is_named() {
        for (set, want) in [
            ("greeting_ms", "write KEY=VALUE"),
            ("gretting_ms=1", "unknown field `gretting_ms`"),
            ("greeting_ms=soon", "invalid type: string \"soon\""),
        ] {
            let args = DetectionArgs { config: None, set: vec![set.into()] };
            match args.settings() {
                Err(Failure::Failed(text)) => assert!(text.contains(want), "{text}"),
                other => panic!("{set}: {other:?}"),
            }
        }
    }
}
