//! io.
pub mod media;
pub mod recorder;
