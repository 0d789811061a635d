//! Many rows as one answer.
//!
//! A file's rows come one by one from the thread that SQLite has for itself, and each wakes whoever waits for the next. What
//! may have hundreds of rows is therefore gathered into one text, an array of arrays, as rows to be written are
//! ([`super::rows`]). A server's rows come many in a packet, and as they are.

use super::connection::Connection;
use super::statement::{Readable, Statement, Value, composed};
use serde::de::DeserializeOwned;
use sqlx::Error;
use std::borrow::Cow;

/// A query with its values, of which many rows are expected; in no particular order.
pub(super) struct Gathered<'v> {
    columns: &'static str,
    rows: Cow<'static, str>,
    values: Vec<Value<'v>>,
}

/// These columns of the rows that `rows` selects. What is yes or no must not be among them: on a file it is a number.
pub(super) fn gathered(columns: &'static str, rows: impl Into<Cow<'static, str>>) -> Gathered<'static> {
    Gathered { columns, rows: rows.into(), values: Vec::new() }
}

impl<'v> Gathered<'v> {
    /// With the next value.
    pub(super) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// All rows.
    pub(super) async fn fetch_all<T>(self, conn: &mut Connection) -> Result<Vec<T>, Error>
    where
        T: Readable + DeserializeOwned,
    {
        let Gathered { columns, rows, values } = self;
        let sql = match conn.is_server() {
            true => format!("SELECT {columns} FROM ({rows}) AS gathered"),
            false => format!("SELECT json_group_array(json_array({columns})) FROM ({rows})"),
        };
        let statement: Statement<'v> = composed(sql);
        let statement = values.into_iter().fold(statement, |statement, value| statement.bind(value));
        if conn.is_server() {
            return statement.fetch_all(conn).await;
        }
        let (text,): (String,) = statement.fetch_one(conn).await?;
        serde_json::from_str(&text).map_err(|error| Error::Decode(error.into()))
    }
}
