//! Campaigns: whom to dial, when, how fast, and how often; this folder knows no SIP.
//!
//! [`Campaign`] is the machine: it asks for contacts ahead of need ([`Output::Refill`]), hands them out one at a time
//! ([`Campaign::next_dial`]), and decides after each attempt what becomes of the contact
//! ([`Campaign::handle_outcome`]). Its parts are [`pacing`] (how fast), [`window`] (when), [`retry`] (how often) and
//! [`gate`], which asks them all before each dial and has a word for every refusal. [`ledger`] is what all campaigns
//! share: the do-not-call sets ([`suppression`]), the numbers in flight and what they have been through. [`law`] is what
//! packs of rules say of a number at a time. [`list`] reads contact lists, [`options`]
//! the configuration's `[[campaign]]` table.

pub mod gate;
pub mod law;
pub mod ledger;
pub mod list;
pub mod options;
pub mod pacing;
pub mod retry;
pub mod suppression;
pub mod window;

#[cfg(test)]
mod random_test;

mod explain;
mod hour_band;
mod machine;
mod supply;

pub use explain::Reason;
pub use gate::{Decision, Refusal};
pub use ledger::Ledger;
pub use machine::{Campaign, Counts, Output};
pub use options::{Fault, Options};
