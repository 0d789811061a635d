//! Answering challenges for one session or registration: RFC 3261 section 22, RFC 7616.
//!
//! A request is tried again at most twice. A challenge for a realm that was answered already means that the password
//! is wrong, and is not answered again unless the server says that only its nonce was stale, or wants a stronger hash:
//! PBXs that know the user only from the first answer challenge by MD5 before they know better (Asterisk 22 does).

use super::digest::{Challenge, Credentials, authorize};
use super::header::list::{split, unquote};
use super::message::{Message, Request, Response};
use crate::rng::Rng;

/// How often one request is sent again with credentials.
const TRIES_MAX: u8 = 2;
/// How many realms (a proxy's, the server's) are answered side by side.
const ANSWERS_MAX: usize = 4;

/// Headers of credentials, as one request left with them.
pub(crate) type Shown = Vec<(&'static str, String)>;

/// What a request that was sent has shown of us: the ACK of a 2xx has the same credentials as its INVITE (RFC 3261 section
/// 13.2.2.4).
pub(crate) fn shown_in(sent: &[u8]) -> Shown {
    let name = b"uthorization:";
    if !sent.windows(name.len()).any(|part| part == name) {
        return Shown::new();
    }
    let Ok(message) = Message::parse(sent) else { return Shown::new() };
    let values = |name| message.headers().all(name).map(move |value| (name, value.to_owned()));
    ["Proxy-Authorization", "Authorization"].into_iter().flat_map(values).collect()
}

/// What we know of a peer's challenges.
#[derive(Debug)]
pub(crate) struct Authentication {
    credentials: Option<Credentials>,
    answers: Vec<Answer>,
    tries: u8,
}

#[derive(Debug)]
struct Answer {
    from_proxy: bool,
    challenge: Challenge,
    /// How many requests carried this nonce.
    count: u32,
    /// Whether the request that is being tried carried it.
    tried: bool,
    /// Whether the challenge came in answer to that request, and not to an earlier one.
    fresh: bool,
}

impl Answer {
    /// Whether this challenge means that the password was wrong. A nonce of an earlier request may simply have grown old,
    /// and not every server says so.
    fn refused_by(&self, challenge: &Challenge) -> bool {
        let stronger = self.challenge.algorithm.is_md5() && !challenge.algorithm.is_md5();
        let aged = !self.fresh && challenge.nonce != self.challenge.nonce;
        self.tried && !challenge.stale && !stronger && !aged
    }
}

impl Authentication {
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        Authentication { credentials, answers: Vec::new(), tries: 0 }
    }

    /// Whether there is anything to answer a challenge with.
    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The same credentials for requests that run beside these.
    pub(crate) fn sibling(&self) -> Self {
        Authentication::new(self.credentials.clone())
    }

    /// A new request begins, which may carry what was asked for the last one.
    pub(crate) fn begin(&mut self) {
        self.tries = 0;
        self.answers.iter_mut().for_each(|answer| (answer.tried, answer.fresh) = (false, false));
    }

    /// Whether this response asks for credentials.
    pub(crate) fn is_challenge(response: &Response) -> bool {
        matches!(response.status(), 401 | 407)
    }

    /// The request to send instead of `sent`, which was challenged: a new CSeq, no Via yet. `None` when there is
    /// nothing to answer with.
    pub(crate) fn retry(&mut self, rng: &mut Rng, sent: &[u8], response: &Response) -> Option<Request> {
        if !Authentication::is_challenge(response) || self.tries >= TRIES_MAX {
            return None;
        }
        let realm = self.credentials.as_ref()?.realm.clone();
        let mut is_useful = false;
        // A proxy that forked puts the challenges of all branches into one response (RFC 3261 section 22.3).
        for (from_proxy, header) in [(true, "Proxy-Authenticate"), (false, "WWW-Authenticate")] {
            let asked = Challenge::choose_each(response.headers().all(header), realm.as_deref());
            for challenge in asked.unwrap_or_default() {
                is_useful |= self.note(from_proxy, challenge);
            }
        }
        if !is_useful {
            return None;
        }
        self.tries += 1;
        let Ok(Message::Request(mut request)) = Message::parse(sent) else { return None };
        let cseq = request.headers().cseq().ok()?;
        request.headers_mut().remove("Via");
        request.headers_mut().set("CSeq", &format!("{} {}", cseq.number.wrapping_add(1), cseq.method));
        self.apply(rng, &mut request);
        Some(request)
    }

    /// Puts the answers to all known challenges into `request`.
    pub(crate) fn apply(&mut self, rng: &mut Rng, request: &mut Request) {
        request.headers_mut().remove("Authorization");
        request.headers_mut().remove("Proxy-Authorization");
        let Some(credentials) = &self.credentials else { return };
        for answer in &mut self.answers {
            answer.count += 1;
            answer.tried = true;
            let (method, uri) = (request.method().as_str().to_owned(), request.uri().to_owned());
            let cnonce = rng.token(16);
            let challenge = &answer.challenge;
            let value =
                authorize(challenge, credentials, &method, &uri, request.body(), answer.count, &cnonce);
            let header = if answer.from_proxy { "Proxy-Authorization" } else { "Authorization" };
            request.headers_mut().push(header, &value);
        }
    }

    /// A request was accepted, and the server may name the nonce of the next (RFC 7616 section 3.5); it does not say of which
    /// realm, so that must be clear.
    pub(crate) fn note_accepted(&mut self, response: &Response) {
        for (from_proxy, header) in [(true, "Proxy-Authentication-Info"), (false, "Authentication-Info")] {
            let next = response.headers().get(header).and_then(next_nonce);
            let mut asked = self.answers.iter_mut().filter(|answer| answer.from_proxy == from_proxy);
            if let (Some(next), Some(answer), None) = (next, asked.next(), asked.next())
                && next != answer.challenge.nonce
            {
                (answer.challenge.nonce, answer.count) = (next, 0);
            }
        }
    }

    /// Takes a challenge in; false when answering it again is of no use.
    fn note(&mut self, from_proxy: bool, challenge: Challenge) -> bool {
        let known =
            |answer: &Answer| answer.from_proxy == from_proxy && answer.challenge.realm == challenge.realm;
        match self.answers.iter().position(known) {
            Some(at) if self.answers[at].refused_by(&challenge) => return false,
            Some(at) => {
                let answer = &mut self.answers[at];
                if answer.challenge.nonce != challenge.nonce {
                    answer.count = 0;
                }
                answer.challenge = challenge;
                answer.fresh = true;
            }
            None if self.answers.len() >= ANSWERS_MAX => return false,
            None => self.answers.push(Answer { from_proxy, challenge, count: 0, tried: false, fresh: true }),
        }
        true
    }
}

fn next_nonce(value: &str) -> Option<String> {
    let mut parameters = split(value, b',').filter_map(|part| part.split_once('='));
    let (_, nonce) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("nextnonce"))?;
    Some(unquote(nonce.trim())).filter(|nonce| !nonce.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::digest::Secret;
    use crate::sip::method::Method;

    #[test]
    fn a_password_is_offered_once_a_realm_and_once_more_when_stale() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        let first = authentication.retry(&mut rng, &invite(), &challenge(407, "proxy", "n1", false)).unwrap();
        assert_eq!(first.headers().cseq().unwrap().number, 8);
        assert_eq!(first.headers().count("Via"), 0);
        assert!(first.headers().get("Proxy-Authorization").unwrap().contains("nc=00000001"));
        let second =
            authentication.retry(&mut rng, &sent(&first), &challenge(407, "proxy", "n2", true)).unwrap();
        assert!(second.headers().get("Proxy-Authorization").unwrap().contains("nonce=\"n2\""));
        assert_eq!(second.headers().count("Proxy-Authorization"), 1);
        let third = challenge(407, "proxy", "n3", true);
        assert_eq!(authentication.retry(&mut rng, &sent(&second), &third), None);
    }

    #[test]
    fn a_refused_password_is_not_offered_again() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        let first = authentication.retry(&mut rng, &invite(), &challenge(401, "pbx", "n1", false)).unwrap();
        let again = challenge(401, "pbx", "n2", false);
        assert_eq!(authentication.retry(&mut rng, &sent(&first), &again), None);
    }

    #[test]
    fn a_stronger_hash_is_answered_and_a_weaker_one_is_not() {
        let by = |nonce: &str, algorithm: &str| {
            let mut response = Response::new(401, "");
            let value =
                format!("Digest realm=\"pbx\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"");
            response.headers_mut().push("WWW-Authenticate", &value);
            response
        };
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        let first = authentication.retry(&mut rng, &invite(), &by("n", "MD5")).unwrap();
        let second = authentication.retry(&mut rng, &sent(&first), &by("n", "SHA-256")).unwrap();
        assert!(second.headers().get("Authorization").unwrap().contains("algorithm=SHA-256"));
        authentication.begin();
        let first = authentication.retry(&mut rng, &invite(), &by("m", "SHA-256")).unwrap();
        assert_eq!(authentication.retry(&mut rng, &sent(&first), &by("m", "MD5")), None);
    }

    #[test]
    fn fault_21_a_nonce_that_grew_old_between_two_requests_is_no_wrong_password() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        authentication.retry(&mut rng, &invite(), &challenge(401, "pbx", "n1", false)).unwrap();
        authentication.begin();
        let Ok(Message::Request(mut later)) = Message::parse(&invite()) else { panic!() };
        authentication.apply(&mut rng, &mut later);
        // The server forgot to say stale.
        let again =
            authentication.retry(&mut rng, &sent(&later), &challenge(401, "pbx", "n2", false)).unwrap();
        assert!(again.headers().get("Authorization").unwrap().contains("nonce=\"n2\""));
        assert_eq!(authentication.retry(&mut rng, &sent(&again), &challenge(401, "pbx", "n3", false)), None);
        // The same nonce once more is another matter: it was good, so the password is not.
        authentication.begin();
        authentication.apply(&mut rng, &mut later);
        assert_eq!(authentication.retry(&mut rng, &sent(&later), &challenge(401, "pbx", "n2", false)), None);
    }

    #[test]
    fn fault_21_each_answer_has_a_cnonce_of_its_own() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        let cnonce = |request: &Request| {
            let value = request.headers().get("Authorization").unwrap().to_owned();
            value.split("cnonce=").nth(1).unwrap().split(',').next().unwrap().to_owned()
        };
        let first = authentication.retry(&mut rng, &invite(), &challenge(401, "pbx", "n1", false)).unwrap();
        authentication.begin();
        let mut second = first.clone();
        authentication.apply(&mut rng, &mut second);
        assert_ne!(cnonce(&first), cnonce(&second));
        assert!(second.headers().get("Authorization").unwrap().contains("nc=00000002"));
    }

    #[test]
    fn a_proxy_and_a_server_are_answered_side_by_side_with_rising_counts() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        let first = authentication.retry(&mut rng, &invite(), &challenge(407, "proxy", "n1", false)).unwrap();
        let both =
            authentication.retry(&mut rng, &sent(&first), &challenge(401, "pbx", "n9", false)).unwrap();
        assert!(both.headers().get("Proxy-Authorization").unwrap().contains("nc=00000002"));
        assert!(both.headers().get("Authorization").unwrap().contains("nc=00000001"));
    }

    #[test]
    fn all_realms_of_one_response_are_answered_at_once_and_with_a_realm_of_ours_only_that() {
        let mut rng = Rng::from_seed(1);
        let mut response = challenge(407, "one", "n1", false);
        let more = [("Proxy-Authenticate", "two"), ("WWW-Authenticate", "three")];
        for (header, realm) in more {
            let value = format!("Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\"");
            response.headers_mut().push(header, &value);
        }
        let realms = |request: &Request, header| -> Vec<String> {
            let values = request.headers().all(header);
            values.map(|value| value.split('"').nth(3).unwrap().to_owned()).collect()
        };
        let mut anybodys = credentials(None);
        let all = anybodys.retry(&mut rng, &invite(), &response).unwrap();
        assert_eq!(realms(&all, "Proxy-Authorization"), ["one", "two"]);
        assert_eq!(realms(&all, "Authorization"), ["three"]);
        // One of them once more is a refusal, and no other asks.
        assert_eq!(anybodys.retry(&mut rng, &sent(&all), &challenge(407, "two", "n2", false)), None);
        let bound = credentials(Some("two")).retry(&mut rng, &invite(), &response).unwrap();
        assert_eq!(realms(&bound, "Proxy-Authorization"), ["two"]);
        assert_eq!(bound.headers().count("Authorization"), 0);
    }

    #[test]
    fn the_nonce_that_a_server_names_for_the_next_request_is_taken_for_it() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        let mut next =
            authentication.retry(&mut rng, &invite(), &challenge(401, "pbx", "n1", false)).unwrap();
        let mut ok = Response::new(200, "OK");
        ok.headers_mut().push("Authentication-Info", "qop=auth, nextnonce=\"n,2\", rspauth=\"00\"");
        authentication.note_accepted(&ok);
        authentication.begin();
        authentication.apply(&mut rng, &mut next);
        let answer = next.headers().get("Authorization").unwrap();
        assert!(answer.contains("nonce=\"n,2\"") && answer.contains("nc=00000001"), "{answer}");
        // It is refused for another: that is no wrong password.
        assert!(authentication.retry(&mut rng, &sent(&next), &challenge(401, "pbx", "n3", false)).is_some());
    }

    #[test]
    fn no_digest_leaves_for_a_foreign_realm_or_without_credentials() {
        let mut rng = Rng::from_seed(1);
        let stranger = challenge(401, "evil", "n", false);
        assert_eq!(credentials(Some("pbx")).retry(&mut rng, &invite(), &stranger), None);
        assert_eq!(Authentication::new(None).retry(&mut rng, &invite(), &stranger), None);
    }

    #[test]
    fn a_later_request_may_answer_again_though_the_server_forgot_to_say_stale() {
        let mut authentication = credentials(None);
        let mut rng = Rng::from_seed(1);
        authentication.retry(&mut rng, &invite(), &challenge(401, "pbx", "n1", false)).unwrap();
        authentication.begin();
        assert!(authentication.retry(&mut rng, &invite(), &challenge(401, "pbx", "n2", false)).is_some());
    }

    fn credentials(realm: Option<&str>) -> Authentication {
        Authentication::new(Some(Credentials {
            username: "u".into(),
            password: Secret::new("p"),
            realm: realm.map(str::to_owned),
        }))
    }

    fn invite() -> Vec<u8> {
        let mut request = Request::new(Method::Invite, "sip:1@192.0.2.1");
        for (name, value) in [
            ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", "c"),
            ("CSeq", "7 INVITE"),
        ] {
            request.headers_mut().push(name, value);
        }
        request.to_bytes()
    }

    fn sent(request: &Request) -> Vec<u8> {
        let mut request = request.clone();
        request.headers_mut().push_front("Via", "SIP/2.0/UDP h;branch=z9hG4bK2");
        request.to_bytes()
    }

    fn challenge(status: u16, realm: &str, nonce: &str, stale: bool) -> Response {
        let mut response = Response::new(status, "");
        let header = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let value = format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\", stale={stale}");
        response.headers_mut().push(header, &value);
        response
    }
}
