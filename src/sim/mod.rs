//! A phone network in memory: the far end of every call, and the judge of what the engine did.
//!
//! [`carrier`] is a SIP user agent server without sockets and clock. Behind it stand [`callee`]s (people, machines, busy
//! and dead lines) and [`agents`]; a [`mod@line`] is a call's media, with a mouth that says what [`voice`] and [`recordings`]
//! give it, and an [`ear`] that keeps all it hears. What happened stands in the [`ledger`], with what [`judgement`] finds
//! in the audio. [`network`] is the wires between, with every fault that wires have. [`scenario`] puts a whole far end
//! together; the demo's is there.
//!
//! The judge reads SDP ([`description`]), RTP and digests ([`guard`]) with code of its own, so that a mistake of the
//! engine cannot hide behind the same mistake here. Only the message syntax and the companding tables are shared.
//!
//! Everything is drawn from [`crate::rng`] and told the time: one seed is one course of events.

pub mod agents;
pub mod callee;
pub mod carrier;
pub mod checks;
pub mod description;
pub mod ear;
pub mod guard;
pub mod judgement;
pub mod ledger;
pub mod line;
pub mod network;
pub mod recordings;
pub mod records;
pub mod scenario;
pub mod subscribers;
pub mod voice;
pub mod world;
