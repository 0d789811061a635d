//! `outdial explain contact`: every rule about one contact at this moment, and its calls.

use super::{Common, hold_lines, listed_words, no_engine, of_store, open, section_or_fail, utc};
use crate::campaign::explain::checks::{Check, Examined, Facts, Tried, examine};
use crate::campaign::explain::hold::Hold;
use crate::cli::{Failure, run};
use crate::engine::explain::ContactExplained;
use crate::io::clock::Clock;
use crate::io::config::{CampaignSection, Config};
use crate::io::operator::{Reply, Wish};
use crate::number;
use crate::store::ContactStory;
use serde::Serialize;

#[derive(Serialize)]
struct Explained {
    campaign: String,
    contact: i64,
    number: String,
    name: String,
    state: String,
    /// Why it was last not dialed, one word.
    last_reason: String,
    engine: bool,
    /// The answer in one sentence.
    answer: String,
    #[serde(flatten)]
    examined: Examined,
    /// What holds the campaign as a whole.
    holds: Vec<Hold>,
    calls: Vec<Call>,
}

#[derive(Serialize)]
struct Call {
    attempt: String,
    dialed_at_ms: i64,
    ended_at_ms: i64,
    disposition: String,
    #[serde(skip)]
    text: String,
}

/// Explains a contact.
pub fn explain(campaign: &str, contact: &str, common: &Common) -> Result<(), Failure> {
    let config = common.load()?;
    let section = section_or_fail(&config, campaign)?;
    let story = run::runtime()?.block_on(story(&config, section, contact))?;
    let facts = facts(&story);
    let wish = Wish::ExplainContact { campaign: campaign.to_owned(), facts: Box::new(facts.clone()) };
    let (seen, engine) = match common.ask(&wish)? {
        Some(Reply::Contact(seen)) => (*seen, true),
        _ => {
            let examined = examine(&section.rules, &facts, Clock::start().now()).unwrap_or_default();
            (ContactExplained { examined, holds: vec![no_engine()] }, false)
        }
    };
    let explained = explained(campaign, &story, seen, engine);
    common.print(&explained, describe(&explained));
    Ok(())
}

async fn story(config: &Config, section: &CampaignSection, contact: &str) -> Result<ContactStory, Failure> {
    let number = number::parse(contact, section.rules.default_region).ok();
    let row = if number.is_none() { contact.parse().ok() } else { None };
    let mut reader = open(config).await?;
    let wanted = number.as_ref().map_or("", |number| number.as_str());
    let mut found =
        reader.contact_story(&section.rules.name, wanted, row.unwrap_or(-1)).await.map_err(of_store)?;
    if let Some(story) = &mut found {
        let numbers = [story.contact.number.as_str()].into();
        let histories = reader.history(&numbers, Clock::start().now().wall).await.map_err(of_store)?;
        story.contact.history = histories.into_values().next().unwrap_or_default();
    }
    found.ok_or_else(|| {
        let campaign = &section.rules.name;
        let text = format!(
            "campaign {campaign:?} has no contact {contact}: give its number as +12025550101, or its row as \
             `outdial export contacts` shows it"
        );
        Failure::Failed(text)
    })
}

fn facts(story: &ContactStory) -> Facts {
    Facts {
        id: story.contact.id.0,
        number: story.contact.number.to_string(),
        outcomes: story.contact.outcomes.clone(),
        next_attempt_at_ms: story.contact.next_attempt_at.unix_ms(),
        listed: story.listed.as_ref().map(listed_words),
        last_end_ms: story.last_end.map(|at| at.unix_ms()),
        in_flight: story.in_flight.as_ref().map(|(campaign, attempt)| {
            format!("campaign {campaign} is calling the number (attempt {attempt})")
        }),
        attributes: story.contact.attributes.clone(),
        history: story.contact.history.iter().map(Tried::of).collect(),
    }
}

fn explained(campaign: &str, story: &ContactStory, seen: ContactExplained, engine: bool) -> Explained {
    let call = |call: &crate::store::CallLine| Call {
        attempt: call.attempt.clone(),
        dialed_at_ms: call.dialed_at.unix_ms(),
        ended_at_ms: call.ended_at.unix_ms(),
        disposition: call.disposition.to_string(),
        text: format!("{}  {:16} {}", utc(call.dialed_at), call.disposition.as_str(), call.attempt),
    };
    Explained {
        campaign: campaign.to_owned(),
        contact: story.contact.id.0,
        number: story.contact.number.to_string(),
        name: story.contact.name.clone(),
        state: story.state.clone(),
        last_reason: story.last_reason.clone(),
        engine,
        answer: answer(story, &seen),
        examined: seen.examined,
        holds: seen.holds,
        calls: story.calls.iter().map(call).collect(),
    }
}

/// The one sentence: the contact's own state first, then the first rule that says no, then what holds the campaign.
fn answer(story: &ContactStory, seen: &ContactExplained) -> String {
    let last = story.calls.first().map(|call| call.disposition.as_str());
    let binding = seen.examined.binding();
    match story.state.as_str() {
        "done" => match last {
            Some(last) => format!("done: its last call ended as {last}; it is not dialed again"),
            None => format!("done ({}); it is not dialed", story.last_reason),
        },
        "suppressed" => match binding {
            Some(check) => format!("never dialed: {}", words(check)),
            None => format!("never dialed: suppressed ({})", story.last_reason),
        },
        "in_flight" => "being called at this moment".to_owned(),
        _ => match (binding, seen.holds.first()) {
            (Some(check), _) => format!("not dialed now: {}", words(check)),
            (None, Some(hold)) if hold.reason != "pace" => {
                format!("every rule allows it; its campaign is not dialing: {}", hold.text)
            }
            (None, _) if story.state == "claimed" => "every rule allows it: it is among the next".to_owned(),
            (None, _) => "every rule allows it: it waits for its turn".to_owned(),
        },
    }
}

/// `window: it is ... until ...`
fn words(check: &Check) -> String {
    let until = check.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
    format!("{}: {}{until}", check.rule, check.value)
}

/// The checks as a table.
pub(super) fn check_lines(checks: &[Check]) -> String {
    let line = |check: &Check| {
        let until = check.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
        format!(
            "  {:5} {:12} {}{until}  [{}]\n",
            check.verdict.as_str(),
            check.rule,
            check.value,
            check.source
        )
    };
    checks.iter().map(line).collect()
}

fn describe(explained: &Explained) -> String {
    let name = if explained.name.is_empty() { String::new() } else { format!(" ({})", explained.name) };
    let mut text = format!(
        "contact {} of campaign {}: {}{name}, {}\n{}\n",
        explained.contact, explained.campaign, explained.number, explained.state, explained.answer
    );
    text += "rules:\n";
    text += &check_lines(&explained.examined.checks);
    if !explained.holds.is_empty() {
        text += "the campaign as a whole:\n";
        text += &hold_lines(&explained.holds, "  ");
    }
    if !explained.calls.is_empty() {
        text += "calls, the latest first:\n";
        explained.calls.iter().for_each(|call| text += &format!("  {}\n", call.text));
    }
    text
}
