//! One day of one campaign, from a seed.
//!
//! Whatever is due first happens first; nothing waits. The campaign is told what the engine would tell it, and asked
//! whom to dial by the same call; contacts never run out.

use super::chance::duration;
use super::list::{ATTEMPTS_MAX, GAP_MIN, List};
use super::moment::Moment;
use super::roster::{Roster, Wish};
use super::scenario::{ListTable, Network, Scenario};
use super::tally::Tally;
use super::wire::Wire;
use crate::campaign::pacing::{Mode, Presence, budget};
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

/// Milliseconds from a day to the next.
const DAY_MS: i64 = 86_400_000;

/// An agent who is needed asks again after so many seconds, should no call have come.
const LEAVE_AGAIN_S: f64 = 5.0;

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    /// The campaign's own deadline, or a look twice a second.
    Look,
    /// The trunks take a call again.
    Slot,
    /// Somebody (true) or a machine answers.
    Answer(ContactId, bool),
    /// The attempt ends unanswered; no network has carried it (true), or nobody has answered.
    End(ContactId, bool),
    /// The detector has judged: a person or not, handed to an agent or not.
    Verdict(ContactId, bool, bool),
    /// A person's patience ends.
    Patience(ContactId),
    /// An agent's talk ends.
    Hangup(usize, ContactId),
    /// An agent's wrap-up ends.
    Wrapped(usize),
    /// An agent wants a break; it ends.
    Break(usize),
    Back(usize),
    /// An agent's shift begins; it ends.
    ShiftBegins(usize),
    ShiftEnds(usize),
}

/// A call that wants an agent.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    contact: ContactId,
    person: bool,
    since: f64,
}

/// Which day is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The law.
    pub mode: Mode,
    /// How many agents.
    pub agents: u32,
    /// What all chances are drawn from.
    pub seed: u64,
    /// Its number among the campaign's days.
    pub day: i64,
    /// What the campaign's ledger remembers of the days before.
    pub past: &'a [budget::Day],
}

/// A day being played.
struct Day<'a> {
    scenario: &'a Scenario,
    begin_ms: i64,
    campaign: Campaign,
    ledger: Ledger,
    rng: Rng,
    now_s: f64,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    sequence: u64,
    roster: Roster,
    wire: Wire,
    awaits_slot: bool,
    waiting: VecDeque<Waiting>,
    dialed: BTreeMap<ContactId, Contact>,
    list: List,
    answered_at: BTreeMap<ContactId, f64>,
    tally: Tally,
    trace: Option<Vec<Moment>>,
}

/// Plays a day of `agents` agents under `mode`.
pub fn play(scenario: &Scenario, mode: Mode, agents: u32, seed: u64) -> Tally {
    play_after(scenario, Plan { mode, agents, seed, day: 0, past: &[] })
}

/// Plays a day that others went before.
pub fn play_after(scenario: &Scenario, plan: Plan<'_>) -> Tally {
    let mut day = Day::new(scenario, plan);
    day.run();
    day.tally
}

/// Plays a day and writes down what the pacer saw and decided, twice a second.
pub fn play_traced(scenario: &Scenario, plan: Plan<'_>) -> (Tally, Vec<Moment>) {
    let mut day = Day::new(scenario, plan);
    day.trace = Some(Vec::new());
    day.run();
    (day.tally, day.trace.unwrap_or_default())
}

impl<'a> Day<'a> {
    fn new(scenario: &'a Scenario, plan: Plan<'_>) -> Self {
        let begin_ms = BEGIN_MS + plan.day * DAY_MS;
        let mut options = options(&scenario.list);
        options.dialing = scenario.dialing;
        options.dialing.mode = plan.mode;
        options.lines_max = scenario.trunks.lines_max;
        let mut campaign = Campaign::new(options, CampaignState::Running, now_at(begin_ms, 0.0));
        let budget = campaign.pacer_mut().budget_mut();
        plan.past.iter().for_each(|day| budget.remember(*day));
        budget.set_mistaken_share(scenario.detection.mistaken_share);
        let mut day = Day {
            scenario,
            begin_ms,
            campaign,
            ledger: Ledger::new(),
            rng: Rng::from_seed(plan.seed),
            now_s: 0.0,
            events: BinaryHeap::new(),
            sequence: 0,
            roster: Roster::new(plan.agents as usize),
            wire: Wire::new(scenario.trunks),
            awaits_slot: false,
            waiting: VecDeque::new(),
            dialed: BTreeMap::new(),
            answered_at: BTreeMap::new(),
            list: List::new(scenario.list, WallTime::from_unix_ms(begin_ms), plan.seed),
            tally: Tally::default(),
            trace: None,
        };
        for agent in 0..plan.agents as usize {
            let (from_s, to_s) = scenario.duty(agent, plan.agents as usize);
            day.schedule(from_s, Event::ShiftBegins(agent));
            if to_s.is_finite() {
                day.schedule(to_s, Event::ShiftEnds(agent));
            }
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
            if event == Event::Look
                && let Some(trace) = &mut self.trace
            {
                trace.push(Moment::of(&self.campaign, now_at(self.begin_ms, self.now_s), &self.tally));
            }
        }
        self.roster.close(end, &mut self.tally);
        self.tally.excess = self.wire.excess();
        self.tally.breaches = self.list.breaches();
        self.tally.ends_guarded = self.campaign.pacer().is_guarded();
        self.tally.ledger.day = (self.begin_ms).div_euclid(DAY_MS);
        self.tally.close_day();
    }

    fn now(&self) -> Now {
        now_at(self.begin_ms, self.now_s)
    }

    fn schedule(&mut self, after_s: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((duration(self.now_s + after_s), self.sequence, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Look => {
                self.campaign.handle_timeout(self.now());
                self.tally.slice(self.now_s).threshold = self.campaign.pacer().threshold();
                self.schedule(0.5, Event::Look);
            }
            Event::Slot => self.awaits_slot = false,
            Event::Answer(contact, person) => self.handle_answer(contact, person),
            Event::End(contact, true) => self.end(contact, Disposition::Congestion),
            Event::End(contact, false) => self.end(contact, Disposition::NoAnswer),
            Event::Verdict(contact, person, passed) => self.handle_verdict(contact, person, passed),
            Event::Patience(contact) => self.handle_patience(contact),
            Event::Hangup(agent, contact) => {
                self.end(contact, Disposition::Bridged);
                self.set_agent(agent, Presence::WrapUp);
                let lasts = self.scenario.work.wrap_up.draw(&mut self.rng);
                self.schedule(lasts, Event::Wrapped(agent));
            }
            Event::Wrapped(agent) => match self.roster.take_wish(agent) {
                Wish::Stay => self.set_agent(agent, Presence::Ready),
                Wish::Break => self.begin_break(agent),
                Wish::Home => self.set_agent(agent, Presence::Away),
            },
            Event::Break(agent) => self.handle_wish(agent, Wish::Break, event),
            Event::Back(agent) if self.roster.take_wish(agent) == Wish::Home => {}
            Event::Back(agent) | Event::ShiftBegins(agent) => {
                self.set_agent(agent, Presence::Ready);
                self.plan_break(agent);
            }
            Event::ShiftEnds(agent) => self.handle_wish(agent, Wish::Home, event),
        }
    }

    /// An agent wants to leave: after the call, or now where no line in flight counts on every agent who waits.
    fn handle_wish(&mut self, agent: usize, wish: Wish, again: Event) {
        let presence = self.roster.presence(agent);
        if presence == Presence::Away && wish == Wish::Break {
            return;
        }
        self.roster.wish(agent, wish);
        if presence != Presence::Ready {
            return;
        }
        if self.campaign.pacer().needs_every_ready_agent() {
            return self.schedule(LEAVE_AGAIN_S, again);
        }
        self.roster.take_wish(agent);
        match wish {
            Wish::Break => self.begin_break(agent),
            Wish::Home | Wish::Stay => self.set_agent(agent, Presence::Away),
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
            self.tally.ledger.machines += 1;
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
        self.tally.ledger.people += 1;
        self.tally.ledger.abandoned += 1;
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
        if let Some(contact) = self.dialed.remove(&contact) {
            self.wire.end();
            let now = self.now();
            let update = self.campaign.handle_outcome(now, &contact, disposition, &mut self.ledger);
            self.list.ended(&contact, disposition, now.wall, &update);
        }
    }

    /// Who has waited longest gets the agent who has been idle longest.
    fn connect(&mut self) {
        while !self.waiting.is_empty() {
            let Some(agent) = self.roster.idle_longest() else { return };
            let waiting = self.waiting.pop_front().expect("somebody waits");
            self.set_agent(agent, Presence::Talking);
            self.campaign.handle_connected(self.now(), waiting.contact);
            let work = &self.scenario.work;
            let lasts = if waiting.person { work.talk } else { work.machine }.draw(&mut self.rng);
            self.tally.ledger.people += 1;
            if waiting.person {
                let waited_s = self.now_s - waiting.since;
                self.tally.people += 1;
                self.tally.talk_s += lasts;
                self.tally.waited_s += waited_s;
                let slice = self.tally.slice(self.now_s);
                slice.people += 1;
                slice.waited_s += waited_s;
            } else {
                self.tally.machines_passed += 1;
            }
            self.schedule(lasts, Event::Hangup(agent, waiting.contact));
        }
    }

    fn set_agent(&mut self, agent: usize, presence: Presence) {
        self.roster.set(self.now_s, agent, presence, &mut self.tally);
        self.campaign.handle_agent(self.now(), Roster::id(agent), presence);
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
        self.schedule(self.scenario.work.break_min * 60.0, Event::Back(agent));
    }

    fn dial(&mut self) {
        self.dial_claimed();
        while let Some(output) = self.campaign.poll_output() {
            match output {
                Output::Refill { limit, due_at } => {
                    let (contacts, opted_out) = self.list.take(limit, due_at);
                    self.campaign.handle_contacts(self.now(), contacts, u64::from(u32::MAX), None);
                    self.opt_out(opted_out);
                }
                Output::Release { update, .. } => self.list.returned(&update),
                _ => {}
            }
        }
        // A refill may have come just now.
        self.dial_claimed();
    }

    fn dial_claimed(&mut self) {
        let now = self.now();
        while let Some(contact) =
            self.campaign.next_dial(now, self.wire.lines_free(now.instant), &mut self.ledger)
        {
            match self.scenario.network_at(self.now_s) {
                Network::TakesNone => {
                    return self.campaign.handle_not_dialed(now, contact, &mut self.ledger);
                }
                network => self.begin(contact, network),
            }
        }
        if let Some(free_at) = self.wire.free_at(now.instant).filter(|_| !self.awaits_slot) {
            self.awaits_slot = true;
            // Time is told in microseconds here: rounded down, the slot would be asked for too early, for ever.
            self.schedule((free_at - now.instant).as_secs_f64() + 1e-6, Event::Slot);
        }
    }

    fn opt_out(&mut self, numbers: impl IntoIterator<Item = E164>) {
        for number in numbers {
            self.ledger.suppress(&number).expect("a day has fewer opt-outs than the list has room");
            self.campaign.handle_suppressed(self.now(), &self.ledger);
        }
    }

    fn begin(&mut self, contact: Contact, network: Network) {
        let id = contact.id;
        let opted_out = self.list.dialed(&contact, self.now().wall);
        self.dialed.insert(id, contact);
        self.opt_out(opted_out);
        let (lines, in_second) = self.wire.begin(self.now().instant);
        self.tally.count_dial(self.now_s, lines, in_second);
        let ringing = &self.scenario.ringing;
        let callees = self.scenario.callees_at(self.now_s);
        let (fate, delay) = (self.rng.unit(), ringing.post_dial_delay_s);
        let rings = if fate < callees.live {
            Some((ringing.human.draw(&mut self.rng) * callees.ring, true))
        } else if fate < callees.live + callees.machine {
            Some((ringing.machine.draw(&mut self.rng) * callees.ring, false))
        } else {
            None
        };
        let refused = network == Network::Fails;
        let failed = fate >= 1.0 - callees.failed || refused;
        match rings.filter(|(rings_s, _)| *rings_s < ringing.max_s) {
            _ if failed => self.schedule(delay + 0.5, Event::End(id, refused)),
            Some((rings_s, person)) => self.schedule(delay + rings_s, Event::Answer(id, person)),
            None => self.schedule(delay + ringing.max_s, Event::End(id, false)),
        }
    }
}

fn now_at(begin_ms: i64, second: f64) -> Now {
    let since = duration(second);
    Now {
        instant: Instant::from_start(since),
        wall: WallTime::from_unix_ms(begin_ms + since.as_millis() as i64),
    }
}

fn options(list: &ListTable) -> Options {
    // The day begins at nine.
    let clock = |minutes: u32| format!("{:02}:{:02}", 9 + minutes / 60, minutes % 60);
    let start = if list.opens_min > 0 { clock(list.opens_min) } else { "00:00".to_owned() };
    let end = list.closes_min.map_or("24:00".to_owned(), clock);
    let gap_min = if list.tries_again { GAP_MIN } else { 0 };
    let text = format!(
        "name = \"simulated\"\ntrunks = [\"simulated\"]\ncontacts = \"simulated.csv\"\n\
         caller_id = \"+12025550100\"\nlines_max = 10000\nattempt_gap_min = {gap_min}\nmax_attempts = {ATTEMPTS_MAX}\n\
         [window]\nzone = \"UTC\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n\
         start = \"{start}\"\nend = \"{end}\"\n[law]\npacks = []"
    );
    toml::from_str(&text).expect("the options of a simulated campaign can be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::pacing::Dialing;
    use crate::campaign::pacing::forecast::Ablation;

    fn small(mode: Mode, seeds: std::ops::Range<u64>) -> Tally {
        let scenario = Scenario { hours: 2.0, ..Scenario::default() };
        let mut sum = Tally::default();
        seeds.for_each(|seed| sum.add(&play(&scenario, mode, 10, seed)));
        sum
    }

    /// Scenario S3: 50 agents, 40 s of talk, one in ten attempts a person; no cap on lines that would hide a burst.
    fn short_talk(in_completion_order: bool) -> Tally {
        let mut scenario =
            Scenario::parse("hours = 0.5\n[[callees]]\nlive = 0.1\nmachine = 0.3\n[work]\ntalk = { mean_s = 40.0, variation = 1.0 }")
                .unwrap();
        scenario.dialing = Dialing {
            lines_per_agent_max: 50.0,
            waiting_max: 1_000,
            abandonment_target: 0.03,
            ..Scenario::default().dialing
        };
        let plan = Plan { mode: Mode::Predictive, agents: 50, seed: 1, day: 0, past: &[] };
        let mut day = Day::new(&scenario, plan);
        day.campaign.pacer_mut().forecast_mut().ablate(Ablation { newest: 150, in_completion_order });
        day.run();
        day.tally
    }

    #[test]
    fn counting_in_the_order_in_which_attempts_end_bursts_and_counting_in_dial_order_does_not() {
        let (right, wrong) = (short_talk(false), short_talk(true));
        assert!(right.abandoned_percent() < 6.0, "{} %", right.abandoned_percent());
        assert!(right.lines_peak < 900, "{}", right.lines_peak);
        assert!(
            wrong.abandoned_percent() > 2.0 * right.abandoned_percent(),
            "{} %",
            wrong.abandoned_percent()
        );
        assert!(
            3 * wrong.lines_peak > 4 * right.lines_peak,
            "{} lines, not {}",
            wrong.lines_peak,
            right.lines_peak
        );
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
    fn lines_and_calls_per_second_stay_under_their_caps_and_are_used_up_to_them() {
        let trunks = super::super::scenario::Trunks { lines_max: 25, calls_per_second_max: 2.0 };
        let scenario = Scenario { hours: 1.0, trunks, ..Scenario::default() };
        let day = play(&scenario, Mode::Power, 20, 5);
        assert_eq!(day.excess, super::super::wire::Excess::default());
        assert_eq!((day.lines_peak, day.calls_per_second_peak), (25, 2));
    }

    #[test]
    fn a_shift_that_ends_leaves_nobody_in_silence() {
        let text = "hours = 2.0\n[[shifts]]\nshare = 0.5\nfrom_h = 0.0\nto_h = 1.0\n\
                    [[shifts]]\nshare = 0.5\nfrom_h = 0.5\nto_h = 2.0";
        let day = play(&Scenario::parse(text).unwrap(), Mode::Progressive, 8, 1);
        assert_eq!(day.abandoned, 0);
        let staffed_h = day.staffed_s / 3_600.0;
        assert!((10.0..10.3).contains(&staffed_h), "four for one hour, four for one and a half: {staffed_h}");
    }

    #[test]
    fn an_outage_in_which_every_call_fails_is_not_followed_by_a_burst() {
        let peak = |outage: &str| {
            let scenario = Scenario::parse(&format!("hours = 1.0\n{outage}")).unwrap();
            (1..5).map(|seed| play(&scenario, Mode::Predictive, 6, seed).lines_peak).max().unwrap()
        };
        let (with, without) = (peak("[[outages]]\nfrom_h = 0.5\nto_h = 0.7"), peak(""));
        assert!(2 * with <= 3 * without, "{with} lines at most, {without} on a day without an outage");
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
