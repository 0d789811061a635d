//! The configuration file: read once, every fault with its line.
//!
//! Each section is deserialised by itself from the parsed document, so that one mistake does not hide the next, and the
//! document stays at hand to find the line of whatever turns out wrong later (a missing file, an unknown trunk).

mod agents;
mod caller_ids;
pub mod database;
pub mod law;
mod media;
mod retention;
mod sip;

use crate::agent;
use crate::amd;
use crate::call::treatment;
use crate::campaign;
use crate::engine::{caller_id, headers, trunk};
use crate::io::{model, resolver, trace};
use crate::store::Location;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use law::LawSection;
pub use media::{JitterOption, MediaSection};
pub use retention::RetentionSection;
pub use sip::{OneOrMany, SipSection};

/// The tables of a `[[campaign]]` that say what is done with whoever answers.
const TREATMENT_TABLES: [&str; 5] = ["human", "machine", "unsure", "opt_out", "recording"];

/// The longest name of a node, in bytes.
const NODE_NAME_MAX: usize = 64;

/// Everything that the file says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the file is; relative paths in it are relative to its folder.
    pub path: PathBuf,
    /// `[engine]`.
    pub engine: EngineSection,
    /// `[sip]`.
    pub sip: SipSection,
    /// `[media]`.
    pub media: MediaSection,
    /// `[amd]`.
    pub amd: amd::Options,
    /// `[trace]`.
    pub trace: trace::Section,
    /// `[retention]`.
    pub retention: RetentionSection,
    /// `[law]`.
    pub law: LawSection,
    /// `[[trunk]]`.
    pub trunks: Vec<trunk::Options>,
    /// `[[caller_id_pool]]`.
    pub caller_id_pools: Vec<caller_id::Options>,
    /// `[[agent]]`.
    pub agents: Vec<agent::Options>,
    /// `[[campaign]]`.
    pub campaigns: Vec<CampaignSection>,
    lines: Vec<(String, usize)>,
}

/// `[engine]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSection {
    /// A SQLite file, or a PostgreSQL server's URL.
    pub database: Location,
    /// The file with the server's password.
    pub database_password_file: Option<PathBuf>,
    /// The file of the key under which numbers are erased from a server: the same one on every node. A database that is a
    /// file has its key beside it.
    pub database_key_file: Option<PathBuf>,
    /// What this engine is called among the nodes of a server; the machine's name when unset.
    pub node: Option<String>,
    /// Folder for recorded calls.
    pub recordings: PathBuf,
    /// Calls at once, over all campaigns.
    pub lines_max: u32,
    /// Calls per second, over all campaigns.
    pub calls_per_second_max: f64,
    /// On SIGTERM: how long calls may go on.
    pub drain_s: u64,
    /// Unix socket for the operator's commands.
    pub control: PathBuf,
    /// False: nothing is dialed, by no campaign.
    pub dialing: bool,
}

impl Default for EngineSection {
    fn default() -> Self {
        EngineSection {
            database: Location::File("outdial.db".into()),
            database_password_file: None,
            database_key_file: None,
            node: None,
            recordings: "recordings".into(),
            lines_max: 200,
            calls_per_second_max: 10.0,
            drain_s: 60,
            control: "outdial.sock".into(),
            dialing: true,
        }
    }
}

/// `[[campaign]]`: the rules of dialing, and what is done with whoever answers.
#[derive(Clone, Debug)]
pub struct CampaignSection {
    /// Whom, when, how often.
    pub rules: campaign::Options,
    /// And then.
    pub treatment: treatment::Options,
}

/// Something is wrong in the file.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Fault {
    /// The line, counted from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// What, and what to do about it.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.text)
    }
}

/// The control socket that a file names, whatever else is wrong with it: a running engine must stay within reach while
/// somebody edits its configuration.
pub fn control_socket(path: &Path) -> Result<PathBuf, Vec<Fault>> {
    let text = read(path)?;
    let (document, _faults) = DeTable::parse_recoverable(&text);
    let named = document.get_ref().get("engine").and_then(|engine| match engine.get_ref() {
        DeValue::Table(engine) => engine.get("control")?.get_ref().as_str().map(PathBuf::from),
        _ => None,
    });
    Ok(path.parent().unwrap_or(Path::new("")).join(named.unwrap_or(EngineSection::default().control)))
}

fn read(path: &Path) -> Result<String, Vec<Fault>> {
    std::fs::read_to_string(path).map_err(|error| {
        let text =
            format!("cannot read {}: {error}; give the configuration with --config FILE", path.display());
        vec![Fault { line: 0, text }]
    })
}

impl Config {
    /// Reads and checks a file. Relative paths come out joined to the file's folder.
    pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
        Config::parse(path, &read(path)?)
    }

    /// As [`Config::load`], of text.
    pub fn parse(path: &Path, text: &str) -> Result<Config, Vec<Fault>> {
        let document = DeTable::parse(text).map_err(|error| vec![fault_of(text, &error)])?;
        let mut reader = Reader { text, faults: Vec::new(), lines: Vec::new() };
        reader.note_lines("", document.get_ref());
        let mut root = document.into_inner();
        let mut section = |name: &str| root.remove(name);
        let mut config = Config {
            path: path.to_owned(),
            engine: reader.table("engine", section("engine")),
            sip: reader.table("sip", section("sip")),
            media: reader.table("media", section("media")),
            amd: reader.table("amd", section("amd")),
            trace: reader.table("trace", section("trace")),
            retention: reader.table("retention", section("retention")),
            law: reader.table("law", section("law")),
            trunks: Vec::new(),
            caller_id_pools: Vec::new(),
            agents: Vec::new(),
            campaigns: Vec::new(),
            lines: Vec::new(),
        };
        for value in reader.array("caller_id_pool", section("caller_id_pool")) {
            config.caller_id_pools.extend(reader.read::<caller_id::Options>("[[caller_id_pool]]", value));
        }
        for value in reader.array("trunk", section("trunk")) {
            config.trunks.extend(reader.read::<trunk::Options>("[[trunk]]", value));
        }
        for value in reader.array("agent", section("agent")) {
            config.agents.extend(reader.read::<agent::Options>("[[agent]]", value));
        }
        for value in reader.array("campaign", section("campaign")) {
            config.campaigns.extend(reader.campaign(value));
        }
        for (key, value) in &root {
            let line = line_of(text, value.span().start);
            let text = format!(
                "[{}] is not known here: use [engine], [sip], [media], [amd], [trace], [retention], [law], [[trunk]], \
                 [[agent]], [[caller_id_pool]] or [[campaign]]",
                key.get_ref()
            );
            reader.faults.push(Fault { line, text });
        }
        config.lines = reader.lines;
        let mut faults = reader.faults;
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Err(text) = model::load(&mut config.amd, folder) {
            faults.push(Fault { line: config.line("amd.model_file"), text });
        }
        config.take_packs(folder, &mut faults);
        config.check(&mut faults);
        let engine = &config.engine;
        let password = engine.database_password_file.as_deref();
        let key = engine.database_key_file.as_deref();
        match database::settle(engine.database.clone(), password, key, path) {
            Ok(database) => config.engine.database = database,
            Err((key, text)) => faults.push(Fault { line: config.line(&format!("engine.{key}")), text }),
        }
        if faults.is_empty() {
            config.join_paths();
            Ok(config)
        } else {
            faults.sort();
            Err(faults)
        }
    }

    /// The line of a key such as `trunk.0.host`, or of the nearest table around it.
    pub fn line(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some((_, line)) = self.lines.iter().find(|(known, _)| known == key) {
                return *line;
            }
            match key.rfind('.') {
                Some(dot) => key = &key[..dot],
                None => return 0,
            }
        }
    }

    /// A path of the file, seen from its folder.
    pub fn join(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn join_paths(&mut self) {
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        join(&mut self.engine.recordings);
        join(&mut self.engine.control);
        self.amd.prompts_dir.iter_mut().for_each(join);
        let files = [&mut self.sip.ca_file, &mut self.sip.certificate_file, &mut self.sip.key_file];
        files.into_iter().flatten().for_each(join);
        self.trace.join_paths(join);
        self.law.join_paths(join);
        for trunk in &mut self.trunks {
            trunk.password_file.iter_mut().for_each(join);
            trunk.stir.iter_mut().for_each(|stir| join(&mut stir.key_file));
            let files = [&mut trunk.ca_file, &mut trunk.certificate_file, &mut trunk.key_file];
            files.into_iter().flatten().for_each(join);
        }
        for campaign in &mut self.campaigns {
            if !campaign.rules.contacts.as_os_str().is_empty() {
                join(&mut campaign.rules.contacts);
            }
            campaign.rules.list.iter_mut().for_each(|list| join(&mut list.file));
            campaign.rules.do_not_call.iter_mut().for_each(join);
            let treatment = &mut campaign.treatment;
            treatment.human.hold.iter_mut().for_each(join);
            treatment.human.whisper.iter_mut().for_each(join);
            treatment.human.safe_harbour.iter_mut().for_each(join);
            treatment.human.message.iter_mut().for_each(join);
            treatment.machine.message.iter_mut().for_each(join);
        }
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        let mut fault = |key: String, text: String| faults.push(Fault { line: self.line(&key), text });
        for (key, text) in self.sip.faults() {
            fault(format!("sip.{key}"), text);
        }
        for (key, text) in self.media.faults() {
            fault(format!("media.{key}"), text);
        }
        if self.media.port_min >= self.media.port_max {
            fault("media.port_min".into(), "port_min must be below port_max".into());
        }
        for (i, text) in self.sip.dns.iter().enumerate() {
            if resolver::server(text).is_none() {
                let text = format!("{text:?} is no DNS server: an address, with a port where it is not 53");
                fault(format!("sip.dns.{i}"), text);
            }
        }
        if self.media.threads == 0 || self.media.threads > 64 {
            fault("media.threads".into(), "threads must be between 1 and 64".into());
        }
        if self.media.jitter_min_ms > self.media.jitter_max_ms || self.media.jitter_max_ms > 200 {
            let text = "jitter_min_ms must not be above jitter_max_ms, nor that above 200".to_owned();
            fault("media.jitter_min_ms".into(), text);
        }
        if let Some(node) = &self.engine.node
            && (node.is_empty() || node.len() > NODE_NAME_MAX || node.contains(char::is_control))
        {
            fault("engine.node".into(), format!("{node:?} is no name: 1 to {NODE_NAME_MAX} characters"));
        }
        if self.engine.lines_max == 0 {
            fault("engine.lines_max".into(), "lines_max must be at least 1".into());
        }
        for (key, text) in self.retention.faults() {
            fault(format!("retention.{key}"), text);
        }
        for (key, text) in self.trace.faults() {
            fault(format!("trace.{key}"), text);
        }
        for (key, text) in self.law.faults() {
            fault(format!("law.{key}"), text);
        }
        for (i, trunk) in self.trunks.iter().enumerate() {
            if self.trunks[..i].iter().any(|other| other.name == trunk.name) {
                fault(format!("trunk.{i}.name"), format!("trunk {:?} is there twice", trunk.name));
            }
            for (key, text) in trunk.faults() {
                fault(format!("trunk.{i}.{key}"), text);
            }
        }
        self.check_pools(&mut fault);
        self.check_agents(&mut fault);
        for (i, campaign) in self.campaigns.iter().enumerate() {
            self.check_campaign(i, campaign, &mut fault);
            self.check_staffing(i, campaign, &mut fault);
        }
    }

    fn check_campaign(&self, i: usize, campaign: &CampaignSection, fault: &mut impl FnMut(String, String)) {
        let rules = &campaign.rules;
        if self.campaigns[..i].iter().any(|other| other.rules.name == rules.name) {
            fault(format!("campaign.{i}.name"), format!("campaign {:?} is there twice", rules.name));
        }
        let agent_trunk = campaign.treatment.human.agent_trunk.as_ref();
        let named = rules.trunks.iter().map(|name| ("trunks", name));
        for (key, name) in named.chain(agent_trunk.map(|name| ("human.agent_trunk", name))) {
            if !self.trunks.iter().any(|trunk| trunk.name == *name) {
                let text = format!("no [[trunk]] is called {name:?}");
                fault(format!("campaign.{i}.{key}"), text);
            }
        }
        for text in headers::faults(&rules.headers) {
            fault(format!("campaign.{i}.headers"), text);
        }
        for campaign::Fault { setting, message } in rules.faults() {
            fault(format!("campaign.{i}.{setting}"), format!("{setting}: {message}"));
        }
        for (key, text) in campaign.treatment.faults() {
            fault(format!("campaign.{i}.{key}"), text);
        }
    }
}

/// Goes through the document and gathers faults.
struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    lines: Vec<(String, usize)>,
}

impl<'t> Reader<'t> {
    fn note_lines(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            self.lines.push((path.clone(), line_of(self.text, key.span().start)));
            self.note_value(&path, value);
        }
    }

    fn note_value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.note_lines(path, table),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let path = format!("{path}.{i}");
                    self.lines.push((path.clone(), line_of(self.text, item.span().start)));
                    self.note_value(&path, item);
                }
            }
            _ => {}
        }
    }

    fn table<T: DeserializeOwned + Default>(&mut self, name: &str, value: Option<Spanned<DeValue<'t>>>) -> T {
        value.and_then(|value| self.read(&format!("[{name}]"), value)).unwrap_or_default()
    }

    fn array(&mut self, name: &str, value: Option<Spanned<DeValue<'t>>>) -> Vec<Spanned<DeValue<'t>>> {
        let Some(value) = value else { return Vec::new() };
        let line = line_of(self.text, value.span().start);
        match value.into_inner() {
            DeValue::Array(items) => items.into_iter().collect(),
            _ => {
                let text = format!("write [[{name}]] with double brackets: there may be several");
                self.faults.push(Fault { line, text });
                Vec::new()
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, name: &str, value: Spanned<DeValue<'t>>) -> Option<T> {
        let start = value.span().start;
        match T::deserialize(value.into_deserializer()) {
            Ok(read) => Some(read),
            Err(error) => {
                let mut fault = fault_of(self.text, &error);
                if error.span().is_none() {
                    fault.line = line_of(self.text, start);
                }
                fault.text = format!("{name} {}", fault.text);
                self.faults.push(fault);
                None
            }
        }
    }

    fn campaign(&mut self, value: Spanned<DeValue<'t>>) -> Option<CampaignSection> {
        let span = value.span();
        let DeValue::Table(mut rules) = value.into_inner() else {
            let text = "[[campaign]] must be a table".to_owned();
            self.faults.push(Fault { line: line_of(self.text, span.start), text });
            return None;
        };
        let mut treatment = DeTable::new();
        for name in TREATMENT_TABLES {
            if let Some((key, value)) = rules.remove_entry(name) {
                treatment.insert(key, value);
            }
        }
        let rules = self.read("[[campaign]]", Spanned::new(span.clone(), DeValue::Table(rules)));
        let treatment = self.read("[[campaign]]", Spanned::new(span, DeValue::Table(treatment)));
        Some(CampaignSection { rules: rules?, treatment: treatment? })
    }
}

fn fault_of(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map_or(0, |span| line_of(text, span.start));
    Fault { line, text: error.message().to_owned() }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[sip]
listen = "127.0.0.1:0"

[[trunk]]
name = "carrier"
host = "127.0.0.1:5080"

[[campaign]]
name = "spring"
trunks = ["carrier"]
contacts = "contacts.csv"
caller_id = "+12025550100"
[campaign.human]
action = "message"
message = "message.wav"
"#;

    fn parse(text: &str) -> Result<Config, Vec<Fault>> {
        Config::parse(Path::new("/etc/outdial/outdial.toml"), text)
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.engine.database.file(), Some(Path::new("/etc/outdial/outdial.db")));
        let message = config.campaigns[0].treatment.human.message.as_deref();
        assert_eq!(message, Some(Path::new("/etc/outdial/message.wav")));
    }

    #[test]
    fn every_fault_has_its_line() {
        let cases = [
            (GOOD.replace("name = \"carrier\"", "nome = \"carrier\""), 6, "nome"),
            (GOOD.replace("[\"carrier\"]", "[\"carier\"]"), 11, "carier"),
            (GOOD.replace("listen = \"127.0.0.1:0\"", "listen = \"here\""), 3, "address"),
            (GOOD.replace("[sip]", "[sipp]"), 2, "sipp"),
            (GOOD.replace("message = \"message.wav\"", ""), 14, "needs message"),
            (GOOD.replace("[[trunk]]", "[trunk]"), 5, "double brackets"),
            (GOOD.replace("name = \"carrier\"", "name = \"carrier\"\nsrtp = \"required\""), 7, "tls"),
            (GOOD.replace("name = \"carrier\"", "name = \"carrier\"\nsrtp = \"always\""), 7, "always"),
            (
                GOOD.replace("[sip]", "[media]\njitter = \"adaptive\"\njitter_min_ms = 150\n[sip]"),
                4,
                "jitter_max_ms",
            ),
            (GOOD.replace("[sip]", "[amd]\nengine = \"avmd\"\n[sip]"), 3, "avmd"),
            (
                GOOD.replace("[sip]", "[amd]\n[amd.asterisk]\narguments = \"2000|x\"\n[sip]"),
                3,
                "no whole number",
            ),
            (GOOD.replace("name = \"spring\"", "name = \"spring"), 10, ""),
        ];
        for (text, line, word) in cases {
            let faults = parse(&text).expect_err(word);
            assert!(
                faults.iter().any(|fault| fault.line == line && fault.text.contains(word)),
                "{word} on line {line} is not among {faults:?}"
            );
        }
    }

    #[test]
    fn the_control_socket_is_found_in_a_file_with_faults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outdial.toml");
        for (text, socket) in [
            ("[engine]\ncontrol = \"run/here.sock\"\nlines = 3\n", "run/here.sock"),
            ("[engine]\ncontrol = \"/run/here.sock\"\n\n[sip\nlisten = 3\n", "/run/here.sock"),
            ("[[engine]]\n", "outdial.sock"),
            ("", "outdial.sock"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(control_socket(&path), Ok(folder.path().join(socket)), "{text}");
        }
    }

    #[test]
    fn the_annotated_file_is_valid_and_holds_the_defaults() {
        let text = include_str!("../../config/outdial.toml");
        let config = parse(text).unwrap();
        let defaults = parse("").unwrap();
        assert_eq!(config.engine, defaults.engine);
        assert_eq!(config.sip, defaults.sip);
        assert_eq!(config.media, defaults.media);
        assert_eq!(config.amd, defaults.amd);
        assert_eq!(config.trace, defaults.trace);
    }

    #[test]
    fn the_annotated_trunk_and_campaign_are_valid_once_uncommented() {
        let text = include_str!("../../config/outdial.toml");
        let (head, tables) = text.split_once("# ---- one table a trunk").unwrap();
        let tables: String = tables
            .lines()
            .skip(1)
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| !line.starts_with("----"))
            .fold(String::new(), |text, line| text + line + "\n");
        let tables = tables.replace("\"pbx\"", "\"carrier\"");
        let config = parse(&format!("{head}\n{tables}")).unwrap();
        assert_eq!(config.trunks.len(), 1);
        assert_eq!(config.campaigns.len(), 1);
    }
}
