//! Crashes in mid-campaign, judged by the carrier's own ledger: nobody is dialed beyond the policy, nobody is forgotten, no
//! cap is exceeded on the wire, what a dead engine left there is ended, and every attempt has its one call record.
//!
//! One of the campaigns that are killed side by side has agents, to whom whoever answers is bridged.
//!
//! `OUTDIAL_LONG=1` has ten times as many of them.

#[path = "crash/bridges.rs"]
mod bridges;
#[path = "crash/doctored.rs"]
mod doctored;
#[path = "crash/far_end.rs"]
mod far_end;
#[path = "crash/judge.rs"]
mod judge;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/manner.rs"]
mod manner;
mod peers;
#[path = "crash/power.rs"]
mod power;
#[path = "crash/rig.rs"]
mod rig;

use judge::{Findings, judge};
use power::{Disk, Faults};
use rig::{Load, Rig};
use std::time::Duration;

/// Campaigns that are killed side by side: each has to wait most of the time.
const RIGS: usize = 4;

/// The one of them that has agents.
const STAFFED: usize = 3;

#[test]
fn a_hundred_kills_double_nobody_lose_nobody_exceed_no_cap_and_leave_no_call_up() {
    let found = in_rigs(25, |_| None);
    assert!(found.ended_by_engine >= 100, "the kills met too few calls, they have proved nothing: {found:?}");
    let met = found.bridges;
    let moments = [met.killed_ringing, met.killed_talking, met.killed_wrapping_up];
    assert!(
        moments.iter().all(|times| *times > 0),
        "the kills have not met every moment of a bridge: {met:?}"
    );
}

#[test]
fn fifty_power_cuts_that_lose_what_was_not_synced_lose_nobody_either() {
    let faults = Faults { forgets: true, ..Faults::default() };
    let found = in_rigs(13, |seed| Some(Disk::new(faults, seed)));
    assert!(found.ended_by_engine >= 50, "the cuts met too few calls, they have proved nothing: {found:?}");
}

#[test]
fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let faults = Faults { forgets: true, lies: true, ..Faults::default() };
    let mut rig = Rig::new(load(0, 60), Some(Disk::new(faults, 3)));
    // It never forgets the notes, so the first cut takes the whole campaign back, and the next engine dials it anew.
    for _ in 0..3 {
        live_and_die(&mut rig, 401);
    }
    rig.finish(Duration::from_secs(120));
    let found = judge(&rig);
    assert!(rig.disk().lost_bytes > 0, "the cut took nothing");
    let doubled = found.faults.iter().filter(|fault| fault.contains("has no record")).count();
    assert!(
        doubled > 0,
        "without syncs calls must be forgotten, or the power cuts prove nothing: {:?}",
        found.told()
    );
}

#[test]
fn kills_on_a_disk_where_every_so_manieth_write_fails_lose_nobody() {
    let found = in_rigs(4, |seed| {
        let fails_every = [230, 611, 997, 1_511][seed as usize % 4];
        Some(Disk::new(Faults { fails_every, ..Faults::default() }, seed))
    });
    assert!(found.interrupted > 0, "{found:?}");
}

#[test]
fn whichever_write_fails_once_a_campaign_loses_nobody() {
    let campaign = |addresses, fails_once| {
        let faults = Faults { fails_once, ..Faults::default() };
        let mut rig = Rig::at(addresses, load(1, 50), Some(Disk::new(faults, fails_once)));
        rig.finish(Duration::from_secs(180));
        let found = judge(&rig);
        assert_eq!(found.told(), [""; 0], "write {fails_once} failed\n{}", rig.log());
        (rig.disk().writes(), rig.has_logged("disk I/O error"))
    };
    let addresses = || [peers::own_address(), peers::own_address()];
    let (writes, _) = campaign(addresses(), 0);
    assert!(writes > 200, "only {writes} writes: the shim does not see them");
    // All of them on demand: each takes its two seconds of rest after the failure.
    let step = if std::env::var("OUTDIAL_LONG").is_ok() { 1 } else { writes / 16 };
    let all: Vec<u64> = (1..=writes).step_by(step as usize).collect();
    let noticed: Vec<bool> = std::thread::scope(|scope| {
        let some = |place: usize| all.iter().copied().skip(place).step_by(RIGS);
        let rigs: Vec<_> = (0..RIGS)
            .map(|place| {
                let addresses = addresses();
                let noticed = some(place).map(move |write| campaign(addresses, write).1);
                scope.spawn(move || noticed.collect::<Vec<_>>())
            })
            .collect();
        rigs.into_iter().flat_map(|rig| rig.join().unwrap()).collect()
    });
    let noticed = noticed.into_iter().filter(|noticed| *noticed).count();
    println!("{} of {writes} writes failed, the engines noticed {noticed} failures", all.len());
    assert!(noticed * 2 > all.len(), "{noticed} of {} failures were noticed", all.len());
}

#[test]
fn while_the_disk_is_full_nothing_is_dialed_calls_end_well_and_it_resumes_by_itself() {
    let mut rig = Rig::new(load(0, 120), Some(Disk::new(Faults::default(), 1)));
    rig.start();
    rig.wait_for_calls(20, Duration::from_secs(30));
    rig.disk().set_full(true);
    // An INVITE that was committed before may still be on its way.
    let before = peers::eventually(Duration::from_secs(30), "no more INVITEs come", || {
        let before = rig.far_end.calls();
        std::thread::sleep(Duration::from_millis(1_000));
        (rig.far_end.calls() == before).then_some(before)
    });
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(
        rig.far_end.calls(),
        before,
        "an INVITE left although nothing could be written\n{}",
        rig.log()
    );
    assert!(rig.has_logged("dialing stops"), "{}", rig.log());
    // Calls go on to their ends meanwhile, and their records wait.
    peers::eventually(Duration::from_secs(30), "whoever was answered is hung up on", || {
        let is_up = |call: &ledger::Call| call.answered_at.is_some() && call.ended_at.is_none();
        (!rig.ledger().calls.values().any(is_up)).then_some(())
    });
    assert_eq!(rig.far_end.calls(), before, "{}", rig.log());
    rig.expect_alive();
    rig.disk().set_full(false);
    rig.wait_for_calls(1, Duration::from_secs(30));
    assert!(rig.far_end.calls() > before, "it did not resume\n{}", rig.log());
    // Killed on a full disk too, and started again with room.
    rig.disk().set_full(true);
    // Who answers meanwhile cannot be written down: killed when all have gone.
    std::thread::sleep(Duration::from_millis(1_000));
    peers::eventually(Duration::from_secs(30), "all calls have ended", || {
        rig.ledger().calls.values().all(|call| call.ended_at.is_some()).then_some(())
    });
    rig.kill();
    rig.disk().set_full(false);
    rig.finish(Duration::from_secs(180));
    let found = judge(&rig);
    assert_eq!(found.told(), [""; 0], "{}", rig.log());
}

/// Campaigns side by side, each killed so often, and judged. The sum of what was found.
fn in_rigs(kills: u64, disk: impl Fn(u64) -> Option<Disk> + Sync) -> Findings {
    let kills = if std::env::var("OUTDIAL_LONG").is_ok() { 10 * kills } else { kills };
    let all: Vec<Findings> = std::thread::scope(|scope| {
        let run = |place: usize| {
            let disk = disk(place as u64);
            move || one_rig(load_of(place, kills), place, kills, disk)
        };
        let rigs: Vec<_> = (0..RIGS).map(|place| scope.spawn(run(place))).collect();
        rigs.into_iter().map(|rig| rig.join().unwrap()).collect()
    });
    let mut sum = Findings::default();
    for found in all {
        assert_eq!(found.told(), [""; 0]);
        sum.calls += found.calls;
        sum.interrupted += found.interrupted;
        sum.most_at_once = sum.most_at_once.max(found.most_at_once);
        sum.orphans += found.orphans;
        sum.ended_by_engine += found.ended_by_engine;
        sum.bridges.add(&found.bridges);
        sum.slowest_orphan = sum.slowest_orphan.max(found.slowest_orphan);
    }
    println!("{} kills: {sum:?}", kills * RIGS as u64);
    sum
}

fn one_rig(load: Load, place: usize, kills: u64, disk: Option<Disk>) -> Findings {
    // A bridge takes its time to come about.
    let longest = if load.agents > 0 { 1_600 } else { 700 };
    let mut rig = Rig::new(load, disk);
    for kill in 0..kills {
        // Spread over all moments of a call, and some over the moments of an engine's first second.
        live_and_die(&mut rig, 30 + (kill * 137 + place as u64 * 61) % longest);
    }
    let dialed = rig.far_end.calls();
    rig.finish(Duration::from_secs(120 + 2 * kills));
    let found = judge(&rig);
    println!("rig {place}: {kills} kills, {dialed} calls until the last of them; {found:?}");
    if !found.faults.is_empty() {
        println!("{}", rig.log());
    }
    found
}

fn live_and_die(rig: &mut Rig, ms: u64) {
    rig.start();
    if ms.is_multiple_of(5) {
        std::thread::sleep(Duration::from_millis(200));
    } else {
        rig.wait_for_calls(1, Duration::from_secs(5));
    }
    std::thread::sleep(Duration::from_millis(ms));
    rig.expect_alive();
    rig.kill();
}

/// Enough contacts for so many lives.
fn load_of(place: usize, kills: u64) -> Load {
    match place {
        STAFFED => staffed(5 * kills as u32 + 60),
        place => load(place, (12 * kills as u32).clamp(60, 4_000)),
    }
}

/// Each rig meets another cap first.
fn load(place: usize, contacts: u32) -> Load {
    let (channels_max, campaign_lines, engine_lines) =
        [(25, 200, 200), (200, 25, 200), (200, 200, 25)][place % 3];
    Load { contacts, calls_per_second: 40.0, channels_max, campaign_lines, engine_lines, agents: 0 }
}

/// With agents, whose legs take channels that callees then want for, and calls per second that they wait for.
fn staffed(contacts: u32) -> Load {
    Load {
        contacts,
        calls_per_second: 15.0,
        channels_max: 14,
        campaign_lines: 10,
        engine_lines: 200,
        agents: 8,
    }
}
