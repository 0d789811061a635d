//! Calls of a run that has died, ended by the next one.

use std::time::Duration;

use super::dial;
use crate::rng::Rng;
use crate::sip::digest::Credentials;
use crate::sip::endpoint::*;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::time::Instant;

/// A call as its engine died, and the engine that comes after.
struct Scene {
    next: Endpoint,
    target: Target,
    invite: Request,
    now: Instant,
    told: Vec<String>,
    /// Requests that the next engine has sent, copies left out.
    sent: Vec<Request>,
}

#[test]
fn a_call_that_rings_is_cancelled_under_its_own_branch_and_its_refusal_is_acknowledged() {
    let mut scene = Scene::begin(&[180]);
    let cancel = scene.request(Method::Cancel);
    for name in ["Via", "From", "Call-ID", "Route"] {
        assert_eq!(cancel.headers().get(name), scene.invite.headers().get(name), "{name}");
    }
    assert_eq!(cancel.headers().get("To"), scene.invite.headers().get("To"));
    assert_eq!(cancel.uri(), scene.invite.uri());
    let numbers = [&cancel, &scene.invite].map(|request| request.headers().cseq().unwrap().number);
    assert_eq!(numbers[0], numbers[1]);
    scene.answer(&cancel, 200);
    assert_eq!(scene.told, [""; 0], "the INVITE itself has no final response yet");
    let invite = scene.invite.clone();
    scene.answer(&invite, 487);
    assert_eq!(scene.told, ["Cancelled"]);
    assert_eq!(scene.request(Method::Ack).headers().get("Via"), invite.headers().get("Via"));
    scene.nothing_is_left();
}

#[test]
fn an_invite_that_never_arrived_has_ended_when_after_the_481_to_its_cancel_no_answer_is_repeated() {
    let mut scene = Scene::begin(&[]);
    let cancel = scene.request(Method::Cancel);
    scene.answer(&cancel, 481);
    scene.pass(Duration::from_millis(3_900));
    assert_eq!(scene.told, [""; 0]);
    scene.pass(Duration::from_millis(200));
    assert_eq!(scene.told, ["Unknown"]);
    scene.nothing_is_left();
}

#[test]
fn a_call_that_was_answered_and_not_acknowledged_is_hung_up_when_its_answer_comes_again() {
    for cancel_status in [200, 481] {
        let mut scene = Scene::begin(&[]);
        let cancel = scene.request(Method::Cancel);
        scene.answer(&cancel, cancel_status);
        scene.pass(Duration::from_millis(3_500));
        let invite = scene.invite.clone();
        scene.answer(&invite, 200);
        let methods: Vec<_> = scene.sent.iter().map(|request| request.method().to_string()).collect();
        assert_eq!(methods, ["CANCEL", "ACK", "BYE"], "{cancel_status}");
        let bye = scene.request(Method::Bye);
        scene.pass(Duration::from_millis(1_000));
        assert_eq!(scene.told, [""; 0], "{cancel_status}: the BYE is not answered yet");
        scene.answer(&bye, 200);
        assert_eq!(scene.told, ["HungUp"], "{cancel_status}");
        scene.nothing_is_left();
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut scene = Scene::begin(&[180]);
    let invite = scene.invite.clone();
    scene.answer(&invite, 200);
    scene.answer(&invite, 200);
    let methods: Vec<_> = scene.sent.iter().map(|request| request.method().to_string()).collect();
    assert_eq!(methods, ["CANCEL", "ACK", "BYE"]);
    let cancel = scene.request(Method::Cancel);
    scene.answer(&cancel, 200);
    assert_eq!(scene.told, [""; 0]);
    let bye = scene.request(Method::Bye);
    scene.answer(&bye, 200);
    assert_eq!(scene.told, ["HungUp"]);
    scene.nothing_is_left();
}

#[test]
fn a_call_that_was_up_is_hung_up_in_its_dialog_with_a_number_that_nobody_has_used() {
    let mut scene = Scene::begin(&[180, 200]);
    let bye = scene.request(Method::Bye);
    assert_eq!(bye.uri(), "sip:peer@192.0.2.1:5070");
    assert_eq!(bye.headers().to().unwrap().tag(), Some("far"));
    assert_eq!(bye.headers().get("From"), scene.invite.headers().get("From"));
    assert!(bye.headers().cseq().unwrap().number > scene.invite.headers().cseq().unwrap().number + 1_000);
    assert_eq!(scene.sent.len(), 1, "there is nothing to cancel");
    // Its ACK was lost with the engine: the 2xx comes again.
    let invite = scene.invite.clone();
    scene.answer(&invite, 200);
    assert_eq!(scene.request(Method::Ack).headers().to().unwrap().tag(), Some("far"));
    scene.answer(&bye, 481);
    assert_eq!(scene.told, ["Unknown"]);
    scene.nothing_is_left();
}

#[test]
fn a_call_that_was_answered_as_its_engine_died_is_hung_up_by_the_dialog_of_its_ringing() {
    for cancel_status in [200, 481] {
        let mut scene = Scene::begin(&[180]);
        let cancel = scene.request(Method::Cancel);
        scene.answer(&cancel, cancel_status);
        scene.pass(Duration::from_millis(1_100));
        let bye = scene.request(Method::Bye);
        assert_eq!(bye.headers().to().unwrap().tag(), Some("far"));
        scene.answer(&bye, 200);
        assert_eq!(scene.told, ["HungUp"], "{cancel_status}");
        scene.nothing_is_left();
    }
}

#[test]
fn silence_ends_it_after_64_t1_and_not_before() {
    for heard in [&[][..], &[180], &[180, 200]] {
        let mut scene = Scene::begin(heard);
        scene.pass(Duration::from_millis(31_900));
        assert_eq!(scene.told, [""; 0], "{heard:?}");
        scene.pass(Duration::from_millis(200));
        assert_eq!(scene.told, ["Unanswered"], "{heard:?}");
        scene.nothing_is_left();
    }
}

#[test]
fn a_peer_that_cannot_be_reached_does_not_end_it_early() {
    let mut scene = Scene::begin(&[]);
    scene.next.handle_transport_error(scene.now, scene.target);
    scene.collect();
    assert_eq!(scene.told, [""; 0]);
    scene.pass(Duration::from_secs(33));
    assert_eq!(scene.told, ["Unanswered"]);
}

#[test]
fn an_invite_that_may_have_been_sent_again_with_credentials_is_cancelled_in_both_forms() {
    let credentials = Some(super::credentials());
    let mut scene = Scene::begin_with(&[], credentials);
    let cancels: Vec<Request> = scene.sent.clone();
    assert_eq!(cancels.len(), 2);
    let number = |request: &Request| request.headers().cseq().unwrap().number;
    assert_eq!(number(&cancels[1]), number(&cancels[0]) + 1);
    scene.answer(&cancels[0], 481);
    assert_eq!(scene.told, [""; 0]);
    scene.answer(&cancels[1], 481);
    scene.pass(Duration::from_millis(4_100));
    assert_eq!(scene.told, ["Unknown"]);
}

#[test]
fn a_challenged_bye_is_answered_once_more() {
    let mut scene = Scene::begin_with(&[180, 200], Some(super::credentials()));
    let bye = scene.request(Method::Bye);
    let mut challenge = scene.response(&bye, 407);
    challenge.headers_mut().push("Proxy-Authenticate", "Digest realm=\"trunk\", nonce=\"n\", algorithm=MD5");
    scene.hear(&challenge);
    let again = scene.request(Method::Bye);
    assert!(again.headers().get("Proxy-Authorization").is_some());
    scene.answer(&again, 200);
    assert_eq!(scene.told, ["HungUp"]);
}

impl Scene {
    fn begin(heard: &[u16]) -> Scene {
        Scene::begin_with(heard, None)
    }

    /// A call whose first engine dies when it has heard these.
    fn begin_with(heard: &[u16], credentials: Option<Credentials>) -> Scene {
        let target = Target::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap());
        let mut first = Endpoint::new(Options::default(), Rng::from_seed(7));
        first.allow_source(target.address.ip());
        let names = first.draw_names();
        let mut headers = dial(target).headers;
        headers.push(("Route".to_owned(), "<sip:192.0.2.1;lr>".to_owned()));
        let credentials_known = credentials.clone();
        let dial = Dial { names: Some(names.clone()), headers, credentials, ..dial(target) };
        let kept = first.remains_of(&dial, &names).unwrap();
        let session = first.invite(Instant::ZERO, dial).unwrap();
        let Some(Output::Transmit { bytes, .. }) = first.poll_output() else { panic!("an INVITE") };
        let Ok(Message::Request(invite)) = Message::parse(&bytes) else { panic!("an INVITE") };
        let mut next = Endpoint::new(Options::default(), Rng::from_seed(8));
        next.allow_source(target.address.ip());
        let (told, sent) = (Vec::new(), Vec::new());
        let mut scene = Scene { next, target, invite, now: Instant::ZERO, told, sent };
        for status in heard {
            let invite = scene.invite.clone();
            let response = scene.response(&invite, *status);
            first.handle_datagram(Instant::ZERO, target.address, &response.to_bytes());
        }
        let kept = first.remains(session, &kept).unwrap();
        // As the store gives it back.
        let kept = Remains::parse(&kept.to_text()).unwrap();
        scene.next.adopt(scene.now, target, kept, credentials_known).unwrap();
        scene.collect();
        scene
    }

    fn request(&self, method: Method) -> Request {
        self.sent.iter().rev().find(|request| *request.method() == method).cloned().expect("it was sent")
    }

    fn response(&self, request: &Request, status: u16) -> Response {
        let mut response = Response::to_request(request, status, "Phrase");
        if response.headers().to().is_ok_and(|to| to.tag().is_none()) {
            let to = format!("{};tag=far", request.headers().get("To").unwrap());
            response.headers_mut().set("To", &to);
        }
        response.headers_mut().push("Contact", "<sip:peer@192.0.2.1:5070>");
        response
    }

    fn answer(&mut self, request: &Request, status: u16) {
        let response = self.response(request, status);
        self.hear(&response);
    }

    fn hear(&mut self, response: &Response) {
        self.next.handle_datagram(self.now, self.target.address, &response.to_bytes());
        self.collect();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.next.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.next.handle_timeout(due);
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(output) = self.next.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    let Ok(Message::Request(request)) = Message::parse(&bytes) else { continue };
                    if !self.sent.iter().any(|known| known.to_bytes() == bytes) {
                        self.sent.push(request);
                    }
                }
                Output::Event(Event::Orphan { end, .. }) => self.told.push(format!("{end:?}")),
                Output::Event(other) => panic!("{other:?}"),
            }
        }
    }

    fn nothing_is_left(&mut self) {
        self.pass(Duration::from_secs(70));
        assert_eq!(self.told.len(), 1, "its end is told once");
        assert_eq!(self.next.counts(), Counts::default(), "something is left");
    }
}
