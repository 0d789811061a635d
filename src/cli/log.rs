//! The log: standard error, for people or as JSON lines.
//!
//! A busy engine tells of thousands of steps a second. Where nobody watches a terminal, lines gather for a moment and are
//! written together by a thread of their own, so that neither the disk nor a full pipe holds up a call.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others at most.
const GATHER: Duration = Duration::from_millis(100);

/// Bytes that wait at most; whoever logs beyond them writes them himself.
const WAITING_MAX: usize = 1 << 20;

/// How the log looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// For people and journald.
    Text,
    /// One JSON object a line.
    Json,
}

/// While it lives, lines may wait; dropping it writes what waits. Lines that come later are written at once.
#[must_use = "lines wait no longer than this lives"]
#[derive(Debug)]
pub struct Logging {
    gathered: Option<Gathered>,
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(gathered) = &self.gathered {
            gathered.write_through();
        }
    }
}

/// Starts logging. `OUTDIAL_LOG` says what is logged; without it `level`.
pub fn start(format: LogFormat, level: &str) -> Logging {
    let filter = EnvFilter::try_from_env("OUTDIAL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let is_terminal = io::stderr().is_terminal();
    let gathered = if is_terminal { None } else { Gathered::start() };
    let out = Out { gathered: gathered.clone() };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(out)
        .with_ansi(is_terminal)
        .with_target(false);
    // A second start, as tests in one process make it, keeps the first.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let Some(gathered) = gathered.clone() {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            gathered.write_waiting();
            told(panic);
        }));
    }
    Logging { gathered }
}

/// Where each line goes.
struct Out {
    gathered: Option<Gathered>,
}

impl<'a> MakeWriter<'a> for Out {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        match &self.gathered {
            Some(gathered) => Box::new(gathered),
            None => Box::new(io::stderr()),
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// No line waits any more: the end has begun.
    at_once: bool,
}

/// Lines on their way.
#[derive(Clone, Debug)]
struct Gathered {
    waiting: Arc<Mutex<Waiting>>,
    wake: SyncSender<()>,
}

impl Gathered {
    /// None when there is no thread to be had: then each line is written by itself.
    fn start() -> Option<Gathered> {
        let (wake, woken) = sync_channel(1);
        let waiting = Arc::<Mutex<Waiting>>::default();
        let gathered = Gathered { waiting: Arc::clone(&waiting), wake };
        let work = move || write_now_and_then(&woken, &waiting);
        std::thread::Builder::new().name("log".into()).spawn(work).ok()?;
        Some(gathered)
    }

    fn write_waiting(&self) {
        write_out(&self.waiting, false);
    }

    fn write_through(&self) {
        write_out(&self.waiting, true);
    }
}

/// One line each time, as the formatter hands it over.
impl Write for &Gathered {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (is_first, is_due) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = waiting.lines.is_empty();
            waiting.lines.extend_from_slice(line);
            (is_first, waiting.at_once || waiting.lines.len() > WAITING_MAX)
        };
        if is_due {
            self.write_waiting();
        } else if is_first {
            // Full means that the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_now_and_then(woken: &Receiver<()>, waiting: &Mutex<Waiting>) {
    // A line that comes first after the last look has left a word, so none is forgotten.
    while woken.recv().is_ok() {
        std::thread::sleep(GATHER);
        write_out(waiting, false);
    }
}

/// The lines are taken and written under standard error's own lock, so that none overtakes another, and none waits for the
/// disk to be told.
fn write_out(waiting: &Mutex<Waiting>, at_once: bool) {
    let mut out = io::stderr().lock();
    let lines = {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.at_once |= at_once;
        std::mem::take(&mut waiting.lines)
    };
    // A log that cannot be written must not end calls.
    let _ = out.write_all(&lines);
}
