//! From bytes to rows: lines of any ending, cells in quotes over several lines, the separator found out (comma, semicolon
//! or tab), or one JSON object a line.
//!
//! The memory is bounded by one row. A quotation mark that is never closed costs its own line only: the row is given
//! up and reading goes on with the line after.

use super::encoding::{Encoding, decode};
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

/// As many as tell what kind of file it is.
const FIRST_BYTES: usize = 4;

/// How the rows of a file are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Cells with this byte between them.
    Cells(u8),
    /// A JSON object.
    Object,
}

/// One row as the file has it, in UTF-8 or Windows-1252.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The line on which it begins, from 1.
    pub line: u64,
    bytes: Vec<u8>,
    form: Form,
}

impl Row {
    /// Its cells as text; of an object, the values.
    pub fn cells(&self) -> Vec<String> {
        match self.form {
            Form::Cells(separator) => split(&self.bytes, separator),
            Form::Object => self.fields().unwrap_or_default().into_iter().map(|(_, value)| value).collect(),
        }
    }

    /// An object's titles and values; none when the rows are cells, an error when the row is no object.
    pub(super) fn object(&self) -> Option<Result<Vec<(String, String)>, RowFault>> {
        (self.form == Form::Object)
            .then(|| self.fields().ok_or_else(|| RowFault::new(self.line, 0, RowReason::NotAnObject)))
    }

    /// What is not text is written as JSON writes it, and what is null is empty.
    fn fields(&self) -> Option<Vec<(String, String)>> {
        use serde_json::{Map, Value};
        let fields: Map<String, Value> = serde_json::from_str(&decode(&self.bytes)).ok()?;
        let text = |value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Some(fields.into_iter().map(|(title, value)| (title, text(value))).collect())
    }
}

/// The rows of a file; blank lines are none.
pub struct Rows<R> {
    lines: Lines<R>,
    form: Option<Form>,
}

impl<R: Read> Rows<R> {
    /// Reads nothing yet.
    pub fn new(read: R) -> Self {
        Rows { lines: Lines::new(read), form: None }
    }

    /// By the first lines.
    fn form(&mut self) -> Form {
        if let Some(known) = self.form {
            return known;
        }
        let mut sample = Vec::new();
        for index in 0..SAMPLE_LINES {
            match self.lines.peek(index) {
                Some(Ok(line)) => sample.push(line.bytes.clone()),
                _ => break,
            }
        }
        let first = sample.iter().flatten().find(|byte| !byte.is_ascii_whitespace());
        *self.form.insert(match first {
            Some(b'{') => Form::Object,
            _ => Form::Cells(find_separator(&sample)),
        })
    }

    /// Takes lines until every quotation mark is closed.
    fn assemble(&mut self, first: Line, separator: u8) -> Result<Row, RowFault> {
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
        Ok(Row { line: first.number, bytes, form: Form::Cells(separator) })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, RowFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let form = self.form();
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(fault) => return Some(Err(fault)),
            };
            let blank = |b: &u8| b.is_ascii_whitespace() || Form::Cells(*b) == form;
            if !line.bytes.iter().all(blank) {
                return Some(match form {
                    Form::Cells(separator) => self.assemble(line, separator),
                    Form::Object => Ok(Row { line: line.number, bytes: line.bytes, form }),
                });
            }
        }
    }
}

fn split(bytes: &[u8], separator: u8) -> Vec<String> {
    // Making a reader costs more than reading the row, and only quotation marks need one.
    if !bytes.contains(&b'"') {
        let cells = bytes.split(|byte| *byte == separator);
        return cells.map(|cell| decode(cell).into_owned()).collect();
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .buffer_capacity(bytes.len().max(1))
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    // A slice in memory has no errors of reading, and a flexible reader none of length.
    let _ = reader.read_byte_record(&mut record);
    record.iter().map(|cell| decode(cell).into_owned()).collect()
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

struct Line {
    number: u64,
    bytes: Vec<u8>,
}

/// Lines ended by LF, CR LF or CR, each at most [`ROW_BYTES_MAX`] long, with a look ahead.
struct Lines<R> {
    read: R,
    // None before the first bytes have been looked at.
    encoding: Option<Encoding>,
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
            encoding: None,
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
            if self.at == self.chunk.len() {
                if let Err(fault) = self.fill() {
                    self.ended = true;
                    return Some(Err(fault));
                }
                if self.chunk.is_empty() {
                    self.ended = true;
                    if bytes.is_empty() && !too_long {
                        return None;
                    }
                    break;
                }
            }
            if std::mem::take(&mut self.after_cr) && self.chunk[self.at] == b'\n' {
                self.at += 1;
                continue;
            }
            let rest = &self.chunk[self.at..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &rest[..end.unwrap_or(rest.len())];
            too_long |= bytes.len() + part.len() > ROW_BYTES_MAX;
            if !too_long {
                bytes.extend_from_slice(part);
            }
            self.at += part.len();
            if end.is_some() {
                self.after_cr = self.chunk[self.at] == b'\r';
                self.at += 1;
                break;
            }
        }
        let number = self.number;
        Some(if too_long {
            Err(RowFault::new(number, 0, RowReason::TooLong))
        } else {
            Ok(Line { number, bytes })
        })
    }

    /// Another chunk of text; an empty one is the end.
    fn fill(&mut self) -> Result<(), RowFault> {
        self.at = 0;
        loop {
            let ended = self.read_chunk()?;
            if self.encoding.is_none() {
                let (encoding, mark) = Encoding::of_first(&self.chunk)
                    .map_err(|what| RowFault::new(1, 0, RowReason::NotText(what)))?;
                self.chunk.drain(..mark);
                self.encoding = Some(encoding);
            }
            if let Some(encoding) = &mut self.encoding {
                encoding.decode_into_utf_8(&mut self.chunk, ended);
            }
            // A mark alone, or half a character, is no text yet.
            if ended || !self.chunk.is_empty() {
                return Ok(());
            }
        }
    }

    /// Fills the chunk and tells whether the file has ended.
    fn read_chunk(&mut self) -> Result<bool, RowFault> {
        self.chunk.resize(CHUNK_BYTES, 0);
        let mut filled = 0;
        // The first bytes tell what kind of file it is, so they are wanted together.
        while filled < FIRST_BYTES {
            match self.read.read(&mut self.chunk[filled..]) {
                Ok(0) => {
                    self.chunk.truncate(filled);
                    return Ok(filled == 0);
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(RowFault::new(self.number, 0, RowReason::Unreadable(error.to_string())));
                }
            }
        }
        self.chunk.truncate(filled);
        Ok(false)
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
        let records: Vec<_> = Rows::new(text.as_slice()).collect();
        assert_eq!(records[0], Err(RowFault::new(1, 0, RowReason::TooLong)));
        assert_eq!(records[1].as_ref().map(|row| (row.line, row.cells())), Ok((2, vec!["b".to_owned()])));
        assert_eq!(records[2], Err(RowFault::new(3, 0, RowReason::OpenQuote)));
        assert_eq!(records.len(), 3 + ROW_BYTES_MAX / 8 - 1);
    }

    #[test]
    fn a_mark_at_the_start_is_dropped_and_what_is_no_text_is_refused() {
        assert_eq!(printed(b"\xef\xbb\xbfa,b\n"), "1:a|b");
        assert_eq!(printed(b"J\xfcrgen,\x80 5\n"), "1:Jürgen|€ 5");
        for other in [&b"PK\x03\x04abc"[..], b"\x1f\x8b\x08\0", b"%PDF-1.7", b"\xd0\xcf\x11\xe0\xa1"] {
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
        let last = Rows::new(Breaks).last().unwrap().unwrap_err();
        assert_eq!(last.to_string(), "line 1: cannot be read on: disk on fire");
    }

    fn printed(bytes: &[u8]) -> String {
        let one = |record: Result<Row, RowFault>| match record {
            Ok(row) => format!("{}:{}", row.line, row.cells().join("|")),
            Err(fault) => format!("{}!{}", fault.line, fault.reason.as_str()),
        };
        Rows::new(bytes).map(one).collect::<Vec<_>>().join(" ")
    }
}
