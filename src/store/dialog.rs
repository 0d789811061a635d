//! Calls that may be up, one row each, for the run after a crash.
//!
//! The row comes with its INVITE's commit, is replaced when more is known, and goes some time after the call's end.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::recovery::read_attempt;
use super::statement::{query, scalar};
use crate::record::{DialogRecord, InviteRecord};
use crate::time::WallTime;

/// Call-IDs of one statement: most of what a statement costs is that it is one.
const GONE_AT_ONCE: usize = 16;

/// With the commit of its INVITE.
pub(super) async fn insert_of_invite(conn: &mut Connection, invite: &InviteRecord) -> Result<(), StoreError> {
    if invite.dialog.is_empty() {
        return Ok(());
    }
    put(conn, &invite.call_id, &invite.attempt.to_string(), &invite.trunk, &invite.dialog).await
}

/// What is known of calls by now, and which are over.
pub(super) async fn keep(
    conn: &mut Connection,
    open: &[DialogRecord],
    gone: &[String],
) -> Result<(), StoreError> {
    for record in open {
        put(conn, &record.call_id, &record.attempt.to_string(), &record.trunk, &record.dialog).await?;
    }
    for ids in gone.chunks(GONE_AT_ONCE) {
        forget(conn, ids).await?;
    }
    Ok(())
}

async fn put(
    conn: &mut Connection,
    call_id: &str,
    attempt: &str,
    trunk: &str,
    dialog: &str,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO dialogs (call_id, attempt, trunk, dialog, holder) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (call_id) DO UPDATE SET dialog = excluded.dialog WHERE dialogs.holder = excluded.holder",
    )
    .bind(call_id)
    .bind(attempt)
    .bind(trunk)
    .bind(dialog)
    .bind(conn.holder())
    .execute(conn)
    .await
    .map_err(|e| conn.error("keep a dialog", e))?;
    Ok(())
}

/// At most [`GONE_AT_ONCE`]; the rest of the places is filled with the first, so that one prepared statement serves all.
async fn forget(conn: &mut Connection, ids: &[String]) -> Result<(), StoreError> {
    let Some(first) = ids.first() else { return Ok(()) };
    let mut forget = query(
        "DELETE FROM dialogs WHERE call_id IN
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AND holder = $17",
    );
    for place in 0..GONE_AT_ONCE {
        forget = forget.bind(ids.get(place).unwrap_or(first).as_str());
    }
    forget.bind(conn.holder()).execute(conn).await.map_err(|e| conn.error("forget dialogs", e))?;
    Ok(())
}

impl Store {
    /// Calls that the former run has left, or may have left, in no particular order.
    pub async fn dialogs(&mut self) -> Result<Vec<DialogRecord>, StoreError> {
        adopt(&mut self.connection).await
    }

    /// When the last attempt was committed, if there was one.
    pub async fn last_attempt_at(&mut self) -> Result<Option<WallTime>, StoreError> {
        let conn = &mut self.connection;
        let at: Option<i64> = scalar("SELECT started_at FROM attempts ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(conn)
            .await
            .map_err(|e| conn.error("read the last attempt", e))?;
        Ok(at.map(WallTime::from_unix_ms))
    }
}

/// Calls that nobody holds who lives are this node's from now on: it ends them.
pub(super) async fn adopt(conn: &mut Connection) -> Result<Vec<DialogRecord>, StoreError> {
    let rows: Vec<(String, String, String, String)> = query(
        "UPDATE dialogs SET holder = $1 WHERE holder NOT IN (SELECT token FROM nodes)
         RETURNING call_id, attempt, trunk, dialog",
    )
    .bind(conn.holder())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("read dialogs", e))?;
    rows.into_iter()
        .map(|(call_id, attempt, trunk, dialog)| {
            let attempt = read_attempt(conn, &attempt)?;
            Ok(DialogRecord { call_id, attempt, trunk, dialog })
        })
        .collect()
}
