//! One statement with its values, run on whichever database the connection leads to.
//!
//! The text is the same for both: `$1` for values, and what only PostgreSQL reads stands between `/*+` and `*/`, where
//! SQLite sees a comment.

use super::connection::{Connection, Link};
use super::dialect;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Error, FromRow};
use std::borrow::Cow;
use std::time::Duration;

/// How long a server may take for one statement.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A statement, its values still to come.
pub(super) fn query(sql: &'static str) -> Statement<'static> {
    Statement { sql: Cow::Borrowed(sql), values: Vec::new() }
}

/// A statement put together of parts of our own; no value may be among them.
pub(super) fn composed(sql: String) -> Statement<'static> {
    Statement { sql: Cow::Owned(sql), values: Vec::new() }
}

/// A statement that gives one column.
pub(super) fn scalar(sql: &'static str) -> Scalar<'static> {
    Scalar(query(sql))
}

/// A statement with its values.
pub(super) struct Statement<'v> {
    sql: Cow<'static, str>,
    values: Vec<Value<'v>>,
}

/// A statement put together of parts of our own, which gives one column.
pub(super) fn composed_scalar(sql: String) -> Scalar<'static> {
    Scalar(composed(sql))
}

/// A statement of which only the first column is wanted.
pub(super) struct Scalar<'v>(Statement<'v>);

/// Rows as the database gave them, for who reads them column by column.
pub(super) enum Rows {
    Sqlite(Vec<SqliteRow>),
    Postgres(Vec<PgRow>),
}

impl Rows {
    /// Each row, read by the one or the other.
    pub(super) fn read<T>(
        &self,
        sqlite: impl FnMut(&SqliteRow) -> Result<T, Error>,
        postgres: impl FnMut(&PgRow) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        match self {
            Rows::Sqlite(rows) => rows.iter().map(sqlite).collect(),
            Rows::Postgres(rows) => rows.iter().map(postgres).collect(),
        }
    }
}

/// What a value may be: the types that both databases have.
#[derive(Clone)]
pub(super) enum Value<'v> {
    Text(Option<Cow<'v, str>>),
    Integer(Option<i64>),
    Real(Option<f64>),
}

/// A row that can be read from both databases.
pub(super) trait Readable:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Readable for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<'v> Statement<'v> {
    /// With the next value.
    pub(super) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Gives the number of rows that it changed.
    pub(super) async fn execute(self, conn: &mut Connection) -> Result<u64, Error> {
        match conn.link()? {
            Link::Sqlite(link) => {
                let done = sqlx::query_with(AssertSqlSafe(self.sql.into_owned()), on_sqlite(self.values)?)
                    .execute(link)
                    .await?;
                Ok(done.rows_affected())
            }
            Link::Postgres(link) => {
                let text = AssertSqlSafe(dialect::statement(&self.sql).into_owned());
                let done = sqlx::query_with(text, on_postgres(self.values)?);
                let done = in_time(done.execute(link)).await;
                conn.note(done).map(|done| done.rows_affected())
            }
        }
    }

    /// Runs several statements that share the values, with `;` and a line's end between them. A file takes them all at once.
    pub(super) async fn execute_all(self, conn: &mut Connection) -> Result<(), Error> {
        if !conn.is_server() {
            return self.execute(conn).await.map(drop);
        }
        for sql in self.sql.split(";\n") {
            let statement = Statement { sql: Cow::Owned(sql.to_owned()), values: self.values.clone() };
            statement.execute(conn).await?;
        }
        Ok(())
    }

    /// All its rows.
    pub(super) async fn fetch_all<T: Readable>(self, conn: &mut Connection) -> Result<Vec<T>, Error> {
        match conn.link()? {
            Link::Sqlite(link) => {
                sqlx::query_as_with(AssertSqlSafe(self.sql.into_owned()), on_sqlite(self.values)?)
                    .fetch_all(link)
                    .await
            }
            Link::Postgres(link) => {
                let text = AssertSqlSafe(dialect::statement(&self.sql).into_owned());
                let rows = sqlx::query_as_with(text, on_postgres(self.values)?);
                let rows = in_time(rows.fetch_all(link)).await;
                conn.note(rows)
            }
        }
    }

    /// All its rows, unread.
    pub(super) async fn fetch_rows(self, conn: &mut Connection) -> Result<Rows, Error> {
        match conn.link()? {
            Link::Sqlite(link) => {
                let rows = sqlx::query_with(AssertSqlSafe(self.sql.into_owned()), on_sqlite(self.values)?);
                rows.fetch_all(link).await.map(Rows::Sqlite)
            }
            Link::Postgres(link) => {
                let text = AssertSqlSafe(dialect::statement(&self.sql).into_owned());
                let rows = sqlx::query_with(text, on_postgres(self.values)?);
                let rows = in_time(rows.fetch_all(link)).await;
                conn.note(rows).map(Rows::Postgres)
            }
        }
    }

    /// Its first row, if there is one. For statements that give one row at most: more would be read and dropped.
    pub(super) async fn fetch_optional<T: Readable>(self, conn: &mut Connection) -> Result<Option<T>, Error> {
        Ok(self.fetch_all(conn).await?.into_iter().next())
    }

    /// Its one row.
    pub(super) async fn fetch_one<T: Readable>(self, conn: &mut Connection) -> Result<T, Error> {
        self.fetch_optional(conn).await?.ok_or(Error::RowNotFound)
    }
}

impl<'v> Scalar<'v> {
    /// With the next value.
    pub(super) fn bind(self, value: impl Into<Value<'v>>) -> Self {
        Scalar(self.0.bind(value))
    }

    /// The column of the first row, if there is one.
    pub(super) async fn fetch_optional<T>(self, conn: &mut Connection) -> Result<Option<T>, Error>
    where
        (T,): Readable,
    {
        Ok(self.0.fetch_optional::<(T,)>(conn).await?.map(|(value,)| value))
    }

    /// Those of all rows.
    pub(super) async fn fetch_all<T>(self, conn: &mut Connection) -> Result<Vec<T>, Error>
    where
        (T,): Readable,
    {
        Ok(self.0.fetch_all::<(T,)>(conn).await?.into_iter().map(|(value,)| value).collect())
    }

    /// That of the one row.
    pub(super) async fn fetch_one<T>(self, conn: &mut Connection) -> Result<T, Error>
    where
        (T,): Readable,
    {
        Ok(self.0.fetch_one::<(T,)>(conn).await?.0)
    }
}

/// Statements without values, one behind the other: migrations.
pub(super) async fn script(conn: &mut Connection, sql: &'static str) -> Result<(), Error> {
    match conn.link()? {
        Link::Sqlite(link) => sqlx::raw_sql(sql).execute(link).await.map(drop),
        Link::Postgres(link) => {
            let done = sqlx::raw_sql(AssertSqlSafe(dialect::schema(sql))).execute(link).await;
            conn.note(done).map(drop)
        }
    }
}

/// A server that does not answer in this time is taken for lost, with the connection: whoever waits for it must not
/// wait for ever.
async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(answered) => answered,
        Err(_elapsed) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

fn on_sqlite(values: Vec<Value<'_>>) -> Result<SqliteArguments, Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Integer(number) => arguments.add(number),
            Value::Real(number) => arguments.add(number),
        }
        .map_err(Error::Encode)?;
    }
    Ok(arguments)
}

fn on_postgres(values: Vec<Value<'_>>) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Integer(number) => arguments.add(number),
            Value::Real(number) => arguments.add(number),
        }
        .map_err(Error::Encode)?;
    }
    Ok(arguments)
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Value::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Value::from(text.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Some(Cow::Owned(text)))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Value::Text(text.map(Cow::Borrowed))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Value::Text(text.map(Cow::Owned))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Integer(Some(number))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Integer(Some(number.into()))
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Value::Integer(Some(number.into()))
    }
}

impl From<bool> for Value<'_> {
    fn from(yes: bool) -> Self {
        Value::Integer(Some(yes.into()))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Value::Integer(number)
    }
}

impl From<Option<u32>> for Value<'_> {
    fn from(number: Option<u32>) -> Self {
        Value::Integer(number.map(Into::into))
    }
}

impl From<Option<u16>> for Value<'_> {
    fn from(number: Option<u16>) -> Self {
        Value::Integer(number.map(Into::into))
    }
}

impl From<Option<f64>> for Value<'_> {
    /// What is no number is absent: SQLite has no other way to write it.
    fn from(number: Option<f64>) -> Self {
        Value::Real(number.filter(|number| !number.is_nan()))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::from(Some(number))
    }
}
