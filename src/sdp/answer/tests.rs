//! What is settled with one peer or another.

use super::*;

fn local() -> Offer<'static> {
    Offer {
        before: &[],
        after: &[],
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
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}").into_bytes()
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
    assert!(settled.g711_beside && !settled.comfort_noise);
    assert!(!read_answer(&local(), &described("m=audio 4000 RTP/AVP 8 13\r\n")).unwrap().g711_beside);
}

#[test]
fn a_codec_that_a_peer_has_bound_to_a_number_of_its_own_is_taken() {
    // formats, mappings, payload type and codec
    let table = [
        ("97", "97 PCMU/8000", Some((97, Codec::Pcmu))),
        ("98 101", "98 pcma/8000/1", Some((98, Codec::Pcma))),
        ("97 98", "97 opus/48000/2|98 PCMA/8000", Some((98, Codec::Pcma))),
        ("97 0", "97 PCMA/8000|0 PCMU/8000", Some((0, Codec::Pcmu))),
        ("101", "101 PCMU/8000", Some((101, Codec::Pcmu))),
        ("97", "97 PCMU/16000", None),
        ("97", "97 PCMU/8000/2", None),
        ("97", "97 G722/8000", None),
        ("0", "0 PCMA/8000", None),
        ("18", "18 PCMU/8000", None),
        ("97", "98 PCMU/8000", None),
    ];
    for (formats, mappings, expected) in table {
        let mappings: String = mappings.split('|').map(|mapping| format!("a=rtpmap:{mapping}\r\n")).collect();
        let lines = described(&format!("m=audio 4000 RTP/AVP {formats}\r\n{mappings}"));
        let chosen = |settled: Negotiated| (settled.payload_type, settled.codec);
        assert_eq!(read_answer(&local(), &lines).ok().map(chosen), expected, "{formats} {mappings}");
        let answered = answer(&local(), &lines).ok();
        assert_eq!(answered.clone().map(|(_, settled)| chosen(settled)), expected, "{formats} {mappings}");
        let (Some((bytes, _)), Some((number, codec))) = (answered, expected) else { continue };
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(&format!("m=audio 20000 RTP/AVP {number}")), "{text}");
        assert!(text.contains(&format!("a=rtpmap:{number} {}/8000\r\n", codec.name())), "{text}");
    }
    let bound =
        read_answer(&local(), &described("m=audio 1 RTP/AVP 101\r\na=rtpmap:101 PCMU/8000\r\n")).unwrap();
    assert_eq!((bound.telephone_event, bound.own_telephone_event), (None, None), "101 is audio here");
}

#[test]
fn g722_is_taken_by_the_clock_that_it_has_by_an_old_mistake_and_each_beside_the_other() {
    let local = Offer { codecs: &[Codec::G722, Codec::Pcmu, Codec::Pcma], ..local() };
    for (formats, mapping, codec, g711_beside, g722_beside) in [
        ("9 0 8", "G722/8000", Codec::G722, true, false),
        ("9 0", "G722/8000", Codec::G722, true, false),
        ("9 18", "G722/8000", Codec::G722, false, false),
        ("9", "g722/8000/1", Codec::G722, false, false),
        ("9 0 8", "G722/16000", Codec::Pcmu, true, false),
        ("0 9", "G722/8000", Codec::Pcmu, false, true),
        ("8 0 9", "G722/8000", Codec::Pcma, true, true),
    ] {
        let lines = format!("m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:9 {mapping}\r\n");
        let settled = read_answer(&local, &described(&lines)).unwrap();
        let beside = (settled.g711_beside, settled.g722_beside);
        assert_eq!((settled.codec, beside), (codec, (g711_beside, g722_beside)), "{lines}");
    }
    let narrow = Offer { codecs: &[Codec::Pcmu], ..local };
    assert!(!read_answer(&narrow, &described("m=audio 4000 RTP/AVP 0 9\r\n")).unwrap().g722_beside);
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
    let key =
        format!("a=crypto:3 F8_128_HMAC_SHA1_80 {theirs}\r\na=crypto:5 AES_CM_128_HMAC_SHA1_32 {theirs}\r\n");
    let with = |profile: &str, key: &str| described(&format!("m=audio 4000 {profile} 0\r\n{key}"));
    let (secured, bare) = (with("RTP/SAVP", &key), with("RTP/SAVP", ""));
    let (beside, plain) = (with("RTP/AVP", &key), with("RTP/AVP", ""));
    let (never, optional, required) = (Security::Plain, Security::Optional(ours), Security::Required(ours));
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
        (optional, "RTP/AVP", format!("a=crypto:1 AES_256_CM_HMAC_SHA1_80 {key}\r\n"), other.clone()),
        (optional, "RTP/AVP", format!("a=crypto:1 {first} {key}|2^20|1:4\r\n"), other.clone()),
        (optional, "RTP/AVP", format!("a=crypto:1 {first} {key} UNENCRYPTED_SRTP\r\n"), other.clone()),
        (optional, "RTP/AVP", "a=crypto:\r\n".into(), other.clone()),
        (optional, "RTP/AVP", "a=crypto\r\n".into(), other.clone()),
        (optional, "RTP/SAVP", format!("a=crypto:2 {first} {key}\r\n"), other.clone()),
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
        ("m=audio 20000 RTP/AVP 0\r\nc=IN IP4 192.0.2.5\r\n", Unusable::OurOwn),
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
