//! Trunks that register, played by hand.

use super::routes::{NAMED, Sent, two_servers};
use super::*;
use crate::sip::digest::Secret;
use std::net::IpAddr;

pub(super) const REGISTERS: &str = "register = true\nusername = \"u\"\npassword = \"p\"";

const CHALLENGE: (&str, &str) = ("WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\"");

#[test]
fn a_password_that_was_changed_and_read_again_reaches_the_registrar_at_once() {
    let mut stage = Stage::new(&[REGISTERS], Human::HangUp);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 403, &[]);
    stage.pass(500);
    assert!(stage.sent.is_empty(), "it rests");
    stage.rereads(0, REGISTERS, Some("changed"));
    let register = stage.sent(Method::Register);
    stage.responds(&register, 401, &[CHALLENGE]);
    let register = stage.sent(Method::Register);
    assert_eq!(register.headers().get("Expires"), Some("300"));
    stage.responds(&register, 200, &[]);
    let first = answer(&register);
    assert_eq!(stage.notes.last().unwrap(), "trunk trunk-0 registered for 300 s");
    stage.pass(1_000);
    stage.rereads(0, REGISTERS, Some("changed again"));
    let register = stage.sent(Method::Register);
    assert_eq!(register.headers().get("Authorization"), None, "nothing of the old password is shown");
    stage.responds(&register, 401, &[CHALLENGE]);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[]);
    assert_ne!(answer(&register), first);
    assert!(stage.sent.is_empty(), "nothing is taken back: {:?}", stage.sent);
}

#[test]
fn a_user_name_of_any_characters_registers() {
    let more =
        "register = true\nusername = 'ac me@pbx \"#\"'\npassword = \"p\"\n[identity]\nfrom = \"username\"";
    let mut stage = Stage::new(&[more], Human::HangUp);
    let register = stage.sent(Method::Register);
    let user = "ac%20me%40pbx%20%22%23%22";
    assert_eq!(register.headers().get("To"), Some(format!("<sip:{user}@198.51.100.1>").as_str()));
    assert_eq!(register.headers().contacts()[0].uri.user(), Some(user));
    stage.responds(&register, 200, &[]);
    stage.contacts(&["+12125550101"]);
    assert_eq!(stage.sent(Method::Invite).headers().from().unwrap().uri.user(), Some(user));
}

#[test]
fn a_registration_that_cannot_be_written_is_told_once_and_not_waited_for_in_silence() {
    // `check` refuses this; whoever gets past it is told.
    let more = "register = true\nusername = \"u\"\npassword = \"p\"\ndomain = \"no host\"";
    let faults = trunk_setup(0, more).options.faults();
    assert!(faults.iter().any(|(key, text)| *key == "domain" && text.contains("no host")), "{faults:?}");
    let stage = Stage::new(&[more], Human::HangUp);
    assert_eq!(stage.notes.len(), 1, "{:?}", stage.notes);
    assert!(
        stage.notes[0].starts_with("trunk trunk-0 cannot register: no REGISTER can leave: the"),
        "{:?}",
        stage.notes
    );
    let state = stage.engine.status(stage.now).trunks.remove(0).state;
    assert!(state.starts_with("not registered: no REGISTER can leave"), "{state}");
}

#[test]
fn names_that_cannot_be_written_are_faults_of_the_configuration() {
    let with = |more: &str| format!("register = true\npassword = \"p\"\n{more}");
    let table = [
        ("username = \"\"", &["username"][..]),
        ("username = \"a\\r\\nb\"", &["username"]),
        ("username = \"u\"\nrealm = \"a\\nb\"", &["realm"]),
        ("username = \"u\"\ndomain = \"\"", &["domain"]),
        ("username = \"u\"\nhost = \"2001:db8::1\"", &["host"]),
        ("username = \"u\"\nhost = \"[2001:db8::1]\"", &[]),
        ("username = \"Jürgen @ home\"", &[]),
    ];
    for (more, expected) in table {
        let faults = trunk_setup(0, &with(more)).options.faults();
        let keys: Vec<&str> = faults.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, expected, "{more}: {faults:?}");
    }
}

#[test]
fn a_call_goes_first_where_the_service_route_leads_and_falls_back_to_the_trunks_own_hops() {
    let edge = IpAddr::from([203, 0, 113, 7]);
    let mut stage = Stage::new(&[REGISTERS, "priority = 2"], Human::HangUp);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[("Service-Route", "<sip:203.0.113.7:5080;lr>, <sip:core.example;lr>")]);
    assert!(stage.engine.takes_from(edge), "what it has to say is heard");
    stage.contacts(&["+12125550101"]);
    let routed = stage.invites();
    assert_eq!(routed[0].to.to_string(), "203.0.113.7:5080");
    let routes: Vec<&str> = routed[0].request.headers().all("Route").collect();
    assert_eq!(routes, ["<sip:203.0.113.7:5080;lr>", "<sip:core.example;lr>"]);
    // It is silent: the call goes to the next trunk, as the first has no other hop, and counts against the first.
    stage.pass(4_000);
    let next = stage.invites();
    assert_eq!(next[0].to, address(1));
    assert_eq!(next[0].request.headers().count("Route"), 0);
    assert_eq!(stage.channels(), [0, 1]);
    stage.answers(&next[0].request.clone(), 486);
    // A refresh without a Service-Route ends it.
    stage.pass(300_000);
    let refresh = stage.last(Method::Register);
    stage.responds(&refresh, 200, &[]);
    assert!(!stage.engine.takes_from(edge));
}

#[test]
fn a_service_route_that_cannot_be_followed_is_told_once_and_calls_go_to_the_trunk() {
    let mut stage = Stage::new(&[REGISTERS], Human::HangUp);
    for route in ["<sip:edge.example;lr>", "<sip:edge.example;lr>", "<sip:[2001:db8::1];lr>"] {
        let register = stage.sent(Method::Register);
        stage.responds(&register, 200, &[("Service-Route", route)]);
        stage.sent.clear();
        stage.targets.clear();
        stage.pass(240_000);
    }
    stage.sent.clear();
    stage.targets.clear();
    let told: Vec<&String> = stage.notes.iter().filter(|note| note.contains("Service-Route")).collect();
    assert_eq!(
        told,
        [
            "trunk trunk-0 is called at its own address: its Service-Route names a host: set outbound_proxy",
            "trunk trunk-0 is called at its own address: its Service-Route leads to an IPv6 address, and listen in [sip] or [media] has none",
        ]
    );
    stage.contacts(&["+12125550101"]);
    let invite = stage.invites().remove(0);
    assert_eq!((invite.to, invite.request.headers().count("Route")), (address(0), 1));
}

#[test]
fn a_registration_leaves_a_hop_that_options_find_dead_before_it_runs_out() {
    let more = format!("{REGISTERS}\n{NAMED}\noptions_interval_s = 30");
    let mut stage = Stage::new(&[&more], Human::HangUp);
    stage.zone(&two_servers(), 3_000);
    let first = stage.registers().remove(0);
    assert_eq!(first.to, hop(71));
    stage.responds(&first.request, 200, &[("Expires", "60")]);
    // The second alone answers OPTIONS.
    let mut moved = Vec::new();
    for _ in 0..12 {
        stage.pass(1_000);
        let (pings, registers) = stage.pings_and_registers();
        for ping in pings.iter().filter(|ping| ping.to == hop(72)) {
            stage.answers(&ping.request, 200);
        }
        moved.extend(registers);
        assert_eq!(stage.state(0), "available", "what it has of us holds until it runs out");
    }
    assert_eq!(moved.iter().map(|sent| sent.to).collect::<Vec<_>>(), [hop(72)]);
    let (old, new) = (first.request.headers(), moved[0].request.headers());
    assert_eq!((old.call_id(), new.get("Expires")), (new.call_id(), Some("300")), "it is one registration");
    assert!(old.cseq().unwrap().number < new.cseq().unwrap().number);
    stage.responds(&moved[0].request, 200, &[]);
    let told = |words: &str| stage.notes.iter().filter(|note| note.ends_with(words)).count();
    assert_eq!(
        told("registers at 198.51.100.72:5070: 198.51.100.71:5070 does not work"),
        1,
        "{:?}",
        stage.notes
    );
}

#[test]
fn a_call_that_a_hop_left_without_response_takes_the_registration_along() {
    let mut stage = Stage::new(&[&format!("{REGISTERS}\n{NAMED}")], Human::HangUp);
    stage.zone(&two_servers(), 3_000);
    let first = stage.registers().remove(0);
    stage.responds(&first.request, 200, &[]);
    stage.contacts(&["+12125550101"]);
    stage.pass(4_000);
    let (invites, registers) = stage.invites_and_registers();
    assert_eq!(
        invites.iter().map(|sent| sent.to).collect::<Vec<_>>(),
        [hop(71), hop(72)],
        "the call goes on"
    );
    assert_eq!(registers.iter().map(|sent| sent.to).collect::<Vec<_>>(), [hop(72)]);
}

#[test]
fn without_an_answer_to_its_refresh_a_trunk_takes_no_call_once_the_registration_has_run_out() {
    let mut stage = Stage::new(&[REGISTERS], Human::HangUp);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[("Expires", "20")]);
    stage.pass(19_000);
    assert_eq!(stage.state(0), "available");
    stage.pass(1_500);
    let lapsed = "not registered: the registration has run out, and its refresh goes unanswered";
    assert_eq!(stage.state(0), lapsed);
    let told = "trunk trunk-0 is not registered any more: the refresh goes unanswered";
    assert_eq!(stage.notes.last().unwrap(), told);
    stage.contacts(&["+12125550101"]);
    stage.pass(2_000);
    assert_eq!(stage.invites().len(), 0);
    stage.pass(60_000);
    let register = stage.last(Method::Register);
    stage.responds(&register, 200, &[]);
    assert_eq!(stage.state(0), "available");
}

#[test]
fn a_503_to_a_register_leads_to_the_next_hop_at_once_and_a_round_of_them_to_a_rest() {
    let mut stage = Stage::new(&[&format!("{REGISTERS}\n{NAMED}")], Human::HangUp);
    stage.zone(&two_servers(), 3_000);
    let first = stage.registers().remove(0);
    stage.responds(&first.request, 503, &[("Retry-After", "60")]);
    let second = stage.registers().remove(0);
    assert_eq!((first.to, second.to, second.at), (hop(71), hop(72), stage.now.instant));
    let told = "trunk trunk-0 could not register (503) at 198.51.100.71:5070; asks 198.51.100.72:5070";
    assert_eq!(stage.notes.last().unwrap(), told);
    // Both are in trouble: neither is asked before its time, and the first that may be asked is.
    stage.responds(&second.request, 503, &[("Retry-After", "3600")]);
    let told = "trunk trunk-0 could not register (503) at 198.51.100.72:5070; next try at 198.51.100.71:5070 in 60 s";
    assert_eq!(stage.notes.last().unwrap(), told);
    stage.pass(59_900);
    assert!(stage.registers().is_empty(), "no storm");
    stage.pass(200);
    let again = stage.registers().remove(0);
    assert_eq!(again.to, hop(71));
    stage.responds(&again.request, 200, &[]);
    assert_eq!(stage.state(0), "available");
}

#[test]
fn a_refresh_that_one_hop_refuses_in_trouble_is_made_at_the_next_while_calls_go_on() {
    let mut stage = Stage::new(&[&format!("{REGISTERS}\n{NAMED}")], Human::HangUp);
    stage.zone(&two_servers(), 3_000);
    let first = stage.registers().remove(0);
    stage.responds(&first.request, 200, &[]);
    stage.pass(241_000);
    let refresh = stage.registers().remove(0);
    stage.responds(&refresh.request, 503, &[]);
    assert_eq!(stage.state(0), "available");
    let moved = stage.registers().remove(0);
    assert_eq!((refresh.to, moved.to), (hop(71), hop(72)));
    stage.responds(&moved.request, 403, &[]);
    assert_eq!(stage.state(0), "not registered: the registrar answered 403; it is asked again");
}

#[test]
fn other_times_and_other_addresses_of_one_registrar_take_nothing_back() {
    let domain = format!("{REGISTERS}\ndomain = \"pbx.example\"");
    let mut stage = Stage::new(&[&domain], Human::HangUp);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[]);
    stage.sent.clear();
    for more in [format!("{domain}\nregister_expires_s = 600"), format!("{domain}\nhost = \"198.51.100.9\"")]
    {
        let expires = if more.contains("600") { "600" } else { "300" };
        let mut setup = trunk_setup(0, &more);
        if more.contains("host =") {
            setup.target = Target::new(Transport::Udp, "198.51.100.9:5060".parse().unwrap());
        }
        stage.engine.handle_trunks(stage.now, vec![setup]);
        stage.settle();
        let asked: Vec<Option<&str>> = stage.sent.iter().map(|sent| sent.headers().get("Expires")).collect();
        assert_eq!(asked, [Some(expires)], "{more}");
        let there = if more.contains("host =") { "198.51.100.9:5060" } else { "198.51.100.1:5060" };
        assert_eq!(stage.targets.back().unwrap().0, there.parse::<SocketAddr>().unwrap(), "{more}");
        let register = stage.sent(Method::Register);
        stage.responds(&register, 200, &[]);
    }
    // Somebody else is registered beside, and the former one is taken back.
    stage.rereads(0, &domain.replace("\"u\"", "\"v\""), None);
    let asked: Vec<Option<&str>> = stage.sent.iter().map(|sent| sent.headers().get("Expires")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.contains(&Some("0")) && asked.contains(&Some("300")), "{asked:?}");
}

#[test]
fn a_hop_that_wants_no_calls_for_a_while_may_be_asked_to_register_us() {
    let mut stage = Stage::new(&[REGISTERS], Human::HangUp);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[]);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.responds(&invite, 503, &[("Retry-After", "600")]);
    stage.sent.clear();
    stage.rereads(0, &REGISTERS.replace("\"u\"", "\"v\""), None);
    let asked: Vec<Option<&str>> = stage.sent.iter().map(|sent| sent.headers().get("Expires")).collect();
    assert!(asked.contains(&Some("300")), "{asked:?}");
}

#[test]
fn who_is_registered_nowhere_until_a_hop_may_be_asked_again_takes_no_call() {
    let mut stage = Stage::new(&[&format!("{REGISTERS}\n{NAMED}")], Human::HangUp);
    stage.zone(&two_servers(), 245);
    let first = stage.registers().remove(0);
    stage.responds(&first.request, 200, &[]);
    stage.pass(241_000);
    let refresh = stage.registers().remove(0);
    stage.responds(&refresh.request, 503, &[("Retry-After", "1800")]);
    let moved = stage.registers().remove(0);
    assert_eq!(moved.to, hop(72));
    // The second is gone from the DNS, and the first has said when it may be asked.
    stage.pass(10_000);
    let [first, _, address, _] = two_servers().try_into().unwrap();
    stage.zone(&[first, address], 3_000);
    stage.pass(60_000);
    assert_ne!(stage.state(0), "available");
}

#[test]
fn a_registrar_that_has_us_for_no_time_does_not_have_us() {
    let mut stage = Stage::new(&[REGISTERS], Human::HangUp);
    let register = stage.sent(Method::Register);
    stage.responds(&register, 200, &[("Expires", "0")]);
    assert_eq!(stage.state(0), "not registered: the registrar has us for no time at all; it is asked again");
    let told = &stage.notes[0];
    assert!(
        told.starts_with("trunk trunk-0 could not register (200, but for no time at all); next"),
        "{told}"
    );
}

#[test]
fn only_a_registrar_that_let_us_go_is_said_to_have_done_so() {
    let mut notes = Vec::new();
    for (first, last) in [(200, Some(200)), (200, Some(403)), (200, None), (403, None)] {
        let mut stage = Stage::new(&[REGISTERS], Human::HangUp);
        let register = stage.sent(Method::Register);
        stage.responds(&register, first, &[]);
        stage.notes.clear();
        stage.engine.handle_operator(stage.now, &Operator::Drain).unwrap();
        stage.settle();
        if let Some(status) = last {
            let leave = stage.sent(Method::Register);
            stage.responds(&leave, status, &[]);
        }
        stage.pass(2_500);
        assert!(stage.engine.is_quiet(), "{first} {last:?}");
        stage.pass(40_000);
        notes.push(stage.notes.join("; "));
    }
    let unheard = "trunk trunk-0 did not answer our leave: what its registrar has of us runs out by itself";
    assert_eq!(notes, ["trunk trunk-0 unregistered", unheard, unheard, ""]);
}

fn hop(last: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, last], 5070))
}

/// The digest, the client's nonce aside.
fn answer(request: &SipRequest) -> String {
    let value = request.headers().get("Authorization").expect("it was challenged");
    value.split("response=").nth(1).and_then(|rest| rest.split(',').next()).expect("a digest").to_owned()
}

impl Stage {
    fn registers(&mut self) -> Vec<Sent> {
        self.pings_and_registers().1
    }

    fn pings_and_registers(&mut self) -> (Vec<Sent>, Vec<Sent>) {
        let [_, pings, registers] = self.news();
        (pings, registers)
    }

    fn invites_and_registers(&mut self) -> (Vec<Sent>, Vec<Sent>) {
        let [invites, _, registers] = self.news();
        (invites, registers)
    }

    /// The last request of this method that the engine has sent.
    fn last(&mut self, method: Method) -> SipRequest {
        let found = self.sent.iter().rev().find(|request| *request.method() == method).cloned();
        self.sent.clear();
        self.targets.clear();
        found.unwrap_or_else(|| panic!("no {method} was sent"))
    }

    /// SIGHUP: the trunk has these lines and this password.
    fn rereads(&mut self, place: usize, more: &str, password: Option<&str>) {
        let credentials = password.map(|password| Credentials {
            username: "u".into(),
            password: Secret::new(password),
            realm: None,
        });
        let setup = TrunkSetup { credentials, ..trunk_setup(place, more) };
        self.engine.handle_trunks(self.now, vec![setup]);
        self.settle();
    }
}
