//! Agents: the people who take calls, what each of them is doing, and who is next.
//!
//! [`Roster`] is the machine: it is told what agents say of themselves and what becomes of the calls that they are given,
//! keeps the time of their wrap-up, and tells every change of state as a [`Change`], so that pacing hears all of them.
//! Calls go to whoever has been idle longest among those with the campaign's skills. [`options`] holds the `[[agent]]`
//! table of the configuration. Nothing here knows what a call is.

pub mod options;
mod roster;
mod state;

pub use options::Options;
pub use roster::{AGENTS_MAX, Agent, AgentKey, Change, Roster, Unknown};
pub use state::{State, Word};
