//! Which way media flows (RFC 3264 sections 5.1 and 6.1), seen from whoever says it.

/// Whether a side sends and whether it receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Direction {
    /// It sends.
    pub send: bool,
    /// It receives.
    pub receive: bool,
}

impl Direction {
    /// `sendrecv`, the rule.
    pub const BOTH: Direction = Direction { send: true, receive: true };
    /// `sendonly`: the peer is on hold and hears music.
    pub const SEND_ONLY: Direction = Direction { send: true, receive: false };
    /// `recvonly`.
    pub const RECEIVE_ONLY: Direction = Direction { send: false, receive: true };
    /// `inactive`.
    pub const NONE: Direction = Direction { send: false, receive: false };

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match (self.send, self.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    /// The direction of that attribute.
    pub fn from_name(name: &str) -> Option<Direction> {
        let all = [Direction::BOTH, Direction::SEND_ONLY, Direction::RECEIVE_ONLY, Direction::NONE];
        all.into_iter().find(|direction| direction.name() == name)
    }

    /// The same flow as the other side says it.
    pub fn mirrored(self) -> Direction {
        Direction { send: self.receive, receive: self.send }
    }

    /// What both allow.
    pub fn and(self, other: Direction) -> Direction {
        Direction { send: self.send && other.send, receive: self.receive && other.receive }
    }
}
