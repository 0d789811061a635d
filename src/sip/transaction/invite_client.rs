//! The INVITE client transaction: RFC 3261 section 17.1.1 with the Accepted state of RFC 6026 section 7.2.
//!
//! ```text
//!                      | INVITE from the user: send it
//!         A: again     v
//!           +----- +---------+   B, transport error: tell the user
//!           +----> | Calling |-------------------------------------------+
//!                  +---------+                                           |
//!         1xx: tell |   |   | 300-699: ACK, tell                         |
//!                   v   |   +-----------------------------+              |
//!            +------------+  300-699: ACK, tell           v              |
//!      +---- | Proceeding |----------------------> +-----------+         |
//!      +---> +------------+       300-699:   +---- | Completed |         |
//!     1xx:     |    |   |         ACK again  +---> +-----------+         |
//!     tell     |    |   | 2xx: tell              D, trans-  |            |
//!  cancelled:  |    |   +----+                   port error |            |
//!  nothing for |    | 2xx    v                              v            v
//!  64*T1, tell |    | tell +----------+        M         +------------------+
//!              |    +----> | Accepted |----------------->|    Terminated    |
//!              |           +----------+                  +------------------+
//!              |      2xx: tell | ^                                ^
//!              |                +-+                                |
//!              +---------------------------------------------------+
//! ```
//!
//! Two arrows are ours. A user that no longer wants the call before anything was heard *abandons* it: the INVITE is
//! then not sent again, so that no phone starts to ring late, but what still comes for it is delivered until Timer B.
//! And once a CANCEL has gone out, a final response is waited for no longer than 64*T1 (RFC 3261 section 9.1).

use std::time::Duration;

use super::Action;
use super::timer::Timers;
use crate::time::Instant;

/// The machine.
#[derive(Debug)]
pub struct InviteClient {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// `resend` is Timer A with its next interval: none over a reliable transport or once abandoned. `expiry` is B.
    Calling {
        resend: Option<(Instant, Duration)>,
        expiry: Instant,
    },
    /// Rings for as long as the layer above lets it: RFC 3261 has no timer here. `expiry` comes with a CANCEL.
    Proceeding {
        expiry: Option<Instant>,
    },
    /// `expiry` is Timer D.
    Completed {
        expiry: Instant,
    },
    /// `expiry` is Timer M.
    Accepted {
        expiry: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A response with this status matched.
    Response(u16),
    /// The transport says that it cannot deliver.
    TransportError,
    /// The user lost interest before anything was heard.
    Abandon,
    /// The user has sent a CANCEL.
    Cancelled,
    /// Time to send the INVITE again.
    TimerA,
    /// Nothing came in 64*T1.
    TimerB,
    /// Copies of the final response are over.
    TimerD,
    /// Copies of a 2xx are over.
    TimerM,
    /// The CANCEL led to nothing in 64*T1.
    TimerCancelled,
}

impl InviteClient {
    /// Starts the machine; its first action sends the INVITE.
    pub fn new(now: Instant, timers: Timers, reliable: bool, out: &mut Vec<Action>) -> Self {
        let resend = (!reliable).then_some((now + timers.t1, timers.t1 * 2));
        out.push(Action::Transmit);
        InviteClient { state: State::Calling { resend, expiry: now + timers.give_up() }, timers, reliable }
    }

    /// A machine for an INVITE that a former run has sent: it takes a provisional response for granted, and sends nothing.
    pub fn resumed(timers: Timers, reliable: bool) -> Self {
        InviteClient { state: State::Proceeding { expiry: None }, timers, reliable }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        use Input::*;
        match (self.state, input) {
            (State::Calling { .. }, Response(100..=199)) => {
                self.state = State::Proceeding { expiry: None };
                out.push(Action::Deliver);
            }
            (State::Proceeding { .. }, Response(100..=199)) => out.push(Action::Deliver),
            (State::Calling { .. } | State::Proceeding { .. }, Response(200..=299)) => {
                self.state = State::Accepted { expiry: now + self.timers.give_up() };
                out.push(Action::Deliver);
            }
            (State::Calling { .. } | State::Proceeding { .. }, Response(_)) => {
                out.push(Action::Acknowledge);
                out.push(Action::Deliver);
                if self.reliable {
                    self.terminate(out);
                } else {
                    self.state = State::Completed { expiry: now + self.timers.d(false) };
                }
            }
            (State::Calling { .. } | State::Completed { .. }, TransportError) => {
                out.push(Action::TransportFailed);
                self.terminate(out);
            }
            (State::Calling { expiry, .. }, Abandon) => self.state = State::Calling { resend: None, expiry },
            (State::Calling { resend: Some((at, interval)), expiry }, TimerA) => {
                // A clock that slept must not make the copies leave in one burst.
                let next = (at + interval).max(now);
                self.state = State::Calling { resend: Some((next, interval * 2)), expiry };
                out.push(Action::Transmit);
            }
            (State::Calling { .. }, TimerB) => {
                out.push(Action::TimedOut);
                self.terminate(out);
            }
            (State::Completed { .. }, Response(300..)) => out.push(Action::Transmit),
            (State::Completed { .. }, TimerD) => self.terminate(out),
            (State::Accepted { .. }, Response(200..=299)) => out.push(Action::Deliver),
            (State::Accepted { .. }, TimerM) => self.terminate(out),
            (State::Proceeding { expiry: None }, Cancelled) => {
                self.state = State::Proceeding { expiry: Some(now + self.timers.give_up()) };
            }
            (State::Proceeding { .. }, TimerCancelled) => {
                out.push(Action::TimedOut);
                self.terminate(out);
            }
            (State::Calling { resend: None, .. }, TimerA) => {}
            (State::Calling { .. }, Cancelled | TimerD | TimerM | TimerCancelled) => {}
            (State::Proceeding { .. }, TransportError | Abandon | Cancelled) => {}
            (State::Proceeding { .. }, TimerA | TimerB | TimerD | TimerM) => {}
            (State::Completed { .. }, Response(_) | Abandon | Cancelled) => {}
            (State::Completed { .. }, TimerA | TimerB | TimerM | TimerCancelled) => {}
            // A second final response after a 2xx is a fork's that lost: nobody waits for it.
            (State::Accepted { .. }, Response(_) | TransportError | Abandon | Cancelled) => {}
            (State::Accepted { .. }, TimerA | TimerB | TimerD | TimerCancelled) => {}
            (State::Terminated, _) => {}
        }
    }

    /// The deadline it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due = match self.state {
            State::Calling { expiry, .. } if expiry <= now => Input::TimerB,
            State::Calling { resend: Some((at, _)), .. } if at <= now => Input::TimerA,
            State::Proceeding { expiry: Some(expiry) } if expiry <= now => Input::TimerCancelled,
            State::Completed { expiry } if expiry <= now => Input::TimerD,
            State::Accepted { expiry } if expiry <= now => Input::TimerM,
            _ => return,
        };
        self.handle_input(now, due, out);
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Calling { resend, expiry } => Some(resend.map_or(expiry, |(at, _)| at.min(expiry))),
            State::Completed { expiry } | State::Accepted { expiry } => Some(expiry),
            State::Proceeding { expiry } => expiry,
            State::Terminated => None,
        }
    }

    /// Whether no response was heard.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether a provisional response was heard and no final one.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether a final response is waited for after a CANCEL.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.state, State::Proceeding { expiry: Some(_) })
    }

    fn terminate(&mut self, out: &mut Vec<Action>) {
        self.state = State::Terminated;
        out.push(Action::Terminated);
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::{self, Machine};
    use super::*;

    #[test]
    fn every_copy_of_a_final_response_is_acknowledged_until_timer_d() {
        unreliable(
            "
             0.000 > INVITE
             0.120 < 100
             0.120 ! 100
             6.000 < 486
             6.000 > ACK
             6.000 ! 486
             6.500 < 486
             6.500 > ACK
            37.900 < 486
            37.900 > ACK
            38.000 ! terminated
            ",
        );
    }

    #[test]
    fn silence_ends_after_seven_copies_at_timer_b() {
        unreliable(
            "
             0.000 > INVITE
             0.500 > INVITE
             1.500 > INVITE
             3.500 > INVITE
             7.500 > INVITE
            15.500 > INVITE
            31.500 > INVITE
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn a_provisional_response_ends_the_copies_and_the_wait_has_no_timer() {
        unreliable(
            "
              0.000 > INVITE
              0.500 > INVITE
              0.700 < 180
              0.700 ! 180
            400.000 < 183
            400.000 ! 183
            401.000 * transport error
            402.000 < 480
            402.000 > ACK
            402.000 ! 480
            434.000 ! terminated
            ",
        );
    }

    #[test]
    fn every_copy_of_a_2xx_reaches_the_user_until_timer_m() {
        unreliable(
            "
             0.000 > INVITE
             0.100 < 180
             0.100 ! 180
             5.000 < 200
             5.000 ! 200
             5.500 < 200
             5.500 ! 200
             6.000 < 180
             6.100 < 486
             9.500 < 202
             9.500 ! 202
            37.000 ! terminated
            37.100 < 200
            ",
        );
    }

    #[test]
    fn a_2xx_without_any_provisional_is_accepted_over_both_transports() {
        let script = "
             0.000 > INVITE
             0.300 < 200
             0.300 ! 200
            32.300 ! terminated
            ";
        unreliable(script);
        reliable(script);
    }

    #[test]
    fn reliable_transport_never_resends_nor_lingers() {
        reliable(
            "
             0.000 > INVITE
             5.000 < 503
             5.000 > ACK
             5.000 ! 503
             5.000 ! terminated
            ",
        );
        reliable(
            "
             0.000 > INVITE
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn a_transport_error_while_calling_or_acknowledging_ends_it() {
        unreliable(
            "
             0.000 > INVITE
             0.100 * transport error
             0.100 ! transport failed
             0.100 ! terminated
            ",
        );
        unreliable(
            "
             0.000 > INVITE
             0.100 < 404
             0.100 > ACK
             0.100 ! 404
             0.200 * transport error
             0.200 ! transport failed
             0.200 ! terminated
            ",
        );
    }

    #[test]
    fn an_abandoned_invite_is_not_sent_again_but_still_listened_for() {
        unreliable(
            "
             0.000 > INVITE
             0.500 > INVITE
             1.000 * abandon
             9.000 < 180
             9.000 ! 180
             9.100 < 487
             9.100 > ACK
             9.100 ! 487
            41.100 ! terminated
            ",
        );
        unreliable(
            "
             0.000 > INVITE
             0.100 * abandon
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn after_a_cancel_the_final_response_is_waited_for_no_longer_than_64_t1() {
        unreliable(
            "
             0.000 > INVITE
             0.100 < 180
             0.100 ! 180
            10.000 * cancelled
            12.000 * cancelled
            20.000 < 180
            20.000 ! 180
            42.000 ! timed out
            42.000 ! terminated
            ",
        );
        unreliable(
            "
             0.000 > INVITE
             0.100 < 180
             0.100 ! 180
            10.000 * cancelled
            10.100 < 487
            10.100 > ACK
            10.100 ! 487
            42.100 ! terminated
            ",
        );
    }

    fn unreliable(script: &str) {
        transcript::check(script, |now, out| start(now, false, out));
    }

    fn reliable(script: &str) {
        transcript::check(script, |now, out| start(now, true, out));
    }

    fn start(now: Instant, reliable: bool, out: &mut Vec<String>) -> Played {
        let mut actions = Vec::new();
        let machine = InviteClient::new(now, Timers::default(), reliable, &mut actions);
        let mut played = Played { machine, kept: "INVITE" };
        played.write(&actions, "", out);
        played
    }

    struct Played {
        machine: InviteClient,
        kept: &'static str,
    }

    impl Played {
        fn write(&mut self, actions: &[Action], word: &str, out: &mut Vec<String>) {
            if actions.contains(&Action::Acknowledge) {
                self.kept = "ACK";
            }
            out.extend(actions.iter().map(|action| transcript::line(*action, self.kept, word)));
        }
    }

    impl Machine for Played {
        fn play(&mut self, now: Instant, word: &str, out: &mut Vec<String>) {
            let input = match word {
                "transport error" => Input::TransportError,
                "abandon" => Input::Abandon,
                "cancelled" => Input::Cancelled,
                status => Input::Response(status.parse().expect("a status")),
            };
            let mut actions = Vec::new();
            self.machine.handle_input(now, input, &mut actions);
            self.write(&actions, word, out);
        }

        fn handle_timeout(&mut self, now: Instant, out: &mut Vec<String>) {
            let mut actions = Vec::new();
            self.machine.handle_timeout(now, &mut actions);
            self.write(&actions, "", out);
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.machine.poll_timeout()
        }
    }
}
