//! The `[[agent]]` table of the configuration.

use super::state::Word;
use serde::Deserialize;
use std::time::Duration;

/// The longest name of an agent.
pub const NAME_BYTES_MAX: usize = 64;

/// The longest wrap-up: an hour.
pub const WRAP_UP_S_MAX: u32 = 3_600;

/// An agent's phone rings no longer than this.
pub const RING_MS_MAX: u32 = 60_000;

/// One agent, as configured.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The name: in commands, reports and records.
    pub name: String,
    /// The agent's phone, a SIP URI.
    pub uri: String,
    /// The trunk that leads there, by name.
    pub trunk: String,
    /// What the agent can do; a campaign may ask for some of it.
    #[serde(default)]
    pub skills: Vec<String>,
    /// The campaigns that the agent works for; none named: all that ring agents.
    #[serde(default)]
    pub campaigns: Vec<String>,
    /// How long a call is written up, in seconds, before the next one may come.
    #[serde(default = "defaults::wrap_up_s")]
    pub wrap_up_s: u32,
    /// How long the phone rings before another agent is asked.
    #[serde(default = "defaults::ring_timeout_ms")]
    pub ring_timeout_ms: u32,
    /// After so many calls in a row that the phone did not take, the agent counts as away.
    #[serde(default = "defaults::misses_max")]
    pub misses_max: u32,
    /// The state at the start.
    #[serde(default = "defaults::initial")]
    pub initial: Word,
}

mod defaults {
    use super::Word;

    pub fn wrap_up_s() -> u32 {
        15
    }
    pub fn ring_timeout_ms() -> u32 {
        5_000
    }
    pub fn misses_max() -> u32 {
        2
    }
    pub fn initial() -> Word {
        Word::Offline
    }
}

impl Options {
    /// Whether the agent works for a campaign that asks for these skills.
    pub fn serves(&self, campaign: &str, skills: &[String]) -> bool {
        let works_for = self.campaigns.is_empty() || self.campaigns.iter().any(|name| name == campaign);
        works_for && skills.iter().all(|skill| self.skills.contains(skill))
    }

    /// How long a call is written up.
    pub fn wrap_up(&self) -> Duration {
        Duration::from_secs(self.wrap_up_s.into())
    }

    /// How long the phone rings.
    pub fn ring_timeout(&self) -> Duration {
        Duration::from_millis(self.ring_timeout_ms.into())
    }

    /// What cannot stand: the setting, and what to write instead.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, setting, remedy: String| {
            if !holds {
                faults.push((setting, remedy));
            }
        };
        let is_plain = self.name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
        let fits = !self.name.is_empty() && self.name.len() <= NAME_BYTES_MAX;
        check(
            is_plain && fits,
            "name",
            format!("write 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.', without blanks"),
        );
        let user_and_host = self.uri.strip_prefix("sips:").or_else(|| self.uri.strip_prefix("sip:"));
        let is_phone = user_and_host
            .and_then(|rest| rest.split_once('@'))
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        let one_word =
            !self.uri.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
        check(
            is_phone && one_word,
            "uri",
            format!(
                "{:?} is no phone of an agent: write a SIP URI such as \"sip:601@pbx.example\"",
                self.uri
            ),
        );
        check(self.wrap_up_s <= WRAP_UP_S_MAX, "wrap_up_s", format!("0 to {WRAP_UP_S_MAX} seconds"));
        check(
            (500..=RING_MS_MAX).contains(&self.ring_timeout_ms),
            "ring_timeout_ms",
            format!("500 to {RING_MS_MAX} ms"),
        );
        check((1..=100).contains(&self.misses_max), "misses_max", "1 to 100 calls in a row".to_owned());
        faults
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn options(more: &str) -> Options {
        let base = ["name = \"ann\"", "uri = \"sip:601@pbx\"", "trunk = \"pbx\""];
        let named = |line: &&str| !more.contains(line.split(' ').next().expect("a key"));
        let base: Vec<&str> = base.into_iter().filter(named).collect();
        toml::from_str(&format!("{}\n{more}", base.join("\n"))).expect("the table is right")
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let agent = options("");
        assert_eq!(agent.faults(), []);
        assert_eq!((agent.wrap_up_s, agent.ring_timeout_ms, agent.misses_max), (15, 5_000, 2));
        assert_eq!((agent.initial, agent.campaigns.len()), (Word::Offline, 0));
    }

    #[test]
    fn who_serves_a_campaign_is_asked_by_name_and_by_skill() {
        let skills = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let everywhere = options("skills = [\"spanish\", \"sales\"]");
        assert!(
            everywhere.serves("spring", &skills(&[])) && everywhere.serves("spring", &skills(&["sales"]))
        );
        assert!(!everywhere.serves("spring", &skills(&["sales", "german"])));
        let bound = options("campaigns = [\"autumn\"]");
        assert!(bound.serves("autumn", &[]) && !bound.serves("spring", &[]));
    }

    #[test]
    fn each_fault_names_its_setting() {
        for (written, setting) in [
            ("name = \"an agent\"", "name"),
            ("name = \"\"", "name"),
            ("uri = \"601\"", "uri"),
            ("uri = \"sip:@pbx\"", "uri"),
            ("uri = \"sip:601@pbx>\"", "uri"),
            ("wrap_up_s = 4000", "wrap_up_s"),
            ("ring_timeout_ms = 100", "ring_timeout_ms"),
            ("misses_max = 0", "misses_max"),
        ] {
            let faults = options(written).faults();
            assert_eq!(faults.first().map(|fault| fault.0), Some(setting), "{written}");
        }
    }
}
