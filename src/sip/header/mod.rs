//! The header values that a user agent acts upon, read from their text (RFC 3261 section 20).
//!
//! [`NameAddr`] is From, To, Contact, Route and their like; [`Via`] routes responses; [`CSeq`] orders requests;
//! [`Reason`] says why a call ended; [`retry_after`] how long a server wants to be left alone. [`list`] cuts
//! comma lists and [`Parameters`] reads what follows semicolons, both with regard to quotes.

mod cseq;
pub mod list;
mod name_addr;
mod parameters;
mod reason;
mod via;

pub use cseq::CSeq;
pub use name_addr::NameAddr;
pub use parameters::{PARAMETERS_MAX, Parameters};
pub use reason::{Reason, retry_after};
pub use via::{BRANCH_COOKIE, Via};
