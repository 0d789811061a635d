//! The way to a peer: TLS, the switch from UDP to TCP, outbound proxies, listeners, and the address that peers see.

use std::net::SocketAddr;
use std::time::Duration;

use crate::rng::Rng;
use crate::sip::endpoint::*;
use crate::sip::message::{Message, Request, Response};
use crate::time::Instant;

const PEER: &str = "192.0.2.1:5060";

pub(super) fn at(ms: u64) -> Instant {
    Instant::from_start(Duration::from_millis(ms))
}

pub(super) fn udp() -> Target {
    Target::new(Transport::Udp, PEER.parse().unwrap())
}

pub(super) fn over(transport: Transport, target: Target) -> Target {
    Target { transport, ..target }
}

pub(super) fn endpoint(options: Options) -> Endpoint {
    let mut endpoint = Endpoint::new(options, Rng::from_seed(5));
    endpoint.allow_source(udp().address.ip());
    endpoint
}

/// The requests that wait to leave, with where they go.
pub(super) fn sent(endpoint: &mut Endpoint) -> Vec<(Target, Request)> {
    let outputs = std::iter::from_fn(|| endpoint.poll_output());
    let messages = outputs.filter_map(|output| match output {
        Output::Transmit { target, bytes } => Some((target, Message::parse(&bytes).unwrap())),
        Output::Event(_) => None,
    });
    messages
        .filter_map(|(target, message)| match message {
            Message::Request(request) => Some((target, request)),
            Message::Response(_) => None,
        })
        .collect()
}

pub(super) fn sent_once(endpoint: &mut Endpoint) -> (Target, Request) {
    let mut all = sent(endpoint);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

pub(super) fn answer(
    endpoint: &mut Endpoint,
    from: Target,
    request: &Request,
    status: u16,
    headers: &[(&str, &str)],
) {
    let mut response = Response::to_request(request, status, "Phrase");
    let to = request.headers().to().unwrap().with_tag("them").to_string();
    response.headers_mut().set("To", &to);
    headers.iter().for_each(|(name, value)| response.headers_mut().set(name, value));
    endpoint.handle_from(at(100), from, &response.to_bytes());
}

pub(super) fn long(dial: Dial) -> Dial {
    Dial { sdp: vec![b'a'; 1_200], ..dial }
}

fn via(request: &Request) -> String {
    request.headers().get("Via").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn a_request_above_1300_bytes_goes_over_tcp_and_its_contact_stays_that_of_udp() {
    let mut endpoint = endpoint(Options::default());
    let key = endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, invite) = sent_once(&mut endpoint);
    assert_eq!(target, over(Transport::Tcp, udp()));
    assert_eq!(via(&invite), "SIP/2.0/TCP 127.0.0.1:5060");
    assert!(!invite.headers().get("Contact").unwrap().contains("transport"));
    // Its CANCEL takes the same way (RFC 3261 section 9.1), though it is short.
    answer(&mut endpoint, target, &invite, 180, &[("Contact", "<sip:peer@192.0.2.1>")]);
    endpoint.hang_up(at(200), key, None);
    let (target, cancel) = sent_once(&mut endpoint);
    assert_eq!((target, cancel.method().as_str()), (over(Transport::Tcp, udp()), "CANCEL"));
}

#[test]
fn a_short_request_and_one_of_a_trunk_without_the_switch_stay_with_udp() {
    let mut short = endpoint(Options::default());
    short.invite(at(0), super::dial(udp())).unwrap();
    assert_eq!(sent_once(&mut short).0, udp());
    let mut off = endpoint(Options { tcp_above_bytes: 0, ..Options::default() });
    off.invite(at(0), long(super::dial(udp()))).unwrap();
    assert_eq!(sent_once(&mut off).0, udp());
}

#[test]
fn a_refused_tcp_connection_brings_the_same_request_back_to_udp_and_is_remembered() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, over_tcp) = sent_once(&mut endpoint);
    endpoint.handle_refused(at(10), target);
    let (target, over_udp) = sent_once(&mut endpoint);
    assert_eq!(target, udp());
    assert_eq!(via(&over_udp), "SIP/2.0/UDP 127.0.0.1:5060");
    let branch = |request: &Request| request.headers().via_top().unwrap().branch().unwrap().to_owned();
    assert_eq!(branch(&over_udp), branch(&over_tcp));
    // As a datagram it is repeated.
    endpoint.handle_timeout(at(510));
    assert_eq!(sent_once(&mut endpoint).0, udp());
    answer(&mut endpoint, udp(), &over_udp, 486, &[]);
    assert!(
        sent(&mut endpoint).iter().all(|(target, ack)| *target == udp() && ack.method().as_str() == "ACK")
    );
    // The next long one does not try TCP again.
    endpoint.invite(at(600), Dial { call_id: "call-2".into(), ..long(super::dial(udp())) }).unwrap();
    assert_eq!(sent_once(&mut endpoint).0, udp());
    // After ten minutes it does.
    endpoint.invite(at(601_000), Dial { call_id: "call-3".into(), ..long(super::dial(udp())) }).unwrap();
    let ways: Vec<_> = sent(&mut endpoint).into_iter().map(|(target, _)| target.transport).collect();
    assert!(ways.contains(&Transport::Tcp), "{ways:?}");
}

#[test]
fn a_connection_that_breaks_after_it_was_made_is_no_refusal() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, _) = sent_once(&mut endpoint);
    // The INVITE may have arrived: sending it again could ring twice.
    endpoint.handle_transport_error(at(10), target);
    assert!(sent(&mut endpoint).is_empty());
}

#[test]
fn a_connection_that_is_closed_before_anything_came_back_is_a_refusal() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, over_tcp) = sent_once(&mut endpoint);
    endpoint.handle_unheard(at(10), target);
    let (target, over_udp) = sent_once(&mut endpoint);
    assert_eq!(target, udp());
    let branch = |request: &Request| request.headers().via_top().unwrap().branch().unwrap().to_owned();
    assert_eq!(branch(&over_udp), branch(&over_tcp));
    endpoint.invite(at(600), Dial { call_id: "call-2".into(), ..long(super::dial(udp())) }).unwrap();
    assert_eq!(sent_once(&mut endpoint).0, udp());
}

#[test]
fn a_bye_over_a_trunk_s_own_tcp_that_is_closed_unheard_begins_again_there() {
    let mut endpoint = endpoint(Options::default());
    let trunk = over(Transport::Tcp, udp());
    let key = endpoint.invite(at(0), super::dial(trunk)).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    answer(&mut endpoint, trunk, &invite, 200, &[("Contact", "<sip:peer@192.0.2.1;transport=tcp>")]);
    endpoint.hang_up(at(300), key, None);
    sent(&mut endpoint);
    endpoint.handle_unheard(at(310), trunk);
    let (target, bye) = sent_once(&mut endpoint);
    assert_eq!((target, bye.method().as_str()), (trunk, "BYE"));
}

#[test]
fn a_long_request_that_nothing_comes_back_to_goes_over_udp_too_and_that_is_remembered() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (_, over_tcp) = sent_once(&mut endpoint);
    endpoint.handle_timeout(at(1_990));
    assert!(sent(&mut endpoint).is_empty());
    endpoint.handle_timeout(at(2_000));
    let (target, over_udp) = sent_once(&mut endpoint);
    assert_eq!((target, over_udp.body()), (udp(), over_tcp.body()));
    endpoint.invite(at(2_100), Dial { call_id: "call-2".into(), ..long(super::dial(udp())) }).unwrap();
    assert_eq!(sent_once(&mut endpoint).0, udp());
}

#[test]
fn a_long_request_stays_with_a_connection_that_speaks() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, first) = sent_once(&mut endpoint);
    endpoint.invite(at(50), Dial { call_id: "call-2".into(), ..long(super::dial(udp())) }).unwrap();
    sent(&mut endpoint);
    answer(&mut endpoint, target, &first, 100, &[]);
    endpoint.handle_timeout(at(2_100));
    assert!(sent(&mut endpoint).is_empty(), "the second is only slow");
}

#[test]
fn a_long_bye_that_a_connection_which_spoke_once_does_not_answer_goes_over_udp_too() {
    let mut endpoint = endpoint(Options { tcp_above_bytes: 100, ..Options::default() });
    let key = endpoint.invite(at(0), super::dial(udp())).unwrap();
    let (target, invite) = sent_once(&mut endpoint);
    answer(&mut endpoint, target, &invite, 200, &[("Contact", "<sip:peer@192.0.2.1>")]);
    sent(&mut endpoint);
    for (from, way) in [(300, Transport::Tcp), (2_300, Transport::Udp)] {
        if from == 300 {
            endpoint.hang_up(at(from), key, None);
        }
        endpoint.handle_timeout(at(from));
        let (target, bye) = sent_once(&mut endpoint);
        assert_eq!((target.transport, bye.method().as_str()), (way, "BYE"));
    }
    // It need not have been refused: the next one is sent as the first was, and from then on that is remembered.
    for (from, way) in [(3_000, Transport::Tcp), (6_000, Transport::Udp)] {
        endpoint.ping(at(from), udp(), "sip:192.0.2.1", "<sip:us@h>").unwrap();
        let ping = sent(&mut endpoint).pop().expect("it is asked");
        assert_eq!((ping.0.transport, ping.1.method().as_str()), (way, "OPTIONS"));
        endpoint.handle_timeout(at(from + 2_000));
        sent(&mut endpoint);
    }
}

#[test]
fn the_wait_for_a_response_begins_anew_with_the_other_way() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, _) = sent_once(&mut endpoint);
    endpoint.handle_refused(at(1_500), target);
    endpoint.handle_timeout(at(5_400));
    assert_eq!(endpoint.counts().sessions, 1, "the phone may ring yet");
    endpoint.handle_timeout(at(5_500));
    assert_eq!(endpoint.counts().sessions, 0);
}

#[test]
fn an_invite_that_nobody_wants_any_more_does_not_go_another_way() {
    for (hangs_up, silent) in [(true, true), (true, false), (false, false)] {
        let mut endpoint = endpoint(Options::default());
        let dial = Dial { response_timeout: Duration::from_secs(1), ..long(super::dial(udp())) };
        let key = endpoint.invite(at(0), dial).unwrap();
        let (target, _) = sent_once(&mut endpoint);
        if hangs_up {
            endpoint.hang_up(at(100), key, None);
        } else {
            endpoint.handle_timeout(at(1_000));
        }
        match silent {
            true => endpoint.handle_timeout(at(2_000)),
            false => endpoint.handle_refused(at(1_500), target),
        }
        assert!(sent(&mut endpoint).is_empty(), "no phone starts to ring late");
        assert_eq!(endpoint.counts().sessions, 0);
    }
}

#[test]
fn the_cancel_of_a_long_invite_goes_over_udp_where_its_connection_has_gone() {
    let mut endpoint = endpoint(Options::default());
    let key = endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (target, invite) = sent_once(&mut endpoint);
    answer(&mut endpoint, target, &invite, 180, &[("Contact", "<sip:peer@192.0.2.1>")]);
    endpoint.handle_transport_error(at(150), target);
    endpoint.hang_up(at(200), key, None);
    let (_, cancel) = sent_once(&mut endpoint);
    assert_eq!(cancel.method().as_str(), "CANCEL");
    endpoint.handle_refused(at(300), target);
    let (target, cancel) = sent_once(&mut endpoint);
    assert_eq!((target, cancel.method().as_str()), (udp(), "CANCEL"));
    assert_eq!(endpoint.counts().sessions, 1, "its INVITE is waited for");
}

#[test]
fn over_tls_via_and_contact_say_so_and_the_dialog_never_leaves_it() {
    let mut endpoint = endpoint(Options::default());
    let trunk = Target::new(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
    let key = endpoint.invite(at(0), super::dial(trunk)).unwrap();
    let (target, invite) = sent_once(&mut endpoint);
    assert_eq!(target, trunk);
    assert_eq!(via(&invite), "SIP/2.0/TLS 127.0.0.1:5061");
    assert_eq!(invite.headers().get("Contact"), Some("<sip:+12025550100@127.0.0.1:5061;transport=tls>"));
    // A Contact that would take the BYE off TLS is not followed.
    answer(&mut endpoint, trunk, &invite, 200, &[("Contact", "<sip:peer@192.0.2.1:5060;transport=udp>")]);
    endpoint.hang_up(at(300), key, None);
    for (target, request) in sent(&mut endpoint) {
        assert_eq!(target, trunk, "{}", request.method());
    }
}

#[test]
fn a_sips_access_has_a_sips_contact() {
    let mut access = AccessTable::default();
    let secured = access.add(Access { is_sips: true, domain: "pbx.example".into(), ..Access::default() });
    let mut endpoint = endpoint(Options { access, ..Options::default() });
    let address = "192.0.2.1:5061".parse().unwrap();
    let trunk = Target { access: secured, ..Target::new(Transport::Tls, address) };
    let dial = Dial { request_uri: "sips:+12025550101@pbx.example".into(), ..super::dial(trunk) };
    endpoint.invite(at(0), dial).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    assert_eq!(invite.headers().get("Contact"), Some("<sips:+12025550100@127.0.0.1:5061>"));
}

#[test]
fn an_outbound_proxy_is_the_route_of_every_request_outside_a_dialog_and_of_none_within() {
    let mut access = AccessTable::default();
    let route = Some("<sip:192.0.2.1;lr>".to_owned());
    let proxied = access.add(Access { route: route.clone(), ..Access::default() });
    let mut endpoint = endpoint(Options { access, ..Options::default() });
    let trunk = Target { access: proxied, ..udp() };
    let key = endpoint.invite(at(0), super::dial(trunk)).unwrap();
    endpoint.register(at(0), super::registration(trunk)).unwrap();
    endpoint.ping(at(0), trunk, "sip:pbx.example", "<sip:us@h>").unwrap();
    let all = sent(&mut endpoint);
    let routes: Vec<_> = all.iter().map(|(_, request)| request.headers().get("Route")).collect();
    assert_eq!(routes, [route.as_deref(); 3]);
    let invite = &all[0].1;
    assert_eq!(invite.uri(), "sip:+12025550101@192.0.2.1", "the proxy does not take the callee's place");
    // A challenged INVITE keeps its route and gets no second one.
    let challenge =
        [("WWW-Authenticate", "Digest realm=\"trunk\", nonce=\"n\", algorithm=MD5, qop=\"auth\"")];
    answer(&mut endpoint, trunk, invite, 401, &challenge);
    let again = sent(&mut endpoint).into_iter().find(|(_, request)| request.method().as_str() == "INVITE");
    let again = again.unwrap().1;
    assert_eq!(again.headers().count("Route"), 1);
    // The dialog goes by what was recorded: nothing.
    answer(&mut endpoint, trunk, &again, 200, &[("Contact", "<sip:peer@192.0.2.1>")]);
    endpoint.hang_up(at(300), key, None);
    for (_, request) in sent(&mut endpoint) {
        assert_eq!(request.headers().get("Route"), None, "{}", request.method());
    }
}

#[test]
fn requests_and_answers_leave_from_the_listener_of_their_way_with_ipv6_in_brackets() {
    let locals = ["192.0.2.5:5060", "[2001:db8::5]:5070"];
    let access = AccessTable::new(locals.map(|local| Local::new(local.parse().unwrap())).to_vec());
    let second = access.of_local(1);
    let mut endpoint = endpoint(Options { access, ..Options::default() });
    let peer: SocketAddr = "[2001:db8::1]:5060".parse().unwrap();
    endpoint.allow_source(peer.ip());
    let dial = Dial {
        request_uri: "sip:+12025550101@[2001:db8::1]".into(),
        ..super::dial(Target::new(Transport::Udp, peer))
    };
    endpoint.invite(at(0), dial).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    assert_eq!(via(&invite), "SIP/2.0/UDP [2001:db8::5]:5070");
    assert_eq!(invite.headers().get("Contact"), Some("<sip:+12025550100@[2001:db8::5]:5070>"));
    let source = Target { access: second, ..Target::new(Transport::Udp, peer) };
    let options = "OPTIONS sip:us@[2001:db8::5]:5070 SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKx;rport\r\n\
         From: <sip:peer@h>;tag=x\r\nTo: <sip:us@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    endpoint.handle_from(at(1), source, options.as_bytes());
    let Some(Output::Transmit { target, bytes }) = endpoint.poll_output() else { panic!("no answer") };
    assert_eq!(target, source, "an answer leaves by the way that the request came");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(";received=2001:db8::1") && text.contains(";rport=5060"), "{text}");
}

#[test]
fn the_address_that_a_peer_sees_is_our_contact_where_that_is_wished_and_none_is_advertised() {
    let seen = "SIP/2.0/UDP 127.0.0.1:5060;received=203.0.113.7;rport=41000";
    let advertised = Local { is_advertised: true, ..Local::new("198.51.100.1:5060".parse().unwrap()) };
    let table = [
        (false, Local::new("127.0.0.1:5060".parse().unwrap()), "127.0.0.1:5060"),
        (true, Local::new("127.0.0.1:5060".parse().unwrap()), "203.0.113.7:41000"),
        (true, advertised, "198.51.100.1:5060"),
    ];
    for (learn_address, local, expected) in table {
        let access = AccessTable::new(vec![local]);
        let mut endpoint = endpoint(Options { access, learn_address, ..Options::default() });
        endpoint.ping(at(0), udp(), "sip:pbx.example", "<sip:us@h>").unwrap();
        let (_, ping) = sent_once(&mut endpoint);
        let branch = ping.headers().via_top().unwrap().branch().unwrap().to_owned();
        answer(&mut endpoint, udp(), &ping, 200, &[("Via", &format!("{seen};branch={branch}"))]);
        endpoint.invite(at(200), super::dial(udp())).unwrap();
        let (_, invite) = sent_once(&mut endpoint);
        let contact = format!("<sip:+12025550100@{expected}>");
        assert_eq!(invite.headers().get("Contact"), Some(contact.as_str()));
    }
}

/// A call through `trunk` to a host of the name x.example, answered with these headers and hung up: where ACK and BYE went.
fn ways_of_a_call(options: Options, trunk: Target, headers: &[(&str, &str)]) -> Vec<(String, Target)> {
    let mut endpoint = endpoint(options);
    let dial = Dial {
        request_uri: "sip:+12025550101@x.example:5080".into(),
        to: "<sip:+12025550101@x.example>".into(),
        ..super::dial(trunk)
    };
    let key = endpoint.invite(at(0), dial).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    answer(&mut endpoint, trunk, &invite, 200, headers);
    endpoint.hang_up(at(300), key, None);
    let sent = sent(&mut endpoint).into_iter();
    sent.map(|(target, request)| (request.method().to_string(), target)).collect()
}

#[test]
fn a_next_hop_of_the_trunks_own_name_has_its_port_and_transport_and_maddr_is_followed() {
    use Transport::{Tcp, Tls, Udp};
    let table = [
        (Udp, "sip:far@x.example", "", (Udp, 5080)),
        (Udp, "sip:far@X.Example.:5070", "", (Udp, 5070)),
        (Udp, "sip:far@x.example;transport=tcp", "", (Tcp, 5060)),
        (Udp, "sip:far@x.example:5070;transport=tcp", "", (Tcp, 5070)),
        (Udp, "sips:far@x.example", "", (Tls, 5061)),
        (Udp, "sip:far@192.0.2.1", "<sip:x.example:5070;lr>", (Udp, 5070)),
        (Tls, "sip:far@x.example:5070", "", (Tls, 5070)),
        (Udp, "sip:far@gw:5070;maddr=192.0.2.1", "", (Udp, 5070)),
        (Udp, "sip:far@203.0.113.9:5070;maddr=192.0.2.1", "", (Udp, 5070)),
        // These lead to strangers, off TLS, by a transport that nobody knows: to the trunk, as before.
        (Udp, "sip:far@192.0.2.1:5070;maddr=203.0.113.9", "", (Udp, 5080)),
        (Udp, "sip:far@gw.example:5070", "", (Udp, 5080)),
        (Tls, "sip:far@x.example:5070;transport=udp", "", (Tls, 5080)),
        (Udp, "sip:far@x.example:5070;transport=ws", "", (Udp, 5080)),
    ];
    for (transport, contact, route, (over, port)) in table {
        let trunk = Target::new(transport, "192.0.2.1:5080".parse().unwrap());
        let contact = format!("<{contact}>");
        let mut headers = vec![("Contact", contact.as_str())];
        headers.extend((!route.is_empty()).then_some(("Record-Route", route)));
        let expected = Target::new(over, SocketAddr::new(trunk.address.ip(), port));
        let expected = ["ACK", "BYE"].map(|method| (method.to_owned(), expected));
        assert_eq!(ways_of_a_call(Options::default(), trunk, &headers), expected, "{contact} {route}");
    }
}

#[test]
fn behind_an_outbound_proxy_the_name_of_the_next_hop_is_that_of_the_proxy() {
    let table = [("<sip:edge.example:5070;lr>", 5070), ("<sip:x.example:5070;lr>", 5080)];
    for (route, port) in table {
        let mut access = AccessTable::default();
        let proxy = Some("<sip:edge.example;lr>".to_owned());
        let proxied = access.add(Access { route: proxy, ..Access::default() });
        let trunk = Target::new(Transport::Udp, "192.0.2.1:5080".parse().unwrap());
        let trunk = Target { access: proxied, ..trunk };
        let headers = [("Contact", "<sip:far@192.0.2.1>"), ("Record-Route", route)];
        for (method, target) in ways_of_a_call(Options { access, ..Options::default() }, trunk, &headers) {
            assert_eq!(target.address.port(), port, "{method} {route}");
        }
    }
}

#[test]
fn a_contact_at_port_0_leads_to_the_trunk() {
    for contact in ["<sip:far@192.0.2.1:0>", "<sip:far@x.example:0>"] {
        for (method, target) in ways_of_a_call(Options::default(), udp(), &[("Contact", contact)]) {
            assert_eq!(target, udp(), "{method} {contact}");
        }
    }
}

#[test]
fn an_ack_of_a_2xx_above_1300_bytes_goes_over_tcp_and_over_udp_where_that_is_refused() {
    let contact = format!("<sip:far@192.0.2.1:5060;x={}>", "y".repeat(1_300));
    let over_tcp = over(Transport::Tcp, udp());
    for held in [false, true] {
        let ack_held_max = held.then_some(Duration::from_secs(9));
        let mut endpoint = endpoint(Options { ack_held_max, ..Options::default() });
        let key = endpoint.invite(at(0), super::dial(udp())).unwrap();
        let (_, invite) = sent_once(&mut endpoint);
        let answered = [("Contact", contact.as_str())];
        answer(&mut endpoint, udp(), &invite, 200, &answered);
        if !held {
            let (target, ack) = sent_once(&mut endpoint);
            assert_eq!((target, via(&ack).as_str()), (over_tcp, "SIP/2.0/TCP 127.0.0.1:5060"));
            answer(&mut endpoint, udp(), &invite, 200, &answered);
            assert_eq!(sent_once(&mut endpoint).0, over_tcp, "so does that of a copy");
        }
        endpoint.handle_refused(at(200), over_tcp);
        if held {
            assert_eq!(sent(&mut endpoint), [], "it is still held");
            endpoint.acknowledge(key);
        }
        let (target, ack) = sent_once(&mut endpoint);
        assert_eq!((target, via(&ack).as_str()), (udp(), "SIP/2.0/UDP 127.0.0.1:5060"));
        answer(&mut endpoint, udp(), &invite, 200, &answered);
        assert_eq!(sent_once(&mut endpoint).0, udp());
    }
}

#[test]
fn a_contact_of_a_tcp_trunk_that_names_no_transport_is_reached_over_udp_where_it_refuses_tcp() {
    let trunk = over(Transport::Tcp, udp());
    let table = [
        (trunk, "<sip:far@192.0.2.1:5070>", 5070, true),
        (trunk, "<sip:far@192.0.2.1:5070;transport=tcp>", 5070, false),
        (trunk, "<sip:far@192.0.2.1:5060>", 5060, false),
        (over(Transport::Tls, udp()), "<sip:far@192.0.2.1:5070>", 5070, false),
    ];
    for (trunk, contact, port, falls_back) in table {
        let mut endpoint = endpoint(Options::default());
        let key = endpoint.invite(at(0), super::dial(trunk)).unwrap();
        let (_, invite) = sent_once(&mut endpoint);
        answer(&mut endpoint, trunk, &invite, 200, &[("Contact", contact)]);
        let there = Target::new(trunk.transport, SocketAddr::new(trunk.address.ip(), port));
        for method in ["ACK", "BYE"] {
            if method == "BYE" {
                endpoint.hang_up(at(300), key, None);
            }
            let (target, request) = sent_once(&mut endpoint);
            assert_eq!((target, request.method().as_str()), (there, method), "{contact}");
            endpoint.handle_refused(at(200), there);
            let again: Vec<_> = sent(&mut endpoint).into_iter().map(|(target, _)| target).collect();
            let expected = if falls_back { vec![over(Transport::Udp, there)] } else { Vec::new() };
            assert_eq!(again, expected, "{method} {contact}");
        }
    }
}

#[test]
fn a_response_is_ours_however_its_via_writes_our_ipv6_address() {
    let access = AccessTable::new(vec![Local::new("[::1]:5060".parse().unwrap())]);
    let mut endpoint = endpoint(Options { access, ..Options::default() });
    let peer = Target::new(Transport::Udp, "[2001:db8::1]:5060".parse().unwrap());
    endpoint.invite(at(0), super::dial(peer)).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    let via = invite.headers().get("Via").unwrap();
    let other = via.replace("[::1]", "[::2]");
    answer(&mut endpoint, peer, &invite, 486, &[("Via", &other)]);
    assert_eq!(sent(&mut endpoint), [], "that is another's");
    let long = via.replace("[::1]", "[0:0:0:0:0:0:0:1]");
    answer(&mut endpoint, peer, &invite, 486, &[("Via", &long)]);
    assert_eq!(sent_once(&mut endpoint).1.method().as_str(), "ACK");
}
