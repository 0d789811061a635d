//! The carrier's own view of SDP (RFC 8866, RFC 3264): read what the other side wants, write what the carrier gives.
//!
//! It is written apart from the engine's offer and answer code, so that a shared mistake cannot hide between the two.
//! It knows one audio stream with PCMU, PCMA and telephone-event, and nothing else.

use crate::audio::g711::Law;
use std::net::{IpAddr, SocketAddr};

/// Who may send, seen from the one who wrote the description (RFC 3264, 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// Its writer only.
    SendOnly,
    /// The other side only.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// The same seen from the other side.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            both_or_none => both_or_none,
        }
    }

    /// Whether the description's writer sends.
    pub fn writer_sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    fn word(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// What matters of a description.
#[derive(Clone, PartialEq, Debug)]
pub struct Description {
    /// Where its writer takes RTP.
    pub address: SocketAddr,
    /// Where its writer takes RTCP: the port above, unless `a=rtcp` says otherwise (RFC 3605).
    pub rtcp: SocketAddr,
    /// G.711 laws with their payload types, in the writer's order.
    pub laws: Vec<(Law, u8)>,
    /// The payload type of telephone-event at 8 kHz.
    pub telephone_event: Option<u8>,
    /// Who sends.
    pub direction: Direction,
}

/// Reads the first audio stream of a description; nothing when there is none that the carrier could use.
pub fn read(bytes: &[u8]) -> Option<Description> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.lines().map(str::trim_end);
    if lines.next()? != "v=0" {
        return None;
    }
    let mut reading = Reading::default();
    for line in lines {
        let (kind, value) = line.split_once('=')?;
        match kind {
            "m" if reading.in_audio => break,
            "m" if value.starts_with("audio ") => reading.media(value)?,
            "m" => reading.elsewhere = true,
            "c" if !reading.elsewhere || reading.in_audio => reading.address = connection(value),
            "a" if !reading.elsewhere || reading.in_audio => reading.attribute(value),
            _ => {}
        }
    }
    reading.finish()
}

/// Writes a description with one audio stream.
pub fn write(description: &Description, session: u64, version: u64) -> Vec<u8> {
    use std::fmt::Write;
    let (ip, port) = (description.address.ip(), description.address.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let formats =
        description.laws.iter().map(|(_, payload_type)| *payload_type).chain(description.telephone_event);
    let formats: Vec<String> = formats.map(|payload_type| payload_type.to_string()).collect();
    let mut text = format!(
        "v=0\r\no=carrier {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {}\r\n",
        formats.join(" ")
    );
    // Writing into a String cannot fail.
    for (law, payload_type) in &description.laws {
        let _ = write!(text, "a=rtpmap:{payload_type} {}/8000\r\n", name(*law));
    }
    if let Some(payload_type) = description.telephone_event {
        let _ =
            write!(text, "a=rtpmap:{payload_type} telephone-event/8000\r\na=fmtp:{payload_type} 0-15\r\n");
    }
    let _ = write!(text, "a=ptime:20\r\na={}\r\n", description.direction.word());
    text.into_bytes()
}

fn name(law: Law) -> &'static str {
    match law {
        Law::Mu => "PCMU",
        Law::A => "PCMA",
    }
}

#[derive(Default)]
struct Reading {
    address: Option<IpAddr>,
    port: u16,
    rtcp_port: Option<u16>,
    formats: Vec<u8>,
    /// Payload types with their upper-case encoding name and clock, as `a=rtpmap` gives them.
    maps: Vec<(u8, String)>,
    direction: Option<Direction>,
    in_audio: bool,
    elsewhere: bool,
}

impl Reading {
    fn media(&mut self, value: &str) -> Option<()> {
        let mut words = value.split_ascii_whitespace().skip(1);
        self.port = words.next()?.parse().ok()?;
        if words.next()? != "RTP/AVP" {
            return None;
        }
        self.formats = words.filter_map(|word| word.parse().ok()).collect();
        self.in_audio = true;
        Some(())
    }

    fn attribute(&mut self, value: &str) {
        let (key, value) = value.split_once(':').unwrap_or((value, ""));
        match key {
            "sendrecv" => self.direction = Some(Direction::SendRecv),
            "sendonly" => self.direction = Some(Direction::SendOnly),
            "recvonly" => self.direction = Some(Direction::RecvOnly),
            "inactive" => self.direction = Some(Direction::Inactive),
            "rtcp" => {
                self.rtcp_port = value.split_ascii_whitespace().next().and_then(|port| port.parse().ok())
            }
            "rtpmap" => {
                let (format, encoding) = value.split_once(' ').unwrap_or((value, ""));
                if let Ok(format) = format.parse() {
                    self.maps.push((format, encoding.trim().to_ascii_uppercase()));
                }
            }
            _ => {}
        }
    }

    fn finish(self) -> Option<Description> {
        let (ip, true) = (self.address?, self.port != 0) else { return None };
        let mapped = |format: u8| self.maps.iter().find(|(f, _)| *f == format).map(|(_, name)| name.as_str());
        let law = |format: u8| match (format, mapped(format)) {
            (_, Some("PCMU/8000" | "PCMU/8000/1")) | (0, None) => Some(Law::Mu),
            (_, Some("PCMA/8000" | "PCMA/8000/1")) | (8, None) => Some(Law::A),
            _ => None,
        };
        let laws: Vec<_> = self.formats.iter().filter_map(|f| law(*f).map(|law| (law, *f))).collect();
        let event = |format: &&u8| mapped(**format) == Some("TELEPHONE-EVENT/8000");
        (!laws.is_empty()).then(|| Description {
            address: SocketAddr::new(ip, self.port),
            rtcp: SocketAddr::new(ip, self.rtcp_port.unwrap_or(self.port.saturating_add(1))),
            telephone_event: self.formats.iter().find(event).copied(),
            laws,
            direction: self.direction.unwrap_or(Direction::SendRecv),
        })
    }
}

fn connection(value: &str) -> Option<IpAddr> {
    let address = value.split_ascii_whitespace().nth(2)?;
    address.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let description = Description {
            address: "127.0.0.1:40000".parse().unwrap(),
            rtcp: "127.0.0.1:40001".parse().unwrap(),
            laws: vec![(Law::A, 8), (Law::Mu, 0)],
            telephone_event: Some(101),
            direction: Direction::SendOnly,
        };
        assert_eq!(read(&write(&description, 7, 1)), Some(description));
    }

    #[test]
    fn static_formats_need_no_map_and_other_media_are_passed_over() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                    m=video 5000 RTP/AVP 99\r\nc=IN IP4 192.0.2.5\r\na=inactive\r\n\
                    m=audio 4000 RTP/AVP 9 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=rtcp:4003\r\n";
        let description = read(text.as_bytes()).unwrap();
        assert_eq!(description.address, "192.0.2.9:4000".parse().unwrap());
        assert_eq!(description.rtcp.port(), 4003);
        assert_eq!((description.laws, description.telephone_event), (vec![(Law::A, 8)], Some(96)));
        assert_eq!(description.direction, Direction::SendRecv);
    }

    #[test]
    fn a_description_without_usable_audio_is_refused() {
        for text in [
            "",
            "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n",
            "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 9\r\n",
            "v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
            "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 0\r\n",
            "nonsense",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
