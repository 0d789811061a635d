//! The way of a packet takes no memory: a worker that detects, plays, bridges, records and hears keys is run for ten
//! seconds under an allocator that counts. Half of its streams are protected (SRTP), all report (RTCP).

// A global allocator cannot be written without it; the package's own code has none.
#![allow(unsafe_code)]

#[path = "prompts/babble.rs"]
mod babble;

use outdial::amd::detector::Detector;
use outdial::amd::prompts::{Enrolment, Kind, Name};
use outdial::amd::verdict::Finding;
use outdial::audio::g711::{Law, encode};
use outdial::audio::tone::Tone;
use outdial::audio::wav::Clip;
use outdial::audio::{Frame, SILENT_FRAME};
use outdial::media::command::{Command, Event, PromptId, Session, StreamKey};
use outdial::media::player::PromptTable;
use outdial::media::waiting::{Head, Waiting};
use outdial::media::worker::{Sink, Worker};
use outdial::media::{Options, SLOT};
use outdial::rng::Rng;
use outdial::rtp::Ssrc;
use outdial::rtp::packet::Packet;
use outdial::rtp::srtp::{Keys, MASTER_KEY, MasterKey, Outgoing, Suite};
use outdial::time::Instant;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

struct Counting;

thread_local! {
    /// By this thread: the harness has one beside it, which takes memory when it likes.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts and forgets.
#[derive(Default)]
struct Counter {
    sent: u64,
    reports: u64,
    events: u64,
    recorded: u64,
}

impl Sink for Counter {
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 10_000 + 2 * stream.index() as u16)))
    }
    fn aim(&mut self, _: StreamKey, _: SocketAddr, _: SocketAddr) {}
    fn latch(&mut self, _: StreamKey, _: SocketAddr) {}
    fn send(&mut self, _: StreamKey, _: &[u8]) {
        self.sent += 1;
    }
    fn send_rtcp(&mut self, _: StreamKey, _: &[u8]) {
        self.reports += 1;
    }
    fn event(&mut self, _: Event) {
        self.events += 1;
    }
    fn start_recording(&mut self, _: StreamKey, _: PathBuf) {}
    fn record(&mut self, _: StreamKey, _: &Frame, _: &Frame) {
        self.recorded += 1;
    }
    fn close(&mut self, _: StreamKey) {}
}

const KEYS: Keys =
    Keys { suite: Suite::Tag80, local: MasterKey([1; MASTER_KEY]), remote: MasterKey([2; MASTER_KEY]) };

const STREAMS: u64 = 4;
const SECONDS: u64 = 10;

fn remote(stream: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * stream as u16))
}

#[test]
fn the_packet_path_of_a_running_worker_takes_no_memory() {
    // The detectors look for prompts as well; nothing of these is ever heard.
    let mut enrolment = Enrolment::new();
    for seed in 0..20 {
        let name = Name::new(&format!("babble {seed}")).unwrap();
        enrolment.add(Kind::Machine, name, &babble::babble(seed, 5)).unwrap();
    }
    let amd = outdial::amd::Options { prompts: Arc::new(enrolment.finish()), ..Default::default() };
    let options = Options {
        amd: amd.clone(),
        streams_max: STREAMS as usize,
        rtcp_interval: Duration::from_secs(1),
        ..Options::default()
    };
    let prompt = Clip { samples: Tone::sine(440.0, -20.0).samples(Duration::from_millis(700)) };
    let prompts = Arc::new(PromptTable::new(vec![prompt]));
    let mut worker = Worker::new(&options, prompts, Rng::from_seed(1));
    let mut sink = Counter::default();
    let mut now = Instant::ZERO;
    let keys: Vec<StreamKey> = (0..STREAMS).map(StreamKey::from_u64).collect();
    for (index, &stream) in keys.iter().enumerate() {
        let law = if index % 2 == 0 { Law::Mu } else { Law::A };
        let srtp = (index >= 2).then_some(KEYS);
        // One of the peers likes longer packets, one knows no telephone events.
        let ptime_ms = if index == 1 { 40 } else { 20 };
        let (telephone_event, audible_keys) = if index == 3 { (None, true) } else { (Some(101), false) };
        let session = Session {
            srtp,
            ptime_ms,
            telephone_event,
            audible_keys,
            ..Session::plain(remote(index as u64), law)
        };
        let path = PathBuf::from("call.wav");
        for command in [
            Command::Open { stream, partner: None },
            Command::Connect { stream, session },
            Command::Detect { stream },
            Command::Watch { stream },
            Command::Record { stream, path },
        ] {
            worker.handle_command(now, command, &mut sink);
        }
    }
    // The first two are bridged, the others play; all are listened to.
    worker.handle_command(now, Command::Bridge { a: keys[0], b: keys[1] }, &mut sink);
    for &stream in &keys[2..] {
        let play = Command::Play { stream, prompt: PromptId(0), repeat: true };
        worker.handle_command(now, play, &mut sink);
        let digits = "1234567890*#".to_owned();
        worker.handle_command(now, Command::SendDigits { stream, digits }, &mut sink);
    }
    let speech = Tone::sine(250.0, -15.0).with(900.0, -20.0);
    let beep = Tone::sine(1_000.0, -12.0);
    let mut buffer = [0; 200];

    let mut protection: Vec<Outgoing> =
        keys.iter().map(|_| Outgoing::new(KEYS.suite, &KEYS.remote)).collect();
    let mut report = [0; 64];
    report[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);

    let before = TAKEN.get();
    for slot in 0..SECONDS * 200 {
        if slot % 4 == 0 {
            let frame = slot / 4;
            for (index, &stream) in keys.iter().enumerate() {
                // Words with pauses, one packet in fifty lost, a key now and then, a beep at the end.
                if (frame + index as u64) % 50 == 7 {
                    continue;
                }
                let law = if index % 2 == 0 { Law::Mu } else { Law::A };
                let tone = match frame % 500 {
                    0..100 if frame % 30 < 20 => Some(&speech),
                    200..230 => Some(&beep),
                    _ => None,
                };
                let mut payload = [law.silence(); 160];
                for (place, code) in payload.iter_mut().enumerate() {
                    let at = frame as usize * 160 + place;
                    *code = tone.map_or(*code, |tone| encode(law, tone.sample(at)));
                }
                let key = frame % 100 < 5;
                let [high, low] = (160 * (frame % 100) as u16).to_be_bytes();
                let event = [5, 0x0a, high, low];
                let packet = Packet {
                    marker: false,
                    payload_type: if key {
                        101
                    } else if index % 2 == 0 {
                        0
                    } else {
                        8
                    },
                    sequence: frame as u16,
                    timestamp: if key { (frame / 100) as u32 * 16_000 } else { frame as u32 * 160 },
                    ssrc: Ssrc(7),
                    payload: if key { &event } else { &payload },
                };
                let mut length = packet.write(&mut buffer);
                let protected = index >= 2;
                if protected {
                    length = protection[index].protect(&mut buffer, length);
                }
                if frame % 50 == 0 {
                    let mut compound = report;
                    let length = match protected {
                        true => protection[index].protect_rtcp(&mut compound, 8).expect("few reports"),
                        false => 8,
                    };
                    worker.handle_rtcp(now, stream, remote(index as u64), &compound[..length]);
                }
                worker.handle_packet(now, stream, remote(index as u64), &buffer[..length], &mut sink);
                worker.handle_packet(now, stream, remote(99), &buffer[..length], &mut sink);
            }
        }
        worker.handle_slot(now, (slot % 4) as u8, &mut sink);
        now += SLOT;
    }
    let taken = TAKEN.get() - before;

    // Packets of 40 ms on one stream: one slot of it in two has nothing to send, but for keys.
    let all = STREAMS * SECONDS * 50;
    assert!((all - SECONDS * 25..all).contains(&sink.sent), "{} packets", sink.sent);
    assert!(sink.reports >= STREAMS * SECONDS / 2, "{} reports", sink.reports);
    assert_eq!(sink.recorded, STREAMS * SECONDS * 50);
    assert!(sink.events > STREAMS * SECONDS * 10, "levels, keys and findings: {}", sink.events);
    assert_eq!(taken, 0, "{taken} allocations in {SECONDS} s of {STREAMS} streams");

    // A prompt that is recognised takes none either.
    let mut detector = Detector::new(&amd);
    let call = babble::babble(7, 5);
    let mut recognised = 0;
    let before = TAKEN.get();
    for (place, piece) in call.chunks_exact(160).enumerate() {
        let frame = piece.try_into().expect("a whole frame");
        detector.handle_frame((place % 20 != 7).then_some(&frame), &mut |finding| {
            recognised += u32::from(matches!(finding, Finding::Prompt { .. }));
        });
    }
    assert_eq!((TAKEN.get() - before, recognised), (0, 1));

    // Were the counter broken, the line above would prove nothing.
    let before = TAKEN.get();
    drop(std::hint::black_box(Box::new(SILENT_FRAME)));
    assert_eq!(TAKEN.get() - before, 1);
}

/// A port on which one stream's packets wait.
#[derive(Default)]
struct Port {
    counter: Counter,
    waiting: Vec<(Instant, usize, [u8; 200])>,
    /// How often they were asked for.
    asked: u64,
}

impl Sink for Port {
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String> {
        self.counter.open(stream)
    }
    fn aim(&mut self, _: StreamKey, _: SocketAddr, _: SocketAddr) {}
    fn latch(&mut self, _: StreamKey, _: SocketAddr) {}
    fn keeps(&self, _: StreamKey) -> bool {
        true
    }
    fn receive_waiting(&mut self, _: StreamKey, waiting: &mut Waiting) {
        self.asked += 1;
        waiting.fill(|room, tell| {
            for (place, (at, length, bytes)) in room.iter_mut().zip(self.waiting.drain(..)) {
                place[..length].copy_from_slice(&bytes[..length]);
                tell(Head { at, source: remote(0), length });
            }
        });
    }
    fn send(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.counter.send(stream, bytes);
    }
    fn send_rtcp(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.counter.send_rtcp(stream, bytes);
    }
    fn event(&mut self, event: Event) {
        self.counter.event(event);
    }
    fn start_recording(&mut self, _: StreamKey, _: PathBuf) {}
    fn record(&mut self, _: StreamKey, _: &Frame, _: &Frame) {}
    fn close(&mut self, _: StreamKey) {}
}

#[test]
fn nor_does_a_stream_whose_packets_are_read_ten_at_a_time() {
    let prompt = Clip { samples: Tone::sine(440.0, -20.0).samples(Duration::from_millis(700)) };
    let options = Options { streams_max: 1, ..Options::default() };
    let mut worker = Worker::new(&options, Arc::new(PromptTable::new(vec![prompt])), Rng::from_seed(1));
    let mut port = Port { waiting: Vec::with_capacity(16), ..Port::default() };
    let (stream, mut now) = (StreamKey::from_u64(0), Instant::ZERO);
    for command in [
        Command::Open { stream, partner: None },
        Command::Connect { stream, session: Session::plain(remote(0), Law::Mu) },
        Command::Play { stream, prompt: PromptId(0), repeat: true },
    ] {
        worker.handle_command(now, command, &mut port);
    }
    let speech = Tone::sine(250.0, -15.0).with(900.0, -20.0);
    let before = TAKEN.get();
    for frame in 0..SECONDS as usize * 50 {
        let payload: [u8; 160] =
            std::array::from_fn(|place| encode(Law::Mu, speech.sample(frame * 160 + place)));
        let (sequence, timestamp) = (frame as u16, frame as u32 * 160);
        let packet =
            Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc: Ssrc(7), payload: &payload };
        let mut bytes = [0; 200];
        let length = packet.write(&mut bytes);
        port.waiting.push((now, length, bytes));
        for slot in 0..4 {
            worker.handle_slot(now, slot, &mut port);
            now += SLOT;
        }
    }
    let taken = TAKEN.get() - before;
    assert_eq!((port.counter.sent, port.asked), (SECONDS * 50, SECONDS * 5));
    assert_eq!(taken, 0, "{taken} allocations in {SECONDS} s");
}
