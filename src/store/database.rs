//! [`Store`]: the one writer of a database. Opening it, its lock, and the campaigns' states.

use super::connection::Connection;
use super::doubt::Doubt;
use super::error::StoreError;
use super::location::Location;
use super::node::Node;
use super::order::Orders;
use super::schema;
use super::statement::scalar;
use crate::record::{CampaignState, Inherited};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;

/// Names and numbers of people: for the owner's eyes only.
#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;

/// The longest process id that is read from a lock file, in bytes.
const PROCESS_ID_MAX: u64 = 20;

/// An open database, for writing: a file by one process at a time, a server by as many nodes as there are.
pub struct Store {
    // Fields drop in this order: the connection is told to close before the lock is given up.
    pub(super) connection: Connection,
    pub(super) orders: Orders,
    /// Which of several nodes this is.
    pub(super) node: Option<Node>,
    /// A commit that was not answered.
    pub(super) doubt: Option<Doubt>,
    /// What this node has taken over and its engine has not been told.
    pub(super) untold: Inherited,
    _lock: Option<File>,
}

impl Store {
    /// Opens the database, creates it on first run, brings its schema up to date, and writes once to be sure that it can.
    /// Waits for nobody: when another engine holds the file, that is an error.
    pub async fn open(location: impl Into<Location>) -> Result<Store, StoreError> {
        let (mut connection, lock) = match location.into() {
            Location::File(path) => {
                let path = settle(&path)?;
                let lock = lock(&path)?;
                create_if_missing(&path)?;
                (Connection::for_writing(&path).await?, Some(lock))
            }
            Location::Server(server) => (Connection::to_server(&server).await?, None),
        };
        schema::migrate(&mut connection).await?;
        schema::prove_writable(&mut connection).await?;
        Ok(Store::new(connection, lock))
    }

    fn new(connection: Connection, lock: Option<File>) -> Store {
        Store {
            connection,
            orders: Orders::default(),
            node: None,
            doubt: None,
            untold: Inherited::default(),
            _lock: lock,
        }
    }

    /// Opens it beside an engine that holds it: for work in short transactions, between which the engine does its own.
    /// Only an up-to-date database will do, for its schema cannot change under a running engine.
    pub async fn open_beside(path: &Path) -> Result<Store, StoreError> {
        let path = settle(path)?;
        if !path.exists() {
            return Err(StoreError::Missing(path));
        }
        check_writable(&path)?;
        let mut connection = Connection::for_writing(&path).await?;
        schema::require_current(&mut connection).await?;
        Ok(Store::new(connection, None))
    }

    /// Opens it, or opens it beside the engine that holds it; then the second is true. A server is always shared.
    pub async fn open_or_beside(location: &Location) -> Result<(Store, bool), StoreError> {
        match (Store::open(location).await, location) {
            (Ok(store), Location::File(_)) => Ok((store, false)),
            (Ok(store), Location::Server(_)) => Ok((store, true)),
            (Err(StoreError::InUse(..)), Location::File(path)) => Ok((Store::open_beside(path).await?, true)),
            (Err(error), _) => Err(error),
        }
    }

    /// In which order contacts are claimed: to be set at the start, and changed at any time.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// The database's file, or its URL without the password.
    pub fn path(&self) -> &Path {
        self.connection.path()
    }

    /// To be called before it moves to a thread with a runtime of its own: a server is connected to again from there.
    pub async fn leave_thread(&mut self) {
        self.connection.let_go().await;
    }

    /// Closes it in order. Merely dropping it loses nothing that was committed.
    pub async fn close(mut self) -> Result<(), StoreError> {
        // Whoever cannot say goodbye is found dead soon enough.
        let _found_dead = self.leave().await;
        self.connection.close().await
    }

    /// What the operator last asked of a campaign; none when the store does not know it.
    pub async fn campaign_state(&mut self, campaign: &str) -> Result<Option<CampaignState>, StoreError> {
        let conn = &mut self.connection;
        let word: Option<String> = scalar("SELECT state FROM campaigns WHERE name = $1")
            .bind(campaign)
            .fetch_optional(conn)
            .await
            .map_err(|e| conn.error("read a campaign", e))?;
        Ok(word.and_then(|word| CampaignState::from_word(&word)))
    }

    /// Keeps a campaign's state; makes the campaign known if it was not.
    pub async fn save_campaign(&mut self, campaign: &str, state: CampaignState) -> Result<(), StoreError> {
        super::request::save_campaign(&mut self.connection, campaign, state).await
    }
}

/// The file that symbolic links lead to, so that two names of one database share one lock.
pub(super) fn settle(path: &Path) -> Result<PathBuf, StoreError> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(StoreError::NoSuchFolder(folder));
    }
    match std::fs::canonicalize(path) {
        Ok(settled) if settled.is_file() => Ok(settled),
        Ok(settled) => Err(StoreError::NotAFile(settled)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(StoreError::Unreachable(path.to_owned(), error)),
    }
}

pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Holds `<database>.lock` for the life of the process. The kernel lets go of it however the process dies, so a
/// lock file that was left behind holds nobody up; it is never deleted, because a deletion would race with the
/// next engine.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    check_writable(path)?;
    let mut file =
        owner_only().create(true).truncate(false).read(true).open(&lock_path).map_err(|e| {
            match e.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    StoreError::ReadOnlyFolder(folder_of(path))
                }
                _ => StoreError::Unreachable(lock_path.clone(), e),
            }
        })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_owned(), holder(&mut file))),
        Err(TryLockError::Error(error)) => return Err(StoreError::Unreachable(lock_path, error)),
    }
    // Only a help for the error above; the lock does not depend on it.
    let _best_effort = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PROCESS_ID_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whoever took the write bit away meant it, even for a superuser, whom the kernel would let through.
fn check_writable(path: &Path) -> Result<(), StoreError> {
    let read_only = |p: &Path| std::fs::metadata(p).is_ok_and(|m| m.permissions().readonly());
    if read_only(path) {
        return Err(StoreError::ReadOnlyFile(path.to_owned()));
    }
    let folder = folder_of(path);
    if read_only(&folder) { Err(StoreError::ReadOnlyFolder(folder)) } else { Ok(()) }
}

/// SQLite gives its log and shared memory the mode of this file. An existing file is not opened here: closing it
/// would release the locks that a reader in this process has on it (POSIX locks belong to the process).
pub(super) fn create_if_missing(path: &Path) -> Result<(), StoreError> {
    match owner_only().create_new(true).open(path) {
        Ok(_created) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unreachable(path.to_owned(), error)),
    }
}

pub(super) fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    options.mode(OWNER_ONLY);
    options
}
