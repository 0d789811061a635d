//! A call centre in numbers: the campaign's own code on a virtual clock, with agents and callees drawn from distributions.
//!
//! No SIP and no audio (that is [`crate::sim`]): a day of a hundred agents takes seconds. [`scenario`] says who calls whom,
//! [`day`] plays one day from a seed, with the agents of [`roster`] and the contacts of [`list`] over the trunks of [`wire`], [`tally`] counts what came
//! of it, [`report`] holds laws and group sizes beside each other, and [`page`] draws them. [`variety`] plays campaigns of
//! many days, each another, and holds them against their limits, [`survey`] tells how that went; [`moment`] is a line of a
//! day's trace. The model is that of the published figures: log-normal
//! ringing, talk and wrap-up, verdicts that take their time and err.

pub mod chance;
pub mod day;
pub mod list;
pub mod moment;
pub mod page;
pub mod report;
pub mod roster;
pub mod scenario;
pub mod survey;
pub mod tally;
pub mod variety;
pub mod wire;
