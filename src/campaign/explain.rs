//! Why is it not dialing? The answer to the first question of every operator.
//!
//! [`Reason`] is a reason in one word, [`hold::Hold`] the same with its numbers and its end, for people and programs;
//! [`met`] remembers who was met and could not be dialed, [`checks`] asks every rule about one contact, [`kept`] tells
//! what an attempt rested on, [`moment`] writes times.

pub mod checks;
pub mod hold;
pub mod kept;
mod lawful;
pub mod met;
pub mod moment;

use super::pacing::Held;
use super::window::{Window, Zone};
use crate::time::{Instant, WallTime};
use std::fmt;

/// One reason for which a campaign does not dial at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It was never started.
    NotStarted,
    /// The operator paused it.
    Paused,
    /// The operator stopped it.
    Stopped,
    /// Every contact is in a final state.
    Completed,
    /// The calling window is closed, for all contacts or for those that were due.
    WindowClosed {
        /// When it opens first; `None` when it never does.
        opens_at: Option<WallTime>,
    },
    /// Contacts that are due are on their way from the store.
    AwaitingStore,
    /// No contact is due.
    NothingDue {
        /// When the next one is.
        next_at: Option<WallTime>,
    },
    /// All lines of the campaign are busy.
    LinesBusy {
        /// How many.
        lines: u32,
    },
    /// All lines of the engine are busy, or none of the trunks had room.
    EngineBusy,
    /// The pace: the next dial leaves then.
    Pace {
        /// When.
        next_at: Instant,
    },
    /// One more abandoned person would break the law's limit: one line for each waiting agent is the most.
    Guarded {
        /// People who answered within the law's days.
        people: u64,
        /// Of them: nobody was there in time.
        abandoned: u64,
    },
    /// The agents and the law of dialing.
    Agents(Held),
}

impl Reason {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NotStarted => "not_started",
            Reason::Paused => "paused",
            Reason::Stopped => "stopped",
            Reason::Completed => "completed",
            Reason::WindowClosed { .. } => "window_closed",
            Reason::AwaitingStore => "awaiting_store",
            Reason::NothingDue { .. } => "nothing_due",
            Reason::LinesBusy { .. } => "lines_busy",
            Reason::EngineBusy => "engine_busy",
            Reason::Pace { .. } => "pace",
            Reason::Guarded { .. } => "abandonment_guard",
            Reason::Agents(held) => held.as_str(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotStarted => f.write_str("not started"),
            Reason::Paused => f.write_str("paused by the operator"),
            Reason::Stopped => f.write_str("stopped by the operator"),
            Reason::Completed => f.write_str("completed: every contact is in a final state"),
            Reason::WindowClosed { opens_at: Some(at) } => {
                write!(f, "the calling window is closed until {}", Utc(*at))
            }
            Reason::WindowClosed { opens_at: None } => f.write_str("the calling window never opens"),
            Reason::AwaitingStore => f.write_str("waiting for contacts from the database"),
            Reason::NothingDue { next_at: Some(at) } => {
                write!(f, "no contact is due; the next one is at {}", Utc(*at))
            }
            Reason::NothingDue { next_at: None } => f.write_str("no contact is due"),
            Reason::LinesBusy { lines } => {
                write!(f, "all {lines} lines of the campaign are busy (lines_max)")
            }
            Reason::EngineBusy => f.write_str("no line or trunk is free"),
            Reason::Pace { .. } => f.write_str("the pace (calls_per_minute) holds the next call back"),
            Reason::Guarded { people, abandoned } => write!(
                f,
                "the abandonment guard holds dialing at one line for each waiting agent: {abandoned} of {people} people \
                 were abandoned, and one more would exceed abandonment_limit"
            ),
            Reason::Agents(held) => write!(f, "{held}"),
        }
    }
}

/// The window's rule as it is written: `mon-fri 09:00-20:00, in the callee's zone (campaign.window)`.
pub fn rule_of(window: &Window) -> String {
    let zone = match window.zone {
        Zone::Contact => "in the callee's own zone".to_owned(),
        Zone::Named(zone) => format!("in {zone}"),
    };
    format!("{} {}-{} {zone} (campaign.window)", days_of(window), window.start, window.end)
}

/// `mon-fri`, `mon tue sat`.
fn days_of(window: &Window) -> String {
    let mut days = window.days.clone();
    days.sort_by_key(|day| *day as u32);
    days.dedup();
    let in_row = days.windows(2).all(|pair| pair[0] as u32 + 1 == pair[1] as u32);
    match (&days[..], in_row) {
        ([first, .., last], true) if days.len() > 2 => format!("{}-{}", first.as_str(), last.as_str()),
        _ => days.iter().map(|day| day.as_str()).collect::<Vec<_>>().join(" "),
    }
}

struct Utc(WallTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.0.unix_ms()) {
            Some(at) => write!(f, "{}", at.format("%Y-%m-%d %H:%M UTC")),
            None => f.write_str("a time beyond the calendar"),
        }
    }
}
