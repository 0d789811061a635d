//! INVITEs that are about to leave: the last gate before telephones ring, and what is committed when it lets them pass.

use super::connection::Connection;
use super::error::StoreError;
use super::group::Decision;
use super::history;
use super::rows::Rows;
use super::statement::query;
use crate::record::{Answer, AttemptId, InviteRecord};
use crate::time::WallTime;
use std::collections::BTreeMap;

const DOING: &str = "commit an INVITE";

/// A last look at each contact that is about to be rung.
const GATE: &str = "
    SELECT i.key, c.campaign,
           CASE WHEN ' ' || c.further || ' ' LIKE '% ' || (i.value ->> 2) || ' %' THEN i.value ->> 2 ELSE c.number END,
           c.state, c.attempt,
           EXISTS (SELECT 1 FROM suppressions WHERE number = i.value ->> 2 OR number = c.number),
           EXISTS (SELECT 1 FROM invites WHERE call_id = i.value ->> 3),
           EXISTS (SELECT 1 FROM calls WHERE attempt = i.value ->> 0),
           c.holder = $2,
           $2 = 0 OR EXISTS (
               SELECT 1 FROM nodes
               WHERE token = $2 /*+ AND lease_until > extract(epoch FROM clock_timestamp()) * 1000 */),
           (SELECT caps FROM decisions WHERE attempt = i.value ->> 0)
    FROM json_each($1) AS i CROSS JOIN contacts AS c WHERE c.id = CAST(i.value ->> 1 AS BIGINT)
    /*+ FOR UPDATE OF c */";

/// What is committed before they leave, but for their dialogs. A second INVITE of an attempt finds the attempt's row.
pub(super) const COMMIT: &str = "
    INSERT INTO attempts (id, contact, campaign, number, started_at)
        SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 4, value ->> 2, CAST(value ->> 7 AS BIGINT)
        FROM json_each($3) WHERE true
        ON CONFLICT (id) DO NOTHING;
    INSERT INTO invites (call_id, attempt, caller_id, trunk, at)
        SELECT value ->> 3, value ->> 0, value ->> 5, value ->> 6, CAST(value ->> 7 AS BIGINT) FROM json_each($3);
    UPDATE contacts SET state = 'in_flight', attempt = i.value ->> 0, last_reason = '', callback_at = NULL
        FROM json_each($3) AS i WHERE contacts.id = CAST(i.value ->> 1 AS BIGINT)";

/// place, campaign, number, state, attempt in flight; suppressed?, Call-ID used?, attempt finished?, held by this node?, does
/// that live?, the law's caps
type GateRow = (i64, String, String, String, Option<String>, bool, bool, bool, bool, bool, Option<String>);

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
    let found: Vec<GateRow> = query(GATE)
        .bind(rows.into_text())
        .bind(conn.holder())
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    let mut found: BTreeMap<i64, GateRow> = found.into_iter().map(|row| (row.0, row)).collect();
    // An attempt that has its decision keeps that one; of two new ones the first.
    let caps: BTreeMap<AttemptId, &[(u32, WallTime)]> =
        decisions.iter().rev().map(|(attempt, _, caps)| (*attempt, *caps)).collect();
    let mut objections = Vec::with_capacity(invites.len());
    for (place, invite) in (0..).zip(invites) {
        let mut row = found.remove(&place);
        if let (Some((.., kept)), Some(caps)) = (&mut row, caps.get(&invite.attempt)) {
            kept.get_or_insert_with(|| history::caps_text(caps));
        }
        objections.push(objection(conn, row.as_ref(), invite).await?);
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

/// Why the INVITE must not leave, if so.
async fn objection(
    conn: &mut Connection,
    found: Option<&GateRow>,
    invite: &InviteRecord,
) -> Result<Option<Objection>, StoreError> {
    let contact = invite.contact.0;
    let forbidden = |reason| Ok(Some(Objection::Forbidden(reason)));
    let Some(row) = found else { return forbidden(format!("there is no contact {contact}")) };
    let (_, campaign, number, state, in_flight, suppressed, call_id_used, finished, held, lives, caps) = row;
    let ours = match (state.as_str(), in_flight) {
        ("claimed", _) => true,
        ("in_flight", Some(attempt)) => *attempt == invite.attempt.to_string(),
        _ => false,
    };
    if *suppressed {
        forbidden("the number is on the do-not-call list".to_owned())
    } else if *campaign != invite.campaign || number != invite.number.as_str() {
        forbidden(format!("contact {contact} has another campaign or another number"))
    } else if !ours {
        forbidden(format!("contact {contact} is not claimed by this attempt: it is {state}"))
    } else if !held {
        forbidden(format!("contact {contact} belongs to another node"))
    } else if *finished {
        forbidden("the attempt already has its call record".to_owned())
    } else if *call_id_used {
        forbidden("the Call-ID has been used before".to_owned())
    } else if !lives {
        Ok(Some(Objection::Now(LEASE_OVER)))
    } else {
        match caps {
            Some(caps) => Ok(history::cap_objection(conn, invite, caps).await?.map(Objection::Forbidden)),
            None => Ok(None),
        }
    }
}
