//! The simulated carrier on real sockets: one plain thread that drives [`crate::sim::carrier::Carrier`] on loopback.
//!
//! It stands here and not in `io`, because `io` does not know the simulation. RTP ports are taken before the carrier
//! starts, in pairs of an even port and the odd one above, so that none can be missing later.

mod wire;

use crate::io::priority;
use crate::rng::Rng;
use crate::sim::carrier::{Carrier, Options, Output};
use crate::sim::ledger::Ledger;
use crate::sim::network::Quality;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wire::Wire;

/// How often the sockets are read: a tenth of a frame.
const TICK: Duration = Duration::from_millis(2);

/// The most datagrams that are read from one socket before the others get their turn.
const BURST_MAX: usize = 64;

/// How often the figures for the display are renewed.
const COUNT_INTERVAL: Duration = Duration::from_millis(100);

/// Room for the SIP messages that come while the thread sleeps.
const SIP_BUFFER_BYTES: usize = 1 << 20;

/// What a carrier that runs is doing, for a progress display.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Calls that came in, those to agents included.
    pub calls: usize,
    /// Calls that have not ended.
    pub in_flight: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// RTP lines that are open.
    pub lines: usize,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    calls: AtomicUsize,
    in_flight: AtomicUsize,
    answered: AtomicUsize,
    lines: AtomicUsize,
}

/// A carrier that runs on a thread of its own until it is told to stop.
#[derive(Debug)]
pub struct Runner {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: JoinHandle<Ledger>,
}

impl Runner {
    /// Takes a SIP socket and the sockets of `lines` RTP lines on loopback, asks `options` what carrier belongs to these
    /// addresses and ports, and starts it. Its time counts from `start`.
    pub fn start(
        start: std::time::Instant,
        lines: usize,
        rng: Rng,
        options: impl FnOnce(SocketAddr, Vec<u16>) -> Options,
    ) -> io::Result<Runner> {
        Runner::start_behind(None, start, lines, rng, options)
    }

    /// As [`Runner::start`], with what its callees say going through a wire of this quality; loopback has no faults of its
    /// own.
    pub fn start_behind(
        quality: Option<Quality>,
        start: std::time::Instant,
        lines: usize,
        mut rng: Rng,
        options: impl FnOnce(SocketAddr, Vec<u16>) -> Options,
    ) -> io::Result<Runner> {
        let sip = loopback(0)?;
        socket2::SockRef::from(&sip).set_recv_buffer_size(SIP_BUFFER_BYTES)?;
        let address = sip.local_addr()?;
        let sockets = take_pairs(lines)?;
        let ports = sockets.keys().copied().filter(|port| port % 2 == 0).collect();
        let wire = quality.map(|quality| Wire::new(quality, rng.fork(), lines));
        let carrier = Carrier::new(options(address, ports), rng);
        let shared = Arc::new(Shared::default());
        let driver = Driver {
            start,
            carrier,
            sip,
            sockets,
            wire,
            open: Vec::new(),
            shared: shared.clone(),
            counted_at: Instant::ZERO,
        };
        let thread = thread::Builder::new().name("carrier".into()).spawn(move || {
            // It stands for telephones elsewhere, which have processors of their own.
            priority::raise(priority::MEDIA);
            driver.run()
        })?;
        Ok(Runner { address, shared, thread })
    }

    /// The address of its SIP socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is doing.
    pub fn counts(&self) -> Counts {
        let read = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
        Counts {
            calls: read(&self.shared.calls),
            in_flight: read(&self.shared.in_flight),
            answered: read(&self.shared.answered),
            lines: read(&self.shared.lines),
        }
    }

    /// Stops it and takes its book.
    pub fn finish(self) -> Ledger {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the carrier's thread ends without panic")
    }
}

struct Driver {
    start: std::time::Instant,
    carrier: Carrier,
    sip: UdpSocket,
    sockets: BTreeMap<u16, UdpSocket>,
    /// What worsens the way of the sound, if anything.
    wire: Option<Wire>,
    /// Local ports that may receive, RTCP ports included.
    open: Vec<u16>,
    shared: Arc<Shared>,
    counted_at: Instant,
}

impl Driver {
    fn run(mut self) -> Ledger {
        while !self.shared.stop.load(Ordering::Relaxed) {
            // Audio first: what was sent before a BYE is heard before it.
            self.receive_rtp();
            self.receive_sip();
            let now = self.now();
            self.carrier.handle_timeout(now);
            self.carry_out();
            self.deliver();
            self.count(now);
            let due = self.carrier.poll_timeout().map_or(TICK, |at| at.saturating_since(self.now()));
            if !due.is_zero() {
                thread::sleep(due.min(TICK));
            }
        }
        self.carrier.into_ledger()
    }

    fn now(&self) -> Instant {
        Instant::from_start(self.start.elapsed())
    }

    fn receive_sip(&mut self) {
        let mut buffer = [0; 65_536];
        for _ in 0..BURST_MAX {
            match self.sip.recv_from(&mut buffer) {
                Ok((length, source)) => {
                    let now = self.now();
                    self.carrier.handle_sip(now, source, &buffer[..length]);
                    self.carry_out();
                }
                // Nothing is there, or the last datagram that was sent met a closed port.
                Err(_) => break,
            }
        }
    }

    fn receive_rtp(&mut self) {
        let mut buffer = [0; 2048];
        for place in 0..self.open.len() {
            let port = self.open[place];
            let socket = &self.sockets[&port];
            for _ in 0..BURST_MAX {
                let Ok((length, source)) = socket.recv_from(&mut buffer) else { break };
                let now = Instant::from_start(self.start.elapsed());
                self.carrier.handle_rtp(now, port, source, &buffer[..length]);
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.carrier.poll_output() {
            match output {
                // A datagram that cannot be sent is lost, as on any network.
                Output::Sip { to, bytes } => drop(self.sip.send_to(&bytes, to)),
                Output::Rtp { from_port, to, bytes } => match &mut self.wire {
                    Some(wire) if from_port.is_multiple_of(2) => {
                        let now = Instant::from_start(self.start.elapsed());
                        wire.handle_packet(now, from_port, to, bytes);
                    }
                    _ => self.send(from_port, to, &bytes),
                },
                Output::OpenPort(port) => {
                    self.wire.iter_mut().for_each(|wire| wire.handle_open(port));
                    self.open.extend([port, port + 1]);
                    self.discard_old(port);
                }
                Output::ClosePort(port) => self.open.retain(|other| other & !1 != port),
            }
        }
    }

    /// Sends what has come through the wire.
    fn deliver(&mut self) {
        let now = self.now();
        while let Some((from_port, to, bytes)) = self.wire.as_mut().and_then(|wire| wire.poll_output(now)) {
            self.send(from_port, to, &bytes);
        }
    }

    fn send(&self, from_port: u16, to: SocketAddr, bytes: &[u8]) {
        // A datagram that cannot be sent is lost, as on any network.
        let socket = self.sockets.get(&from_port);
        socket.map(|socket| socket.send_to(bytes, to));
    }

    /// What came before the line was open belongs to an earlier call.
    fn discard_old(&mut self, port: u16) {
        let mut buffer = [0; 2048];
        for socket in [port, port + 1].iter().filter_map(|port| self.sockets.get(port)) {
            while socket.recv_from(&mut buffer).is_ok() {}
        }
    }

    fn count(&mut self, now: Instant) {
        if now - self.counted_at < COUNT_INTERVAL {
            return;
        }
        self.counted_at = now;
        let ledger = self.carrier.ledger();
        let write = |figure: &AtomicUsize, value: usize| figure.store(value, Ordering::Relaxed);
        write(&self.shared.calls, ledger.entries().len());
        write(&self.shared.in_flight, ledger.in_flight().count());
        write(&self.shared.answered, ledger.entries().iter().filter(|e| e.answered_at.is_some()).count());
        write(&self.shared.lines, self.carrier.lines());
    }
}

fn loopback(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sockets on `count` pairs of an even port and the one above, wherever the system has room for both.
fn take_pairs(count: usize) -> io::Result<BTreeMap<u16, UdpSocket>> {
    let mut sockets = BTreeMap::new();
    // About every second port that the system hands out is odd, and few of the others' neighbours are taken.
    for _ in 0..count * 8 + 32 {
        if sockets.len() >= count * 2 {
            return Ok(sockets);
        }
        let even = loopback(0)?;
        let port = even.local_addr()?.port();
        if port % 2 == 0
            && let Ok(odd) = loopback(port + 1)
        {
            sockets.insert(port, even);
            sockets.insert(port + 1, odd);
        }
    }
    Err(io::Error::other(format!("no {count} pairs of UDP ports are free on {}", Ipv4Addr::LOCALHOST)))
}
