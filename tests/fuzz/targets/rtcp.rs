//! RTCP compounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::rtp::{Ssrc, rtcp};
use outdial::time::Instant;
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::from_start(Duration::from_secs(60));
    for peer in [None, Some(Ssrc(0x0506_0708))] {
        let _ = rtcp::read(now, bytes, Ssrc(0x0102_0304), peer);
    }
});
