//! [`Reader`]: the database beside a running engine, for exports and status.

use super::connection::Connection;
use super::database::{Store, settle};
use super::error::StoreError;
use super::list::{Suppression, read_suppressions};
use super::location::Location;
use super::request::read_disposition;
use super::schema;
use super::statement::query;
use super::table::{Row, Table};
use crate::disposition::Disposition;
use crate::record::{CampaignState, ContactState};
use std::collections::BTreeMap;

/// Rows of one page: enough to be quick, few enough to be small.
const PAGE_ROWS: u32 = 1_000;

/// A campaign in numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Contacts that wait for their (next) attempt.
    pub pending: u64,
    /// Contacts that the engine holds.
    pub claimed: u64,
    /// Contacts whose attempt is in flight.
    pub in_flight: u64,
    /// Contacts in their final state.
    pub done: u64,
    /// Contacts never to be dialed.
    pub suppressed: u64,
    /// Call records by how the call ended; those that never happened are left out.
    pub dispositions: BTreeMap<Disposition, u64>,
}

/// A read-only view of a database. The engine may run meanwhile: neither waits for the other.
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens a database that an engine has created.
    pub async fn open(location: impl Into<Location>) -> Result<Reader, StoreError> {
        let mut connection = match location.into() {
            Location::File(path) => {
                let path = settle(&path)?;
                if !path.exists() {
                    return Err(StoreError::Missing(path));
                }
                Connection::for_reading(&path).await?
            }
            Location::Server(server) => Connection::to_server(&server).await?,
        };
        schema::require_current(&mut connection).await?;
        Ok(Reader { connection })
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// All campaigns that the store knows, by name.
    pub async fn campaigns(&mut self) -> Result<Vec<(String, CampaignState)>, StoreError> {
        let conn = &mut self.connection;
        let rows: Vec<(String, String)> = query("SELECT name, state FROM campaigns ORDER BY name")
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("read campaigns", e))?;
        rows.into_iter()
            .map(|(name, word)| match CampaignState::from_word(&word) {
                Some(state) => Ok((name, state)),
                None => Err(conn.damaged(format!("a campaign in the state {word:?}"))),
            })
            .collect()
    }

    /// The whole do-not-call list, in the order of its numbers.
    pub async fn suppressions(&mut self) -> Result<Vec<Suppression>, StoreError> {
        read_suppressions(&mut self.connection).await
    }

    /// A campaign in numbers; all zero for one that is not known.
    pub async fn counts(&mut self, campaign: &str) -> Result<Counts, StoreError> {
        count(&mut self.connection, campaign).await
    }

    /// The rows of a table behind the row `after` (0 to begin with), of one campaign or of all. An empty page is
    /// the end.
    ///
    /// Each page is read by itself. A snapshot over all of them would keep the engine's log from being folded back
    /// for as long as a reader dawdles; and what is ordered by the moment it was written loses and doubles nothing
    /// while more is being written.
    pub async fn page(
        &mut self,
        table: Table,
        campaign: Option<&str>,
        after: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let conn = &mut self.connection;
        let rows = query(table.sql())
            .bind(after)
            .bind(campaign)
            .bind(PAGE_ROWS)
            .fetch_rows(conn)
            .await
            .map_err(|e| conn.error("be exported", e))?;
        rows.read(|row| Row::read(table, row), |row| Row::read(table, row))
            .map_err(|e| conn.error("be exported", e))
    }
}

impl Store {
    /// A campaign in numbers; all zero for one that is not known.
    pub async fn counts(&mut self, campaign: &str) -> Result<Counts, StoreError> {
        count(&mut self.connection, campaign).await
    }
}

async fn count(conn: &mut Connection, campaign: &str) -> Result<Counts, StoreError> {
    const DOING: &str = "count a campaign";
    let mut counts = Counts::default();
    let states: Vec<(String, i64)> = query(
        "SELECT state, CAST(sum(contacts) AS BIGINT) FROM contact_counts WHERE campaign = $1 GROUP BY state",
    )
    .bind(campaign)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    for (word, contacts) in states {
        *counts.of_state(&word).ok_or_else(|| conn.damaged(format!("a contact in the state {word:?}")))? =
            contacts as u64;
    }
    let dispositions: Vec<(String, i64)> =
        query("SELECT disposition, count(*) FROM calls WHERE campaign = $1 GROUP BY disposition")
            .bind(campaign)
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error(DOING, e))?;
    for (word, calls) in dispositions {
        counts.dispositions.insert(read_disposition(conn, &word)?, calls as u64);
    }
    Ok(counts)
}

impl Counts {
    /// All contacts.
    pub fn contacts(&self) -> u64 {
        self.pending + self.claimed + self.in_flight + self.done + self.suppressed
    }

    fn of_state(&mut self, word: &str) -> Option<&mut u64> {
        use ContactState::*;
        let state =
            [Pending, Claimed, InFlight, Done, Suppressed].into_iter().find(|s| s.as_str() == word)?;
        Some(match state {
            Pending => &mut self.pending,
            Claimed => &mut self.claimed,
            InFlight => &mut self.in_flight,
            Done => &mut self.done,
            Suppressed => &mut self.suppressed,
        })
    }
}
