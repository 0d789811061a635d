//! Why a message or a part of it could not be read: the place, the fault, and what a request with it is answered.

use std::fmt;

/// What a peer sent that cannot be read. It quotes nothing of the message, so it is safe to log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Where: a header's name, or a part of the message.
    pub place: &'static str,
    /// What is wrong there.
    pub fault: &'static str,
    /// The line of the message, counted from 1, where the reader stood; 0 when it read a value alone.
    pub line: u16,
    /// What a request with this fault is answered (RFC 3261 sections 8.2 and 21.4); mostly 400.
    pub status: u16,
}

impl Malformed {
    /// A fault in a value whose line is not known.
    pub fn new(place: &'static str, fault: &'static str) -> Self {
        Malformed { place, fault, line: 0, status: 400 }
    }

    /// The same fault with the line it stands on.
    pub fn at_line(self, line: usize) -> Self {
        Malformed { line: u16::try_from(line).unwrap_or(u16::MAX), ..self }
    }

    /// The same fault, named by the header or part that the value stands in.
    pub fn in_place(self, place: &'static str) -> Self {
        Malformed { place, ..self }
    }

    /// The same fault with another answer than 400.
    pub fn answered(self, status: u16) -> Self {
        Malformed { status, ..self }
    }

    /// The reason phrase that goes with the status: the standard one, or for a plain 400 the fault itself.
    pub fn phrase(&self) -> String {
        match self.status {
            413 => "Request Entity Too Large".to_owned(),
            414 => "Request-URI Too Long".to_owned(),
            501 => "Not Implemented".to_owned(),
            505 => "Version Not Supported".to_owned(),
            513 => "Message Too Large".to_owned(),
            _ => format!("{} {}", self.place, self.fault),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.fault),
            line => write!(f, "{} (line {line}): {}", self.place, self.fault),
        }
    }
}

impl std::error::Error for Malformed {}
