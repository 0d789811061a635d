//! Several nodes on one server: what is one's is not another's, until it has died.

use super::*;
use crate::record::{Allowance, Beat, LEASE, Share, Standing, Usage};
use crate::store::StoreError;
use std::time::Duration;

const CAP: Allowance = Allowance { lines: 10, calls_per_1000_s: 10_000 };

/// As an engine beats that holds `lines` lines.
fn usage(lines: u32) -> Vec<Usage> {
    let held = Allowance { lines, calls_per_1000_s: lines * 1_000 };
    vec![Usage { scope: "engine".to_owned(), cap: CAP, held }]
}

async fn beat(store: &mut Store, lines: u32) -> Beat {
    match store.handle(Request::Beat(usage(lines))).await {
        Some(Answer::Beat(beat)) => *beat,
        other => panic!("no beat: {other:?}"),
    }
}

fn lines(beat: &Beat) -> u32 {
    beat.shares.iter().map(|share| share.allowance.lines).sum()
}

fn leads(beat: &Beat) -> bool {
    beat.shares.iter().any(|share: &Share| share.leads)
}

/// Two nodes, or none where there is no server.
async fn two(folder: &TempDir) -> Option<(Store, Store)> {
    let mut a = open(folder).await;
    if !a.connection.is_server() {
        return None;
    }
    let mut b = open(folder).await;
    a.join("a").await.unwrap();
    b.join("b").await.unwrap();
    Some((a, b))
}

/// Both are taken to live for as long as the test lasts, or until they beat: a busy machine may take longer
/// than a lease.
async fn live_on(store: &mut Store) {
    run(store, "UPDATE nodes SET lease_until = lease_until + 3600000").await;
}

/// Until what a dead node has left is inherited, with a beat of the one who lives.
async fn outlive(store: &mut Store, held: u32) -> Beat {
    let mut last = beat(store, held).await;
    let until = tokio::time::Instant::now() + LEASE * 2 + Duration::from_secs(30);
    while tokio::time::Instant::now() < until && last.inherited.is_empty() {
        tokio::time::sleep(Duration::from_millis(200)).await;
        last = beat(store, held).await;
    }
    last
}

#[tokio::test]
async fn what_one_node_has_claimed_no_other_gets_or_dials() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    live_on(&mut a).await;
    import(&mut a, 0..10).await;
    let (of_a, ..) = refill(&mut a, 0, 4).await;
    let (of_b, pending, again) = refill(&mut b, 5_000, 10).await;
    assert_eq!((of_a.len(), of_b.len()), (4, 6));
    assert!(of_a.iter().all(|contact| !of_b.iter().any(|other| other.id == contact.id)));
    assert_eq!((pending, again), (4, Some(6_000)), "what another holds may come back");

    let reason = refused(b.handle(commit(&of_a[0], 1, "a")).await);
    assert!(reason.contains("belongs to another node"), "{reason}");
    assert_eq!(a.handle(commit(&of_a[0], 1, "a")).await, committed(1));
    let release = |contact: &Contact| Request::ReleaseContact {
        contact: update(contact, ContactState::Pending, 0),
        reason: "window".to_owned(),
    };
    b.handle(release(&of_a[1])).await;
    assert_eq!(state_of(&mut a, &of_a[1]).await, "claimed", "nor gives it back");
}

#[tokio::test]
async fn a_dead_nodes_contacts_and_calls_become_anothers_and_what_it_says_later_is_not_heard() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    import(&mut a, 0..3).await;
    let (of_a, ..) = refill(&mut a, 0, 3).await;
    a.handle(commit(&of_a[0], 1, "a")).await;
    // a is frozen, b lives on.
    let beaten = outlive(&mut b, 0).await;
    assert_eq!(beaten.nodes, 1);
    let inherited: Vec<_> =
        beaten.inherited.attempts.iter().map(|(contact, invites)| (contact.id, invites.len())).collect();
    assert_eq!(inherited, [(of_a[0].id, 1)]);
    assert_eq!(refill(&mut b, 0, 10).await.0.len(), 2, "what was claimed waits again");

    // a wakes up.
    let reason = refused(a.handle(commit(&of_a[1], 2, "b")).await);
    assert!(reason.contains("belongs to another node"), "{reason}");
    a.handle(finish(&of_a[0], 1, Disposition::Busy, update(&of_a[0], ContactState::Pending, 0))).await;
    assert_eq!(state_of(&mut a, &of_a[0]).await, "in_flight", "its attempt is b's to close");
    b.handle(finish(&of_a[0], 1, Disposition::Interrupted, update(&of_a[0], ContactState::Done, 0))).await;
    assert_eq!(state_of(&mut a, &of_a[0]).await, "done");
    assert_eq!(
        b.counts(CAMPAIGN).await.unwrap().dispositions,
        BTreeMap::from([(Disposition::Interrupted, 1)])
    );
    let beaten = beat(&mut a, 5).await;
    assert_eq!((beaten.standing, lines(&beaten)), (Standing::Buried, 0), "it begins anew, with nothing");
    assert_eq!(beat(&mut a, 0).await.standing, Standing::Alive);
}

#[tokio::test]
async fn a_node_whose_lease_is_over_dials_nobody_and_its_contacts_are_none_the_worse_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, _b)) = two(&folder).await else { return };
    import(&mut a, 0..1).await;
    let contact = claim_one(&mut a).await;
    run(&mut a, "UPDATE nodes SET lease_until = 0 WHERE name = 'a'").await;
    let answer = a.handle(commit(&contact, 1, "a")).await;
    assert!(matches!(answer, Some(Answer::InviteRefused { .. })), "a moment's matter: {answer:?}");
    assert_eq!(beat(&mut a, 0).await.standing, Standing::Alive);
    assert_eq!(a.handle(commit(&contact, 1, "a")).await, committed(1));
}

#[tokio::test]
async fn a_buried_node_claims_nobody_before_it_has_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    import(&mut a, 0..3).await;
    let (of_a, ..) = refill(&mut a, 0, 1).await;
    a.handle(commit(&of_a[0], 1, "a")).await;
    assert_eq!(outlive(&mut b, 0).await.inherited.attempts.len(), 1);
    // a was held up for longer than its lease, and its next question is on its way before its next beat. What it claimed
    // under a name that nobody has any more, nobody would ever let go.
    let (of_a, pending, again) = refill(&mut a, 5_000, 10).await;
    assert_eq!((of_a.len(), pending, again), (0, 3, Some(6_000)), "the campaign is not over either");
    assert_eq!(beat(&mut a, 0).await.standing, Standing::Buried);
    assert_eq!(refill(&mut a, 5_000, 10).await.0.len(), 2);
}

#[tokio::test]
async fn shares_never_add_up_to_more_than_the_cap_and_a_dead_leader_is_succeeded() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    let first = beat(&mut a, 0).await;
    assert_eq!((lines(&first), leads(&first)), (10, true), "alone, it has all");
    let other = beat(&mut b, 0).await;
    assert_eq!((lines(&other), leads(&other)), (0, false), "nothing is free yet");
    assert_eq!(lines(&beat(&mut a, 10).await), 5, "the leader offers itself less");
    assert_eq!(lines(&beat(&mut b, 0).await), 0, "which it has not let go");
    // Seven calls are up still.
    assert_eq!(lines(&beat(&mut a, 7).await), 5);
    assert_eq!(lines(&beat(&mut b, 0).await), 3);
    assert_eq!(lines(&beat(&mut a, 5).await), 5);
    assert_eq!(lines(&beat(&mut b, 3).await), 5);

    // a dies.
    let died = tokio::time::Instant::now();
    let mut last = beat(&mut b, 5).await;
    while !leads(&last) {
        assert!(died.elapsed() < LEASE + Duration::from_secs(30), "nobody leads");
        tokio::time::sleep(Duration::from_millis(200)).await;
        last = beat(&mut b, 5).await;
    }
    assert_eq!(lines(&last), 10, "all of it, and five of them are taken by the calls that a has left");
}

#[tokio::test]
async fn a_number_that_comes_on_the_list_at_one_node_is_told_to_all() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    live_on(&mut a).await;
    import(&mut a, 0..2).await;
    let (of_b, ..) = refill(&mut b, 0, 1).await;
    a.suppress_many([number(0), number(1)], "operator", at(1)).await.unwrap();
    assert!(refused(b.handle(commit(&of_b[0], 1, "a")).await).contains("do-not-call"));
    assert_eq!(beat(&mut b, 0).await.suppressed, [number(0), number(1)]);
}

#[tokio::test]
async fn a_campaign_is_over_only_when_no_node_holds_a_contact_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    live_on(&mut a).await;
    import(&mut a, 0..1).await;
    a.save_campaign(CAMPAIGN, CampaignState::Running).await.unwrap();
    let (of_a, ..) = refill(&mut a, 0, 1).await;
    b.save_campaign(CAMPAIGN, CampaignState::Completed).await.unwrap();
    assert_eq!(b.campaign_state(CAMPAIGN).await.unwrap(), Some(CampaignState::Running));
    a.handle(finish(&of_a[0], 1, Disposition::Busy, update(&of_a[0], ContactState::Done, 0))).await;
    b.save_campaign(CAMPAIGN, CampaignState::Completed).await.unwrap();
    assert_eq!(beat(&mut a, 0).await.campaigns, [(CAMPAIGN.to_owned(), CampaignState::Completed)]);
}

#[tokio::test]
async fn a_namesake_that_lives_keeps_its_name_and_one_that_died_is_succeeded() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    let mut namesake = open(&folder).await;
    let (joined, ()) = tokio::join!(namesake.join("a"), async {
        for _ in 0..12 {
            beat(&mut a, 0).await;
            beat(&mut b, 0).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let error = joined.expect_err("a lives");
    assert!(matches!(&error, StoreError::NodeInUse(_, name) if name == "a"), "{error}");
    import(&mut b, 0..1).await;
    let (of_b, ..) = refill(&mut b, 0, 1).await;
    b.handle(commit(&of_b[0], 1, "a")).await;
    drop(b);
    let mut again = open(&folder).await;
    again.join("b").await.unwrap();
    assert_eq!(again.recover().await.unwrap().len(), 1, "what it left is its own again");
}

#[tokio::test]
async fn what_was_committed_after_all_is_undone_where_the_engine_was_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, _b)) = two(&folder).await else { return };
    live_on(&mut a).await;
    import(&mut a, 0..3).await;
    let (of_a, ..) = refill(&mut a, 0, 1).await;
    let refill = Request::Refill { campaign: CAMPAIGN.to_owned(), due_at: at(0), limit: 1 };
    a.lose_the_answer(vec![commit(&of_a[0], 1, "a"), refill]).await;
    assert_eq!(a.handle(commit(&of_a[0], 2, "b")).await, committed(2), "the first INVITE never left");
    assert_eq!(a.counts(CAMPAIGN).await.unwrap().pending, 2, "nor did the engine get the contact");
    let finished = finish(&of_a[0], 2, Disposition::Busy, update(&of_a[0], ContactState::Done, 0));
    assert_eq!(a.handle(finished).await, None);
    assert_eq!(a.recover().await.unwrap(), []);
}

#[tokio::test]
async fn a_lost_session_is_made_again_and_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut a, mut b)) = two(&folder).await else { return };
    live_on(&mut a).await;
    import(&mut a, 0..2).await;
    let (of_a, ..) = refill(&mut a, 0, 2).await;
    crate::store::statement::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut b.connection)
    .await
    .unwrap();
    let error = refused(a.handle(commit(&of_a[0], 1, "a")).await);
    assert!(error.contains("check that PostgreSQL runs"), "{error}");
    assert_eq!(a.handle(commit(&of_a[0], 1, "b")).await, committed(1));
}
