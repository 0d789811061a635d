//! Do-not-call lists: one number a line, or the number's column of a CSV; `#` begins a comment.

use super::Options;
use super::columns::Columns;
use super::fault::{RowFault, RowReason};
use super::records::Rows;
use crate::number::{self, E164};
use std::io::Read;

/// Reads a do-not-call list: an iterator over its numbers. A number that stands there twice is given twice.
///
/// Nothing is skipped silently: a row that cannot be read might be a person who asked not to be called.
pub struct Reader<R> {
    rows: Rows<R>,
    options: Options,
    column: Option<usize>,
}

impl<R: Read> Reader<R> {
    /// Reads nothing yet.
    pub fn new(read: R, options: Options) -> Self {
        Reader { rows: Rows::new(read), options, column: None }
    }

    fn parse(&self, text: &str) -> Result<E164, number::NumberFault> {
        // A premium or unassigned number may stand there; it does no harm, and it cannot be dialed anyway.
        let text = text.split('#').next().unwrap_or_default();
        number::parse(text, self.options.default_region)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<(u64, E164), RowFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = match self.rows.next()? {
                Ok(row) => row,
                Err(fault) => return Some(Err(fault)),
            };
            let (cells, column) = match row.object() {
                Some(Err(fault)) => return Some(Err(fault)),
                Some(Ok(fields)) => {
                    let (titles, cells): (Vec<String>, Vec<String>) = fields.into_iter().unzip();
                    (cells, Columns::of_titles(&titles).number)
                }
                None => {
                    let cells = row.cells();
                    if cells.first().is_some_and(|cell| cell.trim_start().starts_with('#')) {
                        continue;
                    }
                    match self.column {
                        Some(column) => (cells, column),
                        None => {
                            let columns = Columns::of_first(&cells, |text| self.parse(text).is_ok());
                            self.column = Some(columns.number);
                            if columns.is_header {
                                continue;
                            }
                            (cells, columns.number)
                        }
                    }
                }
            };
            let text = cells.get(column).map_or("", String::as_str);
            let fault = |reason| RowFault::new(row.line, column as u64 + 1, RowReason::Number(reason));
            return Some(self.parse(text).map(|number| (row.line, number)).map_err(fault));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Region;

    #[test]
    fn numbers_stand_one_a_line_or_in_a_column_with_comments_between() {
        for text in [
            "# ours\n+12025550101\n\n(202) 555-0102 # asked on 3 May\n",
            "2025550101,2026-01-02\n2025550102,2026-01-03\n",
            "date;phone\n2026-01-02;+12025550101\n#old\n2026-01-03;+12025550102\n",
        ] {
            assert_eq!(read(text), "+12025550101 +12025550102", "{text}");
        }
    }

    #[test]
    fn the_fixture_reads() {
        let text = include_str!("../../../fixtures/contacts/do-not-call.csv");
        assert_eq!(read(text), "+12025550109 +12025550119");
    }

    #[test]
    fn what_cannot_be_read_is_reported_with_its_line() {
        assert_eq!(read("+12025550101\nJohn\n911\n"), "+12025550101 2!not_a_number 3!too_short");
    }

    fn read(text: &str) -> String {
        let options = Options { default_region: Region::from_code("US") };
        let one = |row: Result<(u64, E164), RowFault>| match row {
            Ok((_, number)) => number.to_string(),
            Err(fault) => format!("{}!{}", fault.line, fault.reason.as_str()),
        };
        Reader::new(text.as_bytes(), options).map(one).collect::<Vec<_>>().join(" ")
    }
}
