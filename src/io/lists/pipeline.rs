//! A contact list read by several threads: one finds the rows, others read their numbers, and the rows come out in their
//! order. Numbers are what takes the time: each is held against its country's numbering plan.

use super::ListFile;
use crate::campaign::list::{Options, Row, RowFault, Rows, Seen, Sheet};
use crate::record::NewContact;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Rows that travel together.
const CHUNK_ROWS: usize = 500;

/// Chunks that wait for a thread, and for whoever asked for them.
const CHUNKS_WAITING: usize = 2;

/// Threads that read numbers: more than four would wait for the store.
const THREADS_MAX: usize = 4;

/// A row that is no contact.
pub struct Refused {
    /// Why.
    pub fault: RowFault,
    /// The row, where there is one.
    pub row: Option<Row>,
}

/// Rows in their order, each a contact or not.
pub struct Chunk {
    /// What the first row said.
    pub sheet: Option<Arc<Sheet>>,
    /// The rows.
    pub rows: Vec<Result<NewContact, Refused>>,
}

/// Rows as they are found.
struct Found {
    sheet: Option<Arc<Sheet>>,
    rows: Vec<Result<Row, RowFault>>,
}

/// The rows with the lines that they begin on.
struct Read {
    sheet: Option<Arc<Sheet>>,
    rows: Vec<(Row, Result<NewContact, RowFault>)>,
    faults: Vec<(usize, RowFault)>,
}

/// A list that is being read.
pub struct Pipeline {
    threads: Vec<Receiver<Read>>,
    next: usize,
    seen: Seen,
}

impl Pipeline {
    /// Starts the threads; they end with the list, or when nobody wants its rows any more.
    pub fn start(file: ListFile, options: Options) -> Pipeline {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let (mut ways, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (way, found) = sync_channel::<Found>(CHUNKS_WAITING);
            let (read, rows) = sync_channel(CHUNKS_WAITING);
            std::thread::spawn(move || {
                while let Ok(chunk) = found.recv() {
                    if read.send(judge(chunk)).is_err() {
                        return;
                    }
                }
            });
            ways.push(way);
            threads.push(rows);
        }
        std::thread::spawn(move || find(file, options, &ways));
        Pipeline { threads, next: 0, seen: Seen::default() }
    }

    /// The next rows; none at the end of the list.
    pub fn next_chunk(&mut self) -> Option<Chunk> {
        // The chunks went round the threads, so they come back in the same round.
        let read = self.threads[self.next].recv().ok()?;
        self.next = (self.next + 1) % self.threads.len();
        let mut rows = Vec::with_capacity(read.rows.len() + read.faults.len());
        let mut faults = read.faults.into_iter().peekable();
        let mut judged = read.rows.into_iter();
        loop {
            if let Some((_, fault)) = faults.next_if(|(place, _)| *place == rows.len()) {
                rows.push(Err(Refused { fault, row: None }));
                continue;
            }
            let Some((row, outcome)) = judged.next() else { break };
            let outcome = outcome.and_then(|contact| match self.seen.check(&contact.number, row.line) {
                Ok(()) => Ok(contact),
                Err(reason) => {
                    let sheet = read.sheet.as_ref().expect("a row was read, so its sheet is known");
                    Err(sheet.of_number(&row, reason))
                }
            });
            rows.push(outcome.map_err(|fault| Refused { fault, row: Some(row) }));
        }
        Some(Chunk { sheet: read.sheet, rows })
    }
}

/// Finds the rows and hands them round.
fn find(file: ListFile, options: Options, ways: &[SyncSender<Found>]) {
    let mut rows = Rows::new(file.read);
    let mut sheet: Option<Arc<Sheet>> = None;
    let mut ways = ways.iter().cycle();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        while chunk.len() < CHUNK_ROWS {
            let Some(row) = rows.next() else { break };
            if let (Ok(first), None) = (&row, &sheet) {
                let known = sheet.insert(Arc::new(Sheet::of_first(first, options)));
                if known.begins_with_header() {
                    chunk.extend(known.fault(first).map(Err));
                    continue;
                }
            }
            chunk.push(row);
        }
        if chunk.is_empty() {
            return;
        }
        let way = ways.next().expect("there is at least one thread");
        if way.send(Found { sheet: sheet.clone(), rows: chunk }).is_err() {
            return;
        }
    }
}

fn judge(found: Found) -> Read {
    let mut read =
        Read { sheet: found.sheet, rows: Vec::with_capacity(found.rows.len()), faults: Vec::new() };
    for (place, row) in found.rows.into_iter().enumerate() {
        match (row, &read.sheet) {
            (Ok(row), Some(sheet)) => {
                let outcome = sheet.read(&row);
                read.rows.push((row, outcome));
            }
            (Ok(_), None) => unreachable!("the first row makes the sheet"),
            (Err(fault), _) => read.faults.push((place, fault)),
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::list::Reader;
    use crate::number::Region;
    use std::fmt::Write as _;

    #[test]
    fn many_threads_say_what_one_says() {
        let mut text = "number,name\n".to_owned();
        for n in 0..5_000 {
            let number = 2_000_000 + n - 3 * u32::from(n % 97 == 50);
            match n % 113 {
                7 => text.push_str("12,short\n"),
                11 => text.push_str("+12025550101,\"open\n"),
                _ => writeln!(text, "+1202{number:07},n {n}").unwrap(),
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, &text).unwrap();
        let options = Options { default_region: Region::from_code("US") };
        let alone: Vec<Result<NewContact, RowFault>> =
            Reader::new(text.as_bytes(), options).map(|row| row.map(|(_, contact)| contact)).collect();
        let mut pipeline = Pipeline::start(ListFile::open(&path).unwrap(), options);
        let mut together = Vec::new();
        while let Some(chunk) = pipeline.next_chunk() {
            together.extend(chunk.rows.into_iter().map(|row| row.map_err(|refused| refused.fault)));
        }
        assert!(alone.iter().filter(|row| row.is_err()).count() > 40);
        assert_eq!(together, alone);
    }

    #[test]
    fn a_list_of_no_row_ends_at_once_and_a_dropped_one_ends_its_threads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, "").unwrap();
        let options = Options { default_region: None };
        assert!(Pipeline::start(ListFile::open(&path).unwrap(), options).next_chunk().is_none());
        std::fs::write(&path, "+12025550101\n".repeat(20_000)).unwrap();
        let mut pipeline = Pipeline::start(ListFile::open(&path).unwrap(), options);
        assert_eq!(pipeline.next_chunk().map(|chunk| chunk.rows.len()), Some(CHUNK_ROWS));
        drop(pipeline);
    }
}
