//! What leaves our sockets, judged by tshark: a whole demo, every packet of it.

mod peers;

use peers::wire::Capture;
use std::time::Duration;

#[test]
fn a_demo_puts_no_malformed_packet_on_the_wire() {
    if !peers::installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let capture =
        Capture::of(env!("CARGO_BIN_EXE_outdial"), &["demo"], folder.path(), Duration::from_secs(120));

    // Each protocol is there: a judgement on nothing would be none.
    for (protocol, at_least) in [("sip", 300), ("sdp", 60), ("rtp", 5_000), ("rtcp", 20)] {
        let found = capture.matching(protocol).len();
        assert!(found >= at_least, "{found} packets of {protocol}, expected {at_least} and more");
    }
    // What tshark cannot name it cannot judge.
    for fault in [
        "udp && !icmp && !(sip || rtp || rtcp)",
        "_ws.malformed",
        "_ws.expert.severity == error",
        "(sip || sdp || rtp || rtcp) && _ws.expert.severity >= warning",
    ] {
        let found = capture.matching(fault);
        assert!(
            found.is_empty(),
            "{fault}: {} packets, such as\n{}",
            found.len(),
            found[..found.len().min(10)].join("\n")
        );
    }
}
