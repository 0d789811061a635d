//! `[campaign.dialing]`: by which law a campaign dials.

use serde::Deserialize;
use std::fmt;

/// The laws of dialing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// So many calls a minute, whoever answers.
    #[default]
    Paced,
    /// As many lines as there are, whoever answers: messages, not agents.
    Agentless,
    /// An agent looks at each contact before it is dialed for them.
    Preview,
    /// One line for each agent who waits.
    Progressive,
    /// A fixed number of lines for each agent who waits.
    Power,
    /// A factor times the agents who are free, and none while too many people wait.
    Boost,
    /// As [`Mode::Power`], with a number that is steered to the abandonment target.
    PowerAuto,
    /// As many lines as the risk of abandoning somebody allows.
    Predictive,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 8] = [
        Mode::Paced,
        Mode::Agentless,
        Mode::Preview,
        Mode::Progressive,
        Mode::Power,
        Mode::Boost,
        Mode::PowerAuto,
        Mode::Predictive,
    ];

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Paced => "paced",
            Mode::Agentless => "agentless",
            Mode::Preview => "preview",
            Mode::Progressive => "progressive",
            Mode::Power => "power",
            Mode::Boost => "boost",
            Mode::PowerAuto => "power_auto",
            Mode::Predictive => "predictive",
        }
    }

    /// Whether it dials for agents whose states it must know.
    pub fn needs_agents(self) -> bool {
        !matches!(self, Mode::Paced | Mode::Agentless)
    }

    /// Whether it ever has more lines ringing than agents waiting.
    pub fn overdials(self) -> bool {
        matches!(self, Mode::Power | Mode::Boost | Mode::PowerAuto | Mode::Predictive)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The table.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialing {
    /// The law.
    pub mode: Mode,
    /// Lines for each agent who waits, with `power`.
    pub ratio: f64,
    /// What the number of free agents is multiplied by, with `boost`.
    pub boost_factor: f64,
    /// The share of abandoned people that `power_auto` and `predictive` aim at.
    pub abandonment_target: f64,
    /// The share that the law allows: at the next one above it only progressive dialing goes on.
    pub abandonment_limit: f64,
    /// The days over which the law counts.
    pub abandonment_window_days: u32,
    /// Never more lines than this for each agent.
    pub lines_per_agent_max: f64,
    /// Nothing is dialed while so many people wait.
    pub waiting_max: u32,
    /// How long an agent may take to be there, from the request on, in milliseconds.
    pub grace_ms: u32,
    /// With `preview`: how long an agent may look at a contact, in seconds; 0: as long as they like.
    pub preview_s: u32,
    /// What happens then.
    pub preview_then: PreviewEnd,
}

/// What becomes of a contact about which the agent has not said anything in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewEnd {
    /// It is dialed.
    #[default]
    Accept,
    /// It goes back to the list.
    Skip,
}

impl Default for Dialing {
    fn default() -> Self {
        Dialing {
            mode: Mode::default(),
            ratio: 2.0,
            boost_factor: 1.0,
            abandonment_target: 0.02,
            abandonment_limit: 0.03,
            abandonment_window_days: 30,
            lines_per_agent_max: 12.0,
            waiting_max: 2,
            grace_ms: 1_800,
            preview_s: 30,
            preview_then: PreviewEnd::default(),
        }
    }
}

impl Dialing {
    /// What cannot stand: the setting, and what to write instead.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let share = |value: f64| value > 0.0 && value <= 0.2;
        let mut faults = Vec::new();
        let mut check = |holds: bool, setting, remedy: &str| {
            if !holds {
                faults.push((setting, remedy.to_owned()));
            }
        };
        check((1.0..=20.0).contains(&self.ratio), "ratio", "lines for each waiting agent: 1.0 to 20.0");
        check(
            (0.1..=20.0).contains(&self.boost_factor),
            "boost_factor",
            "lines for each free agent: 0.1 to 20.0",
        );
        check(
            share(self.abandonment_target),
            "abandonment_target",
            "a share above 0 and up to 0.2, such as 0.02",
        );
        check(
            share(self.abandonment_limit),
            "abandonment_limit",
            "a share above 0 and up to 0.2, such as 0.03",
        );
        check(
            self.abandonment_target <= self.abandonment_limit,
            "abandonment_target",
            "it may not lie above abandonment_limit",
        );
        check((1..=366).contains(&self.abandonment_window_days), "abandonment_window_days", "1 to 366 days");
        check(
            (1.0..=50.0).contains(&self.lines_per_agent_max),
            "lines_per_agent_max",
            "lines for each agent: 1.0 to 50.0",
        );
        check((1..=1_000).contains(&self.waiting_max), "waiting_max", "1 to 1000 people");
        check(self.grace_ms <= 60_000, "grace_ms", "up to 60000 ms");
        check(self.preview_s <= 3_600, "preview_s", "up to 3600 s, or 0 for no limit");
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_read_by_its_own_word() {
        for mode in Mode::ALL {
            let table: Dialing = toml::from_str(&format!("mode = \"{mode}\"")).unwrap();
            assert_eq!(table.mode, mode);
        }
    }

    #[test]
    fn settings_out_of_range_are_named_with_their_remedy() {
        assert_eq!(Dialing::default().faults(), []);
        let table = [
            ("ratio = 0.5", "ratio"),
            ("boost_factor = 0.0", "boost_factor"),
            ("abandonment_target = 0.0", "abandonment_target"),
            ("abandonment_limit = 0.5", "abandonment_limit"),
            ("abandonment_target = 0.05", "abandonment_target"),
            ("abandonment_window_days = 0", "abandonment_window_days"),
            ("lines_per_agent_max = 0.0", "lines_per_agent_max"),
            ("waiting_max = 0", "waiting_max"),
            ("grace_ms = 70000", "grace_ms"),
            ("preview_s = 4000", "preview_s"),
        ];
        for (written, setting) in table {
            let dialing: Dialing = toml::from_str(written).unwrap();
            assert_eq!(dialing.faults().first().map(|fault| fault.0), Some(setting), "{written}");
        }
    }
}
