//! Answering-machine detection: frames of 20 ms go in, findings and one verdict come out.
//!
//! The detector hears one call. It names network and fax tones, finds the beep of a voicemail to the sample's
//! neighbourhood, tells when a greeting is over, and judges once who answered, with a cause, before a hard deadline. It
//! takes no memory after [`detector::Detector::new`] and never asks for the time: its clock is the audio itself.
pub mod activity;
pub mod asterisk;
pub mod beep;
pub mod cadence;
pub mod decider;
pub mod detector;
pub mod features;
pub mod glimpse;
pub mod judge;
pub mod line;
pub mod model;
pub mod music;
pub mod network;
pub mod options;
pub mod parameters;
pub mod prompts;
pub mod replay;
pub mod spectrum;
pub mod tones;
pub mod transform;
pub mod verdict;

pub use options::Options;
pub use prompts::Prompts;
