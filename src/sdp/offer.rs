//! Writing our side of a session (RFC 3264 section 5).

use super::codec::Codec;
use super::direction::Direction;
use sdp_types::{Connection, Media, MediaType, Origin, Session, Time, TransportProto};
use std::net::IpAddr;

/// Our side of a session: what we offer, or what we are ready to answer with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer<'a> {
    /// Names the session for its whole life.
    pub session_id: u64,
    /// Rises by one whenever the description changes (RFC 3264 section 8).
    pub version: u64,
    /// Where we take RTP.
    pub address: IpAddr,
    /// The RTP port; RTCP is at the next.
    pub port: u16,
    /// Best first.
    pub codecs: &'a [Codec],
    /// Our payload type for telephone-event (RFC 4733), 96 to 127, when we take them.
    pub telephone_event: Option<u8>,
    /// How many milliseconds of audio we like in a packet.
    pub ptime_ms: u8,
    /// Which way media is to flow, seen from us.
    pub direction: Direction,
}

/// The description of an offer, for the body of an INVITE.
pub fn offer(local: &Offer) -> Vec<u8> {
    let mut session = session(local, vec![Time::new(0, 0)]);
    session.medias.push(audio(local, local.codecs, local.telephone_event, local.direction));
    write(&session)
}

/// Everything above the media lines.
pub(super) fn session(local: &Offer, times: Vec<Time>) -> Session {
    let mut session = Session::new(Origin::with_ip_addr(local.session_id, local.version, local.address), "-");
    session.connection = Some(Connection::from_ip_addr(local.address));
    session.times = times;
    session
}

/// Our audio stream.
pub(super) fn audio(
    local: &Offer,
    codecs: &[Codec],
    telephone_event: Option<u8>,
    direction: Direction,
) -> Media {
    let audio = codecs.iter().map(|codec| codec.payload_type());
    let formats: Vec<String> = audio.chain(telephone_event).map(|number| number.to_string()).collect();
    let mut media = Media::new(MediaType::Audio, local.port, TransportProto::RtpAvp, formats.join(" "));
    // Static payload types need no mapping, but some gateways want one.
    for codec in codecs {
        let mapping = format!("{} {}/{}", codec.payload_type(), codec.name(), codec.clock_hz());
        media.add_attribute_with_value("rtpmap", mapping);
    }
    if let Some(number) = telephone_event {
        media.add_attribute_with_value("rtpmap", format!("{number} telephone-event/8000"));
        // The sixteen keys (RFC 4733 section 3.2).
        media.add_attribute_with_value("fmtp", format!("{number} 0-15"));
    }
    media.add_attribute_with_value("ptime", local.ptime_ms);
    media.add_attribute_from_str(direction.name());
    media
}

pub(super) fn write(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    session.write(&mut bytes).expect("writing into memory cannot fail");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_written_line_by_line() {
        let local = Offer {
            session_id: 7,
            version: 1,
            address: "192.0.2.5".parse().unwrap(),
            port: 20_000,
            codecs: &[Codec::Pcma, Codec::Pcmu],
            telephone_event: Some(101),
            ptime_ms: 20,
            direction: Direction::BOTH,
        };
        let text = String::from_utf8(offer(&local)).unwrap();
        let expected = [
            "v=0",
            "o=- 7 1 IN IP4 192.0.2.5",
            "s=-",
            "c=IN IP4 192.0.2.5",
            "t=0 0",
            "m=audio 20000 RTP/AVP 8 0 101",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            "a=sendrecv",
            "",
        ];
        assert_eq!(text.split("\r\n").collect::<Vec<_>>(), expected);
    }

    #[test]
    fn hold_and_ipv6_are_said_as_they_should() {
        let local = Offer {
            session_id: u64::MAX,
            version: 2,
            address: "2001:db8::5".parse().unwrap(),
            port: 20_000,
            codecs: &[Codec::Pcmu],
            telephone_event: None,
            ptime_ms: 20,
            direction: Direction::SEND_ONLY,
        };
        let text = String::from_utf8(offer(&local)).unwrap();
        assert!(text.contains("c=IN IP6 2001:db8::5\r\n"), "{text}");
        assert!(text.contains("o=- 18446744073709551615 2 IN IP6 2001:db8::5\r\n"), "{text}");
        assert!(text.ends_with("a=sendonly\r\n"), "{text}");
        assert!(!text.contains("telephone-event"), "{text}");
    }
}
