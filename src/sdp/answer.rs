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

/// The first payload type that may be bound to anything (RFC 3551 section 6).
const DYNAMIC: u8 = 96;

/// What both sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Where the peer takes RTP. Its address is unspecified when the peer holds in the way of RFC 2543; `direction`
    /// then says that we do not send.
    pub remote: SocketAddr,
    /// Where the peer takes RTCP.
    pub remote_rtcp: SocketAddr,
    /// The codec of both directions.
    pub codec: Codec,
    /// The payload type with which we send it: its static one, or a dynamic one to which the peer has bound it.
    pub payload_type: u8,
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
    /// G.711 of another law may come as well, beside G.722 of either: both sides have named it.
    pub g711_beside: bool,
    /// G.722 may come as well, beside G.711: both sides have named it.
    pub g722_beside: bool,
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
    /// Address and port are those that we have named for ourselves.
    OurOwn,
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
            Unusable::OurOwn => f.write_str("the peer's media address and port are our own"),
        }
    }
}

impl std::error::Error for Unusable {}

impl From<Malformed> for Unusable {
    fn from(error: Malformed) -> Unusable {
        Unusable::Malformed(error)
    }
}

/// Settles what the peer's answer to our offer means. Our offer has one stream that is not refused; an answer's lines stand in
/// the offer's order.
pub fn read_answer(offered: &Offer, bytes: &[u8]) -> Result<Negotiated, Unusable> {
    let description = Description::parse(bytes)?;
    let stream = description.stream(offered.before.len()).ok_or(Unusable::NoAudio)?;
    check_stream(offered, stream)?;
    check_crypto(offered, stream)?;
    let settled = settle(offered, stream)?;
    // What the peer sends has the numbers of our offer, and what we send those of its answer; many mix the two up.
    let own =
        offered.telephone_event.filter(|own| settled.telephone_event.is_some_and(|theirs| theirs != *own));
    let own_telephone_event = own.filter(|own| may_be_events(stream, *own, *own));
    Ok(Negotiated { own_telephone_event, ..settled })
}

/// Of an answer's crypto attribute, the tag and the suite must be those of one that was offered (RFC 4568, 5.1.3): one that we
/// cannot use is none of ours. Only without any are the media not protected.
fn check_crypto(offered: &Offer, stream: Stream<'_>) -> Result<(), Unusable> {
    if offered.security == Security::Plain || !stream.has_crypto() {
        return Ok(());
    }
    let chosen = stream.crypto().ok_or(Unusable::CryptoNotOffered)?;
    match offered.security.lines().any(|line| (chosen.tag, chosen.suite) == (line.tag, line.suite)) {
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
        formats: &[(settled.payload_type, settled.codec)],
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
    // We would speak to ourselves, and hear it (RFC 3550, 8.2: a loop).
    if remote == SocketAddr::new(local.address, local.port) {
        return Err(Unusable::OurOwn);
    }
    // No address is how RFC 2543 held a call: nothing may be sent there (RFC 3264 section 8.4).
    let reachable = Direction { send: !remote.ip().is_unspecified(), receive: true };
    let rtcp_mux = local.rtcp_mux && stream.has_rtcp_mux();
    let (payload_type, codec) = choose_codec(local, stream).ok_or(Unusable::NoCodec)?;
    Ok(Negotiated {
        remote,
        remote_rtcp: if rtcp_mux { remote } else { stream.remote_rtcp(remote) },
        codec,
        payload_type,
        telephone_event: choose_telephone_event(local, stream),
        own_telephone_event: None,
        comfort_noise: local.comfort_noise && knows_comfort_noise(stream),
        ptime_ms: choose_ptime(local, stream),
        direction: stream.direction().mirrored().and(local.direction).and(reachable),
        g711_beside: is_beside(local, stream, codec, &[Codec::Pcmu, Codec::Pcma]),
        g722_beside: is_beside(local, stream, codec, &[Codec::G722]),
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

/// The first of the peer's codecs that is ours too, with its payload type: the peer's order counts on both ways (sections 6.1
/// and 7). What stands on its static payload type goes first; nearly all who bind a codec to another offer it there, too.
fn choose_codec(local: &Offer, stream: Stream<'_>) -> Option<(u8, Codec)> {
    let ours =
        |number| Some((number, codec_of(stream, number)?)).filter(|(_, codec)| local.codecs.contains(codec));
    let (fixed, bound): (Vec<u8>, Vec<u8>) = stream.payload_types().partition(|number| *number < DYNAMIC);
    fixed.into_iter().chain(bound).find_map(ours)
}

/// The codec of a payload type: that of its mapping, which may repeat what a static one says, but not change it.
fn codec_of(stream: Stream<'_>, number: u8) -> Option<Codec> {
    let fixed = Codec::from_payload_type(number);
    let Some(mapping) = stream.mapping(number) else { return fixed };
    let codec = Codec::from_name(mapping.name)?;
    let is_meant = (mapping.clock_hz, mapping.channels) == (codec.clock_hz(), 1);
    (is_meant && (number >= DYNAMIC || fixed == Some(codec))).then_some(codec)
}

/// Whether the peer may change to one of these codecs: to any format that both have named (section 5.1), each by its static
/// payload type.
fn is_beside(local: &Offer, stream: Stream<'_>, chosen: Codec, others: &[Codec]) -> bool {
    let may_come = |codec: Codec| codec != chosen && others.contains(&codec) && local.codecs.contains(&codec);
    let mut named = stream.payload_types().filter(|number| *number < DYNAMIC);
    named.any(|number| codec_of(stream, number).is_some_and(may_come))
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
mod tests;
