//! How far each list has been dialed.

use super::error::StoreError;
use super::reader::Reader;
use super::statement::query;
use crate::time::WallTime;

/// A list in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Penetration {
    /// Whose it is.
    pub campaign: String,
    /// Its file; empty for contacts that came with none.
    pub source: String,
    /// Rows of the file, and refused ones among them.
    pub rows: (u64, u64),
    /// When it came in.
    pub imported_at: Option<WallTime>,
    /// Its contacts.
    pub contacts: u64,
    /// Those that have been dialed at least once.
    pub dialed: u64,
    /// Those that wait for their (next) attempt.
    pub waiting: u64,
    /// Those in their final state.
    pub done: u64,
    /// Those never to be dialed.
    pub suppressed: u64,
}

type Columns = (String, i64, Option<String>, i64, i64, Option<i64>, i64, i64, i64, i64);

impl Reader {
    /// All lists of a campaign, or of all.
    pub async fn penetration(&mut self, campaign: Option<&str>) -> Result<Vec<Penetration>, StoreError> {
        let conn = self.connection();
        let rows: Vec<Columns> = query(
            "SELECT n.campaign, n.list, l.source, coalesce(l.rows, 0), coalesce(l.refused, 0), l.imported_at,
                    CAST(sum(n.contacts) AS BIGINT),
                    CAST(sum(CASE WHEN n.state = 'pending' THEN n.contacts ELSE 0 END) AS BIGINT),
                    CAST(sum(CASE WHEN n.state = 'done' THEN n.contacts ELSE 0 END) AS BIGINT),
                    CAST(sum(CASE WHEN n.state = 'suppressed' THEN n.contacts ELSE 0 END) AS BIGINT)
             FROM contact_counts AS n LEFT JOIN lists AS l ON l.id = n.list
             WHERE CAST($1 AS TEXT) IS NULL OR n.campaign = $1
             GROUP BY n.campaign, n.list, l.source, l.rows, l.refused, l.imported_at HAVING sum(n.contacts) > 0 ORDER BY n.campaign, n.list",
        )
        .bind(campaign)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("count lists", e))?;
        let dialed: Vec<(String, i64, i64)> = query(
            "SELECT c.campaign, c.list, count(*)
             FROM (SELECT DISTINCT contact FROM attempts) AS a JOIN contacts AS c ON c.id = a.contact
             WHERE CAST($1 AS TEXT) IS NULL OR c.campaign = $1 GROUP BY c.campaign, c.list",
        )
        .bind(campaign)
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("count lists", e))?;
        let read = |row: Columns| {
            let (campaign, list, source, rows, refused, imported_at, contacts, waiting, done, suppressed) =
                row;
            let dialed = dialed.iter().find(|(of, id, _)| (of, *id) == (&campaign, list));
            Penetration {
                dialed: dialed.map_or(0, |(.., count)| *count as u64),
                campaign,
                source: source.unwrap_or_default(),
                rows: (rows as u64, refused as u64),
                imported_at: imported_at.map(WallTime::from_unix_ms),
                contacts: contacts as u64,
                waiting: waiting as u64,
                done: done as u64,
                suppressed: suppressed as u64,
            }
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
