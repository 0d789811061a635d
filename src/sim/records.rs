//! The store in memory: it answers as the SQLite store does, and is slow, stalls and fails when told to.
//!
//! Requests are done one after the other in the order in which they came, each when its time has come; what is done is
//! there for good, and what was not done when the engine dies is gone. Every rule of the real store that the engine leans on is here again: a refill claims the longest due,
//! an INVITE is refused to whoever is suppressed or not claimed, a second record of an attempt changes nothing.

use crate::number::E164;
use crate::record::{
    Answer, AttemptId, CallRecord, CampaignState, Contact, ContactId, ContactState, ContactUpdate,
    DialogRecord, InviteRecord, PastAttempt, Request,
};
use crate::rng::Rng;
use crate::time::{Instant, WallTime};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How slow and how faulty the store is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Disk {
    /// The longest that a request takes in good times.
    pub delay_max: Duration,
    /// Times in which nothing is finished.
    pub stalls: Vec<(Instant, Instant)>,
    /// Times in which everything fails.
    pub failures: Vec<(Instant, Instant)>,
}

/// What is asked while all goes well is done within this time, however much was asked before.
const PROMPT_WITHIN: Duration = Duration::from_secs(1);

impl Disk {
    /// Whether whatever was asked lately has been done soon.
    pub fn is_prompt(&self, now: Instant) -> bool {
        let is_near = |(from, to): &(Instant, Instant)| *from <= now && now < *to + 5 * PROMPT_WITHIN;
        50 * self.delay_max <= PROMPT_WITHIN && !self.stalls.iter().chain(&self.failures).any(is_near)
    }
}

/// A contact's row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The campaign that it belongs to.
    pub campaign: String,
    /// The number.
    pub number: E164,
    /// Where it stands.
    pub state: ContactState,
    /// Not to be dialed before.
    pub next_attempt_at: WallTime,
    /// The attempt in flight.
    pub attempt: Option<AttemptId>,
}

/// A request that was done, and what the engine is told of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Done {
    /// What was asked.
    pub request: Request,
    /// The answer, when there is one.
    pub answer: Option<Answer>,
}

/// The store.
#[derive(Debug)]
pub struct Records {
    disk: Disk,
    rng: Rng,
    contacts: BTreeMap<ContactId, Row>,
    campaigns: BTreeMap<String, CampaignState>,
    invites: Vec<InviteRecord>,
    calls: BTreeMap<AttemptId, CallRecord>,
    suppressed: BTreeSet<E164>,
    caps: BTreeMap<AttemptId, Vec<(u32, WallTime)>>,
    dialogs: BTreeMap<String, DialogRecord>,
    waiting: VecDeque<(Instant, Request)>,
}

impl Records {
    /// A store with these contacts, all pending and due at once.
    pub fn new(disk: Disk, contacts: impl IntoIterator<Item = (String, E164)>, rng: Rng) -> Records {
        let row = |(campaign, number)| Row {
            campaign,
            number,
            state: ContactState::Pending,
            next_attempt_at: WallTime::from_unix_ms(0),
            attempt: None,
        };
        Records {
            disk,
            rng,
            contacts: (1..).map(ContactId).zip(contacts.into_iter().map(row)).collect(),
            campaigns: BTreeMap::new(),
            invites: Vec::new(),
            calls: BTreeMap::new(),
            suppressed: BTreeSet::new(),
            caps: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The engine asks.
    pub fn handle_request(&mut self, now: Instant, request: Request) {
        let delay = Duration::from_micros(self.rng.below(self.disk.delay_max.as_micros() as u64 + 1));
        let mut due = self.waiting.back().map_or(now, |(due, _)| *due).max(now) + delay;
        for (from, to) in &self.disk.stalls {
            if *from <= due && due < *to {
                due = *to;
            }
        }
        self.waiting.push_back((due, request));
    }

    /// When the next request is done.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, _)| *due)
    }

    /// The next request that is done by `now`.
    pub fn poll_output(&mut self, now: Instant) -> Option<Done> {
        let (due, _) = self.waiting.front()?;
        if *due > now {
            return None;
        }
        let (_, request) = self.waiting.pop_front()?;
        let fails = self.disk.failures.iter().any(|(from, to)| *from <= now && now < *to);
        let answer = if fails { Some(failure(&request)) } else { self.apply(&request) };
        Some(Done { request, answer })
    }

    /// Requests that are not done yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// All contacts.
    pub fn contacts(&self) -> &BTreeMap<ContactId, Row> {
        &self.contacts
    }

    /// All INVITEs that were committed, in order.
    pub fn invites(&self) -> &[InviteRecord] {
        &self.invites
    }

    /// All call records.
    pub fn calls(&self) -> &BTreeMap<AttemptId, CallRecord> {
        &self.calls
    }

    /// The state in which a campaign was last seen.
    pub fn campaign(&self, name: &str) -> Option<CampaignState> {
        self.campaigns.get(name).copied()
    }

    /// Whether a number is on the do-not-call list.
    pub fn is_suppressed(&self, number: &E164) -> bool {
        self.suppressed.contains(number)
    }

    /// All numbers on the do-not-call list.
    pub fn suppressed(&self) -> &BTreeSet<E164> {
        &self.suppressed
    }

    /// The engine is gone, and with it what it had asked for and was not done.
    pub fn handle_crash(&mut self) {
        self.waiting.clear();
    }

    /// What the next engine begins with: contacts that were claimed but not dialed wait again, and attempts without a
    /// record come back with their INVITEs.
    pub fn recover(&mut self) -> Vec<(Contact, Vec<InviteRecord>)> {
        for row in self.contacts.values_mut().filter(|row| row.state == ContactState::Claimed) {
            row.state = ContactState::Pending;
        }
        let in_flight = |(id, row): (&ContactId, &Row)| Some((*id, row.attempt?));
        let orphans: Vec<_> = self.contacts.iter().filter_map(in_flight).collect();
        let invites_of =
            |attempt| self.invites.iter().filter(|invite| invite.attempt == attempt).cloned().collect();
        orphans.into_iter().map(|(id, attempt)| (self.contact(id), invites_of(attempt))).collect()
    }

    /// Calls that the former engine has left, or may have left.
    pub fn dialogs(&self) -> &BTreeMap<String, DialogRecord> {
        &self.dialogs
    }

    fn apply(&mut self, request: &Request) -> Option<Answer> {
        match request {
            Request::Refill { campaign, due_at, limit } => Some(self.refill(campaign, *due_at, *limit)),
            Request::CommitInvite(invite) => Some(self.commit(invite)),
            Request::FinishAttempt { record, contact } => {
                if let Entry::Vacant(free) = self.calls.entry(record.attempt) {
                    free.insert(record.as_ref().clone());
                    self.settle(contact, Some(record.attempt));
                }
                None
            }
            Request::ReleaseContact { contact, .. } => {
                self.settle(contact, None);
                None
            }
            Request::Suppress { numbers, .. } => {
                self.suppressed.extend(numbers.iter().cloned());
                let rows = self.contacts.values_mut();
                rows.filter(|row| numbers.contains(&row.number) && row.state == ContactState::Pending)
                    .for_each(|row| row.state = ContactState::Suppressed);
                None
            }
            Request::KeepDialogs { open, gone } => {
                self.dialogs.extend(open.iter().map(|kept| (kept.call_id.clone(), kept.clone())));
                gone.iter().for_each(|call_id| drop(self.dialogs.remove(call_id)));
                Answer::of_kept(open)
            }
            // Nobody labels in the simulation.
            // There is one node.
            Request::Beat(_) => None,
            Request::Label { ticket, .. } => Some(Answer::Labelled { ticket: *ticket, attempt: None }),
            // Opt-outs of the simulation reach everybody.
            Request::SuppressFor { .. } => None,
            Request::KeepDecision { attempt, caps, .. } => {
                self.caps.insert(*attempt, caps.clone());
                None
            }
            Request::SaveCampaign { campaign, state } => {
                self.campaigns.insert(campaign.clone(), *state);
                None
            }
        }
    }

    fn refill(&mut self, campaign: &str, due_at: WallTime, limit: u32) -> Answer {
        let pending = |row: &Row| row.campaign == campaign && row.state == ContactState::Pending;
        let mut due: Vec<(WallTime, ContactId)> = self
            .contacts
            .iter()
            .filter(|(_, row)| pending(row) && row.next_attempt_at <= due_at)
            .map(|(id, row)| (row.next_attempt_at, *id))
            .collect();
        due.sort();
        due.truncate(limit as usize);
        let contacts = due.into_iter().map(|(_, id)| self.claim(id)).collect();
        let left = || self.contacts.values().filter(|row| pending(row));
        Answer::Refilled {
            campaign: campaign.to_owned(),
            contacts,
            pending: left().count() as u64,
            next_due_at: left().map(|row| row.next_attempt_at).min(),
        }
    }

    fn claim(&mut self, id: ContactId) -> Contact {
        if let Some(row) = self.contacts.get_mut(&id) {
            row.state = ContactState::Claimed;
        }
        self.contact(id)
    }

    fn contact(&self, id: ContactId) -> Contact {
        let mut outcomes = BTreeMap::new();
        for call in self.calls.values().filter(|call| call.contact == id) {
            *outcomes.entry(call.disposition).or_default() += 1;
        }
        let row = &self.contacts[&id];
        Contact {
            id,
            number: row.number.clone(),
            name: String::new(),
            comment: String::new(),
            attributes: BTreeMap::new(),
            outcomes,
            next_attempt_at: row.next_attempt_at,
            history: self.history(&row.number),
        }
    }

    /// Every attempt on a number that got an INVITE, by whatever campaign.
    fn history(&self, number: &E164) -> Vec<PastAttempt> {
        let of_number = self.invites.iter().filter(|invite| invite.number == *number);
        let attempts: BTreeSet<AttemptId> = of_number.map(|invite| invite.attempt).collect();
        let past = |attempt: AttemptId| {
            let call = self.calls.get(&attempt);
            let (ended_at, disposition) = (call.map(|call| call.ended_at), call.map(|call| call.disposition));
            PastAttempt { at: attempt.at(), ended_at, disposition }
        };
        attempts.into_iter().map(past).collect()
    }

    fn is_capped(&self, invite: &InviteRecord) -> bool {
        let others = self.history(&invite.number);
        let since = |since: WallTime| {
            others.iter().filter(|past| past.at != invite.attempt.at() && past.at >= since).count()
        };
        let caps = self.caps.get(&invite.attempt).map_or(&[][..], Vec::as_slice);
        caps.iter().any(|(most, from)| since(*from) >= *most as usize)
    }

    fn commit(&mut self, invite: &InviteRecord) -> Answer {
        if let Some(reason) = self.objection(invite) {
            return Answer::InviteForbidden { attempt: invite.attempt, reason };
        }
        if let Some(row) = self.contacts.get_mut(&invite.contact) {
            (row.state, row.attempt) = (ContactState::InFlight, Some(invite.attempt));
        }
        let (call_id, trunk, dialog) = (invite.call_id.clone(), invite.trunk.clone(), invite.dialog.clone());
        let kept = DialogRecord { call_id, attempt: invite.attempt, trunk, dialog };
        if !kept.dialog.is_empty() {
            self.dialogs.insert(kept.call_id.clone(), kept);
        }
        self.invites.push(invite.clone());
        Answer::InviteCommitted { attempt: invite.attempt }
    }

    fn objection(&self, invite: &InviteRecord) -> Option<String> {
        let Some(row) = self.contacts.get(&invite.contact) else {
            return Some("there is no such contact".into());
        };
        let ours = match row.state {
            ContactState::Claimed => true,
            ContactState::InFlight => row.attempt == Some(invite.attempt),
            _ => false,
        };
        if self.suppressed.contains(&row.number) {
            Some("the number is on the do-not-call list".into())
        } else if self.is_capped(invite) {
            Some("the number has had all attempts that the law allows for now".into())
        } else if row.campaign != invite.campaign || row.number != invite.number {
            Some("the contact has another campaign or another number".into())
        } else if !ours {
            Some(format!("the contact is not claimed by this attempt: it is {}", row.state.as_str()))
        } else if self.calls.contains_key(&invite.attempt) {
            Some("the attempt already has its call record".into())
        } else if self.invites.iter().any(|known| known.call_id == invite.call_id) {
            Some("the Call-ID has been used before".into())
        } else {
            None
        }
    }

    /// Moves a contact on from claimed, or from in flight when its attempt ends.
    fn settle(&mut self, update: &ContactUpdate, attempt: Option<AttemptId>) {
        let Some(row) = self.contacts.get_mut(&update.id) else { return };
        let ours = row.state == ContactState::Claimed
            || (row.state == ContactState::InFlight && attempt.is_some() && row.attempt == attempt);
        if !ours {
            return;
        }
        let listed = update.state == ContactState::Pending && self.suppressed.contains(&row.number);
        row.state = if listed { ContactState::Suppressed } else { update.state };
        (row.attempt, row.next_attempt_at) = (None, update.next_attempt_at);
    }
}

fn failure(request: &Request) -> Answer {
    let error = "the disk is full".to_owned();
    match request {
        Request::CommitInvite(invite) => Answer::InviteRefused { attempt: invite.attempt, error },
        other => Answer::Failed { request: Box::new(other.clone()), error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refill_claims_and_an_invite_needs_a_claim() {
        let mut records = records(Disk::default());
        let refused = ask(&mut records, 0, Request::CommitInvite(invite(1, "a")));
        assert!(matches!(refused, Some(Answer::InviteForbidden { .. })), "{refused:?}");
        let Some(Answer::Refilled { contacts, pending, .. }) = ask(&mut records, 0, refill(1)) else {
            panic!("a refill")
        };
        assert_eq!((contacts.len(), contacts[0].id, pending), (1, ContactId(1), 1));
        let committed = ask(&mut records, 0, Request::CommitInvite(invite(1, "a")));
        assert!(matches!(committed, Some(Answer::InviteCommitted { .. })), "{committed:?}");
        let again = ask(&mut records, 0, Request::CommitInvite(invite(1, "a")));
        assert!(matches!(again, Some(Answer::InviteForbidden { .. })), "{again:?}");
    }

    #[test]
    fn whoever_is_suppressed_is_refused() {
        let mut records = records(Disk::default());
        ask(&mut records, 0, refill(2));
        let numbers = vec![number()];
        let at = WallTime::from_unix_ms(0);
        ask(&mut records, 0, Request::Suppress { numbers, source: "operator".into(), at });
        let refused = ask(&mut records, 0, Request::CommitInvite(invite(1, "a")));
        let Some(Answer::InviteForbidden { reason, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "the number is on the do-not-call list");
        let contact = ContactUpdate { id: ContactId(1), state: ContactState::Pending, next_attempt_at: at };
        ask(&mut records, 0, Request::ReleaseContact { contact, reason: "test".into() });
        assert_eq!(records.contacts()[&ContactId(1)].state, ContactState::Suppressed);
    }

    #[test]
    fn requests_are_done_in_order_even_through_a_stall_and_fail_when_the_disk_does() {
        let second = Duration::from_secs(1);
        let at = |seconds| Instant::ZERO + second * seconds;
        let disk = Disk { delay_max: second, stalls: vec![(at(0), at(9))], failures: vec![(at(20), at(30))] };
        let mut records = records(disk);
        records.handle_request(at(0), refill(1));
        records.handle_request(at(1), refill(1));
        assert_eq!(records.poll_timeout(), Some(at(9)));
        assert!(records.poll_output(at(9)).is_some_and(|done| done.answer.is_some()));
        while records.poll_output(at(19)).is_some() {}
        let failed = ask(&mut records, 20, refill(1));
        assert!(matches!(failed, Some(Answer::Failed { .. })), "{failed:?}");
        let refused = ask(&mut records, 22, Request::CommitInvite(invite(1, "a")));
        assert!(matches!(refused, Some(Answer::InviteRefused { .. })), "{refused:?}");
    }

    fn records(disk: Disk) -> Records {
        let contacts = [("spring".to_owned(), number()), ("spring".to_owned(), number())];
        Records::new(disk, contacts, Rng::from_seed(1))
    }

    fn number() -> E164 {
        E164::from_e164("+12125550101").expect("a number")
    }

    fn refill(limit: u32) -> Request {
        Request::Refill { campaign: "spring".into(), due_at: WallTime::from_unix_ms(9), limit }
    }

    fn invite(contact: i64, call_id: &str) -> InviteRecord {
        InviteRecord {
            attempt: AttemptId(7),
            contact: ContactId(contact),
            campaign: "spring".into(),
            number: number(),
            caller_id: "+12125550100".into(),
            trunk: "main".into(),
            call_id: call_id.into(),
            dialog: String::new(),
            at: WallTime::from_unix_ms(0),
        }
    }

    fn ask(records: &mut Records, seconds: u64, request: Request) -> Option<Answer> {
        let now = Instant::ZERO + Duration::from_secs(seconds);
        records.handle_request(now, request);
        records.poll_output(now + Duration::from_secs(2)).and_then(|done| done.answer)
    }
}
