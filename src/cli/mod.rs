//! cli.
pub mod classify;
