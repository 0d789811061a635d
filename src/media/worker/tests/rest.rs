//! A stream that is heard in every tenth slot hears what one hears that is heard in each.

use super::*;
use crate::media::waiting::{Head, Waiting};
use std::collections::VecDeque;

const STREAM: StreamKey = StreamKey::from_u64(0);

/// A sink whose ports keep what comes, or hand it over in the next slot, as sockets do.
#[derive(Default)]
struct Sockets {
    notes: Notes,
    keeps: bool,
    /// How often packets were asked for.
    asked: u32,
    /// What is on its way, and when it comes.
    way: VecDeque<(Instant, Vec<u8>)>,
}

impl Sink for Sockets {
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String> {
        self.notes.open(stream)
    }
    fn aim(&mut self, stream: StreamKey, remote: SocketAddr, remote_rtcp: SocketAddr) {
        self.notes.aim(stream, remote, remote_rtcp);
    }
    fn latch(&mut self, stream: StreamKey, remote: SocketAddr) {
        self.notes.latch(stream, remote);
    }
    fn receive(&mut self, _stream: StreamKey, datagram: &mut [u8]) -> Option<Head> {
        self.asked += 1;
        let (at, bytes) = self.way.pop_front_if(|(at, _)| *at <= self.notes.now)?;
        datagram[..bytes.len()].copy_from_slice(&bytes);
        Some(Head { at, source: remote(0), length: bytes.len() })
    }
    fn keeps(&self, _stream: StreamKey) -> bool {
        self.keeps
    }
    fn receive_waiting(&mut self, _stream: StreamKey, waiting: &mut Waiting) {
        self.asked += 1;
        // By the time of the question the slot has begun a while ago.
        let until = self.notes.now + Duration::from_millis(4);
        let come = self.way.iter().take_while(|(at, _)| *at <= until).count();
        waiting.fill(|room, tell| {
            for (place, (at, bytes)) in room.iter_mut().zip(self.way.drain(..come)) {
                place[..bytes.len()].copy_from_slice(&bytes);
                tell(Head { at, source: remote(0), length: bytes.len() });
            }
        });
    }
    fn send(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.notes.send(stream, bytes);
    }
    fn send_rtcp(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.notes.send_rtcp(stream, bytes);
    }
    fn event(&mut self, event: Event) {
        self.notes.event(event);
    }
    fn start_recording(&mut self, stream: StreamKey, path: PathBuf) {
        self.notes.start_recording(stream, path);
    }
    fn record(&mut self, stream: StreamKey, heard: &Frame, said: &Frame) {
        self.notes.record(stream, heard, said);
    }
    fn close(&mut self, stream: StreamKey) {
        self.notes.close(stream);
    }
}

/// A call to a mailbox with a beep, to which a message is played from its verdict on. Every twenty-third packet is lost, every
/// seventh is held up by 30 ms.
fn call(keeps: bool, also: impl Fn(u64) -> Option<Command>) -> Sockets {
    let greeting = wav::read(include_bytes!("../../../../fixtures/audio/machine-karen-beep.wav")).unwrap();
    let beep = Tone::sine(1_000.0, -15.0).samples(Duration::from_millis(400));
    let said = [&greeting.samples[..], &[0; 12_000], &beep, &[0; 12_000]].concat();
    let options = Options { streams_max: 1, ..Options::default() };
    let prompts = PromptTable::new(vec![Clip { samples: vec![500; 8_000 * 60] }]);
    let mut worker = Worker::new(&options, Arc::new(prompts), Rng::from_seed(1));
    let mut sink = Sockets { keeps, ..Sockets::default() };
    let mut now = Instant::ZERO;
    for command in [
        Command::Open { stream: STREAM, partner: None },
        Command::Connect { stream: STREAM, session: session(0) },
        Command::Detect { stream: STREAM },
        Command::Play { stream: STREAM, prompt: PromptId(0), repeat: true },
    ] {
        worker.handle_command(now, command, &mut sink);
    }
    for (number, frame) in (0u64..).zip(said.chunks_exact(FRAME_SAMPLES)) {
        let mut codes = [0; FRAME_SAMPLES];
        g711::encode_frame(Law::Mu, frame, &mut codes);
        let held_up = if number % 7 == 3 { 30 } else { 0 };
        let at = now + Duration::from_millis(7 + held_up);
        if number % 23 != 11 {
            sink.way.push_back((at, packet(number as u16, number as u32 * 160, &codes)));
        }
        sink.way.make_contiguous().sort_by_key(|(at, _)| *at);
        for slot in 0..4 {
            sink.notes.now = now;
            worker.handle_slot(now, slot, &mut sink);
            now += SLOT;
        }
        if let Some(command) = also(number) {
            worker.handle_command(now, command, &mut sink);
        }
    }
    worker.handle_command(now, Command::Close { stream: STREAM }, &mut sink);
    sink
}

/// What was found, in its order.
fn findings(sockets: &Sockets) -> Vec<Finding> {
    sockets.notes.findings.iter().map(|(_, found)| *found).collect()
}

/// Packets that were counted, those that nobody asked for included; and those that were refused.
fn counted(sockets: &Sockets) -> (u64, u64) {
    let end = sockets.notes.closed[&STREAM];
    (end.packets_received + sockets.way.len() as u64, end.packets_refused)
}

#[test]
fn the_same_is_found_counted_and_sent_with_a_fraction_of_the_questions() {
    let (live, late) = (call(false, |_| None), call(true, |_| None));
    assert!(findings(&live).len() > 4, "{:?}", findings(&live));
    assert_eq!(findings(&live), findings(&late));
    assert_eq!(counted(&live), counted(&late));
    assert_eq!(live.notes.codes(STREAM), late.notes.codes(STREAM));
    assert!(late.asked * 2 < live.asked, "{} of {}", late.asked, live.asked);
}

#[test]
fn the_jitter_of_a_recorded_leg_is_that_of_the_way_and_not_of_its_slots() {
    // RFC 3550, A.8: the mean deviation of what packets take, by when they came.
    for (packet_ms, late_ms, expected_ms) in [(20, 8, 8), (20, 0, 0), (10, 0, 0), (5, 0, 0)] {
        let mut worker = Worker::new(&Options::default(), Arc::default(), Rng::from_seed(1));
        let (mut sink, mut now) = (Sockets::default(), Instant::ZERO);
        for command in [
            Command::Open { stream: STREAM, partner: None },
            Command::Connect { stream: STREAM, session: session(0) },
            Command::Record { stream: STREAM, path: "x.wav".into() },
        ] {
            worker.handle_command(now, command, &mut sink);
        }
        for number in 0..4_000 / packet_ms {
            let held_up = if number % 2 == 1 { late_ms } else { 0 };
            let at = now + Duration::from_millis(number * packet_ms + 3 + held_up);
            let samples = packet_ms as usize * 8;
            let bytes = packet(number as u16, number as u32 * samples as u32, &vec![0x20; samples]);
            sink.way.push_back((at, bytes));
        }
        for slot in 0..800 {
            sink.notes.now = now;
            worker.handle_slot(now, (slot % 4) as u8, &mut sink);
            now += SLOT;
        }
        worker.handle_command(now, Command::Close { stream: STREAM }, &mut sink);
        let told = sink.notes.closed[&STREAM].jitter;
        let off = told.abs_diff(Duration::from_millis(expected_ms));
        assert!(off < Duration::from_micros(500), "{packet_ms} ms, late by {late_ms} ms: {told:?}");
    }
}

#[test]
fn whatever_is_asked_of_it_meanwhile_it_has_heard_all_that_came_before() {
    for seed in 0..60 {
        let command = |number: u64| {
            let mut rng = Rng::from_seed(seed << 32 | number);
            let repeat = rng.unit() < 0.5;
            match rng.below(160) {
                0 => Some(Command::StopPlaying { stream: STREAM }),
                1..=8 => Some(Command::Play { stream: STREAM, prompt: PromptId(0), repeat }),
                9 => Some(Command::Watch { stream: STREAM }),
                10 => Some(Command::Record { stream: STREAM, path: PathBuf::from("x.wav") }),
                11 => Some(Command::SendDigits { stream: STREAM, digits: "5".into() }),
                12 => Some(Command::Connect { stream: STREAM, session: session(0) }),
                13 => {
                    Some(Command::Connect { stream: STREAM, session: Session { send: false, ..session(0) } })
                }
                14 => Some(Command::Detect { stream: STREAM }),
                _ => None,
            }
        };
        let (live, late) = (call(false, command), call(true, command));
        assert_eq!(findings(&live), findings(&late), "seed {seed}");
        assert_eq!(counted(&live), counted(&late), "seed {seed}");
        assert_eq!(live.notes.codes(STREAM), late.notes.codes(STREAM), "seed {seed}");
        assert_eq!(live.notes.recorded, late.notes.recorded, "seed {seed}");
    }
}

#[test]
fn who_is_recorded_or_watched_is_heard_in_each_slot() {
    for open in [
        Command::Watch { stream: STREAM },
        Command::Record { stream: STREAM, path: PathBuf::from("x.wav") },
        Command::StopPlaying { stream: STREAM },
    ] {
        let from_the_start = |number: u64| (number == 0).then(|| open.clone());
        let (live, late) = (call(false, from_the_start), call(true, from_the_start));
        assert_eq!(live.asked, late.asked, "{open:?}");
        assert_eq!(live.notes.recorded, late.notes.recorded, "{open:?}");
    }
}

/// What is told of a call in which a key is pressed so long after a prompt of one second began.
fn pressed_after(keeps: bool, ms: u64) -> Vec<String> {
    let prompts = PromptTable::new(vec![Clip { samples: vec![500; 8_000] }]);
    let options = Options { streams_max: 1, ..Options::default() };
    let mut worker = Worker::new(&options, Arc::new(prompts), Rng::from_seed(1));
    let mut sink = Sockets { keeps, ..Sockets::default() };
    let mut now = Instant::ZERO;
    for command in [
        Command::Open { stream: STREAM, partner: None },
        Command::Connect { stream: STREAM, session: session(0) },
        Command::Play { stream: STREAM, prompt: PromptId(0), repeat: false },
    ] {
        worker.handle_command(now, command, &mut sink);
    }
    let key = write(true, 101, 1, 8_000, 1, &[1, 10, 0, 160]);
    sink.way.push_back((now + Duration::from_millis(ms), key));
    for slot in 0..260u32 {
        sink.notes.now = now;
        worker.handle_slot(now, (slot % 4) as u8, &mut sink);
        now += SLOT;
    }
    sink.notes.words(STREAM)
}

#[test]
fn a_key_that_is_pressed_before_a_prompt_ends_is_told_before_its_end() {
    let mut before = 0;
    for ms in 800..1_050 {
        let (live, late) = (pressed_after(false, ms), pressed_after(true, ms));
        let place =
            |words: &[String], word: &str| words.iter().position(|told| told == word).expect("it is told");
        let first = |words: &[String]| place(words, "digit 1") < place(words, "played 0");
        before += u32::from(first(&live));
        assert!(first(&late) || !first(&live), "pressed after {ms} ms: {live:?}, {late:?}");
    }
    assert!((150..250).contains(&before), "{before}");
}

#[test]
fn as_many_streams_are_heard_in_each_slot_as_in_any_other() {
    let prompts = PromptTable::new(vec![Clip { samples: vec![500; 8_000 * 60] }]);
    let mut worker = Worker::new(&Options::default(), Arc::new(prompts), Rng::from_seed(1));
    let (mut sink, mut now) = (Sockets { keeps: true, ..Sockets::default() }, Instant::ZERO);
    let begin = |worker: &mut Worker, sink: &mut Sockets, index: u64| {
        let stream = StreamKey::from_u64(index);
        for command in [
            Command::Open { stream, partner: None },
            Command::Connect { stream, session: session(0) },
            Command::Play { stream, prompt: PromptId(0), repeat: true },
        ] {
            worker.handle_command(Instant::ZERO, command, sink);
        }
    };
    // In two turns of ten times 20 ms.
    let mut asked = |worker: &mut Worker, sink: &mut Sockets| -> Vec<u32> {
        let slot = |slot: u8| {
            let before = sink.asked;
            worker.handle_slot(now, slot % 4, sink);
            now += SLOT;
            sink.asked - before
        };
        (0..80).map(slot).collect()
    };
    (0..80).for_each(|index| begin(&mut worker, &mut sink, index));
    assert_eq!(asked(&mut worker, &mut sink), [2; 80]);
    // Calls end and others begin in their places.
    for index in (0..80).filter(|index| index % 7 < 4) {
        worker.handle_command(
            Instant::ZERO,
            Command::Close { stream: StreamKey::from_u64(index) },
            &mut sink,
        );
    }
    (80..160).for_each(|index| begin(&mut worker, &mut sink, index));
    let heard = asked(&mut worker, &mut sink);
    let (least, most) = (heard.iter().min(), heard.iter().max());
    assert!(least >= Some(&2) && most <= Some(&3), "{heard:?}");
}
