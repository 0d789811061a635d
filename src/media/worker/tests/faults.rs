//! Faults of the wire, by their numbers in the catalogue of what a dialer must survive.

use super::*;

/// A stranger's address, and a third port of the peer's host.
const STRANGER: &str = "198.51.100.1:4000";

fn loud(law: Law) -> [u8; 160] {
    [g711::encode(law, 20_000); 160]
}

#[test]
fn fault_27_no_foreign_sample_is_recorded_detected_or_answered() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let inject = |bench: &mut Bench, number: u16| {
        for (ssrc, ahead) in [(1, 0), (1, 1), (1, 300), (9, 0)] {
            let number = number.wrapping_add(ahead);
            let timestamp = u32::from(number) * 160;
            bench.packet(leg, stranger, &write(true, 0, number, timestamp, ssrc, &loud(Law::Mu)));
            bench.packet(leg, stranger, &write(true, 101, number, timestamp, ssrc, &[5, 10, 3, 0]));
            bench.packet(leg, stranger, &write(true, 13, number, timestamp, ssrc, &[30]));
        }
    };
    inject(&mut bench, 0);
    bench.connect(leg, session(0));
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    bench.command(Command::Detect { stream: leg });
    let quiet = [g711::encode(Law::Mu, 200); 160];
    for number in 0..1_000u16 {
        inject(&mut bench, number);
        // The peer comes late, pauses for four seconds, and comes again.
        if (50..400).contains(&number) || number >= 600 {
            bench.packet(leg, remote(0), &packet(number, u32::from(number) * 160, &quiet));
        }
        bench.run_ms(20);
    }
    let loudest = bench.sink.recorded[&leg].iter().flat_map(|(heard, _)| heard).max().unwrap();
    assert!(*loudest < 400, "{loudest}");
    assert!(bench.sink.aims.iter().chain(&bench.sink.latches).all(|(_, address)| *address == remote(0)));
    let words = bench.sink.words(leg);
    assert!(words.iter().all(|word| !word.starts_with("digit")), "{words:?}");
    assert_eq!(bench.sink.verdict().map(|(_, class)| class), Some(Class::Silence), "as without the stranger");
}

#[test]
fn fault_27_a_moved_stream_is_followed_after_silence_and_the_socket_is_let_loose_for_it() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let elsewhere = "192.0.2.1:62000".parse().unwrap();
    let voice = |bench: &mut Bench, source, numbers: std::ops::Range<u16>| {
        for number in numbers {
            bench.packet(leg, source, &packet(number, u32::from(number) * 160, &[0; 160]));
            bench.run_ms(20);
        }
    };
    voice(&mut bench, remote(0), 0..50);
    voice(&mut bench, elsewhere, 50..60);
    assert_eq!(bench.sink.latches, [(leg, remote(0))]);
    bench.run_ms(2_000);
    assert_eq!(
        bench.sink.aims,
        [(leg, remote(0)), (leg, remote(0))],
        "let loose, and still aimed at the peer"
    );
    voice(&mut bench, elsewhere, 160..170);
    assert_eq!(bench.sink.aims.last(), Some(&(leg, elsewhere)));
    voice(&mut bench, remote(0), 170..172);
    assert_eq!(
        bench.sink.latches.last(),
        Some(&(leg, remote(0))),
        "the negotiated address has the last word"
    );
}

/// What a peer sends, packet by packet, and what the recording of it holds.
struct Timeline {
    sent: Vec<(u64, Vec<u8>)>,
}

/// Frames that are known by their level, one from the next; the levels return after 0.8 s.
const LEVELS: u32 = 40;

fn level(frame: u32) -> f64 {
    1_000.0 * 1.07f64.powi((frame % LEVELS) as i32)
}

/// One sender: its own source and clocks, and packets of any length.
struct Source {
    ssrc: u32,
    sequence: u16,
    /// What its clock shows at time zero.
    timestamp: u32,
    samples: u64,
}

impl Source {
    fn new(ssrc: u32) -> Self {
        let timestamp = ssrc.wrapping_mul(0x9e37_79b9);
        Source { ssrc, sequence: timestamp as u16, timestamp, samples: 160 }
    }

    /// The packets of a span, each at the end of what it holds.
    fn speaks(&mut self, line: &mut Timeline, from_ms: u64, to_ms: u64) {
        let mut at = from_ms * 8;
        while at + self.samples <= to_ms * 8 {
            let codes: Vec<u8> = (at..at + self.samples)
                .map(|sample| g711::encode(Law::Mu, level((sample / 160) as u32) as i16))
                .collect();
            let bytes = self.packet(0, at, &codes);
            line.sent.push(((at + self.samples) / 8, bytes));
            at += self.samples;
        }
    }

    fn packet(&mut self, payload_type: u8, at: u64, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = self.timestamp.wrapping_add(at as u32);
        write(false, payload_type, self.sequence, timestamp, self.ssrc, payload)
    }
}

impl Timeline {
    fn new() -> Self {
        Timeline { sent: Vec::new() }
    }

    /// The recording, frame by frame: how late what the peer said at a time is heard, where that can be told.
    fn delays(mut self, until_ms: u64) -> Vec<Option<i64>> {
        self.sent.sort_by_key(|(ms, _)| *ms);
        let mut packets = self.sent.into_iter().peekable();
        let mut bench = Bench::new(1);
        let leg = bench.leg(0);
        bench.command(Command::Record { stream: leg, path: "call.wav".into() });
        for step in 0..until_ms / 5 {
            while let Some((_, bytes)) = packets.next_if(|(ms, _)| *ms <= step * 5) {
                bench.packet(leg, remote(0), &bytes);
            }
            bench.run_ms(5);
        }
        let recorded = &bench.sink.recorded[&leg];
        assert_eq!(recorded.len() as u64, until_ms / 20, "a frame is recorded every 20 ms, whatever comes");
        (0..).zip(recorded).map(|(slot, (heard, _))| delay_of(slot, heard)).collect()
    }
}

/// How late a frame is that was recorded in this slot; none for one that holds two levels, or noise, or nothing.
fn delay_of(slot: i64, heard: &Frame) -> Option<i64> {
    let (first, last) = (heard[40], heard[159]);
    let known = first > 900 && (first - last).abs() < 10;
    let frame = known.then(|| (f64::from(first) / 1_000.0).log(1.07).round() as i64)?;
    Some((slot - frame).rem_euclid(i64::from(LEVELS)) * 20)
}

#[test]
fn fault_28_the_recording_keeps_its_time_whatever_the_senders_numbers_do() {
    const CHANGE: u64 = 1_000;
    const END: u64 = 3_000;
    type Then = fn(&mut Source, &mut Timeline);
    let cases: Vec<(&str, Then)> = vec![
        ("nothing", |source, line| source.speaks(line, CHANGE, END)),
        ("another source", |_, line| Source::new(77).speaks(line, CHANGE, END)),
        ("sources in turn", |source, line| {
            for span in 0..3 {
                let from = CHANGE + span * 160;
                match span % 2 {
                    0 => Source::new(90 + span as u32).speaks(line, from, from + 160),
                    _ => source.speaks(line, from, from + 160),
                }
            }
            Source::new(5).speaks(line, 1_480, END);
        }),
        ("numbers ahead", |source, line| {
            source.sequence = source.sequence.wrapping_add(9_000);
            source.speaks(line, CHANGE, END);
        }),
        ("numbers back", |source, line| {
            source.sequence = source.sequence.wrapping_sub(9_000);
            source.speaks(line, CHANGE, END);
        }),
        ("time 100 ms ahead", |source, line| {
            source.timestamp = source.timestamp.wrapping_add(800);
            source.speaks(line, CHANGE, END);
        }),
        ("time 300 ms ahead", |source, line| {
            source.timestamp = source.timestamp.wrapping_add(2_400);
            source.speaks(line, CHANGE, END);
        }),
        ("time an hour ahead", |source, line| {
            source.timestamp = source.timestamp.wrapping_add(28_800_000);
            source.speaks(line, CHANGE, END);
        }),
        ("time 300 ms back", |source, line| {
            source.timestamp = source.timestamp.wrapping_sub(2_400);
            source.speaks(line, CHANGE, END);
        }),
        ("time an hour back", |source, line| {
            source.timestamp = source.timestamp.wrapping_sub(28_800_000);
            source.speaks(line, CHANGE, END);
        }),
        ("both anew", |source, line| {
            (source.sequence, source.timestamp) = (3, 0);
            source.speaks(line, CHANGE, END);
        }),
        ("a pause without a word", |source, line| source.speaks(line, CHANGE + 500, END)),
        ("a pause with comfort noise", |source, line| {
            let noise = source.packet(13, CHANGE * 8, &[50]);
            line.sent.push((CHANGE, noise));
            source.speaks(line, CHANGE + 500, END);
        }),
        ("a pause in which its clock stood still", |source, line| {
            source.timestamp = source.timestamp.wrapping_sub(4_000);
            source.speaks(line, CHANGE + 500, END);
        }),
        ("types that nobody agreed on", |source, line| {
            for ms in (CHANGE..CHANGE + 200).step_by(20) {
                let other = source.packet(3, ms * 8, &[0xaa; 33]);
                line.sent.push((ms, other));
            }
            source.speaks(line, CHANGE + 200, END);
        }),
        ("payloads of no length and of a kilobyte", |source, line| {
            for (ms, length) in [(CHANGE, 0), (CHANGE + 20, 1_400), (CHANGE + 40, 1)] {
                let odd = source.packet(0, ms * 8, &vec![0xff; length]);
                line.sent.push((ms, odd));
            }
            source.speaks(line, CHANGE + 60, END);
        }),
        ("a burst", |source, line| {
            source.speaks(line, CHANGE, END);
            line.sent
                .iter_mut()
                .filter(|(ms, _)| (1_100..1_300).contains(ms))
                .for_each(|(ms, _)| *ms = 1_300);
        }),
        ("reordered", |source, line| {
            source.speaks(line, CHANGE, END);
            (0..).zip(&mut line.sent).for_each(|(index, (ms, _))| *ms += [20, 0, 10][index % 3]);
        }),
    ];
    for (name, then) in cases {
        let mut line = Timeline::new();
        let mut source = Source::new(1);
        source.speaks(&mut line, 0, CHANGE);
        then(&mut source, &mut line);
        let delays = line.delays(END);
        let usual = delays[20].expect("the begin is plain");
        let late: Vec<i64> = delays[80..148].iter().flatten().copied().collect();
        assert!(late.len() >= 60, "{name}: only {} of 68 frames are whole afterwards", late.len());
        assert!(late.iter().all(|delay| (delay - usual).abs() <= 20), "{name}: {usual}, then {late:?}");
    }
}

#[test]
fn fault_28_packets_of_any_length_keep_their_time() {
    for samples in [80u64, 136, 160, 200, 240, 320, 480] {
        let mut line = Timeline::new();
        let mut source = Source { samples, ..Source::new(1) };
        source.speaks(&mut line, 0, 3_000);
        let delays = line.delays(3_000);
        let told: Vec<i64> = delays[20..140].iter().flatten().copied().collect();
        assert!(told.len() >= 60, "{samples} samples a packet: {} frames", told.len());
        let (least, most) = (told.iter().min().unwrap(), told.iter().max().unwrap());
        assert!(most - least <= 20 && *most <= 40 + 20 + samples as i64 / 8, "{samples}: {least} to {most}");
    }
}

#[test]
fn fault_28_the_detector_goes_on_over_another_source_and_a_jump() {
    let clip = wav::read(include_bytes!("../../../../fixtures/audio/human-yeah.wav")).unwrap();
    let judged = |change: u16| {
        let mut bench = Bench::new(1);
        let leg = bench.leg(0);
        bench.command(Command::Detect { stream: leg });
        for (index, frame) in (0u16..).zip(clip.samples.chunks_exact(160)) {
            let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
            let (ssrc, ahead) = if index < change { (1, 0) } else { (2, 500_000) };
            let bytes = write(false, 0, index, ahead + u32::from(index) * 160, ssrc, &codes);
            bench.packet(leg, remote(0), &bytes);
            bench.run_ms(20);
        }
        bench.run_ms(1_500);
        bench.sink.findings.iter().find_map(|(started, finding)| match finding {
            Finding::Verdict(verdict) => Some((*started, verdict.class, verdict.at)),
            _ => None,
        })
    };
    let plain = judged(u16::MAX).unwrap();
    assert_eq!(plain.1, Class::Human);
    let last = clip.samples.chunks_exact(160).rposition(|frame| dbfs(frame) > -45.0).unwrap() as u16;
    for change in [last + 3, last + 6] {
        let changed = judged(change).unwrap();
        assert_eq!((changed.0, changed.1), (plain.0, plain.1));
        assert!(changed.2.abs_diff(plain.2) <= Duration::from_millis(100), "{changed:?} {plain:?}");
    }
}

#[test]
fn fault_28_comfort_noise_is_heard_at_its_level() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    let mut source = Source::new(1);
    let mut line = Timeline::new();
    source.speaks(&mut line, 0, 200);
    for (_, bytes) in line.sent {
        bench.packet(leg, remote(0), &bytes);
        bench.run_ms(20);
    }
    let noise = source.packet(13, 1_600, &[45]);
    bench.packet(leg, remote(0), &noise);
    bench.run_ms(1_000);
    let heard: Vec<i16> = bench.sink.recorded[&leg][20..].iter().flat_map(|(heard, _)| *heard).collect();
    // 0 dBov is 3 dB above the loudest sine, of which dBFS counts.
    assert!((dbfs(&heard) + 45.0).abs() < 1.5, "{}", dbfs(&heard));
}

#[test]
fn fault_29_goodbyes_and_lies_in_rtcp_end_no_call() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let peer_rtcp = "192.0.2.1:4001".parse().unwrap();
    let goodbye = [&[0x80, 201, 0, 1, 0, 0, 0, 1][..], &[0x81, 203, 0, 1, 0, 0, 0, 1]].concat();
    let lies: [&[u8]; 7] = [
        &[],
        &[0x80],
        &[0x80, 200, 0, 0],
        &[0x9f, 201, 0, 1, 0, 0, 0, 1],
        &[0x81, 200, 0xff, 0xff, 0, 0, 0, 1],
        &[0xa0, 201, 0, 1, 0, 0, 0, 0xff],
        &[0x80, 201, 0, 1, 0, 0, 0, 1, 0x9f, 202, 0, 1, 0, 0, 0, 9],
    ];
    for number in 0..100u16 {
        bench.packet(leg, remote(0), &packet(number, u32::from(number) * 160, &[0; 160]));
        bench.worker.handle_rtcp(bench.now, leg, peer_rtcp, &goodbye);
        for lie in lies {
            bench.worker.handle_rtcp(bench.now, leg, peer_rtcp, lie);
            bench.packet(leg, remote(0), lie);
        }
        bench.run_ms(20);
    }
    assert_eq!(bench.sink.sent[&leg].len(), 100);
    assert_eq!(bench.sink.words(leg), ["opened", "first received", "first sent"]);
    bench.command(Command::Close { stream: leg });
    assert_eq!(bench.sink.closed[&leg].packets_received, 100);
}

#[test]
fn fault_26_media_that_never_comes_stops_or_comes_late_is_told_and_is_nobody() {
    let with_timeout = |seconds| {
        let media_timeout = Duration::from_secs(seconds);
        let options = Options { streams_max: 1, media_timeout, ..Options::default() };
        let worker = Worker::new(&options, Arc::default(), Rng::from_seed(1));
        Bench { worker, sink: Notes::default(), now: Instant::ZERO, slots: 0 }
    };
    for seconds in [1, 3, 8] {
        let mut never = with_timeout(seconds);
        let leg = never.leg(0);
        never.command(Command::Detect { stream: leg });
        never.run_ms(seconds * 1_000 + 100);
        assert_eq!(never.sink.words(leg), ["opened", "first sent", "media timeout"], "{seconds} s");
        assert_ne!(never.sink.verdict().map(|(_, class)| class), Some(Class::Human));
        let mut stops = with_timeout(seconds);
        let leg = stops.leg(0);
        stops.packet(leg, remote(0), &packet(0, 0, &[0; 160]));
        stops.run_ms(seconds * 1_000 + 100);
        assert_eq!(stops.sink.words(leg).last().unwrap(), "media timeout");
    }
    // A second and a half late, and heard all the same: the greeting is judged as if it had come at once.
    let clip = wav::read(include_bytes!("../../../../fixtures/audio/human-yeah.wav")).unwrap();
    let mut late = Bench::new(1);
    let leg = late.leg(0);
    late.command(Command::Detect { stream: leg });
    late.run_ms(1_500);
    assert_eq!(late.sink.verdict(), None, "silence is not taken for anybody yet");
    for (index, frame) in (0u16..).zip(clip.samples.chunks_exact(160)) {
        let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
        late.packet(leg, remote(0), &packet(index, u32::from(index) * 160, &codes));
        late.run_ms(20);
    }
    late.run_ms(1_000);
    assert_eq!(late.sink.verdict().map(|(_, class)| class), Some(Class::Human));
}
