//! What a dry run comes to: when how many would be dialed, who would not be and why, first and last dial, how long it takes.

use crate::campaign::explain::moment::{Moment, span};
use crate::engine::status::CampaignStatus;
use crate::record::{AttemptId, CampaignState, ContactId, Request};
use crate::store::Counts;
use crate::time::WallTime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// The longest bar of the table of hours.
const BAR_MAX: u64 = 40;

#[derive(Default)]
struct Counted {
    calls: u64,
    contacts: HashSet<ContactId>,
    first: Option<WallTime>,
    last: Option<WallTime>,
    completed: Option<WallTime>,
    hours: BTreeMap<i64, u64>,
    skipped: BTreeMap<String, HashSet<ContactId>>,
    outcomes: BTreeMap<String, u64>,
}

/// Counts as it goes.
#[derive(Default)]
pub struct Tally {
    campaigns: BTreeMap<String, Counted>,
    /// Attempts whose INVITE was counted; another trunk's INVITE belongs to the same one.
    counted: HashSet<AttemptId>,
    of_contact: BTreeMap<ContactId, String>,
}

/// The whole of it.
#[derive(Serialize)]
pub struct Report {
    from_ms: i64,
    to_ms: i64,
    answer_rate: f64,
    campaigns: Vec<CampaignReport>,
    #[serde(skip)]
    counted: BTreeMap<String, Counted>,
}

#[derive(Serialize)]
struct CampaignReport {
    campaign: String,
    state: String,
    contacts: u64,
    calls: u64,
    contacts_called: u64,
    first_dial_ms: Option<i64>,
    last_dial_ms: Option<i64>,
    completed_ms: Option<i64>,
    /// From the beginning until it is completed.
    takes_ms: Option<i64>,
    /// Contacts that still wait at the end.
    left: u64,
    suppressed: u64,
    outcomes: BTreeMap<String, u64>,
    /// Contacts that were not dialed when their turn came, by reason; most were dialed later.
    skipped: BTreeMap<String, u64>,
    hours: Vec<Hour>,
    /// What holds it at the end, when it is not completed.
    holds: Vec<String>,
}

#[derive(Serialize)]
struct Hour {
    from_ms: i64,
    calls: u64,
}

impl Tally {
    /// What the engine asks of the store says all.
    pub fn handle_request(&mut self, now: WallTime, request: &Request) {
        match request {
            Request::CommitInvite(invite) if self.counted.insert(invite.attempt) => {
                let counted = self.campaigns.entry(invite.campaign.clone()).or_default();
                counted.calls += 1;
                counted.contacts.insert(invite.contact);
                counted.first.get_or_insert(now);
                counted.last = Some(now);
                *counted.hours.entry(now.unix_ms().div_euclid(HOUR_MS)).or_default() += 1;
            }
            Request::FinishAttempt { record, .. } => {
                let counted = self.campaigns.entry(record.campaign.clone()).or_default();
                *counted.outcomes.entry(record.disposition.to_string()).or_default() += 1;
            }
            Request::ReleaseContact { contact, reason } => {
                // A contact is one campaign's: the engine names it when it claims.
                let campaign = self.of_contact.get(&contact.id).cloned().unwrap_or_default();
                let counted = self.campaigns.entry(campaign).or_default();
                counted.skipped.entry(reason.clone()).or_default().insert(contact.id);
            }
            Request::SaveCampaign { campaign, state: CampaignState::Completed } => {
                self.campaigns.entry(campaign.clone()).or_default().completed = Some(now);
            }
            _ => {}
        }
    }

    /// A contact was claimed for a campaign.
    pub fn handle_claimed(&mut self, campaign: &str, contacts: impl Iterator<Item = ContactId>) {
        contacts.for_each(|contact| drop(self.of_contact.insert(contact, campaign.to_owned())));
    }

    /// For the progress line.
    pub fn progress(&self, now: WallTime) -> String {
        let calls: u64 = self.campaigns.values().map(|counted| counted.calls).sum();
        format!("{}: {calls} calls", Moment::utc(now))
    }

    /// The end.
    pub fn report(&mut self, from: WallTime, to: WallTime, answer_rate: f64) -> Report {
        Report {
            from_ms: from.unix_ms(),
            to_ms: to.unix_ms(),
            answer_rate,
            campaigns: Vec::new(),
            counted: std::mem::take(&mut self.campaigns),
        }
    }
}

impl Report {
    /// A campaign's part.
    pub fn put(&mut self, status: CampaignStatus, counts: &Counts) {
        let counted = self.counted.remove(&status.name).unwrap_or_default();
        let completed = status.state == "completed";
        let ms = |at: WallTime| at.unix_ms();
        self.campaigns.push(CampaignReport {
            campaign: status.name,
            state: status.state,
            contacts: counts.contacts(),
            calls: counted.calls,
            contacts_called: counted.contacts.len() as u64,
            first_dial_ms: counted.first.map(ms),
            last_dial_ms: counted.last.map(ms),
            completed_ms: counted.completed.filter(|_| completed).map(ms),
            takes_ms: counted.completed.filter(|_| completed).map(|at| ms(at) - self.from_ms),
            left: counts.pending + counts.claimed + counts.in_flight,
            suppressed: counts.suppressed,
            outcomes: counted.outcomes,
            skipped: counted.skipped.into_iter().map(|(reason, who)| (reason, who.len() as u64)).collect(),
            hours: counted
                .hours
                .iter()
                .map(|(hour, calls)| Hour { from_ms: hour * HOUR_MS, calls: *calls })
                .collect(),
            holds: if completed { Vec::new() } else { status.waiting_for },
        });
    }

    /// For people.
    pub fn describe(&self) -> String {
        let at = |ms: i64| Moment::utc(WallTime::from_unix_ms(ms)).to_string();
        let mut text = format!(
            "dry run from {}: {:.0} % of calls answered by a person; nothing was dialed, nothing was written\n",
            at(self.from_ms),
            100.0 * self.answer_rate
        );
        for campaign in &self.campaigns {
            text += &campaign.describe(self.to_ms, &at);
        }
        text
    }
}

impl CampaignReport {
    fn describe(&self, to_ms: i64, at: &dyn Fn(i64) -> String) -> String {
        let mut text = format!(
            "\ncampaign {}: {} calls to {} of {} contacts\n",
            self.campaign, self.calls, self.contacts_called, self.contacts
        );
        let mut line = |word: &str, value: String| text += &format!("  {word:11} {value}\n");
        if let (Some(first), Some(last)) = (self.first_dial_ms, self.last_dial_ms) {
            line("first call", at(first));
            line("last call", at(last));
        }
        match (self.completed_ms, self.takes_ms) {
            (Some(completed), Some(takes)) => {
                line("completed", format!("{}, after {}", at(completed), span(takes)));
            }
            _ => line("not done", format!("by {}: {} contacts still wait", at(to_ms), self.left)),
        }
        self.holds.iter().for_each(|hold| line("held by", hold.clone()));
        if self.suppressed > 0 {
            line(
                "never",
                format!("{} contacts are never dialed (do-not-call, no zone, ...)", self.suppressed),
            );
        }
        let listed = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
        };
        if !self.outcomes.is_empty() {
            line("outcomes", listed(&self.outcomes));
        }
        if !self.skipped.is_empty() {
            line("skipped", format!("{} (contacts, when their turn came)", listed(&self.skipped)));
        }
        text + &self.hours()
    }

    /// The hours in which it dials, with a bar each.
    fn hours(&self) -> String {
        let most = self.hours.iter().map(|hour| hour.calls).max().unwrap_or(1).max(1);
        let days: BTreeSet<i64> =
            self.hours.iter().map(|hour| hour.from_ms.div_euclid(24 * HOUR_MS)).collect();
        let mut text = String::new();
        if !days.is_empty() {
            text += &format!("  by hour, on {} day(s):\n", days.len());
        }
        for hour in &self.hours {
            let bar = "#".repeat((hour.calls * BAR_MAX).div_ceil(most) as usize);
            let when = Moment::utc(WallTime::from_unix_ms(hour.from_ms));
            text += &format!("    {when}  {:6} {bar}\n", hour.calls);
        }
        text
    }
}
