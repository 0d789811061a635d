//! The media plane of one thread: streams, and what is done with their sound.
//!
//! A [`worker::Worker`] owns its streams and takes all their memory when it is made; behind that, the way of a packet
//! takes no lock, no allocation and no log line. It is pure: packets, slots of the clock and commands go in, and what it
//! wants done comes out through the caller's [`worker::Sink`]. [`command`] is the whole contract with the engine. A stream
//! that nobody waits for is heard in every tenth of its slots only ([`rest`]).
//!
//! ```text
//!  packet -> latch -> statistics -> jitter buffer          | every 20 ms, each stream in its slot of 5 ms:
//!                                        |                 |
//!            detector <- known frame <---+--> concealed frame --> tap (recording, level)
//!                                                        \--> bridge --> partner
//!  packet <- telephone events, or player, or partner, or silence
//! ```

pub mod alignment;
pub mod bridge;
pub mod command;
pub mod conflict;
pub mod ear;
pub mod latch;
pub mod player;
pub mod presses;
pub mod protection;
pub mod receiver;
pub mod rest;
pub mod sender;
pub mod sender_clock;
pub mod stream;
pub mod tap;
pub mod waiting;
pub mod worker;

use crate::amd::detector;
use crate::rtp::delay::Delay;
use crate::rtp::{jitter, rtcp};
use std::time::Duration;

/// Slots of 5 ms in the 20 ms of a frame; each stream belongs to one, so packets do not leave in one burst.
pub const SLOTS: u8 = 4;

/// How long a slot lasts.
pub const SLOT: Duration = Duration::from_millis(5);

/// What a worker is told at its start.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// The most streams at once; memory for them is taken at the start.
    pub streams_max: usize,
    /// Playout delay of the jitter buffer, at most [`jitter::DELAY_MAX`].
    pub jitter: Duration,
    /// That of agents' legs, on which people wait for each other: it may follow the network.
    pub jitter_agents: Delay,
    /// A connected stream without any packet for this long is reported.
    pub media_timeout: Duration,
    /// Mean time between RTCP reports.
    pub rtcp_interval: Duration,
    /// What the detectors are told.
    pub amd: detector::Options,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            streams_max: 400,
            jitter: Duration::from_millis(40).min(jitter::DELAY_MAX),
            jitter_agents: Delay::Fixed(Duration::from_millis(40)),
            media_timeout: Duration::from_secs(30),
            rtcp_interval: rtcp::INTERVAL,
            amd: detector::Options::default(),
        }
    }
}
