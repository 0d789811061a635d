//! What offer and answer settle (RFC 3264 sections 6 to 8).

use super::codec::Codec;
use super::description::{Description, Malformed, Stream};
use super::direction::Direction;
use super::offer::{Offer, audio, session, write};
use std::fmt;
use std::net::SocketAddr;

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
    /// How many milliseconds of audio the peer likes in a packet, 10 to 200; ours when it does not say.
    pub ptime_ms: u8,
    /// Which way media flows, seen from us.
    pub direction: Direction,
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
    check_stream(stream)?;
    settle(offered, stream)
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
        let mut media = audio(local, &[settled.codec], settled.telephone_event, settled.direction);
        media.proto = offered.proto.clone();
        if index != chosen {
            media = sdp_types::Media { port: 0, attributes: Vec::new(), ..offered.clone() };
            media.connections.clear();
        }
        session.medias.push(media);
    }
    Ok((write(&session), settled))
}

/// The first stream that will do, or the fault of the first that came closest.
fn choose_stream(local: &Offer, description: &Description) -> Result<(usize, Negotiated), Unusable> {
    let mut fault = Unusable::NoAudio;
    for index in 0..description.media().len() {
        let Some(stream) = description.stream(index) else { break };
        match check_stream(stream).and_then(|()| settle(local, stream)) {
            Ok(settled) => return Ok((index, settled)),
            Err(error) if fault == Unusable::NoAudio => fault = error,
            Err(_) => {}
        }
    }
    Err(fault)
}

fn check_stream(stream: Stream<'_>) -> Result<(), Unusable> {
    if !stream.is_audio() || !stream.is_plain_rtp() {
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
    let ptime_ms = stream.ptime_ms().filter(|ms| (10..=200).contains(ms)).and_then(|ms| ms.try_into().ok());
    Ok(Negotiated {
        remote,
        remote_rtcp: stream.remote_rtcp(remote),
        codec: choose_codec(local, stream).ok_or(Unusable::NoCodec)?,
        telephone_event: choose_telephone_event(local, stream),
        ptime_ms: ptime_ms.unwrap_or(local.ptime_ms),
        direction: stream.direction().mirrored().and(local.direction).and(reachable),
    })
}

/// The first of the peer's codecs that is ours too: the peer's order counts on both ways (sections 6.1 and 7). A
/// mapping may repeat what the static payload type says, but not change it.
fn choose_codec(local: &Offer, stream: Stream<'_>) -> Option<Codec> {
    let codecs = stream.payload_types().filter_map(Codec::from_payload_type);
    codecs.filter(|codec| local.codecs.contains(codec)).find(|codec| {
        stream.mapping(codec.payload_type()).is_none_or(|mapping| {
            mapping.name.eq_ignore_ascii_case(codec.name())
                && mapping.clock_hz == codec.clock_hz()
                && mapping.channels == 1
        })
    })
}

/// The peer's payload type for telephone-events at the codec's rate: events at 48000 beside 8000 belong to another
/// codec (RFC 4733 section 2.1). Our own number without a mapping is taken for what we mapped it to.
fn choose_telephone_event(local: &Offer, stream: Stream<'_>) -> Option<u8> {
    let ours = local.telephone_event?;
    stream.payload_types().find(|&number| match stream.mapping(number) {
        Some(mapping) => mapping.name.eq_ignore_ascii_case("telephone-event") && mapping.clock_hz == 8000,
        None => number == ours,
    })
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
            ptime_ms: 20,
            direction: Direction::BOTH,
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
