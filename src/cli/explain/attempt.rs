//! `outdial explain attempt`: why a number was called, as far as the store and the rules tell.

use super::contact::check_lines;
use super::{Common, listed_words, of_store, open, section, utc};
use crate::campaign;
use crate::campaign::explain::checks::{Examined, Facts, Tried, examine};
use crate::campaign::explain::kept::Kept;
use crate::campaign::explain::moment::Moment;
use crate::campaign::law::options::Options as Law;
use crate::cli::{Failure, run};
use crate::engine::caller_id::Strategy;
use crate::engine::explain::AttemptExplained;
use crate::io::config::Config;
use crate::io::operator::{Reply, Wish};
use crate::number;
use crate::record::{AttemptId, Contact, ContactState};
use crate::store::{AttemptStory, InviteLine};
use crate::time::{Now, WallTime};
use serde::Serialize;

#[derive(Serialize)]
struct Explained {
    attempt: String,
    campaign: String,
    contact: i64,
    number: String,
    name: String,
    dialed_at_ms: i64,
    /// On the callee's clock and in UTC.
    dialed_at: String,
    /// Why it was due.
    due: String,
    #[serde(flatten)]
    examined: Examined,
    pacing: String,
    trunks: Vec<String>,
    caller_id: String,
    caller_id_why: String,
    /// What the decision rested on, as it was kept; none for attempts of before it was kept.
    decision: Option<Kept>,
    result: String,
    /// What is worth knowing of it beside.
    notes: Vec<String>,
}

/// Explains an attempt.
pub fn explain(call: &str, common: &Common) -> Result<(), Failure> {
    let config = common.load()?;
    let found = run::runtime()?.block_on(find(&config, call))?;
    let (story, decision) = found.ok_or_else(|| {
        let text =
            format!("no attempt has the id or a Call-ID {call:?}: `outdial export attempts` shows them");
        Failure::Failed(text)
    })?;
    let wish = Wish::ExplainAttempt { call: story.id.clone() };
    let live = match if story.end.is_none() { common.ask(&wish)? } else { None } {
        Some(Reply::Attempt(live)) => live.map(|live| *live),
        _ => None,
    };
    let explained = explained(&config, &story, live, decision.as_deref());
    common.print(&explained, describe(&explained));
    Ok(())
}

/// The attempt, and what was kept of the decision to make it.
async fn find(config: &Config, call: &str) -> Result<Option<(AttemptStory, Option<String>)>, Failure> {
    let mut store = open(config).await?;
    let Some(story) = store.attempt_story(call).await.map_err(of_store)? else { return Ok(None) };
    let decision = match AttemptId::parse(&story.id) {
        Some(id) => store.decision(id).await.map_err(of_store)?,
        None => None,
    };
    Ok(Some((story, decision)))
}

fn explained(
    config: &Config,
    story: &AttemptStory,
    live: Option<AttemptExplained>,
    decision: Option<&str>,
) -> Explained {
    let rules = section(config, &story.campaign).map(|section| &section.rules);
    let (due, due_at) = due(rules, story);
    let facts = Facts {
        id: story.contact.id.0,
        number: story.contact.number.to_string(),
        outcomes: story.contact.outcomes.clone(),
        next_attempt_at_ms: due_at.map_or(0, WallTime::unix_ms),
        listed: story.listed.as_ref().filter(|listed| listed.at <= story.started_at).map(listed_words),
        last_end_ms: story.last_end.map(WallTime::unix_ms),
        in_flight: None,
        attributes: story.contact.attributes.clone(),
        history: story.contact.history.iter().map(Tried::of).collect(),
    };
    let then = Now { wall: story.started_at, ..Now::default() };
    let examined = rules.and_then(|rules| examine(rules, &facts, then)).unwrap_or_default();
    let zone = number::zones(&story.contact.number).first().copied();
    let shown = story.invites.first().map(|invite| invite.caller_id.clone()).unwrap_or_default();
    let mut notes = notes(rules, story);
    let decision = match kept(rules, decision) {
        Ok(kept) => Some(kept),
        Err(note) => {
            notes.push(note);
            None
        }
    };
    let kept_why =
        decision.as_ref().map(|kept| kept.basis.caller_id_why.clone()).filter(|why| !why.is_empty());
    let why = match (kept_why, &live) {
        (Some(why), _) => why,
        (None, Some(live)) => live.caller_id_why.clone(),
        (None, None) => caller_id_why(config, rules, story, &shown),
    };
    Explained {
        attempt: story.id.clone(),
        campaign: story.campaign.clone(),
        contact: story.contact.id.0,
        number: story.contact.number.to_string(),
        name: story.contact.name.clone(),
        dialed_at_ms: story.started_at.unix_ms(),
        dialed_at: Moment::in_zone(story.started_at, zone).to_string(),
        due,
        examined,
        pacing: pacing(rules, story),
        trunks: story.invites.iter().map(|invite| trunk(config, invite)).collect(),
        caller_id: shown,
        caller_id_why: why,
        decision,
        result: result(story),
        notes,
    }
}

/// Why it was due, and since when.
fn due(rules: Option<&campaign::Options>, story: &AttemptStory) -> (String, Option<WallTime>) {
    let Some(last) = story.before.first() else {
        return ("the first attempt on this contact: due from its import on".to_owned(), None);
    };
    let nth = story.before.len() + 1;
    let ended = format!("the one before ended as {} at {}", last.disposition, utc(last.ended_at));
    let Some(rules) = rules else { return (format!("attempt {nth}: {ended}"), None) };
    let mut before = Contact { outcomes: story.contact.outcomes.clone(), ..story.contact.clone() };
    if let Some(count) = before.outcomes.get_mut(&last.disposition) {
        *count -= 1;
    }
    let update = rules.retry().after(&before, last.disposition, last.ended_at);
    if update.state != ContactState::Pending {
        let text = format!("attempt {nth}: {ended}, after which today's retry rules would not call again");
        return (text, None);
    }
    let rule = match rules.retry.get(&last.disposition) {
        Some(rule) => {
            let (word, delay, max) = (last.disposition, rule.delay_min, rule.max);
            format!("[campaign.retry.{word}]: delay_min = {delay}, max = {max}")
        }
        None => "the callee had no chance, so it is tried again after attempt_gap_min".to_owned(),
    };
    let since = utc(update.next_attempt_at);
    (format!("attempt {nth}, a retry: {ended}; {rule}; due since {since}"), Some(update.next_attempt_at))
}

fn pacing(rules: Option<&campaign::Options>, story: &AttemptStory) -> String {
    let up = story.lines_up;
    let Some(rules) = rules else { return format!("{up} other calls of the campaign were up") };
    let law = match rules.dialing.mode {
        campaign::pacing::Mode::Paced => format!("paced: {} calls a minute", rules.calls_per_minute),
        mode => format!("{mode} dialing"),
    };
    format!("{law}; {up} of {} lines were in flight (lines_max)", rules.lines_max)
}

fn trunk(config: &Config, invite: &InviteLine) -> String {
    let at = utc(invite.at);
    let options = config.trunks.iter().find(|trunk| trunk.name == invite.trunk);
    let rank = options
        .map_or(String::new(), |trunk| format!(" (priority {}, weight {})", trunk.priority, trunk.weight));
    format!("{}{rank} at {at}, Call-ID {}", invite.trunk, invite.call_id)
}

/// Why that number was shown, as today's configuration tells it.
fn caller_id_why(
    config: &Config,
    rules: Option<&campaign::Options>,
    story: &AttemptStory,
    shown: &str,
) -> String {
    let Some(rules) = rules else { return "its campaign is not in the configuration any more".to_owned() };
    let Some(name) = rules.pool() else { return "the campaign's only one (caller_id)".to_owned() };
    let pool = config.caller_id_pools.iter().find(|pool| pool.name == name);
    let number = pool.and_then(|pool| pool.number.iter().find(|number| number.number == shown));
    let (Some(pool), Some(number)) = (pool, number) else {
        return format!("of the pool {name:?}, which does not have it any more");
    };
    let callee = story.contact.number.as_str();
    let fits =
        number.prefixes.iter().filter(|prefix| callee.starts_with(prefix.as_str())).max_by_key(|p| p.len());
    let again = if pool.sticky && !story.before.is_empty() {
        ", the same as before where that was free (sticky)"
    } else {
        ""
    };
    match fits.filter(|_| pool.strategy == Strategy::Local) {
        Some(prefix) => format!("of the pool {name:?}, its prefix {prefix} fits the callee (local){again}"),
        None => format!("of the pool {name:?} ({}){again}", pool.strategy.as_str()),
    }
}

/// What the decision rested on; the error says why nobody can tell.
fn kept(rules: Option<&campaign::Options>, decision: Option<&str>) -> Result<Kept, String> {
    let packs = rules.map_or_else(|| Law::default().known(), |rules| rules.law.known());
    let text =
        decision.ok_or("what its decision rested on was not kept: the attempt is of an earlier version")?;
    Kept::read(text, &packs).map_err(|fault| format!("what its decision rested on cannot be read: {fault}"))
}

fn result(story: &AttemptStory) -> String {
    let Some(end) = &story.end else { return "in flight".to_owned() };
    let status = if end.sip_status > 0 { format!(" ({})", end.sip_status) } else { String::new() };
    let reason = if end.reason.is_empty() { String::new() } else { format!(", {}", end.reason) };
    format!("{}{status}{reason}, ended by {} at {}", end.disposition, end.by, utc(end.at))
}

fn notes(rules: Option<&campaign::Options>, story: &AttemptStory) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(listed) = story.listed.as_ref().filter(|listed| listed.at > story.started_at) {
        notes.push(format!("the number is {}, after this call", listed_words(listed)));
    }
    if rules.is_none() {
        notes.push("its campaign is not in the configuration any more: its rules cannot be asked".to_owned());
    }
    notes
}

fn describe(explained: &Explained) -> String {
    let name = if explained.name.is_empty() { String::new() } else { format!(", {}", explained.name) };
    let mut text = format!(
        "attempt {} of campaign {}: {} (contact {}{name})\n",
        explained.attempt, explained.campaign, explained.number, explained.contact
    );
    let mut line = |word: &str, value: &str| text += &format!("  {word:10} {value}\n");
    line("dialed", &explained.dialed_at);
    line("due", &explained.due);
    line("pacing", &explained.pacing);
    explained.trunks.iter().for_each(|trunk| line("trunk", trunk));
    line("caller id", &format!("{}: {}", explained.caller_id, explained.caller_id_why));
    line("result", &explained.result);
    explained.notes.iter().for_each(|note| line("note", note));
    if let Some(kept) = &explained.decision {
        text += "what the decision rested on, as it was kept with the attempt:\n";
        kept.lines().iter().for_each(|(word, value)| text += &format!("  {word:10} {value}\n"));
    }
    if !explained.examined.checks.is_empty() {
        text += "rules at that moment, as they stand in the configuration today:\n";
        text += &check_lines(&explained.examined.checks);
    }
    text
}
