//! The command line.
pub mod classify;
pub mod export;
