//! What offer and answer settle (RFC 3264 sections 6 to 8).

use super::codec::Codec;
use super::crypto::{Crypto, Protection, Security};
use super::description::{Description, Malformed, Stream};
use super::direction::Direction;
use super::offer::{Audio, COMFORT_NOISE, Offer, audio, session, write};
use std::fmt;
use std::net::SocketAddr;

/// The longest packets that we send, in milliseconds.
const PTIME_MS_MAX: u8 = 60;

/// What both sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Where the peer takes RTP. Its address is unspecified when the peer holds in the way of RFC 2543; `direction`
    /// then says that we do not send.
    pub remote: SocketAddr,
    /// Where the peer takes RTCP.
    pub remote_rtcp: SocketAddr,
    /// The codec of both directions, on its static payload type.
    pub codec: Codec,
    /// The payload type of telephone-events that we send, when both sides know them.
    pub telephone_event: Option<u8>,
    /// Another payload type of telephone-events that the peer may send: ours, where its answer has its own (section 5.1).
    pub own_telephone_event: Option<u8>,
    /// Both sides know comfort noise (RFC 3389), and we want to send it.
    pub comfort_noise: bool,
    /// How many milliseconds of audio the peer likes in a packet, 10 to 200; ours when it does not say.
    pub ptime_ms: u8,
    /// Which way media flows, seen from us.
    pub direction: Direction,
    /// The other law may come as well: both sides have named it.
    pub both_laws: bool,
    /// RTCP travels on the port of RTP, both ways (RFC 5761).
    pub rtcp_mux: bool,
    /// Media is protected.
    pub protection: Option<Protection>,
}

/// Why there can be no media. An offer like this is to be answered with 488; an answer like this ends the call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// It cannot be read.
    Malformed(Malformed),
    /// There is no audio stream over plain RTP.
    NoAudio,
    /// The audio stream is refused: its port is 0.
    Refused,
    /// Neither side speaks the other's codecs.
    NoCodec,
    /// There is no address, or a name in its place.
    NoAddress,
    /// Protection is demanded, and there is no key that we can use.
    NoCrypto,
    /// The peer answers with protection that was not offered to it.
    CryptoNotOffered,
    /// We demand protection, and the peer gives none.
    Unprotected,
    /// The address is of multicast or broadcast.
    NotUnicast,
    /// The address is of the other IP version than ours.
    OtherIpVersion,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Malformed(error) => error.fmt(f),
            Unusable::NoAudio => f.write_str("the peer describes no audio over plain RTP (RTP/AVP)"),
            Unusable::Refused => f.write_str("the peer refuses the audio stream (port 0)"),
            Unusable::NoCodec => {
                f.write_str("the peer speaks none of the codecs offered (PCMU, PCMA); allow G.711")
            }
            Unusable::NoAddress => f.write_str("the peer gives no address for its media, or a name"),
            Unusable::NoCrypto => f.write_str(
                "the peer demands SRTP and gives no key of AES_CM_128_HMAC_SHA1_80 or _32 (RFC 4568)",
            ),
            Unusable::CryptoNotOffered => f.write_str(
                "the peer's answer has a crypto attribute whose tag, suite or parameters were not offered (RFC 4568)",
            ),
            Unusable::Unprotected => {
                f.write_str("the peer does not protect its media, and srtp is \"required\"")
            }
            Unusable::NotUnicast => f.write_str("the peer's media address is multicast or broadcast"),
            Unusable::OtherIpVersion => {
                f.write_str("the peer's media address is of the other IP version than ours")
            }
        }
    }
}

impl std::error::Error for Unusable {}

impl From<Malformed> for Unusable {
    fn from(error: Malformed) -> Unusable {
        Unusable::Malformed(error)
    }
}

/// Settles what the peer's answer to our offer means. Our offer has one stream, so the answer's first is it.
pub fn read_answer(offered: &Offer, bytes: &[u8]) -> Result<Negotiated, Unusable> {
    let description = Description::parse(bytes)?;
    let stream = description.stream(0).ok_or(Unusable::NoAudio)?;
    check_stream(offered, stream)?;
    check_crypto(offered, stream)?;
    let settled = settle(offered, stream)?;
    // What the peer sends has the numbers of our offer, and what we send those of its answer; many mix the two up.
    let own =
        offered.telephone_event.filter(|own| settled.telephone_event.is_some_and(|theirs| theirs != *own));
    let own_telephone_event = own.filter(|own| may_be_events(stream, *own, *own));
    Ok(Negotiated { own_telephone_event, ..settled })
}

/// Of an answer's crypto attribute, the tag and the suite must be those of one that was offered; without one the media are
/// not protected (RFC 4568, 5.1.3).
fn check_crypto(offered: &Offer, stream: Stream<'_>) -> Result<(), Unusable> {
    if offered.security == Security::Plain || !stream.has_crypto() {
        return Ok(());
    }
    let chosen = stream.crypto().map(|chosen| (chosen.tag, chosen.suite));
    match offered.security.lines().any(|line| chosen == Some((line.tag, line.suite))) {
        true => Ok(()),
        false => Err(Unusable::CryptoNotOffered),
    }
}

/// Answers the peer's offer with `local`: the description to send, and what is settled by it. Every stream but the
/// first audio stream that we can serve is refused with port 0.
pub fn answer(local: &Offer, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), Unusable> {
    let description = Description::parse(offer)?;
    let (chosen, settled) = choose_stream(local, &description)?;
    let times = match description.times() {
        [] => vec![sdp_types::Time::new(0, 0)],
        times => times.to_vec(),
    };
    let mut session = session(local, times);
    for (index, offered) in description.media().iter().enumerate() {
        if index == chosen {
            session.medias.push(answering(local, &description, index, &settled));
            continue;
        }
        let mut media = sdp_types::Media { port: 0, attributes: Vec::new(), ..offered.clone() };
        media.connections.clear();
        session.medias.push(media);
    }
    Ok((write(&session), settled))
}

/// Our side of the stream that was chosen.
fn answering(
    local: &Offer,
    description: &Description,
    index: usize,
    settled: &Negotiated,
) -> sdp_types::Media {
    let stream = description.stream(index);
    let protection = settled.protection;
    let crypto = protection.map(|by| Crypto { tag: by.tag, suite: by.suite, key: by.local });
    audio(&Audio {
        port: local.port,
        proto: description.media()[index].proto.clone(),
        codecs: &[settled.codec],
        telephone_event: settled.telephone_event,
        comfort_noise: stream.is_some_and(knows_comfort_noise),
        ptime_ms: settled.ptime_ms.min(PTIME_MS_MAX),
        maxptime: stream.is_some_and(|stream| stream.maxptime_ms().is_some()),
        direction: settled.direction,
        rtcp_mux: settled.rtcp_mux,
        crypto: crypto.as_slice(),
    })
}

/// The first stream that will do, or the fault of the first that came closest.
fn choose_stream(local: &Offer, description: &Description) -> Result<(usize, Negotiated), Unusable> {
    let mut fault = Unusable::NoAudio;
    for index in 0..description.media().len() {
        let Some(stream) = description.stream(index) else { break };
        match check_stream(local, stream).and_then(|()| settle(local, stream)) {
            Ok(settled) => return Ok((index, settled)),
            Err(error) if fault == Unusable::NoAudio => fault = error,
            Err(_) => {}
        }
    }
    Err(fault)
}

fn check_stream(local: &Offer, stream: Stream<'_>) -> Result<(), Unusable> {
    let secure = stream.is_secure_rtp() && local.security != Security::Plain;
    if !stream.is_audio() || !(secure || stream.is_plain_rtp()) {
        return Err(Unusable::NoAudio);
    }
    if stream.port() == 0 { Err(Unusable::Refused) } else { Ok(()) }
}

fn settle(local: &Offer, stream: Stream<'_>) -> Result<Negotiated, Unusable> {
    let remote = stream.remote()?;
    if remote.is_ipv4() != local.address.is_ipv4() {
        return Err(Unusable::OtherIpVersion);
    }
    // No address is how RFC 2543 held a call: nothing may be sent there (RFC 3264 section 8.4).
    let reachable = Direction { send: !remote.ip().is_unspecified(), receive: true };
    let rtcp_mux = local.rtcp_mux && stream.has_rtcp_mux();
    let codec = choose_codec(local, stream, |_| true).ok_or(Unusable::NoCodec)?;
    Ok(Negotiated {
        remote,
        remote_rtcp: if rtcp_mux { remote } else { stream.remote_rtcp(remote) },
        codec,
        telephone_event: choose_telephone_event(local, stream),
        own_telephone_event: None,
        comfort_noise: local.comfort_noise && knows_comfort_noise(stream),
        ptime_ms: choose_ptime(local, stream),
        direction: stream.direction().mirrored().and(local.direction).and(reachable),
        both_laws: choose_both_laws(local, stream, codec),
        rtcp_mux,
        protection: choose_protection(local, stream)?,
    })
}

fn knows_comfort_noise(stream: Stream<'_>) -> bool {
    stream.payload_types().any(|kind| kind == COMFORT_NOISE)
}

/// The packet time that the peer likes, ours when it does not say, within what it takes at most, in whole tens.
fn choose_ptime(local: &Offer, stream: Stream<'_>) -> u8 {
    let liked = stream.ptime_ms().filter(|ms| (10..=200).contains(ms));
    let most = stream.maxptime_ms().filter(|ms| *ms >= 10).unwrap_or(200);
    let ms = liked.unwrap_or(u32::from(local.ptime_ms)).min(most).min(200);
    (ms / 10 * 10) as u8
}

/// Keys of both sides, where both have some and one of them wants it.
fn choose_protection(local: &Offer, stream: Stream<'_>) -> Result<Option<Protection>, Unusable> {
    let agreed = stream.crypto().and_then(|crypto| {
        let Crypto { tag, suite, key: remote } = crypto;
        Some(Protection { tag, suite, local: local.security.key(suite)?, remote })
    });
    match (agreed, local.security) {
        (_, Security::Plain) => Ok(None),
        (Some(agreed), _) => Ok(Some(agreed)),
        (None, _) if stream.is_secure_rtp() => Err(Unusable::NoCrypto),
        (None, Security::Required(_)) => Err(Unusable::Unprotected),
        (None, Security::Optional(_)) => Ok(None),
    }
}

/// The first of the peer's codecs that is ours too: the peer's order counts on both ways (sections 6.1 and 7). A
/// mapping may repeat what the static payload type says, but not change it.
fn choose_codec(local: &Offer, stream: Stream<'_>, fits: impl Fn(Codec) -> bool) -> Option<Codec> {
    let codecs = stream.payload_types().filter_map(Codec::from_payload_type);
    let codecs = codecs.filter(|codec| fits(*codec));
    codecs.filter(|codec| local.codecs.contains(codec)).find(|codec| {
        stream.mapping(codec.payload_type()).is_none_or(|mapping| {
            mapping.name.eq_ignore_ascii_case(codec.name())
                && mapping.clock_hz == codec.clock_hz()
                && mapping.channels == 1
        })
    })
}

/// Whether the peer may send G.711 of either law. A codec that remembers cannot be changed from packet to packet.
fn choose_both_laws(local: &Offer, stream: Stream<'_>, chosen: Codec) -> bool {
    let is_g711 = |codec| codec != Codec::G722;
    let other = || choose_codec(local, stream, |codec| codec != chosen && is_g711(codec));
    is_g711(chosen) && other().is_some()
}

/// The peer's payload type for telephone-events at the codec's rate: events at 48000 beside 8000 belong to another
/// codec (RFC 4733 section 2.1). Our own number without a mapping is taken for what we mapped it to.
fn choose_telephone_event(local: &Offer, stream: Stream<'_>) -> Option<u8> {
    let ours = local.telephone_event?;
    stream.payload_types().find(|&number| may_be_events(stream, number, ours))
}

/// Whether the peer means telephone-events by this number.
fn may_be_events(stream: Stream<'_>, number: u8, ours: u8) -> bool {
    match stream.mapping(number) {
        Some(mapping) => mapping.name.eq_ignore_ascii_case("telephone-event") && mapping.clock_hz == 8000,
        None => number == ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Offer<'static> {
        Offer {
            session_id: 1,
            version: 1,
            address: "192.0.2.5".parse().unwrap(),
            port: 20_000,
            codecs: &[Codec::Pcmu, Codec::Pcma],
            telephone_event: Some(101),
            comfort_noise: false,
            ptime_ms: 20,
            direction: Direction::BOTH,
            rtcp_mux: false,
            security: Security::Plain,
        }
    }

    fn described(lines: &str) -> Vec<u8> {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}")
            .into_bytes()
    }

    #[test]
    fn answers_settle_codec_and_telephone_event() {
        // media lines, codec, telephone-event, ptime
        let table = [
            ("m=audio 4000 RTP/AVP 0\r\n", Codec::Pcmu, None, 20),
            ("m=audio 4000 RTP/AVP 8 0 101\r\n", Codec::Pcma, Some(101), 20),
            ("m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 pcma/8000/1\r\na=ptime:30\r\n", Codec::Pcma, None, 30),
            (
                "m=audio 4000 RTP/AVP 0 96 97\r\na=rtpmap:96 telephone-event/48000\r\n\
                 a=rtpmap:97 TELEPHONE-EVENT/8000\r\na=ptime:0\r\n",
                Codec::Pcmu,
                Some(97),
                20,
            ),
            ("m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 opus/48000/2\r\n", Codec::Pcmu, None, 20),
            ("m=audio 4000 RTP/AVP 9 18 0 200 x\r\na=rtpmap:18 G729/8000\r\n", Codec::Pcmu, None, 20),
            ("m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 speex/8000\r\n", Codec::Pcma, None, 20),
        ];
        for (lines, codec, telephone_event, ptime_ms) in table {
            let settled =
                read_answer(&local(), &described(lines)).unwrap_or_else(|error| panic!("{lines}: {error}"));
            assert_eq!(settled.codec, codec, "{lines}");
            assert_eq!(settled.telephone_event, telephone_event, "{lines}");
            assert_eq!(settled.ptime_ms, ptime_ms, "{lines}");
            assert_eq!(settled.remote, "192.0.2.1:4000".parse().unwrap());
            assert_eq!(settled.remote_rtcp, "192.0.2.1:4001".parse().unwrap());
        }
    }

    #[test]
    fn comfort_noise_is_sent_only_where_both_sides_have_said_so() {
        let willing = Offer { comfort_noise: true, ..local() };
        for (local, formats, sent) in
            [(willing, "0 13", true), (willing, "0 101", false), (local(), "0 13", false)]
        {
            let answer = described(&format!("m=audio 4000 RTP/AVP {formats}\r\n"));
            assert_eq!(read_answer(&local, &answer).unwrap().comfort_noise, sent, "{formats}");
        }
    }

    #[test]
    fn packets_are_as_long_as_the_peer_likes_and_can_take() {
        // attributes, what we send, what our answer says of the same offer
        let table = [
            ("", 20, "a=ptime:20\r\na=sendrecv"),
            ("a=ptime:10\r\n", 10, "a=ptime:10\r\na=sendrecv"),
            ("a=ptime:60\r\n", 60, "a=ptime:60\r\na=sendrecv"),
            ("a=ptime:33\r\n", 30, "a=ptime:30\r\na=sendrecv"),
            ("a=ptime:200\r\n", 200, "a=ptime:60\r\na=sendrecv"),
            ("a=ptime:5\r\n", 20, "a=ptime:20\r\na=sendrecv"),
            ("a=maxptime:10\r\n", 10, "a=ptime:10\r\na=maxptime:60\r\na=sendrecv"),
            ("a=ptime:40\r\na=maxptime:30\r\n", 30, "a=ptime:30\r\na=maxptime:60\r\na=sendrecv"),
            ("a=maxptime:150\r\n", 20, "a=ptime:20\r\na=maxptime:60\r\na=sendrecv"),
            ("a=maxptime:0\r\n", 20, "a=ptime:20\r\na=maxptime:60\r\na=sendrecv"),
        ];
        for (attributes, ptime_ms, said) in table {
            let bytes = described(&format!("m=audio 4000 RTP/AVP 0\r\n{attributes}"));
            assert_eq!(read_answer(&local(), &bytes).unwrap().ptime_ms, ptime_ms, "{attributes}");
            let (answer, _) = answer(&local(), &bytes).unwrap();
            let text = String::from_utf8(answer).unwrap();
            assert!(text.ends_with(&format!("{said}\r\n")), "{attributes}: {text}");
        }
    }

    #[test]
    fn comfort_noise_and_the_other_law_are_known_when_the_peer_asks() {
        let bytes = described("m=audio 4000 RTP/AVP 8 0 13 101\r\na=rtpmap:13 CN/8000\r\n");
        let (answer, settled) = answer(&local(), &bytes).unwrap();
        let text = String::from_utf8(answer).unwrap();
        assert!(text.contains("m=audio 20000 RTP/AVP 8 101 13\r\n"), "{text}");
        assert!(text.contains("a=rtpmap:13 CN/8000\r\n"), "{text}");
        assert!(settled.both_laws && !settled.comfort_noise);
        assert!(!read_answer(&local(), &described("m=audio 4000 RTP/AVP 8 13\r\n")).unwrap().both_laws);
    }

    #[test]
    fn g722_is_taken_by_the_clock_that_it_has_by_an_old_mistake_and_alone() {
        let local = Offer { codecs: &[Codec::G722, Codec::Pcmu, Codec::Pcma], ..local() };
        for (formats, mapping, codec, both_laws) in [
            ("9 0 8", "G722/8000", Codec::G722, false),
            ("9", "g722/8000/1", Codec::G722, false),
            ("9 0 8", "G722/16000", Codec::Pcmu, true),
            ("0 9", "G722/8000", Codec::Pcmu, false),
        ] {
            let lines = format!("m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:9 {mapping}\r\n");
            let settled = read_answer(&local, &described(&lines)).unwrap();
            assert_eq!((settled.codec, settled.both_laws), (codec, both_laws), "{lines}");
        }
    }

    #[test]
    fn rtcp_shares_the_port_when_both_say_so() {
        let shared = described("m=audio 4000 RTP/AVP 0\r\na=rtcp:4009\r\na=rtcp-mux\r\n");
        let apart = described("m=audio 4000 RTP/AVP 0\r\na=rtcp:4009\r\n");
        let willing = Offer { rtcp_mux: true, ..local() };
        for (ours, theirs, port) in
            [(&willing, &shared, 4000), (&willing, &apart, 4009), (&local(), &shared, 4009)]
        {
            let settled = read_answer(ours, theirs).unwrap();
            assert_eq!((settled.remote_rtcp.port(), settled.rtcp_mux), (port, port == 4000));
            let (answer, settled) = answer(ours, theirs).unwrap();
            assert_eq!(settled.rtcp_mux, port == 4000);
            let text = String::from_utf8(answer).unwrap();
            assert_eq!(text.contains("a=rtcp-mux\r\n"), port == 4000, "{text}");
        }
    }

    #[test]
    fn protection_is_agreed_on_refused_or_done_without() {
        use crate::sdp::{MASTER_KEY, MasterKey, Suite};
        let ours = MasterKey([7; MASTER_KEY]);
        let theirs = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20";
        let key = format!(
            "a=crypto:3 F8_128_HMAC_SHA1_80 {theirs}\r\na=crypto:5 AES_CM_128_HMAC_SHA1_32 {theirs}\r\n"
        );
        let with = |profile: &str, key: &str| described(&format!("m=audio 4000 {profile} 0\r\n{key}"));
        let (secured, bare) = (with("RTP/SAVP", &key), with("RTP/SAVP", ""));
        let (beside, plain) = (with("RTP/AVP", &key), with("RTP/AVP", ""));
        let (never, optional, required) =
            (Security::Plain, Security::Optional(ours), Security::Required(ours));
        let table = [
            (never, &plain, Ok(false)),
            (never, &beside, Ok(false)),
            (never, &secured, Err(Unusable::NoAudio)),
            (optional, &plain, Ok(false)),
            (optional, &beside, Ok(true)),
            (optional, &secured, Ok(true)),
            (optional, &bare, Err(Unusable::NoCrypto)),
            (required, &plain, Err(Unusable::Unprotected)),
            (required, &beside, Ok(true)),
            (required, &secured, Ok(true)),
            (required, &bare, Err(Unusable::NoCrypto)),
        ];
        for (security, bytes, expected) in table {
            let local = Offer { security, ..local() };
            let answered = answer(&local, bytes);
            let is_protected = answered.as_ref().map(|(_, settled)| settled.protection.is_some());
            assert_eq!(is_protected, expected.as_ref().copied());
            let Ok((text, settled)) = answered else { continue };
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.matches("a=crypto").count(), usize::from(expected == Ok(true)), "{text}");
            if let Some(protection) = settled.protection {
                assert_eq!((protection.tag, protection.suite), (5, Suite::Tag32));
                assert_eq!(Some(protection.local), security.key(Suite::Tag32));
                let line = Crypto { tag: 5, suite: Suite::Tag32, key: protection.local }.text();
                assert!(text.contains(&format!("a=crypto:{line}\r\n")), "{text}");
            }
        }
    }

    #[test]
    fn an_answer_protects_by_what_was_offered_or_ends_the_negotiation() {
        use crate::sdp::{MASTER_KEY, MasterKey};
        let ours = MasterKey([7; MASTER_KEY]);
        let (optional, required) = (Security::Optional(ours), Security::Required(ours));
        let [first, second] = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"];
        let (none, other) = (Ok(None), Err(Unusable::CryptoNotOffered));
        let key = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let table = [
            (optional, "RTP/AVP", format!("a=crypto:1 {first} {key}\r\n"), Ok(Some(1))),
            (required, "RTP/SAVP", format!("a=crypto:2 {second} {key}|2^31\r\n"), Ok(Some(2))),
            (required, "RTP/SAVP", format!("a=crypto:9 {first} {key}\r\n"), other.clone()),
            (required, "RTP/SAVP", format!("a=crypto:1 {second} {key}\r\n"), other.clone()),
            (optional, "RTP/AVP", format!("a=crypto:2 {first} {key}\r\n"), other.clone()),
            (optional, "RTP/AVP", format!("a=crypto:1 F8_128_HMAC_SHA1_80 {key}\r\n"), other.clone()),
            (required, "RTP/SAVP", format!("a=crypto:1 {first} {key} UNENCRYPTED_SRTP\r\n"), other),
            (required, "RTP/SAVP", String::new(), Err(Unusable::NoCrypto)),
            (required, "RTP/AVP", String::new(), Err(Unusable::Unprotected)),
            (optional, "RTP/AVP", String::new(), none.clone()),
            (Security::Plain, "RTP/AVP", format!("a=crypto:9 {first} {key}\r\n"), none),
        ];
        for (security, profile, crypto, expected) in table {
            let answer = described(&format!("m=audio 4000 {profile} 0\r\n{crypto}"));
            let read = read_answer(&Offer { security, ..local() }, &answer).map(|settled| settled.protection);
            assert_eq!(read.clone().map(|by| by.map(|by| by.tag)), expected, "{crypto}");
            if let Ok(Some(by)) = read {
                assert_eq!(Some(by.local), security.key(by.suite), "each attribute has a key of its own");
            }
        }
        assert_ne!(optional.key(crate::sdp::Suite::Tag80), optional.key(crate::sdp::Suite::Tag32));
    }

    #[test]
    fn keys_may_come_by_our_number_beside_the_answers() {
        let table = [
            ("0 96\r\na=rtpmap:96 telephone-event/8000", (Some(96), Some(101))),
            ("0 101\r\na=rtpmap:101 telephone-event/8000", (Some(101), None)),
            ("0 96 101\r\na=rtpmap:96 telephone-event/8000\r\na=rtpmap:101 opus/48000/2", (Some(96), None)),
            ("0", (None, None)),
        ];
        for (formats, expected) in table {
            let answer = described(&format!("m=audio 4000 RTP/AVP {formats}\r\n"));
            let settled = read_answer(&local(), &answer).unwrap();
            assert_eq!((settled.telephone_event, settled.own_telephone_event), expected, "{formats}");
        }
        // In an answer of ours the numbers are the offer's.
        let offer = described("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n");
        assert_eq!(answer(&local(), &offer).unwrap().1.own_telephone_event, None);
    }

    #[test]
    fn directions_meet_from_both_sides() {
        // ours, the peer's line, what is left for us
        let table = [
            (Direction::BOTH, "", Direction::BOTH),
            (Direction::BOTH, "a=sendonly\r\n", Direction::RECEIVE_ONLY),
            (Direction::BOTH, "a=recvonly\r\n", Direction::SEND_ONLY),
            (Direction::BOTH, "a=inactive\r\n", Direction::NONE),
            (Direction::SEND_ONLY, "a=recvonly\r\n", Direction::SEND_ONLY),
            (Direction::SEND_ONLY, "a=sendrecv\r\n", Direction::SEND_ONLY),
            (Direction::SEND_ONLY, "a=sendonly\r\n", Direction::NONE),
            (Direction::BOTH, "c=IN IP4 0.0.0.0\r\n", Direction::RECEIVE_ONLY),
            (Direction::BOTH, "c=IN IP4 0.0.0.0\r\na=sendonly\r\n", Direction::RECEIVE_ONLY),
        ];
        for (ours, line, left) in table {
            let local = Offer { direction: ours, ..local() };
            let bytes = described(&format!("m=audio 4000 RTP/AVP 0\r\n{line}"));
            assert_eq!(read_answer(&local, &bytes).unwrap().direction, left, "{ours:?} {line}");
            let (answer, settled) = answer(&local, &bytes).unwrap();
            assert_eq!(settled.direction, left, "{ours:?} {line}");
            let written = format!("a={}\r\n", left.name());
            assert!(String::from_utf8(answer).unwrap().contains(&written), "{ours:?} {line}");
        }
    }

    #[test]
    fn what_cannot_carry_a_call_says_why() {
        let table = [
            ("", Unusable::NoAudio),
            ("m=video 4000 RTP/AVP 31\r\n", Unusable::NoAudio),
            ("m=audio 4000 RTP/SAVP 0\r\n", Unusable::NoAudio),
            ("m=image 4000 udptl t38\r\n", Unusable::NoAudio),
            ("m=audio 0 RTP/AVP 0\r\n", Unusable::Refused),
            ("m=audio 4000 RTP/AVP 9 18\r\n", Unusable::NoCodec),
            ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 carrier.example\r\n", Unusable::NoAddress),
            ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 239.1.2.3/127\r\n", Unusable::NotUnicast),
            ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 255.255.255.255\r\n", Unusable::NotUnicast),
            ("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n", Unusable::OtherIpVersion),
        ];
        for (lines, fault) in table {
            assert_eq!(read_answer(&local(), &described(lines)), Err(fault.clone()), "{lines}");
            assert_eq!(answer(&local(), &described(lines)).unwrap_err(), fault, "{lines}");
        }
        let no_address = b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert_eq!(read_answer(&local(), no_address), Err(Unusable::NoAddress));
        assert!(matches!(read_answer(&local(), b"hello"), Err(Unusable::Malformed(_))));
    }

    #[test]
    fn an_answer_mirrors_every_stream_and_serves_one() {
        let offered =
            b"v=0\r\no=- 5 9 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=3034423619 3042462419\r\n\
            m=video 5000 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n\
            m=audio 4000 RTP/AVPF 111 8 0 126\r\na=rtpmap:126 telephone-event/8000\r\na=rtcp:4009\r\n\
            m=audio 4004 RTP/AVP 0\r\n";
        let (answer, settled) = answer(&local(), offered).unwrap();
        let expected = [
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.5",
            "s=-",
            "c=IN IP4 192.0.2.5",
            "t=3034423619 3042462419",
            "m=video 0 RTP/AVP 31",
            "m=audio 20000 RTP/AVPF 8 126",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:126 telephone-event/8000",
            "a=fmtp:126 0-15",
            "a=ptime:20",
            "a=sendrecv",
            "m=audio 0 RTP/AVP 0",
            "",
        ];
        assert_eq!(String::from_utf8(answer).unwrap().split("\r\n").collect::<Vec<_>>(), expected);
        assert_eq!(settled.remote_rtcp.port(), 4009);
        assert_eq!(settled.telephone_event, Some(126));
    }

    #[test]
    fn both_ends_of_our_own_offer_agree() {
        for address in ["192.0.2.5", "2001:db8::5"] {
            let caller = Offer { address: address.parse().unwrap(), ..local() };
            let callee = Offer { port: 30_000, codecs: &[Codec::Pcma], telephone_event: Some(96), ..caller };
            let (bytes, at_callee) = answer(&callee, &super::super::offer(&caller)).unwrap();
            let at_caller = read_answer(&caller, &bytes).unwrap();
            assert_eq!((at_caller.codec, at_callee.codec), (Codec::Pcma, Codec::Pcma));
            assert_eq!((at_caller.telephone_event, at_callee.telephone_event), (Some(101), Some(101)));
            assert_eq!((at_caller.remote.port(), at_callee.remote.port()), (30_000, 20_000));
        }
    }
}
