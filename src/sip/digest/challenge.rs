//! What a server asks in WWW-Authenticate or Proxy-Authenticate (RFC 7616 section 3.3).

use super::algorithm::Algorithm;
use crate::sip::header::list::{split, unquote};
use crate::sip::malformed::Malformed;
use crate::sip::method::is_token;
use std::fmt;

/// What the answer protects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// The body too.
    AuthInt,
}

impl Qop {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }
}

/// A challenge that we can answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// Whom the password is for, without quotes and escapes.
    pub realm: String,
    /// The server's number, without quotes and escapes.
    pub nonce: String,
    /// To be given back as it came.
    pub opaque: Option<String>,
    /// Whether only the nonce was out of date, so the same password is to be tried again.
    pub stale: bool,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether the server named its algorithm; an answer names it only then.
    pub names_algorithm: bool,
    /// What we answer with, of what was offered: `auth` before `auth-int`.
    pub qop: Option<Qop>,
}

/// Why none of the challenges can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// There is no Digest challenge.
    NoDigest,
    /// The hash is none of ours.
    Algorithm,
    /// Neither `auth` nor `auth-int` is offered.
    Qop,
    /// The realm is not the one the password is for.
    Realm,
    /// It cannot be read.
    Malformed(Malformed),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NoDigest => f.write_str("the server asks for no digest authentication"),
            Unusable::Algorithm => {
                f.write_str("the server asks for a hash that is none of MD5, SHA-256, SHA-512-256")
            }
            Unusable::Qop => f.write_str("the server offers a qop that is neither auth nor auth-int"),
            Unusable::Realm => {
                f.write_str("the server's realm is not the one set for this trunk; compare `realm`")
            }
            Unusable::Malformed(error) => write!(f, "the server's challenge cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Unusable {}

impl Challenge {
    /// Reads the first Digest challenge of a header's value.
    pub fn parse(value: &str) -> Result<Challenge, Unusable> {
        let mut all = Challenge::parse_all(value);
        if all.is_empty() { Err(Unusable::NoDigest) } else { all.swap_remove(0) }
    }

    /// Picks the challenge to answer from the values of all WWW-Authenticate (or Proxy-Authenticate) headers: the
    /// topmost that is not MD5, else the topmost (RFC 8760 section 2.4), of the realm that is asked for, else of the first.
    ///
    /// When none will do, the first one's fault is the error.
    pub fn choose<'a>(
        values: impl Iterator<Item = &'a str>,
        realm: Option<&str>,
    ) -> Result<Challenge, Unusable> {
        Challenge::choose_each(values, realm).map(|mut chosen| chosen.swap_remove(0))
    }

    /// The same for each realm that asks, in the order in which they do (RFC 3261 section 22.3); never empty. With `realm`
    /// there is no other.
    pub fn choose_each<'a>(
        values: impl Iterator<Item = &'a str>,
        realm: Option<&str>,
    ) -> Result<Vec<Challenge>, Unusable> {
        let mut chosen: Vec<Challenge> = Vec::new();
        let mut fault = None;
        for challenge in values.flat_map(Challenge::parse_all) {
            match challenge {
                Err(error) => fault = fault.or(Some(error)),
                Ok(challenge) if realm.is_some_and(|realm| realm != challenge.realm) => {
                    fault = fault.or(Some(Unusable::Realm));
                }
                Ok(challenge) => match chosen.iter_mut().find(|earlier| earlier.realm == challenge.realm) {
                    None => chosen.push(challenge),
                    Some(earlier) if challenge.algorithm.is_md5() || !earlier.algorithm.is_md5() => {}
                    Some(earlier) => *earlier = challenge,
                },
            }
        }
        if chosen.is_empty() { Err(fault.unwrap_or(Unusable::NoDigest)) } else { Ok(chosen) }
    }

    /// Every Digest challenge of one header's value; a server may put several into one, commas between them.
    fn parse_all(value: &str) -> Vec<Result<Challenge, Unusable>> {
        let mut challenges: Vec<(bool, Vec<(&str, &str)>)> = Vec::new();
        for part in split(value, b',') {
            let (scheme, rest) = cut_scheme(part);
            if let Some(scheme) = scheme {
                challenges.push((scheme.eq_ignore_ascii_case("Digest"), Vec::new()));
            }
            if let (Some((_, parameters)), Some((name, value))) =
                (challenges.last_mut(), rest.split_once('='))
            {
                parameters.push((name.trim(), value.trim()));
            }
        }
        let digests = challenges.into_iter().filter(|(is_digest, _)| *is_digest);
        digests.map(|(_, parameters)| Challenge::from_parameters(&parameters)).collect()
    }

    fn from_parameters(parameters: &[(&str, &str)]) -> Result<Challenge, Unusable> {
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| unquote(value))
        };
        let missing = |fault| Unusable::Malformed(Malformed::new("challenge", fault));
        let algorithm = get("algorithm");
        Ok(Challenge {
            realm: get("realm").ok_or(missing("has no realm"))?,
            nonce: get("nonce").ok_or(missing("has no nonce"))?,
            opaque: get("opaque"),
            stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            names_algorithm: algorithm.is_some(),
            algorithm: match algorithm {
                Some(name) => Algorithm::from_name(&name).ok_or(Unusable::Algorithm)?,
                None => Algorithm::Md5,
            },
            qop: choose_qop(get("qop").as_deref().unwrap_or(""))?,
        })
    }
}

/// `auth` when it is offered, for a body that a session border controller rewrites on its way fails `auth-int`.
fn choose_qop(offered: &str) -> Result<Option<Qop>, Unusable> {
    let offers = |qop: Qop| split(offered, b',').any(|name| name.eq_ignore_ascii_case(qop.name()));
    match (offers(Qop::Auth), offers(Qop::AuthInt)) {
        (true, _) => Ok(Some(Qop::Auth)),
        (false, true) => Ok(Some(Qop::AuthInt)),
        (false, false) if offered.trim().is_empty() => Ok(None),
        (false, false) => Err(Unusable::Qop),
    }
}

/// `Digest realm="x"` is a scheme and a parameter, `realm = "x"` a parameter alone.
fn cut_scheme(part: &str) -> (Option<&str>, &str) {
    let name = part.split_once('=').map_or(part, |(name, _)| name).trim();
    match name.split_once(|c: char| c.is_ascii_whitespace()) {
        Some((scheme, _)) if is_token(scheme) => (Some(scheme), part[scheme.len()..].trim()),
        None if is_token(part) => (Some(part), ""),
        _ => (None, part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_challenges_are_read() {
        // value, realm, nonce, opaque, stale, algorithm, qop
        let table = [
            ("Digest realm=\"r\", nonce=\"n\"", "r", "n", None, false, Algorithm::Md5, None),
            (
                "digest  nonce = \"n=,=\" ,Realm=\"a, b\",STALE=\"TRUE\", algorithm=md5, opaque=\"\"",
                "a, b",
                "n=,=",
                Some(""),
                true,
                Algorithm::Md5,
                None,
            ),
            (
                "Digest realm=\"r\",nonce=\"n\",qop=\"auth,auth-int\",algorithm=SHA-512-256,stale=FALSE",
                "r",
                "n",
                None,
                false,
                Algorithm::Sha512256,
                Some(Qop::Auth),
            ),
            (
                "Digest realm=\"r\",nonce=\"n\",qop=auth-int,algorithm=\"SHA-256-sess\",domain=\"sip:h\",x=y",
                "r",
                "n",
                None,
                false,
                Algorithm::Sha256Sess,
                Some(Qop::AuthInt),
            ),
            ("Digest\trealm=\"r\", nonce=\"n\", qop=\"\"", "r", "n", None, false, Algorithm::Md5, None),
            (
                "Basic realm=\"x\", Digest realm=\"r\", nonce=\"n\"",
                "r",
                "n",
                None,
                false,
                Algorithm::Md5,
                None,
            ),
        ];
        for (value, realm, nonce, opaque, stale, algorithm, qop) in table {
            let challenge = Challenge::parse(value).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!((challenge.realm.as_str(), challenge.nonce.as_str()), (realm, nonce), "{value}");
            assert_eq!((challenge.opaque.as_deref(), challenge.stale), (opaque, stale), "{value}");
            assert_eq!((challenge.algorithm, challenge.qop), (algorithm, qop), "{value}");
        }
    }

    #[test]
    fn what_we_cannot_answer_says_why() {
        let malformed = |fault| Unusable::Malformed(Malformed::new("challenge", fault));
        let table = [
            ("", Unusable::NoDigest),
            ("Basic realm=\"r\"", Unusable::NoDigest),
            ("Negotiate", Unusable::NoDigest),
            ("realm=\"r\", nonce=\"n\"", Unusable::NoDigest),
            ("Digest nonce=\"n\"", malformed("has no realm")),
            ("Digest realm=\"r\"", malformed("has no nonce")),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=AKAv1-MD5", Unusable::Algorithm),
            ("Digest realm=\"r\", nonce=\"n\", qop=\"token\"", Unusable::Qop),
        ];
        for (value, fault) in table {
            assert_eq!(Challenge::parse(value), Err(fault), "{value}");
        }
    }

    #[test]
    fn sha_goes_before_md5_and_the_realm_must_be_ours() {
        let md5 = "Digest realm=\"a\", nonce=\"1\", algorithm=MD5";
        let sha = "Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256";
        let long = "Digest realm=\"a\", nonce=\"3\", algorithm=SHA-512-256";
        let odd = "Digest realm=\"a\", nonce=\"4\", algorithm=SHA-999";
        let other = "Digest realm=\"b\", nonce=\"5\", algorithm=SHA-256";
        let both = "Digest realm=\"a\", nonce=\"1\", algorithm=MD5, Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256";
        let table: [(&[&str], Result<&str, Unusable>); 8] = [
            (&[md5, sha], Ok("2")),
            (&[sha, md5], Ok("2")),
            (&[odd, md5, long, sha], Ok("3")),
            (&[both], Ok("2")),
            (&[other, md5], Ok("1")),
            (&[other], Err(Unusable::Realm)),
            (&[odd], Err(Unusable::Algorithm)),
            (&[], Err(Unusable::NoDigest)),
        ];
        for (values, nonce) in table {
            let chosen =
                Challenge::choose(values.iter().copied(), Some("a")).map(|challenge| challenge.nonce);
            assert_eq!(chosen, nonce.map(str::to_owned), "{values:?}");
        }
    }

    #[test]
    fn each_realm_has_its_own_best_challenge() {
        let values = [
            "Digest realm=\"a\", nonce=\"1\", algorithm=MD5",
            "Digest realm=\"b\", nonce=\"2\", algorithm=SHA-256",
            "Digest realm=\"a\", nonce=\"3\", algorithm=SHA-256",
            "Digest realm=\"c\", nonce=\"4\", algorithm=SHA-999",
        ];
        let nonces = |realm| {
            let chosen = Challenge::choose_each(values.into_iter(), realm);
            chosen.map(|all| all.into_iter().map(|challenge| challenge.nonce).collect::<Vec<_>>())
        };
        assert_eq!(nonces(None), Ok(vec!["3".to_owned(), "2".to_owned()]));
        assert_eq!(nonces(Some("b")), Ok(vec!["2".to_owned()]));
        assert_eq!(nonces(Some("d")), Err(Unusable::Realm));
    }
}
