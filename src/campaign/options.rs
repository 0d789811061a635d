//! The `[[campaign]]` table of the configuration, but for the tables of the treatment.
//!
//! It can be flattened beside those: it has no flattened part of its own and names all its fields.

use super::law;
use super::pacing::{Dialing, Mode};
use super::retry::{self, Retry, Rules};
use super::window::Window;
use crate::disposition::Disposition;
use crate::number::Region;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The least ring time-out (47 CFR 64.1200(a)(6): 15 seconds or four rings).
pub const RING_TIMEOUT_S_MIN: u32 = 15;

/// The most of it: by then every network has given up.
pub const RING_TIMEOUT_S_MAX: u32 = 180;

/// The longest name of a campaign.
pub const NAME_BYTES_MAX: usize = 64;

/// The most lines of one campaign.
pub const LINES_MAX: u32 = 10_000;

/// The fastest pace of one campaign: a hundred calls a second.
pub const CALLS_PER_MINUTE_MAX: f64 = 6_000.0;

/// Contacts are claimed ahead for so many dials a minute where agents, not a pace, set the number.
const AHEAD_PER_MINUTE: f64 = 600.0;

/// The most attempts on one contact.
pub const ATTEMPTS_MAX: u32 = 100;

/// The longest delay and gap: a year.
pub const DELAY_MIN_MAX: u32 = 366 * 24 * 60;

/// How a campaign dials.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Its name: in records, reports and commands.
    pub name: String,
    /// The names of the trunks that may carry it.
    pub trunks: Vec<String>,
    /// The contact list, imported at start; the short form of one [`List`].
    #[serde(default)]
    pub contacts: PathBuf,
    /// Several lists, mixed by weight.
    #[serde(default)]
    pub list: Vec<List>,
    /// Who of them is dialed first.
    #[serde(default)]
    pub order: Order,
    /// For numbers without a `+`; without it they are refused.
    #[serde(default)]
    pub default_region: Option<Region>,
    /// A do-not-call list, added to the store's at start.
    #[serde(default)]
    pub do_not_call: Option<PathBuf>,
    /// The number shown to callees, or `pool:NAME`.
    #[serde(default)]
    pub caller_id: String,
    /// The pool that the number shown is chosen from.
    #[serde(default)]
    pub caller_id_pool: Option<String>,
    /// Further headers of its INVITEs, with variables; what they may be is the engine's to say.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether it runs without being told to.
    #[serde(default = "defaults::autostart")]
    pub autostart: bool,
    /// Calls to callees at once.
    #[serde(default = "defaults::lines_max")]
    pub lines_max: u32,
    /// The pace.
    #[serde(default = "defaults::calls_per_minute")]
    pub calls_per_minute: f64,
    /// How long a phone rings, in seconds.
    #[serde(default = "defaults::ring_timeout_s")]
    pub ring_timeout_s: u32,
    /// The most attempts on one contact.
    #[serde(default = "defaults::max_attempts")]
    pub max_attempts: u32,
    /// The least time between two attempts on one number, in minutes.
    #[serde(default = "defaults::attempt_gap_min")]
    pub attempt_gap_min: u32,
    /// The longest call, in seconds.
    #[serde(default = "defaults::call_duration_max_s")]
    pub call_duration_max_s: u32,
    /// By which law it dials.
    #[serde(default)]
    pub dialing: Dialing,
    /// After these outcomes a contact is dialed again only with an agent kept for them.
    #[serde(default)]
    pub guaranteed_agent_after: Vec<Disposition>,
    /// When it may dial.
    #[serde(default)]
    pub window: Window,
    /// By which law, beside all of these, it may dial.
    #[serde(default)]
    pub law: law::options::Options,
    /// When it tries again, by outcome.
    #[serde(default = "retry::default_rules")]
    pub retry: Rules,
}

/// One `[[campaign.list]]` table.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The file.
    pub file: PathBuf,
    /// Its share among lists of the same priority.
    #[serde(default = "defaults::one")]
    pub weight: u32,
    /// Lower ones are dialed first, as long as they have somebody who is due.
    #[serde(default = "defaults::one")]
    pub priority: u32,
}

/// `[campaign.order]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// Of those never tried.
    pub fresh: Fresh,
    /// Those that wait for another attempt, as soon as that is due.
    pub retries: Retries,
}

/// Which of those never tried goes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fresh {
    /// As the lists have them.
    #[default]
    OldestFirst,
    /// The last that came in.
    NewestFirst,
}

/// When retries go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retries {
    /// When nobody is left who was never tried.
    #[default]
    Last,
    /// Before those never tried.
    First,
}

/// The largest weight and priority of a list.
pub const SHARE_MAX: u32 = 1_000;

mod defaults {
    pub fn one() -> u32 {
        1
    }
    pub fn autostart() -> bool {
        true
    }
    pub fn lines_max() -> u32 {
        10
    }
    pub fn calls_per_minute() -> f64 {
        30.0
    }
    pub fn ring_timeout_s() -> u32 {
        25
    }
    pub fn max_attempts() -> u32 {
        3
    }
    pub fn attempt_gap_min() -> u32 {
        60
    }
    pub fn call_duration_max_s() -> u32 {
        3_600
    }
}

/// A setting that cannot stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The setting, as written in the campaign's table.
    pub setting: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

impl Options {
    /// The least time between two attempts on one number.
    pub fn attempt_gap(&self) -> Duration {
        Duration::from_secs(u64::from(self.attempt_gap_min) * 60)
    }

    /// All its lists, the short form first.
    pub fn lists(&self) -> Vec<List> {
        let short = (!self.contacts.as_os_str().is_empty()).then(|| List {
            file: self.contacts.clone(),
            weight: 1,
            priority: 1,
        });
        short.into_iter().chain(self.list.iter().cloned()).collect()
    }

    /// The pool of its caller ids, when it has one.
    pub fn pool(&self) -> Option<&str> {
        self.caller_id_pool.as_deref().or(self.caller_id.strip_prefix("pool:"))
    }

    /// The retry rules with their caps.
    pub fn retry(&self) -> Retry {
        Retry { rules: self.retry.clone(), max_attempts: self.max_attempts, attempt_gap: self.attempt_gap() }
    }

    /// All faults that can be seen without a file or a network. A campaign may be made only of options without any.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Faults(Vec::new());
        self.check_names(&mut faults);
        self.check_numbers(&mut faults);
        self.check_window(&mut faults);
        self.check_retry(&mut faults);
        for (setting, remedy) in self.dialing.faults() {
            faults.0.push(Fault { setting: format!("dialing.{setting}"), message: remedy });
        }
        for (setting, remedy) in self.law.faults() {
            faults.0.push(Fault { setting: format!("law.{setting}"), message: remedy });
        }
        faults.0
    }

    /// For how many dials a minute contacts are claimed ahead.
    pub fn supply_per_minute(&self) -> f64 {
        if self.dialing.mode == Mode::Paced { self.calls_per_minute } else { AHEAD_PER_MINUTE }
    }

    fn check_names(&self, faults: &mut Faults) {
        let name_is_plain = self.name.chars().all(|c| c.is_alphanumeric() || "-_. ".contains(c));
        let fits = !self.name.trim().is_empty() && self.name.len() <= NAME_BYTES_MAX;
        faults.unless(name_is_plain && fits, "name", || {
            format!("write 1 to {NAME_BYTES_MAX} letters, digits, blanks, '-', '_' or '.'")
        });
        faults.unless(!self.trunks.is_empty(), "trunks", || "name at least one [[trunk]]".into());
        faults.unless(!self.lists().is_empty(), "contacts", || {
            "name a CSV file, or several in [[campaign.list]] tables".into()
        });
        for (i, list) in self.list.iter().enumerate() {
            faults.unless(!list.file.as_os_str().is_empty(), &format!("list.{i}.file"), || {
                "name a file".into()
            });
            faults.within(&format!("list.{i}.weight"), list.weight, 1, SHARE_MAX);
            faults.within(&format!("list.{i}.priority"), list.priority, 1, SHARE_MAX);
        }
        let pooled = self.pool().is_some_and(|name| !name.trim().is_empty());
        let both = self.caller_id_pool.is_some() && !self.caller_id.is_empty();
        faults.unless(!both, "caller_id", || "give either caller_id or caller_id_pool, not both".into());
        let digits = self.caller_id.strip_prefix('+').unwrap_or(&self.caller_id);
        let dialable = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        faults.unless(dialable || pooled, "caller_id", || {
            "write the number that callees see and can ring back, such as \"+12025550100\", or \"pool:NAME\"".into()
        });
    }

    fn check_numbers(&self, faults: &mut Faults) {
        faults.within("lines_max", self.lines_max, 1, LINES_MAX);
        let pace = self.calls_per_minute;
        faults.unless((0.01..=CALLS_PER_MINUTE_MAX).contains(&pace), "calls_per_minute", || {
            format!("{pace} must be between 0.01 and {CALLS_PER_MINUTE_MAX}")
        });
        let ring = self.ring_timeout_s;
        faults.unless(ring >= RING_TIMEOUT_S_MIN, "ring_timeout_s", || {
            format!(
                "{ring} is too short: a phone must ring at least {RING_TIMEOUT_S_MIN} seconds (47 CFR 64.1200(a)(6))"
            )
        });
        faults.unless(ring <= RING_TIMEOUT_S_MAX, "ring_timeout_s", || {
            format!("{ring} must be at most {RING_TIMEOUT_S_MAX}")
        });
        faults.within("max_attempts", self.max_attempts, 1, ATTEMPTS_MAX);
        faults.within("attempt_gap_min", self.attempt_gap_min, 0, DELAY_MIN_MAX);
        faults.within("call_duration_max_s", self.call_duration_max_s, 10, 24 * 3_600);
    }

    fn check_window(&self, faults: &mut Faults) {
        faults.unless(!self.window.days.is_empty(), "window.days", || {
            "name at least one day, such as \"mon\"".into()
        });
        faults.unless(self.window.start < self.window.end, "window.start", || {
            "must be before window.end; a window does not reach over midnight".into()
        });
    }

    fn check_retry(&self, faults: &mut Faults) {
        for (disposition, rule) in &self.retry {
            let setting = format!("retry.{disposition}");
            faults.unless(!retry::FINAL.contains(disposition), &setting, || {
                "this outcome is final, nobody is rung again after it: remove the table".into()
            });
            faults.within(&format!("{setting}.delay_min"), rule.delay_min, 0, DELAY_MIN_MAX);
            faults.within(&format!("{setting}.max"), rule.max, 1, ATTEMPTS_MAX);
            faults.within(&format!("{setting}.spread_min"), rule.spread_min, 0, DELAY_MIN_MAX);
        }
    }
}

struct Faults(Vec<Fault>);

impl Faults {
    fn unless(&mut self, holds: bool, setting: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Fault { setting: setting.to_owned(), message: message() });
        }
    }

    fn within(&mut self, setting: &str, value: u32, min: u32, max: u32) {
        self.unless((min..=max).contains(&value), setting, || {
            format!("{value} must be between {min} and {max}")
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = options("");
        assert_eq!(options.faults(), []);
        assert_eq!((options.autostart, options.lines_max, options.calls_per_minute), (true, 10, 30.0));
        assert_eq!((options.ring_timeout_s, options.max_attempts, options.attempt_gap_min), (25, 3, 60));
        assert_eq!((options.call_duration_max_s, options.default_region), (3_600, None));
        assert_eq!(options.window, Window::default());
        assert_eq!(options.retry, retry::default_rules());
    }

    #[test]
    fn the_table_of_the_shipped_configuration_reads_and_states_the_defaults() {
        let shipped = include_str!("../../config/outdial.toml");
        let table = shipped.split("# [[campaign]]").nth(1).expect("a campaign table");
        let mut kept = Vec::new();
        let mut section = "";
        for line in table.lines().map(|line| line.trim_start_matches("# ").trim_start_matches('#')) {
            if line.starts_with('[') {
                section = line.split(']').next().unwrap().trim_start_matches('[');
                if is_ours(section) {
                    kept.push(line.replacen("[campaign.", "[", 1));
                }
            } else if section.is_empty() || is_ours(section) {
                kept.push(line.to_owned());
            }
        }
        let read: Options = toml::from_str(&kept.join("\n")).unwrap();
        assert_eq!(read.faults(), []);
        let bare = options(
            "default_region = \"US\"\ndo_not_call = \"do-not-call.csv\"\n[law]\npurpose = \"sales\"\nprerecorded = false",
        );
        assert_eq!(read, bare);
    }

    fn is_ours(section: &str) -> bool {
        ["campaign.window", "campaign.law", "campaign.retry", "campaign.order"]
            .iter()
            .any(|ours| section.starts_with(ours))
    }

    #[test]
    fn each_fault_names_its_setting_and_the_remedy() {
        for (text, expected) in [
            ("ring_timeout_s = 14", "ring_timeout_s: 14 is too short: a phone must ring at least 15 seconds"),
            ("ring_timeout_s = 600", "ring_timeout_s: 600 must be at most 180"),
            ("lines_max = 0", "lines_max: 0 must be between 1 and 10000"),
            ("calls_per_minute = 0.0", "calls_per_minute: 0 must be between 0.01 and 6000"),
            ("calls_per_minute = nan", "calls_per_minute: NaN must be"),
            ("max_attempts = 0", "max_attempts: 0 must be between 1 and 100"),
            ("call_duration_max_s = 1", "call_duration_max_s: 1 must be between 10 and 86400"),
            ("[window]\ndays = []", "window.days: name at least one day"),
            ("[window]\nstart = \"20:00\"", "window.start: must be before window.end"),
            ("[retry.bridged]\ndelay_min = 1\nmax = 1", "retry.bridged: this outcome is final"),
            ("[retry.busy]\ndelay_min = 1\nmax = 0", "retry.busy.max: 0 must be between 1 and 100"),
            ("[[list]]\nfile = \"a.csv\"\nweight = 0", "list.0.weight: 0 must be between 1 and 1000"),
            ("[[list]]\nfile = \"\"", "list.0.file: name a file"),
        ] {
            let faults = options(text).faults();
            let printed = faults.first().map(ToString::to_string).unwrap_or_default();
            assert!(printed.starts_with(expected), "{text}: {printed}");
        }
        let nameless =
            Options { name: "a/b".into(), trunks: vec![], caller_id: "me\r\n".into(), ..options("") };
        let settings: Vec<_> = nameless.faults().into_iter().map(|fault| fault.setting).collect();
        assert_eq!(settings, ["name", "trunks", "caller_id"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_remedy() {
        for (text, expected) in [
            ("default_region = \"XX\"", "ISO 3166"),
            ("lines = 3", "unknown field"),
            ("[window]\nzone = \"Mars/Base\"", "IANA name"),
            ("[window]\nstart = \"9\"", "no time of day"),
            ("[window]\ndays = [\"monday\"]", "unknown variant"),
            ("[retry.nobody]\ndelay_min = 1\nmax = 1", "unknown variant"),
            ("[retry.busy]\ndelay_min = 1", "missing field"),
        ] {
            let error = toml::from_str::<Options>(&with(text)).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn it_can_be_flattened_beside_other_tables_which_still_refuse_unknown_ones() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            #[serde(flatten)]
            options: Options,
            human: toml::Table,
        }
        let whole: Whole =
            toml::from_str(&with("[retry.busy]\ndelay_min = 5\nmax = 2\n[human]\na = 1")).unwrap();
        assert_eq!(whole.options.retry[&Disposition::Busy].delay_min, 5);
        assert_eq!(whole.human.len(), 1);
        assert!(toml::from_str::<Whole>(&with("[humon]\na = 1\n[human]")).is_err());
    }

    pub fn options(more: &str) -> Options {
        toml::from_str(&with(more)).unwrap()
    }

    fn with(more: &str) -> String {
        let base = "name = \"spring\"\ntrunks = [\"carrier\"]\ncontacts = \"contacts.csv\"\ncaller_id = \"+12025550100\"";
        format!("{base}\n{more}")
    }
}
