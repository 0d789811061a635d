//! Trunks that register, played by hand.

use super::*;
use crate::sip::digest::Secret;
use std::net::IpAddr;

const REGISTERS: &str = "register = true\nusername = \"u\"\npassword = \"p\"";

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
            "trunk trunk-0 is called at its own address: its Service-Route leads to an IPv6 address, and [sip] listen has none",
        ]
    );
    stage.contacts(&["+12125550101"]);
    let invite = stage.invites().remove(0);
    assert_eq!((invite.to, invite.request.headers().count("Route")), (address(0), 1));
}

/// The digest, the client's nonce aside.
fn answer(request: &SipRequest) -> String {
    let value = request.headers().get("Authorization").expect("it was challenged");
    value.split("response=").nth(1).and_then(|rest| rest.split(',').next()).expect("a digest").to_owned()
}

impl Stage {
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
