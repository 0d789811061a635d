//! Agents by transcript: who does what, when, and who is next.

use super::super::options::tests::options;
use super::*;
use std::time::Duration;

#[test]
fn a_call_rings_is_talked_written_up_and_leaves_the_agent_ready() {
    let (mut roster, ann) = ready();
    roster.handle_ringing(at(1), ann);
    roster.handle_answered(at(3), ann);
    roster.handle_released(at(60), ann);
    assert_eq!((roster.agent(ann).calls, roster.poll_timeout()), (1, Some(at(75))));
    roster.handle_timeout(at(74));
    assert_eq!(roster.agent(ann).state, State::WrapUp { until: at(75) });
    roster.handle_timeout(at(75));
    assert_eq!(words(&mut roster), ["ringing", "talking", "wrap_up", "ready"]);
    assert_eq!((roster.agent(ann).idle_since, roster.poll_timeout()), (at(75), None));
}

#[test]
fn a_phone_that_does_not_answer_is_away_after_so_many_calls_in_a_row() {
    let (mut roster, ann) = ready();
    let miss = |roster: &mut Roster, second| {
        roster.handle_ringing(at(second), ann);
        roster.handle_missed(at(second + 1), ann);
        roster.agent(ann).state
    };
    assert_eq!(miss(&mut roster, 1), State::Ready);
    roster.handle_ringing(at(5), ann);
    roster.handle_answered(at(6), ann);
    roster.handle_released(at(7), ann);
    roster.handle_timeout(at(22));
    assert_eq!(miss(&mut roster, 30), State::Ready, "a call that was taken begins the count anew");
    assert_eq!(miss(&mut roster, 40), State::Away { missed: true });
    assert_eq!(roster.agent(ann).state.to_string(), "away, missed calls");
    roster.say(at(50), ann, Word::Ready);
    assert_eq!((roster.agent(ann).state, roster.agent(ann).misses), (State::Ready, 0));
}

#[test]
fn what_is_said_during_a_call_counts_after_it_and_its_wrap_up() {
    let (mut roster, ann) = ready();
    roster.handle_ringing(at(1), ann);
    roster.say(at(1), ann, Word::Break);
    roster.handle_answered(at(2), ann);
    roster.say(at(3), ann, Word::Offline);
    roster.handle_released(at(4), ann);
    roster.handle_timeout(at(19));
    assert_eq!(words(&mut roster), ["ringing", "talking", "wrap_up", "offline"]);
}

#[test]
fn ready_ends_the_wrap_up_at_once_and_takes_a_break_back() {
    let (mut roster, ann) = ready();
    roster.handle_ringing(at(1), ann);
    roster.handle_answered(at(2), ann);
    roster.say(at(3), ann, Word::Break);
    roster.say(at(4), ann, Word::Ready);
    roster.handle_released(at(5), ann);
    roster.say(at(6), ann, Word::Ready);
    assert_eq!((roster.agent(ann).state, roster.agent(ann).idle_since), (State::Ready, at(6)));
}

#[test]
fn the_longest_idle_is_next_and_a_caller_who_left_costs_nobody_their_place() {
    let names = ["ann", "bob", "cem"];
    let table = |name: &&str| options(&format!("name = \"{name}\"\ninitial = \"ready\""));
    let mut roster = Roster::new(at(0), names.iter().map(table).collect());
    let [ann, bob, cem] = [0, 1, 2].map(AgentKey);
    let next = |roster: &Roster| roster.longest_idle(|_, _| true);
    assert_eq!(next(&roster), Some(ann), "all are equal: the first of the list");
    roster.handle_ringing(at(5), ann);
    assert_eq!(next(&roster), Some(bob));
    roster.handle_released(at(6), ann);
    assert_eq!(next(&roster), Some(ann), "the phone only rang");
    roster.handle_ringing(at(7), ann);
    roster.handle_missed(at(8), ann);
    assert_eq!(next(&roster), Some(bob), "who missed a call goes to the end");
    assert_eq!(roster.longest_idle(|key, _| key != bob), Some(cem));
}

#[test]
fn who_is_not_configured_any_more_takes_no_further_call() {
    let (mut roster, ann) = ready();
    roster.handle_ringing(at(1), ann);
    roster.handle_answered(at(1), ann);
    roster.handle_options(at(2), vec![options("name = \"bob\"")]);
    assert_eq!(roster.iter().map(|(key, _)| key).collect::<Vec<_>>(), [AgentKey(1)]);
    assert_eq!(roster.agent(ann).state, State::Talking, "the call goes on");
    roster.handle_released(at(3), ann);
    roster.handle_timeout(at(30));
    assert_eq!(roster.agent(ann).state, State::Offline);
    let unknown = roster.find("ann").unwrap_err().to_string();
    assert_eq!(unknown, "no agent is called \"ann\"; there are: bob");
    roster.handle_options(at(40), vec![options("")]);
    assert_eq!(roster.find("ann"), Ok(ann), "who comes back is the same");
}

fn ready() -> (Roster, AgentKey) {
    let mut roster = Roster::new(at(0), vec![options("initial = \"ready\"")]);
    words(&mut roster);
    (roster, AgentKey(0))
}

fn at(second: u64) -> Instant {
    Instant::from_start(Duration::from_secs(second))
}

fn words(roster: &mut Roster) -> Vec<&'static str> {
    std::iter::from_fn(|| roster.poll_output()).map(|change| change.state.as_str()).collect()
}
