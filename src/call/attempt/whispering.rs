//! Between the agent's answer and the bridge: the agent alone hears which campaign is calling, then both are joined at once.
//!
//! The callee goes on hearing hold audio. A whisper never costs a person: it is cut short where the callee would otherwise
//! have waited for longer than the law allows, or past the time in which an agent must be on the line.

use super::*;
use crate::disposition::ABANDONED_AFTER;
use crate::media::command::PromptId;

impl Attempt {
    /// Whether an agent has answered and is not joined with the callee yet.
    pub(super) fn is_whispering(&self) -> bool {
        matches!(self.state, State::AwaitingAgent { .. }) && self.agent.progress == Progress::Answered
    }

    pub(super) fn whisper_prompt(&self) -> Option<PromptId> {
        match &self.plan.treatment.human {
            Human::Agent(agent) => agent.whisper,
            Human::Message { .. } | Human::HangUp => None,
        }
    }

    /// The agent has answered, and hears this before both are joined.
    pub(super) fn whisper(&mut self, now: Now, prompt: PromptId, out: &mut Vec<Action>) {
        // Who has waited for longer already is not helped by a shorter whisper.
        let too_late = self.waits_since().map(|since| since + ABANDONED_AFTER).filter(|at| *at > now.instant);
        let State::AwaitingAgent { turn_deadline, .. } = &mut self.state else { return };
        *turn_deadline = too_late;
        out.push(Action::Media(Command::Play { stream: self.agent.stream, prompt, repeat: false }));
        out.push(Action::Journal(Step::Whispering));
    }

    /// Joins callee and agent.
    pub(super) fn join(&mut self, now: Now, out: &mut Vec<Action>) {
        let (a, b) = (self.callee.stream, self.agent.stream);
        // From here on the callee converses, which no detector of greetings understands.
        out.push(Action::Media(Command::StopDetecting { stream: a }));
        out.push(Action::Media(Command::Bridge { a, b }));
        self.record.bridged_at = Some(now.wall);
        self.state = State::Bridged;
        out.push(Action::Journal(Step::Bridged));
    }

    /// An agent has left during the whisper, and another one is to be rung from the same port: nothing more is sent to the
    /// first one.
    pub(super) fn forget_agents_media(&mut self, out: &mut Vec<Action>) {
        let stream = self.agent.stream;
        if let Some(session) = self.agent.forsake() {
            out.push(Action::Media(Command::StopPlaying { stream }));
            out.push(Action::Media(Command::Connect { stream, session }));
        }
    }
}
