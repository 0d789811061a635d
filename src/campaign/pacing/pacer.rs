//! The pacer: how many more lines a campaign may dial at this moment, and why not more.

use super::budget::Budget;
use super::floor::{AgentId, Attempt, Floor, Presence};
use super::forecast::{Forecast, Guess, seconds};
use super::held::Held;
use super::lookahead::Lookahead;
use super::mode::{Dialing, Mode};
use super::outlook::Outlook;
use super::target::Target;
use crate::time::{Instant, Now};
use std::time::Duration;

/// Lines for each waiting agent with which `power_auto` begins, and the most that it comes to.
const AUTO_RATIO_BEGIN: f64 = 2.0;
const AUTO_RATIO_MAX: f64 = 10.0;

/// How long it does not look ahead again: so long for each line in flight, and the longest.
const LOOK_REST_EACH: Duration = Duration::from_millis(5);
const LOOK_REST_MAX: Duration = Duration::from_millis(500);

/// Abandoned people come together: agents who stay on their calls longer than expected do so for all who answer meanwhile.
const BURST: f64 = 4.0;

/// Beyond so many times its spread the number of people who are reached is not expected to lie.
const REACHED_SPREAD: f64 = 1.3;

/// Of the people on lines beyond the waiting agents, so many may be abandoned at least where a ratio is dialed.
const RATIO_RISK: f64 = 0.1;

/// The pacer of one campaign.
#[derive(Clone, Debug)]
pub struct Pacer {
    dialing: Dialing,
    floor: Floor,
    forecast: Forecast,
    // Of the forecast as last worked out; made when it is needed.
    outlook: Option<Outlook>,
    target: Target,
    budget: Budget,
    last: Attempt,
    guarded: bool,
    looked_ahead_at: Option<Instant>,
}

impl Pacer {
    /// Before the first call.
    pub fn new(dialing: Dialing, guess: Guess, now: Instant) -> Self {
        Pacer {
            floor: Floor::default(),
            forecast: Forecast::new(guess),
            outlook: None,
            target: Target::new(dialing.abandonment_target, now),
            budget: Budget::new(dialing.abandonment_limit, dialing.abandonment_window_days),
            dialing,
            last: 0,
            guarded: false,
            looked_ahead_at: None,
        }
    }

    /// Other rules from now on; what was learnt stays.
    pub fn set_dialing(&mut self, dialing: Dialing) {
        self.target.set_share(dialing.abandonment_target);
        self.budget.set_law(dialing.abandonment_limit, dialing.abandonment_window_days);
        self.dialing = dialing;
        self.outlook = None;
    }

    /// The rules.
    pub fn dialing(&self) -> &Dialing {
        &self.dialing
    }

    /// What it knows of this moment.
    pub fn floor(&self) -> &Floor {
        &self.floor
    }

    /// What it expects.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// What it expects, to take something away from it.
    #[cfg(test)]
    pub fn forecast_mut(&mut self) -> &mut Forecast {
        &mut self.forecast
    }

    /// The ledger of abandoned people; a former run's days and the share of mistaken verdicts are put in here.
    pub fn budget_mut(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// The ledger of abandoned people.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The risk that one more line may carry, with `predictive`.
    pub fn threshold(&self) -> f64 {
        self.target.threshold()
    }

    /// Whether the guard has it at one line for each waiting agent, as of the last [`Pacer::lines_wanted`].
    pub fn is_guarded(&self) -> bool {
        self.guarded
    }

    /// An agent's state.
    pub fn handle_agent(&mut self, now: Instant, agent: AgentId, presence: Presence) {
        let known = self.floor.presence(agent);
        if known == Some(presence) {
            return;
        }
        if let Some((before, since)) = self.floor.set_agent(now, agent, presence) {
            self.forecast.handle_agent(before, seconds(now, since));
        }
    }

    /// An attempt is dialed; its number names it from now on.
    pub fn handle_dialed(&mut self, now: Instant) -> Attempt {
        self.last += 1;
        self.floor.dialed(now, self.last);
        self.forecast.handle_dialed(now, self.last, self.floor.lines().len());
        self.last
    }

    /// It never left, or no network carried it: of the people called it tells nothing. An outage in which every attempt
    /// fails would else be taken for a list on which nobody answers, and be followed by a burst.
    pub fn handle_not_dialed(&mut self, attempt: Attempt) {
        self.floor.ended(attempt);
        self.forecast.handle_not_dialed(attempt);
    }

    /// It was answered, by whomever.
    pub fn handle_answered(&mut self, now: Instant, attempt: Attempt) {
        if let Some(line) = self.floor.answered(now, attempt) {
            self.forecast.handle_answered(now, attempt, &line);
        }
    }

    /// Somebody on it wants an agent.
    pub fn handle_waiting(&mut self, now: Instant, attempt: Attempt) {
        if let Some(line) = self.floor.waits(now, attempt) {
            self.forecast.handle_request(now, attempt, &line);
        }
    }

    /// An agent took it in time.
    pub fn handle_connected(&mut self, now: Now, attempt: Attempt) {
        self.handle_wait_over(now, attempt, false);
    }

    /// Nobody took it in time.
    pub fn handle_abandoned(&mut self, now: Now, attempt: Attempt) {
        self.handle_wait_over(now, attempt, true);
    }

    fn handle_wait_over(&mut self, now: Now, attempt: Attempt, abandoned: bool) {
        if self.floor.waits_no_more(attempt) {
            self.target.handle_person(abandoned);
            self.budget.handle_person(now.wall, abandoned);
        }
    }

    /// It was hung up on as a machine.
    pub fn handle_machine(&mut self, now: Now, attempt: Attempt) {
        self.budget.handle_machine(now.wall);
        self.target.handle_mistaken(self.budget.mistaken_share());
        self.handle_ended(now.instant, attempt);
    }

    /// It ended, in whatever way; told twice, the second time does nothing.
    pub fn handle_ended(&mut self, now: Instant, attempt: Attempt) {
        if let Some(line) = self.floor.ended(attempt) {
            self.forecast.handle_ended(now, &line);
        }
    }

    /// Whether an agent who waits for a call and leaves now could be missed: let them take one more call first.
    pub fn needs_every_ready_agent(&self) -> bool {
        self.dialing.mode.needs_agents()
            && self.floor.lines().len() + self.floor.waiting() >= self.floor.ready()
    }

    /// How many more lines may be dialed now; `u32::MAX` where the mode sets none.
    pub fn lines_wanted(&mut self, now: Now) -> u32 {
        if self.forecast.handle_time(now.instant) {
            self.outlook = None;
        }
        self.target.handle_time(now.instant);
        if !self.dialing.mode.needs_agents() {
            return u32::MAX;
        }
        if self.floor.waiting() >= self.dialing.waiting_max as usize {
            return 0;
        }
        self.guarded = self.dialing.mode.overdials() && self.budget.would_break(now.wall, self.exposed(0));
        let progressive = self.lines_for(1.0);
        let wanted = match self.dialing.mode {
            _ if self.guarded => progressive,
            Mode::Power => self.lines_for(self.dialing.ratio),
            Mode::Boost => self.lines_for(self.dialing.boost_factor),
            Mode::PowerAuto => self.lines_for(self.auto_ratio()),
            Mode::Predictive if self.has_just_looked_ahead(now.instant) => progressive,
            Mode::Predictive => self.within_risk(now.instant, progressive),
            _ => progressive,
        };
        self.within_budget(now, progressive, wanted).min(self.lines_left())
    }

    /// Of so many wanted lines, those beyond `progressive` that the ledger can bear even where it goes badly for them.
    fn within_budget(&self, now: Now, progressive: u32, wanted: u32) -> u32 {
        let bears = |lines: u32| !self.budget.would_break(now.wall, self.exposed(lines as usize));
        if wanted <= progressive || bears(wanted) {
            return wanted;
        }
        let (mut least, mut most) = (progressive, wanted);
        while most - least > 1 {
            let middle = least + (most - least) / 2;
            if bears(middle) { least = middle } else { most = middle }
        }
        least
    }

    /// Lines still missing to so many for each waiting agent.
    fn lines_for(&self, ratio: f64) -> u32 {
        let free = self.floor.ready().saturating_sub(self.floor.waiting());
        ((free as f64 * ratio).round() as usize).saturating_sub(self.floor.lines().len()) as u32
    }

    /// The steered number of lines for each waiting agent: the threshold's distance from the target moves it.
    fn auto_ratio(&self) -> f64 {
        (AUTO_RATIO_BEGIN * self.target.threshold() / self.target.share()).clamp(1.0, AUTO_RATIO_MAX)
    }

    /// With many lines something happens all the time, and a look ahead at each of it would decide nothing more.
    fn has_just_looked_ahead(&self, now: Instant) -> bool {
        let rest = (LOOK_REST_EACH * self.floor.lines().len() as u32).min(LOOK_REST_MAX);
        self.looked_ahead_at.is_some_and(|at| now > at && now - at < rest)
    }

    fn within_risk(&mut self, now: Instant, progressive: u32) -> u32 {
        self.looked_ahead_at = Some(now);
        let grace_s = f64::from(self.dialing.grace_ms) / 1_000.0;
        let outlook = self.outlook.get_or_insert_with(|| Outlook::new(&self.forecast, grace_s));
        let mut ahead = Lookahead::new(now, &self.floor, &self.forecast, outlook);
        (0..progressive).for_each(|_| ahead.add_line());
        progressive
            + ahead.lines_within(self.target.threshold(), self.lines_left().saturating_sub(progressive))
    }

    /// Lines left under the cap for each agent.
    fn lines_left(&self) -> u32 {
        self.lines_cap().saturating_sub(self.floor.lines().len()) as u32
    }

    fn lines_cap(&self) -> usize {
        (self.floor.staffed() as f64 * self.dialing.lines_per_agent_max).ceil() as usize
    }

    /// How many people could still be abandoned with so many `more` lines, whatever is dialed after them: all who wait without
    /// an agent; and of those whom the lines in flight may reach, a burst, the expected number and three times its spread, but no
    /// more than are likely to be reached at all.
    fn exposed(&self, more: usize) -> u64 {
        let (ready, waiting) = (self.floor.ready(), self.floor.waiting());
        let beyond = (self.floor.lines().len() + more).saturating_sub(ready.saturating_sub(waiting));
        let risk = match self.dialing.mode {
            Mode::Predictive => self.target.threshold(),
            // Nothing bounds the risk of a ratio.
            _ => self.target.threshold().max(RATIO_RISK),
        };
        let reached = beyond as f64 * self.forecast.live_share();
        let expected = reached * risk;
        let exposed =
            (BURST + expected + 3.0 * expected.sqrt()).min(reached + REACHED_SPREAD * reached.sqrt());
        waiting.saturating_sub(ready) as u64 + exposed.ceil() as u64
    }

    /// What holds it back at this moment; nothing when it may dial.
    pub fn held(&mut self, now: Now) -> Option<Held> {
        if !self.dialing.mode.needs_agents() || self.lines_wanted(now) > 0 {
            return None;
        }
        let (staffed, ready) = (self.floor.staffed(), self.floor.ready());
        let (lines, waiting) = (self.floor.lines().len(), self.floor.waiting());
        Some(if staffed == 0 {
            Held::NoAgents
        } else if waiting >= self.dialing.waiting_max as usize {
            Held::PeopleWaiting { waiting }
        } else if lines >= self.lines_cap() {
            Held::LinesPerAgent { lines }
        } else if ready == 0 && lines == 0 {
            Held::AgentsBusy { staffed }
        } else {
            Held::LinesSuffice { lines, ready }
        })
    }
}

#[cfg(test)]
mod tests;
