//! Digest authentication, the client's side (RFC 7616, RFC 2617, RFC 8760; RFC 3261 section 22).
//!
//! A 401 or 407 carries challenges. [`Challenge::choose_each`] picks those to answer, [`authorize`] makes the
//! value of Authorization or Proxy-Authorization. How often a nonce was used is counted by whoever holds the dialog.

mod algorithm;
mod challenge;
mod secret;

pub use algorithm::Algorithm;
pub use challenge::{Challenge, Qop, Unusable};
pub use secret::Secret;

use super::header::list::quote_into;
use std::fmt::Write;

/// Who we are to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// The name that the password belongs to.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The only realm that the password is for; any realm when `None`.
    pub realm: Option<String>,
}

/// The answer to `challenge` for one request: the value of its Authorization (to a 401) or Proxy-Authorization (to a
/// 407).
///
/// `uri` is the Request-URI as it stands on the wire. `nonce_count` is 1 for the first request with this nonce and
/// rises by one with each; `cnonce` is fresh randomness, of token characters.
pub fn authorize(
    challenge: &Challenge,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    body: &[u8],
    nonce_count: u32,
    cnonce: &str,
) -> String {
    let algorithm = challenge.algorithm;
    let response = response(challenge, credentials, method, uri, body, nonce_count, cnonce);
    let mut out = String::from("Digest ");
    quoted(&mut out, "username", &credentials.username);
    out.push_str(", ");
    quoted(&mut out, "realm", &challenge.realm);
    out.push_str(", ");
    quoted(&mut out, "nonce", &challenge.nonce);
    out.push_str(", ");
    quoted(&mut out, "uri", uri);
    out.push_str(", ");
    quoted(&mut out, "response", &response);
    // Servers older than the parameter know one algorithm, and are not sent what they did not send.
    if challenge.names_algorithm {
        // Writing into a String cannot fail, here and below.
        let _ = write!(out, ", algorithm={}", algorithm.name());
    }
    if let Some(opaque) = &challenge.opaque {
        out.push_str(", ");
        quoted(&mut out, "opaque", opaque);
    }
    if challenge.qop.is_some() || algorithm.is_session() {
        out.push_str(", ");
        quoted(&mut out, "cnonce", cnonce);
    }
    if let Some(qop) = challenge.qop {
        // Eight hexadecimal digits (RFC 7616 section 3.4), neither quoted.
        let _ = write!(out, ", qop={}, nc={nonce_count:08x}", qop.name());
    }
    out
}

/// RFC 7616 section 3.4.1 to 3.4.3.
fn response(
    challenge: &Challenge,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    body: &[u8],
    nonce_count: u32,
    cnonce: &str,
) -> String {
    let hash = |text: String| challenge.algorithm.hash(text.as_bytes());
    let (realm, nonce) = (&challenge.realm, &challenge.nonce);
    let mut secret = hash(format!("{}:{realm}:{}", credentials.username, credentials.password.expose()));
    if challenge.algorithm.is_session() {
        secret = hash(format!("{secret}:{nonce}:{cnonce}"));
    }
    let subject = match challenge.qop {
        Some(Qop::AuthInt) => hash(format!("{method}:{uri}:{}", challenge.algorithm.hash(body))),
        Some(Qop::Auth) | None => hash(format!("{method}:{uri}")),
    };
    match challenge.qop {
        Some(qop) => hash(format!("{secret}:{nonce}:{nonce_count:08x}:{cnonce}:{}:{subject}", qop.name())),
        // As RFC 2069 had it, for servers that offer no qop.
        None => hash(format!("{secret}:{nonce}:{subject}")),
    }
}

fn quoted(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push('=');
    quote_into(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials { username: username.into(), password: Secret::new(password), realm: None }
    }

    fn parameter<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
        let parts = answer.strip_prefix("Digest ")?.split(", ");
        let value = parts.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(value.trim_matches('"'))
    }

    /// RFC 2617 section 3.5.
    #[test]
    fn the_example_of_rfc_2617_comes_out() {
        let challenge = Challenge::parse(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        )
        .unwrap();
        let mufasa = credentials("Mufasa", "Circle Of Life");
        let answer = authorize(&challenge, &mufasa, "GET", "/dir/index.html", b"", 1, "0a4f113b");
        assert_eq!(parameter(&answer, "response"), Some("6629fae49393a05397450978507c4ef1"));
        assert_eq!(parameter(&answer, "nc"), Some("00000001"));
        assert_eq!(parameter(&answer, "opaque"), Some("5ccc069c403ebaf9f0171e9517f40e41"));
        assert_eq!(parameter(&answer, "algorithm"), None);
    }

    /// RFC 7616 section 3.9.1, the challenge once with each algorithm.
    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let table = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in table {
            let challenge = Challenge::parse(&format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ))
            .unwrap();
            let mufasa = credentials("Mufasa", "Circle of Life");
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = authorize(&challenge, &mufasa, "GET", "/dir/index.html", b"", 1, cnonce);
            assert_eq!(parameter(&answer, "response"), Some(response), "{algorithm}");
            assert_eq!(parameter(&answer, "algorithm"), Some(algorithm));
            assert_eq!(parameter(&answer, "qop"), Some("auth"));
        }
    }

    #[test]
    fn a_session_key_is_made_of_the_cnonce() {
        let plain = Challenge::parse("Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"").unwrap();
        let session = Challenge { algorithm: Algorithm::Md5Sess, ..plain.clone() };
        let answer = authorize(&session, &credentials("u", "p"), "INVITE", "sip:h", b"", 1, "c");
        // The definition spelled out, step by step.
        let md5 = |text: &str| Algorithm::Md5.hash(text.as_bytes());
        let secret = md5(&format!("{}:n:c", md5("u:r:p")));
        let expected = md5(&format!("{secret}:n:00000001:c:auth:{}", md5("INVITE:sip:h")));
        assert_eq!(parameter(&answer, "response"), Some(expected.as_str()));
        assert_eq!(parameter(&answer, "algorithm"), Some("MD5-sess"));
        let without_qop = Challenge { qop: None, ..session };
        let answer = authorize(&without_qop, &credentials("u", "p"), "INVITE", "sip:h", b"", 1, "c");
        assert_eq!(parameter(&answer, "cnonce"), Some("c"), "the server needs it for the session key");
    }

    #[test]
    fn auth_int_covers_the_body() {
        let challenge = Challenge::parse("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"").unwrap();
        let answer = |body: &[u8]| {
            authorize(&challenge, &credentials("u", "p"), "INVITE", "sip:h", body, 1, "c").to_owned()
        };
        let md5 = |text: &str| Algorithm::Md5.hash(text.as_bytes());
        let subject = md5(&format!("INVITE:sip:h:{}", md5("v=0")));
        let expected = md5(&format!("{}:n:00000001:c:auth-int:{subject}", md5("u:r:p")));
        assert_eq!(parameter(&answer(b"v=0"), "response"), Some(expected.as_str()));
        assert_ne!(answer(b"v=0"), answer(b"v=1"));
    }

    #[test]
    fn the_nonce_count_is_hexadecimal() {
        let challenge = Challenge::parse("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"").unwrap();
        let answer = authorize(&challenge, &credentials("u", "p"), "INVITE", "sip:h", b"", 0x1a, "c");
        assert_eq!(parameter(&answer, "nc"), Some("0000001a"));
    }

    #[test]
    fn without_qop_there_is_neither_cnonce_nor_count() {
        let challenge = Challenge::parse("Digest realm=\"r\",nonce=\"n\"").unwrap();
        let answer = authorize(&challenge, &credentials("u", "p"), "BYE", "sip:h", b"", 1, "c");
        let md5 = |text: &str| Algorithm::Md5.hash(text.as_bytes());
        let expected = md5(&format!("{}:n:{}", md5("u:r:p"), md5("BYE:sip:h")));
        assert_eq!(
            answer,
            format!(
                "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", response=\"{expected}\""
            )
        );
    }

    #[test]
    fn quotes_in_names_are_escaped_on_the_wire_and_plain_in_the_hash() {
        let challenge = Challenge::parse(r#"Digest realm="the \"best\" trunk", nonce="n""#).unwrap();
        assert_eq!(challenge.realm, "the \"best\" trunk");
        let answer = authorize(&challenge, &credentials("a\\b", "p"), "BYE", "sip:h", b"", 1, "c");
        assert!(answer.contains(r#"username="a\\b", realm="the \"best\" trunk""#), "{answer}");
        let md5 = |text: &str| Algorithm::Md5.hash(text.as_bytes());
        let expected = md5(&format!("{}:n:{}", md5("a\\b:the \"best\" trunk:p"), md5("BYE:sip:h")));
        assert!(answer.contains(&expected));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert!(!format!("{:?}", credentials("u", "hunter2")).contains("hunter2"));
    }
}
