//! Keys for SRTP in the description itself: SDES (RFC 4568), the `crypto` attribute.
//!
//! Such keys are as secret as the signalling that carries them: who offers them over anything but TLS has none.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Bytes of a master key of 128 bits and its salt of 112.
pub const MASTER_KEY: usize = 30;

/// Padding is left out by some.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A crypto suite (section 6.2). AES in counter mode with 128 bits and HMAC-SHA1, whose tag differs in length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80, which everybody knows.
    Tag80,
    /// AES_CM_128_HMAC_SHA1_32.
    Tag32,
}

impl Suite {
    /// Both, the better one first.
    pub const ALL: [Suite; 2] = [Suite::Tag80, Suite::Tag32];

    /// Its name in the attribute.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// A master key and its salt; it is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey(pub [u8; MASTER_KEY]);

impl MasterKey {
    fn derive(&self, label: &str) -> MasterKey {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(label.as_bytes());
        let derived = mac.finalize().into_bytes();
        let mut key = [0; MASTER_KEY];
        key.copy_from_slice(&derived[..MASTER_KEY]);
        MasterKey(key)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// What we do about protection, and the secret of the keys of what we send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// Plain RTP only.
    Plain,
    /// Protected where the peer can: RTP/AVP with keys beside, as gateways offer it that do not know their peer.
    Optional(MasterKey),
    /// Protected, or no media: RTP/SAVP.
    Required(MasterKey),
}

impl Security {
    /// The key of what we send by a suite. No two attributes may have the same one (RFC 4568, 6.1): the secret itself is the
    /// first suite's, and what is derived from it, as random to whoever does not know it, is the other's.
    pub(super) fn key(self, suite: Suite) -> Option<MasterKey> {
        let (Security::Optional(secret) | Security::Required(secret)) = self else { return None };
        Some(match suite {
            Suite::Tag80 => secret,
            Suite::Tag32 => secret.derive(suite.name()),
        })
    }

    /// The attributes of an offer, the best one first.
    pub(super) fn lines(self) -> impl Iterator<Item = Crypto> {
        (1..)
            .zip(Suite::ALL)
            .filter_map(move |(tag, suite)| Some(Crypto { tag, suite, key: self.key(suite)? }))
    }
}

/// What both sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protection {
    /// The number of the attribute that was chosen.
    pub tag: u32,
    /// Of both directions.
    pub suite: Suite,
    /// Protects what we send.
    pub local: MasterKey,
    /// Protects what the peer sends.
    pub remote: MasterKey,
}

/// One crypto attribute that we can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Crypto {
    pub(super) tag: u32,
    pub(super) suite: Suite,
    pub(super) key: MasterKey,
}

impl Crypto {
    /// The attribute's value, if it asks for nothing that we do not know. A lifetime is passed over: our keys live for a
    /// call.
    pub(super) fn parse(value: &str) -> Option<Crypto> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let suite = words.next()?;
        let suite = Suite::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(suite))?;
        let key = read_key(words.next()?)?;
        // Every session parameter is a demand (6.3.7), but for advice on the replay window and those marked with a dash.
        let unknown = |word: &str| {
            let advice = word.starts_with('-') || word.to_ascii_uppercase().starts_with("WSH=");
            !advice && !word.eq_ignore_ascii_case("KDR=0")
        };
        (!words.any(unknown)).then_some(Crypto { tag, suite, key })
    }

    /// As the attribute's value.
    pub(super) fn text(&self) -> String {
        let key = general_purpose::STANDARD.encode(self.key.0);
        format!("{} {} inline:{key}", self.tag, self.suite.name())
    }
}

/// One key, without a master key identifier: those would be in every packet.
fn read_key(parameters: &str) -> Option<MasterKey> {
    let (method, key) = parameters.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || key.contains(';') {
        return None;
    }
    let mut parts = key.split('|');
    let key = LENIENT.decode(parts.next()?).ok()?;
    let has_identifier = parts.any(|part| part.contains(':'));
    let key = key.try_into().ok().filter(|_| !has_identifier)?;
    Some(MasterKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 4568, section 4.1 and 7.1.
    const INLINE: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn attributes_are_read_as_far_as_we_know_what_they_ask() {
        let table = [
            (format!("1 AES_CM_128_HMAC_SHA1_80 {INLINE}"), Some((1, Suite::Tag80))),
            (format!("2 aes_cm_128_hmac_sha1_32 {INLINE}|2^20"), Some((2, Suite::Tag32))),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {INLINE}|1048576 WSH=128 KDR=0 -X"), Some((1, Suite::Tag80))),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^20|1:4"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {INLINE}|1:4"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {INLINE};{INLINE}"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {INLINE} UNENCRYPTED_SRTP"), None),
            (format!("1 F8_128_HMAC_SHA1_80 {INLINE}"), None),
            (format!("1 AES_256_CM_HMAC_SHA1_80 {INLINE}"), None),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpV".into(), None),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:%%%".into(), None),
            ("1 AES_CM_128_HMAC_SHA1_80".into(), None),
            (format!("x AES_CM_128_HMAC_SHA1_80 {INLINE}"), None),
            (String::new(), None),
        ];
        for (value, expected) in table {
            let read = Crypto::parse(&value);
            assert_eq!(read.map(|crypto| (crypto.tag, crypto.suite)), expected, "{value}");
            if let Some(crypto) = read {
                assert_eq!(crypto.key.0[..4], *b"wDfv", "{value}");
                assert_eq!(Crypto::parse(&crypto.text()), Some(crypto));
            }
        }
        let key = MasterKey([0xfb; MASTER_KEY]);
        let text = Crypto { tag: 7, suite: Suite::Tag32, key }.text();
        assert_eq!(text, format!("7 AES_CM_128_HMAC_SHA1_32 inline:{}", "+/v7".repeat(10)));
        assert_eq!(format!("{:?}", Security::Required(key)), "Required(MasterKey(***))");
    }
}
