//! Forgetting people: at their wish at once, and after their time by rule. What they were called and when goes; that
//! somebody was called, and how it ended, stays, for caps and rates are reckoned from it.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::list::read_number;
use super::pseudonym::Key;
use super::rows;
use super::statement::{composed_scalar, query, scalar};
use crate::number::E164;
use crate::time::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rows of one transaction: an engine that runs beside waits for it.
const ROWS_PER_TRANSACTION: i64 = 5_000;

/// Numbers that are followed from one contact to the next: no person has as many.
const NUMBERS_MAX: usize = 100;

/// What an erasure did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Contacts without a name and a number now.
    pub contacts: u64,
    /// Call records without a number now.
    pub calls: u64,
    /// Attempts without a number now: they still count.
    pub attempts: u64,
    /// Contacts that are being called at this moment: then nothing was done.
    pub in_flight: u64,
    /// Recordings, which are files: whoever asked deletes them.
    pub recordings: Vec<String>,
    /// Rows in which one of the numbers still stands: none, unless something is wrong.
    pub left: u64,
}

/// What a retention did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expired {
    /// Call records older than their time.
    pub calls: u64,
    /// Contacts in a final state older than theirs.
    pub contacts: u64,
    /// Recordings of those calls.
    pub recordings: Vec<String>,
    /// What is left of either afterwards: none, unless something is wrong.
    pub left: u64,
}

impl Store {
    /// Forgets the person with this number, in all campaigns, with all their numbers. A hash under a key that is not in the
    /// database stays, so that no list brings them back; `fresh` becomes that key if there is none yet.
    pub async fn erase(
        &mut self,
        number: &E164,
        fresh: [u8; 32],
        at: WallTime,
    ) -> Result<Erased, StoreError> {
        let conn = &mut self.connection;
        let path = conn.key()?;
        conn.begin().await?;
        let erased = erase(conn, number, &path, fresh, at).await;
        conn.end(erased).await
    }

    /// How many call records of ended calls before `calls` and final contacts before `contacts` still say whom they are of.
    pub async fn overdue(
        &mut self,
        calls: Option<WallTime>,
        contacts: Option<WallTime>,
    ) -> Result<Expired, StoreError> {
        let conn = &mut self.connection;
        Ok(Expired {
            calls: count(conn, OVERDUE_CALLS, calls).await?,
            contacts: count(conn, OVERDUE_CONTACTS, contacts).await?,
            ..Expired::default()
        })
    }

    /// Takes from those what says whom they are of, a few thousand at a time.
    pub async fn expire(
        &mut self,
        calls: Option<WallTime>,
        contacts: Option<WallTime>,
    ) -> Result<Expired, StoreError> {
        let mut done = Expired::default();
        for (table, limit) in [(OVERDUE_CALLS, calls), (OVERDUE_CONTACTS, contacts)] {
            let Some(limit) = limit else { continue };
            loop {
                let conn = &mut self.connection;
                conn.begin().await?;
                let expired = expire(conn, table, limit, &mut done.recordings).await;
                let rows = conn.end(expired).await?;
                *(if table == OVERDUE_CALLS { &mut done.calls } else { &mut done.contacts }) += rows;
                if rows == 0 {
                    break;
                }
            }
        }
        let left = self.overdue(calls, contacts).await?;
        done.left = left.calls + left.contacts;
        Ok(done)
    }
}

/// Attempts of calls in flight have no record yet and are left alone.
const OVERDUE_CALLS: &str =
    "SELECT c.sequence FROM calls AS c WHERE c.ended_at < $1 AND (c.number LIKE '+%' OR c.recording <> '')";

/// A contact's time runs from its last call, or from its list where it was never called.
const OVERDUE_CONTACTS: &str = "
    SELECT c.id FROM contacts AS c
    WHERE c.state IN ('done', 'suppressed') AND c.number LIKE '+%' AND coalesce(
        (SELECT max(ended_at) FROM calls WHERE calls.contact = c.id),
        (SELECT imported_at FROM lists WHERE lists.id = c.list), 0) < $1";

async fn count(
    conn: &mut Connection,
    overdue: &'static str,
    limit: Option<WallTime>,
) -> Result<u64, StoreError> {
    let Some(limit) = limit else { return Ok(0) };
    let counted: i64 = composed_scalar(format!("SELECT count(*) FROM ({overdue}) AS overdue"))
        .bind(limit.unix_ms())
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error("count what is overdue", e))?;
    Ok(counted as u64)
}

async fn expire(
    conn: &mut Connection,
    overdue: &'static str,
    limit: WallTime,
    recordings: &mut Vec<String>,
) -> Result<u64, StoreError> {
    const DOING: &str = "forget what is overdue";
    let ids: Vec<i64> = composed_scalar(format!("{overdue} LIMIT $2"))
        .bind(limit.unix_ms())
        .bind(ROWS_PER_TRANSACTION)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    let list = rows::of_ids(ids.iter().copied());
    if overdue == OVERDUE_CONTACTS {
        // The row stays for the calls that belong to it, and says of whom it was no more.
        execute(
            conn,
            DOING,
            "UPDATE contacts SET number = 'expired:' || id, name = '', comment = '', attributes = '{}', further = '',
                 callback_at = NULL, callback_agent = ''
             WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
            &list,
        )
        .await?;
    } else {
        let kept: Vec<String> = scalar(
            "SELECT recording FROM calls
             WHERE sequence IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND recording <> ''",
        )
        .bind(list.as_str())
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
        recordings.extend(kept);
        // What may be left of a call that was over long ago says whom it rang.
        execute(
            conn,
            DOING,
            "DELETE FROM dialogs WHERE attempt IN
                 (SELECT attempt FROM calls WHERE sequence IN (SELECT CAST(value AS BIGINT) FROM json_each($1)))",
            &list,
        )
        .await?;
        execute(
            conn,
            DOING,
            "UPDATE attempts SET number = 'expired:' || contact WHERE id IN
                 (SELECT attempt FROM calls WHERE sequence IN (SELECT CAST(value AS BIGINT) FROM json_each($1)))",
            &list,
        )
        .await?;
        forget_transferred(conn, &list).await?;
        execute(
            conn,
            DOING,
            "UPDATE calls SET number = 'expired:' || contact, digits = '', recording = ''
             WHERE sequence IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
            &list,
        )
        .await?;
    }
    Ok(ids.len() as u64)
}

/// Whom such a call was transferred to is as long past.
async fn forget_transferred(conn: &mut Connection, calls: &str) -> Result<(), StoreError> {
    const DOING: &str = "forget what is overdue";
    let transferred: Vec<(i64, String)> = query(
        "SELECT sequence, agent FROM calls
         WHERE sequence IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND (agent LIKE '% tel:%' OR agent LIKE '% sip:+%')",
    )
    .bind(calls)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    for (sequence, agent) in transferred {
        let kept: Vec<&str> =
            agent.split(' ').filter(|whom| !whom.starts_with("tel:") && !whom.starts_with("sip:+")).collect();
        query("UPDATE calls SET agent = $2 WHERE sequence = $1")
            .bind(sequence)
            .bind(kept.join(" ").as_str())
            .execute(conn)
            .await
            .map_err(|e| conn.error(DOING, e))?;
    }
    Ok(())
}

async fn erase(
    conn: &mut Connection,
    number: &E164,
    key: &Path,
    fresh: [u8; 32],
    at: WallTime,
) -> Result<Erased, StoreError> {
    const DOING: &str = "erase a number";
    let mut numbers = vec![number.clone()];
    let mut rows: BTreeMap<i64, String> = BTreeMap::new();
    let mut asked = 0;
    // Whoever has one of a person's numbers is that person, with all of theirs.
    while let Some(number) = numbers.get(asked).filter(|_| asked < NUMBERS_MAX).cloned() {
        for (id, state, first, further) in contacts_of(conn, &number).await? {
            if rows.insert(id, state).is_some() {
                continue;
            }
            for text in further.split_whitespace().chain([first.as_str()]) {
                let other = read_number(conn, text)?;
                if !numbers.contains(&other) {
                    numbers.push(other);
                }
            }
        }
        asked += 1;
    }
    let in_flight = rows.values().filter(|state| *state == "in_flight").count() as u64;
    if in_flight > 0 {
        return Ok(Erased { in_flight, ..Erased::default() });
    }
    let mut erased = Erased { contacts: rows.len() as u64, ..Erased::default() };
    let ids = rows::of_ids(rows.keys().copied());
    erased.recordings = scalar(
        "SELECT recording FROM calls WHERE contact IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND recording <> ''",
    )
    .bind(ids.as_str())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    let key = Key::load_or_create(key, &hashes(conn).await?, fresh)?;
    keep_hash(conn, &key.mark(), at).await?;
    for number in &numbers {
        forget(conn, number, &key, at, &mut erased).await?;
    }
    let emptied =
        "UPDATE contacts SET name = '', comment = '', attributes = '{}', further = '', callback_at = NULL,
                       callback_agent = '', state = 'suppressed', last_reason = 'erased'
                   WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
    execute(conn, DOING, emptied, &ids).await?;
    let emptied = "UPDATE calls SET digits = '', recording = '' WHERE contact IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
    execute(conn, DOING, emptied, &ids).await?;
    Ok(erased)
}

/// id, state, first number, further ones
type PersonRow = (i64, String, String, String);

/// The whole table is read: nobody looks for further numbers often enough to keep an index of them.
async fn contacts_of(conn: &mut Connection, number: &E164) -> Result<Vec<PersonRow>, StoreError> {
    query(
        "SELECT id, state, number, further FROM contacts
         WHERE number = $1 OR ' ' || further || ' ' LIKE '% ' || $1 || ' %'",
    )
    .bind(number.as_str())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("erase a number", e))
}

/// Puts the hash in the number's place, wherever it stands, and counts where it still does.
async fn forget(
    conn: &mut Connection,
    number: &E164,
    key: &Key,
    at: WallTime,
    erased: &mut Erased,
) -> Result<(), StoreError> {
    const DOING: &str = "erase a number";
    let pseudonym = key.pseudonym(number);
    keep_hash(conn, &pseudonym, at).await?;
    let dialogs = "DELETE FROM dialogs WHERE attempt IN (SELECT id FROM attempts WHERE number = $1)";
    execute(conn, DOING, dialogs, number.as_str()).await?;
    for (sql, counted) in [
        ("UPDATE attempts SET number = $2 WHERE number = $1", &mut erased.attempts),
        ("UPDATE calls SET number = $2 WHERE number = $1", &mut erased.calls),
        ("UPDATE contacts SET number = $2 WHERE number = $1", &mut 0),
        // Whom a call was transferred to.
        (
            "UPDATE calls SET agent = rtrim(replace(agent || ' ', 'tel:' || $1 || ' ', 'tel:' || $2 || ' '))
             WHERE agent || ' ' LIKE '%tel:' || $1 || ' %'",
            &mut 0,
        ),
        // As an earlier version wrote it.
        (
            "UPDATE calls SET agent = replace(agent, 'sip:' || $1 || '@', 'sip:' || $2 || '@')
             WHERE agent LIKE '%sip:' || $1 || '@%'",
            &mut 0,
        ),
    ] {
        let done = query(sql)
            .bind(number.as_str())
            .bind(pseudonym.as_str())
            .execute(conn)
            .await
            .map_err(|e| conn.error(DOING, e))?;
        *counted += done;
    }
    for sql in
        ["DELETE FROM suppressions WHERE number = $1", "DELETE FROM scoped_suppressions WHERE number = $1"]
    {
        execute(conn, DOING, sql, number.as_str()).await?;
    }
    let left: i64 = scalar(
        "SELECT (SELECT count(*) FROM attempts WHERE number = $1) + (SELECT count(*) FROM calls WHERE number = $1)
              + (SELECT count(*) FROM calls
                 WHERE agent || ' ' LIKE '%tel:' || $1 || ' %' OR agent LIKE '%sip:' || $1 || '@%')
              + (SELECT count(*) FROM contacts WHERE number = $1)
              + (SELECT count(*) FROM suppressions WHERE number = $1)
              + (SELECT count(*) FROM scoped_suppressions WHERE number = $1)",
    )
    .bind(number.as_str())
    .fetch_one(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    erased.left += left as u64;
    Ok(())
}

async fn execute(
    conn: &mut Connection,
    doing: &'static str,
    sql: &'static str,
    value: &str,
) -> Result<u64, StoreError> {
    query(sql).bind(value).execute(conn).await.map_err(|e| conn.error(doing, e))
}

/// Of these numbers, those that are to be forgotten: lists must not bring them back.
pub(super) async fn erased_among(
    conn: &mut Connection,
    numbers: impl Iterator<Item = &E164>,
) -> Result<BTreeSet<E164>, StoreError> {
    let hashes = hashes(conn).await?;
    if hashes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let key = Key::load(&conn.key()?, &hashes)?;
    Ok(numbers.filter(|number| hashes.contains(&key.pseudonym(number))).cloned().collect())
}

async fn hashes(conn: &mut Connection) -> Result<BTreeSet<String>, StoreError> {
    let hashes: Vec<String> = scalar("SELECT hash FROM erasures")
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("read erasures", e))?;
    Ok(hashes.into_iter().collect())
}

async fn keep_hash(conn: &mut Connection, hash: &str, at: WallTime) -> Result<(), StoreError> {
    query("INSERT INTO erasures (hash, at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
        .bind(hash)
        .bind(at.unix_ms())
        .execute(conn)
        .await
        .map_err(|e| conn.error("erase a number", e))?;
    Ok(())
}
