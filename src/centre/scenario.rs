//! What is simulated: the scenario file and its defaults, which are scenario S1 of the published figures.

use super::chance::Spread;
use crate::campaign::options::LINES_MAX;
use crate::campaign::pacing::{Dialing, Mode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most agents of one group.
pub const AGENTS_MAX: u32 = 2_000;

/// The most days.
pub const SEEDS_MAX: u32 = 10_000;

/// The longest shift, in hours.
pub const HOURS_MAX: f64 = 24.0;

/// A scenario file.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: String,
    /// Group sizes, each a simulation of its own.
    pub agents: Vec<u32>,
    /// The length of a day.
    pub hours: f64,
    /// How many days, each from a seed of its own.
    pub seeds: u32,
    /// The laws that are held beside each other; `dialing.mode` alone when empty.
    pub modes: Vec<Mode>,
    /// The law's settings, as `[campaign.dialing]`.
    pub dialing: Dialing,
    /// Who is called, from which hour on.
    pub callees: Vec<Callees>,
    /// How long phones ring.
    pub ringing: Ringing,
    /// How long the detector takes, and how often it errs.
    pub detection: Detection,
    /// What agents do.
    pub work: Work,
    /// When nothing gets through.
    pub outages: Vec<Outage>,
    /// What the trunks allow.
    pub trunks: Trunks,
    /// Who is on duty when; everybody the whole day when empty.
    pub shifts: Vec<Shift>,
    /// What the list of contacts is like.
    pub list: ListTable,
}

/// From nine, when the simulated day begins, to midnight.
const LIST_MINUTES_MAX: u32 = 900;

/// The list of contacts; by itself one that never ends, on which everybody is tried once.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListTable {
    /// The share of contacts whose owners opt out before their call; as many do so while they wait for it.
    pub opted_out: f64,
    /// The share of contacts whose number was there before.
    pub doubled: f64,
    /// Whether contacts are tried again, by the campaign's own rules.
    pub tries_again: bool,
    /// Nobody may be called before this minute of the day, ...
    pub opens_min: u32,
    /// ... nor from this one on.
    pub closes_min: Option<u32>,
}

impl ListTable {
    /// Whether it never ends, and everybody is tried once.
    pub fn is_plain(&self) -> bool {
        *self == ListTable::default()
    }

    fn is_sound(&self) -> bool {
        let shares = [self.opted_out, self.doubled].iter().all(|share| (0.0..=0.5).contains(share));
        let closes_min = self.closes_min.unwrap_or(LIST_MINUTES_MAX);
        shares && self.opens_min < closes_min && closes_min <= LIST_MINUTES_MAX
    }
}

/// Shares of dialed numbers; the rest does not answer.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callees {
    /// From this hour of the shift on.
    #[serde(default)]
    pub from_h: f64,
    /// People.
    pub live: f64,
    /// Answering machines.
    pub machine: f64,
    /// Busy, vacant, refused: over at once.
    #[serde(default)]
    pub failed: f64,
    /// How long phones ring, times what `[ringing]` says.
    #[serde(default = "ring_as_usual")]
    pub ring: f64,
}

fn ring_as_usual() -> f64 {
    1.0
}

/// How long phones ring.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ringing {
    /// From the dial to the first ring, in seconds.
    pub post_dial_delay_s: f64,
    /// Until a person answers.
    pub human: Spread,
    /// Until a machine answers.
    pub machine: Spread,
    /// The ring time-out, in seconds.
    pub max_s: f64,
}

/// The detector.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    /// Until a person is recognised.
    pub human: Spread,
    /// Until a machine is.
    pub machine: Spread,
    /// The share of people hung up on as machines.
    pub human_lost: f64,
    /// The share of machines handed to agents.
    pub machine_passed: f64,
    /// Of the calls hung up on as machines, the share that are people, as far as the campaign is told: they count against
    /// its abandonment target and limit.
    pub mistaken_share: f64,
    /// From the answer until a person who has no agent is abandoned: the greeting and two seconds.
    pub patience_s: f64,
}

/// What agents do.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Work {
    /// Talk with a person.
    pub talk: Spread,
    /// Until a machine that was handed on is hung up on.
    pub machine: Spread,
    /// Wrap-up after each call.
    pub wrap_up: Spread,
    /// Each agent takes a break about this often; 0: never.
    pub break_every_min: f64,
    /// For so long.
    pub break_min: f64,
}

/// What the trunks allow.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trunks {
    /// Calls at once, those with agents among them.
    pub lines_max: u32,
    /// Calls begun in any one second.
    pub calls_per_second_max: f64,
}

/// Some of the agents, from one hour to another.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The share of the agents; the last shift has those who are left.
    pub share: f64,
    /// From this hour of the day ...
    pub from_h: f64,
    /// ... to this one; a call is finished first.
    pub to_h: f64,
}

/// Nothing gets through.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// From this hour of the shift ...
    pub from_h: f64,
    /// ... to this one.
    pub to_h: f64,
    /// False: calls leave and fail at once. True: the trunks take none, nothing leaves.
    #[serde(default)]
    pub takes_none: bool,
}

/// What a call meets at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// It gets through.
    Up,
    /// It fails at once.
    Fails,
    /// It cannot even leave.
    TakesNone,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            name: "S1".into(),
            agents: vec![3, 5, 10, 20, 50, 100],
            hours: 8.0,
            seeds: 10,
            modes: Vec::new(),
            dialing: Dialing {
                mode: Mode::Predictive,
                abandonment_target: 0.03,
                // The target is what is measured; the guard comes in where a scenario sets a limit.
                abandonment_limit: 0.2,
                ..Dialing::default()
            },
            callees: vec![Callees { from_h: 0.0, live: 0.2, machine: 0.3, failed: 0.05, ring: 1.0 }],
            ringing: Ringing::default(),
            detection: Detection::default(),
            work: Work::default(),
            outages: Vec::new(),
            trunks: Trunks::default(),
            shifts: Vec::new(),
            list: ListTable::default(),
        }
    }
}

impl Default for Ringing {
    fn default() -> Self {
        Ringing {
            post_dial_delay_s: 3.0,
            human: Spread::new(11.0, 0.5),
            machine: Spread::new(19.0, 0.25),
            max_s: 25.0,
        }
    }
}

impl Default for Detection {
    fn default() -> Self {
        Detection {
            human: Spread::new(1.2, 0.4),
            machine: Spread::new(2.0, 0.4),
            human_lost: 0.03,
            machine_passed: 0.08,
            mistaken_share: 0.0,
            patience_s: 3.0,
        }
    }
}

impl Default for Work {
    fn default() -> Self {
        Work {
            talk: Spread::new(120.0, 1.0),
            machine: Spread::new(13.0, 0.4),
            wrap_up: Spread::new(15.0, 0.5),
            break_every_min: 0.0,
            break_min: 10.0,
        }
    }
}

impl Default for Trunks {
    fn default() -> Self {
        Trunks { lines_max: LINES_MAX, calls_per_second_max: 1_000.0 }
    }
}

/// Why a scenario cannot be simulated: the setting, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsound(pub String);

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scenario {
    /// Reads a scenario file; what it leaves out stands at its default.
    pub fn parse(text: &str) -> Result<Scenario, Unsound> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| Unsound(error.to_string()))?;
        scenario.checked()
    }

    /// The laws that are simulated.
    pub fn laws(&self) -> Vec<Mode> {
        if self.modes.is_empty() { vec![self.dialing.mode] } else { self.modes.clone() }
    }

    /// The scenario, if it can be simulated.
    pub fn checked(self) -> Result<Scenario, Unsound> {
        let unsound = |what: &str| Err(Unsound(what.to_owned()));
        if self.agents.is_empty() || self.agents.iter().any(|n| !(1..=AGENTS_MAX).contains(n)) {
            return unsound(&format!("agents: a list of group sizes, each 1 to {AGENTS_MAX}"));
        }
        if !(self.hours > 0.0 && self.hours <= HOURS_MAX) {
            return unsound("hours: above 0 and up to 24");
        }
        if !(1..=SEEDS_MAX).contains(&self.seeds) {
            return unsound(&format!("seeds: 1 to {SEEDS_MAX}"));
        }
        if let Some((setting, remedy)) = self.dialing.faults().into_iter().next() {
            return unsound(&format!("dialing.{setting}: {remedy}"));
        }
        if let Some(mode) = self.laws().into_iter().find(|mode| !mode.needs_agents()) {
            return unsound(&format!("modes: {mode} dials without agents, there is nothing to simulate"));
        }
        let shares =
            |c: &Callees| [c.live, c.machine, c.failed].iter().all(|share| (0.0..=1.0).contains(share));
        if !self.callees.iter().all(|callees| (0.1..=10.0).contains(&callees.ring)) {
            return unsound("callees: ring, 0.1 to 10 times the usual");
        }
        if !(1..=LINES_MAX).contains(&self.trunks.lines_max) {
            return unsound(&format!("trunks.lines_max: 1 to {LINES_MAX}"));
        }
        if !(self.trunks.calls_per_second_max >= 0.1 && self.trunks.calls_per_second_max <= 10_000.0) {
            return unsound("trunks.calls_per_second_max: 0.1 to 10000");
        }
        if !self.shifts.iter().all(|shift| (0.0..=1.0).contains(&shift.share) && shift.from_h < shift.to_h) {
            return unsound("shifts: share 0 to 1, from_h before to_h");
        }
        if self.callees.is_empty()
            || !self.callees.iter().all(|c| shares(c) && c.live + c.machine + c.failed <= 1.0)
        {
            return unsound("callees: shares live, machine and failed, each 0 to 1, together at most 1");
        }
        if !self.list.is_sound() {
            return unsound(&format!(
                "list: opted_out and doubled 0 to 0.5, opens_min before closes_min, which is at most {LIST_MINUTES_MAX}"
            ));
        }
        let spreads = [
            ("ringing.human", self.ringing.human),
            ("ringing.machine", self.ringing.machine),
            ("detection.human", self.detection.human),
            ("detection.machine", self.detection.machine),
            ("work.talk", self.work.talk),
            ("work.machine", self.work.machine),
            ("work.wrap_up", self.work.wrap_up),
        ];
        if let Some((name, _)) = spreads.iter().find(|(_, spread)| !spread.is_sound()) {
            return unsound(&format!("{name}: mean_s above 0 and up to 36000, variation 0 to 5"));
        }
        Ok(self)
    }

    /// Who is called at this second of the shift.
    pub fn callees_at(&self, second: f64) -> Callees {
        let begun = |callees: &&Callees| callees.from_h * 3_600.0 <= second;
        *self
            .callees
            .iter()
            .filter(begun)
            .max_by(|a, b| a.from_h.total_cmp(&b.from_h))
            .unwrap_or(&self.callees[0])
    }

    /// What a call meets at this second.
    pub fn network_at(&self, second: f64) -> Network {
        let out = |out: &&Outage| (out.from_h * 3_600.0..out.to_h * 3_600.0).contains(&second);
        match self.outages.iter().find(out) {
            None => Network::Up,
            Some(out) if out.takes_none => Network::TakesNone,
            Some(_) => Network::Fails,
        }
    }

    /// From when to when an agent of so many is on duty, in seconds of the day.
    pub fn duty(&self, agent: usize, agents: usize) -> (f64, f64) {
        let place = (agent as f64 + 0.5) / agents as f64;
        let mut sum = 0.0;
        let shift = self.shifts.iter().find(|shift| {
            sum += shift.share;
            place < sum
        });
        match shift.or(self.shifts.last()) {
            Some(shift) => (shift.from_h * 3_600.0, shift.to_h * 3_600.0),
            None => (0.0, f64::INFINITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_stands_at_its_default() {
        let read = Scenario::parse(
            "name = \"small\"\nagents = [4]\n[work]\ntalk = { mean_s = 40.0, variation = 1.0 }",
        )
        .unwrap();
        assert_eq!(read.agents, [4]);
        assert_eq!(read.work.talk.mean_s, 40.0);
        assert_eq!((read.work.wrap_up, read.ringing), (Work::default().wrap_up, Ringing::default()));
        assert_eq!(Scenario::parse("").unwrap(), Scenario::default());
    }

    #[test]
    fn callees_change_at_their_hour() {
        let scenario = Scenario::parse(
            "[[callees]]\nlive = 0.12\nmachine = 0.3\n[[callees]]\nfrom_h = 4.0\nlive = 0.3\nmachine = 0.3\n\
             [[outages]]\nfrom_h = 1.0\nto_h = 1.5",
        )
        .unwrap();
        assert_eq!([0.0, 14_399.0, 14_400.0].map(|s| scenario.callees_at(s).live), [0.12, 0.12, 0.3]);
        use Network::{Fails, Up};
        assert_eq!([3_599.0, 3_600.0, 5_400.0].map(|s| scenario.network_at(s)), [Up, Fails, Up]);
    }

    #[test]
    fn agents_are_on_duty_by_their_share_of_the_shifts() {
        let scenario = Scenario::parse(
            "[[shifts]]\nshare = 0.5\nfrom_h = 0.0\nto_h = 4.0\n[[shifts]]\nshare = 0.4\nfrom_h = 3.0\nto_h = 8.0",
        )
        .unwrap();
        let ends: Vec<f64> = (0..4).map(|agent| scenario.duty(agent, 4).1 / 3_600.0).collect();
        assert_eq!(ends, [4.0, 4.0, 8.0, 8.0], "the last shift has those who are left");
        assert_eq!(Scenario::default().duty(0, 1), (0.0, f64::INFINITY));
    }

    #[test]
    fn an_unsound_scenario_is_refused_with_its_place_and_remedy() {
        let table = [
            ("agents = []", "agents:"),
            ("hours = 0.0", "hours:"),
            ("seeds = 0", "seeds:"),
            ("modes = [\"paced\"]", "modes: paced"),
            ("[dialing]\nratio = 0.0", "dialing.ratio:"),
            ("[[callees]]\nlive = 0.9\nmachine = 0.3", "callees:"),
            ("[work]\ntalk = { mean_s = 0.0 }", "work.talk:"),
            ("[trunks]\nlines_max = 0", "trunks.lines_max:"),
            ("[trunks]\ncalls_per_second_max = 0.0", "trunks.calls_per_second_max:"),
            ("[[shifts]]\nshare = 0.5\nfrom_h = 4.0\nto_h = 4.0", "shifts:"),
            ("[list]\nopted_out = 0.6", "list:"),
            ("[list]\nopens_min = 30\ncloses_min = 30", "list:"),
            ("agnets = [3]", "unknown field `agnets`"),
        ];
        for (text, expected) in table {
            let refused = Scenario::parse(text).unwrap_err().to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
