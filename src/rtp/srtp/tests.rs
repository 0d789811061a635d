//! The vectors of RFC 3711, appendix B, and what attackers and networks do to packets.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn master() -> MasterKey {
    // RFC 3711, B.3.
    let bytes = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    MasterKey(bytes.try_into().unwrap())
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend((0..160).map(|index| index as u8 ^ sequence as u8));
    bytes
}

fn protected(outgoing: &mut Outgoing, plain: &[u8]) -> Vec<u8> {
    let mut buffer = [plain, &[0; RTP_GROWTH]].concat();
    let length = outgoing.protect(&mut buffer, plain.len());
    buffer.truncate(length);
    buffer
}

fn opened(incoming: &mut Incoming, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = bytes.to_vec();
    let length = incoming.open(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[test]
fn the_counter_mode_is_that_of_appendix_b_2() {
    let cipher = Aes128::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let salt: [u8; 14] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
    let mut keystream = vec![0; 16 * 0xff02];
    apply_keystream(&cipher, &counter(&salt, 0, 0), &mut keystream);
    for (block, expected) in [
        (0x0000, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (0x0001, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (0x0002, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(keystream[16 * block..16 * (block + 1)], hex(expected), "block {block:x}");
    }
}

#[test]
fn keys_are_derived_as_in_appendix_b_3() {
    let master = master();
    let (key, salt) = master.0.split_at(16);
    let cipher = Aes128::new_from_slice(key).unwrap();
    let stream = |label: u8, length: usize| {
        let mut salt: [u8; 14] = salt.try_into().unwrap();
        salt[7] ^= label;
        let mut out = vec![0; length];
        apply_keystream(&cipher, &counter(&salt, 0, 0), &mut out);
        out
    };
    assert_eq!(stream(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(stream(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
    let authentication = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4 8F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175
        578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(stream(1, 94), hex(authentication)[..94]);
    let keys = SessionKeys::derive(&master, 0);
    assert_eq!(keys.salt, hex("30CBBC08863D8C85D49DB34A9AE1")[..]);
    let mut block = [0; 16];
    keys.crypt(0, 0, &mut block);
    let mut expected = [0; 16];
    let session = Aes128::new_from_slice(&hex("C61E7A93744F39EE10734AFE3FF7A087")).unwrap();
    apply_keystream(&session, &counter(&keys.salt, 0, 0), &mut expected);
    assert_eq!(block, expected);
}

/// A packet under the same master key that libsrtp's own test protects (srtp_driver.c, srtp_validate).
#[test]
fn a_known_packet_is_protected_byte_for_byte() {
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let expected = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let mut outgoing = Outgoing::new(Suite::Tag80, &master());
    assert_eq!(protected(&mut outgoing, &plain), expected);
    assert_eq!(opened(&mut Incoming::new(Suite::Tag80, &master()), &expected).unwrap(), plain);
}

#[test]
fn what_one_side_protects_the_other_opens_over_loss_reordering_and_rollover() {
    for suite in [Suite::Tag80, Suite::Tag32] {
        let mut outgoing = Outgoing::new(suite, &master());
        let mut incoming = Incoming::new(suite, &master());
        let numbers: Vec<u16> = (0..70_000u32).map(|number| (number + 60_000) as u16).collect();
        let mut held: Option<(Vec<u8>, Vec<u8>)> = None;
        for (index, &number) in numbers.iter().enumerate() {
            let plain = packet(number, 0x1234_5678);
            let bytes = protected(&mut outgoing, &plain);
            assert_eq!(bytes.len(), plain.len() + suite.tag());
            match index % 1_000 {
                // A burst is lost over the first rollover; single packets come late.
                _ if (5_500..5_600).contains(&index) => {}
                7 => held = Some((plain, bytes)),
                40 => {
                    let (plain, bytes) = held.take().unwrap();
                    assert_eq!(opened(&mut incoming, &bytes).unwrap(), plain, "late at {index}");
                }
                0..30 | 900.. => assert_eq!(opened(&mut incoming, &bytes).unwrap(), plain, "{index}"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_stream_that_is_joined_just_after_its_rollover_is_opened() {
    let mut outgoing = Outgoing::new(Suite::Tag80, &master());
    protected(&mut outgoing, &packet(65_535, 1));
    let first = protected(&mut outgoing, &packet(0, 1));
    let second = protected(&mut outgoing, &packet(1, 1));
    let mut incoming = Incoming::new(Suite::Tag80, &master());
    assert!(opened(&mut incoming, &first).is_ok() && opened(&mut incoming, &second).is_ok());
}

#[test]
fn forged_replayed_and_cut_packets_are_refused_and_left_as_they_came() {
    for suite in [Suite::Tag80, Suite::Tag32] {
        let mut outgoing = Outgoing::new(suite, &master());
        let mut incoming = Incoming::new(suite, &master());
        let first = protected(&mut outgoing, &packet(100, 1));
        for place in 0..first.len() {
            let mut forged = first.clone();
            forged[place] ^= 0x10;
            let before = forged.clone();
            let refused = incoming.open(&mut forged).unwrap_err();
            assert!(matches!(refused, Refused::Forged | Refused::Truncated), "{place}");
            assert_eq!(forged, before);
        }
        for length in 0..first.len() {
            assert!(opened(&mut incoming, &first[..length]).is_err(), "{length}");
        }
        assert!(opened(&mut incoming, &first).is_ok());
        assert_eq!(opened(&mut incoming, &first), Err(Refused::Replayed));
        let later: Vec<Vec<u8>> = (101..200).map(|n| protected(&mut outgoing, &packet(n, 1))).collect();
        assert!(opened(&mut incoming, &later[98]).is_ok());
        assert_eq!(opened(&mut incoming, &later[10]), Err(Refused::Replayed), "older than the window");
        assert!(opened(&mut incoming, &later[90]).is_ok());
        assert_eq!(opened(&mut incoming, &later[90]), Err(Refused::Replayed));
        let other = Outgoing::new(suite, &MasterKey([7; MASTER_KEY]));
        assert_eq!(
            opened(&mut incoming, &protected(&mut other.clone(), &packet(300, 1))),
            Err(Refused::Forged)
        );
    }
}

#[test]
fn sources_that_change_are_told_apart_and_do_not_open_the_way_for_replays() {
    let mut incoming = Incoming::new(Suite::Tag80, &master());
    let mut first = Outgoing::new(Suite::Tag80, &master());
    let mut second = Outgoing::new(Suite::Tag80, &master());
    let recorded = protected(&mut first, &packet(9, 1));
    assert!(opened(&mut incoming, &recorded).is_ok());
    assert!(opened(&mut incoming, &protected(&mut second, &packet(60_000, 2))).is_ok());
    assert_eq!(opened(&mut incoming, &recorded), Err(Refused::Replayed));
    assert!(opened(&mut incoming, &protected(&mut first, &packet(10, 1))).is_ok());
    for ssrc in 10..30 {
        let mut more = Outgoing::new(Suite::Tag80, &master());
        assert!(opened(&mut incoming, &protected(&mut more, &packet(1, ssrc))).is_ok());
    }
}

#[test]
fn rtcp_is_protected_opened_once_and_never_forged() {
    for suite in [Suite::Tag80, Suite::Tag32] {
        let mut outgoing = Outgoing::new(suite, &master());
        let mut incoming = Incoming::new(suite, &master());
        let plain: Vec<u8> = [&hex("80c80006 cafebabe")[..], &[0xab; 20]].concat();
        let mut all = Vec::new();
        for _ in 0..3 {
            let mut buffer = [&plain[..], &[0; RTCP_GROWTH]].concat();
            assert_eq!(outgoing.protect_rtcp(&mut buffer, plain.len()), Some(buffer.len()));
            assert_eq!(buffer[..8], plain[..8]);
            assert_ne!(buffer[8..28], plain[8..28]);
            all.push(buffer);
        }
        for order in [1, 0, 2] {
            let mut bytes = all[order].clone();
            bytes[12] ^= 1;
            assert_eq!(incoming.open_rtcp(&mut bytes), Err(Refused::Forged));
            bytes[12] ^= 1;
            let length = incoming.open_rtcp(&mut bytes).unwrap();
            assert_eq!(bytes[..length], plain);
            assert_eq!(incoming.open_rtcp(&mut all[order].clone()), Err(Refused::Replayed));
        }
        for length in 0..all[0].len() {
            assert!(incoming.open_rtcp(&mut all[0][..length].to_vec()).is_err());
        }
    }
    let mut spent = Outgoing::new(Suite::Tag80, &master());
    spent.rtcp_index = RTCP_INDEX_MAX;
    assert_eq!(spent.protect_rtcp(&mut [0; 64], 28), None);
}

#[test]
fn each_source_of_reports_counts_its_own() {
    let mut incoming = Incoming::new(Suite::Tag80, &master());
    let report = |outgoing: &mut Outgoing, ssrc: u32| {
        let plain = [&[0x80, 0xc8, 0, 6][..], &ssrc.to_be_bytes(), &[0xab; 20]].concat();
        let mut buffer = [&plain[..], &[0; RTCP_GROWTH]].concat();
        outgoing.protect_rtcp(&mut buffer, plain.len()).unwrap();
        buffer
    };
    // One has sent a hundred when the other begins.
    let (mut first, mut second) =
        (Outgoing::new(Suite::Tag80, &master()), Outgoing::new(Suite::Tag80, &master()));
    for _ in 0..100 {
        assert!(incoming.open_rtcp(&mut report(&mut first, 1)).is_ok());
    }
    for _ in 0..3 {
        let bytes = report(&mut second, 2);
        assert!(incoming.open_rtcp(&mut bytes.clone()).is_ok());
        assert_eq!(incoming.open_rtcp(&mut bytes.clone()), Err(Refused::Replayed));
    }
    // A source that is known by its reports may still be past the rollover of its packets.
    let mut past = Outgoing::new(Suite::Tag80, &master());
    protected(&mut past, &packet(65_535, 2));
    assert!(opened(&mut incoming, &protected(&mut past, &packet(0, 2))).is_ok());
}

#[test]
fn keys_are_never_shown() {
    let keys = Keys { suite: Suite::Tag80, local: master(), remote: master() };
    let shown = format!("{keys:?}");
    assert!(shown.contains("***") && !shown.contains("225") && !shown.contains("E1F9"), "{shown}");
}
