//! New calls: whichever campaign wants one, if lines, rate, trunks and the store allow it.

use super::promises::Promised;
use super::*;
use crate::call::attempt::{Placement, Plan};
use crate::campaign::Refusal;
use crate::campaign::options::RING_TIMEOUT_S_MIN;
use crate::engine::caller_id::Chosen;
use crate::engine::placement;
use crate::engine::trunk::Unavailable;
use crate::time::WallTime;

/// Who waits for civil time looks at the clock again after so many milliseconds.
const CIVIL_RECHECK_MS: i64 = 60_000;

impl Engine {
    /// Dials while anyone wants to and everything allows it, the campaigns in turn.
    pub(super) fn dial(&mut self, now: Now) {
        self.dial_at = None;
        if self.draining || !self.dialing || self.store_retry_at.is_some() || !self.belongs(now) {
            return;
        }
        let count = self.campaigns.len();
        let mut idle = 0;
        while idle < count {
            let Some(free_at) = self.rate.free_at(now.instant) else { return };
            let Some(share_at) = self.shares_free_at(now, None) else { return };
            let free_at = free_at.max(share_at);
            if free_at > now.instant {
                self.dial_at = Some(free_at);
                return;
            }
            if self.lines.len() + self.orphans.lines() >= self.lines.limit() {
                return;
            }
            if self.dial_accepted(now) {
                continue;
            }
            let turn = self.next_campaign % count;
            self.next_campaign = (turn + 1) % count;
            idle = if self.dial_one(now, turn) { 0 } else { idle + 1 };
        }
    }

    fn dial_one(&mut self, now: Now, turn: usize) -> bool {
        let running = &mut self.campaigns[turn];
        if running.campaign.state() != CampaignState::Running {
            return false;
        }
        match self.shares_free_at(now, Some(turn)) {
            Some(at) if at <= now.instant => {}
            at => {
                self.dial_at = [self.dial_at, at].into_iter().flatten().min();
                return false;
            }
        }
        let without = self.trunks_without_share(now);
        let running = &mut self.campaigns[turn];
        let place =
            match placement::choose(&self.trunks, &running.trunks, &without, now.instant, &mut self.rng) {
                Ok(place) => place,
                Err(reason) => {
                    self.wait_for_trunk(reason);
                    return false;
                }
            };
        if let Some(Err(until)) = running.pool.map(|pool| self.pools[pool].free_at(now.wall)) {
            self.wait_for_caller_id(now, until);
            return false;
        }
        let running = &self.campaigns[turn];
        let previewed = running.campaign.is_previewed();
        if previewed && self.agent_for(turn, &[]).is_none() {
            return false;
        }
        let free = (self.lines.limit() - self.lines.len() - self.orphans.lines()) as u32;
        let running = &mut self.campaigns[turn];
        let Some(contact) = running.campaign.next_dial(now, free, &mut self.ledger) else { return false };
        let demanded = running.campaign.demands_agent(contact.id);
        let kept = match self.promised(now, turn, &contact) {
            Promised::Later => {
                let (campaign, ledger) = (&mut self.campaigns[turn].campaign, &mut self.ledger);
                campaign.handle_agent_awaited(now, contact, ledger);
                return true;
            }
            Promised::From(agent) => Some(agent),
            Promised::ByAnybody if demanded => self.agent_for(turn, &[]),
            Promised::ByAnybody => {
                self.begin(now, turn, place, contact, None);
                return true;
            }
        };
        match kept {
            None => {
                let (campaign, ledger) = (&mut self.campaigns[turn].campaign, &mut self.ledger);
                campaign.handle_passed_over(now, contact, Refusal::AgentDemanded, ledger);
            }
            Some(agent) => {
                self.reserve(now, turn, agent, contact.id);
                if previewed {
                    self.show(now, turn, agent, contact);
                } else {
                    self.begin(now, turn, place, contact, Some(agent));
                }
            }
        }
        true
    }

    pub(super) fn wait_for_trunk(&mut self, reason: Option<Unavailable>) {
        let until = match reason {
            Some(
                Unavailable::Rate { until } | Unavailable::Resting { until } | Unavailable::Broken { until },
            ) => Some(until),
            _ => None,
        };
        self.dial_at = [self.dial_at, until].into_iter().flatten().min();
    }

    /// Civil time may be set, so the clock is looked at again every minute.
    fn wait_for_caller_id(&mut self, now: Now, until: WallTime) {
        let ahead = until.unix_ms().saturating_sub(now.wall.unix_ms()).clamp(1, CIVIL_RECHECK_MS);
        let look_at = now.instant + Duration::from_millis(ahead as u64);
        self.dial_at = [self.dial_at, Some(look_at)].into_iter().flatten().min();
    }

    /// The number that the callee sees, and why this one.
    fn caller_id_for(&mut self, now: Now, turn: usize, callee: &E164) -> Chosen {
        let running = &self.campaigns[turn];
        let chosen = running.pool.and_then(|pool| self.pools[pool].choose(now.wall, callee));
        chosen.unwrap_or_else(|| Chosen {
            caller_id: running.campaign.options().caller_id.clone(),
            why: "the campaign's only one (caller_id)".to_owned(),
        })
    }

    /// With an agent who is kept for the call, or without.
    pub(super) fn begin(
        &mut self,
        now: Now,
        turn: usize,
        place: usize,
        contact: Contact,
        agent: Option<AgentKey>,
    ) {
        self.trunks[place].seize(now.instant);
        self.trunks[place].rate.record(now.instant);
        self.rate.record(now.instant);
        self.record_share_begun(now, turn, place);
        let placement = self.placement_on(now, place, &[]);
        let random = u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64());
        let id = AttemptId::new(now.wall, random);
        let line = self.lines_with(now, turn, place, id, contact, placement, agent);
        self.keep_decision(now, line);
        self.campaigns[turn].in_flight += 1;
        self.attempts.insert(id, line);
    }

    /// Makes the line in the table first, because its streams are named after it.
    #[expect(clippy::too_many_arguments, reason = "all that a line is made of")]
    fn lines_with(
        &mut self,
        now: Now,
        turn: usize,
        place: usize,
        id: AttemptId,
        contact: Contact,
        placement: Placement,
        agent: Option<AgentKey>,
    ) -> Key {
        let reserve = Key::from_u64(u64::MAX);
        let mut stream =
            |side| self.streams.insert((reserve, side)).expect("two streams are reserved for every line");
        let streams = [stream(Side::Callee), stream(Side::Agent)];
        let Chosen { caller_id, why } = self.caller_id_for(now, turn, &contact.number);
        let running = &self.campaigns[turn];
        let options = running.campaign.options();
        let plan = Plan {
            id,
            contact: contact.id,
            number: contact.number.clone(),
            campaign: options.name.clone(),
            caller_id,
            treatment: Arc::clone(&running.treatment),
            ring_timeout: Duration::from_secs(options.ring_timeout_s.into()),
            ring_min: match options.dialing.mode.needs_agents() {
                true => Duration::from_secs(RING_TIMEOUT_S_MIN.into()),
                false => Duration::ZERO,
            },
            guaranteed: agent.is_some(),
            duration_max: Duration::from_secs(options.call_duration_max_s.into()),
            verdict_within: self.options.verdict_within,
            recording: running.treatment.record.then(|| self.options.recordings.join(format!("{id}.wav"))),
            watch: self.options.watch,
            callee_stream: streams[0],
            agent_stream: streams[1],
            session_id: self.rng.below(1 << 62),
        };
        let mut actions = Vec::new();
        let attempt = Attempt::new(now, plan, placement, &mut actions);
        let line = Line {
            attempt,
            contact,
            campaign: turn,
            trunk: place,
            caller_id_why: why,
            tried: vec![place],
            tried_hops: Vec::new(),
            may_try_hop: false,
            is_scored: false,
            answered_after: None,
            redirects: Vec::new(),
            transferred: Transferred::default(),
            forbidden: false,
            agent,
            rung: Vec::new(),
            agent_trunk: None,
            draft: None,
            reserved: [Some(place), None, None],
            sessions: [None; 3],
            streams,
            timer: None,
        };
        let Ok(key) = self.lines.insert(line) else { unreachable!("a free line was counted before") };
        for stream in streams {
            let owner = self.streams.get_mut(stream).expect("it was reserved just now");
            owner.0 = key;
        }
        self.with_attempt(now, key, |_, out| out.append(&mut actions));
        key
    }

    /// What the campaigns have to say.
    pub(super) fn drain_campaigns(&mut self, now: Now) {
        for turn in 0..self.campaigns.len() {
            while let Some(output) = self.campaigns[turn].campaign.poll_output() {
                self.carry_out_campaign(now, turn, output);
            }
        }
    }

    fn carry_out_campaign(&mut self, now: Now, turn: usize, output: campaign::Output) {
        let name = self.campaigns[turn].campaign.options().name.clone();
        match output {
            campaign::Output::Refill { limit, due_at } => {
                // Else a contact that goes back to the store is overtaken by the question who is left there.
                self.write_unsaved();
                self.outputs.push_back(Output::Store(Request::Refill { campaign: name, due_at, limit }));
            }
            campaign::Output::Release { update: contact, reason } => {
                let reason = reason.as_str().to_owned();
                self.journal(now, Event::Skipped { campaign: name, reason: reason.clone() });
                self.outputs.push_back(Output::Store(Request::ReleaseContact { contact, reason }));
            }
            campaign::Output::Guarded { on, sums } => {
                let (people, abandoned) = (sums.people, sums.abandoned);
                self.journal(now, Event::Guard { campaign: name, on, people, abandoned });
            }
            campaign::Output::StateChanged(state) => {
                self.journal(now, Event::Campaign { name: name.clone(), state });
                self.outputs.push_back(Output::Store(Request::SaveCampaign { campaign: name, state }));
            }
        }
    }
}
