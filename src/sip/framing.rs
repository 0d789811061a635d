//! Cutting a stream into messages by their Content-Length (RFC 3261 sections 7.5 and 18.3).
//!
//! Push what was read, then take messages until there is none. Line ends between messages are keep-alives
//! (RFC 5626 section 4.4.1) and go. Where a stream has lost its frame there is no way back into step: after an
//! error every further call gives that error, and the connection is to be closed; what is there of the message with
//! which it happened can be had once, to be answered.

use super::malformed::Malformed;
use super::message::{MESSAGE_BYTES_MAX, announced_length};

/// The most bytes that wait in a framer: one incomplete message and one read behind it.
pub const BUFFER_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// One direction of a stream.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the next message begins; what is before it was taken and goes with the next push, so that many small
    /// messages in one read are not moved once for each.
    start: usize,
    /// How far the buffer was searched for the end of the head, so that a head that trickles in costs no more
    /// than one that comes at once.
    searched: usize,
    /// The message's whole length, once its head was read.
    wanted: Option<usize>,
    broken: Option<Malformed>,
    /// The head of the message with which that happened, as far as it came.
    rejected: Vec<u8>,
}

impl Framer {
    /// A framer at the beginning of a stream.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes what was read from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.len() + bytes.len() > BUFFER_BYTES_MAX {
            self.break_off(Malformed::new("stream", "has more bytes waiting than two messages hold"));
        }
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole message, when it is there.
    #[allow(clippy::should_implement_trait)] // It fails and it waits: an iterator does neither.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        if self.wanted.is_none() && self.broken.is_none() {
            self.skip_line_ends();
            match self.read_head() {
                Ok(wanted) => self.wanted = wanted,
                Err(error) => self.break_off(error),
            }
        }
        if let Some(error) = self.broken {
            return Err(error);
        }
        match self.wanted {
            Some(wanted) if wanted <= self.waiting() => Ok(Some(self.take(wanted))),
            _ => Ok(None),
        }
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn skip_line_ends(&mut self) {
        if self.searched == self.start {
            let rest = &self.buffer[self.start..];
            self.start += rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.searched = self.start;
        }
    }

    /// The length of head and body together, once the head is complete.
    fn read_head(&mut self) -> Result<Option<usize>, Malformed> {
        let Some(head) = self.find_head_end() else {
            if self.waiting() > MESSAGE_BYTES_MAX {
                return Err(Malformed::new("stream", "has a head longer than 65536 bytes"));
            }
            return Ok(None);
        };
        // Section 18.3 wants the length on every stream; without it there is no telling, and no body is the rule.
        let head = &self.buffer[self.start..head];
        let body = announced_length(head)?.unwrap_or(0);
        match head.len().checked_add(body) {
            Some(whole) if whole <= MESSAGE_BYTES_MAX => Ok(Some(whole)),
            _ => Err(Malformed::new("stream", "has a message longer than 65536 bytes")),
        }
    }

    /// Where the blank line ends, with or without carriage returns.
    fn find_head_end(&mut self) -> Option<usize> {
        for at in self.searched..self.buffer.len() {
            if self.buffer[at] == b'\n' && is_blank_line_end(&self.buffer[self.start..at]) {
                return Some(at + 1);
            }
        }
        self.searched = self.buffer.len();
        None
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let message = self.buffer[self.start..self.start + length].to_vec();
        self.start += length;
        self.searched = self.start;
        self.wanted = None;
        message
    }

    /// The head of the message that broke the frame, as far as it is there; empty when it was taken, or nothing broke.
    pub fn take_rejected(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rejected)
    }

    fn break_off(&mut self, error: Malformed) {
        if self.broken.is_none() {
            let head = self.find_head_end().unwrap_or(self.buffer.len());
            let rejected = self.buffer[self.start..head].to_vec();
            *self = Framer { broken: Some(error), rejected, ..Framer::default() };
        }
    }
}

/// Whether a line feed behind `before` ends an empty line.
fn is_blank_line_end(before: &[u8]) -> bool {
    before.strip_suffix(b"\r").unwrap_or(before).ends_with(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &[u8] = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 0\r\n\r\n";
    const WITH_BODY: &[u8] = b"MESSAGE sip:h SIP/2.0\r\nl : 7\r\n\r\nhe\r\n\r\no";

    fn take_all(framer: &mut Framer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| framer.next().unwrap()).collect()
    }

    #[test]
    fn messages_come_out_however_the_stream_is_cut() {
        let stream = [b"\r\n\r\n", PING, b"\r\n\r\n", WITH_BODY, WITH_BODY, b"\r\n", PING].concat();
        for size in [1, 2, 3, 7, 64, stream.len()] {
            let mut framer = Framer::new();
            let mut messages = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece);
                messages.extend(take_all(&mut framer));
            }
            assert_eq!(messages, [PING, WITH_BODY, WITH_BODY, PING], "pieces of {size}");
            assert_eq!(framer.waiting(), 0);
        }
    }

    #[test]
    fn a_length_is_read_as_the_tokenizer_reads_it() {
        // What stands before the body "abc", and how much of the body belongs to it.
        let table = [
            ("A sip:h SIP/2.0\r\nContent-Length:\r\n 2\r\n\r\n", 2),
            ("A sip:h SIP/2.0\r\nX: y\r\n Content-Length: 2\r\nL: 1\r\n\r\n", 1),
            ("A sip:h SIP/2.0\nContent-length : 3\n\n", 3),
            ("A sip:h SIP/2.0\r\nX: y\r\n\r\n", 0),
        ];
        for (head, body) in table {
            let mut framer = Framer::new();
            framer.push(format!("{head}abc").as_bytes());
            assert_eq!(framer.next().unwrap().unwrap().len(), head.len() + body, "{head}");
        }
    }

    #[test]
    fn a_stream_out_of_step_stays_broken() {
        for head in [
            "A sip:h SIP/2.0\r\nContent-Length: -1\r\n\r\n",
            "A sip:h SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "A sip:h SIP/2.0\r\nContent-Length: 65536\r\n\r\n",
            "A sip:h SIP/2.0\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        ] {
            let mut framer = Framer::new();
            framer.push(&[head.as_bytes(), b"and a body"].concat());
            assert!(framer.next().is_err(), "{head}");
            framer.push(PING);
            assert!(framer.next().is_err(), "{head}");
            assert_eq!(framer.take_rejected(), head.as_bytes());
            assert!(framer.take_rejected().is_empty());
            assert_eq!(framer.waiting(), 0);
        }
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let mut framer = Framer::new();
        let mut pushed = 0;
        while framer.next().is_ok() {
            framer.push(&[b'a'; 1000]);
            pushed += 1000;
            assert!(pushed <= MESSAGE_BYTES_MAX + 1000);
        }
        assert!(pushed > MESSAGE_BYTES_MAX);
        assert_eq!(framer.take_rejected().len(), pushed);
    }

    #[test]
    fn what_nobody_takes_does_not_pile_up() {
        let mut framer = Framer::new();
        (0..10_000).for_each(|_| framer.push(PING));
        assert_eq!(framer.waiting(), 0);
        assert!(framer.next().is_err());
    }
}
