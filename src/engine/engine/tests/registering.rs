//! Trunks that register, played by hand.

use super::*;
use crate::sip::digest::Secret;

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

/// The digest, the client's nonce aside.
fn answer(request: &SipRequest) -> String {
    let value = request.headers().get("Authorization").expect("it was challenged");
    value.split("response=").nth(1).and_then(|rest| rest.split(',').next()).expect("a digest").to_owned()
}

impl Stage {
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
