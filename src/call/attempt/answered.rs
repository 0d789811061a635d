//! After the 200: the verdict and what is done with whoever answered.

use super::*;
use crate::amd::verdict::{Cause, Class, Finding, Verdict};
use crate::audio::g711::Law;
use crate::call::treatment::{AgentDial, Machine};
use crate::call::voicemail::Advice;
use crate::disposition::ABANDONED_AFTER;
use crate::media::command::{Coding, PromptId};
use crate::sdp::Codec;

/// A beep that ended no longer ago than this when the machine was recognised is the one to speak after.
const BEEP_FRESH: Duration = Duration::from_millis(1_500);

impl Attempt {
    pub(super) fn handle_answered(&mut self, now: Now, sdp: Option<Vec<u8>>, out: &mut Vec<Action>) {
        stamp(&mut self.record.answered_at, now.wall);
        self.record.sip_status = 200;
        let State::Calling { .. } = self.state else {
            // It crossed our CANCEL: the session has been ended already, and somebody had picked up.
            if matches!(self.state, State::Ending { .. }) {
                self.record.disposition = Disposition::Abandoned;
                self.callee.progress = Progress::Over;
                self.finish_when_quiet(out);
            }
            return;
        };
        self.callee.progress = Progress::Answered;
        self.answered_at = Some(now.instant);
        out.push(Action::Journal(Step::Answered));
        let session = match self.callee.read_answer(&sdp.unwrap_or_default()) {
            Ok(session) => session,
            Err(fault) => {
                self.record.reason = fault.to_string();
                return self.end(now, Disposition::MediaMismatch, EndedBy::Us, out);
            }
        };
        self.record.codec = codec_name(session.coding).to_owned();
        self.state = State::Judging { fallback: now.instant + self.plan.verdict_within };
        let stream = self.callee.stream;
        out.push(Action::Media(Command::Connect { stream, session }));
        out.push(Action::Media(Command::Detect { stream }));
        if self.plan.watch {
            out.push(Action::Media(Command::Watch { stream }));
        }
        if let Some(path) = &self.plan.recording {
            self.record.recording = path.to_string_lossy().into_owned();
            out.push(Action::Media(Command::Record { stream, path: path.clone() }));
        }
        if self.plan.guaranteed {
            self.treat_human(now, out);
        }
    }

    pub(super) fn handle_finding(
        &mut self,
        now: Now,
        detect_started: Instant,
        finding: Finding,
        out: &mut Vec<Action>,
    ) {
        match finding {
            Finding::SpeechStart { .. } => {
                self.quiet_since = None;
                if let State::Dropping(voicemail) = &mut self.state {
                    voicemail.handle_speech();
                }
            }
            Finding::GreetingEnd { at } => self.handle_greeting_end(now, detect_started + at, out),
            Finding::Tone(tone) => self.handle_tone(now, tone.kind, out),
            // What it means comes as a verdict or a revision.
            Finding::BeepProbable { .. } | Finding::Prompt { .. } => {}
            Finding::Beep(beep) => {
                let ended = detect_started + beep.end;
                self.record.beep_at = Some(now.wall_at(ended));
                self.beep_ended = Some(ended);
                self.record.beep_started_at = Some(now.wall_at(detect_started + beep.start));
                let reported_after = beep.reported_at.saturating_sub(beep.start);
                out.push(Action::Journal(Step::Beep { frequency_hz: beep.frequency_hz, reported_after }));
                if let State::Dropping(voicemail) = &mut self.state {
                    let advice = voicemail.handle_beep();
                    self.follow(now, advice, out);
                }
            }
            Finding::Verdict(verdict) => self.handle_verdict(now, detect_started, verdict, out),
            Finding::Revised(verdict) => self.handle_revised(now, detect_started, verdict, out),
        }
    }

    fn handle_greeting_end(&mut self, now: Now, ended: Instant, out: &mut Vec<Action>) {
        self.quiet_since = Some(ended);
        match &mut self.state {
            State::Judging { .. } => self.mark_greeting_end(now, ended, out),
            State::Dropping(voicemail) => {
                let advice = voicemail.handle_quiet(now.instant, ended);
                if self.record.drop_started_at.is_none() {
                    self.mark_greeting_end(now, ended, out);
                }
                self.follow(now, advice, out);
            }
            _ if self.greeting_ended.is_none() => self.mark_greeting_end(now, ended, out),
            _ => {}
        }
    }

    fn mark_greeting_end(&mut self, now: Now, ended: Instant, out: &mut Vec<Action>) {
        self.greeting_ended = Some(ended);
        self.record.greeting_end_at = Some(now.wall_at(ended));
        out.push(Action::Journal(Step::GreetingEnded));
    }

    fn handle_tone(&mut self, now: Now, kind: crate::amd::verdict::ToneKind, out: &mut Vec<Action>) {
        out.push(Action::Journal(Step::Tone(kind.as_str())));
        if let (State::Calling { .. }, Some(disposition)) = (&self.state, outcome::of_tone(kind)) {
            // The network has said in audio what its signalling keeps to itself: waiting on would only hold a channel.
            self.record.verdict = Class::Tone.as_str().to_owned();
            self.record.verdict_cause = kind.to_string();
            self.end(now, disposition, EndedBy::Callee, out);
        }
    }

    fn handle_verdict(&mut self, now: Now, started: Instant, verdict: Verdict, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Judging { .. }) {
            return;
        }
        self.write_verdict(now, started, verdict, out);
        match verdict.class {
            // Not one packet has come: whatever is done when in doubt, here is nobody for an agent to speak with.
            Class::Unsure if !self.heard => self.end(now, Disposition::NoMedia, EndedBy::Us, out),
            _ => self.treat(now, verdict, out),
        }
    }

    fn write_verdict(&mut self, now: Now, started: Instant, verdict: Verdict, out: &mut Vec<Action>) {
        self.record.verdict = verdict.class.as_str().to_owned();
        self.record.verdict_cause = verdict.cause.to_string();
        // The detector counts whole frames, and hears the first of them at its start: it may be a frame ahead of us.
        self.record.verdict_at = Some(now.wall_at((started + verdict.at).min(now.instant)));
        out.push(Action::Journal(Step::Judged(verdict)));
    }

    /// The detector has not spoken in time: a stalled worker must not leave a person in silence.
    pub(super) fn handle_verdict_overdue(&mut self, now: Now, out: &mut Vec<Action>) {
        let verdict = Verdict {
            class: Class::Unsure,
            cause: Cause::Deadline(self.plan.verdict_within),
            at: self.plan.verdict_within,
        };
        let started = self.answered_at.unwrap_or(now.instant);
        // A worker that is silent about its verdict is silent about packets too: that none was told of proves nothing.
        self.write_verdict(now, started, verdict, out);
        self.treat(now, verdict, out);
    }

    fn treat(&mut self, now: Now, verdict: Verdict, out: &mut Vec<Action>) {
        match verdict.class {
            Class::Human => self.treat_human(now, out),
            Class::Unsure if self.plan.treatment.unsure_is_human => self.treat_human(now, out),
            Class::Machine => self.treat_machine(now, out),
            Class::Unsure => self.end(now, Disposition::Unsure, EndedBy::Us, out),
            Class::Fax => self.end(now, Disposition::Fax, EndedBy::Us, out),
            // Nobody to speak with, and no mailbox: as good as a machine that takes no message.
            Class::Ivr => self.end(now, Disposition::Machine, EndedBy::Us, out),
            Class::Screening => self.end(now, Disposition::Screening, EndedBy::Us, out),
            Class::Music => self.end(now, Disposition::Tone, EndedBy::Us, out),
            Class::Tone => {
                let named = match verdict.cause {
                    Cause::Tone(kind) => outcome::of_tone(kind),
                    _ => None,
                };
                self.end(now, named.unwrap_or(Disposition::Tone), EndedBy::Us, out);
            }
            Class::Silence if self.heard => self.end(now, Disposition::Silence, EndedBy::Us, out),
            Class::Silence => self.end(now, Disposition::NoMedia, EndedBy::Us, out),
        }
    }

    fn treat_human(&mut self, now: Now, out: &mut Vec<Action>) {
        let treatment = Arc::clone(&self.plan.treatment);
        match &treatment.human {
            Human::HangUp => self.end(now, Disposition::HungUpEarly, EndedBy::Us, out),
            Human::Message { message } => {
                self.state = State::Message(Message::Campaign);
                self.play(*message, false, out);
                out.push(Action::Journal(Step::MessageStarted));
            }
            Human::Agent(agent) => {
                let deadline = now.instant + agent.timeout;
                self.state = State::AwaitingAgent { deadline, turn_deadline: None };
                self.wanted_at.get_or_insert(now.instant);
                out.push(Action::Journal(Step::WantsAgent));
                self.record.agent = agent.uri().unwrap_or_default().to_owned();
                if let Some(hold) = agent.hold {
                    self.play(hold, true, out);
                }
                self.agent.progress = Progress::Opening;
                self.agent.port_held = true;
                let (stream, partner) = (self.agent.stream, Some(self.callee.stream));
                out.push(Action::Media(Command::Open { stream, partner }));
            }
        }
    }

    fn treat_machine(&mut self, now: Now, out: &mut Vec<Action>) {
        let Machine::Voicemail(drop) = self.plan.treatment.machine else {
            return self.end(now, Disposition::Machine, EndedBy::Us, out);
        };
        let beeped = self.beep_ended.is_some_and(|ended| now.instant - ended <= BEEP_FRESH);
        let (voicemail, advice) = Voicemail::new(now.instant, drop, self.quiet_since, beeped);
        self.state = State::Dropping(voicemail);
        self.follow(now, advice, out);
    }

    pub(super) fn follow(&mut self, now: Now, advice: Advice, out: &mut Vec<Action>) {
        let State::Dropping(voicemail) = &self.state else { return };
        if advice == Advice::Start {
            let message = voicemail.drop().message;
            self.record.drop_started_at = Some(now.wall);
            self.play(message, false, out);
            out.push(Action::Journal(Step::MessageStarted));
        }
    }

    fn handle_revised(&mut self, now: Now, started: Instant, verdict: Verdict, out: &mut Vec<Action>) {
        if matches!(self.state, State::Ending { .. } | State::Finished) {
            return;
        }
        self.record.revised_verdict = verdict.class.as_str().to_owned();
        self.record.revised_cause = verdict.cause.to_string();
        self.record.revised_at = Some(now.wall_at((started + verdict.at).min(now.instant)));
        out.push(Action::Journal(Step::Revised(verdict)));
        let turned_over = match self.state {
            State::AwaitingAgent { .. } => !self.plan.guaranteed,
            State::Message(Message::Campaign) => true,
            // A message into an assistant or a phone tree is on no tape.
            State::Dropping(_) => verdict.class != Class::Machine,
            // An agent on the line hears who is there and decides; the record and the journal tell what was heard here.
            _ => false,
        };
        if turned_over {
            self.release_agent(out);
            out.push(Action::Media(Command::StopPlaying { stream: self.callee.stream }));
            self.treat(now, verdict, out);
        }
    }

    /// Who is to be rung, after [`Action::PlaceAgent`], or when somebody has become free.
    pub fn handle_seat(&mut self, now: Now, seat: Seat, out: &mut Vec<Action>) {
        let State::AwaitingAgent { turn_deadline, .. } = &mut self.state else { return };
        if self.agent.progress != Progress::Open {
            return;
        }
        let (uri, placement) = match seat {
            Seat::Nobody => return self.handle_no_agent(now, 503, out),
            Seat::Later => return,
            Seat::Agent { uri, placement, ring_timeout } => {
                *turn_deadline = ring_timeout.map(|limit| now.instant + limit);
                (uri, placement)
            }
        };
        self.agent.progress = Progress::Calling;
        self.record.agent_dialed_at.get_or_insert(now.wall);
        self.record.agent.clone_from(&uri);
        self.agent_uri = Some(uri);
        let sdp = self.agent.offer(&placement);
        let call_id = placement.call_id.clone();
        self.agent_placement = Some(placement);
        out.push(Action::Invite { side: Side::Agent, call_id, sdp });
        out.push(Action::Journal(Step::AgentDialing));
    }

    /// The agent's phone has rung for long enough: somebody else is asked for.
    pub(super) fn handle_agent_missed(&mut self, now: Now, out: &mut Vec<Action>) {
        out.push(Action::HangUp { side: Side::Agent, q850: 19 });
        self.handle_agent_failed(now, 0, out);
    }

    /// The agent's leg came to nothing. Where there are others, one of them is asked for while the caller waits.
    fn handle_agent_failed(&mut self, now: Now, status: u16, out: &mut Vec<Action>) {
        match (&mut self.state, &self.plan.treatment.human) {
            (
                State::AwaitingAgent { turn_deadline, .. },
                Human::Agent(AgentDial { whom: Whom::Agents { .. }, .. }),
            ) => {
                *turn_deadline = None;
                self.agent.progress = Progress::Open;
                self.forget_agents_media(out);
                out.push(Action::Journal(Step::AgentFailed { status }));
                out.push(Action::PlaceAgent);
            }
            _ => self.handle_no_agent(now, status, out),
        }
    }

    /// Whether an agent who comes now comes too late: more than two seconds after the greeting's end, or after the wish
    /// for an agent where no end was heard (16 CFR 310.4(b)(4)(i)).
    pub fn is_too_late(&self, now: Instant) -> bool {
        self.waits_since().is_some_and(|since| now - since > ABANDONED_AFTER)
    }

    /// Since when the callee has waited for an agent, as the law counts it.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.greeting_ended.or(self.wanted_at)
    }

    pub(super) fn handle_agent(&mut self, now: Now, event: SessionEvent, out: &mut Vec<Action>) {
        match event {
            SessionEvent::Answered { sdp } => self.handle_agent_answered(now, sdp, out),
            SessionEvent::Rejected { status, .. } => self.handle_agent_gone(now, status, out),
            SessionEvent::NoResponse | SessionEvent::Ended => self.handle_agent_gone(now, 0, out),
            SessionEvent::HungUp { vanished, .. } => {
                self.agent.progress = Progress::Over;
                let by = if vanished { EndedBy::Us } else { EndedBy::Agent };
                match self.state {
                    State::Bridged => self.end(now, Disposition::Bridged, by, out),
                    _ => self.handle_agent_gone(now, 0, out),
                }
            }
            SessionEvent::Offered { sdp } => self.answer_offer(Side::Agent, sdp.as_deref(), out),
            SessionEvent::Info { content_type, body } => {
                self.handle_info(now, Side::Agent, &content_type, &body, out);
            }
            SessionEvent::OfferAnswered { status, sdp } => {
                self.handle_offer_answered(Side::Agent, status, sdp.as_deref(), out);
            }
            SessionEvent::Referred { to, replaces } => self.handle_referred(Side::Agent, to, replaces, out),
            SessionEvent::Trying | SessionEvent::Provisional { .. } | SessionEvent::ReferProgress { .. } => {}
        }
    }

    fn handle_agent_gone(&mut self, now: Now, status: u16, out: &mut Vec<Action>) {
        self.agent.progress = Progress::Over;
        match self.state {
            State::AwaitingAgent { .. } => self.handle_agent_failed(now, status, out),
            State::Ending { .. } => self.finish_when_quiet(out),
            _ => {}
        }
    }

    fn handle_agent_answered(&mut self, now: Now, sdp: Option<Vec<u8>>, out: &mut Vec<Action>) {
        if !matches!(self.state, State::AwaitingAgent { .. }) {
            return;
        }
        self.agent.progress = Progress::Answered;
        self.record.agent_answered_at = Some(now.wall);
        out.push(Action::Journal(Step::AgentAnswered));
        let Ok(session) = self.agent.read_answer(&sdp.unwrap_or_default()) else {
            out.push(Action::HangUp { side: Side::Agent, q850: 88 });
            self.agent.progress = Progress::Over;
            return self.handle_agent_failed(now, 488, out);
        };
        out.push(Action::Media(Command::Connect { stream: self.agent.stream, session }));
        match self.whisper_prompt() {
            Some(prompt) => self.whisper(now, prompt, out),
            None => self.join(now, out),
        }
    }

    /// No agent is on the line in time: the safe-harbour message, and the call counts as abandoned.
    pub(super) fn handle_no_agent(&mut self, now: Now, status: u16, out: &mut Vec<Action>) {
        if !matches!(self.state, State::AwaitingAgent { .. }) {
            return;
        }
        // Whom nobody has rung has not failed to answer.
        if status != 0 || self.record.agent_dialed_at.is_some() && self.agent.progress != Progress::Open {
            out.push(Action::Journal(Step::AgentFailed { status }));
        }
        out.push(Action::Journal(Step::NoAgent));
        self.release_agent(out);
        match self.plan.treatment.safe_harbour {
            Some(message) => {
                self.state = State::Message(Message::SafeHarbour);
                self.play(message, false, out);
                out.push(Action::Journal(Step::MessageStarted));
            }
            None => self.end(now, Disposition::Abandoned, EndedBy::Us, out),
        }
    }

    pub(super) fn handle_played(&mut self, now: Now, prompt: PromptId, out: &mut Vec<Action>) {
        let treatment = &self.plan.treatment;
        let disposition = match &self.state {
            // What ended may be a message to the person that the machine was first taken for: it is on no tape.
            State::Dropping(voicemail)
                if prompt == voicemail.drop().message && self.record.drop_started_at.is_some() =>
            {
                self.record.drop_ended_at = Some(now.wall);
                Disposition::VoicemailLeft
            }
            State::Message(Message::Campaign) => Disposition::MessagePlayed,
            State::Message(Message::SafeHarbour) if treatment.safe_harbour == Some(prompt) => {
                Disposition::Abandoned
            }
            _ => return,
        };
        out.push(Action::Journal(Step::MessagePlayed));
        self.end(now, disposition, EndedBy::Us, out);
    }

    pub(super) fn handle_media_timeout(&mut self, now: Now, out: &mut Vec<Action>) {
        let disposition = match self.state {
            State::Judging { .. } => Disposition::NoMedia,
            State::Dropping(_)
            | State::Message(_)
            | State::AwaitingAgent { .. }
            | State::Bridged
            | State::Transferring(_) => self.disposition_of_hang_up(now.instant),
            _ => return,
        };
        self.record.reason = "no media".to_owned();
        self.end_without_media(now, disposition, out);
    }

    /// What the attempt has come to if the call ends at this moment.
    pub(super) fn disposition_of_hang_up(&self, now: Instant) -> Disposition {
        match self.state {
            State::Judging { .. } | State::Message(Message::Campaign) => Disposition::HungUpEarly,
            State::Dropping(_) => Disposition::Machine,
            State::Message(Message::SafeHarbour) => Disposition::Abandoned,
            State::AwaitingAgent { .. } => {
                let waited = self.greeting_ended.map_or(Duration::ZERO, |ended| now - ended);
                if waited > ABANDONED_AFTER { Disposition::Abandoned } else { Disposition::HungUpEarly }
            }
            State::Bridged | State::Transferring(_) => Disposition::Bridged,
            State::Opening
            | State::Committing
            | State::Calling { .. }
            | State::Ending { .. }
            | State::Finished => Disposition::Canceled,
        }
    }

    fn play(&self, prompt: PromptId, repeat: bool, out: &mut Vec<Action>) {
        out.push(Action::Media(Command::Play { stream: self.callee.stream, prompt, repeat }));
    }
}

fn codec_name(coding: Coding) -> &'static str {
    let codec = match coding {
        Coding::G711(Law::Mu) => Codec::Pcmu,
        Coding::G711(Law::A) => Codec::Pcma,
        Coding::G722 => Codec::G722,
    };
    codec.name()
}
