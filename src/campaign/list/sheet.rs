//! What the first row says of the others, and each row by itself: rows may be read in any order and at the same time.

use super::columns::Columns;
use super::fault::{RowFault, RowReason};
use super::records::Row;
use super::{COLUMNS_MAX, Options, PHONES_MAX};
use crate::number::{self, E164, NumberFault, ZoneGroup};
use crate::record::{NewContact, Past};
use std::collections::BTreeMap;

/// How the rows of one list are read.
#[derive(Clone, Debug)]
pub struct Sheet {
    // None where each row brings its own titles.
    columns: Option<Columns>,
    options: Options,
}

impl Sheet {
    /// By the list's first row, which may be a header or a contact.
    pub fn of_first(row: &Row, options: Options) -> Sheet {
        let columns = row.object().is_none().then(|| {
            Columns::of_first(&row.cells(), |text| number::parse(text, options.default_region).is_ok())
        });
        Sheet { columns, options }
    }

    /// Whether the first row is a header and no contact.
    pub fn begins_with_header(&self) -> bool {
        self.columns.as_ref().is_some_and(|columns| columns.is_header)
    }

    /// What is wrong with the header, if so; the rows can be tried all the same.
    pub fn fault(&self, header: &Row) -> Option<RowFault> {
        let lacking = self.columns.as_ref().is_some_and(|columns| !columns.has_number);
        lacking.then(|| RowFault::new(header.line, 1, RowReason::NoNumberColumn))
    }

    /// The titles by column, where they are known.
    pub fn titles(&self) -> &[String] {
        self.columns.as_ref().map_or(&[], Columns::titles)
    }

    /// A row as a contact.
    pub fn read(&self, row: &Row) -> Result<NewContact, RowFault> {
        match (&self.columns, row.object()) {
            (_, Some(Err(fault))) => Err(fault),
            (_, Some(Ok(fields))) => {
                let (titles, cells): (Vec<String>, Vec<String>) = fields.into_iter().unzip();
                let columns = Columns::of_titles(&titles);
                if !columns.has_number {
                    return Err(RowFault::new(row.line, 0, RowReason::NoNumberColumn));
                }
                self.contact(&columns, row.line, &cells)
            }
            (Some(columns), None) => self.contact(columns, row.line, &row.cells()),
            (None, None) => Err(RowFault::new(row.line, 0, RowReason::NotAnObject)),
        }
    }

    /// A fault of the row's number.
    pub fn of_number(&self, row: &Row, reason: RowReason) -> RowFault {
        let column = self.columns.as_ref().map_or(0, |columns| columns.number as u64 + 1);
        RowFault::new(row.line, column, reason)
    }

    fn contact(&self, columns: &Columns, line: u64, cells: &[String]) -> Result<NewContact, RowFault> {
        let fault = |column: usize, reason| RowFault::new(line, column as u64 + 1, reason);
        let most = if columns.is_header { columns.len() } else { COLUMNS_MAX };
        if cells.len() > most {
            return Err(fault(most, RowReason::TooManyColumns { most }));
        }
        if let Some(column) = cells.iter().position(|cell| cell.contains(is_unprintable)) {
            return Err(fault(column, RowReason::ControlCharacter));
        }
        let (number, further, left) = self
            .phones(columns, cells)
            .map_err(|(column, reason)| fault(column, RowReason::Number(reason)))?;
        Ok(columns.contact(number, further, &left, cells))
    }

    /// The number, those to try after it, and the columns of those that are none: they are kept as text. Where the first
    /// column is empty the next one steps in; one with a fault costs the row, for somebody meant it to be dialed first.
    fn phones(&self, columns: &Columns, cells: &[String]) -> Result<Phones, (usize, NumberFault)> {
        let parse = |column: usize| {
            number::parse(cells.get(column).map_or("", String::as_str), self.options.default_region)
        };
        let mut further = Vec::new();
        let mut left = Vec::new();
        for column in &columns.further {
            match parse(*column) {
                Ok(number) if further.len() + 1 < PHONES_MAX => further.push(number),
                _ => left.push(*column),
            }
        }
        let number = match parse(columns.number) {
            Err(NumberFault::Empty) if !further.is_empty() => further.remove(0),
            read => read.map_err(|fault| (columns.number, fault))?,
        };
        let mut before = vec![number.clone()];
        further.retain(|other| {
            let new = !before.contains(other);
            before.push(other.clone());
            new
        });
        Ok((number, further, left))
    }
}

type Phones = (E164, Vec<E164>, Vec<usize>);

/// Control characters but tab and line ends, which a quoted cell may hold.
fn is_unprintable(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

impl Columns {
    fn contact(&self, number: E164, further: Vec<E164>, left: &[usize], cells: &[String]) -> NewContact {
        let cell = |index: usize| cells.get(index).map_or("", |cell| cell.trim());
        let names: Vec<&str> =
            self.names.iter().map(|index| cell(*index)).filter(|name| !name.is_empty()).collect();
        let attributes: BTreeMap<String, String> = (0..cells.len())
            .filter(|index| self.is_attribute(*index) || left.contains(index))
            .filter(|index| !cell(*index).is_empty())
            .map(|index| (self.title(index), cell(index).to_owned()))
            .collect();
        NewContact {
            zone: ZoneGroup::of(&number),
            number,
            further,
            // A name is one line.
            name: names.join(" ").split_whitespace().collect::<Vec<_>>().join(" "),
            comment: self.comment.map_or("", cell).to_owned(),
            attributes,
            // A priority in words is an attribute and nothing else.
            past: Past::default(),
            priority: self.priority.and_then(|index| cell(index).parse().ok()).unwrap_or_default(),
        }
    }
}
