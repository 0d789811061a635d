//! Agents at work: which campaign counts on whom, who is rung for whom, and what pacing is told of all of it.
//!
//! An agent who works for several campaigns is counted on by one of them at a time, so that no two dial for the same
//! person; who becomes ready goes to the one with the fewest. A caller who waits is given any agent who may take the call,
//! whoever counts on them.

use super::breaks::Breaks;
use super::hearing::is_open_for_agents;
use super::previews::Preview;
use super::promises::Promises;
use super::*;
use crate::agent::{Agent, Roster, State};
use crate::amd::verdict::{Class, Verdict};
use crate::call::attempt::Seat;
use crate::call::step::Step;
use crate::call::treatment::{Human, Whom};
use crate::campaign::pacing::budget::Sums;
use crate::campaign::pacing::{AgentId, Presence};
use crate::engine::status::{AbandonmentStatus, AgentStatus};
use crate::record::ContactId;
use crate::sip::endpoint::SessionEvent;

/// Q.850: the phone rang and nobody came.
const NO_ANSWER: u16 = 19;

/// A canceled INVITE's final response.
const REQUEST_TERMINATED: u16 = 487;

/// The agents, and what is going on with them.
#[derive(Default)]
pub(super) struct Staff {
    pub(super) roster: Roster,
    // One for each key of the roster: the campaign that counts on the agent.
    posts: Vec<Option<usize>>,
    // Lines with a person who waits for an agent, in the order in which they came. Bounded by the lines.
    callers: VecDeque<Key>,
    // Contacts that agents look at. Bounded by the agents.
    pub(super) previews: BTreeMap<AgentKey, Preview>,
    pub(super) promises: Promises,
    pub(super) breaks: Breaks,
    // Which campaigns had use for agents when the posts were given.
    dialing: Vec<bool>,
}

impl Staff {
    /// Whom a campaign counts on.
    fn is_at(&self, agent: AgentKey, turn: usize) -> bool {
        self.post_of(agent) == Some(turn)
    }

    /// The campaign that counts on an agent.
    pub(super) fn post_of(&self, agent: AgentKey) -> Option<usize> {
        self.posts.get(agent.0 as usize).copied().flatten()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let previews = self.previews.values().filter_map(|preview| preview.until);
        previews.chain(self.roster.poll_timeout()).chain(self.breaks.poll_timeout()).min()
    }
}

impl Running {
    /// What agents must be able to do for it; none when it rings no agents whose states are known.
    pub(super) fn skills(&self) -> Option<&[String]> {
        match &self.treatment.human {
            Human::Agent(dial) => match &dial.whom {
                Whom::Agents { skills } => Some(skills),
                Whom::Uri(_) => None,
            },
            Human::Message { .. } | Human::HangUp => None,
        }
    }

    pub(super) fn may_have(&self, agent: &Agent) -> bool {
        let name = &self.campaign.options().name;
        self.skills().is_some_and(|skills| agent.options.serves(name, skills))
    }
}

impl Engine {
    /// The agents are these from now on. Who was there keeps their state and their call.
    pub fn handle_agents(&mut self, now: Now, agents: Vec<agent::Options>) {
        self.staff.roster.handle_options(now.instant, agents);
        // Campaigns may have other agents than before.
        let all: Vec<AgentKey> = self.staff.roster.iter().map(|(key, _)| key).collect();
        all.into_iter().for_each(|agent| self.post(now, agent));
        self.settle(now);
    }

    /// What agents do, as far as anybody must be told, and callers who can have one now.
    pub(super) fn drain_staff(&mut self, now: Now) {
        self.withdraw_previews(now);
        self.begin_breaks(now);
        let dialing: Vec<bool> = self.campaigns.iter().map(|running| running.campaign.is_dialing()).collect();
        if dialing != self.staff.dialing {
            self.staff.dialing = dialing;
            let ready = |(key, agent): (AgentKey, &Agent)| (agent.state == State::Ready).then_some(key);
            let ready: Vec<AgentKey> = self.staff.roster.iter().filter_map(ready).collect();
            ready.into_iter().for_each(|agent| self.post(now, agent));
        }
        self.drain_roster(now);
        for key in std::mem::take(&mut self.staff.callers) {
            if !self.lines.get(key).is_some_and(|line| line.attempt.wants_seat()) {
                continue;
            }
            match self.seat(now, key) {
                Seat::Later => {}
                seat => self.with_attempt(now, key, |attempt, out| attempt.handle_seat(now, seat, out)),
            }
        }
        self.drain_roster(now);
    }

    /// Every change of an agent's state is told to the campaign that counts on them.
    pub(super) fn drain_roster(&mut self, now: Now) {
        while let Some(change) = self.staff.roster.poll_output() {
            let name = self.staff.roster.agent(change.agent).options.name.clone();
            self.journal(now, Event::Agent { name, note: format!("is {}", change.state) });
            self.post(now, change.agent);
        }
    }

    /// Who is ready goes to the campaign that has most use for them; who is busy stays.
    fn post(&mut self, now: Now, agent: AgentKey) {
        let state = self.staff.roster.agent(agent).state;
        let present = self.staff.post_of(agent);
        let next = if state == State::Ready { self.best_post(agent, present) } else { present };
        self.move_to(now, agent, next);
        if let Some(turn) = next {
            let presence = presence_of(state);
            self.campaigns[turn].campaign.handle_agent(now, AgentId(agent.0), presence);
        }
    }

    fn move_to(&mut self, now: Now, agent: AgentKey, next: Option<usize>) {
        let place = agent.0 as usize;
        if self.staff.posts.len() <= place {
            self.staff.posts.resize(place + 1, None);
        }
        let before = std::mem::replace(&mut self.staff.posts[place], next);
        if let Some(turn) = before.filter(|_| before != next) {
            self.campaigns[turn].campaign.handle_agent(now, AgentId(agent.0), Presence::Away);
        }
    }

    fn best_post(&self, agent: AgentKey, present: Option<usize>) -> Option<usize> {
        let of_roster = self.staff.roster.agent(agent);
        let may_have = |turn: &usize| self.campaigns[*turn].may_have(of_roster);
        let candidates: Vec<usize> = (0..self.campaigns.len()).filter(may_have).collect();
        let others_at = |turn: usize| {
            let there = |(key, other): &(AgentKey, &Agent)| {
                *key != agent && other.state.is_staffed() && self.staff.is_at(*key, turn)
            };
            self.staff.roster.iter().filter(there).count()
        };
        let in_use = |turn: &&usize| self.staff.dialing.get(**turn) == Some(&true);
        let best =
            candidates.iter().filter(in_use).min_by_key(|turn| (others_at(**turn), Some(**turn) != present));
        best.copied().or(present.filter(|turn| candidates.contains(turn))).or(candidates.first().copied())
    }

    /// The longest idle of those that the campaign counts on.
    pub(super) fn agent_for(&self, turn: usize, but: &[AgentKey]) -> Option<AgentKey> {
        let roster = &self.staff.roster;
        roster.longest_idle(|key, agent| self.staff.is_at(key, turn) && self.fits(turn, key, agent, but))
    }

    fn any_agent_for(&self, turn: usize, but: &[AgentKey]) -> Option<AgentKey> {
        let anyone = || self.staff.roster.longest_idle(|key, agent| self.fits(turn, key, agent, but));
        self.agent_for(turn, but).or_else(anyone)
    }

    fn fits(&self, turn: usize, key: AgentKey, agent: &Agent, but: &[AgentKey]) -> bool {
        !but.contains(&key) && self.campaigns[turn].may_have(agent)
    }

    /// Who is rung for the person on this line.
    pub(super) fn seat(&mut self, now: Now, key: Key) -> Seat {
        let Some(line) = self.lines.get_mut(key) else { return Seat::Nobody };
        let running = &self.campaigns[line.campaign];
        if running.skills().is_none() && line.attempt.agent_uri().is_some() {
            let (uri, place) = (line.attempt.agent_uri().unwrap_or_default().to_owned(), running.agent_trunk);
            let placement = place.and_then(|place| self.agent_placement(now, key, place));
            return placement.map_or(Seat::Nobody, |placement| Seat::Agent {
                uri,
                placement,
                ring_timeout: None,
            });
        }
        // What the former agent's session still says is nobody's.
        line.sessions[Side::Agent as usize] = None;
        let turn = line.campaign;
        let mut rung = line.rung.clone();
        let mut next = None;
        if let Some(held) = line.agent.take() {
            if self.staff.roster.agent(held).state == State::Reserved {
                next = Some(held);
            } else {
                // Its INVITE could not leave.
                self.staff.roster.handle_missed(now.instant, held);
            }
        }
        while let Some(agent) = next.take().or_else(|| self.any_agent_for(turn, &rung)) {
            match self.ring(now, key, agent) {
                Some(seat) => return seat,
                None => rung.push(agent),
            }
        }
        self.staff.callers.push_back(key);
        Seat::Later
    }

    /// The agent's phone is to ring, unless no channel leads there.
    fn ring(&mut self, now: Now, key: Key, agent: AgentKey) -> Option<Seat> {
        let options = self.staff.roster.agent(agent).options.clone();
        let place =
            self.trunks.iter().position(|trunk| !trunk.retired && trunk.options.name == options.trunk);
        let placement = place
            .filter(|place| is_open_for_agents(&self.trunks[*place], now))
            .and_then(|place| self.agent_placement(now, key, place));
        let Some(placement) = placement else {
            self.staff.roster.handle_released(now.instant, agent);
            return None;
        };
        let line = self.lines.get_mut(key)?;
        line.agent = Some(agent);
        line.rung.push(agent);
        let turn = line.campaign;
        self.move_to(now, agent, Some(turn));
        self.staff.roster.handle_ringing(now.instant, agent);
        let ring_timeout = Some(options.ring_timeout());
        Some(Seat::Agent { uri: options.uri, placement, ring_timeout })
    }

    /// An agent is kept for one contact: both stand outside of pacing until the call is over.
    pub(super) fn reserve(&mut self, now: Now, turn: usize, agent: AgentKey, contact: ContactId) {
        self.campaigns[turn].campaign.handle_guaranteed(now, contact);
        self.staff.roster.handle_reserved(now.instant, agent);
        self.drain_roster(now);
    }

    /// What a session's fate says about the agent whose phone it is.
    pub(super) fn watch_agent(&mut self, now: Now, session: SessionKey, event: &SessionEvent) {
        let Some(channel) = self.sessions.get_mut(&session) else { return };
        let Some(agent) = channel.agent else { return };
        let roster = &mut self.staff.roster;
        match event {
            SessionEvent::Answered { .. } => {
                let line = self.lines.get(channel.line);
                if line.is_some_and(|line| line.sessions[Side::Agent as usize] == Some(session)) {
                    roster.handle_answered(now.instant, agent);
                }
            }
            SessionEvent::Rejected { status, .. } => channel.missed |= *status != REQUEST_TERMINATED,
            SessionEvent::NoResponse => channel.missed = true,
            SessionEvent::Ended if channel.missed => roster.handle_missed(now.instant, agent),
            SessionEvent::Ended => roster.handle_released(now.instant, agent),
            _ => {}
        }
    }

    /// We hang up on an agent's phone, because nobody came to it or for another reason.
    pub(super) fn watch_agent_left(&mut self, session: SessionKey, side: Side, q850: u16) {
        if let Some(channel) = self.sessions.get_mut(&session)
            && side == Side::Agent
        {
            channel.missed |= q850 == NO_ANSWER;
        }
    }

    /// How far a call has come, for the campaign's pacing.
    pub(super) fn watch_pacing(&mut self, now: Now, key: Key, step: &Step) {
        let Some(line) = self.lines.get(key) else { return };
        let contact = line.contact.id;
        let running = &mut self.campaigns[line.campaign];
        let unsure_is_human = running.treatment.unsure_is_human;
        let campaign = &mut running.campaign;
        match step {
            Step::Answered => campaign.handle_answered(now, contact),
            Step::WantsAgent => campaign.handle_waiting(now, contact),
            Step::Bridged if line.attempt.is_too_late(now.instant) => campaign.handle_abandoned(now, contact),
            Step::Bridged => campaign.handle_connected(now, contact),
            Step::NoAgent => campaign.handle_abandoned(now, contact),
            Step::Judged(verdict) | Step::Revised(verdict) if !is_person(verdict, unsure_is_human) => {
                campaign.handle_served(now, contact);
            }
            Step::MessageStarted => campaign.handle_served(now, contact),
            _ => {}
        }
    }

    /// A campaign's ledger of abandoned people at this moment, if there is such a campaign.
    pub fn ledger_of(&self, campaign: &str, now: Now) -> Option<Sums> {
        let named = |running: &&Running| running.campaign.options().name == campaign;
        let running = self.campaigns.iter().find(named)?;
        Some(running.campaign.pacer().budget().sums(now.wall))
    }

    /// What the operator is told of agents.
    pub(super) fn agents_status(&self, now: Now) -> Vec<AgentStatus> {
        let status = |(key, agent): (AgentKey, &Agent)| {
            let turn = self.staff.post_of(key);
            let post = turn.filter(|_| agent.state.is_staffed());
            AgentStatus {
                name: agent.options.name.clone(),
                state: agent.state.as_str().to_owned(),
                for_s: (now.instant - agent.since).as_secs(),
                missed: agent.state == State::Away { missed: true },
                campaign: post
                    .map_or(String::new(), |turn| self.campaigns[turn].campaign.options().name.clone()),
                calls: agent.calls,
                skills: agent.options.skills.clone(),
                preview: self.preview_status(now, key),
            }
        };
        self.staff.roster.iter().map(status).collect()
    }
}

pub(super) fn abandonment(campaign: &Campaign, now: Now) -> Option<AbandonmentStatus> {
    let pacer = campaign.pacer();
    let sums = pacer.budget().sums(now.wall);
    (sums.people > 0).then(|| AbandonmentStatus {
        people: sums.people,
        abandoned: sums.abandoned,
        mistaken: sums.mistaken,
        share: sums.share(),
        limit: pacer.dialing().abandonment_limit,
        guarded: pacer.is_guarded(),
    })
}

fn presence_of(state: State) -> Presence {
    match state {
        State::Ready => Presence::Ready,
        State::Reserved | State::Ringing | State::Talking => Presence::Talking,
        State::WrapUp { .. } => Presence::WrapUp,
        State::Break | State::Away { .. } | State::Offline => Presence::Away,
    }
}

/// Whether whoever was judged so is given to an agent.
fn is_person(verdict: &Verdict, unsure_is_human: bool) -> bool {
    match verdict.class {
        Class::Human => true,
        Class::Unsure => unsure_is_human,
        _ => false,
    }
}
