//! The endpoint against scripted peers: transcripts of whole calls, and a network that loses packets.
//!
//! `<` lines are messages of the peer: a status (of the last INVITE, or of the method that follows it), or a request
//! within the call. `tag=` is the peer's tag, `sdp=` a body, `cseq=` and `branch=` a request's numbers; headers follow
//! after bars. `*` lines are the calls of [`Endpoint`]'s verbs.

mod broken;
mod calls;
mod challenges;
mod chaos;
mod exchanges;
mod extensions;
mod fallback;
mod faults;
mod garbage;
mod held;
mod icmp;
mod infos;
mod late;
mod lossy;
mod orphans;
mod referrals;
mod registrations;
mod routes;
mod strangers;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::digest::{Credentials, Secret};
use super::endpoint::*;
use super::message::{Message, Request, Response, is_keep_alive};
use super::method::Method;
use super::transaction::transcript::{self, Machine};
use crate::rng::Rng;
use crate::time::Instant;

/// Plays a call's transcript; at its end nothing may be left.
fn check(script: &str) {
    let stage = transcript::check(script, |_, _| Stage::new(Transport::Udp));
    nothing_is_left(&stage);
}

/// With ACKs that are held for a second at most.
fn check_held(script: &str) {
    let options = Options { ack_held_max: Some(Duration::from_secs(1)), ..Options::default() };
    let stage = transcript::check(script, |_, _| Stage::with(Transport::Udp, options.clone()));
    nothing_is_left(&stage);
}

fn check_tcp(script: &str) {
    let stage = transcript::check(script, |_, _| Stage::new(Transport::Tcp));
    nothing_is_left(&stage);
}

fn nothing_is_left(stage: &Stage) {
    assert_eq!(stage.endpoint.counts(), Counts::default(), "something is left");
    assert_eq!(stage.parting, BTreeSet::new(), "all are parted");
}

struct Stage {
    endpoint: Endpoint,
    target: Target,
    session: Option<SessionKey>,
    registration: Option<RegistrationKey>,
    /// The last request of each method that the endpoint sent.
    sent: BTreeMap<String, Request>,
    /// The last number by Call-ID and To tag.
    numbers: BTreeMap<(String, String), u32>,
    /// Of all requests so far.
    branches: BTreeSet<String>,
    /// The peer's own CSeq.
    number: u32,
    /// Sessions that have ended and are not parted from their peers.
    parting: BTreeSet<SessionKey>,
}

impl Stage {
    fn new(transport: Transport) -> Self {
        Stage::with(transport, Options::default())
    }

    fn with(transport: Transport, options: Options) -> Self {
        let mut endpoint = Endpoint::new(options, Rng::from_seed(7));
        let target = Target::new(transport, "192.0.2.1:5060".parse().unwrap());
        endpoint.allow_source(target.address.ip());
        let (sent, numbers, branches) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (session, registration, number, parting) = (None, None, 100, BTreeSet::new());
        Stage { endpoint, target, session, registration, sent, numbers, branches, number, parting }
    }

    fn act(&mut self, now: Instant, words: &str) -> bool {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let session = self.session;
        match verb {
            "invite" => {
                let words: Vec<_> = rest.split(' ').collect();
                let dial = Dial { extensions: extensions(&words), ..dial(self.target) };
                self.session = Some(self.endpoint.invite(now, dial).unwrap());
            }
            "acknowledge" => self.endpoint.acknowledge(session.unwrap()),
            "hangup" => self.endpoint.hang_up(now, session.unwrap(), None),
            "reinvite" => self.endpoint.reinvite(now, session.unwrap(), rest.into()),
            "answer" => self.endpoint.answer_offer(now, session.unwrap(), Ok(rest.into())),
            "refuse" => self.endpoint.answer_offer(now, session.unwrap(), Err(rest.parse().unwrap())),
            "accept" => self.endpoint.answer_refer(now, session.unwrap(), Ok(())),
            "decline" => self.endpoint.answer_refer(now, session.unwrap(), Err(603)),
            "report" => self.endpoint.report_refer(now, session.unwrap(), rest.parse().unwrap()),
            "info" => self.endpoint.info(now, session.unwrap(), "application/dtmf-relay", rest.into()),
            "refer" => self.endpoint.refer(now, session.unwrap(), rest),
            "unreachable" => self.endpoint.handle_transport_error(now, self.target),
            "refused" => self.endpoint.handle_refused(now, self.target),
            "icmp" => self.endpoint.handle_unreachable(now, self.target.address),
            "register" => {
                self.registration = Some(self.endpoint.register(now, registration(self.target)).unwrap());
            }
            "password" => {
                let changed = Credentials { password: Secret::new(rest), ..credentials() };
                let (key, expires) = (self.registration.unwrap(), Duration::from_secs(300));
                self.endpoint.renew_registration(now, key, self.target, Some(changed), expires);
            }
            // To the same address: what leads elsewhere is the engine's to know.
            "move" => {
                let due = now + Duration::from_secs(rest.parse().unwrap());
                self.endpoint.move_registration(now, self.registration.unwrap(), self.target, due);
            }
            "unregister" => self.endpoint.unregister(now, self.registration.unwrap()),
            "ping" => {
                self.endpoint.ping(now, self.target, "sip:192.0.2.1", "<sip:us@h>").unwrap();
            }
            _ => return false,
        }
        true
    }

    fn response(&self, status: u16, method: &str, words: &[&str]) -> Response {
        let request = &self.sent[method];
        let mut response = Response::to_request(request, status, "Phrase");
        if let Some(tag) = word(words, "tag") {
            let to = request.headers().to().unwrap().with_tag(tag);
            response.headers_mut().set("To", &to.to_string());
        }
        if method == "INVITE" && (101..300).contains(&status) {
            response.headers_mut().push("Contact", "<sip:peer@192.0.2.1:5060>");
        }
        if let Some(seconds) = word(words, "retry-after") {
            response.headers_mut().push("Retry-After", seconds);
        }
        if let Some(sdp) = word(words, "sdp") {
            response.set_body("application/sdp", sdp.into());
        }
        response
    }

    fn request(&mut self, method: &str, words: &[&str]) -> Request {
        let invite = &self.sent["INVITE"];
        let tag = word(words, "tag").unwrap_or("them");
        let from = invite.headers().to().unwrap().with_tag(tag).to_string();
        let to = invite.headers().get("From").unwrap().to_owned();
        let call_id = invite.headers().call_id().unwrap().to_owned();
        if method != "ACK" && method != "CANCEL" {
            self.number += 1;
        }
        let number = word(words, "cseq").map_or(self.number, |number| number.parse().unwrap());
        let branch = word(words, "branch").map_or(format!("p{method}{number}"), str::to_owned);
        let transport = self.target.transport.as_str();
        let mut request = Request::new(Method::parse(method).unwrap(), "sip:us@127.0.0.1:5060");
        let headers = request.headers_mut();
        headers.push("Via", &format!("SIP/2.0/{transport} 192.0.2.1:5060;branch=z9hG4bK{branch}"));
        headers.push("From", &from);
        headers.push("To", &to);
        headers.push("Call-ID", &call_id);
        headers.push("CSeq", &format!("{number} {method}"));
        if let Some(sdp) = word(words, "sdp") {
            // A body of one word; a blank in it is written as %.
            request.set_body("application/sdp", sdp.replace('%', " ").into());
        }
        request
    }

    /// Each new request of a dialog has a higher number than all before it (RFC 3261 section 12.2.1.1).
    fn check_number(&mut self, request: &Request) {
        let headers = request.headers();
        let branch = headers.via_top().unwrap().branch().unwrap().to_owned();
        let is_copy = !self.branches.insert(branch);
        if is_copy || matches!(request.method(), Method::Ack | Method::Cancel) {
            return;
        }
        let call_id = headers.call_id().unwrap().to_owned();
        let tag = headers.to().unwrap().tag().unwrap_or_default().to_owned();
        let is_first = tag.is_empty() && *request.method() == Method::Invite;
        let tag = if is_first { "the INVITE's".to_owned() } else { tag };
        let number = headers.cseq().unwrap().number;
        let first = self.numbers.get(&(call_id.clone(), "the INVITE's".to_owned())).copied();
        if is_first {
            // The dialogs of the INVITE before have ended with it.
            self.numbers.retain(|(known, _), _| *known != call_id);
        }
        if let Some(last) = self.numbers.insert((call_id, tag), number).or(first) {
            assert!(number > last, "{} has the number {number} after {last}", request.method());
        }
    }

    fn collect(&mut self, out: &mut Vec<String>) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { target, bytes } => {
                    assert_eq!(target, self.target);
                    if is_keep_alive(&bytes) {
                        out.push("> keep-alive".into());
                        continue;
                    }
                    let message = Message::parse(&bytes).unwrap();
                    out.push(format!("> {}", describe(&message)));
                    if let Message::Request(request) = message {
                        self.check_number(&request);
                        self.sent.insert(request.method().as_str().to_owned(), request);
                    }
                }
                Output::Event(Event::Parted { key }) => {
                    assert!(self.parting.remove(&key), "it is told once, after the session's end");
                }
                Output::Event(event) => {
                    if let Event::Session { key, event: SessionEvent::Ended } = &event {
                        self.parting.insert(*key);
                    }
                    out.push(format!("! {}", tell(event)));
                }
            }
        }
    }
}

impl Machine for Stage {
    fn play(&mut self, now: Instant, word: &str, out: &mut Vec<String>) {
        if !self.act(now, word) {
            let mut parts = word.split(" | ");
            let words: Vec<_> = parts.next().unwrap_or_default().split(' ').collect();
            let mut message: Message = match words[0].parse::<u16>() {
                Ok(status) => {
                    let method = words.get(1).filter(|word| !word.contains('=')).unwrap_or(&"INVITE");
                    self.response(status, method, &words).into()
                }
                Err(_) => self.request(words[0], &words).into(),
            };
            for header in parts {
                let (name, value) = header.split_once(": ").unwrap();
                // The branch of the INVITE, for Vias that claim to be ours.
                let branch = self.sent.get("INVITE").and_then(|sent| sent.headers().via_top().ok());
                let branch = branch.as_ref().and_then(|via| via.branch()).unwrap_or_default();
                let value = &value.replace("=OURS", &format!("={branch}"));
                match &mut message {
                    Message::Request(request) => request.headers_mut().set(name, value),
                    Message::Response(response) => response.headers_mut().set(name, value),
                }
            }
            let (transport, source) = (self.target.transport, self.target.address);
            self.endpoint.handle_message(now, transport, source, &message.to_bytes());
        }
        self.collect(out);
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Vec<String>) {
        self.endpoint.handle_timeout(now);
        self.collect(out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}

fn dial(target: Target) -> Dial {
    Dial {
        target,
        request_uri: "sip:+12025550101@192.0.2.1".into(),
        from: "<sip:+12025550100@h>".into(),
        to: "<sip:+12025550101@192.0.2.1>".into(),
        call_id: "call-1".into(),
        credentials: Some(credentials()),
        headers: vec![("X-Campaign".into(), "spring".into())],
        sdp: b"offer".to_vec(),
        response_timeout: Duration::from_secs(4),
        extensions: Extensions::default(),
        names: None,
    }
}

/// What a transcript's call may use: `100rel=off`, `timer=1800`, `transfer`.
fn extensions(words: &[&str]) -> Extensions {
    Extensions {
        reliable_provisionals: match word(words, "100rel") {
            Some("off") => ReliableProvisionals::Off,
            Some("required") => ReliableProvisionals::Required,
            _ => ReliableProvisionals::Supported,
        },
        session_interval: word(words, "timer").map(|seconds| Duration::from_secs(seconds.parse().unwrap())),
        transfer: words.contains(&"transfer"),
    }
}

fn registration(target: Target) -> Registration {
    Registration {
        target,
        registrar_uri: "sip:192.0.2.1".into(),
        aor: "sip:outdial@192.0.2.1".into(),
        contact_user: "outdial".into(),
        credentials: Some(credentials()),
        expires: Duration::from_secs(300),
    }
}

fn credentials() -> Credentials {
    Credentials { username: "outdial".into(), password: Secret::new("secret"), realm: Some("trunk".into()) }
}

fn word<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn describe(message: &Message) -> String {
    let headers = message.headers();
    let mut line = match message {
        Message::Request(request) => request.method().to_string(),
        Message::Response(response) => format!("{} {}", response.status(), headers.cseq().unwrap().method),
    };
    if let (Message::Request(_), Some(tag)) = (message, headers.to().unwrap().tag()) {
        line += &format!(" tag={tag}");
    }
    if headers.get("Authorization").or(headers.get("Proxy-Authorization")).is_some() {
        line += " authorized";
    }
    if let (Message::Request(_), Some(expires)) = (message, headers.get("Expires")) {
        line += &format!(" expires={expires}");
    }
    let told = [
        ("Require", "require"),
        ("Session-Expires", "interval"),
        ("Min-SE", "least"),
        ("Refer-To", "to"),
        ("Refer-Sub", "subscribed"),
        ("Subscription-State", "subscription"),
        ("Event", "event"),
    ];
    if let Some((number, _)) = headers.get("RAck").and_then(|value| value.split_once(' ')) {
        line += &format!(" rack={number}");
        assert!(headers.get("RAck").is_some_and(|value| value.ends_with(" INVITE")));
    }
    for (name, word) in told {
        if let Some(value) = headers.get(name) {
            line += &format!(" {word}={value}");
        }
    }
    if headers.get("Retry-After").is_some() {
        line += " retry-after";
    }
    if !message.body().is_empty() {
        line += &format!(" sdp={}", String::from_utf8_lossy(message.body()).trim_end());
    }
    line
}

fn tell(event: Event) -> String {
    let body = |sdp: Option<Vec<u8>>| {
        sdp.map_or(String::new(), |sdp| format!(" sdp={}", String::from_utf8_lossy(&sdp)))
    };
    match event {
        Event::Session { event, .. } => match event {
            SessionEvent::Trying => "trying".into(),
            SessionEvent::Provisional { status, sdp } => format!("{status}{}", body(sdp)),
            SessionEvent::Answered { sdp } => format!("answered{}", body(sdp)),
            SessionEvent::Rejected { status, q850, retry_after, .. } => {
                let cause = q850.map_or(String::new(), |cause| format!(" cause={cause}"));
                let wait = retry_after.map_or(String::new(), |wait| format!(" retry={}", wait.as_secs()));
                format!("rejected {status}{cause}{wait}")
            }
            SessionEvent::NoResponse => "no response".into(),
            SessionEvent::Offered { sdp } => format!("offered{}", body(sdp)),
            SessionEvent::OfferAnswered { status, sdp } => format!("offer answered {status}{}", body(sdp)),
            SessionEvent::Referred { to, replaces } => {
                let replaces = replaces.map_or(String::new(), |replaces| format!(" replaces={replaces}"));
                format!("referred to {to}{replaces}")
            }
            SessionEvent::ReferProgress { status } => format!("refer {status}"),
            SessionEvent::Info { content_type, .. } => format!("info {content_type}"),
            SessionEvent::HungUp { q850, vanished, .. } => {
                let who = if vanished { "vanished" } else { "hung up" };
                format!("{who}{}", q850.map_or(String::new(), |cause| format!(" cause={cause}")))
            }
            SessionEvent::Ended => "ended".into(),
        },
        Event::Registration { event, .. } => match event {
            RegistrationEvent::Registered { expires } => format!("registered for {}", expires.as_secs()),
            RegistrationEvent::Failed { status, .. } => format!("registration failed {status}"),
            RegistrationEvent::Lapsed => "registration lapsed".into(),
            RegistrationEvent::Unregistered { leave: Leave::Confirmed } => "unregistered".into(),
            RegistrationEvent::Unregistered { leave } => format!("unregistered {leave:?}").to_lowercase(),
        },
        Event::Parted { .. } => "parted".into(),
        Event::Orphan { end, .. } => format!("orphan {end:?}"),
        Event::Ping { outcome, .. } => match outcome {
            PingOutcome::Answered { status, round_trip, .. } => {
                format!("alive {status} after {} ms", round_trip.as_millis())
            }
            PingOutcome::NoAnswer => "no answer".into(),
        },
    }
}
