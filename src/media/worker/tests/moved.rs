//! A peer that moves by a new offer and answer: where its packets go, and which packets are its own.

use super::*;

/// Voice of one source, packet by packet.
fn voice(bench: &mut Bench, leg: StreamKey, source: SocketAddr, numbers: std::ops::Range<u16>) {
    for number in numbers {
        bench.packet(leg, source, &packet(number, u32::from(number) * 160, &[0; 160]));
        bench.run_ms(20);
    }
}

#[test]
fn the_port_that_was_left_does_not_win_the_stream_back() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    voice(&mut bench, leg, remote(0), 0..50);
    bench.connect(leg, session(9));
    // It is slow to stop; RFC 3264, 8.3.1 has it so.
    voice(&mut bench, leg, remote(0), 50..150);
    assert_eq!(bench.sink.aims, [(leg, remote(0)), (leg, remote(9))]);
    voice(&mut bench, leg, remote(9), 150..152);
    assert_eq!(bench.sink.latches.last(), Some(&(leg, remote(9))));
}

#[test]
fn neither_the_port_where_a_peer_was_found_nor_the_one_that_it_named_before_is_believed_after_a_move() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let found: SocketAddr = "192.0.2.1:62000".parse().unwrap();
    voice(&mut bench, leg, found, 0..50);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, found)));
    bench.connect(leg, session(7));
    bench.connect(leg, session(9));
    let aims = bench.sink.aims.len();
    for left in [found, remote(0), remote(7)] {
        voice(&mut bench, leg, left, 50..70);
    }
    assert_eq!(bench.sink.aims.len(), aims, "{:?}", bench.sink.aims);
    // Behind address translation it still comes from somewhere else than it says.
    voice(&mut bench, leg, "192.0.2.1:62002".parse().unwrap(), 70..80);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, "192.0.2.1:62002".parse().unwrap())));
    bench.connect(leg, session(0));
    voice(&mut bench, leg, remote(0), 80..82);
    assert_eq!(bench.sink.latches.last(), Some(&(leg, remote(0))), "what is named again is right again");
}

#[test]
fn a_peer_is_found_where_it_sends_from_though_its_numbers_jump_there() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    voice(&mut bench, leg, remote(0), 0..50);
    bench.connect(leg, session(9));
    let found = "192.0.2.1:62000".parse().unwrap();
    voice(&mut bench, leg, found, 20_000..20_005);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, found)));
    bench.connect(leg, session(8));
    voice(&mut bench, leg, remote(8), 50_000..50_001);
    assert_eq!(bench.sink.latches.last(), Some(&(leg, remote(8))), "by its first packet, too");
}

#[test]
fn a_change_of_the_address_of_reports_leaves_the_stream_where_it_is() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let found = "192.0.2.1:62000".parse().unwrap();
    voice(&mut bench, leg, found, 0..50);
    let aims = bench.sink.aims.clone();
    assert_eq!(aims.last(), Some(&(leg, found)));
    let shared = Session { rtcp_mux: true, remote_rtcp: remote(0), ..session(0) };
    bench.connect(leg, shared);
    assert_eq!(bench.sink.aims[aims.len()..], [(leg, found)]);
    assert_eq!(bench.sink.aims_rtcp.last(), Some(&(leg, remote(0))));
    voice(&mut bench, leg, found, 50..60);
    assert!(bench.sink.latches.is_empty(), "the negotiated address may still come");
    // One that is where it says is alone heard again at once.
    voice(&mut bench, leg, remote(0), 60..65);
    bench.connect(leg, session(0));
    assert_eq!(bench.sink.latches, [(leg, remote(0)); 2]);
    // But not while it may come from elsewhere.
    bench.run_ms(3_000);
    bench.connect(leg, shared);
    assert_eq!(bench.sink.latches.len(), 2);
}

#[test]
fn reports_are_taken_from_where_the_peer_was_found_to_be() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.connect(leg, Session::plain("10.1.2.3:4000".parse().unwrap(), Law::Mu));
    voice(&mut bench, leg, "198.51.100.9:62000".parse().unwrap(), 0..500);
    let report = bench.sink.rtcp[0].1.clone();
    for source in ["198.51.100.9:62001", "10.1.2.3:4001", "198.51.100.10:62001"] {
        bench.worker.handle_rtcp(bench.now, leg, source.parse().unwrap(), &report);
    }
    bench.command(Command::Close { stream: leg });
    assert_eq!(bench.sink.closed[&leg].packets_refused, 4 + 1, "those that proved it, and the stranger's");
}
