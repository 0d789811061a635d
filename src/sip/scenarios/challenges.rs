//! Fault 21: servers that challenge without end, too late, or for a realm that is not theirs; and what a registrar asks of
//! later requests.

use super::{Stage, check, dial, registration};
use crate::sip::endpoint::*;
use crate::sip::message::{Message, Response};
use crate::time::Instant;
use std::time::Duration;

#[test]
fn fault_21_an_endless_challenge_is_answered_twice_at_most() {
    check(
        "
           0.000 * invite
           0.000 > INVITE sdp=offer
           0.100 < 401 tag=a | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
           0.100 > ACK tag=a
           0.100 > INVITE authorized sdp=offer
           0.200 < 401 tag=b | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n2\", qop=\"auth\", stale=true
           0.200 > ACK tag=b
           0.200 > INVITE authorized sdp=offer
           0.300 < 401 tag=c | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n3\", qop=\"auth\", stale=true
           0.300 > ACK tag=c
           0.300 ! rejected 401
           0.300 ! ended
        ",
    );
}

#[test]
fn fault_21_challenges_with_other_responses_between_them_are_answered_twice_a_call_too() {
    check(
        "
         0.000 * invite timer=90
         0.000 > INVITE interval=90 sdp=offer
         0.100 < 407 tag=a | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"a\", stale=true
         0.100 > ACK tag=a
         0.100 > INVITE authorized interval=90 sdp=offer
         0.200 < 422 tag=b | Min-SE: 600
         0.200 > ACK tag=b
         0.200 > INVITE authorized interval=600 least=600 sdp=offer
         0.300 < 407 tag=c | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"c\", stale=true
         0.300 > ACK tag=c
         0.300 > INVITE authorized interval=600 least=600 sdp=offer
         0.400 < 183 tag=d | Require: 100rel | RSeq: 1
         0.400 > PRACK tag=d rack=1
         0.400 ! 183
         0.410 < 200 PRACK
         0.500 < 407 tag=e | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"e\", stale=true
         0.500 > ACK tag=e
         0.500 ! rejected 407
         0.500 ! ended
        ",
    );
}

#[test]
fn fault_21_a_wrong_realm_gets_no_digest() {
    check(
        "
           0.000 * invite
           0.000 > INVITE sdp=offer
           0.100 < 407 tag=a | Proxy-Authenticate: Digest realm=\"elsewhere\", nonce=\"n1\", qop=\"auth\"
           0.100 > ACK tag=a
           0.100 ! rejected 407
           0.100 ! ended
        ",
    );
}

#[test]
fn fault_21_a_challenge_after_the_200_is_no_reason_to_dial_again() {
    check(
        "
           0.000 * invite
           0.000 > INVITE sdp=offer
           0.100 < 200 tag=a sdp=answer
           0.100 > ACK tag=a
           0.100 ! answered sdp=answer
           0.200 < 401 INVITE tag=a | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
           1.000 * hangup
           1.000 > BYE tag=a
           1.000 ! ended
           1.100 < 200 BYE tag=a
        ",
    );
}

#[test]
fn fault_21_a_registration_outlives_a_stale_nonce_said_or_unsaid() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
           0.100 > REGISTER authorized expires=300
           0.200 < 200 REGISTER tag=r | Expires: 120
           0.200 ! registered for 120
          90.200 > REGISTER authorized expires=300
          90.300 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n2\", qop=\"auth\", stale=true
          90.300 > REGISTER authorized expires=300
          90.400 < 200 REGISTER tag=r | Expires: 120
          90.400 ! registered for 120
         180.400 > REGISTER authorized expires=300
         180.500 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n3\", qop=\"auth\"
         180.500 > REGISTER authorized expires=300
         180.600 < 200 REGISTER tag=r | Expires: 120
         180.600 ! registered for 120
         200.000 * unregister
         200.000 > REGISTER authorized expires=0
         200.100 < 200 REGISTER tag=r
         200.100 ! unregistered
        ",
    );
}

#[test]
fn an_outbound_proxy_comes_before_the_service_route_and_once() {
    let table: [(&str, &[&str]); 2] = [
        ("<sip:p1.example;lr>", &["<sip:192.0.2.1;lr>", "<sip:p1.example;lr>"]),
        ("<sip:192.0.2.1;lr;x=y>, <sip:p1.example;lr>", &["<sip:192.0.2.1;lr;x=y>", "<sip:p1.example;lr>"]),
    ];
    for (said, expected) in table {
        let mut access = AccessTable::default();
        let route = Some("<sip:192.0.2.1;lr>".to_owned());
        let proxied = access.add(Access { route, ..Access::default() });
        let mut stage = Stage::with(Transport::Udp, Options { access, ..Options::default() });
        stage.target.access = proxied;
        let key = stage.endpoint.register(Instant::ZERO, registration(stage.target)).unwrap();
        let request = transmitted(&mut stage);
        assert_eq!(request.headers().get("Route"), Some("<sip:192.0.2.1;lr>"));
        assert_eq!(stage.endpoint.service_route(key), [], "nothing was said yet");
        let mut response = Response::to_request(&request, 200, "OK");
        response.headers_mut().push("Service-Route", said);
        stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &response.to_bytes());
        while stage.endpoint.poll_output().is_some() {}
        let headers = stage.endpoint.service_route(key);
        stage.endpoint.invite(Instant::ZERO, Dial { headers, ..dial(stage.target) }).unwrap();
        let invite = transmitted(&mut stage);
        assert_eq!(invite.headers().all("Route").collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_service_route_is_taken_whole_or_not_at_all_and_path_is_understood() {
    let table: [(&[&str], &[&str]); 4] = [
        (&["<sip:p1.example;lr>, <sip:p2.example;lr>"], &["<sip:p1.example;lr>", "<sip:p2.example;lr>"]),
        (&["<sip:strict.example>"], &[]),
        (&["<sip:p1.example;lr>", "nonsense <"], &[]),
        (&[], &[]),
    ];
    for (said, expected) in table {
        let mut stage = Stage::new(Transport::Udp);
        let key = stage.endpoint.register(Instant::ZERO, registration(stage.target)).unwrap();
        let request = transmitted(&mut stage);
        assert!(request.headers().lists("Supported", "path"));
        let mut response = Response::to_request(&request, 200, "OK");
        response.headers_mut().push("Path", "<sip:edge.example;lr>");
        said.iter().for_each(|value| response.headers_mut().push("Service-Route", value));
        stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &response.to_bytes());
        let routes: Vec<String> =
            stage.endpoint.service_route(key).into_iter().map(|(_, value)| value).collect();
        assert_eq!(routes, expected, "{said:?}");
        while stage.endpoint.poll_output().is_some() {}

        // A call that carries it says it in its CANCEL too.
        let headers = stage.endpoint.service_route(key);
        let dial = Dial { headers, ..dial(stage.target) };
        let session = stage.endpoint.invite(Instant::ZERO, dial).unwrap();
        let invite = transmitted(&mut stage);
        assert_eq!(invite.headers().count("Route"), expected.len());
        let ringing = Response::to_request(&invite, 180, "Ringing");
        stage.endpoint.handle_datagram(Instant::ZERO, stage.target.address, &ringing.to_bytes());
        stage.endpoint.hang_up(Instant::ZERO, session, Some(HangUpReason { q850: 19, text: String::new() }));
        let cancel = transmitted(&mut stage);
        assert_eq!(cancel.headers().count("Route"), expected.len());
        assert_eq!(cancel.headers().get("Reason"), Some("Q.850;cause=19"));
    }
}

#[test]
fn failures_in_a_row_make_longer_pauses_of_random_length() {
    let mut stage = Stage::new(Transport::Udp);
    let mut now = Instant::ZERO;
    stage.endpoint.register(now, registration(stage.target)).unwrap();
    for longest in [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 1_800, 1_800] {
        let request = transmitted(&mut stage);
        let response = Response::to_request(&request, 500, "Server Internal Error");
        stage.endpoint.handle_datagram(now, stage.target.address, &response.to_bytes());
        let pause = std::iter::from_fn(|| stage.endpoint.poll_output()).find_map(|output| match output {
            Output::Event(Event::Registration {
                event: RegistrationEvent::Failed { retry_in, .. }, ..
            }) => Some(retry_in),
            _ => None,
        });
        let pause = pause.expect("it has failed");
        let longest = Duration::from_secs(longest);
        assert!(longest / 2 <= pause && pause <= longest, "{pause:?} of {longest:?}");
        now += pause;
        stage.endpoint.handle_timeout(now);
    }
}

#[test]
fn early_media_that_is_not_authorised_is_withheld_until_it_is() {
    check(
        "
           0.000 * invite
           0.000 > INVITE sdp=offer
           0.100 < 183 tag=a sdp=answer | P-Early-Media: inactive
           0.100 ! 183
           0.200 < 180 tag=a
           0.200 ! 180
           0.300 < 183 tag=a | P-Early-Media: sendrecv
           0.300 ! 183 sdp=answer
           0.400 < 486 tag=a
           0.400 > ACK tag=a
           0.400 ! rejected 486
           0.400 ! ended
        ",
    );
    check(
        "
           0.000 * invite
           0.000 > INVITE sdp=offer
           0.100 < 183 tag=a sdp=answer | P-Early-Media: recvonly
           0.100 ! 183
           0.200 < 200 tag=a
           0.200 > ACK tag=a
           0.200 ! answered sdp=answer
           0.300 * hangup
           0.300 > BYE tag=a
           0.300 ! ended
           0.400 < 200 BYE tag=a
        ",
    );
}

/// The next request that the endpoint sends.
fn transmitted(stage: &mut Stage) -> crate::sip::message::Request {
    loop {
        match stage.endpoint.poll_output().expect("something is sent") {
            Output::Transmit { bytes, .. } => match Message::parse(&bytes).unwrap() {
                Message::Request(request) => return request,
                Message::Response(response) => panic!("{}", response.status()),
            },
            Output::Event(_) => {}
        }
    }
}
