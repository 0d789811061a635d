//! Peers that like other packets than those of 20 ms.

use super::*;

/// A prompt of so many frames, each of its own level.
fn prompt(frames: usize) -> Vec<Clip> {
    let samples = (0..frames * FRAME_SAMPLES).map(|index| 300 * (1 + (index / FRAME_SAMPLES) as i16));
    vec![Clip { samples: samples.collect() }]
}

fn play(bench: &mut Bench, leg: StreamKey) {
    bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: false });
}

/// What the packets of G.711 say, one behind the other as their timestamps have it: nothing may be missing between them.
fn joined(sent: &[Sent]) -> Vec<i16> {
    let mut sound = Vec::new();
    let begin = sent[0].packet().timestamp;
    for packet in sent.iter().map(Sent::packet) {
        assert_eq!(packet.timestamp.wrapping_sub(begin) as usize, sound.len());
        let law = if packet.payload_type == 8 { Law::A } else { Law::Mu };
        sound.extend(packet.payload.iter().map(|code| g711::decode(law, *code)));
    }
    sound
}

/// Whether the whole prompt is heard, from the first sample of the stream on.
fn is_whole(heard: &[i16], frames: usize) -> bool {
    let expected = &prompt(frames)[0].samples;
    let is_near = |(heard, said): (&i16, &i16)| (heard - said).abs() <= said / 16 + 8;
    heard.len() >= expected.len() && heard.iter().zip(expected).all(is_near)
}

#[test]
fn who_hangs_up_at_the_end_of_a_prompt_has_sent_all_of_it() {
    for ptime_ms in [10, 20, 30, 40, 50, 60] {
        for frames in 48..54 {
            let mut bench = Bench::with_prompts(1, prompt(frames));
            let leg = bench.open(0);
            bench.connect(leg, Session { ptime_ms, ..session(0) });
            play(&mut bench, leg);
            let begun = bench.now;
            while !bench.sink.words(leg).contains(&"played 0".to_owned()) {
                bench.run_ms(5);
            }
            let told = bench.sink.when(leg, "played 0") - begun;
            assert_eq!(told, Duration::from_millis(20) * (frames as u32 - 1), "no later than it must");
            bench.command(Command::Close { stream: leg });
            assert!(is_whole(&joined(&bench.sink.sent[&leg]), frames), "{ptime_ms} ms, {frames} frames");
        }
    }
}

#[test]
fn the_end_of_a_prompt_is_told_of_the_one_that_played_to_it() {
    for ptime_ms in [20, 60] {
        let mut bench = Bench::with_prompts(1, prompt(5));
        let leg = bench.open(0);
        bench.connect(leg, Session { ptime_ms, ..session(0) });
        play(&mut bench, leg);
        bench.run_ms(80);
        play(&mut bench, leg);
        bench.run_ms(80);
        assert_eq!(bench.sink.words(leg), ["opened", "first sent"], "it was replaced before its last frame");
        bench.command(Command::StopPlaying { stream: leg });
        bench.run_ms(200);
        assert_eq!(bench.sink.words(leg), ["opened", "first sent"], "it was stopped");
        play(&mut bench, leg);
        bench.run_ms(100);
        play(&mut bench, leg);
        bench.run_ms(100);
        assert_eq!(bench.sink.words(leg)[2..], ["played 0", "played 0"]);
    }
}

#[test]
fn no_sample_of_a_prompt_is_lost_where_its_law_changes() {
    for ptime_ms in [20, 30, 40, 50, 60] {
        let mut bench = Bench::with_prompts(1, prompt(50));
        let leg = bench.open(0);
        let (mu, a) = (session(0), Session::plain(remote(0), Law::A));
        bench.connect(leg, Session { ptime_ms, ..mu });
        play(&mut bench, leg);
        for (turn, slots) in [4, 5, 6, 7, 8, 5, 15].into_iter().enumerate() {
            bench.run_ms(20 * slots);
            bench.connect(leg, Session { ptime_ms, ..if turn % 2 == 0 { a } else { mu } });
        }
        assert!(is_whole(&joined(&bench.sink.sent[&leg]), 50), "{ptime_ms} ms");
    }
}

#[test]
fn what_is_left_of_g722_leaves_as_such_where_the_coding_changes() {
    for slots in 2..6 {
        let mut bench = Bench::with_prompts(1, prompt(50));
        let leg = bench.open(0);
        let wide = Session { coding: Coding::G722, payload_type: 9, ptime_ms: 60, ..session(0) };
        let narrow = Session { ptime_ms: 60, ..session(0) };
        play(&mut bench, leg);
        for session in [wide, narrow, wide] {
            bench.connect(leg, session);
            bench.run_ms(20 * slots);
        }
        let sent: Vec<Packet<'_>> = bench.sink.sent[&leg].iter().map(Sent::packet).collect();
        let begin = sent[0].timestamp;
        let mut samples = [0; 10];
        for packet in sent {
            let before: usize = samples.iter().sum();
            assert_eq!(packet.timestamp.wrapping_sub(begin) as usize, before);
            samples[usize::from(packet.payload_type)] += packet.payload.len();
        }
        assert_eq!(samples[0], slots as usize * FRAME_SAMPLES, "as much as was said in G.711");
    }
}

#[test]
fn the_first_packet_leaves_in_the_first_slot_and_again_after_hold() {
    for ptime_ms in [10, 20, 30, 40, 50, 60] {
        let mut bench = Bench::new(1);
        let leg = bench.open(0);
        let talking = Session { ptime_ms, ..session(0) };
        let first_samples = usize::from(ptime_ms.min(20)) * 8;
        bench.connect(leg, talking);
        bench.run_ms(20);
        assert_eq!(bench.sink.sent[&leg][0].packet().payload.len(), first_samples, "{ptime_ms}");
        bench.run_ms(400);
        let whole = bench.sink.sent[&leg].len();
        assert!(bench.sink.sent[&leg][1..].iter().all(|sent| {
            sent.packet().payload.len() == usize::from(ptime_ms) * 8 && !sent.packet().marker
        }));
        // What waits for the rest of its packet is dropped, and media time goes on.
        bench.connect(leg, Session { send: false, ..talking });
        bench.run_ms(200);
        assert_eq!(bench.sink.sent[&leg].len(), whole);
        bench.connect(leg, talking);
        bench.run_ms(20);
        let sent = &bench.sink.sent[&leg];
        let (first, resumed) = (sent[0].packet(), sent[whole].packet());
        assert_eq!((resumed.payload.len(), resumed.marker), (first_samples, true));
        assert_eq!(resumed.timestamp.wrapping_sub(first.timestamp), (1 + 20 + 10) * 160);
        assert_eq!(resumed.sequence, sent[whole - 1].packet().sequence.wrapping_add(1));
    }
}
