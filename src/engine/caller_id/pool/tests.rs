//! A pool fed by hand: whom it shows to whom, and when its numbers rest.

use super::super::options::tests::options;
use super::*;
use crate::call::attempt::ending;
use crate::record::{AttemptId, ContactId, InviteRecord};

/// 2026-11-20T15:00:00Z, a Friday: 10:00 in New York.
const FRIDAY_MS: i64 = 1_795_186_800_000;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(hours: u32) -> WallTime {
    WallTime::from_unix_ms(FRIDAY_MS) + HOUR * hours
}

fn now(hours: u32) -> Now {
    Now { wall: at(hours), ..Now::default() }
}

fn callee(digits: &str) -> E164 {
    E164::from_e164(digits).unwrap()
}

fn record(caller_id: &str, answered: bool) -> CallRecord {
    let invite = InviteRecord {
        attempt: AttemptId(1),
        contact: ContactId(1),
        campaign: "spring".into(),
        number: callee("+12125550901"),
        caller_id: caller_id.into(),
        trunk: "carrier".into(),
        call_id: String::new(),
        at: at(0),
        dialog: String::new(),
    };
    let blank = ending::interrupted(&invite, &invite, at(0));
    CallRecord { disposition: Disposition::NoAnswer, answered_at: answered.then_some(at(0)), ..blank }
}

fn pool(more: &str, numbers: &[&str]) -> Pool {
    let options = options(more, numbers);
    assert_eq!(options.faults(), []);
    Pool::new(options)
}

fn three(more: &str) -> Pool {
    pool(more, &["number = \"+12025550100\"", "number = \"+12125550100\"", "number = \"+13105550100\""])
}

/// The last three digits of the area code of the number that each callee sees.
fn seen(pool: &mut Pool, when: WallTime, callees: &[&str]) -> Vec<String> {
    let mut one = |number: &&str| {
        pool.choose(when, &callee(number))
            .map_or("none".to_owned(), |chosen| chosen.caller_id[2..5].to_owned())
    };
    callees.iter().map(&mut one).collect()
}

#[test]
fn each_strategy_chooses_in_its_own_way_and_says_so() {
    let callees = ["+12125550901", "+13105550902", "+442079460903", "+12025550904"];
    for (strategy, expected, why) in [
        ("fixed", ["202", "202", "202", "202"], "the first of the pool that is free"),
        ("round_robin", ["202", "212", "310", "202"], "next in turn"),
        ("local", ["212", "310", "202", "202"], "fits the callee longest"),
    ] {
        let mut pool = three(&format!("strategy = \"{strategy}\""));
        let first = pool.clone().choose(at(0), &callee(callees[0])).unwrap();
        assert!(first.why.contains(why), "{}", first.why);
        assert_eq!(seen(&mut pool, at(0), &callees), expected, "{strategy}");
    }
}

#[test]
fn the_longest_prefix_wins_and_equals_share() {
    let mut pool = pool(
        "strategy = \"local\"\nsticky = false",
        &[
            "number = \"+12025550100\"\nprefixes = [\"+1\"]",
            "number = \"+12125550100\"\nprefixes = [\"+1212\", \"+1917\"]",
            "number = \"+19175550100\"\nprefixes = [\"+1917\"]",
            "number = \"+442079460100\"\nprefixes = [\"+44\"]",
        ],
    );
    let callees =
        ["+14155550901", "+12125550902", "+19175550903", "+19175550904", "+442079460905", "+4930555090"];
    // Of the two for 917 the one with fewer calls goes first; Berlin has no number of its own.
    assert_eq!(seen(&mut pool, at(0), &callees), ["202", "212", "917", "212", "420", "202"]);
    let chosen = pool.choose(at(0), &callee("+12125550909")).unwrap();
    assert_eq!(chosen.why, "its prefix +1212 fits the callee longest (local)");
}

#[test]
fn a_callee_sees_the_same_number_again_unless_it_rests() {
    let mut sticky = three("daily_max = 2");
    assert_eq!(
        seen(&mut sticky, at(0), &["+12125550901", "+12125550902", "+12125550901"]),
        ["202", "212", "202"]
    );
    // That number has made its two calls: another one, and the reason says why.
    let chosen = sticky.choose(at(0), &callee("+12125550901")).unwrap();
    assert_eq!(chosen.caller_id, "+13105550100");
    assert!(chosen.why.contains("is not free: it has made its 2 calls of the day"), "{}", chosen.why);
    assert!(!chosen.why.contains("2025550100"), "masked: {}", chosen.why);
    let mut loose = three("sticky = false");
    assert_eq!(seen(&mut loose, at(0), &["+12125550901", "+12125550901"]), ["202", "212"]);
}

#[test]
fn the_daily_cap_holds_until_midnight_of_the_pools_own_zone() {
    let mut pool = pool("daily_max = 2\nzone = \"America/New_York\"", &["number = \"+12025550100\""]);
    assert_eq!(
        seen(&mut pool, at(0), &["+12125550901", "+12125550902", "+12125550903"]),
        ["202", "202", "none"]
    );
    // Midnight in New York is 05:00Z, fourteen hours on.
    assert_eq!(pool.free_at(at(13)), Err(at(14)));
    let hold = pool.hold(now(13)).unwrap();
    assert_eq!(
        hold.text,
        "no caller id of the pool \"us\" is free: of 1, 1 made their calls of the day (daily_max, warm_up), until \
         Sat 2026-11-21 00:00 EST (America/New_York), 05:00 UTC (in 1 h)"
    );
    assert_eq!((pool.free_at(at(14)), pool.hold(now(14))), (Ok(()), None));
    pool.handle_not_dialed("+12025550100");
    assert_eq!(pool.free_at(at(0)), Ok(()), "a call that did not leave does not count");
}

#[test]
fn a_new_number_warms_up_day_by_day() {
    let mut pool = pool("daily_max = 5\nwarm_up = [1, 3]", &["number = \"+12025550100\""]);
    let mut made = Vec::new();
    for day in 0..4 {
        made.push(
            (0..9)
                .filter(|n| pool.choose(at(24 * day), &callee(&format!("+121255509{n:02}"))).is_some())
                .count(),
        );
    }
    assert_eq!(made, [1, 3, 5, 5]);
}

#[test]
fn counts_and_first_days_come_back_from_the_store() {
    let mut pool =
        pool("daily_max = 5\nwarm_up = [1, 3]", &["number = \"+12025550100\"", "number = \"+12125550100\""]);
    pool.handle_first_use("+12025550100", at(0));
    let past = |n: u32, hours: u32| Use {
        caller_id: "+12025550100".into(),
        number: callee(&format!("+121255509{n:02}")),
        at: at(hours),
        fate: Some(Fate::Answered),
        complained_at: None,
    };
    // Yesterday's calls are over; on its second day it has made two of three.
    [past(1, 0), past(2, 24), past(3, 25)].iter().for_each(|past| pool.handle_past_use(past));
    assert_eq!(seen(&mut pool, at(26), &["+12125550903", "+12125550904"]), ["202", "212"]);
    let status = pool.status(at(26));
    let [first, _] = &status.numbers[..] else { panic!("{status:?}") };
    assert_eq!((first.calls_today, first.calls_today_max, first.day_of_use), (3, Some(3), Some(2)));
    assert_eq!((first.state.as_str(), first.calls), ("at_cap", 3));
}

#[test]
fn rest_days_are_kept_and_counted_over() {
    let mut pool = pool("rest_days = [\"sat\", \"sun\"]", &["number = \"+12025550100\""]);
    assert_eq!(pool.free_at(at(0)), Ok(()));
    let monday = WallTime::from_unix_ms(FRIDAY_MS + 57 * 3_600_000);
    assert_eq!(pool.free_at(at(10)), Err(monday), "Saturday 01:00Z");
    assert_eq!(seen(&mut pool, at(10), &["+12125550901"]), ["none"]);
    assert_eq!(pool.hold(now(10)).unwrap().numbers.0["rest_day"], 1.0);
}

#[test]
fn complaints_rest_a_number_with_their_cause() {
    let mut pool = three("complaints_max = 2\nrest_h = 48");
    assert_eq!(pool.handle_complaint(now(0), "+12025550100"), None);
    // Those of the day before do not count any more.
    assert_eq!(pool.handle_complaint(now(24), "+12025550100"), None);
    let cause = pool.handle_complaint(now(25), "+12025550100").unwrap();
    assert!(cause.starts_with("2 callees or networks did not want its calls"), "{cause}");
    assert_eq!(
        seen(&mut pool, at(26), &["+12125550901", "+12125550902", "+12125550903"]),
        ["212", "310", "212"]
    );
    let number = pool.status(at(26)).numbers.remove(0);
    assert_eq!((number.state.as_str(), number.cause, number.complaints), ("resting", cause, 2));
    assert_eq!(number.until.as_deref(), Some("Mon 2026-11-23 16:00 UTC"));
    assert_eq!(pool.status(at(73)).numbers[0].state, "free");
}

#[test]
fn a_number_that_fares_worse_than_the_others_rests() {
    let mut pool = three("");
    let mut causes = Vec::new();
    for n in 0..120 {
        causes.extend(pool.handle_record(now(0), &record("+12025550100", false)));
        causes.extend(pool.handle_record(now(0), &record("+12125550100", n % 3 == 0)));
        causes.extend(pool.handle_record(now(0), &record("+13105550100", n % 3 == 1)));
    }
    assert!(
        !causes.is_empty() && causes.iter().all(|cause| cause.starts_with("0.0 % of its last")),
        "{causes:?}"
    );
    assert_eq!(pool.status(at(1)).numbers[0].state, "resting");
    assert_eq!(pool.status(at(1)).numbers[1].state, "free");
}

#[test]
fn numbers_that_stay_in_the_file_keep_what_they_did() {
    let mut pool = three("daily_max = 1");
    seen(&mut pool, at(0), &["+12125550901"]);
    pool.set_options(options("daily_max = 1", &["number = \"+12025550100\"", "number = \"+14155550100\""]));
    assert_eq!(seen(&mut pool, at(0), &["+12125550902", "+12125550903"]), ["415", "none"]);
}
