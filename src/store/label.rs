//! Labels: people's words on who answered, held against the verdicts.

use super::connection::Connection;
use super::error::StoreError;
use super::reader::Reader;
use super::statement::{query, scalar};
use crate::record::LabelRecord;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

/// Labelled calls that are read at once.
const PAGE_ROWS: u32 = 500;

/// Keeps a label; gives the attempt's id, none when there is no such call. Earlier labels of the attempt are kept, but count
/// no more.
pub(super) async fn insert(
    conn: &mut Connection,
    record: &LabelRecord,
) -> Result<Option<String>, StoreError> {
    scalar(
        "INSERT INTO labels (attempt, label, labelled_by, at)
         SELECT id, $2, $3, $4 FROM attempts
         WHERE id = coalesce((SELECT attempt FROM invites WHERE call_id = $1), $1)
         RETURNING attempt",
    )
    .bind(record.call.as_str())
    .bind(record.label.as_str())
    .bind(record.by.as_str())
    .bind(record.at.unix_ms())
    .fetch_optional(conn)
    .await
    .map_err(|e| conn.error("keep a label", e))
}

/// A labelled call, as far as a corpus of one's own needs it. Times are milliseconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Labelled {
    /// Where the next page goes on.
    pub sequence: i64,
    /// The attempt's id.
    pub attempt: String,
    /// The campaign's name.
    pub campaign: String,
    /// Whom it rang: the store's row, not the number.
    pub contact: i64,
    /// The latest label.
    pub label: String,
    /// Who gave it.
    pub labelled_by: String,
    /// The recording's file, empty without one.
    pub recording: String,
    /// The codec's name.
    pub codec: String,
    /// The first verdict's word.
    pub verdict: String,
    /// Its cause.
    pub verdict_cause: String,
    /// The revised verdict's word, empty when it was not revised.
    pub revised_verdict: String,
    /// The answer.
    pub answered_at: Option<i64>,
    /// The end of the greeting.
    pub greeting_end_at: Option<i64>,
    /// The start of the beep.
    pub beep_started_at: Option<i64>,
    /// Its end.
    pub beep_at: Option<i64>,
    /// Packets received.
    pub packets_received: i64,
    /// Packets lost.
    pub packets_lost: i64,
}

impl<'r, R> FromRow<'r, R> for Labelled
where
    R: Row,
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Labelled, sqlx::Error> {
        Ok(Labelled {
            sequence: row.try_get("sequence")?,
            attempt: row.try_get("attempt")?,
            campaign: row.try_get("campaign")?,
            contact: row.try_get("contact")?,
            label: row.try_get("label")?,
            labelled_by: row.try_get("labelled_by")?,
            recording: row.try_get("recording")?,
            codec: row.try_get("codec")?,
            verdict: row.try_get("verdict")?,
            verdict_cause: row.try_get("verdict_cause")?,
            revised_verdict: row.try_get("revised_verdict")?,
            answered_at: row.try_get("answered_at")?,
            greeting_end_at: row.try_get("greeting_end_at")?,
            beep_started_at: row.try_get("beep_started_at")?,
            beep_at: row.try_get("beep_at")?,
            packets_received: row.try_get("packets_received")?,
            packets_lost: row.try_get("packets_lost")?,
        })
    }
}

/// Calls of one campaign with the same last verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// The campaign's name.
    pub campaign: String,
    /// The last verdict: the revised one if there is one.
    pub verdict: String,
    /// How many calls.
    pub calls: u64,
    /// Of which a person has labelled so many.
    pub labelled: u64,
    /// As a person so many.
    pub humans: u64,
    /// As a machine so many.
    pub machines: u64,
}

impl Reader {
    /// Labelled calls behind the row `after` (0 to begin with), of one campaign or of all. An empty page is the end.
    pub async fn labelled(
        &mut self,
        campaign: Option<&str>,
        after: i64,
    ) -> Result<Vec<Labelled>, StoreError> {
        let conn = self.connection();
        query(
            "SELECT c.sequence, c.attempt, campaign, contact, label, labelled_by, recording, codec, verdict,
                    verdict_cause, revised_verdict, answered_at, greeting_end_at, beep_started_at, beep_at,
                    packets_received, packets_lost
             FROM calls AS c JOIN latest_labels AS l ON l.attempt = c.attempt
             WHERE c.sequence > $1 AND ($2 IS NULL OR campaign = $2) ORDER BY c.sequence LIMIT $3",
        )
        .bind(after)
        .bind(campaign)
        .bind(PAGE_ROWS)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("read labels", e))
    }

    /// Verdicts against labels, by campaign and verdict; calls without a verdict are left out.
    pub async fn tallies(&mut self, campaign: Option<&str>) -> Result<Vec<Tally>, StoreError> {
        let conn = self.connection();
        let rows: Vec<(String, String, i64, i64, i64, i64)> = query(
            "SELECT campaign, coalesce(nullif(revised_verdict, ''), verdict), count(*), count(label),
                    count(*) FILTER (WHERE label = 'human'), count(*) FILTER (WHERE label = 'machine')
             FROM calls AS c LEFT JOIN latest_labels AS l ON l.attempt = c.attempt
             WHERE verdict <> '' AND ($1 IS NULL OR campaign = $1)
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .bind(campaign)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("read labels", e))?;
        let tally = |(campaign, verdict, calls, labelled, humans, machines)| {
            let [calls, labelled, humans, machines] =
                [calls, labelled, humans, machines].map(|count: i64| count.unsigned_abs());
            Tally { campaign, verdict, calls, labelled, humans, machines }
        };
        Ok(rows.into_iter().map(tally).collect())
    }
}
