//! Refused rows, kept in a CSV file: what was wrong with each, what to do about it, and its cells as they came. Corrected,
//! the file is a list like any other: its first three columns are left out when it is imported.

use super::pipeline::Refused;
use crate::campaign::list::Sheet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Titles of lists that have none.
const CUSTOM: [&str; 3] = ["number", "name", "comment"];

/// The file; made with the first row, so that a list without fault leaves none.
pub struct Rejects {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
}

impl Rejects {
    /// Writes nothing yet; a file of an earlier import goes, for its rows are judged anew.
    pub fn new(path: &Path) -> Result<Rejects, String> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!(
                    "cannot replace {}: {error}: name another file with --rejects",
                    path.display()
                ));
            }
            _ => {}
        }
        Ok(Rejects { path: path.to_owned(), writer: None })
    }

    /// Keeps a row.
    pub fn keep(&mut self, sheet: Option<&Sheet>, refused: &Refused) -> Result<(), String> {
        let cells = refused.row.as_ref().map(|row| row.cells()).unwrap_or_default();
        let fault = &refused.fault;
        let said = [fault.line.to_string(), fault.reason.as_str().to_owned(), fault.reason.to_string()];
        let path = &self.path;
        let written = match &mut self.writer {
            Some(writer) => Ok(writer),
            none => begin(path, sheet, cells.len()).map(|writer| none.insert(writer)),
        };
        written.and_then(|writer| Ok(writer.write_record(said.iter().chain(&cells))?)).map_err(|error| {
            format!("cannot write {}: {error}: name another file with --rejects", path.display())
        })
    }

    /// Gives the file's path, if there is one.
    pub fn finish(self) -> Result<Option<PathBuf>, String> {
        let Some(mut writer) = self.writer else { return Ok(None) };
        writer.flush().map_err(|error| format!("cannot write {}: {error}", self.path.display()))?;
        Ok(Some(self.path))
    }
}

/// The numbers of people: for the owner's eyes only.
fn begin(path: &Path, sheet: Option<&Sheet>, columns: usize) -> io::Result<csv::Writer<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
    let mut titles: Vec<String> =
        ["rejected_line", "rejected_reason", "rejected_remedy"].map(str::to_owned).into();
    match sheet.map(Sheet::titles) {
        Some(known) if !known.is_empty() => titles.extend_from_slice(known),
        _ => titles.extend((0..columns.max(CUSTOM.len())).map(|index| match CUSTOM.get(index) {
            Some(title) => (*title).to_owned(),
            None => format!("column{}", index + 1),
        })),
    }
    writer.write_record(titles)?;
    Ok(writer)
}
