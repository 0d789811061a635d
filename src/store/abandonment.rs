//! What call records say of abandoned people: who answered on which day, and for whom no agent was there in time.

use super::error::StoreError;
use super::reader::Reader;
use super::statement::query;
use crate::disposition::ABANDONED_AFTER;
use crate::time::WallTime;

/// One day (UTC) of a campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AnsweredDay {
    /// Days since 1970.
    pub day: i64,
    /// People who wanted an agent: connected, abandoned, or off the list by their own key after too long a wait.
    pub people: u64,
    /// Of them: no agent was there in time.
    pub abandoned: u64,
    /// Calls hung up on as machines, those with a message left on them among them.
    pub machines: u64,
}

impl Reader {
    /// The days of a campaign since a moment, oldest first; days without an answered call are left out.
    ///
    /// Where no end of the greeting was heard, the verdict stands for it, and without one the answer.
    pub async fn answered_days(
        &mut self,
        campaign: &str,
        since: WallTime,
    ) -> Result<Vec<AnsweredDay>, StoreError> {
        let conn = self.connection();
        let rows: Vec<(i64, i64, i64, i64)> = query(
            "SELECT answered_at / 86400000 AS day,
                    SUM(CASE WHEN disposition IN ('bridged', 'abandoned') OR opted_out_late THEN 1 ELSE 0 END),
                    SUM(CASE WHEN disposition = 'abandoned' OR opted_out_late OR (disposition = 'bridged'
                        AND bridged_at - greeted_at > $3) THEN 1 ELSE 0 END),
                    SUM(CASE WHEN disposition IN ('machine', 'voicemail_left', 'screening') THEN 1 ELSE 0 END)
             FROM (SELECT answered_at, disposition, bridged_at, greeted_at,
                          (disposition = 'opted_out' AND agent_dialed_at IS NOT NULL
                           AND ended_at - greeted_at > $3) AS opted_out_late
                   FROM (SELECT *, COALESCE(greeting_end_at, verdict_at, answered_at) AS greeted_at FROM calls
                         WHERE campaign = $1 AND answered_at >= $2) AS answered) AS judged
             GROUP BY 1 ORDER BY 1",
        )
        .bind(campaign)
        .bind(since.unix_ms())
        .bind(ABANDONED_AFTER.as_millis() as i64)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("read who was abandoned", e))?;
        let day = |(day, people, abandoned, machines): (i64, i64, i64, i64)| {
            let [people, abandoned, machines] = [people, abandoned, machines].map(i64::unsigned_abs);
            AnsweredDay { day, people, abandoned, machines }
        };
        Ok(rows.into_iter().map(day).collect())
    }
}
