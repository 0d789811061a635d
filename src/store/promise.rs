//! What people ask of contacts between their calls: to be called at a certain time, or to be dialed again.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::rows;
use super::statement::query;
use crate::disposition::Disposition;
use crate::number::E164;
use crate::time::WallTime;

/// Contacts that are looked at in one transaction.
const ROWS_PER_TRANSACTION: i64 = 20_000;

/// What became of a promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Promised {
    /// It is kept; so many attempts have been made on the contact before.
    Kept {
        /// Also those made by another dialer.
        attempts: u32,
    },
    /// The campaign has no such number.
    Unknown,
    /// The contact is in a state that allows none: claimed, in flight, suppressed.
    Refused {
        /// Its word.
        state: String,
    },
}

/// What a recycling did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recycled {
    /// Contacts that wait again.
    pub contacts: u64,
    /// Contacts with such an outcome whose attempts are used up: the cap stays.
    pub used_up: u64,
}

impl Store {
    /// A contact is to be called at a time, by a certain agent or by anybody. It goes before all others then.
    pub async fn promise(
        &mut self,
        campaign: &str,
        number: &E164,
        at: WallTime,
        agent: &str,
    ) -> Result<Promised, StoreError> {
        let conn = &mut self.connection;
        conn.begin().await?;
        let promised = promise(conn, campaign, number, at, agent).await;
        conn.end(promised).await
    }

    /// Contacts that had come to their end with one of these outcomes wait again, if they have had fewer than
    /// `attempts_max` attempts.
    pub async fn recycle(
        &mut self,
        campaign: &str,
        dispositions: &[Disposition],
        attempts_max: u32,
        now: WallTime,
    ) -> Result<Recycled, StoreError> {
        let words: Vec<&str> = dispositions.iter().map(|disposition| disposition.as_str()).collect();
        let words = serde_json::to_string(&words).expect("words always have a JSON form");
        let mut done = Recycled::default();
        let mut after = 0;
        loop {
            let conn = &mut self.connection;
            conn.begin().await?;
            let part = recycle(conn, campaign, &words, attempts_max, now, after).await;
            match conn.end(part).await? {
                Some((last, part)) => {
                    after = last;
                    done.contacts += part.contacts;
                    done.used_up += part.used_up;
                }
                None => return Ok(done),
            }
        }
    }
}

async fn promise(
    conn: &mut Connection,
    campaign: &str,
    number: &E164,
    at: WallTime,
    agent: &str,
) -> Result<Promised, StoreError> {
    const DOING: &str = "keep a promised call";
    let found: Option<(i64, String, i64, String)> = query(
        "SELECT id, state, (SELECT count(*) FROM calls WHERE contact = contacts.id), earlier FROM contacts
         WHERE campaign = $1 AND number = $2",
    )
    .bind(campaign)
    .bind(number.as_str())
    .fetch_optional(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    let Some((id, state, calls, earlier)) = found else { return Ok(Promised::Unknown) };
    if !matches!(state.as_str(), "pending" | "done") {
        return Ok(Promised::Refused { state });
    }
    query(
        "UPDATE contacts SET state = 'pending', next_attempt_at = $2, callback_at = $2, callback_agent = $3
         WHERE id = $1",
    )
    .bind(id)
    .bind(at.unix_ms())
    .bind(agent)
    .execute(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    Ok(Promised::Kept { attempts: calls as u32 + earlier_attempts(&earlier) })
}

fn earlier_attempts(earlier: &str) -> u32 {
    let outcomes: std::collections::BTreeMap<Disposition, u32> =
        serde_json::from_str(earlier).unwrap_or_default();
    outcomes.values().sum()
}

/// The contacts behind `after`; the last of them, or none when there is no more.
async fn recycle(
    conn: &mut Connection,
    campaign: &str,
    words: &str,
    attempts_max: u32,
    now: WallTime,
    after: i64,
) -> Result<Option<(i64, Recycled)>, StoreError> {
    const DOING: &str = "recycle contacts";
    // How the last attempt ended, ours or another dialer's, and how many there were.
    let rows: Vec<(i64, Option<String>, i64, String)> = query(
        "SELECT id, (SELECT disposition FROM calls WHERE contact = c.id ORDER BY sequence DESC LIMIT 1),
                (SELECT count(*) FROM calls WHERE contact = c.id), earlier
         FROM contacts AS c WHERE campaign = $1 AND state = 'done' AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(campaign)
    .bind(after)
    .bind(ROWS_PER_TRANSACTION)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    let Some(last) = rows.last().map(|row| row.0) else { return Ok(None) };
    let mut done = Recycled::default();
    let mut ids = Vec::new();
    for (id, disposition, calls, earlier) in rows {
        let word = match disposition {
            Some(word) => format!("\"{word}\""),
            // Only the outcome of a contact that we have never called ourselves.
            None => earlier.split(':').next().unwrap_or_default().trim_start_matches('{').to_owned(),
        };
        if word.is_empty() || !words.contains(&word) {
            continue;
        }
        if calls as u32 + earlier_attempts(&earlier) < attempts_max {
            ids.push(id);
        } else {
            done.used_up += 1;
        }
    }
    let moved = query(
        "UPDATE contacts SET state = 'pending', next_attempt_at = $2, last_reason = 'recycled'
         WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND state = 'done'",
    )
    .bind(rows::of_ids(ids))
    .bind(now.unix_ms())
    .execute(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    done.contacts = moved;
    Ok(Some((last, done)))
}
