//! STIR/SHAKEN: a PASSporT that says who vouches for the caller id (RFC 8224, 8225, 8588).
//!
//! Only whoever holds a certificate for this (SHAKEN: a service provider) may sign; everybody else lets the trunk do it,
//! or passes an Identity header on that was made elsewhere. The token is made here; the signature itself, which needs a
//! private key and randomness, is asked of the shell.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::number::E164;
use crate::rng::Rng;
use crate::time::WallTime;

/// `[trunk.stir]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The private key: PKCS#8, P-256, as PEM or DER.
    pub key_file: PathBuf,
    /// Where others find the certificate.
    pub x5u: String,
    /// How well the caller and the right to the number are known.
    pub attest: Attest,
    /// The origination identifier, a UUID; without it each call gets one of its own.
    #[serde(default)]
    pub origid: Option<String>,
}

/// RFC 8588, 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum Attest {
    /// Full: the customer is known, and the right to the number.
    A,
    /// Partial: the customer is known.
    B,
    /// Gateway: neither.
    C,
}

impl Attest {
    fn letter(self) -> &'static str {
        match self {
            Attest::A => "A",
            Attest::B => "B",
            Attest::C => "C",
        }
    }
}

impl Options {
    /// What cannot stand: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let rest = self.x5u.strip_prefix("https://");
        let plain = |c: char| c.is_ascii_graphic() && !"\"\\<>".contains(c);
        if rest.is_none_or(|rest| rest.is_empty()) || !self.x5u.chars().all(plain) || self.x5u.len() > 512 {
            faults.push(("stir.x5u", "x5u must be the https URL of the certificate".to_owned()));
        }
        if self.origid.as_ref().is_some_and(|origid| !is_uuid(origid)) {
            faults.push((
                "stir.origid",
                "origid must be a UUID, such as \"123e4567-e89b-42d3-a456-426614174000\"".to_owned(),
            ));
        }
        faults
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Signs bytes by ES256 (RFC 7518, 3.4: r and s, 32 bytes each); `None` when it cannot.
pub type Sign = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// Who signs for a trunk.
#[derive(Clone)]
pub struct Signer {
    /// As configured.
    pub options: Options,
    /// With the key.
    pub sign: Sign,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Signer {
    /// The value of the Identity header (RFC 8224, 4) of a call from `caller_id` to `number`, made at `now`.
    ///
    /// `None` when the caller id is no telephone number, which nobody can attest, or when the key fails: an INVITE without an
    /// Identity is one that the trunk may still sign.
    pub fn identity(&self, caller_id: &str, number: &E164, now: WallTime, rng: &mut Rng) -> Option<String> {
        let from = telephone_number(caller_id)?;
        let origid = self.options.origid.clone().unwrap_or_else(|| uuid(rng));
        let seconds = now.unix_ms().div_euclid(1_000);
        let header = URL_SAFE_NO_PAD.encode(header(&self.options.x5u));
        let claims =
            URL_SAFE_NO_PAD.encode(claims(self.options.attest, number.digits(), seconds, from, &origid));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode((self.sign)(signed.as_bytes())?);
        Some(format!("{signed}.{signature};info=<{}>;alg=ES256;ppt=\"shaken\"", self.options.x5u))
    }
}

/// The token's header: keys in lexicographic order, no blanks (RFC 8225, 9).
fn header(x5u: &str) -> String {
    let x5u = serde_json::Value::from(x5u);
    format!("{{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":{x5u}}}")
}

/// The token's claims, in the same form.
fn claims(attest: Attest, to: &str, iat: i64, from: &str, origid: &str) -> String {
    let attest = attest.letter();
    let origid = origid.to_ascii_lowercase();
    format!(
        "{{\"attest\":\"{attest}\",\"dest\":{{\"tn\":[\"{to}\"]}},\"iat\":{iat},\"orig\":{{\"tn\":\"{from}\"}},\
         \"origid\":\"{origid}\"}}"
    )
}

/// The canonical form of a number: digits alone (RFC 8224, 8.3).
fn telephone_number(caller_id: &str) -> Option<&str> {
    let digits = caller_id.strip_prefix('+')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// A random UUID (RFC 9562, version 4).
fn uuid(rng: &mut Rng) -> String {
    let high = rng.next_u64() & !0xf000 | 0x4000;
    let low = rng.next_u64() & !(0b11 << 62) | 0b10 << 62;
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    };

    /// 2026-11-20T15:00:00.250Z
    const NOW_MS: i64 = 1_795_186_800_250;

    fn key() -> (Sign, Vec<u8>) {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        (Arc::new(move |bytes| Some(pair.sign(&random, bytes).ok()?.as_ref().to_vec())), public)
    }

    fn options(origid: Option<&str>) -> Options {
        Options {
            key_file: "key.pem".into(),
            x5u: "https://cert.example.org/passport.cer".into(),
            attest: Attest::A,
            origid: origid.map(str::to_owned),
        }
    }

    fn number() -> E164 {
        E164::from_e164("+12155551213").unwrap()
    }

    #[test]
    fn whoever_has_the_certificate_can_verify_the_token() {
        let (sign, public) = key();
        let signer = Signer { options: options(Some("123E4567-e89b-42d3-a456-426614174000")), sign };
        let now = WallTime::from_unix_ms(NOW_MS);
        let value = signer.identity("+12155551212", &number(), now, &mut Rng::from_seed(1)).unwrap();
        let (token, parameters) = value.split_once(';').unwrap();
        assert_eq!(parameters, "info=<https://cert.example.org/passport.cer>;alg=ES256;ppt=\"shaken\"");
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("{token}") };
        let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        // RFC 8588, 5, in the canonical form of RFC 8225, 9.
        assert_eq!(
            decode(header),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        assert_eq!(
            decode(claims),
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1795186800,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-42d3-a456-426614174000"}"#
        );
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public);
        verifier.verify(signed.as_bytes(), &signature).expect("the signature is right");
        assert!(verifier.verify(format!("{signed}x").as_bytes(), &signature).is_err());
    }

    /// RFC 8225, 9.1: its example, spelled in its canonical order, is what our form gives for the same keys.
    #[test]
    fn keys_stand_in_lexicographic_order_without_blanks() {
        let text = header("https://cert.example.org/passport.cer");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text, "a sorted map prints the same");
        let text = claims(Attest::C, "12155551213", 1_443_208_345, "12155551212", "id");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn each_call_has_an_origination_identifier_of_its_own() {
        let mut rng = Rng::from_seed(3);
        let (first, second) = (uuid(&mut rng), uuid(&mut rng));
        assert!(is_uuid(&first) && first != second);
        assert_eq!((&first[14..15], "89ab".contains(&first[19..20])), ("4", true), "{first}");
    }

    #[test]
    fn what_nobody_can_attest_is_not_signed() {
        let (sign, _) = key();
        let signer = Signer { options: options(None), sign };
        let now = WallTime::from_unix_ms(NOW_MS);
        for caller in ["600", "anonymous", "+", ""] {
            assert_eq!(signer.identity(caller, &number(), now, &mut Rng::from_seed(1)), None, "{caller}");
        }
        let broken = Signer { sign: Arc::new(|_| None), ..signer };
        assert_eq!(broken.identity("+12155551212", &number(), now, &mut Rng::from_seed(1)), None);
    }

    #[test]
    fn what_cannot_stand_is_said() {
        let faults = |options: Options| options.faults().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(faults(options(None)), Vec::<&str>::new());
        assert_eq!(faults(Options { x5u: "http://h/c".into(), ..options(None) }), ["stir.x5u"]);
        assert_eq!(
            faults(Options { x5u: "https://h/c>\"".into(), ..options(Some("1")) }),
            ["stir.x5u", "stir.origid"]
        );
    }
}
