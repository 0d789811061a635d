//! Descriptions: read alone, as an answer to our offer, and as an offer that we answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::sdp::{Codec, Description, Direction, MasterKey, Offer, Security, answer, read_answer};
use std::net::{IpAddr, Ipv4Addr};

fuzz_target!(|bytes: &[u8]| {
    let _ = Description::parse(bytes);
    let key = MasterKey([7; 30]);
    for security in [Security::Plain, Security::Optional(key), Security::Required(key)] {
        let local = Offer {
            before: &[],
            after: &[],
            session_id: 1,
            version: 1,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)),
            port: 30_000,
            codecs: &[Codec::Pcmu, Codec::Pcma],
            telephone_event: Some(101),
            comfort_noise: false,
            ptime_ms: 20,
            direction: Direction::BOTH,
            rtcp_mux: true,
            security,
        };
        let _ = read_answer(&local, bytes);
        if let Ok((ours, _)) = answer(&local, bytes) {
            Description::parse(&ours).expect("what we answer can be read");
        }
    }
});
