//! What the store can tell of one contact, one attempt, one campaign's list: for whoever asks why.

use super::connection::Connection;
use super::error::StoreError;
use super::list::{Suppression, read_number};
use super::reader::Reader;
use super::request::{CONTACT, ContactRow, read_contacts, read_disposition};
use super::statement::{composed, query};
use crate::disposition::Disposition;
use crate::record::Contact;
use crate::time::WallTime;

/// Calls of a contact that are told of, the latest ones.
const CALLS_TOLD_MAX: u32 = 50;

/// Attempts before one in which those still up at its moment are looked for: a campaign has no more lines.
const ATTEMPTS_BEFORE_MAX: i64 = 10_000;

/// A contact with all that decides about it.
#[derive(Clone, PartialEq, Debug)]
pub struct ContactStory {
    /// The row, with its outcomes so far.
    pub contact: Contact,
    /// Its state's word.
    pub state: String,
    /// Why it was last not dialed, one word; empty when it was.
    pub last_reason: String,
    /// The do-not-call list's entry of its number.
    pub listed: Option<Suppression>,
    /// The campaign that is dialing its number, and the attempt.
    pub in_flight: Option<(String, String)>,
    /// When the last call of its number ended, on whichever list it stands.
    pub last_end: Option<WallTime>,
    /// Its calls, the latest first.
    pub calls: Vec<CallLine>,
}

/// One call in a line.
#[derive(Clone, PartialEq, Debug)]
pub struct CallLine {
    /// The attempt's id.
    pub attempt: String,
    /// The first INVITE.
    pub dialed_at: WallTime,
    /// Its end.
    pub ended_at: WallTime,
    /// How it ended.
    pub disposition: Disposition,
}

/// An attempt with all that led to it.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptStory {
    /// Its id.
    pub id: String,
    /// Its campaign.
    pub campaign: String,
    /// Whom it rang, with the outcomes that stood when it was dialed.
    pub contact: Contact,
    /// When it was dialed.
    pub started_at: WallTime,
    /// Its INVITEs in order.
    pub invites: Vec<InviteLine>,
    /// How it ended; none while it is in flight.
    pub end: Option<End>,
    /// The contact's calls before it, the latest first.
    pub before: Vec<CallLine>,
    /// When the last call of the number before it ended.
    pub last_end: Option<WallTime>,
    /// The do-not-call list's entry of the number, as it is now.
    pub listed: Option<Suppression>,
    /// The campaign's attempts that were up at its moment.
    pub lines_up: u64,
}

/// An INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteLine {
    /// Its Call-ID.
    pub call_id: String,
    /// The number shown.
    pub caller_id: String,
    /// Through which trunk.
    pub trunk: String,
    /// When it was committed.
    pub at: WallTime,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// As what.
    pub disposition: Disposition,
    /// When.
    pub at: WallTime,
    /// The answer, when there was one.
    pub answered_at: Option<WallTime>,
    /// Who ended it.
    pub by: String,
    /// The final SIP status; 0 without one.
    pub sip_status: i64,
    /// The reason's words.
    pub reason: String,
}

/// Contacts of one campaign that wait, or do not, for the same reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Their state's word.
    pub state: String,
    /// Why they were last not dialed, one word; empty when they were, or never came to it.
    pub last_reason: String,
    /// Whether their time has come.
    pub is_due: bool,
    /// How many.
    pub contacts: u64,
    /// The first is due then.
    pub first_at: WallTime,
}

/// A call as far as it says something of the number shown.
#[derive(Clone, PartialEq, Debug)]
pub struct CallerIdUse {
    /// The number shown.
    pub caller_id: String,
    /// The callee's.
    pub number: crate::number::E164,
    /// When it was dialed.
    pub at: WallTime,
    /// How it ended; none when nobody knows.
    pub end: Option<End>,
}

/// What the store knows of the numbers shown.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CallerIdUses {
    /// When each was shown first.
    pub first: Vec<(String, WallTime)>,
    /// The last calls, the oldest first.
    pub recent: Vec<CallerIdUse>,
}

impl Reader {
    /// A contact of a campaign by its number or its row; none when there is none.
    pub async fn contact_story(
        &mut self,
        campaign: &str,
        number: &str,
        id: i64,
    ) -> Result<Option<ContactStory>, StoreError> {
        let conn = self.connection();
        let row: Option<(i64, String, String, String)> = query(
            "SELECT id, number, state, last_reason FROM contacts
             WHERE campaign = $1 AND (number = $2 OR id = $3)",
        )
        .bind(campaign)
        .bind(number)
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(|e| conn.error("read a contact", e))?;
        let Some((id, number, state, last_reason)) = row else { return Ok(None) };
        let contact = read_contact(conn, id).await?;
        Ok(Some(ContactStory {
            contact,
            state,
            last_reason,
            listed: listed(conn, &number).await?,
            in_flight: in_flight(conn, &number).await?,
            last_end: last_end(conn, &number, i64::MAX).await?,
            calls: calls_of(conn, id, i64::MAX).await?,
        }))
    }

    /// An attempt by its id or the Call-ID of one of its INVITEs; none when there is none.
    pub async fn attempt_story(&mut self, call: &str) -> Result<Option<AttemptStory>, StoreError> {
        let conn = self.connection();
        let row: Option<(i64, String, String, i64, String, i64)> = query(
            "SELECT sequence, id, campaign, contact, number, started_at FROM attempts
             WHERE id = coalesce((SELECT attempt FROM invites WHERE call_id = $1), $1)",
        )
        .bind(call)
        .fetch_optional(conn)
        .await
        .map_err(|e| conn.error("read an attempt", e))?;
        let Some((sequence, id, campaign, contact, number, started_at)) = row else { return Ok(None) };
        let before = calls_of(conn, contact, started_at).await?;
        Ok(Some(AttemptStory {
            contact: contact_as_dialed(conn, contact, &before).await?,
            invites: invites(conn, &id).await?,
            end: end_of(conn, &id).await?,
            before,
            last_end: last_end(conn, &number, started_at).await?,
            listed: listed(conn, &number).await?,
            lines_up: lines_up(conn, &campaign, sequence, started_at).await?,
            id,
            campaign,
            started_at: WallTime::from_unix_ms(started_at),
        }))
    }

    /// Where a campaign's contacts stand at `now`, in groups.
    pub async fn holdings(&mut self, campaign: &str, now: WallTime) -> Result<Vec<Holding>, StoreError> {
        let conn = self.connection();
        let rows: Vec<(String, String, i64, i64, i64)> = query(
            "SELECT state, last_reason, CASE WHEN next_attempt_at <= $2 THEN 1 ELSE 0 END AS due, count(*),
                    min(next_attempt_at)
             FROM contacts WHERE campaign = $1 GROUP BY state, last_reason, due ORDER BY state, count(*) DESC",
        )
        .bind(campaign)
        .bind(now.unix_ms())
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("count a campaign", e))?;
        let holding =
            |(state, last_reason, due, contacts, first_at): (String, String, i64, i64, i64)| Holding {
                state,
                last_reason,
                is_due: due != 0,
                contacts: contacts as u64,
                first_at: WallTime::from_unix_ms(first_at),
            };
        Ok(rows.into_iter().map(holding).collect())
    }

    /// What was shown to whom: the first use of each caller id, and the last `calls_max` calls.
    pub async fn caller_id_uses(&mut self, calls_max: usize) -> Result<CallerIdUses, StoreError> {
        read_caller_id_uses(self.connection(), calls_max).await
    }
}

impl super::database::Store {
    /// What was shown to whom: the first use of each caller id, and the last `calls_max` calls.
    pub async fn caller_id_uses(&mut self, calls_max: usize) -> Result<CallerIdUses, StoreError> {
        read_caller_id_uses(&mut self.connection, calls_max).await
    }
}

async fn read_contact(conn: &mut Connection, id: i64) -> Result<Contact, StoreError> {
    let row: ContactRow = composed(format!("SELECT {CONTACT} FROM contacts WHERE id = $1"))
        .bind(id)
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error("read a contact", e))?;
    let mut contacts = read_contacts(conn, vec![row]).await?;
    Ok(contacts.remove(0))
}

/// The contact with the outcomes that its calls before had brought, due when the last of them said.
async fn contact_as_dialed(
    conn: &mut Connection,
    id: i64,
    before: &[CallLine],
) -> Result<Contact, StoreError> {
    let mut contact = read_contact(conn, id).await?;
    contact.outcomes.clear();
    for call in before {
        *contact.outcomes.entry(call.disposition).or_default() += 1;
    }
    contact.next_attempt_at = WallTime::from_unix_ms(0);
    Ok(contact)
}

async fn listed(conn: &mut Connection, number: &str) -> Result<Option<Suppression>, StoreError> {
    let row: Option<(String, i64)> = query("SELECT source, at FROM suppressions WHERE number = $1")
        .bind(number)
        .fetch_optional(conn)
        .await
        .map_err(|e| conn.error("read the do-not-call list", e))?;
    let number = read_number(conn, number)?;
    Ok(row.map(|(source, at)| Suppression { number, source, at: WallTime::from_unix_ms(at) }))
}

async fn in_flight(conn: &mut Connection, number: &str) -> Result<Option<(String, String)>, StoreError> {
    query("SELECT campaign, attempt FROM contacts WHERE number = $1 AND state = 'in_flight' LIMIT 1")
        .bind(number)
        .fetch_optional(conn)
        .await
        .map_err(|e| conn.error("read who is being dialed", e))
}

async fn last_end(conn: &mut Connection, number: &str, before: i64) -> Result<Option<WallTime>, StoreError> {
    let (at,): (Option<i64>,) = query(
        "SELECT max(c.ended_at) FROM contacts AS k JOIN calls AS c ON c.contact = k.id
         WHERE k.number = $1 AND c.dialed_at < $2",
    )
    .bind(number)
    .bind(before)
    .fetch_one(conn)
    .await
    .map_err(|e| conn.error("read the calls of a number", e))?;
    Ok(at.map(WallTime::from_unix_ms))
}

async fn calls_of(conn: &mut Connection, contact: i64, before: i64) -> Result<Vec<CallLine>, StoreError> {
    let rows: Vec<(String, i64, i64, String)> = query(
        "SELECT attempt, dialed_at, ended_at, disposition FROM calls WHERE contact = $1 AND dialed_at < $2
         ORDER BY dialed_at DESC LIMIT $3",
    )
    .bind(contact)
    .bind(before)
    .bind(CALLS_TOLD_MAX)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("read the calls of a contact", e))?;
    let read = |(attempt, dialed_at, ended_at, word): (String, i64, i64, String)| {
        Ok(CallLine {
            attempt,
            dialed_at: WallTime::from_unix_ms(dialed_at),
            ended_at: WallTime::from_unix_ms(ended_at),
            disposition: read_disposition(conn, &word)?,
        })
    };
    rows.into_iter().map(read).collect()
}

async fn invites(conn: &mut Connection, attempt: &str) -> Result<Vec<InviteLine>, StoreError> {
    let rows: Vec<(String, String, String, i64)> =
        query("SELECT call_id, caller_id, trunk, at FROM invites WHERE attempt = $1 ORDER BY at")
            .bind(attempt)
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("read INVITEs", e))?;
    let line = |(call_id, caller_id, trunk, at)| InviteLine {
        call_id,
        caller_id,
        trunk,
        at: WallTime::from_unix_ms(at),
    };
    Ok(rows.into_iter().map(line).collect())
}

/// disposition, ended_at, answered_at, ended_by, sip_status, reason
type EndRow = (String, i64, Option<i64>, String, i64, String);

async fn end_of(conn: &mut Connection, attempt: &str) -> Result<Option<End>, StoreError> {
    let row: Option<EndRow> = query(
        "SELECT disposition, ended_at, answered_at, ended_by, sip_status, reason FROM calls WHERE attempt = $1",
    )
    .bind(attempt)
    .fetch_optional(conn)
    .await
    .map_err(|e| conn.error("read a call record", e))?;
    row.map(|row| read_end(conn, row)).transpose()
}

fn read_end(conn: &Connection, row: EndRow) -> Result<End, StoreError> {
    let (word, at, answered_at, by, sip_status, reason) = row;
    Ok(End {
        disposition: read_disposition(conn, &word)?,
        at: WallTime::from_unix_ms(at),
        answered_at: answered_at.map(WallTime::from_unix_ms),
        by,
        sip_status,
        reason,
    })
}

async fn lines_up(conn: &mut Connection, campaign: &str, sequence: i64, at: i64) -> Result<u64, StoreError> {
    let (up,): (i64,) = query(
        "SELECT count(*) FROM attempts AS a LEFT JOIN calls AS c ON c.attempt = a.id
         WHERE a.sequence >= $1 AND a.sequence < $2 AND a.campaign = $3 AND coalesce(c.ended_at, $4 + 1) > $4",
    )
    .bind(sequence - ATTEMPTS_BEFORE_MAX)
    .bind(sequence)
    .bind(campaign)
    .bind(at)
    .fetch_one(conn)
    .await
    .map_err(|e| conn.error("count calls", e))?;
    Ok(up as u64)
}

/// caller_id, number, at; and of the call: disposition, ended_at, answered_at, ended_by, sip_status, reason
type UseRow = (
    String,
    String,
    i64,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

async fn read_caller_id_uses(conn: &mut Connection, calls_max: usize) -> Result<CallerIdUses, StoreError> {
    const DOING: &str = "read what caller ids were used for";
    let first: Vec<(String, i64)> =
        query("SELECT caller_id, min(at) FROM invites GROUP BY caller_id ORDER BY caller_id")
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error(DOING, e))?;
    // A second trunk's INVITE belongs to the same call.
    let rows: Vec<UseRow> = query(
        "SELECT i.caller_id, a.number, a.started_at, c.disposition, c.ended_at, c.answered_at, c.ended_by, c.sip_status,
                c.reason
         FROM attempts AS a
         JOIN (SELECT attempt, min(caller_id) AS caller_id FROM invites GROUP BY attempt) AS i ON i.attempt = a.id
         LEFT JOIN calls AS c ON c.attempt = a.id
         WHERE a.sequence > (SELECT coalesce(max(sequence), 0) FROM attempts) - $1 ORDER BY a.sequence",
    )
    .bind(calls_max as i64)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    let read = |(caller_id, number, at, word, ended_at, answered_at, by, sip_status, reason): UseRow| {
        let end = match (word, ended_at, by, sip_status) {
            (Some(word), Some(ended_at), Some(by), Some(status)) => {
                Some(read_end(conn, (word, ended_at, answered_at, by, status, reason.unwrap_or_default()))?)
            }
            _ => None,
        };
        Ok(CallerIdUse {
            caller_id,
            number: read_number(conn, &number)?,
            at: WallTime::from_unix_ms(at),
            end,
        })
    };
    Ok(CallerIdUses {
        first: first.into_iter().map(|(caller_id, at)| (caller_id, WallTime::from_unix_ms(at))).collect(),
        recent: rows.into_iter().map(read).collect::<Result<_, StoreError>>()?,
    })
}
