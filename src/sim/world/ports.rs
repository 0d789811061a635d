//! The engine's media sockets in memory: which stream has which port, and what it sends where.

use crate::audio::Frame;
use crate::media::command::{Event, StreamKey};
use crate::media::worker::Sink;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A packet that a stream has sent.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Sent {
    pub stream: StreamKey,
    pub is_report: bool,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
struct Socket {
    port: u16,
    remote: Option<(SocketAddr, SocketAddr)>,
}

/// All ports.
#[derive(Debug)]
pub(super) struct Ports {
    address: IpAddr,
    free: VecDeque<u16>,
    sockets: BTreeMap<StreamKey, Socket>,
    by_port: BTreeMap<u16, StreamKey>,
    /// What was sent and not carried off yet.
    pub sent: VecDeque<Sent>,
    /// What the engine is to be told.
    pub events: VecDeque<Event>,
    /// Frames that were recorded.
    pub recorded: u64,
    /// Streams that were refused a port.
    pub refused: u64,
}

impl Ports {
    /// So many even ports.
    pub fn new(address: IpAddr, count: u16) -> Ports {
        Ports {
            address,
            free: (0..count).map(|n| 20_000 + 2 * n).collect(),
            sockets: BTreeMap::new(),
            by_port: BTreeMap::new(),
            sent: VecDeque::new(),
            events: VecDeque::new(),
            recorded: 0,
            refused: 0,
        }
    }

    /// The stream that a packet for this port belongs to, and whether it is a report.
    pub fn stream(&self, port: u16) -> Option<(StreamKey, bool)> {
        self.by_port.get(&(port & !1)).map(|stream| (*stream, port & 1 == 1))
    }

    /// Ports that are taken.
    pub fn taken(&self) -> usize {
        self.sockets.len()
    }

    fn push(&mut self, stream: StreamKey, is_report: bool, bytes: &[u8]) {
        let Some(socket) = self.sockets.get(&stream) else { return };
        let Some((remote, remote_rtcp)) = socket.remote else { return };
        let from = SocketAddr::new(self.address, socket.port + u16::from(is_report));
        let to = if is_report { remote_rtcp } else { remote };
        self.sent.push_back(Sent { stream, is_report, from, to, bytes: bytes.to_vec() });
    }
}

impl Sink for Ports {
    fn open(&mut self, stream: StreamKey) -> Result<SocketAddr, String> {
        let Some(port) = self.free.pop_front() else {
            self.refused += 1;
            return Err("all ports are taken".into());
        };
        self.sockets.insert(stream, Socket { port, remote: None });
        self.by_port.insert(port, stream);
        Ok(SocketAddr::new(self.address, port))
    }

    fn aim(&mut self, stream: StreamKey, remote: SocketAddr, remote_rtcp: SocketAddr) {
        if let Some(socket) = self.sockets.get_mut(&stream) {
            socket.remote = Some((remote, remote_rtcp));
        }
    }

    fn latch(&mut self, stream: StreamKey, remote: SocketAddr) {
        if let Some(socket) = self.sockets.get_mut(&stream) {
            let rtcp = socket.remote.map_or(remote, |(_, rtcp)| rtcp);
            socket.remote = Some((remote, rtcp));
        }
    }

    fn send(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.push(stream, false, bytes);
    }

    fn send_rtcp(&mut self, stream: StreamKey, bytes: &[u8]) {
        self.push(stream, true, bytes);
    }

    fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn start_recording(&mut self, _stream: StreamKey, _path: PathBuf) {}

    fn record(&mut self, _stream: StreamKey, _heard: &Frame, _said: &Frame) {
        self.recorded += 1;
    }

    fn close(&mut self, stream: StreamKey) {
        if let Some(socket) = self.sockets.remove(&stream) {
            self.by_port.remove(&socket.port);
            self.free.push_back(socket.port);
        }
    }
}
