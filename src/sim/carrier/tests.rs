//! The carrier against requests written by hand: every line is a time and what the carrier sent.

use super::*;
use crate::audio::g711::encode;
use crate::sim::callee::{Callee, Machine, Person, Temper, Tone};
use crate::sim::ledger::{EndedBy, Entry, Role};
use crate::sim::subscribers::Subscriber;
use crate::sim::voice::{self, Marker, Sit};
use crate::sip::message::{Request, Response};

#[test]
fn a_silent_callee_answers_and_the_caller_hangs_up() {
    let mut peer = Peer::with(&[("1", Callee::Silent)]);
    peer.invite("1", "");
    peer.expect(2000, &["0.000 100 INVITE", "0.150 180 INVITE", "1.150 200 INVITE", "1.650 200 INVITE"]);
    peer.ack();
    peer.within("BYE", "");
    peer.expect(40_000, &["2.000 200 BYE"]);
    let entry = peer.entry();
    assert_eq!((entry.status, entry.ended_by), (200, Some(EndedBy::Caller)));
    assert_eq!((entry.answers, entry.acknowledgements), (2, 1));
    assert_eq!((peer.carrier.calls(), peer.carrier.lines()), (0, 0));
    assert_eq!(peer.carrier.poll_timeout(), None);
}

#[test]
fn an_answer_without_ack_is_repeated_and_then_given_up_with_bye() {
    let mut peer = Peer::with(&[("1", Callee::Silent)]);
    peer.invite("1", "");
    peer.skip(1150);
    peer.seen.clear();
    let copies =
        ["1.650", "2.650", "4.650", "8.650", "12.650", "16.650", "20.650", "24.650", "28.650", "32.650"];
    let mut expected: Vec<String> = copies.iter().map(|at| format!("{at} 200 INVITE")).collect();
    expected.push("33.150 BYE".into());
    peer.expect(33_200, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(peer.entry().unacknowledged);
    peer.skip(120_000);
    assert!(peer.entry().bye_unanswered);
    assert_eq!(peer.carrier.calls(), 0);
}

#[test]
fn refusals_come_with_their_status_and_cause_and_stop_at_the_ack() {
    for (callee, status, at, cause) in [
        (Callee::Busy, 486, "0.150", "Q.850;cause=17"),
        (Callee::Invalid, 404, "0.150", "Q.850;cause=1"),
        (Callee::Declined, 603, "1.150", "Q.850;cause=21"),
    ] {
        let mut peer = Peer::with(&[("1", callee)]);
        peer.invite("1", "");
        let last = format!("{at} {status} INVITE");
        peer.skip(1200);
        assert!(peer.seen.contains(&last), "{:?}", peer.seen);
        assert_eq!(peer.last.as_ref().and_then(|r| r.headers().get("Reason")), Some(cause));
        peer.seen.clear();
        peer.ack();
        peer.expect(40_000, &[]);
        assert_eq!((peer.entry().status, peer.carrier.calls()), (status, 0));
    }
}

#[test]
fn a_copy_of_a_request_gets_a_copy_of_its_answer() {
    let mut peer = Peer::with(&[("1", Callee::Silent)]);
    let invite = peer.invite("1", "");
    peer.skip(500);
    peer.play(&invite);
    peer.expect(600, &["0.000 100 INVITE", "0.150 180 INVITE", "0.500 180 INVITE"]);
    peer.skip(1200);
    peer.ack();
    peer.seen.clear();
    let bye = peer.within("BYE", "");
    peer.play(&bye);
    peer.expect(2000, &["1.200 200 BYE", "1.200 200 BYE"]);
    assert_eq!(peer.entry().byes_received, 1);
}

#[test]
fn cancel_ends_ringing_with_487() {
    let mut peer = Peer::with(&[("1", Callee::NoAnswer)]);
    peer.invite("1", "");
    peer.skip(15_000);
    assert_eq!(peer.seen, ["0.000 100 INVITE", "0.150 180 INVITE"]);
    peer.seen.clear();
    peer.cancel();
    peer.expect(15_100, &["15.000 200 CANCEL", "15.000 487 INVITE"]);
    peer.ack();
    peer.expect(60_000, &[]);
    assert_eq!((peer.entry().ended_by, peer.entry().status), (Some(EndedBy::Caller), 487));
}

#[test]
fn a_200_that_crosses_cancel_must_be_hung_up() {
    let mut peer = Peer::with_fault(Callee::NoAnswer, Fault::AnswerCrossesCancel);
    peer.invite("1", "");
    peer.skip(1000);
    peer.seen.clear();
    peer.cancel();
    peer.expect(1000, &["1.000 200 INVITE", "1.000 200 CANCEL"]);
    peer.ack();
    peer.within("BYE", "");
    peer.expect(1100, &["1.000 200 BYE"]);
    assert!(peer.entry().canceled_at.is_some() && peer.entry().acknowledged_at.is_some());
}

#[test]
fn faults_before_the_answer() {
    let unavailable = Fault::Unavailable { retry_after: Duration::from_secs(7) };
    for (fault, status, header, value) in
        [(unavailable, 503, "Retry-After", "7"), (Fault::Redirect, 302, "Contact", "<sip:1@192.0.2.1:5060>")]
    {
        let mut peer = Peer::with_fault(Callee::Silent, fault);
        peer.invite("1", "");
        assert_eq!(peer.seen, [format!("0.000 {status} INVITE")]);
        assert_eq!(peer.last.as_ref().and_then(|r| r.headers().get(header)), Some(value));
    }
    let mut peer = Peer::with_fault(Callee::Silent, Fault::Silence);
    let invite = peer.invite("1", "");
    peer.play(&invite);
    peer.expect(60_000, &[]);
    assert_eq!((peer.entry().status, peer.carrier.calls()), (0, 0));
}

#[test]
fn a_forked_answer_wants_ack_and_bye_for_the_second_phone() {
    let mut peer = Peer::with_fault(Callee::Silent, Fault::ForkedAnswer);
    peer.invite("1", "");
    peer.skip(1150);
    assert_eq!(peer.seen[2..], ["1.150 200 INVITE", "1.150 200 INVITE"]);
    peer.seen.clear();
    // The last response seen is the second phone's.
    peer.ack();
    peer.within("BYE", "");
    peer.expect(1700, &["1.150 200 BYE", "1.650 200 INVITE"]);
    let fork = peer.entry().fork.unwrap();
    assert!(fork.acknowledged_at.is_some() && fork.ended_at.is_some());
    assert_eq!((peer.entry().acknowledged_at, peer.entry().ended_at), (None, None));
    peer.ack();
    assert!(peer.entry().acknowledged_at.is_some());
}

#[test]
fn a_repeated_2xx_counts_its_acks() {
    let mut peer = Peer::with_fault(Callee::Silent, Fault::RepeatedAnswer);
    peer.invite("1", "");
    peer.skip(1150);
    peer.ack();
    peer.seen.clear();
    peer.expect(9000, &["2.150 200 INVITE", "3.150 200 INVITE", "4.150 200 INVITE"]);
    peer.ack();
    assert_eq!((peer.entry().answers, peer.entry().acknowledgements), (4, 2));
}

#[test]
fn bye_crosses_bye_and_bye_answers_get_lost() {
    let mut peer = Peer::with_fault(Callee::Silent, Fault::ByeCrossesBye);
    peer.up();
    peer.within("BYE", "");
    peer.expect(1150, &["1.150 BYE", "1.150 200 BYE"]);
    peer.answer_asked(200);
    peer.expect(60_000, &[]);
    assert_eq!((peer.carrier.calls(), peer.entry().bye_unanswered), (0, false));

    let mut peer = Peer::with_fault(Callee::Silent, Fault::LostByeAnswer { copies: 2 });
    peer.up();
    let bye = peer.within("BYE", "");
    peer.play(&bye);
    peer.expect(1150, &[]);
    peer.play(&bye);
    peer.expect(1150, &["1.150 200 BYE"]);
    assert_eq!(peer.entry().byes_received, 3);
}

#[test]
fn hold_and_resume_are_offered_acknowledged_and_obeyed() {
    let mut peer = Peer::with_fault(Callee::Silent, Fault::Hold);
    peer.up();
    peer.expect(3200, &["3.150 INVITE"]);
    peer.answer_asked(200);
    peer.expect(4300, &["3.200 ACK", "4.200 INVITE"]);
    peer.answer_asked(200);
    peer.expect(5000, &["4.300 ACK"]);
    assert_eq!(peer.entry().reinvites, [200, 200]);
}

#[test]
fn the_callers_hold_is_answered_and_silences_the_line() {
    let mut peer = Peer::with(&[("1", Callee::Music(voice::music().into()))]);
    peer.up();
    peer.skip(2150);
    assert!((50..=52).contains(&peer.rtp.len()), "{}", peer.rtp.len());
    peer.rtp.clear();
    peer.reinvite("sendonly");
    peer.expect(2150, &["2.150 200 INVITE"]);
    assert!(String::from_utf8_lossy(peer.last.as_ref().unwrap().body()).contains("a=recvonly"));
    peer.ack();
    peer.skip(3000);
    assert_eq!(peer.rtp.len(), 0);
}

#[test]
fn calls_and_registrations_need_credentials_where_an_account_is_set() {
    let mut peer = Peer::new(|options| options.account = Some(account()));
    peer.invite("1", "");
    assert_eq!(peer.seen, ["0.000 407 INVITE"]);
    let challenge = peer.last.as_ref().unwrap().headers().get("Proxy-Authenticate").unwrap().to_owned();
    let credentials = crate::sim::guard::credentials(&account(), &challenge, "INVITE", "sip:1@192.0.2.1", 1);
    peer.seen.clear();
    peer.cseq += 1;
    peer.invite("1", &format!("Proxy-Authorization: {credentials}\r\n"));
    assert_eq!(peer.seen, ["0.000 100 INVITE"]);
    peer.register("");
    assert_eq!(peer.seen.last().unwrap(), "0.000 401 REGISTER");
    let challenge = peer.last.as_ref().unwrap().headers().get("WWW-Authenticate").unwrap().to_owned();
    let credentials = crate::sim::guard::credentials(&account(), &challenge, "REGISTER", "sip:192.0.2.1", 1);
    peer.register(&format!("Authorization: {credentials}\r\n"));
    assert_eq!(peer.seen.last().unwrap(), "0.000 200 REGISTER");
    let contact = peer.last.as_ref().unwrap().headers().get("Contact").unwrap();
    assert_eq!(contact, "<sip:out@192.0.2.7:5060>;expires=60");
    let ledger = peer.carrier.ledger();
    assert_eq!((ledger.challenged, ledger.refused, ledger.registrations), (2, 0, 1));
}

#[test]
fn early_media_plays_sit_and_then_refuses() {
    let mut peer = Peer::with(&[("1", Callee::SitEarlyMedia(Sit::Vacant, 404))]);
    peer.invite("1", "");
    peer.expect(3000, &["0.000 100 INVITE", "0.150 183 INVITE", "2.186 404 INVITE", "2.686 404 INVITE"]);
    assert!(peer.rtp.len() > 95);
    assert_eq!(peer.carrier.lines(), 0);
}

#[test]
fn a_machine_that_beeps_gets_the_message_and_the_ledger_knows_when() {
    let message: Samples = voice::speech(4, Duration::from_secs(3), 130.0).into();
    let mut peer = Peer::new(|options| options.messages = vec![message.clone()]);
    peer.carrier.options.subscribers.insert("1", subscriber(machine(), None));
    peer.up();
    // The beep ends 2 s after the answer; the message begins 100 ms later.
    peer.skip(3250);
    peer.say(&message);
    peer.within("BYE", "");
    let heard = peer.entry().message.clone().unwrap();
    assert_eq!((heard.clip, heard.share, heard.after_beep_ms), (0, 1.0, Some(100)));
    assert_eq!(peer.entry().reception.burst_max, 1);
}

#[test]
fn a_person_and_an_agent_hear_each_other() {
    let mut peer = Peer::new(|options| {
        options.agents = vec![agent("601", 1)];
        options.queues = vec![Queue { name: "queue".into(), members: vec!["601".into()], waiting_max: 4 }];
    });
    peer.carrier.options.subscribers.insert("1", subscriber(person(9), None));
    peer.up();
    peer.say(&Marker::new(1).sound());
    peer.skip(6000);
    peer.within("BYE", "");
    assert_eq!(peer.entry().heard, [Marker::new(1)]);
    let reply = peer.rtp.iter().filter(|bytes| marker_of(bytes) == Some(Marker::new(9))).count();
    assert!(reply > 10, "{reply}");

    peer.hear_again("agent");
    peer.invite("queue", "");
    peer.skip(7000);
    peer.ack();
    peer.say(&Marker::new(9).sound());
    peer.skip(10_400);
    assert_eq!(peer.seen.last().unwrap(), "10.010 BYE");
    let entry = peer.entry();
    assert_eq!(entry.role, Role::Agent(Some("601".into())));
    assert_eq!((entry.heard.clone(), entry.ended_by), (vec![Marker::new(9)], Some(EndedBy::Carrier)));
}

#[test]
fn a_queue_without_a_free_agent_lets_the_caller_wait() {
    let mut peer = Peer::new(|options| {
        options.agents = vec![agent("601", 1)];
        options.queues = vec![Queue { name: "queue".into(), members: vec!["601".into()], waiting_max: 1 }];
    });
    peer.invite("601", "");
    peer.skip(1000);
    peer.ack();
    let first = peer.last.clone();
    for (call, expected) in [("b", "1.000 182 INVITE"), ("c", "1.000 480 INVITE")] {
        peer.hear_again(call);
        peer.invite("queue", "");
        assert_eq!(peer.seen.last().unwrap(), expected);
    }
    peer.hear_again("call");
    peer.last = first;
    peer.within("BYE", "");
    peer.skip(1200);
    assert_eq!(peer.seen, ["1.000 200 BYE", "1.000 180 INVITE"]);
}

#[test]
fn without_media_calls_are_answered_and_nothing_is_sent() {
    let mut peer = Peer::new(|options| options.media = false);
    peer.up();
    peer.skip(20_000);
    assert_eq!((peer.rtp.len(), peer.carrier.lines()), (0, 0));
    peer.within("BYE", "");
    peer.skip(60_000);
    assert_eq!(peer.carrier.calls(), 0);
}

#[test]
fn strangers_and_nonsense_do_no_harm() {
    let mut peer = Peer::with(&[("1", Callee::Silent)]);
    peer.play("BYE sip:1@192.0.2.1 SIP/2.0\r\nnonsense\r\n\r\n");
    peer.play("\r\n\r\n");
    peer.invite("2", "");
    peer.expect(200, &["0.000 100 INVITE", "0.150 404 INVITE"]);
    peer.ack();
    peer.call_id = "other".into();
    peer.within("BYE", "");
    peer.cancel();
    peer.within("NOTIFY", "");
    peer.within("OPTIONS", "");
    peer.expect(200, &["0.200 481 BYE", "0.200 481 CANCEL", "0.200 405 NOTIFY", "0.200 200 OPTIONS"]);
    assert_eq!(peer.carrier.ledger().malformed, 1);
    assert_eq!(peer.carrier.ledger().entries()[0].role, Role::Nobody);
}

/// The far end of the tests: a caller who writes its requests by hand.
struct Peer {
    carrier: Carrier,
    now: Instant,
    call_id: String,
    branch: u32,
    cseq: u32,
    number: String,
    /// What the carrier sent, as time, status or method, and the method of the CSeq.
    seen: Vec<String>,
    last: Option<Response>,
    asked: Option<Request>,
    rtp: Vec<Vec<u8>>,
    sequence: u16,
}

const CARRIER: &str = "192.0.2.1:5060";
const CALLER: &str = "192.0.2.7:5060";

impl Peer {
    fn new(change: impl FnOnce(&mut Options)) -> Peer {
        let mut options = Options::new(CARRIER.parse().unwrap(), vec![4000, 4002, 4004]);
        options.register_expires = Duration::from_secs(60);
        options.subscribers.insert("1", subscriber(Callee::Silent, None));
        change(&mut options);
        Peer {
            carrier: Carrier::new(options, Rng::from_seed(1)),
            now: Instant::ZERO,
            call_id: "call".into(),
            branch: 0,
            cseq: 1,
            number: String::new(),
            seen: Vec::new(),
            last: None,
            asked: None,
            rtp: Vec::new(),
            sequence: 0,
        }
    }

    fn with(callees: &[(&str, Callee)]) -> Peer {
        Peer::new(|options| {
            for (number, callee) in callees {
                options.subscribers.insert(number, subscriber(callee.clone(), None));
            }
        })
    }

    fn with_fault(callee: Callee, fault: Fault) -> Peer {
        Peer::new(|options| options.subscribers.insert("1", subscriber(callee, Some(fault))))
    }

    /// Another call begins.
    fn hear_again(&mut self, call_id: &str) {
        self.call_id = call_id.into();
        self.seen.clear();
        self.rtp.clear();
        self.last = None;
    }

    fn play(&mut self, text: &str) {
        self.carrier.handle_sip(self.now, CALLER.parse().unwrap(), text.as_bytes());
        self.drain();
    }

    fn invite(&mut self, number: &str, extra: &str) -> String {
        self.number = number.into();
        self.branch += 1;
        let sdp = sdp("sendrecv");
        let text = self.request("INVITE", "", self.branch, extra, &sdp);
        self.play(&text);
        text
    }

    fn reinvite(&mut self, direction: &str) {
        self.branch += 1;
        self.cseq += 1;
        let text = self.request("INVITE", &self.tag(), self.branch, "", &sdp(direction));
        self.play(&text);
    }

    /// Rings, is answered and acknowledged, at 1.150 s.
    fn up(&mut self) {
        self.invite("1", "");
        self.skip(1150);
        self.ack();
        self.seen.clear();
    }

    fn ack(&mut self) {
        // The ACK of a refusal has its INVITE's branch.
        let text = self.request("ACK", &self.tag(), self.branch, "", "");
        self.play(&text);
    }

    fn cancel(&mut self) {
        let text = self.request("CANCEL", "", self.branch, "", "");
        self.play(&text);
    }

    fn within(&mut self, method: &str, extra: &str) -> String {
        let text = self.request(method, &self.tag(), 1000 + self.branch, extra, "");
        self.play(&text);
        text
    }

    fn register(&mut self, extra: &str) {
        self.branch += 1;
        let text = self.request("REGISTER", "", self.branch, extra, "");
        self.play(&text);
    }

    fn tag(&self) -> String {
        let to = self.last.as_ref().and_then(|last| last.headers().to().ok());
        to.and_then(|to| to.tag().map(|tag| format!(";tag={tag}"))).unwrap_or_default()
    }

    fn request(&self, method: &str, to_tag: &str, branch: u32, extra: &str, body: &str) -> String {
        format!(
            "{method} sip:{number}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};rport;branch=z9hG4bK{branch}\r\n\
             From: <sip:out@192.0.2.7>;tag=mine\r\nTo: <sip:{number}@192.0.2.1>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:out@{CALLER}>\r\n\
             {extra}Content-Length: {length}\r\n\r\n{body}",
            number = self.number,
            call_id = self.call_id,
            cseq = self.cseq,
            length = body.len(),
        )
    }

    /// Answers the carrier's last request.
    fn answer_asked(&mut self, status: u16) {
        let request = self.asked.clone().expect("the carrier asked something");
        let mut response = Response::to_request(&request, status, "Fine");
        if status == 200 && !request.body().is_empty() {
            response.set_body("application/sdp", sdp("recvonly").into_bytes());
        }
        let bytes = response.to_bytes();
        self.carrier.handle_sip(self.now, CALLER.parse().unwrap(), &bytes);
        self.drain();
    }

    /// Sends sound from now on, a packet every 20 ms.
    fn say(&mut self, sound: &[i16]) {
        let port = self.carrier.by_port.keys().next_back().copied().expect("a line is open");
        for frame in sound.chunks_exact(160) {
            let mut bytes = vec![0x80, 0];
            bytes.extend(self.sequence.to_be_bytes());
            bytes.extend((u32::from(self.sequence) * 160).to_be_bytes());
            bytes.extend([0, 0, 0, 1]);
            bytes.extend(frame.iter().map(|sample| encode(Law::Mu, *sample)));
            self.sequence = self.sequence.wrapping_add(1);
            self.carrier.handle_rtp(self.now, port, "192.0.2.7:9000".parse().unwrap(), &bytes);
            self.skip(self.now.since_start().as_millis() as u64 + 20);
        }
    }

    /// Lets time pass until `ms`.
    fn skip(&mut self, ms: u64) {
        let until = Instant::from_start(Duration::from_millis(ms));
        while let Some(due) = self.carrier.poll_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.carrier.handle_timeout(self.now);
            self.drain();
        }
        self.now = until.max(self.now);
    }

    /// Lets time pass and compares everything that was seen since the last time.
    fn expect(&mut self, until_ms: u64, expected: &[&str]) {
        self.skip(until_ms);
        assert_eq!(std::mem::take(&mut self.seen), expected);
    }

    fn drain(&mut self) {
        while let Some(output) = self.carrier.poll_output() {
            match output {
                Output::Sip { bytes, .. } => self.see(&bytes),
                Output::Rtp { bytes, .. } => self.rtp.push(bytes),
                Output::OpenPort(_) | Output::ClosePort(_) => {}
            }
        }
    }

    fn see(&mut self, bytes: &[u8]) {
        let ms = self.now.since_start().as_millis();
        let at = format!("{}.{:03}", ms / 1000, ms % 1000);
        match Message::parse(bytes).expect("the carrier's messages can be read") {
            Message::Request(request) => {
                self.seen.push(format!("{at} {}", request.method()));
                self.asked = Some(request);
            }
            Message::Response(response) => {
                let method = response.headers().cseq().unwrap().method;
                self.seen.push(format!("{at} {} {method}", response.status()));
                self.last = Some(response);
            }
        }
    }

    fn entry(&self) -> &Entry {
        let entries = self.carrier.ledger().entries();
        entries.iter().rev().find(|entry| entry.call_id == self.call_id).expect("the call is in the ledger")
    }
}

fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
         m=audio 9000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

fn subscriber(callee: Callee, fault: Option<Fault>) -> Subscriber {
    Subscriber { callee, ring: Duration::from_secs(1), fault }
}

fn machine() -> Callee {
    Callee::Machine(Machine {
        pause: Duration::from_millis(300),
        greeting: voice::speech(2, Duration::from_millis(1200), 180.0).into(),
        gap: Duration::from_millis(300),
        beep: Some(Tone { frequency_hz: 1000.0, length: Duration::from_millis(200) }),
        recording_max: Duration::from_secs(20),
    })
}

fn person(marker: usize) -> Callee {
    Callee::Person(Person {
        pause: Duration::from_millis(300),
        hello: voice::speech(3, Duration::from_millis(600), 200.0).into(),
        marker: Marker::new(marker),
        patience: Duration::from_secs(10),
        temper: Temper::Talks,
    })
}

fn agent(extension: &str, marker: usize) -> Agent {
    let (ring, talk) = (Duration::from_millis(500), Duration::from_secs(3));
    Agent { extension: extension.into(), ring, talk, marker: Marker::new(marker) }
}

fn account() -> Account {
    Account {
        realm: "carrier".into(),
        username: "outdial".into(),
        password: "secret".into(),
        algorithms: vec![crate::sim::guard::Algorithm::Md5],
        nonce_life: Duration::from_secs(60),
    }
}

fn marker_of(packet: &[u8]) -> Option<Marker> {
    let mut frame = [0i16; 160];
    let samples = packet.get(12..172)?.iter().map(|code| crate::audio::g711::decode(Law::Mu, *code));
    frame.iter_mut().zip(samples).for_each(|(to, from)| *to = from);
    Marker::of_frame(&frame)
}
