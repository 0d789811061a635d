//! cli.

pub mod export;
