//! What becomes of one message alone: whether it is read, why not, and what its sender is answered.
//!
//! The message meets an endpoint that has no call, as if it came in a datagram from an address that requests are taken
//! from. So a collection of messages can be held against the RFCs without a network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::endpoint::{Endpoint, Options, Output};
use super::malformed::Malformed;
use super::message::Message;
use crate::rng::Rng;
use crate::time::Instant;

/// From where the message seems to come (RFC 5737).
const SOURCE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

/// The judgement on one message.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The message as it was read, or its fault.
    pub message: Result<Message, Malformed>,
    /// The final response that goes back, byte for byte; `None` when nothing is answered.
    pub answer: Option<Vec<u8>>,
}

impl Verdict {
    /// Judges one message, with nothing before or behind it but line ends.
    pub fn of(bytes: &[u8]) -> Verdict {
        let mut endpoint = Endpoint::new(Options::default(), Rng::from_seed(1));
        endpoint.allow_source(SOURCE.ip());
        endpoint.handle_datagram(Instant::ZERO, SOURCE, bytes);
        let mut answer = None;
        while let Some(output) = endpoint.poll_output() {
            if let Output::Transmit { bytes, .. } = output
                && status_of(&bytes).is_some_and(|(status, _)| status >= 200)
            {
                answer = Some(bytes);
            }
        }
        Verdict { message: Message::parse(bytes), answer }
    }

    /// Status and phrase of the answer.
    pub fn answered(&self) -> Option<(u16, String)> {
        status_of(self.answer.as_deref()?)
    }
}

/// An answer to a message without essentials lacks them too, so it is not read as a message.
fn status_of(bytes: &[u8]) -> Option<(u16, String)> {
    let line = bytes.split(|&byte| byte == b'\r').next()?;
    let text = std::str::from_utf8(line).ok()?.strip_prefix("SIP/2.0 ")?;
    let (status, phrase) = text.split_once(' ').unwrap_or((text, ""));
    Some((status.parse().ok()?, phrase.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_alone_is_judged_with_its_answer() {
        let head = "Via: SIP/2.0/UDP h\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1";
        let verdict = Verdict::of(format!("INVITE sip:b@h SIP/2.0\r\n{head} INVITE\r\n\r\n").as_bytes());
        assert!(verdict.message.is_ok());
        assert_eq!(verdict.answered(), Some((403, "Forbidden".to_owned())));
        let verdict = Verdict::of(format!("BYE sip:b@h SIP/2.0\r\n{head} INVITE\r\n\r\n").as_bytes());
        assert_eq!(verdict.message.unwrap_err().place, "CSeq");
        let verdict = Verdict::of(format!("SIP/2.0 200 OK\r\n{head} INVITE\r\n\r\n").as_bytes());
        assert!(verdict.message.is_ok() && verdict.answered().is_none());
        assert!(Verdict::of(b"").message.is_err());
    }
}
