//! SIP: messages, and what a user agent does with them (RFC 3261).
//!
//! The message layer comes first and knows no state. [`message`] reads bytes into a [`message::Message`] and writes
//! it back; [`method`], [`uri`] and [`header`] read the parts of it that a user agent acts upon; [`framing`] cuts a
//! stream into messages; [`digest`] answers a challenge.
//!
//! Reading is generous where carriers and phones are careless and the meaning is plain (folded lines, compact names,
//! odd blanks, bytes that are not UTF-8), and strict where guessing could join two calls or misjudge where a message
//! ends. Everything is bounded and linear in the size of the message.
//!
//! Above it stands the user agent. [`endpoint::Endpoint`] is all that the rest of the house sees of it: it is told of
//! datagrams and of time, and says what to transmit and what happened ([`event`]). Inside, [`transaction`] has the
//! machines that repeat what gets lost, `stack` what all users of transactions share, [`access`] our side of the way to
//! a peer, `reach` what was found out about it, `source` whom we listen to, `dialog` the state that two parties share, `session` one call, [`locate`]
//! where requests to a name go (RFC 3263), `registration` and `ping` what keeps a trunk alive, `ack` and `late` what
//! arrives for calls that have gone, `orphan` the end of calls that a former run has left, [`remains`] what is kept for it,
//! `refusal` the answers to what nobody asked for, `stateless` who gives them and forgets, [`content`] which bodies we
//! understand, and [`verdict`] what becomes of one message alone.

pub mod digest;
pub mod framing;
pub mod header;
pub mod malformed;
pub mod message;
pub mod method;
pub mod uri;

pub mod access;
pub mod endpoint;
pub mod event;
pub mod locate;
pub mod options;
pub mod remains;
pub mod target;
pub mod transaction;
pub mod verdict;

mod ack;
mod authentication;
pub mod content;
mod dialog;
mod late;
mod orphan;
mod ping;
mod reach;
mod refusal;
mod registration;
mod schedule;
mod session;
mod source;
mod stack;
mod stateless;

#[cfg(test)]
mod scenarios;
