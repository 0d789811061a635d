//! Contact lists: CSV as people have it, read row by row; what cannot be dialed is reported by its line.
//!
//! [`Reader`] gives one `Ok` or one `Err` for each row, never nothing: a list is not shortened silently.
//! [`do_not_call::Reader`] reads do-not-call lists. Below them lie `records` (bytes to records, bounded, tolerant of
//! what editors and spreadsheets write) and `columns` (what the first row says about the others).

pub mod do_not_call;

mod columns;
mod fault;
mod records;

pub use fault::{RowFault, RowReason};
pub use records::ROW_BYTES_MAX;

use crate::number::{self, E164, Region};
use crate::record::NewContact;
use columns::Columns;
use records::{Record, Records};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Read;

/// The most columns of a row.
pub const COLUMNS_MAX: usize = 64;

/// The most contacts of a list; rows beyond are refused.
pub const CONTACTS_MAX: usize = 5_000_000;

/// How to read a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// For numbers without a `+`; without it they are refused.
    pub default_region: Option<Region>,
}

/// Reads a contact list: an iterator over its rows.
pub struct Reader<R> {
    records: Records<R>,
    options: Options,
    // None before the first row.
    columns: Option<Columns>,
    // The number as an integer, and the line it was first on.
    seen: HashMap<u64, u64>,
    ready: VecDeque<Result<(u64, NewContact), RowFault>>,
}

impl<R: Read> Reader<R> {
    /// Reads nothing yet.
    pub fn new(read: R, options: Options) -> Self {
        Reader {
            records: Records::new(read),
            options,
            columns: None,
            seen: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    fn read_first(&mut self, record: &Record) {
        let columns = Columns::of_first(&record.cells, |text| self.parse(text).is_ok());
        if !columns.is_header {
            let row = self.read_row(&columns, record);
            self.ready.push_back(row);
        } else if !columns.has_number {
            self.ready.push_back(Err(RowFault::new(record.line, 1, RowReason::NoNumberColumn)));
        }
        self.columns = Some(columns);
    }

    fn read_row(&mut self, columns: &Columns, record: &Record) -> Result<(u64, NewContact), RowFault> {
        let fault = |column: usize, reason| RowFault::new(record.line, column as u64 + 1, reason);
        let most = if columns.is_header { columns.len() } else { COLUMNS_MAX };
        if record.cells.len() > most {
            return Err(fault(most, RowReason::TooManyColumns { most }));
        }
        if let Some(column) = record.cells.iter().position(|cell| cell.contains(is_unprintable)) {
            return Err(fault(column, RowReason::ControlCharacter));
        }
        let text = record.cells.get(columns.number).map_or("", String::as_str);
        let number = self.parse(text).map_err(|reason| fault(columns.number, RowReason::Number(reason)))?;
        self.check_seen(&number, record.line).map_err(|reason| fault(columns.number, reason))?;
        Ok((record.line, columns.contact(number, &record.cells)))
    }

    fn parse(&self, text: &str) -> Result<E164, number::NumberFault> {
        number::parse(text, self.options.default_region)
    }

    fn check_seen(&mut self, number: &E164, line: u64) -> Result<(), RowReason> {
        let key = super::suppression::key(number);
        if let Some(first_line) = self.seen.get(&key) {
            return Err(RowReason::Duplicate { first_line: *first_line });
        }
        if self.seen.len() >= CONTACTS_MAX {
            return Err(RowReason::TooManyContacts);
        }
        self.seen.insert(key, line);
        Ok(())
    }
}

/// Control characters but tab and line ends, which a quoted cell may hold.
fn is_unprintable(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<(u64, NewContact), RowFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Some(row);
            }
            let record = match self.records.next()? {
                Ok(record) => record,
                Err(fault) => return Some(Err(fault)),
            };
            match self.columns.take() {
                None => self.read_first(&record),
                Some(columns) => {
                    let row = self.read_row(&columns, &record);
                    self.columns = Some(columns);
                    return Some(row);
                }
            }
        }
    }
}

impl Columns {
    fn contact(&self, number: E164, cells: &[String]) -> NewContact {
        let cell = |index: usize| cells.get(index).map_or("", |cell| cell.trim());
        let names: Vec<&str> =
            self.names.iter().map(|index| cell(*index)).filter(|name| !name.is_empty()).collect();
        let attributes: BTreeMap<String, String> = (0..cells.len())
            .filter(|index| self.is_attribute(*index) && !cell(*index).is_empty())
            .map(|index| (self.title(index), cell(index).to_owned()))
            .collect();
        NewContact {
            number,
            // A name is one line.
            name: names.join(" ").split_whitespace().collect::<Vec<_>>().join(" "),
            comment: self.comment.map_or("", cell).to_owned(),
            attributes,
        }
    }
}

#[cfg(test)]
mod tests;
