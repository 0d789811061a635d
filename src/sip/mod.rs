//! SIP: messages, and what a user agent does with them (RFC 3261).
//!
//! The message layer comes first and knows no state. [`message`] reads bytes into a [`message::Message`] and writes
//! it back; [`method`], [`uri`] and [`header`] read the parts of it that a user agent acts upon; [`framing`] cuts a
//! stream into messages; [`digest`] answers a challenge.
//!
//! Reading is generous where carriers and phones are careless and the meaning is plain (folded lines, compact names,
//! odd blanks, bytes that are not UTF-8), and strict where guessing could join two calls or misjudge where a message
//! ends. Everything is bounded and linear in the size of the message.

pub mod digest;
pub mod framing;
pub mod header;
pub mod malformed;
pub mod message;
pub mod method;
pub mod uri;
