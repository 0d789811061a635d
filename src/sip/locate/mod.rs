//! Finding the next hop (RFC 3263): from the name of a trunk to an ordered list of transports and addresses, without
//! any I/O.
//!
//! [`locator::Locator`] is told which [`destination::Destination`]s are wanted, asks [`record::Question`]s, and is fed
//! the answers, the failures and the time. It keeps every answer in a [`cache::Cache`] that honours the TTL between a
//! floor and a ceiling, asks again before it has passed, and goes on with what it knew while the DNS is down. A
//! [`search`] reads an ordered list of [`search::Hop`]s from the cache, by the rules of [`selection`] (NAPTR, RFC 3403;
//! SRV, RFC 2782). [`hops::Hops`] is what a trunk makes of such a list: it sticks to a hop that lives, goes on to the
//! next when it dies, and lets the dead one rest until a probe finds it alive.
//!
//! "There are no such records" and "nobody says whether there are" are two things: only the first leads on to the next rule.
//! After the second what was found before stands, or the trunk is nowhere until the DNS answers; the question is repeated.
//!
//! Answers come from strangers: every list is cut to a bound, no name leads to another name more than three times, and
//! an address that is nobody's (any, multicast, broadcast) is left out.

pub mod cache;
pub mod destination;
pub mod hops;
pub mod locator;
pub mod record;
pub mod search;
pub mod selection;

pub use destination::Destination;
pub use hops::Hops;
pub use locator::{Locator, Output};
pub use record::{Answer, Data, Failure, Kind, Question, Record};
pub use search::{Hop, Lack};

#[cfg(test)]
mod tests;
