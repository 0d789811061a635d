//! When the message starts on a machine: after the beep; without one, after the silence that ends the greeting; and again
//! from its beginning when a beep comes later, because what was said before it is not on the tape.

use crate::call::treatment::Drop;
use crate::time::Instant;

/// How often a message may begin anew: a machine that beeps for ever must not hold the line for ever.
pub const STARTS_MAX: u32 = 4;

/// Who waits for the beep.
#[derive(Clone, Debug)]
pub struct Voicemail {
    drop: Drop,
    /// Silence since then; none while the greeting is being spoken.
    quiet_since: Option<Instant>,
    state: State,
    starts: u32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// Until the beep, the silence, or this moment.
    Waiting { give_up: Instant },
    /// The message runs.
    Playing,
}

/// What to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advice {
    /// Start the message, or start it again, from its beginning.
    Start,
    /// Nothing.
    Wait,
}

impl Voicemail {
    /// A machine has been recognised. `quiet_since` is the end of the greeting if that was over by then, and
    /// `beeped` whether a beep has just ended.
    pub fn new(now: Instant, drop: Drop, quiet_since: Option<Instant>, beeped: bool) -> (Self, Advice) {
        let mut voicemail = Voicemail {
            drop,
            quiet_since,
            state: State::Waiting { give_up: now + drop.wait_max },
            starts: 0,
        };
        let advice = if beeped { voicemail.start() } else { voicemail.handle_timeout(now) };
        (voicemail, advice)
    }

    /// A beep has ended.
    pub fn handle_beep(&mut self) -> Advice {
        if self.starts < STARTS_MAX { self.start() } else { Advice::Wait }
    }

    /// Speech has begun: the greeting goes on.
    pub fn handle_speech(&mut self) {
        self.quiet_since = None;
    }

    /// Speech ended at `since`.
    pub fn handle_quiet(&mut self, now: Instant, since: Instant) -> Advice {
        self.quiet_since = Some(since);
        self.handle_timeout(now)
    }

    /// The deadline has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) -> Advice {
        match self.poll_timeout() {
            Some(deadline) if deadline <= now => self.start(),
            _ => Advice::Wait,
        }
    }

    /// When the message starts without a beep.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { give_up } => {
                let silence_ends = self.quiet_since.map(|since| since + self.drop.end_silence);
                Some(silence_ends.map_or(give_up, |at| at.min(give_up)))
            }
            State::Playing => None,
        }
    }

    /// The message and its timing.
    pub fn drop(&self) -> Drop {
        self.drop
    }

    fn start(&mut self) -> Advice {
        self.state = State::Playing;
        self.starts += 1;
        Advice::Start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::command::PromptId;
    use std::time::Duration;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn drop() -> Drop {
        Drop {
            message: PromptId(0),
            end_silence: Duration::from_millis(2_000),
            wait_max: Duration::from_secs(30),
        }
    }

    #[test]
    fn the_message_starts_at_the_beep() {
        let (mut voicemail, advice) = Voicemail::new(at(2_000), drop(), None, false);
        assert_eq!(advice, Advice::Wait);
        assert_eq!(voicemail.handle_quiet(at(5_000), at(4_900)), Advice::Wait);
        assert_eq!(voicemail.handle_beep(), Advice::Start);
        assert_eq!(voicemail.poll_timeout(), None);
    }

    #[test]
    fn without_a_beep_it_starts_after_the_silence() {
        let (mut voicemail, _) = Voicemail::new(at(2_000), drop(), None, false);
        voicemail.handle_quiet(at(5_000), at(4_900));
        assert_eq!(voicemail.poll_timeout(), Some(at(6_900)));
        assert_eq!(voicemail.handle_timeout(at(6_899)), Advice::Wait);
        assert_eq!(voicemail.handle_timeout(at(6_900)), Advice::Start);
    }

    #[test]
    fn speech_that_goes_on_takes_the_silence_back() {
        let (mut voicemail, _) = Voicemail::new(at(2_000), drop(), Some(at(1_500)), false);
        assert_eq!(voicemail.poll_timeout(), Some(at(3_500)));
        voicemail.handle_speech();
        assert_eq!(voicemail.poll_timeout(), Some(at(32_000)));
    }

    #[test]
    fn a_beep_after_the_message_began_starts_it_again_but_not_for_ever() {
        let (mut voicemail, advice) = Voicemail::new(at(2_000), drop(), Some(at(0)), false);
        assert_eq!(advice, Advice::Start, "the greeting was over for two seconds");
        for _ in 1..STARTS_MAX {
            assert_eq!(voicemail.handle_beep(), Advice::Start);
        }
        assert_eq!(voicemail.handle_beep(), Advice::Wait);
    }

    #[test]
    fn a_greeting_without_end_gets_the_message_at_the_limit() {
        let (mut voicemail, _) = Voicemail::new(at(2_000), drop(), None, false);
        assert_eq!(voicemail.handle_timeout(at(32_000)), Advice::Start);
    }

    #[test]
    fn a_beep_that_gave_the_machine_away_starts_it_at_once() {
        assert_eq!(Voicemail::new(at(2_000), drop(), None, true).1, Advice::Start);
    }
}
