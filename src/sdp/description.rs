//! A session description, read with bounds (RFC 8866), and the one audio stream in it that matters.

use super::answer::Unusable;
use super::crypto::Crypto;
use super::direction::Direction;
use sdp_types::{Attribute, Media, Session};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The longest description that is read, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 65_536;
/// The most media lines that are read.
pub const MEDIA_MAX: usize = 16;
/// The most attributes that are read, of session and media together.
pub const ATTRIBUTES_MAX: usize = 256;
/// The most formats that one media line may name.
pub const FORMATS_MAX: usize = 64;

/// Why a description cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session description cannot be read: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// A description that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    session: Session,
}

impl Description {
    /// Reads a description. Only version, time, connection, media and attribute lines count; the others cannot spoil
    /// it, and neither can a connection or an attribute without a value, or a second connection.
    pub fn parse(bytes: &[u8]) -> Result<Description, Malformed> {
        let malformed = |fault: &str| Malformed(fault.to_owned());
        if bytes.len() > DESCRIPTION_BYTES_MAX {
            return Err(malformed("it is longer than 65536 bytes"));
        }
        let text = relevant_lines(&decode(bytes))?;
        let session = Session::parse(text.as_bytes()).map_err(|error| malformed(&error.to_string()))?;
        Ok(Description { session })
    }

    /// Every media description, in order.
    pub(super) fn media(&self) -> &[Media] {
        &self.session.medias
    }

    /// The time lines, which an answer repeats (RFC 3264 section 6).
    pub(super) fn times(&self) -> &[sdp_types::Time] {
        &self.session.times
    }

    /// The media description at `index` with what it inherits from the session.
    pub(super) fn stream(&self, index: usize) -> Option<Stream<'_>> {
        let media = self.session.medias.get(index)?;
        Some(Stream { session: &self.session, media })
    }
}

/// One media description within its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream<'a> {
    session: &'a Session,
    media: &'a Media,
}

/// One rtpmap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mapping<'a> {
    pub(super) name: &'a str,
    pub(super) clock_hz: u32,
    /// One channel is what an audio mapping means without a number.
    pub(super) channels: u8,
}

impl<'a> Stream<'a> {
    pub(super) fn is_audio(self) -> bool {
        self.media.media.eq_ignore_ascii_case("audio")
    }

    /// Whether its profile demands protection (RFC 3711, RFC 5124).
    pub(super) fn is_secure_rtp(self) -> bool {
        ["RTP/SAVP", "RTP/SAVPF"].iter().any(|profile| self.media.proto.eq_ignore_ascii_case(profile))
    }

    /// The first key that we can use; the peer likes those before it better.
    pub(super) fn crypto(self) -> Option<Crypto> {
        attributes(&self.media.attributes, "crypto").find_map(Crypto::parse)
    }

    /// Whether it names keys at all, of use to us or not.
    pub(super) fn has_crypto(self) -> bool {
        self.has("crypto")
    }

    /// Whether RTCP may come on the port of RTP (RFC 5761).
    pub(super) fn has_rtcp_mux(self) -> bool {
        self.has("rtcp-mux")
    }

    fn has(self, name: &str) -> bool {
        self.media.attributes.iter().any(|attribute| attribute.attribute.eq_ignore_ascii_case(name))
    }

    /// Whether it is plain RTP over UDP. Feedback profiles are a superset that asks nothing of us.
    pub(super) fn is_plain_rtp(self) -> bool {
        ["RTP/AVP", "RTP/AVPF"].iter().any(|profile| self.media.proto.eq_ignore_ascii_case(profile))
    }

    /// The RTP port; 0 means that the stream is refused or gone (RFC 3264 sections 6 and 8.2).
    pub(super) fn port(self) -> u16 {
        self.media.port
    }

    /// The payload types in their order of preference.
    pub(super) fn payload_types(self) -> impl Iterator<Item = u8> + use<'a> {
        let formats = self.media.fmt.split_ascii_whitespace();
        formats.filter_map(|format| format.parse().ok()).filter(|payload_type| *payload_type < 128)
    }

    pub(super) fn mapping(self, payload_type: u8) -> Option<Mapping<'a>> {
        attributes(&self.media.attributes, "rtpmap").find_map(|value| {
            let (number, mapping) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
            if number.parse() != Ok(payload_type) {
                return None;
            }
            let mut parts = mapping.trim().split('/');
            Some(Mapping {
                name: parts.next()?.trim(),
                clock_hz: parts.next()?.trim().parse().ok()?,
                channels: parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?,
            })
        })
    }

    /// The direction that the peer says: its own, the session's, or both ways (RFC 8866 section 6.7).
    pub(super) fn direction(self) -> Direction {
        let find = |attributes: &[Attribute]| {
            attributes.iter().find_map(|attribute| Direction::from_name(&attribute.attribute))
        };
        find(&self.media.attributes).or_else(|| find(&self.session.attributes)).unwrap_or(Direction::BOTH)
    }

    /// How many milliseconds of audio the peer would like in a packet.
    pub(super) fn ptime_ms(self) -> Option<u32> {
        self.milliseconds("ptime")
    }

    /// How many milliseconds of audio a packet to the peer may hold at most.
    pub(super) fn maxptime_ms(self) -> Option<u32> {
        self.milliseconds("maxptime")
    }

    fn milliseconds(self, name: &str) -> Option<u32> {
        // Some write "20.0"; nobody means a fraction.
        attributes(&self.media.attributes, name).next()?.trim().split('.').next()?.parse().ok()
    }

    /// Where the peer takes RTP: its address, which may be unspecified, and port.
    pub(super) fn remote(self) -> Result<SocketAddr, Unusable> {
        let connection = self.media.connections.first().or(self.session.connection.as_ref());
        let connection = connection.ok_or(Unusable::NoAddress)?;
        let address = read_address(&connection.connection_address)?;
        Ok(SocketAddr::new(address, self.port()))
    }

    /// Where the peer takes RTCP: what it says (RFC 3605), or the next port. The address there, when it is given, is
    /// the peer's own to choose, but one of another family than the RTP's leads nowhere.
    pub(super) fn remote_rtcp(self, rtp: SocketAddr) -> SocketAddr {
        let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let Some(value) = attributes(&self.media.attributes, "rtcp").next() else { return next };
        let mut words = value.split_ascii_whitespace();
        let port = match words.next().and_then(|port| port.parse().ok()) {
            Some(port) if port != 0 => port,
            _ => return next,
        };
        let address = words.nth(2).and_then(|address| read_address(address).ok());
        let address = address.filter(|address| address.is_ipv4() == rtp.is_ipv4());
        SocketAddr::new(address.unwrap_or(rtp.ip()), port)
    }
}

/// Addresses only: a name would have to be looked up, and nobody sends one.
fn read_address(text: &str) -> Result<IpAddr, Unusable> {
    let text = text.split('/').next().unwrap_or(text);
    let address: IpAddr = text.parse().map_err(|_| Unusable::NoAddress)?;
    let is_broadcast = address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    if address.is_multicast() || is_broadcast {
        return Err(Unusable::NotUnicast);
    }
    Ok(address)
}

fn attributes<'a>(list: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    let found = list.iter().filter(move |attribute| attribute.attribute.eq_ignore_ascii_case(name));
    found.filter_map(|attribute| attribute.value.as_deref())
}

/// The lines that count, with single blanks between their words, and counted.
fn relevant_lines(text: &str) -> Result<String, Malformed> {
    let too_many = |what: &str| Err(Malformed(format!("it has too many {what}")));
    let (mut media, mut attributes) = (0, 0);
    let mut is_connected = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.trim();
        let Some((key @ ("v" | "t" | "c" | "m" | "a"), value)) = line.split_once('=') else { continue };
        match key {
            // Without a value it says nothing. A media line must be answered all the same, by one of its kind (RFC 3264, 6): such
            // a one spoils the description.
            "a" | "c" if value.trim().is_empty() => continue,
            // The first one is read; more belong to layers of multicast (RFC 8866, 5.7).
            "c" if std::mem::replace(&mut is_connected, true) => continue,
            "m" => {
                media += 1;
                is_connected = false;
                if value.split_ascii_whitespace().count() > FORMATS_MAX + 3 {
                    return too_many("formats in one media line");
                }
            }
            "a" => attributes += 1,
            "t" if !is_time(value) => continue,
            _ => {}
        }
        out.push_str(key);
        out.push('=');
        for (at, word) in value.split_ascii_whitespace().enumerate() {
            if at > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
        out.push_str("\r\n");
    }
    match () {
        () if media > MEDIA_MAX => too_many("media lines"),
        () if attributes > ATTRIBUTES_MAX => too_many("attributes"),
        () => Ok(out),
    }
}

fn is_time(value: &str) -> bool {
    value.split_ascii_whitespace().map(str::parse::<u64>).filter(Result::is_ok).count() == 2
        && value.split_ascii_whitespace().count() == 2
}

/// UTF-8, or else Latin-1.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream_of(lines: &str) -> Description {
        Description::parse(format!("v=0\r\n{lines}").as_bytes()).unwrap()
    }

    #[test]
    fn careless_descriptions_are_read() {
        let text = b"\r\nv=0 \no=- 99999999999999999999 1 IN IP4 h extra\ns=\nc=IN  IP4\t192.0.2.1\nb=AS:sixty-four\n\
            e=J\xfcrgen\nt=now\nnonsense\nm=audio  4000 RTP/AVP  0 101 \na=rtpmap:101  telephone-event/8000\na=ptime:20.0";
        let description = Description::parse(text).unwrap();
        let stream = description.stream(0).unwrap();
        assert_eq!(stream.payload_types().collect::<Vec<_>>(), [0, 101]);
        assert_eq!(stream.remote(), Ok("192.0.2.1:4000".parse().unwrap()));
        assert_eq!(stream.mapping(101).unwrap().name, "telephone-event");
        assert_eq!(stream.ptime_ms(), Some(20));
        assert_eq!(stream.mapping(0), None);
    }

    #[test]
    fn empty_lines_and_a_second_connection_do_not_spoil_a_description() {
        let media = "m=audio 4000 RTP/AVP 0\r\n";
        for text in [
            format!("c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n{media}"),
            format!("c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\n{media}"),
            format!("c=IN IP4 192.0.2.1\r\nc=\r\na=\r\n{media}a= \r\nc=\r\na=ptime:20\r\n"),
            format!("c=\r\n{media}c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\nc=IN\r\na=ptime:20\r\n"),
        ] {
            let description = stream_of(&text);
            let stream = description.stream(0).unwrap();
            assert_eq!(stream.remote(), Ok("192.0.2.1:4000".parse().unwrap()), "{text}");
            assert_eq!(stream.ptime_ms(), text.contains("ptime").then_some(20), "{text}");
        }
    }

    #[test]
    fn what_is_no_description_is_refused() {
        let many = |line: &str, count: usize| format!("v=0\r\nm=audio 1 RTP/AVP 0\r\n{}", line.repeat(count));
        for text in [
            String::new(),
            "m=audio 4000 RTP/AVP 0\r\n".into(),
            "v=1\r\nm=audio 4000 RTP/AVP 0\r\n".into(),
            "v=0\r\nm=audio\r\n".into(),
            "v=0\r\nm=audio 4000 RTP/AVP 0\r\nm=\r\n".into(),
            "v=0\r\nm=audio port RTP/AVP 0\r\n".into(),
            "v=0\r\nm=audio 70000 RTP/AVP 0\r\n".into(),
            "v=0\r\nc=IN IP4\r\n".into(),
            many("m=audio 1 RTP/AVP 0\r\n", MEDIA_MAX),
            many("a=x\r\n", ATTRIBUTES_MAX + 1),
            format!("v=0\r\nm=audio 1 RTP/AVP{}\r\n", " 0".repeat(FORMATS_MAX + 1)),
            " ".repeat(DESCRIPTION_BYTES_MAX + 1),
        ] {
            assert!(Description::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Description::parse(many("a=x\r\n", ATTRIBUTES_MAX).as_bytes()).is_ok());
    }

    #[test]
    fn the_media_line_overrides_the_session() {
        let description = stream_of(
            "c=IN IP4 192.0.2.1\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\n\
             c=IN IP6 2001:db8::1\r\na=inactive\r\n",
        );
        let (first, second) = (description.stream(0).unwrap(), description.stream(1).unwrap());
        assert_eq!(first.remote(), Ok("192.0.2.1:4000".parse().unwrap()));
        assert_eq!(first.direction(), Direction::SEND_ONLY);
        assert_eq!(second.remote(), Ok("[2001:db8::1]:4002".parse().unwrap()));
        assert_eq!(second.direction(), Direction::NONE);
        assert!(description.stream(2).is_none());
    }

    #[test]
    fn rtcp_goes_where_the_peer_says_or_one_port_up() {
        let table = [
            ("", "192.0.2.1:4001"),
            ("a=rtcp:53020\r\n", "192.0.2.1:53020"),
            ("a=rtcp:53020 IN IP4 192.0.2.9\r\n", "192.0.2.9:53020"),
            ("a=rtcp:53020 IN IP6 2001:db8::1\r\n", "192.0.2.1:53020"),
            ("a=rtcp:0\r\n", "192.0.2.1:4001"),
            ("a=rtcp:many\r\n", "192.0.2.1:4001"),
            ("a=rtcp\r\n", "192.0.2.1:4001"),
        ];
        for (attribute, expected) in table {
            let text = format!("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n{attribute}");
            let description = stream_of(&text);
            let stream = description.stream(0).unwrap();
            let rtcp = stream.remote_rtcp(stream.remote().unwrap());
            assert_eq!(rtcp, expected.parse().unwrap(), "{attribute}");
        }
    }
}
