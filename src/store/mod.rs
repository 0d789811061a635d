//! The store: what must outlive the process, in one SQLite file, or on a PostgreSQL server for several nodes.
//!
//! [`Store`] is the writer. A lock file beside a SQLite database keeps a second engine out, and the engine speaks to it
//! through [`writer::run`], which commits whatever is waiting in one transaction and answers only afterwards.
//! [`Reader`] opens the same database beside a running engine, for exports and status.
//!
//! The promises, each kept by a constraint or a transaction and proved by a test:
//!
//! * An attempt with its Call-ID is on disk before its INVITE may leave ([`Answer::InviteCommitted`]).
//! * The last gate stands in that same transaction: no INVITE to a number on the do-not-call list, none to a contact
//!   that this engine has not claimed.
//! * Every attempt has exactly one call record, however often the engine hands it in.
//! * A contact is claimed once. After a crash, claimed contacts wait again; contacts in flight stay so until the
//!   engine, told by [`Store::recover`], closes their attempts by its policy.
//!
//! | file | holds |
//! |---|---|
//! | `database` | [`Store`]: opening, the lock, campaign states |
//! | `list` | contacts and the do-not-call list in bulk |
//! | `source` | the files that they came from |
//! | `claim`, `order` | who is dialed next |
//! | `label` | people's words on who answered |
//! | `abandonment` | for whom no agent was there in time, by day |
//! | `request` | requests of the engine one by one, as SQL |
//! | `group` | those of many calls at once |
//! | `invite`, `call_record` | INVITEs and the gate before them, call records and what they do to contacts |
//! | `rows` | many rows as one value |
//! | `batch` | group commit, retries, refusals |
//! | `writer` | the task |
//! | `dialog` | calls that may be up |
//! | `recovery` | what a crash left behind |
//! | `promise` | callbacks, and contacts that are dialed again |
//! | `backup`, `copy` | copies of the whole, made and put back |
//! | `erase`, `pseudonym` | forgetting people, and what stays in their numbers' place |
//! | `reader`, `table`, `penetration` | reading beside the engine: counts, pages of rows |
//! | `story` | all that is known of one contact, one attempt, one list: for whoever asks why |
//! | `node`, `share` | one node among several: its lease, its shares of the caps |
//! | `doubt` | commits that a server did not answer |
//! | `location`, `connection` | the database itself, a file or a server |
//! | `statement`, `dialect` | one text for both, and where their words differ |
//! | `rows`, `gathered` | many rows in one value, there and back |
//! | `schema`, `error` | migrations, what can go wrong and what to do about it |
//!
//! [`Answer::InviteCommitted`]: crate::record::Answer::InviteCommitted

mod abandonment;
mod backup;
mod batch;
mod call_record;
mod claim;
mod connection;
mod copy;
mod database;
mod dialect;
mod dialog;
mod doubt;
mod erase;
mod error;
mod gathered;
mod group;
mod history;
mod invite;
mod label;
mod list;
mod location;
mod node;
mod order;
mod penetration;
mod promise;
mod pseudonym;
mod reader;
mod recovery;
mod request;
mod rows;
mod schema;
mod share;
mod source;
mod statement;
mod story;
pub mod table;
pub mod writer;

pub use abandonment::AnsweredDay;
pub use backup::{Contents, restore};
pub use database::Store;
pub use erase::{Erased, Expired};
pub use error::StoreError;
pub use label::{Labelled, Tally};
pub use list::{ImportCounts, ROWS_MAX, Suppression};
pub use location::{Location, Server};
pub use order::{Hours, ListShare, Order, Orders, ZoneHours};
pub use penetration::Penetration;
pub use promise::{Promised, Recycled};
pub use reader::{Counts, Reader};
pub use recovery::Orphan;
pub use source::{Identity, KnownList, ListId, ListKind};
pub use story::{AttemptStory, CallLine, CallerIdUse, CallerIdUses, ContactStory, End, Holding, InviteLine};

#[cfg(test)]
pub(crate) mod tests;
