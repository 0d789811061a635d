//! The machine fed by hand, at chosen times: what it asks of the store, whom it dials next, and why it does not.

use super::super::explain::Reason;
use super::super::gate::tests::{FRIDAY_MS, contact, e164, wall};
use super::super::options::tests::options;
use super::*;
use std::time::Duration;

#[test]
fn it_asks_for_contacts_dials_them_at_its_pace_and_completes() {
    let (mut campaign, mut ledger) = running("");
    assert_eq!(outputs(&mut campaign), [changed(CampaignState::Running), refill(10, 0)]);
    assert_eq!(campaign.explain(at(0)), [Reason::AwaitingStore]);
    campaign.handle_contacts(at(10), two(), 0, None);
    let first = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
    assert_eq!(campaign.next_dial(at(20), 5, &mut ledger), None);
    // The ten milliseconds that the first dial was late are made up for.
    assert_eq!(campaign.explain(at(20)), [Reason::Pace { next_at: at(2_000).instant }]);
    assert_eq!(campaign.poll_timeout(), Some(at(2_000).instant));
    let second = campaign.next_dial(at(2_000), 5, &mut ledger).unwrap();
    for contact in [&first, &second] {
        let update = campaign.handle_outcome(at(9_000), contact, Disposition::Bridged, &mut ledger);
        assert_eq!(update.state, ContactState::Done);
    }
    // What was known of the store when the last answer came is enough: nothing went back to it since.
    assert_eq!(outputs(&mut campaign), [changed(CampaignState::Completed)]);
    assert_eq!((campaign.poll_timeout(), campaign.explain(at(9_000))), (None, vec![Reason::Completed]));
}

#[test]
fn a_contact_to_be_tried_again_keeps_it_running_until_then() {
    let (mut campaign, mut ledger) = running("");
    campaign.handle_contacts(at(10), vec![contact(1, "+12025550101")], 0, None);
    let dialed = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
    let update = campaign.handle_outcome(at(30_000), &dialed, Disposition::NoAnswer, &mut ledger);
    let due = wall(FRIDAY_MS + 30_000 + 7_200_000);
    assert_eq!((update.state, update.next_attempt_at), (ContactState::Pending, due));
    outputs(&mut campaign);
    assert_eq!(campaign.explain(at(30_000)), [Reason::NothingDue { next_at: Some(due) }]);
    // Civil time is looked at every minute, because it may be set.
    assert_eq!(campaign.poll_timeout(), Some(at(90_000).instant));
    campaign.handle_timeout(at(7_230_000));
    assert_eq!(outputs(&mut campaign), [refill(10, 7_230_000)]);
}

#[test]
fn a_closed_window_gives_contacts_back_with_the_opening_time() {
    let (mut campaign, mut ledger) = running("");
    outputs(&mut campaign);
    campaign.handle_contacts(at(10), vec![contact(1, "+12135550101")], 0, None);
    assert_eq!(campaign.next_dial(at(10), 5, &mut ledger), None);
    let opens_at = wall(FRIDAY_MS + 7_200_000);
    let update = ContactUpdate { id: ContactId(1), state: ContactState::Pending, next_attempt_at: opens_at };
    assert_eq!(outputs(&mut campaign), [Output::Release { update, reason: Refusal::WindowClosed }]);
    let explained = campaign.explain(at(10));
    assert_eq!(explained[0], Reason::WindowClosed { opens_at: Some(opens_at) });
    assert_eq!(explained[0].to_string(), "the calling window is closed until 2026-11-20 17:00 UTC");
}

#[test]
fn with_a_named_zone_it_does_not_even_ask_while_the_window_is_closed() {
    let (mut campaign, _) = running("[window]\nzone = \"America/Los_Angeles\"");
    assert_eq!(outputs(&mut campaign), [changed(CampaignState::Running)]);
    let opens_at = Some(wall(FRIDAY_MS + 7_200_000));
    assert_eq!(
        campaign.explain(at(0)),
        [Reason::WindowClosed { opens_at }],
        "the database is not waited for"
    );
    campaign.handle_timeout(at(7_200_000));
    assert_eq!(outputs(&mut campaign), [refill(10, 7_200_000)]);
}

#[test]
fn pause_and_stop_give_the_claimed_back_as_they_were_and_resume_has_no_burst() {
    let (mut campaign, mut ledger) = running("");
    campaign.handle_contacts(at(10), two(), 3, Some(wall(0)));
    outputs(&mut campaign);
    assert!(campaign.pause(at(20)) && !campaign.pause(at(20)));
    let released: Vec<_> = outputs(&mut campaign);
    assert_eq!(released.len(), 3);
    assert!(matches!(released[1], Output::Release { reason: Refusal::NotRunning, .. }));
    assert_eq!(campaign.next_dial(at(30), 5, &mut ledger), None);
    assert_eq!((campaign.explain(at(30)), campaign.poll_timeout()), (vec![Reason::Paused], None));
    assert!(campaign.resume(at(100_000)) && !campaign.resume(at(100_000)));
    campaign.handle_contacts(at(100_010), two(), 3, Some(wall(0)));
    assert!(campaign.next_dial(at(100_010), 5, &mut ledger).is_some());
    assert!(campaign.next_dial(at(100_011), 5, &mut ledger).is_none());
    assert!(campaign.stop(at(100_020)) && campaign.start(at(100_030)));
}

#[test]
fn contacts_that_come_after_a_pause_go_straight_back() {
    let (mut campaign, _) = running("");
    campaign.pause(at(5));
    outputs(&mut campaign);
    campaign.handle_contacts(at(10), two(), 0, None);
    assert_eq!((outputs(&mut campaign).len(), campaign.counts().claimed), (2, 0));
}

#[test]
fn a_suppressed_number_is_taken_out_of_the_claimed_at_once() {
    let (mut campaign, mut ledger) = running("");
    campaign.handle_contacts(at(10), two(), 0, None);
    outputs(&mut campaign);
    let number = e164("+12025550101");
    ledger.suppress(&number).unwrap();
    campaign.handle_suppressed(at(11), &ledger);
    let released = outputs(&mut campaign).remove(0);
    let Output::Release { update, reason } = released else { panic!("{released:?}") };
    assert_eq!(
        (update.id, update.state, reason),
        (ContactId(1), ContactState::Suppressed, Refusal::DoNotCall)
    );
    assert_eq!(campaign.next_dial(at(12), 5, &mut ledger).unwrap().id, ContactId(2));
}

#[test]
fn a_number_suppressed_during_its_call_is_not_tried_again() {
    let (mut campaign, mut ledger) = running("");
    campaign.handle_contacts(at(10), two(), 0, None);
    let dialed = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
    ledger.suppress(&dialed.number).unwrap();
    campaign.handle_suppressed(at(20), &ledger);
    let update = campaign.handle_outcome(at(30), &dialed, Disposition::NoAnswer, &mut ledger);
    assert_eq!(update.state, ContactState::Suppressed);
}

#[test]
fn a_contact_that_goes_back_while_the_store_answers_is_not_forgotten() {
    let (mut campaign, mut ledger) = running("");
    campaign.handle_contacts(at(10), two(), 3, Some(wall(0)));
    let dialed = campaign.next_dial(at(10), 5, &mut ledger).unwrap();
    outputs(&mut campaign);
    campaign.handle_timeout(at(1_500));
    assert!(matches!(outputs(&mut campaign)[..], [Output::Refill { .. }]));
    campaign.handle_outcome(at(1_600), &dialed, Disposition::NoAnswer, &mut ledger);
    let second = campaign.next_dial(at(2_100), 5, &mut ledger).unwrap();
    campaign.handle_outcome(at(2_200), &second, Disposition::Bridged, &mut ledger);
    campaign.handle_contacts(at(2_300), vec![], 0, None);
    assert_eq!((campaign.state(), campaign.counts().pending), (CampaignState::Running, Some(1)));
}

#[test]
fn lines_bound_the_calls_and_an_undialed_contact_is_the_next_again() {
    let (mut campaign, mut ledger) = running("lines_max = 1");
    campaign.handle_contacts(at(10), two(), 0, None);
    assert_eq!(campaign.next_dial(at(10), 0, &mut ledger), None);
    assert_eq!(campaign.explain(at(10)), [Reason::EngineBusy]);
    let first = campaign.next_dial(at(20), 1, &mut ledger).unwrap();
    campaign.handle_not_dialed(at(30), first.clone(), &mut ledger);
    assert!(campaign.explain(at(30)).contains(&Reason::EngineBusy));
    assert_eq!(campaign.poll_timeout(), Some(at(1_030).instant));
    assert_eq!(campaign.next_dial(at(1_030), 1, &mut ledger), Some(first));
    assert_eq!(campaign.next_dial(at(60_000), 1, &mut ledger), None);
    assert_eq!(campaign.explain(at(60_000))[0], Reason::LinesBusy { lines: 1 });
}

#[test]
fn who_found_no_room_rests_for_a_second_however_fast_the_pace_is() {
    let (mut campaign, mut ledger) = running("calls_per_minute = 6000");
    campaign.handle_contacts(at(10), two(), 0, None);
    let first = campaign.next_dial(at(20), 5, &mut ledger).unwrap();
    campaign.handle_not_dialed(at(30), first, &mut ledger);
    assert_eq!(campaign.next_dial(at(40), 5, &mut ledger), None);
    assert_eq!(campaign.next_dial(at(1_000), 5, &mut ledger), None);
    assert_eq!(campaign.poll_timeout(), Some(at(1_030).instant));
    assert!(campaign.next_dial(at(1_030), 5, &mut ledger).is_some());
    assert!(campaign.next_dial(at(1_040), 5, &mut ledger).is_some(), "the pace goes on");
}

#[test]
fn a_contact_that_is_withdrawn_holds_up_nobody_else() {
    let (mut campaign, mut ledger) = running("calls_per_minute = 6000");
    campaign.handle_contacts(at(10), two(), 0, None);
    let first = campaign.next_dial(at(20), 5, &mut ledger).unwrap();
    campaign.handle_withdrawn(at(30), first.clone(), &mut ledger);
    assert_eq!(campaign.next_dial(at(40), 5, &mut ledger), Some(first));
}

#[test]
fn two_campaigns_never_dial_one_number_at_once() {
    let (mut one, mut ledger) = running("");
    let (mut other, _) = running("");
    one.handle_contacts(at(10), two(), 0, None);
    other.handle_contacts(at(10), two(), 0, None);
    outputs(&mut other);
    assert_eq!(one.next_dial(at(10), 5, &mut ledger).unwrap().id, ContactId(1));
    assert_eq!(other.next_dial(at(10), 5, &mut ledger).unwrap().id, ContactId(2));
    assert!(matches!(
        outputs(&mut other)[0],
        Output::Release { reason: Refusal::NumberInFlight, update } if update.state == ContactState::Pending
    ));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    for (state, asks) in [
        (CampaignState::Running, true),
        (CampaignState::Paused, false),
        (CampaignState::Stopped, false),
        (CampaignState::Completed, false),
    ] {
        let mut campaign = Campaign::new(options(""), state, at(0));
        assert_eq!((campaign.state(), !outputs(&mut campaign).is_empty()), (state, asks));
    }
    let manual = Campaign::new(options("autostart = false"), CampaignState::Draft, at(0));
    assert_eq!((manual.state(), manual.explain(at(0))), (CampaignState::Draft, vec![Reason::NotStarted]));
}

fn running(more: &str) -> (Campaign, Ledger) {
    (Campaign::new(options(more), CampaignState::Draft, at(0)), Ledger::new())
}

fn two() -> Vec<Contact> {
    vec![contact(1, "+12025550101"), contact(2, "+12025550102")]
}

fn at(ms: u64) -> Now {
    let since_start = Duration::from_millis(ms);
    Now { instant: Instant::from_start(since_start), wall: wall(FRIDAY_MS) + since_start }
}

fn outputs(campaign: &mut Campaign) -> Vec<Output> {
    std::iter::from_fn(|| campaign.poll_output()).collect()
}

fn changed(state: CampaignState) -> Output {
    Output::StateChanged(state)
}

fn refill(limit: u32, at_ms: u64) -> Output {
    Output::Refill { limit, due_at: at(at_ms).wall }
}
