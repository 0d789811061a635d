//! The command line.
pub mod classify;
pub mod demo_carrier;
pub mod export;
