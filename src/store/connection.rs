//! One SQLite connection with its path and its transaction.
//!
//! Transactions are plain statements rather than `sqlx`'s guard: SQLite ends a transaction by itself when the disk
//! is full or fails, and the guard's count would be off from then on.

use super::error::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long SQLite itself waits for another program's lock before a request fails.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The write-ahead log is cut back to this size, in bytes, after a checkpoint.
const LOG_SIZE_MAX: &str = "67108864";

pub(super) struct Connection {
    sqlite: SqliteConnection,
    path: PathBuf,
    in_transaction: bool,
}

impl Connection {
    /// For the one writer. The file must exist (its mode is given by whoever creates it).
    ///
    /// `synchronous = FULL` syncs the log on every commit. With `NORMAL` a commit would be several times cheaper and
    /// would survive the death of the process, but not the loss of power: an INVITE that left would be forgotten and
    /// the number dialed again. Group commit pays for the sync: one serves all INVITEs that were waiting.
    pub(super) async fn for_writing(path: &Path) -> Result<Connection, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("journal_size_limit", LOG_SIZE_MAX);
        Connection::connect(options, path).await
    }

    /// Beside a running engine: takes no lock that a writer would wait for.
    pub(super) async fn for_reading(path: &Path) -> Result<Connection, StoreError> {
        Connection::connect(SqliteConnectOptions::new().filename(path).read_only(true), path).await
    }

    async fn connect(options: SqliteConnectOptions, path: &Path) -> Result<Connection, StoreError> {
        // Statements carry numbers as arguments, which are never logged, but a line a statement helps nobody.
        let options = options.busy_timeout(LOCK_WAIT).disable_statement_logging();
        let sqlite =
            options.connect().await.map_err(|e| StoreError::of_sqlite(path.to_owned(), "be opened", e))?;
        Ok(Connection { sqlite, path: path.to_owned(), in_transaction: false })
    }

    /// What statements are executed on.
    pub(super) fn sqlite(&mut self) -> &mut SqliteConnection {
        &mut self.sqlite
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// SQLite's error with its place.
    pub(super) fn error(&self, doing: &'static str, error: sqlx::Error) -> StoreError {
        StoreError::of_sqlite(self.path.clone(), doing, error)
    }

    /// A row that no outdial writes.
    pub(super) fn damaged(&self, what: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what }
    }

    /// Begins a transaction that may write from its first statement on. One that was left open, because its future
    /// was dropped half-way, is rolled back first.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.roll_back().await;
        self.execute("begin a transaction", "BEGIN IMMEDIATE").await?;
        self.in_transaction = true;
        Ok(())
    }

    /// Ends the transaction by the outcome of its work: on disk when this gives `Ok`, and nothing of it remains
    /// when it gives an error.
    pub(super) async fn end<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = match outcome {
            Ok(done) => self.execute("commit", "COMMIT").await.map(|()| done),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(_) => self.in_transaction = false,
            Err(_) => self.roll_back().await,
        }
        outcome
    }

    /// It can only fail when SQLite has already ended the transaction, which is as good.
    async fn roll_back(&mut self) {
        if std::mem::take(&mut self.in_transaction) {
            let _already_ended = self.execute("roll back", "ROLLBACK").await;
        }
    }

    async fn execute(&mut self, doing: &'static str, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(&mut self.sqlite).await.map_err(|e| self.error(doing, e))?;
        Ok(())
    }

    /// Closes it; the last one to close leaves a single file behind.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        let path = self.path;
        self.sqlite.close().await.map_err(|e| StoreError::of_sqlite(path, "be closed", e))
    }
}
