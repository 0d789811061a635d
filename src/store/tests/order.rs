//! Who is dialed first: promised calls, lists and their weights, zones that close, priorities, further numbers.

use super::*;
use crate::number::ZoneGroup;
use crate::rng::Rng;
use crate::store::{ListKind, ListShare, Order, Promised, Recycled, ZoneHours};
use ContactState::{Done, Pending};
use std::sync::Arc;

#[tokio::test]
async fn the_zone_that_closes_first_goes_first_and_a_closed_one_waits_for_its_hours() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let contacts = (0..9).map(|n| NewContact { zone: ZoneGroup(n % 3 + 1), ..new_contact(n) });
    store.import_contacts(CAMPAIGN, contacts).await.unwrap();
    // The first zone is closed until 500, the second closes at 300, the third at 200.
    let hours = |zone: ZoneGroup, now: WallTime| match zone.0 {
        1 => ZoneHours { open: now >= at(500), until: if now >= at(500) { at(900) } else { at(500) } },
        2 => ZoneHours { open: now < at(300), until: if now < at(300) { at(300) } else { at(1_000) } },
        _ => ZoneHours { open: now < at(200), until: if now < at(200) { at(200) } else { at(1_000) } },
    };
    store.orders().set(CAMPAIGN, Order { hours: Some(Arc::new(hours)), ..Order::default() });

    let (first, pending, next) = refill(&mut store, 100, 4).await;
    assert_eq!(places(&first), [2, 5, 8, 1]);
    assert_eq!((pending, next), (5, Some(0)));
    assert_eq!(places(&refill(&mut store, 100, 10).await.0), [4, 7]);
    // Nothing else is to be had: one contact tells why, and the next question makes sense at the opening only.
    let (probe, pending, next) = refill(&mut store, 150, 10).await;
    assert_eq!(places(&probe), [0]);
    assert_eq!((pending, next), (2, Some(500)));
    assert_eq!(places(&refill(&mut store, 500, 10).await.0), [3, 6]);
}

#[tokio::test]
async fn lists_are_mixed_by_weight_within_their_priority() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    for (source, first) in [("warm.csv", 0), ("cold.csv", 100), ("last.csv", 200)] {
        let list = store.begin_list(ListKind::Contacts, CAMPAIGN, source).await.unwrap();
        store.import_rows(CAMPAIGN, list, (first..first + 40).map(new_contact).collect()).await.unwrap();
    }
    let share = |source: &str, weight, priority| ListShare { source: source.to_owned(), weight, priority };
    let lists = vec![share("warm.csv", 3, 1), share("cold.csv", 1, 1), share("last.csv", 9, 2)];
    store.orders().set(CAMPAIGN, Order { lists, ..Order::default() });
    let mut warm = 0;
    for _ in 0..4 {
        let places = places(&refill(&mut store, 0, 10).await.0);
        assert!(places.iter().all(|place| *place < 200), "{places:?}");
        warm += places.iter().filter(|place| **place < 100).count();
    }
    assert_eq!(warm, 30, "three of four, over several claims");
    // A list that has nobody left leaves its share to the other; only then comes the next priority.
    let rest = places(&refill(&mut store, 0, 50).await.0);
    assert_eq!(rest.iter().filter(|place| **place < 200).count(), 40, "{rest:?}");
    assert_eq!(rest[40..], (200..210).collect::<Vec<_>>()[..]);
}

#[tokio::test]
async fn priority_comes_before_age_and_age_counts_either_way() {
    for (newest_first, retries_first, expected) in [
        (false, false, [3, 0, 2, 5, 1, 4]),
        (true, false, [3, 5, 2, 0, 1, 4]),
        (false, true, [1, 4, 3, 0, 2, 5]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(&folder).await;
        let contacts = (0..6).map(|n| NewContact { priority: i32::from(n != 3), ..new_contact(n) });
        store.import_contacts(CAMPAIGN, contacts).await.unwrap();
        // Two of them have been tried and are due again.
        for contact in refill(&mut store, 0, 6).await.0 {
            let tried = [1, 4].iter().position(|n| contact.number == number(*n));
            let contact = update(&contact, Pending, tried.map_or(0, |place| 10 + place as i64));
            store.handle(Request::ReleaseContact { contact, reason: "window".to_owned() }).await;
        }
        store.orders().set(CAMPAIGN, Order { newest_first, retries_first, ..Order::default() });
        let mut all = Vec::new();
        while all.len() < 6 {
            let claimed = places(&refill(&mut store, 50, 6).await.0);
            assert!(!claimed.is_empty());
            all.extend(claimed);
        }
        if newest_first {
            // Of one priority at a time, with whoever is due again behind them.
            assert_eq!(
                (all[0], all.iter().position(|n| *n == 5) < all.iter().position(|n| *n == 0)),
                (3, true)
            );
        } else {
            assert_eq!(all, expected, "newest first {newest_first}, retries first {retries_first}");
        }
    }
}

#[tokio::test]
async fn a_promised_call_goes_before_all_others_at_its_time_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..4).await;
    let first = claim_one(&mut store).await;
    store.handle(commit(&first, 1, "a")).await;
    let being_called = store.promise(CAMPAIGN, &number(0), at(50), "").await.unwrap();
    assert_eq!(being_called, Promised::Refused { state: "in_flight".to_owned() });
    store.handle(finish(&first, 1, Disposition::Bridged, update(&first, Done, 0))).await;
    let kept = store.promise(CAMPAIGN, &number(0), at(50), "ann").await.unwrap();
    assert_eq!(kept, Promised::Kept { attempts: 1 });
    store.promise(CAMPAIGN, &number(3), at(70), "").await.unwrap();
    assert_eq!(store.promise(CAMPAIGN, &number(9), at(50), "").await.unwrap(), Promised::Unknown);

    assert_eq!(places(&refill(&mut store, 40, 1).await.0), [1]);
    let claimed = refill(&mut store, 80, 3).await.0;
    assert_eq!(places(&claimed), [0, 3, 2]);
    assert_eq!((claimed[0].callback_agent(), claimed[1].callback_agent()), (Some("ann"), None));
    assert_eq!(store.handle(commit(&claimed[0], 2, "b")).await, committed(2));
    // Not reached: from now on it waits like any other.
    let later = update(&claimed[0], Pending, 90);
    store.handle(finish(&claimed[0], 2, Disposition::NoAnswer, later)).await;
    import(&mut store, 10..11).await;
    assert_eq!(places(&refill(&mut store, 95, 3).await.0), [10, 0]);
}

#[tokio::test]
async fn the_next_attempt_goes_to_the_next_number_where_the_rule_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let contact = NewContact { further: vec![number(100), number(200)], ..new_contact(0) };
    store.import_contacts(CAMPAIGN, [contact]).await.unwrap();
    let next_phone_after = [Disposition::NoAnswer].into();
    store.orders().set(CAMPAIGN, Order { next_phone_after, ..Order::default() });
    use Disposition::{Busy, NoAnswer};
    let mut dialed = Vec::new();
    for (n, outcome) in [NoAnswer, Busy, NoAnswer, NoAnswer, Busy].into_iter().enumerate() {
        let contact = claim_one(&mut store).await;
        dialed.push(contact.number.clone());
        let n = n as u128;
        assert_eq!(store.handle(commit(&contact, n, &format!("c{n}"))).await, committed(n), "{:?}", contact);
        store.handle(finish(&contact, n, outcome, update(&contact, Pending, 0))).await;
    }
    assert_eq!(dialed, [0, 100, 100, 200, 0].map(number));
    // The last gate knows all its numbers, and no others.
    let contact = claim_one(&mut store).await;
    let other = InviteRecord { number: number(300), ..invite(&contact, 9, "x") };
    assert!(refused(store.handle(Request::CommitInvite(other)).await).contains("another number"));
}

#[tokio::test]
async fn recycling_brings_back_whom_the_caps_allow() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..4).await;
    use Disposition::{Bridged, Busy, NoAnswer};
    let mut n = 0;
    for (place, outcomes) in [&[NoAnswer][..], &[NoAnswer, Busy], &[NoAnswer, NoAnswer, NoAnswer], &[Bridged]]
        .into_iter()
        .enumerate()
    {
        for (i, outcome) in outcomes.iter().enumerate() {
            let contact = claim_one(&mut store).await;
            assert_eq!(contact.number, number(place as u32));
            n += 1;
            store.handle(commit(&contact, n, &format!("c{n}"))).await;
            let state = if i + 1 == outcomes.len() { Done } else { Pending };
            store.handle(finish(&contact, n, *outcome, update(&contact, state, 0))).await;
        }
    }
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().done, 4);
    let done = store.recycle(CAMPAIGN, &[NoAnswer], 3, at(77)).await.unwrap();
    assert_eq!(done, Recycled { contacts: 1, used_up: 1 });
    let (claimed, ..) = refill(&mut store, 77, 10).await;
    assert_eq!((places(&claimed), claimed[0].attempts()), (vec![0], 1), "its attempts still count");
}

#[tokio::test]
async fn what_waits_is_counted_right_whatever_happens() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let mut rng = Rng::from_seed(5);
    let mut held: Vec<Contact> = Vec::new();
    for step in 0..300_u32 {
        match rng.below(6) {
            0 => {
                let zone = ZoneGroup(rng.below(3) as u32);
                let rows = (0..3).map(|_| NewContact { zone, ..new_contact(rng.below(200) as u32) });
                store.import_contacts(CAMPAIGN, rows.collect::<Vec<_>>()).await.unwrap();
            }
            1 => held.extend(refill(&mut store, i64::from(step), 3).await.0),
            2 => {
                let added = store.suppress_many([number(rng.below(200) as u32)], "file", at(1)).await;
                assert!(added.unwrap() <= 1);
            }
            3 => drop(store.promise(CAMPAIGN, &number(rng.below(200) as u32), at(9), "").await.unwrap()),
            _ => {
                if let Some(contact) = held.pop() {
                    let state = if rng.below(2) == 0 { Done } else { Pending };
                    let contact = update(&contact, state, i64::from(step) + 5);
                    store.handle(Request::ReleaseContact { contact, reason: "window".to_owned() }).await;
                }
            }
        }
    }
    let wrong: i64 = scalar(
        "SELECT (SELECT count(*) FROM (
                    SELECT campaign, state, list, zone, count(*) FROM contacts GROUP BY 1, 2, 3, 4
                    EXCEPT SELECT campaign, state, list, zone, contacts FROM contact_counts) AS differing)
              + (SELECT CAST(abs(sum(contacts) - (SELECT count(*) FROM contacts)) AS BIGINT) FROM contact_counts)",
    )
    .fetch_one(&mut store.connection)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
    assert!(store.counts(CAMPAIGN).await.unwrap().contacts() > 50);
}

/// The last digits of their numbers.
fn places(contacts: &[Contact]) -> Vec<u32> {
    contacts.iter().map(|contact| contact.number.as_str()[5..].parse().unwrap()).collect()
}
