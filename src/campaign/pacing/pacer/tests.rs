//! The pacer told what agents and lines do, by hand.

use super::*;
use crate::time::WallTime;
use std::time::Duration;

fn now(s: f64) -> Now {
    Now {
        instant: Instant::from_start(Duration::from_secs_f64(s)),
        wall: WallTime::from_unix_ms((s * 1_000.0) as i64),
    }
}

fn pacer(mode: Mode, agents: u32) -> Pacer {
    let dialing = Dialing { mode, boost_factor: 1.5, abandonment_limit: 0.2, ..Dialing::default() };
    let mut pacer = Pacer::new(dialing, Guess::default(), now(0.0).instant);
    for agent in 0..agents {
        pacer.handle_agent(now(0.0).instant, AgentId(agent), Presence::Ready);
    }
    pacer
}

fn dial_all(pacer: &mut Pacer, at: Now) -> u32 {
    let lines = pacer.lines_wanted(at);
    (0..lines).for_each(|_| {
        pacer.handle_dialed(at.instant);
    });
    lines
}

#[test]
fn each_mode_has_its_number_of_lines_for_ten_waiting_agents() {
    let table = [(Mode::Preview, 10), (Mode::Progressive, 10), (Mode::Power, 20), (Mode::Boost, 15)];
    for (mode, lines) in table {
        let mut pacer = pacer(mode, 10);
        // The guard needs people who were answered before it lets anybody overdial.
        (0..1_000).for_each(|_| pacer.budget_mut().handle_person(now(0.0).wall, false));
        assert_eq!(dial_all(&mut pacer, now(1.0)), lines, "{mode}");
        assert_eq!(pacer.lines_wanted(now(1.0)), 0, "{mode}");
    }
    for mode in [Mode::Paced, Mode::Agentless] {
        assert_eq!(pacer(mode, 0).lines_wanted(now(1.0)), u32::MAX, "{mode}");
    }
}

#[test]
fn predictive_dials_more_lines_than_waiting_agents_and_for_busy_ones_too() {
    let mut pacer = pacer(Mode::Predictive, 10);
    (0..1_000).for_each(|_| pacer.budget_mut().handle_person(now(0.0).wall, false));
    let lines = dial_all(&mut pacer, now(1.0));
    assert!((15..60).contains(&lines), "{lines}");
    for agent in 0..10 {
        pacer.handle_agent(now(2.0).instant, AgentId(agent), Presence::Talking);
        pacer.handle_agent(now(85.0).instant, AgentId(agent), Presence::WrapUp);
    }
    (1..=u64::from(lines)).for_each(|attempt| pacer.handle_ended(now(3.0).instant, attempt));
    assert!(pacer.lines_wanted(now(90.0)) > 0, "some of ten will have written up when somebody answers");
}

#[test]
fn until_the_ledger_can_bear_one_abandoned_person_only_one_line_rings_for_each_agent() {
    let mut pacer = pacer(Mode::Predictive, 10);
    pacer.set_dialing(Dialing { mode: Mode::Predictive, ..Dialing::default() });
    assert_eq!(dial_all(&mut pacer, now(1.0)), 10);
    assert!(pacer.is_guarded());
    (0..100).for_each(|_| pacer.budget_mut().handle_person(now(1.0).wall, false));
    assert!(pacer.lines_wanted(now(2.0)) > 0);
    assert!(!pacer.is_guarded());
    (0..3).for_each(|_| pacer.budget_mut().handle_person(now(2.0).wall, true));
    assert_eq!(pacer.lines_wanted(now(3.0)), 0);
    assert!(pacer.is_guarded());
}

#[test]
fn it_says_what_holds_it_back() {
    let at = now(1.0);
    assert_eq!(pacer(Mode::Progressive, 0).held(at), Some(Held::NoAgents));
    let mut busy = pacer(Mode::Progressive, 1);
    assert_eq!(busy.held(at), None);
    let attempt = busy.handle_dialed(at.instant);
    assert_eq!(busy.held(at), Some(Held::LinesSuffice { lines: 1, ready: 1 }));
    busy.handle_answered(at.instant, attempt);
    busy.handle_waiting(at.instant, attempt);
    busy.handle_connected(at, attempt);
    busy.handle_agent(at.instant, AgentId(0), Presence::Talking);
    assert_eq!(busy.held(at), Some(Held::AgentsBusy { staffed: 1 }));
    for _ in 0..2 {
        let attempt = busy.handle_dialed(at.instant);
        busy.handle_waiting(at.instant, attempt);
    }
    assert_eq!(busy.held(at), Some(Held::PeopleWaiting { waiting: 2 }));
}

#[test]
fn an_attempt_is_abandoned_or_connected_once_only() {
    let mut pacer = pacer(Mode::Predictive, 1);
    let attempt = pacer.handle_dialed(now(0.0).instant);
    pacer.handle_answered(now(5.0).instant, attempt);
    pacer.handle_waiting(now(6.0).instant, attempt);
    pacer.handle_abandoned(now(8.0), attempt);
    pacer.handle_connected(now(8.0), attempt);
    pacer.handle_ended(now(9.0).instant, attempt);
    let sums = pacer.budget().sums(now(9.0).wall);
    assert_eq!((sums.people, sums.abandoned), (1, 1));
    assert_eq!((pacer.floor().lines().len(), pacer.floor().waiting()), (0, 0));
}
