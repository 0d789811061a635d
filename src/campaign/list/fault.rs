//! Why a row was skipped: by line and column, with what to do about it.

use super::{COLUMNS_MAX, CONTACTS_MAX, ROW_BYTES_MAX};
use crate::number::NumberFault;
use std::fmt;

/// A row that is no contact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowFault {
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
    /// The column, from 1; 0 when it is the whole row.
    pub column: u64,
    /// What is wrong.
    pub reason: RowReason,
}

/// What is wrong with a row. `Display` says what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RowReason {
    /// The number cannot or must not be dialed.
    Number(NumberFault),
    /// The number was on the list before.
    Duplicate {
        /// There.
        first_line: u64,
    },
    /// More cells than the header, or than a row may have.
    TooManyColumns {
        /// How many there may be.
        most: usize,
    },
    /// A quotation mark opens a cell and nothing closes it.
    OpenQuote,
    /// The row is longer than [`ROW_BYTES_MAX`].
    TooLong,
    /// A cell holds a control character.
    ControlCharacter,
    /// The list has JSON objects, one a line, and this line is none.
    NotAnObject,
    /// The first row is a header, and none of its titles is one for a number.
    NoNumberColumn,
    /// The list is longer than [`CONTACTS_MAX`].
    TooManyContacts,
    /// The file is not text: a spreadsheet or something else.
    NotText(&'static str),
    /// The file could not be read on.
    Unreadable(String),
}

impl RowFault {
    pub(super) fn new(line: u64, column: u64, reason: RowReason) -> RowFault {
        RowFault { line, column, reason }
    }
}

impl RowReason {
    /// The word in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            RowReason::Number(fault) => fault.as_str(),
            RowReason::Duplicate { .. } => "duplicate",
            RowReason::TooManyColumns { .. } => "too_many_columns",
            RowReason::OpenQuote => "open_quote",
            RowReason::TooLong => "row_too_long",
            RowReason::ControlCharacter => "control_character",
            RowReason::NotAnObject => "not_an_object",
            RowReason::NoNumberColumn => "no_number_column",
            RowReason::TooManyContacts => "too_many_contacts",
            RowReason::NotText(_) => "not_text",
            RowReason::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for RowReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowReason::Number(fault) => fault.fmt(f),
            RowReason::Duplicate { first_line } => {
                write!(f, "the number is on line {first_line} already: keep one of them")
            }
            RowReason::TooManyColumns { most } if *most == COLUMNS_MAX => {
                write!(f, "more than {most} columns: remove some")
            }
            RowReason::TooManyColumns { most } => {
                write!(f, "more cells than the {most} of the header: put cells that hold the separator in quotes")
            }
            RowReason::OpenQuote => f.write_str("a quotation mark opens a cell and nothing closes it: close it, or double it"),
            RowReason::TooLong => write!(f, "longer than {ROW_BYTES_MAX} bytes: shorten it"),
            RowReason::ControlCharacter => f.write_str("a control character in the cell: remove it"),
            RowReason::NotAnObject => f.write_str("no JSON object: write {\"number\": \"+12025550101\", ...} on one line"),
            RowReason::NoNumberColumn => f.write_str(
                "no title is one for the number; the first column is taken for it: name the number's column \"number\"",
            ),
            RowReason::TooManyContacts => write!(f, "more than {CONTACTS_MAX} contacts: split the list"),
            RowReason::NotText(what) => write!(f, "not a list but {what}: save it as CSV (UTF-8)"),
            RowReason::Unreadable(error) => write!(f, "cannot be read on: {error}"),
        }
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "line {}: {}", self.line, self.reason),
            column => write!(f, "line {}, column {column}: {}", self.line, self.reason),
        }
    }
}
