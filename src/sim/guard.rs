//! The carrier's door: digest challenges and the check of what comes back (RFC 7616, RFC 8760), written apart from the
//! engine's own digest code.

use crate::rng::Rng;
use crate::sip::header::list;
use crate::time::Instant;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most nonces that are remembered; the oldest are forgotten first.
const NONCES_MAX: usize = 4096;

/// A hash that the carrier accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn hash(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// Who may call, and how that is to be proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The realm of the challenge.
    pub realm: String,
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: String,
    /// What is offered, in this order.
    pub algorithms: Vec<Algorithm>,
    /// A nonce older than this is stale.
    pub nonce_life: Duration,
}

/// What the door says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Come in.
    Granted,
    /// No or foreign credentials: challenge.
    Challenge,
    /// Right credentials with an old nonce: challenge with `stale=true`.
    Stale,
    /// Wrong credentials.
    Refused,
}

/// The door.
#[derive(Debug)]
pub struct Guard {
    account: Account,
    rng: Rng,
    /// Nonces with their birth and the highest nonce count seen.
    nonces: BTreeMap<String, (Instant, u32)>,
}

impl Guard {
    /// A door for one account.
    pub fn new(account: Account, rng: Rng) -> Guard {
        Guard { account, rng, nonces: BTreeMap::new() }
    }

    /// The values of the challenge headers, one an algorithm.
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        let nonce = self.rng.token(24);
        if self.nonces.len() >= NONCES_MAX {
            let oldest =
                self.nonces.iter().min_by_key(|(_, (born, _))| *born).map(|(nonce, _)| nonce.clone());
            oldest.map(|nonce| self.nonces.remove(&nonce));
        }
        self.nonces.insert(nonce.clone(), (now, 0));
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                self.account.realm,
                algorithm.name()
            )
        };
        self.account.algorithms.iter().map(challenge).collect()
    }

    /// Judges the value of an Authorization or Proxy-Authorization header.
    pub fn admit(&mut self, now: Instant, method: &str, credentials: Option<&str>) -> Admission {
        let Some(fields) = credentials.and_then(fields) else { return Admission::Challenge };
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        if field("realm") != self.account.realm {
            return Admission::Challenge;
        }
        let offered = |a: &&Algorithm| a.name().eq_ignore_ascii_case(field("algorithm"));
        let (Some(algorithm), "auth") = (self.account.algorithms.iter().find(offered), field("qop")) else {
            return Admission::Refused;
        };
        let first = algorithm
            .hash(&format!("{}:{}:{}", self.account.username, self.account.realm, self.account.password));
        let second = algorithm.hash(&format!("{method}:{}", field("uri")));
        let expected = algorithm.hash(&format!(
            "{first}:{}:{}:{}:auth:{second}",
            field("nonce"),
            field("nc"),
            field("cnonce")
        ));
        if field("username") != self.account.username || field("response") != expected {
            return Admission::Refused;
        }
        self.admit_nonce(now, field("nonce"), field("nc"))
    }

    fn admit_nonce(&mut self, now: Instant, nonce: &str, count: &str) -> Admission {
        // Eight hexadecimal digits (RFC 7616, 3.4), each count higher than the last.
        let (Ok(count), 8) = (u32::from_str_radix(count, 16), count.len()) else { return Admission::Refused };
        match self.nonces.get_mut(nonce) {
            None => Admission::Stale,
            Some((born, _)) if now - *born > self.account.nonce_life => Admission::Stale,
            Some((_, highest)) if count <= *highest => Admission::Refused,
            Some((_, highest)) => {
                *highest = count;
                Admission::Granted
            }
        }
    }
}

fn fields(value: &str) -> Option<BTreeMap<String, String>> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Digest").then(|| {
        let pairs = list::split(rest, b',').filter_map(|field| field.split_once('='));
        pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), list::unquote(value.trim()))).collect()
    })
}

/// What a caller with this account answers to a challenge.
#[cfg(test)]
pub(crate) fn credentials(account: &Account, challenge: &str, method: &str, uri: &str, count: u32) -> String {
    let field = |name: &str| {
        let fields = fields(challenge).expect("a digest challenge");
        fields.get(name).cloned().unwrap_or_default()
    };
    let algorithm = if field("algorithm") == "MD5" { Algorithm::Md5 } else { Algorithm::Sha256 };
    let Account { realm, username, password, .. } = account;
    let first = algorithm.hash(&format!("{username}:{realm}:{password}"));
    let second = algorithm.hash(&format!("{method}:{uri}"));
    let (nonce, name) = (field("nonce"), algorithm.name());
    let response = algorithm.hash(&format!("{first}:{nonce}:{count:08x}:c:auth:{second}"));
    format!(
        "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm={name}, qop=auth, nc={count:08x}, cnonce=\"c\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7616_hash_as_printed_there() {
        // RFC 7616, 3.9.1: the same request in both algorithms.
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let first = algorithm.hash("Mufasa:http-auth@example.org:Circle of Life");
            let second = algorithm.hash("GET:/dir/index.html");
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let response = algorithm.hash(&format!("{first}:{nonce}:00000001:{cnonce}:auth:{second}"));
            assert_eq!(response, expected);
        }
    }

    #[test]
    fn right_credentials_pass_once_each_count() {
        let mut guard = guard();
        let challenge = guard.challenges(at(0), false).remove(0);
        let first = credentials(&guard.account, &challenge, "INVITE", "sip:a@b", 1);
        assert_eq!(guard.admit(at(1), "INVITE", Some(&first)), Admission::Granted);
        assert_eq!(guard.admit(at(1), "INVITE", Some(&first)), Admission::Refused);
        let tenth = credentials(&guard.account, &challenge, "INVITE", "sip:a@b", 10);
        assert_eq!(guard.admit(at(1), "INVITE", Some(&tenth)), Admission::Granted);
    }

    #[test]
    fn wrong_missing_and_old_credentials_do_not_pass() {
        let mut guard = guard();
        let challenge = guard.challenges(at(0), false).remove(0);
        assert_eq!(guard.admit(at(1), "INVITE", None), Admission::Challenge);
        let guess = Account { password: "guess".into(), ..guard.account.clone() };
        let wrong = credentials(&guess, &challenge, "INVITE", "sip:a@b", 1);
        assert_eq!(guard.admit(at(1), "INVITE", Some(&wrong)), Admission::Refused);
        let right = credentials(&guard.account, &challenge, "INVITE", "sip:a@b", 1);
        assert_eq!(guard.admit(at(61), "INVITE", Some(&right)), Admission::Stale);
        let other = "Digest realm=\"carrier\", nonce=\"other\", algorithm=MD5";
        let unknown = credentials(&guard.account, other, "INVITE", "sip:a@b", 1);
        assert_eq!(guard.admit(at(1), "INVITE", Some(&unknown)), Admission::Stale);
    }

    fn guard() -> Guard {
        let account = Account {
            realm: "carrier".into(),
            username: "outdial".into(),
            password: "secret".into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_life: Duration::from_secs(60),
        };
        Guard::new(account, Rng::from_seed(1))
    }

    fn at(s: u64) -> Instant {
        Instant::from_start(Duration::from_secs(s))
    }
}
