//! Peers that send by our own SSRC (RFC 3550, 8.2).

use super::*;
use crate::media::command::{Keys, MasterKey, Suite};
use crate::rtp::srtp::{Outgoing, RTP_GROWTH};

/// The SSRCs by which we have sent, each once.
fn sources(bench: &Bench, leg: StreamKey) -> Vec<Ssrc> {
    let mut sources: Vec<Ssrc> = bench.sink.sent[&leg].iter().map(|sent| sent.packet().ssrc).collect();
    sources.dedup();
    sources
}

/// The peer speaks for so many slots by that SSRC.
fn speak(bench: &mut Bench, leg: StreamKey, from: SocketAddr, ssrc: Ssrc, sequence: u16, slots: u16) {
    for number in sequence..sequence + slots {
        let at = u32::from(number) * 160 + 0x7000_0000;
        bench.packet(leg, from, &write(false, 0, number, at, ssrc.0, &[0x90; 160]));
        bench.run_ms(20);
    }
}

#[test]
fn our_ssrc_in_the_peers_hands_gets_a_goodbye_and_we_another_one() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.run_ms(200);
    let first = sources(&bench, leg)[0];
    speak(&mut bench, leg, remote(0), first, 700, 100);
    let [_, second] = sources(&bench, leg)[..] else { panic!("{:?}", sources(&bench, leg)) };
    let goodbyes: Vec<&Vec<u8>> =
        bench.sink.rtcp.iter().map(|(_, bytes)| bytes).filter(|bytes| bytes.ends_with(&bye(first))).collect();
    assert_eq!(goodbyes.len(), 1);
    let sent = &bench.sink.sent[&leg];
    let change = sent.iter().position(|sent| sent.packet().ssrc == second).unwrap();
    assert!(sent[change].packet().marker);
    // Who has taken our second one too is no chance, but a loop: it is let be.
    speak(&mut bench, leg, remote(0), second, 800, 100);
    assert_eq!(sources(&bench, leg), [first, second]);
    bench.command(Command::Close { stream: leg });
    let (packets_sent, sent) = (bench.sink.closed[&leg].packets_sent, bench.sink.sent[&leg].len());
    assert_eq!(packets_sent, sent as u64, "both sources are counted");
    // A report counts those of its source alone (6.4.1).
    let last = bench.sink.rtcp.last().unwrap().1.clone();
    assert_eq!(u32::from_be_bytes(last[20..24].try_into().unwrap()), (sent - change) as u32);
}

fn bye(ssrc: Ssrc) -> Vec<u8> {
    [[0x81, 203, 0, 1], ssrc.0.to_be_bytes()].concat()
}

#[test]
fn what_a_peer_sends_back_as_it_came_is_no_collision() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.run_ms(200);
    for _ in 0..50 {
        let last = bench.sink.sent[&leg].last().unwrap().bytes.clone();
        bench.packet(leg, remote(0), &last);
        bench.run_ms(20);
    }
    assert_eq!(sources(&bench, leg).len(), 1);
}

#[test]
fn a_new_call_has_no_part_in_the_collision_of_the_one_before() {
    let mut bench = Bench::new(1);
    for _ in 0..2 {
        bench.sink.sent.clear();
        let leg = bench.leg(0);
        bench.run_ms(100);
        let first = sources(&bench, leg)[0];
        speak(&mut bench, leg, remote(0), first, 700, 10);
        assert_eq!(sources(&bench, leg).len(), 2);
        bench.command(Command::Close { stream: leg });
    }
}

#[test]
fn what_was_ever_protected_keeps_its_ssrc() {
    let keys = Keys { suite: Suite::Tag80, local: MasterKey([1; 30]), remote: MasterKey([2; 30]) };
    let mut peer = Outgoing::new(keys.suite, &keys.remote);
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.connect(leg, Session { srtp: Some(keys), ..session(0) });
    bench.run_ms(100);
    let first = sources(&bench, leg)[0];
    for number in 700..720 {
        let mut bytes = write(false, 0, number, u32::from(number) * 160, first.0, &[0x90; 160]);
        let length = bytes.len();
        bytes.resize(length + RTP_GROWTH, 0);
        let length = peer.protect(&mut bytes, length);
        bench.packet(leg, remote(0), &bytes[..length]);
        bench.run_ms(20);
    }
    assert!(bench.sink.words(leg).contains(&"first received".to_owned()));
    // Its count of rollovers may yet be gone on with.
    bench.connect(leg, session(0));
    speak(&mut bench, leg, remote(0), first, 800, 10);
    assert_eq!(sources(&bench, leg), [first]);
}
