//! Calls, registrations and pings: each pair of bytes is a verb of ours, a response or request of the peer, or the passing of
//! time. At the end all is hung up, and when everything has had its time, nothing may be left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::rng::Rng;
use outdial::sip::digest::{Credentials, Secret};
use outdial::sip::endpoint::*;
use outdial::sip::message::{Message, Request, Response};
use outdial::sip::method::Method;
use outdial::time::Instant;
use std::time::Duration;

const STATUSES: [u16; 16] = [100, 180, 183, 199, 200, 202, 302, 401, 407, 422, 423, 481, 486, 487, 491, 503];
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

struct Stage {
    endpoint: Endpoint,
    now: Instant,
    target: Target,
    sessions: Vec<SessionKey>,
    registrations: Vec<RegistrationKey>,
    sent: Vec<Request>,
    number: u32,
    /// Provisional responses that were sent reliably.
    reliable: u32,
}

fuzz_target!(|bytes: &[u8]| {
    let target = Target::new(Transport::Udp, "192.0.2.1:5060".parse().expect("an address"));
    let options =
        Options { sessions_max: 4, transactions_max: 64, registrations_max: 4, ..Options::default() };
    let mut endpoint = Endpoint::new(options, Rng::from_seed(1));
    endpoint.allow_source(target.address.ip());
    let mut stage = Stage {
        endpoint,
        now: Instant::ZERO,
        target,
        sessions: Vec::new(),
        registrations: Vec::new(),
        sent: Vec::new(),
        number: 1,
        reliable: 2,
    };
    for pair in bytes.chunks_exact(2) {
        stage.act(pair[0], usize::from(pair[1]));
        stage.settle();
        let counts = stage.endpoint.counts();
        assert!(counts.sessions <= 4 && counts.registrations <= 4 && counts.pings <= 4, "{counts:?}");
    }
    stage.end();
});

impl Stage {
    fn act(&mut self, verb: u8, choice: usize) {
        let now = self.now;
        let session = self.sessions.get(choice % self.sessions.len().max(1)).copied();
        match (verb % 16, session) {
            (0, _) => self.sessions.extend(self.endpoint.invite(now, self.dial(choice)).ok()),
            (1, Some(key)) => self.endpoint.hang_up(now, key, None),
            (2, Some(key)) => self.endpoint.answer_offer(now, key, Ok(SDP.into())),
            (3, Some(key)) => self.endpoint.answer_offer(now, key, Err(488)),
            (4, Some(key)) => self.endpoint.reinvite(now, key, SDP.into()),
            (5, _) => self.registrations.extend(self.endpoint.register(now, self.registration()).ok()),
            (6, _) if !self.registrations.is_empty() => {
                let key = self.registrations[choice % self.registrations.len()];
                self.endpoint.unregister(now, key);
            }
            (7, _) => drop(self.endpoint.ping(now, self.target, "sip:192.0.2.1", "<sip:us@h>")),
            (8, Some(key)) if choice & 128 == 0 => self.transfer(key, verb, choice),
            (8, _) if choice & 96 == 0 => self.endpoint.handle_unreachable(now, self.target.address),
            (8, _) if choice & 64 == 0 => self.endpoint.handle_refused(now, self.target),
            (8, _) => self.endpoint.handle_transport_error(now, self.target),
            (9..=11, _) => self.respond(verb, choice),
            (12 | 13, _) => self.ask(verb, choice),
            _ => {
                self.now += Duration::from_millis(1 << (choice % 17));
                self.endpoint.handle_timeout(self.now);
            }
        }
    }

    /// A REFER of the peer's is answered or reported on, or we send one.
    fn transfer(&mut self, key: SessionKey, verb: u8, choice: usize) {
        match verb / 16 % 4 {
            0 => self.endpoint.answer_refer(self.now, key, Ok(())),
            1 => self.endpoint.answer_refer(self.now, key, Err(603)),
            2 => self.endpoint.report_refer(self.now, key, STATUSES[choice % STATUSES.len()]),
            _ => self.endpoint.refer(self.now, key, "sip:agent@192.0.2.7"),
        }
    }

    /// The peer answers one of our last requests.
    fn respond(&mut self, verb: u8, choice: usize) {
        let Some(request) = self.sent.iter().rev().nth(usize::from(verb / 16) % self.sent.len().max(1))
        else {
            return;
        };
        let status = STATUSES[choice % STATUSES.len()];
        let mut response = Response::to_request(request, status, "Word");
        let headers = response.headers_mut();
        if status > 100
            && let Ok(to) = headers.to()
            && to.tag().is_none()
        {
            let to = to.with_tag(&format!("them{}", choice / 64)).to_string();
            headers.set("To", &to);
        }
        match status {
            401 | 407 => {
                let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
                headers.push(
                    name,
                    &format!("Digest realm=\"r\", nonce=\"n{}\", stale={}", choice / 16, choice & 16 == 0),
                );
            }
            423 => headers.push("Min-Expires", "7200"),
            422 => headers.push("Min-SE", "1800"),
            181..=199 if choice & 64 == 0 => {
                self.reliable += 1;
                headers.push("Require", "100rel");
                headers.push("RSeq", &(self.reliable / 2).to_string());
                headers.push("Contact", "<sip:peer@192.0.2.1>");
            }
            302 => headers.push("Contact", "<sip:else@192.0.2.2>"),
            _ => {
                headers.push("Contact", "<sip:peer@192.0.2.1>;expires=600");
                if choice & 64 == 0 {
                    headers.push("Session-Expires", "90;refresher=uac");
                }
            }
        }
        if choice & 32 == 0 {
            response.set_body("application/sdp", SDP.into());
        }
        self.deliver(response.into());
    }

    /// The peer asks for something within a call, or nearly.
    fn ask(&mut self, verb: u8, choice: usize) {
        const METHODS: [Method; 10] = [
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Update,
            Method::Info,
            Method::Options,
            Method::Prack,
            Method::Refer,
            Method::Notify,
        ];
        let Some(invite) = self.sent.iter().rev().find(|request| *request.method() == Method::Invite) else {
            return;
        };
        let method = METHODS[choice % METHODS.len()].clone();
        let (Ok(to), Some(from)) = (invite.headers().to(), invite.headers().get("From")) else { return };
        let repeats = verb & 64 != 0 || matches!(method, Method::Ack | Method::Cancel);
        self.number += u32::from(!repeats);
        let mut request = Request::new(method.clone(), "sip:us@192.0.2.9");
        let headers = request.headers_mut();
        headers.push("Via", &format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKt{}", self.number));
        let tag = to.tag().map_or(format!("them{}", choice / 64), str::to_owned);
        headers.push("From", &to.clone().with_tag(&tag).to_string());
        headers.push("To", from);
        headers.push("Call-ID", invite.headers().call_id().unwrap_or("c"));
        headers.push("CSeq", &format!("{} {method}", self.number));
        headers.push("Contact", "<sip:peer@192.0.2.1>");
        match method {
            Method::Refer => {
                headers.push("Refer-To", "<sip:agent@192.0.2.7?Replaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2>")
            }
            Method::Notify => {
                headers.push("Event", "refer");
                headers.push(
                    "Subscription-State",
                    if choice & 32 == 0 { "active;expires=60" } else { "terminated" },
                );
            }
            _ => {}
        }
        if method == Method::Notify {
            let line = format!("SIP/2.0 {} Word\r\n", STATUSES[choice / 16]);
            request.set_body("message/sipfrag", line.into());
        } else if choice & 16 == 0 {
            request.set_body("application/sdp", SDP.into());
        }
        self.deliver(request.into());
    }

    fn deliver(&mut self, message: Message) {
        let (transport, source) = (self.target.transport, self.target.address);
        self.endpoint.handle_message(self.now, transport, source, &message.to_bytes());
    }

    fn settle(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    let message = Message::parse(&bytes).expect("we write what can be read");
                    if let Message::Request(request) = message {
                        self.sent.push(request);
                    }
                }
                Output::Event(Event::Session { key, event: SessionEvent::Ended }) => {
                    assert!(self.sessions.contains(&key), "a session has ended twice");
                    self.sessions.retain(|other| *other != key);
                }
                Output::Event(Event::Registration { key, event: RegistrationEvent::Unregistered { .. } }) => {
                    self.registrations.retain(|other| *other != key);
                }
                Output::Event(_) => {}
            }
        }
        let old = self.sent.len().saturating_sub(32);
        self.sent.drain(..old);
    }

    /// All is hung up and has its time; a peer that is silent from now on keeps nothing up.
    fn end(&mut self) {
        for _ in 0..3 {
            for key in self.sessions.clone() {
                self.endpoint.hang_up(self.now, key, None);
            }
            for key in self.registrations.clone() {
                self.endpoint.unregister(self.now, key);
            }
            self.settle();
            let until = self.now + Duration::from_secs(200);
            for _ in 0..20_000 {
                let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= until) else { break };
                self.now = self.now.max(due);
                self.endpoint.handle_timeout(self.now);
                self.settle();
            }
            self.now = until;
        }
        assert_eq!(self.endpoint.counts(), Counts::default());
    }

    fn dial(&self, choice: usize) -> Dial {
        Dial {
            target: self.target,
            request_uri: "sip:+12025550101@192.0.2.1".into(),
            from: "<sip:+12025550100@h>".into(),
            to: "<sip:+12025550101@192.0.2.1>".into(),
            call_id: format!("call{}", self.now.since_start().as_millis() as usize + choice * 1_000_003),
            credentials: self.credentials(),
            headers: Vec::new(),
            sdp: SDP.into(),
            response_timeout: Duration::from_secs(4),
            names: None,
            extensions: Extensions {
                reliable_provisionals: match choice % 3 {
                    0 => ReliableProvisionals::Off,
                    1 => ReliableProvisionals::Supported,
                    _ => ReliableProvisionals::Required,
                },
                session_interval: (choice & 32 == 0).then_some(Duration::from_secs(90)),
                transfer: choice & 64 == 0,
            },
        }
    }

    fn registration(&self) -> Registration {
        Registration {
            target: self.target,
            registrar_uri: "sip:192.0.2.1".into(),
            aor: "sip:us@192.0.2.1".into(),
            contact_user: "us".into(),
            credentials: self.credentials(),
            expires: Duration::from_secs(3_600),
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        Some(Credentials { username: "u".into(), password: Secret::new("p"), realm: None })
    }
}
