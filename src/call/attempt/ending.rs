//! The end: sessions hung up, streams closed, and one record when all is quiet.

use super::*;
use crate::media::command::Statistics;

/// How long the end waits for the last words of SIP and media: 64*T1 (RFC 3261, 17.1.1.2) and a margin. What has not come
/// by then will not come.
const QUIET_WITHIN: Duration = Duration::from_secs(40);

impl Attempt {
    /// The operator or shutdown wants no new calls: ends the attempt unless it was answered.
    pub fn handle_cancel(&mut self, now: Now, out: &mut Vec<Action>) {
        if !self.is_answered() && !matches!(self.state, State::Ending { .. } | State::Finished) {
            self.end(now, Disposition::Canceled, EndedBy::Us, out);
        }
    }

    /// Shutdown: ends the attempt unless it was answered, but not before the phone has rung for the least time that the
    /// law wants it to (16 CFR 310.4(b)(4)(ii): fifteen seconds or four rings).
    pub fn handle_drain(&mut self, now: Now, out: &mut Vec<Action>) {
        if let State::Calling { ring_deadline } = &mut self.state {
            let rung = self.plan.ring_timeout.saturating_sub(*ring_deadline - now.instant);
            let still = self.plan.ring_min.saturating_sub(rung);
            if !still.is_zero() {
                *ring_deadline = (*ring_deadline).min(now.instant + still);
                return;
            }
        }
        self.handle_cancel(now, out);
    }

    /// Ends the attempt at once, answered or not.
    pub fn handle_kill(&mut self, now: Now, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Ending { .. } | State::Finished) {
            let disposition = self.disposition_of_hang_up(now.instant);
            self.end(now, disposition, EndedBy::Us, out);
        }
    }

    pub(super) fn end(&mut self, now: Now, disposition: Disposition, by: EndedBy, out: &mut Vec<Action>) {
        self.end_for(now, disposition, by, cause_of(disposition), out);
    }

    /// The media have stopped: the end, and both legs are told why.
    pub(super) fn end_without_media(&mut self, now: Now, disposition: Disposition, out: &mut Vec<Action>) {
        if matches!(self.agent.progress, Progress::Answered) {
            out.push(Action::HangUp { side: Side::Agent, q850: RECOVERY_ON_TIMER });
            self.agent.progress = Progress::Over;
        }
        self.end_for(now, disposition, EndedBy::Us, RECOVERY_ON_TIMER, out);
    }

    fn end_for(&mut self, now: Now, disposition: Disposition, by: EndedBy, q850: u16, out: &mut Vec<Action>) {
        let committing = matches!(self.state, State::Committing);
        self.release_target(out);
        self.tell_gap(now, out);
        self.record.disposition = disposition;
        self.record.ended_by = by;
        self.record.ended_at = now.wall;
        self.state = State::Ending { give_up: now.instant + QUIET_WITHIN };
        match self.callee.progress {
            Progress::Calling => out.push(Action::HangUp { side: Side::Callee, q850 }),
            Progress::Answered => {
                // The BYE is the end for us: channel and contact need not wait for its answer.
                self.callee.progress = Progress::Over;
                out.push(Action::HangUp { side: Side::Callee, q850 });
            }
            // The store's answer is still to come; it decides whether the attempt counts.
            Progress::Open if committing => {}
            Progress::Idle | Progress::Opening | Progress::Open => self.callee.progress = Progress::Over,
            Progress::Over => {}
        }
        self.release_agent(out);
        if self.callee.port_held {
            out.push(Action::Media(Command::Close { stream: self.callee.stream }));
        }
        self.finish_when_quiet(out);
    }

    /// Hangs the agent's leg up and closes its stream, if there is one.
    pub(super) fn release_agent(&mut self, out: &mut Vec<Action>) {
        if matches!(self.agent.progress, Progress::Calling | Progress::Answered) {
            out.push(Action::HangUp { side: Side::Agent, q850: 16 });
        }
        if self.agent.progress != Progress::Idle {
            self.agent.progress = Progress::Over;
            if self.agent.port_held && !std::mem::replace(&mut self.agent.closing, true) {
                out.push(Action::Media(Command::Close { stream: self.agent.stream }));
            }
        }
    }

    pub(super) fn handle_closed(&mut self, side: Side, statistics: &Statistics, out: &mut Vec<Action>) {
        match side {
            Side::Callee => {
                self.callee.port_held = false;
                self.record.packets_sent = statistics.packets_sent;
                self.record.packets_received = statistics.packets_received;
                self.record.packets_lost = statistics.packets_lost;
                self.record.jitter_ms = statistics.jitter.as_secs_f64() * 1_000.0;
                self.record.round_trip_ms = statistics.round_trip.map(|d| d.as_secs_f64() * 1_000.0);
            }
            Side::Agent | Side::Target => self.agent.port_held = false,
        }
        self.finish_when_quiet(out);
    }

    /// The store will not commit what the end left waiting: nothing was dialed.
    pub(super) fn give_up_waiting(&mut self, out: &mut Vec<Action>) {
        self.callee.progress = Progress::Over;
        self.callee.port_held = false;
        self.agent.port_held = false;
        self.finish_when_quiet(out);
    }

    /// The record is complete when no port is held and the callee's session has said its last word.
    pub(super) fn finish_when_quiet(&mut self, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Ending { .. }) {
            return;
        }
        if self.callee.port_held || self.agent.port_held || self.callee.progress != Progress::Over {
            return;
        }
        self.state = State::Finished;
        if self.dialed {
            out.push(Action::Journal(Step::Ended {
                disposition: self.record.disposition,
                by: self.record.ended_by,
                status: self.record.sip_status,
            }));
            out.push(Action::Finished(Box::new(self.record.clone())));
        } else {
            let reason = &self.record.reason;
            let reason = if reason.is_empty() { "canceled before its INVITE left" } else { reason };
            out.push(Action::NotDialed { reason: reason.to_owned() });
        }
    }
}

/// The record of an attempt whose end nobody saw, because the engine died with it.
pub fn interrupted(first: &InviteRecord, last: &InviteRecord, now: WallTime) -> CallRecord {
    CallRecord {
        dialed_at: first.at,
        trunk: last.trunk.clone(),
        call_id: last.call_id.clone(),
        disposition: Disposition::Interrupted,
        ended_by: EndedBy::Unknown,
        reason: "the engine stopped while the attempt was in flight".to_owned(),
        ..blank_record(last, now)
    }
}

/// A record in which nothing has happened yet.
pub(super) fn blank_record(invite: &InviteRecord, at: WallTime) -> CallRecord {
    CallRecord {
        attempt: invite.attempt,
        contact: invite.contact,
        campaign: invite.campaign.clone(),
        number: invite.number.clone(),
        caller_id: invite.caller_id.clone(),
        trunk: invite.trunk.clone(),
        call_id: invite.call_id.clone(),
        disposition: Disposition::Canceled,
        dialed_at: at,
        trying_at: None,
        ringing_at: None,
        early_media_at: None,
        answered_at: None,
        first_media_at: None,
        greeting_end_at: None,
        verdict_at: None,
        beep_at: None,
        drop_started_at: None,
        drop_ended_at: None,
        agent_dialed_at: None,
        agent_answered_at: None,
        bridged_at: None,
        ended_at: at,
        ended_by: EndedBy::Us,
        sip_status: 0,
        q850_cause: None,
        reason: String::new(),
        verdict: String::new(),
        verdict_cause: String::new(),
        revised_verdict: String::new(),
        revised_at: None,
        revised_cause: String::new(),
        beep_started_at: None,
        codec: String::new(),
        packets_sent: 0,
        packets_received: 0,
        packets_lost: 0,
        jitter_ms: 0.0,
        round_trip_ms: None,
        recording: String::new(),
        agent: String::new(),
        digits: String::new(),
    }
}

/// The Q.850 cause of an end that a timer has brought.
const RECOVERY_ON_TIMER: u16 = 102;

/// The Q.850 cause that our CANCEL or BYE gives: 19 no answer, 102 recovery on timer, 16 normal clearing.
fn cause_of(disposition: Disposition) -> u16 {
    match disposition {
        Disposition::NoAnswer => 19,
        Disposition::NoMedia => RECOVERY_ON_TIMER,
        Disposition::MediaMismatch => 88,
        _ => 16,
    }
}
