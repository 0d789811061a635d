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
