//! The law at the moment of dialing: rule packs as data, and what they say of one number at one time.
//!
//! A [`Pack`] is a file of `config/rules` (or of one's own folder): dated cells, each with its source. [`Law`] is what holds
//! for a campaign: of all packs those of the callee's [`Place`], of their rules those for its purpose, and of what they
//! say the strictest. [`Law::judge`] gives every rule with its finding, which is what the gate decides by, what `outdial
//! rules why` prints, and what is kept with each attempt ([`Basis`]). Nothing of this is legal advice.

pub mod options;
pub mod pack;
pub mod rule;

mod basis;
mod code;
mod consent;
mod holiday;
pub mod judgement;
mod past;
mod place;
mod span;
mod timetable;

#[cfg(test)]
mod boundaries;

pub use basis::{Basis, Cap};
pub use code::Law;
pub use consent::ConsentGiven;
pub use judgement::{Finding, Judgement, Ruling};
pub use pack::Pack;
pub use place::Place;
pub use rule::{Kind, Purpose};
pub use span::{Span, local_date};
