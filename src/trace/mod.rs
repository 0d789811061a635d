//! What a call looked like on the wire, for whoever has to find out why it went wrong.
//!
//! A [`packet::Packet`] is one SIP message with its time and its two ends. [`book::Book`] decides which calls are traced,
//! for how long and how openly, and keeps what they said in bounded memory; [`masking`] takes people's numbers and
//! secrets out before anything is kept; [`ladder`] draws a kept call as text. For other programs, [`frame`] puts a
//! datagram into an Ethernet frame of a capture file, and [`hep`] into a packet for a Homer server.
//!
//! Nothing here judges a message: what is malformed is what a trace is most needed for, so headers are found by looking,
//! not by parsing.

pub mod book;
pub mod frame;
pub mod hep;
pub mod ladder;
pub mod masking;
pub mod packet;
