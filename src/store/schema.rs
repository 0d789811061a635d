//! The schema and how a database reaches it: migrations, each applied once, in order, in its own transaction.

use super::connection::Connection;
use super::dialect::PRELUDE;
use super::error::StoreError;
use super::statement::{query, scalar, script};

/// What each version adds to the one before; the first makes version 1. Released ones never change.
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_labels.sql"),
    include_str!("migrations/0003_dialogs.sql"),
    include_str!("migrations/0004_law.sql"),
    include_str!("migrations/0005_lists.sql"),
    include_str!("migrations/0007_nodes.sql"),
];

/// The version that this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Written into the file's header (offset 68), so that another program's database is recognised: "ODLR".
const APPLICATION_ID: i64 = 0x4f44_4c52;

const MARK: &str = "PRAGMA application_id = 0x4f444c52";

/// On a server, where there is no such header.
const MARK_ON_SERVER: &str = "INSERT INTO outdial_database (application_id) VALUES (1329876050)";

/// Nodes that start together migrate one after the other.
const ONE_AFTER_THE_OTHER: &str = "SELECT 1 FROM pg_advisory_xact_lock(1329876050)";

const VERSIONS: &str = "CREATE TABLE schema_versions (
    version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000)) STRICT";

/// Brings the database up to date, creating everything in an empty one.
pub(super) async fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    conn.begin().await?;
    let applied = apply_missing(conn).await;
    conn.end(applied).await
}

/// The same, in the transaction that is open.
pub(super) async fn apply_missing(conn: &mut Connection) -> Result<(), StoreError> {
    if conn.is_server() {
        run(conn, ONE_AFTER_THE_OTHER).await?;
    }
    let found = version(conn).await?;
    if found == 0 {
        let mark = if conn.is_server() { [PRELUDE, MARK_ON_SERVER].as_slice() } else { &[MARK] };
        for sql in mark {
            run(conn, sql).await?;
        }
        run(conn, VERSIONS).await?;
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        run(conn, migration).await?;
        query("INSERT INTO schema_versions (version) VALUES ($1)")
            .bind(index as i64 + 1)
            .execute(conn)
            .await
            .map_err(|e| conn.error("be migrated", e))?;
    }
    Ok(())
}

/// Writes a row as it is and commits it. SQLite opens a file that it may only read without a word, and even lets
/// `BEGIN IMMEDIATE` pass on it: nothing short of a write tells.
pub(super) async fn prove_writable(conn: &mut Connection) -> Result<(), StoreError> {
    conn.begin().await?;
    let written = query("UPDATE schema_versions SET applied_at = applied_at WHERE version = $1")
        .bind(VERSION)
        .execute(conn)
        .await;
    let written = written.map(|_| ()).map_err(|e| conn.error("be written", e));
    conn.end(written).await
}

async fn run(conn: &mut Connection, sql: &'static str) -> Result<(), StoreError> {
    script(conn, sql).await.map_err(|e| conn.error("be migrated", e))
}

/// A reader cannot migrate: it wants exactly this version.
pub(super) async fn require_current(conn: &mut Connection) -> Result<(), StoreError> {
    match version(conn).await? {
        VERSION => Ok(()),
        found => Err(StoreError::OlderSchema { path: conn.path().to_owned(), found, known: VERSION }),
    }
}

/// A copy may be of an older version: it is migrated when it is put back.
pub(super) async fn require_known(conn: &mut Connection) -> Result<(), StoreError> {
    match version(conn).await? {
        0 => Err(StoreError::NotOurs(conn.path().to_owned())),
        _ => Ok(()),
    }
}

const TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// The catalogue itself: the information schema leaves out what this user may not touch.
const TABLES_ON_SERVER: &str = "SELECT count(*) FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

const MARKS_ON_SERVER: &str = "SELECT count(*) FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relname = 'outdial_database'";

/// 0 for an empty file; newer versions and other programs' databases are errors.
pub(super) async fn version(conn: &mut Connection) -> Result<i64, StoreError> {
    let tables = number(conn, if conn.is_server() { TABLES_ON_SERVER } else { TABLES }).await?;
    let application = match conn.is_server() {
        false => number(conn, "SELECT application_id FROM pragma_application_id").await?,
        true if number(conn, MARKS_ON_SERVER).await? == 0 => 0,
        true => number(conn, "SELECT application_id FROM outdial_database").await?,
    };
    match (application, tables) {
        (APPLICATION_ID, _) => {}
        (0, 0) => return Ok(0),
        _ => return Err(StoreError::NotOurs(conn.path().to_owned())),
    }
    let found = number(conn, "SELECT coalesce(max(version), 0) FROM schema_versions").await?;
    if found > VERSION {
        return Err(StoreError::NewerSchema { path: conn.path().to_owned(), found, known: VERSION });
    }
    Ok(found)
}

async fn number(conn: &mut Connection, sql: &'static str) -> Result<i64, StoreError> {
    scalar(sql).fetch_one(conn).await.map_err(|e| conn.error("be read", e))
}
