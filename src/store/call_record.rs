//! Call records as rows, and what becomes of their contacts.

use super::connection::Connection;
use super::error::StoreError;
use super::order::Orders;
use super::rows::Rows;
use super::statement::scalar;
use crate::record::{CallRecord, ContactState, ContactUpdate};
use std::collections::BTreeSet;

/// What comes before the records. None is refused: an attempt that ended before its first INVITE was committed gets its row
/// here. Of an attempt that already has its record, the contact is left alone. Final states are not left again, and what
/// would wait for another attempt while its number is on the do-not-call list becomes suppressed. After a contact's last
/// number comes its first again.
pub(super) const FINISH: &str = "
    WITH f AS MATERIALIZED (SELECT value FROM json_each($4))
    INSERT INTO attempts (id, contact, campaign, number, started_at)
        SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 2, value ->> 3, CAST(value ->> 4 AS BIGINT)
        FROM f WHERE true
        ON CONFLICT (id) DO NOTHING;
    WITH f AS MATERIALIZED (SELECT value FROM json_each($4))
    UPDATE contacts SET attempt = NULL, holder = 0, next_attempt_at = CAST(f.value ->> 6 AS BIGINT),
        state = CASE WHEN f.value ->> 7 = 'pending'
                AND EXISTS (SELECT 1 FROM suppressions WHERE number = contacts.number)
            THEN 'suppressed' ELSE f.value ->> 7 END,
        last_reason = CASE WHEN f.value ->> 7 = 'pending'
                AND EXISTS (SELECT 1 FROM suppressions WHERE number = contacts.number)
            THEN 'do_not_call' ELSE last_reason END,
        phone = CASE WHEN further = '' THEN phone ELSE
            (phone + CAST(f.value ->> 8 AS BIGINT)) % (2 + length(further) - length(replace(further, ' ', ''))) END
        FROM f
        WHERE contacts.id = CAST(f.value ->> 5 AS BIGINT) AND holder = $1
            AND (state = 'claimed' OR (state = 'in_flight' AND attempt = f.value ->> 0))
            AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.attempt = f.value ->> 0)";

/// An attempt that already has its record keeps that one.
pub(super) const INSERT: &str = "
    WITH f AS MATERIALIZED (SELECT value FROM json_each($5))
    INSERT INTO calls (attempt, contact, campaign, number, caller_id, trunk, call_id, disposition, dialed_at,
            trying_at, ringing_at, early_media_at, answered_at, first_media_at, greeting_end_at, verdict_at, beep_at,
            drop_started_at, drop_ended_at, agent_dialed_at, agent_answered_at, bridged_at, ended_at, ended_by,
            sip_status, q850_cause, reason, verdict, verdict_cause, revised_verdict, codec, packets_sent,
            packets_received, packets_lost, jitter_ms, round_trip_ms, recording, agent, digits,
            revised_at, revised_cause, beep_started_at)
        SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7, CAST(value ->> 8 AS BIGINT), CAST(value ->> 9 AS BIGINT),
            CAST(value ->> 10 AS BIGINT), CAST(value ->> 11 AS BIGINT), CAST(value ->> 12 AS BIGINT),
            CAST(value ->> 13 AS BIGINT), CAST(value ->> 14 AS BIGINT), CAST(value ->> 15 AS BIGINT),
            CAST(value ->> 16 AS BIGINT), CAST(value ->> 17 AS BIGINT), CAST(value ->> 18 AS BIGINT),
            CAST(value ->> 19 AS BIGINT), CAST(value ->> 20 AS BIGINT), CAST(value ->> 21 AS BIGINT),
            CAST(value ->> 22 AS BIGINT), value ->> 23, CAST(value ->> 24 AS BIGINT), CAST(value ->> 25 AS BIGINT),
            value ->> 26, value ->> 27, value ->> 28, value ->> 29, value ->> 30, CAST(value ->> 31 AS BIGINT),
            CAST(value ->> 32 AS BIGINT), CAST(value ->> 33 AS BIGINT), CAST(value ->> 34 AS DOUBLE PRECISION),
            CAST(value ->> 35 AS DOUBLE PRECISION), value ->> 36, value ->> 37, value ->> 38,
            CAST(value ->> 39 AS BIGINT), value ->> 40, CAST(value ->> 41 AS BIGINT)
        FROM f WHERE true
        ON CONFLICT (attempt) DO NOTHING";

/// The rows of [`FINISH`] and those of [`INSERT`]. No contact and no attempt may be there twice.
pub(super) fn rows<'r>(
    orders: &Orders,
    records: impl Iterator<Item = &'r (&'r CallRecord, &'r ContactUpdate)>,
) -> (Rows, Rows) {
    let (mut ends, mut calls) = (Rows::default(), Rows::default());
    for (record, update) in records {
        let turns = update.state == ContactState::Pending
            && orders.goes_to_next_phone(&record.campaign, record.disposition);
        put_end(&mut ends, record, update, turns);
        put_call(&mut calls, record);
    }
    (ends, calls)
}

/// The places of those whose attempt another node has taken over: it closes them, and what comes from their former holder
/// is late. None on a file.
pub(super) async fn late(
    conn: &mut Connection,
    records: &[(&CallRecord, &ContactUpdate)],
) -> Result<BTreeSet<i64>, StoreError> {
    if conn.holder() == 0 || records.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut rows = Rows::default();
    for (record, _) in records {
        rows.begin().put(record.attempt.to_string()).put(record.contact.0);
    }
    let places: Vec<i64> = scalar(
        "SELECT f.key FROM json_each($1) AS f CROSS JOIN contacts AS c
         WHERE c.id = CAST(f.value ->> 1 AS BIGINT) AND c.attempt = f.value ->> 0 AND c.holder <> $2",
    )
    .bind(rows.into_text())
    .bind(conn.holder())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("write a call record", e))?;
    Ok(places.into_iter().collect())
}

/// The attempt, then the contact's id, when it is next due, its state, and by how many of its numbers it goes on.
fn put_end(rows: &mut Rows, record: &CallRecord, update: &ContactUpdate, turns: bool) {
    rows.begin()
        .put(record.attempt.to_string())
        .put(record.contact.0)
        .put(&record.campaign)
        .put(record.number.as_str())
        .put(record.dialed_at)
        .put(update.id.0)
        .put(update.next_attempt_at)
        .put(update.state.as_str())
        .put(u8::from(turns));
}

/// The columns of a call in their order.
fn put_call(rows: &mut Rows, record: &CallRecord) {
    rows.begin()
        .put(record.attempt.to_string())
        .put(record.contact.0)
        .put(&record.campaign)
        .put(record.number.as_str())
        .put(&record.caller_id)
        .put(&record.trunk)
        .put(&record.call_id)
        .put(record.disposition.as_str())
        .put(record.dialed_at)
        .put(record.trying_at)
        .put(record.ringing_at)
        .put(record.early_media_at)
        .put(record.answered_at)
        .put(record.first_media_at)
        .put(record.greeting_end_at)
        .put(record.verdict_at)
        .put(record.beep_at)
        .put(record.drop_started_at)
        .put(record.drop_ended_at)
        .put(record.agent_dialed_at)
        .put(record.agent_answered_at)
        .put(record.bridged_at)
        .put(record.ended_at)
        .put(record.ended_by.as_str())
        .put(record.sip_status)
        .put(record.q850_cause)
        .put(&record.reason)
        .put(&record.verdict)
        .put(&record.verdict_cause)
        .put(&record.revised_verdict)
        .put(&record.codec)
        .put(count(record.packets_sent))
        .put(count(record.packets_received))
        .put(count(record.packets_lost))
        .put(record.jitter_ms)
        .put(record.round_trip_ms)
        .put(&record.recording)
        .put(&record.agent)
        .put(&record.digits)
        .put(record.revised_at)
        .put(&record.revised_cause)
        .put(record.beep_started_at);
}

/// SQLite's integers end at 2^63 - 1.
fn count(packets: u64) -> i64 {
    i64::try_from(packets).unwrap_or(i64::MAX)
}
