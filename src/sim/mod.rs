//! A phone network in memory.
pub mod agents;
pub mod callee;
pub mod ear;
pub mod judgement;
pub mod network;
pub mod voice;
