//! What stands in a number's place once it is erased: a hash under a key that lies in a file of its own and not in the
//! database.
//!
//! A plain hash would be no protection: all numbers of a country are tried in a minute. Without the key nothing can be
//! tried, so a copy of the database says nobody's number, and the one who holds the key can still tell who asked.

use super::database::owner_only;
use super::error::StoreError;
use crate::number::E164;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// In front of the hash, so that nobody takes it for a number.
const MARK: &str = "erased:";

/// Bytes of the hash that are kept: no two numbers share them.
const HASH_BYTES: usize = 16;

const KEY_BYTES: usize = 32;

/// In front of what tells one key from another.
const KEY_MARK: &str = "key:";

/// What is hashed for that: no number.
const KEY_TEXT: &str = "outdial";

/// The key of one database, and where it came from.
pub(super) struct Key {
    bytes: [u8; KEY_BYTES],
    path: PathBuf,
}

/// `<database>.key`, where a file's key is.
pub(super) fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

impl Key {
    /// Of a file that is there. `hashes` are what the database holds: where they were made with another key, nobody could
    /// tell from this one whose they are.
    pub fn load(path: &Path, hashes: &BTreeSet<String>) -> Result<Key, StoreError> {
        let bytes = std::fs::read(path).map_err(|error| StoreError::Unreachable(path.to_owned(), error))?;
        let bytes = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let what = format!("{} bytes where the key of erased numbers has {KEY_BYTES}", bytes.len());
            StoreError::Damaged { path: path.to_owned(), what }
        })?;
        let key = Key { bytes, path: path.to_owned() };
        match hashes.iter().any(|hash| hash.starts_with(KEY_MARK)) && !hashes.contains(&key.mark()) {
            true => Err(StoreError::AnotherKey(key.path)),
            false => Ok(key),
        }
    }

    /// The same; `fresh` becomes the key where there is none yet, and nothing that one has made.
    pub fn load_or_create(
        path: &Path,
        hashes: &BTreeSet<String>,
        fresh: [u8; KEY_BYTES],
    ) -> Result<Key, StoreError> {
        let unreachable = |error| StoreError::Unreachable(path.to_owned(), error);
        if !hashes.is_empty() {
            return Key::load(path, hashes);
        }
        match owner_only().create_new(true).open(path) {
            Ok(mut file) => {
                file.write_all(&fresh).and_then(|()| file.sync_all()).map_err(unreachable)?;
                Ok(Key { bytes: fresh, path: path.to_owned() })
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Key::load(path, hashes),
            Err(error) => Err(unreachable(error)),
        }
    }

    /// What tells this key from others, and nothing else.
    pub fn mark(&self) -> String {
        format!("{KEY_MARK}{}", self.hash(KEY_TEXT))
    }

    /// What stands for the number.
    pub fn pseudonym(&self, number: &E164) -> String {
        format!("{MARK}{}", self.hash(number.as_str()))
    }

    fn hash(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes keys of every length");
        mac.update(text.as_bytes());
        let hash = mac.finalize().into_bytes();
        hash[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
