//! Listeners and media ports at the wildcard address: each trunk is told the address of ours that leads to it.

use super::registering::REGISTERS;
use super::routes::{FAST, NAMED, two_servers};
use super::*;
use crate::sip::endpoint::{Local, Towards};
use crate::sip::locate::record::{Data, Kind};
use crate::sip::locate::{self, Destination};
use std::net::{IpAddr, Ipv6Addr};

/// Agents behind the first trunk, callees behind the second.
const TWO: [&str; 2] = ["priority = 2", "priority = 1"];

#[test]
fn each_trunk_sees_the_address_that_leads_to_it_in_via_contact_and_sdp() {
    let mut stage = stage(&TWO);
    stage.contacts(&["+12125550101"]);
    let callee = stage.sent(Method::Invite);
    assert_eq!(told(&callee), all("192.0.2.5"));
    stage.answers(&callee, 200);
    stage.pass(2_000);
    let agent = stage.sent(Method::Invite);
    assert_eq!(told(&agent), all("10.0.0.5"), "the same call, another trunk");
}

#[test]
fn a_call_that_goes_on_to_another_trunk_tells_it_the_address_that_leads_there() {
    let mut stage = stage(&TWO);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.answers(&first, 503);
    let second = stage.sent(Method::Invite);
    assert_eq!((told(&first), told(&second)), (all("192.0.2.5"), all("10.0.0.5")));
}

#[test]
fn a_call_that_goes_on_to_another_hop_tells_it_the_address_that_leads_there() {
    let mut stage = stage(&[NAMED]);
    stage.engine.handle_towards(&[towards(71, [192, 0, 2, 5]), towards(72, [10, 0, 0, 5])]);
    stage.zone(&two_servers(), 300);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.answers(&first, 503);
    let second = stage.sent(Method::Invite);
    assert_eq!((told(&first), told(&second)), (all("192.0.2.5"), all("10.0.0.5")));
}

#[test]
fn a_route_that_has_changed_is_told_from_the_next_call_on() {
    let mut stage = stage(&[""]);
    for (number, local) in [("+12125550101", [10, 0, 0, 5]), ("+12125550102", [192, 0, 2, 5])] {
        stage.engine.handle_towards(&[towards(1, local)]);
        stage.contacts(&[number]);
        stage.pass(500);
        let invite = stage.sent(Method::Invite);
        assert_eq!(told(&invite), all(&IpAddr::from(local).to_string()));
        stage.answers(&invite, 486);
        // Copies of that INVITE.
        stage.sent.clear();
        stage.targets.clear();
    }
}

#[test]
fn where_a_service_route_leads_sees_what_the_registrar_sees() {
    let mut stage = stage(&[REGISTERS]);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[("Service-Route", "<sip:203.0.113.7:5080;lr>")]);
    stage.contacts(&["+12125550101"]);
    assert_eq!(told(&stage.sent(Method::Invite)), all("10.0.0.5"));
}

#[test]
fn sdp_names_the_address_of_the_port_where_that_is_advertised_or_of_the_other_family() {
    for media in [None, Some(MediaAddress::at([192, 0, 2, 1].into())), Some(wildcard([0; 16]))] {
        let mut stage = stage(&[""]);
        stage.engine.media = media.into_iter().collect();
        stage.contacts(&["+12125550101"]);
        let [via, contact, connection, origin] = told(&stage.sent(Method::Invite));
        assert_eq!([via, contact], ["10.0.0.5"; 2]);
        assert_eq!([connection, origin], ["192.0.2.1"; 2], "as the media plane has told");
    }
}

#[test]
fn each_hop_is_told_an_address_of_its_own_family() {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);
    let locals = vec![Local::new(([10, 0, 0, 5], 5_060).into()), Local::new((v6, 5_060).into())];
    let access = AccessTable::new(locals);
    let mut stage = Stage::with_access(&[NAMED, "priority = 2"], Human::Agent(agent()), FAST, access);
    stage.engine.media = vec![MediaAddress::at([10, 0, 0, 5].into()), MediaAddress::at(v6.into())];
    let six = Data::Aaaa("2001:db8::71".parse().unwrap());
    let four = Data::A([198, 51, 100, 71].into());
    stage.zone(&[(Kind::Aaaa, "gw.example", six), (Kind::A, "gw.example", four)], 300);
    stage.contacts(&["+12125550101"]);
    for expected in ["IN IP6 2001:db8::5", "IN IP4 10.0.0.5", "IN IP4 10.0.0.5"] {
        let invite = stage.sent(Method::Invite);
        let sdp = String::from_utf8_lossy(invite.body()).into_owned();
        assert!(sdp.contains(&format!("\r\nc={expected}\r\n")), "{sdp}");
        stage.answers(&invite, 503);
    }
}

#[test]
fn a_family_that_media_has_no_address_of_is_not_asked_for() {
    let v6 = SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), 5_060);
    let access = AccessTable::new(vec![Local::new(([127, 0, 0, 1], 5_060).into()), Local::new(v6)]);
    let endpoint = endpoint::Options { access, ..endpoint::Options::default() };
    let endpoint = Endpoint::new(endpoint, Rng::from_seed(1));
    for (media, expected) in [
        (vec![], vec![Kind::A, Kind::Aaaa]),
        (vec![wildcard([0; 4])], vec![Kind::A]),
        (vec![wildcard([0; 16])], vec![Kind::Aaaa]),
        (vec![wildcard([0; 4]), wildcard([0; 16])], vec![Kind::A, Kind::Aaaa]),
    ] {
        let mut locator = trunks::locator(&endpoint, &media, Rng::from_seed(2));
        locator.want(Instant::ZERO, &Destination::parse("gw.example:5060", None).unwrap());
        let mut asked = Vec::new();
        while let Some(locate::Output::Ask(question)) = locator.poll_output() {
            asked.push(question.kind);
        }
        asked.sort();
        assert_eq!(asked, expected, "{media:?}");
    }
}

fn wildcard(ip: impl Into<IpAddr>) -> MediaAddress {
    MediaAddress { listen: ip.into(), offered: [192, 0, 2, 1].into(), is_wildcard: true }
}

/// Everything is bound to the wildcard address, and the first two trunks are reached by two ways.
fn stage(trunks: &[&str]) -> Stage {
    let local = Local { is_wildcard: true, ..Local::new(SocketAddr::from(([127, 0, 0, 1], 5_060))) };
    let mut access = AccessTable::new(vec![local]);
    access.handle_towards(&[towards(1, [10, 0, 0, 5]), towards(2, [192, 0, 2, 5])]);
    let mut stage = Stage::with_access(trunks, Human::Agent(agent()), FAST, access);
    stage.engine.media = vec![wildcard([0; 4])];
    stage
}

/// The peer 198.51.100.`n` is reached from there.
fn towards(n: u8, local: [u8; 4]) -> Towards {
    Towards { peer: [198, 51, 100, n].into(), local: local.into() }
}

/// What an INVITE says of where we are: in Via, Contact, c= and o=.
fn told(invite: &SipRequest) -> [String; 4] {
    let via = invite.headers().via_top().expect("it has one").host.clone();
    let contact = invite.headers().get("Contact").expect("it has one").to_owned();
    let (_, contact) = contact.split_once('@').expect("it has a user");
    let sdp = String::from_utf8_lossy(invite.body()).into_owned();
    let last = |kind: &str| {
        let line = sdp.lines().find(|line| line.starts_with(kind)).expect("it is there");
        line.rsplit(' ').next().expect("it has words").to_owned()
    };
    [via, contact.split(':').next().expect("there is a port").to_owned(), last("c="), last("o=")]
}

fn all(address: &str) -> [String; 4] {
    std::array::from_fn(|_| address.to_owned())
}
