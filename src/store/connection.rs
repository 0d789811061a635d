//! One connection, to a SQLite file or a PostgreSQL server, with its place and its transaction.
//!
//! Transactions are plain statements rather than `sqlx`'s guard: SQLite ends a transaction by itself when the disk
//! is full or fails, PostgreSQL when the connection breaks, and the guard's count would be off from then on.

use super::error::StoreError;
use super::location::{Location, Server};
use super::statement::{query, scalar};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long SQLite itself waits for another program's lock before a request fails.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Pages of the write-ahead log, of 4 KiB, after which they are carried over into the file: a page that has changed often
/// since is carried over once.
const LOG_PAGES: &str = "4000";

/// The write-ahead log is cut back to this size, in bytes, after a checkpoint.
const LOG_SIZE_MAX: &str = "67108864";

/// How long a server may take to accept us.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// What a session asks of the server. Commits reach its disk before they are answered; who waits for a row that
/// another node holds gives up in time; and a node that was frozen in the middle of a transaction does not hold the
/// others up.
const SESSION: [(&str, &str); 4] = [
    ("synchronous_commit", "on"),
    ("lock_timeout", "2000"),
    ("idle_in_transaction_session_timeout", "2000"),
    ("statement_timeout", "30000"),
];

/// Where statements go.
pub(super) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

pub(super) struct Connection {
    /// None once a server is lost.
    link: Option<Link>,
    /// Where to connect again, of a server.
    server: Option<Server>,
    path: PathBuf,
    in_transaction: bool,
    /// The transaction of a commit that was sent and not answered.
    unanswered: Option<i64>,
    /// The node that claims through it; 0 for the one engine of a file.
    holder: i64,
}

impl Connection {
    /// For the one writer. The file must exist (its mode is given by whoever creates it).
    ///
    /// `synchronous = FULL` syncs the log on every commit. With `NORMAL` a commit would be several times cheaper and
    /// would survive the death of the process, but not the loss of power: an INVITE that left would be forgotten and
    /// the number dialed again. Group commit pays for the sync: one serves all INVITEs that were waiting. What a statement
    /// keeps for being undone stays in memory; it is nothing to be read again.
    pub(super) async fn for_writing(path: &Path) -> Result<Connection, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .pragma("temp_store", "memory")
            .pragma("journal_size_limit", LOG_SIZE_MAX);
        Connection::connect(options, path).await
    }

    /// For a copy in the making: until it is whole nobody relies on it, and then it is one file without a log.
    pub(super) async fn for_copying(path: &Path) -> Result<Connection, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(true);
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
            options.connect().await.map_err(|e| StoreError::of_database(path.to_owned(), "be opened", e))?;
        Ok(Connection::new(Some(Link::Sqlite(sqlite)), None, path.to_owned()))
    }

    /// To a server, whether for reading or writing.
    pub(super) async fn to_server(server: &Server) -> Result<Connection, StoreError> {
        let mut conn = Connection::new(None, Some(server.clone()), PathBuf::from(server.to_string()));
        conn.connect_again().await?;
        Ok(conn)
    }

    fn new(link: Option<Link>, server: Option<Server>, path: PathBuf) -> Connection {
        Connection { link, server, path, in_transaction: false, unanswered: None, holder: 0 }
    }

    /// Lets go of a server until the next transaction; a file stays open. Nothing may be going on.
    pub(super) async fn let_go(&mut self) {
        if let Some(Link::Postgres(link)) = self.link.take_if(|link| matches!(link, Link::Postgres(_))) {
            // A server that does not answer the farewell notices by itself.
            let _in_time = tokio::time::timeout(CONNECT_WITHIN, link.close()).await;
        }
    }

    /// Does nothing while connected.
    pub(super) async fn connect_again(&mut self) -> Result<(), StoreError> {
        let (None, Some(server)) = (&self.link, &self.server) else { return Ok(()) };
        let connected = connect_to(server).await.map_err(|e| self.error("be reached", e))?;
        self.link = Some(Link::Postgres(connected));
        self.in_transaction = false;
        Ok(())
    }

    /// What statements are executed on.
    pub(super) fn link(&mut self) -> Result<&mut Link, sqlx::Error> {
        self.link.as_mut().ok_or_else(|| sqlx::Error::Io(std::io::ErrorKind::NotConnected.into()))
    }

    /// A connection that has failed is not used again: what it was asked last may still be on its way.
    pub(super) fn note<T>(&mut self, done: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if done.as_ref().is_err_and(is_lost) {
            self.link = None;
        }
        done
    }

    /// Whether several nodes may share it.
    pub(super) fn is_server(&self) -> bool {
        self.server.is_some()
    }

    /// The file of the key under which numbers are erased. A server's is wherever it was said to be.
    pub(super) fn key(&self) -> Result<PathBuf, StoreError> {
        let location = match &self.server {
            None => Location::File(self.path.clone()),
            Some(server) => Location::Server(server.clone()),
        };
        location.key().ok_or_else(|| StoreError::NoKey(self.path.clone()))
    }

    /// Who claims.
    pub(super) fn holder(&self) -> i64 {
        self.holder
    }

    pub(super) fn set_holder(&mut self, token: i64) {
        self.holder = token;
    }

    /// Whether a commit was sent and not answered.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.unanswered.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database's error with its place.
    pub(super) fn error(&self, doing: &'static str, error: sqlx::Error) -> StoreError {
        StoreError::of_database(self.path.clone(), doing, error)
    }

    /// A row that no outdial writes.
    pub(super) fn damaged(&self, what: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what }
    }

    /// Begins a transaction that may write from its first statement on. One that was left open, because its future
    /// was dropped half-way, is rolled back first; a server that was lost is connected to again.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.roll_back().await;
        self.connect_again().await?;
        let sql = if self.is_server() { "BEGIN" } else { "BEGIN IMMEDIATE" };
        self.execute("begin a transaction", sql).await?;
        self.in_transaction = true;
        Ok(())
    }

    /// Ends the transaction by the outcome of its work: on disk when this gives `Ok`, and nothing of it remains
    /// when it gives an error, but for a server that was lost over the commit itself (see [`Connection::is_in_doubt`]).
    pub(super) async fn end<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = match outcome {
            Ok(done) => self.commit().await.map(|()| done),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(_) => self.in_transaction = false,
            Err(_) => self.roll_back().await,
        }
        outcome
    }

    /// Begins a transaction that sees one moment's state however long it reads; [`Connection::roll_back`] ends it.
    pub(super) async fn begin_reading(&mut self) -> Result<(), StoreError> {
        self.roll_back().await;
        let sql = if self.is_server() { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" } else { "BEGIN" };
        self.execute("begin to read", sql).await?;
        self.in_transaction = true;
        self.allow_pauses().await
    }

    /// In this transaction a server is patient: what comes between two statements may take its time.
    pub(super) async fn allow_pauses(&mut self) -> Result<(), StoreError> {
        if self.is_server() {
            self.execute("be patient", "SET LOCAL idle_in_transaction_session_timeout = 60000").await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        if !self.is_server() {
            return self.execute("commit", "COMMIT").await;
        }
        let transaction: i64 = scalar("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
            .fetch_one(self)
            .await
            .map_err(|e| self.error("commit", e))?;
        let done = self.execute("commit", "COMMIT").await;
        if done.is_err() && self.link.is_none() {
            self.unanswered = Some(transaction);
        }
        done
    }

    /// As if the answer to the last commit had been lost.
    #[cfg(test)]
    pub(super) fn lose_the_answer(&mut self, transaction: i64) {
        (self.link, self.unanswered) = (None, Some(transaction));
    }

    /// Whether the transaction whose commit was not answered is on disk after all. An error as long as nobody knows.
    pub(super) async fn settled(&mut self) -> Result<bool, StoreError> {
        const DOING: &str = "tell what became of a commit";
        let Some(transaction) = self.unanswered else { return Ok(false) };
        let status: Option<String> = scalar("SELECT pg_xact_status(CAST(CAST($1 AS text) AS xid8))")
            .bind(transaction)
            .fetch_one(self)
            .await
            .map_err(|e| self.error(DOING, e))?;
        match status.as_deref() {
            // Its session hangs on the server still: it must not commit behind our back.
            Some("in progress") => {
                let gone = std::io::Error::other("the last transaction is still going on");
                Err(self.error(DOING, sqlx::Error::Io(gone)))
            }
            status => {
                self.unanswered = None;
                Ok(status == Some("committed"))
            }
        }
    }

    /// It can only fail when the database has already ended the transaction, which is as good.
    pub(super) async fn roll_back(&mut self) {
        if std::mem::take(&mut self.in_transaction) && self.link.is_some() {
            let _already_ended = self.execute("roll back", "ROLLBACK").await;
        }
    }

    async fn execute(&mut self, doing: &'static str, sql: &'static str) -> Result<(), StoreError> {
        query(sql).execute(self).await.map(drop).map_err(|e| self.error(doing, e))
    }

    /// Closes it; the last one to close a file leaves a single one behind.
    pub(super) async fn close(mut self) -> Result<(), StoreError> {
        self.let_go().await;
        let closed = match self.link {
            Some(Link::Sqlite(sqlite)) => sqlite.close().await,
            Some(Link::Postgres(_)) | None => Ok(()),
        };
        closed.map_err(|e| StoreError::of_database(self.path, "be closed", e))
    }
}

async fn connect_to(server: &Server) -> Result<PgConnection, sqlx::Error> {
    let options = server.options()?.application_name("outdial").options(SESSION).disable_statement_logging();
    match tokio::time::timeout(CONNECT_WITHIN, options.connect()).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Whether the connection is of no more use.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        // An administrator or a time-out has ended the session (PostgreSQL, appendix A: 57P01 to 57P05, 25P03, 08...).
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "25P03"),
        _ => false,
    }
}
