//! Which detector a command measures, and with which settings.

use super::Failure;
use super::engine::EngineArgs;
use crate::amd::detector::Options;
use crate::amd::options::Engine;
use crate::io::{enrolled, model};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Values of one sweep.
const SWEEP_MAX: usize = 100;

/// The arguments that say so.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct DetectionArgs {
    /// Take the detector's settings from the [amd] table of this configuration
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one setting of [amd], such as patience_ms=2500 or asterisk.greeting=2000; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// The settings in force.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Settings {
    /// As the detector takes them.
    pub options: Options,
}

impl DetectionArgs {
    /// The defaults, over them the configuration, each `--set`, `--engine`, and each of `more`.
    pub fn settings(&self, more: &[String]) -> Result<Settings, Failure> {
        let mut table = match &self.config {
            Some(file) => amd_table(file)?,
            None => Table::new(),
        };
        for set in &self.set {
            merge(&mut table, setting(set)?);
        }
        let mut options = self.engine.apply(options(table)?).map_err(Failure::Failed)?;
        if !more.is_empty() {
            let mut table = Table::try_from(&options).expect("the settings are plain numbers and words");
            for set in more {
                merge(&mut table, setting(set)?);
            }
            options = self::options(table)?;
        }
        let folder = self.config.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        model::load(&mut options, folder).map_err(Failure::Failed)?;
        if let Some(prompts) = &options.prompts_dir {
            let fail = |faults: Vec<String>| Failure::Failed(faults.join("\n"));
            options.prompts = enrolled::load(&folder.join(prompts)).map_err(fail)?;
        }
        Ok(Settings { options })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::try_from(&self.options).map_err(|_| fmt::Error)?;
        if self.options.engine == Engine::Asterisk {
            // It heeds none of the others.
            let asterisk = table.remove("asterisk");
            table = asterisk.and_then(|own| own.try_into().ok()).ok_or(fmt::Error)?;
            f.write_str("engine = asterisk, ")?;
        } else {
            table.remove("asterisk");
        }
        let pairs: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        f.write_str(&pairs.join(", "))
    }
}

/// `patience_ms=1500,2000` as `patience_ms=1500` and `patience_ms=2000`.
pub fn values(sweep: &str) -> Result<Vec<String>, Failure> {
    let Some((key, values)) = sweep.split_once('=') else {
        let example = "write KEY=VALUE,VALUE..., as in --sweep patience_ms=1500,2000,2500";
        return Err(Failure::Failed(format!("--sweep {sweep}: {example}")));
    };
    let values: Vec<String> =
        values.split(',').map(|value| format!("{}={}", key.trim(), value.trim())).collect();
    if values.len() > SWEEP_MAX {
        return Err(Failure::Failed(format!("--sweep {key}: more than {SWEEP_MAX} values")));
    }
    Ok(values)
}

fn options(table: Table) -> Result<Options, Failure> {
    let fault =
        |error: toml::de::Error| Failure::Failed(format!("the detector's settings: {}", error.message()));
    table.try_into().map_err(fault)
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

/// `patience_ms=2500`; a value that is no number, boolean or quoted text is taken as text.
fn setting(set: &str) -> Result<Table, Failure> {
    let understood = set.split_once('=').and_then(|(key, value)| {
        let quoted = Value::String(value.trim().to_owned()).to_string();
        set.parse().or_else(|_| format!("{key} = {quoted}").parse()).ok()
    });
    let example = "write KEY=VALUE, as in --set patience_ms=2500";
    understood.ok_or_else(|| Failure::Failed(format!("--set {set}: {example}")))
}

/// What is new stands over what was there, table within table.
fn merge(table: &mut Table, new: Table) {
    for (key, value) in new {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::parameters::Parameters;

    #[test]
    fn settings_come_from_the_configuration_and_the_command_line_wins() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let file = folder.path().join("outdial.toml");
        fs::write(&file, "[engine]\nwhatever = 1\n[amd]\npatience_ms = 1000\nrevise_ms = 4\n").unwrap();
        let args = DetectionArgs {
            config: Some(file),
            set: vec!["patience_ms = 2500".into(), "asterisk.greeting=2000".into()],
            ..DetectionArgs::default()
        };
        let asterisk = Parameters { greeting: 2000, ..Parameters::default() };
        let want = Options { patience_ms: 2500, revise_ms: 4, asterisk, ..Options::default() };
        assert_eq!(args.settings(&[]).unwrap().options, want);
        assert_eq!(DetectionArgs::default().settings(&[]).unwrap().options, Options::default());
    }

    #[test]
    fn a_sweep_is_one_setting_with_several_values() {
        assert_eq!(values("patience_ms = 1500, 2000").unwrap(), ["patience_ms=1500", "patience_ms=2000"]);
        assert!(
            matches!(values("patience_ms"), Err(Failure::Failed(text)) if text.contains("write KEY=VALUE,VALUE"))
        );
        let args = DetectionArgs { set: vec!["patience_ms=1".into()], ..DetectionArgs::default() };
        let settings = args.settings(&["patience_ms=2".into()]).unwrap();
        assert!(settings.to_string().contains("patience_ms = 2, "), "{settings}");
        let settings = args.settings(&["engine=asterisk".into()]).unwrap();
        let told = settings.to_string();
        assert!(told.starts_with("engine = asterisk, ") && !told.contains("patience_ms"), "{told}");
    }

    #[test]
    fn what_is_no_setting_is_named() {
        for (set, want) in [
            ("patience_ms", "write KEY=VALUE"),
            ("patiense_ms=1", "unknown field `patiense_ms`"),
            ("patience_ms=soon", "invalid type: string \"soon\""),
        ] {
            let args = DetectionArgs { set: vec![set.into()], ..DetectionArgs::default() };
            match args.settings(&[]) {
                Err(Failure::Failed(text)) => assert!(text.contains(want), "{text}"),
                other => panic!("{set}: {other:?}"),
            }
        }
    }
}
