//! Agents whose states the engine knows, in some of a plan's campaigns: who they are, how they are dialed for, and what they
//! say of themselves in that hour.

use super::plan::{CampaignPlan, HOUR, Plan};
use super::voices::Prompts;
use crate::agent::{self, Word};
use crate::call::treatment::{Human, Whom};
use crate::campaign::Campaign;
use crate::campaign::pacing::budget::Day;
use crate::campaign::pacing::{Dialing, Mode, PreviewEnd};
use crate::disposition::Disposition;
use crate::engine::engine::{AgentWord, Operator};
use crate::record::CallRecord;
use crate::rng::Rng;
use crate::sim::records::Records;
use crate::time::Instant;
use std::time::Duration;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// An agent who comes more than this after the greeting's end comes too late (16 CFR 310.4(b)(4)(i)), in milliseconds.
const IN_TIME_MS: i64 = 2_000;

/// The laws that count on agents.
const MODES: [Mode; 5] = [Mode::Preview, Mode::Progressive, Mode::Power, Mode::PowerAuto, Mode::Predictive];

/// Has about half of the campaigns that ring agents ring those whose states are known.
pub(super) fn add(plan: &mut Plan) {
    // A generator of its own, so that whatever else makes up the hour stays as it is.
    let mut rng = Rng::from_seed(plan.seed ^ 0xa6e7_0000_0000_0000);
    let mut any_kept = false;
    let mut any = false;
    for campaign in &mut plan.campaigns {
        let Human::Agent(dial) = &mut campaign.treatment.human else { continue };
        if rng.chance(0.5) {
            continue;
        }
        dial.whom = Whom::Agents { skills: Vec::new() };
        dialing(&mut rng, campaign);
        any = true;
        any_kept |= campaign.options.dialing.mode == Mode::Preview
            || !campaign.options.guaranteed_agent_after.is_empty();
    }
    if !any {
        return;
    }
    let host = plan.trunks[plan.agent_trunk].options.host.clone();
    let trunk = plan.trunks[plan.agent_trunk].options.name.clone();
    for agent in &plan.agents {
        let name = agent.extension.clone();
        plan.staff.push(agent::Options {
            uri: format!("sip:{name}@{host}"),
            name,
            trunk: trunk.clone(),
            skills: Vec::new(),
            campaigns: Vec::new(),
            wrap_up_s: rng.below(6) as u32,
            ring_timeout_ms: rng.between(1_000, 4_000) as u32,
            misses_max: rng.between(1, 3) as u32,
            initial: if rng.chance(0.8) { Word::Ready } else { Word::Offline },
        });
    }
    words(&mut rng, plan, any_kept);
}

/// Has agents of every third campaign that rings them hear a whisper.
pub(super) fn add_whispers(plan: &mut Plan) {
    let mut rng = Rng::from_seed(plan.seed ^ 0x3815_0000_0000_0000);
    for campaign in &mut plan.campaigns {
        if let Human::Agent(dial) = &mut campaign.treatment.human {
            dial.whisper = rng.chance(0.33).then_some(Prompts::WHISPER);
        }
    }
}

fn dialing(rng: &mut Rng, campaign: &mut CampaignPlan) {
    let pick = |rng: &mut Rng, count: usize| rng.below(count as u64) as usize;
    campaign.options.dialing = Dialing {
        mode: MODES[pick(rng, MODES.len())],
        ratio: [1.1, 2.0, 3.0][pick(rng, 3)],
        // The lists are short: with the limit of the law the guard would never be off.
        abandonment_target: 0.1,
        abandonment_limit: 0.2,
        waiting_max: rng.between(1, 3) as u32,
        preview_s: rng.between(1, 20) as u32,
        preview_then: if rng.chance(0.5) { PreviewEnd::Accept } else { PreviewEnd::Skip },
        ..Dialing::default()
    };
    if rng.chance(0.3) {
        campaign.options.guaranteed_agent_after = vec![Disposition::Abandoned, Disposition::Machine];
    }
}

/// Agents are ready again and again, have breaks, and decide about what they are shown. No breaks where contacts are kept
/// for agents: such a call reaches them although they want a break by then.
fn words(rng: &mut Rng, plan: &mut Plan, any_kept: bool) {
    for agent in &plan.staff {
        let mut at = Duration::ZERO;
        while at < HOUR {
            let word = match rng.below(10) {
                0..3 => AgentWord::Accept,
                3..5 => AgentWord::Skip,
                5 if !any_kept => AgentWord::State(Word::Break),
                6 if !any_kept => AgentWord::State(Word::Offline),
                _ => AgentWord::State(Word::Ready),
            };
            plan.acts.push((Instant::ZERO + at, Operator::Agent { name: agent.name.clone(), word }));
            at += Duration::from_millis(rng.between(2_000, 60_000));
        }
    }
    plan.acts.sort_by_key(|(at, _)| *at);
}

/// As the shell does it from the store.
pub(super) fn restore(campaign: &mut Campaign, records: &Records) {
    let name = campaign.options().name.clone();
    for call in records.calls().values().filter(|call| call.campaign == name) {
        if let Some(answered) = call.answered_at {
            let day = answered.unix_ms().div_euclid(DAY_MS);
            let (people, abandoned) = (u64::from(is_person(call)), u64::from(is_abandoned(call, 0)));
            campaign.pacer_mut().budget_mut().remember(Day { day, people, abandoned, machines: 0 });
        }
    }
}

/// People, and the abandoned ones among them, in the records of a campaign: each the least and the most. What is told apart by
/// the clock of the day may be a few milliseconds off; and whether somebody whose key ended the call had waited for too long is
/// not told where no agent was rung.
pub(super) fn ledger_of(campaign: &str, records: &Records) -> [(u64, u64); 2] {
    let mut sums = [(0, 0), (0, 0)];
    for call in records.calls().values().filter(|call| call.campaign == campaign) {
        let perhaps = u64::from(call.disposition == Disposition::OptedOut);
        let person = u64::from(is_person(call));
        sums[0].0 += person;
        sums[0].1 += person + perhaps;
        sums[1].0 += u64::from(is_abandoned(call, 5));
        sums[1].1 += u64::from(is_abandoned(call, -5)) + perhaps;
    }
    sums
}

fn is_person(call: &CallRecord) -> bool {
    matches!(call.disposition, Disposition::Bridged | Disposition::Abandoned)
}

fn is_abandoned(call: &CallRecord, more_ms: i64) -> bool {
    let since = call.greeting_end_at.or(call.verdict_at).or(call.answered_at);
    let late = since
        .zip(call.bridged_at)
        .is_some_and(|(since, bridged)| bridged.unix_ms() - since.unix_ms() > IN_TIME_MS + more_ms);
    call.disposition == Disposition::Abandoned || (call.disposition == Disposition::Bridged && late)
}
