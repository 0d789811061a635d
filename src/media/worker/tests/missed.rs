//! A worker that was held up: time has gone on for everybody else.

use super::*;

/// The peer's frame, known by its level.
fn frame(index: u64) -> [u8; 160] {
    [0x90 + (index % 60) as u8; 160]
}

/// What is heard in a slot the index of the peer's frame, less the slot's, within sixty.
fn line(slot: u64, heard: &Frame) -> Option<u64> {
    (0..60)
        .find(|index| g711::decode(Law::Mu, frame(*index)[0]) == heard[80])
        .map(|index| (slot + 60 - index) % 60)
}

/// The peer's packets of these numbers, one in so many milliseconds.
fn say(bench: &mut Bench, leg: StreamKey, numbers: std::ops::Range<u64>, ms: u64) {
    for number in numbers {
        bench.packet(leg, remote(0), &packet(number as u16, number as u32 * 160, &frame(number)));
        bench.run_ms(ms);
    }
}

#[test]
fn time_that_the_thread_was_held_up_for_passes_in_the_recording_and_for_the_peer() {
    for (playing, missed) in [(false, 50u64), (true, 50), (false, 11), (false, 600)] {
        let mut bench = Bench::with_prompts(1, vec![Clip { samples: vec![5_000; 8_000 * 60] }]);
        let leg = bench.leg(0);
        bench.command(Command::Record { stream: leg, path: "call.wav".into() });
        if playing {
            bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: false });
        }
        say(&mut bench, leg, 0..100, 20);
        let begun = bench.sink.sent[&leg].len();
        bench.now += crate::audio::FRAME * missed as u32;
        bench.worker.miss_turns(bench.now, missed as u32, &mut bench.sink);
        assert_eq!(bench.sink.sent[&leg].len(), begun, "nothing is sent for it");
        // What the socket held is read at once, with the moments at which it came.
        let resumed = bench.now;
        for number in 100..100 + missed {
            bench.now = Instant::ZERO + crate::audio::FRAME * number as u32;
            say(&mut bench, leg, number..number + 1, 0);
        }
        bench.now = resumed;
        say(&mut bench, leg, 100 + missed..200 + missed, 20);
        let recorded = &bench.sink.recorded[&leg];
        assert_eq!(recorded.len() as u64, 200 + missed);
        let lines: Vec<Option<u64>> =
            (0..).zip(recorded).map(|(slot, (heard, _))| line(slot, heard)).collect();
        let before = lines[90].expect("the peer is heard");
        for after in &lines[100 + missed as usize + 10..] {
            let after = after.expect("the peer is heard");
            assert!(after == before || after == before + 1, "{missed}: {before}, {after}: {lines:?}");
        }
        let sent = &bench.sink.sent[&leg];
        let (last, next) = (sent[begun - 1].packet(), sent[begun].packet());
        assert_eq!(next.timestamp.wrapping_sub(last.timestamp), 160 * (missed as u32 + 1));
        assert!(next.marker && next.sequence == last.sequence.wrapping_add(1));
    }
}

#[test]
fn a_stream_without_a_session_misses_nothing() {
    let mut bench = Bench::new(2);
    let leg = bench.open(0);
    bench.worker.miss_turns(bench.now, 50, &mut bench.sink);
    assert!(bench.sink.recorded.is_empty() && !bench.sink.sent.contains_key(&leg));
}
