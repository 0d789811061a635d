//! What the lines and the agents will do within the next seconds, from what they did before.

use super::cohort::Cohort;
use super::durations::{Bins, Durations};
use super::floor::{Attempt, Line, Phase, Presence};
use crate::time::Instant;
use std::time::Duration;

/// Attempts remembered by the histograms.
const MEMORY: f64 = 400.0;

/// The least attempts that the shares look back upon, and how many times the lines in flight at least.
const NEWEST_MIN: usize = 400;
const NEWEST_LINES: usize = 3;

/// How long the shares hold until they are worked out anew, and how long the distributions, which change more slowly.
const SHARES_KEPT: Duration = Duration::from_secs(1);
const DURATIONS_KEPT: Duration = Duration::from_secs(30);

/// What to assume before anything is known; cases outweigh it within minutes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Guess {
    /// The share of attempts that reach a person.
    pub live: f64,
    /// Seconds from the dial to a person's answer.
    pub answer_s: f64,
    /// Seconds from the answer to the verdict.
    pub verdict_s: f64,
    /// Seconds of talk.
    pub talk_s: f64,
    /// Seconds of wrap-up.
    pub wrap_up_s: f64,
}

impl Default for Guess {
    fn default() -> Self {
        Guess { live: 0.25, answer_s: 13.0, verdict_s: 1.5, talk_s: 90.0, wrap_up_s: 15.0 }
    }
}

/// The distributions of one campaign.
#[derive(Clone, Debug)]
pub struct Forecast {
    // Of attempts in dial order: those that want an agent, and those that are answered by anyone.
    live: Cohort,
    answered: Cohort,
    // From the dial: to the request for an agent, to the answer of those, to any answer, to the end of the dialing.
    to_request: Durations,
    to_live_answer: Durations,
    to_answer: Durations,
    to_leave: Durations,
    // From the answer: to the request, and to any verdict.
    to_verdict_live: Durations,
    to_verdict: Durations,
    talk: Durations,
    wrap_up: Durations,
    // The shares as last worked out, and since when the distributions are as they are.
    shared_at: Option<Instant>,
    refreshed_at: Option<Instant>,
    live_share: f64,
    answered_share: f64,
    #[cfg(test)]
    ablation: Option<Ablation>,
}

/// What a test takes away from the estimator.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub struct Ablation {
    /// The attempts looked back upon.
    pub newest: usize,
    /// Whether they count in the order in which they end.
    pub in_completion_order: bool,
}

impl Forecast {
    /// Before the first call.
    pub fn new(guess: Guess) -> Self {
        let ringing = |mean| Durations::guess(Bins::RINGING, mean, 0.5, 20.0, MEMORY);
        let verdict = |mean| Durations::guess(Bins::VERDICT, mean, 0.5, 20.0, MEMORY);
        let handling = |mean, variation| Durations::guess(Bins::HANDLING, mean, variation, 20.0, MEMORY);
        Forecast {
            live: Cohort::new(guess.live, 40.0, NEWEST_MIN),
            answered: Cohort::new((guess.live * 2.0).min(0.9), 40.0, NEWEST_MIN),
            to_request: ringing(guess.answer_s + guess.verdict_s),
            to_live_answer: ringing(guess.answer_s),
            to_answer: ringing(guess.answer_s * 1.2),
            to_leave: ringing(guess.answer_s * 1.6),
            to_verdict_live: verdict(guess.verdict_s),
            to_verdict: verdict(guess.verdict_s * 1.5),
            talk: handling(guess.talk_s, 1.0),
            wrap_up: handling(guess.wrap_up_s, 0.5),
            shared_at: None,
            refreshed_at: None,
            live_share: guess.live,
            answered_share: guess.live * 2.0,
            #[cfg(test)]
            ablation: None,
        }
    }

    /// From the first call on, with less.
    #[cfg(test)]
    pub fn ablate(&mut self, ablation: Ablation) {
        self.live.keep_only(ablation.newest);
        self.answered.keep_only(ablation.newest);
        self.ablation = Some(ablation);
    }

    #[cfg(test)]
    fn handle_completed(&mut self, now: Instant, live: bool, answered: bool) {
        if self.ablation.is_some_and(|ablation| ablation.in_completion_order) {
            self.live.handle_completed(now, live);
            self.answered.handle_completed(now, answered);
        }
    }

    /// An attempt was dialed, with so many lines in flight.
    pub fn handle_dialed(&mut self, now: Instant, attempt: Attempt, lines: usize) {
        let newest = NEWEST_MIN.max(NEWEST_LINES * lines);
        #[cfg(test)]
        let newest = self.ablation.map_or(newest, |ablation| ablation.newest);
        for cohort in [&mut self.live, &mut self.answered] {
            cohort.set_newest(newest);
            #[cfg(test)]
            if self.ablation.is_some_and(|ablation| ablation.in_completion_order) {
                continue;
            }
            cohort.handle_dialed(attempt, now);
        }
    }

    /// It never left.
    pub fn handle_not_dialed(&mut self, attempt: Attempt) {
        self.live.handle_not_dialed(attempt);
        self.answered.handle_not_dialed(attempt);
    }

    /// Somebody or something answered.
    pub fn handle_answered(&mut self, now: Instant, attempt: Attempt, line: &Line) {
        let ringing = seconds(now, line.dialed_at);
        self.to_answer.add(ringing);
        self.to_leave.add(ringing);
        self.answered.handle_hit(attempt);
    }

    /// Somebody wants an agent.
    pub fn handle_request(&mut self, now: Instant, attempt: Attempt, line: &Line) {
        self.live.handle_hit(attempt);
        #[cfg(test)]
        self.handle_completed(now, true, true);
        self.to_request.add(seconds(now, line.dialed_at));
        if line.phase == Phase::Judging {
            self.to_live_answer.add(seconds(line.since, line.dialed_at));
            self.to_verdict_live.add(seconds(now, line.since));
            self.to_verdict.add(seconds(now, line.since));
        }
    }

    /// A line ended without anyone for an agent.
    pub fn handle_ended(&mut self, now: Instant, line: &Line) {
        #[cfg(test)]
        self.handle_completed(now, false, line.phase == Phase::Judging);
        match line.phase {
            Phase::Dialing => self.to_leave.add(seconds(now, line.dialed_at)),
            Phase::Judging => self.to_verdict.add(seconds(now, line.since)),
        }
    }

    /// An agent is done with what `presence` names, after so long.
    pub fn handle_agent(&mut self, presence: Presence, lasted_s: f64) {
        match presence {
            Presence::Talking => self.talk.add(lasted_s),
            Presence::WrapUp => self.wrap_up.add(lasted_s),
            Presence::Ready | Presence::Away => {}
        }
    }

    /// Works out anew what to expect, when it is due; says whether the distributions are new.
    pub fn handle_time(&mut self, now: Instant) -> bool {
        let is_due =
            |worked_out: Option<Instant>, kept: Duration| worked_out.is_none_or(|at| now - at >= kept);
        if is_due(self.shared_at, SHARES_KEPT) {
            self.shared_at = Some(now);
            self.live_share = self.live.share(&self.to_request, now);
            self.answered_share = self.answered.share(&self.to_answer, now).max(self.live_share);
        }
        let refreshes = is_due(self.refreshed_at, DURATIONS_KEPT);
        if refreshes {
            self.refreshed_at = Some(now);
            self.refresh();
        }
        refreshes
    }

    fn refresh(&mut self) {
        for durations in [
            &mut self.to_request,
            &mut self.to_live_answer,
            &mut self.to_answer,
            &mut self.to_leave,
            &mut self.to_verdict_live,
            &mut self.to_verdict,
            &mut self.talk,
            &mut self.wrap_up,
        ] {
            durations.refresh();
        }
    }

    /// The share of attempts that want an agent.
    pub fn live_share(&self) -> f64 {
        self.live_share
    }

    /// Mean seconds that an agent is taken by one call.
    pub fn handling_s(&self) -> f64 {
        self.talk.mean_s() + self.wrap_up.mean_s()
    }

    /// Mean seconds from the dial to the end of the dialing.
    pub fn dialing_s(&self) -> f64 {
        self.to_leave.mean_s()
    }

    /// The seconds from the dial until a share `p` of those who want an agent have asked for one.
    pub fn request_quantile_s(&self, p: f64) -> f64 {
        self.to_request.quantile(p)
    }

    /// The chance that whoever wants an agent is on a line of this phase.
    pub fn wanting_share(&self, phase: Phase) -> f64 {
        match phase {
            Phase::Dialing => self.live_share,
            Phase::Judging => self.live_share / self.answered_share,
        }
    }

    /// The chance that a line in this phase for `elapsed_s` asks for an agent within `ahead_s`, for each unit of
    /// [`Forecast::wanting_share`].
    pub fn request_within(&self, phase: Phase, elapsed_s: f64, ahead_s: f64) -> f64 {
        let (asks, goes_on) = match phase {
            Phase::Dialing => {
                let answer = &self.to_live_answer;
                let asks =
                    answer.by(elapsed_s + ahead_s - self.to_verdict_live.mean_s()) - answer.by(elapsed_s);
                (asks, 1.0 - self.to_leave.by(elapsed_s))
            }
            Phase::Judging => {
                let verdict = &self.to_verdict_live;
                (verdict.by(elapsed_s + ahead_s) - verdict.by(elapsed_s), 1.0 - self.to_verdict.by(elapsed_s))
            }
        };
        asks.max(0.0) / goes_on.max(0.02)
    }

    /// The chance that an agent is free for a next call within `ahead_s`.
    pub fn free_within(&self, presence: Presence, elapsed_s: f64, ahead_s: f64) -> f64 {
        match presence {
            Presence::Ready => 1.0,
            Presence::Away => 0.0,
            Presence::WrapUp => self.wrap_up.over_within(elapsed_s, ahead_s),
            Presence::Talking => {
                // The wrap-up that follows, by its sextiles.
                let wrapped = |p| self.talk.over_within(elapsed_s, ahead_s - self.wrap_up.quantile(p));
                (wrapped(1.0 / 6.0) + wrapped(0.5) + wrapped(5.0 / 6.0)) / 3.0
            }
        }
    }
}

/// From `earlier` to `later`, in seconds.
pub fn seconds(later: Instant, earlier: Instant) -> f64 {
    (later - earlier).as_secs_f64()
}
