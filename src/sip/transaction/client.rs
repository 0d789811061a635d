//! The non-INVITE client transaction: RFC 3261 section 17.1.2.
//!
//! ```text
//!                     | request from the user: send it
//!        E: again     v
//!          +----- +--------+   F, transport error: tell the user
//!          +----> | Trying |----------------------------------+
//!                 +--------+                                  |
//!             1xx  |     | 200-699: tell the user             |
//!                  v     |                                    |
//!          +---- +------------+  F, transport error           |
//!          +---> | Proceeding |------------------------------>|
//!   E: again,    +------------+                               |
//!   1xx: tell      |     |                                    |
//!                  |     | 200-699: tell the user             |
//!                  v     v                                    v
//!                 +-----------+            K            +------------+
//!                 | Completed |------------------------>| Terminated |
//!                 +-----------+                         +------------+
//! ```

use std::time::Duration;

use super::Action;
use super::timer::Timers;
use crate::time::Instant;

/// The machine.
#[derive(Debug)]
pub struct Client {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// `resend` is Timer E with its next interval, `expiry` Timer F.
    Trying {
        resend: Option<(Instant, Duration)>,
        expiry: Instant,
    },
    /// As Trying, with the copies T2 apart.
    Proceeding {
        resend: Option<Instant>,
        expiry: Instant,
    },
    /// `expiry` is Timer K.
    Completed {
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
    /// Time to send the request again.
    TimerE,
    /// No final response came in 64*T1.
    TimerF,
    /// Copies of the response are over.
    TimerK,
}

impl Client {
    /// Starts the machine; its first action sends the request.
    pub fn new(now: Instant, timers: Timers, reliable: bool, out: &mut Vec<Action>) -> Self {
        let resend = (!reliable).then(|| (now + timers.t1, timers.doubled(timers.t1)));
        out.push(Action::Transmit);
        Client { state: State::Trying { resend, expiry: now + timers.give_up() }, timers, reliable }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        use Input::*;
        match (self.state, input) {
            (State::Trying { resend, expiry }, Response(100..=199)) => {
                // The copy that Timer E is set for leaves on time; those after it are T2 apart.
                self.state = State::Proceeding { resend: resend.map(|(at, _)| at), expiry };
                out.push(Action::Deliver);
            }
            (State::Proceeding { .. }, Response(100..=199)) => out.push(Action::Deliver),
            (State::Trying { .. } | State::Proceeding { .. }, Response(_)) => {
                out.push(Action::Deliver);
                if self.reliable {
                    self.terminate(out);
                } else {
                    self.state = State::Completed { expiry: now + self.timers.i_and_k(false) };
                }
            }
            (State::Trying { .. } | State::Proceeding { .. }, TransportError) => {
                out.push(Action::TransportFailed);
                self.terminate(out);
            }
            (State::Trying { .. } | State::Proceeding { .. }, TimerF) => {
                out.push(Action::TimedOut);
                self.terminate(out);
            }
            (State::Trying { resend: Some((at, interval)), expiry }, TimerE) => {
                let next = ((at + interval).max(now), self.timers.doubled(interval));
                self.state = State::Trying { resend: Some(next), expiry };
                out.push(Action::Transmit);
            }
            (State::Proceeding { resend: Some(at), expiry }, TimerE) => {
                self.state = State::Proceeding { resend: Some((at + self.timers.t2).max(now)), expiry };
                out.push(Action::Transmit);
            }
            (State::Completed { .. }, TimerK) => self.terminate(out),
            (State::Trying { resend: None, .. } | State::Proceeding { resend: None, .. }, TimerE) => {}
            (State::Trying { .. } | State::Proceeding { .. }, TimerK) => {}
            (State::Completed { .. }, Response(_) | TransportError | TimerE | TimerF) => {}
            (State::Terminated, _) => {}
        }
    }

    /// The deadline it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due = match self.state {
            State::Trying { expiry, .. } | State::Proceeding { expiry, .. } if expiry <= now => Input::TimerF,
            State::Trying { resend: Some((at, _)), .. } if at <= now => Input::TimerE,
            State::Proceeding { resend: Some(at), .. } if at <= now => Input::TimerE,
            State::Completed { expiry } if expiry <= now => Input::TimerK,
            _ => return,
        };
        self.handle_input(now, due, out);
    }

    /// Whether a final response is waited for.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }

    /// Whether no response was heard.
    pub fn is_trying(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying { resend, expiry } => Some(resend.map_or(expiry, |(at, _)| at.min(expiry))),
            State::Proceeding { resend, expiry } => Some(resend.map_or(expiry, |at| at.min(expiry))),
            State::Completed { expiry } => Some(expiry),
            State::Terminated => None,
        }
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
    fn silence_ends_after_eleven_copies_at_timer_f() {
        unreliable(
            "
             0.000 > BYE
             0.500 > BYE
             1.500 > BYE
             3.500 > BYE
             7.500 > BYE
            11.500 > BYE
            15.500 > BYE
            19.500 > BYE
            23.500 > BYE
            27.500 > BYE
            31.500 > BYE
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn a_provisional_response_spreads_the_copies_to_t2_but_timer_f_goes_on() {
        unreliable(
            "
             0.000 > BYE
             0.300 < 100
             0.300 ! 100
             0.500 > BYE
             4.500 > BYE
             5.000 < 100
             5.000 ! 100
             8.500 > BYE
            12.500 > BYE
            16.500 > BYE
            20.500 > BYE
            24.500 > BYE
            28.500 > BYE
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn copies_of_the_response_are_swallowed_until_timer_k() {
        unreliable(
            "
             0.000 > BYE
             0.200 < 200
             0.200 ! 200
             0.700 < 200
             1.700 < 500
             5.200 ! terminated
             6.000 < 200
            ",
        );
        unreliable(
            "
             0.000 > BYE
             0.200 < 100
             0.200 ! 100
             0.300 < 404
             0.300 ! 404
             5.300 ! terminated
            ",
        );
    }

    #[test]
    fn reliable_transport_never_resends_nor_lingers() {
        reliable(
            "
             0.000 > BYE
             9.000 < 100
             9.000 ! 100
            10.000 < 200
            10.000 ! 200
            10.000 ! terminated
            ",
        );
        reliable(
            "
             0.000 > BYE
            32.000 ! timed out
            32.000 ! terminated
            ",
        );
    }

    #[test]
    fn a_transport_error_ends_it_unless_it_is_answered_already() {
        unreliable(
            "
             0.000 > BYE
             0.100 * transport error
             0.100 ! transport failed
             0.100 ! terminated
            ",
        );
        unreliable(
            "
             0.000 > BYE
             0.100 < 100
             0.100 ! 100
             0.200 * transport error
             0.200 ! transport failed
             0.200 ! terminated
            ",
        );
        unreliable(
            "
             0.000 > BYE
             0.100 < 200
             0.100 ! 200
             0.200 * transport error
             5.100 ! terminated
            ",
        );
    }

    fn unreliable(script: &str) {
        transcript::check(script, |now, out| start(now, false, out));
    }

    fn reliable(script: &str) {
        transcript::check(script, |now, out| start(now, true, out));
    }

    fn start(now: Instant, reliable: bool, out: &mut Vec<String>) -> Client {
        let mut actions = Vec::new();
        let machine = Client::new(now, Timers::default(), reliable, &mut actions);
        write(&actions, "", out);
        machine
    }

    fn write(actions: &[Action], word: &str, out: &mut Vec<String>) {
        out.extend(actions.iter().map(|action| transcript::line(*action, "BYE", word)));
    }

    impl Machine for Client {
        fn play(&mut self, now: Instant, word: &str, out: &mut Vec<String>) {
            let input = match word {
                "transport error" => Input::TransportError,
                status => Input::Response(status.parse().expect("a status")),
            };
            let mut actions = Vec::new();
            self.handle_input(now, input, &mut actions);
            write(&actions, word, out);
        }

        fn handle_timeout(&mut self, now: Instant, out: &mut Vec<String>) {
            let mut actions = Vec::new();
            Client::handle_timeout(self, now, &mut actions);
            write(&actions, "", out);
        }

        fn poll_timeout(&self) -> Option<Instant> {
            Client::poll_timeout(self)
        }
    }
}
