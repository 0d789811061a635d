//! Copies of the database: made beside a running engine, checked before anybody relies on them, and put back.

use super::connection::Connection;
use super::copy::{self, Layout};
use super::database::{self, create_if_missing, lock, owner_only, settle};
use super::error::StoreError;
use super::location::{Location, Server};
use super::reader::Reader;
use super::schema;
use super::statement::{composed, query, scalar};
use crate::time::WallTime;
use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether those who use a server have left, and the time between two looks.
const LEAVING_LOOKS: u32 = 10;
const LEAVING_LOOK: Duration = Duration::from_millis(100);

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
    /// to be sure of it. The file appears under its name only when it is whole. A server's copy is such a file too, and so
    /// can be put in the place of either.
    pub async fn back_up(&mut self, to: &Path) -> Result<Contents, StoreError> {
        let unreachable = |error| StoreError::Unreachable(to.to_owned(), error);
        if to.exists() {
            return Err(unreachable(std::io::Error::new(
                ErrorKind::AlreadyExists,
                "there is such a file: name another one",
            )));
        }
        let part = with_suffix(to, ".part");
        let file = owner_only().create(true).truncate(true).open(&part).map_err(unreachable)?;
        self.copy_to(&part).await?;
        let contents = check(&part).await?;
        file.sync_all().map_err(unreachable)?;
        std::fs::rename(&part, to).map_err(unreachable)?;
        sync_folder(to).map_err(unreachable)?;
        Ok(contents)
    }

    /// Writes the whole database, as it is at this moment, into a file that is empty or not there yet, for the owner's eyes
    /// only; its engine may go on. Nothing is sure to be on the disk afterwards.
    pub async fn copy_to(&mut self, file: &Path) -> Result<(), StoreError> {
        // SQLite writes into an empty file too, and that has its owner's mode from the beginning.
        create_if_missing(file)?;
        let conn = self.connection();
        if conn.is_server() {
            conn.begin_reading().await?;
            let copied = copy_to_file(conn, file).await;
            conn.roll_back().await;
            return copied;
        }
        let copied = query("VACUUM INTO $1").bind(file.display().to_string()).execute(conn).await;
        copied.map(drop).map_err(|e| conn.error("be copied", e))
    }
}

async fn copy_to_file(from: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let mut file = Connection::for_copying(path).await?;
    schema::migrate(&mut file).await?;
    let layouts = copy::layouts(&mut file).await?;
    file.begin().await?;
    let copied = copy::copy(&layouts, from, &mut file).await;
    file.end(copied).await?;
    file.close().await
}

/// Puts a copy in the database's place. The database that was there is kept, and where comes back: a file beside the new
/// one, or another schema of the server's database. No engine may hold it.
pub async fn restore(
    from: &Path,
    to: impl Into<Location>,
    now: WallTime,
) -> Result<(Contents, Option<Location>), StoreError> {
    if !from.is_file() {
        return Err(StoreError::Missing(from.to_owned()));
    }
    match to.into() {
        Location::File(path) => {
            let (contents, kept) = restore_file(from, &path, now).await?;
            Ok((contents, kept.map(Location::File)))
        }
        Location::Server(server) => {
            let (contents, kept) = restore_server(from, &server, now).await?;
            Ok((contents, kept.map(Location::Server)))
        }
    }
}

async fn restore_file(
    from: &Path,
    database: &Path,
    now: WallTime,
) -> Result<(Contents, Option<PathBuf>), StoreError> {
    let database = settle(database)?;
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

/// All of it in one transaction, and with it the old tables' move into a schema of their own.
async fn restore_server(
    from: &Path,
    server: &Server,
    now: WallTime,
) -> Result<(Contents, Option<Server>), StoreError> {
    let contents = check(from).await?;
    let mut file = Connection::for_reading(from).await?;
    // Migrations change what is there, and rows that come later would miss that.
    schema::require_current(&mut file).await?;
    let layouts = copy::layouts(&mut file).await?;
    let mut conn = Connection::to_server(server).await?;
    require_alone(&mut conn).await?;
    file.begin_reading().await?;
    conn.begin().await?;
    let replaced = replace(&layouts, &mut file, &mut conn, now).await;
    let kept = conn.end(replaced).await?;
    file.roll_back().await;
    file.close().await?;
    conn.close().await?;
    Ok((contents, kept.map(|schema| server.clone().with_schema(&schema))))
}

async fn replace(
    layouts: &[Layout],
    file: &mut Connection,
    conn: &mut Connection,
    now: WallTime,
) -> Result<Option<String>, StoreError> {
    const DOING: &str = "put the former tables aside";
    conn.allow_pauses().await?;
    let mut kept = None;
    if schema::version(conn).await? > 0 {
        let schema: String =
            scalar("SELECT current_schema()").fetch_one(conn).await.map_err(|e| conn.error(DOING, e))?;
        let schema = schema.replace('"', "\"\"");
        let aside = format!("before_{}", now.unix_ms());
        for sql in
            [format!("ALTER SCHEMA \"{schema}\" RENAME TO {aside}"), format!("CREATE SCHEMA \"{schema}\"")]
        {
            composed(sql).execute(conn).await.map_err(|e| conn.error(DOING, e))?;
        }
        kept = Some(aside);
    }
    schema::apply_missing(conn).await?;
    // A node of the former tables that is still frozen somewhere must not find its token alive when it wakes up.
    let _first_token: i64 =
        scalar("SELECT setval(pg_get_serial_sequence('nodes', 'token'), CAST($1 AS BIGINT))")
            .bind(now.unix_ms())
            .fetch_one(conn)
            .await
            .map_err(|e| conn.error("take a copy", e))?;
    copy::copy(layouts, file, conn).await?;
    Ok(kept)
}

/// Whoever is connected as outdial is an engine, or about to be asked something by one; one that has just been stopped is
/// given a moment to be gone.
async fn require_alone(conn: &mut Connection) -> Result<(), StoreError> {
    for look in 0..LEAVING_LOOKS {
        let others: i64 = scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'outdial' AND pid <> pg_backend_pid()",
        )
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error("tell who uses it", e))?;
        if others == 0 {
            return Ok(());
        }
        if look + 1 < LEAVING_LOOKS {
            tokio::time::sleep(LEAVING_LOOK).await;
        }
    }
    Err(StoreError::InUse(conn.path().to_owned(), None))
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
