//! Requests that are written together do what they do one by one.

use super::*;
use crate::rng::Rng;

/// Everything that requests of calls write.
const TABLES: [&str; 6] = [
    "SELECT id || ' ' || contact || ' ' || campaign || ' ' || number FROM attempts ORDER BY id",
    "SELECT call_id || ' ' || attempt || ' ' || trunk FROM invites ORDER BY call_id",
    "SELECT id || ' ' || state || ' ' || coalesce(attempt, '-') || ' ' || next_attempt_at || ' ' || last_reason
     FROM contacts ORDER BY id",
    "SELECT attempt || ' ' || contact || ' ' || disposition FROM calls ORDER BY attempt",
    "SELECT call_id || ' ' || attempt || ' ' || dialog FROM dialogs ORDER BY call_id",
    "SELECT attempt || ' ' || decision || ' ' || caps FROM decisions ORDER BY attempt",
];

async fn written(store: &mut Store) -> Vec<Vec<String>> {
    let mut tables = Vec::new();
    for table in TABLES {
        tables.push(scalar(table).fetch_all(&mut store.connection).await.unwrap());
    }
    tables
}

/// Three numbers in two campaigns, all claimed.
async fn claimed(folder: &TempDir) -> (Store, Vec<Contact>) {
    let mut store = open(folder).await;
    import(&mut store, 0..3).await;
    store.import_contacts("autumn", (0..3).map(new_contact)).await.unwrap();
    let mut contacts = refill(&mut store, 0, 9).await.0;
    let request = Request::Refill { campaign: "autumn".to_owned(), due_at: at(0), limit: 9 };
    let Some(Answer::Refilled { contacts: more, .. }) = store.handle(request).await else {
        panic!("no refill")
    };
    contacts.extend(more);
    (store, contacts)
}

/// Anything that an engine may ask about few contacts, attempts and calls, and much that none does.
fn any_request(rng: &mut Rng, contacts: &[Contact]) -> Request {
    let place = rng.below(contacts.len() as u64) as usize;
    let contact = &contacts[place];
    let campaign = if place < 3 { CAMPAIGN } else { "autumn" };
    let n = u128::from(rng.below(12));
    let call = format!("call-{}", rng.below(40));
    let known = |call: String, dialog: u64| DialogRecord {
        call_id: call,
        attempt: attempt(n),
        trunk: "carrier".to_owned(),
        dialog: format!("\"{dialog}\""),
    };
    match rng.below(12) {
        0..4 => {
            let dialog = if rng.chance(0.5) { String::new() } else { "begun".to_owned() };
            let invite = invite(contact, n, &call);
            Request::CommitInvite(InviteRecord { campaign: campaign.to_owned(), dialog, ..invite })
        }
        4 | 5 => {
            let caps = vec![(1 + rng.below(2) as u32, at(rng.below(2_000) as i64))];
            Request::KeepDecision {
                attempt: attempt(n),
                decision: format!("{{\"n\":{}}}", rng.below(9)),
                caps,
            }
        }
        6 | 7 => {
            let state = if rng.chance(0.5) { ContactState::Pending } else { ContactState::Done };
            let update = update(contact, state, rng.below(9) as i64);
            let record = record(contact, n, Disposition::Busy);
            let record = Box::new(CallRecord { campaign: campaign.to_owned(), ..record });
            Request::FinishAttempt { record, contact: update }
        }
        8 => Request::KeepDialogs { open: vec![known(call, rng.below(99))], gone: vec![] },
        9 => {
            let other = format!("call-{}", rng.below(40));
            let open = if other == call { vec![] } else { vec![known(other, rng.below(99))] };
            Request::KeepDialogs { open, gone: vec![call] }
        }
        10 => Request::Refill { campaign: campaign.to_owned(), due_at: at(100), limit: 2 },
        _ if rng.chance(0.1) => {
            Request::Suppress { numbers: vec![contact.number.clone()], source: "test".to_owned(), at: at(0) }
        }
        _ => Request::ReleaseContact {
            contact: update(contact, ContactState::Pending, 7),
            reason: "not_due".to_owned(),
        },
    }
}

#[tokio::test]
async fn requests_that_are_written_together_do_what_they_do_one_by_one() {
    for seed in 0..10 {
        let mut rng = Rng::from_seed(seed);
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut together, contacts) = claimed(&one).await;
        let (mut alone, _) = claimed(&other).await;
        for _ in 0..8 {
            let requests: Vec<Request> = (0..12).map(|_| any_request(&mut rng, &contacts)).collect();
            let mut expected = Vec::new();
            for request in &requests {
                expected.extend(alone.handle(request.clone()).await);
            }
            assert_eq!(together.handle_all(requests.clone()).await, expected, "seed {seed}: {requests:#?}");
            assert_eq!(written(&mut together).await, written(&mut alone).await, "seed {seed}: {requests:#?}");
        }
    }
}

#[tokio::test]
async fn the_laws_caps_count_the_invites_before_in_the_same_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, contacts) = claimed(&folder).await;
    let (spring, autumn) = (&contacts[0], &contacts[3]);
    assert_eq!(spring.number, autumn.number);
    let caps = vec![(1, at(0))];
    let answers = store
        .handle_all(vec![
            Request::KeepDecision { attempt: attempt(2), decision: "{}".to_owned(), caps },
            commit(spring, 1, "a"),
            Request::CommitInvite(InviteRecord { campaign: "autumn".to_owned(), ..invite(autumn, 2, "b") }),
        ])
        .await;
    assert_eq!(answers.len(), 2);
    assert_eq!(Some(answers[0].clone()), committed(1));
    assert_eq!(
        refused(answers.last().cloned()),
        "the number has had 1 of the 1 attempts that the law allows for now"
    );
}
