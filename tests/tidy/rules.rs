//! The rules themselves, each with a source that breaks it.

use super::paths::{Named, named};
use Uses::{AllAboveBut, Only};

/// What a module may use beside itself.
pub enum Uses {
    /// These; a path such as `amd::verdict` allows that part only.
    Only(&'static [&'static str]),
    /// All that stand above it.
    AllAboveBut(&'static [&'static str]),
}

/// The table of `src/lib.rs` in full, in its order.
pub const MAY_USE: &[(&str, Uses)] = &[
    ("time", Only(&[])),
    ("rng", Only(&["time"])),
    ("slab", Only(&[])),
    ("number", Only(&["rng"])),
    ("disposition", Only(&[])),
    ("record", Only(&["time", "number", "disposition"])),
    ("audio", Only(&[])),
    ("rtp", Only(&["time"])),
    ("sdp", Only(&[])),
    ("sip", Only(&["time", "rng", "slab"])),
    ("amd", Only(&["time", "audio"])),
    ("corpus", Only(&["rng", "audio"])),
    ("evaluation", Only(&["rng", "audio", "amd", "corpus"])),
    ("training", Only(&["rng", "audio", "amd", "corpus", "evaluation"])),
    ("media", Only(&["time", "rng", "slab", "audio", "rtp", "amd"])),
    // It takes messages for text: what is malformed is to be seen, not parsed.
    ("trace", Only(&["time", "rng", "number"])),
    ("agent", Only(&["time"])),
    ("campaign", Only(WORDS)),
    // One attempt speaks SIP and SDP, and knows of the media plane the words only.
    ("call", Only(CALL)),
    ("engine", AllAboveBut(&[])),
    ("centre", Only(CENTRE)),
    ("sim", AllAboveBut(&["centre"])),
    ("store", Only(WORDS)),
    // The shell takes everything real, and nothing of the simulation.
    ("io", AllAboveBut(&["sim", "centre"])),
    ("cli", AllAboveBut(&[])),
];

const WORDS: &[&str] = &["time", "rng", "slab", "number", "disposition", "record"];
// Of the evaluation it takes only how a page and its lines are written, of the engine only the cap on calls per second.
const CENTRE: &[&str] = &[
    "time",
    "rng",
    "number",
    "disposition",
    "record",
    "campaign",
    "engine::rate",
    "evaluation::markup",
    "evaluation::plot",
];
const CALL: &[&str] = &[
    "time",
    "rng",
    "slab",
    "number",
    "disposition",
    "record",
    "sdp",
    "sip",
    "audio::g711",
    "amd::verdict",
    "media::command",
];

/// What `module` may use beside itself, spelled out.
pub fn used_by(module: &str) -> Option<Vec<&'static str>> {
    let place = MAY_USE.iter().position(|(name, _)| *name == module)?;
    Some(match &MAY_USE[place].1 {
        Only(uses) => uses.to_vec(),
        AllAboveBut(but) => {
            MAY_USE[..place].iter().map(|(name, _)| *name).filter(|name| !but.contains(name)).collect()
        }
    })
}

/// Modules that may name the outer world.
const OUTER: &[&str] = &["store", "io", "cli", "main"];

/// What names the outer world: sockets, threads, locks, files, processes, the clock, and the crates that bring them.
/// Addresses, durations and in-memory readers are words.
const OUTER_WORLD: &[&str] = &[
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::ToSocketAddrs",
    "std::net::*",
    "std::os",
    "std::thread",
    "thread_local!",
    "std::thread_local!",
    "dbg!",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::Barrier",
    "std::sync::mpsc",
    "std::sync::*",
    "std::fs",
    "std::env",
    "std::process",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::*",
    "std::*",
    "tokio",
    "socket2",
    "sqlx",
    "sd_notify",
    "clap",
    "indicatif",
    "tracing_subscriber",
    "async",
    "await",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
];

/// Lines of a file, tests included, that make it a candidate for a split.
const LINES_MAX: usize = 600;

/// Characters of a chapter: two honest sentences.
const CHAPTER_MIN: usize = 120;

/// All that is wrong with one file; `name` is its path from the package's root, such as `src/sip/dialog.rs`.
pub fn faults(name: &str, source: &str) -> Vec<String> {
    let module = module_of(name);
    let named = named(&module, source);
    let mut found = forbidden_modules(&module, &named);
    found.extend(outer_world(&module, &named));
    found.extend(rsip_outside_its_place(&module, &named));
    let mut found: Vec<String> =
        found.into_iter().map(|(line, fault)| format!("{name}:{line}: {fault}")).collect();
    found.dedup();
    found.extend(form(name, source).into_iter().map(|fault| format!("{name}: {fault}")));
    found
}

/// `src/sip/dialog.rs` -> `["sip", "dialog"]`, `src/sip/mod.rs` -> `["sip"]`, `src/lib.rs` -> `[]`.
pub fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_string).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The modules in the order of the table that heads `src/lib.rs`.
pub fn order_of_the_map(lib: &str) -> Vec<String> {
    lib.lines()
        .filter_map(|line| line.strip_prefix("//! | ["))
        .filter_map(|row| row.split('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>())
        .collect()
}

fn forbidden_modules(module: &[String], named: &[Named]) -> Vec<(usize, String)> {
    let Some((top, uses)) = module.first().and_then(|top| Some((top.as_str(), used_by(top)?))) else {
        return Vec::new(); // lib.rs and main.rs stand above the table
    };
    named
        .iter()
        .filter(|n| n.path[0] == "crate" && n.path.len() > 1)
        .filter(|n| {
            let path = n.path[1..].join("::");
            !std::iter::once(&top).chain(&uses).any(|allowed| starts_with(&path, allowed))
        })
        .map(|n| (n.line, format!("{top} may not use {} (see the table in src/lib.rs)", n.text())))
        .collect()
}

fn outer_world(module: &[String], named: &[Named]) -> Vec<(usize, String)> {
    if module.first().is_none_or(|top| OUTER.contains(&top.as_str())) {
        return Vec::new();
    }
    named
        .iter()
        .filter(|n| OUTER_WORLD.iter().any(|outer| starts_with(&n.text(), outer)))
        .map(|n| (n.line, format!("{} belongs to the outer modules ({})", n.text(), OUTER.join(", "))))
        .collect()
}

fn rsip_outside_its_place(module: &[String], named: &[Named]) -> Vec<(usize, String)> {
    if module.len() > 1 && module[0] == "sip" && module[1] == "message" {
        return Vec::new();
    }
    named
        .iter()
        .filter(|n| n.path[0] == "rsip")
        .map(|n| (n.line, "rsip is named in sip::message only".to_string()))
        .collect()
}

fn form(name: &str, source: &str) -> Vec<String> {
    let chapter: String = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let mut found = Vec::new();
    if chapter.trim().is_empty() {
        found.push("does not open with `//!` and what it is".to_string());
    }
    if name.ends_with("/mod.rs") && chapter.trim().len() < CHAPTER_MIN {
        found.push(format!(
            "a folder opens with its chapter: what it is, what it shows ({CHAPTER_MIN} characters)"
        ));
    }
    let lines = source.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{lines} lines, more than {LINES_MAX}: look for the noun that is missing"));
    }
    found
}

/// Whether `path` is `prefix` or goes on from it.
fn starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "//! What this folder is, in two sentences that a newcomer understands at once. It shows to others \
                           one type, its five verbs, and nothing that would tie them to what happens inside of it.\n";

    /// (file, what it says, the fault that must be found)
    const BROKEN: &[(&str, &str, &str)] = &[
        ("src/sip/dialog.rs", "use crate::campaign::Campaign;", "sip may not use crate::campaign::Campaign"),
        (
            "src/sip/dialog.rs",
            "use crate::{time::Instant, number::E164};",
            "sip may not use crate::number::E164",
        ),
        ("src/sip/dialog.rs", "fn f(c: &crate::call::Call) {}", "sip may not use crate::call::Call"),
        ("src/sip/dialog.rs", "use super::super::media::Worker;", "sip may not use crate::media::Worker"),
        ("src/campaign/pace.rs", "use crate::sip::Endpoint;", "campaign may not use crate::sip::Endpoint"),
        (
            "src/call/attempt.rs",
            "use crate::media::worker::Worker;",
            "call may not use crate::media::worker::Worker",
        ),
        ("src/call/attempt.rs", "use crate::media;", "call may not use crate::media"),
        ("src/io/media.rs", "use crate::sim::World;", "io may not use crate::sim::World"),
        ("src/store/sqlite.rs", "use crate::engine;", "store may not use crate::engine"),
        ("src/time.rs", "use crate::rng::Rng;", "time may not use crate::rng::Rng"),
        ("src/rtp/packet.rs", "use std::net::UdpSocket;", "std::net::UdpSocket belongs to the outer modules"),
        (
            "src/sip/x.rs",
            "use std::net::{IpAddr, TcpStream};",
            "std::net::TcpStream belongs to the outer modules",
        ),
        (
            "src/sip/x.rs",
            "use std::net; fn f() { net::UdpSocket::bind(0) }",
            "std::net::UdpSocket::bind belongs",
        ),
        (
            "src/amd/x.rs",
            "fn f() { std::thread::sleep(d) }",
            "std::thread::sleep belongs to the outer modules",
        ),
        ("src/audio/wav.rs", "use std::{fs, io};", "std::fs belongs to the outer modules"),
        (
            "src/media/x.rs",
            "use std::time::{Duration, Instant};",
            "std::time::Instant belongs to the outer modules",
        ),
        (
            "src/media/x.rs",
            "use std::time::SystemTime as Clock;",
            "std::time::SystemTime belongs to the outer modules",
        ),
        ("src/engine/x.rs", "use std::sync::Mutex;", "std::sync::Mutex belongs to the outer modules"),
        ("src/engine/x.rs", "async fn f() {}", "async belongs to the outer modules"),
        ("src/engine/x.rs", "#[tokio::test] fn f() {}", "tokio::test belongs to the outer modules"),
        (
            "src/sim/world.rs",
            "use tokio::net::UdpSocket;",
            "tokio::net::UdpSocket belongs to the outer modules",
        ),
        ("src/engine/x.rs", "fn f() { println!(\"x\") }", "println! belongs to the outer modules"),
        ("src/sip/dialog.rs", "use rsip::Header;", "rsip is named in sip::message only"),
        ("src/io/control.rs", "fn f(r: rsip::Request) {}", "rsip is named in sip::message only"),
    ];

    #[test]
    fn what_breaks_a_rule_is_found_with_its_line() {
        for (name, source, fault) in BROKEN {
            let source = format!("{CHAPTER}\n{source}");
            let line = CHAPTER.lines().count() + 2;
            let found = faults(name, &source);
            let expected = format!("{name}:{line}: {fault}");
            assert!(found.iter().any(|f| f.starts_with(&expected)), "expected {expected}\nfound {found:#?}");
        }
    }

    #[test]
    fn what_keeps_the_rules_is_left_alone() {
        let kept = [
            ("src/sip/dialog.rs", "use crate::{rng::Rng, sip::digest::X, slab::Key, time::Instant};"),
            ("src/sip/dialog.rs", "use std::net::{IpAddr, SocketAddr}; use std::time::Duration;"),
            ("src/sip/message/mod.rs", "use rsip::Header;"),
            ("src/sip/message.rs", "use rsip::Header;"),
            ("src/call/attempt.rs", "use crate::{amd::verdict::Finding, media::command::{Command, Event}};"),
            (
                "src/io/media.rs",
                "use std::net::UdpSocket; use std::{fs, thread}; use crate::media::worker::Worker;",
            ),
            ("src/store/sqlite.rs", "use sqlx::Row; async fn f() { g().await }"),
            ("src/main.rs", "use std::process::ExitCode; fn main() {}"),
            ("src/engine/x.rs", "// std::thread\nuse crate::campaign::Campaign; use std::sync::Arc;"),
            ("src/audio/wav.rs", "use std::io::Cursor; fn f() { print(1) }"),
        ];
        for (name, source) in kept {
            let found = faults(name, &format!("{CHAPTER}{source}"));
            assert!(found.is_empty(), "{found:#?}");
        }
    }

    #[test]
    fn a_file_without_its_first_words_and_a_folder_without_its_chapter_are_found() {
        assert!(faults("src/sip/x.rs", "pub fn f() {}")[0].contains("does not open"));
        assert!(faults("src/sip/x.rs", "/// a\nfn f() {}")[0].contains("does not open"));
        assert!(faults("src/sip/mod.rs", "//! SIP.\n")[0].contains("chapter"));
        assert!(faults("src/sip/x.rs", "//! A dialog.\n").is_empty());
    }

    #[test]
    fn a_file_beyond_the_ceiling_is_found() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        assert!(faults("src/sip/x.rs", &long)[0].contains("601 lines"));
        let fits = format!("//! Long.\n{}", "\n".repeat(LINES_MAX - 1));
        assert!(faults("src/sip/x.rs", &fits).is_empty());
    }

    #[test]
    fn the_map_is_read_in_its_order() {
        let lib = "//! | module | holds |\n//! |---|---|\n//! | [`time`] [`rng`] | words |\n//! | [`sip`] | SIP |\n";
        assert_eq!(order_of_the_map(lib), ["time", "rng", "sip"]);
    }
}
