//! Registrations and pings.

use super::check;

#[test]
fn a_registration_is_challenged_refreshed_before_its_end_and_taken_back() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"
           0.100 > REGISTER authorized expires=300
           0.200 < 200 REGISTER tag=r | Contact: <sip:outdial@127.0.0.1:5060>;expires=120
           0.200 ! registered for 120
          90.200 > REGISTER authorized expires=300
          90.300 < 200 REGISTER tag=r | Expires: 300
          90.300 ! registered for 300
         100.000 * unregister
         100.000 > REGISTER authorized expires=0
         100.100 < 200 REGISTER tag=r
         100.100 ! unregistered
        ",
    );
}

#[test]
fn a_registrar_that_wants_longer_gets_it() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 423 REGISTER tag=r | Min-Expires: 600
           0.100 > REGISTER expires=600
           0.200 < 423 REGISTER tag=r | Min-Expires: 500
           0.200 ! registration failed 423
           1.000 * unregister
           1.000 ! unregistered needless
        ",
    );
}

#[test]
fn a_failed_registration_rests_as_the_registrar_asks_and_is_tried_again() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 503 REGISTER tag=r | Retry-After: 60
           0.100 ! registration failed 503
          60.100 > REGISTER expires=300
          60.200 < 200 REGISTER tag=r
          60.200 ! registered for 300
          61.000 * unregister
          61.000 > REGISTER expires=0
          61.100 * unreachable
          61.100 ! unregistered unconfirmed
        ",
    );
}

#[test]
fn a_wrong_password_is_not_offered_twice() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
           0.100 > REGISTER authorized expires=300
           0.200 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n2\"
           0.200 ! registration failed 401
           0.300 * unregister
           0.300 ! unregistered needless
        ",
    );
}

#[test]
fn a_new_password_is_shown_at_once_and_not_the_digest_of_the_old_one() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
           0.100 > REGISTER authorized expires=300
           0.200 < 200 REGISTER tag=r
           0.200 ! registered for 300
           1.000 * password changed
           1.000 > REGISTER expires=300
           1.100 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
           1.100 > REGISTER authorized expires=300
           1.200 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n2\"
           1.200 ! registration failed 401
           2.000 * password right
           2.000 > REGISTER expires=300
           2.050 * password right
           2.100 < 401 REGISTER tag=r | WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n3\"
           2.100 > REGISTER authorized expires=300
           2.200 < 200 REGISTER tag=r
           2.200 ! registered for 300
           3.000 * unregister
           3.000 > REGISTER authorized expires=0
           3.100 < 200 REGISTER tag=r
           3.100 ! unregistered
        ",
    );
}

#[test]
fn a_registration_whose_refresh_is_not_answered_in_its_time_has_lapsed() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 200 REGISTER tag=r | Expires: 6
           0.100 ! registered for 6
           5.100 > REGISTER expires=300
           5.600 > REGISTER expires=300
           6.100 ! registration lapsed
           6.600 > REGISTER expires=300
           6.700 < 200 REGISTER tag=r | Expires: 300
           6.700 ! registered for 300
           7.000 * unregister
           7.000 > REGISTER expires=0
           7.100 < 200 REGISTER tag=r
           7.100 ! unregistered
        ",
    );
}

#[test]
fn unregistering_while_registering_waits_for_the_answer() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 * unregister
           0.200 < 200 REGISTER tag=r
           0.200 ! registered for 300
           0.200 > REGISTER expires=0
           0.300 < 200 REGISTER tag=r
           0.300 ! unregistered
        ",
    );
}

#[test]
fn a_registration_for_no_time_is_none_and_one_for_seconds_is_refreshed_halfway() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 200 REGISTER tag=r | Contact: <sip:outdial@127.0.0.1:5060>;expires=0
           0.100 ! registration failed 200
           4.000 * password secret
           4.000 > REGISTER expires=300
           4.100 < 200 REGISTER tag=r | Expires: 4
           4.100 ! registered for 4
           6.100 > REGISTER expires=300
           6.200 < 200 REGISTER tag=r | Expires: 18446744073709551615
           6.200 ! registered for 86400
           7.000 * unregister
           7.000 > REGISTER expires=0
           7.100 < 200 REGISTER tag=r
           7.100 ! unregistered
        ",
    );
}

#[test]
fn a_registrar_that_wants_more_than_a_day_is_refused_and_asked_for_our_own_time_again() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 423 REGISTER tag=r | Min-Expires: 600
           0.100 > REGISTER expires=600
           0.200 < 423 REGISTER tag=r | Min-Expires: 4294967296
           0.200 ! registration failed 423
           1.000 * password secret
           1.000 > REGISTER expires=300
           1.100 < 423 REGISTER tag=r | Min-Expires: 86401
           1.100 ! registration failed 423
           2.000 * unregister
           2.000 ! unregistered needless
        ",
    );
}

#[test]
fn what_may_still_be_registered_is_taken_back_although_the_refresh_failed() {
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 200 REGISTER tag=r
           0.100 ! registered for 300
         240.100 > REGISTER expires=300
         240.200 < 503 REGISTER tag=r | Retry-After: 60
         240.200 ! registration failed 503
         241.000 * unregister
         241.000 > REGISTER expires=0
         241.100 < 403 REGISTER tag=r
         241.100 ! unregistered unconfirmed
        ",
    );
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 200 REGISTER tag=r
           0.100 ! registered for 300
         240.100 > REGISTER expires=300
         240.150 * unregister
         240.200 < 503 REGISTER tag=r
         240.200 > REGISTER expires=0
         240.300 < 200 REGISTER tag=r
         240.300 ! unregistered
        ",
    );
}

#[test]
fn a_registration_that_moves_does_not_wait_for_whom_it_leaves() {
    // The request that was under way repeats itself to its end, with a lower number than those that count.
    check(
        "
           0.000 * register
           0.000 > REGISTER expires=300
           0.100 < 200 REGISTER tag=r | Expires: 100
           0.100 ! registered for 100
           1.000 * move 2
           3.000 > REGISTER expires=300
           3.100 * move 0
           3.100 > REGISTER expires=300
           3.200 < 200 REGISTER tag=r | Expires: 300
           3.200 ! registered for 300
           3.500 > REGISTER expires=300
           4.000 * unregister
           4.000 > REGISTER expires=0
           4.050 * move 0
           4.100 < 200 REGISTER tag=r
           4.100 ! unregistered
           4.500 > REGISTER expires=300
           6.500 > REGISTER expires=300
          10.500 > REGISTER expires=300
          14.500 > REGISTER expires=300
          18.500 > REGISTER expires=300
          22.500 > REGISTER expires=300
          26.500 > REGISTER expires=300
          30.500 > REGISTER expires=300
          34.500 > REGISTER expires=300
        ",
    );
}

#[test]
fn a_ping_tells_the_round_trip_of_any_answer() {
    check(
        "
           0.000 * ping
           0.000 > OPTIONS
           0.040 < 404 OPTIONS tag=p
           0.040 ! alive 404 after 40 ms
           1.000 * ping
           1.000 > OPTIONS
           1.100 * unreachable
           1.100 ! no answer
        ",
    );
}
