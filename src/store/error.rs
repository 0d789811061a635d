//! What can go wrong with the store, each fault with its place and its remedy.

use std::fmt;
use std::path::PathBuf;

/// Why the store could not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// The folder that should hold the database does not exist.
    NoSuchFolder(PathBuf),
    /// The path names a folder or a device.
    NotAFile(PathBuf),
    /// There is no such database, and the caller wants to read one.
    Missing(PathBuf),
    /// The database file may not be written.
    ReadOnlyFile(PathBuf),
    /// Nothing may be created in the database's folder; SQLite keeps its log there.
    ReadOnlyFolder(PathBuf),
    /// A file or folder cannot be reached for another reason.
    Unreachable(PathBuf, std::io::Error),
    /// Another engine holds the database; its process id when it could be read.
    InUse(PathBuf, Option<u32>),
    /// The file is no SQLite database.
    NotADatabase(PathBuf),
    /// It is a SQLite database, but another program's.
    NotOurs(PathBuf),
    /// Written by a newer outdial.
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// Written by an older outdial, and the caller may only read.
    OlderSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The schema that this program reads.
        known: i64,
    },
    /// A row holds what no outdial writes.
    Damaged {
        /// The database.
        path: PathBuf,
        /// Which row, and what is wrong with it.
        what: String,
    },
    /// SQLite failed.
    Database {
        /// The database.
        path: PathBuf,
        /// What was being done: "import contacts".
        doing: &'static str,
        /// Its own words.
        error: sqlx::Error,
    },
}

/// How far a fault reaches, which decides what the writer does about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Another program holds the lock: worth another try.
    Moment,
    /// The disk or the file: no other request will fare better now.
    Disk,
    /// This request alone.
    Request,
}

// SQLite's primary result codes (sqlite.org/rescode.html).
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const NOTADB: i32 = 26;

impl StoreError {
    /// SQLite's error, by its meaning where that is known.
    pub(super) fn of_sqlite(path: PathBuf, doing: &'static str, error: sqlx::Error) -> StoreError {
        match primary_code(&error) {
            Some(NOTADB) => StoreError::NotADatabase(path),
            Some(READONLY) => StoreError::ReadOnlyFile(path),
            _ => StoreError::Database { path, doing, error },
        }
    }

    pub(super) fn reach(&self) -> Reach {
        let StoreError::Database { error, .. } = self else {
            return if matches!(self, StoreError::Damaged { .. }) { Reach::Request } else { Reach::Disk };
        };
        match primary_code(error) {
            Some(BUSY | LOCKED | PROTOCOL) => Reach::Moment,
            Some(FULL | IOERR | CORRUPT | CANTOPEN) => Reach::Disk,
            Some(_) => Reach::Request,
            None => Reach::Request,
        }
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// What to do about SQLite's error; printed behind it.
fn remedy(error: &sqlx::Error) -> Option<&'static str> {
    match primary_code(error) {
        Some(FULL) => Some("the disk is full: free some space there"),
        Some(IOERR) => Some("the disk failed: look into the kernel's log, and keep a copy of the file"),
        Some(CORRUPT) => {
            Some("the file is damaged: restore a copy, or salvage it with `sqlite3 FILE .recover`")
        }
        Some(CANTOPEN) => Some("make the file and its folder readable and writable for this user"),
        Some(BUSY | LOCKED | PROTOCOL) => Some("another program holds the database: close it"),
        _ => None,
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NoSuchFolder(folder) => {
                let folder = folder.display();
                write!(
                    f,
                    "there is no folder {folder} for the database: create it (mkdir -p), or change `database`"
                )
            }
            StoreError::NotAFile(path) => {
                write!(f, "{} is not a file: let `database` name a file", path.display())
            }
            StoreError::Missing(path) => {
                write!(f, "there is no database {}: check the path; `outdial run` creates it", path.display())
            }
            StoreError::ReadOnlyFile(path) => {
                let path = path.display();
                write!(
                    f,
                    "the database {path} is read-only: make it writable (chmod u+w) for the user that runs outdial, or \
                     change `database` if its file system is mounted read-only"
                )
            }
            StoreError::ReadOnlyFolder(folder) => write!(
                f,
                "nothing can be created in {}, where the database keeps its log: make the folder writable (chmod u+w) \
                 for the user that runs outdial, or change `database`",
                folder.display()
            ),
            StoreError::Unreachable(path, error) => {
                write!(f, "{}: {error}: check the path and its permissions", path.display())
            }
            StoreError::InUse(path, process) => {
                write!(f, "another outdial uses the database {}", path.display())?;
                match process {
                    Some(id) => write!(f, " (process {id}): stop that one first")?,
                    None => write!(f, ": stop that one first")?,
                }
                write!(f, ", or give this one a `database` of its own")
            }
            StoreError::NotADatabase(path) => write!(
                f,
                "{} is not a database: it was left untouched; let `database` name another file",
                path.display()
            ),
            StoreError::NotOurs(path) => write!(
                f,
                "{} is another program's database: it was left untouched; let `database` name another file",
                path.display()
            ),
            StoreError::NewerSchema { path, found, known } => write!(
                f,
                "the database {} has schema {found}, this outdial knows up to {known}: update outdial, or use a copy \
                 from before the newer one ran",
                path.display()
            ),
            StoreError::OlderSchema { path, found, known } => write!(
                f,
                "the database {} has schema {found}, this outdial reads {known}: start `outdial run` on it once, \
                 which brings it up to date",
                path.display()
            ),
            StoreError::Damaged { path, what } => {
                write!(f, "the database {} holds {what}: correct that row, or restore a copy", path.display())
            }
            StoreError::Database { path, doing, error } => {
                write!(f, "the database {} could not {doing}: {error}", path.display())?;
                match remedy(error) {
                    Some(what) => write!(f, "; {what}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Unreachable(_, error) => Some(error),
            StoreError::Database { error, .. } => Some(error),
            _ => None,
        }
    }
}
