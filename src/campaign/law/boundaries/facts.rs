//! What was read of the law, by hand, against what the gate says when it chooses the packs by itself.

use super::super::Purpose;
use super::*;
use crate::disposition::Disposition;
use crate::record::PastAttempt;

/// (number, purpose, the clock there, the zone, expected)
const HOURS: &[(&str, Purpose, &str, &str, &str)] = &[
    // United States, federal: 8 to 21, also on the Sundays on which the clocks change.
    ("+12025550101", Purpose::Sales, "2026-11-18 07:59", "America/New_York", "law_hours"),
    ("+12025550101", Purpose::Sales, "2026-11-18 08:00", "America/New_York", "allow"),
    ("+12025550101", Purpose::Sales, "2026-11-18 20:59", "America/New_York", "allow"),
    ("+12025550101", Purpose::Sales, "2026-11-18 21:00", "America/New_York", "law_hours"),
    ("+12025550101", Purpose::Sales, "2026-03-08 07:59", "America/New_York", "law_hours"),
    ("+12025550101", Purpose::Sales, "2026-03-08 08:00", "America/New_York", "allow"),
    ("+12025550101", Purpose::Sales, "2026-11-01 07:59", "America/New_York", "law_hours"),
    ("+12025550101", Purpose::Sales, "2026-11-01 08:00", "America/New_York", "allow"),
    ("+12025550101", Purpose::Sales, "2026-11-01 21:00", "America/New_York", "law_hours"),
    ("+12025550101", Purpose::Research, "2026-11-18 22:00", "America/New_York", "allow"),
    // Florida, Oklahoma, Maryland, Washington: 8 to 20.
    ("+13055550101", Purpose::Sales, "2026-11-18 19:59", "America/New_York", "allow"),
    ("+13055550101", Purpose::Sales, "2026-11-18 20:00", "America/New_York", "law_hours"),
    ("+14055550101", Purpose::Sales, "2026-11-18 19:59", "America/Chicago", "allow"),
    ("+14055550101", Purpose::Sales, "2026-11-18 20:00", "America/Chicago", "law_hours"),
    ("+14105550101", Purpose::Sales, "2026-11-18 20:00", "America/New_York", "law_hours"),
    ("+12065550101", Purpose::Sales, "2026-11-18 19:59", "America/Los_Angeles", "allow"),
    ("+12065550101", Purpose::Sales, "2026-11-18 20:00", "America/Los_Angeles", "law_hours"),
    // Connecticut: sources disagree on the evening, and the earlier counts.
    ("+12035550101", Purpose::Sales, "2026-11-18 08:59", "America/New_York", "law_hours"),
    ("+18605550101", Purpose::Sales, "2026-11-18 08:59", "America/New_York", "law_hours"),
    ("+18605550101", Purpose::Sales, "2026-11-18 19:59", "America/New_York", "allow"),
    ("+18605550101", Purpose::Sales, "2026-11-18 20:00", "America/New_York", "law_hours"),
    // Texas: on Sundays from noon on.
    ("+12145550101", Purpose::Sales, "2026-11-22 11:59", "America/Chicago", "law_hours"),
    ("+12145550101", Purpose::Sales, "2026-11-22 12:00", "America/Chicago", "allow"),
    ("+12145550101", Purpose::Sales, "2026-11-23 09:00", "America/Chicago", "allow"),
    // Alabama: Thanksgiving.
    ("+12055550101", Purpose::Sales, "2026-11-25 12:00", "America/Chicago", "allow"),
    ("+12055550101", Purpose::Sales, "2026-11-26 12:00", "America/Chicago", "law_hours"),
    // Canada: weekdays 9 to 21:30, weekends 10 to 18.
    ("+14165550101", Purpose::Sales, "2026-11-18 08:59", "America/Toronto", "law_hours"),
    ("+14165550101", Purpose::Sales, "2026-11-18 21:29", "America/Toronto", "allow"),
    ("+14165550101", Purpose::Sales, "2026-11-18 21:30", "America/Toronto", "law_hours"),
    ("+14165550101", Purpose::Sales, "2026-11-21 17:59", "America/Toronto", "allow"),
    ("+14165550101", Purpose::Sales, "2026-11-21 18:00", "America/Toronto", "law_hours"),
    // France: 10 to 13 and 14 to 20; not on weekends and holidays (Easter Monday, Bastille Day).
    ("+33123456789", Purpose::Sales, "2026-11-18 09:59", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-11-18 12:59", "Europe/Paris", "allow"),
    ("+33123456789", Purpose::Sales, "2026-11-18 13:00", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-11-18 13:59", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-11-18 14:00", "Europe/Paris", "allow"),
    ("+33123456789", Purpose::Sales, "2026-11-18 20:00", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-11-21 12:00", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-04-06 12:00", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-07-14 12:00", "Europe/Paris", "law_hours"),
    ("+33123456789", Purpose::Sales, "2026-03-30 10:00", "Europe/Paris", "allow"),
    ("+33123456789", Purpose::Sales, "2026-03-30 09:59", "Europe/Paris", "law_hours"),
    // Australia: purposes have hours of their own.
    ("+61212345678", Purpose::Sales, "2026-11-18 20:00", "Australia/Sydney", "law_hours"),
    ("+61212345678", Purpose::Research, "2026-11-18 20:00", "Australia/Sydney", "allow"),
    ("+61212345678", Purpose::Research, "2026-11-18 20:30", "Australia/Sydney", "law_hours"),
    ("+61212345678", Purpose::Sales, "2026-11-21 16:59", "Australia/Sydney", "allow"),
    ("+61212345678", Purpose::Sales, "2026-11-21 17:00", "Australia/Sydney", "law_hours"),
    ("+61212345678", Purpose::Sales, "2026-11-22 12:00", "Australia/Sydney", "law_hours"),
    ("+61212345678", Purpose::Research, "2026-11-22 12:00", "Australia/Sydney", "allow"),
    // Its clocks go forward on 4 October, a Sunday; Good Friday is closed.
    ("+61212345678", Purpose::Research, "2026-10-04 08:59", "Australia/Sydney", "law_hours"),
    ("+61212345678", Purpose::Research, "2026-10-04 09:00", "Australia/Sydney", "allow"),
    ("+61212345678", Purpose::Sales, "2026-04-03 12:00", "Australia/Sydney", "law_hours"),
];

#[test]
fn the_hours_are_those_that_were_read() {
    for (number, purpose, clock, zone, expected) in HOURS {
        let at = local(zone, clock);
        let mut options = open_options("");
        options.law.purpose = Some(*purpose);
        let called = consenting(number, &[("consent", "written"), ("consent_at", "2026-01-02")]);
        assert_eq!(ask(&options, &called, at, &listed(at)), *expected, "{number} {purpose:?} {clock}");
    }
}

#[test]
fn caps_and_rests_are_those_that_were_read() {
    let hour = Duration::from_secs(3_600);
    let second = Duration::from_secs(1);
    for (number, zone, made, ended, ago, expected) in [
        // Florida: a third call within 24 hours, but no fourth.
        ("+13055550101", "America/New_York", 2, Disposition::NoAnswer, 24 * hour - second, "allow"),
        ("+13055550101", "America/New_York", 3, Disposition::NoAnswer, 24 * hour - second, "law_cap"),
        ("+13055550101", "America/New_York", 3, Disposition::NoAnswer, 24 * hour, "allow"),
        // In Washington, D.C., nobody counts.
        ("+12025550101", "America/New_York", 9, Disposition::NoAnswer, hour, "allow"),
        // France: four in thirty days; silence for sixty after a no.
        ("+33123456789", "Europe/Paris", 3, Disposition::NoAnswer, 29 * 24 * hour, "allow"),
        ("+33123456789", "Europe/Paris", 4, Disposition::NoAnswer, 30 * 24 * hour - second, "law_cap"),
        ("+33123456789", "Europe/Paris", 4, Disposition::NoAnswer, 30 * 24 * hour, "allow"),
        ("+33123456789", "Europe/Paris", 1, Disposition::Declined, 60 * 24 * hour - second, "law_rest"),
        ("+33123456789", "Europe/Paris", 1, Disposition::Declined, 60 * 24 * hour, "allow"),
        // United Kingdom: 72 hours after an abandoned call, the rest of the day after a machine.
        ("+442079460018", "Europe/London", 1, Disposition::Abandoned, 72 * hour - second, "law_rest"),
        ("+442079460018", "Europe/London", 1, Disposition::Abandoned, 72 * hour + second, "allow"),
        ("+442079460018", "Europe/London", 1, Disposition::Machine, 12 * hour, "law_rest"),
        ("+442079460018", "Europe/London", 1, Disposition::Machine, 12 * hour + second, "allow"),
    ] {
        let at = local(zone, "2026-11-18 12:00");
        let mut options = open_options("");
        options.law.purpose = Some(Purpose::Sales);
        let first = earlier(at, ago);
        let past = |_| PastAttempt { at: first, ended_at: Some(first), disposition: Some(ended) };
        let given = [("consent", "written"), ("consent_at", "2026-01-02")];
        let called = Contact { history: (0..made).map(past).collect(), ..consenting(number, &given) };
        assert_eq!(ask(&options, &called, at, &listed(at)), expected, "{number} {made} {ended} {ago:?}");
    }
}

#[test]
fn the_france_of_before_august_2026_asked_for_no_consent() {
    let mut options = open_options("");
    options.law.purpose = Some(Purpose::Sales);
    for (clock, expected) in [("2026-08-10 12:00", "allow"), ("2026-08-11 12:00", "never no_consent")] {
        let at = local("Europe/Paris", clock);
        assert_eq!(ask(&options, &contact(1, "+33123456789"), at, &Ledger::new()), expected, "{clock}");
    }
    options.law.purpose = Some(Purpose::Service);
    let at = local("Europe/Paris", "2026-08-11 12:00");
    assert_eq!(ask(&options, &contact(1, "+33123456789"), at, &Ledger::new()), "allow");
}

#[test]
fn number_and_address_each_bring_their_law_and_their_clock() {
    let mut options = open_options("");
    options.law.purpose = Some(Purpose::Sales);
    let given = [("consent", "written"), ("consent_at", "2026-01-02"), ("state", "FL")];
    for (number, clock, expected) in [
        // A number of California, an address in Florida, whose western counties keep Central time: 8 to 21 in the one,
        // 8 to 20 in all by the law of the other.
        ("+12135550101", "2026-11-18 10:59", "law_hours"),
        ("+12135550101", "2026-11-18 11:00", "allow"),
        ("+12135550101", "2026-11-18 19:59", "allow"),
        ("+12135550101", "2026-11-18 20:00", "law_hours"),
    ] {
        let at = local("America/New_York", clock);
        assert_eq!(ask(&options, &consenting(number, &given), at, &listed(at)), expected, "{number} {clock}");
    }
}

/// All lists, fresh and empty.
fn listed(at: WallTime) -> Ledger {
    let mut ledger = Ledger::new();
    for kind in ["us-national", "us-texas", "uk-tps", "ca-national", "au-dncr"] {
        ledger.put_list(list(kind, at, &[]));
    }
    ledger
}
