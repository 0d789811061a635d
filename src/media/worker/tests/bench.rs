//! The bench of the worker's tests: virtual time, peers by number, and a sink that writes everything down.

use super::*;

pub fn remote(index: u32) -> SocketAddr {
    format!("192.0.2.1:{}", 4_000 + 2 * index).parse().unwrap()
}

pub fn session(index: u32) -> Session {
    Session::plain(remote(index), Law::Mu)
}

pub fn write(
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let packet = Packet { marker, payload_type, sequence, timestamp, ssrc: Ssrc(ssrc), payload };
    let length = packet.write(&mut buffer);
    buffer[..length].to_vec()
}

pub fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    write(false, 0, sequence, timestamp, 1, payload)
}

pub struct Bench {
    pub worker: Worker,
    pub sink: Notes,
    pub now: Instant,
    pub slots: u64,
}

impl Bench {
    pub fn new(streams_max: usize) -> Self {
        Bench::with_prompts(streams_max, Vec::new())
    }

    pub fn with_prompts(streams_max: usize, clips: Vec<Clip>) -> Self {
        let options = Options { streams_max, ..Options::default() };
        let worker = Worker::new(&options, Arc::new(PromptTable::new(clips)), Rng::from_seed(1));
        Bench { worker, sink: Notes::default(), now: Instant::ZERO, slots: 0 }
    }

    pub fn command(&mut self, command: Command) {
        self.worker.handle_command(self.now, command, &mut self.sink);
    }

    pub fn open(&mut self, index: u32) -> StreamKey {
        let stream = StreamKey::from_u64(u64::from(index));
        self.command(Command::Open { stream, partner: None });
        stream
    }

    pub fn connect(&mut self, stream: StreamKey, session: Session) {
        self.command(Command::Connect { stream, session });
    }

    pub fn leg(&mut self, index: u32) -> StreamKey {
        let stream = self.open(index);
        self.connect(stream, session(index));
        stream
    }

    pub fn packet(&mut self, stream: StreamKey, source: SocketAddr, bytes: &[u8]) {
        self.worker.handle_packet(self.now, stream, source, bytes, &mut self.sink);
    }

    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms / 5 {
            self.sink.now = self.now;
            self.worker.handle_slot(self.now, (self.slots % 4) as u8, &mut self.sink);
            self.slots += 1;
            self.now += SLOT;
        }
    }
}

#[derive(Default)]
pub struct Notes {
    pub now: Instant,
    pub no_port: bool,
    pub aims: Vec<(StreamKey, SocketAddr)>,
    pub aims_rtcp: Vec<(StreamKey, SocketAddr)>,
    pub latches: Vec<(StreamKey, SocketAddr)>,
    pub sent: BTreeMap<StreamKey, Vec<Sent>>,
    pub rtcp: Vec<(StreamKey, Vec<u8>)>,
    pub events: Vec<(StreamKey, Instant, String)>,
    pub findings: Vec<(Instant, Finding)>,
    pub closed: BTreeMap<StreamKey, Statistics>,
    pub recordings: Vec<(StreamKey, PathBuf)>,
    pub withheld: Vec<(StreamKey, bool)>,
    pub recorded: BTreeMap<StreamKey, Vec<(Frame, Frame)>>,
}

pub struct Sent {
    pub at: Instant,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.bytes).expect("we send good packets")
    }
}

impl Notes {
    pub fn words(&self, stream: StreamKey) -> Vec<String> {
        self.events.iter().filter(|event| event.0 == stream).map(|event| event.2.clone()).collect()
    }

    pub fn when(&self, stream: StreamKey, word: &str) -> Instant {
        self.events.iter().find(|event| event.0 == stream && event.2 == word).expect("it was told").1
    }

    /// The detector's first verdict, and when it was started.
    pub fn verdict(&self) -> Option<(Instant, Class)> {
        self.findings.iter().find_map(|(at, finding)| match finding {
            Finding::Verdict(verdict) => Some((*at, verdict.class)),
            _ => None,
        })
    }

    /// The audio that was sent, as codes.
    pub fn codes(&self, stream: StreamKey) -> Vec<u8> {
        self.sent[&stream].iter().flat_map(|sent| sent.packet().payload.to_vec()).collect()
    }

    /// The audio that was sent, as frames.
    pub fn frames(&self, stream: StreamKey) -> Vec<Frame> {
        let frame = |sent: &Sent| {
            let packet = sent.packet();
            let law = if packet.payload_type == 8 { Law::A } else { Law::Mu };
            let mut frame = SILENT_FRAME;
            if packet.payload.len() == FRAME_SAMPLES {
                g711::decode_frame(law, packet.payload, &mut frame);
            }
            frame
        };
        self.sent[&stream].iter().map(frame).collect()
    }
}

impl Sink for Notes {
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String> {
        if self.no_port {
            return Err("no port".into());
        }
        Ok(SocketAddr::from(([192, 0, 2, 99], 16_384 + 2 * stream.index() as u16)))
    }

    fn aim(&mut self, stream: StreamKey, remote: SocketAddr, remote_rtcp: SocketAddr) {
        self.aims.push((stream, remote));
        self.aims_rtcp.push((stream, remote_rtcp));
    }

    fn latch(&mut self, stream: StreamKey, remote: SocketAddr) {
        self.latches.push((stream, remote));
    }

    fn send(&mut self, stream: StreamKey, bytes: &[u8]) {
        let (at, bytes) = (self.now, bytes.to_vec());
        self.sent.entry(stream).or_default().push(Sent { at, bytes });
    }

    fn send_rtcp(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.rtcp.push((stream, bytes.to_vec()));
    }

    fn event(&mut self, event: Event) {
        let word = match event.kind {
            EventKind::Opened { .. } => "opened".to_owned(),
            EventKind::OpenFailed { reason } => format!("failed: {reason}"),
            EventKind::FirstSent => "first sent".to_owned(),
            EventKind::FirstReceived => "first received".to_owned(),
            EventKind::MediaTimeout => "media timeout".to_owned(),
            EventKind::Finding { detect_started, finding } => {
                self.findings.push((detect_started, finding));
                return;
            }
            EventKind::Digit(digit) => format!("digit {digit}"),
            EventKind::Played(prompt) => format!("played {}", prompt.0),
            EventKind::Level(level) => format!("level {level:.0}"),
            EventKind::RecordingFault(reason) => format!("recording: {reason}"),
            EventKind::Closed(statistics) => {
                self.closed.insert(event.stream, statistics);
                "closed".to_owned()
            }
        };
        self.events.push((event.stream, event.at, word));
    }

    fn start_recording(&mut self, stream: StreamKey, path: PathBuf) {
        self.recordings.push((stream, path));
    }

    fn withhold(&mut self, stream: StreamKey, on: bool) {
        self.withheld.push((stream, on));
    }

    fn record(&mut self, stream: StreamKey, heard: &Frame, said: &Frame) {
        self.recorded.entry(stream).or_default().push((*heard, *said));
    }

    fn close(&mut self, _stream: StreamKey) {}
}
