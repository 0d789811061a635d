//! Contacts and the do-not-call list in bulk.

use super::*;
use crate::store::{ImportCounts, Suppression};

#[tokio::test]
async fn a_contact_that_exists_keeps_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2).await;
    let first = claim_one(&mut store).await;
    store.handle(commit(&first, 1, "a")).await;

    let mut renamed = new_contact(1);
    renamed.name = "Somebody else".to_owned();
    let list = [new_contact(0), renamed, new_contact(2), new_contact(2)];
    let counts = store.import_contacts(CAMPAIGN, list).await.unwrap();

    assert_eq!(counts, ImportCounts { added: 1, already_there: 3, suppressed: 0 });
    assert_eq!(state_of(&mut store, &first).await, "in_flight");
    let (contacts, ..) = refill(&mut store, 0, 10).await;
    let names: Vec<&str> = contacts.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["Ann 1", "Ann 2"]);
}

#[tokio::test]
async fn the_same_number_in_two_campaigns_is_two_contacts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    let counts = store.import_contacts("autumn", [new_contact(0)]).await.unwrap();
    assert_eq!(counts.added, 1);
}

#[tokio::test]
async fn everything_of_a_contact_comes_back_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let odd = NewContact {
        name: "Zoë \"Z\" O'Neil; DROP TABLE contacts".to_owned(),
        comment: "tab\there, line\nbreak, emoji 🎉".to_owned(),
        attributes: BTreeMap::from([
            ("ключ".to_owned(), "[1,{}]".to_owned()),
            (String::new(), "\\".to_owned()),
        ]),
        ..NewContact::new(number(7))
    };
    store.import_contacts(CAMPAIGN, [odd.clone()]).await.unwrap();
    let contact = claim_one(&mut store).await;
    assert_eq!(
        (contact.number, contact.name, contact.comment, contact.attributes),
        (odd.number, odd.name, odd.comment, odd.attributes)
    );
}

#[tokio::test]
async fn a_hundred_thousand_contacts_come_in_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let counts = store.import_contacts(CAMPAIGN, (0..100_000).map(new_contact)).await.unwrap();
    assert_eq!(counts, ImportCounts { added: 100_000, already_there: 0, suppressed: 0 });
    let (contacts, pending, _) = refill(&mut store, 0, 500).await;
    let numbers: Vec<E164> = contacts.into_iter().map(|c| c.number).collect();
    assert_eq!(numbers, (0..500).map(number).collect::<Vec<_>>());
    assert_eq!(pending, 99_500);
    let again = store.import_contacts(CAMPAIGN, (0..100_000).map(new_contact)).await.unwrap();
    assert_eq!(again, ImportCounts { added: 0, already_there: 100_000, suppressed: 0 });
}

#[tokio::test]
async fn a_suppressed_number_waits_in_no_campaign_and_enters_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..3).await;
    store.import_contacts("autumn", [new_contact(1)]).await.unwrap();
    let claimed = claim_one(&mut store).await;

    let added = store.suppress_many([number(0), number(1), number(1)], "file", at(5)).await.unwrap();
    assert_eq!(added, 2);
    assert_eq!(store.suppress_many([number(1)], "operator", at(6)).await.unwrap(), 0);
    store.import_contacts("winter", [new_contact(1)]).await.unwrap();

    assert_eq!(state_of(&mut store, &claimed).await, "suppressed");
    let (spring, autumn, winter) = (
        store.counts(CAMPAIGN).await.unwrap(),
        store.counts("autumn").await.unwrap(),
        store.counts("winter").await.unwrap(),
    );
    assert_eq!((spring.suppressed, spring.pending), (2, 1));
    assert_eq!((autumn.suppressed, autumn.contacts()), (1, 1));
    assert_eq!((winter.suppressed, winter.contacts()), (1, 1));
    let first = Suppression { number: number(0), source: "file".to_owned(), at: at(5) };
    let second = Suppression { number: number(1), source: "file".to_owned(), at: at(5) };
    assert_eq!(store.suppressions().await.unwrap(), [first, second]);
}
