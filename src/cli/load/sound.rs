//! The far end's sound: recorded speech on every line every 20 ms, and the time at which each packet comes back.
//!
//! One thread serves all lines. It wakes every half millisecond, reads what has come and sends what is due, so packets are
//! timed to about as much. Lines share a few sockets and are told apart by the port that their packets come from: thousands
//! of sockets of telephones would be this machine's burden, and no carrier's far end is on it.

use super::meter;
use super::times::Times;
use crate::audio::FRAME_SAMPLES;
use crate::audio::g711::{CodedFrame, Law, encode_frame};
use crate::io::priority;
use crate::rtp::Ssrc;
use crate::rtp::packet::{HEADER, Packet};
use crate::sim::recordings::Recordings;
use crate::sim::voice;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the sockets are read.
const TICK: Duration = Duration::from_micros(500);

/// Ticks of a frame.
const PHASES: usize = 40;

/// Sockets of all lines together.
const SOCKETS: usize = 8;

/// What a socket may hold, as far as the system grants it: a third of a second of two thousand calls.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Datagrams of one socket before the next has its turn.
const AT_ONCE: usize = 512;

/// How far the speech of one line is ahead of its neighbour's.
const APART: usize = 7;

/// No line has this number.
const NOBODY: u32 = u32::MAX;

/// What the far end heard in the time that was measured.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Packets that came.
    pub received: u64,
    /// Packets that were sent to the other side.
    pub sent: u64,
    /// Numbers that were missing between packets that came.
    pub lost: u64,
    /// Between two packets of one line.
    pub between: Times,
    /// From the 200 to the first packet, of all lines since the start.
    pub first: Times,
    /// How late the far end itself woke up at worst: so much of the times may be its own fault.
    pub own_lateness: Duration,
    /// Its processor time.
    pub cpu: Duration,
}

/// A change of the lines.
enum Order {
    Connect { line: u32, remote: SocketAddr, answered_at: Instant },
    Disconnect { line: u32 },
    Begin,
    End(Sender<Heard>),
    Where { line: u32, back: Sender<Option<(SocketAddr, UdpSocket)>> },
}

/// The far end's sound, running.
#[derive(Debug)]
pub struct Sounds {
    orders: Mutex<Sender<Order>>,
    ports: [u16; SOCKETS],
    sounding: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
}

impl Sounds {
    /// Takes the sockets and starts the thread.
    ///
    /// # Errors
    /// When the system gives no ports or no thread.
    pub fn start() -> io::Result<Sounds> {
        let pairs: Vec<(UdpSocket, UdpSocket)> = (0..SOCKETS).map(|_| pair()).collect::<io::Result<_>>()?;
        let mut ports = [0; SOCKETS];
        for (port, (rtp, _)) in ports.iter_mut().zip(&pairs) {
            *port = rtp.local_addr()?.port();
        }
        let (orders, inbox) = channel();
        let (sounding, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = Thread {
            pairs,
            inbox,
            sounding: Arc::clone(&sounding),
            stop: Arc::clone(&stop),
            lines: Vec::new(),
            by_port: vec![NOBODY; 1 << 16],
            phases: std::array::from_fn(|_| Vec::new()),
            speech: speech(),
            counting: false,
            heard: Heard::default(),
            cpu_before: Duration::ZERO,
        };
        std::thread::Builder::new().name("far-sound".into()).spawn(move || {
            priority::raise(priority::MEDIA - 1);
            thread.run();
        })?;
        Ok(Sounds { orders: Mutex::new(orders), ports, sounding, stop })
    }

    /// Where a line takes its packets.
    pub fn address(&self, line: u32) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[line as usize % SOCKETS]).into()
    }

    /// The line's peer takes packets there; it was answered then.
    pub fn connect(&self, line: u32, remote: SocketAddr, answered_at: Instant) {
        self.order(Order::Connect { line, remote, answered_at });
    }

    /// The line is silent from now on.
    pub fn disconnect(&self, line: u32) {
        self.order(Order::Disconnect { line });
    }

    /// How many lines hear their peer.
    pub fn sounding(&self) -> u32 {
        self.sounding.load(Ordering::Relaxed)
    }

    /// Counts from now on.
    pub fn begin(&self) {
        self.order(Order::Begin);
    }

    /// What was counted.
    pub fn end(&self) -> Heard {
        let (back, heard) = channel();
        self.order(Order::End(back));
        heard.recv().unwrap_or_default()
    }

    /// Where a line's peer takes its packets, and the socket that they come from: none before it is heard.
    pub fn of_line(&self, line: u32) -> Option<(SocketAddr, UdpSocket)> {
        let (back, answer) = channel();
        self.order(Order::Where { line, back });
        answer.recv().ok().flatten()
    }

    fn order(&self, order: Order) {
        // The thread lives for as long as we do.
        let _ = self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order);
    }
}

impl Drop for Sounds {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// An even port for RTP, and the odd one above for what its peer reports.
fn pair() -> io::Result<(UdpSocket, UdpSocket)> {
    loop {
        let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(rtcp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1))
        {
            rtp.set_nonblocking(true)?;
            rtcp.set_nonblocking(true)?;
            // The system may grant less; that is its right.
            let _ = SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER);
            return Ok((rtp, rtcp));
        }
    }
}

/// A person's hello, a pause for the other side, and then talk without end: of recordings.
struct Speech {
    begin: Vec<CodedFrame>,
    talk: Vec<CodedFrame>,
}

fn speech() -> Speech {
    let recordings = Recordings::load();
    let pause = |ms| voice::silence(Duration::from_millis(ms));
    let begin = [pause(300), recordings.hellos[1].to_vec(), pause(2_200)].concat();
    let mut talk = Vec::new();
    for said in recordings.hellos.iter().chain(&recordings.greetings) {
        talk.extend_from_slice(said);
        talk.extend(pause(700));
    }
    Speech { begin: coded(&begin), talk: coded(&talk) }
}

fn coded(samples: &[i16]) -> Vec<CodedFrame> {
    let code = |samples: &[i16]| {
        let mut frame = [Law::Mu.silence(); FRAME_SAMPLES];
        encode_frame(Law::Mu, samples, &mut frame);
        frame
    };
    samples.chunks(FRAME_SAMPLES).map(code).collect()
}

impl Speech {
    fn frame(&self, line: u32, at: usize) -> &CodedFrame {
        match self.begin.get(at) {
            Some(frame) => frame,
            None => &self.talk[(at - self.begin.len() + line as usize * APART) % self.talk.len()],
        }
    }
}

/// One call as the far end hears it.
#[derive(Clone, Copy)]
struct Line {
    remote: Option<SocketAddr>,
    answered_at: Instant,
    /// When its last packet came, and which number would be next.
    last: Option<(Instant, u16)>,
    frame: u32,
}

struct Thread {
    pairs: Vec<(UdpSocket, UdpSocket)>,
    inbox: Receiver<Order>,
    sounding: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    lines: Vec<Line>,
    /// The line whose packets come from this port.
    by_port: Vec<u32>,
    phases: [Vec<u32>; PHASES],
    speech: Speech,
    counting: bool,
    heard: Heard,
    cpu_before: Duration,
}

impl Thread {
    fn run(mut self) {
        let mut due = Instant::now();
        let mut tick = 0usize;
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let late = Instant::now().saturating_duration_since(due);
            self.heard.own_lateness = self.heard.own_lateness.max(late);
            self.take_orders();
            self.read();
            self.send(tick % PHASES);
            if tick.is_multiple_of(PHASES) {
                self.drain_reports();
            }
            tick += 1;
            due += TICK;
        }
    }

    fn take_orders(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Connect { line, remote, answered_at }) => self.connect(line, remote, answered_at),
                Ok(Order::Disconnect { line }) => self.disconnect(line),
                Ok(Order::Begin) => {
                    let first = std::mem::take(&mut self.heard.first);
                    self.heard = Heard { first, ..Heard::default() };
                    (self.counting, self.cpu_before) = (true, meter::of_this_thread());
                }
                Ok(Order::End(back)) => {
                    self.counting = false;
                    self.heard.cpu = meter::of_this_thread().saturating_sub(self.cpu_before);
                    let _ = back.send(std::mem::take(&mut self.heard));
                }
                Ok(Order::Where { line, back }) => {
                    let heard = self.lines.get(line as usize).filter(|line| line.last.is_some());
                    let remote = heard.and_then(|line| line.remote);
                    let socket = self.pairs[line as usize % SOCKETS].0.try_clone().ok();
                    let _ = back.send(remote.zip(socket));
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn connect(&mut self, line: u32, remote: SocketAddr, answered_at: Instant) {
        let place = line as usize;
        let void = Line { remote: None, answered_at, last: None, frame: 0 };
        if self.lines.len() <= place {
            self.lines.resize(place + 1, void);
        }
        self.lines[place] = Line { remote: Some(remote), ..void };
        self.by_port[usize::from(remote.port())] = line;
        self.phases[place % PHASES].push(line);
    }

    fn disconnect(&mut self, line: u32) {
        let Some(known) = self.lines.get_mut(line as usize) else { return };
        let Some(remote) = known.remote.take() else { return };
        if known.last.take().is_some() {
            self.sounding.fetch_sub(1, Ordering::Relaxed);
        }
        self.by_port[usize::from(remote.port())] = NOBODY;
        self.phases[line as usize % PHASES].retain(|other| *other != line);
    }

    fn read(&mut self) {
        let mut buffer = [0; 512];
        for socket in 0..SOCKETS {
            for _ in 0..AT_ONCE {
                let Ok((length, source)) = self.pairs[socket].0.recv_from(&mut buffer) else { break };
                if length >= HEADER {
                    let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
                    self.hear(source.port(), sequence);
                }
            }
        }
    }

    fn hear(&mut self, port: u16, sequence: u16) {
        let Some(line) = self.lines.get_mut(self.by_port[usize::from(port)] as usize) else { return };
        let now = Instant::now();
        match line.last {
            None => {
                self.sounding.fetch_add(1, Ordering::Relaxed);
                self.heard.first.add(now - line.answered_at);
            }
            Some((before, next)) if self.counting => {
                self.heard.between.add(now - before);
                let missing = sequence.wrapping_sub(next);
                // What is behind has been counted as missing before.
                self.heard.lost += u64::from(if missing < 1 << 15 { missing } else { 0 });
            }
            Some(_) => {}
        }
        self.heard.received += u64::from(self.counting);
        line.last = Some((now, sequence.wrapping_add(1)));
    }

    fn send(&mut self, phase: usize) {
        let mut buffer = [0; HEADER + FRAME_SAMPLES];
        for index in 0..self.phases[phase].len() {
            let number = self.phases[phase][index];
            let line = &mut self.lines[number as usize];
            let Some(remote) = line.remote else { continue };
            let packet = Packet {
                marker: line.frame == 0,
                payload_type: 0,
                sequence: line.frame as u16,
                timestamp: line.frame.wrapping_mul(FRAME_SAMPLES as u32),
                ssrc: Ssrc(number + 1),
                payload: self.speech.frame(number, line.frame as usize),
            };
            packet.write(&mut buffer);
            line.frame = line.frame.wrapping_add(1);
            let sent = self.pairs[number as usize % SOCKETS].0.send_to(&buffer, remote).is_ok();
            self.heard.sent += u64::from(sent && self.counting);
        }
    }

    /// Nobody needs what the peers report.
    fn drain_reports(&mut self) {
        let mut buffer = [0; 512];
        for (_, rtcp) in &self.pairs {
            for _ in 0..AT_ONCE {
                if rtcp.recv_from(&mut buffer).is_err() {
                    break;
                }
            }
        }
    }
}
