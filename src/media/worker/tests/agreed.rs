//! What offers and answers may agree on beside plain G.711: protection, a shared port, keys in the sound.

use super::*;
use crate::media::command::{Keys, MasterKey, Suite};

const KEYS: Keys = Keys { suite: Suite::Tag80, local: MasterKey([1; 30]), remote: MasterKey([2; 30]) };

/// Two legs that are each other's peers, the second with the other's keys. Feeds what one sends to the other for a while.
fn crossed(bench: &mut Bench, a: StreamKey, b: StreamKey, ms: u64) {
    let mut fed = [0, 0];
    for _ in 0..ms / 20 {
        bench.run_ms(20);
        for (leg, (from, to, address)) in [(a, b, remote(1)), (b, a, remote(0))].into_iter().enumerate() {
            let sent: Vec<Vec<u8>> =
                bench.sink.sent[&from][fed[leg]..].iter().map(|sent| sent.bytes.clone()).collect();
            fed[leg] += sent.len();
            sent.iter().for_each(|bytes| bench.packet(to, address, bytes));
        }
    }
}

fn tone() -> Vec<Clip> {
    vec![Clip { samples: Tone::sine(440.0, -12.0).samples(Duration::from_millis(500)) }]
}

#[test]
fn protected_legs_hear_each_other_and_nobody_else_hears_or_is_heard() {
    for suite in [Suite::Tag80, Suite::Tag32] {
        let mut bench = Bench::with_prompts(2, tone());
        let (a, b) = (bench.open(0), bench.open(1));
        let keys = Keys { suite, ..KEYS };
        bench.connect(a, Session { srtp: Some(keys), rtcp_mux: true, ..session(0) });
        let turned = Keys { local: keys.remote, remote: keys.local, ..keys };
        bench.connect(b, Session { srtp: Some(turned), rtcp_mux: true, ..session(1) });
        for leg in [a, b] {
            bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: true });
            bench.command(Command::Record { stream: leg, path: "call.wav".into() });
        }
        crossed(&mut bench, a, b, 14_000);
        for leg in [a, b] {
            let recorded = &bench.sink.recorded[&leg];
            let heard: Vec<i16> = recorded[100..].iter().flat_map(|(heard, _)| *heard).collect();
            assert!((dbfs(&heard) + 12.0).abs() < 0.5, "{}", dbfs(&heard));
            let reports = bench.sink.sent[&leg].iter().filter(|sent| (192..224).contains(&sent.bytes[1]));
            assert!(reports.count() >= 1, "reports share the port");
        }
        assert!(bench.sink.rtcp.is_empty());
        // Nothing of the tone can be read on the way.
        let voice: Vec<&Sent> = bench.sink.sent[&a].iter().filter(|sent| sent.bytes[1] & 0x7f == 0).collect();
        let mut plain = SILENT_FRAME;
        g711::decode_frame(Law::Mu, &voice[50].bytes[12..172], &mut plain);
        assert!(plain.iter().any(|sample| sample.abs() > 20_000), "louder than the tone: {plain:?}");
        let before = bench.sink.recorded[&a].len();
        // Plain, forged and repeated packets from the peer's very address.
        let again =
            bench.sink.sent[&b].iter().rev().find(|sent| sent.bytes[1] & 0x7f == 0).unwrap().bytes.clone();
        let mut forged = again.clone();
        forged[20] ^= 1;
        bench.run_ms(200);
        for number in 0..100 {
            let loud = [g711::encode(Law::Mu, 20_000); 160];
            bench.packet(a, remote(1), &packet(number, u32::from(number) * 160, &loud));
            bench.packet(a, remote(1), &again);
            bench.packet(a, remote(1), &forged);
            bench.run_ms(20);
        }
        let after = &bench.sink.recorded[&a][before + 20..];
        assert!(after.iter().all(|(heard, _)| *heard == SILENT_FRAME), "nothing of them is heard");
        bench.command(Command::Close { stream: a });
        let statistics = bench.sink.closed[&a];
        assert!(statistics.packets_refused >= 300 && statistics.round_trip.is_some(), "{statistics:?}");
    }
}

#[test]
fn a_stream_without_keys_does_not_relay_what_is_protected_nor_the_other_way() {
    let mut bench = Bench::with_prompts(3, tone());
    let (a, b, c) = (bench.open(0), bench.open(1), bench.leg(2));
    bench.connect(a, Session { srtp: Some(KEYS), ..session(0) });
    bench.connect(b, Session { srtp: Some(KEYS), ..session(1) });
    bench.command(Command::Bridge { a, b: c });
    bench.command(Command::Play { stream: b, prompt: PromptId(0), repeat: true });
    // The keys of `b` are not those that `a` expects: all of it is foreign.
    crossed(&mut bench, a, b, 2_000);
    assert!(bench.sink.frames(c).iter().all(|frame| *frame == SILENT_FRAME));
    assert!(!bench.sink.words(a).contains(&"first received".to_owned()));
}

#[test]
fn keys_in_the_sound_are_heard_once_and_carried_as_what_the_partner_takes() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.open(0), bench.leg(1));
    bench.connect(a, Session { telephone_event: None, audible_keys: true, ..session(0) });
    bench.command(Command::Bridge { a, b });
    let silence = (Tone::silence(), Duration::from_millis(100));
    let press = |key| (Tone::dtmf(key, -12.0).unwrap(), Duration::from_millis(100));
    let samples = cadence(&[silence, press('4'), silence, press('4'), silence, press('#'), silence, silence]);
    for (index, frame) in (0u16..).zip(samples.chunks_exact(160)) {
        let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
        bench.packet(a, remote(0), &packet(index, u32::from(index) * 160, &codes));
        bench.run_ms(20);
    }
    bench.run_ms(600);
    assert_eq!(bench.sink.words(a)[3..], ["digit 4", "digit 4", "digit #"]);
    let mut receiver = EventReceiver::new();
    let packets: Vec<Packet<'_>> = bench.sink.sent[&b].iter().map(Sent::packet).collect();
    let events = packets.iter().filter(|packet| packet.payload_type == 101);
    let crossed: String = events
        .filter_map(|packet| receiver.handle_payload(packet.marker, packet.timestamp, packet.payload))
        .collect();
    assert_eq!(crossed, "44#");
    // And not in its sound as well, or the partner would hear each twice.
    let sound: Vec<i16> = bench.sink.frames(b).concat();
    assert_eq!(heard_in(&sound), "");
    // The other way there is nothing but sound.
    bench.command(Command::SendDigits { stream: a, digits: "90".into() });
    let before = bench.sink.sent[&a].len();
    bench.run_ms(600);
    assert_eq!(heard_in(&bench.sink.frames(a)[before..].concat()), "90");
}

fn heard_in(samples: &[i16]) -> String {
    let mut listener = crate::audio::dtmf::KeyListener::new();
    let frames = samples.chunks_exact(160).map(|frame| -> Frame { frame.try_into().unwrap() });
    frames.filter_map(|frame| listener.handle_frame(Some(&frame))).collect()
}

#[test]
fn the_other_law_is_heard_when_both_were_agreed_on_and_long_packets_are_sent_when_wanted() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.connect(leg, Session { g711_beside: true, ptime_ms: 60, ..session(0) });
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    for number in 0..60u16 {
        let (kind, law) = if number % 20 < 10 { (0, Law::Mu) } else { (8, Law::A) };
        let codes = [g711::encode(law, 5_000); 160];
        bench.packet(leg, remote(0), &write(false, kind, number, u32::from(number) * 160, 1, &codes));
        bench.run_ms(20);
    }
    let recorded = &bench.sink.recorded[&leg];
    assert!(recorded[10..].iter().all(|(heard, _)| heard.iter().all(|sample| (sample - 5_000).abs() < 400)));
    let lengths: Vec<usize> = bench.sink.sent[&leg].iter().map(|sent| sent.packet().payload.len()).collect();
    assert_eq!((lengths[0], &lengths[1..]), (160, &[480; 19][..]), "the first leaves at once");
}

#[test]
fn a_payload_type_that_the_peer_has_bound_is_sent_and_heard_beside_ours() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.connect(leg, Session { payload_type: 97, ..session(0) });
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    for number in 0..60u16 {
        let kind = if number % 20 < 10 { 97 } else { 0 };
        let codes = [g711::encode(Law::Mu, 5_000); 160];
        bench.packet(leg, remote(0), &write(false, kind, number, u32::from(number) * 160, 1, &codes));
        bench.run_ms(20);
    }
    let recorded = &bench.sink.recorded[&leg];
    assert!(recorded[10..].iter().all(|(heard, _)| heard.iter().all(|sample| (sample - 5_000).abs() < 400)));
    assert!(bench.sink.sent[&leg].iter().all(|sent| sent.packet().payload_type == 97));
}

#[test]
fn an_agents_leg_may_follow_the_network_and_a_callees_never_does() {
    let delay = crate::rtp::delay::Delay::Adaptive {
        min: Duration::from_millis(20),
        max: Duration::from_millis(120),
    };
    let options = Options { streams_max: 2, jitter_agents: delay, ..Options::default() };
    let worker = Worker::new(&options, Arc::default(), Rng::from_seed(1));
    let mut bench = Bench { worker, sink: Notes::default(), now: Instant::ZERO, slots: 0 };
    let callee = bench.open(0);
    let agent = StreamKey::from_u64(1);
    bench.command(Command::Open { stream: agent, partner: Some(callee) });
    for (index, leg) in [(0, callee), (1, agent)] {
        bench.connect(leg, session(index));
        bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    }
    // Every fifth packet is late by 90 ms.
    let mut waiting: Vec<(u64, u16)> = (0..500u16)
        .map(|number| (u64::from(number) * 20 + if number % 5 == 4 { 90 } else { 0 }, number))
        .collect();
    waiting.sort_unstable();
    let mut waiting = waiting.into_iter().peekable();
    for step in 0..2_000u64 {
        while let Some((_, number)) = waiting.next_if(|(ms, _)| *ms <= step * 5) {
            let codes = [g711::encode(Law::Mu, 5_000); 160];
            for (index, leg) in [(0, callee), (1, agent)] {
                bench.packet(leg, remote(index), &packet(number, u32::from(number) * 160, &codes));
            }
        }
        bench.run_ms(5);
    }
    let whole = |leg: &StreamKey| {
        let recorded = &bench.sink.recorded[leg][300..];
        recorded
            .iter()
            .filter(|(heard, _)| heard[60..].iter().all(|sample| (sample - 5_000).abs() < 200))
            .count()
    };
    assert!((120..180).contains(&whole(&callee)), "a fifth is too late for 40 ms: {}", whole(&callee));
    assert!(whole(&agent) > 190, "{}", whole(&agent));
}

#[test]
fn a_recording_that_is_paused_is_silent_on_both_sides_and_neither_is_moved() {
    let mut bench = Bench::with_prompts(1, tone());
    let leg = bench.leg(0);
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: true });
    for index in 0u16..60 {
        if let 20 | 40 = index {
            bench.command(Command::Withhold { stream: leg, on: index == 20 });
        }
        bench.packet(leg, remote(0), &packet(index, u32::from(index) * 160, &[0x90; 160]));
        bench.run_ms(20);
    }
    let recorded = &bench.sink.recorded[&leg];
    let is_silent = |frame: &Frame| *frame == SILENT_FRAME;
    let silent: Vec<(bool, bool)> =
        recorded.iter().map(|(heard, said)| (is_silent(heard), is_silent(said))).collect();
    assert_eq!(silent.len(), 60);
    // The jitter buffer holds the first two frames back.
    // What we say waits as long, and what was said in the pause is not written after it.
    assert!(silent[4..20].iter().chain(&silent[43..]).all(|sides| *sides == (false, false)), "{silent:?}");
    assert!(silent[40..42].iter().all(|sides| *sides == (false, true)), "{silent:?}");
    assert!(silent[20..40].iter().all(|sides| *sides == (true, true)), "{silent:?}");
    assert_eq!(bench.sink.withheld, [(leg, true), (leg, false)], "no trace has its packets either");
    let sent = &bench.sink.sent[&leg];
    assert!(
        sent.iter().all(|sent| sent.packet().payload.iter().any(|code| *code != 0xff)),
        "the peer hears it all the same"
    );
}

#[test]
fn keys_for_a_peer_who_hears_of_them_by_signalling_are_not_sent_in_the_media() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.leg(0), bench.open(1));
    bench.connect(b, Session { keys_by_info: true, ..session(1) });
    bench.command(Command::Bridge { a, b });
    for sequence in 0u16..5 {
        bench.packet(a, remote(0), &event_packet(sequence));
        bench.run_ms(20);
    }
    bench.run_ms(400);
    assert!(bench.sink.words(a).contains(&"digit 5".to_owned()));
    assert!(bench.sink.sent[&b].iter().all(|sent| sent.packet().payload_type == 0));
}

/// A key's packets, one after the other.
fn event_packet(sequence: u16) -> Vec<u8> {
    let [high, low] = ((sequence + 1) * 160).to_be_bytes();
    let mut bytes = packet(sequence, 0, &[5, 10, high, low]);
    bytes[1] = 101 | if sequence == 0 { 0x80 } else { 0 };
    bytes
}

#[test]
fn keys_come_by_the_number_of_the_answer_or_of_our_offer_and_go_by_the_answers() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    let answered = Session { telephone_event: Some(96), own_telephone_event: Some(101), ..session(0) };
    bench.connect(leg, answered);
    for (press, number) in (0u16..).zip([96, 101, 102]) {
        let (sequence, timestamp) = (press, u32::from(press) * 1_600);
        bench.packet(leg, remote(0), &write(true, number, sequence, timestamp, 1, &[5, 10, 0, 160]));
    }
    bench.command(Command::SendDigits { stream: leg, digits: "1".into() });
    bench.run_ms(100);
    assert_eq!(bench.sink.words(leg)[1..4], ["first received", "digit 5", "digit 5"]);
    assert!(bench.sink.sent[&leg].iter().all(|sent| sent.packet().payload_type == 96));
}

#[test]
fn who_holds_with_sendonly_need_not_send_and_is_missed_again_once_it_resumes() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.packet(leg, remote(0), &packet(0, 0, &[0; 160]));
    let held = Session { send: false, ..session(0) };
    bench.connect(leg, held);
    bench.run_ms(120_000);
    assert_eq!(bench.sink.words(leg), ["opened", "first received"]);
    bench.connect(leg, session(0));
    bench.run_ms(29_900);
    assert_eq!(bench.sink.words(leg), ["opened", "first received", "first sent"]);
    bench.run_ms(200);
    assert_eq!(bench.sink.words(leg).last().unwrap(), "media timeout");
    // Nobody who was never heard holds: it is missed whatever it says.
    for unheard in [held, Session { receive: false, ..held }] {
        let mut bench = Bench::new(1);
        let leg = bench.open(0);
        bench.connect(leg, unheard);
        bench.run_ms(31_000);
        assert_eq!(bench.sink.words(leg), ["opened", "media timeout"], "{unheard:?}");
    }
    // Who only listens has nothing to say.
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.connect(leg, Session { receive: false, ..session(0) });
    bench.run_ms(31_000);
    assert_eq!(bench.sink.words(leg), ["opened", "first sent"]);
}

#[test]
fn a_peer_with_comfort_noise_gets_a_packet_in_200_ms_of_silence_and_every_frame_of_a_prompt() {
    let mut bench = Bench::with_prompts(1, tone());
    let leg = bench.open(0);
    bench.connect(leg, Session { comfort_noise: true, ..session(0) });
    bench.run_ms(1_000);
    let kinds = |bench: &Bench| -> Vec<u8> {
        bench.sink.sent[&leg].iter().map(|sent| sent.packet().payload_type).collect()
    };
    assert_eq!(kinds(&bench), [13; 5]);
    bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: true });
    bench.run_ms(200);
    assert_eq!(kinds(&bench)[5..], [0; 10]);
    let sent = &bench.sink.sent[&leg];
    assert!(sent[5].packet().marker && !sent[6].packet().marker);
    assert_eq!(sent[5].packet().timestamp.wrapping_sub(sent[0].packet().timestamp), 50 * 160);
}

#[test]
fn a_packet_of_a_payload_type_that_was_not_agreed_on_is_no_lost_one() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    let quiet = [g711::encode(Law::Mu, 200); 160];
    for number in 0..450u16 {
        let kind = if number % 10 == 9 { 96 } else { 0 };
        // Whatever its time is, it is of another clock.
        let timestamp = if kind == 96 { 77 } else { u32::from(number) * 160 };
        let payload = if kind == 96 { [g711::encode(Law::Mu, 20_000); 160] } else { quiet };
        bench.packet(leg, remote(0), &write(false, kind, number, timestamp, 1, &payload));
        // Those of strangers and of other sources count nothing.
        bench.packet(leg, remote(7), &write(false, 96, number.wrapping_add(50), 0, 1, &payload));
        bench.packet(leg, remote(0), &write(false, 96, number.wrapping_add(50), 0, 2, &payload));
        bench.run_ms(20);
    }
    // What reports say of the peer: the fraction lost, and how many.
    let reports: Vec<&[u8]> = bench.sink.rtcp.iter().map(|(_, bytes)| &bytes[32..36]).collect();
    assert!(reports.len() > 1 && reports.iter().all(|lost| *lost == [0; 4]), "{reports:?}");
    assert!(bench.sink.recorded[&leg].iter().all(|(heard, _)| heard.iter().all(|sample| *sample < 400)));
    bench.command(Command::Close { stream: leg });
    let statistics = bench.sink.closed[&leg];
    assert_eq!((statistics.packets_received, statistics.packets_lost), (450, 0));
    assert_eq!((statistics.packets_refused, statistics.jitter), (945, Duration::ZERO));
}

#[test]
fn a_report_is_believed_of_the_source_that_is_heard_and_of_any_while_none_is() {
    let round_trip = |reporter: u32, packets: u16| {
        let mut bench = Bench::new(1);
        let leg = bench.leg(0);
        for number in 0..packets {
            bench.packet(leg, remote(0), &packet(number, u32::from(number) * 160, &[0; 160]));
        }
        bench.run_ms(10_000);
        let report = bench.sink.rtcp.last().unwrap().1.clone();
        // A receiver report with one block, of us: our report came just now, and took no time.
        let (us, last) = (&report[4..8], &report[10..14]);
        let head = [&[0x81, 201, 0, 7][..], &reporter.to_be_bytes(), us].concat();
        let bytes = [&head[..], &[0; 12], last, &[0; 4]].concat();
        bench.worker.handle_rtcp(bench.now, leg, "192.0.2.1:4001".parse().unwrap(), &bytes);
        bench.command(Command::Close { stream: leg });
        bench.sink.closed[&leg].round_trip.is_some()
    };
    assert!(round_trip(1, 2), "the peer's");
    assert!(!round_trip(9, 2), "somebody else's");
    assert!(round_trip(9, 0), "of a peer that sends nothing");
}

#[test]
fn who_takes_no_reports_gets_none_nor_a_goodbye_and_gets_them_again_after_the_resume() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.run_ms(10_000);
    assert!(!bench.sink.rtcp.is_empty());
    let nowhere = Session { send: false, receive: false, reports: false, ..session(0) };
    bench.connect(leg, nowhere);
    let before = bench.sink.rtcp.len();
    bench.run_ms(30_000);
    assert_eq!(bench.sink.rtcp.len(), before);
    bench.connect(leg, session(0));
    bench.run_ms(10_000);
    assert!(bench.sink.rtcp.len() > before);
    bench.connect(leg, nowhere);
    let before = bench.sink.rtcp.len();
    bench.command(Command::Close { stream: leg });
    assert_eq!(bench.sink.rtcp.len(), before);
}
