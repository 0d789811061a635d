//! What a crash left behind, and how the engine gets it back.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::list::read_number;
use super::request::{ContactRow, read_contacts};
use super::statement::query;
use crate::number::E164;
use crate::record::{AttemptId, Contact, InviteRecord};
use crate::time::WallTime;

/// An attempt that was in flight when the engine died: its INVITE may have rung somebody, and nothing more is known.
#[derive(Clone, PartialEq, Debug)]
pub struct Orphan {
    /// Which.
    pub attempt: AttemptId,
    /// Whom it may have rung, with the outcomes of the attempts before this one.
    pub contact: Contact,
    /// Its INVITEs, the first first; at least one. The number, campaign, trunk and Call-ID are in them.
    pub invites: Vec<InviteRecord>,
}

impl Store {
    /// To be called once, before the first refill. Contacts that were claimed but not dialed wait again. Attempts
    /// without a call record are returned: the engine closes each with [`FinishAttempt`] and a record that says
    /// `interrupted`; until then their contacts stay in flight, and so across any number of crashes.
    ///
    /// [`FinishAttempt`]: crate::record::Request::FinishAttempt
    pub async fn recover(&mut self) -> Result<Vec<Orphan>, StoreError> {
        recover(&mut self.connection).await
    }

    /// The numbers of the last calls that ended after `since`, each with its latest end, the earliest first. No more than
    /// `calls_max` records are looked at, the newest ones.
    pub async fn recent_ends(
        &mut self,
        since: WallTime,
        calls_max: usize,
    ) -> Result<Vec<(E164, WallTime)>, StoreError> {
        let conn = &mut self.connection;
        let rows: Vec<(String, i64)> = query(
            "SELECT number, MAX(ended_at) AS ended_at
             FROM (SELECT number, ended_at FROM calls ORDER BY sequence DESC LIMIT $2) AS latest
             WHERE ended_at > $1 AND number LIKE '+%' GROUP BY number ORDER BY ended_at",
        )
        .bind(since.unix_ms())
        .bind(calls_max as i64)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("read the ends of recent calls", e))?;
        let read =
            |(number, at): (String, i64)| Ok((read_number(conn, &number)?, WallTime::from_unix_ms(at)));
        rows.into_iter().map(read).collect()
    }
}

/// What nobody holds who lives: all that is claimed or in flight, on a file; on a server, what dead nodes held.
pub(super) async fn recover(conn: &mut Connection) -> Result<Vec<Orphan>, StoreError> {
    // Named by campaign, so that the index serves: a list of a million contacts is not read through.
    query(
        "UPDATE contacts SET state = 'pending', holder = 0
         WHERE campaign IN (SELECT name FROM campaigns) AND state = 'claimed'
           AND holder NOT IN (SELECT token FROM nodes)",
    )
    .execute(conn)
    .await
    .map_err(|e| conn.error("free claimed contacts", e))?;
    let (attempts, contacts): (Vec<String>, Vec<ContactRow>) = in_flight(conn).await?.into_iter().unzip();
    let contacts = read_contacts(conn, contacts).await?;
    let mut orphans = Vec::with_capacity(attempts.len());
    for (attempt, contact) in attempts.into_iter().zip(contacts) {
        let invites = read_invites(conn, &attempt, &contact).await?;
        orphans.push(Orphan { attempt: read_attempt(conn, &attempt)?, contact, invites });
    }
    Ok(orphans)
}

/// The attempt, then its contact.
type InFlight = (String, i64, String, String, String, String, i64, String, i64, String, String);

async fn in_flight(conn: &mut Connection) -> Result<Vec<(String, ContactRow)>, StoreError> {
    let mut rows: Vec<InFlight> = query(
        "UPDATE contacts SET holder = $1
         WHERE campaign IN (SELECT name FROM campaigns) AND state = 'in_flight'
           AND holder NOT IN (SELECT token FROM nodes)
         RETURNING attempt, id, number, name, comment, attributes, next_attempt_at, further, phone, callback_agent,
             earlier",
    )
    .bind(conn.holder())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("read attempts in flight", e))?;
    rows.sort();
    let split = |(attempt, a, b, c, d, e, f, g, h, i, j): InFlight| (attempt, (a, b, c, d, e, f, g, h, i, j));
    Ok(rows.into_iter().map(split).collect())
}

async fn read_invites(
    conn: &mut Connection,
    attempt: &str,
    contact: &Contact,
) -> Result<Vec<InviteRecord>, StoreError> {
    let rows: Vec<(String, String, String, String, String, i64)> = query(
        "SELECT a.campaign, a.number, i.caller_id, i.trunk, i.call_id, i.at
         FROM invites AS i JOIN attempts AS a ON a.id = i.attempt WHERE i.attempt = $1 ORDER BY i.rowid",
    )
    .bind(attempt)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("read INVITEs", e))?;
    rows.into_iter()
        .map(|(campaign, number, caller_id, trunk, call_id, at)| {
            Ok(InviteRecord {
                attempt: read_attempt(conn, attempt)?,
                contact: contact.id,
                campaign,
                number: read_number(conn, &number)?,
                caller_id,
                trunk,
                call_id,
                dialog: String::new(),
                at: WallTime::from_unix_ms(at),
            })
        })
        .collect()
}

pub(super) fn read_attempt(conn: &Connection, text: &str) -> Result<AttemptId, StoreError> {
    AttemptId::parse(text).ok_or_else(|| conn.damaged(format!("an attempt with the id {text:?}")))
}
