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

use super::explain::met::Met;
use super::gate::{Decision, Gate, Refusal};
use super::ledger::Ledger;
use super::options::Options;
use super::pacing::budget::Sums;
use super::pacing::even::{NOT_DIALED_REST, Pacing};
use super::pacing::{Guess, Mode, Pacer};
use super::retry::Retry;
use super::supply::{Supply, instant_of};
use crate::disposition::Disposition;
use crate::record::{CampaignState, Contact, ContactId, ContactState, ContactUpdate};
use crate::time::{Instant, Now, WallTime};
use staffed::Flight;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// How often the pacer is asked anew when nothing happens: what it expects changes with time alone.
const TICK: Duration = Duration::from_millis(500);

/// A contact that wants an agent kept for them, while there is none, is looked at again after this.
const AGENT_DEMANDED_REST: Duration = Duration::from_secs(60);

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
    /// The abandonment guard has come into force, or is over: one line for each waiting agent is the most meanwhile.
    Guarded {
        /// It has come into force.
        on: bool,
        /// The ledger at this moment.
        sums: Sums,
    },
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
    pacer: Pacer,
    // How many more lines the pacer wants, as last asked; `None` when something has happened since.
    wanted: Option<(Instant, u32)>,
    supply: Supply,
    state: CampaignState,
    // With the pacer's numbers; bounded by `lines_max`.
    in_flight: HashMap<ContactId, Flight>,
    // As it was told last.
    guarded: bool,
    // Attempts of a former run whose calls have not ended.
    adopted: HashSet<ContactId>,
    last_dialed: Option<ContactId>,
    // Bounded by the contacts given in with one input, and a few more.
    outputs: VecDeque<Output>,
    deadline: Option<Instant>,
    // What the last `next_dial` was told, and until when the trunks are taken to have no room.
    engine_lines_free: u32,
    no_room_until: Instant,
    // The earliest opening among contacts that met a closed window.
    window_opens_at: Option<WallTime>,
    // Whom it has met and could not dial.
    met: Met,
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
            pacer: Pacer::new(options.dialing, Guess::default(), now.instant),
            wanted: None,
            supply: Supply::new(options.supply_per_minute(), now.instant),
            state,
            in_flight: HashMap::new(),
            guarded: false,
            adopted: HashSet::new(),
            last_dialed: None,
            outputs: VecDeque::new(),
            deadline: None,
            engine_lines_free: u32::MAX,
            no_room_until: Instant::ZERO,
            window_opens_at: None,
            met: Met::default(),
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
        self.pacing.set_pace(options.calls_per_minute, now.instant);
        self.pacer.set_dialing(options.dialing);
        self.wanted = None;
        self.supply.set_pace(options.supply_per_minute());
        self.window_opens_at = None;
        self.met.clear();
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

    /// Its contacts have changed in the store: there may be more to dial. A campaign that had come to its end goes on.
    pub fn handle_imported(&mut self, now: Now) {
        self.supply.forget();
        if self.state == CampaignState::Completed {
            self.enter(CampaignState::Running, now);
        }
        self.settle(now);
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

    /// Numbers have come on the do-not-call list; the [`Ledger`] has them already.
    pub fn handle_suppressed(&mut self, now: Now, ledger: &Ledger) {
        for contact in self.supply.take_out(|contact| self.gate.is_listed(&contact.number, ledger)) {
            self.release_finally(contact, Refusal::DoNotCall);
        }
        // The store suppresses its pending contacts itself, and one of ours may have been the last.
        self.supply.forget();
        self.settle(now);
    }

    /// The gate that every dial goes through.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whether the contact's phone may ring at this moment, the hours of campaign and law considered.
    pub fn window_is_open(&self, now: Now, contact: &Contact) -> bool {
        self.gate.window_is_open(contact, now.wall)
    }

    /// The next contact to dial, if one may be dialed now; its number is taken in the ledger.
    ///
    /// Followed by [`Campaign::handle_outcome`] or [`Campaign::handle_not_dialed`].
    pub fn next_dial(&mut self, now: Now, lines_free: u32, ledger: &mut Ledger) -> Option<Contact> {
        self.engine_lines_free = lines_free;
        let contact = if self.may_dial_one(now) { self.take_allowed(now, ledger) } else { None };
        self.settle(now);
        contact
    }

    fn may_dial_one(&mut self, now: Now) -> bool {
        self.state == CampaignState::Running
            && self.engine_lines_free > 0
            && now.instant >= self.no_room_until
            && self.lines_used() < self.options.lines_max as usize
            && (!self.is_paced() || now.instant >= self.pacing.next_at())
            && self.lines_wanted(now) > 0
    }

    /// An attempt of a former run whose call has not ended: it takes a line, and its number is in flight, until
    /// [`Campaign::handle_outcome`].
    pub fn handle_adopted(&mut self, contact: &Contact, ledger: &mut Ledger) {
        self.adopted.insert(contact.id);
        ledger.adopt(&contact.number);
    }

    fn lines_used(&self) -> usize {
        self.in_flight.len() + self.adopted.len()
    }

    fn is_paced(&self) -> bool {
        self.options.dialing.mode == Mode::Paced
    }

    fn take_allowed(&mut self, now: Now, ledger: &mut Ledger) -> Option<Contact> {
        while let Some(contact) = self.supply.pop() {
            match self.gate.may_dial(&contact, now, ledger) {
                Decision::Allow { guaranteed_agent } => {
                    let guaranteed = guaranteed_agent || self.wants_agent_kept(&contact);
                    if guaranteed && !self.has_agent() {
                        self.supply.handle_barren();
                        let until = now.wall + AGENT_DEMANDED_REST;
                        self.release(contact, Refusal::AgentDemanded, Some(until));
                        continue;
                    }
                    ledger.take(&contact.number, now.wall);
                    self.pacing.handle_dial(now.instant);
                    let attempt = self.pacer.handle_dialed(now.instant);
                    self.in_flight.insert(contact.id, Flight { attempt, guaranteed, counted: false });
                    self.wanted = self.wanted.map(|(asked_at, lines)| (asked_at, lines.saturating_sub(1)));
                    self.last_dialed = Some(contact.id);
                    self.window_opens_at = None;
                    return Some(contact);
                }
                Decision::Skip { reason, until } => {
                    if reason.is_hours() {
                        self.window_opens_at = self.window_opens_at.into_iter().chain([until]).min();
                    }
                    self.met.handle_skip(now.wall, &contact, reason, until);
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

    /// Whether an agent waits whom nobody else is waiting for.
    fn has_agent(&self) -> bool {
        self.pacer.floor().ready() > self.pacer.floor().waiting()
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
        self.adopted.remove(&contact.id);
        if let Some(flight) = self.in_flight.remove(&contact.id) {
            if disposition.is_of_network() {
                self.pacer.handle_not_dialed(flight.attempt);
            } else {
                self.pacer.handle_ended(now.instant, flight.attempt);
            }
            self.wanted = None;
        }
        ledger.finish(&contact.number, now, disposition);
        let mut update = self.retry.after(contact, disposition, now.wall);
        if update.state == ContactState::Pending && self.gate.is_listed(&contact.number, ledger) {
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
        self.no_room_until = now.instant + NOT_DIALED_REST;
        self.handle_withdrawn(now, contact, ledger);
    }

    /// The contact is not to be dialed now, though there would be room for it: it is the next one again.
    pub fn handle_withdrawn(&mut self, now: Now, contact: Contact, ledger: &mut Ledger) {
        self.forget_flight(&contact, ledger);
        if self.last_dialed == Some(contact.id) {
            self.pacing.handle_not_dialed(now.instant);
        }
        if self.state != CampaignState::Running {
            self.release(contact, Refusal::NotRunning, None);
        } else if let Some(beyond) = self.supply.put_back(contact) {
            self.release(beyond, Refusal::ClaimedMax, None);
        }
        self.settle(now);
    }

    /// The contact was not dialed after all.
    fn forget_flight(&mut self, contact: &Contact, ledger: &mut Ledger) {
        if let Some(flight) = self.in_flight.remove(&contact.id) {
            self.pacer.handle_not_dialed(flight.attempt);
            self.wanted = None;
        }
        ledger.give_back(&contact.number);
    }

    /// The store's own gate forbade the INVITE: the contact goes back, and the store says what becomes of it.
    pub fn handle_forbidden(&mut self, now: Now, contact: Contact, ledger: &mut Ledger) {
        self.forget_flight(&contact, ledger);
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
        if self.supply.is_exhausted() && self.lines_used() == 0 {
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
        self.deadline =
            supplied_at.into_iter().chain(self.paced_at(now.instant)).filter(|at| *at > now.instant).min();
    }

    /// When the pace lets the next contact go, if nothing else holds it.
    fn paced_at(&self, now: Instant) -> Option<Instant> {
        let line_free = self.engine_lines_free > 0 && self.lines_used() < self.options.lines_max as usize;
        let rested_at = Some(self.no_room_until).filter(|until| *until > now);
        match self.options.dialing.mode {
            _ if !line_free || self.supply.claimed() == 0 => None,
            Mode::Paced => Some(self.pacing.next_at()).max(rested_at),
            mode if mode.needs_agents() => Some(now + TICK),
            _ => rested_at,
        }
    }
}

mod reasons;
mod staffed;
#[cfg(test)]
mod tests;
