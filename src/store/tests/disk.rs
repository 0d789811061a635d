//! Group commit, and disks and locks that fail.

use super::*;

#[tokio::test]
async fn requests_that_wait_together_are_one_transaction_and_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..100).await;
    let contacts = refill(&mut store, 0, 100).await.0;
    let mut watcher = watcher(&store).await;
    let before = commits(&mut watcher).await;

    let requests =
        contacts.iter().enumerate().map(|(n, c)| commit(c, n as u128, &format!("c{n}"))).collect::<Vec<_>>();
    let answers = store.handle_all(requests).await;

    let expected: Vec<Answer> = (0..100).map(|n| Answer::InviteCommitted { attempt: attempt(n) }).collect();
    assert_eq!(answers, expected);
    assert_eq!(commits(&mut watcher).await - before, 1);
}

#[tokio::test]
async fn on_a_full_disk_no_invite_leaves_and_records_are_handed_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..300).await;
    let contacts = refill(&mut store, 0, 300).await.0;
    store.handle(commit(&contacts[0], 0, "c0")).await;
    set_full(&mut store, true).await;
    let mut requests: Vec<Request> =
        (1..300).map(|n| commit(&contacts[n], n as u128, &format!("c{n}"))).collect();
    let done = update(&contacts[0], ContactState::Done, 0);
    requests.push(finish(&contacts[0], 0, Disposition::Busy, done));

    let mut answers = store.handle_all(requests).await;

    let Some(Answer::Failed { request, error }) = answers.pop() else {
        panic!("the record was not handed back")
    };
    assert!(error.contains("free some space"), "{error}");
    assert_eq!(answers.len(), 299);
    for answer in answers {
        refused(Some(answer));
    }
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().in_flight, 1);

    set_full(&mut store, false).await;
    assert_eq!(store.handle(*request).await, None);
    assert_eq!(store.handle(commit(&contacts[1], 1, "c1")).await, committed(1));
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().done, 1);
}

#[tokio::test]
async fn once_the_database_is_read_only_no_invite_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    set_read_only(&mut store, true).await;
    let error = refused(store.handle(commit(&contact, 1, "a")).await);
    assert!(error.contains("read-only"), "{error}");
    set_read_only(&mut store, false).await;
    assert_eq!(store.handle(commit(&contact, 1, "a")).await, committed(1));
}

#[tokio::test]
async fn a_lock_that_another_program_holds_for_a_moment_costs_a_retry() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    let mut other = hold(&mut store).await;
    let (answer, released) = tokio::join!(store.handle(commit(&contact, 1, "a")), other.end(Ok(())));
    released.unwrap();
    assert_eq!(answer, committed(1));
}

#[tokio::test]
async fn a_lock_that_another_program_keeps_refuses_the_invite() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    let mut other = hold(&mut store).await;
    let error = refused(store.handle(commit(&contact, 1, "a")).await);
    other.end(Ok(())).await.unwrap();
    assert!(error.contains("another program holds the database"), "{error}");
}
