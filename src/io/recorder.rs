//! The recorder: one thread that writes stereo WAV files, left what the peer says, right what we send.
//!
//! Frames come through a queue with memory of its own, so a media thread neither waits nor allocates. When the disk
//! falls behind and the queue is full, frames are dropped and counted; the media thread reports them when the stream
//! ends. In the file their place is silent, so that what follows is at its right time. Beginnings and ends travel beside the queue and are never lost.

use crate::audio::{Frame, SILENT_FRAME, wav};
use crate::media::command::{Event, EventKind, StreamKey};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Frames that may wait: 200 calls for 0.8 s, 5 MB.
const FRAMES_MAX: usize = 8_192;

/// What people say is for the owner's ears only.
const OWNER_ONLY: u32 = 0o600;

/// How often a file's header is brought up to date, in frames: a crash costs no more than five seconds.
const FLUSH_FRAMES: u32 = 250;

/// How long an idle recorder sleeps before it looks for beginnings and ends.
const IDLE: Duration = Duration::from_millis(50);

/// The recorder's thread, as the shell holds it.
#[derive(Debug)]
pub struct Recorder {
    handle: Handle,
    join: JoinHandle<()>,
}

/// The way to the recorder; each media thread has one.
#[derive(Clone, Debug)]
pub struct Handle {
    frames: SyncSender<QueuedFrame>,
    marks: Sender<Mark>,
    numbers: Arc<AtomicU64>,
}

/// One recording, as the media thread holds it. Dropping it ends the file.
#[derive(Debug)]
pub struct Recording {
    number: u64,
    handle: Handle,
    frames: u32,
    queued: u32,
    /// Frames for which there was nothing to queue.
    passed: u32,
}

#[derive(Debug)]
struct QueuedFrame {
    number: u64,
    /// The frame's place in the file; a gap was dropped.
    place: u32,
    heard: Frame,
    said: Frame,
}

#[derive(Debug)]
enum Mark {
    Begin { number: u64, stream: StreamKey, path: PathBuf },
    End { number: u64, frames: u32, queued: u32, dropped: u32 },
}

impl Recorder {
    /// Starts the thread; faults are told as events.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(events: mpsc::Sender<Event>, epoch: std::time::Instant) -> io::Result<Self> {
        Recorder::with_queue(events, epoch, FRAMES_MAX)
    }

    fn with_queue(
        events: mpsc::Sender<Event>,
        epoch: std::time::Instant,
        frames_max: usize,
    ) -> io::Result<Self> {
        let (frames, queue) = sync_channel(frames_max);
        let (marks, inbox) = channel();
        let handle = Handle { frames, marks, numbers: Arc::default() };
        let desk = Desk { inbox, events, epoch, files: BTreeMap::new() };
        let join = std::thread::Builder::new().name("recorder".into()).spawn(move || desk.run(&queue))?;
        Ok(Recorder { handle, join })
    }

    /// A way to the recorder.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until everything is written; all other handles and recordings must be gone.
    pub fn stop(self) {
        drop(self.handle);
        if self.join.join().is_err() {
            tracing::error!("the recorder has panicked");
        }
    }
}

impl Handle {
    /// Begins a file; folders are made as needed.
    pub fn record(&self, stream: StreamKey, path: PathBuf) -> Recording {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        // A recorder that is gone has told so itself.
        let _ = self.marks.send(Mark::Begin { number, stream, path });
        Recording { number, handle: self.clone(), frames: 0, queued: 0, passed: 0 }
    }
}

impl Recording {
    /// Twenty milliseconds; dropped when the recorder is behind. Neither waits nor allocates.
    pub fn write(&mut self, heard: &Frame, said: &Frame) {
        let frame = QueuedFrame { number: self.number, place: self.frames, heard: *heard, said: *said };
        self.queued += u32::from(self.handle.frames.try_send(frame).is_ok());
        self.frames += 1;
    }

    /// So many times twenty milliseconds in which nobody listened: silent in the file, and not dropped.
    pub fn pass(&mut self, frames: u32) {
        self.frames += frames;
        self.passed += frames;
    }

    /// Frames dropped so far.
    pub fn dropped(&self) -> u32 {
        self.frames - self.passed - self.queued
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let (number, frames, queued) = (self.number, self.frames, self.queued);
        let end = Mark::End { number, frames, queued, dropped: self.dropped() };
        let _ = self.handle.marks.send(end);
    }
}

/// The thread's side.
struct Desk {
    inbox: Receiver<Mark>,
    events: mpsc::Sender<Event>,
    epoch: std::time::Instant,
    files: BTreeMap<u64, Open>,
}

/// How much a recording holds, now that it has ended.
#[derive(Clone, Copy)]
struct End {
    frames: u32,
    queued: u32,
    dropped: u32,
}

struct Open {
    stream: StreamKey,
    path: PathBuf,
    /// `None` once a fault was told.
    writer: Option<hound::WavWriter<BufWriter<File>>>,
    frames: u32,
    taken: u32,
    end: Option<End>,
}

impl Desk {
    fn run(mut self, queue: &Receiver<QueuedFrame>) {
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(frame) => {
                    // The begin of a recording was sent before its first frame.
                    self.take_marks();
                    self.write(&frame);
                }
                Err(RecvTimeoutError::Timeout) => self.take_marks(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.take_marks();
                    let open: Vec<u64> = self.files.keys().copied().collect();
                    open.into_iter().for_each(|number| self.close(number));
                    return;
                }
            }
        }
    }

    fn take_marks(&mut self) {
        while let Ok(mark) = self.inbox.try_recv() {
            match mark {
                Mark::Begin { number, stream, path } => self.begin(number, stream, path),
                Mark::End { number, frames, queued, dropped } => {
                    if let Some(file) = self.files.get_mut(&number) {
                        file.end = Some(End { frames, queued, dropped });
                    }
                    self.close_if_complete(number);
                }
            }
        }
    }

    fn begin(&mut self, number: u64, stream: StreamKey, path: PathBuf) {
        let writer = match create(&path) {
            Ok(writer) => Some(writer),
            Err(error) => {
                self.tell(stream, format!("cannot create the recording {}: {error}", path.display()));
                None
            }
        };
        self.files.insert(number, Open { stream, path, writer, frames: 0, taken: 0, end: None });
    }

    fn write(&mut self, frame: &QueuedFrame) {
        let Some(file) = self.files.get_mut(&frame.number) else { return };
        file.taken += 1;
        if let Err(error) = file.write(frame.place, &frame.heard, &frame.said) {
            let (stream, path) = (file.stream, file.path.display().to_string());
            file.writer = None;
            self.tell(stream, format!("cannot write the recording {path}: {error}"));
        }
        self.close_if_complete(frame.number);
    }

    fn close_if_complete(&mut self, number: u64) {
        let complete = |file: &Open| file.end.is_some_and(|end| file.taken >= end.queued);
        if self.files.get(&number).is_some_and(complete) {
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        let Some(mut file) = self.files.remove(&number) else { return };
        let open = End { frames: file.frames, queued: file.taken, dropped: 0 };
        let End { frames, dropped, .. } = file.end.unwrap_or(open);
        if dropped > 0 {
            // The media thread has told the engine, before the stream's last word.
            let path = file.path.display();
            tracing::warn!(%path, dropped, frames, "the disk was too slow for a recording");
        }
        let padded = file.pad(frames);
        let Some(writer) = file.writer else { return };
        if let Err(error) = padded.and_then(|()| writer.finalize()) {
            self.tell(file.stream, format!("cannot finish the recording {}: {error}", file.path.display()));
        }
    }

    fn tell(&self, stream: StreamKey, text: String) {
        tracing::warn!(stream = stream.to_u64(), "{text}");
        let at = Instant::from_start(self.epoch.elapsed());
        let event = Event { stream, at, kind: EventKind::RecordingFault(text) };
        // The recorder may wait; nobody waits for it. Without a control plane the log line has to do.
        let _ = self.events.blocking_send(event);
    }
}

impl Open {
    fn write(&mut self, place: u32, heard: &Frame, said: &Frame) -> Result<(), hound::Error> {
        self.pad(place)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut block = writer.get_i16_writer(2 * heard.len() as u32);
        for (left, right) in heard.iter().zip(said) {
            block.write_sample(*left);
            block.write_sample(*right);
        }
        block.flush()?;
        self.frames += 1;
        if self.frames.is_multiple_of(FLUSH_FRAMES) { writer.flush() } else { Ok(()) }
    }

    /// Silence in place of what was dropped.
    fn pad(&mut self, place: u32) -> Result<(), hound::Error> {
        while self.frames < place && self.writer.is_some() {
            let at = self.frames;
            self.write(at, &SILENT_FRAME, &SILENT_FRAME)?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<hound::WavWriter<BufWriter<File>>, hound::Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(hound::Error::IoError)?;
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(path);
    hound::WavWriter::new(BufWriter::new(file.map_err(hound::Error::IoError)?), wav::spec(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    fn key(number: u64) -> StreamKey {
        StreamKey::from_u64(number)
    }

    fn recorder(frames_max: usize) -> (Recorder, mpsc::Receiver<Event>) {
        let (events, told) = mpsc::channel(16);
        (Recorder::with_queue(events, std::time::Instant::now(), frames_max).unwrap(), told)
    }

    fn faults(mut told: mpsc::Receiver<Event>) -> Vec<String> {
        let mut faults = Vec::new();
        while let Ok(event) = told.try_recv() {
            if let EventKind::RecordingFault(text) = event.kind {
                faults.push(text);
            }
        }
        faults
    }

    #[test]
    fn a_recording_has_the_peer_left_and_us_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026/11/call.wav");
        let (recorder, told) = recorder(FRAMES_MAX);
        let mut recording = recorder.handle().record(key(1), path.clone());
        for index in 0..300i16 {
            recording.write(&[index; FRAME_SAMPLES], &[-index; FRAME_SAMPLES]);
        }
        drop(recording);
        recorder.stop();
        assert_eq!(faults(told), Vec::<String>::new());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, OWNER_ONLY);
        let mut reader = hound::WavReader::open(path).unwrap();
        assert_eq!(
            (reader.spec().channels, reader.spec().sample_rate, reader.duration()),
            (2, 8_000, 48_000)
        );
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples[200 * 320..200 * 320 + 4], [200, -200, 200, -200]);
    }

    #[test]
    fn two_recordings_of_one_stream_are_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, told) = recorder(FRAMES_MAX);
        for (name, level) in [("a.wav", 100), ("b.wav", 200)] {
            let mut recording = recorder.handle().record(key(1), folder.path().join(name));
            recording.write(&[level; FRAME_SAMPLES], &SILENT_FRAME);
        }
        recorder.stop();
        assert!(faults(told).is_empty());
        for (name, level) in [("a.wav", 50), ("b.wav", 100)] {
            let clip = wav::read(&fs::read(folder.path().join(name)).unwrap()).unwrap();
            assert_eq!(clip.samples, [level; FRAME_SAMPLES]);
        }
    }

    #[test]
    fn what_passed_unheard_is_silent_in_the_file_and_was_not_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, told) = recorder(FRAMES_MAX);
        let path = folder.path().join("call.wav");
        let mut recording = recorder.handle().record(key(1), path.clone());
        recording.write(&[1_000; FRAME_SAMPLES], &[1_000; FRAME_SAMPLES]);
        recording.pass(3);
        recording.write(&[2_000; FRAME_SAMPLES], &[2_000; FRAME_SAMPLES]);
        recording.pass(2);
        assert_eq!(recording.dropped(), 0);
        drop(recording);
        recorder.stop();
        assert!(faults(told).is_empty());
        let clip = wav::read(&fs::read(path).unwrap()).unwrap();
        let frames: Vec<i16> = clip.samples.chunks(FRAME_SAMPLES).map(|frame| frame[80]).collect();
        assert_eq!(frames, [1_000, 0, 0, 0, 2_000, 0, 0]);
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        let (recorder, told) = recorder(FRAMES_MAX);
        let mut recording = recorder.handle().record(key(1), folder.path().join("file/call.wav"));
        (0..10).for_each(|_| recording.write(&SILENT_FRAME, &SILENT_FRAME));
        drop(recording);
        recorder.stop();
        let faults = faults(told);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].contains("cannot create the recording") && faults[0].contains("call.wav"),
            "{faults:?}"
        );
    }

    #[test]
    fn what_a_full_queue_drops_is_counted_and_silent_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let (events, told) = mpsc::channel(16);
        // A desk that has not begun to work: the queue of two is full at once.
        let (frames, queue) = sync_channel(2);
        let (marks, inbox) = channel();
        let handle = Handle { frames, marks, numbers: Arc::default() };
        let desk = Desk { inbox, events, epoch: std::time::Instant::now(), files: BTreeMap::new() };
        let mut recording = handle.record(key(1), path.clone());
        (0..5).for_each(|_| recording.write(&[1_000; FRAME_SAMPLES], &[1_000; FRAME_SAMPLES]));
        assert_eq!(recording.dropped(), 3);
        drop((recording, handle));
        desk.run(&queue);
        assert!(faults(told).is_empty());
        let clip = wav::read(&fs::read(path).unwrap()).unwrap();
        assert_eq!((clip.samples[319], clip.samples[320], clip.samples.len()), (1_000, 0, 5 * FRAME_SAMPLES));
    }
}
