//! Previews: a contact is shown to an agent, who has it dialed or passes it over, or lets the time decide.

use super::*;
use crate::agent::Word;
use crate::campaign::Refusal;
use crate::campaign::pacing::PreviewEnd;
use crate::engine::placement;
use crate::engine::status::PreviewStatus;

/// A contact that an agent looks at.
pub(super) struct Preview {
    campaign: usize,
    contact: Contact,
    /// Then it is decided without the agent.
    pub(super) until: Option<Instant>,
    /// It is dialed as soon as rate, lines and trunks allow.
    accepted: bool,
}

impl Engine {
    /// Shows a contact to the agent who is kept for it.
    pub(super) fn show(&mut self, now: Now, turn: usize, agent: AgentKey, contact: Contact) {
        let limit = self.campaigns[turn].campaign.options().dialing.preview_s;
        let until = (limit > 0).then(|| now.instant + Duration::from_secs(limit.into()));
        self.note_agent(now, agent, "is shown a contact");
        self.staff.previews.insert(agent, Preview { campaign: turn, contact, until, accepted: false });
    }

    /// An agent has said something.
    pub(super) fn handle_agent_word(&mut self, now: Now, name: &str, word: AgentWord) -> Result<(), String> {
        let agent = self.staff.roster.find(name).map_err(|unknown| unknown.to_string())?;
        let is_shown = self.staff.previews.contains_key(&agent);
        match word {
            AgentWord::State(word) => {
                self.handle_agent_state(now, agent, word);
                if word != Word::Ready {
                    self.pass_over(now, agent);
                }
            }
            AgentWord::Accept | AgentWord::Skip if !is_shown => {
                return Err(format!(
                    "agent {name:?} is shown no contact: campaigns with dialing.mode = \"preview\" show one to agents who \
                     are ready"
                ));
            }
            AgentWord::Accept => self.accept(now, agent),
            AgentWord::Skip => self.pass_over(now, agent),
        }
        Ok(())
    }

    fn accept(&mut self, now: Now, agent: AgentKey) {
        if let Some(preview) = self.staff.previews.get_mut(&agent) {
            (preview.accepted, preview.until) = (true, None);
            self.note_agent(now, agent, "has the contact dialed");
        }
    }

    fn pass_over(&mut self, now: Now, agent: AgentKey) {
        let Some(Preview { campaign, contact, .. }) = self.staff.previews.remove(&agent) else { return };
        self.note_agent(now, agent, "passes the contact over");
        let campaign = &mut self.campaigns[campaign].campaign;
        campaign.handle_passed_over(now, contact, Refusal::PassedOver, &mut self.ledger);
        self.staff.roster.handle_released(now.instant, agent);
    }

    /// Previews whose time is over.
    pub(super) fn handle_preview_timeout(&mut self, now: Now) {
        let is_due = |preview: &Preview| preview.until.is_some_and(|until| until <= now.instant);
        let due: Vec<AgentKey> =
            self.staff.previews.iter().filter(|(_, p)| is_due(p)).map(|(agent, _)| *agent).collect();
        for agent in due {
            let turn = self.staff.previews[&agent].campaign;
            match self.campaigns[turn].campaign.options().dialing.preview_then {
                PreviewEnd::Accept => self.accept(now, agent),
                PreviewEnd::Skip => self.pass_over(now, agent),
            }
        }
    }

    /// Contacts that must not be dialed any more are taken from the agents who look at them.
    pub(super) fn withdraw_previews(&mut self, now: Now) {
        let is_void = |preview: &Preview| {
            self.draining
                || self.campaigns[preview.campaign].campaign.state() != CampaignState::Running
                || self.ledger.is_suppressed(&preview.contact.number)
        };
        let void: Vec<AgentKey> =
            self.staff.previews.iter().filter(|(_, p)| is_void(p)).map(|(agent, _)| *agent).collect();
        for agent in void {
            let Some(Preview { campaign, contact, .. }) = self.staff.previews.remove(&agent) else {
                continue;
            };
            self.note_agent(now, agent, "is shown the contact no longer");
            self.campaigns[campaign].campaign.handle_withdrawn(now, contact, &mut self.ledger);
            self.staff.roster.handle_released(now.instant, agent);
        }
    }

    /// Dials a contact that its agent has accepted, if a trunk takes it.
    pub(super) fn dial_accepted(&mut self, now: Now) -> bool {
        let accepted: Vec<(AgentKey, usize)> = self
            .staff
            .previews
            .iter()
            .filter(|(_, preview)| preview.accepted)
            .map(|(agent, preview)| (*agent, preview.campaign))
            .collect();
        for (agent, turn) in accepted {
            let allowed = &self.campaigns[turn].trunks;
            match placement::choose(&self.trunks, allowed, &[], now.instant, &mut self.rng) {
                Ok(place) => {
                    let Some(preview) = self.staff.previews.remove(&agent) else { continue };
                    self.begin(now, turn, place, preview.contact, Some(agent));
                    return true;
                }
                Err(reason) => self.wait_for_trunk(reason),
            }
        }
        false
    }

    pub(super) fn note_agent(&mut self, now: Now, agent: AgentKey, note: &str) {
        let name = self.staff.roster.agent(agent).options.name.clone();
        self.journal(now, Event::Agent { name, note: note.to_owned() });
    }

    pub(super) fn preview_status(&self, now: Now, agent: AgentKey) -> Option<PreviewStatus> {
        let preview = self.staff.previews.get(&agent)?;
        let contact = &preview.contact;
        Some(PreviewStatus {
            campaign: self.campaigns[preview.campaign].campaign.options().name.clone(),
            number: contact.number.to_string(),
            name: contact.name.clone(),
            comment: contact.comment.clone(),
            attributes: contact.attributes.clone(),
            accepted: preview.accepted,
            decided_in_s: preview.until.map(|until| (until - now.instant).as_secs()),
        })
    }
}
