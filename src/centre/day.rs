//! One day of one campaign, from a seed.
//!
//! Whatever is due first happens first; nothing waits. The campaign is told what the engine would tell it, and asked
//! whom to dial by the same call; contacts never run out.

use super::chance::duration;
use super::scenario::Scenario;
use super::tally::{SLICE_S, Tally};
use crate::campaign::pacing::{AgentId, Mode, Presence};
use crate::campaign::{Campaign, Ledger, Options, Output};
use crate::disposition::Disposition;
use crate::number::E164;
use crate::record::{CampaignState, Contact, ContactId};
use crate::rng::Rng;
use crate::time::{Instant, Now, WallTime};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

/// Monday, 23 November 2026, 09:00 UTC.
const BEGIN_MS: i64 = 1_795_424_400_000;

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    /// The campaign's own deadline, or a look twice a second.
    Look,
    /// Somebody (true) or a machine answers.
    Answer(ContactId, bool),
    /// The attempt ends unanswered.
    End(ContactId),
    /// The detector has judged: a person or not, handed to an agent or not.
    Verdict(ContactId, bool, bool),
    /// A person's patience ends.
    Patience(ContactId),
    /// An agent's talk ends.
    Hangup(usize),
    /// An agent's wrap-up ends.
    Wrapped(usize),
    /// An agent wants a break; it ends.
    Break(usize),
    Back(usize),
}

/// A call that wants an agent.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    contact: ContactId,
    person: bool,
    since: f64,
}

#[derive(Clone, Copy, Debug)]
struct Agent {
    presence: Presence,
    since: f64,
    wants_break: bool,
}

/// A day being played.
struct Day<'a> {
    scenario: &'a Scenario,
    campaign: Campaign,
    ledger: Ledger,
    rng: Rng,
    now_s: f64,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    sequence: u64,
    agents: Vec<Agent>,
    waiting: VecDeque<Waiting>,
    dialed: BTreeMap<ContactId, (Contact, f64)>,
    answered_at: BTreeMap<ContactId, f64>,
    next_contact: i64,
    second: (u64, u64),
    tally: Tally,
}

/// Plays a day of `agents` agents under `mode`.
pub fn play(scenario: &Scenario, mode: Mode, agents: u32, seed: u64) -> Tally {
    let mut day = Day::new(scenario, mode, agents, seed);
    day.run();
    day.tally
}

impl<'a> Day<'a> {
    fn new(scenario: &'a Scenario, mode: Mode, agents: u32, seed: u64) -> Self {
        let mut options = options();
        options.dialing = scenario.dialing;
        options.dialing.mode = mode;
        let mut day = Day {
            scenario,
            campaign: Campaign::new(options, CampaignState::Running, now_at(0.0)),
            ledger: Ledger::new(),
            rng: Rng::from_seed(seed),
            now_s: 0.0,
            events: BinaryHeap::new(),
            sequence: 0,
            agents: vec![
                Agent { presence: Presence::Ready, since: 0.0, wants_break: false };
                agents as usize
            ],
            waiting: VecDeque::new(),
            dialed: BTreeMap::new(),
            answered_at: BTreeMap::new(),
            next_contact: 1,
            second: (0, 0),
            tally: Tally::default(),
        };
        for agent in 0..agents {
            day.campaign.handle_agent(now_at(0.0), AgentId(agent), Presence::Ready);
            day.plan_break(agent as usize);
        }
        day.schedule(0.0, Event::Look);
        day
    }

    fn run(&mut self) {
        let end = self.scenario.hours * 3_600.0;
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at.as_secs_f64() > end {
                break;
            }
            self.now_s = at.as_secs_f64();
            self.handle(event);
            self.connect();
            self.dial();
        }
        self.now_s = end;
        for agent in 0..self.agents.len() {
            let state = self.agents[agent];
            self.account(state);
        }
        self.tally.close_day();
    }

    fn now(&self) -> Now {
        now_at(self.now_s)
    }

    fn schedule(&mut self, after_s: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((duration(self.now_s + after_s), self.sequence, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Look => {
                self.campaign.handle_timeout(self.now());
                let threshold = self.campaign.pacer().threshold();
                self.tally.slice(self.now_s).threshold = threshold;
                self.schedule(0.5, Event::Look);
            }
            Event::Answer(contact, person) => self.handle_answer(contact, person),
            Event::End(contact) => self.end(contact, Disposition::NoAnswer),
            Event::Verdict(contact, person, passed) => self.handle_verdict(contact, person, passed),
            Event::Patience(contact) => self.handle_patience(contact),
            Event::Hangup(agent) => {
                self.set_agent(agent, Presence::WrapUp);
                let lasts = self.scenario.work.wrap_up.draw(&mut self.rng);
                self.schedule(lasts, Event::Wrapped(agent));
            }
            Event::Wrapped(agent) if self.agents[agent].wants_break => self.begin_break(agent),
            Event::Wrapped(agent) => self.set_agent(agent, Presence::Ready),
            Event::Break(agent) if self.agents[agent].presence == Presence::Ready => self.begin_break(agent),
            Event::Break(agent) => self.agents[agent].wants_break = true,
            Event::Back(agent) => {
                self.set_agent(agent, Presence::Ready);
                self.plan_break(agent);
            }
        }
    }

    fn handle_answer(&mut self, contact: ContactId, person: bool) {
        self.campaign.handle_answered(self.now(), contact);
        self.answered_at.insert(contact, self.now_s);
        let detection = &self.scenario.detection;
        let (takes, passed) = if person {
            (detection.human.draw(&mut self.rng), !self.rng.chance(detection.human_lost))
        } else {
            (detection.machine.draw(&mut self.rng), self.rng.chance(detection.machine_passed))
        };
        self.schedule(takes, Event::Verdict(contact, person, passed));
    }

    fn handle_verdict(&mut self, contact: ContactId, person: bool, passed: bool) {
        if !passed {
            self.tally.lost += u64::from(person);
            self.campaign.handle_machine(self.now(), contact);
            return self.end(contact, Disposition::Machine);
        }
        self.campaign.handle_waiting(self.now(), contact);
        self.waiting.push_back(Waiting { contact, person, since: self.now_s });
        let waited = self.now_s - self.answered_at.get(&contact).copied().unwrap_or(self.now_s);
        self.schedule((self.scenario.detection.patience_s - waited).max(0.0), Event::Patience(contact));
    }

    fn handle_patience(&mut self, contact: ContactId) {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.contact == contact) else { return };
        let waiting = self.waiting.remove(at).expect("it stands there");
        if waiting.person {
            self.tally.people += 1;
            self.tally.abandoned += 1;
            let slice = self.tally.slice(self.now_s);
            slice.people += 1;
            slice.abandoned += 1;
        }
        self.campaign.handle_abandoned(self.now(), contact);
        self.end(contact, Disposition::Abandoned);
    }

    fn end(&mut self, contact: ContactId, disposition: Disposition) {
        self.answered_at.remove(&contact);
        if let Some((contact, _)) = self.dialed.remove(&contact) {
            // The contact's further fate is no matter here: there are always fresh ones.
            let now = self.now();
            self.campaign.handle_outcome(now, &contact, disposition, &mut self.ledger);
        }
    }

    /// Who has waited longest gets the agent who has been idle longest.
    fn connect(&mut self) {
        while !self.waiting.is_empty() {
            let ready = |agent: &(usize, &Agent)| agent.1.presence == Presence::Ready;
            let idle_longest =
                self.agents.iter().enumerate().filter(ready).min_by(|a, b| a.1.since.total_cmp(&b.1.since));
            let Some((agent, _)) = idle_longest else { return };
            let waiting = self.waiting.pop_front().expect("somebody waits");
            self.set_agent(agent, Presence::Talking);
            self.campaign.handle_connected(self.now(), waiting.contact);
            let work = &self.scenario.work;
            let lasts = if waiting.person { work.talk } else { work.machine }.draw(&mut self.rng);
            if waiting.person {
                self.tally.people += 1;
                self.tally.slice(self.now_s).people += 1;
                self.tally.talk_s += lasts;
                self.tally.waited_s += self.now_s - waiting.since;
                self.tally.slice(self.now_s).waited_s += self.now_s - waiting.since;
            } else {
                self.tally.machines_passed += 1;
            }
            self.end(waiting.contact, Disposition::Bridged);
            self.schedule(lasts, Event::Hangup(agent));
        }
    }

    fn set_agent(&mut self, agent: usize, presence: Presence) {
        let before = self.agents[agent];
        self.account(before);
        self.agents[agent] = Agent { presence, since: self.now_s, ..before };
        self.campaign.handle_agent(self.now(), AgentId(agent as u32), presence);
    }

    /// Books what an agent did until now, slice by slice.
    fn account(&mut self, agent: Agent) {
        let busy = matches!(agent.presence, Presence::Talking | Presence::WrapUp);
        let mut from = agent.since;
        while from < self.now_s && agent.presence != Presence::Away {
            let to = ((from / SLICE_S).floor() * SLICE_S + SLICE_S).min(self.now_s);
            let spent = to - from;
            let slice = self.tally.slice(from);
            slice.staffed_s += spent;
            slice.busy_s += if busy { spent } else { 0.0 };
            self.tally.staffed_s += spent;
            self.tally.busy_s += if busy { spent } else { 0.0 };
            from = to;
        }
    }

    fn plan_break(&mut self, agent: usize) {
        let every_s = self.scenario.work.break_every_min * 60.0;
        if every_s > 0.0 {
            let until = every_s * (0.5 + self.rng.unit());
            self.schedule(until, Event::Break(agent));
        }
    }

    fn begin_break(&mut self, agent: usize) {
        self.set_agent(agent, Presence::Away);
        self.agents[agent].wants_break = false;
        self.schedule(self.scenario.work.break_min * 60.0, Event::Back(agent));
    }

    fn dial(&mut self) {
        while let Some(contact) = self.campaign.next_dial(self.now(), u32::MAX, &mut self.ledger) {
            self.begin(contact);
        }
        while let Some(output) = self.campaign.poll_output() {
            if let Output::Refill { limit, .. } = output {
                let contacts = (0..limit).map(|_| self.fresh()).collect();
                self.campaign.handle_contacts(self.now(), contacts, u64::from(u32::MAX), None);
            }
        }
        // A refill may have come just now.
        while let Some(contact) = self.campaign.next_dial(self.now(), u32::MAX, &mut self.ledger) {
            self.begin(contact);
        }
    }

    fn fresh(&mut self) -> Contact {
        let id = self.next_contact;
        self.next_contact += 1;
        Contact {
            id: ContactId(id),
            number: E164::from_e164(&format!("+1{:010}", 2_020_000_000 + id)).expect("eleven digits"),
            name: String::new(),
            comment: String::new(),
            attributes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_attempt_at: WallTime::from_unix_ms(0),
        }
    }

    fn begin(&mut self, contact: Contact) {
        let id = contact.id;
        self.dialed.insert(id, (contact, self.now_s));
        self.count_dial();
        let ringing = &self.scenario.ringing;
        let callees = self.scenario.callees_at(self.now_s);
        let (fate, delay) = (self.rng.unit(), ringing.post_dial_delay_s);
        let rings = if fate < callees.live {
            Some((ringing.human.draw(&mut self.rng), true))
        } else if fate < callees.live + callees.machine {
            Some((ringing.machine.draw(&mut self.rng), false))
        } else {
            None
        };
        let failed = fate >= 1.0 - callees.failed || self.scenario.is_out(self.now_s);
        match rings.filter(|(rings_s, _)| *rings_s < ringing.max_s) {
            _ if failed => self.schedule(delay + 0.5, Event::End(id)),
            Some((rings_s, person)) => self.schedule(delay + rings_s, Event::Answer(id, person)),
            None => self.schedule(delay + ringing.max_s, Event::End(id)),
        }
    }

    fn count_dial(&mut self) {
        self.tally.dialed += 1;
        let lines = self.campaign.pacer().floor().lines().len();
        self.tally.lines_peak = self.tally.lines_peak.max(lines);
        let slice = self.tally.slice(self.now_s);
        slice.lines = slice.lines.max(lines);
        let second = self.now_s as u64;
        self.second = if self.second.0 == second { (second, self.second.1 + 1) } else { (second, 1) };
        self.tally.calls_per_second_peak = self.tally.calls_per_second_peak.max(self.second.1);
    }
}

fn now_at(second: f64) -> Now {
    let since = duration(second);
    Now {
        instant: Instant::from_start(since),
        wall: WallTime::from_unix_ms(BEGIN_MS + since.as_millis() as i64),
    }
}

fn options() -> Options {
    let text = "name = \"simulated\"\ntrunks = [\"simulated\"]\ncontacts = \"simulated.csv\"\n\
                caller_id = \"+12025550100\"\nlines_max = 10000\nattempt_gap_min = 0\n[window]\nzone = \"UTC\"\n\
                days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\nstart = \"00:00\"\nend = \"24:00\"";
    toml::from_str(text).expect("the options of a simulated campaign can be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(mode: Mode, seeds: std::ops::Range<u64>) -> Tally {
        let scenario = Scenario { hours: 2.0, ..Scenario::default() };
        let mut sum = Tally::default();
        seeds.for_each(|seed| sum.add(&play(&scenario, mode, 10, seed)));
        sum
    }

    #[test]
    fn one_seed_is_one_day() {
        assert_eq!(small(Mode::Predictive, 1..2), small(Mode::Predictive, 1..2));
        assert_ne!(small(Mode::Predictive, 1..2), small(Mode::Predictive, 2..3));
    }

    #[test]
    fn progressive_abandons_nobody_and_power_keeps_agents_busier_at_a_price() {
        let (progressive, power) = (small(Mode::Progressive, 1..4), small(Mode::Power, 1..4));
        // Only lines that ring for an agent who goes on a call in the meantime could be too many: there are none.
        assert_eq!(progressive.abandoned, 0);
        assert!(
            (50.0..58.0).contains(&progressive.occupancy_percent()),
            "{}",
            progressive.occupancy_percent()
        );
        assert!((66.0..75.0).contains(&power.occupancy_percent()), "{}", power.occupancy_percent());
        assert!(power.abandoned_percent() < 2.0, "{}", power.abandoned_percent());
    }

    #[test]
    fn predictive_keeps_its_target_and_beats_a_fixed_ratio() {
        let predictive = small(Mode::Predictive, 1..6);
        assert!(predictive.abandoned_percent() <= 3.5, "{}", predictive.abandoned_percent());
        assert!(predictive.occupancy_percent() >= 75.0, "{}", predictive.occupancy_percent());
    }

    #[test]
    fn every_second_of_every_agent_is_accounted_for() {
        let scenario = Scenario {
            hours: 1.0,
            work: super::super::scenario::Work {
                break_every_min: 20.0,
                break_min: 5.0,
                ..Default::default()
            },
            ..Scenario::default()
        };
        let day = play(&scenario, Mode::Progressive, 8, 3);
        assert!(day.staffed_s < 8.0 * 3_600.0 && day.staffed_s > 5.0 * 3_600.0, "{}", day.staffed_s);
        let slices: f64 = day.slices.iter().map(|slice| slice.staffed_s).sum();
        assert!((slices - day.staffed_s).abs() < 1e-6);
    }
}
