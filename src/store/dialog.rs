//! Calls that may be up, one row each, for the run after a crash.
//!
//! The row comes with its INVITE's commit, is replaced when more is known, and goes some time after the call's end.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::recovery::read_attempt;
use super::rows::Rows;
use super::statement::{query, scalar};
use crate::record::{AttemptId, DialogRecord, InviteRecord};
use crate::time::WallTime;
use std::collections::BTreeMap;

/// What is known of calls by now: the last word on each.
pub(super) const PUT: &str = "
    WITH d AS MATERIALIZED (SELECT value FROM json_each($6))
    INSERT INTO dialogs (call_id, attempt, trunk, dialog, holder)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, $1 FROM d WHERE true
        ON CONFLICT (call_id) DO UPDATE SET dialog = excluded.dialog WHERE dialogs.holder = excluded.holder";

/// Calls that are over.
pub(super) const FORGET: &str = "
    DELETE FROM dialogs WHERE call_id IN (SELECT value ->> 0 FROM json_each($7)) AND holder = $1";

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

/// The rows of [`PUT`]. A call that is there twice keeps the later word.
pub(super) fn rows<'r>(known: impl Iterator<Item = Known<'r>>) -> Rows {
    let last: BTreeMap<&str, Known<'_>> = known.map(|known| (known.call_id, known)).collect();
    let mut rows = Rows::default();
    for known in last.into_values() {
        rows.begin().put(known.call_id).put(known.attempt.to_string()).put(known.trunk).put(known.dialog);
    }
    rows
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
