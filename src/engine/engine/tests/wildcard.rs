//! Listeners and media ports at the wildcard address: each trunk is told the address of ours that leads to it.

use super::registering::REGISTERS;
use super::routes::{FAST, NAMED, two_servers};
use super::*;
use crate::sip::endpoint::{Local, Towards};

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
    for wildcard in [None, Some(IpAddr::from([0; 16]))] {
        let mut stage = stage(&[""]);
        stage.engine.media_wildcard = wildcard;
        stage.contacts(&["+12125550101"]);
        let [via, contact, connection, origin] = told(&stage.sent(Method::Invite));
        assert_eq!([via, contact], ["10.0.0.5"; 2]);
        assert_eq!([connection, origin], ["192.0.2.1"; 2], "as the media plane has told");
    }
}

/// Everything is bound to the wildcard address, and the first two trunks are reached by two ways.
fn stage(trunks: &[&str]) -> Stage {
    let local = Local { is_wildcard: true, ..Local::new(SocketAddr::from(([127, 0, 0, 1], 5_060))) };
    let mut access = AccessTable::new(vec![local]);
    access.handle_towards(&[towards(1, [10, 0, 0, 5]), towards(2, [192, 0, 2, 5])]);
    let mut stage = Stage::with_access(trunks, Human::Agent(agent()), FAST, access);
    stage.engine.set_media_wildcard([0, 0, 0, 0].into());
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
