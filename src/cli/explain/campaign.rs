//! `outdial explain campaign`: what holds it back, and where the contacts of its list stand.

use super::{Common, hold_lines, no_engine, of_store, open, section_or_fail};
use crate::campaign::Campaign;
use crate::campaign::explain::hold::Hold;
use crate::campaign::explain::moment::Moment;
use crate::campaign::window::Zone;
use crate::cli::{Failure, run};
use crate::engine::status::CampaignStatus;
use crate::io::clock::Clock;
use crate::io::config::{CampaignSection, Config};
use crate::io::operator::{Reply, Wish};
use crate::record::CampaignState;
use crate::store::Holding;
use crate::time::{Now, WallTime};
use chrono_tz::Tz;
use serde::Serialize;

#[derive(Serialize)]
struct Explained {
    campaign: String,
    state: String,
    /// Whether a running engine has answered.
    engine: bool,
    in_flight: usize,
    lines_max: u32,
    holds: Vec<Hold>,
    list: Vec<Group>,
}

/// Contacts that stand at the same place for the same reason.
#[derive(Serialize)]
struct Group {
    state: String,
    reason: String,
    due: bool,
    contacts: u64,
    /// The first of them is due then, milliseconds since the Unix epoch.
    first_at_ms: Option<i64>,
    text: String,
}

/// Explains a campaign.
pub fn explain(name: &str, common: &Common) -> Result<(), Failure> {
    let now = Clock::start().now();
    let config = common.load()?;
    let section = section_or_fail(&config, name)?;
    let status = match common.ask(&Wish::Status)? {
        Some(Reply::Status(report)) => Some(report.engine),
        _ => None,
    };
    let (holdings, kept) = run::runtime()?.block_on(list(&config, name, now.wall))?;
    let running =
        status.and_then(|status| status.campaigns.into_iter().find(|campaign| campaign.name == name));
    let explained = explained(section, running, kept, &holdings, now);
    common.print(&explained, describe(&explained));
    Ok(())
}

async fn list(config: &Config, name: &str, now: WallTime) -> Result<(Vec<Holding>, CampaignState), Failure> {
    if config.engine.database.file().is_some_and(|file| !file.exists()) {
        return Ok((Vec::new(), CampaignState::Draft));
    }
    let mut reader = open(config).await?;
    let known = reader.campaigns().await.map_err(of_store)?;
    let state = known.into_iter().find(|(known, _)| known == name).map(|(_, state)| state);
    Ok((reader.holdings(name, now).await.map_err(of_store)?, state.unwrap_or(CampaignState::Draft)))
}

fn explained(
    section: &CampaignSection,
    running: Option<CampaignStatus>,
    kept: CampaignState,
    holdings: &[Holding],
    now: Now,
) -> Explained {
    let rules = &section.rules;
    let zone = match rules.window.zone {
        Zone::Named(zone) => Some(zone),
        Zone::Contact => None,
    };
    let list = holdings.iter().map(|holding| group(holding, zone)).collect();
    let (campaign, lines_max) = (rules.name.clone(), rules.lines_max);
    match running {
        Some(status) => {
            let CampaignStatus { state, in_flight, holds, lines_max, .. } = status;
            Explained { campaign, state, engine: true, in_flight, lines_max, holds, list }
        }
        None => {
            let machine = Campaign::new(rules.clone(), kept, now);
            let mut holds = vec![no_engine()];
            holds.extend(machine.holds(now).into_iter().filter(|hold| hold.reason != "awaiting_store"));
            let state = kept.as_str().to_owned();
            Explained { campaign, state, engine: false, in_flight: 0, lines_max, holds, list }
        }
    }
}

fn group(holding: &Holding, zone: Option<Tz>) -> Group {
    let waits = holding.state == "pending" && !holding.is_due;
    Group {
        state: holding.state.clone(),
        reason: holding.last_reason.clone(),
        due: holding.is_due,
        contacts: holding.contacts,
        first_at_ms: waits.then_some(holding.first_at.unix_ms()),
        text: words(holding, zone),
    }
}

fn words(holding: &Holding, zone: Option<Tz>) -> String {
    let first = format!("the first until {}", Moment::in_zone(holding.first_at, zone));
    match (holding.state.as_str(), holding.last_reason.as_str()) {
        ("pending", "") if holding.is_due => "wait for their turn, due now".to_owned(),
        ("pending", reason) if holding.is_due => format!("wait for their turn, due again after {reason}"),
        ("pending", "") => format!("are in retry delay, {first}"),
        ("pending", "window_closed") => format!("are outside their calling hours, {first}"),
        ("pending", "attempt_gap") => format!("have a number that was called a short while ago, {first}"),
        ("pending", "number_in_flight") => format!("have a number that is being called elsewhere, {first}"),
        ("pending", reason) => format!("wait ({reason}), {first}"),
        ("claimed", _) => "are with the engine, the next to be dialed".to_owned(),
        ("in_flight", _) => "are being called".to_owned(),
        ("done", "attempts_used") => "are done: all attempts are used (max_attempts)".to_owned(),
        ("done", _) => "are done".to_owned(),
        ("suppressed", "do_not_call") => "are on the do-not-call list".to_owned(),
        ("suppressed", "no_zone") => "have a number of no known time zone".to_owned(),
        ("suppressed", "window_never_opens") => "may ring in zones without a common calling hour".to_owned(),
        ("suppressed", reason) => format!("are suppressed ({reason})"),
        (state, reason) => format!("are {state} {reason}"),
    }
}

fn describe(explained: &Explained) -> String {
    let mut text = format!(
        "campaign {}: {}, {} of {} lines in flight\n",
        explained.campaign, explained.state, explained.in_flight, explained.lines_max
    );
    match &explained.holds[..] {
        [] => text += "  dialing: nothing holds it\n",
        [pace] if pace.reason == "pace" => text += &format!("  dialing at its pace: {}\n", pace.text),
        holds => text += &hold_lines(holds, "  "),
    }
    let all: u64 = explained.list.iter().map(|group| group.contacts).sum();
    text += &format!("list: {all} contacts\n");
    for group in &explained.list {
        text += &format!("  {:8} {}\n", group.contacts, group.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_a_list_is_told_in_words() {
        let at = WallTime::from_unix_ms(1_795_442_400_000);
        let holding = |state: &str, last_reason: &str, is_due| Holding {
            state: state.into(),
            last_reason: last_reason.into(),
            is_due,
            contacts: 3,
            first_at: at,
        };
        for (holding, said) in [
            (holding("pending", "", true), "wait for their turn, due now"),
            (
                holding("pending", "", false),
                "are in retry delay, the first until Mon 2026-11-23 09:00 EST (America/New_York), 14:00 UTC",
            ),
            (
                holding("pending", "window_closed", false),
                "are outside their calling hours, the first until Mon 2026-11-23 09:00 EST (America/New_York), 14:00 UTC",
            ),
            (holding("suppressed", "do_not_call", true), "are on the do-not-call list"),
            (holding("suppressed", "consent_missing", true), "are suppressed (consent_missing)"),
            (holding("done", "", true), "are done"),
        ] {
            assert_eq!(words(&holding, Some(Tz::America__New_York)), said);
        }
    }
}
