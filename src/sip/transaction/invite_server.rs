//! The INVITE server transaction: RFC 3261 section 17.2.1 with the Accepted state of RFC 6026 section 7.1.
//!
//! ```text
//!                          | INVITE: tell the user; 100 unless it answers within 200 ms
//!     INVITE: last 1xx     v
//!          +------- +------------+  2xx from the user: send it
//!          +------> | Proceeding |----------------------------+
//!   1xx from the    +------------+                            |
//!   user: send it     |    | transport error: tell the user   |
//!                     |    +---------------------+            v
//!     300-699 from    |                          |      +----------+  INVITE: nothing
//!     the user:       v                          |  +-- | Accepted |  ACK: tell the user
//!     send it    +-----------+  H: tell the user |  +-> +----------+  2xx from the user: send it
//!          +---- | Completed |------------------>|            |
//!          +---> +-----------+                   |            | L
//!   G, INVITE:        | ACK                      v            |
//!   again             v                    +------------+     |
//!                +-----------+      I      | Terminated |<----+
//!                | Confirmed |------------>|            |
//!                +-----------+             +------------+
//! ```

use std::time::Duration;

use super::Action;
use super::timer::{TRYING_AFTER, Timers};
use crate::time::Instant;

/// The machine. The message its caller keeps is a 100 at first, then the last response of the user.
#[derive(Debug)]
pub struct InviteServer {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// `trying` is when a 100 is due; none once a provisional response has gone out.
    Proceeding {
        trying: Option<Instant>,
    },
    /// `resend` is Timer G with its next interval, `expiry` Timer H.
    Completed {
        resend: Option<(Instant, Duration)>,
        expiry: Instant,
    },
    /// `expiry` is Timer I.
    Confirmed {
        expiry: Instant,
    },
    /// `expiry` is Timer L.
    Accepted {
        expiry: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A copy of the INVITE came.
    Invite,
    /// An ACK that matches came.
    Ack,
    /// The user answers with this status; its bytes are already kept.
    Respond(u16),
    /// The transport says that it cannot deliver.
    TransportError,
    /// The user thought for 200 ms.
    TimerTrying,
    /// Time to send the final response again.
    TimerG,
    /// No ACK in 64*T1.
    TimerH,
    /// Copies of the ACK are over.
    TimerI,
    /// Copies of the INVITE are over.
    TimerL,
}

impl InviteServer {
    /// Starts the machine; its first action hands the INVITE to the user.
    pub fn new(now: Instant, timers: Timers, reliable: bool, out: &mut Vec<Action>) -> Self {
        out.push(Action::Deliver);
        InviteServer { state: State::Proceeding { trying: Some(now + TRYING_AFTER) }, timers, reliable }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        use Input::*;
        match (self.state, input) {
            (State::Proceeding { trying: None }, Invite) => out.push(Action::Transmit),
            (State::Proceeding { trying: Some(_) }, TimerTrying)
            | (State::Proceeding { .. }, Respond(100..=199)) => {
                self.state = State::Proceeding { trying: None };
                out.push(Action::Transmit);
            }
            (State::Proceeding { .. }, Respond(200..=299)) => {
                self.state = State::Accepted { expiry: now + self.timers.give_up() };
                out.push(Action::Transmit);
            }
            (State::Proceeding { .. }, Respond(_)) => {
                let interval = self.timers.t1;
                let resend = (!self.reliable).then(|| (now + interval, self.timers.doubled(interval)));
                self.state = State::Completed { resend, expiry: now + self.timers.give_up() };
                out.push(Action::Transmit);
            }
            (State::Completed { .. }, Invite) => out.push(Action::Transmit),
            (State::Completed { .. }, Ack) if self.reliable => self.terminate(out),
            (State::Completed { .. }, Ack) => {
                self.state = State::Confirmed { expiry: now + self.timers.i_and_k(false) };
            }
            (State::Completed { resend: Some((at, interval)), expiry }, TimerG) => {
                let next = ((at + interval).max(now), self.timers.doubled(interval));
                self.state = State::Completed { resend: Some(next), expiry };
                out.push(Action::Transmit);
            }
            (State::Completed { .. }, TimerH) => {
                out.push(Action::TimedOut);
                self.terminate(out);
            }
            (State::Proceeding { .. } | State::Completed { .. }, TransportError) => {
                out.push(Action::TransportFailed);
                self.terminate(out);
            }
            (State::Confirmed { .. }, TimerI) => self.terminate(out),
            (State::Accepted { .. }, Ack) => out.push(Action::Deliver),
            // The user repeats its 2xx until the ACK comes (RFC 3261 section 13.3.1.4).
            (State::Accepted { .. }, Respond(200..=299)) => out.push(Action::Transmit),
            (State::Accepted { .. }, TimerL) => self.terminate(out),
            // A copy that comes before the 100: the 100 is under way.
            (State::Proceeding { trying: Some(_) }, Invite) => {}
            (State::Proceeding { .. }, Ack | TimerTrying | TimerG | TimerH | TimerI | TimerL) => {}
            (State::Completed { .. }, Respond(_) | TimerTrying | TimerG | TimerI | TimerL) => {}
            (State::Confirmed { .. }, Invite | Ack | Respond(_) | TransportError) => {}
            (State::Confirmed { .. }, TimerTrying | TimerG | TimerH | TimerL) => {}
            (State::Accepted { .. }, Invite | Respond(_) | TransportError) => {}
            (State::Accepted { .. }, TimerTrying | TimerG | TimerH | TimerI) => {}
            (State::Terminated, _) => {}
        }
    }

    /// The deadline it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due = match self.state {
            State::Proceeding { trying: Some(at) } if at <= now => Input::TimerTrying,
            State::Completed { expiry, .. } if expiry <= now => Input::TimerH,
            State::Completed { resend: Some((at, _)), .. } if at <= now => Input::TimerG,
            State::Confirmed { expiry } if expiry <= now => Input::TimerI,
            State::Accepted { expiry } if expiry <= now => Input::TimerL,
            _ => return,
        };
        self.handle_input(now, due, out);
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Proceeding { trying } => trying,
            State::Completed { resend, expiry } => Some(resend.map_or(expiry, |(at, _)| at.min(expiry))),
            State::Confirmed { expiry } | State::Accepted { expiry } => Some(expiry),
            State::Terminated => None,
        }
    }

    /// Whether the user's final answer is still to come.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
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
    fn a_slow_user_is_covered_by_a_100_and_copies_get_the_last_provisional() {
        unreliable(
            "
             0.000 ! INVITE
             0.100 < INVITE
             0.200 > 100
             0.500 < INVITE
             0.500 > 100
             1.000 * 180
             1.000 > 180
             1.500 < INVITE
             1.500 > 180
             2.000 * 200
             2.000 > 200
            34.000 ! terminated
            ",
        );
    }

    #[test]
    fn a_2xx_is_repeated_by_the_user_only_and_its_ack_is_handed_up_until_timer_l() {
        unreliable(
            "
             0.000 ! INVITE
             0.050 * 200
             0.050 > 200
             0.500 < INVITE
             0.550 * 200
             0.550 > 200
             0.600 < ACK
             0.600 ! ACK
             0.700 * 486
             0.800 * transport error
            32.050 ! terminated
            ",
        );
    }

    #[test]
    fn a_refusal_is_repeated_until_the_ack_and_lingers_for_timer_i() {
        unreliable(
            "
             0.000 ! INVITE
             0.050 * 491
             0.050 > 491
             0.400 < INVITE
             0.400 > 491
             0.550 > 491
             1.550 > 491
             3.550 > 491
             7.550 > 491
             8.000 < ACK
             8.100 < ACK
             8.200 < INVITE
             8.300 * transport error
            13.000 ! terminated
            ",
        );
    }

    #[test]
    fn without_an_ack_a_refusal_ends_at_timer_h() {
        unreliable(
            "
             0.000 ! INVITE
             0.000 * 500
             0.000 > 500
             0.500 > 500
             1.500 > 500
             3.500 > 500
             7.500 > 500
            11.500 > 500
            15.500 > 500
            19.500 > 500
            23.500 > 500
            27.500 > 500
            31.500 > 500
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn reliable_transport_never_resends_nor_lingers() {
        reliable(
            "
             0.000 ! INVITE
             0.200 > 100
             1.000 * 488
             1.000 > 488
             9.000 < ACK
             9.000 ! terminated
            ",
        );
        reliable(
            "
             0.000 ! INVITE
             0.100 * 488
             0.100 > 488
            32.100 ! timed out
            32.100 ! terminated
            ",
        );
    }

    #[test]
    fn a_transport_error_before_the_ack_ends_it() {
        unreliable(
            "
             0.000 ! INVITE
             0.100 * transport error
             0.100 ! transport failed
             0.100 ! terminated
            ",
        );
        unreliable(
            "
             0.000 ! INVITE
             0.100 * 403
             0.100 > 403
             0.200 * transport error
             0.200 ! transport failed
             0.200 ! terminated
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
        let machine = InviteServer::new(now, Timers::default(), reliable, &mut actions);
        let played = Played { machine, kept: "100".to_string() };
        played.write(&actions, "INVITE", out);
        played
    }

    struct Played {
        machine: InviteServer,
        kept: String,
    }

    impl Played {
        fn write(&self, actions: &[Action], word: &str, out: &mut Vec<String>) {
            out.extend(actions.iter().map(|action| transcript::line(*action, &self.kept, word)));
        }
    }

    impl Machine for Played {
        fn play(&mut self, now: Instant, word: &str, out: &mut Vec<String>) {
            let input = match word {
                "INVITE" => Input::Invite,
                "ACK" => Input::Ack,
                "transport error" => Input::TransportError,
                status => {
                    self.kept = status.to_string();
                    Input::Respond(status.parse().expect("a status"))
                }
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
