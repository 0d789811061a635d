//! Writing our side of a session (RFC 3264 section 5).

use super::codec::Codec;
use super::crypto::{Crypto, Security};
use super::direction::Direction;
use super::refused::Refused;
use sdp_types::{Connection, Media, MediaType, Origin, Session, Time, TransportProto};
use std::net::IpAddr;

/// Our side of a session: what we offer, or what we are ready to answer with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer<'a> {
    /// Lines that the session has before our audio, all of them refused; of offers only.
    pub before: &'a [Refused],
    /// Those behind it.
    pub after: &'a [Refused],
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
    /// While nothing is said we send its level only, where the peer makes comfort noise of it (RFC 3389).
    pub comfort_noise: bool,
    /// How many milliseconds of audio we like in a packet.
    pub ptime_ms: u8,
    /// Which way media is to flow, seen from us.
    pub direction: Direction,
    /// We take RTCP on the port of RTP too (RFC 5761).
    pub rtcp_mux: bool,
    /// Whether media is protected.
    pub security: Security,
}

/// The most milliseconds of audio in a packet, as we tell those who ask.
const MAXPTIME_MS: u8 = 60;

/// The description of an offer, for the body of an INVITE.
pub fn offer(local: &Offer) -> Vec<u8> {
    let mut session = session(local, vec![Time::new(0, 0)]);
    let proto = match local.security {
        Security::Required(_) => TransportProto::RtpSavp,
        Security::Plain | Security::Optional(_) => TransportProto::RtpAvp,
    };
    let crypto: Vec<Crypto> = local.security.lines().collect();
    session.medias.extend(local.before.iter().map(Refused::line));
    session.medias.push(audio(&Audio {
        port: local.port,
        proto: proto.to_string(),
        formats: &local.codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect::<Vec<_>>(),
        telephone_event: local.telephone_event,
        comfort_noise: local.comfort_noise,
        ptime_ms: local.ptime_ms,
        maxptime: false,
        direction: local.direction,
        rtcp_mux: local.rtcp_mux,
        crypto: &crypto,
    }));
    session.medias.extend(local.after.iter().map(Refused::line));
    write(&session)
}

/// Everything above the media lines.
pub(super) fn session(local: &Offer, times: Vec<Time>) -> Session {
    let mut session = Session::new(Origin::with_ip_addr(local.session_id, local.version, local.address), "-");
    session.connection = Some(Connection::from_ip_addr(local.address));
    session.times = times;
    session
}

/// What our audio stream says.
pub(super) struct Audio<'a> {
    pub(super) port: u16,
    pub(super) proto: String,
    /// The codecs by their payload types.
    pub(super) formats: &'a [(u8, Codec)],
    pub(super) telephone_event: Option<u8>,
    /// Comfort noise (RFC 3389), of which we take the peer's in any case.
    pub(super) comfort_noise: bool,
    pub(super) ptime_ms: u8,
    /// The peer has named its longest packet, and hears ours.
    pub(super) maxptime: bool,
    pub(super) direction: Direction,
    pub(super) rtcp_mux: bool,
    pub(super) crypto: &'a [Crypto],
}

/// The static payload type of comfort noise.
pub(super) const COMFORT_NOISE: u8 = 13;

/// Our audio stream.
pub(super) fn audio(local: &Audio<'_>) -> Media {
    let audio = local.formats.iter().map(|(number, _)| *number);
    let noise = local.comfort_noise.then_some(COMFORT_NOISE);
    let formats: Vec<String> =
        audio.chain(local.telephone_event).chain(noise).map(|number| number.to_string()).collect();
    let mut media = Media::new(MediaType::Audio, local.port, TransportProto::RtpAvp, formats.join(" "));
    media.proto.clone_from(&local.proto);
    // Static payload types need no mapping, but some gateways want one.
    for (number, codec) in local.formats {
        let mapping = format!("{number} {}/{}", codec.name(), codec.clock_hz());
        media.add_attribute_with_value("rtpmap", mapping);
    }
    if let Some(number) = local.telephone_event {
        media.add_attribute_with_value("rtpmap", format!("{number} telephone-event/8000"));
        // The sixteen keys (RFC 4733 section 3.2).
        media.add_attribute_with_value("fmtp", format!("{number} 0-15"));
    }
    if local.comfort_noise {
        media.add_attribute_with_value("rtpmap", format!("{COMFORT_NOISE} CN/8000"));
    }
    for crypto in local.crypto {
        media.add_attribute_with_value("crypto", crypto.text());
    }
    media.add_attribute_with_value("ptime", local.ptime_ms);
    if local.maxptime {
        media.add_attribute_with_value("maxptime", MAXPTIME_MS);
    }
    if local.rtcp_mux {
        media.add_attribute_from_str("rtcp-mux");
    }
    media.add_attribute_from_str(local.direction.name());
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
            before: &[],
            after: &[],
            session_id: 7,
            version: 1,
            address: "192.0.2.5".parse().unwrap(),
            port: 20_000,
            codecs: &[Codec::Pcma, Codec::Pcmu],
            telephone_event: Some(101),
            comfort_noise: false,
            ptime_ms: 20,
            direction: Direction::BOTH,
            rtcp_mux: false,
            security: Security::Plain,
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
    fn protection_and_the_shared_port_are_offered_when_they_are_wanted() {
        let key = crate::sdp::MasterKey(*b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#");
        let local = Offer {
            before: &[],
            after: &[],
            session_id: 7,
            version: 1,
            address: "192.0.2.5".parse().unwrap(),
            port: 20_000,
            codecs: &[Codec::Pcma],
            telephone_event: None,
            comfort_noise: false,
            ptime_ms: 20,
            direction: Direction::BOTH,
            rtcp_mux: true,
            security: Security::Required(key),
        };
        let required = String::from_utf8(offer(&local)).unwrap();
        let [first, second] =
            ["d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj", "OCTH6edVwFmBsfogNX0hYhhLVc1A2Mi4c428UsaR"];
        let expected = format!(
            "m=audio 20000 RTP/SAVP 8\r\n\
            a=rtpmap:8 PCMA/8000\r\n\
            a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{first}\r\n\
            a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{second}\r\n\
            a=ptime:20\r\na=rtcp-mux\r\na=sendrecv\r\n"
        );
        assert!(required.ends_with(&expected), "{required}");
        let optional = offer(&Offer { security: Security::Optional(key), ..local });
        assert_eq!(String::from_utf8(optional).unwrap(), required.replace("SAVP", "AVP"));
    }

    #[test]
    fn hold_and_ipv6_are_said_as_they_should() {
        let local = Offer {
            before: &[],
            after: &[],
            session_id: u64::MAX,
            version: 2,
            address: "2001:db8::5".parse().unwrap(),
            port: 20_000,
            codecs: &[Codec::Pcmu],
            telephone_event: None,
            comfort_noise: false,
            ptime_ms: 20,
            direction: Direction::SEND_ONLY,
            rtcp_mux: false,
            security: Security::Plain,
        };
        let text = String::from_utf8(offer(&local)).unwrap();
        assert!(text.contains("c=IN IP6 2001:db8::5\r\n"), "{text}");
        assert!(text.contains("o=- 18446744073709551615 2 IN IP6 2001:db8::5\r\n"), "{text}");
        assert!(text.ends_with("a=sendonly\r\n"), "{text}");
        assert!(!text.contains("telephone-event"), "{text}");
    }
}
