//! The programs that the tests talk to, each started on an address of its own inside 127.0.0.0/8 and killed when dropped:
//! a private Asterisk, Kamailio, baresip, SIPp, tshark, a PostgreSQL cluster, and the `outdial` binary itself.
//!
//! `tests/install` brings them. A test that needs them begins with `if !peers::installed() { return; }`: where they cannot
//! be had it says so in one line and ends, except under `tests/all`, which demands all of them.

#![allow(dead_code, reason = "each test program uses its own part of the harness")]

pub mod asterisk;
pub mod audio;
pub mod baresip;
pub mod kamailio;
pub mod outdial;
pub mod postgres;
pub mod process;
pub mod sipp;
pub mod wire;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Whether the peers are there; installs them when they are not.
pub fn installed() -> bool {
    static OUTCOME: OnceLock<Result<(), String>> = OnceLock::new();
    let outcome = OUTCOME.get_or_init(|| {
        let output =
            Command::new(root().join("tests/install")).output().map_err(|e| format!("tests/install: {e}"))?;
        let words = String::from_utf8_lossy(&output.stderr).trim().to_string();
        if output.status.success() { Ok(()) } else { Err(words) }
    });
    match outcome {
        Ok(()) => true,
        Err(reason) if std::env::var("OUTDIAL_PEERS").as_deref() == Ok("required") => panic!("{reason}"),
        Err(reason) => {
            eprintln!("not run, for want of the real peers: {reason}");
            false
        }
    }
}

/// The package's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file under `tests/`.
pub fn test_file(name: &str) -> PathBuf {
    root().join("tests").join(name)
}

/// A loopback address that nothing else uses: every peer of every test keeps its usual ports on one of its own.
pub fn own_address() -> Ipv4Addr {
    loopback(64)
}

/// The same for the engine; by the upper half of the loopback's addresses a capture shows what it sent.
pub fn own_engine_address() -> Ipv4Addr {
    loopback(128)
}

fn loopback(from: u8) -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let process = std::process::id();
    let host = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(host < 255, "a test program has 254 addresses of its own");
    Ipv4Addr::new(127, from + (process >> 8 & 0x3f) as u8, process as u8, host as u8)
}

/// Waits for midnight in UTC to pass where a test that lasts so long would meet it: what is counted by the
/// day begins anew then.
pub fn let_midnight_pass(lasts: Duration) {
    let into_the_day = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() % 86_400;
    let left = Duration::from_secs(86_400 - into_the_day);
    if left < lasts {
        std::thread::sleep(left);
    }
}

/// Asks again and again until `answer` gives something; panics with `what` when `limit` has passed.
pub fn eventually<T>(limit: Duration, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
