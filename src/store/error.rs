//! What can go wrong with the store, each fault with its place and its remedy.

use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;
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
    /// Another node of that name is alive on the server.
    NodeInUse(PathBuf, String),
    /// Numbers are erased under a key, and nobody said where it is.
    NoKey(PathBuf),
    /// The key in this file is not the one under which the numbers of the database were erased.
    AnotherKey(PathBuf),
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
    /// SQLite or PostgreSQL failed.
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
    /// The database's own error, by its meaning where that is known.
    pub(super) fn of_database(path: PathBuf, doing: &'static str, error: sqlx::Error) -> StoreError {
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
        match fault(error) {
            Fault::Busy => Reach::Moment,
            Fault::Full
            | Fault::Disk
            | Fault::Corrupt
            | Fault::Closed
            | Fault::Lost
            | Fault::ReadOnly
            | Fault::Forbidden => Reach::Disk,
            Fault::Statement => Reach::Request,
        }
    }
}

/// What a database's error means, whichever database it is.
enum Fault {
    /// Somebody else holds what is needed.
    Busy,
    /// The disk is full.
    Full,
    /// The disk failed.
    Disk,
    /// The data are damaged.
    Corrupt,
    /// The file cannot be opened.
    Closed,
    /// The server cannot be reached, or has ended the session.
    Lost,
    /// The server may only be read.
    ReadOnly,
    /// The server does not let this user do it.
    Forbidden,
    /// Nothing but this statement.
    Statement,
}

fn fault(error: &sqlx::Error) -> Fault {
    if let Some(code) = primary_code(error) {
        return match code {
            BUSY | LOCKED | PROTOCOL => Fault::Busy,
            FULL => Fault::Full,
            IOERR => Fault::Disk,
            CORRUPT => Fault::Corrupt,
            CANTOPEN => Fault::Closed,
            _ => Fault::Statement,
        };
    }
    match error {
        sqlx::Error::Database(error) => server_fault(&error.code().unwrap_or_default()),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Fault::Lost
        }
        _ => Fault::Statement,
    }
}

/// PostgreSQL's SQLSTATE codes (its manual, appendix A).
fn server_fault(code: &str) -> Fault {
    match code {
        // Serialization failure, deadlock, a lock not to be had in time, a statement that took too long.
        "40001" | "40P01" | "55P03" | "57014" => Fault::Busy,
        "53100" => Fault::Full,
        "25006" => Fault::ReadOnly,
        // Insufficient privilege; no schema that this user may create anything in.
        "42501" | "3F000" => Fault::Forbidden,
        _ if code.starts_with("58") => Fault::Disk,
        _ if code.starts_with("XX") => Fault::Corrupt,
        "25P03" | "3D000" | "28000" | "28P01" => Fault::Lost,
        _ if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Fault::Lost,
        _ => Fault::Statement,
    }
}

/// SQLite's code without its extension.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    let code: i32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// What to do about the database's error; printed behind it.
fn remedy(error: &sqlx::Error) -> Option<&'static str> {
    match fault(error) {
        Fault::Full => Some("the disk is full: free some space there"),
        Fault::Disk => Some("the disk failed: look into the kernel's log, and keep a copy of the file"),
        Fault::Corrupt => {
            Some("the file is damaged: restore a copy, or salvage it with `sqlite3 FILE .recover`")
        }
        Fault::Closed => Some("make the file and its folder readable and writable for this user"),
        Fault::Busy => Some("another program holds the database: close it"),
        Fault::Lost => Some("check that PostgreSQL runs there, and that it lets this user in"),
        Fault::ReadOnly => Some("that server is a standby: name the primary one"),
        Fault::Forbidden => Some("let this user own the database: ALTER DATABASE ... OWNER TO ..."),
        Fault::Statement => None,
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
            StoreError::NodeInUse(path, name) => write!(
                f,
                "another outdial on {} is the node {name:?} and alive: give this one its own `node`, or stop that one",
                path.display()
            ),
            StoreError::NoKey(path) => write!(
                f,
                "the key of erased numbers of {} is in no known place: let `database_key_file` name a file, and give every \
                 node the same one",
                path.display()
            ),
            StoreError::AnotherKey(path) => write!(
                f,
                "{} is not the key under which the numbers of this database were erased: put that one in its place",
                path.display()
            ),
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
