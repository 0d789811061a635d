//! `[law]`: packs of rules of one's own, and do-not-call lists as somebody publishes them.

use super::{Config, Fault};
use crate::call::treatment::{HumanAction, MachineAction};
use crate::campaign::law::Pack;
use crate::campaign::law::pack::OWN_PACKS_MAX;
use crate::campaign::suppression::{List, Reach, Suppression};
use crate::io::lists;
use crate::number::Region;
use crate::time::WallTime;
use chrono::NaiveDate;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The most lists: each is read whole.
const LISTS_MAX: usize = 32;

/// The table.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LawSection {
    /// Folder of packs of one's own, `*.toml`; one with the id of a shipped pack takes its place.
    pub packs_dir: Option<PathBuf>,
    /// `[[law.do_not_call]]`.
    pub do_not_call: Vec<ListSection>,
}

/// One published list.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSection {
    /// What packs call it: `us-national`, `uk-tps`.
    pub kind: String,
    /// One number a line, or a CSV.
    pub file: PathBuf,
    /// When whoever publishes it made it, as `2026-11-01`; unset: when the file was last written.
    pub as_of: Option<String>,
    /// Which edition, for people.
    #[serde(default)]
    pub version: String,
    /// For numbers without a `+`.
    pub default_region: Option<Region>,
    /// Whose calls it forbids: `all`, `purpose:sales`, `campaign:spring`.
    #[serde(default = "everybody")]
    pub reach: String,
}

fn everybody() -> String {
    "all".to_owned()
}

impl LawSection {
    /// Joins the paths to the configuration's folder.
    pub fn join_paths(&mut self, join: impl Fn(&mut PathBuf)) {
        self.packs_dir.iter_mut().for_each(&join);
        self.do_not_call.iter_mut().for_each(|list| join(&mut list.file));
    }

    /// What is wrong without looking at a file: the key below `law`, and what to write instead.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if self.do_not_call.len() > LISTS_MAX {
            faults.push(("do_not_call".to_owned(), format!("at most {LISTS_MAX} lists: join some of them")));
        }
        for (i, list) in self.do_not_call.iter().enumerate() {
            let mut fault = |key: &str, text: String| faults.push((format!("do_not_call.{i}.{key}"), text));
            if let Some(text) = list.as_of.as_ref().filter(|text| text.parse::<NaiveDate>().is_err()) {
                fault("as_of", format!("{text:?} is no date: write it as \"2026-11-01\""));
            }
            if Reach::from_word(&list.reach).to_word() != list.reach {
                let text =
                    format!("{:?} is no reach: \"all\", \"purpose:sales\" or \"campaign:NAME\"", list.reach);
                fault("reach", text);
            }
        }
        faults
    }
}

impl Config {
    /// Gives each campaign the packs of one's own, and what its tables say of recordings.
    pub(super) fn take_packs(&mut self, folder: &Path, faults: &mut Vec<Fault>) {
        let own = match self.law.packs_dir.as_ref().map(|own| own_packs(&folder.join(own))) {
            Some(Err(text)) => return faults.push(Fault { line: self.line("law.packs_dir"), text }),
            Some(Ok(own)) => Arc::new(own),
            None => Arc::default(),
        };
        for campaign in &mut self.campaigns {
            campaign.rules.law.own = Arc::clone(&own);
            let treatment = &campaign.treatment;
            let speaks = treatment.human.action == HumanAction::Message
                || treatment.machine.action == MachineAction::Voicemail;
            campaign.rules.law.prerecorded.get_or_insert(speaks);
        }
    }
}

/// The packs of a folder, in the order of their files' names.
pub fn own_packs(folder: &Path) -> Result<Vec<Arc<Pack>>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > OWN_PACKS_MAX {
        return Err(format!("{} holds more than {OWN_PACKS_MAX} packs", folder.display()));
    }
    let mut packs: Vec<Arc<Pack>> = Vec::new();
    for path in files {
        let shown = path.display();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let pack = Pack::parse(&text).map_err(|error| format!("{shown}: {error}"))?;
        if packs.iter().any(|known| known.id == pack.id) {
            return Err(format!("{shown}: pack {:?} is there twice", pack.id));
        }
        packs.push(Arc::new(pack));
    }
    Ok(packs)
}

/// All lists, and what there is to say of them: their sizes, and rows that hold no number.
pub fn read_lists(config: &Config) -> Result<(Vec<List>, Vec<String>), Vec<Fault>> {
    let (mut lists, mut notes) = (Vec::new(), Vec::new());
    for (i, section) in config.law.do_not_call.iter().enumerate() {
        let (list, faults) = read_list(section)
            .map_err(|text| vec![Fault { line: config.line(&format!("law.do_not_call.{i}.file")), text }])?;
        let (file, count) = (section.file.display(), list.numbers.len());
        notes.push(format!("do-not-call list {} from {file}: {count} numbers", section.kind));
        notes.extend(faults);
        lists.push(list);
    }
    Ok((lists, notes))
}

/// A list read whole, and its rows that hold no number, a line each.
pub fn read_list(section: &ListSection) -> Result<(List, Vec<String>), String> {
    let as_of = match &section.as_of {
        Some(text) => midnight(text).ok_or_else(|| format!("{text:?} is no date"))?,
        None => written_at(&section.file)?,
    };
    let read = lists::do_not_call(&section.file, section.default_region)?;
    let mut numbers = Suppression::default();
    for number in &read.numbers {
        numbers.insert(number).map_err(|full| format!("{}: {full}", section.file.display()))?;
    }
    let reach = Reach::from_word(&section.reach);
    let (kind, version) = (section.kind.clone(), section.version.clone());
    Ok((List { kind, as_of, version, reach, numbers }, read.faults))
}

fn midnight(date: &str) -> Option<WallTime> {
    let date: NaiveDate = date.parse().ok()?;
    Some(WallTime::from_unix_ms(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()))
}

fn written_at(file: &Path) -> Result<WallTime, String> {
    let written = std::fs::metadata(file).and_then(|metadata| metadata.modified());
    let written = written.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(WallTime::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
