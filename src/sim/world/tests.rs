//! Sabotaged worlds: what the world itself must find, found.

use super::*;
use crate::record::Request;
use crate::time::WallTime;

#[test]
fn what_is_left_when_all_should_be_over_is_found() {
    let mut world = world_in_mid_call();
    world.judge_the_end();
    let broken = broken(&mut world);
    assert!(
        broken.contains(&Rule::NothingIsLeft) && broken.contains(&Rule::OneRecordAnAttempt),
        "{broken:?}"
    );
}

#[test]
fn a_contact_that_nobody_gives_back_is_found() {
    let mut world = world();
    let (campaign, due_at) = (world.plan.campaigns[0].options.name.clone(), WallTime::from_unix_ms(0));
    world.records.handle_request(world.now, Request::Refill { campaign, due_at, limit: 1 });
    while world.records.waiting() > 0 {
        world.now = world.records.poll_timeout().expect("it has been asked");
        world.records.poll_output(world.now).expect("it is due");
    }
    world.judge_the_end();
    assert!(broken(&mut world).contains(&Rule::OneStateAContact));
}

#[test]
fn what_cannot_be_read_or_goes_nowhere_is_found() {
    let mut world = world();
    let nowhere = Target::new(crate::sip::endpoint::Transport::Udp, setup::engine_address());
    let somewhere = Target { address: world.far[0].address, ..nowhere };
    world.send_sip(somewhere, b"INVITE\r\n\r\n".to_vec());
    assert_eq!(broken(&mut world), [Rule::NothingIsMalformed]);
    world.send_sip(nowhere, b"INVITE\r\n\r\n".to_vec());
    assert_eq!(broken(&mut world), [Rule::NothingIsMalformed]);
}

#[test]
fn a_deadline_that_is_not_dealt_with_is_found() {
    let mut world = world();
    world.steps_at_once = STEPS_AT_ONCE_MAX;
    let campaign = world.plan.campaigns[0].options.name.clone();
    world.acts.push_front((world.now, Operator::Pause(campaign)));
    assert!(world.step(Instant::ZERO + plan::HOUR));
    assert_eq!(broken(&mut world), [Rule::TimeGoesOn]);
}

#[test]
fn a_number_that_the_engine_forgets_to_suppress_is_found() {
    // The operator has named all numbers; the engine never hears of it.
    let mut world = world();
    for number in
        world.plan.campaigns.iter().flat_map(|campaign| &campaign.numbers).cloned().collect::<Vec<_>>()
    {
        world.checks.handle_fact(world.now(), Fact::Suppressed(number.as_str()));
    }
    let failure = world.live().expect_err("it dials them");
    assert_eq!(failure.violation.rule, Rule::DoNotCallIsKept);
    assert!(failure.to_string().contains("INVITE"), "{failure}");
}

#[test]
fn calls_that_a_dead_engine_left_and_the_next_one_does_not_know_of_are_found() {
    let voices = Voices::load();
    let end = Instant::ZERO + plan::HOUR;
    for seed in 0..100 {
        let mut world = World::new(Plan::from_seed(seed, &voices), &voices);
        while !world.plan.crashes.is_empty() && world.gone_until.is_none() && world.step(end) {}
        let gone: Vec<String> = world.records.dialogs().keys().cloned().collect();
        if gone.is_empty() || world.gone_until.is_none() {
            continue;
        }
        world.records.handle_request(world.now, Request::KeepDialogs { open: Vec::new(), gone });
        while let Some(due) = world.records.poll_timeout() {
            world.records.poll_output(due).expect("it is due");
        }
        if let Err(failure) = world.live() {
            let rules = [
                Rule::ChannelsAreKept,
                Rule::LinesAreKept,
                Rule::OneCallANumber,
                Rule::NothingIsLeft,
                Rule::EveryAnswerIsAcknowledged,
                Rule::UnwantedAnswersAreEnded,
            ];
            assert!(rules.contains(&failure.violation.rule), "{failure}");
            return;
        }
    }
    panic!("in a hundred hours no call was left by a crash");
}

/// Any seed would do.
fn world() -> World {
    let voices = Voices::load();
    World::new(Plan::from_seed(1, &voices), &voices)
}

fn world_in_mid_call() -> World {
    let mut world = world();
    let end = Instant::ZERO + plan::HOUR;
    while world.records.invites().is_empty() {
        assert!(world.step(end), "nobody is ever called");
        assert_eq!(broken(&mut world), []);
    }
    world
}

/// Which rules were broken since the last look, each once.
fn broken(world: &mut World) -> Vec<Rule> {
    world.checks.handle_step_end(world.now);
    let rules: BTreeSet<Rule> = std::iter::from_fn(|| world.checks.poll_output()).map(|v| v.rule).collect();
    rules.into_iter().collect()
}
