//! Legs of different codings, joined and apart.

use super::*;
use crate::audio::g722;

const G722: u8 = 9;

fn wideband(index: u32) -> Session {
    Session { coding: Coding::G722, payload_type: G722, ..session(index) }
}

fn tone_frame(tone: &Tone, index: u16) -> crate::audio::Frame {
    std::array::from_fn(|sample| tone.sample(usize::from(index) * 160 + sample))
}

fn level_of(frames: &[crate::audio::Frame]) -> f32 {
    dbfs(&frames.concat())
}

/// What was sent to a peer of G.722, decoded.
fn decoded(bench: &Bench, leg: StreamKey) -> Vec<crate::audio::Frame> {
    let mut decoder = g722::Decoder::new();
    let frames = bench.sink.sent[&leg].iter().map(|sent| {
        let packet = sent.packet();
        assert_eq!((packet.payload_type, packet.payload.len()), (G722, 160));
        let mut sound = SILENT_FRAME;
        decoder.decode(packet.payload.try_into().unwrap(), &mut sound);
        sound
    });
    frames.collect()
}

#[test]
fn legs_of_one_coding_are_joined_octet_for_octet() {
    for (coding, payload_type) in
        [(Coding::G711(Law::Mu), 0), (Coding::G711(Law::A), 8), (Coding::G722, G722)]
    {
        let mut bench = Bench::new(2);
        let (a, b) = (bench.open(0), bench.open(1));
        for (leg, index) in [(a, 0), (b, 1)] {
            bench.connect(leg, Session { coding, payload_type, ..session(index) });
        }
        bench.command(Command::Bridge { a, b });
        // Codes that no encoder of ours would make of what they decode to: the high band of G.722, for one.
        let code = |index: u16, place: usize| (usize::from(index) * 31 + place * 7) as u8;
        for index in 0..50u16 {
            let codes: Vec<u8> = (0..160).map(|place| code(index, place)).collect();
            bench.packet(a, remote(0), &write(false, payload_type, index, u32::from(index) * 160, 1, &codes));
            bench.run_ms(20);
        }
        let sent: Vec<Vec<u8>> =
            bench.sink.sent[&b].iter().map(|sent| sent.packet().payload.to_vec()).collect();
        let first =
            sent.iter().position(|codes| codes[..] == (0..160).map(|p| code(5, p)).collect::<Vec<_>>());
        let first = first.expect("what was said is handed on as it came");
        for (step, codes) in sent[first..].iter().enumerate() {
            let index = 5 + step as u16;
            assert!((0..160).all(|place| codes[place] == code(index, place)), "{coding:?}, frame {index}");
        }
        assert!(sent.len() - first > 35);
    }
}

#[test]
fn g722_and_g711_are_joined_through_what_both_can_say() {
    let mut bench = Bench::new(2);
    let (agent, callee) = (bench.open(0), bench.open(1));
    bench.connect(agent, wideband(0));
    bench.connect(callee, session(1));
    bench.command(Command::Bridge { a: agent, b: callee });
    let (low, high) = (Tone::sine(400.0, -12.0), Tone::sine(1_200.0, -12.0));
    let mut encoder = g722::Encoder::new();
    for index in 0..60u16 {
        let at = u32::from(index) * 160;
        let wide = encoder.encode(&tone_frame(&low, index));
        bench.packet(agent, remote(0), &write(false, G722, index, at, 1, &wide));
        let narrow = g711::coded(Law::Mu, &tone_frame(&high, index));
        bench.packet(callee, remote(1), &write(false, 0, index, at, 2, &narrow));
        bench.run_ms(20);
    }
    for frames in [decoded(&bench, agent), bench.sink.frames(callee)] {
        let level = level_of(&frames[10..50]);
        assert!((level + 12.0).abs() < 1.0, "{level} dBFS");
    }
}

#[test]
fn a_peer_of_g722_hears_prompts_and_keys_and_is_recorded() {
    let samples = Tone::sine(440.0, -12.0).samples(Duration::from_millis(400));
    let mut bench = Bench::with_prompts(1, vec![Clip { samples }]);
    let leg = bench.open(0);
    bench.connect(leg, Session { telephone_event: None, ..wideband(0) });
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: true });
    let mut encoder = g722::Encoder::new();
    for index in 0..40u16 {
        let codes = encoder.encode(&tone_frame(&Tone::sine(900.0, -12.0), index));
        bench.packet(leg, remote(0), &write(false, G722, index, u32::from(index) * 160, 1, &codes));
        bench.run_ms(20);
    }
    let said = level_of(&decoded(&bench, leg)[5..18]);
    assert!((said + 12.0).abs() < 1.0, "{said} dBFS");
    let recorded = &bench.sink.recorded[&leg];
    let (heard, kept): (Vec<_>, Vec<_>) = recorded[10..18].iter().copied().unzip();
    for level in [level_of(&heard), level_of(&kept)] {
        assert!((level + 12.0).abs() < 1.0, "{level} dBFS");
    }
}

#[test]
fn g711_in_a_session_of_g722_is_refused() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.connect(leg, Session { g711_beside: false, ..wideband(0) });
    bench.packet(leg, remote(0), &packet(1, 0, &[0; 160]));
    bench.command(Command::Close { stream: leg });
    assert_eq!((bench.sink.closed[&leg].packets_received, bench.sink.closed[&leg].packets_refused), (0, 1));
}

#[test]
fn a_peer_that_goes_on_in_g711_beside_g722_is_heard_in_both_and_carried_to_either() {
    for law in [Law::Mu, Law::A] {
        let mut bench = Bench::new(2);
        let (agent, callee) = (bench.open(0), bench.open(1));
        bench.connect(agent, Session { g711_beside: true, ..wideband(0) });
        bench.connect(callee, if law == Law::Mu { wideband(1) } else { session(1) });
        bench.command(Command::Bridge { a: agent, b: callee });
        bench.command(Command::Record { stream: agent, path: "call.wav".into() });
        let tone = Tone::sine(400.0, -12.0);
        let mut encoder = g722::Encoder::new();
        for index in 0..150u16 {
            let (kind, codes) = match index {
                50..100 => (if law == Law::Mu { 0 } else { 8 }, g711::coded(law, &tone_frame(&tone, index))),
                _ => (G722, encoder.encode(&tone_frame(&tone, index))),
            };
            bench.packet(agent, remote(0), &write(false, kind, index, u32::from(index) * 160, 1, &codes));
            bench.run_ms(20);
        }
        let recorded: Vec<Frame> = bench.sink.recorded[&agent].iter().map(|(heard, _)| *heard).collect();
        let carried = if law == Law::Mu { decoded(&bench, callee) } else { bench.sink.frames(callee) };
        for frames in [recorded, carried] {
            for part in [10..48, 60..98, 110..145] {
                let level = level_of(&frames[part.clone()]);
                assert!((level + 12.0).abs() < 1.0, "{law:?} {part:?}: {level} dBFS");
            }
        }
        bench.command(Command::Close { stream: agent });
        assert_eq!(bench.sink.closed[&agent].packets_refused, 0);
    }
}

#[test]
fn a_peer_that_goes_on_in_g722_beside_g711_is_heard_in_both_and_carried_to_either() {
    for to_wideband in [false, true] {
        let mut bench = Bench::new(2);
        let (callee, agent) = (bench.open(0), bench.open(1));
        bench.connect(callee, Session { g722_beside: true, ..session(0) });
        bench.connect(agent, if to_wideband { wideband(1) } else { session(1) });
        bench.command(Command::Bridge { a: callee, b: agent });
        bench.command(Command::Record { stream: callee, path: "call.wav".into() });
        let tone = Tone::sine(400.0, -12.0);
        let mut encoder = g722::Encoder::new();
        for index in 0..150u16 {
            let (kind, codes) = match index {
                50..100 => (G722, encoder.encode(&tone_frame(&tone, index))),
                _ => (0, g711::coded(Law::Mu, &tone_frame(&tone, index))),
            };
            bench.packet(callee, remote(0), &write(false, kind, index, u32::from(index) * 160, 1, &codes));
            bench.run_ms(20);
        }
        let recorded: Vec<Frame> = bench.sink.recorded[&callee].iter().map(|(heard, _)| *heard).collect();
        let carried = if to_wideband { decoded(&bench, agent) } else { bench.sink.frames(agent) };
        for frames in [recorded, carried] {
            for part in [10..48, 60..98, 110..145] {
                let level = level_of(&frames[part.clone()]);
                assert!((level + 12.0).abs() < 1.0, "{to_wideband} {part:?}: {level} dBFS");
            }
        }
        assert!(bench.sink.sent[&callee].iter().all(|sent| sent.packet().payload_type == 0), "ours stays");
        bench.command(Command::Close { stream: callee });
        assert_eq!(bench.sink.closed[&callee].packets_refused, 0);
    }
}

#[test]
fn an_overtaken_packet_of_the_coding_before_does_not_turn_the_sound_back() {
    let mut bench = Bench::new(1);
    let agent = bench.open(0);
    bench.connect(agent, Session { g711_beside: true, ..wideband(0) });
    bench.command(Command::Record { stream: agent, path: "call.wav".into() });
    let tone = Tone::sine(400.0, -12.0);
    let mut encoder = g722::Encoder::new();
    let mut overtaken = Vec::new();
    for index in 0..100u16 {
        let (kind, codes) = match index {
            50.. => (0, g711::coded(Law::Mu, &tone_frame(&tone, index))),
            _ => (G722, encoder.encode(&tone_frame(&tone, index))),
        };
        let bytes = write(false, kind, index, u32::from(index) * 160, 1, &codes);
        match index {
            49 => overtaken = bytes,
            _ => bench.packet(agent, remote(0), &bytes),
        }
        if index == 55 {
            bench.packet(agent, remote(0), &overtaken);
        }
        bench.run_ms(20);
    }
    let heard: Vec<Frame> = bench.sink.recorded[&agent].iter().map(|(heard, _)| *heard).collect();
    for (place, frame) in heard.iter().enumerate().take(98).skip(54) {
        let level = level_of(&[*frame]);
        assert!((level + 12.0).abs() < 1.0, "frame {place}: {level} dBFS");
    }
}
