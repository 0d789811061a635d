//! The recorder: one thread that writes stereo WAV files, left what the peer says, right what we send.
//!
//! Frames come through a queue with memory of its own, so a media thread neither waits nor allocates. When the disk
//! falls behind and the queue is full, frames are dropped and counted; the media thread reports them when the stream
//! ends. In the file their place is silent, so that what follows is at its right time. Beginnings and ends travel beside the queue and are never lost.
//!
//! A file can be read at any time: its header tells of what has been written by then, from the first second on, and where
//! the disk is full, of what has found room.

use crate::audio::{Frame, SILENT_FRAME, wav};
use crate::media::command::{Event, EventKind, StreamKey};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
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

/// And for the first time: of a short call something is left, too.
const FIRST_FLUSH: u32 = 50;

/// Where the sizes stand in the header: of the file behind it, and of the samples, which follow.
const FILE_SIZE: u64 = 4;
const SAMPLES_SIZE: u64 = 40;
const HEADER: u64 = 44;

/// A sample of either side.
const PAIR: u64 = 4;

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
    writer: Option<Writer>,
    frames: u32,
    taken: u32,
    end: Option<End>,
}

/// A file, and who writes it.
struct Writer {
    wav: hound::WavWriter<BufWriter<Arc<File>>>,
    file: Arc<File>,
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
        let writer = match Writer::create(&path) {
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
            if let Some(writer) = file.writer.take() {
                writer.give_up();
            }
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
        if let Err(error) = writer.finish(padded) {
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
        let mut block = writer.wav.get_i16_writer(2 * heard.len() as u32);
        for (left, right) in heard.iter().zip(said) {
            block.write_sample(*left);
            block.write_sample(*right);
        }
        block.flush()?;
        self.frames += 1;
        let due = self.frames == FIRST_FLUSH || self.frames.is_multiple_of(FLUSH_FRAMES);
        if due { writer.wav.flush() } else { Ok(()) }
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

impl Writer {
    fn create(path: &Path) -> Result<Writer, hound::Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(hound::Error::IoError)?;
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(path);
        let file = Arc::new(file.map_err(hound::Error::IoError)?);
        let mut wav = hound::WavWriter::new(BufWriter::new(Arc::clone(&file)), wav::spec(2))?;
        // A header without sizes would be refused by who reads it; this one tells of no sound yet.
        wav.flush()?;
        Ok(Writer { wav, file })
    }

    /// The last words, unless what comes before them could not be written.
    fn finish(self, padded: Result<(), hound::Error>) -> Result<(), hound::Error> {
        let Writer { wav, file } = self;
        let finished = match padded {
            Ok(()) => wav.finalize(),
            Err(error) => {
                drop(wav);
                Err(error)
            }
        };
        if finished.is_err() {
            tell_sizes(&file);
        }
        finished
    }

    /// Something could not be written: what is there can still be read.
    fn give_up(self) {
        let Writer { wav, file } = self;
        // It tries once more to write what it still holds, and only then a header, which it does not come to.
        drop(wav);
        tell_sizes(&file);
    }
}

/// Puts the sizes of what is in the file into its header: on a full disk there is room for what was there before.
fn tell_sizes(file: &File) {
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return };
    if length < HEADER {
        return;
    }
    let samples = (length - HEADER) / PAIR * PAIR;
    for (place, size) in [(FILE_SIZE, HEADER - 8 + samples), (SAMPLES_SIZE, samples)] {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        if let Err(error) = file.write_all_at(&size.to_le_bytes(), place) {
            tracing::warn!(%error, "the header of a recording could not be brought up to date");
        }
    }
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

    /// In the environment of the process whose files may not grow beyond 64 KiB (or 128, as shells count differently).
    const SMALL: &str = "OUTDIAL_RECORDER_SMALL";

    /// How long a file is for who reads it, in frames.
    fn frames_of(path: &Path) -> u32 {
        hound::WavReader::open(path).expect("it can be read").duration() / FRAME_SAMPLES as u32
    }

    #[test]
    fn where_the_disk_is_full_the_file_tells_of_all_that_found_room() {
        if std::env::var_os(SMALL).is_none() {
            // The limit is one of the whole process, and a signal that has to be ignored tells of it.
            const NAME: &str =
                "io::recorder::tests::where_the_disk_is_full_the_file_tells_of_all_that_found_room";
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$@\"", "sh"]);
            shell.arg(std::env::current_exe().unwrap()).args(["--exact", NAME, "--nocapture"]);
            let output = shell.env(SMALL, "yes").output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        // With and without an end that has to be padded; there is room for two seconds of sound, or four.
        for (written, passed) in [(300, 0), (20, 300)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("call.wav");
            let (recorder, told) = recorder(FRAMES_MAX);
            let mut recording = recorder.handle().record(key(1), path.clone());
            (0..written).for_each(|_| recording.write(&[1_000; FRAME_SAMPLES], &[1_000; FRAME_SAMPLES]));
            recording.pass(passed);
            drop(recording);
            recorder.stop();
            let faults = faults(told);
            assert!(faults.len() == 1 && faults[0].contains("the recording"), "{faults:?}");
            let length = fs::metadata(&path).unwrap().len();
            assert!(length == 64 * 1_024 || length == 128 * 1_024, "{length}");
            assert_eq!(u64::from(frames_of(&path)), (length - HEADER) / 640);
        }
    }

    #[test]
    fn of_a_call_that_a_crash_cuts_short_all_but_the_last_seconds_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        for (written, readable) in [(49, 0), (50, 50), (249, 50), (250, 250)] {
            let path = folder.path().join(format!("{written}.wav"));
            let writer = Some(Writer::create(&path).unwrap());
            let mut open =
                Open { stream: key(1), path: path.clone(), writer, frames: 0, taken: 0, end: None };
            for place in 0..written {
                open.write(place, &SILENT_FRAME, &SILENT_FRAME).unwrap();
            }
            // Nobody says any last words.
            assert_eq!(frames_of(&path), readable, "{written}");
            std::mem::forget(open);
        }
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
