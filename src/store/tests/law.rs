//! What numbers have been through, what dials rested on, and the caps that are counted once more before the telephone.

use super::*;
use crate::store::Reader;
use ContactState::Pending;

#[tokio::test]
async fn a_contact_brings_what_its_number_has_been_through_in_all_campaigns() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    store.import_contacts("autumn", [new_contact(0), new_contact(1)]).await.unwrap();
    let contact = claim_one(&mut store).await;
    assert_eq!(contact.history, []);
    store.handle(commit(&contact, 1, "a")).await;
    store.handle(finish(&contact, 1, Disposition::Abandoned, update(&contact, Pending, 0))).await;
    let request = Request::Refill { campaign: "autumn".to_owned(), due_at: at(10_000), limit: 9 };
    let Some(Answer::Refilled { contacts, .. }) = store.handle(request).await else { panic!("no refill") };
    let past =
        PastAttempt { at: at(1_000), ended_at: Some(at(9_000)), disposition: Some(Disposition::Abandoned) };
    assert_eq!(contacts.iter().map(|c| c.history.clone()).collect::<Vec<_>>(), [vec![past], vec![]]);
    // Two months later nobody asks any more.
    let later = 62 * 86_400_000;
    assert_eq!(refill(&mut store, later, 9).await.0[0].history, []);
}

#[tokio::test]
async fn an_attempt_whose_invite_never_left_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    store.handle(finish(&contact, 1, Disposition::Canceled, update(&contact, Pending, 0))).await;
    store
        .handle(Request::ReleaseContact { contact: update(&contact, Pending, 0), reason: String::new() })
        .await;
    assert_eq!(claim_one(&mut store).await.history, []);
}

#[tokio::test]
async fn the_last_gate_counts_the_lawful_attempts_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    store.import_contacts("autumn", [new_contact(0)]).await.unwrap();
    let contact = claim_one(&mut store).await;
    let request = Request::Refill { campaign: "autumn".to_owned(), due_at: at(0), limit: 9 };
    let Some(Answer::Refilled { contacts, .. }) = store.handle(request).await else { panic!("no refill") };
    // Another node has dialed the number since both were claimed.
    let other = InviteRecord { campaign: "autumn".to_owned(), ..invite(&contacts[0], 1, "a") };
    assert_eq!(store.handle(Request::CommitInvite(other)).await, committed(1));
    let mut contact = Some(contact);
    for (n, caps, refusal) in [
        (2, vec![(2, at(0))], None),
        (3, vec![(9, at(0)), (2, at(1_000))], Some("the number has had 2 of the 2 attempts")),
        (4, vec![(2, at(1_001))], None),
    ] {
        let called = contact.take().expect("it is claimed");
        let decision = Request::KeepDecision { attempt: attempt(n), decision: "{}".to_owned(), caps };
        assert_eq!(store.handle(decision).await, None);
        let answer = store.handle(commit(&called, n, &format!("c{n}"))).await;
        let again = update(&called, Pending, 0);
        match refusal {
            None => {
                assert_eq!(answer, committed(n));
                store.handle(finish(&called, n, Disposition::Busy, again)).await;
            }
            Some(text) => {
                assert!(refused(answer).starts_with(text));
                store.handle(Request::ReleaseContact { contact: again, reason: "law_cap".to_owned() }).await;
            }
        }
        contact = Some(claim_one(&mut store).await);
    }
}

#[tokio::test]
async fn a_decision_is_kept_with_its_attempt_and_a_scoped_opt_out_with_its_reach() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    for decision in ["{\"packs\":[]}", "{\"another\":1}"] {
        let caps = Vec::new();
        store
            .handle(Request::KeepDecision { attempt: attempt(1), decision: decision.to_owned(), caps })
            .await;
        let (reach, source) = ("campaign:spring".to_owned(), "key_press".to_owned());
        store.handle(Request::SuppressFor { number: number(1), reach, source, at: at(5) }).await;
    }
    assert_eq!(store.scoped_suppressions().await.unwrap(), [(number(1), "campaign:spring".to_owned())]);
    let mut reader = Reader::open(&path_in(&folder)).await.unwrap();
    assert_eq!(
        reader.decision(attempt(1)).await.unwrap().as_deref(),
        Some("{\"packs\":[]}"),
        "the first counts"
    );
    assert_eq!(reader.decision(attempt(2)).await.unwrap(), None);
}
