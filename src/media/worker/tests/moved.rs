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
fn media_go_to_the_new_port_though_the_one_that_was_left_is_heard_again() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    voice(&mut bench, leg, remote(0), 0..50);
    bench.connect(leg, session(9));
    // RFC 3264, 8.3.1: media go to the new one, and it only listens.
    voice(&mut bench, leg, remote(0), 50..250);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, remote(9))));
    assert!(bench.sink.latches.iter().all(|(_, latched)| *latched == remote(0)), "{:?}", bench.sink.latches);
    // The stream goes on from where the peer never was: it is there.
    bench.run_ms(2_100);
    let third = THIRD_PORT.parse().unwrap();
    voice(&mut bench, leg, third, 360..370);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, third)));
    voice(&mut bench, leg, remote(9), 370..372);
    assert_eq!(bench.sink.latches.last(), Some(&(leg, remote(9))));
    bench.command(Command::Close { stream: leg });
    assert!(bench.sink.closed[&leg].packets_received > 150, "the old one is heard after two seconds");
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

/// A third port of the peer's host.
const THIRD_PORT: &str = "192.0.2.1:62000";

#[test]
fn nobody_takes_the_stream_while_the_peer_has_said_that_it_is_silent() {
    let third = THIRD_PORT.parse().unwrap();
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    voice(&mut bench, leg, remote(0), 0..50);
    bench.packet(leg, remote(0), &write(false, 13, 50, 50 * 160, 1, &[60]));
    bench.run_ms(2_100);
    voice(&mut bench, leg, third, 160..260);
    assert_eq!(bench.sink.aims, [(leg, remote(0))]);
    // One that has moved meanwhile is followed in the end.
    bench.run_ms(16_000);
    voice(&mut bench, leg, third, 1_070..1_080);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, third)));
}

#[test]
fn nobody_takes_the_stream_on_hold_nor_before_the_peer_could_speak_after_it() {
    let third = THIRD_PORT.parse().unwrap();
    let plain = session(0);
    for held in [
        Session { send: false, receive: false, ..plain },
        Session { send: false, ..plain },
        Session { receive: false, ..plain },
    ] {
        let mut bench = Bench::new(1);
        let leg = bench.leg(0);
        voice(&mut bench, leg, remote(0), 0..50);
        bench.connect(leg, held);
        bench.run_ms(30_000);
        voice(&mut bench, leg, third, 1_550..1_560);
        bench.connect(leg, plain);
        voice(&mut bench, leg, third, 1_560..1_650);
        assert_eq!(bench.sink.aims, [(leg, remote(0))], "{held:?}");
        // Who is still not heard two seconds later has moved.
        bench.run_ms(300);
        voice(&mut bench, leg, third, 1_650..1_660);
        assert_eq!(bench.sink.aims.last(), Some(&(leg, third)), "{held:?}");
    }
}

#[test]
fn an_offer_and_answer_take_a_stream_back_that_moved_in_silence() {
    let third = THIRD_PORT.parse().unwrap();
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    voice(&mut bench, leg, remote(0), 0..50);
    bench.run_ms(2_100);
    voice(&mut bench, leg, third, 160..170);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, third)));
    // A refresh of the session says nothing of where the peer is.
    bench.connect(leg, session(0));
    assert_eq!(bench.sink.aims.last(), Some(&(leg, third)));
    // A hold does, and its end.
    bench.connect(leg, Session { receive: false, ..session(0) });
    bench.connect(leg, session(0));
    assert_eq!(bench.sink.aims.last(), Some(&(leg, remote(0))));
    assert_eq!(bench.sink.latches.last(), Some(&(leg, remote(0))), "the others are kept away again");
    voice(&mut bench, leg, third, 170..250);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, remote(0))));
    // Where nobody comes there, that is where the peer sends from, whatever it says.
    voice(&mut bench, leg, third, 250..280);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, third)));
}

#[test]
fn a_gateway_that_was_found_elsewhere_is_there_again_after_its_stream_is_taken_back() {
    let third = THIRD_PORT.parse().unwrap();
    let gateway: SocketAddr = "192.0.2.1:50000".parse().unwrap();
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    voice(&mut bench, leg, gateway, 0..50);
    bench.run_ms(2_100);
    voice(&mut bench, leg, third, 160..170);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, third)));
    for receive in [false, true] {
        bench.connect(leg, Session { receive, ..session(0) });
        assert_eq!(bench.sink.aims.last(), Some(&(leg, gateway)), "not the address that never spoke");
    }
    voice(&mut bench, leg, gateway, 170..180);
    bench.connect(leg, session(0));
    assert_eq!(bench.sink.aims.last(), Some(&(leg, gateway)));
}
