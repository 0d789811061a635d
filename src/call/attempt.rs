//! One attempt to reach one contact, from the port it takes to the record it leaves.
//!
//! ```text
//!  Opening -> Committing -> Calling -> Judging -+-> AwaitingAgent -> Bridged -+
//!     |           |  ^         |          |     |         |                   |
//!     |           |  +- next   |          |     |         +-> Message --------+
//!     |           |     trunk  |          |     +-> Dropping (voicemail) -----+-> Ending -> Finished
//!     +-----------+------------+----------+---------------------------------- +
//! ```
//!
//! The INVITE leaves only after the store has committed it; a failure of the trunk before the callee was rung leads back
//! to Committing with the next trunk. What an attempt is told is in `attempt/plan.rs`, what it asks for in
//! `attempt/action.rs`; whatever happens after the 200 is in `attempt/answered.rs`, between an agent's answer and the bridge
//! in `attempt/whispering.rs`, keys in `attempt/pressing.rs`, pauses of a recording in `attempt/withholding.rs`, later offers
//! in `attempt/offers.rs`, transfers of a bridged call in `attempt/transferring.rs`, the end in `attempt/ending.rs`.

mod action;
mod answered;
pub mod ending;
mod offers;
mod plan;
mod pressing;
mod transferring;
mod whispering;
mod withholding;

pub use action::{Action, Side};
pub use plan::{Placement, Plan, Seat};
pub use transferring::Transfer;
use transferring::Transferring;

use crate::call::keys::{Means, Presses};
use crate::call::leg::{Leg, Progress};
use crate::call::outcome::{self, Next};
use crate::call::step::Step;
use crate::call::treatment::{Human, Whom};
use crate::call::voicemail::Voicemail;
use crate::disposition::Disposition;
use crate::media::command::{Command, Event, EventKind};
use crate::number::E164;
use crate::record::{AttemptId, CallRecord, ContactId, EndedBy, InviteRecord};
use crate::sip::endpoint::SessionEvent;
use crate::time::{Instant, Now, WallTime};
use std::sync::Arc;
use std::time::Duration;

/// Digits of a callee that are kept in the record.
const DIGITS_MAX: usize = 64;

#[derive(Clone, Debug)]
enum State {
    /// Waits for the port.
    Opening,
    /// Waits for the store.
    Committing,
    /// The INVITE is out.
    Calling { ring_deadline: Instant },
    /// Answered; the detector listens.
    Judging { fallback: Instant },
    /// A machine; the message waits for its moment, or runs.
    Dropping(Voicemail),
    /// A message to a person runs.
    Message(Message),
    /// A person hears hold audio while the agent is being rung, and while an agent who has answered hears the whisper.
    AwaitingAgent {
        deadline: Instant,
        /// Until then the present agent's phone rings; once it has answered, the whisper may go on.
        turn_deadline: Option<Instant>,
    },
    /// Both legs are joined.
    Bridged,
    /// The agent's place is to be taken by somebody else.
    Transferring(Box<Transferring>),
    /// Hanging up.
    Ending { give_up: Instant },
    /// Nothing more will come.
    Finished,
}

/// Which message runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Message {
    /// The campaign's own.
    Campaign,
    /// No agent came.
    SafeHarbour,
}

/// One attempt. See the module's page.
#[derive(Debug)]
pub struct Attempt {
    plan: Plan,
    placement: Placement,
    agent_placement: Option<Placement>,
    /// Who is rung, or to be rung, for the callee.
    agent_uri: Option<String>,
    /// A person wants an agent since then.
    wanted_at: Option<Instant>,
    callee: Leg,
    agent: Leg,
    state: State,
    record: CallRecord,
    /// An INVITE has left, so the attempt counts and leaves a record.
    dialed: bool,
    /// The phone rang, as far as one can hear: a 180 came, or sound before the answer.
    rang: bool,
    /// A valid packet of the callee came.
    heard: bool,
    answered_at: Option<Instant>,
    /// The callee has been silent since, after speech.
    quiet_since: Option<Instant>,
    beep_ended: Option<Instant>,
    greeting_ended: Option<Instant>,
    /// The keys that the callee, the agent and the target of a transfer have pressed of late.
    presses: [Presses; 3],
    /// Transfers so far.
    transfers: u64,
    /// Nothing of the call is kept since then.
    paused_at: Option<Instant>,
}

impl Attempt {
    /// A new attempt; it asks for its port at once.
    pub fn new(now: Now, plan: Plan, placement: Placement, out: &mut Vec<Action>) -> Self {
        let mut callee = Leg::new(plan.callee_stream, plan.session_id);
        callee.progress = Progress::Opening;
        callee.port_held = true;
        out.push(Action::Media(Command::Open { stream: callee.stream, partner: None }));
        let agent = Leg::new(plan.agent_stream, plan.session_id.wrapping_add(1));
        let record = ending::blank_record(&plan.invite(&placement, now.wall), now.wall);
        let agent_uri = match &plan.treatment.human {
            Human::Agent(agent) => agent.uri().map(str::to_owned),
            Human::Message { .. } | Human::HangUp => None,
        };
        Attempt {
            plan,
            placement,
            agent_placement: None,
            agent_uri,
            wanted_at: None,
            callee,
            agent,
            state: State::Opening,
            record,
            dialed: false,
            rang: false,
            heard: false,
            answered_at: None,
            quiet_since: None,
            beep_ended: None,
            greeting_ended: None,
            presses: Default::default(),
            transfers: 0,
            paused_at: None,
        }
    }

    /// Its permanent id.
    pub fn id(&self) -> AttemptId {
        self.plan.id
    }

    /// The number that it dials.
    pub fn number(&self) -> &E164 {
        &self.plan.number
    }

    /// The contact that it is for.
    pub fn contact(&self) -> ContactId {
        self.plan.contact
    }

    /// The campaign's name.
    pub fn campaign(&self) -> &str {
        &self.plan.campaign
    }

    /// The first verdict's word, empty before it.
    pub fn verdict(&self) -> &str {
        &self.record.verdict
    }

    /// The caller's number that is shown, as it was when the attempt began.
    pub fn caller_id(&self) -> &str {
        &self.plan.caller_id
    }

    /// Whom a person is bridged to: an extension, a queue, or the agent who was named last.
    pub fn agent_uri(&self) -> Option<&str> {
        self.agent_uri.as_deref()
    }

    /// Whether it waits for [`Attempt::handle_seat`].
    pub fn wants_seat(&self) -> bool {
        matches!(self.state, State::AwaitingAgent { .. }) && self.agent.progress == Progress::Open
    }

    /// The Call-IDs of its legs, that of a transfer's new party included.
    pub fn call_ids(&self) -> impl Iterator<Item = &str> {
        let new_party = match &self.state {
            State::Transferring(transferring) => transferring.placement(),
            _ => None,
        };
        let legs = std::iter::once(&self.placement).chain(&self.agent_placement).chain(new_party);
        legs.map(|placement| placement.call_id.as_str())
    }

    /// The rules by which its agent may transfer it.
    pub fn transfer_rules(&self) -> Option<&crate::call::transfer::Rules> {
        match &self.plan.treatment.human {
            Human::Agent(agent) => Some(&agent.transfer),
            Human::Message { .. } | Human::HangUp => None,
        }
    }

    /// The trunk that carries the callee's leg.
    pub fn trunk(&self) -> &str {
        &self.placement.trunk
    }

    /// The trunk that carries the agent's leg.
    pub fn agent_trunk(&self) -> Option<&str> {
        self.agent_placement.as_ref().map(|placement| placement.trunk.as_str())
    }

    /// Whether its INVITE waits for [`Attempt::handle_committed`].
    pub fn awaits_commit(&self) -> bool {
        matches!(self.state, State::Committing)
    }

    /// Whether an agent was kept for it before it was made.
    pub fn is_guaranteed(&self) -> bool {
        self.plan.guaranteed
    }

    /// Whether its INVITE is out and unanswered.
    pub fn is_ringing(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether the callee has answered.
    pub fn is_answered(&self) -> bool {
        self.answered_at.is_some()
    }

    /// The store has committed the INVITE: it may leave.
    pub fn handle_committed(&mut self, now: Now, out: &mut Vec<Action>) {
        match self.state {
            State::Committing => {
                if !self.dialed {
                    self.record.dialed_at = now.wall;
                }
                self.dialed = true;
                // The record names what the wire saw: a placement whose INVITE never left is not in it.
                self.record.trunk.clone_from(&self.placement.trunk);
                self.record.call_id.clone_from(&self.placement.call_id);
                self.callee.progress = Progress::Calling;
                let sdp = self.callee.offer(&self.placement);
                self.state = State::Calling { ring_deadline: now.instant + self.plan.ring_timeout };
                let call_id = self.placement.call_id.clone();
                out.push(Action::Invite { side: Side::Callee, call_id, sdp });
                out.push(Action::Journal(Step::Dialing { trunk: self.placement.trunk.clone() }));
            }
            State::Ending { .. } => {
                // Ended while the store was writing: the book says "dialed" now, so it must get its record.
                self.dialed = true;
                self.callee.progress = Progress::Over;
                self.finish_when_quiet(out);
            }
            State::Opening
            | State::Calling { .. }
            | State::Judging { .. }
            | State::Dropping(_)
            | State::Message(_)
            | State::AwaitingAgent { .. }
            | State::Bridged
            | State::Transferring(_)
            | State::Finished => {}
        }
    }

    /// The store could not commit the INVITE: it must not leave.
    pub fn handle_refused(&mut self, now: Now, reason: &str, out: &mut Vec<Action>) {
        match self.state {
            State::Committing => {
                self.callee.progress = Progress::Over;
                self.record.reason = reason.to_owned();
                let disposition = if self.dialed { self.record.disposition } else { Disposition::Canceled };
                self.end(now, disposition, EndedBy::Us, out);
            }
            State::Ending { .. } => {
                self.callee.progress = Progress::Over;
                self.finish_when_quiet(out);
            }
            _ => {}
        }
    }

    /// The trunk has come to a rest before the committed INVITE could leave: another one is asked for. The book says
    /// "dialed", so there will be a record.
    pub fn handle_trunk_rests(&mut self, now: Now, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Committing) {
            return;
        }
        if !std::mem::replace(&mut self.dialed, true) {
            self.record.dialed_at = now.wall;
        }
        self.callee.progress = Progress::Over;
        self.record.disposition = Disposition::Congestion;
        self.record.reason = "the trunk came to a rest before the INVITE left".to_owned();
        out.push(Action::Journal(Step::TrunkRests { trunk: self.placement.trunk.clone() }));
        out.push(Action::NextTrunk);
    }

    /// The next trunk, after [`Action::NextTrunk`]; none when all have been tried.
    pub fn handle_placement(&mut self, now: Now, placement: Option<Placement>, out: &mut Vec<Action>) {
        match placement {
            Some(placement) => {
                self.placement = placement;
                self.commit(now, out);
            }
            None => {
                let by = EndedBy::Callee;
                self.end(now, self.record.disposition, by, out);
            }
        }
    }

    fn commit(&mut self, now: Now, out: &mut Vec<Action>) {
        self.state = State::Committing;
        self.callee.progress = Progress::Open;
        out.push(Action::Commit(self.plan.invite(&self.placement, now.wall)));
    }

    /// Something happened to one of the sessions.
    pub fn handle_session(&mut self, now: Now, side: Side, event: SessionEvent, out: &mut Vec<Action>) {
        match side {
            Side::Callee => self.handle_callee(now, event, out),
            Side::Agent => self.handle_agent(now, event, out),
            Side::Target => self.handle_target(now, event, out),
        }
    }

    fn handle_callee(&mut self, now: Now, event: SessionEvent, out: &mut Vec<Action>) {
        match event {
            SessionEvent::Trying => {
                stamp(&mut self.record.trying_at, now.wall);
                out.push(Action::Journal(Step::Trying));
            }
            SessionEvent::Provisional { status, sdp } => self.handle_ringing(now, status, sdp, out),
            SessionEvent::Answered { sdp } => self.handle_answered(now, sdp, out),
            SessionEvent::Rejected { status, phrase, q850, reason, .. } => {
                self.callee.progress = Progress::Over;
                self.record.sip_status = status;
                self.record.q850_cause = q850;
                self.record.reason = if reason.is_empty() { phrase } else { reason };
                let next = outcome::of_response(status, q850, self.rang, &self.placement.failover_on);
                self.handle_failed(now, next, status, out);
            }
            SessionEvent::NoResponse => {
                self.callee.progress = Progress::Over;
                self.handle_failed(now, Next::OtherTrunk(Disposition::Congestion), 0, out);
            }
            SessionEvent::Offered { sdp } => self.answer_offer(Side::Callee, sdp.as_deref(), out),
            SessionEvent::HungUp { q850, reason, vanished } => {
                self.callee.progress = Progress::Over;
                if !matches!(self.state, State::Ending { .. } | State::Finished) {
                    self.record.q850_cause = q850;
                    self.record.reason = reason;
                    let disposition = self.disposition_of_hang_up(now.instant);
                    self.end(now, disposition, if vanished { EndedBy::Us } else { EndedBy::Callee }, out);
                } else {
                    self.finish_when_quiet(out);
                }
            }
            SessionEvent::Ended => {
                self.callee.progress = Progress::Over;
                self.finish_when_quiet(out);
            }
            SessionEvent::Info { content_type, body } => {
                self.handle_info(now, Side::Callee, &content_type, &body, out);
            }
            SessionEvent::OfferAnswered { status, sdp } => {
                self.handle_offer_answered(Side::Callee, status, sdp.as_deref(), out);
            }
            SessionEvent::Referred { to, replaces } => {
                self.handle_referred(Side::Callee, to, replaces, out);
            }
            SessionEvent::ReferProgress { status } => self.handle_refer_progress(now, status, out),
        }
    }

    fn handle_ringing(&mut self, now: Now, status: u16, sdp: Option<Vec<u8>>, out: &mut Vec<Action>) {
        let State::Calling { .. } = self.state else { return };
        self.rang |= status == 180 || sdp.is_some();
        if self.record.ringing_at.is_none() {
            self.record.ringing_at = Some(now.wall);
            out.push(Action::Journal(Step::Ringing { status }));
        }
        let Some(Ok(session)) = sdp.map(|sdp| self.callee.read_answer(&sdp)) else { return };
        let stream = self.callee.stream;
        out.push(Action::Media(Command::Connect { stream, session }));
        if self.record.early_media_at.is_none() {
            self.record.early_media_at = Some(now.wall);
            out.push(Action::Media(Command::DetectTones { stream }));
            out.push(Action::Journal(Step::EarlyMedia));
        }
    }

    /// The INVITE came to nothing.
    fn handle_failed(&mut self, now: Now, next: Next, status: u16, out: &mut Vec<Action>) {
        match (&self.state, next) {
            (State::Calling { .. }, Next::OtherTrunk(disposition)) => {
                self.record.disposition = disposition;
                let trunk = self.placement.trunk.clone();
                out.push(Action::Journal(Step::TrunkFailed { trunk, status }));
                out.push(Action::NextTrunk);
            }
            (State::Calling { .. }, Next::Final(disposition)) => {
                self.end(now, disposition, EndedBy::Callee, out);
            }
            (State::Ending { .. }, _) => self.finish_when_quiet(out),
            _ => {}
        }
    }

    /// Something happened on one of the streams.
    pub fn handle_media(&mut self, now: Now, event: &Event, out: &mut Vec<Action>) {
        let side = if event.stream == self.callee.stream { Side::Callee } else { Side::Agent };
        match &event.kind {
            EventKind::Opened { local } => self.handle_opened(now, side, *local, out),
            EventKind::OpenFailed { reason } => self.handle_open_failed(now, side, reason, out),
            EventKind::FirstSent if side == Side::Callee && self.is_answered() => {
                stamp(&mut self.record.first_media_at, now.wall_at(event.at));
            }
            EventKind::FirstReceived if side == Side::Callee => {
                self.heard = true;
                out.push(Action::Journal(Step::Heard));
            }
            // The agent is on hold, or has gone already.
            EventKind::MediaTimeout
                if side == Side::Agent && matches!(self.state, State::Transferring(_)) => {}
            EventKind::MediaTimeout => self.handle_media_timeout(now, out),
            EventKind::Finding { detect_started, finding } if side == Side::Callee => {
                self.handle_finding(now, *detect_started, *finding, out);
            }
            EventKind::Digit(digit) => {
                self.handle_press(now, side, *digit, Means::Media, out);
            }
            EventKind::Played(prompt) if side == Side::Callee => self.handle_played(now, *prompt, out),
            EventKind::Played(_) if self.is_whispering() => self.join(now, out),
            EventKind::RecordingFault(fault) => self.record.recording = format!("failed: {fault}"),
            EventKind::Closed(statistics) => self.handle_closed(side, statistics, out),
            EventKind::FirstSent
            | EventKind::FirstReceived
            | EventKind::Finding { .. }
            | EventKind::Played(_)
            | EventKind::Level(_) => {}
        }
    }

    fn handle_opened(&mut self, now: Now, side: Side, local: std::net::SocketAddr, out: &mut Vec<Action>) {
        match side {
            Side::Callee if matches!(self.state, State::Opening) => {
                self.callee.handle_opened(local);
                self.commit(now, out);
            }
            Side::Agent if self.agent.progress == Progress::Opening => {
                self.agent.handle_opened(local);
                if self.is_recording_paused() {
                    out.push(Action::Media(Command::Withhold { stream: self.agent.stream, on: true }));
                }
                out.push(Action::PlaceAgent);
            }
            Side::Callee | Side::Agent | Side::Target => {}
        }
    }

    fn handle_open_failed(&mut self, now: Now, side: Side, reason: &str, out: &mut Vec<Action>) {
        match side {
            Side::Callee => {
                self.callee.port_held = false;
                self.callee.progress = Progress::Over;
                self.record.reason = reason.to_owned();
                self.end(now, Disposition::Canceled, EndedBy::Us, out);
            }
            Side::Agent | Side::Target => {
                self.agent.port_held = false;
                self.agent.progress = Progress::Over;
                if matches!(self.state, State::AwaitingAgent { .. }) {
                    self.record.reason = format!("no port for the agent's leg: {reason}");
                    out.push(Action::Journal(Step::NoAgentPort { reason: reason.to_owned() }));
                }
                self.handle_no_agent(now, 0, out);
            }
        }
    }

    /// The deadline that it asked for has come, or may have.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.poll_timeout().is_none_or(|deadline| deadline > now.instant) {
            return;
        }
        let too_long = self.duration_deadline().is_some_and(|deadline| deadline <= now.instant);
        let whispering = self.is_whispering();
        match &mut self.state {
            State::Calling { .. } => self.end(now, Disposition::NoAnswer, EndedBy::Us, out),
            State::Ending { .. } => self.give_up_waiting(out),
            _ if too_long => {
                let disposition = self.disposition_of_hang_up(now.instant);
                self.end(now, disposition, EndedBy::Us, out);
            }
            State::Judging { .. } => self.handle_verdict_overdue(now, out),
            State::Dropping(voicemail) => {
                let advice = voicemail.handle_timeout(now.instant);
                self.follow(now, advice, out);
            }
            State::AwaitingAgent { .. } if whispering => self.join(now, out),
            State::AwaitingAgent { deadline, .. } if *deadline <= now.instant => {
                self.handle_no_agent(now, 0, out)
            }
            State::AwaitingAgent { .. } => self.handle_agent_missed(now, out),
            State::Transferring(_) => self.handle_transfer_timeout(now, out),
            State::Opening | State::Committing | State::Message(_) | State::Bridged | State::Finished => {}
        }
    }

    /// When [`Attempt::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let of_state = match &self.state {
            State::Calling { ring_deadline } => Some(*ring_deadline),
            State::Judging { fallback } => Some(*fallback),
            State::Dropping(voicemail) => voicemail.poll_timeout(),
            State::AwaitingAgent { deadline, turn_deadline } => {
                turn_deadline.iter().chain([deadline]).min().copied()
            }
            State::Transferring(transferring) => Some(transferring.deadline()),
            State::Ending { give_up } => return Some(*give_up),
            State::Opening | State::Committing | State::Message(_) | State::Bridged => None,
            State::Finished => return None,
        };
        [of_state, self.duration_deadline()].into_iter().flatten().min()
    }

    fn duration_deadline(&self) -> Option<Instant> {
        self.answered_at.map(|at| at + self.plan.duration_max)
    }
}

/// Keeps the first of several times.
fn stamp(field: &mut Option<WallTime>, at: WallTime) {
    field.get_or_insert(at);
}

#[cfg(test)]
mod tests;
