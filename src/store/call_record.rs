//! The call record as a row.

use super::connection::Connection;
use super::error::StoreError;
use super::statement::query;
use crate::record::CallRecord;
use crate::time::WallTime;

/// Writes the record unless its attempt already has one; tells whether it did.
pub(super) async fn insert(conn: &mut Connection, record: &CallRecord) -> Result<bool, StoreError> {
    let done = query(
        "INSERT INTO calls (attempt, contact, campaign, number, caller_id, trunk, call_id, disposition, dialed_at,
             trying_at, ringing_at, early_media_at, answered_at, first_media_at, greeting_end_at, verdict_at, beep_at,
             drop_started_at, drop_ended_at, agent_dialed_at, agent_answered_at, bridged_at, ended_at, ended_by,
             sip_status, q850_cause, reason, verdict, verdict_cause, revised_verdict, codec, packets_sent,
             packets_received, packets_lost, jitter_ms, round_trip_ms, recording, agent, digits,
             revised_at, revised_cause, beep_started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42)
         ON CONFLICT (attempt) DO NOTHING",
    )
    .bind(record.attempt.to_string())
    .bind(record.contact.0)
    .bind(record.campaign.as_str())
    .bind(record.number.as_str())
    .bind(record.caller_id.as_str())
    .bind(record.trunk.as_str())
    .bind(record.call_id.as_str())
    .bind(record.disposition.as_str())
    .bind(record.dialed_at.unix_ms())
    .bind(record.trying_at.map(WallTime::unix_ms))
    .bind(record.ringing_at.map(WallTime::unix_ms))
    .bind(record.early_media_at.map(WallTime::unix_ms))
    .bind(record.answered_at.map(WallTime::unix_ms))
    .bind(record.first_media_at.map(WallTime::unix_ms))
    .bind(record.greeting_end_at.map(WallTime::unix_ms))
    .bind(record.verdict_at.map(WallTime::unix_ms))
    .bind(record.beep_at.map(WallTime::unix_ms))
    .bind(record.drop_started_at.map(WallTime::unix_ms))
    .bind(record.drop_ended_at.map(WallTime::unix_ms))
    .bind(record.agent_dialed_at.map(WallTime::unix_ms))
    .bind(record.agent_answered_at.map(WallTime::unix_ms))
    .bind(record.bridged_at.map(WallTime::unix_ms))
    .bind(record.ended_at.unix_ms())
    .bind(record.ended_by.as_str())
    .bind(record.sip_status)
    .bind(record.q850_cause)
    .bind(record.reason.as_str())
    .bind(record.verdict.as_str())
    .bind(record.verdict_cause.as_str())
    .bind(record.revised_verdict.as_str())
    .bind(record.codec.as_str())
    .bind(count(record.packets_sent))
    .bind(count(record.packets_received))
    .bind(count(record.packets_lost))
    .bind(record.jitter_ms)
    .bind(record.round_trip_ms)
    .bind(record.recording.as_str())
    .bind(record.agent.as_str())
    .bind(record.digits.as_str())
    .bind(record.revised_at.map(WallTime::unix_ms))
    .bind(record.revised_cause.as_str())
    .bind(record.beep_started_at.map(WallTime::unix_ms))
    .execute(conn)
    .await
    .map_err(|e| conn.error("write a call record", e))?;
    Ok(done == 1)
}

/// SQLite's integers end at 2^63 - 1.
fn count(packets: u64) -> i64 {
    i64::try_from(packets).unwrap_or(i64::MAX)
}
