//! Takes people's numbers and secrets out of a message without changing its length, so that it stays the SIP that it was.
//!
//! Masked are: digits of the user part of every `sip:`, `sips:` and `tel:` URI and of long runs of digits in headers that
//! are no protocol machinery (all but the last two digits), the Identity header's token, bodies that are no session
//! description (key presses, ISUP), and of a session description what names a person. The digest's answer is a secret
//! always, for a password can be guessed from it; so are the keys of SRTP.

use super::packet;

/// A run of digits that is shorter than this is an extension, a port or a status, and stays.
const DIGITS_MIN: usize = 5;

/// The same outside URIs, where other numbers stand.
const DIGITS_OUTSIDE_MIN: usize = 7;

/// Digits at the end that stay readable, to tell calls apart.
const DIGITS_SHOWN: usize = 2;

/// Headers whose digits are the protocol's own.
const MACHINERY: [&str; 27] = [
    "via",
    "v",
    "cseq",
    "call-id",
    "i",
    "content-length",
    "l",
    "max-forwards",
    "expires",
    "min-expires",
    "date",
    "timestamp",
    "rack",
    "rseq",
    "session-expires",
    "x",
    "min-se",
    "retry-after",
    "www-authenticate",
    "proxy-authenticate",
    "content-type",
    "c",
    "allow",
    "supported",
    "k",
    "user-agent",
    "server",
];

/// The message for the eyes of others: numbers hidden, secrets hidden.
pub fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut out = without_secrets(bytes);
    let (head, body) = packet::split(&out);
    let head_end = head.len();
    let body_start = out.len() - body.len();
    let kind = packet::header(&out, "Content-Type", "c")
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    mask_head(&mut out[..head_end]);
    match kind.as_deref() {
        None | Some("application/sdp") => mask_sdp(&mut out[body_start..]),
        // How a transfer goes (RFC 3420): the beginning of a message like this one.
        Some("message/sipfrag") => mask_head(&mut out[body_start..]),
        Some(_) => out[body_start..]
            .iter_mut()
            .filter(|byte| !byte.is_ascii_whitespace())
            .for_each(|byte| *byte = b'*'),
    }
    out
}

/// The message with its secrets hidden, for whoever asked for the numbers.
pub fn without_secrets(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let head_end = packet::split(bytes).0.len();
    each_header(&mut out[..head_end], |name, value| {
        if matches!(name, "authorization" | "proxy-authorization") {
            hide_parameter(value, b"response");
        }
    });
    out[head_end..].split_mut(|byte| *byte == b'\n').for_each(hide_media_keys);
    out
}

/// A key in a description (RFC 4568) opens the call's media to whoever reads it.
fn hide_media_keys(line: &mut [u8]) {
    if !line.get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case(b"a=crypto:")) {
        return;
    }
    let mut from = 0;
    while let Some(at) = find(&line[from..], b"inline:") {
        from += at + b"inline:".len();
        let key = line[from..].iter_mut().take_while(|byte| !b"|; \t\r".contains(byte));
        key.for_each(|byte| *byte = b'*');
    }
}

fn mask_head(head: &mut [u8]) {
    let line = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    mask_uris(&mut head[..line]);
    each_header(head, |name, value| {
        mask_uris(value);
        match name {
            "identity" | "y" => mask_token(value),
            // The digest's user name is a number as often as not.
            _ if !MACHINERY.contains(&name) => mask_runs(value, DIGITS_OUTSIDE_MIN),
            _ => {}
        }
    });
}

/// Calls `act` with the lower-case name and the value of each header, folded lines with the header they belong to.
fn each_header(head: &mut [u8], mut act: impl FnMut(&str, &mut [u8])) {
    let mut name = String::new();
    for line in head.split_mut(|byte| *byte == b'\n').skip(1) {
        if line.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t') {
            act(&name, line);
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            name = String::from_utf8_lossy(&line[..colon]).trim().to_ascii_lowercase();
            act(&name, &mut line[colon + 1..]);
        }
    }
}

fn mask_uris(text: &mut [u8]) {
    for scheme in [&b"sip:"[..], b"sips:", b"tel:"] {
        let mut from = 0;
        while let Some(at) = find(&text[from..], scheme) {
            let start = from + at + scheme.len();
            let end = start + user_length(&text[start..], scheme == b"tel:");
            mask_runs(&mut text[start..end], DIGITS_MIN);
            keep_country_numeric(&mut text[start..end]);
            from = start;
        }
    }
}

/// Behind a plus three digits are read as a country code, and analysers complain about asterisks there: zeros are nobody's.
fn keep_country_numeric(user: &mut [u8]) {
    if user.first() == Some(&b'+') {
        let hidden = user.iter_mut().filter(|byte| byte.is_ascii_digit() || **byte == b'*').take(3);
        hidden.filter(|byte| **byte == b'*').for_each(|byte| *byte = b'0');
    }
}

/// How long the user part is: to the `@`, or nothing when there is none; of a `tel` URI all of the number.
fn user_length(text: &[u8], is_tel: bool) -> usize {
    let end = text
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || b"<>\",".contains(byte))
        .unwrap_or(text.len());
    match text[..end].iter().position(|byte| *byte == b'@') {
        Some(at) => at,
        None if is_tel => end,
        None => 0,
    }
}

/// Hides the runs of at least `least` digits; a plus, blanks, hyphens and brackets within one do not end it.
fn mask_runs(text: &mut [u8], least: usize) {
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let mut end = at + 1;
        while at < text.len() && (text[at].is_ascii_digit() || b"-() ".contains(&text[at])) {
            at += 1;
            if text[at - 1].is_ascii_digit() {
                end = at;
            }
        }
        let digits = text[start..end].iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits >= least && !is_tag(&text[..start]) {
            let hidden = digits - DIGITS_SHOWN;
            text[start..end]
                .iter_mut()
                .filter(|byte| byte.is_ascii_digit())
                .take(hidden)
                .for_each(|byte| *byte = b'*');
        }
    }
}

/// Whether what follows belongs to a tag, one of Replaces included (RFC 3891), also as it stands in a URI: dialogs could not be
/// told apart without it.
fn is_tag(before: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [b"tag=", b"to-tag=", b"from-tag=", b"to-tag%3d", b"from-tag%3d"];
    let start = before.iter().rposition(|byte| b";? ,>".contains(byte)).map_or(0, |at| at + 1);
    let parameter = before[start..].to_ascii_lowercase();
    let last = parameter.windows(3).rposition(|escape| escape == b"%3b").map_or(0, |at| at + 3);
    NAMES.iter().any(|name| parameter[last..].starts_with(name))
}

/// A PASSporT holds both numbers in its payload: the token goes, its parameters stay.
fn mask_token(value: &mut [u8]) {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value[..end]
        .iter_mut()
        .filter(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        .for_each(|b| *b = b'*');
}

fn hide_parameter(value: &mut [u8], name: &[u8]) {
    let mut from = 0;
    while let Some(at) = find(&value[from..], name) {
        let mut start = from + at + name.len();
        from = start;
        while value.get(start).is_some_and(|byte| b" \t=\"".contains(byte)) {
            start += 1;
        }
        for byte in
            value[start..].iter_mut().take_while(|byte| !b"\",".contains(byte) && !byte.is_ascii_whitespace())
        {
            *byte = b'*';
        }
    }
}

/// The lines of a session description that name somebody: the user of the origin, subject, information, address, phone.
fn mask_sdp(body: &mut [u8]) {
    for line in body.split_mut(|byte| *byte == b'\n') {
        match line.first() {
            Some(b'o') => {
                let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
                mask_runs(&mut line[..end], DIGITS_MIN);
            }
            Some(b's' | b'i' | b'e' | b'p' | b'u') => mask_runs(line, DIGITS_MIN),
            _ => {}
        }
    }
}

/// Where `wanted`, in lower case, first stands.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted))
}

/// Hides in a packet of RTP which keys were pressed (telephone-event, RFC 4733). Its number is what the two sides have agreed
/// upon, any but those that are always sound's; what is as long as sound is sound. That a key was pressed, when and for how long stays.
pub fn hide_keys(packet: &mut [u8]) {
    const NO_EVENT: u8 = 255;
    /// 10 ms.
    const SOUND_MIN: usize = 80;
    let [first, second, ..] = *packet else { return };
    // PCMU, PCMA, G722, comfort noise, and RTCP (RFC 5761 section 4).
    if first >> 6 != 2 || matches!(second & 0x7F, 0 | 8 | 9 | 13 | 72..=76) {
        return;
    }
    let begin = 12 + 4 * usize::from(first & 0x0F);
    let extension = match packet.get(begin..begin + 4) {
        Some(&[_, _, high, low]) if first & 0x10 != 0 => 4 + 4 * usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    // An event is of four bytes, the first of which names it; a packet may hold several (section 2.5.1.5).
    let payload = packet.get_mut(begin + extension..).unwrap_or_default();
    if payload.len() < SOUND_MIN {
        payload.iter_mut().step_by(4).for_each(|event| *event = NO_EVENT);
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::INVITE;
    use super::*;

    fn of(text: &str) -> String {
        String::from_utf8(masked(text.as_bytes())).unwrap()
    }

    #[test]
    fn an_invite_keeps_its_form_and_loses_its_numbers() {
        let text = of(INVITE);
        assert_eq!(text.len(), INVITE.len());
        assert!(!text.contains("20255501"), "{text}");
        for kept in [
            "INVITE sip:+000******01@192.0.2.1 SIP/2.0\r\n",
            "From: \"Acme ********00\" <sip:+000******00@192.0.2.9>;tag=12345678\r\n",
            "Call-ID: 123456789abc\r\n",
            "CSeq: 4711 INVITE\r\n",
            "o=- 12345678901 1 IN IP4 192.0.2.9\r\n",
            "m=audio 16384 RTP/AVP 0 8 101\r\n",
        ] {
            assert!(text.contains(kept), "{kept} is not in\n{text}");
        }
    }

    #[test]
    fn every_place_of_a_number_is_known() {
        let table = [
            (
                "P-Asserted-Identity: <tel:+1-202-555-0100>, <sip:600@pbx>",
                "P-Asserted-Identity: <tel:+0-00*-***-**00>, <sip:600@pbx>",
            ),
            ("X-Contact: 12025550101", "X-Contact: *********01"),
            ("Diversion: <sips:2025550101@h>;reason=busy", "Diversion: <sips:********01@h>;reason=busy"),
            (
                "Reason: Q.850;cause=16;text=\"to (202) 555-0101\"",
                "Reason: Q.850;cause=16;text=\"to (***) ***-**01\"",
            ),
            ("Contact: <sip:192.0.2.1:5060>", "Contact: <sip:192.0.2.1:5060>"),
            ("t: sip:12025550101@h;tag=99999999", "t: sip:*********01@h;tag=99999999"),
            (
                "Replaces: a@h;to-tag=99999999;from-tag=b8888888",
                "Replaces: a@h;to-tag=99999999;from-tag=b8888888",
            ),
            (
                "Refer-To: <sip:12025550101@h?Replaces=a%40h%3Bto-tag%3D99999999%3Bx%3D12025550101>",
                "Refer-To: <sip:*********01@h?Replaces=a%40h%3Bto-tag%3D99999999%3Bx%3D*********01>",
            ),
            (
                "Identity: ey12.ab-c.x_;info=<https://h/c.pem>;alg=ES256",
                "Identity: ****.****.**;info=<https://h/c.pem>;alg=ES256",
            ),
            ("Subject: a\r\n  12025550101", "Subject: a\r\n  *********01"),
        ];
        for (header, expected) in table {
            assert_eq!(
                of(&format!("INFO sip:h SIP/2.0\r\n{header}\r\n\r\n")),
                format!("INFO sip:h SIP/2.0\r\n{expected}\r\n\r\n")
            );
        }
    }

    #[test]
    fn bodies_that_are_no_description_are_hidden_whole() {
        let text = of(
            "INFO sip:h SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n",
        );
        assert!(text.ends_with("\r\n\r\n********\r\n************\r\n"), "{text}");
        let text = of("NOTIFY sip:h SIP/2.0\r\nContent-Type: message/sipfrag;version=2.0\r\n\r\n\
             SIP/2.0 486 Busy Here\r\nTo: <sip:+12025550101@h>\r\n");
        assert!(text.ends_with("\r\n\r\nSIP/2.0 486 Busy Here\r\nTo: <sip:+000******01@h>\r\n"), "{text}");
        let text = of(
            "MESSAGE sip:h SIP/2.0\r\nc: application/sdp\r\n\r\nv=0\r\no=12025550101 1 1 IN IP4 h\r\np=+12025550101\r\n",
        );
        assert!(text.ends_with("v=0\r\no=*********01 1 1 IN IP4 h\r\np=+*********01\r\n"), "{text}");
    }

    #[test]
    fn the_digests_answer_is_hidden_from_everybody() {
        let text = "REGISTER sip:h SIP/2.0\r\nAuthorization: Digest username=\"u\", response=\"0123abc\", nc=00000001\r\n\r\n";
        let open = String::from_utf8(without_secrets(text.as_bytes())).unwrap();
        assert!(open.contains("username=\"u\", response=\"*******\", nc=00000001"), "{open}");
    }

    #[test]
    fn the_keys_of_media_are_hidden_from_everybody() {
        let text = "INVITE sip:h SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\
            a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0Rm+/v7|2^20|1:4;inline:QUJD\r\na=sendrecv\r\n";
        for seen in [without_secrets(text.as_bytes()), masked(text.as_bytes())] {
            let seen = String::from_utf8(seen).unwrap();
            let hidden =
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:********|2^20|1:4;inline:****\r\na=sendrecv\r\n";
            assert!(seen.ends_with(hidden), "{seen}");
        }
    }

    #[test]
    fn whatever_comes_keeps_its_length() {
        let mut rng = crate::rng::Rng::from_seed(5);
        for _ in 0..2_000 {
            let mut bytes = INVITE.as_bytes().to_vec();
            for _ in 0..rng.below(20) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = rng.below(256) as u8;
            }
            assert_eq!(masked(&bytes).len(), bytes.len());
        }
    }

    #[test]
    fn keys_are_hidden_in_rtp_and_sound_is_not() {
        let header = [0x80, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7];
        let event = |number: u8| [number, 0x8A, 0x03, 0x20];
        let hidden = |packet: Vec<u8>| {
            let mut packet = packet;
            hide_keys(&mut packet);
            packet
        };
        assert_eq!(hidden([&header[..], &event(5)].concat()), [&header[..], &event(255)].concat());
        let two = [&header[..], &event(5), &event(11)].concat();
        assert_eq!(hidden(two), [&header[..], &event(255), &event(255)].concat());
        // With a contributing source and an extension of one word.
        let long = [0x91, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 5, 5, 5, 5, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5];
        assert_eq!(hidden([&long[..], &event(5)].concat()), [&long[..], &event(255)].concat());
        let low = [&[0x80, 80][..], &header[2..], &event(5)].concat();
        assert_eq!(hidden(low)[12], 255, "a number that is nobody's");
        let sound = [&[0x80, 97][..], &header[2..], &[5; 160]].concat();
        assert_eq!(hidden(sound.clone()), sound, "PCMU by another number");
        for kept in [
            vec![0x80, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5],
            vec![0x80, 201, 5],
            vec![0x9F, 101],
            vec![],
        ] {
            assert_eq!(hidden(kept.clone()), kept);
        }
    }
}
