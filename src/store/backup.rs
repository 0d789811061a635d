//! Copies of the database: made beside a running engine, checked before anybody relies on them, and put back.

use super::connection::Connection;
use super::database::{self, lock, owner_only, settle};
use super::error::StoreError;
use super::reader::Reader;
use super::schema;
use super::statement::{query, scalar};
use crate::time::WallTime;
use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a copy holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// Bytes of the file.
    pub size: u64,
    /// Contacts.
    pub contacts: u64,
    /// Attempts.
    pub attempts: u64,
    /// Call records.
    pub calls: u64,
    /// Numbers on the do-not-call list.
    pub suppressions: u64,
    /// The latest attempt: what was dialed after it is not in the copy.
    pub last_attempt_at: Option<WallTime>,
}

impl Reader {
    /// Copies the database into a new file, as it is at this moment, while its engine goes on; then reads the copy through
    /// to be sure of it. The file appears under its name only when it is whole.
    pub async fn back_up(&mut self, to: &Path) -> Result<Contents, StoreError> {
        let unreachable = |error| StoreError::Unreachable(to.to_owned(), error);
        if self.connection().is_server() {
            return Err(unreachable(std::io::Error::new(
                ErrorKind::Unsupported,
                "a database on a server is copied by pg_dump",
            )));
        }
        if to.exists() {
            return Err(unreachable(std::io::Error::new(
                ErrorKind::AlreadyExists,
                "there is such a file: name another one",
            )));
        }
        let part = with_suffix(to, ".part");
        // SQLite writes into an empty file, and the file has its owner's mode from the beginning.
        let file = owner_only().create(true).truncate(true).open(&part).map_err(unreachable)?;
        let conn = self.connection();
        query("VACUUM INTO $1")
            .bind(part.display().to_string())
            .execute(conn)
            .await
            .map_err(|e| conn.error("be copied", e))?;
        let contents = check(&part).await?;
        file.sync_all().map_err(unreachable)?;
        std::fs::rename(&part, to).map_err(unreachable)?;
        sync_folder(to).map_err(unreachable)?;
        Ok(contents)
    }
}

/// Puts a copy in the database's place. The database that was there stays beside it, under the name that comes back. No
/// engine may hold it.
pub async fn restore(
    from: &Path,
    database: &Path,
    now: WallTime,
) -> Result<(Contents, Option<PathBuf>), StoreError> {
    let database = settle(database)?;
    if !from.is_file() {
        return Err(StoreError::Missing(from.to_owned()));
    }
    let contents = check(from).await?;
    let _lock = lock(&database)?;
    let part = with_suffix(&database, ".part");
    let unreachable = |error| StoreError::Unreachable(part.clone(), error);
    let mut copy = owner_only().create(true).truncate(true).open(&part).map_err(unreachable)?;
    let mut original = File::open(from).map_err(|error| StoreError::Unreachable(from.to_owned(), error))?;
    std::io::copy(&mut original, &mut copy).and_then(|_| copy.sync_all()).map_err(unreachable)?;
    let kept = if database.exists() { Some(put_aside(&database, now).await?) } else { None };
    std::fs::rename(&part, &database).and_then(|()| sync_folder(&database)).map_err(unreachable)?;
    let mut connection = Connection::for_writing(&database).await?;
    schema::migrate(&mut connection).await?;
    connection.close().await?;
    Ok((contents, kept))
}

/// Folds the log into the database, so that one file is all of it, and moves that.
async fn put_aside(database: &Path, now: WallTime) -> Result<PathBuf, StoreError> {
    let aside = with_suffix(database, &format!(".before-{}", now.unix_ms()));
    match Connection::for_writing(database).await {
        Ok(connection) => connection.close().await?,
        // What is to be replaced may well be damaged; then its log goes with it.
        Err(_) => {
            for suffix in ["-wal", "-shm"] {
                let _may_be_missing =
                    std::fs::rename(with_suffix(database, suffix), with_suffix(&aside, suffix));
            }
        }
    }
    std::fs::rename(database, &aside).map_err(|error| StoreError::Unreachable(aside.clone(), error))?;
    for suffix in ["-wal", "-shm"] {
        let _may_be_missing = std::fs::remove_file(with_suffix(database, suffix));
    }
    Ok(aside)
}

/// Reads the whole file: pages, indexes, what they hold.
async fn check(path: &Path) -> Result<Contents, StoreError> {
    let mut conn = Connection::for_reading(path).await?;
    schema::require_known(&mut conn).await?;
    let verdict: String = scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut conn)
        .await
        .map_err(|e| conn.error("be checked", e))?;
    if verdict != "ok" {
        return Err(conn.damaged(format!("pages: {verdict}")));
    }
    let (contacts, attempts, calls, suppressions, last): (i64, i64, i64, i64, Option<i64>) = query(
        "SELECT (SELECT count(*) FROM contacts), (SELECT count(*) FROM attempts), (SELECT count(*) FROM calls),
                (SELECT count(*) FROM suppressions), (SELECT max(started_at) FROM attempts)",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(|e| conn.error("be counted", e))?;
    conn.close().await?;
    let size = std::fs::metadata(path).map_err(|e| StoreError::Unreachable(path.to_owned(), e))?.len();
    Ok(Contents {
        size,
        contacts: contacts as u64,
        attempts: attempts as u64,
        calls: calls as u64,
        suppressions: suppressions as u64,
        last_attempt_at: last.map(WallTime::from_unix_ms),
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// A new name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(database::folder_of(path))?.sync_all()
}
