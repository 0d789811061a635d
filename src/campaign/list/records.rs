//! From bytes to records: lines of any ending, cells in quotes over several lines, UTF-8 or else Windows-1252, and the
//! separator found out (comma, semicolon or tab).
//!
//! The memory is bounded by one row. A quotation mark that is never closed costs its own line only: the row is given
//! up and reading goes on with the line after.

use super::fault::{RowFault, RowReason};
use std::collections::VecDeque;
use std::io::Read;

/// The longest row, line ends within quotes included.
pub const ROW_BYTES_MAX: usize = 64 * 1024;

/// The most lines of one row: a quotation mark that nothing closes is given up after so many.
pub const ROW_LINES_MAX: usize = 200;

/// How many lines are looked at to find the separator.
const SAMPLE_LINES: usize = 10;

const CHUNK_BYTES: usize = 16 * 1024;

/// One row, split into cells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Its cells as text.
    pub cells: Vec<String>,
}

/// The records of a file; blank lines are none.
pub(super) struct Records<R> {
    lines: Lines<R>,
    separator: Option<u8>,
}

impl<R: Read> Records<R> {
    pub fn new(read: R) -> Self {
        Records { lines: Lines::new(read), separator: None }
    }

    fn separator(&mut self) -> u8 {
        if let Some(known) = self.separator {
            return known;
        }
        let mut sample = Vec::new();
        for index in 0..SAMPLE_LINES {
            match self.lines.peek(index) {
                Some(Ok(line)) => sample.push(line.bytes.clone()),
                _ => break,
            }
        }
        *self.separator.insert(find_separator(&sample))
    }

    /// Takes lines until every quotation mark is closed.
    fn assemble(&mut self, first: Line) -> Result<Record, RowFault> {
        let separator = self.separator();
        let mut bytes = first.bytes;
        let mut following = 0;
        let mut at = At::CellStart.after(&bytes, separator);
        while at == At::Quoted {
            let room = ROW_BYTES_MAX.saturating_sub(bytes.len() + 1);
            let next = match self.lines.peek(following) {
                Some(Ok(next)) if next.bytes.len() <= room && following + 1 < ROW_LINES_MAX => next,
                _ => return Err(RowFault::new(first.number, 0, RowReason::OpenQuote)),
            };
            bytes.push(b'\n');
            bytes.extend_from_slice(&next.bytes);
            at = at.after(&next.bytes, separator);
            following += 1;
        }
        self.lines.skip(following);
        Ok(Record { line: first.number, cells: split(&bytes, separator) })
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Record, RowFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.separator();
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(fault) => return Some(Err(fault)),
            };
            let blank = |b: &u8| b.is_ascii_whitespace() || Some(*b) == self.separator;
            if !line.bytes.iter().all(blank) {
                return Some(self.assemble(line));
            }
        }
    }
}

fn split(bytes: &[u8], separator: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .buffer_capacity(bytes.len().max(1))
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    // A slice in memory has no errors of reading, and a flexible reader none of length.
    let _ = reader.read_byte_record(&mut record);
    record.iter().map(decode).collect()
}

/// Where in a cell a line ends. As in the `csv` crate a quotation mark counts only where a cell begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    CellStart,
    Bare,
    Quoted,
    QuoteInQuoted,
}

impl At {
    fn after(self, bytes: &[u8], separator: u8) -> At {
        bytes.iter().fold(self, |at, byte| match (at, *byte) {
            (At::CellStart | At::QuoteInQuoted, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::QuoteInQuoted,
            (At::Quoted, _) => At::Quoted,
            (_, byte) if byte == separator => At::CellStart,
            _ => At::Bare,
        })
    }
}

/// The separator that most lines have, then the one that is there most often; a comma when there is none.
fn find_separator(lines: &[Vec<u8>]) -> u8 {
    let score = |separator: u8| {
        let counts = lines.iter().map(|line| {
            let mut quoted = false;
            let outside = |byte: &&u8| {
                quoted ^= **byte == b'"';
                !quoted && **byte == separator
            };
            line.iter().filter(outside).count()
        });
        counts.fold((0, 0), |(lines, total), count| (lines + usize::from(count > 0), total + count))
    };
    // Of equals the last wins.
    [b'\t', b';', b','].into_iter().max_by_key(|separator| score(*separator)).unwrap_or(b',')
}

/// UTF-8, or else Windows-1252, the superset of Latin-1 that spreadsheets write.
fn decode(bytes: &[u8]) -> String {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes
            .iter()
            .map(|byte| match byte {
                0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
                _ => char::from(*byte),
            })
            .collect(),
    }
}

struct Line {
    number: u64,
    bytes: Vec<u8>,
}

/// Lines ended by LF, CR LF or CR, each at most [`ROW_BYTES_MAX`] long, with a look ahead.
struct Lines<R> {
    read: R,
    chunk: Vec<u8>,
    at: usize,
    after_cr: bool,
    number: u64,
    ended: bool,
    ahead: VecDeque<Result<Line, RowFault>>,
}

impl<R: Read> Lines<R> {
    fn new(read: R) -> Self {
        Lines {
            read,
            chunk: Vec::new(),
            at: 0,
            after_cr: false,
            number: 0,
            ended: false,
            ahead: VecDeque::new(),
        }
    }

    /// The line `index` lines ahead. What is looked at is bounded by the caller: a sample, or one row.
    fn peek(&mut self, index: usize) -> Option<&Result<Line, RowFault>> {
        while self.ahead.len() <= index {
            let line = self.read_line()?;
            self.ahead.push_back(line);
        }
        self.ahead.get(index)
    }

    fn skip(&mut self, lines: usize) {
        self.ahead.drain(..lines);
    }

    fn next(&mut self) -> Option<Result<Line, RowFault>> {
        self.ahead.pop_front().or_else(|| self.read_line())
    }

    fn read_line(&mut self) -> Option<Result<Line, RowFault>> {
        if self.ended {
            return None;
        }
        self.number += 1;
        let mut bytes = Vec::new();
        let mut too_long = false;
        loop {
            match self.next_byte() {
                Err(fault) => {
                    self.ended = true;
                    return Some(Err(fault));
                }
                Ok(None) => {
                    self.ended = true;
                    if bytes.is_empty() && !too_long {
                        return None;
                    }
                    break;
                }
                Ok(Some(b'\n')) if self.after_cr => self.after_cr = false,
                Ok(Some(end @ (b'\n' | b'\r'))) => {
                    self.after_cr = end == b'\r';
                    break;
                }
                Ok(Some(byte)) => {
                    self.after_cr = false;
                    too_long |= bytes.len() >= ROW_BYTES_MAX;
                    if !too_long {
                        bytes.push(byte);
                    }
                }
            }
        }
        let number = self.number;
        Some(if too_long {
            Err(RowFault::new(number, 0, RowReason::TooLong))
        } else {
            Ok(Line { number, bytes })
        })
    }

    fn next_byte(&mut self) -> Result<Option<u8>, RowFault> {
        if self.at == self.chunk.len() {
            self.fill()?;
        }
        let byte = self.chunk.get(self.at).copied();
        self.at += 1;
        self.at = self.at.min(self.chunk.len());
        Ok(byte)
    }

    fn fill(&mut self) -> Result<(), RowFault> {
        let is_first = self.chunk.is_empty();
        self.chunk.resize(CHUNK_BYTES, 0);
        let mut filled = 0;
        // The first bytes tell what kind of file it is, so they are wanted together.
        while filled < 4 {
            match self.read.read(&mut self.chunk[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(RowFault::new(self.number, 0, RowReason::Unreadable(error.to_string())));
                }
            }
        }
        self.chunk.truncate(filled);
        self.at = 0;
        if is_first {
            self.check_kind()?;
        }
        Ok(())
    }

    fn check_kind(&mut self) -> Result<(), RowFault> {
        let what = match self.chunk.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => {
                self.at = 3;
                return Ok(());
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text",
            [b'P', b'K', 3, 4] | [b'P', b'K', 3, 4, ..] => "a spreadsheet or a ZIP archive",
            [0xd0, 0xcf, 0x11, 0xe0, ..] => "an old spreadsheet",
            [0x1f, 0x8b, ..] => "a compressed file",
            [b'%', b'P', b'D', b'F', ..] => "a PDF document",
            _ => return Ok(()),
        };
        Err(RowFault::new(1, 0, RowReason::NotText(what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_every_fashion_and_are_counted() {
        assert_eq!(printed(b"a,b\nc\r\n\r\nd\re,\"x\ny\"\nf"), "1:a|b 2:c 4:d 5:e|x\ny 7:f");
    }

    #[test]
    fn the_separator_is_found_out() {
        assert_eq!(printed(b"a;b,c;d\ne;f;g\n"), "1:a|b,c|d 2:e|f|g");
        assert_eq!(printed(b"a\tb, c\nd\te\n"), "1:a|b, c 2:d|e");
        assert_eq!(printed(b"\"a;a;a;a\",b\n\"c\",d\n"), "1:a;a;a;a|b 2:c|d");
        assert_eq!(printed(b"12025550101\n"), "1:12025550101");
    }

    #[test]
    fn quotes_may_be_doubled_and_count_only_where_a_cell_begins() {
        assert_eq!(printed(b"\"a \"\"b\"\" c\",d 5\" e\nf,g\n"), "1:a \"b\" c|d 5\" e 2:f|g");
    }

    #[test]
    fn an_open_quote_costs_its_own_line_only() {
        assert_eq!(printed(b"a,b\nc,\"d\ne,f\ng,h\n"), "1:a|b 2!open_quote 3:e|f 4:g|h");
    }

    #[test]
    fn a_row_beyond_the_bound_is_refused_and_the_next_one_read() {
        let mut text = vec![b'x'; ROW_BYTES_MAX + 1];
        text.extend_from_slice(b"\nb\n\"");
        text.extend(std::iter::repeat_n(b"yyyyyyy\n", ROW_BYTES_MAX / 8).flatten());
        let records: Vec<_> = Records::new(text.as_slice()).collect();
        assert_eq!(records[0], Err(RowFault::new(1, 0, RowReason::TooLong)));
        assert_eq!(records[1], Ok(Record { line: 2, cells: vec!["b".into()] }));
        assert_eq!(records[2], Err(RowFault::new(3, 0, RowReason::OpenQuote)));
        assert_eq!(records.len(), 3 + ROW_BYTES_MAX / 8 - 1);
    }

    #[test]
    fn a_mark_at_the_start_is_dropped_and_what_is_no_text_is_refused() {
        assert_eq!(printed(b"\xef\xbb\xbfa,b\n"), "1:a|b");
        assert_eq!(printed(b"J\xfcrgen,\x80 5\n"), "1:Jürgen|€ 5");
        for other in
            [&b"\xff\xfea\0"[..], b"PK\x03\x04abc", b"\x1f\x8b\x08\0", b"%PDF-1.7", b"\xd0\xcf\x11\xe0\xa1"]
        {
            assert_eq!(printed(other), "1!not_text", "{other:?}");
        }
        assert_eq!(printed(b""), "");
    }

    #[test]
    fn a_file_that_breaks_off_is_reported() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                if buffer.len() < CHUNK_BYTES {
                    return Err(std::io::Error::other("disk on fire"));
                }
                buffer[..3].copy_from_slice(b"a,b");
                Ok(3)
            }
        }
        let last = Records::new(Breaks).last().unwrap().unwrap_err();
        assert_eq!(last.to_string(), "line 1: cannot be read on: disk on fire");
    }

    fn printed(bytes: &[u8]) -> String {
        let one = |record: Result<Record, RowFault>| match record {
            Ok(record) => format!("{}:{}", record.line, record.cells.join("|")),
            Err(fault) => format!("{}!{}", fault.line, fault.reason.as_str()),
        };
        Records::new(bytes).map(one).collect::<Vec<_>>().join(" ")
    }
}
