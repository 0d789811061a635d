//! Claims: which contacts are dialed next, read from the index lane by lane.
//!
//! A lane is one list's contacts of one group of zones. What waits in each is counted as it comes and goes, so that a
//! claim looks at a few hundred index entries however long the lists are. Promised calls go first. Then come the lanes: by
//! their lists' priority, and of those the ones whose hours end first, so that no zone closes undialed. Where phones may
//! not ring now nothing is claimed, but for one contact when nothing else is to be had: it tells the campaign why.

use super::connection::Connection;
use super::error::StoreError;
use super::gathered::gathered;
use super::history;
use super::node;
use super::order::{Order, Orders, Turns};
use super::request::{CONTACT, ContactRow, read_contacts};
use super::rows;
use super::statement::{query, scalar};
use crate::number::ZoneGroup;
use crate::record::Answer;
use crate::time::WallTime;
use std::collections::{BTreeMap, VecDeque};

/// The most contacts that one refill claims, whatever it asks for.
const REFILL_MAX: u32 = 1_000;

/// The most candidates that one claim looks at; where there are many lanes, each gives fewer.
const CANDIDATES_MAX: usize = 2_000;

/// When a refill is asked for again while only other nodes hold contacts.
const ASK_AGAIN_MS: i64 = 1_000;

/// Lanes of one statement: SQLite takes 500 parts at most.
const LANES_PER_STATEMENT: usize = 100;

/// Where contacts wait.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Lane {
    list: i64,
    zone: ZoneGroup,
    waiting: u64,
    due_at: WallTime,
    weight: u32,
    /// The list's.
    priority: u32,
    /// Phones may ring, until then or from then on.
    open: bool,
    until: WallTime,
}

const CLAIMING: &str = "claim contacts";

/// id, next_attempt_at, priority, list
type Candidate = (i64, i64, i64, i64);

/// Claims due contacts: from now on nobody else gets them, until they are finished, released, or a restart frees
/// them.
pub(super) async fn refill(
    conn: &mut Connection,
    orders: &Orders,
    campaign: &str,
    due_at: WallTime,
    limit: u32,
) -> Result<Answer, StoreError> {
    // A node that the others have buried does not know it before its next beat. What it claimed until then would be nobody's.
    let known = node::is_known(conn).await?;
    let limit = if known { limit.min(REFILL_MAX) as usize } else { 0 };
    let mut turns = orders.take(campaign);
    let lanes = lanes(conn, &mut turns, campaign, due_at).await?;
    let mut ids = promised(conn, campaign, due_at, limit).await?;
    for tier in tiers(&lanes, due_at) {
        if ids.len() >= limit {
            break;
        }
        let found = candidates(conn, &turns.order, campaign, &tier, due_at, limit).await?;
        mix(&mut turns, &tier, found, limit, &mut ids);
    }
    if known
        && ids.is_empty()
        && let Some(closed) = lanes.iter().filter(|lane| lane.due_at <= due_at).min_by_key(|lane| lane.until)
    {
        let one = candidates(conn, &turns.order, campaign, std::slice::from_ref(closed), due_at, 1).await?;
        ids.extend(one.first().map(|(id, ..)| *id));
    }
    let rows = claim(conn, &ids).await?;
    let mut contacts = read_contacts(conn, rows).await?;
    history::attach(conn, &mut contacts, due_at).await?;
    let places: BTreeMap<i64, usize> = ids.iter().copied().zip(0..).collect();
    contacts.sort_by_key(|contact| places.get(&contact.id.0).copied());
    let left = self::lanes(conn, &mut turns, campaign, due_at).await?;
    orders.put_back(campaign, turns);
    // What waits for its hours is due when they begin.
    let next = |lane: &Lane| if lane.open { lane.due_at } else { lane.due_at.max(lane.until) };
    // What other nodes have at hand may come back: a campaign is not over before it is settled.
    let elsewhere = held_by_others(conn, campaign).await?;
    let again_at = (elsewhere > 0 || !known).then(|| WallTime::from_unix_ms(due_at.unix_ms() + ASK_AGAIN_MS));
    let own = left.iter().map(next).filter(|_| known);
    Ok(Answer::Refilled {
        campaign: campaign.to_owned(),
        contacts,
        pending: left.iter().map(|lane| lane.waiting).sum::<u64>() + elsewhere as u64,
        next_due_at: own.chain(again_at).min(),
    })
}

/// Contacts that other nodes hold; none on a file.
pub(super) async fn held_by_others(conn: &mut Connection, campaign: &str) -> Result<i64, StoreError> {
    if conn.holder() == 0 {
        return Ok(0);
    }
    scalar(
        "SELECT count(*) FROM contacts
         WHERE campaign = $1 AND state IN ('claimed', 'in_flight') AND holder <> $2",
    )
    .bind(campaign)
    .bind(conn.holder())
    .fetch_one(conn)
    .await
    .map_err(|e| conn.error("count what other nodes hold", e))
}

/// list, zone, how many, the list's file, when the first is due
type LaneRow = (i64, i64, i64, Option<String>, Option<i64>);

/// The lanes in which somebody waits, each with the time of its first.
async fn lanes(
    conn: &mut Connection,
    turns: &mut Turns,
    campaign: &str,
    at: WallTime,
) -> Result<Vec<Lane>, StoreError> {
    let rows: Vec<LaneRow> = query(
        "SELECT list, zone, contacts, (SELECT source FROM lists WHERE lists.id = n.list),
                (SELECT min(c.next_attempt_at) FROM contacts AS c
                 WHERE c.campaign = n.campaign AND c.state = 'pending' AND c.list = n.list AND c.zone = n.zone)
         FROM contact_counts AS n WHERE campaign = $1 AND state = 'pending' AND contacts > 0",
    )
    .bind(campaign)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("count waiting contacts", e))?;
    let lane = |(list, zone, waiting, source, due_at): LaneRow| {
        let zone = ZoneGroup(zone as u32);
        let hours = turns.hours_of(zone, at);
        let (weight, priority) = turns.share_of(&source.unwrap_or_default());
        let due_at = WallTime::from_unix_ms(due_at?);
        let (open, until) = (hours.open, hours.until);
        Some(Lane { list, zone, waiting: waiting as u64, due_at, weight, priority, open, until })
    };
    Ok(rows.into_iter().filter_map(lane).collect())
}

/// Lanes that go together, in the order of dialing: those of the same priority and the same end of their hours.
fn tiers(lanes: &[Lane], due_at: WallTime) -> Vec<Vec<Lane>> {
    let mut tiers: BTreeMap<(u32, WallTime), Vec<Lane>> = BTreeMap::new();
    for lane in lanes.iter().filter(|lane| lane.open && lane.due_at <= due_at) {
        tiers.entry((lane.priority, lane.until)).or_default().push(lane.clone());
    }
    tiers.into_values().collect()
}

/// Calls that were promised for now, the longest overdue first.
async fn promised(
    conn: &mut Connection,
    campaign: &str,
    due_at: WallTime,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    scalar(
        "SELECT id FROM contacts WHERE campaign = $1 AND callback_at IS NOT NULL AND callback_at <= $2
             AND state = 'pending' AND next_attempt_at <= $2 ORDER BY callback_at LIMIT $3 /*+ FOR UPDATE SKIP LOCKED */",
    )
    .bind(campaign)
    .bind(due_at.unix_ms())
    .bind(limit as i64)
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error("look for promised calls", e))
}

/// The first of each lane, as the index has them.
async fn candidates(
    conn: &mut Connection,
    order: &Order,
    campaign: &str,
    lanes: &[Lane],
    due_at: WallTime,
    limit: usize,
) -> Result<Vec<Candidate>, StoreError> {
    let each = if lanes.len() * limit <= CANDIDATES_MAX {
        limit
    } else {
        (CANDIDATES_MAX / lanes.len().max(1)).max(4)
    };
    let mut found = Vec::new();
    for some in lanes.chunks(LANES_PER_STATEMENT) {
        let parts: Vec<String> = some.iter().flat_map(|lane| parts_of(order, lane)).collect();
        let rows: Vec<Candidate> = gathered("id, next_attempt_at, priority, list", parts.join(" UNION ALL "))
            .bind(campaign)
            .bind(due_at.unix_ms())
            .bind(each as i64)
            .fetch_all(conn)
            .await
            .map_err(|e| conn.error("look for contacts", e))?;
        found.extend(rows);
    }
    Ok(found)
}

/// The ranges of the index in which a lane's first stand. Each is read in the order of the index or against it.
fn parts_of(order: &Order, lane: &Lane) -> Vec<String> {
    let (list, zone) = (lane.list, lane.zone.0);
    let part = |which: &str, by: &str| {
        format!(
            "SELECT * FROM (SELECT id, next_attempt_at, priority, list FROM contacts
             WHERE campaign = $1 AND state = 'pending' AND list = {list} AND zone = {zone} AND {which}
             ORDER BY {by} LIMIT $3 /*+ FOR UPDATE SKIP LOCKED */) AS part"
        )
    };
    let by_time = "next_attempt_at, priority, id";
    match (order.newest_first, order.retries_first) {
        (false, false) => vec![part("next_attempt_at <= $2", by_time)],
        (newest_first, _) => {
            let retries = part("next_attempt_at > 0 AND next_attempt_at <= $2", by_time);
            let fresh = if newest_first {
                // Of the first priority alone: against the index within it, and the others' turn comes.
                let first = format!(
                    "next_attempt_at = 0 AND priority = (SELECT priority FROM contacts WHERE campaign = $1
                         AND state = 'pending' AND list = {list} AND zone = {zone} AND next_attempt_at = 0
                         ORDER BY priority LIMIT 1)"
                );
                part(&first, "id DESC")
            } else {
                part("next_attempt_at = 0", "priority, id")
            };
            vec![retries, fresh]
        }
    }
}

/// Puts candidates behind those that are there already: each list's in their order, the lists by their weights.
fn mix(turns: &mut Turns, tier: &[Lane], mut found: Vec<Candidate>, limit: usize, ids: &mut Vec<i64>) {
    let (newest_first, retries_first) = (turns.order.newest_first, turns.order.retries_first);
    found.sort_unstable_by_key(|(id, next_attempt_at, priority, _)| {
        let fresh = *next_attempt_at == 0;
        let place = if fresh && newest_first { -*id } else { *id };
        (fresh == retries_first, *next_attempt_at, *priority, place)
    });
    let mut lists: BTreeMap<i64, VecDeque<i64>> = BTreeMap::new();
    for (id, _, _, list) in found {
        if !ids.contains(&id) {
            lists.entry(list).or_default().push_back(id);
        }
    }
    let weight = |list: i64| tier.iter().find(|lane| lane.list == list).map_or(1, |lane| lane.weight);
    while ids.len() < limit && !lists.is_empty() {
        let shares: Vec<(i64, u32)> = lists.keys().map(|list| (*list, weight(*list))).collect();
        let Some(list) = turns.next_list(&shares) else { return };
        let waiting = lists.get_mut(&list).expect("a list of those that wait was chosen");
        ids.extend(waiting.pop_front());
        if waiting.is_empty() {
            lists.remove(&list);
        }
    }
}

/// Those of them that nobody else has taken, in no particular order.
async fn claim(conn: &mut Connection, ids: &[i64]) -> Result<Vec<ContactRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let claimed: Vec<ContactRow> = gathered(
        CONTACT,
        "SELECT * FROM contacts
         WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND state = 'pending'
         /*+ FOR UPDATE SKIP LOCKED */",
    )
    .bind(rows::of_ids(ids.iter().copied()))
    .fetch_all(conn)
    .await
    .map_err(|e| conn.error(CLAIMING, e))?;
    query(
        "UPDATE contacts SET state = 'claimed', holder = $2
         WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
    )
    .bind(rows::of_ids(claimed.iter().map(|row| row.0)))
    .bind(conn.holder())
    .execute(conn)
    .await
    .map_err(|e| conn.error(CLAIMING, e))?;
    Ok(claimed)
}
