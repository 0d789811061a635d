//! Outdial, a native outbound dialer engine: the map of the house.
//!
//! Two planes. The *control plane* is one plain struct, [`engine`]'s `Engine`, owned by one task: inputs go in, outputs
//! come out, no lock, no clock, no await inside. The *media plane* is a few plain threads, each with a [`media`] `Worker`
//! that owns its streams. [`media::command`] is the whole contract between them.
//!
//! Modules may use only what stands above them in this list (`tests/tidy.rs` enforces it):
//!
//! | module | holds |
//! |---|---|
//! | [`time`] [`rng`] [`slab`] [`number`] [`disposition`] [`record`] | words that everybody needs |
//! | [`audio`] | samples: G.711, levels, tones, WAV, resampling |
//! | [`rtp`] | packets, sequence, jitter buffer, RTCP, telephone-event |
//! | [`sdp`] | descriptions, offer and answer |
//! | [`sip`] | messages, transactions, dialogs, sessions, digest, registration |
//! | [`amd`] | frames in, findings and one verdict out |
//! | [`corpus`] | labelled recordings and their manifest |
//! | [`evaluation`] | verdicts held against labels |
//! | [`training`] | how the detector's model is made |
//! | [`media`] | the media plane of one thread |
//! | [`trace`] | what a call looked like on the wire: kept, masked, drawn, framed for others |
//! | [`agent`] | the people who take calls: what each is doing, who is next |
//! | [`campaign`] | who and how many; knows no SIP |
//! | [`call`] | one attempt; knows no campaign |
//! | [`engine`] | the only meeting place |
//! | [`centre`] | a call centre in numbers: campaigns on a virtual clock, without SIP and audio |
//! | [`sim`] | a phone network in memory: carrier, callees, agents, loss, virtual clock |
//! | [`store`] | SQLite, or PostgreSQL for several nodes |
//! | [`io`] | sockets, threads, files, the clock, the configuration |
//! | [`cli`] | the command line |
//!
//! To read it as a newcomer: this page, `call/attempt.rs`, `sip/transaction/invite_client.rs`, `media/worker.rs`,
//! `engine/engine.rs`, `sim/world.rs`.

pub mod disposition;
pub mod number;
pub mod record;
pub mod rng;
pub mod slab;
pub mod time;

pub mod audio;
pub mod rtp;
pub mod sdp;
pub mod sip;

pub mod amd;
pub mod corpus;
pub mod evaluation;
pub mod training;

pub mod media;
pub mod trace;

pub mod agent;
pub mod call;
pub mod campaign;
pub mod engine;

pub mod centre;
pub mod sim;

pub mod cli;
pub mod io;
pub mod store;
