//! RTP (RFC 3550, RFC 3551), RTCP and telephone events (RFC 4733): what travels and what can be told from it.
//!
//! [`packet`] reads and writes; [`sequence`] makes endless numbers of the wire's short ones; [`jitter`] turns packets
//! that come when they like into frames that are there when they are due, after a [`delay`] that may follow the network;
//! [`statistics`] counts what RFC 3550 counts, and [`rtcp`] reports it; [`telephone_event`] sends and hears keys;
//! [`srtp`] protects it all. All are small machines without sockets: time and bytes are handed in.

pub mod delay;
pub mod jitter;
pub mod packet;
pub mod present;
pub mod rtcp;
pub mod sequence;
pub mod srtp;
pub mod statistics;
pub mod telephone_event;

/// Units of the RTP clock a second for all audio that we negotiate (RFC 3551, 6: PCMU and PCMA; RFC 4733, 3.2).
pub const CLOCK_HZ: u32 = 8_000;

/// Who sends a stream of packets (RFC 3550, 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ssrc(pub u32);
