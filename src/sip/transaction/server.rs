//! The non-INVITE server transaction: RFC 3261 section 17.2.2.
//!
//! ```text
//!                       | request: tell the user
//!     copy: nothing     v
//!          +------- +--------+   200-699 from the user: send it
//!          +------> | Trying |-------------------------------+
//!                   +--------+                               |
//!   1xx from the user   |                                    |
//!   send it             v                                    |
//!          +----- +------------+  200-699 from the user      |
//!          +----> | Proceeding |-----------------------------+
//!   copy: again   +------------+                             |
//!                       | transport error: tell the user     v
//!                       |                              +-----------+
//!                       v                      J       | Completed |---+ copy: again
//!                 +------------+<----------------------|           |<--+
//!                 | Terminated |     transport error   +-----------+
//!                 +------------+
//! ```

use super::Action;
use super::timer::Timers;
use crate::time::Instant;

/// The machine. The message its caller keeps is the last response of the user.
#[derive(Debug)]
pub struct Server {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Trying,
    Proceeding,
    /// `expiry` is Timer J.
    Completed {
        expiry: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A copy of the request came.
    Request,
    /// The user answers with this status; its bytes are already kept.
    Respond(u16),
    /// The transport says that it cannot deliver.
    TransportError,
    /// Copies of the request are over.
    TimerJ,
}

impl Server {
    /// Starts the machine; its first action hands the request to the user.
    pub fn new(timers: Timers, reliable: bool, out: &mut Vec<Action>) -> Self {
        out.push(Action::Deliver);
        Server { state: State::Trying, timers, reliable }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        use Input::*;
        match (self.state, input) {
            (State::Trying | State::Proceeding, Respond(100..=199)) => {
                self.state = State::Proceeding;
                out.push(Action::Transmit);
            }
            (State::Trying | State::Proceeding, Respond(_)) => {
                out.push(Action::Transmit);
                if self.reliable {
                    self.terminate(out);
                } else {
                    self.state = State::Completed { expiry: now + self.timers.j(false) };
                }
            }
            (State::Proceeding | State::Completed { .. }, Request) => out.push(Action::Transmit),
            (State::Proceeding | State::Completed { .. }, TransportError) => {
                out.push(Action::TransportFailed);
                self.terminate(out);
            }
            (State::Completed { .. }, TimerJ) => self.terminate(out),
            (State::Trying, Request | TransportError | TimerJ) | (State::Proceeding, TimerJ) => {}
            (State::Completed { .. }, Respond(_)) => {}
            (State::Terminated, _) => {}
        }
    }

    /// The deadline it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.poll_timeout().is_some_and(|expiry| expiry <= now) {
            self.handle_input(now, Input::TimerJ, out);
        }
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Completed { expiry } => Some(expiry),
            State::Trying | State::Proceeding | State::Terminated => None,
        }
    }

    /// Whether the user's final answer is still to come.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
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
    fn every_copy_of_the_request_gets_the_same_answer_until_timer_j() {
        unreliable(
            "
             0.000 ! BYE
             0.010 < BYE
             0.020 * 200
             0.020 > 200
             0.500 < BYE
             0.500 > 200
             0.600 * 500
            31.000 < BYE
            31.000 > 200
            32.020 ! terminated
            32.100 < BYE
            ",
        );
    }

    #[test]
    fn a_provisional_answer_is_repeated_to_copies() {
        unreliable(
            "
             0.000 ! BYE
             0.100 * 100
             0.100 > 100
             0.500 < BYE
             0.500 > 100
             1.000 * 481
             1.000 > 481
            33.000 ! terminated
            ",
        );
    }

    #[test]
    fn reliable_transport_does_not_linger() {
        reliable(
            "
             0.000 ! BYE
             0.100 * 200
             0.100 > 200
             0.100 ! terminated
            ",
        );
    }

    #[test]
    fn a_transport_error_after_an_answer_ends_it() {
        unreliable(
            "
             0.000 ! BYE
             0.050 * transport error
             0.100 * 200
             0.100 > 200
             0.200 * transport error
             0.200 ! transport failed
             0.200 ! terminated
            ",
        );
        unreliable(
            "
             0.000 ! BYE
             0.100 * 100
             0.100 > 100
             0.200 * transport error
             0.200 ! transport failed
             0.200 ! terminated
            ",
        );
    }

    fn unreliable(script: &str) {
        transcript::check(script, |_, out| start(false, out));
    }

    fn reliable(script: &str) {
        transcript::check(script, |_, out| start(true, out));
    }

    fn start(reliable: bool, out: &mut Vec<String>) -> Played {
        let mut actions = Vec::new();
        let machine = Server::new(Timers::default(), reliable, &mut actions);
        let played = Played { machine, kept: String::new() };
        played.write(&actions, "BYE", out);
        played
    }

    struct Played {
        machine: Server,
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
                "BYE" => Input::Request,
                "transport error" => Input::TransportError,
                status => {
                    // Only the first final answer counts; the machine says so by not sending another.
                    if !self.kept.starts_with(['2', '3', '4', '5', '6']) {
                        self.kept = status.to_string();
                    }
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
