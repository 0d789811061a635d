//! What goes over TCP and may go over UDP: what one silence says of the peer, and what is not to be lost.

use std::time::Duration;

use super::ways::{answer, at, endpoint, long, over, sent, sent_once, udp};
use crate::sip::endpoint::*;

/// By which transport an OPTIONS leaves for the peer.
fn way_of_a_ping(endpoint: &mut Endpoint, ms: u64) -> Transport {
    endpoint.ping(at(ms), udp(), "sip:192.0.2.1", "<sip:us@h>").unwrap();
    let pings = sent(endpoint);
    pings.last().expect("it is asked").0.transport
}

/// An endpoint whose every request goes over TCP, to a peer that has spoken there at 0.1 s.
fn after_a_word_over_tcp() -> Endpoint {
    let options = Options { tcp_above_bytes: 100, registrations_max: 2_000, ..Options::default() };
    let mut endpoint = endpoint(options);
    endpoint.ping(at(0), udp(), "sip:192.0.2.1", "<sip:us@h>").unwrap();
    let (target, ping) = sent_once(&mut endpoint);
    assert_eq!(target.transport, Transport::Tcp);
    answer(&mut endpoint, target, &ping, 200, &[]);
    endpoint
}

#[test]
fn one_silence_is_no_refusal_however_many_requests_wait_and_the_next_is() {
    let mut endpoint = after_a_word_over_tcp();
    for from in [300, 300, 2_000] {
        assert_eq!(way_of_a_ping(&mut endpoint, from), Transport::Tcp);
    }
    endpoint.handle_timeout(at(2_300));
    assert_eq!(sent(&mut endpoint).len(), 2, "both go over UDP too");
    assert_eq!(way_of_a_ping(&mut endpoint, 2_400), Transport::Tcp);
    // The third began in the silence that is known of.
    endpoint.handle_timeout(at(4_000));
    assert_eq!(way_of_a_ping(&mut endpoint, 4_100), Transport::Tcp);
    endpoint.handle_timeout(at(4_400));
    assert_eq!(way_of_a_ping(&mut endpoint, 4_500), Transport::Udp);
}

#[test]
fn a_peer_that_is_forgotten_for_others_does_not_refuse_tcp() {
    let mut endpoint = after_a_word_over_tcp();
    assert_eq!(way_of_a_ping(&mut endpoint, 300), Transport::Tcp);
    for port in 10_000..11_024 {
        let mut other = udp();
        other.address.set_port(port);
        endpoint.ping(at(400), other, "sip:192.0.2.1", "<sip:us@h>").unwrap();
    }
    sent(&mut endpoint);
    endpoint.handle_timeout(at(2_300));
    assert_eq!(sent_once(&mut endpoint).0, udp(), "it goes over UDP too");
    assert_eq!(way_of_a_ping(&mut endpoint, 2_350), Transport::Tcp);
}

#[test]
fn the_cancel_of_an_invite_that_may_not_fall_back_any_more_goes_over_udp_where_tcp_is_refused() {
    let mut endpoint = endpoint(Options::default());
    let key = endpoint.invite(at(0), long(super::dial(udp()))).unwrap();
    let (over_tcp, invite) = sent_once(&mut endpoint);
    endpoint.hang_up(at(50), key, None);
    answer(&mut endpoint, over_tcp, &invite, 100, &[]);
    let (target, cancel) = sent_once(&mut endpoint);
    assert_eq!((target, cancel.method().as_str()), (over_tcp, "CANCEL"));
    endpoint.handle_transport_error(at(200), over_tcp);
    assert_eq!(sent_once(&mut endpoint).0, over_tcp, "once more over another connection");
    endpoint.handle_refused(at(300), over_tcp);
    let (target, cancel) = sent_once(&mut endpoint);
    assert_eq!((target, cancel.method().as_str()), (udp(), "CANCEL"));
    assert_eq!(endpoint.counts().sessions, 1, "its INVITE is waited for");
}

#[test]
fn an_ack_alone_on_a_connection_that_is_closed_unheard_goes_over_udp() {
    let mut endpoint = endpoint(Options::default());
    endpoint.invite(at(0), super::dial(udp())).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    let contact = format!("<sip:far@192.0.2.1:5060;x={}>", "y".repeat(1_300));
    answer(&mut endpoint, udp(), &invite, 200, &[("Contact", &contact)]);
    let (over_tcp, _) = sent_once(&mut endpoint);
    assert_eq!(over_tcp, over(Transport::Tcp, udp()));
    endpoint.handle_unheard(at(200), over_tcp);
    let (target, ack) = sent_once(&mut endpoint);
    assert_eq!((target, ack.method().as_str()), (udp(), "ACK"));
    // Nothing answers an ACK: the peer has not refused TCP.
    endpoint.invite(at(300), Dial { call_id: "call-2".into(), ..long(super::dial(udp())) }).unwrap();
    assert_eq!(sent_once(&mut endpoint).0, over_tcp);
}

#[test]
fn the_wait_for_the_answer_to_an_offer_begins_anew_with_the_other_way() {
    let mut endpoint = endpoint(Options::default());
    let key = endpoint.invite(at(0), super::dial(udp())).unwrap();
    let (_, invite) = sent_once(&mut endpoint);
    answer(&mut endpoint, udp(), &invite, 200, &[("Contact", "<sip:peer@192.0.2.1>")]);
    sent(&mut endpoint);
    endpoint.reinvite(at(300), key, vec![b'a'; 1_300]);
    assert_eq!(sent_once(&mut endpoint).0, over(Transport::Tcp, udp()));
    endpoint.handle_timeout(at(2_300));
    assert_eq!(sent_once(&mut endpoint).0, udp());
    let wait = Duration::from_secs(32);
    endpoint.handle_timeout(at(300) + wait);
    assert_eq!(endpoint.counts().sessions, 1, "it was sent 2 s later");
    endpoint.handle_timeout(at(2_300) + wait);
    assert_eq!(endpoint.counts().sessions, 0);
}
