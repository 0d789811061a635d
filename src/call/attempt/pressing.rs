//! Keys that callee and agent press: what they mean here, and how the other party hears of them.

use super::*;
use crate::call::keys;
use crate::record::CallLabel;

impl Attempt {
    /// An INFO may hold a key. The media plane has not seen it, so that it is for us to carry it across a bridge.
    pub(super) fn handle_info(
        &mut self,
        now: Now,
        side: Side,
        content_type: &str,
        body: &[u8],
        out: &mut Vec<Action>,
    ) {
        let Some(digit) = keys::of_info(content_type, body) else { return };
        self.handle_press(now, side, digit, Means::Info, out);
    }

    /// A key was pressed; what is known by other means already says nothing new.
    pub(super) fn handle_press(
        &mut self,
        now: Now,
        side: Side,
        digit: char,
        means: Means,
        out: &mut Vec<Action>,
    ) {
        if !self.presses[side as usize].is_new(now.instant, digit, means) {
            return;
        }
        match side {
            Side::Callee => self.handle_digit(now, digit, out),
            Side::Agent => self.handle_agents_digit(now, digit, out),
            Side::Target => {}
        }
        self.carry(side, digit, means, out);
    }

    /// A key that one party of a bridge presses is pressed for the other. What came in the media is carried there already,
    /// unless the other hears of keys by INFO; the media plane knows a press again that it is told of here as well.
    fn carry(&self, side: Side, digit: char, means: Means, out: &mut Vec<Action>) {
        let (side, leg) = match side {
            Side::Callee => (Side::Agent, &self.agent),
            Side::Agent => (Side::Callee, &self.callee),
            // Nobody is joined with it yet.
            Side::Target => return,
        };
        match (leg.has_keys_by_info(), means) {
            _ if !matches!(self.state, State::Bridged) => {}
            (true, _) => out.push(Action::SendInfo { side, digit }),
            (false, Means::Info) => {
                let (stream, digits) = (leg.stream, digit.to_string());
                out.push(Action::Media(Command::SendDigits { stream, digits }));
            }
            (false, Means::Media) => {}
        }
    }

    fn handle_digit(&mut self, now: Now, digit: char, out: &mut Vec<Action>) {
        // The number of a card is kept nowhere.
        if !self.is_recording_paused() {
            if self.record.digits.len() < DIGITS_MAX {
                self.record.digits.push(digit);
            }
            out.push(Action::Journal(Step::Digit(digit)));
        }
        let listens = matches!(self.state, State::Message(_) | State::AwaitingAgent { .. });
        if listens && self.plan.treatment.opt_out == Some(digit) {
            out.push(Action::OptOut);
            out.push(Action::Journal(Step::OptedOut));
            self.end(now, Disposition::OptedOut, EndedBy::Us, out);
        }
    }

    /// The agent hears who it is, and may say so with a key.
    fn handle_agents_digit(&mut self, now: Now, digit: char, out: &mut Vec<Action>) {
        if self.plan.treatment.pause_key == Some(digit) && matches!(self.state, State::Bridged) {
            // Whether the call is recorded at all is for the campaign to say.
            let _ = self.pause_recording(now, !self.is_recording_paused(), out);
        }
        let (Human::Agent(agent), Some(by)) = (&self.plan.treatment.human, &self.agent_uri) else { return };
        if agent.machine_key == Some(digit) && matches!(self.state, State::Bridged) {
            out.push(Action::Label { label: CallLabel::Machine, by: by.clone() });
            out.push(Action::Journal(Step::Labelled(CallLabel::Machine)));
        }
    }
}
