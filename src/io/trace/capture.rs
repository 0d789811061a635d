//! One thread that writes a capture file for each traced call.
//!
//! SIP messages come through a bounded queue of the control plane, copies of RTP through one of the media threads, which
//! has memory of its own, so that nobody waits or allocates on a packet's way. What a full queue or a full file cannot
//! take is dropped and counted.

use super::make_folder;
use crate::media::command::StreamKey;
use crate::time::Instant;
use crate::trace::frame;
use crate::trace::masking;
use crate::trace::packet::{Micros, Packet, Timeline};
use pcap_file::pcap::{PcapPacket, PcapWriter};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// RTP packets that may wait: 20 calls for a second.
const COPIES_MAX: usize = 2_048;

/// SIP messages that may wait.
const MARKS_MAX: usize = 4_096;

/// Of an RTP packet no more than this is kept: 60 ms of G.711 and its header, with room.
const COPY_BYTES: usize = 640;

/// Calls that are written at once.
const FILES_MAX: usize = 512;

/// What one file may come to.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long after a call's end its last messages may still pass: 64*T1 and a little.
const LINGER: Duration = Duration::from_secs(35);

/// How long the thread sleeps before it looks for messages, and brings the files up to date.
const IDLE: Duration = Duration::from_millis(50);

/// A capture is for the owner's eyes only.
const OWNER_ONLY: u32 = 0o600;

/// The thread, as the shell holds it.
#[derive(Debug)]
pub struct Capture {
    marks: SyncSender<Mark>,
    copies: Copies,
    join: JoinHandle<()>,
}

/// The way of RTP's copies to the thread; each media thread has one.
#[derive(Clone, Debug)]
pub struct Copies {
    queue: SyncSender<RtpCopy>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
struct RtpCopy {
    stream: StreamKey,
    at: Instant,
    source: SocketAddr,
    destination: SocketAddr,
    length: usize,
    bytes: [u8; COPY_BYTES],
}

#[derive(Debug)]
enum Mark {
    Sip { id: String, packet: Packet },
    Stream { id: String, stream: StreamKey, unmasked: bool },
    Ended { id: String },
}

impl Copies {
    /// One packet of RTP. Neither waits nor allocates.
    pub fn copy(
        &self,
        stream: StreamKey,
        at: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        packet: &[u8],
    ) {
        let length = packet.len().min(COPY_BYTES);
        let mut bytes = [0; COPY_BYTES];
        bytes[..length].copy_from_slice(&packet[..length]);
        if self.queue.try_send(RtpCopy { stream, at, source, destination, length, bytes }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Capture {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the folder cannot be made, or the system gives no thread.
    pub fn start(folder: &Path, timeline: Timeline) -> io::Result<Capture> {
        make_folder(folder)?;
        let (marks, inbox) = sync_channel(MARKS_MAX);
        let (queue, copies) = sync_channel(COPIES_MAX);
        let dropped: Arc<AtomicU64> = Arc::default();
        let (folder, counter) = (folder.to_owned(), Arc::clone(&dropped));
        let join = std::thread::Builder::new().name("capture".into()).spawn(move || {
            let desk = Desk {
                folder,
                timeline,
                inbox,
                dropped: counter,
                files: BTreeMap::new(),
                streams: BTreeMap::new(),
            };
            desk.run(&copies);
        })?;
        Ok(Capture { marks, copies: Copies { queue, dropped }, join })
    }

    /// The way for copies of RTP.
    pub fn copies(&self) -> Copies {
        self.copies.clone()
    }

    /// A message of the call `id`.
    pub fn handle_packet(&self, id: &str, packet: Packet) {
        self.mark(Mark::Sip { id: id.to_owned(), packet });
    }

    /// Copies of this stream belong to the call `id`; which keys were pressed is in the file only if it is `unmasked`.
    pub fn handle_stream(&self, id: &str, stream: StreamKey, unmasked: bool) {
        self.mark(Mark::Stream { id: id.to_owned(), stream, unmasked });
    }

    /// The call has ended; its last messages may still come.
    pub fn handle_ended(&self, id: &str) {
        self.mark(Mark::Ended { id: id.to_owned() });
    }

    /// Packets that are in no file.
    pub fn dropped(&self) -> u64 {
        self.copies.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written; all copies of [`Capture::copies`] must be gone.
    pub fn stop(self) {
        drop((self.marks, self.copies));
        if self.join.join().is_err() {
            tracing::error!("the capture thread has panicked");
        }
    }

    fn mark(&self, mark: Mark) {
        if self.marks.try_send(mark).is_err() {
            self.copies.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread's side.
struct Desk {
    folder: PathBuf,
    timeline: Timeline,
    inbox: Receiver<Mark>,
    dropped: Arc<AtomicU64>,
    files: BTreeMap<String, Open>,
    /// Whose each is, and whether it is unmasked.
    streams: BTreeMap<StreamKey, (String, bool)>,
}

struct Open {
    /// `None` once it could not be written.
    writer: Option<PcapWriter<Tap>>,
    file: Option<Rc<RefCell<BufWriter<File>>>>,
    bytes: u64,
    close_at: Option<std::time::Instant>,
}

/// The writer under the capture's, which keeps it to itself and has no way to bring the file up to date.
struct Tap(Rc<RefCell<BufWriter<File>>>);

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Desk {
    fn run(mut self, copies: &Receiver<RtpCopy>) {
        let mut tidy_at = std::time::Instant::now();
        loop {
            match copies.recv_timeout(IDLE) {
                Ok(mut copy) => {
                    // The description that announces a stream goes before its packets.
                    self.take_marks();
                    self.write_copy(&mut copy);
                }
                Err(RecvTimeoutError::Timeout) => self.take_marks(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.take_marks();
                    return self.files.values().for_each(Open::flush);
                }
            }
            let now = std::time::Instant::now();
            if now >= tidy_at {
                tidy_at = now + IDLE;
                self.files.values().for_each(Open::flush);
                self.files.retain(|_, file| file.close_at.is_none_or(|at| at > now));
                self.streams.retain(|_, (id, _)| self.files.contains_key(id));
            }
        }
    }

    fn take_marks(&mut self) {
        while let Ok(mark) = self.inbox.try_recv() {
            match mark {
                Mark::Sip { id, packet } => {
                    let bytes = frame::ethernet(packet.source(), packet.destination(), &packet.bytes);
                    self.write(&id, packet.at, &bytes);
                }
                Mark::Stream { id, stream, unmasked } => {
                    self.open(&id);
                    self.streams.insert(stream, (id, unmasked));
                }
                Mark::Ended { id } => {
                    if let Some(file) = self.files.get_mut(&id) {
                        file.close_at = Some(std::time::Instant::now() + LINGER);
                    }
                }
            }
        }
    }

    fn write_copy(&mut self, copy: &mut RtpCopy) {
        let Some((id, unmasked)) = self.streams.get(&copy.stream).cloned() else { return };
        if !unmasked {
            masking::hide_keys(&mut copy.bytes[..copy.length]);
        }
        let bytes = frame::ethernet(copy.source, copy.destination, &copy.bytes[..copy.length]);
        self.write(&id, self.timeline.at(copy.at), &bytes);
    }

    fn write(&mut self, id: &str, at: Micros, frame: &[u8]) {
        self.open(id);
        let taken = self.files.get_mut(id).is_some_and(|file| file.write(at, frame));
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn open(&mut self, id: &str) {
        if self.files.contains_key(id) || self.files.len() >= FILES_MAX {
            return;
        }
        let path = self.folder.join(format!("{}.pcap", file_name(id)));
        let open = Open::create(&path).unwrap_or_else(|error| {
            tracing::warn!("cannot write the capture {}: {error}", path.display());
            Open { writer: None, file: None, bytes: 0, close_at: None }
        });
        self.files.insert(id.to_owned(), open);
    }
}

impl Open {
    fn create(path: &Path) -> io::Result<Open> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(path)?;
        let file = Rc::new(RefCell::new(BufWriter::new(file)));
        let writer = PcapWriter::new(Tap(Rc::clone(&file))).map_err(io::Error::other)?;
        Ok(Open { writer: Some(writer), file: Some(file), bytes: 0, close_at: None })
    }

    fn write(&mut self, at: Micros, frame: &[u8]) -> bool {
        let room = self.bytes + frame.len() as u64 <= FILE_BYTES_MAX;
        let Some(writer) = self.writer.as_mut().filter(|_| room) else { return false };
        let packet = PcapPacket::new(at.since_1970(), frame.len() as u32, frame);
        self.bytes += frame.len() as u64;
        let written = writer.write_packet(&packet);
        if let Err(error) = &written {
            tracing::warn!("a capture cannot be written any further: {error}");
            (self.writer, self.file) = (None, None);
        }
        written.is_ok()
    }

    fn flush(&self) {
        if let Some(file) = &self.file {
            // A disk that is full says so at the next packet.
            let _ = file.borrow_mut().flush();
        }
    }
}

/// A Call-ID is a peer's to choose; a file's name is not.
fn file_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    id.chars().take(80).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcap::PcapReader;

    fn packet(at: u64) -> Packet {
        let (local, peer) = ("192.0.2.9:5060".parse().unwrap(), "192.0.2.1:5060".parse().unwrap());
        Packet { at: Micros(at), sent: true, local, peer, bytes: b"OPTIONS sip:h SIP/2.0\r\n\r\n".to_vec() }
    }

    #[test]
    fn sip_and_the_copies_of_a_calls_streams_are_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::start(&folder.path().join("new"), Timeline::default()).unwrap();
        let copies = capture.copies();
        capture.handle_packet("call/../1", packet(1_500_000));
        capture.handle_stream("call/../1", StreamKey::from_u64(7), false);
        let (here, there) = ("192.0.2.9:4000".parse().unwrap(), "192.0.2.1:4000".parse().unwrap());
        let at = Instant::from_start(Duration::from_secs(2));
        for stream in [7, 8] {
            copies.copy(StreamKey::from_u64(stream), at, here, there, &[0x80; 2_000]);
        }
        capture.handle_ended("call/../1");
        drop(copies);
        capture.stop();
        let path = folder.path().join("new/call____1.pcap");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, OWNER_ONLY);
        let mut reader = PcapReader::new(File::open(path).unwrap()).unwrap();
        let mut read = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet.unwrap();
            read.push((packet.timestamp.as_millis(), packet.data.len()));
        }
        assert_eq!(read, [(1_500, 42 + 25), (2_000, 42 + COPY_BYTES)]);
    }

    #[test]
    fn what_a_full_queue_cannot_take_is_counted() {
        let (queue, held) = sync_channel(2);
        let copies = Copies { queue, dropped: Arc::default() };
        let (here, there) = ("192.0.2.9:4000".parse().unwrap(), "192.0.2.1:4000".parse().unwrap());
        for _ in 0..5 {
            copies.copy(StreamKey::from_u64(1), Instant::ZERO, here, there, b"rtp");
        }
        assert_eq!(copies.dropped.load(Ordering::Relaxed), 3);
        drop(held);
    }
}
