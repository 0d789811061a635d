//! Contacts and the do-not-call list in bulk: what files bring in at the start.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::statement::query;
use crate::number::E164;
use crate::record::{CampaignState, NewContact};
use crate::time::WallTime;

/// Rows of one transaction. Large enough that the sync at its end costs nothing per row; small enough that the
/// text of its rows stays at a few megabytes.
const ROWS_PER_TRANSACTION: usize = 10_000;

/// What an import did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ImportCounts {
    /// Contacts that are new.
    pub added: u64,
    /// Contacts whose number the campaign already had, in the store or earlier in the same list: left as they were.
    pub already_there: u64,
}

/// A number on the do-not-call list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suppression {
    /// Which.
    pub number: E164,
    /// Where it came from first: `key_press`, `file`, `operator`.
    pub source: String,
    /// Since when.
    pub at: WallTime,
}

impl Store {
    /// Adds contacts to a campaign, which becomes known (as a draft) if it was not. A contact is its number within
    /// its campaign: one that exists keeps all it has. New contacts are due at once, except those on the do-not-call
    /// list, which are suppressed from the start. Interrupted half-way, it is simply run again.
    pub async fn import_contacts(
        &mut self,
        campaign: &str,
        contacts: impl IntoIterator<Item = NewContact>,
    ) -> Result<ImportCounts, StoreError> {
        let mut counts = ImportCounts::default();
        let mut contacts = contacts.into_iter();
        loop {
            let rows: Vec<NewContact> = contacts.by_ref().take(ROWS_PER_TRANSACTION).collect();
            let conn = &mut self.connection;
            conn.begin().await?;
            let imported = import(conn, campaign, &rows).await;
            let added = conn.end(imported).await?;
            counts.added += added;
            counts.already_there += rows.len() as u64 - added;
            if rows.len() < ROWS_PER_TRANSACTION {
                return Ok(counts);
            }
        }
    }

    /// Puts numbers on the do-not-call list and gives how many were new. Waiting contacts with them become
    /// suppressed, in all campaigns.
    pub async fn suppress_many(
        &mut self,
        numbers: impl IntoIterator<Item = E164>,
        source: &str,
        at: WallTime,
    ) -> Result<u64, StoreError> {
        let mut added = 0;
        let mut numbers = numbers.into_iter();
        loop {
            let rows: Vec<E164> = numbers.by_ref().take(ROWS_PER_TRANSACTION).collect();
            let conn = &mut self.connection;
            conn.begin().await?;
            let suppressed = suppress(conn, &rows, source, at).await;
            added += conn.end(suppressed).await?;
            if rows.len() < ROWS_PER_TRANSACTION {
                return Ok(added);
            }
        }
    }

    /// The whole do-not-call list, in the order of its numbers.
    pub async fn suppressions(&mut self) -> Result<Vec<Suppression>, StoreError> {
        read_suppressions(&mut self.connection).await
    }
}

pub(super) async fn read_suppressions(conn: &mut Connection) -> Result<Vec<Suppression>, StoreError> {
    let rows: Vec<(String, String, i64)> =
        query("SELECT number, source, at FROM suppressions ORDER BY number")
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("read the do-not-call list", e))?;
    rows.into_iter()
        .map(|(number, source, at)| {
            let number = read_number(conn, &number)?;
            Ok(Suppression { number, source, at: WallTime::from_unix_ms(at) })
        })
        .collect()
}

async fn import(conn: &mut Connection, campaign: &str, rows: &[NewContact]) -> Result<u64, StoreError> {
    query("INSERT INTO campaigns (name, state) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(campaign)
        .bind(CampaignState::Draft.as_str())
        .execute(conn)
        .await
        .map_err(|e| conn.error("import a campaign", e))?;
    let rows: Vec<_> = rows.iter().map(|c| (c.number.as_str(), &c.name, &c.comment, &c.attributes)).collect();
    // One statement for all rows: they travel as one JSON text, which is several times faster than one by one.
    let done = query(
        "INSERT INTO contacts (campaign, number, name, comment, attributes, state, next_attempt_at, last_reason)
         SELECT $1, new.number, name, comment, attributes,
                CASE WHEN s.number IS NULL THEN 'pending' ELSE 'suppressed' END, 0,
                CASE WHEN s.number IS NULL THEN '' ELSE 'do_not_call' END
         FROM (SELECT key, value ->> 0 AS number, value ->> 1 AS name, value ->> 2 AS comment,
                      value -> 3 AS attributes FROM json_each($2)) AS new
         LEFT JOIN suppressions AS s ON s.number = new.number
         WHERE true ORDER BY new.key
         ON CONFLICT (campaign, number) DO NOTHING",
    )
    .bind(campaign)
    .bind(to_json(&rows))
    .execute(conn)
    .await
    .map_err(|e| conn.error("import contacts", e))?;
    Ok(done)
}

/// Also the engine's request.
pub(super) async fn suppress(
    conn: &mut Connection,
    numbers: &[E164],
    source: &str,
    at: WallTime,
) -> Result<u64, StoreError> {
    let numbers = to_json(&numbers.iter().map(E164::as_str).collect::<Vec<_>>());
    let done = query(
        "INSERT INTO suppressions (number, source, at) SELECT value, $2, $3 FROM json_each($1) WHERE true
         ON CONFLICT (number) DO NOTHING",
    )
    .bind(numbers.as_str())
    .bind(source)
    .bind(at.unix_ms())
    .execute(conn)
    .await
    .map_err(|e| conn.error("add to the do-not-call list", e))?;
    query(
        "UPDATE contacts SET state = 'suppressed', last_reason = 'do_not_call'
         WHERE number IN (SELECT value FROM json_each($1)) AND state IN ('pending', 'claimed')",
    )
    .bind(numbers)
    .execute(conn)
    .await
    .map_err(|e| conn.error("suppress contacts", e))?;
    Ok(done)
}

fn to_json(rows: &impl serde::Serialize) -> String {
    serde_json::to_string(rows).expect("texts and maps of texts always have a JSON form")
}

pub(super) fn read_number(conn: &Connection, text: &str) -> Result<E164, StoreError> {
    E164::from_e164(text).ok_or_else(|| conn.damaged("a number that is not in E.164 form".to_owned()))
}
