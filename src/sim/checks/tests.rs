//! Doctored traces: each rule shown to fail when it is broken, beside the trace that breaks none.
//!
//! What the world itself finds (what is left in the engine, contacts' states, deadlines, what cannot be read) is shown to
//! fail in `world/tests.rs`.

use super::*;
use crate::record::EndedBy;
use crate::slab::Key;
use crate::time::{Instant, WallTime};

/// 2026-11-20, 15:00 UTC: 10:00 in New York.
const START_MS: i64 = 1_795_186_800_000;

const ANN: &str = "+12125550101";
const BEN: &str = "+12125550102";
const COE: &str = "+12125550103";

#[test]
fn a_trace_of_right_calls_breaks_no_rule() {
    let mut trace = Trace::new();
    // A challenge, ringing, an answer and its copy, a BYE.
    trace.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 407, "a", 1, "x").invites(0, ANN, "a", 2);
    trace.hears(0, 180, "a", 2, "x").hears(0, 200, "a", 2, "x").sends(0, "ACK", "a", 2, "x").step();
    trace.pass(500).hears(0, 200, "a", 2, "x").sends(0, "ACK", "a", 2, "x").step();
    trace.pass(500).sends(0, "BYE", "a", 3, "x").finish(1, ANN, "a", true);
    // No answer in time, and a second trunk; the answer crosses the CANCEL.
    trace.pass(60_000).commit(2, BEN, "b").invite(0, BEN, "b").pass(4_000);
    trace.commit(2, BEN, "c").invite(1, BEN, "c").hears(1, 180, "c", 1, "x").step();
    trace.sends(1, "CANCEL", "c", 1, "").hears(1, 200, "c", 1, "x");
    trace.sends(1, "ACK", "c", 1, "x").sends(1, "BYE", "c", 2, "x").step().finish(2, BEN, "c", true);
    // An agent's call, which the callee's BYE ends.
    trace.pass(60_000).invite(0, "600", "d").hears(0, 200, "d", 1, "x").sends(0, "ACK", "d", 1, "x").step();
    trace.hears_bye(0, "d", "x").step().stream(0, true);
    for _ in 0..9 {
        trace.pass(20).packet(0);
    }
    trace.stream(0, false).pass(900).stream(0, true).pass(20).packet(0).close(0);
    trace.end();
    assert_eq!(trace.broken(), []);
}

#[test]
fn answers_want_their_ack_and_copies_too() {
    let mut trace = Trace::new();
    trace.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 200, "a", 1, "x").step();
    trace.pass(500).hears(0, 200, "a", 1, "x").sends(0, "ACK", "a", 1, "another").step();
    assert_eq!(trace.broken(), [], "the store has its time");
    trace.pass(3_100).step();
    assert_eq!(trace.broken(), [Rule::EveryAnswerIsAcknowledged]);
    trace.pass(500).hears(0, 200, "a", 1, "x").step();
    assert_eq!(trace.broken(), [Rule::EveryAnswerIsAcknowledged], "a copy is acknowledged at once");
    trace.pass(40_000).hears(0, 200, "a", 1, "x").step();
    assert_eq!(trace.broken(), [], "after 64 * T1 nobody waits for the ACK of a copy");
}

#[test]
fn answers_that_nobody_waits_for_want_a_bye() {
    let mut fork = Trace::new();
    fork.commit(1, ANN, "a")
        .invite(0, ANN, "a")
        .hears(0, 200, "a", 1, "x")
        .sends(0, "ACK", "a", 1, "x")
        .step();
    fork.hears(0, 200, "a", 1, "y").sends(0, "ACK", "a", 1, "y").step();
    assert_eq!(fork.broken(), [Rule::UnwantedAnswersAreEnded]);
    let mut canceled = Trace::new();
    canceled
        .commit(1, ANN, "a")
        .invite(0, ANN, "a")
        .hears(0, 180, "a", 1, "x")
        .sends(0, "CANCEL", "a", 1, "");
    canceled.hears(0, 200, "a", 1, "x").sends(0, "ACK", "a", 1, "x").step();
    assert_eq!(canceled.broken(), [Rule::UnwantedAnswersAreEnded]);
    let mut late = Trace::new();
    late.commit(1, ANN, "a").invite(0, ANN, "a").pass(3_100);
    late.hears(0, 200, "a", 1, "x").sends(0, "ACK", "a", 1, "x").step();
    assert_eq!(late.broken(), [Rule::UnwantedAnswersAreEnded]);
}

#[test]
fn a_cancel_waits_for_a_response() {
    let mut trace = Trace::new();
    trace.commit(1, ANN, "a").invite(0, ANN, "a").sends(0, "CANCEL", "a", 1, "");
    assert_eq!(trace.broken(), [Rule::CancelFollowsAResponse]);
}

#[test]
fn packets_keep_their_beat() {
    let mut twice = Trace::new();
    twice.stream(0, true).pass(20).packet(0).pass(10).packet(0);
    assert_eq!(twice.broken(), [Rule::OnePacketEach20Ms]);
    let mut missing = Trace::new();
    missing.stream(0, true).pass(20).packet(0).pass(40).packet(0);
    assert_eq!(missing.broken(), [Rule::NoPacketIsMissing]);
    let mut never = Trace::new();
    never.stream(0, true).pass(500).close(0);
    assert_eq!(never.broken(), [Rule::NoPacketIsMissing]);
    let mut held = Trace::new();
    held.packet(0).stream(0, true).pass(20).packet(0).stream(0, false).pass(20).packet(0);
    assert_eq!(held.broken(), [Rule::NothingIsSentOnHold; 2]);
}

#[test]
fn channels_are_counted_until_the_wire_frees_them() {
    // The agent's call counts as any other, and the engine's record frees nothing.
    for (said, freed) in [("486", true), ("BYE", true), ("the record", false), ("CANCEL", false)] {
        let mut trace = Trace::new();
        trace.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 180, "a", 1, "x");
        match said {
            "486" => trace.hears(0, 486, "a", 1, "x"),
            "BYE" => {
                trace.hears(0, 200, "a", 1, "x").sends(0, "ACK", "a", 1, "x").sends(0, "BYE", "a", 2, "x")
            }
            "CANCEL" => trace.sends(0, "CANCEL", "a", 1, ""),
            _ => trace.finish(1, ANN, "a", false),
        };
        trace.pass(5_000).invite(0, "600", "b");
        let broken = if freed { vec![] } else { vec![Rule::ChannelsAreKept] };
        assert_eq!(trace.broken(), broken, "after {said}");
    }
    // Nothing was heard: so long it counts, and after a challenge again.
    for (challenged, wait, broken) in
        [(false, 2_999, true), (false, 3_000, false), (true, 2_999, true), (true, 3_000, false)]
    {
        let mut trace = Trace::new();
        trace.commit(1, ANN, "a").invite(0, ANN, "a");
        if challenged {
            trace.pass(1_000).hears(0, 401, "a", 1, "x").invites(0, ANN, "a", 2);
        }
        trace.pass(wait).invite(0, "600", "b");
        let broken = if broken { vec![Rule::ChannelsAreKept] } else { vec![] };
        assert_eq!(trace.broken(), broken, "challenged: {challenged}, after {wait} ms");
    }
}

#[test]
fn lines_are_counted_by_campaign_and_in_all() {
    let mut trace = Trace::new();
    trace.rules.trunks[0].channels_max = 9;
    trace
        .commit(1, ANN, "a")
        .invite(0, ANN, "a")
        .pass(1_000)
        .commit(2, BEN, "b")
        .invite(0, BEN, "b")
        .pass(1_000);
    assert_eq!(trace.broken(), []);
    trace.commit(3, COE, "c").invite(0, COE, "c");
    // The campaign has two lines, the engine too.
    assert_eq!(trace.broken(), [Rule::LinesAreKept; 2]);
}

#[test]
fn the_rate_holds_in_every_second_on_each_trunk_and_on_all() {
    let mut trace = Trace::new();
    trace.rules.trunks.iter_mut().for_each(|trunk| trunk.channels_max = 9);
    trace.commit(1, ANN, "a").invite(0, ANN, "a").pass(999).commit(2, BEN, "b").invite(0, BEN, "b");
    assert_eq!(trace.broken(), [Rule::RateIsKept], "two within a second on a trunk of one a second");
    let mut both = Trace::new();
    both.rules.calls_per_second_max = 1.0;
    both.commit(1, ANN, "a").invite(0, ANN, "a").pass(999).commit(2, BEN, "b").invite(1, BEN, "b");
    assert_eq!(both.broken(), [Rule::RateIsKept]);
    let mut slow = Trace::new();
    slow.rules.trunks[0].calls_per_second_max = 0.5;
    slow.rules.trunks[0].channels_max = 9;
    slow.commit(1, ANN, "a").invite(0, ANN, "a").pass(1_999).commit(2, BEN, "b").invite(0, BEN, "b");
    assert_eq!(slow.broken(), [Rule::RateIsKept]);
}

#[test]
fn nobody_is_rung_outside_the_window_or_from_the_list() {
    let mut trace = Trace::new();
    // 7:00 in Los Angeles.
    trace.commit(1, "+12135550101", "a").invite(0, "+12135550101", "a");
    assert_eq!(trace.broken(), [Rule::WindowIsKept]);
    let mut unknown = Trace::new();
    unknown.commit(1, "+4930123456", "a").invite(0, "+4930123456", "a");
    assert_eq!(unknown.broken(), [Rule::WindowIsKept], "where it is, nobody knows");
    let mut late = Trace::new();
    late.pass(5 * 3_600_000).commit(1, ANN, "a").invite(0, ANN, "a");
    assert_eq!(late.broken(), [Rule::WindowIsKept], "15:00 is the first minute that is closed");
    let mut listed = Trace::new();
    listed.commit(1, ANN, "a").fact(Fact::Suppressed("12125550101")).invite(0, ANN, "a");
    assert_eq!(listed.broken(), [Rule::DoNotCallIsKept]);
}

#[test]
fn a_number_is_in_one_call_keeps_its_distance_and_has_its_attempts() {
    let mut twice = Trace::new();
    twice.commit(1, ANN, "a").invite(0, ANN, "a").pass(1_000).commit(2, ANN, "b").invite(1, ANN, "b");
    assert_eq!(twice.broken(), [Rule::OneCallANumber]);
    let mut hidden = Trace::new();
    hidden.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 180, "a", 1, "x").finish(1, ANN, "a", false);
    hidden.pass(60_000).commit(2, ANN, "b").invite(1, ANN, "b");
    assert_eq!(hidden.broken(), [Rule::OneCallANumber], "the record is written, and the phone still rings");
    let mut unheard = Trace::new();
    unheard.invite(0, "600", "a").pass(40_000).crash(&[]).sends(0, "CANCEL", "a", 1, "");
    assert_eq!(unheard.broken(), [], "the next engine cannot know that it was given up without a response");
    let mut alive = Trace::new();
    alive.invite(0, "600", "a").crash(&[]).invite(0, "600", "z").sends(0, "CANCEL", "z", 1, "");
    assert!(alive.broken().contains(&Rule::CancelFollowsAResponse), "its own calls it knows");
    let mut soon = Trace::new();
    soon.attempt(1, ANN, "a").pass(59_999).attempt(2, ANN, "b");
    assert_eq!(soon.broken(), [Rule::GapsAreKept]);
    let mut often = Trace::new();
    for (id, call_id) in [(1, "a"), (2, "b"), (3, "c")] {
        often.attempt(id, ANN, call_id).pass(60_000);
    }
    assert_eq!(often.broken(), [Rule::AttemptsAreCapped], "two are allowed");
    let mut delayed = Trace::new();
    let delay = (Disposition::Busy, Duration::from_secs(120));
    delayed.campaign().delays.extend([delay]);
    delayed.attempt(1, ANN, "a").pass(60_000).attempt(2, ANN, "b");
    assert_eq!(delayed.broken(), [Rule::GapsAreKept], "busy waits two minutes");
}

#[test]
fn the_law_is_kept_in_hours_caps_and_rests() {
    let hour = Duration::from_secs(3_600);
    for (asked, broken) in [
        (Lawful::Hours(600, 900), false),
        (Lawful::Hours(600, 601), true),
        (Lawful::Cap(2, hour), false),
        (Lawful::Cap(1, hour), true),
        (Lawful::Cap(1, Duration::from_secs(60)), false),
        (Lawful::Rest(vec![Disposition::Busy], hour), true),
        (Lawful::Rest(vec![Disposition::Busy], Duration::from_secs(60)), false),
        (Lawful::Rest(vec![Disposition::Abandoned], hour), false),
    ] {
        let mut trace = Trace::new();
        trace.campaign().law = vec![asked.clone()];
        trace.attempt(1, ANN, "a").pass(60_000).attempt(2, ANN, "b");
        let expected: &[Rule] = if broken { &[Rule::LawIsKept] } else { &[] };
        assert_eq!(trace.broken(), expected, "{asked:?}");
    }
}

#[test]
fn the_commit_comes_first_and_names_whom_is_rung() {
    let mut none = Trace::new();
    none.invite(0, ANN, "a").commit(1, ANN, "a");
    assert_eq!(none.broken(), [Rule::CommitComesFirst]);
    let mut other = Trace::new();
    other.commit(1, ANN, "a").invite(0, BEN, "a");
    assert_eq!(other.broken(), [Rule::CommitComesFirst]);
}

#[test]
fn another_trunk_is_only_for_who_was_not_reached() {
    for (status, allowed) in [(503, true), (500, true), (403, true), (486, false), (603, false), (302, false)]
    {
        let mut trace = Trace::new();
        trace.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, status, "a", 1, "x");
        trace.pass(1_000).commit(1, ANN, "b").invite(1, ANN, "b");
        let broken = if allowed { vec![] } else { vec![Rule::NobodyIsRungTwice] };
        assert_eq!(trace.broken(), broken, "after {status}");
    }
    let mut rung = Trace::new();
    rung.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 180, "a", 1, "x").hears(0, 503, "a", 1, "x");
    rung.pass(1_000).commit(1, ANN, "b").invite(1, ANN, "b");
    assert_eq!(rung.broken(), [Rule::NobodyIsRungTwice]);
    let mut hasty = Trace::new();
    hasty.commit(1, ANN, "a").invite(0, ANN, "a").pass(2_000).commit(1, ANN, "b").invite(1, ANN, "b");
    assert_eq!(hasty.broken(), [Rule::NobodyIsRungTwice], "the first trunk still had time");
}

#[test]
fn each_attempt_has_one_record_and_it_is_true() {
    let mut none = Trace::new();
    none.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 486, "a", 1, "x").end();
    assert_eq!(none.broken(), [Rule::OneRecordAnAttempt]);
    let mut two = Trace::new();
    two.attempt(1, ANN, "a").pass(1_000).finish(1, ANN, "a", false);
    assert_eq!(two.broken(), [Rule::OneRecordAnAttempt], "another time in it makes it another record");
    let mut again = Trace::new();
    again.attempt(1, ANN, "a").finish(1, ANN, "a", false);
    assert_eq!(again.broken(), [], "the same once more, after a failure of the store");
    let mut lies = Trace::new();
    lies.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 486, "a", 1, "x").finish(1, ANN, "a", true);
    assert_eq!(lies.broken(), [Rule::RecordsAreTrue], "answered, it says");
    let mut other = Trace::new();
    other.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 486, "a", 1, "x").finish(1, ANN, "b", false);
    assert_eq!(other.broken(), [Rule::RecordsAreTrue], "a Call-ID that never was");
}

#[test]
fn a_call_that_nobody_ends_is_left() {
    let mut trace = Trace::new();
    trace.invite(0, "600", "a").hears(0, 200, "a", 1, "x").sends(0, "ACK", "a", 1, "x").step().end();
    assert_eq!(trace.broken(), [Rule::NothingIsLeft]);
}

#[test]
fn after_a_crash_the_policy_goes_on_and_the_wire_with_it() {
    let mut trace = Trace::new();
    trace.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 180, "a", 1, "x").crash(&[]);
    trace.pass(2_000).invite(0, "600", "b");
    assert_eq!(
        trace.broken(),
        [Rule::ChannelsAreKept],
        "the call of the dead engine takes the channel still"
    );
    let mut ended = Trace::new();
    ended.commit(1, ANN, "a").invite(0, ANN, "a").hears(0, 180, "a", 1, "x").crash(&[]);
    ended.sends(0, "CANCEL", "a", 1, "").hears(0, 487, "a", 1, "x").pass(2_000);
    ended.invite(0, "600", "b").hears(0, 486, "b", 1, "x");
    assert_eq!(ended.broken(), []);
    ended.commit(2, ANN, "c").invite(0, ANN, "c").hears(0, 486, "c", 1, "x");
    assert_eq!(ended.broken(), [Rule::OneCallANumber], "its attempt has no record yet");
    let mut left = Trace::new();
    left.invite(0, "600", "a")
        .hears(0, 200, "a", 1, "x")
        .sends(0, "ACK", "a", 1, "x")
        .step()
        .crash(&[])
        .end();
    assert_eq!(left.broken(), [Rule::NothingIsLeft], "whoever was up when the engine died is hung up on");
    let mut late = Trace::new();
    late.invite(0, "600", "a").hears(0, 180, "a", 1, "x").crash(&[]).sends(0, "CANCEL", "a", 1, "");
    late.hears(0, 200, "a", 1, "x").sends(0, "ACK", "a", 1, "x").step();
    assert_eq!(late.broken(), [Rule::UnwantedAnswersAreEnded]);
    let mut soon = Trace::new();
    soon.attempt(1, ANN, "a").crash(&[]).pass(10_000).attempt(2, ANN, "b");
    assert_eq!(soon.broken(), [Rule::GapsAreKept]);
    let mut listed = Trace::new();
    listed.fact(Fact::Suppressed(ANN)).fact(Fact::Suppressed(BEN)).crash(&[ANN]);
    listed.attempt(1, ANN, "a").pass(1_000).attempt(2, BEN, "b");
    assert_eq!(
        listed.broken(),
        [Rule::DoNotCallIsKept],
        "what was not written is forgotten, what was is not"
    );
}

/// A trace in the making.
struct Trace {
    rules: Rules,
    /// Made with the first fact, so that a test may change the rules before.
    checks: Option<Checks>,
    kept: BTreeMap<AttemptId, CallRecord>,
    ms: u64,
}

impl Trace {
    /// Two trunks of one channel and one call a second, a campaign of two lines, two attempts, a minute apart.
    fn new() -> Trace {
        let trunk =
            TrunkRules { channels_max: 1, calls_per_second_max: 1.0, answer_timeout: Duration::from_secs(3) };
        let campaign = CampaignRules {
            lines_max: 2,
            max_attempts: 2,
            attempt_gap: Duration::from_secs(60),
            delays: BTreeMap::new(),
            window: (600, 900),
            law: Vec::new(),
        };
        let rules = Rules {
            trunks: vec![trunk; 2],
            campaigns: BTreeMap::from([("spring".to_owned(), campaign)]),
            lines_max: 2,
            calls_per_second_max: 2.0,
            agents: BTreeSet::from(["600".to_owned()]),
            phones: BTreeMap::new(),
            offsets: BTreeMap::from([("1212".to_owned(), -300), ("1213".to_owned(), -480)]),
        };
        Trace { rules, checks: None, kept: BTreeMap::new(), ms: 0 }
    }

    fn campaign(&mut self) -> &mut CampaignRules {
        self.rules.campaigns.get_mut("spring").expect("it was put there")
    }

    fn now(&self) -> Now {
        let since_start = Duration::from_millis(self.ms);
        Now {
            instant: Instant::from_start(since_start),
            wall: WallTime::from_unix_ms(START_MS) + since_start,
        }
    }

    fn checks(&mut self) -> &mut Checks {
        let rules = &self.rules;
        self.checks.get_or_insert_with(|| Checks::new(rules.clone()))
    }

    fn fact(&mut self, fact: Fact<'_>) -> &mut Trace {
        let now = self.now();
        self.checks().handle_fact(now, fact);
        self
    }

    fn pass(&mut self, ms: u64) -> &mut Trace {
        self.step();
        self.ms += ms;
        self
    }

    fn step(&mut self) -> &mut Trace {
        let now = self.now().instant;
        self.checks().handle_step_end(now);
        self
    }

    fn commit(&mut self, id: u128, number: &str, call_id: &str) -> &mut Trace {
        let invite = InviteRecord {
            attempt: AttemptId(id),
            contact: contact(number),
            campaign: "spring".into(),
            number: E164::from_e164(number).expect("a number"),
            caller_id: String::new(),
            trunk: String::new(),
            call_id: call_id.into(),
            dialog: String::new(),
            at: self.now().wall,
        };
        self.fact(Fact::Committed(&invite))
    }

    fn invite(&mut self, trunk: usize, user: &str, call_id: &str) -> &mut Trace {
        self.invites(trunk, user, call_id, 1)
    }

    fn invites(&mut self, trunk: usize, user: &str, call_id: &str, number: u32) -> &mut Trace {
        let start = format!("INVITE sip:{user}@192.0.2.9 SIP/2.0");
        self.fact(Fact::Sent(trunk, &message(&start, "INVITE", call_id, number, ("ours", ""))))
    }

    fn sends(&mut self, trunk: usize, method: &str, call_id: &str, number: u32, tag: &str) -> &mut Trace {
        let start = format!("{method} sip:far@192.0.2.9 SIP/2.0");
        self.fact(Fact::Sent(trunk, &message(&start, method, call_id, number, ("ours", tag))))
    }

    fn hears(&mut self, trunk: usize, status: u16, call_id: &str, number: u32, tag: &str) -> &mut Trace {
        let start = format!("SIP/2.0 {status} Word");
        self.fact(Fact::Received(trunk, &message(&start, "INVITE", call_id, number, ("ours", tag))))
    }

    fn hears_bye(&mut self, trunk: usize, call_id: &str, tag: &str) -> &mut Trace {
        let start = "BYE sip:us@192.0.2.1 SIP/2.0";
        self.fact(Fact::Received(trunk, &message(start, "BYE", call_id, 1, (tag, "ours"))))
    }

    fn finish(&mut self, id: u128, number: &str, call_id: &str, answered: bool) -> &mut Trace {
        let wall = self.now().wall;
        let invite = InviteRecord {
            attempt: AttemptId(id),
            contact: contact(number),
            campaign: "spring".into(),
            number: E164::from_e164(number).expect("a number"),
            caller_id: String::new(),
            trunk: String::new(),
            call_id: call_id.into(),
            dialog: String::new(),
            at: wall,
        };
        let record = CallRecord {
            disposition: Disposition::Busy,
            ended_by: EndedBy::Callee,
            answered_at: answered.then_some(wall),
            ..crate::call::attempt::ending::interrupted(&invite, &invite, wall)
        };
        self.kept.entry(record.attempt).or_insert_with(|| record.clone());
        self.fact(Fact::Finished(&record))
    }

    /// A whole attempt that meets a busy line.
    fn attempt(&mut self, id: u128, number: &str, call_id: &str) -> &mut Trace {
        self.commit(id, number, call_id).invite(0, number, call_id).hears(0, 486, call_id, 1, "x");
        self.finish(id, number, call_id, false)
    }

    fn crash(&mut self, suppressed: &[&str]) -> &mut Trace {
        let suppressed = suppressed.iter().map(|number| E164::from_e164(number).expect("a number")).collect();
        let kept = self.kept.clone();
        let now = self.now();
        // The store has kept all that was heard.
        let dialogs = ["a", "b", "c"].map(|id| (id.to_owned(), kept_dialog(id))).into();
        self.checks().handle_crash(now, &kept, &suppressed, &dialogs);
        self
    }

    fn stream(&mut self, stream: u64, sends: bool) -> &mut Trace {
        self.fact(Fact::Connected(Key::from_u64(stream), sends))
    }

    fn packet(&mut self, stream: u64) -> &mut Trace {
        self.fact(Fact::Packet(Key::from_u64(stream)))
    }

    fn close(&mut self, stream: u64) -> &mut Trace {
        self.fact(Fact::Closed(Key::from_u64(stream)))
    }

    fn end(&mut self) -> &mut Trace {
        let (now, kept) = (self.now(), self.kept.clone());
        self.checks().handle_end(now, &kept);
        self
    }

    /// Which rules were broken since the last look, in order.
    fn broken(&mut self) -> Vec<Rule> {
        std::iter::from_fn(|| self.checks().poll_output()).map(|violation| violation.rule).collect()
    }
}

fn kept_dialog(call_id: &str) -> DialogRecord {
    let (attempt, trunk, dialog) = (AttemptId(0), String::new(), "tag=x".to_owned());
    DialogRecord { call_id: call_id.to_owned(), attempt, trunk, dialog }
}

fn contact(number: &str) -> ContactId {
    ContactId(number.trim_start_matches('+').parse().expect("digits"))
}

fn message(start: &str, method: &str, call_id: &str, number: u32, (from, to): (&str, &str)) -> Message {
    let to = if to.is_empty() { String::new() } else { format!(";tag={to}") };
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:us@192.0.2.1>;tag={from}\r\n\
         To: <sip:far@192.0.2.9>{to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.as_bytes()).expect("it is SIP")
}
