//! Challenges, and the answer to each that can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::sip::digest::{Challenge, Credentials, Secret, authorize};

fuzz_target!(|text: &str| {
    let lines = text.lines();
    for realm in [None, Some("a")] {
        if let Ok(challenge) = Challenge::choose(lines.clone(), realm) {
            let credentials =
                Credentials { username: "u\"\\".into(), password: Secret::new("p"), realm: realm.map(str::to_owned) };
            let answer = authorize(&challenge, &credentials, "INVITE", "sip:h", b"body", 1, "c");
            assert!(answer.starts_with("Digest "));
        }
    }
});
