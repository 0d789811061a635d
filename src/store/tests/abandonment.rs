//! The days that the law looks back upon, from call records.

use super::*;
use crate::store::Reader;
use crate::store::abandonment::AnsweredDay;

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn who_came_late_and_who_never_came_are_both_abandoned_on_the_day_of_the_answer() {
    use Disposition::*;
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let cases = [
        // disposition, day, end of the greeting, verdict, bridge
        (Bridged, 20, Some(1_000), Some(1_400), Some(3_000)),
        (Bridged, 20, Some(1_000), Some(1_400), Some(3_001)),
        (Bridged, 20, None, Some(1_400), Some(3_400)),
        (Bridged, 20, None, Some(1_400), Some(3_500)),
        (Bridged, 20, None, None, Some(2_001)),
        (Abandoned, 21, Some(1_000), Some(1_400), None),
        (VoicemailLeft, 21, None, Some(1_400), None),
        (Machine, 21, None, Some(1_400), None),
        (HungUpEarly, 21, Some(1_000), Some(1_400), None),
        // Its call ends nine seconds after the day's begin.
        (OptedOut, 21, Some(1_000), Some(1_400), None),
        (MessagePlayed, 21, Some(1_000), Some(1_400), None),
        (Bridged, 19, Some(1_000), Some(1_400), Some(9_000)),
    ];
    import(&mut store, 0..cases.len() as u32).await;
    for (n, (disposition, day, greeting, verdict, bridge)) in (1u128..).zip(cases) {
        let contact = claim_one(&mut store).await;
        store.handle(commit(&contact, n, &format!("{n}@host"))).await;
        let time = |ms: Option<i64>| ms.map(|ms| at(day * DAY_MS + ms));
        let record = CallRecord {
            answered_at: time(Some(0)),
            greeting_end_at: time(greeting),
            verdict_at: time(verdict),
            bridged_at: time(bridge),
            agent_dialed_at: time(Some(1_500)),
            ended_at: at(day * DAY_MS + 9_000),
            ..record(&contact, n, disposition)
        };
        let contact = update(&contact, ContactState::Done, 0);
        store.handle(Request::FinishAttempt { record: Box::new(record), contact }).await;
    }
    let mut reader = Reader::open(&path_in(&folder)).await.unwrap();
    let days = reader.answered_days(CAMPAIGN, at(20 * DAY_MS)).await.unwrap();
    assert_eq!(
        days,
        [
            AnsweredDay { day: 20, people: 5, abandoned: 3, machines: 0 },
            AnsweredDay { day: 21, people: 2, abandoned: 2, machines: 2 },
        ]
    );
    assert_eq!(reader.answered_days("autumn", at(0)).await.unwrap(), []);
}
