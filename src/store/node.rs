//! One node among several: its lease, its part in dividing the caps, and what it takes over from those that have died.
//!
//! Everything is by the database's clock, and every step of a beat is in one transaction: what one node lets go and another
//! is offered never overlaps.

use super::connection::Connection;
use super::database::Store;
use super::dialog;
use super::doubt::Doubt;
use super::error::StoreError;
use super::list::read_number;
use super::recovery;
use super::share::{Stake, divide};
use super::statement::{query, scalar};
use crate::number::E164;
use crate::record::{Allowance, Beat, CampaignState, Inherited, LEASE, Share, Standing, Usage};
use std::time::Duration;

/// How long the start waits for the lease of a namesake to run out, which was this node before it died, or else is another
/// one that lives.
const NAMESAKE_WITHIN: Duration = Duration::from_millis(LEASE.as_millis() as u64 + 2_000);

/// Between two looks at it.
const NAMESAKE_LOOK: Duration = Duration::from_millis(200);

/// Transactions of several nodes may overtake each other: the last of the entries that were read are read again.
const ENTRIES_AGAIN: i64 = 64;

/// A call a second, in calls in a thousand seconds.
const CALLS_UNIT: u32 = 1_000;

/// New entries of the do-not-call list that one beat brings; more come with the next.
const ENTRIES_MAX: i64 = 10_000;

/// What the store knows of its node.
pub(super) struct Node {
    name: String,
    /// The last entry of the do-not-call list that was read.
    entry: i64,
    /// Its lease has not been interrupted since then, by the database's clock.
    alive_since: i64,
    lease_until: i64,
    /// It was buried, and the engine has not been told.
    is_anew: bool,
}

impl Store {
    /// Has this store be a node of that name from now on; a file has room for one engine and needs no names. A namesake that
    /// has died is buried; one that lives is an error.
    pub async fn join(&mut self, name: &str) -> Result<(), StoreError> {
        if !self.connection.is_server() {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + NAMESAKE_WITHIN;
        while !self.try_join(name).await? {
            if tokio::time::Instant::now() > deadline {
                return Err(StoreError::NodeInUse(self.path().to_owned(), name.to_owned()));
            }
            tokio::time::sleep(NAMESAKE_LOOK).await;
        }
        Ok(())
    }

    async fn try_join(&mut self, name: &str) -> Result<bool, StoreError> {
        let conn = &mut self.connection;
        conn.begin().await?;
        let joined = enter(conn, name).await;
        let joined = conn.end(joined).await?;
        let Some(node) = joined else { return Ok(false) };
        self.node = Some(node);
        Ok(true)
    }

    /// Gives back what it has claimed, and is a node no more; one that has calls in flight is left to be found dead, for those
    /// are somebody's to close.
    pub(super) async fn leave(&mut self) -> Result<(), StoreError> {
        if self.node.take().is_none() {
            return Ok(());
        }
        self.resolve_doubt().await?;
        let conn = &mut self.connection;
        conn.begin().await?;
        let left = leave(conn).await.map_err(|e| conn.error("let a node go", e));
        conn.end(left).await
    }

    /// Whether several nodes share this store.
    pub fn is_shared(&self) -> bool {
        self.node.is_some()
    }

    /// One beat, in a transaction of its own.
    pub(super) async fn beat(&mut self, usage: &[Usage]) -> Result<Beat, StoreError> {
        let conn = &mut self.connection;
        let Some(node) = &mut self.node else {
            return Err(conn.damaged("no node: only a shared database has any".to_owned()));
        };
        conn.begin().await?;
        let beaten = beat(conn, node, usage).await;
        let inherited = beaten.as_ref().map_or_else(|_| Inherited::default(), |beat| beat.inherited.clone());
        let mut beat = match conn.end(beaten).await {
            Ok(beat) => beat,
            Err(error) => {
                if conn.is_in_doubt() {
                    self.doubt = Some(Doubt::Inherited(inherited));
                }
                return Err(error);
            }
        };
        node.is_anew = false;
        beat.inherited.extend(std::mem::take(&mut self.untold));
        Ok(beat)
    }
}

/// None while a namesake lives.
async fn enter(conn: &mut Connection, name: &str) -> Result<Option<Node>, StoreError> {
    const DOING: &str = "take a node in";
    let now = clock(conn).await?;
    let namesake: Option<(i64, i64)> =
        query("SELECT token, lease_until FROM nodes WHERE name = $1 /*+ FOR UPDATE */")
            .bind(name)
            .fetch_optional(conn)
            .await
            .map_err(|e| conn.error(DOING, e))?;
    if namesake.is_some_and(|(_, lease_until)| lease_until > now) {
        return Ok(None);
    }
    let lease_until = now + LEASE.as_millis() as i64;
    let unnamed = format!("{name} (dead)");
    if let Some((token, _)) = namesake {
        query("UPDATE nodes SET name = $2 WHERE token = $1")
            .bind(token)
            .bind(&unnamed)
            .execute(conn)
            .await
            .map_err(|e| conn.error(DOING, e))?;
    }
    let token: Option<i64> = scalar(
        "INSERT INTO nodes (name, lease_until) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING token",
    )
    .bind(name)
    .bind(lease_until)
    .fetch_optional(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    let Some(token) = token else { return Ok(None) };
    conn.set_holder(token);
    if let Some((dead, _)) = namesake {
        bury(conn, dead).await?;
    }
    let entry: i64 = scalar("SELECT coalesce(max(sequence), 0) FROM suppressions")
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    Ok(Some(Node { name: name.to_owned(), entry, alive_since: now, lease_until, is_anew: false }))
}

async fn beat(conn: &mut Connection, node: &mut Node, usage: &[Usage]) -> Result<Beat, StoreError> {
    let now = clock(conn).await?;
    let standing = renew(conn, node, now).await?;
    if standing == Standing::Replaced {
        let campaigns = Vec::new();
        let (shares, suppressed, inherited) = (Vec::new(), Vec::new(), Inherited::default());
        return Ok(Beat { standing, shares, suppressed, campaigns, inherited, nodes: 0 });
    }
    hold(conn, usage, standing).await?;
    // What comes from the dead is held beside that: the engine counts it from the next beat on.
    let inherited = take_over(conn, node, now).await?;
    lead(conn, usage, now).await?;
    Ok(Beat {
        standing,
        shares: own_shares(conn).await?,
        suppressed: new_entries(conn, node).await?,
        campaigns: campaign_states(conn).await?,
        inherited,
        nodes: living(conn, now).await?,
    })
}

/// Whether the others have not buried this node, and will not before the transaction ends. Always on a file.
pub(super) async fn is_known(conn: &mut Connection) -> Result<bool, StoreError> {
    if conn.holder() == 0 {
        return Ok(true);
    }
    let known: Option<i64> = scalar("SELECT token FROM nodes WHERE token = $1 /*+ FOR SHARE */")
        .bind(conn.holder())
        .fetch_optional(conn)
        .await
        .map_err(|e| conn.error("look for this node", e))?;
    Ok(known.is_some())
}

async fn leave(conn: &mut Connection) -> Result<(), sqlx::Error> {
    query(
        "UPDATE contacts SET state = 'pending', holder = 0
         WHERE campaign IN (SELECT name FROM campaigns) AND state = 'claimed' AND holder = $1",
    )
    .bind(conn.holder())
    .execute(conn)
    .await?;
    query(
        "DELETE FROM nodes WHERE token = $1 AND NOT EXISTS (
             SELECT 1 FROM contacts
             WHERE campaign IN (SELECT name FROM campaigns) AND state = 'in_flight' AND holder = $1)
         AND NOT EXISTS (SELECT 1 FROM dialogs WHERE holder = $1)",
    )
    .bind(conn.holder())
    .execute(conn)
    .await
    .map(drop)
}

/// Milliseconds since the Unix epoch.
async fn clock(conn: &mut Connection) -> Result<i64, StoreError> {
    scalar("SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)")
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error("tell the time", e))
}

async fn renew(conn: &mut Connection, node: &mut Node, now: i64) -> Result<Standing, StoreError> {
    let lease_until = now + LEASE.as_millis() as i64;
    let renewed = query("UPDATE nodes SET lease_until = $2 WHERE token = $1")
        .bind(conn.holder())
        .bind(lease_until)
        .execute(conn)
        .await
        .map_err(|e| conn.error("renew a node's lease", e))?;
    if renewed == 1 {
        if node.lease_until < now {
            node.alive_since = now;
        }
        node.lease_until = lease_until;
        return Ok(if node.is_anew { Standing::Buried } else { Standing::Alive });
    }
    match enter(conn, &node.name).await? {
        Some(anew) => {
            *node = Node { entry: node.entry, is_anew: true, ..anew };
            Ok(Standing::Buried)
        }
        None => Ok(Standing::Replaced),
    }
}

/// Who could not renew its own lease for a while must not bury the others for the same reason: they get as long as a lease
/// to be heard of again.
async fn take_over(conn: &mut Connection, node: &Node, now: i64) -> Result<Inherited, StoreError> {
    if now - node.alive_since < LEASE.as_millis() as i64 {
        return Ok(Inherited::default());
    }
    let dead: Vec<(i64,)> =
        query("SELECT token FROM nodes WHERE lease_until < $1 /*+ FOR UPDATE SKIP LOCKED */")
            .bind(now)
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("look for dead nodes", e))?;
    for (token,) in &dead {
        bury(conn, *token).await?;
    }
    if dead.is_empty() {
        return Ok(Inherited::default());
    }
    let orphans = recovery::recover(conn).await?;
    let attempts = orphans.into_iter().map(|orphan| (orphan.contact, orphan.invites)).collect();
    Ok(Inherited { attempts, dialogs: dialog::adopt(conn).await? })
}

/// Takes what a dead node held of the caps, for its calls may be up still, and lets go of the rest. Its contacts are found by
/// their holder's being nobody.
async fn bury(conn: &mut Connection, dead: i64) -> Result<(), StoreError> {
    const DOING: &str = "bury a node";
    query(
        "INSERT INTO shares (scope, token, lines_held, calls_held)
         SELECT scope, $2, CASE WHEN lines_offered > lines_held THEN lines_offered ELSE lines_held END, 0
         FROM shares WHERE token = $1
         ON CONFLICT (scope, token) DO UPDATE SET lines_held = shares.lines_held + excluded.lines_held",
    )
    .bind(dead)
    .bind(conn.holder())
    .execute(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    query("DELETE FROM nodes WHERE token = $1")
        .bind(dead)
        .execute(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    Ok(())
}

/// Writes down what this node holds; nothing, for one that begins anew.
async fn hold(conn: &mut Connection, usage: &[Usage], standing: Standing) -> Result<(), StoreError> {
    for usage in usage {
        let held = if standing == Standing::Alive { usage.held } else { Allowance::default() };
        query(
            "INSERT INTO shares (scope, token, lines_held, calls_held) VALUES ($1, $2, $3, $4)
             ON CONFLICT (scope, token) DO UPDATE SET
                 lines_held = excluded.lines_held, calls_held = excluded.calls_held",
        )
        .bind(&usage.scope)
        .bind(conn.holder())
        .bind(held.lines)
        .bind(held.calls_per_1000_s)
        .execute(conn)
        .await
        .map_err(|e| conn.error("hold a share", e))?;
    }
    Ok(())
}

/// Divides the caps that this node leads, having taken the lead where nobody has it. A leader cannot be buried while its own
/// beat goes on, so nobody else divides meanwhile.
async fn lead(conn: &mut Connection, usage: &[Usage], now: i64) -> Result<(), StoreError> {
    const DOING: &str = "divide the caps";
    for usage in usage {
        let leader: Option<i64> =
            scalar("SELECT token FROM leaders WHERE scope = $1 AND token IN (SELECT token FROM nodes)")
                .bind(&usage.scope)
                .fetch_optional(conn)
                .await
                .map_err(|e| conn.error(DOING, e))?;
        let leads = match leader {
            Some(token) => token == conn.holder(),
            None => take_lead(conn, &usage.scope, now).await.map_err(|e| conn.error(DOING, e))?,
        };
        if leads {
            divide_among_all(conn, usage).await.map_err(|e| conn.error(DOING, e))?;
        }
    }
    Ok(())
}

/// Whoever comes first has it.
async fn take_lead(conn: &mut Connection, scope: &str, now: i64) -> Result<bool, sqlx::Error> {
    let taken = query(
        "INSERT INTO leaders (scope, token, since) VALUES ($1, $2, $3)
         ON CONFLICT (scope) DO UPDATE SET token = excluded.token, since = excluded.since
         WHERE leaders.token NOT IN (SELECT token FROM nodes)",
    );
    Ok(taken.bind(scope).bind(conn.holder()).bind(now).execute(conn).await? == 1)
}

async fn divide_among_all(conn: &mut Connection, usage: &Usage) -> Result<(), sqlx::Error> {
    let rows: Vec<(i64, i64, i64, i64, i64)> = query(
        "SELECT token, lines_offered, lines_held, calls_offered, calls_held FROM shares WHERE scope = $1
         ORDER BY token /*+ FOR UPDATE */",
    )
    .bind(&usage.scope)
    .fetch_all(conn)
    .await?;
    let lines: Vec<Stake> = rows.iter().map(|row| stake(row.1, row.2, 1)).collect();
    let lines = divide(usage.cap.lines, &lines);
    // Calls per second are divided as whole ones, for a window holds whole calls; a rate below one goes to one node.
    let unit = usage.cap.calls_per_1000_s.clamp(1, CALLS_UNIT);
    let calls: Vec<Stake> = rows.iter().map(|row| stake(row.3, row.4, unit)).collect();
    let calls = divide(usage.cap.calls_per_1000_s / unit, &calls);
    for ((row, lines), calls) in rows.iter().zip(lines).zip(calls) {
        let calls = i64::from(calls * unit);
        if (row.1, row.3) == (i64::from(lines), calls) {
            continue;
        }
        query("UPDATE shares SET lines_offered = $3, calls_offered = $4 WHERE scope = $1 AND token = $2")
            .bind(&usage.scope)
            .bind(row.0)
            .bind(lines)
            .bind(calls)
            .execute(conn)
            .await?;
    }
    Ok(())
}

fn stake(offered: i64, held: i64, unit: u32) -> Stake {
    let units = |count: i64| u32::try_from(count).unwrap_or(0).div_ceil(unit);
    Stake { offered: units(offered), held: units(held) }
}

/// What this node is told of it holds from now on.
async fn own_shares(conn: &mut Connection) -> Result<Vec<Share>, StoreError> {
    const DOING: &str = "read the shares";
    let rows: Vec<(String, i64, i64)> = query(
        "UPDATE shares SET
             lines_held = CASE WHEN lines_offered > lines_held THEN lines_offered ELSE lines_held END,
             calls_held = CASE WHEN calls_offered > calls_held THEN calls_offered ELSE calls_held END
         WHERE token = $1 RETURNING scope, lines_offered, calls_offered",
    )
    .bind(conn.holder())
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(DOING, e))?;
    let led: Vec<(String,)> = query("SELECT scope FROM leaders WHERE token = $1")
        .bind(conn.holder())
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error(DOING, e))?;
    let share = |(scope, lines, calls): (String, i64, i64)| Share {
        leads: led.iter().any(|(led,)| *led == scope),
        scope,
        allowance: Allowance {
            lines: u32::try_from(lines).unwrap_or(0),
            calls_per_1000_s: u32::try_from(calls).unwrap_or(0),
        },
    };
    Ok(rows.into_iter().map(share).collect())
}

async fn new_entries(conn: &mut Connection, node: &mut Node) -> Result<Vec<E164>, StoreError> {
    let rows: Vec<(String, i64)> =
        query("SELECT number, sequence FROM suppressions WHERE sequence > $1 ORDER BY sequence LIMIT $2")
            .bind(node.entry - ENTRIES_AGAIN)
            .bind(ENTRIES_MAX)
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("read the do-not-call list", e))?;
    node.entry = rows.last().map_or(node.entry, |(_, sequence)| *sequence);
    rows.iter().map(|(number, _)| read_number(conn, number)).collect()
}

async fn campaign_states(conn: &mut Connection) -> Result<Vec<(String, CampaignState)>, StoreError> {
    let rows: Vec<(String, String)> = query("SELECT name, state FROM campaigns")
        .fetch_all(conn)
        .await
        .map_err(|e| conn.error("read campaigns", e))?;
    let read = |(name, word): (String, String)| CampaignState::from_word(&word).map(|state| (name, state));
    Ok(rows.into_iter().filter_map(read).collect())
}

async fn living(conn: &mut Connection, now: i64) -> Result<u32, StoreError> {
    let count: i64 = scalar("SELECT count(*) FROM nodes WHERE lease_until >= $1")
        .bind(now)
        .fetch_one(conn)
        .await
        .map_err(|e| conn.error("count the nodes", e))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
