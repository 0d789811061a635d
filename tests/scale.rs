//! A campaign of a million contacts: imported within its time and memory, dialed soon after a restart, claimed as quickly
//! as a small one. The binary itself is measured, from the outside.

mod peers;
#[allow(dead_code, reason = "the operator's tests use the rest of it")]
#[path = "operator/scene.rs"]
mod scene;

use outdial::record::{Answer, Request};
use outdial::sim::callee::Callee;
use outdial::store::Store;
use outdial::time::WallTime;
use scene::{SOON, Scene};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CONTACTS: usize = 1_000_000;

/// Rows that are no contacts, and rows that come a second time.
const FAULTY: usize = 1_000;

/// The promises are those of the optimised program on a machine of its own. The tests' build is neither, and is given this
/// many times as long.
const SLOWER: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

const IMPORT_WITHIN: Duration = Duration::from_secs(30);
const RESIDENT_KB_MAX: u64 = 100 * 1_024;
const DIALS_WITHIN: Duration = Duration::from_secs(2);
const CLAIM_WITHIN: Duration = Duration::from_millis(5);

#[test]
fn a_million_contacts_are_imported_claimed_and_dialed_in_time() {
    let mut scene = Scene::new((0..200).map(|n| (n, Callee::Busy)));
    write_list(&scene.outdial.path("spring.csv"));
    let campaign = scene.campaign("spring", "calls_per_minute = 600.0\nlines_max = 20");
    scene.configure(&[campaign]);

    let (said, took, resident) = import(&scene);
    println!("{CONTACTS} contacts: {took:?}, {} MB resident", resident / 1_024);
    let count = |what: &str| said[0][what].as_u64().unwrap_or_else(|| panic!("no {what} in {said}"));
    assert_eq!(count("added"), CONTACTS as u64, "{said}");
    assert_eq!((count("refused"), count("duplicates")), (2 * FAULTY as u64, FAULTY as u64), "{said}");
    let rejects = fs::read_to_string(scene.outdial.path("spring.csv.rejected.csv")).unwrap();
    assert_eq!(rejects.lines().count(), 1 + 2 * FAULTY, "a title, and every refused row");
    assert!(took <= SLOWER * IMPORT_WITHIN, "the import took {took:?}");
    assert!(resident <= RESIDENT_KB_MAX, "the import held {resident} KB");

    let began = Instant::now();
    scene.outdial.start();
    scene.until_calls(1);
    let took = began.elapsed();
    println!("first INVITE {took:?} after the start");
    assert!(took <= SLOWER * DIALS_WITHIN, "the first INVITE left {took:?} after the start");
    // Log lines are gathered, and this one may still be on its way.
    peers::eventually(SOON, "the log says that the list is unchanged", || {
        scene.outdial.engine_log().contains("is unchanged").then_some(())
    });
    assert_eq!(scene.status_of("spring")["state"], "running");
    scene.outdial.stop();

    let took = claim(&scene.outdial.path("outdial.db"));
    println!("a claim of 200 takes {took:?}");
    assert!(took <= SLOWER * CLAIM_WITHIN, "a claim takes {took:?}");
    let _ = (scene.take_ledger(), SOON);
}

/// In no order, of six zones, with faulty rows and copies among them.
fn write_list(path: &Path) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    writeln!(out, "number,name,city,comment").unwrap();
    let mut line = String::new();
    for i in 0..CONTACTS {
        line.clear();
        let n = i * 7_919 % CONTACTS;
        let area = ["202", "312", "303", "213", "617", "602"][n % 6];
        write!(line, "+1{area}{:07},Person {n},City {},row {i}", 2_000_000 + n, n % 300).unwrap();
        writeln!(out, "{line}").unwrap();
        if i % (CONTACTS / FAULTY) == 0 {
            writeln!(out, "{line}").unwrap();
            writeln!(out, "12,Nobody {n},,").unwrap();
        }
    }
    out.into_inner().unwrap().sync_all().unwrap();
}

/// Runs `outdial import`; gives what it said, how long it took and the most memory that it held, in KB.
fn import(scene: &Scene) -> (Value, Duration, u64) {
    let config = scene.outdial.path("outdial.toml");
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_outdial"))
        .args(["import", "spring"])
        .arg(scene.outdial.path("spring.csv"))
        .arg("--config")
        .arg(config)
        .arg("--json")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut resident = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|kb| kb.trim().strip_suffix(" kB")?.trim().parse().ok());
        resident = resident.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "outdial import: {output:?}");
    assert!(resident > 0, "the memory was looked at");
    (serde_json::from_slice(&output.stdout).unwrap(), took, resident)
}

/// The median of many claims.
fn claim(database: &Path) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = Store::open(database).await.unwrap();
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..50 {
            let due_at = WallTime::from_unix_ms(i64::MAX / 2);
            let began = Instant::now();
            let request = Request::Refill { campaign: "spring".into(), due_at, limit: 200 };
            let answer = store.handle(request).await;
            took.push(began.elapsed());
            let Some(Answer::Refilled { contacts, pending, .. }) = answer else { panic!("{answer:?}") };
            assert_eq!(contacts.len(), 200);
            assert!(pending > 900_000);
        }
        store.close().await.unwrap();
        took.sort_unstable();
        took[took.len() / 2]
    })
}
