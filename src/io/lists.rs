//! Lists from files: contacts and numbers not to be called, row by row, every skipped row with its line.

use crate::campaign::list;
use crate::number::{E164, Region};
use crate::record::NewContact;
use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::rc::Rc;

/// Skipped rows that are named one by one; the rest is counted.
const FAULTS_NAMED_MAX: usize = 1_000;

/// What was skipped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// Each row with its file, line and reason, as many as are named.
    pub lines: Vec<String>,
    /// All of them.
    pub skipped: u64,
}

/// A contact list being read: an iterator over its good rows, which remembers the others.
pub struct Contacts {
    reader: list::Reader<BufReader<File>>,
    shown: String,
    faults: Rc<RefCell<Skipped>>,
}

impl Contacts {
    /// The faults met so far, shared with this reader.
    pub fn faults(&self) -> Rc<RefCell<Skipped>> {
        Rc::clone(&self.faults)
    }
}

impl Iterator for Contacts {
    type Item = NewContact;

    fn next(&mut self) -> Option<NewContact> {
        loop {
            match self.reader.next()? {
                Ok((_, contact)) => return Some(contact),
                Err(fault) => note(&mut self.faults.borrow_mut(), &self.shown, &fault.to_string()),
            }
        }
    }
}

/// Opens a contact list.
pub fn contacts(path: &Path, region: Option<Region>) -> Result<Contacts, String> {
    let file = open(path)?;
    Ok(Contacts {
        reader: list::Reader::new(file, list::Options { default_region: region }),
        shown: path.display().to_string(),
        faults: Rc::default(),
    })
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
    let file = open(path)?;
    let shown = path.display().to_string();
    let mut list = DoNotCall::default();
    let mut skipped = Skipped::default();
    for row in list::do_not_call::Reader::new(file, list::Options { default_region: region }) {
        match row {
            Ok((_, number)) => list.numbers.push(number),
            Err(fault) => note(&mut skipped, &shown, &fault.to_string()),
        }
    }
    list.faults = skipped.lines;
    Ok(list)
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(format!("{} is a folder, not a list", path.display())),
        _ => Ok(BufReader::new(file)),
    }
}

fn note(skipped: &mut Skipped, file: &str, fault: &str) {
    skipped.skipped += 1;
    if skipped.lines.len() < FAULTS_NAMED_MAX {
        skipped.lines.push(format!("{file}: {fault}"));
    }
}
