//! Why is it not dialing? The engine's own reasons beside the campaign's, in the order in which they bind.

use super::*;
use crate::campaign::explain::checks::{Facts, examine};
use crate::campaign::explain::hold::Hold;
use crate::engine::explain::{AttemptExplained, ContactExplained, trunk_hold};

/// Reasons of a campaign that come before those of trunks and lines; with one of these it wants no line at all.
const FIRST: [&str; 5] =
    ["window_closed", "list_exhausted", "nothing_due", "not_dialed", "abandonment_guard"];

/// Reasons that are agents.
const AGENTS: [&str; 5] = ["no_agents", "agents_busy", "lines_suffice", "people_waiting", "lines_per_agent"];

impl Engine {
    /// What keeps a campaign from dialing at this moment, the weightiest first; empty when it dials.
    pub(super) fn holds(&self, running: &Running, now: Now) -> Vec<Hold> {
        let mut own = running.campaign.holds(now);
        if running.campaign.state() != CampaignState::Running {
            return own;
        }
        if self.draining {
            return vec![Hold::new("draining", "the engine is shutting down")];
        }
        if !self.dialing {
            let text = "dialing is switched off: `outdial dialing on` switches it on";
            return vec![Hold::new("dialing_off", text)];
        }
        let mut holds = Vec::new();
        holds.extend(self.store_hold(now));
        holds.extend(self.node_hold(running, now));
        holds.extend(own.extract_if(.., |hold| FIRST.contains(&hold.reason.as_str())));
        holds.extend(self.trunk_holds(running, now));
        holds.extend(running.pool.and_then(|pool| self.pools[pool].hold(now)));
        holds.extend(self.cap_holds(now));
        holds.extend(own.into_iter().map(|hold| self.with_agents(running, hold)));
        holds
    }

    /// One node among several dials with its own part of the caps, and not at all without its lease.
    fn node_hold(&self, running: &Running, now: Now) -> Option<Hold> {
        if !self.belongs(now) {
            let text = "this node has no lease on the shared database, and begins no call without one";
            return Some(Hold::new("no_lease", text));
        }
        let name = &running.campaign.options().name;
        let turn = self.campaigns.iter().position(|known| known.campaign.options().name == *name);
        let text = "this node has used up its share of the caps among the nodes";
        match [self.shares_free_at(now, None), self.shares_free_at(now, turn)] {
            [Some(engine), Some(campaign)] => {
                let at = Some(engine.max(campaign)).filter(|at| *at > now.instant)?;
                Some(Hold::new("node_share", text).until(now, now.wall_at(at), None))
            }
            _ => Some(Hold::new("node_share", text)),
        }
    }

    /// Where agents are what it waits for: how many there are, and what they do.
    fn with_agents(&self, running: &Running, mut hold: Hold) -> Hold {
        let skills = running.skills().filter(|_| AGENTS.contains(&hold.reason.as_str()));
        let Some(skills) = skills else { return hold };
        let campaign = &running.campaign.options().name;
        let serving = self.staff.roster.iter().filter(|(_, agent)| agent.options.serves(campaign, skills));
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, agent) in serving {
            *states.entry(agent.state.as_str()).or_default() += 1;
        }
        let listed: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        hold.text += &match listed.is_empty() {
            true => " (no [[agent]] serves it)".to_owned(),
            false => format!(" (its agents: {})", listed.join(", ")),
        };
        states
            .into_iter()
            .fold(hold, |hold, (state, count)| hold.with_count(&format!("agents_{state}"), count))
    }

    fn store_hold(&self, now: Now) -> Option<Hold> {
        let until = self.store_retry_at?;
        let text = format!(
            "the database cannot be written, and no INVITE leaves without it: {}; it is tried again",
            self.store_fault
        );
        Some(Hold::new("store_fault", text).until(now, now.wall_at(until), None))
    }

    /// When none of its trunks takes a call: why each of them does not.
    fn trunk_holds(&self, running: &Running, now: Now) -> Vec<Hold> {
        let mut holds = Vec::new();
        for trunk in running.trunks.iter().map(|&place| &self.trunks[place]) {
            match trunk.available(now.instant) {
                Ok(()) => return Vec::new(),
                Err(why) => holds.push(trunk_hold(trunk, why, now)),
            }
        }
        holds
    }

    fn cap_holds(&self, now: Now) -> Vec<Hold> {
        let mut holds = Vec::new();
        let (used, max) = (self.lines.len() + self.orphans.lines(), self.lines.limit());
        if used >= max {
            let text = format!("all {max} lines of the engine are busy ([engine] lines_max)");
            let hold = Hold::new("engine_lines", text);
            holds.push(hold.with_count("lines", used as u64).with_count("lines_max", max as u64));
        }
        if let Some(at) = self.rate.free_at(now.instant).filter(|at| *at > now.instant) {
            let rate = self.calls_per_second_max;
            let text = format!(
                "the engine has made its {rate} calls of this second ([engine] calls_per_second_max)"
            );
            let hold = Hold::new("engine_rate", text).with("calls_per_second_max", rate);
            holds.push(hold.until(now, now.wall_at(at), None));
        }
        holds
    }

    /// Every rule asked about a contact, with what the engine alone knows of its number; the error says what cannot be.
    pub fn explain_contact(
        &self,
        now: Now,
        campaign: &str,
        facts: &Facts,
    ) -> Result<ContactExplained, String> {
        let running = self.running(campaign)?;
        let contact = facts.contact().ok_or_else(|| format!("{:?} is no E.164 number", facts.number))?;
        let options = running.campaign.options();
        let mut facts = facts.clone();
        if facts.listed.is_none() && self.ledger.is_suppressed(&contact.number) {
            facts.listed = Some("on the do-not-call list".to_owned());
        }
        if self.ledger.is_in_flight(&contact.number) {
            let other = self.lines.iter().find(|(_, line)| *line.attempt.number() == contact.number);
            let who = other.map(|(_, line)| line.attempt.campaign().to_owned());
            facts.in_flight = Some(match who {
                Some(who) => format!("campaign {who} is calling the number at this moment"),
                None => "the number is being called at this moment".to_owned(),
            });
        }
        let rest = self.ledger.rest(&contact.number, options.attempt_gap(), now.instant);
        if !rest.is_zero() {
            let gap_ms = options.attempt_gap().as_millis() as i64;
            facts.last_end_ms = Some((now.wall + rest).unix_ms() - gap_ms);
        }
        let examined = examine(options, &facts, now).expect("the number was read just now");
        Ok(ContactExplained { examined, holds: self.holds(running, now) })
    }

    /// What the engine knows of an attempt in flight, by its id or a Call-ID.
    pub fn explain_attempt(&self, call: &str) -> Option<AttemptExplained> {
        let is_it = |line: &Line| {
            line.attempt.id().to_string() == call || line.attempt.call_ids().any(|known| known == call)
        };
        let (_, line) = self.lines.iter().find(|(_, line)| is_it(line))?;
        Some(AttemptExplained {
            caller_id: line.attempt.caller_id().to_owned(),
            caller_id_why: line.caller_id_why.clone(),
            trunk: self.trunks[line.trunk].options.name.clone(),
        })
    }

    fn running(&self, name: &str) -> Result<&Running, String> {
        let called = |running: &&Running| running.campaign.options().name == name;
        self.campaigns.iter().find(called).ok_or_else(|| {
            let names: Vec<&str> =
                self.campaigns.iter().map(|running| running.campaign.options().name.as_str()).collect();
            format!("no campaign is called {name:?}; there are: {}", names.join(", "))
        })
    }
}
