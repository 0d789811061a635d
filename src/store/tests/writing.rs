//! Group commit and the writer task.

use super::*;
use crate::store::writer::{self, ANSWERS_MAX, BATCH_MAX, REQUESTS_MAX};
use tokio::sync::mpsc;

#[tokio::test]
async fn the_writer_does_all_that_was_sent_before_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let people = BATCH_MAX as u32 * 2 + 10;
    import(&mut store, 0..people).await;
    let contacts = refill(&mut store, 0, people).await.0;
    let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
    let (outbox, mut answers) = mpsc::channel(ANSWERS_MAX);
    for (n, contact) in contacts.iter().enumerate() {
        requests.try_send(commit(contact, n as u128, &format!("c{n}"))).unwrap();
    }
    drop(requests);

    let mut store = tokio::spawn(writer::run(store, inbox, outbox)).await.unwrap();
    for n in 0..contacts.len() {
        assert_eq!(answers.try_recv().ok(), committed(n as u128));
    }
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().in_flight, u64::from(people));
}

#[tokio::test]
async fn records_are_written_even_when_nobody_reads_the_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
    let (outbox, answers) = mpsc::channel(ANSWERS_MAX);
    drop(answers);
    requests.try_send(commit(&contact, 1, "a")).unwrap();
    let done = update(&contact, ContactState::Done, 0);
    requests.try_send(finish(&contact, 1, Disposition::Busy, done)).unwrap();
    drop(requests);
    let mut store = writer::run(store, inbox, outbox).await;
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().done, 1);
}

#[tokio::test]
async fn one_impossible_request_does_not_take_its_neighbours_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2).await;
    let contacts = refill(&mut store, 0, 2).await.0;
    let nobody = Contact { id: ContactId(99), ..contacts[0].clone() };
    let impossible = finish(&nobody, 9, Disposition::Busy, update(&nobody, ContactState::Done, 0));

    let requests = vec![commit(&contacts[0], 1, "a"), impossible, commit(&contacts[1], 2, "b")];
    let answers = store.handle_all(requests).await;

    assert_eq!(answers[0], committed(1).unwrap());
    assert!(
        matches!(&answers[1], Answer::Failed { request, .. } if matches!(**request, Request::FinishAttempt { .. }))
    );
    assert_eq!(answers[2], committed(2).unwrap());
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().in_flight, 2);
}
