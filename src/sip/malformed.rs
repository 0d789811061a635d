//! Why a message or a part of it could not be read: the place and the fault.

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
}

impl Malformed {
    /// A fault in a value whose line is not known.
    pub fn new(place: &'static str, fault: &'static str) -> Self {
        Malformed { place, fault, line: 0 }
    }

    /// The same fault with the line it stands on.
    pub fn at_line(self, line: usize) -> Self {
        Malformed { line: u16::try_from(line).unwrap_or(u16::MAX), ..self }
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
