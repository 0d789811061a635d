//! A call centre in numbers: the campaign's own code on a virtual clock, with agents and callees drawn from distributions.
//!
//! No SIP and no audio (that is [`crate::sim`]): a day of a hundred agents takes seconds. [`scenario`] says who calls whom,
//! [`day`] plays one day from a seed, [`tally`] counts what came of it, [`report`] holds laws and group sizes beside each
//! other, and [`page`] draws them. The model is that of the published figures: log-normal ringing, talk and wrap-up,
//! verdicts that take their time and err.

pub mod chance;
pub mod day;
pub mod page;
pub mod report;
pub mod scenario;
pub mod tally;
