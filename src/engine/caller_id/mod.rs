//! Which number of ours a callee sees: pools of caller ids, chosen from at the moment of dialing.
//!
//! * [`options`]: `[[caller_id_pool]]`, as configured;
//! * [`pool`]: the choice, with its reason; the daily caps, the warm-up, the rests;
//! * [`health`]: how each number fares beside the others, by control chart.
//!
//! Numbers are never changed to dodge a label: one that callees do not want, or that fares worse than chance allows, rests, and
//! the cause is shown.

pub mod health;
pub mod options;
pub mod pool;

pub use options::{Options, Strategy};
pub use pool::{Chosen, Pool, Use};
