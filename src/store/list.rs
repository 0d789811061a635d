//! Contacts and the do-not-call list in bulk: what files bring in at the start.

use super::connection::Connection;
use super::database::Store;
use super::erase::erased_among;
use super::error::StoreError;
use super::source::ListId;
use super::statement::{query, scalar};
use crate::number::E164;
use crate::record::{CampaignState, ContactState, NewContact, Past};
use crate::time::WallTime;
use serde_json::{Value, json};
use std::ops::AddAssign;

/// Rows of one statement, and of one transaction. Their order is that of the numbers, so each page of the index of
/// numbers is written once for all of them: the more rows, the fewer pages a row. The text of the rows stays below a
/// megabyte, an import within 100 MB, and an engine that writes meanwhile waits for less than its patience.
pub const ROWS_MAX: usize = 2_000;

/// What an import did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ImportCounts {
    /// Contacts that are new.
    pub added: u64,
    /// Contacts whose number the campaign already had, in the store or earlier in the same list: left as they were.
    pub already_there: u64,
    /// Those whose number is on the do-not-call list, which are never dialed, and those that were erased, which are not
    /// even kept.
    pub suppressed: u64,
}

impl AddAssign for ImportCounts {
    fn add_assign(&mut self, more: ImportCounts) {
        self.added += more.added;
        self.already_there += more.already_there;
        self.suppressed += more.suppressed;
    }
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
            let rows: Vec<NewContact> = contacts.by_ref().take(ROWS_MAX).collect();
            let last = rows.len() < ROWS_MAX;
            counts += self.import_rows(campaign, ListId(0), rows).await?;
            if last {
                return Ok(counts);
            }
        }
    }

    /// Adds some contacts of a list in one transaction; see [`Store::import_contacts`]. At most [`ROWS_MAX`] at once.
    pub async fn import_rows(
        &mut self,
        campaign: &str,
        list: ListId,
        rows: Vec<NewContact>,
    ) -> Result<ImportCounts, StoreError> {
        let conn = &mut self.connection;
        conn.begin().await?;
        let imported = import(conn, campaign, list, rows).await;
        conn.end(imported).await
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
            let rows: Vec<E164> = numbers.by_ref().take(ROWS_MAX).collect();
            let conn = &mut self.connection;
            conn.begin().await?;
            let suppressed = suppress(conn, &rows, source, at).await;
            added += conn.end(suppressed).await?;
            if rows.len() < ROWS_MAX {
                return Ok(added);
            }
        }
    }

    /// Shows every number of the do-not-call list, without holding them all.
    pub async fn each_suppressed(&mut self, mut each: impl FnMut(E164)) -> Result<(), StoreError> {
        let conn = &mut self.connection;
        let mut after = String::new();
        loop {
            // As one text: a row for each would cost ten times as much, and an engine starts only when all are read.
            let numbers: Option<String> = scalar(
                "SELECT group_concat(number, ' ') FROM
                     (SELECT number FROM suppressions WHERE number > $1 ORDER BY number LIMIT $2) AS page",
            )
            .bind(after.as_str())
            .bind(ROWS_MAX as i64)
            .fetch_one(conn)
            .await
            .map_err(|e| conn.error("read the do-not-call list", e))?;
            let Some(numbers) = numbers else { return Ok(()) };
            for number in numbers.split(' ') {
                each(read_number(conn, number)?);
            }
            // They came in no promised order.
            after = numbers.split(' ').max().unwrap_or_default().to_owned();
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

async fn import(
    conn: &mut Connection,
    campaign: &str,
    list: ListId,
    rows: Vec<NewContact>,
) -> Result<ImportCounts, StoreError> {
    // An importer is no node: nobody waits for what it holds.
    conn.allow_pauses().await?;
    const DOING: &str = "import contacts";
    query("INSERT INTO campaigns (name, state) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(campaign)
        .bind(CampaignState::Draft.as_str())
        .execute(conn)
        .await
        .map_err(|e| conn.error("import a campaign", e))?;
    let suppressed_before = count_suppressed(conn, campaign, list).await?;
    let last: i64 = scalar("SELECT coalesce(max(id), 0) FROM contacts")
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    let count = rows.len() as u64;
    let erased = erased_among(conn, rows.iter().map(|row| &row.number)).await?;
    let rows: Vec<NewContact> = if erased.is_empty() {
        rows
    } else {
        rows.into_iter().filter(|row| !erased.contains(&row.number)).collect()
    };
    let kept_out = count - rows.len() as u64;
    let done = query(if conn.is_server() { IMPORT_ON_SERVER } else { IMPORT })
        .bind(campaign)
        .bind(list.0)
        .bind(last)
        .bind(rows_by_number(rows))
        .execute(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    let added = done;
    let suppressed = count_suppressed(conn, campaign, list).await?.saturating_sub(suppressed_before);
    Ok(ImportCounts { added, already_there: count - kept_out - added, suppressed: suppressed + kept_out })
}

/// One statement for all rows: they travel as one JSON text, which is several times faster than one by one.
const IMPORT: &str = "
    WITH new AS MATERIALIZED (SELECT key, value FROM json_each($4))
    INSERT INTO contacts (id, campaign, list, number, name, comment, attributes, further, priority, zone,
                          next_attempt_at, earlier, callback_at, callback_agent, state, last_reason)
    SELECT $3 + CAST(value ->> 0 AS BIGINT), $1, $2, value ->> 1, value ->> 2, value ->> 3, value -> 4, value ->> 5,
           CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT), value ->> 9,
           CAST(value ->> 10 AS BIGINT), value ->> 11,
           CASE WHEN s.number IS NULL THEN value ->> 12 ELSE 'suppressed' END,
           CASE WHEN s.number IS NULL THEN '' ELSE 'do_not_call' END
    FROM new LEFT JOIN suppressions AS s ON s.number = value ->> 1
    WHERE true ORDER BY new.key
    ON CONFLICT (campaign, number) DO NOTHING";

/// A server gives the ids itself, for other nodes may import at the same time: in the order of the list.
const IMPORT_ON_SERVER: &str = "
    WITH new AS MATERIALIZED (SELECT value FROM json_each($4))
    INSERT INTO contacts (campaign, list, number, name, comment, attributes, further, priority, zone,
                          next_attempt_at, earlier, callback_at, callback_agent, state, last_reason)
    SELECT $1, $2, value ->> 1, value ->> 2, value ->> 3, value -> 4, value ->> 5,
           CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT), value ->> 9,
           CAST(value ->> 10 AS BIGINT), value ->> 11,
           CASE WHEN s.number IS NULL THEN value ->> 12 ELSE 'suppressed' END,
           CASE WHEN s.number IS NULL THEN '' ELSE 'do_not_call' END
    FROM new LEFT JOIN suppressions AS s ON s.number = value ->> 1
    WHERE $3 >= 0 ORDER BY CAST(value ->> 0 AS BIGINT)
    ON CONFLICT (campaign, number) DO NOTHING";

/// Each row says its place in the list, from 1; the rows themselves go in the order of their numbers.
fn rows_by_number(rows: Vec<NewContact>) -> String {
    let mut placed: Vec<(usize, NewContact)> = (1..).zip(rows).collect();
    // Stable: of two with the same number the first comes in.
    placed.sort_by(|(_, a), (_, b)| a.number.cmp(&b.number));
    // Row by row: the rows as a tree of values would take several times the memory of their text.
    let mut text = "[".to_owned();
    for (place, contact) in placed {
        if text.len() > 1 {
            text.push(',');
        }
        text += &row(place, contact).to_string();
    }
    text.push(']');
    text
}

fn row(place: usize, contact: NewContact) -> Value {
    let Past { ended, next_attempt_at, outcomes, callback } = contact.past;
    let (callback_at, agent) = callback.map(|(at, agent)| (at.unix_ms(), agent)).unzip();
    json!([
        place,
        contact.number.as_str(),
        contact.name,
        contact.comment,
        contact.attributes,
        contact.further.iter().map(E164::as_str).collect::<Vec<_>>().join(" "),
        contact.priority,
        contact.zone.0,
        next_attempt_at.unix_ms(),
        if outcomes.is_empty() { String::new() } else { to_json(&outcomes) },
        callback_at,
        agent.unwrap_or_default(),
        ended.unwrap_or(ContactState::Pending).as_str(),
    ])
}

async fn count_suppressed(conn: &mut Connection, campaign: &str, list: ListId) -> Result<u64, StoreError> {
    let count: i64 = scalar(
        "SELECT CAST(coalesce(sum(contacts), 0) AS BIGINT) FROM contact_counts
         WHERE campaign = $1 AND state = 'suppressed' AND list = $2",
    )
    .bind(campaign)
    .bind(list.0)
    .fetch_one(conn)
    .await
    .map_err(|e| conn.error("count a list", e))?;
    Ok(count as u64)
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
         WHERE campaign IN (SELECT name FROM campaigns) AND number IN (SELECT value FROM json_each($1))
             AND state IN ('pending', 'claimed')",
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
