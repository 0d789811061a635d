//! Protected streams whose keys change while they last (RFC 3711, 3.3.1; RFC 4568, 7.1.4).

use super::*;
use crate::media::command::{Keys, MasterKey, Suite};
use crate::rtp::srtp::{Outgoing, RTP_GROWTH};

fn keys(suite: Suite, remote: u8) -> Keys {
    Keys { suite, local: MasterKey([1; 30]), remote: MasterKey([remote; 30]) }
}

/// A peer with its key, and a packet every quarter of a turn, so that its rollovers come soon.
struct Peer {
    protection: Outgoing,
    sequence: u16,
    timestamp: u32,
}

impl Peer {
    fn new(keys: Keys) -> Self {
        Peer { protection: Outgoing::new(keys.suite, &keys.remote), sequence: 0, timestamp: 0 }
    }

    fn rolls_over(&mut self, bench: &mut Bench, leg: StreamKey, rollovers: u32) {
        for _ in 0..4 * rollovers {
            let next = self.packet();
            self.sequence = self.sequence.wrapping_add(0x3fff);
            bench.packet(leg, remote(0), &next);
        }
    }

    fn packet(&mut self) -> Vec<u8> {
        let mut bytes = packet(self.sequence, self.timestamp, &[0x90; 160]);
        (self.sequence, self.timestamp) = (self.sequence.wrapping_add(1), self.timestamp.wrapping_add(160));
        let length = bytes.len();
        bytes.resize(length + RTP_GROWTH, 0);
        let length = self.protection.protect(&mut bytes, length);
        bytes.truncate(length);
        bytes
    }
}

/// A leg whose peer is `rollovers` on under the first key.
fn talking(rollovers: u32) -> (Bench, StreamKey, Peer) {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    let first = keys(Suite::Tag80, 2);
    bench.connect(leg, Session { srtp: Some(first), ..session(0) });
    let mut peer = Peer::new(first);
    peer.rolls_over(&mut bench, leg, rollovers);
    for _ in 0..10 {
        let bytes = peer.packet();
        bench.packet(leg, remote(0), &bytes);
    }
    (bench, leg, peer)
}

/// Packets that were refused, beside those that the jumps of `talking` cost.
fn refused((mut bench, leg): (Bench, StreamKey), rollovers: u32) -> u64 {
    let (mut other, other_leg, _) = talking(rollovers);
    bench.command(Command::Close { stream: leg });
    other.command(Command::Close { stream: other_leg });
    bench.sink.closed[&leg].packets_refused - other.sink.closed[&other_leg].packets_refused
}

#[test]
fn a_peer_that_changes_its_key_or_its_suite_is_heard_however_often_it_has_rolled_over() {
    for rollovers in 0..4 {
        for second in [keys(Suite::Tag80, 3), keys(Suite::Tag32, 3), keys(Suite::Tag32, 2)] {
            for keeps_count in [true, false] {
                // Who keeps its key cannot begin anew: it would protect two packets alike.
                if second.remote == keys(Suite::Tag80, 2).remote && !keeps_count {
                    continue;
                }
                let (mut bench, leg, mut peer) = talking(rollovers);
                bench.connect(leg, Session { srtp: Some(second), ..session(0) });
                peer.protection = match keeps_count {
                    true => peer.protection.rekeyed(second.suite, &second.remote, 0),
                    false => Outgoing::new(second.suite, &second.remote),
                };
                for _ in 0..100 {
                    let bytes = peer.packet();
                    bench.packet(leg, remote(0), &bytes);
                }
                let refused = refused((bench, leg), rollovers);
                assert_eq!(refused, 0, "{rollovers} rollovers, {second:?}, kept: {keeps_count}");
            }
        }
    }
}

#[test]
fn what_was_protected_before_a_plain_stretch_goes_on_where_it_was() {
    let (mut bench, leg, mut peer) = talking(2);
    let taken = peer.packet();
    bench.packet(leg, remote(0), &taken);
    let first = Session { srtp: Some(keys(Suite::Tag80, 2)), ..session(0) };
    bench.connect(leg, session(0));
    bench.connect(leg, first);
    // The peer counts on, and what was taken is not taken again.
    bench.packet(leg, remote(0), &taken);
    for _ in 0..50 {
        let bytes = peer.packet();
        bench.packet(leg, remote(0), &bytes);
    }
    assert_eq!(refused((bench, leg), 2), 1);
}

#[test]
fn packets_on_their_way_under_the_former_key_are_taken_for_two_seconds_each_once() {
    let (mut bench, leg, mut peer) = talking(1);
    let taken_before = peer.packet();
    bench.packet(leg, remote(0), &taken_before);
    let mut late: Vec<Vec<u8>> = (0..7).map(|_| peer.packet()).collect();
    let too_late = late.pop().unwrap();
    let second = keys(Suite::Tag32, 3);
    bench.connect(leg, Session { srtp: Some(second), ..session(0) });
    peer.protection = peer.protection.rekeyed(second.suite, &second.remote, 0);
    for bytes in &late {
        let fresh = peer.packet();
        bench.packet(leg, remote(0), bytes);
        bench.packet(leg, remote(0), &fresh);
        bench.run_ms(20);
    }
    // Nothing of either key is taken twice.
    for bytes in late.iter().chain([&taken_before]) {
        bench.packet(leg, remote(0), bytes);
    }
    // Nor after a change of only our own key, nor when the former one comes back.
    let again = Keys { local: MasterKey([9; 30]), ..second };
    bench.connect(leg, Session { srtp: Some(again), ..session(0) });
    bench.packet(leg, remote(0), &late[0]);
    bench.run_ms(2_000);
    bench.packet(leg, remote(0), &too_late);
    bench.connect(leg, Session { srtp: Some(keys(Suite::Tag80, 2)), ..session(0) });
    bench.packet(leg, remote(0), &late[0]);
    bench.packet(leg, remote(0), &taken_before);
    assert_eq!(refused((bench, leg), 1), 7 + 1 + 1 + 2);
}
