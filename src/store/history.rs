//! What numbers have been through of late, and what each dial rested on: the ledger of attempts, read for caps and rests.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::gathered::gathered;
use super::group::Decision;
use super::list::read_number;
use super::reader::Reader;
use super::request::read_disposition;
use super::rows::Rows;
use super::statement::{query, scalar};
use crate::number::E164;
use crate::record::{AttemptId, Contact, PastAttempt};
use crate::time::WallTime;
use std::collections::{BTreeMap, BTreeSet};

/// Attempts older than this are history that no law asks for: the longest rest is 60 days.
pub const KEPT_DAYS: i64 = 61;

const DOING: &str = "read the history of numbers";

/// Attempts by number.
pub type Histories = BTreeMap<E164, Vec<PastAttempt>>;

/// Gives claimed contacts the history of their numbers, all of them with one query.
pub(super) async fn attach(
    conn: &mut Connection,
    contacts: &mut [Contact],
    now: WallTime,
) -> Result<(), StoreError> {
    let numbers: BTreeSet<&str> = contacts.iter().map(|contact| contact.number.as_str()).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let mut histories = read(conn, &numbers, now).await?;
    for contact in contacts {
        // Two contacts of one refill may have one number.
        contact.history = histories.get_mut(&contact.number).cloned().unwrap_or_default();
    }
    Ok(())
}

async fn read(
    conn: &mut Connection,
    numbers: &BTreeSet<&str>,
    now: WallTime,
) -> Result<Histories, StoreError> {
    let since = now.unix_ms().saturating_sub(KEPT_DAYS * 86_400_000);
    let numbers = serde_json::to_string(numbers).expect("texts always have a JSON form");
    let mut rows: Vec<(String, String, Option<String>, Option<i64>)> = gathered(
        "number, id, disposition, ended_at",
        "SELECT a.number, a.id, c.disposition, c.ended_at
         FROM attempts AS a LEFT JOIN calls AS c ON c.attempt = a.id
         WHERE a.number IN (SELECT value FROM json_each($1)) AND a.started_at >= $2
           AND EXISTS (SELECT 1 FROM invites WHERE attempt = a.id)",
    )
    .bind(numbers)
    .bind(since)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    rows.sort_unstable();
    let mut histories = Histories::new();
    for (number, id, word, ended_at) in rows {
        let id =
            AttemptId::parse(&id).ok_or_else(|| conn.damaged(format!("an attempt with the id {id:?}")))?;
        let disposition = word.map(|word| read_disposition(conn, &word)).transpose()?;
        let past = PastAttempt { at: id.at(), ended_at: ended_at.map(WallTime::from_unix_ms), disposition };
        histories.entry(read_number(conn, &number)?).or_default().push(past);
    }
    Ok(histories)
}

/// What attempts rest on; an attempt that has its decision keeps that one.
pub(super) const KEEP: &str = "
    WITH d AS MATERIALIZED (SELECT value FROM json_each($2))
    INSERT INTO decisions (attempt, decision, caps)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM d WHERE true
        ON CONFLICT (attempt) DO NOTHING";

/// The rows of [`KEEP`].
pub(super) fn rows(decisions: &[Decision<'_>]) -> Rows {
    let mut rows = Rows::default();
    for (attempt, decision, caps) in decisions {
        rows.begin().put(attempt.to_string()).put(decision).put(caps_text(caps));
    }
    rows
}

/// Caps as they are kept.
pub(super) fn caps_text(caps: &[(u32, WallTime)]) -> String {
    let caps: Vec<(u32, i64)> = caps.iter().map(|(most, since)| (*most, since.unix_ms())).collect();
    serde_json::to_string(&caps).expect("integers always have a JSON form")
}

/// A cap of the law on a number: the place of the INVITE that it concerns, the number, its attempt, how many others the law
/// lets it have, and since when.
pub(super) type Cap<'r> = (i64, &'r E164, AttemptId, u32, i64);

/// The caps of a decision.
pub(super) fn read_caps(conn: &Connection, text: &str) -> Result<Vec<(u32, i64)>, StoreError> {
    serde_json::from_str(text).map_err(|e| conn.damaged(format!("a decision with unreadable caps ({e})")))
}

/// Why the law lets numbers have no further attempt, by the INVITE's place, counted once more in the transaction that commits
/// the INVITE: another node may have dialed the number since this one decided to. The caps are the decision's.
pub(super) async fn cap_objections(
    conn: &mut Connection,
    caps: &[Cap<'_>],
) -> Result<BTreeMap<i64, String>, StoreError> {
    if caps.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut rows = Rows::default();
    for (_, number, attempt, _, since) in caps {
        // Ids are in the order of the moments of which they are made.
        let first = AttemptId(((*since).max(0) as u128) << 80).to_string();
        rows.begin().put(number.as_str()).put(attempt.to_string()).put(first);
    }
    let counts: Vec<(i64, i64)> = gathered(
        "key, made",
        "SELECT i.key, (SELECT count(*) FROM attempts
             WHERE number = i.value ->> 0 AND id <> i.value ->> 1 AND id >= i.value ->> 2
               AND EXISTS (SELECT 1 FROM invites WHERE attempt = attempts.id)) AS made
         FROM json_each($1) AS i",
    )
    .bind(rows.into_text())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("commit an INVITE", e))?;
    let counts: BTreeMap<i64, i64> = counts.into_iter().collect();
    let mut objections = BTreeMap::new();
    for (row, (place, _, _, most, _)) in (0..).zip(caps) {
        let made =
            counts.get(&row).copied().ok_or_else(|| conn.damaged("a cap without its count".to_owned()))?;
        if made >= i64::from(*most) {
            let why = format!("the number has had {made} of the {most} attempts that the law allows for now");
            objections.entry(*place).or_insert(why);
        }
    }
    Ok(objections)
}

/// Also the engine's request.
pub(super) async fn suppress_for(
    conn: &mut Connection,
    number: &E164,
    reach: &str,
    source: &str,
    at: WallTime,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO scoped_suppressions (number, reach, source, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (number, reach) DO NOTHING",
    )
    .bind(number.as_str())
    .bind(reach)
    .bind(source)
    .bind(at.unix_ms())
    .execute(conn)
    .await
    .map_err(|e| conn.error("add to the do-not-call list", e))?;
    Ok(())
}

async fn scoped(conn: &mut Connection) -> Result<Vec<(E164, String)>, StoreError> {
    let rows: Vec<(String, String)> =
        query("SELECT number, reach FROM scoped_suppressions ORDER BY number, reach")
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("read the do-not-call list", e))?;
    rows.into_iter().map(|(number, reach)| Ok((read_number(conn, &number)?, reach))).collect()
}

impl Store {
    /// Opt-outs that reach one campaign or one purpose only: number and reach.
    pub async fn scoped_suppressions(&mut self) -> Result<Vec<(E164, String)>, StoreError> {
        scoped(&mut self.connection).await
    }
}

impl Reader {
    /// The attempts of late on these numbers.
    pub async fn history(
        &mut self,
        numbers: &BTreeSet<&str>,
        now: WallTime,
    ) -> Result<Histories, StoreError> {
        read(self.connection(), numbers, now).await
    }

    /// Opt-outs that reach one campaign or one purpose only: number and reach.
    pub async fn scoped_suppressions(&mut self) -> Result<Vec<(E164, String)>, StoreError> {
        scoped(self.connection()).await
    }

    /// What the decision to make an attempt rested on, as JSON; none for attempts of before it was kept.
    pub async fn decision(&mut self, attempt: AttemptId) -> Result<Option<String>, StoreError> {
        let conn = self.connection();
        scalar("SELECT decision FROM decisions WHERE attempt = $1")
            .bind(attempt.to_string())
            .fetch_optional(conn)
            .await
            .map_err(|e| conn.error("read a decision", e))
    }
}
