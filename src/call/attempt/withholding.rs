//! A recording that is paused, while the callee says the number of a card: what is said meanwhile is kept nowhere.
//!
//! Silence stands for it in the file, so that both sides stay where they belong; keys are neither in the record nor in the
//! journal, packets in no trace. The journal says how long it was.

use super::*;

impl Attempt {
    /// Pauses the recording, or goes on with it.
    ///
    /// # Errors
    /// When there is nothing to pause, and why.
    pub fn pause_recording(&mut self, now: Now, on: bool, out: &mut Vec<Action>) -> Result<(), &'static str> {
        if self.plan.recording.is_none() {
            return Err("the call is not recorded ([campaign.recording] enabled)");
        }
        if !self.is_answered() || matches!(self.state, State::Ending { .. } | State::Finished) {
            return Err("nobody is on the line");
        }
        if on == self.is_recording_paused() {
            return Ok(());
        }
        for leg in [&self.callee, &self.agent] {
            if leg.port_held {
                out.push(Action::Media(Command::Withhold { stream: leg.stream, on }));
            }
        }
        if on {
            self.paused_at = Some(now.instant);
            out.push(Action::Journal(Step::RecordingPaused));
        } else {
            self.tell_gap(now, out);
        }
        Ok(())
    }

    /// Whether nothing of the call is to be kept at this moment.
    pub(super) fn is_recording_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// The pause ends, with the call if not before.
    pub(super) fn tell_gap(&mut self, now: Now, out: &mut Vec<Action>) {
        if let Some(since) = self.paused_at.take() {
            out.push(Action::Journal(Step::RecordingGap { lasted: now.instant - since }));
        }
    }
}
