//! A transfer of the bridged call: the agent asks for it by REFER, and this attempt calls the new party, or hands the
//! whole call on to the callee's trunk by a REFER of its own.
//!
//! ```text
//!                     REFER of the agent
//!  Bridged ---------------------------------> Transferring
//!     ^  ^          declined: 603                 | | |
//!     |  +----- the new party does not answer ----+ | |
//!     |         (agent gone meanwhile: Ending)      | |
//!     +-------- it answers: agent released, --------+ |
//!               the new party takes its place         |
//!                                                     |
//!  Ending <---- the trunk has taken the call over ----+
//! ```
//!
//! The new party is rung from the agent's port: there the agent is put on hold first, and only one of them is heard.

use super::*;
use crate::call::transfer::Declined;

/// How long the new party may ring.
const RING_MAX: Duration = Duration::from_secs(30);

/// Where a transfer goes, once the engine has found that it may.
#[derive(Clone, PartialEq, Debug)]
pub enum Transfer {
    /// We call the new party through a trunk.
    Dial {
        /// Through which.
        placement: Placement,
        /// Whom.
        uri: String,
        /// The same for the call record: an extension's URI, or a number as `tel:` (RFC 3966), however the trunk dials it.
        whom: String,
        /// The call that this one takes the place of (RFC 3891).
        replaces: Option<String>,
    },
    /// The callee's trunk is asked to call it.
    HandOver {
        /// Whom.
        uri: String,
        /// The same for the call record.
        whom: String,
    },
}

/// A transfer under way.
#[derive(Clone, Debug)]
pub(super) struct Transferring {
    deadline: Instant,
    /// The new party's leg at the agent's port, and where it was placed; none when the trunk was asked.
    target: Option<(Leg, Placement)>,
    uri: String,
    whom: String,
    replaces: Option<String>,
}

impl Transferring {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Where the new party is called, when it is we who call it.
    pub(super) fn placement(&self) -> Option<&Placement> {
        self.target.as_ref().map(|(_, placement)| placement)
    }
}

impl Attempt {
    /// The URI of the new party of a transfer, and the call that it replaces.
    pub fn transfer_uri(&self) -> Option<(&str, Option<&str>)> {
        match &self.state {
            State::Transferring(transferring) => Some((&transferring.uri, transferring.replaces.as_deref())),
            _ => None,
        }
    }

    /// A REFER. Only the agent of a bridged call may ask for a transfer; the engine says whether it may be.
    pub(super) fn handle_referred(
        &mut self,
        side: Side,
        to: String,
        replaces: Option<String>,
        out: &mut Vec<Action>,
    ) {
        if side == Side::Agent && matches!(self.state, State::Bridged) {
            out.push(Action::PlaceTransfer { to, replaces });
        } else {
            out.push(Action::AnswerRefer { side, answer: Err(603) });
        }
    }

    /// Where the transfer goes, after [`Action::PlaceTransfer`], or why it may not be.
    pub fn handle_transfer(&mut self, now: Now, transfer: Result<Transfer, Declined>, out: &mut Vec<Action>) {
        let side = Side::Agent;
        let transfer = match transfer {
            Ok(transfer) if matches!(self.state, State::Bridged) => transfer,
            Ok(_) => return out.push(Action::AnswerRefer { side, answer: Err(603) }),
            Err(declined) => {
                out.push(Action::AnswerRefer { side, answer: Err(declined.status()) });
                return out.push(Action::Journal(Step::TransferDeclined(declined)));
            }
        };
        out.push(Action::AnswerRefer { side, answer: Ok(()) });
        out.push(Action::Journal(Step::Transferring));
        let deadline = now.instant + RING_MAX;
        match transfer {
            Transfer::Dial { placement, uri, whom, replaces } => {
                let mut target = self.agent.successor(self.plan.session_id.wrapping_add(2 + self.transfers));
                self.transfers += 1;
                let sdp = target.offer(&placement);
                target.progress = Progress::Calling;
                let call_id = placement.call_id.clone();
                let (callee, agent) = (self.callee.stream, self.agent.stream);
                out.push(Action::Media(Command::Unbridge { stream: agent }));
                if let Some(hold) = self.hold_prompt() {
                    out.push(Action::Media(Command::Play { stream: callee, prompt: hold, repeat: true }));
                }
                self.handle_hold(side, true, out);
                let target = Some((target, placement));
                let transferring = Transferring { deadline, target, uri, whom, replaces };
                self.state = State::Transferring(Box::new(transferring));
                out.push(Action::Invite { side: Side::Target, call_id, sdp });
            }
            Transfer::HandOver { uri, whom } => {
                out.push(Action::Refer { side: Side::Callee, to: uri.clone() });
                let transferring = Transferring { deadline, target: None, uri, whom, replaces: None };
                self.state = State::Transferring(Box::new(transferring));
            }
        }
    }

    /// Something happened to the new party's session.
    pub(super) fn handle_target(&mut self, now: Now, event: SessionEvent, out: &mut Vec<Action>) {
        if !self.transfer_is_ours() {
            return;
        }
        match event {
            SessionEvent::Provisional { status, .. } => {
                out.push(Action::ReportRefer { side: Side::Agent, status });
            }
            SessionEvent::Answered { sdp } => self.handle_target_answered(now, sdp, out),
            SessionEvent::Rejected { status, .. } => self.handle_transfer_failed(now, status, out),
            SessionEvent::NoResponse | SessionEvent::HungUp { .. } | SessionEvent::Ended => {
                self.handle_transfer_failed(now, 408, out);
            }
            SessionEvent::Referred { .. } => {
                out.push(Action::AnswerRefer { side: Side::Target, answer: Err(603) });
            }
            SessionEvent::Offered { sdp } => self.answer_target(sdp.as_deref(), out),
            SessionEvent::Trying
            | SessionEvent::OfferAnswered { .. }
            | SessionEvent::ReferProgress { .. }
            | SessionEvent::Info { .. } => {}
        }
    }

    /// It offers anew before it answers (UPDATE, RFC 3311 section 5.1); its media begin with its answer.
    fn answer_target(&mut self, offer: Option<&[u8]>, out: &mut Vec<Action>) {
        let State::Transferring(transferring) = &mut self.state else { return };
        let Some((target, _)) = &mut transferring.target else { return };
        let answer = target.answer(offer).map(|(answer, _)| answer).map_err(|_| 488);
        out.push(Action::AnswerOffer { side: Side::Target, answer });
    }

    fn handle_target_answered(&mut self, now: Now, sdp: Option<Vec<u8>>, out: &mut Vec<Action>) {
        let State::Transferring(transferring) = &self.state else { return };
        let Some((mut target, placement)) = transferring.target.clone() else { return };
        let whom = transferring.whom.clone();
        let Ok(session) = target.read_answer(&sdp.unwrap_or_default()) else {
            out.push(Action::HangUp { side: Side::Target, q850: 88 });
            return self.handle_transfer_failed(now, 488, out);
        };
        out.push(Action::ReportRefer { side: Side::Agent, status: 200 });
        if self.agent.progress == Progress::Answered {
            out.push(Action::HangUp { side: Side::Agent, q850: 16 });
        }
        out.push(Action::PromoteTarget);
        target.progress = Progress::Answered;
        target.port_held = self.agent.port_held;
        self.agent = target;
        self.agent_placement = Some(placement);
        self.record.agent = format!("{} {whom}", self.record.agent);
        let (a, b) = (self.callee.stream, self.agent.stream);
        out.push(Action::Media(Command::StopPlaying { stream: a }));
        out.push(Action::Media(Command::Connect { stream: b, session }));
        out.push(Action::Media(Command::Bridge { a, b }));
        out.push(Action::Journal(Step::Transferred));
        self.state = State::Bridged;
    }

    /// The transfer came to nothing: callee and agent are joined again, if the agent is still there.
    pub(super) fn handle_transfer_failed(&mut self, now: Now, status: u16, out: &mut Vec<Action>) {
        let State::Transferring(transferring) = &self.state else { return };
        let dialed = transferring.target.is_some();
        self.state = State::Bridged;
        out.push(Action::ReportRefer { side: Side::Agent, status: status.max(300) });
        out.push(Action::Journal(Step::TransferFailed { status }));
        if self.agent.progress != Progress::Answered {
            return self.end(now, Disposition::Bridged, EndedBy::Agent, out);
        }
        if dialed {
            self.handle_hold(Side::Agent, false, out);
            let (a, b) = (self.callee.stream, self.agent.stream);
            out.push(Action::Media(Command::StopPlaying { stream: a }));
            out.push(Action::Media(Command::Bridge { a, b }));
        }
    }

    /// The new party has rung for long enough.
    pub(super) fn handle_transfer_timeout(&mut self, now: Now, out: &mut Vec<Action>) {
        self.release_target(out);
        self.handle_transfer_failed(now, 408, out);
    }

    /// The new party must not be rung any longer.
    pub fn handle_transfer_withdrawn(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.transfer_is_ours() {
            self.release_target(out);
            self.handle_transfer_failed(now, 603, out);
        }
    }

    /// A new party is rung by us.
    fn transfer_is_ours(&self) -> bool {
        matches!(&self.state, State::Transferring(transferring) if transferring.target.is_some())
    }

    /// How the REFER goes on by which the callee's trunk was asked.
    pub(super) fn handle_refer_progress(&mut self, now: Now, status: u16, out: &mut Vec<Action>) {
        let State::Transferring(transferring) = &self.state else { return };
        if transferring.target.is_some() {
            return;
        }
        let whom = transferring.whom.clone();
        match status {
            ..200 => out.push(Action::ReportRefer { side: Side::Agent, status }),
            200..300 => {
                self.record.agent = format!("{} {whom}", self.record.agent);
                out.push(Action::ReportRefer { side: Side::Agent, status: 200 });
                out.push(Action::Journal(Step::Transferred));
                self.end(now, Disposition::Bridged, EndedBy::Us, out);
            }
            status => self.handle_transfer_failed(now, status, out),
        }
    }

    /// Hangs the new party's leg up, if there is one.
    pub(super) fn release_target(&mut self, out: &mut Vec<Action>) {
        if self.transfer_is_ours() {
            out.push(Action::HangUp { side: Side::Target, q850: 16 });
        }
    }

    fn hold_prompt(&self) -> Option<crate::media::command::PromptId> {
        match &self.plan.treatment.human {
            Human::Agent(agent) => agent.hold,
            Human::Message { .. } | Human::HangUp => None,
        }
    }
}
