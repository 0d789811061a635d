//! The engine's requests, each as its SQL. All of it runs inside a transaction that the caller begins and ends.

use super::claim::{held_by_others, refill};
use super::connection::Connection;
use super::error::StoreError;
use super::gathered::gathered;
use super::history;
use super::label;
use super::list::{read_number, suppress};
use super::order::Orders;
use super::rows;
use super::statement::query;
use crate::disposition::Disposition;
use crate::record::{Answer, CALLBACK_AGENT, CampaignState, Contact, ContactId, ContactUpdate, Request};
use crate::time::WallTime;
use std::collections::BTreeMap;

/// Does what is asked. Requests whose success the engine need not hear of give no answer. Those of calls are done as a
/// [`Group`](super::group::Group).
pub(super) async fn apply(
    conn: &mut Connection,
    orders: &Orders,
    request: &Request,
) -> Result<Option<Answer>, StoreError> {
    match request {
        Request::Refill { campaign, due_at, limit } => {
            refill(conn, orders, campaign, *due_at, *limit).await.map(Some)
        }
        Request::ReleaseContact { contact, reason } => release(conn, contact, reason).await.map(|()| None),
        Request::Suppress { numbers, source, at } => suppress(conn, numbers, source, *at).await.map(|_| None),
        Request::Label { ticket, record } => {
            let attempt = label::insert(conn, record).await?;
            Ok(Some(Answer::Labelled { ticket: *ticket, attempt }))
        }
        Request::SuppressFor { number, reach, source, at } => {
            history::suppress_for(conn, number, reach, source, *at).await.map(|()| None)
        }
        Request::SaveCampaign { campaign, state } => {
            save_campaign(conn, campaign, *state).await.map(|()| None)
        }
        Request::Beat(_) => Err(conn.damaged("a beat among other requests".to_owned())),
        Request::CommitInvite(_)
        | Request::FinishAttempt { .. }
        | Request::KeepDialogs { .. }
        | Request::KeepDecision { .. } => Err(conn.damaged("a call's request outside its group".to_owned())),
    }
}

/// The columns of a [`ContactRow`].
pub(super) const CONTACT: &str =
    "id, number, name, comment, attributes, next_attempt_at, further, phone, callback_agent, earlier";

/// id, number, name, comment, attributes, next_attempt_at, further numbers, which number is next, who promised a call,
/// earlier outcomes
pub(super) type ContactRow = (i64, String, String, String, String, i64, String, i64, String, String);

/// Contacts with their outcomes so far.
pub(super) async fn read_contacts(
    conn: &mut Connection,
    rows: Vec<ContactRow>,
) -> Result<Vec<Contact>, StoreError> {
    let mut outcomes = read_outcomes(conn, &rows).await?;
    rows.into_iter()
        .map(|(id, number, name, comment, attributes, next_attempt_at, further, phone, agent, earlier)| {
            let unreadable = |e| conn.damaged(format!("contact {id} with unreadable columns ({e})"));
            let mut attributes: BTreeMap<String, String> =
                serde_json::from_str(&attributes).map_err(unreadable)?;
            if !agent.is_empty() {
                attributes.insert(CALLBACK_AGENT.to_owned(), agent);
            }
            let mut outcomes = outcomes.remove(&id).unwrap_or_default();
            if !earlier.is_empty() {
                let earlier: BTreeMap<Disposition, u32> =
                    serde_json::from_str(&earlier).map_err(unreadable)?;
                for (disposition, count) in earlier {
                    *outcomes.entry(disposition).or_default() += count;
                }
            }
            Ok(Contact {
                id: ContactId(id),
                number: read_number(conn, next_phone(&number, &further, phone))?,
                name,
                comment,
                attributes,
                outcomes,
                next_attempt_at: WallTime::from_unix_ms(next_attempt_at),
                history: Vec::new(),
            })
        })
        .collect()
}

/// The first number, or one of those after it.
fn next_phone<'n>(number: &'n str, further: &'n str, phone: i64) -> &'n str {
    let phone = usize::try_from(phone).unwrap_or(0);
    std::iter::once(number).chain(further.split_whitespace()).nth(phone).unwrap_or(number)
}

type Outcomes = BTreeMap<i64, BTreeMap<Disposition, u32>>;

async fn read_outcomes(conn: &mut Connection, contacts: &[ContactRow]) -> Result<Outcomes, StoreError> {
    let rows: Vec<(i64, String, i64)> = gathered(
        "contact, disposition, made",
        "SELECT contact, disposition, count(*) AS made FROM calls
         WHERE contact IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) GROUP BY contact, disposition",
    )
    .bind(rows::of_ids(contacts.iter().map(|row| row.0)))
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("read outcomes", e))?;
    let mut outcomes = Outcomes::new();
    for (contact, word, count) in rows {
        let disposition = read_disposition(conn, &word)?;
        outcomes.entry(contact).or_default().insert(disposition, count as u32);
    }
    Ok(outcomes)
}

pub(super) fn read_disposition(conn: &Connection, word: &str) -> Result<Disposition, StoreError> {
    Disposition::from_word(word).ok_or_else(|| conn.damaged(format!("a call with the disposition {word:?}")))
}

/// Moves a claimed contact on. Final states are not left again, and what would wait for another attempt while its number is
/// on the do-not-call list becomes suppressed.
async fn release(conn: &mut Connection, update: &ContactUpdate, reason: &str) -> Result<(), StoreError> {
    query(
        "UPDATE contacts SET holder = 0, next_attempt_at = $2,
             state = CASE WHEN listed THEN 'suppressed' ELSE $3 END,
             last_reason = CASE WHEN listed THEN 'do_not_call' ELSE $4 END
         FROM (SELECT $3 = 'pending' AND EXISTS (
                   SELECT 1 FROM suppressions
                   WHERE number = (SELECT number FROM contacts WHERE id = $1)) AS listed) AS gate
         WHERE id = $1 AND holder = $5 AND state = 'claimed'",
    )
    .bind(update.id.0)
    .bind(update.next_attempt_at.unix_ms())
    .bind(update.state.as_str())
    .bind(reason)
    .bind(conn.holder())
    .execute(conn)
    .await
    .map_err(|e| conn.error("settle a contact", e))?;
    Ok(())
}

/// Keeps a campaign's state, making it known if it was not.
pub(super) async fn save_campaign(
    conn: &mut Connection,
    campaign: &str,
    state: CampaignState,
) -> Result<(), StoreError> {
    if state == CampaignState::Completed && held_by_others(conn, campaign).await? > 0 {
        return Ok(());
    }
    query(
        "INSERT INTO campaigns (name, state) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
    )
    .bind(campaign)
    .bind(state.as_str())
    .execute(conn)
    .await
    .map_err(|e| conn.error("save a campaign", e))?;
    Ok(())
}
