//! Contact lists: CSV, TSV or JSON lines as people have them, read row by row; what cannot be dialed is reported by its
//! line.
//!
//! [`Reader`] gives one `Ok` or one `Err` for each row, never nothing: a list is not shortened silently.
//! [`do_not_call::Reader`] reads do-not-call lists. Below them lie `records` (bytes to rows, bounded, tolerant of what
//! editors and spreadsheets write), `encoding` (bytes to UTF-8), `columns` (what the first row says about the others) and
//! `sheet` (one row by itself, which several threads may do at once).

pub mod do_not_call;

mod columns;
mod encoding;
mod fault;
mod records;
mod seen;
mod sheet;
pub mod vicidial;

pub use fault::{RowFault, RowReason};
pub use records::{ROW_BYTES_MAX, Row, Rows};
pub use seen::Seen;
pub use sheet::Sheet;

use crate::number::Region;
use crate::record::NewContact;
use std::io::Read;

/// The most columns of a row.
pub const COLUMNS_MAX: usize = 64;

/// The most contacts of a list; rows beyond are refused.
pub const CONTACTS_MAX: usize = 20_000_000;

/// The most telephone numbers of a contact.
pub const PHONES_MAX: usize = 4;

/// How to read a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// For numbers without a `+`; without it they are refused.
    pub default_region: Option<Region>,
}

/// Reads a contact list: an iterator over its rows.
pub struct Reader<R> {
    rows: Rows<R>,
    options: Options,
    // None before the first row.
    sheet: Option<Sheet>,
    seen: Seen,
}

impl<R: Read> Reader<R> {
    /// Reads nothing yet.
    pub fn new(read: R, options: Options) -> Self {
        Reader { rows: Rows::new(read), options, sheet: None, seen: Seen::default() }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<(u64, NewContact), RowFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = match self.rows.next()? {
                Ok(row) => row,
                Err(fault) => return Some(Err(fault)),
            };
            let sheet = match &self.sheet {
                Some(sheet) => sheet,
                None => {
                    let sheet = self.sheet.insert(Sheet::of_first(&row, self.options));
                    if sheet.begins_with_header() {
                        match sheet.fault(&row) {
                            Some(fault) => return Some(Err(fault)),
                            None => continue,
                        }
                    }
                    sheet
                }
            };
            let read = sheet.read(&row);
            return Some(read.and_then(|contact| {
                self.seen.check(&contact.number, row.line).map_err(|reason| sheet.of_number(&row, reason))?;
                Ok((row.line, contact))
            }));
        }
    }
}

#[cfg(test)]
mod tests;
