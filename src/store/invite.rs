//! INVITEs that are about to leave: the last gate before telephones ring, and what is committed when it lets them pass.

use super::connection::Connection;
use super::error::StoreError;
use super::gathered::gathered;
use super::group::Decision;
use super::history;
use super::rows::Rows;
use crate::record::{Answer, AttemptId, InviteRecord};
use crate::time::WallTime;
use std::collections::BTreeMap;

const DOING: &str = "commit an INVITE";

/// A last look at each contact that is about to be rung: what forbids it of itself, a word each, and what it is to be
/// compared with.
const GATE: &str = "
    WITH i AS MATERIALIZED (SELECT key, value FROM json_each($1))
    SELECT i.key, c.campaign, c.state, c.attempt,
        CASE WHEN ' ' || c.further || ' ' LIKE '% ' || (i.value ->> 2) || ' %' THEN i.value ->> 2 ELSE c.number END
            AS number,
        CASE WHEN EXISTS (SELECT 1 FROM suppressions WHERE number = i.value ->> 2 OR number = c.number)
            THEN 'suppressed ' ELSE '' END ||
        CASE WHEN c.holder <> $2 THEN 'foreign ' ELSE '' END ||
        CASE WHEN EXISTS (SELECT 1 FROM calls WHERE attempt = i.value ->> 0) THEN 'finished ' ELSE '' END ||
        CASE WHEN EXISTS (SELECT 1 FROM invites WHERE call_id = i.value ->> 3) THEN 'used ' ELSE '' END ||
        CASE WHEN $2 = 0 OR EXISTS (
                SELECT 1 FROM nodes
                WHERE token = $2 /*+ AND lease_until > extract(epoch FROM clock_timestamp()) * 1000 */)
            THEN '' ELSE 'late ' END AS faults,
        (SELECT caps FROM decisions WHERE attempt = i.value ->> 0) AS caps
    FROM i CROSS JOIN contacts AS c WHERE c.id = CAST(i.value ->> 1 AS BIGINT)
    /*+ FOR UPDATE OF c */";

/// What is committed before they leave, but for their dialogs. A second INVITE of an attempt finds the attempt's row.
pub(super) const COMMIT: &str = "
    WITH i AS MATERIALIZED (SELECT value FROM json_each($3))
    INSERT INTO attempts (id, contact, campaign, number, started_at)
        SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 4, value ->> 2, CAST(value ->> 7 AS BIGINT)
        FROM i WHERE true
        ON CONFLICT (id) DO NOTHING;
    WITH i AS MATERIALIZED (SELECT value FROM json_each($3))
    INSERT INTO invites (call_id, attempt, caller_id, trunk, at)
        SELECT value ->> 3, value ->> 0, value ->> 5, value ->> 6, CAST(value ->> 7 AS BIGINT) FROM i;
    UPDATE contacts SET state = 'in_flight', attempt = i.value ->> 0, last_reason = '', callback_at = NULL
        FROM json_each($3) AS i WHERE contacts.id = CAST(i.value ->> 1 AS BIGINT)";

/// place, campaign, state, attempt in flight, number, faults, the law's caps
type GateRow = (i64, String, String, Option<String>, String, String, Option<String>);

/// Why an INVITE must not leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Objection {
    /// Not to this contact, or not in this attempt.
    Forbidden(String),
    /// Not now: nothing is said of the contact.
    Now(&'static str),
}

impl Objection {
    /// What the engine is told.
    pub(super) fn into_answer(self, attempt: AttemptId) -> Answer {
        match self {
            Objection::Forbidden(reason) => Answer::InviteForbidden { attempt, reason },
            Objection::Now(error) => Answer::InviteRefused { attempt, error: error.to_owned() },
        }
    }
}

/// After a beat it dials again.
const LEASE_OVER: &str = "this node has not been heard of for longer than its lease";

/// The rows of [`COMMIT`].
pub(super) fn rows<'r>(invites: impl Iterator<Item = &'r InviteRecord>) -> Rows {
    let mut rows = Rows::default();
    for invite in invites {
        key(&mut rows, invite).put(&invite.campaign).put(&invite.caller_id).put(&invite.trunk).put(invite.at);
    }
    rows
}

/// Why each must not leave, if so. No contact, number, attempt or Call-ID may be there twice. `decisions` are those that are
/// about to be kept.
pub(super) async fn objections(
    conn: &mut Connection,
    invites: &[&InviteRecord],
    decisions: &[Decision<'_>],
) -> Result<Vec<Option<Objection>>, StoreError> {
    if invites.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = Rows::default();
    for invite in invites {
        key(&mut rows, invite);
    }
    let found: Vec<GateRow> = gathered("key, campaign, state, attempt, number, faults, caps", GATE)
        .bind(rows.into_text())
        .bind(conn.holder())
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    let found: BTreeMap<i64, GateRow> = found.into_iter().map(|row| (row.0, row)).collect();
    let mut objections: Vec<Option<Objection>> =
        (0..).zip(invites).map(|(place, invite)| objection(found.get(&place), invite)).collect();
    // An attempt that has its decision keeps that one; of two new ones the first.
    let new: BTreeMap<AttemptId, &[(u32, WallTime)]> =
        decisions.iter().rev().map(|(attempt, _, caps)| (*attempt, *caps)).collect();
    let mut caps = Vec::new();
    for ((place, invite), objection) in (0..).zip(invites).zip(&objections) {
        let Some((.., kept)) = found.get(&place).filter(|_| objection.is_none()) else { continue };
        let of_this = match (kept, new.get(&invite.attempt)) {
            (Some(kept), _) => history::read_caps(conn, kept)?,
            (None, Some(new)) => new.iter().map(|(most, since)| (*most, since.unix_ms())).collect(),
            (None, None) => Vec::new(),
        };
        let cap = |(most, since)| (place, &invite.number, invite.attempt, most, since);
        caps.extend(of_this.into_iter().map(cap));
    }
    for (place, why) in history::cap_objections(conn, &caps).await? {
        objections[place as usize] = Some(Objection::Forbidden(why));
    }
    Ok(objections)
}

/// A row with what an INVITE is known by.
fn key<'r>(rows: &'r mut Rows, invite: &InviteRecord) -> &'r mut Rows {
    rows.begin()
        .put(invite.attempt.to_string())
        .put(invite.contact.0)
        .put(invite.number.as_str())
        .put(&invite.call_id)
}

/// Why the INVITE must not leave, if so; what the law's caps say comes after it.
fn objection(found: Option<&GateRow>, invite: &InviteRecord) -> Option<Objection> {
    let contact = invite.contact.0;
    let forbidden = |reason: &str| Some(Objection::Forbidden(reason.to_owned()));
    let Some((_, campaign, state, in_flight, number, faults, _)) = found else {
        return forbidden(&format!("there is no contact {contact}"));
    };
    let is = |fault| faults.split_whitespace().any(|word| word == fault);
    let ours = match (state.as_str(), in_flight) {
        ("claimed", _) => true,
        ("in_flight", Some(attempt)) => *attempt == invite.attempt.to_string(),
        _ => false,
    };
    if is("suppressed") {
        forbidden("the number is on the do-not-call list")
    } else if *campaign != invite.campaign || number != invite.number.as_str() {
        forbidden(&format!("contact {contact} has another campaign or another number"))
    } else if !ours {
        forbidden(&format!("contact {contact} is not claimed by this attempt: it is {state}"))
    } else if is("foreign") {
        forbidden(&format!("contact {contact} belongs to another node"))
    } else if is("finished") {
        forbidden("the attempt already has its call record")
    } else if is("used") {
        forbidden("the Call-ID has been used before")
    } else if is("late") {
        Some(Objection::Now(LEASE_OVER))
    } else {
        None
    }
}
