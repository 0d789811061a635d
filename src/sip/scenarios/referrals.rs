//! REFER within a call, of the peer and ours, with the NOTIFYs that follow.

use super::check;

/// A call that allows transfers and is up after `0.200`.
fn check_in_call(script: &str) {
    check(&format!(
        "
         0.000 * invite transfer
         0.000 > INVITE sdp=offer
         0.200 < 200 tag=them sdp=answer
         0.200 > ACK tag=them
         0.200 ! answered sdp=answer
         {script}"
    ));
}

/// The end of it at `99.000`.
const BYE: &str = "
        99.000 < BYE
        99.000 > 200 BYE
        99.000 ! hung up
        99.000 ! ended";

#[test]
fn an_accepted_refer_is_reported_on_one_notify_after_the_other_until_its_final_status() {
    check_in_call(&format!(
        "
         1.000 < REFER | Refer-To: <sip:700@pbx.example>
         1.000 ! referred to sip:700@pbx.example
         1.010 * accept
         1.010 > 202 REFER
         1.010 > NOTIFY tag=them subscription=active;expires=180 event=refer sdp=SIP/2.0 100 Trying
         1.020 * report 180
         1.030 < 200 NOTIFY
         1.030 > NOTIFY tag=them subscription=active;expires=180 event=refer sdp=SIP/2.0 180 Ringing
         1.040 < 200 NOTIFY
         5.000 * report 200
         5.000 > NOTIFY tag=them subscription=terminated;reason=noresource event=refer sdp=SIP/2.0 200 OK
         5.010 < 200 NOTIFY
         6.000 * report 200
         7.000 < REFER cseq=200 | Refer-To: <sip:701@pbx.example?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>
         7.000 ! referred to sip:701@pbx.example replaces=a;to-tag=b;from-tag=c
         7.010 < REFER cseq=201 | Refer-To: <sip:702@pbx.example>
         7.010 > 491 REFER
         7.020 * accept
         7.020 > 202 REFER
         7.020 > NOTIFY tag=them subscription=active;expires=180 event=refer;id=200 sdp=SIP/2.0 100 Trying
         7.030 < 481 NOTIFY
         8.000 * report 486
        {}",
        BYE.replace("< BYE", "< BYE cseq=300")
    ));
}

#[test]
fn a_subscription_is_refreshed_and_ended_by_whoever_has_it() {
    check_in_call(&format!(
        "
         0.900 < SUBSCRIBE | Event: refer | Expires: 60
         0.900 > 481 SUBSCRIBE
         1.000 < REFER | Refer-To: <sip:700@pbx.example>
         1.000 ! referred to sip:700@pbx.example
         1.010 * accept
         1.010 > 202 REFER
         1.010 > NOTIFY tag=them subscription=active;expires=180 event=refer sdp=SIP/2.0 100 Trying
         1.030 < 200 NOTIFY
         1.040 * report 180
         1.040 > NOTIFY tag=them subscription=active;expires=180 event=refer sdp=SIP/2.0 180 Ringing
         1.050 < 200 NOTIFY
         2.000 < SUBSCRIBE | Event: dialog
         2.000 > 489 SUBSCRIBE
         3.000 < SUBSCRIBE | Event: refer;id=102 | Expires: 600
         3.000 > 200 SUBSCRIBE
         3.000 > NOTIFY tag=them subscription=active;expires=180 event=refer sdp=SIP/2.0 180 Ringing
         3.010 < 200 NOTIFY
         4.000 < SUBSCRIBE | Event: refer;id=9 | Expires: 0
         4.000 > 481 SUBSCRIBE
         5.000 < SUBSCRIBE | Event: refer | Expires: 0
         5.000 > 200 SUBSCRIBE
         5.000 > NOTIFY tag=them subscription=terminated;reason=timeout event=refer sdp=SIP/2.0 180 Ringing
         5.010 < 200 NOTIFY
         6.000 * report 200
         7.000 < SUBSCRIBE | Event: refer | Expires: 0
         7.000 > 481 SUBSCRIBE{BYE}"
    ));
}

#[test]
fn a_refer_may_be_declined_or_malformed_or_want_no_reports() {
    check_in_call(&format!(
        "
         1.000 < REFER | Refer-To: <sip:+88212345@h>
         1.000 ! referred to sip:+88212345@h
         1.010 * decline
         1.010 > 603 REFER
         2.000 < REFER
         2.000 > 400 REFER
         2.100 < REFER | Refer-To: <sip:700@pbx;method=BYE>
         2.100 > 603 REFER
         3.000 < REFER | Refer-To: sip:700@pbx | Refer-Sub: false | Supported: norefersub
         3.000 ! referred to sip:700@pbx
         3.010 * accept
         3.010 > 202 REFER subscribed=false
         3.020 * report 200
         4.000 < NOTIFY | Event: refer
         4.000 > 481 NOTIFY{BYE}"
    ));
}

#[test]
fn a_subscription_ends_with_the_call() {
    check_in_call(
        "
         1.000 < REFER | Refer-To: <sip:700@pbx.example>
         1.000 ! referred to sip:700@pbx.example
         1.010 * accept
         1.010 > 202 REFER
         1.010 > NOTIFY tag=them subscription=active;expires=180 event=refer sdp=SIP/2.0 100 Trying
         1.020 < 200 NOTIFY
         1.030 < BYE
         1.030 > 200 BYE
         1.030 ! hung up
         1.030 > NOTIFY tag=them subscription=terminated;reason=noresource event=refer sdp=SIP/2.0 100 Trying
         1.030 ! ended
         1.040 < 481 NOTIFY
        ",
    );
    check_in_call(
        "
         1.000 < REFER | Refer-To: <sip:700@pbx.example>
         1.000 ! referred to sip:700@pbx.example
         1.010 * hangup
         1.010 > 487 REFER
         1.010 > BYE tag=them
         1.010 ! ended
         1.040 < 200 BYE
        ",
    );
}

#[test]
fn our_refer_is_told_of_by_its_notifies_even_before_its_own_answer() {
    check_in_call(&format!(
        "
         1.000 * refer sip:700@pbx.example
         1.000 > REFER tag=them to=<sip:700@pbx.example>
         1.010 < NOTIFY sdp=SIP/2.0%100 | Event: refer | Subscription-State: active;expires=60
         1.010 > 200 NOTIFY
         1.010 ! refer 100
         1.020 < 202 REFER
         1.100 < NOTIFY sdp=SIP/2.0%180 | Event: refer | Subscription-State: active;expires=60
         1.100 > 200 NOTIFY
         1.100 ! refer 180
         1.150 < NOTIFY | Event: dialog
         1.150 > 489 NOTIFY
         2.000 < NOTIFY sdp=SIP/2.0%200 | Event: refer | Subscription-State: terminated;reason=noresource
         2.000 > 200 NOTIFY
         2.000 ! refer 200
         3.000 * refer sip:701@pbx.example
         3.000 > REFER tag=them to=<sip:701@pbx.example>
         3.010 < 407 REFER | Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\"
         3.010 > REFER tag=them authorized to=<sip:701@pbx.example>
         3.020 < 603 REFER
         3.020 ! refer 603
         4.000 * refer sip:702@pbx.example
         4.000 > REFER tag=them to=<sip:702@pbx.example>
         4.010 < 202 REFER
         5.000 < NOTIFY | Event: refer | Subscription-State: terminated;reason=giveup
         5.000 > 200 NOTIFY
         5.000 ! refer 408{BYE}"
    ));
}
