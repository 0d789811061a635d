//! Calls that may be up, one row each, for the run after a crash.
//!
//! The row comes with its INVITE's commit, is replaced when more is known, and goes some time after the call's end.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::recovery::read_attempt;
use super::rows::{Rows, texts};
use super::statement::{query, scalar};
use crate::record::{AttemptId, DialogRecord, InviteRecord};
use crate::time::WallTime;
use std::collections::BTreeMap;

/// What is known of calls by now: the last word on each.
const PUT: &str = "
    INSERT INTO dialogs (call_id, attempt, trunk, dialog, holder)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, $2 FROM json_each($1) WHERE true
        ON CONFLICT (call_id) DO UPDATE SET dialog = excluded.dialog WHERE dialogs.holder = excluded.holder";

/// What is known of a call.
pub(super) struct Known<'r> {
    call_id: &'r str,
    attempt: AttemptId,
    trunk: &'r str,
    pub(super) dialog: &'r str,
}

impl<'r> Known<'r> {
    /// With the commit of its INVITE.
    pub(super) fn of_invite(invite: &'r InviteRecord) -> Self {
        let InviteRecord { call_id, attempt, trunk, dialog, .. } = invite;
        Known { call_id, attempt: *attempt, trunk, dialog }
    }

    /// By now.
    pub(super) fn of_record(record: &'r DialogRecord) -> Self {
        let DialogRecord { call_id, attempt, trunk, dialog } = record;
        Known { call_id, attempt: *attempt, trunk, dialog }
    }
}

/// What is known of calls by now, and which are over.
pub(super) async fn keep(
    conn: &mut Connection,
    open: &[Known<'_>],
    gone: &[&str],
) -> Result<(), StoreError> {
    if !open.is_empty() {
        let last: BTreeMap<&str, &Known<'_>> = open.iter().map(|known| (known.call_id, known)).collect();
        let mut rows = Rows::default();
        for known in last.into_values() {
            rows.begin().put(known.call_id).put(known.attempt.to_string()).put(known.trunk).put(known.dialog);
        }
        query(PUT)
            .bind(rows.into_text())
            .bind(conn.holder())
            .execute(conn)
            .await
            .map_err(|e| conn.error("keep a dialog", e))?;
    }
    if !gone.is_empty() {
        query("DELETE FROM dialogs WHERE call_id IN (SELECT value FROM json_each($1)) AND holder = $2")
            .bind(texts(gone.iter().copied()))
            .bind(conn.holder())
            .execute(conn)
            .await
            .map_err(|e| conn.error("forget dialogs", e))?;
    }
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
