//! Every cell of every pack at its boundary, by the gate itself: one table walks over all packs, and a cell without a
//! source, a date or a boundary fails. A second table holds what the packs are to say against what was read, by hand.

mod cells;
mod facts;

use super::super::gate::tests::{contact, e164};
use super::super::gate::{Decision, Gate};
use super::super::ledger::Ledger;
use super::super::options::Options;
use super::super::options::tests::options;
use super::super::suppression::{List, Reach, Suppression};
use crate::record::Contact;
use crate::time::{Instant, Now, WallTime};
use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use std::time::Duration;

/// Options whose own window is always open and whose own caps never bind.
fn open_options(more: &str) -> Options {
    let days = "[\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]";
    options(&format!(
        "max_attempts = 100\nattempt_gap_min = 0\n{more}\n[window]\ndays = {days}\nstart = \"00:00\"\nend = \"24:00\""
    ))
}

fn ask(options: &Options, contact: &Contact, at: WallTime, ledger: &Ledger) -> String {
    let now = Now { wall: at, instant: Instant::from_start(Duration::from_secs(1_000_000)) };
    match Gate::new(options).may_dial(contact, now, ledger) {
        Decision::Allow { guaranteed_agent: false } => "allow".to_owned(),
        Decision::Allow { guaranteed_agent: true } => "allow with a guaranteed agent".to_owned(),
        Decision::Skip { reason, until } => {
            assert!(until > at, "{reason} until a moment that is over");
            reason.as_str().to_owned()
        }
        Decision::Never { reason } => format!("never {reason}"),
    }
}

/// A moment as the clock of a zone shows it; the first where it shows it twice.
fn local(zone: &str, text: &str) -> WallTime {
    let format = if text.len() > 16 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    let civil = NaiveDateTime::parse_from_str(text, format).unwrap_or_else(|_| panic!("{text}"));
    let zone: Tz = zone.parse().unwrap();
    WallTime::from_unix_ms(zone.from_local_datetime(&civil).earliest().unwrap().timestamp_millis())
}

fn earlier(at: WallTime, by: Duration) -> WallTime {
    WallTime::from_unix_ms(at.unix_ms() - by.as_millis() as i64)
}

fn list(kind: &str, as_of: WallTime, listed: &[&str]) -> List {
    let mut numbers = Suppression::with_limit(10);
    for number in listed {
        numbers.insert(&e164(number)).unwrap();
    }
    List { kind: kind.to_owned(), as_of, version: String::new(), reach: Reach::All, numbers }
}

fn consenting(number: &str, cells: &[(&str, &str)]) -> Contact {
    let cells = cells.iter().map(|(title, cell)| ((*title).to_owned(), (*cell).to_owned()));
    Contact { attributes: cells.collect(), ..contact(1, number) }
}
