//! The store's promises, on real files in temporary folders, one file a subject, and all but those about files once more
//! on PostgreSQL (`on_postgres`). Here are the shared words of these tests: contacts, INVITEs and records in short form,
//! and the picture that a crash would leave on the disk.

mod abandonment;
mod dialing;
mod disk;
mod forgetting;
mod grouping;
mod labels;
mod law;
mod lists;
mod on_postgres;
mod opening;
mod order;
mod reading;
mod schema;
mod writing;

use super::Store;
use super::connection::Connection;
use super::statement::{query, scalar};
use crate::disposition::Disposition;
use crate::number::E164;
use crate::record::*;
use crate::time::WallTime;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const CAMPAIGN: &str = "spring";

pub(crate) fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("outdial.db")
}

pub(crate) async fn open(folder: &TempDir) -> Store {
    Store::open(&path_in(folder)).await.unwrap()
}

pub(crate) fn at(ms: i64) -> WallTime {
    WallTime::from_unix_ms(ms)
}

pub(crate) fn number(n: u32) -> E164 {
    E164::from_e164(&format!("+1202{n:07}")).unwrap()
}

pub(crate) fn new_contact(n: u32) -> NewContact {
    let attributes = BTreeMap::from([("city".to_owned(), format!("No. {n}"))]);
    NewContact { name: format!("Ann {n}"), attributes, ..NewContact::new(number(n)) }
}

pub(crate) async fn import(store: &mut Store, numbers: std::ops::Range<u32>) {
    store.import_contacts(CAMPAIGN, numbers.map(new_contact)).await.unwrap();
}

/// Claims and gives the contacts, how many still wait, and when the first of those is due.
pub(crate) async fn refill(store: &mut Store, due_at: i64, limit: u32) -> (Vec<Contact>, u64, Option<i64>) {
    let request = Request::Refill { campaign: CAMPAIGN.to_owned(), due_at: at(due_at), limit };
    match store.handle(request).await {
        Some(Answer::Refilled { contacts, pending, next_due_at, .. }) => {
            (contacts, pending, next_due_at.map(WallTime::unix_ms))
        }
        other => panic!("no refill: {other:?}"),
    }
}

pub(crate) async fn claim_one(store: &mut Store) -> Contact {
    refill(store, 0, 1).await.0.pop().expect("a contact is due")
}

pub(crate) fn attempt(n: u128) -> AttemptId {
    AttemptId::new(at(1_000), n)
}

pub(crate) fn invite(contact: &Contact, n: u128, call_id: &str) -> InviteRecord {
    InviteRecord {
        attempt: attempt(n),
        contact: contact.id,
        campaign: CAMPAIGN.to_owned(),
        number: contact.number.clone(),
        caller_id: "+12025550100".to_owned(),
        trunk: "carrier".to_owned(),
        call_id: call_id.to_owned(),
        dialog: String::new(),
        at: at(1_000),
    }
}

pub(crate) fn commit(contact: &Contact, n: u128, call_id: &str) -> Request {
    Request::CommitInvite(invite(contact, n, call_id))
}

pub(crate) fn committed(n: u128) -> Option<Answer> {
    Some(Answer::InviteCommitted { attempt: attempt(n) })
}

/// The refusal's reason.
pub(crate) fn refused(answer: Option<Answer>) -> String {
    match answer {
        Some(Answer::InviteRefused { error, .. } | Answer::InviteForbidden { reason: error, .. }) => error,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn update(contact: &Contact, state: ContactState, next_attempt_at: i64) -> ContactUpdate {
    ContactUpdate { id: contact.id, state, next_attempt_at: at(next_attempt_at) }
}

pub(crate) fn finish(contact: &Contact, n: u128, disposition: Disposition, update: ContactUpdate) -> Request {
    Request::FinishAttempt { record: Box::new(record(contact, n, disposition)), contact: update }
}

pub(crate) fn record(contact: &Contact, n: u128, disposition: Disposition) -> CallRecord {
    CallRecord {
        attempt: attempt(n),
        contact: contact.id,
        campaign: CAMPAIGN.to_owned(),
        number: contact.number.clone(),
        caller_id: "+12025550100".to_owned(),
        trunk: "carrier".to_owned(),
        call_id: format!("call-{n}"),
        disposition,
        dialed_at: at(1_000),
        trying_at: Some(at(1_001)),
        ringing_at: Some(at(1_002)),
        early_media_at: None,
        answered_at: Some(at(1_003)),
        first_media_at: None,
        greeting_end_at: None,
        verdict_at: None,
        beep_at: None,
        drop_started_at: None,
        drop_ended_at: None,
        agent_dialed_at: None,
        agent_answered_at: None,
        bridged_at: None,
        ended_at: at(9_000),
        ended_by: EndedBy::Callee,
        sip_status: 200,
        q850_cause: Some(16),
        reason: "=Normal; call clearing".to_owned(),
        verdict: String::new(),
        verdict_cause: String::new(),
        revised_verdict: String::new(),
        revised_at: None,
        revised_cause: String::new(),
        beep_started_at: None,
        codec: "PCMU".to_owned(),
        packets_sent: u64::MAX,
        packets_received: 400,
        packets_lost: 1,
        jitter_ms: f64::NAN,
        round_trip_ms: Some(12.5),
        recording: String::new(),
        agent: String::new(),
        digits: "9".to_owned(),
    }
}

async fn state_of(store: &mut Store, contact: &Contact) -> String {
    scalar("SELECT state FROM contacts WHERE id = $1")
        .bind(contact.id.0)
        .fetch_one(&mut store.connection)
        .await
        .unwrap()
}

/// What a crash at this moment would leave on the disk: the database and its log, while the store is still open.
fn crash_image(store: &Store) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(name(store.path()), name(&path_in(&image))).unwrap();
    }
    image
}

async fn run(store: &mut Store, sql: &'static str) {
    query(sql).execute(&mut store.connection).await.unwrap();
}

/// Sees what the store commits.
async fn watcher(store: &Store) -> Connection {
    Connection::for_reading(store.path()).await.unwrap()
}

/// Counts them: SQLite changes this number whenever another connection has committed.
async fn commits(watcher: &mut Connection) -> i64 {
    scalar("PRAGMA data_version").fetch_one(watcher).await.unwrap()
}

/// SQLite's own limit on the file's size answers as a full disk does.
async fn set_full(store: &mut Store, yes: bool) {
    run(store, if yes { "PRAGMA max_page_count = 1" } else { "PRAGMA max_page_count = 1000000" }).await;
}

async fn set_read_only(store: &mut Store, yes: bool) {
    run(store, if yes { "PRAGMA query_only = ON" } else { "PRAGMA query_only = OFF" }).await;
}

/// Another program takes the lock that a commit needs, and the store has no patience of its own.
async fn hold(store: &mut Store) -> Connection {
    let mut other = Connection::for_writing(store.path()).await.unwrap();
    other.begin().await.unwrap();
    run(store, "PRAGMA busy_timeout = 0").await;
    other
}

/// A store after one call that found the callee busy at the second INVITE, and with another call in flight.
pub(crate) async fn one_call(folder: &TempDir) -> Store {
    with_one_call(open(folder).await).await
}

async fn with_one_call(mut store: Store) -> Store {
    import(&mut store, 0..2).await;
    let contacts = refill(&mut store, 0, 2).await.0;
    store.handle(commit(&contacts[0], 1, "a@host")).await;
    store.handle(commit(&contacts[0], 1, "b@host")).await;
    store.handle(commit(&contacts[1], 2, "c@host")).await;
    let later = update(&contacts[0], ContactState::Pending, 60_000);
    store.handle(finish(&contacts[0], 1, Disposition::Busy, later)).await;
    store
}
