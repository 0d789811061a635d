//! A phone network in memory.
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
