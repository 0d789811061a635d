//! Descriptions as peers send them, and mutilated ones.

use super::*;

const GATEWAY_ANSWER: &[u8] = include_bytes!("../../fixtures/sdp/gateway_answer.sdp");
const SOFTPHONE_OFFER: &[u8] = include_bytes!("../../fixtures/sdp/softphone_offer.sdp");
const HOLD_OF_RFC2543: &[u8] = include_bytes!("../../fixtures/sdp/hold_of_rfc2543.sdp");
const HOLD_OF_RFC3264: &[u8] = include_bytes!("../../fixtures/sdp/hold_of_rfc3264.sdp");
const IPV6_ANSWER: &[u8] = include_bytes!("../../fixtures/sdp/ipv6_answer.sdp");
const CARELESS_ANSWER: &[u8] = include_bytes!("../../fixtures/sdp/careless_answer.sdp");

fn local(address: &str) -> Offer<'static> {
    Offer {
        before: &[],
        after: &[],
        session_id: 1,
        version: 1,
        address: address.parse().unwrap(),
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

#[test]
fn descriptions_of_the_field_are_settled() {
    // answer, our address, remote, remote RTCP, codec, telephone-event, direction
    let (v4, v6) = ("192.0.2.5", "2001:db8::5");
    let table = [
        (
            GATEWAY_ANSWER,
            v4,
            "198.51.100.7:17342",
            "198.51.100.7:17343",
            Codec::Pcma,
            Some(101),
            Direction::BOTH,
        ),
        (
            CARELESS_ANSWER,
            v4,
            "198.51.100.3:30000",
            "198.51.100.3:30001",
            Codec::Pcmu,
            Some(101),
            Direction::SEND_ONLY,
        ),
        (IPV6_ANSWER, v6, "[2001:db8::1]:49170", "[2001:db8::1]:49180", Codec::Pcmu, None, Direction::BOTH),
        (
            HOLD_OF_RFC3264,
            v4,
            "198.51.100.9:18000",
            "198.51.100.9:18001",
            Codec::Pcmu,
            Some(101),
            Direction::RECEIVE_ONLY,
        ),
        (HOLD_OF_RFC2543, v4, "0.0.0.0:18000", "0.0.0.0:18001", Codec::Pcmu, None, Direction::RECEIVE_ONLY),
    ];
    for (bytes, ours, remote, remote_rtcp, codec, telephone_event, direction) in table {
        let settled = read_answer(&local(ours), bytes).unwrap();
        let expected = Negotiated {
            remote: remote.parse().unwrap(),
            remote_rtcp: remote_rtcp.parse().unwrap(),
            codec,
            payload_type: codec.payload_type(),
            telephone_event,
            own_telephone_event: None,
            comfort_noise: false,
            ptime_ms: 20,
            direction,
            g711_beside: settled.g711_beside,
            g722_beside: false,
            rtcp_mux: false,
            protection: None,
        };
        assert_eq!(settled, expected);
    }
}

#[test]
fn the_offer_of_a_softphone_gets_g711_and_no_video() {
    let (bytes, settled) = answer(&local("192.0.2.5"), SOFTPHONE_OFFER).unwrap();
    assert_eq!((settled.codec, settled.telephone_event), (Codec::Pcmu, Some(101)));
    assert_eq!(settled.remote_rtcp, "198.51.100.21:4033".parse().unwrap());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("m=audio 20000 RTP/AVPF 0 101\r\n"), "{text}");
    assert!(text.ends_with("m=video 0 RTP/AVPF 98\r\n"), "{text}");
    assert!(!text.contains("rtcp-mux"), "we do not take RTCP on the RTP port: {text}");
}

/// Each description with each of its bytes changed, taken out, cut off at, doubled, or preceded by an odd one.
#[test]
fn no_single_fault_at_any_place_does_harm() {
    const ODD: &[u8] = b"\r\n =:/-09aAmcv\0\xff";
    let (mut tried, mut settled) = (0, 0);
    for seed in
        [GATEWAY_ANSWER, SOFTPHONE_OFFER, HOLD_OF_RFC2543, HOLD_OF_RFC3264, IPV6_ANSWER, CARELESS_ANSWER]
    {
        for at in 0..seed.len() {
            let (before, after) = seed.split_at(at);
            let mut faulty =
                vec![before.to_vec(), [before, &after[1..]].concat(), [before, after, after].concat()];
            for odd in ODD.chunks(1) {
                faulty.push([before, odd, after].concat());
                faulty.push([before, odd, &after[1..]].concat());
            }
            tried += faulty.len();
            settled += faulty.iter().filter(|bytes| exercise(bytes)).count();
        }
    }
    assert!(tried > 40_000, "{tried}");
    assert!(settled > tried / 2, "only {settled} of {tried} were still descriptions");
}

/// Everything that a call does with a description; true when it could be settled.
fn exercise(bytes: &[u8]) -> bool {
    let mut any = false;
    for ours in [local("192.0.2.5"), local("2001:db8::5")] {
        let _ = read_answer(&ours, bytes);
        let Ok((written, settled)) = answer(&ours, bytes) else { continue };
        let read = Description::parse(&written).expect("our own answer can be read");
        assert_eq!(read.media().iter().filter(|media| media.port == ours.port).count(), 1);
        assert!(!settled.remote.ip().is_unspecified() || !settled.direction.send);
        let (before, after) = refused(&written);
        let again = offer(&Offer { before: &before, after: &after, ..ours });
        let again = Description::parse(&again).expect("our next offer can be read");
        let lines = |read: &Description| -> Vec<u16> { read.media().iter().map(|line| line.port).collect() };
        assert_eq!(lines(&again), lines(&read), "as many lines, each at its place");
        any = true;
    }
    any
}

#[test]
fn the_longest_descriptions_cost_no_more_than_their_length() {
    for filler in
        ["a=x\r\n", "a=\r\n", "m=audio 1 RTP/AVP 0\r\n", " ", "0 ", "\r\n", "=", "c=IN IP4 1.1.1.1\r\n"]
    {
        for head in ["v=0\r\n", "v=0\r\nm=audio 4000 RTP/AVP ", "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:"]
        {
            let room = DESCRIPTION_BYTES_MAX - head.len();
            let text = format!("{head}{}", filler.repeat(room / filler.len()));
            let _ = answer(&local("192.0.2.5"), text.as_bytes());
        }
    }
    // The most that the bounds let through: every format looked for in every attribute.
    let media = format!("m=audio 4000 RTP/AVP{}\r\n", " 96".repeat(FORMATS_MAX)).repeat(MEDIA_MAX);
    let text =
        format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{media}{}", "a=rtpmap:97 x/1\r\n".repeat(ATTRIBUTES_MAX));
    assert_eq!(answer(&local("192.0.2.5"), text.as_bytes()).unwrap_err(), Unusable::NoCodec);
}
