//! One SIP message as it passed: its time, its two ends, and what can be read off it without understanding it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::time::{Instant, Now};

/// Microseconds since 1970-01-01T00:00:00Z: the clock of captures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Micros(pub u64);

/// Civil time made of the monotonic clock, so that a step of the system's clock does not shuffle a trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeline {
    start: u64,
}

impl Timeline {
    /// The two clocks as they stand to each other now.
    pub fn of(now: Now) -> Timeline {
        let wall = u64::try_from(now.wall.unix_ms()).unwrap_or(0).saturating_mul(1_000);
        Timeline { start: wall.saturating_sub(now.instant.since_start().as_micros() as u64) }
    }

    /// The civil time of a moment.
    pub fn at(self, instant: Instant) -> Micros {
        Micros(self.start.saturating_add(instant.since_start().as_micros() as u64))
    }
}

impl Micros {
    /// Since 1970.
    pub fn since_1970(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

/// One message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// When it passed.
    pub at: Micros,
    /// Whether we sent it.
    pub sent: bool,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// The message.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// Where it comes from.
    pub fn source(&self) -> SocketAddr {
        if self.sent { self.local } else { self.peer }
    }

    /// Where it goes.
    pub fn destination(&self) -> SocketAddr {
        if self.sent { self.peer } else { self.local }
    }
}

/// The head of a message (start line and headers, without the empty line) and its body.
pub fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let blank = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    match (blank(b"\r\n\r\n"), blank(b"\n\n")) {
        (Some(at), other) if other.is_none_or(|other| at < other) => (&bytes[..at], &bytes[at + 4..]),
        (_, Some(at)) => (&bytes[..at], &bytes[at + 2..]),
        _ => (bytes, &[]),
    }
}

/// The value of the first header of this name, in its long or its compact form (empty when it has none).
pub fn header<'a>(bytes: &'a [u8], name: &str, compact: &str) -> Option<&'a str> {
    let (head, _) = split(bytes);
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let (key, value) = line.split_once(':')?;
        let key = key.trim_end();
        let named =
            key.eq_ignore_ascii_case(name) || (!compact.is_empty() && key.eq_ignore_ascii_case(compact));
        named.then_some(value.trim())
    })
}

/// The Call-ID.
pub fn call_id(bytes: &[u8]) -> Option<&str> {
    header(bytes, "Call-ID", "i").filter(|call_id| !call_id.is_empty())
}

/// The first line.
pub fn start_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).trim_end().to_owned()
}

/// The method of a request; `None` for a response.
pub fn method(bytes: &[u8]) -> Option<&str> {
    let word = bytes.split(|byte| byte.is_ascii_whitespace()).next()?;
    std::str::from_utf8(word).ok().filter(|word| !word.is_empty() && !word.contains('/'))
}

/// What a ladder writes on the arrow: `INVITE`, `180 Ringing`, `200 OK (BYE)`.
pub fn label(bytes: &[u8]) -> String {
    if let Some(method) = method(bytes) {
        return method.to_owned();
    }
    let line = start_line(bytes);
    let status = line.split_once(' ').map_or(line.as_str(), |(_, status)| status).trim().to_owned();
    match header(bytes, "CSeq", "").and_then(|cseq| cseq.split_whitespace().nth(1)) {
        Some(method) if !method.eq_ignore_ascii_case("INVITE") => format!("{status} ({method})"),
        _ => status,
    }
}

/// The transport that the topmost Via names: `UDP`, `TCP`, `TLS`.
pub fn transport(bytes: &[u8]) -> &str {
    let named = header(bytes, "Via", "v").and_then(|via| via.split_whitespace().next()?.rsplit('/').next());
    named.filter(|word| !word.is_empty() && word.len() <= 8).unwrap_or("UDP")
}

/// A session description in one line: codecs, address, direction.
pub fn sdp_summary(bytes: &[u8]) -> Option<String> {
    let (_, body) = split(bytes);
    let text = std::str::from_utf8(body).ok()?;
    let start = text.find("v=0")?;
    let mut address = "";
    let mut media: Option<(&str, Vec<&str>)> = None;
    let mut names: Vec<(&str, &str)> = Vec::new();
    let mut direction = "sendrecv";
    for line in text[start..].lines().map(str::trim) {
        match line.split_once('=') {
            Some(("c", value)) => address = value.rsplit(' ').next().unwrap_or(""),
            Some(("m", value)) if media.is_none() => {
                let mut words = value.split_whitespace();
                let (_kind, port, _profile) = (words.next()?, words.next()?, words.next()?);
                media = Some((port, words.collect()));
            }
            Some(("m", _)) => break,
            Some(("a", value)) => match value.split_once(':') {
                Some(("rtpmap", map)) => names.extend(map.split_once(' ')),
                None if ["sendrecv", "sendonly", "recvonly", "inactive"].contains(&value) => {
                    direction = value
                }
                _ => {}
            },
            _ => {}
        }
    }
    let (port, formats) = media?;
    let codecs: Vec<&str> = formats.iter().take(8).map(|format| codec(format, &names)).collect();
    Some(format!("SDP {address}:{port} {} {direction}", codecs.join(" ")))
}

fn codec<'a>(format: &'a str, names: &[(&'a str, &'a str)]) -> &'a str {
    let mapped = names.iter().find(|(number, _)| *number == format);
    match (mapped, format) {
        (Some((_, name)), _) => name.split('/').next().unwrap_or(name),
        (None, "0") => "PCMU",
        (None, "8") => "PCMA",
        (None, "9") => "G722",
        (None, "13") => "CN",
        (None, "18") => "G729",
        (None, other) => other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An INVITE of ours with an offer.
    pub(in crate::trace) const INVITE: &str = "INVITE sip:+12025550101@192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
        From: \"Acme 2025550100\" <sip:+12025550100@192.0.2.9>;tag=12345678\r\nTo: <sip:+12025550101@192.0.2.1>\r\n\
        Call-ID: 123456789abc\r\nCSeq: 4711 INVITE\r\nContact: <sip:+12025550100@192.0.2.9:5060;transport=tcp>\r\n\
        Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n\
        v=0\r\no=- 12345678901 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
        m=audio 16384 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

    #[test]
    fn a_message_is_read_without_being_parsed() {
        let bytes = INVITE.as_bytes();
        assert_eq!(call_id(bytes), Some("123456789abc"));
        assert_eq!((method(bytes), transport(bytes)), (Some("INVITE"), "TCP"));
        assert_eq!(label(bytes), "INVITE");
        assert_eq!(
            sdp_summary(bytes).as_deref(),
            Some("SDP 192.0.2.9:16384 PCMU PCMA telephone-event sendrecv")
        );
        assert_eq!(label(b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n"), "180 Ringing");
        assert_eq!(label(b"SIP/2.0 200 OK\r\ncseq : 2 BYE\r\n\r\n"), "200 OK (BYE)");
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        assert_eq!(call_id(b""), None);
        assert_eq!(call_id(b"x\ni: short"), Some("short"));
        assert_eq!(call_id(b"INVITE\r\n\r\nCall-ID: of the body\r\n"), None);
        assert_eq!(method(b"SIP/2.0 200"), None);
        assert_eq!(label(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(transport(b"x\r\nVia: \r\n"), "UDP");
        assert_eq!(sdp_summary(b"x\r\n\r\nv=0\r\nm=audio\r\n"), None);
        assert_eq!(split(b"a\n\nb").1, b"b");
    }

    #[test]
    fn a_step_of_the_clock_does_not_turn_the_order_round() {
        let now = |ms, wall| Now {
            instant: Instant::from_start(Duration::from_millis(ms)),
            wall: crate::time::WallTime::from_unix_ms(wall),
        };
        let line = Timeline::of(now(500, 1_000_000));
        assert_eq!(line.at(now(500, 0).instant), Micros(1_000_000_000));
        assert_eq!(line.at(now(501, -3_600_000).instant), Micros(1_000_001_000));
    }
}
