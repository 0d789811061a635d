//! Erasure, retention, copies: what goes, what stays, and what comes back.

use super::*;
use crate::store::table::Table;
use crate::store::{Contents, Reader, StoreError, restore};
use ContactState::{Done, Pending};

#[tokio::test]
async fn an_erased_number_is_nowhere_and_no_list_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let person = NewContact { further: vec![number(100)], ..new_contact(0) };
    store.import_contacts(CAMPAIGN, [person, new_contact(1)]).await.unwrap();
    store.import_contacts("autumn", [new_contact(0)]).await.unwrap();
    let (reach, source) = ("campaign:autumn".to_owned(), "key_press".to_owned());
    store.handle(Request::SuppressFor { number: number(0), reach, source, at: at(5) }).await;
    let contact = claim_one(&mut store).await;
    let dialog = format!("To: <sip:{}@carrier>", contact.number);
    let invite = InviteRecord { dialog, ..invite(&contact, 1, "a") };
    assert_eq!(store.handle(Request::CommitInvite(invite)).await, committed(1));
    let busy = store.erase(&number(0), [7; 32], at(5)).await.unwrap();
    assert_eq!((busy.in_flight, busy.contacts), (1, 0), "not while it is being called");
    let mut ended = record(&contact, 1, Disposition::NoAnswer);
    ended.recording = "a.wav".to_owned();
    let ended = Request::FinishAttempt { record: Box::new(ended), contact: update(&contact, Pending, 0) };
    store.handle(ended).await;
    let before = store.counts(CAMPAIGN).await.unwrap();

    // By its second number.
    let erased = store.erase(&number(100), [7; 32], at(5)).await.unwrap();
    assert_eq!((erased.contacts, erased.calls, erased.attempts, erased.left), (2, 1, 1, 0));
    assert_eq!(erased.recordings, ["a.wav"]);
    store.erase(&number(0), [9; 32], at(6)).await.unwrap();
    assert!(!everything(&mut store).await.contains("2020000000"), "the number is still there");
    assert!(!everything(&mut store).await.contains("Ann 0"), "the name is still there");
    let after = store.counts(CAMPAIGN).await.unwrap();
    assert_eq!((&after.dispositions, after.contacts()), (&before.dispositions, before.contacts()));
    assert_eq!((after.suppressed, after.pending), (1, 1));

    let counts =
        store.import_contacts("winter", [new_contact(0), new_contact(100), new_contact(2)]).await.unwrap();
    assert_eq!((counts.added, counts.suppressed, counts.already_there), (1, 2, 0));
    assert!(!everything(&mut store).await.contains("2020000000"));
    // Without its key nobody can tell whether a number was erased: nothing is imported then.
    let key = folder.path().join("outdial.db.key");
    std::fs::remove_file(&key).unwrap();
    assert!(store.import_contacts("winter", [new_contact(3)]).await.is_err());
    assert!(
        store.erase(&number(1), [8; 32], at(7)).await.is_err(),
        "a new key would make the old hashes nobody's"
    );
    std::fs::write(&key, [8; 32]).unwrap();
    let another = store.import_contacts("winter", [new_contact(3)]).await.unwrap_err();
    assert!(matches!(another, StoreError::AnotherKey(_)), "{another}");
    std::fs::write(&key, [7; 32]).unwrap();
    assert_eq!(store.import_contacts("winter", [new_contact(0)]).await.unwrap().suppressed, 1);
}

#[tokio::test]
async fn whom_a_call_was_transferred_to_is_forgotten_at_their_wish_and_with_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    store.handle(commit(&contact, 1, "c1")).await;
    let mut call = record(&contact, 1, Disposition::Bridged);
    call.agent = format!("sip:600@pbx tel:{} sip:700@pbx tel:{}", number(7), number(8));
    let longer = format!("{}0", number(7));
    call.agent += &format!(" tel:{longer}");
    let contact = update(&contact, Done, 0);
    store.handle(Request::FinishAttempt { record: Box::new(call), contact }).await;
    let erased = store.erase(&number(7), [7; 32], at(5)).await.unwrap();
    assert_eq!((erased.calls, erased.left), (0, 0));
    let text = everything(&mut store).await;
    assert!(!text.contains(&format!("{} ", number(7))), "{text}");
    assert!(text.contains(&longer) && text.contains(&number(8).to_string()), "{text}");
    assert_eq!(store.expire(Some(at(9_000_000)), None).await.unwrap().calls, 1);
    let text = everything(&mut store).await;
    assert!(text.contains("sip:600@pbx sip:700@pbx") && !text.contains("tel:"), "{text}");
}

#[tokio::test]
async fn what_is_past_its_time_loses_its_name_and_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..3).await;
    for n in 1..=2_u128 {
        let contact = claim_one(&mut store).await;
        store.handle(commit(&contact, n, &format!("c{n}"))).await;
        let mut call = record(&contact, n, Disposition::Bridged);
        call.ended_at = at(n as i64 * 1_000);
        let contact = update(&contact, Done, 0);
        store.handle(Request::FinishAttempt { record: Box::new(call), contact }).await;
    }
    let limits = (Some(at(1_500)), Some(at(1_500)));
    let overdue = store.overdue(limits.0, limits.1).await.unwrap();
    assert_eq!((overdue.calls, overdue.contacts), (1, 1));
    let before = store.counts(CAMPAIGN).await.unwrap();
    let done = store.expire(limits.0, limits.1).await.unwrap();
    assert_eq!((done.calls, done.contacts, done.left), (1, 1, 0));
    let text = everything(&mut store).await;
    assert!(
        !text.contains("2020000000") && text.contains("2020000001") && text.contains("2020000002"),
        "{text}"
    );
    assert_eq!(store.counts(CAMPAIGN).await.unwrap(), before);
    assert_eq!(store.recent_ends(at(0), 10).await.unwrap().len(), 1);
    let again = store.expire(limits.0, limits.1).await.unwrap();
    assert_eq!((again.calls, again.contacts, again.left), (0, 0, 0));
}

#[tokio::test]
async fn a_copy_is_made_beside_the_engine_and_put_back_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = one_call(&folder).await;
    let copy = folder.path().join("copy.db");
    let mut reader = Reader::open(path_in(&folder)).await.unwrap();
    let contents = reader.back_up(&copy).await.unwrap();
    assert_eq!((contents.contacts, contents.attempts, contents.calls), (2, 2, 1));
    assert_eq!(contents.last_attempt_at, Some(at(1_000)));
    assert!(
        matches!(reader.back_up(&copy).await, Err(StoreError::Unreachable(..))),
        "nothing is overwritten"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    import(&mut store, 10..20).await;
    assert!(matches!(restore(&copy, path_in(&folder), at(5)).await, Err(StoreError::InUse(..))));
    drop(reader);
    store.close().await.unwrap();

    let (restored, kept) = restore(&copy, path_in(&folder), at(5)).await.unwrap();
    assert_eq!(restored, contents);
    assert_eq!(Contents { size: 0, ..restored }, Contents { size: 0, ..contents });
    let kept = kept.expect("the database that was there");
    let mut before = Store::open(kept).await.unwrap();
    assert_eq!(before.counts(CAMPAIGN).await.unwrap().contacts(), 12);
    let mut store = open(&folder).await;
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().contacts(), 2);
    assert_eq!(store.recover().await.unwrap().len(), 1, "the call that was in flight");
}

#[tokio::test]
async fn a_restored_database_is_the_one_that_was_copied_row_by_row_and_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = one_call(&folder).await;
    let (reach, source) = ("campaign:spring".to_owned(), "key_press".to_owned());
    store.handle(Request::SuppressFor { number: number(7), reach, source, at: at(5) }).await;
    let decision = "{\"packs\":[\"caf\u{e9}\"]}".to_owned();
    store.handle(Request::KeepDecision { attempt: attempt(1), decision, caps: Vec::new() }).await;
    store.handle(Request::Suppress { numbers: vec![number(8)], source: "file".to_owned(), at: at(6) }).await;
    store.erase(&number(90), [7; 32], at(5)).await.unwrap();
    let before = everything(&mut store).await;
    let pages = |mut reader: Reader| async move {
        let mut rows = Vec::new();
        for table in [Table::Contacts, Table::Attempts, Table::Calls] {
            rows.push(reader.page(table, None, 0).await.unwrap());
        }
        rows
    };
    let rows = pages(Reader::open(path_in(&folder)).await.unwrap()).await;
    let copy = folder.path().join("copy.db");
    Reader::open(path_in(&folder)).await.unwrap().back_up(&copy).await.unwrap();
    store.close().await.unwrap();

    restore(&copy, path_in(&folder), at(5)).await.unwrap();
    let mut store = open(&folder).await;
    assert_eq!(everything(&mut store).await, before);
    assert_eq!(pages(Reader::open(path_in(&folder)).await.unwrap()).await, rows);
    import(&mut store, 30..32).await;
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().contacts(), 4);
    let contact = claim_one(&mut store).await;
    assert_eq!(store.handle(commit(&contact, 9, "z")).await, committed(9));
    store.close().await.unwrap();

    // The same copy serves the other kind of database too.
    let elsewhere = folder.path().join("elsewhere.db");
    let (_, kept) = restore(&copy, elsewhere.as_path(), at(6)).await.unwrap();
    assert_eq!(kept, None);
    assert_eq!(everything(&mut Store::open(elsewhere).await.unwrap()).await, before);
}

#[tokio::test]
async fn what_is_no_whole_copy_is_not_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2_000).await;
    let copy = folder.path().join("copy.db");
    Reader::open(path_in(&folder)).await.unwrap().back_up(&copy).await.unwrap();
    store.close().await.unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0x55);
    std::fs::write(&copy, &bytes).unwrap();
    assert!(restore(&copy, path_in(&folder), at(5)).await.is_err());
    std::fs::write(&copy, "number,name\n").unwrap();
    assert!(restore(&copy, path_in(&folder), at(5)).await.is_err());
    assert_eq!(open(&folder).await.counts(CAMPAIGN).await.unwrap().contacts(), 2_000, "all is as it was");
}

/// All that the tables say of people, in one text.
async fn everything(store: &mut Store) -> String {
    let tables = [
        "SELECT number || name || further || comment || attributes || callback_agent || state FROM contacts ORDER BY id",
        "SELECT id || number || CAST(started_at AS TEXT) FROM attempts ORDER BY sequence",
        "SELECT attempt || number || caller_id || digits || recording || reason || ' ' || agent || ' ' FROM calls ORDER BY sequence",
        "SELECT call_id || caller_id || trunk FROM invites ORDER BY rowid",
        "SELECT attempt || label || labelled_by FROM labels ORDER BY sequence",
        "SELECT attempt || decision || caps FROM decisions ORDER BY attempt",
        "SELECT call_id || trunk || dialog FROM dialogs ORDER BY call_id",
        "SELECT number || source FROM suppressions ORDER BY number",
        "SELECT number || reach || source FROM scoped_suppressions ORDER BY number",
        "SELECT campaign || source || digest FROM lists ORDER BY id",
        "SELECT name || state FROM campaigns ORDER BY name",
        "SELECT hash FROM erasures ORDER BY hash",
    ];
    let mut text = String::new();
    for sql in tables {
        let rows: Vec<String> = scalar(sql).fetch_all(&mut store.connection).await.unwrap();
        text += &format!("{}\n", rows.join(" "));
    }
    text
}
