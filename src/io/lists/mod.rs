//! Lists from files: contacts and numbers not to be called, row by row, every skipped row with its line.
//!
//! | file | holds |
//! |---|---|
//! | `file` | a list's file: packed or not, what it looks like, how far it is read |
//! | `pipeline` | a contact list read by several threads, its rows in their order |
//! | `rejects` | refused rows, kept for whoever corrects them |
//! | `import` | from files into the store |
//! | `order` | the order of dialing, as the store wants it told |

mod file;
pub mod import;
pub mod order;
mod pipeline;
mod rejects;

pub use file::{ListFile, identity};

use crate::campaign::list;
use crate::number::{E164, Region};
use pipeline::Pipeline;
use std::path::Path;

/// Skipped rows that are named one by one; the rest is counted.
const FAULTS_NAMED_MAX: usize = 1_000;

/// What was skipped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// Each row with its file, line and reason, as many as are named.
    pub lines: Vec<String>,
    /// All of them.
    pub skipped: u64,
    /// Those among them whose number had come before.
    pub duplicates: u64,
}

impl Skipped {
    fn note(&mut self, file: &str, fault: &list::RowFault) {
        self.skipped += 1;
        self.duplicates += u64::from(matches!(fault.reason, list::RowReason::Duplicate { .. }));
        if self.lines.len() < FAULTS_NAMED_MAX {
            self.lines.push(format!("{file}: {fault}"));
        }
    }
}

/// Counts a contact list's good rows without keeping them.
pub fn count_contacts(path: &Path, region: Option<Region>) -> Result<(u64, Skipped), String> {
    let mut pipeline = Pipeline::start(ListFile::open(path)?, list::Options { default_region: region });
    let shown = path.display().to_string();
    let (mut good, mut skipped) = (0, Skipped::default());
    while let Some(chunk) = pipeline.next_chunk() {
        for row in chunk.rows {
            match row {
                Ok(_) => good += 1,
                Err(refused) => skipped.note(&shown, &refused.fault),
            }
        }
    }
    Ok((good, skipped))
}

/// Numbers that must not be called.
#[derive(Debug, Default)]
pub struct DoNotCall {
    /// The numbers.
    pub numbers: Vec<E164>,
    /// Rows that hold none, a line each.
    pub faults: Vec<String>,
}

/// Reads a do-not-call list whole.
pub fn do_not_call(path: &Path, region: Option<Region>) -> Result<DoNotCall, String> {
    let mut skipped = Skipped::default();
    let numbers = numbers(path, region, &mut skipped)?.collect();
    Ok(DoNotCall { numbers, faults: skipped.lines })
}

/// The numbers of a do-not-call list as they are read; rows that hold none are noted.
fn numbers<'s>(
    path: &Path,
    region: Option<Region>,
    skipped: &'s mut Skipped,
) -> Result<impl Iterator<Item = E164> + use<'s>, String> {
    let file = ListFile::open(path)?;
    let shown = path.display().to_string();
    let rows = list::do_not_call::Reader::new(file.read, list::Options { default_region: region });
    Ok(rows.filter_map(move |row| match row {
        Ok((_, number)) => Some(number),
        Err(fault) => {
            skipped.note(&shown, &fault);
            None
        }
    }))
}
