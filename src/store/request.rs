//! The engine's requests, each as its SQL. All of it runs inside a transaction that the caller begins and ends.

use super::call_record;
use super::claim::{held_by_others, refill};
use super::connection::Connection;
use super::dialog;
use super::error::StoreError;
use super::history;
use super::label;
use super::list::{read_number, suppress};
use super::order::Orders;
use super::statement::{query, scalar};
use crate::disposition::Disposition;
use crate::record::{
    Answer, AttemptId, CALLBACK_AGENT, CallRecord, CampaignState, Contact, ContactId, ContactState,
    ContactUpdate, InviteRecord, Request,
};
use crate::time::WallTime;
use std::collections::BTreeMap;

/// Does what is asked. Requests whose success the engine need not hear of give no answer.
pub(super) async fn apply(
    conn: &mut Connection,
    orders: &Orders,
    request: &Request,
) -> Result<Option<Answer>, StoreError> {
    match request {
        Request::Refill { campaign, due_at, limit } => {
            refill(conn, orders, campaign, *due_at, *limit).await.map(Some)
        }
        Request::CommitInvite(invite) => commit_invite(conn, invite).await.map(Some),
        Request::FinishAttempt { record, contact } => {
            finish(conn, orders, record, contact).await.map(|()| None)
        }
        Request::KeepDialogs { open, gone } => {
            dialog::keep(conn, open, gone).await?;
            Ok(Answer::of_kept(open))
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
        Request::KeepDecision { attempt, decision, caps } => {
            history::keep_decision(conn, *attempt, decision, caps).await.map(|()| None)
        }
        Request::Beat(_) => Err(conn.damaged("a beat among other requests".to_owned())),
        Request::SaveCampaign { campaign, state } => {
            save_campaign(conn, campaign, *state).await.map(|()| None)
        }
    }
}

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
    let ids: Vec<i64> = contacts.iter().map(|row| row.0).collect();
    let ids = serde_json::to_string(&ids).expect("integers always have a JSON form");
    let rows: Vec<(i64, String, i64)> = query(
        "SELECT contact, disposition, count(*) FROM calls WHERE contact IN (SELECT CAST(value AS BIGINT) FROM json_each($1))
         GROUP BY contact, disposition",
    )
    .bind(ids)
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

/// The last gate before a telephone rings.
async fn commit_invite(conn: &mut Connection, invite: &InviteRecord) -> Result<Answer, StoreError> {
    if let Some(error) = objection(conn, invite).await? {
        return Ok(Answer::InviteForbidden { attempt: invite.attempt, reason: error });
    }
    let attempt = invite.attempt.to_string();
    query(
        "INSERT INTO attempts (id, contact, campaign, number, started_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(attempt.as_str())
    .bind(invite.contact.0)
    .bind(invite.campaign.as_str())
    .bind(invite.number.as_str())
    .bind(invite.at.unix_ms())
    .execute(conn)
    .await
    .map_err(|e| conn.error("commit an INVITE", e))?;
    query("INSERT INTO invites (call_id, attempt, caller_id, trunk, at) VALUES ($1, $2, $3, $4, $5)")
        .bind(invite.call_id.as_str())
        .bind(attempt.as_str())
        .bind(invite.caller_id.as_str())
        .bind(invite.trunk.as_str())
        .bind(invite.at.unix_ms())
        .execute(conn)
        .await
        .map_err(|e| conn.error("commit an INVITE", e))?;
    query(
        "UPDATE contacts SET state = 'in_flight', attempt = $2, last_reason = '', callback_at = NULL WHERE id = $1",
    )
        .bind(invite.contact.0)
        .bind(attempt)
        .execute(conn)
        .await
        .map_err(|e| conn.error("commit an INVITE", e))?;
    dialog::insert_of_invite(conn, invite).await?;
    Ok(Answer::InviteCommitted { attempt: invite.attempt })
}

/// Why the INVITE must not leave, if so.
async fn objection(conn: &mut Connection, invite: &InviteRecord) -> Result<Option<String>, StoreError> {
    let row: Option<GateRow> = query(
        "SELECT campaign,
                CASE WHEN ' ' || further || ' ' LIKE '% ' || $2 || ' %' THEN $2 ELSE number END,
                state, attempt,
                EXISTS (SELECT 1 FROM suppressions WHERE number = $2 OR number = contacts.number),
                EXISTS (SELECT 1 FROM invites WHERE call_id = $3),
                EXISTS (SELECT 1 FROM calls WHERE attempt = $4),
                holder = $5 AND ($5 = 0 OR EXISTS (
                    SELECT 1 FROM nodes
                    WHERE token = $5 /*+ AND lease_until > extract(epoch FROM clock_timestamp()) * 1000 */))
         FROM contacts WHERE id = $1 /*+ FOR UPDATE */",
    )
    .bind(invite.contact.0)
    .bind(invite.number.as_str())
    .bind(invite.call_id.as_str())
    .bind(invite.attempt.to_string())
    .bind(conn.holder())
    .fetch_optional(conn)
    .await
    .map_err(|e| conn.error("commit an INVITE", e))?;
    Ok(match row {
        None => Some(format!("there is no contact {}", invite.contact.0)),
        Some(row) => match row_objection(&row, invite) {
            None => history::cap_objection(conn, invite).await?,
            objection => objection,
        },
    })
}

/// campaign, number, state, attempt in flight; suppressed?, Call-ID used?, attempt finished?, held by this node that lives?
type GateRow = (String, String, String, Option<String>, bool, bool, bool, bool);

fn row_objection(row: &GateRow, invite: &InviteRecord) -> Option<String> {
    let (campaign, number, state, in_flight, suppressed, call_id_used, finished, held) = row;
    let contact = invite.contact.0;
    let ours = match (state.as_str(), in_flight) {
        ("claimed", _) => true,
        ("in_flight", Some(attempt)) => *attempt == invite.attempt.to_string(),
        _ => false,
    };
    if *suppressed {
        Some("the number is on the do-not-call list".to_owned())
    } else if *campaign != invite.campaign || number != invite.number.as_str() {
        Some(format!("contact {contact} has another campaign or another number"))
    } else if !ours {
        Some(format!("contact {contact} is not claimed by this attempt: it is {state}"))
    } else if !held {
        Some(format!("contact {contact} belongs to another node, or this one's lease is over"))
    } else if *finished {
        Some("the attempt already has its call record".to_owned())
    } else if *call_id_used {
        Some("the Call-ID has been used before".to_owned())
    } else {
        None
    }
}

/// Handed in twice, the first record stays and nothing else happens.
async fn finish(
    conn: &mut Connection,
    orders: &Orders,
    record: &CallRecord,
    update: &ContactUpdate,
) -> Result<(), StoreError> {
    // Somebody else has taken the attempt over and closes it: what comes from its former holder is late.
    if conn.holder() != 0 && belongs_to_another(conn, record).await? {
        return Ok(());
    }
    // A record is never refused: an attempt that ended before its first INVITE was committed gets its row here.
    query(
        "INSERT INTO attempts (id, contact, campaign, number, started_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(record.attempt.to_string())
    .bind(record.contact.0)
    .bind(record.campaign.as_str())
    .bind(record.number.as_str())
    .bind(record.dialed_at.unix_ms())
    .execute(conn)
    .await
    .map_err(|e| conn.error("write a call record", e))?;
    if call_record::insert(conn, record).await? {
        settle(conn, update, Some(record.attempt), None).await?;
        let goes_on = update.state == ContactState::Pending;
        if goes_on && orders.goes_to_next_phone(&record.campaign, record.disposition) {
            turn_to_next_phone(conn, update.id).await?;
        }
    }
    Ok(())
}

/// After the last number comes the first again.
async fn turn_to_next_phone(conn: &mut Connection, contact: ContactId) -> Result<(), StoreError> {
    query(
        "UPDATE contacts SET phone = (phone + 1) % (2 + length(further) - length(replace(further, ' ', '')))
         WHERE id = $1 AND further <> ''",
    )
    .bind(contact.0)
    .execute(conn)
    .await
    .map_err(|e| conn.error("settle a contact", e))?;
    Ok(())
}

async fn belongs_to_another(conn: &mut Connection, record: &CallRecord) -> Result<bool, StoreError> {
    scalar("SELECT EXISTS (SELECT 1 FROM contacts WHERE id = $1 AND attempt = $2 AND holder <> $3)")
        .bind(record.contact.0)
        .bind(record.attempt.to_string())
        .bind(conn.holder())
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error("write a call record", e))
}

async fn release(conn: &mut Connection, update: &ContactUpdate, reason: &str) -> Result<(), StoreError> {
    settle(conn, update, None, Some(reason)).await
}

/// Moves a contact on from `claimed`, or from `in_flight` when its attempt ends. Final states are not left again,
/// and what would wait for another attempt while its number is on the do-not-call list becomes suppressed.
async fn settle(
    conn: &mut Connection,
    update: &ContactUpdate,
    attempt: Option<AttemptId>,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    query(
        "UPDATE contacts SET attempt = NULL, holder = 0, next_attempt_at = $2,
             state = CASE WHEN listed THEN 'suppressed' ELSE $3 END,
             last_reason = CASE WHEN listed THEN 'do_not_call' ELSE coalesce($4, last_reason) END
         FROM (SELECT $3 = 'pending' AND EXISTS (
                   SELECT 1 FROM suppressions
                   WHERE number = (SELECT number FROM contacts WHERE id = $1)) AS listed) AS gate
         WHERE id = $1 AND holder = $6 AND (state = 'claimed' OR (state = 'in_flight' AND attempt = $5))",
    )
    .bind(update.id.0)
    .bind(update.next_attempt_at.unix_ms())
    .bind(update.state.as_str())
    .bind(reason)
    .bind(attempt.map(|id| id.to_string()))
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
