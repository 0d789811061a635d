//! The header values that a user agent acts upon, read from their text (RFC 3261 section 20).
//!
//! [`NameAddr`] is From, To, Contact, Route and their like; [`Via`] routes responses; [`CSeq`] orders requests;
//! [`Reason`] says why a call ended, [`words_of`] in words; [`retry_after`] how long a server wants to be left alone. [`EarlyMedia`] whether its sound is the callee's. [`list`] cuts
//! comma lists and [`Parameters`] reads what follows semicolons, both with regard to quotes.

mod cseq;
mod early_media;
pub mod list;
mod name_addr;
mod parameters;
mod reason;
mod via;

pub use cseq::CSeq;
pub use early_media::EarlyMedia;
pub use name_addr::NameAddr;
pub use parameters::{PARAMETERS_MAX, Parameters};
pub use reason::{Reason, retry_after, words_of};
pub use via::{BRANCH_COOKIE, Via};
