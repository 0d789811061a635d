//! The engine's requests, and what a crash leaves of them.

use super::*;
use ContactState::{Done, Pending};

#[tokio::test]
async fn a_refill_claims_each_due_contact_once_the_longest_due_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..5).await;
    for (contact, due) in refill(&mut store, 0, 5).await.0.iter().zip([500, 300, 100, 300, 200]) {
        let contact = update(contact, Pending, due);
        store.handle(Request::ReleaseContact { contact, reason: "window".to_owned() }).await;
    }
    let (first, pending, next) = refill(&mut store, 300, 3).await;
    let numbers = |contacts: &[Contact]| contacts.iter().map(|c| c.number.clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&first), [number(2), number(4), number(1)]);
    assert_eq!((pending, next), (2, Some(300)));
    let (second, pending, next) = refill(&mut store, 300, 3).await;
    assert_eq!(numbers(&second), [number(3)]);
    assert_eq!((pending, next), (1, Some(500)));
    assert_eq!(refill(&mut store, 499, 3).await.0, []);
    assert_eq!(refill(&mut store, 500, 3).await.0.len(), 1);
    assert_eq!(refill(&mut store, 9_999, 3).await, (vec![], 0, None));
}

#[tokio::test]
async fn a_contact_brings_its_outcomes_for_the_retry_rules() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2).await;
    for (n, outcome) in [Disposition::Busy, Disposition::NoAnswer, Disposition::Busy].into_iter().enumerate()
    {
        let n = n as u128;
        let contact = claim_one(&mut store).await;
        assert_eq!(contact.attempts(), n as u32);
        assert_eq!(store.handle(commit(&contact, n, &format!("c{n}"))).await, committed(n));
        let settled = update(&contact, Pending, 0);
        assert_eq!(store.handle(finish(&contact, n, outcome, settled)).await, None);
    }
    let contacts = refill(&mut store, 0, 2).await.0;
    let expected = BTreeMap::from([(Disposition::Busy, 2), (Disposition::NoAnswer, 1)]);
    assert_eq!(contacts[0].outcomes, expected);
    assert_eq!(contacts[1].attempts(), 0);
    let counts = store.counts(CAMPAIGN).await.unwrap();
    assert_eq!(counts.dispositions, BTreeMap::from([(Disposition::Busy, 2), (Disposition::NoAnswer, 1)]));
    assert_eq!((counts.claimed, counts.contacts()), (2, 2));
}

#[tokio::test]
async fn the_last_gate_lets_only_a_claimed_contact_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2).await;
    let contact = claim_one(&mut store).await;

    assert_eq!(store.handle(commit(&contact, 1, "a")).await, committed(1));
    assert_eq!(store.handle(commit(&contact, 1, "b")).await, committed(1), "a second trunk's INVITE");
    for (what, request, reason) in [
        ("the same Call-ID", commit(&contact, 1, "b"), "Call-ID has been used"),
        ("a second attempt at once", commit(&contact, 2, "c"), "it is in_flight"),
        (
            "one that waits",
            commit(&Contact { id: ContactId(2), number: number(1), ..contact.clone() }, 3, "d"),
            "it is pending",
        ),
        ("nobody", commit(&Contact { id: ContactId(99), ..contact.clone() }, 4, "e"), "no contact 99"),
        (
            "another's number",
            commit(&Contact { number: number(1), ..contact.clone() }, 1, "f"),
            "another number",
        ),
    ] {
        let error = refused(store.handle(request).await);
        assert!(error.contains(reason), "{what}: {error}");
    }

    store.handle(finish(&contact, 1, Disposition::Bridged, update(&contact, Done, 0))).await;
    let error = refused(store.handle(commit(&contact, 5, "g")).await);
    assert!(error.contains("it is done"), "{error}");
}

#[tokio::test]
async fn no_invite_leaves_to_a_number_that_has_just_been_suppressed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    let suppress = Request::Suppress {
        numbers: vec![contact.number.clone()],
        source: "key_press".to_owned(),
        at: at(1),
    };

    let answers = store.handle_all(vec![suppress, commit(&contact, 1, "a")]).await;
    assert!(refused(answers.into_iter().next()).contains("do-not-call"));
    let release =
        Request::ReleaseContact { contact: update(&contact, Pending, 0), reason: "refused".to_owned() };
    store.handle(release).await;
    assert_eq!(state_of(&mut store, &contact).await, "suppressed");
}

#[tokio::test]
async fn a_number_suppressed_during_its_call_is_not_dialed_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    store.handle(commit(&contact, 1, "a")).await;
    let suppress = Request::Suppress {
        numbers: vec![contact.number.clone()],
        source: "key_press".to_owned(),
        at: at(1),
    };
    store.handle(suppress).await;
    assert_eq!(state_of(&mut store, &contact).await, "in_flight");
    assert!(refused(store.handle(commit(&contact, 1, "b")).await).contains("do-not-call"));
    store.handle(finish(&contact, 1, Disposition::HungUpEarly, update(&contact, Pending, 0))).await;
    assert_eq!(state_of(&mut store, &contact).await, "suppressed");
}

#[tokio::test]
async fn a_second_record_of_an_attempt_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    store.handle(commit(&contact, 1, "a")).await;
    let first = finish(&contact, 1, Disposition::Busy, update(&contact, Pending, 0));
    let second = finish(&contact, 1, Disposition::Bridged, update(&contact, Done, 0));
    assert_eq!(store.handle_all(vec![first, second.clone()]).await, []);
    assert_eq!(store.handle(second).await, None);
    let counts = store.counts(CAMPAIGN).await.unwrap();
    assert_eq!(counts.dispositions, BTreeMap::from([(Disposition::Busy, 1)]));
    assert_eq!(counts.pending, 1);
}

#[tokio::test]
async fn a_final_state_is_not_left_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    store.handle(commit(&contact, 1, "a")).await;
    store.handle(finish(&contact, 1, Disposition::Bridged, update(&contact, Done, 0))).await;
    let release =
        Request::ReleaseContact { contact: update(&contact, Pending, 0), reason: "late".to_owned() };
    store.handle(release).await;
    assert_eq!(state_of(&mut store, &contact).await, "done");
}

#[tokio::test]
async fn after_a_crash_the_claimed_wait_again_and_the_dialed_are_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..4).await;
    let contacts = refill(&mut store, 0, 3).await.0;
    store.handle(commit(&contacts[0], 1, "a")).await;
    store.handle(commit(&contacts[1], 2, "b")).await;
    store.handle(commit(&contacts[1], 2, "c")).await;
    store.handle(finish(&contacts[0], 1, Disposition::Busy, update(&contacts[0], Done, 0))).await;
    let image = crash_image(&store);

    for _each_crash_anew in 0..2 {
        let mut after = open(&image).await;
        let orphans = after.recover().await.unwrap();
        assert_eq!(orphans.len(), 1);
        assert_eq!((orphans[0].attempt, orphans[0].contact.id), (attempt(2), contacts[1].id));
        let second = invite(&contacts[1], 2, "c");
        assert_eq!(orphans[0].invites, [invite(&contacts[1], 2, "b"), second]);
        let counts = after.counts(CAMPAIGN).await.unwrap();
        assert_eq!((counts.pending, counts.claimed, counts.in_flight, counts.done), (2, 0, 1, 1));
        drop(after);
    }

    let mut after = open(&image).await;
    let settled = update(&contacts[1], Pending, 60_000);
    after.handle(finish(&contacts[1], 2, Disposition::Interrupted, settled)).await;
    assert_eq!(after.recover().await.unwrap(), []);
    assert_eq!(refill(&mut after, 59_999, 10).await.0.len(), 2);
}

#[tokio::test]
async fn what_is_answered_as_committed_survives_a_crash_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let contact = claim_one(&mut store).await;
    assert_eq!(store.handle(commit(&contact, 1, "a")).await, committed(1));
    let image = crash_image(&store);
    let orphans = open(&image).await.recover().await.unwrap();
    assert_eq!(orphans[0].invites, [invite(&contact, 1, "a")]);
}

#[tokio::test]
async fn the_ends_of_recent_calls_are_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = one_call(&folder).await;
    let (number, ended) = {
        let recent = store.recent_ends(at(0), 10).await.unwrap();
        assert_eq!(recent.len(), 1, "the other call has not ended");
        recent[0].clone()
    };
    assert_eq!(store.recent_ends(ended, 10).await.unwrap(), [], "nothing has ended since");
    assert_eq!(store.recent_ends(at(0), 0).await.unwrap(), []);
    drop(store);
    let mut store = open(&folder).await;
    assert_eq!(store.recent_ends(at(0), 10).await.unwrap(), [(number, ended)]);
}

#[tokio::test]
async fn a_dialog_is_there_with_its_invite_is_replaced_when_more_is_known_and_goes_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2).await;
    let contacts = refill(&mut store, 0, 2).await.0;
    let kept = |n: u128, call_id: &str, dialog: &str| DialogRecord {
        call_id: call_id.to_owned(),
        attempt: attempt(n),
        trunk: invite(&contacts[0], n, call_id).trunk,
        dialog: dialog.to_owned(),
    };
    let first = InviteRecord { dialog: "rings".to_owned(), ..invite(&contacts[0], 1, "a") };
    assert_eq!(store.handle(Request::CommitInvite(first)).await, committed(1));
    assert_eq!(store.dialogs().await.unwrap(), [kept(1, "a", "rings")]);
    // One that is refused leaves no dialog either.
    let again = InviteRecord { dialog: "rings".to_owned(), ..invite(&contacts[0], 9, "b") };
    store.handle(Request::CommitInvite(again)).await;
    let open_now = vec![kept(1, "a", "answered"), kept(1, "agent", "rings")];
    store.handle(Request::KeepDialogs { open: open_now.clone(), gone: Vec::new() }).await;
    let image = crash_image(&store);
    let mut after = open(&image).await;
    assert_eq!(after.dialogs().await.unwrap(), open_now);
    // More than one statement takes.
    let gone = (0..40).map(|n| format!("none-{n}")).chain(["agent".to_owned(), "a".to_owned()]).collect();
    after.handle(Request::KeepDialogs { open: Vec::new(), gone }).await;
    assert_eq!(after.dialogs().await.unwrap(), []);
}
