//! What stands in a number's place once it is erased: a hash under a key that lies beside the database and not in it.
//!
//! A plain hash would be no protection: all numbers of a country are tried in a minute. Without the key nothing can be
//! tried, so a copy of the database says nobody's number, and the one who holds the key can still tell who asked.

use super::database::owner_only;
use super::error::StoreError;
use crate::number::E164;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// In front of the hash, so that nobody takes it for a number.
const MARK: &str = "erased:";

/// Bytes of the hash that are kept: no two numbers share them.
const HASH_BYTES: usize = 16;

const KEY_BYTES: usize = 32;

/// The key of one database.
pub(super) struct Key([u8; KEY_BYTES]);

/// `<database>.key`.
fn path_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

impl Key {
    /// The key that lies beside the database. Where there is none, hashes that were made with it cannot be told apart.
    pub fn load(database: &Path) -> Result<Key, StoreError> {
        let path = path_of(database);
        let bytes = std::fs::read(&path).map_err(|error| StoreError::Unreachable(path.clone(), error))?;
        let key = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let what = format!("{} bytes where the key of erased numbers has {KEY_BYTES}", bytes.len());
            StoreError::Damaged { path, what }
        })?;
        Ok(Key(key))
    }

    /// The same; `fresh` becomes the key where there is none yet.
    pub fn load_or_create(database: &Path, fresh: [u8; KEY_BYTES]) -> Result<Key, StoreError> {
        let path = path_of(database);
        match owner_only().create_new(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(&fresh).and_then(|()| file.sync_all());
                written.map_err(|error| StoreError::Unreachable(path, error))?;
                Ok(Key(fresh))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Key::load(database),
            Err(error) => Err(StoreError::Unreachable(path, error)),
        }
    }

    /// What stands for the number.
    pub fn pseudonym(&self, number: &E164) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        mac.update(number.as_str().as_bytes());
        let hash = mac.finalize().into_bytes();
        let digits: String = hash[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK}{digits}")
    }
}
