//! Trunks that die, rest, move and come back, under a virtual clock.

use super::*;
use crate::sip::endpoint::Loss;
use crate::sip::locate::{Answer as DnsAnswer, Data, Failure, Kind, Record};
use std::net::IpAddr;

pub(super) const FAST: &str = "calls_per_minute = 6000.0\nlines_max = 10\nmax_attempts = 3";

const TWO: [&str; 2] = ["priority = 1", "priority = 2"];

/// A trunk that the DNS knows by two servers.
pub(super) const NAMED: &str = "host = \"gw.example\"";

#[test]
fn fault_2_a_trunk_dead_from_the_start_is_left_within_four_seconds_and_the_callee_is_rung_once() {
    let mut stage = Stage::with_rules(&TWO, Human::HangUp, FAST);
    stage.contacts(&["+12125550101"]);
    stage.pass(4_000);
    let invites = stage.invites();
    assert_eq!(places(&invites), [1, 2], "{invites:?}");
    assert!(invites[1].at <= at(4_000), "{invites:?}");
    assert_ne!(invites[0].branch, invites[1].branch);
    assert_ne!(invites[0].call_id, invites[1].call_id);
    stage.answers(&invites[1].request.clone(), 180);
    stage.answers(&invites[1].request.clone(), 486);
    stage.pass(60_000);
    assert_eq!(stage.invites().len(), 0, "nobody rings a phone twice");
    assert_eq!(stage.records.len(), 1, "one attempt, one record");
    assert_eq!(
        (stage.records[0].disposition, stage.records[0].trunk.as_str()),
        (Disposition::Busy, "trunk-1")
    );
}

#[test]
fn fault_2_an_answer_of_a_trunk_that_was_given_up_is_ended_and_the_callee_not_joined_twice() {
    let mut stage = Stage::with_rules(&TWO, Human::HangUp, FAST);
    stage.contacts(&["+12125550101"]);
    stage.pass(4_000);
    let invites = stage.invites();
    stage.answers(&invites[1].request.clone(), 180);
    stage.sent.clear();
    stage.answers(&invites[0].request.clone(), 200);
    let methods: Vec<String> = stage.sent.iter().map(|request| request.method().to_string()).collect();
    assert_eq!(methods, ["ACK", "BYE"], "the late answer is acknowledged and ended at once");
    stage.answers(&invites[1].request.clone(), 486);
    assert_eq!(stage.records.len(), 1);
}

#[test]
fn fault_2_a_trunk_that_dies_in_mid_call_gives_its_channel_back_and_the_next_call_goes_elsewhere() {
    let mut stage = Stage::with_rules(&TWO, Human::HangUp, FAST);
    stage.contacts(&["+12125550101", "+12125550102"]);
    stage.pass(1_000);
    let invites = stage.invites();
    assert_eq!(places(&invites), [1, 1]);
    stage.answers(&invites[0].request.clone(), 200);
    assert_eq!(stage.channels(), [2, 0]);
    // From now on it is silent: the second INVITE, the first call's BYE.
    stage.pass(4_000);
    let moved = stage.invites();
    assert_eq!(places(&moved), [2], "{moved:?}");
    assert_eq!(stage.channels(), [0, 1], "the BYE frees the channel, answered or not");
    stage.answers(&moved[0].request.clone(), 486);
    stage.pass(64_000);
    assert_eq!(stage.records.len(), 2, "one record each");
    let counts = stage.engine.status(stage.now).sip;
    assert_eq!((counts.sessions, counts.client_transactions), (0, 0), "all is given back");
}

#[test]
fn fault_2_a_flapping_trunk_turns_after_two_pings_only() {
    let mut stage = Stage::new(&["options_interval_s = 30"], Human::HangUp);
    // Every second OPTIONS is answered.
    let mut count = 0;
    for _ in 0..600 {
        for ping in stage.invites_and_pings().1 {
            count += 1;
            if count % 2 == 0 {
                stage.answers(&ping.request.clone(), 200);
            }
        }
        stage.pass(500);
    }
    assert!(count > 15, "{count} OPTIONS");
    assert_eq!(stage.journal, [""; 0], "neither down nor up again");
    stage.pass(45_000);
    assert_eq!(stage.state(0), "down: OPTIONS goes unanswered");
    stage.invites_and_pings();
    for _ in 0..40 {
        for ping in stage.invites_and_pings().1 {
            stage.answers(&ping.request.clone(), 200);
        }
        stage.pass(500);
    }
    assert_eq!(stage.state(0), "available");
    assert_eq!(stage.journal.len(), 2, "down and up again: {:?}", stage.journal);
}

#[test]
fn a_503_to_options_means_full_and_a_403_is_told() {
    for status in [503, 403, 404, 401, 500] {
        let mut stage = Stage::new(&["options_interval_s = 30"], Human::HangUp);
        stage.pass(0);
        for _ in 0..4 {
            let ping = stage.last_ping();
            stage.answers(&ping, status);
            stage.pass(30_000);
        }
        assert_eq!(stage.state(0), "available", "{status}: it lives");
        let told = format!("trunk trunk-0 answers OPTIONS with {status}: it lives, but look into it");
        assert_eq!(stage.journal, [told], "it is told once");
        assert_eq!(stage.engine.status(stage.now).trunks[0].options_status, Some(status));
    }
}

#[test]
fn fault_20_retry_after_is_kept_to_half_a_second_and_no_storm_follows() {
    for (status, asked, rests) in [(503, "20", 20_000), (500, "5", 5_000), (503, "99999999", 3_600_000)] {
        let mut stage = Stage::with_rules(&["calls_per_second_max = 10.0"], Human::HangUp, FAST);
        stage.contacts(&["+12125550101"]);
        let invite = stage.sent(Method::Invite);
        stage.pass(100);
        stage.answers_with(&invite, status, &[("Retry-After", asked)]);
        stage.sent.clear();
        stage.targets.clear();
        let said = stage.now.instant;
        let numbers: Vec<String> = (0..8).map(|n| format!("+1212555020{n}")).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        stage.contacts(&numbers);
        stage.pass(rests - 500);
        assert_eq!(stage.invites().len(), 0, "{status}: nothing leaves while it rests");
        stage.pass(1_000);
        let first = stage.invites();
        assert_eq!(first.len(), 1, "{status}: one call tries, the others wait for it: {first:?}");
        let off = (first[0].at - said).as_millis() as i64 - rests as i64;
        assert!(off.abs() <= 500, "{status}: {off} ms off");
        // It still does not want to.
        stage.answers_with(&first[0].request.clone(), 503, &[("Retry-After", "10")]);
        stage.pass(9_500);
        assert_eq!(stage.invites().len(), 0, "{status}: no storm");
        stage.pass(1_000);
        let again = stage.invites();
        assert_eq!(again.len(), 1);
        stage.answers(&again[0].request.clone(), 180);
        stage.pass(1_000);
        assert_eq!(stage.invites().len(), 6, "it works again, so all go");
        // What had met the 503 is tried again later.
        assert_eq!(stage.contact_states, ["pending", "pending"], "{status}: the contacts are not burnt");
    }
}

#[test]
fn fault_20_a_503_leads_the_call_to_the_next_trunk_at_once() {
    let mut stage = Stage::with_rules(&TWO, Human::HangUp, FAST);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.answers_with(&first, 503, &[("Retry-After", "60")]);
    let second = stage.sent(Method::Invite);
    stage.answers(&second, 486);
    stage.contacts(&["+12125550102"]);
    stage.pass(2_000);
    let invites = stage.invites();
    assert!(!invites.is_empty() && places(&invites).iter().all(|place| *place == 2), "{invites:?}");
    assert_eq!(stage.state(0), "resting for 58 s");
}

#[test]
fn an_invite_that_was_committed_while_its_trunk_came_to_a_rest_does_not_leave_through_it() {
    let mut stage = Stage::with_rules(&TWO, Human::HangUp, FAST);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.hold_commits = true;
    stage.contacts(&["+12125550102"]);
    stage.pass(50);
    stage.answers_with(&first, 503, &[("Retry-After", "60")]);
    stage.hold_commits = false;
    stage.commit_held();
    let invites = stage.invites();
    assert_eq!(places(&invites), [2, 2], "both went on to the second trunk: {invites:?}");
    assert_eq!(stage.channels(), [0, 2]);
}

#[test]
fn five_failures_open_the_breaker_one_call_tries_and_then_all_go_again() {
    let rules = "calls_per_minute = 6000.0\nlines_max = 10\nmax_attempts = 1";
    let mut stage = Stage::with_rules(&["calls_per_second_max = 10.0"], Human::HangUp, rules);
    let numbers: Vec<String> = (10..40).map(|n| format!("+121255501{n}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    stage.contacts(&numbers);
    for _ in 0..5 {
        stage.pass(150);
        let invite = stage.sent(Method::Invite);
        stage.answers(&invite, 500);
    }
    assert!(stage.state(0).starts_with("failed too often, rests for 30 s"), "{}", stage.state(0));
    assert!(stage.journal.contains(&"trunk trunk-0 fails too often and rests for 30 s".to_owned()));
    let out: Vec<SipRequest> = stage.invites().into_iter().map(|invite| invite.request).collect();
    out.iter().for_each(|invite| stage.answers(invite, 500));
    stage.pass(29_000);
    assert_eq!(stage.invites().len(), 0);
    stage.pass(1_500);
    let tries = stage.invites();
    assert_eq!(tries.len(), 1, "one tries");
    assert_eq!(stage.engine.status(stage.now).trunks[0].breaker, "half-open");
    stage.answers(&tries[0].request.clone(), 180);
    stage.pass(1_000);
    assert!(stage.invites().len() >= 5);
    assert_eq!(stage.engine.status(stage.now).trunks[0].breaker, "closed");
    let quality = stage.engine.status(stage.now).trunks[0].quality;
    assert_eq!(quality.answer_seizure_ratio, Some(0.0), "{quality:?}");
}

#[test]
fn the_owner_of_a_trunk_says_which_statuses_lead_to_the_next() {
    let mut stage =
        Stage::with_rules(&["priority = 1\nfailover_on = [404]", "priority = 2"], Human::HangUp, FAST);
    stage.contacts(&["+12125550101", "+12125550102"]);
    stage.pass(500);
    let invites = stage.invites();
    stage.answers(&invites[0].request.clone(), 404);
    stage.answers(&invites[1].request.clone(), 503);
    assert_eq!(places(&stage.invites()), [2], "404 leads on, 503 does not");
    assert_eq!(stage.records.len(), 1);
}

#[test]
fn fault_31_a_first_target_that_is_dead_costs_one_call_four_seconds_and_the_next_nothing() {
    let mut stage = Stage::with_rules(&[NAMED], Human::HangUp, FAST);
    assert_eq!(stage.state(0), "no address of it is known");
    stage.zone(&two_servers(), 300);
    stage.contacts(&["+12125550101"]);
    stage.pass(4_000);
    let invites = stage.invites();
    assert_eq!(places(&invites), [71, 72], "{invites:?}");
    assert!(invites[1].at <= at(4_000), "{invites:?}");
    assert_ne!(invites[0].branch, invites[1].branch);
    stage.answers(&invites[1].request.clone(), 180);
    stage.answers(&invites[1].request.clone(), 486);
    stage.contacts(&["+12125550102"]);
    stage.pass(500);
    let next = stage.invites();
    assert_eq!(places(&next), [72], "it sticks to the one that lives");
    stage.answers(&next[0].request.clone(), 486);
    assert_eq!((stage.records.len(), stage.channels()), (2, vec![0]));
    let hops = stage.engine.status(stage.now).trunks[0].hops.clone();
    let states: Vec<(&str, bool)> = hops.iter().map(|hop| (hop.state.as_str(), hop.next)).collect();
    assert_eq!(states, [("dead", false), ("alive", true)]);
    assert_eq!(stage.engine.status(stage.now).trunks[0].breaker, "closed", "the trunk itself works");
}

#[test]
fn a_refused_connection_and_a_503_lead_to_the_next_target_at_once() {
    for refused in [true, false] {
        let mut stage = Stage::with_rules(&[NAMED], Human::HangUp, FAST);
        stage.zone(&two_servers(), 300);
        stage.contacts(&["+12125550101"]);
        let first = stage.invites();
        if refused {
            let target = Target::new(Transport::Udp, first[0].to);
            stage.engine.handle_undelivered(stage.now, target, Loss::Broken);
            stage.settle();
        } else {
            stage.answers(&first[0].request.clone(), 503);
        }
        let second = stage.invites();
        assert_eq!(places(&second), [72]);
        assert_eq!(second[0].at, stage.now.instant);
        assert_eq!(stage.records.len(), 0, "the attempt goes on");
    }
}

#[test]
fn a_call_of_which_only_a_100_was_heard_goes_on_where_its_trunk_cannot_be_reached_any_more() {
    let mut stage = Stage::with_rules(&["transport = \"tcp\"", "priority = 2"], Human::HangUp, FAST);
    stage.contacts(&["+12125550101"]);
    let first = stage.invites();
    assert_eq!(places(&first), [1]);
    stage.answers(&first[0].request.clone(), 100);
    let target = Target::new(Transport::Tcp, first[0].to);
    stage.engine.handle_undelivered(stage.now, target, Loss::Refused);
    stage.settle();
    assert_eq!(places(&stage.invites()), [2]);
    assert_eq!(stage.records.len(), 0, "the attempt goes on");
}

#[test]
fn a_503_with_retry_after_of_one_target_leaves_the_others_in_use() {
    let mut stage = Stage::with_rules(&[NAMED], Human::HangUp, FAST);
    stage.zone(&two_servers(), 300);
    stage.contacts(&["+12125550101"]);
    let first = stage.invites();
    stage.answers_with(&first[0].request.clone(), 503, &[("Retry-After", "30")]);
    let second = stage.invites();
    stage.answers(&second[0].request.clone(), 486);
    stage.contacts(&["+12125550102"]);
    stage.pass(50);
    assert_eq!(places(&stage.invites()), [72]);
    assert_eq!(stage.state(0), "available");
}

#[test]
fn when_all_targets_are_dead_the_next_trunk_is_tried() {
    let mut stage = Stage::with_rules(&[NAMED, "priority = 2"], Human::HangUp, FAST);
    stage.zone(&two_servers(), 300);
    stage.contacts(&["+12125550101"]);
    stage.pass(8_000);
    assert_eq!(places(&stage.invites()), [71, 72, 2]);
}

#[test]
fn fault_31_the_source_filter_follows_the_records_and_a_call_that_is_up_keeps_its_address() {
    let mut stage = Stage::with_rules(&[NAMED], Human::HangUp, FAST);
    let takes = |stage: &Stage, n: u8| stage.engine.takes_from(IpAddr::from([198, 51, 100, n]));
    assert!(!takes(&stage, 71));
    stage.zone(&two_servers(), 10);
    assert!(takes(&stage, 71) && takes(&stage, 72));
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 180);
    stage.pass(8_000);
    stage.zone(&[(Kind::A, "gw.example", Data::A([198, 51, 100, 73].into()))], 10);
    assert!(takes(&stage, 73) && !takes(&stage, 72));
    assert!(takes(&stage, 71), "its call is still up");
    assert!(
        stage.journal.contains(&"trunk trunk-0 is at 198.51.100.73:5060 (UDP)".to_owned()),
        "{:?}",
        stage.journal
    );
    stage.answers(&invite, 486);
    stage.pass(31_000);
    assert!(takes(&stage, 71), "its refusal may come again");
    stage.pass(2_000);
    assert!(!takes(&stage, 71));
    stage.targets.clear();
    stage.sent.clear();
    stage.contacts(&["+12125550102"]);
    stage.pass(50);
    assert_eq!(places(&stage.invites()), [73]);
}

#[test]
fn fault_31_servfail_while_running_is_told_and_calls_go_on() {
    for failure in [Failure::Refused, Failure::TimedOut, Failure::Unreadable] {
        let mut stage = Stage::with_rules(&[NAMED], Human::HangUp, FAST);
        stage.zone(&two_servers(), 10);
        stage.journal.clear();
        for _ in 0..60 {
            stage.pass(10_000);
            stage.dns(&|_| Err(failure));
        }
        assert_eq!(stage.journal.len(), 1, "it is told once: {:?}", stage.journal);
        assert!(stage.journal[0].ends_with("goes on with what was known"), "{:?}", stage.journal);
        assert!(!stage.engine.status(stage.now).trunks[0].dns.is_empty());
        stage.contacts(&["+12125550101"]);
        assert_eq!(places(&stage.invites()), [71]);
        for _ in 0..10 {
            stage.pass(5_000);
            stage.zone(&two_servers(), 10);
        }
        let back = |line: &&String| *line == "trunk trunk-0 DNS: the DNS answers again";
        assert_eq!(stage.journal.iter().filter(back).count(), 1, "{:?}", stage.journal);
    }
}

#[test]
fn a_dead_target_is_probed_and_gone_back_to() {
    let mut stage = Stage::with_rules(&[&format!("{NAMED}\noptions_interval_s = 30")], Human::HangUp, FAST);
    stage.zone(&two_servers(), 3_000);
    stage.contacts(&["+12125550101"]);
    stage.pass(4_000);
    let invites = stage.invites_and_pings();
    assert_eq!(places(&invites.0), [71, 72]);
    stage.answers(&invites.0[1].request.clone(), 486);
    // The second answers OPTIONS, the first does so again after a while.
    let mut lives = 0;
    for _ in 0..12 {
        stage.pass(1_000);
        let (_, pings) = stage.invites_and_pings();
        for ping in pings {
            lives += 1;
            stage.answers(&ping.request.clone(), 200);
        }
    }
    assert!(lives >= 3, "{lives} OPTIONS were answered");
    stage.contacts(&["+12125550102"]);
    stage.pass(50);
    assert_eq!(places(&stage.invites_and_pings().0), [71], "{:?}", stage.journal);
}

fn at(ms: u64) -> Instant {
    Instant::from_start(Duration::from_millis(ms))
}

pub(super) fn two_servers() -> Vec<(Kind, &'static str, Data)> {
    let srv =
        |priority: u16, target: &str| Data::Srv { priority, weight: 1, port: 5070, target: target.into() };
    vec![
        (Kind::Srv, "_sip._udp.gw.example", srv(1, "a.gw.example")),
        (Kind::Srv, "_sip._udp.gw.example", srv(2, "b.gw.example")),
        (Kind::A, "a.gw.example", Data::A([198, 51, 100, 71].into())),
        (Kind::A, "b.gw.example", Data::A([198, 51, 100, 72].into())),
    ]
}

/// A request that was sent, the first of its copies.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) request: SipRequest,
    pub(super) to: SocketAddr,
    pub(super) at: Instant,
    branch: String,
    call_id: String,
}

/// The last numbers of the addresses that they went to.
fn places(sent: &[Sent]) -> Vec<u8> {
    let last = |sent: &Sent| match sent.to.ip() {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(_) => 0,
    };
    sent.iter().map(last).collect()
}

impl Stage {
    /// The INVITEs that were sent since the last time, copies left out.
    pub(super) fn invites(&mut self) -> Vec<Sent> {
        self.invites_and_pings().0
    }

    fn invites_and_pings(&mut self) -> (Vec<Sent>, Vec<Sent>) {
        let [invites, pings, _] = self.news();
        (invites, pings)
    }

    /// The INVITEs, OPTIONS and REGISTERs that were sent since the last time, copies left out.
    pub(super) fn news(&mut self) -> [Vec<Sent>; 3] {
        let [mut invites, mut pings, mut registers] = [const { Vec::new() }; 3];
        while let (Some(request), Some((to, at))) = (self.sent.pop_front(), self.targets.pop_front()) {
            let via = request.headers().get("Via").expect("every request has one").to_owned();
            let branch = via.split("branch=").nth(1).unwrap_or_default().to_owned();
            let call_id = request.headers().call_id().expect("every request has one").to_owned();
            let of_kind = match request.method() {
                Method::Invite => &mut invites,
                Method::Options => &mut pings,
                Method::Register => &mut registers,
                _ => continue,
            };
            if !self.known.contains(&branch) {
                self.known.insert(branch.clone());
                of_kind.push(Sent { request, to, at, branch, call_id });
            }
        }
        [invites, pings, registers]
    }

    fn last_ping(&mut self) -> SipRequest {
        let (_, mut pings) = self.invites_and_pings();
        pings.pop().expect("an OPTIONS was sent").request
    }

    pub(super) fn state(&self, place: usize) -> String {
        self.engine.status(self.now).trunks[place].state.clone()
    }

    /// Answers whatever the engine asks of the DNS now, and in consequence.
    fn dns(&mut self, answer: &dyn Fn(&Question) -> DnsAnswer) {
        while let Some(question) = self.asked.pop_front() {
            self.engine.handle_dns(self.now, &question, answer(&question));
            self.settle();
        }
    }

    /// Answers by these records.
    pub(super) fn zone(&mut self, records: &[(Kind, &str, Data)], ttl_s: u64) {
        let ttl = Duration::from_secs(ttl_s);
        self.dns(&|question| {
            let fits =
                records.iter().filter(|(kind, name, _)| (*kind, *name) == (question.kind, &question.name));
            let found: Vec<Record> = fits.map(|(_, _, data)| Record { ttl, data: data.clone() }).collect();
            if found.is_empty() { Err(Failure::NoData(Some(ttl))) } else { Ok(found) }
        });
    }
}

#[test]
fn trunks_come_change_and_go_under_running_calls() {
    let mut stage = Stage::with_rules(&["channels_max = 1", "priority = 2"], Human::HangUp, FAST);
    stage.contacts(&["+12125550101"]);
    let up = stage.invites();
    stage.answers(&up[0].request.clone(), 180);
    let takes = |stage: &Stage, n: u8| stage.engine.takes_from(IpAddr::from([198, 51, 100, n]));
    // The first changes its cap, the second goes, a third comes by its name.
    let renewed = stage
        .engine
        .handle_trunks(stage.now, vec![trunk_setup(0, "channels_max = 2"), trunk_setup(2, NAMED)]);
    assert_eq!((renewed.added, renewed.changed, renewed.retired), (1, 1, 1));
    stage.settle();
    stage.zone(&two_servers(), 300);
    assert!(takes(&stage, 1) && !takes(&stage, 2) && takes(&stage, 71));
    stage.contacts(&["+12125550102"]);
    stage.pass(200);
    assert_eq!(places(&stage.invites()), [1], "there is room for another now");
    // The first goes too; its calls stay.
    stage.engine.handle_trunks(stage.now, vec![trunk_setup(2, NAMED)]);
    assert!(takes(&stage, 1), "two calls are up");
    assert_eq!(stage.engine.status(stage.now).trunks.len(), 2, "it is shown while it carries calls");
    stage.answers(&up[0].request.clone(), 486);
    assert_eq!(stage.records.len(), 1, "and ends as ever");
    let again = stage.engine.handle_trunks(stage.now, vec![trunk_setup(2, NAMED)]);
    assert_eq!((again.added, again.changed, again.retired), (0, 0, 0));
}

#[test]
fn further_addresses_of_a_trunk_are_taken_as_it_is_configured_at_the_time() {
    let with = |last: u8| format!("peers = [\"198.51.100.{last}\", \"198.51.100.79\"]");
    let mut stage = Stage::with_rules(&[&with(77)], Human::HangUp, FAST);
    let takes =
        |stage: &Stage| [77, 78, 79].map(|n| stage.engine.takes_from(IpAddr::from([198, 51, 100, n])));
    assert_eq!(takes(&stage), [true, false, true]);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 180);
    let renewed = stage.engine.handle_trunks(stage.now, vec![trunk_setup(0, &with(78))]);
    assert_eq!(renewed.changed, 1);
    assert_eq!(takes(&stage), [true; 3], "a BYE of the first may be on its way");
    stage.pass(33_000);
    assert_eq!(takes(&stage), [false, true, true]);
    // It goes, comes again, and goes.
    for setups in [vec![], vec![trunk_setup(0, &with(77))], vec![]] {
        let expected = !setups.is_empty();
        stage.engine.handle_trunks(stage.now, setups);
        stage.pass(33_000);
        assert_eq!(takes(&stage), [expected, false, expected]);
    }
}
