//! SRTP and SRTCP as anybody may send them: the input is a row of packets with a length before each. Nothing that was not
//! protected with the key is let in; what was, comes out as it went in, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::rtp::srtp::{Incoming, MasterKey, Outgoing, RTP_GROWTH, Suite};

fuzz_target!(|bytes: &[u8]| {
    for suite in [Suite::Tag80, Suite::Tag32] {
        let (theirs, ours) = (MasterKey([1; 30]), MasterKey([2; 30]));
        let mut incoming = Incoming::new(suite, &theirs);
        let mut peer = Outgoing::new(suite, &theirs);
        let mut stranger = Outgoing::new(suite, &ours);
        let mut rest = bytes;
        while let [length, behind @ ..] = rest {
            let (datagram, behind) = behind.split_at(usize::from(*length).min(behind.len()));
            rest = behind;
            assert!(incoming.open(&mut datagram.to_vec()).is_err(), "a forged packet was taken");
            assert!(incoming.open_rtcp(&mut datagram.to_vec()).is_err(), "a forged report was taken");
            // A header of our own sending, with a payload of the input's.
            if datagram.len() < 12 {
                continue;
            }
            let mut packet = datagram.to_vec();
            packet[0] = 0x80;
            let whole = packet.len();
            packet.resize(whole + RTP_GROWTH, 0);
            let mut foreign = packet.clone();
            let length = stranger.protect(&mut foreign, whole);
            assert!(incoming.open(&mut foreign[..length]).is_err(), "another key's packet was taken");
            let length = peer.protect(&mut packet, whole);
            let mut copy = packet.clone();
            if let Ok(opened) = incoming.open(&mut packet[..length]) {
                assert_eq!(packet[1..opened], datagram[1..whole]);
                assert!(incoming.open(&mut copy[..length]).is_err(), "a packet was taken twice");
            }
        }
    }
});
