//! One campaign: the machine that decides whom to dial next, and when.
//!
//! ```text
//!   Draft --start--> Running --pause--> Paused --resume--> Running --nothing left--> Completed
//!                       `------------stop, from anywhere------> Stopped --start--> Running
//! ```
//!
//! The caller's duties: pass every [`Output`] on in order; hand the store a [`ContactUpdate`] that
//! [`Campaign::handle_outcome`] returned before it polls the outputs again (else a refill may overtake it); and call
//! [`Campaign::next_dial`] until it gives nothing whenever anything has happened that may free a line.

use super::explain::Reason;
use super::gate::{Decision, Gate, Refusal};
use super::ledger::Ledger;
use super::options::Options;
use super::pacing::{NOT_DIALED_REST, Pacing};
use super::retry::Retry;
use super::supply::{Supply, instant_of};
use crate::disposition::Disposition;
use crate::number::E164;
use crate::record::{CampaignState, Contact, ContactId, ContactState, ContactUpdate};
use crate::time::{Instant, Now, WallTime};
use std::collections::{HashSet, VecDeque};

/// What the campaign wants of the engine.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Claim contacts; answered by [`Campaign::handle_contacts`] or [`Campaign::handle_refill_failed`].
    Refill {
        /// At most so many.
        limit: u32,
        /// Those that are due by then.
        due_at: WallTime,
    },
    /// A claimed contact goes back to the store undialed.
    Release {
        /// Its state.
        update: ContactUpdate,
        /// Why.
        reason: Refusal,
    },
    /// Keep the state, so that a restart goes on where it was.
    StateChanged(CampaignState),
}

/// How many contacts are where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Claimed and not dialed yet.
    pub claimed: usize,
    /// Being dialed.
    pub in_flight: usize,
    /// Waiting in the store, when that is known.
    pub pending: Option<u64>,
}

/// The machine.
#[derive(Debug)]
pub struct Campaign {
    options: Options,
    gate: Gate,
    retry: Retry,
    pacing: Pacing,
    supply: Supply,
    state: CampaignState,
    // Bounded by `lines_max`.
    in_flight: HashSet<ContactId>,
    last_dialed: Option<ContactId>,
    // Bounded by the contacts given in with one input, and a few more.
    outputs: VecDeque<Output>,
    deadline: Option<Instant>,
    // What the last `next_dial` was told, and until when the trunks are taken to have no room.
    engine_lines_free: u32,
    no_room_until: Instant,
    // The earliest opening among contacts that met a closed window.
    window_opens_at: Option<WallTime>,
}

impl Campaign {
    /// A campaign as it was left. One that was never started and has `autostart` starts now.
    ///
    /// `options` have no [`Options::faults`].
    pub fn new(options: Options, state: CampaignState, now: Now) -> Self {
        let mut campaign = Campaign {
            gate: Gate::new(&options),
            retry: options.retry(),
            pacing: Pacing::new(options.calls_per_minute, now.instant),
            supply: Supply::new(options.calls_per_minute, now.instant),
            state,
            in_flight: HashSet::new(),
            last_dialed: None,
            outputs: VecDeque::new(),
            deadline: None,
            engine_lines_free: u32::MAX,
            no_room_until: Instant::ZERO,
            window_opens_at: None,
            options,
        };
        if state == CampaignState::Draft && campaign.options.autostart {
            campaign.start(now);
        }
        campaign.settle(now);
        campaign
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// New rules, effective from the next dial on; the name and the lists stay.
    pub fn handle_options(&mut self, now: Now, options: Options) {
        self.gate = Gate::new(&options);
        self.retry = options.retry();
        self.pacing = Pacing::new(options.calls_per_minute, self.pacing.next_at().max(now.instant));
        self.window_opens_at = None;
        let (name, trunks) = (self.options.name.clone(), self.options.trunks.clone());
        self.options = Options { name, trunks, ..options };
        self.settle(now);
    }

    /// Its state.
    pub fn state(&self) -> CampaignState {
        self.state
    }

    /// How many contacts are where.
    pub fn counts(&self) -> Counts {
        Counts {
            claimed: self.supply.claimed(),
            in_flight: self.in_flight.len(),
            pending: self.supply.pending(),
        }
    }

    /// The operator starts it, or starts it again. False when it runs already.
    pub fn start(&mut self, now: Now) -> bool {
        self.state != CampaignState::Running && self.enter(CampaignState::Running, now)
    }

    /// The operator pauses it: calls in flight go on. False when it does not run.
    pub fn pause(&mut self, now: Now) -> bool {
        self.state == CampaignState::Running && self.enter(CampaignState::Paused, now)
    }

    /// The operator lets it go on. False when it is not paused.
    pub fn resume(&mut self, now: Now) -> bool {
        self.state == CampaignState::Paused && self.enter(CampaignState::Running, now)
    }

    /// The operator stops it. False when it is stopped already.
    pub fn stop(&mut self, now: Now) -> bool {
        self.state != CampaignState::Stopped && self.enter(CampaignState::Stopped, now)
    }

    /// The store's answer to a refill.
    pub fn handle_contacts(
        &mut self,
        now: Now,
        contacts: Vec<Contact>,
        pending: u64,
        next_due_at: Option<WallTime>,
    ) {
        self.supply.handle_answer(pending, next_due_at);
        for beyond in self.supply.put(contacts) {
            self.release(beyond, Refusal::ClaimedMax, None);
        }
        if self.state != CampaignState::Running {
            self.release_claimed();
        }
        self.settle(now);
    }

    /// The store could not serve the refill; it is asked again in a while.
    pub fn handle_refill_failed(&mut self, now: Now) {
        self.supply.handle_failure(now.instant);
        self.settle(now);
    }

    /// Contacts were imported, or otherwise changed in the store.
    pub fn handle_list_changed(&mut self, now: Now) {
        self.supply.forget();
        self.settle(now);
    }

    /// The number is on the do-not-call list now; the [`Ledger`] has it already.
    pub fn handle_suppressed(&mut self, now: Now, number: &E164) {
        for contact in self.supply.take_out(|contact| contact.number == *number) {
            self.release_finally(contact, Refusal::DoNotCall);
        }
        // The store suppresses its pending contacts itself, and one of ours may have been the last.
        self.supply.forget();
        self.settle(now);
    }

    /// Whether the contact's phone may ring at this moment, the calling window alone considered.
    pub fn window_is_open(&self, now: Now, contact: &Contact) -> bool {
        self.gate.window_is_open(contact, now.wall)
    }

    /// The next contact to dial, if one may be dialed now; its number is taken in the ledger.
    ///
    /// Followed by [`Campaign::handle_outcome`] or [`Campaign::handle_not_dialed`].
    pub fn next_dial(&mut self, now: Now, lines_free: u32, ledger: &mut Ledger) -> Option<Contact> {
        self.engine_lines_free = lines_free;
        let contact = if self.may_dial_one(now.instant) { self.take_allowed(now, ledger) } else { None };
        self.settle(now);
        contact
    }

    fn may_dial_one(&self, now: Instant) -> bool {
        self.state == CampaignState::Running
            && self.engine_lines_free > 0
            && self.in_flight.len() < self.options.lines_max as usize
            && now >= self.pacing.next_at()
    }

    fn take_allowed(&mut self, now: Now, ledger: &mut Ledger) -> Option<Contact> {
        while let Some(contact) = self.supply.pop() {
            match self.gate.may_dial(&contact, now, ledger) {
                Decision::Allow => {
                    ledger.take(&contact.number);
                    self.pacing.handle_dial(now.instant);
                    self.in_flight.insert(contact.id);
                    self.last_dialed = Some(contact.id);
                    self.window_opens_at = None;
                    return Some(contact);
                }
                Decision::Skip { reason, until } => {
                    if reason == Refusal::WindowClosed {
                        self.window_opens_at = self.window_opens_at.into_iter().chain([until]).min();
                    }
                    self.supply.handle_barren();
                    self.release(contact, reason, Some(until));
                }
                Decision::Never { reason } => {
                    self.supply.handle_barren();
                    self.release_finally(contact, reason);
                }
            }
        }
        None
    }

    /// An attempt is over. `contact` is as it was dialed; what is returned goes to the store with the call record.
    ///
    /// Also for attempts of a former run that the engine did not live to see ([`Disposition::Interrupted`]).
    pub fn handle_outcome(
        &mut self,
        now: Now,
        contact: &Contact,
        disposition: Disposition,
        ledger: &mut Ledger,
    ) -> ContactUpdate {
        self.in_flight.remove(&contact.id);
        ledger.finish(&contact.number, now.instant);
        let mut update = self.retry.after(contact, disposition, now.wall);
        if update.state == ContactState::Pending && ledger.is_suppressed(&contact.number) {
            update.state = ContactState::Suppressed;
        }
        if update.state == ContactState::Pending {
            self.supply.handle_return(update.next_attempt_at);
        }
        self.settle(now);
        update
    }

    /// No INVITE left for this contact (no room on a trunk, or the store refused): it is the next one again.
    pub fn handle_not_dialed(&mut self, now: Now, contact: Contact, ledger: &mut Ledger) {
        self.in_flight.remove(&contact.id);
        ledger.give_back(&contact.number);
        if self.last_dialed == Some(contact.id) {
            self.pacing.handle_not_dialed(now.instant);
        }
        self.no_room_until = now.instant + NOT_DIALED_REST;
        if self.state != CampaignState::Running {
            self.release(contact, Refusal::NotRunning, None);
        } else if let Some(beyond) = self.supply.put_back(contact) {
            self.release(beyond, Refusal::ClaimedMax, None);
        }
        self.settle(now);
    }

    /// The store's own gate forbade the INVITE: the contact goes back, and the store says what becomes of it.
    pub fn handle_forbidden(&mut self, now: Now, contact: Contact, ledger: &mut Ledger) {
        self.in_flight.remove(&contact.id);
        ledger.give_back(&contact.number);
        self.release(contact, Refusal::Forbidden, Some(now.wall + self.options.attempt_gap()));
        self.settle(now);
    }

    /// The time asked for has come. Follow it with [`Campaign::next_dial`].
    pub fn handle_timeout(&mut self, now: Now) {
        self.settle(now);
    }

    /// When to call [`Campaign::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The next thing that the campaign wants.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Why it does not dial at this moment, the weightiest reason first; empty when it does.
    pub fn explain(&self, now: Now) -> Vec<Reason> {
        match self.state {
            CampaignState::Draft => return vec![Reason::NotStarted],
            CampaignState::Paused => return vec![Reason::Paused],
            CampaignState::Stopped => return vec![Reason::Stopped],
            CampaignState::Completed => return vec![Reason::Completed],
            CampaignState::Running => {}
        }
        let mut reasons = Vec::new();
        let seen_opening = self.window_opens_at.filter(|at| *at > now.wall).map(Some);
        if let Some(opens_at) = self.gate.closed_for_all_until(now.wall).or(seen_opening) {
            reasons.push(Reason::WindowClosed { opens_at });
        }
        if self.supply.claimed() == 0 {
            let next_at = self.supply.next_due_at().filter(|at| *at > now.wall);
            let nothing_due = self.supply.pending() == Some(0) || next_at.is_some();
            reasons.push(if nothing_due { Reason::NothingDue { next_at } } else { Reason::AwaitingStore });
        }
        if self.in_flight.len() >= self.options.lines_max as usize {
            reasons.push(Reason::LinesBusy { lines: self.options.lines_max });
        }
        if self.engine_lines_free == 0 || now.instant < self.no_room_until {
            reasons.push(Reason::EngineBusy);
        }
        if self.supply.claimed() > 0 && self.pacing.next_at() > now.instant {
            reasons.push(Reason::Pace { next_at: self.pacing.next_at() });
        }
        reasons
    }

    fn enter(&mut self, state: CampaignState, now: Now) -> bool {
        self.state = state;
        self.outputs.push_back(Output::StateChanged(state));
        if state == CampaignState::Running {
            self.supply.forget()
        } else {
            self.release_claimed()
        }
        self.settle(now);
        true
    }

    fn release_claimed(&mut self) {
        for contact in self.supply.take_out(|_| true) {
            self.release(contact, Refusal::NotRunning, None);
        }
    }

    /// Back to the store, to be dialed at `due_at` or, without it, when it would have been.
    fn release(&mut self, contact: Contact, reason: Refusal, due_at: Option<WallTime>) {
        let next_attempt_at = due_at.unwrap_or(contact.next_attempt_at);
        let update = ContactUpdate { id: contact.id, state: ContactState::Pending, next_attempt_at };
        self.supply.handle_return(next_attempt_at);
        self.outputs.push_back(Output::Release { update, reason });
    }

    fn release_finally(&mut self, contact: Contact, reason: Refusal) {
        let next_attempt_at = contact.next_attempt_at;
        let update = ContactUpdate { id: contact.id, state: reason.final_state(), next_attempt_at };
        self.outputs.push_back(Output::Release { update, reason });
    }

    /// After each input: ask for contacts, see whether all is done, and choose the next deadline.
    fn settle(&mut self, now: Now) {
        self.deadline = None;
        if self.state != CampaignState::Running {
            return;
        }
        if self.supply.is_exhausted() && self.in_flight.is_empty() {
            self.state = CampaignState::Completed;
            self.outputs.push_back(Output::StateChanged(CampaignState::Completed));
            return;
        }
        let supplied_at = match self.gate.closed_for_all_until(now.wall) {
            Some(opens_at) => opens_at.map(|at| instant_of(at, now)),
            None => {
                if let Some(limit) = self.supply.refill(now) {
                    self.outputs.push_back(Output::Refill { limit, due_at: now.wall });
                }
                self.supply.wants_at(now)
            }
        };
        self.deadline = supplied_at.into_iter().chain(self.paced_at()).filter(|at| *at > now.instant).min();
    }

    /// When the pace lets the next contact go, if nothing else holds it.
    fn paced_at(&self) -> Option<Instant> {
        let line_free = self.engine_lines_free > 0 && self.in_flight.len() < self.options.lines_max as usize;
        (line_free && self.supply.claimed() > 0).then(|| self.pacing.next_at())
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::tests::{FRIDAY_MS, contact, e164, wall};
    use super::super::options::tests::options;
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_asks_for_contacts_dials_them_at_its_pace_and_completes() {
        let (mut campaign, mut ledger) = running("");
        assert_eq!(outputs(&mut campaign), [changed(CampaignState::Running), refill(10, 0)]);
        assert_eq!(campaign.explain(at(0)), [Reason::AwaitingStore]);
        campaign.handle_contacts(at(10), two(), 0, None);
        let first = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
        assert_eq!(campaign.next_dial(at(20), 5, &mut ledger), None);
        // The ten milliseconds that the first dial was late are made up for.
        assert_eq!(campaign.explain(at(20)), [Reason::Pace { next_at: at(2_000).instant }]);
        assert_eq!(campaign.poll_timeout(), Some(at(2_000).instant));
        let second = campaign.next_dial(at(2_000), 5, &mut ledger).unwrap();
        for contact in [&first, &second] {
            let update = campaign.handle_outcome(at(9_000), contact, Disposition::Bridged, &mut ledger);
            assert_eq!(update.state, ContactState::Done);
        }
        // What was known of the store when the last answer came is enough: nothing went back to it since.
        assert_eq!(outputs(&mut campaign), [changed(CampaignState::Completed)]);
        assert_eq!((campaign.poll_timeout(), campaign.explain(at(9_000))), (None, vec![Reason::Completed]));
    }

    #[test]
    fn a_contact_to_be_tried_again_keeps_it_running_until_then() {
        let (mut campaign, mut ledger) = running("");
        campaign.handle_contacts(at(10), vec![contact(1, "+12025550101")], 0, None);
        let dialed = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
        let update = campaign.handle_outcome(at(30_000), &dialed, Disposition::NoAnswer, &mut ledger);
        let due = wall(FRIDAY_MS + 30_000 + 7_200_000);
        assert_eq!((update.state, update.next_attempt_at), (ContactState::Pending, due));
        outputs(&mut campaign);
        assert_eq!(campaign.explain(at(30_000)), [Reason::NothingDue { next_at: Some(due) }]);
        // Civil time is looked at every minute, because it may be set.
        assert_eq!(campaign.poll_timeout(), Some(at(90_000).instant));
        campaign.handle_timeout(at(7_230_000));
        assert_eq!(outputs(&mut campaign), [refill(10, 7_230_000)]);
    }

    #[test]
    fn a_closed_window_gives_contacts_back_with_the_opening_time() {
        let (mut campaign, mut ledger) = running("");
        outputs(&mut campaign);
        campaign.handle_contacts(at(10), vec![contact(1, "+12135550101")], 0, None);
        assert_eq!(campaign.next_dial(at(10), 5, &mut ledger), None);
        let opens_at = wall(FRIDAY_MS + 7_200_000);
        let update =
            ContactUpdate { id: ContactId(1), state: ContactState::Pending, next_attempt_at: opens_at };
        assert_eq!(outputs(&mut campaign), [Output::Release { update, reason: Refusal::WindowClosed }]);
        let explained = campaign.explain(at(10));
        assert_eq!(explained[0], Reason::WindowClosed { opens_at: Some(opens_at) });
        assert_eq!(explained[0].to_string(), "the calling window is closed until 2026-11-20 17:00 UTC");
    }

    #[test]
    fn with_a_named_zone_it_does_not_even_ask_while_the_window_is_closed() {
        let (mut campaign, _) = running("[window]\nzone = \"America/Los_Angeles\"");
        assert_eq!(outputs(&mut campaign), [changed(CampaignState::Running)]);
        campaign.handle_timeout(at(7_200_000));
        assert_eq!(outputs(&mut campaign), [refill(10, 7_200_000)]);
    }

    #[test]
    fn pause_and_stop_give_the_claimed_back_as_they_were_and_resume_has_no_burst() {
        let (mut campaign, mut ledger) = running("");
        campaign.handle_contacts(at(10), two(), 3, Some(wall(0)));
        outputs(&mut campaign);
        assert!(campaign.pause(at(20)) && !campaign.pause(at(20)));
        let released: Vec<_> = outputs(&mut campaign);
        assert_eq!(released.len(), 3);
        assert!(matches!(released[1], Output::Release { reason: Refusal::NotRunning, .. }));
        assert_eq!(campaign.next_dial(at(30), 5, &mut ledger), None);
        assert_eq!((campaign.explain(at(30)), campaign.poll_timeout()), (vec![Reason::Paused], None));
        assert!(campaign.resume(at(100_000)) && !campaign.resume(at(100_000)));
        campaign.handle_contacts(at(100_010), two(), 3, Some(wall(0)));
        assert!(campaign.next_dial(at(100_010), 5, &mut ledger).is_some());
        assert!(campaign.next_dial(at(100_011), 5, &mut ledger).is_none());
        assert!(campaign.stop(at(100_020)) && campaign.start(at(100_030)));
    }

    #[test]
    fn contacts_that_come_after_a_pause_go_straight_back() {
        let (mut campaign, _) = running("");
        campaign.pause(at(5));
        outputs(&mut campaign);
        campaign.handle_contacts(at(10), two(), 0, None);
        assert_eq!((outputs(&mut campaign).len(), campaign.counts().claimed), (2, 0));
    }

    #[test]
    fn a_suppressed_number_is_taken_out_of_the_claimed_at_once() {
        let (mut campaign, mut ledger) = running("");
        campaign.handle_contacts(at(10), two(), 0, None);
        outputs(&mut campaign);
        let number = e164("+12025550101");
        ledger.suppress(&number).unwrap();
        campaign.handle_suppressed(at(11), &number);
        let released = outputs(&mut campaign).remove(0);
        let Output::Release { update, reason } = released else { panic!("{released:?}") };
        assert_eq!(
            (update.id, update.state, reason),
            (ContactId(1), ContactState::Suppressed, Refusal::DoNotCall)
        );
        assert_eq!(campaign.next_dial(at(12), 5, &mut ledger).unwrap().id, ContactId(2));
    }

    #[test]
    fn a_number_suppressed_during_its_call_is_not_tried_again() {
        let (mut campaign, mut ledger) = running("");
        campaign.handle_contacts(at(10), two(), 0, None);
        let dialed = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
        ledger.suppress(&dialed.number).unwrap();
        campaign.handle_suppressed(at(20), &dialed.number);
        let update = campaign.handle_outcome(at(30), &dialed, Disposition::NoAnswer, &mut ledger);
        assert_eq!(update.state, ContactState::Suppressed);
    }

    #[test]
    fn a_contact_that_goes_back_while_the_store_answers_is_not_forgotten() {
        let (mut campaign, mut ledger) = running("");
        campaign.handle_contacts(at(10), two(), 3, Some(wall(0)));
        let dialed = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
        outputs(&mut campaign);
        campaign.handle_timeout(at(1_500));
        assert!(matches!(outputs(&mut campaign)[..], [Output::Refill { .. }]));
        campaign.handle_outcome(at(1_600), &dialed, Disposition::NoAnswer, &mut ledger);
        let second = campaign.next_dial(at(2_100), 5, &mut ledger).unwrap();
        campaign.handle_outcome(at(2_200), &second, Disposition::Bridged, &mut ledger);
        campaign.handle_contacts(at(2_300), vec![], 0, None);
        assert_eq!((campaign.state(), campaign.counts().pending), (CampaignState::Running, Some(1)));
    }

    #[test]
    fn lines_bound_the_calls_and_an_undialed_contact_is_the_next_again() {
        let (mut campaign, mut ledger) = running("lines_max = 1");
        campaign.handle_contacts(at(10), two(), 0, None);
        assert_eq!(campaign.next_dial(at(10), 0, &mut ledger), None);
        assert_eq!(campaign.explain(at(10)), [Reason::EngineBusy]);
        let first = campaign.next_dial(at(20), 1, &mut ledger).unwrap();
        campaign.handle_not_dialed(at(30), first.clone(), &mut ledger);
        assert!(campaign.explain(at(30)).contains(&Reason::EngineBusy));
        assert_eq!(campaign.poll_timeout(), Some(at(1_030).instant));
        assert_eq!(campaign.next_dial(at(1_030), 1, &mut ledger), Some(first));
        assert_eq!(campaign.next_dial(at(60_000), 1, &mut ledger), None);
        assert_eq!(campaign.explain(at(60_000))[0], Reason::LinesBusy { lines: 1 });
    }

    #[test]
    fn two_campaigns_never_dial_one_number_at_once() {
        let (mut one, mut ledger) = running("");
        let (mut other, _) = running("");
        one.handle_contacts(at(10), two(), 0, None);
        other.handle_contacts(at(10), two(), 0, None);
        outputs(&mut other);
        assert_eq!(one.next_dial(at(10), 5, &mut ledger).unwrap().id, ContactId(1));
        assert_eq!(other.next_dial(at(10), 5, &mut ledger).unwrap().id, ContactId(2));
        assert!(matches!(
            outputs(&mut other)[0],
            Output::Release { reason: Refusal::NumberInFlight, update } if update.state == ContactState::Pending
        ));
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        for (state, asks) in [
            (CampaignState::Running, true),
            (CampaignState::Paused, false),
            (CampaignState::Stopped, false),
            (CampaignState::Completed, false),
        ] {
            let mut campaign = Campaign::new(options(""), state, at(0));
            assert_eq!((campaign.state(), !outputs(&mut campaign).is_empty()), (state, asks));
        }
        let manual = Campaign::new(options("autostart = false"), CampaignState::Draft, at(0));
        assert_eq!((manual.state(), manual.explain(at(0))), (CampaignState::Draft, vec![Reason::NotStarted]));
    }

    fn running(more: &str) -> (Campaign, Ledger) {
        (Campaign::new(options(more), CampaignState::Draft, at(0)), Ledger::new())
    }

    fn two() -> Vec<Contact> {
        vec![contact(1, "+12025550101"), contact(2, "+12025550102")]
    }

    fn at(ms: u64) -> Now {
        let since_start = Duration::from_millis(ms);
        Now { instant: Instant::from_start(since_start), wall: wall(FRIDAY_MS) + since_start }
    }

    fn outputs(campaign: &mut Campaign) -> Vec<Output> {
        std::iter::from_fn(|| campaign.poll_output()).collect()
    }

    fn changed(state: CampaignState) -> Output {
        Output::StateChanged(state)
    }

    fn refill(limit: u32, at_ms: u64) -> Output {
        Output::Refill { limit, due_at: at(at_ms).wall }
    }
}
