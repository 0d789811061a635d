//! The numbers of a list that have come already, so that each contact enters once.

use super::super::suppression;
use super::CONTACTS_MAX;
use super::fault::RowReason;
use crate::number::E164;
use std::collections::HashMap;

/// The numbers, each with the line that it was first on, in twelve bytes a place: a million of them must leave room.
#[derive(Debug, Default)]
pub struct Seen {
    lines: HashMap<[u8; 7], [u8; 4]>,
}

impl Seen {
    /// Notes the number; refuses one that came before, and any beyond [`CONTACTS_MAX`].
    pub fn check(&mut self, number: &E164, line: u64) -> Result<(), RowReason> {
        let key = suppression::key(number).to_le_bytes();
        // Fifteen digits are below 2^50.
        let key = [key[0], key[1], key[2], key[3], key[4], key[5], key[6]];
        if let Some(first) = self.lines.get(&key) {
            return Err(RowReason::Duplicate { first_line: u64::from(u32::from_le_bytes(*first)) });
        }
        if self.lines.len() >= CONTACTS_MAX {
            return Err(RowReason::TooManyContacts);
        }
        self.lines.insert(key, u32::try_from(line).unwrap_or(u32::MAX).to_le_bytes());
        Ok(())
    }
}
