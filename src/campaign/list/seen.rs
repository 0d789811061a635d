//! The numbers of a list that have come already, so that each contact enters once.

use super::super::suppression;
use super::CONTACTS_MAX;
use super::fault::RowReason;
use crate::number::E164;
use std::collections::HashMap;

/// Tables that the numbers are spread over.
const TABLES: usize = 32;

/// The numbers, each with the line that it was first on, in twelve bytes a place: a million of them must leave room.
#[derive(Debug, Default)]
pub struct Seen {
    // A table that grows is there twice for a moment; of many small ones only one is.
    lines: [HashMap<[u8; 7], [u8; 4]>; TABLES],
    count: usize,
}

impl Seen {
    /// Notes the number; refuses one that came before, and any beyond [`CONTACTS_MAX`].
    pub fn check(&mut self, number: &E164, line: u64) -> Result<(), RowReason> {
        let key = suppression::key(number).to_le_bytes();
        // Fifteen digits are below 2^50.
        let key = [key[0], key[1], key[2], key[3], key[4], key[5], key[6]];
        let table = &mut self.lines[usize::from(key[0]) % TABLES];
        if let Some(first) = table.get(&key) {
            return Err(RowReason::Duplicate { first_line: u64::from(u32::from_le_bytes(*first)) });
        }
        if self.count >= CONTACTS_MAX {
            return Err(RowReason::TooManyContacts);
        }
        self.count += 1;
        table.insert(key, u32::try_from(line).unwrap_or(u32::MAX).to_le_bytes());
        Ok(())
    }
}
