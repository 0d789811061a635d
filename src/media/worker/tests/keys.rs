//! Keys across a bridge, by whatever means a press is told.

use super::*;

/// A press of 5 as the peer sends it by RFC 4733: 100 ms, the end three times.
fn press(bench: &mut Bench, leg: StreamKey, source: SocketAddr, first: u16, timestamp: u32) {
    for step in 0..7u16 {
        let [high, low] = (160 * (step + 1).min(5)).to_be_bytes();
        let end = if step >= 4 { 0x80 } else { 0 };
        let bytes = write(step == 0, 101, first + step, timestamp, 1, &[5, 10 | end, high, low]);
        bench.packet(leg, source, &bytes);
        bench.run_ms(20);
    }
}

/// The keys that a leg's peer was sent.
fn keys(bench: &Bench, leg: StreamKey) -> String {
    let mut receiver = EventReceiver::new();
    let packets = bench.sink.sent[&leg].iter().map(Sent::packet).filter(|packet| packet.payload_type == 101);
    packets
        .filter_map(|packet| receiver.handle_payload(packet.marker, packet.timestamp, packet.payload))
        .collect()
}

#[test]
fn a_gateway_that_tells_a_press_by_info_and_in_the_media_presses_once_for_the_partner() {
    // INFO before the event, within it, and behind it, each as the control plane hands it on.
    for info_at_ms in [0u64, 100, 110, 300] {
        for (pressing, partner) in [(0, 1), (1, 0)] {
            let mut bench = Bench::new(2);
            let legs = [bench.leg(0), bench.leg(1)];
            bench.command(Command::Bridge { a: legs[0], b: legs[1] });
            let told = Command::SendDigits { stream: legs[partner], digits: "5".into() };
            bench.run_ms(if info_at_ms < 100 { 0 } else { 100 });
            if info_at_ms <= 100 {
                bench.command(told.clone());
                bench.run_ms(100 - info_at_ms);
            }
            press(&mut bench, legs[pressing], remote(pressing as u32), 0, 0);
            if info_at_ms > 100 {
                bench.command(told);
            }
            bench.run_ms(500);
            assert_eq!(keys(&bench, legs[partner]), "5", "{info_at_ms} ms, from {pressing}");
            // The next press is another one.
            press(&mut bench, legs[pressing], remote(pressing as u32), 7, 16_000);
            bench.run_ms(500);
            assert_eq!(keys(&bench, legs[partner]), "55", "{info_at_ms} ms, from {pressing}");
        }
    }
}

#[test]
fn a_key_that_one_partner_pressed_does_not_stand_for_the_next_partners() {
    let mut bench = Bench::new(3);
    let (a, b, c) = (bench.leg(0), bench.leg(1), bench.leg(2));
    bench.command(Command::Bridge { a, b });
    press(&mut bench, b, remote(1), 0, 0);
    bench.command(Command::Bridge { a, b: c });
    bench.command(Command::SendDigits { stream: a, digits: "5".into() });
    bench.run_ms(500);
    assert_eq!(keys(&bench, a), "55");
}

#[test]
fn a_key_after_the_senders_clock_has_jumped_back_is_heard() {
    for marker in [true, false] {
        let mut bench = Bench::new(1);
        let leg = bench.leg(0);
        press(&mut bench, leg, remote(0), 0, 1_000_000);
        bench.packet(leg, remote(0), &write(marker, 101, 7, 5_000, 1, &[6, 10, 0, 160]));
        bench.packet(leg, remote(0), &write(false, 101, 8, 5_000, 1, &[6, 10, 1, 64]));
        let words = bench.sink.words(leg);
        let digits: Vec<&String> = words.iter().filter(|word| word.starts_with("digit")).collect();
        assert_eq!(digits, ["digit 5", "digit 6"], "{marker}");
    }
}

#[test]
fn a_hold_ends_the_key_that_is_sent_and_one_that_is_pressed_meanwhile_is_not_kept_for_the_resume() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.command(Command::SendDigits { stream: leg, digits: "5".into() });
    bench.run_ms(40);
    bench.connect(leg, Session { send: false, ..session(0) });
    bench.run_ms(1_000);
    bench.command(Command::SendDigits { stream: leg, digits: "6".into() });
    bench.run_ms(1_000);
    let before = bench.sink.sent[&leg].len();
    bench.connect(leg, session(0));
    bench.run_ms(1_000);
    assert!(bench.sink.sent[&leg][before..].iter().all(|sent| sent.packet().payload_type == 0));
    bench.command(Command::SendDigits { stream: leg, digits: "7".into() });
    bench.run_ms(500);
    assert_eq!(keys(&bench, leg), "57");
}
